//! Two states and three steps: small enough that every trajectory can be counted.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::check;
use crate::{End, Environment, Error, Result, Step};

/// A decision process of two states, two actions and three steps, for which everything is known.
///
/// It starts in state 0. Action a in state s pays [`REWARDS`](Self::REWARDS)\[s\]\[a\] and leads to state
/// 1 with probability [`TO_ONE`](Self::TO_ONE)\[s\]\[a\], else to state 0; after three steps the task is
/// over. The observation is (1, 0) in state 0 and (0, 1) in state 1.
///
/// There are at most 4³ pairs of choices and moves, so that an expectation is a finite sum. With the policy
/// π(1|s) = 1/(1 + e^−θₛ), θ = (0.3, −0.4), and the discount γ = 0.9 the expected return is
/// J = 1.7509369029032429 and ∇J = (0.486227560126, −0.636292648757). Leaving out the factors γᵗ of the
/// score, as most libraries do, gives (0.523000, −0.741346) instead: no gradient of J.
///
/// # Examples
/// ```
/// use rl_pg::{Environment, TwoStates};
/// let mut process = TwoStates::new();
/// let mut observation = [0.0; 2];
/// process.reset(7, &mut observation)?;
/// assert_eq!(observation, [1.0, 0.0]);
/// assert_eq!(process.step(&1, &mut observation)?.reward, 1.0);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TwoStates {
    state: usize,
    left: usize,
    rng: Xoshiro256PlusPlus,
}

impl TwoStates {
    /// The reward of action a in state s, at \[s\]\[a\].
    pub const REWARDS: [[f64; 2]; 2] = [[0.0, 1.0], [2.0, -1.0]];
    /// The probability of moving from state s to state 1 under action a, at \[s\]\[a\].
    pub const TO_ONE: [[f64; 2]; 2] = [[0.2, 0.8], [0.5, 0.3]];
    /// Steps of an episode.
    pub const STEPS: usize = 3;

    /// The process. The first thing to do is to reset it.
    #[must_use]
    pub fn new() -> Self {
        Self { state: 0, left: 0, rng: Xoshiro256PlusPlus::seed_from_u64(0) }
    }

    fn observe(&self, observation: &mut [f64]) {
        observation.fill(0.0);
        observation[self.state] = 1.0;
    }
}

impl Default for TwoStates {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment for TwoStates {
    type Action = usize;

    fn observation_length(&self) -> usize {
        2
    }

    /// The seed decides the moves between states.
    fn reset(&mut self, seed: u64, observation: &mut [f64]) -> Result<()> {
        check::length("observation", observation.len(), 2)?;
        *self = Self { state: 0, left: Self::STEPS, rng: Xoshiro256PlusPlus::seed_from_u64(seed) };
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, &action: &usize, observation: &mut [f64]) -> Result<Step> {
        check::length("observation", observation.len(), 2)?;
        if action > 1 {
            return Err(Error::NoSuchAction { action, last: 1 });
        }
        if self.left == 0 {
            return Err(Error::EpisodeOver);
        }
        let reward = Self::REWARDS[self.state][action];
        let to_one = self.rng.random::<f64>() < Self::TO_ONE[self.state][action];
        self.state = usize::from(to_one);
        self.left -= 1;
        self.observe(observation);
        Ok(Step { reward, end: (self.left == 0).then_some(End::Terminated) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICE: [f64; 2] = [0.3, -0.4];

    /// The policy's probability of action 1.
    fn one(state: usize) -> f64 {
        1.0 / (1.0 + (-CHOICE[state]).exp())
    }

    #[test]
    fn the_expected_return_is_the_one_that_is_known() {
        // Backward from the last step, by the constants alone.
        let mut value = [0.0; 2];
        for _ in 0..TwoStates::STEPS {
            value = [0, 1].map(|s| {
                [1.0 - one(s), one(s)].iter().enumerate().fold(0.0, |sum, (a, chance)| {
                    let to_one = TwoStates::TO_ONE[s][a];
                    let next = (1.0 - to_one) * value[0] + to_one * value[1];
                    sum + chance * (TwoStates::REWARDS[s][a] + 0.9 * next)
                })
            });
        }
        assert!((value[0] - 1.7509369029032429).abs() < 1e-15, "{}", value[0]);
    }

    #[test]
    fn episodes_have_that_return_on_average() {
        let mut process = TwoStates::new();
        let n = 100_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for seed in 0..n {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xffff_ffff_0000);
            let mut observation = [0.0; 2];
            process.reset(seed, &mut observation).unwrap();
            let (mut total, mut discount, mut end) = (0.0, 1.0, None);
            while end.is_none() {
                let state = usize::from(observation[1] > 0.5);
                let action = usize::from(rng.random::<f64>() < one(state));
                let step = process.step(&action, &mut observation).unwrap();
                total += discount * step.reward;
                discount *= 0.9;
                end = step.end;
            }
            assert_eq!(end, Some(End::Terminated));
            sum += total;
            square += total * total;
        }
        let n = n as f64;
        let (mean, variance) = (sum / n, square / n - (sum / n).powi(2));
        let z = (mean - 1.7509369029032429) / (variance / n).sqrt();
        assert!(z.abs() < 5.0, "{z}");
    }

    #[test]
    fn bad_input_is_named() {
        let mut process = TwoStates::new();
        let mut seen = [0.0; 2];
        assert_eq!(process.step(&0, &mut seen), Err(Error::EpisodeOver));
        for (error, text) in [
            (
                process.step(&2, &mut seen).unwrap_err(),
                "the action is 2, and the policy has actions 0 to 1",
            ),
            (process.reset(0, &mut [0.0]).unwrap_err(), "observation has 1 entries, expected 2"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
