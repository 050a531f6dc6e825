//! What `nn-invert` claims of all inputs with one output.

use std::ops::ControlFlow;

use linalg::{Csr, DVector, PseudoInverse};
use nn_core::{Network, Tanh};
use nn_invert::{Chain, Map, Preimages, SearchOptions, SearchStop, search};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::nn_invert_search::{normal, normal_vector, tanh_network};
use crate::verify::check::{BoxError, Check, Context, Control, Evidence};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
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
        id: "nn-invert/large-preimages",
        question: Some(11),
        claim: "among 100,000 inputs the set of those with one output is walked, and its nearest to a seed found",
        run: large_preimages,
    },
];

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
            let direction = set.tangent(&normal_vector(12, &mut rng))?;
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
        let found =
            search(&chain, &y, &seed, &SearchOptions::default(), |_| ControlFlow::Continue(()))?;
        if found.stop != SearchStop::Converged {
            continue;
        }
        let set = Preimages::new(&chain, &y, &found.input)?;
        let nearest = set.nearest(&seed)?;
        measured = measured.max(nearest.optimality);
        steps = steps.max(nearest.iterations);
        // The same measurement of the search's own answer.
        let away = set.member() - &seed;
        control = control.min(set.tangent(&away)?.norm() / away.norm());
        ratios.push(found.seed_distance / nearest.distance);

        // One linear layer: the search is the projection itself.
        let weight = normal(10, 30, &mut rng);
        let layer = Network::builder(30).dense_from(weight.clone(), vec![0.0; 10]).build_given()?;
        let options = SearchOptions::default().tolerance(1e-14);
        let projected = search(&layer, &y, &seed, &options, |_| ControlFlow::Continue(()))?;
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

/// W = (I 0) plus a few random entries a row of the size `spread`/√6 in all: wide, and regular in its rows.
fn wide(
    rows: usize,
    columns: usize,
    spread: f64,
    rng: &mut impl Rng,
) -> Result<Csr<f64>, BoxError> {
    let mut triplets: Vec<_> = (0..rows).map(|i| (i, i, 1.0)).collect();
    for row in 0..rows {
        for _ in 0..6 {
            let value: f64 = rng.sample(StandardNormal);
            triplets.push((row, rng.random_range(0..columns), value * spread / 6.0_f64.sqrt()));
        }
    }
    Ok(Csr::from_triplets(rows, columns, &triplets)?)
}

fn large_preimages(context: &Context) -> Result<Evidence, BoxError> {
    const WIDTHS: [usize; 3] = [100_000, 60_000, 30_000];
    let mut rng = context.rng();
    let first = wide(WIDTHS[1], WIDTHS[0], 0.4, &mut rng)?;
    let second = wide(WIDTHS[2], WIDTHS[1], 0.4, &mut rng)?;
    let chain = Chain::new(WIDTHS[0])
        .operator(&first, vec![0.1; WIDTHS[1]])?
        .activation(Tanh)
        .operator(&second, vec![0.0; WIDTHS[2]])?;
    let x = normal_vector(WIDTHS[0], &mut rng) * 0.5;
    let seed = normal_vector(WIDTHS[0], &mut rng) * 0.5;
    let y = chain.value(&x)?;

    let found = Preimages::new(&chain, &y, &x)?;
    let walked = found.walk(&seed, 10.0)?;
    let nearest = found.nearest(&seed)?;
    let off = |x: &DVector<f64>| Ok::<_, BoxError>((chain.value(x)? - &y).norm() / y.norm());
    let residual = off(&walked.input)?.max(off(&nearest.input)?);
    // The same measurement of where the linearized answer ends: one projection, and back.
    let away = &x - &seed;
    let straight = &x - found.tangent(&away)?;
    let there = Preimages::new(&chain, &y, &straight)?;
    let away = there.member() - &seed;
    let control = off(there.member())?.max(there.tangent(&away)?.norm() / away.norm());
    Ok(Evidence {
        measured: residual.max(nearest.optimality),
        limit: 1e-8,
        reason: "the larger of the relative residual and of the sine of the angle between x − seed and the \
                 range of Jᵀ: the square root of rounding, below which the distance cannot tell",
        control: Control {
            what: "the seed projected on the null space of one Jacobian, and brought back",
            measured: control,
        },
        plots: vec![],
        notes: vec![
            format!(
                "100,000 inputs, 60,000 sparse tanh units, 30,000 outputs: {} ways to move; a basis of them \
                 would take {:.0} GB.",
                found.dimension(),
                8e-9 * WIDTHS[0] as f64 * found.dimension() as f64
            ),
            format!(
                "A walk of {:.1} and {} steps to the input nearest to a seed, at {:.1} instead of {:.1}; the \
                 residual is {residual:.0e}, the optimality {:.0e}.",
                walked.moved,
                nearest.iterations,
                nearest.distance,
                (&x - &seed).norm(),
                nearest.optimality
            ),
        ],
    })
}
