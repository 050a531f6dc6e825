//! Coupling layers: one half of the values changes the other.

use linalg::{DMatrix, Operand, Real};
use nn_core::{Backward, Block, Forward, Layer, Memory, Shape};
use rand::Rng;

use super::{LayerInversion, fitting};
use crate::Result;
use crate::arguments::{finite, positive, size, some};
use crate::perceptron::Perceptron;

/// Which half of the values a coupling changes; the other passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The first ⌊n/2⌋.
    First,
    /// The rest.
    Second,
}

/// A layer that keeps one half u of its input and changes the other half v by what u says:
///
/// ```text
/// affine     v ← v·exp(s(u)) + t(u)        inverse  v ← (v − t(u))·exp(−s(u))    log|det| = ∑ s(u)
/// additive   v ← v + t(u)                  inverse  v ← v − t(u)                 log|det| = 0
/// ```
///
/// s and t come from a small network with a hidden layer of tanh units, which need not be invertible;
/// the s are clamped, s = c·tanh(·/c). It starts as the identity.
///
/// The clamp is what keeps it invertible in floating point: each layer magnifies errors by up to
/// exp(max |s|), forward or backward, and Π exp(max |s|) is what many of them may do
/// ([`LayerInversion::amplification`]). Sixteen layers clamped at c = 0.5 keep eleven digits, at 2 none, and at
/// 5 they overflow.
///
/// It is a [`Layer`]: put it into a network with
/// [`NetworkBuilder::layer`](nn_core::NetworkBuilder::layer), train it, and invert it with
/// [`Flow`](crate::Flow). A [`Loss`](nn_core::Loss) sees outputs alone, so that training by maximum
/// likelihood, which needs log|det|, takes a loop of one's own.
///
/// # References
/// Dinh, Krueger & Bengio, "NICE", ICLR 2015 (additive); Dinh, Sohl-Dickstein & Bengio, "Density
/// estimation using Real NVP", ICLR 2017 (affine); Behrmann et al., "Understanding and mitigating
/// exploding inverses in invertible neural networks", AISTATS 2021.
#[derive(Debug, Clone, PartialEq)]
pub struct Coupling {
    shape: Shape,
    changed: Half,
    network: Perceptron,
    clamp: Option<f64>,
}

impl Coupling {
    /// An affine coupling of inputs of `shape`, with `hidden` units and |s| < `clamp`.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for fewer than two inputs, no hidden units, or a clamp
    /// that is not a finite number greater than 0.
    pub fn affine(
        shape: impl Into<Shape>,
        changed: Half,
        hidden: usize,
        clamp: f64,
    ) -> Result<Self> {
        positive("clamp", clamp)?;
        Self::new(shape.into(), changed, hidden, Some(clamp))
    }

    /// An additive coupling of inputs of `shape`, with `hidden` units.
    ///
    /// # Errors
    /// As [`Coupling::affine`].
    pub fn additive(shape: impl Into<Shape>, changed: Half, hidden: usize) -> Result<Self> {
        Self::new(shape.into(), changed, hidden, None)
    }

    fn new(shape: Shape, changed: Half, hidden: usize, clamp: Option<f64>) -> Result<Self> {
        some("the list of hidden units", hidden)?;
        some("a half of the inputs", shape.len() / 2)?;
        let first = shape.len() / 2;
        let second = shape.len() - first;
        let (inputs, outputs) = match changed {
            Half::First => (second, first),
            Half::Second => (first, second),
        };
        let outputs = if clamp.is_some() { 2 * outputs } else { outputs };
        Ok(Self { shape, changed, network: Perceptron { inputs, hidden, outputs }, clamp })
    }

    /// The input whose output is `y`, inputs x samples, given the layer's parameters.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where `y` does not fit or is not finite.
    pub fn undo<T: Real>(&self, parameters: &[T], y: &DMatrix<T>) -> Result<LayerInversion<T>> {
        let samples = y.ncols();
        fitting(self, parameters)?;
        size("y", "rows", y.nrows(), self.shape.len())?;
        finite("y", y.as_slice(), y.nrows())?;
        let mut buffers =
            vec![T::zero(); (self.network.outputs + 2 * self.network.hidden) * samples];
        let (given, rest) = buffers.split_at_mut(self.network.outputs * samples);
        let (active, scratch) = rest.split_at_mut(self.network.hidden * samples);
        self.network.forward(
            parameters,
            self.kept(y.as_slice(), samples)?,
            (active, scratch),
            given,
        )?;
        let mut x = y.clone();
        let (mut log_determinants, mut largest) = (Vec::with_capacity(samples), 0.0_f64);
        for (mut column, given) in x.column_iter_mut().zip(given.chunks_exact(self.network.outputs))
        {
            let (s, t) = self.scale_and_shift(given);
            let changed = &mut column.as_mut_slice()[self.range(self.changed)];
            for (k, v) in changed.iter_mut().enumerate() {
                *v = (*v - t[k]) * (-self.clamped(s, k)).exp();
            }
            let s = (0..t.len()).map(|k| self.clamped(s, k).to_double());
            largest = s.clone().fold(largest, |largest, s| largest.max(s.abs()));
            log_determinants.push(s.sum());
        }
        Ok(LayerInversion { x, log_determinants, amplification: largest.exp(), iterations: 1 })
    }

    fn range(&self, half: Half) -> std::ops::Range<usize> {
        let middle = self.shape.len() / 2;
        match half {
            Half::First => 0..middle,
            Half::Second => middle..self.shape.len(),
        }
    }

    /// The half that passes through, a column per sample.
    fn kept<'a, T: Real>(&self, data: &'a [T], samples: usize) -> linalg::Result<Operand<'a, T>> {
        let rows = match self.changed {
            Half::First => self.range(Half::Second),
            Half::Second => self.range(Half::First),
        };
        Operand::from_slice(&data[rows.start..], rows.len(), samples, self.shape.len())
    }

    /// The outputs of the small network for one sample: those for s (none in an additive one), and t.
    fn scale_and_shift<'a, T>(&self, given: &'a [T]) -> (&'a [T], &'a [T]) {
        given.split_at(if self.clamp.is_some() { given.len() / 2 } else { 0 })
    }

    fn clamped<T: Real>(&self, s: &[T], k: usize) -> T {
        match self.clamp {
            None => T::zero(),
            Some(clamp) => {
                let clamp = T::from_double(clamp);
                clamp * (s[k] / clamp).tanh()
            }
        }
    }
}

impl<T: Real> Layer<T> for Coupling {
    fn describe(&self) -> String {
        let kind = if self.clamp.is_some() { "affine" } else { "additive" };
        format!("{kind} coupling {}", self.shape)
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
        let Perceptron { inputs, hidden, outputs } = self.network;
        Memory {
            record: (hidden + outputs) * samples,
            scratch: (inputs + hidden + outputs) * samples,
            ..Memory::default()
        }
    }

    fn forward(&self, pass: Forward<'_, T>) -> nn_core::Result<()> {
        let samples = pass.samples;
        let (active, given) = pass.record.split_at_mut(self.network.hidden * samples);
        let given = &mut given[..self.network.outputs * samples];
        let kept = self.kept(pass.x, samples)?;
        self.network.forward(pass.parameters, kept, (active, pass.scratch), given)?;
        pass.y.copy_from_slice(pass.x);
        let columns = pass.y.chunks_exact_mut(self.shape.len());
        for (column, given) in columns.zip(given.chunks_exact(self.network.outputs)) {
            let (s, t) = self.scale_and_shift(given);
            for (k, v) in column[self.range(self.changed)].iter_mut().enumerate() {
                *v = *v * self.clamped(s, k).exp() + t[k];
            }
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
        let (samples, n) = (pass.samples, self.shape.len());
        let Perceptron { inputs, hidden, outputs } = self.network;
        let (active, given) = pass.record.split_at(hidden * samples);
        let (d_given, rest) = pass.scratch.split_at_mut(outputs * samples);
        let (d_kept, scratch) = rest.split_at_mut(inputs * samples);
        let range = self.range(self.changed);
        let mut dx = pass.dx;
        if let Some(dx) = &mut dx {
            dx.copy_from_slice(pass.dy);
        }
        for sample in 0..samples {
            let (x, dy) = (&pass.x[sample * n..][..n], &pass.dy[sample * n..][..n]);
            let (s, _) = self.scale_and_shift(&given[sample * outputs..][..outputs]);
            let d_given = &mut d_given[sample * outputs..][..outputs];
            let (d_s, d_t) = d_given.split_at_mut(s.len());
            for (k, at) in range.clone().enumerate() {
                d_t[k] = dy[at];
                let clamped = self.clamped(s, k);
                let grown = clamped.exp();
                if let Some(clamp) = self.clamp {
                    let ratio = clamped / T::from_double(clamp);
                    d_s[k] = dy[at] * x[at] * grown * (T::one() - ratio) * (T::one() + ratio);
                }
                if let Some(dx) = &mut dx {
                    dx[sample * n + at] = dy[at] * grown;
                }
            }
        }
        d_kept.fill(T::zero());
        self.network.backward(
            pass.parameters,
            (self.kept(pass.x, samples)?, active),
            d_given,
            scratch,
            (pass.gradient, dx.is_some().then_some(&mut *d_kept)),
        )?;
        if let Some(dx) = dx {
            let start = if self.changed == Half::First { range.end } else { 0 };
            for (column, d_kept) in dx.chunks_exact_mut(n).zip(d_kept.chunks_exact(inputs)) {
                for (dx, &d) in column[start..].iter_mut().zip(d_kept) {
                    *dx += d;
                }
            }
        }
        Ok(())
    }
}
