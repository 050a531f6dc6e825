//! The kernels of matrix products.
//!
//! The design is that of BLIS (Van Zee and van de Geijn, ACM TOMS 41(3), 2015): blocks of both
//! factors are packed into panels in the order of use, B's block for the third-level cache, A's for
//! the second, and one tile of C at a time is summed up in registers. It is safe Rust: the lanes
//! come from `pulp`, which finds the instruction set at run time.
//!
//! An entry of C is summed in an order that depends on the shapes alone, never on how C was divided
//! among threads.

mod kernel;
pub(crate) mod lanes;
mod pack;

use crate::product::Operand;
use crate::{DMatrixViewMut, Threads};
use kernel::{Buffer, ComplexTile, Part, RealTile, Scale, Tile};
use lanes::Lanes;
use nalgebra::Complex;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Columns of A and rows of B in one block: a panel of B stays in the first-level cache.
const DEPTH: usize = 256;
/// Numbers in a block of A, for the second-level cache.
const A_BLOCK: usize = 40_960;
/// Columns of B in one block, for the third-level cache.
const WIDTH: usize = 2040;
/// No tile has more columns than this.
const MOST_COLUMNS: usize = 8;

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

    /// Writes entries that lie side by side, and zeros up to `width`.
    fn unpack_all(entries: &[Self], sign: Self::Part, target: &mut [Self::Part], width: usize);

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

/// The whole product on one thread, in blocks.
#[inline(always)]
fn blocked<S: Simd, T: Entry, K: Tile<S, T, Part = T::Part>>(
    simd: S,
    job: &Job<'_, T>,
    c: &mut DMatrixViewMut<'_, T>,
) {
    let (m, n) = c.shape();
    let k = job.a.columns();
    let depth = even_block(k, DEPTH, 1);
    let height = even_block(m, A_BLOCK / (DEPTH * T::PARTS), K::ROWS);
    let width = even_block(n, WIDTH, K::COLUMNS);
    let a_length = height * depth * T::PARTS;
    let b_length = width * depth * T::PARTS;
    let across = job.b.flipped();
    let mut buffer = Buffer::<T::Part>::take();
    let (a_block, b_block) = buffer.numbers(a_length + b_length).split_at_mut(a_length);
    for column in (0..n).step_by(width) {
        let columns = column..n.min(column + width);
        for inner in (0..k).step_by(depth) {
            let inners = inner..k.min(inner + depth);
            let mut scale = job.scale();
            if inner > 0 {
                scale.beta = T::ONE;
            }
            pack::pack(&across, columns.clone(), inners.clone(), K::COLUMNS, b_block);
            for row in (0..m).step_by(height) {
                let rows = row..m.min(row + height);
                if is_above(job.lower, &rows, &columns) {
                    continue;
                }
                pack::pack(&job.a, rows.clone(), inners.clone(), K::ROWS, a_block);
                sweep::<S, T, K>(
                    simd,
                    scale,
                    job.lower,
                    a_block,
                    b_block,
                    inners.len(),
                    rows,
                    columns.clone(),
                    c,
                );
            }
        }
    }
}

/// Whether a block lies wholly above the triangle that is wanted.
fn is_above(lower: Option<isize>, rows: &Range<usize>, columns: &Range<usize>) -> bool {
    lower.is_some_and(|offset| rows.end.saturating_add_signed(offset) <= columns.start)
}

/// All tiles of one packed block of A times one of B.
#[inline(always)]
fn sweep<S: Simd, T: Entry, K: Tile<S, T, Part = T::Part>>(
    simd: S,
    scale: Scale<T>,
    lower: Option<isize>,
    a: &[T::Part],
    b: &[T::Part],
    depth: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    c: &mut DMatrixViewMut<'_, T>,
) {
    let a_panel = K::ROWS * depth * T::PARTS;
    let b_panel = K::COLUMNS * depth * T::PARTS;
    for (b, first) in b.chunks_exact(b_panel).zip(columns.clone().step_by(K::COLUMNS)) {
        let width = K::COLUMNS.min(columns.end - first);
        let mut block = c.view_mut((rows.start, first), (rows.len(), width));
        let mut slices = block.column_iter_mut();
        let mut slices: [&mut [T]; MOST_COLUMNS] = std::array::from_fn(|_| {
            slices.next().map_or_else(Default::default, |column| column.data.into_slice_mut())
        });
        let slices = &mut slices[..width];
        for (a, row) in a.chunks_exact(a_panel).zip((0..rows.len()).step_by(K::ROWS)) {
            let tile = rows.start + row..(rows.start + row + K::ROWS).min(rows.end);
            if !is_above(lower, &tile, &(first..first + width)) {
                K::run(simd, scale, a, b, slices, row);
            }
        }
    }
}

/// The size of `total / pieces`, rounded up to a multiple of `unit`, where as few pieces as
/// possible are at most `limit` long.
fn even_block(total: usize, limit: usize, unit: usize) -> usize {
    let pieces = total.div_ceil(limit).max(1);
    total.div_ceil(pieces).next_multiple_of(unit).max(unit)
}

macro_rules! entry {
    ($number:ty, $part:ty, $parts:literal, $one:expr, $tile:ident, $few:expr, $many:expr,
     |$x:ident, $sign:ident| $($offset:literal => $value:expr),+) => {
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
            fn unpack_all(entries: &[Self], $sign: $part, target: &mut [$part], width: usize) {
                $(
                    let part = &mut target[$offset * width..($offset + 1) * width];
                    let (part, rest) = part.split_at_mut(entries.len());
                    for (part, &$x) in part.iter_mut().zip(entries) {
                        *part = $value;
                    }
                    rest.fill(0.0);
                )+
            }

            fn multiply(job: &Job<'_, Self>, c: DMatrixViewMut<'_, Self>, threads: Threads) {
                struct Dispatch<'a, 'b, 'c>(&'a Job<'b, $number>, DMatrixViewMut<'c, $number>);
                impl WithSimd for Dispatch<'_, '_, '_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(mut self, simd: S) {
                        if S::REGISTER_COUNT >= 32 {
                            blocked::<S, $number, $tile<{ $many.0 }, { $many.1 }>>(
                                simd, self.0, &mut self.1,
                            );
                        } else {
                            blocked::<S, $number, $tile<{ $few.0 }, { $few.1 }>>(
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

entry!(f32, f32, 1, 1.0, RealTile, (2, 6), (3, 8), |x, _sign| 0 => x);
entry!(f64, f64, 1, 1.0, RealTile, (2, 6), (3, 8), |x, _sign| 0 => x);
entry!(
    Complex<f32>, f32, 2, Complex::new(1.0, 0.0), ComplexTile, (1, 6), (2, 6),
    |x, sign| 0 => x.re, 1 => sign * x.im
);
entry!(
    Complex<f64>, f64, 2, Complex::new(1.0, 0.0), ComplexTile, (1, 6), (2, 6),
    |x, sign| 0 => x.re, 1 => sign * x.im
);
