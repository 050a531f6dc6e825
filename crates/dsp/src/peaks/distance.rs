//! Thinning peaks to a least distance.

use std::cmp::Reverse;

/// Which of `count` peaks stay when the highest removes all that are nearer than `distance`, then
/// the highest of the rest, and so on; of equal peaks the first one goes first.
///
/// `height(k)` and `position(k)` are those of peak k, positions ascending. Those that stay are
/// `distance` apart, so no peak is removed more than twice, and the sort is most of the work.
pub(super) fn thinned(
    count: usize,
    height: impl Fn(usize) -> f64,
    position: impl Fn(usize) -> f64,
    distance: f64,
) -> Vec<bool> {
    let mut keeps = vec![true; count];
    for k in highest_first(count, height) {
        if !keeps[k] {
            continue;
        }
        let own = position(k);
        for j in (0..k).rev().take_while(|&j| own - position(j) < distance) {
            keeps[j] = false;
        }
        for j in (k + 1..count).take_while(|&j| position(j) - own < distance) {
            keeps[j] = false;
        }
    }
    keeps
}

/// The numbers 0..count, by height downwards, then upwards.
///
/// A radix sort by the leading 32 bits of the heights, which takes three stable passes, and then a
/// sort of the few that agree in those and not in the rest. Bits and number share a word, for the
/// passes move words about at random and half as many bytes take half the time.
fn highest_first(count: usize, height: impl Fn(usize) -> f64) -> Vec<usize> {
    const BITS: u32 = 11;
    const DIGIT: u64 = (1 << BITS) - 1;
    const NUMBER: u64 = (1 << 32) - 1;
    if count as u64 > NUMBER {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&k| Reverse(ordered(height(k))));
        return order;
    }
    let digit = |word: u64, pass: u32| (word >> (32 + pass * BITS) & DIGIT) as usize;
    let number = |word: u64| (word & NUMBER) as usize;

    let mut words: Vec<u64> =
        (0..count).map(|k| !ordered(height(k)) & !NUMBER | k as u64).collect();
    let mut counts = [[0; 1 << BITS]; 3];
    for &word in &words {
        for (pass, counts) in (0..).zip(&mut counts) {
            counts[digit(word, pass)] += 1;
        }
    }
    let mut sorted = vec![0; count];
    for (pass, counts) in (0..).zip(&mut counts) {
        let mut before = 0;
        for place in counts.iter_mut() {
            (*place, before) = (before, before + *place);
        }
        for &word in &words {
            let place = &mut counts[digit(word, pass)];
            sorted[*place] = word;
            *place += 1;
        }
        std::mem::swap(&mut words, &mut sorted);
    }
    for agreeing in words.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|some| some.len() > 1) {
        // Stable, so it finds what is in order already, equal heights above all, in one pass.
        agreeing.sort_by_key(|&word| Reverse(ordered(height(number(word)))));
    }
    words.into_iter().map(number).collect()
}

/// Bits that have the order of the numbers, with −0 equal to 0.
fn ordered(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if value < 0.0 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule as it is stated, one peak after the other.
    fn stated(peaks: &[(f64, f64)], distance: f64) -> Vec<bool> {
        let mut order: Vec<usize> = (0..peaks.len()).collect();
        order.sort_by(|&a, &b| peaks[b].1.partial_cmp(&peaks[a].1).unwrap());
        let mut keeps = vec![true; peaks.len()];
        for k in order {
            for j in 0..peaks.len() {
                let near = (peaks[k].0 - peaks[j].0).abs() < distance;
                if keeps[k] && j != k && near {
                    keeps[j] = false;
                }
            }
        }
        keeps
    }

    fn run(peaks: &[(f64, f64)], distance: f64) -> Vec<bool> {
        thinned(peaks.len(), |k| peaks[k].1, |k| peaks[k].0, distance)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Few heights, so that equal ones meet, and slopes; steps below 2⁻²⁰, which the leading
        /// bits do not show.
        #[test]
        fn sorting_and_removing_does_what_the_rule_says(
            steps in prop::collection::vec((1u8..4, 0u8..6), 0..80),
            slope in -2i8..3,
            distance in 1.0f64..12.0,
            fine in prop::bool::ANY,
        ) {
            let scale = if fine { 2f64.powi(-40) } else { 1.0 };
            let mut position = 0.0;
            let peaks: Vec<(f64, f64)> = steps
                .iter()
                .map(|&(step, height)| {
                    position += f64::from(step);
                    (position, 1.0 + scale * (f64::from(height) + f64::from(slope) * position))
                })
                .collect();
            prop_assert_eq!(run(&peaks, distance), stated(&peaks, distance), "{:?}", peaks);
        }
    }

    #[test]
    fn negative_zero_is_zero_and_infinities_have_their_place() {
        let order = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1e-300, 1.0, f64::INFINITY];
        assert!(order.map(ordered).is_sorted(), "in order");
        assert_eq!(ordered(-0.0), ordered(0.0));
    }
}
