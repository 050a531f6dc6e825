//! Least squares between bounds.

use nalgebra::{DMatrix, DVector};

use crate::door::finite;
use crate::{Error, PseudoInverse, Real, Result};

/// The x between its bounds that makes ‖A·x − b‖₂ least, with what shows that it does.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct BoundedLeastSquares<T: Real> {
    /// x.
    pub x: DVector<T>,
    /// b − A·x.
    pub residual: DVector<T>,
    /// The largest |aⱼᵀ(b − A·x)|/‖aⱼ‖ that an entry of x could still follow without leaving its
    /// bounds, which is how much ‖b − A·x‖ falls for each unit of ‖aⱼ‖·|xⱼ|: rounding at a minimum,
    /// more where the iteration was cut short.
    pub slope: f64,
}

/// The x with lowerⱼ ≤ xⱼ ≤ upperⱼ that makes ‖A·x − b‖₂ least; bounds may be infinite.
///
/// The entries that no bound holds are solved for, and what leaves its bounds on the way is held there,
/// until no held entry would do better within. With bounds 0 and ∞ it is Lawson and Hanson's non-negative
/// least squares, of whose solution no more entries are positive than A has rows. Of several solutions it
/// finds any. Each step is a pseudo-inverse of the columns that are free, so that columns may depend on
/// each other.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`] for `a` and `b`; [`Error::Shape`] where lengths do not fit;
/// [`Error::OutOfRange`] for a lower bound that is not below or at its upper one, or infinite on the
/// wrong side.
///
/// # Examples
/// The point of the quarter plane between (1, 0) and (1, 1) that is nearest to (1, −1):
/// ```
/// use linalg::{DMatrix, DVector, bounded_least_squares};
/// let a = DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 0.0, 1.0]);
/// let (zero, infinite) = (DVector::zeros(2), DVector::from_element(2, f64::INFINITY));
/// let found = bounded_least_squares(&a, &DVector::from_vec(vec![1.0, -1.0]), &zero, &infinite)?;
/// assert!((found.x - DVector::from_vec(vec![1.0, 0.0])).norm() < 1e-15);
/// assert!((found.residual[1] + 1.0).abs() < 1e-15 && found.slope < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23; Stark and Parker,
/// "Bounded-variable least-squares: an algorithm and applications", Computational Statistics 10, 1995.
pub fn bounded_least_squares<T: Real>(
    a: &DMatrix<T>,
    b: &DVector<T>,
    lower: &DVector<T>,
    upper: &DVector<T>,
) -> Result<BoundedLeastSquares<T>> {
    check(a, b, lower, upper)?;
    let (m, n) = a.shape();
    let within = |j: usize, x: T| {
        if x < lower[j] {
            lower[j]
        } else if x > upper[j] {
            upper[j]
        } else {
            x
        }
    };
    let mut x = DVector::from_fn(n, |j, _| within(j, T::zero()));
    let mut free: Vec<bool> = (0..n).map(|j| x[j] > lower[j] && x[j] < upper[j]).collect();
    let lengths: Vec<f64> = a.column_iter().map(|column| column.norm().to_double()).collect();
    let b_length = b.norm().to_double();
    // Freed and driven back at once: not to be freed again until another step was made.
    let mut barred = vec![false; n];
    let mut solve_first = free.iter().any(|&free| free);
    let mut iterations = 20 * (n + 10);
    loop {
        let mut entered = None;
        if !solve_first {
            let pull = a.tr_mul(&residual(a, b, &x));
            let inward = |j: usize| {
                let pull = pull[j].to_double();
                if pull > 0.0 && x[j] < upper[j] || pull < 0.0 && x[j] > lower[j] {
                    pull.abs()
                } else {
                    0.0
                }
            };
            // Rounding of b − A·x and of its products with the columns.
            let used = x.iter().zip(&lengths).map(|(x, length)| x.to_double().abs() * length);
            let size = b_length + used.sum::<f64>();
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
            let rounding = (m + free.iter().filter(|&&free| free).count()) as f64 * T::EPSILON;
            // Not over the column's length: a tiny column would gain with an enormous entry of x.
            let gain = |j: usize| if free[j] || barred[j] { 0.0 } else { inward(j) };
            let best = (0..n).max_by(|&i, &j| gain(i).total_cmp(&gain(j)));
            let best = best.filter(|&j| gain(j) > rounding * size * lengths[j]);
            let (Some(best), true) = (best, iterations > 0) else {
                let slopes = (0..n).filter(|&j| lengths[j] > 0.0).map(|j| inward(j) / lengths[j]);
                let slope = slopes.fold(0.0, f64::max);
                return Ok(BoundedLeastSquares { residual: residual(a, b, &x), x, slope });
            };
            free[best] = true;
            entered = Some(best);
        }
        solve_first = false;
        // Solve for the free entries, holding those that would leave, until none does.
        while iterations > 0 {
            iterations -= 1;
            let set: Vec<usize> = (0..n).filter(|&j| free[j]).collect();
            if set.is_empty() {
                break;
            }
            let held = DVector::from_fn(n, |j, _| if free[j] { T::zero() } else { x[j] });
            let inverse = PseudoInverse::new(&a.select_columns(&set))?;
            let z = inverse.solve(&residual(a, b, &held))?;
            // The longest step towards z that stays within the bounds, and who stops it.
            let (mut step, mut stops) = (T::one(), None);
            for (&j, &z) in set.iter().zip(&z) {
                let bound = within(j, z);
                if bound == z {
                    continue;
                }
                let part = (bound - x[j]) / (z - x[j]);
                if part < step || stops.is_none() {
                    (step, stops) = (part, Some((j, bound)));
                }
            }
            for (&j, &z) in set.iter().zip(&z) {
                x[j] = within(j, x[j] + step * (z - x[j]));
            }
            let Some((j, bound)) = stops else {
                barred.fill(false);
                break;
            };
            (x[j], free[j]) = (bound, false);
            if entered == Some(j) && step <= T::zero() {
                barred[j] = true;
                break;
            }
        }
    }
}

/// b − A·x, over the columns that x has a share of.
fn residual<T: Real>(a: &DMatrix<T>, b: &DVector<T>, x: &DVector<T>) -> DVector<T> {
    let mut residual = b.clone();
    for (column, &x) in a.column_iter().zip(x.iter()) {
        if x != T::zero() {
            residual.axpy(-x, &column, T::one());
        }
    }
    residual
}

fn check<T: Real>(
    a: &DMatrix<T>,
    b: &DVector<T>,
    lower: &DVector<T>,
    upper: &DVector<T>,
) -> Result<()> {
    finite("a", a)?;
    let (m, n) = a.shape();
    for (argument, found, expected) in
        [("b", b.len(), m), ("lower", lower.len(), n), ("upper", upper.len(), n)]
    {
        if found != expected {
            return Err(Error::Shape {
                argument,
                found_rows: found,
                found_columns: 1,
                expected_rows: expected,
                expected_columns: 1,
            });
        }
    }
    if let Some(row) = b.iter().position(|b| !b.to_double().is_finite()) {
        let value = b[row].to_double();
        return Err(Error::NotFinite { argument: "b", row, column: 0, value });
    }
    for (lower, upper) in lower.iter().zip(upper) {
        let (lower, upper) = (lower.to_double(), upper.to_double());
        if !(lower <= upper && lower < f64::INFINITY && upper > f64::NEG_INFINITY) {
            let expected = "a number up to its upper bound, or minus infinity";
            return Err(Error::OutOfRange { argument: "a lower bound", value: lower, expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: [(f64, f64); 4] =
        [(-1.0, 1.0), (0.0, f64::INFINITY), (f64::NEG_INFINITY, 0.25), (0.5, 2.0)];

    proptest! {
        #[test]
        fn the_conditions_of_a_minimum_hold_on_all_shapes(
            (m, n) in (1usize..8, 1usize..21),
            entries in proptest::collection::vec(-1.0..1.0f64, 8 * 20),
            right in proptest::collection::vec(-4.0..4.0f64, 8),
            kind in 0usize..4,
            steps in proptest::collection::vec(-0.1..0.1f64, 20),
        ) {
            let a = DMatrix::from_column_slice(m, n, &entries[..m * n]);
            let b = DVector::from_column_slice(&right[..m]);
            let (low, high) = BOUNDS[kind];
            let bound = |x| DVector::from_element(n, x);
            let found = bounded_least_squares(&a, &b, &bound(low), &bound(high)).unwrap();
            let residual = &b - &a * &found.x;
            // Either is m sums of n products of entries up to 1, and a right side up to 4.
            let sums = 4.0 + found.x.lp_norm(1) + 0.1 * n as f64;
            let rounded = ((n + 1) * m) as f64 * f64::EPSILON * sums;
            prop_assert!((&found.residual - &residual).norm() <= rounded);
            // Aᵀr is zero where no bound holds, and points outward where one does: 28 sums of products
            // below ‖x‖, with a solution backward stable to as many.
            let rounding = 1e-12 * (1.0 + found.x.norm());
            let pull = a.tr_mul(&residual);
            let mut slope = 0.0f64;
            for (j, (&x, &pull)) in found.x.iter().zip(&pull).enumerate() {
                prop_assert!((low..=high).contains(&x));
                let held = x >= high && pull > 0.0 || x <= low && pull < 0.0;
                prop_assert!(held || pull.abs() < rounding, "{j}: {pull:e}");
                if !held {
                    slope = slope.max(pull.abs() / a.column(j).norm());
                }
            }
            prop_assert!((found.slope - slope).abs() < rounding, "{:e} {slope:e}", found.slope);
            // Nothing nearby is better.
            let step = DVector::from_column_slice(&steps[..n]);
            let other = (&found.x + step).map(|x| x.clamp(low, high));
            prop_assert!((&b - &a * other).norm() >= residual.norm() - rounding - rounded);
            if kind == 1 {
                prop_assert!(found.x.iter().filter(|&&x| x > 0.0).count() <= m);
            }
        }
    }

    #[test]
    fn without_bounds_it_is_least_squares_and_dependent_columns_do_no_harm() {
        let a = DMatrix::from_row_slice(3, 2, &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let infinite = DVector::from_element(2, f64::INFINITY);
        let b = DVector::from_column_slice(&[1.0, 2.0, 3.0]);
        let found = bounded_least_squares(&a, &b, &-&infinite, &infinite).unwrap();
        assert!((found.x - DVector::from_element(2, 1.0)).norm() < 1e-14);
        assert!(found.slope < 1e-14);
    }

    #[test]
    fn what_is_no_bound_is_refused() {
        let a = DMatrix::from_element(2, 1, 1.0);
        let one = |x: f64| DVector::from_element(1, x);
        let (b, zero) = (DVector::from_element(2, 1.0), one(0.0));
        let text = |found: Result<BoundedLeastSquares<f64>>| found.unwrap_err().to_string();
        assert_eq!(
            text(bounded_least_squares(&a, &b, &one(1.0), &zero)),
            "a lower bound is 1, expected a number up to its upper bound, or minus infinity"
        );
        assert_eq!(
            text(bounded_least_squares(&a, &one(1.0), &zero, &one(2.0))),
            "b is 1 x 1, expected 2 x 1"
        );
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(bounded_least_squares(&a, &b, &one(bad), &one(f64::INFINITY)).is_err());
            let b = DVector::from_column_slice(&[1.0, bad]);
            let error = bounded_least_squares(&a, &b, &zero, &one(2.0)).unwrap_err();
            assert!(matches!(error, Error::NotFinite { argument: "b", row: 1, .. }), "{error}");
        }
        assert!(bounded_least_squares(&a, &b, &zero, &one(f64::NAN)).is_err());
    }
}
