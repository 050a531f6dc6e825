//! A rule of a few nodes for a field that changes, made from snapshots of it.

use std::f64::consts::PI;

use linalg::{DMatrix, DVector, Qr, Svd, bounded_least_squares};

use crate::rings::real;
use crate::{Direction, Error, Result, SolidAngle};

/// Nodes and weights for the further steps of a series whose first steps were sampled in full.
///
/// Snapshots of a moving lobe, say, span few dimensions. A rule that is right for each of those needs
/// as many nodes, 20 where a rule for all harmonics needs 3,500; its weights are the non-negative ones of
/// Lawson and Hanson. Outside that span it is worth nothing: a lobe that has moved on by half of its way
/// so far is missed by 40 %. So a dozen further nodes, without weight, are the *monitor*: where the
/// samples do not fit the span, the result says [`Drift::Left`], and a full step is due.
///
/// # Examples
/// A lobe moves by a radian. Forty snapshots make the rule; then it moves on:
/// ```
/// use quad::{Direction, Drift, SnapshotRule, SolidAngle, SphereRule};
/// use linalg::DMatrix;
/// let lobe = |step: f64, x: &Direction| {
///     Direction::from_angles(1.0, 0.025 * step).map(|u| (50.0 * (u.dot(x) - 1.0)).exp())
/// };
/// let full = SphereRule::of_degree(SolidAngle, 61)?;
/// let nodes: Vec<Direction> = full.directions().collect();
/// let weights: Vec<f64> = full.weights().collect();
/// let mut snapshots = DMatrix::zeros(nodes.len(), 40);
/// for step in 0..40u8 {
///     for (i, x) in nodes.iter().enumerate() {
///         snapshots[(i, usize::from(step))] = lobe(f64::from(step), x)?;
///     }
/// }
/// let rule = SnapshotRule::new(&nodes, &weights, &snapshots, 1e-6)?;
/// assert!(rule.len() < 45 && nodes.len() > 1900);
///
/// let at = |step| rule.directions().iter().map(|x| lobe(step, x)).collect::<Result<Vec<_>, _>>();
/// let between = rule.integrate_samples(&at(17.4)?)?;
/// assert_eq!(between.drift, Drift::Within);
/// assert!((between.value / (2.0 * std::f64::consts::PI / 50.0) - 1.0).abs() < 1e-6);
/// assert_eq!(rule.integrate_samples(&at(50.0)?)?.drift, Drift::Left);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// J. Hernández, M. Caicedo and A. Ferrer, "Dimensional hyper-reduction of nonlinear finite element models
/// via empirical cubature", Computer Methods in Applied Mechanics and Engineering 313 (2017), for rules from
/// snapshots. C. Lawson and R. Hanson, "Solving Least Squares Problems" (1974), chapter 23. M. Gavish and
/// D. Donoho, "The optimal hard threshold for singular values is 4/√3", IEEE Trans. Information Theory
/// 60 (2014), for what of the snapshots is noise.
#[derive(Debug, Clone)]
pub struct SnapshotRule {
    nodes: Vec<usize>,
    directions: Vec<Direction>,
    weights: Vec<f64>,
    rank: usize,
    /// Of the modes at the nodes.
    qr: Qr<f64>,
    /// The norms √∫f² of the snapshots, the smallest and the largest.
    norms: [f64; 2],
    /// The largest error of the snapshots' own integrals by this rule.
    base: f64,
    /// An error estimate above this is drift.
    allowed: f64,
}

/// An integral by a [`SnapshotRule`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct SnapshotIntegral {
    /// The integral.
    pub value: f64,
    /// The root of the mean square by which the samples miss the span of the snapshots, times the sum
    /// of the weights, and what the rule makes wrong of the snapshots themselves. An estimate while the
    /// drift is [`Drift::Within`], and no bound once it is not.
    pub error_estimate: f64,
    /// Whether the field is still like the snapshots.
    pub drift: Drift,
    /// Evaluations of the field.
    pub samples: usize,
    /// What was integrated against.
    pub measure: SolidAngle,
}

/// Whether a field is like the snapshots that its rule was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// It is, as far as the nodes see.
    Within,
    /// It is not: sample it in full and make a new rule.
    Left,
}

/// Nodes of the monitor where the span is left first, and elsewhere on the sphere.
const NEAR: usize = 6;
const FAR: usize = 6;

impl SnapshotRule {
    /// The rule that integrates `snapshots` (a row for each node of a full rule, a column for each step)
    /// as that rule with `directions` and `weights` does.
    ///
    /// `tolerance` is the error allowed, as a share of the largest ∫|f| of the snapshots. Drift begins where
    /// the error estimate exceeds it, and twice what the snapshots themselves have: noise in them raises
    /// the threshold with it, so that noise of the same strength in later steps is not taken for drift
    /// (less than one false alarm in 10,000 steps, for 40 snapshots).
    ///
    /// A lobe that appears where no node is cannot be noticed, nor one that moves away from all of them
    /// between two steps but by its absence: a field of less than half the norm of the faintest snapshot,
    /// or more than twice that of the strongest, counts as drift.
    ///
    /// # Errors
    /// [`Error::Count`] for fewer than two snapshots, or no more nodes than snapshots; [`Error::Samples`]
    /// where nodes, weights and rows are not as many; [`Error::Weight`] for one that is not positive;
    /// [`Error::PointNotFinite`] with the node; [`Error::NoField`] where all samples are zero;
    /// [`Error::Tolerance`].
    pub fn new(
        directions: &[Direction],
        weights: &[f64],
        snapshots: &DMatrix<f64>,
        tolerance: f64,
    ) -> Result<Self> {
        check(directions, weights, snapshots, tolerance)?;
        let (count, steps) = snapshots.shape();
        // Columns whose length is √∫f².
        let roots: Vec<f64> = weights.iter().map(|weight| weight.sqrt()).collect();
        let weighted = DMatrix::from_fn(count, steps, |i, s| roots[i] * snapshots[(i, s)]);
        let Svd { u, singular_values: sizes, v, .. } = Svd::new(&weighted)?;
        let sum = |s: usize, of: &dyn Fn(f64) -> f64| -> f64 {
            weights.iter().zip(snapshots.column(s).iter()).map(|(w, &f)| w * of(f)).sum()
        };
        let scale = (0..steps).map(|s| sum(s, &f64::abs)).fold(0.0, f64::max);
        if scale <= 0.0 {
            return Err(Error::NoField);
        }

        let rank = rank(sizes.as_slice(), &v, 0.1 * tolerance * scale, count);
        let modes = DMatrix::from_fn(count, rank, |i, k| u[(i, k)] / roots[i]);
        let integral =
            |k: usize| -> f64 { u.column(k).iter().zip(&roots).map(|(u, root)| u * root).sum() };
        let integrals = DVector::from_fn(rank, |k, _| integral(k));
        let (zero, infinite) = (DVector::zeros(count), DVector::from_element(count, f64::INFINITY));
        let found = bounded_least_squares(&modes.transpose(), &integrals, &zero, &infinite)?.x;
        let mut nodes: Vec<usize> = (0..count).filter(|&i| found[i] > 0.0).collect();
        // Where the modes that were left out are strongest, there the span is left first.
        for k in rank..(rank + NEAR).min(sizes.len()) {
            if sizes[k] > real(count) * f64::EPSILON * sizes[0] {
                let strength = |i: usize| u[(i, k)].abs() / roots[i];
                push_largest(&mut nodes, count, strength);
            }
        }
        let wanted = (nodes.len().max(rank) + FAR).min(count);
        while nodes.len() < wanted {
            let distance = |i: usize| {
                let nearest = nodes.iter().map(|&node| directions[node].dot(&directions[i]));
                1.0 - nearest.fold(-1.0, f64::max)
            };
            let distances: Vec<f64> = (0..count).map(distance).collect();
            push_largest(&mut nodes, count, |i| distances[i]);
        }

        let at_nodes = DMatrix::from_fn(nodes.len(), rank, |row, k| modes[(nodes[row], k)]);
        let mut rule = Self {
            directions: nodes.iter().map(|&node| directions[node]).collect(),
            weights: nodes.iter().map(|&node| found[node]).collect(),
            rank,
            qr: Qr::new(at_nodes)?,
            norms: [0.0, f64::INFINITY],
            base: 0.0,
            allowed: f64::INFINITY,
            nodes,
        };
        let (mut miss, mut base, mut norms) = (0.0f64, 0.0f64, [f64::INFINITY, 0.0f64]);
        for s in 0..steps {
            let samples: Vec<f64> = rule.nodes.iter().map(|&node| snapshots[(node, s)]).collect();
            let found = rule.integrate_samples(&samples)?;
            miss = miss.max(found.error_estimate);
            base = base.max((found.value - sum(s, &|f| f)).abs());
            let norm = weighted.column(s).norm();
            norms = [norms[0].min(norm), norms[1].max(norm)];
        }
        // The modes have taken up a part of the noise of these snapshots, but not of others.
        let fresh = (1.0 - real(rank) / real(steps)).max(0.25).sqrt();
        rule.allowed = base + f64::max(tolerance * scale, 2.0 * miss / fresh);
        (rule.base, rule.norms) = (base, norms);
        Ok(rule)
    }

    /// The number of nodes, those of the monitor too.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The dimension of the snapshots' span, noise left out.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Which nodes of the full rule these are, in the order of the samples.
    #[must_use]
    pub fn nodes(&self) -> &[usize] {
        &self.nodes
    }

    /// Where to sample the field.
    #[must_use]
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// The weights, none negative; those of the monitor are 0.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The integral of the field with these samples at [`Self::directions`].
    ///
    /// # Errors
    /// [`Error::Samples`] for another number of samples; [`Error::PointNotFinite`]; [`Error::Overflow`].
    pub fn integrate_samples(&self, samples: &[f64]) -> Result<SnapshotIntegral> {
        if samples.len() != self.len() {
            return Err(Error::Samples { expected: self.len(), got: samples.len() });
        }
        if let Some(index) = samples.iter().position(|sample| !sample.is_finite()) {
            return Err(Error::PointNotFinite { index, value: samples[index] });
        }
        let value: f64 = self.weights.iter().zip(samples).map(|(w, f)| w * f).sum();
        let mut rotated = DMatrix::from_column_slice(samples.len(), 1, samples);
        self.qr.apply_q_adjoint(&mut rotated)?;
        let rest = rotated.rows(self.rank, self.len() - self.rank).norm();
        let root_mean_square = rest / real(self.len() - self.rank).sqrt();
        let total: f64 = self.weights.iter().sum();
        let error_estimate = self.base + root_mean_square * total;
        if !(value.is_finite() && error_estimate.is_finite()) {
            return Err(Error::Overflow { snapshot: 0 });
        }
        // The coefficients of the modes, which are orthonormal over the sphere.
        let r = self.qr.r();
        let mut coefficients: Vec<f64> = rotated.as_slice()[..self.rank].to_vec();
        for i in (0..self.rank).rev() {
            let known: f64 = (i + 1..self.rank).map(|j| r[(i, j)] * coefficients[j]).sum();
            coefficients[i] = (coefficients[i] - known) / r[(i, i)];
        }
        let norm = coefficients.iter().map(|c| c * c).sum::<f64>().sqrt();
        let [faintest, strongest] = self.norms;
        let alike = (0.5 * faintest..=2.0 * strongest).contains(&norm);
        let drift =
            if alike && error_estimate <= self.allowed { Drift::Within } else { Drift::Left };
        Ok(SnapshotIntegral {
            value,
            error_estimate,
            drift,
            samples: samples.len(),
            measure: SolidAngle,
        })
    }
}

fn check(
    directions: &[Direction],
    weights: &[f64],
    snapshots: &DMatrix<f64>,
    tolerance: f64,
) -> Result<()> {
    let (count, steps) = snapshots.shape();
    if steps < 2 {
        let (argument, highest) = ("snapshots", usize::MAX);
        return Err(Error::Count { argument, value: steps, lowest: 2, highest });
    }
    for got in [weights.len(), count] {
        if got != directions.len() {
            return Err(Error::Samples { expected: directions.len(), got });
        }
    }
    if count <= steps {
        let (argument, highest) = ("directions", usize::MAX);
        return Err(Error::Count { argument, value: count, lowest: steps + 1, highest });
    }
    // A weight that is not positive has no root to scale by.
    let bad = weights.iter().position(|&weight| !(weight > 0.0 && weight.is_finite()));
    if let Some(index) = bad {
        return Err(Error::Weight { index, value: weights[index] });
    }
    if let Some(place) = snapshots.iter().position(|sample| !sample.is_finite()) {
        return Err(Error::PointNotFinite { index: place % count, value: snapshots[place] });
    }
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(Error::Tolerance { argument: "tolerance", value: tolerance });
    }
    Ok(())
}

/// How many modes there are: until what is left of no snapshot can change its integral by more than
/// `enough`, by Cauchy and Schwarz √(4π ∫rest²); and none of noise, whose singular values are alike.
fn rank(sizes: &[f64], v: &DMatrix<f64>, enough: f64, rows: usize) -> usize {
    let steps = sizes.len();
    let rest = |s: usize, from: usize| {
        let square: f64 = (from..steps).map(|k| (sizes[k] * v[(s, k)]).powi(2)).sum();
        (4.0 * PI * square).sqrt()
    };
    let needed =
        (1..steps).find(|&from| (0..v.nrows()).all(|s| rest(s, from) <= enough)).unwrap_or(steps);
    // Gavish and Donoho's threshold over the median, for a matrix of this shape and unknown noise.
    let shape = real(v.nrows()) / real(rows);
    let times = ((0.56 * shape - 0.95) * shape + 1.82) * shape + 1.43;
    let above = sizes.iter().filter(|&&size| size > times * sizes[steps / 2]).count();
    needed.min(above).max(1)
}

/// Adds the node that is not yet among `nodes` with the largest `key`.
fn push_largest(nodes: &mut Vec<usize>, count: usize, key: impl Fn(usize) -> f64) {
    let others = (0..count).filter(|node| !nodes.contains(node));
    let largest = others.max_by(|&a, &b| key(a).total_cmp(&key(b)));
    nodes.extend(largest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SphereRule;

    /// Uniform numbers without a generator among the dependencies.
    fn noise(index: usize, step: usize) -> f64 {
        let mut z = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((step as u64) << 40);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // Of standard deviation 1.
        (((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53) - 0.5) * 12f64.sqrt()
    }

    const KAPPA: f64 = 100.0;
    const EXACT: f64 = 2.0 * PI / KAPPA;

    /// A lobe on its way from 0 to ½ radian, and further.
    fn lobe(way: f64, x: &Direction) -> f64 {
        let u = Direction::from_angles(1.0, way).unwrap();
        (KAPPA * (u.dot(x) - 1.0)).exp()
    }

    fn rule(strength: f64) -> SnapshotRule {
        let full = SphereRule::of_degree(SolidAngle, 83).unwrap();
        let nodes: Vec<Direction> = full.directions().collect();
        let weights: Vec<f64> = full.weights().collect();
        let snapshots = DMatrix::from_fn(nodes.len(), 40, |i, s| {
            lobe(real(s) / 78.0, &nodes[i]) + strength * noise(i, s)
        });
        SnapshotRule::new(&nodes, &weights, &snapshots, 1e-6).unwrap()
    }

    #[test]
    fn a_few_nodes_do_within_the_range_and_drift_is_told_before_it_matters() {
        let rule = rule(0.0);
        assert!(rule.len() <= rule.rank() + NEAR + FAR && rule.len() < 40, "{}", rule.len());
        assert!(rule.weights().iter().all(|&weight| weight >= 0.0));
        let at = |way: f64| {
            let samples: Vec<f64> = rule.directions().iter().map(|x| lobe(way, x)).collect();
            rule.integrate_samples(&samples).unwrap()
        };
        for k in 0..200 {
            let found = at(0.0025 * real(k));
            assert_eq!(found.drift, Drift::Within, "{k}: {found:?}");
            let error = (found.value / EXACT - 1.0).abs();
            assert!(error < 1e-6, "{k}: {error:e}");
            assert!(error * EXACT <= found.error_estimate, "{k}: {error:e}, {found:?}");
        }
        let mut left = 0;
        for k in 0..300 {
            let found = at(0.5 + 0.01 * real(k));
            let error = (found.value / EXACT - 1.0).abs();
            left += usize::from(found.drift == Drift::Left);
            assert!(error < 1e-5 || found.drift == Drift::Left, "{k}: {error:e}, {found:?}");
        }
        assert!(left > 290, "{left}");
    }

    #[test]
    fn noise_like_that_of_the_snapshots_is_no_drift() {
        let strength = 1e-4;
        let rule = rule(strength);
        assert!(rule.rank() < 16, "noise is no mode: {}", rule.rank());
        let at = |way: f64, step: usize| {
            let samples: Vec<f64> = rule
                .directions()
                .iter()
                .zip(rule.nodes())
                .map(|(x, &node)| lobe(way, x) + strength * noise(node, step))
                .collect();
            rule.integrate_samples(&samples).unwrap()
        };
        let alarms =
            (0..5000).filter(|&k| at(1e-4 * real(k), 100 + k).drift == Drift::Left).count();
        assert_eq!(alarms, 0);
        // The error of the rule from this noise is 3e-3 of the integral at most: ten times that.
        for k in 0..100 {
            let found = at(0.5 + 0.01 * real(k), 9000 + k);
            let error = (found.value / EXACT - 1.0).abs();
            assert!(error < 3e-2 || found.drift == Drift::Left, "{k}: {error:e}, {found:?}");
        }
    }

    #[test]
    fn what_makes_no_rule_is_named() {
        let full = SphereRule::of_degree(SolidAngle, 7).unwrap();
        let nodes: Vec<Direction> = full.directions().collect();
        let weights: Vec<f64> = full.weights().collect();
        let n = nodes.len();
        let ones = DMatrix::from_element(n, 2, 1.0);
        let text = |weights: &[f64], snapshots: &DMatrix<f64>, tolerance| {
            SnapshotRule::new(&nodes, weights, snapshots, tolerance).unwrap_err().to_string()
        };
        let one = DMatrix::from_element(n, 1, 1.0);
        assert_eq!(
            text(&weights, &one, 1e-6),
            "snapshots is 1, expected 2 to 18446744073709551615"
        );
        let many = DMatrix::from_element(n, n, 1.0);
        assert_eq!(
            text(&weights, &many, 1e-6),
            format!("directions is {n}, expected {} to 18446744073709551615", n + 1)
        );
        let short = DMatrix::from_element(n - 1, 2, 1.0);
        assert_eq!(
            text(&weights, &short, 1e-6),
            format!("expected {n} samples, one per node, got {}", n - 1)
        );
        assert_eq!(
            text(&weights, &DMatrix::zeros(n, 2), 1e-6),
            "every sample of every snapshot is zero, and no rule follows from nothing"
        );
        let mut nan = ones.clone();
        nan[(3, 1)] = f64::NAN;
        assert_eq!(text(&weights, &nan, 1e-6), "sample 3 is NaN, and every sample must be finite");
        let mut negative = weights.clone();
        negative[2] = -0.5;
        assert_eq!(
            text(&negative, &ones, 1e-6),
            "weight 2 is -0.5, expected a positive, finite number"
        );
        assert_eq!(
            text(&weights, &ones, 0.0),
            "tolerance is 0, expected a finite number that is not negative"
        );
        let rule = SnapshotRule::new(&nodes, &weights, &ones, 1e-6).unwrap();
        assert_eq!(rule.rank(), 1);
        let samples = vec![1.5; rule.len()];
        let found = rule.integrate_samples(&samples).unwrap();
        assert!((found.value - 6.0 * PI).abs() < 1e-13 && found.drift == Drift::Within);
        assert!(rule.integrate_samples(&samples[1..]).is_err());
    }
}
