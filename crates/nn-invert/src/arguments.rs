//! What the doors of this crate ask of their arguments.

use linalg::{DMatrix, Real};

use crate::{Error, Result};

/// Refuses a count that is not the expected one.
pub(crate) fn size(
    argument: &'static str,
    unit: &'static str,
    found: usize,
    expected: usize,
) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Size { argument, unit, found, expected }) }
}

/// Refuses the first of numbers, in columns of `rows`, that is a NaN or an infinity.
pub(crate) fn finite<T: Real>(argument: &'static str, numbers: &[T], rows: usize) -> Result<()> {
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (row, column, value) = (at % rows, at / rows, numbers[at].to_double());
            Err(Error::NotFinite { argument, row, column, value })
        }
    }
}

/// Refuses samples, a column each, of another number of values than `rows`, none, and the first value that is a
/// NaN or an infinity.
pub(crate) fn batch<T: Real>(
    argument: &'static str,
    samples: &DMatrix<T>,
    rows: usize,
) -> Result<()> {
    let (found_rows, found_columns) = samples.shape();
    if found_rows != rows || found_columns == 0 {
        return Err(Error::Batch { argument, found_rows, found_columns, rows });
    }
    finite(argument, samples.as_slice(), rows)
}

/// Refuses a number that is not finite and greater than 0.
pub(crate) fn positive(argument: &'static str, value: f64) -> Result<()> {
    within(argument, value, value > 0.0 && value.is_finite(), "a finite number greater than 0")
}

/// Refuses a number unless it is `fine`.
pub(crate) fn within(
    argument: &'static str,
    value: f64,
    fine: bool,
    expected: &'static str,
) -> Result<()> {
    if fine { Ok(()) } else { Err(Error::Argument { argument, value, expected }) }
}

/// Refuses a count of 0.
pub(crate) fn some(what: &'static str, count: usize) -> Result<()> {
    if count > 0 { Ok(()) } else { Err(Error::Empty { what }) }
}
