//! Weights over azimuth, and what the columns say about their own error.

use std::f64::consts::TAU;

use linalg::{Complex, DMatrix};
use rustfft::FftPlanner;

use crate::axes::ColumnKind;
use crate::decay::{Decay, Spectrum};
use crate::judgement::{Judgement, last};
use crate::rings::real;
use crate::{Azimuths, Result, Seam, fitted};

/// A column of nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Column {
    pub(crate) phi: f64,
    pub(crate) weight: f64,
    /// The weight of a lower order, where the difference to it is the error estimate.
    lower: f64,
}

/// A rule over azimuth.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnRule {
    pub(crate) columns: Vec<Column>,
    kind: ColumnKind,
    seam: Seam,
    /// The highest harmonic that is integrated exactly.
    pub(crate) degree: usize,
}

impl ColumnRule {
    /// Equal weights on equal columns, which are exact below the number of columns; fitted ones on
    /// others. A repeated column shares the weight of the first.
    pub(crate) fn new(axis: &Azimuths) -> Result<Self> {
        let (phi, seam, kind) = (axis.radians(), axis.seam(), axis.kind());
        let distinct = seam.distinct(phi.len());
        let (degree, weights, lower) = if kind == ColumnKind::Equal {
            let equal = vec![TAU / real(distinct); distinct];
            (distinct - 1, equal.clone(), equal)
        } else {
            fit(&phi[..distinct])?
        };
        let mut columns: Vec<Column> = phi
            .iter()
            .zip(weights.iter().zip(&lower).cycle())
            .map(|(&phi, (&weight, &lower))| Column { phi, weight, lower })
            .collect();
        if seam == Seam::Repeated {
            for j in [0, distinct] {
                columns[j].weight *= 0.5;
                columns[j].lower *= 0.5;
            }
        }
        Ok(Self { columns, kind, seam, degree })
    }

    /// What the columns' shares of the integral say about their error.
    pub(crate) fn judge(&self, shares: &[f64], magnitude: f64) -> Judgement {
        let distinct = self.seam.distinct(shares.len());
        if self.kind == ColumnKind::Free {
            let changes = shares.iter().zip(&self.columns);
            let change = changes.map(|(share, column)| {
                // A weight is positive, but a fit that failed leaves none.
                if column.weight > 0.0 { share * (1.0 - column.lower / column.weight) } else { 0.0 }
            });
            let change = change.sum::<f64>().abs();
            return Judgement::new(change, change, None);
        }
        let mut circle: Vec<Complex<f64>> =
            shares[..distinct].iter().map(|&share| Complex::new(share, 0.0)).collect();
        if let (Seam::Repeated, Some(last)) = (self.seam, shares.last()) {
            circle[0].re += last;
        }
        FftPlanner::new().plan_fft_forward(distinct).process(&mut circle);
        // Harmonic m of `distinct` columns and more would be taken for a constant.
        let sizes: Vec<f64> =
            circle[..=distinct / 2].iter().map(|harmonic| 2.0 * harmonic.norm()).collect();
        let floor = 0.1 * f64::EPSILON * magnitude;
        // Kinks on two meridians half-way between columns would look smooth.
        let decay = Decay::of(&sizes, floor, Some(0.5 * real(distinct)));
        let error = decay.at(real(distinct));
        let spectrum = Some(Spectrum { decay, first: 0, stride: 1 });
        Judgement::new(error, last(&sizes), spectrum)
    }
}

/// Degree, weights, and weights of two thirds of the degree.
fn fit(phi: &[f64]) -> Result<(usize, Vec<f64>, Vec<f64>)> {
    let n = phi.len();
    let areas: Vec<f64> = (0..n)
        .map(|j| {
            let after = if j + 1 == n { phi[0] + TAU } else { phi[j + 1] };
            let before = if j == 0 { phi[n - 1] - TAU } else { phi[j - 1] };
            0.5 * (after - before)
        })
        .collect();
    let weights = |degree: usize| {
        let basis = DMatrix::from_fn(n, 2 * degree + 1, |j, k| {
            let (sine, cosine) = (real(k.div_ceil(2)) * phi[j]).sin_cos();
            if k % 2 == 1 { sine } else { cosine }
        });
        let mut moments = vec![0.0; 2 * degree + 1];
        moments[0] = TAU;
        fitted::nearest(&areas, &basis, &moments)
    };
    let (degree, best) = fitted::highest_positive((n - 1) / 2, weights)?;
    let lower = weights(2 * degree / 3)?.unwrap_or_else(|| best.clone());
    Ok((degree, best, lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_columns_integrate_their_harmonics_with_positive_weights() {
        let phi: Vec<f64> =
            (0..60).map(|j| TAU * (real(j) + 0.3 * (7.0 * real(j)).sin()) / 60.0 + 0.2).collect();
        let axis = Azimuths::from_radians(&phi).unwrap();
        assert_eq!(axis.kind(), ColumnKind::Free);
        let rule = ColumnRule::new(&axis).unwrap();
        assert!(rule.degree >= 15, "{}", rule.degree);
        assert!(rule.columns.iter().all(|column| column.weight > 0.0));
        for m in 0..=rule.degree {
            let sum: f64 = rule
                .columns
                .iter()
                .map(|column| column.weight * (real(m) * column.phi + 0.4).cos())
                .sum();
            let expected = if m == 0 { TAU * 0.4f64.cos() } else { 0.0 };
            // 60 terms, of angles of at most 6 m.
            let limit = f64::EPSILON * TAU * (60.0 + 6.0 * real(m));
            assert!((sum - expected).abs() < limit, "{m}: {:e}", sum - expected);
        }
    }
}
