//! rayon where the feature `parallel` is on, and the same functions on one thread where it is not.

use crate::{DMatrixViewMut, Scalar};

/// Runs `work` on the columns of `a` in `pieces`, each on a thread if one is free.
pub(crate) fn over_columns<T: Scalar>(
    mut a: DMatrixViewMut<'_, T>,
    pieces: usize,
    work: &(impl Fn(DMatrixViewMut<'_, T>) + Sync),
) {
    if pieces <= 1 {
        return work(a);
    }
    let half = pieces / 2;
    let middle = a.ncols() * half / pieces;
    let (left, right) = a.columns_range_pair_mut(..middle, middle..);
    join(|| over_columns(left, half, work), || over_columns(right, pieces - half, work));
}

/// Threads of the current pool; 1 without the feature `parallel`.
#[must_use]
#[cfg(feature = "parallel")]
pub fn available_threads() -> usize {
    rayon::current_num_threads()
}

/// Runs both, on two threads of the current pool if the second is free.
///
/// # Examples
/// ```
/// assert_eq!(linalg::parallel::join(|| 6 * 7, || "done"), (42, "done"));
/// ```
#[cfg(feature = "parallel")]
pub fn join<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    rayon::join(first, second)
}

/// Threads of the current pool; 1 without the feature `parallel`.
#[must_use]
#[cfg(not(feature = "parallel"))]
pub fn available_threads() -> usize {
    1
}

/// Runs both, one after the other.
#[cfg(not(feature = "parallel"))]
pub fn join<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    (first(), second())
}
