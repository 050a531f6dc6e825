//! What each pass of a convolution network takes on this machine, beside the fraction of the processor's
//! multiply-adds that the sums of the definition would be.
//!
//! `cargo run --release -p nn-core --example convolution_times -- 32` for batches of 32, with
//! `RAYON_NUM_THREADS=1` before it for one thread. A fraction above 1 is one of Winograd's form, which
//! multiplies less than the definition. Times are the least of many calls through the public interface,
//! checks and copies of the input included.

#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use linalg::lanes::{Task, Vectors, run};
use linalg::{DMatrix, Real};
use nn_core::{
    Batch, Conv2d, ConvAlgorithm, Gradients, Network, NetworkBuilder, Relu, Sgd, Shape,
    SoftmaxCrossEntropy, Trace, Trainer, Workspace,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// Sums that a core adds to side by side: as many as keep its units busy.
const SUMS: usize = 24;

/// So many fused multiply-adds in each lane of each sum.
struct Peak(usize);

impl Task<f32> for Peak {
    /// A number, so that nothing is left out, and the multiply-adds.
    type Output = (f32, usize);

    #[inline(always)]
    fn run<V: Vectors<f32>>(self, v: V) -> (f32, usize) {
        let half = v.splat(0.5);
        let mut sums = [half; SUMS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = v.mul_add(*sum, 0.75, half);
            }
        }
        let mut all = half;
        for sum in sums {
            all = v.plus(all, sum);
        }
        let mut first = [0.0];
        v.store(&mut first, all);
        (first[0], self.0 * SUMS * v.lanes())
    }
}

/// The least seconds of a call, over about half a second of them.
fn least<E>(mut call: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed().as_secs_f64() < 0.5 {
        let start = Instant::now();
        call()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Multiply-adds a second.
fn peak() -> f64 {
    let mut done = 0;
    let seconds = least(|| {
        let (sum, count) = run(Peak(black_box(20_000)));
        black_box(sum);
        done = count;
        Ok::<(), ()>(())
    });
    done as f64 / seconds.unwrap_or(f64::INFINITY)
}

fn numbers(rows: usize, columns: usize) -> DMatrix<f32> {
    DMatrix::from_fn(rows, columns, |i, j| f32::from_double(((7 * i + 31 * j) % 113) as f64 / 56.0))
        .add_scalar(-1.0)
}

struct Table {
    batch: usize,
    peak: f64,
}

impl Table {
    fn row(&self, layer: &str, form: &str, pass: &str, seconds: f64, multiply_adds: usize) {
        let image = seconds / self.batch as f64;
        let fraction = multiply_adds as f64 / image / self.peak;
        println!("{layer:<28}{form:<10}{pass:<16}{:>9.1}{fraction:>10.2}", image * 1e6);
    }

    /// The passes of one layer by itself.
    fn layer(
        &self,
        name: &str,
        form: &str,
        builder: NetworkBuilder<f32>,
    ) -> Result<(), Box<dyn Error>> {
        let network = builder.build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?;
        let work = network.layers().map(|layer| layer.multiply_adds()).sum();
        let x = numbers(network.inputs(), self.batch);
        let dy = numbers(network.outputs(), self.batch);
        let mut trace = Trace::new();
        let seconds = least(|| network.forward(&x, &mut trace))?;
        self.row(name, form, "forward", seconds, work);
        for (pass, wanted) in
            [("weight gradient", Gradients::Parameters), ("input gradient", Gradients::Input)]
        {
            let seconds = least(|| network.backward(&dy, wanted, &mut trace))?;
            self.row(name, form, pass, seconds, work);
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let batch = std::env::args().nth(1).map_or(Ok(32), |text| text.parse())?;
    let table = Table { batch, peak: peak() };
    println!("{:.1} billion multiply-adds a second at most; batches of {batch}", table.peak * 1e-9);
    println!("{:<28}{:<10}{:<16}{:>9}{:>10}", "layer", "form", "pass", "us/image", "of peak");
    let (direct, winograd) = (ConvAlgorithm::Direct, ConvAlgorithm::Winograd);
    let (large, small) = (Shape::image(3, 64, 64), Shape::image(32, 31, 31));
    for (name, form, input, filters, algorithm) in [
        ("3 -> 32 on 64 x 64", "direct", large, 32, direct),
        ("32 -> 64 on 31 x 31", "direct", small, 64, direct),
        ("32 -> 64 on 31 x 31", "Winograd", small, 64, winograd),
        ("each of 32 on 31 x 31", "direct", small, 32, direct),
        ("each of 32 on 31 x 31", "product", small, 32, ConvAlgorithm::Product),
    ] {
        let groups = if name.starts_with("each") { filters } else { 1 };
        let options = Conv2d::new(filters, 3).algorithm(algorithm).groups(groups);
        table.layer(name, form, Network::builder(input).conv2d(options))?;
    }
    table.layer("dense 12544 -> 10", "product", Network::builder(12544).dense(10))?;

    let mut network = Network::builder(large)
        .conv2d(Conv2d::new(32, 3))
        .activation(Relu)
        .max_pool(2)
        .conv2d(Conv2d::new(64, 3))
        .activation(Relu)
        .max_pool(2)
        .dense(10)
        .build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?;
    let x = numbers(network.inputs(), batch);
    let work: usize = network.layers().map(|layer| layer.multiply_adds()).sum();
    let mut workspace = Workspace::new();
    let seconds = least(|| network.predict_with(&x, &mut workspace).map(|_| ()))?;
    table.row("the network", "fused", "forward", seconds, work);
    let labels: Vec<usize> = (0..batch).map(|sample| sample % 10).collect();
    let loss = SoftmaxCrossEntropy::new(&labels, 10)?;
    let mut trainer = Trainer::new(Sgd::new(0.001, 0.0)?, Batch::Full, 1);
    let seconds = least(|| trainer.step(&mut network, &x, &loss).map(|_| ()))?;
    // Forward, and backward to all weights and to the input of all layers but the first.
    let first = network.layers().next().map_or(0, |layer| layer.multiply_adds());
    table.row("the network", "fused", "training step", seconds, 3 * work - first);
    Ok(())
}
