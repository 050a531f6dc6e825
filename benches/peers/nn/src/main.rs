//! Times candle and burn for `benches/peers/nn_dense.py` and `benches/peers/nn_conv.py`.
//!
//! A line on standard input is answered with seconds and two numbers of the result:
//!
//! - `LIBRARY mlp|tiny BATCH STEPS`: the seconds of that many steps of gradient descent; the loss before
//!   the last of them, and the sum of the sizes of all parameters after it.
//! - `LIBRARY net-train|net-forward BATCH REPETITIONS`: the least seconds of a step of training, or of a
//!   forward pass; Σ|v| and max |v| of the parameters v after one step, or of the outputs.
//!
//! How many threads there are follows from `RAYON_NUM_THREADS`.

mod in_burn;
mod in_candle;
mod problem;

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use problem::Problem;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A network of a library with its batch, and its way to train it.
trait Trained {
    /// A step of gradient descent; the loss before it.
    fn step(&mut self) -> Result<f64>;

    /// The outputs, without a gradient.
    fn output(&self) -> Result<Vec<f32>>;

    /// All parameters, in any order.
    fn parameters(&self) -> Result<Vec<f32>>;
}

fn make(library: &str, problem: &Problem) -> Result<Box<dyn Trained>> {
    Ok(match library {
        "burn" => Box::new(in_burn::Trained::new(problem)),
        "candle" => Box::new(in_candle::Trained::new(problem)?),
        _ => return Err(format!("no library {library}").into()),
    })
}

fn sizes(values: &[f32]) -> [f64; 2] {
    values.iter().fold([0.0, 0.0], |[sum, largest], &v| {
        let v = f64::from(v).abs();
        [sum + v, largest.max(v)]
    })
}

fn seconds<T>(run: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let result = run()?;
    Ok((start.elapsed().as_secs_f64(), result))
}

fn answer(library: &str, operation: &str, batch: usize, count: usize) -> Result<(f64, [f64; 2])> {
    let problem = Problem::new(operation, batch).ok_or_else(|| format!("no {operation}"))?;
    let mut trained = make(library, &problem)?;
    if let "mlp" | "tiny" = operation {
        let (seconds, loss) = seconds(|| (0..count).try_fold(0.0, |_, _| trained.step()))?;
        return Ok((seconds, [loss, sizes(&trained.parameters()?)[0]]));
    }
    let mut best = f64::INFINITY;
    if operation == "net-forward" {
        let result = sizes(&trained.output()?);
        for _ in 0..count {
            best = best.min(seconds(|| trained.output())?.0);
        }
        return Ok((best, result));
    }
    trained.step()?;
    let result = sizes(&trained.parameters()?);
    for _ in 0..count {
        best = best.min(seconds(|| trained.step())?.0);
    }
    Ok((best, result))
}

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [library, operation, batch, count] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not a request: {line}").into());
        };
        let (seconds, [first, second]) =
            answer(library, operation, batch.parse()?, count.parse()?)?;
        writeln!(out, "{seconds:e} {first:e} {second:e}")?;
        out.flush()?;
    }
    Ok(())
}
