//! Batch normalization.

use linalg::operator::Diagonal;
use linalg::{DVector, Real};
use rand::Rng;

use crate::dual::Dual;
use crate::normal::{Moving, inverse_deviation, pull_back};
use crate::{
    Backward, BackwardTangent, Block, Error, Forward, Layer, Linear, Memory, Mode, Point, Result,
    Shape, Tangent, View,
};

/// Every channel is brought to mean 0 and variance 1 over the batch, then scaled and shifted:
///
/// ```text
/// y = γ·(x − μ)/√(σ² + ε) + β        ε = 1e-5
/// ```
///
/// In training μ and σ² are those of the channel's n values in the batch, at all places of all
/// samples, σ² with the divisor n; the gradient goes through both. In inference they are running
/// values that training has measured: after each step
///
/// ```text
/// running ← 0.9·running + 0.1·measured
/// ```
///
/// with the variance now divided by n − 1. All of this is as PyTorch's `BatchNorm1d` and
/// `BatchNorm2d` have it. Parameters: `weight` γ and `bias` β; state: `running_mean` and
/// `running_var`, an entry per channel each.
///
/// **The wrong turn**: to take μ and σ² for constants in the backward pass. The output does not change
/// when a constant is added to all inputs, so the gradients of a channel add up to 0; with constant
/// statistics they do not.
///
/// # Errors
/// A forward pass in training over a single value per channel is [`Error::OutOfRange`]: its variance
/// is 0/0.
///
/// # References
/// Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal
/// covariate shift", ICML 2015, algorithm 1.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    shape: Shape,
}

/// The weight of a new measurement in the running values.
const MOMENTUM: f64 = 0.1;

impl BatchNorm {
    /// A normalization of the channels of values in the given `shape`.
    #[must_use]
    pub fn new(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into() }
    }

    /// Values of one channel and the range of each in `data`, channel fastest.
    fn channel<T: Copy>(&self, data: &[T], channel: usize) -> Vec<T> {
        data.iter().skip(channel).step_by(self.shape.channels).copied().collect()
    }

    /// x̂ and 1/σ of a channel as they move.
    fn moving<T: Real>(&self, at: Point<'_, T>, x_tangent: &[T], channel: usize) -> Moving<T> {
        let (x, x_tangent) = (self.channel(at.x, channel), self.channel(x_tangent, channel));
        let (mean, inverse) = (at.record[channel], at.record[self.shape.channels + channel]);
        match at.mode {
            Mode::Training { .. } => Moving::new(&x, &x_tangent, mean, inverse),
            Mode::Inference => Moving::fixed(&x, &x_tangent, mean, inverse),
        }
    }
}

/// Adds up `term(x, channel)` over all columns of `channels` values, in blocks, so that roundings
/// grow with the square root of their number at most.
fn sums<T: Real>(columns: &[T], sums: &mut [T], part: &mut [T], term: impl Fn(usize, usize) -> T) {
    const BLOCK: usize = 64;
    let channels = sums.len();
    sums.fill(T::zero());
    for block in (0..columns.len()).step_by(BLOCK * channels) {
        part.fill(T::zero());
        for start in (block..columns.len().min(block + BLOCK * channels)).step_by(channels) {
            for (channel, part) in part.iter_mut().enumerate() {
                *part += term(start + channel, channel);
            }
        }
        for (sum, &part) in sums.iter_mut().zip(part.iter()) {
            *sum += part;
        }
    }
}

impl<T: Real> Layer<T> for BatchNorm {
    fn describe(&self) -> String {
        format!("batch norm {}", self.shape)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn blocks(&self) -> Vec<Block> {
        ["weight", "bias"].map(|name| Block { name, rows: self.shape.channels, columns: 1 }).into()
    }

    fn initialize(&self, parameters: &mut [T], _rng: &mut dyn Rng) {
        let (weight, bias) = parameters.split_at_mut(self.shape.channels);
        weight.fill(T::one());
        bias.fill(T::zero());
    }

    fn state_blocks(&self) -> Vec<Block> {
        ["running_mean", "running_var"]
            .map(|name| Block { name, rows: self.shape.channels, columns: 1 })
            .into()
    }

    fn initialize_state(&self, state: &mut [T]) {
        let (mean, variance) = state.split_at_mut(self.shape.channels);
        mean.fill(T::zero());
        variance.fill(T::one());
    }

    fn update_state(&self, record: &[T], state: &mut [T]) {
        let channels = self.shape.channels;
        let momentum = T::from_double(MOMENTUM);
        let (mean, variance) = state.split_at_mut(channels);
        let measured = mean.iter_mut().zip(&record[..channels]);
        for (running, &measured) in
            measured.chain(variance.iter_mut().zip(&record[2 * channels..3 * channels]))
        {
            *running = (T::one() - momentum) * *running + momentum * measured;
        }
    }

    fn memory(&self, _samples: usize) -> Memory {
        // Mean, inverse deviation and unbiased variance of every channel.
        let channels = self.shape.channels;
        Memory { record: 3 * channels, scratch: 3 * channels, ..Memory::default() }
    }

    fn couples_samples(&self) -> bool {
        true
    }

    fn multiply_adds(&self) -> usize {
        2 * self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let (weight, bias) = pass.parameters.split_at(channels);
        let (mean, rest) = pass.record.split_at_mut(channels);
        let (inverse, unbiased) = rest.split_at_mut(channels);
        let unbiased = &mut unbiased[..channels];
        match pass.mode {
            Mode::Inference => {
                let (running_mean, running_variance) = pass.state.split_at(channels);
                mean.copy_from_slice(running_mean);
                unbiased.copy_from_slice(running_variance);
                for (inverse, &variance) in inverse.iter_mut().zip(running_variance) {
                    *inverse = inverse_deviation(variance);
                }
            }
            Mode::Training { .. } => {
                let values = (pass.x.len() / channels) as f64;
                if values < 2.0 {
                    return Err(Error::OutOfRange {
                        argument: "the number of values per channel in a batch to be normalized",
                        value: values,
                        expected: "at least 2 in training",
                    });
                }
                let part = &mut pass.scratch[..channels];
                sums(pass.x, mean, part, |at, _| pass.x[at]);
                for mean in mean.iter_mut() {
                    *mean /= T::from_double(values);
                }
                sums(pass.x, unbiased, part, |at, channel| {
                    let difference = pass.x[at] - mean[channel];
                    difference * difference
                });
                for (inverse, squares) in inverse.iter_mut().zip(unbiased) {
                    *inverse = inverse_deviation(*squares / T::from_double(values));
                    *squares /= T::from_double(values - 1.0);
                }
            }
        }
        for (x, y) in pass.x.chunks_exact(channels).zip(pass.y.chunks_exact_mut(channels)) {
            for k in 0..channels {
                y[k] = weight[k] * ((x[k] - mean[k]) * inverse[k]) + bias[k];
            }
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let weight = &pass.parameters[..channels];
        let (mean, rest) = pass.record.split_at(channels);
        let inverse = &rest[..channels];
        let normal = |at: usize, channel: usize| (pass.x[at] - mean[channel]) * inverse[channel];
        let (along, rest) = pass.scratch.split_at_mut(channels);
        let (sum, rest) = rest.split_at_mut(channels);
        let part = &mut rest[..channels];
        sums(pass.x, along, part, |at, channel| pass.dy[at] * normal(at, channel));
        sums(pass.x, sum, part, |at, _| pass.dy[at]);
        if let Some(gradient) = pass.gradient {
            let (weight, bias) = gradient.split_at_mut(channels);
            weight.copy_from_slice(along);
            bias.copy_from_slice(sum);
        }
        let Some(dx) = pass.dx else { return Ok(()) };
        // What the batch's own mean and variance contribute; running values contribute nothing.
        let share = match pass.mode {
            Mode::Inference => T::zero(),
            Mode::Training { .. } => T::one() / T::from_double((pass.x.len() / channels) as f64),
        };
        for start in (0..dx.len()).step_by(channels) {
            for k in 0..channels {
                let own = (sum[k] + normal(start + k, k) * along[k]) * share;
                dx[start + k] = (pass.dy[start + k] - own) * (weight[k] * inverse[k]);
            }
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let (weight_tangent, bias_tangent) = pass.parameters_tangent.split_at(channels);
        for channel in 0..channels {
            let weight = Dual::new(pass.at.parameters[channel], weight_tangent[channel]);
            let moving = self.moving(pass.at, pass.x_tangent, channel);
            let y = pass.y_tangent.iter_mut().skip(channel).step_by(channels);
            for (y, &normal) in y.zip(&moving.normal) {
                *y = (weight * normal).slope + bias_tangent[channel];
            }
        }
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let mut dx = pass.dx_tangent;
        for channel in 0..channels {
            let weight = Dual::new(pass.at.parameters[channel], pass.parameters_tangent[channel]);
            let moving = self.moving(pass.at, pass.x_tangent, channel);
            let (dy, dy_tangent) =
                (self.channel(pass.dy, channel), self.channel(pass.dy_tangent, channel));
            let dy = crate::dual::duals(&dy, &dy_tangent);
            let (mut along, mut sum) = (T::zero(), T::zero());
            for (&dy, &normal) in dy.iter().zip(&moving.normal) {
                along += (dy * normal).slope;
                sum += dy.slope;
            }
            pass.gradient_tangent[channel] = along;
            pass.gradient_tangent[channels + channel] = sum;
            let Some(dx) = &mut dx else { continue };
            let d_normal: Vec<Dual<T>> = dy.iter().map(|&dy| dy * weight).collect();
            let mut write = |k: usize, value: Dual<T>| dx[k * channels + channel] = value.slope;
            match pass.at.mode {
                Mode::Training { .. } => {
                    pull_back::<T, _>(&moving.normal, moving.inverse, &d_normal, write);
                }
                Mode::Inference => {
                    for (k, &d_normal) in d_normal.iter().enumerate() {
                        write(k, d_normal * moving.inverse);
                    }
                }
            }
        }
        Ok(())
    }

    /// With the running values it is affine: y = d·x + (β − d·μ), d = γ/√(σ² + ε).
    fn view<'a>(&'a self, parameters: &'a [T], state: &'a [T]) -> View<'a, T> {
        let channels = self.shape.channels;
        let ((weight, bias), (mean, variance)) =
            (parameters.split_at(channels), state.split_at(channels));
        let scale: Vec<T> =
            weight.iter().zip(variance).map(|(&w, &v)| w * inverse_deviation(v)).collect();
        let shift = |channel: usize| bias[channel] - scale[channel] * mean[channel];
        let offsets: Vec<T> = (0..channels).map(shift).collect();
        let places = self.shape.places();
        let diagonal = Diagonal::new(DVector::from_vec(scale.repeat(places)));
        View::Affine {
            linear: Linear::Operator(Box::new(diagonal)),
            bias: offsets.repeat(places).into(),
        }
    }
}
