//! How much faster rollouts are on several threads, and that they have the same bits there.
//!
//! ```text
//! cargo run --release -p rl-pg --example threads              1, 2 and 4 threads
//! cargo run --release -p rl-pg --example threads -- 8 16      1, 8 and 16 threads
//! ```
//!
//! Each time is the least of nine, taken in turns; a machine that is busy shows less than it could. The
//! exit status is 1 where bits differ.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use linalg::DMatrix;
use nn_core::{Network, Tanh};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rl_pg::{ArmHit, CartPole, Chain, Estimator, Result, Streams, episodes, rollouts};

/// What is timed; the bits of what comes out.
type Run = Box<dyn FnMut() -> Result<Vec<u64>> + Send>;

/// A name, and what makes it ready for so many threads.
type Work = (&'static str, fn(usize) -> Result<Run>);

const WORKS: [Work; 3] = [
    ("40,000 rollouts of the arm", arm),
    ("2,000 episodes of the pole", pole),
    ("differences through the arm", chain),
];

fn main() -> std::result::Result<ExitCode, Box<dyn Error>> {
    let mut counts = vec![1];
    for argument in std::env::args().skip(1) {
        counts.push(argument.parse()?);
    }
    if counts.len() == 1 {
        counts.extend([2, 4]);
    }
    let mut same = true;
    println!("{:30}threads     seconds   times as fast", "");
    for (name, work) in WORKS {
        let mut least = vec![f64::INFINITY; counts.len()];
        let mut bits = vec![Vec::new(); counts.len()];
        let mut runs = Vec::new();
        for &threads in &counts {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
            runs.push((pool, work(threads)?));
        }
        for _ in 0..9 {
            for (index, (pool, run)) in runs.iter_mut().enumerate() {
                let start = Instant::now();
                bits[index] = pool.install(run)?;
                least[index] = least[index].min(start.elapsed().as_secs_f64());
            }
        }
        for (index, threads) in counts.iter().enumerate() {
            let verdict = if bits[index] == bits[0] { "same bits" } else { "OTHER BITS" };
            same &= bits[index] == bits[0];
            let (seconds, faster) = (least[index], least[0] / least[index]);
            println!("{name:30}{threads:7}{seconds:12.4}{faster:16.2}   {verdict}");
        }
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn arm(threads: usize) -> Result<Run> {
    let n = 40_000;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let (contexts, seeds) = (ArmHit::halton_contexts(n), vec![0; n]);
    let actions = DMatrix::from_fn(15, n, |_, _| rng.random_range(-0.3..0.3));
    let mut arms = vec![ArmHit::new(); threads];
    Ok(Box::new(move || {
        let outcomes = rollouts(&mut arms, &contexts, &actions, &seeds)?;
        Ok(outcomes.iter().map(|outcome| outcome.reward.to_bits()).collect())
    }))
}

fn pole(threads: usize) -> Result<Run> {
    let streams = Streams::new(7);
    let seeds: Vec<u64> = (0..2000).map(|i| streams.key(0, i, 0)).collect();
    let mut carts = vec![CartPole::new(); threads];
    Ok(Box::new(move || {
        // Keeps the pole up, nearly always, until the clock runs out.
        let push = |seen: &[f64], _: &mut Xoshiro256PlusPlus| {
            Ok(usize::from(seen[2] + 0.3 * seen[3] + 0.05 * seen[0] + 0.1 * seen[1] > 0.0))
        };
        let played = episodes(&mut carts, &push, &seeds, 500)?;
        Ok(played.iter().flat_map(|episode| episode.last.iter().map(|x| x.to_bits())).collect())
    }))
}

fn chain(threads: usize) -> Result<Run> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let network =
        Network::<f32>::builder(4).dense(32).activation(Tanh).dense(15).build(&mut rng)?;
    let (mut arms, contexts) = (vec![ArmHit::new(); threads], ArmHit::halton_contexts(500));
    Ok(Box::new(move || {
        let central = Estimator::central(0.02);
        let found = Chain::of_reward().simulate(&central, &network, &mut arms, &contexts, 7)?;
        Ok(found.gradient.iter().map(|g| u64::from(g.to_bits())).collect())
    }))
}
