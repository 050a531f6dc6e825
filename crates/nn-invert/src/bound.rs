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

#[cfg(test)]
mod tests {
    use super::*;
    use linalg::DVector;
    use nn_core::{Activation, Tanh};

    #[test]
    fn the_bound_of_a_layer_is_the_sum_that_is_written_down() {
        // Powers of two, whose solves are exact: W⁻¹ = [[½, −⅛], [0, ¼]].
        let weight = DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 0.0, 4.0]);
        let bias = [8.0, 1.0];
        let lu = Lu::new(weight.clone()).unwrap();
        let bound = Bound::new(weight.as_view(), &lu, Threads::One).unwrap();
        // ‖W‖₁ = 5, ‖W⁻¹‖₁ = ½.
        assert!((bound.condition() - 2.5).abs() <= 4.0 * f64::EPSILON);
        let h = DMatrix::from_row_slice(2, 2, &[4.0, 0.0, -2.0, 16.0]);
        let mut r = &weight * &h;
        // A residual of its own in one place, and errors from behind in all.
        r[(0, 0)] += 0.5;
        let error = DMatrix::from_row_slice(2, 2, &[1.0, 0.25, 2.0, 0.0]);
        let found = bound.carry((weight.as_view(), &bias), &r, &h, &error).unwrap();
        let magnitude = DMatrix::from_row_slice(2, 2, &[0.5, 0.125, 0.0, 0.25]);
        let gamma = 4.0 * f64::EPSILON;
        for column in 0..2 {
            let size = h.column(column).amax();
            let v = DVector::from_fn(2, |i, _| {
                let row_sum: f64 = [3.0, 4.0][i];
                let residual = if (i, column) == (0, 0) { 0.5 } else { 0.0 };
                let terms = 2.0 * (row_sum * size + f64::abs(r[(i, column)])) + bias[i];
                residual + error[(i, column)] + gamma * terms
            });
            // What the computed inverse lacks: γ·‖W‖_∞·‖W⁻¹‖_∞ = γ·4·⅝ of the largest entry.
            let v = v.add_scalar(gamma * 2.5 * v.max());
            let exact = &magnitude * &v;
            // What the size of h lacks: γ·‖|W⁻¹|·|W|·1‖_∞ = γ·max(½·3 + ⅛·4, ¼·4) of the largest.
            let exact = exact.add_scalar(gamma * 2.0 * exact.max());
            let off = (found.column(column) - &exact).amax();
            // Terms of γ² are left out, as are the roundings of these sums.
            assert!(off <= 8.0 * f64::EPSILON * exact.amax() * 1.0, "{off:e} of {exact}");
            // Without the given residual and errors, what rounds is seen.
            let none = DMatrix::zeros(2, 2);
            let bare = bound.carry((weight.as_view(), &bias), &(&weight * &h), &h, &none).unwrap();
            let terms = DVector::from_fn(2, |i, _| {
                let image = (weight.row(i) * h.column(column))[0].abs();
                gamma * (2.0 * ([3.0, 4.0][i] * size + image) + bias[i])
            });
            let exact = &magnitude * terms;
            let off = (bare.column(column) - &exact).amax();
            assert!(off <= 64.0 * f64::EPSILON * exact.amax(), "{off:e} of {exact}");
        }
    }

    #[test]
    fn an_interval_of_values_is_carried_through_by_its_ends() {
        let one = |x: f64| DMatrix::from_element(1, 1, x);
        for (a, error) in [(0.5_f64, 0.1), (-0.5, 0.1), (0.0, 0.25), (0.9, 0.05), (-0.3, 0.0)] {
            let z = a.atanh();
            let found = carry_through(&Tanh, &one(a), &one(z), &one(error))[0];
            let wide = error + 3.0 * f64::EPSILON * a.abs();
            let end = |end: f64| {
                let end: f64 = Activation::<f64>::inverse(&Tanh, end).unwrap();
                (end - z).abs() + 4.0 * f64::EPSILON * (end.abs() + z.abs())
            };
            let expected = end(a + wide).max(end(a - wide));
            assert!((found - expected).abs() <= f64::EPSILON * expected, "{a}: {found} {expected}");
            // Never less than the two ends by the closed form.
            assert!(found >= ((a + error).atanh() - z).abs().max((z - (a - error).atanh()).abs()));
        }
        for a in [0.95, -0.95_f64] {
            assert!(carry_through(&Tanh, &one(a), &one(a.atanh()), &one(0.06))[0].is_infinite());
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "powers of two are exact")]
    fn series_and_largest_numbers_do_not_lie() {
        assert_eq!((geometric(0.5), geometric(0.0), geometric(0.2_f64)), (1.0, 0.0, 0.2 / 0.8));
        assert!(geometric(1.0_f64).is_infinite() && geometric(f64::NAN).is_infinite());
        assert_eq!((largest(&[0.5, 2.0, 1.0]), largest::<f64>(&[])), (2.0, 0.0));
        assert!(largest(&[1.0, f64::NAN, 0.5]).is_infinite());
        let matrix = DMatrix::from_row_slice(2, 2, &[1.0, -2.0, 4.0, -8.0]);
        assert_eq!((inf_norm(&matrix), one_norm(matrix.as_view())), (12.0, 10.0));
        assert_eq!(gamma::<f64>(6), 8.0 * f64::EPSILON);
    }
}
