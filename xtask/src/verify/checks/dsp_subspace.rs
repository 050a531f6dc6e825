//! What `dsp::subspace` claims.

use std::f64::consts::{PI, TAU};

use dsp::subspace::{
    Covariance, DelayOptions, Grid, Method, NullSpectrum, Options, Section, Smoothing, Source,
    Sources, Subspace, delays, moveout, ricker, transfer_function,
};
use linalg::{Cholesky, Complex, DMatrix};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "dsp/delay-domain",
        question: Some(12),
        claim: "From one trace with two overlapping radar echoes come their delays in seconds, within \
                five times the Cramér-Rao bound.",
        run: delay_domain,
    },
    Check {
        id: "dsp/echoes-at-the-bound",
        question: Some(12),
        claim: "Two echoes 0.67 of the resolution 1/B apart scatter as little as the Cramér-Rao bound \
                allows, no failure left out.",
        run: echoes_at_the_bound,
    },
    Check {
        id: "dsp/coherent-directions",
        question: Some(12),
        claim: "Two coherent sources at eight sensors are told apart after forward-backward smoothing.",
        run: coherent_directions,
    },
    Check {
        id: "dsp/spectrum-by-transform",
        question: Some(12),
        claim: "MUSIC's null spectrum by one Fourier transform equals the product of noise subspace and \
                steering vectors.",
        run: spectrum_by_transform,
    },
    Check {
        id: "dsp/source-count",
        question: Some(12),
        claim: "Two echoes 0.45 of the resolution 1/B apart are counted right in 95 of 100 traces at \
                20 dB.",
        run: source_count,
    },
    Check {
        id: "dsp/cramer-rao-bound",
        question: Some(12),
        claim: "The bound stated beside a delay is that of a Fisher matrix from difference quotients of \
                the trace.",
        run: cramer_rao_bound,
    },
    Check {
        id: "dsp/first-arrivals",
        question: Some(12),
        claim: "First arrivals picked in a radar section with wow and a stronger ground wave move out at \
                the speed of light.",
        run: first_arrivals,
    },
];

const FC: f64 = 1.5e9;
const DT: f64 = 25e-12;
const SAMPLES: usize = 1024;
/// Samples of the pulse on either side of its peak.
const HALF: usize = 80;

/// Two echoes of a Ricker pulse: delays, amplitudes.
#[derive(Clone, Copy)]
struct Echoes {
    delays: [f64; 2],
    amplitudes: [f64; 2],
}

impl Echoes {
    /// Echoes `separation_s` apart, off any grid.
    fn draw(separation_s: f64, rng: &mut Xoshiro256PlusPlus) -> Self {
        let first = 6e-9 + DT * rng.random::<f64>();
        Self { delays: [first, first + separation_s], amplitudes: [1.0, 0.7] }
    }

    fn clean(&self) -> Vec<f64> {
        let ricker = |t: f64| {
            let u = (PI * FC * t).powi(2);
            (1.0 - 2.0 * u) * (-u).exp()
        };
        (0..SAMPLES)
            .map(|k| {
                let t = (k as f64 - HALF as f64) * DT;
                let echoes = self.delays.iter().zip(self.amplitudes);
                echoes.map(|(delay, a)| a * ricker(t - delay)).sum()
            })
            .collect()
    }

    fn noisy(&self, sigma: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        self.clean().into_iter().map(|x| x + sigma * rng.sample::<f64, _>(StandardNormal)).collect()
    }

    /// The Cramér-Rao bounds on the delays' standard deviations in noise of standard deviation
    /// `sigma`: from the Fisher matrix DᵀD/σ², D by central differences of the clean trace.
    fn bounds(&self, sigma: f64) -> Result<[f64; 2], BoxError> {
        let mut d = DMatrix::zeros(SAMPLES, 4);
        for parameter in 0..4 {
            let moved = |by: f64| {
                let mut echoes = *self;
                match parameter {
                    0 | 1 => echoes.delays[parameter] += by / FC,
                    _ => echoes.amplitudes[parameter - 2] += by,
                }
                echoes.clean()
            };
            // The truncation error h²/6·f‴ and the rounding eps/h are equal near here.
            let step = 1e-5;
            for (k, (above, below)) in moved(step).iter().zip(moved(-step)).enumerate() {
                d[(k, parameter)] = (above - below) / (2.0 * step);
            }
        }
        let inverse = Cholesky::new(d.transpose() * &d)?.solve_many(&DMatrix::identity(4, 4))?;
        Ok([0, 1].map(|i| sigma * inverse[(i, i)].sqrt() / FC))
    }
}

fn pulse() -> Result<Vec<f64>, BoxError> {
    Ok(ricker(FC, DT, 2 * HALF + 1)?)
}

fn two() -> DelayOptions {
    DelayOptions::default().search(Options::default().sources(Sources::Known(2)))
}

/// The largest distance of the sorted `found` from the truth, in units of the bounds; a missing echo
/// counts as 1 ns off.
fn worst_in_bounds(mut found: Vec<f64>, echoes: &Echoes, bounds: [f64; 2]) -> f64 {
    found.sort_by(f64::total_cmp);
    (0..2)
        .map(|i| found.get(i).map_or(1e-9, |found| (found - echoes.delays[i]).abs()) / bounds[i])
        .fold(0.0, f64::max)
}

fn delay_domain(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let echoes = Echoes::draw(0.45e-9, &mut rng);
    let sigma = 10_f64.powf(-25.0 / 20.0);
    let (trace, pulse) = (echoes.noisy(sigma, &mut rng), pulse()?);
    let bounds = echoes.bounds(sigma)?;
    let estimate = delays(&trace, &pulse, DT, &two())?;
    let found: Vec<f64> = estimate.sources.iter().map(|source| source.value).collect();

    // The question's way: MUSIC on the samples of the trace, whose axis is frequency.
    let h = transfer_function(&trace, &pulse, DT, &two())?;
    let axis = dsp::subspace::Axis::delay(h.step_hz)?;
    let samples = DMatrix::from_fn(SAMPLES, 1, |k, _| Complex::from(trace[k]));
    let smoothing = Smoothing::ForwardBackward { length: 64 };
    let subspace = Subspace::new(&Covariance::new(&samples, smoothing)?)?;
    let wrong = NullSpectrum::new(&subspace, 2, Method::Music)?.root_angles()?;
    let wrong: Vec<f64> = wrong.into_iter().map(|angle| axis.value(angle)).collect();

    let mut notes = Vec::new();
    for (source, truth) in estimate.sources.iter().zip(echoes.delays) {
        notes.push(format!(
            "An echo at {:.4} ns was found at {:.4} ns, with a bound of {:.4} ns.",
            truth * 1e9,
            source.value * 1e9,
            source.bound.unwrap_or(f64::NAN) * 1e9
        ));
    }
    Ok(Evidence {
        measured: worst_in_bounds(found.clone(), &echoes, bounds),
        limit: 5.0,
        reason: "five standard deviations of an estimate at the bound: 1 in 900,000 for two of them",
        control: Control {
            what: "MUSIC on the samples of the trace: its axis is frequency",
            measured: worst_in_bounds(wrong, &echoes, bounds),
        },
        plots: vec![pseudospectrum(&h.values, h.step_hz, &estimate.sources)?],
        notes,
    })
}

/// 1/D over the delay, the estimates, and thrice their bounds on either side.
fn pseudospectrum(
    values: &[Complex<f64>],
    step_hz: f64,
    found: &[Source],
) -> Result<Plot, BoxError> {
    let snapshot = DMatrix::from_column_slice(values.len(), 1, values);
    let smoothing = Smoothing::ForwardBackward { length: 2 * values.len() / 3 };
    let subspace = Subspace::new(&Covariance::new(&snapshot, smoothing)?)?;
    let spectrum = NullSpectrum::new(&subspace, 2, Method::Music)?;
    let axis = dsp::subspace::Axis::delay(step_hz)?;
    let points = (0..1200).map(|i| {
        let delay = 4e-9 + 5e-9 * f64::from(i) / 1200.0;
        (delay * 1e9, 1.0 / spectrum.at(axis.angle(delay)))
    });
    let (low, high) = (1.0 / values.len() as f64, 1e3);
    let mut series =
        vec![Series { label: "1/D, MUSIC".to_owned(), mark: Mark::Line, points: points.collect() }];
    for (index, source) in found.iter().enumerate() {
        let (delay, reach) = (source.value * 1e9, 3e9 * source.bound.unwrap_or(f64::NAN));
        let top = 0.3 * high;
        series.push(Series {
            label: format!("echo {}, refined", index + 1),
            mark: Mark::Dashed,
            points: vec![(delay, low), (delay, high)],
        });
        series.push(Series {
            label: format!("echo {} ± 3 bounds", index + 1),
            mark: Mark::Line,
            points: vec![(delay - reach, top), (delay + reach, top)],
        });
    }
    Ok(Plot {
        title: "two overlapping echoes",
        x: Axis { label: "delay (ns)", scale: Scale::Linear },
        y: Axis { label: "1/D", scale: Scale::Log },
        series,
    })
}

fn echoes_at_the_bound(context: &Context) -> Result<Evidence, BoxError> {
    const TRIALS: u32 = 100;
    let mut rng = context.rng();
    let (pulse, sigma) = (pulse()?, 0.1);
    let (mut refined, mut filtered) = ([0.0; 2], [0.0; 2]);
    for _ in 0..TRIALS {
        let echoes = Echoes::draw(0.3e-9, &mut rng);
        let trace = echoes.noisy(sigma, &mut rng);
        let bounds = echoes.bounds(sigma)?;
        let estimate = delays(&trace, &pulse, DT, &two())?;
        let found = estimate.sources.iter().map(|source| source.value).collect();
        let peaks = matched_filter_peaks(&trace, &pulse);
        for (squares, found) in [(&mut refined, found), (&mut filtered, peaks)] {
            for (i, square) in squares.iter_mut().enumerate() {
                let off = found.get(i).map_or(1e-9, |found: &f64| found - echoes.delays[i]);
                *square += (off / bounds[i]).powi(2) / f64::from(TRIALS);
            }
        }
    }
    let worst = |squares: [f64; 2]| squares[0].max(squares[1]).sqrt();
    Ok(Evidence {
        measured: worst(refined),
        limit: 1.15 + 5.0 / f64::from(2 * TRIALS).sqrt(),
        reason: "1.15 times the bound, and five standard errors of a root mean square over 100 trials",
        control: Control {
            what: "the two highest peaks of the matched filter",
            measured: worst(filtered),
        },
        plots: vec![],
        notes: vec![format!(
            "The two delays scatter by {:.2} and {:.2} times their bounds.",
            refined[0].sqrt(),
            refined[1].sqrt()
        )],
    })
}

/// The delays of the two highest maxima of the correlation with the pulse, in order of delay.
fn matched_filter_peaks(trace: &[f64], pulse: &[f64]) -> Vec<f64> {
    let y: Vec<f64> =
        trace.windows(pulse.len()).map(|x| x.iter().zip(pulse).map(|(x, p)| x * p).sum()).collect();
    let mut peaks: Vec<usize> =
        (1..y.len() - 1).filter(|&k| y[k] > y[k - 1] && y[k] >= y[k + 1]).collect();
    peaks.sort_by(|&a, &b| y[b].total_cmp(&y[a]));
    peaks.truncate(2);
    peaks.sort_unstable();
    peaks.into_iter().map(|k| k as f64 * DT).collect()
}

fn coherent_directions(context: &Context) -> Result<Evidence, BoxError> {
    const SENSORS: usize = 8;
    const SNAPSHOTS: usize = 200;
    let mut rng = context.rng();
    let directions = [-12_f64, 17.0].map(|degrees| degrees + rng.random::<f64>() * 4.0);
    let phase = Complex::from_polar(0.8, TAU * rng.random::<f64>());
    let wave = |m: usize, degrees: f64| {
        Complex::from_polar(1.0, PI * degrees.to_radians().sin() * m as f64)
    };
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let signal: Vec<_> = (0..SNAPSHOTS).map(|_| Complex::new(normal(), normal())).collect();
    let x = DMatrix::from_fn(SENSORS, SNAPSHOTS, |m, s| {
        // The second wave is a reflection of the first: the same signal, another amplitude.
        let clean = signal[s] * (wave(m, directions[0]) + phase * wave(m, directions[1]));
        clean + Complex::new(normal(), normal()) * 0.1
    });
    let axis = dsp::subspace::Axis::direction(0.5)?;
    let worst = |smoothing| -> Result<f64, BoxError> {
        let subspace = Subspace::new(&Covariance::new(&x, smoothing)?)?;
        let angles = NullSpectrum::new(&subspace, 2, Method::Music)?.root_angles()?;
        let mut found: Vec<f64> =
            angles.into_iter().map(|angle| axis.value(angle).to_degrees()).collect();
        found.sort_by(f64::total_cmp);
        Ok(found.iter().zip(directions).map(|(f, d)| (f - d).abs()).fold(0.0, f64::max))
    };
    let smoothed = worst(Smoothing::ForwardBackward { length: 6 })?;
    let plain = worst(Smoothing::None)?;
    Ok(Evidence {
        measured: smoothed,
        limit: 0.2,
        reason: "ten times the 0.02° that this noise was measured to leave",
        control: Control { what: "the covariance as it is, without smoothing", measured: plain },
        plots: vec![],
        notes: vec![],
    })
}

fn spectrum_by_transform(context: &Context) -> Result<Evidence, BoxError> {
    const M: usize = 64;
    const POINTS: usize = 2000;
    let mut rng = context.rng();
    let angles: [f64; 4] = std::array::from_fn(|_| TAU * rng.random::<f64>());
    let x = DMatrix::from_fn(192, 1, |k, _| {
        let tones = angles.iter().map(|angle| Complex::from_polar(1.0, angle * k as f64));
        let noise = Complex::new(rng.sample(StandardNormal), rng.sample(StandardNormal)) * 0.1;
        tones.sum::<Complex<f64>>() + noise
    });
    let smoothing = Smoothing::ForwardBackward { length: M };
    let subspace = Subspace::new(&Covariance::new(&x, smoothing)?)?;
    let grid = Grid::new(POINTS)?;
    let d = NullSpectrum::new(&subspace, 4, Method::Music)?.on(&grid);
    let steering = DMatrix::from_fn(M, POINTS, |k, index| {
        Complex::from_polar(1.0, grid.angle(index) * k as f64)
    });
    let product = |first: usize| -> Result<f64, BoxError> {
        let noise = subspace.vectors.columns(first, M - 4).into_owned();
        let along = linalg::product(linalg::adjoint(&noise), &steering)?;
        let difference =
            |(column, d): (usize, &f64)| (along.column(column).norm_squared() - d).abs();
        Ok(d.iter().enumerate().map(difference).fold(0.0, f64::max))
    };
    Ok(Evidence {
        measured: product(4)?,
        limit: 30.0 * (M * M) as f64 * f64::EPSILON,
        reason: "the eigenvectors are orthonormal to 30·M·eps, LAPACK's threshold, which a steering \
                 vector of squared length M multiplies by M",
        control: Control {
            what: "the largest eigenvalues' vectors taken for the noise subspace",
            measured: product(0)?,
        },
        plots: vec![],
        notes: vec![],
    })
}

fn source_count(context: &Context) -> Result<Evidence, BoxError> {
    const TRIALS: u32 = 200;
    let mut rng = context.rng();
    let pulse = pulse()?;
    let (mut by_fit, mut by_mdl) = (0, 0);
    for _ in 0..TRIALS {
        let echoes = Echoes::draw(0.2e-9, &mut rng);
        let trace = echoes.noisy(0.1, &mut rng);
        let estimate = delays(&trace, &pulse, DT, &DelayOptions::default())?;
        by_fit += u32::from(estimate.sources.len() != 2);
        by_mdl += u32::from(estimate.count.by_mdl() != 2);
    }
    let share = |wrong: u32| f64::from(wrong) / f64::from(TRIALS);
    Ok(Evidence {
        measured: share(by_fit),
        limit: 0.05 + 3.0 * (0.05_f64 * 0.95 / f64::from(TRIALS)).sqrt(),
        reason: "5 of 100 wrong, and three standard errors of a share of 5 % over 200 traces",
        control: Control {
            what: "the minimum description length of the smoothed covariance's eigenvalues",
            measured: share(by_mdl),
        },
        plots: vec![],
        notes: vec![],
    })
}

fn cramer_rao_bound(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let pulse = pulse()?;
    let (mut worst, mut alone) = (0.0_f64, 0.0_f64);
    for _ in 0..5 {
        let separation = 0.2e-9 + 0.5e-9 * rng.random::<f64>();
        let echoes = Echoes::draw(separation, &mut rng);
        let trace = echoes.noisy(1e-3, &mut rng);
        let estimate = delays(&trace, &pulse, DT, &two())?;
        // At the estimated parameters and noise, as the crate states it.
        let [first, second] = estimate.sources.as_slice() else { continue };
        let found = Echoes {
            delays: [first.value, second.value],
            amplitudes: [first.amplitudes[0].re, second.amplitudes[0].re],
        };
        let sigma = estimate.noise_variance.sqrt();
        let bounds = found.bounds(sigma)?;
        for (source, bound) in [first, second].into_iter().zip(bounds) {
            let stated = source.bound.unwrap_or(f64::NAN);
            worst = worst.max((stated / bound - 1.0).abs());
            // σ/(|a|·2πβ·√∑s²), with the Ricker pulse's β = 1.1180·f_c and ∑s² = 0.29921/(f_c·dt).
            let energy = 0.29921 / (FC * DT);
            let single = sigma / (source.amplitudes[0].norm() * TAU * 1.1180 * FC * energy.sqrt());
            alone = alone.max((single / bound - 1.0).abs());
        }
    }
    Ok(Evidence {
        measured: worst,
        limit: 1e-2,
        reason: "outside the 40 dB that are fitted lies less than a hundredth of the information",
        control: Control {
            what: "the bound of a single echo, as if the other were known",
            measured: alone,
        },
        plots: vec![],
        notes: vec![],
    })
}

fn first_arrivals(context: &Context) -> Result<Evidence, BoxError> {
    // 200 MHz antennas moved apart by half a meter from trace to trace.
    const LIGHT: f64 = 0.299_792_458;
    const PERIOD_NS: f64 = 5.0;
    let (dt_ns, samples) = (0.4, 400_usize);
    let mut rng = context.rng();
    let offsets: Vec<f64> = (0..24).map(|i| 2.0 + 0.5 * f64::from(i)).collect();
    let ground = rng.random_range(0.08..0.14);
    let start_ns = rng.random_range(15.0..25.0);
    let mut traces = Vec::with_capacity(samples * offsets.len());
    for offset in &offsets {
        let wow = rng.random_range(-3.0..3.0);
        for k in 0..samples {
            let t = k as f64 * dt_ns - start_ns;
            let pulse = |arrival: f64| {
                let u = (PI * (t - arrival) / PERIOD_NS).powi(2);
                (1.0 - 2.0 * u) * (-u).exp()
            };
            let noise = 0.005 * rng.sample::<f64, _>(StandardNormal);
            let waves = pulse(offset / LIGHT) + 3.0 * pulse(offset / ground);
            traces.push(2.0 * waves / offset + wow * (-(k as f64) / 150.0).exp() + noise);
        }
    }
    let section = Section::new(&traces, samples, dt_ns * 1e-9)?;
    let clean = section.dewowed(2.0 * PERIOD_NS * 1e-9)?;
    let picks: Vec<f64> =
        clean.first_arrivals(PERIOD_NS * 1e-9)?.iter().map(|pick| pick.time_s).collect();
    let line = moveout(&offsets, &picks)?;
    // The largest sample of each trace, as it is.
    let largest = |trace: &[f64]| {
        let order = |&a: &usize, &b: &usize| trace[a].abs().total_cmp(&trace[b].abs());
        (0..trace.len()).max_by(order).unwrap_or(0) as f64 * dt_ns * 1e-9
    };
    let strongest: Vec<f64> = (0..offsets.len()).map(|i| largest(section.trace(i))).collect();
    let control = moveout(&offsets, &strongest)?;
    let off = |velocity: f64| (velocity / (LIGHT * 1e9) - 1.0).abs();

    // One series, with a gap after each trace.
    let gap = std::iter::once((f64::NAN, f64::NAN));
    let wiggle = |(i, offset): (usize, &f64)| {
        let offset = *offset;
        let samples: Vec<f64> = clean.trace(i).to_vec();
        let point =
            move |(k, x): (usize, f64)| (k as f64 * dt_ns, offset + 0.8 * x.clamp(-0.9, 0.9));
        samples.into_iter().enumerate().map(point).chain(gap.clone())
    };
    let mut series = vec![Series {
        label: "traces".to_owned(),
        mark: Mark::Line,
        points: offsets.iter().enumerate().flat_map(wiggle).collect(),
    }];
    let at = |offset: f64| ((line.intercept_s + offset / line.velocity_m_s) * 1e9, offset);
    series.push(Series {
        label: format!("{:.4} m/ns", line.velocity_m_s * 1e-9),
        mark: Mark::Dashed,
        points: vec![at(offsets[0]), at(offsets[offsets.len() - 1])],
    });
    series.push(Series {
        label: "picks".to_owned(),
        mark: Mark::Dots,
        points: picks.iter().zip(&offsets).map(|(t, x)| (t * 1e9, *x)).collect(),
    });
    Ok(Evidence {
        measured: off(line.velocity_m_s),
        limit: 0.015,
        reason: "1.5 % of the speed of light over 2 to 13.5 m: half a nanosecond, a tenth of a period, of 38",
        control: Control {
            what: "the largest sample of each trace, wow and ground wave and all",
            measured: off(control.velocity_m_s),
        },
        plots: vec![Plot {
            title: "a radar section, its picks and their line",
            x: Axis { label: "time (ns)", scale: Scale::Linear },
            y: Axis { label: "offset (m), and the traces", scale: Scale::Linear },
            series,
        }],
        notes: vec![format!(
            "{:.5} ± {:.5} m/ns from {} of {} picks.",
            line.velocity_m_s * 1e-9,
            line.std_error_m_s * 1e-9,
            line.inliers,
            offsets.len()
        )],
    })
}
