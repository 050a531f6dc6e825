//! What all solvers share: the checks at the door, the bookkeeping, and the last word on the
//! residual.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::relaxation::Sweeps;
use super::vector::{largest, norm};
use super::{Method, Options, Progress, Solution, Stop};
use crate::operator::{check_length, check_shape};
use crate::{DVector, Error, LinearOperator, Result, Scalar};

/// An iterate x of A·x = b, with all that is known of it.
pub(super) struct Run<'a, T: Scalar> {
    pub(super) a: &'a dyn LinearOperator<T>,
    pub(super) options: Options<'a, T>,
    /// The method at work, and the one that found `best`.
    pub(super) method: Method,
    best_method: Method,
    original: &'a [T],
    /// b and x are solved for in units of `scale`, a power of two, so that squares of residuals
    /// neither overflow nor underflow.
    pub(super) b: Cow<'a, [T]>,
    pub(super) x: Vec<T>,
    scale: f64,
    b_norm: f64,
    /// The relative residual of `x`, and whether it was computed from `x`.
    current: f64,
    computed: bool,
    /// The best iterate that was left behind.
    best: Vec<T>,
    best_residual: f64,
    /// The last iteration with real progress, and what it had reached.
    milestone: (usize, f64),
    /// The measure of progress at the last start or restart.
    restarted_at: Option<f64>,
    /// A residual this many times above the least seen is divergence.
    pub(super) growth: f64,
    lowest: f64,
    /// A lower bound of ‖A·M‖, for LSQR and LSMR.
    pub(super) operator_norm: f64,
    pub(super) iterations: usize,
    applications: usize,
    history: Vec<f64>,
}

impl<'a, T: Scalar> Run<'a, T> {
    /// Checks everything that can be checked before the first product.
    pub(super) fn new(
        method: Method,
        a: &'a dyn LinearOperator<T>,
        b: &'a [T],
        options: Options<'a, T>,
    ) -> Result<Self> {
        let (nrows, ncols) = (a.nrows(), a.ncols());
        if nrows == 0 || ncols == 0 {
            return Err(Error::Empty { argument: "a", rows: nrows, columns: ncols });
        }
        check_length("b", nrows, b.len())?;
        check_finite("b", b)?;
        if let Some(start) = options.start {
            check_length("options.start", ncols, start.len())?;
            check_finite("options.start", start)?;
        }
        if let Some(m) = options.preconditioner {
            check_shape("options.preconditioner", (ncols, ncols), (m.nrows(), m.ncols()))?;
        }
        check_options(&options)?;

        let largest = largest(b);
        let scale = unit_for::<T>(largest);
        let scaled = |x: &T| x.unscale(nalgebra::convert(scale));
        let plain = scale.to_bits() == 1.0_f64.to_bits();
        let b_scaled =
            if plain { Cow::Borrowed(b) } else { Cow::Owned(b.iter().map(scaled).collect()) };
        // b = 0 has the solution 0, wherever the search would start.
        let options = Options { start: options.start.filter(|_| largest > 0.0), ..options };
        let x = options
            .start
            .map_or_else(|| vec![T::zero(); ncols], |x| x.iter().map(scaled).collect());
        Ok(Self {
            a,
            options,
            method,
            best_method: method,
            original: b,
            b_norm: norm(&b_scaled),
            b: b_scaled,
            x,
            scale,
            current: f64::INFINITY,
            computed: false,
            best: Vec::new(),
            best_residual: f64::INFINITY,
            milestone: (0, f64::INFINITY),
            restarted_at: None,
            growth: 1e8,
            lowest: f64::INFINITY,
            operator_norm: 0.0,
            iterations: 0,
            applications: 0,
            history: Vec::new(),
        })
    }

    /// The same for a method that needs a square matrix.
    pub(super) fn new_square(
        method: Method,
        a: &'a dyn LinearOperator<T>,
        b: &'a [T],
        options: Options<'a, T>,
    ) -> Result<Self> {
        if a.nrows() != a.ncols() {
            return Err(Error::NotSquare { argument: "a", rows: a.nrows(), columns: a.ncols() });
        }
        Self::new(method, a, b, options)
    }

    /// y ← A·x.
    pub(super) fn apply(&mut self, x: &[T], y: &mut [T]) -> Result<()> {
        self.applications += 1;
        self.a.apply(x, y)
    }

    /// y ← Aᴴ·x.
    pub(super) fn apply_adjoint(&mut self, x: &[T], y: &mut [T]) -> Result<()> {
        self.applications += 1;
        self.a.apply_adjoint(x, y)
    }

    /// One sweep for a correction of x, which counts as a product; the residual as it was met.
    pub(super) fn relax(&mut self, sweeps: &mut Sweeps<'_, T>) -> Result<Option<f64>> {
        let met = sweeps.sweep()?;
        self.applications += usize::from(met.is_some());
        Ok(met.map(|met| met[0]))
    }

    /// M·x in `space`, or x itself without a preconditioner.
    pub(super) fn precondition<'v>(&self, x: &'v [T], space: &'v mut Vec<T>) -> Result<&'v [T]> {
        match self.options.preconditioner {
            None => Ok(x),
            Some(m) => {
                space.resize(x.len(), T::zero());
                m.apply(x, space)?;
                Ok(space)
            }
        }
    }

    /// r ← b − A·x, and ‖r‖ relative to ‖b‖.
    pub(super) fn residual(&mut self, r: &mut [T]) -> Result<f64> {
        if self.iterations == 0 && self.options.start.is_none() {
            r.copy_from_slice(&self.b);
        } else {
            self.applications += 1;
            self.a.apply(&self.x, r)?;
            for (r, &b) in r.iter_mut().zip(self.b.iter()) {
                *r = b - *r;
            }
        }
        self.current = self.relative(norm(r));
        self.computed = true;
        self.lowest = self.lowest.min(self.current);
        if self.history.is_empty() {
            self.history.push(self.current);
        }
        Ok(self.current)
    }

    /// ‖r‖/‖b‖, with 0/0 = 0.
    pub(super) fn relative(&self, residual_norm: f64) -> f64 {
        if residual_norm == 0.0 { 0.0 } else { residual_norm / self.b_norm }
    }

    /// Whether the residual that was just computed ends the work.
    pub(super) fn settled(&self) -> Option<Stop> {
        if !self.current.is_finite() {
            return Some(Stop::NotFinite);
        }
        (self.current <= self.options.tolerance).then_some(Stop::Converged)
    }

    /// Whether to go on from a restart: only where `measure` fell below `factor` times that of the
    /// last one, and iterations are left. `otherwise` is what made the method restart.
    pub(super) fn progressed(
        &mut self,
        measure: f64,
        factor: f64,
        otherwise: Stop,
    ) -> Option<Stop> {
        if self.iterations >= self.options.iterations {
            return Some(Stop::IterationLimit);
        }
        let before = self.restarted_at.replace(measure).unwrap_or(f64::INFINITY);
        let fell = measure <= factor * before;
        (!fell).then_some(otherwise)
    }

    /// Counts an iteration that will change the relative residual to `residual`. To be called
    /// before x changes, since the best iterate is kept here; with [`Stop::NotFinite`] x must not
    /// change. [`Stop::Converged`] is a claim.
    pub(super) fn advance(&mut self, residual: f64) -> Option<Stop> {
        if residual > self.current && self.current < self.best_residual {
            self.keep();
        }
        self.count(residual, residual)
    }

    /// The same where progress is not measured by the residual alone, and where the residual
    /// never grows, so that no iterate need be kept.
    pub(super) fn count(&mut self, residual: f64, measure: f64) -> Option<Stop> {
        self.iterations += 1;
        self.history.push(residual);
        if !residual.is_finite() {
            return Some(Stop::NotFinite);
        }
        self.current = residual;
        self.computed = false;
        self.lowest = self.lowest.min(residual);
        if measure <= 0.9 * self.milestone.1 {
            self.milestone = (self.iterations, measure);
        }
        let progress = Progress {
            iteration: self.iterations,
            relative_residual: residual,
            applications: self.applications,
        };
        let told = self.options.observer.as_mut().map(|observer| observer(&progress));
        if residual <= self.options.tolerance {
            Some(Stop::Converged)
        } else if told == Some(ControlFlow::Break(())) {
            Some(Stop::Stopped)
        } else if residual > self.growth * self.lowest {
            Some(Stop::Diverged)
        } else if self.iterations >= self.options.iterations {
            Some(Stop::IterationLimit)
        } else if self.iterations - self.milestone.0 >= self.options.patience {
            Some(Stop::Stagnated)
        } else {
            None
        }
    }

    /// Remembers x as the best so far.
    fn keep(&mut self) {
        self.best.clone_from(&self.x);
        self.best_residual = self.current;
        self.best_method = self.method;
    }

    /// Whether an iterate that was left behind is better than the current one.
    fn left_better(&self) -> bool {
        self.best_residual < self.current
    }

    /// Lets `method` go on: from the best iterate if that has gained three digits, and else
    /// from the start again, since a poor iterate is worse to start from than none. The best one
    /// is kept.
    pub(super) fn hand_over(&mut self, method: Method) {
        if self.current < self.best_residual {
            self.keep();
        }
        let gained = self.history.first().is_some_and(|first| self.best_residual <= 1e-3 * first);
        match self.options.start {
            _ if gained => self.x.clone_from(&self.best),
            None => self.x.fill(T::zero()),
            Some(start) => {
                for (x, start) in self.x.iter_mut().zip(start) {
                    *x = start.unscale(nalgebra::convert(self.scale));
                }
            }
        }
        self.lowest = f64::INFINITY;
        self.milestone = (self.iterations, f64::INFINITY);
        self.restarted_at = None;
        self.method = method;
    }

    /// The best iterate in the units of the question, with its residual computed afresh.
    pub(super) fn finish(mut self, stop: Stop) -> Result<Solution<T>> {
        // At a least-squares solution the residual no longer tells which iterate is better.
        if self.left_better() && stop != Stop::LeastSquares {
            std::mem::swap(&mut self.x, &mut self.best);
            self.current = self.best_residual;
            self.method = self.best_method;
            self.computed = false;
        }
        let scaled = self.x.iter().map(|x| x.scale(nalgebra::convert(self.scale)));
        let x = DVector::from_iterator(self.x.len(), scaled);
        let mut residual_norm = self.current * self.b_norm * self.scale;
        let mut normal_residual = None;
        let least_squares = matches!(self.method, Method::Lsqr | Method::Lsmr);
        let plain = self.scale.to_bits() == 1.0_f64.to_bits();
        if least_squares || !self.computed || !plain {
            let mut r = vec![T::zero(); self.original.len()];
            self.apply(x.as_slice(), &mut r)?;
            for (r, &b) in r.iter_mut().zip(self.original) {
                *r = b - *r;
            }
            residual_norm = norm(&r);
            self.current = self.relative(residual_norm / self.scale);
            if least_squares {
                normal_residual = Some(self.normal_residual(&r, residual_norm)?);
            }
        }
        let stop = match stop {
            _ if !self.current.is_finite() => Stop::NotFinite,
            _ if self.current <= self.options.tolerance => Stop::Converged,
            // x left the range of its type when it got its unit back.
            Stop::Converged => Stop::Stagnated,
            other => other,
        };
        Ok(Solution {
            x,
            stop,
            residual_norm,
            relative_residual: self.current,
            normal_residual,
            iterations: self.iterations,
            applications: self.applications,
            method: self.method,
            history: self.history,
        })
    }

    /// ‖Aᴴ·r‖/(‖A‖·‖r‖), with A·M for A where there is a preconditioner.
    fn normal_residual(&mut self, r: &[T], r_norm: f64) -> Result<f64> {
        if r_norm == 0.0 {
            return Ok(0.0);
        }
        let mut v = vec![T::zero(); self.x.len()];
        self.apply_adjoint(r, &mut v)?;
        if let Some(m) = self.options.preconditioner {
            let space = v.clone();
            m.apply_adjoint(&space, &mut v)?;
        }
        let v_norm = norm(&v);
        // The bound is raised by what this product shows of A, so that the ratio is at most 1.
        self.operator_norm = self.operator_norm.max(v_norm / r_norm);
        Ok(if v_norm == 0.0 { 0.0 } else { v_norm / r_norm / self.operator_norm })
    }
}

/// Refuses NaN and infinity in a vector, by index.
fn check_finite<T: Scalar>(argument: &'static str, x: &[T]) -> Result<()> {
    for (row, &x) in x.iter().enumerate() {
        for value in [T::real_to_f64(x.real()), T::real_to_f64(x.imaginary())] {
            if !value.is_finite() {
                return Err(Error::NotFinite { argument, row, column: 0, value });
            }
        }
    }
    Ok(())
}

fn check_options<T: Scalar>(options: &Options<'_, T>) -> Result<()> {
    let tolerance = options.tolerance;
    if !(tolerance > 0.0 && tolerance < 1.0) {
        let (argument, expected) = ("options.tolerance", "a number between 0 and 1");
        return Err(Error::OutOfRange { argument, value: tolerance, expected });
    }
    for (argument, value) in
        [("options.restart", options.restart), ("options.patience", options.patience)]
    {
        if value == 0 {
            return Err(Error::OutOfRange { argument, value: 0.0, expected: "at least 1" });
        }
    }
    Ok(())
}

/// The power of two in whose units a vector with this largest entry is solved for: 1, unless the
/// entry is within a quarter of the exponent's range of underflow or overflow.
fn unit_for<T: Scalar>(largest: f64) -> f64 {
    let safe = 1.0 / T::MIN_POSITIVE.sqrt().sqrt();
    if largest == 0.0 || (1.0 / safe..safe).contains(&largest) {
        return 1.0;
    }
    // Clearing the mantissa leaves the power of two below.
    f64::from_bits(largest.max(T::MIN_POSITIVE).to_bits() & (0x7ff << 52))
}
