//! Matrices whose entries lie near the diagonal.

use super::{Inverse, LinearOperator, check};
use crate::condition::inverse_norm;
use crate::precision::size;
use crate::{DMatrix, DVector, Error, Result, Scalar};

/// The square matrix with `lower` diagonals below the main one and `upper` above it, held as
/// (`lower` + `upper` + 1)·n numbers: a convolution of a signal, a spline's equations.
///
/// Its inverse is an LU factorisation with partial pivoting within the band, of
/// (2·`lower` + `upper` + 1)·n numbers and about n·`lower`·(`lower` + `upper`) multiply-adds.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, LinearOperator, operator::Banded};
/// // [ 2 1 0 ]   a diagonal of ones above twos above ones; the corners are not in the matrix.
/// // [ 1 2 1 ]
/// // [ 0 1 2 ]
/// let diagonals = DMatrix::from_row_slice(3, 3, &[
///     0.0, 1.0, 1.0,
///     2.0, 2.0, 2.0,
///     1.0, 1.0, 0.0,
/// ]);
/// let a = Banded::new(1, diagonals)?;
/// let inverse = a.inverse()?.ok_or("a banded matrix has an inverse")?;
/// let mut x = [0.0; 3];
/// inverse.apply(&[3.0, 4.0, 3.0], &mut x)?;
/// assert!(x.iter().all(|x| (x - 1.0_f64).abs() < 1e-15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Banded<T: Scalar> {
    lower: usize,
    upper: usize,
    diagonals: DMatrix<T>,
}

impl<T: Scalar> Banded<T> {
    /// The matrix whose entry in row i and column j is `diagonals[(upper + i − j, j)]`: the uppermost
    /// diagonal first, each entry in its own column, as SciPy's `solve_banded` has it. `upper` is
    /// what remains of the rows of `diagonals` below `lower` and the main one.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are not `lower` + 1 rows at least, [`Error::Empty`] without
    /// columns, [`Error::NotFinite`] with the entry's place among the diagonals.
    pub fn new(lower: usize, diagonals: DMatrix<T>) -> Result<Self> {
        let (rows, columns) = diagonals.shape();
        let Some(upper) = rows.checked_sub(lower).and_then(|left| left.checked_sub(1)) else {
            return Err(Error::Shape {
                argument: "diagonals",
                found_rows: rows,
                found_columns: columns,
                expected_rows: lower.saturating_add(1),
                expected_columns: columns,
            });
        };
        crate::door::finite("diagonals", &diagonals)?;
        Ok(Self { lower, upper, diagonals })
    }

    fn size(&self) -> usize {
        self.diagonals.ncols()
    }

    /// The rows that column `column` has entries in.
    fn rows(&self, column: usize) -> std::ops::Range<usize> {
        column.saturating_sub(self.upper)..(column + self.lower + 1).min(self.size())
    }

    /// Those entries.
    fn entries(&self, column: usize) -> &[T] {
        let rows = self.rows(column);
        let start = column * self.diagonals.nrows() + self.upper + rows.start - column;
        &self.diagonals.as_slice()[start..start + rows.len()]
    }
}

impl<T: Scalar> LinearOperator<T> for Banded<T> {
    fn nrows(&self) -> usize {
        self.size()
    }

    fn ncols(&self) -> usize {
        self.size()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.size(), self.size(), x, y)?;
        y.fill(T::zero());
        for (column, &x) in x.iter().enumerate() {
            for (y, &a) in y[self.rows(column)].iter_mut().zip(self.entries(column)) {
                *y += a * x;
            }
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.size(), self.size(), x, y)?;
        for (column, y) in y.iter_mut().enumerate() {
            let terms = self.entries(column).iter().zip(&x[self.rows(column)]);
            *y = terms.fold(T::zero(), |sum, (&a, &x)| sum + a.conjugate() * x);
        }
        Ok(())
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(DVector::from_fn(self.size(), |i, _| self.diagonals[(self.upper, i)]))
    }

    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        Ok(Some(Box::new(Factors::new(self)?)))
    }
}

/// P·A = L·U within the band.
#[derive(Debug, Clone)]
struct Factors<T> {
    lower: usize,
    /// Diagonals of U above the main one: exchanges of rows widen it.
    wide: usize,
    /// Column by column, `wide` + 1 + `lower` numbers each: U, and the multipliers below it.
    entries: Vec<T>,
    /// Row i was exchanged with row `pivots[i]`.
    pivots: Vec<usize>,
}

impl<T: Scalar> Factors<T> {
    /// Golub & Van Loan, "Matrix Computations", 4th edition, algorithm 4.3.1 with exchanges, in the
    /// storage of LAPACK's `gbtrf`.
    fn new(a: &Banded<T>) -> Result<Self> {
        let (n, lower, wide) = (a.size(), a.lower, a.lower + a.upper);
        let height = wide + 1 + lower;
        let mut entries = vec![T::zero(); height * n];
        for column in 0..n {
            let rows = a.rows(column);
            let start = column * height + wide + rows.start - column;
            entries[start..start + rows.len()].copy_from_slice(a.entries(column));
        }
        let mut pivots = Vec::with_capacity(n);
        let mut reach = 0;
        for column in 0..n {
            let (own, rest) = entries.split_at_mut((column + 1) * height);
            // The diagonal and what is below it; zeros below the last row.
            let candidates = &mut own[column * height + wide..];
            let (mut step, mut largest) = (0, size(candidates[0]));
            for (below, &x) in candidates.iter().enumerate().skip(1) {
                if size(x) > largest {
                    (step, largest) = (below, size(x));
                }
            }
            if largest == 0.0 {
                return Err(Error::Singular { argument: "self", pivot: column, rcond: 0.0 });
            }
            pivots.push(column + step);
            reach = reach.max((column + step + a.upper).min(n - 1));
            candidates.swap(0, step);
            let Some((&mut pivot, multipliers)) = candidates.split_first_mut() else { continue };
            for multiplier in multipliers.iter_mut() {
                *multiplier /= pivot;
            }
            for (beyond, other) in rest.chunks_exact_mut(height).take(reach - column).enumerate() {
                let at = wide - 1 - beyond;
                let rows = &mut other[at..=at + lower];
                rows.swap(0, step);
                let Some((&mut factor, rows)) = rows.split_first_mut() else { continue };
                for (x, &m) in rows.iter_mut().zip(&*multipliers) {
                    *x -= m * factor;
                }
            }
        }
        let factors = Self { lower, wide, entries, pivots };
        factors.refuse_singular(a)?;
        Ok(factors)
    }

    /// As [`Lu`](crate::Lu) refuses: where the condition, with the rows scaled to one size, exceeds
    /// 1/eps. One solution first; the estimate only where that is large.
    fn refuse_singular(&self, a: &Banded<T>) -> Result<()> {
        let n = a.size();
        let mut sums = vec![0.0; n];
        for column in 0..n {
            for (row, &entry) in a.rows(column).zip(a.entries(column)) {
                sums[row] += size(entry);
            }
        }
        let by_rows = |x: &mut [T]| {
            for (x, &sum) in x.iter_mut().zip(&sums) {
                *x = x.scale(nalgebra::convert(sum));
            }
        };
        let sign = |i: usize| if (i.wrapping_mul(0x9e37_79b9) >> 13) & 1 == 0 { 1.0 } else { -1.0 };
        let mut x: Vec<T> = (0..n).map(|i| nalgebra::convert(sign(i))).collect();
        by_rows(&mut x);
        self.divide(&mut x);
        if x.iter().all(|&x| size(x) <= 1.0 / T::EPSILON.sqrt()) {
            return Ok(());
        }
        // ‖(D·A)⁻¹‖_∞ is the 1-norm of its adjoint D⁻¹·A⁻ᴴ.
        let inverse = inverse_norm(
            n,
            |x: &mut DMatrix<T>| {
                self.divide_adjoint(x.as_mut_slice());
                by_rows(x.as_mut_slice());
            },
            |x: &mut DMatrix<T>| {
                by_rows(x.as_mut_slice());
                self.divide(x.as_mut_slice());
            },
        );
        let rcond = 1.0 / inverse;
        if rcond >= T::EPSILON {
            return Ok(());
        }
        let pivot = (0..n).map(|i| size(self.column(i).1)).enumerate();
        let (pivot, _) = pivot
            .fold((0, f64::INFINITY), |least, next| if next.1 < least.1 { next } else { least });
        Err(Error::Singular { argument: "self", pivot, rcond })
    }

    /// U above the diagonal, the diagonal, and the multipliers below it.
    fn column(&self, column: usize) -> (&[T], T, &[T]) {
        let height = self.wide + 1 + self.lower;
        let all = &self.entries[column * height..(column + 1) * height];
        let below = self.lower.min(self.pivots.len() - 1 - column);
        let above = &all[self.wide - self.wide.min(column)..self.wide];
        (above, all[self.wide], &all[self.wide + 1..=self.wide + below])
    }

    /// x ← A⁻¹·x.
    fn divide(&self, x: &mut [T]) {
        let height = self.wide + 1 + self.lower;
        for (column, (own, &pivot)) in
            self.entries.chunks_exact(height).zip(&self.pivots).enumerate()
        {
            x.swap(column, pivot);
            let Some((&mut solved, rest)) = x[column..].split_first_mut() else { continue };
            for (x, &m) in rest.iter_mut().zip(&own[self.wide + 1..]) {
                *x -= m * solved;
            }
        }
        for (column, own) in self.entries.chunks_exact(height).enumerate().rev() {
            let above = self.wide.min(column);
            let (rest, tail) = x.split_at_mut(column);
            tail[0] /= own[self.wide];
            let rest = &mut rest[column - above..];
            for (x, &u) in rest.iter_mut().zip(&own[self.wide - above..self.wide]) {
                *x -= u * tail[0];
            }
        }
    }

    /// x ← A⁻ᴴ·x.
    fn divide_adjoint(&self, x: &mut [T]) {
        for column in 0..x.len() {
            let (above, diagonal, _) = self.column(column);
            let solved = x[column - above.len()..column].iter().zip(above);
            let sum = solved.fold(x[column], |sum, (&x, &u)| sum - u.conjugate() * x);
            x[column] = sum / diagonal.conjugate();
        }
        for (column, &pivot) in self.pivots.iter().enumerate().rev() {
            let multipliers = self.column(column).2.iter().zip(&x[column + 1..]);
            x[column] = multipliers.fold(x[column], |sum, (&m, &x)| sum - m.conjugate() * x);
            x.swap(column, pivot);
        }
    }
}

impl<T: Scalar> LinearOperator<T> for Factors<T> {
    fn nrows(&self) -> usize {
        self.pivots.len()
    }

    fn ncols(&self) -> usize {
        self.pivots.len()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.pivots.len(), self.pivots.len(), x, y)?;
        y.copy_from_slice(x);
        self.divide(y);
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.pivots.len(), self.pivots.len(), x, y)?;
        y.copy_from_slice(x);
        self.divide_adjoint(y);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::tests::{inverts, obeys, random, random_complex};
    use proptest::prelude::*;

    /// The matrix in full.
    fn dense<T: Scalar>(lower: usize, diagonals: &DMatrix<T>) -> DMatrix<T> {
        let n = diagonals.ncols();
        let upper = diagonals.nrows() - lower - 1;
        DMatrix::from_fn(n, n, |i, j| {
            if i <= j + lower && j <= i + upper { diagonals[(upper + i - j, j)] } else { T::zero() }
        })
    }

    proptest! {
        #[test]
        fn it_is_the_matrix_of_its_diagonals(
            n in 1_usize..9, lower in 0_usize..4, upper in 0_usize..4, seed in 0_u64..1000,
        ) {
            let diagonals = random_complex(lower + upper + 1, n, seed);
            let a = Banded::new(lower, diagonals.clone()).unwrap();
            obeys(&a, &dense(lower, &diagonals));
        }

        #[test]
        fn its_inverse_is_that_of_the_full_matrix(
            n in 1_usize..12, lower in 0_usize..4, upper in 0_usize..4, seed in 0_u64..1000,
        ) {
            // Rows must be exchanged: the main diagonal is the smallest.
            let mut diagonals = random(lower + upper + 1, n, seed);
            diagonals.row_mut(upper).scale_mut(0.1);
            let a = Banded::new(lower, diagonals.clone()).unwrap();
            let condition = crate::condition_number(&dense(lower, &diagonals)).unwrap();
            prop_assume!(condition < 1e6);
            // Elimination with exchanges: n·eps·κ with a small factor.
            inverts(&a, 8.0 * n as f64 * condition);
        }
    }

    #[test]
    fn a_singular_band_is_refused() {
        // The second difference with free ends: constants are its null space.
        let n = 50;
        let mut diagonals = DMatrix::from_fn(3, n, |d, _| if d == 1 { 2.0 } else { -1.0 });
        (diagonals[(1, 0)], diagonals[(1, n - 1)]) = (1.0, 1.0);
        let Err(error) = Banded::new(1, diagonals).unwrap().inverse() else { panic!("inverted") };
        assert!(matches!(error, Error::Singular { pivot: 49, .. }), "{error}");
        let zero = Banded::new(0, DMatrix::<f64>::zeros(1, 3)).unwrap();
        assert!(matches!(zero.inverse(), Err(Error::Singular { pivot: 0, .. })));
    }

    #[test]
    fn what_is_no_band_is_refused() {
        let refused = |lower, diagonals| Banded::new(lower, diagonals).unwrap_err().to_string();
        assert_eq!(refused(2, DMatrix::<f64>::zeros(2, 5)), "diagonals is 2 x 5, expected 3 x 5");
        assert_eq!(
            refused(0, DMatrix::from_element(1, 2, f64::NAN)),
            "diagonals[0, 0] is NaN, and every entry must be finite"
        );
    }
}
