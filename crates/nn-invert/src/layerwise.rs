//! The exact inverse of a network of square layers, one layer at a time, last to first.

use linalg::{DMatrix, DVector, Real};
use nn_core::{Activation, Interval, Linear, Network, Trace, View};

use crate::affine::AffineInverse;
use crate::{Error, Result};

/// Random probes of the size of J⁻¹: eight miss ‖J⁻¹‖_F by a factor of 10 once in ten million times.
const PROBES: usize = 8;

/// A network whose layers are all square and one to one, factored once to be inverted for many
/// targets.
///
/// Undoing z = W·h + b gives h = W⁻¹·(z − b): the bias comes off first. Undoing a = f(z) gives
/// z = f⁻¹(a) for a in f's range; a target outside is refused, not clipped.
///
/// Cost for n units: about 4·n³ multiply-adds and 2·n² numbers for each affine layer, once; then a
/// few times n² for each target and layer.
///
/// # Examples
/// One layer by hand: W = [[2, 1], [1, 3]], b = (1, 0), and the target (5, 5) is W·(1, 4/3) + b… up
/// to a rounding, since W⁻¹·(4, 5) = (7/5, 6/5).
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_core::Network;
/// use nn_invert::LayerwiseInverse;
///
/// let network = Network::builder(2)
///     .dense_from(DMatrix::from_row_slice(2, 2, &[2.0, 1.0, 1.0, 3.0]), vec![1.0, 0.0])
///     .build_given()?;
/// let inverse = LayerwiseInverse::new(&network)?;
/// let answer = inverse.invert(&DVector::from_vec(vec![5.0, 5.0]))?;
/// assert!((answer.input - DVector::from_vec(vec![1.4, 1.2])).norm() <= answer.error_bound);
/// assert!(answer.error_bound < 1e-13);
/// assert_eq!(answer.conditions, [4.0 * 4.0 / 5.0]); // ‖W‖₁·‖W⁻¹‖₁, W⁻¹ = [[3, -1], [-1, 2]]/5
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LayerwiseInverse<'a, T: Real> {
    network: &'a Network<T>,
    layers: Vec<LayerInverse<'a, T>>,
    conditions: Vec<f64>,
}

#[derive(Debug, Clone)]
enum LayerInverse<'a, T: Real> {
    Affine(AffineInverse<'a, T>),
    Pointwise { activation: &'a dyn Activation<T>, range: Interval },
}

/// The input that gives a target, and what it is worth.
///
/// A small residual does not mean a small error: where a tanh is saturated or a layer nearly
/// singular, inputs far apart give outputs that agree in every digit.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Inversion<T: Real> {
    /// The input x.
    pub input: DVector<T>,
    /// ‖f(x) − y‖₂, with f(x) computed anew.
    pub residual: f64,
    /// The error ‖x − x₀‖₂ to expect, x₀ being the input whose output y was before it was rounded:
    /// eps·‖J⁻¹‖_F·‖y‖₂/√n, J the Jacobian of the network at x. An estimate, not a bound: up to five
    /// layers the error is mostly within a factor of ten of it.
    pub predicted_error: f64,
    /// A bound on ‖x − x₀‖₂ for every x₀ whose output, computed in this precision, is y: the
    /// roundings of both directions carried through entry by entry. Infinite where the digits of y
    /// do not bound x at all. It loosens with depth, by two digits per layer or so.
    pub error_bound: f64,
    /// ‖W‖₁·‖W⁻¹‖₁ of each affine layer, first to last; their product bounds nothing, since the
    /// slopes of the activations are not in it.
    pub conditions: Vec<f64>,
}

impl<T: Real> Inversion<T> {
    /// Decimal digits of x to expect, from 0: −log₁₀ of [`Inversion::predicted_error`] over ‖x‖₂.
    #[must_use]
    pub fn digits(&self) -> f64 {
        let relative = self.predicted_error / self.input.norm().to_double();
        (-relative.log10()).max(0.0)
    }
}

/// The inputs that give several targets; the fields are those of [`Inversion`], an entry or a column
/// per target.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Inversions<T: Real> {
    /// The inputs, inputs x targets.
    pub inputs: DMatrix<T>,
    /// ‖f(x) − y‖₂ of each.
    pub residuals: Vec<f64>,
    /// The error to expect in each, see [`Inversion::predicted_error`].
    pub predicted_errors: Vec<f64>,
    /// A bound on the error of each, see [`Inversion::error_bound`].
    pub error_bounds: Vec<f64>,
    /// ‖W‖₁·‖W⁻¹‖₁ of each affine layer, first to last.
    pub conditions: Vec<f64>,
}

impl<'a, T: Real> LayerwiseInverse<'a, T> {
    /// Factors every affine layer of `network`.
    ///
    /// # Errors
    /// [`Error::Rectangular`], [`Error::Singular`], [`Error::NotOneToOne`] (ReLU, sin),
    /// [`Error::NoView`] or [`Error::Parameter`], each naming the layer.
    pub fn new(network: &'a Network<T>) -> Result<Self> {
        let mut layers = Vec::new();
        let mut conditions = Vec::new();
        for (layer, (view, shown)) in network.views().zip(network.layers()).enumerate() {
            let name = || shown.describe();
            layers.push(match view {
                View::Affine { linear: Linear::Matrix(weight), bias } => {
                    let (outputs, inputs) = weight.shape();
                    if outputs != inputs {
                        return Err(Error::Rectangular { layer, name: name(), outputs, inputs });
                    }
                    let refuse = |block, at: usize, value: T| Error::Parameter {
                        layer,
                        name: name(),
                        block,
                        row: at % outputs,
                        column: at / outputs,
                        value: value.to_double(),
                    };
                    if let Some((at, &value)) =
                        weight.iter().enumerate().find(|(_, value)| !value.is_finite())
                    {
                        return Err(refuse("weight", at, value));
                    }
                    if let Some(at) = bias.iter().position(|value| !value.is_finite()) {
                        return Err(refuse("bias", at, bias[at]));
                    }
                    let affine = AffineInverse::new(weight, bias).map_err(|error| match error {
                        Error::Linalg(linalg::Error::Singular { pivot, rcond, .. }) => {
                            Error::Singular { layer, name: name(), pivot, rcond }
                        }
                        error => error,
                    })?;
                    conditions.push(affine.condition());
                    LayerInverse::Affine(affine)
                }
                View::Pointwise(activation) => match activation.inverse_domain() {
                    Some(range) => LayerInverse::Pointwise { activation, range },
                    None => return Err(Error::NotOneToOne { layer, name: name() }),
                },
                _ => return Err(Error::NoView { layer, name: name() }),
            });
        }
        Ok(Self { network, layers, conditions })
    }

    /// ‖W‖₁·‖W⁻¹‖₁ of each affine layer, first to last.
    #[must_use]
    pub fn conditions(&self) -> &[f64] {
        &self.conditions
    }

    /// The input whose output is `target`.
    ///
    /// # Errors
    /// As [`LayerwiseInverse::invert_many`].
    pub fn invert(&self, target: &DVector<T>) -> Result<Inversion<T>> {
        let target = DMatrix::from_column_slice(target.len(), 1, target.as_slice());
        let many = self.invert_many(&target)?;
        Ok(Inversion {
            input: many.inputs.column(0).into_owned(),
            residual: many.residuals[0],
            predicted_error: many.predicted_errors[0],
            error_bound: many.error_bounds[0],
            conditions: many.conditions,
        })
    }

    /// The inputs whose outputs are the columns of `targets`, outputs x targets.
    ///
    /// # Errors
    /// [`Error::TargetShape`], [`Error::TargetNotFinite`], and [`Error::OutOfRange`] for the first
    /// value that an activation, the last or one before it, cannot give.
    pub fn invert_many(&self, targets: &DMatrix<T>) -> Result<Inversions<T>> {
        self.check(targets)?;
        let count = targets.ncols();
        let mut value = targets.clone();
        let mut error = DMatrix::zeros(value.nrows(), count);
        let mut probes = probes(value.nrows(), count);
        let per_target = probes.ncols() / count;
        for (layer, step) in self.layers.iter().enumerate().rev() {
            match step {
                LayerInverse::Affine(affine) => {
                    let before = affine.solve(&value)?;
                    error = affine.bound(&value, &before, &error)?;
                    probes = affine.solve_difference(&probes)?;
                    value = before;
                }
                LayerInverse::Pointwise { activation, range } => {
                    let before = self.undo(layer, *activation, *range, &value)?;
                    error = pointwise_bound(*activation, &value, &before, &error);
                    for (column, mut probe) in probes.column_iter_mut().enumerate() {
                        let z = before.column(column / per_target);
                        probe.zip_apply(&z, |p, z| *p /= activation.slope(z));
                    }
                    value = before;
                }
            }
        }
        let residuals = self.residuals(&value, targets)?;
        let scale = T::EPSILON / (targets.nrows() as f64).sqrt();
        let predicted_errors = (0..count)
            .map(|column| {
                let size = probes.columns(column * per_target, per_target).norm().to_double();
                scale * size * targets.column(column).norm().to_double()
            })
            .collect();
        // A NaN (0 times infinity) bounds nothing either.
        let honest = |bound: f64| if bound.is_nan() { f64::INFINITY } else { bound };
        let error_bounds = error.column_iter().map(|e| honest(e.norm().to_double())).collect();
        Ok(Inversions {
            inputs: value,
            residuals,
            predicted_errors,
            error_bounds,
            conditions: self.conditions.clone(),
        })
    }

    fn check(&self, targets: &DMatrix<T>) -> Result<()> {
        let rows = self.network.outputs();
        let (found_rows, found_columns) = targets.shape();
        if found_rows != rows || found_columns == 0 {
            return Err(Error::TargetShape { found_rows, found_columns, rows });
        }
        match targets.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::TargetNotFinite {
                index: at % rows,
                sample: at / rows,
                value: targets[at].to_double(),
            }),
        }
    }

    /// f⁻¹ of every entry, refusing the first that is outside f's range.
    fn undo(
        &self,
        layer: usize,
        activation: &dyn Activation<T>,
        range: Interval,
        a: &DMatrix<T>,
    ) -> Result<DMatrix<T>> {
        let rows = a.nrows();
        let mut z = a.clone();
        for (at, value) in z.iter_mut().enumerate() {
            let Some(inverse) = activation.inverse(*value) else {
                let a = value.to_double();
                return Err(Error::OutOfRange {
                    layer,
                    name: self
                        .network
                        .layers()
                        .nth(layer)
                        .map_or_else(String::new, |l| l.describe()),
                    index: at % rows,
                    sample: at / rows,
                    value: a,
                    lower: range.lower,
                    upper: range.upper,
                    excess: range.excess(a),
                });
            };
            *value = inverse;
        }
        Ok(z)
    }

    fn residuals(&self, inputs: &DMatrix<T>, targets: &DMatrix<T>) -> Result<Vec<f64>> {
        if inputs.iter().any(|x| !x.is_finite()) {
            // An input that overflowed on the way back reproduces nothing.
            return Ok(vec![f64::INFINITY; targets.ncols()]);
        }
        let mut trace = Trace::new();
        self.network.forward(inputs, &mut trace)?;
        let difference = trace.output() - targets;
        Ok(difference.column_iter().map(|column| column.norm().to_double()).collect())
    }
}

/// A bound on |z − z₀| for z = f⁻¹(a), given one on |a − a₀|, where a₀ is f(z₀) as the forward pass
/// rounded it: f is monotone, so the ends of a's interval give the ends of z's. Taken to be correct
/// to 3 eps: f; to 4 eps: its inverse. Infinite where an end leaves f's range.
fn pointwise_bound<T: Real>(
    activation: &dyn Activation<T>,
    a: &DMatrix<T>,
    z: &DMatrix<T>,
    error: &DMatrix<T>,
) -> DMatrix<T> {
    let eps = |n: f64| T::from_double(n * T::EPSILON);
    a.zip_zip_map(z, error, |a, z, error| {
        let error = error + eps(3.0) * a.abs();
        let end = |a| match activation.inverse(a) {
            Some(end) => (end - z).abs() + eps(4.0) * (end.abs() + z.abs()),
            None => T::from_double(f64::INFINITY),
        };
        let (above, below) = (end(a + error), end(a - error));
        if above > below { above } else { below }
    })
}

/// For each target the same columns, so many that ∑‖J⁻¹·g‖² over them is ‖J⁻¹‖_F²: the unit vectors
/// where these are few, else [`PROBES`] columns of random signs, for which it holds in the mean.
pub(crate) fn probes<T: Real>(rows: usize, targets: usize) -> DMatrix<T> {
    if rows <= PROBES {
        return DMatrix::from_fn(rows, targets * rows, |row, column| {
            if row == column % rows { T::one() } else { T::zero() }
        });
    }
    let size = T::from_double(1.0 / (PROBES as f64).sqrt());
    DMatrix::from_fn(rows, targets * PROBES, |row, column| {
        // The finalizer of SplitMix64 (Steele, Lea & Flood 2014) scatters the index's bits; the same
        // signs in every run.
        let mut bits =
            ((row * PROBES + column % PROBES) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (bits ^ (bits >> 31)) & 1 == 0 { size } else { -size }
    })
}
