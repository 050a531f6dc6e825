//! A diagonal plus a product of two thin matrices.

use std::sync::Arc;

use super::{Inverse, LinearOperator, check, check_shape, column, column_mut};
use crate::krylov::vector::norm;
use crate::precision::size;
use crate::{DMatrix, DVector, Error, Lu, Result, Scalar, Threads, adjoint, gemm};

/// The square matrix diag(d) + U·Vᴴ, held as n + 2·n·k numbers for U and V with k columns.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, DVector, LinearOperator, operator::LowRankPlusDiagonal};
/// let ones = DMatrix::from_element(3, 1, 1.0);
/// let a = LowRankPlusDiagonal::new(DVector::from_element(3, 2.0), ones.clone(), ones)?;
/// let mut y = [0.0; 3];
/// a.apply(&[1.0, 2.0, 3.0], &mut y)?;
/// assert_eq!(y, [8.0, 10.0, 12.0]); // 2·x plus the sum, 6
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LowRankPlusDiagonal<T: Scalar> {
    diagonal: DVector<T>,
    /// U and V, which the inverse shares.
    thin: Arc<(DMatrix<T>, DMatrix<T>)>,
}

/// Rows that are worked on together: a piece of x or y stays in a core's first cache while all columns of U or
/// V pass by, each in a piece long enough to be fetched ahead.
const ROWS: usize = 1 << 11;
/// The same where the piece is a product's factor, of k columns.
const FACTOR_ROWS: usize = 1 << 9;
/// A condition of D and C up to which Woodbury's formula loses no more digits than elimination.
const GOOD: f64 = 1e3;

impl<T: Scalar> LowRankPlusDiagonal<T> {
    /// The matrix diag(`diagonal`) + `u`·`v`ᴴ.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where `u` has not as many rows as the diagonal, or
    /// `v` is not of the shape of `u`.
    pub fn new(diagonal: DVector<T>, u: DMatrix<T>, v: DMatrix<T>) -> Result<Self> {
        check_shape("u", (diagonal.len(), u.ncols()), u.shape())?;
        check_shape("v", u.shape(), v.shape())?;
        Ok(Self { diagonal, thin: Arc::new((u, v)) })
    }

    /// y ← form(d)∘x + left·rightᴴ·x.
    fn multiply(
        &self,
        form: impl Fn(T) -> T,
        (left, right): (&DMatrix<T>, &DMatrix<T>),
        x: &[T],
        y: &mut [T],
    ) -> Result<()> {
        check(self.diagonal.len(), self.diagonal.len(), x, y)?;
        let mut inner = vec![T::zero(); right.ncols()];
        for (piece, x) in x.chunks(ROWS).enumerate() {
            add_inner(right, piece * ROWS, x, &mut inner)?;
        }
        let pieces =
            y.chunks_mut(ROWS).zip(x.chunks(ROWS)).zip(self.diagonal.as_slice().chunks(ROWS));
        for (piece, ((y, x), d)) in pieces.enumerate() {
            for ((y, &x), &d) in y.iter_mut().zip(x).zip(d) {
                *y = form(d) * x;
            }
            outer(left, piece * ROWS, &inner, T::one(), y)?;
        }
        Ok(())
    }
}

impl<T: Scalar> LinearOperator<T> for LowRankPlusDiagonal<T> {
    fn nrows(&self) -> usize {
        self.diagonal.len()
    }

    fn ncols(&self) -> usize {
        self.diagonal.len()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let (u, v) = &*self.thin;
        self.multiply(|d| d, (u, v), x, y)
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let (u, v) = &*self.thin;
        self.multiply(T::conjugate, (v, u), x, y)
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        let (u, v) = &*self.thin;
        Some(DVector::from_fn(self.diagonal.len(), |i, _| {
            (0..u.ncols()).fold(self.diagonal[i], |sum, k| sum + u[(i, k)] * v[(i, k)].conjugate())
        }))
    }

    /// Woodbury's formula: with D the diagonal and C = I + Vᴴ·D⁻¹·U, a k × k matrix,
    /// A⁻¹ = D⁻¹ − D⁻¹·U·C⁻¹·Vᴴ·D⁻¹. Nothing of the size of U is made.
    ///
    /// Digits are lost where D or C is worse conditioned than A. Where one of them is badly conditioned,
    /// whether they are is seen on one system, and a step of refinement, x + A⁻¹·(b − A·x), brings them back
    /// in all others.
    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        let (u, v) = &*self.thin;
        let (n, k) = u.shape();
        let reciprocal = self.diagonal.map(|d| d.recip());
        if let Some(pivot) = reciprocal.iter().position(|d| !d.is_finite()) {
            return Err(Error::Singular { argument: "self", pivot, rcond: 0.0 });
        }
        let mut core = DMatrix::identity(k, k);
        let mut scaled = DMatrix::zeros(FACTOR_ROWS.min(n), k);
        let rows = if k > 0 { n } else { 0 };
        for first in (0..rows).step_by(FACTOR_ROWS) {
            let rows = FACTOR_ROWS.min(n - first);
            let scales = &reciprocal.as_slice()[first..][..rows];
            for (mut scaled, column) in scaled.column_iter_mut().zip(u.as_slice().chunks_exact(n)) {
                let parts = column[first..].iter().zip(scales);
                for (scaled, (&u, &scale)) in scaled.as_mut_slice().iter_mut().zip(parts) {
                    *scaled = u * scale;
                }
            }
            let (v, scaled) = (v.rows(first, rows), scaled.rows(0, rows));
            gemm(T::one(), adjoint(v), scaled, T::one(), core.as_view_mut(), Threads::One)?;
        }
        let mut good = true;
        if k > 0 {
            let lu = Lu::new(core)?;
            let sizes = || self.diagonal.iter().map(|&d| size(d));
            let spread = sizes().fold(0.0, f64::max) / sizes().fold(f64::INFINITY, f64::min);
            good = spread <= GOOD && lu.rcond() * GOOD >= 1.0;
            core = lu.solve_many(&DMatrix::identity(k, k))?;
        }
        let mut inverse = Woodbury { matrix: self.clone(), reciprocal, core, refine: false };
        inverse.refine = !good && inverse.loses_digits()?;
        Ok(Some(Box::new(inverse)))
    }
}

/// The inverse of `matrix`.
struct Woodbury<T: Scalar> {
    matrix: LowRankPlusDiagonal<T>,
    /// 1/d.
    reciprocal: DVector<T>,
    /// C⁻¹ itself, which is small.
    core: DMatrix<T>,
    refine: bool,
}

impl<T: Scalar> Woodbury<T> {
    /// y ← r∘x − r∘(left·core·rightᴴ·(r∘x)) for r = form(1/d): U and V pass by once.
    fn once(
        &self,
        form: impl Fn(T) -> T,
        (left, right): (&DMatrix<T>, &DMatrix<T>),
        core: impl Fn(&[T], &mut [T]) -> Result<()>,
        x: &[T],
        y: &mut [T],
    ) -> Result<()> {
        let (mut inner, mut solved) =
            (vec![T::zero(); right.ncols()], vec![T::zero(); right.ncols()]);
        let factors = || self.reciprocal.as_slice().chunks(ROWS);
        let pieces = y.chunks_mut(ROWS).zip(x.chunks(ROWS)).zip(factors());
        for (piece, ((y, x), r)) in pieces.enumerate() {
            for ((y, &x), &r) in y.iter_mut().zip(x).zip(r) {
                *y = form(r) * x;
            }
            add_inner(right, piece * ROWS, y, &mut inner)?;
        }
        core(&inner, &mut solved)?;
        let mut part = vec![T::zero(); ROWS.min(y.len())];
        for (piece, (y, r)) in y.chunks_mut(ROWS).zip(factors()).enumerate() {
            let part = &mut part[..y.len()];
            outer(left, piece * ROWS, &solved, T::zero(), part)?;
            for ((y, &part), &r) in y.iter_mut().zip(&*part).zip(r) {
                *y -= form(r) * part;
            }
        }
        Ok(())
    }

    /// One product with A⁻¹, and another for the residual where digits are lost.
    fn solve(
        &self,
        x: &[T],
        y: &mut [T],
        once: impl Fn(&[T], &mut [T]) -> Result<()>,
        multiply: impl Fn(&[T], &mut [T]) -> Result<()>,
    ) -> Result<()> {
        check(self.reciprocal.len(), self.reciprocal.len(), x, y)?;
        once(x, y)?;
        if self.refine {
            let (mut off, mut step) = (vec![T::zero(); x.len()], vec![T::zero(); x.len()]);
            multiply(y, &mut off)?;
            off.iter_mut().zip(x).for_each(|(off, &x)| *off = x - *off);
            once(&off, &mut step)?;
            y.iter_mut().zip(&step).for_each(|(y, &step)| *y += step);
        }
        Ok(())
    }

    /// Whether A·A⁻¹·r is off from r by more than rounding, for r of pseudo-random signs.
    fn loses_digits(&self) -> Result<bool> {
        let sign = |i: usize| if (i.wrapping_mul(0x9e37_79b9) >> 13) & 1 == 0 { 1.0 } else { -1.0 };
        let r: Vec<T> = (0..self.reciprocal.len()).map(|i| nalgebra::convert(sign(i))).collect();
        let (mut x, mut image) = (r.clone(), r.clone());
        self.apply(&r, &mut x)?;
        self.matrix.apply(&x, &mut image)?;
        image.iter_mut().zip(&r).for_each(|(image, &r)| *image -= r);
        Ok(norm(&image) > 8.0 * T::EPSILON * norm(&r))
    }
}

impl<T: Scalar> LinearOperator<T> for Woodbury<T> {
    fn nrows(&self) -> usize {
        self.reciprocal.len()
    }

    fn ncols(&self) -> usize {
        self.reciprocal.len()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let (u, v) = &*self.matrix.thin;
        let core = |x: &[T], y: &mut [T]| self.core.apply(x, y);
        let once = |x: &[T], y: &mut [T]| self.once(|r| r, (u, v), core, x, y);
        self.solve(x, y, once, |x, y| self.matrix.apply(x, y))
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let (u, v) = &*self.matrix.thin;
        let core = |x: &[T], y: &mut [T]| self.core.apply_adjoint(x, y);
        let once = |x: &[T], y: &mut [T]| self.once(T::conjugate, (v, u), core, x, y);
        self.solve(x, y, once, |x, y| self.matrix.apply_adjoint(x, y))
    }
}

/// inner ← inner + thinᴴ·x over the rows from `first` on, as many as x has.
fn add_inner<T: Scalar>(thin: &DMatrix<T>, first: usize, x: &[T], inner: &mut [T]) -> Result<()> {
    let rows = adjoint(thin.rows(first, x.len()));
    gemm(T::one(), rows, column(x), T::one(), column_mut(inner), Threads::One)
}

/// y ← thin·inner + beta·y over the rows from `first` on, as many as y has.
fn outer<T: Scalar>(
    thin: &DMatrix<T>,
    first: usize,
    inner: &[T],
    beta: T,
    y: &mut [T],
) -> Result<()> {
    let rows = thin.rows(first, y.len());
    gemm(T::one(), rows, column(inner), beta, column_mut(y), Threads::One)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::tests::{inverts, obeys, random, random_complex};

    #[test]
    fn it_is_the_diagonal_plus_the_product() {
        let d = random_complex(5, 1, 1).column(0).into_owned();
        let (u, v) = (random_complex(5, 2, 2), random_complex(5, 2, 3));
        let dense = DMatrix::from_diagonal(&d) + &u * v.adjoint();
        let a = LowRankPlusDiagonal::new(d, u, v).unwrap();
        obeys(&a, &dense);
        inverts(&a, 500.0); // κ of D, C and A is 20 or so
    }

    #[test]
    fn digits_that_the_formula_loses_are_brought_back() {
        // D is 1e-6 in one place, where U·Vᵀ makes A well-conditioned: C is then as large as 1e6.
        let n = 3000;
        let mut d = DVector::from_element(n, 1.0);
        d[7] = 1e-6;
        let mut u = random(n, 2, 4) / (n as f64).sqrt();
        u[(7, 0)] = 1.0;
        let a = LowRankPlusDiagonal::new(d, u.clone(), u).unwrap();
        let inverse = a.inverse().unwrap().unwrap();
        let b = random(n, 1, 5);
        let (mut x, mut image) = (vec![0.0; n], vec![0.0; n]);
        inverse.apply(b.as_slice(), &mut x).unwrap();
        a.apply(&x, &mut image).unwrap();
        let off = (&b - DMatrix::from_vec(n, 1, image)).norm();
        // One formula alone leaves 1e-11.
        assert!(off <= 32.0 * f64::EPSILON * b.norm(), "{off:e}");
        inverse.apply_adjoint(b.as_slice(), &mut x).unwrap();
        let mut image = vec![0.0; n];
        a.apply_adjoint(&x, &mut image).unwrap();
        let off = (&b - DMatrix::from_vec(n, 1, image)).norm();
        assert!(off <= 32.0 * f64::EPSILON * b.norm(), "{off:e}");
    }

    #[test]
    fn a_singular_core_is_refused() {
        // I − v·vᵀ with |v| = 1 has v in its null space.
        let v = DMatrix::from_element(4, 1, 0.5);
        let a = LowRankPlusDiagonal::new(DVector::from_element(4, 1.0), -v.clone(), v).unwrap();
        assert!(matches!(a.inverse(), Err(Error::Singular { .. })));
    }

    #[test]
    fn rank_zero_is_the_diagonal() {
        let d = random(3, 1, 1).column(0).into_owned();
        let none = DMatrix::zeros(3, 0);
        let a = LowRankPlusDiagonal::new(d.clone(), none.clone(), none).unwrap();
        obeys(&a, &DMatrix::from_diagonal(&d));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let d = DVector::zeros(3);
        let refused = |u, v| LowRankPlusDiagonal::new(d.clone(), u, v).unwrap_err().to_string();
        let (u, v) = (DMatrix::<f64>::zeros(2, 1), DMatrix::zeros(3, 1));
        assert_eq!(refused(u, v.clone()), "u is 2 x 1, expected 3 x 1");
        assert_eq!(refused(v, DMatrix::zeros(3, 2)), "v is 3 x 2, expected 3 x 1");
    }
}
