//! Calling an integrand on batches of directions, on as many threads as there are.

use crate::{Direction, Sample};

/// Directions per call of the integrand.
const BATCH: usize = 64;

/// The values of `f`, in order. Which thread makes which value depends on chance, its bits do not.
#[cfg(feature = "parallel")]
pub(crate) fn evaluate<T: Sample>(
    f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    directions: &[Direction],
) -> Vec<T> {
    use rayon::prelude::*;
    let mut values = vec![T::ZERO; directions.len()];
    values
        .par_chunks_mut(BATCH)
        .zip(directions.par_chunks(BATCH))
        .for_each(|(values, directions)| f(directions, values));
    values
}

/// The values of `f`, in order.
#[cfg(not(feature = "parallel"))]
pub(crate) fn evaluate<T: Sample>(
    f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    directions: &[Direction],
) -> Vec<T> {
    let mut values = vec![T::ZERO; directions.len()];
    for (values, directions) in values.chunks_mut(BATCH).zip(directions.chunks(BATCH)) {
        f(directions, values);
    }
    values
}
