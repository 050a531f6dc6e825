//! Cholesky, QR and least squares, each asserted right before it is timed.

use std::hint::black_box;

use benches::{definite, matrix};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use linalg::{Cholesky, DVector, Qr, product, transpose};

/// What a residual may be: LAPACK's threshold.
fn allowed(a: f64, n: usize) -> f64 {
    30.0 * n as f64 * f64::EPSILON * a
}

fn cholesky(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cholesky");
    group.sample_size(10);
    for n in [50, 200, 2000] {
        let a = definite(n);
        let cholesky = Cholesky::new(a.clone()).expect("a positive definite matrix");
        let l = cholesky.l();
        let again = product(l, transpose(l)).expect("a square factor");
        assert!((again - &a).norm() <= allowed(a.norm(), n), "Cholesky of size {n} is wrong");
        group.bench_function(BenchmarkId::new("factor", n), |bencher| {
            bencher.iter_batched(|| a.clone(), Cholesky::new, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn qr(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("qr");
    group.sample_size(10);
    for (m, n) in [(50, 50), (200, 200), (1000, 1000), (2000, 100)] {
        let name = format!("{m}x{n}");
        let a = matrix(1, m, n);
        let qr = Qr::new(a.clone()).expect("a finite matrix");
        let again = product(&qr.q(), &qr.r()).expect("factors that fit");
        assert!((again - &a).norm() <= allowed(a.norm(), m), "QR of {name} is wrong");
        group.bench_function(BenchmarkId::new("factor", &name), |bencher| {
            bencher.iter_batched(|| a.clone(), Qr::new, BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("thin_q", &name), |bencher| {
            bencher.iter(|| black_box(&qr).q());
        });
        let b = DVector::from_vec(benches::uniform(2, m));
        let fit = qr.least_squares(&b).expect("independent columns");
        let normal = a.tr_mul(&(&a * &fit.x - &b)).norm();
        let size = a.norm() * fit.x.norm() + b.norm();
        assert!(normal <= allowed(a.norm() * size, m), "least squares of {name} is wrong");
        group.bench_function(BenchmarkId::new("least_squares", &name), |bencher| {
            bencher.iter(|| black_box(&qr).least_squares(&b));
        });
    }
    group.finish();
}

criterion_group!(factorisations, cholesky, qr);
criterion_main!(factorisations);
