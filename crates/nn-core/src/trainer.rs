//! The training loop: offline, mini-batch and online by one code path.

use std::fmt::Debug;
use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, Real};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

use crate::chain::mix;
use crate::check::{positive, size};
use crate::history::{History, Plan, Progress, Stop};
use crate::{Error, Loss, Mode, Network, Optimizer, OptimizerMemory, Result, Workspace, shards};

/// How many samples a step of training sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// All of them: offline training, one step per epoch.
    Full,
    /// So many, drawn without replacement; the last batch of an epoch may be smaller.
    Mini(usize),
    /// One: online training.
    Online,
}

/// What a gradient is cut down to before a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clip {
    /// The whole gradient to this length, its direction kept.
    Norm(f64),
    /// Every entry to this size.
    Value(f64),
}

/// Trains networks: holds what lives from one epoch to the next (the optimizer's memory, the place
/// in the sequence of epochs, the buffers), so that training 5 epochs twice is training 10 once, to
/// the bit.
///
/// # Examples
/// One weight and the targets 2x; every sample of an epoch is seen once, in an order from the seed.
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Batch, MeanSquaredError, Network, Sgd, Stop, Trainer};
/// use std::ops::ControlFlow;
///
/// let x = DMatrix::from_row_slice(1, 4, &[-1.0, 0.0, 1.0, 2.0]);
/// let targets = &x * 2.0;
/// let loss = MeanSquaredError::new(&targets)?;
/// let mut network = Network::<f64>::builder(1)
///     .dense_from(DMatrix::zeros(1, 1), vec![0.0])
///     .build_given()?;
///
/// let mut trainer = Trainer::new(Sgd::new(0.1, 0.0)?, Batch::Mini(2), 7);
/// let history = trainer.train(&mut network, &x, &loss, 100, |_| ControlFlow::Continue(()))?;
/// assert_eq!((history.losses.len(), history.steps), (100, 200));
/// assert_eq!(history.stop, Stop::Finished);
/// assert!((network.parameters()[0] - 2.0).abs() < 1e-6);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub struct Trainer<T: Real> {
    optimizer: Box<dyn Optimizer<T>>,
    batch: Batch,
    micro: Option<usize>,
    clip: Option<Clip>,
    schedule: Option<Schedule>,
    seed: u64,
    place: Place<T>,
    workspace: Workspace<T>,
    /// The gradient of a batch in several micro-batches, or one that was clipped.
    gradient: Vec<T>,
}

/// The rate's factor at a step.
type Schedule = Box<dyn Fn(u64) -> f64 + Send>;

/// Where training stands.
#[derive(Debug, Clone, PartialEq)]
struct Place<T: Real> {
    epoch: usize,
    /// Steps finished in this epoch.
    step: usize,
    /// Steps finished in all.
    steps: u64,
    /// The losses of this epoch's steps, times their weights, and the weights.
    sum: f64,
    weight: f64,
    /// What to go back to: the least loss so far, and its parameters. None at first.
    best: Option<(f64, DVector<T>)>,
    /// The parameters with which this epoch began.
    start: DVector<T>,
}

/// All that a [`Trainer`] remembers, as plain data: with the network's parameters and state, it is a
/// checkpoint from which training goes on to the same bits. [`Trainer::save`] writes both to a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerState<T> {
    /// The seed that the trainer was made with. What is random in a step follows from it and from
    /// the two counts below.
    pub seed: u64,
    /// Epochs finished.
    pub epoch: u64,
    /// Steps finished in all.
    pub steps: u64,
    /// Steps finished in the epoch that was interrupted.
    pub step_in_epoch: u64,
    /// The sum of that epoch's losses so far, each times its weight.
    pub loss_sum: f64,
    /// The sum of those weights.
    pub weight_sum: f64,
    /// The least loss so far; infinite where there is none.
    pub best_loss: f64,
    /// The parameters that had it; empty where there are none.
    pub best: Vec<T>,
    /// The parameters with which the interrupted epoch began; empty where none has.
    pub start: Vec<T>,
    /// The optimizer's memory.
    pub optimizer: OptimizerMemory<T>,
}

impl<T: Real> Debug for Trainer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("optimizer", &self.optimizer)
            .field("batch", &self.batch)
            .field("micro", &self.micro)
            .field("clip", &self.clip)
            .field("seed", &self.seed)
            .field("epoch", &self.place.epoch)
            .field("steps", &self.place.steps)
            .finish_non_exhaustive()
    }
}

impl<T: Real> Trainer<T> {
    /// A trainer that takes steps with `optimizer`, a `batch` each, shuffled from `seed`.
    #[must_use]
    pub fn new(optimizer: impl Optimizer<T> + 'static, batch: Batch, seed: u64) -> Self {
        Self {
            optimizer: Box::new(optimizer),
            batch,
            micro: None,
            clip: None,
            schedule: None,
            seed,
            place: Place::new(),
            workspace: Workspace::new(),
            gradient: Vec::new(),
        }
    }

    /// Cuts every gradient down before the step.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless its number is greater than 0.
    pub fn clip(mut self, clip: Clip) -> Result<Self> {
        let (Clip::Norm(limit) | Clip::Value(limit)) = clip;
        positive("the limit of a gradient", limit)?;
        self.clip = Some(clip);
        Ok(self)
    }

    /// Multiplies the rate of step t (0, 1, … over all epochs) by `factor(t)`: see
    /// [`schedule`](crate::schedule) for some.
    #[must_use]
    pub fn schedule(mut self, factor: impl Fn(u64) -> f64 + Send + 'static) -> Self {
        self.schedule = Some(Box::new(factor));
        self
    }

    /// Runs a batch in pieces of at most `samples`, whose gradients are added up: the same step to
    /// rounding, in less memory.
    ///
    /// # Errors
    /// [`Error::Empty`] for none.
    pub fn micro_batches(mut self, samples: usize) -> Result<Self> {
        if samples == 0 {
            return Err(Error::Empty { what: "a micro-batch" });
        }
        self.micro = Some(samples);
        Ok(self)
    }

    /// Has every batch run by all members of a team, in the shards that one process has, which are at most 16: the
    /// weights have the same bits. Every member needs the whole `x` and goes through the same steps; what lies between
    /// the layers is divided. Networks that couple samples, as by batch normalization, have one shard, and so have those
    /// whose dense layers do nine tenths of the work, whose weights would have to be sent; every member then runs it for
    /// itself.
    ///
    /// A step sends each shard's gradient to rank 0 and their sum to all.
    #[must_use]
    pub fn team(mut self, team: impl linalg::team::Team + 'static) -> Self {
        self.workspace = self.workspace.team(team);
        self
    }

    /// One step with all columns of `x` as the batch; the loss before it.
    ///
    /// For a loop of the caller's own: no epochs, no shuffling, and no best weights kept.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`], and [`Error::Diverged`] where loss or gradient is not a
    /// number. The network is as before then, unless the loss was a number and the gradient was not.
    pub fn step(
        &mut self,
        network: &mut Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
    ) -> Result<f64> {
        network.check_loss(x, loss)?;
        let all = self.workspace.all(x.ncols());
        let step = self.take_step(network, x, loss, &all);
        self.workspace.put_back(all);
        let (value, bad_layer) = step?;
        match bad_layer {
            None => Ok(value),
            Some(layer) => {
                Err(Error::Diverged { layer, name: network.describe(layer), loss: value })
            }
        }
    }

    /// Trains `network` on the columns of `x`, for a number of epochs or by a [`Plan`], calling
    /// `observer` after every step.
    ///
    /// A run that its observer stopped within an epoch goes on from there.
    ///
    /// # Errors
    /// As [`Network::loss_and_gradient`], and [`Error::Empty`] for mini-batches of no samples. A run
    /// that diverges is not an error: see [`Stop::Diverged`].
    pub fn train<'a>(
        &mut self,
        network: &mut Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        plan: impl Into<Plan<'a, T>>,
        mut observer: impl FnMut(&Progress<'_, T>) -> ControlFlow<()>,
    ) -> Result<History> {
        let plan = plan.into();
        network.check_loss(x, loss)?;
        if let Some(validation) = &plan.validation {
            network.check_loss(validation.x, validation.loss)?;
        }
        let samples = x.ncols();
        let batch = match self.batch {
            Batch::Full => samples,
            Batch::Online => 1,
            Batch::Mini(0) => return Err(Error::Empty { what: "a mini-batch" }),
            Batch::Mini(size) => size.min(samples),
        };
        let steps_per_epoch = samples.div_ceil(batch);
        if self.place.step >= steps_per_epoch
            || self.place.start.len() != network.parameters().len()
        {
            self.place.begin_epoch(network);
        }
        let mut history = History::new(plan.epochs);
        let mut order: Vec<usize> = (0..samples).collect();
        let mut worse = 0;

        for _ in 0..plan.epochs {
            let epoch = self.place.epoch;
            if self.place.step == 0 {
                self.place.begin_epoch(network);
            }
            if batch < samples {
                // From the same order each time, so that seed and epoch alone say what follows.
                order.iter_mut().enumerate().for_each(|(index, sample)| *sample = index);
                let seed = mix(self.seed ^ mix(epoch as u64));
                order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
            }
            for chosen in order.chunks(batch).skip(self.place.step) {
                let (value, mut bad_layer) = self.take_step(network, x, loss, chosen)?;
                let ends = self.place.step + 1 == steps_per_epoch;
                if ends && bad_layer.is_none() {
                    bad_layer = network.broken_layer();
                }
                if let Some(layer) = bad_layer {
                    let name = network.describe(layer);
                    let step = history.steps;
                    history.stop = Stop::Diverged { epoch, step, layer, name, loss: value };
                    self.place.restore(network);
                    self.place.finish_epoch();
                    return Ok(history);
                }
                history.steps += 1;
                self.place.step += 1;
                let weight = loss.weight(chosen);
                self.place.sum += value * weight;
                self.place.weight += weight;
                let epoch_loss = ends.then(|| self.place.loss());
                history.losses.extend(epoch_loss);
                let progress = Progress {
                    epoch,
                    step: self.place.step,
                    steps_per_epoch,
                    loss: value,
                    epoch_loss,
                    network,
                };
                if observer(&progress).is_break() {
                    history.stop = Stop::Observer;
                    if !ends {
                        return Ok(history);
                    }
                }
            }
            let improved = match &plan.validation {
                None => self.place.keep_start(),
                Some(validation) => {
                    let workspace = &mut self.workspace;
                    let value = network.loss_with(validation.x, validation.loss, workspace)?;
                    history.validation.push(value);
                    self.place.keep_end(value, network)
                }
            };
            self.place.finish_epoch();
            worse = if improved { 0 } else { worse + 1 };
            if improved && plan.validation.is_some() {
                history.best_epoch = Some(epoch);
            }
            if history.stop == Stop::Observer {
                break;
            }
            if plan.validation.as_ref().is_some_and(|validation| worse > validation.patience) {
                history.stop = Stop::NoImprovement { epochs: worse };
                break;
            }
        }
        if plan.validation.is_some() {
            self.place.restore(network);
        }
        Ok(history)
    }

    /// What the trainer remembers, for a checkpoint.
    #[must_use]
    pub fn state(&self) -> TrainerState<T> {
        let Place { epoch, step, steps, sum, weight, best, start } = &self.place;
        TrainerState {
            seed: self.seed,
            epoch: *epoch as u64,
            steps: *steps,
            step_in_epoch: *step as u64,
            loss_sum: *sum,
            weight_sum: *weight,
            best_loss: best.as_ref().map_or(f64::INFINITY, |(loss, _)| *loss),
            best: best.as_ref().map_or_else(Vec::new, |(_, best)| best.as_slice().to_vec()),
            start: start.as_slice().to_vec(),
            optimizer: self.optimizer.memory(),
        }
    }

    /// Goes on from a checkpoint: this trainer, made with the same optimizer and options, does what
    /// the one that gave `state` would have done, to the bit.
    ///
    /// # Errors
    /// [`Error::State`] where the optimizer's memory is another one's, [`Error::Size`] where the vectors of
    /// parameters differ in length, [`Error::OutOfRange`] for counts and losses that no run has.
    pub fn resume(&mut self, state: &TrainerState<T>) -> Result<()> {
        /// More steps than a run has time for, so that they can be counted on.
        const MOST: u64 = 1 << 53;
        let counts = [
            ("epoch", state.epoch),
            ("steps", state.steps),
            ("step_in_epoch", state.step_in_epoch),
            ("optimizer.steps", state.optimizer.steps),
        ];
        if let Some(&(argument, count)) = counts.iter().find(|(_, count)| *count > MOST) {
            let (value, expected) = (count as f64, "a count up to 2^53");
            return Err(Error::OutOfRange { argument, value, expected });
        }
        let mut losses = vec![("loss_sum", state.loss_sum), ("weight_sum", state.weight_sum)];
        if !state.best.is_empty() {
            size("best", "entries", state.best.len(), state.start.len())?;
            losses.push(("best_loss", state.best_loss));
        }
        if let Some(&(argument, value)) = losses.iter().find(|(_, loss)| !loss.is_finite()) {
            return Err(Error::OutOfRange { argument, value, expected: "a finite number" });
        }
        self.optimizer.restore(&state.optimizer)?;
        self.seed = state.seed;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let vector = |values: &[T]| DVector::from_column_slice(values);
        self.place = Place {
            epoch: count(state.epoch),
            step: count(state.step_in_epoch),
            steps: state.steps,
            sum: state.loss_sum,
            weight: state.weight_sum,
            best: (!state.best.is_empty()).then(|| (state.best_loss, vector(&state.best))),
            start: vector(&state.start),
        };
        Ok(())
    }

    /// One step on the given columns of `x`: the loss before it, and the layer in which a NaN or an
    /// infinity began.
    fn take_step(
        &mut self,
        network: &mut Network<T>,
        x: &DMatrix<T>,
        loss: &dyn Loss<T>,
        samples: &[usize],
    ) -> Result<(f64, Option<usize>)> {
        if let Some(schedule) = &self.schedule {
            self.optimizer.scale_rate(schedule(self.place.steps));
        }
        let mode = Mode::Training { seed: mix(self.seed ^ mix(!self.place.steps)) };
        self.place.steps += 1;
        let batch = shards::Batch { x, samples, loss: Some(loss), mode };
        let pieces = self.micro.filter(|&size| size < samples.len());
        let plain = self.optimizer.descent().filter(|_| self.clip.is_none() && pieces.is_none());
        let workspace = &mut self.workspace;
        let value = match (plain, pieces) {
            (Some(descent), _) => network.descend(batch, descent, workspace)?,
            (None, None) => network.step_gradient(batch, workspace)?,
            (None, Some(size)) => {
                let total = loss.weight(samples);
                let mut value = 0.0;
                self.gradient.clear();
                self.gradient.resize(network.parameters().len(), T::zero());
                for samples in samples.chunks(size) {
                    let batch = shards::Batch { samples, ..batch };
                    let own = network.step_gradient(batch, workspace)?;
                    if !workspace.is_finite(own) {
                        value = own;
                        break;
                    }
                    network.update_state(workspace);
                    let share = if total > 0.0 { loss.weight(samples) / total } else { 0.0 };
                    value += own * share;
                    let factor = T::from_double(share);
                    for (sum, &g) in self.gradient.iter_mut().zip(workspace.gradient()) {
                        *sum += factor * g;
                    }
                }
                value
            }
        };
        if !workspace.is_finite(value) {
            return Ok((value, Some(network.first_not_finite(batch)?)));
        }
        if pieces.is_none() {
            network.update_state(workspace);
        }
        if plain.is_some() {
            return Ok((value, None));
        }
        let gradient = match (pieces, self.clip) {
            (None, None) => workspace.gradient().as_slice(),
            (pieces, clip) => {
                if pieces.is_none() {
                    self.gradient.clear();
                    self.gradient.extend_from_slice(workspace.gradient().as_slice());
                }
                if let Some(clip) = clip {
                    clip.apply(&mut self.gradient);
                }
                &self.gradient
            }
        };
        self.optimizer.step(network.parameters_mut(), gradient);
        Ok((value, None))
    }
}

impl Clip {
    fn apply<T: Real>(self, gradient: &mut [T]) {
        match self {
            Self::Value(limit) => {
                let limit = T::from_double(limit);
                for g in gradient {
                    *g = g.max(-limit).min(limit);
                }
            }
            Self::Norm(limit) => {
                let squares = gradient.iter().map(|g| g.to_double() * g.to_double());
                let length = squares.sum::<f64>().sqrt();
                if length > limit {
                    let factor = T::from_double(limit / length);
                    for g in gradient {
                        *g *= factor;
                    }
                }
            }
        }
    }
}

impl<T: Real> Place<T> {
    fn new() -> Self {
        let start = DVector::zeros(0);
        Self { epoch: 0, step: 0, steps: 0, sum: 0.0, weight: 0.0, best: None, start }
    }

    fn begin_epoch(&mut self, network: &Network<T>) {
        (self.step, self.sum, self.weight) = (0, 0.0, 0.0);
        if self.start.len() == network.parameters().len() {
            self.start.copy_from(network.parameters());
        } else {
            self.start = network.parameters().clone();
            self.best = None;
        }
    }

    fn finish_epoch(&mut self) {
        self.epoch += 1;
        (self.step, self.sum, self.weight) = (0, 0.0, 0.0);
    }

    /// The mean loss of the epoch so far.
    fn loss(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }

    /// Keeps the parameters with which the epoch began, where its loss is the least yet.
    fn keep_start(&mut self) -> bool {
        let loss = self.loss();
        match &mut self.best {
            Some((best, _)) if loss >= *best => return false,
            Some((best, kept)) => {
                *best = loss;
                std::mem::swap(kept, &mut self.start);
            }
            None => self.best = Some((loss, self.start.clone())),
        }
        true
    }

    /// Keeps the parameters of `network`, where `loss` is the least yet.
    fn keep_end(&mut self, loss: f64, network: &Network<T>) -> bool {
        match &mut self.best {
            Some((best, _)) if loss >= *best => return false,
            Some((best, kept)) => {
                *best = loss;
                kept.copy_from(network.parameters());
            }
            None => self.best = Some((loss, network.parameters().clone())),
        }
        true
    }

    /// Gives the network the best parameters yet; those with which the epoch began where none are.
    fn restore(&self, network: &mut Network<T>) {
        let best = self.best.as_ref().map_or(&self.start, |(_, best)| best);
        network.parameters_mut().copy_from_slice(best.as_slice());
    }
}
