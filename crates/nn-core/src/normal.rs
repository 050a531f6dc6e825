//! What batch and layer normalization share: a group of values brought to mean 0 and variance 1.

use std::ops::Mul;

use linalg::Real;

use crate::dual::{Dual, Number, duals};

/// Added to a variance before its root is taken, as PyTorch does.
pub(crate) const VARIANCE_FLOOR: f64 = 1e-5;

/// 1/√(σ² + ε).
pub(crate) fn inverse_deviation<T: Real>(variance: T) -> T {
    T::one() / (variance + T::from_double(VARIANCE_FLOOR)).sqrt()
}

/// Of a group's values: the mean, and 1/√(σ² + ε) with the variance σ² around that mean.
pub(crate) fn statistics<T: Real>(values: &[T]) -> (T, T) {
    let share = T::one() / T::from_double(values.len() as f64);
    let mean = values.iter().fold(T::zero(), |sum, &x| sum + x) * share;
    let variance = values.iter().fold(T::zero(), |sum, &x| sum + (x - mean) * (x - mean)) * share;
    (mean, inverse_deviation(variance))
}

/// dL/dx of a group, given its normal values x̂ and dL/dx̂:
///
/// dx = (dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂))·inverse,
///
/// where the two means are what the group's own mean and variance contribute.
pub(crate) fn pull_back<T: Real, N: Number + Mul<T, Output = N>>(
    normal: &[N],
    inverse: N,
    d_normal: &[N],
    mut each: impl FnMut(usize, N),
) {
    let share = T::one() / T::from_double(normal.len() as f64);
    let (mut mean, mut along) = (N::default(), N::default());
    for (&x, &dx) in normal.iter().zip(d_normal) {
        mean = mean + dx;
        along = along + dx * x;
    }
    (mean, along) = (mean * share, along * share);
    for (k, (&x, &dx)) in normal.iter().zip(d_normal).enumerate() {
        each(k, (dx - mean - x * along) * inverse);
    }
}

/// A group's normal values and inverse deviation, with their derivatives along ẋ.
pub(crate) struct Moving<T> {
    pub(crate) normal: Vec<Dual<T>>,
    pub(crate) inverse: Dual<T>,
}

impl<T: Real> Moving<T> {
    /// For a group whose mean and inverse deviation follow from its values.
    pub(crate) fn new(x: &[T], x_tangent: &[T], mean: T, inverse: T) -> Self {
        let share = T::one() / T::from_double(x.len() as f64);
        let mean_tangent = x_tangent.iter().fold(T::zero(), |sum, &v| sum + v) * share;
        let half_variance_tangent =
            x.iter().zip(x_tangent).fold(T::zero(), |sum, (&x, &v)| sum + (x - mean) * v) * share;
        let inverse = Dual::new(inverse, -inverse * inverse * inverse * half_variance_tangent);
        Self::from(x, x_tangent, Dual::new(mean, mean_tangent), inverse)
    }

    /// For given mean and inverse deviation that stand still.
    pub(crate) fn fixed(x: &[T], x_tangent: &[T], mean: T, inverse: T) -> Self {
        let still = |value| Dual::new(value, T::zero());
        Self::from(x, x_tangent, still(mean), still(inverse))
    }

    fn from(x: &[T], x_tangent: &[T], mean: Dual<T>, inverse: Dual<T>) -> Self {
        let normal = duals(x, x_tangent).into_iter().map(|x| (x - mean) * inverse).collect();
        Self { normal, inverse }
    }
}
