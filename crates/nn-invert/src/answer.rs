//! What a layer-wise inversion found, and what it is worth.

use std::fmt;

use linalg::krylov::Stop;
use linalg::{DMatrix, DVector, Real};

use crate::affine::Undone;

/// The input that gives a target, and what it is worth.
///
/// A small residual does not mean a small error: where a tanh is saturated or a layer nearly
/// singular, inputs far apart give outputs that agree in every digit.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Inversion<T: Real> {
    /// The input x.
    pub input: DVector<T>,
    /// ‖f(x) − y‖₂, with f(x) computed anew.
    pub residual: f64,
    /// The error ‖x − x₀‖₂ to expect, x₀ being the input whose output y was before it was rounded: the
    /// root mean square over eight draws of random roundings, of eps each, in y and in all hidden
    /// values, carried back through the layers. An estimate, not a bound: the error is mostly within a
    /// factor of ten of it. Infinite where it was not asked for
    /// ([`Evidence::Residual`](crate::Evidence::Residual)).
    pub predicted_error: f64,
    /// A bound on ‖x − x₀‖₂ for every x₀ whose output, computed in this precision, is y: the
    /// roundings of both directions carried through entry by entry. Infinite where the digits of y
    /// do not bound x at all, where a layer is not square, dense and factored in full, and where
    /// no bound was asked for. It loosens with depth, by two digits per layer or so.
    pub error_bound: f64,
    /// ‖W‖₁·‖W⁻¹‖₁ of each affine layer, first to last; σ₁/σᵣ where it has a pseudo-inverse, NaN where
    /// it is known by its products alone. Their product bounds nothing, since the slopes of the
    /// activations are not in it.
    pub conditions: Vec<f64>,
    /// What keeps x from being the input with all its digits, if anything does.
    pub fault: Option<Fault>,
    /// Iterations of all layers that were undone by iteration.
    pub iterations: usize,
}

impl<T: Real> Inversion<T> {
    /// Decimal digits of x to expect, from 0: −log₁₀ of [`Inversion::predicted_error`] over ‖x‖₂.
    #[must_use]
    pub fn digits(&self) -> f64 {
        let relative = self.predicted_error / self.input.norm().to_double();
        (-relative.log10()).max(0.0)
    }

    /// How many times larger the relative error of x is than eps, as predicted: the condition number of
    /// the whole network at x, met with the roundings of all its layers.
    #[must_use]
    pub fn amplification(&self) -> f64 {
        self.predicted_error / (T::EPSILON * self.input.norm().to_double())
    }
}

/// The inputs that give several targets; the fields are those of [`Inversion`], an entry or a column
/// per target.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Inversions<T: Real> {
    /// The inputs, inputs x targets.
    pub inputs: DMatrix<T>,
    /// ‖f(x) − y‖₂ of each.
    pub residuals: Vec<f64>,
    /// The error to expect in each, see [`Inversion::predicted_error`].
    pub predicted_errors: Vec<f64>,
    /// A bound on the error of each, see [`Inversion::error_bound`].
    pub error_bounds: Vec<f64>,
    /// The condition of each affine layer, first to last, see [`Inversion::conditions`].
    pub conditions: Vec<f64>,
    /// What is wrong with each, if anything.
    pub faults: Vec<Option<Fault>>,
    /// Iterations for each.
    pub iterations: Vec<usize>,
}

/// What keeps an answer from being the input with all its digits: the first cause on the way back
/// from the output.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// An iteration did not converge; what it reached was gone on with.
    NotConverged {
        /// Index of the layer.
        layer: usize,
        /// Why it stopped.
        stop: Stop,
        /// ‖b − A·h‖₂/‖b‖₂ of what it reached.
        relative_residual: f64,
        /// Iterations.
        iterations: usize,
    },
    /// A value that the activation cannot give was moved into its range.
    Clipped {
        /// Index of the layer.
        layer: usize,
        /// Index of the value that was moved farthest.
        index: usize,
        /// How far, in units of the activation's values.
        distance: f64,
    },
    /// The layer cannot give what was asked of it; the nearest that it can was gone on with.
    Unreachable {
        /// Index of the layer.
        layer: usize,
        /// ‖W·h + b − z‖₂ at the nearest.
        distance: f64,
        /// The layer nearer to the output that chose what was asked for here among other values:
        /// then the target may be reachable all the same, by another choice. `None` is a proof that it
        /// is not, up to rounding.
        chosen_by: Option<usize>,
    },
    /// The matrix has fewer independent rows or columns than it could have; the rest of the input is
    /// not determined, and the shortest was taken.
    RankDeficient {
        /// Index of the layer.
        layer: usize,
        /// Its rank.
        rank: usize,
        /// min(outputs, inputs).
        full: usize,
    },
    /// A unit so flat that more than half of the digits of its z are gone.
    Saturated {
        /// Index of the layer.
        layer: usize,
        /// Index of the worst unit.
        index: usize,
        /// Decimal digits of z left, see [`saturation_digits`].
        digits: f64,
    },
}

impl Fault {
    /// Index of the layer at fault.
    #[must_use]
    pub fn layer(&self) -> usize {
        match *self {
            Self::NotConverged { layer, .. }
            | Self::Clipped { layer, .. }
            | Self::Unreachable { layer, .. }
            | Self::RankDeficient { layer, .. }
            | Self::Saturated { layer, .. } => layer,
        }
    }
}

/// What happened, where, and what to do about it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConverged { layer, stop, relative_residual, iterations } => write!(
                f,
                "layer {layer} was not undone: {stop:?} after {iterations} iterations, relative residual \
                 {relative_residual:.1e}"
            ),
            Self::Clipped { layer, index, distance } => write!(
                f,
                "unit {index} of layer {layer} was asked for a value outside of its range by {distance:.1e}, which \
                 was moved into it"
            ),
            Self::Unreachable { layer, distance, chosen_by: None } => write!(
                f,
                "layer {layer} gives nothing nearer than {distance:.1e} to what was asked of it: no input has \
                 this output"
            ),
            Self::Unreachable { layer, distance, chosen_by: Some(chosen) } => write!(
                f,
                "layer {layer} gives nothing nearer than {distance:.1e} to what layer {chosen} chose for it; \
                 another choice may do: search the network as a whole"
            ),
            Self::RankDeficient { layer, rank, full } => write!(
                f,
                "layer {layer} has rank {rank} of {full}: other inputs have this output too, the shortest was \
                 taken"
            ),
            Self::Saturated { layer, index, digits } => write!(
                f,
                "unit {index} of layer {layer} is so flat that {digits:.1} digits of its input are left"
            ),
        }
    }
}

/// How a layer is undone, and how well that can be done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayerReport {
    /// Index of the layer.
    pub layer: usize,
    /// What it is.
    pub name: String,
    /// How it is undone.
    pub undone: Undone,
    /// Its outputs.
    pub outputs: usize,
    /// Its inputs.
    pub inputs: usize,
    /// ‖W‖₁·‖W⁻¹‖₁, or σ₁/σᵣ of a pseudo-inverse, or NaN where only products are known.
    pub condition: f64,
    /// Its rank, where singular values are known.
    pub rank: Option<usize>,
    /// σᵣ/σᵣ₊₁, how clear the rank is: below 10³ another cut-off would see another.
    pub gap: Option<f64>,
}

/// Decimal digits of z that a = f(z) keeps when it is rounded to a relative `eps`/2: −log₁₀ of
/// (eps/2)·|a|/|f′(z)| over |z|, or over 1 where |z| is smaller.
///
/// For a tanh |Δz| = (eps/2)·|tanh z|·cosh² z: in `f64` half of the digits are gone at |z| = 10 and all
/// at 18.7, in `f32` at 5 and 8.7.
///
/// # Examples
/// ```
/// use nn_core::Tanh;
/// use nn_invert::saturation_digits;
/// assert!((saturation_digits(&Tanh, 10.0_f64) - 8.87).abs() < 0.01);
/// assert!(saturation_digits(&Tanh, 18.7_f64) < 2.0);
/// assert!((saturation_digits(&Tanh, 5.0_f32) - 4.18).abs() < 0.01);
/// ```
#[must_use]
pub fn saturation_digits<T: Real>(activation: &dyn nn_core::Activation<T>, z: T) -> f64 {
    let (a, slope) = (activation.value(z), activation.slope(z));
    -(T::EPSILON / 2.0 * growth(z.to_double(), a.to_double(), slope.to_double())).log10()
}

/// |a/f′(z)|/max(|z|, 1): by how much a relative error of a is the larger in z.
pub(crate) fn growth(z: f64, a: f64, slope: f64) -> f64 {
    if a == 0.0 { 0.0 } else { (a / slope).abs() / z.abs().max(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_and_what_to_do() {
        let said = |fault: Fault, words: &str| assert_eq!(fault.to_string(), words);
        said(
            Fault::NotConverged {
                layer: 3,
                stop: Stop::Stagnated,
                relative_residual: 0.25,
                iterations: 40,
            },
            "layer 3 was not undone: Stagnated after 40 iterations, relative residual 2.5e-1",
        );
        said(
            Fault::Clipped { layer: 1, index: 7, distance: 0.5 },
            "unit 7 of layer 1 was asked for a value outside of its range by 5.0e-1, which was moved into it",
        );
        said(
            Fault::Unreachable { layer: 0, distance: 2.0, chosen_by: None },
            "layer 0 gives nothing nearer than 2.0e0 to what was asked of it: no input has this output",
        );
        said(
            Fault::Unreachable { layer: 0, distance: 2.0, chosen_by: Some(2) },
            "layer 0 gives nothing nearer than 2.0e0 to what layer 2 chose for it; another choice may do: search \
             the network as a whole",
        );
        said(
            Fault::RankDeficient { layer: 2, rank: 3, full: 4 },
            "layer 2 has rank 3 of 4: other inputs have this output too, the shortest was taken",
        );
        said(
            Fault::Saturated { layer: 1, index: 0, digits: 4.25 },
            "unit 0 of layer 1 is so flat that 4.2 digits of its input are left",
        );
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "powers of two are exact")]
    fn a_fault_names_its_layer_and_digits_are_those_of_the_error() {
        let faults = [
            Fault::NotConverged {
                layer: 5,
                stop: Stop::Stagnated,
                relative_residual: 0.25,
                iterations: 40,
            },
            Fault::Clipped { layer: 5, index: 7, distance: 0.5 },
            Fault::Unreachable { layer: 5, distance: 2.0, chosen_by: Some(6) },
            Fault::RankDeficient { layer: 5, rank: 3, full: 4 },
            Fault::Saturated { layer: 5, index: 0, digits: 4.25 },
        ];
        assert!(faults.iter().all(|fault| fault.layer() == 5));
        let answer = |predicted_error| Inversion {
            input: DVector::from_vec(vec![3.0, 4.0]),
            residual: 0.0,
            predicted_error,
            error_bound: f64::INFINITY,
            conditions: vec![],
            fault: None,
            iterations: 0,
        };
        // ‖x‖ = 5.
        assert!((answer(5e-3).digits() - 3.0).abs() < 1e-14);
        assert_eq!((answer(5.0).digits(), answer(f64::INFINITY).digits()), (0.0, 0.0));
        assert_eq!(answer(5.0 * 64.0 * f64::EPSILON).amplification(), 64.0);
        // |a/f′| over |z|, or over 1.
        assert_eq!((growth(4.0, 3.0, 0.5), growth(0.5, 3.0, -0.5)), (1.5, 6.0));
        assert_eq!(growth(2.0, 0.0, 0.0), 0.0);
        for (z, a, slope) in [(-4.0, 3.0, 0.5), (-4.0, -3.0, 0.5)] {
            assert_eq!(growth(z, a, slope), 1.5);
        }
    }

    #[test]
    fn saturation_takes_the_digits_that_the_hyperbolic_cosine_says() {
        // −log₁₀(eps/2·tanh z·cosh² z/max(z, 1)), on both sides.
        for z in [0.01_f64, 0.5, 1.0, 3.0, 10.0, 17.0, -10.0] {
            let growth = z.tanh().abs() * z.cosh().powi(2) / z.abs().max(1.0);
            let exact = -(f64::EPSILON / 2.0 * growth).log10();
            // 1 − tanh² as computed has an eps·cosh² of its own.
            let limit = 1e-12 + 4.0 * f64::EPSILON * z.cosh().powi(2);
            let found = saturation_digits(&nn_core::Tanh, z);
            assert!((found - exact).abs() <= limit, "{z}: {found} {exact}");
        }
        let exact = -(f32::EPSILON / 2.0 * 5.0_f32.cosh().powi(2) * 5.0_f32.tanh() / 5.0).log10();
        assert!((saturation_digits(&nn_core::Tanh, 5.0_f32) - f64::from(exact)).abs() < 1e-2);
    }
}
