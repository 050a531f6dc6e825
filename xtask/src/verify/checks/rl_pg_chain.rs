//! What `rl-pg` claims of the chain into a network, and of how far its gradients can be trusted.

use linalg::{DMatrix, DVector};
use nn_core::{Gradients, Network, Tanh, Trace};
use rand::RngExt;
use rl_pg::{ArmHit, Chain, Estimator, ReportPlan, Result as RlResult, Simulator};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

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

/// The larger of two, or NaN where one is.
fn worse(a: f64, b: f64) -> f64 {
    if b <= a { a } else { b }
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
        "{} evaluations for {samples} samples of {outputs} outputs: two per output, and three to compare slopes.",
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

fn slopes_disagree(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (wide, points) = (0.1, 2000);
    let (mut wrong, mut missed, mut jumps) = (0, 0, 0);
    for _ in 0..points {
        // A slope of up to 1 and a jump of 1 to 3 at the origin, up or down.
        let slope = rng.random_range(-1.0..1.0);
        let jump = rng.random_range(1.0..3.0) * if rng.random() { 1.0 } else { -1.0 };
        let f = |x: &[f64], _: u64| -> RlResult<f64> {
            Ok(slope * x[0] + 0.1 * x[0].cos() + if x[0] > 0.0 { jump } else { 0.0 })
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
        reason: "wrong verdicts: a jump of J within 0.1 makes slopes that differ by 5J, at least 0.8 of their scale; \
                 without one they differ by 5e-5, and their scale is 5e-3 and more",
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
    let count = 24_000;
    let contexts: Vec<[f64; 4]> = (0..count).map(|_| ArmHit::random_context(&mut rng)).collect();
    let still = DMatrix::zeros(15, count);
    let mut arm = ArmHit::new();
    let mut reward =
        |context: usize, w: &[f64], seed: u64| Ok(arm.rollout(&contexts[context], w, seed)?.reward);
    let (mut worst, mut notes, mut control) = (0.0, Vec::new(), 0.0);
    for (name, estimator, published) in [
        ("Antithetic pairs", Estimator::antithetic(0.15), 2.7e-3),
        ("SPSA", Estimator::spsa(0.15), 2.9e-3),
    ] {
        let plan = ReportPlan::default().actions(4);
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
            // Batches of sixty-four, and the squared length of their means: mostly noise.
            let mut terms = DMatrix::zeros(15, 64 * 20);
            for (index, mut term) in terms.column_iter_mut().enumerate() {
                let own = |w: &[f64], seed: u64| reward(index, w, seed);
                term.copy_from(&estimator.gradient(own, &[0.0; 15], rng.random())?.gradient);
            }
            let lengths = (0..20).map(|k| terms.columns(64 * k, 64).column_mean().norm_squared());
            let naive = lengths.sum::<f64>() / 20.0 / report.variance / 2.0;
            control = (naive / published - 1.0).abs();
        }
    }
    Ok(Evidence {
        measured: worst,
        limit: 0.3,
        reason: "relative deviation: the published figures have two digits and agree with a longer run within \
                 5 %, and five standard errors are 25 %",
        control: Control {
            what: "the squared length of means of 64 estimates taken for the signal",
            measured: control,
        },
        plots: Vec::new(),
        notes,
    })
}
