//! Policy gradients from experience: one update for episodes of one step and of many.

use std::collections::VecDeque;
use std::fmt;

use linalg::parallel::join;
use linalg::{DMatrix, Real};
use nn_core::{Adam, Network, Optimizer, Workspace};
use rand::seq::SliceRandom;

use crate::learning::advantage::rewards_to_go;
use crate::learning::data::Data;
use crate::learning::pass::Pass;
use crate::learning::training::Ongoing;
use crate::{
    Actor, Ascent, Error, Experience, LearnOptions, Policy, Result, Streams, Surrogate, check,
};

/// What random numbers are drawn for: the purpose of a stream.
pub(crate) mod purpose {
    pub(crate) const ACTION: u64 = 0;
    pub(crate) const CONTEXT: u64 = 1;
    pub(crate) const SIMULATOR: u64 = 2;
    pub(crate) const SHUFFLE: u64 = 3;
}

/// Beyond e²⁰ a ratio of probabilities only overflows.
pub(crate) const LARGEST_LOG_RATIO: f64 = 20.0;

/// An actor that learns, with all that lives from one update to the next: value network, optimizers,
/// recent data, averaged weights, counters.
///
/// [`Learner::train`] runs the loop on a [`Simulator`](crate::Simulator), one action per episode;
/// [`Learner::train_environment`] on [`Environment`](crate::Environment)s, step by step;
/// [`Learner::update`] is what both call, for a loop of the caller's own. All that is random follows
/// from the seed and the count of updates, so that a learner resumed from its
/// [`state`](Learner::state) goes on to the same bits, with any number of threads.
///
/// # Examples
/// A spring is to be pulled to where the context says; what it answers to a force is not known.
/// ```
/// use std::ops::ControlFlow;
/// use nn_core::{Network, Tanh};
/// use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
/// use rl_pg::{
///     Actor, DiagonalGaussian, LearnOptions, Learner, Outcome, Plan, Policy, Result, Simulator,
/// };
///
/// struct Spring;
///
/// impl Simulator for Spring {
///     fn context_length(&self) -> usize { 1 }
///     fn action_length(&self) -> usize { 1 }
///     fn rollout(&mut self, context: &[f64], force: &[f64], _seed: u64) -> Result<Outcome> {
///         let off = 0.5 * force[0] - context[0];
///         Ok(Outcome { reward: -off * off, metrics: Vec::new() })
///     }
/// }
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let mut network = || Network::<f32>::builder(1).dense(8).activation(Tanh).dense(1).build(&mut rng);
/// // The network makes the mean; the logarithm of the deviation, one free parameter, starts at -1.
/// let actor = Actor::new(network()?, vec![-1.0], DiagonalGaussian::from_parameters)?;
/// let mut learner = Learner::new(actor, LearnOptions::default(), 7)?.with_value(network()?)?;
///
/// let context = |rng: &mut dyn rand::Rng, x: &mut [f64]| x[0] = rng.random_range(-1.0..1.0);
/// let _ = learner.train(&mut [Spring], context, Plan::steps(5_000), |progress| {
///     let _ = progress.update.mean_return; // draw it, log it, or stop
///     ControlFlow::Continue(())
/// })?;
/// let force = learner.averaged().policy(&[0.4])?.mode();
/// assert!((force[0] - 0.8).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// R. J. Williams (1992), as in [`score_function`](crate::score_function); Schulman et al. (2017), as
/// in [`Surrogate::Clipped`]; ratios cut off from above for older data: L. Espeholt et al., "IMPALA",
/// ICML 2018, equation 1.
pub struct Learner<T: Real, P: Policy> {
    pub(crate) actor: Actor<T, P>,
    pub(crate) options: LearnOptions,
    pub(crate) streams: Streams,
    pub(crate) value: Option<Value<T>>,
    pub(crate) optimizer: Adam<T>,
    pub(crate) free_optimizer: Adam<f64>,
    /// The averaged parameters.
    pub(crate) average: Vec<f64>,
    /// The batches that the next update learns from besides its own.
    pub(crate) kept: VecDeque<Experience<P::Action>>,
    pub(crate) updates: u64,
    pub(crate) steps: u64,
    pub(crate) episodes: u64,
    /// The returns of the last episodes that ended.
    pub(crate) recent: VecDeque<f64>,
    /// For each environment, the episode that goes on after the update.
    pub(crate) ongoing: Vec<Option<Ongoing<P::Action>>>,
    /// The best score in a test, and the parameters that had it.
    pub(crate) best: Option<(f64, Vec<f64>)>,
    pub(crate) worse: u64,
    /// What the policy's rates are multiplied by.
    pub(crate) pace: f64,
    pub(crate) workspace: Workspace<T>,
    pub(crate) pass: Pass<T>,
}

/// A network that learns what to expect.
pub(crate) struct Value<T: Real> {
    pub(crate) network: Network<T>,
    pub(crate) optimizer: Adam<T>,
    workspace: Workspace<T>,
    pass: Pass<T>,
}

/// A gradient of the policy.
pub(crate) struct Climb {
    /// Its length.
    norm: f64,
    /// Σ ρ − 1 − log ρ over its samples.
    moved: f64,
    /// How many of them the clip held still.
    held: f64,
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct Update {
    /// Steps that it learned from, those kept from earlier batches included.
    pub samples: usize,
    /// The mean reward-to-go of the new batch's first steps: of whole rollouts, their reward.
    pub mean_return: f64,
    /// How far the policy moved, as an estimate of KL(start ‖ end): the mean of ρ − 1 − log ρ over
    /// the last pass.
    pub divergence: f64,
    /// The share of samples in the last pass that the objective's clip held still.
    pub clipped: f64,
    /// The share of the variance of the returns that the value network foresaw, before the update;
    /// `None` without one.
    pub explained: Option<f64>,
}

impl<T: Real, P: Policy> fmt::Debug for Learner<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learner")
            .field("actor", &self.actor)
            .field("options", &self.options)
            .field("updates", &self.updates)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl<T: Real, P: Policy> Learner<T, P> {
    /// A learner that has learned nothing.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for options without sense.
    pub fn new(actor: Actor<T, P>, options: LearnOptions, seed: u64) -> Result<Self> {
        options.check()?;
        Ok(Self {
            average: actor.parameters(),
            optimizer: Adam::new(options.rate)?,
            free_optimizer: Adam::new(options.free_rate)?,
            actor,
            options,
            streams: Streams::new(seed),
            value: None,
            kept: VecDeque::new(),
            updates: 0,
            steps: 0,
            episodes: 0,
            recent: VecDeque::new(),
            ongoing: Vec::new(),
            best: None,
            worse: 0,
            pace: 1.0,
            workspace: Workspace::new(),
            pass: Pass::new(),
        })
    }

    /// Has this network learn what return to expect after an observation, which is then the
    /// baseline, stands for what is behind a truncation, and bootstraps λ < 1.
    ///
    /// It is given the same standardized inputs as the actor's network.
    ///
    /// # Errors
    /// [`Error::Length`] unless it has the actor's inputs and one output.
    pub fn with_value(mut self, network: Network<T>) -> Result<Self> {
        check::length("the value network's input", network.inputs(), self.actor.network.inputs())?;
        check::length("the value network's output", network.outputs(), 1)?;
        let optimizer = Adam::new(self.options.value_rate)?;
        let (workspace, pass) = (Workspace::new(), Pass::new());
        self.value = Some(Value { network, optimizer, workspace, pass });
        Ok(self)
    }

    /// The policy as it explores now.
    #[must_use]
    pub fn actor(&self) -> &Actor<T, P> {
        &self.actor
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &LearnOptions {
        &self.options
    }

    /// Updates so far.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Steps learned from so far; rollouts, where an episode is one step.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Episodes that ended so far.
    #[must_use]
    pub fn episodes(&self) -> u64 {
        self.episodes
    }

    /// The return that the value network expects after an observation; `None` without one.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`].
    pub fn value(&self, observation: &[f64]) -> Result<Option<f64>> {
        let x = self.actor.inputs(observation)?;
        let found = self.value.as_ref().map(|value| value.network.predict(&x)).transpose()?;
        Ok(found.map(|value| value[0].to_double()))
    }

    /// The mean return of the last 100 episodes that ended; `None` before so many have.
    #[must_use]
    pub fn recent_return(&self) -> Option<f64> {
        (self.recent.len() == RECENT).then(|| self.recent.iter().sum::<f64>() / RECENT as f64)
    }

    /// The policy with averaged weights, which fluctuates less: the one to use.
    ///
    /// After update k the average keeps min(a, k/(k + 5)) of itself, a being
    /// [`LearnOptions::averaging`].
    #[must_use]
    pub fn averaged(&self) -> Actor<T, P> {
        self.with_parameters(&self.average)
    }

    /// The best score in a test so far, with the averaged policy that had it.
    #[must_use]
    pub fn best(&self) -> Option<(f64, Actor<T, P>)> {
        self.best.as_ref().map(|(score, theta)| (*score, self.with_parameters(theta)))
    }

    fn with_parameters(&self, parameters: &[f64]) -> Actor<T, P> {
        let mut actor = self.actor.clone();
        actor.put(parameters);
        actor
    }

    /// Learns from new experience, and once more from the batches kept.
    ///
    /// The log-probabilities of `experience` must be those of the actor as it is.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::OpenEpisode`], [`Error::Length`] for observations of another
    /// length; [`Error::TooFewSamples`] for a batch baseline on one episode; [`Error::Diverged`]
    /// where a gradient is not a number, before it is followed.
    pub fn update(&mut self, experience: Experience<P::Action>) -> Result<Update> {
        experience.check_complete()?;
        check::length("observation", experience.width, self.actor.network.inputs())?;
        let (steps, mean_return) = (experience.len(), mean_return(&experience, &self.options));
        self.kept.push_back(experience);
        let (data, explained) = self.prepare()?;
        let samples = data.start.len();
        let actions: Vec<(usize, usize)> = (0..self.kept.len())
            .flat_map(|batch| (0..self.kept[batch].len()).map(move |step| (batch, step)))
            .collect();
        let passes = Passes {
            streams: self.streams,
            update: self.updates,
            epochs: self.options.epochs,
            samples,
            mini_batches: (samples / self.options.mini_batch.min(samples)).max(1),
        };
        // Neither looks at what the other learns in an update.
        let mut value = self.value.take();
        let (climbed, followed) = join(
            || self.climb(passes, &data, &actions),
            || value.as_mut().map_or(Ok(()), |value| value.follow(passes, &data)),
        );
        self.value = value;
        let (divergence, clipped) = climbed?;
        followed?;
        self.forget();
        self.updates += 1;
        self.steps += steps as u64;
        self.average();
        Ok(Update { samples, mean_return, divergence, clipped, explained })
    }

    /// Moves the policy: how far, and the share of samples held by the clip.
    fn climb(
        &mut self,
        passes: Passes,
        data: &Data<T>,
        actions: &[(usize, usize)],
    ) -> Result<(f64, f64)> {
        if let Ascent::Natural { damping } = self.options.ascent {
            return Ok((self.natural_step(damping, data, actions)?, 0.0));
        }
        let (mut moved, mut held) = (0.0, 0.0);
        passes.run(|epoch, chosen| {
            let found = self.policy_gradient(chosen, data, actions)?;
            self.policy_step(found.norm);
            if epoch + 1 == passes.epochs {
                (moved, held) = (moved + found.moved, held + found.held);
            }
            Ok(())
        })?;
        let samples = passes.samples as f64;
        let divergence = moved / samples;
        if divergence > 1.5 * self.options.divergence {
            self.pace /= 1.2;
        } else if divergence < self.options.divergence / 1.5 {
            self.pace = (self.pace * 1.2).min(1.0);
        }
        Ok((divergence, held / samples))
    }

    /// Drops the oldest batches, as far as [`LearnOptions::least_samples`] and
    /// [`LearnOptions::least_batches`] can do without them once the next batch is there, which is taken to be
    /// as large as the last.
    fn forget(&mut self) {
        let next = self.kept.back().map_or(0, Experience::len);
        let mut samples = next + self.kept.iter().map(Experience::len).sum::<usize>();
        while let Some(oldest) = self.kept.front().map(Experience::len)
            && samples - oldest >= self.options.least_samples
            && self.kept.len() >= self.options.least_batches
        {
            samples -= oldest;
            self.kept.pop_front();
        }
    }

    /// The gradient of what the policy's optimizers descend, of the chosen samples, left in `pass`.
    pub(crate) fn policy_gradient(
        &mut self,
        chosen: &[usize],
        data: &Data<T>,
        actions: &[(usize, usize)],
    ) -> Result<Climb> {
        let Self { actor, pass, kept, options, .. } = self;
        let share = 1.0 / chosen.len() as f64;
        let write = |sample: usize, policy: &P, slopes: &mut [f64], room: &mut Vec<f64>| {
            let (batch, step) = actions[sample];
            let action = &kept[batch].actions[step];
            let log_ratio = policy.log_probability(action)? - data.start[sample];
            let ratio = log_ratio.min(LARGEST_LOG_RATIO).exp();
            let moved = ratio - 1.0 - log_ratio;
            let advantage = data.advantages[sample];
            let (pull, held) = match options.surrogate {
                Surrogate::ScoreFunction => (advantage, 0.0),
                Surrogate::Clipped(clip) => {
                    let far = if advantage > 0.0 { ratio > 1.0 + clip } else { ratio < 1.0 - clip };
                    if far { (0.0, 1.0) } else { (ratio * advantage, 0.0) }
                }
            };
            if pull != 0.0 {
                policy.score(action, slopes)?;
                // The optimizers descend, and this is to be climbed.
                let factor = -share * data.weights[sample] * pull;
                slopes.iter_mut().for_each(|slope| *slope *= factor);
            }
            if options.entropy != 0.0 {
                room.resize(slopes.len(), 0.0);
                policy.entropy_gradient(room)?;
                for (slope, entropy) in slopes.iter_mut().zip(room) {
                    *slope -= share * options.entropy * *entropy;
                }
            }
            Ok([moved, held])
        };
        let [moved, held] = pass.climb(actor, (&data.x, chosen), &write)?;
        let norm = pass.norm();
        if !norm.is_finite() {
            return Err(Error::Diverged { what: "policy", update: self.updates, value: norm });
        }
        Ok(Climb { norm, moved, held })
    }

    /// One step of the policy's optimizers along the gradient in `pass`, whose length is `norm`, cut down to what it may be.
    fn policy_step(&mut self, norm: f64) {
        self.pass.cut(norm, self.options.clip_norm);
        self.optimizer.scale_rate(self.pace);
        self.free_optimizer.scale_rate(self.pace);
        self.optimizer.step(self.actor.network.parameters_mut(), self.pass.gradient());
        self.free_optimizer.step(&mut self.actor.free, self.pass.free());
        self.actor.hold_free();
    }

    /// Moves the averaged weights.
    fn average(&mut self) {
        let k = self.updates as f64;
        let keep = self.options.averaging.min(k / (k + 5.0));
        let now = self.actor.network.parameters().iter().map(|theta| theta.to_double());
        let now = now.chain(self.actor.free.iter().copied());
        for (average, now) in self.average.iter_mut().zip(now) {
            *average = keep * *average + (1.0 - keep) * now;
        }
    }

    /// Notes the return of an episode that ended.
    pub(crate) fn note(&mut self, episode_return: f64) {
        self.episodes += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(episode_return);
    }
}

/// Episodes in the mean that says how training goes.
pub(crate) const RECENT: usize = 100;

impl<T: Real> Value<T> {
    /// The values of network inputs, a column each.
    pub(crate) fn of(&mut self, x: &DMatrix<T>) -> Result<Vec<f64>> {
        let values = self.network.predict_with(x, &mut self.workspace)?;
        Ok(values.iter().map(|value| value.to_double()).collect())
    }

    /// Learns what to expect.
    fn follow(&mut self, passes: Passes, data: &Data<T>) -> Result<()> {
        passes.run(|_, chosen| self.step(chosen, data, passes.update))
    }

    /// A step towards the targets in mean square.
    fn step(&mut self, chosen: &[usize], data: &Data<T>, update: u64) -> Result<()> {
        let share = 1.0 / chosen.len() as f64;
        self.pass.regress(&self.network, (&data.x, chosen), &data.targets, share)?;
        let norm = self.pass.norm();
        if !norm.is_finite() {
            return Err(Error::Diverged { what: "value", update, value: norm });
        }
        self.optimizer.step(self.network.parameters_mut(), self.pass.gradient());
        Ok(())
    }
}

/// The passes of an update over its samples, in mini-batches that are the same for all who ask.
#[derive(Clone, Copy)]
struct Passes {
    streams: Streams,
    update: u64,
    epochs: usize,
    samples: usize,
    mini_batches: usize,
}

impl Passes {
    /// Calls `learn` with the number of the pass and the samples of each mini-batch.
    fn run(self, mut learn: impl FnMut(usize, &[usize]) -> Result<()>) -> Result<()> {
        let mut order: Vec<usize> = (0..self.samples).collect();
        for epoch in 0..self.epochs {
            order.iter_mut().enumerate().for_each(|(index, sample)| *sample = index);
            if self.mini_batches > 1 {
                order.shuffle(&mut self.streams.rng(self.update, epoch as u64, purpose::SHUFFLE));
            }
            let end = |piece| piece * self.samples / self.mini_batches;
            for piece in 0..self.mini_batches {
                learn(epoch, &order[end(piece)..end(piece + 1)])?;
            }
        }
        Ok(())
    }
}

/// The mean return of a batch's episodes, or of what is recorded of them.
fn mean_return<A: fmt::Debug>(experience: &Experience<A>, options: &LearnOptions) -> f64 {
    let returns = experience.stretches().map(|(first, episode)| {
        rewards_to_go(&experience.rewards[first..episode.end], options.discount, 0.0)[0]
    });
    returns.sum::<f64>() / experience.episodes() as f64
}

#[cfg(test)]
pub(crate) mod tests;
