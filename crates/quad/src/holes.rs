//! Grids with missing samples.

use linalg::{Cholesky, DMatrix, DVector};

use crate::rings::real;
use crate::{Error, Integral, Measure, Result, Seam, SphereRule};

/// What stands for a missing sample. Nothing does unless the caller says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A NaN is a sample that is missing. An infinity is still refused.
    Nan,
}

impl<M: Measure> SphereRule<M> {
    /// The integral from samples of which some are missing.
    ///
    /// Each ring with holes is fitted by a trigonometric polynomial, of a degree of at most an eighth
    /// of its samples and half a wave across the widest hole, and the holes take its values. The
    /// residual of the fits is in the error estimate; `samples` counts those that were there.
    ///
    /// # Errors
    /// As [`Self::integrate_samples`]; [`Error::RingEmpty`] where fewer than half of the samples of
    /// a ring are there.
    ///
    /// # Examples
    /// ```
    /// use quad::{Missing, RingKind, SolidAngle, SphereRule};
    /// let rule = SphereRule::product(SolidAngle, RingKind::Cells, 60, 120)?;
    /// let mut p: Vec<f64> = rule.directions().map(|x| (3.0 * x.x()).exp()).collect();
    /// p.iter_mut().step_by(17).for_each(|sample| *sample = f64::NAN);
    /// assert!(rule.integrate_samples(&p).is_err());
    /// let total = rule.integrate_with_missing(&p, Missing::Nan)?;
    /// let exact = 4.0 * std::f64::consts::PI * 3f64.sinh() / 3.0;
    /// assert!((total.value / exact - 1.0).abs() < 1e-12);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn integrate_with_missing(&self, samples: &[f64], missing: Missing) -> Result<Integral<M>> {
        let Missing::Nan = missing;
        self.check_count(samples.len())?;
        let layout = self.layout();
        let rings = layout.rings;
        let distinct = layout.seam.distinct(layout.columns);
        let phi = self.column_angles();
        let ring_weights: Vec<f64> = self.weights().skip(rings).take(rings).collect();
        let mut filled = samples.to_vec();
        if layout.seam == Seam::Repeated {
            // Either of the two columns that are one speaks for both.
            for i in 0..rings {
                let (first, last) = (i, i + rings * distinct);
                if filled[first].is_nan() {
                    filled[first] = filled[last];
                } else if filled[last].is_nan() {
                    filled[last] = filled[first];
                }
            }
        }
        let mut doubt = 0.0;
        for (i, weight) in ring_weights.iter().enumerate() {
            let ring: Vec<f64> = (0..distinct).map(|j| filled[i + rings * j]).collect();
            let present = ring.iter().filter(|sample| !sample.is_nan()).count();
            if present == distinct {
                continue;
            }
            let needed = distinct.div_ceil(2);
            if present < needed {
                return Err(Error::RingEmpty { ring: i, present, needed });
            }
            let (values, residual) = fit(&ring, &phi[..distinct])?;
            for (j, value) in values.into_iter().enumerate() {
                if ring[j].is_nan() {
                    filled[i + rings * j] = value;
                    doubt += weight.abs() * residual;
                }
            }
            if layout.seam == Seam::Repeated {
                filled[i + rings * distinct] = filled[i];
            }
        }
        let mut integral = self.integrate_samples(&filled)?;
        integral.error_estimate += doubt;
        integral.samples = samples.iter().filter(|sample| !sample.is_nan()).count();
        Ok(integral)
    }
}

/// Values of the least-squares trigonometric polynomial at all `phi`, and its root mean square
/// residual where there are samples.
fn fit(ring: &[f64], phi: &[f64]) -> Result<(Vec<f64>, f64)> {
    let n = ring.len();
    let there: Vec<usize> = (0..n).filter(|&j| !ring[j].is_nan()).collect();
    let present = there.len();
    let widest =
        (0..present).map(|k| (there[(k + 1) % present] + n - there[k] - 1) % n).max().unwrap_or(0);
    let degree = (present / 8).min(n / (2 * (widest + 1))).min(present.saturating_sub(1) / 2);
    let terms = 2 * degree + 1;
    // cos mφ and sin mφ, from the first by turning.
    let row = |phi: f64| -> Vec<f64> {
        let mut row = vec![1.0; terms];
        for m in 1..=degree {
            (row[2 * m], row[2 * m - 1]) = (real(m) * phi).sin_cos();
        }
        row
    };
    let rows: Vec<Vec<f64>> = phi.iter().map(|&phi| row(phi)).collect();
    let basis = DMatrix::from_fn(present, terms, |k, term| rows[there[k]][term]);
    let samples = DMatrix::from_iterator(present, 1, there.iter().map(|&j| ring[j]));
    let normal = linalg::product(linalg::transpose(&basis), &basis)?;
    let right = linalg::product(linalg::transpose(&basis), &samples)?;
    let coefficients =
        Cholesky::new(normal)?.solve(&DVector::from_column_slice(right.as_slice()))?;
    let value = |j: usize| -> f64 { rows[j].iter().zip(&coefficients).map(|(a, b)| a * b).sum() };
    let values: Vec<f64> = (0..n).map(value).collect();
    let squares: f64 = there.iter().map(|&j| (ring[j] - values[j]).powi(2)).sum();
    Ok((values, (squares / real(present.max(1))).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Azimuths, Colatitudes, Direction, SolidAngle};
    use std::f64::consts::PI;

    fn question() -> SphereRule<SolidAngle> {
        let axis = |end: f64, n: usize| -> Vec<f64> {
            (0..n).map(|i| end * real(i) / real(n - 1)).collect()
        };
        let rings = Colatitudes::from_radians(&axis(PI, 200)).unwrap();
        let columns = Azimuths::from_radians(&axis(2.0 * PI, 400)).unwrap();
        SphereRule::on_grid(SolidAngle, &rings, &columns).unwrap()
    }

    #[test]
    fn one_sample_in_twenty_is_not_missed() {
        let rule = question();
        let u = Direction::from_vector([0.3, 0.5, 0.8]).unwrap();
        let mut p: Vec<f64> = rule.directions().map(|x| (10.0 * u.dot(&x)).exp()).collect();
        let full = rule.integrate_samples(&p).unwrap().value;
        let mut holes = 0;
        for (k, sample) in p.iter_mut().enumerate() {
            if (real(k + 1) * 12.9898).sin().mul_add(43_758.545_3, 0.0).rem_euclid(1.0) < 0.05 {
                *sample = f64::NAN;
                holes += 1;
            }
        }
        let found = rule.integrate_with_missing(&p, Missing::Nan).unwrap();
        assert_eq!(found.samples, 80_000 - holes);
        assert!(holes > 3_500, "{holes}");
        assert!((found.value / full - 1.0).abs() < 1e-13, "{:e}", found.value / full - 1.0);
        assert!(found.error_estimate < 1e-10 * full);
    }

    #[test]
    fn a_wide_hole_is_filled_by_a_low_degree_which_does_not_amplify_noise() {
        let phi: Vec<f64> = (0..64).map(|j| 2.0 * PI * real(j) / 64.0).collect();
        let noise = |j: usize| 1e-3 * (if j.is_multiple_of(3) { 1.0 } else { -0.5 });
        for first in [0, 5, 50] {
            let mut ring: Vec<f64> = (0..64).map(|j| phi[j].cos() + noise(j)).collect();
            // A quarter of the ring, across its end for the last one.
            (first..first + 16).for_each(|j| ring[j % 64] = f64::NAN);
            let (values, residual) = fit(&ring, &phi).unwrap();
            for (value, phi) in values.iter().zip(&phi) {
                // No more than the noise. The 48 samples would allow degree 6, whose fit is off by more in the hole.
                assert!((value - phi.cos()).abs() <= 1e-3, "{first}: {:e}", value - phi.cos());
            }
            // √(1/3 + 2/3 · 1/4) of 10⁻³, of a frequency far from the three terms that are fitted.
            assert!(
                (residual / (1e-3 * 0.5f64.sqrt()) - 1.0).abs() < 0.05,
                "{first}: {residual:e}"
            );
        }
    }

    #[test]
    fn an_empty_ring_and_an_infinity_are_refused() {
        let rule = question();
        let mut p = vec![1.0; rule.len()];
        p[9] = f64::INFINITY;
        assert!(matches!(
            rule.integrate_with_missing(&p, Missing::Nan),
            Err(Error::SampleNotFinite { index: 9, .. })
        ));
        p[9] = 1.0;
        p.iter_mut().skip(7).step_by(200).for_each(|sample| *sample = f64::NAN);
        assert_eq!(
            rule.integrate_with_missing(&p, Missing::Nan).unwrap_err().to_string(),
            "ring 7 has 0 samples, and at least 200 are needed to fill its holes"
        );
    }
}
