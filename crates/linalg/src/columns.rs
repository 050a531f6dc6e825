//! Arithmetic on columns, on the processor's vector lanes: what the factorisations do within a
//! block too narrow for a matrix product.
//!
//! The functions are inlined into the caller's `with_simd`, which is compiled for the instruction
//! set found at run time. Sums have an order of their own, which depends on the length alone.

use crate::Scalar;
use crate::gemm::lanes::Lanes;
use crate::precision::re;
use pulp::{Arch, Scalar as OneLane, Simd, WithSimd};

/// Vectors that are summed side by side.
const SIDE_BY_SIDE: usize = 4;

/// Columns shorter than this do not fill the widest vectors often enough to pay for them.
const SHORT: usize = 24;

/// Runs `work` on columns of this length with the processor's widest lanes, or with single numbers
/// where the columns are short.
pub(crate) fn dispatch<W: WithSimd>(length: usize, work: W) -> W::Output {
    if length < SHORT { OneLane.vectorize(work) } else { Arch::new().dispatch(work) }
}

/// Σ conj(xᵢ)·yᵢ.
#[inline(always)]
pub(crate) fn dot<S: Simd, T: Lanes>(simd: S, x: &[T], y: &[T]) -> T {
    let ((x, x_rest), (y, y_rest)) = (T::split::<S>(x), T::split::<S>(y));
    let mut sums = [T::splat(simd, T::default()); SIDE_BY_SIDE];
    let ((x, x_few), (y, y_few)) = (x.as_chunks::<SIDE_BY_SIDE>(), y.as_chunks::<SIDE_BY_SIDE>());
    for (x, y) in x.iter().zip(y) {
        for i in 0..SIDE_BY_SIDE {
            sums[i] = T::conj_mul_add(simd, x[i], y[i], sums[i]);
        }
    }
    for (i, (&x, &y)) in x_few.iter().zip(y_few).enumerate() {
        sums[i] = T::conj_mul_add(simd, x, y, sums[i]);
    }
    let (x, y) = (T::load_part(simd, x_rest), T::load_part(simd, y_rest));
    sums[3] = T::conj_mul_add(simd, x, y, sums[3]);
    let sum = T::plus(simd, T::plus(simd, sums[0], sums[1]), T::plus(simd, sums[2], sums[3]));
    T::sum(simd, sum)
}

/// y ← y + Σ aₖ·xₖ, for columns xₖ of the length of y.
#[inline(always)]
pub(crate) fn add_combination<S: Simd, T: Lanes, const N: usize>(
    simd: S,
    factors: [T; N],
    columns: [&[T]; N],
    y: &mut [T],
) {
    let factors = factors.map(|factor| T::splat(simd, factor));
    let columns = columns.map(|column| T::split::<S>(&column[..y.len()]));
    let (y, y_rest) = T::split_mut::<S>(y);
    let whole = columns.map(|(whole, _)| &whole[..y.len()]);
    for (i, y) in y.iter_mut().enumerate() {
        for k in 0..N {
            *y = T::mul_add(simd, whole[k][i], factors[k], *y);
        }
    }
    if !y_rest.is_empty() {
        let mut rest = T::load_part(simd, y_rest);
        for k in 0..N {
            rest = T::mul_add(simd, T::load_part(simd, columns[k].1), factors[k], rest);
        }
        T::store_part(simd, y_rest, rest);
    }
}

/// y ← y + a·x.
#[inline(always)]
pub(crate) fn add<S: Simd, T: Lanes>(simd: S, factor: T, x: &[T], y: &mut [T]) {
    add_combination(simd, [factor], [x], y);
}

/// x ← a·x.
#[inline(always)]
pub(crate) fn scale<S: Simd, T: Lanes>(simd: S, factor: T, x: &mut [T]) {
    let factor = T::splat(simd, factor);
    let (x, x_rest) = T::split_mut::<S>(x);
    for x in x {
        *x = T::times(simd, *x, factor);
    }
    if !x_rest.is_empty() {
        let rest = T::times(simd, T::load_part(simd, x_rest), factor);
        T::store_part(simd, x_rest, rest);
    }
}

/// ‖x‖₂ in double precision; squares neither over- nor underflow. A NaN stays one.
#[inline(always)]
pub(crate) fn norm<S: Simd, T: Scalar>(simd: S, x: &[T]) -> f64 {
    let squares = re(dot(simd, x, x));
    // Above this, squares that underflowed do not count.
    if squares.is_finite() && squares > T::MIN_POSITIVE / T::EPSILON {
        return squares.sqrt();
    }
    crate::krylov::vector::norm(x)
}
