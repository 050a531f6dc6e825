//! Products of operators, and operators times a number.

use super::{Inverse, LinearOperator, check, check_length};
use crate::{DVector, Error, Result, Scalar};

/// The product A·B of two operators, applied one after the other.
///
/// Each product makes one vector for B·x. `&A` and `Box<A>` are operators too, so either part may
/// be borrowed.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, LinearOperator, operator::Composed};
/// let a = DMatrix::from_row_slice(1, 2, &[1.0, 1.0]);
/// let b = DMatrix::from_row_slice(2, 1, &[3.0, 4.0]);
/// let mut y = [0.0];
/// Composed::new(&a, &b)?.apply(&[2.0], &mut y)?;
/// assert_eq!(y, [14.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Composed<A, B> {
    left: A,
    right: B,
    inner: usize,
}

impl<A, B> Composed<A, B> {
    /// The operator x ↦ left·(right·x).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where `right` has not as many rows as `left` has
    /// columns.
    pub fn new<T: Scalar>(left: A, right: B) -> Result<Self>
    where
        A: LinearOperator<T>,
        B: LinearOperator<T>,
    {
        let inner = left.ncols();
        super::check_shape("right", (inner, right.ncols()), (right.nrows(), right.ncols()))?;
        Ok(Self { left, right, inner })
    }
}

impl<T: Scalar, A: LinearOperator<T>, B: LinearOperator<T>> LinearOperator<T> for Composed<A, B> {
    fn nrows(&self) -> usize {
        self.left.nrows()
    }

    fn ncols(&self) -> usize {
        self.right.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check_length("x", self.ncols(), x.len())?;
        let mut between = vec![T::zero(); self.inner];
        self.right.apply(x, &mut between)?;
        self.left.apply(&between, y)
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check_length("x", self.nrows(), x.len())?;
        let mut between = vec![T::zero(); self.inner];
        self.left.apply_adjoint(x, &mut between)?;
        self.right.apply_adjoint(&between, y)
    }
}

/// The operator c·A.
///
/// # Examples
/// ```
/// use linalg::{LinearOperator, operator::{Identity, Scaled}};
/// let mut y = [0.0; 2];
/// Scaled::new(-2.0, Identity::new(2)).apply(&[1.0, 3.0], &mut y)?;
/// assert_eq!(y, [-2.0, -6.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled<T, A> {
    factor: T,
    operator: A,
}

impl<T, A> Scaled<T, A> {
    /// `factor` times `operator`.
    pub fn new(factor: T, operator: A) -> Self {
        Self { factor, operator }
    }
}

impl<T: Scalar, A: LinearOperator<T>> LinearOperator<T> for Scaled<T, A> {
    fn nrows(&self) -> usize {
        self.operator.nrows()
    }

    fn ncols(&self) -> usize {
        self.operator.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows(), self.ncols(), x, y)?;
        self.operator.apply(x, y)?;
        y.iter_mut().for_each(|y| *y *= self.factor);
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols(), self.nrows(), x, y)?;
        self.operator.apply_adjoint(x, y)?;
        y.iter_mut().for_each(|y| *y *= self.factor.conjugate());
        Ok(())
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(self.operator.diagonal()? * self.factor)
    }

    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        let factor = self.factor.recip();
        if !factor.is_finite() {
            return Err(Error::Singular { argument: "self", pivot: 0, rcond: 0.0 });
        }
        let inverse = self.operator.inverse()?;
        Ok(inverse.map(|operator| Box::new(Scaled::new(factor, operator)) as Inverse<T>))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Complex;
    use crate::operator::tests::{obeys, random, random_complex};

    #[test]
    fn a_composed_operator_is_the_product() {
        let (a, b) = (random_complex(3, 4, 1), random_complex(4, 2, 2));
        obeys(&Composed::new(&a, &b).unwrap(), &(&a * &b));
    }

    #[test]
    fn a_scaled_operator_conjugates_its_factor_in_the_adjoint() {
        let (a, factor) = (random_complex(3, 4, 3), Complex::new(0.5, -2.0));
        obeys(&Scaled::new(factor, &a), &(&a * factor));
    }

    #[test]
    fn operators_that_do_not_fit_are_refused() {
        let error = Composed::new(&random(2, 3, 1), &random(2, 4, 2)).unwrap_err();
        assert_eq!(error.to_string(), "right is 2 x 4, expected 3 x 4");
    }
}
