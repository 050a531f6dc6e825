//! The nearest input through a ReLU, held to the nearest point of every linear piece around it.

use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, PseudoInverse, Real, bounded_least_squares};
use nn_core::{LeakyRelu, Network, Relu, Tanh};
use nn_invert::{
    Linearization, Map, Nearest, NearestStop, Preimages, Result, SearchOptions, SearchStop, search,
};
use rand::rngs::Xoshiro256PlusPlus;

use crate::{normal, seeded};

/// Dense layers with the same rectifier between them, written out.
struct Rectified {
    layers: Vec<(DMatrix<f64>, DVector<f64>)>,
    /// The slope below 0.
    alpha: f64,
}

impl Rectified {
    /// Weights N(0, gain²/inputs), biases N(0, 1/100).
    fn random(widths: &[usize], alpha: f64, gain: f64, rng: &mut Xoshiro256PlusPlus) -> Self {
        let layer = |pair: &[usize]| {
            let weight = normal(pair[1], pair[0], rng) * (gain / (pair[0] as f64).sqrt());
            (weight, normal(pair[1], 1, rng).column(0) * 0.1)
        };
        Self { layers: widths.windows(2).map(layer).collect(), alpha }
    }

    fn network(&self) -> Network<f64> {
        let mut builder = Network::builder(self.layers[0].0.ncols());
        for (index, (weight, bias)) in self.layers.iter().enumerate() {
            builder = match (index, self.alpha) {
                (0, _) => builder,
                (_, 0.0) => builder.activation(Relu),
                (_, alpha) => builder.activation(LeakyRelu::new(alpha).unwrap()),
            };
            builder = builder.dense_from(weight.clone(), bias.as_slice().to_vec());
        }
        builder.build_given().unwrap()
    }

    fn units(&self) -> usize {
        self.layers[..self.layers.len() - 1].iter().map(|layer| layer.1.len()).sum()
    }

    /// A·x + b for the output, and below for every pre-activation, where the bits of `sides` say which units
    /// are above 0.
    fn piece(&self, sides: usize) -> (DMatrix<f64>, DVector<f64>, DMatrix<f64>, DVector<f64>) {
        let (mut a, mut b) = self.layers[0].clone();
        let (mut all_a, mut all_b) = (DMatrix::zeros(0, a.ncols()), DVector::zeros(0));
        for (weight, bias) in &self.layers[1..] {
            let first = all_b.len();
            all_a = stack(&all_a, &a);
            all_b = DVector::from_iterator(first + b.len(), all_b.iter().chain(&b).copied());
            for unit in 0..b.len() {
                if sides >> (first + unit) & 1 == 0 {
                    a.row_mut(unit).scale_mut(self.alpha);
                    b[unit] *= self.alpha;
                }
            }
            (a, b) = (weight * a, weight * b + bias);
        }
        (a, b, all_a, all_b)
    }

    /// The distance from `seed` of the nearest point of a piece with the output `y`, if it has one.
    fn nearest_of(&self, sides: usize, y: &DVector<f64>, seed: &DVector<f64>) -> Option<f64> {
        let (a, b, mut c, mut d) = self.piece(sides);
        for unit in 0..d.len() {
            if sides >> unit & 1 == 0 {
                c.row_mut(unit).neg_mut();
                d[unit] = -d[unit];
            }
        }
        let equations = y - &b - &a * seed;
        let bounds = -(&d + &c * seed);
        // Equations that dead units leave without a left side are no equations: what they miss by counts below.
        let range = PseudoInverse::new(&a).unwrap().range_basis();
        let step = least_distance(&range.tr_mul(&a), &range.tr_mul(&equations), &c, &bounds)?;
        // It has to be one, whatever the method says.
        let off = (&a * &step - &equations).norm();
        let below = (&bounds - &c * &step).max();
        (off <= 1e-9 && below <= 1e-9).then(|| step.norm())
    }

    /// The least distance among the pieces that x is on, and how many these are.
    fn nearest_around(
        &self,
        x: &DVector<f64>,
        y: &DVector<f64>,
        seed: &DVector<f64>,
    ) -> (f64, usize) {
        let (mut least, mut count) = (f64::INFINITY, 0);
        for sides in 0..1 << self.units() {
            let (_, _, c, d) = self.piece(sides);
            let z = c * x + d;
            let fits = |(unit, &z): (usize, &f64)| {
                if sides >> unit & 1 == 1 { z >= -1e-9 } else { z <= 1e-9 }
            };
            if z.iter().enumerate().all(fits) {
                count += 1;
                least = least.min(self.nearest_of(sides, y, seed).unwrap_or(f64::INFINITY));
            }
        }
        (least, count)
    }
}

fn stack(above: &DMatrix<f64>, below: &DMatrix<f64>) -> DMatrix<f64> {
    let rows = above.nrows();
    DMatrix::from_fn(rows + below.nrows(), below.ncols(), |i, j| {
        if i < rows { above[(i, j)] } else { below[(i - rows, j)] }
    })
}

/// The shortest d with A·d = e and C·d ≥ f: Lawson and Hanson's least distance programming, with free
/// multipliers for the equations.
fn least_distance(
    a: &DMatrix<f64>,
    e: &DVector<f64>,
    c: &DMatrix<f64>,
    f: &DVector<f64>,
) -> Option<DVector<f64>> {
    let (n, m) = (a.ncols(), a.nrows());
    let both = stack(a, c);
    let columns = DMatrix::from_fn(n + 1, both.nrows(), |i, j| {
        if i < n {
            both[(j, i)]
        } else if j < m {
            e[j]
        } else {
            f[j - m]
        }
    });
    let mut unit = DVector::zeros(n + 1);
    unit[n] = 1.0;
    let least = |j, _| if j < m { f64::NEG_INFINITY } else { 0.0 };
    let lower = DVector::from_fn(both.nrows(), least);
    let upper = DVector::from_element(both.nrows(), f64::INFINITY);
    let r = bounded_least_squares(&columns, &unit, &lower, &upper).unwrap().residual;
    (r[n] > 1e-12).then(|| -r.rows(0, n) / r[n])
}

/// The nearest input to a seed with the output of another one, from where a search from the seed ends.
fn nearest(
    map: &dyn Map<f64>,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<(Nearest<f64>, DVector<f64>, DVector<f64>)> {
    let n = map.inputs();
    let y = map.value(&normal(n, 1, rng).column(0).into_owned()).unwrap();
    let seed = normal(n, 1, rng).column(0).into_owned();
    let options = SearchOptions::default();
    let found = search(map, &y, &seed, &options, |_| ControlFlow::Continue(())).unwrap();
    if found.stop != SearchStop::Converged {
        return None;
    }
    let nearest = Preimages::new(map, &y, &found.input).ok()?.nearest(&seed).unwrap();
    Some((nearest, y, seed))
}

#[test]
fn no_piece_around_what_is_called_nearest_has_a_nearer_point() {
    let families: [&[usize]; 6] =
        [&[3, 4, 1], &[4, 5, 2], &[6, 6, 2], &[3, 4, 3, 1], &[5, 4, 4, 2], &[6, 5, 3, 1]];
    let (mut cases, mut edges) = (0, 0);
    for seed in 0..110 {
        for widths in families {
            for alpha in [0.0, 0.1] {
                let mut rng = seeded(seed);
                let map = Rectified::random(widths, alpha, 1.5, &mut rng);
                let network = map.network();
                let Some((found, y, seed)) = nearest(&network, &mut rng) else { continue };
                let case = format!("{widths:?}, slope {alpha}: {found:?}");
                assert!(
                    found.stop == NearestStop::Stationary && found.optimality <= 1e-8,
                    "{case}"
                );
                let (least, pieces) = map.nearest_around(&found.input, &y, &seed);
                assert!(pieces >= 1 << found.kinks.len(), "{case}");
                // The fall by 1e-8 leaves the square of that; the oracle's rows may be off by 1e-9.
                assert!((found.distance - least).abs() <= 1e-8 * found.distance, "{least} {case}");
                cases += 1;
                edges += usize::from(!found.kinks.is_empty());
            }
        }
    }
    assert!(cases >= 1000 && edges >= 200, "{cases}, {edges}");
}

/// A network that does not show its kinks.
struct Hidden<'a>(&'a Network<f64>);

impl Map<f64> for Hidden<'_> {
    fn inputs(&self) -> usize {
        self.0.inputs()
    }
    fn outputs(&self) -> usize {
        self.0.outputs()
    }
    fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
        self.0.value(x)
    }
    fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
        self.0.linearize(x)
    }
}

#[test]
fn the_kinks_are_what_makes_the_difference() {
    let (mut better, mut cases) = (0, 0);
    for seed in 0..20 {
        let map = Rectified::random(&[12, 8, 4], 0.1, 1.5, &mut seeded(seed));
        let network = map.network();
        let Some((shown, ..)) = nearest(&network, &mut seeded(100 + seed)) else { continue };
        let (blind, ..) = nearest(&Hidden(&network), &mut seeded(100 + seed)).unwrap();
        assert_eq!(shown.stop, NearestStop::Stationary);
        assert!(blind.kinks.is_empty() && blind.iterations <= 200);
        cases += 1;
        better += usize::from(blind.stop != NearestStop::Stationary);
    }
    assert!(cases >= 15 && better >= 4, "{better} of {cases}");
}

#[test]
fn creases_of_a_curved_set_are_followed_too() {
    let mut edges = 0;
    for seed in 0..80 {
        let mut rng = seeded(300 + seed);
        let mut layer = |rows: usize, columns: usize| {
            let weight = normal(rows, columns, &mut rng) * (1.5 / (columns as f64).sqrt());
            (weight, normal(rows, 1, &mut rng).as_slice().to_vec())
        };
        let [(w1, b1), (w2, b2), (w3, b3)] = [layer(10, 8), layer(8, 10), layer(3, 8)];
        let network = Network::builder(8)
            .dense_from(w1, b1)
            .activation(Tanh)
            .dense_from(w2, b2)
            .activation(LeakyRelu::new(0.1).unwrap())
            .dense_from(w3, b3)
            .build_given()
            .unwrap();
        let Some((found, y, seed)) = nearest(&network, &mut rng) else { continue };
        assert_eq!(found.stop, NearestStop::Stationary, "{found:?}");
        assert!(found.optimality <= 1e-8 && found.residual <= 1e-12 * y.norm());
        edges += usize::from(!found.kinks.is_empty());
        for &(layer, _) in &found.kinks {
            assert_eq!(layer, 3);
        }
        // Walks along the set, on whichever piece they set out, lead away.
        let around = Preimages::new(&network, &y, &found.input).unwrap();
        for member in around.sample(10, 0.03, &mut rng).unwrap() {
            assert!((member.input - &seed).norm() >= found.distance - 1e-10, "{found:?}");
        }
    }
    assert!(edges >= 8, "{edges}");
}

/// |x₀| + ... + |xₙ₋₂| + xₙ₋₁ = 0: a pyramid, `times` over.
fn pyramid(n: usize, times: usize) -> Network<f64> {
    let units = 2 * (n - 1) * times;
    let weight = DMatrix::from_fn(units + 1, n, |i, j| {
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        if i == units { f64::from(j == n - 1) } else { sign * f64::from(j == i / 2 / times) }
    });
    let mut bias = vec![0.0; units + 1];
    bias[units] = 50.0;
    let sum =
        DMatrix::from_fn(1, units + 1, |_, i| if i < units { 1.0 / times as f64 } else { 1.0 });
    let builder = Network::builder(n).dense_from(weight, bias).activation(Relu);
    builder.dense_from(sum, vec![-50.0]).build_given().unwrap()
}

#[test]
fn an_apex_where_gradients_depend_on_each_other_is_nearest_or_said_not_to_be_known() {
    let above = |n: usize| DVector::from_fn(n, |i, _| f64::from(i == n - 1));
    for (n, times, stop) in [
        (2, 1, NearestStop::Stationary),
        (4, 1, NearestStop::Stationary),
        (5, 1, NearestStop::Stationary),
        (6, 1, NearestStop::Edge),
        (3, 3, NearestStop::Edge),
    ] {
        let map = pyramid(n, times);
        let start = DVector::from_fn(n, |i, _| if i < n - 1 { 1.0 } else { 1.0 - n as f64 });
        let target = DVector::zeros(1);
        let set = Preimages::new(&map, &target, &start).unwrap();
        let apex = set.nearest(&above(n)).unwrap();
        assert_eq!((apex.stop, apex.kinks.len()), (stop, 2 * (n - 1) * times), "{apex:?}");
        assert!(apex.input.norm() <= 1e-12 && (apex.distance - 1.0).abs() <= 1e-12, "{apex:?}");
        // From inside, the distance falls along the walls from the apex on.
        let from = Preimages::new(&map, &target, &DVector::zeros(n)).unwrap();
        let wall = from.nearest(&-above(n)).unwrap();
        if stop == NearestStop::Stationary {
            assert_eq!(wall.stop, NearestStop::Stationary, "{wall:?}");
            assert!((wall.distance - 1.0 / (n as f64).sqrt()).abs() <= 1e-12, "{wall:?}");
        }
    }
}

#[test]
fn single_precision_and_a_seed_on_the_set() {
    let mut edges = 0;
    for seed in 0..20 {
        let mut rng = seeded(seed);
        let mut layer = |rows: usize, columns: usize| {
            let weight = normal(rows, columns, &mut rng).map(f32::from_double);
            (weight, vec![0.1_f32; rows])
        };
        let [(w1, b1), (w2, b2)] = [layer(6, 8), layer(3, 6)];
        let network = Network::builder(8)
            .dense_from(w1, b1)
            .activation(LeakyRelu::new(0.1).unwrap())
            .dense_from(w2, b2)
            .build_given()
            .unwrap();
        let mut draw = || normal(8, 1, &mut rng).column(0).map(f32::from_double);
        let (x, seed) = (draw(), draw());
        let y = network.value(&x).unwrap();
        let set = Preimages::new(&network, &y, &x).unwrap();
        let found = set.nearest(&seed).unwrap();
        assert_eq!(found.stop, NearestStop::Stationary, "{found:?}");
        assert!(found.optimality <= 64.0 * f64::from(f32::EPSILON));
        edges += usize::from(!found.kinks.is_empty());
        let itself = set.nearest(set.member()).unwrap();
        assert_eq!((itself.distance, itself.optimality), (0.0, 0.0));
    }
    assert!(edges >= 3, "{edges}");
}

#[test]
fn what_a_search_found_is_brought_onto_its_set_over_kinks() {
    // The output of most inputs lies at a vertex: units beyond their kinks leave J with a rank of 2 to 5 of 6.
    // A step of the piece at hand goes over a kink, and the residual is first the larger for it.
    let (mut found, mut rose) = (0, 0);
    for seed in 0..240 {
        let mut rng = seeded(seed);
        let mut net = Rectified::random(&[6, 8, 6], 0.0, 1.4, &mut rng);
        for (_, bias) in &mut net.layers {
            *bias *= 3.0;
        }
        let network = net.network();
        let x = normal(6, 1, &mut rng).column(0).into_owned();
        let y = network.value(&x).unwrap();
        let from = normal(6, 1, &mut rng).column(0).into_owned();
        let options = SearchOptions::default();
        let near = search(&network, &y, &from, &options, |_| ControlFlow::Continue(())).unwrap();
        if near.stop != SearchStop::Converged {
            continue;
        }
        found += 1;
        let set = Preimages::new(&network, &y, &near.input).unwrap();
        let off = |x: &DVector<f64>| (network.value(x).unwrap() - &y).norm();
        // What counts as on the set: 64 roundings for each of 6 terms.
        assert!(off(set.member()) <= 64.0 * 6.0 * f64::EPSILON * y.norm(), "seed {seed}");
        // No farther away than a residual of 1e-10 is by the smallest slope there is.
        assert!((set.member() - &near.input).norm() <= 1e-6 * near.input.norm(), "seed {seed}");
        let step = PseudoInverse::new(&network.jacobian(&near.input).unwrap()).unwrap();
        let step = step.solve(&(&y - network.value(&near.input).unwrap())).unwrap();
        let there = off(&(&near.input + step));
        rose += usize::from(there > 0.9 * near.residual && near.residual > 1e-12);
    }
    assert!(found >= 60 && rose >= 3, "{rose} of {found}");
}
