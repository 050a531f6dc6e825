//! Sequences, histories and points of rest.

use linalg::{DMatrix, DVector};
use nn_core::{Conv1d, Initializer, Network, NetworkBuilder, Shape, Sigmoid, Steps, Tanh, View};
use nn_invert::{
    Equilibrium, Error, HistoryStop, Map, SequenceFault, SequenceInverse, recover_states,
};

use super::{BoxError, normal, orthogonal, seeded};

/// Elman layers of `n` units over `times` steps with the weights U and W, read out by V at each step.
fn elman(
    times: usize,
    input: &DMatrix<f64>,
    state: &DMatrix<f64>,
    readout: Option<&DMatrix<f64>>,
    seed: u64,
) -> Network<f64> {
    let mut rng = seeded(seed);
    let units = state.nrows();
    let mut builder =
        Network::builder(Shape::sequence(input.ncols(), times)).elman(units, Steps::All);
    if let Some(readout) = readout {
        builder = builder.conv1d(Conv1d::new(readout.nrows(), 1));
    }
    let mut network = builder.build(&mut rng).unwrap();
    let bias = normal(units, 2, &mut rng) * 0.1;
    let mut parameters = [input.as_slice(), state.as_slice(), bias.as_slice()].concat();
    if let Some(readout) = readout {
        parameters.extend_from_slice(readout.as_slice());
        parameters.extend_from_slice((normal(readout.nrows(), 1, &mut rng) * 0.1).as_slice());
    }
    network.parameters_mut().copy_from_slice(&parameters);
    network
}

#[test]
fn errors_do_not_add_up_along_a_sequence() -> Result<(), BoxError> {
    let n = 16;
    for seed in 0..4 {
        let mut rng = seeded(seed);
        let (u, w, v) =
            (orthogonal(n, &mut rng) * 0.5, orthogonal(n, &mut rng) * 0.9, orthogonal(n, &mut rng));
        let network = elman(1000, &u, &w, Some(&v), seed);
        let x = normal(n * 1000, 1, &mut rng);
        let y = network.predict(&x)?.column(0).into_owned();
        let answer = SequenceInverse::new(&network)?.invert(&y)?;
        let error: Vec<f64> = (0..1000)
            .map(|t| (answer.input.rows(t * n, n) - x.rows(t * n, n)).norm() / (n as f64).sqrt())
            .collect();
        // Every step divides by 1 − h², with |h| below 0.9995 or so for |a| below 4, and by U = Q/2.
        assert!(error.iter().all(|&error| error < 1e-12), "{:e}", error[999]);
        let (early, late) = (&error[..100], &error[900..]);
        let worst = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        assert!(worst(late) < 30.0 * worst(early), "{:e} {:e}", worst(early), worst(late));
        let predicted = answer.predicted_error.ok_or("all layers are square")?;
        let ratio = (&answer.input - x.column(0)).norm() / predicted;
        assert!((0.01..10.0).contains(&ratio), "{ratio}");
        assert_eq!((answer.reached, answer.iterations), (1000, 0));
        assert!(answer.residual <= 1e-12, "{:e}", answer.residual);
    }
    Ok(())
}

#[test]
fn layers_of_recurrences_are_undone_one_after_the_other() -> Result<(), BoxError> {
    let mut rng = seeded(2);
    let mut network = Network::<f64>::builder(Shape::sequence(5, 40))
        .elman(5, Steps::All)
        .conv1d(Conv1d::new(5, 1))
        .activation(Sigmoid)
        .elman(5, Steps::All)
        .build(&mut rng)?;
    for (index, range) in network.parameter_ranges().to_vec().into_iter().enumerate() {
        let gain = if index == 1 { 1.5 } else { 0.7 };
        let weights = &mut network.parameters_mut()[range];
        let matrices = [orthogonal(5, &mut rng) * gain, orthogonal(5, &mut rng) * gain];
        let kept = weights.len().min(50);
        let both = [matrices[0].as_slice(), matrices[1].as_slice()].concat();
        weights[..kept].copy_from_slice(&both[..kept]);
    }
    let x = normal(200, 3, &mut rng);
    let y = network.predict(&x)?;
    let inverse = SequenceInverse::new(&network)?;
    let all = inverse.invert_many(&y)?;
    for (sample, answer) in all.iter().enumerate() {
        let error = (&answer.input - x.column(sample)).norm() / x.column(sample).norm();
        assert!(error < 1e-11, "{error:e}");
        assert_eq!(answer.conditions.len(), 3);
        let alone = inverse.invert(&y.column(sample).into_owned())?;
        assert!((&alone.input - &answer.input).norm() <= 1e-12 * answer.input.norm());
    }
    Ok(())
}

/// A network of one gated layer: the new values by an orthogonal matrix, the gates by small weights.
fn gated(
    layer: fn(NetworkBuilder<f64>, usize, Steps) -> NetworkBuilder<f64>,
    (n, times): (usize, usize),
    seed: u64,
) -> Network<f64> {
    let mut rng = seeded(seed);
    let mut network =
        layer(Network::builder(Shape::sequence(n, times)), n, Steps::All).build(&mut rng).unwrap();
    // n of a GRU and g of an LSTM are both third.
    let candidate = orthogonal(n, &mut rng);
    let gates = network.parameters().len() / (2 * n * (n + 1));
    let noise = normal(network.parameters().len(), 1, &mut rng) * (0.3 / (n as f64).sqrt());
    network.parameters_mut().copy_from_slice(noise.as_slice());
    for (column, entries) in candidate.column_iter().enumerate() {
        let start = column * gates * n + 2 * n;
        network.parameters_mut()[start..start + n].copy_from_slice(entries.as_slice());
    }
    network
}

#[test]
fn gates_are_searched_step_by_step() -> Result<(), BoxError> {
    for seed in 0..5 {
        for network in [
            gated(NetworkBuilder::gru, (6, 200), seed),
            gated(NetworkBuilder::lstm, (6, 200), seed),
        ] {
            let x = normal(1200, 1, &mut seeded(seed + 100)) * 0.5;
            let y = network.predict(&x)?.column(0).into_owned();
            let answer = SequenceInverse::new(&network)?.invert(&y)?;
            assert_eq!(
                (answer.reached, answer.fault),
                (200, None),
                "{:?} {seed}",
                layer(&network).cell
            );
            assert!(answer.residual <= 1e-10 * y.norm(), "{:e}", answer.residual);
            assert!(answer.predicted_error.is_none());
            // Steps of 0.5 towards inputs of length 1.2 or so, then a few of Newton's.
            assert!((400..4000).contains(&answer.iterations), "{}", answer.iterations);
        }
    }
    Ok(())
}

#[test]
fn inputs_that_saturate_the_gates_end_the_way_and_the_reason_is_named() -> Result<(), BoxError> {
    let mut ended = 0;
    for seed in 0..6 {
        let network = gated(NetworkBuilder::lstm, (6, 100), seed);
        let x = normal(600, 1, &mut seeded(seed + 100));
        let y = network.predict(&x)?.column(0).into_owned();
        let answer = SequenceInverse::new(&network)?.invert(&y)?;
        // All that was reached is right, and what was not has a reason.
        assert!(answer.residual <= 1e-10 * y.norm(), "{:e}", answer.residual);
        assert_eq!(answer.fault.is_some(), answer.reached < 100, "{answer:?}");
        if let Some(fault) = answer.fault {
            assert_eq!(fault.step(), answer.reached);
            ended += 1;
        }
    }
    assert!(ended > 0, "no sequence ended early");
    Ok(())
}

#[test]
fn a_sequence_is_followed_as_far_as_it_goes() -> Result<(), BoxError> {
    let mut rng = seeded(5);
    let start = Network::<f64>::builder(Shape::sequence(3, 20)).initializer(Initializer::PyTorch);
    let network = start.lstm(3, Steps::All).build(&mut rng)?;
    let mut y = network.predict(&(normal(60, 1, &mut rng) * 0.5))?.column(0).into_owned();
    // |h| < 1 for an LSTM, so that nothing leads to this.
    y[3 * 12 + 1] = 1.5;
    let answer = SequenceInverse::new(&network)?.invert(&y)?;
    assert_eq!(answer.reached, 12);
    let fault = answer.fault.expect("a fault");
    assert!(
        matches!(fault, SequenceFault::OutOfReach { layer: 0, step: 12, unit: 1, limit, .. } if limit >= 1.0),
        "{fault}"
    );
    assert!(answer.residual <= 1e-10);
    assert!(answer.input.rows_range(36..).iter().all(|x| x.abs() < f64::MIN_POSITIVE));
    assert!(answer.input.rows_range(..36).norm() > 0.1);
    Ok(())
}

#[test]
fn what_is_not_stepwise_is_named() -> Result<(), BoxError> {
    let mut rng = seeded(1);
    let start = || Network::<f64>::builder(Shape::sequence(2, 5));
    let text = |network: &Network<f64>| SequenceInverse::new(network).unwrap_err().to_string();
    let tail = "does not map a sequence step by step; what mixes steps can only be searched through \
                all of them";
    assert_eq!(
        text(&start().elman(2, Steps::Last).build(&mut rng)?),
        format!("layer 0 (Elman 2 x 5 -> 2) {tail}")
    );
    assert_eq!(
        text(&start().elman(2, Steps::All).dense(10).build(&mut rng)?),
        format!("layer 1 (dense 2 x 5 -> 10) {tail}")
    );
    let mixing = start().conv1d(Conv1d::new(2, 3).padding(1)).build(&mut rng)?;
    assert!(text(&mixing).ends_with(tail), "{}", text(&mixing));
    let network = start().elman(2, Steps::All).build(&mut rng)?;
    let inverse = SequenceInverse::new(&network)?;
    let mut target = DVector::zeros(10);
    target[7] = 1.0;
    let error = inverse.invert(&target).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { layer: 0, index: 7, sample: 0, .. }), "{error:?}");
    target[3] = f64::NAN;
    let error = inverse.invert(&target).unwrap_err().to_string();
    assert_eq!(error, "target[3, 0] is NaN, and every entry must be finite");
    Ok(())
}

fn layer(network: &Network<f64>) -> nn_core::Recurrence<'_, f64> {
    match network.views().next() {
        Some(View::Recurrent(layer)) => layer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_way_back_ends_where_its_digits_do() -> Result<(), BoxError> {
    let (n, times) = (64, 60);
    let tolerance = 1e-2;
    for gain in [0.9, 1.5] {
        for seed in 0..6 {
            let mut rng = seeded(seed);
            let w = normal(n, n, &mut rng) * (gain / (n as f64).sqrt());
            let u = normal(n, n, &mut rng) * (0.5 / (n as f64).sqrt());
            let network = elman(times, &u, &w, None, seed);
            let x = normal(n * times, 1, &mut rng);
            let h = network.predict(&x)?;
            let inputs = DMatrix::from_column_slice(n, times, x.as_slice());
            let states = DMatrix::from_column_slice(n, times, h.as_slice());
            let last = states.column(times - 1).into_owned();
            let history = recover_states(&layer(&network), &inputs, &last, tolerance)?;
            let all = recover_states(&layer(&network), &inputs, &last, 1.0)?;
            let true_horizon = (0..all.states.ncols())
                .take_while(|&k| {
                    let state = states.column(times - 2 - k);
                    (all.states.column(k) - state).norm() <= tolerance * (n as f64).sqrt()
                })
                .count();
            let predicted = history.states.ncols();
            assert!(predicted.abs_diff(true_horizon) <= 2, "{predicted} {true_horizon}");
            // A step later the state may have lost so many digits that it is no state any more.
            assert!(!matches!(history.stop, HistoryStop::Start), "{:?}", history.stop);
        }
    }
    // Orthogonal weights and small inputs lose little: all the way.
    let mut rng = seeded(9);
    let (w, u) = (orthogonal(n, &mut rng), orthogonal(n, &mut rng) * 0.1);
    let network = elman(30, &u, &w, None, 9);
    let x = normal(n * 30, 1, &mut rng);
    let h = network.predict(&x)?;
    let inputs = DMatrix::from_column_slice(n, 30, x.as_slice());
    let last = DVector::from_column_slice(&h.as_slice()[29 * n..]);
    let history = recover_states(&layer(&network), &inputs, &last, 1e-3)?;
    assert_eq!(history.stop, HistoryStop::Start);
    assert_eq!(history.states.shape(), (n, 30));
    let first = DVector::from_column_slice(&h.as_slice()[..n]);
    let error = (history.states.column(28) - &first).norm() / (n as f64).sqrt();
    let ratio = error / history.predicted_errors[28];
    assert!((0.02..10.0).contains(&ratio), "{ratio}");
    Ok(())
}

#[test]
fn a_history_that_no_step_led_to_says_so() -> Result<(), BoxError> {
    let mut rng = seeded(3);
    let network =
        Network::<f64>::builder(Shape::sequence(2, 5)).gru(2, Steps::All).build(&mut rng)?;
    let (inputs, last) = (DMatrix::zeros(2, 3), DVector::from_element(2, 0.5));
    assert_eq!(
        recover_states(&layer(&network), &inputs, &last, 0.1).unwrap_err().to_string(),
        "the layer is a Gru layer, and only an Elman layer's state determines the one before"
    );
    let w = DMatrix::identity(2, 2) * 0.5;
    let network = elman(5, &DMatrix::identity(2, 2), &w, None, 1);
    // atanh(0.9)/0.5 is beyond 1.
    let last = DVector::from_vec(vec![0.1, 0.9]);
    let history = recover_states(&layer(&network), &inputs, &last, 0.1)?;
    assert_eq!(history.states.ncols(), 1);
    assert!(matches!(history.stop, HistoryStop::OutOfRange { unit: 1, .. }), "{history:?}");
    let error = recover_states(&layer(&network), &inputs, &last, 0.0).unwrap_err().to_string();
    assert_eq!(error, "tolerance is 0, expected 0 < tolerance <= 1");
    Ok(())
}

#[test]
fn an_equilibrium_is_left_by_one_solve() -> Result<(), BoxError> {
    let n = 12;
    for seed in 0..5 {
        let mut rng = seeded(seed);
        let (w, u) = (orthogonal(n, &mut rng) * 0.8, normal(n, n, &mut rng));
        let b = DVector::from_fn(n, |i, _| 0.1 * i as f64 - 0.5);
        let network = Equilibrium::new(w, u, b, Tanh)?;
        assert!((network.contraction() - 0.8).abs() < 1e-9, "{}", network.contraction());
        let x = normal(n, 1, &mut rng).column(0) * 0.3;
        let rest = network.rest(&x, 1e-13)?;
        let most = (1e-13_f64.ln() / network.contraction().ln()).ceil();
        assert!(rest.iterations as f64 <= most, "{} > {most}", rest.iterations);
        let answer = network.invert(&rest.value)?;
        assert!(
            (&answer.input - &x).norm() <= 1e-9 * x.norm(),
            "{:e}",
            (&answer.input - &x).norm()
        );
        assert!(answer.residual <= 1e-14 && answer.distance.is_some_and(|d| d <= 1e-12));
        // Its Jacobian against central differences, good to eps^(2/3).
        let point = network.linearize(&x)?;
        let direction = normal(n, 1, &mut rng).column(0).normalize();
        let step = f64::EPSILON.cbrt();
        let slope = (network.value(&(&x + &direction * step))?
            - network.value(&(&x - &direction * step))?)
            / (2.0 * step);
        let mut product = vec![0.0; n];
        point.jacobian.apply(direction.as_slice(), &mut product)?;
        let off = (slope - DVector::from_vec(product)).norm();
        assert!(off <= 100.0 * step * step, "{off:e}");
    }
    Ok(())
}

#[test]
fn a_point_of_rest_that_repels_is_told_from_one_that_attracts() -> Result<(), BoxError> {
    // h = tanh(3h + x) rests at 0 for x = 0, and leaves it for ±0.9949 at the least push.
    let network = Equilibrium::new(
        DMatrix::from_element(1, 1, 3.0),
        DMatrix::from_element(1, 1, 1.0),
        DVector::zeros(1),
        Tanh,
    )?;
    let answer = network.invert(&DVector::from_element(1, 0.1))?;
    assert!(answer.residual <= 1e-16);
    assert!(answer.distance.is_some_and(|distance| distance > 0.5), "{answer:?}");
    assert_eq!(
        network.invert(&DVector::from_element(1, 1.0)).unwrap_err().to_string(),
        "layer 0 (tanh) cannot give 1 as its output 0 (target 0): its values lie strictly between -1 \
         and 1, exceeded by 0.0e0"
    );
    Ok(())
}

#[test]
fn the_error_to_expect_is_that_of_the_whole_jacobian() -> Result<(), BoxError> {
    // eps·‖J⁻¹‖_F·‖y‖/√m, exact for up to 8 outputs; for more, 8 columns of signs, whose mean square s is
    // that but for a variance of ½·‖J⁻ᵀJ⁻¹‖_F² or less: s beyond a fifth and four times its mean is seen
    // once in a thousand draws, and J here is not far from a multiple of an orthogonal matrix.
    for (n, times, seeds) in [(2, 4, 6), (1, 8, 3), (3, 7, 6)] {
        for seed in 0..seeds {
            let mut rng = seeded(seed);
            let u = normal(n, n, &mut rng);
            let (w, v) = (normal(n, n, &mut rng) * 0.7, normal(n, n, &mut rng));
            let start = Network::<f64>::builder(Shape::sequence(n, times));
            let mut network = start
                .elman(n, Steps::All)
                .conv1d(Conv1d::new(n, 1))
                .activation(Sigmoid)
                .build(&mut rng)?;
            let bias = normal(3 * n, 1, &mut rng) * 0.1;
            let parts = [u.as_slice(), w.as_slice(), &bias.as_slice()[..2 * n], v.as_slice()];
            let parameters = [&parts.concat(), &bias.as_slice()[2 * n..]].concat();
            network.parameters_mut().copy_from_slice(&parameters);
            let x = normal(n * times, 2, &mut rng) * 0.5;
            let y = network.predict(&x)?;
            let inverse = SequenceInverse::new(&network)?;
            let all = inverse.invert_many(&y)?;
            for (sample, answer) in all.iter().enumerate() {
                let x = x.column(sample).into_owned();
                let y = y.column(sample).into_owned();
                let back = linalg::Lu::new(network.jacobian(&x)?)?
                    .solve_many(&DMatrix::identity(y.len(), y.len()))?;
                let exact = f64::EPSILON * back.norm() * y.norm() / (y.len() as f64).sqrt();
                let ratio = answer.predicted_error.ok_or("all is square")? / exact;
                if n * times <= 8 {
                    // The slopes are those at the answer, whose error is a few times that predicted.
                    let limit = 1e3 * exact + 1e-12 * back.norm();
                    assert!((ratio - 1.0).abs() <= limit, "{n} x {times}, {seed}: {ratio}");
                } else {
                    assert!((0.45..2.0).contains(&ratio), "{n} x {times}, {seed}: {ratio}");
                }
                let alone = inverse.invert(&y)?.predicted_error.ok_or("all is square")?;
                assert!(
                    (alone * ratio / answer.predicted_error.unwrap_or(1.0) - ratio).abs() < 1e-9
                );
                let off = (network.predict(&DMatrix::from_column_slice(
                    answer.input.len(),
                    1,
                    answer.input.as_slice(),
                ))? - &y)
                    .norm();
                // The same product, over one column or over two.
                assert!((answer.residual - off).abs() <= 8.0 * f64::EPSILON * y.norm());
                for (found, matrix) in answer.conditions.iter().zip([&u, &v]) {
                    let sigma = linalg::singular_values(matrix)?;
                    let expected = sigma[0] / sigma[n - 1];
                    assert!((found / expected - 1.0).abs() <= 1e-12 * expected);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_error_of_a_state_gone_back_to_is_the_sum_of_what_was_rounded() -> Result<(), BoxError> {
    // Units that know nothing of each other: h₋ = (atanh h − u·x − b)/w. An eps of h is worth h/((1 − h²)·w)
    // of it, one of each term the root of their squares over w, and one of h₋ itself comes last. Of n units
    // and eight draws the root of the mean square has a relative standard deviation of 0.6/√(8·n).
    let n = 500;
    let mut rng = seeded(2);
    let diagonal = |rng: &mut _| {
        DMatrix::from_diagonal(&normal(n, 1, rng).column(0).map(|x| 1.2 + 0.3 * x.sin()))
    };
    let (w, u) = (diagonal(&mut rng), diagonal(&mut rng) * 0.5);
    let network = elman(2, &u, &w, None, 2);
    let x = normal(2 * n, 1, &mut rng) * 0.7;
    let h = network.predict(&x)?;
    let (before, last) = (h.rows(0, n), h.rows(n, n));
    let inputs = DMatrix::from_column_slice(n, 2, x.as_slice());
    let last = DVector::from_column_slice(last.into_owned().as_slice());
    let history = recover_states(&layer(&network), &inputs, &last, 1e-3)?;
    let bias = &network.parameters().as_slice()[2 * n * n..];
    let mut square = 0.0;
    for i in 0..n {
        let (w, h, b) = (w[(i, i)], last[i], bias[i] + bias[n + i]);
        let terms = [w * before[i], u[(i, i)] * inputs[(i, 1)], b, h.atanh()];
        let rounded = terms.iter().map(|term| term * term).sum::<f64>();
        square += (h / ((1.0 - h * h) * w)).powi(2) + rounded / (w * w) + before[i].powi(2);
    }
    let ratio = history.predicted_errors[0] / (f64::EPSILON * (square / n as f64).sqrt());
    assert!((ratio - 1.0).abs() <= 0.06, "{ratio}");
    assert_eq!(history.stop, HistoryStop::Start);
    Ok(())
}

#[test]
fn the_figures_of_a_point_of_rest_are_what_they_are_said_to_be() -> Result<(), BoxError> {
    // Three inputs to two units: a map from 3 to 2, without an inverse.
    let mut rng = seeded(3);
    let (w, u) = (orthogonal(2, &mut rng) * 0.5, normal(2, 3, &mut rng));
    let wide = Equilibrium::new(w.clone(), u, DVector::zeros(2), Tanh)?;
    assert_eq!((wide.inputs(), wide.outputs()), (3, 2));
    let error = wide.invert(&DVector::zeros(2)).unwrap_err();
    assert!(matches!(error, Error::Rectangular { outputs: 2, inputs: 3, .. }), "{error}");
    // A slope of ¼ at most, and ½ of the weight.
    let quarter = Equilibrium::new(w, DMatrix::identity(2, 2), DVector::zeros(2), Sigmoid)?;
    assert!((quarter.contraction() - 0.125).abs() <= 1e-9);
    // tanh(3h + x) = h at h = 0.1: x by hand, and the point that attracts from 0 is another.
    let one = |x: f64| DMatrix::from_element(1, 1, x);
    let network = Equilibrium::new(one(3.0), one(2.0), DVector::from_element(1, 0.5), Tanh)?;
    let answer = network.invert(&DVector::from_element(1, 0.1))?;
    let x = (0.1_f64.atanh() - 0.3 - 0.5) / 2.0;
    assert!((answer.input[0] - x).abs() <= 4.0 * f64::EPSILON);
    assert!(
        (answer.residual - (0.1 - (0.3 + 2.0 * answer.input[0] + 0.5).tanh()).abs()).abs() < 1e-16
    );
    let mut rest = 0.0_f64;
    for _ in 0..2000 {
        rest = (3.0 * rest + 2.0 * answer.input[0] + 0.5).tanh();
    }
    let distance = answer.distance.ok_or("it comes to rest")?;
    assert!((distance - (0.1 - rest).abs()).abs() <= 1e-14, "{distance} {rest}");
    Ok(())
}
