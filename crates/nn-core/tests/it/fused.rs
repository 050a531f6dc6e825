//! Layers fused and batches in shards: the same numbers as layer by layer, and the same bits for any
//! number of threads.

use std::ops::ControlFlow;

use linalg::{DMatrix, Real};
use nn_core::{
    Batch, Identity, LeakyRelu, MeanSquaredError, Network, NetworkBuilder, Relu, Sgd, Shape, Sin,
    Steps, Tanh, Trace, Trainer,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn numbers<T: Real>(rows: usize, columns: usize) -> DMatrix<T> {
    let value = |row: usize, column: usize| ((37 * row + 101 * column) % 97) as f64 / 48.5 - 1.0;
    DMatrix::from_fn(rows, columns, |row, column| T::from_double(value(row, column)))
}

/// Networks whose neighbours fuse in all ways, or not at all.
fn networks() -> Vec<Network<f64>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut build = |inputs: usize, add: fn(NetworkBuilder<f64>) -> NetworkBuilder<f64>| {
        add(Network::<f64>::builder(inputs)).build(&mut rng).unwrap()
    };
    vec![
        build(2, |b| b.dense(8).activation(Tanh).dense(1)),
        build(5, |b| b.dense(7).dense(3)),
        build(4, |b| {
            b.dense(6).activation(Relu).dense(9).activation(Tanh).dense(2).activation(Tanh)
        }),
        build(4, |b| b.dense(6).activation(Sin).dense(3).activation(Identity).dense(2)),
        build(70, |b| {
            b.dense(40).activation(LeakyRelu::new(0.1).unwrap()).dense(12).activation(Tanh).dense(3)
        }),
        build(40, |b| b.dense(20).dense(5).activation(Relu)),
    ]
}

#[test]
fn a_step_over_fused_layers_is_one_along_the_gradient_of_the_trace() {
    for mut network in networks() {
        for samples in [1, 3, 40] {
            let x = numbers(network.inputs(), samples);
            let targets = numbers(network.outputs(), samples);
            let loss = MeanSquaredError::new(&targets).unwrap();
            let mut trace = Trace::new();
            let value = network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
            let expected = network.parameters() - trace.gradient() * 0.125;
            let mut trainer = Trainer::new(Sgd::new(0.125, 0.0).unwrap(), Batch::Full, 1);
            let stepped = trainer.step(&mut network, &x, &loss).unwrap();
            // Sums of at most 70 terms, products of a few layers.
            let limit = 256.0 * f64::EPSILON;
            assert!((stepped - value).abs() <= limit * value, "{network:?}");
            assert!((network.parameters() - expected).amax() <= limit, "{network:?}");
            let output = network.predict(&x).unwrap();
            network.forward(&x, &mut trace).unwrap();
            assert!((output - trace.output()).amax() <= limit, "{network:?}");
        }
    }
}

/// The parameters after some epochs of several batches and one of one, on so many threads.
fn trained(threads: usize, network: &Network<f32>) -> Vec<f32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut network = network.clone();
    let (x, targets) = (numbers(300, 2000), numbers(10, 2000));
    let loss = MeanSquaredError::new(&targets).unwrap();
    pool.install(|| {
        // 600 samples of some 37,000 multiply-adds; the last batch is smaller.
        let mut trainer = Trainer::new(Sgd::new(0.05, 0.5).unwrap(), Batch::Mini(600), 1);
        let _ = trainer.train(&mut network, &x, &loss, 2, |_| ControlFlow::Continue(())).unwrap();
        let mut trainer = Trainer::new(Sgd::new(0.05, 0.0).unwrap(), Batch::Full, 1);
        trainer.step(&mut network, &x, &loss).unwrap();
    });
    network.parameters().as_slice().to_vec()
}

#[test]
fn several_threads_give_the_same_bits() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    // Products divided among the threads, and a batch in shards.
    let dense = Network::<f32>::builder(300).dense(120).activation(Tanh).dense(10);
    let steps = Network::<f32>::builder(Shape::sequence(30, 10)).gru(22, Steps::Last).dense(10);
    for builder in [dense, steps] {
        let network = builder.build(&mut rng).unwrap();
        let one = trained(1, &network);
        assert!(one == trained(2, &network) && one == trained(4, &network));
    }
}

#[test]
fn shards_add_up_to_the_gradient_of_the_batch() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut network =
        Network::<f64>::builder(300).dense(120).activation(Tanh).dense(10).build(&mut rng).unwrap();
    let (x, targets) = (numbers(300, 2000), numbers(10, 2000));
    let loss = MeanSquaredError::new(&targets).unwrap();
    let mut trace = Trace::new();
    network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
    let expected = network.parameters() - trace.gradient() * 0.5;
    let mut trainer = Trainer::new(Sgd::new(0.5, 0.0).unwrap(), Batch::Full, 1);
    trainer.step(&mut network, &x, &loss).unwrap();
    // Sums over 2000 samples, each term at most 1/2000 of a few units.
    assert!((network.parameters() - expected).amax() <= 64.0 * f64::EPSILON);
}
