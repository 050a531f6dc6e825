//! A point of the set with its Jacobian: decomposed where that is small, else known by its products.

use linalg::krylov::{self, lsmr};
use linalg::{DMatrix, DVector, LinearOperator, PseudoInverse, Real};

use super::Set;
use crate::Result;
use crate::search::{DENSE, entries};

/// Most entries of a Jacobian that is decomposed: a second's work or less.
pub(super) const ENTRIES: usize = 1 << 20;
/// Gauss-Newton steps that bring a point back onto the set.
const BACK: usize = 12;
/// To what the steps of a Jacobian known by products are solved for: the next step makes up for it.
const CORRECTION: f64 = 1e-4;

/// How the Jacobian is used at every point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// Its singular values and vectors are computed.
    Decomposed,
    /// It is only multiplied with, by LSMR.
    Products,
}

impl Handling {
    pub(super) fn of(outputs: usize, inputs: usize) -> Self {
        if outputs.min(inputs) <= DENSE && outputs * inputs <= ENTRIES {
            Self::Decomposed
        } else {
            Self::Products
        }
    }
}

/// A point of the set.
pub(super) struct Place<'a, T: Real> {
    pub(super) x: DVector<T>,
    pub(super) value: DVector<T>,
    slope: Slope<'a, T>,
}

enum Slope<'a, T: Real> {
    Decomposed { jacobian: DMatrix<T>, inverse: PseudoInverse<T> },
    Products(Box<dyn LinearOperator<T> + Send + Sync + 'a>),
}

/// v = `along` + Jᵀ·`multipliers`, the two at right angles.
pub(super) struct Split<T: Real> {
    pub(super) along: DVector<T>,
    pub(super) multipliers: DVector<T>,
}

impl<T: Real> Place<'_, T> {
    /// The singular values and vectors of J, where they are known.
    pub(super) fn decomposition(&self) -> Option<&PseudoInverse<T>> {
        match &self.slope {
            Slope::Decomposed { inverse, .. } => Some(inverse),
            Slope::Products(_) => None,
        }
    }

    /// min ‖v − Jᵀλ‖: what remains is the part of v along the set. By LSMR to `accuracy`, which short of
    /// that leaves too much of v, never too little.
    pub(super) fn split(&self, v: &DVector<T>, accuracy: f64) -> Result<Split<T>> {
        match &self.slope {
            Slope::Decomposed { jacobian, inverse } => {
                let (mut along, mut multipliers) = (v.clone(), DVector::zeros(jacobian.nrows()));
                if inverse.rank() == jacobian.ncols() {
                    along.fill(T::zero());
                    return Ok(Split { along, multipliers: inverse.solve_adjoint(v)? });
                }
                // What the first pass leaves of the rows by rounding, the second takes off.
                for _ in 0..2 {
                    let part = inverse.solve_adjoint(&along)?;
                    along -= jacobian.tr_mul(&part);
                    multipliers += part;
                }
                Ok(Split { along, multipliers })
            }
            Slope::Products(jacobian) => {
                let turned = Turned(jacobian.as_ref());
                let options = krylov::Options::default().tolerance(accuracy);
                let multipliers = lsmr(&turned, v.as_slice(), options)?.x;
                let mut image = DVector::zeros(v.len());
                turned.apply(multipliers.as_slice(), image.as_mut_slice())?;
                Ok(Split { along: v - image, multipliers })
            }
        }
    }

    /// J⁺·r, the shortest step that gives r.
    fn step(&self, r: &DVector<T>) -> Result<DVector<T>> {
        Ok(match &self.slope {
            Slope::Decomposed { inverse, .. } => inverse.solve(r)?,
            Slope::Products(jacobian) => {
                let options = krylov::Options::default().tolerance(CORRECTION);
                lsmr(jacobian.as_ref(), r.as_slice(), options)?.x
            }
        })
    }
}

impl<'a, T: Real> Set<'a, T> {
    /// The member that Gauss-Newton steps from `x` lead to, if each of them leads nearer: of a step along the
    /// set, a shorter one is tried where they do not.
    pub(super) fn retract(&self, x: DVector<T>) -> Result<Option<Place<'a, T>>> {
        self.bring(x, 0)
    }

    /// The member that they lead to with `misses` in a row at most that do not lead nearer.
    pub(super) fn bring(&self, mut x: DVector<T>, misses: usize) -> Result<Option<Place<'a, T>>> {
        let (mut least, mut missed) = (f64::INFINITY, 0);
        for _ in 0..BACK {
            if x.iter().any(|x| !x.is_finite()) {
                return Ok(None);
            }
            let at = self.map.linearize(&x)?;
            let r = self.target - &at.value;
            let size = r.norm().to_double();
            if !size.is_finite() {
                return Ok(None);
            }
            let slope = match self.handling {
                Handling::Products => Slope::Products(at.jacobian),
                Handling::Decomposed => {
                    let jacobian = entries(at.jacobian.as_ref())?;
                    if jacobian.iter().any(|entry| !entry.is_finite()) {
                        return Ok(None);
                    }
                    let inverse = PseudoInverse::new(&jacobian)?;
                    Slope::Decomposed { jacobian, inverse }
                }
            };
            let place = Place { x, value: at.value, slope };
            if size <= self.tolerance {
                return Ok(Some(place));
            }
            if size > 0.9 * least {
                missed += 1;
                if size <= self.rounding {
                    return Ok(Some(place));
                }
                if missed > misses {
                    return Ok(None);
                }
            } else {
                missed = 0;
            }
            least = least.min(size);
            x = place.step(&r)? + place.x;
        }
        Ok(None)
    }
}

/// Jᵀ.
struct Turned<'a, T: Real>(&'a (dyn LinearOperator<T> + Send + Sync));

impl<T: Real> LinearOperator<T> for Turned<'_, T> {
    fn nrows(&self) -> usize {
        self.0.ncols()
    }

    fn ncols(&self) -> usize {
        self.0.nrows()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        self.0.apply_adjoint(x, y)
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        self.0.apply(x, y)
    }
}
