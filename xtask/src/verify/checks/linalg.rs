//! What `linalg` claims.

use std::f64::consts::TAU;

use linalg::nalgebra::linalg::{SVD, Schur};
use linalg::{
    Complex, DMatrix, DVector, Lu, PseudoInverse, Svd, eigenvalues, product, roots, transpose,
};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "linalg/svd-battery",
        question: None,
        claim: "the SVD is right on thousands of ordinary matrices: ones, integers, rank-deficient, circulant, graphs",
        run: svd_battery,
    },
    Check {
        id: "linalg/pinv-penrose",
        question: None,
        claim: "the pseudo-inverse satisfies Penrose's four conditions as far as the condition number allows",
        run: pinv_penrose,
    },
    Check {
        id: "linalg/eigenvalues-cyclic",
        question: None,
        claim: "the eigenvalues of a cyclic permutation are the roots of unity",
        run: eigenvalues_cyclic,
    },
    Check {
        id: "linalg/roots-of-unity",
        question: None,
        claim: "the roots of z^n - 1 are the roots of unity to 4 eps, for every n up to 256",
        run: roots_of_unity,
    },
];

/// LAPACK calls a decomposition right while residual/(n·eps·‖A‖) is below this.
const THRESHOLD: f64 = 30.0;

/// Iterations after which a control that has not ended is taken for endless.
const CAP: usize = 10_000;

fn svd_battery(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
    let (mut matrices, mut wrong) = (0, 0);
    let mut examine = |a: &DMatrix<f64>| -> Result<(), BoxError> {
        let svd = Svd::new(a)?;
        ours = ours.max(svd_ratio(a, &svd.u, &svd.singular_values, &svd.v));
        let ratio = nalgebra_ratio(a);
        theirs = theirs.max(ratio);
        matrices += 1;
        wrong += usize::from(ratio > THRESHOLD);
        Ok(())
    };
    for rows in 2..=30 {
        for columns in 2..=30 {
            examine(&DMatrix::from_element(rows, columns, 1.0))?;
        }
    }
    for index in 0..20_000 {
        examine(&ordinary(index, &mut rng))?;
    }
    Ok(Evidence {
        measured: ours,
        limit: THRESHOLD,
        reason: "LAPACK's threshold for the larger of ‖A − UΣVᵀ‖/‖A‖, ‖UᵀU − I‖ and ‖VᵀV − I‖, in units of max(m, n)·eps",
        control: Control { what: "nalgebra's SVD on the same matrices", measured: theirs },
        plots: vec![],
        notes: vec![format!(
            "Of {matrices} matrices nalgebra gets {wrong} wrong, without an error."
        )],
    })
}

/// A small matrix of one of four kinds in turn.
fn ordinary(index: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    let (m, n) = (rng.random_range(1..=12), rng.random_range(1..=12));
    match index % 4 {
        0 => DMatrix::from_fn(m, n, |_, _| f64::from(rng.random_range(-2..=2))),
        1 => {
            let rank = rng.random_range(1..=m.min(n));
            normal(m, rank, rng) * normal(rank, n, rng)
        }
        2 => {
            let row: Vec<f64> = (0..n).map(|_| f64::from(rng.random_range(-1..=1))).collect();
            DMatrix::from_fn(n, n, |i, j| row[(n + j - i) % n])
        }
        _ => {
            let directed = DMatrix::from_fn(n, n, |_, _| f64::from(u8::from(rng.random_bool(0.4))));
            directed.zip_map(&directed.transpose(), f64::max)
        }
    }
}

fn normal(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

/// Residual and departures from orthonormality of A = U·diag(σ)·Vᵀ, over max(m, n)·eps.
fn svd_ratio(a: &DMatrix<f64>, u: &DMatrix<f64>, sigma: &DVector<f64>, v: &DMatrix<f64>) -> f64 {
    let identity = DMatrix::identity(sigma.len(), sigma.len());
    let residual = (a - u * DMatrix::from_diagonal(sigma) * v.transpose()).norm();
    let relative = residual / a.norm().max(f64::MIN_POSITIVE);
    let departure = (u.tr_mul(u) - &identity).norm().max((v.tr_mul(v) - identity).norm());
    let ratio = relative.max(departure) / (a.nrows().max(a.ncols()) as f64 * f64::EPSILON);
    if ratio.is_nan() { f64::INFINITY } else { ratio }
}

#[expect(clippy::disallowed_methods, reason = "the control: shown to be wrong")]
fn nalgebra_ratio(a: &DMatrix<f64>) -> f64 {
    match SVD::try_new(a.clone(), true, true, 5.0 * f64::EPSILON, CAP) {
        Some(SVD { u: Some(u), v_t: Some(v_t), singular_values }) => {
            svd_ratio(a, &u, &singular_values, &v_t.transpose())
        }
        _ => f64::INFINITY,
    }
}

/// Over condition numbers from 1 to 1e12, a 40 × 12 matrix of each.
fn pinv_penrose(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (rows, columns) = (40, 12);
    let unit = rows as f64 * f64::EPSILON;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for exponent in 0..=12 {
        let condition = 10.0_f64.powi(exponent);
        let sigma =
            DVector::from_fn(columns, |i, _| condition.powf(-(i as f64) / (columns - 1) as f64));
        let left = normal(rows, columns, &mut rng).qr().q();
        let right = normal(columns, columns, &mut rng).qr().q();
        let a = left * DMatrix::from_diagonal(&sigma) * right;
        ours.push((condition, penrose(&a, &PseudoInverse::new(&a)?.matrix())));
        theirs.push((condition, normal_equations(&a).map_or(f64::INFINITY, |x| penrose(&a, &x))));
    }
    let worst = |points: &[(f64, f64)]| {
        points.iter().map(|(condition, error)| error / (unit * condition)).fold(0.0, f64::max)
    };
    let (measured, control) = (worst(&ours), worst(&theirs));
    let limit = ours.iter().map(|&(condition, _)| (condition, THRESHOLD * unit * condition));
    let plot = Plot {
        title: "Penrose's conditions: how far the pseudo-inverse misses them",
        x: Axis { label: "condition number", scale: Scale::Log },
        y: Axis { label: "largest relative error", scale: Scale::Log },
        series: vec![
            Series { label: "limit".into(), mark: Mark::Dashed, points: limit.collect() },
            Series { label: "(AᵀA)⁻¹Aᵀ".into(), mark: Mark::Line, points: theirs },
            Series { label: "PseudoInverse".into(), mark: Mark::Line, points: ours },
        ],
    };
    Ok(Evidence {
        measured,
        limit: THRESHOLD,
        reason: "the conditions multiply A⁺, right to max(m, n)·eps·‖A⁺‖, by A: that unit times the condition number, and LAPACK's 30",
        control: Control { what: "the normal equations (AᵀA)⁻¹Aᵀ", measured: control },
        plots: vec![plot],
        notes: vec![],
    })
}

/// The largest relative violation of AXA = A, XAX = X, (AX)ᵀ = AX, (XA)ᵀ = XA.
fn penrose(a: &DMatrix<f64>, x: &DMatrix<f64>) -> f64 {
    let (ax, xa) = (a * x, x * a);
    [
        (&ax * a - a).norm() / a.norm(),
        (&xa * x - x).norm() / x.norm(),
        (ax.transpose() - &ax).norm(),
        (xa.transpose() - &xa).norm(),
    ]
    .into_iter()
    .fold(0.0, f64::max)
}

fn normal_equations(a: &DMatrix<f64>) -> linalg::Result<DMatrix<f64>> {
    Lu::new(product(transpose(a), a)?)?.solve_many(&a.transpose())
}

fn eigenvalues_cyclic(context: &Context) -> Result<Evidence, BoxError> {
    // The order at which the cycle visits the rows is the seed's: the spectrum does not depend on it.
    let mut rng = context.rng();
    let sizes = [6, 12, 24, 48, 100];
    let (mut ours, mut theirs) = (0.0_f64, 0.0_f64);
    for n in sizes {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, rng.random_range(0..=i));
        }
        let mut cycle = DMatrix::zeros(n, n);
        let mut shift = DMatrix::zeros(n, n);
        for k in 0..n {
            cycle[(order[(k + 1) % n], order[k])] = 1.0;
            shift[((k + 1) % n, k)] = 1.0;
        }
        let unit = n as f64 * f64::EPSILON;
        ours = ours.max(distance_from_unity(eigenvalues(&cycle)?.as_slice()) / unit);
        ours = ours.max(distance_from_unity(eigenvalues(&shift)?.as_slice()) / unit);
        theirs = theirs.max(
            nalgebra_eigenvalues(shift)
                .map_or(f64::INFINITY, |values| distance_from_unity(values.as_slice()) / unit),
        );
    }
    Ok(Evidence {
        measured: ours,
        limit: THRESHOLD,
        reason: "a permutation is normal, so that its eigenvalues move by the backward error, n·eps and LAPACK's 30, at most",
        control: Control {
            what: "nalgebra's QR iteration, which has no exceptional shift",
            measured: theirs,
        },
        plots: vec![],
        notes: vec![format!(
            "The control was stopped after {CAP} iterations; uncapped it never ends."
        )],
    })
}

#[expect(clippy::disallowed_methods, reason = "the control: shown never to end")]
fn nalgebra_eigenvalues(a: DMatrix<f64>) -> Option<DVector<Complex<f64>>> {
    Some(Schur::try_new(a, f64::EPSILON, CAP)?.complex_eigenvalues())
}

fn roots_of_unity(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for n in 1..=256_usize {
        let mut coefficients = vec![0.0; n + 1];
        coefficients[0] = -1.0;
        coefficients[n] = 1.0;
        ours.push((n as f64, distance_from_unity(&roots(&coefficients)?.values)));
        if n.is_power_of_two() {
            let found = newton_with_deflation(&coefficients, &mut rng);
            theirs.push((n as f64, distance_from_unity(&found)));
        }
    }
    let worst = |points: &[(f64, f64)]| points.iter().map(|point| point.1).fold(0.0, f64::max);
    let (measured, control) = (worst(&ours), worst(&theirs));
    let limit = 4.0 * f64::EPSILON;
    let plot = Plot {
        title: "The worst root of zⁿ − 1",
        x: Axis { label: "degree n", scale: Scale::Log },
        y: Axis { label: "distance from the root of unity", scale: Scale::Log },
        series: vec![
            Series {
                label: "4 eps".into(),
                mark: Mark::Dashed,
                points: vec![(1.0, limit), (256.0, limit)],
            },
            Series { label: "Newton, deflated".into(), mark: Mark::Line, points: theirs },
            Series { label: "roots".into(), mark: Mark::Dots, points: ours },
        ],
    };
    Ok(Evidence {
        measured,
        limit,
        reason: "rounding of n complex products over p′ = n, 1.2 eps, the stop at √n·eps, and half an eps each for a root and its reference",
        control: Control {
            what: "Newton's method from random points, each root divided out",
            measured: control,
        },
        plots: vec![plot],
        notes: vec![],
    })
}

/// The textbook method: Newton's from a random point, then synthetic division by the root found.
fn newton_with_deflation(coefficients: &[f64], rng: &mut impl Rng) -> Vec<Complex<f64>> {
    let mut falling: Vec<Complex<f64>> =
        coefficients.iter().rev().map(|&c| Complex::from(c)).collect();
    let mut found = Vec::new();
    while falling.len() > 1 {
        let mut z = Complex::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0));
        for _ in 0..1_000 {
            let (mut p, mut slope) = (Complex::ZERO, Complex::<f64>::ZERO);
            for c in &falling {
                slope = slope * z + p;
                p = p * z + c;
            }
            let step = p / slope;
            z -= step;
            if step.norm() <= f64::EPSILON * z.norm() || step.norm().is_nan() {
                break;
            }
        }
        found.push(z);
        let mut carry = Complex::ZERO;
        for c in &mut falling {
            carry = carry * z + *c;
            *c = carry;
        }
        falling.pop();
    }
    found
}

/// The largest distance of a number from the n-th root of 1 in its direction; infinite where one
/// root is met twice and another not at all.
fn distance_from_unity(values: &[Complex<f64>]) -> f64 {
    let n = values.len();
    let mut met = vec![false; n];
    let mut worst = 0.0_f64;
    for z in values {
        let turn = (z.arg() / TAU * n as f64).round().rem_euclid(n as f64);
        let Some(k) = (0..n).find(|&k| (k as f64 - turn).abs() < 0.5) else { return f64::INFINITY };
        met[k] = true;
        worst = worst.max((z - unity(k, n)).norm());
    }
    if met.iter().all(|&met| met) { worst } else { f64::INFINITY }
}

/// exp(2πi·k/n) to an eps: the quarter turns are exact, and no angle exceeds π/4.
fn unity(k: usize, n: usize) -> Complex<f64> {
    // 4k/n = quarter + rest/n, the nearest quarter.
    let quarter = (8 * k + n) / (2 * n);
    let angle = TAU * ((4 * k) as f64 - (quarter * n) as f64) / (4 * n) as f64;
    let z = Complex::from_polar(1.0, angle);
    match quarter % 4 {
        0 => z,
        1 => Complex::new(-z.im, z.re),
        2 => -z,
        _ => Complex::new(z.im, -z.re),
    }
}
