//! Solving A·x = b with products alone: A is any [`LinearOperator`].
//!
//! Which one?
//!
//! | A | call | products per iteration | vectors |
//! |---|---|---|---|
//! | square, anything; several systems | [`solve`]; [`solve_many`] | – | 11 |
//! | Hermitian positive definite | [`cg`] | A | 6 |
//! | square, the spectrum away from 0 on one side | [`bicgstab`] | 2 A | 9 |
//! | the same, where BiCGSTAB is erratic | [`gmres`] | A | `restart` + 4 |
//! | rectangular, singular or row-permuted: min ‖b − A·x‖ | [`lsmr`], [`lsqr`] | A, Aᴴ | 10 |
//!
//! # Do not believe a recurrence
//! Every method here updates its residual by a formula instead of computing b − A·x, and formulas
//! drift: a solver that stops on its own number can report 1e-12 over a true residual of 1. Here
//! the number only *claims* convergence; it is believed when b − A·x, computed afresh, agrees, and
//! otherwise the iteration starts again from where it is. [`Solution::residual_norm`] is always
//! that of the x returned, and [`Solution::stop`] says whether it is what was asked for. Where no
//! method converges that is what you get told, with the best x seen.
//!
//! A small residual is still not a small error: ‖x − x̂‖/‖x‖ ≤ κ(A)·‖r‖/‖b‖.
//!
//! # Preconditioners
//! A preconditioner M ≈ A⁻¹ is a [`LinearOperator`] too: [`jacobi`],
//! [`Ilu0`], or any closure. It is applied from the right, A·M·y = b and x = M·y, so
//! that residuals stay those of A·x = b; with CG it must be Hermitian positive definite.

mod bicgstab;
mod cg;
mod gmres;
mod lsmr;
mod lsqr;
mod many;
mod preconditioner;
mod relaxation;
mod run;
mod solve;
#[cfg(test)]
mod tests;
pub(crate) mod vector;

pub use bicgstab::bicgstab;
pub use cg::cg;
pub use gmres::gmres;
pub use lsmr::lsmr;
pub use lsqr::lsqr;
pub use many::solve_many;
pub use preconditioner::{Ilu0, jacobi};
pub use solve::solve;

use std::fmt;
use std::ops::ControlFlow;

use crate::{DVector, LinearOperator, Scalar};

/// A function that is told of every iteration, and may end the work.
pub type Observer<'a> = Box<dyn FnMut(&Progress) -> ControlFlow<()> + 'a>;

/// What a solver is asked for. The setters carry the fields' names.
///
/// # Examples
/// ```
/// use linalg::krylov::Options;
/// let options = Options::<f64>::default().tolerance(1e-12).iterations(500);
/// assert_eq!(options.iterations, 500);
/// ```
#[non_exhaustive]
pub struct Options<'a, T: Scalar> {
    /// Converged when ‖b − A·x‖₂ ≤ `tolerance`·‖b‖₂; between 0 and 1, by default 1e-8. In `f32`
    /// set 1e-5 or so: rounding alone leaves about κ(A)·6e-8.
    pub tolerance: f64,
    /// Most iterations, by default 2000.
    pub iterations: usize,
    /// Iterations after which GMRES starts again, by default 30; each keeps one vector.
    pub restart: usize,
    /// Stagnated after this many iterations beyond the first in which the residual did not fall by a tenth
    /// (for LSQR and LSMR that of the normal equations), by default 200.
    pub patience: usize,
    /// Where to start, by default at zero. LSQR and LSMR find the solution nearest to it.
    pub start: Option<&'a [T]>,
    /// M ≈ A⁻¹, square with the columns of A; by default none.
    pub preconditioner: Option<&'a dyn LinearOperator<T>>,
    /// Told of every iteration; by default nobody is.
    pub observer: Option<Observer<'a>>,
}

impl<T: Scalar> Default for Options<'_, T> {
    fn default() -> Self {
        Self {
            tolerance: 1e-8,
            iterations: 2000,
            restart: 30,
            patience: 200,
            start: None,
            preconditioner: None,
            observer: None,
        }
    }
}

impl<'a, T: Scalar> Options<'a, T> {
    /// Sets [`Options::tolerance`].
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets [`Options::iterations`].
    #[must_use]
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Sets [`Options::restart`].
    #[must_use]
    pub fn restart(self, restart: usize) -> Self {
        Self { restart, ..self }
    }

    /// Sets [`Options::patience`].
    #[must_use]
    pub fn patience(self, patience: usize) -> Self {
        Self { patience, ..self }
    }

    /// Sets [`Options::start`].
    #[must_use]
    pub fn start(self, start: &'a [T]) -> Self {
        Self { start: Some(start), ..self }
    }

    /// Sets [`Options::preconditioner`].
    #[must_use]
    pub fn preconditioner(self, preconditioner: &'a dyn LinearOperator<T>) -> Self {
        Self { preconditioner: Some(preconditioner), ..self }
    }

    /// Sets [`Options::observer`].
    #[must_use]
    pub fn observer(self, observer: impl FnMut(&Progress) -> ControlFlow<()> + 'a) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }
}

impl<T: Scalar> fmt::Debug for Options<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("tolerance", &self.tolerance)
            .field("iterations", &self.iterations)
            .field("restart", &self.restart)
            .field("patience", &self.patience)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// Where a solver stands after an iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Iterations so far.
    pub iteration: usize,
    /// ‖r‖₂/‖b‖₂ by the method's own recurrence.
    pub relative_residual: f64,
    /// Products with A or its adjoint so far.
    pub applications: usize,
}

/// What a solver found, and how far it can be trusted.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Solution<T: Scalar> {
    /// The best x seen.
    pub x: DVector<T>,
    /// Why the solver stopped. Only with [`Stop::Converged`] is A·x = b solved as asked.
    pub stop: Stop,
    /// ‖b − A·x‖₂, computed from this x.
    pub residual_norm: f64,
    /// ‖b − A·x‖₂/‖b‖₂, computed from this x; 0 for b = 0.
    pub relative_residual: f64,
    /// From LSQR and LSMR: ‖Aᴴ·r‖₂/(‖A‖·‖r‖₂) with r = b − A·x computed from this x, and ‖A‖ a
    /// lower bound of the spectral norm. 0 at a least-squares solution, at most 1. With a
    /// preconditioner M, that of A·M.
    pub normal_residual: Option<f64>,
    /// Iterations.
    pub iterations: usize,
    /// Products with A or its adjoint, the checks of the residual included.
    pub applications: usize,
    /// The method that found x.
    pub method: Method,
    /// ‖r‖₂/‖b‖₂ at the start and after each iteration, by the recurrence.
    pub history: Vec<f64>,
}

/// Why a solver stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// ‖b − A·x‖ ≤ tolerance·‖b‖, with the residual computed afresh.
    Converged,
    /// LSQR and LSMR: ‖Aᴴ·r‖ ≤ tolerance·‖A‖·‖r‖, so no x makes the residual smaller, and the
    /// residual is not small: A·x = b has no solution to this tolerance.
    LeastSquares,
    /// The residual did not fall any more: what was asked is beyond the method, or beyond the
    /// precision.
    Stagnated,
    /// The method divided by zero: for CG, A or M is not positive definite; for the others the
    /// Krylov space is exhausted or orthogonal to what it is tested with.
    Breakdown,
    /// The residual grew by more than 10⁸.
    Diverged,
    /// A, its adjoint or the preconditioner returned NaN or infinity, or x is too large for its
    /// type.
    NotFinite,
    /// As many iterations as allowed.
    IterationLimit,
    /// The observer said so.
    Stopped,
}

/// A method of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Gauss–Seidel sweeps.
    GaussSeidel,
    /// Conjugate gradients.
    Cg,
    /// Generalised minimal residuals, restarted.
    Gmres,
    /// Stabilised bi-conjugate gradients.
    Bicgstab,
    /// Least squares by bidiagonalisation, minimising ‖r‖.
    Lsqr,
    /// The same, minimising ‖Aᴴ·r‖.
    Lsmr,
}
