//! The fundamental frequency of a note, from all of its partials.
//!
//! The strongest line of a note's spectrum is often not its pitch. In the piano's C below middle C
//! that the tests use, the second partial is 3 to 5 dB above the first, and whoever takes the highest
//! line reads an octave too high; in lower notes the first partial is all but missing. So
//! [`pitch`] looks for the *series*: lines near f, 2f, 3f, …, which together explain more of the
//! spectrum, with fewer gaps, than any other series does.
//!
//! A stiff string's partials lie a little wide of the whole multiples,
//!
//! ```text
//! f_n = n √(α + β n²),    f_1 = √(α + β),    inharmonicity B = β/α,
//! ```
//!
//! and the fit has room for that: middle C on the piano has B = 3.2·10⁻⁴, which puts its eighth
//! partial 17 cents above eight times the first.
//!
//! Of 1056 synthesized notes, twelve of every key from A0 to C8 with such strings, hardly a first partial in
//! the bass, and half a second to a second long, all come out within 0.2 cents where the noise is 20 dB below
//! the strongest partial, within 0.5 cents at 5 dB, and all but one within 0.9 cents at 0 dB.

use crate::peaks::local_maxima;
use crate::spectrum::Spectrum;
use crate::{Error, Result};

#[cfg(test)]
mod keys;
mod series;

use series::Series;

/// Lines that are looked at, strongest first. A note of 30 partials leaves room for strangers.
const MOST_LINES: usize = 40;
/// The strongest lines, each of which is tried as any of the first partials.
const ANCHORS: usize = 8;
const ANCHOR_NUMBERS: usize = 12;
/// Where a fundamental is looked for, and which lines count.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PitchOptions {
    /// Lowest fundamental, in hertz; lines below it are not looked at. Default 25, below the
    /// lowest note of a piano and above what rooms and stages rumble with.
    pub low_hz: f64,
    /// Highest fundamental, in hertz. Default 5000, above a piano's 4186.
    pub high_hz: f64,
    /// Lines more than this below the strongest, in decibels, do not count. Default 45.
    pub range_db: f64,
}

impl Default for PitchOptions {
    fn default() -> Self {
        Self { low_hz: 25.0, high_hz: 5000.0, range_db: 45.0 }
    }
}

impl PitchOptions {
    /// Sets the lowest fundamental.
    #[must_use]
    pub fn low_hz(self, low_hz: f64) -> Self {
        Self { low_hz, ..self }
    }

    /// Sets the highest fundamental.
    #[must_use]
    pub fn high_hz(self, high_hz: f64) -> Self {
        Self { high_hz, ..self }
    }

    /// Sets how far below the strongest line a line may be.
    #[must_use]
    pub fn range_db(self, range_db: f64) -> Self {
        Self { range_db, ..self }
    }

    fn check(self) -> Result<()> {
        let refuse =
            |argument, value, expected| Err(Error::OutOfRange { argument, value, expected });
        if !(self.low_hz > 0.0 && self.low_hz.is_finite()) {
            return refuse("low_hz", self.low_hz, "a positive, finite frequency");
        }
        if !(self.high_hz >= self.low_hz && self.high_hz.is_finite()) {
            return refuse("high_hz", self.high_hz, "a finite frequency, not below low_hz");
        }
        if !(self.range_db > 0.0 && self.range_db < f64::INFINITY) {
            return refuse("range_db", self.range_db, "a positive, finite number of decibels");
        }
        Ok(())
    }
}

/// A note's fundamental frequency, and the partials that speak for it.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Pitch {
    /// `f_1` of the series fitted to all partials, whether or not a first partial was found.
    pub frequency_hz: f64,
    /// Standard error of `frequency_hz` from the scatter of the partials about the series. It sees
    /// noise and each partial's own deviation, not what all have in common (a detuned clock).
    /// `None` for fewer than three partials, which scatter about nothing.
    pub std_error_hz: Option<f64>,
    /// B, 0 for whole multiples and where there is only one partial.
    pub inharmonicity: f64,
    /// The partials found, in order of their numbers.
    pub partials: Vec<Partial>,
    /// The share of the lines' amplitudes (their square roots, so that weak ones count) that lies
    /// in the series: 1 where every line is a partial.
    pub explained: f64,
    /// The share of the series, up to its highest partial, that was found: 1 where none is missing.
    pub complete: f64,
}

/// A line of the spectrum that belongs to the series.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Partial {
    /// n; the fundamental is 1.
    pub number: usize,
    /// Where the line is, between the bins, in hertz.
    pub frequency_hz: f64,
    /// Its amplitude, in the unit of the signal.
    pub amplitude: f64,
}

impl Pitch {
    /// The strongest partial; its number says whether the strongest line is the pitch.
    #[must_use]
    pub fn strongest(&self) -> Option<Partial> {
        self.partials.iter().copied().max_by(|a, b| a.amplitude.total_cmp(&b.amplitude))
    }
}

/// The fundamental frequency of the one note in `spectrum`.
///
/// 1. Lines are local maxima of the amplitude that stand out of noise, range and the side lobes of
///    stronger lines; a parabola through the logarithms of three bins places each between bins,
///    within 0.016 bins for a steady tone under a Hann window, 0.003 under Blackman–Harris.
/// 2. Each of the strongest lines is tried as first, second, … partial of a series, which is
///    followed upwards while α and β are fitted to what is found.
/// 3. The series that maximizes `explained`·`complete` wins. A series an octave too low explains as
///    much but is half empty; one an octave too high is full but leaves the odd partials out.
/// 4. α and β by least squares over its partials, weighted by their amplitudes.
///
/// The signal should hold one note, eight periods of it or more. Nothing tells 2f, 4f, 6f alone
/// from the first three partials of 2f, so they are reported as that.
///
/// # Errors
/// [`Error::NoPitch`] where no line stands out, [`Error::OutOfRange`] for options that no note
/// meets.
///
/// # Examples
/// Partials at 220, 330 and 440 Hz and nothing at 110, which is what one hears:
/// ```
/// use dsp::{pitch::{PitchOptions, pitch}, spectrum::Spectrum, window::Window};
/// let tone = |f: f64, t: f64| (std::f64::consts::TAU * f * t).cos();
/// let x: Vec<f64> = (0..8000)
///     .map(|n| n as f64 / 8000.0)
///     .map(|t| tone(220.0, t) + tone(330.0, t) + tone(440.0, t))
///     .collect();
/// let spectrum = Spectrum::new(&x, 8000.0, Window::Hann)?;
/// let pitch = pitch(&spectrum, &PitchOptions::default())?;
/// assert!((pitch.frequency_hz - 110.0).abs() < 0.01);
/// assert_eq!(pitch.partials[0].number, 2);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// The stiff string: H. Fletcher, "Normal vibration frequencies of a stiff piano string", J. Acoust.
/// Soc. Am. 36(1):203-209, 1964. Choosing a series by what it explains and what it lacks: R. C. Maher
/// and J. W. Beauchamp, "Fundamental frequency estimation of musical signals using a two-way
/// mismatch procedure", J. Acoust. Soc. Am. 95(4):2254-2263, 1994. The standard error (HC3
/// there): J. S. Long and L. H. Ervin, "Using heteroscedasticity consistent standard errors in the
/// linear regression model", The American Statistician 54(3):217-224, 2000.
pub fn pitch(spectrum: &Spectrum, options: &PitchOptions) -> Result<Pitch> {
    options.check()?;
    let lines = lines(spectrum, options);
    let bin = spectrum.bin_width_hz();
    let lowest = options.low_hz.max(1.5 * spectrum.window().main_lobe_bins() as f64 * bin);

    let mut anchors: Vec<usize> = (0..lines.len()).collect();
    anchors.sort_by(|&a, &b| lines[b].amplitude.total_cmp(&lines[a].amplitude));
    let mut best: Option<Series<'_>> = None;
    for &anchor in anchors.iter().take(ANCHORS) {
        for number in 1..=ANCHOR_NUMBERS {
            let fundamental = lines[anchor].frequency_hz / number as f64;
            if !(lowest <= fundamental && fundamental <= options.high_hz) {
                continue;
            }
            let series = Series::follow(&lines, bin, (number, anchor));
            if best.as_ref().is_none_or(|best| series.score() > best.score()) {
                best = Some(series);
            }
        }
    }
    best.filter(|series| !series.members.is_empty())
        .map(|series| series.settle().into_pitch())
        .ok_or(Error::NoPitch { low_hz: options.low_hz, high_hz: options.high_hz })
}

/// A local maximum of the amplitude.
#[derive(Debug, Clone, Copy)]
struct Line {
    frequency_hz: f64,
    amplitude: f64,
}

/// The lines that count, in order of frequency.
fn lines(spectrum: &Spectrum, options: &PitchOptions) -> Vec<Line> {
    let amplitudes = spectrum.amplitudes();
    let bin = spectrum.bin_width_hz();
    let tops: Vec<usize> = local_maxima(&amplitudes)
        .iter()
        .map(|top| top.index)
        .filter(|&k| spectrum.frequency_hz(k) >= options.low_hz)
        .collect();
    let strongest = tops.iter().map(|&k| amplitudes[k]).fold(0.0, f64::max);

    // White noise has Rayleigh-distributed amplitudes: a quarter of them lie below 0.76 σ, and one
    // in 10¹¹ exceeds 7 σ. The lower quartile lies between the lines even of a short note. Rounding
    // is noise too, at eps times what is largest, zero frequency included.
    let mut sorted = amplitudes.clone();
    let quarter = sorted.len() / 4;
    let (_, quartile, _) = sorted.select_nth_unstable_by(quarter, f64::total_cmp);
    let rounding = 100.0 * f64::EPSILON * amplitudes.iter().copied().fold(0.0, f64::max);
    let floor = (7.0 / 0.76 * *quartile)
        .max(strongest * 10_f64.powf(-options.range_db / 20.0))
        .max(rounding);

    // What is far below a neighbor is its side lobe, or the skirt that its decay gives it.
    let lobe = spectrum.window().main_lobe_bins();
    let around = |k: usize, bins: usize| {
        let range = k.saturating_sub(bins)..(k + bins + 1).min(amplitudes.len());
        amplitudes[range].iter().copied().fold(0.0, f64::max)
    };
    let skirt = (1.3 * spectrum.window().highest_side_lobe()).max(0.03);
    let mut lines: Vec<Line> = tops
        .into_iter()
        .filter(|&k| amplitudes[k] > floor)
        .filter(|&k| amplitudes[k] >= around(k, lobe + 1))
        .filter(|&k| amplitudes[k] >= skirt * around(k, 4 * lobe))
        .map(|k| {
            let [before, top, after] = [k - 1, k, k + 1].map(|k| amplitudes[k].ln());
            let shift = 0.5 * (before - after) / (before - 2.0 * top + after);
            // A neighbor of amplitude 0 has no logarithm; then the top is the best there is.
            let shift = if shift.is_finite() { shift } else { 0.0 };
            let frequency_hz = (k as f64 + shift) * bin;
            let rise = 0.25 * (before - after) * shift;
            let amplitude = amplitudes[k] * if rise.is_finite() { (-rise).exp() } else { 1.0 };
            Line { frequency_hz, amplitude }
        })
        .collect();

    lines.sort_by(|a, b| b.amplitude.total_cmp(&a.amplitude));
    lines.truncate(MOST_LINES);
    lines.sort_by(|a, b| a.frequency_hz.total_cmp(&b.frequency_hz));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Audio;
    use crate::fft::RealFft;
    use crate::fixture::recording;
    use crate::window::Window;
    use linalg::Complex;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};
    use std::f64::consts::TAU;

    fn of(x: &[f64], rate: f64) -> Result<Pitch> {
        pitch(&Spectrum::new(x, rate, Window::Hann)?, &PitchOptions::default())
    }

    /// A note of a stiff string with noise `noise` (standard deviation), random phases.
    struct Note<'a> {
        fundamental: f64,
        inharmonicity: f64,
        amplitudes: &'a [f64],
        noise: f64,
    }

    impl Note<'_> {
        fn samples(&self, rate: f64, seconds: f64, rng: &mut impl rand::Rng) -> Vec<f64> {
            let b = self.inharmonicity;
            let tones: Vec<[f64; 3]> = self
                .amplitudes
                .iter()
                .enumerate()
                .map(|(i, &amplitude)| {
                    let n = (i + 1) as f64;
                    let stretch = ((1.0 + b * n * n) / (1.0 + b)).sqrt();
                    [n * stretch * self.fundamental, amplitude, rng.random_range(0.0..TAU)]
                })
                .filter(|tone| tone[0] < 0.45 * rate)
                .collect();
            (0..)
                .map(|i| f64::from(i) / rate)
                .take_while(|&t| t < seconds)
                .map(|t| {
                    // Twelve uniform numbers are normal enough for noise.
                    let noise: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum();
                    let tone = |&[f, a, phase]: &[f64; 3]| a * (TAU * f * t + phase).cos();
                    tones.iter().map(tone).sum::<f64>() + self.noise * noise
                })
                .collect()
        }
    }

    /// Left, right, mid.
    fn signals(audio: &Audio) -> [Vec<f64>; 3] {
        [audio.channel(0).unwrap().to_vec(), audio.channel(1).unwrap().to_vec(), audio.mid()]
    }

    #[test]
    fn middle_c_is_where_its_sources_say() {
        for (x, known) in signals(&recording("c4")).iter().zip([261.48, 261.55, 261.45]) {
            let pitch = of(x, 44100.0).unwrap();
            assert!((pitch.frequency_hz - known).abs() < 0.5, "{} Hz", pitch.frequency_hz);
            assert!((pitch.inharmonicity - 3.2e-4).abs() < 0.1e-4, "B = {}", pitch.inharmonicity);
            assert!(pitch.std_error_hz.unwrap() < 0.1);
            assert_eq!(pitch.strongest().unwrap().number, 1);
        }
    }

    #[test]
    fn the_c_below_is_not_its_strongest_line() {
        for x in signals(&recording("c3")) {
            let pitch = of(&x, 44100.0).unwrap();
            assert!((pitch.frequency_hz - 130.8).abs() < 0.5, "{} Hz", pitch.frequency_hz);
            let strongest = pitch.strongest().unwrap();
            assert_eq!(strongest.number, 2);
            assert!((strongest.frequency_hz - 261.5).abs() < 0.1, "{strongest:?}");
        }
    }

    #[test]
    fn a_real_note_keeps_its_pitch_without_its_fundamental() {
        for (name, cut_hz, known) in [("c4", 400, 261.6), ("c3", 200, 130.75)] {
            for x in signals(&recording(name)) {
                let fft = RealFft::new(x.len()).unwrap();
                let mut bins = fft.forward(&x).unwrap();
                bins[..cut_hz * x.len() / 44100].fill(Complex::ZERO);
                let pitch = of(&fft.inverse(&bins).unwrap(), 44100.0).unwrap();
                assert!((pitch.frequency_hz - known).abs() < 0.5, "{} Hz", pitch.frequency_hz);
                assert_eq!(pitch.partials[0].number, 2);
            }
        }
    }

    #[test]
    fn a_short_piece_of_a_real_note_has_its_pitch() {
        for (name, known) in [("c4", 261.6), ("c3", 130.75)] {
            for x in signals(&recording(name)) {
                for (from, frames) in [(2000, 4410), (10000, 8820), (30000, 20001)] {
                    let pitch = of(&x[from..from + frames], 44100.0).unwrap();
                    let cents = 1200.0 * (pitch.frequency_hz / known).log2();
                    assert!(cents.abs() < 10.0, "{name}, {frames} frames: {cents} cents");
                }
            }
        }
    }

    /// Spectra as instruments have them, by the amplitudes of their partials.
    const SPECTRA: [(&str, &[f64]); 6] = [
        ("a bright string", &[1.0, 0.7, 0.5, 0.6, 0.3, 0.25, 0.2, 0.1, 0.15, 0.1]),
        ("a strong second partial", &[0.2, 1.0, 0.3, 0.4, 0.1, 0.1]),
        ("a weak fundamental", &[0.01, 0.8, 1.0, 0.6, 0.5, 0.3, 0.2]),
        ("no fundamental", &[0.0, 0.8, 1.0, 0.6, 0.5, 0.3, 0.2]),
        ("a closed pipe, odd partials only", &[1.0, 0.0, 0.5, 0.0, 0.3, 0.0, 0.2]),
        ("a missing third", &[1.0, 0.6, 0.0, 0.5, 0.4]),
    ];

    #[test]
    fn notes_of_every_kind_come_out_at_every_rate() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        for (what, amplitudes) in SPECTRA {
            for rate in [8000.0, 22050.0, 44100.0, 96000.0] {
                for fundamental in [55.0, 98.0, 233.1, 440.0, 783.99] {
                    for inharmonicity in [0.0, 4e-4] {
                        let seconds = rng.random_range(0.3..1.0);
                        // 20 dB below a partial of amplitude 1.
                        let note = Note { fundamental, inharmonicity, amplitudes, noise: 0.07 };
                        let x = note.samples(rate, seconds, &mut rng);
                        let pitch = of(&x, rate).unwrap();
                        let bins = (pitch.frequency_hz - fundamental).abs() * seconds;
                        let place =
                            format!("{what}, {fundamental} Hz, B {inharmonicity}, {rate}/s");
                        // The parabola's 0.016 bins, and as much again for lines that lean on
                        // their neighbors.
                        assert!(bins < 0.032, "{place}: {bins} bins off, {pitch:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_stranger_beside_a_missing_first_partial_does_not_lead_the_series_astray() {
        // The knock of the recorded piano's soundboard, 66.6 Hz, beside the first or second partial
        // of notes whose strings hardly move the air there.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut amplitudes = [0.0; 30];
        for (i, amplitude) in amplitudes.iter_mut().enumerate().skip(1) {
            *amplitude = 0.5 * 0.85_f64.powf((i as f64 - 7.0).abs());
        }
        for fundamental in [31.5, 34.6, 61.7, 65.4, 72.0] {
            let note =
                Note { fundamental, inharmonicity: 2e-4, amplitudes: &amplitudes, noise: 0.01 };
            let mut x = note.samples(44100.0, 1.5, &mut rng);
            for (i, x) in x.iter_mut().enumerate() {
                *x += 0.02 * (TAU * 66.6 * i as f64 / 44100.0).cos();
            }
            let pitch = of(&x, 44100.0).unwrap();
            let ratio = pitch.frequency_hz / fundamental;
            assert!((ratio - 1.0).abs() < 1e-3, "{fundamental} Hz: {pitch:?}");
        }
    }

    #[test]
    fn a_single_tone_is_its_own_fundamental() {
        // The parabola's largest error, over positions between bins.
        for (window, largest) in
            [(Window::Rectangular, 0.17), (Window::Hann, 0.016), (Window::BlackmanHarris, 0.0033)]
        {
            for eighth in 0..8 {
                let hz = 100.0 + f64::from(eighth) / 8.0;
                let x: Vec<f64> =
                    (0..4000).map(|i| (TAU * hz * f64::from(i) / 4000.0).sin()).collect();
                let spectrum = Spectrum::new(&x, 4000.0, window).unwrap();
                // Of all side lobes only a rectangular window's leave 8 bins in sight, at −29 dB.
                let options = PitchOptions::default().range_db(25.0);
                let pitch = pitch(&spectrum, &options).unwrap();
                assert!((pitch.frequency_hz - hz).abs() < largest, "{window:?}, {hz}: {pitch:?}");
                assert_eq!((pitch.partials.len(), pitch.std_error_hz), (1, None));
                assert!(
                    (pitch.explained - 1.0).abs() < 1e-12,
                    "side lobes are no lines: {pitch:?}"
                );
            }
        }
    }

    #[test]
    fn the_standard_error_is_the_scatter_of_the_estimate() {
        // Partials that lie off the series by a normal 0.1 % each: the error over its standard
        // error follows Student's law with 8 degrees of freedom, nearly, of mean square 4/3. 150
        // trials see that within 25 % (two standard errors); a factor of two either way leaves
        // room for unequal amplitudes and catches an error that is twice or half what it should be.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
        let trials = 150;
        let mut square = 0.0;
        for _ in 0..trials {
            let mut x = vec![0.0; 8000];
            for n in 1..=10 {
                let off: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>() * 1e-3;
                let hz =
                    200.0 * f64::from(n) * (1.0 + 2e-4 * f64::from(n * n)).sqrt() * (1.0 + off);
                let amplitude = rng.random_range(0.3..1.0);
                for (i, x) in x.iter_mut().enumerate() {
                    *x += amplitude * (TAU * hz * i as f64 / 8000.0).sin();
                }
            }
            let pitch = of(&x, 8000.0).unwrap();
            let error = pitch.frequency_hz - 200.0 * (1.0_f64 + 2e-4).sqrt();
            square += (error / pitch.std_error_hz.unwrap()).powi(2) / f64::from(trials);
        }
        assert!((0.67..2.67).contains(&square), "mean square {square}");
    }

    #[test]
    fn a_faster_clock_raises_the_pitch_by_its_ratio() {
        let x = recording("c4").mid();
        let (one, two) = (of(&x, 44100.0).unwrap(), of(&x, 88200.0).unwrap());
        // The lines are the same but for those that the lowest frequency lets in.
        assert!((two.frequency_hz / one.frequency_hz - 2.0).abs() < 1e-4);
    }

    #[test]
    fn where_no_note_is_none_is_found() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let noise: Vec<f64> = (0..40000).map(|_| rng.random_range(-1.0..1.0)).collect();
        let expected = "no partials of a note between 25 Hz and 5000 Hz stand out of the noise";
        for x in [&noise[..], &[0.0; 1000], &[1.0; 1000], &[1.0], &[1.0, 2.0]] {
            assert_eq!(of(x, 44100.0).unwrap_err().to_string(), expected, "{} samples", x.len());
        }
    }

    #[test]
    fn options_that_no_note_meets_are_named() {
        let spectrum = Spectrum::new(&[0.0, 1.0, 0.0], 44100.0, Window::Hann).unwrap();
        let text = |options| pitch(&spectrum, &options).unwrap_err().to_string();
        let options = PitchOptions::default();
        assert_eq!(text(options.low_hz(0.0)), "low_hz is 0, expected a positive, finite frequency");
        assert_eq!(
            text(options.high_hz(20.0)),
            "high_hz is 20, expected a finite frequency, not below low_hz"
        );
        assert_eq!(
            text(options.range_db(f64::NAN)),
            "range_db is NaN, expected a positive, finite number of decibels"
        );
    }
}
