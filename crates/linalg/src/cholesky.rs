//! The Cholesky factorisation of a positive definite matrix.

use crate::columns::{dispatch, scale};
use crate::door::{finite, hermitian, solution, square};
use crate::gemm::{self, Job, multiply};
use crate::operator::check_shape;
use crate::precision::re;
use crate::product::{Operand, adjoint};
use crate::triangular::{Triangle, divide_by_adjoint, eliminate, solve, take_columns};
use crate::{DMatrix, DMatrixViewMut, DVector, Error, Result, Scalar, Threads};
use pulp::{Simd, WithSimd};

/// Matrices up to this size are factored column by column.
const SMALL: usize = 16;

/// The factorisation A = L·Lᴴ of a positive definite n × n matrix, L lower triangular with a
/// positive diagonal: factor once, solve many.
///
/// It takes half the time of an LU factorisation, and it is the cheapest proof that a Hermitian
/// matrix is positive definite: [`Error::NotPositiveDefinite`] names the first leading block that
/// is not. The computed factor is that of a matrix within about n·eps·‖A‖ of A, so a matrix with
/// a condition number near 1/eps may be refused.
///
/// The matrix must equal its adjoint up to rounding, as for [`crate::HermitianEigen`]; then only
/// the lower triangle is read. The factor has the same bits for any number of threads.
///
/// # Examples
/// ```
/// use linalg::{Cholesky, DMatrix, DVector};
/// // [[4, 2], [2, 10]] = L·Lᵀ with L = [[2, 0], [1, 3]].
/// let cholesky = Cholesky::new(DMatrix::from_row_slice(2, 2, &[4.0, 2.0, 2.0, 10.0]))?;
/// assert_eq!(cholesky.l(), &DMatrix::from_row_slice(2, 2, &[2.0, 0.0, 1.0, 3.0]));
/// let x = cholesky.solve(&DVector::from_vec(vec![8.0, 22.0]))?;
/// assert!((x - DVector::from_vec(vec![1.0, 2.0])).norm() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Golub and Van Loan, "Matrix Computations", 4th edition, section 4.2; the recursion by halves is
/// Gustavson, IBM J. Res. Dev. 41(6), 1997.
#[derive(Debug, Clone)]
pub struct Cholesky<T: Scalar> {
    l: DMatrix<T>,
    threads: Threads,
}

impl<T: Scalar> Cholesky<T> {
    /// Factors `a` in its own storage, on the calling thread. n³/3 multiplications and additions.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`] with the entry's index, [`Error::NotSquare`],
    /// [`Error::NotHermitian`] with the worst pair, [`Error::NotPositiveDefinite`] with the first
    /// pivot that is not positive.
    pub fn new(a: DMatrix<T>) -> Result<Self> {
        Self::with_threads(a, Threads::One)
    }

    /// [`Cholesky::new`] with products, here and in [`Cholesky::solve_many`], over `threads`.
    ///
    /// # Errors
    /// As [`Cholesky::new`].
    pub fn with_threads(mut a: DMatrix<T>, threads: Threads) -> Result<Self> {
        finite("a", &a)?;
        square("a", &a)?;
        hermitian("a", &a)?;
        let n = a.nrows();
        let work = (n / 2).saturating_mul(n / 2).saturating_mul(n / 2);
        gemm::inside(work, threads, || factor(&mut a.as_view_mut(), 0, threads))?;
        for (j, column) in a.as_mut_slice().chunks_exact_mut(n).enumerate() {
            column[..j].fill(T::zero());
        }
        Ok(Self { l: a, threads })
    }

    /// The factor L, with zeros above its diagonal.
    #[must_use]
    pub fn l(&self) -> &DMatrix<T> {
        &self.l
    }

    /// The solution x of A·x = b.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not as many entries as A has rows; [`Error::NotFinite`];
    /// [`Error::OutOfRange`] where x overflows.
    pub fn solve(&self, b: &DVector<T>) -> Result<DVector<T>> {
        let b = DMatrix::from_column_slice(b.len(), 1, b.as_slice());
        Ok(DVector::from_vec(self.solve_in_place(b)?.data.into()))
    }

    /// The solution X of A·X = B, one column per right-hand side.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not as many rows as A; [`Error::Empty`] where it has no
    /// column; [`Error::NotFinite`]; [`Error::OutOfRange`] where x overflows.
    pub fn solve_many(&self, b: &DMatrix<T>) -> Result<DMatrix<T>> {
        self.solve_in_place(b.clone())
    }

    fn solve_in_place(&self, mut b: DMatrix<T>) -> Result<DMatrix<T>> {
        let n = self.l.nrows();
        check_shape("b", (n, b.ncols()), b.shape())?;
        finite("b", &b)?;
        let l = self.l.as_view();
        solve(Triangle::Lower, l, b.as_view_mut(), self.threads);
        solve(Triangle::LowerAdjoint, l, b.as_view_mut(), self.threads);
        solution(&b)?;
        Ok(b)
    }

    /// ln det A = 2·Σ ln lⱼⱼ, which does not overflow where det A does.
    ///
    /// # Examples
    /// ```
    /// use linalg::{Cholesky, DMatrix};
    /// // det(2·I) = 2^2000 is out of range.
    /// let cholesky = Cholesky::new(DMatrix::from_diagonal_element(2000, 2000, 2.0))?;
    /// assert!((cholesky.log_determinant() - 2000.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), linalg::Error>(())
    /// ```
    #[must_use]
    pub fn log_determinant(&self) -> f64 {
        self.l.diagonal().iter().map(|&pivot| 2.0 * re(pivot).ln()).sum()
    }
}

/// Leaves L in the lower triangle of `a`; `offset` is the index of its first row in the whole.
fn factor<T: Scalar>(a: &mut DMatrixViewMut<'_, T>, offset: usize, threads: Threads) -> Result<()> {
    let n = a.nrows();
    if n <= SMALL {
        return dispatch(n, Small { a }).map_err(|(pivot, value)| Error::NotPositiveDefinite {
            argument: "a",
            pivot: offset + pivot,
            value,
        });
    }
    let half = (n / 2).next_multiple_of(SMALL);
    let (mut left, mut right) = a.columns_range_pair_mut(..half, half..);
    let (mut corner, mut below) = left.rows_range_pair_mut(..half, half..);
    factor(&mut corner, offset, threads)?;
    divide_by_adjoint(&mut below, corner.as_view(), threads);
    let mut rest = right.rows_mut(half, n - half);
    let below = below.as_view();
    let job = Job {
        alpha: -T::one(),
        a: Operand::from(below),
        b: adjoint(below),
        beta: T::one(),
        lower: Some(0),
        around: None,
    };
    multiply(&job, rest.as_view_mut(), threads);
    factor(&mut rest, offset + half, threads)
}

/// [`factor`], one column after the other; the index and value of a pivot that is not positive.
struct Small<'a, 'b, T: Scalar> {
    a: &'a mut DMatrixViewMut<'b, T>,
}

impl<T: Scalar> WithSimd for Small<'_, '_, T> {
    type Output = Result<(), (usize, f64)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let n = self.a.nrows();
        let mut columns: [&mut [T]; SMALL] = take_columns(self.a);
        for j in 0..n {
            let (known, rest) = columns.split_at_mut(j);
            let column = &mut rest[0][j..];
            eliminate(simd, known, |k| -known[k][j].conjugate(), column);
            let pivot = re(column[0]);
            if pivot.is_nan() || pivot <= 0.0 {
                return Err((j, pivot));
            }
            let root = pivot.sqrt();
            column[0] = nalgebra::convert(root);
            scale(simd, nalgebra::convert(root.recip()), &mut column[1..]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_that_overflows_is_refused_and_one_that_does_not_is_found() {
        let a = DMatrix::from_row_slice(2, 2, &[4e-312, 2e-312, 2e-312, 10e-312]);
        let cholesky = Cholesky::new(a).unwrap();
        let text = cholesky.solve(&DVector::from_element(2, 1.0)).unwrap_err().to_string();
        assert!(text.starts_with("an entry of the solution is "), "{text}");
        assert!(text.ends_with(", expected a number that does not overflow"), "{text}");
        let x = cholesky.solve(&DVector::from_vec(vec![8e-312, 22e-312])).unwrap();
        // Entries of 1e-312 are multiples of 5e-324; the condition number is 3.
        let off = (x - DVector::from_vec(vec![1.0, 2.0])).norm();
        assert!(off <= 100.0 * 5e-12, "{off:e}");
    }
}
