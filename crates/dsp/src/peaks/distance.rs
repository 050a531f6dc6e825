//! Thinning peaks to a least distance.

use std::cmp::Reverse;

/// Which peaks stay when the highest removes all that are nearer than `distance`, then the highest
/// of the rest, and so on; of equal peaks the first one goes first.
///
/// `height(k)` and `position(k)` are those of peak k of `count`, positions ascending.
///
/// A peak that is the highest within its distance stays whatever happens elsewhere, so all of those
/// are settled at once, with the peaks that they remove; then the same among the rest. That leaves
/// little after a few rounds, except on long rising chains, where each round settles one peak of a
/// chain; what is left is then sorted.
pub(super) fn thinned(
    count: usize,
    height: impl Fn(usize) -> f64,
    position: impl Fn(usize) -> f64,
    distance: f64,
) -> Vec<bool> {
    let mut keeps = vec![false; count];
    let mut rest: Vec<Candidate> = (0..count)
        .map(|slot| Candidate { slot, height: height(slot), position: position(slot) })
        .collect();
    loop {
        let before = rest.len();
        settle(&mut rest, distance, &mut keeps);
        if rest.is_empty() {
            return keeps;
        }
        if rest.len() > before / 2 {
            break;
        }
    }

    let mut order: Vec<usize> = (0..rest.len()).collect();
    order.sort_unstable_by_key(|&k| (Reverse(Ordered::from(rest[k].height)), k));
    let mut removed = vec![false; rest.len()];
    for k in order {
        if removed[k] {
            continue;
        }
        keeps[rest[k].slot] = true;
        for near in [&mut (0..k).rev() as &mut dyn Iterator<Item = usize>, &mut (k + 1..rest.len())]
        {
            for j in near.take_while(|&j| rest[j].nearer(rest[k], distance)) {
                removed[j] = true;
            }
        }
    }
    keeps
}

#[derive(Clone, Copy)]
struct Candidate {
    slot: usize,
    height: f64,
    position: f64,
}

impl Candidate {
    fn nearer(self, other: Self, distance: f64) -> bool {
        (self.position - other.position).abs() < distance
    }
}

/// Keeps the candidates that nothing within the distance outranks, and drops all near them.
///
/// Each looks left and right in turn until it meets a higher one. The sum over all candidates of
/// the nearer of the two walks is O(n log n) at most, since a candidate that walks far has as many
/// lower ones on either side; on a real signal it is two or three steps.
fn settle(rest: &mut Vec<Candidate>, distance: f64, keeps: &mut [bool]) {
    let outranked = |k: usize| {
        let own = rest[k];
        let (mut before, mut after) = (k, k + 1);
        let (mut open_before, mut open_after) = (true, true);
        while open_before || open_after {
            if open_before {
                open_before = before > 0 && rest[before - 1].nearer(own, distance);
                if open_before {
                    before -= 1;
                    // An equal peak before it goes first.
                    if rest[before].height >= own.height {
                        return true;
                    }
                }
            }
            if open_after {
                open_after = after < rest.len() && rest[after].nearer(own, distance);
                if open_after {
                    if rest[after].height > own.height {
                        return true;
                    }
                    after += 1;
                }
            }
        }
        false
    };
    let tops: Vec<usize> = (0..rest.len()).filter(|&k| !outranked(k)).collect();

    let mut stays = Vec::with_capacity(rest.len() / 4);
    let mut next = 0;
    for (k, &candidate) in rest.iter().enumerate() {
        // The first top that is not before k.
        while next < tops.len() && tops[next] < k {
            next += 1;
        }
        let near = |top: usize| candidate.nearer(rest[top], distance);
        let by_before = next > 0 && near(tops[next - 1]);
        let by_next = tops.get(next).is_some_and(|&top| near(top));
        if !by_before && !by_next {
            stays.push(candidate);
        }
    }
    for top in tops {
        keeps[rest[top].slot] = true;
    }
    *rest = stays;
}

/// Bits that have the order of the numbers, with −0 equal to 0.
struct Ordered;

impl Ordered {
    fn from(value: f64) -> u64 {
        let bits = (value + 0.0).to_bits();
        if value < 0.0 { !bits } else { bits | 1 << 63 }
    }
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

        /// Few heights, so that equal ones meet; slopes, so that the sort has work.
        #[test]
        fn rounds_and_sort_do_what_the_rule_says(
            steps in prop::collection::vec((1u8..4, 0u8..6), 0..80),
            slope in -2i8..3,
            distance in 1.0f64..12.0,
        ) {
            let mut position = 0.0;
            let peaks: Vec<(f64, f64)> = steps
                .iter()
                .map(|&(step, height)| {
                    position += f64::from(step);
                    (position, f64::from(height) + f64::from(slope) * position)
                })
                .collect();
            prop_assert_eq!(run(&peaks, distance), stated(&peaks, distance), "{:?}", peaks);
        }
    }

    #[test]
    fn a_long_rising_chain_takes_no_longer_than_its_sort() {
        // Each round would settle one peak of 200,000.
        let peaks: Vec<(f64, f64)> = (0..200_000).map(|k| (f64::from(k), f64::from(k))).collect();
        let kept = run(&peaks, 10.0).iter().filter(|&&keep| keep).count();
        assert_eq!(kept, 20_000);
    }

    #[test]
    fn negative_zero_is_zero_and_infinities_have_their_place() {
        let order = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1e-300, 1.0, f64::INFINITY];
        assert!(order.map(Ordered::from).is_sorted(), "in order");
        assert_eq!(Ordered::from(-0.0), Ordered::from(0.0));
    }
}
