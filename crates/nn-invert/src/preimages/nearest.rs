//! The member of the set nearest to a seed.

use linalg::descent::dot;
use linalg::{DVector, Real};

use super::place::{Handling, Place, Split};
use super::{Preimages, residual};
use crate::Result;
use crate::arguments::{finite, size};

/// The member of the set nearest to a seed.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Nearest<T: Real> {
    /// x.
    pub input: DVector<T>,
    /// ‖x − x₀‖₂.
    pub distance: f64,
    /// ‖f(x) − y‖₂.
    pub residual: f64,
    /// The part of x − x₀ along the set, ‖N·Nᵀ(x − x₀)‖₂/‖x − x₀‖₂: 0 where x − x₀ lies in the range of
    /// Jᵀ, which is what a nearest member satisfies (it may be the nearest of its neighborhood only).
    pub optimality: f64,
    /// Why it ended here, and so what `optimality` means.
    pub stop: NearestStop,
    /// Steps taken.
    pub iterations: usize,
}

/// Why [`Preimages::nearest`] ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NearestStop {
    /// The conditions hold: [`Nearest::optimality`] is at most 1e-8, or in single precision 64·eps.
    Stationary,
    /// No step along the set leads nearer, and J jumps here: the set has an edge, where a ReLU or leaky ReLU has
    /// its kink. Where an edge points to the seed it is the nearest, and the conditions of a smooth set do
    /// not hold; nor are they a proof that this one does.
    Edge,
    /// No step leads nearer, and rounding is what is left to say why: a J close to losing rank.
    Stalled,
    /// The most steps were taken, 200.
    StepLimit,
}

/// The sine of the angle between x − x₀ and the range of Jᵀ that is small enough: the square root of rounding,
/// below which the distance cannot tell.
const ENOUGH: f64 = 1e-8;
/// Most steps.
const STEPS: usize = 200;
/// Most products with the curvature for a step.
const TURNS: usize = 50;

impl<'a, T: Real> Preimages<'a, T> {
    /// The member nearest to `seed`, from this one on downhill; for `seed` = 0 that of least norm.
    ///
    /// Newton's steps along the set, with the distance's own curvature there by conjugate gradients and
    /// differences of Jᵀλ, each brought back onto it. For one affine layer it is x₀ + W⁺·(y − W·x₀ − b) at
    /// once, and so is the end of gradient descent from x₀; through nonlinear layers descent ends
    /// farther away. With products alone the steps may end at an [`optimality`](Nearest::optimality) of 1e-8 to
    /// 1e-5, below which falls of the distance drown in what the residual is worth.
    ///
    /// Layers with a kink fold the set, and the nearest member often lies on a fold, as the nearest point of a roof
    /// on its ridge. The steps do not go along folds: [`Nearest::stop`] then says [`NearestStop::Edge`], and a
    /// nearer member may be found from another one.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) and [`Error::NotFinite`](crate::Error::NotFinite) for `seed`,
    /// and what the map refuses.
    ///
    /// # References
    /// Absil, Mahony & Sepulchre, "Optimization algorithms on matrix manifolds", 2008, chapters 4 to 6;
    /// steps as accurate as the progress warrants: Dembo, Eisenstat & Steihaug, SIAM J. Numer. Anal. 19,
    /// 1982.
    pub fn nearest(&self, seed: &DVector<T>) -> Result<Nearest<T>> {
        size("seed", "entries", seed.len(), self.here.x.len())?;
        finite("seed", seed.as_slice(), seed.len())?;
        let done = match self.set.handling {
            Handling::Decomposed => 64.0 * T::EPSILON,
            Handling::Products => 64.0 * self.accuracy(),
        };
        let enough = done.max(ENOUGH);
        let mut owned: Option<Place<'a, T>> = None;
        let mut away = &self.here.x - seed;
        let mut split = self.here.split(&away, self.accuracy())?;
        let mut iterations = 0;
        loop {
            let place = owned.as_ref().unwrap_or(&self.here);
            let distance = away.norm().to_double();
            let along = split.along.norm().to_double();
            let mut reached = Nearest {
                input: place.x.clone(),
                distance,
                residual: residual(&place.value, self.set.target),
                optimality: if distance > 0.0 { along / distance } else { 0.0 },
                stop: NearestStop::StepLimit,
                iterations,
            };
            if reached.optimality <= done || iterations >= STEPS {
                if reached.optimality <= enough {
                    reached.stop = NearestStop::Stationary;
                }
                return Ok(reached);
            }
            iterations += 1;
            let mut direction = self.newton(place, &away, &split, reached.optimality)?;
            let mut next = None;
            for _ in 0..40 {
                if let Some(there) = self.set.retract(&place.x - &direction)? {
                    let far = &there.x - seed;
                    let off = reached.residual + residual(&there.value, self.set.target);
                    // What rounding and the residuals, by their multipliers, make of the distance.
                    let unseen = 4.0 * T::EPSILON * place.x.norm().to_double()
                        + off * split.multipliers.norm().to_double() / distance;
                    let change = far.norm().to_double() - distance;
                    if change < unseen {
                        let tangent = there.split(&far, self.accuracy())?;
                        // Where the fall cannot be seen any more, the gradient decides.
                        let flatter = tangent.along.norm().to_double() < 0.9 * along;
                        if change < -unseen || flatter {
                            next = Some((there, far, tangent));
                            break;
                        }
                    }
                }
                direction *= T::from_double(0.5);
            }
            match next {
                Some((there, far, tangent)) => (owned, away, split) = (Some(there), far, tangent),
                None => {
                    reached.stop = if reached.optimality <= enough {
                        NearestStop::Stationary
                    } else if self.jumps(place, &split)? {
                        NearestStop::Edge
                    } else {
                        NearestStop::Stalled
                    };
                    return Ok(reached);
                }
            }
        }
    }

    /// Whether Jᵀλ changes by a jump on the way downhill, and not in proportion to the way.
    fn jumps(&self, place: &Place<'_, T>, split: &Split<T>) -> Result<bool> {
        let heading = &split.along * T::from_double(1.0 / split.along.norm().to_double());
        let pulled = |reach: f64| -> Result<DVector<T>> {
            let there = self.set.map.linearize(&(&place.x - &heading * T::from_double(reach)))?;
            let mut pulled = DVector::zeros(place.x.len());
            there.jacobian.apply_adjoint(split.multipliers.as_slice(), pulled.as_mut_slice())?;
            Ok(pulled)
        };
        let reach = T::EPSILON.cbrt() * (1.0 + place.x.norm().to_double());
        let here = pulled(0.0)?;
        let [far, near] =
            [reach, reach / 16.0].map(|reach| pulled(reach).map(|there| there - &here));
        Ok(near?.norm().to_double() > 0.25 * far?.norm().to_double())
    }

    /// H⁻¹·g for g the tangent part of x − x₀ and H·v = N·Nᵀ(v − ∑ᵢ λᵢ·∇²fᵢ·v), with the multipliers λ of
    /// x − x₀ = g + Jᵀλ; as far as H is positive definite, and else g, which is the exact step where the
    /// set is flat.
    fn newton(
        &self,
        place: &Place<'_, T>,
        away: &DVector<T>,
        split: &Split<T>,
        optimality: f64,
    ) -> Result<DVector<T>> {
        let pull = away - &split.along;
        let reach = T::EPSILON.cbrt() * (1.0 + place.x.norm().to_double());
        let accuracy = match self.set.handling {
            Handling::Decomposed => self.accuracy(),
            // The direction need not be better than the step, which is brought back.
            Handling::Products => 1e-4,
        };
        let curved = |v: &DVector<T>| -> Result<DVector<T>> {
            let step = T::from_double(reach / v.norm().to_double());
            let there = self.set.map.linearize(&(&place.x + v * step))?;
            let mut pulled = DVector::zeros(v.len());
            let (multipliers, into) = (split.multipliers.as_slice(), pulled.as_mut_slice());
            there.jacobian.apply_adjoint(multipliers, into)?;
            let bent = v - (pulled - &pull) * (T::one() / step);
            Ok(place.split(&bent, accuracy)?.along)
        };
        let mut solution = DVector::zeros(away.len());
        let mut left = split.along.clone();
        let mut direction = left.clone();
        let mut square = dot(&left, &left);
        let enough = square * optimality.clamp(1e-6, 0.1).powi(2);
        for turn in 0..TURNS {
            let image = curved(&direction)?;
            let curvature = dot(&direction, &image);
            if !(curvature > 1e-6 * dot(&direction, &direction)) {
                return Ok(if turn == 0 { direction } else { solution });
            }
            let step = T::from_double(square / curvature);
            solution += &direction * step;
            left -= image * step;
            let next = dot(&left, &left);
            if !(next > enough) {
                break;
            }
            direction = &left + direction * T::from_double(next / square);
            square = next;
        }
        Ok(solution)
    }
}
