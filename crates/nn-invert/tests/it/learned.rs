//! Learned inverses: autoencoders, Boltzmann machines, guesses.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, HermitianEigen, singular_values};
use nn_core::{Lbfgs, MeanSquaredError, Network, Tanh, gradient_check};
use nn_invert::{
    BeliefNetwork, Chains, Divergence, LearnedInverse, Lesson, RestrictedBoltzmann, TiedAutoencoder,
};

use super::{BoxError, normal, orthogonal, seeded};

/// The 14 images of 3 x 3 whose rows, or whose columns, are each of one kind.
fn bars_and_stripes() -> DMatrix<f64> {
    let bit = |pattern: usize, at: usize| f64::from(u8::from(pattern >> at & 1 == 1));
    // All rows or all columns alike come twice; the second time they are left out.
    DMatrix::from_fn(9, 14, |pixel, image| {
        if image < 8 { bit(image, pixel / 3) } else { bit(image - 7, pixel % 3) }
    })
}

#[test]
fn the_gradient_of_a_tied_autoencoder_is_that_of_differences() -> Result<(), BoxError> {
    let mut rng = seeded(1);
    let network = Network::<f64>::builder(6)
        .dense(5)
        .activation(Tanh)
        .layer(TiedAutoencoder::new(5, 3)?)
        .build(&mut rng)?;
    let (x, targets) = (normal(6, 7, &mut rng), normal(5, 7, &mut rng));
    let report = gradient_check(&network, &x, &MeanSquaredError::new(&targets)?)?;
    assert!(report.worst() < 1e-7, "{report:?}");
    Ok(())
}

#[test]
fn a_linear_autoencoder_finds_the_principal_components() -> Result<(), BoxError> {
    let (n, code) = (8, 3);
    for seed in 0..3 {
        let mut rng = seeded(seed);
        // Variances 4, 3, 2 and then 0.5 and less.
        let deviations =
            DVector::from_fn(
                n,
                |i, _| if i < code { 2.0 - 0.3 * i as f64 } else { 0.7 / i as f64 },
            );
        let turned = orthogonal(n, &mut rng) * DMatrix::from_diagonal(&deviations);
        let mut x = turned * normal(n, 400, &mut rng);
        let mean = x.column_mean();
        for mut column in x.column_iter_mut() {
            column -= &mean;
        }
        let layer = TiedAutoencoder::new(n, code)?;
        let mut network = Network::<f64>::builder(n).layer(layer.clone()).build(&mut rng)?;
        let loss = MeanSquaredError::new(&x)?;
        let _ = Lbfgs::new()
            .tolerance(1e-11)?
            .train(&mut network, &x, &loss, 500, |_| ControlFlow::Continue(()))?;

        let covariance = &x * x.transpose() / 400.0;
        let eigen = HermitianEigen::new(&covariance)?;
        let principal = eigen.vectors.columns(n - code, code).into_owned();
        let rows =
            DMatrix::from_column_slice(code, n, &network.parameters().as_slice()[..code * n]);
        let learned = rows.transpose().qr().q();
        // The sine of the largest principal angle: what of one space is outside the other.
        let outside = &learned - &principal * principal.tr_mul(&learned);
        let angle = singular_values(&outside)?[0];
        assert!(angle <= 1e-6, "{angle:e}");
        // What is left is the variance of the other components.
        let least = eigen.values.rows(0, n - code).sum() / n as f64;
        let left = network.loss(&x, &loss)?;
        assert!((left / least - 1.0).abs() < 1e-9, "{left} {least}");
        assert_eq!(layer.encode(network.parameters().as_slice(), &x)?.shape(), (code, 400));
    }
    Ok(())
}

#[test]
fn contrastive_divergence_becomes_the_gradient_as_its_rounds_grow() -> Result<(), BoxError> {
    let mut rng = seeded(3);
    let (visible, hidden) = (5, 4);
    let machine = RestrictedBoltzmann::new(
        normal(hidden, visible, &mut rng),
        normal(visible, 1, &mut rng).column(0).into_owned(),
        normal(hidden, 1, &mut rng).column(0).into_owned(),
    )?;
    let data = DMatrix::from_fn(visible, 3, |i, j| f64::from(u8::from((i + j) % 3 == 0)));
    let exact = machine.likelihood_gradient(&data)?;

    // The exact gradient against differences of the exact likelihood.
    let step = f64::EPSILON.cbrt();
    let moved = |by: f64| -> Result<f64, BoxError> {
        let mut weight = machine.weight().clone();
        weight[(1, 2)] += by;
        let (b, c) = (machine.visible_bias().clone(), machine.hidden_bias().clone());
        Ok(-RestrictedBoltzmann::new(weight, b, c)?.negative_log_likelihood(&data)?)
    };
    let slope = (moved(step)? - moved(-step)?) / (2.0 * step);
    assert!((slope - exact.weight[(1, 2)]).abs() < 1e-8, "{slope}");

    // 60,000 chains: a standard error of at most 0.5/√60000 = 0.002 for each of the 29 entries,
    // and √29·0.002 for the norm; twice that.
    let copies = DMatrix::from_fn(visible, 60_000, |i, j| data[(i, j % 3)]);
    let off = |steps: usize, rng: &mut _| -> Result<f64, BoxError> {
        Ok(Divergence::new(steps).gradient(&machine, &copies, rng)?.distance(&exact))
    };
    let (one, many) = (off(1, &mut rng)?, off(50, &mut rng)?);
    let noise = 2.0 * 29.0_f64.sqrt() * 0.5 / 60_000.0_f64.sqrt();
    assert!(many <= noise, "{many} > {noise}");
    assert!(one > 2.0 * noise, "{one}: one round is biased");
    Ok(())
}

#[test]
fn the_partition_function_is_the_same_summed_over_either_kind_of_units() -> Result<(), BoxError> {
    let mut rng = seeded(4);
    for (visible, hidden) in [(3, 7), (7, 3), (4, 4), (12, 2)] {
        let machine = RestrictedBoltzmann::new(
            normal(hidden, visible, &mut rng),
            normal(visible, 1, &mut rng).column(0).into_owned(),
            normal(hidden, 1, &mut rng).column(0).into_owned(),
        )?;
        // By definition: the sum over all states of both.
        let mut sum = 0.0;
        for v in 0..1 << visible {
            for h in 0..1 << hidden {
                let bit = |state: usize, at: usize| f64::from(u8::from(state >> at & 1 == 1));
                let v = DVector::from_fn(visible, |i, _| bit(v, i));
                let h = DVector::from_fn(hidden, |i, _| bit(h, i));
                let exponent = h.dot(&(machine.weight() * &v))
                    + machine.visible_bias().dot(&v)
                    + machine.hidden_bias().dot(&h);
                sum += exponent.exp();
            }
        }
        let found = machine.log_partition()?;
        assert!(
            (found - sum.ln()).abs() <= 1e-13 * sum.ln().abs().max(1.0),
            "{found} {}",
            sum.ln()
        );
    }
    Ok(())
}

#[test]
fn bars_and_stripes_are_learned() -> Result<(), BoxError> {
    let data = bars_and_stripes();
    for chains in [Chains::Data, Chains::Persistent] {
        for seed in 0..3 {
            let mut rng = seeded(seed);
            let mut machine = RestrictedBoltzmann::for_data(&data, 8, &mut rng)?;
            let start = machine.negative_log_likelihood(&data)?;
            let plan = Divergence::new(10).epochs(1000).rate(0.1).copies(4).chains(chains);
            plan.train(&mut machine, &data, |_| ControlFlow::Continue(()), &mut rng)?;
            let end = machine.negative_log_likelihood(&data)?;
            assert!(end > 14.0_f64.ln() && end < 3.2 && start > 5.0, "{chains:?}: {start} {end}");
        }
    }
    Ok(())
}

#[test]
fn a_stack_reconstructs_and_an_observer_stops() -> Result<(), BoxError> {
    let mut rng = seeded(6);
    let data = bars_and_stripes();
    let plan = Divergence::new(1).epochs(1500).rate(0.1).copies(10);
    let network = BeliefNetwork::train(&data, &[12, 8], &plan, &mut rng)?;
    let off = (network.reconstruct(&data)? - &data).norm_squared();
    let mean = data.column_mean();
    let spread: f64 = data.column_iter().map(|image| (image - &mean).norm_squared()).sum();
    assert!(off < 0.1 * spread, "{}", off / spread);
    assert_eq!(network.encode(&data)?.shape(), (8, 14));

    let mut epochs = 0;
    let mut machine = RestrictedBoltzmann::for_data(&data, 3, &mut rng)?;
    plan.train(
        &mut machine,
        &data,
        |epoch| {
            epochs = epoch.epoch;
            if epochs == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
        &mut rng,
    )?;
    assert_eq!(epochs, 3);
    Ok(())
}

#[test]
fn a_guess_leads_near_its_target() -> Result<(), BoxError> {
    let mut rng = seeded(2);
    let network = Network::<f64>::builder(3).dense(6).activation(Tanh).dense(2).build(&mut rng)?;
    let (inputs, held_out) = (normal(3, 500, &mut rng), normal(3, 100, &mut rng));
    let lesson = Lesson::default().hidden(vec![32]);
    let inverse = LearnedInverse::train(&network, &inputs, &lesson, &mut rng)?;
    let targets = network.predict(&held_out)?;
    let there = network.predict(&inverse.guess(&targets)?)?;
    let off = (there - &targets).norm() / targets.norm();
    assert!(off < 0.2, "{off}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() -> Result<(), BoxError> {
    let mut rng = seeded(1);
    let data = bars_and_stripes();
    let mut machine = RestrictedBoltzmann::for_data(&data, 3, &mut rng)?;
    let mut text = |plan: Divergence, data: &DMatrix<f64>| {
        let refused = plan.train(&mut machine, data, |_| ControlFlow::Continue(()), &mut seeded(1));
        refused.unwrap_err().to_string()
    };
    let plan = Divergence::new(1);
    assert_eq!(text(plan.rate(0.0), &data), "rate is 0, expected a finite number greater than 0");
    assert_eq!(text(plan.momentum(1.0), &data), "momentum is 1, expected 0 <= momentum < 1");
    assert_eq!(
        text(Divergence::new(0), &data),
        "the list of rounds is empty; at least one is needed"
    );
    assert_eq!(text(plan, &DMatrix::zeros(3, 2)), "data has 3 rows, expected 9");
    assert_eq!(text(plan, &(&data * 2.0)), "data is 2, expected entries from 0 to 1");
    let large =
        RestrictedBoltzmann::new(DMatrix::zeros(21, 21), DVector::zeros(21), DVector::zeros(21))?;
    assert_eq!(
        large.log_partition().unwrap_err().to_string(),
        "the number of units to enumerate is 21, expected at most 20"
    );
    let unfit = BeliefNetwork::new(vec![large, RestrictedBoltzmann::for_data(&data, 3, &mut rng)?]);
    assert_eq!(unfit.unwrap_err().to_string(), "a machine has 9 visible units, expected 21");
    Ok(())
}
