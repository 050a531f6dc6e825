//! The singular value decomposition, and the condition number that comes from it.

use nalgebra::{DMatrix, DVector};

use crate::door::{Scale, finite, largest, representable};
use crate::kernels::{Kernels, SingularParts, Vectors};
use crate::{Error, Result, Scalar, bidiagonal, evidence, jacobi};

/// The decomposition A = U·diag(σ)·Vᴴ of an m × n matrix, with k = min(m, n).
///
/// Every result was checked before it was returned: ‖A‖_F² = Σσ², and A·V·z = U·Σ·z with U and V
/// orthonormal in a fixed pseudo-random direction z, each to 30·max(m, n)·eps (LAPACK's threshold).
/// A matrix on which the fast algorithm fails its check goes to a slower one, in the end to
/// one-sided Jacobi, which always converges.
///
/// Single precision is computed in double; U and V are rounded at the end, σ stays in double.
///
/// # Examples
/// All ones, 2 × 8: one singular value, √(2·8), on which popular decompositions err by up to 196 %.
/// ```
/// use linalg::{DMatrix, Svd};
/// let svd = Svd::new(&DMatrix::from_element(2, 8, 1.0))?;
/// assert!((svd.singular_values[0] - 4.0).abs() < 1e-15);
/// assert!(svd.singular_values[1] < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Gu and Eisenstat, "A divide-and-conquer algorithm for the bidiagonal SVD", SIAM J. Matrix Anal.
/// Appl. 16, 1995 (by way of faer); Drmač and Veselić, "New fast and accurate Jacobi SVD
/// algorithm", ibid. 29, 2008.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Svd<T: Scalar> {
    /// U: m × k, orthonormal columns.
    pub u: DMatrix<T>,
    /// σ: k values, none negative, descending.
    pub singular_values: DVector<f64>,
    /// V (not its adjoint): n × k, orthonormal columns.
    pub v: DMatrix<T>,
}

impl<T: Scalar> Svd<T> {
    /// Decomposes `a`, which is only read. O(m·n·k).
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`] with the entry's index; [`Error::OutOfRange`] where
    /// σ₁ overflows though the entries do not.
    pub fn new(a: &DMatrix<T>) -> Result<Self> {
        finite("a", a)?;
        let SingularParts { u, values, v } = T::Double::svd(&T::widen(a), Vectors::Yes)?;
        representable(a, values.as_slice())?;
        Ok(Self { u: T::narrow(u), singular_values: values, v: T::narrow(v) })
    }

    /// The condition number in the 2-norm, σ₁/σ_k; infinite for a matrix without full rank in
    /// floating point. See [`condition_number`].
    #[must_use]
    pub fn condition_number(&self) -> f64 {
        ratio(&self.singular_values)
    }
}

/// The singular values of `a`, descending, without vectors: half the time of [`Svd::new`] or less.
///
/// # Errors
/// As [`Svd::new`].
///
/// # Examples
/// ```
/// use linalg::{DMatrix, singular_values};
/// // [[3, 0], [4, 5]] has AᵀA = [[25, 20], [20, 25]], whose eigenvalues are 45 and 5.
/// let sigma = singular_values(&DMatrix::from_row_slice(2, 2, &[3.0, 0.0, 4.0, 5.0]))?;
/// assert!((sigma[0] - 45.0_f64.sqrt()).abs() < 1e-14);
/// assert!((sigma[1] - 5.0_f64.sqrt()).abs() < 1e-14);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn singular_values<T: Scalar>(a: &DMatrix<T>) -> Result<DVector<f64>> {
    finite("a", a)?;
    let values = T::Double::svd(&T::widen(a), Vectors::No)?.values;
    representable(a, values.as_slice())?;
    Ok(values)
}

/// The condition number in the 2-norm, σ₁/σ_k: how many times larger the relative error of a
/// solution of A·x = b can be than that of b.
///
/// log₁₀ of it is the number of digits lost. It is exact to about eps·σ₁/σ_k relatively, so that a
/// value near or above 1/eps says "singular to working precision" and no more; a matrix of zeros
/// has an infinite one.
///
/// # Errors
/// As [`Svd::new`].
///
/// # Examples
/// ```
/// use linalg::{DMatrix, condition_number};
/// // The 5 x 5 Hilbert matrix: 4.766e5 (Higham, "Accuracy and Stability", table 28.1).
/// let hilbert = DMatrix::from_fn(5, 5, |i, j| 1.0 / (i + j + 1) as f64);
/// assert!((condition_number(&hilbert)? / 4.7661e5 - 1.0).abs() < 1e-4);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn condition_number<T: Scalar>(a: &DMatrix<T>) -> Result<f64> {
    Ok(ratio(&singular_values(a)?))
}

fn ratio(descending: &DVector<f64>) -> f64 {
    let (largest, smallest) = (descending[0], descending[descending.len() - 1]);
    if smallest == 0.0 { f64::INFINITY } else { largest / smallest }
}

/// Up to which size the QR iteration here is faster than faer, measured.
fn qr_up_to(vectors: Vectors) -> usize {
    match vectors {
        Vectors::Yes => 28,
        Vectors::No => 128,
    }
}

/// Scale, then faer (after the QR iteration for small sizes, before it for others), then faer on
/// the adjoint, then Jacobi: the first that passes its check.
pub(crate) fn ladder<D: Kernels>(a: &DMatrix<D>, vectors: Vectors) -> Result<SingularParts<D>> {
    type Rung<D> = fn(&DMatrix<D>, Vectors) -> Option<SingularParts<D>>;
    let (m, n) = a.shape();
    let scale = Scale::new(largest(a));
    let scaled = scale.matrix(a);
    let a = scaled.as_ref();
    let mut rungs: [Rung<D>; 4] = [D::faer_svd, bidiagonal::svd, faer_of_adjoint, jacobi::svd];
    if m.max(n) <= qr_up_to(vectors) {
        rungs.swap(0, 1);
    }
    for rung in rungs {
        if let Some(mut parts) = rung(a, vectors)
            && evidence::singular(a, &parts)
        {
            parts.values.apply(|value| *value = scale.undo(*value));
            return Ok(parts);
        }
    }
    Err(Error::NoConvergence { algorithm: "singular value decomposition", rows: m, columns: n })
}

fn faer_of_adjoint<D: Kernels>(a: &DMatrix<D>, vectors: Vectors) -> Option<SingularParts<D>> {
    let SingularParts { u, values, v } = D::faer_svd(&a.adjoint(), vectors)?;
    Some(SingularParts { u: v, values, v: u })
}
