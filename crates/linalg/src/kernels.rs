//! The decompositions as concrete functions of `f64` and `Complex<f64>`: compiled here, once.
//!
//! A generic function is compiled again in every crate that calls it, and these take seconds. The
//! methods below are implemented for two types, so that what calls them stays thin.

use nalgebra::{Complex, DMatrix, DVector};

use crate::{Result, Scalar, eigenvalues, hermitian, hessenberg, orthonormal, svd};

/// Whether vectors are wanted beside the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(unnameable_types, reason = "an argument of the sealed `Kernels`")]
pub enum Vectors {
    /// Values alone.
    No,
    /// Values and vectors.
    Yes,
}

/// A = U·diag(σ)·Vᴴ with σ descending; the factors are empty where they were not asked for.
#[derive(Debug, Clone)]
#[expect(unnameable_types, reason = "a result of the sealed `Kernels`")]
pub struct SingularParts<D> {
    /// m × k, orthonormal columns, k = min(m, n).
    pub u: DMatrix<D>,
    /// k values, descending.
    pub values: DVector<f64>,
    /// n × k, orthonormal columns.
    pub v: DMatrix<D>,
}

/// A = V·diag(λ)·Vᴴ with λ ascending; `vectors` is empty where they were not asked for.
#[derive(Debug, Clone)]
#[expect(unnameable_types, reason = "a result of the sealed `Kernels`")]
pub struct HermitianParts<D> {
    /// n values, ascending.
    pub values: DVector<f64>,
    /// n × n, orthonormal columns.
    pub vectors: DMatrix<D>,
}

/// A double-precision scalar and its decompositions.
#[expect(unnameable_types, reason = "reached through the sealed `Scalar`, of no use outside")]
pub trait Kernels: Scalar<RealField = f64> {
    /// Up to which size the QL iteration of `hermitian`, with vectors, is faster than faer, measured.
    const QL_UP_TO: usize;
    /// Up to which size the QR iteration of `hessenberg` is faster than faer's, measured.
    const HESSENBERG_UP_TO: usize;

    /// Singular values and vectors, by the ladder of `svd`.
    fn svd(a: &DMatrix<Self>, vectors: Vectors) -> Result<SingularParts<Self>>;
    /// Eigenvalues and vectors of a Hermitian matrix, by the ladder of `hermitian`.
    fn hermitian(a: &DMatrix<Self>, vectors: Vectors) -> Result<HermitianParts<Self>>;
    /// Eigenvalues of any square matrix, by the ladder of `eigenvalues`.
    fn eigenvalues(a: &DMatrix<Self>) -> Result<DVector<Complex<f64>>>;
    /// An orthonormal basis of what the orthonormal columns of `basis` do not span.
    fn complement(basis: &DMatrix<Self>) -> DMatrix<Self>;

    /// faer's SVD; `None` where it did not converge, or is not compiled in.
    fn faer_svd(a: &DMatrix<Self>, vectors: Vectors) -> Option<SingularParts<Self>>;
    /// faer's Hermitian eigendecomposition, which reads the lower triangle.
    fn faer_hermitian(a: &DMatrix<Self>, vectors: Vectors) -> Option<HermitianParts<Self>>;
    /// faer's eigenvalues; NaN in those that did not converge.
    fn faer_eigenvalues(a: &DMatrix<Self>) -> Option<DVector<Complex<f64>>>;
    /// Eigenvalues of an upper Hessenberg matrix by the QR algorithm, in its own storage.
    fn hessenberg_eigenvalues(h: DMatrix<Self>) -> Option<DVector<Complex<f64>>>;
    /// `re` + i·`im` as far as the type goes: the real types drop `im`.
    fn from_parts(re: f64, im: f64) -> Self;
}

macro_rules! kernels {
    ($type:ty, $ql:literal, $up_to:literal, $faer_eigenvalues:ident, $hessenberg:path, $from_parts:expr) => {
        impl Kernels for $type {
            const QL_UP_TO: usize = $ql;
            const HESSENBERG_UP_TO: usize = $up_to;

            fn svd(a: &DMatrix<Self>, vectors: Vectors) -> Result<SingularParts<Self>> {
                svd::ladder(a, vectors)
            }
            fn hermitian(a: &DMatrix<Self>, vectors: Vectors) -> Result<HermitianParts<Self>> {
                hermitian::ladder(a, vectors)
            }
            fn eigenvalues(a: &DMatrix<Self>) -> Result<DVector<Complex<f64>>> {
                eigenvalues::ladder(a)
            }
            fn complement(basis: &DMatrix<Self>) -> DMatrix<Self> {
                orthonormal::complement(basis)
            }
            fn hessenberg_eigenvalues(h: DMatrix<Self>) -> Option<DVector<Complex<f64>>> {
                $hessenberg(h)
            }
            fn from_parts(re: f64, im: f64) -> Self {
                $from_parts(re, im)
            }

            #[cfg(feature = "faer")]
            fn faer_svd(a: &DMatrix<Self>, vectors: Vectors) -> Option<SingularParts<Self>> {
                crate::faer_kernels::svd(a, vectors)
            }
            #[cfg(feature = "faer")]
            fn faer_hermitian(a: &DMatrix<Self>, vectors: Vectors) -> Option<HermitianParts<Self>> {
                crate::faer_kernels::hermitian(a, vectors)
            }
            #[cfg(feature = "faer")]
            fn faer_eigenvalues(a: &DMatrix<Self>) -> Option<DVector<Complex<f64>>> {
                crate::faer_kernels::$faer_eigenvalues(a)
            }

            #[cfg(not(feature = "faer"))]
            fn faer_svd(_: &DMatrix<Self>, _: Vectors) -> Option<SingularParts<Self>> {
                None
            }
            #[cfg(not(feature = "faer"))]
            fn faer_hermitian(_: &DMatrix<Self>, _: Vectors) -> Option<HermitianParts<Self>> {
                None
            }
            #[cfg(not(feature = "faer"))]
            fn faer_eigenvalues(_: &DMatrix<Self>) -> Option<DVector<Complex<f64>>> {
                None
            }
        }
    };
}

kernels!(f64, 32, 128, eigenvalues_real, hessenberg::real, |re, _| re);
kernels!(Complex<f64>, 24, 48, eigenvalues_complex, hessenberg::complex, Self::new);
