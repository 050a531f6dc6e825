//! The dense layer, y = W·x + b, alone and with the activation that follows it.

use std::ops::Range;
use std::sync::Arc;

use linalg::parallel::{available_threads, join};
use linalg::{DMatrixView, DMatrixViewMut, Real, Threads, affine, gemm, transpose};
use rand::Rng;

use crate::{
    Activation, Backward, BackwardTangent, Block, Descent, Forward, Initializer, Layer, Linear,
    Memory, Result, Shape, Tangent, Tensor, TensorOf, View, few, narrow,
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

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weight, outputs x inputs, and the bias within the layer's parameters.
    pub(crate) fn split<'a, T>(&self, parameters: &'a [T]) -> (&'a [T], &'a [T]) {
        parameters.split_at(self.outputs * self.inputs)
    }

    pub(crate) fn split_mut<'a, T>(&self, parameters: &'a mut [T]) -> (&'a mut [T], &'a mut [T]) {
        parameters.split_at_mut(self.outputs * self.inputs)
    }

    pub(crate) fn weight<'a, T: Real>(&self, parameters: &'a [T]) -> DMatrixView<'a, T> {
        DMatrixView::from_slice(self.split(parameters).0, self.outputs, self.inputs)
    }

    /// Y = f(W·X + b) for as many columns as there are, with f that `then` does to any of Y's entries.
    fn columns<T: Real>(
        &self,
        parameters: &[T],
        x: &[T],
        then: &(dyn Fn(&mut [T]) + Sync),
        y: &mut [T],
        threads: Threads,
    ) -> Result<()> {
        let (weight, bias) = self.split(parameters);
        if few::are_few(self.outputs, self.inputs) {
            few::columns(weight, bias, x, y);
            then(y);
            return Ok(());
        }
        let samples = y.len() / self.outputs;
        let x = DMatrixView::from_slice(x, self.inputs, samples);
        let y = DMatrixViewMut::from_slice(y, self.outputs, samples);
        Ok(affine(self.weight(parameters), x, bias, then, y, threads)?)
    }

    /// dX = Wᵀ·dY.
    fn pull_back<T: Real>(
        &self,
        parameters: &[T],
        dy: &[T],
        dx: &mut [T],
        threads: Threads,
    ) -> Result<()> {
        if few::are_few(self.outputs, self.inputs) {
            few::pull_back(self.split(parameters).0, self.outputs, dy, dx);
            return Ok(());
        }
        let samples = dy.len() / self.outputs;
        let dy = DMatrixView::from_slice(dy, self.outputs, samples);
        let dx = DMatrixViewMut::from_slice(dx, self.inputs, samples);
        let weight = transpose(self.weight(parameters));
        Ok(gemm(T::one(), weight, dy, T::zero(), dx, threads)?)
    }

    /// weight ← keep·weight + factor·dY·Xᵀ.
    fn add_gradient<T: Real>(
        &self,
        (keep, factor): (T, T),
        x: &[T],
        dy: &[T],
        weight: &mut [T],
        threads: Threads,
    ) -> Result<()> {
        if few::are_few(self.outputs, self.inputs) {
            return few::add_gradient((keep, factor), self.outputs, x, dy, weight);
        }
        let samples = dy.len() / self.outputs;
        let dy = DMatrixView::from_slice(dy, self.outputs, samples);
        let x = transpose(DMatrixView::from_slice(x, self.inputs, samples));
        let weight = DMatrixViewMut::from_slice(weight, self.outputs, self.inputs);
        Ok(gemm(factor, dy, x, keep, weight, threads)?)
    }

    /// As [`Layer::backward`] of this layer, where the row sums of dY are in the gradient's bias.
    fn backward_but_bias<T: Real>(&self, pass: Backward<'_, T>, dy: &[T]) -> Result<()> {
        if let Some(gradient) = pass.gradient {
            let weight = self.split_mut(gradient).0;
            self.add_gradient((T::zero(), T::one()), pass.x, dy, weight, pass.threads)?;
        }
        match pass.dx {
            Some(dx) => self.pull_back(pass.parameters, dy, dx, pass.threads),
            None => Ok(()),
        }
    }

    /// As [`Layer::descend`] of this layer, given the row sums of dY.
    fn descend_with<T: Real>(
        &self,
        descent: Descent<T>,
        parameters: &mut [T],
        (x, threads): (&[T], Threads),
        dx: Option<&mut [T]>,
        (dy, sums): (&[T], &[T]),
    ) -> Result<()> {
        if let Some(dx) = dx {
            self.pull_back(parameters, dy, dx, threads)?;
        }
        let (weight, bias) = self.split_mut(parameters);
        self.add_gradient((descent.keep, -descent.rate), x, dy, weight, threads)?;
        descent.apply(bias, sums);
        Ok(())
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
        let (weight, bias) = self.split_mut(parameters);
        self.initializer.fill(weight, self.inputs, self.outputs, rng);
        self.initializer.fill_bias(bias, self.inputs, rng);
    }

    fn uses_threads(&self) -> bool {
        true
    }

    fn delta_sums(&self) -> Option<Range<usize>> {
        let weights = self.outputs * self.inputs;
        Some(weights..weights + self.outputs)
    }

    fn fuse(&self, next: &dyn Layer<T>) -> Option<Arc<dyn Layer<T>>> {
        let Some(activation) = next.activation() else { return narrow::fuse(self, None, next) };
        // Where the slope needs z, z has to be kept, and the two layers do that.
        activation.slope_from_value(T::zero())?;
        Some(Arc::new(Activated { dense: self.clone(), activation }))
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        self.columns(pass.parameters, pass.x, &|_| {}, pass.y, pass.threads)
    }

    fn backward(&self, mut pass: Backward<'_, T>) -> Result<()> {
        if let Some(gradient) = &mut pass.gradient {
            let bias = self.split_mut(gradient).1;
            bias.fill(T::zero());
            add_columns(pass.dy, bias);
        }
        let dy = pass.dy;
        self.backward_but_bias(pass, dy)
    }

    fn descend(
        &self,
        descent: Descent<T>,
        parameters: &mut [T],
        pass: Backward<'_, T>,
    ) -> Result<()> {
        let mut none = [];
        let sums = self.split_mut(pass.gradient.unwrap_or(&mut none)).1;
        sums.fill(T::zero());
        add_columns(pass.dy, sums);
        let input = (pass.x, pass.threads);
        self.descend_with(descent, parameters, input, pass.dx, (pass.dy, sums))
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

    fn view<'a>(&'a self, parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        let linear = Linear::Matrix(self.weight(parameters));
        View::Affine { linear, bias: self.split(parameters).1.into() }
    }
}

/// sums ← sums + the columns of `dy`.
fn add_columns<T: Real>(dy: &[T], sums: &mut [T]) {
    for column in dy.chunks_exact(sums.len()) {
        for (sum, &dy) in sums.iter_mut().zip(column) {
            *sum += dy;
        }
    }
}

/// A dense layer and the activation after it: z is not kept, and dZ is summed up a few columns at a
/// time, while they are at hand.
#[derive(Debug)]
pub(crate) struct Activated<T: Real> {
    dense: Dense,
    activation: Arc<dyn Activation<T>>,
}

impl<T: Real> Activated<T> {
    /// A = f(Z), in the place of Z.
    fn apply(&self, values: &mut [T]) {
        /// Values that stay in the first-level cache.
        const PIECE: usize = 256;
        let mut z = [T::zero(); PIECE];
        for a in values.chunks_mut(PIECE) {
            let z = &mut z[..a.len()];
            z.copy_from_slice(a);
            self.activation.values(z, a);
        }
    }

    /// dZ into `dz`, and its row sums into `sums`.
    fn through_activation(
        &self,
        (y, dy): (&[T], &[T]),
        dz: &mut [T],
        sums: &mut [T],
        threads: Threads,
    ) {
        /// Values that stay in the first-level cache.
        const PIECE: usize = 2048;
        let piece = (PIECE / sums.len()).max(1) * sums.len();
        let pull_back = |start: usize, dz: &mut [T]| {
            let range = start..start + dz.len();
            self.activation.pull_back(&y[range.clone()], &y[range.clone()], &dy[range], dz);
        };
        sums.fill(T::zero());
        let count = pieces(dz.len(), threads);
        if count > 1 {
            in_pieces(dz, 0, count, &pull_back);
            add_columns(dz, sums);
            return;
        }
        for (index, dz) in dz.chunks_mut(piece).enumerate() {
            pull_back(index * piece, dz);
            add_columns(dz, sums);
        }
    }
}

/// Into how many pieces so many values of an activation are worth dividing.
fn pieces(values: usize, threads: Threads) -> usize {
    /// Values worth a thread.
    const GRAIN: usize = 1 << 16;
    match threads {
        Threads::One => 1,
        Threads::Pool => available_threads().min(values / GRAIN).max(1),
    }
}

/// Calls `work` with `count` pieces of `values`, which begin at `start`, and where each begins.
fn in_pieces<T: Real>(
    values: &mut [T],
    start: usize,
    count: usize,
    work: &(impl Fn(usize, &mut [T]) + Sync),
) {
    if count <= 1 {
        return work(start, values);
    }
    let middle = values.len() / count * (count / 2);
    let (left, right) = values.split_at_mut(middle);
    join(
        || in_pieces(left, start, count / 2, work),
        || in_pieces(right, start + middle, count - count / 2, work),
    );
}

impl<T: Real> Layer<T> for Activated<T> {
    fn describe(&self) -> String {
        format!("{} and {}", Layer::<T>::describe(&self.dense), self.activation.name())
    }

    fn input(&self) -> Shape {
        self.dense.input
    }

    fn output(&self) -> Shape {
        self.dense.outputs.into()
    }

    fn blocks(&self) -> Vec<Block> {
        Layer::<T>::blocks(&self.dense)
    }

    fn uses_threads(&self) -> bool {
        true
    }

    fn delta_sums(&self) -> Option<Range<usize>> {
        Layer::<T>::delta_sums(&self.dense)
    }

    fn fuse(&self, next: &dyn Layer<T>) -> Option<Arc<dyn Layer<T>>> {
        narrow::fuse(&self.dense, Some(&self.activation), next)
    }

    fn memory(&self, samples: usize) -> Memory {
        Memory { scratch: self.dense.outputs * samples, ..Memory::default() }
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let then = |values: &mut [T]| self.apply(values);
        self.dense.columns(pass.parameters, pass.x, &then, pass.y, pass.threads)
    }

    fn backward(&self, mut pass: Backward<'_, T>) -> Result<()> {
        let scratch = std::mem::take(&mut pass.scratch);
        let dz = &mut scratch[..pass.dy.len()];
        match &mut pass.gradient {
            Some(gradient) => {
                let sums = self.dense.split_mut(gradient).1;
                self.through_activation((pass.y, pass.dy), dz, sums, pass.threads);
            }
            None => self.activation.pull_back(pass.y, pass.y, pass.dy, dz),
        }
        self.dense.backward_but_bias(pass, dz)
    }

    fn descend(
        &self,
        descent: Descent<T>,
        parameters: &mut [T],
        pass: Backward<'_, T>,
    ) -> Result<()> {
        let mut none = [];
        let dz = &mut pass.scratch[..pass.dy.len()];
        let sums = self.dense.split_mut(pass.gradient.unwrap_or(&mut none)).1;
        self.through_activation((pass.y, pass.dy), dz, sums, pass.threads);
        let input = (pass.x, pass.threads);
        self.dense.descend_with(descent, parameters, input, pass.dx, (dz, sums))
    }
}
