//! Estimators against closed forms, on one thread and on many.

use super::*;
use crate::{Outcome, Streams};
use std::collections::BTreeMap;

/// −|x − c|²/2 with c = (1, 2, …)/10.
fn bowl(x: &[f64], _: u64) -> Result<f64> {
    Ok(-0.5 * (1..).zip(x).map(|(k, x)| (x - 0.1 * f64::from(k)).powi(2)).sum::<f64>())
}

/// A normal number from a seed.
fn noise(seed: u64) -> f64 {
    StandardNormal.sample(&mut Streams::new(seed).rng(0, 0, 0))
}

fn trace(estimate: &GradientEstimate, repeats: u32) -> f64 {
    estimate.std_error.norm_squared() * f64::from(repeats)
}

const HERE: [f64; 3] = [0.5, -0.4, 0.0];
/// δ = x − c: the gradient is −δ.
const DELTA: [f64; 3] = [0.4, -0.6, -0.3];

#[test]
fn on_a_quadratic_each_has_the_variance_of_the_closed_form() {
    let (n, sigma, d) = (200_000, 0.5, 3.0);
    let square: f64 = DELTA.iter().map(|d| d * d).sum();
    // J = f̄ and the variance of the score function with a baseline of J, or of J less σ².
    let smooth = -0.5 * square - 0.5 * d * sigma * sigma;
    let best = smooth - sigma * sigma;
    let score = |baseline| Estimator::score_function(sigma).baseline(baseline);
    let first = (d + 1.0) * square + sigma * sigma * d * (d + 4.0) / 2.0;
    let least = (d + 1.0) * square + sigma * sigma * d * (d + 2.0) / 2.0;
    let bare = first + d * smooth * smooth / (sigma * sigma) - 2.0 * d * smooth;
    for (estimator, variance, value) in [
        (score(Baseline::Constant(smooth)), first, smooth),
        (score(Baseline::Constant(best)), least, smooth),
        (score(Baseline::LeaveOneOut), first, smooth),
        (score(Baseline::Optimal), least, smooth),
        (score(Baseline::None), bare, smooth),
        (Estimator::antithetic(sigma), (d + 1.0) * square, smooth),
        (Estimator::spsa(sigma), (d - 1.0) * square, smooth),
    ] {
        let repeated = estimator.repeats(n as usize);
        let estimate = repeated.gradient(bowl, &HERE, 7).unwrap();
        assert_eq!(estimate.evaluations, repeated.evaluations(3));
        for (k, delta) in DELTA.iter().enumerate() {
            let z = (estimate.gradient[k] + delta) / estimate.std_error[k];
            assert!(z.abs() < 5.0, "{estimator:?} {k}: {z}");
        }
        // Squares of a term scatter by up to four times their mean: 1 % is its standard error.
        let ratio = trace(&estimate, n) / variance;
        assert!((ratio - 1.0).abs() < 0.02, "{estimator:?}: {ratio}");
        let off = (estimate.value - value) / estimate.value_std_error.max(1e-12);
        assert!(off.abs() < 5.0, "{estimator:?}: {} {value}", estimate.value);
    }
}

#[test]
fn differences_are_exact_on_a_quadratic_and_forward_ones_lean_by_half_a_step() {
    for h in [1.0, 1e-3] {
        let central = Estimator::central(h).gradient(bowl, &HERE, 7).unwrap();
        let forward = Estimator::forward(h).gradient(bowl, &HERE, 7).unwrap();
        assert_eq!((central.evaluations, forward.evaluations), (9, 7));
        for (k, delta) in DELTA.iter().enumerate() {
            // Rounding: eps of values below 1, over h.
            let tolerance = 4.0 * f64::EPSILON / h;
            assert!((central.gradient[k] + delta).abs() < tolerance);
            assert!((forward.gradient[k] + delta + 0.5 * h).abs() < tolerance);
        }
        assert!(!central.slopes.unwrap().disagree() && !forward.slopes.unwrap().disagree());
    }
}

#[test]
fn spsa_over_all_corners_is_the_gradient_and_half_the_third_derivatives() {
    // A cubic, whose differences err by h²/6·(f‴ᵢᵢᵢ + 3 Σⱼ f‴ᵢⱼⱼ).
    let cubic = |x: &[f64]| x[0].powi(3) + 2.0 * x[0] * x[1] * x[1] - x[1] * x[2] + x[2];
    let h = 0.3;
    let mut corners = BTreeMap::new();
    for seed in 0..200 {
        let mut corner = Vec::new();
        let watched = |x: &[f64], _: u64| {
            if corner.is_empty() {
                corner = x.iter().zip(HERE).map(|(x, here)| *x > here).collect();
            }
            Ok(cubic(x))
        };
        let estimate = Estimator::spsa(h).gradient(watched, &HERE, seed).unwrap();
        corners.insert(corner, estimate.gradient);
    }
    assert_eq!(corners.len(), 8);
    let mean = corners.values().fold(DVector::zeros(3), |sum, g| sum + g) / 8.0;
    let [x, y, z] = HERE;
    let exact =
        [3.0 * x * x + 2.0 * y * y + h * h * (6.0 + 3.0 * 4.0) / 6.0, 4.0 * x * y - z, 1.0 - y];
    for (found, exact) in mean.iter().zip(exact) {
        assert!((found - exact).abs() < 1e-14, "{mean}");
    }
}

#[test]
fn common_numbers_cancel_noise_and_independent_ones_do_not() {
    let (tau, h, n) = (0.3, 0.1, 20_000);
    let noisy = |x: &[f64], seed: u64| Ok(bowl(x, seed)? + tau * noise(seed));
    for (numbers, variance) in [
        (RandomNumbers::Common, 0.0),
        // d τ²/2h²
        (RandomNumbers::Independent, 3.0 * tau * tau / (2.0 * h * h)),
    ] {
        let central = Estimator::central(h).repeats(n as usize).random_numbers(numbers);
        let found = trace(&central.gradient(noisy, &HERE, 7).unwrap(), n);
        // The variance of n normal terms, to 5/√(3n/2).
        assert!((found - variance).abs() <= 0.03 * variance + 1e-20, "{numbers:?}: {found}");
    }
}

#[test]
fn a_jump_is_seen_by_common_numbers_over_a_displacement() {
    // R = 1 where x + 0.2·ε > 0, at x = −0.1: dJ/dx = φ(½)/0.2.
    let slope = 1.760_326_6;
    let step = |x: &[f64], seed| Ok(if x[0] + 0.2 * noise(seed) > 0.0 { 1.0 } else { 0.0 });
    let n = 100_000;
    for h in [0.1, 0.01] {
        let central = Estimator::central(h).repeats(n as usize);
        let found = central.gradient(step, &[-0.1], 7).unwrap();
        // J′ with its own h²: φ″(½) of the normal density is −¾·φ(½).
        let bias = -0.75 * slope / 0.04 * h * h / 6.0;
        let z = (found.gradient[0] - slope - bias) / found.std_error[0];
        assert!(z.abs() < 5.0, "{h}: {}", found.gradient[0]);
        let variance = (slope + bias) / (2.0 * h) - (slope + bias).powi(2);
        assert!((trace(&found, n) / variance - 1.0).abs() < 0.05, "{h}: {}", trace(&found, n));
    }
}

#[test]
fn slopes_over_a_jump_disagree() {
    // A slope of −1 everywhere, and a reward of 2 beyond 0.3: from 0.28 it is worth crossing.
    let edge = |x: &[f64], _: u64| Ok(-x[0] + if x[0] > 0.3 { 2.0 } else { 0.0 });
    let near = Estimator::central(1e-6).gradient(edge, &[0.28], 7).unwrap();
    assert!((near.gradient[0] + 1.0).abs() < 1e-8, "exact, and the wrong way");
    let slopes = near.slopes.unwrap();
    assert!((slopes.wide * slopes.narrow.signum() + 9.0).abs() < 1e-8, "{slopes:?}");
    assert!(slopes.disagree());
    // At an optimum both slopes all but vanish, and one is no multiple of the other.
    let smooth = |x: &[f64], _: u64| Ok(x[0] - x[0].exp());
    let top = Estimator::central(1e-6).gradient(smooth, &[0.0], 7).unwrap();
    assert!(!top.slopes.unwrap().disagree(), "{:?}", top.slopes);
    let far = Estimator::central(1e-6).gradient(edge, &[0.0], 7).unwrap();
    assert!(!far.slopes.unwrap().disagree());
    let off = Estimator::central(1e-6).compared_at(None);
    let unchecked = off.gradient(edge, &[0.28], 7).unwrap();
    assert_eq!((unchecked.slopes, unchecked.evaluations), (None, 2));
}

/// The bowl as a simulator, with noise of the seed, shifted by its context.
#[derive(Clone)]
struct Bowl;

impl Simulator for Bowl {
    fn context_length(&self) -> usize {
        1
    }

    fn action_length(&self) -> usize {
        3
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        let reward = bowl(action, seed)? + context[0] * action[1] + 0.1 * noise(seed);
        Ok(Outcome { reward, metrics: Vec::new() })
    }
}

#[test]
fn rollouts_on_threads_give_the_bits_of_one_after_the_other() {
    for estimator in [
        Estimator::central(0.1).random_numbers(RandomNumbers::Independent),
        Estimator::forward(0.1),
        Estimator::antithetic(0.1).repeats(40),
        Estimator::score_function(0.1).repeats(70),
    ] {
        let one = |x: &[f64], seed: u64| Ok(Bowl.rollout(&[0.4], x, seed)?.reward);
        let expected = estimator.gradient(one, &HERE, 7).unwrap();
        assert_eq!(expected.evaluations, estimator.evaluations(3));
        for threads in [1, 2, 3, 4, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut bowls = vec![Bowl; threads];
            let found = pool.install(|| estimator.simulate(&mut bowls, &[0.4], &HERE, 7));
            assert_eq!(found.unwrap(), expected, "{threads}");
        }
    }
    let text = Estimator::spsa(0.1).simulate(&mut [Bowl], &[], &HERE, 7).unwrap_err();
    assert_eq!(text.to_string(), "a column of contexts has 0 entries, expected 1");
}

#[test]
fn the_same_seed_gives_the_same_estimate() {
    for estimator in
        [Estimator::antithetic(0.1), Estimator::spsa(0.1), Estimator::score_function(0.1)]
    {
        let estimator = estimator.repeats(20);
        let at = |seed| estimator.gradient(bowl, &HERE, seed).unwrap().gradient;
        assert_eq!(at(3), at(3));
        assert_ne!(at(3), at(4));
    }
}

#[test]
fn bad_input_is_named() {
    let error =
        |estimator: Estimator, at: &[f64]| estimator.gradient(bowl, at, 7).unwrap_err().to_string();
    let central = Estimator::central(0.1);
    for (found, text) in [
        (error(central, &[]), "at is empty, and at least one entry is needed"),
        (error(central, &[0.0, f64::NAN]), "at[1] is NaN, and every entry must be finite"),
        (
            error(Estimator::spsa(f64::NAN), &HERE),
            "displacement is NaN, and must be positive and finite",
        ),
        (
            error(central.compared_at(Some(0.0)), &HERE),
            "compared_at is 0, and must be positive and finite",
        ),
        (error(central.repeats(0), &HERE), "repeats is 0, and must be positive and finite"),
        (
            error(Estimator::score_function(0.1).repeats(1), &HERE),
            "the leave-one-out baseline needs at least 2 samples, got 1",
        ),
    ] {
        assert_eq!(found, text);
    }
    let mut calls = 0;
    let failing = |x: &[f64], _: u64| {
        calls += 1;
        Ok(if calls == 3 { f64::NAN } else { x[0] })
    };
    let error = central.gradient(failing, &[1.0, 0.5], 7).unwrap_err().to_string();
    assert_eq!(error, "the black box returned NaN at evaluation 2, for [1.0, 0.6]");
    assert_eq!(calls, 3);
}
