//! What `nn-invert` claims of all inputs with one output.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, PseudoInverse, bounded_least_squares};
use nn_core::{LeakyRelu, Network, Relu};
use nn_invert::{
    Chain, Error, Linearization, Map, NearestStop, Preimages, SearchOptions, SearchStop, search,
};
use rand::Rng;

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
        id: "nn-invert/nearest-on-edges",
        question: Some(11),
        claim: "through ReLUs too, from the input nearest to the seed no way along the set leads nearer",
        run: nearest_on_edges,
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

/// W₂·f(W₁·x + b₁) + b₂ with f of slope `alpha` below 0 and 1 above.
struct Rectified {
    w1: DMatrix<f64>,
    b1: DVector<f64>,
    w2: DMatrix<f64>,
    b2: DVector<f64>,
    alpha: f64,
}

impl Rectified {
    fn new(widths: [usize; 3], alpha: f64, rng: &mut impl Rng) -> Self {
        let mut weight = |rows, columns| normal(rows, columns, rng) / (columns as f64).sqrt();
        let (w1, w2) = (weight(widths[1], widths[0]), weight(widths[2], widths[1]));
        let (b1, b2) = (normal_vector(widths[1], rng) * 0.3, normal_vector(widths[2], rng) * 0.3);
        Self { w1, b1, w2, b2, alpha }
    }

    fn network(&self) -> nn_core::Result<Network<f64>> {
        let first = Network::builder(self.w1.ncols())
            .dense_from(self.w1.clone(), self.b1.as_slice().to_vec());
        let second = if self.alpha > 0.0 {
            first.activation(LeakyRelu::new(self.alpha)?)
        } else {
            first.activation(Relu)
        };
        second.dense_from(self.w2.clone(), self.b2.as_slice().to_vec()).build_given()
    }

    /// The most that the distance falls for each unit of a way along the set from x. Units within 1e-9 of their
    /// kinks may go to either side: for each choice the ways are a cone, {d : J·d = 0, ±∇zₖ·d ≥ 0}, and what the
    /// nearest combination of its normals leaves of x − seed is the fall.
    fn fall(&self, x: &DVector<f64>, seed: &DVector<f64>) -> Result<f64, BoxError> {
        let z = &self.w1 * x + &self.b1;
        let kinks: Vec<usize> = (0..z.len()).filter(|&k| z[k].abs() <= 1e-9).collect();
        let (away, outputs) = (x - seed, self.w2.nrows());
        let mut most = 0.0_f64;
        for sides in 0..1_usize << kinks.len() {
            let mut above: Vec<bool> = z.iter().map(|&z| z > 0.0).collect();
            let mut normals = DMatrix::zeros(x.len(), outputs + kinks.len());
            for (i, &k) in kinks.iter().enumerate() {
                above[k] = sides >> i & 1 == 1;
                let sign = if above[k] { 1.0 } else { -1.0 };
                normals.set_column(outputs + i, &(self.w1.row(k).transpose() * sign));
            }
            let slope = |k: usize, _| if above[k] { 1.0 } else { self.alpha };
            let slopes = DMatrix::from_diagonal(&DVector::from_fn(z.len(), slope));
            let jacobian = &self.w2 * slopes * &self.w1;
            normals.columns_mut(0, outputs).copy_from(&jacobian.transpose());
            let least = |j, _| if j < outputs { f64::NEG_INFINITY } else { 0.0 };
            let lower = DVector::from_fn(normals.ncols(), least);
            let upper = DVector::from_element(normals.ncols(), f64::INFINITY);
            let left = bounded_least_squares(&normals, &away, &lower, &upper)?.residual;
            most = most.max(left.norm() / away.norm());
        }
        Ok(most)
    }
}

/// A network that does not show where it has kinks.
struct Blind<'a>(&'a Network<f64>);

impl Map<f64> for Blind<'_> {
    fn inputs(&self) -> usize {
        self.0.inputs()
    }

    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn value(&self, x: &DVector<f64>) -> nn_invert::Result<DVector<f64>> {
        self.0.value(x)
    }

    fn linearize<'a>(&'a self, x: &DVector<f64>) -> nn_invert::Result<Linearization<'a, f64>> {
        self.0.linearize(x)
    }
}

fn nearest_on_edges(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let (mut measured, mut control) = (0.0_f64, 0.0_f64);
    let (mut cases, mut edges, mut met, mut refused) = (0, 0, 0, 0);
    for alpha in [0.0, 0.1] {
        for _ in 0..30 {
            let map = Rectified::new([10, 12, 3], alpha, &mut rng);
            let network = map.network()?;
            let y = network.value(&normal_vector(10, &mut rng))?;
            let seed = normal_vector(10, &mut rng);
            let options = SearchOptions::default();
            let found = search(&network, &y, &seed, &options, |_| ControlFlow::Continue(()))?;
            if found.stop != SearchStop::Converged {
                continue;
            }
            let nearest = match Preimages::new(&network, &y, &found.input) {
                Ok(set) => set.nearest(&seed)?,
                // The search has crept up to an edge beyond which alone the set lies.
                Err(Error::NotAMember { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if nearest.stop != NearestStop::Stationary {
                return Err(format!("{:?} at {:e}", nearest.stop, nearest.optimality).into());
            }
            measured = measured.max(map.fall(&nearest.input, &seed)?);
            cases += 1;
            edges += usize::from(!nearest.kinks.is_empty());
            met = met.max(nearest.kinks.len());
            let blind = Blind(&network);
            let nearest = Preimages::new(&blind, &y, &found.input)?.nearest(&seed)?;
            control = control.max(map.fall(&nearest.input, &seed)?);
        }
    }
    Ok(Evidence {
        measured,
        limit: 1e-8,
        reason: "the cosine of the angle between seed − x and the way along the set that falls most, over all \
                 linear pieces that meet in x: as for the smooth set, the square root of rounding",
        control: Control {
            what: "where the same steps end that do not know of the kinks",
            measured: control,
        },
        plots: vec![],
        notes: vec![format!(
            "ReLU and leaky ReLU networks 10-12-3: of {cases} nearest inputs {edges} lie on an edge of the set, \
             where up to {met} units are at their kinks. {refused} ends of searches were no members of the set."
        )],
    })
}
