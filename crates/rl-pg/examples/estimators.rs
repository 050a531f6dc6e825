//! What every estimator of this crate needs to teach the robot: rollouts until half, four fifths, nine
//! tenths and 95 % of the test's 2,000 balls come back, median over the seeds, beside the figures of other
//! programs for the same task.
//!
//! ```text
//! cargo run --release -p rl-pg --example estimators                  all, 3 seeds each: some minutes
//! cargo run --release -p rl-pg --example estimators -- --seeds 5 spsa    those whose name has "spsa"
//! ```
//!
//! Above the line an estimate of dL/dP goes through the network by `Chain`, from settings that the other
//! programs had too; below it a `Learner` moves a policy, and `pgpe` a search over the 75 parameters of a
//! linear one. Tests are not counted.
//!
//! With three seeds, in 2026-11:
//!
//! ```text
//! thousands of rollouts to                                        here                       elsewhere   contact
//!                                            50 %   80 %   90 %   95 %       50 %   80 %   90 %   95 %    at end
//! exact gradient                             0.3    0.5    0.8    1.0        0.5    1.0    1.3    2.0      0.980
//! central differences, h = 0.02              8.4   14.4   16.1   21.7        8.4   13.4   17.6   21.0      0.985
//! forward differences, h = 0.02              5.1    6.7    7.7      —          ?      ?      ?      ?      0.979
//! antithetic, σ = 0.05                       6.3   11.3   16.0   18.0        9.2   11.5   18.4   22.3      0.988
//! SPSA, h = 0.05                             7.7   12.0   15.7   21.3        8.4   13.8   17.7   27.6      0.989
//! score, leave-one-out, 2 a context         20.0   29.0      —      —       12.3   17.7   23.0   29.2      1.000
//! score, leave-one-out, 8 a context         20.5   37.5      —      —       16.1   20.0   22.3   26.9      1.000
//! score, optimal, 8 a context               21.1   33.5   57.0      —          ?      ?      ?      ?      1.000
//! REINFORCE, no baseline                    23.3   49.2      —      —       29.0      —      —      —      0.991
//! REINFORCE, batch mean                     14.0   19.0   23.0   27.5       14.3   16.4   23.6   31.7      0.999
//! REINFORCE, learned value                   5.7    9.7   11.0   14.3       11.5   14.6   15.4   16.9      0.997
//! natural gradient, learned value           24.7      —      —      —          ?      ?      ?      ?      1.000
//! the default (clipped, re-use)              2.3    3.8    4.7    5.4        3.8    5.0    6.1    8.1      0.993
//! PGPE, linear policy                       52.7   87.6  110.1  170.2       37.0   93.0  113.0  176.0      1.000
//! ```
//!
//! A dash is never within the budget of the row; what other programs took, where they did it, stands under `elsewhere`.
//! The weak rows, beside those of other programs, are the scores through `Chain`: its noise stays at 0.15 rad, so the network
//! learns what is best on average over that noise, where theirs shrank theirs as they learned. A `Learner` does so too.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::ops::ControlFlow;

use linalg::{DMatrix, Real};
use nn_core::{Adam, Network, Optimizer, Tanh};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::{
    Actor, ArmHit, Ascent, Baseline, Chain, DiagonalGaussian, Differentiable, Estimator,
    LearnOptions, Learner, Plan, Policy, Simulator, Standardize, Streams, Surrogate, pgpe,
};

type Answer<T> = Result<T, Box<dyn Error>>;

/// How a row of the table learns.
enum Way {
    /// The simulator's own gradient, which only a simulator that is not a black box has.
    Exact,
    /// An estimator with so many contexts an update, Adam's rate and the largest length of a C.
    Chain(Estimator, usize, f64, f64),
    /// A learner, with a learned value or the options' baseline.
    Learner(LearnOptions, Value),
    /// A search over linear policies, with so many pairs an update and contexts for each.
    Search(usize, usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Value {
    Learned,
    None,
}

/// Thousands of rollouts to 50, 80, 90 and 95 %; infinite for never.
type Figures = [f64; 4];

const NEVER: f64 = f64::INFINITY;
const UNKNOWN: f64 = f64::NAN;

/// The rows: name, way, budget in thousands of rollouts, the figures of other programs.
fn rows() -> Vec<(&'static str, Way, u64, Figures)> {
    let reinforce = || LearnOptions::reinforce().rollouts(32);
    let score = |repeats| Estimator::score_function(0.15).repeats(repeats);
    let unknown = [UNKNOWN; 4];
    vec![
        ("exact gradient", Way::Exact, 10, [0.5, 1.0, 1.3, 2.0]),
        (
            "central differences, h = 0.02",
            Way::Chain(Estimator::central(0.02).compared_at(None), 4, 3e-3, 0.3),
            40,
            [8.4, 13.4, 17.6, 21.0],
        ),
        (
            "forward differences, h = 0.02",
            Way::Chain(Estimator::forward(0.02).compared_at(None), 4, 3e-3, 0.3),
            40,
            unknown,
        ),
        (
            "antithetic, σ = 0.05",
            Way::Chain(Estimator::antithetic(0.05), 16, 1e-3, 5.0),
            40,
            [9.2, 11.5, 18.4, 22.3],
        ),
        (
            "SPSA, h = 0.05",
            Way::Chain(Estimator::spsa(0.05), 16, 1e-3, 5.0),
            40,
            [8.4, 13.8, 17.7, 27.6],
        ),
        (
            "score, leave-one-out, 2 a context",
            Way::Chain(score(2), 16, 1e-3, NEVER),
            60,
            [12.3, 17.7, 23.0, 29.2],
        ),
        (
            "score, leave-one-out, 8 a context",
            Way::Chain(score(8), 8, 1e-3, NEVER),
            60,
            [16.1, 20.0, 22.3, 26.9],
        ),
        (
            "score, optimal, 8 a context",
            Way::Chain(score(8).baseline(Baseline::Optimal), 8, 1e-3, NEVER),
            60,
            unknown,
        ),
        (
            "REINFORCE, no baseline",
            // Standardized advantages would have the mean subtracted.
            Way::Learner(
                reinforce().baseline(Baseline::None).standardize(Standardize::No),
                Value::None,
            ),
            100,
            [29.0, NEVER, NEVER, NEVER],
        ),
        (
            "REINFORCE, batch mean",
            Way::Learner(reinforce().baseline(Baseline::BatchMean), Value::None),
            60,
            [14.3, 16.4, 23.6, 31.7],
        ),
        (
            "REINFORCE, learned value",
            Way::Learner(LearnOptions::reinforce(), Value::Learned),
            40,
            [11.5, 14.6, 15.4, 16.9],
        ),
        (
            "natural gradient, learned value",
            Way::Learner(LearnOptions::natural(), Value::Learned),
            40,
            unknown,
        ),
        (
            "the default (clipped, re-use)",
            Way::Learner(LearnOptions::default(), Value::Learned),
            12,
            [3.8, 5.0, 6.1, 8.1],
        ),
        ("PGPE, linear policy", Way::Search(32, 4), 300, [37.0, 93.0, 113.0, 176.0]),
    ]
}

fn main() -> Answer<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut seeds, mut filter) = (3, String::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => seeds = arguments.next().ok_or("how many seeds?")?.parse()?,
            name => filter = name.to_owned(),
        }
    }
    let test = Test::new()?;
    println!("{:36}{:>32}{:>32}{:>10}", "thousands of rollouts to", "here", "elsewhere", "contact");
    println!(
        "{:36}{:>32}{:>32}{:>10}",
        "", "50 %   80 %   90 %   95 %", "50 %   80 %   90 %   95 %", "at end"
    );
    for (name, way, budget, elsewhere) in rows() {
        if !name.contains(&filter) {
            continue;
        }
        let mut passages = [const { Vec::new() }; 4];
        let mut contacts = Vec::new();
        for seed in 1..=seeds {
            let mut passage = Passage::new(&test, budget);
            match &way {
                Way::Exact => by_slope(None, (16, 1e-2, 0.3), seed, &mut passage)?,
                Way::Chain(estimator, contexts, rate, clip) => {
                    by_slope(Some(estimator), (*contexts, *rate, *clip), seed, &mut passage)?;
                }
                Way::Learner(options, value) => by_learner(options, *value, seed, &mut passage)?,
                Way::Search(pairs, contexts) => by_search(*pairs, *contexts, seed, &mut passage)?,
            }
            passages.iter_mut().zip(passage.first).for_each(|(all, one)| all.push(one));
            contacts.push(passage.contact);
        }
        let here: String = passages.into_iter().map(|all| shown(median(all))).collect();
        let elsewhere: String = elsewhere.into_iter().map(shown).collect();
        println!("{name:36}{here:>32}{elsewhere:>32}{:>10.3}", median(contacts));
    }
    Ok(())
}

fn shown(thousands: f64) -> String {
    match thousands {
        never if never.is_infinite() => "     —".to_owned() + " ",
        unknown if unknown.is_nan() => "     ?".to_owned() + " ",
        known => format!("{known:6.1} "),
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2])
}

/// The fixed test.
struct Test {
    contexts: DMatrix<f64>,
    seen: DMatrix<f64>,
}

impl Test {
    fn new() -> Answer<Self> {
        let contexts = ArmHit::halton_contexts(2000);
        Ok(Self { seen: seen(&contexts)?, contexts })
    }

    /// The shares of balls that are hit and that come back to the target.
    fn contact_and_success(&self, actions: &DMatrix<f64>) -> rl_pg::Result<(f64, f64)> {
        let outcomes = ArmHit::new().rollouts(&self.contexts, actions, &[0; 2000])?;
        let share =
            |metric: usize| outcomes.iter().map(|outcome| outcome.metrics[metric]).sum::<f64>();
        Ok((share(0) / 2000.0, share(1) / 2000.0))
    }
}

/// What the robot sees of these balls.
fn seen(contexts: &DMatrix<f64>) -> rl_pg::Result<DMatrix<f64>> {
    let mut seen = DMatrix::zeros(4, contexts.ncols());
    for (context, mut seen) in contexts.column_iter().zip(seen.column_iter_mut()) {
        ArmHit::new().observe(context.as_slice(), 0, seen.as_mut_slice())?;
    }
    Ok(seen)
}

/// When the levels were reached first, with a test every 120th of the budget.
struct Passage<'a> {
    test: &'a Test,
    budget: u64,
    tests: u64,
    first: Figures,
    contact: f64,
}

impl<'a> Passage<'a> {
    fn new(test: &'a Test, thousands: u64) -> Self {
        let budget = 1000 * thousands;
        Self { test, budget, tests: 0, first: [NEVER; 4], contact: 0.0 }
    }

    fn every(&self) -> u64 {
        self.budget / 120
    }

    /// Tests what acts so, if it is time to; whether the run is over.
    fn at(
        &mut self,
        rollouts: u64,
        actions: impl FnOnce(&Test) -> rl_pg::Result<DMatrix<f64>>,
    ) -> rl_pg::Result<bool> {
        if rollouts / self.every() > self.tests {
            self.tests = rollouts / self.every();
            let (contact, success) = self.test.contact_and_success(&actions(self.test)?)?;
            self.contact = contact;
            for (first, level) in self.first.iter_mut().zip([0.5, 0.8, 0.9, 0.95]) {
                if success >= level {
                    *first = first.min(1e-3 * rollouts as f64);
                }
            }
        }
        Ok(rollouts >= self.budget || self.first[3].is_finite())
    }
}

/// New balls for an update.
fn balls(count: usize, seed: u64, update: u64) -> DMatrix<f64> {
    let mut rng = Streams::new(seed).rng(update, 0, 0);
    let mut contexts = DMatrix::zeros(4, count);
    for mut context in contexts.column_iter_mut() {
        context.copy_from_slice(&ArmHit::random_context(&mut rng));
    }
    contexts
}

/// A network of 4-32-32 units whose last layer hardly does anything yet.
fn network(outputs: usize, rng: &mut Xoshiro256PlusPlus) -> nn_core::Result<Network<f32>> {
    let layers = Network::builder(4).dense(32).activation(Tanh).dense(32).activation(Tanh);
    let mut network = layers.dense(outputs).build(rng)?;
    let last = network.parameter_ranges().last().cloned().unwrap_or_default();
    network.parameters_mut()[last].iter_mut().for_each(|weight| *weight *= 0.01);
    Ok(network)
}

/// Gradient descent on dL/dP, estimated or, without estimator, known.
fn by_slope(
    estimator: Option<&Estimator>,
    (count, rate, clip): (usize, f64, f64),
    seed: u64,
    passage: &mut Passage<'_>,
) -> Answer<()> {
    let mut network = network(15, &mut Xoshiro256PlusPlus::seed_from_u64(seed))?;
    let mut optimizer = Adam::new(rate)?;
    let mut chain = Chain::of_reward();
    if clip.is_finite() {
        chain = chain.clip(clip);
    }
    let mut arms = vec![ArmHit::new(); linalg::parallel::available_threads()];
    let (mut rollouts, mut update) = (0, 0);
    loop {
        let contexts = balls(count, seed, update);
        let found = match estimator {
            Some(estimator) => {
                chain.simulate(estimator, &network, &mut arms, &contexts, seed ^ (update << 32))?
            }
            None => {
                let arm = &mut arms[0];
                let known = |ball: usize, action: &[f64], slope: &mut [f64]| {
                    let context = contexts.column(ball);
                    Ok(arm.rollout_with_gradient(context.as_slice(), action, 0, slope)?.reward)
                };
                let x = seen(&contexts)?.map(f32::from_double);
                chain.exact(&network, &x, known)?
            }
        };
        optimizer.step(network.parameters_mut(), found.gradient.as_slice());
        (rollouts, update) = (rollouts + found.evaluations as u64, update + 1);
        let over = passage.at(rollouts, |test| {
            Ok(network.predict(&test.seen.map(f32::from_double))?.map(f64::from))
        })?;
        if over {
            return Ok(());
        }
    }
}

fn by_learner(
    options: &LearnOptions,
    value: Value,
    seed: u64,
    passage: &mut Passage<'_>,
) -> Answer<()> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let plain = options.surrogate == Surrogate::ScoreFunction && options.ascent == Ascent::Adam;
    let spread = if plain { 0.15f64 } else { 0.2 };
    let policy = network(15, &mut rng)?;
    let actor = Actor::new(policy, vec![spread.ln(); 15], DiagonalGaussian::from_parameters)?
        .free_at_least(0.03f64.ln())?;
    let mut learner = Learner::new(actor, options.clone(), seed)?;
    if value == Value::Learned {
        let layers = Network::builder(4).dense(32).activation(Tanh).dense(32).activation(Tanh);
        learner = learner.with_value(layers.dense(1).build(&mut rng)?)?;
    }
    let throw = |rng: &mut dyn rand::Rng, context: &mut [f64]| {
        context.copy_from_slice(&ArmHit::random_context(rng));
    };
    let mut arms = vec![ArmHit::new(); linalg::parallel::available_threads()];
    let mut failed = None;
    let plan = Plan::steps(passage.budget);
    let _ = learner.train(&mut arms, throw, plan, |progress| {
        let over = passage.at(progress.learner.steps(), |test| {
            let mut actions = DMatrix::zeros(15, 2000);
            let policies = progress.learner.averaged().policies(test.seen.as_slice())?;
            for (mut action, policy) in actions.column_iter_mut().zip(policies) {
                action.copy_from_slice(&policy.mode());
            }
            Ok(actions)
        });
        match over {
            Ok(false) => ControlFlow::Continue(()),
            Ok(true) => ControlFlow::Break(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Parameter exploration over action = A·(seen) + b, by Adam.
fn by_search(pairs: usize, count: usize, seed: u64, passage: &mut Passage<'_>) -> Answer<()> {
    let act = |theta: &[f64], seen: &DMatrix<f64>| {
        let weights = DMatrix::from_column_slice(15, 5, theta);
        let mut actions = weights.columns(0, 4) * seen;
        for mut action in actions.column_iter_mut() {
            action += weights.column(4);
        }
        actions
    };
    let mut parameters = vec![0.0; 75];
    parameters.extend([0.1f64.ln(); 75]);
    let mut optimizer = Adam::new(1e-2)?;
    let mut arm = ArmHit::new();
    let mut update = 0;
    loop {
        let search = DiagonalGaussian::from_parameters(&parameters)?;
        let contexts = balls(count, seed, update);
        let shown = seen(&contexts)?;
        let reward = |theta: &[f64], _: u64| {
            let outcomes = arm.rollouts(&contexts, &act(theta, &shown), &vec![0; count])?;
            Ok(outcomes.iter().map(|outcome| outcome.reward).sum::<f64>() / count as f64)
        };
        let found = pgpe(&search, reward, pairs, seed ^ (update << 32))?;
        // Uphill, where optimizers go down.
        optimizer.step(&mut parameters, (-found.gradient).as_slice());
        for log in &mut parameters[75..] {
            *log = log.max(0.01f64.ln());
        }
        update += 1;
        let rollouts = update * (2 * pairs * count) as u64;
        if passage.at(rollouts, |test| Ok(act(&parameters[..75], &test.seen)))? {
            return Ok(());
        }
    }
}
