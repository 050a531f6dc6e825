//! What `nn-invert` claims of the image that a classifier believes in.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector};
use nn_core::{Header, LabelledImages, Network, Shape, SoftmaxCrossEntropy};
use nn_invert::{Map, SearchOptions, search};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, DARKEST, Mark, Plot, Scale, Series, cells};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[Check {
    id: "nn-invert/believed-digit",
    question: Some(11),
    claim: "the image that a classifier believes in is as smooth as a digit once it is asked to be",
    run: believed_digit,
}];

/// ∑(xᵢ − xⱼ)² over neighbors of an 8 x 8 image, over ∑(xᵢ − mean)².
fn roughness(image: &DVector<f64>) -> f64 {
    let at = |x: usize, y: usize| image[y * 8 + x];
    let mut sum = 0.0;
    for y in 0..8 {
        for x in 0..7 {
            sum += (at(x + 1, y) - at(x, y)).powi(2) + (at(y, x + 1) - at(y, x)).powi(2);
        }
    }
    let mean = image.mean();
    sum / image.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
}

fn believed_digit(context: &Context) -> Result<Evidence, BoxError> {
    const SURE: f64 = 8.0;
    const SHOWN: [usize; 3] = [0, 3, 7];
    let data = LabelledImages::<f64>::from_csv_file(
        context.data("nn-core", "digits.csv"),
        Header::Present,
        10,
    )?
    .scaled(1.0 / 16.0)?;
    let loss = SoftmaxCrossEntropy::new(data.labels(), 10)?;
    let mut network = Network::builder(64).dense(10).build(&mut context.rng())?;
    let _ = nn_core::Lbfgs::new()
        .train(&mut network, data.images(), &loss, 40, |_| ControlFlow::Continue(()))?;

    let (mut measured, mut control, mut least) = (0.0, 0.0, 1.0_f64);
    let mut pictures = Vec::new();
    let gray = DVector::from_element(64, data.images().mean());
    for digit in 0..10 {
        let mut of_digit = Vec::new();
        for (column, &label) in data.images().column_iter().zip(data.labels()) {
            if label == digit {
                of_digit.push(roughness(&column.into_owned()));
            }
        }
        let typical = of_digit.iter().sum::<f64>() / of_digit.len() as f64;
        // Scores that leave the others e⁻⁸ of the belief each.
        let target = DVector::from_fn(10, |i, _| if i == digit { SURE } else { 0.0 });
        let belief = |x: &DVector<f64>| {
            let scores = network.value(x).map_err(BoxError::from)?;
            let top = scores.max();
            Ok::<_, BoxError>((scores[digit] - top).exp() / scores.map(|s| (s - top).exp()).sum())
        };
        let naive = search(&network, &target, &gray, &SearchOptions::default(), |_| {
            ControlFlow::Continue(())
        })?;
        let options = SearchOptions::default()
            .bounds(DVector::zeros(64), DVector::from_element(64, 1.0))
            .smooth(Shape::image(1, 8, 8), 32.0);
        let asked = search(&network, &target, &gray, &options, |_| ControlFlow::Continue(()))?;
        if let Some(row) = SHOWN.iter().position(|&shown| shown == digit) {
            let typical = options.clone().smooth(Shape::image(1, 8, 8), 1.0);
            let mean = of_label(&data, digit).column_mean();
            let near = search(&network, &target, &mean, &typical.stay_near(1.0), |_| {
                ControlFlow::Continue(())
            })?;
            pictures.push((row, [naive.input.clone(), asked.input.clone(), near.input, mean]));
        }
        measured += roughness(&asked.input) / typical / 10.0;
        control += roughness(&naive.input) / typical / 10.0;
        least = least.min(belief(&asked.input)?);
    }
    if least < 0.9 {
        return Err(
            format!("the classifier believes in a smooth image with {least:.3} only").into()
        );
    }
    Ok(Evidence {
        measured,
        limit: 1.0,
        reason: "differences of neighbors over the variance, as a multiple of those of real images of the \
                 digit, in the mean over the ten digits",
        control: Control { what: "the answer without a prior", measured: control },
        plots: vec![side_by_side(&pictures)],
        notes: vec![
            format!("The classifier believes in each smooth image with {least:.3} at least."),
            "Ten scores leave a null space of dimension 54 in 64 pixels; without a prior the answer is the \
             seed plus what weights are made of, which is noise to the eye."
                .to_owned(),
        ],
    })
}

/// The columns that belong to `digit`.
fn of_label(data: &LabelledImages<f64>, digit: usize) -> DMatrix<f64> {
    let of_digit: Vec<usize> =
        (0..data.labels().len()).filter(|&i| data.labels()[i] == digit).collect();
    data.images().select_columns(&of_digit)
}

/// A row for each digit, its images from left to right.
fn side_by_side(pictures: &[(usize, [DVector<f64>; 4])]) -> Plot {
    let mut levels = vec![Vec::new(); usize::from(DARKEST)];
    for (row, images) in pictures {
        for (place, image) in images.iter().enumerate() {
            let corner = (9.0 * place as f64 + 1.0, 9.0 * (pictures.len() - row) as f64 - 1.0);
            for (series, (_, points)) in levels.iter_mut().zip(cells(image.as_slice(), 8, corner)) {
                series.extend(points);
            }
        }
    }
    let series = (1..=DARKEST).zip(levels);
    Plot {
        title: "What the classifier believes to be a 0, a 3 and a 7",
        x: Axis {
            label: "no prior · smooth · near the mean image · the mean image",
            scale: Scale::Linear,
        },
        y: Axis { label: "pixels, white to black", scale: Scale::Linear },
        series: series
            .map(|(level, points)| Series {
                label: String::new(),
                mark: Mark::Cells(level),
                points,
            })
            .collect(),
    }
}
