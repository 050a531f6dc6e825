//! What `nn-invert` claims of searches, of all inputs with one output, and of its proofs.

use std::fs;
use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, PseudoInverse};
use nn_core::{Header, LabelledImages, Network, Relu, Shape, Sigmoid, SoftmaxCrossEntropy, Tanh};
use nn_invert::{
    Chain, Map, MultiStart, Preimages, Reach, SearchOptions, SearchStop, reach, search, unique,
};
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
        id: "nn-invert/preimages",
        question: Some(11),
        claim: "a walk along the set of all inputs of one output does not change the output",
        run: preimages,
    },
    Check {
        id: "nn-invert/nearest-to-seed",
        question: Some(11),
        claim: "the input nearest to the seed satisfies the conditions for being it",
        run: nearest_to_seed,
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
    Check {
        id: "nn-invert/believed-digit",
        question: Some(11),
        claim: "the image that a classifier believes in is as smooth as a digit once it is asked to be",
        run: believed_digit,
    },
];

fn normal(rows: usize, columns: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
}

fn normal_vector(n: usize, rng: &mut impl Rng) -> DVector<f64> {
    DVector::from_fn(n, |_, _| rng.sample(StandardNormal))
}

/// A network of `widths` with tanh between its layers, weights N(0, gain²/inputs).
fn tanh_network(widths: &[usize], gain: f64, rng: &mut impl Rng) -> nn_core::Result<Network<f64>> {
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

fn go_on<S>(_: S) -> ControlFlow<()> {
    ControlFlow::Continue(())
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

fn preimages(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut measured, mut control, mut complete, mut total) = (0.0_f64, f64::INFINITY, 0, 0);
    let mut apart = 0.0_f64;
    for _ in 0..8 {
        let network = tanh_network(&[12, 10, 4], 1.0, &mut rng)?;
        let chain = Chain::of(&network)?;
        let x = normal_vector(12, &mut rng);
        let y = chain.value(&x)?;
        let set = Preimages::new(&chain, &y, &x)?;
        if set.dimension() != 8 {
            return Err(format!("dimension {}, expected 12 − 4", set.dimension()).into());
        }
        for _ in 0..4 {
            let direction = set.basis() * normal_vector(8, &mut rng);
            let member = set.walk(&direction, 1.0)?;
            let off =
                |x: &DVector<f64>| Ok::<_, BoxError>((chain.value(x)? - &y).norm() / y.norm());
            measured = measured.max(off(&member.input)?);
            complete += usize::from(member.complete);
            total += 1;
            apart = apart.max((&member.input - &x).norm());
            // The same way straight on along the null space of the Jacobian.
            control = control.min(off(&(&x + direction.normalize() * member.moved))?);
        }
    }
    Ok(Evidence {
        measured,
        limit: 65.0 * 12.0 * f64::EPSILON,
        reason: "the corrections end at 64·n·eps of the target; one more for evaluating it here",
        control: Control {
            what: "a straight step of the same length in the null space of J",
            measured: control,
        },
        plots: vec![],
        notes: vec![format!(
            "12 inputs, 4 outputs: sets of dimension 8; {complete} of {total} walks of length 1 went the \
             whole way, the farthest to a point {apart:.2} away."
        )],
    })
}

fn nearest_to_seed(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut measured, mut control, mut ratios) = (0.0_f64, f64::INFINITY, Vec::new());
    let (mut steps, mut linear) = (0, 0.0_f64);
    for _ in 0..20 {
        let network = tanh_network(&[30, 20, 10], 1.0, &mut rng)?;
        let chain = Chain::of(&network)?;
        let y = chain.value(&normal_vector(30, &mut rng))?;
        let seed = normal_vector(30, &mut rng);
        let found = search(&chain, &y, &seed, &SearchOptions::default(), |_| go_on(()))?;
        if found.stop != SearchStop::Converged {
            continue;
        }
        let set = Preimages::new(&chain, &y, &found.input)?;
        let nearest = set.nearest(&seed)?;
        measured = measured.max(nearest.optimality);
        steps = steps.max(nearest.iterations);
        // The same measurement of the search's own answer.
        let away = set.member() - &seed;
        control = control.min(set.basis().tr_mul(&away).norm() / away.norm());
        ratios.push(found.seed_distance / nearest.distance);

        // One linear layer: the search is the projection itself.
        let weight = normal(10, 30, &mut rng);
        let layer = Network::builder(30).dense_from(weight.clone(), vec![0.0; 10]).build_given()?;
        let options = SearchOptions::default().tolerance(1e-14);
        let projected = search(&layer, &y, &seed, &options, |_| go_on(()))?;
        let exact = &seed + PseudoInverse::new(&weight)?.solve(&(&y - &weight * &seed))?;
        linear = linear.max((projected.input - exact).norm());
    }
    ratios.sort_by(f64::total_cmp);
    let at = |part: usize| ratios.get(part * (ratios.len() - 1) / 2).copied().unwrap_or(f64::NAN);
    Ok(Evidence {
        measured,
        limit: 1e-8,
        reason: "the sine of the angle between x − seed and the range of Jᵀ, in which it has to lie: the \
                 square root of rounding, below which the distance cannot tell",
        control: Control { what: "where Gauss-Newton steps from the seed end", measured: control },
        plots: vec![],
        notes: vec![
            format!(
                "The search's answer is {:.3} times as far from the seed as the nearest one in the median, \
                 {:.2} times at most; {steps} steps were needed at most.",
                at(1),
                at(2)
            ),
            format!(
                "Through one linear layer the search ends at seed + W⁺(y − W·seed) itself, to {linear:.0e}."
            ),
        ],
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

/// ∑(xᵢ − xⱼ)² over neighbors of an 8 x 8 image, over ∑(xᵢ − mean)².
fn roughness(image: &DVector<f64>) -> f64 {
    let at = |x: usize, y: usize| image[y * 8 + x];
    let mut sum = 0.0;
    for y in 0..8 {
        for x in 0..7 {
            sum += (at(x + 1, y) - at(x, y)).powi(2) + (at(y, x + 1) - at(y, x)).powi(2);
        }
    }
    let mean = image.mean();
    sum / image.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
}

fn believed_digit(context: &Context) -> Result<Evidence, BoxError> {
    const SURE: f64 = 8.0;
    let data = LabelledImages::<f64>::from_csv_file(
        context.data("nn-core", "digits.csv"),
        Header::Present,
        10,
    )?
    .scaled(1.0 / 16.0)?;
    let loss = SoftmaxCrossEntropy::new(data.labels(), 10)?;
    let mut network = Network::builder(64).dense(10).build(&mut context.rng())?;
    let _ = nn_core::Lbfgs::new().train(&mut network, data.images(), &loss, 40, |_| go_on(()))?;

    let (mut measured, mut control, mut least) = (0.0, 0.0, 1.0_f64);
    let gray = DVector::from_element(64, data.images().mean());
    for digit in 0..10 {
        let mut of_digit = Vec::new();
        for (column, &label) in data.images().column_iter().zip(data.labels()) {
            if label == digit {
                of_digit.push(roughness(&column.into_owned()));
            }
        }
        let typical = of_digit.iter().sum::<f64>() / of_digit.len() as f64;
        // Scores that leave the others e⁻⁸ of the belief each.
        let target = DVector::from_fn(10, |i, _| if i == digit { SURE } else { 0.0 });
        let belief = |x: &DVector<f64>| {
            let scores = network.value(x).map_err(BoxError::from)?;
            let top = scores.max();
            Ok::<_, BoxError>((scores[digit] - top).exp() / scores.map(|s| (s - top).exp()).sum())
        };
        let naive = search(&network, &target, &gray, &SearchOptions::default(), |_| go_on(()))?;
        let options = SearchOptions::default()
            .bounds(DVector::zeros(64), DVector::from_element(64, 1.0))
            .smooth(Shape::image(1, 8, 8), 32.0);
        let asked = search(&network, &target, &gray, &options, |_| go_on(()))?;
        measured += roughness(&asked.input) / typical / 10.0;
        control += roughness(&naive.input) / typical / 10.0;
        least = least.min(belief(&asked.input)?);
    }
    if least < 0.9 {
        return Err(
            format!("the classifier believes in a smooth image with {least:.3} only").into()
        );
    }
    Ok(Evidence {
        measured,
        limit: 1.0,
        reason: "differences of neighbors over the variance, as a multiple of those of real images of the \
                 digit, in the mean over the ten digits",
        control: Control { what: "the answer without a prior", measured: control },
        plots: vec![],
        notes: vec![
            format!("The classifier believes in each smooth image with {least:.3} at least."),
            "Ten scores leave a null space of dimension 54 in 64 pixels; without a prior the answer is the \
             seed plus what weights are made of, which is noise to the eye."
                .to_owned(),
        ],
    })
}
