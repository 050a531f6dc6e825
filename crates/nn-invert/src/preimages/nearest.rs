//! The member of the set nearest to a seed.

use linalg::descent::dot;
use linalg::{DVector, Real};

use super::creases::Folded;
use super::place::{Handling, Place, Split};
use super::{Preimages, Set, accuracy, residual};
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
    /// How much the distance falls for each unit of the way, in the direction into the set in which it falls most:
    /// 0 at a nearest member (of its neighborhood; there may be others).
    ///
    /// Where the set is smooth it is the part of x − x₀ along it, ‖N·Nᵀ(x − x₀)‖₂/‖x − x₀‖₂, and 0 where
    /// x − x₀ = Jᵀλ. In an edge every piece has a J of its own, and units k with zₖ = 0: it is 0 where for
    /// all of them x − x₀ = Jᵀλ + ∑ₖ μₖ·∇zₖ, with μₖ ≥ 0 in the pieces with zₖ ≥ 0 and μₖ ≤ 0 in those with
    /// zₖ ≤ 0.
    pub optimality: f64,
    /// Why it ended here, and so what `optimality` means.
    pub stop: NearestStop,
    /// The layers and the units in them that are at their kinks here, counted from 0: none where the set is smooth.
    pub kinks: Vec<(usize, usize)>,
    /// Steps taken.
    pub iterations: usize,
}

/// Why [`Preimages::nearest`] ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NearestStop {
    /// The conditions hold: [`Nearest::optimality`] is at most 1e-8, or in single precision 64·eps. With
    /// [`Nearest::kinks`] they are those of an edge, and no piece of the set around it leads nearer.
    Stationary,
    /// No step leads nearer, and J jumps here: an edge of the set. Where the map does not show its kinks
    /// ([`Map::chain`](crate::Map::chain)), where J is only multiplied with, or where more than 8 kinks meet
    /// whose gradients depend on each other, the conditions of an edge are not asked, and this may be the
    /// nearest or not.
    Edge,
    /// No step leads nearer, and rounding is what is left to say why: a J close to losing rank.
    Stalled,
    /// The most steps were taken: 200, and 4 for each unit with a kink.
    StepLimit,
}

/// The sine of the angle between x − x₀ and the range of Jᵀ that is small enough: the square root of rounding,
/// below which the distance cannot tell.
pub(super) const ENOUGH: f64 = 1e-8;
/// Most steps.
pub(super) const STEPS: usize = 200;
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
    /// A ReLU folds the set, and the nearest member often lies on a fold, as the nearest point of a roof on its
    /// ridge. There the steps go on along the fold, which is smooth as well, with the units at their kinks held
    /// there. Where no step leads nearer any more, the multiplier of each of them tells whether the distance falls
    /// on either side of its kink; if so the steps go on to that side, and else the conditions of an edge hold.
    /// A step over several folds is taken where it leads nearer than the first of them.
    ///
    /// # Errors
    /// [`Error::Size`](crate::Error::Size) and [`Error::NotFinite`](crate::Error::NotFinite) for `seed`,
    /// and what the map refuses.
    ///
    /// # References
    /// Absil, Mahony & Sepulchre, "Optimization algorithms on matrix manifolds", 2008, chapters 4 to 6;
    /// steps as accurate as the progress warrants: Dembo, Eisenstat & Steihaug, SIAM J. Numer. Anal. 19,
    /// 1982; units at their kinks as an active set, and why one at a time is enough: Nocedal & Wright, "Numerical
    /// optimization", 2006, chapter 16, and Griewank & Walther, "First- and second-order optimality conditions for
    /// piecewise smooth objective functions", Optimization Methods and Software 31, 2016.
    ///
    /// # Examples
    /// |x₀| + x₁ = 0 is a roof. The ridge is nearest to (0, 1), and there x₀ and −x₀ are at their kinks.
    /// ```
    /// use linalg::{DMatrix, DVector};
    /// use nn_core::{Network, Relu};
    /// use nn_invert::{NearestStop, Preimages};
    ///
    /// let units = DMatrix::from_row_slice(3, 2, &[1.0, 0.0, -1.0, 0.0, 0.0, 1.0]);
    /// let roof = Network::<f64>::builder(2)
    ///     .dense_from(units, vec![0.0, 0.0, 4.0])
    ///     .activation(Relu)
    ///     .dense_from(DMatrix::from_element(1, 3, 1.0), vec![-4.0])
    ///     .build_given()?;
    /// let target = DVector::zeros(1);
    /// let set = Preimages::new(&roof, &target, &DVector::from_vec(vec![2.0, -2.0]))?;
    /// let ridge = set.nearest(&DVector::from_vec(vec![0.0, 1.0]))?;
    /// assert!(ridge.input.norm() < 1e-14 && ridge.optimality < 1e-14);
    /// assert_eq!((ridge.stop, ridge.kinks), (NearestStop::Stationary, vec![(1, 0), (1, 1)]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nearest(&self, seed: &DVector<T>) -> Result<Nearest<T>> {
        size("seed", "entries", seed.len(), self.here.x.len())?;
        finite("seed", seed.as_slice(), seed.len())?;
        let folded = match self.set.handling {
            Handling::Decomposed => self.set.map.chain().and_then(Folded::of),
            Handling::Products => None,
        };
        if let Some(folded) = folded {
            return self.nearest_on_pieces(&folded, seed);
        }
        let done = match self.set.handling {
            Handling::Decomposed => 64.0 * T::EPSILON,
            Handling::Products => 64.0 * accuracy::<T>(),
        };
        let enough = done.max(ENOUGH);
        let mut owned: Option<Place<'a, T>> = None;
        let mut away = &self.here.x - seed;
        let mut split = self.here.split(&away, accuracy::<T>())?;
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
                kinks: Vec::new(),
                iterations,
            };
            if reached.optimality <= done || iterations >= STEPS {
                if reached.optimality <= enough {
                    reached.stop = NearestStop::Stationary;
                }
                return Ok(reached);
            }
            iterations += 1;
            let mut direction = self.set.newton(place, &away, &split, reached.optimality)?;
            let mut next = None;
            for _ in 0..40 {
                if let Some(there) = self.set.retract(&place.x - &direction)? {
                    let far = &there.x - seed;
                    let off = reached.residual + residual(&there.value, self.set.target);
                    let unseen = unseen(&place.x, off, &split, distance);
                    let change = far.norm().to_double() - distance;
                    if change < unseen {
                        let tangent = there.split(&far, accuracy::<T>())?;
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
}

impl<T: Real> Set<'_, T> {
    /// H⁻¹·g for g the tangent part of x − x₀ and H·v = N·Nᵀ(v − ∑ᵢ λᵢ·∇²fᵢ·v), with the multipliers λ of
    /// x − x₀ = g + Jᵀλ; as far as H is positive definite, and else g, which is the exact step where the
    /// set is flat.
    pub(super) fn newton(
        &self,
        place: &Place<'_, T>,
        away: &DVector<T>,
        split: &Split<T>,
        optimality: f64,
    ) -> Result<DVector<T>> {
        let pull = away - &split.along;
        let reach = T::EPSILON.cbrt() * (1.0 + place.x.norm().to_double());
        let accuracy = match self.handling {
            Handling::Decomposed => accuracy::<T>(),
            // The direction need not be better than the step, which is brought back.
            Handling::Products => 1e-4,
        };
        let curved = |v: &DVector<T>| -> Result<DVector<T>> {
            let step = T::from_double(reach / v.norm().to_double());
            let there = self.map.linearize(&(&place.x + v * step))?;
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

/// What rounding, and residuals of `off` by their multipliers, make of the distance.
pub(super) fn unseen<T: Real>(x: &DVector<T>, off: f64, split: &Split<T>, distance: f64) -> f64 {
    4.0 * T::EPSILON * x.norm().to_double() + off * split.multipliers.norm().to_double() / distance
}
