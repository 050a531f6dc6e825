//! Times one transform of `dsp`, or of plain realfft, for `benches/peers/dsp_spectra.py`.
//!
//! A line `who operation size` on standard input is answered with the seconds of one run and two numbers of
//! the result, Σ|X| and max |X|.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use benches::uniform;
use dsp::fft::{RealFft, Workspace};
use dsp::spectrum::Scaling;
use dsp::stft::Stft;
use dsp::welch::{WelchOptions, welch};
use dsp::window::Window;
use linalg::{Complex, DMatrix, Real};
use realfft::{FftNum, RealFftPlanner, RealToComplex};

type Answer = Result<(f64, [f64; 2]), Box<dyn Error>>;

/// A plan, its input and its buffers, of ours and of realfft.
struct Transform<T: Real + FftNum> {
    x: Vec<T>,
    input: Vec<T>,
    output: Vec<Complex<T>>,
    ours: RealFft<T>,
    workspace: Workspace<T>,
    theirs: std::sync::Arc<dyn RealToComplex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Real + FftNum> Transform<T> {
    fn new(n: usize) -> Result<Self, Box<dyn Error>> {
        let x: Vec<T> = uniform(1, n).into_iter().map(T::from_double).collect();
        let theirs = RealFftPlanner::new().plan_fft_forward(n);
        let zero = Complex::new(T::from_double(0.0), T::from_double(0.0));
        Ok(Self {
            input: x.clone(),
            x,
            output: vec![zero; n / 2 + 1],
            ours: RealFft::new(n)?,
            workspace: Workspace::default(),
            scratch: vec![zero; theirs.get_scratch_len()],
            theirs,
        })
    }

    /// Seconds of the fastest of five batches, each of a millisecond or one transform.
    fn time(&mut self, who: &str) -> Answer {
        let repeat = (200_000 / self.x.len()).max(1);
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..repeat {
                match who {
                    "dsp" => {
                        self.ours.forward_into(&self.x, &mut self.output, &mut self.workspace)?;
                    }
                    // What keeps its input, as ours does.
                    "realfft-copied" => {
                        self.input.copy_from_slice(&self.x);
                        self.theirs.process_with_scratch(
                            &mut self.input,
                            &mut self.output,
                            &mut self.scratch,
                        )?;
                    }
                    _ => self.theirs.process_with_scratch(
                        &mut self.input,
                        &mut self.output,
                        &mut self.scratch,
                    )?,
                }
            }
            best = best.min(start.elapsed().as_secs_f64() / repeat as f64);
            // Bare realfft transforms its own leavings, which grow.
            self.input.copy_from_slice(&self.x);
        }
        if who == "realfft" {
            self.theirs.process_with_scratch(
                &mut self.input,
                &mut self.output,
                &mut self.scratch,
            )?;
        }
        Ok((best, probe(self.output.iter().map(|z| z.re.to_double().hypot(z.im.to_double())))))
    }
}

fn probe(magnitudes: impl Iterator<Item = f64>) -> [f64; 2] {
    magnitudes.fold([0.0, 0.0], |[sum, largest], x| [sum + x, largest.max(x)])
}

/// Two channels of `seconds` at 44.1 kHz.
fn stereo<T: Real>(seconds: usize) -> [Vec<T>; 2] {
    [1, 2].map(|seed| {
        uniform(seed, seconds * 44_100).into_iter().map(T::from_double).collect::<Vec<T>>()
    })
}

fn stft<T: Real>(channels: &[Vec<T>; 2]) -> Answer {
    let plan = Stft::new(2048, 512, Window::Hann)?;
    let start = Instant::now();
    let power = [plan.power(&channels[0], Scaling::Raw)?, plan.power(&channels[1], Scaling::Raw)?];
    let seconds = start.elapsed().as_secs_f64();
    Ok((seconds, probe(power.iter().flat_map(|p| p.iter().map(|x| x.to_double())))))
}

/// In the memory of the results before.
fn stft_again<T: Real>(channels: &[Vec<T>; 2], power: &mut [DMatrix<T>; 2]) -> Answer {
    let plan = Stft::new(2048, 512, Window::Hann)?;
    let start = Instant::now();
    for (x, power) in channels.iter().zip(&mut *power) {
        plan.power_into(x, Scaling::Raw, power)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok((seconds, probe(power.iter().flat_map(|p| p.iter().map(|x| x.to_double())))))
}

fn welches<T: Real>(channels: &[Vec<T>; 2]) -> Answer {
    let options = WelchOptions::default().len(2048).hop(512);
    let start = Instant::now();
    let densities = [
        welch(&channels[0], 44_100.0, &options)?.density,
        welch(&channels[1], 44_100.0, &options)?.density,
    ];
    let seconds = start.elapsed().as_secs_f64();
    Ok((seconds, probe(densities.into_iter().flatten())))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut double: HashMap<usize, Transform<f64>> = HashMap::new();
    let mut single: HashMap<usize, Transform<f32>> = HashMap::new();
    let (doubles, singles) = (stereo::<f64>(60), stereo::<f32>(60));
    let mut double_powers = [DMatrix::zeros(0, 0), DMatrix::zeros(0, 0)];
    let mut single_powers = [DMatrix::zeros(0, 0), DMatrix::zeros(0, 0)];
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [who, operation, size] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not a request: {line}").into());
        };
        let size = size.parse()?;
        let (seconds, [sum, largest]) = match operation {
            "rfft" => {
                let transform = match double.entry(size) {
                    Entry::Occupied(planned) => planned.into_mut(),
                    Entry::Vacant(place) => place.insert(Transform::new(size)?),
                };
                transform.time(who)?
            }
            "rfft-f32" => {
                let transform = match single.entry(size) {
                    Entry::Occupied(planned) => planned.into_mut(),
                    Entry::Vacant(place) => place.insert(Transform::new(size)?),
                };
                transform.time(who)?
            }
            "stft-power" => stft(&doubles)?,
            "stft-power-f32" => stft(&singles)?,
            "stft-power-again" => stft_again(&doubles, &mut double_powers)?,
            "stft-power-again-f32" => stft_again(&singles, &mut single_powers)?,
            "welch" => welches(&doubles)?,
            "welch-f32" => welches(&singles)?,
            _ => return Err(format!("no such operation: {operation}").into()),
        };
        writeln!(out, "{seconds:e} {sum:e} {largest:e}")?;
        out.flush()?;
    }
    Ok(())
}
