//! Equal weights with corrected ends, for what is smooth in θ but not on the sphere.

use crate::equispaced::Equispaced;
use crate::rings::real;

/// Fewer rings than this have no interior to speak of.
const FEWEST: usize = 64;

/// The order of the differences in the corrections that are used, and of those they are compared
/// with.
pub(crate) const ORDERS: [usize; 2] = [8, 6];

/// Weights for ∫ f dθ over [0, π], exact for polynomials of degree `order` near each end, or
/// `None` where the rings are too few for two ends.
///
/// Gregory's formula: the trapezoidal or midpoint rule, with the differences of the samples next to
/// each end in place of the derivatives of Euler and Maclaurin's. Blind to periodicity and parity,
/// and therefore behind a trigonometric rule where that one is right.
pub(crate) fn corrected(grid: Equispaced, order: usize) -> Option<Vec<f64>> {
    let count = grid.count;
    if count < FEWEST {
        return None;
    }
    let step = std::f64::consts::PI / real(grid.steps);
    let mut weights = vec![step; count];
    for (end, distance) in grid.distances().into_iter().enumerate() {
        for (j, correction) in corrections(distance, order).into_iter().enumerate() {
            let ring = if end == 0 { j } else { count - 1 - j };
            weights[ring] += step * correction;
        }
    }
    Some(weights)
}

/// What the first order + 1 weights need beyond 1, for a first node at `distance` steps.
///
/// With the difference operator Δ, ∫₀ f − Σ f(i + d) = [1/Δ − (1 + Δ)^(−d) / ln(1 + Δ)] f(d).
fn corrections(distance: f64, order: usize) -> Vec<f64> {
    let terms = order + 2;
    // ln(1 + z)/z and (1 + z)^(−d), and the quotient of the second by the first.
    let logarithm: Vec<f64> = (0..terms).map(|k| sign(k) / real(k + 1)).collect();
    let mut power = vec![1.0; terms];
    for k in 1..terms {
        power[k] = power[k - 1] * (-distance - real(k - 1)) / real(k);
    }
    let mut quotient = vec![0.0; terms];
    for k in 0..terms {
        let known: f64 = (0..k).map(|j| quotient[j] * logarithm[k - j]).sum();
        quotient[k] = power[k] - known;
    }
    // Σ_q g_q Δ^q, with Δ^q = Σ_j (−1)^(q−j) (q over j) E^j.
    let mut weights = vec![0.0; order + 1];
    for q in 0..=order {
        let mut binomial = 1.0;
        for (j, weight) in weights.iter_mut().enumerate().take(q + 1) {
            *weight -= quotient[q + 1] * sign(q - j) * binomial;
            binomial = binomial * real(q - j) / real(j + 1);
        }
    }
    weights
}

fn sign(k: usize) -> f64 {
    if k.is_multiple_of(2) { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RingKind;

    #[test]
    fn first_corrections_are_gregory_s() {
        // Trapezoid: half the end; then the differences' 1/12, 1/24 (E. T. Whittaker, G. Robinson,
        // The Calculus of Observations, section 71).
        let found = corrections(0.0, 2);
        for (found, expected) in
            found.iter().zip([-0.5 - 1.0 / 12.0 - 1.0 / 24.0, 1.0 / 6.0, -1.0 / 24.0])
        {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
    }

    #[test]
    fn polynomials_in_theta_are_exact_to_the_order() {
        for kind in [RingKind::Vertices, RingKind::Cells, RingKind::Interior, RingKind::NorthPole] {
            let grid = Equispaced::of(kind, 64).unwrap();
            for order in ORDERS {
                let weights = corrected(grid, order).unwrap();
                for power in 0..=order + 1 {
                    let sum: f64 = grid
                        .rings()
                        .iter()
                        .zip(&weights)
                        .map(|(ring, weight)| {
                            weight * (ring.theta / std::f64::consts::PI).powf(real(power))
                        })
                        .sum();
                    let error = (sum / std::f64::consts::PI - 1.0 / real(power + 1)).abs();
                    // Corrections grow to 2^order/10, and 64 terms are summed.
                    if power <= order {
                        assert!(error < 100.0 * f64::EPSILON, "{kind:?} {power}: {error:e}");
                    }
                }
            }
            assert!(corrected(Equispaced::of(kind, 63).unwrap(), 8).is_none());
        }
    }
}
