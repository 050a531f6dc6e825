//! The checks that every door of this crate uses.

use linalg::{DMatrix, DVector, Real};

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

/// Refuses targets, a column each, of another number of values than `rows`, none, and the first value that is a
/// NaN or an infinity.
pub(crate) fn check_targets<T: Real>(targets: &DMatrix<T>, rows: usize) -> Result<()> {
    let (found_rows, found_columns) = targets.shape();
    if found_rows != rows || found_columns == 0 {
        return Err(Error::TargetShape { found_rows, found_columns, rows });
    }
    match targets.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::TargetNotFinite {
            index: at % rows,
            sample: at / rows,
            value: targets[at].to_double(),
        }),
    }
}
