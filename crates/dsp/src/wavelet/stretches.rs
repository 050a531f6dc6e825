//! Several levels at once, a stretch of the signal after the other, so that what lies between the levels
//! never leaves the nearest caches and takes no memory of its own.
//!
//! Of each level the last samples stay behind for the next stretch. The first stretch goes on before its
//! start as the whole signal does; what comes after the last one is left to the general way, level by level.

use std::ops::Range;

use linalg::lanes::{Task, Vectors};

use super::lanes::{MOST_PAIRS, Shrinking, TILE, Taps, filter};
use super::{Mode, Wavelet};

/// Samples of a stretch, and the most levels that are done with it.
pub(super) const STRETCH: usize = 2048;
const LEVELS: usize = 6;

/// Numbers that begin where a line of the cache does, as vectors cross lines otherwise; and where the
/// new ones of a stretch begin, behind those that stayed.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Aligned<const N: usize>([f64; N]);
const FRONT: usize = MOST_PAIRS.next_multiple_of(8);

/// How many levels are done at once, of so many in all; 0 where each is done for itself.
pub(super) fn levels(wavelet: &Wavelet, mode: Mode, len: usize, levels: usize) -> usize {
    let taps = wavelet.dec_lo().len();
    // What a periodic signal goes on with is far away, and an antireflected one's rounding is the far
    // end's; but two taps need nothing before the first sample.
    let far = match mode {
        Mode::Periodic => true,
        Mode::Periodization | Mode::Antireflect => taps > 2,
        _ => false,
    };
    // The samples that a stretch has at the last of the levels reach as far as the filter.
    let most = LEVELS.min((STRETCH / taps).ilog2() as usize + 1);
    if far || len < 4 * STRETCH { 0 } else { levels.min(most) }
}

/// The samples of the stretches; there are more after them than a filter is long, at any level.
pub(super) fn reached(len: usize) -> usize {
    (len / STRETCH - 1) * STRETCH
}

/// The place of a level's details among the coefficients of a stretch: as many as it has samples, the
/// finest details first, the approximation last.
pub(super) fn place(level: usize) -> Range<usize> {
    STRETCH - (STRETCH >> level)..STRETCH - (STRETCH >> (level + 1))
}

/// Where the coefficients of the stretches go.
pub(super) trait Sink {
    /// The details of the next stretch at `level`, or behind the last level its approximation.
    fn put(&mut self, level: usize, coefficients: &[f64]);
}

/// A vector for each level, and one for the approximation.
impl Sink for &mut [Vec<f64>] {
    #[inline(always)]
    fn put(&mut self, level: usize, coefficients: &[f64]) {
        self[level].extend_from_slice(coefficients);
    }
}

/// Levels of the first stretches of a signal; gives of each level the last samples, which the filter
/// needs to go on.
pub(super) struct Analysis<'a, S> {
    pub(super) x: &'a [f64],
    pub(super) mode: Mode,
    pub(super) levels: usize,
    /// As those of one level.
    pub(super) taps: Taps,
    pub(super) sink: S,
}

/// Pairs of samples that stay behind, even and odd places apart.
type Before = [[f64; MOST_PAIRS]; 2];

impl<S: Sink> Task<f64> for Analysis<'_, S> {
    type Output = Vec<Vec<f64>>;

    #[inline(always)]
    fn run<V: Vectors<f64>>(mut self, vectors: V) -> Vec<Vec<f64>> {
        let (mut here, mut next) = (&mut [0.0; STRETCH / 2], &mut [0.0; STRETCH / 2]);
        let mut high = [0.0; STRETCH / 2];
        let pairs = self.taps[0].len() - 1;
        let mut before = vec![[[0.0; MOST_PAIRS]; 2]; self.levels];
        let mut apart = [Aligned([0.0; FRONT + TILE]); 2];
        let stretches = self.x[..reached(self.x.len())].chunks_exact(STRETCH);
        for (stretch, x) in stretches.enumerate() {
            let mut count = STRETCH / 2;
            for (level, before) in before.iter_mut().enumerate() {
                let from = if level == 0 { x } else { &here[..2 * count] };
                if stretch == 0 {
                    start(self.mode, from, before, pairs);
                }
                let (low, high) = (&mut next[..count], &mut high[..count]);
                level_of(vectors, &self.taps, from, before, &mut apart, [low, high]);
                self.sink.put(level, high);
                std::mem::swap(&mut here, &mut next);
                count /= 2;
            }
            self.sink.put(self.levels, &here[..2 * count]);
        }
        let both = |[even, odd]: Before| (0..pairs).flat_map(|u| [even[u], odd[u]]).collect();
        before.into_iter().map(both).collect()
    }
}

/// What comes before the first sample.
#[expect(clippy::cast_possible_wrap, reason = "a filter has 76 taps at most")]
fn start(mode: Mode, x: &[f64], [even, odd]: &mut Before, pairs: usize) {
    for u in 0..pairs {
        let i = 2 * (u as isize - pairs as isize);
        (even[u], odd[u]) = (mode.sample(x, i), mode.sample(x, i + 1));
    }
}

/// One level of a stretch.
#[inline(always)]
fn level_of<V: Vectors<f64>>(
    vectors: V,
    taps: &Taps,
    x: &[f64],
    before: &mut Before,
    [even, odd]: &mut [Aligned<{ FRONT + TILE }>; 2],
    [low, high]: [&mut [f64]; 2],
) {
    let pairs = taps[0].len() - 1;
    let tiles = x.as_chunks::<2>().0.chunks(TILE);
    for (x, (low, high)) in tiles.zip(low.chunks_mut(TILE).zip(high.chunks_mut(TILE))) {
        let there = FRONT - pairs..FRONT + x.len();
        let (even, odd) = (&mut even.0[there.clone()], &mut odd.0[there]);
        even[..pairs].copy_from_slice(&before[0][..pairs]);
        odd[..pairs].copy_from_slice(&before[1][..pairs]);
        for ((even, odd), x) in even[pairs..].iter_mut().zip(&mut odd[pairs..]).zip(x) {
            (*even, *odd) = (x[0], x[1]);
        }
        filter(vectors, taps, [even, odd], [low, high]);
        before[0][..pairs].copy_from_slice(&even[x.len()..]);
        before[1][..pairs].copy_from_slice(&odd[x.len()..]);
    }
}

/// Where the coefficients come from, and where the samples go.
pub(super) trait Parts {
    /// All details at `level`, if they lie side by side.
    fn whole(&self, level: usize) -> Option<&[f64]>;
    /// The details at `level` of the next stretch, or of what follows the last: at most
    /// STRETCH >> (level + 1), fewer where there are no more.
    fn details(&self, stretch: usize, level: usize) -> &[f64];
    /// The next samples of the signal, never more than there are coefficients that were read.
    fn put(&mut self, x: &[f64]);
}

/// The details in a vector for each level, and the samples appended to one.
pub(super) struct Apart<'a> {
    pub(super) details: &'a [Vec<f64>],
    pub(super) x: Vec<f64>,
}

impl Parts for Apart<'_> {
    #[inline(always)]
    fn whole(&self, level: usize) -> Option<&[f64]> {
        Some(&self.details[level])
    }

    #[inline(always)]
    fn details(&self, stretch: usize, level: usize) -> &[f64] {
        piece(&self.details[level], stretch, STRETCH >> (level + 1))
    }

    #[inline(always)]
    fn put(&mut self, x: &[f64]) {
        self.x.extend_from_slice(x);
    }
}

/// The part of `whole` of that number, of `count` each; nothing beyond the end.
#[inline(always)]
pub(super) fn piece(whole: &[f64], number: usize, count: usize) -> &[f64] {
    let start = (number * count).min(whole.len());
    &whole[start..whole.len().min(start + count)]
}

/// The inverse, of the whole signal. A level's samples come later than their details, as the filter
/// needs coefficients from further on, so details that are shrunk, or lie apart, wait in a queue.
pub(super) struct Synthesis<'a, P> {
    pub(super) approximation: &'a [f64],
    pub(super) parts: P,
    /// What becomes of the details of each level.
    pub(super) shrinking: Option<&'a [Shrinking]>,
    pub(super) taps: Taps,
    /// The samples of each level, the finest first.
    pub(super) lengths: &'a [usize],
}

/// What a level has of its coefficients: the approximation from the first that is needed still, and
/// the details from there on, if they wait.
#[derive(Clone)]
struct Level {
    low: Aligned<{ FRONT + STRETCH / 2 }>,
    lows: Range<usize>,
    high: Vec<f64>,
    /// Pairs of samples that it gave.
    given: usize,
}

impl<P: Parts> Task<f64> for Synthesis<'_, P> {
    type Output = P;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) -> P {
        let Self { approximation, mut parts, shrinking, taps, lengths } = self;
        let mut x = Aligned([0.0; STRETCH]);
        let (low, lows) = (Aligned([0.0; FRONT + STRETCH / 2]), FRONT..FRONT);
        let mut levels = vec![Level { low, lows, high: vec![], given: 0 }; lengths.len()];
        let share = STRETCH >> lengths.len();
        for stretch in 0..approximation.len().div_ceil(share) {
            let low = piece(approximation, stretch, share);
            if let Some(last) = levels.last_mut() {
                last.take(low);
            }
            let mut rest = &mut levels[..];
            while let Some((here, finer)) = rest.split_last_mut() {
                let level = finer.len();
                let high = match (parts.whole(level), shrinking) {
                    (Some(whole), None) => &whole[here.given..],
                    (_, shrinking) => {
                        let shrinking = shrinking.map(|shrinking| shrinking[level]);
                        here.queue(parts.details(stretch, level), shrinking);
                        &here.high
                    }
                };
                let count = here.lows.len().min(high.len()).saturating_sub(taps[0].len() - 1);
                let low = &here.low.0[here.lows.clone()];
                let out = finer.last_mut().map_or(&mut x.0[..], |finer| &mut finer.low.0[FRONT..]);
                let pairs = &mut out.as_chunks_mut::<2>().0[..count];
                filter(vectors, &taps, [low, high], pairs);
                let samples = (2 * count).min(lengths[level] - 2 * here.given);
                here.drop(count);
                match finer.last_mut() {
                    Some(finer) => finer.lows.end += samples,
                    None => parts.put(&x.0[..samples]),
                }
                rest = finer;
            }
        }
        parts
    }
}

impl Level {
    fn take(&mut self, low: &[f64]) {
        self.low.0[FRONT..FRONT + low.len()].copy_from_slice(low);
        self.lows.end += low.len();
    }

    /// Lets details wait, what is left of them.
    #[inline(always)]
    fn queue(&mut self, details: &[f64], shrinking: Option<Shrinking>) {
        let known = self.high.len();
        self.high.extend_from_slice(details);
        if let Some(shrinking) = shrinking {
            shrinking.apply(&mut self.high[known..]);
        }
    }

    /// Drops what so many pairs were made of.
    fn drop(&mut self, pairs: usize) {
        let kept = self.lows.start + pairs..self.lows.end;
        self.lows = FRONT - kept.len()..FRONT;
        self.low.0.copy_within(kept, self.lows.start);
        self.high.drain(..pairs.min(self.high.len()));
        self.given += pairs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A level is what the formula says, at every place, for lengths that end in every way.
    #[test]
    fn several_levels_at_once_are_one_after_the_other() {
        let lengths = [4 * STRETCH, 5 * STRETCH + 577, 16_383];
        for (k, name) in ["haar", "bior1.1", "db4", "sym8", "bior6.8", "db38"].iter().enumerate() {
            let (wavelet, n) = (Wavelet::new(name).unwrap(), lengths[k % 3]);
            let gain = |filter: &[f64]| filter.iter().map(|tap| tap.abs()).sum::<f64>();
            let [hi, lo] = [wavelet.dec_hi(), wavelet.dec_lo()].map(gain);
            let taps = wavelet.dec_lo().len();
            let x: Vec<f64> = (0..n).map(|i| ((i * i) as f64 * 0.618).fract() - 0.5).collect();
            for (mode, depth) in Mode::ALL.into_iter().zip([1, 3, 7, 9, 2].into_iter().cycle()) {
                if mode == Mode::Periodization && taps > 2 {
                    continue;
                }
                let parts = wavelet.decompose(&x, mode, depth).unwrap();
                let mut low = x.clone();
                for details in &parts.details {
                    let one = wavelet.decompose(&low, mode, 1).unwrap();
                    let size = low.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
                    let at = |i: usize, j: usize| {
                        mode.sample(
                            &low,
                            isize::try_from(2 * i + 1).unwrap() - isize::try_from(j).unwrap(),
                        )
                    };
                    let both =
                        [(wavelet.dec_hi(), details), (wavelet.dec_lo(), &one.approximation)];
                    for (filter, found) in both {
                        for (i, found) in found.iter().enumerate() {
                            let terms = filter.iter().enumerate().map(|(j, tap)| tap * at(i, j));
                            let expected: f64 = terms.sum();
                            // Two roundings for each tap, here and there, of sums up to Σ|tap|·size.
                            let limit = 2.0 * taps as f64 * f64::EPSILON * hi.max(lo) * size;
                            let error = (found - expected).abs();
                            assert!(error <= limit, "{name} {mode:?} {n} {i}: {error:e}");
                        }
                    }
                    assert_eq!(details, &one.details[0], "{name} {mode:?} {n} {depth}");
                    low = one.approximation;
                }
                assert_eq!(parts.approximation, low, "{name} {mode:?} {n} {depth}");
                let back = parts.reconstruct().unwrap();
                assert_eq!(back.len(), n);
                for (i, (x, back)) in x.iter().zip(&back).enumerate() {
                    // As many roundings a level there and back, and each level's gain once.
                    let limit = 4.0 * (taps * depth) as f64 * f64::EPSILON * (hi * lo).powi(2);
                    assert!((x - back).abs() <= limit, "{name} {mode:?} {n} {depth}: {i}");
                }
            }
        }
    }
}
