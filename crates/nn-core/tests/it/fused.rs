//! Layers fused and batches in shards: the same numbers as layer by layer, and the same bits for any
//! number of threads.

use std::ops::ControlFlow;

use linalg::{DMatrix, Real};
use nn_core::{
    Batch, Error, Gradients, Identity, LeakyRelu, MeanSquaredError, Mode, Network, NetworkBuilder,
    Relu, Sgd, Shape, Sin, Steps, Tanh, Trace, Trainer, Workspace,
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

#[test]
fn a_gradient_from_outside_goes_back_as_through_a_trace() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let steps = Network::<f64>::builder(Shape::sequence(30, 10)).gru(22, Steps::Last).dense(10);
    let norm = Network::<f64>::builder(5).dense(7).batch_norm().activation(Tanh).dense(2);
    let mut networks = networks();
    networks.extend([steps.build(&mut rng).unwrap(), norm.build(&mut rng).unwrap()]);
    for network in networks {
        // One workspace, for steps of all kinds: 700 samples of the GRU are 16 shards.
        let mut workspace = Workspace::new();
        for samples in [700, 2, 3] {
            let x = numbers(network.inputs(), samples);
            let dy = numbers(network.outputs(), samples) / samples as f64;
            let mut trace = Trace::training(1);
            network.forward(&x, &mut trace).unwrap();
            network.backward(&dy, Gradients::Parameters, &mut trace).unwrap();
            let mode = Mode::Training { seed: 1 };
            let output = network.pull_back(&x, mode, &mut workspace, |p, slopes| {
                assert!(slopes.iter().all(|&slope| slope == 0.0));
                slopes.copy_from(&dy);
                Ok::<_, Error>(p.clone())
            });
            let limit = 256.0 * f64::EPSILON;
            assert!((output.unwrap() - trace.output()).amax() <= limit, "{network:?}");
            let apart = (workspace.gradient() - trace.gradient()).amax();
            // Sums over all samples, each term at most one of them.
            assert!(apart <= 2.0 * limit * trace.gradient().amax(), "{apart:e}, {network:?}");
            network.predict_with(&x, &mut workspace).unwrap();
        }
    }
}

#[test]
fn a_gradient_from_outside_that_is_none_is_refused() {
    let network = networks().remove(1);
    let (x, mut workspace) = (numbers(5, 4), Workspace::new());
    let mut refused = |write: fn(&mut DMatrix<f64>)| {
        let pulled = network.pull_back(&x, Mode::Inference, &mut workspace, |_, slopes| {
            write(slopes);
            Ok::<(), Error>(())
        });
        pulled.unwrap_err().to_string()
    };
    let text = refused(|slopes| slopes[(2, 1)] = f64::NAN);
    assert_eq!(text, "output_gradient[2, 1] is NaN, and every entry must be finite");
    let text = refused(|slopes| *slopes = DMatrix::zeros(3, 5));
    assert_eq!(text, "output_gradient has 5 columns, expected 4");
    let own = network.pull_back(&x, Mode::Inference, &mut workspace, |_, _| {
        Err::<(), _>(Error::Empty { what: "the list of rewards" })
    });
    assert_eq!(own, Err(Error::Empty { what: "the list of rewards" }));
}
