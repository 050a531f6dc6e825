//! What was seen, done and earned: the steps that a learner learns from.

use crate::{Error, Result};

/// Steps of one or more episodes, one after the other, with how each episode ended.
///
/// An episode of a [`Simulator`](crate::Simulator) is one step long; that is the only difference
/// between training on it and on an [`Environment`](crate::Environment). The training loops fill an
/// experience themselves; fill one by hand where the rollouts are made elsewhere, and give it to
/// [`Learner::update`](crate::Learner::update).
///
/// # Examples
/// ```
/// use rl_pg::Experience;
/// let mut experience = Experience::new(2);
/// experience.push(&[0.0, 1.0], 1usize, -0.7, 0.5)?;
/// experience.push(&[0.1, 0.9], 0usize, -0.7, 1.5)?;
/// experience.truncate(&[0.2, 0.8])?; // the clock ran out; this is what would have come next
/// experience.push(&[0.0, 1.0], 0usize, -0.7, 2.0)?;
/// experience.terminate();
/// assert_eq!((experience.len(), experience.episodes(), experience.is_empty()), (3, 2, false));
/// assert_eq!((experience.width(), experience.actions()), (2, &[1, 0, 0][..]));
/// assert_eq!(experience.rewards(), [0.5, 1.5, 2.0]);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Experience<A> {
    pub(crate) width: usize,
    /// Observations, one after the other.
    pub(crate) observations: Vec<f64>,
    pub(crate) actions: Vec<A>,
    pub(crate) log_probabilities: Vec<f64>,
    pub(crate) rewards: Vec<f64>,
    pub(crate) episodes: Vec<Stretch>,
    /// The time of the next episode's first step.
    clock: usize,
}

/// A stretch of steps of one episode.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stretch {
    /// One past its last step.
    pub(crate) end: usize,
    /// The time of its first step: not 0 where the stretch began within an episode.
    pub(crate) clock: usize,
    /// The observation after the last step, where more would have come.
    pub(crate) next: Option<Vec<f64>>,
}

impl<A: std::fmt::Debug> Experience<A> {
    /// No steps yet, of observations of `width` numbers.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self {
            width,
            observations: Vec::new(),
            actions: Vec::new(),
            log_probabilities: Vec::new(),
            rewards: Vec::new(),
            episodes: Vec::new(),
            clock: 0,
        }
    }

    /// Adds a step: what was observed, the action taken, its log-probability then, and the reward.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`] for the observation or the log-probability, and
    /// [`Error::RewardNotFinite`] with the action. Nothing is added then.
    pub fn push(
        &mut self,
        observation: &[f64],
        action: A,
        log_probability: f64,
        reward: f64,
    ) -> Result<()> {
        self.check(observation)?;
        if !log_probability.is_finite() {
            let (argument, index) = ("log_probability", self.len());
            return Err(Error::NotFinite { argument, index, value: log_probability });
        }
        if !reward.is_finite() {
            let (sample, action) = (self.len(), format!("{action:?}"));
            return Err(Error::RewardNotFinite { sample, action, value: reward });
        }
        self.observations.extend_from_slice(observation);
        self.actions.push(action);
        self.log_probabilities.push(log_probability);
        self.rewards.push(reward);
        Ok(())
    }

    /// Ends the episode: nothing more was to be had.
    pub fn terminate(&mut self) {
        self.finish(None);
    }

    /// Ends the record of the episode where more would have come, from `next` on: the clock ran out,
    /// or the record is cut here. A learned value of `next` stands for what is missing.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn truncate(&mut self, next: &[f64]) -> Result<()> {
        self.check(next)?;
        self.finish(Some(next.to_vec()));
        Ok(())
    }

    /// Says that the next step added is step `time` of its episode, which began before this record.
    pub fn continue_from(&mut self, time: usize) {
        self.clock = time;
    }

    /// Steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether there are no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// Episodes that were ended, and pieces of episodes.
    #[must_use]
    pub fn episodes(&self) -> usize {
        self.episodes.len()
    }

    /// The rewards of all steps.
    #[must_use]
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }

    /// The actions of all steps.
    #[must_use]
    pub fn actions(&self) -> &[A] {
        &self.actions
    }

    /// The observations of all steps, [`Experience::width`] numbers each.
    #[must_use]
    pub fn observations(&self) -> &[f64] {
        &self.observations
    }

    /// Numbers in an observation.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds the steps of `other` behind.
    pub(crate) fn append(&mut self, mut other: Self) {
        let offset = self.len();
        self.observations.append(&mut other.observations);
        self.actions.append(&mut other.actions);
        self.log_probabilities.append(&mut other.log_probabilities);
        self.rewards.append(&mut other.rewards);
        self.episodes.extend(
            other
                .episodes
                .into_iter()
                .map(|episode| Stretch { end: episode.end + offset, ..episode }),
        );
    }

    /// The first step of every episode, with the episode.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = (usize, &Stretch)> {
        self.episodes.iter().scan(0, |start, episode| {
            let first = *start;
            *start = episode.end;
            Some((first, episode))
        })
    }

    /// Refuses an experience that is empty or whose last episode was not ended.
    pub(crate) fn check_complete(&self) -> Result<()> {
        if self.is_empty() {
            return Err(Error::Empty { argument: "experience" });
        }
        let expected = self.len();
        match self.episodes.last().map_or(0, |episode| episode.end) {
            got if got == expected => Ok(()),
            got => Err(Error::OpenEpisode { steps: expected, ended: got }),
        }
    }

    fn finish(&mut self, next: Option<Vec<f64>>) {
        let end = self.len();
        // An episode without steps says nothing.
        if self.episodes.last().map_or(0, |episode| episode.end) < end {
            self.episodes.push(Stretch { end, clock: self.clock, next });
        }
        self.clock = 0;
    }

    fn check(&self, observation: &[f64]) -> Result<()> {
        let (got, expected) = (observation.len(), self.width);
        if got != expected {
            return Err(Error::Length { argument: "observation", got, expected });
        }
        match observation.iter().position(|value| !value.is_finite()) {
            Some(index) => {
                let value = observation[index];
                Err(Error::NotFinite { argument: "observation", index, value })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn episodes_keep_their_ends_when_records_are_joined() {
        let mut first = Experience::new(1);
        first.push(&[0.0], 0usize, -1.0, 1.0).unwrap();
        first.terminate();
        first.terminate();
        let mut second = Experience::new(1);
        second.continue_from(7);
        second.push(&[1.0], 0usize, -1.0, 1.0).unwrap();
        second.push(&[2.0], 1usize, -1.0, 1.0).unwrap();
        second.truncate(&[3.0]).unwrap();
        first.append(second);
        let found: Vec<_> = first.stretches().collect();
        let ends = [
            Stretch { end: 1, clock: 0, next: None },
            Stretch { end: 3, clock: 7, next: Some(vec![3.0]) },
        ];
        assert_eq!(found, [(0, &ends[0]), (1, &ends[1])]);
        assert!(first.check_complete().is_ok());
    }

    #[test]
    fn bad_input_is_named() {
        let mut experience = Experience::new(2);
        let mut text = |observation: &[f64], log_probability, reward| {
            experience.push(observation, 3usize, log_probability, reward).unwrap_err().to_string()
        };
        assert_eq!(text(&[0.0], 0.0, 0.0), "observation has 1 entries, expected 2");
        assert_eq!(
            text(&[0.0, f64::NAN], 0.0, 0.0),
            "observation[1] is NaN, and every entry must be finite"
        );
        assert_eq!(
            text(&[0.0, 0.0], f64::NEG_INFINITY, 0.0),
            "log_probability[0] is -inf, and every entry must be finite"
        );
        assert_eq!(
            text(&[0.0, 0.0], 0.0, f64::NAN),
            "the reward of sample 0 is NaN for the action 3"
        );
        assert_eq!(
            experience.check_complete().unwrap_err().to_string(),
            "experience is empty, and at least one entry is needed"
        );
        experience.push(&[0.0, 0.0], 3usize, 0.0, 0.0).unwrap();
        assert_eq!(
            experience.check_complete().unwrap_err().to_string(),
            "the experience has 1 steps, of which the last that ends an episode is step 0"
        );
    }
}
