//! What a peak must be like.

use std::ops::{RangeFrom, RangeFull, RangeInclusive, RangeToInclusive};

use crate::{Error, Result};

/// What a peak must be like. By default every local maximum is a peak.
///
/// The conditions apply in the order in which the fields stand here down to `width`, and each sees
/// only the peaks that the ones before it left. All but `distance` judge each peak by itself.
///
/// # Examples
/// ```
/// use dsp::peaks::PeakOptions;
/// let options = PeakOptions::default().height(..=3.0).prominence(0.5..).window(200);
/// assert_eq!(options.window, Some(200));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PeakOptions<'a> {
    /// Bounds on the samples in its plateau. Default: any.
    pub plateau_size: Option<Interval<'a>>,
    /// Bounds on x\[index\], in the unit of the signal. Default: any.
    pub height: Option<Interval<'a>>,
    /// Bounds on how far it lies above its two neighbors: the smaller difference must not be below
    /// the least value, nor the larger one above the greatest. Default: any.
    pub threshold: Option<Interval<'a>>,
    /// Least distance between the middles of two peaks, in samples, or in the unit of `positions`.
    /// The highest peak stays and removes all that are nearer; then the highest of the rest; of
    /// equal peaks the first one goes first. (SciPy leaves this to an unstable sort, so its answer
    /// depends on the version of NumPy.) Default: none.
    pub distance: Option<f64>,
    /// Bounds on the prominence, in the unit of the signal. Default: not computed, which is
    /// faster; `..` computes it and keeps every peak.
    pub prominence: Option<Interval<'a>>,
    /// Bounds on the width, in samples or in the unit of `positions`. Default: not computed.
    pub width: Option<Interval<'a>>,
    /// How far below the top the width is taken, as a part of the prominence or of the height, at
    /// least 0. Default: one half.
    pub relative_height: f64,
    /// What `relative_height` is a part of. Default: the prominence.
    pub width_reference: WidthReference,
    /// Samples around the peak within which its prominence is judged (SciPy's `wlen`; 2k and
    /// 2k + 1 are the same window). Default: the whole signal. Set it where the signal's baseline
    /// wanders over more than one peak's neighborhood.
    pub window: Option<usize>,
    /// Where each sample lies, strictly increasing: times, say, that are not evenly spaced.
    /// Default: at its index.
    pub positions: Option<&'a [f64]>,
    /// Maxima or minima. Default: maxima.
    pub polarity: Polarity,
    /// Whether a run of equal samples at an end of the signal can be a peak. Default: it cannot.
    pub ends: Ends,
    /// What a NaN means. Default: [`NanPolicy::Refuse`].
    pub nan: NanPolicy,
}

impl Default for PeakOptions<'_> {
    fn default() -> Self {
        Self {
            plateau_size: None,
            height: None,
            threshold: None,
            distance: None,
            prominence: None,
            width: None,
            relative_height: 0.5,
            width_reference: WidthReference::default(),
            window: None,
            positions: None,
            polarity: Polarity::default(),
            ends: Ends::default(),
            nan: NanPolicy::default(),
        }
    }
}

impl<'a> PeakOptions<'a> {
    /// Keeps maxima whose plateau has that many samples.
    #[must_use]
    pub fn plateau_size(self, samples: impl Into<Interval<'a>>) -> Self {
        Self { plateau_size: Some(samples.into()), ..self }
    }

    /// Keeps maxima of that height.
    #[must_use]
    pub fn height(self, height: impl Into<Interval<'a>>) -> Self {
        Self { height: Some(height.into()), ..self }
    }

    /// Keeps maxima that lie so far above both neighbors.
    #[must_use]
    pub fn threshold(self, threshold: impl Into<Interval<'a>>) -> Self {
        Self { threshold: Some(threshold.into()), ..self }
    }

    /// Keeps the higher of any two maxima that are nearer than this.
    #[must_use]
    pub fn distance(self, distance: f64) -> Self {
        Self { distance: Some(distance), ..self }
    }

    /// Computes prominences and keeps maxima within the bounds.
    #[must_use]
    pub fn prominence(self, prominence: impl Into<Interval<'a>>) -> Self {
        Self { prominence: Some(prominence.into()), ..self }
    }

    /// Computes widths (and prominences) and keeps maxima within the bounds.
    #[must_use]
    pub fn width(self, width: impl Into<Interval<'a>>) -> Self {
        Self { width: Some(width.into()), ..self }
    }

    /// Takes widths that part of the prominence (or height) below the top.
    #[must_use]
    pub fn relative_height(self, relative_height: f64) -> Self {
        Self { relative_height, ..self }
    }

    /// Sets what the relative height is a part of.
    #[must_use]
    pub fn width_reference(self, width_reference: WidthReference) -> Self {
        Self { width_reference, ..self }
    }

    /// Judges prominence within ± `samples`/2 of the peak.
    #[must_use]
    pub fn window(self, samples: usize) -> Self {
        Self { window: Some(samples), ..self }
    }

    /// Says where each sample lies.
    #[must_use]
    pub fn positions(self, positions: &'a [f64]) -> Self {
        Self { positions: Some(positions), ..self }
    }

    /// Sets maxima or minima.
    #[must_use]
    pub fn polarity(self, polarity: Polarity) -> Self {
        Self { polarity, ..self }
    }

    /// Sets whether an end of the signal can be a peak.
    #[must_use]
    pub fn ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    /// Sets what a NaN means.
    #[must_use]
    pub fn nan(self, nan: NanPolicy) -> Self {
        Self { nan, ..self }
    }

    /// Refuses what cannot be meant, for a signal of `len` samples.
    pub(super) fn check(&self, len: usize) -> Result<()> {
        let intervals = [
            (self.plateau_size, "plateau_size"),
            (self.height, "height"),
            (self.threshold, "threshold"),
            (self.prominence, "prominence"),
            (self.width, "width"),
        ];
        for (interval, argument) in intervals {
            interval.map_or(Ok(()), |interval| interval.check(argument, len))?;
        }
        let out_of_range =
            |argument, value, expected| Err(Error::OutOfRange { argument, value, expected });
        if let Some(distance) = self.distance {
            if self.positions.is_none() && !(distance >= 1.0) {
                return out_of_range("distance", distance, "at least 1 sample");
            }
            if !(distance > 0.0) {
                return out_of_range("distance", distance, "a positive number");
            }
        }
        if !(self.relative_height >= 0.0 && self.relative_height.is_finite()) {
            return out_of_range("relative_height", self.relative_height, "a number from 0 up");
        }
        let Some(positions) = self.positions else { return Ok(()) };
        if positions.len() != len {
            let (argument, found) = ("positions", positions.len());
            return Err(Error::Length { argument, found, expected: len });
        }
        for (index, &value) in positions.iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::NotFinite { argument: "positions", index, value });
            }
            if index > 0 && value <= positions[index - 1] {
                return Err(Error::NotIncreasing { argument: "positions", index, value });
            }
        }
        Ok(())
    }
}

/// Maxima or minima.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polarity {
    /// Peaks point up.
    #[default]
    Maxima,
    /// Peaks point down: they are the maxima of −x. Heights, and bounds on them, are still those
    /// of x; thresholds, prominences and widths are those of −x, so positive.
    Minima,
}

/// Whether a run of equal samples at an end of the signal can be a peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ends {
    /// No: nobody knows what comes beyond, as in SciPy.
    #[default]
    Excluded,
    /// Yes, where its one neighbor is lower. Its prominence is that over its one side, and the
    /// threshold on the other side is infinite.
    Included,
}

/// What [`PeakOptions::relative_height`] is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WidthReference {
    /// The prominence: the width is that of the part that stands out, whatever it stands on.
    #[default]
    Prominence,
    /// The height above zero, as for lines over a baseline that has been removed.
    Height,
}

/// What a NaN in the signal means. Infinities are ordinary samples: they have an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NanPolicy {
    /// A mistake: the signal is refused, naming the first one's index.
    #[default]
    Refuse,
    /// A gap: it is neither higher nor lower than anything, so its neighbors are no maxima and no
    /// prominence looks beyond it. This is what SciPy does without saying so.
    Barrier,
    /// A sample that is not there: its neighbors are each other's. `distance` and `width` still
    /// count the positions between them, `plateau_size` and `window` the samples that are there.
    Skip,
}

/// One end of an [`Interval`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound<'a> {
    /// The same everywhere.
    Value(f64),
    /// One for each sample of the signal, looked up at the peak. A NaN excludes.
    PerSample(&'a [f64]),
}

impl Bound<'_> {
    fn at(self, index: usize) -> f64 {
        match self {
            Self::Value(value) => value,
            Self::PerSample(values) => values[index],
        }
    }
}

/// Bounds on a property, both inclusive. `2.0..`, `..=3.0`, `2.0..=3.0` and `..` convert into it,
/// and so do the same of slices with a bound for each sample: `&floor[..]..`.
///
/// # Examples
/// A floor that rises with the signal's baseline:
/// ```
/// use dsp::peaks::{PeakOptions, find_peaks};
/// let x = [0.0, 2.0, 0.0, 5.0, 7.0, 5.0];
/// let floor = [1.0, 1.0, 1.0, 8.0, 8.0, 8.0];
/// let peaks = find_peaks(&x, &PeakOptions::default().height(&floor[..]..))?;
/// assert_eq!(peaks.len(), 1);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval<'a> {
    /// Least value allowed.
    pub min: Bound<'a>,
    /// Greatest value allowed.
    pub max: Bound<'a>,
}

impl Interval<'_> {
    pub(super) fn contains(self, value: f64, index: usize) -> bool {
        self.min.at(index) <= value && value <= self.max.at(index)
    }

    /// Refuses bounds that no value meets, or that are not there for each sample.
    fn check(self, argument: &'static str, len: usize) -> Result<()> {
        for bound in [self.min, self.max] {
            if let Bound::PerSample(values) = bound
                && values.len() != len
            {
                return Err(Error::Length { argument, found: values.len(), expected: len });
            }
        }
        match (self.min, self.max) {
            (Bound::Value(min), Bound::Value(max)) if !(min <= max) => Err(Error::OutOfRange {
                argument,
                value: min,
                expected: "a least value that is not above the greatest",
            }),
            _ => Ok(()),
        }
    }
}

impl From<RangeFull> for Interval<'_> {
    fn from(_: RangeFull) -> Self {
        Self { min: Bound::Value(f64::NEG_INFINITY), max: Bound::Value(f64::INFINITY) }
    }
}

impl From<RangeFrom<f64>> for Interval<'_> {
    fn from(range: RangeFrom<f64>) -> Self {
        Self { min: Bound::Value(range.start), ..(..).into() }
    }
}

impl From<RangeToInclusive<f64>> for Interval<'_> {
    fn from(range: RangeToInclusive<f64>) -> Self {
        Self { max: Bound::Value(range.end), ..(..).into() }
    }
}

impl From<RangeInclusive<f64>> for Interval<'_> {
    fn from(range: RangeInclusive<f64>) -> Self {
        Self { min: Bound::Value(*range.start()), max: Bound::Value(*range.end()) }
    }
}

impl<'a> From<RangeFrom<&'a [f64]>> for Interval<'a> {
    fn from(range: RangeFrom<&'a [f64]>) -> Self {
        Self { min: Bound::PerSample(range.start), ..(..).into() }
    }
}

impl<'a> From<RangeToInclusive<&'a [f64]>> for Interval<'a> {
    fn from(range: RangeToInclusive<&'a [f64]>) -> Self {
        Self { max: Bound::PerSample(range.end), ..(..).into() }
    }
}

impl<'a> From<RangeInclusive<&'a [f64]>> for Interval<'a> {
    fn from(range: RangeInclusive<&'a [f64]>) -> Self {
        Self { min: Bound::PerSample(range.start()), max: Bound::PerSample(range.end()) }
    }
}
