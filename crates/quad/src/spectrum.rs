//! What the samples of a rule say about the degrees that it cannot integrate.
//!
//! A rule exact to degree L gives the harmonic coefficients of its integrand to degree L/2, for the
//! product with a harmonic of that degree is still within the rule's reach. How they fall from L/4
//! to L/2 is carried on beyond L, where they would be taken for the integral.

use crate::rings::real;
use crate::{Direction, Sample};

/// How the harmonics of an integrand fall off, seen through one rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay {
    /// Where the coefficients were seen last.
    last: f64,
    /// Their size there, in units of the integral.
    size: f64,
    /// How fast the logarithm of that size falls per degree beyond.
    rate: f64,
    /// What rounding leaves of a coefficient.
    floor: f64,
}

impl Decay {
    /// How far an integral by a rule of this degree may be off: the sizes beyond it, summed.
    pub(crate) fn error(&self, degree: usize) -> f64 {
        let beyond = (real(degree) + 1.0 - self.last).max(0.0);
        let first = self.size * (-self.rate * beyond).exp();
        // No decay, no bound: the series is cut where it has become as large as it can matter.
        first / (1.0 - (-self.rate).exp()).max(1e-3) + self.floor
    }

    /// The size of the highest harmonics seen, as a share of the largest.
    pub(crate) fn remains(&self) -> f64 {
        4.0 * f64::EPSILON * self.size / self.floor
    }

    /// The degree at which the error falls below `tolerance`; infinite where it never does.
    pub(crate) fn degree_for(&self, tolerance: f64) -> f64 {
        if !(tolerance > 2.0 * self.floor) {
            return f64::INFINITY;
        }
        let scaled = tolerance * (1.0 - (-self.rate).exp()).max(1e-3);
        if self.size <= scaled {
            return self.last;
        }
        self.last + (self.size / scaled).ln() / self.rate.max(1e-300)
    }
}

/// The fall of the harmonics of the samples, for a rule of the given degree whose nodes come in
/// columns of `rings` with common colatitudes (a rule of single points has as many rings as nodes).
pub(crate) fn decay<T: Sample>(
    nodes: &[Direction],
    weights: &[f64],
    samples: &[T],
    rings: usize,
    degree: usize,
) -> Decay {
    // Without rings the work is that of nodes times degrees squared; 65 is half of Lebedev's last.
    let seen = if rings < nodes.len() { degree / 2 } else { (degree / 2).min(65) };
    let top = seen.max(1);
    let norms = degree_norms(nodes, weights, samples, rings, top);
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let floor = 4.0 * f64::EPSILON * largest;
    // The envelope from above, so that a vanishing parity does not look like decay.
    let mut envelope = norms;
    for l in (0..top).rev() {
        envelope[l] = envelope[l].max(envelope[l + 1]);
    }
    // The last degree above the noise is where the fall is read.
    let noise = 16.0 * floor;
    let last = (0..=top).rev().find(|&l| envelope[l] > noise).unwrap_or(0);
    if last < top {
        // Down to the noise within sight.
        return Decay { last: real(top), size: noise, rate: 1.0, floor };
    }
    let pair = |l: usize| if l == 0 { envelope[0] } else { envelope[l - 1] };
    let (quarter, half) = (top / 4, top / 2);
    let fall = |from: usize, to: usize| {
        if to > from { (pair(from) / pair(to)).ln() / real(to - from) } else { 0.0 }
    };
    let (early, late) = (fall(quarter, half), fall(half, top));
    // A power law halves its rate whenever the degree doubles; a geometric series keeps it.
    let rate = if early > late { late * (late / early) } else { late };
    // A handful of degrees does not tell a series from a power law.
    let rate = if top < 10 { 0.5 * rate } else { rate };
    Decay { last: real(top), size: pair(top), rate: rate.max(0.0), floor }
}

/// √(4π ∫ |part of f of degree l|² dΩ) for every l up to `top`, which for a constant is its
/// integral.
fn degree_norms<T: Sample>(
    nodes: &[Direction],
    weights: &[f64],
    samples: &[T],
    rings: usize,
    top: usize,
) -> Vec<f64> {
    let index = |l: usize, m: usize| l * (l + 1) / 2 + m;
    let mut cosines = vec![T::ZERO; index(top, top) + 1];
    let mut sines = cosines.clone();
    let columns = nodes.len() / rings.max(1);
    // (a, b) of P̄_l^m = a (z P̄_{l−1}^m − b P̄_{l−2}^m), with ∫ |P̄ e^{imφ}|² dΩ = 4π.
    let recurrence: Vec<(f64, f64)> = (0..=top)
        .flat_map(|l| (0..=l).map(move |m| (l, m)))
        .map(|(l, m)| {
            let ratio = |l: usize| (real(4 * l * l - 1) / real(l * l - m * m)).sqrt();
            if l == m {
                (0.0, 0.0)
            } else {
                (ratio(l), if l == m + 1 { 0.0 } else { 1.0 / ratio(l - 1) })
            }
        })
        .collect();
    let mut even = vec![T::ZERO; top + 1];
    let mut odd = even.clone();
    for ring in 0..rings {
        even.fill(T::ZERO);
        odd.fill(T::ZERO);
        for column in 0..columns {
            let k = ring + rings * column;
            let node = &nodes[k];
            let across = node.sin_theta();
            let (c, s) =
                if across > 0.0 { (node.x() / across, node.y() / across) } else { (1.0, 0.0) };
            let (mut cosine, mut sine) = (1.0, 0.0);
            for m in 0..=top {
                even[m] = even[m].plus(weights[k] * cosine, samples[k]);
                odd[m] = odd[m].plus(weights[k] * sine, samples[k]);
                (cosine, sine) = (cosine * c - sine * s, cosine * s + sine * c);
            }
        }
        let (z, across) = (nodes[ring].z(), nodes[ring].sin_theta());
        let mut seed = 1.0;
        for m in 0..=top {
            let (mut before, mut here) = (0.0, seed);
            for l in m..=top {
                if l > m {
                    let (a, b) = recurrence[index(l, m)];
                    (before, here) = (here, a * (z * here - b * before));
                }
                let entry = index(l, m);
                cosines[entry] = cosines[entry].plus(here, even[m]);
                sines[entry] = sines[entry].plus(here, odd[m]);
            }
            seed *= across * ((real(2 * m) + 3.0) / (real(2 * m) + 2.0)).sqrt();
        }
    }
    (0..=top)
        .map(|l| {
            let power: f64 = (0..=l)
                .map(|m| {
                    let twice = if m == 0 { 1.0 } else { 2.0 };
                    let (c, s) = (cosines[index(l, m)].norm(), sines[index(l, m)].norm());
                    twice * (c * c + s * s)
                })
                .sum();
            power.sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SolidAngle, SphereRule};

    fn sampled(degree: usize, f: impl Fn(&Direction) -> f64) -> (Vec<f64>, Decay) {
        let rule = SphereRule::of_degree(SolidAngle, degree).unwrap();
        let nodes: Vec<Direction> = rule.directions().collect();
        let weights: Vec<f64> = rule.weights().collect();
        let samples: Vec<f64> = nodes.iter().map(f).collect();
        let rings = rule.layout().rings;
        let norms = degree_norms(&nodes, &weights, &samples, rings, degree / 2);
        (norms, decay(&nodes, &weights, &samples, rings, degree))
    }

    #[test]
    fn the_poisson_kernel_has_the_norms_of_its_series() {
        // (1 − h²)/(1 − 2h t + h²)^(3/2) = Σ (2l + 1) h^l P_l(t): the norm of degree l is
        // 4π h^l √(2l + 1), here through √(4π) times its L2 norm.
        let h = 0.5f64;
        let u = Direction::from_angles(1.0, 2.0).unwrap();
        let kernel = |x: &Direction| (1.0 - h * h) / (1.0 - 2.0 * h * u.dot(x) + h * h).powf(1.5);
        let (norms, decay) = sampled(80, kernel);
        for l in 0..=20usize {
            let expected = 4.0 * std::f64::consts::PI * h.powf(real(l)) * real(2 * l + 1).sqrt();
            assert!((norms[l] / expected - 1.0).abs() < 1e-9, "{l}: {} {expected}", norms[l]);
        }
        // Down to noise in sight.
        assert!(decay.error(80) < 1e-12);
    }

    #[test]
    fn a_geometric_fall_is_carried_on_and_a_kink_is_not_taken_for_one() {
        let u = Direction::from_angles(1.0, 2.0).unwrap();
        let (_, smooth) = sampled(60, |x| 1.0 / (1.1 - u.dot(x)));
        // The poles of 1/(1.1 - t) give a rate of ln(1.1 + √0.21) = 0.4436.
        assert!((smooth.rate - 0.4436).abs() < 0.05, "{smooth:?}");
        let (_, kink) = sampled(60, |x| u.dot(x).abs());
        assert!(kink.error(60) > 1e-3, "{kink:?}");
        assert!(smooth.error(60) < 1e-9 && smooth.error(60) > 1e-12, "{}", smooth.error(60));
    }
}
