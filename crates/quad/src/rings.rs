//! Weights over colatitude, and what the rings say about their own error.

use std::f64::consts::PI;

use linalg::DMatrix;

use crate::measure::Kind;
use crate::{GaussLegendre, Result, RingKind};

/// A ring of nodes: its colatitude, and the sine and cosine to full precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ring {
    pub(crate) theta: f64,
    pub(crate) sine: f64,
    pub(crate) cosine: f64,
}

/// A rule over colatitude: ∫ f(θ) dm(θ) ≈ Σ wᵢ f(θᵢ), with dm = sin θ dθ or dθ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RingRule {
    pub(crate) rings: Vec<Ring>,
    pub(crate) weights: Vec<f64>,
    /// A column per functional; the sum of their absolute values at f is the error estimate.
    pub(crate) tail: DMatrix<f64>,
    /// Largest degree of the polynomials in cos θ (times sin θ where the Jacobian is included)
    /// that are integrated exactly.
    pub(crate) degree: usize,
}

/// Where `count` rings of this kind lie, from north to south.
pub(crate) fn positions(kind: RingKind, count: usize) -> Result<Vec<Ring>> {
    Ok(match kind {
        RingKind::Gauss => {
            let rule = GaussLegendre::new(count)?;
            (0..count)
                .map(|i| Ring {
                    theta: rule.colatitudes()[i],
                    sine: rule.sines()[i],
                    cosine: rule.nodes()[i],
                })
                .collect()
        }
        RingKind::Vertices | RingKind::Cells => {
            let circle = Circle::of(kind, count);
            (0..count)
                .map(|i| Ring {
                    theta: PI * real(circle.angle(i)) / real(2 * circle.steps),
                    sine: circle.sine(circle.angle(i)),
                    cosine: circle.cosine(circle.angle(i)),
                })
                .collect()
        }
    })
}

impl RingRule {
    /// The rule on `count` rings of this kind with the highest degree for the measure.
    pub(crate) fn new(kind: RingKind, count: usize, measure: Kind) -> Result<Self> {
        let rings = positions(kind, count)?;
        Ok(match kind {
            RingKind::Gauss => gauss(rings, GaussLegendre::new(count)?.weights(), measure),
            RingKind::Vertices | RingKind::Cells => equispaced(rings, kind, measure),
        })
    }
}

/// Clenshaw-Curtis, Fejér's rules, trapezoid and midpoint: all integrate the trigonometric
/// interpolant term by term.
///
/// A p that is smooth on the sphere has an even 2π-periodic mean over φ, hence a cosine series in
/// θ; p sin θ has a sine series. With the moments μₖ of the series' terms under the measure, the
/// weights are wᵢ = Σₖ μₖ (2/n) cos kθᵢ (J. Waldvogel, "Fast construction of the Fejér and
/// Clenshaw-Curtis quadrature rules", BIT 46 (2006)); summed here as they stand, in O(n²).
fn equispaced(rings: Vec<Ring>, kind: RingKind, measure: Kind) -> RingRule {
    let circle = Circle::of(kind, rings.len());
    let n = circle.steps;
    let sines = measure == Kind::JacobianIncluded;
    let vertices = kind == RingKind::Vertices;
    // The highest term that the rings can tell from lower ones.
    let top = match (vertices, sines) {
        (true, false) | (false, true) => n,
        (true, true) | (false, false) => n - 1,
    };
    let moment = |k: usize| match measure {
        // ∫ cos kθ sin θ dθ, ∫ sin kθ dθ and ∫ cos kθ dθ over [0, π].
        Kind::SolidAngle if k.is_multiple_of(2) => 2.0 / (1.0 - real(k) * real(k)),
        Kind::JacobianIncluded if k % 2 == 1 => 2.0 / real(k),
        Kind::Flat if k == 0 => PI,
        Kind::SolidAngle | Kind::JacobianIncluded | Kind::Flat => 0.0,
    };
    // Row k of the transform from samples to coefficients.
    let coefficient = |k: usize, i: usize| {
        let angle = circle.angle(i) * k % (4 * n);
        let term = if sines { circle.sine(angle) } else { circle.cosine(angle) };
        let end_term = if k == 0 || k == n { 0.5 } else { 1.0 };
        let end_ring = if vertices && (i == 0 || i == n) { 0.5 } else { 1.0 };
        2.0 / real(n) * end_term * end_ring * term
    };
    let weights = (0..rings.len())
        // Small terms first.
        .map(|i| (0..=top).rev().map(|k| moment(k) * coefficient(k, i)).sum())
        .collect();
    // On half as many steps the term k looks like ± the term 2·half − k: that rule's error.
    let half = top / 2;
    let sign = if vertices == sines { -1.0 } else { 1.0 };
    let functionals: Vec<(usize, f64)> = (half + 1..=top)
        .map(|k| (k, moment(k) - sign * moment((2 * half).abs_diff(k))))
        .filter(|&(_, error)| error != 0.0)
        .collect();
    let tail = DMatrix::from_fn(rings.len(), functionals.len(), |i, column| {
        let (k, error) = functionals[column];
        error * coefficient(k, i)
    });
    let odd = n % 2;
    let degree = match (measure, vertices) {
        (Kind::Flat, _) => 2 * n - 1,
        (Kind::SolidAngle, true) => n + 1 - odd,
        (Kind::SolidAngle | Kind::JacobianIncluded, false) => n - 1 + odd,
        // The pole rows hold zeros; a single interval has no others, and integrates nothing.
        (Kind::JacobianIncluded, true) => (n - 1).saturating_sub(odd),
    };
    RingRule { rings, weights, tail, degree }
}

/// Gauss-Legendre rings, with the weights of the measure.
fn gauss(rings: Vec<Ring>, gauss_weights: &[f64], measure: Kind) -> RingRule {
    let n = rings.len();
    // ∫ Pₖ(cos θ) dθ = π ((k − 1)!!/k!!)² for even k, and 0 for odd k.
    let mut flat_moments = vec![0.0; n];
    let mut moment = PI;
    for k in (0..n).step_by(2) {
        flat_moments[k] = moment;
        moment *= ((real(k) + 1.0) / (real(k) + 2.0)).powi(2);
    }
    // The finest terms that the rings can tell apart, an even and an odd one, at their full size:
    // half as many rings would take the next one for a constant.
    let finest = n.min(2);
    let mut tail = DMatrix::zeros(n, finest);
    let mut weights = gauss_weights.to_vec();
    for (i, ring) in rings.iter().enumerate() {
        let mut flat_weight = 0.0;
        let (mut before, mut legendre) = (0.0, 1.0);
        for k in 0..n {
            // The sample's share in the Legendre coefficient k.
            let coefficient = (real(k) + 0.5) * gauss_weights[i] * legendre;
            flat_weight += flat_moments[k] * coefficient;
            if k + finest >= n {
                tail[(i, n - 1 - k)] = 2.0 * coefficient;
            }
            let next = (2.0 * real(k) + 1.0) * ring.cosine * legendre - real(k) * before;
            (before, legendre) = (legendre, next / real(k + 1));
        }
        match measure {
            Kind::SolidAngle => {}
            Kind::JacobianIncluded => {
                weights[i] /= ring.sine;
                tail.row_mut(i).scale_mut(1.0 / ring.sine);
            }
            Kind::Flat => weights[i] = flat_weight,
        }
    }
    let degree = match measure {
        Kind::SolidAngle | Kind::JacobianIncluded => 2 * n - 1,
        Kind::Flat => n - 1 + n % 2,
    };
    RingRule { rings, weights, tail, degree }
}

/// Cosines and sines of the multiples of π/(2 steps), each to half a unit in the last place or so.
#[derive(Debug)]
struct Circle {
    /// Intervals between vertices, or cells.
    steps: usize,
    vertices: bool,
    /// The quarter circle.
    cosines: Vec<f64>,
}

impl Circle {
    fn of(kind: RingKind, count: usize) -> Self {
        let vertices = kind == RingKind::Vertices;
        let steps = if vertices { count - 1 } else { count };
        let unit = PI / real(2 * steps);
        let cosines = (0..=steps)
            .map(|j| {
                let other = steps - j;
                if j < other { (unit * real(j)).cos() } else { (unit * real(other)).sin() }
            })
            .collect();
        Self { steps, vertices, cosines }
    }

    /// The angle of ring `i` in units of π/(2 steps).
    fn angle(&self, i: usize) -> usize {
        if self.vertices { 2 * i } else { 2 * i + 1 }
    }

    fn cosine(&self, angle: usize) -> f64 {
        let n = self.steps;
        let angle = angle % (4 * n);
        let angle = angle.min(4 * n - angle);
        if angle <= n { self.cosines[angle] } else { -self.cosines[2 * n - angle] }
    }

    fn sine(&self, angle: usize) -> f64 {
        self.cosine(angle + 3 * self.steps)
    }
}

/// Exact: counts here are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "a count of nodes that fit in memory")]
pub(crate) fn real(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [RingKind; 3] = [RingKind::Vertices, RingKind::Cells, RingKind::Gauss];
    const MEASURES: [Kind; 3] = [Kind::SolidAngle, Kind::JacobianIncluded, Kind::Flat];

    /// ∫ Pₖ(cos θ) against sin θ dθ, and against dθ.
    fn moment(k: usize, measure: Kind) -> f64 {
        match (measure, k) {
            (Kind::Flat, k) if k % 2 == 1 => 0.0,
            (Kind::Flat, k) => {
                PI * (1..=k / 2).map(|j| (real(2 * j - 1) / real(2 * j)).powi(2)).product::<f64>()
            }
            (_, 0) => 2.0,
            _ => 0.0,
        }
    }

    fn legendre(k: usize, x: f64) -> f64 {
        let (mut before, mut here) = (0.0, 1.0);
        for j in 0..k {
            let next = (real(2 * j + 1) * x * here - real(j) * before) / real(j + 1);
            (before, here) = (here, next);
        }
        here
    }

    #[test]
    fn every_rule_is_exact_to_its_degree_and_fails_at_the_next() {
        for kind in KINDS {
            for measure in MEASURES {
                for n in 2..40 {
                    let rule = RingRule::new(kind, n, measure).unwrap();
                    if measure == Kind::JacobianIncluded && kind == RingKind::Vertices && n < 3 {
                        continue;
                    }
                    for k in 0..=rule.degree + 1 {
                        let sum: f64 = (0..n)
                            .map(|i| {
                                let ring = rule.rings[i];
                                let jacobian =
                                    if measure == Kind::JacobianIncluded { ring.sine } else { 1.0 };
                                rule.weights[i] * jacobian * legendre(k, ring.cosine)
                            })
                            .sum();
                        let error = (sum - moment(k, measure)).abs();
                        let case = format!("{kind:?} {measure:?} n = {n} degree {k}: {error:e}");
                        if k <= rule.degree {
                            assert!(error <= f64::EPSILON * real(8 + n + k), "{case}");
                        } else {
                            // Clenshaw-Curtis comes nearest to a degree more, by about n⁻³.
                            assert!(error > 1e-6, "{case}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn clenshaw_curtis_ends_are_the_known_ones() {
        // DLMF 3.5.18 with N = n: 1/(n² − 1) for even n, 1/n² for odd n.
        for n in [2, 3, 8, 9, 199, 200] {
            let rule = RingRule::new(RingKind::Vertices, n + 1, Kind::SolidAngle).unwrap();
            let end = 1.0 / (real(n * n) - if n % 2 == 0 { 1.0 } else { 0.0 });
            for weight in [rule.weights[0], rule.weights[n]] {
                assert!((weight - end).abs() <= 4.0 * f64::EPSILON, "{n}: {weight} {end}");
            }
        }
    }

    #[test]
    fn weights_are_positive() {
        for kind in KINDS {
            for measure in MEASURES {
                for n in [4, 7, 64, 201] {
                    let rule = RingRule::new(kind, n, measure).unwrap();
                    let poles = kind == RingKind::Vertices && measure == Kind::JacobianIncluded;
                    let inner = if poles { 1..n - 1 } else { 0..n };
                    assert!(
                        rule.weights[inner].iter().all(|&weight| weight > 0.0),
                        "{kind:?} {measure:?} {n}"
                    );
                }
            }
        }
    }

    #[test]
    fn on_an_even_number_of_steps_the_tail_bounds_the_change_of_step() {
        // n = 32 intervals contain the rings of n = 16.
        let f = |ring: &Ring| (3.0 * ring.cosine + 1.0).sin().exp();
        let fine = RingRule::new(RingKind::Vertices, 33, Kind::SolidAngle).unwrap();
        let coarse = RingRule::new(RingKind::Vertices, 17, Kind::SolidAngle).unwrap();
        let sum = |rule: &RingRule| -> f64 {
            rule.rings.iter().zip(&rule.weights).map(|(ring, weight)| weight * f(ring)).sum()
        };
        let change = sum(&fine) - sum(&coarse);
        let parts: Vec<f64> = fine
            .tail
            .column_iter()
            .map(|column| fine.rings.iter().zip(&column).map(|(ring, t)| t * f(ring)).sum())
            .collect();
        assert!((parts.iter().sum::<f64>() - change).abs() < 1e-15);
        assert!(change.abs() > 1e-9, "{change:e}");
    }
}
