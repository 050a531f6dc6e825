//! Time and memory of the main operations at any size, for `cargo xtask bench --growth`.
//!
//! `--list` writes an operation a line, as JSON: its id, the sizes at which it is measured, and as theory has them the
//! exponents a, b of nᵃ (log n)ᵇ for time and for memory. Without it, a line `id size` on standard input is answered with
//! the seconds of a run and the bytes that it has allocated at most at a time. The input is made before and is not counted.

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use benches::{matrix, single, sparse_problem, swings, symmetric, uniform};
use dsp::events::{EventOptions, find_events};
use dsp::fft::RealFft;
use dsp::noise::noise_floor;
use dsp::peaks::{PeakOptions, find_peaks};
use dsp::wavelet::{Mode, Wavelet};
use dsp::welch::{WelchOptions, welch};
use linalg::{DMatrix, DVector, HermitianEigen, Lu, Svd};
use nn_core::{
    Batch, Conv2d, MeanSquaredError, Network, Relu, Sgd, Shape, SoftmaxCrossEntropy, Tanh, Trainer,
};
use nn_invert::{Chain, LayerwiseInverse};
use quad::{GaussLegendre, HarmonicTransform, RingKind, SolidAngle, SphereRule, ring_weights};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::{ArmHit, Simulator};

type Answer<T> = Result<T, Box<dyn Error>>;
/// An operation with its input; it returns a number of its result.
type Run = Box<dyn FnMut() -> Answer<f64> + Send>;

struct Operation {
    id: &'static str,
    /// a and b of nᵃ (log n)ᵇ.
    time: [u8; 2],
    memory: [u8; 2],
    sizes: &'static [usize],
    make: fn(usize) -> Answer<Run>,
}

/// Three decades up to what a dense matrix may be.
const DENSE: &[usize] = &[2, 6, 20, 63, 200, 632, 2000];
/// The same for what takes ten times as long.
const SLOW: &[usize] = &[1, 3, 10, 32, 100, 316, 1000];
/// Samples, entries, rings.
const LONG: &[usize] = &[1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000];
/// Samples of a batch.
const BATCH: &[usize] = &[10, 32, 100, 316, 1000, 3162, 10_000];
/// Powers of two.
const BINARY: &[usize] = &[1024, 4096, 16_384, 65_536, 262_144, 1_048_576];

#[rustfmt::skip]
const OPERATIONS: [Operation; 18] = [
    Operation { id: "growth/linalg/product", time: [3, 0], memory: [2, 0], sizes: DENSE, make: product },
    Operation { id: "growth/linalg/lu-solve", time: [3, 0], memory: [2, 0], sizes: DENSE, make: lu },
    Operation { id: "growth/linalg/svd", time: [3, 0], memory: [2, 0], sizes: SLOW, make: svd },
    Operation { id: "growth/linalg/hermitian-eigen", time: [3, 0], memory: [2, 0], sizes: SLOW, make: eigen },
    Operation { id: "growth/dsp/rfft", time: [1, 1], memory: [1, 0], sizes: BINARY, make: rfft },
    Operation { id: "growth/dsp/welch", time: [1, 0], memory: [0, 0], sizes: LONG, make: density },
    Operation { id: "growth/dsp/peaks-prominence", time: [1, 0], memory: [1, 0], sizes: LONG, make: peaks },
    Operation { id: "growth/dsp/events", time: [1, 0], memory: [1, 0], sizes: LONG, make: events },
    Operation { id: "growth/dsp/dwt-and-back", time: [1, 0], memory: [1, 0], sizes: LONG, make: wavelet },
    Operation { id: "growth/quad/gauss-legendre", time: [1, 0], memory: [1, 0], sizes: LONG, make: legendre },
    Operation { id: "growth/quad/clenshaw-curtis", time: [1, 1], memory: [1, 0], sizes: LONG, make: rings },
    Operation { id: "growth/quad/analysis-by-degree", time: [3, 0], memory: [2, 0], sizes: SLOW, make: analysis },
    Operation { id: "growth/nn-core/train-by-batch", time: [1, 0], memory: [1, 0], sizes: BATCH, make: train_batch },
    Operation { id: "growth/nn-core/train-by-width", time: [2, 0], memory: [2, 0], sizes: DENSE, make: train_width },
    Operation { id: "growth/nn-core/convolution-by-pixels", time: [1, 0], memory: [1, 0], sizes: LONG, make: convolution },
    Operation { id: "growth/nn-invert/dense-layers", time: [3, 0], memory: [2, 0], sizes: DENSE, make: dense_inverse },
    Operation { id: "growth/nn-invert/sparse-layers", time: [1, 0], memory: [1, 0], sizes: LONG, make: sparse_inverse },
    Operation { id: "growth/rl-pg/arm-hit", time: [1, 0], memory: [1, 0], sizes: BATCH, make: arm },
];

fn main() -> Answer<()> {
    let mut out = std::io::stdout().lock();
    if std::env::args().nth(1).as_deref() == Some("--list") {
        for Operation { id, time, memory, sizes, .. } in OPERATIONS {
            writeln!(
                out,
                r#"{{"id": "{id}", "time": {time:?}, "memory": {memory:?}, "sizes": {sizes:?}}}"#
            )?;
        }
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (id, size) = line.split_once(' ').ok_or("not a request")?;
        let operation = OPERATIONS.iter().find(|operation| operation.id == id);
        let mut run = (operation.ok_or("no such operation")?.make)(size.parse()?)?;
        // Allocations are counted on one thread, and what the crates share out runs on those of their pool, of which
        // `RAYON_NUM_THREADS` leaves one: it measures from there.
        let measured =
            linalg::parallel::join(|| measure(&mut run).map_err(|error| error.to_string()), || ());
        let (seconds, bytes) = measured.0?;
        writeln!(out, "{seconds:e} {bytes}")?;
        out.flush()?;
    }
    Ok(())
}

/// The least seconds of five batches of about 10 ms, or of one run where that takes longer, and the bytes.
fn measure(run: &mut Run) -> Answer<(f64, u64)> {
    let mut first = Ok(0.0);
    let bytes = allocation_counter::measure(|| first = run()).bytes_max;
    black_box(first?);
    let mut batch = |calls: f64| -> Answer<f64> {
        let start = Instant::now();
        let mut done = 0.0;
        while done < calls {
            black_box(run()?);
            done += 1.0;
        }
        Ok(start.elapsed().as_secs_f64() / calls)
    };
    let mut least = batch(1.0)?;
    if least < 0.2 {
        let calls = (0.01 / least).clamp(1.0, 1e5).ceil();
        for _ in 0..5 {
            least = least.min(batch(calls)?);
        }
    }
    Ok((least, bytes))
}

fn product(n: usize) -> Answer<Run> {
    let (a, b) = (matrix(1, n, n), matrix(2, n, n));
    Ok(Box::new(move || Ok(linalg::product(&a, &b)?[0])))
}

fn lu(n: usize) -> Answer<Run> {
    let (a, b) = (matrix(1, n, n), DVector::from_vec(uniform(2, n)));
    Ok(Box::new(move || Ok(Lu::new(a.clone())?.solve(&b)?[0])))
}

fn svd(n: usize) -> Answer<Run> {
    let a = matrix(1, n, n);
    Ok(Box::new(move || Ok(Svd::new(&a)?.singular_values[0])))
}

fn eigen(n: usize) -> Answer<Run> {
    let a = symmetric(n);
    Ok(Box::new(move || Ok(HermitianEigen::new(&a)?.values[0])))
}

fn rfft(n: usize) -> Answer<Run> {
    let (fft, x) = (RealFft::<f64>::new(n)?, uniform(1, n));
    Ok(Box::new(move || Ok(fft.forward(&x)?[1].re)))
}

fn density(n: usize) -> Answer<Run> {
    let (x, options) = (uniform(1, n), WelchOptions::default().len(512).hop(256));
    Ok(Box::new(move || Ok(welch(&x, 1.0, &options)?.density[1])))
}

/// A slow sine in noise.
fn signal(n: usize) -> Vec<f64> {
    let noise = uniform(1, n);
    noise.iter().enumerate().map(|(i, noise)| (i as f64 * 0.01).sin() + 0.7 * noise).collect()
}

fn peaks(n: usize) -> Answer<Run> {
    let (x, options) = (signal(n), PeakOptions::default().prominence(0.5..));
    Ok(Box::new(move || Ok(find_peaks(&x, &options)?.len() as f64)))
}

fn events(n: usize) -> Answer<Run> {
    // Five samples of every hundred stand out.
    let noise = uniform(3, n);
    let bump = |(i, noise)| if i % 100 < 5 { 4.0 + noise } else { noise };
    let x: Vec<f64> = noise.into_iter().enumerate().map(bump).collect();
    let options = EventOptions::default();
    let floor = [noise_floor(&x, 0.0)?];
    Ok(Box::new(move || Ok(find_events(&x, &floor, &options)?.len() as f64)))
}

fn wavelet(n: usize) -> Answer<Run> {
    let (x, wavelet) = (signal(n), Wavelet::new("db4")?);
    Ok(Box::new(move || Ok(wavelet.decompose(&x, Mode::Symmetric, 6)?.reconstruct()?[0])))
}

fn legendre(n: usize) -> Answer<Run> {
    Ok(Box::new(move || Ok(GaussLegendre::new(black_box(n))?.nodes()[0])))
}

fn rings(n: usize) -> Answer<Run> {
    Ok(Box::new(move || Ok(ring_weights(SolidAngle, RingKind::Vertices, black_box(n))?[0])))
}

fn analysis(degree: usize) -> Answer<Run> {
    let rule = SphereRule::of_degree(SolidAngle, 2 * degree + 1)?;
    let transform = HarmonicTransform::new(&rule, degree)?;
    let field: Vec<f64> = rule.directions().map(|x| (x.x() - 2.0 * x.z()).exp()).collect();
    Ok(Box::new(move || Ok(transform.analyze(&field)?.get(1, 0).re)))
}

/// One step of gradient descent, with the buffers that a first step makes.
fn step(
    network: &Network<f32>,
    x: &DMatrix<f32>,
    loss: &dyn nn_core::Loss<f32>,
) -> nn_core::Result<f64> {
    let mut trainer = Trainer::new(Sgd::new(0.01, 0.0)?, Batch::Full, 1);
    trainer.step(&mut network.clone(), x, loss)
}

fn train_batch(batch: usize) -> Answer<Run> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let network = Network::<f32>::builder(784)
        .dense(256)
        .activation(Relu)
        .dense(128)
        .activation(Relu)
        .dense(10)
        .build(&mut rng)?;
    let x = DMatrix::from_vec(784, batch, single(1, 784 * batch, 2.0));
    let labels: Vec<usize> = (0..batch).map(|sample| 7 * sample % 10).collect();
    Ok(Box::new(move || Ok(step(&network, &x, &SoftmaxCrossEntropy::new(&labels, 10)?)?)))
}

fn train_width(width: usize) -> Answer<Run> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let network = Network::<f32>::builder(width)
        .dense(width)
        .activation(Tanh)
        .dense(width)
        .build(&mut rng)?;
    let x = DMatrix::from_vec(width, 32, single(1, 32 * width, 2.0));
    Ok(Box::new(move || Ok(step(&network, &x, &MeanSquaredError::new(&x)?)?)))
}

/// Eight filters of 3 × 3 on a square image of so many pixels, about.
fn convolution(pixels: usize) -> Answer<Run> {
    let side = pixels.isqrt();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let network = Network::<f32>::builder(Shape::image(3, side, side))
        .conv2d(Conv2d::new(8, 3))
        .build(&mut rng)?;
    let x = DMatrix::from_vec(network.inputs(), 1, single(1, network.inputs(), 1.0));
    Ok(Box::new(move || Ok(f64::from(network.predict(&x)?[0]))))
}

fn dense_inverse(n: usize) -> Answer<Run> {
    let weights =
        [1, 2].map(|seed| DMatrix::identity(n, n) + matrix(seed, n, n) / (n as f64).sqrt());
    let (bias, target) = (uniform(3, n), DVector::from_vec(uniform(4, n)));
    Ok(Box::new(move || {
        let [first, second] = &weights;
        let leaky = nn_core::LeakyRelu::new(0.1)?;
        let chain = Chain::new(n)
            .dense(first.as_view(), &bias)?
            .activation(leaky)
            .dense(second.as_view(), &bias)?;
        Ok(LayerwiseInverse::with_options(chain, Default::default())?.invert(&target)?.input[0])
    }))
}

fn sparse_inverse(n: usize) -> Answer<Run> {
    let problem = sparse_problem(n, 1.0);
    Ok(Box::new(move || Ok(problem.invert()?[0])))
}

fn arm(count: usize) -> Answer<Run> {
    let (contexts, actions) = swings(count);
    let (mut arm, seeds) = (ArmHit::new(), vec![0; count]);
    Ok(Box::new(move || Ok(arm.rollouts(&contexts, &actions, &seeds)?[0].reward)))
}
