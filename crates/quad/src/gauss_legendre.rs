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
/// Against 50-digit references for n from 1 to 10⁶: nodes within 1 eps (absolute), θ and sin θ
/// within 1.5 eps (relative), weights within 2.5 eps (relative), eps = 2⁻⁵². Golub-Welsch
/// implementations lose the small weights near ±1: at n = 1000 NumPy's are off by 10⁷ eps.
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
/// Nodes near the poles: Newton's method on P_n(cos θ) = ₂F₁(−n, n + 1; 1; sin²(θ/2)) summed in
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

/// P_n near a node: how far off its zero is, and the weight there if it is not.
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
                weight: probe.weight * (1.0 - 2.0 * slope_change),
            };
        }
    }
    // Unreachable in practice (tested for every n to 2000 and samples to 10⁶).
    let probe = away_from_poles(degree, theta);
    Node { theta, sine: probe.sine, cosine: probe.cosine, weight: probe.weight }
}

/// The zero of P_n(cos θ) numbered `k` from 0, to a few digits at n = 1 and to more as n grows.
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

/// P_n and its slope from the hypergeometric series about the pole, in twofold precision.
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
    // With u = sin²(θ/2): dP/dθ = (Σ k t_k / u) sin θ / 2 = Σ k t_k cot(θ/2).
    let one_minus_u = Twofold::ONE + u * -1.0;
    let probe = Probe {
        newton: -value.high / slope.high * (half_sine / half_cosine),
        weight: 2.0 * u.high / (slope * slope * one_minus_u).high,
        sine: 2.0 * half_sine * half_cosine,
        cosine: 1.0 - 2.0 * half_sine * half_sine,
    };
    (2.0 * half_sine.asin(), probe)
}

/// P_n and its slope from Stieltjes' expansion, for n θ of at least 30.
fn away_from_poles(degree: f64, theta: f64) -> Probe {
    let (sine, cosine) = theta.sin_cos();
    // The phase (n + 1/2) θ − π/4 is large; what rounding would drop of it is carried.
    let phase = Twofold::product(degree + 0.5, theta);
    let (phase_sine, phase_cosine) = phase.high.sin_cos();
    let turned_cosine = phase_cosine - phase.low * phase_sine;
    let turned_sine = phase_sine + phase.low * phase_cosine;
    let mut c = (turned_cosine + turned_sine) * FRAC_1_SQRT_2;
    // Near a zero c is small, and this has one rounding where the sum above would have four.
    let mut s = (1.0 - c * c).sqrt().copysign(turned_sine - turned_cosine);

    // Terms from the second on are small, and are added to the first at the end.
    let cotangent = cosine / sine;
    let first_value = c;
    let first_slope = Twofold::product(-(degree + 0.5), s);
    let mut factor = 1.0;
    let (mut value, mut slope) = (0.0, -0.5 * cotangent * c);
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
        weight: PI * inverse_gamma_ratio_squared(degree) * sine / (slope * slope).high,
        sine,
        cosine,
    }
}

/// (Γ(n + 3/2)/Γ(n + 1))² to rounding, for n >= 19.
///
/// ln Γ(w + 3/4) − ln Γ(w + 1/4) = ln(w)/2 − Σ E_k / (k (4^k) (2 w^k)), k = 2, 4, .., with the Euler
/// numbers E_k and w = n + 3/4 (DLMF 5.11.8 and 24.4.31).
fn inverse_gamma_ratio_squared(degree: f64) -> f64 {
    let w = degree + 0.75;
    let z = 1.0 / (16.0 * w * w);
    let series = z
        * (1.0 / 2.0
            + z * (-5.0 / 4.0
                + z * (61.0 / 6.0
                    + z * (-1385.0 / 8.0 + z * (50521.0 / 10.0 - z * 2702765.0 / 12.0)))));
    w * series.exp()
}

/// Exact: counts here are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "counts are at most 2 MAX_NODES, far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}
