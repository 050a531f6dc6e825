//! Layers one after the other, run forward and backward on one trace.

use std::mem::{swap, take};
use std::ops::Range;
use std::sync::Arc;

use linalg::Real;

use crate::trace::{grow, zeros};
use crate::{
    Backward, BackwardTangent, Block, Forward, Gradients, Layer, Mode, Point, Result, Tangent,
    Trace,
};

/// Layers in the order of a forward pass, and where the numbers of each one lie.
#[derive(Debug, Clone)]
pub(crate) struct Chain<T: Real> {
    pub(crate) layers: Vec<Arc<dyn Layer<T>>>,
    /// The first layer of the network that each one stands for.
    pub(crate) first: Vec<usize>,
    /// Where each layer's parameters lie in θ.
    pub(crate) parameters: Vec<Range<usize>>,
    /// Where each layer's state lies.
    pub(crate) state: Vec<Range<usize>>,
    /// Values in a column of the input and of every layer's output.
    pub(crate) sizes: Vec<usize>,
}

/// The numbers that a pass reads and does not write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers<'a, T> {
    pub(crate) parameters: &'a [T],
    pub(crate) state: &'a [T],
    /// What each layer has prepared.
    pub(crate) prepared: &'a [Vec<T>],
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
        let first = (0..layers.len()).collect();
        let input = layers.first().map_or(0, |layer| layer.input().len());
        let sizes =
            [input].into_iter().chain(layers.iter().map(|layer| layer.output().len())).collect();
        let parameters = ranges(layers.iter().map(|layer| entries(&layer.blocks())));
        let state = ranges(layers.iter().map(|layer| entries(&layer.state_blocks())));
        Self { layers, first, parameters, state, sizes }
    }

    /// The same function in fewer layers, as far as neighbours can be fused.
    pub(crate) fn fused(&self) -> Self {
        let (mut fused, mut first) = (Vec::<Arc<dyn Layer<T>>>::new(), Vec::new());
        for (index, layer) in self.layers.iter().enumerate() {
            match fused.last().and_then(|last| last.fuse(layer.as_ref())) {
                Some(both) => {
                    fused.pop();
                    fused.push(both);
                }
                None => {
                    fused.push(layer.clone());
                    first.push(index);
                }
            }
        }
        Self { first, ..Self::new(fused) }
    }

    /// Has every layer prepare what it derives from the parameters.
    pub(crate) fn prepare(&self, parameters: &[T], prepared: &mut Vec<Vec<T>>) {
        prepared.resize(self.layers.len(), Vec::new());
        for ((layer, range), prepared) in self.layers.iter().zip(&self.parameters).zip(prepared) {
            let len = layer.memory(0).prepared;
            if prepared.len() != len {
                *prepared = zeros(len);
            }
            layer.prepare(&parameters[range.clone()], prepared);
        }
    }

    /// Makes room in `trace` for a pass over `samples` columns.
    pub(crate) fn make_room(&self, samples: usize, trace: &mut Trace<T>) {
        trace.samples = samples;
        trace.has_input_gradient = false;
        if trace.sizes != self.sizes {
            trace.sizes.clone_from(&self.sizes);
            trace.outputs.resize(self.layers.len(), Vec::new());
            trace.records.resize(self.layers.len(), Vec::new());
        }
        let parameters = self.parameters.last().map_or(0, |range| range.end);
        if trace.gradient.len() != parameters {
            trace.gradient = linalg::DVector::zeros(parameters);
        }
        let mut scratch = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            let memory = layer.memory(samples);
            grow(&mut trace.outputs[index], self.sizes[index + 1] * samples);
            grow(&mut trace.records[index], memory.record);
            scratch = scratch.max(memory.scratch);
        }
        grow(&mut trace.scratch, scratch);
        let widest = self.sizes.iter().copied().max().unwrap_or(0);
        grow(&mut trace.delta, widest * samples);
        grow(&mut trace.next_delta, widest * samples);
    }

    /// From `x`, column after column, to the outputs of all layers in `trace`.
    pub(crate) fn forward(
        &self,
        numbers: Numbers<'_, T>,
        x: &[T],
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let samples = trace.samples;
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = trace.outputs.split_at_mut(index);
            let x = before.last().map_or(x, |y| &y[..self.sizes[index] * samples]);
            layer.forward(Forward {
                parameters: &numbers.parameters[self.parameters[index].clone()],
                state: &numbers.state[self.state[index].clone()],
                prepared: &numbers.prepared[index],
                samples,
                x,
                y: &mut after[0][..self.sizes[index + 1] * samples],
                record: &mut trace.records[index],
                scratch: &mut trace.scratch,
                mode: mode_of(trace.mode, index),
                first_sample: trace.first_sample,
            })?;
        }
        Ok(())
    }

    /// From dL/dP in `trace` to the gradients, after a forward pass from `x`.
    pub(crate) fn backward(
        &self,
        numbers: Numbers<'_, T>,
        x: &[T],
        wanted: Gradients,
        trace: &mut Trace<T>,
    ) -> Result<()> {
        for index in (0..self.layers.len()).rev() {
            self.backward_through(numbers, x, wanted, index, trace)?;
        }
        trace.has_input_gradient = wanted != Gradients::Parameters;
        Ok(())
    }

    /// From dL/dy of layer `index`, which `trace.delta` holds, to its gradients; `trace.delta` then
    /// holds dL/dx.
    fn backward_through(
        &self,
        numbers: Numbers<'_, T>,
        x: &[T],
        wanted: Gradients,
        index: usize,
        trace: &mut Trace<T>,
    ) -> Result<()> {
        let samples = trace.samples;
        let (inputs, outputs) = (self.sizes[index] * samples, self.sizes[index + 1] * samples);
        let range = self.parameters[index].clone();
        let (before, after) = trace.outputs.split_at(index);
        self.layers[index].backward(Backward {
            parameters: &numbers.parameters[range.clone()],
            state: &numbers.state[self.state[index].clone()],
            prepared: &numbers.prepared[index],
            samples,
            x: before.last().map_or(x, |y| &y[..inputs]),
            y: &after[0][..outputs],
            dy: &trace.delta[..outputs],
            gradient: (wanted != Gradients::Input)
                .then(|| &mut trace.gradient.as_mut_slice()[range]),
            dx: (index > 0 || wanted != Gradients::Parameters)
                .then(|| &mut trace.next_delta[..inputs]),
            record: &trace.records[index],
            scratch: &mut trace.scratch,
            mode: mode_of(trace.mode, index),
            first_sample: trace.first_sample,
        })?;
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
                self.backward_through(numbers, x, Gradients::Input, index, trace)?;
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

    /// Multiplications and additions for one sample's forward pass.
    pub(crate) fn multiply_adds(&self) -> usize {
        self.layers.iter().map(|layer| layer.multiply_adds()).sum()
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
