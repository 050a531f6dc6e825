//! Independent normal components.

use std::f64::consts::PI;

use linalg::{DMatrix, DVector};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{log_std, pairs};
use crate::{Policy, Result, check};

/// A normal distribution with independent components: aᵢ = μᵢ + σᵢ·εᵢ, ε ~ N(0, I).
///
/// The 2·n parameters are the means, then the logarithms of the standard deviations: [μ₁ … μₙ, log σ₁ … log
/// σₙ]. With z = (a − μ)/σ the score is z/σ for the means and z² − 1 for the logarithms; the Fisher
/// information is diagonal, 1/σ² and 2. The mode is the mean.
///
/// # Examples
/// ```
/// use rl_pg::{DiagonalGaussian, Policy};
/// let policy = DiagonalGaussian::from_parameters(&[0.3, -1.0, 0.0, 2f64.ln()])?; // σ = 1, 2
/// assert_eq!(policy.mode(), [0.3, -1.0]);
/// // n/2 · log(2πe) + Σ log σ
/// assert!((policy.entropy() - (2.0 * 1.4189385332046727 + 2f64.ln())).abs() < 1e-14);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DiagonalGaussian {
    mean: Vec<f64>,
    std: Vec<f64>,
    log_std: Vec<f64>,
}

impl DiagonalGaussian {
    /// The policy with the parameters [means; logarithms of the standard deviations].
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty), [`Error::ParameterCount`](crate::Error::ParameterCount)
    /// for an odd number, [`Error::NotFinite`](crate::Error::NotFinite) with the index, and
    /// [`Error::EntryOutOfRange`](crate::Error::EntryOutOfRange) for a logarithm beyond ±300.
    pub fn from_parameters(parameters: &[f64]) -> Result<Self> {
        let d = pairs("a diagonal Gaussian", parameters)?;
        for index in d..2 * d {
            log_std(index, parameters[index])?;
        }
        let (mean, log_std) = (parameters[..d].to_vec(), parameters[d..].to_vec());
        let std = log_std.iter().map(|log| log.exp()).collect();
        Ok(Self { mean, std, log_std })
    }

    /// μ.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// σ, of each component.
    #[must_use]
    pub fn std(&self) -> &[f64] {
        &self.std
    }

    /// z = (a − μ)/σ.
    fn standardized<'a>(&'a self, action: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let parts = action.iter().zip(&self.mean).zip(&self.std);
        parts.map(|((a, mean), std)| (a - mean) / std)
    }

    fn check(&self, action: &[f64]) -> Result<()> {
        check::length("action", action.len(), self.mean.len())?;
        check::finite("action", action)
    }
}

impl Policy for DiagonalGaussian {
    type Action = Vec<f64>;

    fn parameter_count(&self) -> usize {
        2 * self.mean.len()
    }

    fn sample(&self, rng: &mut dyn Rng) -> Vec<f64> {
        let mut draw = |(mean, std): (&f64, &f64)| {
            let normal: f64 = StandardNormal.sample(rng);
            mean + std * normal
        };
        self.mean.iter().zip(&self.std).map(&mut draw).collect()
    }

    fn mode(&self) -> Vec<f64> {
        self.mean.clone()
    }

    fn log_probability(&self, action: &Vec<f64>) -> Result<f64> {
        self.check(action)?;
        let squares: f64 = self.standardized(action).map(|z| z * z).sum();
        let volume: f64 = self.log_std.iter().sum();
        Ok(-0.5 * (squares + check::real(self.mean.len()) * (2.0 * PI).ln()) - volume)
    }

    fn score(&self, action: &Vec<f64>, score: &mut [f64]) -> Result<()> {
        self.check(action)?;
        check::length("score", score.len(), self.parameter_count())?;
        let (means, logs) = score.split_at_mut(self.mean.len());
        for (k, z) in self.standardized(action).enumerate() {
            means[k] = z / self.std[k];
            logs[k] = z * z - 1.0;
        }
        Ok(())
    }

    fn entropy(&self) -> f64 {
        let each = 0.5 * (1.0 + (2.0 * PI).ln());
        self.log_std.iter().map(|log| each + log).sum()
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
        check::length("gradient", gradient.len(), self.parameter_count())?;
        let (means, logs) = gradient.split_at_mut(self.mean.len());
        means.fill(0.0);
        logs.fill(1.0);
        Ok(())
    }

    fn divergence(&self, other: &Self) -> Result<f64> {
        check::length("other", other.parameter_count(), self.parameter_count())?;
        let component = |k: usize| {
            let log_ratio = self.log_std[k] - other.log_std[k];
            let shift = (self.mean[k] - other.mean[k]) / other.std[k];
            // (ρ² − 1)/2 − log ρ without cancellation for ρ near 1.
            0.5 * ((2.0 * log_ratio).exp_m1() + shift * shift) - log_ratio
        };
        Ok((0..self.mean.len()).map(component).sum())
    }

    fn fisher(&self) -> DMatrix<f64> {
        let d = self.mean.len();
        let entry = |k: usize, _| if k < d { self.std[k].powi(-2) } else { 2.0 };
        DMatrix::from_diagonal(&DVector::from_fn(2 * d, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::oracle::{derivatives_agree, line, nodes_agree, samples_agree};

    const HERE: [f64; 4] = [0.3, -1.2, -0.4, 0.7];
    const THERE: [f64; 4] = [0.1, -0.7, -0.1, 0.4];

    fn policy(parameters: &[f64]) -> DiagonalGaussian {
        DiagonalGaussian::from_parameters(parameters).unwrap()
    }

    #[test]
    fn it_agrees_with_sums_over_the_line() {
        for (here, there) in [([0.3, -0.4], [0.1, -0.1]), ([-1.2, 0.7], [-0.7, 0.4])] {
            // Twelve widths of the wider of the two leave out e^−72.
            let nodes = line(-40.0, 40.0, 0.05).map(|(a, weight)| (vec![a], weight));
            nodes_agree(&policy(&here), &policy(&there), nodes, 1e-13);
        }
    }

    #[test]
    fn components_are_independent() {
        let (both, there) = (policy(&HERE), policy(&THERE));
        let of = |k: usize, all: &[f64; 4]| policy(&[all[k], all[k + 2]]);
        let sum = |f: &dyn Fn(usize) -> f64| f(0) + f(1);
        assert!((both.entropy() - sum(&|k| of(k, &HERE).entropy())).abs() < 1e-14);
        let apart = sum(&|k| of(k, &HERE).divergence(&of(k, &THERE)).unwrap());
        assert!((both.divergence(&there).unwrap() - apart).abs() < 1e-14);
        let action = [0.5, -2.0];
        let log = sum(&|k| of(k, &HERE).log_probability(&vec![action[k]]).unwrap());
        assert!((both.log_probability(&action.to_vec()).unwrap() - log).abs() < 1e-14);
    }

    #[test]
    fn its_derivatives_are_those_of_its_values() {
        derivatives_agree(DiagonalGaussian::from_parameters, &HERE, &vec![0.9, -3.0]);
    }

    #[test]
    fn its_samples_are_its_own() {
        samples_agree(&policy(&HERE));
    }

    #[test]
    fn close_policies_have_a_divergence_of_half_the_fisher_form() {
        // log ρ = 1e-9: KL = 1e-18, of which (ρ² − 1)/2 − log ρ written out would leave nothing.
        let near = policy(&[0.0, 1e-9]).divergence(&policy(&[0.0, 0.0])).unwrap();
        assert!((near / 1e-18 - 1.0).abs() < 0.2, "{near}");
    }

    #[test]
    fn bad_input_is_named() {
        let text = |parameters: &[f64]| {
            DiagonalGaussian::from_parameters(parameters).unwrap_err().to_string()
        };
        assert_eq!(text(&[]), "parameters is empty, and at least one entry is needed");
        assert_eq!(text(&[0.0; 3]), "a diagonal Gaussian has 2·n parameters, got 3");
        assert_eq!(text(&[0.0, f64::NAN]), "parameters[1] is NaN, and every entry must be finite");
        assert_eq!(text(&[0.0, 301.0]), "parameters[1] is 301, and must lie from -300 to 300");
        let policy = policy(&HERE);
        for (error, text) in [
            (policy.log_probability(&vec![0.0]).unwrap_err(), "action has 1 entries, expected 2"),
            (
                policy.score(&vec![0.0, f64::INFINITY], &mut [0.0; 4]).unwrap_err(),
                "action[1] is inf, and every entry must be finite",
            ),
            (
                policy.score(&vec![0.0, 0.0], &mut [0.0; 3]).unwrap_err(),
                "score has 3 entries, expected 4",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
