//! Independent normal components, squashed into (−1, 1) by tanh.

use std::f64::consts::{LN_2, PI};

use linalg::DMatrix;
use rand::Rng;

use super::DiagonalGaussian;
use crate::{Error, Policy, Result, check};

/// A normal distribution squashed into the open cube: a = tanh(u), uᵢ = μᵢ + σᵢ·εᵢ.
///
/// The 2·n parameters are those of the [`DiagonalGaussian`] of u. The density of a is that of u times
/// 1/(1 − tanh² u), so log π(a) = log N(u; μ, σ²) − Σ log(1 − tanh² uᵢ). Near the ends tanh u rounds to
/// ±1 and u cannot be had back from it, which is why an action carries both ([`Squashed`]) and every
/// figure here is computed from u. Score, divergence and Fisher information are those of u.
///
/// The entropy has no closed form; it is a sum over the line, good to 1e-13 for σ ≤ 64.
/// [`Policy::mode`] is tanh(μ), the median: the density itself is largest at an end as soon as σ is large.
///
/// # Examples
/// ```
/// use rl_pg::{Policy, Squashed, SquashedGaussian};
/// let policy = SquashedGaussian::from_parameters(&[0.0, 0.0])?;
/// // At a = 0 the two densities agree: −½ log 2π.
/// let log = policy.log_probability(&Squashed::from_values(&[0.0])?)?;
/// assert!((log + 0.9189385332046727).abs() < 1e-15);
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// T. Haarnoja and others, "Soft actor-critic", ICML (2018), appendix C.
#[derive(Debug, Clone, PartialEq)]
pub struct SquashedGaussian {
    unbounded: DiagonalGaussian,
}

/// An action in the open cube (−1, 1)ᵈ, as a = tanh(u), with the u that it came from.
///
/// As a slice it is a: hand `action.as_ref()` to a simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct Squashed {
    unbounded: Vec<f64>,
    values: Vec<f64>,
}

impl Squashed {
    /// The action tanh(u).
    #[must_use]
    pub fn from_unbounded(u: Vec<f64>) -> Self {
        let values = u.iter().map(|u| u.tanh()).collect();
        Self { unbounded: u, values }
    }

    /// The action with these values; u = artanh(a), which near ±1 is as uncertain as a is.
    ///
    /// # Errors
    /// [`Error::EntryOutOfRange`] for an entry that is not between −1 and 1, or is one of these.
    pub fn from_values(values: &[f64]) -> Result<Self> {
        if let Some(index) = values.iter().position(|value| !(value.abs() < 1.0)) {
            let (argument, value) = ("values", values[index]);
            return Err(Error::EntryOutOfRange { argument, index, value, low: -1.0, high: 1.0 });
        }
        // By magnitude: ½ log((1 + a)/(1 − a)) is exact near a = 1 and would cancel near −1.
        let unbounded = values.iter().map(|a| a.abs().atanh().copysign(*a)).collect();
        Ok(Self { unbounded, values: values.to_vec() })
    }

    /// u.
    #[must_use]
    pub fn unbounded(&self) -> &[f64] {
        &self.unbounded
    }

    /// a = tanh(u).
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl AsRef<[f64]> for Squashed {
    fn as_ref(&self) -> &[f64] {
        &self.values
    }
}

impl SquashedGaussian {
    /// The policy with the parameters [means of u; logarithms of the standard deviations of u].
    ///
    /// # Errors
    /// As [`DiagonalGaussian::from_parameters`].
    pub fn from_parameters(parameters: &[f64]) -> Result<Self> {
        Ok(Self { unbounded: DiagonalGaussian::from_parameters(parameters)? })
    }

    /// The distribution of u.
    #[must_use]
    pub fn unbounded(&self) -> &DiagonalGaussian {
        &self.unbounded
    }

    /// E[f(u, ε)] for component `k`, by the trapezoidal rule in ε.
    ///
    /// Two errors fall exponentially: the normal density's, e^−(2π²/h²), and that of the poles of f at u =
    /// ±iπ/2, e^−(π²/(σh)). The step keeps both at 1e-14 as far as σ = 64 and does not shrink beyond.
    fn expectation(&self, k: usize, f: impl Fn(f64, f64) -> f64) -> f64 {
        let (mean, std) = (self.unbounded.mean()[k], self.unbounded.std()[k]);
        let step = 0.7f64.min(0.3 / std.min(64.0));
        let term = |epsilon: f64| {
            let density = (-0.5 * epsilon * epsilon).exp() / (2.0 * PI).sqrt();
            f(mean + std * epsilon, epsilon) * density * step
        };
        let mut total = term(0.0);
        let mut count = 1.0;
        // Nine widths leave out e^−40.
        while step * count < 9.0 {
            total += term(step * count) + term(-step * count);
            count += 1.0;
        }
        total
    }
}

/// log(1 − tanh² u) = 2·(log 2 − |u| − log(1 + e^−2|u|)), without cancellation and without −∞.
fn log_slope(u: f64) -> f64 {
    2.0 * (LN_2 - u.abs() - (-2.0 * u.abs()).exp().ln_1p())
}

impl Policy for SquashedGaussian {
    type Action = Squashed;

    fn parameter_count(&self) -> usize {
        self.unbounded.parameter_count()
    }

    fn sample(&self, rng: &mut dyn Rng) -> Squashed {
        Squashed::from_unbounded(self.unbounded.sample(rng))
    }

    fn mode(&self) -> Squashed {
        Squashed::from_unbounded(self.unbounded.mode())
    }

    fn log_probability(&self, action: &Squashed) -> Result<f64> {
        let volume: f64 = action.unbounded.iter().map(|&u| log_slope(u)).sum();
        Ok(self.unbounded.log_probability(&action.unbounded)? - volume)
    }

    fn score(&self, action: &Squashed, score: &mut [f64]) -> Result<()> {
        self.unbounded.score(&action.unbounded, score)
    }

    fn entropy(&self) -> f64 {
        let squashing = |k| self.expectation(k, |u, _| log_slope(u));
        self.unbounded.entropy() + (0..self.unbounded.mean().len()).map(squashing).sum::<f64>()
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
        check::length("gradient", gradient.len(), self.parameter_count())?;
        // d log(1 − tanh² u)/du = −2 tanh u, and du = dμ + σε d log σ.
        let (means, logs) = gradient.split_at_mut(self.unbounded.mean().len());
        for k in 0..means.len() {
            means[k] = -2.0 * self.expectation(k, |u, _| u.tanh());
            let along = self.expectation(k, |u, epsilon| u.tanh() * epsilon);
            logs[k] = 1.0 - 2.0 * self.unbounded.std()[k] * along;
        }
        Ok(())
    }

    fn divergence(&self, other: &Self) -> Result<f64> {
        self.unbounded.divergence(&other.unbounded)
    }

    fn fisher(&self) -> DMatrix<f64> {
        self.unbounded.fisher()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::oracle::{derivatives_agree, line, nodes_agree, samples_agree};

    fn policy(parameters: &[f64]) -> SquashedGaussian {
        SquashedGaussian::from_parameters(parameters).unwrap()
    }

    #[test]
    fn it_agrees_with_sums_over_the_interval() {
        for (here, there) in
            [([0.3, -0.4], [0.1, -0.1]), ([-1.2, 0.7], [-0.7, 0.4]), ([0.5, -2.0], [0.4, -2.1])]
        {
            // ∫ f(a) da with a = tanh u, da = (1 − a²) du: weights of a rule on the interval.
            let nodes = line(-25.0, 25.0, 0.01)
                .map(|(u, du)| (Squashed::from_unbounded(vec![u]), du / u.cosh().powi(2)));
            nodes_agree(&policy(&here), &policy(&there), nodes, 1e-12);
        }
    }

    #[test]
    fn its_entropy_is_right_for_narrow_and_wide_alike() {
        // Narrow: that of the normal distribution less 2·E[log cosh u] ≈ E[u²].
        let narrow = policy(&[0.0, -6.0]);
        let expected = narrow.unbounded().entropy() - (-12f64).exp();
        assert!((narrow.entropy() - expected).abs() < 1e-9);
        // Far out, a is all but 1: log(1 − tanh² u) = 2·log 2 − 2u on nearly all of u.
        let far = policy(&[60.0, 1.0]);
        let expected = far.unbounded().entropy() + 2.0 * LN_2 - 120.0;
        assert!((far.entropy() - expected).abs() < 1e-12, "{}", far.entropy() - expected);
        // Wide: with E|u| = σ√(2/π) and ∫ log(1 + e^−2|u|) du = π²/12 at the density 1/(σ√2π), whose
        // curvature takes off ∫ u²·log(1 + e^−2|u|) du = 7π⁴/1440 times 1/(2σ²).
        let sigma: f64 = 60.0;
        let wide = policy(&[0.0, sigma.ln()]);
        let rest = (PI * PI / 12.0 - 7.0 * PI.powi(4) / 1440.0 / (2.0 * sigma * sigma))
            / (sigma * (2.0 * PI).sqrt());
        let expected = wide.unbounded().entropy() + 2.0 * (LN_2 - sigma * (2.0 / PI).sqrt() - rest);
        assert!((wide.entropy() - expected).abs() < 1e-9, "{}", wide.entropy() - expected);
    }

    #[test]
    fn its_derivatives_are_those_of_its_values() {
        let action = Squashed::from_values(&[0.9, -0.5]).unwrap();
        let here = [0.3, -1.2, -0.4, 0.7];
        derivatives_agree(SquashedGaussian::from_parameters, &here, &action);
    }

    #[test]
    fn its_samples_are_its_own() {
        samples_agree(&policy(&[0.3, -1.2, -0.4, 0.7]));
    }

    #[test]
    fn near_the_ends_nothing_is_lost() {
        let policy = policy(&[25.0, 0.0]);
        let action = Squashed::from_unbounded(vec![26.0]);
        assert_eq!(action.values(), [1.0], "tanh 26 rounds to 1");
        // log N(1) − 2(log 2 − 26), to e^−52.
        let expected = -0.5 - 0.5 * (2.0 * PI).ln() - 2.0 * (LN_2 - 26.0);
        assert!((policy.log_probability(&action).unwrap() - expected).abs() < 1e-13);
        // From the values alone: 1 − |a| is exact on both sides, so u is as good as a.
        for a in [1.0 - 2f64.powi(-40), -1.0 + 2f64.powi(-40)] {
            let u = Squashed::from_values(&[a]).unwrap().unbounded()[0];
            // ½ log((2 − δ)/δ)
            let expected = 0.5 * (41.0 * LN_2 + (-(2f64.powi(-41))).ln_1p());
            assert!((u.abs() - expected).abs() < 1e-14 && u.signum() == a.signum(), "{u}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        for (value, text) in [
            (1.0, "values[1] is 1, and must lie from -1 to 1"),
            (f64::NAN, "values[1] is NaN, and must lie from -1 to 1"),
        ] {
            assert_eq!(Squashed::from_values(&[0.0, value]).unwrap_err().to_string(), text);
        }
        let action = Squashed::from_unbounded(vec![0.0; 3]);
        let error = policy(&[0.0; 4]).log_probability(&action).unwrap_err();
        assert_eq!(error.to_string(), "action has 3 entries, expected 2");
    }
}
