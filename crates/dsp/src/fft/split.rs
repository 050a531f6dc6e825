//! An odd length n = p·m: real transforms of p samples, then (p − 1)/2 complex ones of m.
//!
//! ```text
//! X_{s+pk} = Σ_q e^{−2πi kq/m} [ e^{−2πi sq/n} Σ_r x_{q+mr} e^{−2πi sr/p} ],    s = 0 … p − 1
//! ```
//!
//! The inner sums over r are transforms of real numbers, so those for s and p − s are conjugates and
//! half of the rows are enough; row 0 is real and is transformed as such. That is half the work of a
//! complex transform, which is what is left where the factors are taken the other way around.
//!
//! J. W. Cooley and J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series",
//! Math. Comp. 19(90):297-301, 1965 (decimation in frequency).

use std::sync::Arc;

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::Kernel;
use super::numbers::root_of_unity;
use crate::fused::Fused;

/// Columns that are transformed at once, in vector registers.
const LANES: usize = 8;

/// The longest column whose sums are what [`Columns`] computes, and the same divided by two; and that of
/// [`Short`] ones.
const LONGEST: usize = 61;
const MOST: usize = LONGEST / 2;
const SHORT: usize = 13;

#[derive(Clone)]
pub(super) struct Split<T: Real> {
    p: usize,
    m: usize,
    /// Of p samples, where their sums would take longer.
    column: Option<Kernel<T>>,
    /// Row 0.
    zeroth: Kernel<T>,
    rows: Arc<dyn Fft<T>>,
    /// e^{−2πi sr/p} for s, r = 1 … (p − 1)/2.
    waves: Vec<Complex<T>>,
    /// e^{−2πi sq/n}: for each block of lanes in q, for each s; and for the rest of the q.
    twiddles: Vec<[[T; LANES]; 2]>,
    tail: Vec<Complex<T>>,
}

impl<T: Real> Split<T> {
    /// For odd p and m, p prime.
    pub(super) fn new(p: usize, m: usize, planner: &mut FftPlanner<T>) -> Self {
        let (n, h) = (p * m, (p - 1) / 2);
        let blocks = if p > SHORT { 0 } else { m / LANES };
        let block = |first: usize, s: usize| {
            let lanes: [Complex<T>; LANES] =
                std::array::from_fn(|lane| root_of_unity(s * (first + lane), n));
            [lanes.map(|w| w.re), lanes.map(|w| w.im)]
        };
        Self {
            p,
            m,
            column: (p > LONGEST).then(|| Kernel::new(p, planner)),
            zeroth: Kernel::new(m, planner),
            rows: planner.plan_fft_forward(m),
            waves: (1..=h).flat_map(|s| (1..=h).map(move |r| root_of_unity(s * r, p))).collect(),
            twiddles: (0..blocks).flat_map(|b| (1..=h).map(move |s| block(b * LANES, s))).collect(),
            tail: (blocks * LANES..m)
                .flat_map(|q| (1..=h).map(move |s| root_of_unity(s * q, n)))
                .collect(),
        }
    }

    pub(super) fn reals(&self) -> usize {
        let column = self.column.as_ref().map_or(0, |column| self.p + column.reals());
        self.m + self.zeroth.reals().max(column)
    }

    pub(super) fn work(&self) -> usize {
        let row = self.rows.get_outofplace_scratch_len();
        let column = self.column.as_ref().map_or(0, Kernel::work);
        self.p * self.m + self.zeroth.work().max(row).max(column)
    }

    pub(super) fn forward(
        &self,
        x: &[T],
        out: &mut [Complex<T>],
        reals: &mut [T],
        work: &mut [Complex<T>],
    ) {
        let (p, m) = (self.p, self.m);
        let h = (p - 1) / 2;
        let (columns, work) = work.split_at_mut(h * m);
        let (rows, work) = work.split_at_mut(h * m);
        let (zeroth, work) = work.split_at_mut(m / 2 + 1);
        let (sums, reals) = reals.split_at_mut(m);
        match p {
            3 => run(Short::<T, 1> { split: self, x, sums: &mut *sums, columns: &mut *columns }),
            5 => run(Short::<T, 2> { split: self, x, sums: &mut *sums, columns: &mut *columns }),
            7 => run(Short::<T, 3> { split: self, x, sums: &mut *sums, columns: &mut *columns }),
            11 => run(Short::<T, 5> { split: self, x, sums: &mut *sums, columns: &mut *columns }),
            13 => run(Short::<T, 6> { split: self, x, sums: &mut *sums, columns: &mut *columns }),
            _ => match &self.column {
                None => {
                    let Self { waves, tail, .. } = self;
                    run(Columns {
                        x,
                        waves,
                        twiddles: tail,
                        sums: &mut *sums,
                        columns: &mut *columns,
                    });
                }
                Some(kernel) => {
                    let (samples, reals) = reals.split_at_mut(p);
                    for q in 0..m {
                        for (sample, x) in samples.iter_mut().zip(x[q..].iter().step_by(m)) {
                            *sample = *x;
                        }
                        // `rows` is free yet.
                        kernel.forward(samples, &mut rows[..=h], reals, work);
                        sums[q] = rows[0].re;
                        for (s, w) in self.tail[q * h..(q + 1) * h].iter().enumerate() {
                            columns[s * m + q] = rows[s + 1] * w;
                        }
                    }
                }
            },
        }
        self.zeroth.forward(sums, zeroth, reals, work);
        self.rows.process_outofplace_with_scratch(columns, rows, work);
        match p {
            3 => gather::<T, 1>(m, zeroth, rows, out),
            5 => gather::<T, 2>(m, zeroth, rows, out),
            7 => gather::<T, 3>(m, zeroth, rows, out),
            11 => gather::<T, 5>(m, zeroth, rows, out),
            13 => gather::<T, 6>(m, zeroth, rows, out),
            _ => {
                out[0] = zeroth[0];
                for s in 1..=h {
                    out[s] = rows[(s - 1) * m];
                }
                for k in 1..=m / 2 {
                    let around = &mut out[p * k - h..=p * k + h];
                    around[h] = zeroth[k];
                    for s in 1..=h {
                        around[h + s] = rows[(s - 1) * m + k];
                        around[h - s] = rows[s * m - k].conj();
                    }
                }
            }
        }
    }
}

/// The inner sums for p = 2H + 1, and their twiddles.
struct Short<'a, T: Real, const H: usize> {
    split: &'a Split<T>,
    x: &'a [T],
    sums: &'a mut [T],
    columns: &'a mut [Complex<T>],
}

impl<T: Real, const H: usize> Task<T> for Short<'_, T, H> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        let fused = Fused::of(vectors);
        let Self { split, x, sums, columns } = self;
        let (p, m, zero) = (2 * H + 1, split.m, T::zero());
        let waves: [[Complex<T>; H]; H] =
            std::array::from_fn(|s| std::array::from_fn(|r| split.waves[s * H + r]));
        let ahead: [&[T]; H] = std::array::from_fn(|r| &x[(r + 1) * m..(r + 2) * m]);
        let behind: [&[T]; H] = std::array::from_fn(|r| &x[(p - 1 - r) * m..(p - r) * m]);
        let mut rest = columns;
        let columns: [&mut [Complex<T>]; H] = std::array::from_fn(|_| {
            let (column, others) = std::mem::take(&mut rest).split_at_mut(m);
            rest = others;
            column
        });

        for (block, twiddles) in split.twiddles.chunks_exact(H).enumerate() {
            let q = block * LANES..(block + 1) * LANES;
            let lanes = |x: &[T]| -> [T; LANES] {
                let x = &x[q.clone()];
                std::array::from_fn(|lane| x[lane])
            };
            let first = lanes(x);
            let (mut even, mut odd, mut sum) = ([[zero; LANES]; H], [[zero; LANES]; H], first);
            for r in 0..H {
                let (a, b) = (lanes(ahead[r]), lanes(behind[r]));
                for lane in 0..LANES {
                    even[r][lane] = a[lane] + b[lane];
                    odd[r][lane] = a[lane] - b[lane];
                    sum[lane] += even[r][lane];
                }
            }
            sums[q.clone()].copy_from_slice(&sum);
            for s in 0..H {
                let (mut re, mut im) = (first, [zero; LANES]);
                for r in 0..H {
                    for lane in 0..LANES {
                        re[lane] = fused.add(even[r][lane], waves[s][r].re, re[lane]);
                        im[lane] = fused.add(odd[r][lane], waves[s][r].im, im[lane]);
                    }
                }
                let [cos, sin] = &twiddles[s];
                let column = &mut columns[s][q.clone()];
                for lane in 0..LANES {
                    column[lane] = Complex::new(
                        fused.add(re[lane], cos[lane], -(im[lane] * sin[lane])),
                        fused.add(re[lane], sin[lane], im[lane] * cos[lane]),
                    );
                }
            }
        }

        let done = m / LANES * LANES;
        for (q, twiddles) in (done..m).zip(split.tail.chunks_exact(H)) {
            let (mut sum, mut z) = (x[q], [Complex::new(x[q], zero); H]);
            for r in 0..H {
                let (even, odd) = (ahead[r][q] + behind[r][q], ahead[r][q] - behind[r][q]);
                sum += even;
                for s in 0..H {
                    z[s] += Complex::new(even * waves[s][r].re, odd * waves[s][r].im);
                }
            }
            sums[q] = sum;
            for s in 0..H {
                columns[s][q] = z[s] * twiddles[s];
            }
        }
    }
}

/// The same for any p up to [`LONGEST`], in the widest lanes there are.
struct Columns<'a, T> {
    x: &'a [T],
    waves: &'a [Complex<T>],
    twiddles: &'a [Complex<T>],
    sums: &'a mut [T],
    columns: &'a mut [Complex<T>],
}

impl<T: Real> Task<T> for Columns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        let fused = Fused::of(vectors);
        let Self { x, waves, twiddles, sums, columns } = self;
        let (m, zero) = (sums.len(), T::zero());
        let p = x.len() / m;
        let h = (p - 1) / 2;
        let (mut even, mut odd) = ([[zero; LANES]; MOST], [[zero; LANES]; MOST]);
        for first in (0..m).step_by(LANES) {
            let count = LANES.min(m - first);
            let row = |r: usize| &x[r * m + first..r * m + first + count];
            let mut own = [zero; LANES];
            own[..count].copy_from_slice(row(0));
            let mut sum = own;
            for (r, (even, odd)) in (1..=h).zip(even.iter_mut().zip(&mut odd)) {
                let both = row(r).iter().zip(row(p - r));
                for ((&a, &b), (even, odd)) in both.zip(even.iter_mut().zip(odd)) {
                    (*even, *odd) = (a + b, a - b);
                }
                for lane in 0..LANES {
                    sum[lane] += even[lane];
                }
            }
            sums[first..first + count].copy_from_slice(&sum[..count]);
            for (s, waves) in waves.chunks_exact(h).enumerate() {
                let (mut re, mut im) = (own, [zero; LANES]);
                // Four at a time: half of the rounding of one long sum.
                for (waves, (even, odd)) in waves.chunks(4).zip(even.chunks(4).zip(odd.chunks(4))) {
                    let (mut some_re, mut some_im) = ([zero; LANES], [zero; LANES]);
                    for (w, (even, odd)) in waves.iter().zip(even.iter().zip(odd)) {
                        for lane in 0..LANES {
                            some_re[lane] = fused.add(even[lane], w.re, some_re[lane]);
                            some_im[lane] = fused.add(odd[lane], w.im, some_im[lane]);
                        }
                    }
                    for lane in 0..LANES {
                        re[lane] += some_re[lane];
                        im[lane] += some_im[lane];
                    }
                }
                let column = &mut columns[s * m + first..s * m + first + count];
                let twiddles = twiddles[first * h + s..].iter().step_by(h);
                for ((z, w), (&re, &im)) in column.iter_mut().zip(twiddles).zip(re.iter().zip(&im))
                {
                    *z = Complex::new(re, im) * w;
                }
            }
        }
    }
}

/// The bins in order, `out[pk ± s]`, for p = 2H + 1.
fn gather<T: Real, const H: usize>(
    m: usize,
    zeroth: &[Complex<T>],
    rows: &[Complex<T>],
    out: &mut [Complex<T>],
) {
    let rows: [&[Complex<T>]; H] = std::array::from_fn(|s| &rows[s * m..(s + 1) * m]);
    out[0] = zeroth[0];
    for s in 0..H {
        out[s + 1] = rows[s][0];
    }
    let around = out[H + 1..].chunks_exact_mut(2 * H + 1);
    for ((k, around), &z) in (1..).zip(around).zip(&zeroth[1..]) {
        around[H] = z;
        for s in 0..H {
            around[H + 1 + s] = rows[s][k];
            around[H - 1 - s] = rows[s][m - k].conj();
        }
    }
}
