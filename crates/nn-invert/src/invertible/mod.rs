//! Layers that are invertible by construction, trained like any other.

mod coupling;
mod flow;
mod mixing;
mod residual;

use linalg::{DMatrix, Real};
use nn_core::{Block, Layer};

pub use coupling::{Coupling, Half};
pub use flow::{Flow, FlowInversions};
pub use mixing::Mixing;
pub use residual::Residual;

use crate::Result;
use crate::arguments::size;

/// Refuses parameters that are not as many as the layer has.
pub(crate) fn fitting<T: Real>(layer: &impl Layer<T>, parameters: &[T]) -> Result<()> {
    let expected = layer.blocks().iter().map(Block::len).sum();
    size("parameters", "entries", parameters.len(), expected)
}

/// The input of one layer, from its output.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct LayerInversion<T: Real> {
    /// x, inputs x samples.
    pub x: DMatrix<T>,
    /// log|det ∂y/∂x| at each sample.
    pub log_determinants: Vec<f64>,
    /// A factor by which the inverse may magnify errors of y, the largest over the samples.
    pub amplification: f64,
    /// The most evaluations that a sample took; 1 where the inverse is a formula.
    pub iterations: usize,
}
