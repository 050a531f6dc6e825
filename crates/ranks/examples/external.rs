//! A simulator in a process of its own beside every rank, started again on that rank where it dies.
//!
//! ```text
//! cargo build --release -p ranks --features mpi --example external
//! mpirun -n 4 --bind-to core target/release/examples/external
//! ```
//!
//! The worker here is this program itself, with `--worker 1`; `Command::new("python3").arg("robot.py")` is started in the
//! same way. `--dies-after N` has every worker end before its N-th rollout, to see that nothing is lost by it.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::process::{Command, ExitCode};
use std::str::FromStr;

use linalg::DMatrix;
use linalg::team::{Team, digest};
use ranks::{Options, Ranks};
use rl_pg::process::{self, Encoding, ExternalSimulator, serve};
use rl_pg::{ArmHit, Farm, Outcome, Simulator};

const ROLLOUTS: usize = 2000;

fn main() -> ExitCode {
    match argument("--worker", 0) {
        Ok(0) => ranks::launch(Options::default(), simulate),
        // A worker speaks to its rank over standard input and output, and knows nothing of MPI.
        _ => match worker() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
    }
}

fn simulate(ranks: &Ranks) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--worker", "1"]);
    command.args(["--dies-after", &argument("--dies-after", usize::MAX)?.to_string()]);
    let robot = ExternalSimulator::start(command, process::Options::default())?;

    let mut farm = Farm::new(ranks.clone(), vec![robot])?;
    let contexts = ArmHit::halton_contexts(ROLLOUTS);
    let swing = |row, column| 0.1 * f64::sin((row * ROLLOUTS + column) as f64);
    let outcomes =
        farm.rollouts(&contexts, &DMatrix::from_fn(15, ROLLOUTS, swing), &[7; ROLLOUTS])?;

    let rewards = digest(outcomes.iter().map(|outcome| outcome.reward.to_bits()));
    let report = farm.simulators()[0].report();
    println!("rank {} of {}: rewards {rewards:016x}", ranks.rank(), ranks.members());
    println!("rank {} started its worker again {} times", ranks.rank(), report.restarts);
    Ok(())
}

fn worker() -> Result<(), Box<dyn Error>> {
    let mut robot = Mortal { arm: ArmHit::noisy(), left: argument("--dies-after", usize::MAX)? };
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    Ok(serve(&mut robot, "robot", Encoding::Json, input, output)?)
}

/// An arm with so many rollouts to live.
struct Mortal {
    arm: ArmHit,
    left: usize,
}

impl Simulator for Mortal {
    fn context_length(&self) -> usize {
        self.arm.context_length()
    }

    fn action_length(&self) -> usize {
        self.arm.action_length()
    }

    fn metrics(&self) -> Vec<&str> {
        self.arm.metrics()
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> rl_pg::Result<Outcome> {
        self.left -= 1;
        if self.left == 0 {
            std::process::exit(1);
        }
        self.arm.rollout(context, action, seed)
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
