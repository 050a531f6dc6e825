//! Integrates samples p(θ, φ) from a CSV file with a line `theta,phi,p` per sample, in degrees and
//! in any order, over the solid angle; without a file, those of a made-up pattern.
//!
//! ```text
//! cargo run -p quad --example from_csv -- pattern.csv
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows its result")]

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use quad::{Azimuths, Colatitudes, SolidAngle, SphereRule};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?,
        None => made_up(),
    };
    let mut samples = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let &[theta, phi, p] = fields.as_slice() else {
            return Err(format!("line {}: expected theta,phi,p, got `{line}`", index + 1).into());
        };
        match (theta.parse::<f64>(), phi.parse::<f64>(), p.parse::<f64>()) {
            (Ok(theta), Ok(phi), Ok(p)) => samples.push((theta, phi, p)),
            _ if index == 0 => {} // a header
            _ => return Err(format!("line {}: `{line}` is not three numbers", index + 1).into()),
        }
    }
    // The rule wants all rings of the first column, then of the second.
    samples.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.total_cmp(&b.0)));
    let p: Vec<f64> = samples.iter().map(|sample| sample.2).collect();
    let axis = |angle: fn(&(f64, f64, f64)) -> f64| {
        let mut angles: Vec<f64> = samples.iter().map(angle).collect();
        angles.sort_by(f64::total_cmp);
        angles.dedup();
        angles
    };
    let rings = Colatitudes::from_degrees(&axis(|sample| sample.0))?;
    let columns = Azimuths::from_degrees(&axis(|sample| sample.1))?;

    let rule = SphereRule::on_grid(SolidAngle, &rings, &columns)?;
    let total = rule.integrate_samples(&p)?;
    println!("{}", total.layout);
    println!("∫ p dΩ = {} ± {:.1e}", total.value, total.error_estimate);
    Ok(())
}

/// (1 + cos θ)² every 2° in θ and 5° in φ, both ends included; its integral is 16π/3 = 16.755...
fn made_up() -> String {
    let mut text = String::from("theta,phi,p\n");
    for i in 0..=90 {
        for j in 0..=72 {
            let theta = 2.0 * f64::from(i);
            let p = (1.0 + theta.to_radians().cos()).powi(2);
            text += &format!("{theta},{},{p}\n", 5 * j);
        }
    }
    text
}
