//! An update against closed forms, and the loops around it.

use super::*;
use crate::{
    Baseline, Categorical, Collect, DiagonalGaussian, End, Environment, LearnerState, Outcome,
    Plan, Progress, Simulator, Standardize, Step,
};
use nn_core::Tanh;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::ops::ControlFlow;

/// Pays for an action near (x, −x/2), x being the context.
#[derive(Clone)]
struct Target;

impl Simulator for Target {
    fn context_length(&self) -> usize {
        1
    }

    fn action_length(&self) -> usize {
        2
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], _: u64) -> Result<Outcome> {
        let (dx, dy) = (action[0] - context[0], action[1] + 0.5 * context[0]);
        Ok(Outcome { reward: -dx * dx - dy * dy, metrics: Vec::new() })
    }
}

pub(crate) fn go_on<T: Real, P: Policy>(_: &Progress<'_, T, P>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(crate) fn learner(options: LearnOptions, seed: u64) -> Learner<f64, DiagonalGaussian> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = |outputs| {
        Network::builder(1).dense(8).activation(Tanh).dense(outputs).build(&mut rng).unwrap()
    };
    let free = vec![-1.0; 2];
    let actor = Actor::new(network(2), free, DiagonalGaussian::from_parameters).unwrap();
    Learner::new(actor, options, seed).unwrap().with_value(network(1)).unwrap()
}

pub(crate) fn aim(learner: &mut Learner<f64, DiagonalGaussian>, steps: u64) {
    let contexts = |rng: &mut dyn rand::Rng, x: &mut [f64]| x[0] = rng.random_range(-1.0..1.0);
    let _ = learner.train(&mut [Target], contexts, Plan::steps(steps), go_on).unwrap();
}

#[test]
fn an_update_learns_from_as_many_samples_and_batches_as_it_is_told() {
    for (samples, batches, expected) in [
        (1, 1, [10, 10, 10, 10]),
        (1, 2, [10, 20, 20, 20]),
        (25, 2, [10, 20, 30, 30]),
        (20, 4, [10, 20, 30, 40]),
    ] {
        let options = LearnOptions::default().rollouts(10).epochs(1);
        let mut learner = learner(options.least_samples(samples).least_batches(batches), 1);
        let contexts = |rng: &mut dyn rand::Rng, x: &mut [f64]| x[0] = rng.random_range(-1.0..1.0);
        let mut found = Vec::new();
        let observer = |progress: &Progress<'_, f64, DiagonalGaussian>| {
            found.push(progress.update.samples);
            ControlFlow::Continue(())
        };
        let _ = learner.train(&mut [Target], contexts, Plan::steps(40), observer).unwrap();
        assert_eq!(found, expected, "{samples} samples, {batches} batches");
    }
}

#[test]
fn the_recent_return_is_the_mean_of_the_last_hundred() {
    let mut learner = learner(LearnOptions::default(), 1);
    (1..100).for_each(|episode| learner.note(f64::from(episode)));
    assert_eq!(learner.recent_return(), None);
    learner.note(100.0);
    assert_eq!(learner.recent_return(), Some(50.5));
    (101..=130).for_each(|episode| learner.note(f64::from(episode)));
    assert_eq!((learner.recent_return(), learner.episodes()), (Some(80.5), 130));
}

/// The mean squared distance from the target, of the actions that the policy prefers.
fn miss(actor: &Actor<f64, DiagonalGaussian>) -> f64 {
    let points = (0..=20).map(|i| {
        let x = f64::from(i) / 10.0 - 1.0;
        let action = actor.policy(&[x]).unwrap().mode();
        (action[0] - x).powi(2) + (action[1] + 0.5 * x).powi(2)
    });
    points.sum::<f64>() / 21.0
}

#[test]
fn each_way_of_learning_learns_to_aim() {
    for (options, steps) in [
        (LearnOptions::default(), 6_000),
        (LearnOptions::reinforce().rate(3e-3), 20_000),
        (LearnOptions::natural(), 10_000),
    ] {
        let mut learner = learner(options, 3);
        let before = miss(learner.actor());
        aim(&mut learner, steps);
        let after = miss(&learner.averaged());
        assert!(before > 0.2 && after < 0.02, "{before} {after}");
    }
}

#[test]
fn equal_rewards_move_nothing_and_make_no_nan() {
    for baseline in [Baseline::None, Baseline::BatchMean, Baseline::LeaveOneOut] {
        let options = LearnOptions::default().baseline(baseline);
        let mut learner = learner(options, 3);
        learner.value = None;
        let before = learner.actor.parameters();
        for reward in [0.1, 0.1] {
            let mut experience = Experience::new(1);
            for k in 0..10 {
                let x = [f64::from(k) / 10.0];
                let policy = learner.actor.policy(&x).unwrap();
                let action = vec![0.1, 0.2];
                let log_probability = policy.log_probability(&action).unwrap();
                experience.push(&x, action, log_probability, reward).unwrap();
                experience.terminate();
            }
            let update = learner.update(experience).unwrap();
            assert!(update.divergence.abs() < 1e-12 && (update.mean_return - reward).abs() < 1e-15);
        }
        let after = learner.actor.parameters();
        let moved = after.iter().zip(&before).map(|(a, b)| (a - b).abs());
        // What is left is rounding of the mean, 1e-17, which Adam divides by 1e-8 in each of 10 steps.
        let worst = moved.fold(0.0, f64::max);
        assert!(worst < 1e-9, "{baseline:?} {worst}");
    }
}

#[test]
fn one_step_of_reinforce_is_adam_s_along_the_weighted_scores() {
    let options = LearnOptions::reinforce()
        .standardize(Standardize::No)
        .baseline(Baseline::LeaveOneOut)
        .clip_norm(f64::INFINITY);
    let mut learner = learner(options, 3);
    learner.value = None;
    let (mut experience, mut actions, mut rewards) = (Experience::new(1), Vec::new(), Vec::new());
    let x = DMatrix::from_row_slice(1, 3, &[-0.5, 0.1, 0.9]);
    for (k, x) in x.iter().enumerate() {
        let (action, reward) = (vec![0.3 * k as f64, -0.2], [1.0, -0.5, 2.0][k]);
        experience.push(&[*x], action.clone(), -1.0, reward).unwrap();
        experience.terminate();
        actions.push(action);
        rewards.push(reward);
    }
    // Less the mean of the two others, over 3.
    let weights = [(1.0 - 0.75) / 3.0, (-0.5 - 1.5) / 3.0, (2.0 - 0.25) / 3.0];
    let gradient = learner.actor.weighted_scores(&x, &actions, &weights).unwrap();
    let before = learner.actor.parameters();
    let _ = learner.update(experience).unwrap();
    for (k, after) in learner.actor.parameters().iter().enumerate() {
        // Adam's first step is its rate times g/(|g| + 1e-8).
        let rate = if k < before.len() - 2 { 1e-3 } else { 3e-3 };
        let step = rate * gradient[k] / (gradient[k].abs() + 1e-8);
        assert!((after - before[k] - step).abs() < 1e-12, "{k}: {} {step}", after - before[k]);
    }
}

#[test]
fn what_is_far_enough_is_held_by_the_clip() {
    // Data said to come from a policy half as likely to do this: ρ = 2, and a gain of 1.
    let moved = |surrogate, advantage: f64| {
        let options = LearnOptions::default()
            .surrogate(surrogate)
            .standardize(Standardize::No)
            .baseline(Baseline::None)
            .epochs(1);
        let mut learner = learner(options, 3);
        learner.value = None;
        let before = learner.actor.parameters();
        let policy = learner.actor.policy(&[0.5]).unwrap();
        let log_probability = policy.log_probability(&vec![0.1, 0.1]).unwrap();
        let mut experience = Experience::new(1);
        let then = log_probability - 2f64.ln();
        experience.push(&[0.5], vec![0.1, 0.1], then, advantage).unwrap();
        experience.terminate();
        let update = learner.update(experience).unwrap();
        (learner.actor.parameters() != before, update.clipped)
    };
    assert_eq!(moved(Surrogate::Clipped(0.2), 1.0), (false, 1.0));
    assert_eq!(moved(Surrogate::Clipped(0.2), -1.0), (true, 0.0));
    assert_eq!(moved(Surrogate::Clipped(1.1), 1.0), (true, 0.0));
    assert_eq!(moved(Surrogate::ScoreFunction, 1.0), (true, 0.0));
}

/// Pays 1 a step for ever, cut by the clock after ten.
#[derive(Clone)]
struct Endless(usize, End);

impl Environment for Endless {
    type Action = usize;

    fn observation_length(&self) -> usize {
        1
    }

    fn reset(&mut self, _: u64, observation: &mut [f64]) -> Result<()> {
        (self.0, observation[0]) = (0, 1.0);
        Ok(())
    }

    fn step(&mut self, _: &usize, observation: &mut [f64]) -> Result<Step> {
        self.0 += 1;
        observation[0] = 1.0;
        Ok(Step { reward: 1.0, end: (self.0 == 10).then_some(self.1) })
    }
}

#[test]
fn a_truncated_episode_is_worth_what_would_still_have_come() {
    // With discount 0.9 going on for ever is worth 1/(1 − 0.9); the last 1 to 10 steps are worth
    // (1 − 0.9ⁿ)/(1 − 0.9), which is 4.14 on average.
    for (end, value) in [(End::Truncated, 10.0), (End::Terminated, 4.14)] {
        let network = |outputs| {
            let weight = DMatrix::zeros(outputs, 1);
            Network::<f64>::builder(1).dense_from(weight, vec![0.0; outputs]).build_given()
        };
        let head = Categorical::from_parameters;
        let actor = Actor::new(network(2).unwrap(), Vec::new(), head).unwrap();
        let options = LearnOptions::default().discount(0.9).lambda(1.0).value_rate(0.02);
        let mut learner = Learner::new(actor, options.collect(Collect::Episodes), 1).unwrap();
        learner = learner.with_value(network(1).unwrap()).unwrap();
        let mut environments = vec![Endless(0, end); 4];
        let plan = Plan::steps(40_000);
        let _ = learner.train_environment(&mut environments, plan, go_on).unwrap();
        let found = learner.value(&[1.0]).unwrap().unwrap();
        assert!((found / value - 1.0).abs() < 0.05, "{end:?}: {found}");
    }
}

#[test]
fn training_has_the_same_bits_for_any_number_of_threads_and_simulators() {
    let run = |threads: usize| -> LearnerState {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut learner = learner(LearnOptions::default(), 5);
        let contexts = |rng: &mut dyn rand::Rng, x: &mut [f64]| x[0] = rng.random_range(-1.0..1.0);
        pool.install(|| {
            let mut simulators = vec![Target; threads];
            let plan = Plan::steps(640);
            let _ = learner.train(&mut simulators, contexts, plan, go_on).unwrap();
        });
        learner.state()
    };
    let expected = run(1);
    for threads in [2, 3, 4, 8] {
        assert!(run(threads) == expected, "{threads}");
    }
}

#[test]
fn the_loop_stops_for_each_of_its_reasons() {
    use crate::TrainingStop;
    let contexts = |_: &mut dyn rand::Rng, x: &mut [f64]| x[0] = 0.5;
    let run = |plan: Plan<'_, f64, DiagonalGaussian>, updates: u64| {
        let mut learner = learner(LearnOptions::default().rollouts(8), 5);
        let observer =
            |progress: &Progress<'_, f64, DiagonalGaussian>| match progress.learner.updates()
                == updates
            {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
        let history = learner.train(&mut [Target], contexts, plan, observer).unwrap();
        (history.stop, history.curve.len(), learner.best().map(|(score, _)| score))
    };
    let plan = || Plan::steps(80);
    assert_eq!(run(plan(), 99), (TrainingStop::Finished, 10, None));
    assert_eq!(run(plan(), 3), (TrainingStop::Observer, 3, None));
    let mut scores = [0.1, 0.5, 0.4, 0.3, 0.9].into_iter();
    let next = plan().test(16, |_| Ok(scores.next().unwrap()));
    assert_eq!(run(next.patience(1), 99), (TrainingStop::NoImprovement, 8, Some(0.5)));
    let mut scores = [0.1, 0.5, 0.4, 0.3, 0.9].into_iter();
    let next = plan().test(16, |_| Ok(scores.next().unwrap()));
    assert_eq!(run(next.goal(0.9), 99), (TrainingStop::Goal, 10, Some(0.9)));
}

#[test]
fn bad_input_is_named() {
    let mut good = learner(LearnOptions::default(), 1);
    let contexts = |_: &mut dyn rand::Rng, x: &mut [f64]| x[0] = 0.5;
    let plan = || Plan::steps(64);
    let text = |error: Error| error.to_string();
    assert_eq!(
        text(good.train::<Target>(&mut [], contexts, plan(), go_on).unwrap_err()),
        "simulators is empty, and at least one entry is needed"
    );
    assert_eq!(
        text(good.update(Experience::new(1)).unwrap_err()),
        "experience is empty, and at least one entry is needed"
    );
    let mut wide = Experience::new(2);
    wide.push(&[0.0, 0.0], vec![0.0, 0.0], 0.0, 0.0).unwrap();
    wide.terminate();
    assert_eq!(text(good.update(wide).unwrap_err()), "observation has 2 entries, expected 1");
    let single = || {
        let mut single = Experience::new(1);
        single.push(&[0.0], vec![0.0, 0.0], 0.0, 0.0).unwrap();
        single.terminate();
        single
    };
    let mut plain = learner(LearnOptions::default(), 1);
    plain.value = None;
    assert_eq!(
        text(plain.update(single()).unwrap_err()),
        "the leave-one-out baseline needs at least 2 samples, got 1"
    );
    plain.options.baseline = Baseline::Optimal;
    assert_eq!(
        text(plain.update(single()).unwrap_err()),
        "the optimal baseline needs every sample's own gradient, which a learner does not make"
    );
    let contexts = |_: &mut dyn rand::Rng, x: &mut [f64]| x[0] = f64::NAN;
    assert_eq!(
        text(good.train(&mut [Target], contexts, plan(), go_on).unwrap_err()),
        "context[0] is NaN, and every entry must be finite"
    );
}

#[test]
fn an_episode_that_goes_on_after_an_update_keeps_its_time() {
    let network = Network::<f64>::builder(1).dense_from(DMatrix::zeros(2, 1), vec![0.0; 2]);
    let head = Categorical::from_parameters;
    let actor = Actor::new(network.build_given().unwrap(), Vec::new(), head).unwrap();
    let options = LearnOptions::default().collect(Collect::Steps(4));
    let mut learner = Learner::new(actor, options, 1).unwrap();
    let mut environments = vec![Endless(0, End::Truncated); 2];
    let _ = learner.train_environment(&mut environments, Plan::steps(24), go_on).unwrap();
    // Ten steps an episode, in pieces of four: from 0, from 4, from 8 and then from 0 again.
    let clocks = |batch: usize| -> Vec<usize> {
        learner.kept[batch].episodes.iter().map(|stretch| stretch.clock).collect()
    };
    assert_eq!([clocks(0), clocks(1)], [vec![0, 0], vec![4, 4]]);
    assert_eq!(clocks(2), [8, 0, 8, 0]);
}

#[test]
fn a_gradient_that_is_no_number_is_an_error_before_it_is_followed() {
    // Rewards whose squares overflow: of the policy where they are its weights, of the value network
    // where they are its targets and the policy's are standardized.
    let options = LearnOptions::default().baseline(Baseline::None);
    for (what, standardize) in [("policy", Standardize::No), ("value", Standardize::Yes)] {
        let mut learner = learner(options.clone().standardize(standardize), 3);
        if what == "policy" {
            learner.value = None;
        }
        let before = learner.actor.parameters();
        let mut experience = Experience::new(1);
        let policy = learner.actor.policy(&[0.5]).unwrap();
        let action = vec![0.1, 0.2];
        let log_probability = policy.log_probability(&action).unwrap();
        for reward in [1e200, -3e200] {
            experience.push(&[0.5], action.clone(), log_probability, reward).unwrap();
            experience.terminate();
        }
        let error = learner.update(experience).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the gradient of the {what} network is inf in update 0")
        );
        if what == "policy" {
            assert_eq!(learner.actor.parameters(), before);
        }
    }
}

#[test]
fn a_natural_step_goes_as_far_as_it_is_told() {
    let mut learner = learner(LearnOptions::natural().rollouts(200), 3);
    aim(&mut learner, 200);
    let contexts = |rng: &mut dyn rand::Rng, x: &mut [f64]| x[0] = rng.random_range(-1.0..1.0);
    let plan = Plan::steps(2_000);
    let history = learner.train(&mut [Target], contexts, plan, go_on).unwrap();
    for point in &history.curve {
        // KL is what it was set to, but for terms of third order, damping, and 200 samples of it.
        let far = point.update.divergence / 0.02;
        assert!((0.3..=1.5).contains(&far), "{far}");
    }
}
