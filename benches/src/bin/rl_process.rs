//! Times rollouts in a Python worker: the side of `benches/peers/rl_process.py` that is ours.
//!
//! Arguments: the Python to run, and its worker with its arguments, to which the encoding is added. A line `encoding
//! batch lists` on standard input is answered with the seconds of a rollout, of so many lists of `batch` rollouts, and
//! the sum of the rewards of a list.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use linalg::DMatrix;
use rl_pg::Simulator;
use rl_pg::process::{ExternalSimulator, Options};

/// How long both sides look before they sleep, if so.
const WATCH: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments.next().ok_or("which Python?")?;
    let arguments: Vec<String> = arguments.collect();
    let mut simulators = HashMap::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [encoding, batch, lists] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not a request: {line}").into());
        };
        if !simulators.contains_key(encoding) {
            let mut command = Command::new(&python);
            command.args(&arguments).arg(encoding);
            let watch = if encoding.ends_with("-watched") { WATCH } else { Duration::ZERO };
            let simulator = ExternalSimulator::start(command, Options::default().watch(watch))?;
            simulators.insert(encoding.to_owned(), simulator);
        }
        let simulator = simulators.get_mut(encoding).ok_or("inserted above")?;
        let (batch, lists): (usize, usize) = (batch.parse()?, lists.parse()?);
        let entry = |i: usize, j: usize| ((7 * i + 13 * j) as f64).sin();
        let contexts = DMatrix::from_fn(4, batch, entry);
        let actions = DMatrix::from_fn(15, batch, entry);
        let seeds: Vec<u64> = (0..batch as u64).collect();
        let mut sum = 0.0;
        let start = Instant::now();
        for _ in 0..lists {
            sum = if batch == 1 {
                simulator.rollout(contexts.as_slice(), actions.as_slice(), 0)?.reward
            } else {
                let outcomes = simulator.rollouts(&contexts, &actions, &seeds)?;
                outcomes.iter().map(|outcome| outcome.reward).sum()
            };
        }
        let seconds = start.elapsed().as_secs_f64() / (lists * batch) as f64;
        writeln!(out, "{seconds:e} {sum:e}")?;
        out.flush()?;
    }
    Ok(())
}
