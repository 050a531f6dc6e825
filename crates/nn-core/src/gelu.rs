//! GELU, by the normal distribution and by its approximation with tanh.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use linalg::{Real, elementary};

use crate::sigmoid::sigmoid;
use crate::{Activation, Fold};

/// f(z) = z·Φ(z), Φ the distribution function of the normal distribution.
///
/// f′(z) = Φ(z) + z·φ(z), f″(z) = (2 − z²)·φ(z). Φ(z) = ½·erfc(−z/√2) keeps its digits in the lower
/// tail. No inverse: f falls to −0.170 at z = −0.752.
///
/// # References
/// Hendrycks & Gimpel, "Gaussian error linear units", arXiv 1606.08415, 2016.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gelu;

/// f(z) = ½z·(1 + tanh(√(2/π)·(z + 0.044715 z³))), the approximation of [`Gelu`] that is off by up to
/// 4.8e-4; for networks that were trained with it (PyTorch's `approximate="tanh"`).
///
/// Computed as z·σ(w), w = √(8/π)·(z + 0.044715 z³), the same function without the cancellation of
/// 1 + tanh in the lower tail. f′ = s + z·s(1 − s)w′, with s = σ(w).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeluTanh;

/// φ(z) and Φ(z).
fn normal(z: f64) -> (f64, f64) {
    let density = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (-0.5 * z * z).exp();
    (density, 0.5 * erfc(-z * FRAC_1_SQRT_2))
}

impl<T: Real> Activation<T> for Gelu {
    fn name(&self) -> &'static str {
        "GELU"
    }

    fn value(&self, z: T) -> T {
        let z = z.to_double();
        // −∞·0 is 0 here: the limit.
        if z == f64::NEG_INFINITY { -T::zero() } else { T::from_double(z * normal(z).1) }
    }

    fn slope(&self, z: T) -> T {
        let z = z.to_double();
        let (density, distribution) = normal(z);
        let first = if density == 0.0 { 0.0 } else { z * density };
        T::from_double(distribution + first)
    }

    fn curvature(&self, z: T) -> T {
        let z = z.to_double();
        let density = normal(z).0;
        T::from_double(if density == 0.0 { 0.0 } else { (2.0 - z * z) * density })
    }

    fn fold(&self) -> Option<Fold> {
        Some(Fold::Valley(-0.7517915246935645))
    }
}

/// √(8/π), and the factor of z³.
const SCALE: f64 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
const CUBIC: f64 = 0.044715;

/// Entries in a stretch that is worked on in the first-level cache.
const STRETCH: usize = 64;

impl GeluTanh {
    /// w(z), w′ and w″.
    fn argument<T: Real>(z: T) -> [T; 3] {
        let (scale, cubic) = (T::from_double(SCALE), T::from_double(SCALE * CUBIC));
        let three = T::from_double(3.0);
        let square = z * z;
        [z * (scale + cubic * square), scale + three * cubic * square, (three + three) * cubic * z]
    }

    /// f′ from z and s = σ(w).
    fn slope_from<T: Real>(z: T, s: T) -> T {
        let decay = s * (T::one() - s);
        // Where s is 0 or 1, w′ may be infinite.
        if decay.is_zero() { s } else { s + z * decay * Self::argument(z)[1] }
    }

    /// Calls `each` with every place, z there and σ(w).
    fn for_each<T: Real>(z: &[T], mut each: impl FnMut(usize, T, T)) {
        let (mut w, mut s) = ([T::zero(); STRETCH], [T::zero(); STRETCH]);
        for (stretch, z) in z.chunks(STRETCH).enumerate() {
            for (w, &z) in w.iter_mut().zip(z) {
                *w = Self::argument(z)[0];
            }
            elementary::sigmoid(&w[..z.len()], &mut s);
            for (k, (&z, &s)) in z.iter().zip(&s).enumerate() {
                each(stretch * STRETCH + k, z, s);
            }
        }
    }
}

impl<T: Real> Activation<T> for GeluTanh {
    fn name(&self) -> &'static str {
        "GELU by tanh"
    }

    fn value(&self, z: T) -> T {
        z * sigmoid(Self::argument(z)[0])
    }

    fn slope(&self, z: T) -> T {
        Self::slope_from(z, sigmoid(Self::argument(z)[0]))
    }

    fn curvature(&self, z: T) -> T {
        let [w, first, second] = Self::argument(z);
        let s = sigmoid(w);
        // s′ = s(1 − s)w′, s″ = s(1 − s)(w″ + (1 − 2s)w′²), f″ = 2s′ + z·s″.
        let decay = s * (T::one() - s);
        if decay.is_zero() {
            return decay;
        }
        let bend = second + (T::one() - s - s) * first * first;
        decay * (first + first + z * bend)
    }

    fn values(&self, z: &[T], a: &mut [T]) {
        Self::for_each(z, |k, z, s| a[k] = z * s);
    }

    fn pull_back(&self, z: &[T], _a: &[T], da: &[T], dz: &mut [T]) {
        Self::for_each(z, |k, z, s| dz[k] = da[k] * Self::slope_from(z, s));
    }

    fn fold(&self) -> Option<Fold> {
        Some(Fold::Valley(-0.7524614220710163))
    }
}

/// erfc(x) = 2/√π ∫ₓ^∞ exp(−t²) dt, to a relative error of a few eps, tails included.
///
/// # References
/// Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation
/// 23(107), 1969, in the form of his program CALERF.
fn erfc(x: f64) -> f64 {
    const NEAR: [[f64; 5]; 2] = [
        [
            1.85777706184603153e-1,
            3.16112374387056560e0,
            1.13864154151050156e2,
            3.77485237685302021e2,
            3.20937758913846947e3,
        ],
        [
            1.0,
            2.36012909523441209e1,
            2.44024637934444173e2,
            1.28261652607737228e3,
            2.84423683343917062e3,
        ],
    ];
    const MIDDLE: [[f64; 9]; 2] = [
        [
            2.15311535474403846e-8,
            5.64188496988670089e-1,
            8.88314979438837594e0,
            6.61191906371416295e1,
            2.98635138197400131e2,
            8.81952221241769090e2,
            1.71204761263407058e3,
            2.05107837782607147e3,
            1.23033935479799725e3,
        ],
        [
            1.0,
            1.57449261107098347e1,
            1.17693950891312499e2,
            5.37181101862009858e2,
            1.62138957456669019e3,
            3.29079923573345963e3,
            4.36261909014324716e3,
            3.43936767414372164e3,
            1.23033935480374942e3,
        ],
    ];
    const FAR: [[f64; 6]; 2] = [
        [
            1.63153871373020978e-2,
            3.05326634961232344e-1,
            3.60344899949804439e-1,
            1.25781726111229246e-1,
            1.60837851487422766e-2,
            6.58749161529837803e-4,
        ],
        [
            1.0,
            2.56852019228982242e0,
            1.87295284992346725e0,
            5.27905102951428412e-1,
            6.05183413124413191e-2,
            2.33520497626869185e-3,
        ],
    ];
    fn quotient<const N: usize>([top, bottom]: &[[f64; N]; 2], x: f64) -> f64 {
        let horner = |c: &[f64; N]| c.iter().fold(0.0, |sum, c| sum * x + c);
        horner(top) / horner(bottom)
    }
    let size = x.abs();
    if size <= 0.46875 {
        return 1.0 - x * quotient(&NEAR, x * x);
    }
    // exp(−x²) with x² in two parts, the first of which is exact.
    let coarse = (size * 16.0).trunc() / 16.0;
    let decay = (-coarse * coarse).exp() * (-(size - coarse) * (size + coarse)).exp();
    let upper = if size.is_infinite() {
        0.0
    } else if size <= 4.0 {
        decay * quotient(&MIDDLE, size)
    } else {
        let square = 1.0 / (size * size);
        decay * (0.5 * FRAC_2_SQRT_PI - square * quotient(&FAR, square)) / size
    };
    if x < 0.0 { 2.0 - upper } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complementary_error_function_has_the_digits_of_mpmath() {
        // mpmath 1.3 at 40 digits: `nstr(erfc(x), 18)`.
        let cases = [
            (-3.0, 1.99997790950300141),
            (-0.6, 1.60385609084792591),
            (-1e-09, 1.00000000112837917),
            (0.2, 0.777297410789521534),
            (0.46, 0.515344609998320327),
            (0.47, 0.506254949113917888),
            (1.0, 0.157299207050285131),
            (2.5, 4.0695201744495894e-4),
            (3.99, 1.67392113645208141e-8),
            (4.01, 1.41969394213710512e-8),
            (9.0, 4.13703174651381024e-37),
            (26.0, 5.66319240885614285e-296),
        ];
        for (x, expected) in cases {
            let found = erfc(x);
            let error = (found / expected - 1.0).abs();
            assert!(error <= 8.0 * f64::EPSILON, "erfc({x}) = {found:e}: {error:e}");
        }
        assert!(erfc(f64::NAN).is_nan());
        assert_eq!((erfc(f64::INFINITY), erfc(f64::NEG_INFINITY)), (0.0, 2.0));
    }

    #[test]
    fn far_from_zero_both_forms_reach_their_limits() {
        fn check(f: &dyn Activation<f64>) {
            assert_eq!((f.value(40.0), f.slope(40.0), f.curvature(40.0)), (40.0, 1.0, 0.0));
            assert_eq!((f.value(-40.0), f.slope(-40.0), f.curvature(-40.0)), (0.0, 0.0, 0.0));
        }
        check(&Gelu);
        check(&GeluTanh);
        // In the lower tail 1 + erf would be 0: z·Φ(z) at −9 is −1.0157e-18, by mpmath.
        assert!((Gelu.value(-9.0_f64) / -1.0157295653584566e-18 - 1.0).abs() <= 1e-14);
    }

    #[test]
    fn the_approximation_is_off_by_what_is_said() {
        let grid = (-600..600).map(|k| f64::from(k) / 100.0);
        let worst = grid.map(|z| (Gelu.value(z) - GeluTanh.value(z)).abs()).fold(0.0, f64::max);
        assert!(worst > 4.7e-4 && worst < 4.8e-4, "{worst}");
    }
}
