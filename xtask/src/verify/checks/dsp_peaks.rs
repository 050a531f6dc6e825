//! What `dsp` claims of peaks, events and wavelets.

use dsp::events::{EventOptions, find_events};
use dsp::noise::{NoiseFloor, noise_floor};
use dsp::peaks::{NanPolicy, PeakOptions, PeakStream, find_peaks};
use dsp::wavelet::{DenoiseOptions, Mode, Wavelet, denoise};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "dsp/peak-stream",
        question: Some(5),
        claim: "Peaks of a given prominence found chunk by chunk are those of the whole signal, \
                for any chunks.",
        run: peak_stream,
    },
    Check {
        id: "dsp/noise-floor",
        question: Some(5),
        claim: "The noise floor of a signal with bursts is that of its noise.",
        run: robust_floor,
    },
    Check {
        id: "dsp/events",
        question: Some(5),
        claim: "Bursts at 20 dB are found with their highest sample, and with onset and offset \
                within one sample.",
        run: events,
    },
    Check {
        id: "dsp/false-alarms",
        question: Some(5),
        claim: "Noise makes as many false events as the options state.",
        run: false_alarms,
    },
    Check {
        id: "dsp/wavelet-reconstruction",
        question: Some(5),
        claim: "A wavelet transform gives back every sample and no more, in all nine boundary modes.",
        run: wavelet_reconstruction,
    },
    Check {
        id: "dsp/shrinkage",
        question: Some(5),
        claim: "Wavelet shrinkage leaves no more error than Donoho and Johnstone's oracle bound.",
        run: shrinkage,
    },
];

fn normal(n: usize, rng: &mut impl Rng) -> Vec<f64> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

fn peak_stream(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut measured, mut control, mut total) = (0, 0, 0);
    let signals = 2000;
    for signal in 0..signals {
        let n = rng.random_range(3..300);
        // Noise without ties; few levels; a walk over few levels.
        let mut x: Vec<f64> = (0..n)
            .map(|_| match signal % 3 {
                0 => rng.random_range(-3.0..3.0),
                _ => f64::from(rng.random_range(-3..4)),
            })
            .collect();
        if signal % 3 == 2 {
            (1..n).for_each(|i| x[i] += x[i - 1]);
        }
        let least = [1.0, 2.0, 4.0][rng.random_range(0..3)];
        let options = PeakOptions::default().prominence(least..);
        let whole: Vec<usize> = find_peaks(&x, &options)?.indices;

        let mut stream = PeakStream::new(least, NanPolicy::Refuse)?;
        let (mut streamed, mut pieces, mut start) = (Vec::new(), Vec::new(), 0);
        while start < n {
            let end = (start + rng.random_range(1..60)).min(n);
            streamed.extend(stream.extend(&x[start..end])?.iter().map(|peak| peak.maximum.index));
            pieces.extend(find_peaks(&x[start..end], &options)?.indices.iter().map(|p| start + p));
            start = end;
        }
        total += whole.len();
        measured += usize::from(streamed != whole);
        control += usize::from(pieces != whole);
    }
    Ok(Evidence {
        measured: measured as f64,
        limit: 0.0,
        reason: "signals with a peak too many, too few or elsewhere; the same comparisons, so none",
        control: Control { what: "find_peaks on each chunk for itself", measured: control as f64 },
        plots: Vec::new(),
        notes: vec![format!("{total} peaks of {signals} random signals in random chunks.")],
    })
}

fn robust_floor(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let n = 20_000;
    let mut x: Vec<f64> = normal(n, &mut rng).iter().map(|v| 5.0 + v).collect();
    for _ in 0..20 {
        let start = rng.random_range(0..n - 20);
        x[start..start + 20].iter_mut().for_each(|v| *v += 20.0);
    }
    let floor = noise_floor(&x, 0.0)?;
    let mean = x.iter().sum::<f64>() / n as f64;
    let deviation = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    let error = |floor: NoiseFloor| (floor.sigma - 1.0).abs().max((floor.center - 5.0).abs());
    Ok(Evidence {
        measured: error(floor),
        limit: 0.065,
        reason: "in sigma: 400 of 20,000 samples in bursts move the deviation by 0.024 and the \
                 median by 0.026; plus five standard errors, 1.17/sqrt(n) = 0.0083 at most",
        control: Control {
            what: "mean and standard deviation",
            measured: error(NoiseFloor { center: mean, sigma: deviation }),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "Sigma {:.3} by the median absolute deviation, {deviation:.3} by the standard one.",
            floor.sigma
        )],
    })
}

/// Noise with bursts of 10 σ with one sample of 20 σ, and (onset, apex, offset) of each.
fn bursts(rng: &mut impl Rng) -> (Vec<f64>, Vec<[usize; 3]>) {
    let mut x = normal(100_000, rng);
    let mut known = Vec::new();
    for start in (500..99_000).step_by(500) {
        let (onset, length) = (start + rng.random_range(0..200), rng.random_range(3..60));
        let apex = onset + rng.random_range(0..length);
        x[onset..onset + length].iter_mut().for_each(|v| *v += 10.0);
        x[apex] += 10.0;
        known.push([onset, apex, onset + length - 1]);
    }
    (x, known)
}

fn events(context: &Context) -> Result<Evidence, BoxError> {
    let (x, known) = bursts(&mut context.rng());
    let floor = noise_floor(&x, 0.0)?;
    let options = EventOptions::default().enter(6.0).leave(4.0);
    let found: Vec<[usize; 3]> = find_events(&x, &[floor], &options)?
        .iter()
        .map(|event| [event.onset, event.apex, event.offset])
        .collect();
    let bases: Vec<[usize; 3]> = find_peaks(&x, &PeakOptions::default().prominence(15.0..))?
        .iter()
        .filter_map(|peak| peak.prominence.map(|p| [p.left_base, peak.index, p.right_base]))
        .collect();
    // The worst edge in samples; an apex that is off by one counts as two.
    let worst = |found: &[[usize; 3]]| {
        if found.len() != known.len() {
            return f64::INFINITY;
        }
        let off = |(found, known): (&[usize; 3], &[usize; 3])| {
            let edges = found[0].abs_diff(known[0]).max(found[2].abs_diff(known[2]));
            edges.max(2 * found[1].abs_diff(known[1]))
        };
        found.iter().zip(&known).map(off).max().unwrap_or(0) as f64
    };
    let shown = known[0][0] - 60..known[0][2] + 60;
    let at = |i: usize| (i as f64, x[i]);
    Ok(Evidence {
        measured: worst(&found),
        limit: 1.0,
        reason: "samples; a neighbor of a burst is above 4 sigma with chance 3e-5, two are with 1e-9",
        control: Control {
            what: "the bases of the prominence taken for onset and offset",
            measured: worst(&bases),
        },
        plots: vec![Plot {
            title: "a burst, its onset, apex and offset",
            x: Axis { label: "sample", scale: Scale::Linear },
            y: Axis { label: "x (sigma)", scale: Scale::Linear },
            series: vec![
                Series {
                    label: "signal".to_owned(),
                    mark: Mark::Line,
                    points: shown.map(at).collect(),
                },
                Series {
                    label: "event".to_owned(),
                    mark: Mark::Dots,
                    points: found.first().map_or(Vec::new(), |event| event.map(at).to_vec()),
                },
            ],
        }],
        notes: vec![format!("{} bursts, {} events.", known.len(), found.len())],
    })
}

fn false_alarms(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let n = 1_000_000;
    let mut x = normal(n, &mut rng);
    // A thousandth of the samples in bursts, which must not move the level for the rest.
    let starts: Vec<usize> = (5_000..n).step_by(10_000).collect();
    for &start in &starts {
        x[start..start + 10].fill(100.0);
    }
    let options = EventOptions::default().leave(1.0).for_false_alarms(1e-3)?;
    let expected = options.false_alarms_per_sample() * n as f64;
    let off = |floor: NoiseFloor| -> Result<f64, BoxError> {
        let false_ones = find_events(&x, &[floor], &options)?
            .iter()
            .filter(|event| event.height < 100.0)
            .count();
        Ok((false_ones as f64 / expected - 1.0).abs())
    };
    let mean = x.iter().sum::<f64>() / n as f64;
    let sigma = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
    Ok(Evidence {
        measured: off(noise_floor(&x, 0.0)?)?,
        limit: 0.2,
        reason: "relative: five standard deviations of a count of 1000 are 0.16; the estimates of \
                 center and sigma move it by 0.04",
        control: Control {
            what: "the same level over mean and standard deviation, which the bursts swell",
            measured: off(NoiseFloor { center: mean, sigma })?,
        },
        plots: Vec::new(),
        notes: vec![format!("A level of {:.3} sigma for {expected:.0} events.", options.enter)],
    })
}

fn wavelet_reconstruction(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut worst, mut control) = (0.0_f64, f64::INFINITY);
    let names = ["haar", "db4", "db20", "db38", "sym8", "sym20", "coif5", "bior4.4", "rbio6.8"];
    for name in names {
        let wavelet = Wavelet::new(name)?;
        for mode in Mode::ALL {
            let x = normal(rng.random_range(100..400), &mut rng);
            let mut parts = wavelet.decompose(&x, mode, 2)?;
            let scale = x.iter().fold(0.0_f64, |scale, v| scale.max(v.abs()));
            let off = |back: &[f64]| {
                if back.len() != x.len() {
                    return f64::INFINITY;
                }
                let errors = x.iter().zip(back).map(|(x, back)| (x - back).abs());
                errors.fold(0.0, f64::max) / scale
            };
            worst = worst.max(off(&parts.reconstruct()?));
            // Half as many coefficients as samples, and no more.
            if mode == Mode::Zero && wavelet.dec_lo().len() > 2 {
                let half = x.len() / 2;
                parts.details[0][half..].fill(0.0);
                control = control.min(off(&parts.reconstruct()?));
            }
        }
    }
    Ok(Evidence {
        measured: worst,
        limit: 1e-13,
        reason: "relative to the largest sample: 2 levels x (76 taps there and back) x eps, times \
                 the gain of the longest extension, is below 450 eps = 1e-13",
        control: Control {
            what: "n/2 details of each level and none beyond the end",
            measured: control,
        },
        plots: Vec::new(),
        notes: vec![format!("{} wavelets in {} modes, odd and even lengths.", names.len(), 9)],
    })
}

fn shrinkage(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (n, sigma) = (4096, 0.5);
    // Steps, as in Donoho and Johnstone's "Blocks".
    let mut clean = vec![0.0; n];
    for _ in 0..10 {
        let (at, height) = (rng.random_range(0..n), rng.random_range(-5.0..5.0));
        clean[at..].iter_mut().for_each(|v| *v += height);
    }
    let x: Vec<f64> = clean.iter().zip(normal(n, &mut rng)).map(|(c, v)| c + sigma * v).collect();
    let wavelet = Wavelet::new("haar")?;
    let (mode, levels) = (Mode::Periodization, 8);
    let options = DenoiseOptions::new(wavelet.clone()).mode(mode).levels(levels);
    let done = denoise(&x, &options)?;

    // What one who knew the details would lose: each, or the noise in it, whichever is less.
    let parts = wavelet.decompose(&clean, mode, levels)?;
    let details = parts.details.iter().flatten().map(|d| (d * d).min(sigma * sigma)).sum::<f64>();
    let oracle = details + parts.approximation.len() as f64 * sigma * sigma;
    let bound = (2.0 * (n as f64).ln() + 1.0) * (sigma * sigma + oracle);
    let risk = |y: &[f64]| y.iter().zip(&clean).map(|(y, c)| (y - c).powi(2)).sum::<f64>();
    let at = |x: &[f64]| x.iter().enumerate().map(|(i, &v)| (i as f64, v)).collect::<Vec<_>>();
    Ok(Evidence {
        measured: risk(&done.signal) / bound,
        limit: 1.0,
        reason: "Donoho & Johnstone 1994, theorem 1: the risk of soft shrinkage at the universal \
                 threshold is at most (2 ln n + 1)(sigma^2 + the oracle's)",
        control: Control { what: "the noisy signal as it is", measured: risk(&x) / bound },
        plots: vec![Plot {
            title: "steps in noise, and what shrinkage makes of them",
            x: Axis { label: "sample", scale: Scale::Linear },
            y: Axis { label: "x", scale: Scale::Linear },
            series: vec![
                Series { label: "noisy".to_owned(), mark: Mark::Line, points: at(&x) },
                Series { label: "shrunk".to_owned(), mark: Mark::Line, points: at(&done.signal) },
                Series { label: "true".to_owned(), mark: Mark::Dashed, points: at(&clean) },
            ],
        }],
        notes: vec![format!(
            "Mean square error {:.4} of {:.4}.",
            risk(&done.signal) / n as f64,
            risk(&x) / n as f64
        )],
    })
}
