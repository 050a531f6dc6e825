use linalg::{DMatrix, Real};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::{
    Conv1d, Conv2d, ConvAlgorithm, Extent, Gradients, Layer, Linear, MeanSquaredError, Mode,
    Network, Relu, Shape, Trace, View, Workspace, gradient_check,
};

fn random<T: Real>(len: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<T> {
    (0..len).map(|_| T::from_double(rng.random_range(-1.0..1.0))).collect()
}

/// A convolution and what it is done to.
#[derive(Debug, Clone)]
struct Case {
    input: Shape,
    options: Conv2d,
    samples: usize,
    seed: u64,
}

impl Case {
    fn network<T: Real>(&self, algorithm: ConvAlgorithm) -> Network<T> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let builder = Network::<T>::builder(self.input).conv2d(self.options.algorithm(algorithm));
        let mut network = builder.build(&mut rng).unwrap();
        let parameters = random(network.parameters().len(), &mut rng);
        network.parameters_mut().copy_from_slice(&parameters);
        network
    }

    fn x<T: Real>(&self) -> DMatrix<T> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed + 1);
        let x = random(self.input.len() * self.samples, &mut rng);
        DMatrix::from_vec(self.input.len(), self.samples, x)
    }

    fn dy<T: Real>(&self, network: &Network<T>) -> DMatrix<T> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed + 2);
        let dy = random(network.outputs() * self.samples, &mut rng);
        DMatrix::from_vec(network.outputs(), self.samples, dy)
    }

    /// Calls `visit` with (sample, weight, input entry, output entry) for each term of the sum.
    fn terms(&self, output: Shape, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let Conv2d { filters, kernel, stride, padding, dilation, groups, .. } = self.options;
        let channels = self.input.channels / groups;
        for sample in 0..self.samples {
            for (y, x, f) in every(output.height, output.width, filters) {
                for (j, i, c) in every(kernel.height, kernel.width, channels) {
                    let row =
                        (y * stride.height + j * dilation.height).wrapping_sub(padding.height);
                    let column =
                        (x * stride.width + i * dilation.width).wrapping_sub(padding.width);
                    if row >= self.input.height || column >= self.input.width {
                        continue;
                    }
                    let channel = f / (filters / groups) * channels + c;
                    visit(
                        sample,
                        ((j * kernel.width + i) * channels + c) * filters + f,
                        (row * self.input.width + column) * self.input.channels + channel,
                        (y * output.width + x) * filters + f,
                    );
                }
            }
        }
    }
}

fn every(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

/// What a convolution computes, in double precision.
struct Answer {
    y: Vec<f64>,
    gradient: Vec<f64>,
    dx: Vec<f64>,
}

/// The definition: loops over samples, places, filters, taps and channels. With `size` the same
/// sums over absolute values, to which roundings are relative.
fn naive(case: &Case, size: fn(f64) -> f64) -> Answer {
    let network = case.network::<f64>(ConvAlgorithm::Product);
    let output = network.layers().next().unwrap().output();
    let (x, dy) = (case.x::<f64>().map(size), case.dy(&network).map(size));
    let theta = network.parameters().map(size);
    let biases = theta.len() - case.options.filters;
    let mut y = DMatrix::from_fn(output.len(), case.samples, |row, _| {
        theta[biases + row % case.options.filters]
    });
    let mut gradient = vec![0.0; theta.len()];
    let mut dx = DMatrix::zeros(case.input.len(), case.samples);
    case.terms(output, |sample, weight, from, to| {
        y[(to, sample)] += theta[weight] * x[(from, sample)];
        gradient[weight] += dy[(to, sample)] * x[(from, sample)];
        dx[(from, sample)] += theta[weight] * dy[(to, sample)];
    });
    for sample in 0..case.samples {
        for row in 0..output.len() {
            gradient[biases + row % case.options.filters] += dy[(row, sample)];
        }
    }
    Answer { y: y.data.into(), gradient, dx: dx.data.into() }
}

fn ours<T: Real>(case: &Case, algorithm: ConvAlgorithm) -> Answer {
    let network = case.network::<T>(algorithm);
    let mut trace = Trace::new();
    network.forward(&case.x(), &mut trace).unwrap();
    network.backward(&case.dy(&network), Gradients::Both, &mut trace).unwrap();
    Answer {
        y: trace.output().iter().map(|y| y.to_double()).collect(),
        gradient: trace.gradient().iter().map(|g| g.to_double()).collect(),
        dx: trace.input_gradient().unwrap().iter().map(|dx| dx.to_double()).collect(),
    }
}

/// The largest error over n·eps·(sum of the terms' sizes), n terms: at most 1 for a sum in any
/// order, and 2 more roundings where the factors were rounded to single precision.
fn rounding_ratio<T: Real>(case: &Case, found: &Answer) -> f64 {
    let (expected, sizes) = (naive(case, |x| x), naive(case, f64::abs));
    let ratio = |found: &[f64], expected: &[f64], sizes: &[f64], terms: usize| {
        assert_eq!(found.len(), expected.len());
        let unit = T::EPSILON * (terms + 3) as f64;
        let errors = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let ratios = errors.zip(sizes).map(|(error, size)| error / (unit * size).max(1e-300));
        ratios.fold(0.0, |a, b| if b.is_nan() || b > a { b } else { a })
    };
    let Conv2d { kernel, filters, groups, .. } = case.options;
    let (taps, places) = (kernel.width * kernel.height, found.y.len() / filters);
    let forward = taps * case.input.channels / groups;
    ratio(&found.y, &expected.y, &sizes.y, forward)
        .max(ratio(&found.gradient, &expected.gradient, &sizes.gradient, places))
        .max(ratio(&found.dx, &expected.dx, &sizes.dx, taps * filters / groups))
}

fn cases() -> impl Strategy<Value = Case> {
    let extent = |range: std::ops::Range<usize>| {
        (range.clone(), range).prop_map(|(width, height)| Extent { width, height })
    };
    let sizes = (1_usize..4, 1_usize..4, 1_usize..4, extent(1..10), 1_usize..4);
    let window = (extent(1..4), extent(1..4), extent(0..3), extent(1..3));
    (sizes, window, 0_u64..1000).prop_filter_map("a kernel larger than the input", |drawn| {
        let ((groups, channels, filters, size, samples), (kernel, stride, padding, dilation), seed) =
            drawn;
        let options = Conv2d::new(groups * filters, kernel)
            .stride(stride)
            .padding(padding)
            .dilation(dilation)
            .groups(groups);
        let input = Shape::image(groups * channels, size.width, size.height);
        let fits = crate::Convolution::new(input, options).is_ok();
        fits.then_some(Case { input, options, samples, seed })
    })
}

proptest! {
    #[test]
    fn the_layer_is_the_naive_sum(case in cases()) {
        for algorithm in [ConvAlgorithm::Product, ConvAlgorithm::Direct] {
            let double = rounding_ratio::<f64>(&case, &ours::<f64>(&case, algorithm));
            prop_assert!(double <= 1.0, "{algorithm:?} in f64: {double}");
            let single = rounding_ratio::<f32>(&case, &ours::<f32>(&case, algorithm));
            prop_assert!(single <= 1.0, "{algorithm:?} in f32: {single}");
        }
    }

    #[test]
    fn a_filter_for_each_channel_is_the_naive_sum(mut case in cases(), channels in 2_usize..40) {
        case.input.channels = channels;
        (case.options.filters, case.options.groups) = (channels, channels);
        for algorithm in [ConvAlgorithm::Automatic, ConvAlgorithm::Product] {
            let double = rounding_ratio::<f64>(&case, &ours::<f64>(&case, algorithm));
            prop_assert!(double <= 1.0, "{algorithm:?} in f64: {double}");
            let single = rounding_ratio::<f32>(&case, &ours::<f32>(&case, algorithm));
            prop_assert!(single <= 1.0, "{algorithm:?} in f32: {single}");
        }
    }

    #[test]
    fn groups_of_any_size_are_the_naive_sum(
        mut case in cases(), groups in 2_usize..13,
        (channels, filters) in prop_oneof![
            (1_usize..5, 1_usize..5), (1_usize..20, 1_usize..20),
        ],
    ) {
        case.input.channels = groups * channels;
        (case.options.filters, case.options.groups) = (groups * filters, groups);
        for algorithm in [ConvAlgorithm::Automatic, ConvAlgorithm::Product] {
            let double = rounding_ratio::<f64>(&case, &ours::<f64>(&case, algorithm));
            prop_assert!(double <= 1.0, "{algorithm:?} in f64: {double}");
            let single = rounding_ratio::<f32>(&case, &ours::<f32>(&case, algorithm));
            prop_assert!(single <= 1.0, "{algorithm:?} in f32: {single}");
        }
    }

    #[test]
    fn the_view_is_the_layer(case in cases()) {
        let network = case.network::<f64>(ConvAlgorithm::Automatic);
        let x = case.x::<f64>();
        let y = network.predict(&x).unwrap();
        let dy = case.dy(&network);
        let view = network.views().next().unwrap();
        let View::Affine { linear: Linear::Operator(a), bias } = view else {
            return Err(TestCaseError::fail("a convolution is affine"));
        };
        let mut ax = vec![0.0; a.nrows()];
        a.apply(x.column(0).as_slice(), &mut ax).unwrap();
        let size = y.amax();
        for ((y, ax), b) in y.column(0).iter().zip(&ax).zip(bias.iter()) {
            prop_assert!((y - (ax + b)).abs() <= 64.0 * f64::EPSILON * size);
        }
        // ⟨A·x, u⟩ = ⟨x, Aᵀ·u⟩, to the roundings of both sums.
        let mut back = vec![0.0; a.ncols()];
        a.apply_adjoint(dy.column(0).as_slice(), &mut back).unwrap();
        let left: f64 = ax.iter().zip(dy.column(0).iter()).map(|(a, b)| a * b).sum();
        let right: f64 = back.iter().zip(x.column(0).iter()).map(|(a, b)| a * b).sum();
        let terms: f64 = ax.iter().zip(dy.column(0).iter()).map(|(a, b)| (a * b).abs()).sum();
        let n = (a.nrows() + a.ncols()) as f64;
        prop_assert!((left - right).abs() <= n * f64::EPSILON * terms.max(1.0));
    }
}

/// The largest distance over the root mean square of what is expected.
fn distance(found: &[f64], expected: &[f64]) -> f64 {
    let mean = expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64;
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    worst / mean.sqrt().max(f64::MIN_POSITIVE)
}

/// Output and gradients, each by its [`distance`] to the definition.
fn distances(case: &Case, algorithm: ConvAlgorithm) -> [f64; 3] {
    let (found, expected) = (ours::<f32>(case, algorithm), naive(case, |x| x));
    [
        distance(&found.y, &expected.y),
        distance(&found.gradient, &expected.gradient),
        distance(&found.dx, &expected.dx),
    ]
}

#[test]
fn winograds_form_is_the_sum_to_the_accuracy_it_states() {
    let sizes = [(16, 31, 64, 0), (5, 9, 7, 1), (20, 6, 33, 2), (1, 3, 1, 0), (17, 8, 18, 1)];
    for (channels, size, filters, padding) in sizes {
        let case = Case {
            input: Shape::image(channels, size, size + 1),
            options: Conv2d::new(filters, 3).padding(padding),
            samples: 2,
            seed: 5,
        };
        let found = distances(&case, ConvAlgorithm::Winograd);
        assert!(found.iter().all(|&d| d <= 1e-5), "{case:?}: {found:?}");
        let [output, ..] = distances(&case, ConvAlgorithm::Direct);
        assert!(output <= 4e-6, "{case:?}: {output:e}");
    }
}

/// A network of a convolution and what may be fused with it, every parameter random.
fn followed(case: &Case, algorithm: ConvAlgorithm, order: u8) -> Network<f32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(case.seed);
    let builder = Network::builder(case.input).conv2d(case.options.algorithm(algorithm));
    let builder = match order {
        0 => builder.activation(Relu),
        1 => builder.max_pool(2),
        2 => builder.activation(Relu).max_pool(2),
        _ => builder.max_pool(2).activation(Relu),
    };
    let mut network = builder.conv2d(Conv2d::new(1, 1)).build(&mut rng).unwrap();
    let parameters = random(network.parameters().len(), &mut rng);
    network.parameters_mut().copy_from_slice(&parameters);
    network
}

proptest! {
    #[test]
    fn fused_layers_compute_what_the_layers_do(
        (channels, filters) in (1_usize..20, 1_usize..20),
        (width, height) in (4_usize..20, 4_usize..20),
        (padding, samples, order) in (0_usize..2, 1_usize..5, 0_u8..4), seed in 0_u64..1000,
        groups in prop_oneof![Just(1), 2_usize..4],
    ) {
        let input = Shape::image(groups * channels, width, height);
        let options = Conv2d::new(groups * filters, 3).padding(padding).groups(groups);
        let case = Case { input, options, samples, seed };
        for algorithm in [ConvAlgorithm::Product, ConvAlgorithm::Direct, ConvAlgorithm::Winograd] {
            let network = followed(&case, algorithm, order);
            let x = case.x();
            let mut trace = Trace::new();
            network.forward(&x, &mut trace).unwrap();
            prop_assert_eq!(trace.output(), network.predict(&x).unwrap());
            let targets = DMatrix::zeros(network.outputs(), samples);
            let loss = MeanSquaredError::new(&targets).unwrap();
            let apart = network.loss_and_gradient(&x, &loss, &mut trace).unwrap();
            let mut workspace = Workspace::new();
            let all: Vec<usize> = (0..samples).collect();
            let mode = Mode::Training { seed: 1 };
            let batch = crate::shards::Batch { x: &x, samples: &all, loss: Some(&loss), mode };
            let together = network.step_gradient(batch, &mut workspace).unwrap();
            prop_assert!((apart - together).abs() <= 1e-6 * apart);
            let (apart, together) = (trace.gradient(), workspace.gradient());
            let found = (apart - together).amax() / apart.amax().max(f32::MIN_POSITIVE);
            // Places of gradient 0 are left out of the sums, which are rounded otherwise.
            let limit = if algorithm == ConvAlgorithm::Winograd { 2e-5 } else { 4e-6 };
            prop_assert!(found <= limit, "{algorithm:?}: {found:e}");
        }
    }
}

#[test]
fn a_nan_passes_through_what_is_fused() {
    for order in 0..4 {
        let case =
            Case { input: Shape::image(1, 6, 6), options: Conv2d::new(1, 3), samples: 1, seed: 1 };
        let mut network = followed(&case, ConvAlgorithm::Direct, order);
        network.parameters_mut()[4] = f32::NAN;
        let y = network.predict(&case.x()).unwrap();
        assert!(y.iter().all(|y| y.is_nan()), "{order}");
    }
}

#[test]
fn gradients_agree_with_differences() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let network = Network::<f64>::builder(Shape::image(2, 7, 6))
        .conv2d(Conv2d::new(4, 3).stride((2, 1)).padding(1).groups(2))
        .activation(crate::Tanh)
        .average_pool(2)
        .conv2d(Conv2d::new(3, 2).dilation((1, 2)))
        .flatten()
        .dense(2)
        .build(&mut rng)
        .unwrap();
    let x = DMatrix::from_vec(84, 2, random(168, &mut rng));
    let targets = DMatrix::from_vec(2, 2, random(4, &mut rng));
    let report = gradient_check(&network, &x, &MeanSquaredError::new(&targets).unwrap()).unwrap();
    assert!(report.worst() < 1e-7 && report.uncertainty() < 1e-7, "{report:#?}");
}

#[test]
fn a_line_is_an_image_of_height_one() {
    // Second differences of the squares, by hand: each is 2.
    let mut network = Network::<f64>::builder(Shape::sequence(1, 5))
        .conv1d(Conv1d::new(1, 3))
        .build(&mut Xoshiro256PlusPlus::seed_from_u64(1))
        .unwrap();
    network.parameters_mut().copy_from_slice(&[1.0, -2.0, 1.0, 0.5]);
    let squares = DMatrix::from_column_slice(5, 1, &[0.0, 1.0, 4.0, 9.0, 16.0]);
    assert_eq!(network.predict(&squares).unwrap().as_slice(), [2.5; 3]);
}

#[test]
fn an_operator_refuses_vectors_of_the_wrong_length() {
    let layer = crate::Convolution::new(Shape::image(1, 4, 4), Conv2d::new(2, 3)).unwrap();
    let parameters = vec![0.0; 20];
    let View::Affine { linear: Linear::Operator(a), .. } = layer.view(&parameters, &[]) else {
        panic!("a convolution is affine");
    };
    let text = a.apply(&[0.0; 15], &mut [0.0; 8]).unwrap_err().to_string();
    assert_eq!(text, "x is 15 x 1, expected 16 x 1");
    let text = a.apply_adjoint(&[0.0; 8], &mut [0.0; 15]).unwrap_err().to_string();
    assert_eq!(text, "y is 15 x 1, expected 16 x 1");
}

/// What is pooled is the largest of 2 x 2 places, a NaN before all, whether the place is kept for the way
/// back or not; with filters that fill vectors and that do not, through a ReLU and without.
#[test]
fn pooling_is_the_same_with_a_record_and_without() {
    for (channels, filters, algorithm) in [
        (3, 32, ConvAlgorithm::Direct),
        (2, 5, ConvAlgorithm::Direct),
        (16, 32, ConvAlgorithm::Winograd),
        (2, 5, ConvAlgorithm::Winograd),
    ] {
        for relu in [true, false] {
            let options = Conv2d::new(filters, 3).algorithm(algorithm);
            let builder = Network::<f32>::builder(Shape::image(channels, 11, 13)).conv2d(options);
            let builder = if relu { builder.activation(Relu) } else { builder };
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
            let mut network = builder.max_pool(2).build(&mut rng).unwrap();
            // The last filter gives a NaN where its first weight meets a zero, in some of the four places.
            network.parameters_mut()[filters - 1] = f32::INFINITY;
            let x: Vec<f32> = random(network.inputs() * 3, &mut rng);
            let x = x.into_iter().map(|x| if x < -0.4 { 0.0 } else { x }).collect();
            let x = DMatrix::from_vec(network.inputs(), 3, x);
            let predicted = network.predict(&x).unwrap();
            let mut recorded = predicted.clone();
            network
                .pull_back(&x, Mode::Inference, &mut Workspace::new(), |p, _| {
                    recorded.copy_from(p);
                    Ok::<_, crate::Error>(())
                })
                .unwrap();
            let mut trace = Trace::new();
            network.forward(&x, &mut trace).unwrap();
            // Of NaNs one is as good as another, and of zeros.
            let bits = |y: f32| if y.is_nan() { f32::NAN } else { y + 0.0 }.to_bits();
            let message = format!("{filters} {algorithm:?} {relu}");
            assert_eq!(predicted.map(bits), recorded.map(bits), "{message}");
            assert_eq!(predicted.map(bits), trace.output().map(bits), "{message}");
            let bad = predicted.iter().filter(|y| y.is_nan()).count();
            assert!(
                0 < bad && bad < predicted.len() / 2,
                "{bad} of {}, {message}",
                predicted.len()
            );
        }
    }
}
