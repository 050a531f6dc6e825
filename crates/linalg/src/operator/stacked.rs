//! Operators beside or above each other.

use std::fmt;

use super::{LinearOperator, check, check_shape};
use crate::{Error, Result, Scalar};

/// Operators in a row, \[A B …\], or in a column, \[A; B; …\].
///
/// # Examples
/// ```
/// use linalg::{DMatrix, LinearOperator, operator::{Identity, Stacked}};
/// let a = DMatrix::from_row_slice(1, 2, &[1.0, 1.0]);
/// let stacked = Stacked::vertical(vec![Box::new(&a), Box::new(Identity::new(2))])?;
/// let mut y = [0.0; 3];
/// stacked.apply(&[2.0, 5.0], &mut y)?;
/// assert_eq!(y, [7.0, 2.0, 5.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
pub struct Stacked<'a, T: Scalar> {
    parts: Vec<Box<dyn LinearOperator<T> + 'a>>,
    direction: Direction,
    nrows: usize,
    ncols: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Vertical,
    Horizontal,
}

impl<'a, T: Scalar> Stacked<'a, T> {
    /// The operator x ↦ \[A·x; B·x; …\], the first part on top.
    ///
    /// # Errors
    /// [`Error::Empty`] without parts; [`Error::Shape`] where a part has not as many columns as
    /// the first.
    pub fn vertical(parts: Vec<Box<dyn LinearOperator<T> + 'a>>) -> Result<Self> {
        let first = parts.first().ok_or(Error::Empty { argument: "parts", rows: 0, columns: 0 })?;
        let (mut nrows, ncols) = (0, first.ncols());
        for part in &parts {
            check_shape("part", (part.nrows(), ncols), (part.nrows(), part.ncols()))?;
            nrows += part.nrows();
        }
        Ok(Self { parts, direction: Direction::Vertical, nrows, ncols })
    }

    /// The operator \[x; y; …\] ↦ A·x + B·y + …, the first part at the left.
    ///
    /// # Errors
    /// [`Error::Empty`] without parts; [`Error::Shape`] where a part has not as many rows as the
    /// first.
    pub fn horizontal(parts: Vec<Box<dyn LinearOperator<T> + 'a>>) -> Result<Self> {
        let first = parts.first().ok_or(Error::Empty { argument: "parts", rows: 0, columns: 0 })?;
        let (nrows, mut ncols) = (first.nrows(), 0);
        for part in &parts {
            check_shape("part", (nrows, part.ncols()), (part.nrows(), part.ncols()))?;
            ncols += part.ncols();
        }
        Ok(Self { parts, direction: Direction::Horizontal, nrows, ncols })
    }

    /// Each part's share of the output, one after the other.
    fn spread(
        &self,
        y: &mut [T],
        length: impl Fn(&dyn LinearOperator<T>) -> usize,
        product: impl Fn(&dyn LinearOperator<T>, &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = y;
        for part in &self.parts {
            let (own, others) = rest.split_at_mut(length(part));
            product(part, own)?;
            rest = others;
        }
        Ok(())
    }

    /// The sum of what each part makes of its share of the input.
    fn gather(
        &self,
        x: &[T],
        y: &mut [T],
        length: impl Fn(&dyn LinearOperator<T>) -> usize,
        product: impl Fn(&dyn LinearOperator<T>, &[T], &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let (mut rest, mut one) = (x, vec![T::zero(); y.len()]);
        y.fill(T::zero());
        for part in &self.parts {
            let (own, others) = rest.split_at(length(part));
            product(part, own, &mut one)?;
            y.iter_mut().zip(&one).for_each(|(y, &one)| *y += one);
            rest = others;
        }
        Ok(())
    }
}

impl<T: Scalar> LinearOperator<T> for Stacked<'_, T> {
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows, self.ncols, x, y)?;
        match self.direction {
            Direction::Vertical => self.spread(y, |a| a.nrows(), |a, y| a.apply(x, y)),
            Direction::Horizontal => self.gather(x, y, |a| a.ncols(), |a, x, y| a.apply(x, y)),
        }
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols, self.nrows, x, y)?;
        match self.direction {
            Direction::Vertical => {
                self.gather(x, y, |a| a.nrows(), |a, x, y| a.apply_adjoint(x, y))
            }
            Direction::Horizontal => self.spread(y, |a| a.ncols(), |a, y| a.apply_adjoint(x, y)),
        }
    }
}

impl<T: Scalar> fmt::Debug for Stacked<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stacked")
            .field("parts", &self.parts.len())
            .field("direction", &self.direction)
            .field("nrows", &self.nrows)
            .field("ncols", &self.ncols)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DMatrix;
    use crate::operator::tests::{obeys, random, random_complex};

    #[test]
    fn stacks_are_block_matrices() {
        let (a, b) = (random_complex(2, 3, 1), random_complex(4, 3, 2));
        let mut dense = DMatrix::zeros(6, 3);
        dense.rows_mut(0, 2).copy_from(&a);
        dense.rows_mut(2, 4).copy_from(&b);
        obeys(&Stacked::vertical(vec![Box::new(&a), Box::new(&b)]).unwrap(), &dense);
        let (a, b) = (a.adjoint(), b.adjoint());
        obeys(&Stacked::horizontal(vec![Box::new(a), Box::new(b)]).unwrap(), &dense.adjoint());
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let (a, b) = (random(2, 3, 1), random(4, 2, 2));
        let refused = Stacked::vertical(vec![Box::new(&a), Box::new(&b)]).unwrap_err();
        assert_eq!(refused.to_string(), "part is 4 x 2, expected 4 x 3");
        let refused = Stacked::horizontal(vec![Box::new(&a), Box::new(&b)]).unwrap_err();
        assert_eq!(refused.to_string(), "part is 4 x 2, expected 2 x 2");
        let refused = Stacked::<f64>::vertical(vec![]).unwrap_err();
        assert!(matches!(refused, Error::Empty { argument: "parts", .. }));
    }

    #[test]
    fn what_it_is_can_be_printed() {
        let stacked = Stacked::vertical(vec![Box::new(random(2, 3, 1))]).unwrap();
        assert_eq!(
            format!("{stacked:?}"),
            "Stacked { parts: 1, direction: Vertical, nrows: 2, ncols: 3 }"
        );
    }
}
