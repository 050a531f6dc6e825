//! The innermost loops: one tile of C, held in registers, from a panel of A and a panel of B.

use super::Entry;
use super::lanes::Lanes;
use super::part::Part;
use crate::product::Operand;
use nalgebra::Complex;
use pulp::{NullaryFnOnce, Simd};

/// No tile has more rows than this.
const MOST_ROWS: usize = 64;

/// How a product meets what C held: c ← alpha·a·b + beta·c.
#[derive(Debug, Clone, Copy)]
pub struct Scale<T> {
    /// The factor of the product.
    pub(super) alpha: T,
    /// The factor of what C held.
    pub(super) beta: T,
}

/// A panel of A.
#[derive(Debug, Clone, Copy)]
pub enum Left<'a, T: Entry> {
    /// Copied.
    Packed(&'a [T::Part]),
    /// As it lies in the matrix, from this row: some columns of a real factor, in as many rows as a tile has.
    Stored(Operand<'a, T>, usize),
}

/// N columns of B.
#[derive(Debug, Clone, Copy)]
pub enum Right<'a, T: Entry, const N: usize> {
    /// Copied into a panel.
    Packed(&'a [T::Part]),
    /// As they lie in the matrix, all of one length.
    Stored([&'a [T]; N]),
}

/// `columns[..][row..]` ← alpha·a·b + beta·`columns[..][row..]` for a tile of V vectors by N
/// columns; what of the tile reaches beyond C is dropped.
#[inline(always)]
pub(super) fn real_tile<S: Simd, T: Entry<Part = T> + Part, const V: usize, const N: usize>(
    simd: S,
    scale: Scale<T>,
    a: Left<'_, T>,
    b: Right<'_, T, N>,
    columns: &mut [&mut [T]],
    row: usize,
) {
    let c = Target { columns, row };
    match a {
        Left::Packed(a) => {
            let a = T::split::<S>(a).0.as_chunks::<V>().0;
            with_right::<S, T, _, V, N>(simd, scale, a, b, c);
        }
        Left::Stored(matrix, row) => {
            with_right::<S, T, _, V, N>(simd, scale, Rows { matrix, row }, b, c);
        }
    }
}

/// The tile, its A given.
#[inline(always)]
fn with_right<
    S: Simd,
    T: Entry<Part = T> + Part,
    A: Columns<S, T, V>,
    const V: usize,
    const N: usize,
>(
    simd: S,
    scale: Scale<T>,
    a: A,
    b: Right<'_, T, N>,
    c: Target<'_, '_, T>,
) {
    match b {
        Right::Packed(b) => {
            let b = b.as_chunks::<N>().0;
            simd.vectorize(RealTile::<S, T, _, _, V, N> { simd, scale, a, b, c });
        }
        Right::Stored(b) => simd.vectorize(RealTile::<S, T, _, _, V, N> { simd, scale, a, b, c }),
    }
}

/// Where a tile lies in C: these columns, from this row.
struct Target<'a, 'b, T> {
    columns: &'a mut [&'b mut [T]],
    row: usize,
}

/// V vectors from each column of A.
trait Columns<S: Simd, T: Lanes, const V: usize>: Copy {
    /// How many columns there are.
    fn length(self) -> usize;
    /// The first `length` of them.
    fn cut(self, length: usize) -> Self;
    /// Those of column k.
    fn at(&self, k: usize) -> Option<&[T::Vector<S>; V]>;
}

impl<S: Simd, T: Lanes, const V: usize> Columns<S, T, V> for &[[T::Vector<S>; V]] {
    #[inline(always)]
    fn length(self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn cut(self, length: usize) -> Self {
        &self[..length]
    }

    #[inline(always)]
    fn at(&self, k: usize) -> Option<&[T::Vector<S>; V]> {
        Some(&self[k])
    }
}

/// Columns of a matrix, from a row.
#[derive(Clone, Copy)]
struct Rows<'a, T: nalgebra::Scalar> {
    matrix: Operand<'a, T>,
    row: usize,
}

impl<S: Simd, T: Entry, const V: usize> Columns<S, T, V> for Rows<'_, T> {
    #[inline(always)]
    fn length(self) -> usize {
        self.matrix.columns()
    }

    #[inline(always)]
    fn cut(self, _length: usize) -> Self {
        self
    }

    #[inline(always)]
    fn at(&self, k: usize) -> Option<&[T::Vector<S>; V]> {
        T::split::<S>(&self.matrix.stored_column(k)[self.row..]).0.first_chunk()
    }
}

/// N columns of B, entry by entry.
trait Entries<T>: Copy {
    /// Their first `length` rows.
    fn cut(self, length: usize) -> Self;
    /// Row k of column j.
    fn at(self, k: usize, j: usize) -> T;
}

impl<T: Copy, const N: usize> Entries<T> for &[[T; N]] {
    #[inline(always)]
    fn cut(self, length: usize) -> Self {
        &self[..length]
    }

    #[inline(always)]
    fn at(self, k: usize, j: usize) -> T {
        self[k][j]
    }
}

impl<T: Copy, const N: usize> Entries<T> for [&[T]; N] {
    #[inline(always)]
    fn cut(mut self, length: usize) -> Self {
        for column in &mut self {
            *column = &column[..length];
        }
        self
    }

    #[inline(always)]
    fn at(self, k: usize, j: usize) -> T {
        self[j][k]
    }
}

impl<P: Copy, const N: usize> Entries<Complex<P>> for &[[[P; N]; 2]] {
    #[inline(always)]
    fn cut(self, length: usize) -> Self {
        &self[..length]
    }

    #[inline(always)]
    fn at(self, k: usize, j: usize) -> Complex<P> {
        Complex::new(self[k][0][j], self[k][1][j])
    }
}

/// C ← alpha times the sum over k of A's k-th column and B's k-th row, plus beta·C.
struct RealTile<'a, 'b, S: Simd, T: Part, A, B, const V: usize, const N: usize> {
    simd: S,
    scale: Scale<T>,
    a: A,
    b: B,
    c: Target<'a, 'b, T>,
}

impl<S: Simd, T: Part, A, B, const V: usize, const N: usize> NullaryFnOnce
    for RealTile<'_, '_, S, T, A, B, V, N>
where
    A: Columns<S, T, V>,
    B: Entries<T>,
{
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let simd = self.simd;
        let mut sums = [[T::splat(simd, T::ZERO); V]; N];
        // Opaque, or the compiler derives the length from the slices anew for every k; and cut here,
        // where the loop is compiled, or every entry is looked up with a check of its own.
        let length = std::hint::black_box(self.a.length());
        let (columns, entries) = (self.a.cut(length), self.b.cut(length));
        for k in 0..length {
            let Some(a) = columns.at(k) else { continue };
            for j in 0..N {
                let b = T::splat(simd, entries.at(k, j));
                for i in 0..V {
                    sums[j][i] = T::mul_add(simd, a[i], b, sums[j][i]);
                }
            }
        }
        let Scale { alpha, beta } = self.scale;
        let (alpha, rows) = (T::splat(simd, alpha), V * T::lanes::<S>());
        let Target { columns, row } = self.c;
        if let Ok(columns) = <&mut [&mut [T]; N]>::try_from(&mut *columns)
            && columns.iter().all(|column| column.len() >= row + rows)
        {
            // All columns first, then little but stores: each sum stays in its register to the end. (By a loop: a
            // closure may become a call, before which the registers are emptied.)
            let mut to: [Option<&mut [T::Vector<S>; V]>; N] = [const { None }; N];
            for (to, column) in to.iter_mut().zip(columns) {
                *to = vectors_mut::<S, T, V>(column, row);
            }
            for j in 0..N {
                if let Some(to) = &mut to[j] {
                    for i in 0..V {
                        let sum = T::times(simd, alpha, sums[j][i]);
                        to[i] = updated::<S, T>(simd, beta, sum, to[i]);
                    }
                }
            }
            return;
        }
        // What is reached by an index that the compiler does not know lies in memory, and not `sums` themselves, or
        // they would all through the loop.
        let mut copy = [[alpha; V]; N];
        for j in 0..N {
            for i in 0..V {
                copy[j][i] = T::times(simd, alpha, sums[j][i]);
            }
        }
        for (column, sums) in columns.iter_mut().zip(&copy) {
            // A copy with the tile's length, so that every entry is rounded alike.
            let mut whole = [T::ZERO; MOST_ROWS];
            let column = &mut column[row..];
            let length = column.len().min(rows);
            whole[..length].copy_from_slice(&column[..length]);
            for (c, sum) in T::split_mut::<S>(&mut whole[..rows]).0.iter_mut().zip(sums) {
                *c = updated::<S, T>(simd, beta, *sum, *c);
            }
            column[..length].copy_from_slice(&whole[..length]);
        }
    }
}

/// The V vectors of a column from `row`.
#[inline(always)]
fn vectors_mut<S: Simd, T: Part, const V: usize>(
    column: &mut [T],
    row: usize,
) -> Option<&mut [T::Vector<S>; V]> {
    T::split_mut::<S>(column.get_mut(row..)?).0.first_chunk_mut()
}

/// sum + beta·c.
#[inline(always)]
fn updated<S: Simd, T: Part>(simd: S, beta: T, sum: T::Vector<S>, c: T::Vector<S>) -> T::Vector<S> {
    if beta == T::ZERO {
        sum
    } else if beta == T::ONE {
        T::plus(simd, sum, c)
    } else {
        T::mul_add(simd, T::splat(simd, beta), c, sum)
    }
}

/// [`real_tile`] for complex numbers; panels hold real and imaginary parts apart, so that no lane
/// is ever shuffled in the loop.
#[inline(always)]
pub(super) fn complex_tile<S: Simd, P: Part, const V: usize, const N: usize>(
    simd: S,
    scale: Scale<Complex<P>>,
    a: Left<'_, Complex<P>>,
    b: Right<'_, Complex<P>, N>,
    columns: &mut [&mut [Complex<P>]],
    row: usize,
) where
    Complex<P>: Entry<Part = P>,
{
    // Real and imaginary parts lie mixed in the matrix: it is always copied.
    let Left::Packed(a) = a else { return };
    let a = P::split::<S>(a).0.as_chunks::<V>().0.as_chunks::<2>().0;
    let sums: [[[P::Vector<S>; V]; 2]; N] = match b {
        Right::Packed(b) => {
            let b = b.as_chunks::<N>().0.as_chunks::<2>().0;
            simd.vectorize(ComplexSums::<S, P, _, V, N> { simd, a, b })
        }
        Right::Stored(b) => simd.vectorize(ComplexSums::<S, P, _, V, N> { simd, a, b }),
    };
    let Scale { alpha, beta } = scale;
    for (column, [re, im]) in columns.iter_mut().zip(&sums) {
        let mut real = [P::ZERO; MOST_ROWS];
        let mut imaginary = [P::ZERO; MOST_ROWS];
        P::split_mut::<S>(&mut real).0[..V].copy_from_slice(re);
        P::split_mut::<S>(&mut imaginary).0[..V].copy_from_slice(im);
        let sums = real.iter().zip(&imaginary).take(V * P::lanes::<S>());
        let column = column[row..].iter_mut().zip(sums);
        if beta.re == P::ZERO && beta.im == P::ZERO {
            for (c, (&re, &im)) in column {
                c.re = alpha.re * re - alpha.im * im;
                c.im = alpha.re * im + alpha.im * re;
            }
        } else {
            for (c, (&re, &im)) in column {
                let old = *c;
                c.re = alpha.re * re - alpha.im * im + (beta.re * old.re - beta.im * old.im);
                c.im = alpha.re * im + alpha.im * re + (beta.re * old.im + beta.im * old.re);
            }
        }
    }
}

/// Real and imaginary parts of the sum over k of A's k-th column and B's k-th row.
struct ComplexSums<'a, S: Simd, P: Part, B, const V: usize, const N: usize> {
    simd: S,
    a: &'a [[[P::Vector<S>; V]; 2]],
    b: B,
}

impl<S: Simd, P: Part, B, const V: usize, const N: usize> NullaryFnOnce
    for ComplexSums<'_, S, P, B, V, N>
where
    B: Entries<Complex<P>>,
{
    type Output = [[[P::Vector<S>; V]; 2]; N];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let simd = self.simd;
        let mut re = [[P::splat(simd, P::ZERO); V]; N];
        let mut im = [[P::splat(simd, P::ZERO); V]; N];
        let length = std::hint::black_box(self.a.len());
        let (a, entries) = (&self.a[..length], self.b.cut(length));
        for (k, [a_re, a_im]) in a.iter().enumerate() {
            for j in 0..N {
                let b = entries.at(k, j);
                let (b_re, b_im) = (P::splat(simd, b.re), P::splat(simd, b.im));
                for i in 0..V {
                    re[j][i] = P::mul_add(simd, a_re[i], b_re, re[j][i]);
                    im[j][i] = P::mul_add(simd, a_re[i], b_im, im[j][i]);
                    re[j][i] = P::mul_sub(simd, a_im[i], b_im, re[j][i]);
                    im[j][i] = P::mul_add(simd, a_im[i], b_re, im[j][i]);
                }
            }
        }
        let mut sums = [[re[0]; 2]; N];
        for j in 0..N {
            sums[j] = [re[j], im[j]];
        }
        sums
    }
}
