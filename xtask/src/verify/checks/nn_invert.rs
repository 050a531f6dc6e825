//! What `nn-invert` claims.

use linalg::{DMatrix, DVector, product, transpose};
use nn_core::{Activation, LeakyRelu, Network, Tanh, View};
use nn_invert::LayerwiseInverse;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-invert/round-trip",
        question: Some(11),
        claim: "the layer-wise inverse finds the input to within its own error bound",
        run: round_trip,
    },
    Check {
        id: "nn-invert/inverse-not-transpose",
        question: Some(11),
        claim: "layers are undone by their inverse: the error is rounding times condition",
        run: inverse_not_transpose,
    },
];

pub(super) fn normal(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

/// A random orthogonal matrix: a product of Householder reflections.
pub(super) fn orthogonal(n: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    (0..n).fold(DMatrix::identity(n, n), |q, _| {
        let v = normal(n, 1, rng).normalize();
        &q - (&q * &v) * v.transpose() * 2.0
    })
}

/// Layers of `weights`, `activation` between them, with the biases or without.
fn chain(
    weights: &[DMatrix<f64>],
    biases: Option<&[Vec<f64>]>,
    activation: impl Activation<f64> + Clone + 'static,
) -> nn_core::Result<Network<f64>> {
    let mut builder = Network::builder(weights[0].ncols());
    for (index, weight) in weights.iter().enumerate() {
        if index > 0 {
            builder = builder.activation(activation.clone());
        }
        let bias = biases.map_or_else(|| vec![0.0; weight.nrows()], |biases| biases[index].clone());
        builder = builder.dense_from(weight.clone(), bias);
    }
    builder.build_given()
}

fn round_trip(context: &Context) -> Result<Evidence, BoxError> {
    const NETWORKS: usize = 20;
    const TARGETS: usize = 5;
    const N: usize = 24;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    let (mut loosest, mut close, mut finite) = (0.0_f64, 0, 0);
    for index in 0..NETWORKS {
        let gain = 0.7 / (N as f64).sqrt();
        let weights: Vec<DMatrix<f64>> = (0..3).map(|_| normal(N, N, &mut rng) * gain).collect();
        let biases: Vec<Vec<f64>> =
            (0..3).map(|_| (0..N).map(|_| rng.random_range(-0.5..0.5)).collect()).collect();
        let build = |biases| match index % 2 {
            0 => chain(&weights, biases, Tanh),
            _ => chain(&weights, biases, LeakyRelu::new(0.2)?),
        };
        let network = build(Some(&biases))?;
        let x = normal(N, TARGETS, &mut rng);
        let y = network.predict(&x)?;

        let answers = LayerwiseInverse::new(&network)?.invert_many(&y)?;
        for target in 0..TARGETS {
            let error = (answers.inputs.column(target) - x.column(target)).norm();
            let bound = answers.error_bounds[target];
            measured = measured.max(error / bound);
            loosest = loosest.max(bound / x.column(target).norm());
            finite += usize::from(bound.is_finite());
            let ratio = error / answers.predicted_errors[target];
            close += usize::from((0.01..=10.0).contains(&ratio));
        }

        // The answers of one who forgets the biases. A value outside a tanh's range ends that one.
        let without = build(None)?;
        if let Ok(answers) = LayerwiseInverse::new(&without)?.invert_many(&y) {
            for target in 0..TARGETS {
                let error = (answers.inputs.column(target) - x.column(target)).norm();
                control = control.max(error / answers.error_bounds[target]);
            }
        }
    }
    let targets = NETWORKS * TARGETS;
    Ok(Evidence {
        measured,
        limit: 1.0,
        reason: "error over bound: the bound carries every rounding of both directions through \
                 |W⁻¹| and the activations' inverses, entry by entry",
        control: Control { what: "W⁻¹·z without subtracting the bias", measured: control },
        plots: vec![],
        notes: vec![
            format!(
                "{NETWORKS} random networks of 3 layers of {N}, tanh and leaky ReLU in turn; the bound is \
                 finite for {finite} of {targets} targets, at worst {loosest:.0e} of the input."
            ),
            format!(
                "The error is within 0.01 to 10 times the predicted one for {close} of {targets} targets."
            ),
        ],
    })
}

fn inverse_not_transpose(context: &Context) -> Result<Evidence, BoxError> {
    const N: usize = 24;
    const LAYERS: usize = 3;
    const KAPPA: f64 = 10.0;
    const ALPHA: f64 = 0.1;
    let mut rng = context.rng();
    let leaky = LeakyRelu::new(ALPHA)?;
    let mut measure = |kappa: f64| -> Result<(f64, f64), BoxError> {
        let weights: Vec<DMatrix<f64>> = (0..LAYERS)
            .map(|_| {
                let singular = DVector::from_fn(N, |i, _| kappa.powf(-(i as f64) / (N - 1) as f64));
                let left = orthogonal(N, &mut rng) * DMatrix::from_diagonal(&singular);
                left * orthogonal(N, &mut rng)
            })
            .collect();
        let biases: Vec<Vec<f64>> =
            (0..LAYERS).map(|_| (0..N).map(|_| rng.random_range(-0.5..0.5)).collect()).collect();
        let network = chain(&weights, Some(&biases), leaky)?;
        let x = normal(N, 1, &mut rng);
        let y = network.predict(&x)?;
        let answer = LayerwiseInverse::new(&network)?.invert_many(&y)?;
        let transposed = by_transposes(&network, &y)?;
        Ok(((answer.inputs - &x).norm() / x.norm(), (transposed - &x).norm() / x.norm()))
    };
    let (measured, control) = measure(KAPPA)?;
    let (_, orthogonal) = measure(1.0)?;
    Ok(Evidence {
        measured,
        limit: 10.0 * f64::EPSILON * KAPPA.powi(3) / (ALPHA * ALPHA),
        reason: "10 eps κ³/α²: three layers of condition κ = 10, two leaky ReLUs whose inverse magnifies \
                 by 1/α = 10",
        control: Control {
            what: "Wᵀ·(z − b) in place of W⁻¹·(z − b)", measured: control
        },
        plots: vec![],
        notes: vec![format!(
            "The transpose is right for orthogonal weights alone, where its error is {orthogonal:.0e}."
        )],
    })
}

/// The wrong pass: each affine layer undone by its transpose.
fn by_transposes(network: &Network<f64>, y: &DMatrix<f64>) -> Result<DMatrix<f64>, BoxError> {
    let mut value = y.clone();
    let views: Vec<View<'_, f64>> = network.views().collect();
    for view in views.into_iter().rev() {
        match view {
            View::Affine { linear: nn_core::Linear::Matrix(weight), bias } => {
                let shifted = value - DMatrix::from_column_slice(bias.len(), 1, &bias);
                value = product(transpose(weight), &shifted)?;
            }
            View::Pointwise(activation) => {
                for entry in value.iter_mut() {
                    *entry = activation.inverse(*entry).ok_or("outside the activation's range")?;
                }
            }
            _ => return Err("a layer of another kind".into()),
        }
    }
    Ok(value)
}
