//! rayon where the feature `parallel` is on, and the same loop on one thread where it is not.

/// Calls `work` with a state, the number of a chunk and the chunk, for each `size` entries of `data`.
///
/// A state serves many chunks and no two at a time. The chunks do not depend on the threads, so
/// nor do the results.
#[cfg(feature = "parallel")]
pub(crate) fn for_each_chunk<T: Send, S>(
    data: &mut [T],
    size: usize,
    state: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, usize, &mut [T]) + Send + Sync,
) {
    use rayon::prelude::*;
    data.par_chunks_mut(size)
        .enumerate()
        .for_each_init(state, |state, (index, chunk)| work(state, index, chunk));
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn for_each_chunk<T, S>(
    data: &mut [T],
    size: usize,
    state: impl Fn() -> S,
    work: impl Fn(&mut S, usize, &mut [T]),
) {
    let mut state = state();
    for (index, chunk) in data.chunks_mut(size).enumerate() {
        work(&mut state, index, chunk);
    }
}
