//! What handing out work costs on the machine at hand: the numbers that `ranks::Turn` asks for.
//!
//! `mpirun -n 4 --bind-to core target/release/examples/latency`; the more ranks, the nearer to what rank 0 can do.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use linalg::team::{Pieces, Team};
use ranks::{Error, Options, launch};

fn main() -> ExitCode {
    launch(Options::default(), |ranks| {
        for count in [1000, 30_000] {
            let start = Instant::now();
            // Rank 0 has other things to do, so that every piece goes to another rank and back.
            let mut work = |range: std::ops::Range<usize>| {
                if ranks.leads() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(vec![0; 16 * range.len()])
            };
            let before = ranks.report();
            ranks.run(Pieces::new("piece", count), &mut work, &mut |all| all)?;
            let seconds = start.elapsed().as_secs_f64();
            let report = ranks.report();
            let sum = |count: &[u64]| count[1..].iter().sum::<u64>();
            let others = sum(&report.pieces) - sum(&before.pieces);
            let busy: Duration =
                (1..ranks.members()).map(|r| report.busy[r] - before.busy[r]).sum();
            if ranks.leads() && others > 0 {
                println!(
                    "{others} pieces: {:.1} us there and back, one every {:.1} us",
                    1e6 * busy.as_secs_f64() / others as f64,
                    1e6 * seconds / others as f64
                );
            }
        }
        for length in [1_000, 1_000_000, 16_000_000] {
            let start = Instant::now();
            for _ in 0..5 {
                ranks.share(vec![0; length])?;
            }
            if ranks.leads() {
                let each = start.elapsed().as_secs_f64() / 5.0;
                println!("{length} bytes to all: {:.3} ms", 1e3 * each);
            }
        }
        Ok::<(), Error>(())
    })
}
