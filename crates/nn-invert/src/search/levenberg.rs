//! Levenberg-Marquardt with bounds: dense by normal equations or QR, or with products alone by LSMR.

use std::borrow::Cow;

use linalg::descent::dot;
use linalg::krylov::{self, lsmr};
use linalg::{Cholesky, DMatrix, DVector, LinearOperator, Qr, Real, adjoint, product};

use super::objective::{Jacobian, Objective, Point};
use super::{End, Run, SearchStop};
use crate::Result;

/// A step is taken where the cost falls by at least this part of what the linear model promised.
const ENOUGH: f64 = 1e-4;
/// Steps in a row whose fall is too small to be seen in the cost.
const UNSEEN: usize = 4;

/// Descends from `x`.
///
/// Each step d minimizes ‖r + J·d‖² + λ‖d‖² over the inputs that no bound holds back, is cut off at the
/// bounds, and is taken where the cost falls as promised; otherwise λ grows, which turns it into a
/// short step of projected gradient descent. λ is in proportion to ‖r‖, so that near a solution the
/// steps become Newton's.
pub(super) fn descend<T: Real>(run: &mut Run<'_, T>, x: DVector<T>) -> Result<End<T>> {
    let objective = run.objective;
    run.evaluations += 1;
    let (mut point, mut jacobian) = begin(objective, x)?;
    let first = point.cost.sqrt();
    let mut norm = 0.0;
    // λ = damping·‖J‖²·‖r‖/‖r₀‖.
    let (mut damping, mut growth) = (1e-3, 2.0);
    let mut accuracy = 0.1;
    let mut unseen = 0;
    loop {
        let gradient = objective.apply_adjoint(&jacobian, &point.stack)?;
        let moving: Vec<usize> =
            (0..gradient.len()).filter(|&i| objective.may_move(&point.x, &gradient, i)).collect();
        let slope = moving.iter().map(|&i| gradient[i].to_double().powi(2)).sum::<f64>().sqrt();
        let size = (2.0 * point.cost).sqrt();
        norm = match &jacobian {
            Jacobian::Dense(matrix) => matrix.norm().to_double(),
            Jacobian::Products(_) if size > 0.0 => f64::max(norm, slope / size),
            Jacobian::Products(_) => norm,
        };
        let optimality = if slope > 0.0 { slope / (norm * size) } else { 0.0 };
        if let Some(stop) = run.settled(&point, optimality) {
            return Ok(End { point, optimality, stop });
        }
        let linear = match &jacobian {
            Jacobian::Dense(matrix) => Some(Linear::new(matrix, &point.stack, &moving)?),
            Jacobian::Products(_) => None,
        };
        let next = loop {
            if run.iterations >= run.options.iterations {
                return Ok(End { point, optimality, stop: SearchStop::Budget });
            }
            run.iterations += 1;
            let lambda = damping * norm * norm * (size / (2.0_f64.sqrt() * first)).min(1.0);
            let root = T::from_double(lambda.sqrt());
            let step = match &linear {
                Some(linear) => linear.step(root)?,
                None => {
                    let damped = Damped { objective, jacobian: &jacobian, moving: &moving, root };
                    damped.step(&point.stack, accuracy)?
                }
            };
            let mut to = point.x.clone();
            for (&i, &d) in moving.iter().zip(&step) {
                to[i] += d;
            }
            let to = objective.clamp(to);
            let moved = &to - &point.x;
            let length = moved.norm().to_double();
            let ahead = objective.apply(&jacobian, &moved)?;
            if length > 0.0 && matches!(jacobian, Jacobian::Products(_)) {
                norm = norm.max(ahead.norm().to_double() / length);
            }
            let promised = -(dot(&gradient, &moved) + 0.5 * dot(&ahead, &ahead));
            if !(length > T::EPSILON * point.x.norm().to_double()) {
                return Ok(End { point, optimality, stop: SearchStop::NoProgress });
            }
            run.evaluations += 1;
            let trial = objective.point(to)?;
            let ratio = (point.cost - trial.cost) / promised;
            // Below rounding the fall cannot be seen, and a few steps are taken on trust.
            let rounding = 8.0 * T::EPSILON * point.cost;
            let trusted = promised > 0.0
                && promised <= rounding
                && trial.cost <= point.cost + rounding
                && unseen < UNSEEN;
            if trusted {
                unseen += 1;
                break trial;
            }
            if promised > 0.0 && ratio > ENOUGH {
                unseen = 0;
                damping =
                    (damping * (1.0 - (2.0 * ratio - 1.0).powi(3)).clamp(0.1, 2.0)).max(1e-15);
                growth = 2.0;
                break trial;
            }
            damping *= growth;
            growth *= 2.0;
            if let Some(stop) = run.report(&point) {
                return Ok(End { point, optimality, stop });
            }
        };
        // As accurate as the progress warrants (Eisenstat & Walker 1996, choice 2).
        accuracy = (0.9 * next.cost / point.cost).clamp(1e-10, 0.1);
        run.evaluations += 1;
        (point, jacobian) = objective.linearize(next.x)?;
        if let Some(stop) = run.report(&point) {
            return Ok(End { point, optimality, stop });
        }
    }
}

/// min ‖r + J·d‖² + λ‖d‖² for several λ, J over the inputs that move.
struct Linear<'a, T: Real> {
    jacobian: Cow<'a, DMatrix<T>>,
    residual: &'a DVector<T>,
    /// Jᵀ·J, or J·Jᵀ where J has fewer rows than columns.
    normal: DMatrix<T>,
}

/// What a step of the normal equations may be corrected by. Beyond, they have too few digits.
const CORRECTION: f64 = 1e-2;

impl<'a, T: Real> Linear<'a, T> {
    fn new(jacobian: &'a DMatrix<T>, residual: &'a DVector<T>, moving: &[usize]) -> Result<Self> {
        let jacobian = if moving.len() == jacobian.ncols() {
            Cow::Borrowed(jacobian)
        } else {
            Cow::Owned(jacobian.select_columns(moving))
        };
        let j = jacobian.as_ref();
        let normal = if j.is_empty() {
            DMatrix::zeros(0, 0)
        } else if j.nrows() < j.ncols() {
            product(j, adjoint(j))?
        } else {
            product(adjoint(j), j)?
        };
        Ok(Self { jacobian, residual, normal })
    }

    /// d by the normal equations, corrected once with J itself, which leaves it as good as one by QR but for
    /// a very bad condition; and by QR then.
    fn step(&self, root: T) -> Result<DVector<T>> {
        match self.by_normal_equations(root) {
            Some(step) => Ok(step),
            None => self.by_qr(root),
        }
    }

    fn by_normal_equations(&self, root: T) -> Option<DVector<T>> {
        let j = self.jacobian.as_ref();
        let wide = j.nrows() < j.ncols();
        let lambda = root * root;
        let mut shifted = self.normal.clone();
        for i in 0..shifted.nrows() {
            shifted[(i, i)] += lambda;
        }
        let factor = Cholesky::new(shifted).ok()?;
        let right = if wide { -self.residual } else { -j.tr_mul(self.residual) };
        let first = factor.solve(&right).ok()?;
        let image = if wide { j * j.tr_mul(&first) } else { j.tr_mul(&(j * &first)) };
        let correction = factor.solve(&(right - image - &first * lambda)).ok()?;
        let fine = correction.norm().to_double() <= CORRECTION * first.norm().to_double();
        let solution = first + correction;
        fine.then(|| if wide { j.tr_mul(&solution) } else { solution })
    }

    /// By QR of [J; √λ·I], or for fewer rows than columns of its transpose, whose least-norm solution is
    /// the same d.
    fn by_qr(&self, root: T) -> Result<DVector<T>> {
        let j = self.jacobian.as_ref();
        let (rows, columns) = j.shape();
        let mut right = DMatrix::zeros(rows + columns, 1);
        if rows >= columns {
            let mut tall = DMatrix::zeros(rows + columns, columns);
            tall.rows_mut(0, rows).copy_from(j);
            for i in 0..columns {
                tall[(rows + i, i)] = root;
            }
            for (to, &r) in right.iter_mut().zip(self.residual) {
                *to = -r;
            }
            let qr = Qr::new(tall)?;
            qr.apply_q_adjoint(&mut right)?;
            let mut step = DVector::from_column_slice(&right.as_slice()[..columns]);
            // A column of zeros with λ = 0 leaves a step that is no number, which is then not taken.
            let _ = qr.r().solve_upper_triangular_mut(&mut step);
            return Ok(step);
        }
        let mut tall = DMatrix::zeros(rows + columns, rows);
        tall.rows_mut(0, columns).tr_copy_from(j);
        for i in 0..rows {
            tall[(columns + i, i)] = root;
        }
        let qr = Qr::new(tall)?;
        let mut inner = -self.residual;
        let _ = qr.r().tr_solve_upper_triangular_mut(&mut inner);
        right.view_mut((0, 0), (rows, 1)).copy_from(&inner);
        qr.apply_q(&mut right)?;
        Ok(DVector::from_column_slice(&right.as_slice()[..columns]))
    }
}

/// [J; √λ·I] over the inputs that move.
struct Damped<'a, T: Real> {
    objective: &'a Objective<'a, T>,
    jacobian: &'a Jacobian<'a, T>,
    moving: &'a [usize],
    root: T,
}

impl<T: Real> Damped<'_, T> {
    fn step(&self, residual: &DVector<T>, accuracy: f64) -> Result<DVector<T>> {
        let mut right: Vec<T> = residual.iter().map(|&r| -r).collect();
        right.resize(self.nrows(), T::zero());
        let options = krylov::Options::default()
            .tolerance(accuracy.max(4.0 * T::EPSILON))
            .iterations(4 * self.moving.len().min(500));
        // Whatever it reached is a direction of descent.
        Ok(lsmr(self, &right, options)?.x)
    }
}

impl<T: Real> LinearOperator<T> for Damped<'_, T> {
    fn nrows(&self) -> usize {
        self.objective.rows() + self.moving.len()
    }

    fn ncols(&self) -> usize {
        self.moving.len()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        let mut all = DVector::zeros(self.objective.fixed.len());
        for (&i, &x) in self.moving.iter().zip(x) {
            all[i] = x;
        }
        let data = self.objective.apply(self.jacobian, &all)?;
        let (top, bottom) = y.split_at_mut(data.len());
        top.copy_from_slice(data.as_slice());
        for (y, &x) in bottom.iter_mut().zip(x) {
            *y = self.root * x;
        }
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        let (top, bottom) = x.split_at(self.objective.rows());
        let data = self.objective.apply_adjoint(self.jacobian, &DVector::from_column_slice(top))?;
        for ((y, &i), &x) in y.iter_mut().zip(self.moving).zip(bottom) {
            *y = data[i] + self.root * x;
        }
        Ok(())
    }
}

/// f and its Jacobian at the start, where f has to be a number.
pub(super) fn begin<'a, T: Real>(
    objective: &'a Objective<'_, T>,
    x: DVector<T>,
) -> Result<(Point<T>, Jacobian<'a, T>)> {
    let (point, jacobian) = objective.linearize(x)?;
    match point.value.iter().position(|y| !y.is_finite()) {
        None => Ok((point, jacobian)),
        Some(index) => {
            Err(crate::Error::MapNotFinite { index, value: point.value[index].to_double() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal, seeded};

    #[test]
    fn normal_equations_and_qr_give_the_same_step() {
        for (rows, columns, seed) in [(5, 5, 1), (9, 4, 2), (4, 9, 3), (7, 1, 4), (1, 7, 5)] {
            let mut rng = seeded(seed);
            let mut jacobian = normal(rows, columns, &mut rng);
            // A condition of 1e6, of which the normal equations see the square.
            let mut first = jacobian.column_mut(0);
            first *= if rows >= columns && columns > 1 { 1e-6 } else { 1.0 };
            let residual = normal(rows, 1, &mut rng).column(0).into_owned();
            let moving: Vec<usize> = (0..columns).collect();
            let linear = Linear::new(&jacobian, &residual, &moving).unwrap();
            for root in [1e-6, 1e-3, 1.0] {
                let one = linear.by_normal_equations(root).unwrap();
                let other = linear.by_qr(root).unwrap();
                let distance = (&one - &other).norm() / other.norm();
                // The correction squares what cond² · eps leaves: (1e12 · eps)² at most.
                assert!(distance <= 1e-6, "{rows} x {columns}, {root}: {distance:e}");
            }
        }
        // Two columns alike: the equations are singular without damping, and QR is asked.
        let twins = DMatrix::from_fn(3, 2, |i, _| (i + 1) as f64);
        let residual = DVector::from_element(3, 1.0);
        let linear = Linear::new(&twins, &residual, &[0, 1]).unwrap();
        assert!(linear.by_normal_equations(1e-12).is_none());
        assert!(linear.step(1e-12).is_ok());
    }
}
