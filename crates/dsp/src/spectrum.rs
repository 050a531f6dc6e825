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
    sample_rate_hz: f64,
}

impl SpectrumPlan {
    /// Plans spectra of `len` samples taken `sample_rate_hz` times a second.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a length of 0 or a rate that is not positive and finite.
    pub fn new(len: usize, sample_rate_hz: f64, window: Window) -> Result<Self> {
        check_rate(sample_rate_hz)?;
        let fft = RealFft::new(len)?;
        let weights = window.samples(len);
        let weight = weights.iter().sum();
        Ok(Self { fft, window, weights, weight, sample_rate_hz })
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
    /// `Σ w_n`.
    weight: f64,
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
    /// # Panics
    /// Where there is no bin `k`.
    #[must_use]
    pub fn amplitude(&self, k: usize) -> f64 {
        let sides = if k == 0 || 2 * k == self.len { 1.0 } else { 2.0 };
        sides * self.bins[k].norm() / self.weight
    }

    /// [`Self::amplitude`] of every bin.
    #[must_use]
    pub fn amplitudes(&self) -> Vec<f64> {
        (0..self.bins.len()).map(|k| self.amplitude(k)).collect()
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
    fn one_sample_has_a_spectrum() {
        let spectrum = Spectrum::new(&[2.0], 1.0, Window::Hann).unwrap();
        assert_eq!(spectrum.amplitudes(), [2.0]);
    }
}
