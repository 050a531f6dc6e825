//! What a training run is asked for, where it stands, and what it did.

use std::fmt;

use linalg::{DMatrix, Real};

use crate::{Loss, Network};

/// How long to train, and what to judge by.
///
/// A number of epochs converts into it.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a, T: Real> {
    pub(crate) epochs: usize,
    pub(crate) validation: Option<Validation<'a, T>>,
}

/// Samples that are judged after every epoch and not trained on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validation<'a, T: Real> {
    pub(crate) x: &'a DMatrix<T>,
    pub(crate) loss: &'a dyn Loss<T>,
    pub(crate) patience: usize,
}

impl<T: Real> From<usize> for Plan<'_, T> {
    fn from(epochs: usize) -> Self {
        Self { epochs, validation: None }
    }
}

impl<'a, T: Real> Plan<'a, T> {
    /// So many epochs.
    #[must_use]
    pub fn epochs(epochs: usize) -> Self {
        epochs.into()
    }

    /// Judges by the loss on `x` after every epoch, stops once it has not fallen for more than
    /// `patience` epochs, and ends with the parameters that had the least.
    #[must_use]
    pub fn validate(mut self, x: &'a DMatrix<T>, loss: &'a dyn Loss<T>, patience: usize) -> Self {
        self.validation = Some(Validation { x, loss, patience });
        self
    }
}

/// Where training stands, after each step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a, T: Real> {
    /// Epochs finished before this one, by this trainer.
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
    /// The loss on the samples of [`Plan::validate`] after each epoch; empty without those.
    pub validation: Vec<f64>,
    /// The epoch of the least of them in this run, counted as in [`Progress::epoch`].
    pub best_epoch: Option<usize>,
    /// Steps taken.
    pub steps: usize,
    /// Why it ended.
    pub stop: Stop,
}

impl History {
    pub(crate) fn new(epochs: usize) -> Self {
        // Room at once, so that no step allocates; a million epochs may grow as they go.
        let losses = Vec::with_capacity(epochs.min(1 << 20));
        let (validation, stop) = (Vec::new(), Stop::Finished);
        Self { losses, validation, best_epoch: None, steps: 0, stop }
    }
}

/// Why a training run ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// All epochs are done.
    Finished,
    /// The observer asked for it; the network is as the last step left it.
    Observer,
    /// The gradient is as small as was asked for.
    Converged,
    /// No point along the steepest descent is lower: a minimum, as far as rounding shows.
    NoDescent,
    /// The validation loss has not fallen for so many epochs; the network has its best parameters.
    NoImprovement {
        /// Epochs since the best one.
        epochs: usize,
    },
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
            Self::Converged => write!(f, "the gradient is small enough"),
            Self::NoDescent => write!(f, "no step along the gradient lowers the loss"),
            Self::NoImprovement { epochs } => {
                write!(f, "the validation loss has not fallen for {epochs} epochs")
            }
            Self::Diverged { epoch, step, layer, name, loss } => write!(
                f,
                "diverged after {epoch} epochs and {step} steps: loss {loss}, first NaN or infinity \
                 in layer {layer} ({name})"
            ),
        }
    }
}
