//! The pitch of each channel of a WAV file, and of their mean.
//!
//! ```text
//! cargo run -p dsp --example pitch -- recording.wav
//! ```

#![allow(clippy::print_stdout, reason = "a program prints")]

use dsp::{audio::Audio, pitch::PitchOptions, spectrum::SpectrumPlan, window::Window};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args()
        .nth(1)
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/data/piano-c4.wav").to_owned());
    let audio = dsp::wav::read(&file)?;
    println!(
        "{file}: {} channels, {} frames at {} Hz, {:.2} s",
        audio.channels(),
        audio.frames(),
        audio.sample_rate_hz(),
        audio.duration_s()
    );
    let plan = SpectrumPlan::new(audio.frames(), audio.sample_rate_hz(), Window::Hann)?;
    for (number, channel) in audio.each().enumerate() {
        report(&format!("channel {number}"), channel, &audio, &plan)?;
    }
    report("mean", &audio.mid(), &audio, &plan)
}

fn report(
    what: &str,
    x: &[f64],
    audio: &Audio,
    plan: &SpectrumPlan,
) -> Result<(), Box<dyn std::error::Error>> {
    let options = PitchOptions::default().high_hz(5000_f64.min(audio.sample_rate_hz() / 2.0));
    match dsp::pitch::pitch(&plan.spectrum(x)?, &options) {
        Ok(pitch) => {
            let error = pitch.std_error_hz.map_or("?".to_owned(), |error| format!("{error:.3}"));
            let strongest = pitch.strongest().map_or(0, |partial| partial.number);
            println!(
                "{what:>10}: {:.2} ± {error} Hz, {} partials, the strongest is number {strongest}, \
                 inharmonicity {:.1e}",
                pitch.frequency_hz,
                pitch.partials.len(),
                pitch.inharmonicity
            );
        }
        Err(error @ dsp::Error::NoPitch { .. }) => println!("{what:>10}: {error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
