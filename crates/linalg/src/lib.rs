//! Dense and sparse linear algebra whose answers carry their own evidence.
//!
//! The vocabulary is nalgebra's dynamic matrices and vectors, re-exported here; the algorithms are
//! this crate's.

mod bidiagonal;
mod cholesky;
mod columns;
mod condition;
mod door;
mod eigenvalues;
mod error;
mod evidence;
#[cfg(feature = "faer")]
mod faer_kernels;
mod gemm;
mod hermitian;
mod hessenberg;
mod jacobi;
mod kernels;
pub mod krylov;
mod lu;
pub mod operator;
mod orthonormal;
mod pinv;
mod precision;
mod product;
mod qr;
mod reflectors;
mod roots;
mod scalar;
mod sparse;
mod svd;
mod triangular;
mod tridiagonal;

pub use cholesky::Cholesky;
pub use eigenvalues::eigenvalues;
pub use error::{Error, Result};
pub use hermitian::{HermitianEigen, hermitian_eigenvalues};
pub use lu::Lu;
pub use nalgebra::{self, Complex, DMatrix, DMatrixView, DMatrixViewMut, DVector};
pub use operator::LinearOperator;
pub use pinv::PseudoInverse;
pub use product::{Operand, Threads, adjoint, gemm, product, transpose};
pub use qr::{LeastSquares, Qr};
pub use roots::{Roots, roots};
pub use scalar::{Real, Scalar};
pub use sparse::{Csc, Csr};
pub use svd::{Svd, condition_number, singular_values};
pub use tridiagonal::{TridiagonalSpectrum, tridiagonal_eigen, tridiagonal_spectrum};
