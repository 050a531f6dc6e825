//! Trains a classifier on a CSV file of your own, a fifth of its rows held out.
//!
//! ```text
//! cargo run --release -p nn-core --example classes_from_csv -- data.csv CLASSES [EPOCHS]
//! ```
//!
//! A heading, then a row per sample: its class from 0 to CLASSES − 1, and its numbers. Without arguments it
//! takes the handwritten digits that come with the crate. Each number is standardized by the rows that
//! are trained on.

use std::error::Error;
use std::ops::ControlFlow;
use std::process::ExitCode;

use linalg::DMatrix;
use nn_core::{
    Adam, Batch, Header, Initializer, LabelledImages, Network, Relu, SoftmaxCrossEntropy, Trainer,
    error_rate,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[expect(clippy::print_stderr, reason = "this is a program")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is a program")]
fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
    let file = arguments.next().unwrap_or_else(|| digits.to_owned());
    let classes = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let epochs: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let data = LabelledImages::<f32>::from_csv_file(file, Header::Present, classes)?;
    let (train, held_out) = data.split(data.labels().len() / 5, &mut rng)?;
    let (mean, scale) = moments(train.images());
    let x = standardized(train.images(), &mean, &scale);
    let unseen = standardized(held_out.images(), &mean, &scale);

    let mut network = Network::<f32>::builder(x.nrows())
        .initializer(Initializer::HeNormal)
        .dense(64)
        .activation(Relu)
        .dense(classes)
        .build(&mut rng)?;
    println!("{}", network.summary());
    let loss = SoftmaxCrossEntropy::new(train.labels(), classes)?;
    let mut trainer = Trainer::new(Adam::new(3e-3)?, Batch::Mini(64), 1);
    let _ = trainer.train(&mut network, &x, &loss, epochs, |progress| {
        if let Some(loss) = progress.epoch_loss {
            println!("epoch {:3}: loss {loss:.4}", progress.epoch);
        }
        ControlFlow::Continue(())
    })?;
    let wrong = error_rate(&network.predict(&unseen)?, held_out.labels())?;
    println!("{:.1} % of {} held-out rows are right", 100.0 * (1.0 - wrong), unseen.ncols());
    Ok(())
}

/// The mean of each row over its columns, and its standard deviation, or 1 where that is 0.
fn moments(x: &DMatrix<f32>) -> (Vec<f32>, Vec<f32>) {
    let one = |value: f32| if value > 0.0 { value } else { 1.0 };
    x.row_iter().map(|row| (row.mean(), one(row.variance().sqrt()))).unzip()
}

fn standardized(x: &DMatrix<f32>, mean: &[f32], scale: &[f32]) -> DMatrix<f32> {
    DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| (x[(i, j)] - mean[i]) / scale[i])
}
