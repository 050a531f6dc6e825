//! Gradients: the printed digits of a small network, difference quotients of random ones.

use std::ops::Range;

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};
use nn_core::{
    Activation, Gradients, Identity, LeakyRelu, Loss, MeanSquaredError, Network, Relu, Sin,
    SoftmaxCrossEntropy, Tanh, Trace, gradient_check,
};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// 2-2-1, tanh, linear output; three samples.
fn reference() -> (Network<f64>, DMatrix<f64>, DMatrix<f64>) {
    let network = Network::builder(2)
        .dense_from(DMatrix::from_row_slice(2, 2, &[0.5, -0.4, 0.3, 0.8]), vec![0.1, -0.2])
        .activation(Tanh)
        .dense_from(DMatrix::from_row_slice(1, 2, &[0.7, -0.6]), vec![0.05])
        .build_given()
        .unwrap();
    let x = DMatrix::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
    let targets = DMatrix::from_row_slice(1, 3, &[1.0, 0.0, -1.0]);
    (network, x, targets)
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance, "entry {index}: {f}, expected {e}");
    }
}

#[test]
fn the_batch_gradient_has_the_digits_of_pytorch() {
    // torch 2.13, float64, MSELoss over three samples, printed to 12 digits.
    let (network, x, targets) = reference();
    let mut trace = Trace::new();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let value = network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
    assert!((value - 1.847773570592886).abs() <= 4.0 * f64::EPSILON, "{value}");
    let expected = [
        // dW1 in column order, db1, dW2, db2
        -0.03154375372,
        -0.256632339174,
        -0.916537074645,
        0.721908311501,
        -0.011538341084,
        0.2907409684,
        1.098572248634,
        -1.47064467299,
        0.374870725045,
    ];
    assert_near(trace.gradient().as_slice(), &expected, 1e-11);
}

#[test]
fn the_output_delta_has_an_entry_per_sample() {
    let (network, x, targets) = reference();
    let mut dp = DMatrix::zeros(1, 3);
    let p = network.predict(&x).unwrap();
    let loss = MeanSquaredError::new(&targets).unwrap();
    loss.evaluate(&[0, 1, 2], p.as_view(), dp.as_view_mut()).unwrap();
    let expected = [-0.640870680518, -0.368804141013, 1.384545546578];
    assert_near(dp.as_slice(), &expected, 1e-11);

    // The wrong turn: one delta for the batch, here the sum, shared out evenly. Only the output
    // bias comes out right; the output weights are 34 times too small.
    let collapsed = DMatrix::from_element(1, 3, dp.sum() / 3.0);
    let mut trace = Trace::new();
    network.forward(&x, &mut trace).unwrap();
    network.backward(&collapsed, Gradients::Parameters, &mut trace).unwrap();
    assert_near(&trace.gradient().as_slice()[6..8], &[0.0322, -0.0483], 5e-5);
    assert_near(&trace.gradient().as_slice()[8..], &[0.374870725045], 1e-11);
}

#[test]
fn one_weight_and_two_samples_tell_the_gradient_from_a_collapsed_one() {
    // y = wx at w = 0 with X = T = [1, -1]: dL/dw = -2, and the deltas cancel in their mean.
    let network =
        Network::builder(1).dense_from(DMatrix::zeros(1, 1), vec![0.0]).build_given().unwrap();
    let x = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
    let mut trace = Trace::new();
    let loss = MeanSquaredError::new(&x).unwrap();
    network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
    assert_eq!(trace.gradient().as_slice(), [-2.0, 0.0]);
}

#[test]
fn the_trace_keeps_z_and_a() {
    let (network, x, _) = reference();
    let mut trace = Trace::new();
    assert!(trace.input_of(0).is_none() && trace.output().is_empty());
    network.forward(&x, &mut trace).unwrap();
    let z = trace.input_of(1).unwrap();
    // 0.5·1 − 0.4·0.5 + 0.1 and 0.3·1 + 0.8·0.5 − 0.2.
    assert_near(&[z[0], z[1]], &[0.4, 0.5], 2.0 * f64::EPSILON);
    let a = trace.output_of(1).unwrap();
    assert_near(a.into_owned().as_slice(), z.map(f64::tanh).as_slice(), 4.0 * f64::EPSILON);
    assert!(trace.output_of(3).is_none());
    assert_eq!(trace.output().shape(), (1, 3));
}

#[test]
fn a_trace_of_another_network_or_of_none_is_refused() {
    let (network, x, _) = reference();
    let other = Network::builder(2)
        .dense_from(DMatrix::<f64>::identity(2, 2), vec![0.0; 2])
        .build_given()
        .unwrap();
    let mut trace = Trace::new();
    let text = |trace: &mut Trace<f64>, dp: &DMatrix<f64>| {
        network.backward(dp, Gradients::Both, trace).unwrap_err().to_string()
    };
    let none = "the trace holds no forward pass of this network; call `forward` first";
    let dp = DMatrix::from_element(1, 3, 1.0);
    assert_eq!(text(&mut trace, &dp), none);
    other.forward(&x, &mut trace).unwrap();
    assert_eq!(text(&mut trace, &dp), none);

    network.forward(&x, &mut trace).unwrap();
    let wide = DMatrix::zeros(1, 4);
    assert_eq!(text(&mut trace, &wide), "output_gradient has 4 columns, expected 3");
    let tall = DMatrix::zeros(2, 3);
    assert_eq!(text(&mut trace, &tall), "output_gradient has 2 rows, expected 1");
    let nan = DMatrix::from_row_slice(1, 3, &[0.0, f64::NAN, 0.0]);
    let expected = "output_gradient[0, 1] is NaN, and every entry must be finite";
    assert_eq!(text(&mut trace, &nan), expected);
}

#[test]
fn a_loss_for_another_network_or_batch_is_refused() {
    let (network, x, _) = reference();
    let mut trace = Trace::new();
    let mut text = |targets: &DMatrix<f64>| {
        let loss = MeanSquaredError::new(targets).unwrap();
        network.loss_and_gradient(&x, &loss, &mut trace).unwrap_err().to_string()
    };
    let outputs = "the network's output has 1 rows, expected 2";
    assert_eq!(text(&DMatrix::zeros(2, 3)), outputs);
    assert_eq!(text(&DMatrix::zeros(1, 4)), "x has 3 columns, expected 4");
}

/// tanh with its derivative taken at a, the mistake of question 9.
#[derive(Debug)]
struct SlopeAtA<A>(A);

impl<A: Activation<f64>> Activation<f64> for SlopeAtA<A> {
    fn name(&self) -> &'static str {
        "slope at a"
    }
    fn value(&self, z: f64) -> f64 {
        self.0.value(z)
    }
    fn slope(&self, z: f64) -> f64 {
        self.0.slope(self.0.value(z))
    }
}

/// A loss whose gradient is off in its last sample.
#[derive(Debug)]
struct Wrong<'a>(MeanSquaredError<'a, f64>);

impl Loss<f64> for Wrong<'_> {
    fn samples(&self) -> usize {
        self.0.samples()
    }
    fn outputs(&self) -> usize {
        Loss::<f64>::outputs(&self.0)
    }
    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, f64>,
        mut dp: DMatrixViewMut<'_, f64>,
    ) -> nn_core::Result<f64> {
        let value = self.0.evaluate(samples, p, dp.as_view_mut())?;
        dp[(0, 2)] *= 1.001;
        Ok(value)
    }
}

#[test]
fn the_gradient_check_finds_what_is_wrong() {
    let (network, x, targets) = reference();
    let loss = MeanSquaredError::new(&targets).unwrap();
    let right = gradient_check(&network, &x, &loss).unwrap();
    assert!(right.worst() + right.uncertainty() < 1e-8, "{right:?}");
    assert_eq!(right.blocks.iter().map(|block| block.kinks).sum::<usize>(), 0);
    let names: Vec<&str> = right.blocks.iter().map(|block| block.name.as_str()).collect();
    let expected = [
        "dense 2 -> 2 weight",
        "dense 2 -> 2 bias",
        "dense 2 -> 1 weight",
        "dense 2 -> 1 bias",
        "input",
    ];
    assert_eq!(names, expected);

    let wrong_loss = gradient_check(&network, &x, &Wrong(loss)).unwrap();
    assert!(wrong_loss.worst() > 1e-4, "{wrong_loss:?}");

    for (seed, activations) in [(1, "tanh"), (2, "sin")] {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let builder = Network::<f64>::builder(2).dense(4);
        let builder = match activations {
            "tanh" => builder.activation(SlopeAtA(Tanh)),
            _ => builder.activation(SlopeAtA(Sin)),
        };
        let network = builder.dense(1).build(&mut rng).unwrap();
        let report = gradient_check(&network, &x, &loss).unwrap();
        assert!(report.worst() > 1e-2, "{activations}: {report:?}");
    }
}

#[test]
fn a_kink_is_told_from_an_error() {
    // z = 0 exactly: ReLU's quotient there is 1/2 and says nothing.
    let network = Network::builder(1)
        .dense_from(DMatrix::from_element(1, 1, 1.0), vec![0.0])
        .activation(Relu)
        .build_given()
        .unwrap();
    let x = DMatrix::from_row_slice(1, 2, &[0.0, 1.0]);
    let targets = DMatrix::from_row_slice(1, 2, &[1.0, 3.0]);
    let loss = MeanSquaredError::new(&targets).unwrap();
    let report = gradient_check(&network, &x, &loss).unwrap();
    assert!(report.worst() < 1e-9, "{report:?}");
    // The bias and the first sample's input sit at the kink, the weight does not.
    assert_eq!(report.blocks.iter().map(|block| block.kinks).collect::<Vec<_>>(), [0, 1, 1]);
}

/// A random network, batch and set of labels.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    /// Input, hidden and output sizes.
    sizes: Vec<usize>,
    /// An activation after each layer but the last.
    activations: Vec<u8>,
    samples: usize,
}

impl Case {
    fn any() -> impl Strategy<Value = Self> {
        Self::with(0..5)
    }

    /// Without kinks.
    fn smooth() -> impl Strategy<Value = Self> {
        Self::with(0..3)
    }

    fn with(activation: Range<u8>) -> impl Strategy<Value = Self> {
        let sizes = prop::collection::vec(1_usize..6, 2..5);
        let activations = prop::collection::vec(activation, 3);
        (any::<u64>(), sizes, activations, 1_usize..6).prop_map(
            |(seed, sizes, activations, samples)| Self { seed, sizes, activations, samples },
        )
    }

    fn build<T: Real>(&self) -> (Network<T>, DMatrix<T>, DMatrix<T>, Vec<usize>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let mut builder = Network::<T>::builder(self.sizes[0]);
        let last = self.sizes.len() - 2;
        for (index, &size) in self.sizes[1..].iter().enumerate() {
            builder = builder.dense(size);
            if index < last {
                builder = match self.activations[index] {
                    0 => builder.activation(Tanh),
                    1 => builder.activation(Sin),
                    2 => builder.activation(Identity),
                    3 => builder.activation(Relu),
                    _ => builder.activation(LeakyRelu::new(0.2).unwrap()),
                };
            }
        }
        let network = builder.build(&mut rng).unwrap();
        let outputs = network.outputs();
        let mut uniform = |rows, columns| {
            DMatrix::from_fn(rows, columns, |_, _| T::from_double(rng.random_range(-2.0..2.0)))
        };
        let x = uniform(self.sizes[0], self.samples);
        let targets = uniform(outputs, self.samples);
        let labels = (0..self.samples).map(|_| rng.random_range(0..outputs)).collect();
        (network, x, targets, labels)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gradients_are_the_limits_of_difference_quotients(case in Case::any()) {
        // Truncation h²/6·|L‴| near 1e-11, rounding eps·L/h near 1e-10, against the block's largest
        // entry; what a quotient itself is unsure of is not counted.
        let (network, x, targets, labels) = case.build::<f64>();
        let squares = MeanSquaredError::new(&targets).unwrap();
        prop_assert!(gradient_check(&network, &x, &squares).unwrap().worst() <= 1e-7);
        let classes = SoftmaxCrossEntropy::new(&labels, network.outputs()).unwrap();
        prop_assert!(gradient_check(&network, &x, &classes).unwrap().worst() <= 1e-7);
    }

    #[test]
    fn the_batch_gradient_is_the_mean_of_the_sample_gradients(case in Case::any()) {
        let (network, x, targets, _) = case.build::<f64>();
        let loss = MeanSquaredError::new(&targets).unwrap();
        let mut trace = Trace::new();
        network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
        let mean = network.sample_gradients(&x, &loss).unwrap().column_mean();
        // A handful of roundings in each of a few layers, relative to the largest entry.
        let scale = mean.amax().max(1.0);
        prop_assert!((trace.gradient() - mean).amax() <= 64.0 * f64::EPSILON * scale);
    }

    #[test]
    fn the_order_of_the_samples_does_not_matter(case in Case::any()) {
        let (network, x, targets, _) = case.build::<f64>();
        let reversed: Vec<usize> = (0..case.samples).rev().collect();
        let (mut one, mut other) = (Trace::new(), Trace::new());
        let loss = MeanSquaredError::new(&targets).unwrap();
        let a = network.loss_and_gradient(&x, &loss, &mut one).unwrap();
        let (x, targets) = (x.select_columns(&reversed), targets.select_columns(&reversed));
        let loss = MeanSquaredError::new(&targets).unwrap();
        let b = network.loss_and_gradient(&x, &loss, &mut other).unwrap();
        let scale = one.gradient().amax().max(1.0);
        prop_assert!((a - b).abs() <= 16.0 * f64::EPSILON * a);
        prop_assert!((one.gradient() - other.gradient()).amax() <= 64.0 * f64::EPSILON * scale);
    }

    #[test]
    fn the_input_gradient_is_the_adjoint_of_the_tangent(case in Case::smooth()) {
        // ⟨J·v, u⟩ = ⟨v, Jᵀ·u⟩, with J·v by central differences in the direction v.
        let (network, x, u, _) = case.build::<f64>();
        let v = x.map(|x| (3.0 * x).cos());
        let mut trace = Trace::new();
        network.forward(&x, &mut trace).unwrap();
        network.backward(&u, Gradients::Input, &mut trace).unwrap();
        let right = trace.input_gradient().unwrap().dot(&v);
        let h = 6e-6;
        let (up, down) = (network.predict(&(&x + &v * h)), network.predict(&(&x - &v * h)));
        let left = (up.unwrap() - down.unwrap()).dot(&u) / (2.0 * h);
        let scale = u.norm() * v.norm() * 10.0;
        prop_assert!((left - right).abs() <= 1e-9 * scale.max(1.0), "{left} {right}");
    }

    #[test]
    fn single_precision_follows_double(case in Case::smooth()) {
        let (single, x, targets, _) = case.build::<f32>();
        let (double, xd, targets_d, _) = case.build::<f64>();
        let (mut s, mut d) = (Trace::new(), Trace::new());
        let loss = MeanSquaredError::new(&targets).unwrap();
        single.loss_and_gradient(&x, &loss, &mut s).unwrap();
        let loss = MeanSquaredError::new(&targets_d).unwrap();
        double.loss_and_gradient(&xd, &loss, &mut d).unwrap();
        // The inputs differ by eps/2 each; a few products of at most 6 terms through 3 layers.
        let scale = d.gradient().amax().max(1.0);
        for (s, d) in s.gradient().iter().zip(d.gradient()) {
            prop_assert!((f64::from(*s) - d).abs() <= 64.0 * f64::from(f32::EPSILON) * scale);
        }
    }
}
