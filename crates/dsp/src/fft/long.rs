//! A long even length N, a multiple of 100: pairs of samples, 25 transforms that stay in the cache, and all of it
//! taken apart at once.
//!
//! With h = N/2 = 25m pairs z,
//!
//! ```text
//! Z_{25k+s} = Σ_q e^{−2πi kq/m} [ e^{−2πi sq/h} Σ_r z_{q+mr} e^{−2πi sr/25} ],    s = −12 … 12
//! ```
//!
//! so that the twiddles of s and −s are conjugates. The samples are paired on the way into the first step and the
//! bins taken apart on the way out of the last, which is two passes over memory less. And these twiddles are exact, which
//! those inside are not: at 10⁶ samples the error is a third smaller for it.

use std::sync::Arc;

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::numbers::root_of_unity;

/// Rows, and columns that are transformed together.
const ROWS: usize = 25;
const BLOCK: usize = 64;

/// Values of a row that are taken apart together.
const STRETCH: usize = 32;

#[derive(Clone)]
pub(super) struct Long<T: Real> {
    m: usize,
    each: Arc<dyn Fft<T>>,
    /// e^{−2πi sq/h} for s = 1 … 12: cosines and sines.
    twiddles: Vec<[Vec<T>; 2]>,
    /// e^{−2πi s/25}, and cos 2πs/5 + i sin 2πs/5 for s = 1 and 2.
    turns: [Complex<T>; ROWS],
    fifths: [Complex<T>; 2],
}

impl<T: Real> Long<T> {
    /// Whether so many pairs are as many as it is for: more than the second cache holds. In single precision the
    /// twiddles inside are as exact, and the whole took a tenth longer.
    pub(super) fn suits(half: usize) -> bool {
        half.is_multiple_of(2 * ROWS) && half > 1 << 17 && size_of::<T>() == size_of::<f64>()
    }

    pub(super) fn new(half: usize, planner: &mut FftPlanner<T>) -> Self {
        let m = half / ROWS;
        let twiddles = (1..=ROWS / 2).map(|s| {
            let waves = (0..m).map(|q| root_of_unity::<T>(s * q, half));
            let (cos, sin) = waves.map(|w| (w.re, w.im)).unzip();
            [cos, sin]
        });
        Self {
            m,
            each: planner.plan_fft_forward(m),
            twiddles: twiddles.collect(),
            turns: std::array::from_fn(|s| root_of_unity(s, ROWS)),
            fifths: [1, 2].map(|s| root_of_unity::<T>(s, 5).conj()),
        }
    }

    /// Complex numbers of workspace.
    pub(super) fn work(&self) -> usize {
        ROWS * self.m + self.each.get_inplace_scratch_len()
    }

    /// `halves` are ½ e^{−2πi k/N}, k from 1.
    pub(super) fn forward(
        &self,
        x: &[T],
        halves: &[Complex<T>],
        out: &mut [Complex<T>],
        work: &mut [Complex<T>],
    ) {
        let (rows, scratch) = work.split_at_mut(ROWS * self.m);
        run(Columns { long: self, x, rows });
        for row in rows.chunks_exact_mut(self.m) {
            self.each.process_with_scratch(row, scratch);
        }
        run(Untangle { rows, halves, out });
    }
}

/// The first step: row s has e^{−2πi sq/h} times bin s of the transform over r of z at q + mr, for all q.
struct Columns<'a, T: Real> {
    long: &'a Long<T>,
    x: &'a [T],
    rows: &'a mut [Complex<T>],
}

impl<T: Real> Task<T> for Columns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let Self { long, x, rows } = self;
        let (m, lanes) = (long.m, v.lanes());
        let mut re = [[T::zero(); BLOCK]; ROWS];
        let mut im = re;
        for first in (0..m).step_by(BLOCK) {
            let count = BLOCK.min(m - first);
            for (r, (re, im)) in re.iter_mut().zip(&mut im).enumerate() {
                let pairs = x[2 * (r * m + first)..][..2 * count].as_chunks::<2>().0;
                for ((re, im), pair) in re.iter_mut().zip(im).zip(pairs) {
                    (*re, *im) = (pair[0], pair[1]);
                }
            }
            for at in (0..BLOCK).step_by(lanes) {
                // With r = 5a + b and s = c + 5d: over a, times e^{−2πi bc/25}, over b.
                for b in 0..5 {
                    let places = [b, b + 5, b + 10, b + 15, b + 20];
                    fifth(v, &mut re, &mut im, places, at, long.fifths);
                    for c in 1..if b == 0 { 1 } else { 5 } {
                        let (turn, place) = (long.turns[b * c], places[c]);
                        let (re, im) = (&mut re[place][at..], &mut im[place][at..]);
                        let (x, y) = (v.whole(re)[0], v.whole(im)[0]);
                        v.whole_mut(re)[0] = v.mul_add(y, -turn.im, v.times(x, turn.re));
                        v.whole_mut(im)[0] = v.mul_add(x, turn.im, v.times(y, turn.re));
                    }
                }
                for c in (0..ROWS).step_by(5) {
                    let places = [c, c + 1, c + 2, c + 3, c + 4];
                    fifth(v, &mut re, &mut im, places, at, long.fifths);
                }
            }
            for s in 0..ROWS {
                let (re, im) = (&re[s % 5 * 5 + s / 5][..count], &im[s % 5 * 5 + s / 5][..count]);
                let row = &mut rows[s * m + first..][..count];
                let Some(turn) = s.min(ROWS - s).checked_sub(1) else {
                    for (z, (&re, &im)) in row.iter_mut().zip(re.iter().zip(im)) {
                        *z = Complex::new(re, im);
                    }
                    continue;
                };
                let [cos, sin] = &long.twiddles[turn];
                let sign = if s > ROWS / 2 { -T::one() } else { T::one() };
                let turns = cos[first..first + count].iter().zip(&sin[first..first + count]);
                for ((z, (&re, &im)), (&cos, &sin)) in
                    row.iter_mut().zip(re.iter().zip(im)).zip(turns)
                {
                    let sin = sign * sin;
                    *z = Complex::new(re * cos - im * sin, re * sin + im * cos);
                }
            }
        }
    }
}

/// The transform of five rows of a block, in place, in the lanes from `at` on.
#[inline(always)]
fn fifth<T: Real, V: Vectors<T>>(
    v: V,
    re: &mut [[T; BLOCK]; ROWS],
    im: &mut [[T; BLOCK]; ROWS],
    places: [usize; 5],
    at: usize,
    [one, two]: [Complex<T>; 2],
) {
    // Spelled out, because the compiler leaves what maps over an array of vectors to a call.
    let load = |k: usize| [v.whole(&re[places[k]][at..])[0], v.whole(&im[places[k]][at..])[0]];
    let z = [load(0), load(1), load(2), load(3), load(4)];
    let plus = |a: [V::Vector; 2], b: [V::Vector; 2]| [v.plus(a[0], b[0]), v.plus(a[1], b[1])];
    let minus = |a: [V::Vector; 2], b: [V::Vector; 2]| [v.minus(a[0], b[0]), v.minus(a[1], b[1])];
    let along = |a: [V::Vector; 2], x: T, b: [V::Vector; 2]| {
        [v.mul_add(a[0], x, b[0]), v.mul_add(a[1], x, b[1])]
    };
    let times = |a: [V::Vector; 2], x: T| [v.times(a[0], x), v.times(a[1], x)];
    let (a, c) = (plus(z[1], z[4]), minus(z[1], z[4]));
    let (b, d) = (plus(z[2], z[3]), minus(z[2], z[3]));
    let t1 = along(a, one.re, along(b, two.re, z[0]));
    let t2 = along(a, two.re, along(b, one.re, z[0]));
    let u1 = along(c, one.im, times(d, two.im));
    let u2 = along(c, two.im, times(d, -one.im));
    // t − iu and t + iu.
    let less = |t: [V::Vector; 2], u: [V::Vector; 2]| [v.plus(t[0], u[1]), v.minus(t[1], u[0])];
    let more = |t: [V::Vector; 2], u: [V::Vector; 2]| [v.minus(t[0], u[1]), v.plus(t[1], u[0])];
    let y = [plus(z[0], plus(a, b)), less(t1, u1), less(t2, u2), more(t2, u2), more(t1, u1)];
    for k in 0..5 {
        v.whole_mut(&mut re[places[k]][at..])[0] = y[k][0];
        v.whole_mut(&mut im[places[k]][at..])[0] = y[k][1];
    }
}

/// Bins of the samples from those of the pairs, as [`super::even::Even`] has them, which lie in rows.
struct Untangle<'a, T> {
    rows: &'a [Complex<T>],
    halves: &'a [Complex<T>],
    out: &'a mut [Complex<T>],
}

impl<T: Real> Task<T> for Untangle<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let Self { rows, halves, out } = self;
        let (h, m) = (rows.len(), rows.len() / ROWS);
        let half = T::from_double(0.5);
        let apart = |a: Complex<T>, b: Complex<T>, w: Complex<T>| {
            let (sum_re, sum_im) = (a.re + b.re, a.im + b.im);
            let (less_re, less_im) = (a.re - b.re, a.im - b.im);
            let (even_re, even_im) = (half * sum_re, half * less_im);
            let odd_re = w.re * sum_im + w.im * less_re;
            let odd_im = w.im * sum_im - w.re * less_re;
            [
                Complex::new(even_re + odd_re, even_im + odd_im),
                Complex::new(even_re - odd_re, odd_im - even_im),
            ]
        };
        // Bin k lies in row k mod 25, but that those of the upper half have −s for s and begin one later.
        let row = |s: usize| &rows[s * m..(s + 1) * m];
        let later = |s: usize| usize::from(s > ROWS / 2);
        let bin = |k: usize| row(k % ROWS)[(k / ROWS + later(k % ROWS)) % m];
        out[0] = Complex::new(rows[0].re + rows[0].im, T::zero());
        out[h] = Complex::new(rows[0].re - rows[0].im, T::zero());
        out[h / 2] = bin(h / 2).conj();
        for k in 1..ROWS {
            [out[k], out[h - k]] = apart(bin(k), bin(h - k), halves[k - 1]);
        }
        // Bins 25j … 25j + 24, and h − 25j − 24 … h − 25j, which come last first.
        let count = m / 2 - 1;
        let ahead: [_; ROWS] = std::array::from_fn(|s| &row(s)[1 + later(s)..][..count]);
        let behind: [_; ROWS] =
            std::array::from_fn(|s| &row((ROWS - s) % ROWS)[m - later(s) - count..][..count]);
        let (front, back) = out[ROWS..h + 1 - ROWS].split_at_mut(h / 2 - ROWS);
        let mut front = front.as_chunks_mut::<ROWS>().0.iter_mut();
        let mut back = back[1..].as_chunks_mut::<ROWS>().0.iter_mut().rev();
        let mut turns = halves[ROWS - 1..].as_chunks::<ROWS>().0.iter();
        // From copies of a stretch of each row: fifty rows at once are more than the processor foresees.
        let mut near = [[Complex::new(T::zero(), T::zero()); STRETCH]; ROWS];
        let mut far = near;
        for first in (0..count).step_by(STRETCH) {
            let some = STRETCH.min(count - first);
            for s in 0..ROWS {
                near[s][..some].copy_from_slice(&ahead[s][first..first + some]);
                far[s][..some].copy_from_slice(&behind[s][count - first - some..count - first]);
            }
            let bins = front.by_ref().zip(back.by_ref()).zip(turns.by_ref()).take(some);
            for (j, ((front, back), turns)) in bins.enumerate() {
                for s in 0..ROWS {
                    let z = apart(near[s][j], far[s][some - 1 - j], turns[s]);
                    [front[s], back[ROWS - 1 - s]] = z;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fft::even::halves;

    #[test]
    fn rows_and_their_untangling_are_the_sum_that_defines_the_transform() {
        // One block and less, and more than one; m = 2 leaves nothing to the loop over j.
        for half in [50, 100, 150, 3250] {
            let (n, long) = (2 * half, Long::<f64>::new(half, &mut FftPlanner::new()));
            let x: Vec<f64> =
                (0..n).map(|i| (i as f64 * 0.618_033_988_749_894_9).fract() - 0.25).collect();
            let mut found = vec![Complex::ZERO; half + 1];
            let mut work = vec![Complex::ZERO; long.work()];
            long.forward(&x, &halves(n), &mut found, &mut work);
            let roots: Vec<Complex<f64>> = (0..n).map(|k| root_of_unity(k, n)).collect();
            let (mut error, mut scale) = (0.0, 0.0);
            for (k, found) in found.iter().enumerate() {
                let expected: Complex<f64> =
                    x.iter().enumerate().map(|(j, x)| roots[j * k % n] * *x).sum();
                error += (found - expected).norm_sqr();
                scale += expected.norm_sqr();
            }
            // Rounding grows with the depth of the factorization, and the sum's own with √n.
            let limit = f64::EPSILON * (4.0 * (n as f64).log2() + (n as f64).sqrt());
            let error = (error / scale).sqrt();
            assert!(error <= limit, "{n}: {error:e}");
        }
    }
}
