//! The record of a forward pass, and the buffers of the backward pass.

use std::mem::swap;

use linalg::{DMatrixView, DMatrixViewMut, DVector, Real, Threads};

use crate::buffer::Buffer;
use crate::{Error, Mode, Passes, Result};

/// What a forward pass leaves behind: the input and the output of every layer for every sample, so
/// that the backward pass has z as well as a; and the gradients of the last backward pass.
///
/// A trace is reused: it allocates only where a batch is larger than any before it, or the network
/// another one.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Network, Sin, Trace};
///
/// let network = Network::builder(1)
///     .dense_from(DMatrix::from_element(1, 1, 2.0), vec![0.5])
///     .activation(Sin)
///     .build_given()?;
/// let mut trace = Trace::new();
/// network.forward(&DMatrix::from_element(1, 1, 1.0), &mut trace)?;
/// assert_eq!(trace.input_of(1).unwrap()[0], 2.5); // z of the sine
/// assert_eq!(trace.output_of(1).unwrap()[0], 2.5_f64.sin()); // its a
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Trace<T: Real> {
    /// Values in a column of the input, then of every layer's output. Empty before any pass.
    pub(crate) sizes: Vec<usize>,
    pub(crate) samples: usize,
    pub(crate) mode: Mode,
    /// Whether a backward pass may follow the forward pass.
    pub(crate) passes: Passes,
    /// The place of the first column in the batch, of which these may be a part.
    pub(crate) first_sample: usize,
    /// The threads that its passes may use.
    pub(crate) threads: Threads,
    pub(crate) input: Vec<T>,
    pub(crate) outputs: Vec<Buffer<T>>,
    /// What each layer has kept from the forward pass for the backward pass.
    pub(crate) records: Vec<Buffer<T>>,
    /// What each layer has derived from its parameters.
    pub(crate) prepared: Vec<Buffer<T>>,
    pub(crate) scratch: Buffer<T>,
    pub(crate) delta: Buffer<T>,
    pub(crate) next_delta: Buffer<T>,
    pub(crate) has_input_gradient: bool,
    /// The last layer whose dL/dy held a NaN or an infinity in the last backward pass.
    pub(crate) first_bad_delta: Option<usize>,
    pub(crate) gradient: DVector<T>,
    /// 0, 1, …: the samples of a full batch.
    pub(crate) all: Vec<usize>,

    pub(crate) tangents: Tangents<T>,
}

/// The derivatives of what a trace holds along a direction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tangents<T> {
    pub(crate) outputs: Vec<Vec<T>>,
    pub(crate) records: Vec<Vec<T>>,
    pub(crate) delta: Vec<T>,
    pub(crate) next_delta: Vec<T>,
}

impl<T: Real> Default for Trace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Trace<T> {
    /// An empty trace, for any network, of passes in [`Mode::Inference`].
    #[must_use]
    pub fn new() -> Self {
        Self::of(Mode::Inference)
    }

    /// An empty trace, for any network, of passes in [`Mode::Training`] from `seed`.
    #[must_use]
    pub fn training(seed: u64) -> Self {
        Self::of(Mode::Training { seed })
    }

    pub(crate) fn of(mode: Mode) -> Self {
        Self {
            sizes: Vec::new(),
            samples: 0,
            mode,
            passes: Passes::Both,
            first_sample: 0,
            threads: Threads::One,
            input: Vec::new(),
            outputs: Vec::new(),
            records: Vec::new(),
            prepared: Vec::new(),
            scratch: Buffer::default(),
            delta: Buffer::default(),
            next_delta: Buffer::default(),
            has_input_gradient: false,
            first_bad_delta: None,
            gradient: DVector::zeros(0),
            all: Vec::new(),
            tangents: Tangents::default(),
        }
    }

    /// Samples in the last forward pass.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// What its passes are for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The input of layer `layer`, features x samples: z, where the layer is an activation.
    /// `None` where the last pass had no such layer.
    #[must_use]
    pub fn input_of(&self, layer: usize) -> Option<DMatrixView<'_, T>> {
        if layer >= self.outputs.len() {
            return None;
        }
        let values: &[T] = if layer == 0 { &self.input } else { &self.outputs[layer - 1] };
        Some(view(values, self.sizes[layer], self.samples))
    }

    /// The output of layer `layer`, features x samples: a, where the layer is an activation.
    /// `None` where the last pass had no such layer.
    #[must_use]
    pub fn output_of(&self, layer: usize) -> Option<DMatrixView<'_, T>> {
        let values = self.outputs.get(layer)?;
        Some(view(values, self.sizes[layer + 1], self.samples))
    }

    /// The network's output P, outputs x samples; 0 x 0 before any pass.
    #[must_use]
    pub fn output(&self) -> DMatrixView<'_, T> {
        let last = self.outputs.len().checked_sub(1);
        last.and_then(|last| self.output_of(last))
            .unwrap_or_else(|| DMatrixView::from_slice(&[], 0, 0))
    }

    /// dL/dθ of the last backward pass that asked for it, in the order of
    /// [`Network::parameters`](crate::Network::parameters).
    #[must_use]
    pub fn gradient(&self) -> &DVector<T> {
        &self.gradient
    }

    /// dL/dX, inputs x samples, where the last backward pass asked for it.
    #[must_use]
    pub fn input_gradient(&self) -> Option<DMatrixView<'_, T>> {
        let rows = *self.sizes.first()?;
        self.has_input_gradient.then(|| view(&self.delta, rows, self.samples))
    }

    /// P, and dL/dP to fill in, column after column.
    pub(crate) fn output_and_delta(&mut self) -> (&[T], &mut [T]) {
        self.has_input_gradient = false;
        let last = self.outputs.len() - 1;
        let entries = self.sizes[last + 1] * self.samples;
        (&self.outputs[last][..entries], &mut self.delta[..entries])
    }

    /// Gives the buffers of a pass to `other`, for its next pass, and takes those of `other`. Results
    /// that are kept in them are lost; the gradient is not.
    pub(crate) fn hand_over(&mut self, other: &mut Self) {
        swap(&mut self.outputs, &mut other.outputs);
        swap(&mut self.records, &mut other.records);
        swap(&mut self.scratch, &mut other.scratch);
        swap(&mut self.delta, &mut other.delta);
        swap(&mut self.next_delta, &mut other.next_delta);
    }

    /// Refuses a trace whose last pass was another network's.
    pub(crate) fn check(&self, sizes: &[usize]) -> Result<()> {
        if self.sizes == sizes { Ok(()) } else { Err(Error::NoForward) }
    }
}

pub(crate) fn zeros<T: Real>(len: usize) -> Vec<T> {
    vec![T::zero(); len]
}

pub(crate) fn view<T: Real>(buffer: &[T], rows: usize, columns: usize) -> DMatrixView<'_, T> {
    DMatrixView::from_slice(&buffer[..rows * columns], rows, columns)
}

pub(crate) fn view_mut<T: Real>(
    buffer: &mut [T],
    rows: usize,
    columns: usize,
) -> DMatrixViewMut<'_, T> {
    DMatrixViewMut::from_slice(&mut buffer[..rows * columns], rows, columns)
}
