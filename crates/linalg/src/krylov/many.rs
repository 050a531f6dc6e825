//! Several systems with one matrix.

use super::relaxation::{CONTRACTION, GAINED, ROUND, Sweeps};
use super::vector::norm;
use super::{Method, Options, Solution, Stop, solve};
use crate::door::finite;
use crate::operator::check_shape;
use crate::{DMatrix, DMatrixView, Error, LinearOperator, Result, Scalar};

/// Systems that are swept side by side: eight numbers of `f64` fill a line of the cache.
const TOGETHER: usize = 8;

/// Solves A·x = b for every column of `b`, as [`solve`] does: a solution per column.
///
/// Where A can sweep ([`LinearOperator::relax`], which [`Csr`](crate::Csr) has), eight systems at
/// a time are swept together, which reads A once for eight; what sweeping does not solve is solved one
/// by one. The options hold for each system; [`Options::start`] and [`Options::observer`] are not used.
///
/// # Errors
/// As [`solve`], and [`Error::Empty`] where `b` has no columns.
///
/// # Examples
/// ```
/// use linalg::krylov::{self, Options, Stop};
/// use linalg::{Csr, DMatrix};
/// let a = Csr::from_triplets(2, 2, &[(0, 0, 4.0), (0, 1, 1.0), (1, 1, 2.0)])?;
/// let b = DMatrix::from_column_slice(2, 2, &[6.0_f64, 4.0, 4.0, 0.0]);
/// let solutions = krylov::solve_many(&a, &b, &Options::default())?;
/// assert!(solutions.iter().all(|solution| solution.stop == Stop::Converged));
/// assert!((solutions[0].x[0] - 1.0).abs() < 1e-7 && (solutions[1].x[0] - 1.0).abs() < 1e-7);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn solve_many<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &DMatrix<T>,
    options: &Options<'_, T>,
) -> Result<Vec<Solution<T>>> {
    check_shape("b", (a.nrows(), b.ncols()), b.shape())?;
    finite("b", b)?;
    if b.ncols() == 0 {
        return Err(Error::Empty { argument: "b", rows: b.nrows(), columns: 0 });
    }
    let mut solutions = Vec::with_capacity(b.ncols());
    for first in (0..b.ncols()).step_by(TOGETHER) {
        let count = TOGETHER.min(b.ncols() - first);
        let part = b.columns(first, count);
        let swept = if count > 1 { sweep(a, part, options)? } else { None };
        let mut swept = swept.unwrap_or_default();
        swept.resize_with(count, || None);
        for (column, swept) in swept.into_iter().enumerate() {
            solutions.push(match swept {
                Some(solution) => solution,
                None => solve(a, part.column(column).as_slice(), of(options))?,
            });
        }
    }
    Ok(solutions)
}

/// The same options for one system.
fn of<'a, T: Scalar>(options: &Options<'a, T>) -> Options<'a, T> {
    Options {
        tolerance: options.tolerance,
        iterations: options.iterations,
        restart: options.restart,
        patience: options.patience,
        start: None,
        preconditioner: options.preconditioner,
        observer: None,
    }
}

/// Sweeps while every residual falls; what converged, and `None` for what did not.
fn sweep<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: DMatrixView<'_, T>,
    options: &Options<'_, T>,
) -> Result<Option<Vec<Option<Solution<T>>>>> {
    let count = b.ncols();
    if options.preconditioner.is_some() || a.nrows() != a.ncols() {
        return Ok(None);
    }
    // Zeros in the place of what is missing to a width that the loop is made for.
    let Some(mut sweeps) = Sweeps::new(a, count.next_power_of_two()) else { return Ok(None) };
    let norms: Vec<f64> = b.column_iter().map(|b| norm(b.as_slice())).collect();
    if norms.iter().any(|norm| !norm.is_normal()) {
        return Ok(None);
    }
    let tolerance = options.tolerance;
    let (mut x, mut residual) = (DMatrix::zeros(b.nrows(), count), None::<DMatrix<T>>);
    let mut left = norms.clone();
    let mut history: Vec<Vec<f64>> = vec![Vec::new(); count];
    let mut applications = 0;
    loop {
        sweeps.begin(residual.as_ref().map_or(b, |residual| residual.as_view()), &left);
        let from = left.clone();
        let (mut done, mut slow) = (false, false);
        while !done && !slow && history[0].len() < options.iterations {
            let Some(met) = sweeps.sweep()? else { return Ok(None) };
            applications += 1;
            done = true;
            for (column, history) in history.iter_mut().enumerate() {
                let relative = met[column] * from[column] / norms[column];
                let goal = tolerance.max(ROUND * from[column] / norms[column]);
                // What is met is from before the sweep, more or less.
                let before = |sweeps| history.len().checked_sub(sweeps).map(|at| history[at]);
                done &= before(1).is_some_and(|before| relative * relative <= goal * before)
                    || relative <= tolerance;
                slow |= before(2).is_some_and(|earlier| {
                    !(relative <= CONTRACTION * earlier) && !(relative <= goal)
                });
                history.push(relative);
            }
        }
        sweeps.correct(&from, x.as_view_mut());
        let residual = residual.get_or_insert_with(|| DMatrix::zeros(b.nrows(), count));
        a.apply_block(x.as_view(), residual.as_view_mut())?;
        applications += 1;
        for ((mut r, b), left) in residual.column_iter_mut().zip(b.column_iter()).zip(&mut left) {
            r.zip_apply(&b, |r, b| *r = b - *r);
            *left = norm(r.as_slice());
        }
        let mut columns = left.iter().zip(&from).zip(&norms);
        let all = columns.clone().all(|((left, _), norm)| *left <= tolerance * norm);
        let gained = if slow { GAINED } else { 0.5 };
        let worth =
            columns.all(|((left, from), norm)| *left <= gained * from || *left <= tolerance * norm);
        let sweeps = history[0].len();
        if all || !worth || sweeps >= options.iterations {
            let solutions = (0..count).map(|column| {
                let relative_residual = left[column] / norms[column];
                (relative_residual <= tolerance).then(|| Solution {
                    x: x.column(column).into_owned(),
                    stop: Stop::Converged,
                    residual_norm: left[column],
                    relative_residual,
                    normal_residual: None,
                    iterations: sweeps,
                    applications,
                    method: Method::GaussSeidel,
                    history: history[column].clone(),
                })
            });
            return Ok(Some(solutions.collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::FnOperator;
    use crate::operator::tests::random;
    use crate::sparse::csr::tests::shifted_random;
    use crate::{Csr, DVector};

    #[test]
    fn every_column_is_solved_as_if_it_were_alone() {
        let a = shifted_random(300, 6, 1.0, 4);
        let options = Options::default().tolerance(1e-11);
        for count in [1, 2, 3, 8, 11] {
            let b = random(300, count, 6);
            let solutions = solve_many(&a, &b, &options).unwrap();
            assert_eq!(solutions.len(), count);
            for (column, solution) in solutions.iter().enumerate() {
                assert_eq!(solution.stop, Stop::Converged);
                let mut image = vec![0.0; 300];
                a.apply(solution.x.as_slice(), &mut image).unwrap();
                let off = b.column(column) - DVector::from_vec(image);
                assert!((off.norm() - solution.residual_norm).abs() <= 1e-15 * 300.0);
                assert!(off.norm() <= 1e-11 * b.column(column).norm());
                let alone = solve(&a, b.column(column).as_slice(), of(&options)).unwrap();
                assert!((&alone.x - &solution.x).norm() <= 1e-9 * alone.x.norm());
            }
        }
    }

    #[test]
    fn what_sweeps_do_not_solve_is_solved_otherwise() {
        // A cyclic shift has no diagonal to sweep with, and one with a small one diverges.
        for small in [0.0, 0.1] {
            let mut triplets: Vec<_> = (0..50).map(|i| (i, (i + 1) % 50, 1.0)).collect();
            triplets.extend((0..50).map(|i| (i, i, small)));
            let a = Csr::from_triplets(50, 50, &triplets).unwrap();
            let mut b = random(50, 3, 1);
            b.column_mut(1).fill(0.0);
            for (column, solution) in
                solve_many(&a, &b, &Options::default()).unwrap().iter().enumerate()
            {
                assert_eq!(solution.stop, Stop::Converged, "column {column}");
            }
        }
        let blind = FnOperator::without_adjoint(2, 2, |x: &[f64], y: &mut [f64]| {
            y.copy_from_slice(&[3.0 * x[0] + x[1], 2.0 * x[1]]);
        });
        let solutions = solve_many(&blind, &random(2, 2, 1), &Options::default()).unwrap();
        assert!(solutions.iter().all(|solution| solution.stop == Stop::Converged));
    }

    #[test]
    fn requests_that_do_not_fit_are_refused() {
        let a = shifted_random(4, 2, 1.0, 4);
        let text =
            |b: &DMatrix<f64>| solve_many(&a, b, &Options::default()).unwrap_err().to_string();
        assert_eq!(text(&DMatrix::zeros(3, 2)), "b is 3 x 2, expected 4 x 2");
        let mut b = DMatrix::zeros(4, 2);
        b[(1, 1)] = f64::NAN;
        assert_eq!(text(&b), "b[1, 1] is NaN, and every entry must be finite");
        let none = solve_many(&a, &DMatrix::zeros(4, 0), &Options::default());
        assert!(matches!(none, Err(Error::Empty { argument: "b", .. })));
    }
}
