//! Simulators in another process.

mod environment;
mod keeper;
mod rules;
mod serve;
mod simulator;
mod wire;
mod worker;

pub use environment::{EnvironmentAction, ExternalEnvironment};
pub use rules::{OnFailure, Options, Report};
pub use serve::serve;
pub use simulator::ExternalSimulator;
pub use wire::Encoding;

/// The Python side.
pub const PYTHON_SHIM: &str = include_str!("../../python/plumbline_worker.py");
