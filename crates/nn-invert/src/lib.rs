//! Which input gives this output.
#![deny(missing_docs)]

mod affine;
mod error;
mod layerwise;

pub use error::{Error, Result};
pub use layerwise::{Inversion, Inversions, LayerwiseInverse};
