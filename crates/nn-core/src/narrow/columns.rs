//! Products of matrices whose few columns are long, in lanes along the columns.
//!
//! The general product copies its factors into panels first, which for a handful of columns costs
//! more than the product.

use std::ops::Range;

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

use super::WIDEST;

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
    let outputs = y.len() / samples;
    run(Combine { samples, outputs, x, m, b, y });
}

struct Combine<'a, T> {
    samples: usize,
    outputs: usize,
    x: &'a [T],
    m: Small<'a, T>,
    b: Option<&'a [T]>,
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Combine<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, vectors: V) {
        let mut start = 0;
        while start < self.samples {
            let left = (self.samples - start) / vectors.lanes();
            start += match left {
                4.. if has_many_registers(vectors) => self.rows::<V, 4, 4>(vectors, start),
                2.. => self.rows::<V, 2, 4>(vectors, start),
                _ => self.rows::<V, 1, 8>(vectors, start),
            }
        }
    }
}

impl<T: Real> Combine<'_, T> {
    /// R vectors of rows of y from `start` on, or the rows that are less than one, N columns at a time.
    /// Returns the number of rows.
    #[inline(always)]
    fn rows<V: Vectors<T>, const R: usize, const N: usize>(
        &mut self,
        vectors: V,
        start: usize,
    ) -> usize {
        let mut output = 0;
        while output < self.outputs {
            output += match self.outputs - output {
                left if left >= N => self.tile::<V, R, N>(vectors, start, output),
                2.. => self.tile::<V, R, 2>(vectors, start, output),
                _ => self.tile::<V, R, 1>(vectors, start, output),
            };
        }
        R * vectors.lanes()
    }

    /// The rows in N columns of y from `output` on, which stay in registers while the columns of x pass by: so
    /// many that none waits for its last addition. Returns N.
    #[inline(always)]
    fn tile<V: Vectors<T>, const R: usize, const N: usize>(
        &mut self,
        vectors: V,
        start: usize,
        output: usize,
    ) -> usize {
        let Self { samples, x, m, b, y, .. } = self;
        let mut sums = [[vectors.splat(T::zero()); R]; N];
        for n in 0..N {
            sums[n] = [vectors.splat(b.map_or(T::zero(), |b| b[output + n])); R];
        }
        for (input, x) in x.chunks_exact(*samples).enumerate() {
            let x = load::<T, V, R>(vectors, &x[start..]);
            let factors = &m.entries[input * m.strides.0 + output * m.strides.1..];
            for n in 0..N {
                let factor = factors[n * m.strides.1];
                for r in 0..R {
                    sums[n][r] = vectors.mul_add(x[r], factor, sums[n][r]);
                }
            }
        }
        for n in 0..N {
            store(vectors, &mut y[(output + n) * *samples..][start..*samples], sums[n]);
        }
        N
    }
}

/// Whether there are 32 registers, as there are where a vector has 64 bytes, or 16.
#[inline(always)]
fn has_many_registers<T: Real, V: Vectors<T>>(vectors: V) -> bool {
    vectors.lanes() * size_of::<T>() >= 64
}

/// The first R vectors of `x`; where it has not even one, what it has.
#[inline(always)]
fn load<T: Real, V: Vectors<T>, const R: usize>(vectors: V, x: &[T]) -> [V::Vector; R] {
    match vectors.whole(x).first_chunk() {
        Some(whole) => *whole,
        None => [vectors.load(x); R],
    }
}

/// R vectors to the start of `x`, or as much of the first as it has room for.
#[inline(always)]
fn store<T: Real, V: Vectors<T>, const R: usize>(vectors: V, x: &mut [T], rows: [V::Vector; R]) {
    match vectors.whole_mut(x).first_chunk_mut() {
        Some(whole) => *whole = rows,
        None => vectors.store(x, rows[0]),
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
        for (sum, d) in self.sums.iter_mut().zip(self.d.chunks_exact(self.samples)) {
            *sum = column_sum(vectors, d);
        }
        // To turn d costs as much as the products with a few columns.
        let few = self.x.len() < 8 * self.samples;
        if !few && (vectors.lanes()..=WIDEST).contains(&self.sums.len()) {
            self.by_samples(vectors);
        } else {
            self.by_columns(vectors);
        }
    }
}

#[inline(always)]
fn column_sum<T: Real, V: Vectors<T>>(vectors: V, column: &[T]) -> T {
    let (whole, rest) = vectors.split(column);
    let mut sum = vectors.load(rest);
    for vector in whole {
        sum = vectors.plus(*vector, sum);
    }
    vectors.sum(sum)
}

/// Samples whose part of d is turned at a time.
const TURNED: usize = 64;

impl<T: Real> InnerProducts<'_, T> {
    /// With lanes along the columns of d: the products of a sample are added to those of the last.
    #[inline(always)]
    fn by_samples<V: Vectors<T>>(&mut self, vectors: V) {
        let (samples, units) = (self.samples, self.sums.len());
        let inputs = self.x.len() / samples;
        // Whole vectors for each sample, with zeros behind.
        let width = units.next_multiple_of(vectors.lanes());
        let mut turned = [T::zero(); TURNED * WIDEST];
        for start in (0..samples).step_by(TURNED) {
            let end = samples.min(start + TURNED);
            turn_part(self.d, samples, start..end, width, &mut turned);
            let d = &turned[..(end - start) * width];
            let mut unit = 0;
            while unit < width {
                let mut input = 0;
                let many = has_many_registers(vectors);
                let two = width - unit > vectors.lanes();
                while input < inputs {
                    let at = (unit, input, start);
                    input += match inputs - input {
                        8.. if many && two => self.add::<V, 2, 8>(vectors, at, d),
                        4.. if two => self.add::<V, 2, 4>(vectors, at, d),
                        _ if two => self.add::<V, 2, 1>(vectors, at, d),
                        8.. => self.add::<V, 1, 8>(vectors, at, d),
                        _ => self.add::<V, 1, 1>(vectors, at, d),
                    };
                }
                unit += if two { 2 } else { 1 } * vectors.lanes();
            }
        }
    }

    /// Adds the products of U vectors of units, whose turned part `d` is, with M columns of x over some
    /// samples; the first ones take the place of what is there. Returns M.
    #[inline(always)]
    fn add<V: Vectors<T>, const U: usize, const M: usize>(
        &mut self,
        vectors: V,
        (unit, input, start): (usize, usize, usize),
        d: &[T],
    ) -> usize {
        let Self { samples, x, products, sums, .. } = self;
        let (units, lanes) = (sums.len(), vectors.lanes());
        let width = units.next_multiple_of(lanes);
        let count = d.len() / width;
        let x: [&[T]; M] = std::array::from_fn(|m| &x[(input + m) * *samples + start..][..count]);
        let mut tile = [[vectors.splat(T::zero()); U]; M];
        for (sample, d) in d.chunks_exact(width).enumerate() {
            let d = load::<T, V, U>(vectors, &d[unit..]);
            for m in 0..M {
                for u in 0..U {
                    tile[m][u] = vectors.mul_add(d[u], x[m][sample], tile[m][u]);
                }
            }
        }
        // Not `tile` itself: what is stored from a loop lies in memory, and would all through.
        let mut found = [[vectors.splat(T::zero()); U]; M];
        for m in 0..M {
            for u in 0..U {
                found[m][u] = tile[m][u];
            }
        }
        for (m, found) in found.iter().enumerate() {
            let products = &mut products[(input + m) * units..][unit..units];
            for (products, &found) in products.chunks_mut(lanes).zip(found) {
                let sum =
                    if start == 0 { found } else { vectors.plus(vectors.load(products), found) };
                vectors.store(products, sum);
            }
        }
        M
    }

    /// With lanes along the samples.
    #[inline(always)]
    fn by_columns<V: Vectors<T>>(&mut self, vectors: V) {
        let (units, inputs) = (self.sums.len(), self.x.len() / self.samples);
        let mut unit = 0;
        while unit < units {
            let (step, mut input) = (if units - unit >= 4 { 4 } else { 1 }, 0);
            while input < inputs {
                input += match (step, inputs - input) {
                    (4, 2..) => self.tile::<V, 4, 2>(vectors, unit, input),
                    (4, _) => self.tile::<V, 4, 1>(vectors, unit, input),
                    (_, 8..) => self.tile::<V, 1, 8>(vectors, unit, input),
                    _ => self.tile::<V, 1, 1>(vectors, unit, input),
                };
            }
            unit += step;
        }
    }

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
        let mut tile = [[vectors.splat(T::zero()); N]; M];
        let mut start = 0;
        while start < samples {
            let mut d_now = [vectors.splat(T::zero()); N];
            for n in 0..N {
                [d_now[n]] = load(vectors, &d[n][start..]);
            }
            for m in 0..M {
                let [x] = load(vectors, &x[m][start..]);
                for n in 0..N {
                    tile[m][n] = vectors.product_add(d_now[n], x, tile[m][n]);
                }
            }
            start += lanes;
        }
        for m in 0..M {
            for n in 0..N {
                products[(input + m) * units + unit + n] = vectors.sum(tile[m][n]);
            }
        }
        M
    }
}

/// Some samples of all columns of `d`, a sample's numbers side by side and `width` of them apart.
#[inline(always)]
fn turn_part<T: Real>(
    d: &[T],
    samples: usize,
    range: Range<usize>,
    width: usize,
    turned: &mut [T],
) {
    /// Of samples and of columns: squares, whose indices need no checks.
    const SIDE: usize = 8;
    let columns = d.len() / samples;
    let (whole, last) = (columns / SIDE * SIDE, range.len() / SIDE * SIDE);
    for first in (0..whole).step_by(SIDE) {
        let d: [&[T]; SIDE] = std::array::from_fn(|n| &d[(first + n) * samples..][range.clone()]);
        for start in (0..last).step_by(SIDE) {
            let mut square = [[T::zero(); SIDE]; SIDE];
            for n in 0..SIDE {
                square[n] = d[n][start..].first_chunk().copied().unwrap_or(square[n]);
            }
            let rows = turned[start * width..].chunks_exact_mut(width).take(SIDE);
            for (s, row) in (0..SIDE).zip(rows) {
                if let Some(row) = row[first..].first_chunk_mut::<SIDE>() {
                    for n in 0..SIDE {
                        row[n] = square[n][s];
                    }
                }
            }
        }
        for sample in last..range.len() {
            for n in 0..SIDE {
                turned[sample * width + first + n] = d[n][sample];
            }
        }
    }
    for column in whole..columns {
        let d = &d[column * samples..][range.clone()];
        for (turned, &d) in turned.chunks_exact_mut(width).zip(d) {
            turned[column] = d;
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
            let sizes = [
                (1, 1),
                (1, 8),
                (8, 2),
                (5, 3),
                (4, 4),
                (7, 9),
                (3, 15),
                (16, 5),
                (32, 32),
                (23, 9),
            ];
            for (units, inputs) in sizes {
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
