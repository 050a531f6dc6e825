//! placeholder
mod error;
mod follow;
mod lead;
#[cfg(feature = "mpi")]
mod mpi;
mod options;
mod post;
mod ranks;
mod report;
mod wire;

pub use error::{Error, Result};
pub use options::Options;
pub use ranks::{Ranks, launch};
pub use report::Report;
