//! All inputs of one output: the set around a solution, walks on it, and its nearest member.

mod creases;
mod edges;
mod nearest;
mod place;
#[cfg(test)]
mod tests;

use linalg::descent::dot;
use linalg::{DMatrix, DVector, Real};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

pub use nearest::{Nearest, NearestStop};

use crate::arguments::{finite, size, within};
use crate::search::DENSE;
use crate::{Error, Map, Result};
use place::{Handling, Place};

/// The set {x : f(x) = y} around one of its members.
///
/// Where J has rank r < n, the set is a surface of dimension n − r there, and the null space of J is
/// its tangent. Moving along the tangent leaves a curved set, so each step is brought back by
/// Gauss-Newton steps x ← x − J⁺·(f(x) − y), which change x no more than they must.
///
/// A Jacobian of up to 2²⁰ entries is made and decomposed: O(m·n·min(m, n)) for each point visited. A larger
/// one is only multiplied with: least squares by LSMR tell what of a vector is tangent, J⁺·r is its
/// shortest solution, and no matrix is made for 100,000 inputs or more. For one affine layer the set is
/// flat: the member nearest to x₀ is x₀ + W⁺·(y − W·x₀ − b).
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
    set: Set<'a, T>,
    here: Place<'a, T>,
}

/// What is to be solved.
struct Set<'a, T: Real> {
    map: &'a dyn Map<T>,
    target: &'a DVector<T>,
    /// The farthest ‖f(x) − y‖ that counts as being on the set.
    tolerance: f64,
    /// What may be left of it where steps do not make it smaller any more.
    rounding: f64,
    handling: Handling,
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

impl<T: Real> std::fmt::Debug for Preimages<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preimages")
            .field("member", &self.here.x)
            .field("dimension", &self.dimension())
            .finish_non_exhaustive()
    }
}

/// Steps in a row from a member that may fail to lead nearer: one over a kink goes by the slopes on this side of
/// it, and only the next by those beyond.
const MISSES: usize = 2;
/// Most entries of a basis of the tangent.
const BASIS: usize = 1 << 24;
/// How exactly a walk along a set known by products keeps its direction; its steps are brought back.
const HEADING: f64 = 1e-6;

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
        Self::with(Handling::of(map.outputs(), map.inputs()), map, target, member)
    }

    fn with(
        handling: Handling,
        map: &'a dyn Map<T>,
        target: &'a DVector<T>,
        member: &DVector<T>,
    ) -> Result<Self> {
        let size = target.norm().to_double();
        let terms = map.inputs().max(map.outputs()).min(DENSE);
        let tolerance = 64.0 * terms as f64 * T::EPSILON * if size > 0.0 { size } else { 1.0 };
        let set = Set { map, target, tolerance, rounding: tolerance, handling };
        match set.bring(member.clone(), MISSES)? {
            Some(here) => Ok(Self { set, here }),
            None => {
                let residual = residual(&map.value(member)?, target);
                Err(Error::NotAMember { residual, tolerance })
            }
        }
    }

    /// The member itself, as close to the set as rounding lets it.
    #[must_use]
    pub fn member(&self) -> &DVector<T> {
        &self.here.x
    }

    /// n − r: how many ways there are to move. 0 where the member is the only one near. Where r is not
    /// known, n − m, which is the least that it can be.
    #[must_use]
    pub fn dimension(&self) -> usize {
        let (inputs, outputs) = (self.here.x.len(), self.here.value.len());
        inputs - self.rank().unwrap_or(inputs.min(outputs))
    }

    /// r, the rank of J, where J is decomposed.
    #[must_use]
    pub fn rank(&self) -> Option<usize> {
        self.here.decomposition().map(linalg::PseudoInverse::rank)
    }

    /// σᵣ/σᵣ₊₁, how clear the rank is, where J is decomposed; see
    /// [`PseudoInverse::gap`](linalg::PseudoInverse::gap).
    #[must_use]
    pub fn gap(&self) -> Option<f64> {
        self.here.decomposition().map(linalg::PseudoInverse::gap)
    }

    /// An orthonormal basis N of the tangent, n x (n − r), where J is decomposed and N has 2²⁴ entries at
    /// most. [`Preimages::tangent`] does N·Nᵀ·v for any size.
    #[must_use]
    pub fn basis(&self) -> Option<DMatrix<T>> {
        let small = self.here.x.len() * self.dimension() <= BASIS;
        self.here.decomposition().filter(|_| small).map(linalg::PseudoInverse::null_space)
    }

    /// The part of `v` along the set, N·Nᵀ·v: v less the nearest vector in the range of Jᵀ.
    ///
    /// # Errors
    /// [`Error::Size`] and [`Error::NotFinite`] for `v`.
    pub fn tangent(&self, v: &DVector<T>) -> Result<DVector<T>> {
        size("v", "entries", v.len(), self.here.x.len())?;
        finite("v", v.as_slice(), v.len())?;
        Ok(self.here.split(v, accuracy::<T>())?.along)
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
        let mut heading = self.here.split(direction, HEADING)?.along;
        let (size, whole) = (heading.norm().to_double(), direction.norm().to_double());
        let fine = size > 1e-12 * whole;
        within("the tangent part of direction", size, fine, "a length above 0")?;
        let mut step = length / 8.0;
        let mut moved = 0.0;
        let mut owned: Option<Place<'a, T>> = None;
        while moved < length * (1.0 - 1e-12) {
            let place = owned.as_ref().unwrap_or(&self.here);
            let size = heading.norm().to_double();
            let stride = step.min(length - moved);
            let to = &place.x + &heading * T::from_double(stride / size);
            let found = self.set.retract(to)?;
            let next = found.filter(|next| {
                // Brought back to where it was meant to go, not to somewhere else.
                let gone = (&next.x - &place.x).norm().to_double();
                let rank = next.decomposition().map(linalg::PseudoInverse::rank);
                rank == self.rank() && gone > 0.5 * stride && gone < 2.0 * stride
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
            heading = next.split(&(&next.x - &place.x), HEADING)?.along;
            step = 1.5 * stride;
            owned = Some(next);
        }
        let place = owned.as_ref().unwrap_or(&self.here);
        Ok(Member {
            input: place.x.clone(),
            residual: residual(&place.value, self.set.target),
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
}

/// To what least squares by products are solved where the answer depends on it: for `f64` 1.8e-12.
fn accuracy<T: Real>() -> f64 {
    T::EPSILON.powf(0.75)
}

/// ‖f(x) − y‖₂.
fn residual<T: Real>(value: &DVector<T>, target: &DVector<T>) -> f64 {
    let r = value - target;
    dot(&r, &r).sqrt()
}
