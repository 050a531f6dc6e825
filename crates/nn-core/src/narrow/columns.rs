//! Products of matrices whose few columns are long, in lanes along the columns.
//!
//! The general product copies its factors into panels first, which for a handful of columns costs
//! more than the product.

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

/// Vectors of a column at a time, so that multiplications need not wait for each other.
const WAYS: usize = 4;

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
        let block = WAYS * vectors.lanes();
        let whole = self.samples - self.samples % block;
        for start in (0..whole).step_by(block) {
            self.rows::<V, WAYS>(vectors, start, block);
        }
        for start in (whole..self.samples).step_by(vectors.lanes()) {
            self.rows::<V, 1>(vectors, start, vectors.lanes().min(self.samples - start));
        }
    }
}

impl<T: Real> Combine<'_, T> {
    /// Rows `start..start + count`, which are N vectors, or less than one.
    #[inline(always)]
    fn rows<V: Vectors<T>, const N: usize>(&mut self, vectors: V, start: usize, count: usize) {
        let Self { samples, columns: (inputs, outputs), x, m, b, y } = self;
        let samples = *samples;
        for j in 0..*outputs {
            let first = b.map_or(T::zero(), |b| b[j]);
            let mut sums = [vectors.splat(first); N];
            for i in 0..*inputs {
                let factor = m.entries[i * m.strides.0 + j * m.strides.1];
                let x = &x[i * samples + start..][..count];
                if N == 1 {
                    sums[0] = vectors.mul_add(vectors.load(x), factor, sums[0]);
                } else {
                    for (sum, x) in sums.iter_mut().zip(x.chunks_exact(vectors.lanes())) {
                        *sum = vectors.mul_add(vectors.load(x), factor, *sum);
                    }
                }
            }
            let y = &mut y[j * samples + start..][..count];
            if N == 1 {
                vectors.store(y, sums[0]);
            } else {
                for (sum, y) in sums.into_iter().zip(y.chunks_exact_mut(vectors.lanes())) {
                    vectors.store(y, sum);
                }
            }
        }
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
        let units = self.sums.len();
        let whole = units - units % WAYS;
        for unit in (0..whole).step_by(WAYS) {
            self.units::<V, WAYS>(vectors, unit);
        }
        for unit in whole..units {
            self.units::<V, 1>(vectors, unit);
        }
    }
}

impl<T: Real> InnerProducts<'_, T> {
    /// What belongs to N columns of d from `first` on.
    #[inline(always)]
    fn units<V: Vectors<T>, const N: usize>(&mut self, vectors: V, first: usize) {
        let Self { samples, d, x, products, sums } = self;
        let samples = *samples;
        let units = sums.len();
        let d: [&[T]; N] = std::array::from_fn(|unit| &d[(first + unit) * samples..][..samples]);
        let mut own = [vectors.splat(T::zero()); N];
        for start in (0..samples).step_by(vectors.lanes()) {
            let end = samples.min(start + vectors.lanes());
            for (sum, d) in own.iter_mut().zip(d) {
                *sum = vectors.plus(vectors.load(&d[start..end]), *sum);
            }
        }
        for (sum, own) in sums[first..].iter_mut().zip(own) {
            *sum = vectors.sum(own);
        }
        for (x, products) in x.chunks_exact(samples).zip(products.chunks_exact_mut(units)) {
            let mut own = [vectors.splat(T::zero()); N];
            for start in (0..samples).step_by(vectors.lanes()) {
                let end = samples.min(start + vectors.lanes());
                let x = vectors.load(&x[start..end]);
                for (sum, d) in own.iter_mut().zip(d) {
                    *sum = vectors.product_add(vectors.load(&d[start..end]), x, *sum);
                }
            }
            for (product, own) in products[first..].iter_mut().zip(own) {
                *product = vectors.sum(own);
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
        for samples in [1, 2, 3, 15, 16, 17, 63, 64, 65, 130] {
            for (units, inputs) in [(1, 1), (1, 8), (8, 2), (5, 3), (4, 4), (7, 9)] {
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
