//! The first arrival in each trace of a radar section, and the speed at which it moves out.

use linalg::Complex;
use rustfft::FftPlanner;

use super::section::whole_samples;
use super::{Section, finite_samples, magnitude, positive};
use crate::{Error, Result};

/// The first arrival in one trace.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Pick {
    /// When the envelope rises through half of its first maximum, in seconds from the trace's start,
    /// between samples.
    pub time_s: f64,
    /// That maximum, in the unit of the trace.
    pub amplitude: f64,
    /// The energy within half a period of the maximum over that of the two periods before: near 1,
    /// nothing arrived.
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
    /// The first arrival in every trace, given the `period_s` of the pulse, to a third or so.
    ///
    /// The envelope is the magnitude of the analytic signal, in the band from a quarter of the pulse's
    /// frequency to two and a half times that: wow, an offset and most of the noise lie outside. Its
    /// first maximum that no sample within half a period exceeds, and that reaches a tenth of the trace's
    /// largest and five times its quietest two periods, is the arrival; where its front has half of that
    /// height is the time.
    ///
    /// The envelope of a pulse travels with it whatever its phase, where a threshold on the trace comes
    /// the later the weaker the pulse, and an extremum of the trace skips cycles. And what arrives next
    /// moves the maximum long before it moves the front: on the wide-angle section of 100 MHz among
    /// `GPRPy`'s examples, as it was recorded, the air wave moves out at c within 0.6 % by fronts over six
    /// ranges of 7 to 16 m, for any period from 7 to 14 ns; by maxima of the whole envelope, even
    /// without wow, within 3.3 %. [`moveout`] is made for some wrong picks. O(n log n) per trace.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless `period_s` is finite, greater than 0 and a fifth of a trace at
    /// most.
    ///
    /// # Examples
    /// Counts of two bytes at distances of 2, 4 and 6 m, a pulse of 10 ns that travels in air, on an offset:
    /// ```
    /// use dsp::subspace::{Section, moveout};
    /// let offsets = [2.0, 4.0, 6.0];
    /// let mut counts = Vec::new();
    /// for x in offsets {
    ///     for k in 0..200 {
    ///         let u = (0.5 * f64::from(k) - 20.0 - x / 0.299_792_458) / 10.0 * std::f64::consts::PI;
    ///         counts.push((5000.0 + 9000.0 / x * (1.0 - 2.0 * u * u) * (-u * u).exp()) as i16);
    ///     }
    /// }
    /// let picks = Section::from_i16(&counts, 200, 0.5e-9)?.first_arrivals(10e-9)?;
    /// let times: Vec<f64> = picks.iter().map(|pick| pick.time_s).collect();
    /// let line = moveout(&offsets, &times)?;
    /// assert!((line.velocity_m_s / 299_792_458.0 - 1.0).abs() < 0.005);
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn first_arrivals(&self, period_s: f64) -> Result<Vec<Pick>> {
        positive("period_s", period_s)?;
        let samples = self.trace(0).len();
        let period = whole_samples(period_s, self.dt_s()).max(1);
        if period > samples / 5 {
            let expected = "at most a fifth of a trace";
            return Err(Error::OutOfRange { argument: "period_s", value: period_s, expected });
        }
        let mut planner = FftPlanner::new();
        let (forward, inverse) =
            (planner.plan_fft_forward(samples), planner.plan_fft_inverse(samples));
        // Twice the positive frequencies of the band, none of the negative ones.
        let band: Vec<f64> = (0..samples)
            .map(|k| if 2 * k < samples { k as f64 * period_s / self.dt_s() } else { 0.0 })
            .map(|periods| in_band(periods / samples as f64) * 2.0 / samples as f64)
            .collect();
        let envelope = |x: &[f64]| {
            let mut z = without_line(x, period);
            forward.process(&mut z);
            z.iter_mut().zip(&band).for_each(|(z, weight)| *z *= weight);
            inverse.process(&mut z);
            z.iter().map(|z| z.norm()).collect::<Vec<f64>>()
        };
        let traces = (0..self.traces()).map(|index| self.trace(index));
        Ok(traces.map(|x| first_arrival(&envelope(x), period, self.dt_s())).collect())
    }
}

/// How much of a frequency, in units of the pulse's, belongs to the pulse.
fn in_band(frequency: f64) -> f64 {
    let rise = |from: f64, to: f64| {
        let part = ((frequency - from) / (to - from)).clamp(0.0, 1.0);
        0.5 - 0.5 * (std::f64::consts::PI * part).cos()
    };
    rise(0.2, 0.4) * (1.0 - rise(2.0, 3.0))
}

/// The trace without the line through the means of its first and its last period, whose jump from
/// the end to the start a transform would take for an arrival.
fn without_line(x: &[f64], period: usize) -> Vec<Complex<f64>> {
    let n = x.len();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&x[..period]), mean(&x[n - period..]));
    let slope = (last - first) / (n - period) as f64;
    let middle = (period - 1) as f64 / 2.0;
    let line = |k: usize| first + slope * (k as f64 - middle);
    x.iter().enumerate().map(|(k, x)| Complex::from(x - line(k))).collect()
}

fn first_arrival(envelope: &[f64], period: usize, dt_s: f64) -> Pick {
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
    let level = envelope[at] / 2.0;
    let below = envelope[..at].iter().rposition(|e| *e <= level);
    let front =
        below.map_or(0.0, |k| k as f64 + (level - envelope[k]) / (envelope[k + 1] - envelope[k]));
    let (from, to) = (at.saturating_sub(half), (at + half).min(envelope.len()));
    let before = energy[from.saturating_sub(window)];
    let quiet = (energy[from] - before).max(quietest).max(f64::MIN_POSITIVE);
    let loud = (energy[to] - energy[from]) * window as f64 / (to - from).max(1) as f64;
    Pick { time_s: front * dt_s, amplitude: envelope[at], energy_ratio: loud / quiet }
}

/// The line t = t₀ + x/v through arrivals at the distances `offsets_m`.
///
/// The slope is the median of those of all pairs (Theil and Sen), which a quarter of wrong picks does
/// not move; the line is then fitted by least squares to the picks within three standard deviations of
/// it. O(n²).
///
/// # Errors
/// [`Error::Length`] unless there are as many offsets as times, [`Error::OutOfRange`] for fewer than
/// three or no two different offsets, or where the largest offset or time is outside of 1e-40 to 1e40,
/// [`Error::NotFinite`], [`Error::NoSignal`] for offsets or times that are all 0.
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
    magnitude("offsets_m", "the largest of offsets_m", offsets_m.iter().copied())?;
    magnitude("times_s", "the largest of times_s", times_s.iter().copied())?;
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
        // A wave that reaches all offsets at once has any velocity above some.
        std_error_m_s: if slope == 0.0 { f64::INFINITY } else { velocity * velocity * slope_error },
        inliers: inlying.len(),
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    f64::midpoint(values[(n - 1) / 2], values[n / 2])
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use std::f64::consts::TAU;

    const C: f64 = 299_792_458.0;
    const SAMPLES: usize = 700;

    /// What makes a section hard to pick.
    #[derive(Clone, Copy)]
    struct Trouble {
        dt: f64,
        /// Of the pulse: how much of it comes again half a period later, with the sign changed.
        ringing: f64,
        /// The amplitude of the wave in the ground, in units of that in air.
        ground: f64,
        /// The slow swing, in units of the air wave at 1 m.
        wow: f64,
        /// Of each trace by itself, and the same in all of them.
        jitter: f64,
        noise: f64,
        /// Where samples are cut off.
        clip: f64,
        /// The window of an automatic gain control, in samples; 0 for none.
        gain: usize,
        /// One trace of so many is dead.
        dead: usize,
    }

    const CLEAN: Trouble = Trouble {
        dt: 0.4e-9,
        ringing: 0.0,
        ground: 2.0,
        wow: 0.3,
        jitter: 0.0,
        noise: 0.004,
        clip: 2.0,
        gain: 0,
        dead: usize::MAX,
    };

    fn offsets() -> Vec<f64> {
        (4..48).map(|i| 0.25 * f64::from(i)).collect()
    }

    /// Common-midpoint traces: a wave in air, a slower and stronger one in the ground, a reflection,
    /// as counts of two bytes.
    fn common_midpoint(seed: u64, trouble: Trouble) -> Section {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let ricker = |t: f64| {
            let u = (std::f64::consts::PI * 100e6 * t).powi(2);
            (1.0 - 2.0 * u) * (-u).exp()
        };
        let pulse = |t: f64| {
            let again = |k: i32| (-trouble.ringing).powi(k) * ricker(t - 5e-9 * f64::from(k));
            (0..6).map(again).sum::<f64>()
        };
        let mut counts = Vec::new();
        for (index, &x) in offsets().iter().enumerate() {
            let late = trouble.jitter * (rng.random::<f64>() - 0.5);
            let offset = 0.1 * (rng.random::<f64>() - 0.5);
            let mut trace: Vec<f64> = (0..SAMPLES)
                .map(|k| {
                    let t = k as f64 * trouble.dt - 40e-9 - late;
                    let air = pulse(t - x / C) / x;
                    let ground = trouble.ground * pulse(t - x / 0.1e9) / x;
                    let deep = (80e-9_f64.powi(2) + (x / 0.1e9).powi(2)).sqrt();
                    let reflection = pulse(t - deep) / 4.0;
                    let since = (t - x / C + 10e-9).max(0.0);
                    let swing = (-since / 150e-9).exp() - (-since / 25e-9).exp();
                    let wow = trouble.wow * swing / x;
                    let noise = trouble.noise * (rng.random::<f64>() - 0.5);
                    air + ground + reflection + wow + noise + offset
                })
                .collect();
            if trouble.gain > 0 {
                trace = gained(&trace, trouble.gain);
            }
            let dead = index % trouble.dead == trouble.dead / 2;
            let scale = if dead { 0.0 } else { 32767.0 / trouble.clip };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a number beyond 16 bits is clipped"
            )]
            counts.extend(trace.into_iter().map(|x| (scale * x) as i16));
        }
        Section::from_i16(&counts, SAMPLES, trouble.dt).unwrap()
    }

    /// Each sample over the root of the mean square of the window about it.
    fn gained(x: &[f64], window: usize) -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (0..x.len())
            .map(|k| {
                let near = &x[k.saturating_sub(window / 2)..(k + window / 2).min(x.len())];
                let power =
                    near.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / near.len() as f64;
                0.5 * (x[k] - mean) / power.sqrt()
            })
            .collect()
    }

    #[test]
    fn the_first_arrival_moves_out_at_the_speed_of_light() {
        let cases = [
            ("clean", CLEAN),
            ("sampled coarsely", Trouble { dt: 0.8e-9, ..CLEAN }),
            ("ringing", Trouble { ringing: 0.6, ..CLEAN }),
            ("a strong wave in the ground", Trouble { ground: 5.0, ..CLEAN }),
            ("wow", Trouble { wow: 3.0, clip: 6.0, ..CLEAN }),
            ("jitter of the trigger", Trouble { jitter: 0.6e-9, ..CLEAN }),
            ("noise", Trouble { noise: 0.02, ..CLEAN }),
            ("clipped up to 3 m", Trouble { clip: 0.3, ..CLEAN }),
            ("automatic gain", Trouble { gain: 125, ..CLEAN }),
            ("dead traces", Trouble { dead: 7, ..CLEAN }),
            (
                "all of it",
                Trouble {
                    ringing: 0.5,
                    ground: 3.0,
                    wow: 1.0,
                    jitter: 0.5e-9,
                    noise: 0.01,
                    clip: 0.5,
                    dead: 9,
                    ..CLEAN
                },
            ),
        ];
        for (name, trouble) in cases {
            for seed in 0..3 {
                let section = common_midpoint(seed, trouble);
                for period in [7e-9, 10e-9, 14e-9] {
                    let picks = section.first_arrivals(period).unwrap();
                    let times: Vec<f64> = picks.iter().map(|pick| pick.time_s).collect();
                    let line = moveout(&offsets(), &times).unwrap();
                    let error = line.velocity_m_s / C - 1.0;
                    // What a real section is asked for.
                    assert!(error.abs() < 0.015, "{name}, seed {seed}, period {period:e}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_front_has_half_the_height_and_no_offset_moves_it() {
        // Its band, 100 ± 16 MHz, is inside, so its envelope is its own: exp(−u²/2), half at
        // u = √(2 ln 2).
        let (dt, at, width) = (0.1e-9, 90e-9, 10e-9);
        let pulse = |t: f64| {
            let u = (t - at) / width;
            100.0 * (-u * u / 2.0).exp() * (TAU * 100e6 * (t - at)).cos()
        };
        let front = at - width * (2.0 * 2_f64.ln()).sqrt();
        for (offset, slope) in [(0.0, 0.0), (1e4, 0.0), (-300.0, 2e9)] {
            let x: Vec<f64> = (0..2000)
                .map(|k| f64::from(k) * dt)
                .map(|t| pulse(t) + offset + slope * t)
                .collect();
            let pick = Section::new(&x, 2000, dt).unwrap().first_arrivals(10e-9).unwrap()[0];
            // Beyond 3.7 deviations the band cuts 2e-4 of the envelope off, which rises by that in 4 ps.
            assert!((pick.time_s - front).abs() < 8e-12, "{pick:?}, {front:e}");
            assert!((pick.amplitude - 100.0).abs() < 0.05, "{pick:?}");
            // 4·erf(½)/(erf(2½) − erf(½)), of the squared envelope; the windows begin and end between
            // samples, which are a hundredth of them.
            assert!((pick.energy_ratio / 4.346 - 1.0).abs() < 0.02, "{pick:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_and_nothing_is_told() {
        let section = Section::new(&[0.0; 20], 20, 1.0).unwrap();
        assert_eq!(
            section.first_arrivals(5.0).unwrap_err().to_string(),
            "period_s is 5, expected at most a fifth of a trace"
        );
        assert!(section.first_arrivals(2.0).unwrap()[0].energy_ratio < 1.5, "nothing arrives");
        assert_eq!(
            moveout(&[1.0, 1.0, 1.0], &[0.0; 3]).unwrap_err().to_string(),
            "offsets_m.len() is 3, expected at least 3 offsets, not all the same"
        );
    }

    #[test]
    fn a_line_has_the_error_of_least_squares() {
        // Rests that are orthogonal to a constant and to the offsets: 84·e² over 6 − 2 about a slope over
        // offsets whose squares about their mean are 17.5.
        let (slowness, e) = (3.3e-9, 2e-11);
        let offsets: Vec<f64> = (0..6).map(f64::from).collect();
        let rests = [5.0, -1.0, -4.0, -4.0, -1.0, 5.0];
        let times: Vec<f64> =
            offsets.iter().zip(rests).map(|(x, rest)| 1e-8 + slowness * x + e * rest).collect();
        let line = moveout(&offsets, &times).unwrap();
        assert_eq!(line.inliers, 6);
        let velocity = 1.0 / slowness;
        let error = velocity * velocity * (84.0_f64 / 4.0 / 17.5).sqrt() * e;
        // Times of 3e-8 are rounded to 4e-24, which is 2e-13 of e.
        assert!((line.velocity_m_s / velocity - 1.0).abs() <= 1e-12, "{line:?}");
        assert!((line.std_error_m_s / error - 1.0).abs() <= 1e-11, "{line:?} {error}");
        // All at once: any velocity above some.
        let flat = moveout(&offsets, &[1e-8; 6]).unwrap();
        assert!(flat.std_error_m_s.is_infinite() && flat.std_error_m_s > 0.0, "{flat:?}");
    }
}
