//! LSQR.

use super::lsmr::Bidiagonal;
use super::run::Run;
use super::vector::{add, scalar, scale_and_add};
use super::{Method, Options, Solution, Stop};
use crate::{LinearOperator, Result, Scalar};

/// Minimises ‖b − A·x‖ for any A by bidiagonalisation: in exact arithmetic the iterates of
/// conjugate gradients on AᴴA·x = Aᴴb, without the squared condition number in the rounding.
///
/// Of the many minimisers of a rank-deficient A it finds the one nearest to the start, which from
/// zero is the one of least norm, A⁺b. One product with A and one with Aᴴ per iteration.
/// [`lsmr`](super::lsmr()) minimises ‖Aᴴr‖ instead, and can be stopped a little earlier.
///
/// # Errors
/// [`Error::Empty`](crate::Error::Empty), [`Error::Shape`](crate::Error::Shape),
/// [`Error::NotFinite`](crate::Error::NotFinite) with an index,
/// [`Error::OutOfRange`](crate::Error::OutOfRange) for an option, and
/// [`Error::NoAdjoint`](crate::Error::NoAdjoint). Not converging is no error: see
/// [`Solution::stop`].
///
/// # Examples
/// The line of best fit through (0, 1), (1, 2), (2, 4), by hand: 5/6 + 3/2·t.
/// ```
/// use linalg::krylov::{self, Options, Stop};
/// use linalg::DMatrix;
/// let a = DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 1.0, 1.0, 1.0, 2.0]);
/// let fit = krylov::lsqr(&a, &[1.0_f64, 2.0, 4.0], Options::default())?;
/// assert_eq!(fit.stop, Stop::LeastSquares);
/// assert!((fit.x[0] - 5.0 / 6.0).abs() < 1e-12 && (fit.x[1] - 1.5).abs() < 1e-12);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// C. C. Paige, M. A. Saunders, "LSQR: an algorithm for sparse linear equations and sparse least
/// squares", ACM Trans. Math. Softw. 8 (1982), section 4.
pub fn lsqr<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &[T],
    options: Options<'_, T>,
) -> Result<Solution<T>> {
    let mut run = Run::new(Method::Lsqr, a, b, options)?;
    let stop = iterate(&mut run)?;
    run.finish(stop)
}

fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Stop> {
    let mut pair = Bidiagonal::new(run);
    loop {
        if let Some(stop) = pair.start(run)? {
            return Ok(stop);
        }
        let mut w = pair.v.clone();
        let mut y = vec![T::zero(); w.len()];
        let (mut phi_bar, mut rho_bar) = (pair.beta, pair.alpha);
        let stop = loop {
            pair.step(run)?;
            let rho = rho_bar.hypot(pair.beta);
            let (c, s) = (rho_bar / rho, pair.beta / rho);
            let theta = s * pair.alpha;
            let phi = c * phi_bar;
            phi_bar *= s;
            rho_bar = -c * pair.alpha;
            // ‖Aᴴr‖/(‖A‖‖r‖), since ‖Aᴴr‖ = phi_bar·alpha·|c|.
            let normal = pair.alpha * c.abs() / run.operator_norm;
            let stop = pair.advance(run, phi_bar, normal);
            if stop == Some(Stop::NotFinite) {
                break stop;
            }
            add(&mut y, scalar(phi / rho), &w);
            scale_and_add(&mut w, scalar(-theta / rho), &pair.v);
            if stop.is_some() {
                break stop;
            }
        };
        if let Some(stop) = pair.collect(run, &y, stop)? {
            return Ok(stop);
        }
    }
}
