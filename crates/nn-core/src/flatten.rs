//! The layer that makes a list of an image.

use linalg::Real;

use crate::{Backward, Forward, Layer, Result, Shape};

/// The values of an image or a sequence as a list, in the order in which they lie: nothing moves.
///
/// Networks here need no such layer, since a dense layer takes an image as the list of its values.
/// PyTorch's `Flatten` orders them by channel, then y, then x; here the channel runs fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flatten {
    input: Shape,
}

impl Flatten {
    /// The list of an `input`'s values.
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
        self.input.len().into()
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
}
