//! The same work on every chunk of a slice, over as many threads as there are.

use linalg::parallel::{available_threads, join};

/// Calls `work` with a state, the number of a chunk and the chunk, for each `size` entries of `data`.
///
/// A state serves many chunks and no two at a time. The chunks do not depend on the threads, so
/// nor do the results.
pub(crate) fn for_each_chunk<T: Send, S>(
    data: &mut [T],
    size: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &mut [T]) + Sync,
) {
    // Several pieces a thread, for chunks that take unequal times.
    let pieces = if available_threads() > 1 { 4 * available_threads() } else { 1 };
    let most = data.len().div_ceil(size).div_ceil(pieces);
    halve(data, size, 0, most, &state, &work);
}

/// Halves the chunks, the first of which has the number `first`, down to at most `most` of them.
fn halve<T: Send, S>(
    data: &mut [T],
    size: usize,
    first: usize,
    most: usize,
    state: &(impl Fn() -> S + Sync),
    work: &(impl Fn(&mut S, usize, &mut [T]) + Sync),
) {
    let count = data.len().div_ceil(size);
    if count <= most {
        let mut state = state();
        for (index, chunk) in data.chunks_mut(size).enumerate() {
            work(&mut state, first + index, chunk);
        }
        return;
    }
    let half = count / 2;
    let (left, right) = data.split_at_mut(half * size);
    join(
        || halve(left, size, first, most, state, work),
        || halve(right, size, first + half, most, state, work),
    );
}
