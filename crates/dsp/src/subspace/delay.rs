//! From a received trace and the sent pulse to the delays of the echoes.

use std::ops::Range;

use linalg::{Complex, DMatrix};
use rustfft::FftPlanner;

use super::estimate::finish;
use super::fit::{Amplitudes, Model};
use super::{
    Axis, Covariance, Estimate, Options, Smoothing, Subspace, finite_samples, magnitude, positive,
};
use crate::{Error, Result};

/// Which part of the trace and of the spectrum is used, and how.
///
/// # Examples
/// ```
/// use dsp::subspace::{DelayOptions, Options, Sources};
/// let two = Options::default().sources(Sources::Known(2));
/// let options = DelayOptions::default().search(two).gate_s(4e-9..9e-9);
/// assert_eq!(options.band_db, 10.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DelayOptions {
    /// How many echoes there are, where their estimates start and how they are refined. Its subarray
    /// counts samples of the band, two thirds of them by default.
    pub search: Options,
    /// The band for the subspace method: where the pulse's power spectrum lies less than so many
    /// decibels below its peak, 10 by default. A wider band resolves better, until the pulse drowns
    /// in noise at its edges. The refinement uses 40 dB: it needs no division.
    pub band_db: f64,
    /// r in the division H = R·S̄/(|S|² + r·max|S|²), 0 by default: within the band |S|² is at least a
    /// tenth of its maximum, and every r > 0 biases the echoes.
    pub regularization: f64,
    /// The delays that are looked for, in seconds; all of the trace by default. The trace is cut to
    /// the echoes that begin in the gate, so what lies outside should not reach into it.
    pub gate_s: Option<Range<f64>>,
}

impl Default for DelayOptions {
    fn default() -> Self {
        Self { search: Options::default(), band_db: 10.0, regularization: 0.0, gate_s: None }
    }
}

impl DelayOptions {
    /// Sets [`DelayOptions::search`].
    #[must_use]
    pub fn search(mut self, search: Options) -> Self {
        self.search = search;
        self
    }

    /// Sets [`DelayOptions::band_db`].
    #[must_use]
    pub fn band_db(mut self, decibels: f64) -> Self {
        self.band_db = decibels;
        self
    }

    /// Sets [`DelayOptions::regularization`].
    #[must_use]
    pub fn regularization(mut self, fraction: f64) -> Self {
        self.regularization = fraction;
        self
    }

    /// Sets [`DelayOptions::gate_s`].
    #[must_use]
    pub fn gate_s(mut self, delays: Range<f64>) -> Self {
        self.gate_s = Some(delays);
        self
    }

    fn check(&self) -> Result<()> {
        positive("band_db", self.band_db)?;
        if !(self.regularization >= 0.0 && self.regularization.is_finite()) {
            return Err(Error::OutOfRange {
                argument: "regularization",
                value: self.regularization,
                expected: "a finite number that is at least 0",
            });
        }
        Ok(())
    }
}

/// H(f) = R(f)/S(f) in the band of the pulse: what a subspace method finds delays in.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TransferFunction {
    /// H at `first_bin`·`step_hz`, (`first_bin` + 1)·`step_hz`, …
    pub values: Vec<Complex<f64>>,
    /// The bin of the first value.
    pub first_bin: usize,
    /// Δf, one over the length of the trace (of the gated part, if it was gated). Delays are
    /// unambiguous within 1/Δf.
    pub step_hz: f64,
    /// Where delay 0 of the values lies in the trace, in seconds: the start of the gate.
    pub start_s: f64,
}

/// Step one to three from a trace to delays: transform, choice of the band, division by the pulse.
///
/// `trace` and `pulse` are sampled every `dt_s` seconds; a delay counts from the pulse's first sample
/// to where that stands in the trace.
///
/// # Errors
/// As [`delays`].
///
/// # Examples
/// One echo: H turns by −2πΔf·τ from value to value.
/// ```
/// use dsp::subspace::{DelayOptions, ricker, transfer_function};
/// let pulse = ricker(1.5e9, 25e-12, 81)?;
/// let mut trace = vec![0.0; 400];
/// trace[100..181].copy_from_slice(&pulse);
/// let h = transfer_function(&trace, &pulse, 25e-12, &DelayOptions::default())?;
/// assert_eq!(h.step_hz, 1.0 / (400.0 * 25e-12)); // 100 MHz
/// assert!((h.first_bin, h.values.len()) == (6, 22)); // 0.55 to 2.75 GHz
/// let turn = (h.values[1] / h.values[0]).arg();
/// let tau = (-turn / std::f64::consts::TAU).rem_euclid(1.0) / h.step_hz;
/// assert!((tau - 2.5e-9).abs() < 1e-18);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn transfer_function(
    trace: &[f64],
    pulse: &[f64],
    dt_s: f64,
    options: &DelayOptions,
) -> Result<TransferFunction> {
    Ok(Spectra::new(trace, pulse, dt_s, options)?.divided(options))
}

/// The echoes of `pulse` in `trace`, both sampled every `dt_s` seconds: delays in seconds from the
/// trace's first sample to the first sample of each pulse, and real amplitudes.
///
/// ```text
/// trace(t) = ∑ᵢ aᵢ·pulse(t − τᵢ) + white noise
/// ```
///
/// By default: the band within 10 dB of the pulse's peak; division by the pulse; forward-backward
/// smoothing; from MUSIC, ESPRIT and an exhaustive search of pairs a maximum-likelihood fit of the
/// undivided transform; as many echoes as make the description shortest. The noise is taken
/// to be white; the pulse must fit into the trace, or into the gate.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`], [`Error::NoSignal`] for a trace or a pulse of zeros,
/// [`Error::NoBand`] where the trace is too short for the pulse's band, [`Error::OutOfRange`] for a
/// sampling interval, a gate or another option out of range, or a largest sample outside of 1e-40 to 1e40, [`Error::Sources`] for more echoes than
/// can be told apart.
///
/// # Examples
/// See the [module's page](super).
///
/// # References
/// C. Le Bastard, V. Baltazart, Y. Wang and J. Saillard, "Thin-pavement thickness estimation using
/// GPR with high-resolution and superresolution methods", IEEE Trans. Geoscience and Remote Sensing
/// 45(8), 2007, for MUSIC and ESPRIT on H; the refinement is [`super`]'s.
pub fn delays(trace: &[f64], pulse: &[f64], dt_s: f64, options: &DelayOptions) -> Result<Estimate> {
    let spectra = Spectra::new(trace, pulse, dt_s, options)?;
    let h = spectra.divided(options);
    let snapshot = DMatrix::from_column_slice(h.values.len(), 1, &h.values);
    let samples = h.values.len();
    let smoothed = |length: usize| {
        let smoothing = Smoothing::ForwardBackward { length: length.max(2) };
        Subspace::new(&Covariance::new(&snapshot, smoothing)?)
    };
    let subspace = smoothed(options.search.subarray.unwrap_or((2 * samples).div_ceil(3)))?;
    // Counting wants many subarrays more than it wants aperture.
    let count = smoothed(samples / 3)?.source_count();

    let wide = spectra.band(40.0);
    let received = &spectra.trace[wide.clone()];
    let data = DMatrix::from_column_slice(received.len(), 1, received);
    let model = Model {
        data: &data,
        pulse: &spectra.pulse[wide.clone()],
        first: wide.start,
        amplitudes: Amplitudes::Real,
    };
    let axis = Axis::delay(h.step_hz)?;
    // An eighth of a period at the band's upper end; only delays within the gate.
    let last = spectra.pulse_fits.min(axis.extent());
    let step = 1.0 / (8.0 * (h.first_bin + samples) as f64 * h.step_hz);
    let points = (last / step).ceil().max(1.0);
    let grid: Vec<f64> = (0_u32..)
        .map(f64::from)
        .take_while(|&index| index <= points)
        .map(|index| axis.angle(index / points * last))
        .collect();
    let mut estimate = finish(&model, &subspace, count, axis, &options.search, &grid)?;
    for source in &mut estimate.sources {
        source.value += h.start_s;
    }
    // A transform multiplies the variance of white noise by the samples; back to one of the trace's.
    estimate.noise_variance *= 2.0 / spectra.samples as f64;
    Ok(estimate)
}

/// The transforms of a trace and of a pulse, at the frequencies between 0 and half the sample rate.
struct Spectra {
    trace: Vec<Complex<f64>>,
    pulse: Vec<Complex<f64>>,
    samples: usize,
    step_hz: f64,
    start_s: f64,
    /// The latest delay, in seconds after `start_s`, at which the pulse still fits.
    pulse_fits: f64,
    /// Bins of the band of [`DelayOptions::band_db`].
    band: Range<usize>,
}

impl Spectra {
    fn new(trace: &[f64], pulse: &[f64], dt_s: f64, options: &DelayOptions) -> Result<Self> {
        options.check()?;
        positive("dt_s", dt_s)?;
        for (argument, samples) in [("trace", trace), ("pulse", pulse)] {
            if samples.is_empty() {
                return Err(Error::Empty { argument });
            }
            finite_samples(argument, samples)?;
            if samples.iter().all(|&x| x == 0.0) {
                return Err(Error::NoSignal { argument });
            }
        }
        let gate = gated(trace.len(), pulse.len(), dt_s, options.gate_s.as_ref())?;
        let start_s = gate.start as f64 * dt_s;
        let trace = &trace[gate];
        if pulse.len() > trace.len() {
            return Err(Error::Length {
                argument: "pulse",
                found: pulse.len(),
                expected: trace.len(),
            });
        }
        magnitude("the gated trace", "the largest sample in the gate", trace.iter().copied())?;
        magnitude("pulse", "the largest sample of pulse", pulse.iter().copied())?;
        let n = trace.len();
        let transform = FftPlanner::new().plan_fft_forward(n);
        let half = |samples: &[f64]| {
            let mut x: Vec<Complex<f64>> = samples.iter().map(|&x| x.into()).collect();
            x.resize(n, Complex::default());
            transform.process(&mut x);
            // The mean and the sample rate's half are real, and carry no delay.
            x.truncate(n.div_ceil(2));
            x
        };
        let mut spectra = Self {
            trace: half(trace),
            pulse: half(pulse),
            samples: n,
            step_hz: 1.0 / (n as f64 * dt_s),
            start_s,
            pulse_fits: (n - pulse.len()) as f64 * dt_s,
            band: 0..0,
        };
        if !spectra.step_hz.is_finite() {
            let expected = "an interval whose reciprocal is a number";
            return Err(Error::OutOfRange { argument: "dt_s", value: dt_s, expected });
        }
        spectra.band = spectra.band(options.band_db);
        if spectra.band.len() < 4 {
            return Err(Error::NoBand { bins: spectra.band.len() });
        }
        Ok(spectra)
    }

    /// The bins around the strongest one in which the pulse's power is less than `decibels` below.
    fn band(&self, decibels: f64) -> Range<usize> {
        let power: Vec<f64> = self.pulse.iter().map(Complex::norm_sqr).collect();
        let inner = 1..power.len().max(1);
        let peak = inner.clone().max_by(|&a, &b| power[a].total_cmp(&power[b])).unwrap_or(0);
        let enough = power.get(peak).map_or(0.0, |power| power * 10_f64.powf(-decibels / 10.0));
        if enough <= 0.0 {
            return 0..0;
        }
        let below = inner.clone().take_while(|&k| k < peak).filter(|&k| power[k] < enough).last();
        let above = (peak..power.len()).find(|&k| power[k] < enough).unwrap_or(power.len());
        below.map_or(inner.start, |k| k + 1)..above
    }

    fn divided(&self, options: &DelayOptions) -> TransferFunction {
        let pulse = &self.pulse[self.band.clone()];
        let strongest = pulse.iter().map(Complex::norm_sqr).fold(0.0, f64::max);
        let values = self.trace[self.band.clone()]
            .iter()
            .zip(pulse)
            .map(|(r, s)| r * s.conj() / (s.norm_sqr() + options.regularization * strongest))
            .collect();
        let (step_hz, start_s) = (self.step_hz, self.start_s);
        TransferFunction { values, first_bin: self.band.start, step_hz, start_s }
    }
}

/// The samples of echoes whose delays lie in `gate`.
fn gated(trace: usize, pulse: usize, dt_s: f64, gate: Option<&Range<f64>>) -> Result<Range<usize>> {
    let Some(gate) = gate else { return Ok(0..trace) };
    let end = trace as f64 * dt_s;
    for (argument, value) in [("gate_s.start", gate.start), ("gate_s.end", gate.end)] {
        if !(0.0..=end).contains(&value) || gate.start >= gate.end {
            let expected = "a start before an end, both within the trace";
            return Err(Error::OutOfRange { argument, value, expected });
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the trace, as has been checked"
    )]
    let (first, last) = ((gate.start / dt_s).floor() as usize, (gate.end / dt_s).ceil() as usize);
    Ok(first..(last + pulse).min(trace))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Sources, ricker};
    use super::*;

    fn sources(number: usize) -> DelayOptions {
        DelayOptions::default().search(Options::default().sources(Sources::Known(number)))
    }

    const DT: f64 = 25e-12;

    /// Echoes of a Ricker pulse at any delays, off the grid of samples.
    fn trace(samples: usize, echoes: &[(f64, f64)]) -> Vec<f64> {
        let half = 40.0 * DT;
        (0..samples)
            .map(|k| {
                let at = |(delay, amplitude): &(f64, f64)| {
                    let t = k as f64 * DT - delay - half;
                    let u = (std::f64::consts::PI * 1.5e9 * t).powi(2);
                    amplitude * (1.0 - 2.0 * u) * (-u).exp()
                };
                echoes.iter().map(at).sum()
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn overlapping_echoes_without_noise_are_exact(
            delay in 1e-9_f64..10e-9,
            gap in 0.15e-9_f64..2e-9,
            second in 0.3_f64..1.5,
            negative in any::<bool>(),
        ) {
            let second = if negative { -second } else { second };
            let truth = [(delay, 1.0), (delay + gap, second)];
            let x = trace(700, &truth);
            let pulse = ricker(1.5e9, DT, 81).unwrap();
            let options = sources(2);
            let estimate = delays(&x, &pulse, DT, &options).unwrap();
            for (source, (delay, amplitude)) in estimate.sources.iter().zip(truth) {
                // The pulse is cut at 1 ns, where it is 1e-8 of its peak.
                prop_assert!((source.value - delay).abs() < 1e-15, "{estimate:?}");
                prop_assert!((source.amplitudes[0].re - amplitude).abs() < 1e-5, "{estimate:?}");
            }
        }
    }

    #[test]
    fn a_gate_cuts_other_echoes_away_and_keeps_the_axis() {
        let x = trace(1024, &[(2e-9, 3.0), (10e-9, 1.0), (10.5e-9, 0.8), (20e-9, -2.0)]);
        let pulse = ricker(1.5e9, DT, 81).unwrap();
        let options = sources(2).gate_s(8e-9..13e-9);
        let estimate = delays(&x, &pulse, DT, &options).unwrap();
        assert!((estimate.sources[0].value - 10e-9).abs() < 1e-14, "{estimate:?}");
        assert!((estimate.sources[1].value - 10.5e-9).abs() < 1e-14, "{estimate:?}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let pulse = ricker(1.5e9, DT, 81).unwrap();
        let good = trace(700, &[(3e-9, 1.0)]);
        let defaults = DelayOptions::default();
        let text = |x: &[f64], pulse: &[f64], dt, options: &DelayOptions| {
            delays(x, pulse, dt, options).unwrap_err().to_string()
        };
        assert_eq!(
            text(&[], &pulse, DT, &defaults),
            "trace is empty; at least one sample is needed"
        );
        assert_eq!(
            text(&good, &[], DT, &defaults),
            "pulse is empty; at least one sample is needed"
        );
        assert_eq!(text(&good, &[0.0; 9], DT, &defaults), "pulse holds nothing but zeros");
        assert_eq!(text(&[0.0; 700], &pulse, DT, &defaults), "trace holds nothing but zeros");
        let mut nan = good.clone();
        nan[3] = f64::NAN;
        assert_eq!(
            text(&nan, &pulse, DT, &defaults),
            "trace[3] is NaN, and every sample must be finite"
        );
        assert_eq!(
            text(&good, &pulse, -DT, &defaults),
            "dt_s is -2.5e-11, expected a finite number greater than 0"
        );
        assert_eq!(text(&good[..1], &pulse, DT, &defaults), "pulse has 81 samples, expected 1");
        assert_eq!(
            text(&good, &pulse, DT, &defaults.clone().gate_s(9e-9..3e-9)),
            "gate_s.start is 9e-9, expected a start before an end, both within the trace"
        );
        assert_eq!(
            text(&good, &[1.0, 1.0], DT, &defaults.clone().band_db(1e-9)),
            "the pulse's band holds 1 bins of the trace's transform, and 4 are needed: a longer trace \
             or a wider band has more"
        );
        assert_eq!(
            text(&good, &pulse, DT, &defaults.clone().regularization(-1.0)),
            "regularization is -1, expected a finite number that is at least 0"
        );
        assert!(
            text(&good, &pulse, DT, &sources(39))
                .starts_with("39 sources cannot be told apart here, expected 1 to")
        );
    }
}
