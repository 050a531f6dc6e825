//! Least squares with non-negative unknowns.

use linalg::{DMatrix, Qr};

use crate::Result;

/// x ≥ 0 with A x as near to b as can be, at most as many of its entries positive as A has rows
/// (Lawson and Hanson's active sets).
pub(crate) fn solve(a: &DMatrix<f64>, b: &[f64]) -> Result<Vec<f64>> {
    let (rows, columns) = a.shape();
    let scale = b.iter().map(|b| b * b).sum::<f64>().sqrt();
    let size = a.amax();
    let mut x = vec![0.0; columns];
    let mut active: Vec<usize> = Vec::new();
    // Each round adds one, and seldom takes one away; ties could make it cycle.
    for _ in 0..4 * rows {
        let mut rest = b.to_vec();
        for &j in &active {
            for (rest, a) in rest.iter_mut().zip(a.column(j).iter()) {
                *rest -= a * x[j];
            }
        }
        let left = rest.iter().map(|rest| rest * rest).sum::<f64>().sqrt();
        if left <= 4.0 * f64::EPSILON * scale || active.len() == rows {
            break;
        }
        // Not over the column's length: a tiny column would gain with an enormous unknown.
        let gain = |j: usize| a.column(j).iter().zip(&rest).map(|(a, rest)| a * rest).sum::<f64>();
        let best = (0..columns)
            .filter(|j| !active.contains(j))
            .map(|j| (gain(j), j))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((gain, entering)) = best else { break };
        if gain <= 1e-3 * f64::EPSILON * scale * size {
            break;
        }
        active.push(entering);
        loop {
            let free = least_squares(a, &active, b)?;
            if free.iter().all(|&value| value > 0.0) {
                for (&j, value) in active.iter().zip(free) {
                    x[j] = value;
                }
                break;
            }
            // As far towards it as all stay non-negative; who comes to zero leaves.
            let step = active
                .iter()
                .zip(&free)
                .filter(|&(_, &value)| value <= 0.0)
                .map(|(&j, value)| x[j] / (x[j] - value))
                .fold(1.0, f64::min);
            for (&j, value) in active.iter().zip(&free) {
                x[j] += step * (value - x[j]);
            }
            let entered = active.len();
            let largest = active.iter().map(|&j| x[j]).fold(0.0, f64::max);
            active.retain(|&j| x[j] > 4.0 * f64::EPSILON * largest);
            if active.len() == entered {
                // Rounding left none at zero: the one that entered was of no use.
                x[entering] = 0.0;
                active.retain(|&j| j != entering);
            }
            for (j, value) in x.iter_mut().enumerate() {
                if !active.contains(&j) {
                    *value = 0.0;
                }
            }
            if active.is_empty() {
                break;
            }
        }
    }
    Ok(x)
}

/// The unknowns of these columns that come nearest to b.
fn least_squares(a: &DMatrix<f64>, columns: &[usize], b: &[f64]) -> Result<Vec<f64>> {
    let qr = Qr::new(a.select_columns(columns))?;
    let mut right = DMatrix::from_column_slice(b.len(), 1, b);
    qr.apply_q_adjoint(&mut right)?;
    let r = qr.r();
    let mut x = vec![0.0; columns.len()];
    for i in (0..x.len()).rev() {
        let known: f64 = (i + 1..x.len()).map(|j| r[(i, j)] * x[j]).sum();
        // A column that depends on the others adds nothing.
        x[i] = if r[(i, i)] == 0.0 { 0.0 } else { (right[i] - known) / r[(i, i)] };
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_point_outside_the_cone_goes_to_its_nearest_face() {
        // Of the quarter plane between (1, 0) and (1, 1), the nearest to (1, −1) is (1, 0).
        let a = DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 0.0, 1.0]);
        assert_eq!(solve(&a, &[1.0, -1.0]).unwrap(), [1.0, 0.0]);
    }

    proptest! {
        #[test]
        fn the_conditions_of_an_optimum_hold(
            rows in 1usize..7,
            entries in proptest::collection::vec(-1.0..1.0f64, 7 * 20),
            b in proptest::collection::vec(-1.0..1.0f64, 7),
        ) {
            let a = DMatrix::from_column_slice(rows, 20, &entries[..20 * rows]);
            let x = solve(&a, &b[..rows]).unwrap();
            prop_assert!(x.iter().all(|&x| x >= 0.0));
            prop_assert!(x.iter().filter(|&&x| x > 0.0).count() <= rows);
            let rest: Vec<f64> = (0..rows)
                .map(|i| b[i] - (0..20).map(|j| a[(i, j)] * x[j]).sum::<f64>())
                .collect();
            for (j, &x) in x.iter().enumerate() {
                let slope: f64 = (0..rows).map(|i| a[(i, j)] * rest[i]).sum();
                // Kuhn and Tucker: no column gains, and those in use gain nothing. Condition up to 10³.
                prop_assert!(slope < 1e-11, "{j}: {slope:e}");
                prop_assert!(x == 0.0 || slope > -1e-11, "{j}: {slope:e}");
            }
        }
    }
}
