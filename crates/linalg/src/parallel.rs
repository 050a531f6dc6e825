//! rayon where the feature `parallel` is on, and the same functions on one thread where it is not.

/// Threads of the current pool; 1 without the feature `parallel`.
#[must_use]
#[cfg(feature = "parallel")]
pub fn available_threads() -> usize {
    rayon::current_num_threads()
}

/// Runs both, on two threads of the current pool if the second is free.
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
