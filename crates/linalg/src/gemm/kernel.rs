//! The innermost loops: one tile of C, held in registers, from a panel of A and a panel of B.

use super::lanes::Lanes;
use nalgebra::Complex;
use pulp::Simd;
use std::cell::Cell;
use std::thread::LocalKey;

/// Bytes in a cache line, and in the widest vector.
const CACHE_LINE: usize = 64;

/// No tile has more rows than this.
pub(super) const MOST_ROWS: usize = 64;

/// How a product meets what C held: c ← alpha·a·b + beta·c.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale<T> {
    /// The factor of the product.
    pub(super) alpha: T,
    /// The factor of what C held.
    pub(super) beta: T,
}

/// A shape of tile and the loop that fills it.
pub(super) trait Tile<S: Simd, T> {
    /// What a panel is made of.
    type Part: Lanes;
    /// Rows of the tile, those of a panel of A.
    const ROWS: usize;
    /// Columns of the tile, those of a panel of B.
    const COLUMNS: usize;

    /// Adds to C's rows from `row` on, in the given columns, the product of two panels.
    fn run(
        simd: S,
        scale: Scale<T>,
        a: &[Self::Part],
        b: &[Self::Part],
        columns: &mut [&mut [T]],
        row: usize,
    );
}

/// V vectors by N columns of a real matrix.
#[derive(Debug)]
pub(super) struct RealTile<const V: usize, const N: usize>;

/// V vectors by N columns of a complex matrix, real and imaginary parts apart.
#[derive(Debug)]
pub(super) struct ComplexTile<const V: usize, const N: usize>;

/// What the two kernels need of `f32` and `f64` beyond lanes.
pub trait Part:
    Lanes
    + PartialEq
    + std::ops::Mul<Output = Self>
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
{
    const ZERO: Self;
    const ONE: Self;

    /// This thread's buffer for packing.
    const BUFFER: &'static LocalKey<Cell<Vec<Self>>>;

    /// c − a·b.
    fn mul_sub<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
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

impl<S: Simd, T: Part, const V: usize, const N: usize> Tile<S, T> for RealTile<V, N> {
    type Part = T;
    const ROWS: usize = V * (size_of::<T::Vector<S>>() / size_of::<T>());
    const COLUMNS: usize = N;

    #[inline(always)]
    fn run(simd: S, scale: Scale<T>, a: &[T], b: &[T], columns: &mut [&mut [T]], row: usize) {
        let rows = <Self as Tile<S, T>>::ROWS;
        let (a, _) = T::split::<S>(a).0.as_chunks::<V>();
        let (b, _) = b.as_chunks::<N>();
        let mut tile = [[T::splat(simd, T::ZERO); V]; N];
        for (a, b) in a.iter().zip(b) {
            for j in 0..N {
                let b = T::splat(simd, b[j]);
                for i in 0..V {
                    tile[j][i] = T::mul_add(simd, a[i], b, tile[j][i]);
                }
            }
        }
        let alpha = T::splat(simd, scale.alpha);
        for (column, sums) in columns.iter_mut().zip(tile) {
            let column = &mut column[row..];
            if let Some(column) = column.get_mut(..rows) {
                update::<S, T, V>(simd, alpha, scale.beta, sums, column);
            } else {
                let mut whole = [T::ZERO; MOST_ROWS];
                whole[..column.len()].copy_from_slice(column);
                update::<S, T, V>(simd, alpha, scale.beta, sums, &mut whole[..rows]);
                let length = column.len();
                column.copy_from_slice(&whole[..length]);
            }
        }
    }
}

/// column ← alpha·sums + beta·column, for a column as long as the tile.
#[inline(always)]
fn update<S: Simd, T: Part, const V: usize>(
    simd: S,
    alpha: T::Vector<S>,
    beta: T,
    sums: [T::Vector<S>; V],
    column: &mut [T],
) {
    let column = T::split_mut::<S>(column).0;
    if beta == T::ZERO {
        for (c, sum) in column.iter_mut().zip(sums) {
            *c = T::times(simd, alpha, sum);
        }
    } else if beta == T::ONE {
        for (c, sum) in column.iter_mut().zip(sums) {
            *c = T::mul_add(simd, alpha, sum, *c);
        }
    } else {
        let beta = T::splat(simd, beta);
        for (c, sum) in column.iter_mut().zip(sums) {
            *c = T::mul_add(simd, alpha, sum, T::times(simd, beta, *c));
        }
    }
}

impl<S: Simd, P: Part, const V: usize, const N: usize> Tile<S, Complex<P>> for ComplexTile<V, N> {
    type Part = P;
    const ROWS: usize = V * (size_of::<P::Vector<S>>() / size_of::<P>());
    const COLUMNS: usize = N;

    #[inline(always)]
    fn run(
        simd: S,
        scale: Scale<Complex<P>>,
        a: &[P],
        b: &[P],
        columns: &mut [&mut [Complex<P>]],
        row: usize,
    ) {
        let (a, _) = P::split::<S>(a).0.as_chunks::<V>().0.as_chunks::<2>();
        let (b, _) = b.as_chunks::<N>().0.as_chunks::<2>();
        let mut real = [[P::splat(simd, P::ZERO); V]; N];
        let mut imaginary = [[P::splat(simd, P::ZERO); V]; N];
        for ([a_re, a_im], [b_re, b_im]) in a.iter().zip(b) {
            for j in 0..N {
                let re = P::splat(simd, b_re[j]);
                let im = P::splat(simd, b_im[j]);
                for i in 0..V {
                    real[j][i] = P::mul_add(simd, a_re[i], re, real[j][i]);
                    imaginary[j][i] = P::mul_add(simd, a_re[i], im, imaginary[j][i]);
                    real[j][i] = P::mul_sub(simd, a_im[i], im, real[j][i]);
                    imaginary[j][i] = P::mul_add(simd, a_im[i], re, imaginary[j][i]);
                }
            }
        }
        let Scale { alpha, beta } = scale;
        for (column, (real, imaginary)) in columns.iter_mut().zip(real.iter().zip(&imaginary)) {
            let mut re = [P::ZERO; MOST_ROWS];
            let mut im = [P::ZERO; MOST_ROWS];
            P::split_mut::<S>(&mut re).0[..V].copy_from_slice(real);
            P::split_mut::<S>(&mut im).0[..V].copy_from_slice(imaginary);
            let column = &mut column[row..];
            if beta.re == P::ZERO && beta.im == P::ZERO {
                for (c, (&re, &im)) in column
                    .iter_mut()
                    .zip(re.iter().zip(&im))
                    .take(<Self as Tile<S, Complex<P>>>::ROWS)
                {
                    c.re = alpha.re * re - alpha.im * im;
                    c.im = alpha.re * im + alpha.im * re;
                }
            } else {
                for (c, (&re, &im)) in column
                    .iter_mut()
                    .zip(re.iter().zip(&im))
                    .take(<Self as Tile<S, Complex<P>>>::ROWS)
                {
                    let old = *c;
                    c.re = alpha.re * re - alpha.im * im + (beta.re * old.re - beta.im * old.im);
                    c.im = alpha.re * im + alpha.im * re + (beta.re * old.im + beta.im * old.re);
                }
            }
        }
    }
}
