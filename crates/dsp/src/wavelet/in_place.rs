//! A transform whose coefficients lie where the signal is to be: what denoising needs besides its result
//! is small.

use linalg::lanes::{Task, Vectors, run};

use super::lanes::Shrinking;
use super::stretches::{self, Parts, STRETCH, Sink, piece, place};
use super::{Mode, Wavelet};
use crate::Result;
use crate::door::finite;

/// A signal taken apart, the first levels by stretches, the others one after the other.
pub(super) struct InPlace<'a> {
    wavelet: &'a Wavelet,
    mode: Mode,
    stretches: Stretches,
    /// The details of the other levels.
    deeper: Vec<Vec<f64>>,
    approximation: Vec<f64>,
    /// The samples that went into each level.
    lengths: Vec<usize>,
}

/// The coefficients of one stretch after the other, [`place`]d, and from the front the signal.
struct Stretches {
    x: Vec<f64>,
    /// How many there are.
    count: usize,
    /// What follows them, of each level.
    ends: Vec<Vec<f64>>,
    /// Samples of the signal.
    known: usize,
}

impl<'a> InPlace<'a> {
    /// As [`Wavelet::decompose`], in the memory of `room` if that is enough.
    pub(super) fn new(
        wavelet: &'a Wavelet,
        x: &[f64],
        mode: Mode,
        levels: usize,
        mut room: Vec<f64>,
    ) -> Result<Self> {
        super::check(x.len(), levels)?;
        let at_once = stretches::levels(wavelet, mode, x.len(), levels);
        let lengths = wavelet.lengths(mode, x.len(), levels);
        room.clear();
        let (mut approximation, mut ends) = (Vec::new(), Vec::new());
        if at_once > 0 {
            room.reserve_exact(x.len());
            let sink = Beside { x: &mut room, approximation: &mut approximation, levels: at_once };
            ends = wavelet.analyze_into(x, mode, at_once, sink);
            approximation.extend(ends.pop().unwrap_or_default());
        }
        let count = room.len() / STRETCH;
        let mut deeper = Vec::new();
        for level in at_once..levels {
            let from = if level == 0 { x } else { &approximation };
            let [low, high] = wavelet.analyze(from, mode);
            deeper.push(high);
            approximation = low;
        }
        if !approximation.iter().all(|value| value.is_finite()) {
            finite(x, "x")?;
        }
        let stretches = Stretches { x: room, count, ends, known: 0 };
        Ok(Self { wavelet, mode, stretches, deeper, approximation, lengths })
    }

    /// The details of a level, in the pieces in which they lie.
    pub(super) fn details(&self, level: usize) -> Vec<&[f64]> {
        let Stretches { x, ends, .. } = &self.stretches;
        match level.checked_sub(ends.len()) {
            Some(deeper) => vec![&self.deeper[deeper]],
            None => x
                .chunks_exact(STRETCH)
                .map(|stretch| &stretch[place(level)])
                .chain([&ends[level][..]])
                .collect(),
        }
    }

    /// The signal of what is left of the details of each level.
    pub(super) fn signal(self, shrinking: &[Shrinking]) -> Vec<f64> {
        let Self { wavelet, mode, mut stretches, deeper, mut approximation, lengths } = self;
        let at_once = stretches.ends.len();
        for (after, mut details) in deeper.into_iter().enumerate().rev() {
            let level = at_once + after;
            run(Shrink(shrinking[level], &mut details));
            let inputs = [&approximation[..], &details];
            approximation = wavelet.synthesize(inputs, mode, lengths[level]);
        }
        if at_once == 0 {
            return approximation;
        }
        stretches.x.resize(lengths[0], 0.0);
        let lengths = &lengths[..at_once];
        wavelet.synthesize_from(&approximation, stretches, Some(shrinking), lengths).x
    }
}

struct Shrink<'a>(Shrinking, &'a mut [f64]);

impl Task<f64> for Shrink<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, _: V) {
        self.0.apply(self.1);
    }
}

/// The coefficients side by side, and the approximation once more.
struct Beside<'a> {
    x: &'a mut Vec<f64>,
    approximation: &'a mut Vec<f64>,
    levels: usize,
}

impl Sink for Beside<'_> {
    #[inline(always)]
    fn put(&mut self, level: usize, coefficients: &[f64]) {
        self.x.extend_from_slice(coefficients);
        if level == self.levels {
            self.approximation.extend_from_slice(coefficients);
        }
    }
}

impl Parts for Stretches {
    #[inline(always)]
    fn whole(&self, _: usize) -> Option<&[f64]> {
        None
    }

    #[inline(always)]
    fn details(&self, stretch: usize, level: usize) -> &[f64] {
        match stretch.checked_sub(self.count) {
            Some(after) => piece(&self.ends[level], after, STRETCH >> (level + 1)),
            None => &self.x[stretch * STRETCH..][place(level)],
        }
    }

    #[inline(always)]
    fn put(&mut self, x: &[f64]) {
        self.x[self.known..self.known + x.len()].copy_from_slice(x);
        self.known += x.len();
    }
}

#[cfg(test)]
mod tests {
    use crate::wavelet::{
        DenoiseOptions, Mode, NoiseLevel, Shrinkage, Threshold, Wavelet, denoise,
    };

    /// A long signal is denoised as it is taken apart, shrunk and put together, to the bit.
    #[test]
    fn denoising_in_place_is_shrinking_what_was_taken_apart() {
        let x: Vec<f64> = (0..11_111).map(|i| ((i * i) as f64 * 0.618).fract() - 0.5).collect();
        let modes = [Mode::Symmetric, Mode::Zero, Mode::Periodic];
        let rules =
            [Threshold::Universal, Threshold::Sure, Threshold::Bayes, Threshold::Fixed(0.3)];
        let hows = [Shrinkage::Soft, Shrinkage::Hard, Shrinkage::Garrote, Shrinkage::Firm(2.0)];
        for (name, levels) in [("haar", 9), ("db4", 6), ("sym8", 3), ("db38", 7), ("bior3.1", 8)] {
            let wavelet = Wavelet::new(name).unwrap();
            for (k, (rule, how)) in rules.into_iter().zip(hows).enumerate() {
                let noise = [NoiseLevel::Finest, NoiseLevel::PerLevel][k % 2];
                let options = DenoiseOptions::new(wavelet.clone())
                    .mode(modes[k % 3])
                    .levels(levels)
                    .threshold(rule)
                    .shrinkage(how)
                    .noise(noise);
                let done = denoise(&x, &options).unwrap();
                let mut parts = wavelet.decompose(&x, modes[k % 3], levels).unwrap();
                for (details, &threshold) in parts.details.iter_mut().zip(&done.threshold) {
                    details.iter_mut().for_each(|d| *d = how.shrink(*d, threshold));
                }
                assert_eq!(done.signal, parts.reconstruct().unwrap(), "{name} {rule:?}");
                // Cycle spinning uses the same memory again.
                let spun = denoise(&x, &options.clone().spins(3)).unwrap();
                let mut sum = done.signal;
                for spin in 1..3 {
                    let mut turned = x.clone();
                    turned.rotate_left(spin);
                    let mut other = denoise(&turned, &options).unwrap().signal;
                    other.rotate_right(spin);
                    sum.iter_mut().zip(&other).for_each(|(sum, other)| *sum += other);
                }
                sum.iter_mut().for_each(|sum| *sum /= 3.0);
                assert_eq!(spun.signal, sum, "{name} {rule:?}");
            }
        }
    }
}
