//! What `nn-core` claims of convolutions.

use linalg::{DMatrix, Real};
use nn_core::{Conv2d, ConvAlgorithm, Gradients, Network, Shape, Trace};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-core/convolution",
        question: Some(4),
        claim: "a convolution layer and its gradients, by every algorithm, are the naive sums",
        run: naive_sums,
    },
    Check {
        id: "nn-core/winograd",
        question: Some(4),
        claim: "Winograd's form in single precision is within 1e-5 of the outputs' root mean square",
        run: winograd,
    },
];

/// A convolution with everything that an option can say, and its input.
struct Case {
    input: Shape,
    options: Conv2d,
    samples: usize,
    parameters: Vec<f64>,
    x: DMatrix<f64>,
    dy: DMatrix<f64>,
}

impl Case {
    fn new(
        input: Shape,
        options: Conv2d,
        samples: usize,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self, BoxError> {
        let network = Network::<f64>::builder(input).conv2d(options).build(rng)?;
        let parameters = (0..network.parameters().len()).map(|_| rng.random_range(-1.0..1.0));
        let parameters = parameters.collect();
        let mut matrix = |rows| DMatrix::from_fn(rows, samples, |_, _| rng.random_range(-1.0..1.0));
        let (x, dy) = (matrix(input.len()), matrix(network.outputs()));
        Ok(Self { input, options, samples, parameters, x, dy })
    }

    fn network<T: Real>(&self, algorithm: ConvAlgorithm) -> Result<Network<T>, BoxError> {
        use rand::SeedableRng;
        let mut network = Network::<T>::builder(self.input)
            .conv2d(self.options.algorithm(algorithm))
            .build(&mut Xoshiro256PlusPlus::seed_from_u64(0))?;
        for (theta, &value) in network.parameters_mut().iter_mut().zip(&self.parameters) {
            *theta = T::from_double(value);
        }
        Ok(network)
    }

    /// The output, and the gradients by parameters and by the input, of `network`.
    fn run<T: Real>(&self, network: &Network<T>) -> Result<[Vec<f64>; 3], BoxError> {
        let mut trace = Trace::new();
        network.forward(&self.x.map(T::from_double), &mut trace)?;
        network.backward(&self.dy.map(T::from_double), Gradients::Both, &mut trace)?;
        let dx = trace.input_gradient().ok_or("no gradient of the input")?;
        Ok([
            trace.output().iter().map(|y| y.to_double()).collect(),
            trace.gradient().iter().map(|g| g.to_double()).collect(),
            dx.iter().map(|dx| dx.to_double()).collect(),
        ])
    }

    /// The same by seven loops: samples, rows, columns, filters, taps in y and x, channels. Of the
    /// absolute values with `size`, and with the kernel flipped where asked for.
    fn naive(&self, size: fn(f64) -> f64, order: Order) -> [Vec<f64>; 3] {
        let Conv2d { filters, kernel, stride, padding, dilation, groups, .. } = self.options;
        let channels = self.input.channels / groups;
        let weights = self.parameters.len() - filters;
        let places = self.dy.nrows() / filters;
        let reach = (kernel.width - 1) * dilation.width + 1;
        let width = (self.input.width + 2 * padding.width - reach) / stride.width + 1;
        let theta: Vec<f64> = self.parameters.iter().map(|&w| size(w)).collect();
        let (x, dy) = (self.x.map(size), self.dy.map(size));
        let mut y = DMatrix::from_fn(self.dy.nrows(), self.samples, |row, _| {
            theta[weights + row % filters]
        });
        let mut gradient = vec![0.0; theta.len()];
        let mut dx = DMatrix::zeros(self.input.len(), self.samples);
        for sample in 0..self.samples {
            for place in 0..places {
                for f in 0..filters {
                    let to = place * filters + f;
                    gradient[weights + f] += dy[(to, sample)];
                    for tap in 0..kernel.width * kernel.height {
                        let (i, j) = (tap % kernel.width, tap / kernel.width);
                        let row = (place / width * stride.height + j * dilation.height)
                            .wrapping_sub(padding.height);
                        let column = (place % width * stride.width + i * dilation.width)
                            .wrapping_sub(padding.width);
                        if row >= self.input.height || column >= self.input.width {
                            continue;
                        }
                        let tap = match order {
                            Order::Correlation => tap,
                            Order::Flipped => kernel.width * kernel.height - 1 - tap,
                        };
                        for c in 0..channels {
                            let channel = f / (filters / groups) * channels + c;
                            let from = (row * self.input.width + column) * self.input.channels;
                            let from = from + channel;
                            let weight = (tap * channels + c) * filters + f;
                            y[(to, sample)] += theta[weight] * x[(from, sample)];
                            gradient[weight] += dy[(to, sample)] * x[(from, sample)];
                            dx[(from, sample)] += theta[weight] * dy[(to, sample)];
                        }
                    }
                }
            }
        }
        [y.data.into(), gradient, dx.data.into()]
    }
}

/// Which weight of a kernel meets which value under it.
#[derive(Clone, Copy)]
enum Order {
    Correlation,
    Flipped,
}

/// The largest error relative to the sum of its terms' sizes.
fn relative(found: &[Vec<f64>; 3], expected: &[Vec<f64>; 3], sizes: &[Vec<f64>; 3]) -> f64 {
    let all = |parts: &[Vec<f64>; 3]| parts.concat();
    let (found, expected, sizes) = (all(found), all(expected), all(sizes));
    let errors = found.iter().zip(&expected).zip(&sizes);
    errors.map(|((a, b), size)| (a - b).abs() / size.max(1e-300)).fold(0.0, worse)
}

/// The larger; a NaN where one is a NaN.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

fn naive_sums(context: &Context) -> Result<Evidence, BoxError> {
    const TERMS: usize = 256;
    let mut rng = context.rng();
    let cases = [
        (Shape::image(3, 16, 14), Conv2d::new(8, 3)),
        (Shape::image(16, 9, 8), Conv2d::new(20, 3).padding(1)),
        (Shape::image(4, 11, 9), Conv2d::new(6, (3, 2)).stride((2, 1)).padding((2, 1)).groups(2)),
        (Shape::image(5, 12, 10), Conv2d::new(7, 2).dilation((2, 3))),
        (Shape::sequence(6, 40), Conv2d::new(10, (5, 1)).padding((2, 0))),
    ];
    let algorithms = [ConvAlgorithm::Automatic, ConvAlgorithm::Direct, ConvAlgorithm::Product];
    let (mut measured, mut control, mut sums) = (0.0, f64::INFINITY, 0);
    for (input, options) in cases {
        let case = Case::new(input, options, 2, &mut rng)?;
        let expected = case.naive(|x| x, Order::Correlation);
        let sizes = case.naive(f64::abs, Order::Correlation);
        for algorithm in algorithms {
            let found = case.run(&case.network::<f64>(algorithm)?)?;
            measured = worse(measured, relative(&found, &expected, &sizes));
            let flipped = case.naive(|x| x, Order::Flipped);
            control = f64::min(control, relative(&found, &flipped, &sizes));
            sums += found.iter().map(Vec::len).sum::<usize>();
        }
    }
    Ok(Evidence {
        measured,
        limit: TERMS as f64 * f64::EPSILON,
        reason: "n eps of the sum of the terms' sizes, for sums of up to 256 terms in any order",
        control: Control {
            what: "the kernel flipped: a convolution in the sense of signal processing",
            measured: control,
        },
        plots: vec![],
        notes: vec![format!(
            "{sums} outputs and derivatives of five layers with stride, padding, dilation and groups, \
             by three algorithms."
        )],
    })
}

fn winograd(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let case = Case::new(Shape::image(32, 20, 20), Conv2d::new(32, 3), 1, &mut rng)?;
    let expected = case.naive(|x| x, Order::Correlation);
    let distance = |found: &[Vec<f64>; 3]| {
        let parts = found.iter().zip(&expected).map(|(found, expected)| {
            let square: f64 = expected.iter().map(|x| x * x).sum();
            let mean = (square / expected.len() as f64).sqrt();
            let errors = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / mean);
            errors.fold(0.0, worse)
        });
        parts.fold(0.0, worse)
    };
    let measured = distance(&case.run(&case.network::<f32>(ConvAlgorithm::Winograd)?)?);
    let direct = distance(&case.run(&case.network::<f32>(ConvAlgorithm::Direct)?)?);
    // Weights in half precision: the error of what is faster still.
    let mut rounded = case.network::<f32>(ConvAlgorithm::Direct)?;
    for weight in rounded.parameters_mut() {
        *weight = f32::from_bits((weight.to_bits() + 0x1000) & 0xffff_e000);
    }
    Ok(Evidence {
        measured,
        limit: 1e-5,
        reason: "the documented accuracy: 80 eps, from transforms whose norms multiply to 30 or so",
        control: Control {
            what: "the direct form with weights rounded to 10 bits",
            measured: distance(&case.run(&rounded)?),
        },
        plots: vec![],
        notes: vec![format!("The direct form is within {direct:.1e}.")],
    })
}
