//! Weights over colatitude: every rule that may be right for some rings.

use std::f64::consts::PI;

use linalg::DMatrix;

use crate::equispaced::{Equispaced, Series};
use crate::measure::Kind;
use crate::{Error, GaussLegendre, Measure, Result, RingKind, RingWeights, ends, fitted};

/// A ring of nodes: its colatitude, and the sine and cosine to full precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ring {
    pub(crate) theta: f64,
    pub(crate) sine: f64,
    pub(crate) cosine: f64,
}

impl Ring {
    pub(crate) fn at(theta: f64) -> Self {
        let (sine, cosine) = theta.sin_cos();
        Self { theta, sine, cosine }
    }
}

/// The weights wᵢ over colatitude of `rings` rings of a kind: ∫ f(θ) dm(θ) ≈ Σ wᵢ f(θᵢ), with
/// dm = sin θ dθ for [`SolidAngle`](crate::SolidAngle) and dθ for the others, θ from the north pole.
///
/// For [`SolidAngle`](crate::SolidAngle) these are the rules of Clenshaw and Curtis
/// ([`RingKind::Vertices`]), of Fejér ([`RingKind::Cells`], [`RingKind::Interior`]), of Driscoll and
/// Healy ([`RingKind::NorthPole`]) and of Gauss, on [−1, 1] in x = cos θ. O(n log n) on equispaced
/// rings.
///
/// # Errors
/// [`Error::Count`] for no rings, fewer than two [`RingKind::Vertices`], or more than
/// [`GaussLegendre::MAX_NODES`]; [`Error::FreeKind`] for [`RingKind::Free`].
///
/// # Examples
/// ```
/// use quad::{RingKind, SolidAngle, ring_weights};
/// // Clenshaw-Curtis with four intervals: 1/15, 8/15, 4/5, 8/15, 1/15.
/// let weights = ring_weights(SolidAngle, RingKind::Vertices, 5)?;
/// for (weight, expected) in weights.iter().zip([1.0, 8.0, 12.0, 8.0, 1.0]) {
///     assert!((weight - expected / 15.0).abs() < 1e-15);
/// }
/// # Ok::<(), quad::Error>(())
/// ```
pub fn ring_weights<M: Measure>(_measure: M, kind: RingKind, rings: usize) -> Result<Vec<f64>> {
    let lowest = if kind == RingKind::Vertices { 2 } else { 1 };
    if !(lowest..=GaussLegendre::MAX_NODES).contains(&rings) {
        let highest = GaussLegendre::MAX_NODES;
        return Err(Error::Count { argument: "rings", value: rings, lowest, highest });
    }
    match kind {
        RingKind::Free => Err(Error::FreeKind),
        RingKind::Vertices if M::KIND == Kind::SolidAngle => {
            // Without where the rings are, which takes as long.
            let grid = Equispaced::of(kind, rings).ok_or(Error::FreeKind)?;
            Ok(grid.weights(Series::Cosine, |k| moment(M::KIND, Series::Cosine, k)))
        }
        _ => Ok(RingRule::new(kind, rings, M::KIND)?.choices.swap_remove(0).weights),
    }
}

/// A rule over colatitude: ∫ f(θ) dm(θ) ≈ Σ wᵢ f(θᵢ), with dm = sin θ dθ or dθ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RingRule {
    pub(crate) rings: Vec<Ring>,
    pub(crate) kind: RingKind,
    pub(crate) measure: Kind,
    /// The first is right for what is smooth on the sphere; the samples may speak for another.
    pub(crate) choices: Vec<Choice>,
    /// Largest degree of the polynomials in cos θ (times sin θ where the Jacobian is included)
    /// that the first choice integrates exactly.
    pub(crate) degree: usize,
}

/// One way to weight the rings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) how: RingWeights,
    pub(crate) weights: Vec<f64>,
    /// Weights of a lower order, where the difference to them is the error estimate.
    lower: Option<Vec<f64>>,
}

impl RingRule {
    /// The rules on `count` rings of this kind.
    pub(crate) fn new(kind: RingKind, count: usize, measure: Kind) -> Result<Self> {
        if let Some(grid) = Equispaced::of(kind, count) {
            return Ok(equispaced(grid, kind, measure));
        }
        let rule = GaussLegendre::new(count)?;
        let rings: Vec<Ring> = (0..count)
            .map(|i| Ring {
                theta: rule.colatitudes()[i],
                sine: rule.sines()[i],
                cosine: rule.nodes()[i],
            })
            .collect();
        let degree = match measure {
            Kind::SolidAngle | Kind::JacobianIncluded => 2 * count - 1,
            Kind::Flat => count - 1 + count % 2,
        };
        let weights = gauss(&rings, rule.weights(), measure);
        let choices = vec![Choice { how: RingWeights::Gauss, weights, lower: None }];
        Ok(Self { rings, kind, measure, choices, degree })
    }

    /// The rule on rings that lie anyhow: as exact as positive weights can be.
    pub(crate) fn free(thetas: &[f64], measure: Kind) -> Result<Self> {
        let rings: Vec<Ring> = thetas.iter().map(|&theta| Ring::at(theta)).collect();
        // p sin θ is 0 at a pole and says nothing of p there.
        let used: Vec<usize> = (0..rings.len())
            .filter(|&i| measure != Kind::JacobianIncluded || rings[i].sine > 1e-9)
            .collect();
        let edges: Vec<f64> = std::iter::once(0.0)
            .chain(used.windows(2).map(|pair| 0.5 * (thetas[pair[0]] + thetas[pair[1]])))
            .chain([PI])
            .collect();
        let flat = measure == Kind::Flat;
        let areas: Vec<f64> = edges
            .windows(2)
            .map(|edge| if flat { edge[1] - edge[0] } else { edge[0].cos() - edge[1].cos() })
            .collect();
        let basis = DMatrix::from_fn(used.len(), used.len(), |_, _| 0.0);
        let basis = legendre_columns(basis, used.iter().map(|&i| rings[i].cosine));
        let moments: Vec<f64> = (0..used.len())
            .map(|k| {
                let moment = if flat {
                    flat_moment(k)
                } else if k == 0 {
                    2.0
                } else {
                    0.0
                };
                moment * (real(k) + 0.5).sqrt()
            })
            .collect();
        let weights = |degree: usize| {
            let columns = basis.columns(0, degree + 1).into_owned();
            fitted::nearest(&areas, &columns, &moments[..=degree])
        };
        let (degree, best) = fitted::highest_positive(used.len() - 1, weights)?;
        let lower = weights(2 * degree / 3)?.unwrap_or_default();
        let spread = |found: &[f64]| {
            let mut all = vec![0.0; rings.len()];
            for (&i, weight) in used.iter().zip(found) {
                let jacobian = if measure == Kind::JacobianIncluded { rings[i].sine } else { 1.0 };
                all[i] = weight / jacobian;
            }
            all
        };
        let choice = Choice {
            how: RingWeights::Fitted,
            weights: spread(&best),
            lower: Some(spread(&lower)),
        };
        Ok(Self { rings, kind: RingKind::Free, measure, choices: vec![choice], degree })
    }

    /// The same rule from south to north.
    pub(crate) fn reversed(mut self) -> Self {
        self.rings.reverse();
        for choice in &mut self.choices {
            choice.weights.reverse();
            if let Some(lower) = &mut choice.lower {
                lower.reverse();
            }
        }
        self
    }
}

impl Choice {
    pub(crate) fn sum(&self, over_phi: &[f64]) -> f64 {
        dot(&self.weights, over_phi)
    }

    pub(crate) fn change(&self, over_phi: &[f64]) -> f64 {
        self.lower.as_ref().map_or(0.0, |lower| (self.sum(over_phi) - dot(lower, over_phi)).abs())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Every rule for equal steps that may be right, the one for what is smooth on the sphere first.
fn equispaced(grid: Equispaced, kind: RingKind, measure: Kind) -> RingRule {
    let rings = grid.rings();
    let n = grid.steps;
    let whole = grid.has_poles() || kind == RingKind::Cells;
    let series = match measure {
        // A cosine series needs both poles, or neither and half a step to each.
        Kind::SolidAngle if whole => vec![Series::Cosine],
        Kind::SolidAngle | Kind::JacobianIncluded => vec![Series::Sine],
        Kind::Flat if whole => vec![Series::Cosine, Series::Sine],
        // Without the poles a p that is not 0 there has no series: corrected ends go first.
        Kind::Flat => vec![Series::Sine],
    };
    let times_sine = |mut weights: Vec<f64>| {
        if measure == Kind::SolidAngle {
            weights.iter_mut().zip(&rings).for_each(|(weight, ring)| *weight *= ring.sine);
        }
        weights
    };
    let mut choices: Vec<Choice> = series
        .iter()
        .map(|&series| {
            let weights = grid.weights(series, |k| moment(measure, series, k));
            match series {
                Series::Cosine => Choice { how: RingWeights::CosineSeries, weights, lower: None },
                Series::Sine => Choice {
                    how: RingWeights::SineSeries,
                    weights: times_sine(weights),
                    lower: None,
                },
            }
        })
        .collect();
    let [order, below] = ends::ORDERS.map(|order| ends::corrected(grid, order).map(&times_sine));
    if let (Some(weights), lower @ Some(_)) = (order, below) {
        let first = measure == Kind::Flat && !whole;
        let at = if first { 0 } else { choices.len() };
        choices.insert(at, Choice { how: RingWeights::CorrectedEnds, weights, lower });
    }
    let odd = n % 2;
    let degree = match (measure, series[0]) {
        // Exact for no p but those that are 0 at the poles, or for powers of θ.
        (Kind::Flat, Series::Sine) => 0,
        (Kind::Flat, Series::Cosine) => 2 * n - 1,
        (Kind::SolidAngle, Series::Cosine) if grid.has_poles() => n + 1 - odd,
        (_, Series::Cosine) => n - 1 + odd,
        (_, Series::Sine) if kind == RingKind::Cells => n - 1 + odd,
        // A single interval has only poles, and integrates nothing.
        (_, Series::Sine) => (n - 1).saturating_sub(odd),
    };
    RingRule { rings, kind, measure, choices, degree }
}

/// ∫ cos kθ or ∫ sin kθ over [0, π], against sin θ dθ for the cosines of a solid angle.
pub(crate) fn moment(measure: Kind, series: Series, k: usize) -> f64 {
    match (measure, series) {
        (Kind::SolidAngle, Series::Cosine) if k.is_multiple_of(2) => {
            2.0 / (1.0 - real(k) * real(k))
        }
        (Kind::Flat | Kind::JacobianIncluded, Series::Cosine) if k == 0 => PI,
        (_, Series::Sine) if k % 2 == 1 => 2.0 / real(k),
        _ => 0.0,
    }
}

/// ∫ Pₖ(cos θ) dθ = π ((k − 1)!!/k!!)² for even k, and 0 for odd k.
fn flat_moment(k: usize) -> f64 {
    if k % 2 == 1 {
        return 0.0;
    }
    (0..k).step_by(2).fold(PI, |moment, j| moment * ((real(j) + 1.0) / (real(j) + 2.0)).powi(2))
}

/// Gauss-Legendre weights for the measure.
fn gauss(rings: &[Ring], gauss_weights: &[f64], measure: Kind) -> Vec<f64> {
    let both = rings.iter().zip(gauss_weights);
    match measure {
        Kind::SolidAngle => gauss_weights.to_vec(),
        Kind::JacobianIncluded => both.map(|(ring, weight)| weight / ring.sine).collect(),
        Kind::Flat => {
            let moments: Vec<f64> = (0..rings.len()).map(flat_moment).collect();
            both.map(|(ring, weight)| {
                let (mut before, mut legendre) = (0.0, 1.0);
                let mut sum = 0.0;
                for (k, moment) in moments.iter().enumerate() {
                    sum += moment * (real(k) + 0.5) * legendre;
                    let next = (2.0 * real(k) + 1.0) * ring.cosine * legendre - real(k) * before;
                    (before, legendre) = (legendre, next / real(k + 1));
                }
                weight * sum
            })
            .collect()
        }
    }
}

/// Column k holds √(k + ½) Pₖ, orthonormal over [−1, 1].
fn legendre_columns(mut columns: DMatrix<f64>, nodes: impl Iterator<Item = f64>) -> DMatrix<f64> {
    for (i, x) in nodes.enumerate() {
        let (mut before, mut legendre) = (0.0, 1.0);
        for k in 0..columns.ncols() {
            columns[(i, k)] = (real(k) + 0.5).sqrt() * legendre;
            let next = (2.0 * real(k) + 1.0) * x * legendre - real(k) * before;
            (before, legendre) = (legendre, next / real(k + 1));
        }
    }
    columns
}

/// Exact: counts here are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "a count of nodes that fit in memory")]
pub(crate) fn real(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [RingKind; 5] = [
        RingKind::Vertices,
        RingKind::Cells,
        RingKind::Interior,
        RingKind::NorthPole,
        RingKind::Gauss,
    ];
    const MEASURES: [Kind; 3] = [Kind::SolidAngle, Kind::JacobianIncluded, Kind::Flat];

    #[test]
    fn legendre_columns_are_orthonormal_over_gauss_nodes() {
        let rule = GaussLegendre::new(12).unwrap();
        let columns = legendre_columns(DMatrix::zeros(12, 12), rule.nodes().iter().copied());
        for (a, k) in columns.column_iter().zip(0..) {
            for (b, l) in columns.column_iter().zip(0..) {
                let sum: f64 =
                    rule.weights().iter().enumerate().map(|(i, w)| w * a[i] * b[i]).sum();
                let expected = if k == l { 1.0 } else { 0.0 };
                // Three roundings a step of the recurrence, of twelve, in either column.
                assert!((sum - expected).abs() < 72.0 * f64::EPSILON, "{k} {l}: {sum}");
            }
        }
    }

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
                    let open = matches!(kind, RingKind::Interior | RingKind::NorthPole);
                    if (open && measure == Kind::Flat) || n < 3 {
                        continue;
                    }
                    for k in 0..=rule.degree + 1 {
                        let sum: f64 = (0..n)
                            .map(|i| {
                                let ring = rule.rings[i];
                                let jacobian =
                                    if measure == Kind::JacobianIncluded { ring.sine } else { 1.0 };
                                rule.choices[0].weights[i] * jacobian * legendre(k, ring.cosine)
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
            for weight in [rule.choices[0].weights[0], rule.choices[0].weights[n]] {
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
                    if rule.choices[0].how == RingWeights::CorrectedEnds {
                        continue;
                    }
                    let weights = &rule.choices[0].weights;
                    let positive = weights.iter().zip(&rule.rings).all(|(&weight, ring)| {
                        // A sine series has nothing at a pole.
                        weight > 0.0 || (ring.sine < 1e-15 && weight.abs() < 1e-15)
                    });
                    assert!(positive, "{kind:?} {measure:?} {n}");
                }
            }
        }
    }
}
