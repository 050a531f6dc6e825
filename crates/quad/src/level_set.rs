//! Integrands with a kink or a jump on a known curve.

use std::f64::consts::{PI, TAU};

use crate::parallel::evaluate;
use crate::point_rule::{check_finite, magnitude};
use crate::rings::real;
use crate::sample::{distance, weighted_sum};
use crate::{
    Automatic, Direction, Error, Estimate, GaussLegendre, Method, PointRule, Result, Rotation,
    Sample, SolidAngle, Stop,
};

/// Where along a meridian the level set is looked for, before a crossing is pinned down.
const SCAN: usize = 64;

impl Automatic {
    /// ∫ f dΩ for an `f` that is smooth on either side of the curve where `level_set` changes its
    /// sign, and may have a kink or a jump on it.
    ///
    /// The pole is laid into the middle of the positive part, each meridian is cut where it crosses
    /// the curve, the pieces get Gauss-Legendre nodes and the meridians equal weights. Where every
    /// meridian crosses the curve equally often, as for a circle or any star-shaped patch, that is
    /// as good as if there were no kink; elsewhere it converges slowly, and the error estimate, the
    /// change from one level to the next, says so. `level_set` is taken to be cheap: its evaluations
    /// are not counted.
    ///
    /// # Errors
    /// As [`Self::integrate`]; [`Error::LevelSetNotFinite`] where `level_set` is NaN or infinite.
    ///
    /// # Examples
    /// ```
    /// use quad::{Automatic, Direction, SolidAngle, pointwise};
    /// let u = Direction::from_vector([1.0, -2.0, 0.5])?;
    /// let total = Automatic::default().relative_tolerance(1e-10).integrate_cut(
    ///     SolidAngle,
    ///     |x| u.dot(x),
    ///     &pointwise(|x: &Direction| u.dot(x).abs()),
    /// )?;
    /// assert!((total.value / (2.0 * std::f64::consts::PI) - 1.0).abs() < 1e-10);
    /// assert!(total.evaluations < 5000);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn integrate_cut<T: Sample>(
        &self,
        measure: SolidAngle,
        level_set: impl Fn(&Direction) -> f64,
        f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    ) -> Result<Estimate<T>> {
        self.check()?;
        let frame = frame(measure, &level_set)?;
        let mut reached: Option<Estimate<T>> = None;
        let (mut meridians, mut nodes) = (12, 8);
        let mut evaluations = 0;
        loop {
            let (directions, weights) = cut_rule(&frame, &level_set, meridians, nodes)?;
            let stopped = |stop| reached.map(|reached| Estimate { stop, ..reached });
            if evaluations + directions.len() > self.max_evaluations {
                return stopped(Stop::Budget).ok_or(Error::Count {
                    argument: "max_evaluations",
                    value: self.max_evaluations,
                    lowest: directions.len(),
                    highest: usize::MAX,
                });
            }
            let samples = evaluate(f, &directions);
            evaluations += directions.len();
            check_finite(&directions, &samples).map_err(|error| match &reached {
                Some(reached) => reached.interrupted(error),
                None => error,
            })?;
            let value = weighted_sum(&weights, &samples);
            let size = magnitude(&weights, &samples);
            if !(value.norm().is_finite() && size.is_finite()) {
                return Err(Error::Overflow { snapshot: 0 });
            }
            let rounding = 8.0 * f64::EPSILON * size;
            let error = reached.map_or(size, |before| distance(value, before.value));
            let tolerance = self.tolerance(value);
            let mut estimate = Estimate {
                value,
                error_estimate: error + rounding,
                magnitude: size,
                evaluations,
                stop: Stop::Converged,
                method: Method::CutMeridians { meridians },
                measure,
            };
            if estimate.error_estimate <= tolerance {
                return Ok(estimate);
            }
            if error <= 4.0 * rounding && rounding >= tolerance || meridians > 4_000 {
                estimate.stop = Stop::Rounding;
                return Ok(estimate);
            }
            reached = Some(estimate);
            meridians += meridians / 2;
            nodes += nodes / 2;
        }
    }
}

/// The frame whose pole lies in the middle of where the level set is positive.
fn frame(measure: SolidAngle, level_set: &impl Fn(&Direction) -> f64) -> Result<Rotation> {
    let north = Direction::from_nonzero([0.0, 0.0, 1.0]);
    let scout = PointRule::lebedev(measure, 29)?.rotated(&Rotation::generic(1));
    let mut middle = [0.0; 3];
    for (x, weight) in scout.directions().iter().zip(scout.weights()) {
        let side = level(level_set, x)?.signum() * weight;
        for (sum, coordinate) in middle.iter_mut().zip(x.vector()) {
            *sum += side * coordinate;
        }
    }
    let [x, y, z] = middle;
    // A curve that halves the sphere evenly has no middle; any pole will do.
    let pole = if x.hypot(y).hypot(z) > 0.05 { Direction::from_nonzero(middle) } else { north };
    Ok(Rotation::between(&north, &pole))
}

fn level(level_set: &impl Fn(&Direction) -> f64, x: &Direction) -> Result<f64> {
    let value = level_set(x);
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::LevelSetNotFinite { theta: x.theta(), phi: x.phi(), value })
}

/// Nodes and weights for meridians cut at their crossings.
fn cut_rule(
    frame: &Rotation,
    level_set: &impl Fn(&Direction) -> f64,
    meridians: usize,
    nodes: usize,
) -> Result<(Vec<Direction>, Vec<f64>)> {
    let gauss = GaussLegendre::new(nodes)?;
    let (mut directions, mut weights) = (Vec::new(), Vec::new());
    for meridian in 0..meridians {
        // Half a step aside, so that no meridian of a level lies on one of another.
        let phi = TAU * (real(meridian) + 0.5) / real(meridians);
        let at = |theta: f64| {
            let (sine, cosine) = theta.sin_cos();
            frame.apply(&Direction::from_parts(theta, sine, cosine, phi))
        };
        let mut start = 0.0;
        for end in crossings(level_set, &at)?.into_iter().chain([PI]) {
            let (center, half) = (0.5 * (start + end), 0.5 * (end - start));
            for (x, weight) in gauss.nodes().iter().zip(gauss.weights()) {
                let theta = center + half * x;
                directions.push(at(theta));
                weights.push(TAU / real(meridians) * half * weight * theta.sin());
            }
            start = end;
        }
    }
    Ok((directions, weights))
}

/// The colatitudes on a meridian where the level set changes its sign.
fn crossings(
    level_set: &impl Fn(&Direction) -> f64,
    at: &impl Fn(f64) -> Direction,
) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    let (mut theta, mut value) = (0.0, level(level_set, &at(0.0))?);
    for step in 1..=SCAN {
        let next = PI * real(step) / real(SCAN);
        let next_value = level(level_set, &at(next))?;
        if (value < 0.0) != (next_value < 0.0) {
            let (mut low, mut high, low_negative) = (theta, next, value < 0.0);
            // To the last bit: the integrand is as good as smooth only up to the cut.
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if (level(level_set, &at(middle))? < 0.0) == low_negative {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            found.push(0.5 * (low + high));
        }
        (theta, value) = (next, next_value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise;

    #[test]
    fn a_cap_is_cut_out_exactly_in_any_orientation() {
        for (theta, phi, radius) in [(0.3, 1.0, 0.7f64), (2.0, -2.0, 0.1), (1.5, 3.0, 2.5)] {
            let u = Direction::from_angles(theta, phi).unwrap();
            let inside = move |x: &Direction| u.dot(x) - radius.cos();
            let jump = pointwise(move |x: &Direction| if inside(x) > 0.0 { 1.0 } else { 0.0 });
            let options = Automatic::default().relative_tolerance(1e-10);
            let found = options.integrate_cut(SolidAngle, inside, &jump).unwrap();
            let area = TAU * (1.0 - radius.cos());
            let error = (found.value / area - 1.0).abs();
            assert!(error < 1e-10, "{theta} {phi} {radius}: {error:e}");
            assert_eq!(found.stop, Stop::Converged);
            assert!(found.evaluations < 5_000, "{}", found.evaluations);
        }
    }

    #[test]
    fn two_caps_are_worse_and_the_estimate_knows() {
        let level = |x: &Direction| (x.x() - 0.8).max(x.y() - 0.8);
        let jump = pointwise(move |x: &Direction| if level(x) > 0.0 { 1.0 } else { 0.0 });
        let options = Automatic::default().relative_tolerance(1e-12).max_evaluations(200_000);
        let found = options.integrate_cut(SolidAngle, level, &jump).unwrap();
        assert_ne!(found.stop, Stop::Converged);
        assert!((found.value - 2.0 * TAU * 0.2).abs() < 10.0 * found.error_estimate);
        assert!(found.evaluations <= 200_000);
    }

    #[test]
    fn a_level_set_that_is_not_finite_is_refused_with_its_place() {
        let f = pointwise(|_: &Direction| 1.0);
        let error = Automatic::default().integrate_cut(SolidAngle, |_| f64::NAN, &f).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the level set is NaN at colatitude "), "{text}");
        let few = Automatic::default().max_evaluations(50);
        assert_eq!(
            few.integrate_cut(SolidAngle, |x| x.z(), &f).unwrap_err().to_string(),
            "max_evaluations is 50, expected 192 to 18446744073709551615"
        );
    }
}
