//! Noise out, features in: shrinking the details of a wavelet transform.

use super::in_place::InPlace;
use super::lanes::Shrinking;
use super::{Mode, Wavelet};
use crate::noise::sigma_about_zero;
use crate::peaks::{PeakOptions, Peaks, Polarity, find_peaks};
use crate::{Error, Result};

/// What becomes of a detail d at the threshold t.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shrinkage {
    /// sign(d)·max(|d| − t, 0): continuous, and lowers what it keeps.
    Soft,
    /// d where |d| ≥ t, else 0: keeps heights, and jumps.
    Hard,
    /// d − t²/d where |d| > t, else 0: between the two.
    Garrote,
    /// 0 up to t, d beyond the given multiple of t (above 1), a straight line between.
    Firm(f64),
}

impl Shrinkage {
    /// The detail that is left of `detail` at `threshold`.
    ///
    /// # Examples
    /// ```
    /// use dsp::wavelet::Shrinkage;
    /// assert_eq!(Shrinkage::Soft.shrink(-3.0, 2.0), -1.0);
    /// assert_eq!(Shrinkage::Hard.shrink(2.0, 2.0), 2.0);
    /// assert_eq!(Shrinkage::Garrote.shrink(3.0, 2.0), 5.0 / 3.0);
    /// assert_eq!(Shrinkage::Firm(2.0).shrink(1.5, 1.0), 1.0);
    /// ```
    #[must_use]
    #[inline]
    pub fn shrink(self, detail: f64, threshold: f64) -> f64 {
        let (d, t) = (detail, threshold);
        let size = d.abs();
        match self {
            Self::Soft => (size - t).max(0.0).copysign(d),
            Self::Hard => {
                if size >= t {
                    d
                } else {
                    0.0
                }
            }
            Self::Garrote => {
                if size > t {
                    d - t * t / d
                } else {
                    0.0
                }
            }
            Self::Firm(_) if size <= t => 0.0,
            Self::Firm(ratio) if size <= ratio * t => {
                (ratio * (size - t) / (ratio - 1.0)).copysign(d)
            }
            Self::Firm(_) => d,
        }
    }
}

/// How the threshold of a level follows from its noise σ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// σ·√(2 ln n): all noise goes, with probability near 1 (Donoho & Johnstone's `VisuShrink`).
    Universal,
    /// The least of Stein's unbiased estimate of the risk of soft shrinkage, at most the universal
    /// one (Donoho & Johnstone's `SureShrink`).
    Sure,
    /// σ²/τ, τ² being the variance of the details less that of the noise (Chang, Yu & Vetterli's
    /// `BayesShrink`); everything goes where that is not positive.
    Bayes,
    /// The same number at every level, in the unit of the signal.
    Fixed(f64),
}

/// Where the noise is measured, by the median of |details|/0.6745.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseLevel {
    /// In the finest details, for all levels: white noise is the same in each.
    Finest,
    /// In each level for itself, for colored noise.
    PerLevel,
}

/// How [`denoise`] works.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DenoiseOptions {
    /// Default: sym8.
    pub wavelet: Wavelet,
    /// How the signal goes on beyond its ends. Default: [`Mode::Symmetric`].
    pub mode: Mode,
    /// Levels. Default: [`Wavelet::max_level`], at least 1 and at most 6.
    pub levels: Option<usize>,
    /// Default: soft.
    pub shrinkage: Shrinkage,
    /// Default: universal.
    pub threshold: Threshold,
    /// Default: finest.
    pub noise: NoiseLevel,
    /// The mean over this many starts, 0, 1, 2, … samples later in the period of the signal (cycle
    /// spinning), which removes most of the ringing beside steps. Default: 1, none.
    pub spins: usize,
}

impl DenoiseOptions {
    /// The defaults with that wavelet.
    #[must_use]
    pub fn new(wavelet: Wavelet) -> Self {
        Self {
            wavelet,
            mode: Mode::Symmetric,
            levels: None,
            shrinkage: Shrinkage::Soft,
            threshold: Threshold::Universal,
            noise: NoiseLevel::Finest,
            spins: 1,
        }
    }

    /// Sets how the signal goes on beyond its ends.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Sets the number of levels.
    #[must_use]
    pub fn levels(self, levels: usize) -> Self {
        Self { levels: Some(levels), ..self }
    }

    /// Sets what becomes of a detail.
    #[must_use]
    pub fn shrinkage(self, shrinkage: Shrinkage) -> Self {
        Self { shrinkage, ..self }
    }

    /// Sets the rule for the threshold.
    #[must_use]
    pub fn threshold(self, threshold: Threshold) -> Self {
        Self { threshold, ..self }
    }

    /// Sets where the noise is measured.
    #[must_use]
    pub fn noise(self, noise: NoiseLevel) -> Self {
        Self { noise, ..self }
    }

    /// Sets over how many starts the mean is taken.
    #[must_use]
    pub fn spins(self, spins: usize) -> Self {
        Self { spins, ..self }
    }

    fn check(&self) -> Result<()> {
        let out_of_range =
            |argument, value, expected| Err(Error::OutOfRange { argument, value, expected });
        match self.shrinkage {
            Shrinkage::Firm(ratio) if !(ratio > 1.0 && ratio.is_finite()) => {
                return out_of_range("Shrinkage::Firm", ratio, "a ratio above 1");
            }
            _ => {}
        }
        match self.threshold {
            Threshold::Fixed(value) if !(value >= 0.0 && value.is_finite()) => {
                return out_of_range("Threshold::Fixed", value, "a number from 0 up");
            }
            _ => {}
        }
        if self.spins == 0 {
            return out_of_range("spins", 0.0, "at least 1");
        }
        Ok(())
    }
}

impl Default for DenoiseOptions {
    fn default() -> Self {
        Self::new(Wavelet::symlet_8())
    }
}

/// A signal without its noise, with what was taken for noise.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Denoised {
    /// As many samples as went in.
    pub signal: Vec<f64>,
    /// The σ of each level, the finest first; of the first start, where there are several.
    pub sigma: Vec<f64>,
    /// The threshold of each level.
    pub threshold: Vec<f64>,
}

/// Takes `x` apart, shrinks its details, and puts it together.
///
/// # Errors
/// As [`Wavelet::decompose`]; [`Error::OutOfRange`] for a ratio, a threshold or a number of spins
/// outside its range.
///
/// # Examples
/// ```
/// use dsp::wavelet::{DenoiseOptions, denoise};
/// let x: Vec<f64> = (0..256).map(|i| f64::from(i / 128) + 0.1 * f64::from(i * 37 % 11 - 5)).collect();
/// let clean = denoise(&x, &DenoiseOptions::default())?;
/// let error = |x: &[f64]| (0..100).map(|i| x[i].powi(2)).sum::<f64>();
/// assert!(error(&clean.signal) < 0.1 * error(&x));
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// Donoho & Johnstone, *Ideal spatial adaptation by wavelet shrinkage*, Biometrika 81 (1994);
/// Coifman & Donoho, *Translation-invariant de-noising* (1995); Chang, Yu & Vetterli, *Adaptive
/// wavelet thresholding*, IEEE Trans. Image Process. 9 (2000); Gao & Bruce, *`WaveShrink` with firm
/// shrinkage*, Statist. Sinica 7 (1997).
pub fn denoise(x: &[f64], options: &DenoiseOptions) -> Result<Denoised> {
    options.check()?;
    let levels = options.levels.unwrap_or_else(|| options.wavelet.max_level(x.len()).clamp(1, 6));
    let mut first = one_start(x, options, levels, Vec::new())?;
    let mut turned = if options.spins > 1 { x.to_vec() } else { Vec::new() };
    let mut other = Vec::new();
    for spin in 1..options.spins {
        turned.rotate_left(1);
        other = one_start(&turned, options, levels, other)?.signal;
        // Sample i of the turned signal is sample i + spin of the signal.
        let back = spin % x.len();
        let (until, from) = other.split_at(x.len() - back);
        for (sum, other) in first.signal.iter_mut().zip(from.iter().chain(until)) {
            *sum += other;
        }
    }
    let spins = options.spins as f64;
    if options.spins > 1 {
        first.signal.iter_mut().for_each(|sum| *sum /= spins);
    }
    Ok(first)
}

fn one_start(
    x: &[f64],
    options: &DenoiseOptions,
    levels: usize,
    room: Vec<f64>,
) -> Result<Denoised> {
    let parts = InPlace::new(&options.wavelet, x, options.mode, levels, room)?;
    let (mut sigmas, mut thresholds) = (Vec::new(), Vec::new());
    for level in 0..levels {
        let details = parts.details(level);
        let sigma = match (options.threshold, options.noise) {
            (Threshold::Fixed(_), NoiseLevel::Finest) => 0.0,
            (Threshold::Fixed(_), _) if level == 0 => 0.0,
            (_, NoiseLevel::Finest) if level > 0 => sigmas[0],
            _ => sigma_about_zero(&details),
        };
        thresholds.push(threshold(&details, sigma, x.len(), options.threshold));
        sigmas.push(sigma);
    }
    let shrinking: Vec<_> = thresholds
        .iter()
        .map(|&threshold| Shrinking { how: options.shrinkage, threshold })
        .collect();
    Ok(Denoised { signal: parts.signal(&shrinking), sigma: sigmas, threshold: thresholds })
}

/// Of details that lie in pieces.
fn threshold(details: &[&[f64]], sigma: f64, samples: usize, rule: Threshold) -> f64 {
    let universal = sigma * (2.0 * (samples as f64).ln()).sqrt();
    let details = details.iter().copied().flatten();
    match rule {
        Threshold::Universal => universal,
        Threshold::Fixed(value) => value,
        Threshold::Bayes => {
            let count = details.clone().count() as f64;
            let square = details.clone().map(|d| d * d).sum::<f64>() / count;
            let signal = (square - sigma * sigma).max(0.0).sqrt();
            let largest = details.fold(0.0_f64, |largest, d| largest.max(d.abs()));
            if signal > 0.0 { (sigma * sigma / signal).min(largest) } else { largest }
        }
        Threshold::Sure => {
            let mut sizes: Vec<f64> = details.map(|d| d.abs()).collect();
            sizes.sort_unstable_by(f64::total_cmp);
            // SURE(t)/σ² + n = 2·(n − #{|d| ≤ t}) + Σ min(|d|, t)²/σ², least at one of the |d|, or
            // at 0, where it is 2n.
            let n = sizes.len() as f64;
            let variance = sigma * sigma;
            let (mut below, mut best, mut at) = (0.0, 2.0 * n * variance, 0.0);
            for (k, &size) in (1..).zip(&sizes) {
                let above = n - f64::from(k);
                below += size * size;
                let risk = 2.0 * above * variance + below + above * size * size;
                if risk < best {
                    (best, at) = (risk, size);
                }
            }
            at.min(universal)
        }
    }
}

/// The peaks and dips that are left of a signal when its noise is gone.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct DenoisedExtrema {
    /// The maxima that meet the options.
    pub maxima: Peaks,
    /// The minima that do.
    pub minima: Peaks,
    /// The signal that they are of.
    pub denoised: Denoised,
}

/// [`denoise`] and [`find_peaks`], both ways up, in one call. The options' polarity is not used.
///
/// # Errors
/// As the two functions.
///
/// # Examples
/// ```
/// use dsp::peaks::PeakOptions;
/// use dsp::wavelet::{DenoiseOptions, denoised_extrema};
/// let noise = |i: i32| 0.02 * f64::from(i * 37 % 11 - 5);
/// let x: Vec<f64> = (0..500).map(|i| (f64::from(i) / 40.0).sin() + noise(i)).collect();
/// let options = PeakOptions::default().prominence(0.5..);
/// let found = denoised_extrema(&x, &DenoiseOptions::default(), &options)?;
/// assert_eq!((found.maxima.len(), found.minima.len()), (2, 2));
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn denoised_extrema(
    x: &[f64],
    how: &DenoiseOptions,
    peaks: &PeakOptions<'_>,
) -> Result<DenoisedExtrema> {
    let denoised = denoise(x, how)?;
    let of = |polarity| find_peaks(&denoised.signal, &peaks.clone().polarity(polarity));
    let (maxima, minima) = (of(Polarity::Maxima)?, of(Polarity::Minima)?);
    Ok(DenoisedExtrema { maxima, minima, denoised })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small integers and their quotients")]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn each_shrinkage_does_what_its_formula_says() {
        let shrunk =
            |how: Shrinkage, t| [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0].map(|d| how.shrink(d, t));
        assert_eq!(shrunk(Shrinkage::Soft, 2.0), [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(shrunk(Shrinkage::Hard, 2.0), [-3.0, -2.0, 0.0, 0.0, 0.0, 2.0, 3.0]);
        let kept = 5.0 / 3.0;
        assert_eq!(shrunk(Shrinkage::Garrote, 2.0), [-kept, 0.0, 0.0, 0.0, 0.0, 0.0, kept]);
        assert_eq!(
            [-1.5, 1.5, 2.0, 5.0].map(|d| Shrinkage::Firm(2.0).shrink(d, 1.0)),
            [-1.0, 1.0, 2.0, 5.0]
        );
    }

    #[test]
    fn thresholds_are_those_of_their_definitions() {
        let details = [0.5, -1.0, 3.0, -4.0];
        assert_eq!(
            threshold(&[&details], 2.0, 100, Threshold::Universal),
            2.0 * (2.0 * 100f64.ln()).sqrt()
        );
        // Mean square 26.25/4, less 1: 2.3585; 1/2.3585.
        let bayes = threshold(&[&details], 1.0, 4, Threshold::Bayes);
        assert!((bayes - 1.0 / (26.25_f64 / 4.0 - 1.0).sqrt()).abs() < 1e-15, "{bayes}");
        assert_eq!(
            threshold(&[&details], 9.0, 4, Threshold::Bayes),
            4.0,
            "noise alone: all of it goes"
        );
        // Risks, σ = 1: 8 at 0; 6 + 4·0.25 = 7 at 0.5; 4 + 0.25 + 3 = 7.25 at 1; 22.25 at 3.
        assert_eq!(threshold(&[&details], 1.0, 1000, Threshold::Sure), 0.5);
        assert_eq!(threshold(&[&details], 1.0, 1000, Threshold::Fixed(7.0)), 7.0);
    }

    fn bumps(n: usize) -> Vec<f64> {
        let bump = |i: usize, at: f64, width: f64| (-((i as f64 - at) / width).powi(2)).exp();
        let n = (n as f64, n);
        (0..n.1)
            .map(|i| {
                4.0 * bump(i, 0.3 * n.0, 40.0) + 3.0 * bump(i, 0.5 * n.0, 15.0)
                    - 2.0 * bump(i, 0.8 * n.0, 80.0)
            })
            .collect()
    }

    fn noisy(clean: &[f64], sigma: f64) -> Vec<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
        let mut next = || 1.0 - rng.random::<f64>();
        clean
            .iter()
            .map(|x| {
                x + sigma * (-2.0 * next().ln()).sqrt() * (std::f64::consts::TAU * next()).cos()
            })
            .collect()
    }

    #[test]
    fn every_rule_takes_most_of_the_noise_out() {
        let clean = bumps(4096);
        let x = noisy(&clean, 0.3);
        let error = |y: &[f64]| {
            let sum: f64 = y.iter().zip(&clean).map(|(y, clean)| (y - clean).powi(2)).sum();
            (sum / clean.len() as f64).sqrt()
        };
        for threshold in
            [Threshold::Universal, Threshold::Sure, Threshold::Bayes, Threshold::Fixed(1.2)]
        {
            for shrinkage in
                [Shrinkage::Soft, Shrinkage::Hard, Shrinkage::Garrote, Shrinkage::Firm(2.0)]
            {
                for noise in [NoiseLevel::Finest, NoiseLevel::PerLevel] {
                    let options = DenoiseOptions::default()
                        .threshold(threshold)
                        .shrinkage(shrinkage)
                        .noise(noise);
                    let done = denoise(&x, &options).unwrap();
                    let left = error(&done.signal);
                    // Six levels leave 1/64 of white noise in the approximation alone: 0.0375.
                    assert!(left < 0.12, "{threshold:?} {shrinkage:?} {noise:?}: {left}");
                    // 1.17 σ/√2048 is its standard error.
                    assert!(
                        (done.sigma[0] - 0.3).abs() < 5.0 * 1.17 * 0.3 / 2048f64.sqrt()
                            || matches!(threshold, Threshold::Fixed(_))
                    );
                }
            }
        }
        let once = error(
            &denoise(&x, &DenoiseOptions::default().shrinkage(Shrinkage::Hard)).unwrap().signal,
        );
        let spun = DenoiseOptions::default().shrinkage(Shrinkage::Hard).spins(16);
        let spun = error(&denoise(&x, &spun).unwrap().signal);
        assert!(spun < once, "{spun} with cycle spinning, {once} without");
    }

    #[test]
    fn spinning_brings_every_start_back_to_its_place() {
        let x = bumps(301);
        let nothing = DenoiseOptions::default().threshold(Threshold::Fixed(0.0)).spins(7);
        let done = denoise(&x, &nothing).unwrap();
        for (x, done) in x.iter().zip(&done.signal) {
            assert!((x - done).abs() < 1e-13, "{x}, {done}");
        }
    }

    #[test]
    fn extrema_of_the_denoised_signal_are_the_bumps() {
        let x = noisy(&bumps(4096), 0.2);
        let options = PeakOptions::default().prominence(1.0..);
        let found = denoised_extrema(&x, &DenoiseOptions::default(), &options).unwrap();
        let (tops, dips) = (&found.maxima, &found.minima);
        assert_eq!((tops.len(), dips.heights.iter().filter(|&&dip| dip < -1.0).count()), (2, 1));
        let [first, second] = tops.indices[..] else { panic!("{tops:?}") };
        assert!(first.abs_diff(1229) < 15 && second.abs_diff(2048) < 10, "{tops:?}");
    }

    #[test]
    fn bad_options_are_named() {
        let text = |options: DenoiseOptions| denoise(&[1.0; 9], &options).unwrap_err().to_string();
        let plain = DenoiseOptions::default();
        assert_eq!(
            text(plain.clone().shrinkage(Shrinkage::Firm(1.0))),
            "Shrinkage::Firm is 1, expected a ratio above 1"
        );
        assert_eq!(
            text(plain.clone().threshold(Threshold::Fixed(-1.0))),
            "Threshold::Fixed is -1, expected a number from 0 up"
        );
        assert_eq!(text(plain.clone().spins(0)), "spins is 0, expected at least 1");
        assert_eq!(text(plain.levels(0)), "levels is 0, expected from 1 to 30");
    }
}
