//! Losses: a number for a batch of outputs, and its gradient there.

use std::fmt::Debug;

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};

use crate::check::all_finite;
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

    /// The weight of a batch among others: the loss of two batches together is the mean of their
    /// losses with these weights. Their number by default.
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

/// The mean squared error, the mean over all entries of P: over the samples and over the outputs.
///
/// ```text
/// L = 1/(K·N) ∑ₙ ∑ₖ (pₖₙ − tₖₙ)²        ∂L/∂pₖₙ = 2 (pₖₙ − tₖₙ)/(K·N)
/// ```
///
/// with K outputs and N samples, as PyTorch's `MSELoss` and Keras's `mse`. Some texts drop K, or
/// write ½(p − t)² for the sake of "δ = p − t"; their gradients differ from this one by a factor.
/// A tanh output cannot reach targets of ±1: use ±0.8, or a loss for classes.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Loss, MeanSquaredError};
///
/// let targets = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
/// let p = DMatrix::from_row_slice(1, 2, &[4.0, -2.0]);
/// let mut dp = DMatrix::zeros(1, 2);
/// let loss = MeanSquaredError::new(&targets)?;
/// assert_eq!(loss.evaluate(&[0, 1], p.as_view(), dp.as_view_mut())?, (9.0 + 1.0) / 2.0);
/// assert_eq!(dp.as_slice(), [2.0 * 3.0 / 2.0, 2.0 * -1.0 / 2.0]);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MeanSquaredError<'a, T: Real> {
    targets: &'a DMatrix<T>,
}

impl<'a, T: Real> MeanSquaredError<'a, T> {
    /// The error against `targets`, outputs x samples.
    ///
    /// # Errors
    /// [`Error::Empty`], or [`Error::NotFinite`] with the index of the first such target.
    pub fn new(targets: &'a DMatrix<T>) -> Result<Self> {
        if targets.is_empty() {
            return Err(Error::Empty { what: "the matrix of targets" });
        }
        all_finite("targets", targets)?;
        Ok(Self { targets })
    }
}

impl<T: Real> Loss<T> for MeanSquaredError<'_, T> {
    fn samples(&self) -> usize {
        self.targets.ncols()
    }

    fn outputs(&self) -> usize {
        self.targets.nrows()
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        check_request(self, samples, p, &dp)?;
        let entries = p.len() as f64;
        let factor = T::from_double(2.0 / entries);
        let mut sum = 0.0;
        for (column, &sample) in samples.iter().enumerate() {
            for row in 0..p.nrows() {
                let difference = p[(row, column)] - self.targets[(row, sample)];
                dp[(row, column)] = factor * difference;
                sum += difference.to_double() * difference.to_double();
            }
        }
        Ok(sum / entries)
    }

    fn curvature(
        &self,
        _samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        out.copy_from(&direction);
        out *= T::from_double(2.0 / p.len() as f64);
        Ok(())
    }
}

/// Refuses a batch that a loss has no targets for, or matrices of other shapes.
pub(crate) fn check_request<T: Real>(
    loss: &dyn Loss<T>,
    samples: &[usize],
    p: DMatrixView<'_, T>,
    dp: &DMatrixViewMut<'_, T>,
) -> Result<()> {
    if samples.is_empty() {
        return Err(Error::Empty { what: "the batch" });
    }
    if let Some(&sample) = samples.iter().find(|&&sample| sample >= loss.samples()) {
        return Err(Error::NoTarget { sample, samples: loss.samples() });
    }
    let size = crate::check::size;
    size("p", "rows", p.nrows(), loss.outputs())?;
    size("p", "columns", p.ncols(), samples.len())?;
    size("dp", "rows", dp.nrows(), loss.outputs())?;
    size("dp", "columns", dp.ncols(), samples.len())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_samples_and_outputs() {
        let targets = DMatrix::from_row_slice(2, 3, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let loss = MeanSquaredError::new(&targets).unwrap();
        let p = DMatrix::from_row_slice(2, 2, &[3.0, 0.0, 5.0, 4.0]);
        let mut dp = DMatrix::zeros(2, 2);
        // Samples 2 and 0, in this order: differences 1, 0; 0, 1.
        let value = loss.evaluate(&[2, 0], p.as_view(), dp.as_view_mut()).unwrap();
        assert_eq!(value, 2.0 / 4.0);
        assert_eq!(dp, DMatrix::from_row_slice(2, 2, &[0.5, 0.0, 0.0, 0.5]));
    }

    #[test]
    fn bad_targets_and_batches_are_named() {
        let empty = DMatrix::<f64>::zeros(2, 0);
        let text = MeanSquaredError::new(&empty).unwrap_err().to_string();
        assert_eq!(text, "the matrix of targets is empty; at least one is needed");
        let nan = DMatrix::from_row_slice(1, 3, &[0.0, 1.0, f64::NAN]);
        let text = MeanSquaredError::new(&nan).unwrap_err().to_string();
        assert_eq!(text, "targets[0, 2] is NaN, and every entry must be finite");

        let targets = DMatrix::from_row_slice(1, 2, &[0.0, 1.0]);
        let loss = MeanSquaredError::new(&targets).unwrap();
        let p = DMatrix::zeros(1, 1);
        let mut dp = DMatrix::zeros(1, 1);
        let mut text = |samples: &[usize], p: &DMatrix<f64>| {
            loss.evaluate(samples, p.as_view(), dp.as_view_mut()).unwrap_err().to_string()
        };
        assert_eq!(text(&[2], &p), "sample 2 has no target: the loss knows 2 samples");
        assert_eq!(text(&[], &p), "the batch is empty; at least one is needed");
        assert_eq!(text(&[0], &DMatrix::zeros(2, 1)), "p has 2 rows, expected 1");
    }
}
