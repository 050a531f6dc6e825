//! Transforms of p real numbers, m of them side by side, by the sums that define them.

use std::ops::Range;

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

use super::numbers::root_of_unity;
use super::rows::{Parts, widest};

/// Columns that are summed up before their sums are computed, and those whose sums are computed at once.
const BLOCK: usize = 16;
const ONCE: usize = 4;

/// Terms that are added up by themselves: half of the rounding of one long sum.
const TERMS: usize = 4;

#[derive(Clone)]
pub(super) struct Columns<T: Real> {
    m: usize,
    /// Values of a column that are computed: (p + 1)/2, and as many more as fill the last vector.
    count: usize,
    /// For the s of each vector: for r = 1 … (p − 1)/2, cos 2π rs/p of all, then −sin 2π rs/p.
    waves: Vec<T>,
}

impl<T: Real> Columns<T> {
    /// For odd p.
    pub(super) fn new(p: usize, m: usize, count: usize) -> Self {
        let widest = widest::<T>();
        let rows = (0..count).step_by(widest).flat_map(|s| (1..=p / 2).map(move |r| (r, s)));
        let row = |(r, first): (usize, usize)| {
            let waves = (first..first + widest).map(move |s| root_of_unity::<T>(r * s, p));
            waves.clone().map(|w| w.re).chain(waves.map(|w| w.im))
        };
        Self { m, count, waves: rows.flat_map(row).collect() }
    }

    /// Numbers of workspace.
    pub(super) fn reals(p: usize) -> usize {
        p * BLOCK
    }

    /// The value of every s of column q, times its twiddle, at `[q·count + s]`.
    pub(super) fn forward(&self, x: &[T], twiddles: [&[T]; 2], to: Parts<'_, T>, reals: &mut [T]) {
        run(Sums { columns: self, x, twiddles, to, rows: reals.as_chunks_mut::<BLOCK>().0 });
    }
}

struct Sums<'a, T: Real> {
    columns: &'a Columns<T>,
    x: &'a [T],
    twiddles: [&'a [T]; 2],
    to: Parts<'a, T>,
    /// `x_0`, `x_r + x_{p−r}` and `x_r − x_{p−r}` of a block of columns.
    rows: &'a mut [[T; BLOCK]],
}

impl<T: Real> Task<T> for Sums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let Self { columns, x, twiddles, to: [to_re, to_im], rows } = self;
        let Columns { m, count, waves } = columns;
        let (m, count, lanes) = (*m, *count, v.lanes());
        let p = x.len() / m;
        let h = p / 2;
        let (own, rows) = rows.split_at_mut(1);
        let (even, odd) = rows[..2 * h].split_at_mut(h);
        let (own, zero) = (&mut own[0], v.splat(T::zero()));
        // The vectors of a row of waves: as many of cosines as of sines.
        let wide = widest::<T>() / lanes;
        for first in (0..m).step_by(BLOCK) {
            let block = BLOCK.min(m - first);
            gather(x, first..first + block, m, own, [even, odd]);
            for s in 0..count / lanes {
                let waves = &v.whole(waves)[s / wide * 2 * wide * h..][..2 * wide * h];
                for (group, own) in own.as_chunks::<ONCE>().0.iter().enumerate() {
                    let q = group * ONCE;
                    if q >= block {
                        break;
                    }
                    let (mut re, mut im) = ([zero; ONCE], [zero; ONCE]);
                    for i in 0..ONCE {
                        re[i] = v.splat(own[i]);
                    }
                    let samples = even.chunks(TERMS).zip(odd.chunks(TERMS));
                    for (waves, (even, odd)) in waves.chunks(2 * wide * TERMS).zip(samples) {
                        let (mut some_re, mut some_im) = ([zero; ONCE], [zero; ONCE]);
                        let waves = waves.chunks_exact(2 * wide);
                        for (waves, (even, odd)) in waves.zip(even.iter().zip(odd)) {
                            let (cosines, sines) = (waves[s % wide], waves[wide + s % wide]);
                            let even = &even.as_chunks::<ONCE>().0[group];
                            let odd = &odd.as_chunks::<ONCE>().0[group];
                            for i in 0..ONCE {
                                some_re[i] = v.mul_add(cosines, even[i], some_re[i]);
                                some_im[i] = v.mul_add(sines, odd[i], some_im[i]);
                            }
                        }
                        for i in 0..ONCE {
                            re[i] = v.plus(re[i], some_re[i]);
                            im[i] = v.plus(im[i], some_im[i]);
                        }
                    }
                    for i in 0..ONCE.min(block - q) {
                        let at = (first + q + i) * count + s * lanes;
                        let cos = v.whole(&twiddles[0][at..at + lanes])[0];
                        let sin = v.whole(&twiddles[1][at..at + lanes])[0];
                        let less = v.product_add(im[i], sin, zero);
                        let turned = v.product_add(re[i], cos, v.minus(zero, less));
                        v.whole_mut(&mut to_re[at..at + lanes])[0] = turned;
                        let turned = v.product_add(im[i], cos, v.product_add(re[i], sin, zero));
                        v.whole_mut(&mut to_im[at..at + lanes])[0] = turned;
                    }
                }
            }
        }
    }
}

/// Sample 0 of the columns, and sums and differences of samples r and p − r.
#[inline(always)]
fn gather<T: Real>(
    x: &[T],
    columns: Range<usize>,
    m: usize,
    own: &mut [T; BLOCK],
    [even, odd]: [&mut [[T; BLOCK]]; 2],
) {
    let block = columns.len();
    own[..block].copy_from_slice(&x[columns.clone()]);
    let h = even.len();
    for (r, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
        let row = |r: usize| &x[r * m + columns.start..r * m + columns.end];
        let (ahead, behind) = (row(r + 1), row(2 * h - r));
        if let (Some(ahead), Some(behind)) =
            (ahead.first_chunk::<BLOCK>(), behind.first_chunk::<BLOCK>())
        {
            for lane in 0..BLOCK {
                even[lane] = ahead[lane] + behind[lane];
                odd[lane] = ahead[lane] - behind[lane];
            }
        } else {
            for lane in 0..block {
                even[lane] = ahead[lane] + behind[lane];
                odd[lane] = ahead[lane] - behind[lane];
            }
        }
    }
}
