//! The Gauss-Legendre rule: n nodes, exact for polynomials of degree 2n − 1.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI};

use crate::twofold::Twofold;
use crate::{Error, Result};

/// Gauss-Legendre nodes and weights on [−1, 1]: ∫ f(x) dx ≈ Σᵢ wᵢ f(xᵢ), exact where f is a
/// polynomial of degree at most 2n − 1.
///
/// On the sphere x = cos θ, and the rule integrates over colatitude with the solid angle's sin θ
/// already inside the weights. θ and sin θ are computed with the nodes and carried along: near a
/// pole cos θ is close to 1, and at n = 10⁶ a sin θ recomputed from x keeps only five digits.
///
/// Nodes run from north to south, so θ increases and x decreases.
///
/// # Accuracy
/// Against 40-digit references (every node of every third n to 400, samples to 10⁶): nodes within 1
/// eps (absolute), θ and sin θ within 1.5 eps (relative), weights within 2.5 eps (relative), eps =
/// 2⁻⁵². Golub-Welsch implementations lose the small weights near ±1: at n = 1000 NumPy's are off
/// by 10⁷ eps.
///
/// # Cost
/// O(1) per node for any n.
///
/// # Examples
/// ```
/// use quad::GaussLegendre;
/// let rule = GaussLegendre::new(5)?;
/// // ∫ e^x dx over [-1, 1] = e - 1/e; five nodes leave an error of 8e-10.
/// let integral: f64 = rule.nodes().iter().zip(rule.weights()).map(|(x, w)| w * x.exp()).sum();
/// assert!((integral - 2.3504023872876029).abs() < 1e-9);
/// # Ok::<(), quad::Error>(())
/// ```
///
/// # References
/// Nodes near the poles: Newton's method on Pₙ(cos θ) = ₂F₁(−n, n + 1; 1; sin²(θ/2)) summed in
/// twofold precision. Elsewhere: Newton's method on Stieltjes' expansion (G. Szegő, *Orthogonal
/// Polynomials*, theorem 8.21.5; N. Hale and A. Townsend, "Fast and accurate computation of
/// Gauss-Legendre and Gauss-Jacobi quadrature nodes and weights", SIAM J. Sci. Comput. 35 (2013),
/// equation 3.8). First guesses: I. Bogaert, "Iteration-free computation of Gauss-Legendre
/// quadrature nodes and weights", SIAM J. Sci. Comput. 36 (2014), equation 3.10.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussLegendre {
    nodes: Vec<f64>,
    weights: Vec<f64>,
    colatitudes: Vec<f64>,
    sines: Vec<f64>,
}

/// One node of the northern half.
#[derive(Debug, Clone, Copy)]
struct Node {
    theta: f64,
    sine: f64,
    cosine: f64,
    weight: f64,
}

/// Pₙ near a node: how far off its zero is, and the weight there if it is not.
#[derive(Debug, Clone, Copy)]
struct Probe {
    /// −P/P′, with ′ = d/dθ.
    newton: f64,
    /// 2/P′².
    weight: f64,
    sine: f64,
    cosine: f64,
}

impl GaussLegendre {
    /// The most nodes that a rule can have.
    pub const MAX_NODES: usize = 100_000_000;

    /// The rule with `n` nodes.
    ///
    /// # Errors
    /// [`Error::Count`] where `n` is 0 or above [`Self::MAX_NODES`].
    pub fn new(n: usize) -> Result<Self> {
        if !(1..=Self::MAX_NODES).contains(&n) {
            return Err(Error::Count {
                argument: "n",
                value: n,
                lowest: 1,
                highest: Self::MAX_NODES,
            });
        }
        let mut rule = Self {
            nodes: vec![0.0; n],
            weights: vec![0.0; n],
            colatitudes: vec![0.0; n],
            sines: vec![0.0; n],
        };
        for k in 0..n.div_ceil(2) {
            let north = northern_node(n, k);
            let south = Node { theta: PI - north.theta, cosine: -north.cosine, ..north };
            // The middle node of an odd rule is both, and is written twice.
            for (index, node) in [(n - 1 - k, south), (k, north)] {
                rule.nodes[index] = node.cosine;
                rule.weights[index] = node.weight;
                rule.colatitudes[index] = node.theta;
                rule.sines[index] = node.sine;
            }
        }
        Ok(rule)
    }

    /// The number of nodes, n.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The largest degree of the polynomials that the rule integrates exactly, 2n − 1.
    #[must_use]
    pub fn degree(&self) -> usize {
        2 * self.len() - 1
    }

    /// The nodes x = cos θ, decreasing from near 1 to near −1.
    #[must_use]
    pub fn nodes(&self) -> &[f64] {
        &self.nodes
    }

    /// The weights, positive, in the order of the nodes; their sum is 2.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The nodes' colatitudes θ in radians, increasing from near 0 to near π.
    #[must_use]
    pub fn colatitudes(&self) -> &[f64] {
        &self.colatitudes
    }

    /// sin θ at the nodes.
    #[must_use]
    pub fn sines(&self) -> &[f64] {
        &self.sines
    }
}

/// Node `k` of `n`, counted from the north pole, on the northern half or the equator.
fn northern_node(n: usize, k: usize) -> Node {
    let degree = count(n);
    let equator = 2 * k + 1 == n;
    let mut theta = if equator { FRAC_PI_2 } else { first_guess(degree, count(k)) };
    // One step for most nodes of a large rule, three for the worst of a small one; the cap only
    // keeps the loop finite.
    for _ in 0..10 {
        // Below 30 the series cancels by less than the 32 digits it carries, above it Stieltjes'
        // terms fall below eps before they grow again.
        let (start, probe) = if degree * theta < 30.0 {
            near_pole(n, theta)
        } else {
            (theta, away_from_poles(degree, theta))
        };
        // The zero is at theta + step: Newton's step with the two corrections that Legendre's
        // equation, P″ = −cot θ P′ − n(n + 1) P, gives for nothing.
        let cotangent = probe.cosine / probe.sine;
        let stiffness = degree * (degree + 1.0);
        let newton = probe.newton;
        let cubic = (cotangent * cotangent - stiffness) / 3.0 - 0.5 / (probe.sine * probe.sine);
        let step = newton * (1.0 + newton * (0.5 * cotangent + newton * cubic));
        theta = start + step;
        if degree * newton.abs() < 1e-9 || equator {
            if equator {
                return Node { theta: FRAC_PI_2, sine: 1.0, cosine: 0.0, weight: probe.weight };
            }
            let slope_change = (stiffness * newton - cotangent) * step;
            return Node {
                theta,
                sine: probe.sine + probe.cosine * step,
                cosine: probe.cosine - probe.sine * step,
                weight: probe.weight - 2.0 * slope_change * probe.weight,
            };
        }
    }
    // Not reached: the tests run every n to 400, where Newton's method has farthest to go.
    let probe = away_from_poles(degree, theta);
    Node { theta, sine: probe.sine, cosine: probe.cosine, weight: probe.weight }
}

/// The zero of Pₙ(cos θ) numbered `k` from 0, to a few digits at n = 1 and to more as n grows.
fn first_guess(degree: f64, k: f64) -> f64 {
    let scale = 1.0 / (degree + 0.5);
    // McMahon's expansion of the zeros of the Bessel function J0.
    let beta = (k + 0.75) * PI;
    let small = 1.0 / (8.0 * beta);
    let squared = small * small;
    let series = 1.0
        + squared
            * (-124.0 / 3.0
                + squared
                    * (120928.0 / 15.0
                        + squared * (-401743168.0 / 105.0 + squared * 1071187749376.0 / 315.0)));
    let x = (beta + small * series) * scale;
    x + (x / x.tan() - 1.0) / (8.0 * x) * scale * scale
}

/// Pₙ and its slope from the hypergeometric series about the pole, in twofold precision.
///
/// Returned is also the angle at which it was summed: the one whose sin(θ/2) is a double.
fn near_pole(n: usize, theta: f64) -> (f64, Probe) {
    let half_sine = (0.5 * theta).sin();
    let half_cosine = (1.0 - half_sine * half_sine).sqrt();
    let u = Twofold::product(half_sine, half_sine);
    let (mut term, mut value, mut slope) = (Twofold::ONE, Twofold::ONE, Twofold::ZERO);
    for k in 0..n {
        let next = count(k + 1);
        let ratio = Twofold::product(-count(n - k), count(n + 1 + k));
        term = (term * u * ratio).over(next * next);
        value = value + term;
        slope = slope + term * next;
        if term.high.abs() < 1e-36 {
            break;
        }
    }
    // With u = sin²(θ/2): dP/dθ = (Σ k tₖ / u) sin θ / 2 = Σ k tₖ cot(θ/2).
    let one_minus_u = Twofold::ONE + u * -1.0;
    let probe = Probe {
        newton: -value.high / slope.high * (half_sine / half_cosine),
        weight: 2.0 * u.high / (slope * slope * one_minus_u).high,
        sine: 2.0 * half_sine * half_cosine,
        cosine: 1.0 - 2.0 * half_sine * half_sine,
    };
    (2.0 * half_sine.asin(), probe)
}

/// Pₙ and its slope from Stieltjes' expansion, for n θ of at least 30.
fn away_from_poles(degree: f64, theta: f64) -> Probe {
    let (sine, cosine) = theta.sin_cos();
    // The phase (n + 1/2) θ − π/4; its rounding is one of θ, whatever n is.
    let (phase_sine, phase_cosine) = ((degree + 0.5) * theta).sin_cos();
    let c = (phase_cosine + phase_sine) * FRAC_1_SQRT_2;
    // Near a zero c is small, and this has one rounding where the sum above would have four.
    let s = (1.0 - c * c).sqrt().copysign(phase_sine - phase_cosine);

    // Terms from the second on are small, and are added to the first at the end.
    let cotangent = cosine / sine;
    let first_value = c;
    let first_slope = Twofold::product(-(degree + 0.5), s);
    let (mut value, mut slope) = (0.0, -0.5 * cotangent * c);
    let (mut factor, mut c, mut s) = (1.0, c, s);
    for m in 1..100 {
        let m = count(m);
        factor *= (m - 0.5) * (m - 0.5) / (m * (degree + m + 0.5) * 2.0 * sine);
        if factor < 1e-18 {
            break;
        }
        // From one term to the next the angle grows by θ − π/2.
        (c, s) = (c * sine + s * cosine, s * sine - c * cosine);
        value += factor * c;
        slope -= factor * ((degree + m + 0.5) * s + (m + 0.5) * cotangent * c);
    }
    let slope = first_slope + Twofold { high: slope, low: 0.0 };
    // P′ = C slope / sqrt(2 sin θ) with C = (2/√π) Γ(n + 1)/Γ(n + 3/2), whence 2/P′².
    Probe {
        newton: -(first_value + value) / slope.high,
        weight: (pi_gamma_ratio_squared(degree) * sine).over((slope * slope).high).high,
        sine,
        cosine,
    }
}

/// π (Γ(n + 3/2)/Γ(n + 1))² for n >= 19, well beyond rounding.
///
/// ln Γ(w + 3/4) − ln Γ(w + 1/4) = ln(w)/2 − Σ Eₖ / (k (4^k) (2 w^k)), k = 2, 4, .., with the Euler
/// numbers Eₖ and w = n + 3/4 (DLMF 5.11.8 and 24.4.31).
fn pi_gamma_ratio_squared(degree: f64) -> Twofold {
    let w = degree + 0.75;
    let z = 1.0 / (16.0 * w * w);
    let series = z
        * (1.0 / 2.0
            + z * (-5.0 / 4.0
                + z * (61.0 / 6.0
                    + z * (-1385.0 / 8.0 + z * (50521.0 / 10.0 - z * 2702765.0 / 12.0)))));
    let pi = Twofold { high: PI, low: 1.2246467991473532e-16 };
    // 1 + expm1 keeps the digits that rounding exp to a double would drop.
    pi * w * (Twofold::ONE + Twofold { high: series.exp_m1(), low: 0.0 })
}

/// Exact: counts here are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "counts are at most 2 MAX_NODES, far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_nodes_match_the_printed_table() {
        // M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, table 25.4, n = 10.
        let table = [
            (0.148874338981631, 0.295524224714753),
            (0.433395394129247, 0.269266719309996),
            (0.679409568299024, 0.219086362515982),
            (0.865063366688985, 0.149451349150581),
            (0.973906528517172, 0.066671344308688),
        ];
        let rule = GaussLegendre::new(10).unwrap();
        for (i, (node, weight)) in table.into_iter().enumerate() {
            for (k, sign) in [(4 - i, 1.0), (5 + i, -1.0)] {
                assert!((rule.nodes()[k] - sign * node).abs() < 6e-16, "node {k}");
                assert!((rule.weights()[k] - weight).abs() < 6e-16, "weight {k}");
            }
        }
    }

    #[test]
    fn nodes_and_weights_are_right_to_rounding() {
        // θ, sin θ, cos θ and weight by mpmath 1.4 with 45 digits (Newton's method from Bessel
        // zeros on the three-term recurrence). The cases cover both series and the seam between
        // them.
        #[rustfmt::skip]
        let reference = [
            (99, 14, 4.657385976085971046e-1, 4.490828535432414425e-1, 8.934901178264142150e-1, 1.417836314957944607e-2),
            (100, 0, 2.392851379957687255e-2, 2.392623039171211100e-2, 9.997137267734412337e-1, 7.346344905056717304e-4),
            (100, 8, 2.735658223403245791e-1, 2.701663694440203984e-1, 9.628136542558155273e-1, 8.443871469668971403e-3),
            (100, 9, 3.048206895905456571e-1, 3.001221356950098086e-1, 9.539007829254917428e-1, 9.380419653694457951e-3),
            (100, 10, 3.360764161195064368e-1, 3.297855576905644125e-1, 9.440558701362559780e-1, 1.030780257486896959e-2),
            (100, 49, 1.555166706034023843, 9.998778599638813703e-1, 1.562898442154308287e-2, 3.125542345386335695e-2),
            (1000, 0, 2.403623645771928893e-3, 2.403621331320732746e-3, 9.999971112980755106e-1, 7.413338416432071517e-6),
            (1000, 12, 4.003840489456982881e-2, 4.002770833188434993e-2, 9.991985701379368949e-1, 1.256781247645614613e-4),
            (1000, 300, 9.443619000303087189e-1, 8.101230062941760830e-1, 5.862599378030928855e-1, 2.543804098773542845e-3),
        ];
        for (n, k, theta, sine, cosine, weight) in reference {
            let rule = GaussLegendre::new(n).unwrap();
            let relative =
                |found: f64, expected: f64| (found / expected - 1.0).abs() / f64::EPSILON;
            assert!(relative(rule.colatitudes()[k], theta) <= 1.5, "theta {k} of {n}");
            assert!(relative(rule.sines()[k], sine) <= 1.5, "sine {k} of {n}");
            assert!((rule.nodes()[k] - cosine).abs() <= f64::EPSILON, "node {k} of {n}");
            assert!(relative(rule.weights()[k], weight) <= 2.5, "weight {k} of {n}");
            assert_eq!(rule.nodes()[n - 1 - k].to_bits(), (-rule.nodes()[k]).to_bits());
            assert_eq!(rule.weights()[n - 1 - k].to_bits(), rule.weights()[k].to_bits());
        }
    }

    #[test]
    fn polynomials_to_degree_2n_minus_1_are_exact_and_the_next_is_not() {
        for n in (1..=400).chain([1000]) {
            let rule = GaussLegendre::new(n).unwrap();
            let mut before = vec![0.0; n];
            let mut legendre = vec![1.0; n];
            // ∫ Pₖ = 2 for k = 0, and 0 above; small rules are tried at every degree.
            for k in 0..=2 * n {
                if n <= 40 || k < 3 {
                    let sum: f64 = legendre.iter().zip(rule.weights()).map(|(p, w)| p * w).sum();
                    let error = sum - if k == 0 { 2.0 } else { 0.0 };
                    if k < 2 * n {
                        // Rounding of the recurrence at degree k and of the sum.
                        let limit = f64::EPSILON * count(4 + n + k);
                        assert!(error.abs() <= limit, "degree {k} of {n} nodes: {error:e}");
                    } else {
                        assert!(error.abs() > 0.1, "degree {k} of {n} nodes: {error:e}");
                    }
                }
                for i in 0..n {
                    let next =
                        count(2 * k + 1) * rule.nodes()[i] * legendre[i] - count(k) * before[i];
                    (before[i], legendre[i]) = (legendre[i], next / count(k + 1));
                }
                if n > 40 && k == 2 {
                    break;
                }
            }
        }
    }

    #[test]
    fn nodes_go_from_north_to_south_with_their_angles() {
        for n in [1, 2, 3, 19, 20, 21, 22, 333, 4096, 100_001] {
            let rule = GaussLegendre::new(n).unwrap();
            assert!(rule.colatitudes().windows(2).all(|pair| pair[0] < pair[1]), "{n}");
            assert!(rule.nodes().windows(2).all(|pair| pair[0] > pair[1]), "{n}");
            assert!(rule.weights().iter().all(|&weight| weight > 0.0), "{n}");
            for i in 0..n {
                let (sine, cosine) = rule.colatitudes()[i].sin_cos();
                assert!((rule.nodes()[i] - cosine).abs() <= 2.0 * f64::EPSILON, "{i} of {n}");
                assert!((rule.sines()[i] - sine).abs() <= 2.0 * f64::EPSILON, "{i} of {n}");
            }
        }
    }

    #[test]
    fn no_nodes_and_too_many_are_refused() {
        assert_eq!(
            GaussLegendre::new(0).unwrap_err().to_string(),
            "n is 0, expected 1 to 100000000"
        );
        assert!(GaussLegendre::new(GaussLegendre::MAX_NODES + 1).is_err());
    }
}
