//! A radar section: many traces side by side, cleaned, picked and searched for echoes at once.

use linalg::DMatrix;

use super::{DelayOptions, Estimate, Layout, delays, finite_samples, positive};
use crate::parallel::for_each_chunk;
use crate::{Error, Result};

/// Traces of the same length and sampling interval.
///
/// # Examples
/// Counts of two bytes, as instruments write them, every 0.4 ns:
/// ```
/// use dsp::subspace::Section;
/// let counts: [i16; 6] = [0, 3, -1, 0, 4, -2];
/// let section = Section::from_i16(&counts, 3, 0.4e-9)?;
/// assert_eq!((section.traces(), section.dt_s()), (2, 0.4e-9));
/// assert_eq!(section.trace(1), [0.0, 4.0, -2.0]);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    traces: DMatrix<f64>,
    dt_s: f64,
}

impl Section {
    /// Traces of `samples` samples each, one after the other, `dt_s` seconds apart.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `dt_s` is finite and greater than 0, [`Error::Empty`],
    /// [`Error::Length`] where the last trace is not whole, [`Error::NotFinite`].
    pub fn new(traces: &[f64], samples: usize, dt_s: f64) -> Result<Self> {
        positive("dt_s", dt_s)?;
        if traces.is_empty() || samples == 0 {
            return Err(Error::Empty { argument: "traces" });
        }
        if !traces.len().is_multiple_of(samples) {
            let whole = traces.len().checked_next_multiple_of(samples).unwrap_or(samples);
            return Err(Error::Length { argument: "traces", found: traces.len(), expected: whole });
        }
        finite_samples("traces", traces)?;
        let count = traces.len() / samples;
        Ok(Self { traces: DMatrix::from_column_slice(samples, count, traces), dt_s })
    }

    /// The same from samples of two bytes.
    ///
    /// # Errors
    /// As [`Section::new`].
    pub fn from_i16(traces: &[i16], samples: usize, dt_s: f64) -> Result<Self> {
        let traces: Vec<f64> = traces.iter().map(|&x| x.into()).collect();
        Self::new(&traces, samples, dt_s)
    }

    /// The same from samples of four bytes.
    ///
    /// # Errors
    /// As [`Section::new`].
    pub fn from_i32(traces: &[i32], samples: usize, dt_s: f64) -> Result<Self> {
        let traces: Vec<f64> = traces.iter().map(|&x| x.into()).collect();
        Self::new(&traces, samples, dt_s)
    }

    /// The same from the bytes of a file, laid out as `layout` says.
    ///
    /// # Errors
    /// As [`Section::new`]; [`Error::OutOfRange`] where the bytes do not make a header and whole
    /// traces.
    ///
    /// # Examples
    /// See [`Layout`].
    pub fn from_bytes(bytes: &[u8], layout: &Layout, dt_s: f64) -> Result<Self> {
        Self::new(&layout.read(bytes)?, layout.samples, dt_s)
    }

    /// How many traces there are.
    #[must_use]
    pub fn traces(&self) -> usize {
        self.traces.ncols()
    }

    /// Seconds between samples.
    #[must_use]
    pub fn dt_s(&self) -> f64 {
        self.dt_s
    }

    /// The samples of trace `index`; empty where there is none.
    #[must_use]
    pub fn trace(&self, index: usize) -> &[f64] {
        let mut traces = self.traces.as_slice().chunks_exact(self.traces.nrows());
        traces.nth(index).unwrap_or_default()
    }

    /// The section without wow, the slow swing on which an unshielded receiver's traces ride: from
    /// each sample the mean over `window_s` seconds about it is taken away, over less near the ends, as far
    /// on either side. Choose a window of one or two periods of the pulse. O(samples).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `window_s` is finite and greater than 0.
    pub fn dewowed(&self, window_s: f64) -> Result<Self> {
        positive("window_s", window_s)?;
        let samples = self.traces.nrows();
        let half = whole_samples(window_s / 2.0, self.dt_s).min(samples);
        let mut traces = self.traces.clone();
        for (mut column, x) in traces.column_iter_mut().zip(self.columns()) {
            // Sums from the start, compensated by taking the trace's mean away first.
            let mean = x.iter().sum::<f64>() / samples as f64;
            let mut sums = vec![0.0; samples + 1];
            for (k, x) in x.iter().enumerate() {
                sums[k + 1] = sums[k] + (x - mean);
            }
            for (k, entry) in column.iter_mut().enumerate() {
                // As far on either side, or a slope would leave a bias at the ends.
                let reach = half.min(k).min(samples - 1 - k);
                let (from, to) = (k - reach, k + reach + 1);
                *entry = x[k] - mean - (sums[to] - sums[from]) / (to - from) as f64;
            }
        }
        Ok(Self { traces, dt_s: self.dt_s })
    }

    /// The section from `time_zero_s` on, where the pulse left the transmitter.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `time_zero_s` lies within the traces.
    pub fn from_time_zero(&self, time_zero_s: f64) -> Result<Self> {
        let samples = self.traces.nrows();
        let end = (samples - 1) as f64 * self.dt_s;
        if !(0.0..=end).contains(&time_zero_s) {
            let expected = "a time within the traces";
            let (argument, value) = ("time_zero_s", time_zero_s);
            return Err(Error::OutOfRange { argument, value, expected });
        }
        let first = whole_samples(time_zero_s, self.dt_s).min(samples - 1);
        let traces = self.traces.rows(first, samples - first).into_owned();
        Ok(Self { traces, dt_s: self.dt_s })
    }

    /// The echoes of `pulse` in every trace, as [`delays`] finds them; a trace that cannot be used has
    /// its error. Over threads with the feature `parallel`, the results the same for any number.
    #[must_use]
    pub fn delays(&self, pulse: &[f64], options: &DelayOptions) -> Vec<Result<Estimate>> {
        let mut found: Vec<Option<Result<Estimate>>> = (0..self.traces()).map(|_| None).collect();
        for_each_chunk(
            &mut found,
            1,
            || (),
            |(), index, found| {
                found[0] = Some(delays(self.trace(index), pulse, self.dt_s, options));
            },
        );
        found.into_iter().flatten().collect()
    }

    fn columns(&self) -> impl Iterator<Item = &[f64]> {
        self.traces.as_slice().chunks_exact(self.traces.nrows())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) fn whole_samples(seconds: f64, dt_s: f64) -> usize {
    (seconds / dt_s).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wow_goes_and_the_pulse_stays() {
        let dt = 1e-9;
        let x: Vec<f64> = (0..400).map(|k| 5.0 + 0.01 * f64::from(k)).collect();
        let section = Section::new(&x, 400, dt).unwrap().dewowed(40e-9).unwrap();
        // A line is its own running mean, at the ends too.
        assert!(section.trace(0).iter().all(|x| x.abs() < 1e-10), "{section:?}");
        assert_eq!(section.from_time_zero(10e-9).unwrap().trace(0).len(), 390);
    }

    #[test]
    fn nonsense_is_refused() {
        let text = |section: Result<Section>| section.unwrap_err().to_string();
        assert_eq!(text(Section::new(&[0.0; 7], 3, 1e-9)), "traces has 7 samples, expected 9");
        assert_eq!(
            text(Section::from_i16(&[1, 2], 2, -1.0)),
            "dt_s is -1, expected a finite number greater than 0"
        );
        assert_eq!(
            text(Section::from_i32(&[], 2, 1.0)),
            "traces is empty; at least one sample is needed"
        );
        let section = Section::new(&[0.0; 20], 20, 1.0).unwrap();
        assert_eq!(
            text(section.from_time_zero(20.0)),
            "time_zero_s is 20, expected a time within the traces"
        );
    }
}
