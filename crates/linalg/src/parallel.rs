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
    // A pool of one thread has nobody to share with, and would have to be woken.
    if available_threads() == 1 { (first(), second()) } else { rayon::join(first, second) }
}

/// Runs `work` on a thread of the current pool, while this one waits.
///
/// A thread outside of the pool hands over both halves of every [`join`] and sleeps until they are done, which
/// takes tens of microseconds each time. Work that joins often pays that once in here.
///
/// # Examples
/// ```
/// use linalg::parallel::{inside, join};
/// let sum = inside(|| (0..10).map(|i| join(|| i, || i * i)).map(|(a, b)| a + b).sum::<i32>());
/// assert_eq!(sum, 45 + 285);
/// ```
#[cfg(feature = "parallel")]
pub fn inside<A: Send>(work: impl FnOnce() -> A + Send) -> A {
    if available_threads() == 1 { work() } else { rayon::scope(|_| work()) }
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

/// Runs `work`.
#[cfg(not(feature = "parallel"))]
pub fn inside<A: Send>(work: impl FnOnce() -> A + Send) -> A {
    work()
}
