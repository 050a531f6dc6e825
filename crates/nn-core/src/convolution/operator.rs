//! The linear map of a convolution, for whoever wants to invert it.

use linalg::{LinearOperator, Real};

use super::{Convolution, product};

/// y = A·x without the bias.
#[derive(Debug)]
pub(super) struct Operator<'a, T> {
    pub(super) layer: &'a Convolution,
    pub(super) weight: &'a [T],
}

impl<T: Real> LinearOperator<T> for Operator<'_, T> {
    fn nrows(&self) -> usize {
        self.layer.geometry.output.len()
    }

    fn ncols(&self) -> usize {
        self.layer.geometry.input.len()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        check("x", self.ncols(), x)?;
        check("y", self.nrows(), y)?;
        let mut scratch = vec![T::zero(); product::scratch(self.layer)];
        product::forward(self.layer, self.weight, None, x, y, &mut scratch)
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        check("x", self.nrows(), x)?;
        check("y", self.ncols(), y)?;
        let mut scratch = vec![T::zero(); product::scratch(self.layer)];
        product::input_gradient(self.layer, self.weight, x, y, &mut scratch)
    }
}

fn check<T>(argument: &'static str, expected: usize, found: &[T]) -> linalg::Result<()> {
    if found.len() == expected {
        return Ok(());
    }
    Err(linalg::Error::Shape {
        argument,
        found_rows: found.len(),
        found_columns: 1,
        expected_rows: expected,
        expected_columns: 1,
    })
}
