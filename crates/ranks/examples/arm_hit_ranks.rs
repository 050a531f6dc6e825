//! A robot that learns over as many ranks as mpirun starts, to the same weights.
//!
//! ```text
//! cargo run --release -p ranks --example arm_hit_ranks                           one rank, no MPI
//! cargo build --release -p ranks --features mpi --example arm_hit_ranks
//! mpirun -n 4 --bind-to core target/release/examples/arm_hit_ranks               four ranks
//! ```
//!
//! `--updates N` (20), `--sleep-ms N` makes every rollout as slow as a real simulator's, `--threads N` simulators on
//! each rank (1), `--checkpoint FILE` goes on from the file where there is one and keeps it up to date, `--silence-ms N`
//! and `--patience-ms N` are the waits of `ranks::Options`, `--seed N` (7) the seed. To see what failures look like:
//! `--nan N` has rollout N of the third update return NaN, `--hang N` has it never return. `--own-noise 1` is the wrong
//! turn: each rank draws its noise from a generator of its own, and the weights depend on how many ranks there are.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use linalg::team::{Team, digest};
use nn_core::{Network, Tanh};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use ranks::{Options, Ranks};
use rl_pg::{
    Actor, ArmHit, DiagonalGaussian, Farm, LearnOptions, Learner, LearnerState, Outcome, Plan,
    Simulator, Streams,
};

fn main() -> ExitCode {
    let options = || -> Result<Options, Box<dyn Error>> {
        let silence = Duration::from_millis(argument("--silence-ms", 10_000)?);
        let patience = Duration::from_millis(argument("--patience-ms", 600_000)?);
        Ok(Options::default().silence(silence)?.patience(patience)?)
    };
    ranks::launch(options().unwrap_or_default(), |ranks| options().and_then(|_| train(ranks)))
}

fn train(ranks: &Ranks) -> Result<(), Box<dyn Error>> {
    let updates: u64 = argument("--updates", 20)?;
    let checkpoint: String = argument("--checkpoint", String::new())?;
    let seed = argument("--seed", 7)?;
    let mut learner = learner(seed)?;

    // Rank 0 alone reads and writes files.
    let mut stored = Vec::new();
    if ranks.leads() && !checkpoint.is_empty() && std::fs::exists(&checkpoint)? {
        stored = std::fs::read(&checkpoint)?;
    }
    let stored = ranks.share(stored)?;
    if !stored.is_empty() {
        learner.resume(&LearnerState::from_bytes(&stored)?)?;
    }

    let arm = Arm {
        arm: ArmHit::noisy(),
        nap: Duration::from_millis(argument("--sleep-ms", 0)?),
        nan: place(seed, argument("--nan", u64::MAX)?),
        hang: place(seed, argument("--hang", u64::MAX)?),
        own_noise: (argument("--own-noise", 0)? > 0).then_some(ranks.rank() as u64),
    };
    let arms = vec![arm; argument("--threads", 1)?];
    let rollouts = learner.options().rollouts as u64;
    let (start, before) = (Instant::now(), learner.updates());
    let mut failed = Ok(());
    // The one line that differs from a program for one machine: a farm for its simulators.
    let mut farm = [Farm::new(ranks.clone(), arms)?];
    let throw = |rng: &mut dyn rand::Rng, context: &mut [f64]| {
        context.copy_from_slice(&ArmHit::random_context(rng));
    };
    let history = learner.train(&mut farm, throw, Plan::steps(updates * rollouts), |progress| {
        if ranks.leads() {
            let (update, reward) = (progress.learner.updates(), progress.update.mean_return);
            println!("update {update}: mean reward {reward:.3}");
            if !checkpoint.is_empty() {
                failed = progress.learner.state().save(&checkpoint);
            }
        }
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed?;

    let seconds = start.elapsed().as_secs_f64();
    let done = (learner.updates() - before) * rollouts;
    let state = learner.state().to_bytes();
    println!(
        "rank {} of {}: weights {:016x}",
        ranks.rank(),
        ranks.members(),
        digest(state.into_iter().map(u64::from))
    );
    if ranks.leads() {
        let report = ranks.report();
        println!("{:?} after {} updates", history.stop, learner.updates());
        println!("{:.1} rollouts/s, of each rank {:?}", done as f64 / seconds, report.pieces);
        println!("{} bytes received, {} sent", report.received, report.sent);
    }
    Ok(())
}

/// A robot that has learned nothing.
fn learner(seed: u64) -> Result<Learner<f32, DiagonalGaussian>, Box<dyn Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = |outputs| {
        let layers = Network::builder(4).dense(32).activation(Tanh).dense(32).activation(Tanh);
        layers.dense(outputs).build(&mut rng)
    };
    let actor = Actor::new(network(15)?, vec![0.2f64.ln(); 15], DiagonalGaussian::from_parameters)?;
    let learner = Learner::new(actor.free_at_least(0.03f64.ln())?, LearnOptions::default(), seed)?;
    Ok(learner.with_value(network(1)?)?)
}

/// An arm that takes its time, and may fail.
#[derive(Clone)]
struct Arm {
    arm: ArmHit,
    nap: Duration,
    /// The seed of the rollout that returns NaN.
    nan: u64,
    /// The seed of the rollout that does not return.
    hang: u64,
    /// The next seed of a generator of its own, if it has one.
    own_noise: Option<u64>,
}

/// The seed of this rollout of the third update.
fn place(seed: u64, rollout: u64) -> u64 {
    // As `Learner::train` gives it to the simulator.
    Streams::new(seed).key(2, rollout, SIMULATOR)
}

/// The purpose under which the learner draws a simulator's seed.
const SIMULATOR: u64 = 2;

impl Simulator for Arm {
    fn context_length(&self) -> usize {
        self.arm.context_length()
    }

    fn action_length(&self) -> usize {
        self.arm.action_length()
    }

    fn metrics(&self) -> Vec<&str> {
        self.arm.metrics()
    }

    fn observe(&self, context: &[f64], seed: u64, observation: &mut [f64]) -> rl_pg::Result<()> {
        self.arm.observe(context, seed, observation)
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> rl_pg::Result<Outcome> {
        std::thread::sleep(self.nap);
        if seed == self.hang {
            loop {
                std::thread::park();
            }
        }
        let noise = match &mut self.own_noise {
            Some(next) => {
                *next += 1_000_003;
                *next
            }
            None => seed,
        };
        let outcome = self.arm.rollout(context, action, noise)?;
        let reward = if seed == self.nan { f64::NAN } else { outcome.reward };
        Ok(Outcome { reward, ..outcome })
    }
}

/// The value that follows a name on the command line.
fn argument<T: FromStr<Err: Error + 'static>>(name: &str, default: T) -> Result<T, Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(default),
        (_, Some(value)) => Ok(value.parse()?),
        _ => Err(format!("{name} has no value").into()),
    }
}
