//! What can be wrong with a request, or with the ranks.

use std::time::Duration;

use linalg::shown;
use linalg::team::Lost;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong, naming the argument, what it was and what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A time too short to mean anything.
    #[error("{argument} is {value:?}, and must be at least {least:?}")]
    TooShort {
        /// The argument's name.
        argument: &'static str,
        /// The time.
        value: Duration,
        /// The least that makes sense.
        least: Duration,
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
    /// A rank that ended, hangs, failed or strayed.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// Ranks that did not all start: one of them may have ended before.
    #[error("MPI did not start within {after:?}")]
    NotStarted {
        /// How long this rank waited.
        after: Duration,
    },
    /// Ranks that did not end together, when all of the work was done.
    #[error("all is done, but MPI did not end within {after:?}")]
    NotEnded {
        /// How long this rank waited.
        after: Duration,
    },
    /// MPI that was started before, by another part of the program.
    #[error("MPI was started before, and can be started once in a program")]
    Started,
    /// An MPI library that allows no threads.
    #[error("the MPI library allows one thread alone, and a program here has several")]
    Threads,
}

#[cfg(test)]
mod tests {
    use super::*;
    use linalg::team::Problem;

    #[test]
    fn errors_say_what_is_wrong() {
        let lost = Lost { rank: 2, name: "rollout", pieces: 3..4, problem: Problem::Strayed };
        assert_eq!(Error::from(lost.clone()).to_string(), lost.to_string());
        let after = Duration::from_secs(60);
        for (error, text) in [
            (Error::NotStarted { after }, "MPI did not start within 60s"),
            (Error::NotEnded { after }, "all is done, but MPI did not end within 60s"),
            (Error::Started, "MPI was started before, and can be started once in a program"),
            (
                Error::Threads,
                "the MPI library allows one thread alone, and a program here has several",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
