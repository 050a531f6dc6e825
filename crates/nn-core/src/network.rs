//! A chain of layers, run forward and backward on a batch at once.

use std::ops::Range;
use std::sync::Arc;

use linalg::{DMatrix, DVector, Real};

use crate::check::{all_finite, size};
use crate::{Backward, Block, Error, Forward, Layer, Loss, NetworkBuilder, Result, Trace, View};

/// A feed-forward network: layers in a chain, and one vector θ of all their parameters.
///
/// A batch is a matrix with a sample in each column. Gradients are matrix products over the whole
/// batch; see the [front page](crate) for why that is not the same as propagating one averaged
/// error.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{MeanSquaredError, Network, Tanh, Trace};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let network = Network::<f64>::builder(2).dense(8).activation(Tanh).dense(1).build(&mut rng)?;
/// assert_eq!(network.parameters().len(), 2 * 8 + 8 + 8 + 1);
///
/// let x = DMatrix::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
/// let targets = DMatrix::from_row_slice(1, 3, &[1.0, 0.0, -1.0]);
/// let mut trace = Trace::new();
/// let loss = network.loss_and_gradient(&x, &MeanSquaredError::new(&targets)?, &mut trace)?;
/// assert!(loss > 0.0 && trace.gradient().len() == network.parameters().len());
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Network<T: Real> {
    layers: Vec<Arc<dyn Layer<T>>>,
    /// Where each layer's parameters lie in `parameters`.
    ranges: Vec<Range<usize>>,
    /// Rows of the input and of every layer's output.
    sizes: Vec<usize>,
    parameters: DVector<T>,
}

/// Which gradients a backward pass computes; leaving one out saves about a third of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gradients {
    /// dL/dθ, for training.
    Parameters,
    /// dL/dX, for asking which input gives an output.
    Input,
    /// Both.
    Both,
}

impl<T: Real> Network<T> {
    /// Starts a network whose input has `inputs` values.
    pub fn builder(inputs: usize) -> NetworkBuilder<T> {
        NetworkBuilder::new(inputs)
    }

    pub(crate) fn from_parts(layers: Vec<Arc<dyn Layer<T>>>, parameters: DVector<T>) -> Self {
        let mut end = 0;
        let ranges = layers
            .iter()
            .map(|layer| {
                let start = end;
                end += layer.blocks().iter().map(Block::len).sum::<usize>();
                start..end
            })
            .collect();
        let input = layers.first().map_or(0, |layer| layer.inputs());
        let sizes = [input].into_iter().chain(layers.iter().map(|layer| layer.outputs())).collect();
        Self { layers, ranges, sizes, parameters }
    }

    /// Values in an input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    /// Values in an output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// The layers, first to last.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &dyn Layer<T>> {
        self.layers.iter().map(AsRef::as_ref)
    }

    /// How each layer looks from outside, first to last.
    pub fn views(&self) -> impl ExactSizeIterator<Item = View<'_, T>> {
        self.layers
            .iter()
            .zip(&self.ranges)
            .map(|(layer, range)| layer.view(&self.parameters.as_slice()[range.clone()]))
    }

    /// θ: the parameters of all layers, one after the other, each matrix in column order.
    #[must_use]
    pub fn parameters(&self) -> &DVector<T> {
        &self.parameters
    }

    /// θ, to be changed in place.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        self.parameters.as_mut_slice()
    }

    /// Where the parameters of each layer lie in θ, first layer to last.
    #[must_use]
    pub fn parameter_ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// The network's output P for every column of `x`, outputs x samples.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn predict(&self, x: &DMatrix<T>) -> Result<DMatrix<T>> {
        let mut trace = Trace::new();
        self.forward(x, &mut trace)?;
        Ok(trace.output().into_owned())
    }

    /// Runs every column of `x`, inputs x samples, through the network and records each layer's
    /// input and output in `trace`.
    ///
    /// # Errors
    /// [`Error::Size`] where `x` has not [`Network::inputs`] rows, [`Error::Empty`] where it has no
    /// columns, [`Error::NotFinite`] for the first entry that is a NaN or an infinity.
    pub fn forward(&self, x: &DMatrix<T>, trace: &mut Trace<T>) -> Result<()> {
        self.check_batch(x)?;
        trace.prepare(&self.sizes, x.ncols(), self.parameters.len());
        trace.input_mut().copy_from(x);
        self.run_forward(trace)
    }

    /// Given dL/dP, outputs x samples, whoever made it, writes the gradients of the batch that
    /// `trace` holds into it.
    ///
    /// dL/dθ is the sum over the columns. Where L is a mean over the samples, 1/N stands in dL/dP.
    ///
    /// # Errors
    /// [`Error::NoForward`] where `trace` does not hold a pass through a network of these sizes,
    /// [`Error::Size`] where `output_gradient` has not the shape of P, [`Error::NotFinite`] for its
    /// first entry that is a NaN or an infinity.
    ///
    /// # Examples
    /// A loss that only a simulator knows: it says how the score changes with the output, and the
    /// network turns that into the gradient of its parameters.
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::{Gradients, Network, Trace};
    ///
    /// let network = Network::builder(1)
    ///     .dense_from(DMatrix::from_element(1, 1, 2.0), vec![0.5])
    ///     .build_given()?;
    /// let mut trace = Trace::new();
    /// network.forward(&DMatrix::from_row_slice(1, 2, &[3.0, -1.0]), &mut trace)?;
    /// let from_simulator = DMatrix::from_row_slice(1, 2, &[10.0, 1.0]);
    /// network.backward(&from_simulator, Gradients::Both, &mut trace)?;
    /// assert_eq!(trace.gradient().as_slice(), [10.0 * 3.0 - 1.0, 10.0 + 1.0]); // weight, bias
    /// assert_eq!(trace.input_gradient().unwrap(), DMatrix::from_row_slice(1, 2, &[20.0, 2.0]));
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn backward(
        &self,
        output_gradient: &DMatrix<T>,
        wanted: Gradients,
        trace: &mut Trace<T>,
    ) -> Result<()> {
        trace.check(&self.sizes)?;
        size("output_gradient", "rows", output_gradient.nrows(), self.outputs())?;
        size("output_gradient", "columns", output_gradient.ncols(), trace.samples())?;
        all_finite("output_gradient", output_gradient)?;
        trace.output_and_delta().1.copy_from(output_gradient);
        self.run_backward(wanted, trace)
    }

    /// The loss of the whole batch, with its gradient dL/dθ left in `trace`: the gradient of the
    /// mean, which is the mean of the samples' gradients.
    ///
    /// # Errors
    /// As [`Network::forward`], and [`Error::Size`] where `loss` has targets for another number of
    /// outputs or samples.
    pub fn loss_and_gradient(
        &self,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        trace: &mut Trace<T>,
    ) -> Result<f64> {
        self.check_loss(x, loss)?;
        let mut all = std::mem::take(&mut trace.all);
        all.clear();
        all.extend(0..x.ncols());
        let value = self.batch_gradient(x, &all, loss, trace);
        trace.all = all;
        value
    }

    /// The gradient of every sample's own loss, a column per sample; their mean is the gradient of
    /// the batch.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`].
    pub fn sample_gradients(&self, x: &DMatrix<T>, loss: &dyn Loss<T>) -> Result<DMatrix<T>> {
        self.check_loss(x, loss)?;
        let mut trace = Trace::new();
        let mut gradients = DMatrix::zeros(self.parameters.len(), x.ncols());
        for sample in 0..x.ncols() {
            self.batch_gradient(x, &[sample], loss, &mut trace)?;
            gradients.set_column(sample, &trace.gradient);
        }
        Ok(gradients)
    }

    /// The loss of the given columns of `x`, its gradient left in `trace`; nothing is checked.
    pub(crate) fn batch_gradient(
        &self,
        x: &DMatrix<T>,
        samples: &[usize],
        loss: &dyn Loss<T>,
        trace: &mut Trace<T>,
    ) -> Result<f64> {
        let value = self.batch_loss(x, samples, loss, trace)?;
        self.run_backward(Gradients::Parameters, trace)?;
        Ok(value)
    }

    /// The loss of the given columns of `x`, with dL/dP left in `trace` for the backward pass.
    pub(crate) fn batch_loss(
        &self,
        x: &DMatrix<T>,
        samples: &[usize],
        loss: &dyn Loss<T>,
        trace: &mut Trace<T>,
    ) -> Result<f64> {
        trace.prepare(&self.sizes, samples.len(), self.parameters.len());
        let mut input = trace.input_mut();
        for (to, &from) in samples.iter().enumerate() {
            input.set_column(to, &x.column(from));
        }
        self.run_forward(trace)?;
        let (p, dp) = trace.output_and_delta();
        loss.evaluate(samples, p, dp)
    }

    fn run_forward(&self, trace: &mut Trace<T>) -> Result<()> {
        for (index, (layer, range)) in self.layers.iter().zip(&self.ranges).enumerate() {
            let parameters = &self.parameters.as_slice()[range.clone()];
            let (x, y) = trace.layer_mut(index);
            layer.forward(Forward { parameters, x, y })?;
        }
        Ok(())
    }

    /// From dL/dP in `trace` to the gradients.
    pub(crate) fn run_backward(&self, wanted: Gradients, trace: &mut Trace<T>) -> Result<()> {
        let to_input = wanted != Gradients::Parameters;
        for (index, (layer, range)) in self.layers.iter().zip(&self.ranges).enumerate().rev() {
            let at = trace.backward_mut(index);
            layer.backward(Backward {
                parameters: &self.parameters.as_slice()[range.clone()],
                x: at.x,
                y: at.y,
                dy: at.dy,
                gradient: (wanted != Gradients::Input).then(|| &mut at.gradient[range.clone()]),
                dx: (index > 0 || to_input).then_some(at.dx),
            })?;
            trace.step_back();
        }
        if to_input {
            trace.keep_input_gradient();
        }
        Ok(())
    }

    fn check_batch(&self, x: &DMatrix<T>) -> Result<()> {
        size("x", "rows", x.nrows(), self.inputs())?;
        if x.ncols() == 0 {
            return Err(Error::Empty { what: "the batch" });
        }
        all_finite("x", x)
    }

    pub(crate) fn check_loss(&self, x: &DMatrix<T>, loss: &dyn Loss<T>) -> Result<()> {
        self.check_batch(x)?;
        size("the network's output", "rows", self.outputs(), loss.outputs())?;
        size("x", "columns", x.ncols(), loss.samples())
    }
}
