//! Which image does a classifier of handwritten digits believe in? Without a prior, gray noise; smooth and
//! between white and black, blots; from the mean image of a digit, a digit. The scores alone do not know.
//!
//! `cargo run --release -p nn-invert --example believed_digit`

use std::error::Error;
use std::ops::ControlFlow;

use linalg::{DMatrix, DVector};
use nn_core::{Header, LabelledImages, Lbfgs, Network, Shape, SoftmaxCrossEntropy, error_rate};
use nn_invert::{Map, Preimages, SearchOptions, search};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[expect(clippy::print_stdout, reason = "this is a program")]
fn main() -> Result<(), Box<dyn Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../nn-core/data/digits.csv");
    let data =
        LabelledImages::<f64>::from_csv_file(path, Header::Present, 10)?.scaled(1.0 / 16.0)?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let (train, held_out) = data.split(data.labels().len() / 5, &mut rng)?;
    let mut network = Network::builder(64).dense(10).build(&mut rng)?;
    let loss = SoftmaxCrossEntropy::new(train.labels(), 10)?;
    let _ = Lbfgs::new()
        .train(&mut network, train.images(), &loss, 60, |_| ControlFlow::Continue(()))?;
    let wrong = error_rate(&network.predict(held_out.images())?, held_out.labels())?;
    println!("a network 64-10 that reads {:.1} % of held-out digits\n", 100.0 * (1.0 - wrong));

    let gray = DVector::from_element(64, data.images().mean());
    let within = || {
        SearchOptions::default()
            .bounds(DVector::zeros(64), DVector::from_element(64, 1.0))
            .iterations(400)
    };
    for digit in [0, 3, 7] {
        // The scores of a typical image of the digit, its own raised.
        let scores = network.predict(data.images())?;
        let mut target = mean(&scores, data.labels(), digit);
        target[digit] += 3.0;
        let find = |seed: &DVector<f64>, options: &SearchOptions<f64>| {
            search(&network, &target, seed, options, |_| ControlFlow::Continue(()))
        };
        let naive = find(&gray, &SearchOptions::default())?;
        let smooth = find(&gray, &within().smooth(Shape::image(1, 8, 8), 4.0))?;
        let typical = find(&mean(data.images(), data.labels(), digit), &within())?;
        let set = Preimages::new(&network, &target, &naive.input)?;
        println!(
            "{digit}: the images with exactly these scores form a set of dimension {}",
            set.dimension()
        );
        let images = [
            ("from gray, no prior", naive.input.clone()),
            ("from gray, smooth", smooth.input),
            ("from the mean image", typical.input),
        ];
        for (name, image) in &images {
            println!(
                "   {name:<24} belief {:.4}, nearest real image of a {digit} {:.2} away",
                belief(&network, image, digit)?,
                nearest(data.images(), data.labels(), digit, image)
            );
        }
        println!("{}", pictures(&images.map(|(_, image)| image)));
    }
    Ok(())
}

/// The probability that softmax gives the digit.
fn belief(
    network: &Network<f64>,
    image: &DVector<f64>,
    digit: usize,
) -> Result<f64, nn_invert::Error> {
    let scores = network.value(image)?;
    let top = scores.max();
    Ok((scores[digit] - top).exp() / scores.map(|score| (score - top).exp()).sum())
}

/// The mean of the columns that belong to that digit.
fn mean(columns: &DMatrix<f64>, labels: &[usize], digit: usize) -> DVector<f64> {
    let of_digit: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == digit).collect();
    columns.select_columns(&of_digit).column_mean()
}

/// The distance to the nearest image of that digit.
fn nearest(images: &DMatrix<f64>, labels: &[usize], digit: usize, image: &DVector<f64>) -> f64 {
    let distances = images
        .column_iter()
        .zip(labels)
        .filter(|(_, label)| **label == digit)
        .map(|(column, _)| (column - image).norm());
    distances.fold(f64::INFINITY, f64::min)
}

/// The images side by side, the darker the higher.
fn pictures(images: &[DVector<f64>]) -> String {
    const SHADES: &[u8] = b" .:-=+*#%@";
    let mut text = String::new();
    for y in 0..8 {
        for image in images {
            text.push_str("   ");
            for x in 0..8 {
                let level = image[y * 8 + x].clamp(0.0, 1.0) * 9.0 + 0.5;
                let up_to =
                    SHADES.iter().zip(0..).take_while(|(_, least)| f64::from(*least) <= level);
                let shade = char::from(up_to.last().map_or(b'?', |(shade, _)| *shade));
                text.extend([shade, shade]);
            }
        }
        text.push('\n');
    }
    text
}
