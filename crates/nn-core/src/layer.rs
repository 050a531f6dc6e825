//! What a layer is: a function of its parameters and its input that can be run backward, and that
//! shows itself to whoever wants to look inside.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;

use linalg::{DMatrixView, LinearOperator, Real, Threads};
use rand::Rng;

use crate::tangent::{backward_tangent_by_differences, tangent_by_differences};
use crate::{Activation, BackwardTangent, Recurrence, Result, Shape, Tangent};

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
/// use nn_core::{Backward, Block, Forward, Layer, MeanSquaredError, Network, Shape, gradient_check};
/// use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// #[derive(Debug)]
/// struct Scale(usize);
///
/// impl<T: Real> Layer<T> for Scale {
///     fn describe(&self) -> String {
///         format!("scale {}", self.0)
///     }
///     fn input(&self) -> Shape {
///         self.0.into()
///     }
///     fn output(&self) -> Shape {
///         self.0.into()
///     }
///     fn blocks(&self) -> Vec<Block> {
///         vec![Block { name: "factor", rows: 1, columns: 1 }]
///     }
///     fn initialize(&self, parameters: &mut [T], _rng: &mut dyn Rng) {
///         parameters.fill(T::one());
///     }
///     fn forward(&self, pass: Forward<'_, T>) -> nn_core::Result<()> {
///         let s = pass.parameters[0];
///         for (y, &x) in pass.y.iter_mut().zip(pass.x) {
///             *y = s * x;
///         }
///         Ok(())
///     }
///     fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
///         let s = pass.parameters[0];
///         if let Some(gradient) = pass.gradient {
///             gradient[0] = pass.dy.iter().zip(pass.x).fold(T::zero(), |sum, (&dy, &x)| sum + dy * x);
///         }
///         if let Some(dx) = pass.dx {
///             for (dx, &dy) in dx.iter_mut().zip(pass.dy) {
///                 *dx = s * dy;
///             }
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
pub trait Layer<T: Real>: Any + Debug + Send + Sync {
    /// What it is, with its sizes, as in `dense 64 -> 32`: the text that errors show.
    fn describe(&self) -> String;

    /// The arrangement of a column of x.
    fn input(&self) -> Shape;

    /// The arrangement of a column of y.
    fn output(&self) -> Shape;

    /// The layer's parameters as named matrices, which lie one after the other in θ, each in column
    /// order. None by default.
    fn blocks(&self) -> Vec<Block> {
        Vec::new()
    }

    /// Writes starting values into `parameters`.
    fn initialize(&self, _parameters: &mut [T], _rng: &mut dyn Rng) {}

    /// Values that belong to the layer and are measured instead of descended on, as the running mean
    /// of a batch normalization. None by default.
    fn state_blocks(&self) -> Vec<Block> {
        Vec::new()
    }

    /// Writes starting values into `state`.
    fn initialize_state(&self, _state: &mut [T]) {}

    /// The arrays in which files keep the layer's parameters and state, as PyTorch's module of the
    /// same kind names and arranges them. By default each block is one, its rows slowest.
    fn tensors(&self) -> Vec<Tensor> {
        let (parameters, state) = (self.blocks(), self.state_blocks());
        let parameters = Tensor::of_blocks(TensorOf::Parameters, &parameters);
        parameters.chain(Tensor::of_blocks(TensorOf::State, &state)).collect()
    }

    /// Learns from a forward pass in [`Mode::Training`], of which `record` is what was written.
    fn update_state(&self, _record: &[T], _state: &mut [T]) {}

    /// The numbers that the layer wants kept for it in a batch of `samples`. None by default.
    fn memory(&self, _samples: usize) -> Memory {
        Memory::default()
    }

    /// Writes what `passes` need and the parameters alone determine, once a step.
    fn prepare(&self, _parameters: &[T], _passes: Passes, _prepared: &mut [T]) {}

    /// Whether a column of y depends on other columns of x in training, as in a batch
    /// normalization: then a batch may not be divided.
    fn couples_samples(&self) -> bool {
        false
    }

    /// Whether the passes divide their own work among threads where `threads` lets them, with the same
    /// bits for any number. A batch of which such layers do the most is not divided. Not so by
    /// default.
    fn uses_threads(&self) -> bool {
        false
    }

    /// Where in its gradient a backward pass leaves the row sums of dy, or of what it makes of dy for its
    /// parameters. Where those are numbers so is all that they sum, and a NaN or an infinity is looked for in them
    /// instead of in dy. Nowhere by default.
    fn delta_sums(&self) -> Option<Range<usize>> {
        None
    }

    /// Multiplications and additions for one sample's forward pass. One for each parameter by
    /// default.
    fn multiply_adds(&self) -> usize {
        self.blocks().iter().map(Block::len).sum()
    }

    /// One layer that does what this one and then `next` does, with less traffic to memory, and
    /// whose parameters are this one's and then those of `next`. None by default.
    ///
    /// It replaces the two wherever nobody can look between them.
    fn fuse(&self, _next: &dyn Layer<T>) -> Option<Arc<dyn Layer<T>>> {
        None
    }

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

    /// Writes ẏ, the derivative of y where θ moves with velocity θ̇ and x with ẋ, after a forward
    /// pass.
    ///
    /// By central differences of [`Layer::forward`] by default, good to about ε^⅔; the layers of this
    /// crate have exact ones. What it needs besides the point it may allocate.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        tangent_by_differences(self, pass)
    }

    /// Writes the derivatives of dL/dθ and dL/dx where θ, x and dL/dy move, after
    /// [`Layer::tangent`]: what products with the Hessian are made of.
    ///
    /// By central differences of [`Layer::backward`] by default.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        backward_tangent_by_differences(self, pass)
    }

    /// A step of gradient descent in the course of the backward pass: writes dL/dx as
    /// [`Layer::backward`] does, and θ ← keep·θ − rate·dL/dθ in place of dL/dθ.
    ///
    /// `pass.parameters` is empty, since `parameters` may change; `pass.gradient` may hold anything
    /// afterwards. By default it takes the gradient of [`Layer::backward`]. A layer that need not
    /// write its gradient down spares memory traffic, which is most of the time that a step on a
    /// few samples takes.
    ///
    /// # Errors
    /// As [`Layer::backward`].
    fn descend(
        &self,
        descent: Descent<T>,
        parameters: &mut [T],
        pass: Backward<'_, T>,
    ) -> Result<()> {
        let mut none = [];
        let Backward { gradient, .. } = pass;
        let gradient = gradient.unwrap_or(&mut none);
        let gradient_of = Some(&mut *gradient);
        self.backward(Backward { parameters, gradient: gradient_of, ..pass })?;
        descent.apply(parameters, gradient);
        Ok(())
    }

    /// The function that the layer applies to each value, where that is all it does. `None` by
    /// default.
    fn activation(&self) -> Option<Arc<dyn Activation<T>>> {
        None
    }

    /// How the layer looks from outside in [`Mode::Inference`], given its parameters and what
    /// [`Layer::update_state`] has learned. [`View::Other`] by default.
    fn view<'a>(&'a self, _parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        View::Other
    }
}

/// A step of gradient descent, θ ← keep·θ − rate·g.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Descent<T> {
    /// The factor of what was there: 1, or less where weights decay.
    pub keep: T,
    /// The factor of the gradient.
    pub rate: T,
}

impl<T: Real> Descent<T> {
    /// Takes the step.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Optimizer, Sgd};
    /// let mut theta = [1.0];
    /// let step = Optimizer::<f64>::descent(&Sgd::new(0.125, 0.0)?).expect("plain descent");
    /// step.apply(&mut theta, &[2.0]);
    /// assert_eq!(theta, [0.75]);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn apply(&self, parameters: &mut [T], gradient: &[T]) {
        if self.keep == T::one() {
            for (theta, &g) in parameters.iter_mut().zip(gradient) {
                *theta -= self.rate * g;
            }
        } else {
            for (theta, &g) in parameters.iter_mut().zip(gradient) {
                *theta = self.keep * *theta - self.rate * g;
            }
        }
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
    ///
    /// # Examples
    /// ```
    /// let block = nn_core::Block { name: "weight", rows: 3, columns: 2 };
    /// assert_eq!((block.len(), block.is_empty()), (6, false));
    /// ```
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

/// Where the numbers of an array in a file lie among those of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name within the layer, as in `weight`.
    pub name: &'static str,
    /// Which numbers it holds.
    pub of: TensorOf,
    /// Its shape in the file, the slowest dimension first.
    pub shape: Vec<usize>,
    /// The place of its first number among the layer's.
    pub start: usize,
    /// How to walk through it in the file's order, the slowest index first: the length of each index
    /// and the places to go for one step of it. The lengths multiply to as many numbers as the shape
    /// has.
    pub walk: Vec<(usize, usize)>,
}

/// Which of a layer's numbers a [`Tensor`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorOf {
    /// Parameters.
    Parameters,
    /// State.
    State,
}

impl Tensor {
    /// A matrix for each block, a vector for each block of one column.
    pub(crate) fn of_blocks(of: TensorOf, blocks: &[Block]) -> impl Iterator<Item = Self> {
        blocks.iter().scan(0, move |next, &Block { name, rows, columns }| {
            let start = *next;
            *next += rows * columns;
            Some(match columns {
                1 => Self { name, of, shape: vec![rows], start, walk: vec![(rows, 1)] },
                _ => {
                    let walk = vec![(rows, 1), (columns, rows)];
                    Self { name, of, shape: vec![rows, columns], start, walk }
                }
            })
        })
    }

    /// The place of each of its numbers among the layer's, in the file's order.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        let count: usize = self.walk.iter().map(|&(len, _)| len).product();
        (0..count).map(|mut index| {
            let steps = self.walk.iter().rev().map(|&(len, stride)| {
                let at = index % len;
                index /= len;
                at * stride
            });
            self.start + steps.sum::<usize>()
        })
    }
}

/// The passes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// The forward pass alone.
    Forward,
    /// The forward pass and the backward pass.
    Both,
}

/// How many numbers a layer wants kept for it besides its input and its output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// From the forward pass to the backward pass.
    pub record: usize,
    /// Within one pass; they hold anything when it begins.
    pub scratch: usize,
    /// Written by [`Layer::prepare`] once a step, for all passes of that step.
    pub prepared: usize,
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// To use the network: a column of the output depends on its own column of the input alone.
    #[default]
    Inference,
    /// To train it: dropout drops, a batch normalization takes its statistics from the batch.
    Training {
        /// What is random in the pass follows from this, the layer and the sample's place in the
        /// batch.
        seed: u64,
    },
}

/// What a layer is given to compute y.
#[derive(Debug)]
#[non_exhaustive]
pub struct Forward<'a, T: Real> {
    /// The layer's parameters θ.
    pub parameters: &'a [T],
    /// What [`Layer::update_state`] has learned.
    pub state: &'a [T],
    /// What [`Layer::prepare`] has written.
    pub prepared: &'a [T],
    /// Columns of x and y.
    pub samples: usize,
    /// The input, inputs x samples, column after column.
    pub x: &'a [T],
    /// The output, outputs x samples: to be overwritten.
    pub y: &'a mut [T],
    /// To be written, for the backward pass.
    pub record: &'a mut [T],
    /// Whether a backward pass may follow: where none does, `record` need not be written.
    pub passes: Passes,
    /// To be used at will.
    pub scratch: &'a mut [T],
    /// What the pass is for; in training, `seed` is this layer's own.
    pub mode: Mode,
    /// The place of the first column in the batch, of which this may be a part.
    pub first_sample: usize,
    /// The threads that this pass may use; one, where the batch is divided among them.
    pub threads: Threads,
}

/// What a layer is given to compute gradients.
#[derive(Debug)]
#[non_exhaustive]
pub struct Backward<'a, T: Real> {
    /// The layer's parameters θ.
    pub parameters: &'a [T],
    /// What [`Layer::update_state`] has learned.
    pub state: &'a [T],
    /// What [`Layer::prepare`] has written.
    pub prepared: &'a [T],
    /// Columns of x, y, dy and dx.
    pub samples: usize,
    /// The input of the forward pass, column after column: for an activation this is z.
    pub x: &'a [T],
    /// The output of the forward pass: for an activation this is a.
    pub y: &'a [T],
    /// dL/dy, outputs x samples.
    pub dy: &'a [T],
    /// dL/dθ, a sum over the samples: to be overwritten where asked for.
    pub gradient: Option<&'a mut [T]>,
    /// dL/dx, inputs x samples: to be overwritten where asked for.
    pub dx: Option<&'a mut [T]>,
    /// What the forward pass has written.
    pub record: &'a [T],
    /// To be used at will.
    pub scratch: &'a mut [T],
    /// What the forward pass was for.
    pub mode: Mode,
    /// The place of the first column in the batch, of which this may be a part.
    pub first_sample: usize,
    /// The threads that this pass may use; one, where the batch is divided among them.
    pub threads: Threads,
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
        bias: Cow<'a, [T]>,
    },
    /// yᵢ = f(xᵢ) for every i.
    Pointwise(&'a dyn Activation<T>),
    /// y is what a state becomes, step by step along the sequence x.
    Recurrent(Recurrence<'a, T>),
    /// yᵢ = exp(xᵢ)/∑ⱼ exp(xⱼ), the sum over the group of `channels` neighbors that i belongs to.
    Softmax {
        /// Values in a group; the groups follow each other.
        channels: usize,
    },
    /// Neither of these.
    Other,
}

/// The linear part of an affine layer.
#[non_exhaustive]
pub enum Linear<'a, T: Real> {
    /// A matrix in memory, outputs x inputs.
    Matrix(DMatrixView<'a, T>),
    /// A matrix known by its products with vectors, outputs x inputs, as a convolution's.
    Operator(Box<dyn LinearOperator<T> + Send + Sync + 'a>),
}

impl<T: Real> Debug for Linear<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matrix(matrix) => f.debug_tuple("Matrix").field(matrix).finish(),
            Self::Operator(operator) => {
                let shape = (operator.nrows(), operator.ncols());
                f.debug_tuple("Operator").field(&shape).finish()
            }
        }
    }
}
