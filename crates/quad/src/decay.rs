//! How fast a spectrum falls, and what it would be beyond the last term that the samples show.

use crate::rings::real;

/// The fall of a spectrum, ln |aₖ| = A − B kʳ with r from 0 (a power of k: kinks and jumps) over 1
/// (exponential: analytic functions) to 2 (entire functions: lobes).
///
/// Samples that show few terms do not tell r, and beyond them the laws part by orders of magnitude.
/// So all of them are fitted, and each counts as far as its fit makes it likely. They are fitted to the
/// last terms alone, too, and the slower fall counts: where a sharp feature stands on a smooth ground,
/// the first terms are those of the ground.
///
/// A kink or a jump half-way between two samples looks smooth to them: the terms of a power k⁻ᵖ cancel
/// their aliases (2n − k)⁻ᵖ, and vanish at the last one. So that is a law too, where it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay {
    whole: Laws,
    late: Laws,
    /// The last term shown, the last one that matters, and the size below which none does.
    top: usize,
    significant: usize,
    negligible: f64,
}

/// One law of each power, and of each canceled one.
type Laws = [Law; POWERS.len() + CANCELED.len()];

/// A line through the logarithms over kʳ.
#[derive(Debug, Clone, Copy)]
struct Law {
    power: f64,
    /// The center of gravity that the line goes through.
    center: (f64, f64),
    /// At most 0.
    slope: f64,
    /// How likely it is; all shares add up to 1, and that of a law that may not be is 0.
    share: f64,
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

/// The powers r; 0 stands for ln k.
const POWERS: [f64; 7] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0];
/// The powers p of the terms k⁻ᵖ that may cancel their aliases: those of a jump and of a kink.
const CANCELED: [f64; 2] = [1.0, 2.0];
/// Where stretches of the spectrum end, as parts of it: the root mean square of each stands for all
/// its terms, since single ones vanish by chance.
const ENDS: [f64; STRETCHES + 1] = [0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0];
const STRETCHES: usize = 6;
/// How many of them are the last terms.
const LATE: usize = 3;
/// The variance that chance leaves in the logarithm of a stretch, at least.
const CHANCE: f64 = 0.2;
/// The share above which terms that may have canceled their aliases are taken to have done so.
const POSSIBLE: f64 = 0.15;
/// Standard deviations above the mean of the laws.
const DEVIATIONS: f64 = 0.5;

impl Decay {
    /// Of the terms in `sizes`; whatever is below `floor` is rounding. Term k may have canceled its
    /// alias 2n − k where `mirror` is n.
    pub(crate) fn of(sizes: &[f64], floor: f64, mirror: Option<f64>) -> Self {
        let top = sizes.len().saturating_sub(1);
        let points: [(f64, f64); STRETCHES] = std::array::from_fn(|stretch| {
            let first = part(top, ENDS[stretch]).clamp(1.min(top), top);
            let last = part(top, ENDS[stretch + 1]).clamp(first, top);
            // Of the largest, so that no square underflows.
            let largest = sizes[first..=last].iter().copied().fold(floor, f64::max);
            let (mut sum, mut moment) = (0.0, 0.0);
            for (k, size) in (first..).zip(&sizes[first..=last]) {
                let square = (size.max(floor) / largest).powi(2);
                sum += square;
                moment += real(k) * square;
            }
            // Where the squares have their center: a steep stretch is its first terms.
            let center = f64::max(moment / sum, 0.5);
            (center, largest.ln() + 0.5 * (sum / real(last - first + 1)).ln())
        });
        let negligible = NEGLIGIBLE * sizes.iter().copied().fold(floor, f64::max);
        let significant = sizes.iter().rposition(|&size| size > negligible).unwrap_or(0);
        let (whole, late) = (laws(&points, mirror), laws(&points[STRETCHES - LATE..], None));
        Self { whole, late, top, significant, negligible }
    }

    /// The last term that matters, where the terms shown have all that do.
    fn shown(&self) -> Option<usize> {
        (self.significant <= part(self.top, ENDS[STRETCHES - 1])).then_some(self.significant)
    }

    /// Where terms would cease to matter if they went on falling, or `None` where that is more than
    /// a hundred times as far as they are shown.
    fn needed(&self) -> Option<usize> {
        self.reaches(self.negligible, 100 * self.top)
    }

    /// How likely it is that the terms fall as a power.
    pub(crate) fn algebraic(&self) -> f64 {
        self.whole.iter().filter(|law| law.power == 0.0).map(|law| law.share).sum()
    }

    /// The root mean square of term `k`, beyond the last one shown, rather too large than too small.
    pub(crate) fn at(&self, k: f64) -> f64 {
        let [whole, late] = [&self.whole, &self.late].map(|laws| {
            let mean: f64 = laws.iter().map(|law| law.share * law.at(k)).sum();
            let squares = laws.iter().map(|law| law.share * (law.at(k) - mean).powi(2));
            let above = mean + DEVIATIONS * squares.sum::<f64>().sqrt();
            let slowest = |laws: &[Law], share: f64| {
                let likely = laws.iter().filter(|law| law.share > share);
                likely.map(|law| law.at(k)).fold(f64::NEG_INFINITY, f64::max)
            };
            // No slower than the slowest, where the laws have parted far. What canceled is no mean of laws.
            let canceled = slowest(&laws[POWERS.len()..], POSSIBLE);
            above.min(slowest(laws, 0.0)).max(canceled).exp()
        });
        whole.max(late)
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
}

/// The laws through these points, with their shares.
fn laws(points: &[(f64, f64)], mirror: Option<f64>) -> Laws {
    let lines = POWERS.map(|power| Law::through(points, power));
    let canceled = CANCELED.map(|power| match mirror {
        Some(mirror) => Law::canceled(points, power, mirror),
        None => (Law { power: 0.0, center: (0.0, 0.0), slope: 0.0, share: 0.0 }, f64::INFINITY),
    });
    let least = |fits: &[(Law, f64)]| fits.iter().map(|fit| fit.1).fold(f64::INFINITY, f64::min);
    let variance = (least(&lines) / real(points.len() - 2)).max(CHANCE);
    let best = least(&lines).min(least(&canceled));
    let mut fits = lines.into_iter().chain(canceled);
    let mut laws = std::array::from_fn(|_| {
        // As many as there are places.
        let (law, squares) = fits.next().unwrap_or(lines[0]);
        Law { share: (0.5 * (best - squares) / variance).exp(), ..law }
    });
    let all: f64 = laws.iter().map(|law| law.share).sum();
    laws.iter_mut().for_each(|law| law.share /= all);
    laws
}

impl Law {
    /// The line of this power that comes nearest to the points, and the squares of what it misses.
    fn through(points: &[(f64, f64)], power: f64) -> (Self, f64) {
        let count = real(points.len());
        let points: Vec<_> = points.iter().map(|&(k, y)| (scaled(power, k), y)).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let center = (mean(|point| point.0), mean(|point| point.1));
        let (mut spread, mut both) = (0.0, 0.0);
        for (x, y) in &points {
            spread += (x - center.0).powi(2);
            both += (x - center.0) * (y - center.1);
        }
        let slope = if spread > 0.0 { (both / spread).min(0.0) } else { 0.0 };
        let missed = points.iter().map(|(x, y)| (y - center.1 - slope * (x - center.0)).powi(2));
        (Self { power, center, slope, share: 0.0 }, missed.sum())
    }

    /// The line k⁻ᵖ whose difference to its aliases comes nearest to the points, and the squares of
    /// what that misses.
    fn canceled(points: &[(f64, f64)], power: f64, mirror: f64) -> (Self, f64) {
        let above = |&(k, y): &(f64, f64)| {
            let k = k.min(0.999 * mirror);
            y - (k.powf(-power) - (2.0 * mirror - k).powf(-power)).ln()
        };
        let mean = points.iter().map(above).sum::<f64>() / real(points.len());
        let missed = points.iter().map(|point| (above(point) - mean).powi(2)).sum();
        (Self { power: 0.0, center: (0.0, mean), slope: -power, share: 0.0 }, missed)
    }

    fn at(&self, k: f64) -> f64 {
        self.center.1 + self.slope * (scaled(self.power, k) - self.center.0)
    }
}

/// kʳ, or ln k for r = 0.
fn scaled(power: f64, k: f64) -> f64 {
    if power > 0.0 { k.powf(power) } else { k.ln() }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to `top`")]
fn part(top: usize, fraction: f64) -> usize {
    (real(top) * fraction).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_law_goes_through_its_own_points_and_on() {
        for (index, power) in POWERS.into_iter().enumerate() {
            let exact = |k: f64| 3.0 - 0.7 * scaled(power, k);
            let points = [4.0, 9.0, 15.0, 21.0, 28.0, 36.0].map(|k| (k, exact(k)));
            let (law, missed) = Law::through(&points, power);
            assert!((law.slope + 0.7).abs() < 64.0 * f64::EPSILON, "{power}: {}", law.slope);
            // Rounding of the largest ordinate, and of the slope times the way to k.
            let limit = |k: f64| 64.0 * f64::EPSILON * (3.0 + scaled(power, k));
            assert!(missed < limit(36.0).powi(2), "{power}: {missed:e}");
            for k in [5.0, 36.0, 72.0, 300.0] {
                let off = (law.at(k) - exact(k)).abs();
                assert!(off < limit(k), "{power} at {k}: {off:e}");
            }
            // Among all laws it is the likeliest.
            let shares = laws(&points, None).map(|law| law.share);
            assert!(shares.iter().all(|&share| share <= shares[index]), "{power}: {shares:?}");
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 8.0 * f64::EPSILON);
        }
    }

    #[test]
    fn points_that_rise_are_continued_at_their_mean() {
        let (law, missed) = Law::through(&[(1.0, 2.0), (2.0, 3.0), (3.0, 7.0)], 1.0);
        assert_eq!(law.slope.to_bits(), 0f64.to_bits());
        assert!((law.at(50.0) - 4.0).abs() < 1e-15 && (missed - 14.0).abs() < 1e-14, "{missed}");
    }

    #[test]
    fn a_law_counts_as_far_as_its_fit_makes_it_likely() {
        // What the laws of powers 0 and 1 miss decides between them: squares over twice the
        // variance, which is what the best law leaves for each point that is not needed for the line.
        let points = [(2.0, 0.0), (4.0, -1.0), (6.0, -4.0), (8.0, -3.0)];
        let found = laws(&points, None);
        let squares = POWERS.map(|power| Law::through(&points, power).1);
        let least = squares.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(least > 2.0 * CHANCE);
        let ratio = (found[0].share / found[4].share).ln();
        let expected = (squares[4] - squares[0]) / least;
        assert!((ratio - expected).abs() < 1e-13, "{ratio} {expected}");
    }

    #[test]
    fn exponential_and_algebraic_tails_are_continued() {
        // Laws that chance might have hidden have a share too, and the last terms alone hardly tell
        // them apart: a factor of 7 for this exponential, and of 0.6 for this power.
        let exponential: Vec<f64> = (0..=40).map(|k| (-0.5 * f64::from(k)).exp()).collect();
        let ratio = Decay::of(&exponential, 1e-300, None).at(60.0) / (-30f64).exp();
        assert!((5.0..10.0).contains(&ratio), "{ratio}");
        let algebraic: Vec<f64> = (0..=40).map(|k| f64::from(k.max(1)).powi(-2)).collect();
        let found = Decay::of(&algebraic, 1e-300, None);
        let ratio = found.at(80.0) * 6400.0;
        assert!((0.4..0.8).contains(&ratio), "{ratio}");
        assert_eq!(found.reaches(1e-30, 1000), None);
        let k = found.reaches(1e-4, 1000).unwrap();
        assert!(found.at(real(k)) <= 1e-4 && found.at(real(k - 1)) > 1e-4, "{k}");
    }

    #[test]
    fn terms_that_canceled_their_aliases_are_continued_without_them() {
        // A kink half-way between two of 40 samples: k⁻² − (80 − k)⁻².
        let term = |k: f64| k.powi(-2) - (80.0 - k).powi(-2);
        let terms: Vec<f64> = (0..=39).map(|k| term(f64::from(k.max(1)))).collect();
        let found = Decay::of(&terms, 1e-300, Some(40.0));
        let ratio = found.at(80.0) * 6400.0;
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
        // Unawares, one takes the fall at the end for that of the terms.
        let unaware = Decay::of(&terms, 1e-300, None).at(80.0) * 6400.0;
        assert!(unaware < 0.4, "{unaware}");
    }

    #[test]
    fn a_spectrum_that_does_not_fall_is_continued_flat() {
        let found = Decay::of(&[3.0; 12], 1e-300, None).at(100.0);
        assert!((found / 3.0 - 1.0).abs() < 16.0 * f64::EPSILON, "{found}");
        assert!(Decay::of(&[0.0], 1e-300, None).at(2.0) < 1e-298);
    }
}
