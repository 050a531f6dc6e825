//! What `rl-pg` claims of simulators in other processes. The process is this program once more.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use linalg::DMatrix;
use rand::RngExt;
use rl_pg::process::{Encoding, ExternalSimulator, Options, serve};
use rl_pg::{Outcome, Simulator};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rl-pg/process-failures",
        question: Some(7),
        claim: "A simulator in another process that exits, stalls, prints among its answers and answers \
                NaN gives every reward of an undisturbed one, to the bit.",
        run: process_failures,
    },
    Check {
        id: "rl-pg/process-bits",
        question: Some(7),
        claim: "A number that goes to a simulator in another process and back keeps every bit, in JSON \
                and in binary.",
        run: process_bits,
    },
];

/// The first argument that makes `xtask` such a process.
pub const WORKER: &str = "simulator-worker";

/// Serves a simulator until standard input ends: `json` or `binary`, and the folder in which the failing
/// one remembers its failures, if it is to fail.
///
/// # Errors
/// Where standard input or output fail.
pub fn worker(encoding: &str, folder: Option<PathBuf>) -> io::Result<()> {
    let encoding = if encoding == "binary" { Encoding::Binary } else { Encoding::Json };
    let (input, output) = (io::stdin().lock(), io::stdout().lock());
    serve(&mut Worker { folder }, "xtask", encoding, input, output)
}

/// Its reward is the action; with a folder, actions above 1 fail the first time.
struct Worker {
    folder: Option<PathBuf>,
}

impl Simulator for Worker {
    fn context_length(&self) -> usize {
        0
    }

    fn action_length(&self) -> usize {
        1
    }

    fn rollout(&mut self, _: &[f64], action: &[f64], seed: u64) -> rl_pg::Result<Outcome> {
        let mut reward = action[0];
        if let Some(folder) = &self.folder
            && reward > 1.0
            && fs::File::create_new(folder.join(seed.to_string())).is_ok()
        {
            match seed % 4 {
                0 => std::process::exit(1),
                1 => thread::sleep(Duration::from_secs(60)),
                // What goes wrong here is what is to be seen there.
                2 => drop(writeln!(io::stdout(), "{{\"id\":3,\"rew")),
                _ => reward = f64::NAN,
            }
        }
        Ok(Outcome { reward, metrics: Vec::new() })
    }
}

/// This program as a worker.
fn start(
    encoding: &str,
    folder: Option<&PathBuf>,
    options: Options,
) -> Result<ExternalSimulator, BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(WORKER).arg(encoding).args(folder);
    Ok(ExternalSimulator::start(command, options)?)
}

fn process_failures(context: &Context) -> Result<Evidence, BoxError> {
    let samples = 200;
    let mut rng = context.rng();
    let contexts = DMatrix::zeros(0, samples);
    let actions = DMatrix::from_fn(1, samples, |_, _| rng.random_range(-2.0..1.5f64));
    let seeds: Vec<u64> = (0..samples as u64).collect();
    let mean = |rewards: &[f64]| rewards.iter().sum::<f64>() / rewards.len() as f64;
    let differing = |rewards: &[f64]| {
        let pairs = rewards.iter().zip(&actions);
        pairs.filter(|(reward, action)| reward.to_bits() != action.to_bits()).count() as f64
    };
    let options = Options::default()
        .reply_timeout(Duration::from_millis(100))
        .back_off(Duration::from_millis(1))
        .restarts(usize::MAX);
    // Each run has failures of its own.
    let faulty = |name: &str, options| -> Result<_, BoxError> {
        let folder = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut simulator = start("json", Some(&folder), options)?;
        let attempts = simulator.attempts(&contexts, &actions, &seeds)?;
        fs::remove_dir_all(&folder)?;
        Ok((attempts, *simulator.report()))
    };
    let (attempts, report) = faulty("again", options.retries(5))?;
    let rewards = attempts.into_iter().map(|attempt| attempt.map(|outcome| outcome.reward));
    let rewards: Vec<f64> = rewards.collect::<Result<_, _>>()?;

    let (attempts, _) = faulty("once", options.retries(0))?;
    let zeros: Vec<f64> =
        attempts.iter().map(|a| a.as_ref().map_or(0.0, |outcome| outcome.reward)).collect();
    let survivors: Vec<f64> = attempts.iter().flatten().map(|outcome| outcome.reward).collect();
    Ok(Evidence {
        measured: differing(&rewards),
        limit: 0.0,
        reason: "rollouts of 200 whose reward differs in any bit: the same context, action and seed are \
                 the same rollout",
        control: Control { what: "a reward of 0 for what failed", measured: differing(&zeros) },
        plots: Vec::new(),
        notes: vec![
            format!(
                "{} processes ended, {} were silent for too long, {} answers could not be read and {} \
                 were NaN.",
                report.ends, report.timeouts, report.garbage, report.not_finite
            ),
            format!(
                "Where actions above 1 fail once, the mean reward is {:.3}; {:.3} with 0 for what \
                 failed, and {:.3} with it left out.",
                mean(&rewards),
                mean(&zeros),
                mean(&survivors)
            ),
        ],
    })
}

fn process_bits(context: &Context) -> Result<Evidence, BoxError> {
    let samples = 5000;
    let mut rng = context.rng();
    // Numbers of every size, zeros and subnormals among them.
    let mut number = || loop {
        let number = f64::from_bits(rng.random());
        if number.is_finite() {
            return number;
        }
    };
    let sent = DMatrix::from_fn(1, samples, |_, _| number());
    let contexts = DMatrix::zeros(0, samples);
    let seeds = vec![0; samples];
    let changed = |encoding: &str, written: &DMatrix<f64>| -> Result<f64, BoxError> {
        let mut simulator = start(encoding, None, Options::default())?;
        let outcomes = simulator.rollouts(&contexts, written, &seeds)?;
        let pairs = outcomes.iter().zip(&sent);
        Ok(pairs.filter(|(back, sent)| back.reward.to_bits() != sent.to_bits()).count() as f64)
    };
    // As `%.15g` writes it in C, MATLAB and many a logger.
    let rounded = sent.map(|number| format!("{number:.14e}").parse().unwrap_or(f64::NAN));
    Ok(Evidence {
        measured: changed("json", &sent)?.max(changed("binary", &sent)?),
        limit: 0.0,
        reason: "numbers of 5,000 that come back with another bit: the shortest digits that name a \
                 number name no other",
        control: Control {
            what: "the same numbers written with 15 digits",
            measured: changed("json", &rounded)?,
        },
        plots: Vec::new(),
        notes: Vec::new(),
    })
}
