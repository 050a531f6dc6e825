//! What `quad` claims of the error estimate that comes with a sum over a grid.

use quad::{Direction, Resolution, RingKind, SolidAngle, SphereRule};
use rand::Rng;

use super::quad_free::{BATTERY, frame};
use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "quad/error-estimate",
        question: Some(8),
        claim: "The error estimate of a sum, made from the samples alone, is at least the error in 97 of \
                100 sums over grids that resolve anything.",
        run: seldom_low,
    },
    Check {
        id: "quad/error-estimate-tenfold",
        question: Some(8),
        claim: "The error estimate is a tenth of the error or less in one of 500 such sums at most.",
        run: hardly_ever_ten_times_low,
    },
    Check {
        id: "quad/error-estimate-tight",
        question: Some(8),
        claim: "The error estimate is at most 20 times the error in the median.",
        run: tight,
    },
];

const KINDS: [RingKind; 3] = [RingKind::Vertices, RingKind::Cells, RingKind::Interior];

/// Rings of a grid with twice as many columns.
const SIZES: [usize; 6] = [16, 23, 32, 45, 64, 91];

/// A sum with more than rounding in its error.
struct Sum {
    error: f64,
    estimate: f64,
    /// What it differs by from the sum over half as many rings and columns.
    halved: f64,
    /// What that makes of a geometric series, with the difference to a quarter as many.
    geometric: f64,
    /// Whether the grid resolves anything.
    resolved: bool,
}

/// Sums of every integrand of the battery over grids of one kind, each in some random orientations.
fn sums(rng: &mut impl Rng, kind: RingKind, turns: usize) -> Result<Vec<Sum>, BoxError> {
    let mut sums = Vec::new();
    for n in SIZES {
        let rule = |n: usize| {
            let rings = if kind == RingKind::Vertices { n + 1 } else { n };
            SphereRule::product(SolidAngle, kind, rings, 2 * n)
        };
        let (rule, half, quarter) = (rule(n)?, rule(n / 2)?, rule(n / 4)?);
        let nodes: Vec<Direction> = rule.directions().collect();
        let weights: Vec<f64> = rule.weights().collect();
        for case in &BATTERY {
            for _ in 0..turns {
                let frame = frame(rng)?;
                let samples: Vec<f64> = nodes.iter().map(|x| case.value(&frame, x)).collect();
                let found = rule.integrate_samples(&samples)?;
                let magnitude: f64 = weights.iter().zip(&samples).map(|(w, p)| w * p.abs()).sum();
                let error = (found.value - case.integral).abs();
                // The bound on rounding in such a sum, which is in every estimate.
                if error <= 3.0 * n as f64 * f64::EPSILON * magnitude {
                    continue;
                }
                let coarse = half.integrate(|x| case.value(&frame, x))?.value;
                let coarser = quarter.integrate(|x| case.value(&frame, x))?.value;
                let halved = (found.value - coarse).abs();
                sums.push(Sum {
                    error,
                    estimate: found.error_estimate,
                    halved,
                    geometric: halved * halved / (coarse - coarser).abs(),
                    resolved: found.resolution != Resolution::Unresolved,
                });
            }
        }
    }
    Ok(sums)
}

/// The share of the sums whose estimate is not at least a part of the error.
fn low<'a>(
    sums: impl Iterator<Item = &'a Sum> + Clone,
    estimate: impl Fn(&Sum) -> f64,
    part: f64,
) -> f64 {
    // A NaN is not at least anything.
    let enough = sums.clone().filter(|sum| estimate(sum) >= part * sum.error).count();
    let all = sums.count();
    (all - enough) as f64 / all as f64
}

/// A share and three standard errors of what is found of it in so many cases.
fn beyond_chance(share: f64, cases: usize) -> f64 {
    share + 3.0 * (share * (1.0 - share) / cases as f64).sqrt()
}

fn seldom_low(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let sums = sums(&mut rng, kind, 10)?;
        let resolved = sums.iter().filter(|sum| sum.resolved);
        notes.push(format!(
            "{kind:?}: {:.1} % of {} estimates are low.",
            100.0 * low(resolved.clone(), |sum| sum.estimate, 1.0),
            resolved.count()
        ));
        all.extend(sums);
    }
    let resolved = all.iter().filter(|sum| sum.resolved);
    let others = all.iter().filter(|sum| !sum.resolved);
    notes.push(format!(
        "In {} more sums the grid says that it resolves nothing; there {:.1} % are low.",
        others.clone().count(),
        100.0 * low(others, |sum| sum.estimate, 1.0)
    ));
    Ok(Evidence {
        measured: low(resolved.clone(), |sum| sum.estimate, 1.0),
        limit: beyond_chance(0.03, resolved.clone().count()),
        reason: "share of estimates below the error: the aim is 3 %, where the difference to the grid of \
                 every second sample is low in 5 %, and three standard errors of a share of so many",
        control: Control {
            what: "what the differences to sums over half and over a quarter as many rings and columns \
                   make of a geometric series",
            measured: low(resolved, |sum| sum.geometric, 1.0),
        },
        plots: Vec::new(),
        notes,
    })
}

fn hardly_ever_ten_times_low(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let mut all = Vec::new();
    for kind in KINDS {
        all.extend(sums(&mut rng, kind, 8)?);
    }
    let resolved = all.iter().filter(|sum| sum.resolved);
    let least = resolved.clone().map(|sum| sum.estimate / sum.error).fold(f64::INFINITY, f64::min);
    Ok(Evidence {
        measured: low(resolved.clone(), |sum| sum.estimate, 0.1),
        limit: beyond_chance(0.002, resolved.clone().count()),
        reason: "share of estimates below a tenth of the error, and three standard errors of a share of so \
                 many; none would be better, but a spectrum whose last terms vanish by chance cannot be told \
                 from one that ends",
        control: Control {
            what: "what the differences to sums over half and over a quarter as many rings and columns \
                   make of a geometric series",
            measured: low(resolved.clone(), |sum| sum.geometric, 0.1),
        },
        plots: Vec::new(),
        notes: vec![format!("The least of {} is {least:.2} times the error.", resolved.count())],
    })
}

fn tight(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut all, mut notes) = (Vec::new(), Vec::new());
    for kind in KINDS {
        let sums = sums(&mut rng, kind, 8)?;
        notes.push(format!("{kind:?}: the median is {:.1}.", median(&sums, |sum| sum.estimate)));
        all.extend(sums);
    }
    let dots = all.iter().map(|sum| (sum.error.max(1e-17), sum.estimate.max(1e-17))).collect();
    Ok(Evidence {
        measured: median(&all, |sum| sum.estimate),
        limit: 20.0,
        reason: "median of estimate over error: the aim, where the larger of a geometric and a spectral \
                 estimate had 21",
        control: Control {
            what: "the difference to the sum over half as many rings and columns",
            measured: median(&all, |sum| sum.halved),
        },
        plots: vec![Plot {
            title: "Error estimate against error, 18 integrands on 16 to 91 rings",
            x: Axis { label: "error", scale: Scale::Log },
            y: Axis { label: "error estimate", scale: Scale::Log },
            series: vec![
                Series {
                    label: "as large".into(),
                    mark: Mark::Dashed,
                    points: vec![(1e-15, 1e-15), (1.0, 1.0)],
                },
                Series { label: "estimate".into(), mark: Mark::Dots, points: dots },
            ],
        }],
        notes,
    })
}

/// The median of an estimate over the error, of the sums over grids that resolve anything.
fn median(sums: &[Sum], estimate: impl Fn(&Sum) -> f64) -> f64 {
    let resolved = sums.iter().filter(|sum| sum.resolved);
    let mut ratios: Vec<f64> = resolved.map(|sum| estimate(sum) / sum.error).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}
