//! Pulses that radars send.

use std::f64::consts::PI;

use super::positive;
use crate::{Error, Result};

/// The Ricker wavelet, `samples` of it every `dt_s` seconds, its peak of 1 on the middle one.
///
/// ```text
/// s(t) = (1 − 2u)·e^(−u),   u = (π·f₀·t)²          |S(f)| ∝ (f/f₀)²·e^(−(f/f₀)²)
/// ```
///
/// f₀ = `center_hz` is where its spectrum is largest; −10 dB lie at 0.3645·f₀ and 1.8343·f₀.
///
/// # Errors
/// [`Error::OutOfRange`] unless both are finite and greater than 0, or for an even number of samples.
///
/// # References
/// N. Ricker, "The form and laws of propagation of seismic wavelets", Geophysics 18(1), 1953.
///
/// # Examples
/// ```
/// let pulse = dsp::subspace::ricker(1.5e9, 25e-12, 81)?;
/// assert_eq!(pulse[40], 1.0);
/// // ∫s² = 3/(4√(2π)·f₀)
/// let energy = pulse.iter().map(|s| s * s).sum::<f64>() * 25e-12;
/// assert!((energy * 1.5e9 - 0.29921).abs() < 1e-5);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn ricker(center_hz: f64, dt_s: f64, samples: usize) -> Result<Vec<f64>> {
    positive("center_hz", center_hz)?;
    Ok(times(dt_s, samples)?
        .map(|t| {
            let u = (PI * center_hz * t).powi(2);
            (1.0 - 2.0 * u) * (-u).exp()
        })
        .collect())
}

/// A tone of `center_hz` under a Gaussian, cos(2πf₀·t)·e^(−(π·b·t)²/(2·ln 2)) with
/// b = `bandwidth_hz`, the width between the −3 dB points of its spectrum; `samples` of it every
/// `dt_s` seconds, its peak of 1 on the middle one.
///
/// # Errors
/// [`Error::OutOfRange`] unless all three are finite and greater than 0, or for an even number of
/// samples.
///
/// # Examples
/// ```
/// let pulse = dsp::subspace::gaussian_pulse(2e9, 1e9, 25e-12, 101)?;
/// assert_eq!(pulse[50], 1.0);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn gaussian_pulse(
    center_hz: f64,
    bandwidth_hz: f64,
    dt_s: f64,
    samples: usize,
) -> Result<Vec<f64>> {
    positive("center_hz", center_hz)?;
    positive("bandwidth_hz", bandwidth_hz)?;
    let width = 2.0 * std::f64::consts::LN_2;
    Ok(times(dt_s, samples)?
        .map(|t| {
            (2.0 * PI * center_hz * t).cos() * (-(PI * bandwidth_hz * t).powi(2) / width).exp()
        })
        .collect())
}

/// Seconds from the middle sample.
fn times(dt_s: f64, samples: usize) -> Result<impl Iterator<Item = f64>> {
    positive("dt_s", dt_s)?;
    if samples.is_multiple_of(2) {
        let expected = "odd, for a middle sample";
        return Err(Error::OutOfRange { argument: "samples", value: samples as f64, expected });
    }
    let middle = (samples / 2) as f64;
    Ok((0..samples).map(move |k| (k as f64 - middle) * dt_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |S(f)| by its definition.
    fn magnitude(pulse: &[f64], dt: f64, hz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (k, s) in pulse.iter().enumerate() {
            let phase = 2.0 * PI * hz * k as f64 * dt;
            re += s * phase.cos();
            im += s * phase.sin();
        }
        re.hypot(im)
    }

    #[test]
    fn the_spectra_have_their_stated_widths() {
        let (fc, dt) = (1.5e9, 5e-12);
        let pulse = ricker(fc, dt, 801).unwrap();
        let peak = magnitude(&pulse, dt, fc);
        for edge in [0.3645, 1.8343] {
            let decibels = 20.0 * (magnitude(&pulse, dt, edge * fc) / peak).log10();
            // The edges are given to four digits.
            assert!((decibels + 10.0).abs() < 0.01, "{edge}: {decibels}");
        }
        let pulse = gaussian_pulse(2e9, 0.5e9, dt, 2001).unwrap();
        let peak = magnitude(&pulse, dt, 2e9);
        for edge in [1.75e9, 2.25e9] {
            let decibels = 20.0 * (magnitude(&pulse, dt, edge) / peak).log10();
            assert!((decibels + 10.0 * 2_f64.log10()).abs() < 0.01, "{edge}: {decibels}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let text = |pulse: Result<Vec<f64>>| pulse.unwrap_err().to_string();
        assert_eq!(
            text(ricker(1e9, -1e-12, 9)),
            "dt_s is -1e-12, expected a finite number greater than 0"
        );
        assert_eq!(text(ricker(1e9, 1e-12, 8)), "samples is 8, expected odd, for a middle sample");
        assert_eq!(
            text(gaussian_pulse(1e9, f64::NAN, 1e-12, 9)),
            "bandwidth_hz is NaN, expected a finite number greater than 0"
        );
    }
}
