//! Decompositions and polynomial roots, each asserted right before it is timed.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use linalg::{Complex, DMatrix, HermitianEigen, PseudoInverse, Svd, eigenvalues, roots};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

fn normal(rows: usize, columns: usize) -> DMatrix<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

/// What a residual may be: LAPACK's threshold.
fn allowed(a: f64, n: usize) -> f64 {
    30.0 * n as f64 * f64::EPSILON * a
}

fn svd(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("svd");
    group.sample_size(10);
    for n in [16, 64, 500, 1000] {
        let a = normal(n, n);
        let svd = Svd::new(&a).expect("a finite matrix");
        let product = &svd.u * DMatrix::from_diagonal(&svd.singular_values) * svd.v.transpose();
        assert!((&a - product).norm() <= allowed(a.norm(), n), "SVD of size {n} is wrong");
        group.bench_with_input(BenchmarkId::new("f64", n), &a, |bencher, a| {
            bencher.iter(|| Svd::new(black_box(a)));
        });
    }
    let a = normal(1000, 500);
    let inverse = PseudoInverse::new(&a).expect("a finite matrix").matrix();
    let identity = DMatrix::identity(500, 500);
    assert!((inverse * &a - identity).norm() <= 1e3 * allowed(1.0, 1000), "pinv is wrong");
    group.bench_function("pinv/1000x500", |bencher| {
        bencher.iter(|| PseudoInverse::new(black_box(&a)).map(|inverse| inverse.matrix()));
    });
    group.finish();
}

fn hermitian(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hermitian");
    group.sample_size(10);
    for n in [16, 32, 64, 128, 256] {
        let a = normal(n, n);
        let real = &a + a.transpose();
        let imaginary = &a - a.transpose();
        let complex = real.zip_map(&imaginary, Complex::new);
        let eigen = HermitianEigen::new(&complex).expect("a Hermitian matrix");
        let lambda = DMatrix::from_diagonal(&eigen.values.map(Complex::from));
        let residual = (&complex * &eigen.vectors - &eigen.vectors * lambda).norm();
        assert!(residual <= allowed(complex.norm(), n), "eigenvectors of size {n} are wrong");
        group.bench_with_input(BenchmarkId::new("c64", n), &complex, |bencher, a| {
            bencher.iter(|| HermitianEigen::new(black_box(a)));
        });
        let eigen = HermitianEigen::new(&real).expect("a symmetric matrix");
        let lambda = DMatrix::from_diagonal(&eigen.values);
        let residual = (&real * &eigen.vectors - &eigen.vectors * lambda).norm();
        assert!(residual <= allowed(real.norm(), n), "eigenvectors of size {n} are wrong");
        group.bench_with_input(BenchmarkId::new("f64", n), &real, |bencher, a| {
            bencher.iter(|| HermitianEigen::new(black_box(a)));
        });
    }
    group.finish();
}

fn general(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("eigenvalues");
    group.sample_size(10);
    for n in [16, 64, 256] {
        let a = normal(n, n);
        let values = eigenvalues(&a).expect("a finite matrix");
        let trace: Complex<f64> = values.sum();
        assert!((trace - a.trace()).norm() <= allowed(a.norm(), n), "eigenvalues are wrong");
        group.bench_with_input(BenchmarkId::new("f64", n), &a, |bencher, a| {
            bencher.iter(|| eigenvalues(black_box(a)));
        });
    }
    group.finish();
}

fn polynomial(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("roots");
    for degree in [16, 64, 128] {
        let coefficients = normal(degree + 1, 1).as_slice().to_vec();
        let found = roots(&coefficients).expect("a polynomial");
        let limit = degree as f64 * f64::EPSILON;
        assert!(found.backward_errors.iter().all(|&error| error <= limit), "roots are wrong");
        group.bench_with_input(BenchmarkId::new("f64", degree), &coefficients, |bencher, c| {
            bencher.iter(|| roots(black_box(c)));
        });
    }
    group.finish();
}

criterion_group!(benches, svd, hermitian, general, polynomial);
criterion_main!(benches);
