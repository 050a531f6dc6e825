//! Activation functions: value, slope at z, inverse.
//!
//! A unit computes z, the weighted sum of its inputs, and then a = f(z). Backpropagation multiplies
//! by f′(z): the slope where f was evaluated. Some f let f′(z) be written with a (tanh: 1 − a²);
//! sin does not, since sin′(z) = cos z = ±√(1 − a²) and a has lost the sign.

use std::any::Any;
use std::fmt::Debug;

use linalg::Real;

use crate::{Error, Result};

/// A function applied to each value on its own.
///
/// The functions of this crate implement it, and so can a caller's own: `value` and `slope` are
/// enough for training, `inverse` and `inverse_domain` make the layer invertible for `nn-invert`.
/// [`gradient_check`](crate::gradient_check) says whether `slope` fits `value`.
///
/// # Examples
/// ```
/// use linalg::Real;
/// use nn_core::Activation;
///
/// #[derive(Debug)]
/// struct Square;
///
/// impl<T: Real> Activation<T> for Square {
///     fn name(&self) -> &'static str {
///         "square"
///     }
///     fn value(&self, z: T) -> T {
///         z * z
///     }
///     fn slope(&self, z: T) -> T {
///         z + z
///     }
/// }
///
/// assert_eq!(Square.value(3.0), 9.0);
/// assert_eq!(Square.slope(3.0), 6.0); // at z = 3; at a = 9 it would be 18
/// ```
pub trait Activation<T: Real>: Any + Debug + Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// a = f(z). A NaN must give a NaN, so that training notices it.
    fn value(&self, z: T) -> T;

    /// f′(z), the slope at z: where f was evaluated, not at f's value.
    fn slope(&self, z: T) -> T;

    /// f′(z) from a = f(z) alone, where that determines it; saves evaluating f′.
    ///
    /// All or none: either every a has an answer or none has.
    fn slope_from_value(&self, _a: T) -> Option<T> {
        None
    }

    /// a = f(z) for every entry of `z`.
    fn values(&self, z: &[T], a: &mut [T]) {
        for (a, &z) in a.iter_mut().zip(z) {
            *a = self.value(z);
        }
    }

    /// dL/dz = f′(z)·dL/da for every entry, given z and a = f(z).
    ///
    /// Where [`Activation::slope_from_value`] has answers, z may be gone: a stands in its place, and
    /// `a` alone is to be used.
    fn pull_back(&self, z: &[T], a: &[T], da: &[T], dz: &mut [T]) {
        for (((dz, &da), &z), &a) in dz.iter_mut().zip(da).zip(z).zip(a) {
            // The same number either way; from a it costs no second evaluation of f.
            *dz = da * self.slope_from_value(a).unwrap_or_else(|| self.slope(z));
        }
    }

    /// The open interval of values that have exactly one z each; `None` where f takes values twice.
    fn inverse_domain(&self) -> Option<Interval> {
        None
    }

    /// The z with f(z) = a; `None` outside [`Activation::inverse_domain`].
    fn inverse(&self, _a: T) -> Option<T> {
        None
    }
}

/// The numbers strictly between two bounds, which may be infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Every member is greater.
    pub lower: f64,
    /// Every member is less.
    pub upper: f64,
}

impl Interval {
    /// All finite numbers.
    pub const REAL: Self = Self { lower: f64::NEG_INFINITY, upper: f64::INFINITY };

    /// Whether `x` lies strictly between the bounds; a NaN does not.
    #[must_use]
    pub fn contains(&self, x: f64) -> bool {
        x > self.lower && x < self.upper
    }

    /// How far `x` lies beyond the nearer bound: 0 for members and on a bound.
    #[must_use]
    pub fn excess(&self, x: f64) -> f64 {
        (x - self.upper).max(self.lower - x).max(0.0)
    }
}

/// f(z) = tanh z.
///
/// f′(z) = 1/cosh² z = 1 − a². Inverse on (−1, 1): atanh a = ½·log1p(2a/(1 − a)) for a ≥ 0, odd; the
/// logarithm of the quotient (1 + a)/(1 − a) would lose half the digits near 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tanh;

impl<T: Real> Activation<T> for Tanh {
    fn name(&self) -> &'static str {
        "tanh"
    }

    fn value(&self, z: T) -> T {
        z.tanh()
    }

    fn slope(&self, z: T) -> T {
        let cosh = z.cosh();
        T::one() / (cosh * cosh)
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some((T::one() - a) * (T::one() + a))
    }

    fn inverse_domain(&self) -> Option<Interval> {
        Some(Interval { lower: -1.0, upper: 1.0 })
    }

    fn inverse(&self, a: T) -> Option<T> {
        let size = a.abs();
        (size < T::one()).then(|| {
            let twice = size + size;
            (twice / (T::one() - size)).ln_1p() / (T::one() + T::one()) * a.signum()
        })
    }
}

/// f(z) = max(z, 0).
///
/// f′(z) is 1 for z > 0 and 0 for z ≤ 0 (at the kink too, as in PyTorch). No inverse: every z ≤ 0
/// has the value 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relu;

impl<T: Real> Activation<T> for Relu {
    fn name(&self) -> &'static str {
        "ReLU"
    }

    fn value(&self, z: T) -> T {
        // Not max(z, 0), which turns a NaN into a 0.
        if z < T::zero() { T::zero() } else { z }
    }

    fn slope(&self, z: T) -> T {
        if z > T::zero() { T::one() } else { T::zero() }
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(self.slope(a))
    }
}

/// f(z) = z for z > 0 and αz otherwise, 0 < α ≤ 1.
///
/// f′(z) is 1 or α (α at the kink). Inverse on all of ℝ: a or a/α, which magnifies errors by up to
/// 1/α.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeakyRelu {
    alpha: f64,
}

impl LeakyRelu {
    /// A leaky ReLU with slope `alpha` for negative z.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < `alpha` ≤ 1; with 0 it would be [`Relu`].
    pub fn new(alpha: f64) -> Result<Self> {
        if !(alpha > 0.0 && alpha <= 1.0) {
            return Err(Error::OutOfRange {
                argument: "alpha",
                value: alpha,
                expected: "0 < alpha <= 1",
            });
        }
        Ok(Self { alpha })
    }

    /// The slope for negative z.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl<T: Real> Activation<T> for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky ReLU"
    }

    fn value(&self, z: T) -> T {
        if z > T::zero() { z } else { z * T::from_double(self.alpha) }
    }

    fn slope(&self, z: T) -> T {
        if z > T::zero() { T::one() } else { T::from_double(self.alpha) }
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(self.slope(a))
    }

    fn inverse_domain(&self) -> Option<Interval> {
        Some(Interval::REAL)
    }

    fn inverse(&self, a: T) -> Option<T> {
        if !a.is_finite() {
            return None;
        }
        Some(if a > T::zero() { a } else { a / T::from_double(self.alpha) })
    }
}

/// f(z) = z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity;

impl<T: Real> Activation<T> for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn value(&self, z: T) -> T {
        z
    }

    fn slope(&self, _z: T) -> T {
        T::one()
    }

    fn slope_from_value(&self, _a: T) -> Option<T> {
        Some(T::one())
    }

    fn inverse_domain(&self) -> Option<Interval> {
        Some(Interval::REAL)
    }

    fn inverse(&self, a: T) -> Option<T> {
        a.is_finite().then_some(a)
    }
}

/// f(z) = sin z.
///
/// f′(z) = cos z. It cannot be had from a = sin z: at z = 2.5, cos z = −0.80114, while √(1 − a²) is
/// +0.80114 and cos a is +0.82620. No inverse: the values repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sin;

impl<T: Real> Activation<T> for Sin {
    fn name(&self) -> &'static str {
        "sin"
    }

    fn value(&self, z: T) -> T {
        z.sin()
    }

    fn slope(&self, z: T) -> T {
        z.cos()
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> [Box<dyn Activation<f64>>; 5] {
        [
            Box::new(Tanh),
            Box::new(Relu),
            Box::new(LeakyRelu::new(0.1).unwrap()),
            Box::new(Identity),
            Box::new(Sin),
        ]
    }

    #[test]
    fn slopes_at_z_and_at_a_as_printed_in_tables() {
        // To 5 digits, from a table of hyperbolic and circular functions.
        let near = |x: f64, y: f64| (x - y).abs() < 5e-6;
        assert!(near(Tanh.slope(1.0), 0.41997), "tanh' at z");
        assert!(near(Tanh.slope(Tanh.value(1.0)), 0.58782), "the wrong reading: tanh' at a");
        assert!(near(Sin.slope(2.5), -0.80114), "cos z");
        assert!(near(Sin.slope(Sin.value(2.5)), 0.82620), "the wrong reading: cos a");
        assert_eq!(Activation::<f64>::slope_from_value(&Sin, 0.5), None);
    }

    #[test]
    fn the_slope_at_a_kink_is_the_left_one() {
        assert_eq!(Relu.slope(0.0), 0.0);
        assert_eq!(LeakyRelu::new(0.25).unwrap().slope(0.0), 0.25);
    }

    #[test]
    fn a_nan_stays_a_nan() {
        for f in all() {
            assert!(f.value(f64::NAN).is_nan(), "{}", f.name());
            assert_eq!(f.inverse(f64::NAN), None, "{}", f.name());
        }
    }

    #[test]
    fn the_inverse_of_tanh_keeps_its_digits_near_zero_and_near_one() {
        // atanh a = a + a³/3 + …: at 1e-8 the cubic term is below the last bit. Three roundings.
        for a in [1e-8, -1e-8, 1e-300] {
            let z: f64 = Tanh.inverse(a).unwrap();
            assert!((z / a - 1.0).abs() <= 1.5 * f64::EPSILON, "{z}");
        }
        // ½·ln((2 − 2⁻⁵³)/2⁻⁵³), by mpmath at 50 digits.
        let largest = Tanh.inverse(1.0_f64.next_down()).unwrap();
        assert!((largest - 18.714973875118524).abs() <= 4e-15, "{largest}");
        let single = Tanh.inverse(1.0_f32.next_down()).unwrap();
        assert!((single - 8.66434).abs() <= 5e-6, "{single}");
    }

    #[test]
    fn a_value_on_or_beyond_the_bound_has_no_inverse() {
        let range = Activation::<f64>::inverse_domain(&Tanh).unwrap();
        for (a, excess) in [(1.0, 0.0), (1.0_f64.next_up(), f64::EPSILON), (-1.5, 0.5)] {
            assert_eq!(Tanh.inverse(a), None, "{a}");
            assert!(!range.contains(a), "{a}");
            assert_eq!(range.excess(a), excess, "{a}");
        }
        assert_eq!(Interval::REAL.excess(1e300), 0.0);
        assert!(!Interval::REAL.contains(f64::NAN));
        assert!(Activation::<f64>::inverse_domain(&Relu).is_none());
        assert_eq!(Activation::<f64>::inverse(&Relu, 0.5), None);
        assert!(Activation::<f64>::inverse_domain(&Sin).is_none());
        assert_eq!(Identity.inverse(f64::INFINITY), None);
    }

    #[test]
    fn a_leaky_relu_without_slope_is_refused() {
        for alpha in [0.0, -0.1, 1.5, f64::NAN] {
            let text = LeakyRelu::new(alpha).unwrap_err().to_string();
            assert_eq!(text, format!("alpha is {alpha}, expected 0 < alpha <= 1"));
        }
    }

    proptest! {
        #[test]
        fn the_slope_is_the_limit_of_difference_quotients(z in -4.0..4.0_f64) {
            // Truncation h²/6·|f‴| ≤ h²/3, rounding eps/h: h = 6e-6 balances them near 1e-10.
            let h = 6e-6;
            prop_assume!(z.abs() > h);
            for f in all() {
                let quotient = (f.value(z + h) - f.value(z - h)) / ((z + h) - (z - h));
                prop_assert!((f.slope(z) - quotient).abs() <= 1e-9, "{} at {z}", f.name());
            }
        }

        #[test]
        fn the_slope_from_the_value_is_the_slope(z in -8.0..8.0_f64) {
            for f in all() {
                if let Some(slope) = f.slope_from_value(f.value(z)) {
                    prop_assert!((slope - f.slope(z)).abs() <= 4.0 * f64::EPSILON, "{}", f.name());
                }
            }
        }

        #[test]
        fn the_inverse_undoes_the_value(z in -5.0..5.0_f64) {
            for f in all().into_iter().filter(|f| f.inverse_domain().is_some()) {
                // f loses digits where it is flat: an error of 2 eps in a is 2 eps/f′ in z.
                let bound = 4.0 * f64::EPSILON * (z.abs() + 1.0 / f.slope(z));
                let back = f.inverse(f.value(z)).unwrap();
                prop_assert!((back - z).abs() <= bound, "{} at {z}: {back}", f.name());
            }
        }
    }
}
