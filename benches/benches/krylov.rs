//! One layer of a large network: 2·I plus ten random entries a row, up to N = 100 000.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use linalg::krylov::{self, Options, Solution, Stop};
use linalg::{Csr, LinearOperator};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// The matrix, whose eigenvalues fill the disc of radius 1 about 2, and a right-hand side.
fn layer(n: usize) -> (Csr<f64>, Vec<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
    for i in 0..n {
        for _ in 0..10 {
            let value: f64 = rng.sample(StandardNormal);
            triplets.push((i, rng.random_range(0..n), value / 10.0_f64.sqrt()));
        }
    }
    let b = (0..n).map(|_| rng.sample(StandardNormal)).collect();
    (Csr::from_triplets(n, n, &triplets).expect("the entries are inside"), b)
}

type Solver =
    fn(&dyn LinearOperator<f64>, &[f64], Options<'_, f64>) -> linalg::Result<Solution<f64>>;

fn krylov(criterion: &mut Criterion) {
    for n in [1_000, 10_000, 100_000] {
        let (a, b) = layer(n);
        let mut y = vec![0.0; n];
        criterion.bench_function(&format!("krylov/csr-product/{n}"), |bencher| {
            bencher.iter(|| a.apply(black_box(&b), &mut y));
        });
        criterion.bench_function(&format!("krylov/csr-adjoint/{n}"), |bencher| {
            bencher.iter(|| a.apply_adjoint(black_box(&b), &mut y));
        });
        for (name, solver) in [
            ("solve", krylov::solve as Solver),
            ("bicgstab", krylov::bicgstab),
            ("gmres", krylov::gmres),
            ("lsmr", krylov::lsmr),
            ("lsqr", krylov::lsqr),
        ] {
            let run = || solver(&a, black_box(&b), Options::default().tolerance(1e-9));
            let found = run().expect("the request is well formed");
            assert_eq!(found.stop, Stop::Converged, "{name} at {n}");
            assert!(found.relative_residual <= 1e-9, "{name} at {n}");
            criterion.bench_function(&format!("krylov/{name}/{n}"), |bencher| bencher.iter(run));
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = krylov
}
criterion_main!(benches);
