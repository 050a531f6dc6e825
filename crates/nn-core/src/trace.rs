//! The record of a forward pass, and the buffers of the backward pass.

use linalg::{DMatrixView, DMatrixViewMut, DVector, Real};

use crate::{Error, Result};

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
    /// Rows of each value: the input, then the output of every layer. Empty before any pass.
    sizes: Vec<usize>,
    samples: usize,
    values: Vec<Vec<T>>,
    delta: Vec<T>,
    next_delta: Vec<T>,
    has_input_gradient: bool,
    pub(crate) gradient: DVector<T>,
    /// 0, 1, …: the samples of a full batch.
    pub(crate) all: Vec<usize>,
}

impl<T: Real> Default for Trace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Trace<T> {
    /// An empty trace, for any network.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sizes: Vec::new(),
            samples: 0,
            values: Vec::new(),
            delta: Vec::new(),
            next_delta: Vec::new(),
            has_input_gradient: false,
            gradient: DVector::zeros(0),
            all: Vec::new(),
        }
    }

    /// Samples in the last forward pass.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The input of layer `layer`, features x samples: z, where the layer is an activation.
    /// `None` where the last pass had no such layer.
    #[must_use]
    pub fn input_of(&self, layer: usize) -> Option<DMatrixView<'_, T>> {
        (layer + 1 < self.sizes.len()).then(|| self.value(layer))
    }

    /// The output of layer `layer`, features x samples: a, where the layer is an activation.
    /// `None` where the last pass had no such layer.
    #[must_use]
    pub fn output_of(&self, layer: usize) -> Option<DMatrixView<'_, T>> {
        (layer + 1 < self.sizes.len()).then(|| self.value(layer + 1))
    }

    /// The network's output P, outputs x samples; 0 x 0 before any pass.
    #[must_use]
    pub fn output(&self) -> DMatrixView<'_, T> {
        match self.sizes.len() {
            0 => DMatrixView::from_slice(&[], 0, 0),
            values => self.value(values - 1),
        }
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

    fn value(&self, index: usize) -> DMatrixView<'_, T> {
        view(&self.values[index], self.sizes[index], self.samples)
    }

    /// Makes room for `samples` columns through values of `sizes` rows.
    pub(crate) fn prepare(&mut self, sizes: &[usize], samples: usize, parameters: usize) {
        self.has_input_gradient = false;
        self.samples = samples;
        if self.sizes != sizes {
            self.sizes = sizes.to_vec();
            self.values.resize(sizes.len(), Vec::new());
        }
        if self.gradient.len() != parameters {
            self.gradient = DVector::zeros(parameters);
        }
        let widest = sizes.iter().copied().max().unwrap_or(0);
        for (value, &rows) in self.values.iter_mut().zip(sizes) {
            grow(value, rows * samples);
        }
        grow(&mut self.delta, widest * samples);
        grow(&mut self.next_delta, widest * samples);
    }

    /// The input to fill in.
    pub(crate) fn input_mut(&mut self) -> DMatrixViewMut<'_, T> {
        view_mut(&mut self.values[0], self.sizes[0], self.samples)
    }

    /// x and y of layer `layer`.
    pub(crate) fn layer_mut(
        &mut self,
        layer: usize,
    ) -> (DMatrixView<'_, T>, DMatrixViewMut<'_, T>) {
        let (before, after) = self.values.split_at_mut(layer + 1);
        (
            view(&before[layer], self.sizes[layer], self.samples),
            view_mut(&mut after[0], self.sizes[layer + 1], self.samples),
        )
    }

    /// P, and dL/dP to fill in.
    pub(crate) fn output_and_delta(&mut self) -> (DMatrixView<'_, T>, DMatrixViewMut<'_, T>) {
        self.has_input_gradient = false;
        let last = self.sizes.len() - 1;
        let (rows, samples) = (self.sizes[last], self.samples);
        (view(&self.values[last], rows, samples), view_mut(&mut self.delta, rows, samples))
    }

    /// What the backward pass of layer `layer` reads and writes.
    pub(crate) fn backward_mut(&mut self, layer: usize) -> LayerGradients<'_, T> {
        let (inputs, outputs) = (self.sizes[layer], self.sizes[layer + 1]);
        LayerGradients {
            x: view(&self.values[layer], inputs, self.samples),
            y: view(&self.values[layer + 1], outputs, self.samples),
            dy: view(&self.delta, outputs, self.samples),
            dx: view_mut(&mut self.next_delta, inputs, self.samples),
            gradient: self.gradient.as_mut_slice(),
        }
    }

    /// Makes the dL/dx just written the dL/dy of the layer before.
    pub(crate) fn step_back(&mut self) {
        std::mem::swap(&mut self.delta, &mut self.next_delta);
    }

    pub(crate) fn keep_input_gradient(&mut self) {
        self.has_input_gradient = true;
    }

    /// Refuses a trace whose last pass was another network's.
    pub(crate) fn check(&self, sizes: &[usize]) -> Result<()> {
        if self.sizes == sizes { Ok(()) } else { Err(Error::NoForward) }
    }
}

/// The matrices of one layer's backward pass, and the gradient of the whole network.
pub(crate) struct LayerGradients<'a, T: Real> {
    pub(crate) x: DMatrixView<'a, T>,
    pub(crate) y: DMatrixView<'a, T>,
    pub(crate) dy: DMatrixView<'a, T>,
    pub(crate) dx: DMatrixViewMut<'a, T>,
    pub(crate) gradient: &'a mut [T],
}

fn grow<T: Real>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::zero());
    }
}

fn view<T: Real>(buffer: &[T], rows: usize, columns: usize) -> DMatrixView<'_, T> {
    DMatrixView::from_slice(&buffer[..rows * columns], rows, columns)
}

fn view_mut<T: Real>(buffer: &mut [T], rows: usize, columns: usize) -> DMatrixViewMut<'_, T> {
    DMatrixViewMut::from_slice(&mut buffer[..rows * columns], rows, columns)
}
