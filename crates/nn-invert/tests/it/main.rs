//! Exact inverses of small and of built networks, and everything that has none.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod invertible;
mod learned;
mod nearest;
mod recurrent;

use linalg::{DMatrix, DVector, Real};
use nn_core::{Activation, Identity, LeakyRelu, Network, Relu, Sin, Tanh};
use nn_invert::{Error, LayerwiseInverse};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

mod chain;
mod figures;
mod layers;

pub(crate) type BoxError = Box<dyn std::error::Error>;

pub(crate) fn seeded(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

pub(crate) fn normal(rows: usize, columns: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
    // Twelve uniforms: variance 1 and near enough to normal for a matrix.
    DMatrix::from_fn(rows, columns, |_, _| {
        (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>()
    })
}

pub(crate) fn orthogonal(n: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
    normal(n, n, rng).qr().q()
}

/// `layers` of the weights that `weight` makes, `activation` between them.
fn chain<T: Real>(
    layers: usize,
    activation: impl Activation<T> + Clone + 'static,
    mut weight: impl FnMut() -> (DMatrix<T>, Vec<T>),
) -> Network<T> {
    let (first, bias) = weight();
    let mut builder = Network::builder(first.ncols()).dense_from(first, bias);
    for _ in 1..layers {
        let (next, bias) = weight();
        builder = builder.activation(activation.clone()).dense_from(next, bias);
    }
    builder.build_given().unwrap()
}

fn single(weight: &[f64], bias: &[f64]) -> Network<f64> {
    let n = bias.len();
    let weight = DMatrix::from_row_slice(n, weight.len() / n, weight);
    Network::builder(weight.ncols()).dense_from(weight, bias.to_vec()).build_given().unwrap()
}

#[test]
fn two_by_two_by_hand() -> Result<(), BoxError> {
    // W = [[2, 1], [1, 3]], W⁻¹ = [[3, -1], [-1, 2]]/5, b = (1/4, -1/2), x = (1/8, 1/4):
    // z = (3/4, 3/8).
    let network = Network::builder(2)
        .dense_from(DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]), vec![0.25, -0.5])
        .activation(Tanh)
        .build_given()?;
    let target = DVector::from_vec(vec![0.75_f64.tanh(), 0.375_f64.tanh()]);
    let answer = LayerwiseInverse::new(&network)?.invert(&target)?;
    let error = (&answer.input - DVector::from_vec(vec![0.125, 0.25])).norm();
    assert!(error <= answer.error_bound && answer.error_bound < 1e-14, "{answer:?}");
    assert!(answer.residual <= 4.0 * f64::EPSILON);
    assert!((answer.conditions[0] - 16.0 / 5.0).abs() <= 1e-14);
    assert!(answer.digits() > 15.0 && answer.digits() < 17.0, "{}", answer.digits());

    // The order often given, W⁻¹·z − b, is another point.
    let z = DVector::from_vec(vec![0.75, 0.375]);
    let inverse = DMatrix::from_row_slice(2, 2, &[0.6, -0.2, -0.2, 0.4]);
    let wrong = inverse * z - DVector::from_vec(vec![0.25, -0.5]);
    // It is off by W⁻¹·b − b = (0, 1/4).
    assert!((wrong - answer.input).norm() > 0.2);
    Ok(())
}

#[test]
fn orthogonal_weights_lose_no_digits() -> Result<(), BoxError> {
    for (layers, n) in [(3, 16), (10, 16), (3, 64), (10, 64)] {
        for seed in 0..5 {
            let mut rng = seeded(seed);
            let network = chain(layers, Tanh, || {
                let bias = (0..n).map(|_| rng.random_range(-0.1..0.1)).collect();
                (orthogonal(n, &mut rng) * 0.9, bias)
            });
            let x = normal(n, 1, &mut rng);
            let y = network.predict(&x)?.column(0).into_owned();
            let answer = LayerwiseInverse::new(&network)?.invert(&y)?;
            let error = (&answer.input - &x).norm();
            let limit = 50.0 * f64::EPSILON * layers as f64 * (n as f64).sqrt() * x.norm();
            assert!(error <= limit, "{layers} layers of {n}: {error:e} > {limit:e}");
            assert!(error <= answer.error_bound);
        }
    }
    Ok(())
}

#[test]
fn leaky_layers_lose_what_their_conditions_say() -> Result<(), BoxError> {
    // W = U·Σ·Vᵀ with κ = 20: relative error at most 10·eps·κ³·α⁻² through three layers.
    let (n, kappa, alpha) = (24, 20.0_f64, 0.1);
    for seed in 0..10 {
        let mut rng = seeded(seed);
        let network = chain(3, LeakyRelu::new(alpha)?, || {
            let exponent = |i: usize| i as f64 / (n - 1) as f64;
            let sigma = DVector::from_fn(n, |i, _| kappa.powf(-exponent(i)));
            let weight = orthogonal(n, &mut rng)
                * DMatrix::from_diagonal(&sigma)
                * orthogonal(n, &mut rng).transpose();
            (weight, (0..n).map(|_| rng.random_range(-0.5..0.5)).collect())
        });
        let x = normal(n, 1, &mut rng);
        let y = network.predict(&x)?.column(0).into_owned();
        let answer = LayerwiseInverse::new(&network)?.invert(&y)?;
        let error = (&answer.input - &x).norm();
        let limit = 10.0 * f64::EPSILON * kappa.powi(3) / (alpha * alpha) * x.norm();
        assert!(error <= limit, "seed {seed}: {error:e} > {limit:e}");
        assert!(error <= answer.error_bound);
        // The 1-norm's condition is within a factor n of the 2-norm's.
        for condition in answer.conditions {
            assert!(condition >= kappa / n as f64 && condition <= kappa * n as f64);
        }
    }
    Ok(())
}

#[test]
fn many_targets_are_the_same_as_one_after_the_other() -> Result<(), BoxError> {
    let mut rng = seeded(3);
    let network = chain(3, Tanh, || (orthogonal(8, &mut rng), vec![0.1; 8]));
    let x = normal(8, 5, &mut seeded(4));
    let y = network.predict(&x)?;
    let inverse = LayerwiseInverse::new(&network)?;
    let many = inverse.invert_many(&y)?;
    for column in 0..5 {
        let one = inverse.invert(&y.column(column).into_owned())?;
        // The same solves; a product may sum in another order.
        let tolerance = 64.0 * f64::EPSILON * one.input.norm();
        assert!((one.input - many.inputs.column(column)).norm() <= tolerance);
        assert!((one.predicted_error / many.predicted_errors[column] - 1.0).abs() < 1e-9);
        assert!((one.error_bound / many.error_bounds[column] - 1.0).abs() < 1e-3);
        assert!(many.residuals[column] <= 1e-13);
    }
    assert_eq!(many.conditions, inverse.conditions());
    Ok(())
}

#[test]
fn the_last_number_below_one_has_an_input_and_no_digits() -> Result<(), BoxError> {
    let network = Network::<f64>::builder(1)
        .dense_from(DMatrix::identity(1, 1), vec![0.0])
        .activation(Tanh)
        .build_given()?;
    let inverse = LayerwiseInverse::new(&network)?;
    let answer = inverse.invert(&DVector::from_element(1, 1.0_f64.next_down()))?;
    assert!((answer.input[0] - 18.714973875118524).abs() <= 4e-15);
    assert!(answer.error_bound.is_infinite());
    assert!(answer.digits() < 1.5, "{}", answer.digits());
    // Half of the digits are gone at |z| = 10.
    let answer = inverse.invert(&DVector::from_element(1, 10.0_f64.tanh()))?;
    assert!((answer.input[0] - 10.0).abs() <= answer.error_bound);
    assert!((7.0..10.0).contains(&answer.digits()), "{}", answer.digits());
    Ok(())
}

#[test]
fn a_target_outside_the_range_is_refused_with_its_place() -> Result<(), BoxError> {
    let network = Network::<f64>::builder(2)
        .dense_from(DMatrix::identity(2, 2), vec![0.0; 2])
        .activation(Tanh)
        .build_given()?;
    let inverse = LayerwiseInverse::new(&network)?;
    for (value, excess) in [(1.0, 0.0), (-1.0, 0.0), (1.0_f64.next_up(), f64::EPSILON), (-3.0, 2.0)]
    {
        let targets = DMatrix::from_column_slice(2, 2, &[0.0, 0.1, 0.2, value]);
        let error = inverse.invert_many(&targets).unwrap_err();
        assert_eq!(
            error,
            Error::OutOfRange {
                layer: 1,
                name: "tanh 2".into(),
                index: 1,
                sample: 1,
                value,
                lower: -1.0,
                upper: 1.0,
                excess
            }
        );
    }
    let error = inverse.invert(&DVector::from_vec(vec![-3.0, 0.0])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "layer 1 (tanh 2) cannot give -3 as its output 0 (target 0): its values lie strictly \
         between -1 and 1, exceeded by 2.0e0"
    );
    Ok(())
}

#[test]
fn a_hidden_layer_that_cannot_give_the_value_is_the_one_named() -> Result<(), BoxError> {
    let mut weight = || (DMatrix::<f64>::identity(2, 2) * 0.5, vec![0.0; 2]);
    let network = chain(3, Tanh, &mut weight);
    // The last layer asks for h = 2·(0.1, 0.7); then atanh(0.2), atanh(1.4): layer 3 cannot.
    let error = LayerwiseInverse::new(&network)?.invert(&DVector::from_vec(vec![0.1, 0.7]));
    let Err(Error::OutOfRange { layer: 3, index: 1, value, .. }) = error else {
        panic!("{error:?}")
    };
    assert!((value - 1.4).abs() < 1e-15);
    // And a value that only the first hidden layer refuses: atanh(0.9)·2 = 2.94.
    let error = LayerwiseInverse::new(&network)?.invert(&DVector::from_vec(vec![0.1, 0.45]));
    assert!(matches!(error, Err(Error::OutOfRange { layer: 1, index: 1, .. })), "{error:?}");
    Ok(())
}

#[test]
fn a_target_of_nan_or_of_the_wrong_length_is_refused() -> Result<(), BoxError> {
    let network = single(&[2.0, 1.0, 1.0, 3.0], &[0.0, 0.0]);
    let inverse = LayerwiseInverse::new(&network)?;
    let text = |targets: &DMatrix<f64>| inverse.invert_many(targets).unwrap_err().to_string();
    for value in [f64::NAN, f64::INFINITY] {
        let mut targets = DMatrix::zeros(2, 3);
        targets[(1, 2)] = value;
        let expected = format!("target[1, 2] is {value}, and every entry must be finite");
        assert_eq!(text(&targets), expected);
    }
    let expected = "target is 3 x 1, expected 2 rows and at least one column";
    assert_eq!(text(&DMatrix::zeros(3, 1)), expected);
    let expected = "target is 2 x 0, expected 2 rows and at least one column";
    assert_eq!(text(&DMatrix::zeros(2, 0)), expected);
    Ok(())
}

#[test]
fn layers_without_an_inverse_are_named() -> Result<(), BoxError> {
    let text = |network: &Network<f64>| LayerwiseInverse::new(network).unwrap_err().to_string();
    let eye = || (DMatrix::identity(2, 2), vec![0.0; 2]);
    assert_eq!(
        text(&chain(2, Relu, eye)),
        "layer 1 (ReLU 2) takes values more than once and has no exact inverse"
    );
    assert_eq!(
        text(&chain(2, Sin, eye)),
        "layer 1 (sin 2) takes values more than once and has no exact inverse"
    );
    let singular = Network::builder(2)
        .dense_from(DMatrix::identity(2, 2), vec![0.0; 2])
        .dense_from(DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 4.0]), vec![0.0; 2])
        .build_given()?;
    let text = text(&singular);
    let expected = "layer 1 (dense 2 -> 2) is singular to working precision: elimination stops at";
    assert!(text.starts_with(expected), "{text}");
    Ok(())
}

#[test]
fn a_parameter_of_nan_is_named() -> Result<(), BoxError> {
    for (at, place) in [(2, "weight[0, 1]"), (5, "bias[1, 0]")] {
        let mut network = single(&[2.0, 1.0, 1.0, 3.0], &[0.0, 0.0]);
        network.parameters_mut()[at] = f64::NAN;
        assert_eq!(
            LayerwiseInverse::new(&network).unwrap_err().to_string(),
            format!("layer 0 (dense 2 -> 2): {place} is NaN, and every entry must be finite")
        );
    }
    Ok(())
}

#[test]
fn a_layer_of_no_known_kind_is_named() -> Result<(), BoxError> {
    /// The mean of its inputs, for both outputs.
    #[derive(Debug)]
    struct Opaque;
    impl nn_core::Layer<f64> for Opaque {
        fn describe(&self) -> String {
            "opaque 2".into()
        }
        fn input(&self) -> nn_core::Shape {
            2.into()
        }
        fn output(&self) -> nn_core::Shape {
            2.into()
        }
        fn forward(&self, pass: nn_core::Forward<'_, f64>) -> nn_core::Result<()> {
            pass.y.copy_from_slice(pass.x);
            Ok(())
        }
        fn backward(&self, _: nn_core::Backward<'_, f64>) -> nn_core::Result<()> {
            Ok(())
        }
    }
    let network = Network::builder(2).layer(Opaque).build_given()?;
    assert_eq!(
        LayerwiseInverse::new(&network).unwrap_err().to_string(),
        "layer 0 (opaque 2) is neither affine nor pointwise, so that it cannot be undone by itself; \
         a network with it is inverted by descent"
    );
    Ok(())
}

#[test]
fn a_nearly_singular_layer_says_so_in_its_condition_and_its_bound() -> Result<(), BoxError> {
    // det = 2⁻⁴⁰; ‖W‖₁ = 2 + 2⁻⁴⁰, and ‖W⁻¹‖₁ = (2 + 2⁻⁴⁰)·2⁴⁰.
    let delta = 2.0_f64.powi(-40);
    let network = single(&[1.0, 1.0, 1.0, 1.0 + delta], &[0.1, 0.2]);
    let inverse = LayerwiseInverse::new(&network)?;
    let expected = (2.0 + delta) * (2.0 + delta) / delta;
    assert!((inverse.conditions()[0] / expected - 1.0).abs() < 1e-3);
    let x = DVector::from_vec(vec![0.3, 0.7]);
    let y = network.predict(&DMatrix::from_column_slice(2, 1, x.as_slice()))?;
    let answer = inverse.invert(&y.column(0).into_owned())?;
    // The residual is at the last bit while twelve digits of the input are gone.
    assert!(answer.residual <= 4.0 * f64::EPSILON);
    assert!((&answer.input - &x).norm() <= answer.error_bound, "{answer:?}");
    assert!((1.0..6.0).contains(&answer.digits()), "{}", answer.digits());
    Ok(())
}

#[test]
fn single_precision_knows_its_own_limits() -> Result<(), BoxError> {
    let mut rng = seeded(8);
    let network: Network<f32> =
        chain(3, Tanh, || (orthogonal(12, &mut rng).map(f32::from_double), vec![0.05; 12]));
    let x = normal(12, 1, &mut rng).map(f32::from_double);
    let y = network.predict(&x)?.column(0).into_owned();
    let answer = LayerwiseInverse::new(&network)?.invert(&y)?;
    let error = f64::from((&answer.input - &x).norm());
    assert!(error <= answer.error_bound, "{error} {answer:?}");
    assert!(error > 1e-9 && answer.digits() < 8.0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_error_stays_below_its_bound(
        seed in any::<u64>(),
        n in 1_usize..12,
        layers in 1_usize..4,
        kind in 0_u8..3,
    ) {
        let mut rng = seeded(seed);
        let gain = 0.8 / (n as f64).sqrt();
        let mut weight = || {
            let weight = normal(n, n, &mut rng) * gain;
            (weight, (0..n).map(|_| rng.random_range(-0.3..0.3)).collect())
        };
        let network = match kind {
            0 => chain(layers, Tanh, &mut weight),
            1 => chain(layers, LeakyRelu::new(0.2).unwrap(), &mut weight),
            _ => chain(layers, Identity, &mut weight),
        };
        let x = normal(n, 3, &mut rng);
        let y = network.predict(&x).unwrap();
        // A random matrix may be singular to working precision, or a target on the edge of the
        // range: then there is nothing to bound.
        let Ok(inverse) = LayerwiseInverse::new(&network) else { return Ok(()) };
        let Ok(answers) = inverse.invert_many(&y) else { return Ok(()) };
        for column in 0..3 {
            let error = (answers.inputs.column(column) - x.column(column)).norm();
            prop_assert!(error <= answers.error_bounds[column], "{error:e}");
        }
    }
}
