//! A chain of layers, run forward and backward on a batch at once.

use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use linalg::{DMatrix, DVector, Real};

use crate::chain::{Chain, Numbers};
use crate::check::{all_finite, is_finite, size};
use crate::shards::Batch;
use crate::{
    Descent, Error, Layer, Loss, Mode, NetworkBuilder, Passes, Result, Shape, Trace, View,
    Workspace,
};

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
    pub(crate) chain: Chain<T>,
    /// The same in fewer steps, for where nobody looks between the layers.
    fused: Chain<T>,
    parameters: DVector<T>,
    state: Vec<T>,
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
    /// Starts a network whose input is a number of values, an image or a sequence.
    pub fn builder(input: impl Into<Shape>) -> NetworkBuilder<T> {
        NetworkBuilder::new(input.into())
    }

    pub(crate) fn from_parts(layers: Vec<Arc<dyn Layer<T>>>, parameters: DVector<T>) -> Self {
        let chain = Chain::new(layers);
        let mut state = vec![T::zero(); chain.state.last().map_or(0, |range| range.end)];
        for (layer, range) in chain.layers.iter().zip(&chain.state) {
            layer.initialize_state(&mut state[range.clone()]);
        }
        Self { fused: chain.fused(), chain, parameters, state }
    }

    /// Values in an input.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.chain.sizes[0]
    }

    /// The arrangement of an input.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.chain.layers[0].input()
    }

    /// Values in an output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.chain.sizes[self.chain.layers.len()]
    }

    /// The layers, first to last.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = &dyn Layer<T>> {
        self.chain.layers.iter().map(AsRef::as_ref)
    }

    /// How each layer looks from outside, first to last.
    pub fn views(&self) -> impl ExactSizeIterator<Item = View<'_, T>> {
        self.chain.layers.iter().zip(self.chain.parameters.iter().zip(&self.chain.state)).map(
            |(layer, (range, state))| {
                layer.view(&self.parameters.as_slice()[range.clone()], &self.state[state.clone()])
            },
        )
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
        &self.chain.parameters
    }

    /// Where the state of each layer lies in [`Network::state`], first layer to last.
    ///
    /// # Examples
    /// A batch normalization keeps the means and the variances of its inputs:
    /// ```
    /// use nn_core::Network;
    /// # use rand::SeedableRng;
    /// # let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
    /// let network = Network::<f64>::builder(2).dense(3).batch_norm().build(&mut rng)?;
    /// assert_eq!(network.state_ranges(), [0..0, 0..6]);
    /// assert_eq!(network.state(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    #[must_use]
    pub fn state_ranges(&self) -> &[Range<usize>] {
        &self.chain.state
    }

    /// What the layers have measured in training, as the running means of a batch normalization,
    /// one after the other. Empty for most networks.
    #[must_use]
    pub fn state(&self) -> &[T] {
        &self.state
    }

    /// The state, to be changed in place.
    pub fn state_mut(&mut self) -> &mut [T] {
        &mut self.state
    }

    /// The network's output P for every column of `x`, outputs x samples.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn predict(&self, x: &DMatrix<T>) -> Result<DMatrix<T>> {
        let mut workspace = Workspace::new();
        Ok(self.predict_with(x, &mut workspace)?.clone())
    }

    /// As [`Network::predict`], in the buffers of `workspace`: nothing is allocated from the second
    /// batch of a size on.
    ///
    /// # Errors
    /// As [`Network::forward`].
    pub fn predict_with<'a>(
        &self,
        x: &DMatrix<T>,
        workspace: &'a mut Workspace<T>,
    ) -> Result<&'a DMatrix<T>> {
        self.check_batch(x)?;
        workspace.predict(&self.fused, self.parameters.as_slice(), &self.state, x)
    }

    /// Runs every column of `x`, inputs x samples, through the network and records each layer's
    /// input and output in `trace`.
    ///
    /// # Errors
    /// [`Error::Size`] where `x` has not [`Network::inputs`] rows, [`Error::Empty`] where it has no
    /// columns, [`Error::NotFinite`] for the first entry that is a NaN or an infinity.
    pub fn forward(&self, x: &DMatrix<T>, trace: &mut Trace<T>) -> Result<()> {
        self.check_batch(x)?;
        trace.input.clear();
        trace.input.extend_from_slice(x.as_slice());
        self.run_forward(x.ncols(), trace)
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
        trace.check(&self.chain.sizes)?;
        size("output_gradient", "rows", output_gradient.nrows(), self.outputs())?;
        size("output_gradient", "columns", output_gradient.ncols(), trace.samples())?;
        all_finite("output_gradient", output_gradient)?;
        let outside = Some(output_gradient.as_slice());
        self.with_parts(trace, |numbers, x, trace| {
            self.chain.backward(numbers, (x, outside), wanted, trace)
        })
    }

    /// dL/dθ of an L that only the caller knows, left in [`Workspace::gradient`]: `slopes` is given P for
    /// all columns of `x`, outputs x samples, and writes dL/dP over zeros. What it returns is returned.
    ///
    /// These are [`Network::forward`] and [`Network::backward`] as fast as training: in fused layers, on
    /// all threads, and nothing is allocated from the second batch of a size on.
    ///
    /// # Errors
    /// As [`Network::forward`], [`Error::NotFinite`] for the first entry of dL/dP that is a NaN or an
    /// infinity, [`Error::Size`] where it was given another shape, and whatever `slopes` returns.
    ///
    /// # Examples
    /// A score that is largest where P is 3, of which only its slope is known:
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::{Mode, Network, Workspace};
    ///
    /// let network = Network::builder(1)
    ///     .dense_from(DMatrix::from_element(1, 1, 2.0), vec![0.5])
    ///     .build_given()?;
    /// let x = DMatrix::from_row_slice(1, 2, &[3.0, -1.0]);
    /// let mut workspace = Workspace::new();
    /// let largest = network.pull_back(&x, Mode::Inference, &mut workspace, |p, slopes| {
    ///     *slopes = p.add_scalar(-3.0);
    ///     Ok::<f64, nn_core::Error>(p.max())
    /// })?;
    /// assert_eq!(largest, 6.5); // P is 6.5 and −1.5
    /// assert_eq!(workspace.gradient().as_slice(), [3.5 * 3.0 + 4.5, 3.5 - 4.5]); // weight, bias
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn pull_back<R, E: From<Error>>(
        &self,
        x: &DMatrix<T>,
        mode: Mode,
        workspace: &mut Workspace<T>,
        slopes: impl FnOnce(&DMatrix<T>, &mut DMatrix<T>) -> Result<R, E>,
    ) -> Result<R, E> {
        self.check_batch(x)?;
        let numbers = (self.parameters.as_slice(), self.state.as_slice());
        workspace.pull_back(&self.fused, numbers, (x, mode), slopes)
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
        let mut all = take(&mut trace.all);
        all.clear();
        all.extend(0..x.ncols());
        let value = self.batch_gradient(x, &all, loss, trace);
        trace.all = all;
        value
    }

    /// The loss of the whole batch in the mode of inference, without its gradient: for samples that
    /// the network is not trained on.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`].
    pub fn loss(&self, x: &DMatrix<T>, loss: &dyn Loss<T>) -> Result<f64> {
        self.loss_with(x, loss, &mut Workspace::new())
    }

    /// As [`Network::loss`], in the buffers of `workspace`.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`].
    ///
    /// # Examples
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::{MeanSquaredError, Network, Workspace};
    /// let network =
    ///     Network::builder(1).dense_from(DMatrix::from_element(1, 1, 2.0), vec![0.0]).build_given()?;
    /// let x = DMatrix::from_row_slice(1, 2, &[1.0, 2.0]);
    /// let mut workspace = Workspace::new();
    /// let loss = network.loss_with(&x, &MeanSquaredError::new(&x)?, &mut workspace)?;
    /// assert_eq!(loss, 2.5); // (1² + 2²)/2
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn loss_with(
        &self,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        workspace: &mut Workspace<T>,
    ) -> Result<f64> {
        self.check_loss(x, loss)?;
        let all = workspace.all(x.ncols());
        let batch = Batch { x, samples: &all, loss: Some(loss), mode: Mode::Inference };
        let numbers = (self.parameters.as_slice(), self.state.as_slice());
        let value = workspace.loss(&self.fused, numbers, batch);
        workspace.put_back(all);
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
        trace.input.clear();
        for &sample in samples {
            trace.input.extend_from_slice(x.column(sample).as_slice());
        }
        self.run_forward(samples.len(), trace)?;
        let (p, dp) = trace.output_and_delta();
        loss.evaluate_list(samples, p, dp)
    }

    /// From the input in `trace` to the outputs of all layers.
    fn run_forward(&self, samples: usize, trace: &mut Trace<T>) -> Result<()> {
        self.chain.make_room(samples, trace);
        self.chain.prepare(self.parameters.as_slice(), Passes::Both, &mut trace.prepared);
        self.with_parts(trace, |numbers, x, trace| self.chain.forward(numbers, (x, None), trace))
    }

    /// From dL/dP in `trace` to the gradients.
    pub(crate) fn run_backward(&self, wanted: Gradients, trace: &mut Trace<T>) -> Result<()> {
        self.with_parts(trace, |numbers, x, trace| {
            self.chain.backward(numbers, (x, None), wanted, trace)
        })
    }

    /// Calls `pass` with what it reads taken out of the trace that it writes.
    pub(crate) fn with_parts(
        &self,
        trace: &mut Trace<T>,
        pass: impl FnOnce(Numbers<'_, T>, &[T], &mut Trace<T>) -> Result<()>,
    ) -> Result<()> {
        let (input, prepared) = (take(&mut trace.input), take(&mut trace.prepared));
        let parameters = self.parameters.as_slice();
        let numbers = Numbers { parameters, state: &self.state, prepared: &prepared };
        let done = pass(numbers, &input, trace);
        (trace.input, trace.prepared) = (input, prepared);
        done
    }

    /// The loss of a batch, its gradient left in `workspace`; nothing is checked.
    pub(crate) fn step_gradient(
        &self,
        batch: Batch<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> Result<f64> {
        workspace.loss_and_gradient(&self.fused, (self.parameters.as_slice(), &self.state), batch)
    }

    /// The loss of a batch, and a step of gradient descent from it; nothing is checked.
    pub(crate) fn descend(
        &mut self,
        batch: Batch<'_, T>,
        descent: Descent<T>,
        workspace: &mut Workspace<T>,
    ) -> Result<f64> {
        let numbers = (self.parameters.as_mut_slice(), self.state.as_slice());
        workspace.descend(&self.fused, numbers, batch, descent)
    }

    /// Has the layers learn from the last pass in `workspace`.
    pub(crate) fn update_state(&mut self, workspace: &Workspace<T>) {
        workspace.update_state(&self.fused, &mut self.state);
    }

    /// The layer in which a NaN or an infinity of a batch begins: forward, or else backward. The
    /// pass is run again, layer by layer, to see it.
    pub(crate) fn first_not_finite(&self, batch: Batch<'_, T>) -> Result<usize> {
        let last = self.chain.layers.len() - 1;
        let Some(loss) = batch.loss else { return Ok(last) };
        let mut trace = Trace::of(batch.mode);
        let value = self.batch_loss(batch.x, batch.samples, loss, &mut trace)?;
        let is_bad = |layer: &usize| {
            trace.output_of(*layer).is_some_and(|y| y.iter().any(|y| !y.is_finite()))
        };
        if let Some(layer) = (0..=last).find(is_bad) {
            return Ok(layer);
        }
        if !value.is_finite() {
            // The loss itself overflowed: that is the last layer's doing.
            return Ok(last);
        }
        self.run_backward(Gradients::Parameters, &mut trace)?;
        Ok(trace.first_bad_delta.unwrap_or(last))
    }

    /// The layer whose parameters hold a NaN or an infinity; `None` where there is none.
    pub(crate) fn broken_layer(&self) -> Option<usize> {
        let parameters = self.parameters.as_slice();
        if is_finite(parameters) {
            return None;
        }
        self.chain.parameters.iter().position(|range| !is_finite(&parameters[range.clone()]))
    }

    /// What layer `layer` is, as messages show it.
    pub(crate) fn describe(&self, layer: usize) -> String {
        self.chain.layers.get(layer).map_or_else(String::new, |layer| layer.describe())
    }

    pub(crate) fn check_batch(&self, x: &DMatrix<T>) -> Result<()> {
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
