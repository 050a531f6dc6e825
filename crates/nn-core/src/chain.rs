//! Layers one after the other, run forward and backward on one trace.

use std::mem::{swap, take};
use std::ops::Range;
use std::sync::Arc;

use linalg::Real;

use crate::buffer::Buffer;
use crate::check::is_finite;
use crate::{
    Backward, BackwardTangent, Block, Descent, Forward, Gradients, Layer, Mode, Passes, Point,
    Result, Tangent, Trace,
};

/// Layers in the order of a forward pass, and where the numbers of each one lie.
#[derive(Debug, Clone)]
pub(crate) struct Chain<T: Real> {
    pub(crate) layers: Vec<Arc<dyn Layer<T>>>,
    /// Where each layer's parameters lie in θ.
    pub(crate) parameters: Vec<Range<usize>>,
    /// Where each layer's state lies.
    pub(crate) state: Vec<Range<usize>>,
    /// Values in a column of the input and of every layer's output.
    pub(crate) sizes: Vec<usize>,
    /// Multiplications and additions for one sample's forward pass.
    pub(crate) multiply_adds: usize,
    /// Whether a layer's output for one sample depends on the others in training.
    pub(crate) couples_samples: bool,
    /// Whether nine tenths of the multiplications are in layers that divide their work themselves.
    pub(crate) uses_threads: bool,
}

/// The numbers that a pass reads and does not write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a, T> {
    pub(crate) parameters: &'a [T],
    pub(crate) state: &'a [T],
    /// What each layer has prepared.
    pub(crate) prepared: &'a [Buffer<T>],
}

/// What moves, and what the velocity of the gradient is wanted of besides θ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Velocities<'a, T> {
    pub(crate) theta: &'a [T],
    pub(crate) input: &'a [T],
    pub(crate) to_input: bool,
}

impl<T: Real> Chain<T> {
    pub(crate) fn new(layers: Vec<Arc<dyn Layer<T>>>) -> Self {
        let input = layers.first().map_or(0, |layer| layer.input().len());
        let sizes =
            [input].into_iter().chain(layers.iter().map(|layer| layer.output().len())).collect();
        let parameters = ranges(layers.iter().map(|layer| entries(&layer.blocks())));
        let state = ranges(layers.iter().map(|layer| entries(&layer.state_blocks())));
        let multiply_adds = layers.iter().map(|layer| layer.multiply_adds()).sum();
        let couples_samples = layers.iter().any(|layer| layer.couples_samples());
        let themselves = layers.iter().filter(|layer| layer.uses_threads());
        let themselves: usize = themselves.map(|layer| layer.multiply_adds()).sum();
        let uses_threads = 10 * themselves >= 9 * multiply_adds;
        Self { layers, parameters, state, sizes, multiply_adds, couples_samples, uses_threads }
    }

    /// The same function in fewer layers, as far as neighbours can be fused.
    pub(crate) fn fused(&self) -> Self {
        let mut fused = Vec::<Arc<dyn Layer<T>>>::new();
        for layer in &self.layers {
            match fused.last().and_then(|last| last.fuse(layer.as_ref())) {
                Some(both) => {
                    fused.pop();
                    fused.push(both);
                }
                None => fused.push(layer.clone()),
            }
        }
        Self::new(fused)
    }

    /// Has every layer prepare what it derives from the parameters.
    pub(crate) fn prepare(&self, parameters: &[T], passes: Passes, prepared: &mut Vec<Buffer<T>>) {
        prepared.resize(self.layers.len(), Buffer::default());
        for ((layer, range), prepared) in self.layers.iter().zip(&self.parameters).zip(prepared) {
            let len = layer.memory(0).prepared;
            if prepared.len() != len {
                *prepared = Buffer::zeros(len);
            }
            layer.prepare(&parameters[range.clone()], passes, prepared);
        }
    }

    /// Makes room in `trace` for a pass over `samples` columns.
    pub(crate) fn make_room(&self, samples: usize, trace: &mut Trace<T>) {
        trace.samples = samples;
        trace.has_input_gradient = false;
        if trace.sizes != self.sizes || trace.outputs.len() != self.layers.len() {
            trace.sizes.clone_from(&self.sizes);
            trace.outputs.resize(self.layers.len(), Buffer::default());
            trace.records.resize(self.layers.len(), Buffer::default());
        }
        let parameters = self.parameters.last().map_or(0, |range| range.end);
        if trace.gradient.len() != parameters {
            trace.gradient = linalg::DVector::zeros(parameters);
        }
        let mut scratch = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            let memory = layer.memory(samples);
            trace.outputs[index].grow(self.sizes[index + 1] * samples);
            trace.records[index].grow(memory.record);
            scratch = scratch.max(memory.scratch);
        }
        trace.scratch.grow(scratch);
        let widest = self.sizes.iter().copied().max().unwrap_or(0);
        trace.delta.grow(widest * samples);
        trace.next_delta.grow(widest * samples);
    }

    /// From `x`, column after column, to the outputs of all layers in `trace`; that of the last one is
    /// written to `output` instead, where there is one.
    pub(crate) fn forward(
        &self,
        numbers: Numbers<'_, T>,
        (x, mut output): (&[T], Option<&mut [T]>),
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let samples = trace.samples;
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = trace.outputs.split_at_mut(index);
            let x = before.last().map_or(x, |y| &y[..self.sizes[index] * samples]);
            let own = if index + 1 < self.layers.len() { None } else { output.take() };
            layer.forward(Forward {
                parameters: &numbers.parameters[self.parameters[index].clone()],
                state: &numbers.state[self.state[index].clone()],
                prepared: &numbers.prepared[index],
                samples,
                x,
                y: own.unwrap_or(&mut after[0][..self.sizes[index + 1] * samples]),
                record: &mut trace.records[index],
                passes: trace.passes,
                scratch: &mut trace.scratch,
                mode: mode_of(trace.mode, index),
                first_sample: trace.first_sample,
                threads: trace.threads,
            })?;
        }
        Ok(())
    }

    /// From dL/dP in `trace` to the gradients, after a forward pass from `x`; or from `outside`, where that is
    /// dL/dP, which was found finite.
    pub(crate) fn backward(
        &self,
        numbers: Numbers<'_, T>,
        (x, outside): (&[T], Option<&[T]>),
        wanted: Gradients,
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let Numbers { parameters, state, prepared } = numbers;
        self.walk_back((state, prepared), (x, outside), wanted, trace, |index, pass| {
            let parameters = &parameters[self.parameters[index].clone()];
            let gradient = pass.gradient.filter(|_| wanted != Gradients::Input);
            self.layers[index].backward(Backward { parameters, gradient, ..pass })
        })
    }

    /// From dL/dP in `trace` to a step of gradient descent, layer by layer, after a forward pass
    /// from `x`.
    pub(crate) fn descend(
        &self,
        descent: Descent<T>,
        parameters: &mut [T],
        state_and_prepared: (&[T], &[Buffer<T>]),
        x: &[T],
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let wanted = Gradients::Parameters;
        self.walk_back(state_and_prepared, (x, None), wanted, trace, |index, pass| {
            let parameters = &mut parameters[self.parameters[index].clone()];
            self.layers[index].descend(descent, parameters, pass)
        })
    }

    /// Calls `step` for every layer, last to first, with all but its parameters.
    fn walk_back(
        &self,
        (state, prepared): (&[T], &[Buffer<T>]),
        (x, mut outside): (&[T], Option<&[T]>),
        wanted: Gradients,
        trace: &mut Trace<T>,
        mut step: impl FnMut(usize, Backward<'_, T>) -> Result<()>,
    ) -> Result<()> {
        trace.first_bad_delta = None;
        trace.has_input_gradient = false;
        for index in (0..self.layers.len()).rev() {
            let given = (x, outside.take());
            self.step_back((state, prepared), given, wanted, trace, index, |pass| {
                step(index, pass)
            })?;
        }
        trace.has_input_gradient = wanted != Gradients::Parameters;
        Ok(())
    }

    /// Calls `step` for layer `index`, with all but its parameters; `trace.delta` holds dL/dy before,
    /// unless that is `outside`, and dL/dx afterwards.
    fn step_back(
        &self,
        (state, prepared): (&[T], &[Buffer<T>]),
        (x, outside): (&[T], Option<&[T]>),
        wanted: Gradients,
        trace: &mut Trace<T>,
        index: usize,
        step: impl FnOnce(Backward<'_, T>) -> Result<()>,
    ) -> Result<()> {
        let samples = trace.samples;
        let (inputs, outputs) = (self.sizes[index] * samples, self.sizes[index + 1] * samples);
        let (before, after) = trace.outputs.split_at(index);
        let dy = outside.unwrap_or(&trace.delta[..outputs]);
        let unknown = outside.is_none() && trace.first_bad_delta.is_none();
        let unknown = unknown && !self.parameters[index].is_empty();
        let sums = self.layers[index].delta_sums().filter(|_| wanted != Gradients::Input);
        if unknown && sums.is_none() && !is_finite(dy) {
            trace.first_bad_delta = Some(index);
        }
        step(Backward {
            parameters: &[],
            state: &state[self.state[index].clone()],
            prepared: &prepared[index],
            samples,
            x: before.last().map_or(x, |y| &y[..inputs]),
            y: &after[0][..outputs],
            dy,
            gradient: Some(&mut trace.gradient.as_mut_slice()[self.parameters[index].clone()]),
            dx: (index > 0 || wanted != Gradients::Parameters)
                .then(|| &mut trace.next_delta[..inputs]),
            record: &trace.records[index],
            scratch: &mut trace.scratch,
            mode: mode_of(trace.mode, index),
            first_sample: trace.first_sample,
            threads: trace.threads,
        })?;
        if let (true, Some(sums)) = (unknown, sums) {
            let gradient = &trace.gradient.as_slice()[self.parameters[index].clone()];
            if !is_finite(&gradient[sums]) {
                trace.first_bad_delta = Some(index);
            }
        }
        swap(&mut trace.delta, &mut trace.next_delta);
        Ok(())
    }

    /// From the velocities of θ and x to those of all outputs in `trace`, after a forward pass.
    pub(crate) fn tangent(
        &self,
        numbers: Numbers<'_, T>,
        x: &[T],
        parameters_tangent: &[T],
        x_tangent: &[T],
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let mut tangents = take(&mut trace.tangents);
        tangents.outputs.resize(self.layers.len(), Vec::new());
        tangents.records.resize(self.layers.len(), Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = tangents.outputs.split_at_mut(index);
            after[0].clear();
            after[0].resize(self.sizes[index + 1] * trace.samples, T::zero());
            tangents.records[index].clear();
            tangents.records[index].resize(trace.records[index].len(), T::zero());
            layer.tangent(Tangent {
                at: self.point(numbers, x, trace, index),
                parameters_tangent: &parameters_tangent[self.parameters[index].clone()],
                x_tangent: before.last().map_or(x_tangent, |x| x),
                y_tangent: &mut after[0],
                record_tangent: &mut tangents.records[index],
            })?;
        }
        trace.tangents = tangents;
        Ok(())
    }

    /// From dL/dP and its velocity, in `trace`, to the velocity of dL/dθ, and of dL/dX left in `trace`
    /// where asked for, after [`Chain::tangent`].
    pub(crate) fn backward_tangent(
        &self,
        numbers: Numbers<'_, T>,
        x: &[T],
        velocities: Velocities<'_, T>,
        gradient_tangent: &mut [T],
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let samples = trace.samples;
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (inputs, outputs) = (self.sizes[index] * samples, self.sizes[index + 1] * samples);
            let range = self.parameters[index].clone();
            let mut tangents = take(&mut trace.tangents);
            tangents.next_delta.resize(inputs, T::zero());
            layer.backward_tangent(BackwardTangent {
                at: self.point(numbers, x, trace, index),
                dy: &trace.delta[..outputs],
                parameters_tangent: &velocities.theta[range.clone()],
                x_tangent: if index == 0 { velocities.input } else { &tangents.outputs[index - 1] },
                y_tangent: &tangents.outputs[index],
                dy_tangent: &tangents.delta,
                record_tangent: &tangents.records[index],
                gradient_tangent: &mut gradient_tangent[range],
                dx_tangent: (index > 0 || velocities.to_input)
                    .then_some(&mut tangents.next_delta[..]),
            })?;
            swap(&mut tangents.delta, &mut tangents.next_delta);
            trace.tangents = tangents;
            if index > 0 {
                let parameters = &numbers.parameters[self.parameters[index].clone()];
                let kept = (numbers.state, numbers.prepared);
                self.step_back(kept, (x, None), Gradients::Input, trace, index, |pass| {
                    self.layers[index].backward(Backward { parameters, gradient: None, ..pass })
                })?;
            }
        }
        trace.has_input_gradient = false;
        Ok(())
    }

    /// Where layer `index` was evaluated in the pass that `trace` holds.
    fn point<'a>(
        &self,
        numbers: Numbers<'a, T>,
        x: &'a [T],
        trace: &'a Trace<T>,
        index: usize,
    ) -> Point<'a, T> {
        let samples = trace.samples;
        Point {
            parameters: &numbers.parameters[self.parameters[index].clone()],
            state: &numbers.state[self.state[index].clone()],
            prepared: &numbers.prepared[index],
            samples,
            x: if index == 0 {
                x
            } else {
                &trace.outputs[index - 1][..self.sizes[index] * samples]
            },
            y: &trace.outputs[index][..self.sizes[index + 1] * samples],
            record: &trace.records[index],
            mode: mode_of(trace.mode, index),
            first_sample: trace.first_sample,
        }
    }

    /// Has every layer learn from the pass that `trace` holds, where that was for training.
    pub(crate) fn update_state(&self, trace: &Trace<T>, state: &mut [T]) {
        if trace.mode == Mode::Inference {
            return;
        }
        for (index, layer) in self.layers.iter().enumerate() {
            layer.update_state(&trace.records[index], &mut state[self.state[index].clone()]);
        }
    }
}

/// The mode for one layer: its seed is its own.
fn mode_of(mode: Mode, layer: usize) -> Mode {
    match mode {
        Mode::Inference => Mode::Inference,
        Mode::Training { seed } => Mode::Training { seed: mix(seed ^ mix(layer as u64)) },
    }
}

/// A number in which every bit depends on all bits of `x` (the finalizer of `SplitMix64`; Steele,
/// Lea and Flood, OOPSLA 2014).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn entries(blocks: &[Block]) -> usize {
    blocks.iter().map(Block::len).sum()
}

/// Ranges of the given lengths, one after the other.
fn ranges(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut end = 0;
    lengths
        .map(|len| {
            let start = end;
            end += len;
            start..end
        })
        .collect()
}
