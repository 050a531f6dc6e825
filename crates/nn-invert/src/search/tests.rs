use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, PseudoInverse, Real, bounded_least_squares};
use nn_core::Shape;

use super::*;
use crate::Error;
use crate::testing::{Ring, Tanhs, normal, seeded, vector};

fn go_on<T: Real>(_: &SearchProgress<'_, T>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A random network, an input, and the output there.
fn problem(widths: &[usize], gain: f64, seed: u64) -> (Tanhs, DVector<f64>, DVector<f64>) {
    let mut rng = seeded(seed);
    let map = Tanhs::random(widths, gain, &mut rng);
    let x = normal(widths[0], 1, &mut rng).column(0).into_owned();
    let y = map.value(&x).unwrap();
    (map, x, y)
}

#[test]
fn newton_steps_end_quadratically_and_the_count_is_small() {
    let (map, _, y) = problem(&[12, 12, 12], 0.8, 1);
    let mut residuals = Vec::new();
    let options = SearchOptions::default().tolerance(1e-14);
    let found = search(&map, &y, &DVector::zeros(12), &options, |progress| {
        residuals.push(progress.relative_residual);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(matches!(found.stop, SearchStop::Converged | SearchStop::NoProgress), "{found:?}");
    assert!(found.relative_residual <= 1e-14 && found.iterations <= 25, "{found:?}");
    assert_eq!(found.iterations, residuals.len());
    // Once below 1e-3 of the target each step at least squares it, up to a constant.
    let order = residuals.windows(2).filter(|pair| pair[0] < 1e-3 && pair[1] > 1e-12);
    for pair in order {
        assert!(pair[1] <= 1e3 * pair[0] * pair[0], "{residuals:?}");
    }
    let r = (map.value(&found.input).unwrap() - &y).norm();
    assert!(
        (found.residual - r).abs() <= 1e-15
            && (found.seed_distance - found.input.norm()).abs() < 1e-12
    );
}

#[test]
fn one_linear_layer_answers_with_the_projection_of_the_seed() {
    let mut rng = seeded(2);
    let weight = normal(3, 8, &mut rng);
    let (x0, y) = (normal(8, 1, &mut rng).column(0).into_owned(), vector(&[1.0, -2.0, 0.5]));
    let expected = &x0 + PseudoInverse::new(&weight).unwrap().solve(&(&y - &weight * &x0)).unwrap();
    let map = Tanhs::linear(weight);
    for method in
        [SearchMethod::LevenbergMarquardt, SearchMethod::Lbfgs, SearchMethod::Adam { rate: 0.05 }]
    {
        let options = SearchOptions::default().method(method).iterations(20_000).tolerance(1e-12);
        let found = search(&map, &y, &x0, &options, go_on).unwrap();
        assert_eq!(found.stop, SearchStop::Converged, "{method:?} {found:?}");
        assert!((found.seed_distance - (&found.input - &x0).norm()).abs() <= 1e-12);
        let distance = (&found.input - &expected).norm();
        // Adam scales each coordinate by itself and so leaves the range of Wᵀ; the others do not.
        if matches!(method, SearchMethod::Adam { .. }) {
            assert!(distance > 1e-3, "{distance:e}");
        } else {
            assert!(distance < 1e-10, "{method:?}: {distance:e}");
        }
    }
}

#[test]
fn bounds_end_at_the_minimum_that_the_conditions_describe() {
    // Projected on a box: a quadratic whose minimum is known from least squares between bounds.
    let mut rng = seeded(3);
    let weight = normal(9, 5, &mut rng);
    let y = normal(9, 1, &mut rng).column(0) * 3.0;
    let (lower, upper) = (DVector::from_element(5, -0.2), DVector::from_element(5, 0.3));
    let expected = bounded_least_squares(&weight, &y, &lower, &upper).unwrap();
    let map = Tanhs::linear(weight);
    for method in [SearchMethod::LevenbergMarquardt, SearchMethod::Lbfgs] {
        let options = SearchOptions::default()
            .method(method)
            .bounds(lower.clone(), upper.clone())
            .stationarity(1e-10)
            .iterations(500);
        let found = search(&map, &y, &DVector::zeros(5), &options, go_on).unwrap();
        assert_eq!(found.stop, SearchStop::Stationary, "{found:?}");
        let distance = (&found.input - &expected.x).norm();
        assert!(distance < 1e-8, "{method:?}: {distance:e}");
        assert!(!found.at_bounds.is_empty() && found.residual > 1.0);
    }
    // And through tanh, where the target can be had within the box, it is.
    let (map, x, y) = problem(&[6, 8, 6], 0.8, 4);
    let x = x.map(|x| x.clamp(-1.0, 1.0));
    let y = map.value(&x).unwrap_or(y);
    let one = DVector::from_element(6, 1.0);
    let options = SearchOptions::default().bounds(-&one, one);
    let found = search(&map, &y, &DVector::zeros(6), &options, go_on).unwrap();
    assert_eq!(found.stop, SearchStop::Converged, "{found:?}");
    assert!(found.input.amax() <= 1.0);
}

#[test]
fn fixed_inputs_stay_and_unknown_outputs_are_not_looked_at() {
    let (map, x, y) = problem(&[8, 10, 6], 0.8, 5);
    let mut seed = DVector::zeros(8);
    (seed[1], seed[4]) = (x[1], x[4]);
    let mut target = y.clone();
    target[2] = f64::NAN;
    let mut weights = DVector::from_element(6, 1.0);
    (weights[2], weights[0]) = (0.0, 5.0);
    let options = SearchOptions::default().fixed([4, 1]).weights(weights);
    let found = search(&map, &target, &seed, &options, go_on).unwrap();
    assert_eq!(found.stop, SearchStop::Converged, "{found:?}");
    assert_eq!((found.input[1], found.input[4]), (x[1], x[4]));
    let off = map.value(&found.input).unwrap() - &y;
    for index in [0, 1, 3, 4, 5] {
        assert!(off[index].abs() < 1e-8, "{index}: {:e}", off[index]);
    }
}

#[test]
fn the_priors_are_those_of_ridge_regression_and_of_differences() {
    // (WᵀW + λ·I + μ·DᵀD)·x = Wᵀy + λ·x₀, with D over the four neighbors of a 2 x 2 image.
    let mut rng = seeded(6);
    let weight = normal(2, 4, &mut rng);
    let (x0, y) = (vector(&[0.1, -0.2, 0.3, 0.4]), vector(&[1.0, 2.0]));
    let differences = DMatrix::from_row_slice(
        4,
        4,
        &[-1.0, 1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, -1.0, 1.0],
    );
    let (lambda, mu) = (0.3, 0.7);
    let left = weight.transpose() * &weight
        + DMatrix::identity(4, 4) * lambda
        + differences.transpose() * differences * mu;
    let right = weight.transpose() * &y + &x0 * lambda;
    let expected = linalg::Lu::new(left).unwrap().solve(&right).unwrap();
    let map = Tanhs::linear(weight);
    let options = SearchOptions::default()
        .stay_near(lambda)
        .smooth(Shape::image(1, 2, 2), mu)
        .stationarity(1e-12);
    let found = search(&map, &y, &x0, &options, go_on).unwrap();
    assert!((&found.input - &expected).norm() < 1e-10, "{found:?}");
    assert_eq!(found.stop, SearchStop::Stationary);
}

#[test]
fn products_alone_solve_a_map_of_two_thousand_inputs() {
    let map = Ring { n: 2000, a: 0.6 };
    let x = normal(2000, 1, &mut seeded(7)).column(0).into_owned();
    let y = map.value(&x).unwrap();
    for (method, most) in [(SearchMethod::LevenbergMarquardt, 30), (SearchMethod::Lbfgs, 200)] {
        let options = SearchOptions::default().method(method);
        let found = search(&map, &y, &DVector::zeros(2000), &options, go_on).unwrap();
        assert_eq!(found.stop, SearchStop::Converged, "{method:?} {:?}", found.optimality);
        assert!(found.iterations <= most, "{method:?}: {}", found.iterations);
    }
    // With bounds that cut some of the inputs off, and some fixed, the conditions of a minimum hold.
    let one = DVector::from_element(2000, 1.0);
    let options = SearchOptions::default().bounds(-&one, one).fixed([3]).iterations(400);
    let found = search(&map, &y, &DVector::zeros(2000), &options, go_on).unwrap();
    assert_eq!(found.stop, SearchStop::Stationary, "{}", found.optimality);
    assert_eq!(found.input[3].to_bits(), 0.0_f64.to_bits());
    let gradient = {
        let at = map.linearize(&found.input).unwrap();
        let mut g = DVector::zeros(2000);
        at.jacobian.apply_adjoint((at.value - &y).as_slice(), g.as_mut_slice()).unwrap();
        g
    };
    for i in (0..2000).filter(|&i| i != 3) {
        let (x, g) = (found.input[i], gradient[i]);
        let holds = (x <= -1.0 && g >= -1e-6) || (x >= 1.0 && g <= 1e-6) || g.abs() <= 1e-6;
        assert!(holds, "{i}: x = {x}, gradient {g:e}");
    }
}

#[test]
fn products_alone_weigh_the_priors_as_the_matrix_does() {
    // (1 + λ)·x + μ·DᵀD·x = y + λ·x₀ for the identity, D the differences along a line.
    let n = 1500;
    let map = Ring { n, a: 0.0 };
    let mut rng = seeded(9);
    let (y, x0) = (normal(n, 1, &mut rng).column(0) * 1.0, normal(n, 1, &mut rng).column(0) * 1.0);
    let (lambda, mu) = (0.3, 0.7);
    let options = SearchOptions::default()
        .stay_near(lambda)
        .smooth(Shape::image(1, n, 1), mu)
        .stationarity(1e-9);
    for method in [SearchMethod::LevenbergMarquardt, SearchMethod::Lbfgs] {
        let found = search(&map, &y, &x0, &options.clone().method(method), go_on).unwrap();
        let x = &found.input;
        for i in 0..n {
            let before = if i > 0 { x[i] - x[i - 1] } else { 0.0 };
            let after = if i + 1 < n { x[i + 1] - x[i] } else { 0.0 };
            let off = x[i] - y[i] + lambda * (x[i] - x0[i]) + mu * (before - after);
            assert!(off.abs() < 1e-6, "{method:?} {i}: {off:e}");
        }
    }
}

#[test]
fn a_search_that_is_stopped_or_runs_out_returns_what_it_reached() {
    let (map, _, y) = problem(&[10, 20, 20, 10], 1.5, 8);
    let seed = DVector::zeros(10);
    let start = (map.value(&seed).unwrap() - &y).norm();
    for method in
        [SearchMethod::LevenbergMarquardt, SearchMethod::Lbfgs, SearchMethod::Adam { rate: 0.01 }]
    {
        let options = SearchOptions::default().method(method);
        let mut steps = 0;
        let found = search(&map, &y, &seed, &options, |_| {
            steps += 1;
            if steps == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        assert_eq!((found.stop, steps), (SearchStop::Stopped, 2), "{method:?}");
        assert!(found.residual < start, "{method:?}");
        let found = search(&map, &y, &seed, &options.iterations(3), go_on).unwrap();
        assert_eq!((found.stop, found.iterations), (SearchStop::Budget, 3), "{method:?}");
        assert!(found.residual < start, "{method:?}");
        assert!(found.evaluations > 3);
    }
}

#[test]
fn out_of_reach_ends_stationary_with_a_residual() {
    // tanh(x)·(1, 1) can give no (1, −1): the minimum is x = 0, where Jᵀr = 0.
    let map = Tanhs(vec![
        (DMatrix::identity(1, 1), DVector::zeros(1)),
        (DMatrix::from_element(2, 1, 1.0), DVector::zeros(2)),
    ]);
    let found =
        search(&map, &vector(&[1.0, -1.0]), &vector(&[0.5]), &SearchOptions::default(), go_on)
            .unwrap();
    assert_eq!(found.stop, SearchStop::Stationary);
    assert!(found.input[0].abs() < 1e-7 && (found.residual - 2.0_f64.sqrt()).abs() < 1e-12);
    assert!(found.optimality <= 1e-8);
}

#[test]
fn adam_gets_past_a_kink_where_newton_steps_end() {
    /// |x₀ − 1| + |x₁|/100, a valley with a kink all along.
    struct Kink;
    impl Map<f64> for Kink {
        fn inputs(&self) -> usize {
            2
        }
        fn outputs(&self) -> usize {
            1
        }
        fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
            Ok(vector(&[(x[0] - 1.0).abs() + x[1].abs() / 100.0]))
        }
        fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
            let slopes = [(x[0] - 1.0).signum(), x[1].signum() / 100.0];
            let jacobian = Box::new(DMatrix::from_row_slice(1, 2, &slopes));
            Ok(crate::Linearization { value: self.value(x)?, jacobian })
        }
    }
    let (target, seed) = (vector(&[0.0]), vector(&[3.0, 2.0]));
    let of = |method, iterations| {
        let options = SearchOptions::default().method(method).iterations(iterations);
        search(&Kink, &target, &seed, &options, go_on).unwrap().residual
    };
    let adam = of(SearchMethod::Adam { rate: 0.05 }, 4000);
    assert!(adam < 1e-3, "{adam:e}");
}

#[test]
fn single_precision_searches_too() {
    struct Cubic;
    impl Map<f32> for Cubic {
        fn inputs(&self) -> usize {
            2
        }
        fn outputs(&self) -> usize {
            2
        }
        fn value(&self, x: &DVector<f32>) -> Result<DVector<f32>> {
            Ok(x.map(|x| x + x * x * x))
        }
        fn linearize<'a>(&'a self, x: &DVector<f32>) -> Result<crate::Linearization<'a, f32>> {
            let slopes = x.map(|x| 1.0 + 3.0 * x * x);
            let jacobian = Box::new(DMatrix::from_diagonal(&slopes));
            Ok(crate::Linearization { value: self.value(x)?, jacobian })
        }
    }
    let options = SearchOptions::default().tolerance(1e-6);
    let target = DVector::from_vec(vec![2.0_f32, 10.0]);
    let found = search(&Cubic, &target, &DVector::zeros(2), &options, go_on).unwrap();
    assert_eq!(found.stop, SearchStop::Converged, "{found:?}");
    assert!((found.input[0] - 1.0).abs() < 1e-5 && (found.input[1] - 2.0).abs() < 1e-5);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let map = Tanhs::linear(DMatrix::identity(2, 2));
    let (y, x) = (vector(&[1.0, 2.0]), vector(&[0.0, 0.0]));
    let plain = SearchOptions::default;
    let text = |target: &DVector<f64>, seed: &DVector<f64>, options: SearchOptions<f64>| {
        search(&map, target, seed, &options, go_on).unwrap_err().to_string()
    };
    let one = || vector(&[1.0, 1.0]);
    let cases: Vec<(String, &str)> = vec![
        (text(&vector(&[1.0]), &x, plain()), "target has 1 entries, expected 2"),
        (text(&y, &vector(&[1.0]), plain()), "seed has 1 entries, expected 2"),
        (
            text(&vector(&[1.0, f64::NAN]), &x, plain()),
            "target[1, 0] is NaN, and every entry must be finite",
        ),
        (
            text(&y, &vector(&[f64::INFINITY, 0.0]), plain()),
            "seed[0, 0] is inf, and every entry must be finite",
        ),
        (text(&y, &x, plain().iterations(0)), "iterations is 0, expected at least 1"),
        (
            text(&y, &x, plain().tolerance(f64::NAN)),
            "tolerance is NaN, expected a finite number greater than 0",
        ),
        (
            text(&y, &x, plain().stationarity(1.0)),
            "stationarity is 1, expected a cosine from 0 to below 1",
        ),
        (
            text(&y, &x, plain().method(SearchMethod::Adam { rate: 0.0 })),
            "rate is 0, expected a finite number greater than 0",
        ),
        (
            text(&y, &x, plain().stay_near(-1.0)),
            "stay_near is -1, expected a finite number, 0 or greater",
        ),
        (
            text(&y, &x, plain().smooth(Shape::image(1, 1, 2), 0.0)),
            "the weight of smooth is 0, expected a finite number greater than 0",
        ),
        (
            text(&y, &x, plain().smooth(Shape::image(1, 3, 1), 1.0)),
            "the shape of smooth has 3 entries, expected 2",
        ),
        (text(&y, &x, plain().fixed([2])), "fixed has index 2, and there are 2"),
        (text(&y, &x, plain().weights(vector(&[1.0]))), "weights has 1 entries, expected 2"),
        (
            text(&y, &x, plain().weights(vector(&[1.0, -1.0]))),
            "a weight is -1, expected 0 or greater",
        ),
        (
            text(&y, &x, plain().weights(vector(&[0.0, 0.0]))),
            "the largest weight is 0, expected a number greater than 0",
        ),
        (
            text(&y, &x, plain().bounds(one(), vector(&[2.0]))),
            "the upper bounds has 1 entries, expected 2",
        ),
        (
            text(&y, &x, plain().bounds(-one(), vector(&[1.0, -2.0]))),
            "bounds[1] are -1 and -2, expected lower <= upper and a finite number between",
        ),
        (
            text(&y, &x, plain().bounds(vector(&[f64::NAN, 0.0]), one())),
            "bounds[0] are NaN and 1, expected lower <= upper and a finite number between",
        ),
        (
            text(&y, &vector(&[0.0, 3.0]), plain().bounds(-one(), one())),
            "seed[1] is 3, outside of its bounds -1 to 1",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_map_without_a_value_at_the_seed_is_refused() {
    struct Root;
    impl Map<f64> for Root {
        fn inputs(&self) -> usize {
            1
        }
        fn outputs(&self) -> usize {
            1
        }
        fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
            Ok(x.map(f64::sqrt))
        }
        fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
            let jacobian = Box::new(DMatrix::from_element(1, 1, 0.5 / x[0].sqrt()));
            Ok(crate::Linearization { value: self.value(x)?, jacobian })
        }
    }
    let options = SearchOptions::default();
    let error = search(&Root, &vector(&[2.0]), &vector(&[-1.0]), &options, go_on).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the map's output 0 is NaN at the seed, and must be finite there"
    );
    // A step into where it has none is not taken.
    let found = search(&Root, &vector(&[0.1]), &vector(&[4.0]), &options, go_on).unwrap();
    assert_eq!(found.stop, SearchStop::Converged, "{found:?}");
    assert!((found.input[0] - 0.01).abs() < 1e-10);
    assert!(matches!(error, Error::MapNotFinite { index: 0, .. }));
}
