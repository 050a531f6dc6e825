//! What `dsp` claims of spectra.

use std::f64::consts::TAU;

use dsp::audio::Audio;
use dsp::fft::{PairFft, RealFft};
use dsp::octave::{Cause, Reading, diagnose_octave};
use dsp::pitch::{PitchOptions, pitch};
use dsp::sliding::SlidingDft;
use dsp::spectrum::Spectrum;
use dsp::stft::Stft;
use dsp::tone::tone;
use dsp::wav;
use dsp::welch::{WelchOptions, welch};
use dsp::window::{Kaiser, Window};
use linalg::Complex;
use rand::{Rng, RngExt};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "dsp/octave-causes",
        question: Some(6),
        claim: "Whatever known mistake doubled or halved the frequency of a note is among the \
                suspects that the diagnosis names.",
        run: octave_causes,
    },
    Check {
        id: "dsp/packed-stereo",
        question: Some(6),
        claim: "The spectra of left and right come out of one transform of L + iR as exactly as out of two.",
        run: packed_stereo,
    },
    Check {
        id: "dsp/window-calibration",
        question: Some(6),
        claim: "Every window leaves a tone its amplitude and white noise its density.",
        run: window_calibration,
    },
    Check {
        id: "dsp/sub-bin",
        question: Some(6),
        claim: "The frequency of a tone scatters by at most 1.05 times the Cramér-Rao bound from 0 to 80 dB.",
        run: sub_bin,
    },
    Check {
        id: "dsp/stft-round-trip",
        question: Some(6),
        claim: "A signal comes back from its short-time spectra to rounding, its ends included.",
        run: stft_round_trip,
    },
    Check {
        id: "dsp/sliding-drift",
        question: Some(6),
        claim: "The bins of a sliding transform do not drift.",
        run: sliding_drift,
    },
    Check {
        id: "dsp/welch",
        question: Some(6),
        claim: "Averaged densities add up to the power of the signal, and scatter as they say.",
        run: welch_scatter,
    },
    Check {
        id: "dsp/every-key",
        question: Some(6),
        claim: "The fundamental of every key of a piano, A0 to C8, comes out within 3 cents: stiff strings, \
                no first partial in the bass, noise 20 dB below.",
        run: every_key,
    },
];

const WINDOWS: [Window; 7] = [
    Window::Rectangular,
    Window::Hann,
    Window::Hamming,
    Window::Blackman,
    Window::BlackmanHarris,
    Window::Nuttall,
    Window::FlatTop,
];

fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * rng.random_range(f64::MIN_POSITIVE..1.0).ln()).sqrt();
    radius * rng.random_range(0.0..TAU).cos()
}

/// The strongest line of `x` above zero frequency, as it is read off a plot.
fn strongest(x: &[f64], rate: f64) -> Result<f64, BoxError> {
    let spectrum = Spectrum::new(x, rate, Window::Hann)?;
    let above = (1..spectrum.bins().len()).filter(|&k| spectrum.frequency_hz(k) > 30.0);
    let top = above.max_by(|&a, &b| spectrum.amplitude(a).total_cmp(&spectrum.amplitude(b)));
    Ok(spectrum.frequency_hz(top.ok_or("no bins")?))
}

fn octave_causes(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut missed, mut blamed_average, mut total) = (0, 0, 0);
    let rate = 8000.0;
    let n = 8000_usize;
    for _ in 0..6 {
        let f = rng.random_range(150.0..400.0);
        let phases: Vec<f64> = (0..8).map(|_| rng.random_range(0.0..TAU)).collect();
        // Partials of falling strength; right is another mix of the same ones.
        let channel = |turn: f64| -> Vec<f64> {
            let partial = |n: usize, t: f64| {
                0.5_f64.powf(n as f64) * (TAU * f * (n + 1) as f64 * t + phases[n] + turn).cos()
            };
            (0..n).map(|i| (0..4).map(|p| partial(p, i as f64 / rate)).sum()).collect()
        };
        let (left, right) = (channel(0.0), channel(0.6));
        let audio = Audio::from_channels(&[&left[..], &right], rate)?;
        let interleaved: Vec<f64> = left.iter().zip(&right).flat_map(|(&l, &r)| [l, r]).collect();
        let rectified: Vec<f64> = left.iter().map(|x| x.abs()).collect();
        let squared: Vec<f64> = left.iter().map(|x| x * x).collect();
        let right_axis = |hz| Reading::new(hz).sample_rate_hz(rate).axis(rate / n as f64, n);
        let top = strongest(&left, rate)?;
        let misread = [
            (Cause::None, right_axis(top)),
            (Cause::SampleRate, Reading::new(2.0 * top).sample_rate_hz(2.0 * rate)),
            (
                Cause::AxisStep,
                Reading::new(2.0 * top).sample_rate_hz(rate).axis(2.0 * rate / n as f64, n),
            ),
            (Cause::Interleaved, right_axis(strongest(&interleaved, rate)?)),
            (Cause::Rectified, right_axis(strongest(&rectified, rate)?)),
            (Cause::Squared, right_axis(strongest(&squared, rate)?)),
        ];
        for (cause, reading) in misread {
            let found = diagnose_octave(&audio, &reading)?;
            total += 1;
            missed += usize::from(!found.suspects.iter().any(|suspect| suspect.cause == cause));
            // The usual guess: averaging the channels did it. It did, where mid reads that.
            let of_mid = strongest(&audio.mid(), rate)?;
            let is_mid = (of_mid / reading.frequency_hz - 1.0).abs() < 0.01;
            blamed_average += usize::from(!is_mid);
        }
    }
    Ok(Evidence {
        measured: missed as f64,
        // A count: below one half there is none.
        limit: 0.5,
        reason: "misreadings whose cause is not named; each cause is carried out on the note itself",
        control: Control {
            what: "blaming the average of the channels",
            measured: blamed_average as f64,
        },
        plots: Vec::new(),
        notes: vec![format!("{total} misreadings of six random stereo notes.")],
    })
}

fn packed_stereo(context: &Context) -> Result<Evidence, BoxError> {
    let audio = wav::read(context.data("dsp", "piano-c4.wav"))?;
    let (left, right) = (audio.channel(0)?, audio.channel(1)?);
    let mut rng = context.rng();
    let start = rng.random_range(0..20_000);
    let n = rng.random_range(40_000..60_000_usize);
    let (left, right) = (&left[start..start + n], &right[start..start + n]);
    let alone = RealFft::new(n)?;
    let expected = [alone.forward(left)?, alone.forward(right)?];
    let pair = PairFft::new(n)?;
    let (l, r) = pair.forward(left, right)?;
    let norm = |z: &[Complex<f64>]| z.iter().map(Complex::norm_sqr).sum::<f64>().sqrt();
    let off = |found: &[Complex<f64>], expected: &[Complex<f64>]| {
        let difference: Vec<_> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        norm(&difference) / norm(expected)
    };
    let packed = pair.packed(left, right)?;
    let half = off(&packed[..=n / 2], &expected[0]);
    Ok(Evidence {
        measured: off(&l, &expected[0]).max(off(&r, &expected[1])),
        limit: 8.0 * f64::EPSILON * (n as f64).log2(),
        reason: "two transforms, each with a rounding of at most c·eps·log₂ N, c = 4, prime lengths included",
        control: Control { what: "the positive half of L + iR taken for left", measured: half },
        plots: Vec::new(),
        notes: vec![format!("{n} samples of a piano's middle C from sample {start}.")],
    })
}

fn window_calibration(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let n = 1 << 14;
    let noise: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    let mut notes = Vec::new();
    for window in WINDOWS.into_iter().chain([Window::Kaiser(Kaiser::new(8.6)?)]) {
        let k = rng.random_range(100..n / 2 - 100);
        let (amplitude, phase) = (rng.random_range(0.1..10.0), rng.random_range(0.0..TAU));
        let x: Vec<f64> = (0..n)
            .map(|i| amplitude * (TAU * (k * i % n) as f64 / n as f64 + phase).cos())
            .collect();
        let tone = (Spectrum::new(&x, 1.0, window)?.amplitude(k) / amplitude - 1.0).abs();

        let spectrum = Spectrum::new(&noise, 1.0, window)?;
        let bins = 10..n / 2 - 10;
        let count = bins.len() as f64;
        let mean = bins.clone().map(|k| spectrum.density(k)).sum::<f64>() / count;
        // Standard errors of the mean of exponential values, correlated over the noise bandwidth.
        let standard_error = (window.noise_bandwidth_bins() / count).sqrt();
        let off = (mean / 2.0 - 1.0).abs() / standard_error;
        notes.push(format!(
            "{window:?}: tone off by {tone:.1e}, noise by {off:.1} standard errors."
        ));
        // Kaiser's side lobes do not vanish at the bins: the tone's image at negative frequency, 200 bins
        // away or more, leaves 5e-6 at most.
        let exact = if matches!(window, Window::Kaiser(_)) { 5e-6 } else { 1e-12 };
        measured = measured.max(off).max(tone / exact);
        if window != Window::Rectangular {
            // Power of a tone per bin, which takes in the noise bandwidth of the window.
            let power = bins.map(|k| spectrum.power(k)).sum::<f64>() / count;
            control = control.min((power * n as f64 / 2.0 - 1.0).abs() / standard_error);
        }
    }
    Ok(Evidence {
        measured,
        limit: 5.5,
        reason: "the noise's mean in standard errors, one in 10⁷ of which is beyond 5.5; the tone's in 1e-12 (Kaiser's 5e-6, for its image)",
        control: Control { what: "noise calibrated like a tone, by (Σw)²", measured: control },
        plots: Vec::new(),
        notes,
    })
}

fn sub_bin(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (n, trials) = (256_usize, 300);
    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    let mut notes = Vec::new();
    for snr_db in [0.0, 20.0, 40.0, 60.0, 80.0] {
        let sigma = (0.5 * 10_f64.powf(-snr_db / 10.0)).sqrt();
        // var ω ≥ 24 σ²/(A² N (N² − 1)) for a real tone.
        let bound = 24.0 * sigma * sigma / (n as f64).powi(3);
        let (mut square, mut of_bins) = (0.0, 0.0);
        for _ in 0..trials {
            let omega = TAU * rng.random_range(10.0..110.0) / n as f64;
            let phase = rng.random_range(0.0..TAU);
            let x: Vec<f64> = (0..n)
                .map(|i| (omega * i as f64 + phase).cos() + sigma * normal(&mut rng))
                .collect();
            square += (tone(&x, TAU)?.frequency_hz - omega).powi(2);
            of_bins += (strongest(&x, TAU * 1e6)? / 1e6 - omega).powi(2);
        }
        let ratio = (square / f64::from(trials) / bound).sqrt();
        notes.push(format!("{ratio:.3} times the bound at {snr_db} dB."));
        measured = measured.max(ratio);
        control = control.max((of_bins / f64::from(trials) / bound).sqrt());
    }
    Ok(Evidence {
        measured,
        limit: 1.05 * (1.0 + 5.0 / (2.0 * f64::from(trials)).sqrt()),
        reason: "1.05, and five standard errors of a root mean square over 300 trials",
        control: Control { what: "the largest bin", measured: control },
        plots: Vec::new(),
        notes,
    })
}

fn stft_round_trip(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    for _ in 0..20 {
        let len = rng.random_range(16..400_usize);
        let hop = rng.random_range(1..=len / 2);
        let x: Vec<f64> = (0..3000).map(|_| rng.random_range(-1.0..1.0)).collect();
        let stft = Stft::new(len, hop, Window::Hann)?;
        let transforms = stft.forward(&x)?;
        let back = stft.inverse(&transforms, x.len())?;
        let worst = |y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        measured = measured.max(worst(&back));

        // Frames added up and divided by how many there are, without their windows' overlap.
        let fft = RealFft::new(len)?;
        let mut sum = vec![0.0; x.len() + 2 * len];
        for (j, column) in transforms.as_slice().chunks_exact(stft.bins()).enumerate() {
            for (n, y) in fft.inverse(column)?.iter().enumerate() {
                sum[j * hop + n] += y * hop as f64 / len as f64;
            }
        }
        control = control.min(worst(&sum[len / 2..]));
    }
    Ok(Evidence {
        measured,
        limit: 1e-13,
        reason: "two transforms with roundings of eps·log₂ N of numbers up to 20, over an overlap of 1/4 or more",
        control: Control { what: "frames averaged without their windows", measured: control },
        plots: Vec::new(),
        notes: vec!["20 random frame lengths and hops up to half a frame.".to_owned()],
    })
}

fn sliding_drift(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (len, k, steps) = (256_usize, 19_usize, 1_000_000);
    let mut sliding = SlidingDft::new(len, &[k])?;
    let turn = Complex::from_polar(1.0, TAU * k as f64 / len as f64);
    let mut recursive = Complex::new(0.0, 0.0);
    let mut ring = vec![0.0; len];
    for step in 0..steps {
        let x = rng.random_range(-1.0..1.0);
        let gone = std::mem::replace(&mut ring[step % len], x);
        recursive = (recursive + x - gone) * turn;
        sliding.push(x)?;
    }
    let exact = sliding.recomputed()[0];
    Ok(Evidence {
        measured: (sliding.bins()[0] - exact).norm(),
        limit: 4.0 * f64::EPSILON / 2.0 * 16.0 * (2.0 * len as f64).sqrt(),
        reason: "a random walk of at most 2N roundings of sums up to 16, eps/2 each at the most, at four deviations or more",
        control: Control {
            what: "the recursion that multiplies its sum by a factor each time",
            measured: (recursive - exact).norm(),
        },
        plots: Vec::new(),
        notes: vec![format!("{steps} updates of one bin of {len}.")],
    })
}

fn welch_scatter(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let x: Vec<f64> = (0..200_000).map(|_| 3.0 * normal(&mut rng)).collect();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    let mut notes = Vec::new();
    for (len, hop) in [(128, 64), (255, 100), (512, 128)] {
        let found = welch(&x, 50.0, &WelchOptions::default().len(len).hop(hop))?;
        let inner = &found.density[4..len / 2 - 4];
        // σ² = 9 at 50 samples a second: 18/50 per hertz.
        let known = 18.0 / 50.0;
        let count = inner.len() as f64;
        let mean = inner.iter().sum::<f64>() / count;
        // Neighbors under a Hann window are correlated: 1.94 bins' worth to one.
        let standard_error = found.relative_std_error * (1.94 / count).sqrt();
        let off = (mean / known - 1.0).abs() / standard_error;
        notes.push(format!(
            "{} segments of {len}: off by {off:.1} standard errors of {standard_error:.1e}.",
            found.segments
        ));
        measured = measured.max(off);
        // Two-sided: half of it is at negative frequencies.
        control = control.min((0.5 * mean / known - 1.0).abs() / standard_error);
    }
    Ok(Evidence {
        measured,
        limit: 5.5,
        reason: "the density of white noise in the standard errors that the result states; one in 10⁷ is beyond 5.5",
        control: Control { what: "half of the two-sided density", measured: control },
        plots: Vec::new(),
        notes,
    })
}

fn every_key(context: &Context) -> Result<Evidence, BoxError> {
    const RATE: f64 = 22050.0;
    let mut rng = context.rng();
    let (mut ours, mut highest) = (Vec::new(), Vec::new());
    for keys in (0..88).map(f64::from) {
        let first_hz = 27.5 * 2_f64.powf(keys / 12.0) * rng.random_range(0.99..1.01);
        let stiffness = 1e-4 * (2.0 * (-keys / 12.0).exp() + (keys / 18.0).exp());
        let falloff = (1.0 - keys / 110.0).clamp(0.3, 0.9);
        let samples = rng.random_range(11_000..22_000);
        let mut x = vec![0.0; samples];
        let mut loudest = 0.0_f64;
        for n in (1..=30).map(f64::from) {
            let hz = n * first_hz * ((1.0 + stiffness * n * n) / (1.0 + stiffness)).sqrt();
            if hz > 0.45 * RATE {
                break;
            }
            let radiated = if hz < 80.0 { 0.03 } else { 1.0 };
            let amplitude = radiated * falloff.powf(n) * rng.random_range(0.5..1.5);
            loudest = loudest.max(amplitude);
            let step = Complex::from_polar(f64::exp(-(1.0 + hz / 800.0) / RATE), TAU * hz / RATE);
            let mut turn = Complex::from_polar(amplitude, rng.random_range(0.0..TAU));
            for x in &mut x {
                *x += turn.re;
                turn *= step;
            }
        }
        for x in &mut x {
            *x += 0.1 * loudest * normal(&mut rng);
        }
        let cents = |hz: f64| 1200.0 * (hz / first_hz).log2().abs();
        let spectrum = Spectrum::new(&x, RATE, Window::Hann)?;
        let found = pitch(&spectrum, &PitchOptions::default());
        ours.push((keys + 1.0, found.map_or(f64::INFINITY, |note| cents(note.frequency_hz))));
        highest.push((keys + 1.0, cents(strongest(&x, RATE)?)));
    }
    let worst = |cents: &[(f64, f64)]| cents.iter().map(|point| point.1).fold(0.0, f64::max);
    let wrong = highest.iter().filter(|point| point.1 > 50.0).count();
    let series = |label: &str, points: &[(f64, f64)]| Series {
        label: label.to_owned(),
        mark: Mark::Dots,
        points: points.to_vec(),
    };
    Ok(Evidence {
        measured: worst(&ours),
        limit: 3.0,
        reason: "cents: a line is placed within 0.016 bins, of half a second 2 cents of A0, and the noise may \
                 take one more",
        control: Control {
            what: "the strongest line taken for the pitch",
            measured: worst(&highest),
        },
        plots: vec![Plot {
            title: "the keys of a piano",
            x: Axis { label: "key", scale: Scale::Linear },
            y: Axis { label: "error (cents)", scale: Scale::Log },
            series: vec![
                series("the series of partials", &ours),
                series("the strongest line", &highest),
            ],
        }],
        notes: vec![format!(
            "The strongest line is off by more than 50 cents at {wrong} of 88 keys."
        )],
    })
}
