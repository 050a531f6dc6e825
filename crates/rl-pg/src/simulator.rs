//! The black box: what a simulator must offer.

use std::fmt::Debug;

use linalg::DMatrix;

use crate::{Error, Result, check};

/// What one rollout brought.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Outcome {
    /// The reward, to be raised. For a loss, its negative.
    pub reward: f64,
    /// What else was measured, in the order of [`Simulator::metrics`]; NaN where it has no value.
    pub metrics: Vec<f64>,
}

/// A simulator asked once per episode: a context goes in with an action, a reward comes back.
///
/// The whole trajectory is one action: 15 weights in, say, and one reward out. No gradient is asked
/// for. The same context, action and seed give the same outcome; a simulator without noise ignores the
/// seed.
///
/// One instance serves one worker at a time; several workers have one each
/// ([`rollouts`](crate::rollouts)).
///
/// # Examples
/// A spring that is to come to rest at the context, for a force of the action.
/// ```
/// use rl_pg::{Outcome, Result, Simulator};
///
/// struct Spring { stiffness: f64 }
///
/// impl Simulator for Spring {
///     fn context_length(&self) -> usize { 1 }
///     fn action_length(&self) -> usize { 1 }
///     fn rollout(&mut self, context: &[f64], action: &[f64], _seed: u64) -> Result<Outcome> {
///         let off = action[0] / self.stiffness - context[0];
///         Ok(Outcome { reward: -off * off, metrics: Vec::new() })
///     }
/// }
///
/// let outcome = Spring { stiffness: 2.0 }.rollout(&[1.0], &[3.0], 0)?;
/// assert_eq!(outcome.reward, -0.25);
/// # Ok::<(), rl_pg::Error>(())
/// ```
pub trait Simulator: Send {
    /// How many numbers describe a context; 0 where every episode is alike.
    fn context_length(&self) -> usize;

    /// How many numbers an action has.
    fn action_length(&self) -> usize;

    /// The names of an outcome's metrics.
    fn metrics(&self) -> Vec<&str> {
        Vec::new()
    }

    /// How many numbers a policy sees of a context.
    fn observation_length(&self) -> usize {
        self.context_length()
    }

    /// How many episodes it likes to be asked for at once: 1 for one that runs them one after another,
    /// more where a request costs something by itself, as it does between processes.
    /// [`rollouts`](crate::rollouts) cuts its lists no shorter than that, as long as there is one for
    /// every thread.
    fn list_length(&self) -> usize {
        1
    }

    /// Writes what a policy sees of a context before it acts: the context itself, unless the simulator
    /// scales it, blurs it by the noise of the rollout's seed, or hides a part.
    ///
    /// # Errors
    /// For slices of the wrong length.
    fn observe(&self, context: &[f64], seed: u64, observation: &mut [f64]) -> Result<()> {
        let _ = seed;
        check::numbers("context", context, self.context_length())?;
        check::length("observation", observation.len(), context.len())?;
        observation.copy_from_slice(context);
        Ok(())
    }

    /// Runs one episode.
    ///
    /// # Errors
    /// For slices of the wrong length, and where the simulator failed ([`Error::SimulatorFailed`]).
    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome>;

    /// Runs an episode for each column of `contexts` and of `actions`, one after another unless the
    /// simulator knows better.
    ///
    /// # Errors
    /// [`Error::Length`] where the numbers of contexts, actions and seeds differ; for the first episode
    /// that fails [`Error::Rollout`] with its column, or [`Error::RewardNotFinite`] with its action.
    fn rollouts(
        &mut self,
        contexts: &DMatrix<f64>,
        actions: &DMatrix<f64>,
        seeds: &[u64],
    ) -> Result<Vec<Outcome>> {
        check::length("the batch of actions", actions.ncols(), contexts.ncols())?;
        check::length("the batch of seeds", seeds.len(), contexts.ncols())?;
        let columns = contexts.column_iter().zip(actions.column_iter()).zip(seeds).enumerate();
        columns
            .map(|(index, ((context, action), &seed))| {
                let outcome = self
                    .rollout(context.as_slice(), action.as_slice(), seed)
                    .map_err(|source| Error::Rollout { index, source: Box::new(source) })?;
                check::reward(index, &action.as_slice(), outcome.reward)?;
                Ok(outcome)
            })
            .collect()
    }
}

/// A simulator that knows its reward's slope as well as its value.
///
/// Few do, and where a reward jumps, as at the edge of a contact, the slope knows nothing of the jump.
pub trait Differentiable: Simulator {
    /// Runs one episode and writes ∂reward/∂action.
    ///
    /// # Errors
    /// As [`Simulator::rollout`], and for a gradient whose length is not the action's.
    fn rollout_with_gradient(
        &mut self,
        context: &[f64],
        action: &[f64],
        seed: u64,
        gradient: &mut [f64],
    ) -> Result<Outcome>;
}

/// A simulator that is asked step by step.
///
/// It never starts a new episode by itself: the observation after a last step is the true last one, and
/// the caller resets. [`CartPole`](crate::CartPole) is one, and shows how.
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
