//! The robot of the crate's question, end to end: a network sees a thrown ball and answers with the 15
//! weights of a swing; a simulator without gradient says what came of it.
//!
//! ```text
//! cargo run --release -p rl-pg --example arm_hit                 one run, and the picture arm_hit.svg
//! cargo run --release -p rl-pg --example arm_hit -- --seeds 10   a table of rollouts to 50, 80, 90, 95 %
//! ```
//!
//! `--first N` is the first seed, `--rollouts N` how many rollouts each run has, and `--reinforce` takes
//! the plain method with a learned value.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::fmt::Write;
use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{Network, Tanh};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::{
    Actor, ArmHit, DiagonalGaussian, LearnOptions, Learner, Plan, Policy, RadialBases, Simulator,
    Surrogate,
};

type Robot = Actor<f32, DiagonalGaussian>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| -> Result<u64, Box<dyn Error>> {
        match arguments.iter().position(|argument| argument == name) {
            Some(at) => Ok(arguments.get(at + 1).ok_or("a number is missing")?.parse()?),
            None => Ok(default),
        }
    };
    let reinforce = arguments.iter().any(|argument| argument == "--reinforce");
    let options = if reinforce { LearnOptions::reinforce() } else { LearnOptions::default() };
    let rollouts = number("--rollouts", if reinforce { 40_000 } else { 12_000 })?;
    let first = number("--first", 1)?;
    match number("--seeds", 0)? {
        0 => show(first, options, rollouts),
        seeds => table(first..first + seeds, &options, rollouts),
    }
}

/// A robot that has learned nothing.
fn learner(
    seed: u64,
    options: LearnOptions,
) -> Result<Learner<f32, DiagonalGaussian>, Box<dyn Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = |outputs| {
        let layers = Network::builder(4).dense(32).activation(Tanh).dense(32).activation(Tanh);
        layers.dense(outputs).build(&mut rng)
    };
    let mut policy = network(15)?;
    // A last layer of small weights: the first arm hardly moves, whatever it sees.
    let last = policy.parameter_ranges().last().cloned().unwrap_or_default();
    policy.parameters_mut()[last].iter_mut().for_each(|weight| *weight *= 0.01);
    // Exploration in every weight to begin with, in radians: learned, and never below 0.03.
    let spread = if options.surrogate == Surrogate::ScoreFunction { 0.15f64 } else { 0.2 };
    let actor = Actor::new(policy, vec![spread.ln(); 15], DiagonalGaussian::from_parameters)?
        .free_at_least(0.03f64.ln())?;
    Ok(Learner::new(actor, options, seed)?.with_value(network(1)?)?)
}

/// The fixed test: what becomes of balls that the robot is not trained on.
struct Test {
    contexts: DMatrix<f64>,
    seen: DMatrix<f64>,
}

impl Test {
    fn new() -> rl_pg::Result<Self> {
        let contexts = ArmHit::halton_contexts(2000);
        let mut seen = DMatrix::zeros(4, contexts.ncols());
        for (context, mut seen) in contexts.column_iter().zip(seen.column_iter_mut()) {
            ArmHit::new().observe(context.as_slice(), 0, seen.as_mut_slice())?;
        }
        Ok(Self { contexts, seen })
    }

    /// The shares of balls that are hit, and that come back to the target.
    fn contact_and_success(&self, robot: &Robot) -> rl_pg::Result<(f64, f64)> {
        let n = self.contexts.ncols();
        let mut actions = DMatrix::zeros(15, n);
        for (mut action, policy) in
            actions.column_iter_mut().zip(robot.policies(self.seen.as_slice())?)
        {
            action.copy_from_slice(&policy.mode());
        }
        let outcomes = ArmHit::new().rollouts(&self.contexts, &actions, &vec![0; n])?;
        let share = |metric: usize| {
            outcomes.iter().map(|outcome| outcome.metrics[metric]).sum::<f64>() / n as f64
        };
        Ok((share(0), share(1)))
    }
}

fn throw(rng: &mut dyn rand::Rng, context: &mut [f64]) {
    context.copy_from_slice(&ArmHit::random_context(rng));
}

fn show(seed: u64, options: LearnOptions, rollouts: u64) -> Result<(), Box<dyn Error>> {
    let test = Test::new()?;
    let mut learner = learner(seed, options)?;
    println!("rollouts   returned of 2,000 balls   mean reward   exploration");
    let plan =
        Plan::steps(rollouts).test(640, |robot| Ok(test.contact_and_success(robot)?.1)).goal(0.97);
    let mut arms = vec![ArmHit::new(); linalg::parallel::available_threads()];
    let history = learner.train(&mut arms, throw, plan, |progress| {
        if let Some(score) = progress.score {
            let free = progress.learner.actor().free();
            let spread = free.iter().map(|log| log.exp()).sum::<f64>() / free.len() as f64;
            println!(
                "{:8}   {:21.1} %   {:11.3}   {spread:.3} rad",
                progress.learner.steps(),
                100.0 * score,
                progress.update.mean_return
            );
        }
        ControlFlow::Continue(())
    })?;
    println!("stopped: {:?}", history.stop);
    let best = learner.best().map_or_else(|| learner.averaged(), |(_, best)| best);
    std::fs::write("arm_hit.svg", picture(&best, &test)?)?;
    println!("arm_hit.svg shows the swings and where the balls land.");
    Ok(())
}

fn table(
    seeds: std::ops::Range<u64>,
    options: &LearnOptions,
    rollouts: u64,
) -> Result<(), Box<dyn Error>> {
    const LEVELS: [f64; 4] = [0.5, 0.8, 0.9, 0.95];
    let test = Test::new()?;
    let mut passages = vec![Vec::new(); LEVELS.len()];
    let every = 240;
    println!(
        "seed   rollouts to 50, 80, 90, 95 %         contact   success, mean of the last tenth"
    );
    for seed in seeds {
        let mut learner = learner(seed, options.clone())?;
        let mut passage = [f64::INFINITY; LEVELS.len()];
        let (mut contact, mut last) = (0.0, Vec::new());
        let plan = Plan::steps(rollouts).test(every, |robot| {
            let (hit, success) = test.contact_and_success(robot)?;
            contact = hit;
            Ok(success)
        });
        let history =
            learner.train(&mut [ArmHit::new()], throw, plan, |_| ControlFlow::Continue(()))?;
        for point in &history.curve {
            let Some(score) = point.score else { continue };
            for (first, level) in passage.iter_mut().zip(LEVELS) {
                if score >= level {
                    *first = first.min(point.steps as f64);
                }
            }
            if point.steps * 10 > rollouts * 9 {
                last.push(score);
            }
        }
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        println!("{seed:4}   {passage:7.0?}   {contact:7.3}   {mean:.3}");
        passages.iter_mut().zip(passage).for_each(|(all, one)| all.push(one));
    }
    for (level, mut all) in LEVELS.into_iter().zip(passages) {
        all.sort_by(f64::total_cmp);
        let middle = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
        let (best, worst) = (all[0], all[all.len() - 1]);
        println!("{:.0} %: median {middle:.0}, from {best:.0} to {worst:.0}", 100.0 * level);
    }
    Ok(())
}

/// A point of the plane.
type Point = [f64; 2];

/// The arm's joints at a time, base first; the blade reaches 0.12 m to both sides of the last.
fn arm(action: &[f64], time: f64) -> rl_pg::Result<[Point; 4]> {
    let bases = RadialBases::new(0.8, 5, 0.15, 0.3)?;
    let mut jets = [[0.0; 3]; 5];
    bases.jets(time, &mut jets)?;
    let (mut angle, mut at) = (0.0, [[0.0; 2]; 4]);
    for (joint, (home, link)) in [(-30.0, 0.5), (60.0, 0.4), (60.0, 0.15)].into_iter().enumerate() {
        let weights = &action[5 * joint..5 * joint + 5];
        let moved: f64 = jets.iter().zip(weights).map(|(jet, weight)| jet[0] * weight).sum();
        angle += f64::to_radians(home) + moved;
        at[joint + 1] = [at[joint][0] + link * angle.cos(), at[joint][1] + link * angle.sin()];
    }
    Ok(at)
}

/// An SVG of nine swings at the moment of contact, with the balls' ways there and back, over all 2,000
/// landings.
fn picture(robot: &Robot, test: &Test) -> Result<String, Box<dyn Error>> {
    const COLORS: [&str; 9] = [
        "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#44aa99", "#882255",
        "#999933",
    ];
    let place = |[x, y]: Point| (80.0 + 190.0 * x, 220.0 - 190.0 * y);
    let path = |points: &[Point]| -> String {
        let points = points.iter().map(|&point| place(point));
        points.fold(String::new(), |mut text, (x, y)| {
            let _ = write!(text, "{x:.1},{y:.1} ");
            text
        })
    };
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 880 490' font-family='sans-serif' \
         font-size='13'><rect width='880' height='490' fill='white'/>",
    );
    let (left, floor) = place([-0.3, -1.0]);
    let (right, _) = place([4.1, -1.0]);
    write!(svg, "<path d='M{left} {floor}H{right}' stroke='#444' stroke-width='2'/>")?;
    let (from, _) = place([2.3, -1.0]);
    let (to, _) = place([2.7, -1.0]);
    write!(
        svg,
        "<rect x='{from}' y='{}' width='{}' height='7' fill='#2a2'/>",
        floor + 2.0,
        to - from
    )?;
    let below = floor + 60.0;
    let marks = (0..5).map(|meters| (f64::from(meters), format!("{meters} m")));
    for (meters, name) in marks.chain([(2.5, "target".to_owned())]) {
        let (x, _) = place([meters, -1.0]);
        write!(svg, "<text x='{x}' y='{below}' text-anchor='middle'>{name}</text>")?;
        write!(svg, "<path d='M{x} {floor}v-5' stroke='#444'/>")?;
    }
    let mut simulator = ArmHit::new();
    let policies = robot.policies(test.seen.as_slice())?;
    let (mut hits, mut met) = (0, 0);
    for (index, (context, policy)) in test.contexts.column_iter().zip(&policies).enumerate() {
        let action = policy.mode();
        let outcome = simulator.rollout(context.as_slice(), &action, 0)?;
        let [contact, success, landing, time, _] = outcome.metrics[..] else { continue };
        hits += usize::from(success > 0.0);
        if contact == 0.0 {
            continue;
        }
        met += 1;
        let (x, _) = place([landing, -1.0]);
        let y = floor + 14.0 + 26.0 * (index as f64 * 0.618).fract();
        write!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='1.2' fill='#333' fill-opacity='.3'/>")?;
        if index >= COLORS.len() {
            continue;
        }
        let (start, v) = ([context[0], context[1]], [context[2], context[3]]);
        let ball = |t: f64| [start[0] + v[0] * t, start[1] + v[1] * t - 4.905 * t * t];
        // The blade's normal and its motion there, by a difference over a microsecond.
        let (joints, later) = (arm(&action, time)?, arm(&action, time + 1e-6)?);
        let blade = [joints[3][0] - joints[2][0], joints[3][1] - joints[2][1]];
        let along = [blade[0] / 0.15, blade[1] / 0.15];
        let normal = [-along[1], along[0]];
        let across = |at: Point, joints: &[Point; 4]| {
            let link = [joints[3][0] - joints[2][0], joints[3][1] - joints[2][1]];
            (-link[1] * (at[0] - joints[3][0]) + link[0] * (at[1] - joints[3][1])) / 0.15
        };
        let closing = (across(ball(time + 1e-6), &later) - across(ball(time), &joints)) / 1e-6;
        let turned = |k: usize, velocity: f64| velocity - 1.8 * closing * normal[k];
        let (at, away) = (ball(time), [turned(0, v[0]), turned(1, v[1] - 9.81 * time)]);
        let back = |t: f64| [at[0] + away[0] * t, at[1] + away[1] * t - 4.905 * t * t];
        let flight = (landing - at[0]) / away[0];
        let steps = |f: &dyn Fn(f64) -> Point, end: f64| -> Vec<Point> {
            (0..=40).map(|i| f(end * f64::from(i) / 40.0)).collect()
        };
        let color = COLORS[index];
        write!(
            svg,
            "<g fill='none' stroke='{color}' stroke-linecap='round'>\
             <polyline points='{}' stroke-width='5' stroke-opacity='.55'/>\
             <path d='M{} {}L{} {}' stroke-width='4'/>\
             <polyline points='{}' stroke-dasharray='3 4'/><polyline points='{}' stroke-width='1.6'/></g>\
             <circle cx='{}' cy='{}' r='4' fill='{color}'/>",
            path(&joints),
            place([joints[3][0] - 0.12 * along[0], 0.0]).0,
            place([0.0, joints[3][1] - 0.12 * along[1]]).1,
            place([joints[3][0] + 0.12 * along[0], 0.0]).0,
            place([0.0, joints[3][1] + 0.12 * along[1]]).1,
            path(&steps(&ball, time)),
            path(&steps(&back, flight)),
            place(start).0,
            place(start).1,
        )?;
    }
    write!(
        svg,
        "<text x='80' y='24'>Nine swings at the moment of contact: the ball comes (dashed) and goes back \
         (solid).</text><text x='80' y='42'>Gray: where balls of the test land. Of {} the robot meets {met}, \
         and {hits} come down within 0.2 m of the target.</text></svg>",
        test.contexts.ncols()
    )?;
    Ok(svg)
}
