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
//! and costs two real transforms of p − 1 samples where the usual way takes two complex ones. Where
//! p − 1 has a large factor, the convolution is padded to a length that transforms fast.
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
    /// `g^q` for q = 0 … p − 2, and `g^{−s}` for s = 0 … (p − 3)/2, modulo p.
    gather: Vec<usize>,
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
        let scatter = (0..order / 2).map(|s| gather[(order - s) % order]).collect();

        // The pairs of the inverse transform carry N/2; the other half is that of (c ± c)/2.
        let scale = 1.0 / convolution as f64;
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

    pub(super) fn work(&self) -> usize {
        self.convolution + 1 + self.even.scratch()
    }

    pub(super) fn forward(&self, x: &[T], out: &mut [Complex<T>], work: &mut [Complex<T>]) {
        let (half, used) = (self.convolution / 2, (self.len - 1) / 2);
        let (pairs, work) = work.split_at_mut(half);
        let (spectrum, scratch) = work.split_at_mut(half + 1);
        let zero = Complex::new(T::zero(), T::zero());
        let mut sum = zero;
        for (z, from) in pairs.iter_mut().zip(self.gather.chunks_exact(2)) {
            *z = Complex::new(x[from[0]], x[from[1]]);
            sum += *z;
        }
        pairs[used..].fill(zero);
        self.even.forward_pairs(pairs, spectrum, scratch);
        run(Products(spectrum, &self.kernel));
        self.even.inverse_pairs(spectrum, pairs, scratch);

        out[0] = Complex::new(x[0] + sum.re + sum.im, T::zero());
        let c = |s: usize| if s.is_multiple_of(2) { pairs[s / 2].re } else { pairs[s / 2].im };
        for (s, &k) in self.scatter.iter().enumerate() {
            let (here, half_on) = (c(s), c(s + used));
            let z = Complex::new(x[0] + here + half_on, here - half_on);
            if k <= used {
                out[k] = z;
            } else {
                out[self.len - k] = z.conj();
            }
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

/// Numbers, each times that of the other slice.
struct Products<'a, T>(&'a mut [Complex<T>], &'a [Complex<T>]);

impl<T: Real> Task<T> for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        let fused = Fused::of(vectors);
        for (z, w) in self.0.iter_mut().zip(self.1) {
            let re = fused.add(z.re, w.re, -(z.im * w.im));
            let im = fused.add(z.re, w.im, z.im * w.re);
            *z = Complex::new(re, im);
        }
    }
}
