//! The O(n²) checks that a decomposition passes before it leaves the crate.
//!
//! A backward-stable algorithm returns the exact factors of A + E with ‖E‖ ≤ p(n)·eps·‖A‖, where
//! p(n) is a small multiple of n. LAPACK's test programs ask for ‖E‖ < 30·n·eps·‖A‖
//! (`TESTING/*.in`, THRESH), and so do these checks, with ‖A‖ in the Frobenius norm. They see E
//! through two independent windows: sums over the whole spectrum (a value that is wrong or missing
//! changes them), and the residual in one fixed pseudo-random direction (a wrong vector changes it,
//! by ‖E‖_F/√n at least typically).

use nalgebra::{Complex, DMatrix, DVector};

use crate::Lu;
use crate::hermitian::lower_times;
use crate::kernels::{HermitianParts, Kernels, SingularParts};
use crate::precision::{im, re};

/// LAPACK's threshold for residual/(n·eps·‖A‖).
const THRESHOLD: f64 = 30.0;

/// Whether the factors are those of `a`: ‖A‖_F² = Σσ² and, in one direction z,
/// A·V·z = U·Σ·z, UᴴU·z = z, VᴴV·z = z.
pub(crate) fn singular<D: Kernels>(a: &DMatrix<D>, parts: &SingularParts<D>) -> bool {
    let allowed = allowance(a.nrows().max(a.ncols()));
    let norm_squared = norm_squared(a);
    let values_squared: f64 = parts.values.iter().map(|value| value * value).sum();
    // Σσ² moves by 2·‖A‖·‖E‖.
    let mut holds = (norm_squared - values_squared).abs() <= 2.0 * allowed * norm_squared
        && parts.values.iter().all(|&value| value >= 0.0)
        && parts.values.as_slice().windows(2).all(|pair| pair[0] >= pair[1]);
    if parts.u.ncols() > 0 {
        let z = direction::<D>(parts.values.len());
        let scaled = z.zip_map(&parts.values, |z, value| z.scale(value));
        let (uz, vz) = (&parts.u * &z, &parts.v * &z);
        let allowed = allowed * z.norm();
        holds = holds
            && (a * &vz - &parts.u * scaled).norm() <= allowed * norm_squared.sqrt()
            && (parts.u.ad_mul(&uz) - &z).norm() <= allowed
            && (parts.v.ad_mul(&vz) - &z).norm() <= allowed;
    }
    holds
}

/// Whether the pairs are those of the Hermitian matrix in the lower triangle of `a`: Σλ = tr A,
/// Σλ² = ‖A‖_F² and, in one direction z, A·V·z = V·Λ·z and VᴴV·z = z.
pub(crate) fn hermitian<D: Kernels>(a: &DMatrix<D>, parts: &HermitianParts<D>) -> bool {
    let n = a.nrows();
    let allowed = allowance(n);
    let (mut norm_squared, mut trace) = (0.0, 0.0);
    for j in 0..n {
        let column = &a.as_slice()[j * n + j..(j + 1) * n];
        let diagonal = column[0].real();
        trace += diagonal;
        norm_squared += diagonal * diagonal + 2.0 * crate::orthonormal::norm_squared(&column[1..]);
    }
    let norm = norm_squared.sqrt();
    let sum: f64 = parts.values.iter().sum();
    let squares: f64 = parts.values.iter().map(|value| value * value).sum();
    // Σλ moves by tr E ≤ √n·‖E‖, Σλ² by 2·‖A‖·‖E‖.
    let mut holds = (sum - trace).abs() <= allowed * norm * root(n)
        && (squares - norm_squared).abs() <= 2.0 * allowed * norm_squared
        && parts.values.as_slice().windows(2).all(|pair| pair[0] <= pair[1]);
    if parts.vectors.ncols() > 0 {
        let z = direction::<D>(n);
        let scaled = z.zip_map(&parts.values, |z, value| z.scale(value));
        let vz = &parts.vectors * &z;
        let mut residual = DVector::zeros(n);
        lower_times(a.as_slice(), n, vz.as_slice(), residual.as_mut_slice());
        residual -= &parts.vectors * scaled;
        let allowed = allowed * z.norm();
        holds = holds
            && residual.norm() <= allowed * norm
            && (parts.vectors.ad_mul(&vz) - &z).norm() <= allowed;
    }
    holds
}

/// Whether `values` can be the eigenvalues of `a`: Σλ = tr A, Σλ² = tr A², Σ|λ|² ≤ ‖A‖_F² (Schur),
/// and A − λI is singular to working precision for one λ.
///
/// The sums alone would pass n zeros for a cyclic permutation, whose unfinished QR iteration looks
/// like that; the last condition does not.
pub(crate) fn eigenvalues<D: Kernels>(a: &DMatrix<D>, values: &DVector<Complex<f64>>) -> bool {
    let n = a.nrows();
    let norm_squared = norm_squared(a);
    let norm = norm_squared.sqrt();
    let allowed = allowance(n);
    let (mut trace, mut trace_of_square) = (Complex::new(0.0, 0.0), Complex::new(0.0, 0.0));
    for j in 0..n {
        trace += complex(a[(j, j)]);
        for i in 0..n {
            trace_of_square += complex(a[(i, j)]) * complex(a[(j, i)]);
        }
    }
    let sum: Complex<f64> = values.iter().sum();
    let squares: Complex<f64> = values.iter().map(|value| value * value).sum();
    let moduli: f64 = values.iter().map(|value| value.norm_sqr()).sum();
    (sum - trace).norm() <= allowed * norm * root(n)
        && (squares - trace_of_square).norm() <= 2.0 * allowed * norm_squared
        && moduli <= norm_squared * (1.0 + 2.0 * allowed)
        && is_singular(a, values[n / 2], allowed * norm)
}

/// Whether the smallest singular value of A − λI is at most `allowed`, by inverse iteration:
/// (A − λI)·x = b with ‖b‖ ≤ `allowed`·‖x‖ proves it.
fn is_singular<D: Kernels>(a: &DMatrix<D>, value: Complex<f64>, allowed: f64) -> bool {
    let n = a.nrows();
    let mut shifted = a.map(complex);
    for i in 0..n {
        shifted[(i, i)] -= value;
    }
    // A random b has a component of about ‖b‖/√n along the left singular vector in question: that
    // factor is left behind.
    let b = direction::<Complex<f64>>(n);
    match Lu::new(shifted).and_then(|lu| lu.solve(&b)) {
        Ok(x) => !x.norm().is_finite() || b.norm() <= allowed * x.norm() * root(n),
        // What cannot be factored is singular to working precision.
        Err(_) => true,
    }
}

/// A fixed pseudo-random direction: entries uniform in (−1, 1), from splitmix64.
fn direction<D: Kernels>(n: usize) -> DVector<D> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 52 random bits as the fraction of a number in [2, 4), less 3.
        f64::from_bits(((bits ^ (bits >> 31)) >> 12) | 0x4000_0000_0000_0000) - 3.0
    };
    DVector::from_fn(n, |_, _| D::from_parts(next(), next()))
}

fn norm_squared<D: Kernels>(a: &DMatrix<D>) -> f64 {
    crate::orthonormal::norm_squared(a.as_slice())
}

fn complex<D: Kernels>(entry: D) -> Complex<f64> {
    Complex::new(re(entry), im(entry))
}

/// The error that is allowed, relative to ‖A‖_F.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn allowance(n: usize) -> f64 {
    THRESHOLD * n as f64 * f64::EPSILON
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn root(n: usize) -> f64 {
    (n as f64).sqrt()
}
