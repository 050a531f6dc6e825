//! What `rl-pg` claims of learning: credit over time, training loops, checkpoints.

use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{Network, Tanh};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rl_pg::{
    Actor, ArmHit, CartPole, Categorical, Collect, DiagonalGaussian, Discounting, End, Environment,
    LearnOptions, Learner, LearnerState, Outcome, Plan, Policy, Progress, Simulator, Step, Streams,
    TwoStates, rewards_to_go,
};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rl-pg/discounting",
        question: Some(7),
        claim: "Over all trajectories of a two-state process, rewards-to-go with γᵗ kept weigh the \
                scores to the gradient of the discounted return, exactly.",
        run: discounting,
    },
    Check {
        id: "rl-pg/reward-to-go",
        question: Some(7),
        claim: "Weighing an action's score with the rewards that follow it has the known variance, \
                half of that with the whole return.",
        run: reward_to_go,
    },
    Check {
        id: "rl-pg/truncated",
        question: Some(7),
        claim: "The learned value of an endless task is that of going on for ever, although the clock \
                cuts every episode.",
        run: truncated,
    },
    Check {
        id: "rl-pg/training-threads",
        question: Some(7),
        claim: "Training through a noisy simulator has the same bits for 1, 2, 3, 4 and 8 workers.",
        run: training_threads,
    },
    Check {
        id: "rl-pg/resume",
        question: Some(7),
        claim: "Training resumed from a checkpoint, in the middle of episodes, ends with the same bits.",
        run: resume,
    },
    Check {
        id: "rl-pg/robot-learns",
        question: Some(7),
        claim: "4,500 rollouts of a simulator without gradient teach a network to return most balls.",
        run: robot_learns,
    },
];

/// A trajectory of [`TwoStates`]: its probability, states, actions and rewards.
struct Trajectory {
    chance: f64,
    states: Vec<usize>,
    actions: Vec<usize>,
    rewards: Vec<f64>,
}

const DISCOUNT: f64 = 0.9;

/// The probability of action 1 in each state.
fn choices(theta: [f64; 2]) -> [f64; 2] {
    theta.map(|theta| 1.0 / (1.0 + (-theta).exp()))
}

/// Every trajectory under the policy.
fn trajectories(theta: [f64; 2]) -> Vec<Trajectory> {
    let one = choices(theta);
    let mut all = vec![(1.0, vec![0usize], Vec::new())];
    for _ in 0..TwoStates::STEPS {
        let mut longer = Vec::new();
        for (chance, states, actions) in all {
            let state = states[states.len() - 1];
            for (action, next) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let to_one = TwoStates::TO_ONE[state][action];
                let chosen = if action == 1 { one[state] } else { 1.0 - one[state] };
                let moved = if next == 1 { to_one } else { 1.0 - to_one };
                let (mut states, mut actions) = (states.clone(), Vec::clone(&actions));
                states.push(next);
                actions.push(action);
                longer.push((chance * chosen * moved, states, actions));
            }
        }
        all = longer;
    }
    all.into_iter()
        .map(|(chance, states, actions)| {
            let pairs = states.iter().zip(&actions);
            let rewards = pairs.map(|(&s, &a)| TwoStates::REWARDS[s][a]).collect();
            Trajectory { chance, states, actions, rewards }
        })
        .collect()
}

/// The policy π(1|s) = 1/(1 + e^−θₛ) as a network without hidden layer, whose weights are θ.
fn tabular(theta: [f64; 2]) -> Result<Actor<f64, Categorical>, BoxError> {
    let weights = DMatrix::from_row_slice(2, 2, &[0.0, 0.0, theta[0], theta[1]]);
    let network = Network::builder(2).dense_from(weights, vec![0.0; 2]).build_given()?;
    Ok(Actor::new(network, Vec::new(), Categorical::from_parameters)?)
}

/// The estimate of ∇J from one trajectory, `weights` being the factors of the scores.
fn estimate(
    actor: &Actor<f64, Categorical>,
    trajectory: &Trajectory,
    weights: &[f64],
) -> Result<[f64; 2], BoxError> {
    let steps = trajectory.actions.len();
    let seen =
        DMatrix::from_fn(2, steps, |row, step| f64::from(u8::from(trajectory.states[step] == row)));
    let gradient = actor.weighted_scores(&seen, &trajectory.actions, weights)?;
    // Of the weights, in column order, those of the second logit.
    Ok([gradient[1], gradient[3]])
}

/// ∇J = Σₜ γᵗ Σₛ P(sₜ = s) dπ(1|s)/dθₛ (Qₜ(s, 1) − Qₜ(s, 0)), from values computed backward: no score.
fn exact_gradient(theta: [f64; 2]) -> [f64; 2] {
    let one = choices(theta);
    let mut values = vec![[0.0; 2]];
    let mut gaps = Vec::new();
    for _ in 0..TwoStates::STEPS {
        let next = values[values.len() - 1];
        let worth = |s: usize, a: usize| {
            let to_one = TwoStates::TO_ONE[s][a];
            let after = (1.0 - to_one) * next[0] + to_one * next[1];
            TwoStates::REWARDS[s][a] + DISCOUNT * after
        };
        values.push([0, 1].map(|s| (1.0 - one[s]) * worth(s, 0) + one[s] * worth(s, 1)));
        gaps.push([0, 1].map(|s| worth(s, 1) - worth(s, 0)));
    }
    let (mut at, mut gradient, mut factor) = ([1.0, 0.0], [0.0; 2], 1.0);
    for gap in gaps.iter().rev() {
        let mut in_one = 0.0;
        for s in 0..2 {
            gradient[s] += factor * at[s] * one[s] * (1.0 - one[s]) * gap[s];
            let stays = TwoStates::TO_ONE[s];
            in_one += at[s] * ((1.0 - one[s]) * stays[0] + one[s] * stays[1]);
        }
        at = [1.0 - in_one, in_one];
        factor *= DISCOUNT;
    }
    gradient
}

fn discounting(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut worst, mut control) = (0.0f64, f64::INFINITY);
    let mut notes = Vec::new();
    for round in 0..5 {
        let theta = if round == 0 {
            [0.3, -0.4]
        } else {
            [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)]
        };
        let (actor, exact) = (tabular(theta)?, exact_gradient(theta));
        let off = |how: Discounting| -> Result<f64, BoxError> {
            let mut mean = [0.0; 2];
            for trajectory in &trajectories(theta) {
                let weights: Vec<f64> = rewards_to_go(&trajectory.rewards, DISCOUNT, 0.0)
                    .iter()
                    .enumerate()
                    .map(|(time, to_go)| how.factor(DISCOUNT, time) * to_go)
                    .collect();
                let one = estimate(&actor, trajectory, &weights)?;
                mean = [0, 1].map(|k| mean[k] + trajectory.chance * one[k]);
            }
            let length = (exact[0].powi(2) + exact[1].powi(2)).sqrt();
            Ok(((mean[0] - exact[0]).powi(2) + (mean[1] - exact[1]).powi(2)).sqrt() / length)
        };
        let (kept, dropped) = (off(Discounting::Kept)?, off(Discounting::Dropped)?);
        (worst, control) = (worst.max(kept), control.min(dropped));
        if round == 0 {
            notes.push(format!(
                "At θ = (0.3, −0.4) the gradient is ({:.12}, {:.12}), by complex step in numpy \
                 (0.486227560126, −0.636292648757); without γᵗ it is off by {:.1} %.",
                exact[0],
                exact[1],
                100.0 * dropped
            ));
        }
    }
    Ok(Evidence {
        measured: worst,
        limit: 64.0 * 16.0 * f64::EPSILON * 4.0,
        reason: "relative error of sums over 64 trajectories of some 16 roundings each, whose terms are \
                 up to 4 times the gradient",
        control: Control { what: "γᵗ left out, as most libraries do", measured: control },
        plots: Vec::new(),
        notes,
    })
}

fn reward_to_go(_: &Context) -> Result<Evidence, BoxError> {
    let theta = [0.3, -0.4];
    let actor = tabular(theta)?;
    let variance = |weigh: &dyn Fn(&[f64]) -> Vec<f64>| -> Result<f64, BoxError> {
        let (mut mean, mut square) = ([0.0; 2], 0.0);
        for trajectory in &trajectories(theta) {
            let one = estimate(&actor, trajectory, &weigh(&trajectory.rewards))?;
            mean = [0, 1].map(|k| mean[k] + trajectory.chance * one[k]);
            square += trajectory.chance * (one[0].powi(2) + one[1].powi(2));
        }
        Ok(square - mean[0].powi(2) - mean[1].powi(2))
    };
    let to_go = variance(&|rewards| {
        let to_go = rewards_to_go(rewards, DISCOUNT, 0.0);
        let kept = |(time, to_go)| Discounting::Kept.factor(DISCOUNT, time) * to_go;
        to_go.into_iter().enumerate().map(kept).collect()
    })?;
    let whole = variance(&|rewards| vec![rewards_to_go(rewards, DISCOUNT, 0.0)[0]; rewards.len()])?;
    // By enumeration in numpy.
    let (printed, printed_whole) = (1.351766, 2.833537);
    Ok(Evidence {
        measured: (to_go - printed).abs(),
        limit: 5e-7,
        reason: "the sixth printed digit of the variance that numpy enumerates",
        control: Control {
            what: "the whole return, rewards before the action included",
            measured: (whole - printed).abs(),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "With rewards-to-go the variance of one trajectory is {to_go:.6}, with whole returns \
             {whole:.6}, and numpy has {printed_whole}."
        )],
    })
}

/// Pays 1 a step for ever; an episode is recorded for ten steps.
#[derive(Clone)]
struct Endless {
    steps: usize,
    end: End,
}

impl Environment for Endless {
    type Action = usize;

    fn observation_length(&self) -> usize {
        1
    }

    fn reset(&mut self, _: u64, observation: &mut [f64]) -> rl_pg::Result<()> {
        self.steps = 0;
        observation.fill(1.0);
        Ok(())
    }

    fn step(&mut self, _: &usize, observation: &mut [f64]) -> rl_pg::Result<Step> {
        self.steps += 1;
        observation.fill(1.0);
        Ok(Step { reward: 1.0, end: (self.steps == 10).then_some(self.end) })
    }
}

fn go_on<P: Policy>(_: &Progress<'_, f32, P>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A small network for actors and values.
fn network(
    inputs: usize,
    outputs: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Network<f32>, BoxError> {
    let builder = Network::builder(inputs).dense(32).activation(Tanh).dense(32).activation(Tanh);
    Ok(builder.dense(outputs).build(rng)?)
}

fn truncated(context: &Context) -> Result<Evidence, BoxError> {
    let learned = |end: End| -> Result<f64, BoxError> {
        let mut rng = context.rng();
        let head = Categorical::from_parameters;
        let actor = Actor::new(network(1, 2, &mut rng)?, Vec::new(), head)?;
        let options = LearnOptions::default().discount(DISCOUNT).collect(Collect::Episodes);
        let options = options.epochs(8).value_rate(3e-3);
        let mut learner = Learner::new(actor, options, context.seed)?;
        learner = learner.with_value(network(1, 1, &mut rng)?)?;
        let mut environments = vec![Endless { steps: 0, end }; 4];
        let _ = learner.train_environment(&mut environments, Plan::steps(8_000), go_on)?;
        Ok(learner.value(&[1.0])?.unwrap_or(f64::NAN))
    };
    let (right, wrong) = (learned(End::Truncated)?, learned(End::Terminated)?);
    let exact = 1.0 / (1.0 - DISCOUNT);
    Ok(Evidence {
        measured: (right / exact - 1.0).abs(),
        limit: 0.05,
        reason: "relative error of 1/(1 − γ) = 10: each of 200 updates closes at least a tenth of the \
                 gap, and Adam's steps of 3e-3 leave a few per cent",
        control: Control {
            what: "truncation taken for termination",
            measured: (wrong / exact - 1.0).abs(),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "The learned value is {right:.2}; taken for terminated it is {wrong:.2}, the mean worth of \
             the last 1 to 10 steps being 4.14."
        )],
    })
}

/// An arm whose noise comes from its own generator, not from the rollout's seed.
#[derive(Clone)]
struct OwnNoise(ArmHit, Xoshiro256PlusPlus);

impl Simulator for OwnNoise {
    fn context_length(&self) -> usize {
        4
    }

    fn action_length(&self) -> usize {
        15
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], _: u64) -> rl_pg::Result<Outcome> {
        let seed = self.1.next_u64();
        self.0.rollout(context, action, seed)
    }
}

pub(super) fn robot(seed: u64) -> Result<Learner<f32, DiagonalGaussian>, BoxError> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut policy = network(4, 15, &mut rng)?;
    // A last layer of small weights: the first arm hardly moves, whatever it sees.
    let last = policy.parameter_ranges().last().cloned().unwrap_or_default();
    policy.parameters_mut()[last].iter_mut().for_each(|weight| *weight *= 0.01);
    let actor = Actor::new(policy, vec![0.2f64.ln(); 15], DiagonalGaussian::from_parameters)?;
    let learner = Learner::new(actor.free_at_least(0.03f64.ln())?, LearnOptions::default(), seed)?;
    Ok(learner.with_value(network(4, 1, &mut rng)?)?)
}

pub(super) fn throw(rng: &mut dyn Rng, context: &mut [f64]) {
    context.copy_from_slice(&ArmHit::random_context(rng));
}

fn training_threads(context: &Context) -> Result<Evidence, BoxError> {
    let differing = |states: &[Vec<u8>]| -> f64 {
        let count = |other: &Vec<u8>| states[0].iter().zip(other).filter(|(a, b)| a != b).count();
        states.iter().map(|other| count(other) as f64).sum()
    };
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for workers in [1, 2, 3, 4, 8] {
        let mut learner = robot(context.seed)?;
        let mut arms = vec![ArmHit::noisy(); workers];
        let _ = learner.train(&mut arms, throw, Plan::steps(256), go_on)?;
        right.push(learner.state().to_bytes());
        let mut learner = robot(context.seed)?;
        let mut arms: Vec<OwnNoise> = (0..workers as u64)
            .map(|worker| {
                // As workers are seeded where each is told its rank and the number of all.
                let rng = Streams::new(context.seed).rng(workers as u64, worker, 0);
                OwnNoise(ArmHit::noisy(), rng)
            })
            .collect();
        let _ = learner.train(&mut arms, throw, Plan::steps(256), go_on)?;
        wrong.push(learner.state().to_bytes());
    }
    Ok(Evidence {
        measured: differing(&right),
        limit: 0.0,
        reason: "bytes of the learners' states that differ: the claim is of equality",
        control: Control {
            what: "noise from a generator of each worker's own",
            measured: differing(&wrong),
        },
        plots: Vec::new(),
        notes: vec![format!("Each state has {} bytes.", right[0].len())],
    })
}

fn resume(context: &Context) -> Result<Evidence, BoxError> {
    let fresh = |seed: u64| -> Result<Learner<f32, Categorical>, BoxError> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let head = Categorical::from_parameters;
        let actor = Actor::new(network(4, 2, &mut rng)?, Vec::new(), head)?;
        let learner = Learner::new(actor, LearnOptions::default(), seed)?;
        Ok(learner.with_value(network(4, 1, &mut rng)?)?)
    };
    let balance = |learner: &mut Learner<f32, Categorical>, steps| -> Result<(), BoxError> {
        let mut carts = vec![CartPole::new(); 8];
        let _ = learner.train_environment(&mut carts, Plan::steps(steps), go_on)?;
        Ok(())
    };
    let mut straight = fresh(context.seed)?;
    balance(&mut straight, 2048)?;
    let mut first = fresh(context.seed)?;
    balance(&mut first, 1024)?;
    let bytes = first.state().to_bytes();
    let mut second = fresh(context.seed.wrapping_add(1))?;
    second.resume(&LearnerState::from_bytes(&bytes)?)?;
    balance(&mut second, 2048)?;
    // Only what an exported network holds.
    let mut weights_only = fresh(context.seed)?;
    let mut actor = weights_only.actor().clone();
    actor.set_parameters(&first.actor().parameters())?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(context.seed);
    let _ = network(4, 2, &mut rng)?;
    weights_only = Learner::new(actor, LearnOptions::default(), context.seed)?
        .with_value(network(4, 1, &mut rng)?)?;
    balance(&mut weights_only, 1024)?;
    let differing = |other: &Learner<f32, Categorical>| -> f64 {
        let (a, b) = (straight.actor().parameters(), other.actor().parameters());
        a.iter().zip(&b).filter(|(a, b)| a.to_bits() != b.to_bits()).count() as f64
    };
    let measured = if second.state() == straight.state() { differing(&second) } else { 1.0 };
    Ok(Evidence {
        measured,
        limit: 0.0,
        reason: "weights that differ: the claim is of equality",
        control: Control {
            what: "the weights alone loaded: no moments, counters, data or value network",
            measured: differing(&weights_only),
        },
        plots: Vec::new(),
        notes: vec![format!("The checkpoint has {} bytes.", bytes.len())],
    })
}

/// An arm that is paid for missing.
struct Negated(ArmHit);

impl Simulator for Negated {
    fn context_length(&self) -> usize {
        4
    }

    fn action_length(&self) -> usize {
        15
    }

    fn observe(&self, context: &[f64], seed: u64, seen: &mut [f64]) -> rl_pg::Result<()> {
        self.0.observe(context, seed, seen)
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> rl_pg::Result<Outcome> {
        let outcome = self.0.rollout(context, action, seed)?;
        Ok(Outcome { reward: -outcome.reward, ..outcome })
    }
}

/// The share of the first 500 contexts of the test set that the policy's mode returns.
fn success(actor: &Actor<f32, DiagonalGaussian>) -> rl_pg::Result<f64> {
    let mut arm = ArmHit::new();
    let contexts = ArmHit::halton_contexts(500);
    let mut seen = [0.0; 4];
    let mut hits = 0.0;
    for context in contexts.column_iter() {
        arm.observe(context.as_slice(), 0, &mut seen)?;
        let action = actor.policy(&seen)?.mode();
        hits += arm.rollout(context.as_slice(), &action, 0)?.metrics[1];
    }
    Ok(hits / 500.0)
}

fn robot_learns(context: &Context) -> Result<Evidence, BoxError> {
    let (mut curve, mut control_curve) = (Vec::new(), Vec::new());
    let mut learner = robot(context.seed)?;
    let plan = Plan::steps(4_500).test(448, success);
    let _ = learner.train(&mut [ArmHit::new()], throw, plan, |progress| {
        curve.extend(progress.score.map(|score| (progress.learner.steps() as f64, score)));
        ControlFlow::Continue(())
    })?;
    let mut other = robot(context.seed)?;
    let plan = Plan::steps(4_500).test(448, success);
    let _ = other.train(&mut [Negated(ArmHit::new())], throw, plan, |progress| {
        control_curve.extend(progress.score.map(|score| (progress.learner.steps() as f64, score)));
        ControlFlow::Continue(())
    })?;
    let (right, wrong) = (success(&learner.averaged())?, success(&other.averaged())?);
    let series = |label: &str, points| Series { label: label.into(), mark: Mark::Line, points };
    Ok(Evidence {
        measured: 1.0 - right,
        limit: 0.5,
        reason: "share of balls not returned: \"most\" allows half, and it begins at 1",
        control: Control { what: "rewards of the wrong sign", measured: 1.0 - wrong },
        plots: vec![Plot {
            title: "a robot learns to return balls",
            x: Axis { label: "rollouts", scale: Scale::Linear },
            y: Axis { label: "share returned", scale: Scale::Linear },
            series: vec![series("rewards", curve), series("rewards negated", control_curve)],
        }],
        notes: vec![format!("{:.1} % of the balls are returned.", 100.0 * right)],
    })
}
