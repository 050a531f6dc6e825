//! Searches that ask for gradients alone: L-BFGS and Adam.

use std::f64::consts::PI;

use linalg::descent::{self, CurvatureMemory, dot, strong_wolfe};
use linalg::{DVector, Real};
use nn_core::{Adam, Optimizer};

use super::levenberg::begin;
use super::objective::{Jacobian, Objective, Point};
use super::{End, Run, SearchStop};
use crate::Result;

/// Steps that L-BFGS remembers.
const MEMORY: usize = 10;

/// A point, the gradient Jᵀr there, what of it no bound holds back, and [`super::Search::optimality`].
struct Place<T: Real> {
    point: Point<T>,
    gradient: DVector<T>,
    free: DVector<T>,
    optimality: f64,
}

/// The point `x` with its gradient. `norm` is the largest ‖J·v‖/‖v‖ seen.
fn place<T: Real>(run: &mut Run<'_, T>, x: DVector<T>, norm: &mut f64) -> Result<Place<T>> {
    run.evaluations += 1;
    let (point, jacobian) = run.objective.linearize(x)?;
    with_gradient(run.objective, point, &jacobian, norm)
}

/// The seed with its gradient.
fn first<T: Real>(run: &mut Run<'_, T>, x: DVector<T>, norm: &mut f64) -> Result<Place<T>> {
    run.evaluations += 1;
    let (point, jacobian) = begin(run.objective, x)?;
    with_gradient(run.objective, point, &jacobian, norm)
}

fn with_gradient<T: Real>(
    objective: &Objective<'_, T>,
    point: Point<T>,
    jacobian: &Jacobian<'_, T>,
    norm: &mut f64,
) -> Result<Place<T>> {
    let gradient = objective.apply_adjoint(jacobian, &point.stack)?;
    let mut free = gradient.clone();
    for i in 0..free.len() {
        if !objective.may_move(&point.x, &gradient, i) {
            free[i] = T::zero();
        }
    }
    let (slope, size) = (free.norm().to_double(), (2.0 * point.cost).sqrt());
    if let Jacobian::Dense(matrix) = jacobian {
        *norm = matrix.norm().to_double();
    } else if size > 0.0 {
        *norm = norm.max(slope / size);
    }
    let optimality = if slope > 0.0 { slope / (*norm * size) } else { 0.0 };
    Ok(Place { point, gradient, free, optimality })
}

/// L-BFGS; where there are bounds, over the inputs that they leave free, with steps cut off at them
/// and halved until the cost falls enough (Bertsekas, "Projected Newton methods", SIAM J. Control
/// Optim. 20, 1982).
pub(super) fn quasi_newton<T: Real>(run: &mut Run<'_, T>, x: DVector<T>) -> Result<End<T>> {
    let objective = run.objective;
    let mut norm = 0.0;
    let mut here = first(run, x, &mut norm)?;
    let mut memory = CurvatureMemory::new(MEMORY);
    loop {
        if let Some(stop) = run.settled(&here.point, here.optimality) {
            return Ok(End { point: here.point, optimality: here.optimality, stop });
        }
        run.iterations += 1;
        let mut direction = memory.direction(&here.free);
        for (d, &free) in direction.iter_mut().zip(&here.free) {
            if free == T::zero() {
                *d = T::zero();
            }
        }
        let mut slope = dot(&direction, &here.free);
        if !(slope < 0.0 && direction.iter().all(|d| d.is_finite())) {
            memory.clear();
            direction = -&here.free;
            slope = dot(&direction, &here.free);
        }
        let first = match memory.is_empty() {
            true => (1.0 / direction.lp_norm(1).to_double()).min(1.0),
            false => 1.0,
        };
        let next = if objective.bounds.is_some() {
            arc(run, &here, &direction, first, &mut norm)?
        } else {
            let mut last = None;
            let from = descent::Point { step: 0.0, value: here.point.cost, slope };
            let found = strong_wolfe(from, first, |step| {
                let x = &here.point.x + &direction * T::from_double(step);
                if x.iter().any(|x| !x.is_finite()) {
                    return Ok(descent::Point { step, value: f64::INFINITY, slope: 0.0 });
                }
                let there = place(run, x, &mut norm)?;
                let (value, slope) = (there.point.cost, dot(&direction, &there.gradient));
                last = Some(there);
                Ok::<_, crate::Error>(descent::Point { step, value, slope })
            })?;
            // The point found is the last one evaluated.
            found.and(last)
        };
        let Some(next) = next else {
            if memory.is_empty() {
                let stop = SearchStop::NoProgress;
                return Ok(End { point: here.point, optimality: here.optimality, stop });
            }
            // Perhaps the memory misleads.
            memory.clear();
            continue;
        };
        memory.push(&next.point.x - &here.point.x, &next.gradient - &here.gradient);
        here = next;
        if let Some(stop) = run.report(&here.point) {
            return Ok(End { point: here.point, optimality: here.optimality, stop });
        }
    }
}

/// The first of the steps t, t/2, t/4, … along `direction`, cut off at the bounds, that lowers the cost
/// by 10⁻⁴ of what the gradient promises.
fn arc<T: Real>(
    run: &mut Run<'_, T>,
    here: &Place<T>,
    direction: &DVector<T>,
    first: f64,
    norm: &mut f64,
) -> Result<Option<Place<T>>> {
    let mut step = first;
    for _ in 0..40 {
        let x = run.objective.clamp(&here.point.x + direction * T::from_double(step));
        let promised = dot(&here.gradient, &(&x - &here.point.x));
        run.evaluations += 1;
        let there = run.objective.point(x)?;
        if there.cost <= here.point.cost + 1e-4 * promised && promised < 0.0 {
            return place(run, there.x, norm).map(Some);
        }
        step *= 0.5;
    }
    Ok(None)
}

/// Adam with steps cut off at the bounds; ends at the best point seen.
pub(super) fn adam<T: Real>(run: &mut Run<'_, T>, x: DVector<T>, rate: f64) -> Result<End<T>> {
    let objective = run.objective;
    let most = run.options.iterations;
    let mut optimizer = Adam::new(rate)?;
    let mut norm = 0.0;
    let mut here = first(run, x, &mut norm)?;
    let mut best: Option<Place<T>> = None;
    let stop = loop {
        if let Some(stop) = run.settled(&here.point, here.optimality) {
            break stop;
        }
        optimizer.scale_rate(0.5 * (1.0 + (PI * run.iterations as f64 / most as f64).cos()));
        run.iterations += 1;
        let mut x = here.point.x.clone();
        optimizer.step(x.as_mut_slice(), here.gradient.as_slice());
        let x = objective.clamp(x);
        if x.iter().any(|x| !x.is_finite()) {
            break SearchStop::NoProgress;
        }
        let next = place(run, x, &mut norm)?;
        let left = std::mem::replace(&mut here, next);
        if best.as_ref().is_none_or(|best| left.point.cost < best.point.cost) {
            best = Some(left);
        }
        if let Some(stop) = run.report(&here.point) {
            break stop;
        }
    };
    let end = match best {
        Some(best) if best.point.cost < here.point.cost => best,
        _ => here,
    };
    Ok(End { point: end.point, optimality: end.optimality, stop })
}
