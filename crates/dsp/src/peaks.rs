//! Local maxima and what is known about each: plateau, height, prominence.
//!
//! [`find_peaks`] follows SciPy's function of that name to the bit, and differs from it in three
//! ways. Its prominences take linear time on every signal, where SciPy's take minutes on a
//! million clipped samples. A NaN is refused by its index unless [`NanPolicy::Barrier`] says otherwise.
//! And what was computed comes back with each [`Peak`], not in a dictionary whose keys depend on
//! the arguments.

use std::ops::{RangeFrom, RangeFull, RangeInclusive, RangeToInclusive};

use crate::{Error, Result};

mod prominence;

pub use prominence::{Prominence, prominences};

/// A run of equal samples with a lower sample on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maximum {
    /// The middle of the run, (left edge + right edge)/2 rounded down.
    pub index: usize,
    /// The first sample of the run; equal to `index` where the maximum is one sample.
    pub left_edge: usize,
    /// The last sample of the run.
    pub right_edge: usize,
}

/// Every local maximum of `x`, in order, in one pass.
///
/// Both neighbors of the run must be strictly lower. So the first and last sample are never
/// maxima, nor is a run that touches an end; a shoulder on a slope is none, which the common test
/// `x[i] > x[i-1] && x[i] >= x[i+1]` gets wrong; and neither is a sample next to a NaN, which is
/// not lower than anything.
///
/// # Examples
/// A shoulder (1, 1), a plateau of two (5, 5) and a peak (2) before the end:
/// ```
/// use dsp::peaks::local_maxima;
/// let tops = local_maxima(&[0.0, 1.0, 1.0, 5.0, 5.0, 0.0, 2.0, 1.0, 3.0]);
/// assert_eq!(tops.len(), 2);
/// assert_eq!((tops[0].left_edge, tops[0].index, tops[0].right_edge), (3, 3, 4));
/// assert_eq!(tops[1].index, 6);
/// ```
#[must_use]
#[expect(clippy::float_cmp, reason = "a plateau is of equal samples, not of similar ones")]
pub fn local_maxima(x: &[f64]) -> Vec<Maximum> {
    let mut maxima = Vec::new();
    let mut i = 1;
    while i + 1 < x.len() {
        let mut after = i + 1;
        if x[i - 1] < x[i] {
            while after + 1 < x.len() && x[after] == x[i] {
                after += 1;
            }
            if x[after] < x[i] {
                let (left_edge, right_edge) = (i, after - 1);
                let index = left_edge + (right_edge - left_edge) / 2;
                maxima.push(Maximum { index, left_edge, right_edge });
            }
        }
        // No maximum starts inside a run.
        i = after;
    }
    maxima
}

/// A local maximum that met every condition, with what was computed on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// The middle of the maximum, rounded down.
    pub index: usize,
    /// The first sample of its plateau; equal to `index` where it is one sample.
    pub left_edge: usize,
    /// The last sample of its plateau.
    pub right_edge: usize,
    /// x\[index\].
    pub height: f64,
    /// How far it stands out, where the options ask for [`PeakOptions::prominence`].
    pub prominence: Option<Prominence>,
}

/// What a peak must be like. By default every local maximum is a peak.
///
/// # Examples
/// ```
/// use dsp::peaks::PeakOptions;
/// let options = PeakOptions::default().height(..=3.0).prominence(0.5..).window(200);
/// assert_eq!(options.window, Some(200));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct PeakOptions {
    /// Bounds on the samples in its plateau. Default: any.
    pub plateau_size: Option<Interval>,
    /// Bounds on x\[index\], in the unit of the signal. Default: any.
    pub height: Option<Interval>,
    /// Bounds on the prominence, in the unit of the signal. Default: not computed, which is
    /// faster; `..` computes it and keeps every peak.
    pub prominence: Option<Interval>,
    /// Samples around the peak within which its prominence is judged (SciPy's `wlen`; 2k and
    /// 2k + 1 are the same window). Default: the whole signal. Set it where the signal's baseline
    /// wanders over more than one peak's neighborhood.
    pub window: Option<usize>,
    /// What a NaN means. Default: [`NanPolicy::Refuse`].
    pub nan: NanPolicy,
}

impl PeakOptions {
    /// Keeps maxima whose plateau has that many samples.
    #[must_use]
    pub fn plateau_size(self, samples: impl Into<Interval>) -> Self {
        Self { plateau_size: Some(samples.into()), ..self }
    }

    /// Keeps maxima of that height.
    #[must_use]
    pub fn height(self, height: impl Into<Interval>) -> Self {
        Self { height: Some(height.into()), ..self }
    }

    /// Computes prominences and keeps maxima within the bounds.
    #[must_use]
    pub fn prominence(self, prominence: impl Into<Interval>) -> Self {
        Self { prominence: Some(prominence.into()), ..self }
    }

    /// Judges prominence within ± `samples`/2 of the peak.
    #[must_use]
    pub fn window(self, samples: usize) -> Self {
        Self { window: Some(samples), ..self }
    }

    /// Sets what a NaN means.
    #[must_use]
    pub fn nan(self, nan: NanPolicy) -> Self {
        Self { nan, ..self }
    }
}

/// What a NaN in the signal means. Infinities are ordinary samples: they have an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NanPolicy {
    /// A mistake: the signal is refused, naming the first one's index.
    #[default]
    Refuse,
    /// A gap: it is neither higher nor lower than anything, so its neighbors are no maxima and no
    /// prominence looks beyond it. This is what SciPy does without saying so.
    Barrier,
}

/// Bounds on a property, both inclusive; `2.0..`, `..=3.0`, `2.0..=3.0` and `..` convert into it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Least value allowed.
    pub min: f64,
    /// Greatest value allowed.
    pub max: f64,
}

impl Interval {
    fn contains(self, value: f64) -> bool {
        self.min <= value && value <= self.max
    }

    /// Refuses bounds that no value meets.
    fn check(interval: Option<Self>, argument: &'static str) -> Result<()> {
        if interval.is_none_or(|Self { min, max }| min <= max) {
            return Ok(());
        }
        Err(Error::OutOfRange {
            argument,
            value: interval.map_or(f64::NAN, |interval| interval.min),
            expected: "a least value that is not above the greatest",
        })
    }
}

impl From<RangeFull> for Interval {
    fn from(_: RangeFull) -> Self {
        Self { min: f64::NEG_INFINITY, max: f64::INFINITY }
    }
}

impl From<RangeFrom<f64>> for Interval {
    fn from(range: RangeFrom<f64>) -> Self {
        Self { min: range.start, max: f64::INFINITY }
    }
}

impl From<RangeToInclusive<f64>> for Interval {
    fn from(range: RangeToInclusive<f64>) -> Self {
        Self { min: f64::NEG_INFINITY, max: range.end }
    }
}

impl From<RangeInclusive<f64>> for Interval {
    fn from(range: RangeInclusive<f64>) -> Self {
        Self { min: *range.start(), max: *range.end() }
    }
}

/// The local maxima of `x` that meet every condition of `options`, in order.
///
/// The conditions apply in the order plateau size, height, prominence; a prominence does not depend
/// on which other peaks were kept. O(n), whatever the signal.
///
/// # Errors
/// [`Error::Nan`] with the index of the first NaN under [`NanPolicy::Refuse`];
/// [`Error::OutOfRange`] for bounds that exclude everything, or a window below 2.
///
/// # Examples
/// The beats of a signal with a wandering baseline are the tops that stand out by 1; a threshold
/// on the height would take the slow hump for a beat or lose the first one:
/// ```
/// use dsp::peaks::{PeakOptions, find_peaks};
/// let x = [0.0, 1.5, 0.1, 1.9, 2.2, 2.0, 2.1, 4.0, 2.0];
/// let beats = find_peaks(&x, &PeakOptions::default().prominence(1.0..))?;
/// let indices: Vec<usize> = beats.iter().map(|beat| beat.index).collect();
/// assert_eq!(indices, [1, 7]);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// SciPy's `scipy.signal.find_peaks`, whose plateau rule, order of conditions and inclusive bounds
/// these are.
pub fn find_peaks(x: &[f64], options: &PeakOptions) -> Result<Vec<Peak>> {
    Interval::check(options.plateau_size, "plateau_size")?;
    Interval::check(options.height, "height")?;
    Interval::check(options.prominence, "prominence")?;
    prominence::reach(options.window, x.len())?;
    if options.nan == NanPolicy::Refuse
        && let Some(index) = x.iter().position(|value| value.is_nan())
    {
        return Err(Error::Nan { argument: "x", index });
    }

    let within = |interval: Option<Interval>, value| interval.is_none_or(|i| i.contains(value));
    let mut peaks: Vec<Peak> = local_maxima(x)
        .into_iter()
        .map(|Maximum { index, left_edge, right_edge }| Peak {
            index,
            left_edge,
            right_edge,
            height: x[index],
            prominence: None,
        })
        .filter(|peak| {
            within(options.plateau_size, (peak.right_edge - peak.left_edge + 1) as f64)
                && within(options.height, peak.height)
        })
        .collect();

    if let Some(bounds) = options.prominence {
        let indices: Vec<usize> = peaks.iter().map(|peak| peak.index).collect();
        let found = prominences(x, &indices, options.window)?;
        for (peak, prominence) in peaks.iter_mut().zip(found) {
            peak.prominence = Some(prominence);
        }
        peaks.retain(|peak| peak.prominence.is_some_and(|p| bounds.contains(p.value)));
    }
    Ok(peaks)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "to SciPy's last bit")]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    fn indices(x: &[f64], options: &PeakOptions) -> Vec<usize> {
        find_peaks(x, options).unwrap().iter().map(|peak| peak.index).collect()
    }

    /// `TestLocalMaxima1d` and `TestFindPeaks` of `scipy/signal/tests/test_peak_finding.py`.
    #[test]
    fn the_cases_of_scipys_own_suite_come_out_the_same() {
        let plateaus = [
            -1.3, 0.0, 1.0, 0.0, 2.0, 2.0, 0.0, 3.0, 3.0, 3.0, 2.99, 4.0, 4.0, 4.0, 4.0, -10.0,
            -5.0, -5.0, -5.0, -5.0, -5.0, -10.0,
        ];
        let tops = local_maxima(&plateaus);
        let by = |part: fn(&Maximum) -> usize| tops.iter().map(part).collect::<Vec<_>>();
        assert_eq!(by(|top| top.index), [2, 4, 8, 12, 18]);
        assert_eq!(by(|top| top.left_edge), [2, 4, 7, 11, 16]);
        assert_eq!(by(|top| top.right_edge), [2, 5, 9, 14, 20]);

        let ramp: Vec<f64> = (0..50).map(f64::from).collect();
        for x in [
            &[][..],
            &[1.0],
            &[1.0, 2.0],
            &[1.0, 0.0, 2.0],
            &[3.0, 3.0, 0.0, 4.0, 4.0],
            &[5.0, 5.0, 5.0, 0.0, 6.0, 6.0, 6.0],
            &[1.0; 10],
            &ramp,
        ] {
            assert!(local_maxima(x).is_empty(), "{x:?}");
        }

        let mut saw: Vec<f64> = (0..50).map(|i| -10.0 + 20.0 * f64::from(i) / 49.0).collect();
        saw.iter_mut().skip(2).step_by(3).for_each(|value| *value += 1.0);
        let every_third: Vec<usize> = (2..48).step_by(3).collect();
        assert_eq!(indices(&saw, &PeakOptions::default()), every_third);

        // Plateaus as wide as high, apart by one zero.
        let mut wide = vec![0.0];
        for size in [1_usize, 2, 3, 4, 8, 20, 111] {
            wide.extend(std::iter::repeat_n(size as f64, size));
            wide.push(0.0);
        }
        let sized = |sizes: Interval| indices(&wide, &PeakOptions::default().plateau_size(sizes));
        assert_eq!(sized((..).into()), [1, 3, 7, 11, 18, 33, 100]);
        assert_eq!(sized((4.0..).into()), [11, 18, 33, 100]);
        assert_eq!(sized((..=3.5).into()), [1, 3, 7]);
        assert_eq!(sized((5.0..=50.0).into()), [18, 33]);

        let x = [0.0, 1.0 / 3.0, 0.0, 2.5, 0.0, 4.0, 0.0];
        assert_eq!(indices(&x, &PeakOptions::default().height(0.5..)), [3, 5]);
        assert_eq!(indices(&x, &PeakOptions::default().height(..=3.0)), [1, 3]);
        assert_eq!(indices(&x, &PeakOptions::default().height(2.0..=3.0)), [3]);
        assert_eq!(indices(&x, &PeakOptions::default().height(2.5..=4.0)), [3, 5], "inclusive");
    }

    /// Sums that SciPy 1.11.4 and 1.17.1 print, on 60 s of electrocardiogram in millivolts.
    #[test]
    fn the_electrocardiogram_has_scipys_peaks() {
        let x = fixture::ecg_millivolts();
        let none = PeakOptions::default();
        let all = indices(&x, &none);
        assert_eq!(all[..6], [4, 9, 16, 23, 25, 29]);

        let prominence = |peak: &Peak| peak.prominence.unwrap().value;
        type Case = (PeakOptions, usize, usize, f64, fn(&Peak) -> f64);
        let cases: [Case; 7] = [
            (none.clone(), 3007, 32041122, 3007.0, |_| 1.0),
            (none.clone().height(0.0..), 889, 9618838, 575.825, |peak| peak.height),
            (none.clone().prominence(..=0.6), 2873, 30565627, 156.75, prominence),
            (none.clone().prominence(0.5..), 151, 1709098, 247.165, prominence),
            (none.clone().prominence(0.5..).window(201), 150, 1694404, 225.31, prominence),
            (none.clone().plateau_size(2.0..), 511, 5348635, 1066.0, |peak| {
                (peak.right_edge - peak.left_edge + 1) as f64
            }),
            (
                none.height(-1.0..=3.0).plateau_size(..=3.0).prominence(0.2..).window(301),
                343,
                3881137,
                287.47,
                prominence,
            ),
        ];
        for (options, count, index_sum, property_sum, property) in cases {
            let peaks = find_peaks(&x, &options).unwrap();
            assert_eq!(peaks.len(), count, "{options:?}");
            assert_eq!(peaks.iter().map(|peak| peak.index).sum::<usize>(), index_sum);
            let sum: f64 = peaks.iter().map(property).sum();
            // The order of summation, which is ours, moves a sum of n terms by n eps at most.
            let tolerance = count as f64 * f64::EPSILON * property_sum;
            assert!((sum - property_sum).abs() <= tolerance, "{options:?}: {sum}");
        }
    }

    #[test]
    fn every_edge_base_and_prominence_of_the_electrocardiogram_is_scipys() {
        let peaks = find_peaks(&fixture::ecg(), &PeakOptions::default().prominence(..)).unwrap();
        let found: Vec<[usize; 6]> = peaks
            .iter()
            .map(|peak| {
                let p = peak.prominence.unwrap();
                assert!(p.value.fract() == 0.0 && p.value > 0.0, "a difference of integers");
                let value = p.value.to_string().parse().unwrap();
                [peak.index, peak.left_edge, peak.right_edge, value, p.left_base, p.right_base]
            })
            .collect();
        assert_eq!(found, fixture::ecg_peaks());
    }

    proptest! {
        /// The definition, sample by sample, on few levels with NaN among them.
        #[test]
        fn local_maxima_are_what_the_definition_says(levels in prop::collection::vec(0u8..5, 0..40)) {
            let x: Vec<f64> = levels
                .iter()
                .map(|&level| if level == 4 { f64::NAN } else { f64::from(level) })
                .collect();
            let mut expected = Vec::new();
            for left in 1..x.len() {
                for right in left..x.len() - 1 {
                    let flat = x[left..=right].iter().all(|&value| value == x[left]);
                    if flat && x[left - 1] < x[left] && x[right + 1] < x[left] {
                        let index = (left + right) / 2;
                        expected.push(Maximum { index, left_edge: left, right_edge: right });
                    }
                }
            }
            prop_assert_eq!(local_maxima(&x), expected, "x = {:?}", x);
        }
    }

    #[test]
    fn a_nan_is_refused_by_index_or_parts_the_signal() {
        let x = [0.0, 1.0, 0.0, f64::NAN, 0.0, 2.0, 0.0];
        assert_eq!(
            find_peaks(&x, &PeakOptions::default()).unwrap_err().to_string(),
            "x[3] is NaN; with NanPolicy::Barrier it parts the signal there"
        );
        let parted = PeakOptions::default().nan(NanPolicy::Barrier).prominence(..);
        let peaks = find_peaks(&x, &parted).unwrap();
        let bases: Vec<_> = peaks
            .iter()
            .map(|peak| (peak.index, peak.prominence.unwrap()))
            .map(|(index, p)| (index, p.left_base, p.right_base))
            .collect();
        assert_eq!(bases, [(1, 0, 2), (5, 4, 6)]);
        assert!(
            indices(&[0.0, f64::NAN, 1.0, 0.0], &parted).is_empty(),
            "the NaN hides its neighbor"
        );
    }

    #[test]
    fn infinities_have_an_order_and_so_have_peaks() {
        let x = [f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY, f64::INFINITY, 1.0];
        let peaks = find_peaks(&x, &PeakOptions::default().prominence(..)).unwrap();
        assert_eq!(peaks.iter().map(|peak| peak.index).collect::<Vec<_>>(), [1, 3]);
        for peak in peaks {
            assert_eq!(peak.prominence.unwrap().value, f64::INFINITY);
        }
    }

    #[test]
    fn bounds_that_exclude_everything_are_refused() {
        let x = [0.0, 1.0, 0.0];
        let none = PeakOptions::default();
        let text = |options: &PeakOptions| find_peaks(&x, options).unwrap_err().to_string();
        let expected = "expected a least value that is not above the greatest";
        let upside_down = 2.0..=1.0;
        assert_eq!(
            text(&none.clone().height(upside_down.clone())),
            format!("height is 2, {expected}")
        );
        assert_eq!(
            text(&none.clone().prominence(f64::NAN..)),
            format!("prominence is NaN, {expected}")
        );
        assert_eq!(
            text(&none.clone().plateau_size(upside_down)),
            format!("plateau_size is 2, {expected}")
        );
        assert_eq!(text(&none.window(0)), "window is 0, expected at least 2 samples");
    }
}
