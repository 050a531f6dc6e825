//! Searches followed step by step, beside a plain account of what each step is, and the figures of their
//! reports beside their definitions.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use linalg::{DMatrix, DVector, LinearOperator};
use nn_core::Shape;

use super::objective::{Jacobian, Objective, entries};
use super::{DENSE, SearchMethod, SearchOptions, SearchStop, search};
use crate::testing::{Ring, Tanhs, normal, seeded, vector};
use crate::{Linearization, Map, Result};

/// f and f′ of one number.
type Curve = fn(f64) -> (f64, f64);

/// f and f′ of one number, for each of `copies` numbers on its own; counts what it is asked for.
struct Each {
    copies: usize,
    f: Curve,
    asked: Cell<usize>,
    at: RefCell<Vec<f64>>,
}

impl Each {
    fn new(copies: usize, f: Curve) -> Self {
        Self { copies, f, asked: Cell::new(0), at: RefCell::new(Vec::new()) }
    }
}

struct Scaled(Vec<f64>);

impl LinearOperator<f64> for Scaled {
    fn nrows(&self) -> usize {
        self.0.len()
    }
    fn ncols(&self) -> usize {
        self.0.len()
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        for ((y, x), s) in y.iter_mut().zip(x).zip(&self.0) {
            *y = s * x;
        }
        Ok(())
    }
    fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        self.apply(x, y)
    }
}

impl Map<f64> for Each {
    fn inputs(&self) -> usize {
        self.copies
    }
    fn outputs(&self) -> usize {
        self.copies
    }
    fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
        self.asked.set(self.asked.get() + 1);
        self.at.borrow_mut().push(x[0]);
        Ok(x.map(|x| (self.f)(x).0))
    }
    fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
        let value = self.value(x)?;
        let slopes = x.iter().map(|&x| (self.f)(x).1).collect();
        Ok(Linearization { value, jacobian: Box::new(Scaled(slopes)) })
    }
}

/// x and the evaluations so far after every step of Levenberg's and Marquardt's method on n equal numbers, as
/// its documentation has it.
fn plain_levenberg(
    f: Curve,
    (y, x0): (f64, f64),
    // n·J² of a Jacobian that is known, the largest J² seen of one that is multiplied with.
    (n, known): (f64, bool),
    steps: usize,
) -> Vec<(f64, usize)> {
    let (mut x, mut damping, mut growth, mut evaluations) = (x0, 1e-3, 2.0, 1);
    let first = (f(x0).0 - y).abs();
    let mut square = 0.0_f64;
    let mut told = Vec::new();
    while told.len() < steps {
        let (value, slope) = f(x);
        let r = value - y;
        square = if known { n * slope * slope } else { square.max(slope * slope) };
        let lambda = damping * square * (r.abs() / first).min(1.0);
        let d = -slope * r / (slope * slope + lambda);
        let promised = -(slope * r * d + 0.5 * (slope * d).powi(2));
        let ratio = 0.5 * (r * r - (f(x + d).0 - y).powi(2)) / promised;
        evaluations += 1;
        if ratio > 1e-4 {
            damping = (damping * (1.0 - (2.0 * ratio - 1.0).powi(3)).clamp(0.1, 2.0)).max(1e-15);
            growth = 2.0;
            evaluations += 1;
            x += d;
        } else {
            damping *= growth;
            growth *= 2.0;
        }
        told.push((x, evaluations));
    }
    told
}

#[test]
fn levenberg_and_marquardt_take_the_steps_that_are_written_down() {
    // A minimum beside it, a slope that falls off, and one that rises: steps too long, too short, refused.
    let wave = |x: f64| (x + 1.5 * (2.0 * x).sin(), 1.0 + 3.0 * (2.0 * x).cos());
    let flat = |x: f64| (x.atan(), 1.0 / (1.0 + x * x));
    let steep = |x: f64| (x + x.powi(3), 1.0 + 3.0 * x * x);
    let cases: [(Curve, f64, f64); 5] = [
        (wave, 4.0, 0.3),
        (wave, -2.0, 0.5),
        (flat, 0.1, 3.0),
        (steep, 30.0, 0.1),
        (steep, 2.0, 5.0),
    ];
    for (case, &(f, y, x0)) in cases.iter().enumerate() {
        // One number, a Jacobian just small enough to be made, and one just too large.
        for (n, most) in [(1, 14), (512, 2), (513, 14)] {
            let map = Each::new(n, f);
            let known = n <= DENSE;
            let told = plain_levenberg(f, (y, x0), (n as f64, known), most);
            let (target, seed) = (DVector::from_element(n, y), DVector::from_element(n, x0));
            let options = SearchOptions::default().iterations(most).tolerance(1e-9);
            let mut step = 0;
            let found = search(&map, &target, &seed, &options, |progress| {
                let (x, evaluations) = told[step];
                step += 1;
                assert_eq!(
                    (progress.iteration, progress.evaluations),
                    (step, evaluations),
                    "{case} {n}"
                );
                assert_eq!(progress.evaluations, map.asked.get());
                // What rounds is multiplied by the curvature over the slope at each step, 30 at most where
                // these maps are flattest, and shrinks where steps are Newton's.
                let off = (progress.input[0] - x).abs();
                assert!(off <= 1e-8 * x.abs().max(1.0), "{case}, {n}, step {step}: {off:e} of {x}");
                let relative = (f(x).0 - y).abs() / y.abs();
                assert!((progress.relative_residual - relative).abs() <= 1e-7 * relative.max(1.0));
                ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(
                (found.iterations, found.evaluations),
                (step, map.asked.get()),
                "{case} {n}"
            );
            assert!(
                step >= 2 && (step == most || found.stop == SearchStop::Converged),
                "{found:?}"
            );
        }
    }
}

#[test]
fn a_step_of_gradients_is_halved_until_the_cost_falls_by_what_it_promised() {
    // From the first place, where L-BFGS remembers nothing: −f′·r over its own size, and halves of it.
    let steep = |x: f64| (x + 10.0 * x.powi(3), 1.0 + 30.0 * x * x);
    let gentle = |x: f64| (0.3 * x, 0.3);
    let wave = |x: f64| (x + 1.5 * (2.0 * x).sin(), 1.0 + 3.0 * (2.0 * x).cos());
    let cases: [(Curve, f64, f64); 5] = [
        (steep, 1.0, 0.2),
        (steep, 3.0, 0.9),
        (gentle, 1.0, 0.0),
        (wave, 4.0, 0.3),
        (wave, -1.0, 1.2),
    ];
    let mut most = 0;
    for (f, y, x0) in cases {
        let (value, slope) = f(x0);
        let r = value - y;
        let gradient = slope * r;
        let (upper, lower) = (2.0, -2.0);
        let mut step = (1.0 / gradient.abs()).min(1.0);
        let mut trials = vec![x0];
        let expected = loop {
            let x = (x0 - step * gradient).clamp(lower, upper);
            trials.push(x);
            let fall = 0.5 * (r * r - (f(x).0 - y).powi(2));
            if fall >= -1e-4 * gradient * (x - x0) {
                break x;
            }
            step /= 2.0;
        };
        // Its value was asked for, and now its gradient.
        trials.push(expected);
        most = most.max(trials.len());
        let map = Each::new(1, f);
        let options = SearchOptions::default()
            .method(SearchMethod::Lbfgs)
            .bounds(vector(&[lower]), vector(&[upper]))
            .iterations(1);
        let found = search(&map, &vector(&[y]), &vector(&[x0]), &options, go_on).unwrap();
        assert_eq!((found.iterations, found.evaluations), (1, trials.len()));
        let at = map.at.borrow();
        assert_eq!(at.len(), trials.len());
        for (at, trial) in at.iter().zip(&trials) {
            assert!(
                (at - trial).abs() <= 16.0 * f64::EPSILON * (1.0 + trial.abs()),
                "{at} {trial}"
            );
        }
    }
    assert!(most >= 5, "some step was halved: {most}");
}

#[test]
fn adam_takes_the_steps_of_its_paper_at_a_rate_that_falls_along_a_cosine() {
    // Kingma & Ba 2015, algorithm 1, with β = (0.9, 0.999) and ε = 1e-8.
    let (f, y, x0, rate, most) =
        (|x: f64| (x + x.powi(3), 1.0 + 3.0 * x * x), 30.0, 0.1, 0.4, 25_u32);
    let mut told = Vec::new();
    let (mut x, mut m, mut v): (f64, f64, f64) = (x0, 0.0, 0.0);
    for t in 0..most {
        let (value, slope) = f(x);
        let gradient = slope * (value - y);
        (m, v) = (0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient * gradient);
        let t1 = (t + 1) as i32;
        let (m1, v1) = (m / (1.0 - 0.9_f64.powi(t1)), v / (1.0 - 0.999_f64.powi(t1)));
        let share = 0.5 * (1.0 + (std::f64::consts::PI * f64::from(t) / f64::from(most)).cos());
        x -= share * rate * m1 / (v1.sqrt() + 1e-8);
        told.push(x);
    }
    let map = Each::new(1, f);
    let options =
        SearchOptions::default().method(SearchMethod::Adam { rate }).iterations(most as usize);
    let mut step = 0;
    let found = search(&map, &vector(&[y]), &vector(&[x0]), &options, |progress| {
        // Adam divides by the size of the gradient: what rounds stays of the size of eps a step.
        assert!((progress.input[0] - told[step]).abs() <= 1e-11, "{step}");
        step += 1;
        assert_eq!((progress.iteration, progress.evaluations), (step, step + 1));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((step, found.stop), (most as usize, SearchStop::Budget));
    assert_eq!((found.iterations, found.evaluations), (step, map.asked.get()));
    // It swings around the minimum, and what it gives is the best it saw.
    told.push(x0);
    let off = |x: f64| (f(x).0 - y).abs();
    let best = told.iter().copied().fold(f64::INFINITY, |least, x| least.min(off(x)));
    assert!((found.residual - best).abs() <= 1e-9 && off(told[told.len() - 2]) > best, "{found:?}");
}

/// The stack of residuals and its Jacobian, and x = 0 to 3 of a 2 x 2 image, written out.
fn stack(
    map: &Tanhs,
    (y, x0, x): (&DVector<f64>, &DVector<f64>, &DVector<f64>),
    weights: &[f64],
    (near, smooth): (f64, f64),
) -> (DVector<f64>, DMatrix<f64>) {
    let at = map.linearize(x).unwrap();
    let j = entries(at.jacobian.as_ref()).unwrap();
    let mut rows: Vec<(f64, Vec<f64>)> = Vec::new();
    for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        rows.push((w * (at.value[i] - y[i]), j.row(i).iter().map(|j| w * j).collect()));
    }
    let unit = |i: usize, by: f64| (0..4).map(move |k| if k == i { by } else { 0.0 });
    if near > 0.0 {
        let by = near.sqrt();
        rows.extend((0..4).map(|i| (by * (x[i] - x0[i]), unit(i, by).collect())));
    }
    if smooth > 0.0 {
        let by = smooth.sqrt();
        for (i, j) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
            let row = unit(j, by).zip(unit(i, by)).map(|(j, i)| j - i).collect();
            rows.push((by * (x[j] - x[i]), row));
        }
    }
    let r = DVector::from_iterator(rows.len(), rows.iter().map(|row| row.0));
    (r, DMatrix::from_fn(rows.len(), 4, |i, j| rows[i].1[j]))
}

#[test]
fn every_figure_of_a_search_is_what_it_is_said_to_be() {
    let mut held = 0;
    for seed in 0..48_usize {
        let mut rng = seeded(seed as u64);
        let map = Tanhs::random(&[4, 6, 3], 1.0, &mut rng);
        let column = |n, rng: &mut _| normal(n, 1, rng).column(0).into_owned();
        let (y, x0) = (column(3, &mut rng), column(4, &mut rng).map(|x| x.clamp(-0.9, 0.9)));
        let weights = [[1.0, 1.0, 1.0], [2.0, 0.0, 0.5]][seed % 2];
        let near = [0.0, 0.2][seed / 2 % 2];
        let smooth = [0.0, 0.3][seed / 4 % 2];
        let method = [
            SearchMethod::LevenbergMarquardt,
            SearchMethod::Lbfgs,
            SearchMethod::Adam { rate: 0.05 },
        ][seed % 3];
        let mut options = SearchOptions::default()
            .method(method)
            .weights(vector(&weights))
            .stay_near(near)
            .bounds(DVector::from_element(4, -1.0), DVector::from_element(4, 1.0))
            .fixed(if seed % 5 == 0 { vec![1] } else { vec![] })
            .iterations(if seed % 7 < 3 { 4 } else { 60 });
        if smooth > 0.0 {
            options = options.smooth(Shape::image(1, 2, 2), smooth);
        }
        let found = search(&map, &y, &x0, &options, go_on).unwrap();
        let x = &found.input;
        let (r, j) = stack(&map, (&y, &x0, x), &weights, (near, smooth));
        let mut gradient = j.tr_mul(&r);
        let mut at_bounds = Vec::new();
        for i in 0..4 {
            let fixed = seed % 5 == 0 && i == 1;
            let outward = (x[i] <= -1.0 && gradient[i] > 0.0) || (x[i] >= 1.0 && gradient[i] < 0.0);
            if !fixed && x[i].abs() >= 1.0 {
                at_bounds.push(i);
            }
            if fixed || outward {
                gradient[i] = 0.0;
            }
        }
        held += at_bounds.len();
        assert_eq!(found.at_bounds, at_bounds, "seed {seed}");
        let off = map.value(x).unwrap() - &y;
        let of = |weigh: &dyn Fn(f64) -> f64, v: &DVector<f64>| {
            v.iter().zip(&weights).map(|(v, &w)| (weigh(w) * v).powi(2)).sum::<f64>().sqrt()
        };
        // Sums of a dozen products, with what they are differences of.
        let rounding = 64.0 * f64::EPSILON;
        let plain = of(&|w| f64::from(w > 0.0), &off);
        assert!((found.residual - plain).abs() <= rounding * (plain + y.norm()), "seed {seed}");
        let relative = of(&|w| w, &off) / of(&|w| w, &y);
        assert!((found.relative_residual - relative).abs() <= rounding * (relative + 2.0));
        assert!((found.seed_distance - (x - &x0).norm()).abs() <= rounding);
        let optimality = gradient.norm() / (j.norm() * r.norm());
        let digits = rounding * (1.0 + (y.norm() + x.norm()) / r.norm());
        assert!(
            (found.optimality - optimality).abs() <= digits,
            "seed {seed}: {found:?} {optimality:e}"
        );
        let reached = found.relative_residual <= 1e-10;
        match found.stop {
            SearchStop::Converged => assert!(reached),
            SearchStop::Stationary => assert!(!reached && found.optimality <= 1e-8),
            SearchStop::Budget => assert!(found.iterations == options.iterations),
            SearchStop::NoProgress => assert!(found.optimality <= 1e-6, "{found:?}"),
            SearchStop::Stopped => unreachable!(),
        }
    }
    assert!(held > 10, "bounds were met: {held}");
}

#[test]
fn entries_are_had_by_the_fewer_products() {
    /// A matrix that counts its products, one for each vector.
    struct Counted<'a>(&'a DMatrix<f64>, Cell<usize>, Cell<usize>);
    impl LinearOperator<f64> for Counted<'_> {
        fn nrows(&self) -> usize {
            self.0.nrows()
        }
        fn ncols(&self) -> usize {
            self.0.ncols()
        }
        fn apply(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
            self.1.set(self.1.get() + 1);
            self.0.apply(x, y)
        }
        fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
            self.2.set(self.2.get() + 1);
            self.0.apply_adjoint(x, y)
        }
    }
    // A column costs a quarter of a row, as columns go together.
    for (rows, columns, by) in [(3, 3, (3, 0)), (3, 12, (12, 0)), (3, 13, (0, 3)), (7, 2, (2, 0))] {
        let matrix = normal(rows, columns, &mut seeded(1));
        let counted = Counted(&matrix, Cell::new(0), Cell::new(0));
        assert_eq!(entries(&counted).unwrap(), matrix);
        assert_eq!((counted.1.get(), counted.2.get()), by, "{rows} x {columns}");
    }
}

fn go_on(_: &super::SearchProgress<'_, f64>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn quasi_newton_learns_the_curvature_from_the_gradients() {
    // Of one number, what is remembered of two gradients is the secant: x₂ = x₁ − g₁·(x₁ − x₀)/(g₁ − g₀).
    let mut whole = 0;
    let cases: [(Curve, f64, f64); 3] = [
        (|x| (0.5 * x, 0.5), 1.0, 0.0),
        (|x| (x.exp(), x.exp()), 2.0, 0.2),
        (|x| (x + 0.1 * x.powi(3), 1.0 + 0.3 * x * x), 2.0, 0.5),
    ];
    for (f, y, x0) in cases {
        let gradient = |x: f64| f(x).1 * (f(x).0 - y);
        for bounded in [false, true] {
            let map = Each::new(1, f);
            let mut options = SearchOptions::default()
                .method(SearchMethod::Lbfgs)
                .iterations(2)
                .stationarity(0.0);
            if bounded {
                options = options.bounds(vector(&[-50.0]), vector(&[50.0]));
            }
            let mut places = vec![x0];
            let found = search(&map, &vector(&[y]), &vector(&[x0]), &options, |progress| {
                places.push(progress.input[0]);
                ControlFlow::Continue(())
            })
            .unwrap();
            let (x0, x1, x2) = (places[0], places[1], places[2]);
            let (g0, g1) = (gradient(x0), gradient(x1));
            let secant = x1 - g1 * (x1 - x0) / (g1 - g0);
            // It is taken whole where the cost falls enough, as it does but where two gradients of opposite
            // signs are nearly one.
            let cost = |x: f64| 0.5 * (f(x).0 - y).powi(2);
            if cost(secant) <= cost(x1) + 1e-4 * g1 * (secant - x1) {
                assert!((x2 - secant).abs() <= 1e-12, "{x0} {x1} {x2} {secant}");
                whole += 1;
            }
            assert_eq!(found.evaluations, map.asked.get());
        }
    }
    assert!(whole >= 2, "{whole}");
}

#[test]
fn products_and_entries_of_the_stack_are_one_matrix() {
    let map = Tanhs::random(&[6, 5, 4], 1.0, &mut seeded(3));
    let (y, x0) = (vector(&[1.0, 2.0, 3.0, 4.0]), DVector::zeros(6));
    let options = SearchOptions::default()
        .weights(vector(&[2.0, 0.0, 0.5, 1.0]))
        .stay_near(0.3)
        .smooth(Shape::image(1, 3, 2), 0.7)
        .fixed([4]);
    let objective = Objective::new(&map, &y, &x0, &options).unwrap();
    // 3 weighted outputs, 6 inputs, 4 neighbors in rows and 3 in columns.
    assert_eq!(objective.rows(), 3 + 6 + 7);
    let x = normal(6, 1, &mut seeded(4)).column(0).into_owned();
    let (_, made) = objective.linearize(x.clone()).unwrap();
    assert!(matches!(made, Jacobian::Dense(_)));
    let multiplied = Jacobian::Products(map.linearize(&x).unwrap().jacobian);
    for seed in 0..8 {
        let v = normal(6, 1, &mut seeded(seed)).column(0).into_owned();
        let u = normal(16, 1, &mut seeded(seed)).column(0).into_owned();
        let forward = [&made, &multiplied].map(|j| objective.apply(j, &v).unwrap());
        let back = [&made, &multiplied].map(|j| objective.apply_adjoint(j, &u).unwrap());
        // Sums of at most a dozen products.
        let limit = 16.0 * f64::EPSILON;
        assert!((&forward[0] - &forward[1]).norm() <= limit * forward[0].norm().max(v.norm()));
        assert!((&back[0] - &back[1]).norm() <= limit * u.norm() * 8.0);
        assert_eq!(back[1][4].to_bits(), 0.0_f64.to_bits());
        let mut free = v.clone();
        free[4] = 0.0;
        let sides = (objective.apply(&multiplied, &free).unwrap().dot(&u), back[1].dot(&free));
        assert!((sides.0 - sides.1).abs() <= 16.0 * limit * u.norm() * v.norm(), "{sides:?}");
    }
}

#[test]
fn with_a_prior_an_output_that_is_had_is_not_enough() {
    // Each prior alone: at the seed f(x) = y already, and the sum of both is less elsewhere.
    let map = Tanhs::linear(DMatrix::from_row_slice(1, 3, &[1.0, 0.0, 0.0]));
    let (y, seed) = (vector(&[1.0]), vector(&[1.0, 5.0, 0.0]));
    let smooth = SearchOptions::default().smooth(Shape::image(1, 3, 1), 1e-3);
    let found = search(&map, &y, &seed, &smooth, go_on).unwrap();
    // All alike: 1, 1, 1, where the prior is 0 too.
    assert_eq!(found.stop, SearchStop::Converged);
    assert!((&found.input - vector(&[1.0; 3])).norm() <= 1e-6, "{found:?}");
    // Near the seed, and the output wanted elsewhere: (x − 2) + λ·(x − 1) = 0.
    let near = SearchOptions::default().stay_near(0.25).stationarity(1e-12).tolerance(0.5);
    let found = search(&map, &vector(&[2.0]), &seed, &near, go_on).unwrap();
    assert!((found.input[0] - 1.8).abs() <= 1e-10, "{found:?}");
}

#[test]
fn units_of_inputs_and_outputs_do_not_matter() {
    // By powers of two every product and every root is the same number in other units: so are all steps.
    for seed in 0..12 {
        let mut rng = seeded(seed);
        let map = Tanhs::random(&[5, 7, 4], 1.2, &mut rng);
        let y = map.value(&normal(5, 1, &mut rng).column(0).into_owned()).unwrap();
        // Every third target is out of reach.
        let y = y * if seed % 3 == 0 { 3.0 } else { 1.0 };
        let (seed_x, one) = (DVector::from_element(5, 0.1), DVector::from_element(5, 1.0));
        let plain = SearchOptions::default();
        let run = |map: &Tanhs, y: &DVector<f64>, unit: f64| {
            let options = match seed % 2 {
                0 => plain.clone(),
                _ => plain
                    .clone()
                    .bounds(&one * -unit, &one * unit)
                    .weights(vector(&[1.0, 2.0, 0.0, 1.0])),
            };
            search(map, y, &(&seed_x * unit), &options, go_on).unwrap()
        };
        let found = run(&map, &y, 1.0);
        for unit in [2.0_f64.powi(15), 2.0_f64.powi(-15)] {
            let mut outputs = Tanhs(map.0.clone());
            outputs.0[1].0 *= unit;
            outputs.0[1].1 *= unit;
            let other = run(&outputs, &(&y * unit), 1.0);
            assert_eq!((&other.input, other.stop), (&found.input, found.stop), "{seed} {unit}");
            assert_eq!(
                (other.iterations, other.evaluations),
                (found.iterations, found.evaluations)
            );
            assert_eq!(other.residual.to_bits(), (found.residual * unit).to_bits());
            assert_eq!(other.relative_residual.to_bits(), found.relative_residual.to_bits());
            assert_eq!(other.optimality.to_bits(), found.optimality.to_bits());
            let mut inputs = Tanhs(map.0.clone());
            inputs.0[0].0 /= unit;
            let other = run(&inputs, &y, unit);
            assert_eq!(
                (&other.input, other.stop),
                (&(&found.input * unit), found.stop),
                "{seed} {unit}"
            );
            assert_eq!(
                (other.iterations, other.at_bounds),
                (found.iterations, found.at_bounds.clone())
            );
            assert_eq!(other.seed_distance.to_bits(), (found.seed_distance * unit).to_bits());
        }
    }
}

/// A map with its outputs in other units.
struct InUnits<'a>(&'a Ring, f64);

struct OperatorInUnits<'a>(Box<dyn LinearOperator<f64> + Send + Sync + 'a>, f64);

impl LinearOperator<f64> for OperatorInUnits<'_> {
    fn nrows(&self) -> usize {
        self.0.nrows()
    }
    fn ncols(&self) -> usize {
        self.0.ncols()
    }
    fn apply(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        self.0.apply(x, y)?;
        y.iter_mut().for_each(|y| *y *= self.1);
        Ok(())
    }
    fn apply_adjoint(&self, x: &[f64], y: &mut [f64]) -> linalg::Result<()> {
        self.0.apply_adjoint(x, y)?;
        y.iter_mut().for_each(|y| *y *= self.1);
        Ok(())
    }
}

impl Map<f64> for InUnits<'_> {
    fn inputs(&self) -> usize {
        self.0.inputs()
    }
    fn outputs(&self) -> usize {
        self.0.outputs()
    }
    fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(self.0.value(x)? * self.1)
    }
    fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
        let at = self.0.linearize(x)?;
        let jacobian = Box::new(OperatorInUnits(at.jacobian, self.1));
        Ok(Linearization { value: at.value * self.1, jacobian })
    }
}

#[test]
fn units_do_not_matter_to_products_either() {
    let ring = Ring { n: 600, a: 0.9 };
    let x = normal(600, 1, &mut seeded(7)).column(0).into_owned();
    let y = ring.value(&x).unwrap();
    let of = |unit: f64| {
        let options = SearchOptions::default();
        search(&InUnits(&ring, unit), &(&y * unit), &DVector::zeros(600), &options, go_on).unwrap()
    };
    let found = of(1.0);
    assert_eq!(found.stop, SearchStop::Converged);
    for unit in [2.0_f64.powi(12), 2.0_f64.powi(-12)] {
        let other = of(unit);
        assert_eq!((&other.input, other.iterations), (&found.input, found.iterations), "{unit}");
        assert_eq!(other.optimality.to_bits(), found.optimality.to_bits());
    }
}
