//! A training step allocates nothing after the first. In a binary of its own, whose allocator counts.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use allocation_counter::measure;
use linalg::DMatrix;
use nn_core::{
    Adam, Batch, Infogain, Loss, MeanSquaredError, Network, Optimizer, Relu, Sgd,
    SoftmaxCrossEntropy, Tanh, Trainer, Workspace,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn steps_that_allocate(
    mut network: Network<f32>,
    optimizer: impl Optimizer<f32> + 'static,
    samples: usize,
    loss: &dyn Loss<f32>,
) -> u64 {
    let x = DMatrix::from_fn(network.inputs(), samples, |row, column| {
        ((13 * row + 29 * column) % 31) as f32 / 15.5 - 1.0
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
        counted.count_total + predicted.count_total
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
