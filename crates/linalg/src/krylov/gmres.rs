//! GMRES with restarts.

use super::run::Run;
use super::vector::{add, divide, dot, modulus, norm, scalar};
use super::{Method, Options, Solution, Stop};
use crate::{LinearOperator, Result, Scalar};

/// Solves A·x = b for square A by generalised minimal residuals: each iteration minimises
/// ‖b − A·x‖ over a space that grows by one product, and starts again every
/// [`Options::restart`] iterations.
///
/// The residual never grows. It can stand still: on the cyclic shift of n entries GMRES(m) makes
/// no progress at all for m < n, and says [`Stop::Stagnated`] after the first cycle that gains
/// less than one percent.
///
/// # Errors
/// [`Error::NotSquare`](crate::Error::NotSquare), [`Error::Empty`](crate::Error::Empty),
/// [`Error::Shape`](crate::Error::Shape), [`Error::NotFinite`](crate::Error::NotFinite) with an
/// index, [`Error::OutOfRange`](crate::Error::OutOfRange) for an option. Not converging is no
/// error: see [`Solution::stop`].
///
/// # Examples
/// ```
/// use linalg::krylov::{self, Options, Stop};
/// use linalg::DMatrix;
/// // The cyclic shift of 4: x₁ → x₂ → x₃ → x₄ → x₁.
/// let shift = DMatrix::from_fn(4, 4, |i, j| if (j + 1) % 4 == i { 1.0 } else { 0.0 });
/// let b = [1.0, 0.0, 0.0, 0.0];
/// let short = krylov::gmres(&shift, &b, Options::default().restart(3))?;
/// assert_eq!((short.stop, short.relative_residual), (Stop::Stagnated, 1.0));
/// let full = krylov::gmres(&shift, &b, Options::default().restart(4))?;
/// assert_eq!((full.stop, full.iterations), (Stop::Converged, 4));
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Y. Saad, M. H. Schultz, "GMRES: a generalized minimal residual algorithm for solving
/// nonsymmetric linear systems", SIAM J. Sci. Stat. Comput. 7 (1986), preconditioned from the
/// right.
pub fn gmres<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &[T],
    options: Options<'_, T>,
) -> Result<Solution<T>> {
    let mut run = Run::new_square(Method::Gmres, a, b, options)?;
    let stop = iterate(&mut run)?;
    run.finish(stop)
}

fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Stop> {
    let n = run.x.len();
    let mut w = vec![T::zero(); n];
    let mut basis: Vec<Vec<T>> = Vec::new();
    let mut space = Vec::new();
    let mut reason = Stop::Stagnated;
    loop {
        let relative = run.residual(&mut w)?;
        let stop = run.settled().or_else(|| run.progressed(relative, 0.99, reason));
        if let Some(stop) = stop {
            return Ok(stop);
        }
        let mut problem = LeastSquares::new(norm(&w));
        let mut last = normalized(&w, problem.residual());
        basis.clear();
        let stop = loop {
            let v = run.precondition(&last, &mut space)?;
            run.apply(v, &mut w)?;
            basis.push(last);
            let before = norm(&w);
            let mut column: Vec<T> = Vec::with_capacity(basis.len() + 1);
            for v in &basis {
                let h = dot(v, &w);
                add(&mut w, -h, v);
                column.push(h);
            }
            let after = norm(&w);
            if before.is_finite() && after.is_finite() {
                // A column that depends on the earlier ones says nothing new about x.
                if !problem.push(column, after, before) {
                    break Some(Stop::Breakdown);
                }
            }
            // NaN and infinity are for `advance` to see.
            let residual = if after.is_finite() { problem.residual() } else { after };
            let stop = run.advance(run.relative(residual));
            if stop.is_some() || basis.len() == run.options.restart {
                break stop;
            }
            if after <= T::EPSILON * before {
                break Some(Stop::Breakdown);
            }
            last = normalized(&w, after);
        };
        w.fill(T::zero());
        for (y, v) in problem.solution().into_iter().zip(&basis) {
            add(&mut w, y, v);
        }
        let correction = run.precondition(&w, &mut space)?;
        if correction.iter().all(|x| x.is_finite()) {
            add(&mut run.x, T::one(), correction);
        }
        reason = match stop {
            None | Some(Stop::Converged) => Stop::Stagnated,
            Some(Stop::Breakdown) => Stop::Breakdown,
            Some(stop) => return Ok(stop),
        };
    }
}

fn normalized<T: Scalar>(x: &[T], norm: f64) -> Vec<T> {
    let mut x = x.to_vec();
    divide(&mut x, norm);
    x
}

/// min ‖β·e₁ − H·y‖ for a Hessenberg matrix that grows by columns, kept as R by Givens rotations.
struct LeastSquares<T> {
    /// The columns of R, each down to its diagonal.
    columns: Vec<Vec<T>>,
    rotations: Vec<(f64, T)>,
    /// Qᴴ·β·e₁; its last entry is the residual.
    right: Vec<T>,
}

impl<T: Scalar> LeastSquares<T> {
    fn new(beta: f64) -> Self {
        Self { columns: Vec::new(), rotations: Vec::new(), right: vec![scalar(beta)] }
    }

    fn residual(&self) -> f64 {
        self.right.last().map_or(0.0, |&last| modulus(last))
    }

    /// Adds the column (`h`, `below`) of norm `size`, unless R would be singular.
    fn push(&mut self, mut h: Vec<T>, below: f64, size: f64) -> bool {
        for (i, &(c, s)) in self.rotations.iter().enumerate() {
            let (upper, lower) = (h[i], h[i + 1]);
            h[i] = upper * scalar(c) + s * lower;
            h[i + 1] = lower * scalar(c) - s.conjugate() * upper;
        }
        let last = h.len() - 1;
        let (diagonal, length) = (h[last], modulus(h[last]));
        let radius = length.hypot(below);
        if radius <= T::EPSILON * size {
            return false;
        }
        let phase =
            if length == 0.0 { T::one() } else { diagonal.unscale(nalgebra::convert(length)) };
        let (c, s) = (length / radius, phase * scalar(below / radius));
        h[last] = phase * scalar(radius);
        let beta = self.right[last];
        self.right[last] = beta * scalar(c);
        self.right.push(-s.conjugate() * beta);
        self.rotations.push((c, s));
        self.columns.push(h);
        true
    }

    /// y of R·y = Qᴴ·β·e₁.
    fn solution(&self) -> Vec<T> {
        let mut y = self.right[..self.columns.len()].to_vec();
        for k in (0..y.len()).rev() {
            y[k] /= self.columns[k][k];
            let yk = y[k];
            for i in 0..k {
                y[i] -= self.columns[k][i] * yk;
            }
        }
        y
    }
}
