//! Sound in several channels, and what to make of them before a transform.
//!
//! A *sample* is one number of one channel; a *frame* holds one sample of each channel, all of the
//! same moment. The sample rate counts frames. Stereo files store frame after frame (left, right,
//! left, right, …), and whoever reads those numbers as one channel gets a signal of twice the
//! length, in which everything lasts twice as long: an octave lower. [`Audio`] takes the frames
//! apart once, when it is made, and has no method that gives interleaved samples back.
//!
//! # Which signal to transform
//!
//! | policy | what it is | what it does to a spectrum |
//! |---|---|---|
//! | each channel, [`Audio::each`] | two spectra | nothing is lost; pitch can be had from either |
//! | power mean, [`Audio::power_mean`] | mean of |L|² and |R|² | all of the power, no phase, so no signal to play |
//! | mid, [`Audio::mid`] | (L + R)/2 | what differs in phase between the channels cancels |
//! | side, [`Audio::side`] | (L − R)/2 | what is the same in both cancels; what mid loses is here |
//! | packed, [`PairFft`](crate::fft::PairFft) | L + iR | a way to compute: to be separated before it is looked at |
//!
//! Mid is what "average the channels" means. It finds the same pitch as the channels where these
//! agree, but its amplitudes are not the sound's: in the recording of middle C that the crate's
//! tests use, L and R are a quarter turn apart in the first partial, which loses 2.9 dB against
//! the mean power, the second loses 5.2 dB and the fifth 9.2 dB; in exact antiphase all is lost.
//! The positive half of L + iR is worse: its first partial stands 15.4 dB below the negative half's.
//! Take each channel unless one signal is needed, and the power mean where one spectrum is.

use crate::spectrum::{Spectrum, SpectrumPlan, check_finite, check_rate};
use crate::window::Window;
use crate::{Error, Result};

/// A recording: channels of equal length, and the rate of their frames.
///
/// # Examples
/// ```
/// use dsp::audio::Audio;
/// // Left rises, right falls.
/// let audio = Audio::from_interleaved(&[1.0, -1.0, 2.0, -2.0, 3.0, -3.0], 2, 44100.0)?;
/// assert_eq!((audio.channels(), audio.frames()), (2, 3));
/// assert_eq!(audio.channel(0)?, [1.0, 2.0, 3.0]);
/// assert_eq!(audio.mid(), [0.0, 0.0, 0.0]);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// One channel after the other.
    samples: Vec<f64>,
    frames: usize,
    sample_rate_hz: f64,
}

impl Audio {
    /// Takes apart samples that are stored frame by frame.
    ///
    /// # Errors
    /// [`Error::Empty`] without samples, [`Error::PartialFrame`] where they do not make whole
    /// frames, [`Error::NotFinite`] with the index of the first NaN or infinity in `samples`, and
    /// [`Error::OutOfRange`] for no channels or a rate that is not positive and finite.
    pub fn from_interleaved(samples: &[f64], channels: usize, sample_rate_hz: f64) -> Result<Self> {
        check_channels(channels)?;
        check_rate(sample_rate_hz)?;
        if samples.is_empty() {
            return Err(Error::Empty { argument: "samples" });
        }
        if !samples.len().is_multiple_of(channels) {
            return Err(Error::PartialFrame { samples: samples.len(), channels });
        }
        check_finite("samples", samples)?;
        let channel = |c| samples.iter().skip(c).step_by(channels).copied();
        let frames = samples.len() / channels;
        Ok(Self { samples: (0..channels).flat_map(channel).collect(), frames, sample_rate_hz })
    }

    /// Joins channels of equal length.
    ///
    /// # Errors
    /// [`Error::Empty`] where the first channel has no samples, [`Error::Length`] where another's
    /// length differs from the first's, [`Error::NotFinite`] and [`Error::OutOfRange`] as
    /// [`Self::from_interleaved`].
    ///
    /// # Examples
    /// ```
    /// let audio = dsp::audio::Audio::from_channels(&[[0.0, 1.0], [4.0, 2.0]], 48000.0)?;
    /// assert_eq!(audio.channel(1)?, [4.0, 2.0]);
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn from_channels(channels: &[impl AsRef<[f64]>], sample_rate_hz: f64) -> Result<Self> {
        check_channels(channels.len())?;
        check_rate(sample_rate_hz)?;
        let frames = channels[0].as_ref().len();
        if frames == 0 {
            return Err(Error::Empty { argument: "channel" });
        }
        for channel in channels.iter().map(AsRef::as_ref) {
            if channel.len() != frames {
                return Err(Error::Length {
                    argument: "channel",
                    found: channel.len(),
                    expected: frames,
                });
            }
            check_finite("channel", channel)?;
        }
        let samples = channels.iter().flat_map(|channel| channel.as_ref()).copied().collect();
        Ok(Self { samples, frames, sample_rate_hz })
    }

    /// How many channels there are, at least one.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.samples.len() / self.frames
    }

    /// How many frames there are, at least one: the samples of each channel.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Frames per second.
    #[must_use]
    pub fn sample_rate_hz(&self) -> f64 {
        self.sample_rate_hz
    }

    /// Frames over sample rate.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        self.frames as f64 / self.sample_rate_hz
    }

    /// The samples of one channel; in stereo 0 is left and 1 is right.
    ///
    /// # Errors
    /// [`Error::Index`] where there is no such channel.
    pub fn channel(&self, channel: usize) -> Result<&[f64]> {
        let length = self.channels();
        self.each().nth(channel).ok_or(Error::Index { argument: "channel", index: channel, length })
    }

    /// The channels one after the other.
    pub fn each(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.samples.chunks_exact(self.frames)
    }

    /// The mean of the channels, frame by frame; (L + R)/2 in stereo.
    #[must_use]
    pub fn mid(&self) -> Vec<f64> {
        let mut mid = vec![0.0; self.frames];
        for channel in self.each() {
            mid.iter_mut().zip(channel).for_each(|(mid, sample)| *mid += sample);
        }
        let channels = self.channels() as f64;
        mid.iter_mut().for_each(|mid| *mid /= channels);
        mid
    }

    /// (L − R)/2, half the difference of the channels of a stereo recording.
    ///
    /// # Errors
    /// [`Error::Channels`] for a recording that has not two.
    pub fn side(&self) -> Result<Vec<f64>> {
        if self.channels() != 2 {
            return Err(Error::Channels { found: self.channels(), expected: 2 });
        }
        let (left, right) = self.samples.split_at(self.frames);
        Ok(left.iter().zip(right).map(|(left, right)| 0.5 * (left - right)).collect())
    }

    /// The amplitude in each bin that has the channels' mean power: `√((|L_k|² + |R_k|²)/2)` in stereo.
    ///
    /// Phases play no part, so nothing cancels and a tone in one channel only keeps half its power.
    /// Bin k is at `k·f_s/N`, N the frames; amplitudes are those of [`Spectrum::amplitude`].
    ///
    /// # Errors
    /// None that a recording of ours could cause; those of [`SpectrumPlan::spectrum`].
    ///
    /// # Examples
    /// In exact antiphase mid has nothing and the power mean all of it:
    /// ```
    /// use dsp::{audio::Audio, window::Window};
    /// let tone: Vec<f64> = (0..800).map(|n| (std::f64::consts::TAU * n as f64 / 8.0).sin()).collect();
    /// let flipped: Vec<f64> = tone.iter().map(|x| -x).collect();
    /// let audio = Audio::from_channels(&[tone, flipped], 8000.0)?;
    /// assert!(audio.mid().iter().all(|&x| x == 0.0));
    /// assert!((audio.power_mean(Window::Hann)?[100] - 1.0).abs() < 1e-12);
    /// # Ok::<(), dsp::Error>(())
    /// ```
    pub fn power_mean(&self, window: Window) -> Result<Vec<f64>> {
        let plan = SpectrumPlan::new(self.frames, self.sample_rate_hz, window)?;
        let mut power = vec![0.0; self.frames / 2 + 1];
        for channel in self.each() {
            let spectrum: Spectrum = plan.spectrum(channel)?;
            power.iter_mut().enumerate().for_each(|(k, p)| *p += spectrum.amplitude(k).powi(2));
        }
        let channels = self.channels() as f64;
        Ok(power.iter().map(|power| (power / channels).sqrt()).collect())
    }
}

fn check_channels(channels: usize) -> Result<()> {
    if channels > 0 {
        return Ok(());
    }
    Err(Error::OutOfRange { argument: "channels", value: 0.0, expected: "at least 1" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_apart_and_counted_once() {
        let interleaved: Vec<f64> = (0..30).map(f64::from).collect();
        let audio = Audio::from_interleaved(&interleaved, 3, 10.0).unwrap();
        assert_eq!((audio.channels(), audio.frames(), audio.duration_s()), (3, 10, 1.0));
        for (c, channel) in audio.each().enumerate() {
            let expected: Vec<f64> = (0..10).map(|frame| f64::from(3 * frame) + c as f64).collect();
            assert_eq!(channel, expected);
        }
        let joined = Audio::from_channels(&audio.each().collect::<Vec<_>>(), 10.0).unwrap();
        assert_eq!(joined, audio);
        assert_eq!(audio.mid(), audio.channel(1).unwrap(), "1 is the mean of 0, 1 and 2");
    }

    #[test]
    fn mid_and_side_add_up_to_left_and_right() {
        let audio = Audio::from_channels(&[[1.0, -0.5], [0.25, 2.0]], 1.0).unwrap();
        let (mid, side) = (audio.mid(), audio.side().unwrap());
        assert_eq!((&mid[..], &side[..]), (&[0.625, 0.75][..], &[0.375, -1.25][..]));
    }

    /// The figures of the module's documentation, from the recording.
    #[test]
    fn the_policies_do_to_middle_c_what_the_table_says() {
        let audio = crate::fixture::recording("c4");
        let of = |x: &[f64]| Spectrum::new(x, 44100.0, Window::Hann).unwrap();
        let (left, right, mid) =
            (of(audio.channel(0).unwrap()), of(audio.channel(1).unwrap()), of(&audio.mid()));
        let mean = audio.power_mean(Window::Hann).unwrap();
        // The partials of the source, and how far mid is below the mean power there, in decibels.
        for (k, lost) in [(523, 2.9), (1046, 5.2), (2625, 9.2_f64)] {
            let near = |amplitude: &dyn Fn(usize) -> f64| -> f64 {
                (k - 3..k + 4).map(|k| amplitude(k).powi(2)).sum::<f64>().log10() * 10.0
            };
            let found = near(&|k| mean[k]) - near(&|k| mid.amplitude(k));
            assert!((found - lost).abs() < 0.35, "bin {k} loses {found} dB");
        }
        // The halves of L + iR: |L + iR| and |L − iR|.
        let half = |sign: f64| {
            let turned = |k: usize| {
                (left.bins()[k] + right.bins()[k] * linalg::Complex::new(0.0, sign)).norm()
            };
            (520..526).map(turned).fold(0.0, f64::max)
        };
        let below = 20.0 * (half(-1.0) / half(1.0)).log10();
        assert!((below.abs() - 15.4).abs() < 0.5, "{below} dB");
    }

    #[test]
    fn bad_recordings_are_named() {
        let interleaved = |samples: &[f64], channels, rate| {
            Audio::from_interleaved(samples, channels, rate).unwrap_err().to_string()
        };
        assert_eq!(
            interleaved(&[1.0, 2.0, 3.0], 2, 1.0),
            "3 interleaved samples do not make whole frames of 2 channels"
        );
        assert_eq!(interleaved(&[], 2, 1.0), "samples is empty; at least one sample is needed");
        assert_eq!(interleaved(&[1.0], 0, 1.0), "channels is 0, expected at least 1");
        assert_eq!(
            interleaved(&[1.0, f64::NAN], 2, 1.0),
            "samples[1] is NaN, and every sample must be finite"
        );
        assert_eq!(
            interleaved(&[1.0], 1, 0.0),
            "sample_rate_hz is 0, expected a positive, finite number of samples per second"
        );

        let joined =
            |channels: &[&[f64]]| Audio::from_channels(channels, 1.0).unwrap_err().to_string();
        assert_eq!(joined(&[]), "channels is 0, expected at least 1");
        assert_eq!(joined(&[&[]]), "channel is empty; at least one sample is needed");
        assert_eq!(joined(&[&[1.0], &[1.0, 2.0]]), "channel has 2 samples, expected 1");

        let audio = Audio::from_channels(&[[1.0]], 1.0).unwrap();
        assert_eq!(
            audio.side().unwrap_err().to_string(),
            "the recording has 1 channels, expected 2"
        );
        assert_eq!(audio.channel(1).unwrap_err().to_string(), "channel is 1, and there are 1");
    }
}
