//! The residual block that can be undone.

use linalg::{DMatrix, DVector, Lu, Operand, Real};
use nn_core::{Backward, Block, Forward, Layer, Memory, Shape};
use rand::Rng;

use super::LayerInversion;
use crate::Result;
use crate::arguments::{finite, positive, size, some};
use crate::fixed_point::{iterate, spectral_norm};
use crate::perceptron::Perceptron;

/// A residual block y = x + g(x), g(x) = V·tanh(U·x + b) + c, which can be undone where g contracts.
///
/// g changes distances by at most L = ‖V‖₂·‖U‖₂. With L < 1 every y has exactly one x, to which
/// x ← y − g(x) converges from x = y: at most ⌈ln t/ln L⌉ evaluations bring ‖x − x*‖ down to t times the
/// first change over 1 − L, and usually far fewer do. The iteration stops by its own changes, with a
/// bound on the error; where L ≥ 1 it is tried, and an end that does not come is an error.
///
/// **The wrong turn** is a fixed number of iterations, as the usual code has it: it returns whatever it
/// reached, and after training, when L has grown, that is no inverse. L is therefore measured on the
/// weights as they are, by power iteration, each time; [`Residual::restrain`] scales V to keep it down,
/// to be called after each step of training.
///
/// # References
/// Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen, "Invertible residual networks", ICML 2019.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    shape: Shape,
    network: Perceptron,
}

impl Residual {
    /// A block on inputs of `shape` with `hidden` units; it starts as the identity.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) without hidden units.
    pub fn new(shape: impl Into<Shape>, hidden: usize) -> Result<Self> {
        some("the list of hidden units", hidden)?;
        let shape = shape.into();
        let network = Perceptron { inputs: shape.len(), hidden, outputs: shape.len() };
        Ok(Self { shape, network })
    }

    /// L = ‖V‖₂·‖U‖₂ of these parameters, by power iteration.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where they are not as many as the layer has.
    pub fn lipschitz<T: Real>(&self, parameters: &[T]) -> Result<f64> {
        self.check(parameters)?;
        let parts = self.network.parts(parameters);
        Ok(spectral_norm(&parts.inner.into_owned())? * spectral_norm(&parts.outer.into_owned())?)
    }

    /// Scales V down so that L ≤ `limit`; leaves it where that holds.
    ///
    /// # Errors
    /// As [`Residual::lipschitz`], and for a limit that is not a finite number greater than 0.
    pub fn restrain<T: Real>(&self, parameters: &mut [T], limit: f64) -> Result<()> {
        positive("limit", limit)?;
        let lipschitz = self.lipschitz(parameters)?;
        if lipschitz > limit {
            let Perceptron { inputs, hidden, outputs } = self.network;
            let factor = T::from_double(limit / lipschitz);
            let start = hidden * (inputs + 1);
            parameters[start..start + outputs * hidden].iter_mut().for_each(|v| *v *= factor);
        }
        Ok(())
    }

    /// The input whose output is `y`, inputs x samples, given the layer's parameters, to `tolerance`
    /// times the first change or to the last bits.
    ///
    /// # Errors
    /// [`Error::NotContracting`](crate::Error::NotContracting) where the iteration finds no end,
    /// [`Error::Network`](crate::Error::Network) where an argument does not fit or is not finite.
    pub fn undo<T: Real>(
        &self,
        parameters: &[T],
        y: &DMatrix<T>,
        tolerance: f64,
    ) -> Result<LayerInversion<T>> {
        positive("tolerance", tolerance)?;
        size("y", "rows", y.nrows(), self.shape.len())?;
        finite("y", y.as_slice(), y.nrows())?;
        let lipschitz = self.lipschitz(parameters)?;
        let hidden = self.network.hidden;
        let (mut active, mut scratch) = (vec![T::zero(); hidden], vec![T::zero(); hidden]);
        let mut x = DMatrix::zeros(y.nrows(), y.ncols());
        let (mut log_determinants, mut iterations, mut rate) = (Vec::new(), 0, 0.0_f64);
        for (sample, column) in y.column_iter().enumerate() {
            let y = column.into_owned();
            let mut given = DVector::zeros(y.len());
            let found = iterate(&y, lipschitz, tolerance, |x| {
                let input = Operand::from_slice(x.as_slice(), x.len(), 1, x.len())?;
                let buffers = (&mut active[..], &mut scratch[..]);
                self.network.forward(parameters, input, buffers, given.as_mut_slice())?;
                Ok(&y - &given)
            })?;
            iterations = iterations.max(found.iterations);
            rate = rate.max(found.rate);
            log_determinants.push(self.log_determinant(parameters, &active)?);
            x.set_column(sample, &found.value);
        }
        let contraction = if lipschitz < 1.0 { lipschitz } else { rate.min(1.0) };
        let amplification = 1.0 / (1.0 - contraction);
        Ok(LayerInversion { x, log_determinants, amplification, iterations })
    }

    /// log|det(I + V·diag(1 − a²)·U)| with a = tanh(U·x + b).
    fn log_determinant<T: Real>(&self, parameters: &[T], active: &[T]) -> Result<f64> {
        let parts = self.network.parts(parameters);
        let mut outer = parts.outer.into_owned();
        for (mut column, &a) in outer.column_iter_mut().zip(active) {
            column *= (T::one() - a) * (T::one() + a);
        }
        let mut jacobian = linalg::product(&outer, parts.inner)?;
        jacobian.set_diagonal(&jacobian.diagonal().add_scalar(T::one()));
        Ok(Lu::new(jacobian)?.log_determinant().1)
    }

    fn check<T>(&self, parameters: &[T]) -> Result<()> {
        let expected = self.network.blocks().iter().map(Block::len).sum();
        size("parameters", "entries", parameters.len(), expected)
    }
}

impl<T: Real> Layer<T> for Residual {
    fn describe(&self) -> String {
        format!("residual block {}", self.shape)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn blocks(&self) -> Vec<Block> {
        self.network.blocks()
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        self.network.initialize(parameters, rng);
    }

    fn memory(&self, samples: usize) -> Memory {
        let values = self.network.hidden * samples;
        Memory { record: values, scratch: values, ..Memory::default() }
    }

    fn forward(&self, pass: Forward<'_, T>) -> nn_core::Result<()> {
        let n = self.shape.len();
        let x = Operand::from_slice(pass.x, n, pass.samples, n)?;
        let buffers = (&mut pass.record[..], &mut pass.scratch[..]);
        self.network.forward(pass.parameters, x, buffers, pass.y)?;
        for (y, &x) in pass.y.iter_mut().zip(pass.x) {
            *y += x;
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
        let n = self.shape.len();
        let x = Operand::from_slice(pass.x, n, pass.samples, n)?;
        let mut dx = pass.dx;
        if let Some(dx) = &mut dx {
            dx.copy_from_slice(pass.dy);
        }
        let active = &pass.record[..self.network.hidden * pass.samples];
        let wanted = (pass.gradient, dx);
        Ok(self.network.backward(pass.parameters, (x, active), pass.dy, pass.scratch, wanted)?)
    }
}
