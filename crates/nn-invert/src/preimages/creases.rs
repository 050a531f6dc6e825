//! A network with kinks as the smooth pieces it is made of, and the creases in which they meet.
//!
//! Each unit with a kink is put on a side of it, and the lines of that side are continued beyond: a smooth map,
//! which is the network's own where the pre-activations z have the signs of their sides. A crease is where
//! some of them are held at 0; there the pieces of both sides meet.

use linalg::{DMatrix, DVector, Real};

use crate::chain::{Factor, Kind};
use crate::{Chain, Linearization, Map, Result};

/// A chain in which units have kinks.
pub(super) struct Folded<'a, T: Real> {
    chain: Chain<'a, T>,
    pub(super) kinks: Vec<Kink<T>>,
}

/// A unit whose slope jumps at z = 0.
pub(super) struct Kink<T> {
    pub(super) link: usize,
    pub(super) unit: usize,
    /// Below 0 and above.
    slopes: [T; 2],
}

/// A point of a piece: what leads there, and the slopes of every link.
pub(super) struct Pass<'a, T: Real> {
    pub(super) value: DVector<T>,
    /// z of every kink.
    pub(super) z: Vec<T>,
    /// The size of what each z is the sum of, by which it is rounded.
    pub(super) size: Vec<f64>,
    /// The same of f(x), its norm.
    pub(super) value_size: f64,
    factors: Vec<Factor<'a, T>>,
}

impl<'a, T: Real> Folded<'a, T> {
    /// `None` where no unit has a kink.
    pub(super) fn of(chain: Chain<'a, T>) -> Option<Self> {
        let mut kinks = Vec::new();
        for (link, shown) in chain.links.iter().enumerate() {
            let Kind::Pointwise(function) = &shown.kind else { continue };
            if let Some(slopes) =
                function.get().linear_sides().filter(|[left, right]| left != right)
            {
                kinks.extend((0..shown.outputs).map(|unit| Kink { link, unit, slopes }));
            }
        }
        (!kinks.is_empty()).then_some(Self { chain, kinks })
    }

    /// On which side of its kink `x` has every unit.
    pub(super) fn sides(&self, x: &DVector<T>) -> Result<Vec<bool>> {
        // The kinks are in the order of their links, so that each is put right by those before it.
        let mut right = vec![false; self.kinks.len()];
        let mut at = 0;
        while let Some(kink) = self.kinks.get(at) {
            let z = self.pass(x, &right)?.z;
            let link = kink.link;
            while at < z.len() && self.kinks[at].link == link {
                right[at] = z[at] > T::zero();
                at += 1;
            }
        }
        Ok(right)
    }

    /// The network at `x`, its units on the `right` sides of their kinks or not.
    pub(super) fn pass(&self, x: &DVector<T>, right: &[bool]) -> Result<Pass<'_, T>> {
        let mut value = DMatrix::from_column_slice(x.len(), 1, x.as_slice());
        let (mut z, mut size, mut factors) = (Vec::new(), Vec::new(), Vec::new());
        let mut sums = DVector::from_iterator(x.len(), x.iter().map(|x| x.to_double().abs()));
        for (index, link) in self.chain.links.iter().enumerate() {
            let first = z.len();
            let kinks = self.kinks[first..].iter().zip(&right[first..]);
            let slopes: Vec<T> = kinks
                .take_while(|(kink, _)| kink.link == index)
                .map(|(kink, &right)| kink.slopes[usize::from(right)])
                .collect();
            if slopes.is_empty() {
                let next = self.chain.forward(link, &value)?;
                factors.push(link.factor(value.as_slice(), next.as_slice()));
                sums = link.sums(&value, &next);
                value = next;
                continue;
            }
            z.extend_from_slice(value.as_slice());
            size.extend_from_slice(sums.as_slice());
            for (value, &slope) in value.iter_mut().zip(&slopes) {
                *value *= slope;
            }
            factors.push(Factor::Slopes(slopes));
        }
        let value = value.column(0).into_owned();
        Ok(Pass { value, z, size, value_size: sums.norm(), factors })
    }

    /// ∇(λ·f + ∑ νₖ·zₖ) by x, and by the value of every unit with a kink, for the `multipliers` λ and the pairs
    /// of k and νₖ.
    pub(super) fn pull(
        &self,
        pass: &Pass<'_, T>,
        multipliers: &[T],
        held: &[(usize, T)],
    ) -> Result<(DVector<T>, Vec<T>)> {
        let mut value = multipliers.to_vec();
        let mut signals = vec![T::zero(); self.kinks.len()];
        let mut end = self.kinks.len();
        for (index, factor) in pass.factors.iter().enumerate().rev() {
            if let Factor::Weight(weight) = factor {
                let mut before = vec![T::zero(); weight.ncols()];
                weight.apply_adjoint_to(&value, &mut before, linalg::Threads::One)?;
                value = before;
                continue;
            }
            let folded = end > 0 && self.kinks[end - 1].link == index;
            if folded {
                signals[end - value.len()..end].copy_from_slice(&value);
            }
            factor.scale(&mut value);
            if folded {
                let start = end - value.len();
                for &(k, by) in held.iter().filter(|(k, _)| (start..end).contains(k)) {
                    value[k - start] += by;
                }
                end = start;
            }
        }
        Ok((DVector::from_vec(value), signals))
    }
}

/// f continued from a piece, and below it z of the units held at their kinks, each in units of its own.
pub(super) struct Crease<'a, T: Real> {
    pub(super) folded: &'a Folded<'a, T>,
    pub(super) right: Vec<bool>,
    pub(super) held: Vec<usize>,
    /// What z is multiplied by to be of the size of f.
    units: Vec<T>,
    /// The size of what f is the sum of.
    pub(super) value_size: f64,
}

impl<'a, T: Real> Crease<'a, T> {
    /// The one through `x`, f being of the size `size`.
    pub(super) fn new(
        folded: &'a Folded<'a, T>,
        x: &DVector<T>,
        size: f64,
        right: Vec<bool>,
        held: Vec<usize>,
    ) -> Result<Self> {
        let pass = folded.pass(x, &right)?;
        let unit = |&k: &usize| {
            let unit = size / pass.size[k];
            T::from_double(if unit.is_finite() && unit > 0.0 { unit } else { 1.0 })
        };
        let units = held.iter().map(unit).collect();
        Ok(Self { folded, right, held, units, value_size: pass.value_size })
    }

    /// The kinks at which `x` is as far as `rounding`, relative to what z is made of, can tell; and those of the crease.
    pub(super) fn near(&self, x: &DVector<T>, rounding: f64) -> Result<Vec<usize>> {
        let pass = self.folded.pass(x, &self.right)?;
        let near = |&k: &usize| {
            self.held.contains(&k) || pass.z[k].to_double().abs() <= rounding * pass.size[k]
        };
        Ok((0..pass.z.len()).filter(near).collect())
    }

    /// The first kink on the way from `x` to `to` at which this piece ends, and the part of the way to it.
    pub(super) fn crossed(
        &self,
        x: &DVector<T>,
        to: &DVector<T>,
        rounding: f64,
    ) -> Result<Option<(usize, f64)>> {
        let (from, to) = (self.folded.pass(x, &self.right)?, self.folded.pass(to, &self.right)?);
        let mut first: Option<(usize, f64)> = None;
        for k in (0..self.right.len()).filter(|k| !self.held.contains(k)) {
            let inside = |z: T| if self.right[k] { z.to_double() } else { -z.to_double() };
            let (before, after) = (inside(from.z[k]), inside(to.z[k]));
            if after < -rounding * to.size[k] && after < before {
                let part = (before / (before - after)).clamp(0.0, 1.0);
                if first.is_none_or(|(_, least)| part < least) {
                    first = Some((k, part));
                }
            }
        }
        Ok(first)
    }

    /// J of f and of z in their units, and how each row of these depends on the values of the units held.
    pub(super) fn rows(&self, x: &DVector<T>) -> Result<(DMatrix<T>, DMatrix<T>)> {
        let pass = self.folded.pass(x, &self.right)?;
        let (outputs, count) = (pass.value.len(), self.held.len());
        let mut gradients = DMatrix::zeros(x.len(), outputs + count);
        let mut signals = DMatrix::zeros(outputs + count, count);
        let mut multipliers = DVector::zeros(outputs);
        for row in 0..outputs + count {
            let (gradient, signal) = if row < outputs {
                multipliers[row] = T::one();
                let pulled = self.folded.pull(&pass, multipliers.as_slice(), &[])?;
                multipliers[row] = T::zero();
                pulled
            } else {
                let held = [(self.held[row - outputs], self.units[row - outputs])];
                self.folded.pull(&pass, multipliers.as_slice(), &held)?
            };
            gradients.set_column(row, &gradient);
            for (column, &k) in self.held.iter().enumerate() {
                signals[(row, column)] = signal[k];
            }
        }
        Ok((gradients.transpose(), signals))
    }

    /// How the slope of the held unit `i` changes from its side to the one named, over its unit.
    pub(super) fn change(&self, i: usize, right: bool) -> T {
        let k = self.held[i];
        let slopes = self.folded.kinks[k].slopes;
        (slopes[usize::from(right)] - slopes[usize::from(self.right[k])]) / self.units[i]
    }
}

impl<T: Real> Map<T> for Crease<'_, T> {
    fn inputs(&self) -> usize {
        self.folded.chain.inputs()
    }

    fn outputs(&self) -> usize {
        self.folded.chain.outputs() + self.held.len()
    }

    fn value(&self, x: &DVector<T>) -> Result<DVector<T>> {
        let pass = self.folded.pass(x, &self.right)?;
        let z = self.held.iter().zip(&self.units).map(|(&k, &unit)| pass.z[k] * unit);
        let all: Vec<T> = pass.value.iter().copied().chain(z).collect();
        Ok(DVector::from_vec(all))
    }

    fn linearize<'b>(&'b self, x: &DVector<T>) -> Result<Linearization<'b, T>> {
        Ok(Linearization { value: self.value(x)?, jacobian: Box::new(self.rows(x)?.0) })
    }
}
