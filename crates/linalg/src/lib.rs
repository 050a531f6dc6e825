//! Dense and sparse linear algebra whose answers carry their own evidence.
//!
//! The vocabulary is nalgebra's dynamic matrices and vectors, re-exported here; the algorithms are
//! this crate's.

pub mod differences;
mod error;
pub mod krylov;
mod lu;
pub mod operator;
mod product;
pub mod residual;
mod scalar;
mod sparse;

pub use error::{Error, Result};
pub use lu::Lu;
pub use nalgebra::{self, Complex, DMatrix, DMatrixView, DMatrixViewMut, DVector};
pub use operator::LinearOperator;
pub use product::{Operand, Threads, adjoint, gemm, product, transpose};
pub use scalar::{Real, Scalar};
pub use sparse::{Csc, Csr};
