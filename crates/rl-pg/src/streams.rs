//! Random streams by counter: which numbers a rollout draws depends on its place, not on who runs it.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// Independent random streams, one for every (iteration, rollout, purpose).
///
/// A rollout that asks here for its generator draws the same numbers whichever thread runs it, in
/// whatever order, and again after a restart.
///
/// # Examples
/// ```
/// use rand::Rng;
/// use rl_pg::Streams;
/// let streams = Streams::new(7);
/// let mut first = streams.rng(3, 14, 0);
/// assert_eq!(streams.rng(3, 14, 0).next_u64(), first.next_u64());
/// assert_ne!(streams.rng(3, 15, 0).next_u64(), streams.rng(3, 14, 0).next_u64());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of a run with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed of the run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number for (iteration, rollout, purpose), as the seed of a simulator's own noise.
    #[must_use]
    pub fn key(&self, iteration: u64, rollout: u64, purpose: u64) -> u64 {
        [iteration, rollout, purpose].iter().fold(scatter(self.seed), |key, &part| {
            // A sum would let (1, 2) meet (2, 1); each part passes through the mixer after the last.
            scatter(key ^ scatter(part.wrapping_add(0x9e37_79b9_7f4a_7c15)))
        })
    }

    /// The generator of (iteration, rollout, purpose).
    #[must_use]
    pub fn rng(&self, iteration: u64, rollout: u64, purpose: u64) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(self.key(iteration, rollout, purpose))
    }
}

/// One step of `SplitMix64` (G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014): every bit of the result depends on every bit of the argument.
fn scatter(bits: u64) -> u64 {
    let mut bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_places_share_a_key() {
        let streams = Streams::new(7);
        let mut keys = BTreeSet::new();
        for place in 0..64_000u64 {
            assert!(keys.insert(streams.key(place / 1600, place / 40 % 40, place % 40)), "{place}");
        }
    }
}
