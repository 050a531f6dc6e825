//! The autoencoder whose decoder is its encoder transposed.

use linalg::{DMatrix, DMatrixView, Real, transpose};
use nn_core::{Backward, Block, Forward, Initializer, Layer, Memory, Shape};
use rand::Rng;

use crate::Result;
use crate::arguments::{size, some};
use crate::invertible::fitting;
use crate::perceptron::{Fill, column_sums, multiply};

/// A linear autoencoder with tied weights, as one layer: y = Wᵀ·(W·x + b) + c.
///
/// Trained to reproduce its inputs in the mean of squares, its rows span the principal components of
/// the data, and no more is to be had from a linear code of so many numbers: the minimum is the part of
/// the variance that these leave. So it is the learned inverse whose best is known.
///
/// Parameters: `weight`, code x inputs, `code_bias` and `bias`.
///
/// # References
/// Baldi & Hornik, "Neural networks and principal component analysis: learning from examples without
/// local minima", Neural Networks 2, 1989.
///
/// # Examples
/// Points on the line through (3, 4) come back whole from one number:
/// ```
/// use std::ops::ControlFlow;
///
/// use linalg::DMatrix;
/// use nn_core::{Lbfgs, MeanSquaredError, Network};
/// use nn_invert::TiedAutoencoder;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let x = DMatrix::from_fn(2, 5, |i, j| if i == 0 { 3.0 } else { 4.0 } * (j as f64 - 2.0));
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let mut network = Network::<f64>::builder(2).layer(TiedAutoencoder::new(2, 1)?).build(&mut rng)?;
/// Lbfgs::new().tolerance(1e-10)?.train(
///     &mut network, &x, &MeanSquaredError::new(&x)?, 200, |_| ControlFlow::Continue(()),
/// )?;
/// let w = &network.parameters().as_slice()[..2];
/// assert!((w[0].abs() - 0.6).abs() < 1e-6 && (w[1].abs() - 0.8).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TiedAutoencoder {
    shape: Shape,
    code: usize,
}

impl TiedAutoencoder {
    /// Inputs of `shape`, through `code` numbers.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) for a code of none.
    pub fn new(shape: impl Into<Shape>, code: usize) -> Result<Self> {
        some("the code", code)?;
        Ok(Self { shape: shape.into(), code })
    }

    /// W·x + b for every column of `x`, given the layer's parameters.
    ///
    /// # Errors
    /// [`Error::Network`](crate::Error::Network) where `x` does not fit.
    pub fn encode<T: Real>(&self, parameters: &[T], x: &DMatrix<T>) -> Result<DMatrix<T>> {
        fitting(self, parameters)?;
        size("x", "rows", x.nrows(), self.shape.len())?;
        let (weight, code_bias, _) = self.parts(parameters);
        let mut code = DMatrix::zeros(self.code, x.ncols());
        multiply(weight, x, Fill::Bias(code_bias), code.as_mut_slice())?;
        Ok(code)
    }

    fn parts<'a, T: Real>(&self, parameters: &'a [T]) -> (DMatrixView<'a, T>, &'a [T], &'a [T]) {
        let (weight, rest) = parameters.split_at(self.code * self.shape.len());
        let (code_bias, bias) = rest.split_at(self.code);
        (DMatrixView::from_slice(weight, self.code, self.shape.len()), code_bias, bias)
    }
}

impl<T: Real> Layer<T> for TiedAutoencoder {
    fn describe(&self) -> String {
        format!("tied autoencoder {} through {}", self.shape, self.code)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn blocks(&self) -> Vec<Block> {
        vec![
            Block { name: "weight", rows: self.code, columns: self.shape.len() },
            Block { name: "code_bias", rows: self.code, columns: 1 },
            Block { name: "bias", rows: self.shape.len(), columns: 1 },
        ]
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        let (weight, biases) = parameters.split_at_mut(self.code * self.shape.len());
        Initializer::GlorotUniform.fill(weight, self.shape.len(), self.code, rng);
        biases.fill(T::zero());
    }

    fn memory(&self, samples: usize) -> Memory {
        let codes = self.code * samples;
        Memory { record: codes, scratch: codes, ..Memory::default() }
    }

    fn multiply_adds(&self) -> usize {
        2 * self.code * self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> nn_core::Result<()> {
        let (weight, code_bias, bias) = self.parts(pass.parameters);
        let x = DMatrixView::from_slice(pass.x, self.shape.len(), pass.samples);
        let code = &mut pass.record[..self.code * pass.samples];
        multiply(weight, x, Fill::Bias(code_bias), code)?;
        let code = DMatrixView::from_slice(code, self.code, pass.samples);
        Ok(multiply(transpose(weight), code, Fill::Bias(bias), pass.y)?)
    }

    fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
        let (weight, ..) = self.parts(pass.parameters);
        let (inputs, samples) = (self.shape.len(), pass.samples);
        let dy = DMatrixView::from_slice(pass.dy, inputs, samples);
        let dcode = &mut pass.scratch[..self.code * samples];
        multiply(weight, dy, Fill::Zero, dcode)?;
        let dcode = DMatrixView::from_slice(dcode, self.code, samples);
        if let Some(gradient) = pass.gradient {
            let (by_weight, rest) = gradient.split_at_mut(self.code * inputs);
            let (by_code_bias, by_bias) = rest.split_at_mut(self.code);
            let x = DMatrixView::from_slice(pass.x, inputs, samples);
            let code = DMatrixView::from_slice(pass.record, self.code, samples);
            // W stands in both halves.
            multiply(dcode, transpose(x), Fill::Zero, by_weight)?;
            multiply(code, transpose(dy), Fill::Keep, by_weight)?;
            column_sums(dcode, by_code_bias);
            column_sums(dy, by_bias);
        }
        match pass.dx {
            Some(dx) => Ok(multiply(transpose(weight), dcode, Fill::Zero, dx)?),
            None => Ok(()),
        }
    }
}
