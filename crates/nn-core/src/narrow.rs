//! Neighbouring dense layers of few units, run with the samples side by side.

mod columns;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use columns::{Small, combine, inner_products, turn};
use linalg::Real;

use crate::{Activation, Backward, Block, Dense, Forward, Layer, Memory, Result, Shape};

/// Layers with more units fill the processor's lanes by themselves.
const WIDEST: usize = 32;

/// Dense layers of few units with their activations, in which a unit's values for all samples lie
/// side by side, not a sample's values for all units: the products then have long columns, where a
/// column of 8 would not fill one vector. Input and output are turned, and nothing between them.
#[derive(Debug)]
pub(crate) struct Narrow<T: Real> {
    stages: Vec<Stage<T>>,
}

#[derive(Debug, Clone)]
struct Stage<T: Real> {
    dense: Dense,
    activation: Option<Arc<dyn Activation<T>>>,
}

/// The two layers as one, where both are dense and narrow.
pub(crate) fn fuse<T: Real>(
    dense: &Dense,
    activation: Option<&Arc<dyn Activation<T>>>,
    next: &dyn Layer<T>,
) -> Option<Arc<dyn Layer<T>>> {
    let next = (next as &dyn Any).downcast_ref::<Dense>()?;
    if !is_narrow(dense) || !is_narrow(next) {
        return None;
    }
    let first = Stage { dense: dense.clone(), activation: activation.cloned() };
    let second = Stage { dense: next.clone(), activation: None };
    Some(Arc::new(Narrow { stages: vec![first, second] }))
}

fn is_narrow(dense: &Dense) -> bool {
    dense.inputs() <= WIDEST && dense.outputs() <= WIDEST
}

impl<T: Real> Stage<T> {
    fn parameters(&self) -> usize {
        self.dense.outputs() * (self.dense.inputs() + 1)
    }

    /// A = f(X·Wᵀ + 1·bᵀ), samples x outputs; `z` is room for what f is applied to.
    fn forward(&self, parameters: &[T], samples: usize, x: &[T], a: &mut [T], z: &mut [T]) {
        let (weight, bias) = self.dense.split(parameters);
        let weight = Small { entries: weight, strides: (self.dense.outputs(), 1) };
        match &self.activation {
            None => combine(samples, x, weight, Some(bias), a),
            Some(activation) => {
                let z = &mut z[..a.len()];
                combine(samples, x, weight, Some(bias), z);
                activation.values(z, a);
            }
        }
    }

    /// The gradient from dZ, samples x outputs: dW = dZᵀ·X and the column sums of dZ.
    fn gradient(&self, samples: usize, x: &[T], dz: &[T], gradient: &mut [T]) {
        let (weight, bias) = self.dense.split_mut(gradient);
        inner_products(samples, dz, x, weight, bias);
    }

    /// dX = dZ·W.
    fn pull_back(&self, parameters: &[T], samples: usize, dz: &[T], dx: &mut [T]) {
        let weight = self.dense.split(parameters).0;
        let weight = Small { entries: weight, strides: (1, self.dense.outputs()) };
        combine(samples, dz, weight, None, dx);
    }
}

impl<T: Real> Narrow<T> {
    /// Units of the layers from the input on.
    fn widths(&self) -> impl Iterator<Item = usize> {
        let input = self.stages.first().map(|stage| stage.dense.inputs());
        input.into_iter().chain(self.stages.iter().map(|stage| stage.dense.outputs()))
    }
}

impl<T: Real> Layer<T> for Narrow<T> {
    fn describe(&self) -> String {
        let widths: Vec<String> = self.widths().map(|width| width.to_string()).collect();
        format!("dense {}", widths.join(" -> "))
    }

    fn input(&self) -> Shape {
        Layer::<T>::input(&self.stages[0].dense)
    }

    fn output(&self) -> Shape {
        self.stages[self.stages.len() - 1].dense.outputs().into()
    }

    fn blocks(&self) -> Vec<Block> {
        self.stages.iter().flat_map(|stage| Layer::<T>::blocks(&stage.dense)).collect()
    }

    fn memory(&self, samples: usize) -> Memory {
        let widest = self.widths().max().unwrap_or(0);
        let (record, scratch) = (self.widths().sum::<usize>() * samples, 2 * widest * samples);
        Memory { record, scratch, ..Memory::default() }
    }

    fn fuse(&self, next: &dyn Layer<T>) -> Option<Arc<dyn Layer<T>>> {
        let mut stages = self.stages.clone();
        let last = stages.last_mut()?;
        match (next.activation(), (next as &dyn Any).downcast_ref::<Dense>()) {
            (Some(activation), _) if last.activation.is_none() => {
                activation.slope_from_value(T::zero())?;
                last.activation = Some(activation);
            }
            (_, Some(dense)) if is_narrow(dense) => {
                stages.push(Stage { dense: dense.clone(), activation: None });
            }
            _ => return None,
        }
        Some(Arc::new(Self { stages }))
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let samples = pass.samples;
        let (mut x, mut rest) = pass.record.split_at_mut(pass.x.len());
        turn(pass.x, samples, x);
        let mut start = 0;
        for stage in &self.stages {
            let (a, after) = rest.split_at_mut(samples * stage.dense.outputs());
            let parameters = &pass.parameters[start..start + stage.parameters()];
            stage.forward(parameters, samples, x, a, pass.scratch);
            start += stage.parameters();
            (x, rest) = (a, after);
        }
        turn(x, pass.y.len() / samples, pass.y);
        Ok(())
    }

    fn backward(&self, mut pass: Backward<'_, T>) -> Result<()> {
        let samples = pass.samples;
        let (d, dz) = pass.scratch.split_at_mut(pass.scratch.len() / 2);
        let (mut d, mut dz) = (d, dz);
        turn(pass.dy, samples, &mut d[..pass.dy.len()]);
        // From the end: where the stage's output lies in the record, and its parameters in θ.
        let mut end = self.widths().sum::<usize>() * samples;
        let mut parameters_end = pass.parameters.len();
        for (index, stage) in self.stages.iter().enumerate().rev() {
            let (inputs, outputs) =
                (stage.dense.inputs() * samples, stage.dense.outputs() * samples);
            let (x, a) = pass.record[end - outputs - inputs..end].split_at(inputs);
            if let Some(activation) = &stage.activation {
                activation.pull_back(a, a, &d[..outputs], &mut dz[..outputs]);
                std::mem::swap(&mut d, &mut dz);
            }
            let range = parameters_end - stage.parameters()..parameters_end;
            if let Some(gradient) = &mut pass.gradient {
                stage.gradient(samples, x, &d[..outputs], &mut gradient[range.clone()]);
            }
            if index > 0 || pass.dx.is_some() {
                let parameters = &pass.parameters[range.clone()];
                stage.pull_back(parameters, samples, &d[..outputs], &mut dz[..inputs]);
                std::mem::swap(&mut d, &mut dz);
            }
            end -= outputs;
            parameters_end = range.start;
        }
        if let Some(dx) = pass.dx {
            turn(&d[..dx.len()], dx.len() / samples, dx);
        }
        Ok(())
    }
}
