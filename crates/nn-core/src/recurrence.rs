//! A recurrent layer from outside: its weights, and one step at a time.

use linalg::{DMatrix, DMatrixView, DMatrixViewMut, DVector, Real, Threads, gemm};

use crate::cell::{Cell, unit};
use crate::check::size;
use crate::trace::zeros;
use crate::{Error, Result, Steps};

/// A recurrent layer with its parameters, as [`View::Recurrent`](crate::View::Recurrent) shows it.
///
/// It can be walked one step at a time, where the sequence is not known beforehand or has no end.
///
/// # Examples
/// One unit, h ← tanh(x + h), taken two steps:
/// ```
/// use linalg::DVector;
/// use nn_core::{Network, Shape, Steps, View};
/// # use rand::SeedableRng;
/// # let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
///
/// let mut network =
///     Network::<f64>::builder(Shape::sequence(1, 2)).elman(1, Steps::All).build(&mut rng)?;
/// network.parameters_mut().copy_from_slice(&[1.0, 1.0, 0.0, 0.0]); // weights, then biases
/// let Some(View::Recurrent(layer)) = network.views().next() else { unreachable!() };
///
/// let first = layer.step(&DVector::from_element(1, 0.5), &layer.start())?;
/// let second = layer.step(&DVector::zeros(1), &first.state)?;
/// assert!((second.state.h[0] - 0.43181).abs() < 5e-6); // tanh tanh 0.5
/// assert!((second.by_input[0] - (1.0 - 0.43181 * 0.43181)).abs() < 1e-5);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Recurrence<'a, T: Real> {
    /// Its equations, and the order of its gates.
    pub cell: Cell,
    /// `weight_ih`, gates·units x features.
    pub input_weight: DMatrixView<'a, T>,
    /// `weight_hh`, gates·units x units.
    pub state_weight: DMatrixView<'a, T>,
    /// `bias_ih`.
    pub input_bias: &'a [T],
    /// `bias_hh`; that of a GRU's last gate stands inside r∘(…).
    pub state_bias: &'a [T],
    /// Steps in the sequence that the layer takes.
    pub times: usize,
    /// Which states it gives on.
    pub steps: Steps,
}

/// What a recurrent layer carries from one step to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct State<T: Real> {
    /// h, which is also the output.
    pub h: DVector<T>,
    /// c of an LSTM; empty for other cells.
    pub c: DVector<T>,
}

/// A step: the new state, and how its h moves with what came in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Step<T: Real> {
    /// The state after it.
    pub state: State<T>,
    /// ∂h/∂x, units x features.
    pub by_input: DMatrix<T>,
    /// ∂h/∂h₋, units x units, at fixed c₋.
    pub by_state: DMatrix<T>,
}

impl<T: Real> Recurrence<'_, T> {
    /// Entries of x.
    #[must_use]
    pub fn features(&self) -> usize {
        self.input_weight.ncols()
    }

    /// Entries of h.
    #[must_use]
    pub fn units(&self) -> usize {
        self.state_weight.ncols()
    }

    /// The state before the first step: zeros.
    #[must_use]
    pub fn start(&self) -> State<T> {
        let units = self.units();
        let carried = if self.cell == Cell::Lstm { units } else { 0 };
        State { h: DVector::zeros(units), c: DVector::zeros(carried) }
    }

    /// One step from `state` with the input `x`.
    ///
    /// # Errors
    /// [`Error::Size`] and [`Error::NotFinite`] for an `x` or a `state` that does not fit.
    pub fn step(&self, x: &DVector<T>, state: &State<T>) -> Result<Step<T>> {
        let (units, gates) = (self.units(), self.cell.gates());
        vector("x", x, self.features())?;
        vector("state.h", &state.h, units)?;
        vector("state.c", &state.c, self.start().c.len())?;
        let mut a = self.input_bias.to_vec();
        add_product(self.input_weight, x, &mut a)?;
        let mut u = self.state_bias.to_vec();
        add_product(self.state_weight, &state.h, &mut u)?;
        let mut kept = zeros(self.cell.kept() * units);
        let mut h = state.h.clone();
        let carry = (self.cell == Cell::Lstm).then_some(state.c.as_slice());
        self.cell.step(&mut a, &u, carry, &mut kept, h.as_mut_slice());

        let mut by_input = DMatrix::zeros(units, self.features());
        let mut by_state = DMatrix::zeros(units, units);
        for k in 0..units {
            let unit = unit(self.cell, &kept, state.h.as_slice(), carry, k);
            let pulled = self.cell.pull_back(&unit, T::one(), T::zero());
            for gate in 0..gates {
                let row = gate * units + k;
                let slope = pulled.input[gate];
                by_input.row_mut(k).zip_apply(&self.input_weight.row(row), |j, w| *j += slope * w);
                let slope = if gate + 1 == gates { pulled.inner } else { slope };
                by_state.row_mut(k).zip_apply(&self.state_weight.row(row), |j, w| *j += slope * w);
            }
            by_state[(k, k)] += pulled.before;
        }
        let c = match self.cell {
            Cell::Lstm => DVector::from_column_slice(&kept[4 * units..5 * units]),
            _ => DVector::zeros(0),
        };
        Ok(Step { state: State { h, c }, by_input, by_state })
    }
}

/// y ← y + A·x.
fn add_product<T: Real>(a: DMatrixView<'_, T>, x: &DVector<T>, y: &mut [T]) -> Result<()> {
    let x = DMatrixView::from_slice(x.as_slice(), x.len(), 1);
    let y = DMatrixViewMut::from_slice(y, a.nrows(), 1);
    Ok(gemm(T::one(), a, x, T::one(), y, Threads::One)?)
}

/// Refuses a vector of the wrong length, or one with a NaN or an infinity.
fn vector<T: Real>(argument: &'static str, x: &DVector<T>, expected: usize) -> Result<()> {
    size(argument, "entries", x.len(), expected)?;
    match x.iter().position(|entry| !entry.is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { argument, row, column: 0, value: x[row].to_double() }),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::{Initializer, Network, NetworkBuilder, Shape, View};

    const UNITS: usize = 4;
    const TIMES: usize = 6;

    fn networks() -> Vec<Network<f64>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let start =
            || Network::builder(Shape::sequence(3, TIMES)).initializer(Initializer::PyTorch);
        let all: [fn(NetworkBuilder<f64>) -> NetworkBuilder<f64>; 3] = [
            |builder| builder.elman(UNITS, Steps::All),
            |builder| builder.gru(UNITS, Steps::All),
            |builder| builder.lstm(UNITS, Steps::All),
        ];
        all.iter().map(|add| add(start()).build(&mut rng).unwrap()).collect()
    }

    fn view(network: &Network<f64>) -> Recurrence<'_, f64> {
        match network.views().next() {
            Some(View::Recurrent(recurrence)) => recurrence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn step_by_step_it_is_the_layer() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        for network in networks() {
            let layer = view(&network);
            let x = DMatrix::from_fn(3 * TIMES, 1, |_, _| rng.random_range(-2.0..2.0));
            let y = network.predict(&x).unwrap();
            let mut state = layer.start();
            for time in 0..TIMES {
                let x = DVector::from_column_slice(&x.as_slice()[3 * time..][..3]);
                state = layer.step(&x, &state).unwrap().state;
                let expected = DVector::from_column_slice(&y.as_slice()[UNITS * time..][..UNITS]);
                // The same sums in another order: a few eps of numbers below 10.
                let off = (&state.h - expected).amax();
                assert!(off <= 64.0 * f64::EPSILON, "{:?}, step {time}: {off:e}", layer.cell);
            }
        }
    }

    #[test]
    fn the_jacobians_are_those_of_differences() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut draw = |n| DVector::from_fn(n, |_, _| rng.random_range(-0.9..0.9));
        for network in networks() {
            let layer = view(&network);
            let (x, h, c) = (draw(3), draw(UNITS), draw(layer.start().c.len()));
            let state = State { h, c };
            let step = layer.step(&x, &state).unwrap();
            // Central differences are good to about eps^(2/3).
            let (delta, limit) = (f64::EPSILON.cbrt(), 50.0 * f64::EPSILON.cbrt().powi(2));
            for j in 0..3 {
                let at = |sign: f64| {
                    let mut x = x.clone();
                    x[j] += sign * delta;
                    layer.step(&x, &state).unwrap().state.h
                };
                let column = (at(1.0) - at(-1.0)) / (2.0 * delta);
                assert!((column - step.by_input.column(j)).amax() <= limit, "{:?}", layer.cell);
            }
            for j in 0..UNITS {
                let at = |sign: f64| {
                    let mut state = state.clone();
                    state.h[j] += sign * delta;
                    layer.step(&x, &state).unwrap().state.h
                };
                let column = (at(1.0) - at(-1.0)) / (2.0 * delta);
                assert!((column - step.by_state.column(j)).amax() <= limit, "{:?}", layer.cell);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let network = &networks()[2];
        let layer = view(network);
        let text =
            |x: &DVector<f64>, state: &State<f64>| layer.step(x, state).unwrap_err().to_string();
        let (x, state) = (DVector::zeros(3), layer.start());
        assert_eq!(text(&DVector::zeros(2), &state), "x has 2 entries, expected 3");
        let short = State { c: DVector::zeros(0), ..state.clone() };
        assert_eq!(text(&x, &short), "state.c has 0 entries, expected 4");
        let mut bad = state;
        bad.h[1] = f64::NAN;
        assert_eq!(text(&x, &bad), "state.h[1, 0] is NaN, and every entry must be finite");
    }
}
