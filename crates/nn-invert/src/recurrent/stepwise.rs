//! Layers that do the same at every step of a sequence, ready to be undone.

use linalg::nalgebra::DVectorView;
use linalg::{Cholesky, DMatrix, DMatrixView, DVector, Lu, PseudoInverse, Real};
use nn_core::{Linear, Recurrence, Shape, State};

use crate::Result;

/// z = W·h + b at every step.
#[derive(Debug, Clone)]
pub(super) struct StepAffine<T: Real> {
    pub(super) bias: DVector<T>,
    solver: Solver<T>,
    condition: f64,
}

#[derive(Debug, Clone)]
enum Solver<T: Real> {
    Lu(Lu<T>),
    /// Of least squares where there are more outputs than inputs, the shortest where fewer.
    PseudoInverse(PseudoInverse<T>),
}

impl<T: Real> StepAffine<T> {
    pub(super) fn new(weight: DMatrix<T>, bias: DVector<T>) -> Result<Self> {
        let inverse = PseudoInverse::new(&weight)?;
        let condition = inverse.condition_number();
        let solver = if weight.is_square() {
            Solver::Lu(Lu::new(weight)?)
        } else {
            Solver::PseudoInverse(inverse)
        };
        Ok(Self { bias, solver, condition })
    }

    /// σ₁/σₙ of W.
    pub(super) fn condition(&self) -> f64 {
        self.condition
    }

    /// Whether z determines h, and any z has one.
    pub(super) fn is_square(&self) -> bool {
        matches!(self.solver, Solver::Lu(_))
    }

    /// W⁻¹·d for every column.
    pub(super) fn solve(&self, d: &DMatrix<T>) -> Result<DMatrix<T>> {
        Ok(match &self.solver {
            Solver::Lu(lu) => lu.solve_many(d)?,
            Solver::PseudoInverse(inverse) => inverse.solve_many(d)?,
        })
    }
}

/// The matrix and the bias that an affine layer applies to each place of its input, where it does
/// the same to each and nothing across; the layer may be known by products alone.
pub(super) fn step_matrix<T: Real>(
    linear: &Linear<'_, T>,
    bias: &[T],
    (input, output): (Shape, Shape),
) -> Result<Option<(DMatrix<T>, DVector<T>)>> {
    let (places, rows, columns) = (input.places(), output.channels, input.channels);
    if output.places() != places || bias.chunks(rows).any(|step| step != &bias[..rows]) {
        return Ok(None);
    }
    let step_bias = DVector::from_column_slice(&bias[..rows]);
    let operator = match linear {
        Linear::Matrix(matrix) if places == 1 => {
            return Ok(Some((matrix.into_owned(), step_bias)));
        }
        Linear::Operator(operator) => operator,
        _ => return Ok(None),
    };
    // Were it the same at every place, a unit vector at each would show a column at each.
    let mut matrix = DMatrix::zeros(rows, columns);
    let mut y = vec![T::zero(); rows * places];
    for first in (0..columns).step_by(places) {
        let shown = places.min(columns - first);
        let mut x = vec![T::zero(); columns * places];
        for place in 0..shown {
            x[place * columns + first + place] = T::one();
        }
        operator.apply(&x, &mut y)?;
        let seen = DMatrixView::from_slice(&y[..rows * shown], rows, shown);
        matrix.columns_mut(first, shown).copy_from(&seen);
    }
    // Whether it is, is seen on one input in general position.
    let x = DMatrix::from_fn(columns, places, |i, j| {
        T::from_double(((i + columns * j + 1) as f64).sin())
    });
    operator.apply(x.as_slice(), &mut y)?;
    let seen = DMatrixView::from_slice(&y, rows, places);
    let rounding = 4.0 * (columns + 2) as f64 * T::EPSILON * columns as f64;
    let limit = rounding * matrix.amax().to_double();
    let same = (&matrix * x - seen).amax().to_double() <= limit;
    Ok(same.then_some((matrix, step_bias)))
}

/// An input that leads from one state to a given h, or comes nearest.
pub(super) struct StepInput<T: Real> {
    pub(super) x: DVector<T>,
    pub(super) state: State<T>,
    /// ∂h/∂x there.
    pub(super) by_input: DMatrix<T>,
    /// ‖h − target‖ over ‖target‖.
    pub(super) distance: f64,
    pub(super) reached: bool,
    pub(super) iterations: usize,
}

/// Most iterations from one start.
const ITERATIONS: usize = 200;
/// The longest step: of several inputs, one near the start is looked for.
const REACH: f64 = 0.5;
/// Most attempts of an iteration, each ten times as careful as the last.
const ATTEMPTS: usize = 14;

/// Looks for the x that leads from `state` to `target`, from `start` on: Newton's steps where they
/// gain, else Levenberg's and Marquardt's.
pub(super) fn step_input<T: Real>(
    layer: &Recurrence<'_, T>,
    state: &State<T>,
    target: DVectorView<'_, T>,
    start: DVector<T>,
) -> Result<StepInput<T>> {
    let scale = target.norm().to_double().max(T::EPSILON);
    let (tolerance, floor) = (T::EPSILON.powf(2.0 / 3.0) * scale, 2.0 * T::EPSILON * scale);
    let mut x = start;
    let mut step = layer.step(&x, state)?;
    let mut residual = target - &step.state.h;
    let mut size = residual.norm().to_double();
    let (mut damping, mut iterations) = (1e-3, 0);
    'search: while size > floor && iterations < ITERATIONS {
        iterations += 1;
        let jacobian = &step.by_input;
        let newton = if jacobian.is_square() {
            Lu::new(jacobian.clone()).and_then(|lu| lu.solve(&residual)).ok()
        } else {
            None
        };
        let normal = jacobian.tr_mul(jacobian);
        let gradient = jacobian.tr_mul(&residual);
        let unit = normal.trace().to_double() / normal.nrows() as f64;
        let damped = |damping: f64| {
            let mut damped = normal.clone();
            let shift = T::from_double(damping * unit);
            damped.set_diagonal(&damped.diagonal().add_scalar(shift));
            Cholesky::new(damped).and_then(|factor| factor.solve(&gradient)).ok()
        };
        let careful = std::iter::repeat_with(|| {
            damping *= 10.0;
            damped(damping / 10.0)
        });
        for mut move_by in std::iter::once(newton).chain(careful).take(ATTEMPTS).flatten() {
            let length = move_by.norm().to_double();
            if length > REACH {
                move_by *= T::from_double(REACH / length);
            }
            let there = &x + move_by;
            if !there.iter().all(|entry| entry.is_finite()) {
                continue;
            }
            let next = layer.step(&there, state)?;
            let off = target - &next.state.h;
            let next_size = off.norm().to_double();
            if next_size < size {
                // Near the end, rounding still finds ways to gain a little.
                let enough = size <= tolerance && next_size > 0.5 * size;
                (x, step, residual, size) = (there, next, off, next_size);
                damping = (damping * 0.01).max(1e-15);
                if enough {
                    break 'search;
                }
                continue 'search;
            }
        }
        break;
    }
    let (distance, reached) = (size / scale, size <= tolerance);
    Ok(StepInput { x, state: step.state, by_input: step.by_input, distance, reached, iterations })
}

#[cfg(test)]
mod tests {
    use nn_core::{Conv1d, Network, Steps, View};

    use super::*;
    use crate::testing::{normal, seeded};

    #[test]
    fn a_step_is_found_from_near_and_far_with_the_figures_it_has() {
        for seed in 0..10 {
            let mut rng = seeded(seed);
            let shape = Shape::sequence(4, 2);
            let builder = Network::<f64>::builder(shape);
            let builder = match seed % 2 {
                0 => builder.gru(4, Steps::All),
                _ => builder.lstm(4, Steps::All),
            };
            let network = builder.build(&mut rng).unwrap();
            let Some(View::Recurrent(layer)) = network.views().next() else { unreachable!() };
            let before = layer.step(&normal(4, 1, &mut rng).column(0).into_owned(), &layer.start());
            let state = before.unwrap().state;
            let x: DVector<f64> = normal(4, 1, &mut rng).column(0) * 0.5;
            let target = layer.step(&x, &state).unwrap().state.h;
            // Near: quadratic, 0.01² and its square, and a step or two that rounding gains.
            let start = x.add_scalar(0.005);
            let near = step_input(&layer, &state, target.column(0), start).unwrap();
            assert!(near.reached && (2..=8).contains(&near.iterations), "{}", near.iterations);
            // Far: no step is longer than ½.
            let start = x.add_scalar(2.0);
            let far = step_input(&layer, &state, target.column(0), start.clone()).unwrap();
            let way = (&far.x - &start).norm();
            assert!(far.iterations as f64 >= (way / 0.5).ceil(), "{} for {way}", far.iterations);
            for found in [near, far] {
                let there = layer.step(&found.x, &state).unwrap();
                assert_eq!((&there.state, &there.by_input), (&found.state, &found.by_input));
                let distance = (&there.state.h - &target).norm() / target.norm();
                assert!((found.distance - distance).abs() <= f64::EPSILON);
                assert_eq!(found.reached, distance <= f64::EPSILON.powf(2.0 / 3.0));
            }
            // h of twice the size is out of reach: the nearest is stationary, and no nearer than it says.
            let beyond = &target * (1.5 / target.amax());
            let none = step_input(&layer, &state, beyond.column(0), x.clone()).unwrap();
            assert!(!none.reached && none.distance >= 0.5 / (1.5 * 2.0), "{}", none.distance);
        }
        // At the target from the start: nothing to do. A target of 0 is judged by its own size, eps.
        let network = Network::<f64>::builder(Shape::sequence(2, 2)).gru(2, Steps::All);
        let mut network = network.build(&mut seeded(1)).unwrap();
        network.parameters_mut().fill(0.0);
        let Some(View::Recurrent(layer)) = network.views().next() else { unreachable!() };
        let zero = DVector::zeros(2);
        let found = step_input(&layer, &layer.start(), zero.column(0), zero.clone()).unwrap();
        assert!(found.reached && found.iterations == 0 && found.distance.abs() < f64::MIN_POSITIVE);
    }

    #[test]
    fn what_is_the_same_at_every_step_is_told_from_what_is_nearly_so() {
        let mut rng = seeded(3);
        let (n, m, times) = (5, 3, 4);
        let mut network = Network::<f64>::builder(Shape::sequence(n, times))
            .conv1d(Conv1d::new(m, 1))
            .build(&mut rng)
            .unwrap();
        let bias = normal(m, 1, &mut rng);
        network.parameters_mut()[n * m..].copy_from_slice(bias.as_slice());
        let shapes = (Shape::sequence(n, times), Shape::sequence(m, times));
        let Some(View::Affine { linear, bias }) = network.views().next() else { unreachable!() };
        let (weight, step_bias) = step_matrix(&linear, &bias, shapes).unwrap().unwrap();
        let expected = DMatrix::from_column_slice(m, n, &network.parameters().as_slice()[..n * m]);
        assert!((&weight - &expected).amax() <= f64::EPSILON * expected.amax());
        assert_eq!(step_bias.as_slice(), &bias[..m]);
        // One place that does as good as the same: off by more than products of n + 2 terms round to.
        let rounding = 4.0 * (n + 2) as f64 * f64::EPSILON * n as f64;
        let cases =
            [(0.3, 1.0, true), (4.0, 1.0, false), (0.3, 1024.0, true), (4.0, 1.0 / 1024.0, false)];
        for (times_rounding, unit, same) in cases {
            let (off, expected) = (times_rounding * rounding, &expected * unit);
            let apply = |x: &[f64], y: &mut [f64]| {
                for (place, (x, y)) in x.chunks(n).zip(y.chunks_mut(m)).enumerate() {
                    let product = &expected * DVector::from_column_slice(x);
                    y.copy_from_slice(product.as_slice());
                    // In the last place a part of entry 0 that is sin(n·3 + 1) = −0.29 of it.
                    y[0] +=
                        if place == times - 1 { off * expected.amax() / 0.29 * x[0] } else { 0.0 };
                }
            };
            let operator =
                linalg::operator::FnOperator::without_adjoint(m * times, n * times, apply);
            let linear = Linear::Operator(Box::new(operator));
            let found = step_matrix(&linear, &bias, shapes).unwrap();
            assert_eq!(found.is_some(), same, "{off:e} {unit}");
        }
    }
}
