//! The score-function estimator (REINFORCE) for one action per episode.

use linalg::DMatrix;
use rand::Rng;

use crate::gradients::estimate::Moments;
use crate::{Baseline, Error, GradientEstimate, Policy, Result, check, gradients::baseline};

/// Estimates ∇J from `samples` actions drawn from the policy and their rewards: ∇J ≈ (1/N) Σᵢ (rᵢ −
/// bᵢ) ∇ log π(aᵢ; θ).
///
/// `reward` is the black box, a simulator say; of it only values are needed, once per action, and
/// it may be noisy. N is `samples`, bᵢ the `baseline`.
///
/// # Errors
/// [`Error::RewardNotFinite`] at the first reward that is NaN or infinite, with sample and action,
/// and `reward` is not called again; those of [`score_function_batch`].
///
/// # Examples
/// ```
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
/// use rl_pg::{Baseline, Categorical, score_function};
/// let policy = Categorical::from_parameters(&[0.0, 0.5, -1.0])?;
/// let reward = |&arm: &usize| [1.0, 2.0, 0.5][arm];
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let estimate = score_function(&policy, reward, 20_000, Baseline::LeaveOneOut, &mut rng)?;
/// // By enumeration: πₐ (rₐ − J) = (−0.161, 0.281, −0.120).
/// for (k, exact) in [-0.160967130718, 0.281159454968, -0.120192324250].into_iter().enumerate() {
///     assert!((estimate.gradient[k] - exact).abs() < 5.0 * estimate.std_error[k]);
/// }
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// R. J. Williams, "Simple statistical gradient-following algorithms for connectionist
/// reinforcement learning", Machine Learning 8 (1992), theorem 1. Leave-one-out: W. Kool, H. van
/// Hoof and M. Welling, "Buy 4 REINFORCE samples, get a baseline for free!", ICLR workshop (2019).
pub fn score_function<P: Policy>(
    policy: &P,
    mut reward: impl FnMut(&P::Action) -> f64,
    samples: usize,
    baseline: Baseline,
    rng: &mut impl Rng,
) -> Result<GradientEstimate> {
    let mut actions = Vec::with_capacity(samples);
    let mut rewards = Vec::with_capacity(samples);
    for sample in 0..samples {
        let action = policy.sample(rng);
        let value = reward(&action);
        if !value.is_finite() {
            let action = format!("{action:?}");
            return Err(Error::RewardNotFinite { sample, action, value });
        }
        actions.push(action);
        rewards.push(value);
    }
    score_function_batch(policy, &actions, &rewards, baseline)
}

/// The estimate of [`score_function`] from actions that were drawn from this policy, and their
/// rewards.
///
/// For a simulator that runs elsewhere: draw with [`Policy::sample`], send the actions out, bring
/// the rewards back in the same order. Rewards that are all equal give a gradient and standard
/// errors of zero (up to rounding) under the two batch baselines.
///
/// # Errors
/// [`Error::Empty`] for a batch without samples; [`Error::Length`] for rewards of another number
/// than actions; [`Error::TooFewSamples`] for a batch baseline on one sample;
/// [`Error::RewardNotFinite`], [`Error::ScoreNotFinite`]; [`Error::NotFinite`] for the baseline;
/// and those of [`Policy::score`].
pub fn score_function_batch<P: Policy>(
    policy: &P,
    actions: &[P::Action],
    rewards: &[f64],
    baseline: Baseline,
) -> Result<GradientEstimate> {
    let samples = actions.len();
    check::not_empty("actions", samples)?;
    check::length("rewards", rewards.len(), samples)?;
    if let Some(sample) = rewards.iter().position(|reward| !reward.is_finite()) {
        let (action, value) = (format!("{:?}", actions[sample]), rewards[sample]);
        return Err(Error::RewardNotFinite { sample, action, value });
    }
    // A column per sample: its score, then its term.
    let mut terms = DMatrix::zeros(policy.parameter_count(), samples);
    for (sample, mut score) in terms.column_iter_mut().enumerate() {
        policy.score(&actions[sample], score.as_mut_slice())?;
        if let Some(parameter) = score.iter().position(|entry| !entry.is_finite()) {
            return Err(Error::ScoreNotFinite { sample, parameter, value: score[parameter] });
        }
    }
    baseline::weigh(&mut terms, rewards, baseline)?;
    let (mut moments, mut values) = (Moments::new(terms.nrows()), Moments::new(1));
    for (term, reward) in terms.column_iter().zip(rewards) {
        moments.push(term.as_slice());
        values.push(&[*reward]);
    }
    Ok(moments.estimate(&values, samples, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::real;
    use crate::{Categorical, FullGaussian};
    use linalg::DVector;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    const REWARDS: [f64; 3] = [1.0, 2.0, 0.5];

    fn policy() -> Categorical {
        Categorical::from_parameters(&[0.0, 0.5, -1.0]).unwrap()
    }

    /// J and πₐ (rₐ − J).
    fn exact(policy: &Categorical) -> (f64, DVector<f64>) {
        let pi = DVector::from_column_slice(policy.probabilities());
        let value = pi.dot(&DVector::from_column_slice(&REWARDS));
        (value, DVector::from_fn(3, |a, _| pi[a] * (REWARDS[a] - value)))
    }

    /// Mean and trace of the covariance of the estimate over every possible batch of `n` samples.
    fn enumerate(policy: &Categorical, n: u32, baseline: Baseline) -> (DVector<f64>, f64) {
        let (mut mean, mut square) = (DVector::zeros(3), 0.0);
        for batch in 0..3usize.pow(n) {
            let actions: Vec<usize> = (0..n).map(|i| batch / 3usize.pow(i) % 3).collect();
            let rewards: Vec<f64> = actions.iter().map(|&a| REWARDS[a]).collect();
            let weight: f64 = actions.iter().map(|&a| policy.probabilities()[a]).product();
            let estimate = score_function_batch(policy, &actions, &rewards, baseline).unwrap();
            mean += &estimate.gradient * weight;
            square += weight * estimate.gradient.norm_squared();
        }
        let variance = square - mean.norm_squared();
        (mean, variance)
    }

    #[test]
    fn the_expectation_is_the_gradient_and_the_variance_the_known_one() {
        let policy = policy();
        let (value, gradient) = exact(&policy);
        assert!((value - 1.4855735611113152).abs() < 1e-15);
        // By NumPy 2.4: the gradient, and the traces of the one-sample covariance with no baseline,
        // with J, and with E[|score|² r]/E|score|².
        let printed = [-0.160967130718, 0.281159454968, -0.120192324250];
        for (baseline, trace) in [
            (Baseline::None, 0.890933),
            (Baseline::Constant(value), 0.127549),
            (Baseline::Constant(1.188448), 0.076652),
        ] {
            let (mean, variance) = enumerate(&policy, 1, baseline);
            for k in 0..3 {
                assert!((mean[k] - printed[k]).abs() < 1e-12, "{baseline:?}: {mean}");
                assert!((mean[k] - gradient[k]).abs() < 1e-15, "{baseline:?}: {mean}");
            }
            assert!((variance - trace).abs() < 1e-6, "{baseline:?}: {variance}");
        }
    }

    #[test]
    fn the_optimal_baselines_are_unbiased_and_approach_the_least_variance() {
        let policy = policy();
        let (_, gradient) = exact(&policy);
        let reward = |&arm: &usize| REWARDS[arm];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        // By NumPy 2.4: traces of the one-sample covariance with the exact optimal baselines.
        for (baseline, trace) in
            [(Baseline::Optimal, 0.076652), (Baseline::OptimalPerParameter, 0.034379)]
        {
            for n in 2..=5 {
                let (mean, _) = enumerate(&policy, n, baseline);
                assert!((mean - &gradient).amax() < 1e-14, "{baseline:?} {n}");
            }
            let n = 100_000;
            let estimate = score_function(&policy, reward, n, baseline, &mut rng).unwrap();
            let found = estimate.std_error.norm_squared() * real(n);
            // The terms are bounded by 1.3, so their variance is known to 1 % and better.
            assert!((found / trace - 1.0).abs() < 0.02, "{baseline:?}: {found}");
        }
    }

    #[test]
    fn leave_one_out_is_unbiased_and_the_batch_mean_is_short_by_one_part_in_n() {
        let policy = policy();
        let (_, gradient) = exact(&policy);
        for n in 2..=5 {
            let (mean, _) = enumerate(&policy, n, Baseline::LeaveOneOut);
            assert!((mean - &gradient).amax() < 1e-14, "{n}");
            let (mean, _) = enumerate(&policy, n, Baseline::BatchMean);
            assert!((mean - &gradient * (1.0 - 1.0 / f64::from(n))).amax() < 1e-14, "{n}");
        }
    }

    #[test]
    fn the_standard_error_is_the_spread_of_the_estimate() {
        let policy = policy();
        let (value, gradient) = exact(&policy);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let reward = |&arm: &usize| REWARDS[arm];
        for baseline in [Baseline::None, Baseline::BatchMean, Baseline::LeaveOneOut] {
            let n = 50_000;
            let estimate = score_function(&policy, reward, n, baseline, &mut rng).unwrap();
            assert_eq!(estimate.evaluations, n);
            for k in 0..3 {
                let z = (estimate.gradient[k] - gradient[k]) / estimate.std_error[k];
                assert!(z.abs() < 5.0, "{baseline:?} {k}: {z}");
            }
            assert!((estimate.value - value).abs() < 5.0 * estimate.value_std_error);
            // One-sample variance: sum over parameters, to the few per cent that n samples give.
            let trace = estimate.std_error.norm_squared() * real(n);
            let known = if baseline == Baseline::None { 0.890933 } else { 0.127549 };
            assert!((trace / known - 1.0).abs() < 0.05, "{baseline:?}: {trace}");
        }
    }

    #[test]
    fn the_slope_by_a_covariance_is_minus_half_the_quadratic_form() {
        // R = −(a − c)ᵀ Q (a − c)/2: J = −(μ − c)ᵀ Q (μ − c)/2 − tr(Q Σ)/2, so ∂J/∂μ = −Q (μ − c) and
        // ∂J/∂Σ = −Q/2, which with Σ = L·Lᵀ is ∂J/∂L = −Q·L.
        let q = DMatrix::from_row_slice(2, 2, &[2.0, 0.6, 0.6, 1.0]);
        let c = DVector::from_column_slice(&[0.5, -1.0]);
        let parameters: [f64; 5] = [0.3, -0.2, -0.4, 0.3, -0.1];
        let policy = FullGaussian::from_parameters(&parameters).unwrap();
        let off = |a: &[f64]| DVector::from_column_slice(a) - &c;
        let reward = |a: &Vec<f64>| -0.5 * (off(a).transpose() * &q * off(a))[0];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let baseline = Baseline::LeaveOneOut;
        let found = score_function(&policy, reward, 200_000, baseline, &mut rng).unwrap();
        let [diagonal, lower, last] = [parameters[2].exp(), parameters[3], parameters[4].exp()];
        let factor = DMatrix::from_row_slice(2, 2, &[diagonal, 0.0, lower, last]);
        let (by_mean, by_factor) = (-(&q * off(&parameters[..2])), -(&q * factor));
        // The diagonal's parameters are logarithms.
        let exact = [
            by_mean[0],
            by_mean[1],
            by_factor[(0, 0)] * diagonal,
            by_factor[(1, 0)],
            by_factor[(1, 1)] * last,
        ];
        for (k, exact) in exact.into_iter().enumerate() {
            let z = (found.gradient[k] - exact) / found.std_error[k];
            assert!(z.abs() < 5.0, "{k}: {} ± {}, {exact}", found.gradient[k], found.std_error[k]);
            // Five of these are less than a tenth of the largest entry.
            assert!(found.std_error[k] < 0.02, "{k}: {}", found.std_error[k]);
        }
    }

    #[test]
    fn a_vanishing_gradient_is_not_an_optimum() {
        // Nearly certain of the worst arm: nothing to gain nearby, everything elsewhere.
        let stuck = Categorical::from_parameters(&[0.0, 0.0, 20.0]).unwrap();
        let (value, gradient) = exact(&stuck);
        assert!(value < 0.5 + 1e-8 && gradient.norm() < 1e-8);
        let (mean, _) = enumerate(&stuck, 1, Baseline::None);
        assert!((mean - gradient).norm() < 1e-15);
    }

    #[test]
    fn equal_rewards_give_zero_and_one_sample_an_infinite_error() {
        let actions = [0, 1, 2, 1];
        for baseline in [Baseline::BatchMean, Baseline::LeaveOneOut] {
            let estimate = score_function_batch(&policy(), &actions, &[0.1; 4], baseline).unwrap();
            assert!(estimate.gradient.amax() < 1e-16 && estimate.std_error.amax() < 1e-16);
            assert!(estimate.value_std_error < 1e-16);
        }
        let single = score_function_batch(&policy(), &[1], &[2.0], Baseline::None).unwrap();
        assert_eq!((single.std_error[0], single.value_std_error), (f64::INFINITY, f64::INFINITY));
    }

    #[test]
    fn a_simulator_that_fails_stops_the_batch_with_its_action() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut calls = 0;
        let reward = |&arm: &usize| {
            calls += 1;
            if calls == 4 { f64::NAN } else { REWARDS[arm] }
        };
        let error = score_function(&policy(), reward, 10, Baseline::None, &mut rng).unwrap_err();
        assert_eq!(calls, 4);
        let Error::RewardNotFinite { sample: 3, ref action, value } = error else {
            panic!("{error}");
        };
        assert!(value.is_nan());
        assert_eq!(
            error.to_string(),
            format!("the reward of sample 3 is NaN for the action {action}")
        );
        let arm: usize = action.parse().unwrap();
        assert!(arm < 3);
    }

    /// A policy whose score is not a number.
    struct Broken;

    impl Policy for Broken {
        type Action = Vec<f64>;

        fn parameter_count(&self) -> usize {
            2
        }

        fn sample(&self, _: &mut dyn Rng) -> Vec<f64> {
            vec![0.1, 1.0 / 3.0]
        }

        fn mode(&self) -> Vec<f64> {
            Vec::new()
        }

        fn log_probability(&self, _: &Vec<f64>) -> Result<f64> {
            Ok(0.0)
        }

        fn entropy(&self) -> f64 {
            0.0
        }

        fn entropy_gradient(&self, _: &mut [f64]) -> Result<()> {
            Ok(())
        }

        fn divergence(&self, _: &Self) -> Result<f64> {
            Ok(0.0)
        }

        fn fisher(&self) -> DMatrix<f64> {
            DMatrix::zeros(2, 2)
        }

        fn score(&self, _: &Vec<f64>, score: &mut [f64]) -> Result<()> {
            score[1] = f64::INFINITY;
            Ok(())
        }
    }

    #[test]
    fn bad_input_is_named() {
        let batch = |actions: &[usize], rewards: &[f64], baseline| {
            score_function_batch(&policy(), actions, rewards, baseline).unwrap_err().to_string()
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        for (found, text) in [
            (batch(&[], &[], Baseline::None), "actions is empty, and at least one entry is needed"),
            (batch(&[0, 1], &[1.0], Baseline::None), "rewards has 1 entries, expected 2"),
            (
                batch(&[0], &[1.0], Baseline::LeaveOneOut),
                "the leave-one-out baseline needs at least 2 samples, got 1",
            ),
            (
                batch(&[0], &[1.0], Baseline::BatchMean),
                "the batch-mean baseline needs at least 2 samples, got 1",
            ),
            (
                batch(&[0, 2], &[1.0, f64::NEG_INFINITY], Baseline::None),
                "the reward of sample 1 is -inf for the action 2",
            ),
            (
                batch(&[0], &[1.0], Baseline::Constant(f64::NAN)),
                "baseline[0] is NaN, and every entry must be finite",
            ),
            (
                batch(&[0, 7], &[1.0, 1.0], Baseline::None),
                "the action is 7, and the policy has actions 0 to 2",
            ),
            (
                score_function(&Broken, |_| 1.0, 3, Baseline::None, &mut rng)
                    .unwrap_err()
                    .to_string(),
                "the score of sample 0 is inf in parameter 1",
            ),
            (
                score_function(&Broken, |_| f64::NAN, 3, Baseline::None, &mut rng)
                    .unwrap_err()
                    .to_string(),
                "the reward of sample 0 is NaN for the action [0.1, 0.3333333333333333]",
            ),
        ] {
            assert_eq!(found, text);
        }
    }
}
