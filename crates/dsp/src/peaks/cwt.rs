//! Peaks of known widths, by a continuous wavelet transform.

use std::f64::consts::PI;

use crate::door::finite;
use crate::{Error, Result};

/// What a ridge must be like for [`find_peaks_cwt`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CwtOptions {
    /// Rows without a maximum that a ridge may pass. Default: the first width, rounded up.
    pub gap: Option<usize>,
    /// Fewest rows of a ridge. Default: a quarter of the widths, rounded up.
    pub min_length: Option<usize>,
    /// Least |transform/noise| in the first row. Default: 1.
    pub min_snr: f64,
    /// Percentile of the first row around a place that is its noise. Default: 10.
    pub noise_percentile: f64,
    /// Samples around a place over which that is taken. Default: n/20, rounded up.
    pub window: Option<usize>,
}

impl Default for CwtOptions {
    fn default() -> Self {
        Self { gap: None, min_length: None, min_snr: 1.0, noise_percentile: 10.0, window: None }
    }
}

impl CwtOptions {
    /// Sets the rows that a ridge may pass without a maximum.
    #[must_use]
    pub fn gap(self, gap: usize) -> Self {
        Self { gap: Some(gap), ..self }
    }

    /// Sets the fewest rows of a ridge.
    #[must_use]
    pub fn min_length(self, min_length: usize) -> Self {
        Self { min_length: Some(min_length), ..self }
    }

    /// Sets the least ratio to the noise.
    #[must_use]
    pub fn min_snr(self, min_snr: f64) -> Self {
        Self { min_snr, ..self }
    }

    /// Sets the percentile that is the noise.
    #[must_use]
    pub fn noise_percentile(self, noise_percentile: f64) -> Self {
        Self { noise_percentile, ..self }
    }

    /// Sets the samples over which the noise is taken.
    #[must_use]
    pub fn window(self, window: usize) -> Self {
        Self { window: Some(window), ..self }
    }
}

/// Where ridges of the transform with Ricker wavelets of the given `widths` start, in order.
///
/// The signal is correlated with wavelets of each width, the maxima of neighboring rows are joined
/// to ridges, and a ridge that is long and stands out of the noise of the first row is a peak.
/// [`super::find_peaks`] is the better choice for most signals: on a test with true peaks every
/// 500 samples SciPy's function reports eight times too many, two samples off on average, and its
/// "noise" is a percentile of a signed quantity. It is here for those who have such results to
/// reproduce, and for peaks of one known shape.
///
/// # Errors
/// [`Error::NotFinite`] for a sample; [`Error::Empty`] without widths; [`Error::OutOfRange`] for a
/// width that is not positive, a percentile outside 0 to 100 or an empty window.
///
/// # Examples
/// ```
/// use dsp::peaks::{CwtOptions, find_peaks_cwt};
/// let x: Vec<f64> = (0..63).map(|i| (f64::from(i) * 0.05).sin()).collect();
/// let widths: Vec<f64> = (1..10).map(f64::from).collect();
/// assert_eq!(find_peaks_cwt(&x, &widths, &CwtOptions::default())?, [32]);
/// // No ridge has more rows than there are widths.
/// assert_eq!(find_peaks_cwt(&x, &widths, &CwtOptions::default().min_length(10))?, []);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// Du, Kibbe & Lin, *Improved peak detection in mass spectrum by incorporating continuous wavelet
/// transform-based pattern matching*, Bioinformatics 22 (2006). SciPy's `find_peaks_cwt`, with the
/// order of ridges as its release of 2026 has corrected it (scipy#24417).
pub fn find_peaks_cwt(x: &[f64], widths: &[f64], options: &CwtOptions) -> Result<Vec<usize>> {
    finite(x, "x")?;
    let out_of_range =
        |argument, value, expected| Err(Error::OutOfRange { argument, value, expected });
    if widths.is_empty() {
        return Err(Error::Empty { argument: "widths" });
    }
    if let Some(&width) = widths.iter().find(|&&width| !(width > 0.0 && width.is_finite())) {
        return out_of_range("widths", width, "positive numbers");
    }
    if !(0.0..=100.0).contains(&options.noise_percentile) {
        let value = options.noise_percentile;
        return out_of_range("noise_percentile", value, "a number from 0 to 100");
    }
    let window = options.window.unwrap_or(x.len().div_ceil(20));
    if window == 0 && !x.is_empty() {
        return out_of_range("window", 0.0, "at least 1 sample");
    }

    let rows: Vec<Vec<f64>> = widths.iter().map(|&width| correlated(x, width)).collect();
    let gap = options.gap.map_or(widths[0].ceil(), |gap| gap as f64);
    let noise = percentiles(&rows[0], window, options.noise_percentile / 100.0);
    let long = options.min_length.unwrap_or(widths.len().div_ceil(4));
    let mut starts: Vec<usize> = ridges(&rows, widths, gap)
        .into_iter()
        .filter(|ridge| ridge.length >= long)
        .filter(|ridge| {
            !((rows[ridge.row][ridge.start] / noise[ridge.start]).abs() < options.min_snr)
        })
        .map(|ridge| ridge.start)
        .collect();
    starts.sort_unstable();
    Ok(starts)
}

/// `x` with the Ricker wavelet of that width over ten of its widths, centered.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of samples, at most that of x"
)]
fn correlated(x: &[f64], width: f64) -> Vec<f64> {
    let span = (10.0 * width).min(x.len() as f64);
    let taps = span.ceil() as usize;
    let scale = 2.0 / ((3.0 * width).sqrt() * PI.powf(0.25));
    let ricker = |k: usize| {
        let t = (k as f64 - (span - 1.0) / 2.0) / width;
        scale * (1.0 - t * t) * (-t * t / 2.0).exp()
    };
    let mut out = vec![0.0; x.len()];
    for k in 0..taps {
        // out[i] += tap·x[i + (taps − 1)/2 − k] of the mirrored wavelet.
        let (tap, ahead) = (ricker(taps - 1 - k), (taps - 1) / 2);
        let (to, from) = if ahead >= k {
            (&mut out[..], &x[(ahead - k).min(x.len())..])
        } else {
            (&mut out[(k - ahead).min(x.len())..], x)
        };
        to.iter_mut().zip(from).for_each(|(out, x)| *out += tap * x);
    }
    out
}

/// The percentile, as a part of 1, of the window around each place, with straight lines between.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place within the window"
)]
fn percentiles(row: &[f64], window: usize, part: f64) -> Vec<f64> {
    // A window that reaches beyond both ends from everywhere is no longer than that.
    let window = window.min(2 * row.len());
    let (half, odd) = (window / 2, window % 2);
    let mut sorted: Vec<f64> = Vec::with_capacity(window + 1);
    let (mut start, mut end) = (0, 0);
    let place = |sorted: &[f64], value: f64| sorted.partition_point(|other| *other < value);
    (0..row.len())
        .map(|i| {
            while end < (i + half + odd).min(row.len()) {
                sorted.insert(place(&sorted, row[end]), row[end]);
                end += 1;
            }
            while start < i.saturating_sub(half) {
                sorted.remove(place(&sorted, row[start]));
                start += 1;
            }
            let at = part * (sorted.len() - 1) as f64;
            let (before, after) = (sorted[at as usize], sorted[at.ceil() as usize]);
            before + at.fract() * (after - before)
        })
        .collect()
}

/// Maxima of neighboring rows that lie near to each other.
struct Ridge {
    /// Its lowest row, and where it starts there.
    row: usize,
    start: usize,
    /// Where it was last joined.
    end: usize,
    length: usize,
    missed: f64,
}

/// From the last row with a maximum down to the first.
fn ridges(rows: &[Vec<f64>], widths: &[f64], gap: f64) -> Vec<Ridge> {
    let mut open: Vec<Ridge> = Vec::new();
    let mut closed = Vec::new();
    for (row, values) in rows.iter().enumerate().rev() {
        let tops = (1..values.len().saturating_sub(1))
            .filter(|&i| values[i] > values[i - 1] && values[i] > values[i + 1]);
        // The ends in order, of equal ones the first ridge.
        let mut ends: Vec<(usize, usize)> =
            open.iter().enumerate().map(|(k, ridge)| (ridge.end, k)).collect();
        ends.sort_unstable();
        ends.dedup_by_key(|&mut (end, _)| end);
        open.iter_mut().for_each(|ridge| ridge.missed += 1.0);
        for top in tops {
            let next = ends.partition_point(|&(end, _)| end < top);
            let near = ends[next.saturating_sub(1)..].iter().take(2);
            let nearest = near.map(|&(end, k)| (end.abs_diff(top), k)).min();
            match nearest.filter(|&(distance, _)| distance as f64 <= widths[row] / 4.0) {
                Some((_, k)) => {
                    let ridge = &mut open[k];
                    if ridge.row != row {
                        (ridge.row, ridge.start) = (row, top);
                    }
                    (ridge.end, ridge.length, ridge.missed) = (top, ridge.length + 1, 0.0);
                }
                None => open.push(Ridge { row, start: top, end: top, length: 1, missed: 0.0 }),
            }
        }
        let (over, still) = open.into_iter().partition(|ridge| ridge.missed > gap);
        closed.extend::<Vec<Ridge>>(over);
        open = still;
    }
    closed.extend(open);
    closed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// `TestFindPeaks.test_find_peaks_exact` of SciPy's suite: six Gaussians, no SNR.
    #[test]
    fn six_gaussians_have_their_centers() {
        let bump = |i: usize, center: f64, sigma: f64| {
            (-((i as f64 - center) / sigma).powi(2) / 2.0).exp() / (sigma * (2.0 * PI).sqrt())
        };
        let bumps =
            [(40.0, 5.0), (130.0, 3.0), (220.0, 10.0), (310.0, 20.0), (390.0, 10.0), (450.0, 5.0)];
        let x: Vec<f64> = (0..500)
            .map(|i| bumps.iter().map(|&(center, sigma)| bump(i, center, sigma)).sum())
            .collect();
        let widths: Vec<f64> = (1..51).map(|k| f64::from(k) / 5.0 * 2.0).collect();
        let options = CwtOptions::default().gap(2).min_snr(0.0);
        let found = find_peaks_cwt(&x, &widths, &options).unwrap();
        for (center, _) in bumps {
            let nearest = found.iter().map(|&i| (i as f64 - center).abs()).fold(f64::MAX, f64::min);
            assert!(nearest <= 1.0, "{center}: {found:?}");
        }
    }

    /// `find_peaks_cwt(millivolts[:1440], np.arange(1, 30))` of SciPy 1.17.1.
    const ECG_SCIPY: [usize; 25] = [
        75, 125, 218, 292, 342, 375, 432, 472, 506, 552, 640, 701, 748, 837, 893, 944, 1030, 1080,
        1130, 1158, 1207, 1267, 1317, 1371, 1405,
    ];

    #[test]
    fn four_seconds_of_electrocardiogram_have_scipys_peaks() {
        let widths: Vec<f64> = (1..30).map(f64::from).collect();
        let x = &fixture::ecg_millivolts()[..1440];
        let found = find_peaks_cwt(x, &widths, &CwtOptions::default()).unwrap();
        assert_eq!(found, ECG_SCIPY);
    }

    #[test]
    fn bad_input_is_named() {
        let text = |x: &[f64], widths: &[f64], options: CwtOptions| {
            find_peaks_cwt(x, widths, &options).unwrap_err().to_string()
        };
        let plain = CwtOptions::default();
        assert_eq!(text(&[1.0], &[], plain), "widths is empty; at least one sample is needed");
        assert_eq!(text(&[1.0], &[0.0], plain), "widths is 0, expected positive numbers");
        assert_eq!(
            text(&[1.0], &[1.0], plain.noise_percentile(101.0)),
            "noise_percentile is 101, expected a number from 0 to 100"
        );
        assert_eq!(
            text(&[1.0], &[1.0], plain.window(0)),
            "window is 0, expected at least 1 sample"
        );
        assert_eq!(
            text(&[f64::NAN], &[1.0], plain),
            "x[0] is NaN, and every sample must be finite"
        );
        assert!(find_peaks_cwt(&[], &[1.0], &plain).unwrap().is_empty(), "nothing in nothing");
    }
}
