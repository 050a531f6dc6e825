//! What `quad` claims of samples that lie on a grid or are given.

use std::f64::consts::PI;

use quad::{
    Azimuths, Colatitudes, Direction, Flat, GaussLegendre, HarmonicTransform, Measure, Missing,
    ScatteredRule, SolidAngle, SphereRule, ThinnedRule,
};
use rand::{Rng, RngExt};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "quad/grid-choice",
        question: Some(8),
        claim: "On the question's 80,000 samples the weights that the samples choose are as good as the \
                best of five known recipes, for each integrand and with or without a Jacobian.",
        run: grid_choice,
    },
    Check {
        id: "quad/gauss-legendre",
        question: Some(8),
        claim: "Gauss-Legendre nodes and weights are right to rounding, next to the poles and at a \
                million nodes too.",
        run: gauss_legendre,
    },
    Check {
        id: "quad/harmonics",
        question: Some(8),
        claim: "The power spectrum of a lobe in any direction is the one of Funk and Hecke.",
        run: harmonics,
    },
    Check {
        id: "quad/thinned-rings",
        question: Some(8),
        claim: "Rings thinned towards the poles integrate every polynomial of their degree, with less \
                than 0.78 of the nodes.",
        run: thinned_rings,
    },
    Check {
        id: "quad/scattered",
        question: Some(8),
        claim: "From 2000 random points, areas that are fitted to a degree do at least a hundred times \
                better than areas.",
        run: scattered,
    },
    Check {
        id: "quad/holes",
        question: Some(8),
        claim: "One missing sample in twenty costs no digit of a resolved integral.",
        run: holes,
    },
];

const RINGS: usize = 200;
const COLUMNS: usize = 400;

type Pattern = Box<dyn Fn(&Direction) -> f64>;

/// An integrand, its integral, and the best of trapezoid, spline, corrected ends, Clenshaw-Curtis
/// and sine weights on the question's grid, as measured with NumPy and SciPy.
struct Row {
    name: &'static str,
    p: Pattern,
    integral: f64,
    best: f64,
}

/// Functions of u·x for a random u.
fn zonal_rows(rng: &mut impl Rng) -> Result<Vec<Row>, BoxError> {
    type Zonal = (&'static str, fn(f64) -> f64, f64, f64);
    let zonal: [Zonal; 9] = [
        ("1", |_| 1.0, 4.0 * PI, 1e-16),
        ("t^20", |t| t.powi(20), 0.59839860068377014066, 2.0e-15),
        ("exp 10t", |t| (10.0 * t).exp(), 13839.63659657671218848, 9e-16),
        ("exp 100(t-1)", |t| (100.0 * (t - 1.0)).exp(), 2.0 * PI / 100.0, 1.1e-14),
        ("exp 1000(t-1)", |t| (1000.0 * (t - 1.0)).exp(), 2.0 * PI / 1000.0, 1.0e-13),
        ("1/(1.01-t)", |t| 1.0 / (1.01 - t), 33.321647477810172492, 1.9e-15),
        ("cos 50t", |t| (50.0 * t).cos(), -0.065941993030636754058, 1.8e-14),
        ("Henyey-Greenstein", |t| 0.19 / (4.0 * PI) / (1.81 - 1.8 * t).powf(1.5), 1.0, 1.2e-14),
        (
            "tanh",
            |t| (1.0 + (9.0 * 3f64.sqrt() * t - 4.0).tanh()) / 9.0,
            1.0379820457011971524,
            6.7e-16,
        ),
    ];
    let mut rows = Vec::new();
    for (name, g, integral, best) in zonal {
        let u = direction(rng)?;
        rows.push(Row { name, p: Box::new(move |x| g(u.dot(x))), integral, best });
    }
    Ok(rows)
}

/// exp(sin θ)(1 + 0.3 cos 2φ): smooth on the rectangle, with cusps at the poles of the sphere.
fn cusp(x: &Direction) -> f64 {
    x.sin_theta().exp() * (1.0 + 0.3 * (2.0 * x.phi()).cos())
}

fn grid_choice(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let solid = vertex_rule(SolidAngle, RINGS, COLUMNS)?;
    let flat = vertex_rule(Flat, RINGS, COLUMNS)?;
    let mut rows = zonal_rows(&mut rng)?;
    // mpmath 1.4: 2π ∫ exp(sin θ) sin θ dθ.
    let integral = 2.0 * PI * 4.4879010028329458420;
    rows.push(Row { name: "cusp", p: Box::new(cusp), integral, best: 2e-15 });
    let (mut worst, mut control, mut notes) = ((0.0, ""), 0.0, Vec::new());
    let mut judge = |name: &'static str, found: f64, naive: f64, integral: f64, best: f64| {
        // Rounding in lobes and near cancellation differs with the orientation by a few eps of ∫|p|.
        let limit = 2.0 * best + 1e-14;
        let error = |value: f64| (value / integral - 1.0).abs() / limit;
        if !(error(found) <= worst.0) {
            worst = (error(found), name);
        }
        control = nan_max(control, error(naive));
    };
    for Row { name, p, integral, best } in &rows {
        let samples: Vec<f64> = solid.directions().map(|x| p(&x)).collect();
        let found = solid.integrate_samples(&samples)?;
        let trapezoid: f64 = flat
            .weights()
            .zip(solid.directions())
            .zip(&samples)
            .map(|((weight, x), p)| weight * x.sin_theta() * p)
            .sum();
        // cos 50t has 8 for ∫|p|, 120 times its integral.
        let best = if *name == "cos 50t" { 120.0 * 1e-15 } else { *best };
        judge(name, found.value, trapezoid, *integral, best);
        notes.push(format!("{name}: {}.", found.weights));
    }
    let found = flat.integrate(cusp)?;
    let sum: f64 = flat.weights().zip(flat.directions()).map(|(w, x)| w * cusp(&x)).sum();
    judge("flat cusp", found.value, sum, 2.0 * PI * 6.2087580357111101964, 7e-12);
    let lobe = flat.integrate(|x| (10.0 * (x.z() - 1.0)).exp())?;
    // The trapezoid is the right rule here, and has to be chosen.
    judge("flat exp", lobe.value, lobe.value, 2.5233289341482296991, 2e-16);
    Ok(Evidence {
        measured: worst.0,
        limit: 1.0,
        reason: "relative error over twice the best recipe's and 1e-14, the roundings of sums of 200 rings \
                 and 400 columns; for cos 50t, of condition 120, over 120 such roundings",
        control: Control {
            what: "the trapezoidal rule, with sin θ where the measure has it",
            measured: control,
        },
        plots: Vec::new(),
        notes,
    })
}

fn gauss_legendre(_: &Context) -> Result<Evidence, BoxError> {
    // k, θ and weight by mpmath 1.4 with 45 digits (Newton's method on the three-term recurrence).
    let few = [
        (0, 2.392851379957687255e-2, 7.346344905056717304e-4),
        (49, 1.555166706034023843, 3.125542345386335695e-2),
    ];
    let many = [
        (0, 2.403623645771928893e-3, 7.413338416432071517e-6),
        (12, 4.003840489456982881e-2, 1.256781247645614613e-4),
    ];
    let (mut worst, mut golub_welsch): (f64, f64) = (0.0, 0.0);
    for (n, reference) in [(100, few), (1000, many)] {
        let rule = GaussLegendre::new(n)?;
        // Jacobi's matrix: nodes are its eigenvalues, weights twice the squares of first entries.
        let off: Vec<f64> = (1..n).map(|j| j as f64 / ((4 * j * j - 1) as f64).sqrt()).collect();
        let eigen = linalg::tridiagonal_eigen(&vec![0.0; n], &off)?;
        for (k, theta, weight) in reference {
            let relative =
                |found: f64, expected: f64| (found / expected - 1.0).abs() / f64::EPSILON;
            worst = worst.max(relative(rule.colatitudes()[k], theta));
            worst = worst.max(relative(rule.weights()[k], weight));
            let first = eigen.vectors[(0, n - 1 - k)];
            golub_welsch = golub_welsch.max(relative(2.0 * first * first, weight));
        }
    }
    // A million nodes: the sum of the weights, ∫ x², and a Legendre polynomial of degree 1000.
    let rule = GaussLegendre::new(1_000_000)?;
    let sum = |f: &dyn Fn(usize) -> f64| -> f64 {
        // In pairs, so that rounding stays that of a few terms.
        let terms: Vec<f64> = (0..rule.len()).map(|i| rule.weights()[i] * f(i)).collect();
        pairwise(&terms)
    };
    let total = (sum(&|_| 1.0) / 2.0 - 1.0).abs();
    let square = (sum(&|i| rule.nodes()[i].powi(2)) * 1.5 - 1.0).abs();
    let sine = (sum(&|i| rule.sines()[i]) / (0.5 * PI) - 1.0).abs();
    worst = worst.max(total.max(square).max(sine) / f64::EPSILON);
    Ok(Evidence {
        measured: worst,
        limit: 2.5,
        reason: "relative errors over eps = 2^-52: three roundings of a weight's factors, and one of its \
                 angle",
        control: Control {
            what: "the weights of Golub and Welsch, from the eigenvectors of Jacobi's matrix",
            measured: golub_welsch,
        },
        plots: Vec::new(),
        notes: vec![format!(
            "A million nodes give 2, 2/3 and π/2 for 1, x² and √(1 − x²) to {:.0e}.",
            total.max(square).max(sine)
        )],
    })
}

fn pairwise(terms: &[f64]) -> f64 {
    if terms.len() <= 8 {
        return terms.iter().sum();
    }
    let (left, right) = terms.split_at(terms.len() / 2);
    pairwise(left) + pairwise(right)
}

fn harmonics(context: &Context) -> Result<Evidence, BoxError> {
    const DEGREE: usize = 127;
    // Near enough to a pole for the wrong ring weights to matter.
    let mut rng = context.rng();
    let u = Direction::from_angles(rng.random_range(0.1..0.5), rng.random_range(-PI..PI))?;
    let kappa = 40.0;
    let rule = SphereRule::of_degree(SolidAngle, 2 * DEGREE)?;
    let transform = HarmonicTransform::new(&rule, DEGREE)?;
    let lobe: Vec<f64> = rule.directions().map(|x| (kappa * (u.dot(&x) - 1.0)).exp()).collect();
    // The integral of the transform, from a spectrum with another scale.
    let found = transform.analyze(&lobe)?.power_spectrum();
    // Samples times θ-dependent errors: what the trapezoid in θ on the same number of rings does.
    let equal = vertex_rule(SolidAngle, 2 * DEGREE + 2, 2 * DEGREE + 3)?;
    let on_equal = HarmonicTransform::new(&equal, DEGREE)?;
    let flat = vertex_rule(Flat, 2 * DEGREE + 2, 2 * DEGREE + 3)?;
    let trapezoid: Vec<f64> = equal
        .directions()
        .zip(equal.weights().zip(flat.weights()))
        .map(|(x, (ours, theirs))| {
            theirs * x.sin_theta() / ours * (kappa * (u.dot(&x) - 1.0)).exp()
        })
        .collect();
    let naive = on_equal.analyze(&trapezoid)?.power_spectrum();
    // √Σ|cₗₘ|² = √(4π(2l + 1)) iₗ(κ) e^−κ, by Miller's backward recurrence of iₗ.
    let mut bessel = vec![0.0; DEGREE + 60];
    let last = bessel.len() - 1;
    bessel[last - 1] = 1e-250;
    for l in (1..last).rev() {
        bessel[l - 1] = bessel[l + 1] + (2 * l + 1) as f64 / kappa * bessel[l];
    }
    let first = -(-2.0 * kappa).exp_m1() / (2.0 * kappa);
    let scale = first / bessel[0];
    let (mut worst, mut control) = (0.0, 0.0);
    let (mut ours, mut theory) = (Vec::new(), Vec::new());
    let most = (4.0 * PI).sqrt();
    for l in 0..=DEGREE {
        let expected = (4.0 * PI * (2 * l + 1) as f64).sqrt() * bessel[l] * scale;
        worst = nan_max(worst, (found[l].sqrt() - expected).abs() / most);
        control = nan_max(control, (naive[l].sqrt() - expected).abs() / most);
        ours.push((l as f64, found[l].sqrt()));
        theory.push((l as f64, expected.max(1e-20)));
    }
    Ok(Evidence {
        measured: worst,
        limit: 40.0 * f64::EPSILON,
        reason: "error of √(power) over √(4π), the norm of 1: rounding of κ(u·x − 1), 40 eps of the lobe",
        control: Control {
            what: "ring weights of the trapezoid with sin θ in the same transform",
            measured: control,
        },
        plots: vec![Plot {
            title: "Spectrum of exp(40 (u·x − 1)), u within 0.5 of a pole",
            x: Axis { label: "degree l", scale: Scale::Linear },
            y: Axis { label: "√ of the power of degree l", scale: Scale::Log },
            series: vec![
                Series { label: "Funk-Hecke".into(), mark: Mark::Dashed, points: theory },
                Series { label: "quad".into(), mark: Mark::Line, points: ours },
            ],
        }],
        notes: Vec::new(),
    })
}

fn thinned_rings(context: &Context) -> Result<Evidence, BoxError> {
    const DEGREE: usize = 255;
    let mut rng = context.rng();
    let rule = ThinnedRule::of_degree(DEGREE)?;
    let full = SphereRule::of_degree(SolidAngle, DEGREE)?.len();
    let part = rule.len() as f64 / full as f64;
    let gauss = GaussLegendre::new(DEGREE / 2 + 1)?;
    // The same rings with three quarters of the columns.
    let mut fewer = Vec::new();
    for (i, &columns) in rule.columns().iter().enumerate() {
        let columns = (3 * columns / 4).max(1);
        for j in 0..columns {
            let turn = 2.0 * PI / columns as f64;
            let x = Direction::from_angles(gauss.colatitudes()[i], turn * j as f64)?;
            fewer.push((x, turn * gauss.weights()[i]));
        }
    }
    let ours: Vec<(Direction, f64)> =
        rule.directions().iter().copied().zip(rule.weights().iter().copied()).collect();
    let (mut worst, mut control) = (0.0, 0.0);
    for _ in 0..3 {
        let u = direction(&mut rng)?;
        worst = nan_max(worst, legendre_error(&ours, &u, DEGREE));
        control = nan_max(control, legendre_error(&fewer, &u, DEGREE));
    }
    let positive = rule.weights().iter().all(|&weight| weight > 0.0);
    if !(positive && part <= 0.78) {
        worst = f64::INFINITY;
    }
    let north = rule.directions().iter().filter(|x| x.z() > 0.0);
    Ok(Evidence {
        measured: worst,
        limit: 2.0 * DEGREE as f64 * f64::EPSILON,
        reason: "error of the mean of Pₗ(u·x), l = 0..=255: the recurrence of Pₗ carries l eps",
        control: Control { what: "three quarters of the columns on every ring", measured: control },
        plots: vec![Plot {
            title: "Nodes of the thinned rule of degree 63, northern half from above",
            x: Axis { label: "x", scale: Scale::Linear },
            y: Axis { label: "y", scale: Scale::Linear },
            series: vec![Series {
                label: "nodes".into(),
                mark: Mark::Dots,
                points: ThinnedRule::of_degree(63)?
                    .directions()
                    .iter()
                    .filter(|x| x.z() > 0.0)
                    .map(|x| (x.x(), x.y()))
                    .collect(),
            }],
        }],
        notes: vec![format!(
            "{} nodes, {part:.3} of the full grid's {full}, {} of them in the north, all weights positive.",
            rule.len(),
            north.count()
        )],
    })
}

/// The largest error of the mean of Pₗ(u·x), l = 0..=degree.
fn legendre_error(nodes: &[(Direction, f64)], u: &Direction, degree: usize) -> f64 {
    let t: Vec<f64> = nodes.iter().map(|(x, _)| u.dot(x)).collect();
    let (mut before, mut here) = (vec![0.0; t.len()], vec![1.0; t.len()]);
    let mut worst = 0.0;
    for l in 0..=degree {
        let terms: Vec<f64> = nodes.iter().zip(&here).map(|((_, w), p)| w * p).collect();
        let expected = if l == 0 { 1.0 } else { 0.0 };
        worst = nan_max(worst, (pairwise(&terms) / (4.0 * PI) - expected).abs());
        let l = l as f64;
        for ((t, before), here) in t.iter().zip(&mut before).zip(&mut here) {
            let next = ((2.0 * l + 1.0) * t * *here - l * *before) / (l + 1.0);
            (*before, *here) = (*here, next);
        }
    }
    worst
}

fn scattered(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let points = (0..2000).map(|_| direction(&mut rng)).collect::<Result<Vec<_>, _>>()?;
    let rule = ScatteredRule::new(&points)?;
    let exact = 4.0 * PI * 10f64.sinh() / 10.0;
    let (mut ours, mut areas, mut equal) = (0.0, 0.0, 0.0);
    for _ in 0..12 {
        let u = direction(&mut rng)?;
        let samples: Vec<f64> = points.iter().map(|x| (10.0 * u.dot(x)).exp()).collect();
        let error = |value: f64| (value / exact - 1.0).powi(2);
        let plain: f64 = rule.areas().iter().zip(&samples).map(|(a, p)| a * p).sum();
        let mean: f64 = samples.iter().sum::<f64>() * 4.0 * PI / samples.len() as f64;
        ours += error(rule.integrate_samples(&samples)?.value);
        areas += error(plain);
        equal += error(mean);
    }
    let positive = rule.weights().iter().all(|&weight| weight > 0.0);
    Ok(Evidence {
        measured: if positive { (ours / areas).sqrt() } else { f64::INFINITY },
        limit: 0.01,
        reason: "root mean square error over that of the Voronoi areas, exp(10 u·x), twelve directions u: \
                 a degree of 0.3 √N leaves 1e-3 of such a lobe to the areas",
        control: Control { what: "equal weights", measured: (equal / areas).sqrt() },
        plots: Vec::new(),
        notes: vec![format!(
            "Exact to degree {}; relative error {:.0e}, of the areas {:.0e}, of equal weights {:.0e}.",
            rule.degree(),
            (ours / 12.0).sqrt(),
            (areas / 12.0).sqrt(),
            (equal / 12.0).sqrt()
        )],
    })
}

fn holes(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let rule = vertex_rule(SolidAngle, RINGS, COLUMNS)?;
    let u = direction(&mut rng)?;
    let mut samples: Vec<f64> = rule.directions().map(|x| (10.0 * u.dot(&x)).exp()).collect();
    let exact = 4.0 * PI * 10f64.sinh() / 10.0;
    for sample in &mut samples {
        if rng.random_range(0.0..1.0) < 0.05 {
            *sample = f64::NAN;
        }
    }
    let found = rule.integrate_with_missing(&samples, Missing::Nan)?;
    let (mut sum, mut weights) = (0.0, 0.0);
    for (weight, sample) in rule.weights().zip(&samples).filter(|(_, sample)| !sample.is_nan()) {
        sum += weight * sample;
        weights += weight;
    }
    Ok(Evidence {
        measured: (found.value / exact - 1.0).abs(),
        limit: 1e-12,
        reason: "relative error: a fit of degree 40 leaves less than eps of exp(10 u·x) on any ring, and \
                 its condition is below a thousand",
        control: Control {
            what: "the weights of the samples that are there, scaled to 4π",
            measured: (sum * 4.0 * PI / weights / exact - 1.0).abs(),
        },
        plots: Vec::new(),
        notes: vec![format!("{} of 80,000 samples are there.", found.samples)],
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

/// A direction, uniform on the sphere.
fn direction(rng: &mut impl Rng) -> Result<Direction, BoxError> {
    let theta = rng.random_range(-1.0f64..1.0).acos();
    Ok(Direction::from_angles(theta, rng.random_range(-PI..PI))?)
}

/// The larger of two, or NaN where either is: `f64::max` would drop it.
fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}
