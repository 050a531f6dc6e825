//! The spectrum of one channel: complex bins, amplitudes, and a frequency axis in hertz.

use linalg::Complex;

use crate::fft::RealFft;
use crate::window::Window;
use crate::{Error, Result};

/// How spectra of signals of one length are taken: transform and window, planned once.
///
/// # Examples
/// A tone of amplitude 0.5 at 50 Hz, a second of it at 1 kHz, has 0.5 in bin 50:
/// ```
/// use dsp::{spectrum::SpectrumPlan, window::Window};
/// let x: Vec<f64> =
///     (0..1000).map(|n| 0.5 * (std::f64::consts::TAU * 50.0 * n as f64 / 1000.0).cos()).collect();
/// let plan = SpectrumPlan::new(1000, 1000.0, Window::Hann)?;
/// let spectrum = plan.spectrum(&x)?;
/// assert_eq!(spectrum.frequency_hz(50), 50.0);
/// assert!((spectrum.amplitude(50) - 0.5).abs() < 1e-14);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectrumPlan {
    fft: RealFft<f64>,
    window: Window,
    weights: Vec<f64>,
    weight: f64,
    square_weight: f64,
    sample_rate_hz: f64,
}

impl SpectrumPlan {
    /// Plans spectra of `len` samples taken `sample_rate_hz` times a second.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a length of 0 or above 2³², or a rate that is not positive and finite.
    pub fn new(len: usize, sample_rate_hz: f64, window: Window) -> Result<Self> {
        check_rate(sample_rate_hz)?;
        let fft = RealFft::new(len)?;
        let weights = window.samples(len);
        let weight = weights.iter().sum();
        let square_weight = weights.iter().map(|w| w * w).sum();
        Ok(Self { fft, window, weights, weight, square_weight, sample_rate_hz })
    }

    /// The spectrum of `x`, one channel of a signal.
    ///
    /// # Errors
    /// [`Error::Length`] where `x` has not the planned length, [`Error::NotFinite`] with the index
    /// of the first NaN or infinity.
    pub fn spectrum(&self, x: &[f64]) -> Result<Spectrum> {
        // Length first: a slice of another length would be cut short by the window.
        if x.len() != self.fft.len() {
            return Err(Error::Length { argument: "x", found: x.len(), expected: self.fft.len() });
        }
        check_finite("x", x)?;
        let weighted: Vec<f64> = x.iter().zip(&self.weights).map(|(x, w)| x * w).collect();
        Ok(Spectrum {
            bins: self.fft.forward(&weighted)?,
            len: x.len(),
            window: self.window,
            weight: self.weight,
            square_weight: self.square_weight,
            sample_rate_hz: self.sample_rate_hz,
        })
    }
}

/// The spectrum of a real signal from zero to half the sample rate.
///
/// `X_k = Σ w_n x_n e^{−2πi kn/N}` for k = 0 … N/2, at the frequencies `k·f_s/N`: one step of the
/// axis is `f_s/N`, whatever the number of bins. Spacing the N/2 + 1 bins by `f_s/(N/2)` doubles every
/// frequency.
#[derive(Debug, Clone)]
pub struct Spectrum {
    bins: Vec<Complex<f64>>,
    len: usize,
    window: Window,
    /// `Σ w_n` and `Σ w_n²`.
    weight: f64,
    square_weight: f64,
    sample_rate_hz: f64,
}

impl Spectrum {
    /// The spectrum of `x`, planned for this once; see [`SpectrumPlan`] for many.
    ///
    /// # Errors
    /// [`Error::Empty`], and those of [`SpectrumPlan::new`] and [`SpectrumPlan::spectrum`].
    ///
    /// # Examples
    /// ```
    /// use dsp::{spectrum::Spectrum, window::Window};
    /// let spectrum = Spectrum::new(&[1.0, 1.0, 1.0, 1.0], 8000.0, Window::Rectangular)?;
    /// assert_eq!(spectrum.bin_width_hz(), 2000.0);
    /// assert_eq!(spectrum.amplitudes(), [1.0, 0.0, 0.0]);
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn new(x: &[f64], sample_rate_hz: f64, window: Window) -> Result<Self> {
        if x.is_empty() {
            return Err(Error::Empty { argument: "x" });
        }
        SpectrumPlan::new(x.len(), sample_rate_hz, window)?.spectrum(x)
    }

    /// `X_0` to `X_{N/2}`, not scaled.
    #[must_use]
    pub fn bins(&self) -> &[Complex<f64>] {
        &self.bins
    }

    /// The window that the signal was multiplied with.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// `f_s`, samples per second.
    #[must_use]
    pub fn sample_rate_hz(&self) -> f64 {
        self.sample_rate_hz
    }

    /// `f_s/N`, the step of the frequency axis.
    #[must_use]
    pub fn bin_width_hz(&self) -> f64 {
        self.sample_rate_hz / self.len as f64
    }

    /// The frequency of bin `k`, `k·f_s/N`.
    #[must_use]
    pub fn frequency_hz(&self, k: usize) -> f64 {
        k as f64 * self.sample_rate_hz / self.len as f64
    }

    /// The amplitude in bin `k`, in the unit of the signal: a tone A·cos(2πft + φ) with f at the
    /// bin's frequency has A there, whatever the window.
    ///
    /// ```text
    /// 2 |X_k| / Σ w_n,    or |X_k| / Σ w_n for k = 0 and k = N/2,
    /// ```
    ///
    /// which have no partner of negative frequency. A tone between two bins loses up to the
    /// window's scalloping in the nearer one: 1.4 dB for Hann.
    ///
    /// 0 where there is no bin `k`.
    #[must_use]
    pub fn amplitude(&self, k: usize) -> f64 {
        self.sides(k) * self.bin(k).norm() / self.weight
    }

    /// The power in bin `k`, the mean square of the tone that it shows: A²/2 for one of amplitude A, its
    /// square for k = 0 and k = N/2. Right for tones; noise has a [density](Self::density).
    ///
    /// 0 where there is no bin `k`.
    #[must_use]
    pub fn power(&self, k: usize) -> f64 {
        self.sides(k) * self.bin(k).norm_sqr() / (self.weight * self.weight)
    }

    /// The power density in bin `k`, in the square of the signal's unit per hertz.
    ///
    /// ```text
    /// 2 |X_k|² / (f_s Σ w_n²),    or half of it for k = 0 and k = N/2
    /// ```
    ///
    /// White noise of variance σ² has `2σ²/f_s` everywhere in the mean, whatever the window and the length,
    /// and the sum of all times [`Self::bin_width_hz`] is the mean of (wx)² over that of w². One value
    /// scatters by as much as it is; [`welch`](crate::welch::welch) averages. Right for noise; a tone shows higher
    /// the longer the signal is.
    ///
    /// 0 where there is no bin `k`.
    #[must_use]
    pub fn density(&self, k: usize) -> f64 {
        self.sides(k) * self.bin(k).norm_sqr() / (self.sample_rate_hz * self.square_weight)
    }

    fn bin(&self, k: usize) -> Complex<f64> {
        self.bins.get(k).copied().unwrap_or_default()
    }

    fn sides(&self, k: usize) -> f64 {
        if k == 0 || k.checked_mul(2) == Some(self.len) { 1.0 } else { 2.0 }
    }

    /// [`Self::amplitude`] of every bin.
    #[must_use]
    pub fn amplitudes(&self) -> Vec<f64> {
        (0..self.bins.len()).map(|k| self.amplitude(k)).collect()
    }
}

/// What squared magnitudes `|X_k|²` of windowed frames are divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Scaling {
    /// Nothing: `|X_k|²` itself, as most short-time transforms have it.
    Raw,
    /// One-sided power of tones: A²/2 in the bin of a tone of amplitude A. As [`Spectrum::power`].
    Tone,
    /// One-sided power per hertz: `2σ²/f_s` for white noise of variance σ². As [`Spectrum::density`].
    Density {
        /// Samples per second.
        sample_rate_hz: f64,
    },
}

impl Scaling {
    /// The factors for bins with a partner of negative frequency and for those without.
    pub(crate) fn factors(self, weights: &[f64]) -> Result<[f64; 2]> {
        let single = match self {
            Self::Raw => return Ok([1.0, 1.0]),
            Self::Tone => 1.0 / weights.iter().sum::<f64>().powi(2),
            Self::Density { sample_rate_hz } => {
                check_rate(sample_rate_hz)?;
                1.0 / (sample_rate_hz * weights.iter().map(|w| w * w).sum::<f64>())
            }
        };
        Ok([2.0 * single, single])
    }
}

/// A scale of decibels: what is 0 dB, and below what nothing is told apart.
///
/// `10 log₁₀(power/reference²) = 20 log₁₀(amplitude/reference)`, so that a tone is as many decibels
/// whether its power or its amplitude is asked for.
///
/// # Examples
/// ```
/// use dsp::spectrum::Decibels;
/// let full_scale = Decibels::new(1.0, -120.0)?;
/// assert!((full_scale.of_amplitude(0.5) + 6.0206).abs() < 1e-4);
/// assert_eq!(full_scale.of_amplitude(0.5), full_scale.of_power(0.25));
/// assert_eq!((full_scale.of_power(0.0), full_scale.floor_db()), (-120.0, -120.0));
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decibels {
    reference: f64,
    floor_db: f64,
}

impl Decibels {
    /// The amplitude that is 0 dB, and the number that silence and all below it gets.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a reference that is not positive and finite, or a floor that is not
    /// finite.
    pub fn new(reference: f64, floor_db: f64) -> Result<Self> {
        if !(reference > 0.0 && reference.is_finite()) {
            let expected = "a positive, finite amplitude";
            return Err(Error::OutOfRange { argument: "reference", value: reference, expected });
        }
        if !floor_db.is_finite() {
            let expected = "a finite number of decibels";
            return Err(Error::OutOfRange { argument: "floor_db", value: floor_db, expected });
        }
        Ok(Self { reference, floor_db })
    }

    /// Of an amplitude, a magnitude or a square root of power.
    #[must_use]
    pub fn of_amplitude(self, amplitude: f64) -> f64 {
        // The floor before the logarithm's −∞ meets anything; a NaN falls to it too.
        (20.0 * (amplitude.abs() / self.reference).log10()).max(self.floor_db)
    }

    /// Of a power, an amplitude squared.
    #[must_use]
    pub fn of_power(self, power: f64) -> f64 {
        self.of_amplitude(power.max(0.0).sqrt())
    }

    /// The lowest number there is on this scale.
    #[must_use]
    pub fn floor_db(self) -> f64 {
        self.floor_db
    }
}

pub(crate) fn check_rate(sample_rate_hz: f64) -> Result<()> {
    if sample_rate_hz > 0.0 && sample_rate_hz.is_finite() {
        return Ok(());
    }
    Err(Error::OutOfRange {
        argument: "sample_rate_hz",
        value: sample_rate_hz,
        expected: "a positive, finite number of samples per second",
    })
}

pub(crate) fn check_finite(argument: &'static str, x: &[f64]) -> Result<()> {
    match x.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { argument, index, value: x[index] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};
    use std::f64::consts::TAU;

    #[test]
    fn a_tone_shows_its_amplitude_under_every_window() {
        for n in [64_u32, 99] {
            let x: Vec<f64> = (0..n)
                .map(|i| f64::from(i) / f64::from(n))
                .map(|t| 0.25 + 3.0 * (TAU * 20.0 * t + 1.0).cos())
                .collect();
            for window in [Window::Rectangular, Window::Hann, Window::BlackmanHarris] {
                let spectrum = Spectrum::new(&x, f64::from(n), window).unwrap();
                // n terms of size 3: n eps, and as much again from the window's sum.
                let tolerance = 6.0 * f64::from(n) * f64::EPSILON;
                assert!((spectrum.amplitude(0) - 0.25).abs() < tolerance, "{window:?}");
                assert!((spectrum.amplitude(20) - 3.0).abs() < tolerance, "{window:?}");
                assert!(spectrum.amplitude(30) < tolerance, "{window:?}: outside both lobes");
            }
        }
    }

    #[test]
    fn an_alternating_signal_is_a_tone_at_half_the_rate() {
        let spectrum =
            Spectrum::new(&[1.0, -1.0, 1.0, -1.0], 44100.0, Window::Rectangular).unwrap();
        assert_eq!(spectrum.amplitudes(), [0.0, 0.0, 1.0]);
        assert_eq!(spectrum.frequency_hz(2).to_bits(), 22050_f64.to_bits());
    }

    #[test]
    fn bad_samples_lengths_and_rates_are_named() {
        let text = |x: &[f64], rate| Spectrum::new(x, rate, Window::Hann).unwrap_err().to_string();
        assert_eq!(text(&[], 1.0), "x is empty; at least one sample is needed");
        assert_eq!(text(&[0.0, f64::NAN], 1.0), "x[1] is NaN, and every sample must be finite");
        for (rate, shown) in [(0.0, "0"), (-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let expected = "expected a positive, finite number of samples per second";
            assert_eq!(text(&[0.0], rate), format!("sample_rate_hz is {shown}, {expected}"));
        }
        let plan = SpectrumPlan::new(3, 1.0, Window::Hann).unwrap();
        assert_eq!(
            plan.spectrum(&[0.0; 2]).unwrap_err().to_string(),
            "x has 2 samples, expected 3"
        );
    }

    #[test]
    fn power_is_a_tones_and_density_is_noises() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let n = 1_u32 << 15;
        let noise: Vec<f64> = (0..n).map(|_| rng.random_range(-1.0..1.0)).collect();
        for window in [Window::Rectangular, Window::Hann, Window::FlatTop] {
            let of = |x: &[f64]| Spectrum::new(x, 500.0, window).unwrap();
            let tone: Vec<f64> = (0..n).map(|i| 3.0 * (TAU * f64::from(i) * 0.125).cos()).collect();
            let k = 1 << 12;
            assert!((of(&tone).power(k) - 4.5).abs() < 1e-9, "{window:?}");

            // Variance 1/3. A mean of n/2 exponential values, correlated over the noise bandwidth:
            // five standard errors.
            let spectrum = of(&noise);
            let bins = 1..spectrum.bins().len() - 1;
            let count = bins.len() as f64;
            let mean = bins.map(|k| spectrum.density(k)).sum::<f64>() / count;
            let error = 5.0 * (window.noise_bandwidth_bins() / count).sqrt();
            assert!((mean / (2.0 / 3.0 / 500.0) - 1.0).abs() < error, "{window:?}: {mean}");
        }
    }

    #[test]
    fn decibels_without_a_reference_or_floor_are_refused() {
        let text = |reference, floor| Decibels::new(reference, floor).unwrap_err().to_string();
        assert_eq!(text(0.0, -100.0), "reference is 0, expected a positive, finite amplitude");
        assert_eq!(
            text(1.0, f64::NEG_INFINITY),
            "floor_db is -inf, expected a finite number of decibels"
        );
        let scale = Decibels::new(2.0, -60.0).unwrap();
        assert!(scale.of_amplitude(-2.0).abs() < 1e-15);
        assert!((scale.of_amplitude(f64::NAN) + 60.0).abs() < 1e-15);
    }

    #[test]
    fn one_sample_has_a_spectrum() {
        let spectrum = Spectrum::new(&[2.0], 1.0, Window::Hann).unwrap();
        assert_eq!(spectrum.amplitudes(), [2.0]);
    }
}
