//! A batch divided into shards, each with a trace of its own, for as many threads as there are.

use linalg::parallel::join;
use linalg::{DMatrix, DVector, Real};

use crate::chain::{Chain, Numbers};
use crate::trace::{grow, view_mut};
use crate::{Gradients, Loss, Mode, Result, Trace};

/// The buffers for passes over a batch in shards: they are allocated for the first batch and reused.
///
/// Into how many shards a batch is divided depends on its size and on the network alone, and their
/// gradients are added in order. Results therefore have the same bits for any number of threads.
///
/// Layers run fused here, so that what lies between them cannot be seen. To see it, use a
/// [`Trace`].
#[derive(Debug, Clone)]
pub struct Workspace<T: Real> {
    prepared: Vec<Vec<T>>,
    shards: Vec<Shard<T>>,
    gradient: DVector<T>,
    output: DMatrix<T>,
    /// 0, 1, …: the samples of a full batch.
    all: Vec<usize>,
}

/// A part of the batch.
#[derive(Debug, Clone)]
struct Shard<T: Real> {
    trace: Trace<T>,
    /// Its columns of the input, where they had to be gathered.
    gathered: Vec<T>,
    loss: f64,
}

/// What is asked of every shard.
struct Task<'a, T: Real> {
    chain: &'a Chain<T>,
    numbers: Numbers<'a, T>,
    x: &'a DMatrix<T>,
    /// The columns of `x` that make the batch.
    samples: &'a [usize],
    /// Columns in each shard but the last.
    columns: usize,
    mode: Mode,
    /// The loss, and its weight over the whole batch.
    loss: Option<(&'a dyn Loss<T>, f64)>,
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
            all: Vec::new(),
        }
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
        self.run(chain, parameters, state, x, &all, Mode::Inference, None)?;
        self.all = all;
        let outputs = chain.sizes[chain.layers.len()];
        if self.output.shape() != (outputs, x.ncols()) {
            self.output = DMatrix::zeros(outputs, x.ncols());
        }
        let mut rest = self.output.as_mut_slice();
        for shard in &self.shards {
            let p = shard.trace.output();
            let (part, left) = rest.split_at_mut(p.len());
            view_mut(part, p.nrows(), p.ncols()).copy_from(&p);
            rest = left;
        }
        Ok(&self.output)
    }

    /// The loss of the given columns of `x`, its gradient left in the workspace.
    #[expect(clippy::too_many_arguments, reason = "one caller, within the crate")]
    pub(crate) fn loss_and_gradient(
        &mut self,
        chain: &Chain<T>,
        parameters: &[T],
        state: &[T],
        x: &DMatrix<T>,
        samples: &[usize],
        mode: Mode,
        loss: &dyn Loss<T>,
    ) -> Result<f64> {
        let weight = loss.weight(samples);
        self.run(chain, parameters, state, x, samples, mode, Some((loss, weight)))?;
        if self.shards.len() > 1 {
            self.reduce();
        }
        Ok(self.shards.iter().map(|shard| shard.loss).sum())
    }

    /// Has the layers learn from the last pass.
    pub(crate) fn update_state(&self, chain: &Chain<T>, state: &mut [T]) {
        // Layers with a state couple the samples, so that there is one shard.
        if let [only] = self.shards.as_slice() {
            chain.update_state(&only.trace, state);
        }
    }

    /// The first layer of `chain` whose output holds a NaN or an infinity after the last pass.
    pub(crate) fn first_not_finite(&self, chain: &Chain<T>) -> Option<usize> {
        (0..chain.layers.len()).find(|&layer| {
            self.shards.iter().any(|shard| {
                let y = shard.trace.output_of(layer);
                y.is_some_and(|y| y.iter().any(|y| !y.is_finite()))
            })
        })
    }

    #[expect(clippy::too_many_arguments, reason = "two callers, within this file")]
    fn run(
        &mut self,
        chain: &Chain<T>,
        parameters: &[T],
        state: &[T],
        x: &DMatrix<T>,
        samples: &[usize],
        mode: Mode,
        loss: Option<(&dyn Loss<T>, f64)>,
    ) -> Result<()> {
        chain.prepare(parameters, &mut self.prepared);
        let pieces = pieces(chain, samples.len(), mode);
        let columns = samples.len().div_ceil(pieces);
        let pieces = samples.len().div_ceil(columns);
        self.shards.resize_with(pieces, || Shard {
            trace: Trace::new(),
            gathered: Vec::new(),
            loss: 0.0,
        });
        let numbers = Numbers { parameters, state, prepared: &self.prepared };
        let task = Task { chain, numbers, x, samples, columns, mode, loss };
        task.run(&mut self.shards, 0)
    }

    /// Shards of the last batch.
    #[cfg(test)]
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Adds the gradients of the shards, in order.
    fn reduce(&mut self) {
        let Some((first, rest)) = self.shards.split_first() else { return };
        if self.gradient.len() == first.trace.gradient.len() {
            self.gradient.copy_from(&first.trace.gradient);
        } else {
            self.gradient = first.trace.gradient.clone();
        }
        for shard in rest {
            self.gradient += &shard.trace.gradient;
        }
    }

    fn all(&mut self, samples: usize) -> Vec<usize> {
        let mut all = std::mem::take(&mut self.all);
        all.clear();
        all.extend(0..samples);
        all
    }
}

impl<T: Real> Task<'_, T> {
    /// Runs `shards`, the first of which is shard `first` of the batch.
    fn run(&self, shards: &mut [Shard<T>], first: usize) -> Result<()> {
        if let [shard] = shards {
            return self.run_one(shard, first);
        }
        let middle = shards.len() / 2;
        let (left, right) = shards.split_at_mut(middle);
        let (left, right) = join(|| self.run(left, first), || self.run(right, first + middle));
        left.and(right)
    }

    fn run_one(&self, shard: &mut Shard<T>, index: usize) -> Result<()> {
        let start = index * self.columns;
        let samples = &self.samples[start..self.samples.len().min(start + self.columns)];
        let Shard { trace, gathered, loss } = shard;
        trace.mode = self.mode;
        trace.first_sample = start;
        self.chain.make_room(samples.len(), trace);
        let x = columns(self.x, samples, gathered);
        self.chain.forward(self.numbers, x, trace)?;
        let Some((function, weight)) = self.loss else { return Ok(()) };
        let (p, mut dp) = trace.output_and_delta();
        *loss = function.evaluate(samples, p, dp.as_view_mut())?;
        let own = function.weight(samples);
        if samples.len() < self.samples.len() {
            // A mean over the shard becomes its share of the mean over the batch.
            let share = if weight > 0.0 { own / weight } else { 0.0 };
            *loss *= share;
            dp *= T::from_double(share);
        }
        self.chain.backward(self.numbers, x, Gradients::Parameters, trace)
    }
}

/// The given columns of `x`, one after the other: where they stand, if they stand so.
fn columns<'a, T: Real>(x: &'a DMatrix<T>, samples: &[usize], gathered: &'a mut Vec<T>) -> &'a [T] {
    let rows = x.nrows();
    let first = samples[0];
    if samples.iter().enumerate().all(|(at, &sample)| sample == first + at) {
        return &x.as_slice()[first * rows..(first + samples.len()) * rows];
    }
    grow(gathered, rows * samples.len());
    let gathered = &mut gathered[..rows * samples.len()];
    for (to, &from) in gathered.chunks_exact_mut(rows).zip(samples) {
        to.copy_from_slice(&x.as_slice()[from * rows..][..rows]);
    }
    gathered
}

/// Shards of a batch: by its size and the network alone.
///
/// Each should last half a millisecond or so, and adding up the gradients should cost little beside
/// computing them.
fn pieces<T: Real>(chain: &Chain<T>, samples: usize, mode: Mode) -> usize {
    /// Multiply-adds worth a thread.
    const GRAIN: usize = 20_000_000;
    const MOST: usize = 16;
    let training = mode != Mode::Inference;
    if training && chain.layers.iter().any(|layer| layer.couples_samples()) {
        return 1;
    }
    let work = samples.saturating_mul(chain.multiply_adds());
    let parameters = chain.parameters.last().map_or(0, |range| range.end).max(1);
    // Passes over the parameters that the shards' work is worth.
    let passes = work / parameters;
    let affordable = (passes / 256).max((passes / 64).min(2));
    (3 * work / GRAIN).min(affordable).min(MOST).min(samples).max(1)
}
