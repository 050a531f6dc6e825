//! Networks of layers that are invertible by construction.

use std::any::Any;

use linalg::{DMatrix, Real};
use nn_core::Network;

use super::{Coupling, LayerInversion, Mixing, Residual};
use crate::{Error, Result};

/// A network of [`Coupling`], [`Mixing`] and [`Residual`] layers, seen as the invertible map that it is.
///
/// Nothing is factored or searched, whatever the weights: that is what these layers are for. What their
/// inverse is worth still depends on the weights, see [`FlowInversions::amplification`].
///
/// # Examples
/// A map of the plane, trained to follow a parabola, and back:
/// ```
/// use std::ops::ControlFlow;
///
/// use linalg::DMatrix;
/// use nn_core::{Adam, Batch, MeanSquaredError, Network, Trainer};
/// use nn_invert::{Coupling, Flow, Half};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let mut network = Network::<f64>::builder(2)
///     .layer(Coupling::affine(2, Half::Second, 16, 1.0)?)
///     .layer(Coupling::affine(2, Half::First, 16, 1.0)?)
///     .build(&mut rng)?;
/// let x = DMatrix::from_fn(2, 32, |i, j| ((i * 32 + j) as f64 * 0.7).sin());
/// let targets = DMatrix::from_fn(2, 32, |i, j| x[(i, j)] + i as f64 * x[(0, j)] * x[(0, j)]);
/// let loss = MeanSquaredError::new(&targets)?;
/// Trainer::new(Adam::new(0.02)?, Batch::Full, 1)
///     .train(&mut network, &x, &loss, 600, |_| ControlFlow::Continue(()))?;
///
/// let y = network.predict(&x)?;
/// assert!((&y - &targets).amax() < 0.1);
/// let back = Flow::new(&network)?.invert_many(&y)?;
/// assert!((back.inputs - &x).amax() < 1e-13);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Flow<'a, T: Real> {
    network: &'a Network<T>,
    layers: Vec<FlowLayer<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum FlowLayer<'a> {
    Coupling(&'a Coupling),
    Mixing(&'a Mixing),
    Residual(&'a Residual),
}

/// The inputs that give several outputs.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct FlowInversions<T: Real> {
    /// The inputs, inputs x targets.
    pub inputs: DMatrix<T>,
    /// ‖f(x) − y‖₂ of each, with f(x) computed anew.
    pub residuals: Vec<f64>,
    /// log|det ∂y/∂x| of each: with it the density of y is that of x over |det|.
    pub log_determinants: Vec<f64>,
    /// The product over the layers of what each may magnify errors by: exp(max |s|) of a coupling,
    /// ‖W⁻¹‖₂ of a mixing, 1/(1 − L) of a residual block. The input has about
    /// −log₁₀(eps·amplification) digits; what s and t themselves do to an error of u is not in it.
    pub amplification: f64,
    /// The most evaluations that a residual block took; 1 without one.
    pub iterations: usize,
}

impl<'a, T: Real> Flow<'a, T> {
    /// Sees `network` as an invertible map.
    ///
    /// # Errors
    /// [`Error::NotByConstruction`] for the first layer of another kind.
    pub fn new(network: &'a Network<T>) -> Result<Self> {
        let layers = network.layers().enumerate().map(|(layer, about)| {
            let any: &dyn Any = about;
            if let Some(coupling) = any.downcast_ref() {
                Ok(FlowLayer::Coupling(coupling))
            } else if let Some(mixing) = any.downcast_ref() {
                Ok(FlowLayer::Mixing(mixing))
            } else if let Some(residual) = any.downcast_ref() {
                Ok(FlowLayer::Residual(residual))
            } else {
                Err(Error::NotByConstruction { layer, name: about.describe() })
            }
        });
        Ok(Self { network, layers: layers.collect::<Result<_>>()? })
    }

    /// The inputs whose outputs are the columns of `targets`, outputs x targets.
    ///
    /// # Errors
    /// [`Error::NotContracting`] from a residual block, [`Error::Singular`] from a mixing,
    /// [`Error::Network`] where `targets` does not fit or is not finite.
    pub fn invert_many(&self, targets: &DMatrix<T>) -> Result<FlowInversions<T>> {
        let parameters = self.network.parameters().as_slice();
        let mut value = targets.clone();
        let mut log_determinants = vec![0.0; targets.ncols()];
        let (mut amplification, mut iterations) = (1.0, 1);
        let ranges = self.network.parameter_ranges();
        for (layer, (step, range)) in self.layers.iter().zip(ranges).enumerate().rev() {
            let own = &parameters[range.clone()];
            let undone = match step {
                FlowLayer::Coupling(coupling) => coupling.undo(own, &value),
                FlowLayer::Mixing(mixing) => mixing.undo(own, &value),
                FlowLayer::Residual(residual) => residual.undo(own, &value, T::EPSILON),
            };
            let undone: LayerInversion<T> = undone.map_err(|error| match error {
                Error::Singular { name, pivot, rcond, .. } => {
                    Error::Singular { layer, name, pivot, rcond }
                }
                error => error,
            })?;
            value = undone.x;
            amplification *= undone.amplification;
            iterations = iterations.max(undone.iterations);
            for (sum, logarithm) in log_determinants.iter_mut().zip(undone.log_determinants) {
                *sum += logarithm;
            }
        }
        let residuals = if value.iter().all(|x| x.is_finite()) {
            let difference = self.network.predict(&value)? - targets;
            difference.column_iter().map(|column| column.norm().to_double()).collect()
        } else {
            // An input that overflowed on the way back reproduces nothing.
            vec![f64::INFINITY; targets.ncols()]
        };
        Ok(FlowInversions { inputs: value, residuals, log_determinants, amplification, iterations })
    }
}
