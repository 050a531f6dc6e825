//! Losses of outputs that are numbers: squared, absolute and Huber's error, and the cosine.

use linalg::lanes::{Task, Vectors, run};
use linalg::{DMatrix, DMatrixView, DMatrixViewMut, Real};

use crate::check::{all_finite, positive};
use crate::entries::first_in_a_row;
use crate::loss::{check_lists, check_request, views};
use crate::{Error, Loss, Result};

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
        check_targets(targets)?;
        Ok(Self { targets })
    }

    /// What a difference adds to the sum, and its slope in the mean over so many entries.
    fn term(entries: usize) -> impl Fn(T) -> (T, T) {
        let factor = T::from_double(2.0 / entries as f64);
        move |d| (d * d, factor * d)
    }
}

/// The mean absolute error, the mean over all entries of P: over the samples and over the outputs.
///
/// ```text
/// L = 1/(K·N) ∑ₙ ∑ₖ |pₖₙ − tₖₙ|        ∂L/∂pₖₙ = sign(pₖₙ − tₖₙ)/(K·N), 0 where they are equal
/// ```
///
/// Its minimum over many targets for one input is their median, where that of the squared error is
/// their mean. PyTorch calls it `L1Loss`.
#[derive(Debug, Clone, Copy)]
pub struct MeanAbsoluteError<'a, T: Real> {
    targets: &'a DMatrix<T>,
}

impl<'a, T: Real> MeanAbsoluteError<'a, T> {
    /// The error against `targets`, outputs x samples.
    ///
    /// # Errors
    /// As [`MeanSquaredError::new`].
    pub fn new(targets: &'a DMatrix<T>) -> Result<Self> {
        check_targets(targets)?;
        Ok(Self { targets })
    }

    /// What a difference adds to the sum, and its slope in the mean over so many entries.
    fn term(entries: usize) -> impl Fn(T) -> (T, T) {
        let factor = T::from_double(1.0 / entries as f64);
        move |d| {
            let slope = if d == T::zero() { d } else { factor.copysign(d) };
            (d.abs(), slope)
        }
    }
}

/// Huber's loss: squared near the target, absolute far from it; the mean over all entries of P.
///
/// ```text
/// ℓ(d) = d²/2 for |d| ≤ δ, δ·(|d| − δ/2) beyond        ℓ′(d) = d cut off at ±δ
/// ```
///
/// PyTorch's `HuberLoss(delta)`.
///
/// # References
/// Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35 (1964).
#[derive(Debug, Clone, Copy)]
pub struct Huber<'a, T: Real> {
    targets: &'a DMatrix<T>,
    delta: f64,
}

impl<'a, T: Real> Huber<'a, T> {
    /// The loss against `targets`, outputs x samples, squared up to a distance of `delta`.
    ///
    /// # Errors
    /// As [`MeanSquaredError::new`], and [`Error::OutOfRange`] unless `delta` > 0.
    pub fn new(targets: &'a DMatrix<T>, delta: f64) -> Result<Self> {
        check_targets(targets)?;
        positive("delta", delta)?;
        Ok(Self { targets, delta })
    }

    /// What a difference adds to the sum, and its slope in the mean over so many entries.
    fn term(&self, entries: usize) -> impl Fn(T) -> (T, T) + use<T> {
        let factor = T::from_double(1.0 / entries as f64);
        let (delta, half) = (T::from_double(self.delta), T::from_double(0.5));
        move |d| {
            let size = d.abs();
            if size > delta {
                (delta * (size - half * delta), (factor * delta).copysign(d))
            } else {
                (half * d * d, factor * d)
            }
        }
    }
}

/// One minus the cosine between output and target, the mean over the samples.
///
/// ```text
/// L = 1/N ∑ₙ (1 − cos(pₙ, tₙ))        ∂L/∂pₙ = (cos·p̂ − t̂)/(N·|p|),  p̂ = p/|p|, t̂ = t/|t|
/// ```
///
/// Both come from d = p̂ − t̂, as ½|d|² and d − ½|d|²·p̂, and keep their digits where the two nearly
/// agree. An output of length 0 has no direction: it counts as 1, with gradient 0. PyTorch's
/// `CosineEmbeddingLoss` with targets y = 1.
#[derive(Debug, Clone)]
pub struct CosineDistance<T: Real> {
    /// The targets, each of length 1.
    directions: DMatrix<T>,
}

impl<T: Real> CosineDistance<T> {
    /// The distance to `targets`, outputs x samples, of which the direction alone matters.
    ///
    /// # Errors
    /// As [`MeanSquaredError::new`], and [`Error::ZeroTarget`] for a sample whose target is 0.
    pub fn new(targets: &DMatrix<T>) -> Result<Self> {
        check_targets(targets)?;
        let mut directions = targets.clone();
        for (sample, mut column) in directions.column_iter_mut().enumerate() {
            if normalize(column.as_mut_slice()) == T::zero() {
                return Err(Error::ZeroTarget { sample });
            }
        }
        Ok(Self { directions })
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
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        entrywise(self, self.targets, samples, p, dp, Self::term(p.len()))
    }

    fn evaluate_list(&self, samples: &[usize], p: &[T], dp: &mut [T]) -> Result<f64> {
        entrywise_list(self, self.targets, samples, (p, dp), Self::term(p.len()))
    }

    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        out.copy_from(&direction);
        out *= T::from_double(2.0 / p.len() as f64);
        Ok(())
    }
}

impl<T: Real> Loss<T> for MeanAbsoluteError<'_, T> {
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
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        entrywise(self, self.targets, samples, p, dp, Self::term(p.len()))
    }

    fn evaluate_list(&self, samples: &[usize], p: &[T], dp: &mut [T]) -> Result<f64> {
        entrywise_list(self, self.targets, samples, (p, dp), Self::term(p.len()))
    }

    /// 0: the loss is straight but for its kinks.
    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        _direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        out.fill(T::zero());
        Ok(())
    }
}

impl<T: Real> Loss<T> for Huber<'_, T> {
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
        dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        entrywise(self, self.targets, samples, p, dp, self.term(p.len()))
    }

    fn evaluate_list(&self, samples: &[usize], p: &[T], dp: &mut [T]) -> Result<f64> {
        entrywise_list(self, self.targets, samples, (p, dp), self.term(p.len()))
    }

    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        let (factor, delta) = (T::from_double(1.0 / p.len() as f64), T::from_double(self.delta));
        for (column, &sample) in samples.iter().enumerate() {
            let (p, target) = (p.column(column), self.targets.column(sample));
            let mut out = out.column_mut(column);
            out.copy_from(&direction.column(column));
            for ((out, &p), &t) in out.iter_mut().zip(p.iter()).zip(target.iter()) {
                *out = if (p - t).abs() > delta { T::zero() } else { factor * *out };
            }
        }
        Ok(())
    }
}

impl<T: Real> Loss<T> for CosineDistance<T> {
    fn samples(&self) -> usize {
        self.directions.ncols()
    }

    fn outputs(&self) -> usize {
        self.directions.nrows()
    }

    fn evaluate(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        mut dp: DMatrixViewMut<'_, T>,
    ) -> Result<f64> {
        check_request(self, samples, p, &dp)?;
        let n = T::from_double(samples.len() as f64);
        let half = T::from_double(0.5);
        let mut sum = 0.0;
        for (column, &sample) in samples.iter().enumerate() {
            let target = self.directions.column(sample);
            let mut gradient = dp.column_mut(column);
            gradient.copy_from(&p.column(column));
            let length = normalize(gradient.as_mut_slice());
            if length == T::zero() {
                sum += 1.0;
                continue;
            }
            let squares = |sum: T, (&p, &t): (&T, &T)| sum + (p - t) * (p - t);
            let distance = half * gradient.iter().zip(target.iter()).fold(T::zero(), squares);
            for (g, &t) in gradient.iter_mut().zip(target.iter()) {
                *g = ((*g - t) - distance * *g) / (n * length);
            }
            sum += distance.to_double();
        }
        Ok(sum / samples.len() as f64)
    }

    /// ((e·v)·p̂ + (p̂·v)·e + cos·(v − (p̂·v)·p̂))/(N·|p|²) with e = t̂ − cos·p̂, the target across p.
    fn curvature(
        &self,
        samples: &[usize],
        p: DMatrixView<'_, T>,
        direction: DMatrixView<'_, T>,
        mut out: DMatrixViewMut<'_, T>,
    ) -> Result<()> {
        check_request(self, samples, p, &out)?;
        let n = T::from_double(samples.len() as f64);
        let half = T::from_double(0.5);
        for (column, &sample) in samples.iter().enumerate() {
            let (v, target) = (direction.column(column), self.directions.column(sample));
            let mut out = out.column_mut(column);
            out.copy_from(&p.column(column));
            let length = normalize(out.as_mut_slice());
            if length == T::zero() {
                out.fill(T::zero());
                continue;
            }
            let squares = |sum: T, (&p, &t): (&T, &T)| sum + (p - t) * (p - t);
            let distance = half * out.iter().zip(target.iter()).fold(T::zero(), squares);
            let across = |p: T, t: T| distance * p - (p - t);
            let (mut along, mut over) = (T::zero(), T::zero());
            for ((&p, &t), &v) in out.iter().zip(target.iter()).zip(v.iter()) {
                along += p * v;
                over += across(p, t) * v;
            }
            let cosine = T::one() - distance;
            for ((out, &t), &v) in out.iter_mut().zip(target.iter()).zip(v.iter()) {
                let p = *out;
                let bent = over * p + along * across(p, t) + cosine * (v - along * p);
                *out = bent / length / (n * length);
            }
        }
        Ok(())
    }
}

/// The mean over all entries of a loss of the differences p − t; `loss_and_slope` gives an entry's
/// part of the sum, and its entry of dL/dP.
fn entrywise<T: Real>(
    loss: &dyn Loss<T>,
    targets: &DMatrix<T>,
    samples: &[usize],
    p: DMatrixView<'_, T>,
    mut dp: DMatrixViewMut<'_, T>,
    loss_and_slope: impl Fn(T) -> (T, T),
) -> Result<f64> {
    check_request(loss, samples, p, &dp)?;
    let columns = samples.iter().enumerate().map(|(column, &sample)| {
        let (p, t, mut dp) = (p.column(column), targets.column(sample), dp.column_mut(column));
        sum(p.as_slice(), t.as_slice(), dp.as_mut_slice(), &loss_and_slope)
    });
    let total: f64 = columns.sum();
    Ok(total / p.len() as f64)
}

/// As [`entrywise`], for lists: columns in a row are one list.
fn entrywise_list<T: Real>(
    loss: &dyn Loss<T>,
    targets: &DMatrix<T>,
    samples: &[usize],
    (p, dp): (&[T], &mut [T]),
    loss_and_slope: impl Fn(T) -> (T, T),
) -> Result<f64> {
    let Some(first) = first_in_a_row(samples) else {
        let (p, dp) = views(loss, samples, p, dp)?;
        return entrywise(loss, targets, samples, p, dp, loss_and_slope);
    };
    check_lists(loss, samples, p, dp)?;
    let targets = &targets.as_slice()[first * targets.nrows()..];
    Ok(sum(p, targets, dp, &loss_and_slope) / p.len() as f64)
}

/// The sum over a list of differences p − t, whose slopes are written to `dp`.
fn sum<T: Real>(p: &[T], t: &[T], dp: &mut [T], loss_and_slope: &impl Fn(T) -> (T, T)) -> f64 {
    struct Sum<'a, T, F>(&'a [T], &'a [T], &'a mut [T], &'a F);
    impl<T: Real, F: Fn(T) -> (T, T)> Task<T> for Sum<'_, T, F> {
        type Output = f64;
        #[inline(always)]
        fn run<V: Vectors<T>>(self, _vectors: V) -> f64 {
            /// Terms added at a time, so that additions need not wait for each other.
            const WAYS: usize = 32;
            let Self(p, t, dp, loss_and_slope) = self;
            let mut sums = [T::zero(); WAYS];
            let mut add = |p: &[T], t: &[T], dp: &mut [T]| {
                for (((sum, &p), &t), dp) in sums.iter_mut().zip(p).zip(t).zip(dp) {
                    let (value, slope) = loss_and_slope(p - t);
                    *dp = slope;
                    *sum += value;
                }
            };
            let (whole, rest) = p.as_chunks::<WAYS>();
            let (targets, targets_rest) = t[..p.len()].as_chunks::<WAYS>();
            let (slopes, slopes_rest) = dp.as_chunks_mut::<WAYS>();
            for ((p, t), dp) in whole.iter().zip(targets).zip(slopes) {
                add(p, t, dp);
            }
            add(rest, targets_rest, slopes_rest);
            sums.iter().map(|sum| sum.to_double()).sum()
        }
    }
    run(Sum(p, t, dp, loss_and_slope))
}

/// Divides `x` by its length, which is returned, without overflow on the way.
fn normalize<T: Real>(x: &mut [T]) -> T {
    let largest = x.iter().fold(T::zero(), |largest, &x| largest.max(x.abs()));
    if largest == T::zero() || !largest.is_finite() {
        return largest;
    }
    let squares = |sum: T, &x: &T| sum + (x / largest) * (x / largest);
    let length = x.iter().fold(T::zero(), squares).sqrt();
    for x in x {
        *x = *x / largest / length;
    }
    length * largest
}

fn check_targets<T: Real>(targets: &DMatrix<T>) -> Result<()> {
    if targets.is_empty() {
        return Err(Error::Empty { what: "the matrix of targets" });
    }
    all_finite("targets", targets)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "numbers that come out exact")]
mod tests {
    use super::*;

    fn evaluate(loss: &dyn Loss<f64>, samples: &[usize], p: &DMatrix<f64>) -> (f64, DMatrix<f64>) {
        let mut dp = DMatrix::zeros(p.nrows(), p.ncols());
        (loss.evaluate(samples, p.as_view(), dp.as_view_mut()).unwrap(), dp)
    }

    #[test]
    fn the_mean_is_over_samples_and_outputs() {
        let targets = DMatrix::from_row_slice(2, 3, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let loss = MeanSquaredError::new(&targets).unwrap();
        let p = DMatrix::from_row_slice(2, 2, &[3.0, 0.0, 5.0, 4.0]);
        // Samples 2 and 0, in this order: differences 1, 0; 0, 1.
        let (value, dp) = evaluate(&loss, &[2, 0], &p);
        assert_eq!(value, 2.0 / 4.0);
        assert_eq!(dp, DMatrix::from_row_slice(2, 2, &[0.5, 0.0, 0.0, 0.5]));
    }

    #[test]
    fn samples_in_a_row_and_samples_one_by_one_are_the_same() {
        let targets = DMatrix::from_fn(3, 700, |row, column| ((row + 3 * column) % 17) as f64);
        let p = DMatrix::from_fn(3, 700, |row, column| ((7 * row + column) % 13) as f64);
        let order: Vec<usize> = (0..700).rev().collect();
        let reversed = targets.select_columns(&order);
        let one = Huber::new(&targets, 2.0).unwrap();
        let other = Huber::new(&reversed, 2.0).unwrap();
        let in_a_row = evaluate(&one, &(0..700).collect::<Vec<_>>(), &p);
        assert_eq!(in_a_row, evaluate(&other, &order, &p));
        let definition = p.zip_map(&targets, |p, t| {
            let d = (p - t).abs();
            if d > 2.0 { 2.0 * d - 2.0 } else { d * d / 2.0 }
        });
        assert!((in_a_row.0 / definition.mean() - 1.0).abs() < 1e-14);
        // A view into a larger matrix, whose columns do not touch.
        let wide = p.clone().insert_rows(3, 2, f64::NAN);
        let mut dp = DMatrix::zeros(5, 700);
        let (value, dp) = {
            let view = dp.view_mut((0, 0), (3, 700));
            let samples: Vec<usize> = (0..700).collect();
            (one.evaluate(&samples, wide.rows(0, 3), view).unwrap(), dp.rows(0, 3).into_owned())
        };
        assert_eq!((value, dp), in_a_row);
    }

    #[test]
    fn absolute_and_huber_by_hand() {
        // Differences -3, 0, 1/2, 2 around a delta of 1.
        let targets = DMatrix::zeros(2, 2);
        let p = DMatrix::from_column_slice(2, 2, &[-3.0, 0.0, 0.5, 2.0]);
        let (value, dp) = evaluate(&MeanAbsoluteError::new(&targets).unwrap(), &[0, 1], &p);
        assert_eq!(value, 5.5 / 4.0);
        assert_eq!(dp.as_slice(), [-0.25, 0.0, 0.25, 0.25]);
        let (value, dp) = evaluate(&Huber::new(&targets, 1.0).unwrap(), &[0, 1], &p);
        assert_eq!(value, (2.5 + 0.0 + 0.125 + 1.5) / 4.0);
        assert_eq!(dp.as_slice(), [-0.25, 0.0, 0.125, 0.25]);
    }

    #[test]
    fn the_cosine_of_known_angles() {
        let targets = DMatrix::from_row_slice(2, 3, &[2.0, 0.0, 1.0, 0.0, 3.0, 1.0]);
        let loss = CosineDistance::new(&targets).unwrap();
        let p = DMatrix::from_row_slice(2, 3, &[5.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
        // Angles 0 and 90 degrees, and an output without direction.
        let (value, dp) = evaluate(&loss, &[0, 1, 2], &p);
        assert_eq!(value, (0.0 + 1.0 + 1.0) / 3.0);
        assert_eq!(dp.column(0).as_slice(), [0.0, 0.0]);
        assert_eq!(dp.column(2).as_slice(), [0.0, 0.0]);
        // At a right angle the gradient is -t/|t| over |p|.
        assert!((dp[(0, 1)]).abs() < 1e-16 && (dp[(1, 1)] + 1.0 / 12.0).abs() < 1e-16);
    }

    #[test]
    fn a_small_angle_keeps_its_digits() {
        // 1 − cos φ = 2 sin²(φ/2) and the gradient's size is sin φ, at φ = 1e-9.
        let phi = 1e-9_f64;
        let loss = CosineDistance::new(&DMatrix::from_column_slice(2, 1, &[1.0, 0.0])).unwrap();
        let p = DMatrix::from_column_slice(2, 1, &[phi.cos(), phi.sin()]);
        let (value, dp) = evaluate(&loss, &[0], &p);
        assert!((value / 5e-19 - 1.0).abs() < 1e-12, "{value}");
        assert!((dp[1] / 1e-9 - 1.0).abs() < 1e-12, "{dp}");
    }

    #[test]
    fn a_cosine_of_huge_outputs_does_not_overflow() {
        let loss = CosineDistance::new(&DMatrix::from_column_slice(2, 1, &[1e200, 1e200])).unwrap();
        let p = DMatrix::from_column_slice(2, 1, &[1e300, -1e300]);
        assert!((evaluate(&loss, &[0], &p).0 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn bad_targets_and_batches_are_named() {
        let empty = DMatrix::<f64>::zeros(2, 0);
        let text = MeanSquaredError::new(&empty).unwrap_err().to_string();
        assert_eq!(text, "the matrix of targets is empty; at least one is needed");
        let nan = DMatrix::from_row_slice(1, 3, &[0.0, 1.0, f64::NAN]);
        let text = MeanAbsoluteError::new(&nan).unwrap_err().to_string();
        assert_eq!(text, "targets[0, 2] is NaN, and every entry must be finite");
        let zero = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 0.0]);
        let text = CosineDistance::new(&zero).unwrap_err().to_string();
        assert_eq!(text, "the target of sample 1 is zero, and must have a direction");

        let targets = DMatrix::from_row_slice(1, 2, &[0.0, 1.0]);
        let text = Huber::new(&targets, f64::NAN).unwrap_err().to_string();
        assert_eq!(text, "delta is NaN, expected a finite number greater than 0");
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
