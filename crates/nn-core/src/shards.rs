//! A batch divided into shards, each with a trace of its own, for as many threads as there are.

use std::ops::Range;
use std::sync::Arc;

use linalg::parallel::{available_threads, inside, join};
use linalg::team::Team;
use linalg::{DMatrix, DVector, Real, Threads};

use crate::buffer::Buffer;
use crate::chain::{Chain, Numbers};
use crate::check::{all_finite, size};
use crate::entries::first_in_a_row;
use crate::{Descent, Error, Gradients, Loss, Mode, Passes, Result, Trace, sharing};

/// The buffers for passes over a batch in shards: they are allocated for the first batch and reused.
///
/// Into how many shards a batch is divided depends on its size and on the network alone, and their
/// gradients are added in order. Results therefore have the same bits for any number of threads.
///
/// Layers run fused here, so that what lies between them cannot be seen. To see it, use a
/// [`Trace`].
#[derive(Debug, Clone)]
pub struct Workspace<T: Real> {
    prepared: Vec<Buffer<T>>,
    shards: Vec<Shard<T>>,
    gradient: DVector<T>,
    output: DMatrix<T>,
    /// dL/dP, where a caller makes it.
    slopes: DMatrix<T>,
    /// 0, 1, …: the samples of a full batch.
    all: Vec<usize>,
    team: Option<Arc<dyn Team>>,
}

/// A part of the batch.
#[derive(Debug, Clone)]
pub(crate) struct Shard<T: Real> {
    trace: Trace<T>,
    /// Its columns of the input, where they had to be gathered.
    gathered: Buffer<T>,
    loss: f64,
}

/// A batch, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a, T: Real> {
    pub(crate) x: &'a DMatrix<T>,
    /// The columns of `x` that make the batch.
    pub(crate) samples: &'a [usize],
    pub(crate) loss: Option<&'a dyn Loss<T>>,
    pub(crate) mode: Mode,
}

/// How far a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// To the output, which is kept.
    Output,
    /// As far, from where the caller goes back in every shard.
    Trace,
    /// To the loss, with dL/dP.
    Loss,
    /// As far, from where the caller goes back.
    Delta,
    /// Back to the parameters.
    Gradient,
}

impl Wanted {
    fn passes(self) -> Passes {
        match self {
            Self::Output | Self::Loss => Passes::Forward,
            Self::Trace | Self::Delta | Self::Gradient => Passes::Both,
        }
    }
}

/// What is asked of every shard.
pub(crate) struct Task<'a, T: Real> {
    chain: &'a Chain<T>,
    pub(crate) numbers: Numbers<'a, T>,
    pub(crate) batch: Batch<'a, T>,
    /// The loss's weight over the whole batch.
    weight: f64,
    /// Columns in each shard but the last.
    columns: usize,
    /// Shards that a thread runs one after the other, in the same buffers.
    in_turn: usize,
    /// What the batch is worth.
    threads: Threads,
    wanted: Wanted,
}

impl<T: Real> Default for Workspace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Workspace<T> {
    /// An empty workspace, for any network.
    #[must_use]
    pub fn new() -> Self {
        Self {
            prepared: Vec::new(),
            shards: Vec::new(),
            gradient: DVector::zeros(0),
            output: DMatrix::zeros(0, 0),
            slopes: DMatrix::zeros(0, 0),
            all: Vec::new(),
            team: None,
        }
    }

    /// Has the shards of a batch run by every member of a team, where their gradients are asked for. A team of one
    /// changes nothing.
    pub(crate) fn team(mut self, team: impl Team + 'static) -> Self {
        self.team = (team.members() > 1).then(|| Arc::new(team) as Arc<dyn Team>);
        self
    }

    /// dL/dθ of the last batch.
    #[must_use]
    pub fn gradient(&self) -> &DVector<T> {
        match self.shards.as_slice() {
            [only] => &only.trace.gradient,
            _ => &self.gradient,
        }
    }

    /// P for every column of `x`, in the mode of inference.
    pub(crate) fn predict(
        &mut self,
        chain: &Chain<T>,
        parameters: &[T],
        state: &[T],
        x: &DMatrix<T>,
    ) -> Result<&DMatrix<T>> {
        let all = self.all(x.ncols());
        let batch = Batch { x, samples: &all, loss: None, mode: Mode::Inference };
        shape(&mut self.output, chain.sizes[chain.layers.len()], x.ncols());
        let done = on(threads(chain, x.ncols(), Passes::Forward), || {
            self.run(chain, (parameters, state), batch, Wanted::Output)
        });
        self.put_back(all);
        done?;
        Ok(&self.output)
    }

    /// The gradient of a loss that `slopes` knows, left in the workspace: it is given P for every column of x
    /// and writes dL/dP.
    pub(crate) fn pull_back<R, E: From<Error>>(
        &mut self,
        chain: &Chain<T>,
        numbers: (&[T], &[T]),
        (x, mode): (&DMatrix<T>, Mode),
        slopes: impl FnOnce(&DMatrix<T>, &mut DMatrix<T>) -> Result<R, E>,
    ) -> Result<R, E> {
        let (outputs, samples) = (chain.sizes[chain.layers.len()], x.ncols());
        shape(&mut self.output, outputs, samples);
        shape(&mut self.slopes, outputs, samples);
        self.slopes.fill(T::zero());
        let all = self.all(samples);
        let batch = Batch { x, samples: &all, loss: None, mode };
        let threads = threads(chain, samples, Passes::Both);
        let done = on(threads, || self.run(chain, numbers, batch, Wanted::Trace));
        let result = done.map_err(E::from).and_then(|_| {
            let result = slopes(&self.output, &mut self.slopes)?;
            size("output_gradient", "rows", self.slopes.nrows(), outputs)?;
            size("output_gradient", "columns", self.slopes.ncols(), samples)?;
            all_finite("output_gradient", &self.slopes)?;
            on(threads, || {
                let (parameters, state) = numbers;
                let numbers = Numbers { parameters, state, prepared: &self.prepared };
                let task = Task::new(chain, numbers, batch, Wanted::Trace);
                task.go_back(&mut self.shards, 0, self.slopes.as_slice())?;
                self.reduce(threads);
                Result::Ok(())
            })?;
            Ok(result)
        });
        self.put_back(all);
        result
    }

    /// The loss of a batch, its gradient left in the workspace.
    pub(crate) fn loss_and_gradient(
        &mut self,
        chain: &Chain<T>,
        numbers: (&[T], &[T]),
        batch: Batch<'_, T>,
    ) -> Result<f64> {
        let threads = threads(chain, batch.samples.len(), Passes::Both);
        on(threads, || {
            let value = self.run(chain, numbers, batch, Wanted::Gradient)?;
            if self.team.is_none() {
                self.reduce(threads);
            }
            Ok(value)
        })
    }

    /// The loss of a batch, without its gradient.
    pub(crate) fn loss(
        &mut self,
        chain: &Chain<T>,
        numbers: (&[T], &[T]),
        batch: Batch<'_, T>,
    ) -> Result<f64> {
        on(threads(chain, batch.samples.len(), Passes::Forward), || {
            self.run(chain, numbers, batch, Wanted::Loss)
        })
    }

    /// The loss of a batch, and a step of gradient descent from it, unless the loss is no number.
    pub(crate) fn descend(
        &mut self,
        chain: &Chain<T>,
        numbers: (&mut [T], &[T]),
        batch: Batch<'_, T>,
        descent: Descent<T>,
    ) -> Result<f64> {
        let threads = threads(chain, batch.samples.len(), Passes::Both);
        on(threads, || self.descend_on(threads, chain, numbers, batch, descent))
    }

    fn descend_on(
        &mut self,
        threads: Threads,
        chain: &Chain<T>,
        (parameters, state): (&mut [T], &[T]),
        batch: Batch<'_, T>,
        descent: Descent<T>,
    ) -> Result<f64> {
        if pieces(chain, batch.samples.len(), batch.mode) > 1 {
            let value = self.run(chain, (parameters, state), batch, Wanted::Gradient)?;
            if self.is_finite(value) && self.team.is_some() {
                descent.apply(parameters, self.gradient.as_slice());
            } else if self.is_finite(value) {
                let take = |theta: &mut [T], sum: &[T]| descent.apply(theta, sum);
                reduce(threads, &self.shards, parameters, 0, &take);
            }
            return Ok(value);
        }
        // One shard: every layer takes its step on the way back.
        let value = self.run(chain, (parameters, state), batch, Wanted::Delta)?;
        if let ([Shard { trace, gathered, .. }], true) =
            (self.shards.as_mut_slice(), value.is_finite())
        {
            let x = columns(batch.x, batch.samples, gathered);
            chain.descend(descent, parameters, (state, &self.prepared), x, trace)?;
        }
        Ok(value)
    }

    /// Whether the last pass gave numbers: the loss, and all that ran backward.
    pub(crate) fn is_finite(&self, loss: f64) -> bool {
        loss.is_finite() && self.shards.iter().all(|shard| shard.trace.first_bad_delta.is_none())
    }

    /// Has the layers learn from the last pass.
    pub(crate) fn update_state(&self, chain: &Chain<T>, state: &mut [T]) {
        // Layers with a state couple the samples, so that there is one shard.
        if let [only] = self.shards.as_slice() {
            chain.update_state(&only.trace, state);
        }
    }

    /// Runs the batch in shards; their losses together.
    fn run(
        &mut self,
        chain: &Chain<T>,
        (parameters, state): (&[T], &[T]),
        batch: Batch<'_, T>,
        wanted: Wanted,
    ) -> Result<f64> {
        chain.prepare(parameters, wanted.passes(), &mut self.prepared);
        let numbers = Numbers { parameters, state, prepared: &self.prepared };
        let task = Task::new(chain, numbers, batch, wanted);
        self.shards.resize_with(task.shards(), || Shard {
            trace: Trace::new(),
            gathered: Buffer::default(),
            loss: 0.0,
        });
        if let (Some(team), Wanted::Gradient, true) = (&self.team, wanted, self.shards.len() > 1) {
            if self.gradient.len() != parameters.len() {
                self.gradient = DVector::zeros(parameters.len());
            }
            let gradient = self.gradient.as_mut_slice();
            let total = sharing::run(&**team, &task, &mut self.shards, gradient)?;
            for shard in &mut self.shards {
                // What other members ran left nothing here but this.
                shard.trace.first_bad_delta = (!total.is_finite).then_some(0);
            }
            return Ok(total.loss);
        }
        let output = match wanted {
            Wanted::Output | Wanted::Trace => self.output.as_mut_slice(),
            _ => &mut [],
        };
        task.run(&mut self.shards, 0, output)?;
        Ok(self.shards.iter().map(|shard| shard.loss).sum())
    }

    /// Shards of the last batch.
    #[cfg(test)]
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Adds the gradients of the shards, in order.
    fn reduce(&mut self, threads: Threads) {
        let [first, _, ..] = self.shards.as_slice() else { return };
        if self.gradient.len() != first.trace.gradient.len() {
            self.gradient = first.trace.gradient.clone();
        }
        let gradient = self.gradient.as_mut_slice();
        let take = |gradient: &mut [T], sum: &[T]| gradient.copy_from_slice(sum);
        reduce(threads, &self.shards, gradient, 0, &take);
    }

    /// Takes back what [`Workspace::all`] gave.
    pub(crate) fn put_back(&mut self, all: Vec<usize>) {
        self.all = all;
    }

    /// 0, 1, … up to `samples`, out of the workspace.
    pub(crate) fn all(&mut self, samples: usize) -> Vec<usize> {
        let mut all = std::mem::take(&mut self.all);
        all.clear();
        all.extend(0..samples);
        all
    }
}

impl<'a, T: Real> Task<'a, T> {
    fn new(
        chain: &'a Chain<T>,
        numbers: Numbers<'a, T>,
        batch: Batch<'a, T>,
        wanted: Wanted,
    ) -> Self {
        let samples = batch.samples.len();
        let weight = batch.loss.map_or(0.0, |loss| loss.weight(batch.samples));
        let columns = samples.div_ceil(pieces(chain, samples, batch.mode));
        let shards = samples.div_ceil(columns);
        let threads = threads(chain, samples, wanted.passes());
        let in_turn = match threads {
            Threads::One => shards,
            Threads::Pool => shards.div_ceil(available_threads()),
        };
        Self { chain, numbers, batch, weight, columns, in_turn, threads, wanted }
    }

    fn shards(&self) -> usize {
        self.batch.samples.len().div_ceil(self.columns)
    }

    /// The samples of shard `index`, which are columns of x.
    fn samples(&self, index: usize) -> &'a [usize] {
        let (all, start) = (self.batch.samples, index * self.columns);
        &all[start..all.len().min(start + self.columns)]
    }

    /// Runs `shards`, the first of which is shard `first` of the batch; `output` has the columns of
    /// theirs, or none.
    pub(crate) fn run(
        &self,
        shards: &mut [Shard<T>],
        first: usize,
        output: &mut [T],
    ) -> Result<()> {
        let rows = self.chain.sizes[self.chain.layers.len()];
        let middle = shards.len().div_ceil(self.in_turn) / 2 * self.in_turn;
        if middle > 0 {
            let (left, right) = shards.split_at_mut(middle);
            let at = output.len().min(middle * self.columns * rows);
            let (before, after) = output.split_at_mut(at);
            let (left, right) =
                join(|| self.run(left, first, before), || self.run(right, first + middle, after));
            return left.and(right);
        }
        for index in 0..shards.len() {
            let start = output.len().min(index * self.columns * rows);
            let end = output.len().min(start + self.columns * rows);
            self.run_one(&mut shards[index], first + index, &mut output[start..end])?;
            if self.wanted == Wanted::Trace {
                continue;
            }
            // On to the next shard, and from the last to the first for the next batch.
            if let Ok([from, to]) = shards.get_disjoint_mut([index, (index + 1) % shards.len()]) {
                from.trace.hand_over(&mut to.trace);
            }
        }
        Ok(())
    }

    /// Runs shard `index` of the batch; `output` has its columns, or none.
    fn run_one(&self, shard: &mut Shard<T>, index: usize, output: &mut [T]) -> Result<()> {
        let (all, samples) = (self.batch.samples, self.samples(index));
        let Shard { trace, gathered, loss } = shard;
        trace.mode = self.batch.mode;
        trace.first_sample = index * self.columns;
        trace.threads = if samples.len() < all.len() { Threads::One } else { self.threads };
        trace.first_bad_delta = None;
        trace.passes = self.wanted.passes();
        self.chain.make_room(samples.len(), trace);
        let x = columns(self.batch.x, samples, gathered);
        if self.wanted == Wanted::Output {
            return self.chain.forward(self.numbers, (x, Some(output)), trace);
        }
        self.chain.forward(self.numbers, (x, None), trace)?;
        let (p, dp) = trace.output_and_delta();
        let Some(function) = self.batch.loss else {
            output.copy_from_slice(p);
            return Ok(());
        };
        *loss = function.evaluate_list(samples, p, dp)?;
        if samples.len() < all.len() {
            // A mean over the shard becomes its share of the mean over the batch.
            let own = function.weight(samples);
            let share = if self.weight > 0.0 { own / self.weight } else { 0.0 };
            *loss *= share;
            let share = T::from_double(share);
            dp.iter_mut().for_each(|dp| *dp *= share);
        }
        match self.wanted {
            Wanted::Output | Wanted::Trace | Wanted::Loss | Wanted::Delta => Ok(()),
            Wanted::Gradient => {
                self.chain.backward(self.numbers, (x, None), Gradients::Parameters, trace)
            }
        }
    }

    /// From `slopes`, dL/dP for the samples of `shards`, back to their gradients; the first of them is
    /// shard `first` of the batch.
    fn go_back(&self, shards: &mut [Shard<T>], first: usize, slopes: &[T]) -> Result<()> {
        let rows = self.chain.sizes[self.chain.layers.len()];
        let middle = shards.len().div_ceil(self.in_turn) / 2 * self.in_turn;
        if middle > 0 {
            let (left, right) = shards.split_at_mut(middle);
            let (before, after) = slopes.split_at(middle * self.columns * rows);
            let (left, right) = join(
                || self.go_back(left, first, before),
                || self.go_back(right, first + middle, after),
            );
            return left.and(right);
        }
        let shares = slopes.chunks((self.columns * rows).max(1));
        for (index, (Shard { trace, gathered, .. }, slopes)) in
            shards.iter_mut().zip(shares).enumerate()
        {
            let x = columns(self.batch.x, self.samples(first + index), gathered);
            let given = (x, Some(slopes));
            self.chain.backward(self.numbers, given, Gradients::Parameters, trace)?;
        }
        Ok(())
    }
}

impl<T: Real> Shard<T> {
    pub(crate) fn gradient(&self, range: Range<usize>) -> &[T] {
        &self.trace.gradient.as_slice()[range]
    }

    /// Its share of the loss, and whether all that ran backward were numbers.
    pub(crate) fn outcome(&self) -> (f64, bool) {
        (self.loss, self.trace.first_bad_delta.is_none())
    }
}

/// Calls `take` with pieces of `target`, which begins at `start` of the parameters, and the sum of
/// the shards' gradients there, each added in order.
fn reduce<T: Real>(
    threads: Threads,
    shards: &[Shard<T>],
    target: &mut [T],
    start: usize,
    take: &(impl Fn(&mut [T], &[T]) + Sync),
) {
    /// Numbers that are worth a thread.
    const GRAIN: usize = 65_536;
    const PIECE: usize = 512;
    if target.len() > GRAIN && threads == Threads::Pool {
        let middle = (target.len() / 2).next_multiple_of(PIECE);
        let (left, right) = target.split_at_mut(middle);
        join(
            || reduce(threads, shards, left, start, take),
            || reduce(threads, shards, right, start + middle, take),
        );
        return;
    }
    let [first, second, rest @ ..] = shards else { return };
    let mut sums = [T::zero(); PIECE];
    for (at, target) in target.chunks_mut(PIECE).enumerate() {
        let range = start + at * PIECE..start + at * PIECE + target.len();
        let sums = &mut sums[..target.len()];
        let gradient = |shard| Shard::gradient(shard, range.clone());
        for ((sum, &g), &h) in sums.iter_mut().zip(gradient(first)).zip(gradient(second)) {
            *sum = g + h;
        }
        for shard in rest {
            for (sum, &g) in sums.iter_mut().zip(gradient(shard)) {
                *sum += g;
            }
        }
        take(target, sums);
    }
}

/// Makes it so large, where it is not.
fn shape<T: Real>(matrix: &mut DMatrix<T>, rows: usize, columns: usize) {
    if matrix.shape() != (rows, columns) {
        *matrix = DMatrix::zeros(rows, columns);
    }
}

/// The given columns of `x`, one after the other: where they stand, if they stand so.
fn columns<'a, T: Real>(
    x: &'a DMatrix<T>,
    samples: &[usize],
    gathered: &'a mut Buffer<T>,
) -> &'a [T] {
    let rows = x.nrows();
    let first = samples[0];
    if first_in_a_row(samples).is_some() {
        return &x.as_slice()[first * rows..(first + samples.len()) * rows];
    }
    gathered.grow(rows * samples.len());
    let gathered = &mut gathered[..rows * samples.len()];
    for (to, &from) in gathered.chunks_exact_mut(rows).zip(samples) {
        to.copy_from_slice(&x.as_slice()[from * rows..][..rows]);
    }
    gathered
}

/// Shards of a batch: by its size and the network alone. One, where the layers use the threads
/// themselves: then weights are read once, and no gradient is written down to be added up.
///
/// Each should last half a millisecond or so, and adding up the gradients should cost little beside
/// computing them.
fn pieces<T: Real>(chain: &Chain<T>, samples: usize, mode: Mode) -> usize {
    /// Multiply-adds worth a thread.
    const GRAIN: usize = 20_000_000;
    const MOST: usize = 16;
    let training = mode != Mode::Inference;
    if chain.uses_threads || (training && chain.couples_samples) {
        return 1;
    }
    let work = samples.saturating_mul(chain.multiply_adds);
    let parameters = chain.parameters.last().map_or(0, |range| range.end).max(1);
    // Passes over the parameters that the shards' work is worth.
    let passes = work / parameters;
    let affordable = (passes / 1024).max((passes / 64).min(2));
    (3 * work / GRAIN).min(affordable).min(MOST).min(samples).max(1)
}

/// The threads that a batch is worth: to wake others and to be woken takes a tenth of a millisecond, which little work
/// does not win back.
fn threads<T: Real>(chain: &Chain<T>, samples: usize, passes: Passes) -> Threads {
    /// Multiply-adds of half a millisecond.
    const WORTH: usize = 1 << 25;
    let forward = samples.saturating_mul(chain.multiply_adds);
    let work = if passes == Passes::Both { forward.saturating_mul(3) } else { forward };
    if work < WORTH || available_threads() == 1 { Threads::One } else { Threads::Pool }
}

/// Runs `work` among the threads that it may use.
fn on<A: Send>(threads: Threads, work: impl FnOnce() -> A + Send) -> A {
    match threads {
        Threads::One => work(),
        Threads::Pool => inside(work),
    }
}
