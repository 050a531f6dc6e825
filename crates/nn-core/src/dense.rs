//! The dense layer, y = W·x + b.

use linalg::{DMatrixView, DMatrixViewMut, Real, Threads, gemm, transpose};
use rand::Rng;

use crate::{Backward, Block, Forward, Initializer, Layer, Linear, Result, View};

/// Every output is a weighted sum of all inputs plus a bias: Y = W·X + b, a column per sample.
///
/// Parameters: `weight`, outputs x inputs, and `bias`, outputs x 1. Backward, with the samples in
/// the columns of X and dY, so that one product sums over them:
///
/// ```text
/// dL/dW = dY·Xᵀ      dL/db = row sums of dY      dL/dX = Wᵀ·dY
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    inputs: usize,
    outputs: usize,
    initializer: Initializer,
}

impl Dense {
    /// A dense layer whose weights start from `initializer` and whose biases start at 0.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, initializer: Initializer) -> Self {
        Self { inputs, outputs, initializer }
    }

    /// The weight, outputs x inputs, and the bias within the layer's parameters.
    fn split<'a, T>(&self, parameters: &'a [T]) -> (&'a [T], &'a [T]) {
        parameters.split_at(self.outputs * self.inputs)
    }

    fn weight<'a, T: Real>(&self, parameters: &'a [T]) -> DMatrixView<'a, T> {
        DMatrixView::from_slice(self.split(parameters).0, self.outputs, self.inputs)
    }
}

impl<T: Real> Layer<T> for Dense {
    fn describe(&self) -> String {
        format!("dense {} -> {}", self.inputs, self.outputs)
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn outputs(&self) -> usize {
        self.outputs
    }

    fn blocks(&self) -> Vec<Block> {
        vec![
            Block { name: "weight", rows: self.outputs, columns: self.inputs },
            Block { name: "bias", rows: self.outputs, columns: 1 },
        ]
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        let (weight, bias) = parameters.split_at_mut(self.outputs * self.inputs);
        self.initializer.fill(weight, self.inputs, self.outputs, rng);
        bias.fill(T::zero());
    }

    fn forward(&self, mut pass: Forward<'_, T>) -> Result<()> {
        let bias = self.split(pass.parameters).1;
        for mut column in pass.y.column_iter_mut() {
            column.copy_from_slice(bias);
        }
        let weight = self.weight(pass.parameters);
        Ok(gemm(T::one(), weight, pass.x, T::one(), pass.y, Threads::One)?)
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        if let Some(gradient) = pass.gradient {
            let (weight, bias) = gradient.split_at_mut(self.outputs * self.inputs);
            let weight = DMatrixViewMut::from_slice(weight, self.outputs, self.inputs);
            gemm(T::one(), pass.dy, transpose(pass.x), T::zero(), weight, Threads::One)?;
            bias.fill(T::zero());
            for column in pass.dy.column_iter() {
                for (sum, &dy) in bias.iter_mut().zip(&column) {
                    *sum += dy;
                }
            }
        }
        if let Some(dx) = pass.dx {
            let weight = self.weight(pass.parameters);
            gemm(T::one(), transpose(weight), pass.dy, T::zero(), dx, Threads::One)?;
        }
        Ok(())
    }

    fn view<'a>(&'a self, parameters: &'a [T]) -> View<'a, T> {
        let linear = Linear::Matrix(self.weight(parameters));
        View::Affine { linear, bias: self.split(parameters).1 }
    }
}
