//! An even length: the even samples as real parts and the odd ones as imaginary parts of one complex
//! transform of half the length, which is then taken apart.

use std::sync::Arc;

use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::numbers::root_of_unity;

/// Bins that are taken apart at once, in vector registers where the compiler sees to it.
const LANES: usize = 4;

#[derive(Clone)]
pub(super) struct Even<T: Real> {
    half: usize,
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    /// ½ e^{−2πi k/N} for k = 1 … N/4, real and imaginary parts apart.
    twiddles: Vec<[[T; LANES]; 2]>,
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Inverse,
}

impl<T: Real> Even<T> {
    pub(super) fn new(len: usize, planner: &mut FftPlanner<T>) -> Self {
        let half = len / 2;
        let twiddles = (1..half.div_ceil(2)).step_by(LANES).map(|first| {
            let halves = |k| root_of_unity::<T>(k, len).scale(T::from_double(0.5));
            let lanes: [Complex<T>; LANES] = std::array::from_fn(|lane| halves(first + lane));
            [lanes.map(|w| w.re), lanes.map(|w| w.im)]
        });
        Self {
            half,
            forward: planner.plan_fft_forward(half),
            inverse: planner.plan_fft_inverse(half),
            twiddles: twiddles.collect(),
        }
    }

    /// Complex numbers of scratch for the transforms of pairs.
    pub(super) fn scratch(&self) -> usize {
        self.forward.get_outofplace_scratch_len().max(self.inverse.get_outofplace_scratch_len())
    }

    /// Complex numbers of workspace for [`Self::forward`].
    pub(super) fn work(&self) -> usize {
        self.half + self.scratch()
    }

    pub(super) fn forward(&self, x: &[T], out: &mut [Complex<T>], work: &mut [Complex<T>]) {
        let (pairs, scratch) = work.split_at_mut(self.half);
        for (z, x) in pairs.iter_mut().zip(x.chunks_exact(2)) {
            *z = Complex::new(x[0], x[1]);
        }
        self.forward_pairs(pairs, out, scratch);
    }

    /// The transform of the signal whose samples stand in `pairs`, which is overwritten.
    pub(super) fn forward_pairs(
        &self,
        pairs: &mut [Complex<T>],
        out: &mut [Complex<T>],
        scratch: &mut [Complex<T>],
    ) {
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
        let blocks = left.chunks_mut(LANES).zip(right.rchunks_mut(LANES)).zip(&self.twiddles);
        match direction {
            Direction::Forward => {
                blocks.for_each(|((a, b), [re, im])| untangle_block(a, b, re, im));
            }
            Direction::Inverse => blocks.for_each(|((a, b), [re, im])| {
                untangle_block(a, b, &re.map(|re| -re), im);
            }),
        }
    }
}

/// One block of [`Even::untangle`]: `b` runs backwards.
fn untangle_block<T: Real>(
    a: &mut [Complex<T>],
    b: &mut [Complex<T>],
    re: &[T; LANES],
    im: &[T; LANES],
) {
    let count = a.len();
    if count == LANES && b.len() == LANES {
        // The lengths are known here, which is what makes lanes of the loop below.
        untangle_lanes(&mut a[..LANES], &mut b[..LANES], re, im);
    } else {
        untangle_lanes(a, &mut b[..count], re, im);
    }
}

#[inline(always)]
fn untangle_lanes<T: Real>(
    a: &mut [Complex<T>],
    b: &mut [Complex<T>],
    re: &[T; LANES],
    im: &[T; LANES],
) {
    let count = a.len();
    let scale = T::from_double(0.5);
    let mut even = [Complex::new(T::zero(), T::zero()); LANES];
    let mut odd = even;
    for lane in 0..count {
        let (sum, difference) = (a[lane] + b[count - 1 - lane], a[lane] - b[count - 1 - lane]);
        // (a + conj b)/2 and −i w (a − conj b)/2.
        even[lane] = Complex::new(scale * sum.re, scale * difference.im);
        odd[lane] = Complex::new(
            re[lane] * sum.im + im[lane] * difference.re,
            im[lane] * sum.im - re[lane] * difference.re,
        );
    }
    for lane in 0..count {
        a[lane] = even[lane] + odd[lane];
        b[count - 1 - lane] = (even[lane] - odd[lane]).conj();
    }
}
