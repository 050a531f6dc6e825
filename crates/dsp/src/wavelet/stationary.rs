//! The stationary transform: every level as long as the signal, and nothing depends on where the
//! signal starts.

use super::{Wavelet, check};
use crate::door::finite;
use crate::{Error, Result};

/// A signal taken apart without decimation, as a period of a periodic one.
///
/// ```text
/// approximation[i] = Σ_j dec_lo[j]·x[i + 2ˡ·(taps/2 − j)]   at level l + 1, indices modulo n
/// ```
///
/// PyWavelets' `swt` is the same; it needs a length that is a multiple of 2^levels, this does not.
///
/// # Examples
/// Moved by one sample, the coefficients move by one sample:
/// ```
/// use dsp::wavelet::{Stationary, Wavelet};
/// let x = [0.0, 1.0, 4.0, 2.0, 7.0];
/// let moved = [7.0, 0.0, 1.0, 4.0, 2.0];
/// let wavelet = Wavelet::new("db2")?;
/// let (a, b) = (Stationary::new(&wavelet, &x, 2)?, Stationary::new(&wavelet, &moved, 2)?);
/// assert!((a.details[1][2] - b.details[1][3]).abs() < 1e-15);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// Nason & Silverman, *The stationary wavelet transform and some statistical applications* (1995).
#[derive(Debug, Clone, PartialEq)]
pub struct Stationary {
    /// What is left after the last level.
    pub approximation: Vec<f64>,
    /// The details, the finest first.
    pub details: Vec<Vec<f64>>,
    wavelet: Wavelet,
}

impl Stationary {
    /// Takes `x` apart in `levels` levels. O(n·taps·levels).
    ///
    /// # Errors
    /// As [`Wavelet::decompose`].
    pub fn new(wavelet: &Wavelet, x: &[f64], levels: usize) -> Result<Self> {
        check(x.len(), levels)?;
        finite(x, "x")?;
        let middle = wavelet.dec_lo().len() / 2;
        let mut approximation = x.to_vec();
        let mut details = Vec::with_capacity(levels);
        for level in 0..levels {
            // Tap j meets the sample (middle − j)·2^level further on.
            let place = |j: usize| (middle, j);
            details.push(circular(&approximation, wavelet.dec_hi(), level, place));
            approximation = circular(&approximation, wavelet.dec_lo(), level, place);
        }
        Ok(Self { approximation, details, wavelet: wavelet.clone() })
    }

    /// The signal, as the mean over all ways of decimating.
    ///
    /// # Errors
    /// [`Error::Length`] if a number of coefficients was changed.
    pub fn reconstruct(&self) -> Result<Vec<f64>> {
        let (lo, hi) = (self.wavelet.rec_lo(), self.wavelet.rec_hi());
        let middle = lo.len() / 2;
        let mut x = self.approximation.clone();
        for (level, detail) in self.details.iter().enumerate().rev() {
            if detail.len() != x.len() {
                let (found, expected) = (detail.len(), x.len());
                return Err(Error::Length { argument: "details", found, expected });
            }
            // The adjoint: tap j meets the sample (j − middle + 1)·2^level before.
            let place = |j: usize| (middle, j + 1);
            let low = circular(&x, lo, level, place);
            let high = circular(detail, hi, level, place);
            x = low.iter().zip(high).map(|(low, high)| 0.5 * (low + high)).collect();
        }
        Ok(x)
    }
}

/// `out[i] = Σ_j filter[j]·x[i + 2^level·(ahead − back)]`, (ahead, back) = place(j), indices modulo n.
fn circular(
    x: &[f64],
    filter: &[f64],
    level: usize,
    place: impl Fn(usize) -> (usize, usize),
) -> Vec<f64> {
    let n = x.len();
    let mut out = vec![0.0; n];
    for (j, tap) in filter.iter().enumerate() {
        let (ahead, back) = place(j);
        let step = (1 << level) % n;
        let shift = (ahead % n * step + (n - back % n) % n * step) % n;
        let (until, from) = x.split_at(shift);
        for (out, x) in out.iter_mut().zip(from.iter().chain(until)) {
            *out += tap * x;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SWT_PYWAVELETS: [[f64; 8]; 3] = [
        [
            6.0089745962155625,
            5.185417437700575,
            5.368430139592794,
            5.075961894323343,
            8.991025403784441,
            9.814582562299426,
            9.631569860407208,
            9.92403810567666,
        ],
        [
            -2.497595264191645,
            -1.058012701892219,
            1.857050807568878,
            0.9485571585149879,
            1.7655444566227683,
            3.7900635094610973,
            -1.125,
            -3.680607966083864,
        ],
        [
            -2.1306115292504115,
            2.15599552062015,
            -2.733692779255437,
            2.474873734152917,
            0.905866657858823,
            -3.380740392011739,
            5.372651213020122,
            -2.6643424251344223,
        ],
    ];

    /// `pywt.swt(x, "db2", 2)` of 0, 1, 4, 2, 7, 5, 3, 8.
    #[test]
    fn coefficients_are_pywavelets() {
        let x = [0.0, 1.0, 4.0, 2.0, 7.0, 5.0, 3.0, 8.0];
        let found = Stationary::new(&Wavelet::new("db2").unwrap(), &x, 2).unwrap();
        let parts = [&found.approximation, &found.details[1], &found.details[0]];
        for (part, expected) in parts.into_iter().zip(SWT_PYWAVELETS) {
            for (found, expected) in part.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-13, "{part:?}, {expected:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_length_comes_back(
            x in prop::collection::vec(-1.0f64..1.0, 1..120),
            levels in 1usize..6,
            name in prop::sample::select(vec!["haar", "db4", "sym9", "coif2", "bior4.4", "rbio2.2"]),
        ) {
            let wavelet = Wavelet::new(name).unwrap();
            let back = Stationary::new(&wavelet, &x, levels).unwrap().reconstruct().unwrap();
            let gain = |filter: &[f64]| filter.iter().map(|tap| tap.abs()).sum::<f64>();
            let level = gain(wavelet.dec_lo()).max(gain(wavelet.dec_hi())) * gain(wavelet.rec_lo());
            let limit = 8.0 * f64::EPSILON * level.powf(levels as f64);
            for (x, back) in x.iter().zip(&back) {
                prop_assert!((x - back).abs() <= limit, "{} {}: {} {}", name, levels, x, back);
            }
        }
    }

    #[test]
    fn a_changed_number_of_coefficients_is_refused() {
        let wavelet = Wavelet::new("db2").unwrap();
        let mut parts = Stationary::new(&wavelet, &[1.0; 9], 1).unwrap();
        parts.details[0].pop();
        let text = parts.reconstruct().unwrap_err().to_string();
        assert_eq!(text, "details has 8 samples, expected 9");
    }
}
