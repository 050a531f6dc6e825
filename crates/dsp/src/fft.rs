//! The Fourier transform of a real signal of any length, and of two at once.

use std::fmt;

use linalg::{Complex, Real};
use rustfft::FftPlanner;

use crate::{Error, Result};

#[cfg(test)]
mod accuracy;
mod columns;
mod direct;
mod even;
mod long;
mod numbers;
mod pair;
mod prime;
mod rows;
mod split;

use direct::Direct;
use even::Even;
pub use pair::{PairFft, Spectra, separate};
use prime::Prime;
use split::Split;

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
/// Any length takes O(N log N) time and half of what a complex transform of N values takes:
///
/// | N | how |
/// |---|---|
/// | even | one complex transform of N/2 values |
/// | a multiple of 100 above 262,144, `f64` | the same by 25 of N/50 values, which fit a cache |
/// | prime | a real convolution of N − 1 values (Rader), padded where N − 1 has a large factor |
/// | odd | N = p·m, p the factor that makes the least work: m real transforms of p samples, (p + 1)/2 complex ones of m, several in a vector |
/// | odd, up to 31 | the sums themselves |
///
/// A prime length takes three to five times as long as its even neighbors.
///
/// Root mean square errors over those of the values, in units of eps·log₂ N (at most 3.4 by theory, 6.8 with
/// large prime factors), on white noise, beside those of SciPy 1.17.1:
///
/// | N | here | SciPy |
/// |---|---|---|
/// | 1024 | 0.10 | 0.10 |
/// | 65,536 | 0.09 | 0.08 |
/// | 44,100 | 0.15 | 0.10 |
/// | 1,000,000 | 0.08 | 0.06 |
/// | 999 = 27·37, 11,025, 30,021 = 3·10,007 | 0.10, 0.10, 0.18 | 0.11, 0.10, 0.17 |
/// | 1009, 10,007, 65,537, primes | 0.26, 0.19, 0.18 | 0.22, 0.20, 0.28 |
/// | 100,003, 1,000,003, primes | 0.18, 0.17 | 0.22, 0.15 |
///
/// What even lengths err more than SciPy's is from the complex transforms inside: rustfft takes the cosine of a
/// rounded angle, so that its cos 2π/3 is −0.4999999999999998. Those of odd lengths are ours.
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
/// H. V. Sorensen, D. L. Jones, M. T. Heideman, C. S. Burrus, "Real-valued fast Fourier transform
/// algorithms", IEEE Trans. ASSP 35(6):849-863, 1987.
#[derive(Clone)]
pub struct RealFft<T: Real> {
    len: usize,
    kernel: Kernel<T>,
}

/// Buffers that transforms work in, grown to what they need: one for each thread, kept from one
/// transform to the next.
#[derive(Debug, Clone, Default)]
pub struct Workspace<T: Real> {
    reals: Vec<T>,
    complex: Vec<Complex<T>>,
}

impl<T: Real> Workspace<T> {
    fn both(&mut self, reals: usize, complex: usize) -> (&mut [T], &mut [Complex<T>]) {
        (aligned(&mut self.reals, reals, T::zero()), aligned(&mut self.complex, complex, zero()))
    }

    fn complex(&mut self, count: usize) -> &mut [Complex<T>] {
        aligned(&mut self.complex, count, zero())
    }
}

fn zero<T: Real>() -> Complex<T> {
    Complex::new(T::zero(), T::zero())
}

/// So many of `numbers`, made more where these are not enough, from the start of a cache line: a vector that is as
/// long as a line else lies in two.
fn aligned<N: Copy>(numbers: &mut Vec<N>, count: usize, zero: N) -> &mut [N] {
    const LINE: usize = 64;
    let slack = LINE / size_of::<N>();
    if numbers.len() < count + slack {
        numbers.resize(count + slack, zero);
    }
    // Where the offset is not to be had, they begin somewhere else, and all else holds.
    let start = numbers.as_ptr().align_offset(LINE).min(slack);
    &mut numbers[start..start + count]
}

impl<T: Real> RealFft<T> {
    /// Plans the transform of `len` samples.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a length of 0, or above 2³², which is 34 GB of samples and a plan of several times that.
    pub fn new(len: usize) -> Result<Self> {
        check_len(len)?;
        Ok(Self { len, kernel: Kernel::new(len, &mut FftPlanner::new()) })
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
        let mut spectrum = vec![Complex::new(T::zero(), T::zero()); self.bins()];
        self.forward_into(x, &mut spectrum, &mut Workspace::default())?;
        Ok(spectrum)
    }

    /// [`Self::forward`] into `spectrum`, without taking memory once `workspace` has grown.
    ///
    /// # Errors
    /// [`Error::Length`] where `x` has not N samples or `spectrum` not N/2 + 1.
    ///
    /// # Examples
    /// ```
    /// use dsp::fft::{RealFft, Workspace};
    /// use linalg::Complex;
    /// let fft = RealFft::<f64>::new(3)?;
    /// let mut spectrum = vec![Complex::ZERO; fft.bins()];
    /// let mut workspace = Workspace::default();
    /// for frame in [[1.0, 1.0, 1.0], [2.0, 0.0, 4.0]] {
    ///     fft.forward_into(&frame, &mut spectrum, &mut workspace)?;
    ///     assert_eq!(spectrum[0].re, frame.iter().sum());
    /// }
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn forward_into(
        &self,
        x: &[T],
        spectrum: &mut [Complex<T>],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        check_length("x", x.len(), self.len)?;
        check_length("spectrum", spectrum.len(), self.bins())?;
        self.forward_planned(x, spectrum, workspace);
        Ok(())
    }

    /// [`Self::forward_into`] of the right lengths.
    pub(crate) fn forward_planned(
        &self,
        x: &[T],
        spectrum: &mut [Complex<T>],
        workspace: &mut Workspace<T>,
    ) {
        let (reals, complex) = workspace.both(self.kernel.reals(), self.kernel.work());
        self.kernel.forward(x, spectrum, reals, complex);
    }

    /// The signal whose transform is `spectrum`, `X_0` to `X_{N/2}`.
    ///
    /// The imaginary part of `X_0`, and of `X_{N/2}` for even N, belongs to no real signal and is not
    /// read.
    ///
    /// # Errors
    /// [`Error::Length`] where `spectrum` has not N/2 + 1 values.
    pub fn inverse(&self, spectrum: &[Complex<T>]) -> Result<Vec<T>> {
        let mut x = vec![T::zero(); self.len];
        self.inverse_into(spectrum, &mut x, &mut Workspace::default())?;
        Ok(x)
    }

    /// [`Self::inverse`] into `x`, without taking memory once `workspace` has grown.
    ///
    /// # Errors
    /// [`Error::Length`] where `spectrum` has not N/2 + 1 values or `x` not N.
    ///
    /// # Examples
    /// ```
    /// use dsp::fft::{RealFft, Workspace};
    /// use linalg::Complex;
    /// let fft = RealFft::<f64>::new(3)?;
    /// let (mut x, mut workspace) = ([0.0; 3], Workspace::default());
    /// fft.inverse_into(&[Complex::new(6.0, 0.0), Complex::ZERO], &mut x, &mut workspace)?;
    /// assert!(x.iter().all(|x| (x - 2.0).abs() < 1e-15));
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn inverse_into(
        &self,
        spectrum: &[Complex<T>],
        x: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        check_length("spectrum", spectrum.len(), self.bins())?;
        check_length("x", x.len(), self.len)?;
        self.inverse_planned(spectrum, x, workspace);
        Ok(())
    }

    /// [`Self::inverse_into`] of the right lengths.
    pub(crate) fn inverse_planned(
        &self,
        spectrum: &[Complex<T>],
        x: &mut [T],
        workspace: &mut Workspace<T>,
    ) {
        if let Kernel::Even(even) = &self.kernel {
            let half = self.len / 2;
            let (_, work) = workspace.both(0, self.len + 1 + even.scratch());
            let (copy, work) = work.split_at_mut(half + 1);
            let (pairs, scratch) = work.split_at_mut(half);
            copy.copy_from_slice(spectrum);
            even.inverse_pairs(copy, pairs, scratch);
            let scale = T::from_double(1.0 / half as f64);
            for (x, pair) in x.chunks_exact_mut(2).zip(pairs.iter()) {
                x.copy_from_slice(&[pair.re * scale, pair.im * scale]);
            }
        } else {
            self.inverse_by_forward(spectrum, x, workspace);
        }
    }

    /// The inverse by a forward transform, for odd lengths. With `y_k = Re X_k + Im X_k` over all k,
    /// whose transform is Y, `N x_n = Re Y_n + Im Y_n`: the cosines come from the even part of y and the
    /// sines from the odd part (Hartley's transform, which is its own inverse).
    fn inverse_by_forward(
        &self,
        spectrum: &[Complex<T>],
        x: &mut [T],
        workspace: &mut Workspace<T>,
    ) {
        let n = self.len;
        let (reals, work) =
            workspace.both(n + self.kernel.reals(), self.bins() + self.kernel.work());
        let (y, reals) = reals.split_at_mut(n);
        let (transform, work) = work.split_at_mut(self.bins());
        y[0] = spectrum[0].re;
        for (k, z) in spectrum.iter().enumerate().skip(1) {
            y[k] = z.re + z.im;
            y[n - k] = z.re - z.im;
        }
        self.kernel.forward(y, transform, reals, work);
        let scale = T::from_double(1.0 / n as f64);
        x[0] = transform[0].re * scale;
        for (k, z) in transform.iter().enumerate().skip(1) {
            x[k] = (z.re + z.im) * scale;
            x[n - k] = (z.re - z.im) * scale;
        }
    }
}

/// How a length is transformed. Buffers have the sizes that `reals` and `work` say, or more.
#[derive(Clone)]
enum Kernel<T: Real> {
    Direct(Direct<T>),
    Even(Even<T>),
    Prime(Box<Prime<T>>),
    Split(Box<Split<T>>),
}

impl<T: Real> Kernel<T> {
    fn new(len: usize, planner: &mut FftPlanner<T>) -> Self {
        if len.is_multiple_of(2) {
            return Self::Even(Even::new(len, planner));
        }
        if len <= direct::LONGEST {
            return Self::Direct(Direct::new(len));
        }
        match split::columns::<T>(len) {
            Some(columns) => Self::Split(Box::new(Split::new(columns, len / columns, planner))),
            None => Self::Prime(Box::new(Prime::new(len, planner))),
        }
    }

    fn reals(&self) -> usize {
        match self {
            Self::Split(split) => split.reals(),
            Self::Direct(_) | Self::Even(_) | Self::Prime(_) => 0,
        }
    }

    fn work(&self) -> usize {
        match self {
            Self::Direct(_) => 0,
            Self::Even(even) => even.work(),
            Self::Prime(prime) => prime.work(),
            Self::Split(split) => split.work(),
        }
    }

    fn forward(&self, x: &[T], out: &mut [Complex<T>], reals: &mut [T], work: &mut [Complex<T>]) {
        match self {
            Self::Direct(direct) => direct.forward(x, out),
            Self::Even(even) => even.forward(x, out, work),
            Self::Prime(prime) => prime.forward(x, 1, out, work),
            Self::Split(split) => split.forward(x, out, reals, work),
        }
    }
}

impl<T: Real> fmt::Debug for RealFft<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RealFft").field("len", &self.len).finish_non_exhaustive()
    }
}

pub(crate) fn check_len(len: usize) -> Result<()> {
    // What a plan takes that cannot be allocated ends the program, and its time has no end before that.
    if (1..=1 << 32).contains(&(len as u64)) {
        return Ok(());
    }
    let expected = "at least 1 sample, and at most 2^32";
    Err(Error::OutOfRange { argument: "len", value: len as f64, expected })
}

pub(crate) fn check_length(argument: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Length { argument, found, expected })
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
        // Rounding grows with the depth of the factorisation: c eps log2 N, c = 4 with room for the
        // two transforms and the kernel's at prime lengths, and for the sum's own rounding.
        for n in (1..=40).chain([
            45, 49, 63, 75, 97, 100, 121, 127, 128, 240, 243, 251, 256, 289, 407, 771, 921, 1000,
            1001, 1009, 1517, 2187,
        ]) {
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
            x in prop::collection::vec(-1.0..1.0, 1..260),
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
            "len is 0, expected at least 1 sample, and at most 2^32"
        );
        let fft = RealFft::new(4).unwrap();
        assert_eq!(text(fft.forward(&[1.0; 5]).unwrap_err()), "x has 5 samples, expected 4");
        assert_eq!(
            text(fft.inverse(&[Complex::ZERO; 4]).unwrap_err()),
            "spectrum has 4 samples, expected 3"
        );
    }
}
