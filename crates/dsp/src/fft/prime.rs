//! A prime length p: one cyclic convolution of real numbers.
//!
//! With g a primitive root modulo p, `n = g^q` and `k = g^{−s}` make of the transform a convolution,
//! `X_{g^{−s}} = x_0 + Σ_q x_{g^q} b_{s−q}`, `b_t = e^{−2πi g^{−t}/p}`. Half a period later b is its own
//! conjugate: its real part has the period (p − 1)/2 and its imaginary part changes sign there. So
//! the convolution c with the real sequence Re b + Im b holds everything,
//!
//! ```text
//! Re X = x_0 + (c_s + c_{s+(p−1)/2})/2,    Im X = (c_s − c_{s+(p−1)/2})/2,
//! ```
//!
//! and costs two real transforms of p − 1 samples where the usual way takes two complex ones: one there and
//! one back, which is a forward transform too (Hartley's, of Re + Im). Where p − 1 has a large factor, the
//! convolution is padded to a length that transforms fast.
//!
//! C. M. Rader, "Discrete Fourier transforms when the number of data samples is prime", Proc. IEEE
//! 56(6):1107-1108, 1968.

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::FftPlanner;

use super::even::Even;
use super::numbers::{factors, primitive_root, root_of_unity, smooth};
use crate::fused::Fused;

/// A factor of p − 1 above which padding is faster.
const LARGEST_FACTOR: usize = 31;

#[derive(Clone)]
pub(super) struct Prime<T: Real> {
    len: usize,
    /// `g^q` modulo p for q = 0 … p − 2.
    gather: Vec<usize>,
    /// Where bin `g^{−s}` modulo p goes, for s = 0 … (p − 3)/2: 2k, or 2k + 1 where it is the conjugate of
    /// bin k ≤ p/2.
    scatter: Vec<usize>,
    convolution: usize,
    even: Even<T>,
    /// The transform of Re b + Im b, scaled for the way there and back.
    kernel: Vec<Complex<T>>,
}

impl<T: Real> Prime<T> {
    pub(super) fn new(len: usize, planner: &mut FftPlanner<T>) -> Self {
        let order = len - 1;
        let is_smooth = factors(order).last().is_none_or(|&largest| largest <= LARGEST_FACTOR);
        let convolution = if is_smooth { order } else { smooth(2 * order - 1) };
        let root = primitive_root(len);
        let mut gather = vec![1; order];
        for q in 1..order {
            gather[q] = gather[q - 1] * root % len;
        }
        let bin = |s: usize| gather[(order - s) % order];
        let scatter = (0..order / 2).map(|s| (2 * bin(s)).min(2 * (len - bin(s)) + 1)).collect();

        // The way back carries N; the half is that of (c ± c)/2.
        let scale = 0.5 / convolution as f64;
        let sample = |t: usize| {
            let b = root_of_unity::<f64>(gather[(order - t) % order], len);
            (b.re + b.im) * scale
        };
        let mut signal = vec![0.0; convolution];
        for t in 0..order {
            signal[t] = sample(t);
            if convolution > order && t > 0 {
                // Where it wraps around, b continues with its period.
                signal[convolution - t] = sample(order - t);
            }
        }
        let kernel = spectrum(signal).into_iter().map(|z| {
            let part = T::from_double;
            Complex::new(part(z.re), part(z.im))
        });
        let kernel = kernel.collect();
        let even = Even::new(convolution, planner);
        Self { len, gather, scatter, convolution, even, kernel }
    }

    pub(super) fn reals(&self) -> usize {
        self.convolution
    }

    pub(super) fn work(&self) -> usize {
        self.convolution / 2 + 1 + self.even.work()
    }

    pub(super) fn forward(
        &self,
        x: &[T],
        out: &mut [Complex<T>],
        reals: &mut [T],
        work: &mut [Complex<T>],
    ) {
        let (n, used) = (self.convolution, self.len / 2);
        let signal = &mut reals[..n];
        let (spectrum, work) = work.split_at_mut(n / 2 + 1);
        for (value, &from) in signal.iter_mut().zip(&self.gather) {
            *value = x[from];
        }
        signal[2 * used..].fill(T::zero());
        self.even.forward(signal, spectrum, work);
        out[0] = Complex::new(x[0] + spectrum[0].re, T::zero());
        run(Products { spectrum, kernel: &self.kernel, signal });
        self.even.forward(signal, spectrum, work);

        let (here, half_on) = (&spectrum[..used], &spectrum[1..=used]);
        if n == 2 * used {
            // c_{s+n/2} lies at the conjugate of bin n/2 − s.
            let half_on = half_on.iter().rev().map(|z| z.re - z.im);
            self.scatter(x[0], here, half_on, out);
        } else {
            let half_on = spectrum[used..].iter().map(|z| z.re + z.im);
            self.scatter(x[0], here, half_on, out);
        }
    }

    /// The bins, from `c_s`, which is Re + Im of `here`, and `c_{s+(p−1)/2}`.
    #[inline(always)]
    fn scatter(
        &self,
        first: T,
        here: &[Complex<T>],
        half_on: impl Iterator<Item = T>,
        out: &mut [Complex<T>],
    ) {
        let signs = [T::one(), -T::one()];
        for ((&place, z), half_on) in self.scatter.iter().zip(here).zip(half_on) {
            let here = z.re + z.im;
            // No branch: every second bin is a conjugate, in no order.
            let im = signs[place % 2] * (here - half_on);
            out[place / 2] = Complex::new(first + here + half_on, im);
        }
    }
}

/// The transform of a signal of even length, as the mean of those of the signal turned by 0 to 3 samples
/// and turned back: their errors differ, so that of the mean is about half of one's.
fn spectrum(mut signal: Vec<f64>) -> Vec<Complex<f64>> {
    const TURNS: usize = 4;
    let n = signal.len();
    let even = Even::new(n, &mut FftPlanner::new());
    let (mut one, mut work) = (vec![Complex::ZERO; n / 2 + 1], vec![Complex::ZERO; even.work()]);
    let mut mean = one.clone();
    for turn in 0..TURNS {
        even.forward(&signal, &mut one, &mut work);
        for (k, (mean, one)) in mean.iter_mut().zip(&one).enumerate() {
            *mean += one * root_of_unity::<f64>(k * turn, n) / TURNS as f64;
        }
        signal.rotate_left(1);
    }
    mean
}

/// Each bin times that of the kernel, and of the product z over all bins the signal Re z + Im z.
struct Products<'a, T> {
    spectrum: &'a [Complex<T>],
    kernel: &'a [Complex<T>],
    signal: &'a mut [T],
}

impl<T: Real> Task<T> for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        let fused = Fused::of(vectors);
        let Self { spectrum, kernel, signal } = self;
        let half = signal.len() / 2;
        let product = |z: &Complex<T>, w: &Complex<T>| {
            (fused.add(z.re, w.re, -(z.im * w.im)), fused.add(z.re, w.im, z.im * w.re))
        };
        signal[0] = product(&spectrum[0], &kernel[0]).0;
        signal[half] = product(&spectrum[half], &kernel[half]).0;
        let (left, right) = signal[1..].split_at_mut(half - 1);
        let bins = spectrum[1..half].iter().zip(&kernel[1..half]);
        for ((z, w), (ahead, behind)) in bins.zip(left.iter_mut().zip(right[1..].iter_mut().rev()))
        {
            let (re, im) = product(z, w);
            (*ahead, *behind) = (re + im, re - im);
        }
    }
}
