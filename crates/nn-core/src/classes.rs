//! What losses of classes share: labels, and softmax fused with a weighted sum of logarithms.

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real, elementary};

use crate::loss::check_request;
use crate::{Error, Loss, Result};

/// Class labels, some of which may be ignored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub(crate) labels: &'a [usize],
    pub(crate) classes: usize,
    ignored: Option<usize>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(labels: &'a [usize], classes: usize, ignored: Option<usize>) -> Result<Self> {
        if classes == 0 {
            return Err(Error::Empty { what: "the list of classes" });
        }
        if labels.is_empty() {
            return Err(Error::Empty { what: "the list of labels" });
        }
        let wrong = |&label: &usize| label >= classes && Some(label) != ignored;
        if let Some(sample) = labels.iter().position(wrong) {
            return Err(Error::Label { sample, label: labels[sample], classes });
        }
        Ok(Self { labels, classes, ignored })
    }

    /// The sample's label; `None` where it is ignored, or there is no such sample.
    pub(crate) fn of(&self, sample: usize) -> Option<usize> {
        self.labels.get(sample).copied().filter(|&label| Some(label) != self.ignored)
    }

    /// How many of the samples are not ignored.
    pub(crate) fn count(&self, samples: &[usize]) -> f64 {
        samples.iter().filter(|&&sample| self.of(sample).is_some()).count() as f64
    }

    /// The second derivative, times `direction`, of the sum of −∑ hⱼ ln pⱼ over `weight`, where
    /// `sum` gives ∑ hⱼ for a label.
    #[expect(clippy::too_many_arguments, reason = "those of `Loss::curvature`, and two more")]
    pub(crate) fn curvature<T: Real>(
        &self,
        loss: &dyn Loss<T>,
        samples: &[usize],
        weight: f64,
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
        sum: impl Fn(usize) -> f64,
    ) -> Result<()> {
        check_request(loss, samples, p, &out)?;
        let share = if weight > 0.0 { 1.0 / weight } else { 0.0 };
        for (column, &sample) in samples.iter().enumerate() {
            let (logits, direction) = (p.column(column), direction.column(column));
            let mut out = out.column_mut(column);
            let scale = self.of(sample).map_or(0.0, |label| sum(label) * share);
            bend(logits.as_slice(), direction.as_slice(), scale, out.as_mut_slice());
        }
        Ok(())
    }

    /// The sum of the samples' losses over `weight`; `one` evaluates a sample's loss from its label
    /// and logits, and writes its gradient times a share in the place of what [`exponentials`] gave.
    pub(crate) fn evaluate<T: Real>(
        &self,
        loss: &dyn Loss<T>,
        samples: &[usize],
        weight: f64,
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
        one: impl Fn(usize, &[T], f64, &mut [T]) -> f64,
    ) -> Result<f64> {
        check_request(loss, samples, p, &dp)?;
        exponentials(p, &mut dp);
        let share = if weight > 0.0 { 1.0 / weight } else { 0.0 };
        let mut sum = 0.0;
        for (column, &sample) in samples.iter().enumerate() {
            let (logits, mut gradient) = (p.column(column), dp.column_mut(column));
            let gradient = gradient.as_mut_slice();
            match self.of(sample) {
                Some(label) => sum += one(label, logits.as_slice(), share, gradient),
                None => gradient.fill(T::zero()),
            }
        }
        Ok(sum * share)
    }
}

/// exp(xᵢ − max x) for every column x, in lanes.
pub(crate) fn exponentials<T: Real>(logits: DMatrixView<'_, T>, out: &mut DMatrixViewMut<'_, T>) {
    /// Short columns are taken together, up to so many numbers.
    const PIECE: usize = 512;
    let (mut shifted, mut powers) = ([T::zero(); PIECE], [T::zero(); PIECE]);
    let rows = logits.nrows();
    let together = (PIECE / rows).max(1);
    for first in (0..logits.ncols()).step_by(together) {
        let columns = first..logits.ncols().min(first + together);
        for start in (0..rows).step_by(PIECE) {
            let taken = start..rows.min(start + PIECE);
            for (column, shifted) in columns.clone().zip(shifted.chunks_exact_mut(taken.len())) {
                let column = logits.column(column);
                let largest = column.iter().fold(column[0], |m, &x| if x > m { x } else { m });
                for (shifted, &x) in shifted.iter_mut().zip(&column.as_slice()[taken.clone()]) {
                    *shifted = x - largest;
                }
            }
            elementary::exp(&shifted[..taken.len() * columns.len()], &mut powers);
            for (column, powers) in columns.clone().zip(powers.chunks_exact(taken.len())) {
                out.column_mut(column).as_mut_slice()[taken.clone()].copy_from_slice(powers);
            }
        }
    }
}

/// ∑ⱼ hⱼ·(−ln pⱼ) for one sample, p = softmax of `logits`, with `share` times its gradient
/// S·pᵢ − hᵢ = (S − hᵢ)·pᵢ − hᵢ·(1 − pᵢ) written to `gradient`, which held exp(x − max x).
///
/// `row` gives h, `sum` is S = ∑ h, and `only` names the one class with h ≠ 0 where there is one.
/// Nothing cancels where a probability is nearly 1: only the largest can exceed ½, and 1 − p is the
/// sum of the others there.
pub(crate) fn fused<T: Real>(
    logits: &[T],
    row: impl Fn(usize) -> f64,
    sum: f64,
    only: Option<usize>,
    share: f64,
    gradient: &mut [T],
) -> f64 {
    let mut top = 0;
    for (k, &x) in logits.iter().enumerate() {
        if x > logits[top] {
            top = k;
        }
    }
    let largest = logits[top];
    // The maximum's own weight is exp(0) = 1; left out here, log1p sees the rest in full.
    let (before, after) = gradient.split_at(top);
    let after = after.split_first().map_or(after, |(_, rest)| rest);
    let beside = before.iter().chain(after).fold(T::zero(), |sum, &weight| sum + weight);
    let total = T::one() + beside;
    let log_total = beside.ln_1p().to_double();
    let probability = |weight: T| weight / total;
    let complement = |k: usize, p: T| if k == top { beside / total } else { T::one() - p };
    // A NaN among the logits must show; where it is not the maximum's, it is in `beside`.
    let surprise = |j: usize| (largest - logits[j]).to_double() + log_total;

    if let Some(label) = only {
        let p = probability(gradient[label]);
        let factor = T::from_double(sum * share) / total;
        for weight in gradient.iter_mut() {
            *weight *= factor;
        }
        gradient[label] = -T::from_double(sum * share) * complement(label, p);
        return sum * surprise(label);
    }
    let mut loss = 0.0;
    for (j, weight) in gradient.iter_mut().enumerate() {
        let (h, p) = (row(j), probability(*weight));
        // 0·∞ is not to be added.
        if h != 0.0 {
            loss += h * surprise(j);
        }
        let (others, own) = (T::from_double((sum - h) * share), T::from_double(h * share));
        *weight = others * p - own * complement(j, p);
    }
    loss
}

/// `scale`·(diag p − ppᵀ)·v for p = softmax of the logits: the second derivative of −∑ hⱼ ln pⱼ,
/// times v, where ∑ hⱼ is `scale`.
pub(crate) fn bend<T: Real>(logits: &[T], v: &[T], scale: f64, out: &mut [T]) {
    let top = logits.iter().fold(logits[0], |top, &x| if x > top { x } else { top });
    let (mut total, mut along) = (T::zero(), T::zero());
    for ((p, &x), &v) in out.iter_mut().zip(logits).zip(v) {
        *p = (x - top).exp();
        total += *p;
        along += *p * v;
    }
    let (mean, scale) = (along / total, T::from_double(scale) / total);
    for (p, &v) in out.iter_mut().zip(v) {
        *p *= scale * (v - mean);
    }
}

/// Refuses the first entry, in column order, that is negative, a NaN or an infinity.
pub(crate) fn not_negative<T: Real>(argument: &'static str, matrix: &DMatrix<T>) -> Result<()> {
    crate::check::all_finite(argument, matrix)?;
    match matrix.iter().position(|&entry| entry < T::zero()) {
        None => Ok(()),
        Some(index) => Err(Error::Entry {
            argument,
            row: index % matrix.nrows(),
            column: index / matrix.nrows(),
            value: matrix[index].to_double(),
            expected: "a number not less than 0",
        }),
    }
}
