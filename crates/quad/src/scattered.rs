//! Samples at points that lie anyhow.

use std::f64::consts::{FRAC_1_SQRT_2, PI, TAU};

use linalg::DMatrix;

use crate::rings::real;
use crate::{Direction, Error, Result, SolidAngle, fitted, voronoi};

/// Weights for ∫ p dΩ from samples at points that somebody else has chosen.
///
/// The areas of the points' Voronoi cells are a first answer, with an error like 1/N; changed by as
/// little as makes them exact for all spherical polynomials to a degree, they do a hundred to ten
/// thousand times better on smooth p. The degree is the highest for which all weights stay
/// positive, about 0.4 √N for random points: positive weights of sum 4π do not amplify noise.
///
/// # Examples
/// ```
/// use quad::{Direction, ScatteredRule};
/// // 500 points on a spiral
/// let points: Vec<Direction> = (0..500)
///     .map(|i| {
///         let z = 1.0 - (2.0 * f64::from(i) + 1.0) / 500.0;
///         Direction::from_angles(f64::acos(z), 2.4 * f64::from(i))
///     })
///     .collect::<Result<_, _>>()?;
/// let rule = ScatteredRule::new(&points)?;
/// assert!(rule.degree() >= 8);
/// let samples: Vec<f64> = points.iter().map(|x| (2.0 * x.y()).exp()).collect();
/// let total = rule.integrate_samples(&samples)?;
/// let exact = 4.0 * std::f64::consts::PI * 2f64.sinh() / 2.0;
/// assert!((total.value / exact - 1.0).abs() < 1e-6);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ScatteredRule {
    points: Vec<Direction>,
    areas: Vec<f64>,
    weights: Vec<f64>,
    /// Of two thirds of the degree.
    lower: Vec<f64>,
    degree: usize,
}

/// An integral from scattered samples.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct ScatteredIntegral {
    /// The integral.
    pub value: f64,
    /// The change from weights of two thirds of the degree, and the rounding.
    pub error_estimate: f64,
    /// The degree to which the weights are exact.
    pub degree: usize,
    /// How many samples were summed.
    pub samples: usize,
    /// What was integrated against.
    pub measure: SolidAngle,
}

impl ScatteredRule {
    /// The rule on `points`, in any order.
    ///
    /// # Errors
    /// [`Error::Count`] below four points; [`Error::SamePoint`] for one that is given twice;
    /// [`Error::OneSided`] where they leave out half of the sphere.
    pub fn new(points: &[Direction]) -> Result<Self> {
        let areas = voronoi::areas(points)?;
        let n = points.len();
        // More than 0.65 √N has never been positive.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small, positive"
        )]
        let highest = (0.65 * real(n).sqrt()) as usize;
        let basis = harmonics(points, highest);
        let moments = {
            let mut moments = vec![0.0; basis.ncols()];
            moments[0] = (4.0 * PI).sqrt();
            moments
        };
        let weights = |degree: usize| {
            let count = (degree + 1) * (degree + 1);
            fitted::nearest(&areas, &basis.columns(0, count).into_owned(), &moments[..count])
        };
        let (degree, best) = fitted::highest_positive(highest, weights)?;
        let lower = weights(2 * degree / 3)?.unwrap_or_else(|| areas.clone());
        Ok(Self { points: points.to_vec(), areas, weights: best, lower, degree })
    }

    /// The number of points.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least four points")]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// The degree to which the rule is exact.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The points, as they were given.
    #[must_use]
    pub fn directions(&self) -> &[Direction] {
        &self.points
    }

    /// The weights, all positive; their sum is 4π.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The areas of the Voronoi cells, from which the weights were made; their sum is 4π.
    #[must_use]
    pub fn areas(&self) -> &[f64] {
        &self.areas
    }

    /// ∫ p dΩ from a sample per point.
    ///
    /// # Errors
    /// [`Error::PointCount`]; [`Error::PointNotFinite`] with the first index; [`Error::Overflow`].
    pub fn integrate_samples(&self, samples: &[f64]) -> Result<ScatteredIntegral> {
        let (expected, got) = (self.len(), samples.len());
        if expected != got {
            return Err(Error::PointCount { expected, got });
        }
        if let Some(index) = samples.iter().position(|sample| !sample.is_finite()) {
            return Err(Error::PointNotFinite { index, value: samples[index] });
        }
        let (mut value, mut change, mut magnitude) = (0.0, 0.0, 0.0);
        for ((sample, weight), lower) in samples.iter().zip(&self.weights).zip(&self.lower) {
            value += weight * sample;
            change += (weight - lower) * sample;
            magnitude += weight * sample.abs();
        }
        if !magnitude.is_finite() {
            return Err(Error::Overflow { snapshot: 0 });
        }
        let error_estimate = change.abs() + real(got) * f64::EPSILON * magnitude;
        let degree = self.degree;
        Ok(ScatteredIntegral { value, error_estimate, degree, samples: got, measure: SolidAngle })
    }
}

/// Real orthonormal harmonics, a row per point; degree l has the columns l² to l² + 2l: m = 0, then
/// cos mφ and sin mφ.
fn harmonics(points: &[Direction], degree: usize) -> DMatrix<f64> {
    let mut basis = DMatrix::zeros(points.len(), (degree + 1) * (degree + 1));
    for (i, point) in points.iter().enumerate() {
        let (x, sine) = (point.z(), point.sin_theta());
        let mut start = FRAC_1_SQRT_2;
        for m in 0..=degree {
            if m > 0 {
                start *= sine * ((2.0 * real(m) + 1.0) / (2.0 * real(m))).sqrt();
            }
            let (sin, cos) = (real(m) * point.phi()).sin_cos();
            let (mut before, mut here, mut last) = (0.0, start, 1.0);
            for l in m..=degree {
                let first = l * l;
                if m == 0 {
                    basis[(i, first)] = here / TAU.sqrt();
                } else {
                    basis[(i, first + 2 * m - 1)] = here * cos / PI.sqrt();
                    basis[(i, first + 2 * m)] = here * sin / PI.sqrt();
                }
                let (l, m) = (real(l), real(m));
                let grow =
                    ((2.0 * l + 1.0) * (2.0 * l + 3.0) / ((l + 1.0 - m) * (l + 1.0 + m))).sqrt();
                (before, here) = (here, grow * (x * here - before / last));
                last = grow;
            }
        }
    }
    basis
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points without a pattern, about uniform.
    fn points(n: usize) -> Vec<Direction> {
        let fraction = |t: f64| (t.sin() * 43_758.545_3).rem_euclid(1.0);
        (0..n)
            .map(|i| {
                let z = 2.0 * fraction(12.9898 * real(i + 1)) - 1.0;
                Direction::from_angles(z.acos(), TAU * fraction(78.233 * real(i + 1))).unwrap()
            })
            .collect()
    }

    #[test]
    fn random_points_do_far_better_than_their_areas() {
        let points = points(2000);
        let rule = ScatteredRule::new(&points).unwrap();
        assert!(rule.degree() >= 13, "{}", rule.degree());
        assert!(rule.weights().iter().all(|&weight| weight > 0.0));
        let u = Direction::from_vector([0.3, -0.4, 0.5]).unwrap();
        let samples: Vec<f64> = points.iter().map(|x| (10.0 * u.dot(x)).exp()).collect();
        let exact = 4.0 * PI * 10f64.sinh() / 10.0;
        let found = rule.integrate_samples(&samples).unwrap();
        let plain: f64 = rule.areas().iter().zip(&samples).map(|(a, p)| a * p).sum();
        let (ours, theirs) = ((found.value / exact - 1.0).abs(), (plain / exact - 1.0).abs());
        assert!(ours * 100.0 <= theirs, "{ours:e} {theirs:e}");
        assert!(found.error_estimate >= (found.value - exact).abs());
    }

    #[test]
    fn every_harmonic_to_the_degree_is_exact() {
        let points = points(300);
        let rule = ScatteredRule::new(&points).unwrap();
        let basis = harmonics(&points, rule.degree() + 1);
        let inside = (rule.degree() + 1).pow(2);
        let mut beyond: f64 = 0.0;
        for (k, column) in basis.column_iter().enumerate() {
            let sum: f64 = column.iter().zip(rule.weights()).map(|(y, w)| y * w).sum();
            let error = (sum - if k == 0 { (4.0 * PI).sqrt() } else { 0.0 }).abs();
            if k < inside {
                assert!(error < 300.0 * 4.0 * PI * f64::EPSILON, "{k}: {error:e}");
            } else {
                beyond = beyond.max(error);
            }
        }
        assert!(beyond > 1e-4, "{beyond:e}");
    }

    #[test]
    fn the_error_estimate_is_what_the_upper_third_of_the_degrees_adds() {
        let points = points(300);
        let rule = ScatteredRule::new(&points).unwrap();
        let basis = harmonics(&points, rule.degree());
        let lower = (2 * rule.degree() / 3 + 1).pow(2);
        for (k, column) in basis.column_iter().enumerate() {
            let found = rule.integrate_samples(column.as_slice()).unwrap();
            if k < lower {
                // Either sum is off by what the test above allows, and ∫ |Y| dΩ is below √4π.
                let rounding = 3.0 * 300.0 * 4.0 * PI * f64::EPSILON;
                assert!(found.error_estimate < rounding, "{k}: {:e}", found.error_estimate);
            }
        }
        let above: Vec<f64> =
            basis.columns(lower, basis.ncols() - lower).column_sum().as_slice().to_vec();
        assert!(rule.integrate_samples(&above).unwrap().error_estimate > 1e-4);
    }

    #[test]
    fn bad_samples_are_refused() {
        let rule = ScatteredRule::new(&points(20)).unwrap();
        assert_eq!(
            rule.integrate_samples(&[1.0; 19]).unwrap_err().to_string(),
            "expected 20 samples, one per point, got 19"
        );
        let mut samples = [1.0; 20];
        samples[7] = f64::NAN;
        assert_eq!(
            rule.integrate_samples(&samples).unwrap_err().to_string(),
            "sample 7 is NaN, and every sample must be finite"
        );
        assert_eq!(
            ScatteredRule::new(&points(3)).unwrap_err().to_string(),
            "points is 3, expected 4 to 100000000"
        );
    }
}
