//! Dense and sparse linear algebra whose answers carry their own evidence.
//!
//! ```
//! use linalg::{DMatrix, DVector, PseudoInverse, Svd};
//!
//! // A matrix of rank 1, on which popular decompositions err by up to 196 % without a word.
//! let a = DMatrix::from_element(8, 2, 1.0_f64);
//! let svd = Svd::new(&a)?;
//! assert!((svd.singular_values[0] - 4.0).abs() < 1e-14);
//!
//! // Least squares that says what it did: the rank it used, and how clear that was.
//! let inverse = PseudoInverse::new(&a)?;
//! let x = inverse.solve(&DVector::from_element(8, 3.0))?;
//! assert_eq!(inverse.rank(), 1);
//! assert!(inverse.gap() > 1e12);
//! assert!((x[0] - 1.5).abs() < 1e-14 && (x[1] - 1.5).abs() < 1e-14);
//! # Ok::<(), linalg::Error>(())
//! ```
//!
//! The vocabulary is nalgebra's [`DMatrix`], [`DVector`] and [`Complex`], re-exported here; the
//! algorithms are this crate's. Entries are `f32`, `f64` or complex numbers of these ([`Scalar`]).
//!
//! # What to use
//!
//! | for | use |
//! |---|---|
//! | products, transposed, accumulated, into a given output | [`gemm`], [`product`], [`affine`] |
//! | A·x = b, square | [`Lu`] |
//! | A·x = b, Hermitian positive definite | [`Cholesky`] |
//! | min ‖b − A·x‖, full column rank | [`Qr`] |
//! | the same for any rank; null space, range | [`PseudoInverse`] |
//! | singular values, condition number | [`Svd`], [`singular_values`], [`condition_number`] |
//! | eigenvalues of a Hermitian matrix, with vectors | [`HermitianEigen`] |
//! | of a symmetric tridiagonal one (Gauss nodes) | [`tridiagonal_eigen`], [`tridiagonal_spectrum`] |
//! | of any square matrix; roots of a polynomial | [`eigenvalues`], [`roots`] |
//! | A known by its products only, or sparse | [`operator`], [`Csr`], [`Csc`], [`krylov`] |
//! | how good a factorisation or a solution is | [`residual`] |
//! | the parts of a quasi-Newton descent | [`descent`] |
//! | a gradient or Jacobian of a function, by differences | [`differences`] |
//! | exp, tanh, the logistic sigmoid of many numbers | [`elementary`] |
//!
//! A factorisation is a value: factor once, solve many.
//!
//! # What to expect
//!
//! - *No silent nonsense.* NaN and infinity are refused with their index before anything iterates;
//!   some well-known decompositions never return on them. Every spectral decomposition is checked
//!   in O(n²) before it is returned, and computed by another algorithm where the check fails.
//! - *Evidence.* Solvers return the residual computed afresh and why they stopped; the
//!   pseudo-inverse returns its rank, cut-off and gap; factorisations estimate their condition.
//! - *The same bits for any number of threads.* [`Threads::Pool`] divides the output, never a sum.
//! - *The instructions of the machine it runs on* (AVX2, AVX-512), chosen at run time, without
//!   `unsafe` here.
//!
//! # Wrong turns
//!
//! - *Inverting to solve.* [`Lu::solve`] costs a third and is more accurate than A⁻¹·b.
//! - *A determinant to see whether A is singular.* det(0.1·I) = 10⁻ⁿ; look at
//!   [`condition_number`] or [`Lu::rcond`].
//! - *The normal equations AᵀA·x = Aᵀb.* They square the condition number; [`Qr`] does not.
//! - *A small residual for a small error.* ‖x − x̂‖/‖x‖ ≤ κ(A)·‖b − A·x̂‖/‖b‖, and κ can be 10¹⁵.
//!
//! # Features
//!
//! `parallel` (default): [`Threads::Pool`] uses rayon's pool. `faer` (default): the fast kernels
//! for singular values and eigenvalues; without it the fallbacks do the same work more slowly,
//! and the crate builds sooner.

mod between;
mod bidiagonal;
mod cholesky;
mod columns;
mod condition;
pub mod descent;
pub mod differences;
mod door;
mod eigenvalues;
pub mod elementary;
mod error;
mod evidence;
#[cfg(feature = "faer")]
mod faer_kernels;
pub mod gathered;
mod gemm;
mod hermitian;
mod hessenberg;
mod jacobi;
mod kernels;
pub mod krylov;
pub mod lanes;
mod lu;
pub mod operator;
mod orthonormal;
pub mod parallel;
mod pinv;
mod precision;
mod product;
mod qr;
mod reflectors;
pub mod residual;
mod roots;
mod scalar;
mod shown;
mod sparse;
mod svd;
pub mod team;
mod triangular;
mod tridiagonal;

pub use between::{BoundedLeastSquares, bounded_least_squares};
pub use cholesky::Cholesky;
pub use eigenvalues::eigenvalues;
pub use error::{Error, Result};
pub use hermitian::{HermitianEigen, hermitian_eigenvalues};
pub use lu::Lu;
pub use nalgebra::{self, Complex, DMatrix, DMatrixView, DMatrixViewMut, DVector};
pub use operator::LinearOperator;
pub use pinv::PseudoInverse;
pub use product::{Operand, Threads, adjoint, affine, gemm, product, transpose};
pub use qr::{LeastSquares, Qr};
pub use roots::{Roots, roots};
pub use scalar::{Real, Scalar};
pub use shown::shown;
pub use sparse::{Csc, Csr};
pub use svd::{Svd, condition_number, singular_values};
pub use tridiagonal::{TridiagonalSpectrum, tridiagonal_eigen, tridiagonal_spectrum};
