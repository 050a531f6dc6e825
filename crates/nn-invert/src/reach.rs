//! Targets out of reach, with a proof.

use std::any::Any;

use linalg::{DMatrix, DVector, PseudoInverse, Real, bounded_least_squares};
use nn_core::{Activation, Fold, Linear, Network, Sin, View};

use crate::arguments::{finite, size};
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
/// The range is known for every activation with an [`inverse_domain`](Activation::inverse_domain) or a
/// [`fold`](Activation::fold), and for sin; a layer with nothing in front of it has all numbers to
/// draw from. An activation behind the last affine layer is undone first.
///
/// It proves that a target is out of reach, never that it can be reached: for the earlier layers
/// there are local statements alone ([`SearchStop::Stationary`](crate::SearchStop::Stationary)), which are no proof.
///
/// # Errors
/// [`Error::Size`], [`Error::NotFinite`]; [`Error::OutOfRange`] for a target outside of the last
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
    size("target", "entries", target.len(), network.outputs())?;
    finite("target", target.as_slice(), target.len())?;
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
                let box_of =
                    Layer { weight: weight.into_owned(), right, sizes, lower, upper, layer };
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

/// The closed range of an activation, rounded outward; all numbers where it is not known.
fn range<T: Real>(activation: &dyn Activation<T>) -> (f64, f64) {
    let any: &dyn Any = activation;
    if let Some(domain) = activation.inverse_domain() {
        return (domain.lower, domain.upper);
    }
    if any.is::<Sin>() {
        return (-1.0, 1.0);
    }
    match activation.fold() {
        Some(Fold::Flat(z) | Fold::Valley(z)) => {
            let least = activation.value(T::from_double(z)).to_double();
            (least - 4.0 * T::EPSILON * least.abs(), f64::INFINITY)
        }
        None => (f64::NEG_INFINITY, f64::INFINITY),
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
        let scale =
            self.weight.norm().to_double() * nearest.x.norm().to_double() + self.sizes.norm();
        let rounding = 16.0 * (n.max(self.right.len()) as f64) * T::EPSILON * scale;
        if residual <= rounding {
            return Ok(Reach::LayerCan { hidden: nearest.x, residual });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal, seeded, vector};
    use nn_core::{Gelu, Relu, Sigmoid, Tanh};

    fn network(
        weight: &DMatrix<f64>,
        bias: Vec<f64>,
        activation: impl Activation<f64>,
    ) -> Network<f64> {
        let n = weight.ncols();
        Network::builder(n)
            .dense_from(DMatrix::identity(n, n), vec![0.0; n])
            .activation(activation)
            .dense_from(weight.clone(), bias)
            .build_given()
            .unwrap()
    }

    /// Checks a witness by its definition alone, for h in [lower, upper].
    fn holds(
        witness: &Witness<f64>,
        weight: &DMatrix<f64>,
        r: &DVector<f64>,
        lower: f64,
        upper: f64,
    ) {
        let asked = witness.direction.dot(r);
        let pull = weight.tr_mul(&witness.direction);
        let side = |p: f64| match p.abs() <= 1e-12 {
            true => 0.0,
            false => (p * lower).max(p * upper),
        };
        let most: f64 = pull.iter().map(|&p| side(p)).sum();
        assert!(asked > most, "{asked} {most}");
        assert!(witness.most >= most - 1e-12, "the layer can give {most}, not {}", witness.most);
        assert!((witness.direction.norm() - 1.0).abs() < 1e-12);
        assert!(witness.asked <= asked && witness.asked > witness.most);
    }

    #[test]
    fn square_layers_are_judged_by_the_values_they_would_need() {
        // z = W·h + b with W regular: the h is unique, and |h| decides.
        let mut out = 0;
        for seed in 0..200 {
            let mut rng = seeded(seed);
            let weight = normal(4, 4, &mut rng);
            let bias = normal(4, 1, &mut rng).column(0).into_owned();
            let h = normal(4, 1, &mut rng).column(0).into_owned();
            let network = network(&weight, bias.as_slice().to_vec(), Tanh);
            match reach(&network, &(&weight * &h + &bias)).unwrap() {
                Reach::Unreachable(witness) => {
                    assert!(h.amax() > 1.0, "seed {seed}: {h}");
                    assert_eq!(witness.layer, 2);
                    holds(&witness, &weight, &(&weight * &h), -1.0, 1.0);
                    out += 1;
                }
                Reach::LayerCan { hidden, .. } => {
                    assert!(h.amax() <= 1.0, "seed {seed}");
                    assert!((hidden - h).norm() < 1e-9);
                }
                Reach::Undecided { residual } => panic!("seed {seed}: {residual:e}"),
            }
        }
        assert!((120..200).contains(&out), "{out}");
    }

    #[test]
    fn relu_sigmoid_and_gelu_have_ranges_of_their_own() {
        let eye = DMatrix::identity(2, 2);
        let can = |target: [f64; 2], network: &Network<f64>| {
            matches!(reach(network, &vector(&target)).unwrap(), Reach::LayerCan { .. })
        };
        let relu = network(&eye, vec![0.0; 2], Relu);
        assert!(can([1e6, 0.0], &relu) && !can([1.0, -1e-9], &relu));
        let sigmoid = network(&eye, vec![0.0; 2], Sigmoid);
        assert!(can([0.999, 0.001], &sigmoid) && !can([0.5, 1.0 + 1e-9], &sigmoid));
        let gelu = network(&eye, vec![0.0; 2], Gelu);
        assert!(can([5.0, -0.16997], &gelu) && !can([0.5, -0.1699713], &gelu));
        // A proof exists for an unbounded range too, though rounding has to be mended for it.
        let mut proofs = 0;
        for seed in 0..100 {
            let mut rng = seeded(seed);
            let weight = normal(5, 3, &mut rng);
            let r = normal(5, 1, &mut rng).column(0).into_owned();
            let found = reach(&network(&weight, vec![0.0; 5], Relu), &r).unwrap();
            if let Reach::Unreachable(witness) = found {
                holds(&witness, &weight, &r, 0.0, f64::INFINITY);
                proofs += 1;
            }
        }
        assert_eq!(proofs, 100);
    }

    #[test]
    fn an_activation_at_the_end_is_undone_first_and_a_bad_target_is_named() {
        let eye = DMatrix::<f64>::identity(2, 2);
        let network = Network::builder(2)
            .dense_from(eye.clone(), vec![0.0; 2])
            .activation(Tanh)
            .dense_from(eye * 0.5, vec![0.0; 2])
            .activation(Tanh)
            .build_given()
            .unwrap();
        let judge = |a: f64, b: f64| reach(&network, &vector(&[a, b]));
        // The last tanh reaches tanh ½ = 0.46212 at most.
        assert!(matches!(judge(0.46, 0.0).unwrap(), Reach::LayerCan { .. }));
        assert!(matches!(judge(0.4622, 0.0).unwrap(), Reach::Unreachable(_)));
        assert!(matches!(judge(0.0, 1.0), Err(Error::OutOfRange { layer: 3, index: 1, .. })));
        assert_eq!(
            reach(&network, &vector(&[0.0])).unwrap_err().to_string(),
            "target has 1 entries, expected 2"
        );
        assert_eq!(
            judge(f64::NAN, 0.0).unwrap_err().to_string(),
            "target[0, 0] is NaN, and every entry must be finite"
        );
    }
}
