//! Times one inversion of `nn-invert` for `benches/peers/invert.py`.
//!
//! A line `case file` on standard input, `file` written by the script, is answered with the seconds of
//! CPU time and of the clock that making the layers ready took, those of inverting, the largest
//! relative residual, and ‖x‖₂ of the last input: the script holds both against its own. The file is
//! little-endian: a count of numbers and then `f64`s, as often as there are arrays.

use std::error::Error;
use std::fs;
use std::io::{BufRead, Write};
use std::time::Instant;

use linalg::operator::{Banded, LowRankPlusDiagonal};
use linalg::{Csr, DMatrix, DVector, Threads};
use nn_core::{LeakyRelu, Tanh};
use nn_invert::{Chain, Circulant, Evidence, Factors, LayerwiseInverse, LayerwiseOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (case, file) = line.split_once(' ').ok_or("not a request")?;
        let arrays = read(file)?;
        let [ready, ready_wall, invert, invert_wall, residual, size] = run(case, &arrays)?;
        writeln!(
            out,
            "{ready:e} {ready_wall:e} {invert:e} {invert_wall:e} {residual:e} {size:.17e}"
        )?;
        out.flush()?;
    }
    Ok(())
}

/// `kind-activation[-single][-pool]`: dense, sparse, banded, circulant or low.
fn run(case: &str, arrays: &[Vec<f64>]) -> Result<[f64; 6], Box<dyn Error>> {
    let words: Vec<&str> = case.split('-').collect();
    let has = |word| words.contains(&word);
    let threads = if has("pool") { Threads::Pool } else { Threads::One };
    let factors = if has("single") { Factors::Single } else { Factors::Full };
    let options = LayerwiseOptions::default()
        .evidence(Evidence::Residual)
        .factors(factors)
        .threads(threads)
        .tolerance(1e-9);

    // The first array holds n and the number of layers, the last one the targets.
    let [head, weights @ .., targets] = arrays else { return Err("no arrays".into()) };
    let n = integer(head[0])?;
    let layers = integer(head[1])?;
    let per_layer = weights.len() / layers;
    let matrices: Vec<Matrix> = weights
        .chunks_exact(per_layer)
        .map(|parts| Matrix::of(words[0], n, parts, threads))
        .collect::<Result<_, _>>()?;
    let targets = DMatrix::from_column_slice(n, targets.len() / n, targets);
    let mut chain = Chain::new(n);
    for (k, matrix) in matrices.iter().enumerate() {
        chain = match matrix {
            Matrix::Dense(weight, bias) => chain.dense(weight.as_view(), bias)?,
            Matrix::Sparse(weight, bias) => chain.operator(weight, bias)?,
            Matrix::Banded(weight, bias) => chain.operator(weight, bias)?,
            Matrix::Circulant(weight, bias) => chain.operator(weight, bias)?,
            Matrix::Low(weight, bias) => chain.operator(weight, bias)?,
        };
        if k + 1 < layers {
            chain = if has("tanh") {
                chain.activation(Tanh)
            } else {
                chain.activation(LeakyRelu::new(0.1)?)
            };
        }
    }

    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let inverse = LayerwiseInverse::with_options(chain, options)?;
    let (ready, ready_wall) = (cpu_seconds()? - cpu, start.elapsed().as_secs_f64());
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let answers = inverse.invert_many(&targets)?;
    let (invert, invert_wall) = (cpu_seconds()? - cpu, start.elapsed().as_secs_f64());
    let relative = answers.residuals.iter().zip(targets.column_iter()).map(|(r, y)| r / y.norm());
    let last = answers.inputs.column(answers.inputs.ncols() - 1).norm();
    Ok([ready, ready_wall, invert, invert_wall, relative.fold(0.0, f64::max), last])
}

enum Matrix {
    Dense(DMatrix<f64>, Vec<f64>),
    Sparse(Csr<f64>, Vec<f64>),
    Banded(Banded<f64>, Vec<f64>),
    Circulant(Circulant, Vec<f64>),
    Low(LowRankPlusDiagonal<f64>, Vec<f64>),
}

impl Matrix {
    /// From the arrays of a layer, the bias last.
    fn of(
        kind: &str,
        n: usize,
        parts: &[Vec<f64>],
        threads: Threads,
    ) -> Result<Self, Box<dyn Error>> {
        let bias = parts[parts.len() - 1].clone();
        Ok(match kind {
            "dense" => Self::Dense(DMatrix::from_column_slice(n, n, &parts[0]), bias),
            "sparse" => {
                let triplets = parts[0]
                    .chunks_exact(3)
                    .map(|entry| Ok((integer(entry[0])?, integer(entry[1])?, entry[2])))
                    .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
                Self::Sparse(Csr::from_triplets(n, n, &triplets)?.threads(threads), bias)
            }
            "banded" => {
                let rows = parts[0].len() / n;
                let diagonals = DMatrix::from_row_slice(rows, n, &parts[0]);
                Self::Banded(Banded::new(rows / 2, diagonals)?, bias)
            }
            "circulant" => Self::Circulant(Circulant::new(&parts[0])?, bias),
            "low" => {
                let rank = parts[1].len() / n;
                let thin = |part: &[f64]| DMatrix::from_column_slice(n, rank, part);
                let diagonal = DVector::from_column_slice(&parts[0]);
                let matrix = LowRankPlusDiagonal::new(diagonal, thin(&parts[1]), thin(&parts[2]))?;
                Self::Low(matrix, bias)
            }
            other => return Err(format!("no kind {other}").into()),
        })
    }
}

fn read(file: &str) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let bytes = fs::read(file)?;
    let mut numbers =
        bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(std::array::from_fn(|k| eight[k])));
    let mut arrays = Vec::new();
    while let Some(count) = numbers.next() {
        arrays.push(numbers.by_ref().take(integer(count)?).collect());
    }
    Ok(arrays)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn integer(x: f64) -> Result<usize, Box<dyn Error>> {
    if (0.0..1e15).contains(&x) && x.fract() == 0.0 {
        Ok(x as usize)
    } else {
        Err("no index".into())
    }
}

/// Processor time of the calling thread, as Linux counts it; 0 elsewhere.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let Ok(text) = fs::read_to_string("/proc/self/schedstat") else { return Ok(0.0) };
    let nanoseconds: f64 = text.split(' ').next().ok_or("no time")?.parse()?;
    Ok(nanoseconds * 1e-9)
}
