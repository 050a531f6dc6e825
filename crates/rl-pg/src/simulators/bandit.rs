//! The smallest environment: one choice, one reward.

use crate::check;
use crate::{End, Environment, Error, Result, Step};

/// A bandit: an episode is one step, whose action picks the reward.
///
/// There is nothing to observe, and nothing random: what is uncertain is the policy. For softmax
/// logits θ the gradient of the expected reward J is πₐ (rₐ − J), which is what estimators are tried on.
///
/// # Examples
/// ```
/// use rl_pg::{Bandit, End, Environment};
/// let mut bandit = Bandit::new(&[1.0, 2.0, 0.5])?;
/// bandit.reset(0, &mut [])?;
/// let step = bandit.step(&1, &mut [])?;
/// assert_eq!((step.reward, step.end), (2.0, Some(End::Terminated)));
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bandit {
    rewards: Vec<f64>,
    running: bool,
}

impl Bandit {
    /// A bandit whose arm a pays `rewards[a]`.
    ///
    /// # Errors
    /// [`Error::Empty`], or [`Error::NotFinite`] with the index.
    pub fn new(rewards: &[f64]) -> Result<Self> {
        if rewards.is_empty() {
            return Err(Error::Empty { argument: "rewards" });
        }
        check::numbers("rewards", rewards, rewards.len())?;
        Ok(Self { rewards: rewards.to_vec(), running: false })
    }

    /// What each arm pays.
    #[must_use]
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }
}

impl Environment for Bandit {
    type Action = usize;

    fn observation_length(&self) -> usize {
        0
    }

    fn reset(&mut self, _seed: u64, observation: &mut [f64]) -> Result<()> {
        check::length("observation", observation.len(), 0)?;
        self.running = true;
        Ok(())
    }

    fn step(&mut self, &action: &usize, observation: &mut [f64]) -> Result<Step> {
        check::length("observation", observation.len(), 0)?;
        let Some(&reward) = self.rewards.get(action) else {
            return Err(Error::NoSuchAction { action, last: self.rewards.len() - 1 });
        };
        if !self.running {
            return Err(Error::EpisodeOver);
        }
        self.running = false;
        Ok(Step { reward, end: Some(End::Terminated) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_pays_once_per_episode() {
        let mut bandit = Bandit::new(&[1.0, 2.0]).unwrap();
        assert_eq!(bandit.step(&0, &mut []), Err(Error::EpisodeOver));
        for arm in [0, 1] {
            bandit.reset(0, &mut []).unwrap();
            let expected = Step { reward: bandit.rewards()[arm], end: Some(End::Terminated) };
            assert_eq!(bandit.step(&arm, &mut []), Ok(expected));
            assert_eq!(bandit.step(&arm, &mut []), Err(Error::EpisodeOver));
        }
    }

    #[test]
    fn bad_input_is_named() {
        let mut bandit = Bandit::new(&[1.0, 2.0]).unwrap();
        for (error, text) in [
            (Bandit::new(&[]).unwrap_err(), "rewards is empty, and at least one entry is needed"),
            (
                Bandit::new(&[1.0, f64::NAN]).unwrap_err(),
                "rewards[1] is NaN, and every entry must be finite",
            ),
            (
                bandit.step(&2, &mut []).unwrap_err(),
                "the action is 2, and the policy has actions 0 to 1",
            ),
            (bandit.reset(0, &mut [0.0]).unwrap_err(), "observation has 1 entries, expected 0"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
