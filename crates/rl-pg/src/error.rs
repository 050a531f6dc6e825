//! What can be wrong with a request, or with what a simulator returned.

use linalg::shown;

use crate::failure::{FailedRollout, Failure, quoted};

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
    /// A number outside its range.
    #[error("{argument} is {value}, and must be {expected}", value = shown(.value))]
    OutOfRange {
        /// The argument's name.
        argument: &'static str,
        /// The number.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// An entry outside the interval where it makes sense.
    #[error(
        "{argument}[{index}] is {value}, and must lie from {low} to {high}",
        value = shown(.value)
    )]
    EntryOutOfRange {
        /// The argument's name.
        argument: &'static str,
        /// Index of the first such entry.
        index: usize,
        /// The entry.
        value: f64,
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// A number of parameters that the policy cannot have.
    #[error("{policy} has {form} parameters, got {got}")]
    ParameterCount {
        /// The policy, as in "a diagonal Gaussian".
        policy: &'static str,
        /// How many were given.
        got: usize,
        /// How many it has in n dimensions.
        form: &'static str,
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
    /// A value of NaN or infinity from a black box.
    #[error("the black box returned {value} at evaluation {evaluation}, for {point}")]
    ValueNotFinite {
        /// How many evaluations had gone before.
        evaluation: usize,
        /// The point that failed, as `Debug` prints it, which keeps every digit.
        point: String,
        /// The value.
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
    /// A step of an environment that is not in an episode.
    #[error("the episode is over, or none was begun; reset comes before the next step")]
    EpisodeOver,
    /// What a simulator says when it cannot run an episode.
    #[error("the simulator failed: {reason}")]
    SimulatorFailed {
        /// Why, in its own words.
        reason: String,
    },
    /// The first rollout of a batch that failed.
    #[error("rollout {index}: {source}")]
    Rollout {
        /// Its index in the batch, the same for any number of threads.
        index: usize,
        /// What it failed of.
        source: Box<Self>,
    },
    /// A member of a team whose rollouts were not done.
    #[error(transparent)]
    Rank(#[from] linalg::team::Lost),
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
    /// What linear algebra refused.
    #[error(transparent)]
    Linalg(#[from] linalg::Error),
    /// What the network refused.
    #[error(transparent)]
    Network(#[from] nn_core::Error),
    /// A baseline that a learner cannot take.
    #[error(
        "the {baseline} baseline needs every sample's own gradient, which a learner does not make"
    )]
    ScoresNotKept {
        /// The baseline's name.
        baseline: &'static str,
    },
    /// An experience whose last episode was neither terminated nor truncated.
    #[error(
        "the experience has {steps} steps, of which the last that ends an episode is step {ended}"
    )]
    OpenEpisode {
        /// Steps in all.
        steps: usize,
        /// Steps up to the end of the last episode that was ended.
        ended: usize,
    },
    /// A gradient that is not a number. The weights are as they were before it.
    #[error("the gradient of the {what} network is {value} in update {update}")]
    Diverged {
        /// Which network.
        what: &'static str,
        /// The update, counted from 0.
        update: u64,
        /// The gradient's norm.
        value: f64,
    },
    /// Bytes that are no learner's state.
    #[error("not a learner's state: {problem} at byte {at} of {length}")]
    StateFormat {
        /// What is wrong.
        problem: &'static str,
        /// Where.
        at: usize,
        /// Bytes in all.
        length: usize,
    },
    /// A learner's state without a part that is needed.
    #[error("the state has no \"{name}\"")]
    StateMissing {
        /// The part's name.
        name: String,
    },
    /// A learner's state that is another learner's.
    #[error("\"{name}\" of the state has {got} entries, expected {expected}")]
    StateLength {
        /// The part's name.
        name: String,
        /// Its entries.
        got: usize,
        /// The entries it should have.
        expected: usize,
    },
    /// An entry of a learner's state that cannot stand there.
    #[error(
        "entry {index} of \"{name}\" of the state is {value}, expected {expected}",
        value = shown(.value)
    )]
    StateEntry {
        /// The part's name.
        name: String,
        /// The entry's index.
        index: usize,
        /// The entry.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// A file that could not be read or written.
    #[error("cannot use the file {}: {kind}", .path.display())]
    File {
        /// Its path.
        path: std::path::PathBuf,
        /// Why not.
        kind: std::io::ErrorKind,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use linalg::{Cholesky, DMatrix};

    #[test]
    fn what_linear_algebra_refused_is_passed_on_as_it_said_it() {
        let inner = Cholesky::new(DMatrix::from_element(1, 1, -1.0)).unwrap_err();
        assert_eq!(Error::from(inner.clone()).to_string(), inner.to_string());
    }
}
