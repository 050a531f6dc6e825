//! Times training steps of dense networks in `f32`, for `benches/peers/nn_dense.py`.
//!
//! A line `network batch steps` on standard input is answered with the seconds of that many steps
//! of gradient descent and two numbers that a wrong step would not give: the loss after them, and
//! the sum of the sizes of all parameters.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use benches::uniform;
use linalg::{DMatrix, Real};
use nn_core::{
    Batch, Loss, MeanSquaredError, Network, Relu, Sgd, SoftmaxCrossEntropy, Tanh, Trainer,
};

/// A network, its batch and what it is trained with.
struct Problem {
    start: Network<f32>,
    x: DMatrix<f32>,
    labels: Vec<usize>,
    targets: DMatrix<f32>,
    trainer: Trainer<f32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut problems: HashMap<(String, usize), Problem> = HashMap::new();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [name, batch, steps] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not a request: {line}").into());
        };
        let (batch, steps) = (batch.parse()?, steps.parse()?);
        let key = (name.to_owned(), batch);
        if !problems.contains_key(&key) {
            problems.insert(key.clone(), problem(name, batch)?);
        }
        let problem = problems.get_mut(&key).ok_or("inserted above")?;
        let [seconds, loss, size] = run(problem, steps)?;
        writeln!(out, "{seconds:e} {loss:e} {size:e}")?;
        out.flush()?;
    }
    Ok(())
}

/// Weights uniform on ±√(3/inputs), as both sides make them; biases 0.
fn dense(layer: u64, outputs: usize, inputs: usize) -> DMatrix<f32> {
    let limit = (3.0 / inputs as f64).sqrt();
    let numbers = uniform(10 + layer, outputs * inputs);
    DMatrix::from_iterator(
        outputs,
        inputs,
        numbers.into_iter().map(|x| f32::from_double(2.0 * limit * x)),
    )
}

fn problem(name: &str, batch: usize) -> Result<Problem, Box<dyn Error>> {
    let mlp = name == "mlp";
    let (inputs, rate) = if mlp { (784, 0.01) } else { (2, 0.05) };
    let numbers = uniform(1, inputs * batch).into_iter();
    let x = DMatrix::from_iterator(inputs, batch, numbers.map(|x| f32::from_double(2.0 * x)));
    let start = if mlp {
        Network::builder(784)
            .dense_from(dense(0, 256, 784), vec![0.0; 256])
            .activation(Relu)
            .dense_from(dense(1, 128, 256), vec![0.0; 128])
            .activation(Relu)
            .dense_from(dense(2, 10, 128), vec![0.0; 10])
            .build_given()?
    } else {
        Network::builder(2)
            .dense_from(dense(0, 8, 2), vec![0.0; 8])
            .activation(Tanh)
            .dense_from(dense(1, 1, 8), vec![0.0])
            .build_given()?
    };
    let labels = (0..batch).map(|sample| 7 * sample % 10).collect();
    let targets = DMatrix::from_fn(1, batch, |_, sample| x[(0, sample)] * x[(inputs - 1, sample)]);
    let trainer = Trainer::new(Sgd::new(rate, 0.0)?, Batch::Full, 1);
    Ok(Problem { start, x, labels, targets, trainer })
}

fn run(problem: &mut Problem, steps: usize) -> Result<[f64; 3], Box<dyn Error>> {
    let Problem { start, x, labels, targets, trainer } = problem;
    let squares = MeanSquaredError::new(targets)?;
    let classes = SoftmaxCrossEntropy::new(labels, 10)?;
    let loss: &dyn Loss<f32> = if start.outputs() == 1 { &squares } else { &classes };
    let mut network = start.clone();
    let clock = Instant::now();
    let mut last = 0.0;
    for _ in 0..steps {
        last = trainer.step(&mut network, x, loss)?;
    }
    let seconds = clock.elapsed().as_secs_f64();
    let size = network.parameters().iter().map(|&theta| f64::from(theta.abs())).sum();
    Ok([seconds, last, size])
}
