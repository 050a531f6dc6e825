//! Reads handwritten digits with a small convolution network, a fifth of the images held out; five
//! seeds, each with a split of its own.
//!
//! `cargo run --release -p nn-core --example digits`

use std::ops::ControlFlow;
use std::time::Instant;

use nn_core::{
    Adam, Batch, Conv2d, Header, Initializer, LabelledImages, Network, Relu, Shape,
    SoftmaxCrossEntropy, Trainer, error_rate,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[expect(clippy::print_stdout, reason = "this is a program")]
fn main() -> nn_core::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
    let data = LabelledImages::<f32>::from_csv_file(path, Header::Present, 10)?
        .scaled(1.0 / 16.0)?
        .shaped(Shape::image(1, 8, 8))?;
    let mut accuracies = Vec::new();
    for seed in 1..=5 {
        let start = Instant::now();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (train, held_out) = data.split(data.labels().len() / 5, &mut rng)?;
        let mut network = Network::<f32>::builder(train.shape())
            .initializer(Initializer::HeNormal)
            .conv2d(Conv2d::new(32, 3).padding(1))
            .activation(Relu)
            .conv2d(Conv2d::new(64, 3).padding(1))
            .activation(Relu)
            .max_pool(2)
            .dropout(0.3)
            .dense(10)
            .build(&mut rng)?;
        if seed == 1 {
            println!("{}", network.summary());
        }
        let loss = SoftmaxCrossEntropy::new(train.labels(), 10)?;
        let mut trainer = Trainer::new(Adam::new(2e-3)?, Batch::Mini(32), seed);
        let history = trainer
            .train(&mut network, train.images(), &loss, 20, |_| ControlFlow::Continue(()))?;
        let wrong = error_rate(&network.predict(held_out.images())?, held_out.labels())?;
        println!(
            "seed {seed}: {:.2} % of {} held-out images read, {} steps, {:.1} s",
            100.0 * (1.0 - wrong),
            held_out.labels().len(),
            history.steps,
            start.elapsed().as_secs_f64()
        );
        accuracies.push(1.0 - wrong);
    }
    accuracies.sort_by(f64::total_cmp);
    println!("median of the five: {:.2} %", 100.0 * accuracies[2]);
    Ok(())
}
