//! Activations that leave positive numbers as they are: ReLU, leaky ReLU, ELU.

use linalg::{Real, elementary};

use crate::check::positive;
use crate::entries::apply;
use crate::{Activation, Error, Fold, Interval, Result};

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

    fn steepest(&self) -> Option<f64> {
        Some(1.0)
    }

    fn curvature(&self, _z: T) -> T {
        T::zero()
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(self.slope(a))
    }

    fn linear_sides(&self) -> Option<[T; 2]> {
        Some([T::zero(), T::one()])
    }

    fn fold(&self) -> Option<Fold> {
        Some(Fold::Flat(0.0))
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
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Activation, LeakyRelu};
    /// let leaky = LeakyRelu::new(0.125)?;
    /// assert_eq!(leaky.value(-8.0), -8.0 * leaky.alpha());
    /// # Ok::<(), nn_core::Error>(())
    /// ```
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

    fn steepest(&self) -> Option<f64> {
        Some(1.0)
    }

    fn curvature(&self, _z: T) -> T {
        T::zero()
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(self.slope(a))
    }

    fn linear_sides(&self) -> Option<[T; 2]> {
        Some([T::from_double(self.alpha), T::one()])
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

    fn inverses(&self, a: &[T], z: &mut [T]) {
        let alpha = T::from_double(self.alpha);
        apply([a], z, |[a]| if a > T::zero() { a } else { a / alpha });
    }
}

/// f(z) = z for z > 0 and α(e^z − 1) otherwise, α > 0.
///
/// f′(z) is 1 or αe^z = a + α, f″(z) is 0 or αe^z. Inverse on (−α, ∞): a or ln(1 + a/α).
///
/// # References
/// Clevert, Unterthiner & Hochreiter, "Fast and accurate deep network learning by exponential linear
/// units", ICLR 2016.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elu {
    alpha: f64,
}

impl Default for Elu {
    /// α = 1, for which the slope has no jump.
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Elu {
    /// An ELU that falls to −`alpha`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `alpha` is positive and finite.
    pub fn new(alpha: f64) -> Result<Self> {
        positive("alpha", alpha)?;
        Ok(Self { alpha })
    }

    /// The bound −α below.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Activation, Elu};
    /// let elu = Elu::new(2.0)?;
    /// assert_eq!(elu.value(-1000.0), -elu.alpha());
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
}

impl<T: Real> Activation<T> for Elu {
    fn name(&self) -> &'static str {
        "ELU"
    }

    fn value(&self, z: T) -> T {
        if z > T::zero() { z } else { T::from_double(self.alpha) * z.exp_m1() }
    }

    fn slope(&self, z: T) -> T {
        if z > T::zero() { T::one() } else { T::from_double(self.alpha) * z.exp() }
    }

    fn steepest(&self) -> Option<f64> {
        Some(self.alpha.max(1.0))
    }

    fn curvature(&self, z: T) -> T {
        if z > T::zero() { T::zero() } else { T::from_double(self.alpha) * z.exp() }
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(if a > T::zero() { T::one() } else { a + T::from_double(self.alpha) })
    }

    fn values(&self, z: &[T], a: &mut [T]) {
        let alpha = T::from_double(self.alpha);
        elementary::exp_m1(z, a);
        for (a, &z) in a.iter_mut().zip(z) {
            *a = if z > T::zero() { z } else { alpha * *a };
        }
    }

    fn inverse_domain(&self) -> Option<Interval> {
        Some(Interval { lower: -self.alpha, upper: f64::INFINITY })
    }

    fn inverse(&self, a: T) -> Option<T> {
        let alpha = T::from_double(self.alpha);
        if !(a > -alpha && a.is_finite()) {
            return None;
        }
        Some(if a > T::zero() { a } else { (a / alpha).ln_1p() })
    }
}
