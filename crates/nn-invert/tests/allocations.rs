//! Undoing a sparse chain takes a few vectors. In a binary of its own, whose allocator counts.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use allocation_counter::measure;
use linalg::{Csr, DVector};
use nn_core::{LeakyRelu, Tanh};
use nn_invert::{Chain, Evidence, LayerwiseInverse, LayerwiseOptions, Map};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// 2·I and ten random entries a row, of spectral radius about 1.
fn sparse(n: usize, seed: u64) -> Csr<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
    for row in 0..n {
        for _ in 0..10 {
            triplets.push((row, rng.random_range(0..n), rng.random_range(-0.54..0.54)));
        }
    }
    Csr::from_triplets(n, n, &triplets).unwrap()
}

#[test]
fn three_sparse_layers_of_100_000_units_are_undone_in_twelve_vectors() {
    const N: usize = 100_000;
    let weights: Vec<_> = (0..3).map(|seed| sparse(N, seed)).collect();
    let chain = Chain::new(N)
        .operator(&weights[0], vec![0.1; N])
        .unwrap()
        .activation(LeakyRelu::new(0.1).unwrap())
        .operator(&weights[1], vec![0.1; N])
        .unwrap()
        .activation(Tanh)
        .operator(&weights[2], vec![0.1; N])
        .unwrap();
    let y = chain.value(&DVector::from_fn(N, |i, _| 0.3 * (i as f64).sin())).unwrap();
    let options = LayerwiseOptions::default().evidence(Evidence::Residual).tolerance(1e-9);
    let mut residual = f64::INFINITY;
    let counted = measure(|| {
        let inverse = LayerwiseInverse::with_options(chain, options).unwrap();
        residual = inverse.invert(&y).unwrap().residual;
    });
    assert!(residual <= 1e-8 * y.norm(), "{residual:e}");
    let vectors = counted.bytes_max as f64 / (8 * N) as f64;
    // Half a vector for all that is small.
    assert!(vectors <= 12.5, "{vectors} vectors of 100,000 numbers");
}
