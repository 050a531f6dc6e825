//! Cheap approximations of A⁻¹.

use crate::operator::{Diagonal, check};
use crate::{Csr, Error, LinearOperator, Result, Scalar};

/// diag(A)⁻¹: what the diagonal alone can do. It repairs bad scaling of rows, and nothing else.
///
/// # Errors
/// [`Error::NotSquare`]; [`Error::NoDiagonal`] where A cannot tell it; [`Error::ZeroDiagonal`]
/// with the index of a zero.
///
/// # Examples
/// ```
/// use linalg::krylov::{self, Options, Stop};
/// use linalg::{DVector, operator::Diagonal};
/// let a = Diagonal::new(DVector::from_vec(vec![1e-3, 1.0, 1e6]));
/// let m = krylov::jacobi(&a)?;
/// let solution = krylov::cg(&a, &[1.0, 1.0, 1.0], Options::default().preconditioner(&m))?;
/// assert_eq!((solution.stop, solution.iterations), (Stop::Converged, 1));
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn jacobi<T: Scalar>(a: &dyn LinearOperator<T>) -> Result<Diagonal<T>> {
    check_square(a)?;
    let mut diagonal = a.diagonal().ok_or(Error::NoDiagonal)?;
    for (index, d) in diagonal.iter_mut().enumerate() {
        if *d == T::zero() {
            let algorithm = "the Jacobi preconditioner";
            return Err(Error::ZeroDiagonal { argument: "a", index, algorithm });
        }
        *d = d.recip();
    }
    Ok(Diagonal::new(diagonal))
}

/// (L·U)⁻¹ with L·U ≈ A, the incomplete factorisation that has the entries of A and no others.
///
/// Exact for a banded matrix that fills its band, good on grids and other local couplings. On
/// random graphs it costs more than it saves; and A may have a good inverse where no such
/// factorisation exists, which is the error.
///
/// # Examples
/// For a tridiagonal matrix there is nothing incomplete about it:
/// ```
/// use linalg::krylov::{self, Ilu0, Options, Stop};
/// use linalg::Csr;
/// let n = 100;
/// let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
/// triplets.extend((1..n).flat_map(|i| [(i, i - 1, -1.0), (i - 1, i, -1.0)]));
/// let a = Csr::from_triplets(n, n, &triplets)?;
/// let m = Ilu0::new(&a)?;
/// let solution = krylov::gmres(&a, &vec![1.0; n], Options::default().preconditioner(&m))?;
/// assert_eq!((solution.stop, solution.iterations), (Stop::Converged, 1));
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Y. Saad, "Iterative Methods for Sparse Linear Systems", 2nd ed., SIAM 2003, Algorithm 10.4.
#[derive(Debug, Clone)]
pub struct Ilu0<T: Scalar> {
    starts: Vec<usize>,
    columns: Vec<usize>,
    values: Vec<T>,
    /// Where in each row the diagonal is: L to the left, with an implied 1, and U from here on.
    diagonal: Vec<usize>,
}

impl<T: Scalar> Ilu0<T> {
    /// Factors `a` within its own entries.
    ///
    /// # Errors
    /// [`Error::NotSquare`]; [`Error::ZeroDiagonal`] with the row where a diagonal entry is
    /// missing, zero, or becomes zero or infinite by elimination.
    pub fn new(a: &Csr<T>) -> Result<Self> {
        check_square(a)?;
        let n = a.nrows();
        let mut starts = vec![0; n + 1];
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for (row, column, value) in a.entries() {
            columns.push(column);
            values.push(value);
            starts[row + 1] = columns.len();
        }
        for row in 0..n {
            starts[row + 1] = starts[row + 1].max(starts[row]);
        }
        let mut factors = Self { starts, columns, values, diagonal: Vec::with_capacity(n) };
        // Where in the current row each column is stored.
        let mut place = vec![None; n];
        for row in 0..n {
            factors.eliminate(row, &mut place)?;
        }
        Ok(factors)
    }

    /// Subtracts from `row` the rows above that it has entries for, where it has entries.
    fn eliminate(&mut self, row: usize, place: &mut [Option<usize>]) -> Result<()> {
        let range = self.starts[row]..self.starts[row + 1];
        for k in range.clone() {
            place[self.columns[k]] = Some(k);
        }
        for k in range.clone().take_while(|&k| self.columns[k] < row) {
            let above = self.columns[k];
            let factor = self.values[k] / self.values[self.diagonal[above]];
            self.values[k] = factor;
            for u in self.diagonal[above] + 1..self.starts[above + 1] {
                if let Some(target) = place[self.columns[u]] {
                    let product = factor * self.values[u];
                    self.values[target] -= product;
                }
            }
        }
        let diagonal = place[row].filter(|&k| {
            let pivot = self.values[k];
            pivot != T::zero() && pivot.is_finite()
        });
        for k in range {
            place[self.columns[k]] = None;
        }
        let algorithm = "the incomplete factorisation";
        let error = Error::ZeroDiagonal { argument: "a", index: row, algorithm };
        self.diagonal.push(diagonal.ok_or(error)?);
        Ok(())
    }
}

impl<T: Scalar> LinearOperator<T> for Ilu0<T> {
    fn nrows(&self) -> usize {
        self.diagonal.len()
    }

    fn ncols(&self) -> usize {
        self.diagonal.len()
    }

    /// y ← (L·U)⁻¹·x.
    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let n = self.diagonal.len();
        check(n, n, x, y)?;
        for row in 0..n {
            let lower = self.starts[row]..self.diagonal[row];
            y[row] = lower.fold(x[row], |sum, k| sum - self.values[k] * y[self.columns[k]]);
        }
        for row in (0..n).rev() {
            let upper = self.diagonal[row] + 1..self.starts[row + 1];
            let sum = upper.fold(y[row], |sum, k| sum - self.values[k] * y[self.columns[k]]);
            y[row] = sum / self.values[self.diagonal[row]];
        }
        Ok(())
    }

    /// y ← (L·U)⁻ᴴ·x.
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        let n = self.diagonal.len();
        check(n, n, x, y)?;
        y.copy_from_slice(x);
        for row in 0..n {
            y[row] /= self.values[self.diagonal[row]].conjugate();
            let solved = y[row];
            for k in self.diagonal[row] + 1..self.starts[row + 1] {
                y[self.columns[k]] -= self.values[k].conjugate() * solved;
            }
        }
        for row in (0..n).rev() {
            let solved = y[row];
            for k in self.starts[row]..self.diagonal[row] {
                y[self.columns[k]] -= self.values[k].conjugate() * solved;
            }
        }
        Ok(())
    }
}

fn check_square<T: Scalar>(a: &dyn LinearOperator<T>) -> Result<()> {
    if a.nrows() == a.ncols() {
        return Ok(());
    }
    Err(Error::NotSquare { argument: "a", rows: a.nrows(), columns: a.ncols() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::FnOperator;
    use crate::operator::tests::{entries, obeys, random, random_complex};
    use crate::{Complex, DMatrix, Lu};

    #[test]
    fn with_every_entry_stored_it_is_the_inverse() {
        let mut a = random_complex(6, 6, 1);
        // Diagonally dominant, so that elimination without pivoting is stable.
        for i in 0..6 {
            a[(i, i)] += Complex::from(12.0);
        }
        let inverse = Lu::new(a.clone()).unwrap().solve_many(&DMatrix::identity(6, 6)).unwrap();
        obeys(&Ilu0::new(&Csr::from_dense(&a).unwrap()).unwrap(), &inverse);
    }

    #[test]
    fn the_product_of_the_factors_equals_a_where_a_has_entries() {
        // The defining property of ILU(0), Saad's Proposition 10.4.
        let mut a = random(8, 8, 3);
        a.iter_mut().enumerate().for_each(|(k, x)| *x = if k % 3 == 1 { 0.0 } else { *x });
        for i in 0..8 {
            a[(i, i)] = 9.0;
        }
        let m = Ilu0::new(&Csr::from_dense(&a).unwrap()).unwrap();
        let product = Lu::new(entries(&m)).unwrap().solve_many(&DMatrix::identity(8, 8)).unwrap();
        let (mut kept, mut left_out) = (0.0_f64, 0.0_f64);
        for (a, product) in a.iter().zip(&product) {
            let off = (a - product).abs();
            if *a == 0.0 { left_out = left_out.max(off) } else { kept = kept.max(off) }
        }
        assert!(kept <= 100.0 * f64::EPSILON, "off by {kept:e} at the entries of A");
        assert!(left_out > 1e-3, "nothing was left out: {left_out:e}");
    }

    #[test]
    fn a_diagonal_that_cannot_be_divided_by_is_named() {
        let holed = |i| {
            let entries: Vec<_> = (0..3).filter(|&k| k != i).map(|k| (k, k, 1.0)).collect();
            Csr::from_triplets(3, 3, &entries).unwrap()
        };
        assert_eq!(
            jacobi(&holed(2)).unwrap_err().to_string(),
            "a[2, 2] is zero or not stored, and the Jacobi preconditioner divides by it"
        );
        assert_eq!(
            Ilu0::new(&holed(1)).unwrap_err().to_string(),
            "a[1, 1] is zero or not stored, and the incomplete factorisation divides by it"
        );
        // Elimination makes the last pivot zero.
        let ones = Csr::from_dense(&DMatrix::from_element(2, 2, 1.0)).unwrap();
        assert!(matches!(Ilu0::new(&ones), Err(Error::ZeroDiagonal { index: 1, .. })));
        let blind = FnOperator::without_adjoint(1, 1, |x: &[f64], y: &mut [f64]| y[0] = x[0]);
        assert_eq!(
            jacobi(&blind).unwrap_err().to_string(),
            "the operator cannot tell its diagonal, which the Jacobi preconditioner inverts"
        );
        assert!(matches!(jacobi(&random(2, 3, 1)), Err(Error::NotSquare { .. })));
    }
}
