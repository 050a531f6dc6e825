//! The identity and diagonal matrices.

use super::{Inverse, LinearOperator, check};
use crate::{DVector, Error, Result, Scalar};

/// The identity I of a given size.
///
/// # Examples
/// ```
/// use linalg::{LinearOperator, operator::Identity};
/// let mut y = [0.0; 2];
/// Identity::new(2).apply(&[3.0, 4.0], &mut y)?;
/// assert_eq!(y, [3.0, 4.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    size: usize,
}

impl Identity {
    /// The identity with `size` rows and columns.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl<T: Scalar> LinearOperator<T> for Identity {
    fn nrows(&self) -> usize {
        self.size
    }

    fn ncols(&self) -> usize {
        self.size
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.size, self.size, x, y)?;
        y.copy_from_slice(x);
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        self.apply(x, y)
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(DVector::from_element(self.size, T::one()))
    }

    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        Ok(Some(Box::new(*self)))
    }
}

/// The square matrix diag(d).
///
/// # Examples
/// ```
/// use linalg::{DVector, LinearOperator, operator::Diagonal};
/// let d = Diagonal::new(DVector::from_vec(vec![2.0, -1.0]));
/// let mut y = [0.0; 2];
/// d.apply(&[3.0, 4.0], &mut y)?;
/// assert_eq!(y, [6.0, -4.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Diagonal<T: Scalar> {
    entries: DVector<T>,
}

impl<T: Scalar> Diagonal<T> {
    /// The matrix with `entries` on its diagonal and zeros elsewhere.
    #[must_use]
    pub fn new(entries: DVector<T>) -> Self {
        Self { entries }
    }
}

impl<T: Scalar> LinearOperator<T> for Diagonal<T> {
    fn nrows(&self) -> usize {
        self.entries.len()
    }

    fn ncols(&self) -> usize {
        self.entries.len()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.entries.len(), self.entries.len(), x, y)?;
        for ((y, &x), &d) in y.iter_mut().zip(x).zip(&self.entries) {
            *y = d * x;
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.entries.len(), self.entries.len(), x, y)?;
        for ((y, &x), &d) in y.iter_mut().zip(x).zip(&self.entries) {
            *y = d.conjugate() * x;
        }
        Ok(())
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(self.entries.clone())
    }

    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        let entries = self.entries.map(|entry| entry.recip());
        match entries.iter().position(|entry| !entry.is_finite()) {
            None => Ok(Some(Box::new(Self { entries }))),
            Some(pivot) => Err(Error::Singular { argument: "self", pivot, rcond: 0.0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::tests::{inverts, obeys, random_complex};
    use crate::{Complex, DMatrix};

    #[test]
    fn identity_and_diagonal_are_the_matrices_they_name() {
        obeys::<f64>(&Identity::new(4), &DMatrix::identity(4, 4));
        obeys::<Complex<f32>>(&Identity::new(1), &DMatrix::identity(1, 1));
        let d = random_complex(5, 1, 3).column(0).into_owned();
        obeys(&Diagonal::new(d.clone()), &DMatrix::from_diagonal(&d));
        inverts::<f64>(&Identity::new(4), 0.0);
        inverts(&Diagonal::new(d), 4.0);
    }

    #[test]
    fn a_zero_on_the_diagonal_has_no_inverse() {
        let d = Diagonal::new(DVector::from_vec(vec![1.0, 0.0]));
        assert!(matches!(d.inverse(), Err(Error::Singular { pivot: 1, .. })));
    }
}
