//! Gauss-Legendre rings with fewer nodes towards the poles.

use std::f64::consts::TAU;

use crate::rings::real;
use crate::{Direction, Error, GaussLegendre, Result};

/// A rule for ∫ p dΩ that is exact to a degree L for less than (L + 1)²/2 nodes, with positive
/// weights, for any L.
///
/// The rings are Gauss-Legendre's. Near the poles a polynomial of degree L is slow in φ, since the
/// harmonics there fall off like sinᵐ θ: a ring needs no more columns than it takes for every
/// |P̄ₗᵐ(cos θ)|, l ≤ L, of the first m that it aliases to be below `ALIASING` (10⁻¹⁶; P̄ normalized
/// to ∫ P̄² dx = 1). At degree 255 that leaves 77 % of the full grid, at 383 74 %, in the limit 2/π,
/// fewer than the (L + 1)²/3 of rules without structure.
///
/// # Examples
/// ```
/// use quad::ThinnedRule;
/// let rule = ThinnedRule::of_degree(255)?;
/// assert!(rule.len() <= 78 * 128 * 256 / 100);
/// let exact = 4.0 * std::f64::consts::PI * 10f64.sinh() / 10.0;
/// let total = rule.integrate(|x| (10.0 * (0.6 * x.x() - 0.8 * x.z())).exp())?;
/// assert!((total / exact - 1.0).abs() < 1e-13);
/// # Ok::<(), quad::Error>(())
/// ```
///
/// # References
/// Reduced grids: M. Hortal, A. J. Simmons, "Use of reduced Gaussian grids in spectral models",
/// Mon. Weather Rev. 119 (1991).
#[derive(Debug, Clone, PartialEq)]
pub struct ThinnedRule {
    nodes: Vec<Direction>,
    weights: Vec<f64>,
    columns: Vec<usize>,
    degree: usize,
}

/// What a harmonic that a ring takes for a constant may amount to.
const ALIASING: f64 = 1e-16;

impl ThinnedRule {
    /// The largest degree: the harmonics that decide underflow beyond.
    pub const MAX_DEGREE: usize = 2000;

    /// The rule for spherical polynomials of degree at most `degree`.
    ///
    /// # Errors
    /// [`Error::Count`] above [`Self::MAX_DEGREE`].
    pub fn of_degree(degree: usize) -> Result<Self> {
        if degree > Self::MAX_DEGREE {
            let (argument, highest) = ("degree", Self::MAX_DEGREE);
            return Err(Error::Count { argument, value: degree, lowest: 0, highest });
        }
        let gauss = GaussLegendre::new(degree / 2 + 1)?;
        let count = gauss.len();
        let mut columns = vec![0; count];
        for i in 0..count.div_ceil(2) {
            let needed = columns_needed(degree, gauss.nodes()[i], gauss.sines()[i]);
            (columns[i], columns[count - 1 - i]) = (needed, needed);
        }
        let (mut nodes, mut weights) = (Vec::new(), Vec::new());
        for i in 0..count {
            let (theta, sine) = (gauss.colatitudes()[i], gauss.sines()[i]);
            let step = TAU / real(columns[i]);
            for j in 0..columns[i] {
                let phi = step * real(j);
                nodes.push(Direction::from_parts(theta, sine, gauss.nodes()[i], phi));
                weights.push(step * gauss.weights()[i]);
            }
        }
        Ok(Self { nodes, weights, columns, degree })
    }

    /// The number of nodes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The degree to which the rule is exact.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The nodes, ring by ring from the north.
    #[must_use]
    pub fn directions(&self) -> &[Direction] {
        &self.nodes
    }

    /// The weights, positive, in the order of the nodes; their sum is 4π.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The number of nodes on each ring, from the north.
    #[must_use]
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// ∫ f dΩ.
    ///
    /// There is no error estimate: the rings do not share their columns, and nothing can be compared.
    /// Take two degrees, or a [`SphereRule`](crate::SphereRule) once.
    ///
    /// # Errors
    /// [`Error::IntegrandNotFinite`] at the first node where `f` is NaN or infinite.
    pub fn integrate(&self, mut f: impl FnMut(&Direction) -> f64) -> Result<f64> {
        let (mut sum, mut first) = (0.0, 0);
        for &columns in &self.columns {
            let mut ring = 0.0;
            for node in &self.nodes[first..first + columns] {
                let value = f(node);
                if !value.is_finite() {
                    let (theta, phi) = (node.theta(), node.phi());
                    return Err(Error::IntegrandNotFinite { theta, phi, value });
                }
                ring += value;
            }
            sum += self.weights[first] * ring;
            first += columns;
        }
        Ok(sum)
    }
}

/// The least number n of columns for which every |P̄ₗᵐ| with n ≤ m ≤ l ≤ degree is below
/// [`ALIASING`] at this colatitude.
fn columns_needed(degree: usize, x: f64, sine: f64) -> usize {
    // The largest |P̄ₗᵐ| over l grows as m falls, so the search goes down from the top; P̄ₘᵐ =
    // √((m + ½) (2m − 1)!!/(2m)!!) sinᵐ θ, by its logarithm.
    let mut logarithm = vec![0.5 * 0.5f64.ln(); degree + 1];
    for m in 1..=degree {
        let m_real = real(m);
        logarithm[m] =
            logarithm[m - 1] + 0.5 * ((2.0 * m_real + 1.0) / (2.0 * m_real)).ln() + sine.ln();
    }
    for m in (1..=degree).rev() {
        if logarithm[m] < -690.0 {
            continue;
        }
        let mut before = 0.0;
        let mut here = logarithm[m].exp();
        for l in m..=degree {
            if here.abs() > ALIASING {
                return m + 1;
            }
            let (l, m) = (real(l), real(m));
            let grow = ((2.0 * l + 1.0) * (2.0 * l + 3.0) / ((l + 1.0).powi(2) - m * m)).sqrt();
            let back = ((2.0 * l + 3.0) * (l * l - m * m)
                / ((2.0 * l - 1.0).abs() * ((l + 1.0).powi(2) - m * m)))
                .sqrt();
            (before, here) = (here, grow * x * here - back * before);
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SphereRule;

    #[test]
    fn fewer_nodes_do_as_well() {
        for (degree, part) in [(31, 0.98), (131, 0.84), (255, 0.78)] {
            let rule = ThinnedRule::of_degree(degree).unwrap();
            let full = SphereRule::of_degree(crate::SolidAngle, degree).unwrap().len();
            assert!(real(rule.len()) <= part * real(full), "{degree}: {} of {full}", rule.len());
            assert!(rule.weights().iter().all(|&weight| weight > 0.0));
            let sum = rule.integrate(|_| 1.0).unwrap();
            assert!((sum / (4.0 * std::f64::consts::PI) - 1.0).abs() < 128.0 * f64::EPSILON);
        }
    }

    #[test]
    fn sectoral_and_tilted_polynomials_are_exact_to_the_degree() {
        for degree in [8, 31, 60] {
            let rule = ThinnedRule::of_degree(degree).unwrap();
            // (u·x)ᵏ with its integral 4π/(k + 1) for even k, in several orientations.
            for vector in [[1.0, 0.0, 0.0], [0.6, 0.0, 0.8], [0.3, -0.5, 0.7], [0.1, 0.9, 0.05]] {
                let u = Direction::from_vector(vector).unwrap();
                for power in [degree, degree - degree % 2] {
                    let found = rule.integrate(|x| u.dot(x).powf(real(power))).unwrap_or(f64::NAN);
                    let found = if power % 2 == 0 { found } else { continue };
                    let exact = 4.0 * std::f64::consts::PI / real(power + 1);
                    assert!((found - exact).abs() < 1e-13, "{degree} {power}: {found} {exact}");
                }
            }
        }
    }

    #[test]
    fn a_degree_out_of_reach_is_refused() {
        assert_eq!(
            ThinnedRule::of_degree(2001).unwrap_err().to_string(),
            "degree is 2001, expected 0 to 2000"
        );
    }
}
