//! Times one operation of `nn-core` on convolution networks, for `benches/peers/nn_conv.py`.
//!
//! A line `operation algorithm batch repetitions` on standard input is answered with the least
//! seconds of one repetition and two numbers of the result, Σ|y| and max |y|. `net-memory` takes so many
//! steps of training and answers with the most bytes that this process has held, in place of seconds. How
//! many threads there are follows from `RAYON_NUM_THREADS`.

use std::error::Error;
use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use benches::{ConvNet, single};
use linalg::DMatrix;
use nn_core::{
    Batch, ConvAlgorithm, Gradients, Sgd, SoftmaxCrossEntropy, Trace, Trainer, Workspace,
};

type Answer = Result<(f64, [f64; 2]), Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [operation, algorithm, batch, repetitions] = line.split(' ').collect::<Vec<_>>()[..]
        else {
            return Err(format!("not a request: {line}").into());
        };
        let algorithm = match algorithm {
            "automatic" => ConvAlgorithm::Automatic,
            "direct" => ConvAlgorithm::Direct,
            "winograd" => ConvAlgorithm::Winograd,
            "product" => ConvAlgorithm::Product,
            _ => return Err(format!("not an algorithm: {algorithm}").into()),
        };
        let (seconds, [sum, largest]) =
            answer(operation, algorithm, batch.parse()?, repetitions.parse()?)?;
        writeln!(out, "{seconds:e} {sum:e} {largest:e}")?;
        out.flush()?;
    }
    Ok(())
}

/// The least seconds that `run` takes.
fn least(
    repetitions: usize,
    mut run: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..repetitions {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The most memory that this process has held at a time, in bytes.
fn most_bytes() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: f64 = kilobytes.ok_or("the system tells no peak of memory")?.parse()?;
    Ok(1024.0 * kilobytes)
}

fn probe(values: &[f32]) -> [f64; 2] {
    values.iter().fold([0.0, 0.0], |[sum, largest], &x| {
        let x = f64::from(x).abs();
        [sum + x, largest.max(x)]
    })
}

fn answer(operation: &str, algorithm: ConvAlgorithm, batch: usize, repetitions: usize) -> Answer {
    let (part, what) = operation.split_once('-').ok_or("an operation is part-what")?;
    let net = match part {
        "net" => ConvNet::whole(algorithm),
        "first" => ConvNet::first(algorithm),
        "second" => ConvNet::second(algorithm),
        "grouped" => ConvNet::grouped(algorithm),
        _ => return Err(format!("not a part: {part}").into()),
    };
    let mut network = net.network()?;
    let x = DMatrix::from_vec(network.inputs(), batch, single(1, network.inputs() * batch, 1.0));
    match what {
        "forward" => {
            let mut workspace = Workspace::new();
            let seconds = least(repetitions, || {
                network.predict_with(&x, &mut workspace)?;
                Ok(())
            })?;
            Ok((seconds, probe(network.predict_with(&x, &mut workspace)?.as_slice())))
        }
        "train" => {
            let labels: Vec<usize> = (0..batch).map(|sample| sample % 10).collect();
            let loss = SoftmaxCrossEntropy::new(&labels, 10)?;
            let mut trainer = Trainer::new(Sgd::new(0.01, 0.0)?, Batch::Full, 1);
            let go_on = |_: &nn_core::Progress<'_, f32>| ControlFlow::Continue(());
            let _ = trainer.train(&mut network, &x, &loss, 1, go_on)?;
            let result = probe(network.parameters().as_slice());
            // Several steps in a call: what a call does once is not a step's.
            const STEPS: usize = 4;
            let seconds = least(repetitions, || {
                let _ = trainer.train(&mut network, &x, &loss, STEPS, go_on)?;
                Ok(())
            })?;
            Ok((seconds / STEPS as f64, result))
        }
        "memory" => {
            let labels: Vec<usize> = (0..batch).map(|sample| sample % 10).collect();
            let loss = SoftmaxCrossEntropy::new(&labels, 10)?;
            let mut trainer = Trainer::new(Sgd::new(0.01, 0.0)?, Batch::Full, 1);
            for _ in 0..repetitions {
                trainer.step(&mut network, &x, &loss)?;
            }
            Ok((most_bytes()?, probe(network.parameters().as_slice())))
        }
        "weights" | "input" => {
            let mut trace = Trace::new();
            network.forward(&x, &mut trace)?;
            let dy = single(2, network.outputs() * batch, 1.0);
            let dy = DMatrix::from_vec(network.outputs(), batch, dy);
            let wanted = if what == "weights" { Gradients::Parameters } else { Gradients::Input };
            let seconds = least(repetitions, || Ok(network.backward(&dy, wanted, &mut trace)?))?;
            let result = match trace.input_gradient() {
                Some(dx) if wanted == Gradients::Input => probe(dx.into_owned().as_slice()),
                _ => probe(trace.gradient().as_slice()),
            };
            Ok((seconds, result))
        }
        _ => Err(format!("not an operation: {operation}").into()),
    }
}
