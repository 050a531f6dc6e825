//! The real numbers that matrices are made of, and each thread's buffer of them.

use super::Entry;
use pulp::Simd;
use std::cell::Cell;
use std::ops::Sub;

/// Bytes in a cache line, and in the widest vector.
const CACHE_LINE: usize = 64;

/// `f32` or `f64`.
pub trait Part: Entry<Part = Self> + Sub<Output = Self> {
    /// The number 0.
    const ZERO: Self;
    /// c − a·b, in one rounding where the processor has that.
    fn mul_sub<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `x` in the lanes where a > b, `y` in the others.
    fn where_greater<S: Simd>(
        simd: S,
        compared: [Self::Vector<S>; 2],
        x: Self::Vector<S>,
        y: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `x` in the lanes where a = b, `y` in the others.
    fn where_equal<S: Simd>(
        simd: S,
        compared: [Self::Vector<S>; 2],
        x: Self::Vector<S>,
        y: Self::Vector<S>,
    ) -> Self::Vector<S>;
}

impl Part for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn mul_sub<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.negate_mul_add_e_f32s(a, b, c)
    }

    #[inline(always)]
    fn where_greater<S: Simd>(simd: S, [a, b]: [S::f32s; 2], x: S::f32s, y: S::f32s) -> S::f32s {
        simd.select_f32s(simd.greater_than_f32s(a, b), x, y)
    }

    #[inline(always)]
    fn where_equal<S: Simd>(simd: S, [a, b]: [S::f32s; 2], x: S::f32s, y: S::f32s) -> S::f32s {
        simd.select_f32s(simd.equal_f32s(a, b), x, y)
    }
}

impl Part for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn mul_sub<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.negate_mul_add_e_f64s(a, b, c)
    }

    #[inline(always)]
    fn where_greater<S: Simd>(simd: S, [a, b]: [S::f64s; 2], x: S::f64s, y: S::f64s) -> S::f64s {
        simd.select_f64s(simd.greater_than_f64s(a, b), x, y)
    }

    #[inline(always)]
    fn where_equal<S: Simd>(simd: S, [a, b]: [S::f64s; 2], x: S::f64s, y: S::f64s) -> S::f64s {
        simd.select_f64s(simd.equal_f64s(a, b), x, y)
    }
}

/// Memory that a thread keeps for its next product.
pub(super) type Buffers<T> = Cell<Vec<Vec<T>>>;

/// A buffer of this thread, until it is dropped.
///
/// (Not a function that takes a closure: a closure is compiled without the processor's vector
/// instructions unless the compiler happens to inline it.)
#[derive(Debug)]
pub(super) struct Buffer<T: Entry> {
    numbers: Vec<T>,
}

impl<T: Entry> Buffer<T> {
    /// The buffer that was given back last, or a new one.
    pub(super) fn take() -> Self {
        let mut buffers = T::BUFFERS.take();
        let numbers = buffers.pop().unwrap_or_default();
        T::BUFFERS.set(buffers);
        Self { numbers }
    }

    /// `length` numbers of any value, the first at the start of a cache line.
    pub(super) fn numbers(&mut self, length: usize) -> &mut [T] {
        let slack = CACHE_LINE / size_of::<T>();
        if self.numbers.len() < length + slack {
            self.numbers.resize(length + slack, T::default());
        }
        let start = self.numbers.as_ptr().align_offset(CACHE_LINE).min(slack);
        &mut self.numbers[start..start + length]
    }
}

impl<T: Entry> Drop for Buffer<T> {
    fn drop(&mut self) {
        let mut buffers = T::BUFFERS.take();
        buffers.push(std::mem::take(&mut self.numbers));
        T::BUFFERS.set(buffers);
    }
}
