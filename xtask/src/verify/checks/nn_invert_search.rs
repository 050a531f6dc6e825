//! What `nn-invert` claims of searches, and of its proofs.

use std::fs;
use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, PseudoInverse};
use nn_core::{Network, Relu, Sigmoid, Tanh};
use nn_invert::{Chain, Map, MultiStart, Reach, SearchOptions, SearchStop, reach, search, unique};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-invert/monotone-widths",
        question: Some(11),
        claim: "where widths only fall or only rise, a search from zero finds an input of every target",
        run: monotone_widths,
    },
    Check {
        id: "nn-invert/expand-contract",
        question: Some(11),
        claim: "networks that expand and then contract are inverted from at most 20 starts",
        run: expand_contract,
    },
    Check {
        id: "nn-invert/unreachable",
        question: Some(11),
        claim: "a target is called out of reach when, and only when, a linear programme says so",
        run: unreachable,
    },
    Check {
        id: "nn-invert/unique",
        question: Some(11),
        claim: "nine of ten answers of square networks are proved to have an exact solution next to them",
        run: uniqueness,
    },
];

pub(super) fn normal(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

pub(super) fn normal_vector(n: usize, rng: &mut impl Rng) -> DVector<f64> {
    DVector::from_fn(n, |_, _| rng.sample(StandardNormal))
}

/// A network of `widths` with tanh between its layers, weights N(0, gain²/inputs).
pub(super) fn tanh_network(
    widths: &[usize],
    gain: f64,
    rng: &mut impl Rng,
) -> nn_core::Result<Network<f64>> {
    let mut builder = Network::builder(widths[0]);
    for (index, pair) in widths.windows(2).enumerate() {
        if index > 0 {
            builder = builder.activation(Tanh);
        }
        let weight = normal(pair[1], pair[0], rng) * (gain / (pair[0] as f64).sqrt());
        builder =
            builder.dense_from(weight, (normal_vector(pair[1], rng) * 0.1).as_slice().to_vec());
    }
    builder.build_given()
}

/// The layers undone one by one, each by its pseudo-inverse, values cut off at ±`clip` before atanh.
fn pseudo_inverse_chain(
    network: &Network<f64>,
    target: &DVector<f64>,
    clip: f64,
) -> Result<DVector<f64>, BoxError> {
    let mut value = target.clone();
    let views: Vec<_> = network.views().collect();
    for view in views.into_iter().rev() {
        match view {
            nn_core::View::Affine { linear: nn_core::Linear::Matrix(weight), bias } => {
                let inverse = PseudoInverse::new(&weight.into_owned())?;
                value = inverse.solve(&(value - DVector::from_column_slice(&bias)))?;
            }
            _ => value = value.map(|a| a.clamp(-clip, clip).atanh()),
        }
    }
    Ok(value)
}

fn monotone_widths(context: &Context) -> Result<Evidence, BoxError> {
    const EACH: usize = 12;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    let (mut chains, mut total) = (0, 0);
    for widths in [[10, 10, 10], [30, 20, 10], [10, 20, 30], [30, 10, 10], [10, 10, 30]] {
        for _ in 0..EACH {
            let network = tanh_network(&widths, 1.5, &mut rng)?;
            let chain = Chain::of(&network)?;
            let y = chain.value(&normal_vector(widths[0], &mut rng))?;
            // A second start is there for the rare square network with a minimum that is none.
            let found = MultiStart::new(20, context.seed).search(
                &chain,
                &y,
                &DVector::zeros(widths[0]),
                &SearchOptions::default(),
                |_| ControlFlow::Continue(()),
            )?;
            measured = measured.max(found.best.relative_residual);
            let passed = pseudo_inverse_chain(&network, &y, 1.0 - 1e-6)?;
            let off = (chain.value(&passed)? - &y).norm() / y.norm();
            control = control.max(off);
            chains += usize::from(off <= 1e-10);
            total += 1;
        }
    }
    Ok(Evidence {
        measured,
        limit: 1e-10,
        reason: "the relative residual asked for; reached by every one of the networks",
        control: Control { what: "pseudo-inverses one after the other", measured: control },
        plots: vec![],
        notes: vec![format!(
            "{total} tanh networks of gain 1.5 and targets within reach; pseudo-inverses with clipped \
             values give the target in {chains} of them."
        )],
    })
}

fn expand_contract(context: &Context) -> Result<Evidence, BoxError> {
    const EACH: usize = 20;
    const STARTS: usize = 20;
    let mut rng = context.rng();
    let (mut failed, mut failed_chain, mut first, mut total) = (0, 0, 0, 0);
    let mut starts = 0;
    for widths in [&[10, 20, 20, 10][..], &[10, 30, 10], &[40, 10, 30, 10]] {
        for _ in 0..EACH {
            let network = tanh_network(widths, 1.5, &mut rng)?;
            let chain = Chain::of(&network)?;
            let y = chain.value(&normal_vector(widths[0], &mut rng))?;
            let options = SearchOptions::default();
            let found = MultiStart::new(STARTS, rng.random()).search(
                &chain,
                &y,
                &DVector::zeros(widths[0]),
                &options,
                |_| ControlFlow::Continue(()),
            )?;
            failed += usize::from(found.solutions.is_empty());
            first += usize::from(!found.solutions.is_empty() && found.starts == 1);
            starts += found.starts;
            let passed = pseudo_inverse_chain(&network, &y, 1.0 - 1e-6)?;
            let off = (chain.value(&passed)? - &y).norm() / y.norm();
            failed_chain += usize::from(off > options.tolerance);
            total += 1;
        }
    }
    let share = |count: usize| count as f64 / total as f64;
    Ok(Evidence {
        measured: share(failed),
        limit: 0.03 + 3.0 * (0.03 * 0.97 / total as f64).sqrt(),
        reason: "3 in 100 not inverted, plus three standard deviations of that share in 60 networks",
        control: Control {
            what: "the chain of pseudo-inverses, clipped at 1 − 10⁻⁶",
            measured: share(failed_chain),
        },
        plots: vec![],
        notes: vec![format!(
            "{first} of {total} networks need one start, {:.1} starts are needed on average.",
            starts as f64 / total as f64
        )],
    })
}

/// Uniform on [−½, ½) by `SplitMix64`, as `reach-lp.py` makes it.
fn uniform(seed: u64, count: usize) -> Vec<f64> {
    (1..=count as u64)
        .map(|i| {
            let mut z = (i.wrapping_add(seed << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            (z >> 11) as f64 * 2.0_f64.powi(-53) - 0.5
        })
        .collect()
}

/// W and r of the target `index`, as in `reach-lp.py`.
fn labelled(index: usize) -> (DMatrix<f64>, DVector<f64>) {
    let (rows, columns) = (2 + index % 4, 2 + index / 4 % 7);
    let numbers = uniform(index as u64 + 1, rows * columns + columns + rows);
    let weight = DMatrix::from_column_slice(rows, columns, &numbers[..rows * columns]);
    let h = DVector::from_fn(columns, |i, _| {
        let h = 3.2 * numbers[rows * columns + i];
        match index % 3 {
            0 => h,
            1 => 0.5 + h / 2.0,
            _ => h + 0.8,
        }
    });
    let mut right = &weight * h;
    if index.is_multiple_of(5) {
        right += DVector::from_column_slice(&numbers[rows * columns + columns..]) * 0.1;
    }
    (weight, right)
}

fn unreachable(context: &Context) -> Result<Evidence, BoxError> {
    let labels = fs::read_to_string(context.data("nn-invert", "reach-lp.csv"))?;
    let (mut wrong, mut wrong_norm, mut proofs, mut cans, mut open) = (0, 0, 0, 0, 0);
    for (index, label) in labels.lines().enumerate() {
        let label: f64 = label.parse()?;
        let (weight, right) = labelled(index);
        let n = weight.ncols();
        let builder = Network::builder(n).dense_from(DMatrix::identity(n, n), vec![0.0; n]);
        let (builder, limit, low, high) = match index % 3 {
            0 => (builder.activation(Tanh), 1.0, -1.0, 1.0),
            1 => (builder.activation(Sigmoid), 1.0, 0.0, 1.0),
            _ => (builder.activation(Relu), 0.0, 0.0, f64::INFINITY),
        };
        let bias = vec![0.0; weight.nrows()];
        let network = builder.dense_from(weight.clone(), bias).build_given()?;
        // The programme's own tolerance is 1e-7.
        let out = label > limit + 1e-6;
        match reach(&network, &right)? {
            Reach::Unreachable(_) => {
                wrong += usize::from(!out);
                proofs += 1;
            }
            Reach::LayerCan { .. } => {
                wrong += usize::from(out);
                cans += 1;
            }
            _ => open += 1,
        }
        let shortest = PseudoInverse::new(&weight)?.solve(&right)?;
        let outside = shortest.iter().any(|&h| h < low || h > high)
            || (&weight * &shortest - &right).norm() > 1e-9;
        wrong_norm += usize::from(outside != out);
    }
    Ok(Evidence {
        measured: (wrong + open) as f64,
        limit: 0.0,
        reason: "1,000 targets, labelled by HiGHS through SciPy (data/reach-lp.py); a witness proves its case by \
                 two products, so none may be false",
        control: Control {
            what: "out of reach where the least-norm hidden vector leaves the range",
            measured: wrong_norm as f64,
        },
        plots: vec![],
        notes: vec![format!(
            "{proofs} targets of tanh, sigmoid and ReLU layers proved out of reach, values given for {cans}, \
             {open} left open."
        )],
    })
}

fn uniqueness(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut converged, mut proved, mut rough, mut false_proofs) = (0, 0, 0, 0);
    let (mut widest, mut nearest_other) = (0.0_f64, f64::INFINITY);
    for _ in 0..40 {
        let network = tanh_network(&[8, 8, 8], 1.0, &mut rng)?;
        let chain = Chain::of(&network)?;
        let x = normal_vector(8, &mut rng);
        let y = chain.value(&x)?;
        let mut loose = None;
        let seed = DVector::zeros(8);
        let found = search(&chain, &y, &seed, &SearchOptions::default(), |progress| {
            if progress.relative_residual < 1e-2 && loose.is_none() {
                loose = Some(progress.input.clone());
            }
            ControlFlow::Continue(())
        })?;
        if found.stop != SearchStop::Converged {
            continue;
        }
        converged += 1;
        let proof = unique(&network, &y, &found.input)?;
        if proof.is_proved() {
            proved += 1;
            widest = widest.max(proof.radius);
            nearest_other = nearest_other.min(proof.alone);
            // The input that made the target is a solution: either this one or outside.
            let off = (&found.input - &x).norm();
            false_proofs += usize::from(off > proof.radius && off < proof.alone);
        }
        let loose = loose.unwrap_or(found.input);
        rough += usize::from(unique(&network, &y, &loose)?.is_proved());
    }
    let missing = |proved: usize| 1.0 - proved as f64 / f64::from(converged);
    Ok(Evidence {
        measured: if false_proofs > 0 { f64::INFINITY } else { missing(proved) },
        limit: 0.1,
        reason: "the share of answers without a proof; a proof that the known input contradicts counts as \
                 infinite",
        control: Control {
            what: "answers taken as soon as the residual is below 1 %",
            measured: missing(rough),
        },
        plots: vec![],
        notes: vec![format!(
            "{proved} of {converged} answers of networks 8-8-8 proved: an exact solution within \
             {widest:.0e}, no other within {nearest_other:.0e} or more."
        )],
    })
}
