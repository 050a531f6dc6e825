//! What `rl-pg` claims of its policies, and of what is made of their scores.

use linalg::{DMatrix, DVector};
use nn_core::Network;
use rand::RngExt;
use rl_pg::{
    Actor, Baseline, Bernoulli, Beta, Categorical, DiagonalGaussian, FullGaussian, Policy,
    Squashed, SquashedGaussian, natural_gradient, score_function_batch,
};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rl-pg/policies",
        question: Some(2),
        claim: "Probabilities, entropies, divergences and Fisher informations of the six policies are the sums and \
                integrals that define them.",
        run: policies,
    },
    Check {
        id: "rl-pg/optimal-baselines",
        question: Some(2),
        claim: "Baselines of least variance, estimated from the other samples of the batch, leave the estimate's \
                expectation alone, exactly.",
        run: optimal_baselines,
    },
    Check {
        id: "rl-pg/natural-gradient",
        question: Some(2),
        claim: "The natural gradient of a softmax bandit is the reward of each arm less their plain mean.",
        run: natural,
    },
    Check {
        id: "rl-pg/natural-through-network",
        question: Some(2),
        claim: "A natural step of a network's policy moves the policy alike in whatever units the network sees.",
        run: natural_through_network,
    },
];

/// The larger of two, or NaN where one is.
fn worse(a: f64, b: f64) -> f64 {
    if b <= a { a } else { b }
}

/// The trapezoidal rule on [−reach, reach], which for analytic functions that vanish at the ends errs by
/// e^(−c/step).
fn line(reach: f64, step: f64) -> impl Iterator<Item = f64> + Clone {
    let mut k = 0.0;
    std::iter::from_fn(move || {
        let x = step * k - reach;
        k += 1.0;
        (x <= reach).then_some(x)
    })
}

/// The largest relative deviation of a policy's own figures from sums over `nodes`, (action, weight).
fn deviation<P: Policy>(
    policy: &P,
    other: &P,
    nodes: impl Iterator<Item = (P::Action, f64)>,
) -> Result<f64, BoxError> {
    let n = policy.parameter_count();
    let (mut total, mut entropy, mut divergence) = (0.0, 0.0, 0.0);
    let (mut score, mut mean) = (DVector::zeros(n), DVector::zeros(n));
    let mut fisher = DMatrix::zeros(n, n);
    for (action, weight) in nodes {
        let log = policy.log_probability(&action)?;
        let mass = weight * log.exp();
        if mass == 0.0 {
            continue;
        }
        policy.score(&action, score.as_mut_slice())?;
        total += mass;
        entropy -= mass * log;
        divergence += mass * (log - other.log_probability(&action)?);
        mean += &score * mass;
        fisher += &score * score.transpose() * mass;
    }
    let off = |found: f64, expected: f64| (found - expected).abs() / (1.0 + expected.abs());
    let singles = [
        off(1.0, total),
        off(policy.entropy(), entropy),
        off(policy.divergence(other)?, divergence),
        mean.amax(),
    ];
    let own = policy.fisher();
    let pairs = own.iter().zip(&fisher).map(|(found, expected)| off(*found, *expected));
    Ok(singles.into_iter().chain(pairs).fold(0.0, worse))
}

fn policies(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let (mut worst, mut notes) = (0.0, Vec::new());
    let mut note = |name: &str, found: f64| {
        worst = worse(worst, found);
        notes.push(format!("{name}: {found:.0e}."));
    };
    let family = Categorical::from_parameters;
    let found = deviation(&family(&draw(5))?, &family(&draw(5))?, (0..5).map(|a| (a, 1.0)))?;
    note("Categorical", found);

    let family = Bernoulli::from_parameters;
    let words = (0..8u32).map(|word| ((0..3).map(|k| word >> k & 1 == 1).collect(), 1.0));
    note("Bernoulli", deviation(&family(&draw(3))?, &family(&draw(3))?, words)?);

    // Standard deviations up to e: 35 and 25 hold twelve and nine of them.
    let family = DiagonalGaussian::from_parameters;
    let nodes = line(35.0, 0.05).map(|a| (vec![a], 0.05));
    note("Diagonal Gaussian", deviation(&family(&draw(2))?, &family(&draw(2))?, nodes)?);

    let family = FullGaussian::from_parameters;
    let plane =
        line(30.0, 0.15).flat_map(|x| line(30.0, 0.15).map(move |y| (vec![x, y], 0.15 * 0.15)));
    note("Full Gaussian", deviation(&family(&draw(5))?, &family(&draw(5))?, plane)?);

    // da = (1 − a²) du for a = tanh u, and da = a(1 − a) dt for a = 1/(1 + e^−t).
    let family = SquashedGaussian::from_parameters;
    let squashed = family(&draw(2))?;
    let nodes =
        line(30.0, 0.02).map(|u| (Squashed::from_unbounded(vec![u]), 0.02 / u.cosh().powi(2)));
    note("Squashed Gaussian", deviation(&squashed, &family(&draw(2))?, nodes.clone())?);

    let family = Beta::from_parameters;
    let nodes_of_beta = line(36.0, 0.05).map(|t| {
        let a = 1.0 / (1.0 + (-t).exp());
        (vec![a], a / (1.0 + t.exp()) * 0.05)
    });
    note("Beta", deviation(&family(&draw(2))?, &family(&draw(2))?, nodes_of_beta)?);

    // The density of u, taken for that of tanh u.
    let mut total = 0.0;
    for (action, weight) in nodes {
        let log = squashed.unbounded().log_probability(&action.unbounded().to_vec())?;
        total += weight * log.exp();
    }
    Ok(Evidence {
        measured: worst,
        limit: 1e-11,
        reason: "relative deviation: the rules err by less than 1e-13, and thousands of terms of order one by \
                 1e-13 in rounding; 1 − a near a = 1 costs the rest",
        control: Control {
            what: "total probability of a squashed action without log(1 − tanh² u)",
            measured: (total - 1.0).abs(),
        },
        plots: Vec::new(),
        notes,
    })
}

/// A gradient from a batch of actions.
type Estimate<'a> = dyn Fn(&[usize]) -> Result<DVector<f64>, BoxError> + 'a;

fn optimal_baselines(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let mut draw = |from, to| -> Vec<f64> { (0..3).map(|_| rng.random_range(from..to)).collect() };
    let policy = Categorical::from_parameters(&draw(-1.0, 1.0))?;
    let rewards = draw(0.0, 2.0);
    let pi = policy.probabilities();
    let value: f64 = pi.iter().zip(&rewards).map(|(p, r)| p * r).sum();
    let exact = DVector::from_fn(3, |a, _| pi[a] * (rewards[a] - value));
    let scores: Vec<DVector<f64>> = (0..3)
        .map(|a| {
            let mut score = DVector::zeros(3);
            policy.score(&a, score.as_mut_slice()).map(|()| score)
        })
        .collect::<Result<_, _>>()?;
    let off = |mean: &DVector<f64>| (mean - &exact).norm() / exact.norm();
    // The expectation over every batch of n.
    let expectation = |n: u32, estimate: &Estimate<'_>| {
        let mut mean = DVector::zeros(3);
        for batch in 0..3usize.pow(n) {
            let actions: Vec<usize> = (0..n).map(|i| batch / 3usize.pow(i) % 3).collect();
            let chance: f64 = actions.iter().map(|&a| pi[a]).product();
            mean += estimate(&actions)? * chance;
        }
        Ok::<_, BoxError>(mean)
    };
    let (mut worst, mut control) = (0.0, f64::INFINITY);
    for n in 2..=6 {
        for baseline in [Baseline::Optimal, Baseline::OptimalPerParameter] {
            let mean = expectation(n, &|actions| {
                let own: Vec<f64> = actions.iter().map(|&a| rewards[a]).collect();
                Ok(score_function_batch(&policy, actions, &own, baseline)?.gradient)
            })?;
            worst = worse(worst, off(&mean));
        }
        let mean = expectation(n, &|actions| {
            let (mut weights, mut weighted) = (0.0, 0.0);
            for &a in actions {
                weights += scores[a].norm_squared();
                weighted += scores[a].norm_squared() * rewards[a];
            }
            let b = weighted / weights;
            let sum: DVector<f64> = actions.iter().map(|&a| &scores[a] * (rewards[a] - b)).sum();
            Ok(sum / f64::from(n))
        })?;
        control = control.min(off(&mean));
    }
    // One sample's variance with each baseline known exactly.
    let spread = |term: &dyn Fn(usize) -> DVector<f64>| {
        (0..3).map(|a| pi[a] * term(a).norm_squared()).sum::<f64>() - exact.norm_squared()
    };
    let best = |square: &dyn Fn(usize) -> f64| {
        (0..3).map(|a| pi[a] * square(a) * rewards[a]).sum::<f64>()
            / (0..3).map(|a| pi[a] * square(a)).sum::<f64>()
    };
    let scalar = best(&|a| scores[a].norm_squared());
    let each = DVector::from_fn(3, |k, _| best(&|a| scores[a][k].powi(2)));
    let variances = [
        spread(&|a| &scores[a] * rewards[a]),
        spread(&|a| &scores[a] * (rewards[a] - value)),
        spread(&|a| &scores[a] * (rewards[a] - scalar)),
        spread(&|a| DVector::from_fn(3, |k, _| scores[a][k] * (rewards[a] - each[k]))),
    ]
    .map(|variance| format!("{variance:.4}"));
    Ok(Evidence {
        measured: worst,
        limit: 3f64.powi(6) * 8.0 * f64::EPSILON,
        reason: "relative error of sums over every batch: up to 3^6 terms of a few roundings each",
        control: Control {
            what: "the optimal baseline from the whole batch, the sample itself among it",
            measured: control,
        },
        plots: Vec::new(),
        notes: vec![format!(
            "The variance of one sample is {} with no baseline, the mean, the best number, the best number for each \
             parameter.",
            variances.join(", ")
        )],
    })
}

fn natural(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let arms = 6;
    let mut draw = |from, to| DVector::from_fn(arms, |_, _| rng.random_range(from..to));
    let (logits, rewards) = (draw(-2.0, 2.0), draw(0.0, 2.0));
    let policy = Categorical::from_parameters(logits.as_slice())?;
    let pi = DVector::from_column_slice(policy.probabilities());
    let gradient = |policy_probabilities: &DVector<f64>| {
        let value = policy_probabilities.dot(&rewards);
        DVector::from_fn(arms, |a, _| policy_probabilities[a] * (rewards[a] - value))
    };
    let plain = gradient(&pi);
    let expected = rewards.add_scalar(-rewards.mean());
    let off = |found: &DVector<f64>| (found - &expected).norm() / expected.norm();
    // The plain gradient, at the length that suits it best.
    let scaled = &plain * (plain.dot(&expected) / plain.norm_squared());

    // A normal policy: Σ·∂J/∂μ, in notes.
    let normal = FullGaussian::from_parameters(draw(-1.0, 1.0).rows(0, 5).as_slice())?;
    let mut slope = DVector::zeros(5);
    slope.rows_mut(0, 2).copy_from(&draw(-1.0, 1.0).rows(0, 2));
    let moved = natural_gradient(&normal, &slope, 0.0)?;
    let stretched = normal.covariance() * slope.rows(0, 2);
    let normal_off = (moved.rows(0, 2) - &stretched).norm() / stretched.norm();
    let smallest = pi.min();
    Ok(Evidence {
        measured: worse(off(&natural_gradient(&policy, &plain, 0.0)?), normal_off),
        limit: 1e-12,
        reason: "relative error: eps over the smallest probability, which is above 1/200 here, times a small \
                 multiple of the number of arms",
        control: Control { what: "the plain gradient, scaled to fit best", measured: off(&scaled) },
        plots: Vec::new(),
        notes: vec![
            format!("The rarest arm has a probability of {smallest:.3}."),
            format!("For a normal policy, Σ·dJ/dμ is met to {normal_off:.0e}."),
        ],
    })
}

fn natural_through_network(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let n = 60;
    let observations = DMatrix::from_fn(3, n, |_, _| rng.random_range(-1.0..1.0));
    let weights = DMatrix::from_fn(2, 3, |_, _| rng.random_range(-1.0..1.0));
    let advantages: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0) / n as f64).collect();
    // The same policy twice: the second network sees what is seen in other units.
    let actor = |unit: f64| -> Result<Actor<f64, DiagonalGaussian>, BoxError> {
        let layer = Network::builder(3).dense_from(&weights * unit, vec![0.2, -0.1]);
        let head = DiagonalGaussian::from_parameters;
        let actor = Actor::new(layer.build_given()?, vec![-0.7; 2], head)?;
        Ok(actor.standardize(&[0.0; 3], &[unit; 3])?)
    };
    let actions: Vec<Vec<f64>> = actor(1.0)?
        .policies(observations.as_slice())?
        .iter()
        .map(|policy| policy.sample(&mut rng))
        .collect();
    // How a step moves the means, plain or natural.
    let moved = |unit: f64, natural: bool| -> Result<DVector<f64>, BoxError> {
        let actor = actor(unit)?;
        let plain = actor.weighted_scores(&observations, &actions, &advantages)?;
        let step = match natural {
            true => actor.natural_gradient(&observations, &plain, 1e-6)?.direction,
            false => plain,
        };
        let mut after = actor.clone();
        let to: Vec<f64> = actor.parameters().iter().zip(&step).map(|(a, b)| a + b).collect();
        after.set_parameters(&to)?;
        let means = |actor: &Actor<f64, DiagonalGaussian>| -> Result<Vec<f64>, BoxError> {
            let policies = actor.policies(observations.as_slice())?;
            Ok(policies.iter().flat_map(|policy| policy.mean().to_vec()).collect())
        };
        Ok(DVector::from_vec(means(&after)?) - DVector::from_vec(means(&actor)?))
    };
    let off = |natural: bool| -> Result<f64, BoxError> {
        let (one, other) = (moved(1.0, natural)?, moved(0.1, natural)?);
        Ok((&one - other).norm() / one.norm())
    };
    Ok(Evidence {
        measured: off(true)?,
        limit: 0.1,
        reason: "conjugate gradients stop at a residual of 1e-4; the Fisher information in units of a \
                 tenth has a condition number of some hundreds",
        control: Control { what: "the plain gradient", measured: off(false)? },
        plots: Vec::new(),
        notes: vec![
            "Seen in tenths of a unit, the plain gradient moves the policy a hundred times as far."
                .into(),
        ],
    })
}
