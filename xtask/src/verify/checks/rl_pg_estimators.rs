//! What `rl-pg` claims of gradients estimated from values, and of the chain into a network.

use std::collections::BTreeMap;

use linalg::{DMatrix, DVector};
use nn_core::{Gradients, Network, Tanh, Trace};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rl_pg::{
    ArmHit, Baseline, Chain, DiagonalGaussian, Estimator, GradientEstimate, RandomNumbers,
    ReportPlan, Result as RlResult, Simulator, StepSearch, pgpe, score_function,
};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rl-pg/seeds-recipe",
        question: Some(7),
        claim: "A numerical dL/dP of a black-box loss, chained into a network's backpropagation, is the true \
                gradient of its parameters.",
        run: seeds_recipe,
    },
    Check {
        id: "rl-pg/unbiased",
        question: Some(7),
        claim: "Score function, antithetic pairs and parameter exploration estimate the gradient of the \
                smoothed function without bias, within their own standard errors.",
        run: unbiased,
    },
    Check {
        id: "rl-pg/spsa-corners",
        question: Some(7),
        claim: "Over all corners of its cube, simultaneous perturbation gives the gradient of a quadratic exactly, \
                and so do central differences.",
        run: spsa_corners,
    },
    Check {
        id: "rl-pg/variances",
        question: Some(7),
        claim: "On a quadratic in 15 dimensions every estimator has the variance of its closed form.",
        run: variances,
    },
    Check {
        id: "rl-pg/common-numbers",
        question: Some(7),
        claim: "Two-point slopes under common random numbers have the variance J'/2h - J'^2 on a reward that steps.",
        run: common_numbers,
    },
    Check {
        id: "rl-pg/step-reward",
        question: Some(2),
        claim: "The score function finds the gradient of a reward that is a step.",
        run: step_reward,
    },
    Check {
        id: "rl-pg/step-search",
        question: Some(7),
        claim: "The step found from noise and curvature errs little more than the best one.",
        run: step_search,
    },
    Check {
        id: "rl-pg/slopes-disagree",
        question: Some(7),
        claim: "A difference warns where a jump lies within the displacement that it compares with, and nowhere \
                else.",
        run: slopes_disagree,
    },
    Check {
        id: "rl-pg/gradient-report",
        question: Some(7),
        claim: "The gradient report finds the published signal-to-noise ratios of the robot arm at rest.",
        run: gradient_report,
    },
];

/// A normal number from a seed.
fn noise(seed: u64) -> f64 {
    Xoshiro256PlusPlus::seed_from_u64(seed).sample(StandardNormal)
}

/// A seed for each of many calls.
fn seeds(context: &Context) -> impl Iterator<Item = u64> {
    let mut rng = context.rng();
    std::iter::from_fn(move || Some(rng.random()))
}

fn uniform(rng: &mut Xoshiro256PlusPlus, n: usize, from: f64, to: f64) -> Vec<f64> {
    (0..n).map(|_| rng.random_range(from..to)).collect()
}

/// The larger of two, or NaN where one is.
fn worse(a: f64, b: f64) -> f64 {
    if b <= a { a } else { b }
}

/// The largest deviation of an estimate in its own standard errors.
fn in_errors(found: &GradientEstimate, exact: &[f64]) -> f64 {
    let entries = found.gradient.iter().zip(&found.std_error).zip(exact);
    entries.map(|((found, error), exact)| (found - exact).abs() / error).fold(0.0, worse)
}

/// A smooth loss of 15 numbers that is not a sum over them, with its gradient.
struct Smooth {
    targets: DMatrix<f64>,
}

impl Smooth {
    fn value(&self, sample: usize, p: &[f64]) -> f64 {
        let square = (DVector::from_column_slice(p) - self.targets.column(sample)).norm_squared();
        0.5 * square.ln_1p() + (p[0] * p[14]).sin()
    }

    fn gradient(&self, sample: usize, p: &[f64]) -> DVector<f64> {
        let off = DVector::from_column_slice(p) - self.targets.column(sample);
        let mut gradient = &off / (1.0 + off.norm_squared());
        let turn = (p[0] * p[14]).cos();
        gradient[0] += turn * p[14];
        gradient[14] += turn * p[0];
        gradient
    }
}

fn seeds_recipe(context: &Context) -> Result<Evidence, BoxError> {
    let (mut rng, samples, outputs) = (context.rng(), 5, 15);
    let network =
        Network::<f64>::builder(4).dense(16).activation(Tanh).dense(outputs).build(&mut rng)?;
    let x = DMatrix::from_fn(4, samples, |_, _| rng.random_range(-1.0..1.0));
    let targets = DMatrix::from_fn(outputs, samples, |_, _| rng.random_range(-1.0..1.0));
    let loss = Smooth { targets };
    let p = network.predict(&x)?;
    // C at given outputs, a column per sample.
    let c_at = |p: &DMatrix<f64>| {
        let columns: Vec<_> =
            (0..samples).map(|n| loss.gradient(n, p.column(n).as_slice())).collect();
        DMatrix::from_columns(&columns)
    };
    let c = c_at(&p);
    let mut trace = Trace::new();
    network.forward(&x, &mut trace)?;
    let mut chained = |delta: &DMatrix<f64>| -> Result<DVector<f64>, BoxError> {
        network.backward(&(delta / samples as f64), Gradients::Parameters, &mut trace)?;
        Ok(trace.gradient().clone())
    };
    let truth = chained(&c)?;
    let off = |found: &DVector<f64>| (found - &truth).norm() / truth.norm();

    let black_box = |sample: usize, p: &[f64], _: u64| Ok(loss.value(sample, p));
    let central = Estimator::central(1e-5);
    let found = Chain::of_loss().estimate(&central, &network, &x, black_box, context.seed)?;
    let measured = off(&found.gradient);

    // What people make of "multiply the output by C".
    let t = 1e-5;
    let curved = (c_at(&(&p + &p * t)) - c_at(&(&p - &p * t))) / (2.0 * t);
    let mean_delta = c.column_mean();
    let summed = DMatrix::from_fn(outputs, samples, |row, _| mean_delta[row]);
    let scaled = c.component_mul(&p);
    let wrong = [
        ("the mean over outputs for the sum", &c / outputs as f64),
        ("C·P through a squared loss", c.component_mul(&scaled)),
        ("the simulator run on C·P", c.component_mul(&c_at(&scaled))),
        ("C left attached to the graph", &c + curved),
        ("the deltas of the batch averaged first", summed),
    ];
    let mut notes = vec![format!(
        "{} evaluations for {samples} samples of {outputs} outputs: two per output, and two to compare slopes.",
        found.evaluations
    )];
    let mut control = f64::INFINITY;
    for (what, delta) in wrong {
        let gradient = chained(&delta)?;
        let cosine = gradient.dot(&truth) / (gradient.norm() * truth.norm());
        notes.push(format!(
            "With {what}: off by {:.0} %, cosine {cosine:.2}.",
            100.0 * off(&gradient)
        ));
        control = control.min(off(&gradient));
    }
    Ok(Evidence {
        measured,
        limit: 1e-9,
        reason: "relative error at h = 1e-5: h²/6 times third derivatives of order one, and rounding over h, are \
                 2e-11 each",
        control: Control {
            what: "the best of five wrong readings of \"multiply the output by C\"",
            measured: control,
        },
        plots: Vec::new(),
        notes,
    })
}

fn unbiased(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (d, sigma, n) = (4, 0.5, 200_000);
    let (slope, at) = (uniform(&mut rng, d, -1.0, 1.0), uniform(&mut rng, d, -0.5, 0.5));
    let dot = |x: &[f64]| x.iter().zip(&slope).map(|(x, k)| x * k).sum::<f64>();
    // E[exp(k·(x + σε))] = exp(k·x + σ²|k|²/2); a noise of the simulator's own comes on top.
    let f = |x: &[f64], seed: u64| -> RlResult<f64> { Ok(dot(x).exp() + 0.3 * noise(seed)) };
    let square: f64 = slope.iter().map(|k| k * k).sum();
    let smooth = (dot(&at) + 0.5 * sigma * sigma * square).exp();
    let exact: Vec<f64> = slope.iter().map(|k| k * smooth).collect();
    let (mut worst, mut notes) = (0.0, Vec::new());
    for (name, estimator) in [
        ("Score function, no baseline", Estimator::score_function(sigma).baseline(Baseline::None)),
        ("Score function, leave-one-out", Estimator::score_function(sigma)),
        ("Score function, optimal", Estimator::score_function(sigma).baseline(Baseline::Optimal)),
        ("Antithetic pairs, common numbers", Estimator::antithetic(sigma)),
        (
            "Antithetic pairs, independent numbers",
            Estimator::antithetic(sigma).random_numbers(RandomNumbers::Independent),
        ),
    ] {
        let found = estimator.repeats(n).gradient(f, &at, rng.random())?;
        let z = in_errors(&found, &exact);
        worst = worse(worst, z);
        notes.push(format!(
            "{name}: {z:.1} standard errors off, which are {:.1e} of the gradient after {} evaluations.",
            found.std_error.norm() / found.gradient.norm(),
            found.evaluations
        ));
    }
    let log_std = sigma.ln();
    let parameters: Vec<f64> = at.iter().copied().chain((0..d).map(|_| log_std)).collect();
    let found = pgpe(&DiagonalGaussian::from_parameters(&parameters)?, f, n, rng.random())?;
    // ∂J/∂log σₖ = σ²·kₖ²·J.
    let both: Vec<f64> =
        exact.iter().copied().chain(slope.iter().map(|k| sigma * sigma * k * k * smooth)).collect();
    let z = in_errors(&found, &both);
    worst = worse(worst, z);
    notes.push(format!("Parameter exploration, with log σ: {z:.1} standard errors off."));

    // Batches of two with their own mean as baseline: half the gradient.
    let pair = Estimator::score_function(sigma).baseline(Baseline::BatchMean);
    let (mut mean, mut squares) = (DVector::zeros(d), DVector::<f64>::zeros(d));
    let batches = 20_000;
    for _ in 0..batches {
        let gradient = pair.gradient(f, &at, rng.random())?.gradient;
        squares += gradient.component_mul(&gradient);
        mean += gradient;
    }
    mean /= f64::from(batches);
    let control = (0..d)
        .map(|k| {
            let variance = squares[k] / f64::from(batches) - mean[k] * mean[k];
            (mean[k] - exact[k]).abs() / (variance / f64::from(batches)).sqrt()
        })
        .fold(0.0, worse);
    Ok(Evidence {
        measured: worst,
        limit: 5.5,
        reason: "largest deviation in standard errors: 28 normal numbers exceed 5.5 once in a million runs",
        control: Control {
            what: "batches of two with their own mean as baseline, which halves the gradient",
            measured: control,
        },
        plots: Vec::new(),
        notes,
    })
}

fn spsa_corners(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (d, h) = (4, 0.3);
    let a = DMatrix::from_fn(d, d, |_, _| rng.random_range(-1.0..1.0));
    let at = uniform(&mut rng, d, -1.0, 1.0);
    let f = |x: &[f64], _: u64| -> RlResult<f64> {
        let x = DVector::from_column_slice(x);
        Ok(x.dot(&(&a * &x)))
    };
    let exact = (&a + a.transpose()) * DVector::from_column_slice(&at);
    let off = |found: &DVector<f64>| (found - &exact).norm() / exact.norm();
    let central = Estimator::central(h).gradient(f, &at, 1)?;
    let forward = Estimator::forward(h).gradient(f, &at, 1)?;
    // The corner that a seed draws shows in the first point that it asks for.
    let mut corners = BTreeMap::new();
    for seed in seeds(context).take(2000) {
        let mut corner = Vec::new();
        let watched = |x: &[f64], seed: u64| {
            if corner.is_empty() {
                corner = x.iter().zip(&at).map(|(x, at)| x > at).collect();
            }
            f(x, seed)
        };
        let found = Estimator::spsa(h).gradient(watched, &at, seed)?;
        corners.insert(corner, found.gradient);
    }
    let count = corners.len();
    if count != 16 {
        return Err(format!("2000 seeds drew {count} corners of 16").into());
    }
    let mean = corners.values().fold(DVector::zeros(d), |sum, g| sum + g) / count as f64;
    Ok(Evidence {
        measured: worse(off(&mean), off(&central.gradient)),
        limit: 1e-12,
        reason: "relative error: some dozens of roundings, over a gradient that cancels to a hundredth at worst",
        control: Control {
            what: "forward differences with the same step: off by h/2 times the curvature",
            measured: off(&forward.gradient),
        },
        plots: Vec::new(),
        notes: vec![format!(
            "A single corner is off by {:.0} % on average: SPSA is exact in the mean alone.",
            100.0 * corners.values().map(off).sum::<f64>() / count as f64
        )],
    })
}

fn variances(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (n, sigma, tau) = (15usize, 0.3, 0.2);
    let (d, noisy) = (n as f64, tau * tau);
    let delta = uniform(&mut rng, n, -0.5, 0.5);
    let square: f64 = delta.iter().map(|x| x * x).sum();
    let bowl =
        |x: &[f64], _: u64| -> RlResult<f64> { Ok(-0.5 * x.iter().map(|x| x * x).sum::<f64>()) };
    let blurred = |x: &[f64], seed: u64| Ok(bowl(x, seed)? + tau * noise(seed));
    let value = -0.5 * square - 0.5 * d * sigma * sigma;
    let score = |baseline| Estimator::score_function(sigma).baseline(baseline);
    // The trace of the variance of one repeat, from many.
    let mut trace = |estimator: Estimator, noisy: bool| -> Result<f64, BoxError> {
        let (parts, repeats) = (16, 50_000);
        let mut total = 0.0;
        for _ in 0..parts {
            let many = estimator.repeats(repeats);
            let found = if noisy {
                many.random_numbers(RandomNumbers::Independent).gradient(
                    blurred,
                    &delta,
                    rng.random(),
                )?
            } else {
                many.gradient(bowl, &delta, rng.random())?
            };
            total += found.std_error.norm_squared() * repeats as f64;
        }
        Ok(total / f64::from(parts))
    };
    let first = (d + 1.0) * square + sigma * sigma * d * (d + 4.0) / 2.0;
    let (mut worst, mut notes) = (0.0, Vec::new());
    let antithetic = (d + 1.0) * square;
    for (name, estimator, is_noisy, theory) in [
        ("Score function, b = J", score(Baseline::Constant(value)), false, first),
        (
            "Score function, b = J − σ²",
            score(Baseline::Constant(value - sigma * sigma)),
            false,
            (d + 1.0) * square + sigma * sigma * d * (d + 2.0) / 2.0,
        ),
        (
            "Score function, no baseline",
            score(Baseline::None),
            false,
            first + d * value * value / (sigma * sigma) - 2.0 * d * value,
        ),
        ("Antithetic pairs", Estimator::antithetic(sigma), false, antithetic),
        (
            "Antithetic pairs with noise",
            Estimator::antithetic(sigma),
            true,
            antithetic + d * noisy / (2.0 * sigma * sigma),
        ),
        ("SPSA", Estimator::spsa(sigma), false, (d - 1.0) * square),
        (
            "SPSA with noise",
            Estimator::spsa(sigma),
            true,
            (d - 1.0) * square + d * noisy / (2.0 * sigma * sigma),
        ),
    ] {
        let found = trace(estimator, is_noisy)?;
        worst = worse(worst, (found / theory - 1.0).abs());
        notes.push(format!("{name}: {found:.4}, by theory {theory:.4}."));
    }
    // The pair's variance, had its two draws been independent: half that of a single one.
    let single = trace(score(Baseline::Constant(value)), false)?;
    Ok(Evidence {
        measured: worst,
        limit: 0.01,
        reason: "relative deviation: the standard error of a variance from 800,000 terms is 0.2 % here",
        control: Control {
            what: "two independent displacements taken for a pair of opposite ones",
            measured: (0.5 * single / antithetic - 1.0).abs(),
        },
        plots: Vec::new(),
        notes,
    })
}

/// A reward of 1 where x + spread·ε > 0, and 0 elsewhere.
struct StepReward {
    mean: f64,
    spread: f64,
}

impl StepReward {
    fn random(rng: &mut Xoshiro256PlusPlus) -> Self {
        Self { mean: rng.random_range(-0.3..0.3), spread: rng.random_range(0.15..0.3) }
    }

    fn ask(&self, x: &[f64], seed: u64) -> RlResult<f64> {
        Ok(if x[0] + self.spread * noise(seed) > 0.0 { 1.0 } else { 0.0 })
    }

    /// dJ/dμ = φ(μ/s)/s.
    fn slope(&self) -> f64 {
        let z = self.mean / self.spread;
        (-0.5 * z * z).exp() / ((2.0 * std::f64::consts::PI).sqrt() * self.spread)
    }

    /// (J(μ + h) − J(μ − h))/2h, by Simpson's rule over φ.
    fn slope_over(&self, h: f64) -> f64 {
        let at = |x: f64| Self { mean: self.mean + x, spread: self.spread }.slope();
        let (parts, mut sum) = (200, at(-h) + at(h));
        for k in 1..parts {
            let weight = if k % 2 == 1 { 4.0 } else { 2.0 };
            sum += weight * at(h * (2.0 * f64::from(k) / f64::from(parts) - 1.0));
        }
        sum / (3.0 * f64::from(parts))
    }
}

fn common_numbers(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let reward = StepReward::random(&mut rng);
    let ask = |x: &[f64], seed: u64| reward.ask(x, seed);
    let n = 400_000;
    let variance = |h: f64, numbers, seed| -> Result<f64, BoxError> {
        let pairs = Estimator::central(h).compared_at(None).random_numbers(numbers).repeats(n);
        let found = pairs.gradient(ask, &[reward.mean], seed)?;
        Ok(found.std_error[0].powi(2) * n as f64)
    };
    let (mut worst, mut control, mut notes) = (0.0, f64::INFINITY, Vec::new());
    for h in [0.1, 0.03, 0.01] {
        let slope = reward.slope_over(h);
        let theory = slope / (2.0 * h) - slope * slope;
        let common = variance(h, RandomNumbers::Common, rng.random())?;
        let independent = variance(h, RandomNumbers::Independent, rng.random())?;
        worst = worse(worst, (common / theory - 1.0).abs());
        control = control.min((independent / theory - 1.0).abs());
        notes.push(format!(
            "h = {h}: {common:.2}, by theory {theory:.2}; with independent numbers {independent:.0}."
        ));
    }
    Ok(Evidence {
        measured: worst,
        limit: 0.08,
        reason: "relative deviation: at h = 0.01 the slopes that are not 0 are 0.4 % of 400,000 or more, and \
                 their count is known to 2.5 % at most",
        control: Control { what: "independent random numbers on the two sides", measured: control },
        plots: Vec::new(),
        notes,
    })
}

fn step_reward(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let reward = StepReward::random(&mut rng);
    let policy = DiagonalGaussian::from_parameters(&[reward.mean, reward.spread.ln()])?;
    let step = |a: &Vec<f64>| if a[0] > 0.0 { 1.0 } else { 0.0 };
    let n = 200_000;
    let slope = reward.slope();
    // ∂J/∂log s = −(μ/s)·φ(μ/s).
    let exact = [slope, -reward.mean * slope];
    let (mut worst, mut notes) = (0.0, Vec::new());
    let mut error = 0.0;
    for (name, baseline) in
        [("No baseline", Baseline::None), ("Leave-one-out", Baseline::LeaveOneOut)]
    {
        let found = score_function(&policy, step, n, baseline, &mut rng)?;
        let z = in_errors(&found, &exact);
        worst = worse(worst, z);
        error = found.std_error[0];
        notes.push(format!(
            "{name}: slope {:.4} where {slope:.4} is exact, variance of one sample {:.2}.",
            found.gradient[0],
            error * error * n as f64
        ));
    }
    notes.push("The derivative of the reward by the action is 0 wherever it exists.".into());
    Ok(Evidence {
        measured: worst,
        limit: 5.0,
        reason: "largest deviation in standard errors: 4 normal numbers exceed 5 once in 400,000 runs",
        control: Control {
            what: "the reparametrised gradient, the mean of dR/da: always 0",
            measured: slope / error,
        },
        plots: Vec::new(),
        notes,
    })
}

fn step_search(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (x, tau) = (rng.random_range(0.0..1.0), 10f64.powf(rng.random_range(-4.0..-1.5)));
    let f = |x: &[f64], seed: u64| -> RlResult<f64> { Ok(x[0].exp() + tau * noise(seed)) };
    let search = StepSearch::central().random_numbers(RandomNumbers::Independent);
    // The root-mean-square error of a quotient, exact: e^x·(sinh(h)/h − 1) and τ/(h√2).
    let error = |h: f64| (f64::exp(x) * (h.sinh() / h - 1.0)).hypot(tau / (h * 2f64.sqrt()));
    let steps = || (0..600).map(|k| 10f64.powf(-6.0 + 0.01 * f64::from(k)));
    let best = steps().map(error).fold(f64::INFINITY, f64::min);
    let mut worst: f64 = 0.0;
    let mut chosen = Vec::new();
    for _ in 0..20 {
        let found = search.find(f, &[x], rng.random())?;
        worst = worse(worst, error(found.step) / best);
        chosen.push((found.step, error(found.step)));
    }
    let (cube, tried) = ((3.0 * tau / x.exp()).cbrt(), chosen.len());
    let series = |label: &str, mark, points| Series { label: label.into(), mark, points };
    Ok(Evidence {
        measured: worst,
        limit: 3.0,
        reason: "error over the least of all steps: the noise is known within a factor of two from 8 differences \
                 and the derivative within two, and half or twice the best step costs 1.6 or 2.4",
        control: Control { what: "h = 1e-5, as always", measured: error(1e-5) / best },
        plots: vec![Plot {
            title: "the error of a central difference under noise",
            x: Axis { label: "step h", scale: Scale::Log },
            y: Axis { label: "root-mean-square error", scale: Scale::Log },
            series: vec![
                series("any step", Mark::Line, steps().map(|h| (h, error(h))).collect()),
                series("found", Mark::Dots, chosen),
            ],
        }],
        notes: vec![format!(
            "Noise {tau:.1e} on exp at {x:.2}: theory's step is {cube:.3}, {tried} searches were tried."
        )],
    })
}

fn slopes_disagree(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (wide, points) = (0.1, 2000);
    let (mut wrong, mut missed, mut jumps) = (0, 0, 0);
    for _ in 0..points {
        // A slope of up to 1 and a jump of 1 to 3 at the origin, up or down.
        let slope = rng.random_range(-1.0..1.0);
        let jump = rng.random_range(1.0..3.0) * if rng.random() { 1.0 } else { -1.0 };
        let f = |x: &[f64], _: u64| -> RlResult<f64> {
            Ok(slope * x[0] + 0.1 * x[0].sin() + if x[0] > 0.0 { jump } else { 0.0 })
        };
        let x: f64 = rng.random_range(-0.3..0.3);
        let verdict = |at: f64| -> RlResult<bool> {
            let central = Estimator::central(1e-7).compared_at(Some(at));
            Ok(central.gradient(f, &[x], 1)?.slopes.is_some_and(|slopes| slopes.disagree()))
        };
        let is_near = x.abs() < wide;
        jumps += u32::from(is_near);
        wrong += u32::from(verdict(wide)? != is_near);
        missed += u32::from(verdict(1e-6)? != is_near);
    }
    // The arm at rest: how often the exact slope is blind.
    let contexts = ArmHit::halton_contexts(500);
    let mut arm = ArmHit::new();
    let mut blind = 0;
    for context in contexts.column_iter() {
        let reward = |w: &[f64], seed| Ok(arm.rollout(context.as_slice(), w, seed)?.reward);
        let found = Estimator::central(1e-6).gradient(reward, &[0.0; 15], 1)?;
        blind += u32::from(found.slopes.is_some_and(|slopes| slopes.disagree()));
    }
    Ok(Evidence {
        measured: f64::from(wrong),
        limit: 0.0,
        reason: "wrong verdicts: a jump of 1 over 0.2 makes slopes that differ by 5 and more, where the slope itself \
                 is at most 1.1 and its curvature 0.03",
        control: Control {
            what: "the same verdict from slopes at 1e-7 and 1e-6: it misses every jump",
            measured: f64::from(missed),
        },
        plots: Vec::new(),
        notes: vec![
            format!("Of {points} points, {jumps} lie within {wide} of a jump."),
            format!(
                "On the robot arm at rest it warns in {blind} of 500 contexts at displacement 0.1."
            ),
        ],
    })
}

fn gradient_report(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let count = 4000;
    let contexts: Vec<[f64; 4]> = (0..count).map(|_| ArmHit::random_context(&mut rng)).collect();
    let still = DMatrix::zeros(15, count);
    let mut arm = ArmHit::new();
    let mut reward =
        |context: usize, w: &[f64], seed: u64| Ok(arm.rollout(&contexts[context], w, seed)?.reward);
    let score = Estimator::score_function(0.15).repeats(1).baseline(Baseline::None);
    let (mut worst, mut notes, mut control) = (0.0, Vec::new(), 0.0);
    for (name, estimator, actions, published) in [
        ("Score function, no baseline", score, 24, 1.9e-3),
        ("Antithetic pairs", Estimator::antithetic(0.15), 12, 2.7e-3),
        ("SPSA", Estimator::spsa(0.15), 12, 2.9e-3),
    ] {
        let plan = ReportPlan::default().actions(actions);
        let report = estimator.report(&still, plan, &mut reward, rng.random())?;
        worst = worse(worst, (report.snr_per_rollout / published - 1.0).abs());
        notes.push(format!(
            "{name}: {:.2e} a rollout, ± {:.0} %, where {published:.1e} is published; {:.0} % of the variance \
             comes from the contexts, and a batch of {:.0} has as much signal as noise.",
            report.snr_per_rollout,
            100.0 * report.squared_signal_std_error / report.squared_signal,
            100.0 * report.shares.context,
            report.recommended_batch.unwrap_or(f64::NAN)
        ));
        if name == "SPSA" {
            // Sixty-four estimates and the length of their mean: mostly noise.
            let mut terms = DMatrix::zeros(15, 64);
            for (index, mut term) in terms.column_iter_mut().enumerate() {
                let own = |w: &[f64], seed: u64| reward(index, w, seed);
                term.copy_from(&estimator.gradient(own, &[0.0; 15], rng.random())?.gradient);
            }
            let mean = terms.column_mean();
            let spread: f64 =
                terms.column_iter().map(|term| (term - &mean).norm_squared()).sum::<f64>() / 63.0;
            control = (mean.norm_squared() / spread / 2.0 / published - 1.0).abs();
        }
    }
    Ok(Evidence {
        measured: worst,
        limit: 0.3,
        reason: "relative deviation: 15 % for the published figures, of two digits, and three standard errors of \
                 5 % here",
        control: Control {
            what: "the squared length of the mean of 64 estimates taken for the signal",
            measured: control,
        },
        plots: Vec::new(),
        notes,
    })
}
