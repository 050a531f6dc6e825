//! One image, divided among threads by the convolution, has the bits that it has undivided.

use linalg::DMatrix;
use nn_core::{
    Batch, Conv2d, ConvAlgorithm, Error, Gradients, Mode, Network, Relu, Sgd, Shape,
    SoftmaxCrossEntropy, Trace, Trainer, Workspace,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// A batch that is worth threads has 2^25 multiply-adds: this has more for one image, and rows that
/// neither tiles nor pieces divide evenly.
fn network(algorithm: ConvAlgorithm) -> Network<f32> {
    let (first, second) = (Conv2d::new(32, 3).padding(1), Conv2d::new(48, 3));
    Network::builder(Shape::image(3, 68, 67))
        .conv2d(first.algorithm(algorithm))
        .activation(Relu)
        .max_pool(2)
        .conv2d(second.algorithm(algorithm))
        .activation(Relu)
        .conv2d(second.algorithm(algorithm))
        .dense(5)
        .build(&mut Xoshiro256PlusPlus::seed_from_u64(3))
        .unwrap()
}

/// All that a step on `samples` images computes, on so many threads.
fn bits(algorithm: ConvAlgorithm, samples: usize, threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut network = network(algorithm);
        let x = DMatrix::from_fn(network.inputs(), samples, |row, column| {
            ((7 * row + 31 * column) % 113) as f32 / 56.0 - 1.0
        });
        let mut found = network.predict(&x).unwrap().as_slice().to_vec();
        let mut trace = Trace::new();
        network.forward(&x, &mut trace).unwrap();
        found.extend(trace.output().iter());
        let dy = DMatrix::from_fn(5, samples, |row, column| row as f32 - column as f32 - 1.5);
        network.backward(&dy, Gradients::Both, &mut trace).unwrap();
        found.extend(trace.gradient().iter());
        found.extend(trace.input_gradient().unwrap().iter());
        let mut workspace = Workspace::new();
        let outside = network.pull_back(&x, Mode::Inference, &mut workspace, |_, slopes| {
            slopes.copy_from(&dy);
            Ok::<(), Error>(())
        });
        outside.unwrap();
        found.extend(workspace.gradient().iter());
        let labels: Vec<usize> = (0..samples).map(|sample| sample % 5).collect();
        let loss = SoftmaxCrossEntropy::new(&labels, 5).unwrap();
        let mut trainer = Trainer::new(Sgd::new(0.1, 0.0).unwrap(), Batch::Full, 1);
        trainer.step(&mut network, &x, &loss).unwrap();
        found.extend(network.parameters().iter());
        found.into_iter().map(f32::to_bits).collect()
    })
}

#[test]
fn a_convolution_has_the_same_bits_on_any_number_of_threads() {
    for algorithm in [ConvAlgorithm::Direct, ConvAlgorithm::Winograd, ConvAlgorithm::Product] {
        // One image and two are divided by the convolution, more into shards.
        for samples in [1, 2, 7] {
            let alone = bits(algorithm, samples, 1);
            for threads in [2, 3, 4] {
                let together = bits(algorithm, samples, threads);
                assert!(alone == together, "{algorithm:?}, {samples} images, {threads} threads");
            }
        }
    }
}
