//! Sparse matrices by rows.

use std::sync::OnceLock;

use super::colors::Colors;
use super::compressed::{Compressed, check_triplets, conjugate, plain};
use super::sweep::Systems;
use crate::operator::{check, check_block, check_length};
use crate::{
    DMatrix, DMatrixView, DMatrixViewMut, DVector, Error, LinearOperator, Result, Scalar, Threads,
};

/// A sparse matrix held row by row (CSR).
///
/// Memory: 12 bytes per `f64` entry and 8 per row. A product with A adds each row's terms in
/// ascending order of column and may use several threads, with the same bits
/// ([`Csr::threads`]); a product with Aᴴ runs on the calling thread. Where the adjoint is what
/// you need most, use [`Csc`](crate::Csc). The first sweep ([`LinearOperator::relax`]) of a matrix on a grid keeps
/// 4 bytes more per row, for the order of its rows.
///
/// # Examples
/// ```
/// use linalg::{Csr, LinearOperator};
/// // [ 2 0 1 ]
/// // [ 0 3 0 ], the 3 in two parts
/// let a = Csr::from_triplets(2, 3, &[(0, 0, 2.0), (1, 1, 1.0), (0, 2, 1.0), (1, 1, 2.0)])?;
/// let mut y = [0.0; 2];
/// a.apply(&[1.0, 1.0, 1.0], &mut y)?;
/// assert_eq!(y, [3.0, 3.0]);
/// assert_eq!(a.entry_count(), 3);
/// # Ok::<(), linalg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Csr<T: Scalar> {
    pub(super) rows: Compressed<T>,
    threads: Threads,
    /// Looked for by the first sweep.
    colors: OnceLock<Option<Colors>>,
}

impl<T: Scalar> PartialEq for Csr<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.threads == other.threads
    }
}

impl<T: Scalar> Csr<T> {
    /// The `nrows` x `ncols` matrix of the entries (row, column, value), in any order. Entries at
    /// the same place are added, in the order in which they come; zeros are kept.
    ///
    /// # Errors
    /// [`Error::TripletOutside`](crate::Error::TripletOutside) and
    /// [`Error::TripletNotFinite`](crate::Error::TripletNotFinite) with the triplet's index;
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 2³² − 1 columns.
    pub fn from_triplets(
        nrows: usize,
        ncols: usize,
        triplets: &[(usize, usize, T)],
    ) -> Result<Self> {
        check_triplets(nrows, ncols, triplets)?;
        let rows = Compressed::from_entries("ncols", nrows, ncols, triplets.iter().copied())?;
        Ok(Self { rows, threads: Threads::One, colors: OnceLock::new() })
    }

    /// The entries of `dense` that are not zero.
    ///
    /// # Errors
    /// [`Error::TripletNotFinite`](crate::Error::TripletNotFinite) with the entry's place.
    pub fn from_dense(dense: &DMatrix<T>) -> Result<Self> {
        let mut triplets = Vec::new();
        for i in 0..dense.nrows() {
            for j in 0..dense.ncols() {
                if dense[(i, j)] != T::zero() {
                    triplets.push((i, j, dense[(i, j)]));
                }
            }
        }
        Self::from_triplets(dense.nrows(), dense.ncols(), &triplets)
    }

    /// The same matrix with its zeros.
    #[must_use]
    pub fn to_dense(&self) -> DMatrix<T> {
        let mut dense = DMatrix::zeros(self.rows.lines(), self.rows.width);
        for (i, j, value) in self.rows.entries() {
            dense[(i, j)] = value;
        }
        dense
    }

    /// The transpose Aᵀ (not conjugated), again by rows.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for more than 2³² − 1 rows.
    pub fn transpose(&self) -> Result<Self> {
        let rows = self.rows.transposed("nrows")?;
        Ok(Self { rows, threads: self.threads, colors: OnceLock::new() })
    }

    /// How many threads a product with A may use; [`Threads::One`] unless set.
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    fn sweep<const C: usize>(
        &self,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
    ) -> [f64; C] {
        match self.colors.get_or_init(|| self.rows.colors()) {
            Some(colors) => self.rows.relax_colors(colors, systems, x, self.threads),
            None => self.rows.relax(systems, x, self.threads),
        }
    }

    /// Number of stored entries.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.rows.values.len()
    }

    /// The entry in `row` and `column`: zero where none is stored or the place is outside.
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> T {
        if row < self.rows.lines() { self.rows.get(row, column) } else { T::zero() }
    }

    /// The stored entries as (row, column, value), row by row, in ascending order of column.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, T)> + Clone {
        self.rows.entries()
    }
}

impl<T: Scalar> LinearOperator<T> for Csr<T> {
    fn nrows(&self) -> usize {
        self.rows.lines()
    }

    fn ncols(&self) -> usize {
        self.rows.width
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows(), self.ncols(), x, y)?;
        self.rows.gather(plain, x, y, self.threads);
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols(), self.nrows(), x, y)?;
        self.rows.scatter(conjugate, x, y);
        Ok(())
    }

    fn apply_block(&self, x: DMatrixView<'_, T>, mut y: DMatrixViewMut<'_, T>) -> Result<()> {
        check_block(self.nrows(), self.ncols(), &x, &y)?;
        if x.ncols() == 1 {
            return self.apply(x.column(0).as_slice(), y.column_mut(0).as_mut_slice());
        }
        self.rows.gather_block(&x, &mut y);
        Ok(())
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        let length = self.nrows().min(self.ncols());
        Some(DVector::from_fn(length, |i, _| self.rows.get(i, i)))
    }

    fn relax(
        &self,
        inverse_diagonal: &[T::Single],
        columns: usize,
        b: &[T::Single],
        x: &mut [T::Single],
    ) -> Result<Option<Vec<f64>>> {
        if self.nrows() != self.ncols() {
            let (rows, columns) = (self.nrows(), self.ncols());
            return Err(Error::NotSquare { argument: "self", rows, columns });
        }
        check_length("inverse_diagonal", self.nrows(), inverse_diagonal.len())?;
        check_length("b", self.nrows() * columns, b.len())?;
        check_length("x", self.nrows() * columns, x.len())?;
        let systems = Systems { inverse: inverse_diagonal, b };
        // The widths that the loop is compiled for.
        Ok(match columns {
            1 => Some(self.sweep::<1>(&systems, x).to_vec()),
            2 => Some(self.sweep::<2>(&systems, x).to_vec()),
            4 => Some(self.sweep::<4>(&systems, x).to_vec()),
            8 => Some(self.sweep::<8>(&systems, x).to_vec()),
            _ => None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::operator::tests::{obeys, random, random_complex};
    use crate::{Complex, Lu};
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    /// 2·I plus about `per_row` random entries in each row.
    pub(crate) fn shifted_random(n: usize, per_row: usize, radius: f64, seed: u64) -> Csr<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let scale = radius * (3.0 / per_row as f64).sqrt();
        let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
        for i in 0..n {
            for _ in 0..per_row {
                triplets.push((i, rng.random_range(0..n), scale * rng.random_range(-1.0..1.0)));
            }
        }
        Csr::from_triplets(n, n, &triplets).unwrap()
    }

    proptest! {
        #[test]
        fn duplicates_add_up_in_any_order(
            nrows in 1_usize..6, ncols in 1_usize..6, count in 0_usize..40, seed in 0_u64..1000,
        ) {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut dense = DMatrix::zeros(nrows, ncols);
            let triplets: Vec<_> = (0..count)
                .map(|_| {
                    let (i, j) = (rng.random_range(0..nrows), rng.random_range(0..ncols));
                    // Small integers add exactly, so that equality is the right test.
                    let value = f64::from(rng.random_range(-8_i32..9));
                    dense[(i, j)] += value;
                    (i, j, value)
                })
                .collect();
            let a = Csr::from_triplets(nrows, ncols, &triplets).unwrap();
            prop_assert_eq!(&a.to_dense(), &dense);
            prop_assert_eq!(&a.transpose().unwrap().to_dense(), &dense.transpose());
            prop_assert_eq!(Csr::from_dense(&dense).unwrap().to_dense(), dense);
            for (i, j, value) in a.entries() {
                prop_assert_eq!(a.get(i, j).to_bits(), value.to_bits());
            }
            obeys(&a, &a.to_dense());
        }
    }

    #[test]
    fn complex_entries_are_conjugated_in_the_adjoint_alone() {
        let dense = random_complex(4, 5, 1);
        obeys(&Csr::from_dense(&dense).unwrap(), &dense);
        assert_eq!(
            Csr::from_dense(&dense).unwrap().transpose().unwrap().to_dense(),
            dense.transpose()
        );
    }

    #[test]
    fn empty_shapes_are_matrices_too() {
        for (nrows, ncols) in [(0, 0), (0, 3), (3, 0), (3, 3)] {
            let a = Csr::<f64>::from_triplets(nrows, ncols, &[]).unwrap();
            obeys(&a, &DMatrix::zeros(nrows, ncols));
            assert_eq!(a.transpose().unwrap().to_dense().shape(), (ncols, nrows));
        }
    }

    #[test]
    fn a_block_has_the_bits_of_its_columns() {
        let a = shifted_random(301, 7, 1.0, 5);
        for columns in [1, 2, 3, 4, 5, 9] {
            let x = random(301, columns, 6);
            let mut block = DMatrix::zeros(301, columns);
            a.apply_block(x.as_view(), block.as_view_mut()).unwrap();
            for j in 0..columns {
                let mut y = DVector::zeros(301);
                a.apply(x.column(j).as_slice(), y.as_mut_slice()).unwrap();
                assert_eq!(y, block.column(j), "column {j} of {columns}");
            }
        }
    }

    #[test]
    fn a_sweep_is_forward_substitution_of_the_correction() {
        // x' = x + (D + L)⁻¹·(b − A·x), with D + L the lower triangle.
        let mut dense = random(9, 9, 1);
        dense.iter_mut().step_by(4).for_each(|entry| *entry = 0.0);
        (0..9).for_each(|i| dense[(i, i)] = 3.0 + i as f64);
        let a = Csr::from_dense(&dense).unwrap();
        let (x, b) = (random(9, 1, 2), random(9, 1, 3));
        let inverse = a.diagonal().unwrap().map(|d| (1.0 / d).single());
        let (mut swept, b32) = (x.map(|x| x.single()), b.map(|b| b.single()));
        let met =
            a.relax(inverse.as_slice(), 1, b32.as_slice(), swept.as_mut_slice()).unwrap().unwrap();
        let correction =
            Lu::new(dense.lower_triangle()).unwrap().solve_many(&(b - &dense * &x)).unwrap();
        let off = (swept.map(f64::from) - &x - &correction).amax();
        let eps = f64::from(f32::EPSILON);
        assert!(off <= 40.0 * eps, "off by {off:e}");
        let expected = correction.component_mul(&DMatrix::from_fn(9, 1, |i, _| dense[(i, i)]));
        assert!((met[0] - expected.norm()).abs() <= 40.0 * eps, "{met:?}, {}", expected.norm());
        let error = a.relax(&[1.0], 1, &[0.0; 9], swept.as_mut_slice()).unwrap_err();
        assert_eq!(error.to_string(), "inverse_diagonal is 1 x 1, expected 9 x 1");
        let wide = Csr::from_dense(&random(2, 3, 1)).unwrap();
        assert!(matches!(wide.relax(&[], 1, &[], &mut []), Err(Error::NotSquare { .. })));
    }

    #[test]
    fn sweeps_side_by_side_have_the_bits_of_sweeps_one_by_one() {
        let a = shifted_random(200, 5, 1.0, 3);
        let inverse = a.diagonal().unwrap().map(|d| (1.0 / d).single());
        let single = |columns, seed| random(columns, 200, seed).map(|x| x.single());
        for columns in [2, 4, 8] {
            let (b, start) = (single(columns, 4), single(columns, 5));
            let mut x = start.clone();
            let met = a
                .relax(inverse.as_slice(), columns, b.as_slice(), x.as_mut_slice())
                .unwrap()
                .unwrap();
            for c in 0..columns {
                let mut alone = start.row(c).transpose();
                let b = b.row(c).transpose();
                let norm =
                    a.relax(inverse.as_slice(), 1, b.as_slice(), alone.as_mut_slice()).unwrap();
                assert_eq!(alone.transpose(), x.row(c));
                assert_eq!(norm, Some(vec![met[c]]));
            }
        }
        let mut x = [0.0; 600];
        let other = a.relax(inverse.as_slice(), 3, &[0.0; 600], &mut x);
        assert_eq!(other.unwrap(), None, "a width that is not compiled");
        assert!(a.relax(inverse.as_slice(), 2, &[0.0; 3], &mut x).is_err());
    }

    #[test]
    #[cfg(feature = "parallel")]
    fn any_number_of_threads_gives_the_same_bits() {
        let (a, x) = (shifted_random(5000, 9, 1.0, 2), random(5000, 1, 3));
        let mut one = vec![0.0; 5000];
        a.apply(x.as_slice(), &mut one).unwrap();
        let a = a.threads(Threads::Pool);
        for count in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
            let mut many = vec![0.0; 5000];
            pool.install(|| a.apply(x.as_slice(), &mut many)).unwrap();
            assert_eq!(one, many, "{count} threads");
        }
    }

    #[test]
    fn a_bad_triplet_is_named() {
        let refused = |triplets: &[_]| Csr::from_triplets(2, 3, triplets).unwrap_err().to_string();
        assert_eq!(
            refused(&[(0, 0, 1.0), (1, 3, 1.0)]),
            "triplet 1 is at [1, 3], outside of a 2 x 3 matrix"
        );
        assert_eq!(
            refused(&[(1, 2, f64::NAN)]),
            "triplet 0 at [1, 2] is NaN, and every entry must be finite"
        );
        let error =
            Csr::from_triplets(1, 1, &[(0, 0, Complex::new(1.0, f64::INFINITY))]).unwrap_err();
        assert_eq!(error.to_string(), "triplet 0 at [0, 0] is inf, and every entry must be finite");
        let error = Csr::<f64>::from_triplets(1, 1 << 33, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ncols is 8589934592, expected at most 4294967295, since positions \
             are 32 bits wide"
        );
    }
}
