//! Solving without knowing which method will do.

use super::run::Run;
use super::{Method, Options, Solution, Stop, bicgstab, lsmr, relaxation};
use crate::{Error, LinearOperator, Result, Scalar};

/// Solves A·x = b by the cheapest method that gets on with it: Gauss–Seidel sweeps, BiCGSTAB,
/// LSMR, in this order; by LSMR alone where A is not square.
///
/// Sweeps need rows ([`LinearOperator::relax`], which [`Csr`](crate::Csr) has), a diagonal without
/// zeros and no preconditioner; they cost one product each and nothing else, find corrections in single
/// precision between residuals in full, and go on as long as each takes a quarter off the residual. A symmetric
/// [`Csr`](crate::Csr) on a grid, its diagonal dominant, is swept like a chessboard with over-relaxation: then a sweep
/// leaves ω − 1 of the error with ω = 2/(1 + √(1 − μ²)) and μ the largest sum of a row beside its diagonal, over that.
/// BiCGSTAB is given up when its residual has grown a thousandfold or has not fallen by a tenth in 25 iterations. The next method goes on from the best iterate if that has gained three
/// digits, and else from the start. LSMR needs the adjoint; without one, BiCGSTAB's failure is the answer.
/// [`Options::iterations`] limits both together.
///
/// # Errors
/// As [`bicgstab`](super::bicgstab()). Not converging is no error: see [`Solution::stop`]; the
/// best x of both methods is returned, with its residual.
///
/// # Examples
/// ```
/// use linalg::krylov::{self, Method, Options, Stop};
/// use linalg::Csr;
/// // Swaps two pairs: BiCGSTAB breaks down on it, LSMR does not.
/// let a = Csr::from_triplets(4, 4, &[(0, 1, 1.0), (1, 0, -1.0), (2, 3, 2.0), (3, 2, -2.0)])?;
/// let solution = krylov::solve(&a, &[1.0_f64, 2.0, 3.0, 4.0], Options::default())?;
/// assert_eq!((solution.stop, solution.method), (Stop::Converged, Method::Lsmr));
/// for (x, expected) in solution.x.iter().zip([-2.0, 1.0, -2.0, 1.5]) {
///     assert!((x - expected).abs() < 1e-7);
/// }
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn solve<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &[T],
    options: Options<'_, T>,
) -> Result<Solution<T>> {
    if a.nrows() != a.ncols() {
        return lsmr(a, b, options);
    }
    let mut run = Run::new(Method::GaussSeidel, a, b, options)?;
    if let Some(stop) = relaxation::iterate(&mut run)? {
        return run.finish(stop);
    }
    run.hand_over(Method::Bicgstab);
    let options = (run.options.patience, run.growth);
    (run.options.patience, run.growth) = (run.options.patience.min(25), 1e3);
    let stop = bicgstab::iterate(&mut run)?;
    if matches!(stop, Stop::Converged | Stop::IterationLimit | Stop::Stopped) {
        return run.finish(stop);
    }
    run.hand_over(Method::Lsmr);
    (run.options.patience, run.growth) = options;
    match lsmr::iterate(&mut run) {
        Ok(stop) => run.finish(stop),
        Err(Error::NoAdjoint) => {
            run.method = Method::Bicgstab;
            run.finish(stop)
        }
        Err(error) => Err(error),
    }
}
