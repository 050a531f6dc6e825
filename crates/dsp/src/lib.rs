//! Spectra, pitch, peaks and arrival times whose answers carry their own evidence.
//!
//! ```
//! use dsp::{pitch::{PitchOptions, pitch}, spectrum::Spectrum, wav, window::Window};
//!
//! // Two seconds of a piano's middle C in stereo, 261.48 Hz on the left, 261.55 Hz on the right.
//! let audio = wav::read(concat!(env!("CARGO_MANIFEST_DIR"), "/data/piano-c4.wav"))?;
//! for channel in audio.each() {
//!     let spectrum = Spectrum::new(channel, audio.sample_rate_hz(), Window::Hann)?;
//!     let note = pitch(&spectrum, &PitchOptions::default())?;
//!     assert!((note.frequency_hz - 261.5).abs() < 0.2);
//!     assert!(note.std_error_hz.is_some_and(|error| error < 0.05));
//!     assert!(note.partials.len() > 10);
//! }
//! # Ok::<(), dsp::Error>(())
//! ```
//!
//! # First decide: what is the answer?
//!
//! | the answer is | use |
//! |---|---|
//! | a top that meets conditions | [`peaks::find_peaks`] |
//! | where something starts and stops above the noise | [`events::find_events`] |
//! | the frequency of one tone; of a note with partials | [`tone::tone`]; [`pitch::pitch`] |
//! | how much there is at each frequency; over time | [`spectrum::Spectrum`], [`welch::welch`]; [`stft::Stft`] |
//! | when an echo arrives, from where a wave comes | [`subspace`] |
//! | the signal without its noise | [`wavelet::denoise`] |
//!
//! Signals are slices of `f64` ([`fft::RealFft`] takes `f32` too). Frequencies are in hertz.
//! Nothing panics on bad input: an [`Error`] names the argument or the file, what it was, and what
//! was expected.
//!
//! # "Stereo and the FFT: average, complex pair, or per channel? Why is my middle C at 520 Hz?"
//!
//! *Per channel*, as above, unless one signal is needed, or the [power mean](audio::Audio::power_mean) where
//! one spectrum is. The *average* (L + R)/2, [`audio::Audio::mid`], has the same pitch and other
//! amplitudes, because what differs in phase between left and right cancels; [`audio`] says how much in
//! this recording. The *complex pair* L + iR is a way to get both channels from one transform and must be taken
//! apart afterwards, [`fft::PairFft`]: half of its bins taken for a spectrum mixes left and right.
//!
//! A spectrum that is an octave off has a cause, averaging is seldom it, and
//! [`octave::diagnose_octave`] tries each on the recording:
//!
//! - *The frequency axis has the wrong step.* Bin k lies at `k·f_s/N`, N being the samples of the
//!   signal and not the N/2 + 1 bins of its spectrum; `k·f_s/(N/2)` puts middle C at 523 Hz. So does
//!   a sample rate computed from bytes per second over two. [`spectrum::Spectrum::frequency_hz`]
//!   is the axis.
//! - *The signal was rectified or squared*, |x| or x², before the transform. Its strongest line is
//!   then at twice the frequency. The transform of a real signal needs no preparation but a window.
//! - *Interleaved samples were read as one channel.* That halves: 130.8 Hz. [`audio::Audio`] takes
//!   frames apart when it is made, so it cannot happen later.
//! - *The strongest line was taken for the pitch.* In the C below, the second partial is the
//!   strongest. [`pitch::pitch`] fits the whole series of partials and returns them.
//!
//! # How much is there, and where exactly?
//!
//! - Amplitudes of tones and densities of noise are calibrated apart: [`spectrum::Spectrum`] has both,
//!   [`window::Window`] the table, [`spectrum::Decibels`] the 10 and the 20.
//! - Noise is averaged over segments, [`welch`]; what changes is cut into frames, [`stft`], and drawn,
//!   [`picture`].
//! - One tone's frequency between the bins, at the Cramér-Rao bound: [`tone::tone`]. A note's: [`pitch::pitch`].
//! - A few bins with each new sample, without drift: [`sliding::SlidingDft`].
//!
//! # "Find peaks above a noise floor within a window, with where each curve starts and stops"
//!
//! Two tools, for two questions. [`peaks::find_peaks`] keeps the tops that meet every condition:
//! height, threshold, distance, prominence (within a window if one is set), width. It is SciPy's
//! function to the last bit, in time proportional to the signal where SciPy's is quadratic.
//! [`events::find_events`] answers "where does it start and stop": onset, apex and offset of each
//! run above a floor that [`noise::noise_floor`] measures, with a stated rate of false alarms:
//!
//! ```
//! use dsp::{events::{EventOptions, find_events}, noise::noise_floor};
//! // Noise of ±1 with a burst in it.
//! let mut x: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 11 - 5) / 5.0).collect();
//! for i in 100..120 {
//!     x[i] += 20.0;
//! }
//! x[107] += 9.0;
//! let events = find_events(&x, &[noise_floor(&x, 0.0)?], &EventOptions::default())?;
//! assert_eq!(events.len(), 1);
//! assert_eq!((events[0].onset, events[0].apex, events[0].offset), (100, 107, 119));
//! # Ok::<(), dsp::Error>(())
//! ```
//!
//! The *bases* of a prominence are where one has come down all the way on either side; taken for
//! onset and offset they are off by as much as the noise likes. For edges by the slope instead of
//! the level, see [`events::Edges`]. Both tools have a stream, [`peaks::PeakStream`] and
//! [`events::EventStream`], that finds the same in chunks of any size with a state of a few
//! numbers. Noise that hides the peaks goes first with [`wavelet::denoise`];
//! [`wavelet::denoised_extrema`] does both. Which hills remain when the small ones are removed one
//! after the other, "min, max, min", is [`peaks::persistence`].
//!
//! The wrong turn is the comparison `y2 > y1 && y2 >= y3`. It reports every shoulder on a rising
//! slope and every step on the way up: 316 false peaks among 3323 in a minute of
//! electrocardiogram, where SciPy and [`peaks::local_maxima`] find 3007. Nor does a threshold on
//! the height find the beats of a signal whose baseline wanders; a prominence does:
//!
//! ```
//! use dsp::peaks::{PeakOptions, find_peaks};
//! let file = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/ecg-mitbih-208.csv"));
//! let millivolts: Vec<f64> = file
//!     .lines()
//!     .skip(1)
//!     .map(|adc| adc.parse().map(|adc: f64| (adc - 1024.0) / 200.0))
//!     .collect::<Result<_, _>>()?;
//! let beats = find_peaks(&millivolts, &PeakOptions::default().prominence(1.0..).window(201))?;
//! assert_eq!(beats.len(), 111);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # "Time of arrival of radar echoes with MUSIC; the result is still in the frequency domain"
//!
//! Because the samples were in the time domain. An echo is a tone along *frequency*: give MUSIC the
//! transform of the trace divided by that of the pulse, and its axis is delay. [`subspace`] does it in one
//! call, refines the result on the trace itself, and puts the Cramér-Rao bound beside each delay: two
//! echoes less than half a resolution 1/B apart scatter by 1.0 times the bound from 20 dB on, where MUSIC
//! alone scatters by 4 to 20 times. Directions and tones come from the same code.
//!
//! # Features
//!
//! `parallel` (default): the frames of [`stft`] and [`welch`] over rayon's threads, with the same bits
//! for any number of them.

pub mod audio;
pub mod csv;
mod door;
mod error;
pub mod events;
pub mod fft;
#[cfg(test)]
mod fixture;
mod fused;
pub mod noise;
pub mod octave;
mod parallel;
pub mod peaks;
pub mod picture;
pub mod pitch;
pub mod sliding;
pub mod spectrum;
pub mod stft;
pub mod subspace;
pub mod tone;
pub mod wav;
pub mod wavelet;
pub mod welch;
pub mod window;

pub use error::{Error, Result};
