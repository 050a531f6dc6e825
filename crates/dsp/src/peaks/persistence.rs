//! Persistence: the level at which a hill appears as the water falls, and the one at which it joins
//! a higher hill.

use super::turning::merges;
use super::{Maximum, maxima, peak_indices};
use crate::Result;
use crate::door::finite;

/// A hill of the signal, from its birth at its top to its death in a saddle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hill {
    /// Its top, the middle of it where it is flat; it may be an end of the signal.
    pub index: usize,
    /// The level at which it appears: x\[index\].
    pub birth: f64,
    /// The sample over which it joins a higher hill; none for the highest, which never does.
    pub saddle: Option<usize>,
    /// The level at which it joins: x\[saddle\], or −∞.
    pub death: f64,
}

impl Hill {
    /// birth − death; infinite for the highest hill.
    #[must_use]
    pub fn persistence(&self) -> f64 {
        self.birth - self.death
    }
}

/// The hills of `x` in order: the 0-dimensional persistent homology of its superlevel sets.
///
/// Flood the signal and let the water fall. A hill appears when its top does, and ends when the
/// land between it and a higher hill does. Of equal tops, the first counts as the higher. Exactly
/// one hill, the highest, never ends. O(n).
///
/// Persistence is what is left of the geographers' reduction, which removes the smallest
/// min-max-min again and again, without doing that. It differs from prominence in two ways:
///
/// - *At the ends of the signal*, prominence takes what it sees there for the lowland,
///   persistence assumes nothing: the ends are no saddles, and a top may lie on an end. On
///   2.5, 3, 0, 5, 0 the hills 3 and 5 have prominences 0.5 and 5, and persistences 3 and ∞.
/// - *Of equal tops*, both have the prominence of the pair; one of them has the persistence of the
///   dip between them.
///
/// Where no tops are equal and both ends are the lowest samples, all hills but the highest have
/// persistence equal to prominence.
///
/// # Errors
/// [`crate::Error::NotFinite`] with the index of the first NaN or infinity.
///
/// # Examples
/// ```
/// use dsp::peaks::persistence;
/// let hills = persistence(&[2.5, 3.0, 0.0, 5.0, 0.0])?;
/// assert_eq!((hills[0].birth, hills[0].death), (3.0, 0.0));
/// assert_eq!(hills[1].persistence(), f64::INFINITY);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// Edelsbrunner, Letscher & Zomorodian, *Topological persistence and simplification*, Discrete
/// Comput. Geom. 28 (2002).
pub fn persistence(x: &[f64]) -> Result<Vec<Hill>> {
    finite(x, "x")?;
    let tops = with_ends(peak_indices(x), x);
    Ok(merges(x, &tops)
        .into_iter()
        .zip(&tops)
        .map(|(saddle, &index)| Hill {
            index,
            birth: x[index],
            saddle,
            death: saddle.map_or(f64::NEG_INFINITY, |saddle| x[saddle]),
        })
        .collect())
}

/// Adds to the middles of the local maxima those at the ends; a constant signal is one hill to
/// persistence and no peak to anyone.
pub(super) fn with_ends(mut tops: Vec<usize>, x: &[f64]) -> Vec<usize> {
    if x.is_empty() {
        return tops;
    }
    let Maximum { right_edge, .. } = maxima::plateau(x, 0);
    if right_edge + 1 == x.len() {
        return vec![right_edge / 2];
    }
    if x[right_edge + 1] < x[0] {
        tops.insert(0, right_edge / 2);
    }
    let last = x.len() - 1;
    let Maximum { left_edge, .. } = maxima::plateau(x, last);
    if x[left_edge - 1] < x[last] {
        tops.push(left_edge + (last - left_edge) / 2);
    }
    tops
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "differences of small integers")]
mod tests {
    use super::*;
    use crate::peaks::{PeakOptions, find_peaks};
    use proptest::prelude::*;

    /// The water falls level by level; hills are runs of samples that are out of it.
    fn flooded(x: &[f64]) -> Vec<(usize, f64)> {
        let mut levels = x.to_vec();
        levels.sort_by(|a, b| b.total_cmp(a));
        levels.dedup();
        let mut owner: Vec<Option<usize>> = vec![None; x.len()];
        let mut deaths = Vec::new();
        for level in levels {
            let mut start = 0;
            while start < x.len() {
                let end = start + x[start..].iter().take_while(|&&v| v >= level).count();
                if end > start {
                    let mut here: Vec<usize> =
                        owner[start..end].iter().flatten().copied().collect();
                    here.dedup();
                    let best = here.iter().copied().fold(None, |best: Option<usize>, top| {
                        if best.is_some_and(|best| x[best] >= x[top]) { best } else { Some(top) }
                    });
                    // A new hill starts at the middle of its top.
                    let best = best.unwrap_or(start + (end - 1 - start) / 2);
                    deaths.extend(here.iter().filter(|&&top| top != best).map(|&top| (top, level)));
                    owner[start..end].fill(Some(best));
                }
                start = end.max(start + 1);
            }
        }
        deaths.extend(owner.first().copied().flatten().map(|top| (top, f64::NEG_INFINITY)));
        deaths.sort_unstable_by_key(|&(top, _)| top);
        deaths
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_falling_water_finds_the_same_hills(levels in prop::collection::vec(0u8..7, 0..40)) {
            let x: Vec<f64> = levels.iter().map(|&level| f64::from(level)).collect();
            let hills = persistence(&x).unwrap();
            let found: Vec<_> = hills.iter().map(|hill| (hill.index, hill.death)).collect();
            prop_assert_eq!(found, flooded(&x), "x = {:?}", x);
        }

        /// Between ends that are lower than all else, on heights that differ.
        #[test]
        fn between_low_ends_persistence_is_prominence(seed in any::<u64>(), n in 3usize..60) {
            let mut heights: Vec<u64> = (1..=n as u64).collect();
            heights.sort_unstable_by_key(|&k| (k ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut x = vec![0.0];
            x.extend(heights.iter().map(|&k| k as f64));
            x.push(0.0);
            let peaks = find_peaks(&x, &PeakOptions::default().prominence(..)).unwrap();
            let hills = persistence(&x).unwrap();
            prop_assert_eq!(peaks.len(), hills.len());
            for (peak, hill) in peaks.iter().zip(&hills) {
                prop_assert_eq!(peak.index, hill.index);
                let prominence = peak.prominence.unwrap().value;
                let persistence = hill.persistence();
                prop_assert!(persistence == prominence || persistence == f64::INFINITY);
            }
        }
    }

    #[test]
    fn the_ends_and_equal_tops_are_where_persistence_and_prominence_part() {
        let x = [2.5, 3.0, 0.0, 5.0, 0.0];
        let peaks = find_peaks(&x, &PeakOptions::default().prominence(..)).unwrap();
        let prominences: Vec<f64> = peaks.prominences.iter().map(|p| p.value).collect();
        assert_eq!(prominences, [0.5, 5.0]);
        let persistences =
            |x: &[f64]| persistence(x).unwrap().iter().map(Hill::persistence).collect::<Vec<_>>();
        assert_eq!(persistences(&x), [3.0, f64::INFINITY]);
        assert_eq!(persistences(&[0.0, 2.0, 1.0, 2.0, 0.0]), [f64::INFINITY, 1.0]);
        assert_eq!(persistences(&[4.0, 1.0, 3.0]), [f64::INFINITY, 2.0], "tops on both ends");
        assert_eq!(persistences(&[7.0; 5]), [f64::INFINITY]);
        assert_eq!(
            persistence(&[0.0, f64::NAN]).unwrap_err().to_string(),
            "x[1] is NaN, and every sample must be finite"
        );
    }
}
