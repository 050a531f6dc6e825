//! The Fourier transform of a real signal of any length.

use std::fmt;
use std::sync::Arc;

use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use crate::{Error, Result};

/// The transform of real signals of one length: planned once, used many times.
///
/// ```text
/// forward   X_k = Σ_n x_n e^{−2πi k n/N},          k = 0 … N/2
/// inverse   x_n = (1/N) Σ_k X_k e^{+2πi k n/N},    over all N values of k, X_{N−k} = conj X_k
/// ```
///
/// The forward transform is not scaled and the inverse carries the whole 1/N, as in NumPy and
/// MATLAB, so one undoes the other. The signal being real, `X_{N−k}` is the conjugate of `X_k`, and
/// the N/2 + 1 values (rounded down) from zero frequency up say everything. `X_0` is real, and so is
/// `X_{N/2}` for even N; no other bin is, and nothing is gained by setting imaginary parts to zero.
///
/// An even length takes one complex transform of half the length, an odd one a complex transform
/// of the whole. Any length takes O(N log N) time, a prime one five to ten times that of a power
/// of two.
///
/// # Examples
/// ```
/// use dsp::fft::RealFft;
/// let fft = RealFft::<f64>::new(4)?;
/// let spectrum = fft.forward(&[1.0, 2.0, 3.0, 4.0])?;
/// // By hand: 1 + 2 + 3 + 4, (1 − 3) + i(4 − 2), 1 − 2 + 3 − 4.
/// assert_eq!(spectrum.len(), 3);
/// assert_eq!((spectrum[0].re, spectrum[2].re), (10.0, -2.0));
/// assert!((spectrum[1].re + 2.0).abs() < 1e-15 && (spectrum[1].im - 2.0).abs() < 1e-15);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// The even case: Sorensen, Jones, Heideman, Burrus, "Real-valued fast Fourier transform
/// algorithms", IEEE Trans. ASSP 35(6):849-863, 1987, section on the N/2-point method.
#[derive(Clone)]
pub struct RealFft<T: Real> {
    len: usize,
    /// Of half the length where that is even, else of the whole.
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    /// e^{−2πi k/N} for k = 0 … N/4, for even N.
    twiddles: Vec<Complex<T>>,
}

impl<T: Real> RealFft<T> {
    /// Plans the transform of `len` samples.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a length of 0.
    pub fn new(len: usize) -> Result<Self> {
        if len == 0 {
            return Err(Error::OutOfRange {
                argument: "len",
                value: 0.0,
                expected: "at least 1 sample",
            });
        }
        let is_even = len.is_multiple_of(2);
        let planned = if is_even { len / 2 } else { len };
        let mut planner = FftPlanner::new();
        let twiddle = |k: usize| {
            let angle = -std::f64::consts::TAU * k as f64 / len as f64;
            Complex::new(T::from_double(angle.cos()), T::from_double(angle.sin()))
        };
        Ok(Self {
            len,
            forward: planner.plan_fft_forward(planned),
            inverse: planner.plan_fft_inverse(planned),
            twiddles: if is_even { (0..=len / 4).map(twiddle).collect() } else { Vec::new() },
        })
    }

    /// N, the samples of a signal.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a plan is for at least one sample")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// N/2 + 1 (rounded down), the values of a transform.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.len / 2 + 1
    }

    /// The transform of `x`: `X_0` to `X_{N/2}`.
    ///
    /// A NaN or an infinity among the samples spreads over all of it.
    ///
    /// # Errors
    /// [`Error::Length`] where `x` has not as many samples as were planned for.
    pub fn forward(&self, x: &[T]) -> Result<Vec<Complex<T>>> {
        if x.len() != self.len {
            return Err(Error::Length { argument: "x", found: x.len(), expected: self.len });
        }
        if self.len.is_multiple_of(2) {
            // z_n = x_{2n} + i x_{2n+1}, so that Z holds the transforms of both halves.
            let mut z: Vec<_> =
                x.chunks_exact(2).map(|pair| Complex::new(pair[0], pair[1])).collect();
            self.forward.process(&mut z);
            z.push(z[0]);
            self.untangle(&mut z);
            Ok(z)
        } else {
            let mut z: Vec<_> = x.iter().map(|&value| Complex::new(value, T::zero())).collect();
            self.forward.process(&mut z);
            z.truncate(self.bins());
            Ok(z)
        }
    }

    /// The signal whose transform is `spectrum`, `X_0` to `X_{N/2}`.
    ///
    /// The imaginary part of `X_0`, and of `X_{N/2}` for even N, belongs to no real signal and is not
    /// read.
    ///
    /// # Errors
    /// [`Error::Length`] where `spectrum` has not N/2 + 1 values.
    pub fn inverse(&self, spectrum: &[Complex<T>]) -> Result<Vec<T>> {
        if spectrum.len() != self.bins() {
            return Err(Error::Length {
                argument: "spectrum",
                found: spectrum.len(),
                expected: self.bins(),
            });
        }
        let mut z = spectrum.to_vec();
        z[0].im = T::zero();
        let scale = T::from_double(1.0 / self.len as f64);
        if self.len.is_multiple_of(2) {
            z[self.len / 2].im = T::zero();
            self.tangle(&mut z);
            z.truncate(self.len / 2);
            self.inverse.process(&mut z);
            Ok(z.iter().flat_map(|pair| [pair.re * scale, pair.im * scale]).collect())
        } else {
            z.extend(spectrum[1..].iter().rev().map(Complex::conj));
            self.inverse.process(&mut z);
            Ok(z.iter().map(|value| value.re * scale).collect())
        }
    }

    /// From `Z_k = E_k + i O_k`, E and O the transforms of the even and the odd samples, to
    /// `X_k = E_k + w^k O_k` with `w = e^{−2πi/N}`; k and N/2 − k at once.
    fn untangle(&self, z: &mut [Complex<T>]) {
        let (half, scale) = (self.len / 2, T::from_double(0.5));
        for (k, &w) in self.twiddles.iter().enumerate() {
            let (a, b) = (z[k], z[half - k].conj());
            let even = (a + b).scale(scale);
            let odd = times_i((b - a).scale(scale)) * w;
            z[k] = even + odd;
            z[half - k] = (even - odd).conj();
        }
    }

    /// The inverse of [`Self::untangle`], times 2.
    fn tangle(&self, z: &mut [Complex<T>]) {
        let half = self.len / 2;
        for (k, &w) in self.twiddles.iter().enumerate() {
            let (a, b) = (z[k], z[half - k].conj());
            let even = a + b;
            let odd = times_i((a - b) * w.conj());
            z[k] = even + odd;
            z[half - k] = (even - odd).conj();
        }
    }
}

impl<T: Real> fmt::Debug for RealFft<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RealFft").field("len", &self.len).finish_non_exhaustive()
    }
}

fn times_i<T: Real>(z: Complex<T>) -> Complex<T> {
    Complex::new(-z.im, z.re)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, in double precision, with exact angles reduced modulo N.
    fn transform(x: &[f64]) -> Vec<Complex<f64>> {
        let n = x.len();
        (0..=n / 2)
            .map(|k| {
                let term = |(j, &value): (usize, &f64)| {
                    let angle = -std::f64::consts::TAU * (j * k % n) as f64 / n as f64;
                    Complex::from_polar(value, angle)
                };
                x.iter().enumerate().map(term).sum()
            })
            .collect()
    }

    /// Root of the mean square difference, over that of the values.
    fn relative<T: Real>(found: &[Complex<T>], expected: &[Complex<f64>]) -> f64 {
        let wide = |z: &Complex<T>| Complex::new(z.re.to_double(), z.im.to_double());
        let error: f64 = found.iter().zip(expected).map(|(f, e)| (wide(f) - e).norm_sqr()).sum();
        let scale: f64 = expected.iter().map(Complex::norm_sqr).sum();
        (error / scale).sqrt()
    }

    fn signal(n: usize) -> Vec<f64> {
        // An irrational rotation: no symmetry, no zero mean, no seed.
        (0..n).map(|i| (i as f64 * 0.618_033_988_749_894_9).fract() - 0.25).collect()
    }

    #[test]
    fn the_transform_is_the_sum_that_defines_it() {
        // Rounding grows with the depth of the factorisation: c eps log2 N, c = 4 with room for
        // Bluestein's three transforms at prime lengths and for the sum's own rounding.
        for n in (1..=40).chain([97, 100, 127, 128, 240, 251, 256, 1000, 1009]) {
            let x = signal(n);
            let depth = (n as f64).log2().max(1.0);
            let expected = transform(&x);
            let error = relative(&RealFft::new(n).unwrap().forward(&x).unwrap(), &expected);
            assert!(error <= 4.0 * f64::EPSILON * depth, "n = {n}: {error:e}");

            let narrow: Vec<f32> = x.iter().map(|&value| f32::from_double(value)).collect();
            let error = relative(&RealFft::new(n).unwrap().forward(&narrow).unwrap(), &expected);
            assert!(error <= 4.0 * f64::from(f32::EPSILON) * depth, "n = {n}, f32: {error:e}");
        }
    }

    #[test]
    fn a_tone_of_amplitude_one_has_half_its_length_in_its_own_bin() {
        let n = 480;
        let tone = |i| (std::f64::consts::TAU * 7.0 * f64::from(i) / f64::from(n) + 0.3).cos();
        let spectrum = RealFft::new(480).unwrap().forward(&(0..n).map(tone).collect::<Vec<f64>>());
        for (k, value) in spectrum.unwrap().iter().enumerate() {
            let expected = if k == 7 { Complex::from_polar(240.0, 0.3) } else { Complex::ZERO };
            assert!((value - expected).norm() < 240.0 * 1e-14, "bin {k}: {value}");
        }
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_forward_transform(
            x in prop::collection::vec(-1.0..1.0, 1..200),
        ) {
            let fft = RealFft::<f64>::new(x.len()).unwrap();
            let back = fft.inverse(&fft.forward(&x).unwrap()).unwrap();
            prop_assert_eq!(back.len(), x.len());
            for (a, b) in back.iter().zip(&x) {
                // Two transforms of eps log2 N each, on values up to 1 and sums up to sqrt N.
                prop_assert!((a - b).abs() < 1e-14, "{} {}", a, b);
            }
        }

        /// Σ x² = (1/N) Σ |X|², the sum over all N bins.
        #[test]
        fn the_energy_is_the_same_on_both_sides(x in prop::collection::vec(-1.0..1.0, 1..200)) {
            let n = x.len();
            let spectrum: Vec<Complex<f64>> = RealFft::new(n).unwrap().forward(&x).unwrap();
            let twice = |k: usize| if k == 0 || 2 * k == n { 1.0 } else { 2.0 };
            let there: f64 =
                spectrum.iter().enumerate().map(|(k, z)| twice(k) * z.norm_sqr()).sum();
            let here: f64 = x.iter().map(|value| value * value).sum();
            prop_assert!((there / n as f64 - here).abs() <= 1e-13 * (1.0 + here));
        }
    }

    #[test]
    fn what_no_real_signal_has_is_not_read_by_the_inverse() {
        let fft = RealFft::new(4).unwrap();
        let odd = Complex::new(0.0, 5.0);
        let back = fft.inverse(&[odd + 4.0, Complex::ZERO, odd]).unwrap();
        assert_eq!(back, [1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn wrong_lengths_are_named() {
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(RealFft::<f64>::new(0).unwrap_err()),
            "len is 0, expected at least 1 sample"
        );
        let fft = RealFft::new(4).unwrap();
        assert_eq!(text(fft.forward(&[1.0; 5]).unwrap_err()), "x has 5 samples, expected 4");
        assert_eq!(
            text(fft.inverse(&[Complex::ZERO; 4]).unwrap_err()),
            "spectrum has 4 samples, expected 3"
        );
    }
}
