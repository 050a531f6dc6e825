//! What goes wrong with a simulator in another process.

use std::io::ErrorKind;
use std::process::ExitStatus;
use std::time::Duration;

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

/// What the worker last wrote, as the end of a message.
pub(crate) fn quoted(last_words: &str) -> String {
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
