//! The choice between weights over colatitude, and what the samples say about its error.

use std::f64::consts::PI;

use crate::RingWeights;
use crate::decay::{Decay, Spectrum};
use crate::equispaced::{Equispaced, Series};
use crate::measure::Kind;
use crate::rings::{Choice, Ring, RingRule, moment, real};

/// What the rings say about samples averaged over φ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judgement {
    /// The index of the choice with the smallest error.
    pub(crate) choice: usize,
    /// What it may be off by.
    pub(crate) error: f64,
    /// What decides between choices: the error, without what all of them share.
    own: f64,
    /// The largest of the last terms that the samples show, or the change from a lower order.
    pub(crate) last: f64,
    /// How the spectrum falls.
    pub(crate) spectrum: Option<Spectrum>,
}

impl Judgement {
    pub(crate) fn new(error: f64, last: f64, spectrum: Option<Spectrum>) -> Self {
        Self { choice: 0, error, own: error, last, spectrum }
    }

    /// The same choice, with the evidence of another where that is worse.
    fn doubting(self, other: &Self) -> Self {
        Self {
            error: self.error.max(other.error),
            last: self.last.max(other.last),
            spectrum: self.spectrum.or(other.spectrum),
            ..self
        }
    }
}

/// What the rings see of the samples.
struct Samples<'a> {
    /// Their integrals over φ.
    over_phi: &'a [f64],
    /// Their integrals against some cos mφ and sin mφ with even m, which are as smooth.
    waves: &'a [Vec<f64>],
    /// What is below is rounding.
    floor: f64,
}

impl RingRule {
    /// Which weights fit samples whose integrals over φ these are; `waves` are their integrals
    /// against some cos mφ and sin mφ with even m, which are as smooth.
    pub(crate) fn judge(&self, over_phi: &[f64], waves: &[Vec<f64>], magnitude: f64) -> Judgement {
        let samples = Samples { over_phi, waves, floor: 0.1 * f64::EPSILON * magnitude };
        let rounding = f64::EPSILON * real(self.rings.len()) * magnitude;
        let corrected = self.choices.iter().find(|choice| choice.how == RingWeights::CorrectedEnds);
        let ends = corrected.map(|choice| choice.sum(over_phi));
        // Equal weights are not worse than a series in an unresolved interior.
        let advantage = if self.measure == Kind::Flat { 0.1 } else { 0.5 };
        let mut best: Option<Judgement> = None;
        for (index, choice) in self.choices.iter().enumerate() {
            let mut found = Judgement { choice: index, ..self.error_of(choice, &samples) };
            if let (Some(ends), true) = (ends, choice.how != RingWeights::CorrectedEnds) {
                found.own = found.own.min((choice.sum(over_phi) - ends).abs());
            }
            // Rounding is not a reason to leave the first choice, nor is a narrow advantage.
            match best {
                None => best = Some(found),
                Some(first) if first.own > rounding && found.own < advantage * first.own => {
                    if found.own > LUCK * first.own {
                        found = found.doubting(&first);
                    }
                    // Where the interior is hardly resolved, its tail vanishes by chance now and then, and
                    // what the two sums differ by is as large as the error of either.
                    if let (Some(ends), Kind::SolidAngle) = (ends, self.measure) {
                        let apart = (ends - self.choices[first.choice].sum(over_phi)).abs();
                        found.error = found.error.max(APART * apart);
                    }
                    best = Some(found);
                }
                Some(_) => {}
            }
        }
        best.unwrap_or_else(|| Judgement::new(magnitude, magnitude, None))
    }

    fn error_of(&self, choice: &Choice, samples: &Samples<'_>) -> Judgement {
        match (choice.how, Equispaced::of(self.kind, self.rings.len())) {
            (RingWeights::CosineSeries, Some(grid)) => {
                self.series_error(grid, Series::Cosine, samples)
            }
            (RingWeights::SineSeries, Some(grid)) => self.series_error(grid, Series::Sine, samples),
            (RingWeights::CorrectedEnds, Some(grid)) => {
                let change = choice.change(samples.over_phi);
                // Both ends may be right where the interior is not resolved.
                let error = change + self.interior_tail(grid, samples);
                Judgement { own: change, ..Judgement::new(error, error, None) }
            }
            (RingWeights::Gauss, _) => self.gauss_error(samples),
            _ => {
                let change = choice.change(samples.over_phi);
                Judgement::new(change, change, None)
            }
        }
    }

    /// What the terms above the highest that the rings tell apart would be taken for, if they go on
    /// falling as those below do.
    fn series_error(&self, grid: Equispaced, series: Series, samples: &Samples<'_>) -> Judgement {
        let times_sine = series == Series::Sine && self.measure == Kind::SolidAngle;
        let factor = |ring: &Ring| if times_sine { ring.sine } else { 1.0 };
        let (sizes, spectrum) = self.fall(grid, series, samples, factor);
        let Spectrum { decay, first, stride } = spectrum;
        let n = grid.steps;
        let moment = |k| moment(self.measure, series, k);
        let beyond = (first..=3 * n).step_by(stride).filter(|&k| k > grid.top(series));
        // The signs of the terms are not known, so their squares add up; but those of a kink may agree.
        let (mut squares, mut sum) = (0.0, 0.0);
        for k in beyond {
            let (low, sign) = grid.alias(k, series);
            let size = decay.at(real(k - first) / real(stride)) / PI;
            let term = size * (sign * moment(low) - moment(k)).abs();
            squares += term * term;
            sum += term;
        }
        let seldom = if grid.has_poles() { SELDOM_WITH_POLES } else { SELDOM };
        let error = seldom * f64::sqrt(squares) + AGREED * decay.algebraic() * sum;
        Judgement::new(error, last(&sizes), Some(spectrum))
    }

    /// The terms of a series of the samples times a factor that have a share in the integral, and how they
    /// fall.
    fn fall(
        &self,
        grid: Equispaced,
        series: Series,
        samples: &Samples<'_>,
        factor: impl Fn(&Ring) -> f64,
    ) -> (Vec<f64>, Spectrum) {
        // Only every second term has one, but for equal weights.
        let (first, stride) = match (self.measure, series) {
            (Kind::Flat, Series::Cosine) => (0, 1),
            (_, Series::Cosine) => (0, 2),
            (_, Series::Sine) => (1, 2),
        };
        let (sizes, alike) = samples.together(|wave| {
            let product: Vec<f64> =
                wave.iter().zip(&self.rings).map(|(p, ring)| p * factor(ring)).collect();
            let coefficients = grid.coefficients(&product, series);
            let shown = &coefficients[..=grid.top(series)];
            // The other terms tell of the same p.
            (first..first + stride)
                .map(|first| shown.iter().skip(first).step_by(stride).map(|a| PI * a).collect())
                .collect()
        });
        // A kink along a ring is half-way between two at all azimuths, another one is not.
        let mirror = real(grid.steps - first) / real(stride);
        let decay = Decay::of(&sizes, samples.floor, (alike < AXIAL).then_some(mirror));
        (sizes, Spectrum { decay, first, stride })
    }

    /// What is left at twice the number of rings of samples that are faded out towards the poles.
    fn interior_tail(&self, grid: Equispaced, samples: &Samples<'_>) -> f64 {
        let power = if self.measure == Kind::SolidAngle { 9 } else { 8 };
        let faded = |ring: &Ring| ring.sine.powi(power);
        let (_, spectrum) = self.fall(grid, Series::Sine, samples, faded);
        let Spectrum { decay, first, stride } = spectrum;
        SELDOM * decay.at(real(2 * grid.steps - first) / real(stride))
    }

    /// From the Legendre series: 2n is the first degree that n rings get wrong, or n without a
    /// Jacobian.
    fn gauss_error(&self, samples: &Samples<'_>) -> Judgement {
        let n = self.rings.len();
        let weights = &self.choices[0].weights;
        let (sizes, _) = samples.together(|wave| {
            let mut sizes = vec![0.0; n];
            for ((p, ring), weight) in wave.iter().zip(&self.rings).zip(weights) {
                // sin θ dθ, and what has to be multiplied to make a density of the samples.
                let share = match self.measure {
                    Kind::Flat => p * weight * ring.sine,
                    Kind::SolidAngle | Kind::JacobianIncluded => p * weight,
                };
                let (mut before, mut legendre) = (0.0, 1.0);
                for (k, size) in sizes.iter_mut().enumerate() {
                    *size += (2.0 * real(k) + 1.0) * share * legendre;
                    let next = (2.0 * real(k) + 1.0) * ring.cosine * legendre - real(k) * before;
                    (before, legendre) = (legendre, next / real(k + 1));
                }
            }
            vec![sizes]
        });
        let decay = Decay::of(&sizes, samples.floor, None);
        let error = match self.measure {
            Kind::SolidAngle | Kind::JacobianIncluded => decay.at(real(2 * n)),
            Kind::Flat => {
                (n..2 * n).map(|k| (decay.at(real(k)) / real(k)).powi(2)).sum::<f64>().sqrt()
            }
        };
        let error = SELDOM * error;
        Judgement::new(error, last(&sizes), Some(Spectrum { decay, first: 0, stride: 1 }))
    }
}

/// How many times the root mean square a sum of terms of unknown sign seldom exceeds, and the sum of
/// terms of one sign: such that an estimate is low in 3 of 100 sums at most, in the battery of
/// `cargo xtask verify quad/error-estimate`.
const SELDOM: f64 = 2.7;
const SELDOM_WITH_POLES: f64 = 2.2;
const AGREED: f64 = 1.0;
/// Part of another error estimate above which a smaller one may be so by chance.
const LUCK: f64 = 0.02;
/// Part of the difference to the series that the error of corrected ends is at least.
const APART: f64 = 0.2;
/// As many spectra has what is symmetric about the axis at most: of its mean, even and odd terms.
const AXIAL: f64 = 2.3;

impl Samples<'_> {
    /// The root mean squares of the spectra of all of them, term by term, and of how many: in one alone terms
    /// vanish by chance. Those that have no share in the upper terms do not count, as all but the mean of what
    /// is symmetric about the axis.
    fn together(&self, spectra: impl Fn(&[f64]) -> Vec<Vec<f64>>) -> (Vec<f64>, f64) {
        let mut squares: Vec<f64> = Vec::new();
        let (mut norms, mut norms_squared) = (0.0, 0.0);
        for wave in std::iter::once(self.over_phi).chain(self.waves.iter().map(Vec::as_slice)) {
            for sizes in spectra(wave) {
                // The odd terms are one fewer or as many; the last stands for the one that is not there.
                squares.resize(squares.len().max(sizes.len()), 0.0);
                let padded = sizes.iter().chain(sizes.last().into_iter().cycle());
                squares.iter_mut().zip(padded).for_each(|(square, a)| *square += a * a);
                let upper: f64 = sizes[sizes.len() / 3..].iter().map(|a| a * a).sum();
                norms += upper.sqrt();
                norms_squared += upper;
            }
        }
        // As many functions of one size would have these norms.
        let count = if norms > 0.0 { norms * norms / norms_squared } else { 1.0 };
        (squares.iter().map(|square| (square / count).sqrt()).collect(), count)
    }
}

/// The largest term of the last fifth.
pub(crate) fn last(sizes: &[f64]) -> f64 {
    sizes[sizes.len() * 4 / 5..].iter().copied().fold(0.0, f64::max)
}
