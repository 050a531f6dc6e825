//! Sparse matrices by columns.

use super::Csr;
use super::compressed::{Compressed, check_triplets, conjugate, plain};
use crate::operator::check;
use crate::{DMatrix, DVector, LinearOperator, Result, Scalar, Threads};

/// A sparse matrix held column by column (CSC).
///
/// The mirror image of [`Csr`]: here the product with Aᴴ may use several threads
/// ([`Csc::threads`]), and the product with A runs on the calling thread.
///
/// # Examples
/// ```
/// use linalg::{Csc, LinearOperator};
/// let a = Csc::from_triplets(2, 3, &[(0, 0, 2.0), (1, 1, 3.0), (0, 2, 1.0)])?;
/// let mut y = [0.0; 3];
/// a.apply_adjoint(&[1.0, 10.0], &mut y)?;
/// assert_eq!(y, [2.0, 30.0, 1.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Csc<T: Scalar> {
    columns: Compressed<T>,
    threads: Threads,
}

impl<T: Scalar> Csc<T> {
    /// The `nrows` x `ncols` matrix of the entries (row, column, value), in any order. Entries at
    /// the same place are added, in the order in which they come; zeros are kept.
    ///
    /// # Errors
    /// [`Error::TripletOutside`](crate::Error::TripletOutside) and
    /// [`Error::TripletNotFinite`](crate::Error::TripletNotFinite) with the triplet's index;
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 2³² − 1 rows.
    pub fn from_triplets(
        nrows: usize,
        ncols: usize,
        triplets: &[(usize, usize, T)],
    ) -> Result<Self> {
        check_triplets(nrows, ncols, triplets)?;
        let by_column = triplets.iter().map(|&(row, column, value)| (column, row, value));
        let columns = Compressed::from_entries("nrows", ncols, nrows, by_column)?;
        Ok(Self { columns, threads: Threads::One })
    }

    /// The entries of `dense` that are not zero.
    ///
    /// # Errors
    /// [`Error::TripletNotFinite`](crate::Error::TripletNotFinite) with the entry's place.
    pub fn from_dense(dense: &DMatrix<T>) -> Result<Self> {
        Self::try_from(&Csr::from_dense(dense)?)
    }

    /// The same matrix with its zeros.
    #[must_use]
    pub fn to_dense(&self) -> DMatrix<T> {
        let mut dense = DMatrix::zeros(self.columns.width, self.columns.lines());
        for (i, j, value) in self.entries() {
            dense[(i, j)] = value;
        }
        dense
    }

    /// The transpose Aᵀ (not conjugated), again by columns.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 2³² − 1 columns.
    pub fn transpose(&self) -> Result<Self> {
        Ok(Self { columns: self.columns.transposed("ncols")?, threads: self.threads })
    }

    /// How many threads a product with Aᴴ may use; [`Threads::One`] unless set.
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Number of stored entries.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.columns.values.len()
    }

    /// The entry in `row` and `column`: zero where none is stored or the place is outside.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> T {
        if column < self.columns.lines() { self.columns.get(column, row) } else { T::zero() }
    }

    /// The stored entries as (row, column, value), column by column, in ascending order of row.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, T)> + Clone {
        self.columns.entries().map(|(column, row, value)| (row, column, value))
    }
}

/// The same matrix by columns; [`Error::OutOfRange`](crate::Error::OutOfRange) for more than
/// 2³² − 1 rows.
impl<T: Scalar> TryFrom<&Csr<T>> for Csc<T> {
    type Error = crate::Error;

    fn try_from(a: &Csr<T>) -> Result<Self> {
        Ok(Self { columns: a.rows.transposed("nrows")?, threads: Threads::One })
    }
}

impl<T: Scalar> LinearOperator<T> for Csc<T> {
    fn nrows(&self) -> usize {
        self.columns.width
    }

    fn ncols(&self) -> usize {
        self.columns.lines()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows(), self.ncols(), x, y)?;
        self.columns.scatter(plain, x, y);
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols(), self.nrows(), x, y)?;
        self.columns.gather(conjugate, x, y, self.threads);
        Ok(())
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        let length = self.nrows().min(self.ncols());
        Some(DVector::from_fn(length, |i, _| self.columns.get(i, i)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "parallel")]
    use crate::operator::tests::random;
    use crate::operator::tests::{obeys, random_complex};
    use crate::sparse::csr::tests::shifted_random;

    #[test]
    fn by_columns_it_is_the_same_matrix() {
        let a = shifted_random(23, 3, 1.0, 1);
        let triplets: Vec<_> = a.entries().collect();
        let by_columns = Csc::from_triplets(23, 23, &triplets).unwrap();
        assert_eq!(by_columns, Csc::try_from(&a).unwrap());
        assert_eq!(by_columns.to_dense(), a.to_dense());
        assert_eq!(by_columns.entry_count(), a.entry_count());
        for (i, j, value) in a.entries() {
            assert_eq!(by_columns.get(i, j).to_bits(), value.to_bits(), "[{i}, {j}]");
        }
        obeys(&by_columns, &a.to_dense());
        let wide = random_complex(3, 5, 2);
        obeys(&Csc::from_dense(&wide).unwrap(), &wide);
        assert_eq!(
            Csc::from_dense(&wide).unwrap().transpose().unwrap().to_dense(),
            wide.transpose()
        );
    }

    #[test]
    #[cfg(feature = "parallel")]
    fn any_number_of_threads_gives_the_same_bits() {
        let a = Csc::try_from(&shifted_random(5000, 9, 1.0, 2)).unwrap();
        let x = random(5000, 1, 3);
        let mut one = vec![0.0; 5000];
        a.apply_adjoint(x.as_slice(), &mut one).unwrap();
        let a = a.threads(Threads::Pool);
        for count in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
            let mut many = vec![0.0; 5000];
            pool.install(|| a.apply_adjoint(x.as_slice(), &mut many)).unwrap();
            assert_eq!(one, many, "{count} threads");
        }
    }

    #[test]
    fn a_bad_triplet_is_named() {
        let error = Csc::from_triplets(2, 3, &[(2, 0, 1.0)]).unwrap_err();
        assert_eq!(error.to_string(), "triplet 0 is at [2, 0], outside of a 2 x 3 matrix");
        let error = Csc::<f64>::from_triplets(1 << 33, 1, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nrows is 8589934592, expected at most 4294967295, since positions are \
             32 bits wide"
        );
    }
}
