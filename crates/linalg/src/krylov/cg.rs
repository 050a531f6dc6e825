//! Conjugate gradients.

use super::run::Run;
use super::vector::{add, dot, real, scalar, scale_and_add};
use super::{Method, Options, Solution, Stop};
use crate::{LinearOperator, Result, Scalar};

/// Solves A·x = b for Hermitian positive definite A by conjugate gradients: one product per
/// iteration, about ½·√κ(A)·ln(2/tolerance) iterations at most.
///
/// Where pᴴ·A·p ≤ 0 shows that A is not positive definite, the result says
/// [`Stop::Breakdown`]. That A is Hermitian is taken on trust; where it is not, the residual does
/// not fall, and the result says so.
///
/// # Errors
/// [`Error::NotSquare`](crate::Error::NotSquare), [`Error::Empty`](crate::Error::Empty),
/// [`Error::Shape`](crate::Error::Shape), [`Error::NotFinite`](crate::Error::NotFinite) with an
/// index, [`Error::OutOfRange`](crate::Error::OutOfRange) for an option. Not converging is no
/// error: see [`Solution::stop`].
///
/// # Examples
/// The two iterations of a 2 x 2 problem, from the English Wikipedia's "Conjugate gradient
/// method": x = (1/11, 7/11).
/// ```
/// use linalg::krylov::{self, Options};
/// use linalg::DMatrix;
/// let a = DMatrix::from_row_slice(2, 2, &[4.0, 1.0, 1.0, 3.0]);
/// let solution = krylov::cg(&a, &[1.0_f64, 2.0], Options::default().start(&[2.0, 1.0]))?;
/// assert_eq!(solution.iterations, 2);
/// assert!((solution.x[0] - 1.0 / 11.0).abs() < 1e-15);
/// assert!((solution.x[1] - 7.0 / 11.0).abs() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems",
/// J. Res. Nat. Bur. Standards 49 (1952).
pub fn cg<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &[T],
    options: Options<'_, T>,
) -> Result<Solution<T>> {
    let mut run = Run::new_square(Method::Cg, a, b, options)?;
    let stop = iterate(&mut run)?;
    run.finish(stop)
}

fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Stop> {
    let (mut r, mut q) = (vec![T::zero(); run.x.len()], vec![T::zero(); run.x.len()]);
    let mut space = Vec::new();
    loop {
        let relative = run.residual(&mut r)?;
        let stop = run.settled().or_else(|| run.progressed(relative, 0.5, Stop::Stagnated));
        if let Some(stop) = stop {
            return Ok(stop);
        }
        let mut p = run.precondition(&r, &mut space)?.to_vec();
        let mut rho = real(dot(&r, &p));
        loop {
            run.apply(&p, &mut q)?;
            let curvature = real(dot(&p, &q));
            if curvature <= 0.0 || rho <= 0.0 {
                return Ok(Stop::Breakdown);
            }
            let alpha = scalar::<T>(rho / curvature);
            add(&mut r, -alpha, &q);
            let r_square = real(dot(&r, &r));
            let stop = run.advance(run.relative(r_square.sqrt()));
            if stop == Some(Stop::NotFinite) {
                return Ok(Stop::NotFinite);
            }
            add(&mut run.x, alpha, &p);
            match stop {
                Some(Stop::Converged) => break,
                Some(stop) => return Ok(stop),
                None => {}
            }
            let z = run.precondition(&r, &mut space)?;
            let rho_next =
                if run.options.preconditioner.is_some() { real(dot(&r, z)) } else { r_square };
            scale_and_add(&mut p, scalar(rho_next / rho), z);
            rho = rho_next;
        }
    }
}
