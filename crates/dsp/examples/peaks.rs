//! The peaks of one column of a CSV file that stand out by a given prominence.
//!
//! ```text
//! cargo run -p dsp --example peaks -- data.csv [PROMINENCE] [COLUMN, from 1]
//! ```
//!
//! Lines whose column is not a number (a heading) are skipped if they come first.

#![allow(clippy::print_stdout, reason = "a program prints")]

use dsp::peaks::{PeakOptions, find_peaks};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/data/ecg-mitbih-208.csv").to_owned()
    });
    let prominence: f64 = arguments.next().map_or(Ok(200.0), |number| number.parse())?;
    let column: usize = arguments.next().map_or(Ok(1), |number| number.parse())?;

    let mut x = Vec::new();
    for (number, line) in std::fs::read_to_string(&file)?.lines().enumerate() {
        let field = line.split(',').nth(column.saturating_sub(1)).unwrap_or("").trim();
        match field.parse::<f64>() {
            Ok(value) => x.push(value),
            Err(_) if x.is_empty() => {}
            Err(_) => {
                let place = format!("{file}, line {}, column {column}", number + 1);
                return Err(format!("{place}: {field:?} is not a number").into());
            }
        }
    }

    let peaks = find_peaks(&x, &PeakOptions::default().prominence(prominence..))?;
    println!(
        "{file}: {} samples, {} peaks of prominence {prominence} or more",
        x.len(),
        peaks.len()
    );
    println!("{:>8} {:>12} {:>12} {:>8} {:>8}", "index", "height", "prominence", "from", "to");
    for peak in peaks {
        if let Some(prominence) = peak.prominence {
            println!(
                "{:>8} {:>12} {:>12} {:>8} {:>8}",
                peak.index,
                peak.height,
                prominence.value,
                prominence.left_base,
                prominence.right_base
            );
        }
    }
    Ok(())
}
