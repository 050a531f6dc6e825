//! The states that an Elman layer has been through, from its last one.

use linalg::{DMatrix, DVector, Lu, Real, product};
use nn_core::{Activation, Cell, Recurrence, Tanh};

use crate::arguments::{finite, size, within};
use crate::{Error, Result};

/// The states before a given one, and how far back they can be known.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct History<T: Real> {
    /// Column k is the state k + 1 steps before the given one, units x steps gone back.
    pub states: DMatrix<T>,
    /// The error to expect in a unit of each, ‖h − h₀‖₂/√units; at most the tolerance.
    pub predicted_errors: Vec<f64>,
    /// Why it goes back no further.
    pub stop: HistoryStop,
}

/// Why a history goes back no further.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum HistoryStop {
    /// All inputs are used up: the last column is the state before the first of them.
    Start,
    /// One step further the error to expect exceeds the tolerance.
    Horizon {
        /// That error.
        predicted_error: f64,
    },
    /// The state there is not within (−1, 1), so that no step led to it: the inputs or the given state
    /// are not those of this layer.
    OutOfRange {
        /// The unit.
        unit: usize,
        /// Its value.
        value: f64,
    },
}

/// Goes back from `last`, the state after the `inputs` x₁, x₂, … (features x steps), to the
/// states before, as long as the error to expect in a unit, which lies in (−1, 1), stays within `tolerance`.
///
/// ```text
/// hₜ₋₁ = W⁻¹·(atanh hₜ − U·xₜ − b)
/// ```
///
/// Each step back multiplies errors by (D·W)⁻¹, D = diag(1 − hₜ²): what a layer forgets on the way
/// forward cannot be had on the way back. With orthogonal W an error grows by e^0.5 a step or so, with
/// a random one of the same size by e^2.3, and then double precision is used up after 13 steps. The
/// error is predicted along the way, by carrying the rounding of every step through the steps before
/// it, and the walk ends before it exceeds `tolerance`.
///
/// **The wrong turn** is to look at the residual: stepped forward again, a state that has lost all its
/// digits leads to `last` in every digit.
///
/// # Errors
/// [`Error::NotElman`] for another cell, [`Error::Singular`] for a W without inverse, and
/// [`Error::Network`] for arguments that do not fit, are not finite, or a tolerance not in (0, 1].
///
/// # Examples
/// One unit, h ← tanh(x + 2·h), from 0 by the inputs 0.5 and 0:
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_core::{Network, Shape, Steps, View};
/// use nn_invert::{HistoryStop, recover_states};
/// # use rand::SeedableRng;
/// # let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
///
/// let mut network =
///     Network::<f64>::builder(Shape::sequence(1, 2)).elman(1, Steps::Last).build(&mut rng)?;
/// network.parameters_mut().copy_from_slice(&[1.0, 2.0, 0.0, 0.0]);
/// let Some(View::Recurrent(layer)) = network.views().next() else { unreachable!() };
/// let last = DVector::from_element(1, (2.0 * 0.5_f64.tanh()).tanh());
///
/// let history = recover_states(&layer, &DMatrix::from_row_slice(1, 2, &[0.5, 0.0]), &last, 1e-6)?;
/// assert!((history.states[0] - 0.5_f64.tanh()).abs() < 1e-14);
/// assert!(history.predicted_errors[0] < 1e-14);
/// # let _ = HistoryStop::Start;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recover_states<T: Real>(
    layer: &Recurrence<'_, T>,
    inputs: &DMatrix<T>,
    last: &DVector<T>,
    tolerance: f64,
) -> Result<History<T>> {
    if layer.cell != Cell::Elman {
        return Err(Error::NotElman { cell: layer.cell });
    }
    let (units, steps) = (layer.units(), inputs.ncols());
    size("inputs", "rows", inputs.nrows(), layer.features())?;
    size("last", "entries", last.len(), units)?;
    finite("inputs", inputs.as_slice(), inputs.nrows())?;
    finite("last", last.as_slice(), units)?;
    within("tolerance", tolerance, tolerance > 0.0 && tolerance <= 1.0, "0 < tolerance <= 1")?;
    let weight = layer.state_weight.into_owned();
    let lu = Lu::new(weight.clone())?;
    let bias = DVector::from_fn(units, |i, _| layer.input_bias[i] + layer.state_bias[i]);
    let from_inputs = product(layer.input_weight, inputs)?;
    let squares = |matrix: &DMatrix<T>| matrix.component_mul(matrix);
    let (weight_squares, input_squares) =
        (squares(&weight), squares(&layer.input_weight.into_owned()));

    let mut noise = Noise(0);
    let eps = T::from_double(T::EPSILON);
    let mut h = last.clone();
    let mut errors = noise.next(&h.map(|h| eps * h));
    let mut history = History {
        states: DMatrix::zeros(units, 0),
        predicted_errors: vec![],
        stop: HistoryStop::Start,
    };
    let mut states = Vec::new();
    for time in (0..steps).rev() {
        let mut a = h.clone();
        for (unit, a) in a.iter_mut().enumerate() {
            let Some(inverse) = Tanh.inverse(*a) else {
                let stop = HistoryStop::OutOfRange { unit, value: a.to_double() };
                history.stop = stop;
                return Ok(finished(history, &states, units));
            };
            *a = inverse;
        }
        let before = lu.solve(&(&a - from_inputs.column(time) - &bias))?;
        for mut column in errors.column_iter_mut() {
            column.zip_apply(&h, |e, h| *e /= (T::one() - h) * (T::one() + h));
        }
        // What the sums on the way forward and those here were rounded by: eps of each term.
        let x = inputs.column(time).component_mul(&inputs.column(time));
        let terms = &weight_squares * before.component_mul(&before)
            + &input_squares * x
            + bias.component_mul(&bias)
            + a.component_mul(&a);
        errors += noise.next(&terms.map(|sum| eps * sum.sqrt()));
        errors = lu.solve_many(&errors)?;
        // The state there was rounded too.
        errors += noise.next(&before.map(|h| eps * h));
        let predicted_error = errors.norm().to_double() / (units as f64).sqrt();
        if !(predicted_error <= tolerance) {
            history.stop = HistoryStop::Horizon { predicted_error };
            break;
        }
        history.predicted_errors.push(predicted_error);
        states.push(before.clone());
        h = before;
    }
    Ok(finished(history, &states, units))
}

fn finished<T: Real>(history: History<T>, states: &[DVector<T>], units: usize) -> History<T> {
    let states = DMatrix::from_fn(units, states.len(), |unit, step| states[step][unit]);
    History { states, ..history }
}

/// Columns of errors to carry along.
const PROBES: usize = 8;

/// Errors of given sizes and random signs, the same in every run: the state of a linear congruential
/// generator (Knuth's MMIX).
struct Noise(u64);

impl Noise {
    /// Columns whose squares sum up to the square of each size.
    fn next<T: Real>(&mut self, sizes: &DVector<T>) -> DMatrix<T> {
        let share = T::from_double(1.0 / (PROBES as f64).sqrt());
        DMatrix::from_fn(sizes.len(), PROBES, |row, _| {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let size = sizes[row] * share;
            if self.0 >> 63 == 0 { size } else { -size }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_sizes_and_signs_that_know_nothing_of_each_other() {
        let mut noise = Noise(0);
        let sizes = DVector::from_fn(100, |i, _| (i + 1) as f64);
        let (mut same, mut before) = (0.0, noise.next(&sizes));
        for _ in 0..50 {
            let next = noise.next(&sizes);
            for (row, size) in sizes.iter().enumerate() {
                // Eight squares, each rounded twice or so.
                let square = next.row(row).norm_squared();
                assert!((square / (size * size) - 1.0).abs() <= 16.0 * f64::EPSILON);
                same += next.row(row).dot(&before.row(row)) / (size * size);
            }
            before = next;
        }
        // 40,000 products of ±⅛: 25 is the standard deviation, and nothing is beyond five of it.
        assert!(same.abs() <= 125.0, "{same}");
    }
}
