//! Networks that answer with their own fixed point.

use std::sync::Arc;

use linalg::{DMatrix, DVector, LinearOperator, Lu, Real};
use nn_core::Activation;

use crate::arguments::{finite, size, within};
use crate::fixed_point::{FixedPoint, iterate, spectral_norm};
use crate::{Error, Linearization, Map, Result};

/// A network h = f(W·h + U·x + b) that answers an input x with the h at which it comes to rest.
///
/// Forward, h is iterated from 0 until it is at rest. It contracts by ‖W‖₂·sup|f′| or better, and where
/// that is below 1 there is exactly one h for every x. Backward there is nothing to iterate: at rest,
///
/// ```text
/// x = U⁻¹·(f⁻¹(h) − W·h − b)
/// ```
///
/// **The wrong turn** is to unroll the iteration and to invert it step by step: the last state alone
/// determines x, and the unrolled steps lose digits on the way.
///
/// # References
/// Bai, Kolter & Koltun, "Deep equilibrium models", NeurIPS 2019, for the derivative
/// ∂h/∂x = (I − D·W)⁻¹·D·U, D = diag f′.
///
/// # Examples
/// One unit, h = tanh(h/2 + x), at rest at h = 0.5:
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_core::Tanh;
/// use nn_invert::Equilibrium;
///
/// let (half, one) = (DMatrix::from_element(1, 1, 0.5), DMatrix::from_element(1, 1, 1.0));
/// let network = Equilibrium::new(half, one, DVector::zeros(1), Tanh)?;
/// let answer = network.invert(&DVector::from_element(1, 0.5))?;
/// assert!((answer.input[0] - (0.5_f64.atanh() - 0.25)).abs() < 1e-15);
///
/// let rest = network.rest(&answer.input, 1e-12)?;
/// assert!((rest.value[0] - 0.5).abs() < 1e-11 && network.contraction() <= 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Equilibrium<T: Real> {
    state_weight: DMatrix<T>,
    input_weight: DMatrix<T>,
    bias: DVector<T>,
    activation: Arc<dyn Activation<T>>,
    input: Option<Lu<T>>,
    contraction: f64,
}

/// The input at which an equilibrium network rests at a given h.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct EquilibriumInput<T: Real> {
    /// x.
    pub input: DVector<T>,
    /// ‖h − f(W·h + U·x + b)‖₂: that h is at rest.
    pub residual: f64,
    /// ‖h − h(x)‖₂, where h(x) is what the iteration from 0 comes to. `None` where it comes to no rest:
    /// h is a fixed point, and one that does not attract. Where it is large, x has several points of
    /// rest, and h is another.
    pub distance: Option<f64>,
}

impl<T: Real> Equilibrium<T> {
    /// W = `state_weight`, units x units; U = `input_weight`, units x inputs; b = `bias`.
    ///
    /// # Errors
    /// [`Error::Network`] where shapes do not fit or an entry is not finite.
    pub fn new(
        state_weight: DMatrix<T>,
        input_weight: DMatrix<T>,
        bias: DVector<T>,
        activation: impl Activation<T> + 'static,
    ) -> Result<Self> {
        let units = state_weight.nrows();
        size("state_weight", "columns", state_weight.ncols(), units)?;
        size("input_weight", "rows", input_weight.nrows(), units)?;
        size("bias", "entries", bias.len(), units)?;
        finite("state_weight", state_weight.as_slice(), units)?;
        finite("input_weight", input_weight.as_slice(), units)?;
        finite("bias", bias.as_slice(), units)?;
        let input =
            if input_weight.is_square() { Lu::new(input_weight.clone()).ok() } else { None };
        let steepest = activation.steepest().unwrap_or(f64::INFINITY);
        let contraction = spectral_norm(&state_weight)? * steepest;
        let activation = Arc::new(activation);
        Ok(Self { state_weight, input_weight, bias, activation, input, contraction })
    }

    /// ‖W‖₂·sup|f′|, the norm by power iteration; infinite where the activation does not know its
    /// steepest slope. Below 1, every x has exactly one point of rest and the iteration finds it.
    #[must_use]
    pub fn contraction(&self) -> f64 {
        self.contraction
    }

    /// The h at which the network rests with the input `x`, to `tolerance` times its distance from
    /// the start 0, or to the last few bits.
    ///
    /// # Errors
    /// [`Error::NotContracting`] where it comes to no rest, [`Error::Network`] for an `x` that does
    /// not fit or a tolerance not in (0, 1).
    pub fn rest(&self, x: &DVector<T>, tolerance: f64) -> Result<FixedPoint<T>> {
        size("x", "entries", x.len(), self.input_weight.ncols())?;
        finite("x", x.as_slice(), x.len())?;
        within("tolerance", tolerance, tolerance > 0.0 && tolerance < 1.0, "0 < tolerance < 1")?;
        let given = &self.input_weight * x + &self.bias;
        let start = DVector::zeros(self.bias.len());
        iterate(&start, self.contraction, tolerance, |h| Ok(self.next(&given, h)))
    }

    /// The x at which the network rests at `h`: one solve.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where a unit cannot have its value, [`Error::NotOneToOne`] for an
    /// activation without an inverse, [`Error::Rectangular`] or [`Error::Singular`] where U has none.
    pub fn invert(&self, h: &DVector<T>) -> Result<EquilibriumInput<T>> {
        let units = self.bias.len();
        size("h", "entries", h.len(), units)?;
        finite("h", h.as_slice(), units)?;
        let name = || self.activation.name().to_owned();
        let Some(range) = self.activation.inverse_domain() else {
            return Err(Error::NotOneToOne { layer: 0, name: name() });
        };
        let mut a = h.clone();
        for (index, a) in a.iter_mut().enumerate() {
            let value = a.to_double();
            *a = self.activation.inverse(*a).ok_or_else(|| Error::OutOfRange {
                layer: 0,
                name: name(),
                index,
                sample: 0,
                value,
                lower: range.lower,
                upper: range.upper,
                excess: range.excess(value),
            })?;
        }
        let inputs = self.input_weight.ncols();
        if inputs != units {
            let name = "input weight of an equilibrium".to_owned();
            return Err(Error::Rectangular { layer: 0, name, outputs: units, inputs });
        }
        let right = a - &self.state_weight * h - &self.bias;
        let input = match &self.input {
            Some(lu) => lu.solve(&right)?,
            None => Lu::new(self.input_weight.clone())?.solve(&right)?,
        };
        let given = &self.input_weight * &input + &self.bias;
        let residual = (h - self.next(&given, h)).norm().to_double();
        let rest = self.rest(&input, T::EPSILON).ok();
        let distance = rest.map(|rest| (h - rest.value).norm().to_double());
        Ok(EquilibriumInput { input, residual, distance })
    }

    fn next(&self, given: &DVector<T>, h: &DVector<T>) -> DVector<T> {
        let z = &self.state_weight * h + given;
        let mut next = z.clone();
        self.activation.values(z.as_slice(), next.as_mut_slice());
        next
    }
}

impl<T: Real> Map<T> for Equilibrium<T> {
    fn inputs(&self) -> usize {
        self.input_weight.ncols()
    }

    fn outputs(&self) -> usize {
        self.bias.len()
    }

    fn value(&self, x: &DVector<T>) -> Result<DVector<T>> {
        Ok(self.rest(x, T::EPSILON)?.value)
    }

    fn linearize<'a>(&'a self, x: &DVector<T>) -> Result<Linearization<'a, T>> {
        let value = Map::value(self, x)?;
        let z = &self.state_weight * &value + &self.input_weight * x + &self.bias;
        let slopes = z.map(|z| self.activation.slope(z));
        let scaled = |matrix: &DMatrix<T>| {
            DMatrix::from_fn(matrix.nrows(), matrix.ncols(), |i, j| slopes[i] * matrix[(i, j)])
        };
        let units = value.len();
        let kept = DMatrix::identity(units, units) - scaled(&self.state_weight);
        let jacobian = Lu::new(kept)?.solve_many(&scaled(&self.input_weight))?;
        let jacobian: Box<dyn LinearOperator<T> + Send + Sync + 'a> = Box::new(jacobian);
        Ok(Linearization { value, jacobian })
    }
}
