//! Dense and sparse linear algebra whose answers carry their own evidence.
//!
//! The vocabulary is nalgebra's dynamic matrices and vectors, re-exported here; the algorithms are
//! this crate's.

mod error;
mod gemm;
mod lu;
mod parallel;
mod product;
mod scalar;

pub use error::{Error, Result};
pub use lu::Lu;
pub use nalgebra::{self, Complex, DMatrix, DMatrixView, DMatrixViewMut, DVector};
pub use product::{Operand, Threads, adjoint, gemm, product, transpose};
pub use scalar::{Real, Scalar};
