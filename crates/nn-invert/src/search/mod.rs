//! From a seed to an input with the wanted output, by descent.

mod gradients;
mod levenberg;
#[cfg(test)]
mod levenberg_tests;
mod objective;
mod options;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use linalg::{DVector, Real};

pub use options::{DENSE, SearchMethod, SearchOptions};

use crate::{Map, Result};
pub(crate) use objective::entries;
use objective::{Objective, Point};

/// What a search found, and what it is worth.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Search<T: Real> {
    /// The best x seen.
    pub input: DVector<T>,
    /// ‖f(x) − y‖₂ over the coordinates that are known.
    pub residual: f64,
    /// The weighted ‖w∘(f(x) − y)‖₂ over ‖w∘y‖₂, which [`SearchOptions::tolerance`] judges.
    pub relative_residual: f64,
    /// ‖x − seed‖₂: how much of the seed the answer still is.
    pub seed_distance: f64,
    /// ‖Jᵀr‖₂/(‖J‖·‖r‖₂), with ‖J‖ the Frobenius norm or the largest ‖J·v‖/‖v‖ seen, the priors'
    /// rows included, and of Jᵀr what no bound holds back. Near 0 with a residual that is not, no
    /// small step helps: the witness of [`SearchStop::Stationary`].
    pub optimality: f64,
    /// The inputs that lie on a bound.
    pub at_bounds: Vec<usize>,
    /// Steps tried.
    pub iterations: usize,
    /// Values of f, those with a Jacobian included.
    pub evaluations: usize,
    /// Why it ended. Only with [`SearchStop::Converged`] does x have the wanted output.
    pub stop: SearchStop,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchStop {
    /// The residual is within the tolerance.
    Converged,
    /// No small step makes the residual and the priors smaller, see [`Search::optimality`]. Without
    /// priors it says that x is a local minimum or a saddle, and not that the target is out of
    /// reach.
    Stationary,
    /// No step that still changes x is lower: a minimum, as far as rounding shows.
    NoProgress,
    /// As many steps as allowed.
    Budget,
    /// The observer said so.
    Stopped,
}

/// Where a search stands, after each step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SearchProgress<'a, T: Real> {
    /// Steps tried, this one included.
    pub iteration: usize,
    /// Values of f so far.
    pub evaluations: usize,
    /// The weighted residual over ‖w∘y‖.
    pub relative_residual: f64,
    /// x.
    pub input: &'a DVector<T>,
}

/// A function that is told of every step, and may end the work.
type Observer<'o, T> = &'o mut dyn FnMut(&SearchProgress<'_, T>) -> ControlFlow<()>;

/// Descends from `seed` to an x with f(x) = y, y = `target`.
///
/// It makes ½‖w∘(f(x) − y)‖² + ½·λ‖x − seed‖² + ½·μ∑(xᵢ − xⱼ)² small within the bounds; with neither
/// prior, as by default, a search that converges has found an input. Which of many it is, the seed
/// decides: the answer resembles it, by [`Search::seed_distance`], but is not the nearest one, which
/// is [`Preimages::nearest`](crate::Preimages::nearest).
///
/// # Errors
/// [`Error::Size`](crate::Error::Size), [`Error::NotFinite`](crate::Error::NotFinite),
/// [`Error::SeedOutside`](crate::Error::SeedOutside), [`Error::Bounds`](crate::Error::Bounds),
/// [`Error::Index`](crate::Error::Index) and [`Error::Argument`](crate::Error::Argument) for what does
/// not fit, [`Error::MapNotFinite`](crate::Error::MapNotFinite) where f is not a number at the seed, and
/// what the map refuses. Not converging is no error: see [`Search::stop`].
///
/// # Examples
/// (x² + y², x − y) = (25, 1) has the solutions (4, 3) and (−3, −4); each seed finds its own.
/// ```
/// use std::ops::ControlFlow;
///
/// use linalg::{DMatrix, DVector};
/// use nn_invert::{Linearization, Map, Result, SearchOptions, SearchStop, search};
///
/// struct Circle;
///
/// impl Map<f64> for Circle {
///     fn inputs(&self) -> usize {
///         2
///     }
///     fn outputs(&self) -> usize {
///         2
///     }
///     fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
///         Ok(DVector::from_vec(vec![x.norm_squared(), x[0] - x[1]]))
///     }
///     fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
///         let jacobian = DMatrix::from_row_slice(2, 2, &[2.0 * x[0], 2.0 * x[1], 1.0, -1.0]);
///         Ok(Linearization { value: self.value(x)?, jacobian: Box::new(jacobian) })
///     }
/// }
///
/// let target = DVector::from_vec(vec![25.0, 1.0]);
/// let options = SearchOptions::default();
/// for (seed, root) in [([3.0, 1.0], [4.0, 3.0]), ([-1.0, -2.0], [-3.0, -4.0])] {
///     let seed = DVector::from_vec(seed.to_vec());
///     let found = search(&Circle, &target, &seed, &options, |_| ControlFlow::Continue(()))?;
///     assert_eq!(found.stop, SearchStop::Converged);
///     assert!((found.input - DVector::from_vec(root.to_vec())).norm() < 1e-9);
/// }
/// # Ok::<(), nn_invert::Error>(())
/// ```
///
/// # References
/// Levenberg-Marquardt with a damping in proportion to ‖r‖: Yamashita & Fukushima, "On the rate of
/// convergence of the Levenberg-Marquardt method", Computing Suppl. 15, 2001; its control: Nielsen,
/// "Damping parameter in Marquardt's method", IMM-REP-1999-05; bounds by projection: Kanzow, Yamashita &
/// Fukushima, J. Comput. Appl. Math. 172, 2004. Quasi-Newton: [`linalg::descent`].
pub fn search<T: Real>(
    map: &dyn Map<T>,
    target: &DVector<T>,
    seed: &DVector<T>,
    options: &SearchOptions<T>,
    mut observer: impl FnMut(&SearchProgress<'_, T>) -> ControlFlow<()>,
) -> Result<Search<T>> {
    let objective = Objective::new(map, target, seed, options)?;
    let mut run = Run {
        objective: &objective,
        options,
        observer: &mut observer,
        iterations: 0,
        evaluations: 0,
    };
    let start = run.objective.clamp(seed.clone());
    let End { point, optimality, stop } = match options.method {
        SearchMethod::LevenbergMarquardt => levenberg::descend(&mut run, start)?,
        SearchMethod::Lbfgs => gradients::quasi_newton(&mut run, start)?,
        SearchMethod::Adam { rate } => gradients::adam(&mut run, start, rate)?,
    };
    Ok(Search {
        residual: objective.residual(&point.value),
        relative_residual: objective.weighted_residual(&point) / objective.scale,
        seed_distance: (&point.x - seed).norm().to_double(),
        optimality,
        at_bounds: objective.at_bounds(&point.x),
        iterations: run.iterations,
        evaluations: run.evaluations,
        stop,
        input: point.x,
    })
}

/// How a method ends.
struct End<T: Real> {
    point: Point<T>,
    optimality: f64,
    stop: SearchStop,
}

/// What all methods share: what is asked, and the counting.
struct Run<'a, T: Real> {
    objective: &'a Objective<'a, T>,
    options: &'a SearchOptions<T>,
    observer: Observer<'a, T>,
    iterations: usize,
    evaluations: usize,
}

impl<T: Real> Run<'_, T> {
    /// Whether the place reached ends the work.
    fn settled(&self, point: &Point<T>, optimality: f64) -> Option<SearchStop> {
        let relative = self.objective.weighted_residual(point) / self.objective.scale;
        if !self.objective.has_priors() && relative <= self.options.tolerance {
            return Some(SearchStop::Converged);
        }
        if optimality <= self.options.stationarity {
            let reached = relative <= self.options.tolerance;
            return Some(if reached { SearchStop::Converged } else { SearchStop::Stationary });
        }
        (self.iterations >= self.options.iterations).then_some(SearchStop::Budget)
    }

    /// Tells the observer of a step that ended at `point`.
    fn report(&mut self, point: &Point<T>) -> Option<SearchStop> {
        let progress = SearchProgress {
            iteration: self.iterations,
            evaluations: self.evaluations,
            relative_residual: self.objective.weighted_residual(point) / self.objective.scale,
            input: &point.x,
        };
        (self.observer)(&progress).is_break().then_some(SearchStop::Stopped)
    }
}
