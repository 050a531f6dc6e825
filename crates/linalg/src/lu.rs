//! The LU factorisation of a square matrix.

use std::sync::OnceLock;

use crate::columns::{add, dispatch, scale};
use crate::condition::inverse_norm;
use crate::door::{finite, power_of_two_near, solution, square};
use crate::gemm;
use crate::operator::check_shape;
use crate::parallel::over_columns;
use crate::precision::{im, quotient, re, size};
use crate::triangular::{Triangle, eliminate, solve, solve_many, subtract_product, take_columns};
use crate::{DMatrix, DMatrixViewMut, DVector, Error, Result, Scalar, Threads};
use pulp::{Simd, WithSimd};

/// Panels up to this width are factored column by column.
const SMALL: usize = 8;
/// Numbers that are summed or compared side by side.
const SIDE_BY_SIDE: usize = 16;
/// Multiplications that take the time of exchanging two numbers.
const EXCHANGE: usize = 32;

/// The factorisation P·A = L·U of a square n × n matrix, by elimination with partial pivoting:
/// factor once, solve many.
///
/// L has ones on its diagonal and nothing greater than 1 below it (in a complex L, no real or
/// imaginary part), U is upper triangular, P orders the rows. The solution x̂ of A·x = b that
/// [`Lu::solve`] returns is the exact one of a system whose matrix differs from A by about
/// n·eps·‖A‖, so its relative error is about n·eps/[`Lu::rcond`].
///
/// # Singular matrices
/// A pivot of exactly zero is refused. So is a matrix whose condition number, after its rows have
/// been scaled to the same size, is estimated to exceed 1/eps: no digit of a solution would be
/// right. The estimate is made where one solution with a pseudo-random right-hand side is more than
/// 1/√eps times as large as a well-conditioned matrix would make it, which costs n² operations.
/// Rows of very different size are no cause for refusal, columns of very different size are:
/// measure the unknowns in other units.
///
/// Entries near the ends of the range are scaled by a power of two and do no harm. Same bits for
/// any number of threads.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, DVector, Error, Lu};
/// let lu = Lu::new(DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]))?;
/// let x = lu.solve(&DVector::from_vec(vec![3.0, 5.0]))?;
/// assert!((x - DVector::from_vec(vec![0.8, 1.4])).norm() < 1e-15);
///
/// // The second row is the mean of the others; elimination ends with a pivot near eps.
/// let singular = DMatrix::from_row_slice(3, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
/// assert!(matches!(Lu::new(singular), Err(Error::Singular { pivot: 2, .. })));
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Toledo, "Locality of reference in LU decomposition with partial pivoting", SIAM J. Matrix Anal.
/// Appl. 18(4), 1997 (the recursion); Higham, "Accuracy and Stability of Numerical Algorithms", 2nd
/// edition, theorem 9.4 (the error) and chapter 15 (the estimate of the condition).
#[derive(Debug, Clone)]
pub struct Lu<T: Scalar> {
    /// U in the upper triangle, L below it; of the scaled matrix.
    factors: DMatrix<T>,
    /// Row `i` was exchanged with row `pivots[i]`, in this order.
    pivots: Vec<usize>,
    /// The factored matrix is A divided by the product of these two.
    scale: (f64, f64),
    /// The norm ‖A‖₁ of the scaled matrix.
    norm: f64,
    threads: Threads,
    rcond: OnceLock<f64>,
}

impl<T: Scalar> Lu<T> {
    /// Factors `a` in its own storage, on the calling thread. n³/3 multiplications and additions.
    ///
    /// # Errors
    /// [`Error::NotSquare`], [`Error::Empty`], [`Error::NotFinite`] with the entry's index,
    /// [`Error::Singular`] with the smallest pivot.
    pub fn new(a: DMatrix<T>) -> Result<Self> {
        Self::with_threads(a, Threads::One)
    }

    /// [`Lu::new`] with products, here and in [`Lu::solve_many`], over `threads`.
    ///
    /// # Errors
    /// As [`Lu::new`].
    pub fn with_threads(mut a: DMatrix<T>, threads: Threads) -> Result<Self> {
        square("a", &a)?;
        let mut sums = Sums::of(&a);
        if a.is_empty() || !sums.largest_column.is_finite() {
            finite("a", &a)?;
        }
        let scale = scale_to_the_middle(&mut a, &mut sums);
        let mut pivots = vec![0; a.nrows()];
        let half = a.nrows() / 2;
        let work = half.saturating_mul(half).saturating_mul(half);
        gemm::inside(work, threads, || factor(&mut a.as_view_mut(), &mut pivots, threads))
            .map_err(|pivot| Error::Singular { argument: "a", pivot, rcond: 0.0 })?;
        let norm = sums.largest_column;
        let lu = Self { factors: a, pivots, scale, norm, threads, rcond: OnceLock::new() };
        lu.refuse_singular(&sums.rows)?;
        Ok(lu)
    }

    /// The solution x of A·x = b.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not as many entries as A has rows, [`Error::NotFinite`], and
    /// [`Error::OutOfRange`] where x overflows.
    pub fn solve(&self, b: &DVector<T>) -> Result<DVector<T>> {
        let mut x = DMatrix::from_column_slice(b.len(), 1, b.as_slice());
        self.solve_in_place(&mut x)?;
        Ok(DVector::from_vec(x.data.into()))
    }

    /// The solution X of A·X = B, one column per right-hand side.
    ///
    /// # Errors
    /// As [`Lu::solve`], and [`Error::Empty`] where `b` has no columns.
    pub fn solve_many(&self, b: &DMatrix<T>) -> Result<DMatrix<T>> {
        let mut x = b.clone();
        self.solve_in_place(&mut x)?;
        Ok(x)
    }

    /// B ← A⁻¹·B.
    ///
    /// # Errors
    /// As [`Lu::solve_many`]; where a solution overflows, `b` holds it all the same.
    ///
    /// # Examples
    /// ```
    /// use linalg::{DMatrix, Lu};
    /// let lu = Lu::new(DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]))?;
    /// let mut b = DMatrix::from_row_slice(2, 2, &[3.0, 2.0, 4.0, 1.0]);
    /// lu.solve_in_place(&mut b)?;
    /// assert!((b - DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, 0.0])).amax() < 1e-15);
    /// # Ok::<(), linalg::Error>(())
    /// ```
    pub fn solve_in_place(&self, b: &mut DMatrix<T>) -> Result<()> {
        self.acceptable(b)?;
        self.divide(b);
        solution(b)
    }

    /// The solution x of Aᴴ·x = b, the transposed system for a real A.
    ///
    /// # Errors
    /// As [`Lu::solve`].
    pub fn solve_adjoint(&self, b: &DVector<T>) -> Result<DVector<T>> {
        let mut x = DMatrix::from_column_slice(b.len(), 1, b.as_slice());
        self.acceptable(&x)?;
        self.divide_adjoint(&mut x);
        solution(&x)?;
        Ok(DVector::from_vec(x.data.into()))
    }

    /// An estimate of the reciprocal condition number 1/(‖A‖₁·‖A⁻¹‖₁): between 0 and 1, never too
    /// small by more than rounding, and seldom more than three times too large.
    ///
    /// −log₁₀ of it is the number of digits that a solution loses. Costs a few solutions, once. For
    /// complex entries |Re| + |Im| stands for the modulus in ‖A‖₁.
    #[must_use]
    pub fn rcond(&self) -> f64 {
        *self.rcond.get_or_init(|| {
            let n = self.factors.nrows();
            let undo = |x: &mut DMatrix<T>| self.unscale(x, true);
            let inverse = inverse_norm(
                n,
                |x: &mut DMatrix<T>| {
                    self.divide(x);
                    undo(x);
                },
                |x: &mut DMatrix<T>| {
                    self.divide_adjoint(x);
                    undo(x);
                },
            );
            1.0 / (self.norm * inverse).max(1.0)
        })
    }

    /// det A as u and l with det A = u·eˡ, |u| = 1, which does not overflow where det A does.
    ///
    /// # Examples
    /// ```
    /// use linalg::{DMatrix, Lu};
    /// // −2·I of size 2001: det = −2^2001, out of range.
    /// let lu = Lu::new(DMatrix::from_diagonal_element(2001, 2001, -2.0))?;
    /// let (sign, logarithm) = lu.log_determinant();
    /// assert_eq!(sign, -1.0);
    /// assert!((logarithm - 2001.0 * 2.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), linalg::Error>(())
    /// ```
    #[must_use]
    pub fn log_determinant(&self) -> (T, f64) {
        let swaps = self.pivots.iter().enumerate().filter(|&(i, &pivot)| i != pivot).count();
        let start = if swaps.is_multiple_of(2) { T::one() } else { -T::one() };
        let per_pivot = self.scale.0.ln() + self.scale.1.ln();
        let diagonal = self.factors.diagonal();
        diagonal.iter().fold((start, 0.0), |(phase, logarithm), &pivot| {
            let modulus = T::real_to_f64(pivot.modulus());
            (phase * pivot.unscale(pivot.modulus()), logarithm + modulus.ln() + per_pivot)
        })
    }

    /// L: lower triangular with ones on its diagonal.
    #[must_use]
    pub fn l(&self) -> DMatrix<T> {
        let n = self.factors.nrows();
        DMatrix::from_fn(n, n, |i, j| match i.cmp(&j) {
            std::cmp::Ordering::Less => T::zero(),
            std::cmp::Ordering::Equal => T::one(),
            std::cmp::Ordering::Greater => self.factors[(i, j)],
        })
    }

    /// U: upper triangular.
    #[must_use]
    pub fn u(&self) -> DMatrix<T> {
        let n = self.factors.nrows();
        let (first, second) = self.scale;
        let entry =
            |entry: T| entry.scale(nalgebra::convert(first)).scale(nalgebra::convert(second));
        DMatrix::from_fn(n, n, |i, j| if i <= j { entry(self.factors[(i, j)]) } else { T::zero() })
    }

    /// P as an order: row i of P·A is row `order[i]` of A.
    #[must_use]
    pub fn row_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pivots.len()).collect();
        for (i, &pivot) in self.pivots.iter().enumerate() {
            order.swap(i, pivot);
        }
        order
    }

    fn acceptable(&self, b: &DMatrix<T>) -> Result<()> {
        let n = self.factors.nrows();
        check_shape("b", (n, b.ncols()), b.shape())?;
        finite("b", b)
    }

    /// B ← A⁻¹·B, whatever B holds.
    fn divide(&self, b: &mut DMatrix<T>) {
        // First, since elimination may grow a right-hand side that is near the end of the range.
        self.unscale(b, false);
        for (i, &pivot) in self.pivots.iter().enumerate() {
            b.swap_rows(i, pivot);
        }
        let lu = self.factors.as_view();
        solve(Triangle::UnitLower, lu, b.as_view_mut(), self.threads);
        solve(Triangle::Upper, lu, b.as_view_mut(), self.threads);
    }

    /// B ← A⁻ᴴ·B, whatever B holds.
    fn divide_adjoint(&self, b: &mut DMatrix<T>) {
        self.unscale(b, false);
        let lu = self.factors.as_view();
        solve(Triangle::UpperAdjoint, lu, b.as_view_mut(), self.threads);
        solve(Triangle::UnitLowerAdjoint, lu, b.as_view_mut(), self.threads);
        for (i, &pivot) in self.pivots.iter().enumerate().rev() {
            b.swap_rows(i, pivot);
        }
    }

    /// Divides by the scale of the matrix that was factored, or multiplies with it.
    fn unscale(&self, x: &mut DMatrix<T>, again: bool) {
        let (first, second) = self.scale;
        if self.scale != (1.0, 1.0) {
            let (first, second) = if again { (first, second) } else { (1.0 / first, 1.0 / second) };
            x.apply(|x| {
                *x = x.scale(nalgebra::convert(first)).scale(nalgebra::convert(second));
            });
        }
    }

    /// Refuses a matrix that is singular to working precision once its rows are of the same size.
    ///
    /// With D = diag(1/Σⱼ|aᵢⱼ|) the norm ‖D·A‖_∞ is 1, and no other scaling of the rows makes
    /// ‖D·A‖_∞·‖(D·A)⁻¹‖_∞ smaller (van der Sluis, Numer. Math. 14, 1969).
    fn refuse_singular(&self, row_sums: &[f64]) -> Result<()> {
        // (D·A)·x = ±1: of the size 1/‖(D·A)⁻¹‖ along the worst direction, but for luck.
        let signs = row_sums.iter().zip(signs());
        let mut x = DMatrix::from_iterator(
            row_sums.len(),
            1,
            signs.map(|(&sum, sign)| nalgebra::convert(sign * sum)),
        );
        self.divide(&mut x);
        self.unscale(&mut x, true);
        let harmless = |x: &T| size(*x) <= 1.0 / T::EPSILON.sqrt();
        if x.iter().all(harmless) {
            return Ok(());
        }
        let by_rows = |x: &mut DMatrix<T>| {
            for (x, &sum) in x.iter_mut().zip(row_sums) {
                *x = x.scale(nalgebra::convert(sum));
            }
        };
        // ‖(D·A)⁻¹‖_∞ is the 1-norm of its adjoint D⁻¹·A⁻ᴴ.
        let inverse = inverse_norm(
            row_sums.len(),
            |x: &mut DMatrix<T>| {
                self.divide_adjoint(x);
                self.unscale(x, true);
                by_rows(x);
            },
            |x: &mut DMatrix<T>| {
                by_rows(x);
                self.divide(x);
                self.unscale(x, true);
            },
        );
        let rcond = 1.0 / inverse;
        if rcond >= T::EPSILON {
            return Ok(());
        }
        let pivot = self.factors.diagonal().map(size).imin();
        Err(Error::Singular { argument: "a", pivot, rcond })
    }
}

/// A fixed pseudo-random sequence of 1 and −1: the high bits of a linear congruential generator
/// (Knuth's MMIX).
fn signs() -> impl Iterator<Item = f64> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(Some(1), next).map(|state| if state >> 63 == 0 { 1.0 } else { -1.0 })
}

/// Sums of |Re| + |Im| over the rows and columns of a matrix.
struct Sums {
    rows: Vec<f64>,
    largest_column: f64,
}

impl Sums {
    fn of<T: Scalar>(a: &DMatrix<T>) -> Self {
        dispatch(a.nrows(), Summation(a))
    }
}

/// [`Sums::of`].
struct Summation<'a, T: Scalar>(&'a DMatrix<T>);

impl<T: Scalar> WithSimd for Summation<'_, T> {
    type Output = Sums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Sums {
        let height = self.0.nrows();
        let mut rows = vec![0.0; height];
        let mut largest_column = 0.0_f64;
        for column in self.0.as_slice().chunks_exact(height.max(1)) {
            let mut sums = [0.0; SIDE_BY_SIDE];
            let mut sum = 0.0;
            let (rows, few_rows) = rows.as_chunks_mut::<SIDE_BY_SIDE>();
            let (entries, few_entries) = column.as_chunks::<SIDE_BY_SIDE>();
            for (row, &entry) in few_rows.iter_mut().zip(few_entries) {
                let size = re(entry).abs() + im(entry).abs();
                *row += size;
                sum += size;
            }
            for (rows, entries) in rows.iter_mut().zip(entries) {
                for i in 0..SIDE_BY_SIDE {
                    let size = re(entries[i]).abs() + im(entries[i]).abs();
                    rows[i] += size;
                    sums[i] += size;
                }
            }
            if !entries.is_empty() {
                sum += sums.iter().sum::<f64>();
            }
            // A NaN, which no comparison keeps, stays in this one.
            largest_column = if sum <= largest_column { largest_column } else { sum };
            if sum.is_nan() {
                break;
            }
        }
        Sums { rows, largest_column }
    }
}

/// Divides a matrix of entries near the ends of the range by a power of two, returned as the
/// product of two numbers.
fn scale_to_the_middle<T: Scalar>(a: &mut DMatrix<T>, sums: &mut Sums) -> (f64, f64) {
    let norm = sums.largest_column;
    // In between, pivots may grow or shrink by 1/eps.
    let middle = T::MIN_POSITIVE / T::EPSILON..=T::EPSILON / T::MIN_POSITIVE;
    if norm == 0.0 || middle.contains(&norm) {
        return (1.0, 1.0);
    }
    let (first, second) = power_of_two_near(norm.min(f64::MAX));
    let down = |x: f64| x / first / second;
    a.apply(|entry| {
        *entry = entry.unscale(nalgebra::convert(first)).unscale(nalgebra::convert(second));
    });
    if norm.is_finite() {
        sums.rows.iter_mut().for_each(|sum| *sum = down(*sum));
        sums.largest_column = down(norm);
    } else {
        // The sums overflowed though no entry did; those of the scaled matrix do not.
        *sums = Sums::of(a);
    }
    (first, second)
}

/// Factors an m × n panel, m ≥ n: U in its upper triangle, L below; the index of a pivot that is
/// zero.
fn factor<T: Scalar>(
    a: &mut DMatrixViewMut<'_, T>,
    pivots: &mut [usize],
    threads: Threads,
) -> Result<(), usize> {
    let n = a.ncols();
    if n <= SMALL {
        return dispatch(a.nrows(), Panel { a, pivots });
    }
    let half = (n / 2).next_multiple_of(SMALL);
    let (mut left, mut right) = a.columns_range_pair_mut(..half, half..);
    let (first, second) = pivots.split_at_mut(half);
    factor(&mut left, first, threads)?;
    exchange(right.as_view_mut(), first, threads);
    let (mut above, mut below) = right.rows_range_pair_mut(..half, half..);
    solve_many(Triangle::UnitLower, left.rows(0, half), above.as_view_mut(), threads);
    let multipliers = left.rows_range(half..);
    subtract_product(multipliers, above.as_view(), below.as_view_mut(), threads);
    factor(&mut below, second, threads).map_err(|pivot| half + pivot)?;
    exchange(left.rows_range_mut(half..), second, threads);
    second.iter_mut().for_each(|pivot| *pivot += half);
    Ok(())
}

/// Exchanges row i with row `pivots[i]`, for each i in turn.
fn exchange<T: Scalar>(a: DMatrixViewMut<'_, T>, pivots: &[usize], threads: Threads) {
    let columns = a.ncols();
    let pieces =
        gemm::pieces((columns * pivots.len()).saturating_mul(EXCHANGE), threads).min(columns);
    over_columns(a, pieces, &|mut a| {
        for column in a.column_iter_mut() {
            let entries = column.data.into_slice_mut();
            for (i, &pivot) in pivots.iter().enumerate() {
                entries.swap(i, pivot);
            }
        }
    });
}

/// [`factor`], one column after the other.
struct Panel<'a, 'b, 'c, T: Scalar> {
    a: &'a mut DMatrixViewMut<'b, T>,
    pivots: &'c mut [usize],
}

impl<T: Scalar> WithSimd for Panel<'_, '_, '_, T> {
    type Output = Result<(), usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let n = self.a.ncols();
        let mut columns: [&mut [T]; SMALL] = take_columns(self.a);
        for j in 0..n {
            let (known, rest) = columns.split_at_mut(j);
            let column = &mut *rest[0];
            for (i, &pivot) in self.pivots[..j].iter().enumerate() {
                column.swap(i, pivot);
            }
            // U's part of the column, then what the earlier columns leave of the rest.
            for k in 0..j {
                let (head, tail) = column[..j].split_at_mut(k + 1);
                add(simd, -head[k], &known[k][k + 1..j], tail);
            }
            let (above, below) = column.split_at_mut(j);
            eliminate(simd, known, |k| -above[k], below);
            let (pivot, largest) = largest(below);
            if largest == 0.0 {
                return Err(j);
            }
            self.pivots[j] = j + pivot;
            below.swap(0, pivot);
            for column in known {
                column.swap(j, j + pivot);
            }
            divide(simd, below);
        }
        Ok(())
    }
}

/// Divides all but the first number by the first.
#[inline(always)]
fn divide<S: Simd, T: Scalar>(simd: S, column: &mut [T]) {
    let Some((&mut pivot, rest)) = column.split_first_mut() else { return };
    // The reciprocal of a pivot that is nearly subnormal overflows, or is inexact.
    if size(pivot) > T::MIN_POSITIVE / T::EPSILON {
        scale(simd, quotient(T::one(), pivot), rest);
    } else {
        rest.iter_mut().for_each(|entry| *entry = quotient(*entry, pivot));
    }
}

/// The place and size of the largest entry, the first of equals.
#[inline(always)]
fn largest<T: Scalar>(column: &[T]) -> (usize, f64) {
    let greater = |a: f64, b: f64| if b > a { b } else { a };
    let (chunks, few) = column.as_chunks::<SIDE_BY_SIDE>();
    let mut largest = few.iter().fold(0.0, |largest, &entry| greater(largest, size(entry)));
    if !chunks.is_empty() {
        let mut lanes = [0.0_f64; SIDE_BY_SIDE];
        for entries in chunks {
            for i in 0..SIDE_BY_SIDE {
                lanes[i] = greater(lanes[i], size(entries[i]));
            }
        }
        largest = lanes.into_iter().fold(largest, greater);
    }
    let place = column.iter().position(|&entry| size(entry) >= largest);
    (place.unwrap_or(0), largest)
}
