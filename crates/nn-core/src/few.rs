//! The products of a dense layer with few outputs: columns of W that are shorter than a vector, or
//! little longer.
//!
//! A classifier's last layer is one. Packing W for a product of large matrices, or reading its columns
//! as parts of vectors, costs more than the multiplications. Here a vector is read from the start of
//! each column, and what it holds of the next column is not used.

use linalg::Real;
use linalg::gathered::{Gather, add_outer_products};
use linalg::lanes::{Task, Vectors, run};

use crate::Result;

/// Layers with more outputs fill the processor's lanes by themselves.
const MOST: usize = 32;
/// Layers with fewer inputs are over before it matters.
const LEAST: usize = 64;
/// Columns of W that are turned at a time.
const BLOCK: usize = 64;
/// Samples at a time.
const SAMPLES: usize = 32;

/// Whether the products of a layer of this size belong here.
pub(crate) fn are_few(outputs: usize, inputs: usize) -> bool {
    (1..=MOST).contains(&outputs) && inputs >= LEAST
}

/// Y = W·X + b, for as many columns as there are; W has as many rows as `bias`.
///
/// An entry is the sum of four, over every fourth input, whatever the other columns are.
pub(crate) fn columns<T: Real>(weight: &[T], bias: &[T], x: &[T], y: &mut [T]) {
    run(Columns { weight, bias, x, y });
}

/// dX = Wᵀ·dY for a W of `rows` rows.
pub(crate) fn pull_back<T: Real>(weight: &[T], rows: usize, dy: &[T], dx: &mut [T]) {
    run(PullBack { weight, rows, dy, dx });
}

/// W ← keep·W + factor·dY·Xᵀ for a W of `rows` rows.
pub(crate) fn add_gradient<T: Real>(
    (keep, factor): (T, T),
    rows: usize,
    x: &[T],
    dy: &[T],
    weight: &mut [T],
) -> Result<()> {
    if keep == T::zero() {
        weight.fill(T::zero());
    } else if keep != T::one() {
        weight.iter_mut().for_each(|w| *w *= keep);
    }
    let inputs = weight.len() / rows;
    let gather = Gather { segments: &[0], length: inputs, across: SAMPLES, step: inputs, down: 0 };
    let mut scaled = [T::zero(); SAMPLES * MOST];
    for (x, dy) in x.chunks(SAMPLES * inputs).zip(dy.chunks(SAMPLES * rows)) {
        let scaled = &mut scaled[..dy.len()];
        for (scaled, &dy) in scaled.iter_mut().zip(dy) {
            *scaled = factor * dy;
        }
        add_outer_products(scaled, 0..rows, &gather.on(x, 0..dy.len() / rows), weight)?;
    }
    Ok(())
}

struct Columns<'a, T> {
    weight: &'a [T],
    bias: &'a [T],
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Columns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, v: V) {
        let rows = self.bias.len();
        let samples = self.y.len() / rows;
        for first in (0..rows).step_by(v.lanes()) {
            let mut sample = 0;
            while sample < samples {
                sample += match samples - sample {
                    4.. => self.tile::<V, 4>(v, first, sample),
                    2.. => self.tile::<V, 2>(v, first, sample),
                    _ => self.tile::<V, 1>(v, first, sample),
                };
            }
        }
    }
}

impl<T: Real> Columns<'_, T> {
    /// A vector of rows from `first` for N samples. Returns N.
    #[inline(always)]
    fn tile<V: Vectors<T>, const N: usize>(&mut self, v: V, first: usize, sample: usize) -> usize {
        /// Sums for an entry, so that additions need not wait for each other.
        const WAYS: usize = 4;
        let (lanes, rows) = (v.lanes(), self.bias.len());
        let inputs = self.weight.len() / rows;
        let mut x = [&self.x[..0]; N];
        for j in 0..N {
            x[j] = &self.x[(sample + j) * inputs..][..inputs];
        }
        let mut sums = [[v.splat(T::zero()); WAYS]; N];
        // From all columns but the last few a whole vector can be read.
        let reach = (self.weight.len() - first).checked_sub(lanes);
        let whole = reach.map_or(0, |reach| (reach / rows + 1).min(inputs) / WAYS * WAYS);
        for k in (0..whole).step_by(WAYS) {
            for way in 0..WAYS {
                let w = v.whole(&self.weight[(k + way) * rows + first..][..lanes])[0];
                for j in 0..N {
                    sums[j][way] = v.mul_add(w, x[j][k + way], sums[j][way]);
                }
            }
        }
        for k in whole..inputs {
            let w = &self.weight[k * rows + first..(k + 1) * rows];
            let w = v.load(&w[..w.len().min(lanes)]);
            for j in 0..N {
                sums[j][k % WAYS] = v.mul_add(w, x[j][k], sums[j][k % WAYS]);
            }
        }
        let end = rows.min(first + lanes);
        let bias = v.load(&self.bias[first..end]);
        for j in 0..N {
            let [a, b, c, d] = sums[j];
            let sum = v.plus(bias, v.plus(v.plus(a, b), v.plus(c, d)));
            v.store(&mut self.y[(sample + j) * rows..][first..end], sum);
        }
        N
    }
}

struct PullBack<'a, T> {
    weight: &'a [T],
    rows: usize,
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> Task<T> for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _v: V) {
        let Self { weight, rows, dy, dx } = self;
        let inputs = weight.len() / rows;
        // Wᵀ for a block of columns, so that a sum over rows has long vectors.
        let mut turned = [[T::zero(); BLOCK]; MOST];
        for (block, weight) in weight.chunks(BLOCK * rows).enumerate() {
            for (column, weight) in weight.chunks_exact(rows).enumerate() {
                for (turned, &w) in turned.iter_mut().zip(weight) {
                    turned[column % BLOCK] = w;
                }
            }
            let count = weight.len() / rows;
            for (dy, dx) in dy.chunks_exact(rows).zip(dx.chunks_exact_mut(inputs)) {
                let mut sums = [T::zero(); BLOCK];
                for (turned, &dy) in turned.iter().zip(dy) {
                    for (sum, &w) in sums.iter_mut().zip(turned) {
                        *sum += w * dy;
                    }
                }
                dx[block * BLOCK..][..count].copy_from_slice(&sums[..count]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    proptest! {
        /// Each entry is within n·eps of the sum of its terms' sizes, n terms.
        #[test]
        fn the_products_are_the_sums_that_they_stand_for(
            rows in 1_usize..=MOST, inputs in LEAST..200_usize, samples in 1_usize..40,
            seed in 0_u64..1000,
        ) {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut random =
                |len: usize| (0..len).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
            let (w, bias) = (random(rows * inputs), random(rows));
            let (x, dy) = (random(inputs * samples), random(rows * samples));
            let within = |found: f64, terms: &[f64]| {
                let size: f64 = terms.iter().map(|term| term.abs()).sum();
                let bound = (terms.len() + 1) as f64 * f64::EPSILON * size;
                (found - terms.iter().sum::<f64>()).abs() <= bound
            };

            let mut y = vec![f64::NAN; rows * samples];
            columns(&w, &bias, &x, &mut y);
            let mut dx = vec![f64::NAN; inputs * samples];
            pull_back(&w, rows, &dy, &mut dx);
            let mut next = w.clone();
            add_gradient((0.5, -0.25), rows, &x, &dy, &mut next).unwrap();
            for s in 0..samples {
                for i in 0..rows {
                    let mut terms: Vec<f64> =
                        (0..inputs).map(|k| w[k * rows + i] * x[s * inputs + k]).collect();
                    terms.push(bias[i]);
                    prop_assert!(within(y[s * rows + i], &terms), "y({i}, {s})");
                }
                for k in 0..inputs {
                    let terms: Vec<f64> =
                        (0..rows).map(|i| w[k * rows + i] * dy[s * rows + i]).collect();
                    prop_assert!(within(dx[s * inputs + k], &terms), "dx({k}, {s})");
                }
            }
            for k in 0..inputs {
                for i in 0..rows {
                    let mut terms: Vec<f64> = (0..samples)
                        .map(|s| -0.25 * dy[s * rows + i] * x[s * inputs + k])
                        .collect();
                    terms.push(0.5 * w[k * rows + i]);
                    prop_assert!(within(next[k * rows + i], &terms), "w({i}, {k})");
                }
            }
        }
    }
}
