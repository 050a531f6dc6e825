//! What `linalg` claims of its Krylov solvers and finite differences.

use linalg::krylov::{self, Options, Solution, Stop};
use linalg::{Csr, LinearOperator, Result, differences};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "linalg/krylov-residual",
        question: None,
        claim: "the residual that a Krylov solver reports is that of the x it returns",
        run: krylov_residual,
    },
    Check {
        id: "linalg/honest-failure",
        question: None,
        claim: "where no Krylov method converges, none says that it did",
        run: honest_failure,
    },
    Check {
        id: "linalg/finite-difference-step",
        question: None,
        claim: "derivatives by central differences are as right as truncation and rounding allow",
        run: finite_difference_step,
    },
];

type Solver = fn(&dyn LinearOperator<f64>, &[f64], Options<'_, f64>) -> Result<Solution<f64>>;

const SOLVERS: [(&str, Solver); 5] = [
    ("GMRES", krylov::gmres),
    ("BiCGSTAB", krylov::bicgstab),
    ("LSQR", krylov::lsqr),
    ("LSMR", krylov::lsmr),
    ("solve", krylov::solve),
];

/// 2·P plus ten entries N(0, radius²/10) in each row, P the identity or a random permutation: the
/// eigenvalues fill a disc about 2 or, with a permutation, a ring about 0.
fn sparse(n: usize, radius: f64, rows: Rows, rng: &mut impl Rng) -> Vec<(usize, usize, f64)> {
    let mut order: Vec<usize> = (0..n).collect();
    if rows == Rows::Permuted {
        for i in (1..n).rev() {
            order.swap(i, rng.random_range(0..=i));
        }
    }
    let mut triplets: Vec<_> = order.into_iter().enumerate().map(|(i, j)| (i, j, 2.0)).collect();
    for i in 0..n {
        for _ in 0..10 {
            let value: f64 = rng.sample(StandardNormal);
            triplets.push((i, rng.random_range(0..n), value * radius / 10.0_f64.sqrt()));
        }
    }
    triplets
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    InOrder,
    Permuted,
}

fn normal_vector(n: usize, rng: &mut impl Rng) -> Vec<f64> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

/// ‖b − A·x‖/‖b‖, summed here and not by the solver.
fn true_residual(triplets: &[(usize, usize, f64)], x: &[f64], b: &[f64]) -> f64 {
    let mut r = b.to_vec();
    for &(i, j, value) in triplets {
        r[i] -= value * x[j];
    }
    let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    (square(&r) / square(b)).sqrt()
}

const TOLERANCE: f64 = 1e-8;

fn krylov_residual(context: &Context) -> Result<Evidence, BoxError> {
    let (n, mut rng) = (20_000, context.rng());
    let mut measured = 0.0_f64;
    let mut notes = Vec::new();
    for (radius, rows) in [(1.0, Rows::InOrder), (2.2, Rows::InOrder), (1.0, Rows::Permuted)] {
        let triplets = sparse(n, radius, rows, &mut rng);
        let (a, b) = (Csr::from_triplets(n, n, &triplets)?, normal_vector(n, &mut rng));
        for (name, solver) in SOLVERS {
            let options = Options::default().tolerance(TOLERANCE).iterations(50);
            let found = solver(&a, &b, options)?;
            let truth = true_residual(&triplets, found.x.as_slice(), &b);
            measured = measured.max((found.relative_residual / truth - 1.0).abs());
            let believed = found.stop == Stop::Converged;
            if believed != (truth <= TOLERANCE * (1.0 + 1e-4)) {
                measured = f64::INFINITY;
                notes
                    .push(format!("{name} says {:?} where the residual is {truth:e}.", found.stop));
            }
        }
    }

    // Rows of very different size, and the residual of the equations divided by their diagonal.
    let mut triplets = sparse(n, 1.0, Rows::InOrder, &mut rng);
    let sizes: Vec<f64> = (0..n).map(|i| [1e-3, 1.0, 1e3][i % 3]).collect();
    for (i, _, value) in &mut triplets {
        *value *= sizes[*i];
    }
    let b = normal_vector(n, &mut rng);
    let diagonal = Csr::from_triplets(n, n, &triplets)?.diagonal().ok_or("no diagonal")?;
    let scaled: Vec<_> = triplets.iter().map(|&(i, j, v)| (i, j, v / diagonal[i])).collect();
    let scaled_b: Vec<f64> = b.iter().zip(&diagonal).map(|(b, d)| b / d).collect();
    let options = Options::default().tolerance(TOLERANCE);
    let wrong = krylov::bicgstab(&Csr::from_triplets(n, n, &scaled)?, &scaled_b, options)?;
    let truth = true_residual(&triplets, wrong.x.as_slice(), &b);
    notes.push(format!(
        "The preconditioned residual says {:.1e} where the true one is {truth:.1e}.",
        wrong.relative_residual
    ));
    Ok(Evidence {
        measured,
        limit: 1e-4,
        reason: "rounding of b - Ax: 14 terms a row, 14 eps |A||x| / |r| with |r| near 1e-9",
        control: Control {
            what: "the residual of the rows divided by their diagonal, taken for that of Ax = b",
            measured: (wrong.relative_residual / truth - 1.0).abs(),
        },
        plots: Vec::new(),
        notes,
    })
}

fn honest_failure(context: &Context) -> Result<Evidence, BoxError> {
    let (n, mut rng) = (4_000, context.rng());
    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    let mut notes = Vec::new();
    let mut histories = Vec::new();
    for radius in [2.2, 3.0] {
        let triplets = sparse(n, radius, Rows::InOrder, &mut rng);
        let (a, b) = (Csr::from_triplets(n, n, &triplets)?, normal_vector(n, &mut rng));
        for (name, solver) in SOLVERS {
            let options = Options::default().tolerance(TOLERANCE).iterations(200);
            let found = solver(&a, &b, options)?;
            let truth = true_residual(&triplets, found.x.as_slice(), &b);
            if matches!(found.stop, Stop::Converged | Stop::LeastSquares) {
                measured = measured.max(truth / TOLERANCE);
            }
            // Nor may the best x be worse than no x at all.
            if truth.is_nan() || truth > 1.0 + 1e-12 {
                measured = f64::INFINITY;
            }
            control = control.max(truth / TOLERANCE);
            notes.push(format!(
                "Radius {radius}: {name} stops at {truth:.1e} after {} iterations ({:?}).",
                found.iterations, found.stop
            ));
            if radius < 3.0 && name != "solve" {
                let points = found.history.iter().enumerate().map(|(k, &r)| (k as f64, r));
                let (label, points) = (name.to_owned(), points.collect());
                histories.push(Series { label, mark: Mark::Line, points });
            }
        }
    }
    Ok(Evidence {
        measured,
        limit: 1.0,
        reason: "an answer called solved has a residual of at most the tolerance",
        control: Control {
            what: "whatever x the solver ended with, taken for the solution",
            measured: control,
        },
        plots: vec![Plot {
            title: "Residuals on a matrix whose eigenvalues surround zero",
            x: Axis { label: "iteration", scale: Scale::Linear },
            y: Axis { label: "relative residual", scale: Scale::Log },
            series: histories,
        }],
        notes,
    })
}

fn finite_difference_step(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let frequency: Vec<f64> = (0..8).map(|_| rng.random_range(0.5..3.0)).collect();
    let terms =
        |x: &[f64]| -> Vec<f64> { x.iter().zip(&frequency).map(|(x, w)| (w * x).sin()).collect() };
    let f = |x: &[f64]| terms(x).iter().sum::<f64>();
    let best_step = (3.0 * f64::EPSILON).cbrt();

    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    let steps: Vec<f64> = (0..=52).map(|k| 10.0_f64.powf(-13.0 + f64::from(k) / 4.0)).collect();
    let mut worst = vec![(0.0_f64, 0.0_f64); steps.len()];
    for _ in 0..20 {
        let x: Vec<f64> = (0..8).map(|_| rng.random_range(-1.0..1.0)).collect();
        let slope = differences::gradient(f, &x)?;
        // f is a sum of eight terms, each right to an ulp: off by 8·eps·Σ|terms| at most.
        let rounding = 8.0 * f64::EPSILON * terms(&x).iter().map(|t| t.abs() + 1e-4).sum::<f64>();
        let at = |i: usize, h: f64| {
            let mut moved = x.clone();
            moved[i] += h;
            f(&moved)
        };
        for i in 0..8 {
            let w = frequency[i];
            let exact = w * (w * x[i]).cos();
            let bound = best_step.powi(2) * w.powi(3) / 6.0 + rounding / best_step;
            measured = measured.max((slope.value[i] - exact).abs() / bound);
            let forward = (at(i, 1e-10) - f(&x)) / 1e-10;
            control = control.max((forward - exact).abs() / bound);
            for (worst, &h) in worst.iter_mut().zip(&steps) {
                let central = (at(i, h) - at(i, -h)) / (2.0 * h);
                let forward = (at(i, h) - f(&x)) / h;
                worst.0 = worst.0.max((central - exact).abs());
                worst.1 = worst.1.max((forward - exact).abs());
            }
        }
    }
    let series = |label: &str, pick: fn(&(f64, f64)) -> f64| Series {
        label: label.to_owned(),
        mark: Mark::Line,
        points: steps.iter().copied().zip(worst.iter().map(pick)).collect(),
    };
    Ok(Evidence {
        measured,
        limit: 1.0,
        reason: "h^2 |f'''| / 6 from truncation plus 8 eps |f| / h from rounding, at the step used",
        control: Control { what: "forward differences with a step of 1e-10", measured: control },
        plots: vec![Plot {
            title: "Error of a difference quotient against its step",
            x: Axis { label: "step h", scale: Scale::Log },
            y: Axis { label: "largest error of the slope", scale: Scale::Log },
            series: vec![
                series("central", |worst| worst.0),
                series("forward", |worst| worst.1),
                Series {
                    label: "the step used".to_owned(),
                    mark: Mark::Dashed,
                    points: vec![(best_step, 1e-11), (best_step, 1e-2)],
                },
            ],
        }],
        notes: Vec::new(),
    })
}
