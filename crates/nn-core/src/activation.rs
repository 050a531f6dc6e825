//! Activation functions: value, slope at z, curvature, inverse.
//!
//! A unit computes z, the weighted sum of its inputs, and then a = f(z). Backpropagation multiplies
//! by f′(z): the slope where f was evaluated. Some f let f′(z) be written with a (tanh: 1 − a²);
//! sin does not, since sin′(z) = cos z = ±√(1 − a²) and a has lost the sign.

use std::any::Any;
use std::fmt::Debug;

use linalg::Real;

use crate::entries::apply;

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

    /// f″(z), the derivative of the slope: what products with the Hessian need. By central differences
    /// of [`Activation::slope`] by default, good to about ε^⅔.
    fn curvature(&self, z: T) -> T {
        let step = T::from_double(T::EPSILON.cbrt() * z.to_double().abs().max(1.0));
        let (above, below) = (z + step, z - step);
        (self.slope(above) - self.slope(below)) / (above - below)
    }

    /// f′(z) from a = f(z) alone, where that determines it; saves evaluating f′.
    ///
    /// All or none: either every a has an answer or none has.
    fn slope_from_value(&self, _a: T) -> Option<T> {
        None
    }

    /// sup |f′|, the largest slope anywhere: |f(u) − f(v)| is at most that times |u − v|. `None` where
    /// it is not known.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Activation, Sigmoid};
    /// assert_eq!(Activation::<f64>::steepest(&Sigmoid), Some(0.25));
    /// ```
    fn steepest(&self) -> Option<f64> {
        None
    }

    /// a = f(z) for every entry of `z`. The functions of this crate do it in vector lanes.
    fn values(&self, z: &[T], a: &mut [T]) {
        apply([z], a, |[z]| self.value(z));
    }

    /// dL/dz = f′(z)·dL/da for every entry, given z and a = f(z).
    ///
    /// Where [`Activation::slope_from_value`] has answers, z may be gone: a stands in its place, and
    /// `a` alone is to be used.
    fn pull_back(&self, z: &[T], a: &[T], da: &[T], dz: &mut [T]) {
        // The same number either way; from a it costs no second evaluation of f.
        apply([z, a, da], dz, |[z, a, da]| {
            da * self.slope_from_value(a).unwrap_or_else(|| self.slope(z))
        });
    }

    /// The open interval of values that have exactly one z each; `None` where f takes values twice.
    fn inverse_domain(&self) -> Option<Interval> {
        None
    }

    /// The z with f(z) = a; `None` outside [`Activation::inverse_domain`].
    fn inverse(&self, _a: T) -> Option<T> {
        None
    }

    /// The z with f(z) = a for every entry of `a`; NaN or an infinity where [`Activation::inverse`] has none.
    /// [`Tanh`](crate::Tanh) and [`LeakyRelu`](crate::LeakyRelu) do it in vector lanes, to within 3 units in the
    /// last place of what `inverse` gives.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Activation, Tanh};
    /// let mut z = [0.0_f64; 2];
    /// Tanh.inverses(&[0.5, 1.5], &mut z);
    /// assert!((z[0] - 0.5493061443340549).abs() < 2e-16 && z[1].is_nan()); // ½·ln 3
    /// ```
    fn inverses(&self, a: &[T], z: &mut [T]) {
        for (z, &a) in z.iter_mut().zip(a) {
            *z = self.inverse(a).unwrap_or_else(|| T::from_double(f64::NAN));
        }
    }

    /// The slopes of f below and above 0, where f is linear on either side and f(0) = 0; they differ where f has
    /// a kink. `None` by default.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Activation, Elu, Relu};
    /// assert_eq!(Activation::<f64>::linear_sides(&Relu), Some([0.0, 1.0]));
    /// assert_eq!(Activation::<f64>::linear_sides(&Elu::default()), None); // no line below 0
    /// ```
    fn linear_sides(&self) -> Option<[T; 2]> {
        None
    }

    /// What keeps f from having an inverse, where that is one turn or one flat stretch; beyond it f
    /// is one to one. `None` by default.
    fn fold(&self) -> Option<Fold> {
        None
    }
}

/// Why a function that is one to one from some z on is not so everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fold {
    /// f falls up to this z and rises from there on: each value above the least has two z at most.
    Valley(f64),
    /// f is constant up to this z and rises from there on: its least value has them all.
    Flat(f64),
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

    fn steepest(&self) -> Option<f64> {
        Some(1.0)
    }

    fn curvature(&self, _z: T) -> T {
        T::zero()
    }

    fn slope_from_value(&self, _a: T) -> Option<T> {
        Some(T::one())
    }

    fn linear_sides(&self) -> Option<[T; 2]> {
        Some([T::one(); 2])
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

    fn steepest(&self) -> Option<f64> {
        Some(1.0)
    }

    fn curvature(&self, z: T) -> T {
        -z.sin()
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Elu, Gelu, GeluTanh, LeakyRelu, Relu, Sigmoid, Silu, Softplus, Tanh};

    fn all<T: Real>() -> [Box<dyn Activation<T>>; 11] {
        [
            Box::new(Tanh),
            Box::new(Relu),
            Box::new(LeakyRelu::new(0.1).unwrap()),
            Box::new(Identity),
            Box::new(Sin),
            Box::new(Elu::new(0.7).unwrap()),
            Box::new(Sigmoid),
            Box::new(Softplus),
            Box::new(Silu),
            Box::new(Gelu),
            Box::new(GeluTanh),
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
    fn linear_sides_are_the_slopes_of_the_values() {
        for f in all::<f64>() {
            let Some(slopes) = f.linear_sides() else { continue };
            for (z, slope) in [(-2.0, slopes[0]), (2.0, slopes[1])] {
                assert_eq!((f.value(z), f.slope(z)), (slope * z, slope), "{}", f.name());
            }
        }
        assert_eq!(
            Activation::<f64>::linear_sides(&LeakyRelu::new(0.1).unwrap()),
            Some([0.1, 1.0])
        );
        assert_eq!(Activation::<f64>::linear_sides(&Tanh), None);
    }

    #[test]
    fn a_nan_stays_a_nan() {
        for f in all::<f64>() {
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
    fn a_fold_is_where_the_function_is_least() {
        // The least values, by bisection at 50 digits.
        let least: [(Box<dyn Activation<f64>>, f64); 3] = [
            (Box::new(Silu), -0.27846454276107380),
            (Box::new(Gelu), -0.16997120747990369),
            (Box::new(GeluTanh), -0.17004075057125412),
        ];
        for (f, value) in least {
            let Some(Fold::Valley(z)) = f.fold() else { panic!("{} has no valley", f.name()) };
            assert!((f.value(z) - value).abs() <= f64::EPSILON / 2.0, "{}", f.name());
            // f″ is below 1, z is rounded, f′ cancels terms of order 1.
            assert!(f.slope(z).abs() <= 4.0 * f64::EPSILON, "{}: {:e}", f.name(), f.slope(z));
        }
        assert_eq!(Activation::<f64>::fold(&Relu), Some(Fold::Flat(0.0)));
        assert_eq!(Activation::<f64>::fold(&Tanh), None);
        assert_eq!(Activation::<f64>::fold(&Sin), None);
    }

    #[test]
    fn a_leaky_relu_without_slope_is_refused() {
        for alpha in [0.0, -0.1, 1.5, f64::NAN] {
            let text = LeakyRelu::new(alpha).unwrap_err().to_string();
            assert_eq!(text, format!("alpha is {alpha}, expected 0 < alpha <= 1"));
        }
    }

    /// f, f′ and f″ at −3, −0.5 and 2 by mpmath at 30 digits, from the definitions: `mp.diff`.
    #[test]
    fn values_slopes_and_curvatures_have_the_digits_of_mpmath() {
        type Row = (Box<dyn Activation<f64>>, f64, [f64; 3]);
        let table: [Row; 24] = [
            (
                Box::new(Tanh),
                -3.0,
                [-0.99505475368673045, 9.8660371654401913e-3, 0.019634494363042436],
            ),
            (
                Box::new(Tanh),
                -0.5,
                [-0.46211715726000976, 0.78644773296592741, 0.72686198138358728],
            ),
            (
                Box::new(Tanh),
                2.0,
                [0.96402758007581688, 0.070650824853164466, -0.13621868742711304],
            ),
            (
                Box::new(Sigmoid),
                -3.0,
                [0.047425873177566781, 0.045176659730912133, 0.040891574660943479],
            ),
            (
                Box::new(Sigmoid),
                -0.5,
                [0.37754066879814544, 0.23500371220159449, 0.057556794852320741],
            ),
            (
                Box::new(Sigmoid),
                2.0,
                [0.88079707797788244, 0.10499358540350652, -0.079962501056153063],
            ),
            (
                Box::new(Softplus),
                -3.0,
                [0.048587351573742059, 0.047425873177566781, 0.045176659730912133],
            ),
            (
                Box::new(Softplus),
                -0.5,
                [0.47407698418010668, 0.37754066879814544, 0.23500371220159449],
            ),
            (
                Box::new(Softplus),
                2.0,
                [2.1269280110429725, 0.88079707797788244, 0.10499358540350652],
            ),
            (
                Box::new(Silu),
                -3.0,
                [-0.14227761953270034, -0.088104106015169617, -0.032321404521006171],
            ),
            (
                Box::new(Silu),
                -0.5,
                [-0.18877033439907272, 0.26003881269734819, 0.44122902697702861],
            ),
            (Box::new(Silu), 2.0, [1.7615941559557649, 1.0907842487848955, 0.05006216869470691]),
            (
                Box::new(Gelu),
                -3.0,
                [-4.0496940948902836e-3, -0.011945647204183927, -0.03102293888356605],
            ),
            (
                Box::new(Gelu),
                -0.5,
                [-0.15426876936299345, 0.13250487534383716, 0.61611432183752409],
            ),
            (Box::new(Gelu), 2.0, [1.9544997361036416, 1.0852318010781969, -0.1079819330263761]),
            (
                Box::new(GeluTanh),
                -3.0,
                [-3.6373920817730188e-3, -0.011584166630969726, -0.031767658886074704],
            ),
            (
                Box::new(GeluTanh),
                -0.5,
                [-0.15428599017485608, 0.13263009646535769, 0.61550689511598489],
            ),
            (
                Box::new(GeluTanh),
                2.0,
                [1.954597694087775, 1.0860992566236184, -0.10787507995107845],
            ),
            (
                Box::new(Elu::default()),
                -3.0,
                [-0.95021293163213606, 0.049787068367863943, 0.049787068367863943],
            ),
            (
                Box::new(Elu::default()),
                -0.5,
                [-0.39346934028736658, 0.60653065971263342, 0.60653065971263342],
            ),
            (Box::new(Elu::default()), 2.0, [2.0, 1.0, 0.0]),
            (
                Box::new(Sin),
                -3.0,
                [-0.14112000805986722, -0.98999249660044546, 0.14112000805986722],
            ),
            (Box::new(Sin), -0.5, [-0.479425538604203, 0.87758256189037272, 0.479425538604203]),
            (Box::new(Sin), 2.0, [0.9092974268256817, -0.41614683654714239, -0.9092974268256817]),
        ];
        for (f, z, expected) in table {
            let found = [f.value(z), f.slope(z), f.curvature(z)];
            for (order, (found, expected)) in found.iter().zip(expected).enumerate() {
                // A few roundings of terms no larger than 3.
                let near = (found - expected).abs() <= 8.0 * f64::EPSILON;
                assert!(near, "{} of order {order} at {z}: {found}, not {expected}", f.name());
            }
        }
    }

    #[test]
    fn slices_agree_with_single_values() {
        fn check<T: Real>() {
            let z: Vec<T> = (-400..400).map(|k| T::from_double(f64::from(k) / 32.0)).collect();
            let mut da = vec![T::from_double(-1.5); z.len()];
            da[7] = T::zero();
            let (mut a, mut dz) = (z.clone(), z.clone());
            for f in all::<T>() {
                f.values(&z, &mut a);
                f.pull_back(&z, &a, &da, &mut dz);
                for k in 0..z.len() {
                    // Slopes grow to 1.13, values to 12.5; both sides round a few times.
                    let unit = 8.0 * T::EPSILON;
                    let value = f.value(z[k]).to_double();
                    let error = (a[k].to_double() - value).abs();
                    assert!(error <= unit * value.abs().max(1e-30), "{} at {}", f.name(), z[k]);
                    let slope = (da[k] * f.slope(z[k])).to_double();
                    let error = (dz[k].to_double() - slope).abs();
                    assert!(error <= 4.0 * unit, "slope of {} at {}", f.name(), z[k]);
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }

    #[test]
    fn a_curvature_that_is_not_given_comes_from_differences() {
        #[derive(Debug)]
        struct Cube;
        impl Activation<f64> for Cube {
            fn name(&self) -> &'static str {
                "cube"
            }
            fn value(&self, z: f64) -> f64 {
                z * z * z
            }
            fn slope(&self, z: f64) -> f64 {
                3.0 * z * z
            }
        }
        // Rounding eps·3z²/h with h = 1.2e-5; the truncation of a quadratic slope is 0.
        assert!((Cube.curvature(2.0) - 12.0).abs() <= 12.0 * f64::EPSILON / 6e-6);
    }

    proptest! {
        #[test]
        fn the_curvature_is_the_limit_of_difference_quotients(z in -4.0..4.0_f64) {
            // As for the slope, with a fourth derivative of at most 4.1.
            let h = 6e-6;
            prop_assume!(z.abs() > h);
            for f in all::<f64>() {
                let quotient = (f.slope(z + h) - f.slope(z - h)) / ((z + h) - (z - h));
                prop_assert!((f.curvature(z) - quotient).abs() <= 1e-9, "{} at {z}", f.name());
            }
        }

        #[test]
        fn the_slope_is_the_limit_of_difference_quotients(z in -4.0..4.0_f64) {
            // Truncation h²/6·|f‴| ≤ h²/3, rounding eps/h: h = 6e-6 balances them near 1e-10.
            let h = 6e-6;
            prop_assume!(z.abs() > h);
            for f in all::<f64>() {
                let quotient = (f.value(z + h) - f.value(z - h)) / ((z + h) - (z - h));
                prop_assert!((f.slope(z) - quotient).abs() <= 1e-9, "{} at {z}", f.name());
            }
        }

        #[test]
        fn the_slope_from_the_value_is_the_slope(z in -8.0..8.0_f64) {
            for f in all::<f64>() {
                if let Some(slope) = f.slope_from_value(f.value(z)) {
                    prop_assert!((slope - f.slope(z)).abs() <= 4.0 * f64::EPSILON, "{}", f.name());
                }
            }
        }

        #[test]
        fn the_inverse_undoes_the_value(z in -5.0..5.0_f64) {
            for f in all::<f64>().into_iter().filter(|f| f.inverse_domain().is_some()) {
                // f loses digits where it is flat: an error of 2 eps in a is 2 eps/f′ in z.
                let bound = 4.0 * f64::EPSILON * (z.abs() + 1.0 / f.slope(z));
                let back = f.inverse(f.value(z)).unwrap();
                prop_assert!((back - z).abs() <= bound, "{} at {z}: {back}", f.name());
                let mut many = [0.0; 3];
                f.inverses(&[f.value(z), f64::NAN, f64::INFINITY], &mut many);
                prop_assert!((many[0] - back).abs() <= 4.0 * f64::EPSILON * back.abs(), "{}", f.name());
                prop_assert!(!many[1].is_finite() && !many[2].is_finite(), "{}", f.name());
            }
        }
    }
}
