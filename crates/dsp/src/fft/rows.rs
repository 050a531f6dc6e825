//! Complex transforms of one length, many side by side.
//!
//! Value q of transform s lies at `q·count + s`, real parts and imaginary parts apart, so that every step does
//! the same to neighbors and runs in whole vectors whatever the length is. A step of radix r takes a sequence of
//! n = r·m values, of which each is a stretch of S numbers, to
//!
//! ```text
//! y_{r·p + j} = e^{−2πi pj/n} Σ_k e^{−2πi jk/r} x_{p + mk},    p = 0 … m − 1,  j = 0 … r − 1
//! ```
//!
//! and leaves sequences of m values whose stretches are r·S long: the results come out in order.
//!
//! T. G. Stockham, "High-speed convolution and correlation", Proc. Spring Joint Computer Conference 28:229-233,
//! 1966.

use std::sync::Arc;

use linalg::lanes::{Task, Vectors, run};
use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::numbers::{factors, root_of_unity};

/// The largest prime factor whose sums are computed as they stand.
const LONGEST: usize = 61;
const MOST: usize = LONGEST / 2;

/// As many numbers as the longest vector holds.
pub(super) fn widest<T>() -> usize {
    64 / size_of::<T>()
}

/// Real parts and imaginary parts.
pub(super) type Parts<'a, T> = [&'a mut [T]; 2];

#[derive(Clone)]
pub(super) struct Rows<T: Real> {
    len: usize,
    count: usize,
    used: usize,
    steps: Vec<Step<T>>,
    /// Takes one after the other, where the length has a prime factor above [`LONGEST`].
    each: Option<Arc<dyn Fft<T>>>,
}

#[derive(Clone)]
struct Step<T> {
    radix: usize,
    /// S, and m.
    stretch: usize,
    groups: usize,
    /// e^{−2πi pj/n}: for each p, for each j > 0.
    twiddles: Vec<Complex<T>>,
    /// e^{−2πi jk/r} for j, k = 1 … (r − 1)/2.
    waves: Vec<Complex<T>>,
}

impl<T: Real> Rows<T> {
    /// For `count` transforms of `len` values, an odd number; a multiple of [`widest`], of which the first
    /// `used` are wanted.
    pub(super) fn new(len: usize, count: usize, used: usize, planner: &mut FftPlanner<T>) -> Self {
        let radices = radices(len);
        let each = radices.is_none().then(|| planner.plan_fft_forward(len));
        let (mut left, mut stretch) = (len, count);
        let mut steps = Vec::new();
        for radix in radices.unwrap_or_default() {
            let groups = left / radix;
            let (n, h) = (left, radix / 2);
            steps.push(Step {
                radix,
                stretch,
                groups,
                twiddles: (0..groups)
                    .flat_map(|p| (1..radix).map(move |j| root_of_unity(p * j, n)))
                    .collect(),
                waves: (1..=h)
                    .flat_map(|j| (1..=h).map(move |k| root_of_unity(j * k, radix)))
                    .collect(),
            });
            (left, stretch) = (groups, stretch * radix);
        }
        Self { len, count, used, steps, each }
    }

    /// Complex numbers of workspace.
    pub(super) fn work(&self) -> usize {
        self.each.as_ref().map_or(0, |each| self.len + each.get_inplace_scratch_len())
    }

    /// Transforms what is in `from`; gives the one of the two that has the result.
    pub(super) fn forward<'a>(
        &self,
        mut from: Parts<'a, T>,
        mut to: Parts<'a, T>,
        work: &mut [Complex<T>],
    ) -> Parts<'a, T> {
        for step in &self.steps {
            let [re, im] = &from;
            let [to_re, to_im] = &mut to;
            run(Taken { step, from: [re, im], to: [to_re, to_im] });
            std::mem::swap(&mut from, &mut to);
        }
        if let Some(each) = &self.each {
            let (row, work) = work.split_at_mut(self.len);
            let [re, im] = &mut from;
            for s in 0..self.used {
                let places = (s..).step_by(self.count);
                for (z, at) in row.iter_mut().zip(places.clone()) {
                    *z = Complex::new(re[at], im[at]);
                }
                each.process_with_scratch(row, work);
                for (z, at) in row.iter().zip(places) {
                    (re[at], im[at]) = (z.re, z.im);
                }
            }
        }
        from
    }
}

/// Odd radices whose product is `len`, none with a prime factor above [`LONGEST`].
fn radices(len: usize) -> Option<Vec<usize>> {
    let primes = factors(len);
    let threes = primes.iter().filter(|&&prime| prime == 3).count();
    let mut found = vec![9; threes / 2];
    found.extend(vec![3; threes % 2]);
    found.extend(primes.iter().filter(|&&prime| prime > 3));
    primes.last().is_none_or(|&largest| largest <= LONGEST).then_some(found)
}

/// Operations on vectors for a value of each of as many transforms as a vector holds.
pub(super) fn work(len: usize) -> f64 {
    let Some(radices) = radices(len) else { return 200.0 };
    let step = |radix: usize| {
        let r = radix as f64;
        // What reads and writes, the sums and the twiddles, and the loop around them.
        4.0 + ((r - 1.0) * (r + 12.0) + 40.0) / r
    };
    radices.into_iter().map(step).sum()
}

/// One step.
struct Taken<'a, T> {
    step: &'a Step<T>,
    from: [&'a [T]; 2],
    to: Parts<'a, T>,
}

impl<T: Real> Task<T> for Taken<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) {
        match self.step.radix {
            3 => self.of::<V, 3>(vectors),
            5 => self.of::<V, 5>(vectors),
            7 => self.of::<V, 7>(vectors),
            9 => self.of::<V, 9>(vectors),
            11 => self.of::<V, 11>(vectors),
            13 => self.of::<V, 13>(vectors),
            _ => self.long(vectors),
        }
    }
}

/// Numbers in the lanes of a vector, real and imaginary.
type Pair<T, V> = [<V as Vectors<T>>::Vector; 2];

impl<T: Real> Taken<'_, T> {
    /// Radix R.
    #[inline(always)]
    fn of<V: Vectors<T>, const R: usize>(self, v: V) {
        let Self { step, from: [re, im], to: [to_re, to_im] } = self;
        let (re, im, to_re, to_im) =
            (v.whole(re), v.whole(im), v.whole_mut(to_re), v.whole_mut(to_im));
        let stretch = step.stretch / v.lanes();
        let (apart, zero) = (stretch * step.groups, v.splat(T::zero()));
        let waves = &step.waves[..];
        for p in 0..step.groups {
            let twiddles = &step.twiddles[p * (R - 1)..(p + 1) * (R - 1)];
            for q in 0..stretch {
                let mut z = [[zero; 2]; R];
                for k in 0..R {
                    let at = k * apart + p * stretch + q;
                    z[k] = [re[at], im[at]];
                }
                butterfly(v, &mut z, waves);
                if p > 0 {
                    for j in 1..R {
                        z[j] = turned(v, z[j], twiddles[j - 1]);
                    }
                }
                for j in 0..R {
                    let at = (p * R + j) * stretch + q;
                    (to_re[at], to_im[at]) = (z[j][0], z[j][1]);
                }
            }
        }
    }

    /// Any odd radix up to [`LONGEST`].
    #[inline(always)]
    fn long<V: Vectors<T>>(self, v: V) {
        let Self { step, from: [re, im], to: [to_re, to_im] } = self;
        let (re, im, to_re, to_im) =
            (v.whole(re), v.whole(im), v.whole_mut(to_re), v.whole_mut(to_im));
        let (radix, stretch) = (step.radix, step.stretch / v.lanes());
        let (apart, h, zero) = (stretch * step.groups, radix / 2, v.splat(T::zero()));
        let (mut even, mut odd) = ([[zero; 2]; MOST], [[zero; 2]; MOST]);
        let (even, odd) = (&mut even[..h], &mut odd[..h]);
        for p in 0..step.groups {
            let twiddles = &step.twiddles[p * (radix - 1)..(p + 1) * (radix - 1)];
            for q in 0..stretch {
                let at = p * stretch + q;
                let own = [re[at], im[at]];
                let mut sum = own;
                for (k, (even, odd)) in even.iter_mut().zip(odd.iter_mut()).enumerate() {
                    let (a, b) = (at + (k + 1) * apart, at + (radix - 1 - k) * apart);
                    let (a, b) = ([re[a], im[a]], [re[b], im[b]]);
                    (*even, *odd) = (plus(v, a, b), minus(v, a, b));
                    sum = plus(v, sum, *even);
                }
                let to = p * radix * stretch + q;
                (to_re[to], to_im[to]) = (sum[0], sum[1]);
                for (j, waves) in step.waves.chunks_exact(h).enumerate() {
                    let (mut cosines, mut sines) = (own, [zero; 2]);
                    for (w, (even, odd)) in waves.iter().zip(even.iter().zip(odd.iter())) {
                        cosines = along(v, *even, w.re, cosines);
                        sines = along(v, *odd, w.im, sines);
                    }
                    let [mut ahead, mut behind] = pair(v, cosines, sines);
                    if p > 0 {
                        ahead = turned(v, ahead, twiddles[j]);
                        behind = turned(v, behind, twiddles[radix - 2 - j]);
                    }
                    let at = to + (j + 1) * stretch;
                    (to_re[at], to_im[at]) = (ahead[0], ahead[1]);
                    let at = to + (radix - 1 - j) * stretch;
                    (to_re[at], to_im[at]) = (behind[0], behind[1]);
                }
            }
        }
    }
}

#[inline(always)]
fn plus<T: Real, V: Vectors<T>>(v: V, a: Pair<T, V>, b: Pair<T, V>) -> Pair<T, V> {
    [v.plus(a[0], b[0]), v.plus(a[1], b[1])]
}

#[inline(always)]
fn minus<T: Real, V: Vectors<T>>(v: V, a: Pair<T, V>, b: Pair<T, V>) -> Pair<T, V> {
    [v.minus(a[0], b[0]), v.minus(a[1], b[1])]
}

/// a·x + b for a number x.
#[inline(always)]
fn along<T: Real, V: Vectors<T>>(v: V, a: Pair<T, V>, x: T, b: Pair<T, V>) -> Pair<T, V> {
    [v.mul_add(a[0], x, b[0]), v.mul_add(a[1], x, b[1])]
}

/// a + ib and a − ib.
#[inline(always)]
fn pair<T: Real, V: Vectors<T>>(v: V, a: Pair<T, V>, b: Pair<T, V>) -> [Pair<T, V>; 2] {
    [[v.minus(a[0], b[1]), v.plus(a[1], b[0])], [v.plus(a[0], b[1]), v.minus(a[1], b[0])]]
}

/// z·w.
#[inline(always)]
fn turned<T: Real, V: Vectors<T>>(v: V, z: Pair<T, V>, w: Complex<T>) -> Pair<T, V> {
    [v.mul_add(z[1], -w.im, v.times(z[0], w.re)), v.mul_add(z[0], w.im, v.times(z[1], w.re))]
}

/// The transform of R values, in place.
#[inline(always)]
fn butterfly<T: Real, V: Vectors<T>, const R: usize>(
    v: V,
    z: &mut [Pair<T, V>; R],
    waves: &[Complex<T>],
) {
    let (h, zero) = (R / 2, v.splat(T::zero()));
    let own = z[0];
    let (mut even, mut odd) = ([[zero; 2]; R], [[zero; 2]; R]);
    for k in 0..h {
        even[k] = plus(v, z[k + 1], z[R - 1 - k]);
        odd[k] = minus(v, z[k + 1], z[R - 1 - k]);
        z[0] = plus(v, z[0], even[k]);
    }
    let waves = &waves[..h * h];
    for j in 0..h {
        let first = waves[j * h];
        let mut cosines = along(v, even[0], first.re, own);
        let mut sines = [v.times(odd[0][0], first.im), v.times(odd[0][1], first.im)];
        for k in 1..h {
            let w = waves[j * h + k];
            cosines = along(v, even[k], w.re, cosines);
            sines = along(v, odd[k], w.im, sines);
        }
        [z[j + 1], z[R - 1 - j]] = pair(v, cosines, sines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each transform by the sum that defines it.
    #[test]
    fn every_row_is_the_sum_that_defines_it() {
        for len in [1, 3, 5, 7, 9, 11, 13, 17, 27, 35, 45, 61, 67, 143, 189, 323] {
            for count in [8, 16, 24] {
                let rows = Rows::new(len, count, count, &mut FftPlanner::new());
                let value = |i: usize| (i as f64 * 0.618_033_988_749_894_9).fract() - 0.25;
                let size = len * count;
                let x = [0, size].map(|first| (first..first + size).map(value).collect::<Vec<_>>());
                let [mut from_re, mut from_im] = x.clone();
                let [mut to_re, mut to_im] = [vec![0.0; size], vec![0.0; size]];
                let (from, to) = ([&mut from_re[..], &mut from_im], [&mut to_re[..], &mut to_im]);
                let [re, im] = rows.forward(from, to, &mut vec![Complex::ZERO; rows.work()]);
                for s in 0..count {
                    for k in 0..len {
                        let term = |q: usize| {
                            let at = q * count + s;
                            Complex::new(x[0][at], x[1][at]) * root_of_unity::<f64>(q * k, len)
                        };
                        let expected: Complex<f64> = (0..len).map(term).sum();
                        let found = Complex::new(re[k * count + s], im[k * count + s]);
                        // The sum itself errs by up to len eps times its terms, which are below 1.
                        let limit = 2.0 * f64::EPSILON * len as f64;
                        assert!((found - expected).norm() <= limit, "{len} x {count}: {k}, {s}");
                    }
                }
            }
        }
    }
}
