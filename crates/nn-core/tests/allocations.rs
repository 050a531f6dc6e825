//! A training step allocates nothing after the first. In a binary of its own, whose allocator counts.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use allocation_counter::measure;
use linalg::DMatrix;
use nn_core::{
    Adam, Batch, BinaryCrossEntropy, Conv1d, Conv2d, ConvAlgorithm, CosineDistance, Elu, Error,
    ExpectedCost, Gelu, Huber, Infogain, Loss, MeanAbsoluteError, MeanSquaredError, Mode, Network,
    NetworkBuilder, Optimizer, Pool, Relu, RmsProp, Sgd, Shape, Sigmoid, Silu, Sin,
    SoftCrossEntropy, SoftmaxCrossEntropy, Softplus, Steps, Tanh, Trainer, Workspace,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn steps_that_allocate(
    mut network: Network<f32>,
    optimizer: impl Optimizer<f32> + 'static,
    samples: usize,
    loss: &dyn Loss<f32>,
) -> u64 {
    // Whole numbers: labels for an embedding, and anything for the rest.
    let x = DMatrix::from_fn(network.inputs(), samples, |row, column| {
        ((13 * row + 29 * column) % 3) as f32
    });
    let mut trainer = Trainer::new(optimizer, Batch::Full, 1);
    // On one thread: what a pool of threads allocates to share work is not the step's.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        trainer.step(&mut network, &x, loss).unwrap();
        let counted = measure(|| {
            for _ in 0..5 {
                trainer.step(&mut network, &x, loss).unwrap();
            }
        });
        let mut workspace = Workspace::new();
        network.predict_with(&x, &mut workspace).unwrap();
        let predicted = measure(|| {
            network.predict_with(&x, &mut workspace).unwrap();
        });
        let mut pull_back = || {
            network.pull_back(&x, Mode::Inference, &mut workspace, |p, slopes| {
                slopes.copy_from(p);
                Ok::<(), Error>(())
            })
        };
        pull_back().unwrap();
        let pulled = measure(|| pull_back().unwrap());
        counted.count_total + predicted.count_total + pulled.count_total
    })
}

#[test]
fn a_step_after_the_first_allocates_nothing() {
    // The counter counts.
    assert_eq!(measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total, 1);

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut build = |inputs, hidden, outputs| {
        let builder = Network::builder(inputs).dense(hidden).activation(Relu);
        builder.dense(hidden).activation(Tanh).dense(outputs).build(&mut rng).unwrap()
    };
    // Many samples are several shards; few units are the narrow form.
    for samples in [1, 32, 2000] {
        let labels: Vec<usize> = (0..samples).map(|sample| sample % 10).collect();
        let classes = SoftmaxCrossEntropy::new(&labels, 10).unwrap();
        let h = DMatrix::from_fn(10, 10, |i, j| if i == j { 1.0_f32 } else { 0.1 });
        let infogain = Infogain::new(&labels, &h).unwrap();
        let targets = DMatrix::from_element(1, samples, 0.5_f32);
        let squares = MeanSquaredError::new(&targets).unwrap();
        let sgd = |momentum| Sgd::new(0.01, momentum).unwrap();
        let wide = build(300, 120, 10);
        assert_eq!(steps_that_allocate(wide.clone(), sgd(0.0), samples, &classes), 0);
        assert_eq!(steps_that_allocate(wide.clone(), sgd(0.9), samples, &infogain), 0);
        assert_eq!(steps_that_allocate(wide, Adam::new(0.01).unwrap(), samples, &classes), 0);
        assert_eq!(steps_that_allocate(build(2, 8, 1), sgd(0.0), samples, &squares), 0);
    }
}

/// A network with a name for each kind of layer that has buffers of its own.
fn every_kind() -> Vec<(&'static str, Network<f32>)> {
    type Builder = NetworkBuilder<f32>;
    type Kind = (&'static str, Shape, Box<dyn Fn(Builder) -> Builder>);
    let image = Shape::image(3, 12, 12);
    let sequence = Shape::sequence(5, 6);
    let conv = |algorithm, groups| Conv2d::new(6, 3).algorithm(algorithm).groups(groups);
    let kinds: [Kind; 17] = [
        ("direct", image, Box::new(move |b| b.conv2d(conv(ConvAlgorithm::Direct, 1)))),
        ("Winograd", image, Box::new(move |b| b.conv2d(conv(ConvAlgorithm::Winograd, 1)))),
        ("product", image, Box::new(move |b| b.conv2d(conv(ConvAlgorithm::Product, 1)))),
        (
            "groups",
            image,
            Box::new(move |b| b.conv2d(conv(ConvAlgorithm::Automatic, 3).padding(1))),
        ),
        ("stride", image, Box::new(|b| b.conv2d(Conv2d::new(6, 3).stride(2)).activation(Gelu))),
        ("dilation", sequence, Box::new(|b| b.conv1d(Conv1d::new(4, 2).dilation(2)))),
        ("fused", image, Box::new(|b| b.conv2d(Conv2d::new(6, 3)).activation(Relu).max_pool(2))),
        (
            "max pool",
            image,
            Box::new(|b| b.max_pool(Pool::new(3).stride(2)).activation(Elu::default())),
        ),
        ("average pool", image, Box::new(|b| b.average_pool(2).activation(Silu).flatten())),
        ("global pools", image, Box::new(|b| b.global_average_pool().activation(Softplus))),
        ("batch norm", image, Box::new(|b| b.batch_norm().activation(Sin))),
        ("layer norm", image, Box::new(|b| b.layer_norm().dropout(0.2).activation(Sigmoid))),
        ("softmax", image, Box::new(|b| b.softmax().activation(Tanh))),
        ("embedding", 4.into(), Box::new(|b| b.embedding(3, 5))),
        ("Elman", sequence, Box::new(|b| b.elman(7, Steps::All))),
        ("GRU", sequence, Box::new(|b| b.gru(7, Steps::Last))),
        ("LSTM", sequence, Box::new(|b| b.lstm(7, Steps::All))),
    ];
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    kinds
        .into_iter()
        .map(|(name, input, add)| {
            (name, add(Network::builder(input)).dense(10).build(&mut rng).unwrap())
        })
        .collect()
}

#[test]
fn no_layer_allocates_after_the_first_step() {
    for (name, network) in every_kind() {
        for samples in [1, 40] {
            let labels: Vec<usize> = (0..samples).map(|sample| sample % 10).collect();
            let loss = SoftmaxCrossEntropy::new(&labels, 10).unwrap();
            let sgd = Sgd::new(0.01, 0.0).unwrap();
            let found = steps_that_allocate(network.clone(), sgd, samples, &loss);
            assert_eq!(found, 0, "{name}, {samples} samples");
            let adam = Adam::new(0.01).unwrap();
            let found = steps_that_allocate(network.clone(), adam, samples, &loss);
            assert_eq!(found, 0, "{name}, {samples} samples, Adam");
        }
    }
}

#[test]
fn no_loss_allocates() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let network =
        Network::<f32>::builder(20).dense(40).activation(Gelu).dense(3).build(&mut rng).unwrap();
    let samples = 50;
    let labels: Vec<usize> = (0..samples).map(|sample| sample % 3).collect();
    let targets = DMatrix::from_fn(3, samples, |i, j| 0.1 + ((i + j) % 5) as f32 / 6.0);
    let table = DMatrix::from_fn(3, 3, |i, j| 1.0 / (1 + i + j) as f32);
    let smoothed = SoftmaxCrossEntropy::ignoring(&labels, 3, 2).unwrap().smoothing(0.1).unwrap();
    let losses: [(&str, &dyn Loss<f32>); 8] = [
        ("absolute", &MeanAbsoluteError::new(&targets).unwrap()),
        ("Huber", &Huber::new(&targets, 0.2).unwrap()),
        ("cosine", &CosineDistance::new(&targets).unwrap()),
        ("binary", &BinaryCrossEntropy::new(&targets).unwrap()),
        ("soft", &SoftCrossEntropy::new(&targets).unwrap()),
        ("smoothed", &smoothed),
        ("infogain", &Infogain::new(&labels, &table).unwrap()),
        ("expected cost", &ExpectedCost::new(&labels, &table).unwrap()),
    ];
    for (name, loss) in losses {
        let rms = RmsProp::new(0.01).unwrap();
        assert_eq!(steps_that_allocate(network.clone(), rms, samples, loss), 0, "{name}");
    }
}
