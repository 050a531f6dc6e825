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
