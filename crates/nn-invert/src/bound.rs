//! A bound on the errors of an affine layer's inverse, carried entry by entry.

use linalg::{DMatrix, DMatrixView, Lu, Real, Threads, gemm, product};

use crate::Result;

/// |W⁻¹| and what the bound lacks for want of the exact one: 2·n² numbers while it is made, n² kept.
#[derive(Debug)]
pub(crate) struct Bound<T: Real> {
    /// |W⁻¹|, entry by entry.
    magnitude: DMatrix<T>,
    /// ∑ⱼ |wᵢⱼ| of each row.
    row_sums: Vec<T>,
    /// ‖W‖₁·‖W⁻¹‖₁.
    condition: f64,
    /// Times the largest entry of v, what |W⁻¹|·v lacks for want of the exact inverse.
    inverse_slack: T,
    /// Times the largest entry of a bound, what it lacks for want of the exact h.
    input_slack: T,
}

impl<T: Real> Bound<T> {
    /// Five times the multiply-adds of the factorisation: the inverse and its residual.
    pub(crate) fn new(weight: DMatrixView<'_, T>, lu: &Lu<T>, threads: Threads) -> Result<Self> {
        let n = weight.nrows();
        let inverse = lu.solve_many(&DMatrix::identity(n, n))?;
        let mut residual = DMatrix::identity(n, n);
        gemm(-T::one(), weight, &inverse, T::one(), residual.as_view_mut(), threads)?;

        let row_sums = absolute_row_sums(weight);
        let (weight_norm, inverse_norm) = (largest(&row_sums), inf_norm(&inverse));
        let gamma = gamma::<T>(n);
        let off = inf_norm(&residual) + gamma * weight_norm * inverse_norm;
        let condition = one_norm(weight).to_double() * one_norm(inverse.as_view()).to_double();
        let magnitude = inverse.abs();
        let sums = DMatrix::from_column_slice(n, 1, &row_sums);
        let amplified = largest(product(&magnitude, &sums)?.as_slice());
        Ok(Self {
            magnitude,
            row_sums,
            condition,
            inverse_slack: geometric(off),
            input_slack: geometric(gamma * amplified),
        })
    }

    /// ‖W‖₁·‖W⁻¹‖₁.
    pub(crate) fn condition(&self) -> f64 {
        self.condition
    }

    /// A bound on |h − h₀| for the solution `h` of W·h = r, r = z − b, given one on |z − z₀|, where z₀
    /// is W·h₀ + b as the forward pass rounded it.
    ///
    /// W·(h − h₀) = (W·h − r) + (z − z₀) + the roundings of r and of z₀, each bounded entry by entry;
    /// |W⁻¹| carries the sum over.
    pub(crate) fn carry(
        &self,
        (weight, bias): (DMatrixView<'_, T>, &[T]),
        r: &DMatrix<T>,
        h: &DMatrix<T>,
        error: &DMatrix<T>,
    ) -> Result<DMatrix<T>> {
        let gamma = gamma::<T>(r.nrows());
        let two = T::one() + T::one();
        let mut v = r.clone();
        gemm(-T::one(), weight, h, T::one(), v.as_view_mut(), Threads::One)?;
        for (column, mut entries) in v.column_iter_mut().enumerate() {
            let size = h.column(column).amax();
            for (row, entry) in entries.iter_mut().enumerate() {
                let terms = self.row_sums[row] * size + r[(row, column)].abs();
                *entry =
                    entry.abs() + error[(row, column)] + gamma * (two * terms + bias[row].abs());
            }
            let slack = self.inverse_slack * entries.max();
            entries.add_scalar_mut(slack);
        }
        let mut bound = product(&self.magnitude, &v)?;
        for mut column in bound.column_iter_mut() {
            let slack = self.input_slack * column.max();
            column.add_scalar_mut(slack);
        }
        Ok(bound)
    }
}

/// A bound on |z − z₀| for z = f⁻¹(a), given one on |a − a₀|, where a₀ is f(z₀) as the forward pass
/// rounded it: f is monotone, so the ends of a's interval give the ends of z's. Taken to be correct
/// to 3 eps: f; to 4 eps: its inverse. Infinite where an end leaves f's range.
pub(crate) fn carry_through<T: Real>(
    activation: &dyn nn_core::Activation<T>,
    a: &DMatrix<T>,
    z: &DMatrix<T>,
    error: &DMatrix<T>,
) -> DMatrix<T> {
    let eps = |n: f64| T::from_double(n * T::EPSILON);
    a.zip_zip_map(z, error, |a, z, error| {
        let error = error + eps(3.0) * a.abs();
        let end = |a| match activation.inverse(a) {
            Some(end) => (end - z).abs() + eps(4.0) * (end.abs() + z.abs()),
            None => T::from_double(f64::INFINITY),
        };
        let (above, below) = (end(a + error), end(a - error));
        if above > below { above } else { below }
    })
}

/// A bound on the relative error of a sum of `n` products, in any order, with as much again to
/// spare for the arithmetic of the bounds themselves: (n + 2)·eps.
fn gamma<T: Real>(n: usize) -> T {
    T::from_double((n + 2) as f64 * T::EPSILON)
}

/// t + t² + t³ + …: infinite unless t < 1.
fn geometric<T: Real>(t: T) -> T {
    if t < T::one() { t / (T::one() - t) } else { T::from_double(f64::INFINITY) }
}

fn absolute_row_sums<T: Real>(matrix: DMatrixView<'_, T>) -> Vec<T> {
    let mut sums = vec![T::zero(); matrix.nrows()];
    for column in matrix.column_iter() {
        for (sum, &entry) in sums.iter_mut().zip(column.iter()) {
            *sum += entry.abs();
        }
    }
    sums
}

fn inf_norm<T: Real>(matrix: &DMatrix<T>) -> T {
    largest(&absolute_row_sums(matrix.as_view()))
}

fn one_norm<T: Real>(matrix: DMatrixView<'_, T>) -> T {
    let sums: Vec<T> = matrix
        .column_iter()
        .map(|column| column.iter().fold(T::zero(), |s, &x| s + x.abs()))
        .collect();
    largest(&sums)
}

/// The largest of numbers that are not negative; a NaN counts as infinite.
fn largest<T: Real>(values: &[T]) -> T {
    values.iter().fold(T::zero(), |largest, &value| {
        if value <= largest {
            largest
        } else if value > largest {
            value
        } else {
            T::from_double(f64::INFINITY)
        }
    })
}
