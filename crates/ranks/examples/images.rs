//! A convolution network whose batches are run by as many ranks as mpirun starts, to the same weights.
//!
//! ```text
//! cargo run --release -p ranks --example images                            one rank, no MPI
//! cargo build --release -p ranks --features mpi --example images
//! mpirun -n 4 --bind-to core target/release/examples/images                four ranks
//! ```
//!
//! `--steps N` (10), `--batch N` (256 images of 28 × 28), `--seed N` (7). `--all-reduce 1` is the wrong turn: each
//! rank adds up its own shards first, and the weights depend on how many ranks there are.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use linalg::DMatrix;
use linalg::team::{Join, Lost, Pieces, Team, Work, digest};
use nn_core::{
    Adam, Batch, Conv2d, Initializer, Network, Relu, Shape, SoftmaxCrossEntropy, Trainer,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use ranks::{Options, Ranks};

fn main() -> ExitCode {
    ranks::launch(Options::default(), train)
}

fn train(ranks: &Ranks) -> Result<(), Box<dyn Error>> {
    let (steps, batch) = (argument("--steps", 10)?, argument("--batch", 256)?);
    let seed = argument("--seed", 7)? as u64;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let shape = Shape::image(1, 28, 28);
    let mut network = Network::<f32>::builder(shape)
        .initializer(Initializer::HeNormal)
        .conv2d(Conv2d::new(16, 3).padding(1))
        .activation(Relu)
        .max_pool(2)
        .conv2d(Conv2d::new(32, 3).padding(1))
        .activation(Relu)
        .max_pool(2)
        .dense(10)
        .build(&mut rng)?;
    let images = DMatrix::from_fn(28 * 28, batch, |_, _| rng.random_range(0.0..1.0f32));
    let labels: Vec<usize> = (0..batch).map(|_| rng.random_range(0..10)).collect();
    let loss = SoftmaxCrossEntropy::new(&labels, 10)?;

    // The one line that differs from a program for one machine: `team`.
    let mut trainer = Trainer::new(Adam::new(1e-3)?, Batch::Full, seed).team(ranks.clone());
    if argument("--all-reduce", 0)? > 0 {
        trainer = trainer.team(AllReduce(ranks.clone()));
    }
    let mut seconds = Vec::new();
    let mut last = 0.0;
    for _ in 0..steps {
        let start = Instant::now();
        last = trainer.step(&mut network, &images, &loss)?;
        seconds.push(start.elapsed().as_secs_f64());
    }

    let words = network.parameters().iter().map(|theta| u64::from(theta.to_bits()));
    println!("rank {} of {}: weights {:016x}", ranks.rank(), ranks.members(), digest(words));
    if ranks.leads() {
        let report = ranks.report();
        seconds.sort_by(f64::total_cmp);
        println!("loss {last:.4} after {steps} steps");
        let [least, median] = [0, seconds.len() / 2].map(|at| 1e3 * seconds[at]);
        println!("{least:.2} ms a step at best, {median:.2} ms in the median");
        println!(
            "{} parameters, {} bytes received a step, {} sent, shards of each rank {:?}",
            network.parameters().len(),
            report.received / steps as u64,
            report.sent / steps as u64,
            report.pieces
        );
    }
    Ok(())
}

/// Ranks that add up what their own shards gave before rank 0 adds what the ranks gave.
#[derive(Debug)]
struct AllReduce(Ranks);

impl Team for AllReduce {
    fn members(&self) -> usize {
        self.0.members()
    }

    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn run(&self, pieces: Pieces, work: Work<'_>, join: Join<'_>) -> Result<Vec<u8>, Lost> {
        let mut sum_work = |range: Range<usize>| {
            // Of each shard 9 bytes, its share of the loss and a mark, and its gradient.
            let bytes = work(range.clone())?;
            let mut shards = bytes.chunks_exact(bytes.len() / range.len());
            let mut sum = shards.next().unwrap_or_default().to_vec();
            for shard in shards {
                for (sum, g) in sum[9..].as_chunks_mut().0.iter_mut().zip(shard[9..].as_chunks().0)
                {
                    *sum = (f32::from_le_bytes(*sum) + f32::from_le_bytes(*g)).to_le_bytes();
                }
            }
            Ok(sum)
        };
        self.0.run(pieces, &mut sum_work, join)
    }
}

/// The number that follows a name on the command line.
fn argument(name: &str, default: usize) -> Result<usize, Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(default),
        (_, Some(value)) => Ok(value.parse()?),
        _ => Err(format!("{name} has no value").into()),
    }
}
