//! The loss of yes-or-no answers.

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real, elementary};

use crate::check::all_finite;
use crate::loss::check_request;
use crate::sigmoid::sigmoid;
use crate::{Error, Loss, Result};

/// Binary cross-entropy of targets t between 0 and 1 against σ(z), for logits z: the mean over all
/// entries of P.
///
/// ```text
/// ℓ = −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) = max(z, 0) − t·z + log1p(exp(−|z|))
/// ∂ℓ/∂z = σ(z) − t = (1 − t)·σ(z) − t·σ(−z)        σ(z) = 1/(1 + exp(−z))
/// ```
///
/// The network ends in its last dense layer; a sigmoid layer before this loss would apply it twice.
/// Every output is a question of its own; for one answer out of several see
/// [`SoftmaxCrossEntropy`](crate::SoftmaxCrossEntropy). PyTorch's `BCEWithLogitsLoss`.
///
/// # Examples
/// The last forms are finite everywhere and keep their digits: −ln σ(−1000) is 1000, not infinite.
/// ```
/// use linalg::DMatrix;
/// use nn_core::{BinaryCrossEntropy, Loss};
///
/// let targets = DMatrix::from_row_slice(1, 2, &[1.0_f32, 1.0]);
/// let logits = DMatrix::from_row_slice(1, 2, &[-1000.0_f32, 20.0]);
/// let mut gradient = DMatrix::zeros(1, 2);
/// let loss = BinaryCrossEntropy::new(&targets)?;
/// assert_eq!(loss.evaluate(&[0, 1], logits.as_view(), gradient.as_view_mut())?, 500.0 + 1.0305768e-9);
/// assert_eq!(gradient[0], -0.5);
/// assert!((gradient[1] / -1.0305768e-9 - 1.0).abs() < 1e-6); // σ(20) − 1 rounds to 0
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BinaryCrossEntropy<'a, T: Real> {
    targets: &'a DMatrix<T>,
}

impl<'a, T: Real> BinaryCrossEntropy<'a, T> {
    /// The cross-entropy against `targets`, outputs x samples.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`], and [`Error::Entry`] for the first target that is not
    /// between 0 and 1.
    pub fn new(targets: &'a DMatrix<T>) -> Result<Self> {
        if targets.is_empty() {
            return Err(Error::Empty { what: "the matrix of targets" });
        }
        all_finite("targets", targets)?;
        let outside = |&t: &T| t < T::zero() || t > T::one();
        if let Some(index) = targets.iter().position(outside) {
            return Err(Error::Entry {
                argument: "targets",
                row: index % targets.nrows(),
                column: index / targets.nrows(),
                value: targets[index].to_double(),
                expected: "a number from 0 to 1",
            });
        }
        Ok(Self { targets })
    }
}

impl<T: Real> Loss<T> for BinaryCrossEntropy<'_, T> {
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
        /// Entries in a round, so that the lanes are full where a column is short.
        const PIECE: usize = 256;
        check_request(self, samples, p, &dp)?;
        let share = T::from_double(1.0 / p.len() as f64);
        let [mut z, mut t, mut size, mut yes, mut no, mut tail] = [[T::zero(); PIECE]; 6];
        let (logits, rows) = (&p, p.nrows());
        let mut entries = samples.iter().enumerate().flat_map(|(column, &sample)| {
            (0..rows).map(move |row| (logits[(row, column)], self.targets[(row, sample)]))
        });
        let mut places = dp.iter_mut();
        let mut sum = 0.0;
        loop {
            let mut count = 0;
            for ((z, t), (logit, target)) in z.iter_mut().zip(&mut t).zip(&mut entries) {
                (*z, *t) = (logit, target);
                count += 1;
            }
            if count == 0 {
                break;
            }
            elementary::sigmoid(&z[..count], &mut yes);
            for (size, &z) in size[..count].iter_mut().zip(&z) {
                *size = -z;
            }
            elementary::sigmoid(&size[..count], &mut no);
            for size in &mut size[..count] {
                *size = -size.abs();
            }
            elementary::ln_1p_exp(&size[..count], &mut tail);
            let slopes = yes[..count].iter().zip(&no).zip(&tail);
            for (((&z, &t), ((&yes, &no), &tail)), g) in
                z.iter().zip(&t).zip(slopes).zip(&mut places)
            {
                *g = share * ((T::one() - t) * yes - t * no);
                // max(z, 0) − t·z without cancellation. A NaN stays one.
                let linear = if z > T::zero() { (T::one() - t) * z } else { -t * z };
                sum += linear.to_double() + tail.to_double();
            }
        }
        Ok(sum / p.len() as f64)
    }

    /// σ(z)·σ(−z) times the direction, whatever the target.
    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        let share = T::from_double(1.0 / p.len() as f64);
        for ((out, &z), &v) in out.iter_mut().zip(p.iter()).zip(direction.iter()) {
            *out = share * (sigmoid(z) * sigmoid(-z)) * v;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_slopes_are_those_of_the_definition() {
        let targets = DMatrix::from_row_slice(2, 3, &[0.0, 1.0, 0.3, 0.5, 0.9, 1.0]);
        let z = DMatrix::<f64>::from_row_slice(2, 3, &[0.4, -1.3, 2.0, 0.0, -0.7, 3.0]);
        let loss = BinaryCrossEntropy::new(&targets).unwrap();
        let mut dp = DMatrix::zeros(2, 3);
        let value: f64 = loss.evaluate(&[0, 1, 2], z.as_view(), dp.as_view_mut()).unwrap();
        let sigma = z.map(|z| 1.0 / (1.0 + (-z).exp()));
        let terms =
            sigma.zip_map(&targets, |s: f64, t: f64| -t * s.ln() - (1.0 - t) * (1.0 - s).ln());
        assert!((value - terms.mean()).abs() < 1e-15);
        assert!((dp - (sigma - &targets) / 6.0).amax() < 1e-16);
    }

    #[test]
    fn extreme_logits_stay_finite_and_a_nan_shows() {
        let evaluate = |z: f64, t: f64| {
            let targets = DMatrix::from_element(1, 1, t);
            let mut dp = DMatrix::zeros(1, 1);
            let z = DMatrix::from_element(1, 1, z);
            let loss = BinaryCrossEntropy::new(&targets).unwrap();
            (loss.evaluate(&[0], z.as_view(), dp.as_view_mut()).unwrap(), dp[0])
        };
        assert_eq!(evaluate(1e3, 0.0), (1e3, 1.0));
        assert_eq!(evaluate(-1e3, 1.0), (1e3, -1.0));
        assert_eq!(evaluate(1e3, 1.0), (0.0, 0.0));
        assert!(evaluate(f64::NAN, 1.0).0.is_nan());
        // exp(−40) and its logarithm: by mpmath 4.24835425529158899533e-18.
        assert!((evaluate(40.0, 1.0).0 / 4.248354255291589e-18 - 1.0).abs() < 1e-15);
        assert!((evaluate(40.0, 1.0).1 / -4.248354255291589e-18 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn targets_that_are_no_probabilities_are_named() {
        let text = |t: f64| {
            let targets = DMatrix::from_row_slice(1, 2, &[0.5, t]);
            BinaryCrossEntropy::new(&targets).map(|_| ())
        };
        assert_eq!(
            text(-0.5).unwrap_err().to_string(),
            "targets[0, 1] is -0.5, expected a number from 0 to 1"
        );
        assert_eq!(
            text(f64::NAN).unwrap_err().to_string(),
            "targets[0, 1] is NaN, and every entry must be finite"
        );
        let empty = DMatrix::<f64>::zeros(0, 0);
        let text = BinaryCrossEntropy::new(&empty).unwrap_err().to_string();
        assert_eq!(text, "the matrix of targets is empty; at least one is needed");
    }
}
