//! The checks that every door uses.

use linalg::lanes::{Task, Vectors, run};
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

/// Refuses the first entry, in column order, that is a NaN or an infinity.
pub(crate) fn all_finite<T: Real>(argument: &'static str, matrix: &DMatrix<T>) -> Result<()> {
    if is_finite(matrix.as_slice()) {
        return Ok(());
    }
    match matrix.iter().position(|entry| !entry.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            argument,
            row: index % matrix.nrows(),
            column: index / matrix.nrows(),
            value: matrix[index].to_double(),
        }),
    }
}

/// Refuses a parameter that is not a finite number greater than 0.
pub(crate) fn positive(argument: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(Error::OutOfRange { argument, value, expected: "a finite number greater than 0" })
    }
}

/// Whether no number is a NaN or an infinity.
pub(crate) fn is_finite<T: Real>(numbers: &[T]) -> bool {
    struct All<'a, T>(&'a [T]);
    impl<T: Real> Task<T> for All<'_, T> {
        type Output = bool;
        #[inline(always)]
        fn run<V: Vectors<T>>(self, v: V) -> bool {
            /// Sums that are added to side by side.
            const WAYS: usize = 8;
            // 0·x is 0 for numbers and NaN for all else, and a NaN stays in its sum.
            let mut sums = [v.splat(T::zero()); WAYS];
            let (vectors, rest) = v.split(self.0);
            let (groups, few) = vectors.as_chunks::<WAYS>();
            for group in groups {
                for way in 0..WAYS {
                    sums[way] = v.mul_add(group[way], T::zero(), sums[way]);
                }
            }
            let mut sum = v.splat(T::zero());
            for way in 0..WAYS {
                sum = v.plus(sum, sums[way]);
            }
            for &vector in few {
                sum = v.mul_add(vector, T::zero(), sum);
            }
            v.sum(sum) == T::zero() && rest.iter().all(|x| x.is_finite())
        }
    }
    run(All(numbers))
}
