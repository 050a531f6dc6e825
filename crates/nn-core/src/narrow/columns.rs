//! Products of matrices whose few columns are long, in lanes along the columns.
//!
//! The general product copies its factors into panels first, which for a handful of columns costs
//! more than the product.

use std::ops::Range;

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

/// A matrix of few entries, as it lies or transposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Small<'a, T> {
    pub(super) entries: &'a [T],
    /// From one row to the next, and from one column to the next.
    pub(super) strides: (usize, usize),
}

/// y ← x·m + 1·bᵀ for columns of `samples` entries, b zero where there is none.
pub(super) fn combine<T: Real>(
    samples: usize,
    x: &[T],
    m: Small<'_, T>,
    b: Option<&[T]>,
    y: &mut [T],
) {
    let columns = (x.len() / samples, y.len() / samples);
    run(Combine { samples, columns, x, m, b, y });
}

struct Combine<'a, T> {
    samples: usize,
    /// Those of x and of y.
    columns: (usize, usize),
    x: &'a [T],
    m: Small<'a, T>,
    b: Option<&'a [T]>,
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, vectors: V) {
        /// Numbers of x that stay in the first-level cache.
        const CACHED: usize = 8192;
        let (inputs, outputs) = self.columns;
        let block = (CACHED / inputs.max(1)).max(1).next_multiple_of(vectors.lanes());
        for start in (0..self.samples).step_by(block) {
            let rows = start..self.samples.min(start + block);
            for output in 0..outputs {
                let mut input = 0;
                while input < inputs {
                    let at = (input, output);
                    input += match inputs - input {
                        8.. => self.terms::<V, 8>(vectors, at, rows.clone()),
                        4.. => self.terms::<V, 4>(vectors, at, rows.clone()),
                        2.. => self.terms::<V, 2>(vectors, at, rows.clone()),
                        _ => self.terms::<V, 1>(vectors, at, rows.clone()),
                    };
                }
            }
        }
    }
}

impl<T: Real> Combine<'_, T> {
    /// The rows `rows` of a column of y: adds what N columns of x from `input` on give, to b where they are
    /// the first. Returns N.
    #[inline(always)]
    fn terms<V: Vectors<T>, const N: usize>(
        &mut self,
        vectors: V,
        (input, output): (usize, usize),
        rows: Range<usize>,
    ) -> usize {
        let Self { samples, x, m, b, y, .. } = self;
        let (samples, lanes) = (*samples, vectors.lanes());
        let x: [&[T]; N] =
            std::array::from_fn(|n| &x[(input + n) * samples..][..samples][rows.clone()]);
        let factor = |n| m.entries[(input + n) * m.strides.0 + output * m.strides.1];
        let factors: [T; N] = std::array::from_fn(factor);
        let first = vectors.splat(b.map_or(T::zero(), |b| b[output]));
        let y = &mut y[output * samples..][rows];
        let rest = y.len() - y.len() % lanes;
        for start in (0..rest).step_by(lanes) {
            let y = &mut vectors.whole_mut(&mut y[start..start + lanes])[0];
            let mut sum = if input == 0 { first } else { *y };
            for n in 0..N {
                sum =
                    vectors.mul_add(vectors.whole(&x[n][start..start + lanes])[0], factors[n], sum);
            }
            *y = sum;
        }
        if rest < y.len() {
            let y = &mut y[rest..];
            let mut sum = if input == 0 { first } else { vectors.load(y) };
            for n in 0..N {
                sum = vectors.mul_add(vectors.load(&x[n][rest..]), factors[n], sum);
            }
            vectors.store(y, sum);
        }
        N
    }
}

/// The inner products of the columns of `d` with those of `x`, d's columns x x's columns, and the
/// sums of the columns of `d`.
pub(super) fn inner_products<T: Real>(
    samples: usize,
    d: &[T],
    x: &[T],
    products: &mut [T],
    sums: &mut [T],
) {
    run(InnerProducts { samples, d, x, products, sums });
}

struct InnerProducts<'a, T> {
    samples: usize,
    d: &'a [T],
    x: &'a [T],
    products: &'a mut [T],
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for InnerProducts<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, vectors: V) {
        let (units, inputs) = (self.sums.len(), self.x.len() / self.samples);
        let mut unit = 0;
        while unit < units {
            let mut input = 0;
            while input < inputs {
                input += match (units - unit, inputs - input) {
                    (4.., 2..) => self.tile::<V, 4, 2>(vectors, unit, input),
                    (4.., _) => self.tile::<V, 4, 1>(vectors, unit, input),
                    (_, 4..) => self.tile::<V, 1, 4>(vectors, unit, input),
                    _ => self.tile::<V, 1, 1>(vectors, unit, input),
                };
            }
            unit += if units - unit >= 4 { 4 } else { 1 };
        }
    }
}

impl<T: Real> InnerProducts<'_, T> {
    /// What belongs to N columns of d from `unit` on and M columns of x from `input` on: so many sums at a
    /// time that none waits for its last addition. Returns M.
    #[inline(always)]
    fn tile<V: Vectors<T>, const N: usize, const M: usize>(
        &mut self,
        vectors: V,
        unit: usize,
        input: usize,
    ) -> usize {
        let Self { samples, d, x, products, sums } = self;
        let (samples, units, lanes) = (*samples, sums.len(), vectors.lanes());
        let d: [&[T]; N] = std::array::from_fn(|n| &d[(unit + n) * samples..][..samples]);
        let x: [&[T]; M] = std::array::from_fn(|m| &x[(input + m) * samples..][..samples]);
        let zero = vectors.splat(T::zero());
        let mut tile = Tile { products: [[zero; N]; M], sums: [zero; N] };
        let (mut d_now, mut x_now) = ([zero; N], [zero; M]);
        let rest = samples - samples % lanes;
        for start in (0..rest).step_by(lanes) {
            for n in 0..N {
                d_now[n] = vectors.whole(&d[n][start..start + lanes])[0];
            }
            for m in 0..M {
                x_now[m] = vectors.whole(&x[m][start..start + lanes])[0];
            }
            tile.add(vectors, d_now, x_now);
        }
        if rest < samples {
            for n in 0..N {
                d_now[n] = vectors.load(&d[n][rest..]);
            }
            for m in 0..M {
                x_now[m] = vectors.load(&x[m][rest..]);
            }
            tile.add(vectors, d_now, x_now);
        }
        for n in 0..N {
            if input == 0 {
                sums[unit + n] = vectors.sum(tile.sums[n]);
            }
            for m in 0..M {
                products[(input + m) * units + unit + n] = vectors.sum(tile.products[m][n]);
            }
        }
        M
    }
}

/// Sums in registers: of N columns of d, and of their products with M columns of x.
struct Tile<X, const N: usize, const M: usize> {
    products: [[X; N]; M],
    sums: [X; N],
}

impl<X: Copy, const N: usize, const M: usize> Tile<X, N, M> {
    #[inline(always)]
    fn add<T: Real, V: Vectors<T, Vector = X>>(&mut self, vectors: V, d: [X; N], x: [X; M]) {
        for n in 0..N {
            self.sums[n] = vectors.plus(d[n], self.sums[n]);
            for m in 0..M {
                let product = &mut self.products[m][n];
                *product = vectors.product_add(d[n], x[m], *product);
            }
        }
    }
}

/// Transposes a matrix of `columns` columns, each contiguous, into one of that many rows.
pub(super) fn turn<T: Real>(from: &[T], columns: usize, to: &mut [T]) {
    run(Turn { from, columns, to });
}

struct Turn<'a, T> {
    from: &'a [T],
    columns: usize,
    to: &'a mut [T],
}

impl<T: Real> Task<T> for Turn<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let Self { from, columns, to } = self;
        let rows = from.len() / columns;
        match (rows, columns) {
            (1, _) | (_, 1) => to.copy_from_slice(from),
            // The compiler has shuffles for a stride that it knows.
            (2, _) => part::<T, 2>(from, columns, to),
            (3, _) => part::<T, 3>(from, columns, to),
            (4, _) => part::<T, 4>(from, columns, to),
            _ if rows <= columns => {
                for (row, to) in to.chunks_exact_mut(columns).enumerate() {
                    for (to, from) in to.iter_mut().zip(from.chunks_exact(rows)) {
                        *to = from[row];
                    }
                }
            }
            _ => {
                for (column, from) in from.chunks_exact(rows).enumerate() {
                    for (to, &from) in to.chunks_exact_mut(columns).zip(from) {
                        to[column] = from;
                    }
                }
            }
        }
    }
}

/// Columns of R entries, taken apart.
#[inline(always)]
fn part<T: Real, const R: usize>(from: &[T], columns: usize, to: &mut [T]) {
    let from = from.as_chunks::<R>().0;
    for (row, to) in to.chunks_exact_mut(columns).enumerate() {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from[row];
        }
    }
}

#[cfg(test)]
mod tests {
    use linalg::DMatrix;

    use super::*;

    /// Whole numbers, of which every sum is exact.
    fn whole(rows: usize, columns: usize, seed: usize) -> DMatrix<f32> {
        DMatrix::from_fn(rows, columns, |i, j| ((seed + 7 * i + 5 * j + i * j) % 11) as f32 - 5.0)
    }

    #[test]
    fn products_sums_and_transposes_are_those_of_the_definition() {
        // The last are more than a block of the cache.
        for samples in [1, 2, 3, 15, 16, 17, 63, 64, 65, 130, 1100] {
            for (units, inputs) in [(1, 1), (1, 8), (8, 2), (5, 3), (4, 4), (7, 9), (3, 15)] {
                let (x, d) = (whole(samples, inputs, 1), whole(samples, units, 2));
                let (w, b) = (whole(units, inputs, 3), whole(units, 1, 4));
                let mut y = DMatrix::from_element(samples, units, f32::NAN);
                let m = Small { entries: w.as_slice(), strides: (units, 1) };
                combine(samples, x.as_slice(), m, Some(b.as_slice()), y.as_mut_slice());
                let ones = DMatrix::from_element(samples, 1, 1.0);
                assert_eq!(y, &x * w.transpose() + &ones * b.transpose(), "{samples} {units}");

                let mut dx = DMatrix::from_element(samples, inputs, f32::NAN);
                let m = Small { entries: w.as_slice(), strides: (1, units) };
                combine(samples, d.as_slice(), m, None, dx.as_mut_slice());
                assert_eq!(dx, &d * &w, "{samples} {units} {inputs}");

                let mut products = DMatrix::from_element(units, inputs, f32::NAN);
                let mut sums = DMatrix::from_element(units, 1, f32::NAN);
                let (out, own) = (products.as_mut_slice(), sums.as_mut_slice());
                inner_products(samples, d.as_slice(), x.as_slice(), out, own);
                assert_eq!(products, d.transpose() * &x, "{samples} {units} {inputs}");
                assert_eq!(sums, d.transpose() * &ones, "{samples} {units} {inputs}");

                let mut turned = DMatrix::from_element(inputs, samples, f32::NAN);
                turn(x.as_slice(), inputs, turned.as_mut_slice());
                assert_eq!(turned, x.transpose());
                let mut back = DMatrix::from_element(samples, inputs, f32::NAN);
                turn(turned.as_slice(), samples, back.as_mut_slice());
                assert_eq!(back, x);
            }
        }
    }
}
