//! Derivatives along directions: against each other, and against differences of gradients.

use linalg::{DMatrix, DVector};
use nn_core::{
    BinaryCrossEntropy, CosineDistance, Direction, Elu, ExpectedCost, Gelu, Gradients, Huber,
    Infogain, Loss, MeanAbsoluteError, MeanSquaredError, Network, Shape, Sigmoid, Silu, Sin,
    SoftCrossEntropy, SoftmaxCrossEntropy, Softplus, Steps, Tanh, Trace,
};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A network of a kind for three classes, with a batch.
fn network(kind: u8, seed: u64) -> (Network<f64>, DMatrix<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let builder = match kind {
        0 => Network::builder(4).dense(6).activation(Tanh).dense(5).activation(Sin).dense(3),
        1 => Network::builder(4).dense(6).activation(Gelu).layer_norm().dense(3),
        2 => Network::builder(Shape::sequence(2, 3)).lstm(4, Steps::All).gru(3, Steps::Last),
        3 => Network::builder(4).dense(5).batch_norm().activation(Softplus).dropout(0.3).dense(3),
        4 => Network::builder(4).dense(5).activation(Silu).softmax().dense(3).activation(Sigmoid),
        _ => Network::builder(Shape::sequence(2, 3))
            .elman(4, Steps::All)
            .activation(Elu::default())
            .dense(3),
    };
    let network = builder.build(&mut rng).unwrap();
    let x = DMatrix::from_fn(network.inputs(), 5, |_, _| rng.random_range(-1.5..1.5));
    (network, x)
}

fn direction(len: usize, seed: u64) -> DVector<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    DVector::from_fn(len, |_, _| rng.random_range(-1.0..1.0))
}

/// Every loss of the crate for three outputs and five samples, with its name and whether it is convex.
fn with_each_loss(seed: u64, mut check: impl FnMut(&str, bool, &dyn Loss<f64>)) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    // Multiples of 1/64: what `outputs` gives is then away from every kink.
    let targets = DMatrix::from_fn(3, 5, |_, _| f64::from(rng.random_range(1..64_u8)) / 64.0);
    let labels: Vec<usize> = (0..5).map(|_| rng.random_range(0..3)).collect();
    let table = DMatrix::from_fn(3, 3, |_, _| rng.random_range(0.1..2.0));
    let softmax = || SoftmaxCrossEntropy::new(&labels, 3).unwrap();
    let smooth = softmax().class_weights(&[1.0, 2.0, 0.5]).unwrap().smoothing(0.2).unwrap();
    check("squared", true, &MeanSquaredError::new(&targets).unwrap());
    check("absolute", true, &MeanAbsoluteError::new(&targets).unwrap());
    check("Huber", true, &Huber::new(&targets, 0.3).unwrap());
    check("cosine", false, &CosineDistance::new(&targets).unwrap());
    check("binary", true, &BinaryCrossEntropy::new(&targets).unwrap());
    check("softmax", true, &softmax());
    check("smoothed", true, &smooth);
    check("soft targets", true, &SoftCrossEntropy::new(&targets).unwrap());
    check("infogain", true, &Infogain::new(&labels, &table).unwrap());
    check("expected cost", false, &ExpectedCost::new(&labels, &table).unwrap());
}

/// Outputs at odd multiples of 1/128.
fn outputs(seed: u64) -> DMatrix<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    DMatrix::from_fn(3, 5, |_, _| (2.0 * f64::from(rng.random_range(-96..96_i8)) + 1.0) / 128.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_curvature_of_every_loss_is_the_derivative_of_its_gradient(seed in any::<u64>()) {
        let (p, samples) = (outputs(seed ^ 1), [0, 1, 2, 3, 4]);
        let v = DMatrix::from_column_slice(3, 5, direction(15, seed ^ 2).as_slice());
        with_each_loss(seed, |name, convex, loss| {
            let mut bent = DMatrix::from_element(3, 5, f64::NAN);
            loss.curvature(&samples, p.as_view(), v.as_view(), bent.as_view_mut()).unwrap();
            let gradient_at = |h: f64| {
                let mut gradient = DMatrix::zeros(3, 5);
                loss.evaluate(&samples, (&p + &v * h).as_view(), gradient.as_view_mut()).unwrap();
                gradient
            };
            // Truncation is divided by 4 with half the step; the rest is rounding, eps·|g|/h.
            let central = |h: f64| (gradient_at(h) - gradient_at(-h)) / (2.0 * h);
            let (wide, narrow) = (central(6e-6), central(3e-6));
            let unsure = (&wide - &narrow).amax() + 1e-9 * (0.1 + bent.amax());
            let error = (&bent - &narrow).amax();
            assert!(error <= unsure, "{name}: {error:e} {unsure:e}");
            let along = bent.dot(&v);
            assert!(!convex || along >= -1e-15, "{name}: {along}");
        });
    }

    #[test]
    fn the_gauss_newton_matrix_is_made_of_jacobian_and_curvature(seed in any::<u64>()) {
        let (network, x) = network(0, seed);
        let linear = Network::<f64>::builder(4).dense(3);
        let linear = linear.build(&mut Xoshiro256PlusPlus::seed_from_u64(seed)).unwrap();
        let v = direction(network.parameters().len(), seed ^ 1);
        let w = direction(linear.parameters().len(), seed ^ 1);
        with_each_loss(seed, |name, convex, loss| {
            let mut trace = Trace::new();
            let product = network.gauss_newton_vector(&x, loss, &v, &mut trace).unwrap();
            let scale = product.abs().dot(&v.abs());
            assert!(!convex || product.dot(&v) >= -1e-12 * scale, "{name}");
            // Sample by sample: Jᵀ·C·(J·v).
            let p = network.predict(&x).unwrap();
            let jacobians: Vec<DMatrix<f64>> =
                x.column_iter().map(|x| network.parameter_jacobian(&x.into_owned()).unwrap()).collect();
            let pushed: Vec<DVector<f64>> = jacobians.iter().map(|j| j * &v).collect();
            let mut bent = DMatrix::zeros(3, 5);
            let pushed = DMatrix::from_columns(&pushed);
            loss.curvature(&[0, 1, 2, 3, 4], p.as_view(), pushed.as_view(), bent.as_view_mut()).unwrap();
            let sum = jacobians.iter().zip(bent.column_iter()).fold(
                DVector::zeros(v.len()),
                |sum, (j, bent)| sum + j.transpose() * bent,
            );
            assert!((&product - &sum).amax() <= 1e-12 * sum.amax().max(1e-3), "{name}");
            // A network that is linear has no curvature of its own.
            let gauss_newton = linear.gauss_newton_vector(&x, loss, &w, &mut trace).unwrap();
            let hessian = linear.hessian_vector(&x, loss, &w, &mut trace).unwrap();
            assert!((&gauss_newton - &hessian).amax() <= 1e-13 * hessian.amax().max(1e-3), "{name}");
        });
    }

    #[test]
    fn jvp_and_backward_are_adjoint(kind in 0..6_u8, seed in any::<u64>()) {
        let (network, x) = network(kind, seed);
        let mut trace = Trace::training(seed);
        network.forward(&x, &mut trace).unwrap();
        let theta = direction(network.parameters().len(), seed ^ 1);
        let input = DMatrix::from_column_slice(x.nrows(), 5, direction(x.len(), seed ^ 2).as_slice());
        let u = DMatrix::from_column_slice(3, 5, direction(15, seed ^ 3).as_slice());
        let pushed = network.jvp(Direction::Both(&theta, &input), &mut trace).unwrap();
        network.backward(&u, Gradients::Both, &mut trace).unwrap();
        let dx = trace.input_gradient().unwrap().into_owned();
        let left = pushed.dot(&u);
        let right = trace.gradient().dot(&theta) + dx.dot(&input);
        let scale = pushed.abs().dot(&u.abs())
            + trace.gradient().abs().dot(&theta.abs())
            + dx.abs().dot(&input.abs());
        prop_assert!((left - right).abs() <= 1e-12 * scale, "{left} {right}");

        let only = |trace: &mut Trace<f64>, direction| network.jvp(direction, trace).unwrap();
        let sum = only(&mut trace, Direction::Parameters(&theta))
            + only(&mut trace, Direction::Input(&input));
        prop_assert!((sum - &pushed).amax() <= 1e-12 * pushed.amax());
    }

    #[test]
    fn the_hessian_is_symmetric_and_the_derivative_of_the_gradient(
        kind in 0..6_u8,
        seed in any::<u64>(),
        squares in any::<bool>(),
    ) {
        let (mut network, x) = network(kind, seed);
        let targets = DMatrix::from_column_slice(3, 5, direction(15, seed ^ 3).as_slice());
        let labels = [0, 2, 1, 1, 0];
        let squared = MeanSquaredError::new(&targets).unwrap();
        let classes = SoftmaxCrossEntropy::new(&labels, 3).unwrap();
        let loss: &dyn Loss<f64> = if squares { &squared } else { &classes };
        let mut trace = Trace::training(seed);
        let n = network.parameters().len();
        let (v, w) = (direction(n, seed ^ 1), direction(n, seed ^ 2));
        let hv = network.hessian_vector(&x, loss, &v, &mut trace).unwrap();
        let hw = network.hessian_vector(&x, loss, &w, &mut trace).unwrap();
        let scale = hv.abs().dot(&w.abs()) + hw.abs().dot(&v.abs());
        prop_assert!((hv.dot(&w) - hw.dot(&v)).abs() <= 1e-12 * scale);

        let here = network.parameters().clone();
        let mut gradient_at = |step: f64| {
            network.parameters_mut().copy_from_slice((&here + &v * step).as_slice());
            network.loss_and_gradient(&x, loss, &mut trace).unwrap();
            trace.gradient().clone()
        };
        // Truncation is divided by 4 with half the step; the rest is rounding, eps·|g|/h.
        let h = 6e-6;
        let mut central = |h: f64| (gradient_at(h) - gradient_at(-h)) / (2.0 * h);
        let (wide, narrow) = (central(h), central(h / 2.0));
        let unsure = (&wide - &narrow).amax() + 1e-9 * (1.0 + hv.amax());
        prop_assert!((&hv - &narrow).amax() <= unsure, "{}", (&hv - &narrow).amax());
    }

    #[test]
    fn jacobians_are_made_of_products(kind in 0..6_u8, seed in any::<u64>()) {
        let (network, x) = network(kind, seed);
        let one = DVector::from_column_slice(x.column(0).as_slice());
        let by_input = network.jacobian(&one).unwrap();
        let by_parameters = network.parameter_jacobian(&one).unwrap();
        let theta = direction(network.parameters().len(), seed ^ 1);
        let input = direction(one.len(), seed ^ 2);
        let column = DMatrix::from_column_slice(one.len(), 1, one.as_slice());
        let velocity = DMatrix::from_column_slice(one.len(), 1, input.as_slice());
        let mut trace = Trace::new();
        network.forward(&column, &mut trace).unwrap();
        let product = network.jvp(Direction::Both(&theta, &velocity), &mut trace).unwrap();
        let sum = by_input * input + by_parameters * theta;
        prop_assert!((sum - product.column(0)).amax() <= 1e-12 * product.amax().max(1.0));
    }
}

#[test]
fn a_jacobian_with_more_outputs_than_inputs_goes_forward() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let network =
        Network::<f64>::builder(2).dense(3).activation(Tanh).dense(5).build(&mut rng).unwrap();
    let x = DVector::from_vec(vec![0.3, -0.7]);
    let jacobian = network.jacobian(&x).unwrap();
    assert_eq!(jacobian.shape(), (5, 2));
    let at = |x: &[f64]| network.predict(&DMatrix::from_column_slice(2, 1, x)).unwrap();
    let quotient = (at(&[0.3, -0.7 + 6e-6]) - at(&[0.3, -0.7 - 6e-6])) / 1.2e-5;
    assert!((quotient - jacobian.column(1)).amax() <= 1e-9);
}

#[test]
fn directions_that_do_not_fit_are_refused() {
    let (network, x) = network(0, 1);
    let mut trace = Trace::new();
    let theta = DVector::zeros(network.parameters().len());
    let text =
        |direction, trace: &mut Trace<f64>| network.jvp(direction, trace).unwrap_err().to_string();
    let none = "the trace holds no forward pass of this network; call `forward` first";
    assert_eq!(text(Direction::Parameters(&theta), &mut trace), none);
    network.forward(&x, &mut trace).unwrap();
    let short = DVector::zeros(3);
    let expected = format!("the direction has 3 entries, expected {}", theta.len());
    assert_eq!(text(Direction::Parameters(&short), &mut trace), expected);
    let wide = DMatrix::zeros(4, 6);
    let expected = "the direction has 6 columns, expected 5";
    assert_eq!(text(Direction::Input(&wide), &mut trace), expected);
    let mut nan = DMatrix::zeros(4, 5);
    nan[(2, 1)] = f64::NAN;
    let expected = "the direction[2, 1] is NaN, and every entry must be finite";
    assert_eq!(text(Direction::Input(&nan), &mut trace), expected);
    let x = DVector::zeros(3);
    let text = network.jacobian(&x).unwrap_err().to_string();
    assert_eq!(text, "x has 3 entries, expected 4");
}

/// A loss that leaves its curvature to differences.
#[derive(Debug)]
struct Plain<'a>(SoftmaxCrossEntropy<'a>);

impl Loss<f64> for Plain<'_> {
    fn samples(&self) -> usize {
        Loss::<f64>::samples(&self.0)
    }
    fn outputs(&self) -> usize {
        Loss::<f64>::outputs(&self.0)
    }
    fn evaluate(
        &self,
        samples: &[usize],
        p: linalg::DMatrixView<'_, f64>,
        dp: linalg::DMatrixViewMut<'_, f64>,
    ) -> nn_core::Result<f64> {
        self.0.evaluate(samples, p, dp)
    }
}

#[test]
fn a_loss_without_curvature_of_its_own_gets_it_by_differences() {
    let (network, x) = network(0, 1);
    let labels = [0, 2, 1, 1, 0];
    let exact = SoftmaxCrossEntropy::new(&labels, 3).unwrap();
    let v = direction(network.parameters().len(), 4);
    let mut trace = Trace::new();
    let one = network.hessian_vector(&x, &exact, &v, &mut trace).unwrap();
    let other = network.hessian_vector(&x, &Plain(exact), &v, &mut trace).unwrap();
    assert!((&one - other).amax() <= 1e-9 * one.amax().max(1.0));
}
