//! The 88 keys of a piano, synthesized, and how well their pitch is found.

use std::f64::consts::TAU;

use linalg::Complex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{PitchOptions, pitch};
use crate::spectrum::Spectrum;
use crate::window::Window;

const RATE: f64 = 22050.0;

/// A key's first partial in hertz and its sound: the stiffer the shorter the string, hardly a first
/// partial in the bass, upper ones that fall and die away sooner, and white noise `noise_db` below
/// the strongest partial.
fn key(number: u8, noise_db: f64, rng: &mut Xoshiro256PlusPlus) -> (f64, Vec<f64>) {
    let keys = f64::from(number);
    let first_hz = 27.5 * 2_f64.powf(keys / 12.0) * rng.random_range(0.99..1.01);
    // As measured on pianos: 3e-4 at A0, 2e-4 an octave above, 1.3e-2 at C8.
    let stiffness = 1e-4 * (2.0 * (-keys / 12.0).exp() + (keys / 18.0).exp());
    let falloff = (1.0 - keys / 110.0).clamp(0.3, 0.9);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, small")]
    let mut sound = vec![0.0; (RATE * rng.random_range(0.5..1.0)) as usize];
    let mut strongest = 0.0_f64;
    for n in (1..=30).map(f64::from) {
        let hz = n * first_hz * ((1.0 + stiffness * n * n) / (1.0 + stiffness)).sqrt();
        if hz > 0.45 * RATE {
            break;
        }
        // What a soundboard radiates of the lowest tones: 30 dB less.
        let radiated = if hz < 80.0 { 0.03 } else { 1.0 };
        let amplitude = radiated * falloff.powf(n) * rng.random_range(0.5..1.5);
        strongest = strongest.max(amplitude);
        let decay = 1.0 + hz / 800.0;
        let step = Complex::from_polar((-decay / RATE).exp(), TAU * hz / RATE);
        let mut turn = Complex::from_polar(amplitude, rng.random_range(0.0..TAU));
        for x in &mut sound {
            *x += turn.re;
            turn *= step;
        }
    }
    let sigma = strongest * 10_f64.powf(noise_db / 20.0);
    for x in &mut sound {
        // Twelve uniform numbers are normal enough for noise.
        *x += sigma * (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    }
    (first_hz, sound)
}

/// The errors in cents of all keys, infinite where no pitch was found.
fn errors(noise_db: f64, seed: u64) -> Vec<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..88)
        .map(|number| {
            let (first_hz, sound) = key(number, noise_db, &mut rng);
            let spectrum = Spectrum::new(&sound, RATE, Window::Hann).unwrap();
            let found = pitch(&spectrum, &PitchOptions::default());
            found.map_or(f64::INFINITY, |note| 1200.0 * (note.frequency_hz / first_hz).log2().abs())
        })
        .collect()
}

#[test]
fn every_key_of_a_piano_has_its_pitch() {
    for noise_db in [-60.0, -20.0] {
        let errors = errors(noise_db, 1);
        for (number, cents) in errors.iter().enumerate() {
            // A line is placed within 0.016 bins: of half a second, 2 cents of A0; and noise.
            assert!(*cents < 3.0, "key {number} of 88, noise {noise_db} dB: {cents} cents");
        }
    }
}

#[test]
#[ignore = "a minute; prints how many keys are found, and how exactly, by the noise"]
fn table_of_keys() {
    for noise_db in [-60.0, -40.0, -20.0, -10.0, -5.0, 0.0] {
        let mut all: Vec<f64> = (0..12).flat_map(|seed| errors(noise_db, seed)).collect();
        all.sort_by(f64::total_cmp);
        let right = all.iter().filter(|&&cents| cents < 50.0).count();
        let close = all.iter().filter(|&&cents| cents < 3.0).count();
        println!(
            "{noise_db:>4} dB: of {} within 50 cents {right}, within 3 cents {close}; median {:.3}, 95 in \
             100 within {:.3}, the worst of the right ones {:.2}",
            all.len(),
            all[all.len() / 2],
            all[all.len() * 95 / 100],
            all[right - 1],
        );
    }
}
