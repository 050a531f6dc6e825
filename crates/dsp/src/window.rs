//! Windows: what a signal is multiplied with before its transform, and what that does to it.

use std::f64::consts::{PI, TAU};

use crate::{Error, Result};

/// A window of N samples in its periodic form, `w_n = Σ_j (−1)^j a_j cos(2π j n/N)` for all but Kaiser's.
///
/// Periodic means that `w_N`, not `w_{N−1}`, would equal `w_0`: the form for transforms. (The symmetric
/// one is for filter design.)
///
/// | window | coherent gain | noise bandwidth, bins | scalloping, dB | highest side lobe, dB | half main lobe, bins |
/// |---|---|---|---|---|---|
/// | rectangular | 1 | 1 | 3.92 | −13.3 | 1 |
/// | Hann | 0.5 | 1.5 | 1.42 | −31.5 | 2 |
/// | Hamming | 0.54 | 1.3628 | 1.75 | −42.7 | 2 |
/// | Blackman | 0.42 | 1.7268 | 1.10 | −58.1 | 3 |
/// | Blackman–Harris, four terms | 0.35875 | 2.0044 | 0.83 | −92.0 | 4 |
/// | Nuttall, four terms | 0.36358 | 1.9761 | 0.85 | −98.2 | 4 |
/// | flat top | 0.21558 | 3.7702 | 0.01 | −93.0 | 5 |
/// | Kaiser, β = 8.6 | 0.42080 | 1.7214 | 1.11 | −63.3 | 3 |
///
/// The *coherent gain* is what is left of a tone's amplitude, the *noise bandwidth* how many bins' worth of
/// white noise a bin takes in, the *scalloping* how much is lost of a tone half way between two bins.
/// An amplitude is divided by the first and a noise density by the second; nothing is divided by both.
///
/// The lower the side lobes, the weaker the partial that can be seen beside a strong one; the wider
/// the main lobe, the farther apart the two must be.
///
/// # References
/// F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform",
/// Proc. IEEE 66(1):51-83, 1978, table 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Window {
    /// No window: `w_n = 1`.
    Rectangular,
    /// ½ − ½ cos(2πn/N).
    Hann,
    /// 0.54 − 0.46 cos(2πn/N).
    Hamming,
    /// Three terms, 0.42, 0.5, 0.08.
    Blackman,
    /// Four terms, minimum side lobes.
    BlackmanHarris,
    /// Four terms, SciPy's `nuttall`.
    Nuttall,
    /// Five terms, SciPy's `flattop`: amplitudes right to 0.1 % wherever a tone lies.
    FlatTop,
    /// Kaiser's, with side lobes as low as one wants.
    Kaiser(Kaiser),
}

/// The parameter of Kaiser's window, `w_n = I₀(β √(1 − (2n/N − 1)²))/I₀(β)`.
///
/// | β | highest side lobe, dB | half main lobe, bins |
/// |---|---|---|
/// | 0, rectangular | −13.3 | 1 |
/// | 6 | −44.0 | 2.2 |
/// | 8.6 | −63.3 | 2.9 |
/// | 14 | −105.9 | 4.6 |
///
/// For a given main lobe it keeps nearly the most of the energy in there that any window can.
///
/// # Examples
/// ```
/// use dsp::window::{Kaiser, Window};
/// let kaiser = Kaiser::new(8.6)?;
/// assert_eq!(kaiser.beta(), 8.6);
/// let window = Window::Kaiser(kaiser);
/// // `scipy.signal.windows.kaiser(8, 8.6, sym=False)`, SciPy 1.17.1.
/// let scipy = [0.00133251, 0.06747208, 0.34039362, 0.77382938, 1.0];
/// assert!(window.samples(8).iter().zip(scipy).all(|(w, known)| (w - known).abs() < 5e-9));
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// J. F. Kaiser and R. W. Schafer, "On the use of the I₀-sinh window for spectrum analysis", IEEE Trans.
/// ASSP 28(1):105-107, 1980.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kaiser {
    beta: f64,
}

impl Kaiser {
    /// The window of this β.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ β ≤ 100; from 36 on the side lobes are below rounding.
    pub fn new(beta: f64) -> Result<Self> {
        if !(0.0..=100.0).contains(&beta) {
            let (argument, expected) = ("beta", "0 to 100");
            return Err(Error::OutOfRange { argument, value: beta, expected });
        }
        Ok(Self { beta })
    }

    /// β.
    #[must_use]
    pub const fn beta(self) -> f64 {
        self.beta
    }

    /// w at the share `t` of the window, from 0 to 1.
    fn at(self, t: f64) -> f64 {
        // 1 − (2t − 1)², without cancellation at the ends.
        bessel_i0(self.beta * 2.0 * (t * (1.0 - t)).sqrt()) / bessel_i0(self.beta)
    }

    /// `∫ w(t) cos 2πf(t − ½) dt` over the window: sinh u/u with u² = β² − π²f², over I₀(β).
    fn line(self, bins: f64) -> f64 {
        let square = self.beta * self.beta - (PI * bins).powi(2);
        let u = square.abs().sqrt();
        let line = match u {
            _ if u < 1e-4 => 1.0 + square / 6.0,
            _ if square > 0.0 => u.sinh() / u,
            _ => u.sin() / u,
        };
        line / bessel_i0(self.beta)
    }
}

/// I₀(x) = Σ ((x/2)^k/k!)², whose terms are all positive.
fn bessel_i0(x: f64) -> f64 {
    positive_series(|k| 0.25 * x * x / (k * k))
}

/// 1 + r₁ + r₁r₂ + …, to the last bit.
fn positive_series(ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    loop {
        term *= ratio(k);
        let next = sum + term;
        if next <= sum {
            return sum;
        }
        (sum, k) = (next, k + 1.0);
    }
}

impl Window {
    /// `a_0`, `a_1`, … of the sum; Kaiser's is none.
    const fn terms(self) -> &'static [f64] {
        match self {
            Self::Kaiser(_) => &[],
            Self::Rectangular => &[1.0],
            Self::Hann => &[0.5, 0.5],
            Self::Hamming => &[0.54, 0.46],
            Self::Blackman => &[0.42, 0.5, 0.08],
            Self::BlackmanHarris => &[0.35875, 0.48829, 0.14128, 0.01168],
            Self::Nuttall => &[0.3635819, 0.4891775, 0.1365995, 0.0106411],
            Self::FlatTop => &[0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368],
        }
    }

    /// `w_0` to `w_{N−1}` for N = `len`. A window of one sample is 1.
    ///
    /// # Examples
    /// ```
    /// use dsp::window::Window;
    /// let w = Window::Hann.samples(4);
    /// assert!(w.iter().zip([0.0, 0.5, 1.0, 0.5]).all(|(w, known)| (w - known).abs() < 1e-15));
    /// ```
    #[must_use]
    pub fn samples(self, len: usize) -> Vec<f64> {
        if len == 1 {
            return vec![1.0];
        }
        if let Self::Kaiser(kaiser) = self {
            return (0..len).map(|n| kaiser.at(n as f64 / len as f64)).collect();
        }
        let sample = |n: usize| {
            let angle = TAU * n as f64 / len as f64;
            let term = |(j, a): (usize, &f64)| {
                let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
                sign * a * (j as f64 * angle).cos()
            };
            self.terms().iter().enumerate().map(term).sum()
        };
        (0..len).map(sample).collect()
    }

    /// `(1/N) Σ w_n`: what the window leaves of a tone's amplitude. It is `a_0`, exactly for every N
    /// above the number of terms; Kaiser's is sinh β/(β I₀(β)) but for `β²/(6 N² I₀(β))`.
    #[must_use]
    pub fn coherent_gain(self) -> f64 {
        match self {
            Self::Kaiser(kaiser) => kaiser.line(0.0),
            _ => self.terms()[0],
        }
    }

    /// `N Σ w_n² / (Σ w_n)²`: the width in bins of a rectangular filter that would let as much white
    /// noise into a bin. For windows of many samples.
    #[must_use]
    pub fn noise_bandwidth_bins(self) -> f64 {
        let power = match self {
            // ∫ I₀² over the window is Σ (β^k/k!)²/(2k + 1), term by term of the series of I₀².
            Self::Kaiser(Kaiser { beta }) => {
                let odd = |k: f64| (2.0 * k - 1.0) / (2.0 * k + 1.0);
                positive_series(|k| (beta / k).powi(2) * odd(k)) / bessel_i0(beta).powi(2)
            }
            _ => {
                let (first, rest) = (self.terms()[0], &self.terms()[1..]);
                first * first + rest.iter().map(|a| a * a).sum::<f64>() / 2.0
            }
        };
        power / self.coherent_gain().powi(2)
    }

    /// The highest side lobe of a tone's line, as a share of its top. For windows of many samples.
    #[must_use]
    pub fn highest_side_lobe(self) -> f64 {
        match self {
            Self::Rectangular => 0.2172,
            Self::Hann => 0.02671,
            Self::Hamming => 0.007349,
            Self::Blackman => 0.001243,
            Self::BlackmanHarris => 2.509e-5,
            Self::Nuttall => 1.235e-5,
            Self::FlatTop => 2.232e-5,
            // The first minimum of sin u/u, beyond the sinh.
            Self::Kaiser(kaiser) => 0.217_233_628 / (bessel_i0(kaiser.beta) * self.coherent_gain()),
        }
    }

    /// How much the nearest bin loses of a tone's amplitude that lies half way between two bins, in
    /// decibels: what a spectrum's amplitudes may be too small by. For windows of many samples.
    ///
    /// # Examples
    /// ```
    /// assert!((dsp::window::Window::Hann.scalloping_db() - 1.4236).abs() < 1e-4);
    /// ```
    #[must_use]
    pub fn scalloping_db(self) -> f64 {
        20.0 * (self.coherent_gain() / self.line(0.5)).log10()
    }

    /// The transform of a long window so many bins from its top, over N:
    /// `½ Σ a_j (sinc(f − j) + sinc(f + j))`, sinc f = sin πf/(πf).
    fn line(self, bins: f64) -> f64 {
        let sinc = |f: f64| if f == 0.0 { 1.0 } else { (PI * f).sin() / (PI * f) };
        let at = |(j, a): (usize, &f64)| {
            let j = j as f64;
            0.5 * a * (sinc(bins - j) + sinc(bins + j))
        };
        match self {
            Self::Kaiser(kaiser) => kaiser.line(bins),
            _ => self.terms().iter().enumerate().map(at).sum(),
        }
    }

    /// Bins from the top of a tone's line to its first zero, rounded up: the number of terms, and
    /// √(1 + (β/π)²) of Kaiser's. Two tones that are twice this apart do not overlap but for their side
    /// lobes.
    #[must_use]
    pub fn main_lobe_bins(self) -> usize {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 1 and 32"
            )]
            Self::Kaiser(Kaiser { beta }) => (beta / PI).hypot(1.0).ceil() as usize,
            _ => self.terms().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Window; 10] = [
        Window::Rectangular,
        Window::Hann,
        Window::Hamming,
        Window::Blackman,
        Window::BlackmanHarris,
        Window::Nuttall,
        Window::FlatTop,
        Window::Kaiser(Kaiser { beta: 2.0 }),
        Window::Kaiser(Kaiser { beta: 8.6 }),
        Window::Kaiser(Kaiser { beta: 14.0 }),
    ];

    /// `scipy.signal.windows.blackmanharris(8, sym=False)`, SciPy 1.17.1.
    #[test]
    fn blackman_harris_has_scipys_samples() {
        let scipy = [6.0e-5, 0.021_735_837_018_679_6, 0.21747, 0.695_764_162_981_320_5, 1.0];
        let window = Window::BlackmanHarris.samples(8);
        for (n, known) in scipy.iter().enumerate() {
            assert!((window[n] - known).abs() < 1e-15, "w[{n}] = {}", window[n]);
            assert!((window[(8 - n) % 8] - known).abs() < 1e-15, "periodic, so w[8 - n] = w[n]");
        }
    }

    #[test]
    fn gain_and_bandwidth_are_those_of_the_samples() {
        for window in ALL {
            for n in [6, 8, 97, 1000] {
                let samples = window.samples(n);
                let sum: f64 = samples.iter().sum();
                let square: f64 = samples.iter().map(|w| w * w).sum();
                let n = n as f64;
                // A sum of n terms of size one: n eps. Kaiser's has a kink where it begins again, which
                // the trapezoidal rule sees as a share of β²/6I₀(β)N², 6/5 of it at so few as 6 samples.
                let kink = match window {
                    Window::Kaiser(Kaiser { beta }) => beta * beta / (5.0 * bessel_i0(beta)),
                    _ => 0.0,
                };
                let tolerance = n * f64::EPSILON + kink / (n * n);
                let error = (sum / n - window.coherent_gain()).abs();
                assert!(error <= tolerance, "{window:?}, {n}: {error:e}");
                // The squares have terms up to 2 x 4, which alias on fewer than 9 samples.
                if n > 8.5 {
                    let bandwidth = n * square / (sum * sum);
                    let error = (bandwidth - window.noise_bandwidth_bins()).abs();
                    assert!(error <= 16.0 * tolerance, "{window:?}, {n}: {error:e}");
                }
            }
        }
    }

    /// Of 65,536 samples w, from SciPy 1.17.1 (`from scipy.signal import get_window`):
    /// `w.mean()`, `n*sum(w*w)/sum(w)**2`, `-20*log10(abs(sum(w*exp(-1j*pi*arange(n)/n)))/sum(w))`, and the
    /// largest of `20*log10(abs(rfft(w, 128*n))/sum(w))` beyond the main lobe with n = 4096 (the flat top's
    /// from the same sum of sincs in NumPy).
    #[test]
    fn the_table_holds_scipys_digits() {
        let table = [
            (1.0, 1.0, 3.92240, -13.261),
            (0.5, 1.5, 1.42362, -31.468),
            (0.54, 1.362826, 1.75143, -42.675),
            (0.42, 1.726757, 1.09888, -58.109),
            (0.35875, 2.004353, 0.82557, -92.010),
            (0.3635819, 1.976109, 0.85056, -98.165),
            (0.2155790, 3.770246, 0.00978, -93.027),
            (0.7955088, 1.047217, 3.05480, -18.432),
            (0.4208001, 1.721374, 1.10923, -63.251),
            (0.3318701, 2.161126, 0.71282, -105.921),
        ];
        for (window, (gain, bandwidth, scalloping, side_lobe)) in ALL.into_iter().zip(table) {
            // Half a unit of the last digit, and the difference between 65,536 samples and many.
            assert!((window.coherent_gain() - gain).abs() < 6e-8, "{window:?}");
            assert!((window.noise_bandwidth_bins() - bandwidth).abs() < 6e-7, "{window:?}");
            assert!((window.scalloping_db() - scalloping).abs() < 6e-6, "{window:?}");
            let found = 20.0 * window.highest_side_lobe().log10();
            // Four digits in the code, and SciPy's grid of 1/128 bins.
            assert!((found - side_lobe).abs() < 6e-3, "{window:?}: {found}");
        }
    }

    #[test]
    fn the_line_is_the_transform_of_the_samples() {
        let n = 512_usize;
        for window in ALL {
            let samples = window.samples(n);
            for bins in [0.3, 0.5, 1.7, 4.9, 12.3] {
                let part = |wave: fn(f64) -> f64| -> f64 {
                    let turn = TAU * bins / n as f64;
                    samples.iter().enumerate().map(|(k, w)| w * wave(turn * k as f64)).sum()
                };
                let transform = part(f64::cos).hypot(part(f64::sin)) / n as f64;
                // The sum for the integral errs by (πf/N)²/6 of what is at the ends, at most 1, and of the top.
                let bound = (PI * bins / n as f64).powi(2) + 4.0 / (n as f64).powi(2);
                let error = (transform - window.line(bins).abs()).abs();
                assert!(error < bound, "{window:?}, {bins} bins: {error:e}, {bound:e}");
            }
        }
    }

    #[test]
    fn beyond_the_main_lobe_nothing_is_higher_than_the_side_lobes() {
        for window in ALL {
            let edge = match window {
                Window::Kaiser(Kaiser { beta }) => (beta / PI).hypot(1.0),
                _ => window.main_lobe_bins() as f64,
            };
            assert!(window.line(edge).abs() < 1e-15, "{window:?}: the main lobe ends at a zero");
            let beyond = (0..6000).map(|i| window.line(edge + f64::from(i) * 0.01).abs());
            let highest = beyond.fold(0.0, f64::max) / window.coherent_gain();
            // Four digits, and a grid of 0.01 bins across a lobe of one.
            assert!(
                (highest / window.highest_side_lobe() - 1.0).abs() < 2e-3,
                "{window:?}: {highest}"
            );
        }
    }

    #[test]
    fn short_windows_do_not_vanish() {
        for window in ALL {
            assert_eq!(window.samples(0), []);
            for n in 1..8 {
                assert!(window.samples(n).iter().sum::<f64>() > 1e-3, "{window:?} of {n}");
            }
        }
    }

    #[test]
    fn a_beta_that_is_none_is_refused() {
        for beta in [-1.0, 100.1, f64::NAN] {
            let text = Kaiser::new(beta).unwrap_err().to_string();
            assert_eq!(text, format!("beta is {beta}, expected 0 to 100"));
        }
        let flat = Window::Kaiser(Kaiser::new(0.0).unwrap());
        assert_eq!(flat.samples(3), Window::Rectangular.samples(3));
        let narrow = Window::Kaiser(Kaiser::new(100.0).unwrap());
        assert!(narrow.noise_bandwidth_bins().is_finite() && narrow.samples(9)[0] > 0.0);
    }
}
