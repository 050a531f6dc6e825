//! Rules of single points: Lebedev's, and spherical designs.

use std::f64::consts::PI;

use crate::lebedev::{NEGATIVE, SIZES};
use crate::rings::real;
use crate::sample::weighted_sum;
use crate::spectrum::decay;
use crate::{
    Direction, Error, Estimate, Method, Result, Rotation, Sample, SolidAngle, Stop, design, lebedev,
};

/// Points and weights for integrals over solid angle, exact to a degree; no rings, no poles.
///
/// # Examples
/// Lebedev's 350 points do what 512 of a product rule do:
/// ```
/// use quad::{PointRule, SolidAngle};
/// let rule = PointRule::lebedev(SolidAngle, 31)?;
/// let total = rule.integrate(|x| (10.0 * x.z()).exp())?;
/// assert_eq!(rule.len(), 350);
/// assert!((total.value / 13839.63659657671218848 - 1.0).abs() < 1e-13);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PointRule {
    directions: Vec<Direction>,
    weights: Vec<f64>,
    degree: usize,
    measure: SolidAngle,
}

impl PointRule {
    /// The largest degree of [`Self::lebedev`].
    pub const MAX_LEBEDEV_DEGREE: usize = 131;

    /// The smallest of Lebedev's rules that is exact to `degree` and has positive weights.
    ///
    /// There are rules of degrees 3, 5, ..., 31 and 35, 41, ..., 131, with about (degree + 1)²/3
    /// points in orbits of the octahedral group. Those of 74, 230 and 266 points have a few negative
    /// weights, which double the noise of the samples and surprise whoever takes their square root:
    /// they are exact too, but have to be asked for by [`Self::lebedev_of_size`].
    ///
    /// # Errors
    /// [`Error::Count`] for a degree above [`Self::MAX_LEBEDEV_DEGREE`], where
    /// [`SphereRule::of_degree`](crate::SphereRule::of_degree) takes over.
    ///
    /// # References
    /// V. I. Lebedev and D. N. Laikov, Doklady Mathematics 59 (1999) 477-481. The numbers are
    /// checked by Newton's method in twice the precision.
    pub fn lebedev(measure: SolidAngle, degree: usize) -> Result<Self> {
        let found = SIZES.iter().find(|&&(exact, _)| exact >= degree && !NEGATIVE.contains(&exact));
        let &(exact, _) = found.ok_or(Error::Count {
            argument: "degree",
            value: degree,
            lowest: 0,
            highest: Self::MAX_LEBEDEV_DEGREE,
        })?;
        Ok(Self::of_lebedev_degree(measure, exact))
    }

    /// Lebedev's rule with this number of points, those with negative weights too.
    ///
    /// # Errors
    /// [`Error::NoSuchRule`] where no rule has so many points.
    pub fn lebedev_of_size(measure: SolidAngle, points: usize) -> Result<Self> {
        let nearest = SIZES.iter().min_by_key(|&&(_, size)| size.abs_diff(points));
        match nearest {
            Some(&(degree, size)) if size == points => Ok(Self::of_lebedev_degree(measure, degree)),
            _ => Err(Error::NoSuchRule {
                family: "Lebedev",
                points,
                nearest: nearest.map_or(0, |&(_, size)| size),
            }),
        }
    }

    /// The largest degree of [`Self::design`].
    pub const MAX_DESIGN_DEGREE: usize = 65;

    /// The smallest spherical design here that is exact to `degree`: about (degree + 1)²/2 points, all of
    /// the same weight, so that the integral is 4π times the mean of the samples.
    ///
    /// Half as many points again as Lebedev's rule: for where weights are a nuisance, as for sampling,
    /// averaging or a fleet of equal sensors. There are designs of degrees 5, 11, 15, 19, 21, 23, 29, 31,
    /// 33, 35, 38, 41, 45, 49, 51, 55, 59 and 65.
    ///
    /// # Errors
    /// [`Error::Count`] for a degree above [`Self::MAX_DESIGN_DEGREE`].
    ///
    /// # Examples
    /// ```
    /// use quad::{PointRule, SolidAngle};
    /// let design = PointRule::design(SolidAngle, 30)?;
    /// assert_eq!((design.len(), design.degree()), (540, 31));
    /// let mean = design.directions().iter().map(|x| x.z().powi(10)).sum::<f64>() / 540.0;
    /// assert!((mean - 1.0 / 11.0).abs() < 1e-15);
    /// # Ok::<(), quad::Error>(())
    /// ```
    ///
    /// # References
    /// P. Delsarte, J. M. Goethals and J. J. Seidel, "Spherical codes and designs", Geometriae Dedicata 6
    /// (1977). R. H. Hardin and N. J. A. Sloane, Discrete & Computational Geometry 15 (1996), for designs as
    /// orbits of a group. These are our own solutions of the same equations.
    pub fn design(measure: SolidAngle, degree: usize) -> Result<Self> {
        let &(exact, points) =
            design::SIZES.iter().find(|&&(exact, _)| exact >= degree).ok_or(Error::Count {
                argument: "degree",
                value: degree,
                lowest: 0,
                highest: Self::MAX_DESIGN_DEGREE,
            })?;
        let directions = design::points(exact)?;
        let weights = vec![4.0 * PI / real(points); directions.len()];
        Ok(Self { directions, weights, degree: exact, measure })
    }

    /// The numbers of points and degrees of the designs, smallest first.
    pub fn design_sizes() -> impl Iterator<Item = (usize, usize)> {
        design::SIZES.iter().map(|&(degree, points)| (points, degree))
    }

    fn of_lebedev_degree(measure: SolidAngle, degree: usize) -> Self {
        let (points, shares) = lebedev::rule(degree);
        Self {
            directions: points.into_iter().map(Direction::from_nonzero).collect(),
            weights: shares.into_iter().map(|share| 4.0 * PI * share).collect(),
            degree,
            measure,
        }
    }

    pub(crate) fn from_parts(directions: Vec<Direction>, weights: Vec<f64>, degree: usize) -> Self {
        Self { directions, weights, degree, measure: SolidAngle }
    }

    /// The numbers of points and degrees of Lebedev's rules, smallest first.
    pub fn lebedev_sizes() -> impl Iterator<Item = (usize, usize)> {
        SIZES.iter().map(|&(degree, points)| (points, degree))
    }

    /// The same rule with its nodes turned.
    ///
    /// A rule with the symmetry of its integrand is no better than a smaller one; turned out of it,
    /// it is itself again.
    ///
    /// # Examples
    /// ```
    /// use quad::{Direction, PointRule, Rotation, SolidAngle};
    /// let turn = Rotation::about(&Direction::from_vector([1.0, 2.0, 3.0])?, 0.7)?;
    /// let rule = PointRule::lebedev(SolidAngle, 5)?.rotated(&turn);
    /// let total = rule.integrate(|x| x.z().powi(4))?;
    /// assert!((total.value - 4.0 * std::f64::consts::PI / 5.0).abs() < 1e-14);
    /// # Ok::<(), quad::Error>(())
    /// ```
    #[must_use]
    pub fn rotated(&self, rotation: &Rotation) -> Self {
        let directions = self.directions.iter().map(|x| rotation.apply(x)).collect();
        Self { directions, weights: self.weights.clone(), ..*self }
    }

    /// The number of nodes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.directions.len()
    }

    /// The degree to which the rule is exact.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The nodes, in the order of the samples.
    #[must_use]
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// The weights, in the order of the samples; they sum to 4π.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The integral of `f`, called once at every node.
    ///
    /// # Errors
    /// [`Error::IntegrandNotFinite`] at the first node where `f` is not finite; [`Error::Overflow`].
    pub fn integrate<T: Sample>(&self, mut f: impl FnMut(&Direction) -> T) -> Result<Estimate<T>> {
        let samples = self.directions.iter().map(&mut f).collect::<Vec<T>>();
        self.integrate_samples(&samples)
    }

    /// The integral from a sample at each of [`Self::directions`].
    ///
    /// The error estimate carries the fall of the samples' harmonics on beyond the rule's degree.
    ///
    /// # Errors
    /// [`Error::Samples`] for another number of samples; [`Error::IntegrandNotFinite`] with the
    /// direction; [`Error::Overflow`].
    pub fn integrate_samples<T: Sample>(&self, samples: &[T]) -> Result<Estimate<T>> {
        if samples.len() != self.len() {
            return Err(Error::Samples { expected: self.len(), got: samples.len() });
        }
        check_finite(&self.directions, samples)?;
        let value = weighted_sum(&self.weights, samples);
        let magnitude = magnitude(&self.weights, samples);
        if !(value.norm().is_finite() && magnitude.is_finite()) {
            return Err(Error::Overflow { snapshot: 0 });
        }
        let decay = decay(&self.directions, &self.weights, samples, self.len(), self.degree);
        Ok(Estimate {
            value,
            error_estimate: decay.error(self.degree).min(magnitude)
                + f64::EPSILON * real(self.len()).sqrt() * magnitude,
            magnitude,
            evaluations: self.len(),
            stop: Stop::Fixed,
            method: Method::Rule { degree: self.degree },
            measure: self.measure,
        })
    }
}

/// Σ |weight| |sample|.
pub(crate) fn magnitude<T: Sample>(weights: &[f64], samples: &[T]) -> f64 {
    weights.iter().zip(samples).map(|(weight, sample)| weight.abs() * sample.norm()).sum()
}

/// The first sample that is NaN or infinite, as an error with its direction.
pub(crate) fn check_finite<T: Sample>(directions: &[Direction], samples: &[T]) -> Result<()> {
    for (direction, sample) in directions.iter().zip(samples) {
        let value = sample.norm();
        if !value.is_finite() {
            let (theta, phi) = (direction.theta(), direction.phi());
            return Err(Error::IntegrandNotFinite { theta, phi, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_rules_are_positive_and_the_others_come_by_name() {
        for degree in 0..=131 {
            let rule = PointRule::lebedev(SolidAngle, degree).unwrap();
            assert!(rule.degree() >= degree);
            assert!(rule.weights().iter().all(|&weight| weight > 0.0), "{degree}");
        }
        for points in [74, 230, 266] {
            let rule = PointRule::lebedev_of_size(SolidAngle, points).unwrap();
            assert_eq!(rule.len(), points);
            assert!(rule.weights().iter().any(|&weight| weight < 0.0));
        }
        assert_eq!(
            PointRule::lebedev(SolidAngle, 132).unwrap_err().to_string(),
            "degree is 132, expected 0 to 131"
        );
        assert_eq!(
            PointRule::design(SolidAngle, 66).unwrap_err().to_string(),
            "degree is 66, expected 0 to 65"
        );
        assert_eq!(
            PointRule::lebedev_of_size(SolidAngle, 800).unwrap_err().to_string(),
            "there is no Lebedev rule of 800 points; the nearest has 770"
        );
    }

    #[test]
    fn every_rule_integrates_zonal_polynomials_to_its_degree_and_not_beyond() {
        // ∫ P_l(u·x) = 0, and for u among the nodes of an octahedral rule nothing is hidden by
        // symmetry at even l; odd l vanish by the center.
        let u = Direction::from_vector([0.3, -0.5, 0.81]).unwrap();
        for (points, degree) in PointRule::lebedev_sizes() {
            let rule = PointRule::lebedev_of_size(SolidAngle, points).unwrap();
            let t: Vec<f64> = rule.directions().iter().map(|x| u.dot(x)).collect();
            let (mut before, mut here) = (vec![0.0; points], vec![1.0; points]);
            let mut sums = Vec::new();
            for l in 0..=degree + 1 {
                sums.push(weighted_sum(rule.weights(), &here));
                for ((t, before), here) in t.iter().zip(&mut before).zip(&mut here) {
                    let next = (real(2 * l + 1) * t * *here - real(l) * *before) / real(l + 1);
                    (*before, *here) = (*here, next);
                }
            }
            sums[0] -= 4.0 * PI;
            for (l, sum) in sums[..=degree].iter().enumerate() {
                assert!(sum.abs() <= 5e-15 * 4.0 * PI, "{points} points, degree {l}: {sum:e}");
            }
            assert!(sums[degree + 1].abs() > 1e-4, "{points}: {:e}", sums[degree + 1]);
        }
    }

    #[test]
    fn the_error_estimate_of_a_fixed_rule_covers_its_error() {
        let u = Direction::from_vector([0.3, -0.5, 0.81]).unwrap();
        for degree in [15, 23, 35, 53] {
            let rule = PointRule::lebedev(SolidAngle, degree).unwrap();
            let found = rule.integrate(|x| 1.0 / (1.1 - u.dot(x))).unwrap();
            let error = (found.value - 19.12929864808238896).abs();
            assert!(error <= found.error_estimate, "{degree}: {error:e}");
            assert!(found.error_estimate <= 1e5 * error.max(1e-12), "{degree}: {found:?}");
        }
    }

    #[test]
    fn samples_that_do_not_fit_are_refused() {
        let rule = PointRule::lebedev(SolidAngle, 3).unwrap();
        assert_eq!(
            rule.integrate_samples(&[1.0; 5]).unwrap_err().to_string(),
            "expected 6 samples, one per node, got 5"
        );
        let mut samples = [1.0; 6];
        samples[2] = f64::INFINITY;
        let error = rule.integrate_samples(&samples).unwrap_err();
        assert!(matches!(error, Error::IntegrandNotFinite { .. }), "{error}");
        assert_eq!(
            rule.integrate_samples(&[1e308; 6]).unwrap_err().to_string(),
            "the weighted sum of snapshot 0 overflows; scale the samples down"
        );
    }
}
