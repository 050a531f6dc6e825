//! What `nn-core` claims about filters.

use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{
    Adam, Batch, Conv2d, Header, Initializer, LabelledImages, Network, Relu, Similarity,
    SoftmaxCrossEntropy, Trainer, match_filters,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[Check {
    id: "nn-core/filters",
    question: Some(4),
    claim: "Two runs learn alike filters in another order: assigned to each other, trained filters are \
            more alike than the random ones that they began as.",
    run: filters,
}];

/// Runs of the experiment; every two of them are a pair.
const RUNS: usize = 8;

fn filters(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let data = LabelledImages::<f32>::from_csv_file(
        context.data("nn-core", "digits.csv"),
        Header::Present,
        10,
    )?
    .scaled(1.0 / 16.0)?
    .shaped(nn_core::Shape::image(1, 8, 8))?;
    let loss = SoftmaxCrossEntropy::new(data.labels(), 10)?;
    let (mut starts, mut trained) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let seed = rng.random();
        let mut network = Network::<f32>::builder(data.shape())
            .initializer(Initializer::PyTorch)
            .conv2d(Conv2d::new(10, 3))
            .activation(Relu)
            .max_pool(2)
            .dense(10)
            .build(&mut Xoshiro256PlusPlus::seed_from_u64(seed))?;
        starts.push(network.filters(0)?);
        let mut trainer = Trainer::new(Adam::new(3e-3)?, Batch::Mini(64), seed);
        let go_on = |_: &nn_core::Progress<'_, f32>| ControlFlow::Continue(());
        let _ = trainer.train(&mut network, data.images(), &loss, 20, go_on)?;
        trained.push(network.filters(0)?);
    }
    let random = over_pairs(&starts, matched)?;
    let assigned = over_pairs(&trained, matched)?;
    let indexed = over_pairs(&trained, |a, b| Ok(same_index(a, b)))?;
    let [null, alike, by_index] = [&random, &assigned, &indexed].map(|pairs| mean(pairs));
    // As many runs again that were never trained, held against the null in the same way.
    let untrained: Vec<DMatrix<f32>> =
        (0..RUNS).map(|_| DMatrix::from_fn(9, 10, |_, _| rng.random_range(-1.0..1.0))).collect();
    let again = mean(&over_pairs(&untrained, matched)?);
    let sorted = |label: &str, mut cosines: Vec<f64>| {
        cosines.sort_by(f64::total_cmp);
        let points = (1..).map(f64::from).zip(cosines).collect();
        Series { label: label.to_owned(), mark: Mark::Line, points }
    };
    Ok(Evidence {
        measured: null / alike,
        limit: 0.9,
        reason: "runs of 30 epochs gave 0.78, of 20 epochs 0.83 to 0.86; a mean over 28 pairs scatters by \
                 about 0.02",
        control: Control { what: "filters that were never trained", measured: null / again },
        plots: vec![Plot {
            title: "Ten filters of one run, and ten of another",
            x: Axis { label: "pair of runs, by likeness", scale: Scale::Linear },
            y: Axis { label: "mean cosine", scale: Scale::Linear },
            series: vec![
                sorted("trained, matched", assigned),
                sorted("random, matched", random),
                sorted("trained, index by index", indexed),
            ],
        }],
        notes: vec![format!(
            "The mean cosine of trained filters is {alike:.3} after assignment and {by_index:.3} index by \
             index; of random ones {null:.3} after assignment."
        )],
    })
}

fn over_pairs(
    runs: &[DMatrix<f32>],
    similarity: impl Fn(&DMatrix<f32>, &DMatrix<f32>) -> Result<f64, BoxError>,
) -> Result<Vec<f64>, BoxError> {
    let mut pairs = Vec::new();
    for (index, first) in runs.iter().enumerate() {
        for second in &runs[index + 1..] {
            pairs.push(similarity(first, second)?);
        }
    }
    Ok(pairs)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn matched(first: &DMatrix<f32>, second: &DMatrix<f32>) -> Result<f64, BoxError> {
    Ok(match_filters(first, second, Similarity::Cosine)?.mean())
}

/// The mean cosine between filters of the same index.
fn same_index(first: &DMatrix<f32>, second: &DMatrix<f32>) -> f64 {
    let pairs = first.column_iter().zip(second.column_iter());
    let cosines = pairs.map(|(a, b)| f64::from(a.dot(&b) / a.norm() / b.norm()));
    cosines.sum::<f64>() / first.ncols() as f64
}
