//! Peaks of a signal that comes in pieces.

use super::{Maximum, NanPolicy};
use crate::{Error, Result};

/// A peak that a [`PeakStream`] has confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamedPeak {
    /// Its place: middle and edges, counted from the first sample of the stream.
    pub maximum: Maximum,
    /// Its height.
    pub height: f64,
}

/// Finds the peaks of at least a given prominence while the signal arrives: exactly those of
/// [`super::find_peaks`] with `prominence(least..)` on the whole, in the same order, for any
/// way of cutting it.
///
/// A peak is reported once the signal has fallen by the prominence below it, and no earlier answer
/// is possible. Until then it is a candidate, which a higher sample takes back. The state is a few
/// numbers, and the candidates that are equally high, for all of them may turn out to be peaks.
///
/// What cannot be had this way, with any bounded memory: SciPy's `distance`, since each peak of a
/// rising chain waits for the next one's fate; and exact prominences without a window, since the
/// base of a high peak may lie arbitrarily far back.
///
/// # Examples
/// ```
/// use dsp::peaks::{NanPolicy, PeakStream};
/// let mut stream = PeakStream::new(1.0, NanPolicy::Refuse)?;
/// assert!(stream.extend(&[0.0, 2.0, 1.5, 3.0])?.is_empty(), "3 may be higher than 2 alone");
/// let found = stream.extend(&[2.5, 1.0])?;
/// assert_eq!((found.len(), found[0].maximum.index, found[0].height), (1, 3, 3.0));
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PeakStream {
    least: f64,
    nan: NanPolicy,
    /// Samples so far.
    seen: usize,
    /// The run of equal samples at the end of what was seen, and whether it came by a rise.
    run: Option<Run>,
    /// The lowest sample since the last peak was confirmed.
    low: f64,
    /// Maxima that stand out to their left and that nothing since was higher than.
    candidates: Vec<StreamedPeak>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    value: f64,
    start: usize,
    last: usize,
    rose: bool,
}

impl PeakStream {
    /// Before the first sample, for peaks of prominence `least` or more.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless the prominence is positive.
    pub fn new(least: f64, nan: NanPolicy) -> Result<Self> {
        if !(least > 0.0 && least.is_finite()) {
            let expected = "a positive number";
            return Err(Error::OutOfRange { argument: "prominence", value: least, expected });
        }
        let low = f64::INFINITY;
        Ok(Self { least, nan, seen: 0, run: None, low, candidates: Vec::new() })
    }

    /// Takes the next samples and returns the peaks that they confirm.
    ///
    /// # Errors
    /// [`Error::Nan`] with its index in the stream under [`NanPolicy::Refuse`]. The samples before
    /// it have been taken.
    pub fn extend(&mut self, samples: &[f64]) -> Result<Vec<StreamedPeak>> {
        let mut confirmed = Vec::new();
        for &value in samples {
            let index = self.seen;
            if value.is_nan() {
                match self.nan {
                    NanPolicy::Refuse => return Err(Error::Nan { argument: "x", index }),
                    NanPolicy::Barrier => {
                        (self.run, self.low) = (None, f64::INFINITY);
                        self.candidates.clear();
                    }
                    NanPolicy::Skip => {}
                }
            } else {
                self.take(value, index, &mut confirmed);
            }
            self.seen += 1;
        }
        Ok(confirmed)
    }

    #[expect(clippy::float_cmp, reason = "a plateau is of equal samples, not of similar ones")]
    fn take(&mut self, value: f64, index: usize, confirmed: &mut Vec<StreamedPeak>) {
        match &mut self.run {
            Some(run) if value == run.value => run.last = index,
            before => {
                let rose = before.is_some_and(|run| run.value < value);
                let next = Run { value, start: index, last: index, rose };
                if let Some(top) = before.replace(next)
                    && top.rose
                    && value < top.value
                {
                    self.consider(top);
                }
            }
        }
        if self.candidates.first().is_some_and(|top| top.height < value) {
            self.candidates.clear();
        }
        self.low = self.low.min(value);
        if self.candidates.first().is_some_and(|top| top.height - value >= self.least) {
            confirmed.append(&mut self.candidates);
            self.low = value;
        }
    }

    /// A local maximum has ended. It is not lower than any candidate unless they stand.
    fn consider(&mut self, top: Run) {
        let height = top.value;
        let lower = self.candidates.first().is_some_and(|candidate| height < candidate.height);
        if !lower && height - self.low >= self.least {
            let (left_edge, right_edge) = (top.start, top.last);
            let index = left_edge + (right_edge - left_edge) / 2;
            let maximum = Maximum { index, left_edge, right_edge };
            self.candidates.push(StreamedPeak { maximum, height });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peaks::{PeakOptions, find_peaks};
    use proptest::prelude::*;

    fn batch(x: &[f64], least: f64, nan: NanPolicy) -> Vec<StreamedPeak> {
        let options = PeakOptions::default().plateau_size(..).prominence(least..).nan(nan);
        let peaks = find_peaks(x, &options).unwrap();
        let both = peaks.plateaus.iter().zip(&peaks.heights);
        both.map(|(&maximum, &height)| StreamedPeak { maximum, height }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        /// Ties, plateaus, walks, gaps; chunks of any size.
        #[test]
        fn any_chunks_give_the_peaks_of_the_whole(
            steps in prop::collection::vec((-4i8..5, 1usize..3), 0..60),
            cuts in prop::collection::vec(1usize..20, 1..20),
            least in 1u8..9,
            walks in prop::bool::ANY,
            gaps in prop::bool::ANY,
        ) {
            let mut level = 0.0;
            let mut x = Vec::new();
            for &(step, count) in &steps {
                level = f64::from(step) + if walks { level } else { 0.0 };
                let gap = gaps && step == 4;
                x.extend(std::iter::repeat_n(if gap { f64::NAN } else { level }, count));
            }
            let least = f64::from(least);
            let mut stream = PeakStream::new(least, NanPolicy::Barrier).unwrap();
            let (mut found, mut start) = (Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = (start + cut).min(x.len());
                found.extend(stream.extend(&x[start..end]).unwrap());
                start = end;
                if start == x.len() {
                    break;
                }
            }
            prop_assert_eq!(found, batch(&x, least, NanPolicy::Barrier), "x = {:?}", x);
        }
    }

    #[test]
    fn the_state_is_small() {
        assert!(size_of::<PeakStream>() <= 128, "{} bytes", size_of::<PeakStream>());
    }

    #[test]
    fn bad_input_is_named() {
        let text = |least| PeakStream::new(least, NanPolicy::Refuse).unwrap_err().to_string();
        assert_eq!(text(0.0), "prominence is 0, expected a positive number");
        assert_eq!(text(f64::NAN), "prominence is NaN, expected a positive number");
        let mut stream = PeakStream::new(1.0, NanPolicy::Refuse).unwrap();
        stream.extend(&[1.0]).unwrap();
        assert_eq!(
            stream.extend(&[2.0, f64::NAN]).unwrap_err().to_string(),
            "x[2] is NaN; with NanPolicy::Barrier it parts the signal there"
        );
    }
}
