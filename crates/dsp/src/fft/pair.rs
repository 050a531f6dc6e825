//! Two real signals in one complex transform, left as the real part and right as the imaginary one.

use std::fmt;
use std::sync::Arc;

use linalg::{Complex, Real};
use rustfft::{Fft, FftPlanner};

use super::{Workspace, check_len, check_length};
use crate::Result;

/// The spectra of the left and the right signal.
pub type Spectra<T> = (Vec<Complex<T>>, Vec<Complex<T>>);

/// The transform of two real signals of one length at once: L + iR, and its exact separation.
///
/// ```text
/// Z_k = Σ_n (l_n + i r_n) e^{−2πi kn/N} = L_k + i R_k,    k = 0 … N − 1
/// L_k = (Z_k + conj Z_{N−k})/2,    R_k = (Z_k − conj Z_{N−k})/(2i)
/// ```
///
/// Z is not conjugate symmetric, and half of it is *not* a spectrum of anything: `|Z_k|` for k up to
/// N/2 is `|L_k + i R_k|`, in which left and right cancel or add as their phases have it, and the other
/// half is `|L_k − i R_k|` backwards. Both halves together hold both spectra, to the last bit or two.
///
/// One transform like this takes as long as two of [`RealFft`](super::RealFft) of even length, or a
/// little longer; it pays where nothing is separated, as in a power averaged over both
/// (`|L|² + |R|² = (|Z_k|² + |Z_{N−k}|²)/2`), and where one is at hand that was packed elsewhere.
///
/// # Examples
/// ```
/// use dsp::fft::PairFft;
/// let fft = PairFft::<f64>::new(4)?;
/// let (left, right) = fft.forward(&[1.0, 2.0, 3.0, 4.0], &[1.0, -1.0, 1.0, -1.0])?;
/// assert_eq!((left[0].re, left[1].re, left[1].im), (10.0, -2.0, 2.0));
/// assert_eq!((right[1].re, right[2].re), (0.0, 4.0));
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// W. H. Press et al., Numerical Recipes, 3rd ed. 2007, section 12.3.1.
#[derive(Clone)]
pub struct PairFft<T: Real> {
    len: usize,
    forward: Arc<dyn Fft<T>>,
}

impl<T: Real> PairFft<T> {
    /// Plans the transform of two signals of `len` samples.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for a length of 0 or above 2³².
    pub fn new(len: usize) -> Result<Self> {
        check_len(len)?;
        Ok(Self { len, forward: FftPlanner::new().plan_fft_forward(len) })
    }

    /// N, the samples of each signal.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a plan is for at least one sample")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The transforms of both, `L_0` to `L_{N/2}` and `R_0` to `R_{N/2}`, as
    /// [`RealFft::forward`](super::RealFft::forward) has them.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) where one has not as many samples as were planned for.
    pub fn forward(&self, left: &[T], right: &[T]) -> Result<Spectra<T>> {
        Ok(separate(&self.packed(left, right)?))
    }

    /// `Z_0` to `Z_{N−1}`, not separated.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn packed(&self, left: &[T], right: &[T]) -> Result<Vec<Complex<T>>> {
        check_length("left", left.len(), self.len)?;
        check_length("right", right.len(), self.len)?;
        let mut packed: Vec<_> =
            left.iter().zip(right).map(|(&l, &r)| Complex::new(l, r)).collect();
        self.forward.process(&mut packed);
        Ok(packed)
    }

    /// The transform of `packed` samples, in place.
    pub(crate) fn process(&self, packed: &mut [Complex<T>], workspace: &mut Workspace<T>) {
        let scratch = workspace.complex(self.forward.get_inplace_scratch_len());
        self.forward.process_with_scratch(packed, scratch);
    }
}

/// The spectra L and R from all N values of the transform of L + iR; empty from nothing.
///
/// # Examples
/// ```
/// use dsp::fft::separate;
/// use linalg::Complex;
/// // One sample of each: 3 and 5.
/// let (left, right) = separate(&[Complex::new(3.0, 5.0)]);
/// assert_eq!((left[0].re, right[0].re), (3.0, 5.0));
/// ```
#[must_use]
pub fn separate<T: Real>(packed: &[Complex<T>]) -> Spectra<T> {
    let n = packed.len();
    let half = T::from_double(0.5);
    let bins = if n == 0 { 0 } else { n / 2 + 1 };
    (0..bins)
        .map(|k| {
            let (here, mirror) = (packed[k], packed[(n - k) % n]);
            let (sum, difference) = (here + mirror, here - mirror);
            let left = Complex::new(half * sum.re, half * difference.im);
            let right = Complex::new(half * sum.im, -(half * difference.re));
            (left, right)
        })
        .unzip()
}

impl<T: Real> fmt::Debug for PairFft<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PairFft").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fft::RealFft;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn two_at_once_are_what_each_is_alone(
            both in prop::collection::vec((-1.0..1.0, -1.0..1.0), 1..150),
        ) {
            let (left, right): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
            let alone = RealFft::new(left.len()).unwrap();
            let (l, r) = PairFft::new(left.len()).unwrap().forward(&left, &right).unwrap();
            for (found, x) in [(l, &left), (r, &right)] {
                let expected = alone.forward(x).unwrap();
                prop_assert_eq!(found.len(), expected.len());
                for (a, b) in found.iter().zip(&expected) {
                    // Sums of up to 150 terms in another order: n eps at the worst, and twice.
                    prop_assert!((a - b).norm() < 300.0 * f64::EPSILON, "{} {}", a, b);
                }
            }
        }
    }

    #[test]
    fn bad_pairs_are_named() {
        let text = |error: crate::Error| error.to_string();
        assert_eq!(
            text(PairFft::<f32>::new(0).unwrap_err()),
            "len is 0, expected at least 1 sample, and at most 2^32"
        );
        let fft = PairFft::new(2).unwrap();
        assert_eq!(
            text(fft.forward(&[1.0], &[1.0, 2.0]).unwrap_err()),
            "left has 1 samples, expected 2"
        );
        assert_eq!(
            text(fft.forward(&[1.0, 2.0], &[1.0]).unwrap_err()),
            "right has 1 samples, expected 2"
        );
        assert!(separate::<f64>(&[]).0.is_empty());
    }
}
