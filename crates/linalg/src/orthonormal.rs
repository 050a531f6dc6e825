//! Householder reflectors, and what is made of them: a pivoted QR, orthogonal complements.
//!
//! Small and unblocked, for the fallbacks and for small sizes. A reflector is I − τ·v·vᴴ with
//! v₁ = 1, chosen so that its adjoint maps x to β·e₁ with β real, also for complex x (LAPACK's
//! `zlarfg`).

use nalgebra::DMatrix;

use crate::kernels::Kernels;
use crate::precision::{im, re};

/// Squares of norms below this are taken for zero. The matrices here are scaled to entries near 1,
/// so it costs an error of 1e-140; without it a norm would be made of subnormal squares and the
/// reflector would not be unitary.
pub(crate) const NEGLIGIBLE: f64 = 1e-280;

/// xᴴ·y, with four partial sums so that they run side by side.
pub(crate) fn dot<D: Kernels>(x: &[D], y: &[D]) -> D {
    let mut sums = [D::zero(); 4];
    let (x_chunks, y_chunks) = (x.chunks_exact(4), y.chunks_exact(4));
    let tail = x_chunks.remainder().iter().zip(y_chunks.remainder());
    let rest = tail.fold(D::zero(), |sum, (&x, &y)| sum + x.conjugate() * y);
    for (x, y) in x_chunks.zip(y_chunks) {
        for i in 0..4 {
            sums[i] += x[i].conjugate() * y[i];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// ‖x‖².
pub(crate) fn norm_squared<D: Kernels>(x: &[D]) -> f64 {
    dot(x, x).real()
}

/// y ← y + alpha·x.
pub(crate) fn axpy<D: Kernels>(alpha: D, x: &[D], y: &mut [D]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += alpha * x;
    }
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

/// Makes `x` the tail of a reflector v (with v₁ = 1 in `x[0]`) and returns τ and β.
pub(crate) fn reflector<D: Kernels>(x: &mut [D]) -> (D, f64) {
    let Some((&alpha, tail)) = x.split_first() else { return (D::zero(), 0.0) };
    let tail_squared = norm_squared(tail);
    if tail_squared < NEGLIGIBLE && im(alpha) * im(alpha) < NEGLIGIBLE {
        x.fill(D::zero());
        x[0] = D::one();
        return (D::zero(), re(alpha));
    }
    let norm = (alpha.modulus_squared() + tail_squared).sqrt();
    let beta = -norm.copysign(re(alpha));
    let tau = D::from_parts((beta - re(alpha)) / beta, -im(alpha) / beta);
    let scale = D::one() / (alpha - D::from_real(beta));
    for entry in &mut x[1..] {
        *entry *= scale;
    }
    x[0] = D::one();
    (tau, beta)
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
        apply_reflectors(&self.factors, &self.taus, 0, &mut product);
        product
    }
}

/// y ← H₀·H₁⋯·y, where the tail of Hⱼ stands in column j of `packed` from row j + `offset` + 1.
pub(crate) fn apply_reflectors<D: Kernels>(
    packed: &DMatrix<D>,
    taus: &[D],
    offset: usize,
    y: &mut DMatrix<D>,
) {
    let m = packed.nrows();
    let entries = packed.as_slice();
    // Column by column, so that a column stays in the cache while all reflectors pass.
    for column in y.as_mut_slice().chunks_exact_mut(m) {
        for (j, &tau) in taus.iter().enumerate().rev() {
            let first = j + offset;
            let tail = &entries[j * m + first + 1..(j + 1) * m];
            let (head, rest) = column[first..].split_at_mut(1);
            let factor = -tau * (head[0] + dot(tail, rest));
            head[0] += factor;
            axpy(factor, tail, rest);
        }
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
    apply_reflectors(&packed, &taus, 0, &mut rest);
    rest
}
