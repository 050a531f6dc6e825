//! What is made of single reflectors: a pivoted QR, orthogonal complements.
//!
//! Small and unblocked, for the fallbacks and for small sizes, whose columns are too short for vectors
//! to pay: [`columns`] and [`reflectors`](crate::reflectors) with one lane.

use nalgebra::DMatrix;
use pulp::Scalar as OneLane;

use crate::kernels::Kernels;
use crate::precision::re;
use crate::reflectors::{Side, apply_one_by_one};
use crate::{columns, reflectors};

/// Squares of norms below this are taken for zero. The matrices here are scaled to entries near 1,
/// so it costs an error of 1e-140, and no rotation is made of subnormal squares.
pub(crate) const NEGLIGIBLE: f64 = 1e-280;

/// xᴴ·y.
pub(crate) fn dot<D: Kernels>(x: &[D], y: &[D]) -> D {
    columns::dot(OneLane, x, y)
}

/// ‖x‖².
pub(crate) fn norm_squared<D: Kernels>(x: &[D]) -> f64 {
    dot(x, x).real()
}

/// y ← y + alpha·x.
pub(crate) fn axpy<D: Kernels>(alpha: D, x: &[D], y: &mut [D]) {
    columns::add(OneLane, alpha, x, y);
}

/// Two different columns of a column-major matrix with `rows` rows, `first` < `second`.
pub(crate) fn two_columns<D>(
    entries: &mut [D],
    rows: usize,
    first: usize,
    second: usize,
) -> (&mut [D], &mut [D]) {
    let (head, tail) = entries.split_at_mut(second * rows);
    (&mut head[first * rows..(first + 1) * rows], &mut tail[..rows])
}

/// Makes `x` the vector v of a reflector and returns τ and β.
pub(crate) fn reflector<D: Kernels>(x: &mut [D]) -> (D, f64) {
    let (tau, beta) = reflectors::reflector(OneLane, x);
    (tau, re(beta))
}

/// y ← (I − tau·v·vᴴ)·y.
pub(crate) fn reflect<D: Kernels>(tau: D, v: &[D], y: &mut [D]) {
    let factor = -tau * dot(v, y);
    axpy(factor, v, y);
}

/// A·P = Q·R with column pivoting; rows ≥ columns.
pub(crate) struct PivotedQr<D> {
    /// R in the upper triangle; below the diagonal the tails of the reflectors.
    factors: DMatrix<D>,
    taus: Vec<D>,
    /// Column j of A·P is column `permutation[j]` of A.
    pub(crate) permutation: Vec<usize>,
}

impl<D: Kernels> PivotedQr<D> {
    /// Factors `a` in its own storage.
    pub(crate) fn new(mut a: DMatrix<D>) -> Self {
        let (m, n) = a.shape();
        let mut permutation: Vec<usize> = (0..n).collect();
        let mut taus = Vec::with_capacity(n);
        for j in 0..n {
            // The norms are computed anew in each step: updating them loses digits, and this is
            // not where the time goes.
            let norms = (j..n).map(|column| norm_squared(&a.column(column).as_slice()[j..]));
            let best =
                norms.enumerate().fold(
                    (0, -1.0),
                    |best, (index, norm)| {
                        if norm > best.1 { (index, norm) } else { best }
                    },
                );
            a.swap_columns(j, j + best.0);
            permutation.swap(j, j + best.0);
            let (head, tail) = a.as_mut_slice().split_at_mut((j + 1) * m);
            let v = &mut head[j * m + j..];
            let (tau, beta) = reflector(v);
            for column in tail.chunks_exact_mut(m) {
                reflect(tau.conjugate(), v, &mut column[j..]);
            }
            v[0] = D::from_real(beta);
            taus.push(tau);
        }
        Self { factors: a, taus, permutation }
    }

    /// Rᴴ, lower triangular.
    pub(crate) fn r_adjoint(&self) -> DMatrix<D> {
        let n = self.factors.ncols();
        DMatrix::from_fn(
            n,
            n,
            |i, j| {
                if i < j { D::zero() } else { self.factors[(j, i)].conjugate() }
            },
        )
    }

    /// Q·[top; 0].
    pub(crate) fn q_times(&self, top: &DMatrix<D>) -> DMatrix<D> {
        let (m, n) = self.factors.shape();
        let mut product = DMatrix::zeros(m, top.ncols());
        product.rows_mut(0, n).copy_from(top);
        let factors = self.factors.as_view();
        apply_one_by_one(Side::Forward, factors, 0, &self.taus, product.as_view_mut());
        product
    }
}

/// An orthonormal basis of what the orthonormal columns of `basis` do not span.
pub(crate) fn complement<D: Kernels>(basis: &DMatrix<D>) -> DMatrix<D> {
    let (m, rank) = basis.shape();
    let mut packed = basis.clone();
    let mut taus = Vec::with_capacity(rank);
    for j in 0..rank {
        let (head, tail) = packed.as_mut_slice().split_at_mut((j + 1) * m);
        let v = &mut head[j * m + j..];
        let (tau, _) = reflector(v);
        for column in tail.chunks_exact_mut(m) {
            reflect(tau.conjugate(), v, &mut column[j..]);
        }
        taus.push(tau);
    }
    let mut rest =
        DMatrix::from_fn(m, m - rank, |i, j| if i == rank + j { D::one() } else { D::zero() });
    apply_one_by_one(Side::Forward, packed.as_view(), 0, &taus, rest.as_view_mut());
    rest
}
