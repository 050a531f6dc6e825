//! Times rollouts in a Python worker: the side of `benches/peers/rl_process.py` that is ours.
//!
//! Arguments: the Python to run, and its worker with its arguments. Writes a line for each way of
//! asking: its name, the least and the median of 8 times in seconds for a rollout, and the sum of the rewards.

use std::error::Error;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use linalg::DMatrix;
use rl_pg::Simulator;
use rl_pg::process::{ExternalSimulator, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let mut arguments = std::env::args().skip(1);
    let python = arguments.next().ok_or("which Python?")?;
    let arguments: Vec<String> = arguments.collect();
    for encoding in ["json", "binary"] {
        let mut command = Command::new(&python);
        command.args(&arguments).arg(encoding);
        let mut simulator = ExternalSimulator::start(command, Options::default())?;
        for batch in [1, 64, 256] {
            let rounds = 8192 / batch;
            let entry = |i: usize, j: usize| ((7 * i + 13 * j) as f64).sin();
            let contexts = DMatrix::from_fn(4, batch, entry);
            let actions = DMatrix::from_fn(15, batch, entry);
            let seeds: Vec<u64> = (0..batch as u64).collect();
            let mut times = Vec::new();
            let mut sum = 0.0;
            for _ in 0..8 {
                let start = Instant::now();
                for _ in 0..rounds {
                    sum = 0.0;
                    if batch == 1 {
                        sum +=
                            simulator.rollout(contexts.as_slice(), actions.as_slice(), 0)?.reward;
                    } else {
                        let outcomes = simulator.rollouts(&contexts, &actions, &seeds)?;
                        sum += outcomes.iter().map(|outcome| outcome.reward).sum::<f64>();
                    }
                }
                times.push(start.elapsed().as_secs_f64() / (rounds * batch) as f64);
            }
            times.sort_by(f64::total_cmp);
            writeln!(out, "{encoding}/{batch} {:e} {:e} {sum:e}", times[0], times[4])?;
        }
    }
    Ok(())
}
