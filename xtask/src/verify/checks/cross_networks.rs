//! What holds between networks and the crates beside them: their layers as transforms, their inverses as
//! simulations, their Jacobians as matrices.

use std::f64::consts::PI;
use std::ops::ControlFlow;

use dsp::fft::{PairFft, RealFft};
use linalg::{Complex, DMatrix, DVector, PseudoInverse, Svd, singular_values};
use nn_core::{
    Adam, Batch, Conv2d, Header, Initializer, LabelledImages, Linear, Network, Relu, Shape,
    SoftmaxCrossEntropy, Tanh, Trainer, View, tuning,
};
use nn_invert::{LayerwiseInverse, SearchOptions, local, search};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::StandardNormal;
use rl_pg::{ArmHit, Plan, Simulator};

use super::rl_pg_training::{robot, throw};
use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cross/convolution-by-transform",
        question: Some(4),
        claim: "A convolution layer of nn-core gives what dsp's Fourier transform of the padded image gives.",
        run: convolution_by_transform,
    },
    Check {
        id: "cross/filter-orientation",
        question: Some(4),
        claim: "The orientation that nn-core reports of trained filters is that of their spectrum by dsp's \
                transforms.",
        run: filter_orientation,
    },
    Check {
        id: "cross/jacobian-certificate",
        question: Some(11),
        claim: "The least singular value of the whole network's Jacobian says how far the layer-wise \
                inverse carries an error of the target.",
        run: jacobian_certificate,
    },
    Check {
        id: "cross/which-ball",
        question: Some(11),
        claim: "The ball that a trained robot swung at is found from the swing, within the radius that \
                the inversion states, and thrown again it is returned alike.",
        run: which_ball,
    },
];

/// The larger; a NaN where one is a NaN.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

fn convolution_by_transform(context: &Context) -> Result<Evidence, BoxError> {
    const CHANNELS: usize = 3;
    const FILTERS: usize = 4;
    const WIDTH: usize = 20;
    const HEIGHT: usize = 18;
    // 5 x 5, and as many places out as in.
    const KERNEL: usize = 5;
    const MARGIN: usize = 2;
    let mut rng = context.rng();
    let network = Network::<f64>::builder(Shape::image(CHANNELS, WIDTH, HEIGHT))
        .initializer(Initializer::PyTorch)
        .conv2d(Conv2d::new(FILTERS, KERNEL).padding(MARGIN))
        .build(&mut rng)?;
    let x = DMatrix::from_fn(network.inputs(), 1, |_, _| rng.random_range(-1.0..1.0));
    let y = network.predict(&x)?;
    let (weights, bias) =
        network.parameters().as_slice().split_at(network.parameters().len() - FILTERS);
    let image = |channel: usize| {
        move |row: usize, column: usize| (row * WIDTH + column) * CHANNELS + channel
    };
    let tap = |filter: usize, channel: usize| {
        move |row: usize, column: usize| {
            ((row * KERNEL + column) * CHANNELS + channel) * FILTERS + filter
        }
    };
    // The correlation of image and kernel, both written row after row with `stride` places a row and
    // the image `margin` places in: all of it one transform of a line.
    let largest_error = |stride: usize, margin: usize, points: usize| -> Result<f64, BoxError> {
        let transform = RealFft::new(points)?;
        let line = |size: (usize, usize),
                    margin: usize,
                    from: &[f64],
                    at: &dyn Fn(usize, usize) -> usize| {
            let mut line = vec![0.0; points];
            for row in 0..size.1 {
                for column in 0..size.0 {
                    line[(row + margin) * stride + column + margin] = from[at(row, column)];
                }
            }
            line
        };
        let norm = |line: &[f64]| line.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut worst = 0.0;
        for filter in 0..FILTERS {
            let mut sum = vec![Complex::default(); transform.bins()];
            let mut size = bias[filter].abs();
            for channel in 0..CHANNELS {
                let pixels = line((WIDTH, HEIGHT), margin, x.as_slice(), &image(channel));
                let kernel = line((KERNEL, KERNEL), 0, weights, &tap(filter, channel));
                size += norm(&pixels) * norm(&kernel);
                let (pixels, kernel) = (transform.forward(&pixels)?, transform.forward(&kernel)?);
                for ((sum, x), k) in sum.iter_mut().zip(&pixels).zip(&kernel) {
                    *sum += x * k.conj();
                }
            }
            let found = transform.inverse(&sum)?;
            for row in 0..HEIGHT {
                for column in 0..WIDTH {
                    // Where the kernel's first tap lies, from the line's beginning.
                    let place = (row + margin) * stride + column + margin + points;
                    let place = (place - MARGIN * (stride + 1)) % points;
                    let expected = y[((row * WIDTH + column) * FILTERS + filter, 0)];
                    worst = worse(worst, (found[place] + bias[filter] - expected).abs() / size);
                }
            }
        }
        Ok(worst)
    };
    Ok(Evidence {
        measured: largest_error(WIDTH + 2 * MARGIN, MARGIN, 1024)?,
        limit: 256.0 * f64::EPSILON,
        reason: "over the norms of image and kernel: three transforms of 1024 points err by at most \
                 3.4 eps log2 N each, 76 terms of the layer by eps each; 178 eps in all",
        control: Control {
            what: "no zeros around the image: the transform wraps it around",
            measured: largest_error(WIDTH, 0, WIDTH * HEIGHT)?,
        },
        plots: Vec::new(),
        notes: vec![format!(
            "{FILTERS} filters of {KERNEL} x {KERNEL} over {CHANNELS} channels of {WIDTH} x {HEIGHT} pixels."
        )],
    })
}

/// |F(u, v)|² of a filter over a grid of 64 x 64 frequencies, by transforms along x and then along y.
fn power(filter: &DMatrix<f64>) -> Result<DMatrix<f64>, BoxError> {
    const GRID: usize = 64;
    let (along_x, along_y) = (RealFft::<f64>::new(GRID)?, PairFft::<f64>::new(GRID)?);
    let mut rows = DMatrix::from_element(GRID, GRID, Complex::default());
    for (y, row) in filter.row_iter().enumerate() {
        let mut line = vec![0.0; GRID];
        for (entry, value) in line.iter_mut().zip(row.iter()) {
            *entry = *value;
        }
        for (u, bin) in along_x.forward(&line)?.into_iter().enumerate() {
            rows[(y, u)] = bin;
            rows[(y, (GRID - u) % GRID)] = bin.conj();
        }
    }
    let mut power = DMatrix::zeros(GRID, GRID);
    for u in 0..GRID {
        let part =
            |pick: fn(&Complex<f64>) -> f64| rows.column(u).iter().map(pick).collect::<Vec<_>>();
        // The transform of L + iR is that of a complex column.
        for (v, bin) in along_y.packed(&part(|z| z.re), &part(|z| z.im))?.into_iter().enumerate() {
            power[(u, v)] = bin.norm_sqr();
        }
    }
    Ok(power)
}

/// Selectivity·e^(2i·orientation): Σ P e^(2iθ)/Σ P over the odd multiples of 1/64 cycle per pixel in
/// the disk of radius 1/2.
fn tuning_by_transform(filter: &DMatrix<f64>) -> Result<Complex<f64>, BoxError> {
    let power = power(filter)?;
    let (mut sum, mut total) = (Complex::default(), 0.0);
    for k in (1..64).step_by(2) {
        for l in (1..64).step_by(2) {
            let signed = |k: usize| if k < 32 { k as f64 } else { k as f64 - 64.0 } / 64.0;
            let (u, v) = (signed(k), signed(l));
            if u.hypot(v) <= 0.5 {
                sum += Complex::from_polar(power[(k, l)], 2.0 * v.atan2(u));
                total += power[(k, l)];
            }
        }
    }
    Ok(sum / total)
}

fn filter_orientation(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let file = context.data("nn-core", "digits.csv");
    let data = LabelledImages::<f32>::from_csv_file(file, Header::Present, 10)?
        .scaled(1.0 / 16.0)?
        .shaped(Shape::image(1, 8, 8))?;
    let loss = SoftmaxCrossEntropy::new(data.labels(), 10)?;
    let mut network = Network::<f32>::builder(data.shape())
        .conv2d(Conv2d::new(12, 3))
        .activation(Relu)
        .max_pool(2)
        .dense(10)
        .build(&mut rng)?;
    let mut trainer = Trainer::new(Adam::new(3e-3)?, Batch::Mini(64), rng.random());
    let _ = trainer.train(&mut network, data.images(), &loss, 5, |_| ControlFlow::Continue(()))?;
    let filters = network.filters(0)?;
    let (mut measured, mut control) = (0.0, 0.0);
    let mut table = Vec::new();
    for filter in filters.column_iter() {
        let entries: Vec<f64> = filter.iter().map(|&w| f64::from(w)).collect();
        let tuned = tuning(&entries, 3, 3)?;
        let reported = Complex::from_polar(tuned.orientation_selectivity, 2.0 * tuned.orientation);
        let square = DMatrix::from_row_slice(3, 3, &entries);
        measured = worse(measured, (reported - tuning_by_transform(&square)?).norm());
        let turned = tuning_by_transform(&square.transpose())?;
        control = worse(control, (reported - turned).norm());
        table.push(format!("{:.0}°", tuned.orientation * 180.0 / PI));
    }
    Ok(Evidence {
        measured,
        limit: 1000.0 * f64::EPSILON,
        reason: "distance of selectivity e^(2i orientation), which is at most 1: sums of 9 terms with phases up \
                 to 2 pi and transforms of 64 x 64 points err by 30 eps, a power by four times that of a \
                 filter's norm, and three norms are the most that its entries add up to",
        control: Control { what: "rows read as columns: the filter transposed", measured: control },
        plots: Vec::new(),
        notes: vec![format!(
            "Twelve 3 x 3 filters after 5 epochs on the digits prefer waves at {}.",
            table.join(", ")
        )],
    })
}

fn jacobian_certificate(context: &Context) -> Result<Evidence, BoxError> {
    /// Units a layer.
    const UNITS: usize = 8;
    const STEP: f64 = 1e-6;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0, 0.0);
    let (mut largest, mut product_largest) = (0.0, 0.0);
    for _ in 0..20 {
        let mut network = Network::<f64>::builder(UNITS)
            .initializer(Initializer::Orthogonal(1.0))
            .dense(UNITS)
            .activation(Tanh)
            .dense(UNITS)
            .activation(Tanh)
            .dense(UNITS)
            .build(&mut rng)?;
        // Rows from 1 down to 1/4: the condition of each matrix is 4. A dense layer has its weights
        // column after column, then its biases.
        for range in network.parameter_ranges().to_vec() {
            for (index, entry) in network.parameters_mut()[range].iter_mut().enumerate() {
                *entry *= 0.25f64.powf((index % UNITS) as f64 / (UNITS - 1) as f64);
            }
        }
        let x = DVector::from_fn(UNITS, |_, _| rng.random_range(-1.0..1.0));
        let svd = Svd::new(&network.jacobian(&x)?)?;
        let least = svd.singular_values[UNITS - 1];
        let y = network.predict(&DMatrix::from_column_slice(UNITS, 1, x.as_slice()))?;
        // Both ways along the direction that is hardest to follow; the input moves by 1e-6.
        let along = svd.u.column(UNITS - 1) * (STEP * least);
        let targets = DMatrix::from_columns(&[y.column(0) + &along, y.column(0) - &along]);
        let found = LayerwiseInverse::new(&network)?.invert_many(&targets)?.inputs;
        let observed = (found.column(0) - found.column(1)).norm() / 2.0 / along.norm();
        let stated = local(&network, &y.column(0).into_owned(), &x)?.amplification;
        let off = |amplification: f64| (amplification / observed - 1.0).abs();
        measured = worse(measured, worse(off(stated), off(1.0 / least)));
        let mut product = 1.0;
        for view in network.views() {
            if let View::Affine { linear: Linear::Matrix(weight), .. } = view {
                let sigma = singular_values(&weight.into_owned())?;
                product /= sigma[sigma.len() - 1];
            }
        }
        control = worse(control, off(product));
        (largest, product_largest) = (worse(largest, observed), worse(product_largest, product));
    }
    Ok(Evidence {
        measured,
        limit: 1e-4,
        reason: "relative: steps of 1e-6 leave a central difference 1e-12 times the curvature, and rounding \
                 eps over 1e-6 times the condition, below 1e4",
        control: Control {
            what: "the product of what the layers' matrices amplify by at most",
            measured: control,
        },
        plots: Vec::new(),
        notes: vec![format!(
            "Twenty networks of three layers amplify by up to {largest:.0}, where the product of their matrices says {product_largest:.0}."
        )],
    })
}

fn which_ball(context: &Context) -> Result<Evidence, BoxError> {
    /// Of the trajectory's weights, in radians: encoders are worse.
    const NOISE: f64 = 1e-8;
    const SEEN: usize = 400;
    const ASKED: usize = 40;
    let mut rng = context.rng();
    let mut learner = robot(context.seed)?;
    let _ = learner
        .train(&mut [ArmHit::new()], throw, Plan::steps(2_000), |_| ControlFlow::Continue(()))?;
    let network = in_double(learner.actor().network(), &mut rng)?;
    let mut arm = ArmHit::new();
    let balls = ArmHit::halton_contexts(SEEN + ASKED);
    let observe = |arm: &ArmHit, ball: &[f64]| -> Result<DVector<f64>, BoxError> {
        let mut seen = DVector::zeros(4);
        arm.observe(ball, 0, seen.as_mut_slice())?;
        Ok(seen)
    };
    let mut observations = DMatrix::zeros(4, SEEN + ASKED);
    for (index, ball) in balls.column_iter().enumerate() {
        observations.set_column(index, &observe(&arm, ball.as_slice())?);
    }
    let swings = network.predict(&observations)?;

    // What people fit: the ball as a linear function of the swing, from the balls seen.
    let with_one = |swings: &DMatrix<f64>| swings.clone().insert_row(15, 1.0);
    let practice = with_one(&swings.columns(0, SEEN).into_owned()).transpose();
    let regression =
        PseudoInverse::new(&practice)?.solve_many(&observations.columns(0, SEEN).transpose())?;

    let options = SearchOptions::default().tolerance(1e-13);
    let (mut measured, mut control) = (0.0, 0.0);
    let (mut radii, mut errors, mut guesses) = (Vec::new(), Vec::new(), Vec::new());
    let mut differ = 0.0;
    for index in SEEN..SEEN + ASKED {
        let noise = DVector::from_fn(15, |_, _| NOISE * rng.sample::<f64, _>(StandardNormal));
        let swing = swings.column(index) + &noise;
        let truth = observations.column(index).into_owned();
        // From the mean ball, and from balls seen where that ends elsewhere.
        let mut found = None;
        for start in 0..20 {
            let seed = if start == 0 {
                DVector::zeros(4)
            } else {
                observations.column(start).into_owned()
            };
            let end = search(&network, &swing, &seed, &options, |_| ControlFlow::Continue(()))?;
            if end.relative_residual < 1e-6 {
                found = Some(end.input);
                break;
            }
        }
        let found = found.ok_or("no ball was found for a swing")?;
        // To first order an error of the swing moves the ball by at most this.
        let radius = local(&network, &swing, &found)?.amplification * noise.norm();
        let error = (&found - &truth).norm();
        measured = worse(measured, error / radius);
        let guess = regression.tr_mul(&swing.clone().insert_row(15, 1.0));
        control = worse(control, (&guess - &truth).norm() / radius);
        radii.push((index as f64, radius));
        errors.push((index as f64, error));
        guesses.push((index as f64, (guess - &truth).norm()));
        // The certificate before the simulator: the same swing at the ball that was found.
        let action = swings.column(index).into_owned();
        let again = DVector::from_fn(4, |k, _| ball_entry(&balls, &observations, k, found[k]));
        let thrown =
            arm.rollout(balls.column(index).into_owned().as_slice(), action.as_slice(), 0)?;
        let repeated = arm.rollout(again.as_slice(), action.as_slice(), 0)?;
        let alike = thrown.metrics[..2] == repeated.metrics[..2];
        differ += f64::from(u8::from(!alike || (thrown.reward - repeated.reward).abs() > 1e-4));
    }
    if differ > 0.0 {
        measured = f64::INFINITY;
    }
    let series = |label: &str, mark, points| Series { label: label.into(), mark, points };
    Ok(Evidence {
        measured,
        limit: 1.01,
        reason: "distance over the stated radius: 1 to first order, and the second order of 1e-7 is less than a \
                 hundredth; infinite where the ball found is not returned like the first",
        control: Control { what: "the ball by linear regression on 400 swings", measured: control },
        plots: vec![Plot {
            title: "which ball was this swing for?",
            x: Axis { label: "ball", scale: Scale::Linear },
            y: Axis {
                label: "distance from the ball thrown (standard deviations)",
                scale: Scale::Log,
            },
            series: vec![
                series("found", Mark::Dots, errors),
                series("radius stated", Mark::Dashed, radii),
                series("linear regression", Mark::Dots, guesses),
            ],
        }],
        notes: vec![format!(
            "{ASKED} swings, known to {NOISE:.0e} rad, of a network trained on 2,000 rollouts; each ball found was thrown again."
        )],
    })
}

/// The entry of a ball, in meters or meters per second, whose standardized value is `seen`: `observe` is
/// affine in each entry, and two balls say how.
fn ball_entry(balls: &DMatrix<f64>, seen: &DMatrix<f64>, k: usize, value: f64) -> f64 {
    let slope = (balls[(k, 1)] - balls[(k, 0)]) / (seen[(k, 1)] - seen[(k, 0)]);
    balls[(k, 0)] + slope * (value - seen[(k, 0)])
}

/// The robot's network, 4-32-32-15 with tanh, in double precision.
fn in_double(
    network: &Network<f32>,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Network<f64>, BoxError> {
    let mut double = Network::<f64>::builder(4)
        .dense(32)
        .activation(Tanh)
        .dense(32)
        .activation(Tanh)
        .dense(15)
        .build(rng)?;
    for (to, &from) in double.parameters_mut().iter_mut().zip(network.parameters().iter()) {
        *to = f64::from(from);
    }
    Ok(double)
}
