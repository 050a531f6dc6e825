//! What `nn-invert` claims of undoing layers that are not square, not dense, or at fault.

use linalg::{Csr, DMatrix, DVector, Lu, PseudoInverse};
use nn_core::{LeakyRelu, Tanh};
use nn_invert::{
    Chain, Error, Evidence, Fault, LayerwiseInverse, LayerwiseOptions, Map, Outside, Singular,
    saturation_digits,
};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::verify::check::{BoxError, Check, Context, Control, Evidence as Measured};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "nn-invert/widths",
        question: Some(11),
        claim: "every target that a network has is inverted to 1e-10, where widths do not rise and then fall",
        run: widths,
    },
    Check {
        id: "nn-invert/bias-first",
        question: Some(11),
        claim: "the bias comes off before the matrix is undone",
        run: bias_first,
    },
    Check {
        id: "nn-invert/error-predicted",
        question: Some(11),
        claim: "the error of the input is within 0.01 to 10 times the predicted one on 97 % of networks",
        run: error_predicted,
    },
    Check {
        id: "nn-invert/saturation",
        question: Some(11),
        claim: "the digits that a saturated tanh leaves of its z are known to a factor of 3",
        run: saturation,
    },
    Check {
        id: "nn-invert/fault-named",
        question: Some(11),
        claim: "the layer that keeps a target from being inverted is named",
        run: fault_named,
    },
    Check {
        id: "nn-invert/near-singular",
        question: Some(11),
        claim: "a layer that is singular to working precision is refused",
        run: near_singular,
    },
    Check {
        id: "nn-invert/clipped",
        question: Some(11),
        claim: "a target outside of the range is answered with its distance from it",
        run: clipped,
    },
    Check {
        id: "nn-invert/sparse",
        question: Some(11),
        claim: "three sparse layers of 100,000 units are inverted to a residual of 1e-8",
        run: sparse,
    },
    Check {
        id: "nn-invert/honest-failure",
        question: Some(11),
        claim: "an answer whose layers did not converge says so",
        run: honest_failure,
    },
];

/// Weight and bias of each layer.
type Layers = Vec<(DMatrix<f64>, Vec<f64>)>;

fn normal(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

fn layers(widths: &[usize], gain: f64, rng: &mut impl Rng) -> Layers {
    let layer = |pair: &[usize]| {
        let weight = normal(pair[1], pair[0], rng) * (gain / (pair[0] as f64).sqrt());
        (weight, (0..pair[1]).map(|_| rng.random_range(-0.2..0.2)).collect())
    };
    widths.windows(2).map(layer).collect()
}

/// The layers with tanh between them.
fn chain(layers: &Layers) -> nn_invert::Result<Chain<'_, f64>> {
    let mut chain = Chain::new(layers[0].0.ncols());
    for (k, (weight, bias)) in layers.iter().enumerate() {
        if k > 0 {
            chain = chain.activation(Tanh);
        }
        chain = chain.dense(weight.as_view(), bias)?;
    }
    Ok(chain)
}

fn column(n: usize, rng: &mut impl Rng) -> DVector<f64> {
    normal(n, 1, rng).column(0).into_owned()
}

fn share(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

fn widths(context: &Context) -> Result<Measured, BoxError> {
    const NETWORKS: usize = 25;
    let mut rng = context.rng();
    let (mut failed, mut naive, mut all) = (0, 0, 0);
    let mut worst = 0.0_f64;
    for widths in [&[10, 10, 10][..], &[10, 10, 30], &[30, 10, 10], &[10, 20, 30], &[30, 20, 10]] {
        for _ in 0..NETWORKS {
            let layers = layers(widths, 1.5, &mut rng);
            let chain = chain(&layers)?;
            let y = chain.value(&column(widths[0], &mut rng))?;
            let inverse = LayerwiseInverse::with_options(
                chain.clone(),
                LayerwiseOptions::default().evidence(Evidence::Estimate),
            )?;
            let relative = inverse.invert(&y).map_or(f64::INFINITY, |a| a.residual / y.norm());
            // What the residual may be where the last tanh is nearly saturated is beyond 1e-10 for
            // no choice of ours.
            failed += usize::from(!(relative <= 1e-10));
            worst = worst.max(relative);
            let x = by_pseudo_inverses(&layers, &y)?;
            naive += usize::from(!((chain.value(&x)? - &y).norm() <= 1e-10 * y.norm()));
            all += 1;
        }
    }
    Ok(Measured {
        measured: share(failed, all),
        limit: 0.0,
        reason: "a tall layer's z is in its range, and of a wide layer's many h one is chosen that the tanh \
                 before it can give: there is one, since the target has an input",
        control: Control {
            what: "pseudo-inverses one after the other, values beyond tanh's range clipped",
            measured: share(naive, all),
        },
        plots: vec![],
        notes: vec![format!(
            "{all} networks of five shapes; the largest relative residual is {worst:.0e}."
        )],
    })
}

/// W⁺·(z − b) at each layer, whatever tanh can give.
fn by_pseudo_inverses(layers: &Layers, y: &DVector<f64>) -> Result<DVector<f64>, BoxError> {
    let mut value = y.clone();
    for (k, (weight, bias)) in layers.iter().enumerate().rev() {
        let shifted = value - DVector::from_column_slice(bias);
        value = PseudoInverse::new(weight)?.solve(&shifted)?;
        if k > 0 {
            value.apply(|h| *h = h.clamp(-1.0 + 1e-6, 1.0 - 1e-6).atanh());
        }
    }
    Ok(value)
}

fn bias_first(context: &Context) -> Result<Measured, BoxError> {
    const N: usize = 16;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, f64::INFINITY);
    for _ in 0..10 {
        let layers = layers(&[N, N, N], 0.7, &mut rng);
        let mut chain = Chain::new(N);
        let leaky = LeakyRelu::new(0.2)?;
        for (weight, bias) in &layers {
            chain = chain.dense(weight.as_view(), bias)?.activation(leaky);
        }
        let x = column(N, &mut rng);
        let y = chain.value(&x)?;
        let answer =
            LayerwiseInverse::with_options(chain, LayerwiseOptions::default())?.invert(&y)?;
        measured = measured.max((&answer.input - &x).norm() / answer.error_bound);
        // "Multiply by the inverse of W, minus the bias."
        let mut wrong = y;
        for (weight, bias) in layers.iter().rev() {
            wrong.apply(|a| *a = if *a > 0.0 { *a } else { *a / 0.2 });
            wrong = Lu::new(weight.clone())?.solve(&wrong)? - DVector::from_column_slice(bias);
        }
        control = control.min((wrong - &x).norm() / answer.error_bound);
    }
    Ok(Measured {
        measured,
        limit: 1.0,
        reason: "error over its bound, which carries every rounding of both directions",
        control: Control { what: "W⁻¹·z − b, the order often given", measured: control },
        plots: vec![],
        notes: vec!["Of the control the least of ten networks.".into()],
    })
}

fn error_predicted(context: &Context) -> Result<Measured, BoxError> {
    const NETWORKS: usize = 1000;
    let mut rng = context.rng();
    let (mut outside, mut naive, mut inverted) = (0, 0, 0);
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    let mut violated = 0;
    for index in 0..NETWORKS {
        let depth = 1 + index % 5;
        let n = [8, 16, 32][index % 3];
        let layers = layers(&vec![n; depth + 1], 0.9, &mut rng);
        let chain = chain(&layers)?;
        let x = column(n, &mut rng);
        let y = chain.value(&x)?;
        // A target on the edge of a range is no case for a prediction: that it is refused is.
        let Ok(inverse) = LayerwiseInverse::with_options(chain, LayerwiseOptions::default()) else {
            continue;
        };
        let Ok(answer) = inverse.invert(&y) else { continue };
        inverted += 1;
        let error = (&answer.input - &x).norm();
        let ratio = error / answer.predicted_error;
        outside += usize::from(!(0.01..=10.0).contains(&ratio));
        (least, most) = (least.min(ratio), most.max(ratio));
        violated += usize::from(!(error <= answer.error_bound));
        naive += usize::from(!(0.01..=10.0).contains(&(error / answer.residual)));
    }
    Ok(Measured {
        measured: share(outside, inverted) + share(violated, inverted),
        limit: 0.03,
        reason: "roundings of eps with random signs carried back through the layers: their size is known to a \
                 factor of a few, their sum scatters as a random vector does; a violation of the bound counts \
                 too",
        control: Control {
            what: "the residual taken for the error",
            measured: share(naive, inverted),
        },
        plots: vec![],
        notes: vec![format!(
            "{inverted} of {NETWORKS} tanh networks of 1 to 5 layers of 8, 16 or 32; the ratio is between {least:.0e} \
             and {most:.1}; the bound is violated by {violated}."
        )],
    })
}

fn saturation(context: &Context) -> Result<Measured, BoxError> {
    const DRAWS: usize = 400;
    let mut rng = context.rng();
    let (mut worst, mut naive) = (1.0_f64, 1.0_f64);
    let factor = |ratio: f64| ratio.max(1.0 / ratio);
    for step in 2..=36 {
        let z = f64::from(step) / 2.0;
        let near: Vec<f64> = (0..DRAWS).map(|_| z + rng.random_range(-0.02..0.02)).collect();
        let chain = Chain::<f64>::new(DRAWS).activation(Tanh);
        let y = DVector::from_iterator(DRAWS, near.iter().map(|z| z.tanh()));
        let options = LayerwiseOptions::default().evidence(Evidence::Residual);
        let answer = LayerwiseInverse::with_options(chain, options)?.invert(&y)?;
        let pairs = answer.input.iter().zip(&near);
        let error = pairs.fold(0.0_f64, |most, (x, z)| most.max((x - z).abs()));
        let predicted = z * 10.0_f64.powf(-saturation_digits(&Tanh, z));
        worst = worst.max(factor(error / predicted));
        naive = naive.max(factor(error / (f64::EPSILON * z)));
    }
    Ok(Measured {
        measured: worst,
        limit: 3.0,
        reason: "(eps/2)·cosh² z is the largest error that rounding a = tanh z makes in z, where tanh and its \
                 inverse are right to half a unit; both are right to one or two",
        control: Control { what: "the slope left out: eps·|z|", measured: naive },
        plots: vec![],
        notes: vec![format!(
            "z from 1 to 18 in steps of 1/2, the largest error of {DRAWS} draws near each."
        )],
    })
}

fn fault_named(context: &Context) -> Result<Measured, BoxError> {
    const CASES: usize = 1000;
    const N: usize = 6;
    let mut rng = context.rng();
    let (mut missed, mut naive) = (0, 0);
    for index in 0..CASES {
        let at = rng.random_range(0..3);
        let (mut layers, x) = (layers(&[N, N, N, N], 0.8, &mut rng), column(N, &mut rng) * 0.5);
        // Orthogonal but for what is built in, so that nothing else is at fault.
        for (weight, _) in &mut layers {
            *weight = weight.clone().qr().q() * 0.8;
        }
        let lenient = LayerwiseOptions::default()
            .evidence(Evidence::Estimate)
            .singular(Singular::PseudoInverse)
            .outside(Outside::Clip { margin: 1e-3 });
        let (expected, y) = match index % 3 {
            // A unit of the tanh after layer `at` is beyond its range.
            0 => {
                let at = at.min(1);
                let mut h = vec![0.3; N];
                h[index % N] = 1.2 + rng.random_range(0.0..1.0);
                (2 * at + 1, from_hidden(&layers, at, DVector::from_vec(h)))
            }
            // A column of `at` is a combination of others.
            1 => {
                let weight = &mut layers[at].0;
                let twin = weight.column(1).into_owned();
                weight.set_column(0, &(twin * 0.5));
                (2 * at, chain(&layers)?.value(&x)?)
            }
            // A unit of the tanh after `at` is at |z| of 13 or more.
            _ => {
                let at = at.min(1);
                layers[at].1[index % N] = 13.0 + rng.random_range(0.0..2.0);
                (2 * at + 1, chain(&layers)?.value(&x)?)
            }
        };
        let inverse = LayerwiseInverse::with_options(chain(&layers)?, lenient)?;
        let named = inverse.invert(&y)?.fault;
        let right = match index % 3 {
            0 => matches!(named, Some(Fault::Clipped { layer, .. }) if layer == expected),
            1 => matches!(named, Some(Fault::RankDeficient { layer, .. }) if layer == expected),
            _ => matches!(named, Some(Fault::Saturated { layer, .. }) if layer == expected),
        };
        missed += usize::from(!right);
        // The layer with the worst condition, or the one after it.
        let reports = inverse.layers();
        let condition = |k: &usize| reports[*k].condition;
        let worst = (0..reports.len()).max_by(|a, b| condition(a).total_cmp(&condition(b)));
        let layer = worst.map_or(0, |k| reports[k].layer);
        naive += usize::from(layer != expected && layer + 1 != expected);
    }
    Ok(Measured {
        measured: share(missed, CASES),
        limit: 0.0,
        reason: "built cases with one fault each: a unit out of range, a dependent column, a unit at |z| ≥ 13; \
                 all else is orthogonal",
        control: Control {
            what: "the layer with the worst condition number, or the tanh after it",
            measured: share(naive, CASES),
        },
        plots: vec![],
        notes: vec![],
    })
}

/// The output for hidden values after the tanh that follows layer `at`.
fn from_hidden(layers: &Layers, at: usize, h: DVector<f64>) -> DVector<f64> {
    let mut value = h;
    for (k, (weight, bias)) in layers.iter().enumerate().skip(at + 1) {
        if k > at + 1 {
            value.apply(|z| *z = z.tanh());
        }
        value = weight * value + DVector::from_column_slice(bias);
    }
    value
}

fn near_singular(context: &Context) -> Result<Measured, BoxError> {
    const CASES: usize = 100;
    const N: usize = 12;
    let mut rng = context.rng();
    let (mut believed, mut naive, mut least) = (0, 0, f64::INFINITY);
    for _ in 0..CASES {
        // Two rows that differ by half a unit in the last place of their entries, or nothing.
        let mut weight = normal(N, N, &mut rng);
        let twin = weight.row(3).map(|w| w * (1.0 + 1e-17));
        weight.set_row(7, &(twin * 0.7 + weight.row(1) * 0.3));
        let x = column(N, &mut rng);
        let y = &weight * &x;
        let chain = Chain::new(N).dense(weight.as_view(), vec![0.0; N])?;
        match LayerwiseInverse::with_options(chain, LayerwiseOptions::default()) {
            Err(Error::Singular { layer: 0, .. }) => {}
            _ => believed += 1,
        }
        if let Some(found) = weight.lu().solve(&y) {
            let wrong = (&found - &x).norm() / x.norm();
            naive += usize::from(wrong > 1e-3);
            least = least.min(wrong);
        }
    }
    Ok(Measured {
        measured: share(believed, CASES),
        limit: 0.0,
        reason: "rounding leaves a pivot of about eps where there should be none, and the condition exceeds 1/eps",
        control: Control {
            what: "elimination that believes its pivots",
            measured: share(naive, CASES),
        },
        plots: vec![],
        notes: vec![],
    })
}

fn clipped(context: &Context) -> Result<Measured, BoxError> {
    const N: usize = 8;
    const MARGIN: f64 = 1e-6;
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    for _ in 0..50 {
        let y: DVector<f64> = DVector::from_fn(N, |_, _| rng.random_range(-2.0..2.0));
        let beyond = y.iter().fold(0.0_f64, |most, y| most.max(y.abs() - (1.0 - MARGIN)));
        if beyond <= MARGIN {
            continue;
        }
        let chain = Chain::<f64>::new(N).activation(Tanh);
        let options = LayerwiseOptions::default().outside(Outside::Clip { margin: MARGIN });
        let answer = LayerwiseInverse::with_options(chain, options)?.invert(&y)?;
        let reported = match answer.fault {
            Some(Fault::Clipped { distance, .. }) => distance,
            _ => 0.0,
        };
        measured = measured.max((reported - beyond).abs());
        // The residual, of which the clipped target is f's exact value, says nothing.
        let taken = y.map(|y| y.clamp(-1.0 + MARGIN, 1.0 - MARGIN));
        let inside = (answer.input.map(f64::tanh) - taken).amax();
        control = control.max((inside - beyond).abs());
    }
    Ok(Measured {
        measured,
        limit: 4.0 * f64::EPSILON,
        reason: "a difference of numbers below 2, rounded",
        control: Control {
            what: "atanh of the clipped target taken as exact: a residual of 0",
            measured: control,
        },
        plots: vec![],
        notes: vec![],
    })
}

/// 2·I plus ten random entries a row, of spectral radius about `radius`.
fn sparse_matrix(n: usize, radius: f64, rng: &mut impl Rng) -> Result<Csr<f64>, BoxError> {
    let mut triplets: Vec<_> = (0..n).map(|i| (i, i, 2.0)).collect();
    for i in 0..n {
        for _ in 0..10 {
            let value: f64 = rng.sample(StandardNormal);
            triplets.push((i, rng.random_range(0..n), value * radius / 10.0_f64.sqrt()));
        }
    }
    Ok(Csr::from_triplets(n, n, &triplets)?)
}

fn sparse(context: &Context) -> Result<Measured, BoxError> {
    const N: usize = 100_000;
    let mut rng = context.rng();
    let weights: Vec<Csr<f64>> =
        (0..3).map(|_| sparse_matrix(N, 1.0, &mut rng)).collect::<Result<_, _>>()?;
    let leaky = LeakyRelu::new(0.1)?;
    let mut chain = Chain::new(N);
    for (k, weight) in weights.iter().enumerate() {
        chain = chain.operator(weight, vec![0.1; N])?;
        chain = if k == 0 { chain.activation(leaky) } else { chain.activation(Tanh) };
    }
    // Small enough that the last tanh keeps its digits.
    let x = DVector::from_fn(N, |_, _| rng.random_range(-0.05..0.05));
    let y = chain.value(&x)?;
    let options = LayerwiseOptions::default().evidence(Evidence::Residual);
    let answer = LayerwiseInverse::with_options(chain.clone(), options)?.invert(&y)?;

    let mut transposed = y.clone();
    for (k, weight) in weights.iter().enumerate().rev() {
        transposed.apply(|a| {
            *a = match k {
                0 if *a <= 0.0 => *a * 10.0,
                0 => *a,
                _ => a.clamp(-1.0 + 1e-12, 1.0 - 1e-12).atanh(),
            };
        });
        transposed.add_scalar_mut(-0.1);
        let mut before = vec![0.0; N];
        linalg::LinearOperator::apply_adjoint(weight, transposed.as_slice(), &mut before)?;
        transposed = DVector::from_vec(before);
    }
    let control = (chain.value(&transposed)? - &y).norm() / y.norm();
    Ok(Measured {
        measured: answer.residual / y.norm(),
        limit: 1e-8,
        reason: "each layer is solved to 1e-10 of its right-hand side, and the layers after magnify that by \
                 their slopes and norms, 3 each",
        control: Control { what: "each layer undone by its transpose", measured: control },
        plots: vec![],
        notes: vec![format!(
            "{} iterations; the error is {:.0e} of the input.",
            answer.iterations,
            (&answer.input - &x).norm() / x.norm()
        )],
    })
}

fn honest_failure(context: &Context) -> Result<Measured, BoxError> {
    const N: usize = 2000;
    const CASES: usize = 6;
    let mut rng = context.rng();
    let (mut silent, mut naive) = (0, 0);
    let mut reached = vec![];
    for case in 0..CASES {
        // The spectrum is a disc around 2 of this radius: from 2 on it holds 0.
        let weight = sparse_matrix(N, 1.0 + 0.4 * case as f64, &mut rng)?;
        let chain = Chain::new(N).operator(&weight, vec![0.1; N])?;
        let y = chain.value(&column(N, &mut rng))?;
        let options = LayerwiseOptions::default().evidence(Evidence::Residual).iterations(300);
        let answer = LayerwiseInverse::with_options(chain, options)?.invert(&y)?;
        let relative = answer.residual / y.norm();
        reached.push(format!("{relative:.0e}"));
        let wrong = !(relative <= 1e-9);
        silent += usize::from(wrong && !matches!(answer.fault, Some(Fault::NotConverged { .. })));
        naive += usize::from(wrong);
    }
    Ok(Measured {
        measured: share(silent, CASES),
        limit: 0.0,
        reason: "every residual is computed afresh, and one that is too large is named",
        control: Control {
            what: "whatever the iteration ends with taken for the answer",
            measured: share(naive, CASES),
        },
        plots: vec![],
        notes: vec![format!(
            "Discs of radius 1, 1.4, … 3 around 2, 300 iterations; relative residuals {}.",
            reached.join(", ")
        )],
    })
}
