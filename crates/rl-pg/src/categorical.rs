//! The softmax policy over finitely many actions.

use rand::{Rng, RngExt};

use crate::{Error, Policy, Result};

/// The softmax policy: action a with probability πₐ = exp(θₐ)/Σ exp(θ); the parameters are the
/// logits θ.
///
/// The score of action a is eₐ − π: taking an action, and being glad of it, raises its own logit
/// and lowers all others. It is computed without cancellation where one action is nearly certain.
///
/// # Examples
/// ```
/// use rl_pg::Categorical;
/// let policy = Categorical::from_logits(&[0.0, 2f64.ln(), 0.0])?;
/// assert!((policy.probabilities()[1] - 0.5).abs() < 1e-15);
/// assert!((policy.entropy() - 1.5 * 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Categorical {
    log_probabilities: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Categorical {
    /// The policy with these logits; adding the same number to all of them changes nothing.
    ///
    /// # Errors
    /// [`Error::Empty`], or [`Error::NotFinite`] with the index.
    pub fn from_logits(logits: &[f64]) -> Result<Self> {
        if let Some(index) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(Error::NotFinite { argument: "logits", index, value: logits[index] });
        }
        let Some(likeliest) = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        else {
            return Err(Error::Empty { argument: "logits" });
        };
        // log Σ exp = largest + log(1 + rest), which keeps a small rest.
        let largest = logits[likeliest];
        let rest: f64 = (0..logits.len())
            .filter(|&a| a != likeliest)
            .map(|a| (logits[a] - largest).exp())
            .sum();
        let log_total = rest.ln_1p();
        let log_probabilities: Vec<f64> =
            logits.iter().map(|logit| (logit - largest) - log_total).collect();
        let probabilities = log_probabilities.iter().map(|log| log.exp()).collect();
        Ok(Self { log_probabilities, probabilities })
    }

    /// πₐ for every action; they sum to 1.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The entropy −Σ πₐ log πₐ in nats, from 0 (certain) to log n (uniform).
    #[must_use]
    pub fn entropy(&self) -> f64 {
        let terms = self.probabilities.iter().zip(&self.log_probabilities);
        -terms.map(|(probability, log)| probability * log).sum::<f64>()
    }

    fn check(&self, action: usize) -> Result<()> {
        if action < self.probabilities.len() {
            return Ok(());
        }
        Err(Error::NoSuchAction { action, last: self.probabilities.len() - 1 })
    }
}

impl Policy for Categorical {
    type Action = usize;

    fn parameter_count(&self) -> usize {
        self.probabilities.len()
    }

    fn sample(&self, rng: &mut dyn Rng) -> usize {
        let mut left: f64 = rng.random();
        for (action, probability) in self.probabilities.iter().enumerate() {
            left -= probability;
            if left < 0.0 {
                return action;
            }
        }
        // The probabilities sum to 1 only up to rounding.
        self.probabilities.len() - 1
    }

    fn log_probability(&self, &action: &usize) -> Result<f64> {
        self.check(action)?;
        Ok(self.log_probabilities[action])
    }

    fn score(&self, &action: &usize, score: &mut [f64]) -> Result<()> {
        self.check(action)?;
        let expected = self.parameter_count();
        if score.len() != expected {
            return Err(Error::Length { argument: "score", got: score.len(), expected });
        }
        for (entry, probability) in score.iter_mut().zip(&self.probabilities) {
            *entry = -probability;
        }
        // 1 − πₐ without cancellation.
        score[action] = -self.log_probabilities[action].exp_m1();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    fn score(policy: &Categorical, action: usize) -> Vec<f64> {
        let mut score = vec![0.0; policy.parameter_count()];
        policy.score(&action, &mut score).unwrap();
        score
    }

    proptest! {
        #[test]
        fn the_score_is_the_gradient_of_the_log_probability(
            logits in prop::collection::vec(-4.0..4.0f64, 1..6),
            pick in 0usize..6,
        ) {
            let action = pick % logits.len();
            let score = score(&Categorical::from_logits(&logits).unwrap(), action);
            for k in 0..logits.len() {
                // Central differences: h² |f‴|/6 with |f‴| < 1/5, and rounding of 4 eps |f| / 2h.
                let h = 1e-5;
                let at = |shift: f64| {
                    let mut moved = logits.clone();
                    moved[k] += shift;
                    Categorical::from_logits(&moved).unwrap().log_probability(&action).unwrap()
                };
                let slope = (at(h) - at(-h)) / (2.0 * h);
                prop_assert!((slope - score[k]).abs() < 1e-9, "{slope} {}", score[k]);
            }
        }

        #[test]
        fn a_common_shift_changes_nothing(shift in -1e3..1e3f64) {
            let (plain, moved) = (
                Categorical::from_logits(&[0.0, 0.5, -1.0]).unwrap(),
                Categorical::from_logits(&[shift, shift + 0.5, shift - 1.0]).unwrap(),
            );
            for (a, b) in plain.probabilities().iter().zip(moved.probabilities()) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn far_apart_logits_neither_overflow_nor_lose_the_rest() {
        let policy = Categorical::from_logits(&[0.0, 0.0, 40.0]).unwrap();
        // 1 − π_2 = 2 e⁻⁴⁰/(1 + 2 e⁻⁴⁰), which 1.0 − π_2 would round to 0.
        let rest = 2.0 * (-40f64).exp();
        assert!((score(&policy, 2)[2] / rest - 1.0).abs() < 1e-14);
        let extreme = Categorical::from_logits(&[-1e300, 1e300]).unwrap();
        assert_eq!(extreme.probabilities(), [0.0, 1.0]);
        assert_eq!(score(&extreme, 1), [0.0, 0.0]);
    }

    #[test]
    fn actions_come_as_often_as_their_probability_says() {
        let policy = Categorical::from_logits(&[0.0, 0.5, -1.0]).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let n = 100_000;
        let mut counts = [0.0; 3];
        for _ in 0..n {
            counts[policy.sample(&mut rng)] += 1.0;
        }
        for (count, p) in counts.iter().zip(policy.probabilities()) {
            let std_error = (p * (1.0 - p) / f64::from(n)).sqrt();
            assert!((count / f64::from(n) - p).abs() < 5.0 * std_error, "{count} {p}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        let policy = Categorical::from_logits(&[0.0, 1.0]).unwrap();
        for (error, text) in [
            (
                Categorical::from_logits(&[]).unwrap_err(),
                "logits is empty, and at least one entry is needed",
            ),
            (
                Categorical::from_logits(&[0.0, f64::NAN]).unwrap_err(),
                "logits[1] is NaN, and every entry must be finite",
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
