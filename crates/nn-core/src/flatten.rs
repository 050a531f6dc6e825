//! The layer that stands where PyTorch makes a list of an image.

use linalg::Real;

use crate::{Backward, BackwardTangent, Forward, Identity, Layer, Result, Shape, Tangent, View};

/// The identity: a column is the list of its values already, and keeps its arrangement.
///
/// Networks here need no such layer, since a dense layer takes an image as it is. It stands where
/// PyTorch has `Flatten`, so that layers have the same numbers, as the names in files do. PyTorch
/// orders an image's values by channel, then y, then x; here the channel runs fastest, and a file's
/// dense weights are permuted accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flatten {
    input: Shape,
}

impl Flatten {
    /// The identity on an `input`.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Flatten, Layer, Shape};
    /// let layer: &dyn Layer<f32> = &Flatten::new(Shape::image(3, 4, 4));
    /// assert_eq!(layer.output().len(), 48);
    /// ```
    #[must_use]
    pub fn new(input: impl Into<Shape>) -> Self {
        Self { input: input.into() }
    }
}

impl<T: Real> Layer<T> for Flatten {
    fn describe(&self) -> String {
        format!("flatten {}", self.input)
    }

    fn input(&self) -> Shape {
        self.input
    }

    fn output(&self) -> Shape {
        self.input
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        pass.y.copy_from_slice(pass.x);
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx {
            dx.copy_from_slice(pass.dy);
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        pass.y_tangent.copy_from_slice(pass.x_tangent);
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx_tangent {
            dx.copy_from_slice(pass.dy_tangent);
        }
        Ok(())
    }

    fn view<'a>(&'a self, _parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        View::Pointwise(&Identity)
    }
}
