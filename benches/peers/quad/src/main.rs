//! Times gauss-quad and bilby for `benches/peers/quad.py`.
//!
//! A line `operation size` on standard input is answered with the seconds of one call and two numbers of the result:
//! for Gauss-Legendre Σ|x| and Σ w x² of nodes x and weights w, for Clenshaw-Curtis Σ|w| and max |w|.

use std::f64::consts::PI;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::time::Instant;

use gauss_quad::legendre;

/// Seconds of one call, from calls that fill a few milliseconds.
fn seconds(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    run();
    let calls = (0.005 / start.elapsed().as_secs_f64()).clamp(1.0, 1e6).ceil();
    let start = Instant::now();
    let mut done = 0.0;
    while done < calls {
        run();
        done += 1.0;
    }
    start.elapsed().as_secs_f64() / calls
}

fn moments(rule: impl Iterator<Item = (f64, f64)>) -> [f64; 2] {
    rule.fold([0.0, 0.0], |[sum, square], (x, w)| [sum + x.abs(), square + w * x * x])
}

fn answer(operation: &str, n: usize) -> Result<(f64, [f64; 2]), String> {
    let positive = NonZeroUsize::new(n).ok_or("a size above 0")?;
    let say = |error: &dyn std::fmt::Debug| format!("{error:?}");
    Ok(match operation {
        "gauss-legendre-gauss-quad" => {
            let rule = legendre::GaussLegendre::new(positive);
            let numbers = moments(rule.as_node_weight_pairs().iter().copied());
            (
                seconds(|| drop(black_box(legendre::GaussLegendre::new(black_box(positive))))),
                numbers,
            )
        }
        "gauss-legendre-bilby" => {
            let rule = bilby::GaussLegendre::new(n).map_err(|error| say(&error))?;
            let numbers = moments(rule.nodes().iter().copied().zip(rule.weights().iter().copied()));
            (seconds(|| drop(black_box(bilby::GaussLegendre::new(black_box(n))))), numbers)
        }
        "clenshaw-curtis-bilby" => {
            let rule = bilby::ClenshawCurtis::new(n).map_err(|error| say(&error))?;
            let numbers = rule.weights().iter().fold([0.0, 0.0], |[sum, largest]: [f64; 2], w| {
                [sum + w.abs(), largest.max(w.abs())]
            });
            (seconds(|| drop(black_box(bilby::ClenshawCurtis::new(black_box(n))))), numbers)
        }
        "automatic-bilby" => automatic(n)?,
        _ => return Err(format!("no operation {operation}")),
    })
}

/// Integrals of exp(k u·x) over the sphere to a tolerance of 10⁻ᵈ for k = 1, 3 and 10: how many
/// evaluations they take, the sum of the integrals and the largest.
fn automatic(digits: usize) -> Result<(f64, [f64; 2]), String> {
    let length = f64::sqrt(5.25);
    let u = [1.0 / length, -2.0 / length, 0.5 / length];
    let tolerance = 10.0_f64.powi(-i32::try_from(digits).map_err(|error| error.to_string())?);
    let (mut evaluations, mut values) = (0, Vec::new());
    for k in [1.0, 3.0, 10.0] {
        let f = |x: &[f64]| {
            let (z, s) = (x[0].cos(), x[0].sin());
            (k * (u[0] * s * x[1].cos() + u[1] * s * x[1].sin() + u[2] * z)).exp() * s
        };
        let found = bilby::cubature::AdaptiveCubature::default()
            .with_abs_tol(0.0)
            .with_rel_tol(tolerance)
            .with_max_evals(10_000_000)
            .integrate(&[0.0, 0.0], &[PI, 2.0 * PI], f)
            .map_err(|error| format!("{error:?}"))?;
        evaluations += found.num_evals;
        values.push(found.value);
    }
    let largest = values.iter().copied().fold(0.0, f64::max);
    Ok((evaluations as f64, [values.iter().sum(), largest]))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (operation, size) = line.split_once(' ').ok_or("not a request")?;
        let (seconds, [first, second]) = answer(operation, size.parse()?)?;
        writeln!(out, "{seconds:e} {first:e} {second:e}")?;
        out.flush()?;
    }
    Ok(())
}
