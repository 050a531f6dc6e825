//! What `dsp` claims.

use std::f64::consts::TAU;
use std::path::Path;

use dsp::audio::Audio;
use dsp::peaks::{PeakOptions, Prominence, find_peaks, local_maxima, prominences};
use dsp::pitch::{Pitch, PitchOptions, pitch};
use dsp::spectrum::Spectrum;
use dsp::wav;
use dsp::window::Window;
use rand::RngExt;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "dsp/middle-c",
        question: Some(6),
        claim: "The middle C of a real stereo WAV file is found in each channel and in their mean \
                within 0.5 Hz.",
        run: middle_c,
    },
    Check {
        id: "dsp/strongest-line",
        question: Some(6),
        claim: "The pitch of a real C3 whose second partial is the strongest comes out within \
                0.5 Hz in each channel and in their mean.",
        run: strongest_line,
    },
    Check {
        id: "dsp/between-bins",
        question: Some(6),
        claim: "A steady tone is placed between the bins of a Hann-windowed spectrum to 1/60 of a bin.",
        run: between_bins,
    },
    Check {
        id: "dsp/ecg-prominence",
        question: Some(5),
        claim: "Every peak of a minute of electrocardiogram has SciPy's index, plateau, bases and \
                prominence, and no other is found.",
        run: ecg_prominence,
    },
    Check {
        id: "dsp/linear-prominence",
        question: Some(5),
        claim: "Prominences in linear time equal the walk from each peak, to the last bit, ties, \
                plateaus and windows included.",
        run: linear_prominence,
    },
];

/// A signal with a name, and the fundamental frequency that it has.
type Known<'a> = (&'a str, Vec<f64>, f64);

fn channels(audio: &Audio, known_hz: [f64; 3]) -> Result<[Known<'static>; 3], BoxError> {
    let [left, right, mean] = known_hz;
    Ok([
        ("left channel", audio.channel(0)?.to_vec(), left),
        ("right channel", audio.channel(1)?.to_vec(), right),
        ("mean of the channels", audio.mid(), mean),
    ])
}

fn pitch_of(x: &[f64], sample_rate_hz: f64) -> Result<Pitch, BoxError> {
    let spectrum = Spectrum::new(x, sample_rate_hz, Window::Hann)?;
    Ok(pitch(&spectrum, &PitchOptions::default())?)
}

fn described(name: &str, pitch: &Pitch, known_hz: f64) -> String {
    let error = pitch.std_error_hz.unwrap_or(f64::NAN);
    format!(
        "The {name} has {:.2} Hz with a standard error of {error:.2} Hz from {} partials, reference \
         {known_hz} Hz.",
        pitch.frequency_hz,
        pitch.partials.len()
    )
}

fn middle_c(context: &Context) -> Result<Evidence, BoxError> {
    let path = context.data("dsp", "piano-c4.wav");
    let audio = wav::read(&path)?;
    let rate = audio.sample_rate_hz();
    let mut measured = 0.0_f64;
    let mut notes = Vec::new();
    let mut series = Vec::new();
    for (name, x, known_hz) in channels(&audio, [261.48, 261.55, 261.45])? {
        let pitch = pitch_of(&x, rate)?;
        measured = measured.max((pitch.frequency_hz - known_hz).abs());
        notes.push(described(name, &pitch, known_hz));
        if name != "mean of the channels" {
            series.push(line(name, &Spectrum::new(&x, rate, Window::Hann)?));
        }
    }

    let mono = interleaved(&path)?;
    let low = pitch_of(&mono, rate)?.frequency_hz;
    notes.push(format!("Interleaved samples read as one channel have {low:.2} Hz."));
    Ok(Evidence {
        measured,
        limit: 0.5,
        reason: "one bin of the two-second spectrum is 0.5 Hz; SOURCES.md has the references",
        control: Control {
            what: "the interleaved samples read as one channel",
            measured: (low - 261.45).abs(),
        },
        plots: vec![Plot {
            title: "middle C, left and right",
            x: Axis { label: "frequency (Hz)", scale: Scale::Linear },
            y: Axis { label: "amplitude (full scale 1)", scale: Scale::Log },
            series,
        }],
        notes,
    })
}

/// The spectrum up to 2.3 kHz, the highest of each 4 bins, above a millionth of full scale.
fn line(name: &str, spectrum: &Spectrum) -> Series {
    let highest = |start: usize| {
        (start..start + 4)
            .max_by(|&a, &b| spectrum.amplitude(a).total_cmp(&spectrum.amplitude(b)))
            .map(|k| (spectrum.frequency_hz(k), spectrum.amplitude(k).max(1e-6)))
    };
    let points = (4..spectrum.bins().len() - 4)
        .step_by(4)
        .take_while(|&k| spectrum.frequency_hz(k) < 2300.0)
        .filter_map(highest)
        .collect();
    Series { label: name.to_owned(), mark: Mark::Line, points }
}

/// The samples of a WAV file in the order in which they stand there, as someone gets them who
/// overlooks that there are two channels.
fn interleaved(path: &Path) -> Result<Vec<f64>, BoxError> {
    let audio = wav::read(path)?;
    let (left, right) = (audio.channel(0)?, audio.channel(1)?);
    Ok(left.iter().zip(right).flat_map(|(&left, &right)| [left, right]).collect())
}

fn strongest_line(context: &Context) -> Result<Evidence, BoxError> {
    let audio = wav::read(context.data("dsp", "piano-c3.wav"))?;
    let rate = audio.sample_rate_hz();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    let mut notes = Vec::new();
    for (name, x, known_hz) in channels(&audio, [130.8; 3])? {
        let pitch = pitch_of(&x, rate)?;
        measured = measured.max((pitch.frequency_hz - known_hz).abs());
        notes.push(described(name, &pitch, known_hz));

        let spectrum = Spectrum::new(&x, rate, Window::Hann)?;
        let strongest = (1..spectrum.bins().len())
            .max_by(|&a, &b| spectrum.amplitude(a).total_cmp(&spectrum.amplitude(b)))
            .map_or(f64::NAN, |k| spectrum.frequency_hz(k));
        notes.push(format!("The strongest line of the {name} is at {strongest:.1} Hz."));
        control = control.min((strongest - known_hz).abs());
    }
    Ok(Evidence {
        measured,
        limit: 0.5,
        reason: "one bin of the two-second spectrum is 0.5 Hz; SOURCES.md has the reference",
        control: Control { what: "the strongest line taken for the pitch", measured: control },
        plots: Vec::new(),
        notes,
    })
}

/// Index, left and right edge, prominence, left and right base.
type Row = [f64; 6];

fn row(index: usize, left_edge: usize, right_edge: usize, p: Prominence) -> Row {
    let [index, left_edge, right_edge, left_base, right_base] =
        [index, left_edge, right_edge, p.left_base, p.right_base].map(|i| i as f64);
    [index, left_edge, right_edge, p.value, left_base, right_base]
}

/// How many rows are in one list and not in the other.
fn differing(a: &[Row], b: &[Row]) -> f64 {
    let missing = |a: &[Row], b: &[Row]| a.iter().filter(|row| !b.contains(row)).count();
    (missing(a, b) + missing(b, a)) as f64
}

/// Tones of any frequency and phase, each in a spectrum of its own.
fn between_bins(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut worst, mut worst_bin) = (0.0_f64, 0.0_f64);
    let tones = 100;
    for _ in 0..tones {
        let n: usize = rng.random_range(900..1100);
        let (place, phase) = (rng.random_range(60.0..300.0), rng.random_range(0.0..TAU));
        let x: Vec<f64> =
            (0..n).map(|i| (TAU * place * i as f64 / n as f64 + phase).cos()).collect();
        // One sample a second for n seconds: a bin is 1/n Hz.
        let spectrum = Spectrum::new(&x, 1.0, Window::Hann)?;
        let options = PitchOptions::default().low_hz(50.0 / n as f64).high_hz(0.5);
        let found = pitch(&spectrum, &options)?.strongest().ok_or("no partial")?;
        worst = worst.max((found.frequency_hz * n as f64 - place).abs());
        worst_bin = worst_bin.max((place.round() - place).abs());
    }
    Ok(Evidence {
        measured: worst,
        limit: 1.0 / 60.0,
        reason: "in bins: a parabola through the logarithms of three bins of a Hann window's main \
                 lobe errs by at most 0.016; the tone's mirror image, 100 bins away, adds 1e-5",
        control: Control { what: "the bin with the largest amplitude", measured: worst_bin },
        plots: Vec::new(),
        notes: vec![format!(
            "{tones} tones between bins 60 and 300 of spectra of about 1000 samples."
        )],
    })
}

fn ecg_prominence(context: &Context) -> Result<Evidence, BoxError> {
    let x: Vec<f64> = column_lines(&context.data("dsp", "ecg-mitbih-208.csv"))?
        .iter()
        .map(|[adc]| *adc)
        .collect();
    let scipy: Vec<Row> = column_lines(&context.data("dsp", "ecg-peaks-scipy.csv"))?;

    let peaks = find_peaks(&x, &PeakOptions::default().plateau_size(..).prominence(..))?;
    let found: Vec<Row> = peaks
        .plateaus
        .iter()
        .zip(&peaks.prominences)
        .map(|(top, &prominence)| row(top.index, top.left_edge, top.right_edge, prominence))
        .collect();

    let tops: Vec<usize> =
        (1..x.len() - 1).filter(|&i| x[i] > x[i - 1] && x[i] >= x[i + 1]).collect();
    let shoulders: Vec<Row> = tops
        .iter()
        .zip(prominences(&x, &tops, None)?)
        .map(|(&top, prominence)| row(top, top, top, prominence))
        .collect();

    let beats = find_peaks(&x, &PeakOptions::default().prominence(200.0..).window(201))?;
    Ok(Evidence {
        measured: differing(&found, &scipy),
        // A count: below one half there is none.
        limit: 0.5,
        reason: "rows that differ from those that SciPy 1.17.1 printed; integers, so none may",
        control: Control {
            what: "the compare y2 > y1 && y2 >= y3, which takes shoulders for peaks",
            measured: differing(&shoulders, &scipy),
        },
        plots: vec![beats_plot(&x, &beats.indices)],
        notes: vec![
            format!("{} peaks found, {} by SciPy.", found.len(), scipy.len()),
            format!("{} by the compare, plateaus and shoulders alike.", shoulders.len()),
            format!("{} beats stand out by 1 mV or more.", beats.len()),
        ],
    })
}

/// The first ten seconds in millivolts, with what stands out by one.
fn beats_plot(adc: &[f64], beats: &[usize]) -> Plot {
    let shown = 3600;
    let point = |i: usize| (i as f64 / 360.0, (adc[i] - 1024.0) / 200.0);
    let tops = beats.iter().copied().filter(|&i| i < shown).map(point).collect();
    Plot {
        title: "electrocardiogram, peaks of prominence 1 mV within 201 samples",
        x: Axis { label: "time (s)", scale: Scale::Linear },
        y: Axis { label: "voltage (mV)", scale: Scale::Linear },
        series: vec![
            Series {
                label: "record 208, lead MLII".to_owned(),
                mark: Mark::Line,
                points: (0..shown).map(point).collect(),
            },
            Series { label: "peaks".to_owned(), mark: Mark::Dots, points: tops },
        ],
    }
}

/// The rows of a CSV file of numbers with a heading.
fn column_lines<const N: usize>(path: &Path) -> Result<Vec<[f64; N]>, BoxError> {
    csv::Reader::from_path(path)?
        .into_records()
        .map(|record| {
            let record = record?;
            let numbers: Vec<f64> = record.iter().map(str::parse).collect::<Result<_, _>>()?;
            numbers.try_into().map_err(|row: Vec<f64>| {
                format!("{}: a row of {} numbers, expected {N}", path.display(), row.len()).into()
            })
        })
        .collect()
}

/// What stops the walk to the lowest sample beside a peak.
#[derive(Clone, Copy)]
enum Wall {
    Higher,
    HigherOrEqual,
}

/// Prominence as it is defined: a walk to either side of `p`, over at most `reach` samples.
fn walk(x: &[f64], p: usize, reach: usize, wall: Wall) -> Prominence {
    let lowest = |positions: &mut dyn Iterator<Item = usize>| {
        let mut base = p;
        for i in positions {
            let stops = match wall {
                Wall::Higher => x[i] > x[p],
                // Past the plateau of p itself, that is.
                Wall::HigherOrEqual => x[i] > x[p] || x[i] >= x[p] && x[base] < x[p],
            };
            if stops {
                break;
            }
            if x[i] < x[base] {
                base = i;
            }
        }
        base
    };
    let left_base = lowest(&mut (p.saturating_sub(reach)..p).rev());
    let right_base = lowest(&mut (p + 1..=(p + reach).min(x.len() - 1)));
    Prominence { value: x[p] - x[left_base].max(x[right_base]), left_base, right_base }
}

fn linear_prominence(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut total, mut measured, mut control) = (0, 0.0, 0.0);
    for _ in 0..400 {
        let n = rng.random_range(3..300);
        let levels = rng.random_range(2..12);
        // Noise, whose bases are near, or a random walk, whose bases are far.
        let keeps = f64::from(rng.random_range(0..2));
        let mut x = vec![0.0; n];
        for i in 1..n {
            let step = f64::from(rng.random_range(0..levels)) - f64::from(levels / 2);
            x[i] = keeps * x[i - 1] + step;
        }
        let window =
            [None, Some(2), Some(9), Some(rng.random_range(2..2 * n))][rng.random_range(0..4)];
        let reach = window.map_or(n, |samples| samples / 2);

        let tops: Vec<usize> = local_maxima(&x).iter().map(|top| top.index).collect();
        for (&p, found) in tops.iter().zip(prominences(&x, &tops, window)?) {
            let expected = walk(&x, p, reach, Wall::Higher);
            let stopped = walk(&x, p, reach, Wall::HigherOrEqual);
            total += 1;
            measured += f64::from(u8::from(found != expected));
            control += f64::from(u8::from(stopped != expected));
        }
    }
    Ok(Evidence {
        measured,
        // A count: below one half there is none.
        limit: 0.5,
        reason: "peaks whose prominence or base differs; the same subtractions, so none may",
        control: Control { what: "a walk that an equal peak stops", measured: control },
        plots: Vec::new(),
        notes: vec![format!("{total} peaks of 400 random signals of few levels.")],
    })
}
