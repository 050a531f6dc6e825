//! An even length: the even samples as real parts and the odd ones as imaginary parts of one complex
//! transform of half the length, which is then taken apart.

use std::sync::Arc;

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::long::Long;
use super::numbers::root_of_unity;

#[derive(Clone)]
pub(super) struct Even<T: Real> {
    half: usize,
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    /// ½ e^{−2πi k/N} for k from 1 to below N/4.
    twiddles: Vec<Complex<T>>,
    long: Option<Long<T>>,
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Inverse,
}

impl<T: Real> Even<T> {
    pub(super) fn new(len: usize, planner: &mut FftPlanner<T>) -> Self {
        let half = len / 2;
        Self {
            half,
            long: Long::<T>::suits(half).then(|| Long::new(half, planner)),
            forward: planner.plan_fft_forward(half),
            inverse: planner.plan_fft_inverse(half),
            twiddles: halves(len),
        }
    }

    /// Complex numbers of scratch for the transforms of pairs.
    pub(super) fn scratch(&self) -> usize {
        self.forward.get_outofplace_scratch_len().max(self.inverse.get_outofplace_scratch_len())
    }

    /// Complex numbers of workspace for [`Self::forward`].
    pub(super) fn work(&self) -> usize {
        match &self.long {
            Some(long) => long.work(),
            None => self.half + self.scratch(),
        }
    }

    pub(super) fn forward(&self, x: &[T], out: &mut [Complex<T>], work: &mut [Complex<T>]) {
        if let Some(long) = &self.long {
            return long.forward(x, &self.twiddles, out, work);
        }
        let (pairs, scratch) = work.split_at_mut(self.half);
        run(Pair { x, pairs: &mut *pairs });
        self.forward.process_outofplace_with_scratch(pairs, &mut out[..self.half], scratch);
        let first = out[0];
        out[0] = Complex::new(first.re + first.im, T::zero());
        out[self.half] = Complex::new(first.re - first.im, T::zero());
        self.untangle(out, Direction::Forward);
    }

    /// N/2 times the signal whose transform is `spectrum`, which is overwritten, in pairs.
    pub(super) fn inverse_pairs(
        &self,
        spectrum: &mut [Complex<T>],
        pairs: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
    ) {
        let (first, last) = (spectrum[0].re, spectrum[self.half].re);
        let scale = T::from_double(0.5);
        spectrum[0] = Complex::new(scale * (first + last), scale * (first - last));
        self.untangle(spectrum, Direction::Inverse);
        self.inverse.process_outofplace_with_scratch(&mut spectrum[..self.half], pairs, scratch);
    }

    /// From `Z_k = E_k + i O_k`, E and O the transforms of the even and the odd samples, to
    /// `X_k = E_k + w^k O_k` with `w = e^{−2πi/N}`; k and N/2 − k at once. The inverse is the same
    /// with −conj w.
    fn untangle(&self, z: &mut [Complex<T>], direction: Direction) {
        let half = self.half;
        if half < 2 {
            return;
        }
        if half.is_multiple_of(2) {
            z[half / 2] = z[half / 2].conj();
        }
        let count = (half - 1) / 2;
        let (left, right) = z[1..half].split_at_mut(count);
        let skipped = right.len() - count;
        let right = &mut right[skipped..];
        run(Untangle { left, right, twiddles: &self.twiddles, direction });
    }
}

/// ½ e^{−2πi k/N} for k from 1 to below N/4.
pub(super) fn halves<T: Real>(len: usize) -> Vec<Complex<T>> {
    let scale = T::from_double(0.5);
    (1..(len / 2).div_ceil(2)).map(|k| root_of_unity::<T>(k, len).scale(scale)).collect()
}

/// Even samples as real parts, odd ones as imaginary parts.
struct Pair<'a, T> {
    x: &'a [T],
    pairs: &'a mut [Complex<T>],
}

impl<T: Real> Task<T> for Pair<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        for (z, x) in self.pairs.iter_mut().zip(self.x.as_chunks::<2>().0) {
            *z = Complex::new(x[0], x[1]);
        }
    }
}

/// [`Even::untangle`] on the bins from 1 up and those from N/2 − 1 down, which come last first.
struct Untangle<'a, T> {
    left: &'a mut [Complex<T>],
    right: &'a mut [Complex<T>],
    twiddles: &'a [Complex<T>],
    direction: Direction,
}

impl<T: Real> Task<T> for Untangle<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let half = T::from_double(0.5);
        let sign = match self.direction {
            Direction::Forward => T::one(),
            Direction::Inverse => -T::one(),
        };
        let both = self.left.iter_mut().zip(self.right.iter_mut().rev());
        // Plain numbers and no complex ones: so the compiler sees the lanes in it.
        for ((a, b), w) in both.zip(self.twiddles) {
            let (sum_re, sum_im) = (a.re + b.re, a.im + b.im);
            let (less_re, less_im) = (a.re - b.re, a.im - b.im);
            // (a + conj b)/2 and −i w (a − conj b)/2.
            let (even_re, even_im) = (half * sum_re, half * less_im);
            let odd_re = sign * w.re * sum_im + w.im * less_re;
            let odd_im = w.im * sum_im - sign * w.re * less_re;
            *a = Complex::new(even_re + odd_re, even_im + odd_im);
            *b = Complex::new(even_re - odd_re, odd_im - even_im);
        }
    }
}
