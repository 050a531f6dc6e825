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
//! and costs two real transforms of p − 1 samples where the usual way takes two complex ones, one there and
//! one back. Where p − 1 has a large factor, the convolution is padded to a length that transforms fast.
//!
//! C. M. Rader, "Discrete Fourier transforms when the number of data samples is prime", Proc. IEEE
//! 56(6):1107-1108, 1968.

use std::sync::Arc;

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::even::{Even, halves};
use super::numbers::{factors, primitive_root, root_of_unity, smooth};
use crate::fused::Fused;

/// A factor of p − 1 above which padding is faster.
const LARGEST_FACTOR: usize = 31;

#[derive(Clone)]
pub(super) struct Prime<T: Real> {
    len: usize,
    /// `g^q` modulo p for q = 0 … p − 2.
    gather: Vec<u32>,
    /// Where bin `g^{−s}` modulo p goes, for s = 0 … (p − 3)/2: 2k, or 2k + 1 where it is the conjugate of
    /// bin k ≤ p/2.
    scatter: Vec<u32>,
    /// Half of the samples of the convolution, which are transformed in pairs.
    half: usize,
    there: Arc<dyn Fft<T>>,
    back: Arc<dyn Fft<T>>,
    /// ½ e^{−2πi k/N} for k from 1 to below N/4, N the samples of the convolution.
    twiddles: Vec<Complex<T>>,
    /// The transform of Re b + Im b, scaled for the way there and back.
    kernel: Vec<Complex<T>>,
}

impl<T: Real> Prime<T> {
    #[expect(clippy::cast_possible_truncation, reason = "a length is at most 2^32, a prime below")]
    pub(super) fn new(len: usize, planner: &mut FftPlanner<T>) -> Self {
        let order = len - 1;
        let is_smooth = factors(order).last().is_none_or(|&largest| largest <= LARGEST_FACTOR);
        let convolution = if is_smooth { order } else { smooth(2 * order - 1) };
        let root = primitive_root(len);
        let mut powers = vec![1; order];
        for q in 1..order {
            powers[q] = powers[q - 1] * root % len;
        }
        let bin = |s: usize| powers[(order - s) % order];
        let place = |s: usize| (2 * bin(s)).min(2 * (len - bin(s)) + 1) as u32;

        // The way back carries N/2, and the half is that of (c ± c)/2.
        let scale = 1.0 / convolution as f64;
        let sample = |t: usize| {
            let b = root_of_unity::<f64>(bin(t), len);
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
        let part = T::from_double;
        let kernel = spectrum(signal).into_iter().map(|z| Complex::new(part(z.re), part(z.im)));
        let half = convolution / 2;
        Self {
            len,
            kernel: kernel.collect(),
            scatter: (0..order / 2).map(place).collect(),
            gather: powers.into_iter().map(|power| power as u32).collect(),
            half,
            there: planner.plan_fft_forward(half),
            back: planner.plan_fft_inverse(half),
            twiddles: halves(convolution),
        }
    }

    /// Complex numbers of workspace.
    pub(super) fn work(&self) -> usize {
        let scratch = |fft: &Arc<dyn Fft<T>>| fft.get_outofplace_scratch_len();
        2 * self.half + scratch(&self.there).max(scratch(&self.back))
    }

    /// Of `x[0]`, `x[stride]`, and so on.
    pub(super) fn forward(
        &self,
        x: &[T],
        stride: usize,
        out: &mut [Complex<T>],
        work: &mut [Complex<T>],
    ) {
        let (pairs, work) = work.split_at_mut(self.half);
        let (values, scratch) = work.split_at_mut(self.half);
        let (samples, rest) = pairs.split_at_mut(self.len / 2);
        for (pair, &[even, odd]) in samples.iter_mut().zip(self.gather.as_chunks::<2>().0) {
            *pair = Complex::new(x[even as usize * stride], x[odd as usize * stride]);
        }
        rest.fill(Complex::new(T::zero(), T::zero()));
        self.there.process_outofplace_with_scratch(pairs, values, scratch);
        out[0] = Complex::new(x[0] + values[0].re + values[0].im, T::zero());
        self.convolve(values);
        self.back.process_outofplace_with_scratch(values, pairs, scratch);
        self.scatter(x[0], pairs, out);
    }

    /// From the transform of pairs of samples to that of pairs of samples of the convolution.
    fn convolve(&self, values: &mut [Complex<T>]) {
        let half = self.half;
        let (ends, scale) = (values[0], T::from_double(0.5));
        let first = scale * self.kernel[0].re * (ends.re + ends.im);
        let last = scale * self.kernel[half].re * (ends.re - ends.im);
        values[0] = Complex::new(first + last, first - last);
        if half.is_multiple_of(2) {
            values[half / 2] = (values[half / 2].conj() * self.kernel[half / 2]).conj();
        }
        let count = (half - 1) / 2;
        let (left, right) = values[1..].split_at_mut(count);
        let (skipped, kernel) = (right.len() - count, &self.kernel[1..half]);
        let right = &mut right[skipped..];
        let kernels = [&kernel[..count], &kernel[kernel.len() - count..]];
        run(Convolve { left, right, kernels, twiddles: &self.twiddles });
    }

    /// The bins, from `c_s` and `c_{s+(p−1)/2}`, which are pairs.
    fn scatter(&self, first: T, pairs: &[Complex<T>], out: &mut [Complex<T>]) {
        let used = self.len / 2;
        let here = &pairs[..used.div_ceil(2)];
        let half_on = &pairs[used / 2..];
        let places = self.scatter.chunks(2).zip(here);
        if used.is_multiple_of(2) {
            for ((places, here), half_on) in places.zip(half_on) {
                bins(first, places, [here.re, here.im], [half_on.re, half_on.im], out);
            }
        } else {
            // What follows the last is not used: it has one bin.
            let after = half_on[1..].iter().chain(&half_on[..1]);
            for ((places, here), (half_on, after)) in places.zip(half_on.iter().zip(after)) {
                bins(first, places, [here.re, here.im], [half_on.im, after.re], out);
            }
        }
    }
}

/// Two bins, or the last one.
#[inline(always)]
fn bins<T: Real>(first: T, places: &[u32], here: [T; 2], half_on: [T; 2], out: &mut [Complex<T>]) {
    let signs = [T::one(), -T::one()];
    for ((&place, here), half_on) in places.iter().zip(here).zip(half_on) {
        let place = place as usize;
        // No branch: every second bin is a conjugate, in no order.
        let im = signs[place % 2] * (here - half_on);
        out[place / 2] = Complex::new(first + here + half_on, im);
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

/// A real convolution among the transforms of pairs of samples, on the bins from 1 up and those from N/2 − 1
/// down, which come last first: taken apart as an even length is, each times its own of the kernel, and put
/// together again.
struct Convolve<'a, T> {
    left: &'a mut [Complex<T>],
    right: &'a mut [Complex<T>],
    kernels: [&'a [Complex<T>]; 2],
    twiddles: &'a [Complex<T>],
}

impl<T: Real> Task<T> for Convolve<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        let fused = Fused::of(vectors);
        let half = T::from_double(0.5);
        let [ahead, behind] = self.kernels;
        let both = self.left.iter_mut().zip(self.right.iter_mut().rev());
        let kernels = ahead.iter().zip(behind.iter().rev());
        // Plain numbers and no complex ones: so the compiler sees the lanes in it.
        for (((a, b), (k, l)), w) in both.zip(kernels).zip(self.twiddles) {
            let (even_re, even_im) = (half * (a.re + b.re), half * (a.im - b.im));
            let (sum_im, less_re) = (a.im + b.im, a.re - b.re);
            let odd_re = fused.add(w.re, sum_im, w.im * less_re);
            let odd_im = fused.add(w.im, sum_im, -(w.re * less_re));
            let (x_re, x_im) = (even_re + odd_re, even_im + odd_im);
            let (y_re, y_im) = (even_re - odd_re, odd_im - even_im);

            let (p_re, p_im) =
                (fused.add(x_re, k.re, -(x_im * k.im)), fused.add(x_re, k.im, x_im * k.re));
            let (q_re, q_im) =
                (fused.add(y_re, l.re, -(y_im * l.im)), fused.add(y_re, l.im, y_im * l.re));

            let (even_re, even_im) = (half * (p_re + q_re), half * (p_im - q_im));
            let (sum_im, less_re) = (p_im + q_im, p_re - q_re);
            let odd_re = fused.add(w.im, less_re, -(w.re * sum_im));
            let odd_im = fused.add(w.im, sum_im, w.re * less_re);
            *a = Complex::new(even_re + odd_re, even_im + odd_im);
            *b = Complex::new(even_re - odd_re, odd_im - even_im);
        }
    }
}
