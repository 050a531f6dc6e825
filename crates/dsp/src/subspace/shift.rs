//! Angles from shift invariance, without a search: ESPRIT and the matrix pencil.

use linalg::{Complex, DMatrix, Lu, Qr, Svd, eigenvalues};

use super::{Covariance, Smoothing, Subspace, finite_matrix};
use crate::{Error, Result};

/// How ESPRIT solves E₁·Φ = E₂, where both sides are noisy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Solution {
    /// By least squares, as if E₁ were exact. On tones 1.04 to 1.19 times the Cramér-Rao bound.
    #[default]
    LeastSquares,
    /// By total least squares.
    TotalLeastSquares,
}

/// The angles of `sources` sources by ESPRIT: a source turns from one sensor to the next by e^(jω),
/// so that with E the signal subspace, its rows without the last times a matrix Φ are its rows
/// without the first, and Φ has the eigenvalues e^(jω).
///
/// # Errors
/// [`Error::Sources`]; [`linalg::Error`] for a subspace in which two sources coincide.
///
/// # References
/// R. Roy and T. Kailath, "ESPRIT: estimation of signal parameters via rotational invariance
/// techniques", IEEE Trans. ASSP 37(7), 1989.
///
/// # Examples
/// ```
/// use dsp::subspace::{Covariance, Smoothing, Solution, Subspace, esprit};
/// use linalg::{Complex, DMatrix};
/// let x = DMatrix::from_fn(16, 1, |k, _| Complex::from_polar(1.0, 0.25 * k as f64));
/// let covariance = Covariance::new(&x, Smoothing::ForwardBackward { length: 10 })?;
/// let angles = esprit(&Subspace::new(&covariance)?, 1, Solution::LeastSquares)?;
/// assert!((angles[0] - 0.25).abs() < 1e-13);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn esprit(subspace: &Subspace, sources: usize, solution: Solution) -> Result<Vec<f64>> {
    subspace.covariance.check_sources(sources)?;
    let signal = subspace.vectors.columns(0, sources).into_owned();
    turns(&signal, solution)
}

/// The angles of `sources` tones in the samples `x` by the matrix pencil with windows of `length`.
///
/// ESPRIT on the singular vectors of the windows themselves, without the conjugated mirror images of
/// forward-backward averaging: damped tones allow no more, undamped ones deserve better.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`], [`Error::OutOfRange`] for a window that does not fit,
/// [`Error::Sources`].
///
/// # References
/// Y. Hua and T. Sarkar, "Matrix pencil method for estimating parameters of exponentially
/// damped/undamped sinusoids in noise", IEEE Trans. ASSP 38(5), 1990.
pub fn matrix_pencil(x: &[Complex<f64>], length: usize, sources: usize) -> Result<Vec<f64>> {
    let samples = DMatrix::from_column_slice(x.len(), 1, x);
    if x.is_empty() {
        return Err(Error::Empty { argument: "x" });
    }
    finite_matrix("x", &samples)?;
    Covariance::new(&samples, Smoothing::Forward { length })?.check_sources(sources)?;
    let windows = x.len() - length + 1;
    let hankel = DMatrix::from_fn(length, windows, |i, j| x[i + j]);
    let svd = Svd::new(&hankel)?;
    turns(&svd.u.columns(0, sources).into_owned(), Solution::LeastSquares)
}

/// The arguments of the eigenvalues of the Φ with E₁·Φ = E₂.
fn turns(signal: &DMatrix<Complex<f64>>, solution: Solution) -> Result<Vec<f64>> {
    let (m, sources) = signal.shape();
    let first = signal.rows(0, m - 1).into_owned();
    let second = signal.rows(1, m - 1).into_owned();
    let phi = match solution {
        Solution::LeastSquares => {
            let qr = Qr::new(first)?;
            let mut rotated = second;
            qr.apply_q_adjoint(&mut rotated)?;
            let r = qr.r();
            let square = r.rows(0, sources).into_owned();
            Lu::new(square)?.solve_many(&rotated.rows(0, sources).into_owned())?
        }
        Solution::TotalLeastSquares => {
            let mut both = DMatrix::zeros(m - 1, 2 * sources);
            both.columns_mut(0, sources).copy_from(&first);
            both.columns_mut(sources, sources).copy_from(&second);
            // The right singular vectors of the small ones, from an m x 2K matrix: where that has
            // fewer rows, from its Gram matrix, which has them all.
            let gram = linalg::product(linalg::adjoint(&both), &both)?;
            let vectors = linalg::HermitianEigen::new(&gram)?.vectors;
            let upper = vectors.view((0, 0), (sources, sources)).into_owned();
            let lower = vectors.view((sources, 0), (sources, sources)).into_owned();
            // Φ = −V₁₂·V₂₂⁻¹, by its adjoint V₂₂ᴴ·Φᴴ = −V₁₂ᴴ.
            -Lu::new(lower.adjoint())?.solve_many(&upper.adjoint())?.adjoint()
        }
    };
    Ok(eigenvalues(&phi)?.iter().map(|z| z.arg()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn clean_tones_are_found_by_each_method(
            first in -3.0_f64..3.0,
            gap in 0.3_f64..2.5,
            amplitude in 0.3_f64..3.0,
        ) {
            let angles = [first, first + gap];
            let x: Vec<Complex<f64>> = (0..24)
                .map(|k| {
                    let tone = |angle: f64| Complex::from_polar(1.0, angle * f64::from(k));
                    tone(angles[0]) + tone(angles[1]) * amplitude
                })
                .collect();
            let samples = DMatrix::from_column_slice(24, 1, &x);
            let smoothing = Smoothing::ForwardBackward { length: 14 };
            let subspace = Subspace::new(&Covariance::new(&samples, smoothing).unwrap()).unwrap();
            let all = [
                esprit(&subspace, 2, Solution::LeastSquares).unwrap(),
                esprit(&subspace, 2, Solution::TotalLeastSquares).unwrap(),
                matrix_pencil(&x, 12, 2).unwrap(),
            ];
            for found in all {
                for angle in angles {
                    let off = |z: &f64| Complex::from_polar(1.0, z - angle).arg().abs();
                    let error = found.iter().map(off).fold(f64::INFINITY, f64::min);
                    // Forward-backward can lose the weaker source at some phases: its eigenvalue
                    // falls, and rounding is amplified by its inverse.
                    let gap = subspace.values[1] / subspace.values[0];
                    prop_assert!(error < 1e-12 / gap.min(0.01), "{found:?} {angles:?} {gap}");
                }
            }
        }
    }

    #[test]
    fn bad_windows_are_refused() {
        let x = [Complex::from(1.0); 8];
        let text = |x: &[Complex<f64>], length, sources| {
            matrix_pencil(x, length, sources).unwrap_err().to_string()
        };
        assert_eq!(text(&[], 3, 1), "x is empty; at least one sample is needed");
        assert!(text(&x, 9, 1).starts_with("length of a subarray is 9"));
        assert!(text(&x, 4, 4).starts_with("4 sources cannot be told apart"));
    }
}
