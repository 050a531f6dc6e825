//! The targets of the fuzzer on their seeds, what it once found among them, and on mutations of them.

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes made of numbers, and numbers of bytes"
)]
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use targets::TARGETS;

/// Mutations of each seed: a few, so that the target is known to bear them. `FUZZ_MUTATIONS=1000` asks more.
fn mutations() -> usize {
    std::env::var("FUZZ_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[test]
fn every_target_returns() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        // A process for each is too slow here.
        let count = if target.name == "answers" { 0 } else { mutations() };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        for (index, seed) in seeds.iter().enumerate() {
            for step in 0..count {
                let bytes = mutated(seed, &mut rng);
                let run = std::panic::catch_unwind(|| (target.run)(&bytes));
                assert!(run.is_ok(), "{}, seed {index}, mutation {step}: {bytes:?}", target.name);
            }
        }
    }
}

/// A few bytes changed, put in or taken out.
fn mutated(seed: &[u8], rng: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..8) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..4) {
            0 => bytes.insert(at, rng.random()),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => {
                bytes[at] = [0, 1, 3, 0xff, 0x7f, rng.random()][rng.random_range(0..6)];
            }
            _ => {}
        }
    }
    bytes
}
