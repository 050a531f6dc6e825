//! Starting values of weights.

use linalg::{DVector, Real};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// How weights start: independent, of mean 0, with a variance that keeps signals at their size from
/// layer to layer, unless the name says otherwise.
///
/// The numbers are drawn in double precision and rounded, so that an `f32` and an `f64` network
/// from one seed start at the same point.
///
/// # References
/// He, Zhang, Ren & Sun, "Delving Deep into Rectifiers", ICCV 2015, equation 10; Glorot & Bengio,
/// "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
/// equations 12 and 16; LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998, equation 16; Saxe,
/// McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
/// networks", ICLR 2014.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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
    /// Normal with variance 1/fan-in.
    LeCunNormal,
    /// Uniform on ±√(3/fan-in), which has the same variance.
    LeCunUniform,
    /// A random matrix with orthonormal rows, or columns where it has more rows than columns, times
    /// this gain.
    Orthogonal(f64),
    /// What PyTorch starts dense, convolution and recurrent layers with: uniform on ±1/√fan-in, the
    /// biases too (for recurrent layers the number of units stands for the fan-in).
    PyTorch,
    /// Every weight this number.
    Constant(f64),
}

impl Initializer {
    /// The variance of the weights of a layer with `fan_in` inputs and `fan_out` outputs per unit.
    ///
    /// # Examples
    /// ```
    /// // 32 filters of 3 x 3 over 3 channels: Keras draws from ±0.13801, PyTorch from ±0.19245.
    /// use nn_core::Initializer::{GlorotUniform, PyTorch};
    /// assert!(((3.0 * GlorotUniform.variance(27, 288)).sqrt() - 0.13801).abs() < 5e-6);
    /// assert!(((3.0 * PyTorch.variance(27, 288)).sqrt() - 0.19245).abs() < 5e-6);
    /// ```
    #[must_use]
    pub fn variance(&self, fan_in: usize, fan_out: usize) -> f64 {
        match self {
            Self::HeNormal | Self::HeUniform => 2.0 / fan_in as f64,
            Self::GlorotNormal | Self::GlorotUniform => 2.0 / (fan_in as f64 + fan_out as f64),
            Self::LeCunNormal | Self::LeCunUniform => 1.0 / fan_in as f64,
            Self::Orthogonal(gain) => gain * gain / fan_in.max(fan_out) as f64,
            Self::PyTorch => 1.0 / (3.0 * fan_in as f64),
            Self::Constant(_) => 0.0,
        }
    }

    /// Fills `weights` of a layer with `fan_in` inputs and `fan_out` outputs per unit.
    ///
    /// [`Initializer::Orthogonal`] takes them as a matrix of `fan_in` columns, one after the other.
    pub fn fill<T: Real>(
        &self,
        weights: &mut [T],
        fan_in: usize,
        fan_out: usize,
        rng: &mut dyn Rng,
    ) {
        let deviation = self.variance(fan_in, fan_out).sqrt();
        match self {
            Self::HeNormal | Self::GlorotNormal | Self::LeCunNormal => {
                fill_normal(weights, deviation, rng);
            }
            Self::HeUniform | Self::GlorotUniform | Self::LeCunUniform | Self::PyTorch => {
                fill_uniform(weights, 3.0_f64.sqrt() * deviation, rng);
            }
            Self::Orthogonal(gain) => {
                fill_orthogonal(weights, fan_in, *gain, rng);
            }
            Self::Constant(value) => weights.fill(T::from_double(*value)),
        }
    }

    /// Fills the biases of a layer with `fan_in` inputs per unit: with zeros, except as
    /// [`Initializer::PyTorch`].
    pub fn fill_bias<T: Real>(&self, bias: &mut [T], fan_in: usize, rng: &mut dyn Rng) {
        match self {
            Self::PyTorch => self.fill(bias, fan_in, 1, rng),
            _ => bias.fill(T::zero()),
        }
    }
}

fn fill_normal<T: Real>(weights: &mut [T], deviation: f64, rng: &mut dyn Rng) {
    for weight in weights {
        let unit: f64 = StandardNormal.sample(rng);
        *weight = T::from_double(deviation * unit);
    }
}

fn fill_uniform<T: Real>(weights: &mut [T], limit: f64, rng: &mut dyn Rng) {
    for weight in weights {
        let unit: f64 = StandardUniform.sample(rng);
        *weight = T::from_double(limit * (2.0 * unit - 1.0));
    }
}

/// Orthonormal vectors by the method of Gram and Schmidt, run twice, on normal ones; their
/// distribution is the same for every rotation of the whole.
fn fill_orthogonal<T: Real>(weights: &mut [T], columns: usize, gain: f64, rng: &mut dyn Rng) {
    // Of a last column that is cut short, the rest is not needed.
    let columns = columns.min(weights.len());
    if columns == 0 {
        return;
    }
    let rows = weights.len().div_ceil(columns);
    let (count, len) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<DVector<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut next = DVector::from_fn(len, |_, _| StandardNormal.sample(rng));
        for vector in vectors.iter().chain(&vectors) {
            next -= vector * vector.dot(&next);
        }
        let size = next.norm();
        // Draws that depend on those before are thrown away; that does not happen by chance.
        if size > 1e-6 {
            vectors.push(next / size);
        }
    }
    for (at, weight) in weights.iter_mut().enumerate() {
        let (row, column) = (at % rows, at / rows);
        let entry = if rows <= columns { vectors[row][column] } else { vectors[column][row] };
        *weight = T::from_double(gain * entry);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use linalg::DMatrix;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    const RANDOM: [Initializer; 7] = [
        Initializer::HeNormal,
        Initializer::HeUniform,
        Initializer::GlorotNormal,
        Initializer::GlorotUniform,
        Initializer::LeCunNormal,
        Initializer::LeCunUniform,
        Initializer::PyTorch,
    ];

    #[test]
    fn mean_and_variance_are_as_named() {
        for initializer in RANDOM {
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
    fn orthogonal_weights_have_orthonormal_rows_or_columns() {
        for (rows, columns) in [(4, 4), (3, 7), (7, 3), (1, 5)] {
            let mut weights = vec![0.0_f64; rows * columns];
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
            Initializer::Orthogonal(2.0).fill(&mut weights, columns, rows, &mut rng);
            let w = DMatrix::from_column_slice(rows, columns, &weights);
            let gram = if rows <= columns { &w * w.transpose() } else { w.transpose() * &w };
            let identity = DMatrix::identity(gram.nrows(), gram.ncols());
            // A handful of roundings in sums of up to 7 products.
            assert!((gram / 4.0 - identity).amax() <= 16.0 * f64::EPSILON, "{rows} x {columns}");
        }
    }

    #[test]
    fn constants_are_constant_and_biases_zero_but_for_pytorch() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut weights = [0.0_f32; 3];
        Initializer::Constant(0.25).fill(&mut weights, 3, 1, &mut rng);
        assert_eq!(weights, [0.25; 3]);
        Initializer::HeNormal.fill_bias(&mut weights, 4, &mut rng);
        assert_eq!(weights, [0.0; 3]);
        Initializer::PyTorch.fill_bias(&mut weights, 4, &mut rng);
        assert!(weights.iter().all(|&b| b != 0.0 && b.abs() <= 0.5), "{weights:?}");
    }

    #[test]
    fn both_precisions_start_at_the_same_point() {
        for initializer in RANDOM {
            let (mut single, mut double) = ([0.0_f32; 20], [0.0_f64; 20]);
            initializer.fill(&mut single, 4, 5, &mut Xoshiro256PlusPlus::seed_from_u64(3));
            initializer.fill(&mut double, 4, 5, &mut Xoshiro256PlusPlus::seed_from_u64(3));
            for (s, d) in single.iter().zip(&double) {
                assert!((f64::from(*s) - d).abs() <= f64::from(f32::EPSILON) * d.abs());
            }
        }
    }
}
