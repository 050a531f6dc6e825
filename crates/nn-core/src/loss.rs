//! Losses: a number for a batch of outputs, and its gradient there.

use std::fmt::Debug;

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};

use crate::check::size;
use crate::entries::first_in_a_row;
use crate::trace::{view, view_mut};
use crate::{Error, Result};

/// A loss bound to its targets: a function of the network's output P alone.
///
/// L(P) is the mean over the samples of a batch. A caller's own loss needs these three functions;
/// where there is no formula and only dL/dP is known, [`Network::backward`](crate::Network::backward)
/// takes that.
pub trait Loss<T: Real>: Debug + Sync {
    /// Samples that have a target.
    fn samples(&self) -> usize;

    /// Rows of P that a target speaks of.
    fn outputs(&self) -> usize;

    /// The weight of a batch among others, by which its loss is divided: the loss of two batches
    /// together is the mean of their losses with these weights. Their number by default; 0 where all
    /// samples of the batch are ignored.
    fn weight(&self, samples: &[usize]) -> f64 {
        samples.len() as f64
    }

    /// L for a batch, with dL/dP, outputs x batch, written to `dp`. Column j of `p` is the output
    /// for sample `samples[j]`. Both are means over the batch, so dL/dP carries the factor 1/batch.
    ///
    /// # Errors
    /// [`Error::NoTarget`] for a sample without target, [`Error::Size`] where shapes do not fit.
    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64>;

    /// As [`Loss::evaluate`], for P and dL/dP as lists, column after column: what training calls. A loss
    /// of single entries need not go from column to column here.
    ///
    /// # Errors
    /// As [`Loss::evaluate`].
    fn evaluate_list(&self, samples: &[usize], p: &[T], dp: &mut [T]) -> Result<f64> {
        size("p", "entries", p.len(), self.outputs() * samples.len())?;
        size("dp", "entries", dp.len(), p.len())?;
        let (rows, columns) = (self.outputs(), samples.len());
        self.evaluate(samples, view(p, rows, columns), view_mut(dp, rows, columns))
    }

    /// The second derivative of L times a direction Ṗ: how dL/dP changes where P moves with Ṗ,
    /// written to `out`. Shapes as in [`Loss::evaluate`].
    ///
    /// By central differences of dL/dP by default, good to about ε^⅔; the losses of this crate have
    /// exact ones.
    ///
    /// # Errors
    /// As [`Loss::evaluate`].
    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        curvature_by_differences(samples, p, direction, out, |samples, p, dp| {
            self.evaluate(samples, p, dp)
        })
    }
}

/// The change of dL/dP along `direction`, by central differences.
fn curvature_by_differences<T: Real>(
    samples: &[usize],
    p: DMatrixView<'_, T>,
    direction: DMatrixView<'_, T>,
    mut out: DMatrixViewMut<'_, T>,
    evaluate: impl Fn(&[usize], DMatrixView<'_, T>, DMatrixViewMut<'_, T>) -> Result<f64>,
) -> Result<()> {
    let (p, direction) = (p.into_owned(), direction.into_owned());
    let step = crate::tangent::step(&[p.as_slice()], &[direction.as_slice()]);
    let mut below = DMatrix::zeros(p.nrows(), p.ncols());
    evaluate(samples, (&p - &direction * step).as_view(), below.as_view_mut())?;
    evaluate(samples, (&p + &direction * step).as_view(), out.as_view_mut())?;
    out -= below;
    out /= step + step;
    Ok(())
}

/// Refuses a batch that a loss has no targets for, or matrices of other shapes.
pub(crate) fn check_request<T: Real>(
    loss: &dyn Loss<T>,
    samples: &[usize],
    p: DMatrixView<'_, T>,
    dp: &DMatrixViewMut<'_, T>,
) -> Result<()> {
    check_samples(loss, samples)?;
    size("p", "rows", p.nrows(), loss.outputs())?;
    size("p", "columns", p.ncols(), samples.len())?;
    size("dp", "rows", dp.nrows(), loss.outputs())?;
    size("dp", "columns", dp.ncols(), samples.len())
}

/// As [`check_request`], for lists.
pub(crate) fn check_lists<T: Real>(
    loss: &dyn Loss<T>,
    samples: &[usize],
    p: &[T],
    dp: &[T],
) -> Result<()> {
    check_samples(loss, samples)?;
    size("p", "entries", p.len(), loss.outputs() * samples.len())?;
    size("dp", "entries", dp.len(), p.len())
}

/// Lists as the matrices that they are, column after column.
pub(crate) fn views<'a, T: Real>(
    loss: &dyn Loss<T>,
    samples: &[usize],
    p: &'a [T],
    dp: &'a mut [T],
) -> Result<(DMatrixView<'a, T>, DMatrixViewMut<'a, T>)> {
    let (rows, columns) = (loss.outputs(), samples.len());
    size("p", "entries", p.len(), rows * columns)?;
    size("dp", "entries", dp.len(), p.len())?;
    Ok((view(p, rows, columns), view_mut(dp, rows, columns)))
}

/// Refuses samples that a loss has no targets for.
fn check_samples<T: Real>(loss: &dyn Loss<T>, samples: &[usize]) -> Result<()> {
    if samples.is_empty() {
        return Err(Error::Empty { what: "the batch" });
    }
    let known = loss.samples();
    // Of samples in a row, as most batches are, the last says it all.
    let in_a_row = first_in_a_row(samples).is_some();
    let unknown = if in_a_row && samples.last().is_some_and(|&last| last < known) {
        None
    } else {
        samples.iter().find(|&&sample| sample >= known)
    };
    match unknown {
        None => Ok(()),
        Some(&sample) => Err(Error::NoTarget { sample, samples: known }),
    }
}
