//! The dense layer, y = W·x + b.

use linalg::{DMatrixView, DMatrixViewMut, Real, Threads, gemm, transpose};
use rand::Rng;

use crate::{
    Backward, BackwardTangent, Block, Forward, Initializer, Layer, Linear, Result, Shape, Tangent,
    Tensor, TensorOf, View,
};

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
    /// A dense layer whose weights and biases start from `initializer`.
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

    /// PyTorch flattens an image channel by channel; here the channel runs fastest.
    fn tensors(&self) -> Vec<Tensor> {
        let Shape { channels, width, height } = self.input;
        let (outputs, inputs) = (self.outputs, self.inputs);
        let of = TensorOf::Parameters;
        let walk = vec![
            (outputs, 1),
            (channels, outputs),
            (height, outputs * channels * width),
            (width, outputs * channels),
        ];
        let bias = vec![(outputs, 1)];
        vec![
            Tensor { name: "weight", of, shape: vec![outputs, inputs], start: 0, walk },
            Tensor { name: "bias", of, shape: vec![outputs], start: outputs * inputs, walk: bias },
        ]
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        let (weight, bias) = parameters.split_at_mut(self.outputs * self.inputs);
        self.initializer.fill(weight, self.inputs, self.outputs, rng);
        self.initializer.fill_bias(bias, self.inputs, rng);
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

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        // ẏ = Ẇ·x + ḃ + W·ẋ
        let at = pass.at;
        let bias = self.split(pass.parameters_tangent).1;
        for column in pass.y_tangent.chunks_exact_mut(self.outputs) {
            column.copy_from_slice(bias);
        }
        for (parameters, x) in [(pass.parameters_tangent, at.x), (at.parameters, pass.x_tangent)] {
            let x = DMatrixView::from_slice(x, self.inputs, at.samples);
            let y = DMatrixViewMut::from_slice(pass.y_tangent, self.outputs, at.samples);
            gemm(T::one(), self.weight(parameters), x, T::one(), y, Threads::One)?;
        }
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        let at = pass.at;
        let (weight, bias) = pass.gradient_tangent.split_at_mut(self.outputs * self.inputs);
        bias.fill(T::zero());
        for column in pass.dy_tangent.chunks_exact(self.outputs) {
            for (sum, &dy) in bias.iter_mut().zip(column) {
                *sum += dy;
            }
        }
        let terms = [(pass.dy_tangent, at.x, T::zero()), (pass.dy, pass.x_tangent, T::one())];
        for (dy, x, beta) in terms {
            let dy = DMatrixView::from_slice(dy, self.outputs, at.samples);
            let x = DMatrixView::from_slice(x, self.inputs, at.samples);
            let weight = DMatrixViewMut::from_slice(weight, self.outputs, self.inputs);
            gemm(T::one(), dy, transpose(x), beta, weight, Threads::One)?;
        }
        let Some(dx) = pass.dx_tangent else { return Ok(()) };
        let terms = [
            (at.parameters, pass.dy_tangent, T::zero()),
            (pass.parameters_tangent, pass.dy, T::one()),
        ];
        for (parameters, dy, beta) in terms {
            let dy = DMatrixView::from_slice(dy, self.outputs, at.samples);
            let dx = DMatrixViewMut::from_slice(dx, self.inputs, at.samples);
            gemm(T::one(), transpose(self.weight(parameters)), dy, beta, dx, Threads::One)?;
        }
        Ok(())
    }

    fn view<'a>(&'a self, parameters: &'a [T]) -> View<'a, T> {
        let linear = Linear::Matrix(self.weight(parameters));
        View::Affine { linear, bias: self.split(parameters).1 }
    }
}
