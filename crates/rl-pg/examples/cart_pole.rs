//! A pole is balanced on a cart: many steps to an episode, terminated when the pole falls and
//! truncated when the clock runs out.
//!
//! ```text
//! cargo run --release -p rl-pg --example cart_pole                 one run
//! cargo run --release -p rl-pg --example cart_pole -- --seeds 20   a table of steps until it is solved
//! ```
//!
//! `--first N` is the first seed; `--steps N` trains for so many steps and does nothing else, to be timed. The table has the steps until the mean of the last 100 episodes of
//! training is 475 (which takes at least 47,500), the steps until the exploring policy with averaged weights reaches 475 from
//! 100 fixed starts three times in a row, asked every 2,048 steps, and the steps of training a second.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use nn_core::{Network, Tanh};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::{
    Actor, CartPole, Categorical, LearnOptions, Learner, Plan, Policy, Progress, Streams,
    TrainingStop, episodes,
};

type Balancer = Actor<f32, Categorical>;

/// Copies of the task that run side by side.
const CARTS: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| -> Result<u64, Box<dyn Error>> {
        match arguments.iter().position(|argument| argument == name) {
            Some(at) => Ok(arguments.get(at + 1).ok_or("a number is missing")?.parse()?),
            None => Ok(default),
        }
    };
    let first = number("--first", 1)?;
    if let steps @ 1.. = number("--steps", 0)? {
        let carts = &mut vec![CartPole::new(); CARTS];
        let go_on = |_: &Progress<'_, f32, Categorical>| ControlFlow::Continue(());
        let _ = learner(first)?.train_environment(carts, Plan::steps(steps), go_on)?;
        return Ok(());
    }
    match number("--seeds", 0)? {
        0 => show(first),
        seeds => table(first..first + seeds),
    }
}

fn learner(seed: u64) -> Result<Learner<f32, Categorical>, Box<dyn Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = |outputs| {
        let layers = Network::builder(4).dense(32).activation(Tanh).dense(32).activation(Tanh);
        layers.dense(outputs).build(&mut rng)
    };
    let mut policy = network(2)?;
    let last = policy.parameter_ranges().last().cloned().unwrap_or_default();
    policy.parameters_mut()[last].iter_mut().for_each(|weight| *weight *= 0.01);
    let actor = Actor::new(policy, Vec::new(), Categorical::from_parameters)?;
    Ok(Learner::new(actor, LearnOptions::default(), seed)?.with_value(network(1)?)?)
}

/// The mean steps of 100 episodes from fixed starts, the policy exploring.
fn score(balancer: &Balancer) -> rl_pg::Result<f64> {
    let streams = Streams::new(475);
    let seeds: Vec<u64> = (0..100).map(|start| streams.key(0, start, 0)).collect();
    let choose =
        |seen: &[f64], rng: &mut Xoshiro256PlusPlus| Ok(balancer.policy(seen)?.sample(rng));
    let played = episodes(&mut [CartPole::new()], &choose, &seeds, 500)?;
    Ok(played.iter().map(|episode| episode.actions.len() as f64).sum::<f64>() / 100.0)
}

fn show(seed: u64) -> Result<(), Box<dyn Error>> {
    let mut learner = learner(seed)?;
    println!("  steps   episodes   steps of an episode: 100 fixed starts, last 100 in training");
    let plan = Plan::steps(100_000).test(2048, score);
    let history =
        learner.train_environment(&mut vec![CartPole::new(); CARTS], plan, |progress| {
            let recent = progress.learner.recent_return();
            if let Some(score) = progress.score {
                let (steps, episodes) = (progress.learner.steps(), progress.learner.episodes());
                let recent = recent.map_or_else(|| "-".into(), |recent| format!("{recent:.1}"));
                println!("{steps:7}   {episodes:8}   {score:37.1}   {recent:>20}");
            }
            match recent {
                Some(recent) if recent >= 475.0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })?;
    let solved = history.stop == TrainingStop::Observer;
    println!("{}", if solved { "solved" } else { "not solved in 100,000 steps" });
    Ok(())
}

fn table(seeds: std::ops::Range<u64>) -> Result<(), Box<dyn Error>> {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    println!("seed   mean of 100 ≥ 475   fixed starts ≥ 475   steps a second");
    for seed in seeds {
        let mut learner = learner(seed)?;
        let (mut passes, mut fixed, mut rule) = (0, f64::INFINITY, f64::INFINITY);
        let mut testing = Duration::ZERO;
        let plan = Plan::steps(200_000).test(2048, |balancer| {
            // Nothing more is to be known once it has passed.
            if passes == 3 {
                return Ok(0.0);
            }
            let start = Instant::now();
            let found = score(balancer)?;
            passes = if found >= 475.0 { passes + 1 } else { 0 };
            testing += start.elapsed();
            Ok(f64::from(passes))
        });
        let start = Instant::now();
        let carts = &mut vec![CartPole::new(); CARTS];
        let _ = learner.train_environment(carts, plan, |progress| {
            let steps = progress.learner.steps() as f64;
            if progress.score.is_some_and(|passes| passes >= 3.0) {
                fixed = fixed.min(steps);
            }
            if progress.learner.recent_return().is_some_and(|recent| recent >= 475.0) {
                rule = rule.min(steps);
            }
            match rule.is_finite() && fixed.is_finite() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        let seconds = (start.elapsed() - testing).as_secs_f64();
        let row = [rule, fixed, learner.steps() as f64 / seconds];
        println!("{seed:4}   {:17.0}   {:18.0}   {:14.0}", row[0], row[1], row[2]);
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    for (name, mut all) in
        ["mean of 100", "fixed starts", "steps a second"].into_iter().zip(columns)
    {
        all.sort_by(f64::total_cmp);
        let middle = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
        println!("{name}: median {middle:.0}, from {:.0} to {:.0}", all[0], all[all.len() - 1]);
    }
    Ok(())
}
