//! Starting values of weights.

use linalg::Real;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// How weights start: independent, of mean 0, with a variance that keeps signals at their size from
/// layer to layer.
///
/// The numbers are drawn in double precision and rounded, so that an `f32` and an `f64` network
/// from one seed start at the same point.
///
/// # References
/// He, Zhang, Ren & Sun, "Delving Deep into Rectifiers", ICCV 2015, equation 10; Glorot & Bengio,
/// "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
/// equations 12 and 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Initializer {
    /// Normal with variance 2/fan-in; for ReLU.
    HeNormal,
    /// Uniform on ±√(6/fan-in), which has the same variance.
    HeUniform,
    /// Normal with variance 2/(fan-in + fan-out); for tanh.
    GlorotNormal,
    /// Uniform on ±√(6/(fan-in + fan-out)), which has the same variance. The default.
    #[default]
    GlorotUniform,
}

impl Initializer {
    /// The variance of the weights of a layer with `fan_in` inputs and `fan_out` outputs per unit.
    ///
    /// # Examples
    /// ```
    /// // 32 filters of 3 x 3 over 3 channels: Keras draws from ±0.13801.
    /// let variance = nn_core::Initializer::GlorotUniform.variance(27, 288);
    /// assert!(((3.0 * variance).sqrt() - 0.13801).abs() < 5e-6);
    /// ```
    #[must_use]
    pub fn variance(&self, fan_in: usize, fan_out: usize) -> f64 {
        match self {
            Self::HeNormal | Self::HeUniform => 2.0 / fan_in as f64,
            Self::GlorotNormal | Self::GlorotUniform => 2.0 / (fan_in + fan_out) as f64,
        }
    }

    /// Fills `weights` of a layer with `fan_in` inputs and `fan_out` outputs per unit.
    pub fn fill<T: Real>(
        &self,
        weights: &mut [T],
        fan_in: usize,
        fan_out: usize,
        rng: &mut dyn Rng,
    ) {
        let deviation = self.variance(fan_in, fan_out).sqrt();
        for weight in weights {
            let unit: f64 = match self {
                Self::HeNormal | Self::GlorotNormal => StandardNormal.sample(rng),
                Self::HeUniform | Self::GlorotUniform => {
                    let uniform: f64 = StandardUniform.sample(rng);
                    3.0_f64.sqrt() * (2.0 * uniform - 1.0)
                }
            };
            *weight = T::from_double(deviation * unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    const ALL: [Initializer; 4] = [
        Initializer::HeNormal,
        Initializer::HeUniform,
        Initializer::GlorotNormal,
        Initializer::GlorotUniform,
    ];

    #[test]
    fn mean_and_variance_are_as_named() {
        for initializer in ALL {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
            let n = 40_000;
            let mut weights = vec![0.0_f64; n];
            initializer.fill(&mut weights, 50, 150, &mut rng);
            let expected = initializer.variance(50, 150);
            let mean = weights.iter().sum::<f64>() / n as f64;
            let variance = weights.iter().map(|w| w * w).sum::<f64>() / n as f64;
            // Five standard errors: √(1/n) of the deviation, and at most √(2/n) of the variance.
            assert!(mean.abs() <= 5.0 * (expected / n as f64).sqrt(), "{initializer:?}: {mean}");
            let error = (variance / expected - 1.0).abs();
            assert!(error <= 5.0 * (2.0 / n as f64).sqrt(), "{initializer:?}: {error}");
        }
    }

    #[test]
    fn uniform_weights_stay_within_their_limit() {
        let mut weights = vec![0.0_f64; 10_000];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        Initializer::GlorotUniform.fill(&mut weights, 27, 288, &mut rng);
        let largest = weights.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        // √(6/315); of 10 000 draws the largest misses the limit by about 1e-4 of it.
        assert!(largest <= 0.138014 && largest > 0.9985 * 0.138013, "{largest}");
    }

    #[test]
    fn both_precisions_start_at_the_same_point() {
        for initializer in ALL {
            let (mut single, mut double) = ([0.0_f32; 20], [0.0_f64; 20]);
            initializer.fill(&mut single, 4, 5, &mut Xoshiro256PlusPlus::seed_from_u64(3));
            initializer.fill(&mut double, 4, 5, &mut Xoshiro256PlusPlus::seed_from_u64(3));
            for (s, d) in single.iter().zip(&double) {
                assert!((f64::from(*s) - d).abs() <= f64::from(f32::EPSILON) * d.abs());
            }
        }
    }
}
