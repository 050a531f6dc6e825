//! Events in a stream of numbers on standard input, each as soon as it is over.
//!
//! ```text
//! producer | cargo run -p dsp --example events -- [ENTER] [LEAVE] [IDLE]
//! ```
//!
//! One number per line. The noise floor is that of the first IDLE samples (default 200), half of
//! which may be anything; levels are in its σ (default 5 and 2). Lines that are no numbers are
//! named on standard error and passed over.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::io::{BufRead, Write};
use std::process::ExitCode;

use dsp::events::{Event, EventOptions, EventStream};
use dsp::noise::{NoiseFloor, noise_floor};

mod program;

fn main() -> ExitCode {
    program::exit(run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let enter: f64 = arguments.next().map_or(Ok(5.0), |number| number.parse())?;
    let leave: f64 = arguments.next().map_or(Ok(2.0), |number| number.parse())?;
    let idle: usize = arguments.next().map_or(Ok(200), |number| number.parse())?;

    let mut stream = EventStream::new(EventOptions::default().enter(enter).leave(leave))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:>10} {:>10} {:>10} {:>12} {:>8}", "onset", "apex", "offset", "height", "snr")?;
    // Until the floor is known, samples wait.
    let (mut waiting, mut floor) = (Vec::new(), None);
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        match line.trim().parse::<f64>() {
            Ok(sample) if sample.is_finite() => waiting.push(sample),
            _ => eprintln!("line {}: {line:?} is not a finite number", number + 1),
        }
        if floor.is_some() || waiting.len() >= idle.max(1) {
            let floor = *floor.get_or_insert(measured(&waiting)?);
            for sample in waiting.drain(..) {
                if let Some(event) = stream.push(sample, floor)? {
                    write_event(&mut out, &event)?;
                }
            }
        }
    }
    if !waiting.is_empty() {
        let floor = measured(&waiting)?;
        for sample in waiting {
            if let Some(event) = stream.push(sample, floor)? {
                write_event(&mut out, &event)?;
            }
        }
    }
    if let Some(event) = stream.finish() {
        write_event(&mut out, &event)?;
    }
    Ok(())
}

/// The floor, with the smallest step between samples for the converter's.
fn measured(x: &[f64]) -> dsp::Result<NoiseFloor> {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    let steps = sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|&step| step > 0.0);
    let step = steps.fold(f64::INFINITY, f64::min);
    noise_floor(x, if step.is_finite() { step } else { 1.0 })
}

fn write_event(out: &mut impl Write, event: &Event) -> std::io::Result<()> {
    let Event { onset, apex, offset, height, snr, .. } = *event;
    writeln!(out, "{onset:>10} {apex:>10} {offset:>10} {height:>12} {snr:>8.1}")?;
    out.flush()
}
