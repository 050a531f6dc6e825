//! What all maxima of a signal say together: their prominences, or their births and deaths, from
//! the tops and the valleys between them alone.

use super::Prominence;

/// The lowest sample of a stretch; of several, the first and the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Valley {
    pub(super) value: f64,
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Valley {
    /// Of `x[from..=to]`.
    fn lowest(x: &[f64], from: usize, to: usize) -> Self {
        let mut valley = Self { value: x[from], first: from, last: from };
        for (i, &value) in x.iter().enumerate().take(to + 1).skip(from + 1) {
            valley.first = if value < valley.value { i } else { valley.first };
            valley.last = if value <= valley.value { i } else { valley.last };
            valley.value = if value < valley.value { value } else { valley.value };
        }
        valley
    }

    /// Of this stretch and the one after it.
    pub(super) fn and(self, after: Self) -> Self {
        Self {
            value: if after.value < self.value { after.value } else { self.value },
            first: if after.value < self.value { after.first } else { self.first },
            last: if after.value <= self.value { after.last } else { self.last },
        }
    }
}

/// Stretches of `x` without NaN that hold a top, each with the range of slots of its tops.
fn stretches(x: &[f64], tops: &[usize]) -> Vec<(usize, usize, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let (mut start, mut slot) = (0, 0);
    while start < x.len() {
        let end = start + gap(&x[start..]);
        let until = slot + tops[slot..].partition_point(|&top| top < end);
        if until > slot {
            found.push((start, end, slot..until));
        }
        (start, slot) = (end + 1, until);
    }
    found
}

/// Index of the first NaN, or the length.
pub(super) fn gap(x: &[f64]) -> usize {
    // Blocks, because the compiler does not turn an early exit into vector compares.
    let has = |block: &[f64]| block.iter().fold(false, |any, value| any | value.is_nan());
    let skipped = x.chunks(512).take_while(|block| !has(block)).count() * 512;
    let rest = x.get(skipped..).unwrap_or(&[]);
    rest.iter().position(|value| value.is_nan()).map_or(x.len(), |i| skipped + i)
}

/// A top that nothing after it has been higher than.
struct Open {
    slot: usize,
    height: f64,
    /// Between the open top below it and itself.
    valley: Valley,
    /// The lowest on the walk to its left, which equal tops do not stop.
    left_base: usize,
    left_value: f64,
}

/// The prominence of each of `tops`, all local maxima of `x`, in one pass.
///
/// The stack holds the tops that are not lower than any after them, with the valleys between. A
/// higher top closes those below it: the valley that has gathered since is the lowest on their
/// right, what they remember the lowest on their left. Each is pushed once and popped once.
pub(super) fn all_prominences(x: &[f64], tops: &[usize]) -> Vec<Prominence> {
    let mut found = vec![Prominence { value: 0.0, left_base: 0, right_base: 0 }; tops.len()];
    let mut stack: Vec<Open> = Vec::new();
    for (start, end, slots) in stretches(x, tops) {
        let mut from = start;
        for slot in slots.clone().chain([slots.end]) {
            let is_top = slot < slots.end;
            let to = if is_top { tops[slot] } else { end - 1 };
            let height = if is_top { x[to] } else { f64::INFINITY };
            let mut valley = Valley::lowest(x, from, to);
            while let Some(open) = stack.pop_if(|open| open.height < height || !is_top) {
                let saddle =
                    if open.left_value > valley.value { open.left_value } else { valley.value };
                found[open.slot] = Prominence {
                    value: open.height - saddle,
                    left_base: open.left_base,
                    right_base: valley.first,
                };
                valley = open.valley.and(valley);
            }
            if is_top {
                let (mut left_base, mut left_value) = (valley.last, valley.value);
                if let Some(equal) = stack.last().filter(|below| below.height <= height)
                    && equal.left_value < left_value
                {
                    (left_base, left_value) = (equal.left_base, equal.left_value);
                }
                stack.push(Open { slot, height, valley, left_base, left_value });
            }
            from = to;
        }
    }
    found
}

/// For each of `tops` but the highest, the valley at which its hill joins a higher one, as (slot,
/// the sample there); of equal tops the first is the higher one. The ends of the signal hold
/// nothing back.
pub(super) fn merges(x: &[f64], tops: &[usize]) -> Vec<Option<usize>> {
    let mut found = vec![None; tops.len()];
    let mut stack: Vec<(usize, f64, Option<Valley>)> = Vec::new();
    for (_, _, slots) in stretches(x, tops) {
        for slot in slots.clone() {
            let height = x[tops[slot]];
            let mut valley =
                (slot > slots.start).then(|| Valley::lowest(x, tops[slot - 1], tops[slot]));
            while let Some((lower, _, before)) = stack.pop_if(|&mut (_, open, _)| open < height) {
                // It joins over the higher of the two valleys beside it; the other one remains.
                let (at, rest) = match (before, valley) {
                    (Some(before), Some(after)) if before.value > after.value => {
                        (before.last, Some(after))
                    }
                    (before, Some(after)) => (after.first, before),
                    (_, None) => continue,
                };
                found[lower] = Some(at);
                valley = rest;
            }
            stack.push((slot, height, valley));
        }
        while let Some((slot, _, before)) = stack.pop() {
            found[slot] = before.map(|valley| valley.last);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peaks::{peak_indices, prominences};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// Few levels make ties and plateaus the rule, with NaN and infinities between.
        #[test]
        fn the_tops_alone_say_what_all_samples_say(levels in prop::collection::vec(0u8..9, 0..80)) {
            let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
            let x: Vec<f64> = levels
                .iter()
                .enumerate()
                .map(|(i, &level)| if level == 8 { special[i % 3] } else { f64::from(level) })
                .collect();
            let tops = peak_indices(&x);
            let expected = prominences(&x, &tops, None).unwrap();
            prop_assert_eq!(all_prominences(&x, &tops), expected, "x = {:?}", x);
        }
    }

    #[test]
    fn the_first_nan_is_found_wherever_it_is() {
        assert_eq!(gap(&[]), 0);
        for n in [1, 511, 512, 513, 2000] {
            let mut x = vec![0.0; n];
            assert_eq!(gap(&x), n);
            x[n - 1] = f64::NAN;
            assert_eq!(gap(&x), n - 1);
            x[n / 2] = f64::NAN;
            assert_eq!(gap(&x), n / 2);
        }
    }
}
