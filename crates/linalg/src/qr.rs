//! The QR factorisation, and least squares by it.

use std::sync::OnceLock;

use crate::condition::inverse_norm;
use crate::door::{finite, power_of_two_near};
use crate::gemm;
use crate::krylov::vector::norm;
use crate::precision::size;
use crate::reflectors::{Block, Side, Workspace, apply_one_by_one, factor_panel};
use crate::triangular::{Triangle, solve};
use crate::{DMatrix, DMatrixViewMut, DVector, Error, Result, Scalar, Threads};

/// Reflectors in a block.
const BLOCK: usize = 64;
/// Columns to which reflectors are applied one by one.
const FEW: usize = 4;

/// The factorisation A = Q·R of an m × n matrix, k = min(m, n): Q is m × k with orthonormal columns,
/// R is k × n, zero below its diagonal, which is real.
///
/// Q is kept as k Householder reflectors; [`Qr::apply_q`] and [`Qr::apply_q_adjoint`] multiply with
/// it, and with the other m − k columns that make it square, without forming it. The computed R is
/// the exact one of a matrix whose every column differs from A's by about m·eps of its own length,
/// so columns may be of very different sizes: lengths from 1e-300 to 1e300 do no harm.
///
/// Same bits for any number of threads.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, Qr, product};
/// let a = DMatrix::<f64>::from_row_slice(3, 2, &[3.0, 1.0, 4.0, 2.0, 0.0, 2.0]);
/// let qr = Qr::new(a.clone())?;
/// let r = qr.r();
/// assert!((r[(0, 0)].abs() - 5.0).abs() < 1e-14); // the length of A's first column
/// assert!((product(&qr.q(), &r)? - a).norm() < 1e-14);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Golub and Van Loan, "Matrix Computations", 4th edition, section 5.2; Higham, "Accuracy and
/// Stability of Numerical Algorithms", 2nd edition, theorem 19.4 (the error of each column).
#[derive(Debug, Clone)]
pub struct Qr<T: Scalar> {
    /// R in the upper triangle; below the diagonal the tails of the reflectors.
    factors: DMatrix<T>,
    /// The factor T of each block, side by side: BLOCK × k.
    t: DMatrix<T>,
    threads: Threads,
    rcond: OnceLock<f64>,
}

/// The solution of min ‖A·x − b‖₂.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct LeastSquares<T: Scalar> {
    /// x.
    pub x: DVector<T>,
    /// ‖A·x − b‖₂, the least that is possible, from the part of Qᴴ·b that no x reaches.
    pub residual_norm: f64,
}

impl<T: Scalar> Qr<T> {
    /// Factors `a` in its own storage, on the calling thread. 2·n²·(m − n/3) multiplications and
    /// additions for m ≥ n.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`] with the entry's index; [`Error::OutOfRange`] where
    /// the length of a column overflows though its entries do not.
    pub fn new(a: DMatrix<T>) -> Result<Self> {
        Self::with_threads(a, Threads::One)
    }

    /// [`Qr::new`] with products, here and in the methods, over `threads`.
    ///
    /// # Errors
    /// As [`Qr::new`].
    pub fn with_threads(mut a: DMatrix<T>, threads: Threads) -> Result<Self> {
        finite("a", &a)?;
        let (m, n) = a.shape();
        let k = m.min(n);
        let mut t = DMatrix::zeros(BLOCK.min(k), k);
        let mut v = DMatrix::zeros(m, BLOCK.min(k));
        gemm::inside(BLOCK.saturating_mul(m).saturating_mul(n), threads, || {
            let mut workspace = Workspace::default();
            for start in (0..k).step_by(BLOCK) {
                let width = BLOCK.min(k - start);
                let mut rest = a.view_range_mut(start.., start..);
                let (mut panel, others) = rest.columns_range_pair_mut(..width, width..);
                v.fill(T::zero());
                let mut v = v.view_mut((start, 0), (m - start, width));
                let mut t = t.view_mut((0, start), (width, width));
                factor_panel(&mut panel, &mut v, &mut t, &mut workspace, threads);
                let block = Block { v: v.as_view(), t: t.as_view() };
                block.apply(Side::Adjoint, others, &mut workspace, threads);
            }
        });
        if finite("a", &a).is_err() {
            return Err(Error::OutOfRange {
                argument: "the longest column of a",
                value: f64::INFINITY,
                expected: "a length that does not overflow",
            });
        }
        Ok(Self { factors: a, t, threads, rcond: OnceLock::new() })
    }

    /// R, k × n.
    #[must_use]
    pub fn r(&self) -> DMatrix<T> {
        let (m, n) = self.factors.shape();
        let entry = |i, j| if i <= j { self.factors[(i, j)] } else { T::zero() };
        DMatrix::from_fn(m.min(n), n, entry)
    }

    /// The first k columns of Q, m × k.
    #[must_use]
    pub fn q(&self) -> DMatrix<T> {
        let m = self.factors.nrows();
        let k = self.t.ncols();
        let mut q = DMatrix::identity(m, k);
        let mut workspace = Workspace::default();
        for start in self.starts().rev() {
            // The columns before this block's are still those of the identity.
            let rest = q.view_range_mut(start.., start..);
            self.apply_block(Side::Forward, start, rest, &mut workspace);
        }
        q
    }

    /// c ← Q·c with the square m × m Q.
    ///
    /// # Errors
    /// [`Error::Shape`] where `c` has not m rows.
    ///
    /// # Examples
    /// The columns of Q beyond the first n span what A does not reach:
    /// ```
    /// use linalg::{DMatrix, Qr};
    /// let a = DMatrix::from_column_slice(3, 1, &[2.0, 2.0, 1.0]);
    /// let mut rest = DMatrix::from_column_slice(3, 2, &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    /// Qr::new(a.clone())?.apply_q(&mut rest)?;
    /// assert!((a.transpose() * rest).norm() < 1e-15);
    /// # Ok::<(), linalg::Error>(())
    /// ```
    pub fn apply_q(&self, c: &mut DMatrix<T>) -> Result<()> {
        self.check_rows("c", c)?;
        self.apply(Side::Forward, c);
        Ok(())
    }

    /// c ← Qᴴ·c with the square m × m Q.
    ///
    /// # Errors
    /// [`Error::Shape`] where `c` has not m rows.
    pub fn apply_q_adjoint(&self, c: &mut DMatrix<T>) -> Result<()> {
        self.check_rows("c", c)?;
        self.apply(Side::Adjoint, c);
        Ok(())
    }

    fn apply(&self, side: Side, c: &mut DMatrix<T>) {
        let m = self.factors.nrows();
        if c.ncols() < FEW {
            let taus: Vec<T> = (0..self.t.ncols()).map(|j| self.t[(j % BLOCK, j)]).collect();
            apply_one_by_one(side, self.factors.as_view(), 0, &taus, c.as_view_mut());
            return;
        }
        let mut workspace = Workspace::default();
        let mut apply = |start| {
            self.apply_block(side, start, c.rows_mut(start, m - start), &mut workspace);
        };
        match side {
            Side::Forward => self.starts().rev().for_each(&mut apply),
            Side::Adjoint => self.starts().for_each(&mut apply),
        }
    }

    /// The first column of each block.
    fn starts(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.t.ncols()).step_by(BLOCK)
    }

    /// Applies the block that starts at column `start` to the rows from there on.
    fn apply_block(
        &self,
        side: Side,
        start: usize,
        c: DMatrixViewMut<'_, T>,
        workspace: &mut Workspace<T>,
    ) {
        let width = BLOCK.min(self.t.ncols() - start);
        let stored = self.factors.view((start, start), (c.nrows(), width));
        let mut v = DMatrix::zeros(c.nrows(), width);
        for (j, mut column) in v.column_iter_mut().enumerate() {
            column[j] = T::one();
            column.rows_range_mut(j + 1..).copy_from(&stored.view_range(j + 1.., j));
        }
        let t = self.t.view((0, start), (width, width));
        Block { v: v.as_view(), t }.apply(side, c, workspace, self.threads);
    }

    /// The x that makes ‖A·x − b‖₂ least, for A with independent columns.
    ///
    /// Whether they are is judged by an estimate of the reciprocal condition number of R with its
    /// columns scaled to length 1: dependent columns leave it at rounding, below m·eps, and
    /// then no digit of x would be right. (The diagonal of R alone does not tell: ones on it and −1
    /// everywhere above make, at n = 60, a condition number above 1e18.) The units in which columns
    /// are measured do not count, as they change no digit of x. The estimate is made once.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for m < n, where infinitely many x fit: [`crate::PseudoInverse`] finds
    /// the shortest; [`Error::Shape`] where `b` has not m entries; [`Error::NotFinite`];
    /// [`Error::Singular`] where the columns are dependent.
    ///
    /// # Examples
    /// The line through (0, 1), (1, 3), (2, 4), (3, 4): slope 1, intercept 1.5, residuals ±½.
    /// ```
    /// use linalg::{DMatrix, DVector, Qr};
    /// let a = DMatrix::<f64>::from_row_slice(4, 2, &[1.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0, 3.0]);
    /// let fit = Qr::new(a)?.least_squares(&DVector::from_vec(vec![1.0, 3.0, 4.0, 4.0]))?;
    /// assert!((fit.x[0] - 1.5).abs() < 1e-14 && (fit.x[1] - 1.0).abs() < 1e-14);
    /// assert!((fit.residual_norm - 1.0).abs() < 1e-14);
    /// # Ok::<(), linalg::Error>(())
    /// ```
    ///
    /// # References
    /// Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, algorithm 15.1 (the
    /// estimate) and theorem 7.5 (van der Sluis: that scaling is within √n of the best).
    pub fn least_squares(&self, b: &DVector<T>) -> Result<LeastSquares<T>> {
        let (m, n) = self.factors.shape();
        if m < n {
            return Err(Error::OutOfRange {
                argument: "a.nrows()",
                #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
                value: m as f64,
                expected: "at least a.ncols(); for fewer rows use PseudoInverse",
            });
        }
        let mut c = DMatrix::from_column_slice(b.len(), 1, b.as_slice());
        self.check_rows("b", &c)?;
        finite("b", &c)?;
        let rcond = *self.rcond.get_or_init(|| self.estimate());
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let rounding = m as f64 * T::EPSILON;
        if rcond.is_nan() || rcond < rounding {
            return Err(Error::Singular { argument: "a", pivot: self.smallest_pivot(), rcond });
        }
        self.apply(Side::Adjoint, &mut c);
        let residual_norm = norm(&c.as_slice()[n..]);
        c.resize_vertically_mut(n, T::zero());
        solve(Triangle::Upper, self.factors.rows(0, n), c.as_view_mut(), self.threads);
        let x = DVector::from_vec(c.data.into());
        if !(residual_norm.is_finite() && x.iter().all(T::is_finite)) {
            return Err(Error::OutOfRange {
                argument: "b",
                value: b.iter().fold(0.0, |largest: f64, &entry| largest.max(size(entry))),
                expected: "entries for which x and the residual do not overflow",
            });
        }
        Ok(LeastSquares { x, residual_norm })
    }

    /// 1/(‖R·D‖₁·‖(R·D)⁻¹‖₁) where D makes the columns as long as numbers in [1, 2).
    fn estimate(&self) -> f64 {
        let n = self.factors.ncols();
        let mut r = self.r();
        let mut largest = 0.0_f64;
        for (j, mut column) in r.column_iter_mut().enumerate() {
            let (first, second) = power_of_two_near(norm(&column.as_slice()[..=j]));
            column.unscale_mut(nalgebra::convert(first));
            column.unscale_mut(nalgebra::convert(second));
            if column[j] == T::zero() {
                return 0.0;
            }
            largest = largest.max(column.iter().map(|x| T::real_to_f64(x.modulus())).sum());
        }
        let solve = |triangle| {
            let r = r.as_view();
            move |b: &mut DMatrix<T>| solve(triangle, r, b.as_view_mut(), Threads::One)
        };
        1.0 / (largest * inverse_norm(n, solve(Triangle::Upper), solve(Triangle::UpperAdjoint)))
    }

    /// The j for which |rⱼⱼ| is least beside the length of its column.
    fn smallest_pivot(&self) -> usize {
        let columns = self.factors.column_iter().enumerate();
        let ratios = columns.map(|(j, column)| {
            let length = norm(&column.as_slice()[..=j]);
            if length > 0.0 { size(column[j]) / length } else { 0.0 }
        });
        let least = ratios.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        least.map_or(0, |(j, _)| j)
    }

    fn check_rows(&self, argument: &'static str, c: &DMatrix<T>) -> Result<()> {
        let (found_rows, found_columns) = c.shape();
        let (expected_rows, expected_columns) = (self.factors.nrows(), found_columns);
        if found_rows == expected_rows {
            return Ok(());
        }
        Err(Error::Shape { argument, found_rows, found_columns, expected_rows, expected_columns })
    }
}

#[cfg(all(test, feature = "parallel"))]
mod tests {
    use super::*;
    use crate::Cholesky;

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let entry = |i: usize, j: usize| ((i * 31 + j * 17 + i * j) % 101) as f64 / 101.0 - 0.5;
        let a = DMatrix::from_fn(300, 200, entry);
        let definite = a.tr_mul(&a) + DMatrix::identity(200, 200);
        let qr = Qr::new(a.clone()).unwrap();
        let cholesky = Cholesky::new(definite.clone()).unwrap();
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let other = Qr::with_threads(a.clone(), Threads::Pool).unwrap();
                assert_eq!((other.r(), other.q()), (qr.r(), qr.q()), "{threads} threads");
                let other = Cholesky::with_threads(definite.clone(), Threads::Pool).unwrap();
                assert_eq!(other.l(), cholesky.l(), "{threads} threads");
                let solutions = other.solve_many(&definite).unwrap();
                assert_eq!(solutions, cholesky.solve_many(&definite).unwrap());
            });
        }
    }
}
