//! The layer that applies an activation to each of its inputs.

use linalg::Real;

use crate::{Activation, Backward, Forward, Layer, Result, View};

/// aᵢ = f(zᵢ) for every i; backward, dL/dzᵢ = f′(zᵢ)·dL/daᵢ.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointwise<A> {
    activation: A,
    size: usize,
}

impl<A> Pointwise<A> {
    /// `activation` applied to `size` values.
    #[must_use]
    pub fn new(activation: A, size: usize) -> Self {
        Self { activation, size }
    }
}

impl<T: Real, A: Activation<T>> Layer<T> for Pointwise<A> {
    fn describe(&self) -> String {
        format!("{} {}", self.activation.name(), self.size)
    }

    fn inputs(&self) -> usize {
        self.size
    }

    fn outputs(&self) -> usize {
        self.size
    }

    fn forward(&self, mut pass: Forward<'_, T>) -> Result<()> {
        pass.y.zip_apply(&pass.x, |a, z| *a = self.activation.value(z));
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let Some(mut dz) = pass.dx else { return Ok(()) };
        dz.copy_from(&pass.dy);
        dz.zip_zip_apply(&pass.x, &pass.y, |dz, z, a| {
            // The same number either way; from a it costs no second evaluation of f.
            *dz *= match self.activation.slope_from_value(a) {
                Some(slope) => slope,
                None => self.activation.slope(z),
            };
        });
        Ok(())
    }

    fn view<'a>(&'a self, _parameters: &'a [T]) -> View<'a, T> {
        View::Pointwise(&self.activation)
    }
}
