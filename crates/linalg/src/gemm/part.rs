//! The real numbers that matrices are made of, and each thread's buffer of them.

use super::lanes::Lanes;
use pulp::Simd;
use std::cell::Cell;
use std::ops::{Add, Mul, Sub};
use std::thread::LocalKey;

/// Bytes in a cache line, and in the widest vector.
const CACHE_LINE: usize = 64;

/// `f32` or `f64`.
pub trait Part:
    Lanes + PartialEq + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// The number 0.
    const ZERO: Self;
    /// The number 1.
    const ONE: Self;
    /// This thread's buffer for packing.
    const BUFFER: &'static LocalKey<Cell<Vec<Self>>>;

    /// c − a·b, in one rounding where the processor has that.
    fn mul_sub<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
}

thread_local! {
    static SINGLE: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    static DOUBLE: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
}

impl Part for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const BUFFER: &'static LocalKey<Cell<Vec<Self>>> = &SINGLE;

    #[inline(always)]
    fn mul_sub<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        simd.negate_mul_add_e_f32s(a, b, c)
    }
}

impl Part for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const BUFFER: &'static LocalKey<Cell<Vec<Self>>> = &DOUBLE;

    #[inline(always)]
    fn mul_sub<S: Simd>(simd: S, a: S::f64s, b: S::f64s, c: S::f64s) -> S::f64s {
        simd.negate_mul_add_e_f64s(a, b, c)
    }
}

/// The thread's buffer, out of its place until this is dropped.
///
/// (Not a function that takes a closure: a closure is compiled without the processor's vector
/// instructions unless the compiler happens to inline it.)
#[derive(Debug)]
pub(super) struct Buffer<P: Part> {
    numbers: Vec<P>,
}

impl<P: Part> Buffer<P> {
    /// Borrows the thread's buffer; where it is out already, makes a new one.
    pub(super) fn take() -> Self {
        Self { numbers: P::BUFFER.take() }
    }

    /// `length` numbers of any value, the first at the start of a cache line.
    pub(super) fn numbers(&mut self, length: usize) -> &mut [P] {
        let slack = CACHE_LINE / size_of::<P>();
        if self.numbers.len() < length + slack {
            self.numbers.resize(length + slack, P::ZERO);
        }
        let start = self.numbers.as_ptr().align_offset(CACHE_LINE).min(slack);
        &mut self.numbers[start..start + length]
    }
}

impl<P: Part> Drop for Buffer<P> {
    fn drop(&mut self) {
        P::BUFFER.set(std::mem::take(&mut self.numbers));
    }
}
