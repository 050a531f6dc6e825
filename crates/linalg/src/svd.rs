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

    /// The condition number in the 2-norm, σ₁/σₖ; infinite for a matrix without full rank in
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

/// The condition number in the 2-norm, σ₁/σₖ: how many times larger the relative error of a
/// solution of A·x = b can be than that of b.
///
/// log₁₀ of it is the number of digits lost. It is exact to about eps·σ₁/σₖ relatively, so that a
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

#[cfg(test)]
mod tests {
    use nalgebra::Complex;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Small integers: many of these are singular, and their singular values coincide.
    fn integers(index: u64) -> DMatrix<Complex<f64>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(index);
        let (m, n) = (rng.random_range(1..=9), rng.random_range(1..=9));
        let reach = rng.random_range(1..=2);
        DMatrix::from_fn(m, n, |_, _| {
            let mut part = || f64::from(rng.random_range(-reach..=reach));
            Complex::new(part(), part())
        })
    }

    /// The largest of residual and departures from orthonormality, over max(m, n)·eps·‖A‖.
    fn ratio<D: Kernels>(a: &DMatrix<D>, parts: &SingularParts<D>) -> f64 {
        let SingularParts { u, values, v } = parts;
        let sigma = DMatrix::from_diagonal(&values.map(D::from_real));
        let identity = DMatrix::<D>::identity(values.len(), values.len());
        let residual = (a - u * sigma * v.adjoint()).norm() / a.norm().max(1e-300);
        let departure = (u.ad_mul(u) - &identity).norm().max((v.ad_mul(v) - identity).norm());
        residual.max(departure) / (a.nrows().max(a.ncols()) as f64 * f64::EPSILON)
    }

    fn examine<D: Kernels>(a: &DMatrix<D>) {
        for (name, rung) in [
            ("QR", bidiagonal::svd as fn(&DMatrix<D>, Vectors) -> Option<SingularParts<D>>),
            ("Jacobi", jacobi::svd),
        ] {
            let parts = rung(a, Vectors::Yes).unwrap_or_else(|| panic!("{name} gave up on {a}"));
            assert!(evidence::singular(a, &parts), "{name} fails its check on {a}");
            let ratio = ratio(a, &parts);
            assert!(ratio < 30.0, "{name}: {ratio} on {a}");
            let alone = rung(a, Vectors::No).unwrap();
            assert!(evidence::singular(a, &alone), "{name}, values alone, on {a}");
        }
    }

    #[test]
    fn each_rung_of_the_ladder_is_right_on_its_own() {
        for index in 0..1500 {
            let a = integers(index);
            examine(&a.map(|z| z.re));
            examine(&a);
        }
        // Larger than any dispatch sends them, graded, with zeros on the bidiagonal.
        for n in [33, 60] {
            let graded = |i: usize, j: usize| 0.56_f64.powf((i + j) as f64);
            examine(&DMatrix::from_fn(n, n, |i, j| graded(i, j) * ((7 * i + 3 * j) % 5) as f64));
            examine(&DMatrix::from_fn(n, n, |i, j| if i + 1 == j { 1.0 } else { 0.0 }));
            examine(&DMatrix::from_fn(n, n, |i, j| f64::from(u8::from(j == i || j == i + 1))));
        }
        examine(&DMatrix::from_row_slice(
            3,
            3,
            &[1.0, 1e-150, 0.0, 0.0, 0.0, 1e-170, 0.0, 0.0, 1.0],
        ));
    }

    #[test]
    fn the_check_refuses_what_libraries_have_returned() {
        // nalgebra 0.35 is off by 4 % on this one.
        let a = DMatrix::from_row_slice(3, 3, &[1.0, 2.0, 2.0, 2.0, -1.0, -1.0, 2.0, 1.0, -1.0]);
        let right = jacobi::svd(&a, Vectors::Yes).unwrap();
        assert!(evidence::singular(&a, &right));
        // A value that is off, one that is missing, NaN, a wrong sign, a vector of another pair,
        // vectors that are not orthonormal, values out of order.
        let mutants: [fn(&mut SingularParts<f64>); 7] = [
            |p| p.values[0] *= 1.0 + 1e-11,
            |p| p.values[1] = 0.0,
            |p| p.values[0] = f64::NAN,
            |p| p.u.column_mut(0).neg_mut(),
            |p| p.v.swap_columns(0, 1),
            |p| p.u.column_mut(1).scale_mut(1.0 + 1e-11),
            |p| p.values.swap_rows(1, 2),
        ];
        for (index, mutate) in mutants.iter().enumerate() {
            let mut wrong = right.clone();
            mutate(&mut wrong);
            assert!(!evidence::singular(&a, &wrong), "mutant {index}");
        }
        let alone = jacobi::svd(&a, Vectors::No).unwrap();
        for mutate in &mutants[..3] {
            let mut wrong = alone.clone();
            mutate(&mut wrong);
            assert!(!evidence::singular(&a, &wrong));
        }
    }
}
