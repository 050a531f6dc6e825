//! Training steps of dense networks in `f32`: an image classifier and a network of nine units.

use criterion::{Criterion, criterion_group, criterion_main};
use linalg::{DMatrix, Real};
use nn_core::{
    Batch, Loss, MeanSquaredError, Network, NetworkBuilder, Relu, Sgd, SoftmaxCrossEntropy, Tanh,
    Trainer,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn numbers(rows: usize, columns: usize) -> DMatrix<f32> {
    let numbers = benches::uniform(1, rows * columns).into_iter();
    DMatrix::from_iterator(rows, columns, numbers.map(|x| f32::from_double(2.0 * x)))
}

fn step(
    criterion: &mut Criterion,
    name: &str,
    builder: NetworkBuilder<f32>,
    samples: usize,
    loss: &dyn Loss<f32>,
) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut network = builder.build(&mut rng).expect("layers that fit");
    let x = numbers(network.inputs(), samples);
    let sgd = Sgd::new(0.001, 0.0).expect("a rate greater than 0");
    let mut trainer = Trainer::new(sgd, Batch::Full, 1);
    criterion.bench_function(&format!("training/{name}/{samples}"), |bencher| {
        bencher.iter(|| trainer.step(&mut network, &x, loss));
    });
}

fn training(criterion: &mut Criterion) {
    for samples in [1, 32, 128, 1024] {
        let labels: Vec<usize> = (0..samples).map(|sample| 7 * sample % 10).collect();
        let loss = SoftmaxCrossEntropy::new(&labels, 10).expect("labels below 10");
        let builder =
            Network::builder(784).dense(256).activation(Relu).dense(128).activation(Relu).dense(10);
        step(criterion, "784-256-128-10", builder, samples, &loss);
    }
    let targets = numbers(1, 500);
    let loss = MeanSquaredError::new(&targets).expect("finite targets");
    step(criterion, "2-8-1", Network::builder(2).dense(8).activation(Tanh).dense(1), 500, &loss);
}

criterion_group!(benches, training);
criterion_main!(benches);
