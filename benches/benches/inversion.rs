//! Networks inverted layer by layer and by search, each asserted right before it is timed.

use std::hint::black_box;
use std::ops::ControlFlow;

use benches::{matrix, sparse_problem, uniform};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use linalg::{DMatrix, DVector};
use nn_core::{Network, Tanh};
use nn_invert::{Chain, LayerwiseInverse, Map, SearchOptions, SearchStop, search};

/// Two dense layers of n units with tanh between them.
fn network(n: usize) -> Network<f64> {
    let weight = |seed| DMatrix::identity(n, n) + matrix(seed, n, n) / (n as f64).sqrt();
    Network::builder(n)
        .dense_from(weight(1), uniform(3, n))
        .activation(Tanh)
        .dense_from(weight(2), uniform(4, n))
        .build_given()
        .expect("square layers")
}

fn layers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("layerwise");
    for n in [10, 100, 500] {
        let network = network(n);
        let x = DVector::from_vec(uniform(5, n));
        let chain = Chain::of(&network).expect("layers that have an inverse");
        let target = chain.value(&x).expect("an input of that size");
        let inverse = LayerwiseInverse::new(&network).expect("regular matrices");
        let found = inverse.invert(&target).expect("a target that has an input");
        let error = (&found.input - &x).norm() / x.norm();
        assert!(error <= 1e-9, "{n} units: relative error {error}");
        group.bench_function(BenchmarkId::new("ready", n), |bencher| {
            bencher.iter(|| LayerwiseInverse::new(black_box(&network)).is_ok());
        });
        group.bench_function(BenchmarkId::new("target", n), |bencher| {
            bencher.iter(|| inverse.invert(black_box(&target)).is_ok());
        });
    }
    let problem = sparse_problem(10_000, 1.0);
    let found = problem.invert().expect("the solver converges");
    let known = uniform(3, 10_000).into_iter().map(|x| 2.0 * x);
    let error = found.iter().zip(known).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error <= 1e-6, "sparse layers: error {error}");
    group.bench_function("sparse/10000", |bencher| {
        bencher.iter(|| black_box(&problem).invert().is_ok());
    });
    group.finish();
}

fn searches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search");
    for n in [10, 50] {
        let network = network(n);
        let chain = Chain::of(&network).expect("layers that have slopes");
        let target = chain.value(&DVector::from_vec(uniform(5, n))).expect("an input of that size");
        let (seed, options) = (DVector::zeros(n), SearchOptions::default());
        let run = || search(&chain, &target, &seed, &options, |_| ControlFlow::Continue(()));
        let found = run().expect("a target of that size");
        assert_eq!(found.stop, SearchStop::Converged, "{n} units");
        assert!(found.relative_residual <= 1e-10, "{n} units: {}", found.relative_residual);
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter(|| run().is_ok());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = layers, searches
}
criterion_main!(benches);
