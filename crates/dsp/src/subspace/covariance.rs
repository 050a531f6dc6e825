//! The covariance of snapshots, smoothed so that coherent sources can be told apart.

use linalg::{Complex, DMatrix, Operand, Threads, adjoint, gemm};

use super::{finite_matrix, magnitude};
use crate::{Error, Result};

/// How the covariance is averaged over shifted parts of each snapshot.
///
/// Echoes of one pulse are copies of each other: coherent. The covariance of one snapshot then has
/// rank 1, whatever their number, and a subspace method sees one source. Averaging over subarrays of
/// M out of N samples restores the rank, at the price of aperture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothing {
    /// None: for sources that are independent over many snapshots.
    None,
    /// The mean over the N − M + 1 subarrays of `length` M.
    Forward {
        /// M.
        length: usize,
    },
    /// The same over the subarrays and their conjugated mirror images: twice as many, and real
    /// arithmetic afterwards. The choice for echoes; 2N/3 is a good length.
    ForwardBackward {
        /// M.
        length: usize,
    },
}

/// R = E[x·xᴴ], M x M and Hermitian, with what is needed to judge it.
///
/// # Examples
/// Two echoes in one snapshot: rank 1 before smoothing, rank 2 after.
/// ```
/// use dsp::subspace::{Covariance, Smoothing, Subspace};
/// use linalg::{Complex, DMatrix};
/// let echo = |k: usize, angle: f64| Complex::from_polar(1.0, angle * k as f64);
/// let x = DMatrix::from_fn(12, 1, |k, _| echo(k, 0.4) - echo(k, 1.3));
/// let rank = |smoothing| -> dsp::Result<usize> {
///     let subspace = Subspace::new(&Covariance::new(&x, smoothing)?)?;
///     Ok(subspace.values.iter().filter(|&&value| value > 1e-9 * subspace.values[0]).count())
/// };
/// assert_eq!(rank(Smoothing::None)?, 1);
/// assert_eq!(rank(Smoothing::ForwardBackward { length: 8 })?, 2);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Covariance {
    /// R, M x M.
    pub matrix: DMatrix<Complex<f64>>,
    /// How it was averaged.
    pub smoothing: Smoothing,
    /// Subarrays in the average, over all snapshots, mirror images not counted.
    pub subarrays: usize,
    /// The most sources that can be told apart, even if all are coherent with each other.
    pub source_limit: usize,
}

impl Covariance {
    /// The covariance of `snapshots`, N samples x snapshots.
    ///
    /// With one snapshot, or coherent sources, K sources need K subarrays (forward) or K/2
    /// (forward-backward), and M > K of them leave a noise subspace. Over all M that allows K ≤ N/2
    /// and K ≤ 2N/3.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`] with the index in column order, [`Error::OutOfRange`]
    /// for a subarray of fewer than 2 samples or more than there are, or for a largest sample
    /// outside of 1e-40 to 1e40, [`Error::NoSignal`] for snapshots of zeros.
    ///
    /// # References
    /// Shan, Wax and Kailath, IEEE Trans. ASSP 33(4), 1985; Pillai and Kwon, IEEE Trans. ASSP 37(1),
    /// 1989 (forward-backward).
    pub fn new(snapshots: &DMatrix<Complex<f64>>, smoothing: Smoothing) -> Result<Self> {
        let (samples, count) = snapshots.shape();
        if snapshots.is_empty() {
            return Err(Error::Empty { argument: "snapshots" });
        }
        finite_matrix("snapshots", snapshots)?;
        let parts = snapshots.iter().flat_map(|x| [x.re, x.im]);
        magnitude("snapshots", "the largest of snapshots", parts)?;
        let (length, backward) = match smoothing {
            Smoothing::None => (samples, false),
            Smoothing::Forward { length } => (length, false),
            Smoothing::ForwardBackward { length } => (length, true),
        };
        if length < 2 || length > samples {
            return Err(Error::OutOfRange {
                argument: "length of a subarray",
                value: length as f64,
                expected: "at least 2 and at most the number of samples",
            });
        }
        let shifts = samples - length + 1;
        let subarrays = shifts * count;
        let mut matrix = DMatrix::zeros(length, length);
        let weight = Complex::from(1.0 / subarrays as f64);
        for snapshot in snapshots.as_slice().chunks_exact(samples) {
            // Column l is the subarray that begins at sample l: they overlap, and are not copied.
            let parts = Operand::from_slice(snapshot, length, shifts, 1)?;
            let one = Complex::from(1.0);
            gemm(weight, parts, adjoint(parts), one, matrix.as_view_mut(), Threads::One)?;
        }
        if backward {
            // (R + J·R̄·J)/2, with J the exchange of first and last.
            let mirrored = DMatrix::from_fn(length, length, |i, j| {
                matrix[(length - 1 - i, length - 1 - j)].conj()
            });
            matrix = (matrix + mirrored).scale(0.5);
        }
        let told_apart = if smoothing == Smoothing::None {
            count
        } else {
            shifts * if backward { 2 } else { 1 }
        };
        let source_limit = told_apart.min(length - 1);
        Ok(Self { matrix, smoothing, subarrays, source_limit })
    }

    /// Refuses more sources than can be told apart, and none.
    pub(super) fn check_sources(&self, sources: usize) -> Result<()> {
        if sources == 0 || sources > self.source_limit {
            return Err(Error::Sources { sources, limit: self.source_limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(k: usize, angle: f64) -> Complex<f64> {
        Complex::from_polar(1.0, angle * k as f64)
    }

    #[test]
    fn the_average_over_subarrays_is_the_definition() {
        let x = DMatrix::from_fn(7, 2, |k, s| Complex::new((k * k + s) as f64, k as f64 - 2.0));
        for backward in [false, true] {
            let length = 4;
            let smoothing = if backward {
                Smoothing::ForwardBackward { length }
            } else {
                Smoothing::Forward { length }
            };
            let covariance = Covariance::new(&x, smoothing).unwrap();
            let mut expected = DMatrix::<Complex<f64>>::zeros(4, 4);
            for s in 0..2 {
                for start in 0..4 {
                    let part: Vec<_> = (0..4).map(|m| x[(start + m, s)]).collect();
                    for i in 0..4 {
                        for j in 0..4 {
                            let forward = part[i] * part[j].conj() / 8.0;
                            let mirrored = part[3 - i].conj() * part[3 - j] / 8.0;
                            expected[(i, j)] +=
                                if backward { (forward + mirrored) / 2.0 } else { forward };
                        }
                    }
                }
            }
            let error = (&covariance.matrix - &expected).camax();
            // 8 products of numbers up to 50², each rounded a few times.
            assert!(error < 32.0 * f64::EPSILON * 2500.0, "{error}");
            assert_eq!(covariance.subarrays, 8);
        }
    }

    #[test]
    fn coherent_sources_are_limited_as_theory_says() {
        // The most over all lengths: N/2 forward, 2N/3 forward-backward.
        for samples in 4..20 {
            let x = DMatrix::from_fn(samples, 1, |k, _| tone(k, 0.3));
            let most = |smoothing: fn(usize) -> Smoothing| {
                (2..=samples)
                    .map(|length| Covariance::new(&x, smoothing(length)).unwrap().source_limit)
                    .max()
                    .unwrap()
            };
            assert_eq!(most(|length| Smoothing::Forward { length }), samples / 2);
            assert_eq!(most(|length| Smoothing::ForwardBackward { length }), 2 * samples / 3);
        }
    }

    #[test]
    fn unusable_snapshots_are_refused() {
        let text = |x: &DMatrix<Complex<f64>>, smoothing| {
            Covariance::new(x, smoothing).unwrap_err().to_string()
        };
        let mut x = DMatrix::from_fn(6, 2, |k, _| tone(k, 0.3));
        assert_eq!(
            text(&DMatrix::zeros(0, 3), Smoothing::None),
            "snapshots is empty; at least one sample is needed"
        );
        assert_eq!(
            text(&DMatrix::zeros(6, 2), Smoothing::None),
            "snapshots holds nothing but zeros"
        );
        assert_eq!(
            text(&x.scale(1e41), Smoothing::None),
            "the largest of snapshots is 1e41, expected a number from 1e-40 to 1e40, since powers of it \
             are taken; choose another unit"
        );
        for length in [1, 7] {
            assert_eq!(
                text(&x, Smoothing::Forward { length }),
                format!(
                    "length of a subarray is {length}, expected at least 2 and at most the number of \
                     samples"
                )
            );
        }
        x[(3, 1)].im = f64::NAN;
        assert_eq!(
            text(&x, Smoothing::None),
            "snapshots[9] is NaN, and every sample must be finite"
        );
        let good = Covariance::new(&x.columns(0, 1).into_owned(), Smoothing::Forward { length: 4 });
        assert_eq!(
            good.unwrap().check_sources(4).unwrap_err().to_string(),
            "4 sources cannot be told apart here, expected 1 to 3: fewer than a subarray's length, and \
             no more than the subarrays (twice as many forward-backward)"
        );
    }
}
