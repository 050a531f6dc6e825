//! Matrices that are known by what they do to a vector.
//!
//! A [`LinearOperator`] has a shape, a product y = A·x and the product with its adjoint
//! y = Aᴴ·x. The Krylov solvers ask for nothing more, so a convolution, a Jacobian or a simulator
//! is as good a matrix as a dense one. Here are the operators that cost less than their entries:
//! [`Identity`], [`Diagonal`], [`Banded`], [`LowRankPlusDiagonal`], and the ways to put operators together:
//! [`Scaled`], [`Composed`], [`Stacked`]. [`FnOperator`] makes one of closures;
//! [`Csr`](crate::Csr) and [`Csc`](crate::Csc) hold sparse entries; a [`DMatrix`] is an operator
//! as it stands.
//!
//! An adjoint that is not the adjoint makes LSQR and LSMR converge to nonsense without a word.
//! Test yours: ⟨A·x, y⟩ = ⟨x, Aᴴ·y⟩ for random x and y, to n·eps·‖x‖‖y‖‖A‖.

mod banded;
mod composed;
mod diagonal;
mod function;
mod low_rank;
mod stacked;

pub use banded::Banded;
pub use composed::{Composed, Scaled};
pub use diagonal::{Diagonal, Identity};
pub use function::FnOperator;
pub use low_rank::LowRankPlusDiagonal;
pub use stacked::Stacked;

use crate::{
    DMatrix, DMatrixView, DMatrixViewMut, DVector, Error, Result, Scalar, Threads, adjoint, gemm,
};

/// A linear map from `ncols` numbers to `nrows` numbers.
///
/// Every product overwrites `y` without reading it, and refuses slices of the wrong length with
/// [`Error::Shape`]. The trait can be made into an object: the solvers take
/// `&dyn LinearOperator<T>`.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, LinearOperator};
/// let a = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// let mut y = [0.0; 2];
/// a.apply(&[1.0, 0.0, -1.0], &mut y)?;
/// assert_eq!(y, [-2.0, -2.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
pub trait LinearOperator<T: Scalar> {
    /// Number of rows: the length of A·x.
    fn nrows(&self) -> usize;

    /// Number of columns: the length of x.
    fn ncols(&self) -> usize;

    /// y ← A·x.
    ///
    /// # Errors
    /// [`Error::Shape`] where `x` has not `ncols` or `y` not `nrows` entries.
    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()>;

    /// y ← Aᴴ·x, the transpose for real numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] where `x` has not `nrows` or `y` not `ncols` entries, and
    /// [`Error::NoAdjoint`] from an operator that was given none.
    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()>;

    /// Y ← A·X, a column at a time unless the operator knows better.
    ///
    /// # Errors
    /// [`Error::Shape`] where `x` has not `ncols` rows, or `y` not `nrows` rows and the columns
    /// of `x`.
    fn apply_block(&self, x: DMatrixView<'_, T>, mut y: DMatrixViewMut<'_, T>) -> Result<()> {
        check_block(self.nrows(), self.ncols(), &x, &y)?;
        for j in 0..x.ncols() {
            self.apply(x.column(j).as_slice(), y.column_mut(j).as_mut_slice())?;
        }
        Ok(())
    }

    /// The min(nrows, ncols) entries of A's diagonal, where the operator can tell it without products.
    fn diagonal(&self) -> Option<DVector<T>> {
        None
    }

    /// One Gauss–Seidel sweep in single precision for `columns` systems A·x = b at once, each entry of A
    /// being read once for all, where the operator can visit its rows one by one: for i = 0, 1, …,
    /// xᵢ ← xᵢ + rᵢ/aᵢᵢ with rᵢ = bᵢ − Σⱼ aᵢⱼ·xⱼ, the new x₀ … xᵢ₋₁ in the sum. Of a few of the new ones an
    /// operator may take the old values, so that two threads can work side by side; and it may visit its rows in
    /// another order and step farther, as [`Csr`](crate::Csr) does on a grid.
    ///
    /// Row i of X is `x[i·columns..(i + 1)·columns]`, and likewise of B; `inverse_diagonal` holds 1/aᵢᵢ.
    /// Single precision is enough for corrections, with b a residual over its norm, and half of the memory.
    ///
    /// Returns √(Σ |rᵢ|²) of each system, the residuals as they were met; `None`, with x as it was, from an
    /// operator that cannot do it for so many columns.
    ///
    /// # Errors
    /// [`Error::NotSquare`], and [`Error::Shape`] for an argument of the wrong length.
    fn relax(
        &self,
        inverse_diagonal: &[T::Single],
        columns: usize,
        b: &[T::Single],
        x: &mut [T::Single],
    ) -> Result<Option<Vec<f64>>> {
        let _ = (inverse_diagonal, columns, b, x);
        Ok(None)
    }

    /// A⁻¹, where its structure gives A one that costs about as much as A: a product with it is the
    /// solution of a system, with a residual as small as that of an LU factorisation. `None` by default.
    ///
    /// # Errors
    /// [`Error::Singular`] where A has no inverse.
    fn inverse(&self) -> Result<Option<Inverse<T>>> {
        Ok(None)
    }
}

/// See [`LinearOperator::inverse`].
pub type Inverse<T> = Box<dyn LinearOperator<T> + Send + Sync>;

impl<T: Scalar> LinearOperator<T> for DMatrix<T> {
    fn nrows(&self) -> usize {
        self.nrows()
    }

    fn ncols(&self) -> usize {
        self.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows(), self.ncols(), x, y)?;
        gemm(T::one(), self, column(x), T::zero(), column_mut(y), Threads::One)
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols(), self.nrows(), x, y)?;
        gemm(T::one(), adjoint(self), column(x), T::zero(), column_mut(y), Threads::One)
    }

    fn apply_block(&self, x: DMatrixView<'_, T>, y: DMatrixViewMut<'_, T>) -> Result<()> {
        check_block(self.nrows(), self.ncols(), &x, &y)?;
        gemm(T::one(), self, x, T::zero(), y, Threads::One)
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(DVector::from_fn(self.nrows().min(self.ncols()), |i, _| self[(i, i)]))
    }
}

impl<T: Scalar> LinearOperator<T> for DMatrixView<'_, T> {
    fn nrows(&self) -> usize {
        self.nrows()
    }

    fn ncols(&self) -> usize {
        self.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.nrows(), self.ncols(), x, y)?;
        gemm(T::one(), *self, column(x), T::zero(), column_mut(y), Threads::One)
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
        check(self.ncols(), self.nrows(), x, y)?;
        gemm(T::one(), adjoint(*self), column(x), T::zero(), column_mut(y), Threads::One)
    }

    fn apply_block(&self, x: DMatrixView<'_, T>, y: DMatrixViewMut<'_, T>) -> Result<()> {
        check_block(self.nrows(), self.ncols(), &x, &y)?;
        gemm(T::one(), *self, x, T::zero(), y, Threads::One)
    }

    fn diagonal(&self) -> Option<DVector<T>> {
        Some(DVector::from_fn(self.nrows().min(self.ncols()), |i, _| self[(i, i)]))
    }
}

fn column<T: Scalar>(x: &[T]) -> DMatrixView<'_, T> {
    DMatrixView::from_slice(x, x.len(), 1)
}

fn column_mut<T: Scalar>(y: &mut [T]) -> DMatrixViewMut<'_, T> {
    let rows = y.len();
    DMatrixViewMut::from_slice(y, rows, 1)
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Scalar, A: LinearOperator<T> + ?Sized> LinearOperator<T> for $pointer {
            fn nrows(&self) -> usize {
                (**self).nrows()
            }
            fn ncols(&self) -> usize {
                (**self).ncols()
            }
            fn apply(&self, x: &[T], y: &mut [T]) -> Result<()> {
                (**self).apply(x, y)
            }
            fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> Result<()> {
                (**self).apply_adjoint(x, y)
            }
            fn apply_block(&self, x: DMatrixView<'_, T>, y: DMatrixViewMut<'_, T>) -> Result<()> {
                (**self).apply_block(x, y)
            }
            fn diagonal(&self) -> Option<DVector<T>> {
                (**self).diagonal()
            }
            fn relax(
                &self,
                inverse_diagonal: &[T::Single],
                columns: usize,
                b: &[T::Single],
                x: &mut [T::Single],
            ) -> Result<Option<Vec<f64>>> {
                (**self).relax(inverse_diagonal, columns, b, x)
            }
            fn inverse(&self) -> Result<Option<Inverse<T>>> {
                (**self).inverse()
            }
        }
    )*};
}

forward!(&A, Box<A>);

/// Refuses an `x` or `y` that does not fit y = A·x with a `rows` x `columns` matrix.
pub(crate) fn check<T>(rows: usize, columns: usize, x: &[T], y: &[T]) -> Result<()> {
    check_length("x", columns, x.len())?;
    check_length("y", rows, y.len())
}

/// Refuses a vector of the wrong length.
pub(crate) fn check_length(argument: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape {
        argument,
        found_rows: found,
        found_columns: 1,
        expected_rows: expected,
        expected_columns: 1,
    })
}

/// Refuses blocks that do not fit Y = A·X with a `rows` x `columns` matrix.
pub(crate) fn check_block<T: Scalar>(
    rows: usize,
    columns: usize,
    x: &DMatrixView<'_, T>,
    y: &DMatrixViewMut<'_, T>,
) -> Result<()> {
    check_shape("x", (columns, x.ncols()), x.shape())?;
    check_shape("y", (rows, x.ncols()), y.shape())
}

/// Refuses a matrix of the wrong shape.
pub(crate) fn check_shape(
    argument: &'static str,
    expected: (usize, usize),
    found: (usize, usize),
) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape {
        argument,
        found_rows: found.0,
        found_columns: found.1,
        expected_rows: expected.0,
        expected_columns: expected.1,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Complex;
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    pub(crate) fn random(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.0..1.0))
    }

    pub(crate) fn random_complex(rows: usize, columns: usize, seed: u64) -> DMatrix<Complex<f64>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        DMatrix::from_fn(rows, columns, |_, _| {
            Complex::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
        })
    }

    /// The columns of `a`, found by products with unit vectors.
    pub(crate) fn entries<T: Scalar>(a: &dyn LinearOperator<T>) -> DMatrix<T> {
        let mut dense = DMatrix::zeros(a.nrows(), a.ncols());
        a.apply_block(DMatrix::identity(a.ncols(), a.ncols()).as_view(), dense.as_view_mut())
            .unwrap();
        dense
    }

    /// Holds `a` to its contract: single products equal the block's, the adjoint is the adjoint,
    /// the diagonal is the diagonal, and wrong lengths are refused.
    pub(crate) fn obeys<T: Scalar>(a: &dyn LinearOperator<T>, expected: &DMatrix<T>) {
        let limit = 8.0 * T::EPSILON * (expected.nrows() + expected.ncols()) as f64;
        let distance = |x: DMatrix<T>, y: DMatrix<T>| {
            T::real_to_f64((x - &y).camax()) / T::real_to_f64(y.camax()).max(1.0)
        };
        assert_eq!((a.nrows(), a.ncols()), expected.shape());
        let block = entries(a);
        let off = distance(block.clone(), expected.clone());
        assert!(off <= limit, "A·I is off by {off:e}, limit {limit:e}");
        for j in 0..a.ncols() {
            let mut x = DVector::zeros(a.ncols());
            x[j] = T::one();
            // What y held must not matter.
            let mut y = DVector::from_element(a.nrows(), nalgebra::convert::<f64, T>(f64::NAN));
            a.apply(x.as_slice(), y.as_mut_slice()).unwrap();
            assert_eq!(y, block.column(j), "column {j} alone differs from the block's");
        }
        let mut adjoint = DMatrix::zeros(a.ncols(), a.nrows());
        for i in 0..a.nrows() {
            let mut x = DVector::zeros(a.nrows());
            x[i] = T::one();
            let mut y = DVector::from_element(a.ncols(), nalgebra::convert::<f64, T>(f64::NAN));
            a.apply_adjoint(x.as_slice(), y.as_mut_slice()).unwrap();
            adjoint.set_column(i, &y);
        }
        let off = distance(adjoint, expected.adjoint());
        assert!(off <= limit, "Aᴴ·I is off by {off:e}, limit {limit:e}");
        if let Some(diagonal) = a.diagonal() {
            let length = a.nrows().min(a.ncols());
            assert_eq!(diagonal.len(), length);
            let expected = DMatrix::from_fn(length, 1, |i, _| expected[(i, i)]);
            let off = distance(DMatrix::from_fn(length, 1, |i, _| diagonal[i]), expected);
            assert!(off <= limit, "the diagonal is off by {off:e}, limit {limit:e}");
        }
        let mut long = vec![T::zero(); a.nrows().max(a.ncols()) + 1];
        let right = vec![T::zero(); a.ncols()];
        assert!(matches!(a.apply(&right, &mut long), Err(Error::Shape { argument: "y", .. })));
        let wrong = long.clone();
        assert!(matches!(a.apply(&wrong, &mut long), Err(Error::Shape { argument: "x", .. })));
        assert!(matches!(
            a.apply_adjoint(&wrong, &mut long),
            Err(Error::Shape { argument: "x", .. })
        ));
    }

    /// ⟨A·x, y⟩ − ⟨x, Aᴴ·y⟩ over eps·n·‖A‖‖x‖‖y‖, for random x and y.
    fn adjoint_defect(a: &dyn LinearOperator<f64>, seed: u64) -> f64 {
        let (x, y) = (random(a.ncols(), 1, seed), random(a.nrows(), 1, seed + 1));
        let (mut ax, mut ay) = (y.clone(), x.clone());
        a.apply(x.as_slice(), ax.as_mut_slice()).unwrap();
        a.apply_adjoint(y.as_slice(), ay.as_mut_slice()).unwrap();
        // At least 1, the size of the parts' entries: their sum may cancel.
        let scale = entries(a).norm().max(1.0) * x.norm() * y.norm();
        let n = (a.nrows() + a.ncols()) as f64;
        (ax.dot(&y) - x.dot(&ay)).abs() / (f64::EPSILON * n * scale.max(f64::MIN_POSITIVE))
    }

    proptest! {
        #[test]
        fn the_adjoint_is_the_adjoint(
            rows in 1_usize..7, inner in 1_usize..7, columns in 1_usize..7, seed in 0_u64..1000,
        ) {
            let (a, b) = (random(rows, inner, seed), random(inner, columns, seed + 1));
            let square = random(rows, rows, seed + 2);
            let diagonal = random(rows, 1, seed + 3).column(0).into_owned();
            let thin = random(rows, 2, seed + 4);
            let composed = Composed::new(&a, &b).unwrap();
            let low_rank =
                LowRankPlusDiagonal::new(diagonal.clone(), thin.clone(), thin.map(f64::cos))
                    .unwrap();
            let stacked = Stacked::horizontal(vec![Box::new(&a), Box::new(&square)]).unwrap();
            let closure = FnOperator::new(
                rows,
                inner,
                |x: &[f64], y: &mut [f64]| a.apply(x, y).unwrap(),
                |x: &[f64], y: &mut [f64]| a.apply_adjoint(x, y).unwrap(),
            );
            let operators: [&dyn LinearOperator<f64>; 8] = [
                &a, &composed, &low_rank, &stacked, &closure, &Identity::new(rows),
                &Diagonal::new(diagonal), &Scaled::new(-2.5, &a),
            ];
            for (index, operator) in operators.into_iter().enumerate() {
                let defect = adjoint_defect(operator, seed + 5);
                prop_assert!(defect <= 4.0, "operator {index}: {defect} exceeds 4");
            }
        }
    }

    #[test]
    fn dense_matrices_are_operators() {
        obeys(&random(4, 3, 1), &random(4, 3, 1));
        obeys(&random_complex(3, 5, 2), &random_complex(3, 5, 2));
        obeys(&DMatrix::<f64>::zeros(0, 3), &DMatrix::zeros(0, 3));
        obeys(&DMatrix::<f64>::zeros(3, 0), &DMatrix::zeros(3, 0));
        let large = random_complex(6, 5, 3);
        obeys(&large.view((1, 2), (4, 2)), &large.view((1, 2), (4, 2)).into_owned());
    }

    /// Holds A⁻¹ to A: a product with both is within `slack`·eps of where it began.
    pub(crate) fn inverts<T: Scalar>(a: &dyn LinearOperator<T>, slack: f64) {
        let inverse = a.inverse().unwrap().unwrap();
        let n = a.nrows();
        let product = entries(&Composed::new(a, &inverse).unwrap()) - DMatrix::identity(n, n);
        let off = T::real_to_f64(product.camax());
        assert!(off <= slack * T::EPSILON, "A·A⁻¹ is off by {off:e}");
        obeys(&inverse, &entries(&inverse));
    }

    #[test]
    fn references_and_boxes_are_operators() {
        let a = random(3, 3, 4);
        obeys(&&a, &a);
        let boxed: Box<dyn LinearOperator<f64>> = Box::new(a.clone());
        obeys(&boxed, &a);
    }

    #[test]
    fn a_block_of_the_wrong_shape_is_refused() {
        let a = Identity::new(2);
        let x = DMatrix::<f64>::zeros(2, 3);
        let error =
            LinearOperator::<f64>::apply_block(&a, x.as_view(), DMatrix::zeros(2, 2).as_view_mut())
                .unwrap_err();
        assert_eq!(error.to_string(), "y is 2 x 2, expected 2 x 3");
    }
}
