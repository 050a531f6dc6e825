//! How fast a spectrum falls, and what it would be beyond the last term that the samples show.

use crate::rings::real;

/// The fall of a spectrum, ln |aₖ| = A − B kʳ with r between 0 (a power of k: kinks and jumps) and
/// 1 (exponential: analytic functions), through the largest terms of three stretches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay {
    /// Where the last stretch has its largest term, and the logarithm of that.
    last: (f64, f64),
    /// Where the middle one has its own.
    middle: f64,
    /// The fall of the logarithm from there to the last; at most 0.
    fall: f64,
    power: f64,
    /// The last term shown, the last one that matters, and the size below which none does.
    top: usize,
    significant: usize,
    negligible: f64,
}

/// Part of the largest term below which a term is negligible.
const NEGLIGIBLE: f64 = 1e-6;

/// A fall, and which degrees its terms are of: `first`, `first + stride`, ...
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spectrum {
    pub(crate) decay: Decay,
    pub(crate) first: usize,
    pub(crate) stride: usize,
}

impl Spectrum {
    /// The last degree that matters, where the terms shown have all that do.
    pub(crate) fn shown(&self) -> Option<usize> {
        self.decay.shown().map(|k| self.first + self.stride * k)
    }

    /// The degree beyond which none would matter, where it is foreseeable.
    pub(crate) fn needed(&self) -> Option<usize> {
        self.decay.needed().map(|k| self.first + self.stride * k)
    }
}

/// The three stretches, as parts of the spectrum: within each the largest term stands for all, since
/// single ones vanish by chance.
const STRETCHES: [(f64, f64); 3] = [(0.1, 0.25), (0.3, 0.5), (0.85, 1.0)];

/// Terms of an algebraic tail add up with one sign, those of an analytic one hardly; from the
/// battery of 650 sums that `cargo xtask verify quad/error-estimate` is a part of.
const ANALYTIC: f64 = 2.0;
const ALGEBRAIC: f64 = 6.0;

impl Decay {
    /// Of the terms in `sizes`; whatever is below `floor` is rounding.
    pub(crate) fn of(sizes: &[f64], floor: f64) -> Self {
        let top = sizes.len().saturating_sub(1);
        let mut points = STRETCHES.map(|(from, to)| {
            let (first, end) = (part(top, from), part(top, to));
            let first = first.clamp(1.min(top), top);
            (first..=end.max(first).min(top)).fold((real(first), floor), |best, k| {
                if sizes[k] > best.1 { (real(k), sizes[k]) } else { best }
            })
        });
        // A later rise counts from the start: the spectrum has not begun to fall.
        for earlier in [1, 0] {
            points[earlier].1 = points[earlier].1.max(points[earlier + 1].1);
        }
        let [first, middle, last] = points.map(|(k, size)| (k.max(0.5), size.ln()));
        let middle = if middle.0 < last.0 { middle } else { (0.5 * last.0, middle.1) };
        let first = if first.0 < middle.0 { first } else { (0.5 * middle.0, first.1) };
        let (before, fall) = (middle.1 - first.1, last.1 - middle.1);
        let power = power([first.0, middle.0, last.0], fall / before);
        let negligible = NEGLIGIBLE * sizes.iter().copied().fold(floor, f64::max);
        let significant = sizes.iter().rposition(|&size| size > negligible).unwrap_or(0);
        Self { last, middle: middle.0, fall, power, top, significant, negligible }
    }

    /// The last term that matters, where the terms shown have all that do.
    fn shown(&self) -> Option<usize> {
        (self.significant <= part(self.top, STRETCHES[2].0)).then_some(self.significant)
    }

    /// Where terms would cease to matter if they went on falling, or `None` where that is more than
    /// a hundred times as far as they are shown.
    fn needed(&self) -> Option<usize> {
        self.reaches(self.negligible, 100 * self.top)
    }

    /// The size of term `k`, beyond the last one shown.
    pub(crate) fn at(&self, k: f64) -> f64 {
        let (last, size) = self.last;
        let (here, there) = (self.stretch(last, k), self.stretch(self.middle, last));
        let fall = if self.fall < 0.0 { self.fall * here / there } else { 0.0 };
        (size + fall).exp() * (ANALYTIC + (ALGEBRAIC - ANALYTIC) * (1.0 - self.power))
    }

    /// Where the terms fall below `size`, or `None` where that is beyond `furthest`.
    fn reaches(&self, size: f64, furthest: usize) -> Option<usize> {
        let (mut low, mut high) = (0, furthest);
        if self.at(real(high)) > size {
            return None;
        }
        while low + 1 < high {
            let between = low.midpoint(high);
            if self.at(real(between)) > size { low = between } else { high = between }
        }
        Some(high)
    }

    /// ∫ kʳ⁻¹ dk from a to b, the measure in which the logarithm falls evenly.
    fn stretch(&self, a: f64, b: f64) -> f64 {
        stretch(self.power, a, b)
    }
}

fn stretch(power: f64, a: f64, b: f64) -> f64 {
    if power < 1e-6 { (b / a).ln() } else { (b.powf(power) - a.powf(power)) / power }
}

/// The power r for which the second fall is `ratio` times the first.
fn power([a, b, c]: [f64; 3], ratio: f64) -> f64 {
    let of = |power: f64| stretch(power, b, c) / stretch(power, a, b);
    // NaN where nothing falls at all, which is the slowest.
    if !(ratio > of(0.0)) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let between = 0.5 * (low + high);
        if of(between) < ratio { low = between } else { high = between }
    }
    high
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to `top`")]
fn part(top: usize, fraction: f64) -> usize {
    (real(top) * fraction).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_and_algebraic_tails_are_continued() {
        let exponential: Vec<f64> = (0..=40).map(|k| (-0.5 * f64::from(k)).exp()).collect();
        let found = Decay::of(&exponential, 1e-300);
        assert!((found.at(60.0) / (ANALYTIC * (-30f64).exp()) - 1.0).abs() < 1e-6);
        let algebraic: Vec<f64> = (0..=40).map(|k| f64::from(k.max(1)).powi(-2)).collect();
        let found = Decay::of(&algebraic, 1e-300);
        assert!((found.at(80.0) / (ALGEBRAIC / 6400.0) - 1.0).abs() < 1e-6);
        // ALGEBRAIC / k² = 1e-4
        assert_eq!(found.reaches(1e-4, 1000), Some(245));
        assert_eq!(found.reaches(1e-9, 1000), None);
    }

    #[test]
    fn a_spectrum_that_does_not_fall_is_continued_flat() {
        let found = Decay::of(&[1.0; 12], 1e-300);
        assert!((found.at(100.0) - ALGEBRAIC).abs() < 1e-12);
        assert!(Decay::of(&[0.0], 1e-300).at(2.0) < 1e-299);
    }
}
