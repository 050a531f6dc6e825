//! The peaks of one column of a CSV file that stand out by a given prominence, as a table and a
//! picture.
//!
//! ```text
//! cargo run -p dsp --example peaks -- data.csv [PROMINENCE] [COLUMN, from 1] [PICTURE.svg]
//! ```
//!
//! Headings are skipped. Without arguments it takes the electrocardiogram that comes with the crate.
//! The picture shows the first 2000 samples, each peak, and its width at half prominence.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::fmt::Write;
use std::process::ExitCode;

use dsp::csv::column;
use dsp::peaks::{PeakOptions, Peaks, find_peaks};

mod program;

fn main() -> ExitCode {
    program::exit(run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/ecg-mitbih-208.csv").to_owned()
    });
    let prominence: f64 = arguments.next().map_or(Ok(200.0), |number| number.parse())?;
    let number: usize = arguments.next().map_or(Ok(1), |number| number.parse())?;
    let picture = arguments.next();

    let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let x = column(&text, number)?;

    let peaks = find_peaks(&x, &PeakOptions::default().prominence(prominence..).width(..))?;
    println!(
        "{file}: {} samples, {} peaks of prominence {prominence} or more",
        x.len(),
        peaks.len()
    );
    println!("{:>8} {:>12} {:>12} {:>10}", "index", "height", "prominence", "width");
    let judged = peaks.prominences.iter().zip(&peaks.widths);
    for ((index, height), (prominence, width)) in
        peaks.indices.iter().zip(&peaks.heights).zip(judged)
    {
        println!("{index:>8} {height:>12} {:>12} {:>10.2}", prominence.value, width.value());
    }
    if let Some(picture) = picture {
        std::fs::write(&picture, svg(&x[..x.len().min(2000)], &peaks))?;
        println!("picture in {picture}");
    }
    Ok(())
}

/// The signal as a line, a dot on each peak, and a bar at the level of its width.
fn svg(x: &[f64], peaks: &Peaks) -> String {
    let finite = || x.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let across = |i: f64| 10.0 + 980.0 * i / (x.len().max(2) - 1) as f64;
    let down = |value: f64| 290.0 - 270.0 * (value - low) / (high - low).max(f64::MIN_POSITIVE);

    let mut line = String::new();
    for (i, value) in x.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(line, "{:.1},{:.1} ", across(i as f64), down(*value));
    }
    let mut marks = String::new();
    for peak in peaks.iter().filter(|peak| peak.index < x.len()) {
        let (at, top) = (across(peak.index as f64), down(peak.height));
        let _ = writeln!(marks, r##"<circle cx="{at:.1}" cy="{top:.1}" r="3" fill="#c00"/>"##);
        if let Some(width) = peak.width {
            let (left, right, level) = (across(width.left), across(width.right), down(width.level));
            let _ =
                writeln!(marks, r##"<path d="M{left:.1} {level:.1}H{right:.1}" stroke="#c00"/>"##);
        }
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 300" width="1000">
<rect width="1000" height="300" fill="#fff"/>
<polyline points="{line}" fill="none" stroke="#246"/>
{marks}</svg>
"##
    )
}
