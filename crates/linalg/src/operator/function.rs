//! Operators made of closures.

use std::fmt;

use super::{LinearOperator, check};
use crate::{Error, Result, Scalar};

/// An operator made of a closure that writes A·x, and one that writes Aᴴ·x where there is one.
///
/// CG, GMRES and BiCGSTAB never ask for the adjoint; LSQR and LSMR need it.
///
/// # Examples
/// The running sum, whose adjoint sums from the other end:
/// ```
/// use linalg::{LinearOperator, operator::FnOperator};
/// let sum = |x: &[f64], y: &mut [f64]| {
///     let mut total = 0.0;
///     y.iter_mut().zip(x).for_each(|(y, x)| { total += x; *y = total; });
/// };
/// let back = |x: &[f64], y: &mut [f64]| {
///     let mut total = 0.0;
///     y.iter_mut().zip(x).rev().for_each(|(y, x)| { total += x; *y = total; });
/// };
/// let running_sum = FnOperator::new(3, 3, sum, back);
/// let mut y = [0.0; 3];
/// running_sum.apply(&[1.0, 2.0, 3.0], &mut y)?;
/// assert_eq!(y, [1.0, 3.0, 6.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Clone)]
pub struct FnOperator<F, G> {
    nrows: usize,
    ncols: usize,
    apply: F,
    adjoint: Option<G>,
}

impl<F, G> FnOperator<F, G> {
    /// The `nrows` x `ncols` operator whose products the two closures write into their second
    /// argument. The slices they are given always have the right lengths; what the second holds
    /// before is unspecified.
    pub fn new<T: Scalar>(nrows: usize, ncols: usize, apply: F, adjoint: G) -> Self
    where
        F: Fn(&[T], &mut [T]),
        G: Fn(&[T], &mut [T]),
    {
        Self { nrows, ncols, apply, adjoint: Some(adjoint) }
    }
}

impl<F> FnOperator<F, ()> {
    /// The same without an adjoint: asking for it is [`Error::NoAdjoint`].
    #[expect(clippy::type_complexity, reason = "a name for it would be one more thing to know")]
    pub fn without_adjoint<T: Scalar>(
        nrows: usize,
        ncols: usize,
        apply: F,
    ) -> FnOperator<F, fn(&[T], &mut [T])>
    where
        F: Fn(&[T], &mut [T]),
    {
        FnOperator { nrows, ncols, apply, adjoint: None }
    }
}

impl<T, F, G> LinearOperator<T> for FnOperator<F, G>
where
    T: Scalar,
    F: Fn(&[T], &mut [T]),
    G: Fn(&[T], &mut [T]),
{
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows, self.ncols, x, y)?;
        (self.apply)(x, y);
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols, self.nrows, x, y)?;
        (self.adjoint.as_ref().ok_or(Error::NoAdjoint)?)(x, y);
        Ok(())
    }
}

impl<F, G> fmt::Debug for FnOperator<F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnOperator")
            .field("nrows", &self.nrows)
            .field("ncols", &self.ncols)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::tests::{obeys, random_complex};

    #[test]
    fn closures_are_operators() {
        let a = random_complex(3, 4, 1);
        let operator = FnOperator::new(
            3,
            4,
            |x: &[_], y: &mut [_]| a.apply(x, y).unwrap(),
            |x: &[_], y: &mut [_]| a.apply_adjoint(x, y).unwrap(),
        );
        obeys(&operator, &a);
        assert_eq!(format!("{operator:?}"), "FnOperator { nrows: 3, ncols: 4, .. }");
    }

    #[test]
    fn a_missing_adjoint_is_an_error_and_not_a_guess() {
        let twice = FnOperator::without_adjoint(1, 1, |x: &[f64], y: &mut [f64]| y[0] = 2.0 * x[0]);
        let mut y = [0.0];
        twice.apply(&[4.0], &mut y).unwrap();
        assert!((y[0] - 8.0).abs() < f64::EPSILON, "{y:?}");
        let error = twice.apply_adjoint(&[4.0], &mut y).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the operator has no adjoint product, which LSQR and LSMR need; use GMRES or BiCGSTAB"
        );
    }
}
