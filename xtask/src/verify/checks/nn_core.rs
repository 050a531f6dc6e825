//! What `nn-core` claims.

use std::ops::ControlFlow;

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};
use nn_core::{
    Activation, Adam, Batch, Header, Initializer, LabelledImages, Loss, MeanSquaredError, Network,
    Relu, Sin, SoftmaxCrossEntropy, Stop, Tanh, Trace, Trainer, error_rate, gradient_check,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-core/batch-gradient",
        question: Some(1),
        claim: "the batch gradient is the mean of the per-sample gradients",
        run: batch_gradient,
    },
    Check {
        id: "nn-core/derivative-at-z",
        question: Some(9),
        claim: "gradients with f'(z), for tanh and for sin, agree with difference quotients",
        run: derivative_at_z,
    },
    Check {
        id: "nn-core/softmax-chain",
        question: Some(3),
        claim: "dSoft = (p - onehot)/N carries the chain through a two-layer softmax network",
        run: softmax_chain,
    },
    Check {
        id: "nn-core/digits",
        question: Some(1),
        claim: "mini-batch training reads handwritten digits: at least 95 % right on held-out fifths",
        run: digits,
    },
];

/// A loss whose dL/dP somebody spoils on its way into the network.
#[derive(Debug)]
struct Spoiled<'a, T: Real> {
    loss: &'a dyn Loss<T>,
    spoil: fn(&mut DMatrixViewMut<'_, T>),
}

impl<T: Real> Loss<T> for Spoiled<'_, T> {
    fn samples(&self) -> usize {
        self.loss.samples()
    }

    fn outputs(&self) -> usize {
        self.loss.outputs()
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
    ) -> nn_core::Result<f64> {
        let value = self.loss.evaluate(samples, p, dp.as_view_mut())?;
        (self.spoil)(&mut dp);
        Ok(value)
    }
}

/// The wrong turn of question 1: one delta for the whole batch, their average.
fn average_delta<T: Real>(dp: &mut DMatrixViewMut<'_, T>) {
    let mean = dp.column_mean();
    for mut column in dp.column_iter_mut() {
        column.copy_from(&mean);
    }
}

fn uniform(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.5..1.5))
}

fn batch_gradient(context: &Context) -> Result<Evidence, BoxError> {
    const SAMPLES: usize = 32;
    const WIDTH: usize = 16;
    const DENSE_LAYERS: usize = 3;
    let mut rng = context.rng();
    let network = Network::<f64>::builder(WIDTH)
        .dense(WIDTH)
        .activation(Tanh)
        .dense(WIDTH)
        .activation(Sin)
        .dense(3)
        .build(&mut rng)?;
    let x = uniform(WIDTH, SAMPLES, &mut rng);
    let targets = uniform(3, SAMPLES, &mut rng);
    let loss = MeanSquaredError::new(&targets)?;
    let each = network.sample_gradients(&x, &loss)?;
    let mean = each.column_mean();
    // Roundings are relative to the terms of the sum, not to a sum in which they may cancel.
    let scale = each.abs().column_mean().max();
    let distance = |loss: &dyn Loss<f64>| -> Result<f64, BoxError> {
        let mut trace = Trace::new();
        network.loss_and_gradient(&x, loss, &mut trace)?;
        Ok((trace.gradient() - &mean).amax() / scale)
    };
    let averaged = Spoiled { loss: &loss, spoil: average_delta };
    Ok(Evidence {
        measured: distance(&loss)?,
        limit: 4.0 * (SAMPLES + DENSE_LAYERS * WIDTH) as f64 * f64::EPSILON,
        reason: "4 (N + L n) eps: a sum over N samples after L products over n units, both ways",
        control: Control {
            what: "one averaged output delta propagated for the whole batch",
            measured: distance(&averaged)?,
        },
        plots: vec![],
        notes: vec![format!(
            "{} parameters, {SAMPLES} samples; distances are relative to the largest mean size of a \
             parameter's per-sample gradients.",
            network.parameters().len()
        )],
    })
}

/// An activation whose slope is taken at a = f(z), the mistake of question 9.
#[derive(Debug, Clone, Copy)]
struct SlopeAtA<A>(A);

impl<A: Activation<f64>> Activation<f64> for SlopeAtA<A> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn value(&self, z: f64) -> f64 {
        self.0.value(z)
    }

    fn slope(&self, z: f64) -> f64 {
        self.0.slope(self.0.value(z))
    }
}

/// The limit for a gradient against difference quotients, relative to its largest entry.
const DIFFERENCES: f64 = 1e-7;
const WHY_DIFFERENCES: &str = "a step h of 6e-6 leaves 8 eps/h = 3e-10 of the loss as rounding, and less as truncation: \
     1e-7 of a gradient whose largest entry is 1/300 of the loss";

/// The largest error of a gradient that difference quotients show or would not have shown.
fn disagreement(
    network: &Network<f64>,
    x: &DMatrix<f64>,
    loss: &dyn Loss<f64>,
) -> Result<f64, BoxError> {
    let report = gradient_check(network, x, loss)?;
    Ok(report.worst() + report.uncertainty())
}

fn derivative_at_z(context: &Context) -> Result<Evidence, BoxError> {
    fn worst(
        activation: impl Activation<f64> + 'static,
        mut rng: Xoshiro256PlusPlus,
    ) -> Result<f64, BoxError> {
        let network =
            Network::<f64>::builder(3).dense(6).activation(activation).dense(2).build(&mut rng)?;
        let x = uniform(3, 5, &mut rng);
        let targets = uniform(2, 5, &mut rng);
        disagreement(&network, &x, &MeanSquaredError::new(&targets)?)
    }
    let (tanh, sin) = (worst(Tanh, context.rng())?, worst(Sin, context.rng())?);
    let wrong_tanh = worst(SlopeAtA(Tanh), context.rng())?;
    let wrong_sin = worst(SlopeAtA(Sin), context.rng())?;
    Ok(Evidence {
        measured: tanh.max(sin),
        limit: DIFFERENCES,
        reason: WHY_DIFFERENCES,
        control: Control {
            what: "the derivative taken at a (the lesser error of tanh and sin)",
            measured: wrong_tanh.min(wrong_sin),
        },
        plots: vec![slopes_of_sin()],
        notes: vec![
            format!(
                "At z: tanh {tanh:.1e}, sin {sin:.1e}; at a: tanh {wrong_tanh:.1e}, sin {wrong_sin:.1e}."
            ),
            "For sin no formula in a can serve: cos z = ±√(1 − a²), and a has lost the sign."
                .to_owned(),
        ],
    })
}

/// sin′ at z, at a = sin z, and by differences.
fn slopes_of_sin() -> Plot {
    let z = |count: i32| (-count..=count).map(move |k| f64::from(k) * 6.0 / f64::from(count));
    let series = |label: &str, mark, points| Series { label: label.to_owned(), mark, points };
    let quotient = |z: f64| ((z + 1e-5).sin() - (z - 1e-5).sin()) / 2e-5;
    Plot {
        title: "The slope of sin",
        x: Axis { label: "z", scale: Scale::Linear },
        y: Axis { label: "slope", scale: Scale::Linear },
        series: vec![
            series("taken at z", Mark::Line, z(120).map(|z| (z, Sin.slope(z))).collect()),
            series(
                "taken at a",
                Mark::Line,
                z(120).map(|z| (z, Sin.slope(Sin.value(z)))).collect(),
            ),
            series("difference quotients", Mark::Dots, z(15).map(|z| (z, quotient(z))).collect()),
        ],
    }
}

fn softmax_chain(context: &Context) -> Result<Evidence, BoxError> {
    const CLASSES: usize = 4;
    let mut rng = context.rng();
    let network =
        Network::<f64>::builder(3).dense(8).activation(Tanh).dense(CLASSES).build(&mut rng)?;
    let x = uniform(3, 6, &mut rng);
    let labels: Vec<usize> = (0..6).map(|_| rng.random_range(0..CLASSES)).collect();
    let loss = SoftmaxCrossEntropy::new(&labels, CLASSES)?;
    let ones = Spoiled { loss: &loss, spoil: |dp| dp.fill(1.0) };
    Ok(Evidence {
        measured: disagreement(&network, &x, &loss)?,
        limit: DIFFERENCES,
        reason: WHY_DIFFERENCES,
        control: Control {
            what: "dSoft = 1 in place of (p - onehot)/N",
            measured: disagreement(&network, &x, &ones)?,
        },
        plots: vec![derivatives(network.clone(), &x, &loss, &ones)?],
        notes: vec![format!("Every weight, bias and input of a 3-8-{CLASSES} tanh network.")],
    })
}

/// Each weight's derivative by both seeds of the chain, over its difference quotient.
fn derivatives(
    mut network: Network<f64>,
    x: &DMatrix<f64>,
    loss: &dyn Loss<f64>,
    ones: &dyn Loss<f64>,
) -> Result<Plot, BoxError> {
    const STEP: f64 = 6e-6;
    let mut quotients = Vec::new();
    for index in 0..network.parameters().len() {
        let at = network.parameters()[index];
        let mut value = |theta| {
            network.parameters_mut()[index] = theta;
            network.loss(x, loss)
        };
        quotients.push((value(at + STEP)? - value(at - STEP)?) / (2.0 * STEP));
        network.parameters_mut()[index] = at;
    }
    let against = |label: &str, loss: &dyn Loss<f64>| -> Result<Series, BoxError> {
        let mut trace = Trace::new();
        network.loss_and_gradient(x, loss, &mut trace)?;
        let points = quotients.iter().copied().zip(trace.gradient().iter().copied()).collect();
        Ok(Series { label: label.to_owned(), mark: Mark::Dots, points })
    };
    let mut diagonal: Vec<(f64, f64)> = quotients.iter().map(|&q| (q, q)).collect();
    diagonal.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(Plot {
        title: "Every weight's derivative",
        x: Axis { label: "by difference quotients", scale: Scale::Linear },
        y: Axis { label: "by the chain rule", scale: Scale::Linear },
        series: vec![
            against("dSoft = 1", ones)?,
            Series { label: "equal".to_owned(), mark: Mark::Dashed, points: diagonal },
            against("dSoft = (p − onehot)/N", loss)?,
        ],
    })
}

/// Training and judging on one random fifth of the digits.
struct Run {
    /// Mean training loss and held-out error after each epoch.
    losses: Vec<f64>,
    errors: Vec<f64>,
}

fn digits(context: &Context) -> Result<Evidence, BoxError> {
    const FIFTHS: usize = 5;
    let path = context.data("nn-core", "digits.csv");
    let data =
        LabelledImages::<f32>::from_csv_file(path, Header::Present, 10)?.scaled(1.0 / 16.0)?;
    let held_out = data.labels().len() / 5;
    let mut rng = context.rng();
    let mut run = |spoil: Option<fn(&mut DMatrixViewMut<'_, f32>)>| -> Result<Run, BoxError> {
        let (train, held_out) = data.split(held_out, &mut rng)?;
        let mut network = Network::<f32>::builder(train.images().nrows())
            .initializer(Initializer::HeNormal)
            .dense(64)
            .activation(Relu)
            .dense(data.classes())
            .build(&mut rng)?;
        let loss = SoftmaxCrossEntropy::new(train.labels(), data.classes())?;
        let spoiled = spoil.map(|spoil| Spoiled { loss: &loss, spoil });
        let loss: &dyn Loss<f32> = match &spoiled {
            Some(spoiled) => spoiled,
            None => &loss,
        };
        let judge = |network: &Network<f32>| -> nn_core::Result<f64> {
            error_rate(&network.predict(held_out.images())?, held_out.labels())
        };
        let mut trainer = Trainer::new(Adam::new(0.01)?, Batch::Mini(128), rng.random());
        let mut errors = Vec::new();
        let history = trainer.train(&mut network, train.images(), loss, 20, |progress| {
            if progress.epoch_loss.is_some() {
                match judge(progress.network) {
                    Ok(error) => errors.push(error),
                    Err(_) => return ControlFlow::Break(()),
                }
            }
            ControlFlow::Continue(())
        })?;
        if history.stop != Stop::Finished {
            return Err(history.stop.to_string().into());
        }
        Ok(Run { losses: history.losses, errors })
    };
    let runs = (0..FIFTHS).map(|_| run(None)).collect::<Result<Vec<Run>, BoxError>>()?;
    let wrong = run(Some(average_delta))?;
    let last = |run: &Run| run.errors.last().copied().unwrap_or(f64::NAN);
    let finals: Vec<f64> = runs.iter().map(last).collect();
    let worst = finals.iter().copied().fold(0.0, f64::max);
    let curve = |label: &str, mark, values: &[f64]| Series {
        label: label.to_owned(),
        mark,
        points: (1..).zip(values).map(|(epoch, &value)| (f64::from(epoch), value)).collect(),
    };
    Ok(Evidence {
        measured: finals.iter().sum::<f64>() / FIFTHS as f64,
        limit: 0.05,
        reason: "at most 5 % of held-out images misread; five fifths of 359 have a standard error of \
                 0.4 % at an error rate of 2.5 %",
        control: Control {
            what: "the same training with one averaged output delta per mini-batch",
            measured: last(&wrong),
        },
        plots: vec![Plot {
            title: "Learning to read digits",
            x: Axis { label: "epoch", scale: Scale::Linear },
            y: Axis { label: "loss, fraction of errors", scale: Scale::Log },
            series: vec![
                curve("training loss", Mark::Line, &runs[0].losses),
                curve("held-out error", Mark::Line, &runs[0].errors),
                curve("held-out error, averaged delta", Mark::Dots, &wrong.errors),
                curve("limit", Mark::Dashed, &vec![0.05; wrong.errors.len()]),
            ],
        }],
        notes: vec![format!(
            "A 64-64-10 ReLU network, Adam, 20 epochs in batches of 128; mean over {FIFTHS} random \
             fifths, the worst of them {:.1} %.",
            100.0 * worst
        )],
    })
}
