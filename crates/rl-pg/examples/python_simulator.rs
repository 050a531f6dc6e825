//! A policy learns at which angle to throw a ball, from a simulator in Python that knows no slopes.
//!
//! The simulator is `python_simulator.py` beside this file.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::path::Path;
use std::process::Command;

use linalg::{DMatrix, DVector};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::process::{ExternalSimulator, Options};
use rl_pg::{Baseline, Categorical, Policy, Result, Simulator, Streams, score_function_batch};

/// Throws in a batch.
const BATCH: usize = 64;

fn main() -> Result<()> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut command = Command::new("python3");
    command.arg(examples.join("python_simulator.py"));
    let mut throws = ExternalSimulator::start(command, Options::default())?;

    let degrees = |choice: usize| 20.0 + 5.0 * choice as f64;
    let mut logits = DVector::zeros(10);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let streams = Streams::new(7);
    println!("step   mean distance      probability of 20, 25 .. 65 degrees");
    for step in 0..=100 {
        let policy = Categorical::from_parameters(logits.as_slice())?;
        let choices: Vec<usize> = (0..BATCH).map(|_| policy.sample(&mut rng)).collect();
        let actions = DMatrix::from_fn(1, BATCH, |_, k| degrees(choices[k]));
        let seeds: Vec<u64> = (0..BATCH as u64).map(|k| streams.key(step, k, 0)).collect();
        let outcomes = throws.rollouts(&DMatrix::zeros(0, BATCH), &actions, &seeds)?;
        let rewards: Vec<f64> = outcomes.iter().map(|outcome| outcome.reward).collect();
        let estimate = score_function_batch(&policy, &choices, &rewards, Baseline::LeaveOneOut)?;
        if step % 20 == 0 {
            let probabilities = policy.probabilities().iter().map(|p| format!("{p:.2} "));
            println!(
                "{step:4}   {:5.2} ± {:.2} m     {}",
                estimate.value,
                estimate.value_std_error,
                probabilities.collect::<String>()
            );
        }
        logits += estimate.gradient * 0.3;
    }
    println!("{:?}", throws.report());
    Ok(())
}
