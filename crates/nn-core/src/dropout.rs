//! Dropout.

use linalg::Real;

use crate::chain::mix;
use crate::{
    Backward, BackwardTangent, Error, Forward, Identity, Layer, Memory, Mode, Result, Shape,
    Tangent, View,
};

/// In training each value is set to 0 with probability `rate` and divided by 1 − rate otherwise, so
/// that its mean stays; in inference nothing happens.
///
/// Which values are dropped follows from the pass's seed, the sample's place in the batch and the
/// value's place in the column alone, not from threads or shards.
///
/// # References
/// Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout: a simple way to prevent
/// neural networks from overfitting", JMLR 15, 2014.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropout {
    rate: f64,
    shape: Shape,
}

impl Dropout {
    /// A dropout of values in the given `shape`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ `rate` < 1.
    pub fn new(rate: f64, shape: impl Into<Shape>) -> Result<Self> {
        if !(0.0..1.0).contains(&rate) {
            return Err(Error::OutOfRange {
                argument: "the rate of a dropout",
                value: rate,
                expected: "0 <= rate < 1",
            });
        }
        Ok(Self { rate, shape: shape.into() })
    }

    /// out = value·factor for every entry, the factors those of the pass.
    fn apply<T: Real>(&self, mode: Mode, values: &[T], factors: &[T], out: &mut [T]) {
        if mode == Mode::Inference {
            out.copy_from_slice(values);
            return;
        }
        for ((out, &value), &factor) in out.iter_mut().zip(values).zip(factors) {
            *out = value * factor;
        }
    }
}

/// A number from 0 up to 1 that only `seed`, `sample` and `unit` determine.
fn uniform(seed: u64, sample: usize, unit: usize) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (mix(mix(seed ^ mix(sample as u64)) ^ unit as u64) >> 11) as f64 * STEP
}

impl<T: Real> Layer<T> for Dropout {
    fn describe(&self) -> String {
        format!("dropout {} of {}", self.rate, self.shape)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn memory(&self, samples: usize) -> Memory {
        Memory { record: self.shape.len() * samples, ..Memory::default() }
    }

    fn multiply_adds(&self) -> usize {
        self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        if let Mode::Training { seed } = pass.mode {
            let kept = T::from_double(1.0 / (1.0 - self.rate));
            let columns = pass.record.chunks_exact_mut(self.shape.len()).take(pass.samples);
            for (column, factors) in columns.enumerate() {
                for (unit, factor) in factors.iter_mut().enumerate() {
                    let dropped = uniform(seed, pass.first_sample + column, unit) < self.rate;
                    *factor = if dropped { T::zero() } else { kept };
                }
            }
        }
        self.apply(pass.mode, pass.x, pass.record, pass.y);
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx {
            self.apply(pass.mode, pass.dy, pass.record, dx);
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        self.apply(pass.at.mode, pass.x_tangent, pass.at.record, pass.y_tangent);
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx_tangent {
            self.apply(pass.at.mode, pass.dy_tangent, pass.at.record, dx);
        }
        Ok(())
    }

    fn view<'a>(&'a self, _parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        View::Pointwise(&Identity)
    }
}

#[cfg(test)]
mod tests {
    use linalg::DMatrix;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;
    use crate::shards::Batch;
    use crate::{MeanSquaredError, Network, Steps, Trace, Workspace};

    #[test]
    fn a_batch_in_shards_has_the_gradient_of_the_whole() {
        // Enough work for two shards; the mask must not start anew in the second.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let network = Network::<f32>::builder(Shape::sequence(8, 10))
            .dropout(0.3)
            .lstm(24, Steps::All)
            .layer_norm()
            .dropout(0.5)
            .gru(16, Steps::Last)
            .build(&mut rng)
            .unwrap();
        let columns =
            |rows| DMatrix::from_fn(rows, 512, |i, n| f32::from_double(uniform(5, n, i) - 0.5));
        let (x, targets) = (columns(80), columns(16));
        let loss = MeanSquaredError::new(&targets).unwrap();
        let mut trace = Trace::training(9);
        let whole = network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
        let mut workspace = Workspace::new();
        let all: Vec<usize> = (0..512).collect();
        let mode = Mode::Training { seed: 9 };
        let batch = Batch { x: &x, samples: &all, loss: Some(&loss), mode };
        let parts = network.step_gradient(batch, &mut workspace).unwrap();
        assert!(workspace.shards() > 1);
        // Sums over 512 samples and 10 steps in another order.
        let bound = 64.0 * f32::EPSILON;
        assert!((whole - parts).abs() <= f64::from(bound) * whole);
        let scale = trace.gradient().amax();
        assert!((trace.gradient() - workspace.gradient()).amax() <= bound * scale);
    }

    #[test]
    fn a_rate_that_is_no_probability_or_keeps_nothing_is_refused() {
        for rate in [1.0, -0.1, f64::NAN] {
            let text = Dropout::new(rate, 3).unwrap_err().to_string();
            let expected = "expected 0 <= rate < 1";
            assert_eq!(text, format!("the rate of a dropout is {rate}, {expected}"));
        }
    }

    #[test]
    fn as_many_are_dropped_as_said() {
        let dropped = (0..10_000).filter(|&k| uniform(7, k / 100, k % 100) < 0.3).count();
        // Five standard deviations of a binomial: 5·√(10⁴·0.3·0.7) = 229.
        assert!(dropped.abs_diff(3_000) < 229, "{dropped}");
    }
}
