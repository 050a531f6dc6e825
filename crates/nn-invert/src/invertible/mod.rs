//! Layers that are invertible by construction, trained like any other.

mod coupling;
mod flow;
mod mixing;
mod residual;

use linalg::{DMatrix, Real};

pub use coupling::{Coupling, Half};
pub use flow::{Flow, FlowInversions};
pub use mixing::Mixing;
pub use residual::Residual;

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
