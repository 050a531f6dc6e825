//! Times searches of `nn-invert`, for `benches/peers/invert_search.py`.
//!
//! A line `widths gain network starts repetitions`, widths joined by commas, on standard input is
//! answered with the least seconds of all starts up to the first that converged, how many these were,
//! and the relative residual reached. A line `nearest widths gain network` is answered with the seconds that the
//! input nearest to a seed took, a search included, its distance, its optimality and its relative residual.

use std::error::Error;
use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use benches::uniform;
use linalg::{DMatrix, DVector};
use nn_core::{Network, Tanh};
use nn_invert::{Chain, Map, Preimages, SearchOptions, SearchStop, search};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if let ["nearest", widths, gain, network] = line.split(' ').collect::<Vec<_>>()[..] {
            let [seconds, distance, optimality, residual] =
                Problem::new(&whole(widths)?, gain.parse()?, network.parse()?)?.nearest()?;
            writeln!(out, "{seconds:e} {distance:.17e} {optimality:e} {residual:e}")?;
            out.flush()?;
            continue;
        }
        let [widths, gain, network, starts, repetitions] = line.split(' ').collect::<Vec<_>>()[..]
        else {
            return Err(format!("not a request: {line}").into());
        };
        let problem = Problem::new(&whole(widths)?, gain.parse()?, network.parse()?)?;
        let starts: u64 = starts.parse()?;
        let (mut least, mut used, mut residual) = (f64::INFINITY, 0, f64::INFINITY);
        for _ in 0..repetitions.parse()? {
            let start = Instant::now();
            (used, residual) = problem.invert(starts)?;
            least = least.min(start.elapsed().as_secs_f64());
        }
        writeln!(out, "{least:e} {used} {residual:e}")?;
        out.flush()?;
    }
    Ok(())
}

fn whole(list: &str) -> Result<Vec<usize>, std::num::ParseIntError> {
    list.split(',').map(str::parse).collect()
}

/// A tanh network, and a target that it can give.
struct Problem {
    network: Network<f64>,
    target: DVector<f64>,
    seed: u64,
}

/// Of variance 1.
fn unit(seed: u64, count: usize) -> Vec<f64> {
    uniform(seed, count).into_iter().map(|x| 12.0_f64.sqrt() * x).collect()
}

impl Problem {
    fn new(widths: &[usize], gain: f64, index: u64) -> Result<Self, Box<dyn Error>> {
        let seed = 1000 * (index + 1);
        let mut builder = Network::builder(widths[0]);
        for (layer, pair) in (1..).zip(widths.windows(2)) {
            if layer > 1 {
                builder = builder.activation(Tanh);
            }
            let scale = gain / (pair[0] as f64).sqrt();
            let weight = DMatrix::from_vec(pair[1], pair[0], unit(seed + layer, pair[0] * pair[1]));
            let bias = unit(seed + 10 + layer, pair[1]).into_iter().map(|b| 0.1 * b).collect();
            builder = builder.dense_from(weight * scale, bias);
        }
        let network = builder.build_given()?;
        let x = DVector::from_vec(unit(seed + 20, widths[0]));
        let target = Chain::of(&network)?.value(&x)?;
        Ok(Self { network, target, seed })
    }

    /// Starts until the first that converged, and the least residual.
    fn invert(&self, starts: u64) -> Result<(u64, f64), Box<dyn Error>> {
        let chain = Chain::of(&self.network)?;
        let (mut used, mut residual) = (0, f64::INFINITY);
        while used < starts {
            let from = match used {
                0 => DVector::zeros(self.network.inputs()),
                _ => DVector::from_vec(unit(self.seed + 30 + used, self.network.inputs())),
            };
            used += 1;
            let options = SearchOptions::default();
            let found =
                search(&chain, &self.target, &from, &options, |_| ControlFlow::Continue(()))?;
            residual = residual.min(found.relative_residual);
            if found.stop == SearchStop::Converged {
                break;
            }
        }
        Ok((used, residual))
    }

    /// Seconds, distance, optimality and residual of the input nearest to a seed of its own.
    fn nearest(&self) -> Result<[f64; 4], Box<dyn Error>> {
        let chain = Chain::of(&self.network)?;
        let seed = DVector::from_vec(unit(self.seed + 40, self.network.inputs()));
        let start = Instant::now();
        let options = SearchOptions::default();
        let found = search(&chain, &self.target, &seed, &options, |_| ControlFlow::Continue(()))?;
        if found.stop != SearchStop::Converged {
            return Ok([
                start.elapsed().as_secs_f64(),
                f64::NAN,
                f64::NAN,
                found.relative_residual,
            ]);
        }
        let nearest = Preimages::new(&chain, &self.target, &found.input)?.nearest(&seed)?;
        let seconds = start.elapsed().as_secs_f64();
        Ok([seconds, nearest.distance, nearest.optimality, nearest.residual / self.target.norm()])
    }
}
