//! The shards of a batch over a team: each member runs some, rank 0 adds their gradients in order.

use std::ops::Range;

use linalg::Real;
use linalg::team::{Failed, Pieces, Team, digest};

use crate::shards::{Shard, Task};
use crate::{Error, Result};

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
    let pieces = Pieces {
        count,
        at_a_time: count.div_ceil(team.members()),
        digest: digest(words.chain(samples)),
    };
    let mut work = |range: Range<usize>| {
        let own = &mut shards[range.clone()];
        task.run(own, range.start)
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
    let bytes = team.run(pieces, &mut work, &mut join).map_err(Error::Rank)?;
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
