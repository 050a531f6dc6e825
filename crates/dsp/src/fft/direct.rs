//! A short odd length: the sums that define the transform, half of them for free.
//!
//! `x_r + x_{n−r}` meets only cosines and `x_r − x_{n−r}` only sines, so (n − 1)²/2 products are enough.
//! Up to 31 samples nothing that is cleverer was faster, but for 25 and 27.

use linalg::{Complex, Real};

use super::numbers::root_of_unity;

/// The longest that is transformed like this.
pub(super) const LONGEST: usize = 31;

#[derive(Clone)]
pub(super) struct Direct<T: Real> {
    len: usize,
    /// cos(2π rs/n) and −sin(2π rs/n), a row of s = 1 … (n − 1)/2 for each r.
    cos: Vec<T>,
    sin: Vec<T>,
}

impl<T: Real> Direct<T> {
    pub(super) fn new(len: usize) -> Self {
        let h = (len - 1) / 2;
        let waves: Vec<Complex<T>> =
            (1..=h).flat_map(|r| (1..=h).map(move |s| root_of_unity(r * s, len))).collect();
        let (cos, sin) = waves.iter().map(|w| (w.re, w.im)).unzip();
        Self { len, cos, sin }
    }

    pub(super) fn forward(&self, x: &[T], out: &mut [Complex<T>]) {
        match self.len / 2 {
            0 => out[0] = Complex::new(x[0], T::zero()),
            1 => self.sums::<1>(x, out),
            2 => self.sums::<2>(x, out),
            3 => self.sums::<3>(x, out),
            4 => self.sums::<4>(x, out),
            5 => self.sums::<5>(x, out),
            6 => self.sums::<6>(x, out),
            7 => self.sums::<7>(x, out),
            8 => self.sums::<8>(x, out),
            9 => self.sums::<9>(x, out),
            10 => self.sums::<10>(x, out),
            11 => self.sums::<11>(x, out),
            12 => self.sums::<12>(x, out),
            13 => self.sums::<13>(x, out),
            14 => self.sums::<14>(x, out),
            _ => self.sums::<15>(x, out),
        }
    }

    /// For n = 2H + 1: with its length known, the compiler unrolls the loop over s.
    fn sums<const H: usize>(&self, x: &[T], out: &mut [Complex<T>]) {
        let n = 2 * H + 1;
        let x = &x[..n];
        let (mut sum, mut re, mut im) = (x[0], [x[0]; H], [T::zero(); H]);
        for r in 0..H {
            let (even, odd) = (x[r + 1] + x[n - 1 - r], x[r + 1] - x[n - 1 - r]);
            sum += even;
            let (cos, sin) = (&self.cos[r * H..(r + 1) * H], &self.sin[r * H..(r + 1) * H]);
            for s in 0..H {
                re[s] += even * cos[s];
                im[s] += odd * sin[s];
            }
        }
        out[0] = Complex::new(sum, T::zero());
        for s in 0..H {
            out[s + 1] = Complex::new(re[s], im[s]);
        }
    }
}
