//! A normal distribution with correlated components.

use std::f64::consts::PI;

use linalg::{DMatrix, DVector};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::log_std;
use crate::{Error, Policy, Result, check};

/// A normal distribution with a covariance: a = μ + L·ε, ε ~ N(0, I), Σ = L·Lᵀ.
///
/// The n(n + 3)/2 parameters are the mean, then the lower triangle of L row by row, with the logarithms
/// of the diagonal in its place: [μ₁ … μₙ, log L₁₁, L₂₁, log L₂₂, L₃₁, …]. Every such vector is a valid
/// policy: nothing has to be kept positive definite. With e = L⁻¹(a − μ) and f = L⁻ᵀ e the score is f
/// for the mean and fᵢeⱼ − [i = j]/Lᵢᵢ for Lᵢⱼ. The mode is the mean.
///
/// The natural gradient in the mean is Σ·∂J/∂μ: the block of the Fisher information there is Σ⁻¹.
///
/// # Examples
/// ```
/// use rl_pg::{FullGaussian, Policy};
/// let policy = FullGaussian::from_parameters(&[1.0, 2.0, 2f64.ln(), 0.5, 0.0])?;
/// let covariance = policy.covariance(); // L = (2, 0; ½, 1)
/// assert!((covariance[(0, 0)] - 4.0).abs() < 1e-15);
/// assert!((covariance[(1, 0)] - 1.0).abs() < 1e-15);
/// assert!((covariance[(1, 1)] - 1.25).abs() < 1e-15);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FullGaussian {
    mean: DVector<f64>,
    /// L, whose upper triangle is 0.
    factor: DMatrix<f64>,
    log_diagonal: Vec<f64>,
}

impl FullGaussian {
    /// The policy with the parameters [mean; lower triangle of L by rows, its diagonal as logarithms].
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::ParameterCount`] where the number is not n(n + 3)/2,
    /// [`Error::NotFinite`] with the index, and [`Error::EntryOutOfRange`] for a logarithm beyond ±300.
    pub fn from_parameters(parameters: &[f64]) -> Result<Self> {
        check::not_empty("parameters", parameters.len())?;
        let got = parameters.len();
        let Some(d) = (1..=got).find(|d| d * (d + 3) / 2 >= got) else {
            return Err(Error::Empty { argument: "parameters" });
        };
        if d * (d + 3) / 2 != got {
            let (policy, form) = ("a full Gaussian", "n·(n + 3)/2");
            return Err(Error::ParameterCount { policy, got, form });
        }
        check::finite("parameters", parameters)?;
        let (mut factor, mut log_diagonal) = (DMatrix::zeros(d, d), Vec::with_capacity(d));
        for (index, (row, column)) in lower_triangle(d).enumerate() {
            let parameter = parameters[d + index];
            factor[(row, column)] = if row == column {
                log_diagonal.push(log_std(d + index, parameter)?);
                parameter.exp()
            } else {
                parameter
            };
        }
        Ok(Self { mean: DVector::from_column_slice(&parameters[..d]), factor, log_diagonal })
    }

    /// μ.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        self.mean.as_slice()
    }

    /// Σ = L·Lᵀ.
    #[must_use]
    pub fn covariance(&self) -> DMatrix<f64> {
        &self.factor * self.factor.transpose()
    }

    /// e = L⁻¹(a − μ).
    fn standardized(&self, action: &[f64]) -> Result<DVector<f64>> {
        check::length("action", action.len(), self.mean.len())?;
        check::finite("action", action)?;
        let mut e = DVector::from_column_slice(action) - &self.mean;
        self.solve(e.as_mut_slice());
        Ok(e)
    }

    /// Replaces v by L⁻¹ v.
    fn solve(&self, v: &mut [f64]) {
        for row in 0..v.len() {
            let known: f64 = (0..row).map(|k| self.factor[(row, k)] * v[k]).sum();
            v[row] = (v[row] - known) / self.factor[(row, row)];
        }
    }

    /// Replaces v by L⁻ᵀ v.
    fn solve_transposed(&self, v: &mut [f64]) {
        for row in (0..v.len()).rev() {
            let known: f64 = (row + 1..v.len()).map(|k| self.factor[(k, row)] * v[k]).sum();
            v[row] = (v[row] - known) / self.factor[(row, row)];
        }
    }
}

impl Policy for FullGaussian {
    type Action = Vec<f64>;

    fn parameter_count(&self) -> usize {
        self.mean.len() * (self.mean.len() + 3) / 2
    }

    fn sample(&self, rng: &mut dyn Rng) -> Vec<f64> {
        let mut draw = |_, _| -> f64 { StandardNormal.sample(rng) };
        let noise = DVector::from_fn(self.mean.len(), &mut draw);
        let action = &self.factor * noise + &self.mean;
        action.as_slice().to_vec()
    }

    fn mode(&self) -> Vec<f64> {
        self.mean().to_vec()
    }

    fn log_probability(&self, action: &Vec<f64>) -> Result<f64> {
        let squares = self.standardized(action)?.norm_squared();
        let volume: f64 = self.log_diagonal.iter().sum();
        Ok(-0.5 * (squares + check::real(self.mean.len()) * (2.0 * PI).ln()) - volume)
    }

    fn score(&self, action: &Vec<f64>, score: &mut [f64]) -> Result<()> {
        let e = self.standardized(action)?;
        check::length("score", score.len(), self.parameter_count())?;
        let d = e.len();
        let (means, factor) = score.split_at_mut(d);
        means.copy_from_slice(e.as_slice());
        self.solve_transposed(means);
        for (entry, (row, column)) in factor.iter_mut().zip(lower_triangle(d)) {
            *entry = means[row] * e[column];
            if row == column {
                // The chain rule of Lᵢᵢ = exp(parameter).
                *entry = *entry * self.factor[(row, row)] - 1.0;
            }
        }
        Ok(())
    }

    fn entropy(&self) -> f64 {
        let each = 0.5 * (1.0 + (2.0 * PI).ln());
        self.log_diagonal.iter().map(|log| each + log).sum()
    }

    fn entropy_gradient(&self, gradient: &mut [f64]) -> Result<()> {
        check::length("gradient", gradient.len(), self.parameter_count())?;
        let d = self.mean.len();
        gradient.fill(0.0);
        for (entry, (row, column)) in gradient[d..].iter_mut().zip(lower_triangle(d)) {
            *entry = if row == column { 1.0 } else { 0.0 };
        }
        Ok(())
    }

    fn divergence(&self, other: &Self) -> Result<f64> {
        check::length("other", other.parameter_count(), self.parameter_count())?;
        let d = self.mean.len();
        // KL = ½(‖M‖² − d + ‖L′⁻¹(μ − μ′)‖²) − Σ log Mᵢᵢ with M = L′⁻¹L.
        let mut ratio = self.factor.clone();
        for mut column in ratio.column_iter_mut() {
            other.solve(column.as_mut_slice());
        }
        let mut shift = &self.mean - &other.mean;
        other.solve(shift.as_mut_slice());
        let mut total = 0.5 * shift.norm_squared();
        for (row, column) in lower_triangle(d) {
            total += if row == column {
                let log = self.log_diagonal[row] - other.log_diagonal[row];
                // (Mᵢᵢ² − 1)/2 − log Mᵢᵢ without cancellation for Mᵢᵢ near 1.
                0.5 * (2.0 * log).exp_m1() - log
            } else {
                0.5 * ratio[(row, column)].powi(2)
            };
        }
        Ok(total)
    }

    /// Σ⁻¹ for the mean. For L, with N = L⁻¹·dL, the form ‖N‖² + Σ Nᵢᵢ²: entries of L in different columns
    /// do not meet.
    fn fisher(&self) -> DMatrix<f64> {
        let d = self.mean.len();
        let mut inverse = DMatrix::identity(d, d);
        for mut column in inverse.column_iter_mut() {
            self.solve(column.as_mut_slice());
        }
        let mut fisher = DMatrix::zeros(self.parameter_count(), self.parameter_count());
        // L⁻ᵀL⁻¹.
        let precision = inverse.tr_mul(&inverse);
        fisher.view_mut((0, 0), (d, d)).copy_from(&precision);
        let scale = |row: usize, column: usize| {
            if row == column { self.factor[(row, row)] } else { 1.0 }
        };
        for (first, (i, j)) in lower_triangle(d).enumerate() {
            for (second, (k, l)) in lower_triangle(d).enumerate() {
                if j == l {
                    // L⁻¹ maps dLᵢⱼ into column j, from row i downwards.
                    let on_diagonal = inverse[(j, i)] * inverse[(j, k)];
                    fisher[(d + first, d + second)] =
                        (precision[(i, k)] + on_diagonal) * scale(i, j) * scale(k, l);
                }
            }
        }
        fisher
    }
}

/// (row, column) of a lower triangle, by rows.
fn lower_triangle(d: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..d).flat_map(|row| (0..=row).map(move |column| (row, column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiagonalGaussian;
    use crate::policies::oracle::{derivatives_agree, line, nodes_agree, samples_agree};

    const HERE: [f64; 9] = [0.3, -1.2, 0.5, -0.4, 0.6, 0.2, -0.3, 0.8, 0.1];

    fn policy(parameters: &[f64]) -> FullGaussian {
        FullGaussian::from_parameters(parameters).unwrap()
    }

    #[test]
    fn it_agrees_with_sums_over_the_plane() {
        let (here, there) =
            (policy(&[0.3, -0.5, -0.4, 0.6, -0.2]), policy(&[0.0, 0.1, 0.1, 0.4, 0.3]));
        // Ten widths of the wider of the two, which leaves out e^−50.
        let nodes = line(-14.0, 14.0, 0.25)
            .flat_map(|(x, dx)| line(-14.0, 14.0, 0.25).map(move |(y, dy)| (vec![x, y], dx * dy)));
        nodes_agree(&here, &there, nodes, 1e-13);
    }

    #[test]
    fn its_derivatives_are_those_of_its_values() {
        derivatives_agree(FullGaussian::from_parameters, &HERE, &vec![0.9, -0.3, 1.4]);
    }

    #[test]
    fn its_samples_are_its_own() {
        samples_agree(&policy(&HERE));
    }

    #[test]
    fn with_a_diagonal_factor_it_is_the_diagonal_one() {
        let full = policy(&[0.3, -1.2, -0.4, 0.0, 0.7]);
        let other = policy(&[0.1, -0.7, -0.1, 0.0, 0.4]);
        let diagonal = |p: &[f64]| DiagonalGaussian::from_parameters(p).unwrap();
        let (plain, apart) = (diagonal(&[0.3, -1.2, -0.4, 0.7]), diagonal(&[0.1, -0.7, -0.1, 0.4]));
        let action = vec![0.2, 2.0];
        for (found, expected) in [
            (full.entropy(), plain.entropy()),
            (full.divergence(&other).unwrap(), plain.divergence(&apart).unwrap()),
            (full.log_probability(&action).unwrap(), plain.log_probability(&action).unwrap()),
        ] {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        for (parameters, text) in [
            (&[][..], "parameters is empty, and at least one entry is needed"),
            (&[0.0; 4], "a full Gaussian has n·(n + 3)/2 parameters, got 4"),
            (&[0.0, f64::NAN], "parameters[1] is NaN, and every entry must be finite"),
            (&[0.0, 0.0, 1.0, 5e3, -301.0], "parameters[4] is -301, and must lie from -300 to 300"),
        ] {
            assert_eq!(FullGaussian::from_parameters(parameters).unwrap_err().to_string(), text);
        }
        let error = policy(&HERE).log_probability(&vec![0.0]).unwrap_err();
        assert_eq!(error.to_string(), "action has 1 entries, expected 3");
    }
}
