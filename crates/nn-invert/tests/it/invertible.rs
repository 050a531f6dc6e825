//! Layers that are invertible by construction: their gradients, inverses and determinants.

use std::ops::ControlFlow;

use linalg::DMatrix;
use nn_core::{Adam, Batch, Layer, MeanSquaredError, Network, Shape, Trainer, gradient_check};
use nn_invert::{Coupling, Error, Flow, Half, Mixing, Residual};

use super::{BoxError, normal, seeded};

/// Networks of every kind of layer, their weights far from where they start.
fn networks(seed: u64) -> Vec<Network<f64>> {
    let mut rng = seeded(seed);
    let image = Shape::image(3, 2, 1);
    let start = || Network::<f64>::builder(image);
    let builders = [
        start().layer(Coupling::affine(image, Half::First, 5, 0.8).unwrap()),
        start().layer(Coupling::affine(image, Half::Second, 4, 1.5).unwrap()),
        start().layer(Coupling::additive(image, Half::Second, 5).unwrap()),
        start().layer(Mixing::new(image, &mut rng)),
        start().layer(Residual::new(image, 4).unwrap()),
        start()
            .layer(Mixing::new(image, &mut rng))
            .layer(Coupling::affine(image, Half::First, 5, 0.8).unwrap())
            .layer(Residual::new(image, 7).unwrap())
            .layer(Coupling::additive(image, Half::Second, 5).unwrap()),
    ];
    builders
        .into_iter()
        .map(|builder| {
            let mut network = builder.build(&mut rng).unwrap();
            let noise = normal(network.parameters().len(), 1, &mut rng) * 0.3;
            for (theta, noise) in network.parameters_mut().iter_mut().zip(noise.iter()) {
                *theta += noise;
            }
            restrain(&mut network, 0.7);
            network
        })
        .collect()
}

/// Scales every residual block to contract by at least `limit`.
fn restrain(network: &mut Network<f64>, limit: f64) {
    let blocks: Vec<(Residual, std::ops::Range<usize>)> = network
        .layers()
        .zip(network.parameter_ranges())
        .filter_map(|(layer, range)| {
            let any: &dyn std::any::Any = layer;
            any.downcast_ref::<Residual>().map(|block| (block.clone(), range.clone()))
        })
        .collect();
    for (block, range) in blocks {
        block.restrain(&mut network.parameters_mut()[range], limit).unwrap();
    }
}

#[test]
fn gradients_are_those_of_differences() -> Result<(), BoxError> {
    for network in networks(1) {
        let mut rng = seeded(2);
        let x = normal(6, 5, &mut rng);
        let targets = normal(6, 5, &mut rng);
        let report = gradient_check(&network, &x, &MeanSquaredError::new(&targets)?)?;
        assert!(report.worst() < 1e-7, "{report:?}");
    }
    Ok(())
}

#[test]
fn what_was_mapped_comes_back_with_its_determinant() -> Result<(), BoxError> {
    for (index, network) in networks(3).iter().enumerate() {
        let x = normal(6, 4, &mut seeded(4));
        let y = network.predict(&x)?;
        let back = Flow::new(network)?.invert_many(&y)?;
        let error = (&back.inputs - &x).norm() / x.norm();
        // Rounding of a few layers, magnified as predicted.
        let limit = 64.0 * f64::EPSILON * back.amplification;
        assert!(error <= limit, "{index}: {error:e} > {limit:e}");
        assert!(back.residuals.iter().all(|&residual| residual <= 1e-13), "{:?}", back.residuals);
        for sample in 0..4 {
            let jacobian = network.jacobian(&x.column(sample).into_owned())?;
            let (_, expected) = linalg::Lu::new(jacobian)?.log_determinant();
            let found = back.log_determinants[sample];
            assert!((found - expected).abs() < 1e-6, "{index}: {found} {expected}");
        }
    }
    Ok(())
}

#[test]
fn a_residual_block_takes_no_more_iterations_than_its_bound_allows() -> Result<(), BoxError> {
    for limit in [0.3, 0.9, 0.99] {
        let mut rng = seeded(7);
        let block = Residual::new(8, 12)?;
        let mut network = Network::<f64>::builder(8).layer(block.clone()).build(&mut rng)?;
        let noise = normal(network.parameters().len(), 1, &mut rng);
        network.parameters_mut().copy_from_slice(noise.as_slice());
        block.restrain(network.parameters_mut(), limit)?;
        let parameters = network.parameters().as_slice();
        assert!((block.lipschitz(parameters)? - limit).abs() < 1e-6);
        let x = normal(8, 20, &mut rng);
        let y = network.predict(&x)?;
        for tolerance in [1e-3, 1e-10_f64] {
            let back = block.undo(parameters, &y, tolerance)?;
            let most = (tolerance.ln() / limit.ln()).ceil();
            assert!(back.iterations as f64 <= most, "{} > {most}", back.iterations);
            // The first change is ‖g(y)‖, and 1/(1 − L) is what is left of a change.
            let first = (network.predict(&y)? - &y).norm();
            let error = (&back.x - &x).norm();
            assert!(error <= tolerance * first / (1.0 - limit) + 1e-13, "{error:e}");
        }
    }
    Ok(())
}

#[test]
fn a_block_that_does_not_contract_is_refused() -> Result<(), BoxError> {
    let mut rng = seeded(7);
    let mut network = Network::<f64>::builder(2).layer(Residual::new(2, 3)?).build(&mut rng)?;
    // g(x) = 5·tanh(x) in the first entry.
    let mut parameters = vec![0.0; network.parameters().len()];
    (parameters[0], parameters[9]) = (1.0, 5.0);
    network.parameters_mut().copy_from_slice(&parameters);
    let y = network.predict(&DMatrix::from_element(2, 1, 0.1))?;
    let error = Flow::new(&network)?.invert_many(&y).unwrap_err();
    assert!(
        matches!(error, Error::NotContracting { lipschitz, .. } if (lipschitz - 5.0).abs() < 1e-9),
        "{error:?}"
    );
    Ok(())
}

#[test]
fn layers_train_and_stay_invertible() -> Result<(), BoxError> {
    let mut rng = seeded(5);
    let x = normal(2, 64, &mut rng);
    let targets = DMatrix::from_fn(2, 64, |i, j| {
        let (a, b) = (x[(0, j)], x[(1, j)]);
        if i == 0 { a + 0.5 * b.sin() } else { 1.5 * b - 0.4 * a * a }
    });
    let mut network = Network::<f64>::builder(2)
        .layer(Coupling::affine(2, Half::First, 12, 0.7)?)
        .layer(Mixing::new(2, &mut rng))
        .layer(Coupling::affine(2, Half::Second, 12, 0.7)?)
        .build(&mut rng)?;
    let loss = MeanSquaredError::new(&targets)?;
    let before = network.loss(&x, &loss)?;
    let history = Trainer::new(Adam::new(0.01)?, Batch::Full, 1).train(
        &mut network,
        &x,
        &loss,
        400,
        |_| ControlFlow::Continue(()),
    )?;
    let after = network.loss(&x, &loss)?;
    assert!(after < 0.2 * before, "{before} {after} {}", history.steps);
    let back = Flow::new(&network)?.invert_many(&network.predict(&x)?)?;
    assert!((&back.inputs - &x).amax() < 1e-12);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_by_name() -> Result<(), BoxError> {
    let text = |error: Error| error.to_string();
    assert_eq!(
        text(Coupling::affine(4, Half::First, 3, f64::NAN).unwrap_err()),
        "clamp is NaN, expected a finite number greater than 0"
    );
    assert_eq!(
        text(Coupling::additive(1, Half::First, 3).unwrap_err()),
        "a half of the inputs is empty; at least one is needed"
    );
    assert_eq!(
        text(Residual::new(4, 0).unwrap_err()),
        "the list of hidden units is empty; at least one is needed"
    );
    let mut rng = seeded(1);
    let network = Network::<f64>::builder(3).dense(3).build(&mut rng)?;
    assert_eq!(
        text(Flow::new(&network).unwrap_err()),
        "layer 0 (dense 3 -> 3) is not invertible by construction"
    );
    let mixing = Mixing::new(3, &mut rng);
    let mut network = Network::<f64>::builder(3).layer(mixing).build(&mut rng)?;
    network.parameters_mut()[7] = 0.0;
    let flow = Flow::new(&network)?;
    assert_eq!(
        text(flow.invert_many(&DMatrix::zeros(3, 1)).unwrap_err()),
        "layer 0 (mixing of channels 3) is singular to working precision: elimination stops at \
         pivot 1 with reciprocal condition 0.0e0"
    );
    assert_eq!(
        text(flow.invert_many(&DMatrix::zeros(2, 1)).unwrap_err()),
        "y has 2 rows, expected 3"
    );
    Ok(())
}

#[test]
fn a_mixing_starts_far_from_singular_and_spread_over_its_range() -> Result<(), BoxError> {
    let (n, mut rng) = (24, seeded(6));
    let mixing = Mixing::new(n, &mut rng);
    let network = Network::<f64>::builder(n).layer(mixing.clone()).build(&mut rng)?;
    // A product with a matrix of n x n, as both of its triangles are.
    assert_eq!(Layer::<f64>::multiply_adds(&mixing), n * n);
    let (off, diagonal) = network.parameters().as_slice().split_at(n * (n - 1));
    assert!(diagonal.iter().all(|d| (d - 1.0).abs() < f64::MIN_POSITIVE));
    // 552 numbers uniform on ±1/√24: the largest misses the end by 1/552 of it in the mean.
    let (reach, largest) = (1.0 / 24.0_f64.sqrt(), off.iter().fold(0.0_f64, |m, x| m.max(x.abs())));
    assert!(largest <= reach && largest > 0.95 * reach, "{largest}");
    Ok(())
}
