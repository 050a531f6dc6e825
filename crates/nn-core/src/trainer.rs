//! The training loop: offline, mini-batch and online by one code path.

use std::fmt;
use std::ops::ControlFlow;

use linalg::{DMatrix, Real};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::{Error, Loss, Mode, Network, Optimizer, Result, Workspace};

/// How many samples a step of training sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// All of them: offline training, one step per epoch.
    Full,
    /// So many, drawn without replacement; the last batch of an epoch may be smaller.
    Mini(usize),
    /// One: online training.
    Online,
}

/// Trains networks: holds what lives from one epoch to the next (the optimizer's memory, the
/// generator that shuffles, the buffers), so that training 5 epochs twice is training 10 once, to
/// the bit.
///
/// # Examples
/// One weight and the targets 2x; every sample of an epoch is seen once, in an order from the seed.
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Batch, MeanSquaredError, Network, Sgd, Stop, Trainer};
/// use std::ops::ControlFlow;
///
/// let x = DMatrix::from_row_slice(1, 4, &[-1.0, 0.0, 1.0, 2.0]);
/// let targets = &x * 2.0;
/// let loss = MeanSquaredError::new(&targets)?;
/// let mut network = Network::<f64>::builder(1)
///     .dense_from(DMatrix::zeros(1, 1), vec![0.0])
///     .build_given()?;
///
/// let mut trainer = Trainer::new(Sgd::new(0.1, 0.0)?, Batch::Mini(2), 7);
/// let history = trainer.train(&mut network, &x, &loss, 100, |_| ControlFlow::Continue(()))?;
/// assert_eq!((history.losses.len(), history.steps), (100, 200));
/// assert_eq!(history.stop, Stop::Finished);
/// assert!((network.parameters()[0] - 2.0).abs() < 1e-6);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Trainer<T: Real> {
    optimizer: Box<dyn Optimizer<T>>,
    batch: Batch,
    rng: Xoshiro256PlusPlus,
    workspace: Workspace<T>,
}

/// Where training stands, after each step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a, T: Real> {
    /// Epochs finished before this one.
    pub epoch: usize,
    /// Steps finished in this epoch, this one included.
    pub step: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// The loss of this step's batch, before the step.
    pub loss: f64,
    /// The mean loss over the samples of the epoch, after its last step.
    pub epoch_loss: Option<f64>,
    /// The network, after the step.
    pub network: &'a Network<T>,
}

/// What a training run did.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct History {
    /// The loss of each finished epoch: the mean over its samples, each seen with the weights of its
    /// own step.
    pub losses: Vec<f64>,
    /// Steps taken.
    pub steps: usize,
    /// Why it ended.
    pub stop: Stop,
}

/// Why a training run ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// All epochs are done.
    Finished,
    /// The observer asked for it; the network is as the last step left it.
    Observer,
    /// The loss or a gradient left the range of numbers. The network has the weights with which its
    /// best epoch began: the epoch of least loss, or the first one.
    Diverged {
        /// Epochs finished before.
        epoch: usize,
        /// Steps taken before.
        step: usize,
        /// The layer in which the first NaN or infinity arose.
        layer: usize,
        /// What it is.
        name: String,
        /// The loss at that step.
        loss: f64,
    },
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => write!(f, "all epochs are done"),
            Self::Observer => write!(f, "stopped by the observer"),
            Self::Diverged { epoch, step, layer, name, loss } => write!(
                f,
                "diverged after {epoch} epochs and {step} steps: loss {loss}, first NaN or infinity \
                 in layer {layer} ({name})"
            ),
        }
    }
}

impl<T: Real> Trainer<T> {
    /// A trainer that takes steps with `optimizer`, a `batch` each, shuffled from `seed`.
    #[must_use]
    pub fn new(optimizer: impl Optimizer<T> + 'static, batch: Batch, seed: u64) -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { optimizer: Box::new(optimizer), batch, rng, workspace: Workspace::new() }
    }

    /// Trains `network` for `epochs` passes over the columns of `x`, calling `observer` after every
    /// step.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`], and [`Error::Size`] for mini-batches of no samples. A run
    /// that diverges is not an error: see [`Stop::Diverged`].
    pub fn train(
        &mut self,
        network: &mut Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        epochs: usize,
        mut observer: impl FnMut(&Progress<'_, T>) -> ControlFlow<()>,
    ) -> Result<History> {
        network.check_loss(x, loss)?;
        let samples = x.ncols();
        let batch = match self.batch {
            Batch::Full => samples,
            Batch::Online => 1,
            Batch::Mini(0) => return Err(Error::Empty { what: "a mini-batch" }),
            Batch::Mini(size) => size.min(samples),
        };
        let steps_per_epoch = samples.div_ceil(batch);
        let mut history = History { losses: Vec::new(), steps: 0, stop: Stop::Finished };
        let mut order: Vec<usize> = (0..samples).collect();
        let mut start = network.parameters().clone();
        let (mut best, mut best_loss) = (start.clone(), f64::INFINITY);

        for epoch in 0..epochs {
            start.copy_from(network.parameters());
            if batch < samples {
                // From the same order each time, so that the generator alone says what follows.
                order.iter_mut().enumerate().for_each(|(index, sample)| *sample = index);
                order.shuffle(&mut self.rng);
            }
            let mut sum = 0.0;
            for (step, chosen) in order.chunks(batch).enumerate() {
                let mode = Mode::Training { seed: self.rng.next_u64() };
                let workspace = &mut self.workspace;
                let value = network.step_gradient(x, chosen, loss, mode, workspace)?;
                if let Some(layer) = network.diverged(value, &self.workspace) {
                    let name = network
                        .layers()
                        .nth(layer)
                        .map_or_else(String::new, |layer| layer.describe());
                    history.stop =
                        Stop::Diverged { epoch, step: history.steps, layer, name, loss: value };
                    network.parameters_mut().copy_from_slice(best.as_slice());
                    return Ok(history);
                }
                network.update_state(&self.workspace);
                self.optimizer.step(network.parameters_mut(), self.workspace.gradient().as_slice());
                history.steps += 1;
                sum += value * chosen.len() as f64;
                let ends = step + 1 == steps_per_epoch;
                let epoch_loss = ends.then(|| sum / samples as f64);
                history.losses.extend(epoch_loss);
                let step = step + 1;
                let progress =
                    Progress { epoch, step, steps_per_epoch, loss: value, epoch_loss, network };
                if observer(&progress).is_break() {
                    history.stop = Stop::Observer;
                    return Ok(history);
                }
            }
            let epoch_loss = sum / samples as f64;
            if epoch_loss < best_loss {
                best_loss = epoch_loss;
                std::mem::swap(&mut best, &mut start);
            }
        }
        Ok(history)
    }
}
