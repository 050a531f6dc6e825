//! Matrix products.

use crate::gemm::{self, Around, Job};
use crate::operator::check_length;
use crate::{DMatrix, DMatrixView, DMatrixViewMut, Error, Result, Scalar};
use nalgebra::{Const, Dyn};
use std::ops::Range;

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
pub struct Operand<'a, T: nalgebra::Scalar> {
    stored: DMatrixView<'a, T>,
    transposed: bool,
    conjugated: bool,
}

impl<'a, T: Scalar> Operand<'a, T> {
    /// The matrix whose column j is `data[j * column_stride..][..rows]`.
    ///
    /// Columns may overlap (`column_stride < rows`): the patches of an image, which a convolution
    /// multiplies by its weights, are such a matrix, and need not be copied.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where `data` is shorter than the last column's end.
    ///
    /// # Examples
    /// Every window of three samples, times the weights of a second difference:
    /// ```
    /// use linalg::{DMatrix, Operand, product, transpose};
    /// let squares = [0.0, 1.0, 4.0, 9.0, 16.0];
    /// let windows = Operand::from_slice(&squares, 3, 3, 1)?;
    /// let weights = DMatrix::from_column_slice(3, 1, &[1.0, -2.0, 1.0]);
    /// let difference = product(transpose(&weights), windows)?;
    /// assert_eq!(difference, DMatrix::from_element(1, 3, 2.0));
    /// # Ok::<(), linalg::Error>(())
    /// ```
    pub fn from_slice(
        data: &'a [T],
        rows: usize,
        columns: usize,
        column_stride: usize,
    ) -> Result<Self> {
        let needed = match (rows, columns) {
            (0, _) | (_, 0) => Some(0),
            _ => (columns - 1).checked_mul(column_stride).and_then(|n| n.checked_add(rows)),
        };
        if needed.is_none_or(|needed| needed > data.len()) {
            return Err(Error::OutOfRange {
                argument: "data.len()",
                value: data.len() as f64,
                expected: "at least (columns - 1) * column_stride + rows",
            });
        }
        let stored = DMatrixView::from_slice_with_strides_generic(
            data,
            Dyn(rows),
            Dyn(columns),
            Const::<1>,
            Dyn(column_stride),
        );
        Ok(stored.into())
    }
}

impl<T: nalgebra::Scalar> Operand<'_, T> {
    /// Rows and columns as the product sees them.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        let (rows, columns) = self.stored.shape();
        if self.transposed { (columns, rows) } else { (rows, columns) }
    }

    /// Some of the rows, as the product sees them.
    pub(crate) fn rows_range(&self, rows: Range<usize>) -> Operand<'_, T> {
        let stored = if self.transposed {
            self.stored.columns_range(rows)
        } else {
            self.stored.rows_range(rows)
        };
        Operand { stored, ..*self }
    }

    /// Some of the columns, as the product sees them.
    pub(crate) fn columns_range(&self, columns: Range<usize>) -> Operand<'_, T> {
        let stored = if self.transposed {
            self.stored.rows_range(columns)
        } else {
            self.stored.columns_range(columns)
        };
        Operand { stored, ..*self }
    }

    /// Columns as the product sees them.
    pub(crate) fn columns(&self) -> usize {
        self.shape().1
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) fn flipped(self) -> Self
    where
        T: Copy,
    {
        Self { transposed: !self.transposed, ..self }
    }

    /// Whether the columns that lie contiguous in memory are rows of the factor.
    pub(crate) fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// Whether the factor's entries are the conjugates of those stored.
    pub(crate) fn is_conjugated(&self) -> bool {
        self.conjugated
    }

    /// Entries of the memory in which the matrix lies, those between its columns included.
    pub(crate) fn span(&self) -> usize {
        self.stored.strides().1 * self.stored.ncols()
    }

    /// A column of the matrix in memory.
    #[inline(always)]
    pub(crate) fn stored_column(&self, column: usize) -> &[T] {
        self.stored.column(column).data.into_slice()
    }
}

impl<'a, T: Scalar> From<&'a DMatrix<T>> for Operand<'a, T> {
    fn from(matrix: &'a DMatrix<T>) -> Self {
        Self::from(matrix.as_view())
    }
}

impl<'a, T: Scalar> From<DMatrixView<'a, T>> for Operand<'a, T> {
    fn from(stored: DMatrixView<'a, T>) -> Self {
        Self { stored, transposed: false, conjugated: false }
    }
}

/// The transpose of a factor; nothing is copied.
pub fn transpose<'a, T: Scalar>(factor: impl Into<Operand<'a, T>>) -> Operand<'a, T> {
    factor.into().flipped()
}

/// The conjugate transpose of a factor; nothing is copied.
pub fn adjoint<'a, T: Scalar>(factor: impl Into<Operand<'a, T>>) -> Operand<'a, T> {
    let factor = factor.into().flipped();
    Operand { conjugated: !factor.conjugated, ..factor }
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
    c: DMatrixViewMut<'_, T>,
    threads: Threads,
) -> Result<()> {
    let (a, b) = (a.into(), b.into());
    fit(&a, &b, &c)?;
    gemm::multiply(&Job { alpha, a, b, beta, lower: None, around: None }, c, threads);
    Ok(())
}

/// c ← f(a·b + o), with the column o added to every column, and f, which `then` does to the entries of any stretch of a
/// column in their place.
///
/// Each block of columns is finished while it is in the cache. A dense layer with its activation is such a map.
///
/// # Errors
/// As [`gemm`]; [`Error::Shape`] for `offset` where it is no column of `c`.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, Threads, affine};
/// let a = DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 4.0]);
/// let mut c = DMatrix::zeros(2, 2);
/// let rectify = |c: &mut [f64]| c.iter_mut().for_each(|c| *c = c.max(0.0));
/// affine(&a, &a, &[-10.0, 1.0], &rectify, c.as_view_mut(), Threads::One)?;
/// assert_eq!(c, DMatrix::from_row_slice(2, 2, &[0.0, 0.0, 16.0, 23.0]));
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn affine<'a, 'b, T: Scalar>(
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'b, T>>,
    offset: &[T],
    then: &(dyn Fn(&mut [T]) + Sync),
    c: DMatrixViewMut<'_, T>,
    threads: Threads,
) -> Result<()> {
    let (a, b) = (a.into(), b.into());
    fit(&a, &b, &c)?;
    check_length("offset", c.nrows(), offset.len())?;
    let around = Some(Around { offset, then });
    let job = Job { alpha: T::one(), a, b, beta: T::one(), lower: None, around };
    gemm::multiply(&job, c, threads);
    Ok(())
}

/// Whether c has the shape of a·b.
fn fit<T: Scalar>(a: &Operand<'_, T>, b: &Operand<'_, T>, c: &DMatrixViewMut<'_, T>) -> Result<()> {
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
    Ok(())
}
