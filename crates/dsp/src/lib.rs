//! To come.

mod error;
#[cfg(test)]
mod fixture;
pub mod peaks;

pub use error::{Error, Result};
