//! The training loops: rollouts, updates, tests, and an observer that may stop them.

use std::ops::ControlFlow;

use linalg::parallel::join;
use linalg::{DMatrix, Real};
use nn_core::Workspace;
use rand::Rng;

use crate::learning::learner::purpose;
use crate::{
    Actor, Collect, End, Environment, Error, Experience, Learner, Policy, Result, Simulator,
    Streams, Update, check, rollouts,
};

/// How long to train, and how to see when it is enough.
///
/// # Examples
/// ```
/// use rl_pg::{Categorical, Plan};
/// // 20,000 steps at most; a score every 640, and an end at 0.95 or after 10 scores without a best.
/// let plan = Plan::<f64, Categorical>::steps(20_000)
///     .test(640, |actor| Ok(actor.policy(&[0.5])?.probabilities()[0]))
///     .goal(0.95)
///     .patience(10);
/// # let _ = plan;
/// ```
pub struct Plan<'a, T: Real, P> {
    steps: u64,
    every: u64,
    score: Option<Score<'a, T, P>>,
    goal: f64,
    patience: u64,
}

/// What says how good a policy is.
type Score<'a, T, P> = Box<dyn FnMut(&Actor<T, P>) -> Result<f64> + 'a>;

impl<T: Real, P> std::fmt::Debug for Plan<'_, T, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("steps", &self.steps)
            .field("every", &self.every)
            .field("goal", &self.goal)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl<'a, T: Real, P> Plan<'a, T, P> {
    /// Trains until the learner has seen so many steps in all (rollouts, where an episode is one
    /// step): a learner resumed with the same plan ends where it would have ended. An update is not
    /// cut, so the last one may go past it.
    #[must_use]
    pub fn steps(steps: u64) -> Self {
        Self { steps, every: u64::MAX, score: None, goal: f64::INFINITY, patience: u64::MAX }
    }

    /// Scores the averaged policy after every `every` steps, on a fixed test set say. The learner
    /// keeps the best.
    #[must_use]
    pub fn test(mut self, every: u64, score: impl FnMut(&Actor<T, P>) -> Result<f64> + 'a) -> Self {
        self.every = every.max(1);
        self.score = Some(Box::new(score));
        self
    }

    /// Stops at the first score that is at least `goal`.
    #[must_use]
    pub fn goal(mut self, goal: f64) -> Self {
        self.goal = goal;
        self
    }

    /// Stops after more than so many scores in a row that are not the best.
    #[must_use]
    pub fn patience(mut self, scores: u64) -> Self {
        self.patience = scores;
        self
    }
}

/// What an observer sees after every update.
#[derive(Debug)]
#[non_exhaustive]
pub struct Progress<'a, T: Real, P: Policy> {
    /// What the update did.
    pub update: Update,
    /// The score of the averaged policy, where this update was followed by a test.
    pub score: Option<f64>,
    /// The learner, with its counts, its policies and its state.
    pub learner: &'a Learner<T, P>,
}

/// A point of a learning curve.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// Steps that the learner had seen.
    pub steps: u64,
    /// Episodes that had ended.
    pub episodes: u64,
    /// What the update did.
    pub update: Update,
    /// The mean return of the last 100 episodes, once so many have ended.
    pub recent_return: Option<f64>,
    /// The score, where there was a test.
    pub score: Option<f64>,
}

/// A learning curve, and why it ends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct History {
    /// A point for every update.
    pub curve: Vec<Point>,
    /// Why training ended.
    pub stop: TrainingStop,
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainingStop {
    /// The plan's steps were taken.
    Finished,
    /// A score reached the plan's goal.
    Goal,
    /// More scores in a row than the plan's patience were no better than the best.
    NoImprovement,
    /// The observer asked for it.
    Observer,
}

/// An episode that goes on after an update.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ongoing<A> {
    pub(crate) seed: u64,
    /// The actions so far, which bring an environment here again.
    pub(crate) actions: Vec<A>,
    pub(crate) earned: f64,
}

impl<T: Real, P: Policy> Learner<T, P> {
    /// Trains on a simulator that is asked once per episode: draws contexts with `contexts`, an
    /// action for each from the policy, and climbs the rewards.
    ///
    /// `simulators` are equals, one for each thread that is to run; the result has the same bits for
    /// any number of them. `contexts` writes one context, which is also what the policy observes.
    ///
    /// # Errors
    /// [`Error::Empty`] without simulators, [`Error::Length`] where the simulator's sizes are not the
    /// actor's, [`Error::RewardNotFinite`], and those of [`Learner::update`] and of the simulator.
    pub fn train<S: Simulator>(
        &mut self,
        simulators: &mut [S],
        contexts: impl Fn(&mut dyn Rng, &mut [f64]),
        plan: Plan<'_, T, P>,
        observer: impl FnMut(&Progress<'_, T, P>) -> ControlFlow<()>,
    ) -> Result<History>
    where
        P::Action: AsRef<[f64]>,
    {
        let Some(first) = simulators.first() else {
            return Err(Error::Empty { argument: "simulators" });
        };
        let (width, seen, acted) =
            (first.context_length(), first.observation_length(), first.action_length());
        check::length("the observation", seen, self.actor.network.inputs())?;
        self.run(plan, observer, |learner| {
            let (n, streams, update) = (learner.options.rollouts, learner.streams, learner.updates);
            let seeds: Vec<u64> =
                (0..n).map(|i| streams.key(update, i as u64, purpose::SIMULATOR)).collect();
            let mut drawn = DMatrix::zeros(width, n);
            let mut observed = DMatrix::zeros(seen, n);
            for (rollout, &seed) in seeds.iter().enumerate() {
                let mut rng = streams.rng(update, rollout as u64, purpose::CONTEXT);
                let (mut context, mut observation) =
                    (drawn.column_mut(rollout), observed.column_mut(rollout));
                contexts(&mut rng, context.as_mut_slice());
                simulators[0].observe(context.as_slice(), seed, observation.as_mut_slice())?;
            }
            let policies =
                learner.actor.policies_with(observed.as_slice(), &mut learner.workspace)?;
            let mut actions = DMatrix::zeros(acted, n);
            let mut chosen = Vec::with_capacity(n);
            for (rollout, policy) in policies.iter().enumerate() {
                let mut rng = streams.rng(update, rollout as u64, purpose::ACTION);
                let action = policy.sample(&mut rng);
                check::length("the action", action.as_ref().len(), acted)?;
                actions.column_mut(rollout).copy_from_slice(action.as_ref());
                chosen.push(action);
            }
            let outcomes = rollouts(simulators, &drawn, &actions, &seeds)?;
            let mut experience = Experience::new(seen);
            for (rollout, (action, outcome)) in chosen.into_iter().zip(outcomes).enumerate() {
                let log_probability = policies[rollout].log_probability(&action)?;
                let observation = observed.column(rollout);
                experience.push(observation.as_slice(), action, log_probability, outcome.reward)?;
                experience.terminate();
                learner.note(outcome.reward);
            }
            Ok(experience)
        })
    }

    /// Trains on an environment that is asked step by step, run side by side in as many copies as
    /// `environments` has.
    ///
    /// Their number is part of the method: another one gives another, equally good, result. Threads
    /// take eight of them each, and the result has the same bits for any number of threads.
    /// Episodes that an update interrupts go on after it, and after a checkpoint too: their actions
    /// are taken once more, so an environment must do the same again from the same seed.
    ///
    /// # Errors
    /// [`Error::Empty`] without environments, [`Error::Length`] where their observation is not the
    /// actor's, [`Error::RewardNotFinite`], and those of [`Learner::update`] and of the environment.
    pub fn train_environment<E>(
        &mut self,
        environments: &mut [E],
        plan: Plan<'_, T, P>,
        observer: impl FnMut(&Progress<'_, T, P>) -> ControlFlow<()>,
    ) -> Result<History>
    where
        E: Environment<Action = P::Action>,
        P: Send,
        P::Action: Clone + Send + Sync,
    {
        let Some(first) = environments.first() else {
            return Err(Error::Empty { argument: "environments" });
        };
        let width = first.observation_length();
        check::length("the observation", width, self.actor.network.inputs())?;
        if !self.ongoing.is_empty() {
            check::length("environments", environments.len(), self.ongoing.len())?;
        }
        let mut slots = Vec::with_capacity(environments.len());
        for (index, environment) in environments.iter_mut().enumerate() {
            let ongoing = self.ongoing.get(index).cloned().flatten();
            let mut slot = Slot::new(environment, index as u64, width);
            if let Some(ongoing) = ongoing {
                slot.replay(ongoing)?;
            }
            slots.push(slot);
        }
        self.run(plan, observer, |learner| {
            let (streams, update) = (learner.streams, learner.updates);
            let source = Source { actor: &learner.actor, streams, update };
            collect(&mut slots, &source, learner.options.collect)?;
            let mut experience = Experience::new(width);
            let mut ended = Vec::new();
            learner.ongoing.clear();
            for slot in &mut slots {
                experience.append(slot.take());
                ended.append(&mut slot.ended);
                learner.ongoing.push(slot.ongoing.clone());
            }
            ended.sort_by_key(|&(step, _)| step);
            for (_, earned) in ended {
                learner.note(earned);
            }
            Ok(experience)
        })
    }

    /// The loop around updates.
    fn run(
        &mut self,
        mut plan: Plan<'_, T, P>,
        mut observer: impl FnMut(&Progress<'_, T, P>) -> ControlFlow<()>,
        mut experience: impl FnMut(&mut Self) -> Result<Experience<P::Action>>,
    ) -> Result<History> {
        let mut curve = Vec::new();
        while self.steps < plan.steps {
            let before = self.steps;
            let new = experience(self)?;
            let update = self.update(new)?;
            let mut score = None;
            if let Some(scored) = &mut plan.score
                && before / plan.every != self.steps / plan.every
            {
                let found = scored(&self.averaged())?;
                if !found.is_finite() {
                    return Err(Error::NotFinite { argument: "score", index: 0, value: found });
                }
                score = Some(found);
                if self.best.as_ref().is_none_or(|(best, _)| found > *best) {
                    self.best = Some((found, self.average.clone()));
                    self.worse = 0;
                } else {
                    self.worse += 1;
                }
            }
            curve.push(Point {
                steps: self.steps,
                episodes: self.episodes,
                update,
                recent_return: self.recent_return(),
                score,
            });
            let stopped = observer(&Progress { update, score, learner: self }).is_break();
            let stop = if score.is_some_and(|score| score >= plan.goal) {
                TrainingStop::Goal
            } else if score.is_some() && self.worse > plan.patience {
                TrainingStop::NoImprovement
            } else if stopped {
                TrainingStop::Observer
            } else {
                continue;
            };
            return Ok(History { curve, stop });
        }
        Ok(History { curve, stop: TrainingStop::Finished })
    }
}

/// What decides on actions.
struct Source<'a, T: Real, P> {
    actor: &'a Actor<T, P>,
    streams: Streams,
    update: u64,
}

/// An environment with where it stands, and what came of it since the last update.
struct Slot<'a, E: Environment> {
    environment: &'a mut E,
    index: u64,
    observation: Vec<f64>,
    /// The one before.
    before: Vec<f64>,
    ongoing: Option<Ongoing<E::Action>>,
    experience: Experience<E::Action>,
    /// The step within the update at which an episode ended, and its return.
    ended: Vec<(usize, f64)>,
}

/// Environments that are run together. Their number does not depend on threads, so that the network
/// sees the same batches on any machine.
const TOGETHER: usize = 8;

/// Runs the slots, eight at a time, on as many threads as are free.
fn collect<T: Real, P: Policy, E: Environment<Action = P::Action>>(
    slots: &mut [Slot<'_, E>],
    source: &Source<'_, T, P>,
    how: Collect,
) -> Result<()>
where
    P::Action: Clone + Send + Sync,
{
    if slots.len() <= TOGETHER {
        return collect_together(slots, source, how);
    }
    let half = slots.len().div_ceil(TOGETHER) / 2 * TOGETHER;
    let (left, right) = slots.split_at_mut(half);
    let (first, second) = join(|| collect(left, source, how), || collect(right, source, how));
    first.and(second)
}

/// Runs a few environments in step, with one pass through the network for all.
fn collect_together<T: Real, P: Policy, E: Environment<Action = P::Action>>(
    slots: &mut [Slot<'_, E>],
    source: &Source<'_, T, P>,
    how: Collect,
) -> Result<()>
where
    P::Action: Clone,
{
    let mut workspace = Workspace::new();
    let mut generators: Vec<_> = slots
        .iter()
        .map(|slot| source.streams.rng(source.update, slot.index, purpose::ACTION))
        .collect();
    let mut running: Vec<usize> = (0..slots.len()).collect();
    let mut observations = Vec::new();
    for step in 0.. {
        observations.clear();
        for &index in &running {
            let slot = &mut slots[index];
            if slot.ongoing.is_none() {
                let stream = source.streams.key(source.update, slot.index, purpose::SIMULATOR);
                slot.begin(stream.wrapping_add(step as u64))?;
            }
            observations.extend_from_slice(&slot.observation);
        }
        let policies = source.actor.policies_with(&observations, &mut workspace)?;
        for (policy, &index) in policies.iter().zip(&running) {
            let action = policy.sample(&mut generators[index]);
            slots[index].step(policy.log_probability(&action)?, action, step)?;
        }
        match how {
            Collect::Steps(steps) if step + 1 < steps => {}
            Collect::Steps(_) => break,
            Collect::Episodes => running.retain(|&index| slots[index].ongoing.is_some()),
        }
        if running.is_empty() {
            break;
        }
    }
    slots.iter_mut().try_for_each(Slot::cut)
}

impl<'a, E: Environment> Slot<'a, E> {
    fn new(environment: &'a mut E, index: u64, width: usize) -> Self {
        Self {
            environment,
            index,
            observation: vec![0.0; width],
            before: vec![0.0; width],
            ongoing: None,
            experience: Experience::new(width),
            ended: Vec::new(),
        }
    }

    fn begin(&mut self, seed: u64) -> Result<()> {
        self.environment.reset(seed, &mut self.observation)?;
        self.ongoing = Some(Ongoing { seed, actions: Vec::new(), earned: 0.0 });
        Ok(())
    }

    /// Brings the environment to where the episode was.
    fn replay(&mut self, ongoing: Ongoing<E::Action>) -> Result<()> {
        self.environment.reset(ongoing.seed, &mut self.observation)?;
        for action in &ongoing.actions {
            let _ = self.environment.step(action, &mut self.observation)?;
        }
        self.ongoing = Some(ongoing);
        let _ = self.take();
        Ok(())
    }

    fn step(&mut self, log_probability: f64, action: E::Action, step: usize) -> Result<()>
    where
        E::Action: Clone,
    {
        self.before.copy_from_slice(&self.observation);
        let done = self.environment.step(&action, &mut self.observation)?;
        self.experience.push(&self.before, action.clone(), log_probability, done.reward)?;
        if let Some(ongoing) = &mut self.ongoing {
            ongoing.actions.push(action);
            ongoing.earned += done.reward;
        }
        match done.end {
            None => return Ok(()),
            Some(End::Terminated) => self.experience.terminate(),
            Some(End::Truncated) => self.experience.truncate(&self.observation)?,
        }
        if let Some(ongoing) = self.ongoing.take() {
            self.ended.push((step, ongoing.earned));
        }
        Ok(())
    }

    /// Ends the record of an episode that goes on.
    fn cut(&mut self) -> Result<()> {
        match self.ongoing {
            Some(_) => self.experience.truncate(&self.observation),
            None => Ok(()),
        }
    }

    /// The record so far, and a new one.
    fn take(&mut self) -> Experience<E::Action> {
        let mut next = Experience::new(self.observation.len());
        next.continue_from(self.ongoing.as_ref().map_or(0, |ongoing| ongoing.actions.len()));
        std::mem::replace(&mut self.experience, next)
    }
}
