//! The small network inside a coupling or a residual block, V·tanh(U·x + b) + c, and the products that
//! layers are made of.

use linalg::{DMatrixView, DMatrixViewMut, Operand, Real, Threads, gemm, transpose};
use nn_core::{Activation, Block, Initializer, Tanh};
use rand::Rng;

/// Sizes of g(x) = V·tanh(U·x + b) + c; its parameters U, b, V, c lie one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Perceptron {
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
    pub(crate) outputs: usize,
}

/// The parameters, apart.
pub(crate) struct Parts<'a, T: Real> {
    pub(crate) inner: DMatrixView<'a, T>,
    inner_bias: &'a [T],
    pub(crate) outer: DMatrixView<'a, T>,
    outer_bias: &'a [T],
}

impl Perceptron {
    pub(crate) fn blocks(self) -> Vec<Block> {
        let Self { inputs, hidden, outputs } = self;
        vec![
            Block { name: "inner_weight", rows: hidden, columns: inputs },
            Block { name: "inner_bias", rows: hidden, columns: 1 },
            Block { name: "outer_weight", rows: outputs, columns: hidden },
            Block { name: "outer_bias", rows: outputs, columns: 1 },
        ]
    }

    /// U from Glorot's distribution; V, b and c zero, so that a block starts as the identity.
    pub(crate) fn initialize<T: Real>(self, parameters: &mut [T], rng: &mut dyn Rng) {
        let inner = self.hidden * self.inputs;
        Initializer::GlorotUniform.fill(&mut parameters[..inner], self.inputs, self.hidden, rng);
        parameters[inner..].fill(T::zero());
    }

    pub(crate) fn parts<T: Real>(self, parameters: &[T]) -> Parts<'_, T> {
        let Self { inputs, hidden, outputs } = self;
        let (inner, rest) = parameters.split_at(hidden * inputs);
        let (inner_bias, rest) = rest.split_at(hidden);
        let (outer, outer_bias) = rest.split_at(outputs * hidden);
        Parts {
            inner: DMatrixView::from_slice(inner, hidden, inputs),
            inner_bias,
            outer: DMatrixView::from_slice(outer, outputs, hidden),
            outer_bias,
        }
    }

    /// g(x) of every column, in `y`; tanh(U·x + b) in `active`, with room for as much in `scratch`.
    pub(crate) fn forward<T: Real>(
        self,
        parameters: &[T],
        x: Operand<'_, T>,
        (active, scratch): (&mut [T], &mut [T]),
        y: &mut [T],
    ) -> linalg::Result<()> {
        let parts = self.parts(parameters);
        let samples = x.shape().1;
        let z = &mut scratch[..self.hidden * samples];
        multiply(parts.inner, x, Fill::Bias(parts.inner_bias), z)?;
        Tanh.values(z, active);
        let hidden = DMatrixView::from_slice(active, self.hidden, samples);
        multiply(parts.outer, hidden, Fill::Bias(parts.outer_bias), y)
    }

    /// From dL/dg: dL/dx of every column, added to `dx` where asked for, and dL/dθ in `gradient`
    /// where asked for. `scratch` has room for what `active` holds.
    pub(crate) fn backward<T: Real>(
        self,
        parameters: &[T],
        (x, active): (Operand<'_, T>, &[T]),
        dy: &[T],
        scratch: &mut [T],
        (gradient, dx): (Option<&mut [T]>, Option<&mut [T]>),
    ) -> linalg::Result<()> {
        let parts = self.parts(parameters);
        let Self { inputs, hidden, outputs } = self;
        let samples = x.shape().1;
        let dy = DMatrixView::from_slice(dy, outputs, samples);
        let dz = &mut scratch[..hidden * samples];
        multiply(transpose(parts.outer), dy, Fill::Zero, dz)?;
        for (dz, &a) in dz.iter_mut().zip(active) {
            *dz *= (T::one() - a) * (T::one() + a);
        }
        let dz = DMatrixView::from_slice(dz, hidden, samples);
        if let Some(gradient) = gradient {
            let (inner, rest) = gradient.split_at_mut(hidden * inputs);
            let (inner_bias, rest) = rest.split_at_mut(hidden);
            let (outer, outer_bias) = rest.split_at_mut(outputs * hidden);
            multiply(dz, transpose(x), Fill::Zero, inner)?;
            let active = DMatrixView::from_slice(active, hidden, samples);
            multiply(dy, transpose(active), Fill::Zero, outer)?;
            column_sums(dz, inner_bias);
            column_sums(dy, outer_bias);
        }
        match dx {
            Some(dx) => multiply(transpose(parts.inner), dz, Fill::Keep, dx),
            None => Ok(()),
        }
    }
}

/// What a product is added to.
pub(crate) enum Fill<'a, T> {
    /// Nothing.
    Zero,
    /// What is there.
    Keep,
    /// This in every column.
    Bias(&'a [T]),
}

/// y ← A·B + what is there or is put there first.
pub(crate) fn multiply<'a, 'b, T: Real>(
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'b, T>>,
    fill: Fill<'_, T>,
    y: &mut [T],
) -> linalg::Result<()> {
    let (a, b) = (a.into(), b.into());
    let (rows, columns) = (a.shape().0, b.shape().1);
    if let Fill::Bias(bias) = fill {
        for column in y.chunks_exact_mut(rows) {
            column.copy_from_slice(bias);
        }
    }
    let beta = if matches!(fill, Fill::Zero) { T::zero() } else { T::one() };
    gemm(T::one(), a, b, beta, DMatrixViewMut::from_slice(y, rows, columns), Threads::One)
}

/// The sum of all columns.
pub(crate) fn column_sums<T: Real>(columns: DMatrixView<'_, T>, sums: &mut [T]) {
    sums.fill(T::zero());
    for column in columns.column_iter() {
        for (sum, &entry) in sums.iter_mut().zip(column.iter()) {
            *sum += entry;
        }
    }
}
