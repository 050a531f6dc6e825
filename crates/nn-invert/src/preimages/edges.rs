//! The nearest member of a set with edges: along pieces and creases, by an active set of kinks.

use linalg::{DVector, PseudoInverse, Real, bounded_least_squares};

use super::creases::{Crease, Folded};
use super::nearest::{ENOUGH, Nearest, NearestStop, STEPS, unseen};
use super::place::{ENTRIES, Handling};
use super::{Preimages, Set, accuracy, residual};
use crate::Result;
use crate::search::DENSE;

/// Most kinks that meet in a point all of whose pieces are asked, because their rows depend on each other.
const MEETING: usize = 8;
/// What of a direction along a kink's gradient counts as none, in that case.
const ALONG: f64 = 1e-9;

/// Where the way along a crease ends.
struct Way<T: Real> {
    x: DVector<T>,
    /// What of x − seed is left along the crease, relative to it.
    along: f64,
    end: End,
}

enum End {
    /// At the next kink.
    Met(usize),
    /// Beyond kinks, on another piece.
    Beyond,
    /// No step leads nearer.
    Rest,
    /// No more steps.
    Steps,
}

/// What is beside a crease on which x is nearest.
struct Beside {
    /// The fall of the distance for each unit of the way, in the direction in which it falls most.
    fall: f64,
    /// The sides and the kinks that remain in that direction.
    next: (Vec<bool>, Vec<usize>),
    /// Whether all pieces were asked.
    whole: bool,
}

/// A descent to `seed` on a set whose units have kinks.
struct Descent<'a, 'b, T: Real> {
    set: &'a Set<'b, T>,
    folded: &'a Folded<'a, T>,
    seed: &'a DVector<T>,
    iterations: usize,
    most: usize,
}

impl<T: Real> Preimages<'_, T> {
    /// [`Preimages::nearest`] where units have kinks.
    ///
    /// Inside a piece and along a crease the set is smooth, and steps are Newton's. A step that leaves the piece
    /// ends at the kink that it meets first, which is held from there on; where no step leads nearer any more, a
    /// kink beside which the distance falls is let go to that side.
    pub(super) fn nearest_on_pieces(
        &self,
        folded: &Folded<'_, T>,
        seed: &DVector<T>,
    ) -> Result<Nearest<T>> {
        let most = STEPS + 4 * folded.kinks.len();
        let mut descent = Descent { set: &self.set, folded, seed, iterations: 0, most };
        let enough = ENOUGH.max(64.0 * T::EPSILON);
        let (mut x, mut held) = (self.here.x.clone(), Vec::new());
        let (mut right, mut optimality) = (folded.sides(&x)?, 1.0);
        let stop = loop {
            let rows = self.set.target.len() + held.len();
            if rows.min(x.len()) > DENSE || rows * x.len() > ENTRIES {
                break NearestStop::Edge;
            }
            let way = descent.glide(x, &right, &held)?;
            (x, optimality) = (way.x, way.along);
            match way.end {
                End::Steps => break NearestStop::StepLimit,
                End::Met(kink) => held.push(kink),
                End::Beyond => (right, held) = (folded.sides(&x)?, Vec::new()),
                End::Rest => {
                    held = descent.crease(&x, &right, &held)?.near(&x, descent.rounding())?;
                    if optimality > enough {
                        break NearestStop::Stalled;
                    }
                    let beside = descent.beside(&x, &right, &held)?;
                    optimality = optimality.max(beside.fall);
                    if beside.fall <= enough {
                        break if beside.whole {
                            NearestStop::Stationary
                        } else {
                            NearestStop::Edge
                        };
                    }
                    (right, held) = beside.next;
                }
            }
        };
        let kink = |&k: &usize| (folded.kinks[k].link, folded.kinks[k].unit);
        Ok(Nearest {
            distance: (&x - seed).norm().to_double(),
            residual: residual(&self.set.map.value(&x)?, self.set.target),
            input: x,
            optimality,
            stop,
            kinks: held.iter().map(kink).collect(),
            iterations: descent.iterations,
        })
    }
}

impl<'a, T: Real> Descent<'a, '_, T> {
    /// What of z, relative to what it is made of, counts as 0: as of f to be on the set.
    fn rounding(&self) -> f64 {
        let terms = self.set.map.inputs().max(self.set.map.outputs()).min(DENSE);
        64.0 * terms as f64 * T::EPSILON
    }

    fn crease(&self, x: &DVector<T>, right: &[bool], held: &[usize]) -> Result<Crease<'a, T>> {
        let size = self.set.tolerance / self.rounding();
        Crease::new(self.folded, x, size, right.to_vec(), held.to_vec())
    }

    /// What is to be solved on a crease, `target` being that of f and zeros.
    fn on<'c>(&self, crease: &'c Crease<'_, T>, target: &'c DVector<T>) -> Set<'c, T> {
        let tolerance = self.set.tolerance;
        // f may be a small difference of large numbers.
        let rounding = tolerance.max(self.rounding() * crease.value_size);
        Set { map: crease, target, tolerance, rounding, handling: Handling::Decomposed }
    }

    /// From x downhill along the crease of `held`, until it meets a kink or no step leads nearer.
    fn glide(&mut self, x: DVector<T>, right: &[bool], held: &[usize]) -> Result<Way<T>> {
        let crease = self.crease(&x, right, held)?;
        let target = extended(self.set.target, held.len());
        let set = self.on(&crease, &target);
        let Some(mut place) = set.retract(x.clone())? else {
            return Ok(Way { x, along: 1.0, end: End::Rest });
        };
        loop {
            let away = &place.x - self.seed;
            let distance = away.norm().to_double();
            let split = place.split(&away, accuracy::<T>())?;
            let left = split.along.norm().to_double();
            let along = if distance > 0.0 { left / distance } else { 0.0 };
            let done = along <= 64.0 * T::EPSILON;
            if done || self.iterations >= self.most {
                let end = if done { End::Rest } else { End::Steps };
                return Ok(Way { x: place.x, along, end });
            }
            self.iterations += 1;
            let mut direction = set.newton(&place, &away, &split, along)?;
            let far = |x: &DVector<T>| (x - self.seed).norm().to_double();
            let mut next = None;
            for turn in 0..40 {
                let to = &place.x - &direction;
                direction *= T::from_double(0.5);
                let Some(there) = set.retract(to.clone())? else { continue };
                let off = residual(&place.value, &target) + residual(&there.value, &target);
                let unseen = unseen(&place.x, off, &split, distance);
                if let Some((kink, part)) = crease.crossed(&place.x, &there.x, self.rounding())? {
                    let cut = &place.x + (&there.x - &place.x) * T::from_double(part);
                    let met = self.meet(cut, right, held, kink)?;
                    let met = met.filter(|x| far(x) <= distance + unseen);
                    // The whole step may lead to a piece farther on that is nearer still.
                    let beyond = if turn == 0 { self.set.retract(to)? } else { None };
                    let least = met.as_ref().map_or(distance - unseen, far);
                    if let Some(beyond) = beyond.filter(|beyond| far(&beyond.x) < least) {
                        return Ok(Way { x: beyond.x, along, end: End::Beyond });
                    }
                    if let Some(x) = met {
                        return Ok(Way { x, along, end: End::Met(kink) });
                    }
                    continue;
                }
                let change = far(&there.x) - distance;
                // Where the fall cannot be seen any more, the gradient decides.
                let flatter = || -> Result<bool> {
                    let split = there.split(&(&there.x - self.seed), accuracy::<T>())?;
                    Ok(split.along.norm().to_double() < 0.9 * left)
                };
                if change < -unseen || change <= unseen && flatter()? {
                    next = Some(there);
                    break;
                }
            }
            match next {
                Some(there) => place = there,
                None => return Ok(Way { x: place.x, along, end: End::Rest }),
            }
        }
    }

    /// The point near x where `kink` is held as well.
    fn meet(
        &self,
        x: DVector<T>,
        right: &[bool],
        held: &[usize],
        kink: usize,
    ) -> Result<Option<DVector<T>>> {
        let held: Vec<usize> = held.iter().copied().chain([kink]).collect();
        let crease = self.crease(&x, right, &held)?;
        let target = extended(self.set.target, held.len());
        Ok(self.on(&crease, &target).retract(x)?.map(|place| place.x))
    }

    /// Whether the distance falls in a direction from x into one of the pieces that meet there, x being nearest
    /// to the seed on the crease of `held`.
    ///
    /// With B the rows of f and of the z held, x − seed = Bᵀλ. Where B has full row rank, there is one direction
    /// d for each unit and side in which that unit leaves its kink to that side, zᵢ growing by 1 in size, and
    /// everything else stays: B·d = t, where t is the i-th unit vector less what the new slope of the unit adds to
    /// the rows behind it. All directions into all pieces are sums of these, since at a held unit z and a are
    /// both 0, so that the distance falls in one of them or in none. Else every piece is asked for the
    /// projection of x − seed onto its cone.
    fn beside(&self, x: &DVector<T>, right: &[bool], held: &[usize]) -> Result<Beside> {
        let mut best = Beside { fall: 0.0, next: (right.to_vec(), held.to_vec()), whole: true };
        let away = x - self.seed;
        let distance = away.norm().to_double();
        if held.is_empty() || !(distance > 0.0) {
            return Ok(best);
        }
        let crease = self.crease(x, right, held)?;
        let (rows, signals) = crease.rows(x)?;
        let inverse = PseudoInverse::new(&rows)?;
        if inverse.rank() < rows.nrows() {
            return self.beside_any(x, crease, best);
        }
        let mut multipliers = inverse.solve_adjoint(&away)?;
        multipliers += inverse.solve_adjoint(&(&away - rows.tr_mul(&multipliers)))?;
        let outputs = rows.nrows() - held.len();
        for (i, &k) in held.iter().enumerate() {
            for side in [false, true] {
                let mut t = signals.column(i) * -crease.change(i, side);
                t[outputs + i] += T::one();
                let slope =
                    linalg::descent::dot(&multipliers, &t) / inverse.solve(&t)?.norm().to_double();
                let fall = if side { -slope } else { slope } / distance;
                if fall > best.fall {
                    best.fall = fall;
                    let others = held.iter().copied().filter(|&other| other != k).collect();
                    best.next = (right.to_vec(), others);
                    best.next.0[k] = side;
                }
            }
        }
        Ok(best)
    }

    /// The same by asking all pieces, where they are few.
    fn beside_any(
        &self,
        x: &DVector<T>,
        mut crease: Crease<'_, T>,
        mut best: Beside,
    ) -> Result<Beside> {
        let held = crease.held.clone();
        best.whole = held.len() <= MEETING;
        if !best.whole {
            return Ok(best);
        }
        let away = x - self.seed;
        let distance = away.norm().to_double();
        for sides in 0..1_usize << held.len() {
            for (i, &k) in held.iter().enumerate() {
                crease.right[k] = sides >> i & 1 == 1;
            }
            let mut cone = crease.rows(x)?.0.transpose();
            let (free, infinite) = (cone.ncols() - held.len(), T::from_double(f64::INFINITY));
            for (i, &k) in held.iter().enumerate() {
                if !crease.right[k] {
                    cone.column_mut(free + i).neg_mut();
                }
            }
            let least = |j, _| if j < free { -infinite } else { T::zero() };
            let lower = DVector::from_fn(cone.ncols(), least);
            let upper = DVector::from_element(cone.ncols(), infinite);
            let down = bounded_least_squares(&cone, &away, &lower, &upper)?.residual;
            let size = down.norm().to_double();
            if size / distance > best.fall {
                best.fall = size / distance;
                let stays = |&i: &usize| {
                    let gradient: DVector<T> = cone.column(free + i).into_owned();
                    let part = linalg::descent::dot(&gradient, &down).abs();
                    part <= ALONG * size * gradient.norm().to_double()
                };
                let others = (0..held.len()).filter(stays).map(|i| held[i]).collect();
                best.next = (crease.right.clone(), others);
            }
        }
        Ok(best)
    }
}

/// y, and 0 for every unit held.
fn extended<T: Real>(target: &DVector<T>, held: usize) -> DVector<T> {
    target.clone().resize_vertically(target.len() + held, T::zero())
}
