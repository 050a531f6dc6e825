//! Thinning peaks to a least distance.

/// Which of the peaks stay when the highest removes all that are nearer than `distance`, then the
/// highest of the rest, and so on; of equal peaks the first one goes first.
///
/// `position(k)`, ascending, and `height(k)` are those of peak k. The places of those that stay come
/// back in order. One pass and no sort, because who stays is decided nearby:
///
/// A *climb* starts at a peak that nothing before it can remove and goes on to every peak that is
/// higher than the last one of the climb and nearer to it than the distance. Between two of them
/// all are lower than the first. Where no higher one is near, the last of the climb stays: it is
/// higher than all that are near. So does, from there back, the next of the climb that is not too
/// near to it, for what is between them is near to one of the two and lower; and so on down to the
/// start. What follows, at the distance from the last or beyond, starts another climb.
pub(super) fn thinned(
    count: usize,
    height: impl Fn(usize) -> f64,
    position: impl Fn(usize) -> f64,
    distance: f64,
) -> Vec<usize> {
    let mut kept = Vec::new();
    let mut climb: Vec<usize> = Vec::new();
    let (mut last_height, mut last_position) = (f64::NAN, f64::NEG_INFINITY);
    for k in 0..count {
        let (own, here) = (height(k), position(k));
        if here - last_position < distance {
            if own > last_height {
                climb.push(k);
                (last_height, last_position) = (own, here);
            }
        } else {
            descend(&mut climb, &mut kept, &position, distance);
            climb.push(k);
            (last_height, last_position) = (own, here);
        }
    }
    descend(&mut climb, &mut kept, &position, distance);
    kept
}

/// Moves those of the climb that stay to `kept`, in order, and empties it.
fn descend(
    climb: &mut Vec<usize>,
    kept: &mut Vec<usize>,
    position: impl Fn(usize) -> f64,
    distance: f64,
) {
    let first = kept.len();
    let mut above = f64::INFINITY;
    while let Some(k) = climb.pop() {
        if above - position(k) >= distance {
            kept.push(k);
            above = position(k);
        }
    }
    kept[first..].reverse();
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
        let kept = thinned(peaks.len(), |k| peaks[k].1, |k| peaks[k].0, distance);
        assert!(kept.is_sorted(), "in order");
        (0..peaks.len()).map(|k| kept.contains(&k)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Few heights, so that equal ones meet, and slopes, which make long climbs.
        #[test]
        fn climbing_and_descending_does_what_the_rule_says(
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
    fn a_climb_keeps_every_second_of_what_is_half_the_distance_apart() {
        let rising: Vec<(f64, f64)> = (0..7).map(|k| (f64::from(k), f64::from(k))).collect();
        assert_eq!(run(&rising, 2.0), [true, false, true, false, true, false, true]);
        let falling: Vec<(f64, f64)> = rising.iter().map(|&(at, height)| (at, -height)).collect();
        assert_eq!(run(&falling, 2.5), [true, false, false, true, false, false, true]);
        assert_eq!(run(&falling, 1.0), [true; 7], "at the distance is not nearer");
        assert_eq!(run(&rising, f64::INFINITY), [false, false, false, false, false, false, true]);
    }

    #[test]
    fn of_equal_heights_the_first_stays_and_negative_zero_is_zero() {
        let at = |heights: [f64; 4]| {
            let peaks: Vec<(f64, f64)> = (0..4).map(f64::from).zip(heights).collect();
            run(&peaks, 2.0)
        };
        assert_eq!(at([-0.0, 0.0, -0.0, 0.0]), [true, false, true, false]);
        assert_eq!(at([1.0, f64::INFINITY, f64::INFINITY, 2.0]), [false, true, false, true]);
    }
}
