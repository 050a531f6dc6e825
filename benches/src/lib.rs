//! Seeded workloads that the benchmarks share.

use linalg::{Complex, DMatrix};

/// `count` numbers uniform on [−1/2, 1/2): SplitMix64 (Steele, Lea & Flood 2014) of a counter, so
/// that `benches/peers/linalg.py` makes the same ones.
#[must_use]
pub fn uniform(seed: u64, count: usize) -> Vec<f64> {
    (1..=count as u64)
        .map(|index| {
            let mut z = index.wrapping_add(seed << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 * 2f64.powi(-53) - 0.5
        })
        .collect()
}

/// A matrix of such numbers, in column order.
#[must_use]
pub fn matrix(seed: u64, rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_vec(rows, columns, uniform(seed, rows * columns))
}

/// A + Aᵀ of [`matrix`].
#[must_use]
pub fn symmetric(n: usize) -> DMatrix<f64> {
    let a = matrix(1, n, n);
    &a + a.transpose()
}

/// A + Aᴴ of two matrices as real and imaginary part.
#[must_use]
pub fn hermitian(n: usize) -> DMatrix<Complex<f64>> {
    let a = matrix(1, n, n).zip_map(&matrix(2, n, n), Complex::new);
    &a + a.adjoint()
}

/// A·Aᵀ + I.
#[must_use]
pub fn definite(n: usize) -> DMatrix<f64> {
    let a = matrix(1, n, n);
    &a * a.transpose() + DMatrix::identity(n, n)
}
