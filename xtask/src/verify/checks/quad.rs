//! What `quad` claims.

use std::f64::consts::PI;

use linalg::DMatrix;
use quad::{
    Azimuths, Colatitudes, Direction, Drift, JacobianIncluded, Measure, PointRule, SnapshotRule,
    SolidAngle, SphereRule,
};
use rand::{Rng, RngExt};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "quad/product-rule-exact",
        question: Some(8),
        claim: "The Gauss-Legendre product rule integrates every spherical polynomial of at most its \
                degree exactly, in any orientation.",
        run: product_rule_exact,
    },
    Check {
        id: "quad/question-grid",
        question: Some(8),
        claim: "The 200 x 400 samples of the question, re-weighted, give smooth integrals to rounding \
                in any orientation.",
        run: question_grid,
    },
    Check {
        id: "quad/duplicate-column",
        question: Some(8),
        claim: "A column that repeats the first at 2π is seen from the axis, and counts once.",
        run: duplicate_column,
    },
    Check {
        id: "quad/jacobian-inside",
        question: Some(8),
        claim: "Samples that already contain sin θ give the same total as samples that do not.",
        run: jacobian_inside,
    },
    Check {
        id: "quad/snapshot-drift",
        question: Some(8),
        claim: "A rule of a few dozen nodes, made from 40 snapshots of a moving lobe, says that the lobe has \
                left them before its integral is off by ten tolerances, and says so of no step within.",
        run: snapshot_drift,
    },
    Check {
        id: "quad/designs",
        question: Some(8),
        claim: "The mean over each spherical design is exact for every degree up to its own, in any \
                orientation.",
        run: designs,
    },
];

/// A function g of t = u·x, with ∫ g dΩ = 2π ∫ g(t) dt over [−1, 1] (Funk-Hecke), and ∫ |g| dΩ.
struct Zonal {
    name: &'static str,
    g: fn(f64) -> f64,
    integral: f64,
    magnitude: f64,
}

impl Zonal {
    const fn positive(name: &'static str, g: fn(f64) -> f64, integral: f64) -> Self {
        Self { name, g, integral, magnitude: integral }
    }
}

/// Smooth on the sphere and resolved by 200 rings; digits from mpmath 1.4. None is odd: a rule that
/// is symmetric about the center has no error on odd functions, however bad it is.
const SMOOTH: [Zonal; 8] = [
    Zonal::positive("1", |_| 1.0, 4.0 * PI),
    Zonal::positive("t^20", |t| t.powi(20), 0.59839860068377014066),
    Zonal::positive("exp t", f64::exp, 14.76801374576529069511),
    Zonal::positive("exp 10t", |t| (10.0 * t).exp(), 13839.63659657671218848),
    Zonal::positive("exp 100(t-1)", |t| (100.0 * (t - 1.0)).exp(), 2.0 * PI / 100.0),
    Zonal::positive("1/(1.1-t)", |t| 1.0 / (1.1 - t), 19.12929864808238896),
    Zonal::positive(
        "(1+tanh(9√3t-4))/9",
        |t| (1.0 + (9.0 * 3f64.sqrt() * t - 4.0).tanh()) / 9.0,
        1.0379820457011971524,
    ),
    // Nearly cancels; ∫ |cos 50t| dΩ is 8.
    Zonal {
        name: "cos 50t",
        g: |t| (50.0 * t).cos(),
        integral: -0.065941993030636754058,
        magnitude: 8.0,
    },
];

const RINGS: usize = 200;
const COLUMNS: usize = 400;

fn product_rule_exact(context: &Context) -> Result<Evidence, BoxError> {
    let axes = frame(&mut context.rng())?;
    let (mut worst, mut worst_control, mut next) = (0.0, 0.0, f64::INFINITY);
    for degree in (0..=20).chain([40]) {
        let rule = SphereRule::of_degree(SolidAngle, degree)?;
        let layout = rule.layout();
        let gauss: Vec<(Direction, f64)> = rule.directions().zip(rule.weights()).collect();
        let trapezoid = trapezoid_nodes(layout.rings.max(2), layout.columns)?;
        let scale = 4.0 * PI * f64::EPSILON * (layout.rings + layout.columns + degree + 1) as f64;
        for (nodes, worst) in [(&gauss, &mut worst), (&trapezoid, &mut worst_control)] {
            *worst = nan_max(*worst, monomial_error(nodes, &axes, degree) / scale);
        }
        // Re (x + iy)^(degree + 1) looks constant to degree + 1 columns.
        let beyond = (degree + 1) as f64;
        let missed: f64 = gauss
            .iter()
            .map(|(x, weight)| weight * x.sin_theta().powf(beyond) * (beyond * x.phi()).cos())
            .sum();
        next = f64::min(next, missed.abs());
    }
    Ok(Evidence {
        measured: worst,
        limit: 1.0,
        reason: "error over 4π eps (rings + columns + degree + 1): recursive summation of the rings and \
                 of the columns, and the powers of the coordinates",
        control: Control {
            what: "the trapezoidal rule with sin θ on as many equispaced rings and columns",
            measured: worst_control,
        },
        plots: Vec::new(),
        notes: vec![
            "Every x^i y^j z^k along a random frame, at each degree from 0 to 20 and at 40.".into(),
            format!("One degree more is wrong by at least {next:.1} at every degree."),
        ],
    })
}

/// The largest error over the monomials of at most this degree, in powers of coordinates along
/// `axes`.
fn monomial_error(nodes: &[(Direction, f64)], axes: &[Direction; 3], degree: usize) -> f64 {
    // powers[axis][power][node]
    let powers: Vec<Vec<Vec<f64>>> = axes
        .iter()
        .map(|axis| {
            let first = vec![1.0; nodes.len()];
            std::iter::successors(Some(first), |last| {
                Some(last.iter().zip(nodes).map(|(power, (x, _))| power * axis.dot(x)).collect())
            })
            .take(degree + 1)
            .collect()
        })
        .collect();
    let mut worst = 0.0;
    for i in 0..=degree {
        for j in 0..=degree - i {
            let both: Vec<f64> = (0..nodes.len())
                .map(|node| nodes[node].1 * powers[0][i][node] * powers[1][j][node])
                .collect();
            // At the higher degree only the highest: lower ones are checked at lower degrees.
            let lowest = if degree > 20 { degree - i - j } else { 0 };
            for k in lowest..=degree - i - j {
                let sum: f64 = both.iter().zip(&powers[2][k]).map(|(a, b)| a * b).sum();
                worst = nan_max(worst, (sum - monomial_integral([i, j, k])).abs());
            }
        }
    }
    worst
}

/// 4π (i−1)!! (j−1)!! (k−1)!! / (i+j+k+1)!! for even powers, else 0.
fn monomial_integral(powers: [usize; 3]) -> f64 {
    if powers.iter().any(|power| power % 2 == 1) {
        return 0.0;
    }
    let odd = |top: usize| (1..=top).step_by(2).map(|factor| factor as f64);
    let above = powers.into_iter().flat_map(|power| odd(power.saturating_sub(1)));
    let below = odd(powers.iter().sum::<usize>() + 1);
    // There is one more factor below than above.
    4.0 * PI * below.zip(above.chain(std::iter::repeat(1.0))).map(|(b, a)| a / b).product::<f64>()
}

fn question_grid(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let rule = vertex_rule(SolidAngle, RINGS, COLUMNS)?;
    let nodes: Vec<Direction> = rule.directions().collect();
    let (mut worst, mut worst_control, mut worst_estimate) = ((0.0, ""), 0.0, 0.0);
    for Zonal { name, g, integral, magnitude } in &SMOOTH {
        let u = direction(&mut rng)?;
        let samples: Vec<f64> = nodes.iter().map(|x| g(u.dot(x))).collect();
        let found = rule.integrate_samples(&samples)?;
        let error = (found.value - integral).abs() / magnitude;
        if error.is_nan() || error > worst.0 {
            worst = (error, *name);
        }
        worst_estimate = nan_max(worst_estimate, found.error_estimate / magnitude);
        let trapezoid = trapezoid(&samples, RINGS, COLUMNS);
        worst_control = nan_max(worst_control, (trapezoid - integral).abs() / magnitude);
    }
    let u = direction(&mut rng)?;
    Ok(Evidence {
        measured: worst.0,
        limit: (RINGS + COLUMNS) as f64 * f64::EPSILON,
        reason: "error over ∫|p|: recursive summation of 200 and of 400 terms; the integrands' terms \
                 above degree 199, where Clenshaw-Curtis stops being exact, are below eps",
        control: Control {
            what: "the trapezoidal rule with sin θ on the same 80,000 samples",
            measured: worst_control,
        },
        plots: vec![convergence(&u)?],
        notes: vec![
            format!(
                "The weights gain {:.1} digits over the trapezoid for nothing (worst of {} integrands \
                 for both; ours on {}).",
                (worst_control / worst.0.max(f64::EPSILON)).log10(),
                SMOOTH.len(),
                worst.1
            ),
            format!("Seen from the axes: {}.", rule.layout()),
            format!("The largest error estimate is {worst_estimate:.1e} of ∫|p|."),
        ],
    })
}

/// Error against the number of rings, for exp(10 u·x).
fn convergence(u: &Direction) -> Result<Plot, BoxError> {
    let zonal = &SMOOTH[3];
    let (mut ours, mut estimate, mut naive) = (Vec::new(), Vec::new(), Vec::new());
    for rings in [6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 140, 200] {
        let columns = 2 * rings;
        let rule = vertex_rule(SolidAngle, rings, columns)?;
        let samples: Vec<f64> = rule.directions().map(|x| (zonal.g)(u.dot(&x))).collect();
        let found = rule.integrate_samples(&samples)?;
        let relative = |value: f64| (rings as f64, (value / zonal.magnitude).max(1e-17));
        ours.push(relative((found.value - zonal.integral).abs()));
        estimate.push(relative(found.error_estimate));
        naive.push(relative((trapezoid(&samples, rings, columns) - zonal.integral).abs()));
    }
    let series = |label: &str, mark, points| Series { label: label.into(), mark, points };
    Ok(Plot {
        title: "∫ exp(10 u·x) dΩ from n x 2n samples",
        x: Axis { label: "rings n", scale: Scale::Log },
        y: Axis { label: "relative error", scale: Scale::Log },
        series: vec![
            series("trapezoid", Mark::Line, naive),
            series("quad's own error estimate", Mark::Dashed, estimate),
            series("quad", Mark::Line, ours),
        ],
    })
}

fn duplicate_column(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let rule = vertex_rule(SolidAngle, RINGS, COLUMNS)?;
    // A lobe within 40° of the seam, where the repeated column matters.
    let (theta, phi) = (rng.random_range(0.5..PI - 0.5), rng.random_range(-0.7..0.7));
    let u = Direction::from_angles(theta, phi)?;
    let Zonal { g, integral, .. } = &SMOOTH[3];
    let samples: Vec<f64> = rule.directions().map(|x| g(u.dot(&x))).collect();
    let found = rule.integrate_samples(&samples)?;
    // The same ring weights, from a column that is not repeated, and every column alike.
    let ring_weights: Vec<f64> = rule
        .weights()
        .skip(RINGS)
        .take(RINGS)
        .map(|weight| weight * (COLUMNS - 1) as f64 / COLUMNS as f64)
        .collect();
    let alike: f64 = samples
        .chunks_exact(RINGS)
        .map(|column| column.iter().zip(&ring_weights).map(|(p, w)| p * w).sum::<f64>())
        .sum();
    Ok(Evidence {
        measured: (found.value / integral - 1.0).abs(),
        limit: (RINGS + COLUMNS) as f64 * f64::EPSILON,
        reason: "relative error: recursive summation of 200 and of 400 terms",
        control: Control {
            what: "a plain mean over all 400 columns, with the same weights over the rings",
            measured: (alike / integral - 1.0).abs(),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "Of 80,000 samples {} are at different points; the mean over all columns counts one of \
             them twice.",
            rule.layout().distinct()
        )],
    })
}

fn jacobian_inside(context: &Context) -> Result<Evidence, BoxError> {
    let u = direction(&mut context.rng())?;
    let Zonal { g, integral, .. } = &SMOOTH[2];
    let inside = vertex_rule(JacobianIncluded, RINGS, COLUMNS)?;
    let q: Vec<f64> = inside.directions().map(|x| g(u.dot(&x)) * x.sin_theta()).collect();
    let found = inside.integrate_samples(&q)?.value;
    let twice = vertex_rule(SolidAngle, RINGS, COLUMNS)?.integrate_samples(&q)?.value;
    Ok(Evidence {
        measured: (found / integral - 1.0).abs(),
        limit: (RINGS + COLUMNS) as f64 * f64::EPSILON,
        reason: "relative error: recursive summation of 200 and of 400 terms",
        control: Control {
            what: "the same samples with sin θ applied a second time",
            measured: (twice / integral - 1.0).abs(),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "The trapezoid, right for samples without a Jacobian, is {:.0e} off on these.",
            (trapezoid_flat(&q, RINGS, COLUMNS) / integral - 1.0).abs()
        )],
    })
}

/// The question's grid: `linspace` over [0, π] and over [0, 2π], ends included.
fn vertex_rule<M: Measure>(
    measure: M,
    rings: usize,
    columns: usize,
) -> Result<SphereRule<M>, BoxError> {
    let linspace = |end: f64, n: usize| -> Vec<f64> {
        (0..n).map(|i| end * i as f64 / (n - 1) as f64).collect()
    };
    let theta = Colatitudes::from_radians(&linspace(PI, rings))?;
    let phi = Azimuths::from_radians(&linspace(2.0 * PI, columns))?;
    Ok(SphereRule::on_grid(measure, &theta, &phi)?)
}

/// The trapezoidal rule over θ and φ on a vertex grid, with sin θ.
fn trapezoid(samples: &[f64], rings: usize, columns: usize) -> f64 {
    let step = PI / (rings - 1) as f64;
    let weighted: Vec<f64> = samples
        .iter()
        .enumerate()
        .map(|(index, sample)| sample * (step * (index % rings) as f64).sin())
        .collect();
    trapezoid_flat(&weighted, rings, columns)
}

/// The trapezoidal rule over θ and φ on a vertex grid, without sin θ.
fn trapezoid_flat(samples: &[f64], rings: usize, columns: usize) -> f64 {
    let end = |index: usize, count: usize| {
        if index == 0 || index + 1 == count { 0.5 } else { 1.0 }
    };
    let steps = PI / (rings - 1) as f64 * 2.0 * PI / (columns - 1) as f64;
    let sum: f64 = samples
        .iter()
        .enumerate()
        .map(|(index, sample)| end(index % rings, rings) * end(index / rings, columns) * sample)
        .sum();
    steps * sum
}

/// Nodes and weights of the trapezoidal rule with sin θ, for `columns` azimuths without a repeated
/// one.
fn trapezoid_nodes(rings: usize, columns: usize) -> Result<Vec<(Direction, f64)>, BoxError> {
    let (step, turn) = (PI / (rings - 1) as f64, 2.0 * PI / columns as f64);
    let mut nodes = Vec::with_capacity(rings * columns);
    for j in 0..columns {
        for i in 0..rings {
            let theta = (step * i as f64).min(PI);
            let direction = Direction::from_angles(theta, turn * j as f64)?;
            nodes.push((direction, step * turn * theta.sin()));
        }
    }
    Ok(nodes)
}

fn snapshot_drift(context: &Context) -> Result<Evidence, BoxError> {
    const TOLERANCE: f64 = 1e-6;
    let mut rng = context.rng();
    let [first, toward, _] = frame(&mut rng)?;
    let kappa = rng.random_range(20.0..100.0);
    let exact = 2.0 * PI / kappa * -f64::exp_m1(-2.0 * kappa);
    let full = SphereRule::of_degree(SolidAngle, 83)?;
    let nodes: Vec<Direction> = full.directions().collect();
    let weights: Vec<f64> = full.weights().collect();
    // On a great circle, half a radian of it while the snapshots are taken.
    let lobe = |way: f64, x: &Direction| {
        (kappa * (way.cos() * first.dot(x) + way.sin() * toward.dot(x) - 1.0)).exp()
    };
    let snapshots = DMatrix::from_fn(nodes.len(), 40, |i, s| lobe(s as f64 / 78.0, &nodes[i]));
    let rule = SnapshotRule::new(&nodes, &weights, &snapshots, TOLERANCE)?;
    let noisy = snapshots.map(|x| x + 1e-4 * rng.random_range(-1.0..1.0));
    let noisy_rule = SnapshotRule::new(&nodes, &weights, &noisy, TOLERANCE)?;

    let (mut alarms, mut trusted, mut blind) = (0, 0.0, 0.0);
    let (mut errors, mut flagged) = (Vec::new(), Vec::new());
    for step in 0..400 {
        let way = 0.0025 * f64::from(step);
        let samples: Vec<f64> = rule.directions().iter().map(|x| lobe(way, x)).collect();
        let found = rule.integrate_samples(&samples)?;
        let off = (found.value / exact - 1.0).abs() / TOLERANCE;
        blind = nan_max(blind, off);
        if found.drift == Drift::Within {
            trusted = nan_max(trusted, off);
            errors.push((way, off * TOLERANCE));
        } else {
            flagged.push((way, off * TOLERANCE));
        }
        let within = way <= 0.5;
        let samples: Vec<f64> = noisy_rule
            .directions()
            .iter()
            .map(|x| lobe(way, x) + 1e-4 * rng.random_range(-1.0..1.0))
            .collect();
        let noisy = noisy_rule.integrate_samples(&samples)?;
        alarms += u32::from(within && (found.drift == Drift::Left || noisy.drift == Drift::Left));
    }
    let range = vec![(0.5, 1e-12), (0.5, 1.0)];
    Ok(Evidence {
        measured: if alarms == 0 { trusted } else { f64::INFINITY },
        limit: 10.0,
        reason: "error over a tolerance of 1e-6 in steps that are not said to have left, infinite if one of 200 \
                 steps within is, with or without noise like that of the snapshots: ten tolerances is where an \
                 estimate becomes a falsehood",
        control: Control { what: "the same rule without its monitor", measured: blind },
        plots: vec![Plot {
            title: "a snapshot rule within its range and beyond",
            x: Axis { label: "way of the lobe (rad)", scale: Scale::Linear },
            y: Axis { label: "relative error", scale: Scale::Log },
            series: vec![
                series("within", &errors, Mark::Dots),
                series("said to have left", &flagged, Mark::Dots),
                series("end of the snapshots", &range, Mark::Dashed),
            ],
        }],
        notes: vec![format!(
            "{} nodes for {} of the full rule; {} with noise.",
            rule.len(),
            nodes.len(),
            noisy_rule.len()
        )],
    })
}

fn series(label: &str, points: &[(f64, f64)], mark: Mark) -> Series {
    Series { label: label.to_owned(), mark, points: points.to_vec() }
}

fn designs(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let axis = direction(&mut rng)?;
    let (mut worst, mut next, mut control) = (0.0, f64::INFINITY, f64::INFINITY);
    for (points, degree) in PointRule::design_sizes() {
        let design = PointRule::design(SolidAngle, degree)?;
        let means = zonal_means(design.directions(), &axis, degree + 1);
        worst = means[..=degree].iter().copied().fold(worst, nan_max);
        next = f64::min(next, means[degree + 1]);
        // As many points on a spiral, as is usual for points alike.
        let spiral = (0..points)
            .map(|i| {
                let z = 1.0 - (2.0 * i as f64 + 1.0) / points as f64;
                Direction::from_angles(z.acos(), PI * (3.0 - 5f64.sqrt()) * i as f64)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let of_spiral = zonal_means(&spiral, &axis, degree);
        control = f64::min(control, of_spiral.into_iter().fold(0.0, nan_max));
    }
    Ok(Evidence {
        measured: worst,
        limit: 5e-15,
        reason: "mean of P_l(u·x), for every l from 1 to the degree and a random u: points to a rounding each, \
                 which a slope of at most l(l + 1)/2 takes up at random",
        control: Control { what: "as many points on Fibonacci's spiral", measured: control },
        plots: Vec::new(),
        notes: vec![format!("One degree more is off by {next:.0e} at least.")],
    })
}

/// |mean of `P_l(u·x)`| for l = 0 (where it is 0 by decree) to `top`.
fn zonal_means(points: &[Direction], axis: &Direction, top: usize) -> Vec<f64> {
    let t: Vec<f64> = points.iter().map(|x| axis.dot(x)).collect();
    let (mut before, mut here) = (vec![1.0; t.len()], t.clone());
    let mut means = vec![0.0];
    for l in (1..=top).map(|l| l as f64) {
        means.push((here.iter().sum::<f64>() / t.len() as f64).abs());
        for ((t, before), here) in t.iter().zip(&mut before).zip(&mut here) {
            let next = ((2.0 * l + 1.0) * t * *here - l * *before) / (l + 1.0);
            (*before, *here) = (*here, next);
        }
    }
    means
}

/// A direction, uniform on the sphere.
fn direction(rng: &mut impl Rng) -> Result<Direction, BoxError> {
    let theta = rng.random_range(-1.0f64..1.0).acos();
    Ok(Direction::from_angles(theta, rng.random_range(-PI..PI))?)
}

/// Three directions at right angles.
fn frame(rng: &mut impl Rng) -> Result<[Direction; 3], BoxError> {
    let (first, other) = (direction(rng)?, direction(rng)?);
    let cross =
        |[a, b, c]: [f64; 3], [x, y, z]: [f64; 3]| [b * z - c * y, c * x - a * z, a * y - b * x];
    let second = Direction::from_vector(cross(first.vector(), other.vector()))?;
    let third = Direction::from_vector(cross(first.vector(), second.vector()))?;
    Ok([first, second, third])
}

/// The larger of two, or NaN where either is: `f64::max` would drop it.
fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
