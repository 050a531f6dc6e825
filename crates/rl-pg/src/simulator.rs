//! The black box: what a simulator must offer.

use std::fmt::Debug;

use linalg::DMatrix;

use crate::{Error, Result};

/// What one rollout brought.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    /// The reward, to be raised. For a loss, its negative.
    pub reward: f64,
    /// What else was measured, in the order of [`Simulator::metrics`].
    pub metrics: Vec<f64>,
}

/// A simulator asked once per episode: a context goes in with an action, a reward comes back.
///
/// The whole trajectory is one action: 15 weights in, say, and one reward out. No gradient is asked for.
/// The same context, action and seed give the same outcome; a simulator without noise ignores the seed.
///
/// One instance serves one worker at a time; several workers have one each.
pub trait Simulator: Send {
    /// How many numbers describe a context; 0 where every episode is alike.
    fn context_length(&self) -> usize;

    /// How many numbers an action has.
    fn action_length(&self) -> usize;

    /// The names of an outcome's metrics.
    fn metrics(&self) -> &[&str] {
        &[]
    }

    /// Runs one episode.
    ///
    /// # Errors
    /// For slices of the wrong length, and where the simulator failed.
    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome>;

    /// Runs an episode for each column of `contexts` and of `actions`, one after another unless the
    /// simulator knows better.
    ///
    /// # Errors
    /// As [`Self::rollout`], and where the numbers of contexts, actions and seeds differ.
    fn rollouts(
        &mut self,
        contexts: &DMatrix<f64>,
        actions: &DMatrix<f64>,
        seeds: &[u64],
    ) -> Result<Vec<Outcome>> {
        for (argument, got) in [("actions", actions.ncols()), ("seeds", seeds.len())] {
            if got != contexts.ncols() {
                return Err(Error::Length { argument, got, expected: contexts.ncols() });
            }
        }
        let columns = contexts.column_iter().zip(actions.column_iter()).zip(seeds);
        columns
            .map(|((context, action), &seed)| {
                self.rollout(context.as_slice(), action.as_slice(), seed)
            })
            .collect()
    }
}

/// A simulator that is asked step by step.
///
/// It never starts a new episode by itself: the observation after a last step is the true last one, and
/// the caller resets.
pub trait Environment: Send {
    /// What is given to a step.
    type Action: Debug;

    /// How many numbers an observation has.
    fn observation_length(&self) -> usize;

    /// Starts an episode and writes its first observation.
    ///
    /// # Errors
    /// For a slice of the wrong length, and where the simulator failed.
    fn reset(&mut self, seed: u64, observation: &mut [f64]) -> Result<()>;

    /// Takes an action and writes the observation that follows.
    ///
    /// # Errors
    /// For an action that there is not, a slice of the wrong length, a step after the end, and where the
    /// simulator failed.
    fn step(&mut self, action: &Self::Action, observation: &mut [f64]) -> Result<Step>;
}

/// What one step of an [`Environment`] brought.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Step {
    /// The reward.
    pub reward: f64,
    /// Whether the episode ended with this step, and how.
    pub end: Option<End>,
}

/// How an episode ended. The two are not alike: what would still have come is zero after the first and
/// unknown after the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The task is over: nothing more is to be had from here.
    Terminated,
    /// The clock ran out: rewards would have followed, and a learner estimates them from the last observation.
    Truncated,
}
