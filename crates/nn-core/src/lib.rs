//! Neural networks one can see through.
#![deny(missing_docs)]

mod activation;
mod builder;
mod check;
mod data;
mod dense;
mod error;
mod gradient_check;
mod init;
mod layer;
mod loss;
mod network;
mod optimizer;
mod pointwise;
mod softmax;
mod trace;
mod trainer;

pub use activation::{Activation, Identity, Interval, LeakyRelu, Relu, Sin, Tanh};
pub use builder::NetworkBuilder;
pub use data::{Header, LabelledImages, error_rate};
pub use dense::Dense;
pub use error::{Error, Result};
pub use gradient_check::{BlockReport, GradientReport, gradient_check};
pub use init::Initializer;
pub use layer::{Backward, Block, Forward, Layer, Linear, View};
pub use loss::{Loss, MeanSquaredError};
pub use network::{Gradients, Network};
pub use optimizer::{Adam, Optimizer, Sgd};
pub use pointwise::Pointwise;
pub use softmax::{SoftmaxCrossEntropy, softmax};
pub use trace::Trace;
pub use trainer::{Batch, History, Progress, Stop, Trainer};
