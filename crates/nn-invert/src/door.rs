//! The checks that every door of this crate uses.

use linalg::{DVector, Real};

use crate::{Error, Result};

/// Refuses a vector of the wrong length.
pub(crate) fn check_length(argument: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Length { argument, found, expected }) }
}

/// Refuses the first entry that is a NaN or an infinity.
pub(crate) fn check_finite<T: Real>(argument: &'static str, vector: &DVector<T>) -> Result<()> {
    match vector.iter().position(|entry| !entry.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite { argument, index, value: vector[index].to_double() }),
    }
}
