//! Rules and transforms on the sphere, each asserted right before it is timed.

use std::f64::consts::PI;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use quad::{GaussLegendre, HarmonicTransform, RingKind, SolidAngle, SphereRule, ring_weights};

fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gauss-legendre");
    for n in [10, 100, 1000, 100_000] {
        let rule = GaussLegendre::new(n).expect("a size above 0");
        let square: f64 = rule.nodes().iter().zip(rule.weights()).map(|(x, w)| w * x * x).sum();
        assert!((square - 2.0 / 3.0).abs() < 1e-14, "{n} nodes give {square} for the square");
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter(|| GaussLegendre::new(black_box(n)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("clenshaw-curtis");
    for n in [65, 1025, 4097] {
        let weights = ring_weights(SolidAngle, RingKind::Vertices, n).expect("a size above 1");
        let total: f64 = weights.iter().sum();
        assert!((total - 2.0).abs() < 1e-13, "{n} weights sum to {total}");
        group.bench_function(BenchmarkId::from_parameter(n), |bencher| {
            bencher.iter(|| ring_weights(SolidAngle, RingKind::Vertices, black_box(n)));
        });
    }
    group.finish();
}

fn integrals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sphere");
    for degree in [63, 255] {
        let rule = SphereRule::of_degree(SolidAngle, 2 * degree + 1).expect("an odd degree");
        let field: Vec<f64> = rule.directions().map(|x| (x.x() - 2.0 * x.z()).exp()).collect();
        // ∫ exp(k·x) dΩ = 4π sinh|k|/|k|, and |k| = √5.
        let expected = 4.0 * PI * 5.0_f64.sqrt().sinh() / 5.0_f64.sqrt();
        let total = rule.integrate_samples(&field).expect("as many samples as nodes").value;
        assert!((total / expected - 1.0).abs() < 1e-13, "degree {degree}: {total}, not {expected}");
        group.bench_function(BenchmarkId::new("integral", degree), |bencher| {
            bencher.iter(|| rule.integrate_samples(black_box(&field)));
        });

        let transform = HarmonicTransform::new(&rule, degree).expect("the rule's own degree");
        let harmonics = transform.analyze(&field).expect("as many samples as nodes");
        let back = transform.synthesize(&harmonics).expect("the transform's own degree");
        let worst = back.iter().zip(&field).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-11, "degree {degree}: {worst} after analysis and synthesis");
        group.bench_function(BenchmarkId::new("analysis", degree), |bencher| {
            bencher.iter(|| transform.analyze(black_box(&field)));
        });
        group.bench_function(BenchmarkId::new("synthesis", degree), |bencher| {
            bencher.iter(|| transform.synthesize(black_box(&harmonics)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = rules, integrals
}
criterion_main!(benches);
