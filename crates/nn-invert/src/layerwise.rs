//! The inverse of a chain, one layer at a time, last to first.

use linalg::parallel::inside;
use linalg::{DMatrix, DVector, Real, Threads};
use nn_core::Network;

use crate::affine::AffineInverse;
use crate::answer::{Inversion, Inversions, LayerReport};
use crate::arguments::batch;
use crate::chain::{Chain, Function, Kind, Weight, finite_weight};
use crate::options::LayerwiseOptions;
use crate::pass::{Pass, sign};
use crate::undo::Undo;
use crate::{Error, Map, Result};

/// A network or chain made ready to be undone layer by layer, for many targets.
///
/// Undoing z = W·h + b gives h = W⁻¹·(z − b): the bias comes off first. Undoing a = f(z) gives
/// z = f⁻¹(a) for a in f's range. What is not square, not one to one or not within range:
///
/// - *A wide matrix* has many h. The shortest is taken; where the activation before cannot give it,
///   the one nearest to the middle of what it can give ([`nearest_in_box`](crate::nearest_in_box)).
/// - *A tall matrix* has one h or none; whether z is one of those that it gives is checked.
/// - *A ReLU*, with [`Folds::Rising`](crate::Folds), gives a set for 0: z ≤ 0, among which the layer
///   before chooses.
/// - *A softmax* gives ln p up to a constant; the one with the sum 0 is taken.
/// - *A matrix known by its products* is undone by its structure or by iteration.
///
/// This is exact for widths that do not increase and then do not decrease. Where widths increase and
/// later decrease, what a wide layer chooses need not be what a tall one before it can give: then the
/// answer is no inverse and no least-squares solution either, but a start for a polish. The answer
/// says so: see [`Inversion::fault`] and [`Inversion::residual`].
///
/// Cost for n units, dense: n³/3 multiply-adds and n² numbers for each affine layer, once, and six
/// times that with [`Evidence::Bound`](crate::Evidence); then n² for each target and layer, nine
/// times that with an estimate of the error.
///
/// # Examples
/// One layer by hand: W = [[2, 1], [1, 3]], b = (1, 0), and the target (5, 5): W⁻¹·(4, 5) = (7/5, 6/5).
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
/// A sparse chain of 100,000 units:
/// ```
/// use linalg::{Csr, DVector};
/// use nn_core::Tanh;
/// use nn_invert::{Chain, Evidence, LayerwiseInverse, LayerwiseOptions, Map, Undone};
///
/// let n = 100_000;
/// let mut entries: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
/// entries.extend((1..n).map(|i| (i, i - 1, -1.0)));
/// let weight = Csr::from_triplets(n, n, &entries)?;
/// let chain = Chain::new(n).operator(weight, vec![0.5; n])?.activation(Tanh);
/// let x = DVector::from_fn(n, |i, _| (i as f64).sin());
/// let y = chain.value(&x)?;
///
/// let options = LayerwiseOptions::default().evidence(Evidence::Residual);
/// let inverse = LayerwiseInverse::with_options(chain, options)?;
/// let answer = inverse.invert(&y)?;
/// assert!(answer.residual <= 1e-9 * y.norm());
/// assert!((answer.input - &x).norm() <= 1e-8 * x.norm());
/// assert_eq!(inverse.layers()[0].undone, Undone::Iteration);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LayerwiseInverse<'a, T: Real> {
    pub(crate) chain: Chain<'a, T>,
    pub(crate) steps: Vec<Step<'a, T>>,
    pub(crate) options: LayerwiseOptions,
}

/// A link, made ready.
#[derive(Debug)]
pub(crate) enum Step<'a, T: Real> {
    Affine(Box<AffineInverse<'a, T>>),
    Pointwise { activation: Function<'a, T>, undo: Undo },
    Softmax { channels: usize },
}

impl<'a, T: Real> LayerwiseInverse<'a, T> {
    /// Makes the layers of `network` ready, with all evidence and all refusals.
    ///
    /// # Errors
    /// As [`Chain::of`] and [`LayerwiseInverse::with_options`].
    pub fn new(network: &'a Network<T>) -> Result<Self> {
        Self::with_options(Chain::of(network)?, LayerwiseOptions::default())
    }

    /// Makes the links of `chain` ready.
    ///
    /// # Errors
    /// Naming the layer: [`Error::Singular`] for a square matrix without inverse,
    /// [`Error::NotOneToOne`] for an activation that takes values twice (ReLU, sin),
    /// [`Error::TooLarge`] where the factors would take more than
    /// [`LayerwiseOptions::memory`], before anything is allocated; [`Error::Parameter`] for a NaN or an
    /// infinity in a matrix. [`Error::Argument`] for an option out of range.
    pub fn with_options(chain: Chain<'a, T>, options: LayerwiseOptions) -> Result<Self> {
        options.check()?;
        guard(&chain, &options)?;
        let mut steps = Vec::with_capacity(chain.links.len());
        for (layer, link) in chain.links.iter().enumerate() {
            steps.push(match &link.kind {
                Kind::Affine { weight, bias } => {
                    let place = (layer, link.name.as_str());
                    if let Weight::Dense(weight) = weight {
                        finite_weight(layer, &link.name, *weight)?;
                    }
                    let affine = AffineInverse::new(place, weight.clone(), bias.clone(), &options)?;
                    Step::Affine(Box::new(affine))
                }
                Kind::Pointwise(activation) => match Undo::new(activation.get(), options.folds) {
                    Some(undo) => Step::Pointwise { activation: activation.clone(), undo },
                    None => return Err(Error::NotOneToOne { layer, name: link.name.clone() }),
                },
                Kind::Softmax { channels } => Step::Softmax { channels: *channels },
            });
        }
        let chain = chain.threads(options.threads);
        Ok(Self { chain, steps, options })
    }

    /// The condition of each affine layer, first to last, see [`Inversion::conditions`].
    #[must_use]
    pub fn conditions(&self) -> Vec<f64> {
        self.layers().iter().map(|report| report.condition).collect()
    }

    /// How each affine layer is undone, first to last.
    #[must_use]
    pub fn layers(&self) -> Vec<LayerReport> {
        let reports = self.steps.iter().zip(&self.chain.links).enumerate();
        reports
            .filter_map(|(layer, (step, link))| {
                let Step::Affine(affine) = step else { return None };
                Some(LayerReport {
                    layer,
                    name: link.name.clone(),
                    undone: affine.undone(),
                    outputs: affine.weight.nrows(),
                    inputs: affine.weight.ncols(),
                    condition: affine.condition(),
                    rank: affine.rank().map(|(rank, _)| rank),
                    gap: affine.rank().map(|(_, gap)| gap),
                })
            })
            .collect()
    }

    /// The input whose output is `target`.
    ///
    /// # Errors
    /// As [`LayerwiseInverse::invert_many`].
    pub fn invert(&self, target: &DVector<T>) -> Result<Inversion<T>> {
        let target = DMatrix::from_column_slice(target.len(), 1, target.as_slice());
        let mut many = self.invert_many(&target)?;
        Ok(Inversion {
            input: many.inputs.column(0).into_owned(),
            residual: many.residuals[0],
            predicted_error: many.predicted_errors[0],
            error_bound: many.error_bounds[0],
            conditions: many.conditions,
            fault: many.faults.swap_remove(0),
            iterations: many.iterations[0],
        })
    }

    /// The inputs whose outputs are the columns of `targets`, outputs x targets.
    ///
    /// # Errors
    /// [`Error::Batch`], [`Error::NotFinite`]. With
    /// [`Outside::Refuse`](crate::Outside): [`Error::OutOfRange`] for the first value that an
    /// activation, the last or one before it, cannot give, [`Error::Unreachable`] where a matrix
    /// cannot give what is asked of it.
    pub fn invert_many(&self, targets: &DMatrix<T>) -> Result<Inversions<T>> {
        batch("target", targets, self.chain.outputs())?;
        match self.options.threads {
            Threads::One => self.undo_all(targets),
            Threads::Pool => inside(|| self.undo_all(targets)),
        }
    }

    fn undo_all(&self, targets: &DMatrix<T>) -> Result<Inversions<T>> {
        let mut pass = Pass::new(self, targets);
        for layer in (0..self.steps.len()).rev() {
            pass.undo(layer)?;
        }
        pass.finish(targets)
    }

    /// By how much the relative error of `target` grows on the way to the input, observed: √eps of
    /// each entry is added with a pseudo-random sign, and the input found anew.
    ///
    /// ```text
    /// (‖x′ − x‖₂/‖x‖₂) / (‖y′ − y‖₂/‖y‖₂)
    /// ```
    ///
    /// To be held against [`Inversion::amplification`], which also counts the roundings of hidden values
    /// and so is the larger, mostly.
    ///
    /// # Errors
    /// As [`LayerwiseInverse::invert_many`], for a moved target too.
    pub fn observed_amplification(&self, target: &DVector<T>) -> Result<f64> {
        let step = T::from_double(T::EPSILON.sqrt());
        let mut pair = DMatrix::from_fn(target.len(), 2, |row, _| target[row]);
        for (row, y) in pair.column_mut(1).iter_mut().enumerate() {
            *y += *y * if sign(row, 0, 0) { step } else { -step };
        }
        let inputs = self.invert_many(&pair)?.inputs;
        let relative = |values: &DMatrix<T>| {
            (values.column(1) - values.column(0)).norm().to_double()
                / values.column(0).norm().to_double()
        };
        Ok(relative(&inputs) / relative(&pair))
    }
}

/// Refuses factors that would take more memory than is allowed, before any is taken.
fn guard<T: Real>(chain: &Chain<'_, T>, options: &LayerwiseOptions) -> Result<()> {
    let mut held = 0.0;
    for (layer, link) in chain.links.iter().enumerate() {
        if let Kind::Affine { weight: Weight::Dense(weight), .. } = &link.kind {
            let (rows, columns) = weight.shape();
            let (kept, besides) = AffineInverse::<T>::bytes(rows, columns, options);
            held += kept;
            if held + besides > options.memory {
                return Err(Error::TooLarge {
                    layer,
                    name: link.name.clone(),
                    bytes: held + besides,
                    limit: options.memory,
                });
            }
        }
    }
    Ok(())
}
