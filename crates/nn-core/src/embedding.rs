//! Vectors for labels.

use linalg::Real;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{
    Backward, BackwardTangent, Block, Error, Forward, Layer, Result, Shape, Tangent, Tensor,
    TensorOf,
};

/// Every entry of a column is a label, a whole number from 0 to classes − 1, and is replaced by the
/// vector that belongs to it: a column of `weight`, dimension x classes.
///
/// A sequence of labels becomes a sequence of vectors. The vectors start normal with variance 1, as
/// PyTorch's `Embedding`. Nothing flows back to the labels: dL/dx = 0.
///
/// # Errors
/// A forward pass over an entry that is no label is [`Error::NotALabel`].
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Embedding, Network, Shape};
///
/// let mut network = Network::<f64>::builder(Shape::sequence(1, 2))
///     .embedding(3, 2)
///     .build(&mut rand::rngs::Xoshiro256PlusPlus::from_seed([1; 32]))?;
/// # use rand::SeedableRng;
/// network.parameters_mut().copy_from_slice(&[0.0, 0.1, 1.0, 1.1, 2.0, 2.1]);
/// let vectors = network.predict(&DMatrix::from_column_slice(2, 1, &[2.0, 0.0]))?;
/// assert_eq!(vectors.as_slice(), [2.0, 2.1, 0.0, 0.1]);
///
/// let error = network.predict(&DMatrix::from_column_slice(2, 1, &[2.0, 0.5])).unwrap_err();
/// let text = "entry 1 of sample 0 is 0.5, expected a label: a whole number below 3";
/// assert_eq!(error.to_string(), text);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    input: Shape,
    classes: usize,
    dimension: usize,
}

impl Embedding {
    /// Vectors of `dimension` entries for labels below `classes`, which come in the shape `input`.
    #[must_use]
    pub fn new(input: impl Into<Shape>, classes: usize, dimension: usize) -> Self {
        Self { input: input.into(), classes, dimension }
    }

    /// The label at place `at` of a batch, and the vector that a table has for it.
    fn label<T: Real>(&self, x: &[T], at: usize, first_sample: usize) -> Result<usize> {
        let value = x[at].to_double();
        // Numbers too large for exact halves are too large for a label, too.
        if value >= 0.0 && value < self.classes as f64 && value.fract() == 0.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "just checked"
            )]
            return Ok(value as usize);
        }
        Err(Error::NotALabel {
            sample: first_sample + at / self.input.len(),
            entry: at % self.input.len(),
            value,
            classes: self.classes,
        })
    }

    /// Writes the vectors in `table` of all labels.
    fn look_up<T: Real>(
        &self,
        table: &[T],
        x: &[T],
        first_sample: usize,
        y: &mut [T],
    ) -> Result<()> {
        for (at, y) in y.chunks_exact_mut(self.dimension).enumerate() {
            let label = self.label(x, at, first_sample)?;
            y.copy_from_slice(&table[label * self.dimension..][..self.dimension]);
        }
        Ok(())
    }

    /// Adds up the vectors in `dy` by label.
    fn collect<T: Real>(&self, x: &[T], dy: &[T], gradient: &mut [T]) -> Result<()> {
        gradient.fill(T::zero());
        for (at, dy) in dy.chunks_exact(self.dimension).enumerate() {
            let label = self.label(x, at, 0)?;
            for (sum, &dy) in gradient[label * self.dimension..].iter_mut().zip(dy) {
                *sum += dy;
            }
        }
        Ok(())
    }
}

impl<T: Real> Layer<T> for Embedding {
    fn describe(&self) -> String {
        format!("embedding of {} in {}", self.classes, self.dimension)
    }

    fn input(&self) -> Shape {
        self.input
    }

    fn output(&self) -> Shape {
        Shape { channels: self.dimension * self.input.channels, ..self.input }
    }

    fn blocks(&self) -> Vec<Block> {
        vec![Block { name: "weight", rows: self.dimension, columns: self.classes }]
    }

    /// PyTorch keeps a class in each row.
    fn tensors(&self) -> Vec<Tensor> {
        let (classes, dimension) = (self.classes, self.dimension);
        vec![Tensor {
            name: "weight",
            of: TensorOf::Parameters,
            shape: vec![classes, dimension],
            start: 0,
            walk: vec![(classes * dimension, 1)],
        }]
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        for parameter in parameters {
            let unit: f64 = StandardNormal.sample(rng);
            *parameter = T::from_double(unit);
        }
    }

    fn multiply_adds(&self) -> usize {
        0
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        self.look_up(pass.parameters, pass.x, pass.first_sample, pass.y)
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx {
            dx.fill(T::zero());
        }
        match pass.gradient {
            Some(gradient) => self.collect(pass.x, pass.dy, gradient),
            None => Ok(()),
        }
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        self.look_up(pass.parameters_tangent, pass.at.x, pass.at.first_sample, pass.y_tangent)
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx_tangent {
            dx.fill(T::zero());
        }
        self.collect(pass.at.x, pass.dy_tangent, pass.gradient_tangent)
    }
}
