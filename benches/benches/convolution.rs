//! Convolutions by each algorithm, asserted right before they are timed.

use std::hint::black_box;

use benches::{ConvNet, single};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use linalg::DMatrix;
use nn_core::{ConvAlgorithm, Gradients, Trace, Workspace};

const ALGORITHMS: [(&str, ConvAlgorithm); 3] = [
    ("product", ConvAlgorithm::Product),
    ("direct", ConvAlgorithm::Direct),
    ("winograd", ConvAlgorithm::Winograd),
];

fn layers(criterion: &mut Criterion) {
    type Make = fn(ConvAlgorithm) -> ConvNet;
    let parts: [(&str, Make); 4] = [
        ("3x64x64", ConvNet::first),
        ("32x31x31", ConvNet::second),
        ("32x31x31 in 8 groups", ConvNet::grouped),
        ("network", ConvNet::whole),
    ];
    for (part, make) in parts {
        let expected = make(ConvAlgorithm::Product).network().expect("layers that fit");
        let x = DMatrix::from_vec(expected.inputs(), 1, single(1, expected.inputs(), 1.0));
        let expected = expected.predict(&x).expect("an image of that size");
        let mut group = criterion.benchmark_group(part);
        for (name, algorithm) in ALGORITHMS {
            let network = make(algorithm).network().expect("layers that fit");
            let mut workspace = Workspace::new();
            let y = network.predict_with(&x, &mut workspace).expect("an image of that size");
            assert!((y - &expected).amax() <= 2e-5 * expected.amax(), "{name} is wrong");
            group.bench_function(BenchmarkId::new("forward", name), |bencher| {
                bencher.iter(|| black_box(&network).predict_with(&x, &mut workspace).is_ok());
            });
            let mut trace = Trace::new();
            network.forward(&x, &mut trace).expect("an image of that size");
            let dy = DMatrix::from_element(network.outputs(), 1, 1.0);
            group.bench_function(BenchmarkId::new("backward", name), |bencher| {
                bencher.iter(|| network.backward(&dy, Gradients::Both, &mut trace).is_ok());
            });
        }
        group.finish();
    }
}

criterion_group!(convolution, layers);
criterion_main!(convolution);
