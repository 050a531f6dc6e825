//! Softmax, and its cross-entropy fused with it.

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};

use crate::loss::check_request;
use crate::{Error, Loss, Result};

/// The probabilities pᵢ = exp(xᵢ)/∑ⱼ exp(xⱼ) of every column of `logits`.
///
/// The column's maximum is subtracted first, which changes no probability and keeps exp finite.
///
/// # Examples
/// ```
/// let p = nn_core::softmax(&linalg::DMatrix::from_column_slice(2, 1, &[1000.0, 1000.0]));
/// assert_eq!(p.as_slice(), [0.5, 0.5]);
/// ```
#[must_use]
pub fn softmax<T: Real>(logits: &DMatrix<T>) -> DMatrix<T> {
    let mut p = logits.clone();
    for mut column in p.column_iter_mut() {
        let largest = column.max();
        column.apply(|x| *x = (*x - largest).exp());
        let sum = column.sum();
        column.apply(|x| *x /= sum);
    }
    p
}

/// The cross-entropy of class labels against softmax of the network's output x, the logits.
///
/// ```text
/// L = −1/N ∑ₙ ln pₗₙ        p = softmax(x), l the label of sample n
/// ∂L/∂xᵢₙ = (pᵢₙ − [i = l])/N
/// ```
///
/// This gradient is what the two-layer tutorial calls `dSoft`: a matrix of the shape of the scores,
/// the derivative of the LOSS with respect to them. It is not 1 (that is dL/dL, the seed of the
/// chain), nor the derivative of softmax, a K x K Jacobian diag(p) − ppᵀ in which the loss does
/// not occur. The network ends in its last dense layer: a softmax layer before this loss would
/// apply it twice.
///
/// Loss and gradient come from the logits in one step, and keep their digits where a probability
/// is nearly 1 or underflows: with m = max x, L = (m − xₗ) + log1p(∑ exp(xₖ − m)) over all k but the
/// maximum's, and the label's entry is −∑ₖ≠ₗ pₖ instead of pₗ − 1.
///
/// # Examples
/// Logits (20, 0) and label 0 in single precision. `p − 1` rounds to 0 there, and so does the loss
/// in PyTorch; both are 2.06e-9.
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Loss, SoftmaxCrossEntropy};
///
/// let logits = DMatrix::from_column_slice(2, 1, &[20.0_f32, 0.0]);
/// let mut gradient = DMatrix::zeros(2, 1);
/// let loss = SoftmaxCrossEntropy::new(&[0], 2)?;
/// let value = loss.evaluate(&[0], logits.as_view(), gradient.as_view_mut())?;
/// assert!((value - 2.0612e-9).abs() < 1e-13);
/// assert!((gradient[0] + 2.0612e-9).abs() < 1e-13);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxCrossEntropy<'a> {
    labels: &'a [usize],
    classes: usize,
}

impl<'a> SoftmaxCrossEntropy<'a> {
    /// The cross-entropy against `labels`, each from 0 to `classes` − 1.
    ///
    /// # Errors
    /// [`Error::Empty`] without labels or classes, [`Error::Label`] for the first label that is out
    /// of range.
    pub fn new(labels: &'a [usize], classes: usize) -> Result<Self> {
        if classes == 0 {
            return Err(Error::Empty { what: "the list of classes" });
        }
        if labels.is_empty() {
            return Err(Error::Empty { what: "the list of labels" });
        }
        if let Some(sample) = labels.iter().position(|&label| label >= classes) {
            return Err(Error::Label { sample, label: labels[sample], classes });
        }
        Ok(Self { labels, classes })
    }
}

impl<T: Real> Loss<T> for SoftmaxCrossEntropy<'_> {
    fn samples(&self) -> usize {
        self.labels.len()
    }

    fn outputs(&self) -> usize {
        self.classes
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        check_request(self, samples, p, &dp)?;
        let n = T::from_double(samples.len() as f64);
        let mut sum = 0.0;
        for (column, &sample) in samples.iter().enumerate() {
            let label = self.labels[sample];
            let logits = p.column(column);
            let mut gradient = dp.column_mut(column);
            sum += cross_entropy(logits.as_slice(), label, gradient.as_mut_slice()).to_double();
            gradient /= n;
        }
        Ok(sum / samples.len() as f64)
    }

    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        // (diag p − ppᵀ)/N times the direction, whatever the label.
        let mut probabilities = softmax(&p.into_owned());
        probabilities /= T::from_double(samples.len() as f64);
        let n = T::from_double(samples.len() as f64);
        for ((mut out, p), v) in
            out.column_iter_mut().zip(probabilities.column_iter()).zip(direction.column_iter())
        {
            let mean = p.dot(&v) * n;
            for ((out, &p), &v) in out.iter_mut().zip(p.iter()).zip(v.iter()) {
                *out = p * (v - mean);
            }
        }
        Ok(())
    }
}

/// −ln pₗ for one sample, with p − onehot written to `gradient`.
fn cross_entropy<T: Real>(logits: &[T], label: usize, gradient: &mut [T]) -> T {
    let mut top = 0;
    for (k, &x) in logits.iter().enumerate() {
        if x > logits[top] {
            top = k;
        }
    }
    // The maximum's own weight is exp(0) = 1; adding it last lets log1p see the rest in full.
    let (mut beside_top, mut beside_label) = (T::zero(), T::zero());
    for (k, (&x, weight)) in logits.iter().zip(gradient.iter_mut()).enumerate() {
        *weight = (x - logits[top]).exp();
        if k != top {
            beside_top += *weight;
        }
        if k != label {
            beside_label += *weight;
        }
    }
    let total = T::one() + beside_top;
    for weight in gradient.iter_mut() {
        *weight /= total;
    }
    gradient[label] = -beside_label / total;
    (logits[top] - logits[label]) + beside_top.ln_1p()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use super::*;

    fn evaluate<T: Real>(logits: &[T], label: usize) -> (f64, Vec<T>) {
        let logits = DMatrix::from_column_slice(logits.len(), 1, logits);
        let mut gradient = DMatrix::zeros(logits.nrows(), 1);
        let labels = [label];
        let loss = SoftmaxCrossEntropy::new(&labels, logits.nrows()).unwrap();
        let value = loss.evaluate(&[0], logits.as_view(), gradient.as_view_mut()).unwrap();
        (value, gradient.data.into())
    }

    #[test]
    fn a_label_of_vanishing_probability_keeps_its_loss_and_its_gradient() {
        // exp(-t) underflows in f32 from t = 104 on; the true gradient is (-1, 1) to the last bit.
        for t in [30.0_f32, 60.0, 100.0, 200.0, 1e30] {
            let (loss, gradient) = evaluate(&[0.0, t], 0);
            assert_eq!(loss, f64::from(t));
            assert_eq!(gradient, [-1.0, 1.0], "t = {t}");
        }
    }

    #[test]
    fn a_nearly_certain_label_keeps_its_loss_and_its_gradient() {
        // log1p(exp(-20)) and exp(-20)/(1 + exp(-20)), by mpmath.
        let (loss, gradient) = evaluate(&[20.0_f32, 0.0], 0);
        assert!((loss / 2.061153620314381e-9 - 1.0).abs() <= 4.0 * f64::from(f32::EPSILON));
        assert!((gradient[0] / -2.0611536e-9 - 1.0).abs() <= 4.0 * f32::EPSILON);
        assert!((gradient[1] / 2.0611536e-9 - 1.0).abs() <= 4.0 * f32::EPSILON);
    }

    #[test]
    fn the_gradient_sums_to_zero_and_is_p_less_onehot() {
        let logits = [0.2_f64, -1.0, 0.5, 3.0, -700.0];
        let p = softmax(&DMatrix::from_column_slice(5, 1, &logits));
        assert!((p.sum() - 1.0).abs() <= 4.0 * f64::EPSILON);
        for label in 0..5 {
            let (loss, gradient) = evaluate(&logits, label);
            assert!(gradient.iter().sum::<f64>().abs() <= 4.0 * f64::EPSILON);
            for k in 0..5 {
                let expected = p[k] - if k == label { 1.0 } else { 0.0 };
                assert!((gradient[k] - expected).abs() <= 4.0 * f64::EPSILON);
            }
            assert!((loss + p[label].ln()).abs() <= 4.0 * f64::EPSILON * loss.max(1.0));
        }
    }

    #[test]
    fn the_batch_is_the_mean_of_its_samples() {
        // Rows of the reference of infogain with H = I, where it is this loss: X rows [.2, -1, .5],
        // [2, .3, -.7], labels 0 and 1; −ln p = 0.9787…, 1.9188…, from the definition.
        let x = DMatrix::from_column_slice(3, 2, &[0.2, -1.0, 0.5, 2.0, 0.3, -0.7]);
        let loss = SoftmaxCrossEntropy::new(&[0, 1], 3).unwrap();
        let mut dp = DMatrix::zeros(3, 2);
        let value: f64 = loss.evaluate(&[0, 1], x.as_view(), dp.as_view_mut()).unwrap();
        let definition = |x: [f64; 3], l: usize| x.iter().map(|x| x.exp()).sum::<f64>().ln() - x[l];
        let expected = (definition([0.2, -1.0, 0.5], 0) + definition([2.0, 0.3, -0.7], 1)) / 2.0;
        assert!((value - expected).abs() <= 4.0 * f64::EPSILON * expected);
        let single = evaluate(&[2.0, 0.3, -0.7], 1).1;
        for k in 0..3 {
            assert_eq!(dp[(k, 1)], single[k] / 2.0);
        }
    }

    #[test]
    fn a_nan_or_infinite_logit_shows_in_the_loss() {
        for logits in [[f64::NAN, 0.0], [0.0, f64::NAN], [f64::INFINITY, 0.0]] {
            assert!(!evaluate(&logits, 1).0.is_finite(), "{logits:?}");
        }
    }

    #[test]
    fn bad_labels_are_named() {
        let text = |labels: &[usize], classes| {
            SoftmaxCrossEntropy::new(labels, classes).unwrap_err().to_string()
        };
        assert_eq!(text(&[0, 3, 1], 3), "label 3 of sample 1 is out of range: there are 3 classes");
        assert_eq!(text(&[], 3), "the list of labels is empty; at least one is needed");
        assert_eq!(text(&[0], 0), "the list of classes is empty; at least one is needed");
    }
}
