//! When the echoes of a pulse arrive in a trace, each with the smallest error that its noise allows.
//!
//! ```text
//! cargo run -p dsp --example arrival_time -- [TRACE.csv PULSE.csv SAMPLE_INTERVAL_NS [ECHOES]]
//! ```
//!
//! Both files have a number in each line. Without arguments two echoes of a 1.5 GHz radar pulse are
//! simulated, 0.3 ns apart where the pulse lasts 0.9 ns, in noise 20 dB below the first.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::process::ExitCode;

use dsp::csv::column;
use dsp::subspace::{DelayOptions, Options, Sources, delays, ricker};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

mod program;

fn main() -> ExitCode {
    program::exit(run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (trace, pulse, dt_s) = match arguments.as_slice() {
        [] => simulated()?,
        [trace, pulse, interval_ns, ..] => {
            let read = |file: &String| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
                let text = std::fs::read_to_string(file);
                Ok(column(&text.map_err(|error| format!("{file}: {error}"))?, 1)?)
            };
            (read(trace)?, read(pulse)?, interval_ns.parse::<f64>()? * 1e-9)
        }
        _ => return Err("expected TRACE.csv PULSE.csv SAMPLE_INTERVAL_NS [ECHOES]".into()),
    };
    // Unless their number is known, as many echoes as pay for their description.
    let mut search = Options::default();
    if let Some(echoes) = arguments.get(3) {
        search = search.sources(Sources::Known(echoes.parse()?));
    }

    let found = delays(&trace, &pulse, dt_s, &DelayOptions::default().search(search))?;

    println!("{:>12} {:>12} {:>12}", "delay, ns", "bound, ns", "amplitude");
    for echo in &found.sources {
        let bound = echo.bound.map_or("none".to_owned(), |bound| format!("{:.4}", bound * 1e9));
        println!("{:>12.4} {bound:>12} {:>12.4}", echo.value * 1e9, echo.amplitudes[0].re);
    }
    for &(first, second) in &found.unresolved {
        println!("echoes {first} and {second} may be one: their bounds overlap");
    }
    println!(
        "noise {:.4} per sample; {:.1} % of the trace is left over",
        found.noise_variance.sqrt(),
        100.0 * found.residual
    );
    Ok(())
}

/// Echoes of 1 and 0.7 at 6.013 ns and 6.313 ns, the pulse that was sent, and the sampling interval.
fn simulated() -> dsp::Result<(Vec<f64>, Vec<f64>, f64)> {
    let (center_hz, dt_s, half) = (1.5e9, 25e-12, 40.0);
    let pulse = ricker(center_hz, dt_s, 81)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let echo = |t: f64| {
        let u = (std::f64::consts::PI * center_hz * t).powi(2);
        (1.0 - 2.0 * u) * (-u).exp()
    };
    let trace = (0..1024)
        .map(|k| {
            let t = (f64::from(k) - half) * dt_s;
            // Twelve uniform numbers are normal enough for noise.
            let noise: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum();
            echo(t - 6.013e-9) + 0.7 * echo(t - 6.313e-9) + 0.1 * noise
        })
        .collect();
    println!("simulated echoes of 1 and 0.7 at 6.0130 and 6.3130 ns, noise 0.1");
    Ok((trace, pulse, dt_s))
}
