//! Many noisy trials against the Cramér-Rao bound, which is computed here in the time domain from
//! closed forms, by none of the code that it judges.

use std::f64::consts::{PI, TAU};

use linalg::{Cholesky, Complex, DMatrix};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::*;

/// A standard normal number (Box and Muller).
fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

const FC: f64 = 1.5e9;
const DT: f64 = 25e-12;
const HALF: usize = 80;

/// A Ricker pulse about t = 0, and its derivative.
fn pulse_at(t: f64) -> (f64, f64) {
    let w = (PI * FC).powi(2);
    let (u, e) = (w * t * t, (-w * t * t).exp());
    ((1.0 - 2.0 * u) * e, -2.0 * w * t * (3.0 - 2.0 * u) * e)
}

struct Echoes {
    delays: [f64; 2],
    amplitudes: [f64; 2],
    sigma: f64,
}

impl Echoes {
    fn trace(&self, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
        (0..1024)
            .map(|k| {
                let clean: f64 = self
                    .delays
                    .iter()
                    .zip(self.amplitudes)
                    .map(|(delay, a)| a * pulse_at((k as f64 - HALF as f64) * DT - delay).0)
                    .sum();
                clean + self.sigma * normal(rng)
            })
            .collect()
    }

    /// Bounds on the standard deviations of the delays.
    fn bounds(&self) -> [f64; 2] {
        let d = DMatrix::from_fn(1024, 4, |k, column| {
            let (source, of_amplitude) = (column % 2, column / 2 == 1);
            let t = (k as f64 - HALF as f64) * DT - self.delays[source];
            let (s, slope) = pulse_at(t);
            // Delays in units of 1/FC, so that the matrix is balanced.
            if of_amplitude { s } else { -self.amplitudes[source] * slope / FC }
        });
        let inverse = Cholesky::new(d.transpose() * &d)
            .and_then(|cholesky| cholesky.solve_many(&DMatrix::identity(4, 4)))
            .unwrap();
        [0, 1].map(|i| self.sigma * inverse[(i, i)].sqrt() / FC)
    }
}

/// RMSE over bound of both delays, mean over bound of the stated bounds, and failures.
fn run(options: &DelayOptions, separation: f64, snr_db: f64, trials: u64) -> ([f64; 2], f64, u64) {
    let pulse = ricker(FC, DT, 2 * HALF + 1).unwrap();
    let (mut squares, mut stated, mut failures) = ([0.0; 2], 0.0, 0);
    for trial in 0..trials {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1000 + trial);
        let first = 6e-9 + DT * rng.random::<f64>();
        let echoes = Echoes {
            delays: [first, first + separation],
            amplitudes: [1.0, 0.7],
            sigma: 10_f64.powf(-snr_db / 20.0),
        };
        let bounds = echoes.bounds();
        let trace = echoes.trace(&mut rng);
        let estimate = delays(&trace, &pulse, DT, options).unwrap();
        let found: Vec<f64> = estimate.sources.iter().map(|source| source.value).collect();
        if found.len() < 2 || found.iter().zip(echoes.delays).any(|(f, d)| (f - d).abs() > 0.5e-9) {
            failures += 1;
        }
        for i in 0..2 {
            let off = found.get(i).map_or(1e-9, |found| found - echoes.delays[i]);
            squares[i] += (off / bounds[i]).powi(2) / trials as f64;
        }
        stated += estimate.sources.first().and_then(|s| s.bound).unwrap_or(f64::NAN) / bounds[0];
    }
    (squares.map(f64::sqrt), stated / trials as f64, failures)
}

#[test]
fn the_best_pair_of_the_grid_is_not_the_only_start() {
    // From that pair alone the fit of this trace, the one of 500 with that fate, ends 17 bounds away.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1470);
    let first = 6e-9 + DT * rng.random::<f64>();
    let echoes = Echoes {
        delays: [first, first + 0.2e-9],
        amplitudes: [1.0, 0.7],
        sigma: 10_f64.powf(-15.0 / 20.0),
    };
    let pulse = ricker(FC, DT, 2 * HALF + 1).unwrap();
    let two = DelayOptions::default().search(Options::default().sources(Sources::Known(2)));
    let found = delays(&echoes.trace(&mut rng), &pulse, DT, &two).unwrap();
    for ((source, delay), bound) in found.sources.iter().zip(echoes.delays).zip(echoes.bounds()) {
        // Five standard deviations of an estimate at the bound.
        assert!((source.value - delay).abs() < 5.0 * bound, "{found:?}");
    }
}

#[test]
#[ignore = "minutes; prints the table of the module's accuracy"]
fn table_of_overlapping_echoes() {
    let two = Options::default().sources(Sources::Known(2));
    let refined = DelayOptions::default().search(two);
    let plain = |estimator| {
        DelayOptions::default().search(two.estimator(estimator).refinement(Refinement::None))
    };
    let kinds: [(&str, DelayOptions, u64); 4] = [
        ("refined", refined.clone(), 500),
        ("root-MUSIC", plain(Estimator::Roots(Method::Music)), 200),
        ("ESPRIT", plain(Estimator::Esprit(Solution::LeastSquares)), 200),
        ("MUSIC", plain(Estimator::Minima(Method::Music, 8192)), 200),
    ];
    for separation in [0.2e-9, 0.3e-9, 0.45e-9] {
        for snr in [10.0, 15.0, 20.0, 30.0, 40.0] {
            for (name, options, trials) in &kinds {
                let (ratio, stated, failures) = run(options, separation, snr, *trials);
                println!(
                    "{:.2} ns {snr} dB {name:10} {:7.3} {:7.3} stated {stated:.3} failed {failures}/{trials}",
                    separation * 1e9,
                    ratio[0],
                    ratio[1]
                );
            }
        }
    }
}

#[test]
#[ignore = "a minute; prints how often the number of echoes is right"]
fn table_of_counts() {
    let pulse = ricker(FC, DT, 2 * HALF + 1).unwrap();
    for separation in [0.2e-9, 0.3e-9, 0.45e-9] {
        for snr in [10.0, 20.0, 30.0, 40.0] {
            let mut right = [0; 4];
            let trials = 300;
            for trial in 0..trials {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(trial);
                let first = 6e-9 + DT * rng.random::<f64>();
                let echoes = Echoes {
                    delays: [first, first + separation],
                    amplitudes: [1.0, 0.7],
                    sigma: 10_f64.powf(-snr / 20.0),
                };
                let options = DelayOptions::default();
                let estimate = delays(&echoes.trace(&mut rng), &pulse, DT, &options).unwrap();
                let count = &estimate.count;
                for (right, n) in right.iter_mut().zip([
                    count.by_mdl(),
                    count.by_aic(),
                    count.by_gap(),
                    estimate.sources.len(),
                ]) {
                    *right += u32::from(n == 2);
                }
            }
            println!(
                "{:.2} ns {snr} dB: MDL, AIC, gap, fit right {right:?}/{trials}",
                separation * 1e9
            );
        }
    }
}

#[test]
#[ignore = "a minute; prints ESPRIT's accuracy on tones"]
fn table_of_tones() {
    let n = 64;
    for separation in [0.6, 1.0, 2.0] {
        for snr_db in [10.0, 20.0, 40.0] {
            let sigma = 10_f64.powf(-snr_db / 20.0);
            let trials = 1000;
            let mut squares = [[0.0; 2]; 2];
            let mut bound = [0.0; 2];
            for trial in 0..trials {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(trial);
                let angles = [0.5, 0.5 + TAU * separation / n as f64];
                let phases = [TAU * rng.random::<f64>(), TAU * rng.random::<f64>()];
                let x = DMatrix::from_fn(n, 1, |k, _| {
                    let tone =
                        |i: usize| Complex::from_polar(1.0, angles[i] * k as f64 + phases[i]);
                    let part = std::f64::consts::FRAC_1_SQRT_2 * sigma;
                    tone(0)
                        + tone(1)
                        + Complex::new(part * normal(&mut rng), part * normal(&mut rng))
                });
                // The bound from the Fisher matrix over (ω₁, ω₂, re, im, re, im).
                let d = DMatrix::from_fn(2 * n, 6, |row, column| {
                    let (k, i) = ((row % n) as f64, column % 2);
                    let tone = Complex::from_polar(1.0, angles[i] * k + phases[i]);
                    let by = match column / 2 {
                        0 => tone * Complex::new(0.0, k),
                        1 => Complex::from_polar(1.0, angles[i] * k),
                        _ => Complex::from_polar(1.0, angles[i] * k) * Complex::new(0.0, 1.0),
                    };
                    if row < n { by.re } else { by.im }
                });
                let inverse = Cholesky::new(d.transpose() * &d)
                    .and_then(|c| c.solve_many(&DMatrix::identity(6, 6)))
                    .unwrap();
                let sd = [0, 1].map(|i| sigma * (inverse[(i, i)] / 2.0).sqrt());
                let smoothing = Smoothing::ForwardBackward { length: 43 };
                let subspace = Subspace::new(&Covariance::new(&x, smoothing).unwrap()).unwrap();
                let mut found = esprit(&subspace, 2, Solution::LeastSquares).unwrap();
                found.sort_by(f64::total_cmp);
                let options = Options::default().sources(Sources::Known(2));
                let refined = sources(&x, Axis::frequency(TAU).unwrap(), &options).unwrap();
                for i in 0..2 {
                    squares[0][i] += ((found[i] - angles[i]) / sd[i]).powi(2) / trials as f64;
                    let value = refined.sources[i].value;
                    squares[1][i] += ((value - angles[i]) / sd[i]).powi(2) / trials as f64;
                    bound[i] +=
                        refined.sources[i].bound.unwrap_or(f64::NAN) / sd[i] / trials as f64;
                }
            }
            println!(
                "{separation}/N {snr_db} dB: ESPRIT {:.3?}, refined {:.3?}, stated bound {bound:.3?}",
                squares[0].map(f64::sqrt),
                squares[1].map(f64::sqrt)
            );
        }
    }
}

/// Sensors half a wavelength apart, and two coherent plane waves over `snapshots` instants.
struct Waves {
    directions: [f64; 2],
    phase: f64,
    snapshots: usize,
    sigma: f64,
}

const SENSORS: usize = 8;

impl Waves {
    fn wave(direction: f64, m: usize) -> Complex<f64> {
        Complex::from_polar(1.0, PI * direction.sin() * m as f64)
    }

    /// Both waves carry one signal of variance 1, the second turned by `phase`.
    fn measured(&self, rng: &mut Xoshiro256PlusPlus) -> (Vec<Complex<f64>>, DMatrix<Complex<f64>>) {
        let part = std::f64::consts::FRAC_1_SQRT_2;
        let signal: Vec<Complex<f64>> = (0..self.snapshots)
            .map(|_| Complex::new(part * normal(rng), part * normal(rng)))
            .collect();
        let turn = Complex::from_polar(1.0, self.phase);
        let noise = part * self.sigma;
        let x = DMatrix::from_fn(SENSORS, self.snapshots, |m, s| {
            let [first, second] = self.directions.map(|direction| Self::wave(direction, m));
            signal[s] * (first + turn * second)
                + Complex::new(noise * normal(rng), noise * normal(rng))
        });
        (signal, x)
    }

    /// Bounds on the standard deviations of the directions for these signals, both unknown in every
    /// snapshot: σ²/2 ∑ₛ Re[Dₛᴴ·P⊥·Dₛ] inverted (Stoica and Nehorai 1989, equation 4.6).
    fn bounds(&self, signal: &[Complex<f64>]) -> [f64; 2] {
        let a = DMatrix::from_fn(SENSORS, 2, |m, i| Self::wave(self.directions[i], m));
        let d = DMatrix::from_fn(SENSORS, 2, |m, i| {
            let slope = PI * self.directions[i].cos() * m as f64;
            Self::wave(self.directions[i], m) * Complex::new(0.0, slope)
        });
        let gram = Cholesky::new(a.adjoint() * &a).unwrap();
        let projected = &d - &a * gram.solve_many(&(a.adjoint() * &d)).unwrap();
        let h = d.adjoint() * projected;
        let turn = [Complex::from(1.0), Complex::from_polar(1.0, self.phase)];
        let power: f64 = signal.iter().map(Complex::norm_sqr).sum();
        let fisher = DMatrix::from_fn(2, 2, |i, j| {
            2.0 / self.sigma.powi(2) * power * (h[(i, j)] * turn[i].conj() * turn[j]).re
        });
        let inverse = Cholesky::new(fisher).unwrap().solve_many(&DMatrix::identity(2, 2)).unwrap();
        [0, 1].map(|i| inverse[(i, i)].sqrt())
    }
}

#[test]
#[ignore = "a minute; prints the accuracy of directions of two coherent waves at eight sensors"]
fn table_of_directions() {
    let axis = Axis::direction(0.5).unwrap();
    for separation in [10.0_f64, 20.0, 30.0] {
        for snr_db in [10.0, 20.0, 30.0] {
            let trials = 300;
            // Without smoothing, with it, refined.
            let (mut squares, mut failures) = ([[0.0; 2]; 3], [0; 3]);
            for trial in 0..trials {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(trial);
                let first = rng.random_range(-0.2..0.0);
                let waves = Waves {
                    directions: [first, first + separation.to_radians()],
                    phase: TAU * rng.random::<f64>(),
                    snapshots: 50,
                    sigma: 10_f64.powf(-snr_db / 20.0),
                };
                let (signal, x) = waves.measured(&mut rng);
                let bounds = waves.bounds(&signal);
                let by_roots = |smoothing| {
                    let subspace = Subspace::new(&Covariance::new(&x, smoothing).unwrap()).unwrap();
                    let null = NullSpectrum::new(&subspace, 2, Method::Music).unwrap();
                    let angles = null.root_angles().unwrap();
                    angles.into_iter().map(|angle| axis.value(angle)).collect::<Vec<f64>>()
                };
                let two = Options::default().sources(Sources::Known(2));
                let refined = directions(&x, 0.5, &two).unwrap();
                let found = [
                    by_roots(Smoothing::None),
                    by_roots(Smoothing::ForwardBackward { length: 6 }),
                    refined.sources.iter().map(|source| source.value).collect(),
                ];
                for (kind, mut found) in found.into_iter().enumerate() {
                    found.sort_by(f64::total_cmp);
                    let off = [0, 1].map(|i| found[i] - waves.directions[i]);
                    // A NaN is a failure too.
                    let close = off.iter().all(|off| off.abs() < 0.5 * separation.to_radians());
                    failures[kind] += u32::from(!close);
                    for i in 0..2 {
                        squares[kind][i] += (off[i] / bounds[i]).powi(2) / trials as f64;
                    }
                }
            }
            println!(
                "{separation}° {snr_db} dB: RMSE over bound {:.2?}, failures {failures:?} of {trials}",
                squares.map(|both| both.map(f64::sqrt))
            );
        }
    }
}

/// The residual and the delays of the least squares of the whole trace, from the true parameters
/// by Gauss and Newton's method in the time domain.
fn from_the_truth(trace: &[f64], echoes: &Echoes) -> (f64, [f64; 2]) {
    let (mut delays, mut amplitudes) = (echoes.delays, echoes.amplitudes);
    let time = |k: usize| (k as f64 - HALF as f64) * DT;
    let rest = |delays: [f64; 2], amplitudes: [f64; 2], k: usize| {
        trace[k]
            - amplitudes[0] * pulse_at(time(k) - delays[0]).0
            - amplitudes[1] * pulse_at(time(k) - delays[1]).0
    };
    let sum = |delays, amplitudes| -> f64 {
        (0..trace.len()).map(|k| rest(delays, amplitudes, k).powi(2)).sum()
    };
    let (mut best, mut damping) = (sum(delays, amplitudes), 1e-3);
    for _ in 0..200 {
        let d = DMatrix::from_fn(trace.len(), 4, |k, column| {
            let (s, slope) = pulse_at(time(k) - delays[column % 2]);
            if column / 2 == 1 { s } else { -amplitudes[column % 2] * slope / FC }
        });
        let r = DMatrix::from_fn(trace.len(), 1, |k, _| rest(delays, amplitudes, k));
        let mut gram = d.transpose() * &d;
        for i in 0..4 {
            gram[(i, i)] *= 1.0 + damping;
        }
        let Ok(step) = Cholesky::new(gram).and_then(|c| c.solve_many(&(d.transpose() * r))) else {
            damping *= 10.0;
            continue;
        };
        let next = [delays[0] + step[0] / FC, delays[1] + step[1] / FC];
        let louder = [amplitudes[0] + step[2], amplitudes[1] + step[3]];
        let tried = sum(next, louder);
        if tried < best {
            (delays, amplitudes, best, damping) = (next, louder, tried, damping / 10.0);
        } else {
            damping *= 10.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    (best, delays)
}

#[test]
#[ignore = "a minute; prints what maximum likelihood reaches that is started from the truth"]
fn table_of_oracles() {
    let pulse = ricker(FC, DT, 2 * HALF + 1).unwrap();
    let two = DelayOptions::default().search(Options::default().sources(Sources::Known(2)));
    for snr_db in [15.0, 20.0] {
        let trials = 500;
        let (mut oracle, mut ours, mut worse, mut likelier) = ([0.0; 2], [0.0; 2], 0, 0);
        let mut tails = [0.0_f64; 2];
        for trial in 0..trials {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(1000 + trial);
            let first = 6e-9 + DT * rng.random::<f64>();
            let echoes = Echoes {
                delays: [first, first + 0.2e-9],
                amplitudes: [1.0, 0.7],
                sigma: 10_f64.powf(-snr_db / 20.0),
            };
            let bounds = echoes.bounds();
            let trace = echoes.trace(&mut rng);
            let (best, exact) = from_the_truth(&trace, &echoes);
            let found = delays(&trace, &pulse, DT, &two).unwrap();
            // What the estimate leaves of the whole trace, polished in the same way.
            let start = Echoes {
                delays: [found.sources[0].value, found.sources[1].value],
                amplitudes: [found.sources[0].amplitudes[0].re, found.sources[1].amplitudes[0].re],
                sigma: echoes.sigma,
            };
            let (reached, _) = from_the_truth(&trace, &start);
            worse += u32::from(reached > best * (1.0 + 1e-9));
            likelier += u32::from(reached < best * (1.0 - 1e-9));
            for i in 0..2 {
                let mut of = exact;
                of.sort_by(f64::total_cmp);
                oracle[i] += ((of[i] - echoes.delays[i]) / bounds[i]).powi(2) / trials as f64;
                let off = (start.delays[i] - echoes.delays[i]) / bounds[i];
                ours[i] += off.powi(2) / trials as f64;
                tails[i] = tails[i].max(off.abs());
            }
        }
        println!(
            "{snr_db} dB: from the truth {:.3?}, ours {:.3?}, largest {tails:.1?} bounds; of {trials} \
             optima {worse} worse, {likelier} likelier than the truth's",
            oracle.map(f64::sqrt),
            ours.map(f64::sqrt)
        );
    }
}
