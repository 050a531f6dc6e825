//! What can be wrong with a request, or with what a simulator returned.

use std::io::ErrorKind;
use std::process::ExitStatus;
use std::time::Duration;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong, naming the argument, what it was and what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vector or a batch without entries where one is needed.
    #[error("{argument} is empty, and at least one entry is needed")]
    Empty {
        /// The argument's name.
        argument: &'static str,
    },
    /// A NaN or an infinity among the entries of an argument.
    #[error("{argument}[{index}] is {value}, and every entry must be finite")]
    NotFinite {
        /// The argument's name.
        argument: &'static str,
        /// Index of the first such entry.
        index: usize,
        /// The entry.
        value: f64,
    },
    /// An action that the policy cannot take.
    #[error("the action is {action}, and the policy has actions 0 to {last}")]
    NoSuchAction {
        /// The action.
        action: usize,
        /// The last action there is.
        last: usize,
    },
    /// A vector of the wrong length.
    #[error("{argument} has {got} entries, expected {expected}")]
    Length {
        /// The argument's name.
        argument: &'static str,
        /// Its entries.
        got: usize,
        /// The entries it should have.
        expected: usize,
    },
    /// A batch too small for its baseline.
    #[error("the {baseline} baseline needs at least 2 samples, got {got}")]
    TooFewSamples {
        /// The baseline's name.
        baseline: &'static str,
        /// Samples in the batch.
        got: usize,
    },
    /// A reward of NaN or infinity: the simulator failed, and nothing was made of it.
    #[error("the reward of sample {sample} is {value} for the action {action}")]
    RewardNotFinite {
        /// Index of the sample in its batch.
        sample: usize,
        /// The action that failed, as `Debug` prints it, which keeps every digit of an `f64`.
        action: String,
        /// The reward.
        value: f64,
    },
    /// A policy whose score is NaN or infinite.
    #[error("the score of sample {sample} is {value} in parameter {parameter}")]
    ScoreNotFinite {
        /// Index of the sample in its batch.
        sample: usize,
        /// The parameter.
        parameter: usize,
        /// The entry of the score.
        value: f64,
    },
    /// A worker that did not come to its hello.
    #[error("{command} did not start: {failure}{}", quoted(.last_words))]
    WorkerNotStarted {
        /// The command, as `Debug` prints it.
        command: String,
        /// What went wrong.
        failure: Failure,
        /// The end of what it wrote to standard error, and of its stray lines.
        last_words: String,
    },
    /// A worker that speaks another protocol, or offers something else than is needed.
    #[error("the worker's hello has {field} {got}, expected {expected}")]
    WorkerHello {
        /// The field of the hello.
        field: &'static str,
        /// What it says there.
        got: String,
        /// What it should say.
        expected: &'static str,
    },
    /// An answer to something that was not asked, or that was answered before.
    #[error("the worker answered request {got}, and open are {open:?}")]
    WorkerAnswer {
        /// The answer's id.
        got: u64,
        /// The ids of the requests without an answer.
        open: Vec<u64>,
    },
    /// A rollout that failed, and failed again where it was tried again.
    #[error("{0}")]
    RolloutFailed(Box<FailedRollout>),
    /// A request to an environment in another process that failed, and ended the episode.
    #[error("{request} failed: {failure}{}", quoted(.last_words))]
    StepFailed {
        /// The request, with seed or action.
        request: String,
        /// What went wrong.
        failure: Failure,
        /// The end of what the worker wrote to standard error, and of its stray lines.
        last_words: String,
    },
    /// A step of an environment that is not in an episode.
    #[error("the episode is over, or none was begun; reset comes before the next step")]
    EpisodeOver,
    /// A worker that had to be started again too often.
    #[error(
        "the worker was started again {restarts} times within 1000 rollouts, and then: {failure}{}",
        quoted(.last_words)
    )]
    TooManyRestarts {
        /// How often it was started again.
        restarts: usize,
        /// What went wrong last.
        failure: Failure,
        /// The end of what it wrote to standard error, and of its stray lines.
        last_words: String,
    },
}

/// What went wrong in a simulator in another process.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command could not be run.
    #[error("it cannot be run: {kind}")]
    NotRun {
        /// What the system says.
        kind: ErrorKind,
    },
    /// The process ended, or closed its standard output.
    #[error("the worker {}", ending(.status))]
    Ended {
        /// Its exit status; `None` if it only closed its standard output.
        status: Option<ExitStatus>,
    },
    /// There was no answer in time.
    #[error("no answer came within {after:?}")]
    TimedOut {
        /// The time.
        after: Duration,
    },
    /// Something like an answer that cannot be read.
    #[error("the worker wrote what is no answer: {line}")]
    Garbage {
        /// What it wrote, cut where it is long.
        line: String,
    },
    /// The worker answered that it failed.
    #[error("the worker says: {text}")]
    Said {
        /// Its words.
        text: String,
    },
    /// A reward of NaN or infinity, or such an entry of an observation. JSON has neither; they come
    /// as null, which is NaN here.
    #[error("the worker answered with {value}, which is no number")]
    NotFinite {
        /// What came.
        value: f64,
    },
}

/// A rollout that failed by its action, as far as one can know: alone, and again when tried again.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the rollout of action {action:?} in context {context:?} with seed {seed} failed (tries: {tries}): {failure}{}",
    quoted(.last_words)
)]
pub struct FailedRollout {
    /// The context.
    pub context: Vec<f64>,
    /// The action.
    pub action: Vec<f64>,
    /// The seed.
    pub seed: u64,
    /// How often it was tried alone.
    pub tries: usize,
    /// What went wrong last.
    pub failure: Failure,
    /// The end of what the worker wrote to standard error, and of its stray lines.
    pub last_words: String,
}

fn quoted(last_words: &str) -> String {
    match last_words {
        "" => String::new(),
        _ => format!("\nit last wrote:\n{last_words}"),
    }
}

fn ending(status: &Option<ExitStatus>) -> String {
    match status {
        Some(status) => format!("ended with {status}"),
        None => "closed its standard output".to_owned(),
    }
}
