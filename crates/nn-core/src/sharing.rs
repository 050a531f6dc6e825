//! The shards of a batch over a team: each member runs some, rank 0 adds their gradients in order.

use std::ops::Range;

use linalg::Real;
use linalg::team::{Failed, Pieces, Team, digest};

use crate::Result;
use crate::shards::{Shard, Task};

/// What all shards of a batch gave together, beside the gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Total {
    pub(crate) loss: f64,
    /// Whether all that ran backward were numbers.
    pub(crate) is_finite: bool,
}

/// Runs the shards of a batch over the team and writes the sum of their gradients. The order of the sum is that of one
/// process, ((g₀ + g₁) + g₂) + …, so that the number of members changes no bit of it.
pub(crate) fn run<T: Real>(
    team: &dyn Team,
    task: &Task<'_, T>,
    shards: &mut [Shard<T>],
    gradient: &mut [T],
) -> Result<Total> {
    let count = shards.len();
    let parameters = gradient.len();
    let words = task.numbers.parameters.iter().map(|theta| theta.to_double().to_bits());
    let samples = task.batch.samples.iter().map(|&sample| sample as u64);
    let pieces = Pieces::new("shard", count)
        .at_a_time(count.div_ceil(team.members()))
        .digest(digest(words.chain(samples)));
    let mut work = |range: Range<usize>| {
        let own = &mut shards[range.clone()];
        task.run(own, range.start, &mut [])
            .map_err(|error| Failed { piece: range.start, text: error.to_string() })?;
        let mut bytes = Vec::with_capacity(own.len() * record::<T>(parameters));
        for shard in own {
            let (loss, is_finite) = shard.outcome();
            bytes.extend(loss.to_le_bytes());
            bytes.push(u8::from(is_finite));
            put(&mut bytes, shard.gradient(0..parameters));
        }
        Ok(bytes)
    };
    let mut join = |all: Vec<u8>| {
        let records = || all.chunks_exact(record::<T>(parameters));
        let loss: f64 = records().map(|record| head(record).loss).sum();
        let is_finite = records().all(|record| head(record).is_finite);
        let mut sum = vec![T::zero(); parameters];
        for (index, record) in records().enumerate() {
            for (sum, g) in sum.iter_mut().zip(numbers::<T>(&record[HEAD..])) {
                // The first is taken as it is: 0 + g would lose the sign of a −0.
                *sum = if index == 0 { g } else { *sum + g };
            }
        }
        let mut bytes = loss.to_le_bytes().to_vec();
        bytes.push(u8::from(is_finite));
        put(&mut bytes, &sum);
        bytes
    };
    let bytes = team.run(pieces, &mut work, &mut join)?;
    for (g, sum) in gradient.iter_mut().zip(numbers(&bytes[HEAD..])) {
        *g = sum;
    }
    Ok(head(&bytes))
}

/// Bytes before the gradient: the loss, and whether all is finite.
const HEAD: usize = 9;

/// Bytes of what a shard gave.
fn record<T>(parameters: usize) -> usize {
    HEAD + parameters * size_of::<T>()
}

fn head(record: &[u8]) -> Total {
    let loss = record.first_chunk().map_or(f64::NAN, |bytes| f64::from_le_bytes(*bytes));
    Total { loss, is_finite: record.get(8) == Some(&1) }
}

/// Writes numbers in their own precision.
fn put<T: Real>(to: &mut Vec<u8>, numbers: &[T]) {
    for number in numbers {
        let number = number.to_double();
        if size_of::<T>() == size_of::<f32>() {
            #[expect(clippy::cast_possible_truncation, reason = "it was an f32 before")]
            to.extend((number as f32).to_le_bytes());
        } else {
            to.extend(number.to_le_bytes());
        }
    }
}

fn numbers<T: Real>(bytes: &[u8]) -> impl Iterator<Item = T> {
    bytes.chunks_exact(size_of::<T>()).map(|bytes| {
        let single = bytes.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
        let double = bytes.first_chunk().map(|bytes| f64::from_le_bytes(*bytes));
        T::from_double(double.unwrap_or(f64::from(single)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adam, Batch, Conv2d, Error, MeanSquaredError, Network, Sgd, Shape, Tanh, Trainer};
    use linalg::DMatrix;
    use linalg::team::{Alone, Join, Lost, Work};
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    /// A team of so many, all of whose pieces this one does, as rank 0 sees it.
    #[derive(Debug)]
    struct Pretended(usize);

    impl Team for Pretended {
        fn members(&self) -> usize {
            self.0
        }

        fn rank(&self) -> usize {
            0
        }

        fn run(&self, pieces: Pieces, work: Work<'_>, join: Join<'_>) -> Result<Vec<u8>, Lost> {
            // Of two, a sum is the same in any order.
            assert!(pieces.count > 2 && pieces.at_a_time == pieces.count.div_ceil(self.0));
            Alone.run(pieces, work, join)
        }
    }

    fn network<T: Real>() -> (Network<T>, DMatrix<T>, DMatrix<T>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let layers = Network::builder(Shape::image(1, 16, 16)).conv2d(Conv2d::new(24, 3));
        let network = layers.activation(Tanh).dropout(0.2).dense(3).build(&mut rng).unwrap();
        let mut draw =
            |rows| DMatrix::from_fn(rows, 1001, |_, _| T::from_double(rng.random_range(-1.0..1.0)));
        let (x, targets) = (draw(256), draw(3));
        (network, x, targets)
    }

    fn steps<T: Real>(mut trainer: Trainer<T>) -> Result<Vec<f64>> {
        let (mut network, x, targets) = network::<T>();
        let loss = MeanSquaredError::new(&targets)?;
        let mut losses = Vec::new();
        for _ in 0..2 {
            losses.push(trainer.step(&mut network, &x, &loss)?);
        }
        losses.extend(network.parameters().iter().map(|theta| theta.to_double()));
        Ok(losses)
    }

    fn same_bits<T: Real>() {
        // One whose steps need the gradient first, and one that takes them as gradients are added.
        let adam = || Trainer::<T>::new(Adam::new(1e-2).unwrap(), Batch::Full, 7);
        let plain = || Trainer::<T>::new(Sgd::new(1e-2, 0.0).unwrap(), Batch::Full, 7);
        let (by_adam, by_sgd) = (steps(adam()).unwrap(), steps(plain()).unwrap());
        assert!(by_adam != by_sgd);
        for members in [1, 3, 30] {
            assert!(steps(adam().team(Pretended(members))).unwrap() == by_adam, "{members}");
            assert!(steps(plain().team(Pretended(members))).unwrap() == by_sgd, "{members}");
        }
    }

    #[test]
    fn a_step_has_the_same_bits_for_any_number_of_members() {
        same_bits::<f32>();
        same_bits::<f64>();
    }

    #[test]
    fn numbers_keep_every_bit() {
        let singles = [-0.0f32, f32::MIN_POSITIVE / 3.0, f32::INFINITY, 0.1];
        let doubles = [-0.0f64, f64::MIN_POSITIVE / 3.0, f64::INFINITY, 0.1];
        let mut bytes = Vec::new();
        put(&mut bytes, &singles);
        assert!(numbers::<f32>(&bytes).map(f32::to_bits).eq(singles.map(f32::to_bits)));
        bytes.clear();
        put(&mut bytes, &doubles);
        assert!(numbers::<f64>(&bytes).map(f64::to_bits).eq(doubles.map(f64::to_bits)));
    }

    #[test]
    fn a_loss_that_is_no_number_is_seen_by_every_member() {
        let (_, mut x, targets) = network::<f64>();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let linear = Network::builder(Shape::image(1, 16, 16)).conv2d(Conv2d::new(24, 3));
        let mut linear = linear.dense(3).build(&mut rng).unwrap();
        // Its square overflows, in the last shard alone.
        x[(0, 1000)] = 1e200;
        let loss = MeanSquaredError::new(&targets).unwrap();
        let before = linear.parameters().clone();
        for momentum in [0.0, 0.9] {
            let trainer = Trainer::new(Sgd::new(1.0, momentum).unwrap(), Batch::Full, 7);
            let found = trainer.team(Pretended(4)).step(&mut linear, &x, &loss);
            assert!(matches!(found, Err(Error::Diverged { .. })), "{found:?}");
            assert_eq!(linear.parameters(), &before);
        }
    }
}
