//! Softmax, and its cross-entropy fused with it.

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};

use crate::check::positive;
use crate::classes::{Labels, bend, exponentials, fused, not_negative};
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
/// With class weights w and label smoothing ε the sample's loss is that of [`Infogain`](crate::Infogain)
/// with the row hⱼ = wⱼ·((1 − ε)·[j = l] + ε/K), and N is what [`Normalizer`] says. PyTorch's
/// `cross_entropy(weight, label_smoothing, ignore_index)` to the last digits.
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
#[derive(Debug, Clone)]
pub struct SoftmaxCrossEntropy<'a> {
    labels: Labels<'a>,
    /// A weight for each class.
    weights: Vec<f64>,
    smoothing: f64,
    normalizer: Normalizer,
}

/// The N by which a sum over samples is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalizer {
    /// ∑ₙ wₗₙ, the weights of the samples' labels, as PyTorch's `mean`: a class of weight 2 counts
    /// like one seen twice.
    #[default]
    Weights,
    /// The number of samples that are not ignored, as Caffe's `VALID`.
    Samples,
}

impl<'a> SoftmaxCrossEntropy<'a> {
    /// The cross-entropy against `labels`, each from 0 to `classes` − 1.
    ///
    /// # Errors
    /// [`Error::Empty`] without labels or classes, [`Error::Label`] for the first label that is out
    /// of range.
    pub fn new(labels: &'a [usize], classes: usize) -> Result<Self> {
        Ok(Self::of(Labels::new(labels, classes, None)?))
    }

    /// As [`SoftmaxCrossEntropy::new`], where samples labelled `ignored`, which need not be a class,
    /// have no loss, no gradient and no part in N.
    ///
    /// # Errors
    /// As [`SoftmaxCrossEntropy::new`].
    pub fn ignoring(labels: &'a [usize], classes: usize, ignored: usize) -> Result<Self> {
        Ok(Self::of(Labels::new(labels, classes, Some(ignored))?))
    }

    fn of(labels: Labels<'a>) -> Self {
        let weights = vec![1.0; labels.classes];
        Self { labels, weights, smoothing: 0.0, normalizer: Normalizer::Weights }
    }

    /// Sets a weight for every class; all 1 by default.
    ///
    /// # Errors
    /// [`Error::Size`] where there is not one per class, [`Error::OutOfRange`] for one that is not
    /// greater than 0.
    pub fn class_weights(mut self, weights: &[f64]) -> Result<Self> {
        crate::check::size("weights", "entries", weights.len(), self.labels.classes)?;
        weights.iter().try_for_each(|&weight| positive("a class weight", weight))?;
        self.weights.copy_from_slice(weights);
        Ok(self)
    }

    /// Gives the share ε = `smoothing` of each target to all classes alike; 0 by default.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ `smoothing` ≤ 1.
    pub fn smoothing(mut self, smoothing: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&smoothing) {
            let expected = "a number from 0 to 1";
            return Err(Error::OutOfRange { argument: "smoothing", value: smoothing, expected });
        }
        self.smoothing = smoothing;
        Ok(self)
    }

    /// Sets what N is; they differ where there are class weights.
    #[must_use]
    pub fn normalizer(mut self, normalizer: Normalizer) -> Self {
        self.normalizer = normalizer;
        self
    }
}

impl<T: Real> Loss<T> for SoftmaxCrossEntropy<'_> {
    fn samples(&self) -> usize {
        self.labels.labels.len()
    }

    fn outputs(&self) -> usize {
        self.labels.classes
    }

    fn weight(&self, samples: &[usize]) -> f64 {
        let labels = samples.iter().filter_map(|&sample| self.labels.of(sample));
        match self.normalizer {
            Normalizer::Weights => labels.map(|label| self.weights[label]).sum(),
            Normalizer::Samples => labels.count() as f64,
        }
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        let Self { labels, weights, smoothing, .. } = self;
        let weight = Loss::<T>::weight(self, samples);
        // Without smoothing a row has one entry, and no other class is looked at.
        let (own, all) = (1.0 - smoothing, smoothing / weights.len() as f64);
        let shared = all * weights.iter().sum::<f64>();
        labels.evaluate(self, samples, weight, p, dp, |label, logits, share, gradient| {
            let sum = own * weights[label] + shared;
            let row = |j: usize| {
                if j == label { (own + all) * weights[j] } else { all * weights[j] }
            };
            let only = (*smoothing == 0.0).then_some(label);
            fused(logits, row, sum, only, share, gradient)
        })
    }

    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        let Self { labels, weights, smoothing, .. } = self;
        let shared = smoothing / weights.len() as f64 * weights.iter().sum::<f64>();
        let weight = Loss::<T>::weight(self, samples);
        labels.curvature(self, samples, weight, p, direction, out, |label| {
            (1.0 - smoothing) * weights[label] + shared
        })
    }
}

/// The cross-entropy of target probabilities against softmax of the network's output x.
///
/// ```text
/// L = −1/N ∑ₙ ∑ⱼ tⱼₙ ln pⱼₙ        ∂L/∂xᵢₙ = (pᵢₙ ∑ⱼ tⱼₙ − tᵢₙ)/N
/// ```
///
/// As [`SoftmaxCrossEntropy`], with a distribution over the classes in place of a label: what several
/// people answered, or what a larger network says. Its minimum is not 0 but the entropy of the targets.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Loss, SoftCrossEntropy};
///
/// let targets = DMatrix::from_column_slice(2, 1, &[0.25, 0.75]);
/// let logits = DMatrix::from_column_slice(2, 1, &[0.0, 3.0_f64.ln()]); // p = (1/4, 3/4)
/// let mut gradient = DMatrix::zeros(2, 1);
/// let loss = SoftCrossEntropy::new(&targets)?;
/// let value = loss.evaluate(&[0], logits.as_view(), gradient.as_view_mut())?;
/// assert!((value - 0.5623351446188083).abs() < 1e-15); // the entropy
/// assert!(gradient.amax() < 1e-16);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SoftCrossEntropy<'a, T: Real> {
    targets: &'a DMatrix<T>,
}

impl<'a, T: Real> SoftCrossEntropy<'a, T> {
    /// The cross-entropy against `targets`, classes x samples, whose columns need not sum to one.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`], and [`Error::Entry`] for the first negative target.
    pub fn new(targets: &'a DMatrix<T>) -> Result<Self> {
        if targets.is_empty() {
            return Err(Error::Empty { what: "the matrix of targets" });
        }
        not_negative("targets", targets)?;
        Ok(Self { targets })
    }
}

impl<T: Real> Loss<T> for SoftCrossEntropy<'_, T> {
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
        exponentials(p, &mut dp);
        let share = 1.0 / samples.len() as f64;
        let mut total = 0.0;
        for (column, &sample) in samples.iter().enumerate() {
            let target = self.targets.column(sample);
            let row = |j: usize| target[j].to_double();
            let sum = target.iter().map(|t| t.to_double()).sum();
            let (logits, mut gradient) = (p.column(column), dp.column_mut(column));
            total += fused(logits.as_slice(), row, sum, None, share, gradient.as_mut_slice());
        }
        Ok(total * share)
    }

    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        let share = 1.0 / samples.len() as f64;
        for (column, &sample) in samples.iter().enumerate() {
            let sum: f64 = self.targets.column(sample).iter().map(|t| t.to_double()).sum();
            let (logits, direction) = (p.column(column), direction.column(column));
            let mut out = out.column_mut(column);
            bend(logits.as_slice(), direction.as_slice(), sum * share, out.as_mut_slice());
        }
        Ok(())
    }
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
            let t = f64::from(t);
            assert!((loss - (t + (-t).exp().ln_1p())).abs() <= 2.0 * f64::EPSILON * t);
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

    #[test]
    fn weights_smoothing_and_both_normalizers_as_in_pytorch() {
        // torch.nn.functional.cross_entropy(x, [0, 1, 2, 1], weight=[1, 2, .5], label_smoothing=.1),
        // and the same sum over the number of samples, in float64.
        let x = DMatrix::from_column_slice(
            3,
            4,
            &[0.2, -1.0, 0.5, 2.0, 0.3, -0.7, -0.4, 0.1, 1.2, 0.0, 0.0, 0.0],
        );
        let loss = SoftmaxCrossEntropy::new(&[0, 1, 2, 1], 3).unwrap();
        let loss = loss.class_weights(&[1.0, 2.0, 0.5]).unwrap().smoothing(0.1).unwrap();
        let value = |loss: &SoftmaxCrossEntropy<'_>| {
            let mut dp = DMatrix::<f64>::zeros(3, 4);
            loss.evaluate(&[0, 1, 2, 3], x.as_view(), dp.as_view_mut()).unwrap()
        };
        assert!((value(&loss) - 1.3067544547043801).abs() < 4e-16);
        let by_samples = loss.normalizer(Normalizer::Samples);
        assert!((value(&by_samples) - 1.7967873752185228).abs() < 8e-16);
    }

    #[test]
    fn an_ignored_label_has_no_part() {
        let x = DMatrix::from_column_slice(2, 3, &[0.2, -1.0, 0.5, 2.0, 0.3, -0.7]);
        let (all, some) = ([0, 255, 1], [0, 1]);
        let ignoring = SoftmaxCrossEntropy::ignoring(&all, 2, 255).unwrap();
        let without = SoftmaxCrossEntropy::new(&some, 2).unwrap();
        let (mut dp, mut dq) = (DMatrix::<f64>::zeros(2, 3), DMatrix::zeros(2, 2));
        let value = ignoring.evaluate(&[0, 1, 2], x.as_view(), dp.as_view_mut()).unwrap();
        let kept = x.select_columns(&[0, 2]);
        assert_eq!(value, without.evaluate(&[0, 1], kept.as_view(), dq.as_view_mut()).unwrap());
        assert_eq!(dp.column(1).as_slice(), [0.0, 0.0]);
        assert_eq!(dp.select_columns(&[0, 2]), dq);
        // A batch of nothing else: 0, not 0/0.
        let one = x.columns(1, 1);
        let value = ignoring.evaluate(&[1], one, dp.view_mut((0, 0), (2, 1))).unwrap();
        assert_eq!((value, Loss::<f64>::weight(&ignoring, &[1])), (0.0, 0.0));
        assert_eq!(dp.column(0).as_slice(), [0.0, 0.0]);
    }

    #[test]
    fn options_and_targets_out_of_range_are_named() {
        let loss = SoftmaxCrossEntropy::new(&[0], 2).unwrap();
        let text = loss.clone().smoothing(f64::NAN).unwrap_err().to_string();
        assert_eq!(text, "smoothing is NaN, expected a number from 0 to 1");
        let text = loss.clone().class_weights(&[1.0, 0.0]).unwrap_err().to_string();
        assert_eq!(text, "a class weight is 0, expected a finite number greater than 0");
        let text = loss.class_weights(&[1.0]).unwrap_err().to_string();
        assert_eq!(text, "weights has 1 entries, expected 2");
        let targets = DMatrix::from_row_slice(1, 2, &[1.0, -0.25]);
        let text = SoftCrossEntropy::new(&targets);
        assert_eq!(
            text.unwrap_err().to_string(),
            "targets[0, 1] is -0.25, expected a number not less than 0"
        );
    }
}
