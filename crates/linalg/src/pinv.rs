//! The pseudo-inverse and what comes with it: rank, minimum-norm least squares, null space, range.

use nalgebra::{ComplexField, DMatrix, DVector, zero};

use crate::door::{finite, solution};
use crate::kernels::{Kernels, SingularParts, Vectors};
use crate::operator::check_shape;
use crate::{Error, Result, Scalar, adjoint, product};

/// The pseudo-inverse A⁺ = Vᵣ·diag(1/σ)·Uᵣᴴ of an m × n matrix, kept as factors: decompose once,
/// solve many.
///
/// r is the rank: the number of singular values above a cut-off, by default max(m, n)·eps·σ₁ with
/// the eps of the matrix's own precision, as in SciPy's and MATLAB's `rank`. A singular value below
/// that is what rounding A itself would leave of a zero. Whether the cut falls in a gap or in the
/// middle of a slope is told by [`gap`](Self::gap): a matrix whose entries were measured to three
/// digits needs [`with_cutoff`](Self::with_cutoff) at 1e-3, and no default can know that.
///
/// The wrong turn is (AᵀA)⁻¹Aᵀ: it squares the condition number, which loses all digits from 1e8
/// on, and does not exist where A has linearly dependent columns.
///
/// Everything is computed in double and rounded to the matrix's precision at the end.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, DVector, PseudoInverse};
/// // x + y = 2 alone: the solutions are (1, 1) + t·(1, −1), and (1, 1) is the shortest.
/// let inverse = PseudoInverse::new(&DMatrix::from_element(1, 2, 1.0_f64))?;
/// let x = inverse.solve(&DVector::from_element(1, 2.0))?;
/// assert!((x - DVector::from_element(2, 1.0)).norm() < 1e-15);
/// assert_eq!(inverse.rank(), 1);
/// let null = inverse.null_space();
/// assert_eq!(null.shape(), (2, 1));
/// assert!((null[0] + null[1]).abs() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Penrose, "A generalized inverse for matrices", Proc. Cambridge Phil. Soc. 51, 1955; Golub and
/// Van Loan, "Matrix Computations", 4th edition, section 5.5.
#[derive(Debug, Clone)]
pub struct PseudoInverse<T: Scalar> {
    /// Uᵣ, m × r. The factors stay in double precision.
    u: DMatrix<T::Double>,
    /// Vᵣ, n × r.
    v: DMatrix<T::Double>,
    /// The other min(m, n) − r columns of V.
    v_rest: DMatrix<T::Double>,
    singular_values: DVector<f64>,
    cutoff: f64,
}

impl<T: Scalar> PseudoInverse<T> {
    /// Decomposes `a` and counts its rank with the default cut-off.
    ///
    /// # Errors
    /// [`Error::Empty`], or [`Error::NotFinite`] with the entry's index.
    pub fn new(a: &DMatrix<T>) -> Result<Self> {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let size = a.nrows().max(a.ncols()) as f64;
        Self::with_relative_cutoff(a, size * T::EPSILON)
    }

    /// The same, with singular values up to `relative`·σ₁ taken for zero.
    ///
    /// # Errors
    /// As [`PseudoInverse::new`], and [`Error::OutOfRange`] for a `relative` outside [0, 1).
    pub fn with_cutoff(a: &DMatrix<T>, relative: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&relative) {
            let expected = "a fraction of the largest singular value in [0, 1)";
            return Err(Error::OutOfRange { argument: "relative", value: relative, expected });
        }
        Self::with_relative_cutoff(a, relative)
    }

    fn with_relative_cutoff(a: &DMatrix<T>, relative: f64) -> Result<Self> {
        finite("a", a)?;
        let SingularParts { u, values, v } = T::Double::svd(&T::widen(a), Vectors::Yes)?;
        let cutoff = relative * values[0];
        let rank = values.iter().filter(|&&value| value > cutoff).count();
        let v_rest = v.columns(rank, v.ncols() - rank).into_owned();
        Ok(Self {
            u: u.resize_horizontally(rank, zero()),
            v: v.resize_horizontally(rank, zero()),
            v_rest,
            singular_values: values,
            cutoff,
        })
    }

    /// The rank r: how many singular values exceed the [`cutoff`](Self::cutoff).
    #[must_use]
    pub fn rank(&self) -> usize {
        self.u.ncols()
    }

    /// The singular value up to which all are taken for zero.
    #[must_use]
    pub fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// All min(m, n) singular values, descending, those below the cut-off included.
    #[must_use]
    pub fn singular_values(&self) -> &DVector<f64> {
        &self.singular_values
    }

    /// σᵣ/σᵣ₊₁, how clearly the rank is what it is: below 1e3 another cut-off would see another
    /// rank. Infinite where nothing was cut off, or zeros alone; 1 for rank 0.
    #[must_use]
    pub fn gap(&self) -> f64 {
        let Some(&below) = self.singular_values.as_slice().get(self.rank()) else {
            return f64::INFINITY;
        };
        match self.rank().checked_sub(1) {
            _ if below == 0.0 => f64::INFINITY,
            Some(last) => self.singular_values[last] / below,
            None => 1.0,
        }
    }

    /// σ₁/σᵣ: the condition number of what was kept. A solution loses log₁₀ of it in digits.
    /// 1 for rank 0.
    #[must_use]
    pub fn condition_number(&self) -> f64 {
        match self.rank().checked_sub(1) {
            Some(last) => self.singular_values[0] / self.singular_values[last],
            None => 1.0,
        }
    }

    /// A⁺ as a matrix, n × m. To apply it, [`solve`](Self::solve) is faster and as accurate, and it refuses what
    /// overflows: here entries are not finite where A⁺ is too large, as for singular values of 1e-312.
    #[must_use]
    pub fn matrix(&self) -> DMatrix<T> {
        let mut scaled = self.v.clone();
        for (mut column, &value) in scaled.column_iter_mut().zip(self.singular_values.iter()) {
            column.apply(|entry| *entry = entry.unscale(value));
        }
        T::narrow(fitting(product(&scaled, adjoint(&self.u))))
    }

    /// x = A⁺·b, of all x that minimize ‖A·x − b‖ the one with the smallest ‖x‖.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not m entries, [`Error::NotFinite`] with the index,
    /// [`Error::OutOfRange`] where x overflows.
    pub fn solve(&self, b: &DVector<T>) -> Result<DVector<T>> {
        let b = DMatrix::from_column_slice(b.len(), 1, b.as_slice());
        Ok(self.solve_many(&b)?.column(0).into_owned())
    }

    /// X = A⁺·B, one column per right-hand side.
    ///
    /// # Errors
    /// [`Error::Shape`] where `b` has not m rows, [`Error::NotFinite`] with the index,
    /// [`Error::Empty`] for no column, [`Error::OutOfRange`] where X overflows.
    pub fn solve_many(&self, b: &DMatrix<T>) -> Result<DMatrix<T>> {
        let m = self.u.nrows();
        if b.nrows() != m {
            return Err(Error::Shape {
                argument: "b",
                found_rows: b.nrows(),
                found_columns: b.ncols(),
                expected_rows: m,
                expected_columns: b.ncols(),
            });
        }
        finite("b", b)?;
        let mut coefficients = product(adjoint(&self.u), T::widen(b).as_ref())?;
        for (mut row, &value) in coefficients.row_iter_mut().zip(self.singular_values.iter()) {
            row.apply(|entry| *entry = entry.unscale(value));
        }
        let x = T::narrow(product(&self.v, &coefficients)?);
        solution(&x)?;
        Ok(x)
    }

    /// y = (A⁺)ᴴ·c = (Aᴴ)⁺·c, of all y that minimize ‖Aᴴ·y − c‖ the one with the smallest ‖y‖: the
    /// multipliers of the rows of A, where c is a sum of them.
    ///
    /// # Errors
    /// [`Error::Shape`] where `c` has not n entries, [`Error::NotFinite`] with the index,
    /// [`Error::OutOfRange`] where y overflows.
    ///
    /// # Examples
    /// ```
    /// use linalg::{DMatrix, DVector, PseudoInverse};
    /// let inverse = PseudoInverse::new(&DMatrix::from_row_slice(1, 2, &[3.0_f64, 4.0]))?;
    /// let y = inverse.solve_adjoint(&DVector::from_vec(vec![6.0, 8.0]))?; // twice the row
    /// assert!((y[0] - 2.0).abs() < 1e-15);
    /// # Ok::<(), linalg::Error>(())
    /// ```
    pub fn solve_adjoint(&self, c: &DVector<T>) -> Result<DVector<T>> {
        check_shape("c", (self.v.nrows(), 1), (c.len(), 1))?;
        let c = DMatrix::from_column_slice(c.len(), 1, c.as_slice());
        finite("c", &c)?;
        let mut coefficients = product(adjoint(&self.v), T::widen(&c).as_ref())?;
        for (mut row, &value) in coefficients.row_iter_mut().zip(self.singular_values.iter()) {
            row.apply(|entry| *entry = entry.unscale(value));
        }
        let y = T::narrow(product(&self.u, &coefficients)?);
        solution(&y)?;
        Ok(y.column(0).into_owned())
    }

    /// An orthonormal basis of the null space, n × (n − r): every x with A·x = 0, to rounding.
    #[must_use]
    pub fn null_space(&self) -> DMatrix<T> {
        if self.v.ncols() + self.v_rest.ncols() == self.v.nrows() {
            T::narrow(self.v_rest.clone())
        } else {
            T::narrow(T::Double::complement(&self.v))
        }
    }

    /// An orthonormal basis of the range, m × r: every b for which A·x = b has a solution.
    #[must_use]
    pub fn range_basis(&self) -> DMatrix<T> {
        T::narrow(self.u.clone())
    }
}

/// A product whose shapes fit by construction.
fn fitting<D: Scalar>(product: Result<DMatrix<D>>) -> DMatrix<D> {
    match product {
        Ok(product) => product,
        Err(error) => unreachable!("factors of one matrix: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_that_overflows_is_refused_and_one_that_does_not_is_found() {
        let a = DMatrix::from_diagonal(&DVector::from_vec(vec![1e-312, 2e-312]));
        let inverse = PseudoInverse::new(&a).unwrap();
        let ones = DVector::from_element(2, 1.0);
        for error in [inverse.solve(&ones).unwrap_err(), inverse.solve_adjoint(&ones).unwrap_err()]
        {
            let text = error.to_string();
            assert!(text.starts_with("an entry of the solution is "), "{text}");
            assert!(text.ends_with(", expected a number that does not overflow"), "{text}");
        }
        let x = inverse.solve(&DVector::from_vec(vec![1e-312, 2e-312])).unwrap();
        // Entries of 1e-312 are multiples of 5e-324.
        assert!((&x - &ones).norm() <= 16.0 * 5e-12, "{x}");
    }

    #[test]
    fn a_matrix_of_zeros_still_has_solutions() {
        let inverse = PseudoInverse::new(&DMatrix::<f64>::zeros(3, 2)).unwrap();
        assert_eq!(inverse.solve(&DVector::from_element(3, 1.0)).unwrap(), DVector::zeros(2));
    }
}
