//! The kernels of matrix products.
//!
//! The design is that of BLIS (Van Zee and van de Geijn, ACM TOMS 41(3), 2015): blocks of both
//! factors are packed into panels in the order of use, B's block for the third-level cache, A's for
//! the second, and one tile of C at a time is summed up in registers. It is safe Rust: the lanes
//! come from `pulp`, which finds the instruction set at run time.
//!
//! An entry of C is summed in an order that depends on the shapes alone, never on how C was divided
//! among threads.
#![expect(
    unnameable_types,
    reason = "the sealed `Scalar` is made of what is here; none of it is of use outside"
)]

mod blocked;
mod kernel;
pub(crate) mod lanes;
mod pack;
mod part;
#[cfg(test)]
pub(crate) mod tests;
mod thin;

use crate::parallel::{self, available_threads, join};
use crate::product::Operand;
use crate::{DMatrixViewMut, Threads};
use blocked::blocked;
use kernel::{Left, Right, Scale, complex_tile, real_tile};
pub(crate) use lanes::Lanes;
use nalgebra::Complex;
pub(crate) use part::Part;
use part::{Buffer, Buffers};
use pulp::{Arch, Simd, WithSimd};
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::ops::{Add, Mul};
use std::thread::LocalKey;
use thin::{inner_products, sum_columns};

/// An entry of a matrix, as the kernels see it.
pub trait Entry: Lanes + nalgebra::Scalar + Add<Output = Self> + Mul<Output = Self> {
    /// What it is made of, `f32` or `f64`.
    type Part: Part;
    /// Of how many of them.
    const PARTS: usize;
    /// The number 1.
    const ONE: Self;
    /// Where each thread keeps its buffers.
    const BUFFERS: &'static LocalKey<Buffers<Self>>;

    /// The complex conjugate.
    fn conj(self) -> Self;

    /// Writes the parts to place `position` of a panel's column; `sign` multiplies the imaginary.
    fn unpack(self, sign: Self::Part, target: &mut [Self::Part], position: usize, width: usize);

    /// Writes the parts of a whole panel's column.
    fn unpack_all(entries: &[Self], sign: Self::Part, target: &mut [Self::Part]);

    /// `columns[..][row..]` ← alpha·a·b + beta·`columns[..][row..]` for a tile of V vectors by N
    /// columns; what of the tile reaches beyond C is dropped.
    fn tile<S: Simd, const V: usize, const N: usize>(
        simd: S,
        scale: Scale<Self>,
        a: Left<'_, Self>,
        b: Right<'_, Self, N>,
        columns: &mut [&mut [Self]],
        row: usize,
    );

    /// The product on this thread.
    fn run(path: Path, job: &Job<'_, Self>, c: DMatrixViewMut<'_, Self>);
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
    /// What is done to C beside the product, which then has a `beta` of 1.
    pub(crate) around: Option<Around<'a, T>>,
}

/// What C holds before a product is added, and what is done to its entries when that is complete: while they are at
/// hand, which saves passes over a C larger than the caches.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a, T> {
    /// The column that every column of C begins as.
    pub(crate) offset: &'a [T],
    /// Done to stretches of C's columns.
    pub(crate) then: &'a (dyn Fn(&mut [T]) + Sync),
}

impl<T: fmt::Debug> fmt::Debug for Around<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Around").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<T: Entry> Job<'_, T> {
    /// Prepares columns of C for the product.
    fn begin(&self, c: &mut DMatrixViewMut<'_, T>, columns: Range<usize>) {
        let Some(Around { offset, .. }) = self.around else { return };
        for mut column in c.columns_range_mut(columns).column_iter_mut() {
            column.as_mut_slice().copy_from_slice(offset);
        }
    }

    /// Finishes columns of C that the product was added to.
    fn finish(&self, c: &mut DMatrixViewMut<'_, T>, columns: Range<usize>) {
        let Some(Around { then, .. }) = self.around else { return };
        for mut column in c.columns_range_mut(columns).column_iter_mut() {
            then(column.as_mut_slice());
        }
    }

    fn scale(&self) -> Scale<T> {
        Scale { alpha: self.alpha, beta: self.beta }
    }

    /// The job for a part of C's rows.
    fn rows(&self, rows: Range<usize>) -> Job<'_, T> {
        let lower = self.lower.map(|offset| offset.saturating_add_unsigned(rows.start));
        let around =
            self.around.map(|around| Around { offset: &around.offset[rows.clone()], ..around });
        Job { a: self.a.rows_range(rows), lower, around, ..*self }
    }

    /// The job for a part of C's columns.
    fn columns(&self, columns: Range<usize>) -> Job<'_, T> {
        let lower = self.lower.map(|offset| offset.saturating_sub_unsigned(columns.start));
        Job { b: self.b.columns_range(columns), lower, ..*self }
    }
}

/// How a product is done; it depends on the shapes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// In packed blocks.
    Blocked,
    /// As sums of A's columns.
    Columns,
    /// As inner products with A's rows.
    Rows,
}

/// With no more columns in C than this, packing A costs more than it gains.
const FEW_COLUMNS: usize = 4;
/// Updates of no higher rank than this read C once and little else.
const LOW_RANK: usize = 2;
/// Multiplications in a product too small for packing.
const SMALL: usize = 512;
/// Multiplications that are worth a thread.
const GRAIN: usize = 1 << 21;

impl Path {
    fn of<T: Entry>(job: &Job<'_, T>, n: usize) -> Self {
        let (m, k) = job.a.shape();
        match job.a.is_transposed() {
            _ if k == 0 => Self::Columns,
            true if n <= FEW_COLUMNS => Self::Rows,
            false if n <= FEW_COLUMNS || k <= LOW_RANK || m * n * k <= SMALL => Self::Columns,
            _ => Self::Blocked,
        }
    }
}

/// Into how many pieces so many multiplications are worth dividing.
pub(crate) fn pieces(work: usize, threads: Threads) -> usize {
    match threads {
        Threads::One => 1,
        Threads::Pool => available_threads().min(work / GRAIN).max(1),
    }
}

/// Runs `work`, whose largest product has so many multiplications, where it can hand over the pieces of each
/// product at once, if there are any.
pub(crate) fn inside<A: Send>(
    multiplications: usize,
    threads: Threads,
    work: impl FnOnce() -> A + Send,
) -> A {
    if pieces(multiplications, threads) > 1 { parallel::inside(work) } else { work() }
}

/// c ← alpha·a·b + beta·c; shapes have been checked.
pub(crate) fn multiply<T: Entry>(job: &Job<'_, T>, mut c: DMatrixViewMut<'_, T>, threads: Threads) {
    let (m, n) = c.shape();
    if m > 0 && n > 0 && job.around.is_some() && (m == 1 || Path::of(job, n) != Path::Blocked) {
        job.begin(&mut c, 0..n);
        multiply(&Job { around: None, ..*job }, c.as_view_mut(), threads);
        job.finish(&mut c, 0..n);
    } else if m == 1 && n > 1 {
        // A row of C: the transposed product makes a column.
        let mut buffer = Buffer::<T>::take();
        let column = buffer.numbers(n);
        for (entry, c) in column.iter_mut().zip(c.iter()) {
            *entry = *c;
        }
        let flipped = Job { a: job.b.flipped(), b: job.a.flipped(), ..*job };
        multiply(&flipped, DMatrixViewMut::from_slice(column, n, 1), threads);
        for (entry, c) in column.iter().zip(c.iter_mut()) {
            *c = *entry;
        }
    } else if m > 0 && n > 0 {
        let work = m.saturating_mul(n).saturating_mul(job.a.columns().max(1));
        split(Path::of(job, n), job, c, pieces(work, threads));
    }
}

/// The product, its matrix C divided into `pieces` for as many threads.
fn split<T: Entry>(path: Path, job: &Job<'_, T>, mut c: DMatrixViewMut<'_, T>, pieces: usize) {
    /// Multiples of every tile's rows and columns.
    const UNITS: (usize, usize) = (64, 24);
    let (m, n) = c.shape();
    let at = |total: usize, unit: usize| {
        (total * (pieces / 2)).div_ceil(pieces).next_multiple_of(unit).min(total)
    };
    if pieces == 1 || m.max(n) <= UNITS.0 {
        T::run(path, job, c);
    } else if m >= n {
        let middle = at(m, UNITS.0);
        let (top, bottom) = c.rows_range_pair_mut(..middle, middle..);
        join(
            || split(path, &job.rows(0..middle), top, pieces / 2),
            || split(path, &job.rows(middle..m), bottom, pieces - pieces / 2),
        );
    } else {
        let middle = at(n, UNITS.1);
        let (left, right) = c.columns_range_pair_mut(..middle, middle..);
        join(
            || split(path, &job.columns(0..middle), left, pieces / 2),
            || split(path, &job.columns(middle..n), right, pieces - pieces / 2),
        );
    }
}

/// The instruction set of this processor.
pub(crate) fn arch() -> Arch {
    #[cfg(test)]
    if let Some(arch) = FORCED.get() {
        return arch;
    }
    Arch::new()
}

#[cfg(test)]
thread_local! {
    /// The instruction set that a test wants on its thread.
    static FORCED: Cell<Option<Arch>> = const { Cell::new(None) };
}

macro_rules! entry {
    ($number:ty, $part:ty, $parts:literal, $one:expr, $tile:ident, $few:expr, $many:expr,
     |$x:ident, $sign:ident| $($offset:literal => $value:expr),+;
     $conjugate:expr;
     |$entries:ident, $first:ident, $second:ident| $all:expr) => {
        impl Entry for $number {
            type Part = $part;
            const PARTS: usize = $parts;
            const ONE: Self = $one;
            const BUFFERS: &'static LocalKey<Buffers<Self>> = {
                thread_local!(static BUFFERS: Buffers<$number> = const { Cell::new(Vec::new()) });
                &BUFFERS
            };

            #[inline(always)]
            fn conj(self) -> Self {
                let ($x, $sign): (Self, $part) = (self, -1.0);
                $conjugate
            }

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
                a: Left<'_, Self>,
                b: Right<'_, Self, N>,
                columns: &mut [&mut [Self]],
                row: usize,
            ) {
                $tile::<S, $part, V, N>(simd, scale, a, b, columns, row);
            }

            fn run(path: Path, job: &Job<'_, Self>, c: DMatrixViewMut<'_, Self>) {
                struct Run<'a, 'b, 'c>(Path, &'a Job<'b, $number>, DMatrixViewMut<'c, $number>);
                impl WithSimd for Run<'_, '_, '_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(mut self, simd: S) {
                        let Self(path, job, c) = &mut self;
                        match path {
                            Path::Blocked if S::REGISTER_COUNT >= 32 => {
                                blocked::<S, $number, { $many.0 }, { $many.1 }>(simd, job, c);
                            }
                            Path::Blocked => {
                                blocked::<S, $number, { $few.0 }, { $few.1 }>(simd, job, c);
                            }
                            Path::Columns => sum_columns(simd, job, c),
                            Path::Rows => inner_products(simd, job, c),
                        }
                    }
                }
                arch().dispatch(Run(path, job, c));
            }
        }
    };
}

entry!(
    f32, f32, 1, 1.0, real_tile, (2, 6), (4, 6),
    |x, _sign| 0 => x;
    x;
    |entries, first, _second| first.copy_from_slice(entries)
);
entry!(
    f64, f64, 1, 1.0, real_tile, (2, 6), (4, 6),
    |x, _sign| 0 => x;
    x;
    |entries, first, _second| first.copy_from_slice(entries)
);
entry!(
    Complex<f32>, f32, 2, Complex::new(1.0, 0.0), complex_tile, (1, 6), (2, 6),
    |x, sign| 0 => x.re, 1 => sign * x.im;
    Complex::new(x.re, sign * x.im);
    |entries, re, im| for ((re, im), x) in re.iter_mut().zip(im).zip(entries) {
        (*re, *im) = (x.re, sign * x.im);
    }
);
entry!(
    Complex<f64>, f64, 2, Complex::new(1.0, 0.0), complex_tile, (1, 6), (2, 6),
    |x, sign| 0 => x.re, 1 => sign * x.im;
    Complex::new(x.re, sign * x.im);
    |entries, re, im| for ((re, im), x) in re.iter_mut().zip(im).zip(entries) {
        (*re, *im) = (x.re, sign * x.im);
    }
);
