//! The Gauss-Legendre rule: n nodes, exact for polynomials of degree 2n − 1.

use std::f64::consts::{FRAC_PI_2, PI};

use linalg::lanes::{self, Task, Vectors};

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
/// Against 40-digit references: nodes within 1 eps (absolute), θ and sin θ within 1.5 eps
/// (relative), weights within 2.5 eps (relative), eps = 2⁻⁵². Golub-Welsch implementations lose the
/// small weights near ±1: at n = 1000 NumPy's are off by 10⁷ eps.
///
/// # Cost
/// O(1) per node for any n, without iteration; up to n = 100 a table.
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
/// With w = 1/(n + ½), u = √(sin θ) Pₙ(cos θ) solves u″ + (1/w² + 1/(4 sin²θ)) u = 0, and
/// √t J₀(t) solves v″ + (1 + 1/(4t²)) v = 0. Kummer's transformation of the one into the other,
/// t = ψ(θ)/w, has ψ = θ + w² ψ₁ + w⁴ ψ₂ + ..., each ψᵢ a polynomial in 1/θ and cot θ that is
/// regular at the pole: ψ₁ = (1/θ − cot θ)/8. The nodes are therefore ψ(θₖ) = w jₖ with the zeros
/// jₖ of J₀, and the weights 2 w sin θₖ / (ψ′(θₖ) jₖ J₁(jₖ)²). After ψ₃ the rest is below 0.13 eps
/// at n = 101. That such expansions make iteration unnecessary: I. Bogaert, "Iteration-free
/// computation of Gauss-Legendre quadrature nodes and weights", SIAM J. Sci. Comput. 36 (2014).
#[derive(Debug, Clone, PartialEq)]
pub struct GaussLegendre {
    /// Nodes, weights, colatitudes and sines, n of each.
    values: Vec<f64>,
    count: usize,
}

/// One node of the northern half.
#[derive(Debug, Clone, Copy)]
struct Node {
    theta: f64,
    sine: f64,
    cosine: f64,
    weight: f64,
}

/// The rules up to this have a table.
const TABULATED: usize = 100;
/// Zeros of J₀ in the table; above, the expansion for large k has all digits.
const ZEROS: usize = 24;
/// `data/SOURCES.md` says what is where.
static TABLE: &[u8] = include_bytes!("../data/gauss_legendre.bin");

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
        let mut values = vec![0.0; 4 * n];
        let (nodes, rest) = values.split_at_mut(n);
        let (weights, rest) = rest.split_at_mut(n);
        let (colatitudes, sines) = rest.split_at_mut(n);
        let mut rule = Halves { n, nodes, weights, colatitudes, sines };
        let half = n.div_ceil(2);
        if n <= TABULATED {
            let (first, records) = (n * n / 4, TABLE.as_chunks::<32>().0);
            for (k, record) in records[first..first + half].iter().enumerate() {
                let [theta, sine, cosine, weight] = numbers(record);
                rule.write(k, Node { theta, sine, cosine, weight });
            }
        } else {
            lanes::run(Northern { phase: Phase::new(n), rule: &mut rule });
            if n % 2 == 1 {
                let k = half - 1;
                rule.colatitudes[k] = FRAC_PI_2;
                rule.nodes[k] = 0.0;
            }
        }
        Ok(Self { values, count: n })
    }

    /// The number of nodes, n.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// The largest degree of the polynomials that the rule integrates exactly, 2n − 1.
    #[must_use]
    pub fn degree(&self) -> usize {
        2 * self.count - 1
    }

    /// The nodes x = cos θ, decreasing from near 1 to near −1.
    #[must_use]
    pub fn nodes(&self) -> &[f64] {
        &self.values[..self.count]
    }

    /// The weights, positive, in the order of the nodes; their sum is 2.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.values[self.count..2 * self.count]
    }

    /// The nodes' colatitudes θ in radians, increasing from near 0 to near π.
    #[must_use]
    pub fn colatitudes(&self) -> &[f64] {
        &self.values[2 * self.count..3 * self.count]
    }

    /// sin θ at the nodes.
    #[must_use]
    pub fn sines(&self) -> &[f64] {
        &self.values[3 * self.count..]
    }
}

/// A rule that is written from its northern half.
struct Halves<'a> {
    n: usize,
    nodes: &'a mut [f64],
    weights: &'a mut [f64],
    colatitudes: &'a mut [f64],
    sines: &'a mut [f64],
}

impl Halves<'_> {
    /// Node `k` from the north, and its mirror image. The middle node of an odd rule is both, and is
    /// written twice.
    #[inline(always)]
    fn write(&mut self, k: usize, north: Node) {
        let south = self.n - 1 - k;
        (self.nodes[south], self.nodes[k]) = (-north.cosine, north.cosine);
        (self.weights[south], self.weights[k]) = (north.weight, north.weight);
        (self.colatitudes[south], self.colatitudes[k]) = (PI - north.theta, north.theta);
        (self.sines[south], self.sines[k]) = (north.sine, north.sine);
    }

    /// θ, sine, cosine and weight of nodes from `first` on, those before `end`.
    #[inline(always)]
    fn write_block(&mut self, first: usize, end: usize, block: &[[f64; TOGETHER]; 4]) {
        for i in 0..TOGETHER.min(end - first) {
            let [theta, sine, cosine, weight] =
                [block[0][i], block[1][i], block[2][i], block[3][i]];
            self.write(first + i, Node { theta, sine, cosine, weight });
        }
    }
}

/// Fills a rule that has no table.
struct Northern<'a, 'b> {
    phase: Phase,
    rule: &'a mut Halves<'b>,
}

/// Nodes that are computed side by side: arrays of each number, so that a compiler makes vectors of
/// them.
const TOGETHER: usize = 8;
const STEPS: [f64; TOGETHER] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

impl Task<f64> for Northern<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, _: V) {
        let Self { phase, rule } = self;
        let half = rule.n.div_ceil(2);
        // Near the equator are those with 4k + 3 ≥ n.
        let turn = (rule.n - 3).div_ceil(4);
        for k in 0..ZEROS {
            rule.write(k, phase.first(k));
        }
        for first in (ZEROS..turn).step_by(TOGETHER) {
            let mut block = [[0.0; TOGETHER]; 4];
            for i in 0..TOGETHER {
                let node = phase.near_pole(count(first) + STEPS[i]);
                [block[0][i], block[1][i], block[2][i], block[3][i]] =
                    [node.theta, node.sine, node.cosine, node.weight];
            }
            rule.write_block(first, turn, &block);
        }
        for first in (turn..half).step_by(TOGETHER) {
            let mut block = [[0.0; TOGETHER]; 4];
            for i in 0..TOGETHER {
                let node = phase.near_equator(count(first) + STEPS[i]);
                [block[0][i], block[1][i], block[2][i], block[3][i]] =
                    [node.theta, node.sine, node.cosine, node.weight];
            }
            rule.write_block(first, half, &block);
        }
    }
}

/// What all nodes of a rule share.
#[derive(Debug, Clone, Copy)]
struct Phase {
    n: f64,
    /// 1/(n + ½) and its powers 2, 4, 6.
    w: f64,
    powers: [f64; 3],
    /// π/(4n + 2).
    unit: f64,
}

impl Phase {
    fn new(n: usize) -> Self {
        let w = 1.0 / (count(n) + 0.5);
        let squared = w * w;
        let powers = [squared, squared * squared, squared * squared * squared];
        Self { n: count(n), w, powers, unit: PI / count(4 * n + 2) }
    }

    /// Node `k`, counted from the north pole, whose zero is in the table.
    #[inline(always)]
    fn first(&self, k: usize) -> Node {
        let nodes = (TABULATED + 1) * (TABULATED + 1) / 4;
        let [zero, factor] = numbers(&TABLE.as_chunks::<16>().0[2 * nodes + k]);
        let y = self.w * zero;
        self.node(y, sin_cos(y), factor)
    }

    /// Node `k` beyond the table.
    #[inline(always)]
    fn near_pole(&self, k: f64) -> Node {
        let (beyond, factor) = bessel(k);
        let y = self.unit * (4.0 * k + 3.0) + self.w * beyond;
        self.node(y, sin_cos(y), factor)
    }

    /// Node `k` beyond the table by its latitude π/2 − y, which is known to more digits there, the
    /// zero being (k + ¾)π and little more.
    #[inline(always)]
    fn near_equator(&self, k: f64) -> Node {
        let (beyond, factor) = bessel(k);
        // Negative by a hair at the equator of an odd rule, where 2k + 1 = n.
        let latitude = self.unit * (2.0 * (self.n - (2.0 * k + 1.0))) - self.w * beyond;
        let (cosine, sine) = sin_cos(latitude);
        self.node(FRAC_PI_2 - latitude, (sine, cosine), factor)
    }

    /// The node from y = w jₖ, its sine and cosine, and 2/(jₖ J₁(jₖ)²).
    #[inline(always)]
    fn node(&self, y: f64, (sine, cosine): (f64, f64), factor: f64) -> Node {
        let (shift, stretch) = self.inverse(1.0 / y, cosine / sine);
        // θ = y + shift; the third order is below rounding.
        let half = 0.5 * shift * shift;
        let node_sine = sine + (shift * cosine - half * sine);
        let node_cosine = cosine - (shift * sine + half * cosine);
        Node {
            theta: y + shift,
            sine: node_sine,
            cosine: node_cosine,
            weight: self.w * factor * node_sine * (1.0 + stretch),
        }
    }

    /// The inverse of y = ψ(θ): θ − y, and dθ/dy − 1, from t = 1/y and c = cot y.
    #[inline(always)]
    fn inverse(&self, t: f64, c: f64) -> (f64, f64) {
        let [w2, w4, w6] = self.powers;
        let (tt, cc, ct) = (t * t, c * c, c * t);
        let mut shift = w2 / 8.0 * (c - t);
        let mut stretch = w2 / 8.0 * (tt - cc - 1.0);
        // A tenth of these powers is all that the further orders have: below rounding in large rules.
        if w4 > NEGLIGIBLE {
            shift += w4 / 384.0 * (t * (25.0 * tt + 6.0) - c * (31.0 * cc - 6.0 * ct + 33.0));
            stretch += w4 / 384.0
                * (cc * (93.0 * cc - 12.0 * ct - 6.0 * tt + 126.0)
                    - 12.0 * ct
                    - tt * (75.0 * tt + 6.0)
                    + 33.0);
        }
        if w6 > NEGLIGIBLE {
            shift += w6 / 15360.0
                * (c * (cc * (3779.0 * cc - 465.0 * ct + 30.0 * tt + 6350.0)
                    - 125.0 * ct * tt
                    - 630.0 * ct
                    + 30.0 * tt
                    + 2595.0)
                    - t * (tt * (3219.0 * tt + 125.0) + 165.0));
            stretch += w6 / 15360.0
                * (ct * (190.0 * tt + 1260.0) + tt * (tt * (16095.0 * tt + 375.0) + 135.0)
                    - 2595.0
                    - cc * (cc * (18895.0 * cc - 1860.0 * ct - 375.0 * tt + 37945.0)
                        - 190.0 * ct * tt
                        - 3120.0 * ct
                        - 375.0 * tt * tt
                        - 510.0 * tt
                        + 21645.0));
        }
        (shift, stretch)
    }
}

/// See [`Phase::inverse`].
const NEGLIGIBLE: f64 = 1e-17;

/// sin x and cos x for |x| ≤ π/4, to 0.6 units in the last place: Taylor's series, with the rounding
/// of 1 − x²/2 put back. The library's functions cannot know that nothing has to be reduced.
#[inline(always)]
fn sin_cos(x: f64) -> (f64, f64) {
    const SINE: [f64; 8] = inverse_factorials(3);
    const COSINE: [f64; 8] = inverse_factorials(4);
    let squared = x * x;
    let (mut sine, mut cosine) = (0.0, 0.0);
    for k in (0..8).rev() {
        sine = SINE[k] - squared * sine;
        cosine = COSINE[k] - squared * cosine;
    }
    let half = 0.5 * squared;
    let first = 1.0 - half;
    let rest = ((1.0 - first) - half) + squared * squared * cosine;
    (x - x * squared * sine, first + rest)
}

/// 1/first!, 1/(first + 2)!, ...
const fn inverse_factorials(first: usize) -> [f64; 8] {
    let mut values = [1.0; 8];
    let mut factorial = 1.0;
    let mut factor = 1;
    let mut k = 0;
    while k < 8 {
        // All these factorials are below 2⁵³ times a power of two.
        while factor <= first + 2 * k {
            factorial *= small_count(factor);
            factor += 1;
        }
        values[k] = 1.0 / factorial;
        k += 1;
    }
    values
}

#[expect(clippy::cast_precision_loss, reason = "at most 18")]
const fn small_count(n: usize) -> f64 {
    n as f64
}

/// How far zero k of the Bessel function J₀, jₖ, counted from 0, is beyond (k + ¾)π, and
/// 2/(jₖ J₁(jₖ)²), for k ≥ [`ZEROS`].
#[inline(always)]
fn bessel(k: f64) -> (f64, f64) {
    // McMahon's expansion (DLMF 10.21.19), and that of J₀² + Y₀² (10.18.17), which is
    // 4/(π² j² J₁²) at a zero of J₀.
    let beta = (k + 0.75) * PI;
    let small = 1.0 / (8.0 * beta);
    let squared = small * small;
    let beyond = small
        * (1.0
            + squared
                * (-124.0 / 3.0 + squared * (120928.0 / 15.0 - squared * (401743168.0 / 105.0))));
    let zero = beta + beyond;
    let inverse = 1.0 / (zero * zero);
    let series = inverse
        * (-1.0 / 8.0
            + inverse
                * (27.0 / 128.0 + inverse * (-1125.0 / 1024.0 + inverse * (385875.0 / 32768.0))));
    (beyond, PI + PI * series)
}

/// Little-endian doubles.
#[inline]
fn numbers<const BYTES: usize, const N: usize>(record: &[u8; BYTES]) -> [f64; N] {
    let (words, _) = record.as_chunks::<8>();
    std::array::from_fn(|i| f64::from_le_bytes(words[i]))
}

/// Exact: counts here are far below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "counts are at most 4 MAX_NODES, far below 2^53")]
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
