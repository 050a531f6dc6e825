//! Least squares between bounds.

use linalg::{DMatrix, DVector, PseudoInverse, Real};

use crate::Result;

/// The h that makes ‖W·h − r‖₂ least with lower ≤ h ≤ upper.
pub(crate) struct Bounded<T: Real> {
    pub(crate) solution: DVector<T>,
    /// r − W·h.
    pub(crate) residual: DVector<T>,
}

/// Least squares between bounds, each of which may be infinite, to rounding: the inputs that no bound
/// holds are solved for, and what leaves its bounds on the way is held there. With 0 ≤ h it is Lawson and
/// Hanson's non-negative least squares. Of several solutions it finds any; see
/// [`nearest_in_box`](crate::nearest_in_box) for the choice among many.
///
/// Lawson & Hanson, "Solving least squares problems", 1974, chapter 23; Stark & Parker,
/// "Bounded-variable least-squares", Computational Statistics 10, 1995.
pub(crate) fn bounded_least_squares<T: Real>(
    matrix: &DMatrix<T>,
    right: &DVector<T>,
    lower: &DVector<T>,
    upper: &DVector<T>,
) -> Result<Bounded<T>> {
    let n = matrix.ncols();
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
    Ok(Bounded { residual: right - matrix * &h, solution: h })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal, seeded, vector};

    #[test]
    fn the_conditions_of_a_minimum_hold_on_all_shapes() {
        for seed in 0..60_usize {
            let mut rng = seeded(seed as u64);
            let (rows, columns) = (2 + seed % 7, 1 + seed % 11);
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
            // Wᵀr is zero where no bound holds, and points outward where one does.
            let pull = matrix.tr_mul(&found.residual);
            for (&h, &pull) in found.solution.iter().zip(&pull) {
                let held = (h >= upper && pull > 0.0) || (h <= lower && pull < 0.0);
                assert!(held || pull.abs() < 1e-12, "seed {seed}: {pull:e}");
            }
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
}
