//! Windows: what a signal is multiplied with before its transform, and what that does to it.

use std::f64::consts::{PI, TAU};

/// A window of N samples in its periodic form, `w_n = Σ_j (−1)^j a_j cos(2π j n/N)`.
///
/// Periodic means that `w_N`, not `w_{N−1}`, would equal `w_0`: the form for transforms. (The symmetric
/// one is for filter design.)
///
/// | window | coherent gain | noise bandwidth, bins | scalloping, dB | highest side lobe, dB | half main lobe, bins |
/// |---|---|---|---|---|---|
/// | rectangular | 1 | 1 | 3.92 | −13.3 | 1 |
/// | Hann | 0.5 | 1.5 | 1.42 | −31.5 | 2 |
/// | Hamming | 0.54 | 1.3628 | 1.75 | −42.4 | 2 |
/// | Blackman | 0.42 | 1.7268 | 1.10 | −58.1 | 3 |
/// | Blackman–Harris, four terms | 0.35875 | 2.0044 | 0.83 | −92.0 | 4 |
/// | Nuttall, four terms | 0.36358 | 1.9761 | 0.85 | −93.6 | 4 |
/// | flat top | 0.21558 | 3.7702 | 0.01 | −88.2 | 5 |
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Window {
    /// `a_0`, `a_1`, … of the sum.
    const fn terms(self) -> &'static [f64] {
        match self {
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
    /// above the number of terms.
    #[must_use]
    pub const fn coherent_gain(self) -> f64 {
        self.terms()[0]
    }

    /// `N Σ w_n² / (Σ w_n)²`: the width in bins of a rectangular filter that would let as much white
    /// noise into a bin.
    #[must_use]
    pub fn noise_bandwidth_bins(self) -> f64 {
        let (first, rest) = (self.terms()[0], &self.terms()[1..]);
        let power = first * first + rest.iter().map(|a| a * a).sum::<f64>() / 2.0;
        power / (first * first)
    }

    /// The highest side lobe of a tone's line, as a share of its top.
    #[must_use]
    pub const fn highest_side_lobe(self) -> f64 {
        match self {
            Self::Rectangular => 0.217,
            Self::Hann => 0.0267,
            Self::Hamming => 0.00754,
            Self::Blackman => 0.001243,
            Self::BlackmanHarris => 2.51e-5,
            Self::Nuttall => 2.09e-5,
            Self::FlatTop => 3.91e-5,
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
        // W(f) = a_0 sinc f + ½ Σ a_j (sinc(f − j) + sinc(f + j)), at f = ½.
        let sinc = |f: f64| (PI * f).sin() / (PI * f);
        let at = |(j, a): (usize, &f64)| {
            let j = j as f64;
            0.5 * a * (sinc(0.5 - j) + sinc(0.5 + j))
        };
        let line: f64 = self.terms().iter().enumerate().map(at).sum();
        20.0 * (self.coherent_gain() / line).log10()
    }

    /// Bins from the top of a tone's line to its first zero, the number of terms. Two tones that
    /// are twice this apart do not overlap but for their side lobes.
    #[must_use]
    pub const fn main_lobe_bins(self) -> usize {
        self.terms().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Window; 7] = [
        Window::Rectangular,
        Window::Hann,
        Window::Hamming,
        Window::Blackman,
        Window::BlackmanHarris,
        Window::Nuttall,
        Window::FlatTop,
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
                // A sum of n terms of size one: n eps.
                let tolerance = n as f64 * f64::EPSILON;
                assert!((sum / n as f64 - window.coherent_gain()).abs() <= tolerance, "{window:?}");
                // The squares have terms up to 2 x 4, which alias on fewer than 9 samples.
                if n > 8 {
                    let bandwidth = n as f64 * square / (sum * sum);
                    assert!((bandwidth - window.noise_bandwidth_bins()).abs() <= 8.0 * tolerance);
                }
            }
        }
    }

    #[test]
    fn the_table_holds_the_printed_digits() {
        let table = [
            (1.0, 1.0, 3.92),
            (0.5, 1.5, 1.42),
            (0.54, 1.3628, 1.75),
            (0.42, 1.7268, 1.10),
            (0.35875, 2.0044, 0.83),
            (0.36358, 1.9761, 0.85),
            (0.21558, 3.7702, 0.01),
        ];
        for (window, (gain, bandwidth, scalloping)) in ALL.into_iter().zip(table) {
            assert!((window.coherent_gain() - gain).abs() < 5e-6, "{window:?}");
            assert!((window.noise_bandwidth_bins() - bandwidth).abs() < 5e-5, "{window:?}");
            assert!((window.scalloping_db() - scalloping).abs() < 5e-3, "{window:?}");
            // 64 samples are many: the sinc for the Dirichlet kernel errs by (π/64)²/24.
            let found = -20.0 * line(window, 0.5).log10();
            assert!((found - window.scalloping_db()).abs() < 2e-3, "{window:?}: {found}");
        }
    }

    /// `|Σ w_n e^{−2πi f n/N}| / Σ w_n`, f in bins.
    fn line(window: Window, f: f64) -> f64 {
        let samples = window.samples(64);
        let part = |wave: fn(f64) -> f64| -> f64 {
            samples.iter().enumerate().map(|(n, w)| w * wave(TAU * f * n as f64 / 64.0)).sum()
        };
        part(f64::cos).hypot(part(f64::sin)) / samples.iter().sum::<f64>()
    }

    #[test]
    fn beyond_the_main_lobe_nothing_is_higher_than_the_side_lobes() {
        for window in ALL {
            let edge = window.main_lobe_bins() as f64;
            assert!(line(window, edge) < 1e-9, "{window:?}: the main lobe ends at a zero");
            let beyond = (0..500).map(|i| line(window, edge + f64::from(i) * 0.02));
            let highest = beyond.fold(0.0, f64::max);
            // The table has two or three digits.
            assert!((highest / window.highest_side_lobe() - 1.0).abs() < 0.02, "{highest}");
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
}
