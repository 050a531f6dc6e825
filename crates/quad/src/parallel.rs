//! Calling an integrand on batches of directions, on as many threads as there are.

use linalg::parallel::join;

use crate::{Direction, Sample};

/// Directions per call of the integrand.
const BATCH: usize = 64;

/// The values of `f`, in order. Which thread makes which value depends on chance, its bits do not.
pub(crate) fn evaluate<T: Sample>(
    f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    directions: &[Direction],
) -> Vec<T> {
    let mut values = vec![T::ZERO; directions.len()];
    fill(f, directions, &mut values);
    values
}

fn fill<T: Sample>(
    f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    directions: &[Direction],
    values: &mut [T],
) {
    if directions.len() <= BATCH {
        if !directions.is_empty() {
            f(directions, values);
        }
        return;
    }
    // Whole batches on the left, so that the batches are the same ones for any number of threads.
    let middle = directions.len().div_ceil(BATCH) / 2 * BATCH;
    let (left, right) = values.split_at_mut(middle);
    join(|| fill(f, &directions[..middle], left), || fill(f, &directions[middle..], right));
}
