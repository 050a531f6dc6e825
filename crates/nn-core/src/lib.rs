//! Neural networks one can see through: batches as matrices, gradients that are checked.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use linalg::DMatrix;
//! use nn_core::{Adam, Batch, MeanSquaredError, Network, Tanh, Trainer};
//! use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
//!
//! // Exclusive or: four samples in the columns.
//! let x = DMatrix::from_row_slice(2, 4, &[-1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
//! let targets = DMatrix::from_row_slice(1, 4, &[-0.8, 0.8, 0.8, -0.8]);
//! let loss = MeanSquaredError::new(&targets)?;
//!
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
//! let mut network = Network::<f64>::builder(2).dense(8).activation(Tanh).dense(1).build(&mut rng)?;
//! let mut trainer = Trainer::new(Adam::new(0.05)?, Batch::Full, 1);
//! let history = trainer.train(&mut network, &x, &loss, 500, |_| ControlFlow::Continue(()))?;
//!
//! assert!(history.losses[499] < 1e-4);
//! assert!((network.predict(&x)? - targets).amax() < 0.02);
//! # Ok::<(), nn_core::Error>(())
//! ```
//!
//! # First decide: what is a mistake worth?
//!
//! | the target is | loss |
//! |---|---|
//! | numbers; with outliers | [`MeanSquaredError`]; [`Huber`], [`MeanAbsoluteError`] |
//! | one class of many | [`SoftmaxCrossEntropy`] |
//! | one class, and some mistakes cost less | [`Infogain`], [`ExpectedCost`] |
//! | any number of classes at once | [`BinaryCrossEntropy`] |
//! | shares that add up to 1 | [`SoftCrossEntropy`] |
//! | whatever somebody else says of the output | dL/dP, given to [`Network::backward`] |
//!
//! A batch is a matrix with a sample in each column, features x samples. Everything is generic over
//! [`Real`](linalg::Real), `f32` or `f64`. The same seed gives the same bits. Sizes are checked when
//! a network is built, and a misfit names both layers. A [`Layer`], an [`Activation`], a [`Loss`] or
//! an [`Optimizer`] of the caller's own goes through the same trait as those of this crate, and
//! [`gradient_check`] holds it to difference quotients.
//!
//! # "I can backpropagate one sample; how do I do all observations at once?"
//!
//! Put the observations into the columns of X and do the same, with matrices. A dense layer
//! Z = W·X + b followed by A = f(Z) has the backward pass
//!
//! ```text
//! dZ = dA ∘ f′(Z)      dW = dZ·Xᵀ      db = row sums of dZ      dX = Wᵀ·dZ
//! ```
//!
//! where every d· is the derivative of the loss by that matrix and has its shape. The product dZ·Xᵀ
//! is the sum over the samples of each one's own outer product δₙ·xₙᵀ; with 1/N in the loss it is the
//! mean of the per-sample gradients, nothing else ([`Network::sample_gradients`]).
//!
//! **The wrong turn**: to average the output errors of all samples into one number (or one vector) and
//! to propagate that. The errors of two samples are different variables, each with inputs of its own;
//! averaged first, they cancel. The smallest example is y = w·x at w = 0, with the samples 1 and −1
//! and the targets 1 and −1: the loss falls towards w = 1, but the average error is 0 and w never
//! moves.
//! ```
//! use linalg::DMatrix;
//! use nn_core::{Gradients, MeanSquaredError, Network, Trace};
//!
//! let network =
//!     Network::builder(1).dense_from(DMatrix::zeros(1, 1), vec![0.0]).build_given()?;
//! let x = DMatrix::from_row_slice(1, 2, &[1.0, -1.0]);
//! let mut trace = Trace::new();
//! network.loss_and_gradient(&x, &MeanSquaredError::new(&x)?, &mut trace)?;
//! assert_eq!(trace.gradient()[0], -2.0); // dL/dw
//!
//! let averaged = DMatrix::from_row_slice(1, 2, &[0.0, 0.0]); // the mean of −1 and 1
//! network.forward(&x, &mut trace)?;
//! network.backward(&averaged, Gradients::Parameters, &mut trace)?;
//! assert_eq!(trace.gradient()[0], 0.0);
//! # Ok::<(), nn_core::Error>(())
//! ```
//! On the digits (`cargo xtask verify nn-core/digits`), training by averaged errors leaves more than
//! half of the held-out images misread, where the gradient leaves 3 in 100.
//!
//! Offline, mini-batch and online training differ in the number of columns alone: [`Batch`].
//!
//! # "Why isn't dSoft equal to 1? What is the chain rule of a two-layer net with softmax?"
//!
//! Because `dSoft` is the derivative of the LOSS by the scores, not of anything by itself. The seed of
//! the chain is dL/dL = 1; one link further back stands
//!
//! ```text
//! L = −1/N ∑ₙ ln pₗₙ,  P = softmax(S)          dS  = (P − onehot)/N          classes x N
//! S = W₂·A + b₂                                dW₂ = dS·Aᵀ, db₂ = row sums of dS, dA = W₂ᵀ·dS
//! A = f(Z)                                     dZ  = dA ∘ f′(Z)
//! Z = W₁·X + b₁                                dW₁ = dZ·Xᵀ, db₁ = row sums of dZ
//! ```
//!
//! **The wrong turns**: dSoft = 1, which leaves the labels out of the gradient; and "the derivative of
//! softmax", which is a K x K matrix diag(p) − ppᵀ for each sample. Times the derivative −1/pₗ of
//! the logarithm it collapses to p − onehot, which is why loss and softmax are one step here,
//! [`SoftmaxCrossEntropy`]: taken apart, they give 0/0 once a probability underflows. With samples in
//! rows instead of columns every product is transposed: dW₂ = Aᵀ·dS.
//!
//! # "Is the activation's derivative taken at z or at a?"
//!
//! At z, always: f′ is the slope where f was evaluated. Where textbooks write it with a = f(z), they
//! have rewritten f′(z): for tanh, f′(z) = 1 − a², because tanh′ = 1 − tanh². That is another formula
//! for the same number, not f′ at another place; tanh′(1) = 0.41997, while tanh′(tanh 1) = 0.58782.
//!
//! [`Activation::slope_from_value`] says which functions can be had from a. [`Sin`] cannot: cos z is
//! ±√(1 − a²), and a has lost the sign.
//! ```
//! use nn_core::{Activation, Sin, Tanh};
//! let z: f64 = 2.5;
//! assert!((Sin.slope(z) + 0.80114).abs() < 1e-5);
//! assert!((Sin.slope(Sin.value(z)) - 0.82620).abs() < 1e-5); // at a: wrong, in sign too
//! assert_eq!(Sin.slope_from_value(Sin.value(z)), None);
//! assert!((Tanh.slope_from_value(Tanh.value(z)).unwrap() - Tanh.slope(z)).abs() < 1e-15);
//! ```
//! A [`Trace`] therefore keeps the input of every layer (z) and its output (a).
//!
//! # "Who chooses the values of the 32 3x3 filters? Will 10 contain an edge? Is every run different?"
//!
//! Nobody: they start at random and are trained like every other weight. "32 filters of 3 x 3" over an
//! image of 3 channels are 32·3·3·3 weights and 32 biases, 896 numbers, not 32 matrices of 3 x 3: each
//! filter looks at all channels at once.
//! ```
//! use nn_core::{Conv2d, Network, Relu, Shape};
//! use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
//! let network = Network::<f32>::builder(Shape::image(3, 64, 64))
//!     .conv2d(Conv2d::new(32, 3))
//!     .activation(Relu)
//!     .max_pool(2)
//!     .dense(10)
//!     .build(&mut Xoshiro256PlusPlus::seed_from_u64(1))?;
//! assert_eq!(network.parameter_ranges()[0].len(), 896);
//! # Ok::<(), nn_core::Error>(())
//! ```
//! Thirty networks of ten 3x3 filters on the handwritten digits, `cargo run --release -p nn-core --example
//! filters`, answer the rest:
//!
//! | of the filters of two runs | trained | random starts |
//! |---|---|---|
//! | cosine of the i-th with the i-th | 0.08 | 0.01 |
//! | cosine after the best assignment | 0.58 | 0.45 |
//! | correlation of their responses after the best assignment | 0.62 | 0.37 |
//! | runs with a filter of more than 80 % edge | 28 of 30 | 10 of 30 |
//!
//! Every run that is not seeded alike finds other filters, in an order that means nothing. An edge among
//! ten is likely and not certain. **The wrong turn** is to compare with 0: the best assignment of random
//! filters has a cosine of 0.45. [`match_filters`] pairs them, [`edge_energy`] and [`tuning`] say what
//! they look for, and [`filter_importance`] ranks them by what taking each out costs.
//!
//! A batch holds an image per column, in it the channel fastest, then x, then y: see [`Shape`].
//!
//! # "Penalise cat-for-dog less than cat-for-car; what is the backward pass?"
//!
//! Infogain loss with a matrix H of similarities, a row for each label: `L = −∑ⱼ H[l, j]·ln pⱼ`. Fused
//! with softmax its gradient by the scores is
//!
//! ```text
//! dS[i] = S·pᵢ − H[l, i],   S = ∑ⱼ H[l, j]
//! ```
//!
//! With H = I that is p − onehot: [`SoftmaxCrossEntropy`]. **The wrong turns**: p less the row of H, right
//! only where rows sum to one; softmax and loss as two layers, whose gradient dies where a
//! probability underflows; and distances in H, whose minimum lies on the farthest class. See
//! [`Infogain`], [`similarities_from_distances`], and [`ExpectedCost`] for costs as they are.
//!
//! # "Which optimizer?"
//!
//! [`Adam`] in mini-batches needs the least care. Offline, with all samples in every step, [`Lbfgs`]
//! has no rate to choose and takes far fewer passes. [`Sgd`] without momentum is the cheapest step:
//! each layer takes it on the way back, and no gradient is ever written down. A [`Trainer`] clips
//! gradients, follows a [`schedule`], adds up micro-batches, stops early by a [`Plan`], and
//! [`Trainer::save`] writes a checkpoint from which training goes on to the same bits.
//!
//! # "My loss is a simulator, it has no formula"
//!
//! [`Network::backward`] takes dL/dP from whoever made it, and so does [`Network::pull_back`], at the pace of training.
//!
//! # "Is my own layer right? What is its derivative along a direction?"
//!
//! [`layer_check`] holds one [`Layer`] to difference quotients, block by block: its gradients, how they
//! change along a direction, and its tangent against its backward pass without any differences;
//! [`GradientCheck`] does so in training mode. [`Network::jvp`] is J·v, [`Network::backward`] Jᵀ·u,
//! [`Network::jacobian`] the whole of J for one sample, [`Network::hessian_vector`] H·v and
//! [`Network::gauss_newton_vector`] the part of it that never bends downward, all exact for the layers and
//! losses of this crate; a layer of the caller's own has its tangents by central differences until
//! it writes better ones.
//!
//! # What is here
//!
//! *Layers*: [`Dense`], [`Convolution`] of images and sequences, [`MaxPool`], [`AveragePool`],
//! [`Flatten`], [`Softmax`], [`BatchNorm`], [`LayerNorm`], [`Dropout`], [`Embedding`], and
//! [`Recurrent`] for Elman, GRU and LSTM, parameterized as PyTorch's. Thirty networks of these are held to
//! PyTorch's outputs, losses and gradients from its own files, to 1e-12 in `f64`.
//!
//! *Activations*: [`Identity`], [`Relu`], [`LeakyRelu`], [`Elu`], [`Gelu`], [`GeluTanh`], [`Silu`],
//! [`Softplus`], [`Sigmoid`], [`Tanh`], [`Sin`], each with slope and curvature at z, and its inverse
//! where it has one; tanh, the exponential function and the sigmoid in vector lanes.
//!
//! *Losses* for numbers, directions, yes or no, classes and costs. *Training* by gradient descent with
//! momentum, RMSProp, Adam, AdamW and L-BFGS. *Data* from CSV and IDX files; weights in the files that
//! PyTorch reads and writes; filters compared, matched and ranked.

mod activation;
mod batch_norm;
mod binary;
mod buffer;
mod builder;
mod cell;
mod chain;
mod check;
mod checkpoint;
mod classes;
mod convolution;
mod data;
mod dense;
mod derivatives;
mod dropout;
mod dual;
mod embedding;
mod entries;
mod error;
mod few;
mod files;
mod filters;
mod flatten;
mod gelu;
mod gradient_check;
mod history;
mod infogain;
mod init;
mod layer;
mod layer_norm;
mod lbfgs;
mod loss;
mod narrow;
mod network;
mod normal;
mod optimizer;
mod pointwise;
mod pooling;
mod rectifier;
mod recurrence;
mod recurrent;
mod regression;
pub mod schedule;
mod shape;
mod shards;
mod sharing;
mod sigmoid;
mod softmax;
mod softmax_layer;
mod summary;
mod tangent;
mod trace;
mod trainer;
mod window;

pub use activation::{Activation, Fold, Identity, Interval, Sin};
pub use batch_norm::BatchNorm;
pub use binary::BinaryCrossEntropy;
pub use builder::NetworkBuilder;
pub use cell::Cell;
pub use convolution::{Conv1d, Conv2d, ConvAlgorithm, Convolution};
pub use data::{Header, IdxFile, IdxProblem, LabelledImages, error_rate};
pub use dense::Dense;
pub use derivatives::Direction;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use error::{Error, Result};
pub use filters::{
    Importance, Matching, Similarity, Tuning, edge_energy, filter_importance, match_filters, tuning,
};
pub use flatten::Flatten;
pub use gelu::{Gelu, GeluTanh};
pub use gradient_check::{
    BlockReport, GradientCheck, GradientReport, LayerReport, gradient_check, layer_check,
};
pub use history::{History, Plan, Progress, Stop};
pub use infogain::{ExpectedCost, Infogain, similarities_from_distances};
pub use init::Initializer;
pub use layer::{
    Backward, Block, Descent, Forward, Layer, Linear, Memory, Mode, Passes, Tensor, TensorOf, View,
};
pub use layer_norm::LayerNorm;
pub use lbfgs::{Iteration, Lbfgs, Minimization};
pub use loss::Loss;
pub use network::{Gradients, Network};
pub use optimizer::{Adam, Optimizer, OptimizerMemory, RmsProp, Sgd};
pub use pointwise::Pointwise;
pub use pooling::{AveragePool, MaxPool, Pool};
pub use rectifier::{Elu, LeakyRelu, Relu};
pub use recurrence::{Recurrence, State, Step};
pub use recurrent::{Recurrent, Steps};
pub use regression::{CosineDistance, Huber, MeanAbsoluteError, MeanSquaredError};
pub use shape::Shape;
pub use shards::Workspace;
pub use sigmoid::{Sigmoid, Silu, Softplus, Tanh};
pub use softmax::{Normalizer, SoftCrossEntropy, SoftmaxCrossEntropy, softmax};
pub use softmax_layer::Softmax;
pub use summary::{LayerSummary, Summary};
pub use tangent::{BackwardTangent, Point, Tangent};
pub use trace::Trace;
pub use trainer::{Batch, Clip, Trainer, TrainerState};
pub use window::Extent;
