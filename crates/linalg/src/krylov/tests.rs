//! All solvers against dense oracles, and against what makes solvers lie.

use std::cell::Cell;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::operator::tests::{random, random_complex};
use crate::operator::{Diagonal, FnOperator};
use crate::sparse::csr::tests::shifted_random;
use crate::{Complex, Csr, DMatrix, Error, Lu, Real, Result};

type Solver<T> = fn(&dyn LinearOperator<T>, &[T], Options<'_, T>) -> Result<Solution<T>>;

fn all<T: Scalar>() -> [(&'static str, Solver<T>); 6] {
    [
        ("cg", cg),
        ("gmres", gmres),
        ("bicgstab", bicgstab),
        ("lsqr", lsqr),
        ("lsmr", lsmr),
        ("solve", solve),
    ]
}

/// ‖b − A·x‖/‖b‖ by dense arithmetic.
fn relative_residual<T: Scalar>(a: &DMatrix<T>, x: &DVector<T>, b: &[T]) -> f64 {
    let b = DVector::from_column_slice(b);
    T::real_to_f64((&b - a * x).norm()) / T::real_to_f64(b.norm())
}

/// Symmetric positive definite, with eigenvalues about 1 to 10.
fn positive_definite(n: usize, seed: u64) -> DMatrix<f64> {
    let g = random(n, n, seed);
    &g * g.transpose() * (9.0 / n as f64) + DMatrix::identity(n, n)
}

/// Random, with its eigenvalues well to the right of zero.
fn one_sided(n: usize, seed: u64) -> DMatrix<f64> {
    random(n, n, seed) / (n as f64).sqrt() + DMatrix::identity(n, n) * 2.0
}

/// An orthonormal basis of b, A·b, …, Aᵏ⁻¹·b, by Gram and Schmidt twice.
fn krylov_space(a: &DMatrix<f64>, b: &DVector<f64>, k: usize) -> DMatrix<f64> {
    let mut basis: Vec<DVector<f64>> = vec![b.normalize()];
    while basis.len() < k {
        let mut next = a * basis.last().unwrap();
        for v in basis.iter().chain(&basis.clone()) {
            next -= v * v.dot(&next);
        }
        basis.push(next.normalize());
    }
    DMatrix::from_columns(&basis)
}

/// K·y for the y that solves Pᵀ·M·K·y = Pᵀ·c.
fn projected(
    p: &DMatrix<f64>,
    m: &DMatrix<f64>,
    k: &DMatrix<f64>,
    c: &DVector<f64>,
) -> DVector<f64> {
    k * Lu::new(p.transpose() * m * k).unwrap().solve(&(p.transpose() * c)).unwrap()
}

#[test]
fn iterates_are_those_that_the_methods_are_defined_by() {
    let n = 9;
    let b = random(n, 1, 3).column(0).into_owned();
    let (spd, general) = (positive_definite(n, 1), one_sided(n, 2));
    let gram = general.transpose() * &general;
    let normal_b = general.transpose() * &b;
    for k in 1..n {
        let options = || Options::default().iterations(k).restart(n).tolerance(1e-15);
        let near = |name: &str, found: Solution<f64>, expected: DVector<f64>| {
            assert_eq!(found.iterations, k, "{name}");
            let off = (&found.x - &expected).norm() / expected.norm();
            assert!(off <= 1e-11, "{name}, step {k}: off by {off:e}, limit 1e-11");
        };
        // CG: the residual is orthogonal to the Krylov space.
        let space = krylov_space(&spd, &b, k);
        near("cg", cg(&spd, b.as_slice(), options()).unwrap(), projected(&space, &spd, &space, &b));
        // GMRES: ‖r‖ is least, so r is orthogonal to A times the Krylov space.
        let space = krylov_space(&general, &b, k);
        let expected = projected(&(&general * &space), &general, &space, &b);
        near("gmres", gmres(&general, b.as_slice(), options()).unwrap(), expected);
        // LSQR: ‖r‖ is least over the Krylov space of AᵀA.
        let space = krylov_space(&gram, &normal_b, k);
        let expected = projected(&(&general * &space), &general, &space, &b);
        near("lsqr", lsqr(&general, b.as_slice(), options()).unwrap(), expected);
        // LSMR: ‖Aᵀr‖ is.
        let expected = projected(&(&gram * &space), &gram, &space, &normal_b);
        near("lsmr", lsmr(&general, b.as_slice(), options()).unwrap(), expected);
    }
}

#[test]
fn bicgstab_follows_the_paper() {
    let (n, a) = (12, one_sided(12, 5));
    let b = random(n, 1, 6).column(0).into_owned();
    // Van der Vorst's algorithm as printed.
    let (mut x, mut r) = (DVector::zeros(n), b.clone());
    let (shadow, mut v, mut p) = (r.clone(), DVector::zeros(n), DVector::zeros(n));
    let (mut rho, mut alpha, mut omega) = (1.0, 1.0, 1.0);
    for k in 1..6 {
        let next = shadow.dot(&r);
        let beta = next / rho * (alpha / omega);
        rho = next;
        p = &r + (p - &v * omega) * beta;
        v = &a * &p;
        alpha = rho / shadow.dot(&v);
        let s = &r - &v * alpha;
        let t = &a * &s;
        omega = t.dot(&s) / t.dot(&t);
        x += &p * alpha + &s * omega;
        r = s - t * omega;
        let found = bicgstab(&a, b.as_slice(), Options::default().iterations(k)).unwrap();
        let off = (&found.x - &x).norm() / x.norm();
        assert!(off <= 1e-12, "step {k}: off by {off:e}, limit 1e-12");
    }
}

#[test]
fn exact_arithmetic_would_end_after_n_steps() {
    let (n, b) = (8, random(8, 1, 9));
    let (spd, general) = (positive_definite(n, 7), one_sided(n, 8));
    for (name, solver) in all::<f64>() {
        let a = if name == "cg" { &spd } else { &general };
        let options = Options::default().restart(n).tolerance(1e-12);
        let found = solver(a, b.as_slice(), options).unwrap();
        assert_eq!(found.stop, Stop::Converged, "{name}");
        assert!(found.iterations <= n, "{name} took {} steps for n = {n}", found.iterations);
    }
}

#[test]
fn the_poisson_problem_takes_half_as_many_steps_as_points() {
    // b = 1 has parts along the n/2 symmetric eigenvectors alone.
    let n = 50;
    let a = FnOperator::without_adjoint(n, n, |x: &[f64], y: &mut [f64]| {
        for i in 0..n {
            let (left, right) = (if i > 0 { x[i - 1] } else { 0.0 }, x.get(i + 1).unwrap_or(&0.0));
            y[i] = 2.0 * x[i] - left - right;
        }
    });
    let found = cg(&a, &vec![1.0; n], Options::default().tolerance(1e-12)).unwrap();
    assert_eq!((found.stop, found.iterations), (Stop::Converged, 25));
    // One product each, and one for the last word on the residual.
    assert_eq!(found.applications, 26);
    assert_eq!(found.history.len(), 26);
    // The solution is the parabola (i + 1)(n − i)/2.
    assert!((found.x[0] - 25.0).abs() < 1e-10 && (found.x[24] - 325.0).abs() < 1e-9, "{}", found.x);
}

/// Whatever happens, what is reported of x is true of x.
fn is_honest<T: Scalar>(name: &str, a: &DMatrix<T>, b: &[T], found: &Solution<T>, tolerance: f64) {
    let truth = relative_residual(a, &found.x, b);
    // Both residuals carry the rounding of a product with x.
    let size = T::real_to_f64(a.norm()) * T::real_to_f64(found.x.norm());
    let b_norm = T::real_to_f64(DVector::from_column_slice(b).norm());
    let limit = 8.0 * T::EPSILON * b.len() as f64 * (size / b_norm).max(1.0);
    let off = (found.relative_residual - truth).abs();
    assert!(off <= limit, "{name} reports {:e}, true is {truth:e}", found.relative_residual);
    assert!(
        (found.residual_norm / b_norm - found.relative_residual).abs() <= limit,
        "{name}: {} is not {}·{b_norm}",
        found.residual_norm,
        found.relative_residual
    );
    let converged = found.stop == Stop::Converged;
    assert_eq!(converged, found.relative_residual <= tolerance, "{name} says {:?}", found.stop);
    assert!(found.relative_residual <= 1.0 + 1e-12, "{name}: {}", found.relative_residual);
    assert_eq!(found.history.len(), found.iterations + 1, "{name}");
}

proptest! {
    #[test]
    fn what_is_reported_is_true(n in 1_usize..9, shift in 0_u8..4, seed in 0_u64..10_000) {
        let shift = f64::from(shift) * 0.7;
        let real = random(n, n, seed) + DMatrix::identity(n, n) * shift;
        let complex = random_complex(n, n, seed) + DMatrix::identity(n, n) * Complex::from(shift);
        let (b, c) = (random(n, 1, seed + 1), random_complex(n, 1, seed + 2));
        for (name, solver) in all::<f64>() {
            let options = Options::default().tolerance(1e-10).iterations(200);
            is_honest(name, &real, b.as_slice(), &solver(&real, b.as_slice(), options).unwrap(), 1e-10);
        }
        for (name, solver) in all::<Complex<f64>>() {
            let options = Options::default().tolerance(1e-10).iterations(200);
            let found = solver(&complex, c.as_slice(), options).unwrap();
            is_honest(name, &complex, c.as_slice(), &found, 1e-10);
        }
    }
}

#[test]
fn every_scalar_is_solved_for() {
    fn check<T: Scalar>(a: &DMatrix<T>, b: &DMatrix<T>, tolerance: f64) {
        let spd = a * a.adjoint();
        for (name, solver) in all::<T>() {
            let a = if name == "cg" { &spd } else { a };
            let options = Options::default().tolerance(tolerance).restart(10);
            let found = solver(a, b.as_slice(), options).unwrap();
            assert_eq!(found.stop, Stop::Converged, "{name}");
            is_honest(name, a, b.as_slice(), &found, tolerance);
        }
    }
    let n = 10;
    let mut complex = random_complex(n, n, 1) / Complex::from((n as f64).sqrt());
    complex += DMatrix::identity(n, n) * Complex::new(1.5, 1.5);
    let b = random_complex(n, 1, 2);
    check(&complex, &b, 1e-12);
    check(
        &complex.map(|z| Complex::new(f32::from_double(z.re), f32::from_double(z.im))),
        &b.map(|z| Complex::new(f32::from_double(z.re), f32::from_double(z.im))),
        1e-5,
    );
    check(&one_sided(n, 3), &b.map(|z| z.re), 1e-12);
    check(&one_sided(n, 3).map(f32::from_double), &b.map(|z| f32::from_double(z.re)), 1e-5);
}

#[test]
fn a_start_is_where_the_search_starts() {
    let a = one_sided(10, 1);
    let x = random(10, 1, 2);
    let b = &a * &x;
    for (name, solver) in all::<f64>() {
        let options = Options::default().start(x.as_slice());
        let found = solver(&a, b.as_slice(), options).unwrap();
        assert_eq!((found.stop, found.iterations), (Stop::Converged, 0), "{name}");
        assert_eq!(found.x.as_slice(), x.as_slice(), "{name}");
    }
}

#[test]
fn a_skew_matrix_breaks_bicgstab_down_and_is_solved_all_the_same() {
    let g = random(10, 10, 1);
    let skew = &g - g.transpose();
    let b = random(10, 1, 2);
    let found = bicgstab(&skew, b.as_slice(), Options::default()).unwrap();
    assert_eq!(found.stop, Stop::Breakdown);
    assert!((found.relative_residual - 1.0).abs() < 1e-15, "{}", found.relative_residual);
    let found = solve(&skew, b.as_slice(), Options::default()).unwrap();
    assert_eq!((found.stop, found.method), (Stop::Converged, Method::Lsmr));
}

#[test]
fn the_cyclic_shift_defeats_every_restart_below_n() {
    let n = 7;
    let shift = DMatrix::from_fn(n, n, |i, j| if (j + 1) % n == i { 1.0 } else { 0.0 });
    let mut b = vec![0.0; n];
    b[0] = 1.0;
    for m in 1..n {
        let found = gmres(&shift, &b, Options::default().restart(m)).unwrap();
        assert_eq!((found.stop, found.iterations), (Stop::Stagnated, m));
        assert_eq!(found.x, DVector::zeros(n));
    }
    for m in 1..n - 1 {
        // The first iteration sets the mark that the others do not fall below.
        let found = gmres(&shift, &b, Options::default().restart(n).patience(m)).unwrap();
        assert_eq!((found.stop, found.iterations), (Stop::Stagnated, m + 1));
    }
    let found = gmres(&shift, &b, Options::default().restart(n)).unwrap();
    assert_eq!((found.stop, found.iterations), (Stop::Converged, n));
}

#[test]
fn an_indefinite_matrix_breaks_cg_down() {
    let a = Diagonal::new(DVector::from_vec(vec![1.0, -1.0, 2.0]));
    assert_eq!(cg(&a, &[1.0, 1.0, 1.0], Options::default()).unwrap().stop, Stop::Breakdown);
    let zero = DMatrix::<f64>::zeros(3, 3);
    for (name, solver) in all::<f64>() {
        let found = solver(&zero, &[1.0, 2.0, 2.0], Options::default()).unwrap();
        let expected = if ["cg", "gmres", "bicgstab"].contains(&name) {
            Stop::Breakdown
        } else {
            Stop::LeastSquares
        };
        assert_eq!((found.stop, found.x), (expected, DVector::zeros(3)), "{name}");
        assert_eq!((found.residual_norm, found.relative_residual), (3.0, 1.0), "{name}");
    }
}

#[test]
fn rank_deficient_systems_get_the_solution_of_least_norm() {
    // A = L·R of rank 4, so that A⁺ = Rᵀ(RRᵀ)⁻¹(LᵀL)⁻¹Lᵀ.
    for (rows, columns) in [(12, 9), (9, 12), (10, 10), (4, 9), (9, 4)] {
        let (l, r) = (random(rows, 4, 1), random(4, columns, 2));
        let a = &l * &r;
        let b = random(rows, 1, 3).column(0).into_owned();
        let inner = Lu::new(l.transpose() * &l).unwrap().solve(&(l.transpose() * &b)).unwrap();
        let x = r.transpose() * Lu::new(&r * r.transpose()).unwrap().solve(&inner).unwrap();
        let consistent = &a * &x;
        for (name, solver) in [("lsqr", lsqr as Solver<f64>), ("lsmr", lsmr)] {
            let options = || Options::default().tolerance(1e-13);
            let found = solver(&a, consistent.as_slice(), options()).unwrap();
            assert_eq!(found.stop, Stop::Converged, "{name} {rows} x {columns}, consistent");
            let off = (&found.x - &x).norm() / x.norm();
            assert!(off <= 1e-10, "{name} {rows} x {columns}, consistent: off by {off:e}");
            if rows == 4 {
                continue;
            }
            let found = solver(&a, b.as_slice(), options()).unwrap();
            assert_eq!(found.stop, Stop::LeastSquares, "{name} {rows} x {columns}");
            let off = (&found.x - &x).norm() / x.norm();
            assert!(off <= 1e-10, "{name} {rows} x {columns}: off by {off:e}");
            let normal = found.normal_residual.unwrap();
            assert!(normal <= 1e-13, "{name} {rows} x {columns}: ‖Aᵀr‖ is {normal:e}");
            // The operator's norm in that ratio is a lower bound, so that the ratio is an upper one.
            let gradient = a.transpose() * (&b - &a * &found.x);
            assert!(
                gradient.norm() / (a.norm() * found.residual_norm) <= normal * 1.01 + 1e-15,
                "{name}"
            );
        }
    }
}

#[test]
fn least_squares_start_from_where_they_are_told() {
    // One equation x + y = 2 from (3, 1): the nearest solution is (2, 0).
    let plane = DMatrix::from_element(1, 2, 1.0);
    for solver in [lsqr as Solver<f64>, lsmr, solve] {
        let found = solver(&plane, &[2.0], Options::default().start(&[3.0, 1.0])).unwrap();
        assert!((found.x - DVector::from_vec(vec![2.0, 0.0])).norm() < 1e-14, "not the nearest");
    }
}

#[test]
fn a_nan_from_the_operator_ends_the_work() {
    let (n, a) = (20, one_sided(20, 1));
    let b = random(n, 1, 2);
    for bad in [f64::NAN, f64::INFINITY] {
        for good in 0..8 {
            for (name, solver) in all::<f64>() {
                let calls = Cell::new(0);
                let spoil = |y: &mut [f64]| {
                    calls.set(calls.get() + 1);
                    if calls.get() > good {
                        y[n / 2] = bad;
                    }
                };
                let operator = FnOperator::new(
                    n,
                    n,
                    |x: &[f64], y: &mut [f64]| {
                        a.apply(x, y).unwrap();
                        spoil(y);
                    },
                    |x: &[f64], y: &mut [f64]| {
                        a.apply_adjoint(x, y).unwrap();
                        spoil(y);
                    },
                );
                let options = Options::default().tolerance(1e-14);
                let found = solver(&operator, b.as_slice(), options).unwrap();
                assert_eq!(found.stop, Stop::NotFinite, "{name}, {bad} after {good}");
                assert!(calls.get() < good + 10, "{name}: {} calls after {good}", calls.get());
                assert!(found.x.iter().all(|x| x.is_finite()), "{name}: {}", found.x);
            }
        }
    }
}

#[test]
fn trivial_systems_are_solved() {
    for (name, solver) in all::<f64>() {
        let a = one_sided(5, 1);
        let found = solver(&a, &[0.0; 5], Options::default().start(&[1.0; 5])).unwrap();
        assert_eq!(
            (found.stop, found.x, found.iterations),
            (Stop::Converged, DVector::zeros(5), 0)
        );
        assert_eq!((found.residual_norm, found.relative_residual), (0.0, 0.0), "{name}");
        let found = solver(&DMatrix::from_element(1, 1, 4.0), &[2.0], Options::default()).unwrap();
        assert_eq!((found.stop, found.x[0]), (Stop::Converged, 0.5), "{name}");
        let found = solver(&a, &[1.0; 5], Options::default().iterations(0)).unwrap();
        assert_eq!((found.stop, found.x), (Stop::IterationLimit, DVector::zeros(5)), "{name}");
        assert!((found.relative_residual - 1.0).abs() < 1e-15, "{name}");
    }
}

#[test]
fn the_size_of_the_numbers_does_not_matter() {
    let (n, a, b) = (15, one_sided(15, 1), random(15, 1, 2));
    let spd = &a * a.transpose();
    for (name, solver) in all::<f64>() {
        let a = if name == "cg" { &spd } else { &a };
        let plain = solver(a, b.as_slice(), Options::default()).unwrap();
        for (of_a, of_b) in [
            (1e150, 1.0),
            (1e-150, 1.0),
            (1.0, 1e300),
            (1.0, 1e-300),
            (1e150, 1e200),
            (1e-150, 1e-200),
        ] {
            let (a, b) = (a * of_a, &b * of_b);
            let found = solver(&a, b.as_slice(), Options::default()).unwrap();
            let expected = (Stop::Converged, plain.iterations);
            assert_eq!((found.stop, found.iterations), expected, "{name} {of_a:e} {of_b:e}");
            let off = (&found.x / of_b * of_a - &plain.x).norm() / plain.x.norm();
            assert!(off <= 1e-6, "{name} {of_a:e} {of_b:e}: off by {off:e}");
        }
        assert!(n > plain.iterations, "{name}");
    }
    // A solution that no double can hold is not called one.
    let found = bicgstab(&(&a * 1e-150), (&b * 1e200).as_slice(), Options::default()).unwrap();
    assert_eq!(found.stop, Stop::NotFinite);
}

#[test]
fn more_than_the_precision_holds_is_stagnation() {
    let (a, b) = (one_sided(30, 1), random(30, 1, 2));
    for (name, solver) in all::<f64>() {
        if name == "cg" {
            continue;
        }
        let found = solver(&a, b.as_slice(), Options::default().tolerance(1e-18)).unwrap();
        assert!(
            matches!(found.stop, Stop::Stagnated | Stop::Breakdown),
            "{name}: {:?}",
            found.stop
        );
        assert!(found.relative_residual < 1e-14, "{name}: {}", found.relative_residual);
        assert!(found.iterations < 600, "{name}: {}", found.iterations);
    }
}

#[test]
fn permuted_rows_are_handled_by_lsmr() {
    let n = 600;
    let turned: Vec<_> =
        shifted_random(n, 8, 1.0, 1).entries().map(|(i, j, x)| ((i * 7 + 3) % n, j, x)).collect();
    let a = Csr::from_triplets(n, n, &turned).unwrap();
    // 7 and 600 have no common factor, so that this permutes.
    let b = random(n, 1, 2);
    let wrong = bicgstab(&a, b.as_slice(), Options::default()).unwrap();
    assert_ne!(wrong.stop, Stop::Converged);
    assert!(wrong.relative_residual > 0.5, "{}", wrong.relative_residual);
    let found = solve(&a, b.as_slice(), Options::default()).unwrap();
    assert_eq!((found.stop, found.method), (Stop::Converged, Method::Lsmr));
}

#[test]
fn where_nothing_converges_it_says_so() {
    let a = shifted_random(2000, 10, 2.6, 3);
    let b = random(2000, 1, 4);
    let dense_b = b.column(0).into_owned();
    for (name, solver) in all::<f64>() {
        let found = solver(&a, b.as_slice(), Options::default().iterations(150)).unwrap();
        assert_ne!(found.stop, Stop::Converged, "{name}");
        assert_ne!(found.stop, Stop::LeastSquares, "{name}");
        assert!(found.relative_residual > 1e-8 && found.relative_residual <= 1.0, "{name}");
        let mut ax = DVector::zeros(2000);
        a.apply(found.x.as_slice(), ax.as_mut_slice()).unwrap();
        let truth = (&dense_b - ax).norm() / dense_b.norm();
        assert!((truth - found.relative_residual).abs() <= 1e-12, "{name}");
    }
}

#[test]
fn sweeps_are_used_where_they_contract() {
    let (a, b) = (shifted_random(2000, 10, 1.0, 1), random(2000, 1, 2));
    let found = solve(&a, b.as_slice(), Options::default()).unwrap();
    assert_eq!((found.stop, found.method), (Stop::Converged, Method::GaussSeidel));
    // A sweep leaves 0.32 of the residual: log(1e-8)/log(0.32) = 16.2.
    assert!((14..=18).contains(&found.iterations), "{}", found.iterations);
    assert!(found.applications <= found.iterations + 2, "{}", found.applications);
    // The Laplacian is beyond them, and not beyond BiCGSTAB.
    let n = 400;
    let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
    triplets.extend((1..n).flat_map(|i| [(i, i - 1, -1.0), (i - 1, i, -1.0)]));
    let a = Csr::from_triplets(n, n, &triplets).unwrap();
    let found = solve(&a, &vec![1.0; n], Options::default()).unwrap();
    assert_eq!(found.stop, Stop::Converged);
    assert_ne!(found.method, Method::GaussSeidel);
    let alone = bicgstab(&a, &vec![1.0; n], Options::default()).unwrap();
    let wasted = found.applications.saturating_sub(alone.applications);
    assert!(wasted <= 6, "{wasted} products for sweeps that do not contract");
}

#[test]
fn preconditioners_save_iterations_and_change_nothing_else() {
    // Rows and columns of very different size, which Jacobi and ILU(0) undo.
    let n = 200;
    let size = |i: usize| [0.01, 0.1, 1.0, 10.0, 100.0][i % 5];
    let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 4.0 * size(i) * size(i))).collect();
    for i in 1..n {
        let x = -size(i) * size(i - 1);
        triplets.extend([(i, i - 1, x), (i - 1, i, x)]);
    }
    let a = Csr::from_triplets(n, n, &triplets).unwrap();
    let b = random(n, 1, 1);
    let (jacobi, ilu) = (jacobi(&a).unwrap(), Ilu0::new(&a).unwrap());
    for (name, solver) in all::<f64>() {
        let plain = solver(&a, b.as_slice(), Options::default()).unwrap();
        let helped: [&dyn LinearOperator<f64>; 2] = [&jacobi, &ilu];
        for (m, at_most) in helped.into_iter().zip([60, 3]) {
            let options = Options::default().preconditioner(m);
            let found = solver(&a, b.as_slice(), options).unwrap();
            assert_eq!(found.stop, Stop::Converged, "{name}");
            // Scaling from one side leaves the singular values that LSQR and LSMR depend on worse.
            let at_most = if name.starts_with("ls") { 3 * at_most } else { at_most };
            assert!(found.iterations <= at_most, "{name}: {}", found.iterations);
            let worse = plain.stop != Stop::Converged || found.iterations < plain.iterations;
            assert!(worse, "{name} needs only {} without", plain.iterations);
            assert!(found.normal_residual.is_none_or(|normal| normal <= 1.0), "{name}");
            is_honest(name, &a.to_dense(), b.as_slice(), &found, 1e-8);
        }
    }
}

#[test]
fn the_observer_sees_every_iteration_and_may_end_the_work() {
    let (a, b) = (one_sided(30, 1), random(30, 1, 2));
    for (name, solver) in all::<f64>() {
        let mut seen = Vec::new();
        let options = Options::default().tolerance(1e-14).observer(|progress| {
            seen.push((progress.iteration, progress.relative_residual));
            if progress.iteration == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let found = solver(&a, b.as_slice(), options).unwrap();
        assert_eq!((found.stop, found.iterations), (Stop::Stopped, 3), "{name}");
        let told: Vec<_> = found.history.iter().copied().enumerate().skip(1).collect();
        assert_eq!(seen, told, "{name}");
        assert!(found.relative_residual < 1.0, "{name} lost what it had");
    }
}

#[test]
#[cfg(feature = "parallel")]
fn any_number_of_threads_gives_the_same_solution() {
    let (a, b) = (shifted_random(4000, 8, 1.0, 1), random(4000, 1, 2));
    for (name, solver) in all::<f64>() {
        let one = solver(&a, b.as_slice(), Options::default().iterations(40)).unwrap();
        let a = a.clone().threads(crate::Threads::Pool);
        for count in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
            let many = pool
                .install(|| solver(&a, b.as_slice(), Options::default().iterations(40)))
                .unwrap();
            assert_eq!(one, many, "{name}, {count} threads");
        }
    }
}

#[test]
fn without_an_adjoint_the_failure_of_bicgstab_is_the_answer() {
    let turn = FnOperator::without_adjoint(2, 2, |x: &[f64], y: &mut [f64]| {
        (y[0], y[1]) = (x[1], -x[0]);
    });
    let found = solve(&turn, &[1.0, 2.0], Options::default()).unwrap();
    assert_eq!((found.stop, found.method), (Stop::Breakdown, Method::Bicgstab));
    assert_eq!(lsmr(&turn, &[1.0, 2.0], Options::default()).unwrap_err(), Error::NoAdjoint);
    assert_eq!(lsqr(&turn, &[1.0, 2.0], Options::default()).unwrap_err(), Error::NoAdjoint);
}

#[test]
fn bad_requests_are_refused_before_the_first_product() {
    let never = FnOperator::without_adjoint(3, 3, |_: &[f64], _: &mut [f64]| panic!("applied"));
    let b = [1.0, 2.0, 3.0];
    for (name, solver) in all::<f64>() {
        let refused = |b: &[f64], options| solver(&never, b, options).unwrap_err().to_string();
        let plain = Options::default;
        assert_eq!(refused(&[1.0], plain()), "b is 1 x 1, expected 3 x 1", "{name}");
        assert_eq!(
            refused(&[1.0, f64::NAN, f64::INFINITY], plain()),
            "b[1, 0] is NaN, and every entry must be finite"
        );
        assert_eq!(
            refused(&b, plain().start(&[0.0, 0.0, f64::NEG_INFINITY])),
            "options.start[2, 0] is -inf, and every entry must be finite"
        );
        assert_eq!(refused(&b, plain().start(&[0.0])), "options.start is 1 x 1, expected 3 x 1");
        for tolerance in [0.0, -1.0, 1.0, f64::NAN] {
            assert_eq!(
                refused(&b, plain().tolerance(tolerance)),
                format!("options.tolerance is {tolerance}, expected a number between 0 and 1")
            );
        }
        assert_eq!(refused(&b, plain().restart(0)), "options.restart is 0, expected at least 1");
        assert_eq!(refused(&b, plain().patience(0)), "options.patience is 0, expected at least 1");
        let small = Diagonal::new(DVector::from_element(2, 1.0));
        assert_eq!(
            refused(&b, plain().preconditioner(&small)),
            "options.preconditioner is 2 x 2, expected 3 x 3"
        );
        let empty = solver(&DMatrix::zeros(0, 0), &[], plain()).unwrap_err();
        assert!(matches!(empty, Error::Empty { argument: "a", .. }), "{name}");
    }
    for solver in [cg as Solver<f64>, gmres, bicgstab] {
        let error = solver(&random(2, 3, 1), &[1.0, 1.0], Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "a is 2 x 3, and must be square");
    }
}
