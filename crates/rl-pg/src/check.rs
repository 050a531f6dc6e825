//! What every function here asks of its arguments.

use std::fmt::Debug;

use crate::{Error, Result};

/// Refuses a NaN or an infinity, by the index of the first.
pub(crate) fn finite(argument: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { argument, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Refuses a vector of another length than expected.
pub(crate) fn length(argument: &'static str, got: usize, expected: usize) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::Length { argument, got, expected }) }
}

/// Refuses a vector of another length than expected, or with an entry that is no number.
pub(crate) fn numbers(argument: &'static str, values: &[f64], expected: usize) -> Result<()> {
    length(argument, values.len(), expected)?;
    finite(argument, values)
}

/// Refuses a reward that is no number, and keeps the action that brought it.
pub(crate) fn reward(sample: usize, action: &impl Debug, reward: f64) -> Result<()> {
    if reward.is_finite() {
        return Ok(());
    }
    Err(Error::RewardNotFinite { sample, action: format!("{action:?}"), value: reward })
}

/// Refuses what is not a positive finite number.
pub(crate) fn positive(argument: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange { argument, value, expected: "positive and finite" })
}

/// Refuses an empty vector or batch.
pub(crate) fn not_empty(argument: &'static str, length: usize) -> Result<()> {
    if length == 0 { Err(Error::Empty { argument }) } else { Ok(()) }
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "a count of things held in memory or simulated")]
pub(crate) fn real(n: usize) -> f64 {
    n as f64
}
