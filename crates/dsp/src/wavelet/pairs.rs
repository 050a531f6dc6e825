//! Filters of two taps (Haar's): several levels at once, a stretch of the signal after the other, so that
//! what lies between the levels never leaves the first cache.
//!
//! A stretch needs no sample beyond its ends. Only the end of the signal does where a level has an odd
//! number of samples; so the last stretches are left to the general way.

use linalg::lanes::{Task, Vectors};

use super::lanes::{Taps, halve, join};
use super::shrink::Shrinking;
use super::{Mode, Wavelet};
use crate::fused::Fused;

/// Samples of a stretch, and the most levels that are done with it.
const STRETCH: usize = 2048;
const LEVELS: usize = 7;

/// How many levels are done at once, of so many in all; 0 where each is done for itself.
pub(super) fn levels(wavelet: &Wavelet, mode: Mode, len: usize, levels: usize) -> usize {
    // What a periodic signal goes on with is far away.
    let serves = wavelet.dec_lo().len() == 2 && mode != Mode::Periodic && len >= 4 * STRETCH;
    if serves { levels.min(LEVELS) } else { 0 }
}

/// The samples of the stretches, beyond whose ends nothing is asked.
pub(super) fn reached(len: usize) -> usize {
    (len / STRETCH - 1) * STRETCH
}

/// Levels of the first stretches of a signal; gives the approximation after the last of them.
pub(super) struct Analysis<'a> {
    pub(super) x: &'a [f64],
    /// As those of one level.
    pub(super) taps: Taps,
    /// Room for the details of each level, to be appended to.
    pub(super) details: &'a mut [Vec<f64>],
}

impl Task<f64> for Analysis<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) -> Vec<f64> {
        let fused = Fused::of(vectors);
        let (mut here, mut next) = (&mut [0.0; STRETCH / 2], &mut [0.0; STRETCH / 2]);
        let mut high = [0.0; STRETCH / 2];
        let mut approximation = Vec::new();
        for x in self.x[..reached(self.x.len())].chunks_exact(STRETCH) {
            let mut count = STRETCH / 2;
            for (level, details) in self.details.iter_mut().enumerate() {
                let from = if level == 0 { x } else { &here[..2 * count] };
                halve(fused, &self.taps, from, [&mut next[..count], &mut high[..count]]);
                details.extend_from_slice(&high[..count]);
                std::mem::swap(&mut here, &mut next);
                count /= 2;
            }
            approximation.extend_from_slice(&here[..2 * count]);
        }
        approximation
    }
}

/// The inverse: the first stretches of the signal.
pub(super) struct Synthesis<'a> {
    pub(super) approximation: &'a [f64],
    /// The details of each level, and what becomes of them.
    pub(super) details: &'a [Vec<f64>],
    pub(super) shrinking: Vec<Option<Shrinking>>,
    pub(super) taps: Taps,
    /// Samples of the whole signal.
    pub(super) len: usize,
}

impl Task<f64> for Synthesis<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) -> Vec<f64> {
        let fused = Fused::of(vectors);
        let (mut here, mut next) = (&mut [0.0; STRETCH], &mut [0.0; STRETCH]);
        let mut high = [0.0; STRETCH / 2];
        let mut x = Vec::with_capacity(self.len);
        for stretch in 0..reached(self.len) / STRETCH {
            let mut count = STRETCH >> self.details.len();
            here[..count].copy_from_slice(&self.approximation[stretch * count..][..count]);
            for (details, shrinking) in self.details.iter().zip(&self.shrinking).rev() {
                let mut details = &details[stretch * count..][..count];
                if let Some(shrinking) = shrinking {
                    high[..count].copy_from_slice(details);
                    shrinking.apply(&mut high[..count]);
                    details = &high[..count];
                }
                let pairs = &mut next.as_chunks_mut::<2>().0[..count];
                join(fused, &self.taps, [&here[..count], details], pairs);
                std::mem::swap(&mut here, &mut next);
                count *= 2;
            }
            x.extend_from_slice(&here[..]);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level is what the formula says, at every place, for lengths that end in every way.
    #[test]
    fn several_levels_at_once_are_one_after_the_other() {
        for (name, n) in [("haar", 4 * STRETCH), ("haar", 5 * STRETCH + 577), ("bior1.1", 16_383)] {
            let wavelet = Wavelet::new(name).unwrap();
            let x: Vec<f64> = (0..n).map(|i| ((i * i) as f64 * 0.618).fract() - 0.5).collect();
            for mode in Mode::ALL {
                for depth in [1, 3, 7, 9] {
                    let parts = wavelet.decompose(&x, mode, depth).unwrap();
                    let mut low = x.clone();
                    for details in &parts.details {
                        let one = wavelet.decompose(&low, mode, 1).unwrap();
                        let at = |i: usize| mode.sample(&low, isize::try_from(i).unwrap());
                        let both =
                            [(wavelet.dec_hi(), details), (wavelet.dec_lo(), &one.approximation)];
                        for (taps, found) in both {
                            for (i, found) in found.iter().enumerate() {
                                let expected = taps[1] * at(2 * i) + taps[0] * at(2 * i + 1);
                                // Three roundings, of numbers up to 2^(9/2).
                                let error = (found - expected).abs();
                                assert!(error <= 64.0 * f64::EPSILON, "{name} {mode:?} {n} {i}");
                            }
                        }
                        assert_eq!(details.len(), one.details[0].len());
                        low = one.approximation;
                    }
                    assert_eq!(parts.approximation, low, "{name} {mode:?} {n} {depth}");
                    let back = parts.reconstruct().unwrap();
                    assert_eq!(back.len(), n);
                    for (i, (x, back)) in x.iter().zip(&back).enumerate() {
                        // As many roundings a level as above, on numbers up to 2^(levels/2).
                        let limit = 64.0 * depth as f64 * f64::EPSILON;
                        assert!((x - back).abs() <= limit, "{name} {mode:?} {n} {depth}: {i}");
                    }
                }
            }
        }
    }
}
