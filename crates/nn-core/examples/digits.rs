//! Reads handwritten digits: 64 pixels, 64 ReLU units, 10 classes, a fifth of the images held out.
//!
//! `cargo run --release -p nn-core --example digits`

use std::ops::ControlFlow;

use nn_core::{
    Adam, Batch, Header, Initializer, LabelledImages, Network, Relu, SoftmaxCrossEntropy, Trainer,
    error_rate,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[expect(clippy::print_stdout, reason = "this is a program")]
fn main() -> nn_core::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
    let data =
        LabelledImages::<f32>::from_csv_file(path, Header::Present, 10)?.scaled(1.0 / 16.0)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let (train, held_out) = data.split(data.labels().len() / 5, &mut rng)?;

    let mut network = Network::<f32>::builder(64)
        .initializer(Initializer::HeNormal)
        .dense(64)
        .activation(Relu)
        .dense(10)
        .build(&mut rng)?;
    let loss = SoftmaxCrossEntropy::new(train.labels(), 10)?;
    let mut trainer = Trainer::new(Adam::new(0.01)?, Batch::Mini(128), 1);
    let history = trainer.train(&mut network, train.images(), &loss, 20, |progress| {
        if let Some(loss) = progress.epoch_loss {
            println!("epoch {:2}  loss {loss:.4}", progress.epoch + 1);
        }
        ControlFlow::Continue(())
    })?;

    let wrong = error_rate(&network.predict(held_out.images())?, held_out.labels())?;
    println!("{} steps, {}", history.steps, history.stop);
    println!("misread of {} held-out images: {:.1} %", held_out.labels().len(), 100.0 * wrong);
    Ok(())
}
