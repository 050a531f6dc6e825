//! A length n = p·m with odd p: real transforms of p samples, then (p + 1)/2 complex ones of m.
//!
//! ```text
//! X_{s+pk} = Σ_q e^{−2πi kq/m} [ e^{−2πi sq/n} Σ_r x_{q+mr} e^{−2πi sr/p} ],    s = 0 … p − 1
//! ```
//!
//! The inner sums over r are transforms of real numbers, so those for s and p − s are conjugates and
//! the rows for s = 0 … (p − 1)/2 are enough. That is half the work of a complex transform, which is what is left
//! where the factors are taken the other way around.
//!
//! J. W. Cooley and J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series",
//! Math. Comp. 19(90):297-301, 1965 (decimation in frequency).

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::FftPlanner;

use super::columns::Columns;
use super::numbers::{factors, root_of_unity};
use super::prime::Prime;
use super::rows::{Rows, widest};

/// The longest column whose sums are computed as they stand.
const LONGEST: usize = 300;

/// The largest prime factor that is left to the rows.
const ROW: usize = 31;

/// The factor p of `len`, an odd number, that makes the least work, if there is one below `len`.
pub(super) fn columns<T>(len: usize) -> Option<usize> {
    let largest = factors(len).last().copied().filter(|&largest| largest > ROW);
    if let Some(largest) = largest.filter(|&largest| largest > LONGEST) {
        return (largest < len).then_some(largest);
    }
    let divides = |p: &usize| len.is_multiple_of(*p) && p.is_multiple_of(largest.unwrap_or(1));
    let found = (3..=LONGEST.min(len - 1)).step_by(2).filter(divides);
    found.map(|p| (work::<T>(p, len / p), p)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, p)| p)
}

/// Operations on vectors for m columns of p samples.
fn work<T>(p: usize, m: usize) -> f64 {
    let vectors = (p / 2 + 1).div_ceil(widest::<T>());
    let column = 12.0 + 2.5 * (p / 2) as f64;
    (vectors * m) as f64 * (column + super::rows::work(m))
}

#[derive(Clone)]
pub(super) struct Split<T: Real> {
    p: usize,
    m: usize,
    /// Rows that are computed: (p + 1)/2, and as many more as fill the last vector.
    count: usize,
    columns: Column<T>,
    rows: Rows<T>,
    /// e^{−2πi sq/n}, at `[q·count + s]`: cosine and sine.
    twiddles: [Vec<T>; 2],
}

/// How the columns are transformed.
#[derive(Clone)]
enum Column<T: Real> {
    Together(Columns<T>),
    /// p is a prime.
    Each(Prime<T>),
}

impl<T: Real> Split<T> {
    /// For odd p.
    pub(super) fn new(p: usize, m: usize, planner: &mut FftPlanner<T>) -> Self {
        let (n, used) = (p * m, p / 2 + 1);
        let count = used.next_multiple_of(widest::<T>());
        let twiddles = (0..m).flat_map(|q| (0..count).map(move |s| root_of_unity::<T>(s * q, n)));
        let (cos, sin) = twiddles.map(|w| (w.re, w.im)).unzip();
        Self {
            p,
            m,
            count,
            columns: if p <= LONGEST {
                Column::Together(Columns::new(p, m, count))
            } else {
                Column::Each(Prime::new(p, planner))
            },
            rows: Rows::new(m, count, used, planner),
            twiddles: [cos, sin],
        }
    }

    pub(super) fn reals(&self) -> usize {
        let column = match &self.columns {
            Column::Together(_) => Columns::<T>::reals(self.p),
            Column::Each(_) => 0,
        };
        4 * self.count * self.m + column
    }

    pub(super) fn work(&self) -> usize {
        let column = match &self.columns {
            Column::Together(_) => 0,
            Column::Each(prime) => self.p / 2 + 1 + prime.work(),
        };
        self.rows.work().max(column)
    }

    pub(super) fn forward(
        &self,
        x: &[T],
        out: &mut [Complex<T>],
        reals: &mut [T],
        work: &mut [Complex<T>],
    ) {
        let (p, m, count) = (self.p, self.m, self.count);
        let size = count * m;
        let (re, reals) = reals.split_at_mut(size);
        let (im, reals) = reals.split_at_mut(size);
        let (other_re, reals) = reals.split_at_mut(size);
        let (other_im, reals) = reals.split_at_mut(size);
        let [cos, sin] = &self.twiddles;
        match &self.columns {
            Column::Together(columns) => {
                columns.forward(x, [cos, sin], [&mut *re, &mut *im], reals);
            }
            Column::Each(prime) => {
                let (bins, work) = work.split_at_mut(p / 2 + 1);
                let rows = re.chunks_exact_mut(count).zip(im.chunks_exact_mut(count));
                let twiddles = cos.chunks_exact(count).zip(sin.chunks_exact(count));
                for (q, (row, (cos, sin))) in rows.zip(twiddles).enumerate() {
                    prime.forward(&x[q..], m, bins, work);
                    run(Turn { bins, cos, sin, to: row });
                }
            }
        }
        let [re, im] = self.rows.forward([re, im], [other_re, other_im], work);
        run(Gather { p, m, re, im, out });
    }
}

/// Values times their twiddles, into real and imaginary parts.
struct Turn<'a, T> {
    bins: &'a [Complex<T>],
    cos: &'a [T],
    sin: &'a [T],
    to: (&'a mut [T], &'a mut [T]),
}

impl<T: Real> Task<T> for Turn<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let (re, im) = self.to;
        let twiddles = self.cos.iter().zip(self.sin);
        for ((z, (cos, sin)), (re, im)) in self.bins.iter().zip(twiddles).zip(re.iter_mut().zip(im))
        {
            *re = z.re * *cos - z.im * *sin;
            *im = z.re * *sin + z.im * *cos;
        }
    }
}

/// The bins in order, `out[pk ± s]`.
struct Gather<'a, T> {
    p: usize,
    m: usize,
    re: &'a [T],
    im: &'a [T],
    out: &'a mut [Complex<T>],
}

impl<T: Real> Task<T> for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _: V) {
        let Self { p, m, re, im, out } = self;
        let h = p / 2;
        let count = re.len() / m;
        let (first, rest) = out.split_at_mut(1 + h);
        copy(&re[..=h], &im[..=h], first);
        for (k, around) in (1..).zip(rest.chunks_mut(p)) {
            let (before, after) = around.split_at_mut(h);
            let here = (m - k) * count + 1..=(m - k) * count + h;
            let both = re[here.clone()].iter().zip(&im[here]).rev();
            for (z, (&re, &im)) in before.iter_mut().zip(both) {
                *z = Complex::new(re, -im);
            }
            let here = k * count..k * count + after.len();
            copy(&re[here.clone()], &im[here], after);
        }
    }
}

#[inline(always)]
fn copy<T: Real>(re: &[T], im: &[T], to: &mut [Complex<T>]) {
    for (z, (&re, &im)) in to.iter_mut().zip(re.iter().zip(im)) {
        *z = Complex::new(re, im);
    }
}
