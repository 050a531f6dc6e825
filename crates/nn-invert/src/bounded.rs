//! Least squares between bounds.

use linalg::{DMatrix, DVector, PseudoInverse, Real};

use crate::door::{check_finite, check_length};
use crate::{Error, Result};

/// The h that makes ‖W·h − r‖₂ least with lower ≤ h ≤ upper.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Bounded<T: Real> {
    /// h.
    pub solution: DVector<T>,
    /// r − W·h.
    pub residual: DVector<T>,
    /// By how much the conditions of a minimum are violated, over ‖W‖_F·‖r‖₂: the largest entry of
    /// Wᵀ(r − W·h) that no bound holds back.
    pub optimality: f64,
    /// Least-squares problems solved on the way.
    pub iterations: usize,
}

/// Least squares between bounds, each of which may be infinite, by an active set: the inputs that no
/// bound holds are solved for, and what leaves its bounds on the way is held there. With 0 ≤ h it is
/// Lawson and Hanson's non-negative least squares.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], [`Error::Bounds`], and what [`PseudoInverse::new`] refuses.
///
/// # Examples
/// The point of the square 0 ≤ h ≤ 1 nearest to (2, ½):
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_invert::bounded_least_squares;
/// let (zeros, ones) = (DVector::zeros(2), DVector::from_element(2, 1.0_f64));
/// let eye = DMatrix::identity(2, 2);
/// let found = bounded_least_squares(&eye, &DVector::from_vec(vec![2.0, 0.5]), &zeros, &ones)?;
/// assert!((found.solution - DVector::from_vec(vec![1.0, 0.5])).norm() < 1e-15);
/// # Ok::<(), nn_invert::Error>(())
/// ```
///
/// # References
/// Lawson & Hanson, "Solving least squares problems", 1974, chapter 23; Stark & Parker,
/// "Bounded-variable least-squares", Computational Statistics 10, 1995.
pub fn bounded_least_squares<T: Real>(
    matrix: &DMatrix<T>,
    right: &DVector<T>,
    lower: &DVector<T>,
    upper: &DVector<T>,
) -> Result<Bounded<T>> {
    let n = matrix.ncols();
    check_length("right", right.len(), matrix.nrows())?;
    check_finite("right", right)?;
    check_length("lower", lower.len(), n)?;
    check_length("upper", upper.len(), n)?;
    if let Some(index) = (0..n).find(|&i| !(lower[i] <= upper[i])) {
        let (lower, upper) = (lower[index].to_double(), upper[index].to_double());
        return Err(Error::Bounds { index, lower, upper });
    }
    let within = |i: usize, h: T| {
        if h < lower[i] {
            lower[i]
        } else if h > upper[i] {
            upper[i]
        } else {
            h
        }
    };
    let mut h = DVector::from_fn(n, |i, _| within(i, T::zero()));
    let mut free: Vec<bool> = (0..n).map(|i| h[i] > lower[i] && h[i] < upper[i]).collect();
    let scale = matrix.norm().to_double() * right.norm().to_double();
    let tolerance = 16.0 * n.max(matrix.nrows()) as f64 * T::EPSILON * scale;
    // Freed and driven back at once: not to be freed again until another step was made.
    let mut barred = vec![false; n];
    let mut iterations = 0;
    let most = 20 * (n + 10);
    let mut solve_first = free.iter().any(|&free| free);
    loop {
        let mut entered = None;
        if !solve_first {
            let pull = matrix.tr_mul(&(right - matrix * &h));
            let gain = |i: usize| {
                let pull = pull[i].to_double();
                let inward = (pull > 0.0 && h[i] < upper[i]) || (pull < 0.0 && h[i] > lower[i]);
                if inward && !free[i] && !barred[i] { pull.abs() } else { 0.0 }
            };
            let best = (0..n).max_by(|&a, &b| gain(a).total_cmp(&gain(b)));
            let Some(best) = best.filter(|&i| gain(i) > tolerance) else { break };
            free[best] = true;
            entered = Some(best);
        }
        solve_first = false;
        // Solve for the free inputs, holding those that would leave, until none does.
        loop {
            iterations += 1;
            let set: Vec<usize> = (0..n).filter(|&i| free[i]).collect();
            if set.is_empty() {
                break;
            }
            let held = DVector::from_fn(n, |i, _| if free[i] { T::zero() } else { h[i] });
            let inner = PseudoInverse::new(&matrix.select_columns(&set))?;
            let z = inner.solve(&(right - matrix * held))?;
            // The longest step towards z that stays within the bounds, and who stops it.
            let (mut step, mut stops) = (T::one(), None);
            for (&i, &z) in set.iter().zip(&z) {
                let bound = if z < lower[i] {
                    lower[i]
                } else if z > upper[i] {
                    upper[i]
                } else {
                    continue;
                };
                let part = (bound - h[i]) / (z - h[i]);
                if part < step || stops.is_none() {
                    (step, stops) = (part, Some((i, bound)));
                }
            }
            for (&i, &z) in set.iter().zip(&z) {
                h[i] = within(i, h[i] + step * (z - h[i]));
            }
            let Some((i, bound)) = stops else {
                barred.fill(false);
                break;
            };
            (h[i], free[i]) = (bound, false);
            if entered == Some(i) && step <= T::zero() {
                barred[i] = true;
                break;
            }
        }
        if iterations >= most {
            break;
        }
    }
    let residual = right - matrix * &h;
    let pull = matrix.tr_mul(&residual);
    let worst = (0..n).fold(0.0_f64, |worst, i| {
        let pull = pull[i].to_double();
        let held = (pull > 0.0 && h[i] >= upper[i]) || (pull < 0.0 && h[i] <= lower[i]);
        if held { worst } else { worst.max(pull.abs()) }
    });
    let optimality = if scale > 0.0 { worst / scale } else { 0.0 };
    Ok(Bounded { solution: h, residual, optimality, iterations })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal, seeded, vector};

    #[test]
    fn the_conditions_of_a_minimum_hold_on_all_shapes() {
        for seed in 0..60 {
            let mut rng = seeded(seed);
            let (rows, columns) = (2 + seed as usize % 7, 1 + seed as usize % 11);
            let matrix = normal(rows, columns, &mut rng);
            let right = normal(rows, 1, &mut rng).column(0) * 4.0;
            let (lower, upper) = match seed % 3 {
                0 => (-1.0, 1.0),
                1 => (0.0, f64::INFINITY),
                _ => (f64::NEG_INFINITY, 0.25),
            };
            let bound = |x| DVector::from_element(columns, x);
            let found =
                bounded_least_squares(&matrix, &right, &bound(lower), &bound(upper)).unwrap();
            assert!(found.optimality < 1e-13, "seed {seed}: {:e}", found.optimality);
            assert!(found.solution.iter().all(|&h| h >= lower && h <= upper));
            let residual = (&right - &matrix * &found.solution).norm();
            assert!((found.residual.norm() - residual).abs() < 1e-14);
            // Nothing nearby is better.
            for _ in 0..50 {
                let other = (&found.solution + normal(columns, 1, &mut rng).column(0) * 0.1)
                    .map(|h| h.clamp(lower, upper));
                assert!((&right - &matrix * other).norm() >= residual - 1e-12);
            }
        }
    }

    #[test]
    fn without_bounds_it_is_least_squares_and_dependent_columns_do_no_harm() {
        let matrix = DMatrix::from_row_slice(3, 2, &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let infinite = DVector::from_element(2, f64::INFINITY);
        let right = vector(&[1.0, 2.0, 3.0]);
        let found = bounded_least_squares(&matrix, &right, &-&infinite, &infinite).unwrap();
        assert!((found.solution - vector(&[1.0, 1.0])).norm() < 1e-14);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let matrix = DMatrix::<f64>::identity(2, 2);
        let (zero, one) = (vector(&[0.0, 0.0]), vector(&[1.0, 1.0]));
        let text = |right: &DVector<f64>, lower: &DVector<f64>| {
            bounded_least_squares(&matrix, right, lower, &one).unwrap_err().to_string()
        };
        assert_eq!(text(&vector(&[1.0]), &zero), "right has 1 entries, expected 2");
        assert_eq!(text(&one, &vector(&[0.0])), "lower has 1 entries, expected 2");
        assert_eq!(
            text(&one, &vector(&[0.0, 2.0])),
            "bounds[1] are 2 and 1, expected lower <= upper and a finite number between"
        );
        assert_eq!(
            text(&vector(&[f64::NAN, 0.0]), &zero),
            "right[0] is NaN, and every entry must be finite"
        );
    }
}
