//! Times a step of `dsp::subspace` for `benches/peers/subspace.py`.
//!
//! A line with the name of an operation on standard input is answered with the seconds of one run and numbers of the
//! result.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use benches::uniform;
use dsp::subspace::{Covariance, Grid, Method, NullSpectrum, Smoothing, Subspace};
use linalg::{Complex, DMatrix};

const SAMPLES: usize = 192;
const SUBARRAY: usize = 64;
const POINTS: usize = 10_000;
const ANGLES: [f64; 4] = [-1.9, -0.4, 0.35, 1.3];

/// Four tones and noise, as the other side makes them.
fn signal() -> DMatrix<Complex<f64>> {
    let noise = uniform(1, 2 * SAMPLES);
    DMatrix::from_fn(SAMPLES, 1, |k, _| {
        let tones = ANGLES.iter().map(|angle| Complex::from_polar(1.0, angle * k as f64));
        tones.sum::<Complex<f64>>() + Complex::new(noise[2 * k], noise[2 * k + 1]) * 0.2
    })
}

fn subspace(x: &DMatrix<Complex<f64>>) -> dsp::Result<Subspace> {
    Subspace::new(&Covariance::new(x, Smoothing::ForwardBackward { length: SUBARRAY })?)
}

/// The least time of `run` over five batches of about 20 ms, and its last result.
fn timed<T>(mut run: impl FnMut() -> dsp::Result<T>) -> dsp::Result<(f64, T)> {
    let start = Instant::now();
    let mut last = run()?;
    let repeat = (0.02 / start.elapsed().as_secs_f64()).clamp(1.0, 1e4);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        let mut runs = 0.0;
        while runs < repeat {
            last = run()?;
            runs += 1.0;
        }
        best = best.min(start.elapsed().as_secs_f64() / runs);
    }
    Ok((best, last))
}

fn main() -> Result<(), Box<dyn Error>> {
    let x = signal();
    let decomposed = subspace(&x)?;
    let grid = Grid::new(POINTS)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let (seconds, numbers) = match line?.as_str() {
            "grid" => timed(|| Ok(NullSpectrum::new(&decomposed, 4, Method::Music)?.on(&grid)))?,
            "music" => timed(|| {
                let null = NullSpectrum::new(&subspace(&x)?, 4, Method::Music)?;
                Ok(null.minima(&grid))
            })?,
            "roots" => {
                let null = NullSpectrum::new(&decomposed, 4, Method::Music)?;
                let (seconds, roots) = timed(|| null.roots())?;
                (seconds, roots.iter().flat_map(|z| [z.re, z.im]).collect())
            }
            other => return Err(format!("no such operation: {other}").into()),
        };
        write!(out, "{seconds:e}")?;
        for number in numbers {
            write!(out, " {number:e}")?;
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
