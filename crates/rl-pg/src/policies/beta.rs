//! Independent Beta components: actions on an interval, without clipping.

use linalg::DMatrix;
use rand::Rng;
use rand_distr::Distribution;

use super::gamma::{digamma, log_gamma, trigamma};
use super::{pairs, sigmoid, softplus};
use crate::{Error, Policy, Result, check};

/// Independent Beta components on (0, 1): π(a) = a^(α−1)·(1 − a)^(β−1)/B(α, β).
///
/// The 2·n parameters [θ₁ … θₙ, φ₁ … φₙ] give α = 1 + log(1 + e^θ) and β = 1 + log(1 + e^φ): above
/// 1 always, so that the density has one peak and is finite (Chou and others). A normal policy whose actions
/// are clipped to an interval has a density that knows nothing of the clipping, and a biased gradient; this one
/// has not.
///
/// The score by α is log a − ψ(α) + ψ(α + β), times α′ = 1/(1 + e^−θ); ψ is accurate to 1e-15 of its
/// arguments' size. The mode is (α − 1)/(α + β − 2). For another interval, scale the action.
///
/// # Examples
/// ```
/// use rl_pg::{Beta, Policy};
/// let raw = (1f64.exp() - 1.0).ln(); // log(1 + e^raw) = 1, so α = β = 2: π(a) = 6a(1 − a)
/// let policy = Beta::from_parameters(&[raw, raw])?;
/// assert!((policy.log_probability(&vec![0.25])? - (6.0f64 * 0.25 * 0.75).ln()).abs() < 1e-14);
/// assert!(policy.shapes().all(|(a, b)| (a - 2.0).abs() < 1e-15 && (b - 2.0).abs() < 1e-15));
/// assert!((policy.mode()[0] - 0.5).abs() < 1e-15);
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// P.-W. Chou, D. Maturana and S. Scherer, "Improving stochastic policy gradients in continuous control
/// with deep reinforcement learning using the Beta distribution", ICML (2017).
#[derive(Debug, Clone, PartialEq)]
pub struct Beta {
    components: Vec<Component>,
}

impl Beta {
    /// The policy with the parameters [θ; φ], from which α and β follow.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::ParameterCount`] for an odd number, [`Error::NotFinite`] with the index,
    /// and [`Error::EntryOutOfRange`] for a parameter above a million, where log B(α, β) would have lost nine
    /// digits.
    pub fn from_parameters(parameters: &[f64]) -> Result<Self> {
        let d = pairs("a Beta policy", parameters)?;
        if let Some(index) = parameters.iter().position(|&parameter| parameter > LARGEST) {
            let (argument, value) = ("parameters", parameters[index]);
            return Err(Error::EntryOutOfRange {
                argument,
                index,
                value,
                low: f64::MIN,
                high: LARGEST,
            });
        }
        let (theta, phi) = parameters.split_at(d);
        let component = |(&theta, &phi)| Component {
            alpha: 1.0 + softplus(theta),
            beta: 1.0 + softplus(phi),
            // Of their own, because 1 + log(1 + e^θ) forgets θ where it is far below 0.
            excess: [softplus(theta), softplus(phi)],
            slopes: [sigmoid(theta), sigmoid(phi)],
        };
        Ok(Self { components: theta.iter().zip(phi).map(component).collect() })
    }

    /// (α, β) of each component.
    pub fn shapes(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        self.components.iter().map(|c| (c.alpha, c.beta))
    }

    fn check(&self, action: &[f64]) -> Result<()> {
        check::length("action", action.len(), self.components.len())?;
        let Some(index) = action.iter().position(|a| !(*a > 0.0 && *a < 1.0)) else {
            return Ok(());
        };
        let value = action[index];
        Err(Error::EntryOutOfRange { argument: "action", index, value, low: 0.0, high: 1.0 })
    }
}

/// The largest parameter.
const LARGEST: f64 = 1e6;

/// One component.
#[derive(Debug, Clone, PartialEq)]
struct Component {
    alpha: f64,
    beta: f64,
    /// α − 1 and β − 1.
    excess: [f64; 2],
    /// dα/dθ and dβ/dφ.
    slopes: [f64; 2],
}

impl Component {
    /// log B(α, β).
    fn log_beta(&self) -> f64 {
        log_gamma(self.alpha) + log_gamma(self.beta) - log_gamma(self.alpha + self.beta)
    }

    fn log_density(&self, a: f64) -> f64 {
        self.excess[0] * a.ln() + self.excess[1] * (-a).ln_1p() - self.log_beta()
    }

    fn entropy(&self) -> f64 {
        let [alpha, beta] = self.excess;
        self.log_beta() - alpha * digamma(self.alpha) - beta * digamma(self.beta)
            + (alpha + beta) * digamma(self.alpha + self.beta)
    }

    /// By α and by β.
    fn entropy_slopes(&self) -> [f64; 2] {
        let [alpha, beta] = self.excess;
        let both = (alpha + beta) * trigamma(self.alpha + self.beta);
        [both - alpha * trigamma(self.alpha), both - beta * trigamma(self.beta)]
    }

    fn divergence(&self, other: &Self) -> f64 {
        let (alpha, beta) = (self.alpha - other.alpha, self.beta - other.beta);
        other.log_beta() - self.log_beta() + alpha * digamma(self.alpha) + beta * digamma(self.beta)
            - (alpha + beta) * digamma(self.alpha + self.beta)
    }
}

impl Policy for Beta {
    type Action = Vec<f64>;

    fn parameter_count(&self) -> usize {
        2 * self.components.len()
    }

    fn sample(&self, rng: &mut dyn Rng) -> Vec<f64> {
        let mut draw = |c: &Component| {
            // Shapes from 1 to a million are always accepted.
            let draw = rand_distr::Beta::new(c.alpha, c.beta).map_or(0.5, |beta| beta.sample(rng));
            // A draw may round to an end, where a density with a shape above 1 is 0.
            draw.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0)
        };
        self.components.iter().map(&mut draw).collect()
    }

    fn mode(&self) -> Vec<f64> {
        let mode = |c: &Component| {
            let [alpha, beta] = c.excess;
            // Both vanish far below 0: the uniform distribution, whose middle is as good as any.
            if alpha + beta > 0.0 { alpha / (alpha + beta) } else { 0.5 }
        };
        self.components.iter().map(mode).collect()
    }

    fn log_probability(&self, action: &Vec<f64>) -> Result<f64> {
        self.check(action)?;
        Ok(self.components.iter().zip(action).map(|(c, &a)| c.log_density(a)).sum())
    }

    fn score(&self, action: &Vec<f64>, score: &mut [f64]) -> Result<()> {
        self.check(action)?;
        check::length("score", score.len(), self.parameter_count())?;
        let (theta, phi) = score.split_at_mut(self.components.len());
        for (k, (c, a)) in self.components.iter().zip(action).enumerate() {
            let both = digamma(c.alpha + c.beta);
            theta[k] = (a.ln() - digamma(c.alpha) + both) * c.slopes[0];
            phi[k] = ((-a).ln_1p() - digamma(c.beta) + both) * c.slopes[1];
        }
        Ok(())
    }

    fn entropy(&self) -> f64 {
        self.components.iter().map(Component::entropy).sum()
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
        check::length("gradient", gradient.len(), self.parameter_count())?;
        let (theta, phi) = gradient.split_at_mut(self.components.len());
        for (k, c) in self.components.iter().enumerate() {
            let [alpha, beta] = c.entropy_slopes();
            theta[k] = alpha * c.slopes[0];
            phi[k] = beta * c.slopes[1];
        }
        Ok(())
    }

    fn divergence(&self, other: &Self) -> Result<f64> {
        check::length("other", other.parameter_count(), self.parameter_count())?;
        let pairs = self.components.iter().zip(&other.components);
        Ok(pairs.map(|(here, there)| here.divergence(there)).sum())
    }

    /// For each component ψ′(α) − ψ′(α + β), ψ′(β) − ψ′(α + β) and, between the two, −ψ′(α + β).
    fn fisher(&self) -> DMatrix<f64> {
        let d = self.components.len();
        let mut fisher = DMatrix::zeros(2 * d, 2 * d);
        for (k, c) in self.components.iter().enumerate() {
            let both = trigamma(c.alpha + c.beta);
            let [theta, phi] = c.slopes;
            fisher[(k, k)] = (trigamma(c.alpha) - both) * theta * theta;
            fisher[(d + k, d + k)] = (trigamma(c.beta) - both) * phi * phi;
            fisher[(k, d + k)] = -both * theta * phi;
            fisher[(d + k, k)] = fisher[(k, d + k)];
        }
        fisher
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::oracle::{derivatives_agree, line, nodes_agree, samples_agree};

    fn policy(parameters: &[f64]) -> Beta {
        Beta::from_parameters(parameters).unwrap()
    }

    #[test]
    fn it_agrees_with_sums_over_the_interval() {
        for (here, there) in [([0.3, -0.4], [0.1, -0.1]), ([-3.0, 4.0], [1.0, 2.0])] {
            // a = 1/(1 + e^−t), da = a(1 − a) dt: from e^−36 to its mirror image, the density being at
            // most a power of a there.
            let nodes = line(-36.0, 36.0, 0.05).map(|(t, dt)| {
                let a = sigmoid(t);
                (vec![a], a * sigmoid(-t) * dt)
            });
            nodes_agree(&policy(&here), &policy(&there), nodes, 1e-12);
        }
    }

    #[test]
    fn its_derivatives_are_those_of_its_values() {
        derivatives_agree(Beta::from_parameters, &[0.3, -1.2, 3.0, 1.0], &vec![0.7, 0.05]);
    }

    #[test]
    fn its_samples_are_its_own() {
        samples_agree(&policy(&[0.3, -1.2, 3.0, 1.0]));
    }

    #[test]
    fn nothing_is_likelier_than_the_mode() {
        for parameters in [[0.3, -0.4], [-3.0, 4.0], [2.0, 1.0]] {
            let policy = policy(&parameters);
            let mode = policy.mode()[0];
            // With shapes above 1 the log-density is concave: a step to either side is enough.
            let at = |a: f64| policy.log_probability(&vec![a]).unwrap();
            assert!(at(mode) > at(mode * (1.0 - 1e-3)), "{parameters:?}");
            assert!(at(mode) > at(mode + 1e-3 * (1.0 - mode)), "{parameters:?}");
        }
    }

    #[test]
    fn far_below_zero_it_is_uniform() {
        let uniform = policy(&[-800.0, -800.0]);
        assert_eq!(uniform.mode(), [0.5]);
        assert!(uniform.entropy().abs() < 1e-14);
        assert!(uniform.log_probability(&vec![1e-300]).unwrap().abs() < 1e-14);
    }

    #[test]
    fn bad_input_is_named() {
        for (parameters, text) in [
            (&[0.0; 3][..], "a Beta policy has 2·n parameters, got 3"),
            (&[0.0, f64::NAN], "parameters[1] is NaN, and every entry must be finite"),
        ] {
            assert_eq!(Beta::from_parameters(parameters).unwrap_err().to_string(), text);
        }
        let error = Beta::from_parameters(&[0.0, 2e6]).unwrap_err();
        let Error::EntryOutOfRange { argument: "parameters", index: 1, high: LARGEST, .. } = error
        else {
            panic!("{error}");
        };
        for (action, text) in [
            (vec![1.0], "action[0] is 1, and must lie from 0 to 1"),
            (vec![f64::NAN], "action[0] is NaN, and must lie from 0 to 1"),
            (vec![0.5, 0.5], "action has 2 entries, expected 1"),
        ] {
            assert_eq!(policy(&[0.0, 0.0]).log_probability(&action).unwrap_err().to_string(), text);
        }
    }
}
