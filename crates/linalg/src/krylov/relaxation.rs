//! Gauss–Seidel sweeps, while they contract.

use super::Stop;
use super::run::Run;
use crate::{Result, Scalar};

/// A sweep must leave this much of the residual or less. Sweeps cost one product and BiCGSTAB two
/// and a half per iteration, so that slower ones are worth giving up.
const CONTRACTION: f64 = 0.75;

/// Sweeps until A·x = b holds, or until sweeping is not worth it (`None`).
///
/// On 2·I plus random entries with the spectral radius r a sweep leaves about 0.3 (r = 1) or 0.6
/// (r = 1.5) of the residual, where a product in any Krylov method leaves r/2.
pub(super) fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Option<Stop>> {
    let n = run.x.len();
    if run.options.preconditioner.is_some() {
        return Ok(None);
    }
    let Some(mut inverse) = run.a.diagonal() else { return Ok(None) };
    inverse.apply(|d| *d = d.recip());
    if inverse.iter().any(|d| !d.is_finite()) {
        return Ok(None);
    }
    let mut r = vec![T::zero(); n];
    run.residual(&mut r)?;
    if let Some(stop) = run.settled() {
        return Ok(Some(stop));
    }
    if run.iterations >= run.options.iterations {
        return Ok(Some(Stop::IterationLimit));
    }
    let mut before = f64::INFINITY;
    loop {
        let Some(met) = run.relax(inverse.as_slice())? else { return Ok(None) };
        let relative = run.relative(met);
        let contraction = relative / before;
        before = relative;
        match run.count(relative, relative) {
            // The residuals met on the way are those before the sweep, more or less: what they
            // claim is true by now, and one sweep less would have done.
            None | Some(Stop::Converged) => {}
            Some(stop @ (Stop::IterationLimit | Stop::Stopped)) => return Ok(Some(stop)),
            Some(_) => break,
        }
        if relative * contraction <= run.options.tolerance {
            run.residual(&mut r)?;
            if let Some(stop) = run.settled() {
                return Ok(Some(stop));
            }
        }
        if contraction > CONTRACTION {
            break;
        }
    }
    run.residual(&mut r)?;
    Ok(None)
}
