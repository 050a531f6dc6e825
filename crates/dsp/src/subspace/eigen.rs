//! Signal and noise subspace of a covariance, and how many sources it shows.

use linalg::{Complex, DMatrix, HermitianEigen};

use super::{Covariance, Smoothing};
use crate::Result;

/// The eigenvectors of a covariance, the largest eigenvalue first: the first K span the signal
/// subspace, the others the noise subspace, to which every source's steering vector is orthogonal.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Subspace {
    /// λ, descending, none below 0.
    pub values: Vec<f64>,
    /// M x M, column i for `values[i]`.
    pub vectors: DMatrix<Complex<f64>>,
    /// What it came from.
    pub covariance: Covariance,
}

impl Subspace {
    /// Decomposes `covariance`. O(M³); in real arithmetic, four times cheaper, where it was averaged
    /// forward-backward.
    ///
    /// # Errors
    /// As [`linalg::HermitianEigen::new`].
    ///
    /// # References
    /// K.-C. Huarng and C.-C. Yeh, "A unitary transformation method for angle-of-arrival estimation",
    /// IEEE Trans. Signal Processing 39(4), 1991.
    pub fn new(covariance: &Covariance) -> Result<Self> {
        let m = covariance.matrix.nrows();
        let (ascending, vectors) = match covariance.smoothing {
            Smoothing::ForwardBackward { .. } => {
                let eigen = HermitianEigen::new(&to_real(&covariance.matrix))?;
                (eigen.values, from_real(&eigen.vectors))
            }
            Smoothing::None | Smoothing::Forward { .. } => {
                let eigen = HermitianEigen::new(&covariance.matrix)?;
                (eigen.values, eigen.vectors)
            }
        };
        let values = ascending.iter().rev().map(|&value| value.max(0.0)).collect();
        let order: Vec<usize> = (0..m).rev().collect();
        Ok(Self { values, vectors: vectors.select_columns(&order), covariance: covariance.clone() })
    }

    /// How many sources the eigenvalues show.
    pub fn source_count(&self) -> SourceCount {
        let limit = self.covariance.source_limit;
        let (values, subarrays) = (&self.values, self.covariance.subarrays as f64);
        let m = values.len();
        // The logarithm of what is below rounding says nothing.
        let floor = (values[0] * f64::EPSILON).max(f64::MIN_POSITIVE);
        let candidates = 0..=limit;
        let misfit = |k: usize| {
            let rest = &values[k..];
            let n = rest.len() as f64;
            let mean = rest.iter().map(|value| value.max(floor)).sum::<f64>() / n;
            let log_mean = rest.iter().map(|value| value.max(floor).ln()).sum::<f64>() / n;
            -subarrays * n * (log_mean - mean.ln())
        };
        let free = |k: usize| (k * (2 * m - k)) as f64;
        let aic: Vec<f64> = candidates.clone().map(|k| 2.0 * misfit(k) + 2.0 * free(k)).collect();
        let mdl: Vec<f64> =
            candidates.map(|k| misfit(k) + 0.5 * free(k) * subarrays.ln()).collect();
        let gap = (1..=limit)
            .map(|k| values[k - 1].max(floor) / values.get(k).map_or(floor, |next| next.max(floor)))
            .collect();
        SourceCount { aic, mdl, gap, fit: Vec::new() }
    }
}

/// The scores of every candidate number of sources.
///
/// ```text
/// AIC(k) = −2·L·(M − k)·ln(g/a) + 2·k·(2M − k)
/// MDL(k) =   −L·(M − k)·ln(g/a) + ½·k·(2M − k)·ln L
/// gap(k) = λₖ/λₖ₊₁
/// ```
///
/// with g and a the geometric and the arithmetic mean of the M − k smallest eigenvalues and L the
/// subarrays. The two criteria assume independent ones; those of one trace overlap, which biases
/// both. AIC takes too many in one case of four at any signal-to-noise ratio, MDL too few where
/// smoothing leaves little of a close pair: the fit is the default.
///
/// # References
/// M. Wax and T. Kailath, "Detection of signals by information theoretic criteria", IEEE Trans. ASSP
/// 33(2), 1985, equations 16 and 17.
///
/// # Examples
/// ```
/// use dsp::subspace::{Covariance, Smoothing, Subspace};
/// use linalg::{Complex, DMatrix};
/// let echo = |k: usize, angle: f64| Complex::from_polar(1.0, angle * k as f64);
/// let x = DMatrix::from_fn(12, 1, |k, _| echo(k, 0.4) - echo(k, 1.3));
/// let covariance = Covariance::new(&x, Smoothing::ForwardBackward { length: 8 })?;
/// let count = Subspace::new(&covariance)?.source_count();
/// assert_eq!(count.by_gap(), 2);
/// assert_eq!(count.by_fit(), None); // `delays` fits; a subspace alone does not
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct SourceCount {
    /// AIC of 0, 1, … sources; the smallest wins.
    pub aic: Vec<f64>,
    /// MDL of 0, 1, … sources; the smallest wins.
    pub mdl: Vec<f64>,
    /// The gap after 1, 2, … sources; the largest wins.
    pub gap: Vec<f64>,
    /// The description length of the data with the fitted model of 0, 1, … sources; the smallest
    /// wins. Empty where none was fitted for the purpose.
    pub fit: Vec<f64>,
}

impl SourceCount {
    /// The number that AIC prefers.
    #[must_use]
    pub fn by_aic(&self) -> usize {
        smallest(&self.aic)
    }

    /// The number that MDL prefers.
    #[must_use]
    pub fn by_mdl(&self) -> usize {
        smallest(&self.mdl)
    }

    /// The number whose fit describes the data shortest; `None` where none was fitted.
    #[must_use]
    pub fn by_fit(&self) -> Option<usize> {
        (!self.fit.is_empty()).then(|| smallest(&self.fit))
    }

    /// The number before the widest gap; at least 1.
    #[must_use]
    pub fn by_gap(&self) -> usize {
        let negated: Vec<f64> = self.gap.iter().map(|gap| -gap).collect();
        smallest(&negated) + 1
    }
}

fn smallest(scores: &[f64]) -> usize {
    (0..scores.len()).min_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0)
}

/// `QᴴRQ` of a centro-Hermitian matrix R, which is real.
///
/// Q = [I 0 jI; 0 √2 0; J 0 −jJ]/√2, the middle row and column only where M is odd. With the halves
/// R = [A a B; …], the blocks of `QᴴRQ` are the real and imaginary parts of A ± B·J.
fn to_real(r: &DMatrix<Complex<f64>>) -> DMatrix<f64> {
    let m = r.nrows();
    let (half, odd) = (m / 2, m % 2);
    let second = half + odd;
    let root = std::f64::consts::SQRT_2;
    let mut real = DMatrix::zeros(m, m);
    for i in 0..half {
        for j in 0..half {
            let (a, bj) = (r[(i, j)], r[(i, m - 1 - j)]);
            real[(i, j)] = (a + bj).re;
            real[(second + i, second + j)] = (a - bj).re;
            real[(i, second + j)] = -(a - bj).im;
            real[(second + i, j)] = (a + bj).im;
        }
        if odd == 1 {
            let middle = r[(i, half)];
            real[(i, half)] = root * middle.re;
            real[(half, i)] = root * middle.re;
            real[(second + i, half)] = root * middle.im;
            real[(half, second + i)] = root * middle.im;
        }
    }
    if odd == 1 {
        real[(half, half)] = r[(half, half)].re;
    }
    // Symmetric up to rounding already; exactly so for whoever checks it.
    (&real + real.transpose()).scale(0.5)
}

/// Q·V, from eigenvectors of the real matrix to those of R.
fn from_real(v: &DMatrix<f64>) -> DMatrix<Complex<f64>> {
    let m = v.nrows();
    let (half, odd) = (m / 2, m % 2);
    let second = half + odd;
    let root = std::f64::consts::FRAC_1_SQRT_2;
    DMatrix::from_fn(m, m, |i, j| {
        if odd == 1 && i == half {
            return Complex::from(v[(half, j)]);
        }
        let at = i.min(m - 1 - i);
        let z = Complex::new(root * v[(at, j)], root * v[(second + at, j)]);
        if i < half { z } else { z.conj() }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn snapshots(samples: usize, count: usize, seed: u64) -> DMatrix<Complex<f64>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut part = || rng.random::<f64>() - 0.5;
        DMatrix::from_fn(samples, count, |_, _| Complex::new(part(), part()))
    }

    proptest! {
        #[test]
        fn real_arithmetic_finds_the_same_subspaces(length in 2_usize..14, seed in 0_u64..1000) {
            let x = snapshots(length + 5, 2, seed);
            let smoothing = Smoothing::ForwardBackward { length };
            let covariance = Covariance::new(&x, smoothing).unwrap();
            let subspace = Subspace::new(&covariance).unwrap();
            let complex = HermitianEigen::new(&covariance.matrix).unwrap();
            let scale = subspace.values[0];
            // LAPACK's threshold, for each of the two decompositions.
            let bound = 60.0 * length as f64 * f64::EPSILON * scale;
            for (ours, theirs) in subspace.values.iter().zip(complex.values.iter().rev()) {
                prop_assert!((ours - theirs).abs() < bound, "{ours} {theirs}");
            }
            let v = &subspace.vectors;
            let lambda = DMatrix::from_diagonal(
                &linalg::DVector::from_vec(subspace.values.clone()).map(Complex::from),
            );
            let residual = (&covariance.matrix * v - v * lambda).camax();
            prop_assert!(residual < bound, "residual {residual}, bound {bound}");
            let identity = DMatrix::<Complex<f64>>::identity(length, length);
            let loss = (v.adjoint() * v - identity).camax();
            prop_assert!(loss < 60.0 * length as f64 * f64::EPSILON, "{loss}");
        }
    }

    #[test]
    fn independent_sources_are_counted_by_every_criterion() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let angles = [-1.0, 0.3, 1.7];
        let mut part = || rng.random::<f64>() - 0.5;
        let mut x = DMatrix::zeros(10, 200);
        for mut column in x.column_iter_mut() {
            for angle in angles {
                let amplitude = Complex::new(part(), part());
                for (k, entry) in column.iter_mut().enumerate() {
                    *entry += amplitude * Complex::from_polar(1.0, angle * k as f64);
                }
            }
            for entry in column.iter_mut() {
                *entry += Complex::new(part(), part()) * 0.05;
            }
        }
        let covariance = Covariance::new(&x, Smoothing::None).unwrap();
        let count = Subspace::new(&covariance).unwrap().source_count();
        assert_eq!((count.by_mdl(), count.by_gap()), (3, 3));
        assert!((3..=4).contains(&count.by_aic()), "AIC takes too many at times: {count:?}");
    }
}
