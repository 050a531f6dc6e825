//! How each example here ends.

use std::error::Error;
use std::process::ExitCode;

/// The error, if there is one, in words, and what the caller's shell is told.
pub(crate) fn exit(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
