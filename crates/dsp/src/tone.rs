//! One steady tone: its frequency between the bins, as exactly as the noise allows.
//!
//! The largest bin is off by up to half a bin, a parabola through three bins by hundredths, whatever the
//! noise. [`tone`] fits `a cos ωn + b sin ωn + c` to the samples themselves by least squares, which is the
//! maximum of likelihood in white noise: its scatter is the Cramér-Rao bound, from 0 dB on, and nothing
//! of the tone's own image at negative frequency disturbs it.

use std::f64::consts::{PI, TAU};

use crate::fft::RealFft;
use crate::spectrum::{check_finite, check_rate};
use crate::window::Window;
use crate::{Error, Result};

/// Steps of Newton's method; it doubles its digits with each.
const MOST_STEPS: usize = 30;

/// A tone `A cos(2πft + φ)` on a constant, and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Tone {
    /// f, in hertz.
    pub frequency_hz: f64,
    /// Its standard error: the Cramér-Rao bound at the estimate, with the noise that is left,
    /// `√(24 σ²/(A² N³)) f_s/2π` for long signals. It knows no noise but white noise, and no other tones.
    pub std_error_hz: f64,
    /// A, in the unit of the signal.
    pub amplitude: f64,
    /// φ at the first sample, −π to π.
    pub phase_rad: f64,
    /// The constant.
    pub mean: f64,
    /// `A²/(2σ²)` in decibels, σ² being the variance of what is left; infinite for a pure tone.
    pub snr_db: f64,
    /// Steps that the fit took.
    pub iterations: usize,
}

/// The strongest tone in `x`, between the bins.
///
/// A Hann-windowed transform says where to start; Gauss-Newton steps fit amplitude, phase, constant and
/// frequency to the samples. A signal of one tone in noise of up to its own power, with two periods or
/// more in 16 samples or more, is what this is for. Where other tones are, they disturb it by their
/// side lobes, which fall with 1/distance; window-free as it is, it should then be given the band of one tone.
///
/// # Errors
/// [`Error::Length`] for fewer than 8 samples, [`Error::NotFinite`], [`Error::OutOfRange`] for the sample
/// rate, [`Error::NoTone`] where nothing varies or the fit leaves the bins where it started.
///
/// # Examples
/// ```
/// use dsp::tone::tone;
/// let x: Vec<f64> =
///     (0..1000).map(|n| 2.0 * (std::f64::consts::TAU * 123.456 * n as f64 / 8000.0).cos()).collect();
/// let found = tone(&x, 8000.0)?;
/// assert!((found.frequency_hz - 123.456).abs() < 1e-9);
/// assert!((found.amplitude - 2.0).abs() < 1e-12);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// D. C. Rife and R. R. Boorstyn, "Single-tone parameter estimation from discrete-time observations",
/// IEEE Trans. Inf. Theory 20(5):591-598, 1974 (the estimator and its bound). IEEE Std 1057, "Digitizing
/// waveform recorders", four-parameter sine fit.
pub fn tone(x: &[f64], sample_rate_hz: f64) -> Result<Tone> {
    check_rate(sample_rate_hz)?;
    if x.len() < 8 {
        return Err(Error::Length { argument: "x", found: x.len(), expected: 8 });
    }
    check_finite("x", x)?;
    // Scaled, so that no square overflows.
    let largest = x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    if !(largest > 0.0) {
        return Err(Error::NoTone);
    }
    let x: Vec<f64> = x.iter().map(|x| x / largest).collect();
    let n = x.len();
    let start = start(&x)?;
    let bin = TAU / n as f64;
    let mut omega = start;
    let mut fit = Fit::new(&x, omega);
    let mut iterations = 0;
    while iterations < MOST_STEPS {
        iterations += 1;
        let step = fit.step(&x, omega).ok_or(Error::NoTone)?;
        // Half a bin is as far as the likelihood's top is a parabola.
        let mut next = omega + step.clamp(-0.5 * bin, 0.5 * bin);
        let mut better = Fit::new(&x, next);
        for _ in 0..8 {
            if better.residual <= fit.residual {
                break;
            }
            next = 0.5 * (next + omega);
            better = Fit::new(&x, next);
        }
        let moved = (next - omega).abs();
        if better.residual > fit.residual {
            break;
        }
        (omega, fit) = (next, better);
        if moved < 1e-13 * PI {
            break;
        }
    }
    if !((omega - start).abs() < 2.0 * bin && omega > 0.0 && omega < PI) {
        return Err(Error::NoTone);
    }
    let information = fit.information(&x, omega).ok_or(Error::NoTone)?;
    let [a, b, mean] = fit.linear;
    let variance = fit.residual / (n - 4).max(1) as f64;
    let amplitude = a.hypot(b);
    Ok(Tone {
        frequency_hz: omega / TAU * sample_rate_hz,
        std_error_hz: (variance / information).sqrt() / TAU * sample_rate_hz,
        amplitude: amplitude * largest,
        phase_rad: (-b).atan2(a),
        mean: mean * largest,
        snr_db: 10.0 * (amplitude * amplitude / (2.0 * variance)).log10(),
        iterations,
    })
}

/// The frequency, in radians per sample, of the largest bin of a Hann-windowed transform and the larger of its
/// neighbors: exact for one tone without noise, but for its image.
fn start(x: &[f64]) -> Result<f64> {
    let n = x.len();
    let mean = x.iter().sum::<f64>() / n as f64;
    let weighted: Vec<f64> =
        x.iter().zip(Window::Hann.samples(n)).map(|(x, w)| (x - mean) * w).collect();
    let power: Vec<f64> = RealFft::new(n)?.forward(&weighted)?.iter().map(|z| z.norm()).collect();
    let top = (1..power.len() - 1).max_by(|&a, &b| power[a].total_cmp(&power[b]));
    let top = top.filter(|&k| power[k] > 0.0).ok_or(Error::NoTone)?;
    // The ratio of neighbors under a Hann window: δ = (2r − 1)/(r + 1).
    let shift = |side: usize| {
        let ratio = power[side] / power[top];
        ((2.0 * ratio - 1.0) / (ratio + 1.0)).clamp(-0.5, 0.5)
    };
    let shift = if power[top + 1] >= power[top - 1] { shift(top + 1) } else { -shift(top - 1) };
    Ok((TAU * (top as f64 + shift) / n as f64).clamp(1e-3 / n as f64, PI * (1.0 - 1e-9)))
}

/// Amplitudes of cosine, sine and constant by least squares at one frequency.
struct Fit {
    linear: [f64; 3],
    residual: f64,
}

/// cos ωn and sin ωn.
fn wave(omega: f64, n: usize) -> [f64; 2] {
    let (sin, cos) = (omega * n as f64).sin_cos();
    [cos, sin]
}

impl Fit {
    fn new(x: &[f64], omega: f64) -> Self {
        let mut gram = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        for (n, &x) in x.iter().enumerate() {
            let [cos, sin] = wave(omega, n);
            let basis = [cos, sin, 1.0];
            for i in 0..3 {
                right[i] += basis[i] * x;
                for j in 0..3 {
                    gram[i][j] += basis[i] * basis[j];
                }
            }
        }
        let linear = solve(gram, right).unwrap_or([0.0; 3]);
        let mut fit = Self { linear, residual: 0.0 };
        fit.residual =
            x.iter().enumerate().map(|(n, x)| (x - fit.value(wave(omega, n))).powi(2)).sum();
        fit
    }

    fn value(&self, [cos, sin]: [f64; 2]) -> f64 {
        let [a, b, c] = self.linear;
        a * cos + b * sin + c
    }

    /// The part of the slope along the frequency that amplitude, phase and constant cannot make up for: its
    /// products with itself and with what is left.
    fn slope(&self, x: &[f64], omega: f64) -> [f64; 2] {
        let [a, b, _] = self.linear;
        let mut gram = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        // About the middle of the signal, where slope and phase are nearly independent.
        let middle = 0.5 * (x.len() - 1) as f64;
        let slope = |n: usize, [cos, sin]: [f64; 2]| (n as f64 - middle) * (b * cos - a * sin);
        for n in 0..x.len() {
            let [cos, sin] = wave(omega, n);
            let basis = [cos, sin, 1.0];
            for i in 0..3 {
                right[i] += basis[i] * slope(n, [cos, sin]);
                for j in 0..3 {
                    gram[i][j] += basis[i] * basis[j];
                }
            }
        }
        let [p, q, r] = solve(gram, right).unwrap_or([0.0; 3]);
        let (mut square, mut product) = (0.0, 0.0);
        for (n, x) in x.iter().enumerate() {
            let [cos, sin] = wave(omega, n);
            let free = slope(n, [cos, sin]) - p * cos - q * sin - r;
            square += free * free;
            product += free * (x - self.value([cos, sin]));
        }
        [square, product]
    }

    fn step(&self, x: &[f64], omega: f64) -> Option<f64> {
        let [square, product] = self.slope(x, omega);
        Some(product / square).filter(|step| step.is_finite())
    }

    fn information(&self, x: &[f64], omega: f64) -> Option<f64> {
        Some(self.slope(x, omega)[0]).filter(|&square| square > 0.0)
    }
}

/// A symmetric system of three by elimination; `None` where it is singular.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> Option<[f64; 3]> {
    for i in 0..3 {
        for j in i + 1..3 {
            let factor = a[j][i] / a[i][i];
            for k in i..3 {
                a[j][k] -= factor * a[i][k];
            }
            b[j] -= factor * b[i];
        }
    }
    let mut x = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|k| a[i][k] * x[k]).sum();
        x[i] = (b[i] - known) / a[i][i];
    }
    x.iter().all(|x| x.is_finite()).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{Rng, RngExt, SeedableRng};

    fn normal(rng: &mut impl Rng) -> f64 {
        let radius = (-2.0 * rng.random_range(f64::MIN_POSITIVE..1.0).ln()).sqrt();
        radius * (TAU * rng.random_range(0.0..1.0)).cos()
    }

    #[test]
    fn a_tone_without_noise_is_placed_to_rounding() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for n in [16_u32, 50, 257, 4000] {
            for _ in 0..40 {
                let bins = rng.random_range(2.0..f64::from(n) / 2.0 - 2.0);
                let (phase, mean) = (rng.random_range(-3.0..3.0), rng.random_range(-1.0..1.0));
                let omega = TAU * bins / f64::from(n);
                let x: Vec<f64> =
                    (0..n).map(|i| 0.3 * (omega * f64::from(i) + phase).cos() + mean).collect();
                let found = tone(&x, TAU).unwrap();
                // Angles up to nω are rounded by n ω eps, and the fit averages over n of them.
                assert!((found.frequency_hz - omega).abs() < 1e-13, "{n} {bins}: {found:?}");
                assert!((found.amplitude - 0.3).abs() < 1e-10, "{n}: {found:?}");
                assert!((found.phase_rad - phase).abs() < 1e-9 && (found.mean - mean).abs() < 1e-9);
                assert!(found.snr_db > 180.0, "{found:?}");
            }
        }
    }

    #[test]
    fn the_scatter_is_the_bound_from_0_to_80_db() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let n = 256;
        for snr_db in [0.0, 40.0, 80.0] {
            let sigma = (0.5 * 10_f64.powf(-snr_db / 10.0)).sqrt();
            let trials = 300;
            let (mut square, mut stated) = (0.0, 0.0);
            for _ in 0..trials {
                let omega = TAU * rng.random_range(10.0..110.0) / f64::from(n);
                let phase = rng.random_range(0.0..TAU);
                let x: Vec<f64> = (0..n)
                    .map(|i| (omega * f64::from(i) + phase).cos() + sigma * normal(&mut rng))
                    .collect();
                let found = tone(&x, TAU).unwrap();
                let bound = 24.0 * sigma * sigma / f64::from(n).powi(3);
                square += (found.frequency_hz - omega).powi(2) / bound / f64::from(trials);
                stated += found.std_error_hz.powi(2) / bound / f64::from(trials);
            }
            // A mean of 300 squares has a standard error of 8 %; four of them.
            assert!((square - 1.0).abs() < 0.33, "{snr_db} dB: {square}");
            assert!((stated - 1.0).abs() < 0.05, "{snr_db} dB: {stated}");
        }
    }

    /// Where periods are few, frequency, phase, amplitude and mean are told apart badly.
    #[test]
    fn the_standard_error_is_that_of_all_four_parameters_at_once() {
        for (n, periods) in [(12_u32, 2.3), (15, 2.1), (40, 2.6)] {
            let angle = |i: u32| TAU * periods / f64::from(n) * f64::from(i) + 0.4;
            let x: Vec<f64> =
                (0..n).map(|i| angle(i).cos() + 0.3 + 0.01 * f64::from(i * i * 7 % 5)).collect();
            let found = tone(&x, TAU).unwrap();
            let at = |i: usize| found.frequency_hz * i as f64 + found.phase_rad;
            // Derivatives by frequency, amplitude, phase and mean.
            let slopes = linalg::DMatrix::from_fn(x.len(), 4, |i, parameter| match parameter {
                0 => -found.amplitude * i as f64 * at(i).sin(),
                1 => at(i).cos(),
                2 => -found.amplitude * at(i).sin(),
                _ => 1.0,
            });
            let mut first = linalg::DVector::from_element(4, 0.0);
            first[0] = 1.0;
            let normal = linalg::Lu::new(slopes.transpose() * &slopes).unwrap();
            let left = |(i, x): (usize, &f64)| x - found.amplitude * at(i).cos() - found.mean;
            let square: f64 = x.iter().enumerate().map(left).map(|left| left * left).sum();
            let variance = square / f64::from(n - 4) * normal.solve(&first).unwrap()[0];
            // The search ends where the residual no longer falls, at half of the digits.
            let ratio = found.std_error_hz / variance.sqrt();
            assert!((ratio - 1.0).abs() < 1e-6, "{n} samples: {ratio}");
        }
    }

    #[test]
    fn where_there_is_no_tone_none_is_found() {
        let text = |x: &[f64]| tone(x, 1.0).unwrap_err().to_string();
        assert_eq!(text(&[1.0; 7]), "x has 7 samples, expected 8");
        assert_eq!(
            text(&[0.0; 20]),
            "no tone stands out: the samples are all the same, or next to"
        );
        assert!(tone(&[f64::NAN; 20], 1.0).is_err() && tone(&[1.0; 20], 0.0).is_err());
        // Whatever noise has for a tone, it ends.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        for n in 8..60 {
            let x: Vec<f64> = (0..n).map(|_| normal(&mut rng) * 1e200).collect();
            if let Ok(found) = tone(&x, 1.0) {
                assert!(found.frequency_hz.is_finite() && found.std_error_hz >= 0.0, "{found:?}");
            }
        }
    }

    #[test]
    fn the_ratio_is_of_the_tone_to_the_noise_whatever_the_constant() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        for (amplitude, mean, sigma) in [(0.2, 5.0, 0.01), (3.0, -0.5, 1.0), (1e-3, 0.0, 2e-3)] {
            let x: Vec<f64> = (0..4096)
                .map(|i| amplitude * (0.3 * f64::from(i)).cos() + mean + sigma * normal(&mut rng))
                .collect();
            let expected = 20.0 * f64::log10(amplitude / sigma) - 10.0 * 2_f64.log10();
            let found = tone(&x, TAU).unwrap();
            // Six deviations of the variance of 4,096 numbers, √(2/4096), and of the amplitude.
            let limit = 10.0 * (1.0 + 6.0 * (2.0_f64 / 4096.0).sqrt()).log10()
                + 20.0 * (1.0 + 6.0 * sigma / amplitude * (2.0_f64 / 4096.0).sqrt()).log10();
            assert!((found.snr_db - expected).abs() <= limit, "{found:?} {expected}");
        }
    }
}
