//! Integration to a tolerance, from as few evaluations as it takes.

use crate::parallel::evaluate;
use crate::point_rule::{check_finite, magnitude};
use crate::rings::real;
use crate::sample::{distance, weighted_sum};
use crate::spectrum::{Decay, decay};
use crate::{
    Direction, Error, Estimate, Mesh, Method, PointRule, Result, Rotation, Sample, SolidAngle,
    SphereRule, Stop, mesh,
};

/// How far to integrate, and what it may cost.
///
/// # Examples
/// ```
/// use quad::{Automatic, Direction, SolidAngle, Stop, pointwise};
/// let u = Direction::from_vector([1.0, -2.0, 0.5])?;
/// let f = pointwise(|x: &Direction| (10.0 * u.dot(x)).exp());
/// let total = Automatic::default().relative_tolerance(1e-10).integrate(SolidAngle, &f)?;
/// assert_eq!(total.stop, Stop::Converged);
/// assert!((total.value / 13839.63659657671218848 - 1.0).abs() < 1e-10);
/// assert!(total.evaluations < 1000);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Automatic {
    /// The error allowed, as a share of the integral's norm; 1e-6.
    pub relative_tolerance: f64,
    /// The error allowed in any case, in units of the integral; 0. Give one where the integral may
    /// vanish.
    pub absolute_tolerance: f64,
    /// Evaluations of the integrand that are never exceeded; 1,000,000.
    pub max_evaluations: usize,
    /// Where to sample.
    pub strategy: Strategy,
}

/// Where an automatic integration samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Rules over the whole sphere while the integrand's harmonics fall off, cells where it is
    /// concentrated in a small part, or has kinks.
    #[default]
    Choose,
    /// Cells from the first sample on.
    Cells,
}

impl Default for Automatic {
    fn default() -> Self {
        Self {
            relative_tolerance: 1e-6,
            absolute_tolerance: 0.0,
            max_evaluations: 1_000_000,
            strategy: Strategy::Choose,
        }
    }
}

/// An integrand for [`Automatic`] from a function of one direction.
///
/// `Automatic` asks for many values at once, for integrands that make them faster so; this calls `f`
/// for each. It exists so that the compiler knows the closure's types.
pub fn pointwise<T: Sample>(
    f: impl Fn(&Direction) -> T + Sync,
) -> impl Fn(&[Direction], &mut [T]) + Sync {
    move |directions: &[Direction], values: &mut [T]| {
        for (value, direction) in values.iter_mut().zip(directions) {
            *value = f(direction);
        }
    }
}

/// Degrees of the first rule, and by how much the next may grow.
const FIRST: usize = 9;
const GROWTH: f64 = 1.6;
/// The highest degree of a rule over the whole sphere.
const HIGHEST: usize = 1200;

impl Automatic {
    /// Sets [`Self::relative_tolerance`].
    #[must_use]
    pub fn relative_tolerance(self, relative_tolerance: f64) -> Self {
        Self { relative_tolerance, ..self }
    }

    /// Sets [`Self::absolute_tolerance`].
    #[must_use]
    pub fn absolute_tolerance(self, absolute_tolerance: f64) -> Self {
        Self { absolute_tolerance, ..self }
    }

    /// Sets [`Self::max_evaluations`].
    #[must_use]
    pub fn max_evaluations(self, max_evaluations: usize) -> Self {
        Self { max_evaluations, ..self }
    }

    /// Sets [`Self::strategy`].
    #[must_use]
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// ∫ f dΩ. `f` fills in the values at the directions that it is given, a batch at a time and
    /// from several threads.
    pub fn integrate<T: Sample>(
        &self,
        measure: SolidAngle,
        f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    ) -> Result<Estimate<T>> {
        self.check()?;
        let mut ladder = Ladder { options: self, f, measure, evaluations: 0, reached: None };
        if self.strategy == Strategy::Choose {
            if let Some(done) = ladder.climb()? {
                return Ok(done);
            }
        }
        let Ladder { evaluations, reached, .. } = ladder;
        let refined = mesh::integrate(self, measure, &mut Mesh::default(), evaluations, f);
        match (refined, reached) {
            (Ok(Some(estimate)), _) => Ok(estimate),
            (Ok(None), Some(reached)) => Ok(Estimate { stop: Stop::Budget, ..reached }),
            (Ok(None), None) => ladder_only(self, measure, f),
            (Err(error), Some(reached)) => Err(reached.interrupted(error)),
            (Err(error), None) => Err(error),
        }
    }

    /// ∫ f dΩ over cells, starting from those of an earlier, similar integrand.
    pub fn integrate_from<T: Sample>(
        &self,
        measure: SolidAngle,
        mesh: &mut Mesh,
        f: &(impl Fn(&[Direction], &mut [T]) + Sync),
    ) -> Result<Estimate<T>> {
        self.check()?;
        match mesh::integrate(self, measure, mesh, 0, f)? {
            Some(estimate) => Ok(estimate),
            None => ladder_only(self, measure, f),
        }
    }

    pub(crate) fn tolerance<T: Sample>(&self, value: T) -> f64 {
        self.absolute_tolerance.max(self.relative_tolerance * value.norm())
    }

    fn check(&self) -> Result<()> {
        for (argument, value) in [
            ("relative_tolerance", self.relative_tolerance),
            ("absolute_tolerance", self.absolute_tolerance),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::Tolerance { argument, value });
            }
        }
        if self.max_evaluations < 6 {
            return Err(Error::Count {
                argument: "max_evaluations",
                value: self.max_evaluations,
                lowest: 6,
                highest: usize::MAX,
            });
        }
        Ok(())
    }
}

/// The largest rule that a small budget allows.
fn ladder_only<T: Sample>(
    options: &Automatic,
    measure: SolidAngle,
    f: &(impl Fn(&[Direction], &mut [T]) + Sync),
) -> Result<Estimate<T>> {
    let affordable = PointRule::lebedev_sizes()
        .filter(|&(points, _)| points <= options.max_evaluations)
        .map(|(_, degree)| degree)
        .last();
    let rule = PointRule::lebedev(measure, affordable.unwrap_or(3))?;
    let rule = if rule.len() > options.max_evaluations {
        // The next smaller with positive weights.
        PointRule::lebedev(measure, affordable.unwrap_or(3).saturating_sub(3))?
    } else {
        rule
    };
    let samples = evaluate(f, rule.directions());
    Ok(Estimate { stop: Stop::Budget, ..rule.integrate_samples(&samples)? })
}

/// Rules of growing degree, each turned out of the frames of the others, so that a symmetry of the
/// integrand cannot make two of them agree.
struct Ladder<'a, T: Sample, F> {
    options: &'a Automatic,
    f: &'a F,
    measure: SolidAngle,
    evaluations: usize,
    reached: Option<Estimate<T>>,
}

struct Level {
    nodes: Vec<Direction>,
    weights: Vec<f64>,
    rings: usize,
    degree: usize,
}

impl Level {
    fn new(measure: SolidAngle, degree: usize, index: usize) -> Result<Self> {
        let frame = Rotation::generic(index);
        if degree <= PointRule::MAX_LEBEDEV_DEGREE {
            let rule = PointRule::lebedev(measure, degree)?;
            let nodes: Vec<Direction> = rule.directions().to_vec();
            return Ok(Self {
                rings: rule.len(),
                weights: rule.weights().to_vec(),
                degree: rule.degree(),
                nodes,
            }
            .turned(&frame));
        }
        let rule = SphereRule::of_degree(measure, degree)?;
        Ok(Self {
            rings: rule.layout().rings,
            weights: rule.weights().collect(),
            degree: rule.degree(),
            nodes: rule.directions().collect(),
        }
        .turned(&frame))
    }

    fn turned(self, _frame: &Rotation) -> Self {
        self
    }
}

impl<T: Sample, F: Fn(&[Direction], &mut [T]) + Sync> Ladder<'_, T, F> {
    /// The integral, or nothing where cells should go on.
    fn climb(&mut self) -> Result<Option<Estimate<T>>> {
        let (mut degree, mut index) = (FIRST, 0);
        let mut change_before = f64::INFINITY;
        let mut last_degree = 0.0;
        loop {
            let level = Level::new(self.measure, degree, index)?;
            if self.evaluations + level.nodes.len() > self.options.max_evaluations {
                return Ok(self.reached.map(|reached| Estimate { stop: Stop::Budget, ..reached }));
            }
            let frame = Rotation::generic(index);
            let turned: Vec<Direction> = level.nodes.iter().map(|x| frame.apply(x)).collect();
            let samples = evaluate(self.f, &turned);
            self.evaluations += samples.len();
            if let Err(error) = check_finite(&turned, &samples) {
                return Err(match &self.reached {
                    Some(reached) => reached.interrupted(error),
                    None => error,
                });
            }
            let value = weighted_sum(&level.weights, &samples);
            let size = magnitude(&level.weights, &samples);
            if !(value.norm().is_finite() && size.is_finite()) {
                return Err(Error::Overflow { snapshot: 0 });
            }
            // Harmonics keep their norms when the sphere turns, so that rings may stay rings.
            let fall = decay(&level.nodes, &level.weights, &samples, level.rings, level.degree);
            let rounding = 8.0 * f64::EPSILON * size;
            let spectral = fall.error(level.degree);
            let exact_to = real(level.degree) + 1.0;
            let error = match self.reached {
                None => size,
                Some(before) => {
                    let change = distance(value, before.value);
                    // The change is the error of the rule before; a geometric series makes of it ...
                    let geometric = change * (change / size).min(1.0).powf(exact_to / last_degree - 1.0);
                    // ... or two changes in a row are that small.
                    let repeated = change.max(change_before);
                    change_before = change;
                    spectral.max(geometric).min(repeated.max(1e-3 * spectral))
                }
            };
            last_degree = exact_to;
            let tolerance = self.options.tolerance(value);
            let estimate = Estimate {
                value,
                error_estimate: error + rounding,
                magnitude: size,
                evaluations: self.evaluations,
                stop: Stop::Converged,
                method: Method::Rule { degree: level.degree },
                measure: self.measure,
            };
            self.reached = Some(estimate);
            if estimate.error_estimate <= tolerance {
                return Ok(Some(estimate));
            }
            let settled = fall.error(level.degree).max(change_before.min(size)) <= 4.0 * rounding;
            if settled && rounding >= tolerance {
                return Ok(Some(Estimate { stop: Stop::Rounding, ..estimate }));
            }
            let squares: f64 = level
                .weights
                .iter()
                .zip(&samples)
                .map(|(weight, sample)| weight * sample.norm().powi(2))
                .sum();
            // The share of the sphere in which |f| lives: (∫|f|)²/(4π ∫|f|²).
            let share = size * size / (4.0 * std::f64::consts::PI * squares);
            let wanted = fall.degree_for(0.3 * tolerance);
            if std::env::var_os("QF_DEBUG").is_some() {
                eprintln!("deg {} N {} err {:.1e} spectral {:.1e} change {:.1e} wanted {:.0} share {:.1e} {:?}",
                    level.degree, self.evaluations, error, spectral, change_before, wanted, share, fall);
            }
            if self.prefers_cells(&level, &fall, wanted, share, size) {
                return Ok(None);
            }
            let least = if level.degree < PointRule::MAX_LEBEDEV_DEGREE { 2.0 } else { 16.0 };
            let next = wanted.min(GROWTH * exact_to).max(exact_to + least);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss,
                reason = "at most 1.6 times a degree")]
            {
                degree = next as usize;
            }
            if degree > HIGHEST {
                return Ok(None);
            }
            index += 1;
        }
    }

    fn prefers_cells(&self, level: &Level, fall: &Decay, wanted: f64, share: f64, size: f64) -> bool {
        let points = if wanted <= 131.0 { wanted * wanted / 3.0 } else { wanted * wanted / 2.0 };
        let digits = -(self.options.relative_tolerance.max(1e-15)).log10();
        let _ = size;
        if level.nodes.len() < 300 {
            return false;
        }
        if share < 0.005 {
            return true;
        }
        if share < 0.05 && points > 4000.0 * digits && level.degree > 80 {
            return true;
        }
        // Harmonics that fall, but by a power: a kink or a jump.
        wanted > 600.0 && (level.degree > 130 || level.degree > 50 && fall.remains() < 0.25)
    }
}
