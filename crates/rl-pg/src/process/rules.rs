//! What is done about failures, and what was.

use std::time::Duration;

/// How long to wait for a worker, and what to do when it fails.
///
/// ```
/// use rl_pg::process::{OnFailure, Options};
/// use std::time::Duration;
/// // A simulator of minutes whose worst actions make it diverge, which is worth a penalty.
/// let options = Options::default()
///     .reply_timeout(Duration::from_secs(600))
///     .on_failure(OnFailure::Reward(-2.0));
/// assert_eq!(options.retries, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The longest wait for the hello. 30 s: a Python that imports a simulator takes seconds.
    pub start_timeout: Duration,
    /// The longest silence of a worker that has something to do. 10 s; more for a slower rollout. The
    /// Python shim holds answers back for up to 0.1 s, so that fast ones are written at once.
    pub reply_timeout: Duration,
    /// Gives a reply up after so many times the median of the last 101 waits, where that is less than
    /// [`Self::reply_timeout`]: 20, say, for a simulator of which nobody knows how long it takes.
    /// Counted from the tenth reply on, and never less than a second, since a busy machine keeps
    /// anybody waiting for that long. `None`: after [`Self::reply_timeout`] only.
    pub median_timeout: Option<f64>,
    /// How often a rollout that failed is tried again with the same seed. 1.
    pub retries: usize,
    /// How often the worker is started again within 1,000 rollouts. 3; then there is an error.
    pub restarts: usize,
    /// The pause before the second restart in a row without an answer; doubled for each that follows,
    /// up to 30 s. 100 ms. The first restart is at once.
    pub back_off: Duration,
    /// What becomes of a rollout that fails by its action. [`OnFailure::Error`].
    pub on_failure: OnFailure,
    /// How long to look for an answer again and again before sleeping until it comes. 0: not at all. An idle
    /// processor takes up to some 0.2 ms to wake, which is most of a round trip on an idle machine; to watch for as
    /// long as a rollout takes, here and in the worker (the Python shim's `watch`), avoids that. It keeps a
    /// processor busy: where others wait for one, a round trip takes longer, not shorter. On Unix only.
    pub watch: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(30),
            reply_timeout: Duration::from_secs(10),
            median_timeout: None,
            retries: 1,
            restarts: 3,
            back_off: Duration::from_millis(100),
            on_failure: OnFailure::Error,
            watch: Duration::ZERO,
        }
    }
}

impl Options {
    /// Sets [`Self::start_timeout`].
    #[must_use]
    pub fn start_timeout(self, start_timeout: Duration) -> Self {
        Self { start_timeout, ..self }
    }

    /// Sets [`Self::reply_timeout`].
    #[must_use]
    pub fn reply_timeout(self, reply_timeout: Duration) -> Self {
        Self { reply_timeout, ..self }
    }

    /// Sets [`Self::median_timeout`] to so many medians.
    #[must_use]
    pub fn median_timeout(self, medians: f64) -> Self {
        Self { median_timeout: Some(medians), ..self }
    }

    /// Sets [`Self::retries`].
    #[must_use]
    pub fn retries(self, retries: usize) -> Self {
        Self { retries, ..self }
    }

    /// Sets [`Self::restarts`].
    #[must_use]
    pub fn restarts(self, restarts: usize) -> Self {
        Self { restarts, ..self }
    }

    /// Sets [`Self::back_off`].
    #[must_use]
    pub fn back_off(self, back_off: Duration) -> Self {
        Self { back_off, ..self }
    }

    /// Sets [`Self::on_failure`].
    #[must_use]
    pub fn on_failure(self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self }
    }

    /// Sets [`Self::watch`].
    #[must_use]
    pub fn watch(self, watch: Duration) -> Self {
        Self { watch, ..self }
    }
}

/// What becomes of a rollout that failed by its action: alone, and again when it was tried again.
///
/// To leave it out is a third way, and a worse one; [`ExternalSimulator::attempts`] says why.
///
/// [`ExternalSimulator::attempts`]: super::ExternalSimulator::attempts
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum OnFailure {
    /// [`Error::RolloutFailed`](crate::Error::RolloutFailed), with context, action and seed. The rest
    /// of the batch is lost.
    #[default]
    Error,
    /// This reward, with NaN for every metric. Who maximizes learns to avoid such actions if it is low,
    /// and to seek them if it is above what they would have earned.
    Reward(f64),
}

/// What happened so far. All of it is zero but `starts` and `rollouts` where nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Report {
    /// Rollouts answered or given up.
    pub rollouts: u64,
    /// Processes that were started, restarts among them.
    pub starts: u64,
    /// Processes that were started because one had failed.
    pub restarts: u64,
    /// Rollouts tried again because they had failed alone.
    pub retries: u64,
    /// Rollouts asked again because the worker failed with several before it.
    pub repeats: u64,
    /// Waits that came to the end of their time.
    pub timeouts: u64,
    /// Processes that ended unasked, or closed their standard output.
    pub ends: u64,
    /// Answers that could not be read.
    pub garbage: u64,
    /// Lines on standard output that were no answers, and were passed over.
    pub strays: u64,
    /// Answers that the rollout failed.
    pub refusals: u64,
    /// Rewards of NaN or infinity.
    pub not_finite: u64,
    /// Rollouts given up.
    pub failed: u64,
}
