//! Numbers of twice the working precision, for sums whose terms cancel.
//!
//! T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
//! Mathematik 18 (1971). Relative error below 8 eps² per operation.

use std::ops::{Add, Mul, Sub};

/// The unevaluated sum `high + low`, with |low| at most half a unit in the last place of `high`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Twofold {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl Twofold {
    pub(crate) const ZERO: Self = Self { high: 0.0, low: 0.0 };
    pub(crate) const ONE: Self = Self { high: 1.0, low: 0.0 };

    /// The exact product of two working-precision numbers.
    pub(crate) fn product(a: f64, b: f64) -> Self {
        // Not `mul_add`: without a fused instruction that is a slow library call.
        let (a_high, a_low) = split(a);
        let (b_high, b_low) = split(b);
        let high = a * b;
        let low = a_low * b_low - (((high - a_high * b_high) - a_low * b_high) - a_high * b_low);
        Self { high, low }
    }

    /// The quotient by a working-precision number.
    pub(crate) fn over(self, divisor: f64) -> Self {
        let quotient = self.high / divisor;
        let back = Self::product(quotient, divisor);
        let rest = (self.high - back.high) - back.low + self.low;
        quick_sum(quotient, rest / divisor)
    }
}

impl Add for Twofold {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let high = self.high + other.high;
        let part = high - self.high;
        let low = (self.high - (high - part)) + (other.high - part);
        quick_sum(high, low + (self.low + other.low))
    }
}

impl Sub for Twofold {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + Self { high: -other.high, low: -other.low }
    }
}

impl Mul for Twofold {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = Self::product(self.high, other.high);
        quick_sum(product.high, product.low + (self.high * other.low + self.low * other.high))
    }
}

impl Mul<f64> for Twofold {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        let product = Self::product(self.high, factor);
        quick_sum(product.high, product.low + self.low * factor)
    }
}

/// The exact sum where |a| >= |b|.
fn quick_sum(a: f64, b: f64) -> Twofold {
    let high = a + b;
    Twofold { high, low: b - (high - a) }
}

/// Veltkamp's halves of 26 bits each; overflows only above 2⁹⁹⁶.
fn split(a: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * a;
    let high = scaled - (scaled - a);
    (high, a - high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_keeps_what_rounding_drops() {
        // (1 + 2⁻³⁰)² = 1 + 2⁻²⁹ + 2⁻⁶⁰, and the last term is beyond a double.
        let a = 1.0 + 2f64.powi(-30);
        let square = Twofold::product(a, a);
        assert_eq!((square.high, square.low), (1.0 + 2f64.powi(-29), 2f64.powi(-60)));
    }

    #[test]
    fn a_third_times_three_is_one_to_twice_the_precision() {
        let third = Twofold::ONE.over(3.0);
        let rest = third * 3.0 + Twofold { high: -1.0, low: 0.0 };
        assert!(rest.high.abs() < 2f64.powi(-104), "{rest:?}");
        assert!(third.low != 0.0, "{third:?}");
    }

    #[test]
    fn the_square_root_of_two_squares_to_two() {
        // sqrt 2 = 1.41421356237309504880168872420969807856967..., the second half from mpmath 1.4.
        let root = Twofold { high: std::f64::consts::SQRT_2, low: -9.667293313452913e-17 };
        let rest = root * root + Twofold { high: -2.0, low: 0.0 };
        assert!(rest.high.abs() < 2f64.powi(-102), "{rest:?}");
    }
}
