//! Targets out of reach, with a proof.

use std::any::Any;

use linalg::{DMatrix, DVector, PseudoInverse, Real};
use nn_core::{Activation, Gelu, Linear, Network, Relu, Silu, Sin, View};

use crate::bounded::bounded_least_squares;
use crate::door::{check_finite, check_length};
use crate::{Error, Result};

/// What one hidden layer's range says of a target.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub enum Reach<T: Real> {
    /// No input gives the target.
    Unreachable(Witness<T>),
    /// Some values within the closed range of the last hidden layer give the target. Whether some
    /// input gives those is not decided by this.
    LayerCan {
        /// Such values h, with ‖W·h + b − z‖₂ at rounding.
        hidden: DVector<T>,
        /// ‖W·h + b − z‖₂.
        residual: f64,
    },
    /// Nearer to the edge of what can be reached than rounding tells.
    Undecided {
        /// How near the last hidden layer's range comes to the target, ‖W·h + b − z‖₂.
        residual: f64,
    },
}

/// A direction in which the target lies beyond everything that the last hidden layer can give.
///
/// For z = W·h + b with h in a box, wᵀ(z − b) = ∑ⱼ (Wᵀw)ⱼ·hⱼ is at most the sum of the larger of
/// lowerⱼ·(Wᵀw)ⱼ and upperⱼ·(Wᵀw)ⱼ, which for tanh is ‖Wᵀw‖₁. A target beyond is out of reach, whatever
/// the earlier layers do. Anyone can check it: two products.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Witness<T: Real> {
    /// w, of length 1.
    pub direction: DVector<T>,
    /// wᵀ(z − b), rounded down.
    pub asked: f64,
    /// The most that the layer can give along w, rounded up; less than `asked`.
    pub most: f64,
    /// Index of the affine layer.
    pub layer: usize,
}

/// Whether the last affine layer of `network` can give `target`, from values in the range of the
/// activation before it.
///
/// The range is that of tanh, sigmoid, ReLU, ELU, softplus, SiLU, GELU and sin, and of any activation with an
/// [`inverse_domain`](Activation::inverse_domain); a layer in front of which there is none has all
/// numbers to draw from. An activation behind the last affine layer is undone first.
///
/// It proves that a target is out of reach, never that it can be reached: for the earlier layers
/// there are local statements alone ([`SearchStop::Stationary`](crate::SearchStop::Stationary)), which are no proof.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`]; [`Error::OutOfRange`] for a target outside of the last
/// activation's own range, and [`Error::NotOneToOne`] for one that cannot be undone; [`Error::NoView`]
/// where the network does not end in an affine layer in memory.
///
/// # Examples
/// y = tanh(x₀) + tanh(x₁) never exceeds 2.
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_core::{Network, Tanh};
/// use nn_invert::{Reach, reach};
///
/// let network = Network::<f64>::builder(2)
///     .dense_from(DMatrix::identity(2, 2), vec![0.0; 2])
///     .activation(Tanh)
///     .dense_from(DMatrix::from_element(1, 2, 1.0), vec![0.0])
///     .build_given()?;
/// let found = reach(&network, &DVector::from_element(1, 2.25))?;
/// assert!(matches!(found, Reach::Unreachable(witness) if (witness.most - 2.0).abs() < 1e-12));
/// assert!(matches!(reach(&network, &DVector::from_element(1, 1.75))?, Reach::LayerCan { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # References
/// Farkas' lemma; Boyd & Vandenberghe, "Convex optimization", section 5.8.
pub fn reach<T: Real>(network: &Network<T>, target: &DVector<T>) -> Result<Reach<T>> {
    check_length("target", target.len(), network.outputs())?;
    check_finite("target", target)?;
    let views: Vec<View<'_, T>> = network.views().collect();
    let names: Vec<String> = network.layers().map(nn_core::Layer::describe).collect();
    let mut z = target.clone();
    for (layer, view) in views.iter().enumerate().rev() {
        match view {
            View::Pointwise(activation) => undo(*activation, layer, &names[layer], &mut z)?,
            View::Affine { linear: Linear::Matrix(weight), bias } => {
                let right = DVector::from_fn(z.len(), |i, _| z[i] - bias[i]);
                let size = |i: usize| z[i].to_double().abs() + bias[i].to_double().abs();
                let sizes = DVector::from_fn(z.len(), |i, _| size(i));
                let (lower, upper) = match layer.checked_sub(1).map(|before| &views[before]) {
                    Some(View::Pointwise(activation)) => range(*activation),
                    _ => (f64::NEG_INFINITY, f64::INFINITY),
                };
                let box_of = Layer { weight: weight.into_owned(), right, sizes, lower, upper, layer };
                return box_of.decide();
            }
            _ => return Err(Error::NoView { layer, name: names[layer].clone() }),
        }
    }
    Err(Error::NoView { layer: 0, name: "no affine layer".into() })
}

fn undo<T: Real>(
    activation: &dyn Activation<T>,
    layer: usize,
    name: &str,
    z: &mut DVector<T>,
) -> Result<()> {
    let Some(domain) = activation.inverse_domain() else {
        return Err(Error::NotOneToOne { layer, name: name.to_owned() });
    };
    for (index, entry) in z.iter_mut().enumerate() {
        let value = entry.to_double();
        *entry = activation.inverse(*entry).ok_or_else(|| Error::OutOfRange {
            layer,
            name: name.to_owned(),
            index,
            sample: 0,
            value,
            lower: domain.lower,
            upper: domain.upper,
            excess: domain.excess(value),
        })?;
    }
    Ok(())
}

/// The closed range of an activation, rounded outward.
pub(crate) fn range<T: Real>(activation: &dyn Activation<T>) -> (f64, f64) {
    let any: &dyn Any = activation;
    let infinite = f64::INFINITY;
    match activation.inverse_domain() {
        Some(domain) => (domain.lower, domain.upper),
        None if any.is::<Relu>() => (0.0, infinite),
        None if any.is::<Sin>() => (-1.0, 1.0),
        // Least values −0.2784645427610738 and −0.16997120747990369.
        None if any.is::<Silu>() => (-0.278_464_6, infinite),
        None if any.is::<Gelu>() => (-0.169_971_3, infinite),
        None => (-infinite, infinite),
    }
}

/// W·h = r with all of h between two numbers.
struct Layer<T: Real> {
    weight: DMatrix<T>,
    /// r = z − b, and |z| + |b|, in whose last digits r errs.
    right: DVector<T>,
    sizes: DVector<f64>,
    lower: f64,
    upper: f64,
    layer: usize,
}

impl<T: Real> Layer<T> {
    /// Least squares over the box, whose residual is the direction to try.
    fn decide(&self) -> Result<Reach<T>> {
        let n = self.weight.ncols();
        let bound = |x: f64| DVector::from_element(n, T::from_double(x));
        let nearest = bounded_least_squares(
            &self.weight,
            &self.right,
            &bound(self.lower),
            &bound(self.upper),
        )?;
        let residual = nearest.residual.norm().to_double();
        let scale = self.weight.norm().to_double() * nearest.solution.norm().to_double()
            + self.sizes.norm();
        let rounding = 16.0 * (n.max(self.right.len()) as f64) * T::EPSILON * scale;
        if residual <= rounding {
            return Ok(Reach::LayerCan { hidden: nearest.solution, residual });
        }
        let first = nearest.residual.unscale(nearest.residual.norm());
        let mended = self.mend(&first)?;
        let witness = [Some(first), mended].into_iter().flatten().find_map(|w| self.witness(w));
        Ok(witness.map_or(Reach::Undecided { residual }, Reach::Unreachable))
    }

    /// w with its two sides, each rounded to the safe side, if they prove anything.
    fn witness(&self, direction: DVector<T>) -> Option<Witness<T>> {
        // A sum of n products errs by at most n·u times the sum of their magnitudes; twice that.
        let gamma = |n: usize| (n + 4) as f64 * f64::EPSILON;
        let w: Vec<f64> = direction.iter().map(|w| w.to_double()).collect();
        let sums = |entries: &mut dyn Iterator<Item = f64>| {
            entries.zip(&w).fold((0.0, 0.0), |(sum, size), (entry, w)| {
                (sum + entry * w, size + (entry * w).abs())
            })
        };
        let (sum, size) = sums(&mut self.right.iter().map(|r| r.to_double()));
        let (_, rounded) = sums(&mut self.sizes.iter().copied());
        // What the activation's inverse and the subtraction of the bias have rounded: 8 eps.
        let asked = sum - gamma(w.len()) * size - 8.0 * T::EPSILON * rounded;
        let (mut most, mut size) = (0.0, 0.0);
        for column in self.weight.column_iter() {
            let (pull, magnitude) = sums(&mut column.iter().map(|x| x.to_double()));
            let error = gamma(w.len()) * magnitude;
            let side = |pull: f64| {
                if pull > 0.0 {
                    pull * self.upper
                } else if pull < 0.0 {
                    pull * self.lower
                } else {
                    0.0
                }
            };
            let term = side(pull + error).max(side(pull - error));
            most += term;
            size += term.abs();
        }
        let most = most + gamma(self.weight.ncols()) * size;
        (most < asked).then_some(Witness { direction, asked, most, layer: self.layer })
    }

    /// For a range that is infinite on one side, where rounding leaves (Wᵀw)ⱼ on the wrong side of 0
    /// for a j at which it should be 0: w turned a little so that all of these are right.
    fn mend(&self, direction: &DVector<T>) -> Result<Option<DVector<T>>> {
        if self.lower.is_finite() == self.upper.is_finite() {
            return Ok(None);
        }
        let right_side = if self.upper.is_finite() { 1.0 } else { -1.0 };
        let pull = self.weight.tr_mul(direction);
        let small = 256.0 * self.weight.nrows() as f64 * T::EPSILON;
        let size = |j: usize| self.weight.column(j).norm().to_double();
        let touching: Vec<usize> = (0..self.weight.ncols())
            .filter(|&j| right_side * pull[j].to_double() <= small * size(j))
            .collect();
        if touching.is_empty() {
            return Ok(None);
        }
        let rows = self.weight.select_columns(&touching).transpose();
        let sides = touching.iter().map(|&j| T::from_double(right_side * size(j)));
        let sides = DVector::from_iterator(touching.len(), sides);
        let turn = PseudoInverse::new(&rows)?.solve(&sides)?;
        let mended = direction + turn * T::from_double(8.0 * small);
        Ok(Some(mended.unscale(mended.norm())))
    }
}
