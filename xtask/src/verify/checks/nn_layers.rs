//! What `nn-core` claims of its layers and their derivatives.

use linalg::{DMatrix, DVector};
use nn_core::{
    Activation, Backward, BackwardTangent, BatchNorm, Block, Dense, Direction, Dropout, Elu,
    Embedding, Forward, Gelu, GeluTanh, GradientCheck, Gradients, Initializer, Layer, LayerNorm,
    LayerReport, Loss, Memory, Mode, Network, Pointwise, Recurrent, Shape, Sigmoid, Silu, Sin,
    Softmax, SoftmaxCrossEntropy, Softplus, Steps, Tangent, Tanh, Trace, layer_check,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-core/layer-gradients",
        question: Some(9),
        claim: "every layer's first and second derivatives agree with difference quotients",
        run: layer_gradients,
    },
    Check {
        id: "nn-core/through-time",
        question: None,
        claim: "recurrent layers send gradients back through all steps",
        run: through_time,
    },
    Check {
        id: "nn-core/batch-statistics",
        question: None,
        claim: "a batch normalization's gradient goes through the mean and variance of the batch",
        run: batch_statistics,
    },
    Check {
        id: "nn-core/adjoint",
        question: None,
        claim: "J v and J' u are adjoint: <J v, u> = <v, J' u>, for a network of all kinds of layers",
        run: adjoint,
    },
    Check {
        id: "nn-core/hessian",
        question: None,
        claim: "products with the Hessian are the derivative of the gradient along a direction",
        run: hessian,
    },
];

const DIFFERENCES: f64 = 1e-7;
const WHY_DIFFERENCES: &str = "a step h of 6e-6 leaves 8 eps/h = 3e-10 of the function as rounding, and h² of a third \
     derivative as truncation: 1e-7 leaves room for third derivatives of 1000 times the gradient";

const SEQUENCE: Shape = Shape::sequence(3, 5);
const SAMPLES: usize = 4;
const INITIALIZER: Initializer = Initializer::GlorotNormal;

fn uniform(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.random_range(-1.5..1.5))
}

/// The largest error that the check of a layer shows or would not have shown.
fn disagreement(report: &LayerReport) -> f64 {
    let (gradient, curvature) = (&report.gradient, &report.curvature);
    let gradient = gradient.worst() + gradient.uncertainty();
    gradient.max(curvature.worst() + curvature.uncertainty())
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

fn layer_gradients(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let x = uniform(SEQUENCE.len(), SAMPLES, &mut rng);
    let labels = x.map(|x| (2.0 * x.abs()).floor());
    let seed = rng.random();
    let check = GradientCheck::new();
    let training = check.training(seed);
    let rng = &mut rng;
    let reports = [
        check.layer(Dense::new(SEQUENCE, 4, INITIALIZER), &x, rng)?,
        check.layer(Pointwise::new(Tanh, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(Sigmoid, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(Softplus, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(Silu, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(Gelu, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(GeluTanh, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(Sin, SEQUENCE), &x, rng)?,
        check.layer(Pointwise::new(Elu::default(), SEQUENCE), &x, rng)?,
        check.layer(Softmax::new(SEQUENCE), &x, rng)?,
        check.layer(LayerNorm::new(Shape::sequence(15, 1)), &x, rng)?,
        check.layer(BatchNorm::new(SEQUENCE), &x, rng)?,
        training.layer(BatchNorm::new(SEQUENCE), &x, rng)?,
        training.layer(Dropout::new(0.4, SEQUENCE)?, &x, rng)?,
        check.wanted(Gradients::Parameters).layer(Embedding::new(SEQUENCE, 3, 2), &labels, rng)?,
        check.layer(Recurrent::elman(SEQUENCE, 3, Steps::All, INITIALIZER), &x, rng)?,
        check.layer(Recurrent::gru(SEQUENCE, 3, Steps::All, INITIALIZER), &x, rng)?,
        check.layer(Recurrent::lstm(SEQUENCE, 3, Steps::Last, INITIALIZER), &x, rng)?,
    ];
    let wrong = |layer: LayerReport| layer.gradient.worst();
    let tanh = wrong(layer_check(Pointwise::new(SlopeAtA(Tanh), SEQUENCE), &x, rng)?);
    let sin = wrong(layer_check(Pointwise::new(SlopeAtA(Sin), SEQUENCE), &x, rng)?);
    let adjoint = reports.iter().map(|report| report.adjoint).fold(0.0, f64::max);
    Ok(Evidence {
        measured: reports.iter().map(disagreement).fold(0.0, f64::max),
        limit: DIFFERENCES,
        reason: WHY_DIFFERENCES,
        control: Control {
            what: "the derivative of an activation taken at a (the lesser error of tanh and sin)",
            measured: tanh.min(sin),
        },
        plots: vec![],
        notes: vec![format!(
            "{} layers, each alone, every parameter and input of {SAMPLES} samples, gradients and their \
             change along a random direction; forward against backward, without differences: {adjoint:.1e}.",
            reports.len()
        )],
    })
}

/// A layer with another backward pass, a wrong one.
#[derive(Debug)]
struct Wrong<L> {
    layer: L,
    backward: fn(&L, Backward<'_, f64>) -> nn_core::Result<()>,
}

impl<L: Layer<f64>> Layer<f64> for Wrong<L> {
    fn describe(&self) -> String {
        self.layer.describe()
    }

    fn input(&self) -> Shape {
        self.layer.input()
    }

    fn output(&self) -> Shape {
        self.layer.output()
    }

    fn blocks(&self) -> Vec<Block> {
        self.layer.blocks()
    }

    fn initialize(&self, parameters: &mut [f64], rng: &mut dyn Rng) {
        self.layer.initialize(parameters, rng);
    }

    fn memory(&self, samples: usize) -> Memory {
        self.layer.memory(samples)
    }

    fn forward(&self, pass: Forward<'_, f64>) -> nn_core::Result<()> {
        self.layer.forward(pass)
    }

    fn backward(&self, pass: Backward<'_, f64>) -> nn_core::Result<()> {
        (self.backward)(&self.layer, pass)
    }

    fn tangent(&self, pass: Tangent<'_, f64>) -> nn_core::Result<()> {
        self.layer.tangent(pass)
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, f64>) -> nn_core::Result<()> {
        self.layer.backward_tangent(pass)
    }
}

/// The gradient of an Elman layer that stops after one step back: h of the step before is taken for a constant.
fn one_step_back(layer: &Recurrent, pass: Backward<'_, f64>) -> nn_core::Result<()> {
    let (input, output) = (Layer::<f64>::input(layer), Layer::<f64>::output(layer));
    let (features, units) = (input.channels, output.channels);
    let (input_weight, _) = pass.parameters.split_at(units * features);
    let steps = pass.x.len() / features;
    let (mut gradient, mut dx) = (pass.gradient, pass.dx);
    for part in gradient.iter_mut() {
        part.fill(0.0);
    }
    for step in 0..steps {
        let x = &pass.x[step * features..][..features];
        let first = step.is_multiple_of(input.width);
        for unit in 0..units {
            let h = pass.y[step * units + unit];
            let dz = pass.dy[step * units + unit] * (1.0 - h * h);
            if let Some(gradient) = &mut gradient {
                let (weight, rest) = gradient.split_at_mut(units * features);
                let (state, biases) = rest.split_at_mut(units * units);
                for (k, x) in x.iter().enumerate() {
                    weight[k * units + unit] += dz * x;
                }
                if !first {
                    for k in 0..units {
                        state[k * units + unit] += dz * pass.y[(step - 1) * units + k];
                    }
                }
                biases[unit] += dz;
                biases[units + unit] += dz;
            }
            if let Some(dx) = &mut dx {
                for k in 0..features {
                    let old = if unit == 0 { 0.0 } else { dx[step * features + k] };
                    dx[step * features + k] = old + dz * input_weight[k * units + unit];
                }
            }
        }
    }
    Ok(())
}

fn through_time(context: &Context) -> Result<Evidence, BoxError> {
    const UNITS: usize = 4;
    let mut rng = context.rng();
    let shape = Shape::sequence(3, 12);
    let x = uniform(shape.len(), SAMPLES, &mut rng);
    let rng = &mut rng;
    let reports = [
        layer_check(Recurrent::elman(shape, UNITS, Steps::All, INITIALIZER), &x, rng)?,
        layer_check(Recurrent::gru(shape, UNITS, Steps::All, INITIALIZER), &x, rng)?,
        layer_check(Recurrent::lstm(shape, UNITS, Steps::All, INITIALIZER), &x, rng)?,
        layer_check(Recurrent::lstm(shape, UNITS, Steps::Last, INITIALIZER), &x, rng)?,
    ];
    let truncated = Wrong {
        layer: Recurrent::elman(shape, UNITS, Steps::All, INITIALIZER),
        backward: one_step_back,
    };
    Ok(Evidence {
        measured: reports.iter().map(disagreement).fold(0.0, f64::max),
        limit: DIFFERENCES,
        reason: WHY_DIFFERENCES,
        control: Control {
            what: "an Elman layer that takes the state before for a constant",
            measured: layer_check(truncated, &x, rng)?.gradient.worst(),
        },
        plots: vec![],
        notes: vec![format!("Elman, GRU and LSTM of {UNITS} units over 12 steps.")],
    })
}

fn batch_statistics(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let x = uniform(SEQUENCE.len(), SAMPLES, &mut rng);
    let check = GradientCheck::new().training(rng.random());
    let right = check.layer(BatchNorm::new(SEQUENCE), &x, &mut rng)?;
    let constants = |layer: &BatchNorm, mut pass: Backward<'_, f64>| {
        pass.mode = Mode::Inference;
        layer.backward(pass)
    };
    let constants = Wrong { layer: BatchNorm::new(SEQUENCE), backward: constants };
    let wrong = check.layer(constants, &x, &mut rng)?;
    Ok(Evidence {
        measured: disagreement(&right),
        limit: DIFFERENCES,
        reason: WHY_DIFFERENCES,
        control: Control {
            what: "mean and variance of the batch taken for constants",
            measured: wrong.gradient.worst(),
        },
        plots: vec![],
        notes: vec![format!(
            "{} channels over {} values each.",
            SEQUENCE.channels,
            SEQUENCE.places() * SAMPLES
        )],
    })
}

/// The gradient of a square dense layer sent back by W instead of Wᵀ.
fn untransposed(layer: &Dense, pass: Backward<'_, f64>) -> nn_core::Result<()> {
    let n = Layer::<f64>::output(layer).len();
    let (weight, bias) = pass.parameters.split_at(n * n);
    let weight = DMatrix::from_column_slice(n, n, weight).transpose();
    let parameters = [weight.as_slice(), bias].concat();
    let mut pass: Backward<'_, f64> = pass;
    pass.parameters = &parameters;
    layer.backward(pass)
}

/// |⟨Jv, u⟩ − ⟨v, Jᵀu⟩| for random v and u, relative to the terms of these sums.
fn adjoint_error(network: &Network<f64>, rng: &mut Xoshiro256PlusPlus) -> Result<f64, BoxError> {
    let x = uniform(network.inputs(), SAMPLES, rng);
    let theta = DVector::from_fn(network.parameters().len(), |_, _| rng.random_range(-1.0..1.0));
    let input = uniform(network.inputs(), SAMPLES, rng);
    let u = uniform(network.outputs(), SAMPLES, rng);
    let mut trace = Trace::training(rng.random());
    network.forward(&x, &mut trace)?;
    let pushed = network.jvp(Direction::Both(&theta, &input), &mut trace)?;
    network.backward(&u, Gradients::Both, &mut trace)?;
    let by_input = trace.input_gradient().map(|dx| dx.into_owned()).unwrap_or_default();
    let by_theta = trace.gradient();
    let right = by_theta.dot(&theta) + by_input.dot(&input);
    let scale = pushed.abs().dot(&u.abs())
        + by_theta.abs().dot(&theta.abs())
        + by_input.abs().dot(&input.abs());
    Ok((pushed.dot(&u) - right).abs() / scale)
}

fn adjoint(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let network = Network::<f64>::builder(SEQUENCE)
        .lstm(4, Steps::All)
        .layer_norm()
        .gru(4, Steps::All)
        .activation(Gelu)
        .dropout(0.3)
        .elman(5, Steps::Last)
        .dense(6)
        .batch_norm()
        .activation(Silu)
        .dense(4)
        .softmax()
        .build(&mut rng)?;
    let wrong = Network::<f64>::builder(6)
        .activation(Tanh)
        .layer(Wrong { layer: Dense::new(6, 6, INITIALIZER), backward: untransposed })
        .build(&mut rng)?;
    Ok(Evidence {
        measured: adjoint_error(&network, &mut rng)?,
        limit: 1e-12,
        reason: "a few hundred roundings of eps = 2.2e-16 through eleven layers leave 1e-13 of the terms; \
                 a factor of ten for cancellation within the layers",
        control: Control {
            what: "a dense layer that sends gradients back by W instead of W'",
            measured: adjoint_error(&wrong, &mut rng)?,
        },
        plots: vec![],
        notes: vec![format!(
            "A network of {} layers and {} parameters in training mode, {SAMPLES} samples, parameters and \
             input moving at once.",
            network.layers().len(),
            network.parameters().len()
        )],
    })
}

fn hessian(context: &Context) -> Result<Evidence, BoxError> {
    const CLASSES: usize = 3;
    let mut rng = context.rng();
    let mut network = Network::<f64>::builder(SEQUENCE)
        .gru(4, Steps::Last)
        .dense(5)
        .activation(Tanh)
        .dense(CLASSES)
        .build(&mut rng)?;
    let x = uniform(network.inputs(), SAMPLES, &mut rng);
    let labels: Vec<usize> = (0..SAMPLES).map(|_| rng.random_range(0..CLASSES)).collect();
    let loss = SoftmaxCrossEntropy::new(&labels, CLASSES)?;
    let n = network.parameters().len();
    let mut direction = || DVector::from_fn(n, |_, _| rng.random_range(-1.0..1.0));
    let (v, w) = (direction(), direction());
    let mut trace = Trace::new();
    let product = network.hessian_vector(&x, &loss, &v, &mut trace)?;
    let other = network.hessian_vector(&x, &loss, &w, &mut trace)?;
    let terms = product.abs().dot(&w.abs()) + other.abs().dot(&v.abs());
    let asymmetry = (product.dot(&w) - other.dot(&v)).abs() / terms;

    // The wrong turn: Jᵀ·L″·J·v, which is all of it only where the network is linear.
    network.forward(&x, &mut trace)?;
    let pushed = network.jvp(Direction::Parameters(&v), &mut trace)?;
    let mut curved = DMatrix::zeros(CLASSES, SAMPLES);
    let all: Vec<usize> = (0..SAMPLES).collect();
    loss.curvature(&all, trace.output(), pushed.as_view(), curved.as_view_mut())?;
    network.backward(&curved, Gradients::Parameters, &mut trace)?;
    let gauss_newton = trace.gradient().clone();

    let here = network.parameters().clone();
    let mut gradient_at = |step: f64| -> Result<DVector<f64>, BoxError> {
        network.parameters_mut().copy_from_slice((&here + &v * step).as_slice());
        network.loss_and_gradient(&x, &loss, &mut trace)?;
        Ok(trace.gradient().clone())
    };
    let step = 6e-6;
    let quotient = (gradient_at(step)? - gradient_at(-step)?) / (2.0 * step);
    let scale = quotient.amax();
    Ok(Evidence {
        measured: (product - &quotient).amax() / scale,
        limit: DIFFERENCES,
        reason: WHY_DIFFERENCES,
        control: Control {
            what: "the Gauss-Newton product, which leaves out the curvature of the network",
            measured: (gauss_newton - &quotient).amax() / scale,
        },
        plots: vec![],
        notes: vec![format!("<H v, w> and <v, H w> differ by {asymmetry:.1e} of their terms.")],
    })
}
