//! Weights for nodes that are of no known kind: areas, corrected by as little as makes them exact.

use linalg::{Cholesky, DMatrix, DVector};

use crate::Result;

/// Of all weights that integrate the functions of `basis` (a row per node, a column per function)
/// to their `moments`, those nearest to `areas`, in Σ (w − a)²/a.
///
/// w = a + A B (Bᵀ A B)⁻¹ (m − Bᵀ a), with A = diag a. Small corrections keep positive areas
/// positive. `None` where the functions cannot be told apart on these nodes.
pub(crate) fn nearest(
    areas: &[f64],
    basis: &DMatrix<f64>,
    moments: &[f64],
) -> Result<Option<Vec<f64>>> {
    let roots: Vec<f64> = areas.iter().map(|area| area.sqrt()).collect();
    let mut scaled = basis.clone();
    for mut column in scaled.column_iter_mut() {
        for (value, root) in column.iter_mut().zip(&roots) {
            *value *= root;
        }
    }
    let normal = linalg::product(linalg::transpose(&scaled), &scaled)?;
    let Ok(factors) = Cholesky::new(normal) else { return Ok(None) };
    let mut weights = areas.to_vec();
    // A second pass takes what rounding left of the first.
    for _ in 0..2 {
        let sums = linalg::product(
            linalg::transpose(basis),
            &DMatrix::from_column_slice(areas.len(), 1, &weights),
        )?;
        let missing =
            DVector::from_iterator(moments.len(), moments.iter().zip(&sums).map(|(m, s)| m - s));
        let shares = factors.solve(&missing)?;
        let change = linalg::product(
            &scaled,
            &DMatrix::from_column_slice(moments.len(), 1, shares.as_slice()),
        )?;
        for ((weight, root), change) in weights.iter_mut().zip(&roots).zip(&change) {
            *weight += root * change;
        }
    }
    Ok(Some(weights))
}

/// The highest degree up to `highest` whose weights are all positive, and those weights.
///
/// Found by bisection; degree 0 only scales the areas, and always has them.
pub(crate) fn highest_positive(
    highest: usize,
    mut weights: impl FnMut(usize) -> Result<Option<Vec<f64>>>,
) -> Result<(usize, Vec<f64>)> {
    let mut best = weights(0)?.unwrap_or_default();
    let (mut low, mut high) = (0, highest + 1);
    while low + 1 < high {
        let degree = low.midpoint(high);
        match weights(degree)?.filter(|weights| weights.iter().all(|&weight| weight > 0.0)) {
            Some(found) => (low, best) = (degree, found),
            None => high = degree,
        }
    }
    Ok((low, best))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_degree_with_positive_weights_is_found_wherever_it_lies() {
        for highest in 0..9 {
            for limit in 0..=highest {
                let sign = |degree| if degree <= limit { 1.0 } else { -1.0 };
                let found =
                    highest_positive(highest, |degree| Ok(Some(vec![sign(degree)]))).unwrap();
                assert_eq!(found, (limit, vec![1.0]), "up to {highest}");
            }
        }
    }
}
