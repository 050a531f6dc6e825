//! The eigenproblem of a real symmetric tridiagonal matrix.

use nalgebra::{DMatrix, DVector};

use crate::door::Scale;
use crate::kernels::{HermitianParts, Kernels};
use crate::orthonormal::NEGLIGIBLE;
use crate::{Error, HermitianEigen, Result};

/// Eigenvalues of a symmetric tridiagonal matrix, with the first entry of each eigenvector.
///
/// That is what Golub and Welsch need: with the recurrence coefficients of orthogonal polynomials
/// on the two diagonals, the eigenvalues are the nodes of Gauss's rule and μ₀·(first entry)² its
/// weights, where μ₀ is the integral of the weight function.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct TridiagonalSpectrum {
    /// The n eigenvalues, ascending.
    pub values: DVector<f64>,
    /// The first entry of each unit eigenvector, none negative.
    pub first_components: DVector<f64>,
}

/// The spectrum of the n × n symmetric matrix with `diagonal` (n entries) and `off_diagonal`
/// (n − 1 entries) beside it. O(n²) time, O(n) memory.
///
/// Each eigenvalue is within about n·eps·‖A‖ of the exact one.
///
/// # Errors
/// [`Error::Empty`] for no diagonal, [`Error::Shape`] where the lengths do not fit,
/// [`Error::NotFinite`] with the index.
///
/// # Examples
/// Gauss-Legendre with three nodes, 0 and ±√(3/5), weights 8/9 and 5/9:
/// ```
/// use linalg::tridiagonal_spectrum;
/// // off-diagonal k/√(4k² − 1), k = 1, 2; the weight function 1 integrates to 2 over [−1, 1]
/// let off_diagonal = [1.0 / 3.0_f64.sqrt(), 2.0 / 15.0_f64.sqrt()];
/// let spectrum = tridiagonal_spectrum(&[0.0; 3], &off_diagonal)?;
/// assert!((spectrum.values[2] - 0.6_f64.sqrt()).abs() < 1e-15);
/// assert!((2.0 * spectrum.first_components[1].powi(2) - 8.0 / 9.0).abs() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Golub and Welsch, "Calculation of Gauss quadrature rules", Math. Comp. 23, 1969. The implicit
/// QL iteration with Wilkinson's shift, which converges for every such matrix (Parlett, "The
/// Symmetric Eigenvalue Problem", section 8.9).
pub fn tridiagonal_spectrum(diagonal: &[f64], off_diagonal: &[f64]) -> Result<TridiagonalSpectrum> {
    let (mut values, mut beside, scale) = scaled(diagonal, off_diagonal)?;
    let n = values.len();
    let mut first_row = vec![0.0; n];
    first_row[0] = 1.0;
    implicit_ql(&mut values, &mut beside, &mut first_row, 1).ok_or_else(|| gave_up(n))?;
    let order = ascending(&values);
    Ok(TridiagonalSpectrum {
        values: DVector::from_iterator(n, order.iter().map(|&j| scale.undo(values[j]))),
        first_components: DVector::from_iterator(n, order.iter().map(|&j| first_row[j].abs())),
    })
}

/// Eigenvalues and eigenvectors of the same matrix. O(n³) time at worst.
///
/// # Errors
/// As [`tridiagonal_spectrum`].
///
/// # Examples
/// ```
/// use linalg::tridiagonal_eigen;
/// // The second difference: 2 − 2·cos(π·k/(n + 1)).
/// let eigen = tridiagonal_eigen(&[2.0; 3], &[-1.0; 2])?;
/// assert!((eigen.values[0] - (2.0 - 2.0_f64.sqrt())).abs() < 1e-15);
/// assert!((eigen.vectors[(1, 0)].abs() - 0.5_f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn tridiagonal_eigen(diagonal: &[f64], off_diagonal: &[f64]) -> Result<HermitianEigen<f64>> {
    let (values, beside, scale) = scaled(diagonal, off_diagonal)?;
    let parts = eigen(values, beside).ok_or_else(|| gave_up(diagonal.len()))?;
    Ok(HermitianEigen {
        values: parts.values.map(|value| scale.undo(value)),
        vectors: parts.vectors,
    })
}

/// From here on faer's divide and conquer is faster than the QL iteration with vectors.
#[cfg(feature = "faer")]
const DIVIDE_FROM: usize = 64;

/// Eigenvalues, ascending, and eigenvectors of a tridiagonal matrix with entries near 1 in size;
/// `off_diagonal` is as long as `diagonal`, its last entry unused.
fn eigen(mut diagonal: Vec<f64>, mut off_diagonal: Vec<f64>) -> Option<HermitianParts<f64>> {
    let n = diagonal.len();
    #[cfg(feature = "faer")]
    if n >= DIVIDE_FROM
        && let Some(parts) = crate::faer_kernels::tridiagonal(&diagonal, &off_diagonal)
    {
        let dense = DMatrix::from_fn(n, n, |i, j| match i.checked_sub(j) {
            Some(0) => diagonal[j],
            Some(1) => off_diagonal[j],
            _ => 0.0,
        });
        if crate::evidence::hermitian(&dense, &parts) {
            return Some(parts);
        }
    }
    let mut vectors = DMatrix::identity(n, n);
    implicit_ql(&mut diagonal, &mut off_diagonal, vectors.as_mut_slice(), n)?;
    Some(sorted(&diagonal, &vectors))
}

/// The pairs in ascending order of the values.
pub(crate) fn sorted<D: Kernels>(values: &[f64], vectors: &DMatrix<D>) -> HermitianParts<D> {
    let order = ascending(values);
    HermitianParts {
        values: DVector::from_iterator(values.len(), order.iter().map(|&j| values[j])),
        vectors: vectors.select_columns(&order),
    }
}

fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    order
}

/// QL steps for one eigenvalue before giving up. With Wilkinson's shift two are usual.
const STEPS: usize = 60;

/// Diagonalizes a tridiagonal matrix with entries near 1 in size, by the implicit QL iteration:
/// the eigenvalues, unsorted, stand in `d` at the end. `e` has the entries beside the diagonal and
/// one unused. The rotations are applied to `z` from the right, which has n columns of `rows`
/// entries: the identity becomes the eigenvectors, its first row their first components.
pub(crate) fn implicit_ql(d: &mut [f64], e: &mut [f64], z: &mut [f64], rows: usize) -> Option<()> {
    let n = d.len();
    for l in 0..n {
        for step in 0.. {
            let is_small =
                |i: &usize| e[*i].abs() <= f64::EPSILON * (d[*i].abs() + d[*i + 1].abs());
            let m = (l..n - 1).find(is_small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if step == STEPS {
                return None;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let squared = f * f + g * g;
                if squared < NEGLIGIBLE {
                    // The matrix falls apart here; what was done so far is a similarity.
                    d[i + 1] -= p;
                    e[i + 1] = 0.0;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                let r = squared.sqrt();
                e[i + 1] = r;
                let inverse = 1.0 / r;
                (s, c) = (f * inverse, g * inverse);
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
                let (left, right) = z[i * rows..(i + 2) * rows].split_at_mut(rows);
                for (x, y) in left.iter_mut().zip(right) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    Some(())
}

/// Both diagonals scaled by a power of two, the second padded to the length of the first; and the
/// way back.
fn scaled(diagonal: &[f64], off_diagonal: &[f64]) -> Result<(Vec<f64>, Vec<f64>, Scale)> {
    let n = diagonal.len();
    if n == 0 {
        return Err(Error::Empty { argument: "diagonal", rows: 0, columns: 1 });
    }
    if off_diagonal.len() != n - 1 {
        return Err(Error::Shape {
            argument: "off_diagonal",
            found_rows: off_diagonal.len(),
            found_columns: 1,
            expected_rows: n - 1,
            expected_columns: 1,
        });
    }
    let mut largest = 0.0_f64;
    for (argument, entries) in [("diagonal", diagonal), ("off_diagonal", off_diagonal)] {
        if let Some(row) = entries.iter().position(|entry| !entry.is_finite()) {
            return Err(Error::NotFinite { argument, row, column: 0, value: entries[row] });
        }
        largest = entries.iter().fold(largest, |largest, entry| largest.max(entry.abs()));
    }
    let scale = Scale::new(largest);
    let d = diagonal.iter().map(|&entry| scale.apply(entry)).collect();
    let mut e: Vec<f64> = off_diagonal.iter().map(|&entry| scale.apply(entry)).collect();
    e.push(0.0);
    Ok((d, e, scale))
}

fn gave_up(n: usize) -> Error {
    Error::NoConvergence { algorithm: "tridiagonal eigenvalues", rows: n, columns: n }
}
