//! Recurrent layers: Elman, GRU, LSTM, with backpropagation through time.

use linalg::{DMatrixView, DMatrixViewMut, Operand, Real, Threads, gemm, transpose};
use rand::Rng;

use crate::cell::{Cell, Unit, unit};
use crate::dual::{Dual, duals};
use crate::trace::zeros;
use crate::{
    Backward, BackwardTangent, Block, Forward, Initializer, Layer, Memory, Recurrence, Result,
    Shape, Tangent, Tensor, TensorOf, View,
};

/// Which states a recurrent layer gives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// The state after every step: a sequence.
    All,
    /// The state after the last step.
    Last,
}

/// A layer that walks along a sequence, x₁, x₂, …, with a state h that starts at 0.
///
/// ```text
/// Elman   h ← tanh(W_ih·x + b_ih + W_hh·h + b_hh)
///
/// GRU     r = σ(W_ir·x + b_ir + W_hr·h + b_hr)         z = σ(W_iz·x + b_iz + W_hz·h + b_hz)
///         n = tanh(W_in·x + b_in + r∘(W_hn·h + b_hn))  h ← (1 − z)∘n + z∘h
///
/// LSTM    i, f, o = σ(…), g = tanh(…)                  c ← f∘c + i∘g, h ← o∘tanh c
/// ```
///
/// Parameters as PyTorch's `RNN`, `GRU` and `LSTM` have them, so that files map one to one:
/// `weight_ih`, gates·units x features, `weight_hh`, gates·units x units, and two biases, `bias_ih` and
/// `bias_hh`; the gates stand one below the other in the order r, z, n, or i, f, g, o. Initializers
/// take each gate's matrix on its own; the biases start at 0. With
/// [`Initializer::PyTorch`] all are uniform on ±1/√units, as there.
///
/// The gradient goes back through all steps (backpropagation through time). The part of the products
/// that does not wait for h is one product over all steps and samples.
///
/// # References
/// Elman, "Finding structure in time", Cognitive Science 14, 1990; Cho et al., "Learning phrase
/// representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014 (PyTorch
/// applies r after the product); Hochreiter & Schmidhuber, "Long short-term memory", Neural
/// Computation 9, 1997, with the forget gate of Gers, Schmidhuber & Cummins, 2000.
///
/// # Examples
/// One unit that adds up what it sees, squashed: h ← tanh(x + h).
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Network, Shape, Steps};
/// # use rand::SeedableRng;
/// # let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(1);
///
/// let mut network =
///     Network::<f64>::builder(Shape::sequence(1, 3)).elman(1, Steps::All).build(&mut rng)?;
/// network.parameters_mut().copy_from_slice(&[1.0, 1.0, 0.0, 0.0]); // weights, then biases
/// let h = network.predict(&DMatrix::from_column_slice(3, 1, &[0.5, 0.0, -0.5]))?;
/// assert!((h[0] - 0.46212).abs() < 5e-6); // tanh 0.5
/// assert!((h[1] - 0.43181).abs() < 5e-6); // tanh tanh 0.5
/// assert!((h[2] + 0.06809).abs() < 5e-6);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Recurrent {
    cell: Cell,
    input: Shape,
    units: usize,
    steps: Steps,
    initializer: Initializer,
}

impl Recurrent {
    /// An Elman layer of `units`; the places of `input` are the steps.
    #[must_use]
    pub fn elman(input: impl Into<Shape>, units: usize, steps: Steps, init: Initializer) -> Self {
        Self { cell: Cell::Elman, input: input.into(), units, steps, initializer: init }
    }

    /// A layer of gated recurrent units.
    #[must_use]
    pub fn gru(input: impl Into<Shape>, units: usize, steps: Steps, init: Initializer) -> Self {
        Self { cell: Cell::Gru, input: input.into(), units, steps, initializer: init }
    }

    /// A layer of long short-term memory.
    #[must_use]
    pub fn lstm(input: impl Into<Shape>, units: usize, steps: Steps, init: Initializer) -> Self {
        Self { cell: Cell::Lstm, input: input.into(), units, steps, initializer: init }
    }

    fn features(&self) -> usize {
        self.input.channels
    }

    fn times(&self) -> usize {
        self.input.places()
    }

    /// Rows of the pre-activations.
    fn rows(&self) -> usize {
        self.cell.gates() * self.units
    }

    fn parts<'a, T>(&self, parameters: &'a [T]) -> Parameters<&'a [T]> {
        let rows = self.rows();
        let (input, rest) = parameters.split_at(rows * self.features());
        let (state, rest) = rest.split_at(rows * self.units);
        let (input_bias, state_bias) = rest.split_at(rows);
        Parameters { input, state, input_bias, state_bias }
    }

    fn parts_mut<'a, T>(&self, parameters: &'a mut [T]) -> Parameters<&'a mut [T]> {
        let rows = self.rows();
        let (input, rest) = parameters.split_at_mut(rows * self.features());
        let (state, rest) = rest.split_at_mut(rows * self.units);
        let (input_bias, state_bias) = rest.split_at_mut(rows);
        Parameters { input, state, input_bias, state_bias }
    }

    /// The weights of the input as a matrix.
    fn input_weight<'a, T: Real>(&self, weight: &'a [T]) -> DMatrixView<'a, T> {
        DMatrixView::from_slice(weight, self.rows(), self.features())
    }

    /// The weights of the state as a matrix.
    fn state_weight<'a, T: Real>(&self, weight: &'a [T]) -> DMatrixView<'a, T> {
        DMatrixView::from_slice(weight, self.rows(), self.units)
    }

    /// The columns of step `time` in a matrix with a column for every step of every sample, sample by
    /// sample.
    fn step<'a, T: Real>(
        &self,
        data: &'a [T],
        rows: usize,
        time: usize,
        samples: usize,
    ) -> Result<Operand<'a, T>> {
        let stride = rows * self.times();
        Ok(Operand::from_slice(&data[time * rows..], rows, samples, stride)?)
    }

    /// What the record holds: per step and sample, what the cell keeps, and the state before.
    fn record<'a, T>(&self, record: &'a [T], samples: usize) -> (&'a [T], &'a [T]) {
        let columns = self.times() * samples;
        let (kept, rest) = record.split_at(self.cell.kept() * self.units * columns);
        (kept, &rest[..self.units * columns])
    }

    /// Within the kept values of one step and sample, c.
    fn carry<'a, N>(&self, kept: &'a [N], column: usize) -> Option<&'a [N]> {
        let units = self.units;
        (self.cell == Cell::Lstm && !column.is_multiple_of(self.times()))
            .then(|| &kept[(column - 1) * self.cell.kept() * units + 4 * units..][..units])
    }

    /// dL/dh of step `time` of `sample` that comes from y and not from later steps.
    fn output_gradient<'a, N>(&self, dy: &'a [N], sample: usize, time: usize) -> Option<&'a [N]> {
        let units = self.units;
        match self.steps {
            Steps::All => Some(&dy[(sample * self.times() + time) * units..][..units]),
            Steps::Last => (time + 1 == self.times()).then(|| &dy[sample * units..][..units]),
        }
    }

    /// The unit `k` at `column`, a step of a sample.
    fn unit<N: crate::dual::Number>(
        &self,
        kept: &[N],
        before: &[N],
        column: usize,
        k: usize,
    ) -> Unit<N> {
        let own = self.cell.kept() * self.units;
        unit(
            self.cell,
            &kept[column * own..][..own],
            &before[column * self.units..][..self.units],
            self.carry(kept, column),
            k,
        )
    }
}

/// The four blocks of parameters.
struct Parameters<S> {
    input: S,
    state: S,
    input_bias: S,
    state_bias: S,
}

/// c ← a·b + beta·c.
fn multiply<'a, 'b, T: Real>(
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'b, T>>,
    beta: T,
    c: &mut [T],
) -> Result<()> {
    let (a, b) = (a.into(), b.into());
    let (rows, columns) = (a.shape().0, b.shape().1);
    let c = DMatrixViewMut::from_slice(c, rows, columns);
    Ok(gemm(T::one(), a, b, beta, c, Threads::One)?)
}

/// `bias` in every column.
fn fill_columns<T: Copy>(columns: &mut [T], bias: &[T]) {
    for column in columns.chunks_exact_mut(bias.len()) {
        column.copy_from_slice(bias);
    }
}

/// The sums over the columns.
fn row_sums<T: Real>(columns: &[T], sums: &mut [T]) {
    sums.fill(T::zero());
    for column in columns.chunks_exact(sums.len()) {
        for (sum, &entry) in sums.iter_mut().zip(column) {
            *sum += entry;
        }
    }
}

impl<T: Real> Layer<T> for Recurrent {
    fn describe(&self) -> String {
        format!("{} {} -> {}", self.cell.name(), self.input, Layer::<T>::output(self))
    }

    fn input(&self) -> Shape {
        self.input
    }

    fn output(&self) -> Shape {
        match self.steps {
            Steps::All => Shape { channels: self.units, ..self.input },
            Steps::Last => self.units.into(),
        }
    }

    fn blocks(&self) -> Vec<Block> {
        let rows = self.rows();
        vec![
            Block { name: "weight_ih", rows, columns: self.features() },
            Block { name: "weight_hh", rows, columns: self.units },
            Block { name: "bias_ih", rows, columns: 1 },
            Block { name: "bias_hh", rows, columns: 1 },
        ]
    }

    /// PyTorch numbers the layers of its stacks; this is the first.
    fn tensors(&self) -> Vec<Tensor> {
        let names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
        let blocks = Layer::<T>::blocks(self);
        let tensors = Tensor::of_blocks(TensorOf::Parameters, &blocks).zip(names);
        tensors.map(|(tensor, name)| Tensor { name, ..tensor }).collect()
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        let (units, features) = (self.units, self.features());
        // PyTorch draws everything from ±1/√units.
        let reach = |fan_in| match self.initializer {
            Initializer::PyTorch => units,
            _ => fan_in,
        };
        let gates = self.cell.gates();
        let parts = self.parts_mut(parameters);
        for (weight, columns) in [(parts.input, features), (parts.state, units)] {
            let mut gate = zeros(units * columns);
            for index in 0..gates {
                self.initializer.fill(&mut gate, reach(columns), units, rng);
                for (target, source) in
                    weight.chunks_exact_mut(gates * units).zip(gate.chunks_exact(units))
                {
                    target[index * units..][..units].copy_from_slice(source);
                }
            }
        }
        self.initializer.fill_bias(parts.input_bias, units, rng);
        self.initializer.fill_bias(parts.state_bias, units, rng);
    }

    fn memory(&self, samples: usize) -> Memory {
        let columns = self.times() * samples;
        Memory {
            record: (self.cell.kept() + 1) * self.units * columns,
            scratch: 2 * self.rows() * columns + (self.rows() + 3 * self.units) * samples,
            ..Memory::default()
        }
    }

    fn multiply_adds(&self) -> usize {
        self.rows() * (self.features() + self.units) * self.times()
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let (rows, units, times, samples) = (self.rows(), self.units, self.times(), pass.samples);
        let parts = self.parts(pass.parameters);
        let columns = times * samples;
        let (a, rest) = pass.scratch.split_at_mut(rows * columns);
        let (u, rest) = rest.split_at_mut(rows * samples);
        let h = &mut rest[..units * samples];
        let own = self.cell.kept() * units;
        let (kept, rest) = pass.record.split_at_mut(own * columns);
        let before = &mut rest[..units * columns];

        fill_columns(a, parts.input_bias);
        let x = DMatrixView::from_slice(pass.x, self.features(), columns);
        multiply(self.input_weight(parts.input), x, T::one(), a)?;
        h.fill(T::zero());
        for time in 0..times {
            fill_columns(u, parts.state_bias);
            if time > 0 {
                let h = DMatrixView::from_slice(h, units, samples);
                multiply(self.state_weight(parts.state), h, T::one(), u)?;
            }
            for sample in 0..samples {
                let column = sample * times + time;
                let h = &mut h[sample * units..][..units];
                before[column * units..][..units].copy_from_slice(h);
                let (past, now) = kept.split_at_mut(column * own);
                let carry = self.carry(past, column);
                let a = &mut a[column * rows..][..rows];
                self.cell.step(a, &u[sample * rows..][..rows], carry, &mut now[..own], h);
                if self.steps == Steps::All {
                    pass.y[column * units..][..units].copy_from_slice(h);
                }
            }
        }
        if self.steps == Steps::Last {
            pass.y.copy_from_slice(h);
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let (rows, units, times, samples) = (self.rows(), self.units, self.times(), pass.samples);
        let parts = self.parts(pass.parameters);
        let columns = times * samples;
        let (kept, before) = self.record(pass.record, samples);
        let (da, rest) = pass.scratch.split_at_mut(rows * columns);
        let (du, rest) = rest.split_at_mut(rows * columns);
        let (dh, rest) = rest.split_at_mut(units * samples);
        let carry = &mut rest[..units * samples];
        dh.fill(T::zero());
        carry.fill(T::zero());
        for time in (0..times).rev() {
            for sample in 0..samples {
                let column = sample * times + time;
                let dy = self.output_gradient(pass.dy, sample, time);
                for k in 0..units {
                    let at = sample * units + k;
                    let total = dh[at] + dy.map_or(T::zero(), |dy| dy[k]);
                    let unit = self.unit(kept, before, column, k);
                    let pulled = self.cell.pull_back(&unit, total, carry[at]);
                    for (gate, &value) in pulled.input.iter().take(self.cell.gates()).enumerate() {
                        da[column * rows + gate * units + k] = value;
                        du[column * rows + gate * units + k] = value;
                    }
                    du[column * rows + rows - units + k] = pulled.inner;
                    (dh[at], carry[at]) = (pulled.before, pulled.carry);
                }
            }
            if time > 0 {
                let du = self.step(du, rows, time, samples)?;
                multiply(transpose(self.state_weight(parts.state)), du, T::one(), dh)?;
            }
        }
        let da_matrix = DMatrixView::from_slice(da, rows, columns);
        if let Some(gradient) = pass.gradient {
            let target = self.parts_mut(gradient);
            let x = DMatrixView::from_slice(pass.x, self.features(), columns);
            let before = DMatrixView::from_slice(before, units, columns);
            let du_matrix = DMatrixView::from_slice(du, rows, columns);
            multiply(da_matrix, transpose(x), T::zero(), target.input)?;
            multiply(du_matrix, transpose(before), T::zero(), target.state)?;
            row_sums(da, target.input_bias);
            row_sums(du, target.state_bias);
        }
        match pass.dx {
            Some(dx) => {
                multiply(transpose(self.input_weight(parts.input)), da_matrix, T::zero(), dx)
            }
            None => Ok(()),
        }
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        let at = pass.at;
        let (rows, units, times, samples) = (self.rows(), self.units, self.times(), at.samples);
        let columns = times * samples;
        let (parts, moving) = (self.parts(at.parameters), self.parts(pass.parameters_tangent));
        let (kept, before) = self.record(at.record, samples);
        let own = self.cell.kept() * units;
        let (kept_tangent, rest) = pass.record_tangent.split_at_mut(own * columns);
        let before_tangent = &mut rest[..units * columns];

        let mut a = zeros(rows * columns);
        fill_columns(&mut a, moving.input_bias);
        let x = DMatrixView::from_slice(at.x, self.features(), columns);
        let x_tangent = DMatrixView::from_slice(pass.x_tangent, self.features(), columns);
        multiply(self.input_weight(moving.input), x, T::one(), &mut a)?;
        multiply(self.input_weight(parts.input), x_tangent, T::one(), &mut a)?;
        let (mut u, mut h) = (zeros(rows * samples), zeros(units * samples));
        for time in 0..times {
            fill_columns(&mut u, moving.state_bias);
            let h_before = self.step(before, units, time, samples)?;
            multiply(self.state_weight(moving.state), h_before, T::one(), &mut u)?;
            let h_tangent = DMatrixView::from_slice(&h, units, samples);
            multiply(self.state_weight(parts.state), h_tangent, T::one(), &mut u)?;
            for sample in 0..samples {
                let column = sample * times + time;
                for k in 0..units {
                    let still = self.unit(kept, before, column, k);
                    let carry_tangent =
                        self.carry(kept_tangent, column).map_or(T::zero(), |carry| carry[k]);
                    let place = sample * units + k;
                    let unit = Unit {
                        kept: still.kept.map(|value| Dual::new(value, T::zero())),
                        before: Dual::new(still.before, h[place]),
                        carry_before: Dual::new(still.carry_before, carry_tangent),
                    };
                    let gate = |data: &[T], column: usize| {
                        std::array::from_fn(|gate| {
                            let gate = gate.min(self.cell.gates() - 1);
                            data[column * rows + gate * units + k]
                        })
                    };
                    let (slopes, h_slope) =
                        self.cell.moving(&unit, gate(&a, column), gate(&u, sample));
                    before_tangent[column * units + k] = h[place];
                    for (which, &slope) in slopes.iter().take(self.cell.kept()).enumerate() {
                        kept_tangent[column * own + which * units + k] = slope;
                    }
                    h[place] = h_slope;
                    if self.steps == Steps::All {
                        pass.y_tangent[column * units + k] = h_slope;
                    }
                }
            }
        }
        if self.steps == Steps::Last {
            pass.y_tangent.copy_from_slice(&h);
        }
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        let at = pass.at;
        let (rows, units, times, samples) = (self.rows(), self.units, self.times(), at.samples);
        let columns = times * samples;
        let (parts, moving) = (self.parts(at.parameters), self.parts(pass.parameters_tangent));
        let (kept, before) = self.record(at.record, samples);
        let (kept_tangent, before_tangent) = self.record(pass.record_tangent, samples);
        let (kept, before_duals) = (duals(kept, kept_tangent), duals(before, before_tangent));
        let dy = duals(pass.dy, pass.dy_tangent);
        // Values and velocities of the gradients by a and u.
        let [mut da, mut da_tangent] = [(); 2].map(|()| zeros::<T>(rows * columns));
        let [mut du, mut du_tangent] = [(); 2].map(|()| zeros::<T>(rows * columns));
        let [mut dh, mut dh_tangent] = [(); 2].map(|()| zeros::<T>(units * samples));
        let mut carry = vec![Dual::default(); units * samples];
        for time in (0..times).rev() {
            for sample in 0..samples {
                let column = sample * times + time;
                let dy = self.output_gradient(&dy, sample, time);
                for k in 0..units {
                    let place = sample * units + k;
                    let later = Dual::new(dh[place], dh_tangent[place]);
                    let total = later + dy.map_or(Dual::default(), |dy| dy[k]);
                    let unit = self.unit(&kept, &before_duals, column, k);
                    let pulled = self.cell.pull_back(&unit, total, carry[place]);
                    for (gate, &dual) in pulled.input.iter().take(self.cell.gates()).enumerate() {
                        let entry = column * rows + gate * units + k;
                        (da[entry], da_tangent[entry]) = (dual.value, dual.slope);
                        (du[entry], du_tangent[entry]) = (dual.value, dual.slope);
                    }
                    let entry = column * rows + rows - units + k;
                    (du[entry], du_tangent[entry]) = (pulled.inner.value, pulled.inner.slope);
                    (dh[place], dh_tangent[place]) = (pulled.before.value, pulled.before.slope);
                    carry[place] = pulled.carry;
                }
            }
            if time > 0 {
                let du = self.step(&du, rows, time, samples)?;
                let du_tangent = self.step(&du_tangent, rows, time, samples)?;
                let weight = transpose(self.state_weight(parts.state));
                multiply(weight, du, T::one(), &mut dh)?;
                multiply(weight, du_tangent, T::one(), &mut dh_tangent)?;
                let moving = transpose(self.state_weight(moving.state));
                multiply(moving, du, T::one(), &mut dh_tangent)?;
            }
        }
        let matrix = |data, rows| DMatrixView::<T>::from_slice(data, rows, columns);
        let target = self.parts_mut(pass.gradient_tangent);
        let features = self.features();
        multiply(
            matrix(&da_tangent, rows),
            transpose(matrix(at.x, features)),
            T::zero(),
            target.input,
        )?;
        multiply(
            matrix(&da, rows),
            transpose(matrix(pass.x_tangent, features)),
            T::one(),
            target.input,
        )?;
        multiply(
            matrix(&du_tangent, rows),
            transpose(matrix(before, units)),
            T::zero(),
            target.state,
        )?;
        multiply(
            matrix(&du, rows),
            transpose(matrix(before_tangent, units)),
            T::one(),
            target.state,
        )?;
        row_sums(&da_tangent, target.input_bias);
        row_sums(&du_tangent, target.state_bias);
        let Some(dx) = pass.dx_tangent else { return Ok(()) };
        let weight = transpose(self.input_weight(parts.input));
        multiply(weight, matrix(&da_tangent, rows), T::zero(), dx)?;
        multiply(transpose(self.input_weight(moving.input)), matrix(&da, rows), T::one(), dx)
    }

    fn view<'a>(&'a self, parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        let parts = self.parts(parameters);
        View::Recurrent(Recurrence {
            cell: self.cell,
            input_weight: self.input_weight(parts.input),
            state_weight: self.state_weight(parts.state),
            input_bias: parts.input_bias,
            state_bias: parts.state_bias,
            times: self.times(),
            steps: self.steps,
        })
    }
}
