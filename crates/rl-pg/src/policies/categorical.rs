//! The softmax policy over finitely many actions.

use linalg::{DMatrix, DVector};
use rand::{Rng, RngExt};

use crate::{Error, Policy, Result, check};

/// The softmax policy: action a with probability πₐ = exp(θₐ)/Σ exp(θ); the parameters are the
/// logits θ.
///
/// The score of action a is eₐ − π: taking an action, and being glad of it, raises its own logit
/// and lowers all others. It is computed without cancellation where one action is nearly certain.
///
/// # Examples
/// ```
/// use rl_pg::{Categorical, Policy};
/// let policy = Categorical::from_parameters(&[0.0, 2f64.ln(), 0.0])?;
/// assert!((policy.probabilities()[1] - 0.5).abs() < 1e-15);
/// assert!((policy.entropy() - 1.5 * 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Categorical {
    actions: usize,
    /// log π and π of every action, where they are few: a policy that is made for every step should
    /// not allocate.
    few: [[f64; FEW]; 2],
    /// The same where they are more, one list after the other.
    many: Vec<f64>,
}

/// Actions that need no allocation.
const FEW: usize = 4;

impl Categorical {
    /// The policy with these logits; adding the same number to all of them changes nothing.
    ///
    /// # Errors
    /// [`Error::Empty`], or [`Error::NotFinite`] with the index.
    pub fn from_parameters(logits: &[f64]) -> Result<Self> {
        check::finite("parameters", logits)?;
        let Some(likeliest) = largest(logits) else {
            return Err(Error::Empty { argument: "parameters" });
        };
        // log Σ exp = largest + log(1 + rest), which keeps a small rest.
        let (largest, mut rest) = (logits[likeliest], 0.0);
        let actions = logits.len();
        let more = if actions > FEW { 2 * actions } else { 0 };
        let mut policy = Self { actions, few: [[0.0; FEW]; 2], many: vec![0.0; more] };
        let (logs, shares) = policy.lists_mut();
        for (a, (share, logit)) in shares.iter_mut().zip(logits).enumerate() {
            *share = if a == likeliest { 1.0 } else { (logit - largest).exp() };
            rest += if a == likeliest { 0.0 } else { *share };
        }
        let log_total = rest.ln_1p();
        for ((log, share), logit) in logs.iter_mut().zip(shares).zip(logits) {
            *log = (logit - largest) - log_total;
            *share /= 1.0 + rest;
        }
        Ok(policy)
    }

    /// πₐ for every action; they sum to 1.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        if self.many.is_empty() { &self.few[1][..self.actions] } else { &self.many[self.actions..] }
    }

    /// log πₐ for every action.
    fn log_probabilities(&self) -> &[f64] {
        if self.many.is_empty() { &self.few[0][..self.actions] } else { &self.many[..self.actions] }
    }

    /// log π and π of every action.
    fn lists_mut(&mut self) -> (&mut [f64], &mut [f64]) {
        if self.many.is_empty() {
            let [logs, shares] = &mut self.few;
            (&mut logs[..self.actions], &mut shares[..self.actions])
        } else {
            self.many.split_at_mut(self.actions)
        }
    }

    /// πₐ with log πₐ.
    fn terms(&self) -> impl Iterator<Item = (f64, f64)> {
        self.probabilities().iter().copied().zip(self.log_probabilities().iter().copied())
    }

    fn check(&self, action: usize) -> Result<()> {
        let last = self.probabilities().len() - 1;
        if action > last { Err(Error::NoSuchAction { action, last }) } else { Ok(()) }
    }
}

impl Policy for Categorical {
    type Action = usize;

    fn parameter_count(&self) -> usize {
        self.probabilities().len()
    }

    fn sample(&self, rng: &mut dyn Rng) -> usize {
        let mut left: f64 = rng.random();
        for (action, probability) in self.probabilities().iter().enumerate() {
            left -= probability;
            if left < 0.0 {
                return action;
            }
        }
        // The probabilities sum to 1 only up to rounding.
        self.probabilities().len() - 1
    }

    fn mode(&self) -> usize {
        largest(self.log_probabilities()).unwrap_or(0)
    }

    fn log_probability(&self, &action: &usize) -> Result<f64> {
        self.check(action)?;
        Ok(self.log_probabilities()[action])
    }

    fn score(&self, &action: &usize, score: &mut [f64]) -> Result<()> {
        self.check(action)?;
        check::length("score", score.len(), self.parameter_count())?;
        // 1 − πₐ without cancellation: what the others have.
        let mut others = 0.0;
        for (a, (entry, probability)) in score.iter_mut().zip(self.probabilities()).enumerate() {
            *entry = -probability;
            others += if a == action { 0.0 } else { *probability };
        }
        score[action] = others;
        Ok(())
    }

    /// −Σ πₐ log πₐ, from 0 (certain) to log n (uniform).
    fn entropy(&self) -> f64 {
        -self.terms().map(|(probability, log)| weighed(probability, log)).sum::<f64>()
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
        check::length("gradient", gradient.len(), self.parameter_count())?;
        let entropy = self.entropy();
        for (entry, (probability, log)) in gradient.iter_mut().zip(self.terms()) {
            *entry = -weighed(probability, log + entropy);
        }
        Ok(())
    }

    fn divergence(&self, other: &Self) -> Result<f64> {
        check::length("other", other.parameter_count(), self.parameter_count())?;
        let terms = self.terms().zip(other.log_probabilities());
        Ok(terms.map(|((probability, log), theirs)| weighed(probability, log - theirs)).sum())
    }

    /// diag(π) − π·πᵀ, which maps (1, …, 1) to 0.
    fn fisher(&self) -> DMatrix<f64> {
        let pi = DVector::from_column_slice(self.probabilities());
        let mut fisher = -&pi * pi.transpose();
        for a in 0..pi.len() {
            // πₐ(1 − πₐ) without cancellation.
            fisher[(a, a)] = -pi[a] * self.log_probabilities()[a].exp_m1();
        }
        fisher
    }
}

/// The first index of a largest entry.
fn largest(values: &[f64]) -> Option<usize> {
    (0..values.len()).reduce(|best, a| if values[a] > values[best] { a } else { best })
}

/// A term of an expectation: what cannot happen adds nothing, however infinite it is.
fn weighed(probability: f64, value: f64) -> f64 {
    if probability == 0.0 { 0.0 } else { probability * value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::oracle::{derivatives_agree, nodes_agree, samples_agree};
    use proptest::prelude::*;

    fn score(policy: &Categorical, action: usize) -> Vec<f64> {
        let mut score = vec![0.0; policy.parameter_count()];
        policy.score(&action, &mut score).unwrap();
        score
    }

    proptest! {
        #[test]
        fn it_agrees_with_sums_over_its_actions_and_with_differences(
            logits in prop::collection::vec(-4.0..4.0f64, 1..6),
            pick in 0usize..6,
        ) {
            let policy = Categorical::from_parameters(&logits).unwrap();
            let backwards: Vec<f64> = logits.iter().rev().copied().collect();
            let other = Categorical::from_parameters(&backwards).unwrap();
            // Sums of up to 5 terms of order 10, a few roundings each.
            nodes_agree(&policy, &other, (0..logits.len()).map(|a| (a, 1.0)), 1e-14);
            derivatives_agree(Categorical::from_parameters, &logits, &(pick % logits.len()));
        }

        #[test]
        fn a_common_shift_changes_nothing(shift in -1e3..1e3f64) {
            let (plain, moved) = (
                Categorical::from_parameters(&[0.0, 0.5, -1.0]).unwrap(),
                Categorical::from_parameters(&[shift, shift + 0.5, shift - 1.0]).unwrap(),
            );
            for (a, b) in plain.probabilities().iter().zip(moved.probabilities()) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn far_apart_logits_neither_overflow_nor_lose_the_rest() {
        let policy = Categorical::from_parameters(&[0.0, 0.0, 40.0]).unwrap();
        // 1 − π_2 = 2 e⁻⁴⁰/(1 + 2 e⁻⁴⁰), which 1.0 − π_2 would round to 0.
        let rest = 2.0 * (-40f64).exp();
        assert!((score(&policy, 2)[2] / rest - 1.0).abs() < 1e-14);
        let extreme = Categorical::from_parameters(&[-1e300, 1e300]).unwrap();
        assert_eq!(extreme.probabilities(), [0.0, 1.0]);
        assert_eq!(score(&extreme, 1), [0.0, 0.0]);
    }

    #[test]
    fn its_samples_are_its_own_and_the_mode_is_the_first_of_the_likeliest() {
        samples_agree(&Categorical::from_parameters(&[0.0, 0.5, -1.0]).unwrap());
        assert_eq!(Categorical::from_parameters(&[0.0, 0.5, 0.5]).unwrap().mode(), 1);
    }

    #[test]
    fn what_cannot_happen_adds_nothing() {
        let certain = Categorical::from_parameters(&[-1e300, 1e300]).unwrap();
        let mut gradient = [1.0; 2];
        certain.entropy_gradient(&mut gradient).unwrap();
        assert_eq!((certain.entropy(), gradient), (0.0, [0.0; 2]));
        assert!(certain.divergence(&certain).unwrap().abs() < 1e-300);
        let fair = Categorical::from_parameters(&[0.0, 0.0]).unwrap();
        assert!((certain.divergence(&fair).unwrap() - 2f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn bad_input_is_named() {
        let policy = Categorical::from_parameters(&[0.0, 1.0]).unwrap();
        for (error, text) in [
            (
                Categorical::from_parameters(&[]).unwrap_err(),
                "parameters is empty, and at least one entry is needed",
            ),
            (
                Categorical::from_parameters(&[0.0, f64::NAN]).unwrap_err(),
                "parameters[1] is NaN, and every entry must be finite",
            ),
            (
                policy.log_probability(&2).unwrap_err(),
                "the action is 2, and the policy has actions 0 to 1",
            ),
            (policy.score(&0, &mut [0.0; 3]).unwrap_err(), "score has 3 entries, expected 2"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
