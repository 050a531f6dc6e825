//! Layer normalization.

use linalg::Real;
use rand::Rng;

use crate::dual::Dual;
use crate::normal::{Moving, pull_back, statistics};
use crate::{
    Backward, BackwardTangent, Block, Forward, Layer, Memory, Point, Result, Shape, Tangent,
};

/// Every place's channels are brought to mean 0 and variance 1, then scaled and shifted:
///
/// ```text
/// y = γ·(x − μ)/√(σ² + ε) + β        μ, σ² over the channels of one place of one sample
/// ```
///
/// with ε = 1e-5 and σ² divided by the number of channels, as PyTorch's `LayerNorm(channels)` does
/// for a list of values or the steps of a sequence. Parameters: `weight` γ and `bias` β, an entry per
/// channel. Training and inference are the same.
///
/// # References
/// Ba, Kiros & Hinton, "Layer normalization", arXiv 1607.06450, 2016.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorm {
    shape: Shape,
}

impl LayerNorm {
    /// A normalization of values in the given `shape`.
    #[must_use]
    pub fn new(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into() }
    }

    /// Places of all samples.
    fn groups(&self, samples: usize) -> usize {
        self.shape.places() * samples
    }

    /// Calls `each` with the range of each place's values, and x̂ and 1/σ as they move.
    fn for_each_moving<T: Real>(
        &self,
        at: Point<'_, T>,
        x_tangent: &[T],
        mut each: impl FnMut(std::ops::Range<usize>, Moving<T>),
    ) {
        let channels = self.shape.channels;
        for group in 0..self.groups(at.samples) {
            let range = group * channels..(group + 1) * channels;
            let (mean, inverse) = (at.record[2 * group], at.record[2 * group + 1]);
            let moving =
                Moving::new(&at.x[range.clone()], &x_tangent[range.clone()], mean, inverse);
            each(range, moving);
        }
    }
}

impl<T: Real> Layer<T> for LayerNorm {
    fn describe(&self) -> String {
        format!("layer norm {}", self.shape)
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

    fn memory(&self, samples: usize) -> Memory {
        // The mean and the inverse deviation of every place.
        Memory {
            record: 2 * self.groups(samples),
            scratch: 2 * self.shape.channels,
            ..Memory::default()
        }
    }

    fn multiply_adds(&self) -> usize {
        2 * self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let (weight, bias) = pass.parameters.split_at(channels);
        let columns = pass.x.chunks_exact(channels).zip(pass.y.chunks_exact_mut(channels));
        for ((x, y), record) in columns.zip(pass.record.chunks_exact_mut(2)) {
            let (mean, inverse) = statistics(x);
            (record[0], record[1]) = (mean, inverse);
            for (((y, &x), &weight), &bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = weight * ((x - mean) * inverse) + bias;
            }
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let weight = &pass.parameters[..channels];
        let (normal, d_normal) = pass.scratch[..2 * channels].split_at_mut(channels);
        let (mut gradient, mut dx) = (pass.gradient, pass.dx);
        if let Some(gradient) = &mut gradient {
            gradient.fill(T::zero());
        }
        let columns = pass.x.chunks_exact(channels).zip(pass.dy.chunks_exact(channels));
        for (group, ((x, dy), record)) in columns.zip(pass.record.chunks_exact(2)).enumerate() {
            let (mean, inverse) = (record[0], record[1]);
            for k in 0..channels {
                normal[k] = (x[k] - mean) * inverse;
                d_normal[k] = dy[k] * weight[k];
            }
            if let Some(gradient) = &mut gradient {
                for k in 0..channels {
                    gradient[k] += dy[k] * normal[k];
                    gradient[channels + k] += dy[k];
                }
            }
            if let Some(dx) = &mut dx {
                let dx = &mut dx[group * channels..][..channels];
                pull_back::<T, T>(normal, inverse, d_normal, |k, value| dx[k] = value);
            }
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let weight = &pass.at.parameters[..channels];
        let (weight_tangent, bias_tangent) = pass.parameters_tangent.split_at(channels);
        self.for_each_moving(pass.at, pass.x_tangent, |range, moving| {
            for (k, y) in pass.y_tangent[range].iter_mut().enumerate() {
                let scaled = Dual::new(weight[k], weight_tangent[k]) * moving.normal[k];
                *y = scaled.slope + bias_tangent[k];
            }
        });
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let (weight, weight_tangent) =
            (&pass.at.parameters[..channels], &pass.parameters_tangent[..channels]);
        pass.gradient_tangent.fill(T::zero());
        let mut dx = pass.dx_tangent;
        self.for_each_moving(pass.at, pass.x_tangent, |range, moving| {
            let mut d_normal = Vec::with_capacity(channels);
            for (k, at) in range.clone().enumerate() {
                let dy = Dual::new(pass.dy[at], pass.dy_tangent[at]);
                pass.gradient_tangent[k] += (dy * moving.normal[k]).slope;
                pass.gradient_tangent[channels + k] += dy.slope;
                d_normal.push(dy * Dual::new(weight[k], weight_tangent[k]));
            }
            if let Some(dx) = &mut dx {
                pull_back::<T, _>(&moving.normal, moving.inverse, &d_normal, |k, value| {
                    dx[range.start + k] = value.slope;
                });
            }
        });
        Ok(())
    }
}
