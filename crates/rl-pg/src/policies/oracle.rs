//! What every policy is held to: sums over all actions, difference quotients, and its own samples.

use linalg::{DMatrix, DVector, differences};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::{Policy, Result};

/// The trapezoidal rule on the line: nodes with their weights. For an analytic integrand that vanishes
/// at both ends the error falls exponentially with 1/step.
pub(crate) fn line(from: f64, to: f64, step: f64) -> impl Iterator<Item = (f64, f64)> {
    let mut count = 0.0;
    std::iter::from_fn(move || {
        let x = from + step * count;
        count += 1.0;
        (x <= to).then_some((x, step))
    })
}

/// Holds probability, score, entropy, divergence and Fisher information to their definitions as sums over
/// `nodes`, (a, weight): all actions with weight 1, or those of a quadrature rule.
pub(crate) fn nodes_agree<P: Policy>(
    policy: &P,
    other: &P,
    nodes: impl Iterator<Item = (P::Action, f64)>,
    tolerance: f64,
) {
    let n = policy.parameter_count();
    let (mut total, mut entropy, mut divergence) = (0.0, 0.0, 0.0);
    let (mut mean, mut fisher) = (DVector::zeros(n), DMatrix::zeros(n, n));
    let mut score = DVector::zeros(n);
    for (action, weight) in nodes {
        let log = policy.log_probability(&action).unwrap();
        let mass = weight * log.exp();
        if mass == 0.0 {
            continue;
        }
        policy.score(&action, score.as_mut_slice()).unwrap();
        total += mass;
        entropy -= mass * log;
        divergence += mass * (log - other.log_probability(&action).unwrap());
        mean += &score * mass;
        fisher += &score * score.transpose() * mass;
    }
    let near = |what: &str, found: f64, expected: f64| {
        let off = (found - expected).abs() / (1.0 + expected.abs());
        assert!(off < tolerance, "{what}: {found} {expected}");
    };
    near("total probability", total, 1.0);
    near("entropy", policy.entropy(), entropy);
    near("divergence", policy.divergence(other).unwrap(), divergence);
    near("divergence from itself", policy.divergence(policy).unwrap(), 0.0);
    near("mean score", mean.amax(), 0.0);
    let found = policy.fisher();
    for (k, (found, expected)) in found.iter().zip(&fisher).enumerate() {
        near(&format!("Fisher information {k}"), *found, *expected);
    }
}

/// Holds the score to differences of the log-probability, and the gradient of the entropy to those of
/// the entropy.
pub(crate) fn derivatives_agree<P: Policy>(
    family: impl Fn(&[f64]) -> Result<P>,
    parameters: &[f64],
    action: &P::Action,
) {
    let policy = family(parameters).unwrap();
    let mut found = vec![0.0; parameters.len()];
    let near = |what: &str, found: &[f64], quotients: &[f64]| {
        for (k, (found, quotient)) in found.iter().zip(quotients).enumerate() {
            // Extrapolated differences of functions of order one are good to 1e-10.
            let off = (found - quotient).abs() / (1.0 + quotient.abs());
            assert!(off < 1e-8, "{what} {k}: {found} {quotient}");
        }
    };
    policy.score(action, &mut found).unwrap();
    let log = |p: &[f64]| family(p).unwrap().log_probability(action).unwrap();
    near("score", &found, &differences::gradient(log, parameters).unwrap().value);
    policy.entropy_gradient(&mut found).unwrap();
    let entropy = |p: &[f64]| family(p).unwrap().entropy();
    near("entropy", &found, &differences::gradient(entropy, parameters).unwrap().value);
    assert!(policy.score(action, &mut vec![0.0; parameters.len() + 1]).is_err());
    assert!(policy.entropy_gradient(&mut vec![0.0; parameters.len() + 1]).is_err());
}

/// Holds the samples to the density: their scores must have mean 0 and the Fisher information as their
/// second moment, within five standard errors of 100,000 draws.
pub(crate) fn samples_agree<P: Policy>(policy: &P) {
    let n = policy.parameter_count();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let draws = 100_000;
    let (mut mean, mut square, mut fourth) =
        (DVector::zeros(n), DVector::zeros(n), DVector::zeros(n));
    let mut score = DVector::<f64>::zeros(n);
    for _ in 0..draws {
        policy.score(&policy.sample(&mut rng), score.as_mut_slice()).unwrap();
        mean += &score;
        square += score.map(|s| s.powi(2));
        fourth += score.map(|s| s.powi(4));
    }
    let count = f64::from(draws);
    let fisher = policy.fisher();
    for k in 0..n {
        let information = fisher[(k, k)];
        let z = mean[k] / (count * information).sqrt();
        assert!(z.abs() < 5.0, "mean score {k}: {z} standard errors");
        let (second, fourth) = (square[k] / count, fourth[k] / count);
        let z = (second - information) / ((fourth - second * second) / count).sqrt();
        assert!(z.abs() < 5.0, "second moment of score {k}: {z} standard errors");
    }
}
