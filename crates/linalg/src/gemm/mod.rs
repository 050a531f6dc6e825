//! The kernels of matrix products.
//!
//! The design is that of BLIS (Van Zee and van de Geijn, ACM TOMS 41(3), 2015): blocks of both
//! factors are packed into panels in the order of use, B's block for the third-level cache, A's for
//! the second, and one tile of C at a time is summed up in registers. It is safe Rust: the lanes
//! come from `pulp`, which finds the instruction set at run time.
//!
//! An entry of C is summed in an order that depends on the shapes alone, never on how C was divided
//! among threads.

mod blocked;
mod kernel;
pub(crate) mod lanes;
mod pack;
mod part;

use crate::product::Operand;
use crate::{DMatrixViewMut, Threads};
use blocked::blocked;
use kernel::{Right, Scale, complex_tile, real_tile};
use lanes::Lanes;
use nalgebra::Complex;
use part::Part;
use pulp::{Arch, Simd, WithSimd};

/// An entry of a matrix, as the kernels see it.
pub trait Entry: Lanes + nalgebra::Scalar {
    /// What it is made of, `f32` or `f64`.
    type Part: Part;
    /// Of how many of them.
    const PARTS: usize;
    /// The number 1.
    const ONE: Self;

    /// Writes the parts to place `position` of a panel's column; `sign` multiplies the imaginary.
    fn unpack(self, sign: Self::Part, target: &mut [Self::Part], position: usize, width: usize);

    /// Writes the parts of a whole panel's column.
    fn unpack_all(entries: &[Self], sign: Self::Part, target: &mut [Self::Part]);

    /// `columns[..][row..]` ← alpha·a·b + beta·`columns[..][row..]` for a tile of V vectors by N
    /// columns; what of the tile reaches beyond C is dropped.
    fn tile<S: Simd, const V: usize, const N: usize>(
        simd: S,
        scale: Scale<Self>,
        a: &[Self::Part],
        b: Right<'_, Self, N>,
        columns: &mut [&mut [Self]],
        row: usize,
    );

    /// c ← alpha·a·b + beta·c; shapes have been checked.
    fn multiply(job: &Job<'_, Self>, c: DMatrixViewMut<'_, Self>, threads: Threads);
}

/// A product to be done.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a, T: nalgebra::Scalar> {
    pub(crate) alpha: T,
    pub(crate) a: Operand<'a, T>,
    pub(crate) b: Operand<'a, T>,
    pub(crate) beta: T,
    /// Where only C's lower triangle is wanted: entries with row + `lower` >= column are right, and
    /// the others may hold anything.
    pub(crate) lower: Option<isize>,
}

impl<T: Entry> Job<'_, T> {
    fn scale(&self) -> Scale<T> {
        Scale { alpha: self.alpha, beta: self.beta }
    }
}

macro_rules! entry {
    ($number:ty, $part:ty, $parts:literal, $one:expr, $tile:ident, $few:expr, $many:expr,
     |$x:ident, $sign:ident| $($offset:literal => $value:expr),+;
     |$entries:ident, $first:ident, $second:ident| $all:expr) => {
        impl Entry for $number {
            type Part = $part;
            const PARTS: usize = $parts;
            const ONE: Self = $one;

            #[inline(always)]
            fn unpack(self, $sign: $part, target: &mut [$part], position: usize, width: usize) {
                let $x = self;
                $(target[$offset * width + position] = $value;)+
            }

            #[inline(always)]
            fn unpack_all($entries: &[Self], $sign: $part, target: &mut [$part]) {
                let ($first, $second) = target.split_at_mut($entries.len());
                $all
            }

            #[inline(always)]
            fn tile<S: Simd, const V: usize, const N: usize>(
                simd: S,
                scale: Scale<Self>,
                a: &[$part],
                b: Right<'_, Self, N>,
                columns: &mut [&mut [Self]],
                row: usize,
            ) {
                $tile::<S, $part, V, N>(simd, scale, a, b, columns, row);
            }

            fn multiply(job: &Job<'_, Self>, c: DMatrixViewMut<'_, Self>, threads: Threads) {
                struct Dispatch<'a, 'b, 'c>(&'a Job<'b, $number>, DMatrixViewMut<'c, $number>);
                impl WithSimd for Dispatch<'_, '_, '_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(mut self, simd: S) {
                        if S::REGISTER_COUNT >= 32 {
                            blocked::<S, $number, { $many.0 }, { $many.1 }>(
                                simd, self.0, &mut self.1,
                            );
                        } else {
                            blocked::<S, $number, { $few.0 }, { $few.1 }>(
                                simd, self.0, &mut self.1,
                            );
                        }
                    }
                }
                let _ = threads;
                Arch::new().dispatch(Dispatch(job, c));
            }
        }
    };
}

entry!(
    f32, f32, 1, 1.0, real_tile, (2, 6), (3, 8),
    |x, _sign| 0 => x;
    |entries, first, _second| first.copy_from_slice(entries)
);
entry!(
    f64, f64, 1, 1.0, real_tile, (2, 6), (3, 8),
    |x, _sign| 0 => x;
    |entries, first, _second| first.copy_from_slice(entries)
);
entry!(
    Complex<f32>, f32, 2, Complex::new(1.0, 0.0), complex_tile, (1, 6), (2, 6),
    |x, sign| 0 => x.re, 1 => sign * x.im;
    |entries, re, im| for ((re, im), x) in re.iter_mut().zip(im).zip(entries) {
        (*re, *im) = (x.re, sign * x.im);
    }
);
entry!(
    Complex<f64>, f64, 2, Complex::new(1.0, 0.0), complex_tile, (1, 6), (2, 6),
    |x, sign| 0 => x.re, 1 => sign * x.im;
    |entries, re, im| for ((re, im), x) in re.iter_mut().zip(im).zip(entries) {
        (*re, *im) = (x.re, sign * x.im);
    }
);
