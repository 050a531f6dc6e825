//! "Who chooses the values of the filters? Will ten of them contain an edge filter? Is every run
//! different?" Thirty convolution networks on the handwritten digits answer with numbers.
//!
//! `cargo run --release -p nn-core --example filters`

use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{
    Adam, Batch, Conv2d, Header, Initializer, LabelledImages, Network, Relu, Shape, Similarity,
    SoftmaxCrossEntropy, Trace, Trainer, edge_energy, error_rate, filter_importance, match_filters,
    tuning,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

const SEEDS: u64 = 30;
const FILTERS: usize = 10;

/// What one run ends with, and what it began with.
struct Run {
    accuracy: f64,
    start: DMatrix<f32>,
    filters: DMatrix<f32>,
    /// Every filter's responses to the held-out images, one filter in each column.
    responses: DMatrix<f32>,
    start_responses: DMatrix<f32>,
    /// Rank correlation of each measure of importance with what removing the filter costs.
    taylor: f64,
    l1: f64,
    index: f64,
}

#[expect(clippy::print_stdout, reason = "this is a program")]
fn main() -> nn_core::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
    let data = LabelledImages::<f32>::from_csv_file(path, Header::Present, 10)?
        .scaled(1.0 / 16.0)?
        .shaped(Shape::image(1, 8, 8))?;
    let (train, held_out) = data.split(450, &mut Xoshiro256PlusPlus::seed_from_u64(0))?;
    let runs =
        (0..SEEDS).map(|seed| run(seed, &train, &held_out)).collect::<nn_core::Result<Vec<_>>>()?;

    let per_run = |value: &dyn Fn(&Run) -> f64| {
        let values: Vec<f64> = runs.iter().map(value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        (mean, (square / (values.len() - 1) as f64).sqrt())
    };
    let (accuracy, deviation) = per_run(&|run| run.accuracy);
    println!("accuracy on 450 held-out digits: {accuracy:.3} ± {deviation:.3} over {SEEDS} seeds");

    let matched = |of: &dyn Fn(&Run) -> &DMatrix<f32>, how| -> nn_core::Result<f64> {
        let mut sum = 0.0;
        for pair in runs.windows(2) {
            sum += match_filters(of(&pair[0]), of(&pair[1]), how)?.mean();
        }
        Ok(sum / (runs.len() - 1) as f64)
    };
    println!("\nsimilarity of the filters of two runs      trained   random starts");
    let unmatched = |of: &dyn Fn(&Run) -> &DMatrix<f32>| {
        let pairs = runs.windows(2).map(|pair| mean_cosine(of(&pair[0]), of(&pair[1])));
        pairs.sum::<f64>() / (runs.len() - 1) as f64
    };
    let row = |name: &str, trained: f64, null: f64| println!("{name:40} {trained:9.3} {null:15.3}");
    row("the i-th with the i-th", unmatched(&|r| &r.filters), unmatched(&|r| &r.start));
    let cosine = Similarity::Cosine;
    row(
        "best assignment, weights",
        matched(&|r| &r.filters, cosine)?,
        matched(&|r| &r.start, cosine)?,
    );
    let correlation = Similarity::Correlation;
    row(
        "best assignment, responses",
        matched(&|r| &r.responses, correlation)?,
        matched(&|r| &r.start_responses, correlation)?,
    );

    let edges = |of: &dyn Fn(&Run) -> &DMatrix<f32>| -> nn_core::Result<(f64, [usize; 2])> {
        let (mut mean, mut above) = (0.0, [0; 2]);
        for run in &runs {
            let mut best = 0.0_f64;
            for filter in of(run).column_iter() {
                let energy = edge_energy(filter.as_slice())?;
                mean += energy / (FILTERS * runs.len()) as f64;
                best = best.max(energy);
            }
            above[0] += usize::from(best > 0.8);
            above[1] += usize::from(best > 0.9);
        }
        Ok((mean, above))
    };
    let ((trained, above), (null, null_above)) = (edges(&|r| &r.filters)?, edges(&|r| &r.start)?);
    println!("\nedges (Frei and Chen)                      trained   random starts");
    row("share of a filter's energy, mean", trained, null);
    println!("{:40} {:9} {:15}", "runs with a filter above 0.8", above[0], null_above[0]);
    println!("{:40} {:9} {:15}", "runs with a filter above 0.9", above[1], null_above[1]);

    println!("\nrank correlation with what removing the filter costs");
    for (name, value) in [
        ("first Taylor term", per_run(&|r| r.taylor).0),
        ("sum of |w|", per_run(&|r| r.l1).0),
        ("its index", per_run(&|r| r.index).0),
    ] {
        println!("{name:40} {value:9.2}");
    }

    println!("\nthe filters of seed 0: orientation, its selectivity, cycles per pixel");
    for filter in runs[0].filters.column_iter() {
        let tuned = tuning(filter.as_slice(), 3, 3)?;
        let rows: Vec<String> = filter.as_slice().chunks(3).map(shades).collect();
        println!(
            "  {}   {:4.0}°  {:.2}  {:.2}",
            rows.join(" "),
            tuned.orientation.to_degrees(),
            tuned.orientation_selectivity,
            tuned.frequency
        );
    }
    Ok(())
}

fn run(
    seed: u64,
    train: &LabelledImages<f32>,
    held_out: &LabelledImages<f32>,
) -> nn_core::Result<Run> {
    let mut network = Network::<f32>::builder(train.shape())
        .initializer(Initializer::PyTorch)
        .conv2d(Conv2d::new(FILTERS, 3))
        .activation(Relu)
        .max_pool(2)
        .dense(10)
        .build(&mut Xoshiro256PlusPlus::seed_from_u64(seed))?;
    let (start, start_responses) = (network.filters(0)?, responses(&network, held_out)?);
    let loss = SoftmaxCrossEntropy::new(train.labels(), 10)?;
    let mut trainer = Trainer::new(Adam::new(3e-3)?.weight_decay(1e-4)?, Batch::Mini(64), seed);
    let _ =
        trainer.train(&mut network, train.images(), &loss, 30, |_| ControlFlow::Continue(()))?;

    let wrong = error_rate(&network.predict(held_out.images())?, held_out.labels())?;
    let test = SoftmaxCrossEntropy::new(held_out.labels(), 10)?;
    let worth = filter_importance(&network, 0, held_out.images(), &test)?;
    let cost: Vec<f64> = worth.iter().map(|filter| filter.ablation).collect();
    let against = |values: Vec<f64>| spearman(&cost, &values);
    Ok(Run {
        accuracy: 1.0 - wrong,
        start,
        filters: network.filters(0)?,
        responses: responses(&network, held_out)?,
        start_responses,
        taylor: against(worth.iter().map(|filter| filter.taylor).collect()),
        l1: against(worth.iter().map(|filter| filter.l1).collect()),
        index: against((0..FILTERS).map(|index| index as f64).collect()),
    })
}

/// What the filters answer after ReLU, at every place of every image; a filter in each column.
fn responses(
    network: &Network<f32>,
    images: &LabelledImages<f32>,
) -> nn_core::Result<DMatrix<f32>> {
    let mut trace = Trace::new();
    network.forward(images.images(), &mut trace)?;
    let a = trace.output_of(1).map(|a| a.into_owned()).unwrap_or_default();
    Ok(DMatrix::from_column_slice(FILTERS, a.len() / FILTERS, a.as_slice()).transpose())
}

/// The mean cosine between columns of the same index.
fn mean_cosine(a: &DMatrix<f32>, b: &DMatrix<f32>) -> f64 {
    let cosines =
        a.column_iter().zip(b.column_iter()).map(|(a, b)| a.dot(&b) / a.norm() / b.norm());
    cosines.map(f64::from).sum::<f64>() / a.ncols() as f64
}

/// Spearman's rank correlation; no value occurs twice.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let below = |x: &f64| values.iter().filter(|y| *y < x).count() as f64;
        values.iter().map(below).collect()
    };
    let n = a.len() as f64;
    let squares: f64 = ranks(a).iter().zip(ranks(b)).map(|(a, b)| (a - b).powi(2)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

/// A row of weights as shades from dark (negative) to light.
fn shades(row: &[f32]) -> String {
    let shade = |&w: &f32| match w {
        w if w < -0.3 => '█',
        w if w < -0.1 => '▓',
        w if w < 0.1 => '▒',
        w if w < 0.3 => '░',
        _ => ' ',
    };
    row.iter().map(shade).collect()
}
