//! Power densities averaged over segments: Welch's method, its one-segment case, and the cross-spectrum.

use linalg::{Complex, Real};

use crate::fft::{PairFft, Workspace, check_length, separate};
use crate::parallel::for_each_chunk;
use crate::spectrum::{Scaling, check_rate};
use crate::stft::check_signal;
use crate::window::Window;
use crate::{Error, Result};

/// What is taken off each segment before its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detrend {
    /// Nothing.
    Nothing,
    /// Its mean, which the window would spread over the first bins.
    Mean,
    /// The straight line of least squares.
    Line,
}

/// The segments of an average.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct WelchOptions {
    /// Samples of a segment: long segments tell frequencies apart, many segments scatter less. Default
    /// 256; a shorter signal is one segment.
    pub len: usize,
    /// Samples from one segment to the next. Default half a segment.
    pub hop: Option<usize>,
    /// Default Hann.
    pub window: Window,
    /// Default [`Detrend::Mean`].
    pub detrend: Detrend,
}

impl Default for WelchOptions {
    fn default() -> Self {
        Self { len: 256, hop: None, window: Window::Hann, detrend: Detrend::Mean }
    }
}

impl WelchOptions {
    /// Sets the samples of a segment.
    #[must_use]
    pub fn len(self, len: usize) -> Self {
        Self { len, ..self }
    }

    /// Sets the samples from one segment to the next.
    #[must_use]
    pub fn hop(self, hop: usize) -> Self {
        Self { hop: Some(hop), ..self }
    }

    /// Sets the window.
    #[must_use]
    pub fn window(self, window: Window) -> Self {
        Self { window, ..self }
    }

    /// Sets what is taken off each segment.
    #[must_use]
    pub fn detrend(self, detrend: Detrend) -> Self {
        Self { detrend, ..self }
    }
}

/// A power density, one-sided, and how far it can be trusted.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Density {
    /// In the square of the signal's unit per hertz, at k·[`Self::bin_width_hz`].
    pub density: Vec<f64>,
    /// The step of the frequency axis, `f_s/N` for segments of N samples.
    pub bin_width_hz: f64,
    /// Segments averaged.
    pub segments: usize,
    /// Standard error of each value over the value, for Gaussian noise whose density is even across a
    /// bin; 1 for one segment. Segments that overlap count for less than their number (Welch, section V).
    pub relative_std_error: f64,
}

/// The power density of `x`, averaged over segments.
///
/// ```text
/// S_k = mean over segments of 2 |Σ_n w_n x_n e^{−2πi kn/N}|² / (f_s Σ w_n²)
/// ```
///
/// without the 2 at zero frequency and, for even N, at half the sample rate. White noise of variance
/// σ² has `2σ²/f_s` in the mean. As `scipy.signal.welch`, the last samples that fill no segment are left out.
/// Two segments go into one transform, and their sum needs no separation.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`], and [`Error::OutOfRange`] for a sample rate that is not
/// positive and finite, a segment of no samples, or a hop that is 0 or above it.
///
/// # Examples
/// An alternating signal of amplitude 1 has its power, 1, at half the sample rate:
/// ```
/// use dsp::{welch::{WelchOptions, welch}, window::Window};
/// let x: Vec<f64> = (0..1000).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 }).collect();
/// let options = WelchOptions::default().len(100).window(Window::Rectangular);
/// let noise = welch(&x, 1000.0, &options)?;
/// assert_eq!((noise.segments, noise.bin_width_hz), (19, 10.0));
/// assert!((noise.density[50] * noise.bin_width_hz - 1.0).abs() < 1e-12);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans.
/// Audio Electroacoust. 15(2):70-73, 1967.
pub fn welch<T: Real>(x: &[T], sample_rate_hz: f64, options: &WelchOptions) -> Result<Density> {
    let plan = Plan::new(x, sample_rate_hz, options)?;
    let n = plan.pair.len();
    // A block's sum is kept in the signal's own precision, the sum of blocks in double.
    let pairs = plan.segments.div_ceil(2);
    let block = pairs.div_ceil(64).max(32);
    let mut sums = vec![T::zero(); n * pairs.div_ceil(block)];
    let state = || (plan.packed(), Workspace::default());
    for_each_chunk(&mut sums, n, state, |(packed, workspace), index, sums| {
        for pair in index * block..((index + 1) * block).min(pairs) {
            plan.load(x, 2 * pair, |n, value| packed[n] = Complex::new(value, T::zero()));
            if 2 * pair + 1 < plan.segments {
                plan.load(x, 2 * pair + 1, |n, value| packed[n].im = value);
            }
            plan.pair.process(packed, workspace);
            for (sum, z) in sums.iter_mut().zip(packed.iter()) {
                *sum += z.re * z.re + z.im * z.im;
            }
        }
    });
    let total = |k: usize| sums[k..].iter().step_by(n).map(|sum| sum.to_double()).sum::<f64>();
    // |A|² + |B|² = (|Z_k|² + |Z_{N−k}|²)/2.
    let density = (0..=n / 2)
        .map(|k| 0.5 * (total(k) + total((n - k) % n)) * plan.factor(k) / plan.segments as f64)
        .collect();
    Ok(Density {
        density,
        bin_width_hz: sample_rate_hz / n as f64,
        segments: plan.segments,
        relative_std_error: plan.relative_std_error(),
    })
}

/// The power density of all of `x` as one segment: [`welch`] with nothing averaged, so that each value
/// scatters by as much as it is, however long the signal.
///
/// # Errors
/// As [`welch`].
pub fn periodogram<T: Real>(x: &[T], sample_rate_hz: f64, window: Window) -> Result<Density> {
    let options = WelchOptions::default().len(x.len().max(1)).window(window);
    welch(x, sample_rate_hz, &options)
}

/// What two signals have in common, frequency by frequency.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct CrossDensity {
    /// Mean of `conj(X_k) Y_k`, scaled as a density: its angle is by how much y is ahead of x.
    pub density: Vec<Complex<f64>>,
    /// The density of x alone.
    pub x: Vec<f64>,
    /// The density of y alone.
    pub y: Vec<f64>,
    /// The step of the frequency axis.
    pub bin_width_hz: f64,
    /// Segments averaged.
    pub segments: usize,
}

impl CrossDensity {
    /// `|S_xy|²/(S_xx S_yy)` of each bin, from 0 for signals that have nothing in common to 1 for a filtered
    /// copy; 0 where one of them is silent. One segment alone gives 1 everywhere, and K give about 1/K for
    /// signals without any relation.
    #[must_use]
    pub fn coherence(&self) -> Vec<f64> {
        let of = |((z, x), y): ((&Complex<f64>, &f64), &f64)| {
            let both = x * y;
            if both > 0.0 { z.norm_sqr() / both } else { 0.0 }
        };
        self.density.iter().zip(&self.x).zip(&self.y).map(of).collect()
    }
}

/// The cross-density of `x` and `y`, averaged over segments like [`welch`], `conj(X) Y` as SciPy's `csd`.
///
/// # Errors
/// As [`welch`], and [`Error::Length`] where `y` is not as long as `x`.
///
/// # Examples
/// A signal and its delayed copy: coherent, with a phase that falls with frequency.
/// ```
/// use dsp::welch::{WelchOptions, cross_density};
/// let x: Vec<f64> = (0..4000).map(|n| ((n * n) as f64 * 0.618).fract() - 0.5).collect();
/// let y: Vec<f64> = (0..4000).map(|n| if n < 2 { 0.0 } else { x[n - 2] }).collect();
/// let both = cross_density(&x, &y, 1.0, &WelchOptions::default().len(64))?;
/// assert!(both.coherence()[8] > 0.9);
/// // Two samples at 1/8 of the sample rate are a quarter turn.
/// assert!((both.density[8].arg() + std::f64::consts::FRAC_PI_2).abs() < 0.1);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn cross_density<T: Real>(
    x: &[T],
    y: &[T],
    sample_rate_hz: f64,
    options: &WelchOptions,
) -> Result<CrossDensity> {
    let plan = Plan::new(x, sample_rate_hz, options)?;
    check_length("y", y.len(), x.len())?;
    check_signal(y)?;
    let n = plan.pair.len();
    let bins = n / 2 + 1;
    let mut density = vec![Complex::new(0.0, 0.0); bins];
    let (mut of_x, mut of_y) = (vec![0.0; bins], vec![0.0; bins]);
    let (mut packed, mut workspace) = (plan.packed(), Workspace::default());
    let wide = |z: Complex<T>| Complex::new(z.re.to_double(), z.im.to_double());
    for segment in 0..plan.segments {
        plan.load(x, segment, |n, value| packed[n].re = value);
        plan.load(y, segment, |n, value| packed[n].im = value);
        plan.pair.process(&mut packed, &mut workspace);
        let (left, right) = separate(&packed);
        for (k, (left, right)) in left.into_iter().zip(right).enumerate() {
            let (left, right) = (wide(left), wide(right));
            let factor = plan.factor(k) / plan.segments as f64;
            density[k] += (left.conj() * right).scale(factor);
            of_x[k] += left.norm_sqr() * factor;
            of_y[k] += right.norm_sqr() * factor;
        }
    }
    Ok(CrossDensity {
        density,
        x: of_x,
        y: of_y,
        bin_width_hz: sample_rate_hz / n as f64,
        segments: plan.segments,
    })
}

struct Plan<T: Real> {
    pair: PairFft<T>,
    window: Vec<T>,
    weights: Vec<f64>,
    factors: [f64; 2],
    detrend: Detrend,
    hop: usize,
    segments: usize,
}

impl<T: Real> Plan<T> {
    fn new(x: &[T], sample_rate_hz: f64, options: &WelchOptions) -> Result<Self> {
        check_rate(sample_rate_hz)?;
        check_signal(x)?;
        let refuse = |argument, value: usize, expected| {
            Err(Error::OutOfRange { argument, value: value as f64, expected })
        };
        if options.len == 0 {
            return refuse("len", 0, "at least 1 sample");
        }
        let len = options.len.min(x.len());
        let hop = options.hop.unwrap_or(len.div_ceil(2));
        if !(1..=options.len).contains(&hop) {
            return refuse("hop", hop, "1 sample to a whole segment");
        }
        let weights = options.window.samples(len);
        Ok(Self {
            pair: PairFft::new(len)?,
            window: weights.iter().map(|&w| T::from_double(w)).collect(),
            factors: Scaling::Density { sample_rate_hz }.factors(&weights)?,
            weights,
            detrend: options.detrend,
            hop,
            segments: (x.len() - len) / hop + 1,
        })
    }

    fn packed(&self) -> Vec<Complex<T>> {
        vec![Complex::new(T::zero(), T::zero()); self.pair.len()]
    }

    fn factor(&self, k: usize) -> f64 {
        let is_single = k == 0 || 2 * k == self.pair.len();
        self.factors[usize::from(is_single)]
    }

    /// Hands out the samples of a segment, detrended and windowed.
    fn load(&self, x: &[T], segment: usize, mut put: impl FnMut(usize, T)) {
        let start = segment * self.hop;
        let x = &x[start..start + self.window.len()];
        let (mean, slope) = match self.detrend {
            Detrend::Nothing => (T::zero(), T::zero()),
            Detrend::Mean => (mean(x), T::zero()),
            Detrend::Line => (mean(x), slope(x)),
        };
        if self.detrend == Detrend::Line {
            let middle = T::from_double(0.5 * (x.len() - 1) as f64);
            for (n, (&x, &w)) in x.iter().zip(&self.window).enumerate() {
                put(n, (x - mean - slope * (T::from_double(n as f64) - middle)) * w);
            }
        } else {
            for (n, (&x, &w)) in x.iter().zip(&self.window).enumerate() {
                put(n, (x - mean) * w);
            }
        }
    }

    /// `√((1 + 2 Σ_m (1 − m/K) ρ_m)/K)`, ρ the squared correlation of windows m hops apart.
    fn relative_std_error(&self) -> f64 {
        let (w, count) = (&self.weights, self.segments as f64);
        let product = |lag: usize| w.iter().zip(&w[lag..]).map(|(a, b)| a * b).sum::<f64>();
        let overlapping = (1..self.segments).take_while(|m| m * self.hop < w.len());
        let sum: f64 = overlapping
            .map(|m| (1.0 - m as f64 / count) * (product(m * self.hop) / product(0)).powi(2))
            .sum();
        ((1.0 + 2.0 * sum) / count).sqrt()
    }
}

fn mean<T: Real>(x: &[T]) -> T {
    // Eight sums at once: what one register of lanes holds.
    let mut sums = [T::zero(); 8];
    let chunks = x.chunks_exact(8);
    let rest = chunks.remainder().iter().fold(T::zero(), |sum, &x| sum + x);
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    sums.iter().fold(rest, |sum, &x| sum + x) * T::from_double(1.0 / x.len() as f64)
}

/// The slope of the line of least squares, per sample.
fn slope<T: Real>(x: &[T]) -> T {
    let n = x.len() as f64;
    if x.len() < 2 {
        return T::zero();
    }
    let middle = 0.5 * (n - 1.0);
    let moment: f64 = x.iter().enumerate().map(|(i, x)| (i as f64 - middle) * x.to_double()).sum();
    T::from_double(moment * 12.0 / (n * (n * n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    /// `x = np.arange(20)**2 % 7`; scipy.signal.welch(x, 10, nperseg=8), SciPy 1.17.1.
    #[test]
    fn it_is_scipys_welch() {
        let x: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
        let scipy =
            [0.085386002863, 0.389195226040, 0.600357443490, 0.454942881254, 0.080269660941];
        let found = welch(&x, 10.0, &WelchOptions::default().len(8)).unwrap();
        let line = welch(&x, 10.0, &WelchOptions::default().len(8).detrend(Detrend::Line)).unwrap();
        for (found, expected) in [
            (&found, scipy),
            (
                &line,
                [0.098931076619, 0.319421763948, 0.596624144816, 0.454782748057, 0.080269660941],
            ),
        ] {
            assert_eq!((found.segments, found.density.len()), (4, 5));
            for (a, b) in found.density.iter().zip(expected) {
                // Printed to 12 digits.
                assert!((a - b).abs() < 1e-11, "{a} {b}");
            }
        }
        let single: Vec<f32> = x.iter().map(|&x| f32::from_double(x)).collect();
        let single = welch(&single, 10.0, &WelchOptions::default().len(8)).unwrap();
        for (a, b) in single.density.iter().zip(scipy) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn noise_has_its_density_and_scatters_as_stated() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(9);
        for (len, hop) in [(64, 32), (63, 16), (128, 128)] {
            let options = WelchOptions::default().len(len).hop(hop);
            let (mut mean, mut square, mut count) = (0.0, 0.0, 0.0);
            let mut stated = 0.0;
            for _ in 0..60 {
                let x: Vec<f64> =
                    (0..4000).map(|_| (0..12).map(|_| rng.random_range(-0.5..0.5)).sum()).collect();
                let found = welch(&x, 2.0, &options).unwrap();
                stated = found.relative_std_error;
                // σ² = 1 and f_s = 2: the density is 1, away from the ends.
                for value in &found.density[3..len / 2 - 3] {
                    mean += value;
                    square += (value - 1.0).powi(2);
                    count += 1.0;
                }
            }
            mean /= count;
            assert!((mean - 1.0).abs() < 5.0 * stated / (count / 2.0).sqrt(), "{mean}");
            // Some 1500 values, neighbors correlated: 10 % is four standard errors.
            let scatter = (square / count).sqrt();
            assert!((scatter / stated - 1.0).abs() < 0.1, "{len}, {hop}: {scatter}, {stated}");
        }
    }

    #[test]
    fn two_signals_together_have_the_densities_that_each_has_alone() {
        let x: Vec<f64> = (0..500).map(|i| (f64::from(i) * 0.618).fract()).collect();
        let y: Vec<f64> = (0..500).map(|i| (f64::from(i * i) * 0.414).fract()).collect();
        let options = WelchOptions::default().len(50);
        let both = cross_density(&x, &y, 8.0, &options).unwrap();
        for (found, x) in [(&both.x, &x), (&both.y, &y)] {
            let alone = welch(x, 8.0, &options).unwrap();
            for (a, b) in found.iter().zip(&alone.density) {
                assert!((a - b).abs() < 1e-13, "{a} {b}");
            }
        }
        assert!(both.coherence().iter().all(|c| (0.0..=1.0 + 1e-12).contains(c)));
        let same = cross_density(&x, &x, 8.0, &options).unwrap();
        assert!(same.coherence()[1..].iter().all(|c| (c - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_periodogram_adds_up_to_the_power() {
        // Parseval: the sum of a rectangular window's densities times the bin width is the variance.
        for n in [1_usize, 2, 31, 64] {
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.618).fract()).collect();
            let mean = x.iter().sum::<f64>() / n as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let found = periodogram(&x, 3.0, Window::Rectangular).unwrap();
            let sum = found.density.iter().sum::<f64>() * found.bin_width_hz;
            assert!((sum - variance).abs() < 1e-14, "{sum} {variance}");
            assert!((found.relative_std_error - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn a_line_is_taken_off() {
        let x: Vec<f64> = (0..100).map(|i| 3.0 + 0.5 * f64::from(i)).collect();
        let options = WelchOptions::default().len(20).detrend(Detrend::Line);
        assert!(welch(&x, 1.0, &options).unwrap().density.iter().all(|&d| d < 1e-25));
    }

    #[test]
    fn bad_segments_are_named() {
        let text = |options: WelchOptions| welch(&[1.0], 1.0, &options).unwrap_err().to_string();
        let options = WelchOptions::default();
        assert_eq!(text(options.len(0)), "len is 0, expected at least 1 sample");
        assert_eq!(text(options.hop(0)), "hop is 0, expected 1 sample to a whole segment");
        assert_eq!(text(options.hop(257)), "hop is 257, expected 1 sample to a whole segment");
        let error = cross_density(&[1.0, 2.0], &[1.0], 1.0, &options).unwrap_err().to_string();
        assert_eq!(error, "y has 1 samples, expected 2");
        assert!(matches!(welch::<f64>(&[], 1.0, &options), Err(Error::Empty { .. })));
        assert!(matches!(welch(&[1.0], f64::NAN, &options), Err(Error::OutOfRange { .. })));
        assert!(matches!(welch(&[f32::NAN], 1.0, &options), Err(Error::NotFinite { .. })));
    }
}
