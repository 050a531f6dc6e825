//! The input sequence of a recurrent network from its output sequence.

use linalg::{DMatrix, DMatrixView, DVector, Real, Threads, gemm};
use nn_core::{Activation, Cell, Interval, Network, Recurrence, Steps, Trace, View};

use super::march::{SequenceFault, path};
use super::stepwise::{StepAffine, step_matrix};
use crate::arguments::batch;
use crate::pass::{PROBES, sign};
use crate::{Error, Result};

/// A network that maps a sequence to a sequence, step by step, ready to be inverted for many
/// targets.
///
/// Its layers are [`Recurrent`](nn_core::Recurrent) ones that give on all their states, activations,
/// and affine maps that are the same at every step (a convolution of kernel 1). An Elman layer
/// h ← tanh(U·x + W·h + b), read out as y = V·h + c, is undone without any search:
///
/// ```text
/// hₜ = V⁻¹·(yₜ − c)        xₜ = U⁻¹·(atanh hₜ − W·hₜ₋₁ − b)
/// ```
///
/// Both states on the right come from the outputs, none from an earlier answer: errors do not add up
/// along the sequence, and all steps of all targets are one solve. Where U or V is not square,
/// least squares or the shortest solution take the place of the inverse, and the residual says
/// whether that is an answer.
///
/// The gates of a GRU or an LSTM have no inverse in closed form. Their xₜ is searched step by step
/// from the state before, by Newton's method with the step's Jacobian, and by Levenberg's and
/// Marquardt's where that does not gain. Such a step may have several inputs, where some gate
/// saturates, and one near the start is taken. With a GRU any will do. An LSTM carries a c that its
/// outputs do not show and that follows from the inputs before: another input leaves another c, and may
/// lead where the next output cannot be had. Then the steps before are taken anew, up to ten searches
/// for every step of the sequence; [`SequenceInversion::reached`] says how far that led, and
/// [`SequenceInversion::fault`] why no farther.
///
/// **The wrong turn** is to forget the memory: U⁻¹·(atanh hₜ − b) is the input of a network that
/// starts anew at each step.
///
/// # Examples
/// One unit, h ← tanh(x + h), that has been at tanh 0.5 and then at tanh 0.25:
/// ```
/// use linalg::DVector;
/// use nn_core::{Network, Shape, Steps};
/// use nn_invert::SequenceInverse;
/// # use rand::SeedableRng;
/// # let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
///
/// let mut network =
///     Network::<f64>::builder(Shape::sequence(1, 2)).elman(1, Steps::All).build(&mut rng)?;
/// network.parameters_mut().copy_from_slice(&[1.0, 1.0, 0.0, 0.0]); // U, W, and two biases
/// let states = DVector::from_vec(vec![0.5_f64.tanh(), 0.25_f64.tanh()]);
///
/// let answer = SequenceInverse::new(&network)?.invert(&states)?;
/// assert!((answer.input[0] - 0.5).abs() < 1e-15);
/// assert!((answer.input[1] - (0.25 - 0.5_f64.tanh())).abs() < 1e-15);
/// assert_eq!(answer.reached, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SequenceInverse<'a, T: Real> {
    network: &'a Network<T>,
    times: usize,
    layers: Vec<StepInverse<'a, T>>,
    conditions: Vec<f64>,
}

#[derive(Debug, Clone)]
enum StepInverse<'a, T: Real> {
    Affine(StepAffine<T>),
    Pointwise { activation: &'a dyn Activation<T>, range: Interval },
    Elman { recurrence: Recurrence<'a, T>, input: StepAffine<T> },
    Gated(Recurrence<'a, T>),
}

/// The input sequence that gives an output sequence, and what it is worth.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct SequenceInversion<T: Real> {
    /// The input, features·steps entries, step by step; zero from step `reached` on.
    pub input: DVector<T>,
    /// Steps, from the first, whose input was found: all, unless the search through a GRU or an LSTM
    /// ended at one.
    pub reached: usize,
    /// Why no input was found for step `reached`, where that is not the end.
    pub fault: Option<SequenceFault>,
    /// ‖f(x) − y‖₂ over the steps reached, with f(x) computed anew.
    pub residual: f64,
    /// The error ‖x − x₀‖₂ to expect, as in
    /// [`Inversion::predicted_error`](crate::Inversion::predicted_error). None for GRU and LSTM, and
    /// where a layer is not square.
    pub predicted_error: Option<f64>,
    /// σ₁/σₙ of each matrix that was inverted, first to last.
    pub conditions: Vec<f64>,
    /// Iterations of the searches through a GRU or an LSTM, over all steps; 0 without one.
    pub iterations: usize,
}

impl<'a, T: Real> SequenceInverse<'a, T> {
    /// Factors what has to be inverted, once for all steps and targets.
    ///
    /// # Errors
    /// [`Error::NotStepwise`] for a layer that mixes steps or gives on the last state alone,
    /// [`Error::NotOneToOne`] for an activation without an inverse, [`Error::Singular`] for a matrix
    /// without one.
    pub fn new(network: &'a Network<T>) -> Result<Self> {
        let times = network.input().places();
        let mut layers = Vec::new();
        let mut conditions = Vec::new();
        for (layer, (view, about)) in network.views().zip(network.layers()).enumerate() {
            let name = || about.describe();
            let not_stepwise = || Error::NotStepwise { layer, name: name() };
            let named = |error| match error {
                Error::Linalg(linalg::Error::Singular { pivot, rcond, .. }) => {
                    Error::Singular { layer, name: name(), pivot, rcond }
                }
                error => error,
            };
            let shapes = (about.input(), about.output());
            layers.push(match view {
                View::Affine { linear, bias } => {
                    let (weight, bias) =
                        step_matrix(&linear, &bias, shapes)?.ok_or_else(not_stepwise)?;
                    let affine = StepAffine::new(weight, bias).map_err(named)?;
                    conditions.push(affine.condition());
                    StepInverse::Affine(affine)
                }
                View::Pointwise(activation) => match activation.inverse_domain() {
                    Some(range) => StepInverse::Pointwise { activation, range },
                    None => return Err(Error::NotOneToOne { layer, name: name() }),
                },
                View::Recurrent(recurrence) if recurrence.steps == Steps::All => {
                    match recurrence.cell {
                        Cell::Elman => {
                            let bias = recurrence.input_bias.iter().zip(recurrence.state_bias);
                            let bias = bias.map(|(&input, &state)| input + state);
                            let bias = DVector::from_iterator(recurrence.units(), bias);
                            let weight = recurrence.input_weight.into_owned();
                            let input = StepAffine::new(weight, bias).map_err(named)?;
                            conditions.push(input.condition());
                            StepInverse::Elman { recurrence, input }
                        }
                        _ => StepInverse::Gated(recurrence),
                    }
                }
                _ => return Err(not_stepwise()),
            });
        }
        Ok(Self { network, times, layers, conditions })
    }

    /// The input sequence whose outputs are `target`, outputs·steps entries, step by step.
    ///
    /// # Errors
    /// As [`SequenceInverse::invert_many`].
    pub fn invert(&self, target: &DVector<T>) -> Result<SequenceInversion<T>> {
        let targets = DMatrix::from_column_slice(target.len(), 1, target.as_slice());
        let mut all = self.invert_many(&targets)?;
        Ok(all.swap_remove(0))
    }

    /// The input sequences whose outputs are the columns of `targets`, as
    /// [`Network::predict`](nn_core::Network::predict) gives them.
    ///
    /// # Errors
    /// [`Error::Batch`], [`Error::NotFinite`], and [`Error::OutOfRange`] for the first
    /// value that an activation or an Elman layer cannot give. A step of a GRU or LSTM for which no
    /// input is found is no error: see [`SequenceInversion::reached`].
    pub fn invert_many(&self, targets: &DMatrix<T>) -> Result<Vec<SequenceInversion<T>>> {
        batch("target", targets, self.network.outputs())?;
        let (times, count) = (self.times, targets.ncols());
        let by_step = |data: &DMatrix<T>| {
            let rows = data.nrows() / times;
            DMatrix::from_column_slice(rows, times * data.ncols(), data.as_slice())
        };
        let mut value = by_step(targets);
        let signs = probes(targets.nrows(), count);
        let per_target = signs.ncols() / count;
        let mut probes = Some(by_step(&signs));
        let mut reached = vec![times; count];
        let mut faults = vec![None; count];
        let mut iterations = vec![0; count];
        for (layer, step) in self.layers.iter().enumerate().rev() {
            // Probe column p belongs to the value in column `at(p)`.
            let at = |p: usize| p / (times * per_target) * times + p % times;
            match step {
                StepInverse::Affine(affine) => {
                    for mut column in value.column_iter_mut() {
                        column -= &affine.bias;
                    }
                    value = affine.solve(&value)?;
                    probes = probes.map(|probes| affine.solve(&probes)).transpose()?;
                }
                StepInverse::Pointwise { activation, range } => {
                    self.undo(layer, *activation, *range, &reached, &mut value)?;
                    if let Some(probes) = &mut probes {
                        for (p, mut probe) in probes.column_iter_mut().enumerate() {
                            let z = value.column(at(p));
                            probe.zip_apply(&z, |p, z| *p /= activation.slope(z));
                        }
                    }
                }
                StepInverse::Elman { recurrence, input } => {
                    let h = value.clone();
                    let range = Interval { lower: -1.0, upper: 1.0 };
                    self.undo(layer, &nn_core::Tanh, range, &reached, &mut value)?;
                    for mut column in value.column_iter_mut() {
                        column -= &input.bias;
                    }
                    subtract_memory(recurrence.state_weight, &h, times, &mut value)?;
                    value = input.solve(&value)?;
                    if let Some(before) = &mut probes {
                        let outer = before.clone();
                        for (p, mut probe) in before.column_iter_mut().enumerate() {
                            let h = h.column(at(p));
                            probe.zip_apply(&h, |p, h| *p /= (T::one() - h) * (T::one() + h));
                        }
                        subtract_memory(recurrence.state_weight, &outer, times, before)?;
                        *before = input.solve(before)?;
                    }
                }
                StepInverse::Gated(recurrence) => {
                    probes = None;
                    let outer = value;
                    value = DMatrix::zeros(recurrence.features(), times * count);
                    for sample in 0..count {
                        let own = outer.columns(sample * times, reached[sample]);
                        let found = path(recurrence, own)?;
                        for (time, input) in found.inputs.iter().enumerate() {
                            value.set_column(sample * times + time, input);
                        }
                        reached[sample] = found.inputs.len();
                        iterations[sample] += found.iterations;
                        if let Some(end) = found.end {
                            faults[sample] = Some(end.fault(layer, recurrence));
                        }
                    }
                }
            }
        }
        let square = self.layers.iter().all(|layer| match layer {
            StepInverse::Affine(affine) | StepInverse::Elman { input: affine, .. } => {
                affine.is_square()
            }
            _ => true,
        });
        let scale = T::EPSILON / (targets.nrows() as f64).sqrt();
        let features = value.nrows();
        (0..count)
            .map(|sample| {
                let mut input = DVector::zeros(features * times);
                let known = features * reached[sample];
                let source = &value.as_slice()[sample * features * times..][..known];
                input.as_mut_slice()[..known].copy_from_slice(source);
                let target = targets.column(sample);
                let predicted_error = probes.as_ref().filter(|_| square).map(|probes| {
                    let own = probes.columns(sample * per_target * times, per_target * times);
                    scale * own.norm().to_double() * target.norm().to_double()
                });
                Ok(SequenceInversion {
                    residual: self.residual(&input, target.as_slice(), reached[sample])?,
                    input,
                    reached: reached[sample],
                    fault: faults[sample].take(),
                    predicted_error,
                    conditions: self.conditions.clone(),
                    iterations: iterations[sample],
                })
            })
            .collect()
    }

    /// f⁻¹ of every value at a step that was reached, refusing the first outside f's range; zero at
    /// the others.
    fn undo(
        &self,
        layer: usize,
        activation: &dyn Activation<T>,
        range: Interval,
        reached: &[usize],
        values: &mut DMatrix<T>,
    ) -> Result<()> {
        let rows = values.nrows();
        for (at, value) in values.iter_mut().enumerate() {
            let (column, row) = (at / rows, at % rows);
            let (sample, step) = (column / self.times, column % self.times);
            if step >= reached[sample] {
                *value = T::zero();
                continue;
            }
            let Some(inverse) = activation.inverse(*value) else {
                let value = value.to_double();
                let mut layers = self.network.layers();
                return Err(Error::OutOfRange {
                    layer,
                    name: layers.nth(layer).map_or_else(String::new, |layer| layer.describe()),
                    index: step * rows + row,
                    sample,
                    value,
                    lower: range.lower,
                    upper: range.upper,
                    excess: range.excess(value),
                });
            };
            *value = inverse;
        }
        Ok(())
    }

    fn residual(&self, input: &DVector<T>, target: &[T], reached: usize) -> Result<f64> {
        if input.iter().any(|x| !x.is_finite()) {
            // An input that overflowed on the way back reproduces nothing.
            return Ok(f64::INFINITY);
        }
        let mut trace = Trace::new();
        let input = DMatrix::from_column_slice(input.len(), 1, input.as_slice());
        self.network.forward(&input, &mut trace)?;
        let known = target.len() / self.times * reached;
        let output = trace.output();
        let squares = output.iter().zip(target).take(known).map(|(&p, &y)| {
            let off = (p - y).to_double();
            off * off
        });
        Ok(squares.sum::<f64>().sqrt())
    }
}

/// aₜ ← aₜ − W·hₜ₋₁ in every sequence of `times` columns, h₀ being 0.
fn subtract_memory<T: Real>(
    weight: DMatrixView<'_, T>,
    h: &DMatrix<T>,
    times: usize,
    a: &mut DMatrix<T>,
) -> Result<()> {
    let mut before = DMatrix::zeros(h.nrows(), h.ncols());
    for column in (0..h.ncols()).filter(|column| column % times != 0) {
        before.set_column(column, &h.column(column - 1));
    }
    Ok(gemm(-T::one(), weight, &before, T::one(), a.as_view_mut(), Threads::One)?)
}

/// For each target the same columns, so many that ∑‖J⁻¹·g‖² over them is ‖J⁻¹‖_F²: the unit vectors
/// where these are few, else [`PROBES`] columns of random signs, for which it holds in the mean.
fn probes<T: Real>(rows: usize, targets: usize) -> DMatrix<T> {
    if rows <= PROBES {
        return DMatrix::from_fn(rows, targets * rows, |row, column| {
            if row == column % rows { T::one() } else { T::zero() }
        });
    }
    let size = T::from_double(1.0 / (PROBES as f64).sqrt());
    DMatrix::from_fn(rows, targets * PROBES, |row, column| {
        if sign(row, column % PROBES, 0) { size } else { -size }
    })
}
