//! Forward and backward over a mini-batch, in shards that threads take.

use linalg::parallel::join;
use linalg::{DMatrix, Real};
use nn_core::{Mode, Network, Workspace};

use crate::{Actor, Error, Policy, Result};

/// The buffers of forward and backward passes over mini-batches, and what they sum up.
///
/// Into how many shards a mini-batch is divided depends on its size and on the network's alone, and their
/// sums are added in order. Results therefore have the same bits for any number of threads.
pub(crate) struct Pass<T: Real> {
    shards: Vec<Shard<T>>,
    gradient: Vec<T>,
    free: Vec<f64>,
}

/// A part of the mini-batch.
struct Shard<T: Real> {
    x: DMatrix<T>,
    workspace: Workspace<T>,
    notes: Notes,
}

/// What a shard notes beside the network's gradient.
#[derive(Default)]
struct Notes {
    /// The gradient of the free parameters.
    free: Vec<f64>,
    /// What the samples add up to.
    sums: [f64; 2],
    slope: Vec<f64>,
    room: Vec<f64>,
}

/// Shards of so many samples, each worth a thread: it works for some 0.1 ms, and to be woken takes half of that.
fn shards(samples: usize, parameters: usize) -> usize {
    /// Multiply-adds worth a thread, and those that the head of a policy takes as long as.
    const GRAIN: usize = 1 << 20;
    const HEAD: usize = 1000;
    (samples.saturating_mul(parameters + HEAD) / GRAIN).max(1)
}

impl<T: Real> Pass<T> {
    pub(crate) fn new() -> Self {
        Self { shards: Vec::new(), gradient: Vec::new(), free: Vec::new() }
    }

    /// The gradient of the network's parameters.
    pub(crate) fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// The gradient of the free parameters.
    pub(crate) fn free(&self) -> &[f64] {
        &self.free
    }

    /// The length of the gradient, that of the free parameters included.
    pub(crate) fn norm(&self) -> f64 {
        (square_sum(&self.gradient) + square_sum(&self.free)).sqrt()
    }

    /// Cuts a gradient of length `norm` down to `length`.
    pub(crate) fn cut(&mut self, norm: f64, length: f64) {
        if norm > length {
            let factor = length / norm;
            self.gradient.iter_mut().for_each(|g| *g *= T::from_double(factor));
            self.free.iter_mut().for_each(|g| *g *= factor);
        }
    }

    /// Of the chosen columns of `x`, which are inputs of the actor's network: `write` says for each, by its number,
    /// how what is to be raised changes with the policy's parameters, in zeros that it is given beside room of its own. What
    /// it returns is added up, and the gradient is left here.
    pub(crate) fn climb<P: Policy>(
        &mut self,
        actor: &Actor<T, P>,
        (x, chosen): (&DMatrix<T>, &[usize]),
        write: &(impl Fn(usize, &P, &mut [f64], &mut Vec<f64>) -> Result<[f64; 2]> + Sync),
    ) -> Result<[f64; 2]> {
        let (outputs, free) = (actor.network.outputs(), actor.free.len());
        self.run(&actor.network, (x, chosen), &|notes, chosen, p, slopes| {
            let Notes { free: own, sums, slope, room } = notes;
            own.clear();
            own.resize(free, 0.0);
            slope.resize(outputs + free, 0.0);
            *sums = [0.0; 2];
            let columns = p.as_slice().chunks_exact(outputs);
            let columns = columns.zip(slopes.as_mut_slice().chunks_exact_mut(outputs));
            for (&sample, (p, column)) in chosen.iter().zip(columns) {
                let policy = actor.head_of(p, room)?;
                slope.fill(0.0);
                let terms = write(sample, &policy, slope, room)?;
                if let Some(parameter) = slope.iter().position(|slope| !slope.is_finite()) {
                    let value = slope[parameter];
                    return Err(Error::ScoreNotFinite { sample, parameter, value });
                }
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
                let (network, rest) = slope.split_at(outputs);
                for (target, &slope) in column.iter_mut().zip(network) {
                    *target = T::from_double(slope);
                }
                own.iter_mut().zip(rest).for_each(|(sum, slope)| *sum += slope);
            }
            Ok(())
        })?;
        self.free.clear();
        self.free.resize(free, 0.0);
        let mut sums = [0.0; 2];
        for Shard { notes, .. } in &self.shards {
            self.free.iter_mut().zip(&notes.free).for_each(|(sum, g)| *sum += g);
            sums.iter_mut().zip(notes.sums).for_each(|(sum, part)| *sum += part);
        }
        Ok(sums)
    }

    /// Of the chosen columns of `x`: the gradient of the sum of (P − target)² times `share`, the targets being in the
    /// order of the columns.
    pub(crate) fn regress(
        &mut self,
        network: &Network<T>,
        (x, chosen): (&DMatrix<T>, &[usize]),
        targets: &[f64],
        share: f64,
    ) -> Result<()> {
        self.run(network, (x, chosen), &|_, chosen, p, slopes| {
            for ((slope, p), &sample) in slopes.iter_mut().zip(p.iter()).zip(chosen) {
                *slope = T::from_double(2.0 * share * (p.to_double() - targets[sample]));
            }
            Ok(())
        })
    }

    /// The gradient from the slopes that `write` puts down for the chosen samples of a shard, given the network's outputs.
    fn run(
        &mut self,
        network: &Network<T>,
        (x, chosen): (&DMatrix<T>, &[usize]),
        write: &(impl Fn(&mut Notes, &[usize], &DMatrix<T>, &mut DMatrix<T>) -> Result<()> + Sync),
    ) -> Result<()> {
        let columns =
            chosen.len().div_ceil(shards(chosen.len(), network.parameters().len())).max(1);
        self.shards.resize_with(chosen.len().div_ceil(columns), || Shard {
            x: DMatrix::zeros(0, 0),
            workspace: Workspace::new(),
            notes: Notes::default(),
        });
        in_parallel(&mut self.shards, chosen, columns, &|shard: &mut Shard<T>, chosen| {
            let Shard { x: own, workspace, notes } = shard;
            gather(x, chosen, own);
            let write = |p: &_, slopes: &mut _| write(notes, chosen, p, slopes);
            network.pull_back(own, Mode::Inference, workspace, write)
        })?;
        self.gradient.clear();
        for Shard { workspace, .. } in &self.shards {
            let part = workspace.gradient().as_slice();
            match self.gradient.len() {
                0 => self.gradient.extend_from_slice(part),
                _ => self.gradient.iter_mut().zip(part).for_each(|(sum, &g)| *sum += g),
            }
        }
        Ok(())
    }
}

/// Has `work` done on each shard with its `columns` of the chosen samples.
fn in_parallel<S: Send>(
    shards: &mut [S],
    chosen: &[usize],
    columns: usize,
    work: &(impl Fn(&mut S, &[usize]) -> Result<()> + Sync),
) -> Result<()> {
    let (left, right) = match shards {
        [] => return Ok(()),
        [shard] => return work(shard, chosen),
        more => more.split_at_mut(more.len() / 2),
    };
    let (first, second) = chosen.split_at(left.len() * columns);
    let (left, right) = join(
        || in_parallel(left, first, columns, work),
        || in_parallel(right, second, columns, work),
    );
    left.and(right)
}

/// The chosen columns of `from`, one after the other.
fn gather<T: Real>(from: &DMatrix<T>, chosen: &[usize], to: &mut DMatrix<T>) {
    let rows = from.nrows();
    if to.shape() != (rows, chosen.len()) {
        *to = DMatrix::zeros(rows, chosen.len());
    }
    for (to, &column) in to.as_mut_slice().chunks_exact_mut(rows).zip(chosen) {
        to.copy_from_slice(&from.as_slice()[column * rows..][..rows]);
    }
}

/// Σ x² in double precision, in an order that lets additions run side by side.
fn square_sum<T: Real>(numbers: &[T]) -> f64 {
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, x) in sums.iter_mut().zip(eight) {
            let x = x.to_double();
            *sum += x * x;
        }
    }
    let rest = rest.iter().map(|x| x.to_double().powi(2));
    sums.iter().copied().chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiagonalGaussian;
    use crate::learning::actor::tests::actor;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    fn score(
        sample: usize,
        policy: &DiagonalGaussian,
        slopes: &mut [f64],
        _: &mut Vec<f64>,
    ) -> Result<[f64; 2]> {
        policy.score(&vec![0.1, 0.4], slopes)?;
        Ok([sample as f64, 1.0])
    }

    #[test]
    fn a_gradient_that_is_too_long_is_cut_down() {
        let (actor, x) = (actor(), DMatrix::from_row_slice(2, 1, &[0.5, 0.2]));
        let mut pass = Pass::new();
        let _ = pass.climb(&actor, (&x, &[0]), &score).unwrap();
        let (norm, before, free) = (pass.norm(), pass.gradient().to_vec(), pass.free().to_vec());
        let squares = before.iter().chain(&free).map(|g| g * g).sum::<f64>();
        // 29 terms, none negative.
        assert!((norm.powi(2) / squares - 1.0).abs() < 32.0 * f64::EPSILON, "{norm}");
        pass.cut(norm, 2.0 * norm);
        assert!(pass.gradient() == before && pass.free() == free);
        pass.cut(norm, norm / 4.0);
        let cut = pass.gradient().iter().chain(pass.free()).zip(before.iter().chain(&free));
        for (cut, before) in cut {
            assert!((cut - before / 4.0).abs() <= 2.0 * f64::EPSILON * before.abs(), "{cut}");
        }
    }

    #[test]
    fn shards_add_up_to_the_whole_with_the_same_bits_on_any_number_of_threads() {
        let (actor, samples) = (actor(), 5000);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let x = DMatrix::from_fn(2, samples, |_, _| rng.random_range(-1.0..1.0));
        let chosen: Vec<usize> = (0..samples).rev().step_by(2).chain(7..3000).collect();
        assert!(shards(chosen.len(), actor.network.parameters().len()) > 4);
        let found = [1, 2, 3, 4, 8].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut pass = Pass::new();
            let sums = pool.install(|| pass.climb(&actor, (&x, &chosen), &score)).unwrap();
            (sums, [pass.gradient(), pass.free()].concat())
        });
        assert!(found.iter().all(|other| *other == found[0]));

        let (mut whole, mut gradient) = (Pass::new(), vec![0.0; 29]);
        for sample in &chosen {
            let _ = whole.climb(&actor, (&x, &[*sample]), &score).unwrap();
            let terms = whole.gradient().iter().chain(whole.free());
            gradient.iter_mut().zip(terms).for_each(|(sum, g)| *sum += g);
        }
        let (sums, sharded) = &found[0];
        // Whole numbers, whose sums are exact.
        let whole = [chosen.iter().sum::<usize>(), chosen.len()].map(|sum| sum as f64);
        assert_eq!(sums.map(f64::to_bits), whole.map(f64::to_bits));
        for (sum, shards) in gradient.iter().zip(sharded) {
            // 5,493 terms of a few units at most, each of some roundings.
            assert!((sum - shards).abs() < 5493.0 * 5493.0 * 10.0 * f64::EPSILON, "{sum} {shards}");
        }
    }
}
