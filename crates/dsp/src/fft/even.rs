//! An even length: the even samples as real parts and the odd ones as imaginary parts of one complex
//! transform of half the length, which is then taken apart.

use std::sync::Arc;

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::numbers::root_of_unity;

/// Bins that are taken apart at once: as many doubles as the widest registers hold.
const LANES: usize = 8;

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
        run(Untangle { left, right, twiddles: &self.twiddles, direction });
    }
}

/// [`Even::untangle`] on the bins from 1 up and those from N/2 − 1 down, which come last first.
struct Untangle<'a, T> {
    left: &'a mut [Complex<T>],
    right: &'a mut [Complex<T>],
    twiddles: &'a [[[T; LANES]; 2]],
    direction: Direction,
}

impl<T: Real> Task<T> for Untangle<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let Self { left, right, twiddles, direction } = self;
        let sign = match direction {
            Direction::Forward => T::one(),
            Direction::Inverse => -T::one(),
        };
        let whole = left.len() - left.len() % LANES;
        let (left, last_left) = left.split_at_mut(whole);
        let (last_right, right) = right.split_at_mut(right.len() - whole);
        let (left, _) = left.as_chunks_mut::<LANES>();
        let (right, _) = right.as_chunks_mut::<LANES>();
        for ((a, b), twiddles) in left.iter_mut().zip(right.iter_mut().rev()).zip(twiddles) {
            untangle_block(a, b, twiddles, sign);
        }
        if let Some(twiddles) = twiddles.get(whole / LANES) {
            // The rest as a block whose other lanes nobody reads.
            let zero = Complex::new(T::zero(), T::zero());
            let (mut a, mut b) = ([zero; LANES], [zero; LANES]);
            let count = last_left.len();
            a[..count].copy_from_slice(last_left);
            b[LANES - count..].copy_from_slice(last_right);
            untangle_block(&mut a, &mut b, twiddles, sign);
            last_left.copy_from_slice(&a[..count]);
            last_right.copy_from_slice(&b[LANES - count..]);
        }
    }
}

/// One block; `b` runs backwards.
#[inline(always)]
fn untangle_block<T: Real>(
    a: &mut [Complex<T>; LANES],
    b: &mut [Complex<T>; LANES],
    [re, im]: &[[T; LANES]; 2],
    sign: T,
) {
    let half = T::from_double(0.5);
    let mut after = [[T::zero(); LANES]; 4];
    let [a_re, a_im, b_re, b_im] = &mut after;
    for lane in 0..LANES {
        let (here, there) = (a[lane], b[LANES - 1 - lane]);
        let (sum_re, sum_im) = (here.re + there.re, here.im + there.im);
        let (less_re, less_im) = (here.re - there.re, here.im - there.im);
        // (a + conj b)/2 and −i w (a − conj b)/2.
        let (even_re, even_im) = (half * sum_re, half * less_im);
        let odd_re = sign * re[lane] * sum_im + im[lane] * less_re;
        let odd_im = im[lane] * sum_im - sign * re[lane] * less_re;
        (a_re[lane], a_im[lane]) = (even_re + odd_re, even_im + odd_im);
        (b_re[lane], b_im[lane]) = (even_re - odd_re, odd_im - even_im);
    }
    for lane in 0..LANES {
        a[lane] = Complex::new(a_re[lane], a_im[lane]);
        b[LANES - 1 - lane] = Complex::new(b_re[lane], b_im[lane]);
    }
}
