//! The layer that applies an activation to each of its inputs.

use std::sync::Arc;

use linalg::Real;

use crate::{Activation, Backward, BackwardTangent, Forward, Layer, Result, Shape, Tangent, View};

/// aᵢ = f(zᵢ) for every i; backward, dL/dzᵢ = f′(zᵢ)·dL/daᵢ.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointwise<A> {
    activation: Arc<A>,
    shape: Shape,
}

impl<A> Pointwise<A> {
    /// `activation` applied to values in the given `shape`.
    #[must_use]
    pub fn new(activation: A, shape: impl Into<Shape>) -> Self {
        Self { activation: Arc::new(activation), shape: shape.into() }
    }
}

impl<T: Real, A: Activation<T>> Layer<T> for Pointwise<A> {
    fn describe(&self) -> String {
        format!("{} {}", self.activation.name(), self.shape)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn multiply_adds(&self) -> usize {
        self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        self.activation.values(pass.x, pass.y);
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        if let Some(dz) = pass.dx {
            self.activation.pull_back(pass.x, pass.y, pass.dy, dz);
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        self.activation.pull_back(pass.at.x, pass.at.y, pass.x_tangent, pass.y_tangent);
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        if let Some(dz) = pass.dx_tangent {
            self.activation.pull_back(pass.at.x, pass.at.y, pass.dy_tangent, dz);
            for (((dz, &z), &velocity), &da) in
                dz.iter_mut().zip(pass.at.x).zip(pass.x_tangent).zip(pass.dy)
            {
                *dz += self.activation.curvature(z) * velocity * da;
            }
        }
        Ok(())
    }

    fn activation(&self) -> Option<Arc<dyn Activation<T>>> {
        Some(self.activation.clone())
    }

    fn view<'a>(&'a self, _parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        View::Pointwise(self.activation.as_ref())
    }
}
