//! Solving without knowing which method will do.

use super::run::Run;
use super::{Method, Options, Solution, Stop, bicgstab, lsmr};
use crate::{Error, LinearOperator, Result, Scalar};

/// Solves A·x = b by BiCGSTAB while that gets on, and by LSMR from its best iterate where it does
/// not; by LSMR alone where A is not square.
///
/// BiCGSTAB is given up when its residual has grown a thousandfold or has not fallen by a tenth in
/// 25 iterations. LSMR then needs the adjoint; without one, BiCGSTAB's failure is the answer.
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
    let mut run = Run::new(a, b, options)?;
    if a.nrows() != a.ncols() {
        let stop = lsmr::iterate(&mut run)?;
        return run.finish(stop, Method::Lsmr);
    }
    let (patience, growth) = (run.options.patience, run.growth);
    run.options.patience = patience.min(25);
    run.growth = 1e3;
    let stop = bicgstab::iterate(&mut run)?;
    if matches!(stop, Stop::Converged | Stop::IterationLimit | Stop::Stopped) {
        return run.finish(stop, Method::Bicgstab);
    }
    run.hand_over();
    run.options.patience = patience;
    run.growth = growth;
    match lsmr::iterate(&mut run) {
        Ok(stop) => run.finish(stop, Method::Lsmr),
        Err(Error::NoAdjoint) => run.finish(stop, Method::Bicgstab),
        Err(error) => Err(error),
    }
}
