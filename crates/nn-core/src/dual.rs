//! Numbers that carry their derivative along a direction.

use std::ops::{Add, Mul, Sub};

/// What the backward passes of layers are written in, so that one text serves for numbers and, with
/// [`Dual`] numbers, for the exact derivative of the pass itself.
pub(crate) trait Number:
    Copy + Default + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
}

impl<N> Number for N where
    N: Copy + Default + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
}

/// A value and its derivative along a direction; arithmetic follows the rules of differentiation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Dual<T> {
    pub(crate) value: T,
    pub(crate) slope: T,
}

impl<T> Dual<T> {
    pub(crate) fn new(value: T, slope: T) -> Self {
        Self { value, slope }
    }
}

/// Two slices side by side as dual numbers.
pub(crate) fn duals<T: Copy>(values: &[T], slopes: &[T]) -> Vec<Dual<T>> {
    values.iter().zip(slopes).map(|(&value, &slope)| Dual { value, slope }).collect()
}

impl<T: Add<Output = T>> Add for Dual<T> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, slope: self.slope + other.slope }
    }
}

impl<T: Sub<Output = T>> Sub for Dual<T> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, slope: self.slope - other.slope }
    }
}

impl<T: Copy + Add<Output = T> + Mul<Output = T>> Mul for Dual<T> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            slope: self.slope * other.value + self.value * other.slope,
        }
    }
}

impl<T: Copy + Mul<Output = T>> Mul<T> for Dual<T> {
    type Output = Self;

    fn mul(self, factor: T) -> Self {
        Self { value: self.value * factor, slope: self.slope * factor }
    }
}
