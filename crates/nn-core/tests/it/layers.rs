//! Every layer against difference quotients, against itself, and against PyTorch.

use std::ops::ControlFlow;

use linalg::{DMatrix, Real};
use nn_core::{
    Backward, Batch, BatchNorm, Block, Dense, Dropout, Elu, Embedding, Forward, Gelu, GeluTanh,
    GradientCheck, Gradients, Identity, Initializer, Layer, LayerNorm, LayerReport, LeakyRelu,
    MeanSquaredError, Mode, Network, NetworkBuilder, Pointwise, Recurrent, Relu, Sgd, Shape,
    Sigmoid, Silu, Sin, Softmax, Softplus, Steps, Tanh, Trace, Trainer, layer_check,
};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

/// The kinds of layers, by number.
const KINDS: usize = 22;

/// Checks a layer of a kind on a random batch.
fn check(kind: usize, shape: Shape, samples: usize, seed: u64) -> LayerReport {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let x = DMatrix::from_fn(shape.len(), samples, |_, _| rng.random_range(-2.0..2.0));
    let how = GradientCheck::new();
    let init = Initializer::GlorotNormal;
    let rng = &mut rng;
    let report = match kind {
        0 => how.layer(Dense::new(shape, 3, init), &x, rng),
        1 => how.layer(Pointwise::new(Tanh, shape), &x, rng),
        2 => how.layer(Pointwise::new(Sigmoid, shape), &x, rng),
        3 => how.layer(Pointwise::new(Softplus, shape), &x, rng),
        4 => how.layer(Pointwise::new(Silu, shape), &x, rng),
        5 => how.layer(Pointwise::new(Gelu, shape), &x, rng),
        6 => how.layer(Pointwise::new(GeluTanh, shape), &x, rng),
        7 => how.layer(Pointwise::new(Elu::default(), shape), &x, rng),
        8 => how.layer(Pointwise::new(Relu, shape), &x, rng),
        9 => how.layer(Pointwise::new(LeakyRelu::new(0.1).unwrap(), shape), &x, rng),
        10 => how.layer(Pointwise::new(Sin, shape), &x, rng),
        11 => how.layer(Pointwise::new(Identity, shape), &x, rng),
        12 => how.layer(Softmax::new(shape), &x, rng),
        13 => how.layer(LayerNorm::new(shape), &x, rng),
        14 => how.training(seed).layer(BatchNorm::new(shape), &x, rng),
        15 => how.layer(BatchNorm::new(shape), &x, rng),
        16 => how.training(seed).layer(Dropout::new(0.4, shape).unwrap(), &x, rng),
        17 => {
            let labels = x.map(|x: f64| (x.abs() * 1.5).floor());
            how.wanted(Gradients::Parameters).layer(Embedding::new(shape, 3, 2), &labels, rng)
        }
        18 => how.layer(Recurrent::elman(shape, 3, Steps::All, init), &x, rng),
        19 => how.layer(Recurrent::gru(shape, 2, Steps::All, init), &x, rng),
        20 => how.layer(Recurrent::lstm(shape, 2, Steps::Last, init), &x, rng),
        _ => how.layer(Recurrent::gru(shape, 3, Steps::Last, init), &x, rng),
    };
    report.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_layer_keeps_its_word(
        channels in 1_usize..5,
        width in 1_usize..4,
        height in 1_usize..3,
        samples in 3_usize..5,
        seed in any::<u64>(),
    ) {
        for kind in 0..KINDS {
            let shape = Shape::image(channels, width, height);
            let report = check(kind, shape, samples, seed);
            // The quotients' own uncertainty is not counted as an error.
            prop_assert!(report.gradient.worst() <= 1e-7, "kind {kind}: {report:?}");
            prop_assert!(report.curvature.worst() <= 1e-7, "kind {kind}: {report:?}");
            prop_assert!(report.adjoint <= 1e-12, "kind {kind}: {report:?}");
            prop_assert!(report.symmetry <= 1e-12, "kind {kind}: {report:?}");
        }
    }
}

#[test]
fn the_quotients_are_sure_enough_to_tell_an_error() {
    for kind in 0..KINDS {
        let report = check(kind, Shape::image(3, 2, 2), 4, 5);
        let unsure = report.gradient.uncertainty().max(report.curvature.uncertainty());
        assert!(unsure < 1e-7, "kind {kind}: {unsure}");
    }
}

/// y = s·x², with a slope that is a few per cent off where it is asked to be.
#[derive(Debug)]
struct Squares {
    gradient: f64,
    slope: f64,
}

impl<T: Real> Layer<T> for Squares {
    fn describe(&self) -> String {
        "squares".to_owned()
    }
    fn input(&self) -> Shape {
        2.into()
    }
    fn output(&self) -> Shape {
        2.into()
    }
    fn blocks(&self) -> Vec<Block> {
        vec![Block { name: "factor", rows: 1, columns: 1 }]
    }
    fn initialize(&self, parameters: &mut [T], _rng: &mut dyn Rng) {
        parameters.fill(T::one());
    }
    fn forward(&self, pass: Forward<'_, T>) -> nn_core::Result<()> {
        for (y, &x) in pass.y.iter_mut().zip(pass.x) {
            *y = pass.parameters[0] * x * x;
        }
        Ok(())
    }
    fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
        if let Some(gradient) = pass.gradient {
            let terms = pass.dy.iter().zip(pass.x).map(|(&dy, &x)| dy * x * x);
            gradient[0] = terms.fold(T::zero(), |a, b| a + b) * T::from_double(self.gradient);
        }
        if let Some(dx) = pass.dx {
            let factor = pass.parameters[0] * T::from_double(2.0 * self.slope);
            for ((dx, &dy), &x) in dx.iter_mut().zip(pass.dy).zip(pass.x) {
                *dx = factor * x * dy;
            }
        }
        Ok(())
    }
}

#[test]
fn a_layer_without_tangents_of_its_own_gets_them_by_differences() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let x = DMatrix::<f64>::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
    let report = layer_check(Squares { gradient: 1.0, slope: 1.0 }, &x, &mut rng).unwrap();
    assert!(report.gradient.worst() <= 1e-9 && report.curvature.worst() <= 1e-7, "{report:?}");
    // Central differences of a cubic: truncation h², rounding eps/h, with h = 6e-6.
    assert!(report.adjoint <= 1e-9 && report.symmetry <= 1e-9, "{report:?}");
}

#[test]
fn the_layer_check_names_what_is_wrong() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let x = DMatrix::<f64>::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
    let report = layer_check(Squares { gradient: 1.01, slope: 1.0 }, &x, &mut rng).unwrap();
    let errors: Vec<(&str, bool)> =
        report.gradient.blocks.iter().map(|b| (b.name.as_str(), b.error > 1e-3)).collect();
    assert_eq!(errors, [("squares factor", true), ("input", false)]);
    assert!(report.adjoint > 1e-4, "{report:?}");
    let report = layer_check(Squares { gradient: 1.0, slope: 1.01 }, &x, &mut rng).unwrap();
    let errors: Vec<bool> = report.gradient.blocks.iter().map(|b| b.error > 1e-3).collect();
    assert_eq!(errors, [false, true]);
}

/// 0.6·sin(1 + phase + 2i + 3j), the parameters of the reference.
fn set_parameters(network: &mut Network<f64>) {
    let blocks: Vec<Block> = network.layers().flat_map(Layer::blocks).collect();
    let mut rest = network.parameters_mut();
    for (phase, block) in blocks.iter().enumerate() {
        let (values, left) = rest.split_at_mut(block.len());
        for (at, value) in values.iter_mut().enumerate() {
            let (i, j) = (at % block.rows, at / block.rows);
            *value = 0.6 * ((1 + phase + 2 * i + 3 * j) as f64).sin();
        }
        rest = left;
    }
}

/// ∑ cos(i + 2j)·mᵢⱼ, which tells a transposed or permuted matrix from the right one.
fn checksum(m: &DMatrix<f64>) -> f64 {
    (0..m.len()).map(|at| ((at % m.nrows() + 2 * (at / m.nrows())) as f64).cos() * m[at]).sum()
}

/// Checksums of y and of the gradients of ⟨U, y⟩ by each block and by the input.
fn sums(network: &Network<f64>, x: &DMatrix<f64>, mode: Mode) -> Vec<f64> {
    let mut trace = match mode {
        Mode::Inference => Trace::new(),
        Mode::Training { seed } => Trace::training(seed),
    };
    network.forward(x, &mut trace).unwrap();
    let y = trace.output().transpose();
    let u = DMatrix::from_fn(network.outputs(), x.ncols(), |k, n| ((1 + n + 2 * k) as f64).sin());
    network.backward(&u, Gradients::Both, &mut trace).unwrap();
    let mut sums = vec![checksum(&y)];
    let mut start = 0;
    for block in network.layers().flat_map(Layer::blocks) {
        let gradient = &trace.gradient().as_slice()[start..start + block.len()];
        sums.push(checksum(&DMatrix::from_column_slice(block.rows, block.columns, gradient)));
        start += block.len();
    }
    sums.push(checksum(&trace.input_gradient().unwrap().transpose()));
    sums
}

/// cos(3n + 2t + f).
fn waves(features: usize, times: usize) -> DMatrix<f64> {
    DMatrix::from_fn(features * times, 3, |at, n| {
        ((3 * n + 2 * (at / features) + at % features) as f64).cos()
    })
}

fn build(
    shape: Shape,
    layer: impl FnOnce(NetworkBuilder<f64>) -> NetworkBuilder<f64>,
) -> Network<f64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut network = layer(Network::builder(shape)).build(&mut rng).unwrap();
    set_parameters(&mut network);
    network
}

/// The sums have up to 48 terms of size 1 after at most 4 steps of a few roundings each.
fn assert_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= 1e-13 * e.abs().max(1.0), "sum {index}: {f}, expected {e}");
    }
}

// Reference values by PyTorch 2.15, float64, CPU:
//
//     def table(rows, cols, phase):
//         return torch.tensor([[0.6*sin(1 + phase + 2*i + 3*j) for j in range(cols)]
//                              for i in range(rows)])
//     def check(g):   # of every tensor as a matrix: its first dimension, and all others
//         g = g.reshape(g.shape[0], -1)
//         return sum(g[i, j]*cos(i + 2*j) for i in range(g.shape[0]) for j in range(g.shape[1]))
//     for phase, (_, p) in enumerate(module.named_parameters()):
//         p.data.copy_(table(p.shape[0], p.numel()//p.shape[0], phase).reshape(p.shape))
//     x = [[[cos(3*n + 2*t + f) for f in range(F)] for t in range(T)] for n in range(3)]
//     y = module(x); flat = y.reshape(3, -1); u[n][k] = sin(1 + n + 2*k); (flat*u).sum().backward()
//     check(flat), [check(p.grad) for p in parameters], check(x.grad)
//
// with torch.nn.RNN(2, 3, batch_first=True) and so on, F = 2, T = 4; F = 4, T = 2 for normalization.

#[test]
fn recurrent_layers_have_the_digits_of_pytorch() {
    let shape = Shape::sequence(2, 4);
    let x = waves(2, 4);
    let elman = build(shape, |b| b.elman(3, Steps::All));
    // y; weight_ih, weight_hh, bias_ih, bias_hh; x.
    assert_near(
        &sums(&elman, &x, Mode::Inference),
        &[
            6.7133541549187035,
            -0.28180774998539415,
            -2.0180574593761955,
            8.15288961191368,
            8.15288961191368,
            0.9697160975591608,
        ],
    );
    let gru = build(shape, |b| b.gru(3, Steps::All));
    assert_near(
        &sums(&gru, &x, Mode::Inference),
        &[
            5.616298752392464,
            -1.1801634967858048,
            -0.11932563012671651,
            5.34217929425858,
            3.5934578064366747,
            -0.8754753202708728,
        ],
    );
    let lstm = build(shape, |b| b.lstm(3, Steps::All));
    assert_near(
        &sums(&lstm, &x, Mode::Inference),
        &[
            1.5196873376669975,
            -0.05071481937784395,
            -0.30796764166655,
            3.4102180101400315,
            3.4102180101400315,
            0.48078395855649214,
        ],
    );
}

#[test]
fn normalizations_have_the_digits_of_pytorch() {
    let shape = Shape::sequence(4, 2);
    let x = waves(4, 2);
    let layer_norm = build(shape, NetworkBuilder::layer_norm);
    assert_near(
        &sums(&layer_norm, &x, Mode::Inference),
        &[-0.05180505777272393, -0.6436598031970235, -2.7545806087156715, -0.7805891513369829],
    );
    let mut batch_norm = build(shape, NetworkBuilder::batch_norm);
    assert_near(
        &sums(&batch_norm, &x, Mode::Training { seed: 0 }),
        &[-0.5223098447438902, -1.199566393053055, -2.7545806087156706, 1.6609004442827453],
    );
    // One training step, too small to move the parameters, leaves PyTorch's running values behind.
    let loss = MeanSquaredError::new(&x).unwrap();
    let mut trainer = Trainer::new(Sgd::new(1e-300, 0.0).unwrap(), Batch::Full, 1);
    let one = trainer.train(&mut batch_norm, &x, &loss, 1, |_| ControlFlow::Continue(()));
    assert_eq!(one.unwrap().steps, 1);
    let running = [
        0.011536551752623182,
        -0.005006525541448731,
        -0.01694662634148816,
        -0.01330607703653488,
        0.9619393918351027,
        0.980093529438824,
        0.9360431884271954,
        0.9545518709450982,
    ];
    assert_near(batch_norm.state(), &running);
    assert_near(
        &sums(&batch_norm, &x, Mode::Inference),
        &[-0.05600429125327333, -0.3980323568068811, -2.7545806087156706, 1.0543980055737006],
    );
}

#[test]
fn embeddings_begin_normal() {
    // As PyTorch's. Of n independent normals the mean is within 5/√n, and the mean square within 5 √(2/n) of 1, in all
    // but one of a million cases.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let builder = Network::<f64>::builder(Shape::sequence(1, 3)).embedding(100, 50);
    let network = builder.build(&mut rng).unwrap();
    let parameters = network.parameters();
    let n = parameters.len() as f64;
    assert!(parameters.mean().abs() <= 5.0 / n.sqrt(), "{}", parameters.mean());
    let square = parameters.norm_squared() / n;
    assert!((square - 1.0).abs() <= 5.0 * (2.0 / n).sqrt(), "{square}");
}

#[test]
fn embeddings_have_the_digits_of_pytorch() {
    let mut network = build(Shape::sequence(1, 3), |b| b.embedding(4, 2));
    // PyTorch has the vectors in rows.
    for (at, value) in network.parameters_mut().iter_mut().enumerate() {
        *value = 0.6 * ((1 + 2 * (at / 2) + 3 * (at % 2)) as f64).sin();
    }
    let x = DMatrix::from_column_slice(3, 2, &[0.0, 3.0, 1.0, 3.0, 3.0, 2.0]);
    let mut trace = Trace::new();
    network.forward(&x, &mut trace).unwrap();
    let u = DMatrix::from_fn(6, 2, |k, n| ((1 + n + 2 * k) as f64).sin());
    network.backward(&u, Gradients::Both, &mut trace).unwrap();
    let gradient = DMatrix::from_column_slice(2, 4, trace.gradient().as_slice()).transpose();
    let found = [checksum(&trace.output().transpose()), checksum(&gradient)];
    assert_near(&found, &[1.179837478834603, 3.1505948189096733]);
    assert_eq!(trace.input_gradient().unwrap(), DMatrix::zeros(3, 2));
}

#[test]
fn softmax_and_activations_have_the_digits_of_pytorch() {
    let shape = Shape::sequence(4, 2);
    let x = waves(4, 2);
    let softmax = build(shape, NetworkBuilder::softmax);
    let expected = [0.0972693981974046, 1.937075518858541];
    assert_near(&sums(&softmax, &x, Mode::Inference), &expected);
    let check = |network: Network<f64>, expected: [f64; 2]| {
        assert_near(&sums(&network, &(&x * 2.0), Mode::Inference), &expected);
    };
    check(build(shape, |b| b.activation(Gelu)), [2.5002688047009247, 4.335704722236869]);
    check(build(shape, |b| b.activation(GeluTanh)), [2.500520066828495, 4.335702047757821]);
    check(build(shape, |b| b.activation(Silu)), [2.0800945413150083, 4.51182088009964]);
    check(build(shape, |b| b.activation(Elu::default())), [1.7557852820483189, 6.561762364317567]);
    check(build(shape, |b| b.activation(Softplus)), [1.0595974398974932, 4.750700208068231]);
    check(build(shape, |b| b.activation(Sigmoid)), [-0.06537725977924419, 1.701087804116962]);
    check(build(shape, |b| b.activation(Tanh)), [0.3560879810418549, 3.980830573038994]);
    let leaky = LeakyRelu::new(0.1).unwrap();
    check(build(shape, |b| b.activation(leaky)), [2.126257956324644, 4.989656210089507]);
}

#[test]
fn the_last_state_is_the_last_step_of_the_sequence() {
    let x = waves(2, 4);
    type Add = fn(NetworkBuilder<f64>, Steps) -> NetworkBuilder<f64>;
    let layers: [Add; 3] = [|b, s| b.elman(3, s), |b, s| b.gru(3, s), |b, s| b.lstm(3, s)];
    for layer in layers {
        let all = build(Shape::sequence(2, 4), |b| layer(b, Steps::All)).predict(&x).unwrap();
        let last = build(Shape::sequence(2, 4), |b| layer(b, Steps::Last)).predict(&x).unwrap();
        assert_eq!(all.rows_range(9..12), last);
    }
}

#[test]
fn samples_do_not_depend_on_their_order_nor_on_their_neighbours() {
    let shape = Shape::sequence(3, 4);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let x = DMatrix::from_fn(12, 7, |_, _| rng.random_range(-2.0..2.0));
    let order: Vec<usize> = (0..7).rev().collect();
    let network = Network::<f64>::builder(shape)
        .layer_norm()
        .lstm(4, Steps::All)
        .batch_norm()
        .gru(3, Steps::All)
        .elman(3, Steps::Last)
        .softmax()
        .build(&mut rng)
        .unwrap();
    let straight = network.predict(&x).unwrap();
    let reversed = network.predict(&x.select_columns(&order)).unwrap();
    // Products of other shapes may add in another order.
    let difference = straight.select_columns(&order) - reversed;
    assert!(difference.amax() <= 64.0 * f64::EPSILON, "{difference}");
    let alone = network.predict(&x.columns(2, 1).into_owned()).unwrap();
    assert!((alone - straight.columns(2, 1)).amax() <= 64.0 * f64::EPSILON);
}

#[test]
fn dropout_keeps_the_mean_in_training_and_everything_in_inference() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let network = Network::<f64>::builder(100).dropout(0.25).build(&mut rng).unwrap();
    let x = DMatrix::from_element(100, 100, 1.0);
    assert_eq!(network.predict(&x).unwrap(), x);
    let mut trace = Trace::training(5);
    network.forward(&x, &mut trace).unwrap();
    let y = trace.output().into_owned();
    assert!(y.iter().all(|&y| [0.0, 1.0 / 0.75].contains(&y)));
    // Five standard errors: √(0.25/0.75/10⁴) each.
    assert!((y.mean() - 1.0).abs() <= 5.0 * 0.0058, "{}", y.mean());
    network.forward(&x, &mut trace).unwrap();
    assert_eq!(trace.output(), y, "the same seed");
    let mut other = Trace::training(6);
    network.forward(&x, &mut other).unwrap();
    assert_ne!(other.output(), y, "another seed");
}

#[test]
fn a_layer_that_cannot_be_is_refused_when_it_is_built() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let text = |builder: NetworkBuilder<f64>, rng: &mut Xoshiro256PlusPlus| {
        builder.build(rng).unwrap_err().to_string()
    };
    let rate = text(Network::builder(3).dropout(1.0), &mut rng);
    assert_eq!(rate, "the rate of a dropout is 1, expected 0 <= rate < 1");
    let units = text(Network::builder(3).lstm(0, Steps::Last), &mut rng);
    assert_eq!(units, "a layer's output is empty; at least one is needed");
    let one = Network::<f64>::builder(3).batch_norm().build(&mut rng).unwrap();
    let x = DMatrix::from_element(3, 1, 0.5);
    assert!(one.predict(&x).is_ok());
    let text = one.forward(&x, &mut Trace::training(1)).unwrap_err().to_string();
    let expected = "the number of values per channel in a batch to be normalized is 1, expected \
                    at least 2 in training";
    assert_eq!(text, expected);
}

#[test]
fn labels_that_are_none_are_named_with_their_place() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let network = Network::<f64>::builder(2).embedding(3, 2).build(&mut rng).unwrap();
    for (label, shown) in [(-1.0, "-1"), (0.5, "0.5"), (3.0, "3"), (1e300, "1e300")] {
        let x = DMatrix::from_column_slice(2, 2, &[0.0, 2.0, 1.0, label]);
        let text = network.predict(&x).unwrap_err().to_string();
        let place = "entry 1 of sample 1";
        assert_eq!(text, format!("{place} is {shown}, expected a label: a whole number below 3"));
    }
}

#[test]
fn an_image_passes_through_a_recurrent_layer_row_by_row() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let network =
        Network::<f32>::builder(Shape::image(2, 3, 2)).gru(4, Steps::All).build(&mut rng).unwrap();
    assert_eq!(network.summary().layers[0].output, Shape::image(4, 3, 2));
    assert_eq!(network.summary().layers[0].name, "GRU 2 x 3 x 2 -> 4 x 3 x 2");
}
