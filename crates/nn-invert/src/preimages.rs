//! All inputs of one output: the set around a solution, walks on it, and its nearest member.

use linalg::descent::dot;
use linalg::{Cholesky, DMatrix, DVector, PseudoInverse, Real};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::arguments::{finite, size, within};
use crate::search::entries;
use crate::{Error, Map, Result};

/// The set {x : f(x) = y} around one of its members.
///
/// Where J has rank r < n, the set is a surface of dimension n − r there, and the null space of J is
/// its tangent. Moving along the tangent leaves a curved set, so each step is brought back by
/// Gauss-Newton steps x ← x − J⁺·(f(x) − y), which change x no more than they must.
///
/// The Jacobian is made and decomposed: O(m·n·min(m, n)) for each point visited. For one affine layer
/// the set is flat, and all of this is exact: the member nearest to x₀ is x₀ + W⁺·(y − W·x₀ − b).
///
/// # Examples
/// x + y = 2, from the member (2, 0): a line, whose nearest point to the origin is (1, 1).
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_invert::{Linearization, Map, Preimages, Result};
///
/// struct Sum;
///
/// impl Map<f64> for Sum {
///     fn inputs(&self) -> usize {
///         2
///     }
///     fn outputs(&self) -> usize {
///         1
///     }
///     fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
///         Ok(DVector::from_element(1, x.sum()))
///     }
///     fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
///         let jacobian = Box::new(DMatrix::from_element(1, 2, 1.0));
///         Ok(Linearization { value: self.value(x)?, jacobian })
///     }
/// }
///
/// let target = DVector::from_element(1, 2.0);
/// let set = Preimages::new(&Sum, &target, &DVector::from_vec(vec![2.0, 0.0]))?;
/// assert_eq!(set.dimension(), 1);
/// let least = set.nearest(&DVector::zeros(2))?;
/// assert!((least.input - DVector::from_element(2, 1.0)).norm() < 1e-14);
/// # Ok::<(), nn_invert::Error>(())
/// ```
pub struct Preimages<'a, T: Real> {
    map: &'a dyn Map<T>,
    target: &'a DVector<T>,
    /// The farthest ‖f(x) − y‖ that counts as being on the set.
    tolerance: f64,
    here: Place<T>,
}

/// A point of the set, with its Jacobian decomposed.
struct Place<T: Real> {
    x: DVector<T>,
    value: DVector<T>,
    jacobian: DMatrix<T>,
    inverse: PseudoInverse<T>,
    basis: DMatrix<T>,
}

/// Another point of the set.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Member<T: Real> {
    /// x.
    pub input: DVector<T>,
    /// ‖f(x) − y‖₂.
    pub residual: f64,
    /// The length of the way from the first member, along the set.
    pub moved: f64,
    /// Whether the whole way was gone. A walk that ends early has met a place where the set has no
    /// tangent of this dimension, or an end.
    pub complete: bool,
}

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
    /// Steps taken.
    pub iterations: usize,
}

impl<T: Real> std::fmt::Debug for Preimages<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preimages")
            .field("member", &self.here.x)
            .field("dimension", &self.dimension())
            .finish_non_exhaustive()
    }
}

/// Gauss-Newton steps that bring a point back onto the set.
const BACK: usize = 12;

impl<'a, T: Real> Preimages<'a, T> {
    /// The set through `member`, which is brought onto it first if it is near.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::NotFinite`], and [`Error::NotAMember`] where Gauss-Newton steps from
    /// `member` do not lead to f(x) = y: [`search`](crate::search) for one first.
    pub fn new(map: &'a dyn Map<T>, target: &'a DVector<T>, member: &DVector<T>) -> Result<Self> {
        size("target", "entries", target.len(), map.outputs())?;
        finite("target", target.as_slice(), target.len())?;
        size("member", "entries", member.len(), map.inputs())?;
        finite("member", member.as_slice(), member.len())?;
        let size = target.norm().to_double();
        let digits = 64.0 * (map.inputs().max(map.outputs()) as f64) * T::EPSILON;
        let tolerance = digits * if size > 0.0 { size } else { 1.0 };
        let start = residual(&map.value(member)?, target);
        let near = retract(map, target, tolerance, member.clone())?;
        let Some(here) = near else {
            return Err(Error::NotAMember { residual: start, tolerance });
        };
        Ok(Self { map, target, tolerance, here })
    }

    /// The member itself, as close to the set as rounding lets it.
    #[must_use]
    pub fn member(&self) -> &DVector<T> {
        &self.here.x
    }

    /// n − r: how many ways there are to move. 0 where the member is the only one near.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.here.basis.ncols()
    }

    /// r, the rank of J.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.here.inverse.rank()
    }

    /// σᵣ/σᵣ₊₁, how clear the rank is, see [`PseudoInverse::gap`].
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.here.inverse.gap()
    }

    /// An orthonormal basis of the tangent, n x (n − r).
    #[must_use]
    pub fn basis(&self) -> &DMatrix<T> {
        &self.here.basis
    }

    /// Walks `length` along the set from the member, setting out along the part of `direction`
    /// that is tangent to it, and going on as straight as the set allows.
    ///
    /// Steps grow while few corrections bring them back, and are halved where they do not.
    ///
    /// # Errors
    /// [`Error::Size`] and [`Error::NotFinite`] for `direction`, [`Error::Argument`] for a `length` that
    /// is not a finite number, 0 or greater, and for a direction without a tangent part.
    pub fn walk(&self, direction: &DVector<T>, length: f64) -> Result<Member<T>> {
        size("direction", "entries", direction.len(), self.here.x.len())?;
        finite("direction", direction.as_slice(), direction.len())?;
        let fine = length >= 0.0 && length.is_finite();
        within("length", length, fine, "a finite number, 0 or greater")?;
        let mut heading = self.here.tangent(direction);
        let (size, whole) = (heading.norm().to_double(), direction.norm().to_double());
        let fine = size > 1e-12 * whole;
        within("the tangent part of direction", size, fine, "a length above 0")?;
        let mut step = length / 8.0;
        let mut moved = 0.0;
        let mut owned: Option<Place<T>> = None;
        while moved < length * (1.0 - 1e-12) {
            let place = owned.as_ref().unwrap_or(&self.here);
            let size = heading.norm().to_double();
            let stride = step.min(length - moved);
            let to = &place.x + &heading * T::from_double(stride / size);
            let found = retract(self.map, self.target, self.tolerance, to)?;
            let next = found.filter(|next| {
                // Brought back to where it was meant to go, not to somewhere else.
                let gone = (&next.x - &place.x).norm().to_double();
                next.inverse.rank() == self.rank() && gone > 0.5 * stride && gone < 2.0 * stride
            });
            let Some(next) = next else {
                step = 0.5 * stride;
                // Of the smallest numbers nothing is left.
                if !(step > 1e-6 * length) {
                    break;
                }
                continue;
            };
            moved += (&next.x - &place.x).norm().to_double();
            heading = next.tangent(&(&next.x - &place.x));
            step = 1.5 * stride;
            owned = Some(next);
        }
        let place = owned.as_ref().unwrap_or(&self.here);
        Ok(Member {
            input: place.x.clone(),
            residual: residual(&place.value, self.target),
            moved,
            complete: moved >= length * (1.0 - 1e-6),
        })
    }

    /// `count` members, each at the end of a walk of `length` in a random direction. Not uniform on
    /// the set, which may be infinite.
    ///
    /// # Errors
    /// As [`Preimages::walk`]; for dimension 0 the tangent part is what is refused.
    pub fn sample(&self, count: usize, length: f64, rng: &mut impl Rng) -> Result<Vec<Member<T>>> {
        let inputs = self.here.x.len();
        let mut walk = || {
            let normal = |_, _| T::from_double(rng.sample(StandardNormal));
            self.walk(&DVector::from_fn(inputs, normal), length)
        };
        (0..count).map(|_| walk()).collect()
    }

    /// The member nearest to `seed`, from this one on downhill; for `seed` = 0 that of least norm.
    ///
    /// Steps along the set with the distance's own curvature there (Newton's, by differences of the
    /// Jacobian), brought back onto it. For one affine layer it is x₀ + W⁺·(y − W·x₀ − b) at once, and
    /// so is the end of gradient descent from x₀; through nonlinear layers descent ends farther away.
    ///
    /// # Errors
    /// [`Error::Size`] and [`Error::NotFinite`] for `seed`, and what the map refuses.
    ///
    /// # References
    /// Absil, Mahony & Sepulchre, "Optimization algorithms on matrix manifolds", 2008, chapters 4 to 6.
    pub fn nearest(&self, seed: &DVector<T>) -> Result<Nearest<T>> {
        const MOST: usize = 200;
        size("seed", "entries", seed.len(), self.here.x.len())?;
        finite("seed", seed.as_slice(), seed.len())?;
        let mut owned: Option<Place<T>> = None;
        let mut iterations = 0;
        loop {
            let place = owned.as_ref().unwrap_or(&self.here);
            let away = &place.x - seed;
            let distance = away.norm().to_double();
            let along = place.basis.tr_mul(&away);
            let optimality = match distance > 0.0 {
                true => along.norm().to_double() / distance,
                false => 0.0,
            };
            let done = Nearest {
                input: place.x.clone(),
                distance,
                residual: residual(&place.value, self.target),
                optimality,
                iterations,
            };
            if optimality <= 64.0 * T::EPSILON || iterations >= MOST {
                return Ok(done);
            }
            iterations += 1;
            let mut direction = -self.newton(place, &away, &along)?.unwrap_or(along);
            // The step of steepest descent is the exact one where the set is flat.
            let mut next = None;
            for _ in 0..40 {
                let to = &place.x + &place.basis * &direction;
                let found = retract(self.map, self.target, self.tolerance, to)?;
                // At the end, where rounding and what is left of the residual hide the fall, the
                // gradient decides.
                next = found.filter(|next| {
                    let there = &next.x - seed;
                    let far = there.norm().to_double();
                    let off = done.residual + residual(&next.value, self.target);
                    let unseen =
                        4.0 * T::EPSILON * place.x.norm().to_double() + off * place.amplification();
                    let tangent = next.basis.tr_mul(&there).norm().to_double();
                    let flatter = tangent < 0.9 * optimality * distance;
                    far < distance - unseen || (far < distance + unseen && flatter)
                });
                if next.is_some() {
                    break;
                }
                direction *= T::from_double(0.5);
            }
            match next {
                Some(next) => owned = Some(next),
                None => return Ok(done),
            }
        }
    }

    /// H⁻¹·g along the tangent, H = I − Nᵀ·(∑ᵢ λᵢ·∇²fᵢ)·N with the multipliers λ of x − x₀ = Jᵀλ;
    /// `None` where H is not positive definite or too large to be made.
    fn newton(
        &self,
        place: &Place<T>,
        away: &DVector<T>,
        along: &DVector<T>,
    ) -> Result<Option<DVector<T>>> {
        const MOST: usize = 256;
        let k = along.len();
        if k == 0 || k > MOST {
            return Ok(None);
        }
        // λ = (Jᵀ)⁺·(x − x₀) = (J⁺)ᵀ·(x − x₀).
        let multipliers = place.inverse.matrix().tr_mul(away);
        let pull = place.jacobian.tr_mul(&multipliers);
        let step = T::EPSILON.cbrt() * (1.0 + place.x.norm().to_double());
        let mut hessian = DMatrix::identity(k, k);
        for column in 0..k {
            let to = &place.x + place.basis.column(column) * T::from_double(step);
            let there = self.map.linearize(&to)?;
            let mut pulled = DVector::zeros(to.len());
            there.jacobian.apply_adjoint(multipliers.as_slice(), pulled.as_mut_slice())?;
            let change = place.basis.tr_mul(&(pulled - &pull)) * T::from_double(1.0 / step);
            let mut entry = hessian.column_mut(column);
            entry -= change;
        }
        let half = T::from_double(0.5);
        let symmetric = (&hessian + hessian.transpose()) * half;
        Ok(Cholesky::new(symmetric).and_then(|factor| factor.solve(along)).ok())
    }
}

impl<T: Real> Place<T> {
    /// 1/σᵣ: how far from the set a residual of 1 may be.
    fn amplification(&self) -> f64 {
        let last = self.inverse.rank().checked_sub(1);
        last.map_or(0.0, |last| 1.0 / self.inverse.singular_values()[last])
    }

    /// N·Nᵀ·v.
    fn tangent(&self, v: &DVector<T>) -> DVector<T> {
        &self.basis * self.basis.tr_mul(v)
    }
}

/// The member of the set that Gauss-Newton steps from `x` lead to, if they do.
fn retract<T: Real>(
    map: &dyn Map<T>,
    target: &DVector<T>,
    tolerance: f64,
    mut x: DVector<T>,
) -> Result<Option<Place<T>>> {
    let mut before = f64::INFINITY;
    for _ in 0..BACK {
        if x.iter().any(|x| !x.is_finite()) {
            return Ok(None);
        }
        let at = map.linearize(&x)?;
        let jacobian = entries(at.jacobian.as_ref())?;
        let r = target - &at.value;
        let size = r.norm().to_double();
        if !size.is_finite() || jacobian.iter().any(|entry| !entry.is_finite()) {
            return Ok(None);
        }
        let inverse = PseudoInverse::new(&jacobian)?;
        if size <= tolerance {
            let basis = inverse.null_space();
            return Ok(Some(Place { x, value: at.value, jacobian, inverse, basis }));
        }
        if size > 0.9 * before {
            return Ok(None);
        }
        before = size;
        x += inverse.solve(&r)?;
    }
    Ok(None)
}

/// ‖f(x) − y‖₂.
fn residual<T: Real>(value: &DVector<T>, target: &DVector<T>) -> f64 {
    let r = value - target;
    dot(&r, &r).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tanhs, normal, seeded, vector};
    use crate::{SearchOptions, search};
    use std::ops::ControlFlow;

    fn problem(widths: &[usize], gain: f64, seed: u64) -> (Tanhs, DVector<f64>, DVector<f64>) {
        let mut rng = seeded(seed);
        let map = Tanhs::random(widths, gain, &mut rng);
        let x = normal(widths[0], 1, &mut rng).column(0).into_owned();
        let y = map.value(&x).unwrap();
        (map, x, y)
    }

    #[test]
    fn one_wide_layer_has_a_flat_set() {
        let mut rng = seeded(1);
        let weight = normal(3, 8, &mut rng);
        let map = Tanhs::linear(weight.clone());
        let x = normal(8, 1, &mut rng).column(0).into_owned();
        let y = &weight * &x;
        let set = Preimages::new(&map, &y, &x).unwrap();
        assert_eq!((set.dimension(), set.rank()), (5, 3));
        assert!(set.gap().is_infinite());
        let basis = set.basis();
        let sigma = linalg::singular_values(&weight).unwrap()[0];
        assert!((&weight * basis).norm() <= 10.0 * f64::EPSILON * sigma);
        assert!((basis.tr_mul(basis) - DMatrix::identity(5, 5)).norm() < 1e-14);
        for _ in 0..100 {
            let member = set.walk(&normal(8, 1, &mut rng).column(0).into_owned(), 3.0).unwrap();
            assert!(member.complete && (member.moved - 3.0).abs() < 1e-12);
            assert!((member.input - &x).norm() > 2.99 && member.residual < 1e-12);
        }
        // Nearest is the projection, and least norm is W⁺·y.
        let inverse = PseudoInverse::new(&weight).unwrap();
        let seed = normal(8, 1, &mut rng).column(0).into_owned();
        let nearest = set.nearest(&seed).unwrap();
        let expected = &seed + inverse.solve(&(&y - &weight * &seed)).unwrap();
        assert!((nearest.input - expected).norm() < 1e-12 && nearest.iterations <= 3);
        let least = set.nearest(&DVector::zeros(8)).unwrap();
        assert!((least.input - inverse.solve(&y).unwrap()).norm() < 1e-12);
        assert!(least.optimality < 1e-13);
    }

    #[test]
    fn walks_stay_on_a_curved_set_and_samples_differ() {
        let (map, x, y) = problem(&[8, 6, 3], 1.0, 2);
        let set = Preimages::new(&map, &y, &x).unwrap();
        assert_eq!(set.dimension(), 5);
        let members = set.sample(20, 1.0, &mut seeded(3)).unwrap();
        for (index, member) in members.iter().enumerate() {
            assert!((map.value(&member.input).unwrap() - &y).norm() <= 1e-12, "{member:?}");
            if member.complete {
                let straight = (&member.input - &x).norm();
                assert!(straight <= 1.0 + 1e-9 && straight > 0.2, "{straight}");
            }
            for other in &members[..index] {
                assert!((&other.input - &member.input).norm() > 1e-3);
            }
        }
        assert!(members.iter().filter(|member| member.complete).count() >= 18);
    }

    #[test]
    fn nearest_meets_its_conditions_and_no_sample_is_nearer() {
        for seed in 0..15 {
            let (map, x, y) = problem(&[12, 8, 4], 1.0, 10 + seed);
            let x0 = normal(12, 1, &mut seeded(50 + seed)).column(0).into_owned();
            let options = SearchOptions::default();
            let found = search(&map, &y, &x0, &options, |_| ControlFlow::Continue(())).unwrap();
            let set = Preimages::new(&map, &y, &found.input).unwrap();
            let nearest = set.nearest(&x0).unwrap();
            assert!(nearest.optimality <= 1e-8, "seed {seed}: {nearest:?}");
            assert!(nearest.residual <= 1e-12 * y.norm().max(1.0));
            assert!(nearest.distance <= found.seed_distance * (1.0 + 1e-12));
            assert!(nearest.iterations <= 40, "{}", nearest.iterations);
            // Members around it are farther away.
            let around = Preimages::new(&map, &y, &nearest.input).unwrap();
            for member in around.sample(10, 0.05, &mut seeded(seed)).unwrap() {
                assert!((member.input - &x0).norm() >= nearest.distance - 1e-12);
            }
            assert!((x - &x0).norm() >= 0.0);
        }
    }

    #[test]
    fn a_square_map_has_one_member_and_nothing_to_walk_along() {
        let (map, x, y) = problem(&[4, 4, 4], 0.8, 4);
        let set = Preimages::new(&map, &y, &x).unwrap();
        assert_eq!((set.dimension(), set.basis().shape()), (0, (4, 0)));
        let error = set.walk(&vector(&[1.0, 0.0, 0.0, 0.0]), 1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the tangent part of direction is 0, expected a length above 0"
        );
        let error = set.walk(&vector(&[1.0, 0.0, 0.0, 0.0]), f64::NAN).unwrap_err();
        assert_eq!(error.to_string(), "length is NaN, expected a finite number, 0 or greater");
        assert!((set.nearest(&vector(&[9.0; 4])).unwrap().input - set.member()).norm() < 1e-15);
    }

    #[test]
    fn a_point_far_from_the_set_is_refused() {
        // x² = −1 has no real solution: Newton's steps wander.
        struct Square;
        impl Map<f64> for Square {
            fn inputs(&self) -> usize {
                1
            }
            fn outputs(&self) -> usize {
                1
            }
            fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
                Ok(x.map(|x| x * x))
            }
            fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
                let jacobian = Box::new(DMatrix::from_element(1, 1, 2.0 * x[0]));
                Ok(crate::Linearization { value: self.value(x)?, jacobian })
            }
        }
        let error = Preimages::new(&Square, &vector(&[-1.0]), &vector(&[2.0])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "member gives the target but for 5e0, and Gauss-Newton steps from it do not reach \
             1.4210854715202004e-14; search for one first"
        );
    }
}
