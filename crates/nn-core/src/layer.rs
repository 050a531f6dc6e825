//! What a layer is: a function of its parameters and its input that can be run backward, and that
//! shows itself to whoever wants to look inside.

use std::fmt::Debug;

use linalg::{DMatrixView, DMatrixViewMut, Real};
use rand::Rng;

use crate::{Activation, Result};

/// One layer of a [`Network`](crate::Network): y = f(θ, x), column by column.
///
/// A layer holds its sizes and nothing that is trained: its parameters θ are a stretch of the
/// network's one vector, handed to it at each call. The layers of this crate implement this trait,
/// and so can a caller's own, which [`NetworkBuilder::layer`](crate::NetworkBuilder::layer) puts
/// into a network and [`gradient_check`](crate::gradient_check) holds to its word.
///
/// # Examples
/// A layer with one trained factor: y = s·x.
/// ```
/// use linalg::{DMatrix, DMatrixView, Real};
/// use nn_core::{Backward, Block, Forward, Layer, MeanSquaredError, Network, gradient_check};
/// use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// #[derive(Debug)]
/// struct Scale(usize);
///
/// impl<T: Real> Layer<T> for Scale {
///     fn describe(&self) -> String {
///         format!("scale {}", self.0)
///     }
///     fn inputs(&self) -> usize {
///         self.0
///     }
///     fn outputs(&self) -> usize {
///         self.0
///     }
///     fn blocks(&self) -> Vec<Block> {
///         vec![Block { name: "factor", rows: 1, columns: 1 }]
///     }
///     fn initialize(&self, parameters: &mut [T], _rng: &mut dyn Rng) {
///         parameters.fill(T::one());
///     }
///     fn forward(&self, mut pass: Forward<'_, T>) -> nn_core::Result<()> {
///         let s = pass.parameters[0];
///         pass.y.zip_apply(&pass.x, |y, x| *y = s * x);
///         Ok(())
///     }
///     fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
///         let s = pass.parameters[0];
///         if let Some(gradient) = pass.gradient {
///             gradient[0] = pass.dy.dot(&pass.x);
///         }
///         if let Some(mut dx) = pass.dx {
///             dx.zip_apply(&pass.dy, |dx, dy| *dx = s * dy);
///         }
///         Ok(())
///     }
/// }
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
/// let network = Network::<f64>::builder(2).layer(Scale(2)).dense(1).build(&mut rng)?;
/// let x = DMatrix::from_row_slice(2, 3, &[1.0, -2.0, 0.5, 0.5, 1.0, -1.5]);
/// let targets = DMatrix::from_row_slice(1, 3, &[1.0, 0.0, -1.0]);
/// let report = gradient_check(&network, &x, &MeanSquaredError::new(&targets)?)?;
/// assert!(report.worst() < 1e-7);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub trait Layer<T: Real>: Debug + Send + Sync {
    /// What it is, with its sizes, as in `dense 64 -> 32`: the text that errors show.
    fn describe(&self) -> String;

    /// Rows of x.
    fn inputs(&self) -> usize;

    /// Rows of y.
    fn outputs(&self) -> usize;

    /// The layer's parameters as named matrices, which lie one after the other in θ, each in column
    /// order. None by default.
    fn blocks(&self) -> Vec<Block> {
        Vec::new()
    }

    /// Writes starting values into `parameters`.
    fn initialize(&self, _parameters: &mut [T], _rng: &mut dyn Rng) {}

    /// Writes y for every column of x.
    ///
    /// # Errors
    /// Whatever keeps the layer from computing, a product of matrices that do not fit for one.
    fn forward(&self, pass: Forward<'_, T>) -> Result<()>;

    /// Writes dL/dθ and dL/dx, as far as asked for, given dL/dy.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    fn backward(&self, pass: Backward<'_, T>) -> Result<()>;

    /// How the layer looks from outside. [`View::Other`] by default.
    fn view<'a>(&'a self, _parameters: &'a [T]) -> View<'a, T> {
        View::Other
    }
}

/// A named matrix among a layer's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its name, as in `weight`.
    pub name: &'static str,
    /// Its rows.
    pub rows: usize,
    /// Its columns.
    pub columns: usize,
}

impl Block {
    /// Its entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a layer is given to compute y.
#[derive(Debug)]
#[non_exhaustive]
pub struct Forward<'a, T: Real> {
    /// The layer's parameters θ.
    pub parameters: &'a [T],
    /// The input, inputs x samples.
    pub x: DMatrixView<'a, T>,
    /// The output, outputs x samples: to be overwritten.
    pub y: DMatrixViewMut<'a, T>,
}

/// What a layer is given to compute gradients.
#[derive(Debug)]
#[non_exhaustive]
pub struct Backward<'a, T: Real> {
    /// The layer's parameters θ.
    pub parameters: &'a [T],
    /// The input of the forward pass: for an activation this is z.
    pub x: DMatrixView<'a, T>,
    /// The output of the forward pass: for an activation this is a.
    pub y: DMatrixView<'a, T>,
    /// dL/dy, outputs x samples.
    pub dy: DMatrixView<'a, T>,
    /// dL/dθ, a sum over the samples: to be overwritten where asked for.
    pub gradient: Option<&'a mut [T]>,
    /// dL/dx, inputs x samples: to be overwritten where asked for.
    pub dx: Option<DMatrixViewMut<'a, T>>,
}

/// A layer seen from outside: all that inversion needs to know of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum View<'a, T: Real> {
    /// y = A·x + b.
    Affine {
        /// The linear map A.
        linear: Linear<'a, T>,
        /// The offset b, as many entries as A has rows.
        bias: &'a [T],
    },
    /// yᵢ = f(xᵢ) for every i.
    Pointwise(&'a dyn Activation<T>),
    /// Neither of these.
    Other,
}

/// The linear part of an affine layer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Linear<'a, T: Real> {
    /// A matrix in memory, outputs x inputs.
    Matrix(DMatrixView<'a, T>),
}
