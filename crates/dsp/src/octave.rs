//! Why a frequency came out an octave off, or otherwise: the known causes, each tried on the recording at hand.
//!
//! "Why is my middle C at 520 Hz?" has a handful of answers. For each of them [`diagnose_octave`] makes the
//! mistake on purpose and notes what it would read; the causes whose reading is the one that was seen are
//! the suspects. Causes that only the frequency axis tells apart (a wrong sample rate, a wrong step) are told
//! apart by what is known of the axis.

use std::collections::BTreeMap;

use crate::audio::Audio;
use crate::fft::PairFft;
use crate::pitch::{Pitch, PitchOptions, pitch};
use crate::spectrum::{Spectrum, check_finite, check_rate};
use crate::window::Window;
use crate::{Error, Result};

/// What was read off someone's spectrum, and what is known of its frequency axis.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The frequency that was taken for the pitch.
    pub frequency_hz: f64,
    /// The sample rate that was used; the recording's own where it is not said.
    pub sample_rate_hz: Option<f64>,
    /// The step of the axis times the number of samples transformed, which is the sample rate on a
    /// right axis; see [`Self::axis`].
    pub axis_span_hz: Option<f64>,
}

impl Reading {
    /// A frequency, of whose axis nothing is known.
    #[must_use]
    pub fn new(frequency_hz: f64) -> Self {
        Self { frequency_hz, sample_rate_hz: None, axis_span_hz: None }
    }

    /// Says which sample rate was used.
    #[must_use]
    pub fn sample_rate_hz(self, sample_rate_hz: f64) -> Self {
        Self { sample_rate_hz: Some(sample_rate_hz), ..self }
    }

    /// Says how far apart neighboring bins were drawn, and how many samples were transformed.
    #[must_use]
    pub fn axis(self, bin_width_hz: f64, samples: usize) -> Self {
        Self { axis_span_hz: Some(bin_width_hz * samples as f64), ..self }
    }
}

/// A mistake that changes what frequency is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// None: the reading is the pitch.
    None,
    /// A sample rate that is not the recording's, as one made from bytes per second.
    SampleRate,
    /// Bins spaced by `f_s/(N/2)` or `f_s/(N/2 + 1)` in place of `f_s/N`: everything doubles.
    AxisStep,
    /// Interleaved channels read as one: everything halves in stereo.
    Interleaved,
    /// Neighboring samples averaged as if they were left and right, and the rate kept: everything doubles.
    PairsAveraged,
    /// |x| was transformed: the strongest line above zero frequency is often twice the pitch.
    Rectified,
    /// x² was transformed.
    Squared,
    /// The strongest line was taken for the pitch, and is another partial.
    StrongestPartial,
    /// Half of the transform of L + iR was taken for a spectrum.
    HalfOfPacked,
    /// The fundamental cancels in the mean of the channels.
    MidCancels,
}

/// A cause and what it would have read.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Suspect {
    /// The mistake.
    pub cause: Cause,
    /// The frequency that it reads off this recording.
    pub frequency_hz: f64,
    /// Of the reading from that, in cents.
    pub cents_off: f64,
}

/// What the recording's pitch is and what explains a reading.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Diagnosis {
    /// The pitch, of the channel that shows it best.
    pub pitch: Pitch,
    /// The reading over the pitch: 2 for an octave too high.
    pub ratio: f64,
    /// The causes that read what was read, to a third of a semitone or two bins: nearest first, and the
    /// likelier first where they read the same. Empty where none of them explains it.
    pub suspects: Vec<Suspect>,
}

/// Cents that a reading may differ from what a cause reads.
const TOLERANCE_CENTS: f64 = 35.0;

/// Which of the known mistakes read `reading` off `audio`.
///
/// # Errors
/// [`Error::NoPitch`] where the recording has none, [`Error::OutOfRange`] for a reading that is not positive and
/// finite.
///
/// # Examples
/// Middle C at 523 Hz, drawn over `np.linspace(0, fs, N//2 + 1)`:
/// ```
/// use dsp::octave::{Cause, Reading, diagnose_octave};
/// let audio = dsp::wav::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/piano-c4.wav"))?;
/// let step = audio.sample_rate_hz() / (audio.frames() / 2) as f64;
/// let reading = Reading::new(523.0).sample_rate_hz(44100.0).axis(step, audio.frames());
/// let diagnosis = diagnose_octave(&audio, &reading)?;
/// assert_eq!(diagnosis.suspects[0].cause, Cause::AxisStep);
/// assert!((diagnosis.ratio - 2.0).abs() < 0.01);
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn diagnose_octave(audio: &Audio, reading: &Reading) -> Result<Diagnosis> {
    let rate = audio.sample_rate_hz();
    if !(reading.frequency_hz > 0.0 && reading.frequency_hz.is_finite()) {
        let expected = "a positive, finite frequency";
        let value = reading.frequency_hz;
        return Err(Error::OutOfRange { argument: "frequency_hz", value, expected });
    }
    let used = reading.sample_rate_hz.unwrap_or(rate);
    check_rate(used)?;
    let pitch = best_pitch(audio)?;
    let f = pitch.frequency_hz;

    let mut read: BTreeMap<Cause, Vec<f64>> = BTreeMap::new();
    let mut note = |cause, hz: Option<f64>| read.entry(cause).or_default().extend(hz);
    let wrong_rate = used / rate;
    if (wrong_rate - 1.0).abs() > 1e-3 {
        note(Cause::SampleRate, Some(f * wrong_rate));
    } else if reading.sample_rate_hz.is_none() {
        // Bytes per second over two, for 16 bits in as many channels; and over one.
        note(Cause::SampleRate, Some(f * audio.channels() as f64).filter(|_| audio.channels() > 1));
        note(Cause::SampleRate, Some(2.0 * f * audio.channels() as f64));
        note(Cause::SampleRate, Some(0.5 * f));
    }
    let step = reading.axis_span_hz.map(|span| span / used);
    match step {
        Some(step) if (step - 1.0).abs() > 1e-2 => {
            note(Cause::AxisStep, Some(f * step * wrong_rate));
        }
        Some(_) => {}
        None => note(Cause::AxisStep, Some(2.0 * f)),
    }
    // A known, right axis leaves only what was done to the samples; all of it moves with the axis.
    let scale = wrong_rate * step.unwrap_or(1.0);
    note(Cause::None, Some(f).filter(|_| (scale - 1.0).abs() < 1e-2));

    let channels: Vec<&[f64]> = audio.each().collect();
    let mid = audio.mid();
    if channels.len() > 1 {
        note(Cause::Interleaved, Some(f / channels.len() as f64 * scale));
        for hz in packed_halves(channels[0], channels[1], rate)? {
            note(Cause::HalfOfPacked, hz.map(|hz| hz * scale));
        }
    } else {
        note(Cause::PairsAveraged, Some(2.0 * f * scale));
    }
    let strongest_of_channels: Vec<Option<f64>> =
        channels.iter().map(|x| strongest(x, rate)).collect::<Result<_>>()?;
    let of_mid = strongest(&mid, rate)?;
    let is_pitch = |hz: f64| cents(hz, f).abs() < TOLERANCE_CENTS;
    for hz in strongest_of_channels.iter().copied().flatten().filter(|&hz| !is_pitch(hz)) {
        note(Cause::StrongestPartial, Some(hz * scale));
    }
    if let Some(hz) = of_mid.filter(|&hz| !is_pitch(hz)) {
        let cancels = strongest_of_channels.iter().flatten().any(|&hz| is_pitch(hz));
        let cause = if cancels { Cause::MidCancels } else { Cause::StrongestPartial };
        note(cause, Some(hz * scale));
    }
    for x in channels.iter().copied().chain([&mid[..]]) {
        let bent =
            |by: fn(f64) -> f64| strongest(&x.iter().map(|&x| by(x)).collect::<Vec<_>>(), rate);
        note(Cause::Rectified, bent(f64::abs)?.map(|hz| hz * scale));
        note(Cause::Squared, bent(|x| x * x)?.map(|hz| hz * scale));
    }

    let bins = 2.0 * rate * scale / audio.frames() as f64;
    let mut suspects: Vec<Suspect> = Vec::new();
    for (cause, frequencies) in read {
        let off = |hz: f64| Suspect {
            cause,
            frequency_hz: hz,
            cents_off: cents(reading.frequency_hz, hz),
        };
        let near = frequencies.into_iter().map(off).filter(|suspect| {
            let allowed = cents(suspect.frequency_hz + bins, suspect.frequency_hz);
            suspect.cents_off.abs() <= TOLERANCE_CENTS.max(allowed)
        });
        suspects.extend(near.min_by(|a, b| a.cents_off.abs().total_cmp(&b.cents_off.abs())));
    }
    // What is known of the axis is evidence; what merely fits is not. Stable, so causes keep their order.
    let is_known = |cause| match cause {
        Cause::SampleRate => (wrong_rate - 1.0).abs() > 1e-3,
        Cause::AxisStep => step.is_some_and(|step| (step - 1.0).abs() > 1e-2),
        Cause::None => true,
        _ => false,
    };
    suspects.sort_by_key(|suspect| !is_known(suspect.cause));
    Ok(Diagnosis { ratio: reading.frequency_hz / f, pitch, suspects })
}

fn cents(a: f64, b: f64) -> f64 {
    1200.0 * (a / b).log2()
}

/// The pitch of the channel whose partials explain the most.
fn best_pitch(audio: &Audio) -> Result<Pitch> {
    let rate = audio.sample_rate_hz();
    let options = PitchOptions::default();
    let options = options.high_hz(options.high_hz.min(0.5 * rate));
    let options = options.low_hz(options.low_hz.min(options.high_hz));
    let mut best: Option<Pitch> = None;
    let mut missing = Error::NoPitch { low_hz: options.low_hz, high_hz: options.high_hz };
    for channel in audio.each() {
        match pitch(&Spectrum::new(channel, rate, Window::Hann)?, &options) {
            Ok(found) => {
                let score = |pitch: &Pitch| pitch.explained * pitch.complete;
                if best.as_ref().is_none_or(|best| score(&found) > score(best)) {
                    best = Some(found);
                }
            }
            Err(error) => missing = error,
        }
    }
    best.ok_or(missing)
}

/// The strongest line above zero frequency and its skirt, as someone reads it off a plot.
fn strongest(x: &[f64], rate: f64) -> Result<Option<f64>> {
    check_finite("x", x)?;
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let x: Vec<f64> = x.iter().map(|x| x - mean).collect();
    let spectrum = Spectrum::new(&x, rate, Window::Hann)?;
    // Below 25 Hz there is no pitch, but the decay of a rectified note.
    Ok(top(&spectrum.amplitudes(), spectrum.bin_width_hz()))
}

fn top(amplitudes: &[f64], bin: f64) -> Option<f64> {
    (1..amplitudes.len())
        .filter(|&k| k as f64 * bin >= 25.0 && amplitudes[k] > 0.0)
        .max_by(|&a, &b| amplitudes[a].total_cmp(&amplitudes[b]))
        .map(|k| k as f64 * bin)
}

/// The strongest lines of both halves of the transform of L + iR.
fn packed_halves(left: &[f64], right: &[f64], rate: f64) -> Result<[Option<f64>; 2]> {
    let n = left.len();
    let windowed = |x: &[f64]| -> Vec<f64> {
        x.iter().zip(Window::Hann.samples(n)).map(|(x, w)| x * w).collect()
    };
    let packed = PairFft::new(n)?.packed(&windowed(left), &windowed(right))?;
    let bin = rate / n as f64;
    let half = |at: &dyn Fn(usize) -> usize| -> Vec<f64> {
        (0..=n / 2).map(|k| packed[at(k)].norm()).collect()
    };
    Ok([top(&half(&|k| k), bin), top(&half(&|k| (n - k) % n), bin)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::recording;

    fn first(audio: &Audio, reading: Reading) -> Option<Cause> {
        diagnose_octave(audio, &reading).unwrap().suspects.first().map(|suspect| suspect.cause)
    }

    #[test]
    fn middle_c_at_520_has_its_causes() {
        let audio = recording("c4");
        let named = |reading: Reading, cause| {
            let found = diagnose_octave(&audio, &reading).unwrap();
            found.suspects.iter().any(|suspect| suspect.cause == cause)
        };
        assert_eq!(first(&audio, Reading::new(261.5)), Some(Cause::None));
        assert_eq!(
            first(&audio, Reading::new(523.0).sample_rate_hz(88200.0)),
            Some(Cause::SampleRate)
        );
        let drawn = Reading::new(523.0).sample_rate_hz(44100.0).axis(1.0, 88200);
        assert_eq!(first(&audio, drawn), Some(Cause::AxisStep));
        // On a right axis, what is left is what was done to the samples.
        let right = |hz| Reading::new(hz).sample_rate_hz(44100.0).axis(0.5, 88200);
        assert!(named(right(523.0), Cause::Rectified) && named(right(523.0), Cause::Squared));
        assert!(!named(right(523.0), Cause::AxisStep) && !named(right(523.0), Cause::SampleRate));
        assert_eq!(first(&audio, right(130.8)), Some(Cause::Interleaved));
        assert_eq!(first(&audio, right(333.0)), None, "nothing explains that");
    }

    #[test]
    fn the_c_below_is_misread_by_its_second_partial() {
        let audio = recording("c3");
        let reading = Reading::new(261.6).sample_rate_hz(44100.0).axis(0.5, 88200);
        let found = diagnose_octave(&audio, &reading).unwrap();
        assert!(found.suspects.iter().any(|s| s.cause == Cause::StrongestPartial), "{found:?}");
        assert!((found.ratio - 2.0).abs() < 0.01);
    }

    #[test]
    fn bad_readings_are_named() {
        let audio = recording("c4");
        let text = |reading| diagnose_octave(&audio, &reading).unwrap_err().to_string();
        assert_eq!(
            text(Reading::new(f64::NAN)),
            "frequency_hz is NaN, expected a positive, finite frequency"
        );
        assert_eq!(
            text(Reading::new(1.0).sample_rate_hz(-1.0)),
            "sample_rate_hz is -1, expected a positive, finite number of samples per second"
        );
        let silence = Audio::from_channels(&[[0.0; 100]], 44100.0).unwrap();
        assert!(matches!(
            diagnose_octave(&silence, &Reading::new(100.0)),
            Err(Error::NoPitch { .. })
        ));
    }

    #[test]
    fn one_channel_has_no_causes_of_two() {
        let stereo = recording("c4");
        let mono = Audio::from_channels(&[stereo.mid()], stereo.sample_rate_hz()).unwrap();
        let found = diagnose_octave(&mono, &Reading::new(523.0)).unwrap();
        assert!(!found.suspects.is_empty());
        for suspect in &found.suspects {
            assert!(!matches!(suspect.cause, Cause::Interleaved | Cause::HalfOfPacked));
        }
    }
}
