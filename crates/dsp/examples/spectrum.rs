//! The pitch of each channel of a WAV file and of their mean, and a picture of its spectrum over time.
//!
//! ```text
//! cargo run -p dsp --example spectrum -- recording.wav [PICTURE.svg]
//! ```
//!
//! A file that was cut short is read as far as it goes.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program prints")]

use std::process::ExitCode;

use dsp::audio::Audio;
use dsp::picture::spectrogram_svg;
use dsp::pitch::PitchOptions;
use dsp::spectrum::{Decibels, Scaling, SpectrumPlan};
use dsp::stft::Stft;
use dsp::window::Window;

mod program;

fn main() -> ExitCode {
    program::exit(run())
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args()
        .nth(1)
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/data/piano-c4.wav").to_owned());
    let salvaged = dsp::wav::salvage(&file)?;
    if salvaged.missing_frames > 0 {
        println!("{file} was cut short: {} frames are missing", salvaged.missing_frames);
    }
    let audio = salvaged.audio;
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
    report("mean", &audio.mid(), &audio, &plan)?;

    if let Some(picture) = std::env::args().nth(2) {
        let power = Stft::new(2048, 512, Window::Hann)?.power(&audio.mid(), Scaling::Tone)?;
        // 0 dB is a sine of full scale.
        let scale = Decibels::new(0.5_f64.sqrt(), -100.0)?;
        let svg = spectrogram_svg(&power, 512, audio.sample_rate_hz(), scale)?;
        std::fs::write(&picture, svg)?;
        println!("{picture}: the mean of the channels over time");
    }
    Ok(())
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
