//! Gauss–Seidel sweeps, while they contract.
//!
//! Sweeps are for corrections, A·e = r over ‖r‖, in single precision; residuals are computed in full, and x is what
//! was corrected. A round of sweeps ends five digits further on.

use nalgebra::ComplexField;

use super::Stop;
use super::run::Run;
use super::vector::norm;
use crate::sparse::Aligned;
use crate::{DMatrixView, DMatrixViewMut, LinearOperator, Result, Scalar};

/// Two sweeps must leave this much of the residual or less: the first one may even add to it, where it steps far.
/// Sweeps cost one product and BiCGSTAB two and a half per iteration, so that slower ones are worth giving up.
pub(super) const CONTRACTION: f64 = 0.75 * 0.75;
/// What a round leaves of the residual: single precision has two digits more.
pub(super) const ROUND: f64 = 1e-5;
/// Rows at a time between columns and systems side by side: a block of eight fits into the first cache.
const BLOCK: usize = 512;
/// A round that left less has come to the end of its precision where it stopped contracting.
pub(super) const GAINED: f64 = 1e-3;

/// Corrections of several systems, side by side.
pub(super) struct Sweeps<'a, T: Scalar> {
    a: &'a dyn LinearOperator<T>,
    width: usize,
    inverse: Vec<T::Single>,
    /// r over its norm, and e; the numbers of a row next to each other.
    r: Aligned<T::Single>,
    e: Aligned<T::Single>,
}

impl<'a, T: Scalar> Sweeps<'a, T> {
    /// For `width` systems; `None` where A has no diagonal to divide by.
    pub(super) fn new(a: &'a dyn LinearOperator<T>, width: usize) -> Option<Self> {
        let diagonal = a.diagonal()?;
        let inverse: Vec<T::Single> = diagonal.iter().map(|d| d.recip().single()).collect();
        if inverse.iter().any(|d| !d.is_finite()) {
            return None;
        }
        let zeros = || Aligned::zeros(width * diagonal.len());
        Some(Self { a, width, inverse, r: zeros(), e: zeros() })
    }

    /// The residuals of all systems, a column each, and their norms; the next sweeps find corrections for them.
    pub(super) fn begin(&mut self, residuals: DMatrixView<'_, T>, norms: &[f64]) {
        let unit = |norm: f64| nalgebra::convert(if norm == 0.0 { 0.0 } else { 1.0 / norm });
        let units: Vec<T::RealField> = norms.iter().map(|&norm| unit(norm)).collect();
        let places = self.r.as_mut_slice().chunks_mut(BLOCK * self.width);
        for (block, places) in places.enumerate() {
            for (column, unit) in units.iter().enumerate() {
                let residual = residuals.column(column);
                let places = places.iter_mut().skip(column).step_by(self.width);
                for (place, &r) in places.zip(&residual.as_slice()[block * BLOCK..]) {
                    *place = r.scale(unit.clone()).single();
                }
            }
        }
        self.e.as_mut_slice().fill(nalgebra::zero());
    }

    /// One sweep; the residuals over their norms as they were met.
    pub(super) fn sweep(&mut self) -> Result<Option<Vec<f64>>> {
        self.a.relax(&self.inverse, self.width, self.r.as_slice(), self.e.as_mut_slice())
    }

    /// x ← x + ‖r‖·e for every system.
    pub(super) fn correct(&self, norms: &[f64], mut x: DMatrixViewMut<'_, T>) {
        for (block, corrections) in self.e.as_slice().chunks(BLOCK * self.width).enumerate() {
            for (column, &norm) in norms.iter().enumerate() {
                let mut x = x.column_mut(column);
                let corrections = corrections.iter().skip(column).step_by(self.width);
                for (x, &e) in x.as_mut_slice()[block * BLOCK..].iter_mut().zip(corrections) {
                    *x += T::of_single(e).scale(nalgebra::convert(norm));
                }
            }
        }
    }
}

/// Sweeps until A·x = b holds, or until sweeping is not worth it (`None`).
///
/// On 2·I plus random entries with the spectral radius r a sweep leaves about 0.3 (r = 1) or 0.6
/// (r = 1.5) of the residual, where a product in any Krylov method leaves r/2.
pub(super) fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Option<Stop>> {
    if run.options.preconditioner.is_some() {
        return Ok(None);
    }
    let Some(mut sweeps) = Sweeps::new(run.a, 1) else { return Ok(None) };
    let mut r = vec![T::zero(); run.x.len()];
    let mut from = run.residual(&mut r)?;
    let tolerance = run.options.tolerance;
    // The residuals met in the two sweeps before, from before those sweeps, more or less.
    let (mut earlier, mut before) = (None, None);
    loop {
        if let Some(stop) = run.settled() {
            return Ok(Some(stop));
        }
        if run.iterations >= run.options.iterations {
            return Ok(Some(Stop::IterationLimit));
        }
        let size = norm(&r);
        sweeps.begin(DMatrixView::from_slice(&r, r.len(), 1), &[size]);
        let goal = tolerance.max(ROUND * from);
        let (mut slow, mut stop) = (false, None);
        while !slow && stop.is_none() {
            let Some(met) = run.relax(&mut sweeps)? else { return Ok(None) };
            let met = met * from;
            match run.count(met, met) {
                // The claim is about x before the sweep: one sweep less would have done.
                None | Some(Stop::Converged) => {}
                Some(Stop::NotFinite) => {
                    run.residual(&mut r)?;
                    return Ok(None);
                }
                Some(ended @ (Stop::IterationLimit | Stop::Stopped)) => stop = Some(ended),
                Some(_) => slow = true,
            }
            let done = before.is_some_and(|before| met * met <= goal * before);
            let contracted = earlier.is_none_or(|earlier| met <= CONTRACTION * earlier);
            (earlier, before) = (before, Some(met));
            if done {
                break;
            }
            slow |= !contracted;
        }
        let rows = run.x.len();
        sweeps.correct(&[size], DMatrixViewMut::from_slice(&mut run.x, rows, 1));
        let left = run.residual(&mut r)?;
        match stop {
            Some(stop) => return Ok(Some(run.settled().unwrap_or(stop))),
            None if slow && left > (GAINED * from).max(tolerance) => return Ok(None),
            // A round that gains nothing has found the end of the precision.
            None if left > 0.5 * from => return Ok(None),
            None => from = left,
        }
    }
}
