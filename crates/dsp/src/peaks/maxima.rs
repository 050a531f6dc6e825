//! Local maxima: a run of equal samples with a lower one on either side.

use linalg::lanes::{Task, Vectors, run};

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
/// not lower than anything. Where the middles are enough, [`peak_indices`] is faster.
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
pub fn local_maxima(x: &[f64]) -> Vec<Maximum> {
    peak_indices(x).into_iter().map(|index| plateau(x, index)).collect()
}

/// The middle of every local maximum of `x`, in order: the `index` of [`local_maxima`], and what
/// SciPy's `find_peaks` returns without conditions.
///
/// # Examples
/// ```
/// use dsp::peaks::peak_indices;
/// assert_eq!(peak_indices(&[0.0, 1.0, 0.0, 2.0, 2.0, 2.0, 0.0]), [1, 4]);
/// ```
#[must_use]
pub fn peak_indices(x: &[f64]) -> Vec<usize> {
    let mut middles = Vec::with_capacity(x.len() / 2);
    let mut found = [0; BLOCKS * BLOCK];
    let mut start = 1;
    while x.len() - start.min(x.len()) > BLOCKS * BLOCK {
        let mut masks = [Tops::default(); BLOCKS];
        run(Compare { x: &x[start - 1..], masks: &mut masks });
        let mut count = 0;
        for (block, &Tops { peaks, flats }) in masks.iter().enumerate() {
            let first = start + block * BLOCK;
            if flats == 0 {
                // Eight at a time, some of them beyond the last: cheaper than a branch after each.
                let (mut left, until) = (peaks, count + peaks.count_ones() as usize);
                while count < until {
                    for place in count..count + 8 {
                        found[place % (BLOCKS * BLOCK)] = first + left.trailing_zeros() as usize;
                        left &= left.wrapping_sub(1);
                    }
                    count += 8;
                }
                count = until;
            } else {
                let mut left = peaks | flats;
                while left != 0 {
                    if let Some(middle) = middle(x, first + left.trailing_zeros() as usize) {
                        found[count] = middle;
                        count += 1;
                    }
                    left &= left - 1;
                }
            }
        }
        middles.extend_from_slice(&found[..count]);
        start += BLOCKS * BLOCK;
    }
    for i in start..x.len().saturating_sub(1) {
        if x[i - 1] < x[i] && x[i] >= x[i + 1] {
            middles.extend(middle(x, i));
        }
    }
    middles.shrink_to_fit();
    middles
}

/// The maximum whose middle (or any of whose samples) is `index`.
#[expect(clippy::float_cmp, reason = "a plateau is of equal samples, not of similar ones")]
pub(super) fn plateau(x: &[f64], index: usize) -> Maximum {
    let level = x[index];
    let left = x[..index].iter().rev().take_while(|&&value| value == level).count();
    let right = x[index + 1..].iter().take_while(|&&value| value == level).count();
    Maximum { index, left_edge: index - left, right_edge: index + right }
}

/// The middle of the run that starts at `i`, above the sample before it, if it ends in a fall.
#[expect(clippy::float_cmp, reason = "a plateau is of equal samples, not of similar ones")]
fn middle(x: &[f64], i: usize) -> Option<usize> {
    let mut after = i + 1;
    while after + 1 < x.len() && x[after] == x[i] {
        after += 1;
    }
    (x[after] < x[i]).then_some(i + (after - 1 - i) / 2)
}

/// Samples that are looked at together, a bit each, and how many such blocks in one go.
const BLOCK: usize = 64;
const BLOCKS: usize = 32;

#[derive(Clone, Copy, Default)]
struct Tops {
    /// Bit j: sample j of the block is above both its neighbors.
    peaks: u64,
    /// Bit j: it is above the one before and equal to the one after.
    flats: u64,
}

/// Compares samples with their neighbors, from the second on. In a function of its own, because
/// the compiler turns this loop into vector compares and one with branches not.
struct Compare<'a> {
    x: &'a [f64],
    masks: &'a mut [Tops; BLOCKS],
}

impl Task<f64> for Compare<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::float_cmp, reason = "a plateau is of equal samples, not of similar ones")]
    fn run<V: Vectors<f64>>(self, _: V) {
        for (samples, tops) in self.x.windows(BLOCK + 2).step_by(BLOCK).zip(self.masks) {
            let Some(window) = samples.first_chunk::<{ BLOCK + 2 }>() else { continue };
            for j in 0..BLOCK {
                let (before, own, after) = (window[j], window[j + 1], window[j + 2]);
                tops.peaks |= u64::from((before < own) & (own > after)) << j;
                tops.flats |= u64::from((before < own) & (own == after)) << j;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `TestLocalMaxima1d` of `scipy/signal/tests/test_peak_finding.py`.
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
    }

    proptest! {
        /// The definition, sample by sample, on few levels with NaN among them, long enough
        /// for runs that cross the borders of blocks.
        #[test]
        #[expect(clippy::float_cmp, reason = "the definition of a plateau")]
        fn local_maxima_are_what_the_definition_says(
            runs in prop::collection::vec((0u8..7, 1usize..4), 0..90),
            times in 1usize..60,
        ) {
            let x: Vec<f64> = runs
                .iter()
                .flat_map(|&(level, count)| std::iter::repeat_n(level, count))
                .map(|level| if level == 6 { f64::NAN } else { f64::from(level) })
                .collect::<Vec<_>>()
                .repeat(times);
            let mut expected = Vec::new();
            for left in 1..x.len() {
                for right in left..x.len() - 1 {
                    if x[right] != x[left] {
                        break;
                    }
                    if x[left - 1] < x[left] && x[right + 1] < x[left] {
                        let index = (left + right) / 2;
                        expected.push(Maximum { index, left_edge: left, right_edge: right });
                    }
                }
            }
            prop_assert_eq!(local_maxima(&x), expected, "x = {:?}", x);
        }
    }
}
