//! What `nn-invert` claims of all inputs with one output.

use std::ops::ControlFlow;

use linalg::{DVector, PseudoInverse};
use nn_core::Network;
use nn_invert::{Chain, Map, Preimages, SearchOptions, SearchStop, search};

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
