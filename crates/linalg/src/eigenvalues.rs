//! The eigenvalues of a general square matrix.

use nalgebra::{Complex, DMatrix, DVector};

use crate::door::{Scale, finite, largest, representable, square};
use crate::kernels::Kernels;
use crate::{Error, Result, Scalar, evidence, hessenberg};

/// The eigenvalues of the square matrix `a`, real or complex, in no particular order.
///
/// Those of a real matrix that are not real come in conjugate pairs, side by side. Each is an
/// eigenvalue of some A + E with ‖E‖ of about n·eps·‖A‖; how far that moves it depends on its own
/// condition, and a k-fold one without k eigenvectors moves by about eps^(1/k). For a Hermitian
/// matrix [`hermitian_eigenvalues`](crate::hermitian_eigenvalues) is faster and sorted; for a
/// polynomial [`roots`](crate::roots) is both faster and more accurate than its companion matrix.
///
/// The values were checked before they were returned: Σλ = tr A, Σλ² = tr A², Σ|λ|² ≤ ‖A‖_F², and
/// A − λI singular for one λ, each to 30·n·eps (LAPACK's threshold). Single precision is computed
/// in double, where the values stay.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotSquare`], [`Error::NotFinite`] with the entry's index;
/// [`Error::OutOfRange`] where an eigenvalue overflows though the entries do not.
///
/// # Examples
/// A quarter turn has the eigenvalues ±i.
/// ```
/// use linalg::{DMatrix, eigenvalues};
/// let values = eigenvalues(&DMatrix::from_row_slice(2, 2, &[0.0, -1.0, 1.0, 0.0]))?;
/// assert!(values.iter().all(|z| z.re.abs() < 1e-15 && (z.im.abs() - 1.0).abs() < 1e-15));
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Braman, Byers and Mathias, "The multishift QR algorithm", SIAM J. Matrix Anal. Appl. 23, 2002
/// (by way of faer); Martin, Peters and Wilkinson, "The QR algorithm for real Hessenberg matrices",
/// Numer. Math. 14, 1970.
pub fn eigenvalues<T: Scalar>(a: &DMatrix<T>) -> Result<DVector<Complex<f64>>> {
    finite("a", a)?;
    square("a", a)?;
    let values = T::Double::eigenvalues(&T::widen(a))?;
    let parts: Vec<_> = values.iter().flat_map(|z| [z.re, z.im]).collect();
    representable(a, &parts)?;
    Ok(values)
}

/// Scale; the two QR algorithms, the faster one first; the first that passes its check.
pub(crate) fn ladder<D: Kernels>(a: &DMatrix<D>) -> Result<DVector<Complex<f64>>> {
    type Rung<D> = fn(&DMatrix<D>) -> Option<DVector<Complex<f64>>>;
    let n = a.nrows();
    let scale = Scale::new(largest(a));
    let scaled = scale.matrix(a);
    let a = scaled.as_ref();
    let mut rungs: [Rung<D>; 3] =
        [D::faer_eigenvalues, hessenberg::eigenvalues, |a| hessenberg::eigenvalues(&a.transpose())];
    if n <= D::HESSENBERG_UP_TO {
        rungs.swap(0, 1);
    }
    for rung in rungs {
        if let Some(values) = rung(a)
            && evidence::eigenvalues(a, &values)
        {
            return Ok(values.map(|z| Complex::new(scale.undo(z.re), scale.undo(z.im))));
        }
    }
    Err(Error::NoConvergence { algorithm: "eigenvalues", rows: n, columns: n })
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::kernels::Vectors;

    #[test]
    fn both_qr_iterations_pass_the_check_on_small_integers() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for _ in 0..1500 {
            let n = rng.random_range(1..=12);
            let mut part = || f64::from(rng.random_range(-1..=1));
            let a = DMatrix::from_fn(n, n, |_, _| Complex::new(part(), part()));
            let real = a.map(|z| z.re);
            let values = hessenberg::eigenvalues(&real).unwrap();
            assert!(evidence::eigenvalues(&real, &values), "{real}");
            let values = hessenberg::eigenvalues(&a).unwrap();
            assert!(evidence::eigenvalues(&a, &values), "{a}");
            // Each value, by the smallest singular value of A − λI.
            for value in values.iter() {
                let shifted = &a - DMatrix::from_diagonal_element(n, n, *value);
                let smallest = Kernels::svd(&shifted, Vectors::No).unwrap().values[n - 1];
                assert!(smallest <= 30.0 * n as f64 * f64::EPSILON * a.norm(), "{value} of {a}");
            }
        }
    }

    #[test]
    fn the_check_refuses_an_unfinished_iteration() {
        // The diagonal of a cyclic permutation has its trace, and the trace of its square.
        let cyclic = DMatrix::from_fn(6, 6, |i: usize, j| f64::from(u8::from((j + 1) % 6 == i)));
        assert!(!evidence::eigenvalues(&cyclic, &DVector::zeros(6)));
        let right = hessenberg::eigenvalues(&cyclic).unwrap();
        assert!(evidence::eigenvalues(&cyclic, &right));
        for (index, mutate) in [
            (|v: &mut DVector<Complex<f64>>| v[0] *= 1.0 + 1e-12) as fn(&mut _),
            |v| v[3] = Complex::new(f64::NAN, f64::NAN),
            |v| v[1] = v[0],
        ]
        .iter()
        .enumerate()
        {
            let mut wrong = right.clone();
            mutate(&mut wrong);
            assert!(!evidence::eigenvalues(&cyclic, &wrong), "mutant {index}");
        }
    }
}
