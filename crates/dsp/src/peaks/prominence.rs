//! Prominence: how far one must come down from a sample before one can climb higher.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::{Error, Result};

/// How far a sample stands above the higher of the two lowlands beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prominence {
    /// x\[p\] − max(left minimum, right minimum), in the unit of the signal.
    pub value: f64,
    /// Where the left minimum lies; of several equal ones, the nearest to the sample.
    pub left_base: usize,
    /// Where the right minimum lies; of several equal ones, the nearest to the sample.
    pub right_base: usize,
}

/// The prominence of the samples of `x` at `indices`, in their order.
///
/// From p one walks left over samples that are not higher than x\[p\], up to a higher sample, a NaN
/// or the end of the signal, and takes the lowest sample met; then right; then
///
/// ```text
/// prominence(p) = x[p] − max(left minimum, right minimum)
/// ```
///
/// Equal peaks do not stop the walk, so the two tops of a twin peak have one prominence: that of
/// the pair. A sample that is not a local maximum has prominence 0. `window` bounds the walk to
/// p ± window/2 (rounded down, so 2k and 2k + 1 are the same window).
///
/// Takes O(n + k log k) time for k indices, whatever the signal. Walking from each peak, as SciPy
/// does, takes O(n²) wherever equal peaks are common: in clipped, quantised and periodic signals.
///
/// # Errors
/// [`Error::Index`] for an index at or beyond the end of `x`, [`Error::OutOfRange`] for a window
/// below 2.
///
/// # Examples
/// A saddle at 1 parts the two tops, so the lower one stands out by 2 − 1:
/// ```
/// use dsp::peaks::prominences;
/// let x = [0.0, 3.0, 1.0, 2.0, 0.5];
/// let prominences = prominences(&x, &[1, 3], None)?;
/// assert_eq!(prominences[0].value, 2.5);
/// assert_eq!(prominences[1].value, 1.0);
/// assert_eq!((prominences[1].left_base, prominences[1].right_base), (2, 4));
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// SciPy's `scipy.signal.peak_prominences`, to the bit, for any `indices`, NaN and `wlen` included.
pub fn prominences(x: &[f64], indices: &[usize], window: Option<usize>) -> Result<Vec<Prominence>> {
    if let Some(&index) = indices.iter().find(|&&index| index >= x.len()) {
        return Err(Error::Index { argument: "indices", index, length: x.len() });
    }
    let reach = reach(window, x.len())?;
    Ok(within(x, indices, reach))
}

/// The same for indices of samples and a walk of at most `reach` of them to either side.
pub(super) fn within(x: &[f64], indices: &[usize], reach: usize) -> Vec<Prominence> {
    // Half of the longest walk that takes less time than the stack on any signal that was tried.
    const SHORT: usize = 128;
    if reach <= SHORT {
        return indices.iter().map(|&p| walked(x, p, reach)).collect();
    }
    stacked(x, indices, reach)
}

/// The same in O(n), whatever the reach.
fn stacked(x: &[f64], indices: &[usize], reach: usize) -> Vec<Prominence> {
    let mut order: Vec<usize> = (0..indices.len()).collect();
    order.sort_by_key(|&slot| indices[slot]);

    let ascending = order.iter().map(|&slot| indices[slot]);
    let left = lowest_behind(x.len(), |i| x[i], ascending.clone(), reach);

    // The right side is the left side of the mirrored signal.
    let mirror = |i: usize| x.len() - 1 - i;
    let right = lowest_behind(x.len(), |i| x[mirror(i)], ascending.map(mirror).rev(), reach);

    let nothing = Prominence { value: 0.0, left_base: 0, right_base: 0 };
    let mut result = vec![nothing; indices.len()];
    for ((&slot, &left_base), right_base) in
        order.iter().zip(&left).zip(right.iter().rev().map(|&base| mirror(base)))
    {
        let saddle = x[left_base].max(x[right_base]);
        result[slot] = Prominence { value: x[indices[slot]] - saddle, left_base, right_base };
    }
    result
}

/// The definition: a walk to either side over at most `reach` samples.
fn walked(x: &[f64], p: usize, reach: usize) -> Prominence {
    let top = x[p];
    let lowest = |(lowest, base): (f64, usize), (i, &value): (usize, &f64)| {
        // Written so that a NaN ends the walk too.
        if !(value <= top) {
            ControlFlow::Break((lowest, base))
        } else if value < lowest {
            ControlFlow::Continue((value, i))
        } else {
            ControlFlow::Continue((lowest, base))
        }
    };
    let base = |walk: ControlFlow<(f64, usize), (f64, usize)>| match walk {
        ControlFlow::Break(found) | ControlFlow::Continue(found) => found,
    };
    let (from, to) = (p.saturating_sub(reach), (p + reach).min(x.len() - 1));
    let mut before = x[from..p].iter().enumerate().rev().map(|(i, value)| (from + i, value));
    let mut after = x[p + 1..=to].iter().enumerate().map(|(i, value)| (p + 1 + i, value));
    let (left, left_base) = base(before.try_fold((top, p), lowest));
    let (right, right_base) = base(after.try_fold((top, p), lowest));
    let saddle = if left > right { left } else { right };
    Prominence { value: top - saddle, left_base, right_base }
}

/// How many samples a walk may go to each side.
pub(super) fn reach(window: Option<usize>, len: usize) -> Result<usize> {
    match window {
        None => Ok(len),
        Some(samples) if samples >= 2 => Ok(samples / 2),
        Some(samples) => Err(Error::OutOfRange {
            argument: "window",
            value: samples as f64,
            expected: "at least 2 samples",
        }),
    }
}

/// A sample that is still higher than all after it.
struct Step {
    value: f64,
    index: usize,
    /// The lowest sample between the entry below in the stack and this one, and where it lies.
    lowest: f64,
    lowest_at: usize,
}

/// Where the walk to the left from each of `positions` (ascending) meets its lowest sample.
///
/// The stack holds the samples that are still higher than all after them, with the lowest sample
/// of the stretch in front of each. A new sample swallows the stretches of all that are not higher
/// than it, so each sample is pushed once and popped once; what remains below it is the wall.
/// Under a limited reach the wall may lie too far away. Then nothing within reach is higher, and
/// the base is the minimum of a sliding window, kept in a queue of increasing values.
fn lowest_behind(
    len: usize,
    value: impl Fn(usize) -> f64,
    positions: impl Iterator<Item = usize>,
    reach: usize,
) -> Vec<usize> {
    let mut positions = positions.peekable();
    let mut bases = Vec::with_capacity(positions.size_hint().0);
    let mut stack: Vec<Step> = Vec::new();
    let mut window: VecDeque<(f64, usize)> = VecDeque::new();
    let mut start = 0;

    for i in 0..len {
        let value = value(i);
        let mut step = Step { value, index: i, lowest: value, lowest_at: i };
        // Strictly lower, so that of equal minima the nearest, which was met first, stays.
        while let Some(below) = stack.pop_if(|below| below.value <= value) {
            if below.lowest < step.lowest {
                (step.lowest, step.lowest_at) = (below.lowest, below.lowest_at);
            }
        }
        if value.is_nan() {
            stack.clear();
            window.clear();
            start = i + 1;
        }
        if reach < len {
            while window.back().is_some_and(|&(back, _)| back >= value) {
                window.pop_back();
            }
            window.push_back((value, i));
            while window[0].1 + reach < i {
                window.pop_front();
            }
        }
        let wall = stack.last().map_or(start, |below| below.index + 1);
        while positions.next_if_eq(&i).is_some() {
            let in_reach = wall + reach >= i;
            bases.push(if in_reach { step.lowest_at } else { window[0].1 });
        }
        if positions.peek().is_none() {
            break;
        }
        if !value.is_nan() {
            stack.push(step);
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peaks::local_maxima;
    use proptest::prelude::*;

    /// Equal to the last bit; a NaN equals a NaN.
    fn same(a: &Prominence, b: &Prominence) -> bool {
        (a.left_base, a.right_base) == (b.left_base, b.right_base)
            && (a.value.to_bits() == b.value.to_bits() || (a.value - b.value).abs() == 0.0)
            || a.value.is_nan() && b.value.is_nan()
    }

    /// The values and bases of `scipy/signal/tests/test_peak_finding.py`, `TestPeakProminences`.
    #[test]
    fn the_cases_of_scipys_own_suite_come_out_the_same() {
        let check = |x: &[f64], at: &[usize], window, expected: &[(f64, usize, usize)]| {
            let found = prominences(x, at, window).unwrap();
            let found: Vec<_> =
                found.iter().map(|p| (p.value, p.left_base, p.right_base)).collect();
            assert_eq!(found, expected, "x = {x:?}, window = {window:?}");
        };
        check(
            &[-1.0, 1.2, 1.2, 1.0, 3.2, 1.3, 2.88, 2.1],
            &[1, 2, 4, 6],
            None,
            &[(1.2 - 1.0, 0, 3), (1.2 - 1.0, 0, 3), (3.2 - 1.3, 0, 5), (2.88 - 2.1, 5, 7)],
        );
        check(
            &[0.0, 2.0, 1.0, 2.0, 1.0, 2.0, 0.0],
            &[1, 3, 5],
            None,
            &[(2.0, 0, 6), (2.0, 0, 6), (2.0, 0, 6)],
        );
        check(
            &[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
            &[1, 3, 5],
            None,
            &[(1.0, 0, 2), (1.0, 2, 4), (1.0, 4, 6)],
        );
        check(
            &[-9.0, 9.0, 9.0, 0.0, 3.0, 1.0],
            &[1, 2, 4],
            None,
            &[(9.0, 0, 3), (9.0, 0, 3), (2.0, 3, 5)],
        );
        let hill = [0.0, 1.0, 2.0, 3.0, 1.0, 0.0, -1.0];
        for window in [None, Some(8), Some(7), Some(6)] {
            check(&hill, &[3], window, &[(3.0, 0, 6)]);
        }
        for window in [5, 4] {
            check(&hill, &[3], Some(window), &[(2.0, 1, 5)]);
        }
        for window in [3, 2] {
            check(&hill, &[3], Some(window), &[(1.0, 2, 4)]);
        }
        let row = [0.0, 1.0, 0.0, 3.0, 1.0, 3.0, 0.0, 4.0, 0.0];
        check(&row, &[5], None, &[(3.0, 2, 6)]);
        check(&row, &[5], Some(4), &[(2.0, 4, 6)]);
        check(
            &[0.0, 1.0, 0.0, f64::NAN, 0.0, 2.0, 0.0],
            &[1, 5],
            None,
            &[(1.0, 0, 2), (2.0, 4, 6)],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Few levels make ties and plateaus the rule, with NaN and infinities between; any
        /// sample may be asked for, in any order, repeated or not a maximum.
        #[test]
        fn the_stack_finds_what_the_walk_finds(
            levels in prop::collection::vec(0u8..8, 1..60),
            asked in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            window in prop::option::of(2usize..40),
        ) {
            let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
            let x: Vec<f64> = levels
                .iter()
                .enumerate()
                .map(|(i, &level)| if level == 7 { special[i % 3] } else { f64::from(level) })
                .collect();
            let indices: Vec<usize> = asked.iter().map(|index| index.index(x.len())).collect();
            let reach = window.map_or(x.len(), |samples| samples / 2);
            let found = stacked(&x, &indices, reach);
            for (&p, found) in indices.iter().zip(&found) {
                let expected = walked(&x, p, reach);
                prop_assert!(same(found, &expected), "x = {x:?}, p = {p}: {found:?}, {expected:?}");
            }
        }

        /// prominence(a x + b) = a prominence(x) for powers of two, exactly.
        #[test]
        fn prominence_scales_with_the_signal(x in prop::collection::vec(-9i16..9, 3..50)) {
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            let scaled: Vec<f64> = x.iter().map(|value| 4.0 * value + 32.0).collect();
            let tops: Vec<usize> = local_maxima(&x).iter().map(|top| top.index).collect();
            let one = prominences(&x, &tops, None).unwrap();
            let four = prominences(&scaled, &tops, None).unwrap();
            for (one, four) in one.iter().zip(&four) {
                prop_assert_eq!((4.0 * one.value).to_bits(), four.value.to_bits());
            }
        }
    }

    #[test]
    fn the_work_does_not_explode_where_every_peak_is_equal() {
        // The walk takes 8e10 steps here, minutes of them; the stack 4e5 to each side.
        let x: Vec<f64> = (0..400_000).map(|i| f64::from(i % 2)).collect();
        let tops: Vec<usize> = (1..399_999).step_by(2).collect();
        let found = prominences(&x, &tops, None).unwrap();
        assert!(found.iter().all(|p| (p.value - 1.0).abs() == 0.0), "each stands out by 1");
    }

    #[test]
    fn a_bad_index_or_window_is_named() {
        let text = |at: &[usize], window| {
            prominences(&[0.0, 1.0, 0.0], at, window).unwrap_err().to_string()
        };
        assert_eq!(text(&[1, 3], None), "indices is 3, and there are 3");
        assert_eq!(text(&[1], Some(1)), "window is 1, expected at least 2 samples");
        assert!(prominences(&[], &[0], None).is_err(), "an empty signal has no sample 0");
        assert!(prominences(&[], &[], None).unwrap().is_empty(), "nothing asked, nothing found");
    }
}
