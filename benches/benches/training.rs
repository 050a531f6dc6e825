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

/// What one step of rate 1 takes from the parameters is a gradient: along it, the loss in `f64` rises as steeply as it is
/// long, by a central difference of 10⁻³. Rounding and the difference's own error stay below a thousandth of that.
fn assert_gradient(
    network: &Network<f32>,
    double: &Network<f64>,
    x: &DMatrix<f32>,
    losses: (&dyn Loss<f32>, &dyn Loss<f64>),
) {
    let mut stepped = network.clone();
    let sgd = Sgd::new(1.0, 0.0).expect("a rate greater than 0");
    Trainer::new(sgd, Batch::Full, 1).step(&mut stepped, x, losses.0).expect("finite samples");
    let before = network.parameters().map(f64::from);
    let gradient = &before - stepped.parameters().map(f64::from);
    let slope = gradient.norm();
    let x = x.map(f64::from);
    let loss_at = |by: f64| {
        let mut network = double.clone();
        let parameters = &before + &gradient * (by / slope);
        network.parameters_mut().copy_from_slice(parameters.as_slice());
        network.loss(&x, losses.1).expect("finite samples")
    };
    let difference = (loss_at(1e-3) - loss_at(-1e-3)) / 2e-3;
    assert!((difference - slope).abs() <= 1e-3 * slope, "{difference} along {slope}");
}

fn step(
    criterion: &mut Criterion,
    name: &str,
    (builder, double): (NetworkBuilder<f32>, NetworkBuilder<f64>),
    samples: usize,
    losses: (&dyn Loss<f32>, &dyn Loss<f64>),
) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut network = builder.build(&mut rng).expect("layers that fit");
    let double = double.build(&mut rng).expect("layers that fit");
    let x = numbers(network.inputs(), samples);
    assert_gradient(&network, &double, &x, losses);
    let loss = losses.0;
    let sgd = Sgd::new(0.001, 0.0).expect("a rate greater than 0");
    let mut trainer = Trainer::new(sgd, Batch::Full, 1);
    criterion.bench_function(&format!("training/{name}/{samples}"), |bencher| {
        bencher.iter(|| trainer.step(&mut network, &x, loss));
    });
}

fn classifier<T: Real>() -> NetworkBuilder<T> {
    Network::builder(784).dense(256).activation(Relu).dense(128).activation(Relu).dense(10)
}

fn nine_units<T: Real>() -> NetworkBuilder<T> {
    Network::builder(2).dense(8).activation(Tanh).dense(1)
}

fn training(criterion: &mut Criterion) {
    for samples in [1, 32, 128, 1024] {
        let labels: Vec<usize> = (0..samples).map(|sample| 7 * sample % 10).collect();
        let loss = SoftmaxCrossEntropy::new(&labels, 10).expect("labels below 10");
        let builders = (classifier(), classifier());
        step(criterion, "784-256-128-10", builders, samples, (&loss, &loss));
    }
    let targets = numbers(1, 500);
    let double = targets.map(f64::from);
    let loss = MeanSquaredError::new(&targets).expect("finite targets");
    let double = MeanSquaredError::new(&double).expect("finite targets");
    step(criterion, "2-8-1", (nine_units(), nine_units()), 500, (&loss, &double));
}

criterion_group!(benches, training);
criterion_main!(benches);
