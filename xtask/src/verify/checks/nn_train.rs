//! What `nn-core` claims of losses and training.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector};
use nn_core::{
    Adam, Batch, ExpectedCost, Header, Infogain, LabelledImages, Lbfgs, Loss, Network, Plan, Relu,
    Sgd, SoftmaxCrossEntropy, Tanh, Trace, Trainer, TrainerState, softmax,
};
use rand::{Rng, RngExt};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-core/infogain",
        question: Some(10),
        claim: "infogain fused with softmax has its full gradient where probabilities underflow",
        run: infogain,
    },
    Check {
        id: "nn-core/expected-cost",
        question: Some(10),
        claim: "descending on the expected cost of D leads to the answer that costs nothing",
        run: expected_cost,
    },
    Check {
        id: "nn-core/same-bits",
        question: None,
        claim: "training gives the same bits on 1, 2 and 4 threads and when resumed from a checkpoint",
        run: same_bits,
    },
    Check {
        id: "nn-core/checkpoint",
        question: None,
        claim: "a run that is written down in the middle of an epoch and read again goes on to the same bits",
        run: checkpoint,
    },
    Check {
        id: "nn-core/micro-batches",
        question: Some(1),
        claim: "gradients of unequal micro-batches add up to the gradient of the batch",
        run: micro_batches,
    },
    Check {
        id: "nn-core/lbfgs",
        question: Some(1),
        claim: "offline on the digits, 40 passes of L-BFGS leave at most half the loss of 40 of gradient \
                descent at the best of six rates",
        run: lbfgs,
    },
];

/// The loss of all columns of `x`, and its gradient there.
fn evaluate(loss: &dyn Loss<f32>, x: &DMatrix<f32>) -> Result<(f64, DMatrix<f32>), BoxError> {
    let samples: Vec<usize> = (0..x.ncols()).collect();
    let mut gradient = DMatrix::zeros(x.nrows(), x.ncols());
    let value = loss.evaluate(&samples, x.as_view(), gradient.as_view_mut())?;
    Ok((value, gradient))
}

fn infogain(context: &Context) -> Result<Evidence, BoxError> {
    const CLASSES: usize = 5;
    const SAMPLES: usize = 200;
    let mut rng = context.rng();
    let h = DMatrix::from_fn(CLASSES, CLASSES, |l, j| {
        let likeness = rng.random_range(0.0..0.5_f32);
        if l == j { 1.0 } else { likeness }
    });
    let labels: Vec<usize> = (0..SAMPLES).map(|_| rng.random_range(0..CLASSES)).collect();
    let x = DMatrix::from_fn(CLASSES, SAMPLES, |_, _| rng.random_range(-150.0..150.0_f32));
    // N·dL/dx relative to S, against the formula in double precision, where nothing underflows.
    let p = softmax(&x.map(f64::from));
    let distance = |gradient: &dyn Fn(usize, usize) -> f64, h: &DMatrix<f32>| {
        let mut worst = 0.0_f64;
        for (n, &label) in labels.iter().enumerate() {
            let row = h.row(label).map(f64::from);
            let sum = row.sum();
            for i in 0..CLASSES {
                worst = worst.max((gradient(i, n) - (sum * p[(i, n)] - row[i])).abs() / sum);
            }
        }
        worst
    };
    let fused = |h: &DMatrix<f32>| -> Result<(f64, f64, DMatrix<f32>), BoxError> {
        let (value, gradient) = evaluate(&Infogain::new(&labels, h)?, &x)?;
        let error = distance(&|i, n| f64::from(gradient[(i, n)]) * SAMPLES as f64, h);
        Ok((error, value, gradient))
    };
    let (error, ..) = fused(&h)?;
    let identity = DMatrix::identity(CLASSES, CLASSES);
    let (identity_error, identity_value, identity_gradient) = fused(&identity)?;
    let (value, gradient) = evaluate(&SoftmaxCrossEntropy::new(&labels, CLASSES)?, &x)?;
    let apart = (gradient - identity_gradient).amax() * SAMPLES as f32;

    let columns: Vec<Vec<f64>> = x
        .column_iter()
        .zip(&labels)
        .map(|(x, &label)| two_layers(&x.into_owned(), &h.row(label).transpose()))
        .collect();
    let taken_apart = |i: usize, n: usize| columns[n][i];
    let vanished = p.iter().filter(|p| **p < 1e-38).count();
    Ok(Evidence {
        measured: error.max(identity_error).max(f64::from(apart)),
        limit: 16.0 * f64::from(f32::EPSILON),
        reason: "16 eps of f32, relative to S: an exponential, a quotient and a few sums; a logit's rounding of \
                 eps·|x − max| is multiplied by p = exp(x − max) and stays below eps",
        control: Control {
            what: "softmax and infogain as two layers, with p cut off at 1e-20",
            measured: distance(&taken_apart, &h),
        },
        plots: vec![underflow()?],
        notes: vec![
            format!("{vanished} of {} probabilities are no longer normal numbers in f32.", p.len()),
            format!(
                "With H = I the loss differs from softmax cross-entropy by {:.1e}, the gradient by {apart:.1e}.",
                (value - identity_value).abs()
            ),
        ],
    })
}

/// The old pair of layers: −h/max(p, 1e-20), then the derivative of softmax.
fn two_layers(x: &DVector<f32>, h: &DVector<f32>) -> Vec<f64> {
    let p = softmax(&DMatrix::from_column_slice(x.len(), 1, x.as_slice()));
    let slope: Vec<f32> = p.iter().zip(h).map(|(p, h)| -h / p.max(1e-20)).collect();
    let mean: f32 = p.iter().zip(&slope).map(|(p, slope)| p * slope).sum();
    p.iter().zip(&slope).map(|(p, slope)| f64::from(p * (slope - mean))).collect()
}

/// The derivative by the right class's logit as another class takes the lead, both ways.
fn underflow() -> Result<Plot, BoxError> {
    let h = DMatrix::from_row_slice(2, 2, &[1.0, 0.2, 0.2, 1.0_f32]);
    let (mut fused, mut apart) = (Vec::new(), Vec::new());
    for lead in (-10_i16..=100).map(f32::from) {
        let x = DVector::from_column_slice(&[0.0, lead]);
        let column = DMatrix::from_column_slice(2, 1, x.as_slice());
        let (_, gradient) = evaluate(&Infogain::new(&[0], &h)?, &column)?;
        fused.push((f64::from(lead), f64::from(gradient[(0, 0)])));
        apart.push((f64::from(lead), two_layers(&x, &h.row(0).transpose())[0]));
    }
    let series = |label: &str, mark, points| Series { label: label.to_owned(), mark, points };
    Ok(Plot {
        title: "Told that a cat is no car",
        x: Axis {
            label: "logit of the wrong class over that of the right one",
            scale: Scale::Linear,
        },
        y: Axis { label: "derivative by the logit of the right one", scale: Scale::Linear },
        series: vec![series("fused", Mark::Line, fused), series("two layers", Mark::Dashed, apart)],
    })
}

fn expected_cost(context: &Context) -> Result<Evidence, BoxError> {
    const CLASSES: usize = 4;
    const STEPS: usize = 20_000;
    let mut rng = context.rng();
    let mut costs = DMatrix::<f64>::zeros(CLASSES, CLASSES);
    for l in 0..CLASSES {
        for j in 0..l {
            let cost = rng.random_range(0.5..2.0);
            (costs[(l, j)], costs[(j, l)]) = (cost, cost);
        }
    }
    let labels: Vec<usize> = (0..CLASSES).collect();
    let samples = labels.clone();
    // The largest expected cost of a label after descending with rate 1 from equal probabilities.
    let cost_after = |loss: &dyn Loss<f64>| -> Result<f64, BoxError> {
        let mut x = DMatrix::<f64>::zeros(CLASSES, CLASSES);
        let mut gradient = x.clone();
        for _ in 0..STEPS {
            loss.evaluate(&samples, x.as_view(), gradient.as_view_mut())?;
            // The gradient of the sum over the samples, not of their mean.
            x -= &gradient * CLASSES as f64;
        }
        let p = softmax(&x);
        let cost = |l: usize| costs.row(l).transpose().dot(&p.column(l));
        Ok((0..CLASSES).map(cost).fold(0.0, f64::max))
    };
    Ok(Evidence {
        measured: cost_after(&ExpectedCost::new(&labels, &costs)?)?,
        limit: (CLASSES * CLASSES) as f64 / STEPS as f64,
        reason: "the cost E falls at least as fast as E' = -p²E², p >= 1/K being the probability of the label, so \
                 that E <= K²/t after t steps of rate 1",
        control: Control {
            what: "the distances D put into infogain as if they were similarities",
            measured: cost_after(&Infogain::new(&labels, &costs)?)?,
        },
        plots: vec![],
        notes: vec![
            "Infogain's minimum is at p = h/S, which for distances is most likely the farthest class.".to_owned(),
        ],
    })
}

fn uniform(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f32> {
    DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.0..1.0))
}

fn same_bits(context: &Context) -> Result<Evidence, BoxError> {
    const SAMPLES: usize = 1500;
    const EPOCHS: usize = 3;
    let mut rng = context.rng();
    let start =
        Network::<f32>::builder(200).dense(100).activation(Relu).dense(10).build(&mut rng)?;
    let x = uniform(200, SAMPLES, &mut rng);
    let labels: Vec<usize> = (0..SAMPLES).map(|_| rng.random_range(0..10)).collect();
    let seed: u64 = rng.random();
    let trainer = || -> Result<Trainer<f32>, BoxError> {
        Ok(Trainer::new(Adam::new(0.003)?, Batch::Mini(700), seed))
    };
    let loss = SoftmaxCrossEntropy::new(&labels, 10)?;
    let run = |threads: usize, interrupted: bool| -> Result<DVector<f32>, BoxError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            let (mut network, mut first) = (start.clone(), trainer()?);
            let stop_at = |progress: &nn_core::Progress<'_, f32>| match interrupted {
                true if (progress.epoch, progress.step) == (1, 1) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            };
            let _ = first.train(&mut network, &x, &loss, EPOCHS, stop_at)?;
            if interrupted {
                let mut second = trainer()?;
                second.resume(&first.state())?;
                let rest = Plan::epochs(EPOCHS - 1);
                let go_on = |_: &nn_core::Progress<'_, f32>| ControlFlow::Continue(());
                let _ = second.train(&mut network, &x, &loss, rest, go_on)?;
            }
            Ok(network.parameters().clone())
        })
    };
    let one = run(1, false)?;
    let differing = |other: &DVector<f32>| {
        one.iter().zip(other).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
    };
    let runs = [run(2, false)?, run(4, false)?, run(1, true)?, run(2, true)?];
    let count: usize = runs.iter().map(differing).sum();

    // The same samples in every batch, in reversed order: the same sums, added the other way round.
    let mut network = start.clone();
    let mut order: Vec<usize> = (0..SAMPLES).collect();
    order.reverse();
    let (reversed, reversed_labels) =
        (x.select_columns(&order), order.iter().map(|&n| labels[n]).collect::<Vec<_>>());
    let mut full = Trainer::new(Adam::new(0.003)?, Batch::Full, seed);
    full.step(&mut network, &reversed, &SoftmaxCrossEntropy::new(&reversed_labels, 10)?)?;
    let mut forward = start.clone();
    Trainer::new(Adam::new(0.003)?, Batch::Full, seed).step(&mut forward, &x, &loss)?;
    let apart = network.parameters().iter().zip(forward.parameters());
    Ok(Evidence {
        measured: count as f64,
        limit: 0.0,
        reason: "a count of parameters that differ: equality to the bit",
        control: Control {
            what: "one step on the same samples in reversed order",
            measured: apart.filter(|(a, b)| a.to_bits() != b.to_bits()).count() as f64,
        },
        plots: vec![],
        notes: vec![format!(
            "{} parameters, {EPOCHS} epochs of 3 steps; interrupted after the first step of the second epoch.",
            one.len()
        )],
    })
}

fn checkpoint(context: &Context) -> Result<Evidence, BoxError> {
    const SAMPLES: usize = 200;
    const EPOCHS: usize = 4;
    const BROKEN_OFF: (usize, usize) = (1, 2);
    let mut rng = context.rng();
    // Dropout, whose random numbers, and normalization, whose state, a file must hold too.
    let builder = Network::<f32>::builder(20).dense(30).batch_norm().activation(Tanh).dropout(0.3);
    let start = builder.dense(4).build(&mut rng)?;
    let x = uniform(20, SAMPLES, &mut rng);
    let labels: Vec<usize> = (0..SAMPLES).map(|_| rng.random_range(0..4)).collect();
    let loss = SoftmaxCrossEntropy::new(&labels, 4)?;
    let seed: u64 = rng.random();
    let trainer = |seed| -> Result<Trainer<f32>, BoxError> {
        Ok(Trainer::new(Adam::new(0.01)?, Batch::Mini(48), seed))
    };
    let train = |trainer: &mut Trainer<f32>, network: &mut Network<f32>, epochs: usize, until| {
        trainer.train(network, &x, &loss, Plan::epochs(epochs), |progress| {
            if until == Some((progress.epoch, progress.step)) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    };
    let (mut first, mut whole) = (trainer(seed)?, start.clone());
    let _ = train(&mut first, &mut whole, EPOCHS, None)?;
    let (mut first, mut network) = (trainer(seed)?, start.clone());
    let _ = train(&mut first, &mut network, EPOCHS, Some(BROKEN_OFF))?;
    let bytes = first.to_safetensors(&network)?;

    // What is read, less what `forget` takes away.
    let resumed = |forget: &dyn Fn(&mut TrainerState<f32>)| -> Result<f64, BoxError> {
        let (mut second, mut network) = (trainer(0)?, start.clone());
        second.load_safetensors(&mut network, &bytes)?;
        let mut state = second.state();
        forget(&mut state);
        let mut second = trainer(0)?;
        second.resume(&state)?;
        let _ = train(&mut second, &mut network, EPOCHS - BROKEN_OFF.0, None)?;
        let (parameters, expected) = (network.parameters().iter(), whole.parameters().iter());
        let pairs = parameters.chain(network.state()).zip(expected.chain(whole.state()));
        Ok(pairs.filter(|(a, b)| a.to_bits() != b.to_bits()).count() as f64)
    };
    let without_optimizer = resumed(&|state| {
        state.optimizer.steps = 0;
        state.optimizer.vectors.iter_mut().for_each(|(_, vector)| vector.clear());
    })?;
    let without_seed = resumed(&|state| state.seed = state.seed.wrapping_add(1))?;
    let without_place = resumed(&|state| state.step_in_epoch = 0)?;
    Ok(Evidence {
        measured: resumed(&|_| {})?,
        limit: 0.0,
        reason: "a count of numbers that differ, of parameters and state: equality to the bit",
        control: Control {
            what: "without what the optimizer, the random numbers or the place in the epoch were (the least of the \
                   three)",
            measured: without_optimizer.min(without_seed).min(without_place),
        },
        plots: vec![],
        notes: vec![format!(
            "Of {} numbers {without_optimizer} differ where Adam starts anew, {without_seed} where the random numbers \
             are others, {without_place} where the epoch is begun again; the file has {} bytes.",
            whole.parameters().len() + whole.state().len(),
            bytes.len()
        )],
    })
}

fn micro_batches(context: &Context) -> Result<Evidence, BoxError> {
    const SAMPLES: usize = 40;
    const MICRO: usize = 13;
    const WIDTH: usize = 12;
    let mut rng = context.rng();
    let network =
        Network::<f64>::builder(WIDTH).dense(WIDTH).activation(Tanh).dense(3).build(&mut rng)?;
    let x = DMatrix::from_fn(WIDTH, SAMPLES, |_, _| rng.random_range(-1.5..1.5));
    let labels: Vec<usize> = (0..SAMPLES).map(|_| rng.random_range(0..3)).collect();
    let weights = [0.2, 1.0, 5.0];
    let weighted = |labels: &[usize], x: &DMatrix<f64>| -> Result<DVector<f64>, BoxError> {
        let loss = SoftmaxCrossEntropy::new(labels, 3)?.class_weights(&weights)?;
        let mut trace = Trace::new();
        network.loss_and_gradient(x, &loss, &mut trace)?;
        Ok(trace.gradient().clone())
    };
    let whole = weighted(&labels, &x)?;
    // A step of rate 1 moves the parameters by the gradient.
    let mut moved = network.clone();
    let loss = SoftmaxCrossEntropy::new(&labels, 3)?.class_weights(&weights)?;
    let trainer = Trainer::new(Sgd::new(1.0, 0.0)?, Batch::Full, 1);
    trainer.micro_batches(MICRO)?.step(&mut moved, &x, &loss)?;
    let distance = |gradient: DVector<f64>| (gradient - &whole).amax() / whole.amax();

    let pieces: Vec<usize> = (0..SAMPLES).step_by(MICRO).collect();
    let mut unweighted = DVector::zeros(whole.len());
    for &first in &pieces {
        let count = MICRO.min(SAMPLES - first);
        let piece = x.columns(first, count).into_owned();
        unweighted += weighted(&labels[first..first + count], &piece)? / pieces.len() as f64;
    }
    Ok(Evidence {
        measured: distance(network.parameters() - moved.parameters()),
        limit: 64.0 * (SAMPLES + 2 * WIDTH) as f64 * f64::EPSILON,
        reason: "64 (N + 2n) eps of the largest entry: a sum over N samples after products over n units, and \
                 parameters up to 64 times as large as the gradient, from whose difference it is read",
        control: Control {
            what: "the plain mean of the micro-batches' own means",
            measured: distance(unweighted),
        },
        plots: vec![],
        notes: vec![format!(
            "{SAMPLES} samples in pieces of {MICRO} and a rest of {}, with class weights {weights:?}.",
            SAMPLES % MICRO
        )],
    })
}

fn lbfgs(context: &Context) -> Result<Evidence, BoxError> {
    const PASSES: usize = 40;
    let path = context.data("nn-core", "digits.csv");
    let data =
        LabelledImages::<f32>::from_csv_file(path, Header::Present, 10)?.scaled(1.0 / 16.0)?;
    let mut rng = context.rng();
    let start = Network::<f32>::builder(64).dense(24).activation(Tanh).dense(10).build(&mut rng)?;
    let loss = SoftmaxCrossEntropy::new(data.labels(), 10)?;

    // The least loss within so many passes, and the curve by passes.
    let quasi_newton = |memory: usize| -> Result<(f64, Vec<(f64, f64)>), BoxError> {
        let mut network = start.clone();
        let mut curve = Vec::new();
        let mut best = f64::INFINITY;
        let _ = Lbfgs::new().memory(memory).train(
            &mut network,
            data.images(),
            &loss,
            PASSES,
            |done| {
                if done.evaluations > PASSES {
                    return ControlFlow::Break(());
                }
                best = done.loss;
                curve.push((done.evaluations as f64, done.loss));
                ControlFlow::Continue(())
            },
        )?;
        Ok((best, curve))
    };
    let (ours, our_curve) = quasi_newton(10)?;
    let (steepest, steepest_curve) = quasi_newton(0)?;
    let mut descent = (f64::INFINITY, 0.0, Vec::new());
    for rate in [0.03, 0.1, 0.3, 1.0, 2.0, 4.0] {
        let mut network = start.clone();
        let mut trainer = Trainer::new(Sgd::new(rate, 0.0)?, Batch::Full, 1);
        let history = trainer
            .train(&mut network, data.images(), &loss, PASSES, |_| ControlFlow::Continue(()))?;
        let end = network.loss(data.images(), &loss)?;
        if end < descent.0 {
            let curve = history.losses.iter().enumerate().map(|(k, &l)| (k as f64 + 1.0, l));
            descent = (end, rate, curve.collect());
        }
    }
    let (best_descent, rate, descent_curve) = descent;
    let series = |label: &str, mark, points| Series { label: label.to_owned(), mark, points };
    Ok(Evidence {
        measured: ours / best_descent,
        limit: 0.5,
        reason: "half of what gradient descent reaches in as many passes with the best of its rates, known only \
                 afterwards",
        control: Control {
            what: "steepest descent: the same line search without a memory",
            measured: steepest / best_descent,
        },
        plots: vec![Plot {
            title: "Training loss by passes over the digits",
            x: Axis { label: "passes forward and backward", scale: Scale::Linear },
            y: Axis { label: "loss", scale: Scale::Log },
            series: vec![
                series("L-BFGS", Mark::Line, our_curve),
                series("gradient descent", Mark::Dots, descent_curve),
                series("steepest descent", Mark::Dashed, steepest_curve),
            ],
        }],
        notes: vec![format!(
            "After {PASSES} passes: L-BFGS {ours:.4}, gradient descent {best_descent:.4} at rate {rate}, steepest \
             descent {steepest:.4}."
        )],
    })
}
