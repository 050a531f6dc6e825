//! The set of inputs with one output: flat, curved, a point, and too large for a matrix.

use super::*;
use crate::search::entries;
use crate::testing::{Pairs, Tanhs, normal, seeded, vector};
use crate::{SearchOptions, search};
use linalg::PseudoInverse;
use std::ops::ControlFlow;

fn problem(widths: &[usize], gain: f64, seed: u64) -> (Tanhs, DVector<f64>, DVector<f64>) {
    let mut rng = seeded(seed);
    let map = Tanhs::random(widths, gain, &mut rng);
    let x = normal(widths[0], 1, &mut rng).column(0).into_owned();
    let y = map.value(&x).unwrap();
    (map, x, y)
}

#[test]
fn one_wide_layer_has_a_flat_set() {
    let mut rng = seeded(1);
    let weight = normal(3, 8, &mut rng);
    let map = Tanhs::linear(weight.clone());
    let x = normal(8, 1, &mut rng).column(0).into_owned();
    let y = &weight * &x;
    let set = Preimages::new(&map, &y, &x).unwrap();
    assert_eq!((set.dimension(), set.rank()), (5, Some(3)));
    assert_eq!(set.gap(), Some(f64::INFINITY));
    let basis = set.basis().unwrap();
    let sigma = linalg::singular_values(&weight).unwrap()[0];
    assert!((&weight * &basis).norm() <= 10.0 * f64::EPSILON * sigma);
    assert!((basis.tr_mul(&basis) - DMatrix::identity(5, 5)).norm() < 1e-14);
    for _ in 0..100 {
        let member = set.walk(&normal(8, 1, &mut rng).column(0).into_owned(), 3.0).unwrap();
        assert!(member.complete && (member.moved - 3.0).abs() < 1e-12);
        assert!((member.input - &x).norm() > 2.99 && member.residual < 1e-12);
    }
    // Nearest is the projection, and least norm is W⁺·y.
    let inverse = PseudoInverse::new(&weight).unwrap();
    let seed = normal(8, 1, &mut rng).column(0).into_owned();
    let nearest = set.nearest(&seed).unwrap();
    let expected = &seed + inverse.solve(&(&y - &weight * &seed)).unwrap();
    assert!((nearest.input - expected).norm() < 1e-12 && nearest.iterations <= 3);
    let least = set.nearest(&DVector::zeros(8)).unwrap();
    assert!((least.input - inverse.solve(&y).unwrap()).norm() < 1e-12);
    assert!(least.optimality < 1e-13);
}

#[test]
fn walks_stay_on_a_curved_set_and_samples_differ() {
    let (map, x, y) = problem(&[8, 6, 3], 1.0, 2);
    let set = Preimages::new(&map, &y, &x).unwrap();
    assert_eq!(set.dimension(), 5);
    let members = set.sample(20, 1.0, &mut seeded(3)).unwrap();
    for (index, member) in members.iter().enumerate() {
        assert!((map.value(&member.input).unwrap() - &y).norm() <= 1e-12, "{member:?}");
        if member.complete {
            let straight = (&member.input - &x).norm();
            assert!(straight <= 1.0 + 1e-9 && straight > 0.2, "{straight}");
        }
        for other in &members[..index] {
            assert!((&other.input - &member.input).norm() > 1e-3);
        }
    }
    assert!(members.iter().filter(|member| member.complete).count() >= 18);
}

#[test]
fn nearest_meets_its_conditions_and_no_sample_is_nearer() {
    for seed in 0..15 {
        let (map, x, y) = problem(&[12, 8, 4], 1.0, 10 + seed);
        let x0 = normal(12, 1, &mut seeded(50 + seed)).column(0).into_owned();
        let options = SearchOptions::default();
        let found = search(&map, &y, &x0, &options, |_| ControlFlow::Continue(())).unwrap();
        let set = Preimages::new(&map, &y, &found.input).unwrap();
        let nearest = set.nearest(&x0).unwrap();
        assert!(nearest.optimality <= 1e-8, "seed {seed}: {nearest:?}");
        assert!(nearest.residual <= 1e-12 * y.norm().max(1.0));
        assert!(nearest.distance <= found.seed_distance * (1.0 + 1e-12));
        assert!(nearest.iterations <= 40, "{}", nearest.iterations);
        // Members around it are farther away.
        let around = Preimages::new(&map, &y, &nearest.input).unwrap();
        for member in around.sample(10, 0.05, &mut seeded(seed)).unwrap() {
            assert!((member.input - &x0).norm() >= nearest.distance - 1e-12);
        }
        assert!((x - &x0).norm() >= 0.0);
    }
}

#[test]
fn a_square_map_has_one_member_and_nothing_to_walk_along() {
    let (map, x, y) = problem(&[4, 4, 4], 0.8, 4);
    let set = Preimages::new(&map, &y, &x).unwrap();
    assert_eq!((set.dimension(), set.basis().unwrap().shape()), (0, (4, 0)));
    let error = set.walk(&vector(&[1.0, 0.0, 0.0, 0.0]), 1.0).unwrap_err();
    assert_eq!(error.to_string(), "the tangent part of direction is 0, expected a length above 0");
    let error = set.walk(&vector(&[1.0, 0.0, 0.0, 0.0]), f64::NAN).unwrap_err();
    assert_eq!(error.to_string(), "length is NaN, expected a finite number, 0 or greater");
    assert!((set.nearest(&vector(&[9.0; 4])).unwrap().input - set.member()).norm() < 1e-15);
}

#[test]
fn a_point_far_from_the_set_is_refused() {
    // x² = −1 has no real solution: Newton's steps wander.
    struct Square;
    impl Map<f64> for Square {
        fn inputs(&self) -> usize {
            1
        }
        fn outputs(&self) -> usize {
            1
        }
        fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
            Ok(x.map(|x| x * x))
        }
        fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
            let jacobian = Box::new(DMatrix::from_element(1, 1, 2.0 * x[0]));
            Ok(crate::Linearization { value: self.value(x)?, jacobian })
        }
    }
    let error = Preimages::new(&Square, &vector(&[-1.0]), &vector(&[2.0])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "member gives the target but for 5e0, and Gauss-Newton steps from it do not reach \
         1.4210854715202004e-14; search for one first"
    );
}

#[test]
fn products_alone_find_what_decompositions_find() {
    for seed in 0..10 {
        let (map, x, y) = problem(&[12, 8, 4], 1.0, 30 + seed);
        let made = Preimages::with(Handling::Decomposed, &map, &y, &x).unwrap();
        let products = Preimages::with(Handling::Products, &map, &y, &x).unwrap();
        assert_eq!((products.dimension(), products.rank(), products.gap()), (8, None, None));
        assert!(products.basis().is_none());
        let basis = made.basis().unwrap();
        let v = normal(12, 1, &mut seeded(seed)).column(0).into_owned();
        let tangent = products.tangent(&v).unwrap();
        // LSMR ends where what is left along the rows is 2e-12 of it, times κ.
        assert!((&basis * basis.tr_mul(&v) - &tangent).norm() <= 1e-10 * v.norm(), "seed {seed}");
        assert!((made.tangent(&v).unwrap() - tangent).norm() <= 1e-10 * v.norm());

        let (one, other) = (made.nearest(&v).unwrap(), products.nearest(&v).unwrap());
        assert!(other.optimality <= 1e-8 && other.residual <= 1e-11 * y.norm(), "{other:?}");
        // Near the nearest, a gradient of 1e-8 leaves a few times that of the distance.
        assert!((one.input - other.input).norm() <= 1e-6 * one.distance, "seed {seed}");

        let walked = products.walk(&v, 0.5).unwrap();
        assert!(walked.residual <= 1e-11 * y.norm() && (walked.moved - 0.5).abs() < 1e-9);
        assert!((walked.input - made.walk(&v, 0.5).unwrap().input).norm() <= 1e-4);
    }
}

#[test]
fn a_hundred_thousand_inputs_need_no_matrix() {
    let map = Pairs { m: 50_000, a: 0.5 };
    let mut rng = seeded(7);
    let x = normal(100_000, 1, &mut rng).column(0).into_owned();
    let seed = normal(100_000, 1, &mut rng).column(0).into_owned();
    let y = map.value(&x).unwrap();
    let set = Preimages::new(&map, &y, &x).unwrap();
    assert_eq!((set.dimension(), set.rank(), set.gap()), (50_000, None, None));
    let walked = set.walk(&seed, 20.0).unwrap();
    assert!(walked.complete && (walked.moved - 20.0).abs() < 1e-3, "{}", walked.moved);
    assert!(walked.residual <= 1e-11 * y.norm() && (&walked.input - &x).norm() > 19.0);

    let nearest = set.nearest(&seed).unwrap();
    assert!(nearest.residual <= 1e-11 * y.norm() && nearest.optimality <= 1e-9);
    assert!(nearest.iterations <= 60, "{}", nearest.iterations);
    // By hand: each pair has one way to move, (−a/cosh² v, 1), and x − seed is at right angles to it.
    let mut along = 0.0;
    for i in 0..map.m {
        let (u, v) = (nearest.input[i], nearest.input[map.m + i]);
        let slope = map.a / v.cosh().powi(2);
        let (du, dv) = (u - seed[i], v - seed[map.m + i]);
        along += (dv - slope * du).powi(2) / (1.0 + slope * slope);
    }
    assert!((along.sqrt() - nearest.optimality * nearest.distance).abs() <= 1e-9);
    assert!(along.sqrt() <= 1e-8 * nearest.distance);
}

#[test]
fn an_edge_is_told_from_a_place_where_the_conditions_hold() {
    // |x₀| + x₁ = 0: a roof, whose ridge is the nearest point to (0, 1).
    struct Roof;
    impl Map<f64> for Roof {
        fn inputs(&self) -> usize {
            2
        }
        fn outputs(&self) -> usize {
            1
        }
        fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
            Ok(DVector::from_element(1, x[0].abs() + x[1]))
        }
        fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
            let slopes = [if x[0] > 0.0 { 1.0 } else { -1.0 }, 1.0];
            let jacobian = Box::new(DMatrix::from_row_slice(1, 2, &slopes));
            Ok(crate::Linearization { value: self.value(x)?, jacobian })
        }
    }
    let (y, member) = (vector(&[0.0]), vector(&[2.0, -2.0]));
    let set = Preimages::new(&Roof, &y, &member).unwrap();
    let ridge = set.nearest(&vector(&[0.0, 1.0])).unwrap();
    assert_eq!(ridge.stop, NearestStop::Edge);
    assert!(
        ridge.input.norm() <= 1e-6 && (ridge.optimality - 0.5_f64.sqrt()).abs() <= 1e-6,
        "{ridge:?}"
    );
    // Beside the roof the same set is smooth.
    let side = set.nearest(&vector(&[3.0, -1.0])).unwrap();
    assert_eq!(side.stop, NearestStop::Stationary);
    assert!((side.input - vector(&[2.0, -2.0])).norm() <= 1e-14 && side.optimality <= 1e-14);
}

#[test]
fn what_is_called_stationary_is_and_smooth_sets_always_are() {
    for seed in 0..60 {
        let (map, x, y) = problem(&[30, 20, 10], 1.5, 300 + seed);
        let set = Preimages::new(&map, &y, &x).unwrap();
        let nearest =
            set.nearest(&normal(30, 1, &mut seeded(seed)).column(0).into_owned()).unwrap();
        assert_eq!(nearest.stop, NearestStop::Stationary, "seed {seed}: {nearest:?}");
        assert!(nearest.optimality <= 1e-8);
    }
}

#[test]
fn what_cannot_be_seen_of_a_distance_is_what_its_parts_round_to() {
    let split = place::Split { along: vector(&[0.0]), multipliers: vector(&[3.0, 4.0]) };
    // 4·eps·‖x‖ and a residual times ‖λ‖ over the distance.
    let found = nearest::unseen(&vector(&[6.0, 8.0]), 1e-13, &split, 2.0);
    let expected = 40.0 * f64::EPSILON + 1e-13 * 5.0 / 2.0;
    assert!((found / expected - 1.0).abs() <= 4.0 * f64::EPSILON, "{found:e}");
}

#[test]
fn the_figures_of_a_nearest_member_and_of_a_walk_are_what_they_are_said_to_be() {
    for seed in 0..10 {
        let (map, x, y) = problem(&[9, 7, 4], 1.0, 60 + seed);
        let set = Preimages::new(&map, &y, &x).unwrap();
        let x0 = normal(9, 1, &mut seeded(seed)).column(0).into_owned();
        let near = set.nearest(&x0).unwrap();
        let away = &near.input - &x0;
        assert!((near.distance - away.norm()).abs() <= 4.0 * f64::EPSILON * near.distance);
        let off = map.value(&near.input).unwrap() - &y;
        assert!((near.residual - off.norm()).abs() <= f64::EPSILON * y.norm());
        // x − x₀ less its part in the range of Jᵀ, by another decomposition.
        let at = map.linearize(&near.input).unwrap();
        let j = entries(at.jacobian.as_ref()).unwrap();
        let along = &away
            - j.transpose()
                * j.transpose()
                    .qr()
                    .r()
                    .solve_upper_triangular(&j.transpose().qr().q().tr_mul(&away))
                    .unwrap();
        assert!((near.optimality - along.norm() / near.distance).abs() <= 1e-12, "{near:?}");
        assert!((1..=20).contains(&near.iterations), "{}", near.iterations);
        // A walk's first step is along the tangent part of the direction, and its length adds up.
        let walked = set.walk(&x0, 1e-3).unwrap();
        let tangent = set.tangent(&x0).unwrap();
        let gone = &walked.input - &x;
        // An arc of 1e-3 bends by its square over the radius of curvature, which is 0.1 or more here.
        let off = gone.norm() - gone.dot(&tangent) / tangent.norm();
        assert!(
            off.abs() <= 1e-4 && (walked.moved - gone.norm()).abs() <= 1e-6,
            "{off:e} {walked:?}"
        );
        let off = map.value(&walked.input).unwrap() - &y;
        assert!((walked.residual - off.norm()).abs() <= f64::EPSILON * y.norm() && walked.complete);
    }
}

#[test]
fn a_walk_on_a_flat_set_grows_its_steps_by_half() {
    struct Counted(DMatrix<f64>, std::cell::Cell<usize>);
    impl Map<f64> for Counted {
        fn inputs(&self) -> usize {
            self.0.ncols()
        }
        fn outputs(&self) -> usize {
            self.0.nrows()
        }
        fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
            Ok(&self.0 * x)
        }
        fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
            self.1.set(self.1.get() + 1);
            let jacobian = Box::new(self.0.clone());
            Ok(crate::Linearization { value: self.value(x)?, jacobian })
        }
    }
    let map = Counted(DMatrix::from_row_slice(1, 3, &[1.0, 2.0, -1.0]), std::cell::Cell::new(0));
    let y = vector(&[3.0]);
    let set = Preimages::new(&map, &y, &vector(&[1.0, 1.0, 0.0])).unwrap();
    assert_eq!(map.1.get(), 1);
    for length in [1e-3, 1.0, 50.0] {
        let before = map.1.get();
        let walked = set.walk(&vector(&[0.3, 0.1, 0.2]), length).unwrap();
        // 1/8, 3/16, 9/32 and the rest.
        assert_eq!(map.1.get() - before, 4, "{length}");
        assert!(walked.complete && (walked.moved / length - 1.0).abs() <= 1e-11);
        // Along the direction less its part in the row: (0.3, 0.1, 0.2) − 0.05·(1, 2, −1).
        let along = vector(&[0.25, 0.0, 0.25]) * (length / 0.125_f64.sqrt());
        assert!(
            (&walked.input - vector(&[1.0, 1.0, 0.0]) - along).norm() <= 1e-12 * (1.0 + length)
        );
    }
    // Of no length there is nothing to do.
    let stay = set.walk(&vector(&[0.3, 0.1, 0.2]), 0.0).unwrap();
    assert!(stay.complete && stay.moved.abs() < f64::MIN_POSITIVE && &stay.input == set.member());
}

#[test]
fn what_is_decomposed_is_small_enough_to_be() {
    for (outputs, inputs, made) in [
        (512, 2048, true),
        (512, 2049, false),
        (2048, 512, true),
        (513, 513, false),
        (1, 1 << 20, true),
    ] {
        let expected = if made { Handling::Decomposed } else { Handling::Products };
        assert_eq!(Handling::of(outputs, inputs), expected, "{outputs} x {inputs}");
    }
}
