//! To come.

mod categorical;
mod error;
mod policy;
mod score_function;

pub use categorical::Categorical;
pub use error::{Error, Result};
pub use policy::Policy;
pub use score_function::{Baseline, GradientEstimate, score_function, score_function_batch};
