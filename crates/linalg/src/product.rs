//! Matrix products.

use crate::{DMatrix, DMatrixView, DMatrixViewMut, Error, Result, Scalar};

/// How many threads a product may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// The calling thread alone.
    #[default]
    One,
    /// rayon's current pool (feature `parallel`; without it the calling thread alone).
    /// The result has the same bits as with [`Threads::One`].
    Pool,
}

/// A factor of a product: a matrix as it stands, transposed, or conjugated and transposed.
///
/// `&DMatrix` and `DMatrixView` convert into it; see [`transpose`] and [`adjoint`] for the rest.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a, T: Scalar> {
    view: DMatrixView<'a, T>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Transposed,
    Adjoint,
}

impl<T: Scalar> Operand<'_, T> {
    /// Rows and columns as the product sees them.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        match self.form {
            Form::Plain => self.view.shape(),
            Form::Transposed | Form::Adjoint => (self.view.ncols(), self.view.nrows()),
        }
    }

    fn to_matrix(self) -> DMatrix<T> {
        match self.form {
            Form::Plain => self.view.into_owned(),
            Form::Transposed => self.view.transpose(),
            Form::Adjoint => self.view.adjoint(),
        }
    }
}

impl<'a, T: Scalar> From<&'a DMatrix<T>> for Operand<'a, T> {
    fn from(matrix: &'a DMatrix<T>) -> Self {
        Self { view: matrix.as_view(), form: Form::Plain }
    }
}

impl<'a, T: Scalar> From<DMatrixView<'a, T>> for Operand<'a, T> {
    fn from(view: DMatrixView<'a, T>) -> Self {
        Self { view, form: Form::Plain }
    }
}

/// The transpose of a matrix or view as a factor of a product; nothing is copied.
pub fn transpose<'a, T: Scalar>(matrix: impl Into<DMatrixView<'a, T>>) -> Operand<'a, T> {
    Operand { view: matrix.into(), form: Form::Transposed }
}

/// The conjugate transpose of a matrix or view as a factor of a product; nothing is copied.
pub fn adjoint<'a, T: Scalar>(matrix: impl Into<DMatrixView<'a, T>>) -> Operand<'a, T> {
    Operand { view: matrix.into(), form: Form::Adjoint }
}

/// The product a·b as a new matrix, on the calling thread.
///
/// # Errors
/// [`Error::Shape`] for `b` where the inner dimensions differ.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, product, transpose};
/// let a = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// let gram = product(&a, transpose(&a))?;
/// assert_eq!(gram, DMatrix::from_row_slice(2, 2, &[14.0, 32.0, 32.0, 77.0]));
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn product<'a, 'b, T: Scalar>(
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'b, T>>,
) -> Result<DMatrix<T>> {
    let (a, b) = (a.into(), b.into());
    let mut c = DMatrix::zeros(a.shape().0, b.shape().1);
    gemm(T::one(), a, b, T::zero(), c.as_view_mut(), Threads::One)?;
    Ok(c)
}

/// c ← alpha·a·b + beta·c, into a given output.
///
/// With `beta` zero, `c` is not read: what it held, NaN included, is overwritten.
///
/// # Errors
/// [`Error::Shape`] for `b` where the inner dimensions differ, for `c` where the outer ones do.
pub fn gemm<'a, 'b, T: Scalar>(
    alpha: T,
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'b, T>>,
    beta: T,
    mut c: DMatrixViewMut<'_, T>,
    _threads: Threads,
) -> Result<()> {
    let (a, b) = (a.into(), b.into());
    let ((m, k), (kb, n)) = (a.shape(), b.shape());
    if k != kb {
        return Err(Error::Shape {
            argument: "b",
            found_rows: kb,
            found_columns: n,
            expected_rows: k,
            expected_columns: n,
        });
    }
    if c.shape() != (m, n) {
        return Err(Error::Shape {
            argument: "c",
            found_rows: c.nrows(),
            found_columns: c.ncols(),
            expected_rows: m,
            expected_columns: n,
        });
    }
    let ab = a.to_matrix() * b.to_matrix() * alpha;
    if beta == T::zero() {
        c.copy_from(&ab);
    } else {
        c *= beta;
        c += ab;
    }
    Ok(())
}
