//! A step for differences, from noise and curvature.

use rand::RngExt;

use crate::check::{self, real};
use crate::gradients::probe::Probe;
use crate::{RandomNumbers, Result};

/// Finds the step at which a difference quotient errs least.
///
/// A short step divides noise by next to nothing, a long one sees the curve instead of its tangent. With
/// noise of standard deviation τ in each value,
///
/// | quotient | mean square error of an entry | best step |
/// |---|---|---|
/// | central | h⁴f‴²/36 + τ²/2h² | (3τ/\|f‴\|)^⅓ |
/// | forward | h²f″²/4 + 2τ²/h² | 8^¼·(τ/\|f″\|)^½ |
///
/// The error falls only with τ^⅔: four times the best step costs a factor of ten. So "1e-5, as always"
/// is right for a formula, whose noise is the rounding of its values, and useless for a simulator that is
/// noisy or solves something to a tolerance.
///
/// τ is measured: with common random numbers as what remains at a fixed seed, from differences of fourth
/// order over a stretch of 8e-8 (J. Moré and S. Wild, "Estimating computational noise", SIAM Journal on
/// Scientific Computing 33, 2011); with independent ones from eight values at the point itself. The
/// derivative is the root mean square over the axes, each from a difference whose step is just long
/// enough to stand out of the noise. It is one look at one point; a jump it does not see. That is what
/// [`Slopes`](crate::Slopes) are for.
///
/// # Examples
/// exp at 1, whose values are rounded: theory says h = 6.9e-6.
/// ```
/// use rl_pg::{Estimator, StepSearch};
/// let f = |x: &[f64], _seed: u64| Ok(x[0].exp());
/// let found = StepSearch::central().find(f, &[1.0], 7)?;
/// assert!(found.step > 2e-6 && found.step < 3e-5);
/// let estimate = Estimator::central(found.step).gradient(f, &[1.0], 7)?;
/// assert!((estimate.gradient[0] / 1f64.exp() - 1.0).abs() < 1e-9);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StepSearch {
    /// The quotient whose step is sought.
    pub quotient: Quotient,
    /// Whether the values that it compares share a seed: [`RandomNumbers::Common`] by default.
    pub random_numbers: RandomNumbers,
    /// The longest step to be tried, 1 by default; the search looks up to twice as far from the point.
    pub longest: f64,
}

/// A difference quotient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotient {
    /// (f(x + h) − f(x − h))/2h.
    Central,
    /// (f(x + h) − f(x))/h.
    Forward,
}

/// A step with what it was chosen from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct ChosenStep {
    /// The step.
    pub step: f64,
    /// τ, the standard deviation of the noise in one value; at least half a unit in its last place.
    pub noise: f64,
    /// |f‴| for central differences, |f″| for forward ones, root mean square over the axes; 0 where not
    /// even the longest step brought it out of the noise. Good to a factor of two.
    pub derivative: f64,
    /// The root-mean-square error of an entry that theory predicts at this step.
    pub error_estimate: f64,
    /// How often the black box was asked.
    pub evaluations: usize,
}

impl StepSearch {
    /// For central differences.
    #[must_use]
    pub fn central() -> Self {
        Self::new(Quotient::Central)
    }

    /// For forward differences.
    #[must_use]
    pub fn forward() -> Self {
        Self::new(Quotient::Forward)
    }

    fn new(quotient: Quotient) -> Self {
        Self { quotient, random_numbers: RandomNumbers::Common, longest: 1.0 }
    }

    /// Sets whether values that are compared share a seed.
    #[must_use]
    pub fn random_numbers(mut self, random_numbers: RandomNumbers) -> Self {
        self.random_numbers = random_numbers;
        self
    }

    /// Sets the longest step to be tried.
    #[must_use]
    pub fn longest(mut self, longest: f64) -> Self {
        self.longest = longest;
        self
    }

    /// Searches around `at`, with some ten evaluations for the noise and ten to twenty for each axis.
    ///
    /// # Errors
    /// [`Error::Empty`] and [`Error::NotFinite`] for `at`, [`Error::OutOfRange`] for the longest step,
    /// what `f` returned, [`Error::ValueNotFinite`] for a value that is NaN or infinite.
    ///
    /// [`Error::Empty`]: crate::Error::Empty
    /// [`Error::NotFinite`]: crate::Error::NotFinite
    /// [`Error::OutOfRange`]: crate::Error::OutOfRange
    /// [`Error::ValueNotFinite`]: crate::Error::ValueNotFinite
    pub fn find(
        &self,
        f: impl FnMut(&[f64], u64) -> Result<f64>,
        at: &[f64],
        seed: u64,
    ) -> Result<ChosenStep> {
        check::not_empty("at", at.len())?;
        check::finite("at", at)?;
        check::positive("longest", self.longest)?;
        let mut probe = Probe::new(f, at, seed, self.random_numbers);
        let noise = self.noise(&mut probe, at)?;
        let mut square = 0.0;
        for axis in 0..at.len() {
            square += self.derivative(&mut probe, axis, at.len(), noise)?.powi(2);
        }
        let derivative = (square / real(at.len())).sqrt();
        let best = match self.quotient {
            Quotient::Central => (3.0 * noise / derivative).cbrt(),
            Quotient::Forward => 8f64.powf(0.25) * (noise / derivative).sqrt(),
        };
        // No derivative makes it infinite, or NaN where there is no noise either.
        let step = best.min(self.longest);
        let (bias, scatter) = match self.quotient {
            Quotient::Central => (step * step * derivative / 6.0, noise / (2f64.sqrt() * step)),
            Quotient::Forward => (step * derivative / 2.0, 2f64.sqrt() * noise / step),
        };
        let (error_estimate, evaluations) = (bias.hypot(scatter), probe.evaluations());
        Ok(ChosenStep { step, noise, derivative, error_estimate, evaluations })
    }
}

/// How far apart the points are whose differences show the noise: so near that everything else is
/// straight.
const CLOSE: f64 = 1e-8;

impl StepSearch {
    /// τ.
    fn noise<F: FnMut(&[f64], u64) -> Result<f64>>(
        &self,
        probe: &mut Probe<'_, F>,
        at: &[f64],
    ) -> Result<f64> {
        let mut rng = probe.rng();
        let direction: Vec<f64> =
            at.iter().map(|x| x.abs().max(1.0) * rng.random_range(0.5..1.0)).collect();
        let spacing = match self.random_numbers {
            RandomNumbers::Common => CLOSE,
            RandomNumbers::Independent => 0.0,
        };
        let mut values = Vec::with_capacity(9);
        for k in 0..9 {
            values.push(probe.along(&direction, spacing * f64::from(k))?);
        }
        let rounding = 0.5 * f64::EPSILON * values.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        // Independent noise of variance τ² makes the k-th difference's C(2k, k)·τ².
        let (order, gain) = match self.random_numbers {
            RandomNumbers::Common => (4, 70.0),
            RandomNumbers::Independent => (1, 2.0),
        };
        for _ in 0..order {
            values = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        }
        let square: f64 = values.iter().map(|v| v * v).sum();
        Ok((square / (gain * real(values.len()))).sqrt().max(rounding))
    }

    /// |f‴| or |f″| along an axis; 0 where it does not stand out of the noise.
    fn derivative<F: FnMut(&[f64], u64) -> Result<f64>>(
        &self,
        probe: &mut Probe<'_, F>,
        axis: usize,
        axes: usize,
        noise: f64,
    ) -> Result<f64> {
        // Offsets and weights; the sum is divisor·hᵏ·f⁽ᵏ⁾, and its noise the root of Σ w² times τ.
        let (stencil, power, divisor): (&[(f64, f64)], i32, f64) = match self.quotient {
            Quotient::Central => (&[(2.0, 1.0), (1.0, -2.0), (-1.0, 2.0), (-2.0, -1.0)], 3, 2.0),
            Quotient::Forward => (&[(1.0, 1.0), (0.0, -2.0), (-1.0, 1.0)], 2, 1.0),
        };
        let scatter = noise * stencil.iter().map(|(_, w)| w * w).sum::<f64>().sqrt();
        let direction: Vec<f64> = (0..axes).map(|k| if k == axis { 1.0 } else { 0.0 }).collect();
        let mut step = self.longest;
        let mut found = 0.0;
        for _ in 0..5 {
            let mut sum = 0.0;
            for (offset, weight) in stencil {
                sum += weight * probe.along(&direction, offset * step)?;
            }
            let signal = sum.abs() / scatter;
            // Written so that nothing over nothing is no signal.
            if !(signal >= 10.0) {
                // What a longer step had found stays.
                break;
            }
            found = sum.abs() / (divisor * step.powi(power));
            if signal < 100.0 {
                break;
            }
            // Shorter, to where the signal is 30 times the noise if the derivative stays.
            step *= (30.0 / signal).powf(1.0 / f64::from(power));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Estimator, Streams};
    use rand_distr::{Distribution, StandardNormal};

    fn noise(seed: u64) -> f64 {
        StandardNormal.sample(&mut Streams::new(seed).rng(0, 0, 0))
    }

    #[test]
    fn of_rounded_values_it_is_the_cube_root_of_the_rounding() {
        let f = |x: &[f64], _: u64| Ok(x[0].exp());
        let found = StepSearch::central().find(f, &[1.0], 7).unwrap();
        // h* = (3·u·f/f‴)^⅓ = 6.9e-6 at u = 2⁻⁵³; τ is known to a factor of two.
        assert!((found.step / 6.9e-6).ln().abs() < 2f64.ln(), "{found:?}");
        assert!((found.derivative / 1f64.exp() - 1.0).abs() < 0.5, "{found:?}");
        let forward = StepSearch::forward().find(f, &[1.0], 7).unwrap();
        assert!((forward.step / (8f64.powf(0.25) * 2f64.powf(-26.5))).ln().abs() < 2f64.ln());
    }

    #[test]
    fn of_noisy_values_it_balances_noise_and_curvature() {
        let tau = 0.01;
        let f = |x: &[f64], seed: u64| Ok(x[0].exp() + tau * noise(seed));
        let independent = StepSearch::central().random_numbers(RandomNumbers::Independent);
        // NumPy: the best of all steps is 0.2226 with an error of 1.435e-2, 1.6 times that at h*/2 and
        // 2.4 times at 2h*.
        for seed in 0..20 {
            let found = independent.find(f, &[1.0], seed).unwrap();
            assert!((found.step / 0.2226).ln().abs() < 2f64.ln(), "{seed}: {found:?}");
            assert!((found.noise / tau).ln().abs() < 1.0, "{seed}: {found:?}");
        }
        // And the error there is what it says, root mean square over 20,000 quotients.
        let found = independent.find(f, &[1.0], 7).unwrap();
        let central = Estimator::central(found.step)
            .random_numbers(RandomNumbers::Independent)
            .repeats(20_000)
            .compared_at(None);
        let many = central.gradient(f, &[1.0], 7).unwrap();
        let bias = many.gradient[0] - 1f64.exp();
        let rms = bias.hypot(many.std_error[0] * 20_000f64.sqrt());
        assert!((rms / found.error_estimate).ln().abs() < 1.0, "{rms} {found:?}");
        // With common numbers the noise is gone, and the step short again.
        let common = StepSearch::central().find(f, &[1.0], 7).unwrap();
        assert!(common.step < 1e-4, "{common:?}");
    }

    #[test]
    fn without_curvature_the_longest_step_is_the_best() {
        let bowl = |x: &[f64], _: u64| Ok(x[0] * x[0] + 3.0 * x[1]);
        let found = StepSearch::central().longest(0.5).find(bowl, &[0.3, 0.4], 7).unwrap();
        assert_eq!((found.step, found.derivative), (0.5, 0.0));
        let zero = StepSearch::central().find(|_, _| Ok(0.0), &[0.3], 7).unwrap();
        assert_eq!((zero.step, zero.error_estimate), (1.0, 0.0));
    }

    #[test]
    fn a_solver_with_a_tolerance_is_noisy_without_being_random() {
        // sin, rounded to six digits: noise of 1e-6/√12.
        let f = |x: &[f64], _: u64| Ok((x[0].sin() * 1e6 + 0.3 * (1e9 * x[0]).sin()).round() / 1e6);
        let found = StepSearch::central().find(f, &[0.5], 7).unwrap();
        assert!(found.noise > 5e-8 && found.noise < 2e-6, "{found:?}");
        assert!(found.step > 3e-3 && found.step < 3e-2, "{found:?}");
    }

    #[test]
    fn bad_input_is_named() {
        let f = |x: &[f64], _: u64| Ok(if x[0] > 1.5 { f64::NAN } else { x[0] });
        let text = |search: StepSearch, at: &[f64]| search.find(f, at, 7).unwrap_err().to_string();
        let central = StepSearch::central();
        assert_eq!(text(central, &[]), "at is empty, and at least one entry is needed");
        assert_eq!(
            text(central.longest(-1.0), &[0.0]),
            "longest is -1, and must be positive and finite"
        );
        assert_eq!(text(central, &[0.0]), "the black box returned NaN at evaluation 9, for [2.0]");
    }
}
