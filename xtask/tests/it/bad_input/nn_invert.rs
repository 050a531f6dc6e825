//! Rows of `nn-invert`.

use std::ops::ControlFlow;

use linalg::operator::Diagonal;
use linalg::{DMatrix, DVector, LinearOperator};
use nn_core::Shape;
use nn_core::{Layer, Network, Relu, Sin, Steps, Tanh, View};
use nn_invert::{
    BeliefNetwork, Boxed, Chain, Circulant, Coupling, Divergence, Equilibrium, Flow, Half,
    LayerwiseInverse, LayerwiseOptions, LearnedInverse, Lesson, Mixing, MultiStart, Outside,
    Preimages, Residual, RestrictedBoltzmann, SearchOptions, SequenceInverse, TiedAutoencoder,
    local, nearest_in_box, reach, recover_states, saturation_digits, search, smoothness, unique,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::{holds, row, shown};
use crate::bad_input::draw::Input;

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

fn weight() -> DMatrix<f64> {
    DMatrix::from_row_slice(2, 2, &[1.0, 0.3, -0.2, 0.8])
}

/// Two inputs, two outputs, invertible.
fn network() -> nn_core::Result<Network<f64>> {
    Network::builder(2)
        .dense_from(weight(), vec![0.1; 2])
        .activation(Tanh)
        .dense_from(weight(), vec![0.0; 2])
        .build_given()
}

/// Three inputs, one output.
fn narrow() -> nn_core::Result<Network<f64>> {
    let (first, last) = (
        DMatrix::from_fn(3, 3, |i, j| if i == j { 1.0 } else { 0.2 }),
        DMatrix::from_element(1, 3, 0.5),
    );
    Network::builder(3)
        .dense_from(first, vec![0.0; 3])
        .activation(Tanh)
        .dense_from(last, vec![0.0])
        .build_given()
}

const REACHED: [f64; 2] = [0.3, 0.2];

fn data() -> DMatrix<f64> {
    DMatrix::from_fn(4, 4, |unit, pattern| f64::from(u8::from(unit == pattern)))
}

const FIGURES: &str = "a condition, a bound or a residual that is infinite says that there is none";

#[test]
fn layer_by_layer() {
    holds(&[
        row("LayerwiseInverse", |x| {
            let network = network()?;
            let options = LayerwiseOptions::default()
                .outside(Outside::Clip { margin: x.number(1e-6) })
                .tolerance(x.number(1e-10))
                .iterations(x.count(100))
                .memory(x.number(1e9));
            let inverse = LayerwiseInverse::with_options(Chain::of(&network)?, options)?;
            let targets = DMatrix::from_fn(2, 3, |i, j| 0.1 * (i + j) as f64);
            shown((
                LayerwiseInverse::invert(&inverse, &x.vector(&REACHED))?,
                LayerwiseInverse::invert_many(&inverse, &x.matrix(&targets))?,
                inverse.observed_amplification(&x.vector(&REACHED))?,
            ))
        })
        .passes(FIGURES),
        row("LayerwiseInverse::polish", |x| {
            let network = network()?;
            let starts = MultiStart::new(x.pick(2, vec![0, 1]), x.whole(1));
            let options = SearchOptions::default().iterations(x.pick(50, vec![0, 1]));
            shown(LayerwiseInverse::new(&network)?.polish(
                &x.vector(&REACHED),
                &options,
                &starts,
            )?)
        })
        .passes(FIGURES),
        row("Chain", |x| {
            let weight = x.matrix(&weight());
            let chain = Chain::<f64>::new(x.pick(2, vec![0, 1, 1000]))
                .dense(weight.as_view(), x.slice(&[0.1, 0.2]))?
                .activation(Sin)
                .operator(Diagonal::new(x.vector(&[1.0, 2.0])), x.slice(&[0.1, 0.2]))?
                .preconditioned(
                    Diagonal::new(x.vector(&[1.0, 2.0])),
                    Diagonal::new(x.vector(&[1.0, 0.5])),
                    x.slice(&[0.1, 0.2]),
                )?;
            shown(Chain::values(&chain, &x.matrix(&self::weight()))?)
        })
        .passes("a chain is a function"),
        row("nearest_in_box", |x| {
            let a = DMatrix::from_row_slice(1, 2, &[1.0, 1.0]);
            let (a, b) = (x.matrix(&a), x.vector(&[1.0]));
            let (lower, upper) = (x.vector(&[0.0, 0.0]), x.vector(&[1.0, 1.0]));
            let found = nearest_in_box(&a, &b, &lower, &upper, &x.vector(&[0.2, 0.3]))?;
            shown((Boxed::excludes(&found, &a, &b, &lower, &upper)?, found))
        })
        .passes(FIGURES),
        row("saturation_digits", |x| shown(saturation_digits(&Tanh, x.number(3.0))))
            .passes("a logarithm of a slope"),
        row("SequenceInverse", |x| {
            let network = Network::<f64>::builder(Shape::sequence(1, 2))
                .elman(1, Steps::All)
                .build(&mut rng())?;
            let inverse = SequenceInverse::new(&network)?;
            shown((
                SequenceInverse::invert(&inverse, &x.vector(&REACHED))?,
                SequenceInverse::invert_many(
                    &inverse,
                    &x.matrix(&DMatrix::from_element(2, 2, 0.2)),
                )?,
            ))
        })
        .passes(FIGURES),
        row("recover_states", |x| {
            let network = Network::<f64>::builder(Shape::sequence(1, 2))
                .elman(1, Steps::Last)
                .build(&mut rng())?;
            let Some(View::Recurrent(cell)) = network.views().next() else {
                return Err("no recurrence".into());
            };
            shown(recover_states(
                &cell,
                &x.matrix(&DMatrix::from_element(1, 2, 0.1)),
                &x.vector(&[0.1]),
                x.number(1e-6),
            )?)
        })
        .passes(FIGURES),
        row("Equilibrium", |x| {
            let half = DMatrix::from_row_slice(2, 2, &[0.3, 0.1, 0.0, 0.2]);
            let rests = Equilibrium::new(
                x.matrix(&half),
                x.matrix(&weight()),
                x.vector(&[0.0, 0.1]),
                Tanh,
            )?;
            let rest = Equilibrium::rest(&rests, &x.vector(&[0.1, 0.2]), x.number(1e-12))?;
            shown((Equilibrium::invert(&rests, &x.vector(rest.value.as_slice()))?, rest))
        })
        .passes(FIGURES),
    ]);
}

#[test]
fn searches() {
    holds(&[
        row("search", |x| {
            let options = SearchOptions::default()
                .tolerance(x.number(1e-10))
                .stationarity(x.number(1e-12))
                .iterations(x.pick(50, vec![0, 1]))
                .bounds(x.vector(&[-9.0, -9.0]), x.vector(&[9.0, 9.0]))
                .fixed(x.pick(vec![], vec![vec![0], vec![0, 1], vec![usize::MAX]]))
                .weights(x.vector(&[1.0, 1.0]))
                .stay_near(x.number(0.0));
            let (target, seed) = (x.vector(&REACHED), x.vector(&[0.1, 0.1]));
            shown(search(&network()?, &target, &seed, &options, |_| ControlFlow::Continue(()))?)
        })
        .passes(FIGURES),
        row("SearchOptions::smooth", |x| {
            let shape = Shape::sequence(1, x.count(2));
            let options = SearchOptions::default().smooth(shape, x.number(1e-3)).iterations(50);
            shown(search(
                &network()?,
                &DVector::from_element(2, 0.1),
                &DVector::zeros(2),
                &options,
                |_| ControlFlow::Continue(()),
            )?)
        })
        .passes(FIGURES),
        row("MultiStart", |x| {
            let starts = MultiStart::new(x.pick(3, vec![0, 1]), x.whole(1))
                .spread(x.number(1.0))
                .wanted(x.count(1))
                .apart(x.number(1e-3));
            let options = SearchOptions::default().iterations(50);
            let (target, seed) = (x.vector(&REACHED), x.vector(&[0.1, 0.1]));
            shown(MultiStart::search(&starts, &network()?, &target, &seed, &options, |_| {
                ControlFlow::Continue(())
            })?)
        })
        .passes(FIGURES),
        row("Preimages", |x| {
            let (network, at) = (narrow()?, [0.1, 0.2, 0.3]);
            let y = network.predict(&DMatrix::from_column_slice(3, 1, &at))?;
            let target = x.vector(y.as_slice());
            let set = Preimages::new(&network, &target, &x.vector(&at))?;
            shown((
                set.walk(&x.vector(&[0.0, 1.0, 0.0]), x.number(0.1))?,
                set.tangent(&x.vector(&[0.0, 0.1, 0.2]))?,
                Preimages::sample(&set, x.pick(2, vec![0, 1]), x.number(0.1), &mut rng())?,
                set.nearest(&x.vector(&[0.0, 0.1, 0.2]))?,
            ))
        })
        .passes(FIGURES),
        row("Preimages::nearest", |x| {
            let network = Network::builder(3)
                .dense_from(DMatrix::from_fn(4, 3, |i, j| (i + 2 * j) as f64 - 2.5), vec![0.0; 4])
                .activation(Relu)
                .dense_from(DMatrix::from_element(1, 4, 0.5), vec![0.0])
                .build_given()?;
            let at = [0.1, 0.2, 0.3];
            let y = network.predict(&DMatrix::from_column_slice(3, 1, &at))?;
            let target = x.vector(y.as_slice());
            let set = Preimages::new(&network, &target, &x.vector(&at))?;
            shown(set.nearest(&x.vector(&[0.0, 0.1, 0.2]))?)
        })
        .passes(FIGURES),
        row("Circulant", |x| {
            let circulant = Circulant::new(&x.slice(&[3.0, 0.5, 0.25, 0.0, 0.1]))?;
            let from = x.vector(&[1.0, 2.0, 3.0, 4.0, 5.0]);
            let (mut y, mut back) = ([0.0; 5], [0.0; 5]);
            circulant.apply(from.as_slice(), &mut y)?;
            let inverse = LinearOperator::<f64>::inverse(&circulant)?.ok_or("it has an inverse")?;
            inverse.apply(&y, &mut back)?;
            shown((y, back))
        })
        .passes("a product"),
        row("local", |x| {
            let (network, at) = (network()?, [0.1, 0.2]);
            let y = network.predict(&DMatrix::from_column_slice(2, 1, &at))?;
            let (target, at) = (x.vector(y.as_slice()), x.vector(&at));
            shown((
                local(&network, &target, &at)?,
                smoothness(&network)?,
                unique(&network, &target, &at)?,
            ))
        })
        .passes("a gap beyond the last singular value"),
        row("reach", |x| shown(reach(&narrow()?, &x.vector(&[0.3]))?)).passes(FIGURES),
    ]);
}

fn parameters(layer: impl Layer<f64> + 'static) -> nn_core::Result<Vec<f64>> {
    let network = Network::builder(layer.input()).layer(layer).build(&mut rng())?;
    Ok(network.parameters().as_slice().to_vec())
}

/// Widths that a layer is made with.
fn width(x: &Input, good: usize) -> usize {
    x.pick(good, vec![0, 1, 50])
}

#[test]
fn invertible_layers() {
    holds(&[
        row("Coupling", |x| {
            let layer = Coupling::affine(width(x, 2), Half::Second, width(x, 4), x.number(1.0))?;
            let added = Coupling::additive(width(x, 2), Half::First, width(x, 4))?;
            let parameters = x.slice(&parameters(layer.clone())?);
            shown((Coupling::undo(&layer, &parameters, &x.matrix(&weight()))?, added))
        })
        .passes(FIGURES),
        row("Mixing", |x| {
            let layer = Mixing::new(width(x, 2), &mut rng());
            let parameters = x.slice(&parameters(layer.clone())?);
            shown(Mixing::undo(&layer, &parameters, &x.matrix(&weight()))?)
        })
        .passes(FIGURES),
        row("Residual", |x| {
            let layer = Residual::new(width(x, 2), width(x, 4))?;
            let mut parameters = x.slice(&parameters(layer.clone())?);
            layer.restrain(&mut parameters, x.number(0.5))?;
            let lipschitz = layer.lipschitz(&parameters)?;
            shown((
                lipschitz,
                Residual::undo(&layer, &parameters, &x.matrix(&weight()), x.number(1e-12))?,
            ))
        })
        .passes(FIGURES),
        row("Flow", |x| {
            let network = Network::<f64>::builder(2)
                .layer(Coupling::affine(2, Half::Second, 4, 1.0)?)
                .build(&mut rng())?;
            shown(Flow::invert_many(&Flow::new(&network)?, &x.matrix(&weight()))?)
        })
        .passes(FIGURES),
        row("TiedAutoencoder", |x| {
            let layer = TiedAutoencoder::new(width(x, 3), width(x, 2))?;
            let parameters = x.slice(&parameters(layer.clone())?);
            shown(TiedAutoencoder::encode(
                &layer,
                &parameters,
                &x.matrix(&DMatrix::from_element(3, 2, 0.5)),
            )?)
        })
        .passes("a layer is a function"),
    ]);
}

#[test]
fn learned() {
    holds(&[
        row("RestrictedBoltzmann", |x| {
            let machine = RestrictedBoltzmann::new(
                x.matrix(&DMatrix::from_element(2, 4, 0.1)),
                x.vector(&[0.1; 4]),
                x.vector(&[0.1; 2]),
            )?;
            let hidden = RestrictedBoltzmann::hidden_given(&machine, &x.matrix(&data()))?;
            shown((
                RestrictedBoltzmann::visible_given(&machine, &x.matrix(&hidden))?,
                RestrictedBoltzmann::reconstruct(&machine, &x.matrix(&data()))?,
                machine.free_energies(&x.matrix(&data()))?,
                machine.negative_log_likelihood(&x.matrix(&data()))?,
                machine.likelihood_gradient(&x.matrix(&data()))?,
            ))
        })
        .passes("probabilities of a machine with such weights"),
        row("RestrictedBoltzmann::for_data", |x| {
            shown(RestrictedBoltzmann::for_data(&x.matrix(&data()), width(x, 2), &mut rng())?)
        }),
        row("Divergence", |x| {
            let plan = Divergence::new(x.pick(1, vec![0, 2]))
                .epochs(x.pick(2, vec![0, 1]))
                .rate(x.number(0.1))
                .momentum(x.number(0.5))
                .batch(x.count(2))
                .copies(x.pick(2, vec![0, 1]));
            let mut machine = RestrictedBoltzmann::for_data(&data(), 2, &mut rng())?;
            Divergence::train(
                &plan,
                &mut machine,
                &x.matrix(&data()),
                |_| ControlFlow::Continue(()),
                &mut rng(),
            )?;
            shown(Divergence::gradient(&plan, &machine, &x.matrix(&data()), &mut rng())?)
        })
        .passes("a rate as large as it is asked for"),
        row("BeliefNetwork", |x| {
            let plan = Divergence::new(1).epochs(2);
            let hidden = x.pick(vec![3, 2], vec![vec![], vec![0]]);
            let network = BeliefNetwork::train(&x.matrix(&data()), &hidden, &plan, &mut rng())?;
            let code = BeliefNetwork::encode(&network, &x.matrix(&data()))?;
            shown((
                BeliefNetwork::decode(&network, &x.matrix(&code))?,
                BeliefNetwork::reconstruct(&network, &x.matrix(&data()))?,
            ))
        }),
        row("LearnedInverse", |x| {
            let lesson = Lesson::default()
                .hidden(x.pick(vec![4], vec![vec![], vec![0]]))
                .epochs(x.pick(2, vec![0, 1]), x.pick(2, vec![0, 1]))
                .batch(x.count(2))
                .rate(x.number(0.01));
            let inverse =
                LearnedInverse::train(&network()?, &x.matrix(&weight()), &lesson, &mut rng())?;
            shown(LearnedInverse::guess(&inverse, &x.matrix(&weight()))?)
        })
        .passes("a rate as large as it is asked for"),
    ]);
}
