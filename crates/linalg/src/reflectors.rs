//! Householder reflectors, one by one and in blocks: Q = H₀·H₁⋯ = I − V·T·Vᴴ with V unit lower
//! trapezoidal and T upper triangular (Schreiber and Van Loan, "A storage-efficient WY representation for products
//! of Householder transformations", SIAM J. Sci. Stat. Comput. 10, 1989).
//!
//! A reflector is H = I − τ·v·vᴴ with v₁ = 1, chosen so that its adjoint maps x to β·e₁ with β
//! real, also for complex x (LAPACK's `zlarfg`).

use crate::columns::{add, dot, norm, scale};
use crate::door::power_of_two_near;
use crate::gemm::{self, Job};
use crate::precision::{im, re};
use crate::product::{Operand, adjoint};
use crate::triangular::{subtract_product, take_columns};
use crate::{DMatrixView, DMatrixViewMut, Scalar, Threads};
use pulp::{Arch, Simd, WithSimd};

/// Panels up to this width are reduced column by column.
const SMALL: usize = 8;

/// Which of Q and its adjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Q.
    Forward,
    /// Qᴴ.
    Adjoint,
}

/// Memory for the products that a block needs, kept from block to block.
#[derive(Debug, Default)]
pub(crate) struct Workspace<T> {
    entries: Vec<T>,
}

impl<T: Scalar> Workspace<T> {
    /// Two matrices of any content.
    fn pair(
        &mut self,
        rows: usize,
        columns: usize,
    ) -> (DMatrixViewMut<'_, T>, DMatrixViewMut<'_, T>) {
        let length = rows * columns;
        if self.entries.len() < 2 * length {
            self.entries.resize(2 * length, T::zero());
        }
        let (first, second) = self.entries.split_at_mut(length);
        (
            DMatrixViewMut::from_slice(first, rows, columns),
            DMatrixViewMut::from_slice(&mut second[..length], rows, columns),
        )
    }
}

/// A block of reflectors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a, T: Scalar> {
    /// V, with its ones and zeros written out.
    pub(crate) v: DMatrixView<'a, T>,
    /// T, with its zeros written out.
    pub(crate) t: DMatrixView<'a, T>,
}

impl<T: Scalar> Block<'_, T> {
    /// c ← (I − V·T·Vᴴ)·c or (I − V·Tᴴ·Vᴴ)·c.
    pub(crate) fn apply(
        self,
        side: Side,
        c: DMatrixViewMut<'_, T>,
        workspace: &mut Workspace<T>,
        threads: Threads,
    ) {
        let (mut w, mut tw) = workspace.pair(self.v.ncols(), c.ncols());
        let t = match side {
            Side::Forward => self.t.into(),
            Side::Adjoint => adjoint(self.t),
        };
        multiply(adjoint(self.v), c.as_view(), w.as_view_mut(), threads);
        multiply(t, w.as_view(), tw.as_view_mut(), threads);
        subtract_product(self.v, tw.as_view(), c, threads);
    }
}

/// c ← a·b.
fn multiply<'a, T: Scalar>(
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'a, T>>,
    c: DMatrixViewMut<'_, T>,
    threads: Threads,
) {
    if !c.is_empty() {
        let (a, b) = (a.into(), b.into());
        gemm::multiply(
            &Job { alpha: T::one(), a, b, beta: T::zero(), lower: None, around: None },
            c,
            threads,
        );
    }
}

/// Factors a panel with at least as many rows as columns: leaves R and the tails of the reflectors
/// in `a`, and writes V and T out into `v` and `t`, which hold zeros.
///
/// By halves (Elmroth and Gustavson, IBM J. Res. Dev. 44(4), 2000), so that most of it is products.
pub(crate) fn factor_panel<T: Scalar>(
    a: &mut DMatrixViewMut<'_, T>,
    v: &mut DMatrixViewMut<'_, T>,
    t: &mut DMatrixViewMut<'_, T>,
    workspace: &mut Workspace<T>,
    threads: Threads,
) {
    let (m, n) = a.shape();
    if n <= SMALL {
        return Arch::new().dispatch(Small { a, v, t });
    }
    let half = (n / 2).next_multiple_of(SMALL);
    let (mut a1, mut a2) = a.columns_range_pair_mut(..half, half..);
    let (mut v1, mut v2) = v.columns_range_pair_mut(..half, half..);
    let (mut t_left, mut t_right) = t.columns_range_pair_mut(..half, half..);
    let mut t1 = t_left.rows_mut(0, half);
    let (mut t12, mut t2) = t_right.rows_range_pair_mut(..half, half..);

    factor_panel(&mut a1, &mut v1, &mut t1, workspace, threads);
    let first = Block { v: v1.as_view(), t: t1.as_view() };
    first.apply(Side::Adjoint, a2.as_view_mut(), workspace, threads);
    let (mut a2, mut v2) = (a2.rows_mut(half, m - half), v2.rows_mut(half, m - half));
    factor_panel(&mut a2, &mut v2, &mut t2, workspace, threads);

    // (I − V₁T₁V₁ᴴ)(I − V₂T₂V₂ᴴ) has −T₁·(V₁ᴴV₂)·T₂ beside T₁ and T₂.
    let (mut w, mut wt) = workspace.pair(half, n - half);
    let below = first.v.rows(half, m - half);
    multiply(adjoint(below), v2.as_view(), w.as_view_mut(), threads);
    multiply(w.as_view(), t2.as_view(), wt.as_view_mut(), threads);
    subtract_product(first.t, wt.as_view(), t12.as_view_mut(), threads);
}

/// [`factor_panel`], one column after the other.
struct Small<'a, 'b, 'c, 'd, T: Scalar> {
    a: &'a mut DMatrixViewMut<'b, T>,
    v: &'a mut DMatrixViewMut<'c, T>,
    t: &'a mut DMatrixViewMut<'d, T>,
}

impl<T: Scalar> WithSimd for Small<'_, '_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.a.ncols();
        let mut columns: [&mut [T]; SMALL] = take_columns(self.a);
        let mut reflectors: [&mut [T]; SMALL] = take_columns(self.v);
        for j in 0..n {
            let (known, rest) = reflectors.split_at_mut(j);
            let v = &mut rest[0][j..];
            let (column, others) = columns[j..n].split_at_mut(1);
            let column = &mut column[0][j..];
            let (tau, beta) = reflector(simd, column);
            v.copy_from_slice(column);
            column[0] = beta;
            for other in others {
                let other = &mut other[j..];
                let factor = -tau.conjugate() * dot(simd, v, other);
                add(simd, factor, v, other);
            }
            // The new column of T is −τ·T·Vᴴv above τ.
            let mut products = [T::zero(); SMALL];
            for (product, known) in products.iter_mut().zip(known) {
                *product = -tau * dot(simd, &known[j..], v);
            }
            for i in 0..j {
                self.t[(i, j)] =
                    (i..j).fold(T::zero(), |sum, k| sum + self.t[(i, k)] * products[k]);
            }
            self.t[(j, j)] = tau;
        }
    }
}

/// Makes `x` the vector v of a reflector and returns τ and β.
#[inline(always)]
pub(crate) fn reflector<S: Simd, T: Scalar>(simd: S, x: &mut [T]) -> (T, T) {
    let Some((alpha, tail)) = x.split_first_mut() else { return (T::zero(), T::zero()) };
    let below = norm(simd, tail);
    let (re, im) = (re(*alpha), im(*alpha));
    if below == 0.0 && im == 0.0 {
        *alpha = T::one();
        return (T::zero(), nalgebra::convert(re));
    }
    let beta = -re.hypot(im).hypot(below).copysign(re);
    // Divided by a power of two in two steps, neither of which leaves the range.
    let (first, second) = power_of_two_near(beta.abs());
    let near = |x: T| x.unscale(nalgebra::convert(first)).unscale(nalgebra::convert(second));
    let near_beta: T = nalgebra::convert(beta / first / second);
    let near_alpha = near(*alpha);
    let tau = (near_beta - near_alpha) / near_beta;
    let factor = T::one() / (near_alpha - near_beta);
    if (1e-9..1e9).contains(&beta.abs()) {
        scale(simd, factor.unscale(nalgebra::convert(first * second)), tail);
    } else {
        scale(simd, nalgebra::convert(first.recip()), tail);
        scale(simd, factor.unscale(nalgebra::convert(second)), tail);
    }
    *alpha = T::one();
    (tau, nalgebra::convert(beta))
}

/// c ← Q·c or Qᴴ·c one reflector at a time, where the tail of reflector j stands in column j of `a`
/// from row j + `offset` + 1 and `taus[j]` is its factor: for a few columns c, or a small Q.
pub(crate) fn apply_one_by_one<T: Scalar>(
    side: Side,
    a: DMatrixView<'_, T>,
    offset: usize,
    taus: &[T],
    c: DMatrixViewMut<'_, T>,
) {
    Arch::new().dispatch(OneByOne { side, a, offset, taus, c });
}

struct OneByOne<'a, 'b, T: Scalar> {
    side: Side,
    a: DMatrixView<'a, T>,
    offset: usize,
    taus: &'a [T],
    c: DMatrixViewMut<'b, T>,
}

impl<T: Scalar> WithSimd for OneByOne<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let count = self.taus.len();
        for column in self.c.column_iter_mut() {
            let y = column.data.into_slice_mut();
            for step in 0..count {
                let (j, tau) = match self.side {
                    Side::Forward => (count - 1 - step, self.taus[count - 1 - step]),
                    Side::Adjoint => (step, self.taus[step].conjugate()),
                };
                let first = j + self.offset;
                let tail = &self.a.column(j).data.into_slice()[first + 1..];
                let Some((head, rest)) = y[first..].split_first_mut() else { continue };
                let factor = -tau * (*head + dot(simd, tail, rest));
                *head += factor;
                add(simd, factor, tail, rest);
            }
        }
    }
}
