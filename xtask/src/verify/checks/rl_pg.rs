//! What `rl-pg` claims.

use linalg::DVector;
use rand::RngExt;
use rl_pg::{Baseline, Categorical, Policy, score_function, score_function_batch};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rl-pg/score-function",
        question: Some(2),
        claim: "The score-function estimate of a softmax bandit's gradient agrees with the closed form \
                πₐ (rₐ − J), within its own standard errors.",
        run: score_function_bandit,
    },
    Check {
        id: "rl-pg/leave-one-out",
        question: Some(2),
        claim: "With the leave-one-out baseline the estimate's expectation is the gradient, exactly.",
        run: leave_one_out,
    },
    Check {
        id: "rl-pg/ascent",
        question: Some(2),
        claim: "Steps along the estimated gradient move the policy's probability to the best action.",
        run: ascent,
    },
];

/// A bandit: a policy over its arms, and their rewards.
struct Bandit {
    logits: Vec<f64>,
    rewards: Vec<f64>,
}

impl Bandit {
    /// Rewards from 0 to 2 in a random order, and logits that favor none by much.
    fn random(arms: usize, context: &Context) -> Self {
        let mut rng = context.rng();
        let logits = (0..arms).map(|_| rng.random_range(-1.0..1.0)).collect();
        let mut rewards: Vec<f64> = (0..arms)
            .map(|arm| 2.0 * arm as f64 / (arms - 1) as f64 + rng.random_range(-0.1..0.1))
            .collect();
        for last in (1..arms).rev() {
            rewards.swap(last, rng.random_range(0..=last));
        }
        Self { logits, rewards }
    }

    fn policy(&self) -> Result<Categorical, BoxError> {
        Ok(Categorical::from_parameters(&self.logits)?)
    }

    /// ∇J by its closed form, πₐ (rₐ − J).
    fn gradient(&self) -> Result<DVector<f64>, BoxError> {
        let pi = DVector::from_column_slice(self.policy()?.probabilities());
        let value = pi.dot(&DVector::from_column_slice(&self.rewards));
        Ok(DVector::from_fn(pi.len(), |a, _| pi[a] * (self.rewards[a] - value)))
    }
}

fn score_function_bandit(context: &Context) -> Result<Evidence, BoxError> {
    let bandit = Bandit::random(5, context);
    let (policy, exact) = (bandit.policy()?, bandit.gradient()?);
    let mut rng = context.rng();
    let reward = |&arm: &usize| bandit.rewards[arm];
    let n = 100_000;
    let mut worst = 0.0;
    let mut notes = Vec::new();
    let mut control = 0.0;
    for (name, baseline) in [
        ("no baseline", Baseline::None),
        ("a constant baseline", Baseline::Constant(1.0)),
        ("leave-one-out", Baseline::LeaveOneOut),
    ] {
        let estimate = score_function(&policy, reward, n, baseline, &mut rng)?;
        let in_errors = |found: &DVector<f64>| {
            let errors =
                (found - &exact).zip_map(&estimate.std_error, |off, error| off.abs() / error);
            errors.iter().fold(0.0, |worst, &z| if z <= worst { worst } else { z })
        };
        let z = in_errors(&estimate.gradient);
        worst = if z <= worst { worst } else { z };
        notes.push(format!(
            "With {name}: {z:.1} standard errors off, trace of the one-sample variance {:.3}.",
            estimate.std_error.norm_squared() * n as f64
        ));
        if baseline == Baseline::LeaveOneOut {
            // ∇π = π ∇log π: the draw brings the factor π already, and this counts it twice.
            let pi = policy.probabilities();
            let mean: f64 = pi.iter().zip(&bandit.rewards).map(|(p, r)| p * r).sum();
            let mut wrong = DVector::zeros(pi.len());
            let mut score = vec![0.0; pi.len()];
            for _ in 0..n {
                let arm = policy.sample(&mut rng);
                policy.score(&arm, &mut score)?;
                let weight = (reward(&arm) - mean) * pi[arm] / n as f64;
                wrong.iter_mut().zip(&score).for_each(|(sum, s)| *sum += weight * s);
            }
            control = in_errors(&wrong);
        }
    }
    Ok(Evidence {
        measured: worst,
        limit: 5.0,
        reason: "largest deviation in standard errors: 15 normal numbers exceed 5 once in 120,000 runs",
        control: Control { what: "rewards weighing ∇π instead of ∇log π", measured: control },
        plots: Vec::new(),
        notes,
    })
}

fn leave_one_out(context: &Context) -> Result<Evidence, BoxError> {
    let bandit = Bandit::random(3, context);
    let (policy, exact) = (bandit.policy()?, bandit.gradient()?);
    let pi = policy.probabilities();
    let (mut worst, mut worst_control, mut notes) = (0.0f64, 0.0f64, Vec::new());
    for n in 2..=5u32 {
        let expectation = |baseline| -> Result<DVector<f64>, BoxError> {
            let mut mean = DVector::zeros(3);
            for batch in 0..3usize.pow(n) {
                let actions: Vec<usize> = (0..n).map(|i| batch / 3usize.pow(i) % 3).collect();
                let rewards: Vec<f64> = actions.iter().map(|&arm| bandit.rewards[arm]).collect();
                let chance: f64 = actions.iter().map(|&arm| pi[arm]).product();
                let estimate = score_function_batch(&policy, &actions, &rewards, baseline)?;
                mean += estimate.gradient * chance;
            }
            Ok(mean)
        };
        let off = |mean: &DVector<f64>| (mean - &exact).norm() / exact.norm();
        let (unbiased, biased) =
            (expectation(Baseline::LeaveOneOut)?, expectation(Baseline::BatchMean)?);
        worst = worst.max(off(&unbiased));
        worst_control = worst_control.max(off(&biased));
        notes.push(format!(
            "Batches of {n}: the batch mean gives {:.6} of the gradient, and 1 - 1/{n} is {:.6}.",
            biased.dot(&exact) / exact.norm_squared(),
            1.0 - 1.0 / f64::from(n)
        ));
    }
    Ok(Evidence {
        measured: worst,
        limit: 3f64.powi(5) * 8.0 * f64::EPSILON,
        reason: "relative error of sums over every batch: up to 3^5 terms of a few roundings each",
        control: Control {
            what: "the mean of the whole batch as baseline: it holds each sample's own reward",
            measured: worst_control,
        },
        plots: Vec::new(),
        notes,
    })
}

fn ascent(context: &Context) -> Result<Evidence, BoxError> {
    let bandit = Bandit::random(5, context);
    let mut rng = context.rng();
    let best = bandit.rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let reward = |&arm: &usize| bandit.rewards[arm];
    let (step, batch, steps) = (1.0, 100, 1000);
    // The mean regret best − J of the policy after so many steps, and its course.
    let mut climb = |sign: f64| -> Result<Vec<(f64, f64)>, BoxError> {
        let mut logits = DVector::from_column_slice(&bandit.logits);
        let mut course = Vec::with_capacity(steps + 1);
        for count in 0..=steps {
            let policy = Categorical::from_parameters(logits.as_slice())?;
            let value: f64 =
                policy.probabilities().iter().zip(&bandit.rewards).map(|(p, r)| p * r).sum();
            course.push((count as f64, best - value));
            let estimate = score_function(&policy, reward, batch, Baseline::LeaveOneOut, &mut rng)?;
            logits += estimate.gradient * (sign * step);
        }
        Ok(course)
    };
    let (up, down) = (climb(1.0)?, climb(-1.0)?);
    let last = |course: &[(f64, f64)]| course.last().map_or(f64::NAN, |&(_, regret)| regret);
    let series = |label: &str, points| Series { label: label.into(), mark: Mark::Line, points };
    let gap = second_gap(&bandit.rewards);
    Ok(Evidence {
        measured: last(&up),
        limit: 0.05,
        reason: "regret best − J after 1000 steps of length 1: between two arms the exact flow is at \
                 1/(2 · 1000), and this allows a hundred times that for noise and further arms",
        control: Control {
            what: "the same with the sign of a loss: steps downhill",
            measured: last(&down),
        },
        plots: vec![Plot {
            title: "a softmax bandit moves to its best arm",
            x: Axis { label: "steps of 100 rewards each", scale: Scale::Linear },
            y: Axis { label: "regret", scale: Scale::Log },
            series: vec![series("uphill", up), series("downhill", down)],
        }],
        notes: vec![format!("The two best arms are {gap:.2} apart.")],
    })
}

/// The difference between the two largest rewards.
fn second_gap(rewards: &[f64]) -> f64 {
    let mut sorted = rewards.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted[0] - sorted[1]
}
