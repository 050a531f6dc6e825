//! Activations made of the exponential function: tanh, sigmoid, softplus, SiLU.

use linalg::{Real, elementary};

use crate::entries::apply;
use crate::{Activation, Fold, Interval};

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

    fn steepest(&self) -> Option<f64> {
        Some(1.0)
    }

    fn curvature(&self, z: T) -> T {
        let (a, slope) = (Activation::value(self, z), Activation::slope(self, z));
        -(a + a) * slope
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some((T::one() - a) * (T::one() + a))
    }

    fn values(&self, z: &[T], a: &mut [T]) {
        elementary::tanh(z, a);
    }

    fn pull_back(&self, _z: &[T], a: &[T], da: &[T], dz: &mut [T]) {
        apply([a, da], dz, |[a, da]| da * ((T::one() - a) * (T::one() + a)));
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

    fn inverses(&self, a: &[T], z: &mut [T]) {
        elementary::atanh(a, z);
    }
}

/// f(z) = σ(z) = 1/(1 + e^(−z)).
///
/// f′(z) = a(1 − a), f″(z) = a(1 − a)(1 − 2a). Inverse on (0, 1): ln(a/(1 − a)), taken as
/// 2·artanh(2a − 1) near ½, where the logarithm loses its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sigmoid;

/// σ(z), with its digits where it underflows.
pub(crate) fn sigmoid<T: Real>(z: T) -> T {
    let small = (-z.abs()).exp();
    (if z < T::zero() { small } else { T::one() }) / (T::one() + small)
}

/// σ′(z) = σ(z)·σ(−z), without the cancellation of 1 − σ(z).
fn sigmoid_slope<T: Real>(z: T) -> T {
    sigmoid(z) * sigmoid(-z)
}

impl<T: Real> Activation<T> for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn value(&self, z: T) -> T {
        sigmoid(z)
    }

    fn slope(&self, z: T) -> T {
        sigmoid_slope(z)
    }

    fn steepest(&self) -> Option<f64> {
        Some(0.25)
    }

    fn curvature(&self, z: T) -> T {
        sigmoid_slope(z) * (sigmoid(-z) - sigmoid(z))
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(a * (T::one() - a))
    }

    fn values(&self, z: &[T], a: &mut [T]) {
        elementary::sigmoid(z, a);
    }

    fn pull_back(&self, _z: &[T], a: &[T], da: &[T], dz: &mut [T]) {
        apply([a, da], dz, |[a, da]| da * (a * (T::one() - a)));
    }

    fn inverse_domain(&self) -> Option<Interval> {
        Some(Interval { lower: 0.0, upper: 1.0 })
    }

    fn inverse(&self, a: T) -> Option<T> {
        if !(a > T::zero() && a < T::one()) {
            return None;
        }
        let quarter = T::from_double(0.25);
        Some(if a < quarter {
            a.ln() - (-a).ln_1p()
        } else if a > T::one() - quarter {
            let rest = T::one() - a;
            (-rest).ln_1p() - rest.ln()
        } else {
            // ln((1 + s)/(1 − s)) with s = 2a − 1, which is exact here.
            let s = a + a - T::one();
            ((s + s) / (T::one() - s)).ln_1p()
        })
    }
}

/// f(z) = ln(1 + e^z), a smooth ReLU.
///
/// f′(z) = σ(z) = 1 − e^(−a), f″(z) = σ(z)σ(−z). Inverse on (0, ∞): a + ln(1 − e^(−a)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softplus;

impl<T: Real> Activation<T> for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn value(&self, z: T) -> T {
        (if z > T::zero() { z } else { T::zero() }) + (-z.abs()).exp().ln_1p()
    }

    fn slope(&self, z: T) -> T {
        sigmoid(z)
    }

    fn steepest(&self) -> Option<f64> {
        Some(1.0)
    }

    fn curvature(&self, z: T) -> T {
        sigmoid_slope(z)
    }

    fn slope_from_value(&self, a: T) -> Option<T> {
        Some(-(-a).exp_m1())
    }

    fn values(&self, z: &[T], a: &mut [T]) {
        elementary::ln_1p_exp(z, a);
    }

    fn pull_back(&self, z: &[T], _a: &[T], da: &[T], dz: &mut [T]) {
        elementary::sigmoid(z, dz);
        for (dz, &da) in dz.iter_mut().zip(da) {
            *dz *= da;
        }
    }

    fn inverse_domain(&self) -> Option<Interval> {
        Some(Interval { lower: 0.0, upper: f64::INFINITY })
    }

    fn inverse(&self, a: T) -> Option<T> {
        if !(a > T::zero() && a.is_finite()) {
            return None;
        }
        // Where z ≤ 0 as ln(e^a − 1): a sum with a would cancel.
        let two = T::one() + T::one();
        Some(if a < two.ln() { a.exp_m1().ln() } else { a + (-(-a).exp()).ln_1p() })
    }
}

/// f(z) = z·σ(z), also called swish.
///
/// f′(z) = s(1 + z(1 − s)), f″(z) = s(1 − s)(2 + z(1 − 2s)) with s = σ(z). No inverse: f falls to
/// −0.278 at z = −1.278 and rises on both sides, so that a does not tell f′ either.
///
/// # References
/// Elfwing, Uchibe & Doya, "Sigmoid-weighted linear units for neural network function approximation
/// in reinforcement learning", Neural Networks 107, 2018.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silu;

impl<T: Real> Activation<T> for Silu {
    fn name(&self) -> &'static str {
        "SiLU"
    }

    fn value(&self, z: T) -> T {
        z * sigmoid(z)
    }

    fn slope(&self, z: T) -> T {
        sigmoid(z) * (T::one() + z * sigmoid(-z))
    }

    fn curvature(&self, z: T) -> T {
        let two = T::one() + T::one();
        sigmoid_slope(z) * (two + z * (sigmoid(-z) - sigmoid(z)))
    }

    fn values(&self, z: &[T], a: &mut [T]) {
        elementary::sigmoid(z, a);
        for (a, &z) in a.iter_mut().zip(z) {
            *a *= z;
        }
    }

    fn pull_back(&self, z: &[T], _a: &[T], da: &[T], dz: &mut [T]) {
        elementary::sigmoid(z, dz);
        for ((dz, &da), &z) in dz.iter_mut().zip(da).zip(z) {
            let s = *dz;
            *dz = da * (s * (T::one() + z * (T::one() - s)));
        }
    }

    fn fold(&self) -> Option<Fold> {
        // The root of 1 + z·σ(−z), by mpmath.
        Some(Fold::Valley(-1.2784645427610738))
    }
}
