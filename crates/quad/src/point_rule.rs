//! Rules of single points: Lebedev's, and spherical designs.

use std::f64::consts::PI;

use crate::lebedev::{NEGATIVE, SIZES};
use crate::rings::real;
use crate::sample::weighted_sum;
use crate::spectrum::decay;
use crate::{
    Direction, Error, Estimate, Method, Result, Rotation, Sample, SolidAngle, Stop, lebedev,
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

    fn of_lebedev_degree(measure: SolidAngle, degree: usize) -> Self {
        let (points, shares) = lebedev::rule(degree);
        Self {
            directions: points.into_iter().map(Direction::from_nonzero).collect(),
            weights: shares.into_iter().map(|share| 4.0 * PI * share).collect(),
            degree,
            measure,
        }
    }

    /// The numbers of points and degrees of Lebedev's rules, smallest first.
    pub fn lebedev_sizes() -> impl Iterator<Item = (usize, usize)> {
        SIZES.iter().map(|&(degree, points)| (points, degree))
    }

    /// The same rule with its nodes turned.
    ///
    /// A rule with the symmetry of its integrand is no better than a smaller one; turned out of it,
    /// it is itself again.
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
