//! Times one operation of `quad` for `benches/peers/quad.py`.
//!
//! A line `operation size` on standard input is answered with the seconds and two numbers of the
//! result: Σ|x| and max |x|, or Σ|x| and Σ w x² of nodes x and weights w.

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use quad::{
    Automatic, Direction, GaussLegendre, HarmonicTransform, RingKind, SolidAngle, SphereRule,
    pointwise, ring_weights,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let mut plan: Option<(usize, HarmonicTransform, Vec<f64>)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (operation, size) = line.split_once(' ').ok_or("not a request")?;
        let size: usize = size.parse()?;
        let (seconds, [sum, largest]) = match operation {
            "gauss-legendre" => {
                let rule = GaussLegendre::new(size)?;
                let pairs = || rule.nodes().iter().zip(rule.weights());
                let numbers =
                    [pairs().map(|(x, _)| x.abs()).sum(), pairs().map(|(x, w)| w * x * x).sum()];
                (timed(|| GaussLegendre::new(black_box(size)))?, numbers)
            }
            "clenshaw-curtis" => {
                let run = || ring_weights(SolidAngle, RingKind::Vertices, black_box(size));
                let seconds = timed(run)?;
                let weights = ring_weights(SolidAngle, RingKind::Vertices, size)?;
                (seconds, probe(weights.iter().copied()))
            }
            "analysis" => {
                if plan.as_ref().is_none_or(|plan| plan.0 != size) {
                    let rule = SphereRule::of_degree(SolidAngle, 2 * size + 1)?;
                    let transform = HarmonicTransform::new(&rule, size)?;
                    // The field of quad.py: exp of a sum of coordinates.
                    let field = rule
                        .directions()
                        .map(|x| (3.0 * x.x() - 2.0 * x.y() + x.z()).exp())
                        .collect();
                    plan = Some((size, transform, field));
                }
                let Some((_, transform, field)) = &plan else { continue };
                let seconds = timed(|| transform.analyze(black_box(field)))?;
                let found = transform.analyze(field)?;
                (seconds, probe(found.power_spectrum().into_iter()))
            }
            "automatic" => automatic(size)?,
            _ => return Err(format!("no operation {operation}").into()),
        };
        writeln!(out, "{seconds:e} {sum:e} {largest:e}")?;
        out.flush()?;
    }
    Ok(())
}

/// Integrals of exp(k u·x) to a tolerance of 10⁻ᵈ for k = 1, 3 and 10: how many
/// evaluations they take, the sum of the integrals and the largest.
fn automatic(digits: usize) -> Result<(f64, [f64; 2]), Box<dyn Error>> {
    let u = Direction::from_vector([1.0, -2.0, 0.5])?;
    let (mut evaluations, mut values) = (0, Vec::new());
    for k in [1.0, 3.0, 10.0] {
        let f = pointwise(|x: &Direction| (k * u.dot(x)).exp());
        let tolerance = 10.0_f64.powi(-i32::try_from(digits)?);
        let found = Automatic::default().relative_tolerance(tolerance).integrate(SolidAngle, &f)?;
        evaluations += found.evaluations;
        values.push(found.value);
    }
    Ok((evaluations as f64, probe(values.into_iter())))
}

/// Seconds of one run, of as many as fill 5 ms after the first.
fn timed<R>(mut run: impl FnMut() -> quad::Result<R>) -> quad::Result<f64> {
    let start = Instant::now();
    black_box(run()?);
    let calls = (0.005 / start.elapsed().as_secs_f64()).clamp(1.0, 1e6).ceil();
    let (start, mut done) = (Instant::now(), 0.0);
    while done < calls {
        black_box(run()?);
        done += 1.0;
    }
    Ok(start.elapsed().as_secs_f64() / calls)
}

fn probe(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([0.0, 0.0], |[sum, largest], x| [sum + x.abs(), largest.max(x.abs())])
}
