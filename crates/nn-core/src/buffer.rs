//! Numbers that begin at a cache line.

use std::ops::{Deref, DerefMut};

use linalg::Real;

/// Bytes in a cache line, and in the widest vector.
const CACHE_LINE: usize = 64;

/// Numbers of which the first lies at the start of a cache line.
///
/// A vector of AVX-512 is as long as a line: where numbers begin anywhere, as in a `Vec`, every vector
/// lies in two. Convolutions lost a fifth of their time by it.
#[derive(Debug, Default)]
pub(crate) struct Buffer<T> {
    numbers: Vec<T>,
    start: usize,
}

impl<T: Real> Buffer<T> {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let slack = CACHE_LINE / size_of::<T>();
        let mut numbers = vec![T::zero(); len + slack];
        // Where the offset is not to be had, the numbers begin somewhere else, and all else holds.
        let start = numbers.as_ptr().align_offset(CACHE_LINE).min(slack);
        numbers.truncate(start + len);
        Self { numbers, start }
    }

    /// Makes room for `len` numbers, of any value.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len() < len {
            *self = Self::zeros(len);
        }
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[self.start..]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.numbers[self.start..]
    }
}

impl<T: Real> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_at_a_cache_line_and_so_does_its_clone() {
        for len in [0, 1, 15, 16, 1000, 100_000] {
            let mut buffer = Buffer::<f32>::zeros(len);
            for (at, x) in buffer.iter_mut().enumerate() {
                *x = at as f32;
            }
            let copy = buffer.clone();
            assert_eq!((copy.len(), &copy[..]), (len, &buffer[..]));
            for buffer in [buffer, copy] {
                assert_eq!(buffer.as_ptr().align_offset(CACHE_LINE), 0, "{len}");
            }
        }
    }
}
