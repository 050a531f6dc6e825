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
    scan(x).middles
}

/// What one pass over a signal finds.
pub(super) struct Scan {
    /// The middle of every local maximum, in order.
    pub(super) middles: Vec<usize>,
    /// Whether there is a NaN.
    pub(super) has_nan: bool,
}

pub(super) fn scan(x: &[f64]) -> Scan {
    let mut found = Scan { middles: Vec::with_capacity(x.len() / 2), has_nan: false };
    let compared = run(Blocks { x, found: &mut found });
    found.has_nan |= x[compared..].iter().any(|value| value.is_nan());
    for i in compared.max(1)..x.len().saturating_sub(1) {
        if x[i - 1] < x[i] && x[i] >= x[i + 1] {
            found.middles.extend(middle(x, i));
        }
    }
    found.middles.shrink_to_fit();
    found
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

/// Steps from one sample to the next that are looked at together, a bit each, and how many such
/// blocks in one go: few, so that the next samples are on their way from memory while these are listed.
const BLOCK: usize = 64;
const BLOCKS: usize = 4;

/// Bit j is step j of a block, from sample j to sample j + 1.
#[derive(Clone, Copy, Default)]
struct Steps {
    not_up: u64,
    not_down: u64,
}

/// The maxima that start in the whole groups of blocks of `x`; gives how many samples these are.
struct Blocks<'a> {
    x: &'a [f64],
    found: &'a mut Scan,
}

impl Task<f64> for Blocks<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, _: V) -> usize {
        let Self { x, found } = self;
        let mut steps = [Steps::default(); BLOCKS];
        let mut middles = [0; BLOCKS * BLOCK];
        let (mut first, mut rose) = (0, 0);
        for group in x.windows(BLOCKS * BLOCK + 1).step_by(BLOCKS * BLOCK) {
            compare(group, &mut steps);
            let mut count = 0;
            for &Steps { not_up, not_down } in &steps {
                let (flat, falls, rises) =
                    (not_up & not_down, not_up & !not_down, not_down & !not_up);
                found.has_nan |= (not_up | not_down) != u64::MAX;
                // Samples that were risen to, and from which it does not rise further.
                let tops = ((rises << 1) | rose) & not_up;
                rose = rises >> (BLOCK - 1);
                if tops & flat == 0 {
                    list(tops, first, &mut middles, &mut count);
                } else {
                    let Plateaus { lefts, rights, open } = plateaus(tops, flat, falls);
                    list_runs([lefts, rights], first, &mut middles, &mut count);
                    if let Some(middle) = open.and_then(|left| middle(x, first + left)) {
                        middles[count] = middle;
                        count += 1;
                    }
                }
                first += BLOCK;
            }
            found.middles.extend_from_slice(&middles[..count]);
        }
        first
    }
}

/// Compares samples with the next. In a loop of its own, because the compiler turns this one into
/// vector compares and one with branches not.
#[inline(always)]
fn compare(x: &[f64], steps: &mut [Steps; BLOCKS]) {
    for (samples, steps) in x.windows(BLOCK + 1).step_by(BLOCK).zip(steps) {
        let Some(window) = samples.first_chunk::<{ BLOCK + 1 }>() else { continue };
        let mut found = Steps::default();
        for j in 0..BLOCK {
            found.not_up |= u64::from(window[j] >= window[j + 1]) << j;
            found.not_down |= u64::from(window[j] <= window[j + 1]) << j;
        }
        *steps = found;
    }
}

/// Runs of equal samples in a block, of one sample too.
struct Plateaus {
    /// The first and the last sample of each that ends in a fall.
    lefts: u64,
    rights: u64,
    /// The first sample of the one that goes on beyond the block.
    open: Option<usize>,
}

/// `tops` are first samples that were risen to. A sum carries such a bit over the flat steps after it to
/// the last sample, so it takes no longer where every top is flat.
#[inline(always)]
fn plateaus(tops: u64, flat: u64, falls: u64) -> Plateaus {
    let (sum, goes_on) = tops.overflowing_add(flat);
    let open = goes_on.then(|| BLOCK - 1 - tops.leading_zeros() as usize);
    let lasts = sum & !flat;
    let rights = lasts & falls;
    let lefts = if lasts & !falls & (tops | flat << 1) == 0 {
        // None ends in a rise, so each counts but the one that goes on.
        open.map_or(tops, |open| tops & !(1 << open))
    } else {
        // And back, over the samples that were come to by a flat step.
        let back = (flat << 1).reverse_bits();
        (rights.reverse_bits().wrapping_add(back) & !back).reverse_bits()
    };
    Plateaus { lefts, rights, open }
}

/// The places of the bits of each byte, up to four: no two tops are neighbors.
static PLACES: [[u8; 4]; 256] = {
    let mut places = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut place, mut count) = (0, 0);
        while place < 8 && count < 4 {
            if byte >> place & 1 == 1 {
                places[byte][count] = place;
                count += 1;
            }
            place += 1;
        }
        byte += 1;
    }
    places
};

/// Appends the places of the bits, by bytes and always four of each, some of them beyond the last: no branch
/// depends on how many there are.
#[inline(always)]
fn list(tops: u64, first: usize, middles: &mut [usize; BLOCKS * BLOCK], count: &mut usize) {
    for (start, byte) in (first..).step_by(8).zip(tops.to_le_bytes()) {
        if let Some(middles) = middles.get_mut(*count..*count + 4) {
            for (middle, place) in middles.iter_mut().zip(PLACES[usize::from(byte)]) {
                *middle = start + usize::from(place);
            }
        }
        *count += byte.count_ones() as usize;
    }
}

/// Appends the middles of runs, from the first bit of `lefts` to that of `rights`, and so on: as if all were one
/// sample long, and then those of longer ones are put right.
#[inline(always)]
fn list_runs(
    [lefts, rights]: [u64; 2],
    first: usize,
    middles: &mut [usize; BLOCKS * BLOCK],
    count: &mut usize,
) {
    let start = *count;
    list(lefts, first, middles, count);
    let (mut longer, mut ends) = (lefts & !rights, rights & !lefts);
    while longer != 0 {
        let (left, right) = (longer.trailing_zeros(), ends.trailing_zeros());
        let before = (lefts & ((1 << left) - 1)).count_ones() as usize;
        if let Some(middle) = middles.get_mut(start + before) {
            *middle += (right - left) as usize / 2;
        }
        longer &= longer - 1;
        ends &= ends.wrapping_sub(1);
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
