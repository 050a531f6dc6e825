//! Rows of `nn-core`.

use std::io::Cursor;
use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{
    Adam, Batch, BatchNorm, BinaryCrossEntropy, Clip, Conv1d, Conv2d, CosineDistance, Dense,
    Descent, Direction, Dropout, Elu, Embedding, ExpectedCost, Extent, GradientCheck, Gradients,
    Header, Huber, Infogain, Initializer, Interval, LabelledImages, Layer, LayerNorm, Lbfgs,
    LeakyRelu, MaxPool, MeanAbsoluteError, MeanSquaredError, Mode, Network, NetworkBuilder,
    Optimizer, Plan, Recurrence, Recurrent, RmsProp, Sgd, Shape, Similarity, SoftCrossEntropy,
    SoftmaxCrossEntropy, Steps, Tanh, Trace, Trainer, View, Workspace, edge_energy, error_rate,
    filter_importance, gradient_check, layer_check, match_filters, schedule,
    similarities_from_distances, softmax, tuning,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::{holds, row, shown};
use crate::bad_input::draw::Input;

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

/// Three inputs, two outputs.
fn network() -> nn_core::Result<Network<f64>> {
    Network::builder(3).dense(4).activation(Tanh).dense(2).build(&mut rng())
}

fn x() -> DMatrix<f64> {
    DMatrix::from_fn(3, 5, |i, j| ((i * i + 3 * j) as f64).sin())
}

fn targets() -> DMatrix<f64> {
    DMatrix::from_fn(2, 5, |i, j| ((i + 2 * j) as f64).cos())
}

const LABELS: [usize; 5] = [0, 1, 1, 0, 1];

/// Widths that a layer is made with.
fn width(x: &Input, good: usize) -> usize {
    x.pick(good, vec![0, 1, 50])
}

fn outputs_of(layer: impl Layer<f64> + 'static, inputs: usize) -> nn_core::Result<DMatrix<f64>> {
    let network = Network::builder(layer.input()).layer(layer).build(&mut rng())?;
    network.predict(&DMatrix::from_element(inputs, 2, 0.5))
}

const PASSES: &str = "a network is a function: numbers beyond the largest are infinite";

#[test]
fn networks() {
    holds(&[
        row("Network::predict", |x| {
            let (network, mut workspace) = (network()?, Workspace::default());
            let y = network.predict_with(&x.matrix(&self::x()), &mut workspace)?.clone();
            shown((y, network.predict(&x.matrix(&self::x()))?))
        })
        .passes(PASSES),
        row("Network::forward", |x| {
            let (network, mut trace) = (network()?, Trace::training(x.whole(1)));
            Network::forward(&network, &x.matrix(&self::x()), &mut trace)?;
            let (input, output) =
                (trace.input_of(x.count(1)).is_some(), trace.output_of(x.count(1)).is_some());
            Network::backward(&network, &x.matrix(&targets()), Gradients::Both, &mut trace)?;
            shown((input, output, trace.gradient(), trace.input_gradient()))
        })
        .passes(PASSES),
        row("Network::pull_back", |x| {
            let (network, mut workspace) = (network()?, Workspace::default());
            let given = x.matrix(&targets());
            let answer = Network::pull_back(
                &network,
                &x.matrix(&self::x()),
                Mode::Inference,
                &mut workspace,
                |p, slopes| {
                    slopes.clone_from(&given);
                    Ok::<_, nn_core::Error>(p.clone())
                },
            )?;
            shown((answer, workspace.gradient()))
        })
        .passes(PASSES),
        row("Network::loss", |x| {
            let (network, mut trace, targets) = (network()?, Trace::new(), x.matrix(&targets()));
            let loss = MeanSquaredError::new(&targets)?;
            let at = x.matrix(&self::x());
            shown((
                Network::loss(&network, &at, &loss)?,
                Network::loss_with(&network, &at, &loss, &mut Workspace::default())?,
                Network::loss_and_gradient(&network, &at, &loss, &mut trace)?,
                network.sample_gradients(&at, &loss)?,
            ))
        })
        .passes(PASSES),
        row("Network::jvp", |x| {
            let (network, mut trace, targets) = (network()?, Trace::new(), targets());
            let loss = MeanSquaredError::new(&targets)?;
            let along = x.vector(&vec![0.1; network.parameters().len()]);
            network.forward(&self::x(), &mut trace)?;
            let jvp = network.jvp(Direction::Both(&along, &x.matrix(&self::x())), &mut trace)?;
            let at = x.matrix(&self::x());
            shown((
                jvp,
                network.hessian_vector(&at, &loss, &along, &mut trace)?,
                network.gauss_newton_vector(&at, &loss, &along, &mut trace)?,
            ))
        })
        .passes(PASSES),
        row("Network::jacobian", |x| {
            let network = network()?;
            let at = x.vector(&[0.1, 0.2, 0.3]);
            shown((Network::jacobian(&network, &at)?, network.parameter_jacobian(&at)?))
        })
        .passes(PASSES),
        row("gradient_check", |x| {
            let targets = targets();
            let report = gradient_check(
                &network()?,
                &x.matrix(&self::x()),
                &MeanSquaredError::new(&targets)?,
            )?;
            let check = GradientCheck::default().training(x.whole(3));
            let again = GradientCheck::network(
                &check,
                &network()?,
                &x.matrix(&self::x()),
                &MeanSquaredError::new(&targets)?,
            )?;
            shown((report.blocks.len(), again.blocks.len()))
        }),
        row("layer_check", |x| {
            let layer = || Dense::new(3, 2, Initializer::HeNormal);
            let report = layer_check(layer(), &x.matrix(&self::x()), &mut rng())?;
            let again = GradientCheck::layer(
                &GradientCheck::default(),
                layer(),
                &x.matrix(&self::x()),
                &mut rng(),
            )?;
            shown((report.gradient.blocks.len(), again.gradient.blocks.len()))
        }),
        row("NetworkBuilder", |x| {
            let builder: NetworkBuilder<f64> = Network::builder(width(x, 3));
            let network = builder
                .dense(width(x, 4))
                .dropout(x.number(0.1))
                .dense_from(x.matrix(&DMatrix::from_element(2, 4, 0.5)), x.slice(&[0.1, 0.2]))
                .layer_norm()
                .batch_norm()
                .build(&mut rng())?;
            shown(network.predict(&DMatrix::from_element(network.inputs(), 2, 0.5))?)
        })
        .passes(PASSES),
        row("NetworkBuilder, recurrent", |x| {
            let shape = Shape::sequence(width(x, 3), width(x, 4));
            let builder: NetworkBuilder<f64> = Network::builder(shape);
            let network = builder
                .elman(width(x, 3), Steps::All)
                .gru(width(x, 3), Steps::All)
                .lstm(width(x, 3), Steps::Last)
                .build(&mut rng())?;
            shown(network.predict(&DMatrix::from_element(network.inputs(), 2, 0.5))?)
        }),
        row("NetworkBuilder, images", |x| {
            let conv = Conv2d::new(width(x, 2), Extent::from(width(x, 3)))
                .stride(width(x, 1))
                .padding(width(x, 1))
                .dilation(width(x, 1))
                .groups(width(x, 1));
            let network =
                Network::<f64>::builder(Shape::image(width(x, 2), width(x, 8), width(x, 8)))
                    .conv2d(conv)
                    .max_pool(width(x, 2))
                    .average_pool(width(x, 2))
                    .build(&mut rng())?;
            shown(network.predict(&DMatrix::from_element(network.inputs(), 2, 0.5))?)
        }),
        row("NetworkBuilder, sequences", |x| {
            let conv = Conv1d::new(width(x, 2), width(x, 3))
                .stride(width(x, 1))
                .padding(width(x, 1))
                .dilation(width(x, 1));
            let network = Network::<f64>::builder(Shape::sequence(2, 8))
                .conv1d(Conv1d::groups(conv, width(x, 1)))
                .build(&mut rng())?;
            shown(network.predict(&DMatrix::from_element(network.inputs(), 2, 0.5))?)
        }),
        row("NetworkBuilder::embedding", |x| {
            let network =
                Network::<f64>::builder(2).embedding(width(x, 3), width(x, 2)).build(&mut rng())?;
            shown(network.predict(&x.matrix(&DMatrix::from_element(2, 2, 1.0)))?)
        })
        .passes(PASSES),
        row("layers", |x| {
            let sizes = [width(x, 3), width(x, 3)];
            shown((
                outputs_of(Dense::new(sizes[0], sizes[1], Initializer::PyTorch), 3)?,
                outputs_of(Dropout::new(x.number(0.1), sizes[0])?, 3)?,
                outputs_of(BatchNorm::new(sizes[0]), 3)?,
                outputs_of(LayerNorm::new(sizes[0]), 3)?,
                outputs_of(MaxPool::new(Shape::image(3, sizes[0], sizes[1]), (1, 1))?, 27)?,
            ))
        }),
        row("Recurrent", |x| {
            let (shape, units) = (Shape::sequence(width(x, 3), width(x, 2)), width(x, 2));
            shown((
                outputs_of(Recurrent::elman(shape, units, Steps::Last, Initializer::PyTorch), 6)?,
                outputs_of(Recurrent::gru(shape, units, Steps::Last, Initializer::PyTorch), 6)?,
                outputs_of(Recurrent::lstm(shape, units, Steps::Last, Initializer::PyTorch), 6)?,
            ))
        }),
        row("Recurrence::step", |x| {
            let network = Network::<f64>::builder(Shape::sequence(3, 2))
                .lstm(2, Steps::Last)
                .build(&mut rng())?;
            let Some(View::Recurrent(cell)) = network.views().next() else {
                return Err("no recurrence".into());
            };
            let mut state = cell.start();
            state.h = x.vector(&[0.1, 0.2]);
            state.c = x.vector(&[0.1, 0.2]);
            shown(Recurrence::step(&cell, &x.vector(&[0.1, 0.2, 0.3]), &state)?)
        })
        .passes(PASSES),
    ]);
}

#[test]
fn losses() {
    const TO_THE_LARGEST: &str = "a loss beyond the largest number";
    fn all(loss: &dyn nn_core::Loss<f64>, x: &Input) -> super::Outcome {
        let mut trace = Trace::new();
        let p = x.matrix(&self::x());
        shown((network()?.loss_and_gradient(&p, loss, &mut trace)?, trace.gradient()))
    }
    holds(&[
        row("MeanSquaredError", |x| all(&MeanSquaredError::new(&x.matrix(&targets()))?, x))
            .passes(TO_THE_LARGEST),
        row("MeanAbsoluteError", |x| all(&MeanAbsoluteError::new(&x.matrix(&targets()))?, x))
            .passes(TO_THE_LARGEST),
        row("Huber", |x| all(&Huber::new(&x.matrix(&targets()), x.number(1.0))?, x))
            .passes(TO_THE_LARGEST),
        row("CosineDistance", |x| all(&CosineDistance::new(&x.matrix(&targets()))?, x))
            .passes(TO_THE_LARGEST),
        row("BinaryCrossEntropy", |x| {
            let probabilities = DMatrix::from_fn(2, 5, |i, j| if i == j { 1.0 } else { 0.25 });
            all(&BinaryCrossEntropy::new(&x.matrix(&probabilities))?, x)
        })
        .passes(TO_THE_LARGEST),
        row("SoftmaxCrossEntropy", |x| {
            let labels = x.counts(&LABELS);
            let loss = SoftmaxCrossEntropy::new(&labels, x.size(2))?
                .class_weights(&x.slice(&[1.0, 2.0]))?
                .smoothing(x.number(0.1))?;
            all(&loss, x)
        })
        .passes(TO_THE_LARGEST),
        row("SoftmaxCrossEntropy::ignoring", |x| {
            let labels = x.counts(&LABELS);
            all(&SoftmaxCrossEntropy::ignoring(&labels, x.size(2), x.count(9))?, x)
        })
        .passes(TO_THE_LARGEST),
        row("SoftCrossEntropy", |x| {
            let halves = DMatrix::from_element(2, 5, 0.5);
            all(&SoftCrossEntropy::new(&x.matrix(&halves))?, x)
        })
        .passes(TO_THE_LARGEST),
        row("Infogain", |x| {
            let (labels, similarities) =
                (x.counts(&LABELS), DMatrix::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 0.5 }));
            all(&Infogain::new(&labels, &x.matrix(&similarities))?, x)?;
            all(&Infogain::ignoring(&labels, &x.matrix(&similarities), x.count(9))?, x)
        })
        .passes(TO_THE_LARGEST),
        row("ExpectedCost", |x| {
            let labels = x.counts(&LABELS);
            let costs = DMatrix::from_fn(2, 2, |i, j| if i == j { 0.0 } else { 0.5 });
            all(&ExpectedCost::new(&labels, &x.matrix(&costs))?, x)
        })
        .passes(TO_THE_LARGEST),
        row("similarities_from_distances", |x| {
            let distances = DMatrix::from_fn(3, 3, |i, j| i.abs_diff(j) as f64);
            shown(similarities_from_distances(&x.matrix(&distances), x.number(1.0))?)
        }),
        row("softmax", |x| shown(softmax(&x.matrix(&targets()))))
            .passes("a function of the logits"),
        row("error_rate", |x| shown(error_rate(&x.matrix(&targets()), &x.counts(&LABELS))?)),
    ]);
}

#[test]
fn training() {
    holds(&[
        row("Trainer", |x| {
            let (mut network, at, targets) =
                (network()?, x.matrix(&self::x()), x.matrix(&targets()));
            let loss = MeanSquaredError::new(&targets)?;
            let factor = x.number(1.0);
            let mut trainer = Trainer::new(
                Sgd::new(x.number(0.1), x.number(0.5))?.weight_decay(x.number(0.01))?,
                Batch::Mini(x.count(2)),
                x.whole(1),
            )
            .clip(Clip::Norm(x.number(1.0)))?
            .schedule(move |_| factor)
            .micro_batches(x.count(1))?;
            trainer.step(&mut network, &at, &loss)?;
            let plan = Plan::epochs(x.pick(2, vec![0, 1])).validate(&at, &loss, x.count(1));
            shown(trainer.train(&mut network, &at, &loss, plan, |_| ControlFlow::Continue(()))?)
        })
        .passes("a run that diverges says so"),
        row("optimizers", |x| {
            let (mut network, targets) = (network()?, targets());
            let loss = MeanSquaredError::new(&targets)?;
            let adam = Adam::new(x.number(0.1))?.decays(x.number(0.9), x.number(0.99))?;
            let adam =
                Adam::decoupled_decay(Adam::weight_decay(adam, x.number(0.0))?, x.number(0.01))?;
            let rms =
                RmsProp::new(x.number(0.1))?.decays(x.number(0.9))?.momentum(x.number(0.1))?;
            Trainer::new(adam, Batch::Full, 1).step(&mut network, &self::x(), &loss)?;
            shown(
                Trainer::new(RmsProp::weight_decay(rms, x.number(0.01))?, Batch::Online, 1).step(
                    &mut network,
                    &self::x(),
                    &loss,
                )?,
            )
        })
        .passes("a step as long as it is asked for"),
        row("Lbfgs", |x| {
            let (mut network, targets) = (network()?, targets());
            let loss = MeanSquaredError::new(&targets)?;
            let mut lbfgs = Lbfgs::new().memory(x.count(5)).tolerance(x.number(1e-9))?;
            let iterations = x.pick(5, vec![0, 1]);
            shown(lbfgs.train(&mut network, &x.matrix(&self::x()), &loss, iterations, |_| {
                ControlFlow::Continue(())
            })?)
        }),
        row("Trainer::save", |x| {
            let (mut network, trainer) =
                (network()?, Trainer::new(Sgd::new(0.1, 0.5)?, Batch::Full, 1));
            let bytes = x.bytes(&trainer.to_safetensors(&network)?);
            let mut other = Trainer::new(Sgd::new(0.1, 0.5)?, Batch::Full, 1);
            shown(other.load_safetensors(&mut network, &bytes)?)
        }),
        row("Trainer::load", |x| {
            let (mut network, mut trainer) =
                (network()?, Trainer::new(Sgd::new(0.1, 0.5)?, Batch::Full, 1));
            let file = std::env::temp_dir().join(format!("bad-input-{}", std::process::id()));
            Trainer::save(&trainer, &network, &file)?;
            std::fs::write(&file, x.bytes(&std::fs::read(&file)?))?;
            let loaded = Trainer::load(&mut trainer, &mut network, &file);
            std::fs::remove_file(&file)?;
            shown(loaded?)
        }),
        row("Trainer::resume", |x| {
            let mut trainer = Trainer::new(Sgd::<f64>::new(0.1, 0.5)?, Batch::Full, 1);
            let mut state = trainer.state();
            (state.steps, state.loss_sum, state.weight_sum) =
                (x.whole(1), x.number(1.0), x.number(1.0));
            (state.best_loss, state.epoch) = (x.number(1.0), x.whole(1));
            trainer.resume(&state)?;
            let targets = targets();
            shown(trainer.step(&mut network()?, &self::x(), &MeanSquaredError::new(&targets)?)?)
        }),
        row("Network::load_safetensors", |x| {
            let mut network = network()?;
            let bytes = x.bytes(&network.to_safetensors()?);
            shown(Network::load_safetensors(&mut network, &bytes)?)
        }),
        row("Network::load_safetensors_as", |x| {
            let mut network = network()?;
            let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
            let bad =
                vec![vec![], vec!["a".to_owned()], vec!["a".to_owned(); 3], vec![String::new(); 3]];
            let names = x.pick(names, bad);
            let bytes = x.bytes(&network.to_safetensors_as(&names)?);
            shown(Network::load_safetensors_as(&mut network, &bytes, &names)?)
        }),
        row("LabelledImages::from_csv", |x| {
            let text = x.text("1,0.5,0.25\n0,1.5,2.5\n1,1,1\n0,0,0\n");
            let data =
                LabelledImages::<f64>::from_csv(text.as_bytes(), Header::Absent, x.count(2))?;
            shown(data.scaled(x.number(0.5))?.split(x.count(1), &mut rng())?)
        })
        .infinite("a pixel beyond the largest number"),
        row("LabelledImages::from_csv_file", |x| {
            shown(LabelledImages::<f64>::from_csv_file(x.text("/"), Header::Absent, 2).is_err())
        }),
        row("LabelledImages::from_idx", |x| {
            let images = x.bytes(&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]);
            let labels = x.bytes(&[0, 0, 8, 1, 0, 0, 0, 2, 0, 1]);
            shown(LabelledImages::<f64>::from_idx(
                Cursor::new(images),
                Cursor::new(labels),
                x.count(2),
            )?)
        }),
        row("LabelledImages::from_idx_files", |x| {
            shown(LabelledImages::<f64>::from_idx_files(x.text("/"), x.text("/"), 2).is_err())
        }),
        row("schedule", |x| {
            let (step, steps, factor) = (x.whole(3), x.whole(10), x.number(0.5));
            shown((
                schedule::warm_up(step, steps),
                schedule::halved(step, steps),
                schedule::stepped(step, steps, factor),
                schedule::exponential(step, factor),
                schedule::cosine(step, steps),
                schedule::linear(step, steps),
            ))
        })
        .passes("powers of a number"),
    ]);
}

#[test]
fn filters_and_numbers() {
    fn images() -> nn_core::Result<Network<f64>> {
        Network::builder(Shape::image(1, 5, 5))
            .conv2d(Conv2d::new(3, 3))
            .flatten()
            .dense(2)
            .build(&mut rng())
    }
    holds(&[
        row("Network::filters", |x| shown(images()?.filters(x.count(0))?)),
        row("filter_importance", |x| {
            let (pixels, targets) =
                (DMatrix::from_fn(25, 5, |i, j| ((i + j) as f64).sin()), targets());
            shown(filter_importance(
                &images()?,
                x.count(0),
                &x.matrix(&pixels),
                &MeanSquaredError::new(&targets)?,
            )?)
        })
        .passes(PASSES),
        row("match_filters", |x| {
            let filters = DMatrix::from_fn(9, 3, |i, j| ((i + 2 * j) as f64).sin());
            let (a, b) = (x.matrix(&filters), x.matrix(&filters));
            shown((
                match_filters(&a, &b, Similarity::Cosine)?,
                match_filters(&a, &b, Similarity::Correlation)?,
            ))
        })
        .overflows("filters beyond the largest number"),
        row("Embedding", |x| shown(Embedding::new(width(x, 2), width(x, 3), width(x, 2)))),
        row("edge_energy", |x| {
            shown(edge_energy(&x.slice(&[1.0, 0.0, -1.0, 2.0, 0.0, -2.0, 1.0, 0.0, -1.0]))?)
        })
        .infinite("an energy beyond the largest number"),
        row("tuning", |x| {
            shown(tuning(
                &x.slice(&[1.0, 0.0, -1.0, 2.0, 0.0, -2.0, 1.0, 0.0, -1.0]),
                x.count(3),
                x.count(3),
            )?)
        }),
        row("Initializer", |x| {
            let (fan_in, fan_out) = (x.count(3), x.count(4));
            let mut weights = x.slice(&[0.0; 12]);
            let mut bias = x.slice(&[0.0; 4]);
            Initializer::GlorotNormal.fill(&mut weights, fan_in, fan_out, &mut rng());
            Initializer::Orthogonal(x.number(1.0)).fill(&mut weights, fan_in, fan_out, &mut rng());
            Initializer::PyTorch.fill_bias(&mut bias, fan_in, &mut rng());
            shown((Initializer::HeUniform.variance(fan_in, fan_out), weights, bias))
        })
        .passes("weights of a layer without inputs"),
        row("LeakyRelu", |x| shown((LeakyRelu::new(x.number(0.01))?, Elu::new(x.number(1.0))?))),
        row("Interval", |x| {
            let interval = Interval { lower: x.number(-1.0), upper: x.number(1.0) };
            let at = x.number(0.5);
            shown((interval.contains(at), interval.excess(at)))
        })
        .passes("a difference"),
        row("Descent::apply", |x| {
            let sgd = Sgd::new(x.number(0.1), 0.0)?;
            let Some(mut descent) = sgd.descent() else { return Err("no plain descent".into()) };
            descent.keep = x.number(1.0);
            let mut parameters = x.slice(&[1.0, 2.0]);
            Descent::apply(&descent, &mut parameters, &x.slice(&[0.1, 0.2]));
            shown(parameters)
        })
        .passes("a sum of products"),
    ]);
}
