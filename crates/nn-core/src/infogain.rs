//! Losses that say which mistakes are worse: infogain and the expected cost, fused with softmax.

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};

use crate::check::{all_finite, positive, size};
use crate::classes::{Labels, fused, not_negative};
use crate::loss::check_request;
use crate::{Loss, Result};

/// Infogain loss: cross-entropy in which a label also stands, in part, for the classes like it.
///
/// ```text
/// L = −1/N ∑ₙ ∑ⱼ H[lₙ, j]·ln pⱼₙ        p = softmax(x), l the label of sample n
/// ∂L/∂xᵢₙ = (Sₙ·pᵢₙ − H[lₙ, i])/N        S = ∑ⱼ H[l, j]
/// ```
///
/// H is classes x classes, a row for each label, of SIMILARITIES: large where the two are alike. To
/// punish cat-for-dog less than cat-for-car, H[cat, dog] > H[cat, car]. Rows need not sum to one, and
/// it is S, not 1, that multiplies p: p − h is wrong unless S = 1. With H = I it is
/// [`SoftmaxCrossEntropy`](crate::SoftmaxCrossEntropy), by the same operations. L is convex in x, and
/// has its minimum at p = h/S: not at certainty, unless the row has one entry only.
///
/// **The wrong turn**: distances in H. The minimum p = h/S then lies on the classes that are
/// farthest. [`similarities_from_distances`] turns one into the other; [`ExpectedCost`] takes costs as
/// they are.
///
/// It takes logits, and does its softmax itself. Taken apart (Caffe's infogain layer after a softmax layer,
/// which divides by max(p, 1e-20)), the gradient dies where a probability underflows: at logits
/// (0, 100) and label 0, in single precision, it is 4e-24 instead of 1.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Infogain, Loss};
///
/// let h = DMatrix::from_row_slice(2, 2, &[1.0, 0.5, 0.0, 1.0]);
/// let logits = DMatrix::from_column_slice(2, 1, &[0.0, 0.0]);
/// let mut gradient = DMatrix::zeros(2, 1);
/// let loss = Infogain::new(&[0], &h)?;
/// let value = loss.evaluate(&[0], logits.as_view(), gradient.as_view_mut())?;
/// assert!((value - 1.5 * 2.0_f64.ln()).abs() < 1e-15);
/// assert_eq!(gradient.as_slice(), [1.5 * 0.5 - 1.0, 1.5 * 0.5 - 0.5]);
/// # Ok::<(), nn_core::Error>(())
/// ```
///
/// # References
/// The layer of Caffe (Jia et al., 2014; `infogain_loss_layer.cpp`), whose forward pass is clamped at
/// p = 1e-20, where its backward pass is not.
#[derive(Debug, Clone)]
pub struct Infogain<'a> {
    labels: Labels<'a>,
    /// H transposed, so that the row of a label lies contiguous, in double precision.
    rows: DMatrix<f64>,
    sums: Vec<f64>,
}

impl<'a> Infogain<'a> {
    /// The loss of `labels` with the `similarities` H, classes x classes.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) where H is not square, [`Error::NotFinite`](crate::Error::NotFinite) or [`Error::Entry`](crate::Error::Entry) for its first entry that is
    /// not finite or is negative (L would have no minimum), [`Error::Empty`](crate::Error::Empty) and [`Error::Label`](crate::Error::Label) for
    /// labels.
    pub fn new<T: Real>(labels: &'a [usize], similarities: &DMatrix<T>) -> Result<Self> {
        Self::with(labels, similarities, None)
    }

    /// As [`Infogain::new`], where samples labelled `ignored` have no loss, no gradient and no part
    /// in N.
    ///
    /// # Errors
    /// As [`Infogain::new`].
    pub fn ignoring<T: Real>(
        labels: &'a [usize],
        similarities: &DMatrix<T>,
        ignored: usize,
    ) -> Result<Self> {
        Self::with(labels, similarities, Some(ignored))
    }

    fn with<T: Real>(
        labels: &'a [usize],
        similarities: &DMatrix<T>,
        ignored: Option<usize>,
    ) -> Result<Self> {
        let classes = similarities.nrows();
        size("similarities", "columns", similarities.ncols(), classes)?;
        let labels = Labels::new(labels, classes, ignored)?;
        not_negative("similarities", similarities)?;
        let rows = similarities.transpose().map(T::to_double);
        let sums = rows.column_iter().map(|row| row.sum()).collect();
        Ok(Self { labels, rows, sums })
    }
}

impl<T: Real> Loss<T> for Infogain<'_> {
    fn samples(&self) -> usize {
        self.labels.labels.len()
    }

    fn outputs(&self) -> usize {
        self.labels.classes
    }

    fn weight(&self, samples: &[usize]) -> f64 {
        self.labels.count(samples)
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        let count = self.labels.count(samples);
        self.labels.evaluate(self, samples, count, p, dp, |label, logits, share, gradient| {
            let row = self.rows.column(label);
            fused(logits, |j| row[j], self.sums[label], None, share, gradient)
        })
    }

    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        let count = self.labels.count(samples);
        let sum = |label: usize| self.sums[label];
        self.labels.curvature(self, samples, count, p, direction, out, sum)
    }
}

/// The expected cost of answering at random with the probabilities p = softmax(x).
///
/// ```text
/// L = 1/N ∑ₙ Eₙ        E = ∑ⱼ D[l, j]·pⱼ        ∂E/∂xᵢ = pᵢ·(D[l, i] − E)
/// ```
///
/// D[l, j] is the cost of answering j where l is right: distances as they are. Its minimum is
/// certainty of the cheapest answer, as one wants of costs; but it is not convex, and the gradient
/// vanishes where the network is certain of a wrong answer. Start with
/// [`SoftmaxCrossEntropy`](crate::SoftmaxCrossEntropy) or [`Infogain`].
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{ExpectedCost, Loss};
///
/// let costs = DMatrix::from_row_slice(2, 2, &[0.0, 3.0, 1.0, 0.0]);
/// let logits = DMatrix::from_column_slice(2, 1, &[0.0, 0.0]);
/// let mut gradient = DMatrix::zeros(2, 1);
/// let loss = ExpectedCost::new(&[0], &costs)?;
/// let value: f64 = loss.evaluate(&[0], logits.as_view(), gradient.as_view_mut())?;
/// assert_eq!(value, 1.5);
/// assert_eq!(gradient.as_slice(), [-0.75, 0.75]);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExpectedCost<'a> {
    labels: Labels<'a>,
    /// D transposed.
    rows: DMatrix<f64>,
}

impl<'a> ExpectedCost<'a> {
    /// The expected cost for `labels` with the `costs` D, classes x classes.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) where D is not square, [`Error::NotFinite`](crate::Error::NotFinite) for its first entry that is not finite,
    /// [`Error::Empty`](crate::Error::Empty) and [`Error::Label`](crate::Error::Label) for labels.
    pub fn new<T: Real>(labels: &'a [usize], costs: &DMatrix<T>) -> Result<Self> {
        let classes = costs.nrows();
        size("costs", "columns", costs.ncols(), classes)?;
        let labels = Labels::new(labels, classes, None)?;
        all_finite("costs", costs)?;
        Ok(Self { labels, rows: costs.transpose().map(T::to_double) })
    }
}

impl<T: Real> Loss<T> for ExpectedCost<'_> {
    fn samples(&self) -> usize {
        self.labels.labels.len()
    }

    fn outputs(&self) -> usize {
        self.labels.classes
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        let count = self.labels.count(samples);
        self.labels.evaluate(self, samples, count, p, dp, |label, _logits, share, gradient| {
            let costs = self.rows.column(label);
            let total = gradient.iter().fold(T::zero(), |sum, &p| sum + p);
            for p in gradient.iter_mut() {
                *p /= total;
            }
            let expected: f64 = gradient.iter().zip(&costs).map(|(p, d)| p.to_double() * d).sum();
            for (p, d) in gradient.iter_mut().zip(&costs) {
                *p *= T::from_double((d - expected) * share);
            }
            expected
        })
    }

    /// ṗᵢ·(dᵢ − E) − pᵢ·Ė, where ṗ = p∘(v − p·v) and Ė = d·ṗ.
    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        let share = 1.0 / self.labels.count(samples);
        for (column, &sample) in samples.iter().enumerate() {
            let Some(label) = self.labels.of(sample) else { continue };
            let (costs, v) = (self.rows.column(label), direction.column(column));
            let mut out = out.column_mut(column);
            out.copy_from(&p.column(column));
            probabilities(out.as_mut_slice());
            let mean = |of: &dyn Fn(usize) -> f64| -> f64 {
                out.iter().enumerate().map(|(j, p)| p.to_double() * of(j)).sum()
            };
            let expected = mean(&|j| costs[j]);
            let along = mean(&|j| v[j].to_double());
            let rising = mean(&|j| (v[j].to_double() - along) * costs[j]);
            for ((p, &v), cost) in out.iter_mut().zip(v.iter()).zip(&costs) {
                let bent = (v.to_double() - along) * (cost - expected) - rising;
                *p *= T::from_double(bent * share);
            }
        }
        Ok(())
    }
}

/// Makes logits their softmax.
fn probabilities<T: Real>(logits: &mut [T]) {
    let largest = logits.iter().fold(logits[0], |m, &x| if x > m { x } else { m });
    let mut total = T::zero();
    for x in logits.iter_mut() {
        *x = (*x - largest).exp();
        total += *x;
    }
    for x in logits {
        *x /= total;
    }
}

/// Similarities for [`Infogain`] from distances between classes: hᵢⱼ = exp(−dᵢⱼ/`scale`).
///
/// 1 for a class and itself, 1/e at a distance of `scale`, and never 0, so that no answer is worth
/// nothing. Rows do not sum to one.
///
/// # Errors
/// [`Error::Size`](crate::Error::Size) where `distances` is not square, [`Error::NotFinite`](crate::Error::NotFinite) and [`Error::Entry`](crate::Error::Entry) for
/// its first entry that is not finite or is negative, [`Error::OutOfRange`](crate::Error::OutOfRange) unless `scale` > 0.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// let d = DMatrix::from_row_slice(2, 2, &[0.0, 2.0, 1.0, 0.0]);
/// let h = nn_core::similarities_from_distances(&d, 1.0)?;
/// assert_eq!(h[(0, 0)], 1.0);
/// assert!((h[(0, 1)] - 0.1353352832366127_f64).abs() < 1e-16);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn similarities_from_distances<T: Real>(
    distances: &DMatrix<T>,
    scale: f64,
) -> Result<DMatrix<T>> {
    size("distances", "columns", distances.ncols(), distances.nrows())?;
    not_negative("distances", distances)?;
    positive("scale", scale)?;
    Ok(distances.map(|d| T::from_double((-d.to_double() / scale).exp())))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use super::*;
    use crate::{Normalizer, SoftmaxCrossEntropy};

    fn evaluate<T: Real>(loss: &dyn Loss<T>, x: &DMatrix<T>) -> (f64, DMatrix<T>) {
        let samples: Vec<usize> = (0..x.ncols()).collect();
        let mut dp = DMatrix::zeros(x.nrows(), x.ncols());
        (loss.evaluate(&samples, x.as_view(), dp.as_view_mut()).unwrap(), dp)
    }

    fn logits() -> DMatrix<f64> {
        let x = [0.2, -1.0, 0.5, 2.0, 0.3, -0.7, -0.4, 0.1, 1.2, 0.0, 0.0, 0.0];
        DMatrix::from_column_slice(3, 4, &x)
    }

    const LABELS: [usize; 4] = [0, 1, 2, 1];

    #[test]
    fn the_reference_with_rows_that_do_not_sum_to_one() {
        // L and gradient by mpmath and by PyTorch's autograd of -sum(H[l] * log_softmax(x)).mean().
        let h = DMatrix::from_row_slice(3, 3, &[1.0, 0.5, 0.1, 0.5, 2.0, 0.0, 0.2, 0.3, 0.7]);
        let (value, gradient) = evaluate(&Infogain::new(&LABELS, &h).unwrap(), &logits());
        assert!((value - 2.4995383776965303).abs() < 4.5e-16, "{value}");
        let expected = [
            [-0.099116559699, -0.079554781108, 0.178671340807],
            [0.375044389223, -0.408650128794, 0.033605739570],
            [-0.010535422215, -0.009933911167, 0.020469333383],
            [0.083333333333, -0.291666666667, 0.208333333333],
        ];
        for (column, expected) in gradient.column_iter().zip(expected) {
            assert!(column.sum().abs() < 1e-16, "the gradient's entries sum to 0 for any H");
            for (g, e) in column.iter().zip(expected) {
                assert!((g - e).abs() < 1e-12, "{g} {e}");
            }
        }
    }

    #[test]
    fn the_identity_is_softmax_cross_entropy() {
        for scale in [0.1, 1.0, 30.0, 1000.0] {
            let x = logits() * scale;
            let infogain = Infogain::new(&LABELS, &DMatrix::<f64>::identity(3, 3)).unwrap();
            let softmax = SoftmaxCrossEntropy::new(&LABELS, 3).unwrap();
            let ((a, da), (b, db)) = (evaluate(&infogain, &x), evaluate(&softmax, &x));
            assert_eq!(a, b, "the same operations in the same order");
            assert!((da - db).amax() <= f64::EPSILON, "{scale}");
        }
    }

    #[test]
    fn weights_and_smoothing_are_rows_of_h() {
        let (w, epsilon) = ([1.0, 2.0, 0.5], 0.1);
        let h = DMatrix::from_fn(3, 3, |l, j| {
            w[j] * (f64::from(u8::from(l == j)) * (1.0 - epsilon) + epsilon / 3.0)
        });
        let softmax = SoftmaxCrossEntropy::new(&LABELS, 3).unwrap();
        let softmax = softmax.class_weights(&w).unwrap().smoothing(epsilon).unwrap();
        let softmax = softmax.normalizer(Normalizer::Samples);
        let (a, da) = evaluate(&Infogain::new(&LABELS, &h).unwrap(), &logits());
        let (b, db) = evaluate(&softmax, &logits());
        assert!((a - b).abs() < 1e-15 && (da - db).amax() < 1e-15);
    }

    #[test]
    fn a_probability_that_underflows_keeps_its_gradient() {
        // True gradient (-1, 1); Caffe's two layers give -8.8e-7 at t = 60 and 0 at t = 200.
        let h = DMatrix::<f32>::identity(2, 2);
        for t in [30.0_f32, 60.0, 100.0, 200.0, 1e30] {
            let x = DMatrix::from_column_slice(2, 1, &[0.0, t]);
            let (loss, gradient) = evaluate(&Infogain::new(&[0], &h).unwrap(), &x);
            let t = f64::from(t);
            assert!((loss - (t + (-t).exp().ln_1p())).abs() <= 2.0 * f64::EPSILON * t);
            assert_eq!(gradient.as_slice(), [-1.0, 1.0], "t = {t}");
        }
        // And one that is nearly 1: log1p(exp(-20)), exp(-20)/(1 + exp(-20)).
        let x = DMatrix::from_column_slice(2, 1, &[20.0_f32, 0.0]);
        let (loss, gradient) = evaluate(&Infogain::new(&[0], &h).unwrap(), &x);
        assert!((loss / 2.061153620314381e-9 - 1.0).abs() <= 4.0 * f64::from(f32::EPSILON));
        assert!((gradient[0] / -2.0611536e-9 - 1.0).abs() <= 4.0 * f32::EPSILON);
    }

    #[test]
    fn an_entry_of_zero_times_an_infinite_surprise_is_zero() {
        // x₁ − x₀ overflows, and so −ln p₁ is infinite; its similarity is 0.
        let x = DMatrix::from_column_slice(2, 1, &[f64::MAX, -f64::MAX]);
        let (loss, gradient) =
            evaluate(&Infogain::new(&[0], &DMatrix::<f64>::identity(2, 2)).unwrap(), &x);
        assert_eq!((loss, gradient.as_slice()), (0.0, &[0.0, 0.0][..]));
    }

    #[test]
    fn the_minimum_is_at_the_row_over_its_sum_and_distances_put_it_wrong() {
        // D = (0, 1, 3) as similarities: p = (0, 1/4, 3/4) has gradient 0, on the farthest class.
        let d = DMatrix::from_row_slice(3, 3, &[0.0, 1.0, 3.0, 1.0, 0.0, 1.0, 3.0, 1.0, 0.0]);
        let x = DMatrix::from_column_slice(3, 1, &[-800.0, 0.0, 3.0_f64.ln()]);
        let (_, gradient) = evaluate(&Infogain::new(&[0], &d).unwrap(), &x);
        assert!(gradient.amax() < 1e-15, "{gradient}");
        // From its distances, the label itself is most likely at the minimum.
        let h = similarities_from_distances(&d, 1.0).unwrap();
        let row = h.rows(0, 1).transpose() / h.row(0).sum();
        let (_, gradient) = evaluate(&Infogain::new(&[0], &h).unwrap(), &row.map(f64::ln));
        assert!(gradient.amax() < 1e-15 && row[0] > row[1] && row[1] > row[2]);
    }

    #[test]
    fn the_expected_cost_descends_to_the_right_class() {
        let d = DMatrix::from_row_slice(3, 3, &[0.0, 1.0, 3.0, 1.0, 0.0, 1.0, 3.0, 1.0, 0.0]);
        let loss = ExpectedCost::new(&[0], &d).unwrap();
        let mut x = DMatrix::<f64>::zeros(3, 1);
        for _ in 0..2000 {
            let (_, gradient) = evaluate(&loss, &x);
            assert!(gradient.sum().abs() < 1e-15);
            x -= gradient;
        }
        let p = crate::softmax(&x);
        assert!(p[0] > 0.999, "{p}");
        // By differences, at a point of no symmetry.
        let x = DMatrix::from_column_slice(3, 1, &[0.3, -0.2, 0.9]);
        let (_, gradient) = evaluate(&loss, &x);
        for k in 0..3 {
            let shifted = |h: f64| {
                let mut x = x.clone();
                x[k] += h;
                evaluate(&loss, &x).0
            };
            let quotient = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((quotient - gradient[k]).abs() < 1e-9);
        }
    }

    #[test]
    fn ignored_samples_have_no_part() {
        let h = DMatrix::<f64>::identity(3, 3);
        let loss = Infogain::ignoring(&[0, 9, 2, 9], &h, 9).unwrap();
        let (value, gradient) = evaluate(&loss, &logits());
        let kept = logits().select_columns(&[0, 2]);
        let (expected, _) = evaluate(&Infogain::new(&[0, 2], &h).unwrap(), &kept);
        assert_eq!(value, expected);
        assert_eq!(gradient.column(1).amax() + gradient.column(3).amax(), 0.0);
    }

    #[test]
    fn a_bad_matrix_is_named_by_its_entry() {
        let text = |h: &DMatrix<f64>| Infogain::new(&[0], h).unwrap_err().to_string();
        let mut h = DMatrix::identity(2, 2);
        h[(1, 1)] = -1.0;
        assert_eq!(text(&h), "similarities[1, 1] is -1, expected a number not less than 0");
        h[(1, 1)] = f64::INFINITY;
        assert_eq!(text(&h), "similarities[1, 1] is inf, and every entry must be finite");
        assert_eq!(text(&DMatrix::zeros(2, 3)), "similarities has 3 columns, expected 2");
        assert_eq!(
            text(&DMatrix::zeros(0, 0)),
            "the list of classes is empty; at least one is needed"
        );
        let text = ExpectedCost::new(&[3], &DMatrix::<f64>::zeros(2, 2)).unwrap_err().to_string();
        assert_eq!(text, "label 3 of sample 0 is out of range: there are 2 classes");
        let text = similarities_from_distances(&DMatrix::<f64>::zeros(2, 2), 0.0);
        assert_eq!(
            text.unwrap_err().to_string(),
            "scale is 0, expected a finite number greater than 0"
        );
    }
}
