//! The innermost loops: one tile of C, held in registers, from a panel of A and a panel of B.

use super::Entry;
use super::part::Part;
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

/// `columns[..][row..]` ← alpha·a·b + beta·`columns[..][row..]` for a tile of V vectors by N
/// columns; what of the tile reaches beyond C is dropped.
#[inline(always)]
pub(super) fn real_tile<S: Simd, T: Entry<Part = T> + Part, const V: usize, const N: usize>(
    simd: S,
    scale: Scale<T>,
    a: &[T],
    b: &[T],
    columns: &mut [&mut [T]],
    row: usize,
) {
    let a = T::split::<S>(a).0.as_chunks::<V>().0;
    let b = b.as_chunks::<N>().0;
    let sums = simd.vectorize(RealSums { simd, a, b });
    let rows = V * T::lanes::<S>();
    let alpha = T::splat(simd, scale.alpha);
    for (column, sums) in columns.iter_mut().zip(&sums) {
        let column = &mut column[row..];
        if let Some(column) = column.get_mut(..rows) {
            update::<S, T, V>(simd, alpha, scale.beta, sums, column);
        } else {
            // A copy with the tile's length, so that every entry is rounded alike.
            let mut whole = [T::ZERO; MOST_ROWS];
            let length = column.len();
            whole[..length].copy_from_slice(column);
            update::<S, T, V>(simd, alpha, scale.beta, sums, &mut whole[..rows]);
            column.copy_from_slice(&whole[..length]);
        }
    }
}

/// The sum over k of A's columns times B's rows.
///
/// A function of its own (`vectorize` is not inlined before it has been optimized): inlined into
/// the loops around it, its sums would be kept in memory.
struct RealSums<'a, S: Simd, T: Part, const V: usize, const N: usize> {
    simd: S,
    a: &'a [[T::Vector<S>; V]],
    b: &'a [[T; N]],
}

impl<S: Simd, T: Part, const V: usize, const N: usize> NullaryFnOnce for RealSums<'_, S, T, V, N> {
    type Output = [[T::Vector<S>; V]; N];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let simd = self.simd;
        let mut sums = [[T::splat(simd, T::ZERO); V]; N];
        for (a, b) in self.a.iter().zip(self.b) {
            for j in 0..N {
                let b = T::splat(simd, b[j]);
                for i in 0..V {
                    sums[j][i] = T::mul_add(simd, a[i], b, sums[j][i]);
                }
            }
        }
        sums
    }
}

/// column ← alpha·sums + beta·column, for a column as long as the tile.
#[inline(always)]
fn update<S: Simd, T: Part, const V: usize>(
    simd: S,
    alpha: T::Vector<S>,
    beta: T,
    sums: &[T::Vector<S>; V],
    column: &mut [T],
) {
    let column = T::split_mut::<S>(column).0;
    if beta == T::ZERO {
        for (c, sum) in column.iter_mut().zip(sums) {
            *c = T::times(simd, alpha, *sum);
        }
    } else if beta == T::ONE {
        for (c, sum) in column.iter_mut().zip(sums) {
            *c = T::mul_add(simd, alpha, *sum, *c);
        }
    } else {
        let beta = T::splat(simd, beta);
        for (c, sum) in column.iter_mut().zip(sums) {
            *c = T::mul_add(simd, alpha, *sum, T::times(simd, beta, *c));
        }
    }
}

/// [`real_tile`] for complex numbers; panels hold real and imaginary parts apart, so that no lane
/// is ever shuffled in the loop.
#[inline(always)]
pub(super) fn complex_tile<S: Simd, P: Part, const V: usize, const N: usize>(
    simd: S,
    scale: Scale<Complex<P>>,
    a: &[P],
    b: &[P],
    columns: &mut [&mut [Complex<P>]],
    row: usize,
) where
    Complex<P>: Entry<Part = P>,
{
    let a = P::split::<S>(a).0.as_chunks::<V>().0.as_chunks::<2>().0;
    let b = b.as_chunks::<N>().0.as_chunks::<2>().0;
    let sums = simd.vectorize(ComplexSums { simd, a, b });
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

/// Real and imaginary parts of the sum over k of A's columns times B's rows.
struct ComplexSums<'a, S: Simd, P: Part, const V: usize, const N: usize> {
    simd: S,
    a: &'a [[[P::Vector<S>; V]; 2]],
    b: &'a [[[P; N]; 2]],
}

impl<S: Simd, P: Part, const V: usize, const N: usize> NullaryFnOnce
    for ComplexSums<'_, S, P, V, N>
{
    type Output = [[[P::Vector<S>; V]; 2]; N];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let simd = self.simd;
        let mut sums = [[[P::splat(simd, P::ZERO); V]; 2]; N];
        for ([a_re, a_im], [b_re, b_im]) in self.a.iter().zip(self.b) {
            for j in 0..N {
                let b_re = P::splat(simd, b_re[j]);
                let b_im = P::splat(simd, b_im[j]);
                for i in 0..V {
                    let [re, im] = &mut sums[j];
                    re[i] = P::mul_add(simd, a_re[i], b_re, re[i]);
                    im[i] = P::mul_add(simd, a_re[i], b_im, im[i]);
                    re[i] = P::mul_sub(simd, a_im[i], b_im, re[i]);
                    im[i] = P::mul_add(simd, a_im[i], b_re, im[i]);
                }
            }
        }
        sums
    }
}
