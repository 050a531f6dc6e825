//! A radar section: many traces side by side, cleaned, picked and searched for echoes at once.

use std::cmp::Ordering;

use linalg::{Complex, DMatrix};
use rustfft::FftPlanner;

use super::{DelayOptions, Estimate, delays, finite_samples, positive};
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

/// The first arrival in one trace.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Pick {
    /// The time of the pulse's middle, the maximum of its envelope, in seconds from the trace's start,
    /// between samples.
    pub time_s: f64,
    /// The trace at the nearest sample.
    pub amplitude: f64,
    /// The energy within half a period of it over that of the two periods before: near 1, nothing
    /// arrived.
    pub energy_ratio: f64,
}

/// Arrivals that move out linearly with distance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Moveout {
    /// Distance over time.
    pub velocity_m_s: f64,
    /// The arrival at distance 0.
    pub intercept_s: f64,
    /// The standard error of the velocity, from the scatter of the picks about the line.
    pub std_error_m_s: f64,
    /// Picks within the scatter's three robust standard deviations.
    pub inliers: usize,
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
            let whole = traces.len().next_multiple_of(samples);
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
        let samples = self.traces.nrows();
        self.traces.as_slice().get(index * samples..(index + 1) * samples).unwrap_or(&[])
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

    /// The first arrival in every trace, given the `period_s` of the pulse: the first maximum of the
    /// envelope, the magnitude of the analytic signal, that no sample within half a period exceeds,
    /// and that reaches a tenth of the trace's largest and five times its quietest two periods.
    ///
    /// The envelope of a pulse travels with it whatever its phase, where a threshold on the trace comes
    /// the later the weaker the pulse, and an extremum of the trace skips cycles. Two arrivals closer
    /// than a period share a maximum: [`moveout`] is made for some wrong picks. O(n log n) per trace.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `period_s` is finite, greater than 0 and a fifth of a trace at
    /// most.
    pub fn first_arrivals(&self, period_s: f64) -> Result<Vec<Pick>> {
        positive("period_s", period_s)?;
        let samples = self.traces.nrows();
        let period = whole_samples(period_s, self.dt_s).max(1);
        if 5 * period > samples {
            let expected = "at most a fifth of a trace";
            return Err(Error::OutOfRange { argument: "period_s", value: period_s, expected });
        }
        let mut planner = FftPlanner::new();
        let (forward, inverse) =
            (planner.plan_fft_forward(samples), planner.plan_fft_inverse(samples));
        let envelope = |x: &[f64]| {
            let mut z: Vec<Complex<f64>> = x.iter().map(|&x| x.into()).collect();
            forward.process(&mut z);
            // Twice the positive frequencies, none of the negative ones.
            for (k, z) in z.iter_mut().enumerate() {
                *z *= match (2 * k).cmp(&samples) {
                    _ if k == 0 => 1.0,
                    Ordering::Less => 2.0,
                    Ordering::Equal => 1.0,
                    Ordering::Greater => 0.0,
                } / samples as f64;
            }
            inverse.process(&mut z);
            z.iter().map(|z| z.norm()).collect::<Vec<f64>>()
        };
        Ok(self.columns().map(|x| self.first_arrival(x, &envelope(x), period)).collect())
    }

    fn first_arrival(&self, x: &[f64], envelope: &[f64], period: usize) -> Pick {
        let window = 2 * period;
        let mut energy = vec![0.0; envelope.len() + 1];
        for (k, e) in envelope.iter().enumerate() {
            energy[k + 1] = energy[k] + e * e;
        }
        let largest = envelope.iter().fold(0.0, |most: f64, e| most.max(*e));
        let quietest = (0..=envelope.len() - window)
            .map(|k| (energy[k + window] - energy[k]).max(0.0))
            .fold(f64::INFINITY, f64::min);
        let noise = (quietest / window as f64).sqrt();
        let enough = (0.1 * largest).max(5.0 * noise);
        let half = (period / 2).max(1);
        let leads = |&k: &usize| {
            let near = k.saturating_sub(half)..(k + half + 1).min(envelope.len());
            envelope[k] >= enough && envelope[near].iter().all(|e| *e <= envelope[k])
        };
        // Where nothing stands out, the largest value, whose ratio tells.
        let at = (0..envelope.len()).find(leads).unwrap_or_else(|| {
            let order = |&a: &usize, &b: &usize| envelope[a].total_cmp(&envelope[b]);
            (0..envelope.len()).max_by(order).unwrap_or(0)
        });
        let (from, to) = (at.saturating_sub(half), (at + half).min(envelope.len()));
        let before = energy[from.saturating_sub(window)];
        let quiet = (energy[from] - before).max(quietest).max(f64::MIN_POSITIVE);
        let loud = (energy[to] - energy[from]) * window as f64 / (to - from).max(1) as f64;
        Pick {
            time_s: (at as f64 + vertex(envelope, at)) * self.dt_s,
            amplitude: x[at],
            energy_ratio: loud / quiet,
        }
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

/// The line t = t₀ + x/v through arrivals at the distances `offsets_m`.
///
/// The slope is the median of those of all pairs (Theil and Sen), which a quarter of wrong picks does
/// not move; the line is then fitted by least squares to the picks within three standard deviations of
/// it. O(n²).
///
/// # Errors
/// [`Error::Length`] unless there are as many offsets as times, [`Error::OutOfRange`] for fewer than
/// three or no two different offsets, [`Error::NotFinite`].
///
/// # References
/// P. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.
///
/// # Examples
/// A wave in air, one pick of five wrong:
/// ```
/// use dsp::subspace::moveout;
/// let offsets = [1.0, 2.0, 3.0, 4.0, 5.0];
/// let times = [5e-9, 8.3356e-9, 11.6713e-9, 30e-9, 18.3426e-9];
/// let line = moveout(&offsets, &times)?;
/// assert!((line.velocity_m_s / 299_792_458.0 - 1.0).abs() < 1e-4);
/// assert_eq!(line.inliers, 4);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn moveout(offsets_m: &[f64], times_s: &[f64]) -> Result<Moveout> {
    let n = offsets_m.len();
    if times_s.len() != n {
        return Err(Error::Length { argument: "times_s", found: times_s.len(), expected: n });
    }
    finite_samples("offsets_m", offsets_m)?;
    finite_samples("times_s", times_s)?;
    let mut slopes: Vec<f64> = (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .filter(|&(i, j)| offsets_m[i] - offsets_m[j] != 0.0)
        .map(|(i, j)| (times_s[j] - times_s[i]) / (offsets_m[j] - offsets_m[i]))
        .collect();
    if n < 3 || slopes.is_empty() {
        let expected = "at least 3 offsets, not all the same";
        return Err(Error::OutOfRange { argument: "offsets_m.len()", value: n as f64, expected });
    }
    let slope = median(&mut slopes);
    let mut rests: Vec<f64> = offsets_m.iter().zip(times_s).map(|(x, t)| t - slope * x).collect();
    let intercept = median(&mut rests.clone());
    for rest in &mut rests {
        *rest -= intercept;
    }
    // 1.4826 makes the median of absolute deviations a standard deviation.
    let mut sizes: Vec<f64> = rests.iter().map(|rest| rest.abs()).collect();
    let largest_time = times_s.iter().fold(0.0, |most: f64, t| most.max(t.abs()));
    let scatter = (1.4826 * median(&mut sizes)).max(4.0 * f64::EPSILON * largest_time);
    let inlying: Vec<usize> = (0..n).filter(|&i| rests[i].abs() <= 3.0 * scatter).collect();

    let count = inlying.len() as f64;
    let mean = |values: &[f64]| inlying.iter().map(|&i| values[i]).sum::<f64>() / count;
    let (mean_x, mean_t) = (mean(offsets_m), mean(times_s));
    let spread: f64 = inlying.iter().map(|&i| (offsets_m[i] - mean_x).powi(2)).sum();
    let (slope, intercept) = if spread > 0.0 {
        let together = inlying.iter().map(|&i| (offsets_m[i] - mean_x) * (times_s[i] - mean_t));
        let slope = together.sum::<f64>() / spread;
        (slope, mean_t - slope * mean_x)
    } else {
        (slope, intercept)
    };
    let squares: f64 =
        inlying.iter().map(|&i| (times_s[i] - intercept - slope * offsets_m[i]).powi(2)).sum();
    let slope_error = (squares / (count - 2.0).max(1.0) / spread.max(f64::MIN_POSITIVE)).sqrt();
    let velocity = 1.0 / slope;
    Ok(Moveout {
        velocity_m_s: velocity,
        intercept_s: intercept,
        std_error_m_s: velocity * velocity * slope_error,
        inliers: inlying.len(),
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

/// The place of the vertex of the parabola through `x[k - 1]`, `x[k]`, `x[k + 1]`, after k.
fn vertex(x: &[f64], k: usize) -> f64 {
    if k == 0 || k + 1 >= x.len() {
        return 0.0;
    }
    let (a, b, c) = (x[k - 1], x[k], x[k + 1]);
    let bend = a - 2.0 * b + c;
    if bend == 0.0 { 0.0 } else { (0.5 * (a - c) / bend).clamp(-1.0, 1.0) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole_samples(seconds: f64, dt_s: f64) -> usize {
    (seconds / dt_s).round() as usize
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const C: f64 = 299_792_458.0;

    /// Common-midpoint traces: a wave in air, a slower and stronger one in the ground, a reflection,
    /// wow, noise.
    fn common_midpoint(seed: u64, offsets: &[f64], dt: f64) -> Section {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let fc = 100e6;
        let ricker = |t: f64| {
            let u = (std::f64::consts::PI * fc * t).powi(2);
            (1.0 - 2.0 * u) * (-u).exp()
        };
        let mut samples = Vec::new();
        for &x in offsets {
            for k in 0..600 {
                let t = k as f64 * dt - 30e-9;
                let air = ricker(t - x / C) / x;
                let ground = 2.0 * ricker(t - x / 0.1e9) / x;
                let reflection = ricker(t - (60e-9_f64.powi(2) + (x / 0.1e9).powi(2)).sqrt()) / 4.0;
                let wow = 0.3 * (-t / 200e-9).exp();
                let noise = 0.004 * (rng.random::<f64>() - 0.5);
                samples.push(air + ground + reflection + wow + noise);
            }
        }
        Section::new(&samples, 600, dt).unwrap()
    }

    #[test]
    fn the_first_arrival_moves_out_at_the_speed_of_light() {
        let offsets: Vec<f64> = (2..40).map(|i| 0.25 * f64::from(i)).collect();
        for seed in 0..20 {
            for dt in [0.4e-9, 0.8e-9] {
                let section = common_midpoint(seed, &offsets, dt).dewowed(20e-9).unwrap();
                let picks = section.first_arrivals(10e-9).unwrap();
                let times: Vec<f64> = picks.iter().map(|pick| pick.time_s).collect();
                let line = moveout(&offsets, &times).unwrap();
                let error = line.velocity_m_s / C - 1.0;
                assert!(error.abs() < 0.015, "seed {seed}, dt {dt}: {line:?}, {error}");
            }
        }
    }

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
    fn the_parabola_is_exact_for_parabolas() {
        let x: Vec<f64> = (0..9).map(|k| 3.0 - (f64::from(k) - 4.3).powi(2)).collect();
        assert!((vertex(&x, 4) - 0.3).abs() < 1e-14);
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
            section.first_arrivals(5.0).unwrap_err().to_string(),
            "period_s is 5, expected at most a fifth of a trace"
        );
        assert_eq!(
            text(section.from_time_zero(20.0)),
            "time_zero_s is 20, expected a time within the traces"
        );
        assert!(section.first_arrivals(2.0).unwrap()[0].energy_ratio < 1.5, "nothing arrives");
        assert_eq!(
            moveout(&[1.0, 1.0, 1.0], &[0.0; 3]).unwrap_err().to_string(),
            "offsets_m.len() is 3, expected at least 3 offsets, not all the same"
        );
    }
}
