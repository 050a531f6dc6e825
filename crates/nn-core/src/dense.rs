//! The dense layer, y = W·x + b.

use linalg::{DMatrixView, DMatrixViewMut, Real, Threads, gemm, transpose};
use rand::Rng;

use crate::{Backward, Block, Forward, Initializer, Layer, Linear, Result, Shape, View};

/// Every output is a weighted sum of all inputs plus a bias: Y = W·X + b, a column per sample.
///
/// Parameters: `weight`, outputs x inputs, and `bias`, outputs x 1. Backward, with the samples in
/// the columns of X and dY, so that one product sums over them:
///
/// ```text
/// dL/dW = dY·Xᵀ      dL/db = row sums of dY      dL/dX = Wᵀ·dY
/// ```
/// An input that is an image or a sequence is taken as the list of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    input: Shape,
    inputs: usize,
    outputs: usize,
    initializer: Initializer,
}

impl Dense {
    /// A dense layer whose weights start from `initializer` and whose biases start at 0.
    #[must_use]
    pub fn new(input: impl Into<Shape>, outputs: usize, initializer: Initializer) -> Self {
        let input = input.into();
        Self { input, inputs: input.len(), outputs, initializer }
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
        format!("dense {} -> {}", self.input, self.outputs)
    }

    fn input(&self) -> Shape {
        self.input
    }

    fn output(&self) -> Shape {
        self.outputs.into()
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

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let bias = self.split(pass.parameters).1;
        for column in pass.y.chunks_exact_mut(self.outputs) {
            column.copy_from_slice(bias);
        }
        let x = DMatrixView::from_slice(pass.x, self.inputs, pass.samples);
        let y = DMatrixViewMut::from_slice(pass.y, self.outputs, pass.samples);
        Ok(gemm(T::one(), self.weight(pass.parameters), x, T::one(), y, Threads::One)?)
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let dy = DMatrixView::from_slice(pass.dy, self.outputs, pass.samples);
        if let Some(gradient) = pass.gradient {
            let (weight, bias) = gradient.split_at_mut(self.outputs * self.inputs);
            let weight = DMatrixViewMut::from_slice(weight, self.outputs, self.inputs);
            let x = DMatrixView::from_slice(pass.x, self.inputs, pass.samples);
            gemm(T::one(), dy, transpose(x), T::zero(), weight, Threads::One)?;
            bias.fill(T::zero());
            for column in pass.dy.chunks_exact(self.outputs) {
                for (sum, &dy) in bias.iter_mut().zip(column) {
                    *sum += dy;
                }
            }
        }
        if let Some(dx) = pass.dx {
            let dx = DMatrixViewMut::from_slice(dx, self.inputs, pass.samples);
            gemm(
                T::one(),
                transpose(self.weight(pass.parameters)),
                dy,
                T::zero(),
                dx,
                Threads::One,
            )?;
        }
        Ok(())
    }

    fn view<'a>(&'a self, parameters: &'a [T]) -> View<'a, T> {
        let linear = Linear::Matrix(self.weight(parameters));
        View::Affine { linear, bias: self.split(parameters).1.into() }
    }
}
