//! What holds between linalg, quad, rl-pg and dsp: one number by two roads.

use std::f64::consts::{PI, TAU};

use dsp::peaks::{Peak, PeakOptions, find_peaks};
use dsp::subspace::{Array, Covariance, Grid, Method, NullSpectrum, Smoothing, Subspace};
use linalg::krylov::{self, Options};
use linalg::{Complex, DMatrix, DVector, PseudoInverse, eigenvalues, product};
use quad::{Flat, GaussLegendre, Measure, SolidAngle, SphereRule};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::StandardNormal;
use rl_pg::{FullGaussian, Policy};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "cross/root-music",
        question: Some(12),
        claim: "The roots behind root-MUSIC are the eigenvalues of the companion matrix that linalg \
                decomposes.",
        run: root_music,
    },
    Check {
        id: "cross/pseudospectrum-peaks",
        question: Some(12),
        claim: "The peaks that find_peaks finds in MUSIC's pseudospectrum are the sources that MUSIC reports.",
        run: pseudospectrum_peaks,
    },
    Check {
        id: "cross/array-power",
        question: Some(8),
        claim: "The power that an array of dsp receives from all directions, integrated by quad, is the closed \
                form of its spacings.",
        run: array_power,
    },
    Check {
        id: "cross/fisher-information",
        question: Some(2),
        claim: "The Fisher information that rl-pg states of a correlated Gaussian policy is the integral of its \
                scores by quad's nodes.",
        run: fisher_information,
    },
    Check {
        id: "cross/pseudo-inverse-lsmr",
        question: None,
        claim: "The shortest least-squares solution is one and the same from the pseudo-inverse and from \
                LSMR's iterations.",
        run: pseudo_inverse_lsmr,
    },
];

/// The larger; a NaN where one is a NaN.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

/// Samples of a transfer function with three echoes and noise, and the echoes' angles.
fn echoes(samples: usize, rng: &mut Xoshiro256PlusPlus) -> (DMatrix<Complex<f64>>, [f64; 3]) {
    // Half a radian or more apart, 20 dB above the noise.
    let first = rng.random_range(-2.5..-2.0);
    let second = first + rng.random_range(0.8..1.2);
    let angles = [first, second, second + rng.random_range(0.8..1.2)];
    let phases = [0, 1, 2].map(|_| rng.random_range(0.0..TAU));
    let mut noise = || 0.07 * rng.sample::<f64, _>(StandardNormal);
    let x = DMatrix::from_fn(samples, 1, |k, _| {
        let echo = |(&angle, &phase)| Complex::from_polar(1.0, angle * k as f64 + phase);
        angles.iter().zip(&phases).map(echo).sum::<Complex<f64>>() + Complex::new(noise(), noise())
    });
    (x, angles)
}

fn root_music(context: &Context) -> Result<Evidence, BoxError> {
    const LENGTH: usize = 10;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0, 0.0);
    for _ in 0..20 {
        let (x, _) = echoes(24, &mut rng);
        let smoothing = Smoothing::ForwardBackward { length: LENGTH };
        let subspace = Subspace::new(&Covariance::new(&x, smoothing)?)?;
        let spectrum = NullSpectrum::new(&subspace, 3, Method::Music)?;
        // The projection onto the noise subspace and the sums of its diagonals, from the lowest.
        let noise = subspace.vectors.columns(3, LENGTH - 3).into_owned();
        let projection = &noise * noise.adjoint();
        let degree = 2 * (LENGTH - 1);
        let coefficients: Vec<Complex<f64>> = (0..=degree)
            .map(|k| {
                let entry = |row: usize| {
                    let column = (row + k).checked_sub(LENGTH - 1)?;
                    (column < LENGTH).then(|| projection[(row, column)])
                };
                (0..LENGTH).filter_map(entry).sum()
            })
            .collect();
        let companion = DMatrix::from_fn(degree, degree, |i, j| {
            if j + 1 == degree {
                -coefficients[i] / coefficients[degree]
            } else {
                Complex::from(f64::from(u8::from(i == j + 1)))
            }
        });
        let by_companion = eigenvalues(&companion)?;
        let nearest = |z: &Complex<f64>| {
            by_companion.iter().map(|other| (z - other).norm()).fold(f64::INFINITY, f64::min)
        };
        for root in spectrum.roots()? {
            measured = worse(measured, nearest(&root) / root.norm().max(1.0));
        }
        // Read in the other order, the same coefficients have the roots' reciprocals.
        for root in linalg::roots(&coefficients.iter().rev().copied().collect::<Vec<_>>())?.values {
            control = worse(control, nearest(&root) / root.norm().max(1.0));
        }
    }
    Ok(Evidence {
        measured,
        limit: (30.0 * 18.0 * f64::EPSILON).sqrt(),
        reason: "relative: a root and its mirror image are all but double, and a double root moves by the square \
                 root of what its coefficients do, LAPACK's 30 n eps",
        control: Control {
            what: "the coefficients in NumPy's order, highest first",
            measured: control,
        },
        plots: Vec::new(),
        notes: vec!["Twenty traces of three echoes at 20 dB, subarrays of 10 samples.".to_owned()],
    })
}

fn pseudospectrum_peaks(context: &Context) -> Result<Evidence, BoxError> {
    const POINTS: usize = 8192;
    let mut rng = context.rng();
    let grid = Grid::new(POINTS)?;
    let (mut measured, mut control) = (0.0, 0.0);
    let mut picture = Vec::new();
    for _ in 0..20 {
        let (x, _) = echoes(24, &mut rng);
        let smoothing = Smoothing::ForwardBackward { length: 12 };
        let subspace = Subspace::new(&Covariance::new(&x, smoothing)?)?;
        let spectrum = NullSpectrum::new(&subspace, 3, Method::Music)?;
        // From −π on, so that no source lies on the seam.
        let mut decibels: Vec<f64> = spectrum.on(&grid).iter().map(|d| -10.0 * d.log10()).collect();
        decibels.rotate_left(POINTS / 2);
        let angle = |index: usize| grid.angle(index) - PI;
        let peaks = find_peaks(&decibels, &PeakOptions::default().prominence(0.1..))?;
        let mut peaks: Vec<Peak> = peaks.iter().collect();
        peaks.sort_by(|a, b| b.height.total_cmp(&a.height));
        let found: Vec<f64> = peaks.iter().take(3).map(|peak| angle(peak.index)).collect();
        let mut order: Vec<usize> = (0..POINTS).collect();
        order.sort_by(|&a, &b| decibels[b].total_cmp(&decibels[a]));
        let highest: Vec<f64> = order.iter().take(3).map(|&index| angle(index)).collect();
        let sources = spectrum.minima(&grid);
        let off = |found: &[f64]| {
            let from = |source: &f64| {
                let apart = |angle: &f64| ((angle - source + PI).rem_euclid(TAU) - PI).abs();
                found.iter().map(apart).fold(f64::INFINITY, f64::min)
            };
            sources.iter().map(from).fold(0.0, worse) / (TAU / POINTS as f64)
        };
        (measured, control) = (worse(measured, off(&found)), worse(control, off(&highest)));
        if picture.is_empty() {
            let curve = (0..POINTS).map(|index| (angle(index), decibels[index])).collect();
            let tops = peaks.iter().take(3).map(|peak| (angle(peak.index), peak.height)).collect();
            let series = |label: &str, mark, points| Series { label: label.into(), mark, points };
            picture.push(Plot {
                title: "three echoes in MUSIC's pseudospectrum",
                x: Axis { label: "angle (rad)", scale: Scale::Linear },
                y: Axis { label: "1/D (dB)", scale: Scale::Linear },
                series: vec![
                    series("1/D", Mark::Line, curve),
                    series("find_peaks", Mark::Dots, tops),
                ],
            });
        }
    }
    Ok(Evidence {
        measured,
        limit: 1.0,
        reason: "steps of the grid: a minimum lies within one step of the lowest of the points around it",
        control: Control {
            what: "the three highest samples, which stand side by side on the highest peak",
            measured: control,
        },
        plots: picture,
        notes: vec![format!("Twenty traces of three echoes at 20 dB, on {POINTS} points.")],
    })
}

fn array_power(context: &Context) -> Result<Evidence, BoxError> {
    const SENSORS: usize = 6;
    let mut rng = context.rng();
    // Within a ball of one wavelength: the pattern's degree is about 4π, and 60 more than enough.
    let positions: Vec<[f64; 3]> =
        (0..SENSORS).map(|_| [0, 1, 2].map(|_| rng.random_range(-0.55..0.55))).collect();
    let weights: Vec<Complex<f64>> =
        (0..SENSORS).map(|_| Complex::from_polar(1.0, rng.random_range(0.0..TAU))).collect();
    let array = Array::new(&positions)?;
    let sinc = |distance: f64| {
        let x = TAU * distance;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    let mut exact = 0.0;
    for (w, r) in weights.iter().zip(&positions) {
        for (v, s) in weights.iter().zip(&positions) {
            let distance = r.iter().zip(s).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            exact += 4.0 * PI * (w * v.conj()).re * sinc(distance);
        }
    }
    // ∑|w|² for each sensor alone: what the sum is measured by, since sensors may cancel.
    let size = 4.0 * PI * (SENSORS * SENSORS) as f64;
    let measured = (pattern_power(SolidAngle, &array, &weights)? - exact).abs() / size;
    let flat = (pattern_power(Flat, &array, &weights)? - exact).abs() / size;
    Ok(Evidence {
        measured,
        limit: 1000.0 * f64::EPSILON,
        reason: "over 4 pi (sum of weights)^2, the most that can be received: 1891 nodes with weights of one sign \
                 add up with eps log2 n, phases up to 12 err by 12 eps, and the series ends at 1e-25",
        control: Control { what: "the integral without sin θ", measured: flat },
        plots: Vec::new(),
        notes: vec![format!(
            "Six sensors within a wavelength of one another receive {:.3} times what they would one by one.",
            exact / (4.0 * PI * SENSORS as f64)
        )],
    })
}

/// ∫|∑ wₘ e^(j2π rₘ·u)|² against the measure.
fn pattern_power<M: Measure>(
    measure: M,
    array: &Array,
    weights: &[Complex<f64>],
) -> Result<f64, BoxError> {
    let rule = SphereRule::of_degree(measure, 60)?;
    let mut samples = Vec::with_capacity(rule.len());
    for direction in rule.directions() {
        let steering = array.steering(direction.vector())?;
        let sum: Complex<f64> = steering.iter().zip(weights).map(|(e, w)| w * e).sum();
        samples.push(sum.norm_sqr());
    }
    Ok(rule.integrate_samples(&samples)?.value)
}

fn fisher_information(context: &Context) -> Result<Evidence, BoxError> {
    /// Standard deviations to either side, beyond which lies 1e-18 of the density.
    const REACH: f64 = 9.0;
    const NODES: usize = 80;
    let mut rng = context.rng();
    // Mean, log L₁₁, L₂₁, log L₂₂.
    let parameters: Vec<f64> = (0..5).map(|_| rng.random_range(-1.0..1.0)).collect();
    let policy = FullGaussian::from_parameters(&parameters)?;
    let stated = policy.fisher();
    let rule = GaussLegendre::new(NODES)?;
    let (l11, l21, l22) = (parameters[2].exp(), parameters[3], parameters[4].exp());
    let mut integral = DMatrix::zeros(5, 5);
    let mut score = vec![0.0; 5];
    for (s, w) in rule.nodes().iter().zip(rule.weights()) {
        for (t, v) in rule.nodes().iter().zip(rule.weights()) {
            // a = μ + L·e over the square of e; da = |L| de.
            let e = [REACH * s, REACH * t];
            let action = vec![parameters[0] + l11 * e[0], parameters[1] + l21 * e[0] + l22 * e[1]];
            policy.score(&action, &mut score)?;
            let density = policy.log_probability(&action)?.exp() * l11 * l22 * REACH * REACH;
            let column = DVector::from_column_slice(&score);
            integral += &column * column.transpose() * (density * w * v);
        }
    }
    // The mean over as many actions drawn at random.
    let mut mean = DMatrix::zeros(5, 5);
    for _ in 0..NODES * NODES {
        let action = policy.sample(&mut rng);
        policy.score(&action, &mut score)?;
        let column = DVector::from_column_slice(&score);
        mean += &column * column.transpose() / (NODES * NODES) as f64;
    }
    let off = |found: &DMatrix<f64>| (found - &stated).norm() / stated.norm();
    Ok(Evidence {
        measured: off(&integral),
        limit: 1e-12,
        reason: "relative: 80 nodes are exact to degree 159, beyond which exp(-(9t)^2/2) has Chebyshev coefficients \
                 below 1e-15, and 6400 terms of one sign round by eps each",
        control: Control {
            what: "the mean over as many actions drawn from the policy",
            measured: off(&mean),
        },
        plots: Vec::new(),
        notes: vec![format!("{} nodes, five parameters.", NODES * NODES)],
    })
}

fn pseudo_inverse_lsmr(context: &Context) -> Result<Evidence, BoxError> {
    const ROWS: usize = 60;
    const COLUMNS: usize = 40;
    const RANK: usize = 25;
    let mut rng = context.rng();
    let mut normal = |rows, columns| {
        DMatrix::from_fn(rows, columns, |_, _| rng.sample::<f64, _>(StandardNormal))
    };
    let (mut measured, mut control, mut iterations) = (0.0, 0.0, 0);
    let mut largest = 0.0;
    for _ in 0..10 {
        let a = product(&normal(ROWS, RANK), &normal(RANK, COLUMNS))?;
        let b = DVector::from_column_slice(normal(ROWS, 1).as_slice());
        let inverse = PseudoInverse::new(&a)?;
        let shortest = inverse.solve(&b)?;
        let options = || Options::default().tolerance(1e-15);
        let found = krylov::lsmr(&a, b.as_slice(), options())?;
        iterations = iterations.max(found.iterations);
        largest = worse(largest, inverse.condition_number());
        let off = |x: &DVector<f64>| (x - &shortest).norm() / shortest.norm();
        let condition = inverse.condition_number();
        // In units of what a backward stable method may be off by.
        let scale = condition * condition * f64::EPSILON * COLUMNS as f64;
        measured = worse(measured, off(&found.x) / scale);
        // As good a fit, from another start: the null space keeps what it had.
        let start = normal(COLUMNS, 1);
        let other = krylov::lsmr(&a, b.as_slice(), options().start(start.as_slice()))?;
        control = worse(control, off(&other.x) / scale);
    }
    Ok(Evidence {
        measured,
        limit: 30.0,
        reason: "over n eps κ², the sensitivity of a least-squares solution with a residual (Wedin), with \
                 LAPACK's threshold of 30",
        control: Control {
            what: "LSMR from a start that is not zero: as good a fit, and not the shortest",
            measured: control,
        },
        plots: Vec::new(),
        notes: vec![format!(
            "Ten matrices of {ROWS} x {COLUMNS} and rank {RANK}, with conditions up to {largest:.0}; at most {iterations} iterations."
        )],
    })
}
