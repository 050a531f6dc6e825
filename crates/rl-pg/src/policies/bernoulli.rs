//! Several independent bits.

use linalg::{DMatrix, DVector};
use rand::{Rng, RngExt};

use super::{sigmoid, softplus};
use crate::{Policy, Result, check};

/// Independent bits, bit i set with probability pᵢ = 1/(1 + e^−θᵢ); the parameters are the logits θ.
///
/// The score of a bit is 1 − p where it is set and −p where it is not; the Fisher information is
/// diagonal, p(1 − p). Probabilities near 0 and 1 are computed without cancellation.
///
/// # Examples
/// ```
/// use rl_pg::{Bernoulli, Policy};
/// let policy = Bernoulli::from_parameters(&[0.0, 3f64.ln()])?; // p = 1/2, 3/4
/// let log = policy.log_probability(&vec![true, false])?;
/// assert!((log - (0.5f64 * 0.25).ln()).abs() < 1e-15);
/// assert_eq!(policy.mode(), [true, true]);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bernoulli {
    logits: Vec<f64>,
}

impl Bernoulli {
    /// The policy with these logits, one for each bit.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty), or [`Error::NotFinite`](crate::Error::NotFinite) with the
    /// index.
    pub fn from_parameters(logits: &[f64]) -> Result<Self> {
        check::not_empty("parameters", logits.len())?;
        check::finite("parameters", logits)?;
        Ok(Self { logits: logits.to_vec() })
    }

    /// The probability that each bit is set.
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.logits.iter().map(|&logit| sigmoid(logit))
    }
}

impl Policy for Bernoulli {
    type Action = Vec<bool>;

    fn parameter_count(&self) -> usize {
        self.logits.len()
    }

    fn sample(&self, rng: &mut dyn Rng) -> Vec<bool> {
        self.probabilities().map(|p| rng.random::<f64>() < p).collect()
    }

    fn mode(&self) -> Vec<bool> {
        self.logits.iter().map(|&logit| logit >= 0.0).collect()
    }

    fn log_probability(&self, action: &Vec<bool>) -> Result<f64> {
        check::length("action", action.len(), self.logits.len())?;
        let bits = self.logits.iter().zip(action);
        Ok(-bits.map(|(logit, &set)| softplus(if set { -logit } else { *logit })).sum::<f64>())
    }

    fn score(&self, action: &Vec<bool>, score: &mut [f64]) -> Result<()> {
        check::length("action", action.len(), self.logits.len())?;
        check::length("score", score.len(), self.logits.len())?;
        for ((entry, &logit), &set) in score.iter_mut().zip(&self.logits).zip(action) {
            *entry = if set { sigmoid(-logit) } else { -sigmoid(logit) };
        }
        Ok(())
    }

    fn entropy(&self) -> f64 {
        let bit = |&x: &f64| sigmoid(x) * softplus(-x) + sigmoid(-x) * softplus(x);
        self.logits.iter().map(bit).sum()
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
        check::length("gradient", gradient.len(), self.logits.len())?;
        for (entry, &x) in gradient.iter_mut().zip(&self.logits) {
            *entry = -x * sigmoid(x) * sigmoid(-x);
        }
        Ok(())
    }

    fn divergence(&self, other: &Self) -> Result<f64> {
        check::length("other", other.logits.len(), self.logits.len())?;
        let bit = |(&x, &y): (&f64, &f64)| {
            sigmoid(x) * (softplus(-y) - softplus(-x)) + sigmoid(-x) * (softplus(y) - softplus(x))
        };
        Ok(self.logits.iter().zip(&other.logits).map(bit).sum())
    }

    fn fisher(&self) -> DMatrix<f64> {
        let information = self.logits.iter().map(|&x| sigmoid(x) * sigmoid(-x));
        DMatrix::from_diagonal(&DVector::from_iterator(self.logits.len(), information))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::oracle::{derivatives_agree, nodes_agree, samples_agree};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_agrees_with_sums_over_its_actions_and_with_differences(
            logits in prop::collection::vec(-5.0..5.0f64, 3),
            others in prop::collection::vec(-5.0..5.0f64, 3),
        ) {
            let policy = Bernoulli::from_parameters(&logits).unwrap();
            let other = Bernoulli::from_parameters(&others).unwrap();
            let bits = |word: u32| (0..3).map(|k| word >> k & 1 == 1).collect::<Vec<bool>>();
            // Sums of 8 terms of order 10, a few roundings each.
            nodes_agree(&policy, &other, (0..8).map(|word| (bits(word), 1.0)), 1e-13);
            derivatives_agree(Bernoulli::from_parameters, &logits, &bits(5));
        }
    }

    #[test]
    fn its_samples_are_its_own() {
        samples_agree(&Bernoulli::from_parameters(&[0.3, -1.0, 2.0]).unwrap());
    }

    #[test]
    fn near_certainty_loses_nothing() {
        let policy = Bernoulli::from_parameters(&[40.0, -1e300]).unwrap();
        let mut score = [0.0; 2];
        policy.score(&vec![true, false], &mut score).unwrap();
        assert!((score[0] / (-40f64).exp() - 1.0).abs() < 1e-14, "{}", score[0]);
        assert!((policy.entropy() / (41.0 * (-40f64).exp()) - 1.0).abs() < 1e-14);
        let unlikely = policy.log_probability(&vec![false, true]).unwrap();
        assert!((unlikely / -1e300 - 1.0).abs() < 1e-15, "{unlikely}");
        assert!(policy.divergence(&policy).unwrap().abs() < 1e-300);
    }

    #[test]
    fn bad_input_is_named() {
        let policy = Bernoulli::from_parameters(&[0.0, 1.0]).unwrap();
        for (error, text) in [
            (
                Bernoulli::from_parameters(&[]).unwrap_err(),
                "parameters is empty, and at least one entry is needed",
            ),
            (
                Bernoulli::from_parameters(&[f64::INFINITY]).unwrap_err(),
                "parameters[0] is inf, and every entry must be finite",
            ),
            (policy.log_probability(&vec![true]).unwrap_err(), "action has 1 entries, expected 2"),
            (
                policy.divergence(&Bernoulli::from_parameters(&[0.0]).unwrap()).unwrap_err(),
                "other has 1 entries, expected 2",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
