//! Times one operation of `linalg`, or of plain nalgebra, for `benches/peers/linalg.py`.
//!
//! A line `who operation size threads` on standard input is answered with the seconds and two
//! numbers of the result, Σ|x| and max |x|, or with `none` where there is no such operation.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

use benches::{MultiplyAdds, definite, hermitian, matrix, sparse_problem, symmetric, uniform};
use linalg::lanes::run;
use linalg::nalgebra;
use linalg::{Complex, DMatrix, DVector, Real, Threads};

type Answer = Result<Option<(f64, [f64; 2])>, Box<dyn Error>>;

/// Inputs made once; making them costs more than some of the operations.
#[derive(Default)]
struct Inputs {
    real: HashMap<(&'static str, usize), DMatrix<f64>>,
    complex: HashMap<usize, DMatrix<Complex<f64>>>,
    sparse: HashMap<usize, benches::SparseProblem>,
}

impl Inputs {
    fn real(&mut self, what: &'static str, n: usize) -> DMatrix<f64> {
        self.real
            .entry((what, n))
            .or_insert_with(|| match what {
                "a" => matrix(1, n, n),
                "b" => matrix(2, n, n),
                "tall" => matrix(1, 2 * n, n),
                "symmetric" => symmetric(n),
                _ => definite(n),
            })
            .clone()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut inputs = Inputs::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let [who, operation, size, threads] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not a request: {line}").into());
        };
        let size = size.parse()?;
        let threads = if threads == "1" { Threads::One } else { Threads::Pool };
        let answer = match who {
            "linalg" => ours(operation, size, threads, &mut inputs)?,
            _ => plain(operation, size, &mut inputs)?,
        };
        match answer {
            Some((seconds, [sum, largest])) => {
                writeln!(out, "{seconds:e} {sum:e} {largest:e}")?;
            }
            None => writeln!(out, "none")?,
        }
        out.flush()?;
    }
    Ok(())
}

/// Seconds, and what `run` returns.
fn timed<R>(run: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = run();
    (start.elapsed().as_secs_f64(), result)
}

/// Seconds that the 2·n³ operations of a product take at the rate of [`MultiplyAdds`], the highest of twenty of about a
/// millisecond.
fn peak<T: Real>(n: usize) -> f64 {
    let steps = 400_000;
    let mut least = f64::INFINITY;
    for _ in 0..20 {
        let (seconds, (lanes, sum)) = timed(|| run::<T, _>(MultiplyAdds { steps }));
        std::hint::black_box(sum);
        least = least.min(seconds / (steps * lanes * MultiplyAdds::OPERATIONS) as f64);
    }
    least * 2.0 * (n as f64).powi(3)
}

fn probe<'a>(values: impl IntoIterator<Item = &'a f64>) -> [f64; 2] {
    values.into_iter().fold([0.0, 0.0], |[sum, largest], x| [sum + x.abs(), largest.max(x.abs())])
}

fn probe_complex(values: &[Complex<f64>]) -> [f64; 2] {
    probe(&values.iter().map(|z| z.norm()).collect::<Vec<_>>())
}

/// The two numbers, from what is compared: the matrix or vector itself, σ, λ.
fn ours(operation: &str, n: usize, threads: Threads, inputs: &mut Inputs) -> Answer {
    Ok(Some(match operation {
        "peak" => (peak::<f64>(n), [0.0, 0.0]),
        "peak-f32" => (peak::<f32>(n), [0.0, 0.0]),
        "gemm" => {
            let (a, b) = (inputs.real("a", n), inputs.real("b", n));
            let (seconds, c) = timed(|| {
                let mut c = DMatrix::zeros(n, n);
                linalg::gemm(1.0, &a, &b, 0.0, c.as_view_mut(), threads).map(|()| c)
            });
            (seconds, probe(&c?))
        }
        "gemm-f32" => {
            let (a, b) = (single(&inputs.real("a", n)), single(&inputs.real("b", n)));
            let (seconds, c) = timed(|| {
                let mut c = DMatrix::zeros(n, n);
                linalg::gemm(1.0, &a, &b, 0.0, c.as_view_mut(), threads).map(|()| c)
            });
            (seconds, probe(&c?.map(f64::from)))
        }
        "lu-solve" => {
            let (a, b) = (inputs.real("a", n), DVector::from_vec(uniform(2, n)));
            let (seconds, x) = timed(|| linalg::Lu::with_threads(a.clone(), threads)?.solve(&b));
            (seconds, probe(&x?))
        }
        "cholesky" => {
            let a = inputs.real("definite", n);
            let (seconds, l) = timed(|| linalg::Cholesky::with_threads(a.clone(), threads));
            (seconds, probe(l?.l()))
        }
        "qr" => {
            let a = inputs.real("a", n);
            let (seconds, r) =
                timed(|| linalg::Qr::with_threads(a.clone(), threads).map(|qr| qr.r()));
            (seconds, probe(&r?))
        }
        "svd" => {
            let a = inputs.real("a", n);
            let (seconds, svd) = timed(|| linalg::Svd::new(&a));
            (seconds, probe(&svd?.singular_values))
        }
        "svd-values" => {
            let a = inputs.real("a", n);
            let (seconds, values) = timed(|| linalg::singular_values(&a));
            (seconds, probe(&values?))
        }
        "pinv" => {
            let a = inputs.real("tall", n);
            let (seconds, inverse) = timed(|| linalg::PseudoInverse::new(&a).map(|p| p.matrix()));
            (seconds, probe(&inverse?))
        }
        "eigh" => {
            let a = inputs.real("symmetric", n);
            let (seconds, eigen) = timed(|| linalg::HermitianEigen::new(&a));
            (seconds, probe(&eigen?.values))
        }
        "eigh-complex" => {
            let a = inputs.complex.entry(n).or_insert_with(|| hermitian(n)).clone();
            let (seconds, eigen) = timed(|| linalg::HermitianEigen::new(&a));
            (seconds, probe(&eigen?.values))
        }
        "eigenvalues" => {
            let a = inputs.real("a", n);
            let (seconds, values) = timed(|| linalg::eigenvalues(&a));
            (seconds, probe_complex(values?.as_slice()))
        }
        "roots" => {
            let coefficients: Vec<_> = uniform(1, n + 1).into_iter().map(Complex::from).collect();
            let (seconds, roots) = timed(|| linalg::roots(&coefficients));
            (seconds, probe_complex(&roots?.values))
        }
        "sparse-vs-bicgstab" | "sparse-vs-lsmr" => {
            let problem = inputs.sparse.entry(n).or_insert_with(|| sparse_problem(n, 1.0));
            let (seconds, x) = timed(|| problem.invert());
            (seconds, probe(&x?))
        }
        _ => return Ok(None),
    }))
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
fn single(a: &DMatrix<f64>) -> DMatrix<f32> {
    a.map(|x| x as f32)
}

/// Plain nalgebra, where it has the operation.
#[expect(
    clippy::disallowed_methods,
    reason = "here nalgebra's decompositions are the peer, on matrices on which they end"
)]
fn plain(operation: &str, n: usize, inputs: &mut Inputs) -> Answer {
    const CAP: usize = 100_000;
    Ok(Some(match operation {
        "gemm" => {
            let (a, b) = (inputs.real("a", n), inputs.real("b", n));
            let (seconds, c) = timed(|| &a * &b);
            (seconds, probe(&c))
        }
        "gemm-f32" => {
            let (a, b) = (single(&inputs.real("a", n)), single(&inputs.real("b", n)));
            let (seconds, c) = timed(|| &a * &b);
            (seconds, probe(&c.map(f64::from)))
        }
        "lu-solve" if n <= 1000 => {
            let (a, b) = (inputs.real("a", n), DVector::from_vec(uniform(2, n)));
            let (seconds, x) = timed(|| a.clone().lu().solve(&b));
            (seconds, probe(&x.ok_or("singular")?))
        }
        "cholesky" => {
            let a = inputs.real("definite", n);
            let (seconds, l) = timed(|| a.clone().cholesky().map(|c| c.l()));
            (seconds, probe(&l.ok_or("not definite")?))
        }
        "qr" => {
            let a = inputs.real("a", n);
            let (seconds, r) = timed(|| a.clone().qr().r());
            (seconds, probe(&r))
        }
        "svd" if n <= 500 => {
            let a = inputs.real("a", n);
            let (seconds, svd) = timed(|| a.clone().try_svd(true, true, f64::EPSILON, CAP));
            (seconds, probe(&svd.ok_or("no convergence")?.singular_values))
        }
        "svd-values" => {
            let a = inputs.real("a", n);
            let (seconds, svd) = timed(|| a.clone().try_svd(false, false, f64::EPSILON, CAP));
            (seconds, probe(&svd.ok_or("no convergence")?.singular_values))
        }
        "eigh" => {
            let a = inputs.real("symmetric", n);
            let (seconds, eigen) =
                timed(|| nalgebra::SymmetricEigen::try_new(a.clone(), f64::EPSILON, CAP));
            (seconds, probe(&eigen.ok_or("no convergence")?.eigenvalues))
        }
        "eigh-complex" => {
            let a = inputs.complex.entry(n).or_insert_with(|| hermitian(n)).clone();
            let (seconds, eigen) =
                timed(|| nalgebra::SymmetricEigen::try_new(a.clone(), f64::EPSILON, CAP));
            (seconds, probe(&eigen.ok_or("no convergence")?.eigenvalues))
        }
        _ => return Ok(None),
    }))
}
