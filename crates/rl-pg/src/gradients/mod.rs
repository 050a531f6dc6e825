//! Gradients of what is known by its values alone, and what they are worth.

mod baseline;
mod chain;
mod estimate;
mod estimator;
mod natural;
mod pgpe;
mod probe;
mod report;
mod score_function;
mod step_search;

pub use baseline::Baseline;
pub use chain::{Chain, ChainGradient, Objective};
pub use estimate::{GradientEstimate, Slopes};
pub use estimator::{Estimator, Method, RandomNumbers};
pub use natural::natural_gradient;
pub use pgpe::pgpe;
pub use report::{GradientReport, ReportPlan, Shares};
pub use score_function::{score_function, score_function_batch};
pub use step_search::{ChosenStep, Quotient, StepSearch};
