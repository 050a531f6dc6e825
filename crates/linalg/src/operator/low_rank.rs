//! A diagonal plus a product of two thin matrices.

use super::{Inverse, LinearOperator, check, check_shape};
use crate::{DMatrix, DVector, Error, Lu, Result, Scalar, adjoint, product};

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
    u: DMatrix<T>,
    v: DMatrix<T>,
}

impl<T: Scalar> LowRankPlusDiagonal<T> {
    /// The matrix diag(`diagonal`) + `u`·`v`ᴴ.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where `u` has not as many rows as the diagonal, or
    /// `v` is not of the shape of `u`.
    pub fn new(diagonal: DVector<T>, u: DMatrix<T>, v: DMatrix<T>) -> Result<Self> {
        check_shape("u", (diagonal.len(), u.ncols()), u.shape())?;
        check_shape("v", u.shape(), v.shape())?;
        Ok(Self { diagonal, u, v })
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
        check(self.diagonal.len(), self.diagonal.len(), x, y)?;
        let mut inner = vec![T::zero(); self.v.ncols()];
        self.v.apply_adjoint(x, &mut inner)?;
        self.u.apply(&inner, y)?;
        for ((y, &x), &d) in y.iter_mut().zip(x).zip(&self.diagonal) {
            *y += d * x;
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.diagonal.len(), self.diagonal.len(), x, y)?;
        let mut inner = vec![T::zero(); self.u.ncols()];
        self.u.apply_adjoint(x, &mut inner)?;
        self.v.apply(&inner, y)?;
        for ((y, &x), &d) in y.iter_mut().zip(x).zip(&self.diagonal) {
            *y += d.conjugate() * x;
        }
        Ok(())
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(DVector::from_fn(self.diagonal.len(), |i, _| {
            (0..self.u.ncols())
                .fold(self.diagonal[i], |sum, k| sum + self.u[(i, k)] * self.v[(i, k)].conjugate())
        }))
    }

    /// Woodbury's formula, again a diagonal and a product of thin matrices: with D the diagonal and
    /// C = I + Vᴴ·D⁻¹·U, a k × k matrix, A⁻¹ = D⁻¹ − D⁻¹·U·C⁻¹·(D⁻ᴴ·V)ᴴ.
    ///
    /// Digits are lost where D or C is worse conditioned than A; a step of refinement,
    /// x + A⁻¹·(b − A·x), brings them back.
    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        let diagonal = self.diagonal.map(|d| d.recip());
        if let Some(pivot) = diagonal.iter().position(|d| !d.is_finite()) {
            return Err(Error::Singular { argument: "self", pivot, rcond: 0.0 });
        }
        let k = self.u.ncols();
        if k == 0 {
            return Ok(Some(Box::new(Self { diagonal, ..self.clone() })));
        }
        let (mut u, mut v) = (self.u.clone(), self.v.clone());
        for (mut u, mut v) in u.column_iter_mut().zip(v.column_iter_mut()) {
            for ((u, v), &d) in u.iter_mut().zip(v.iter_mut()).zip(&diagonal) {
                *u *= -d;
                *v *= d.conjugate();
            }
        }
        let core = DMatrix::identity(k, k) - product(adjoint(&self.v), &u)?;
        // C⁻¹ itself, which is small: U·C⁻¹ is a product then, and U is never turned.
        let core = Lu::new(core)?.solve_many(&DMatrix::identity(k, k))?;
        Ok(Some(Box::new(Self { diagonal, u: product(&u, &core)?, v })))
    }
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
