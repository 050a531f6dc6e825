//! LSMR, and the bidiagonalisation that it shares with LSQR.

use super::run::Run;
use super::vector::{add, divide, norm, scalar};
use super::{Method, Options, Solution, Stop};
use crate::{LinearOperator, Result, Scalar};

/// Minimises ‖b − A·x‖ for any A by bidiagonalisation: in exact arithmetic the iterates of MINRES
/// on AᴴA·x = Aᴴb, so that ‖Aᴴr‖ falls in every iteration, and ‖r‖ too.
///
/// The method of last resort for a square A whose eigenvalues surround zero, as where rows are
/// permuted: it depends on the singular values alone, and needs about κ(A)·ln(2/tolerance)
/// iterations. Of the many minimisers of a rank-deficient A it finds the one nearest to the
/// start, which from zero is the one of least norm, A⁺b.
///
/// # Errors
/// [`Error::Empty`](crate::Error::Empty), [`Error::Shape`](crate::Error::Shape),
/// [`Error::NotFinite`](crate::Error::NotFinite) with an index,
/// [`Error::OutOfRange`](crate::Error::OutOfRange) for an option, and
/// [`Error::NoAdjoint`](crate::Error::NoAdjoint). Not converging is no error: see
/// [`Solution::stop`].
///
/// # Examples
/// The point of x + 2·y = 5 that is nearest to the origin is (1, 2):
/// ```
/// use linalg::krylov::{self, Options, Stop};
/// use linalg::DMatrix;
/// let plane = DMatrix::from_row_slice(1, 2, &[1.0, 2.0]);
/// let point = krylov::lsmr(&plane, &[5.0_f64], Options::default())?;
/// assert_eq!(point.stop, Stop::Converged);
/// assert!((point.x[0] - 1.0).abs() < 1e-15 && (point.x[1] - 2.0).abs() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// D. C.-L. Fong, M. A. Saunders, "LSMR: an iterative algorithm for sparse least-squares
/// problems", SIAM J. Sci. Comput. 33 (2011), sections 2.8 and 5 (without damping).
pub fn lsmr<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &[T],
    options: Options<'_, T>,
) -> Result<Solution<T>> {
    let mut run = Run::new(Method::Lsmr, a, b, options)?;
    let stop = iterate(&mut run)?;
    run.finish(stop)
}

pub(super) fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Stop> {
    let mut pair = Bidiagonal::new(run);
    loop {
        if let Some(stop) = pair.start(run)? {
            return Ok(stop);
        }
        let (mut h, mut h_bar) = (pair.v.clone(), vec![T::zero(); pair.v.len()]);
        let mut y = vec![T::zero(); h.len()];
        let mut size = ResidualNorm::new(pair.beta);
        let (mut zeta_bar, mut alpha_bar) = (pair.alpha * pair.beta, pair.alpha);
        let (mut rho, mut rho_bar, mut c_bar, mut s_bar) = (1.0, 1.0, 1.0, 0.0);
        let stop = loop {
            pair.step(run)?;
            let (rho_old, rho_bar_old) = (rho, rho_bar);
            let (c, s);
            (c, s, rho) = rotation(alpha_bar, pair.beta);
            let theta = s * pair.alpha;
            alpha_bar = c * pair.alpha;
            let theta_bar = s_bar * rho;
            (c_bar, s_bar, rho_bar) = rotation(c_bar * rho, theta);
            let zeta = c_bar * zeta_bar;
            zeta_bar *= -s_bar;

            let residual = size.next(c, s, theta_bar, rho_bar, zeta);
            let normal = zeta_bar.abs() / residual / run.operator_norm;
            let stop = pair.advance(run, residual, normal);
            if stop == Some(Stop::NotFinite) {
                break stop;
            }
            // Quotients one by one: products of two singular values may overflow.
            let back = scalar::<T>((theta_bar / rho_old) * (rho / rho_bar_old));
            let (step, turn) = (scalar::<T>(zeta / rho / rho_bar), scalar::<T>(theta / rho));
            for (((y, h), h_bar), &v) in y.iter_mut().zip(&mut h).zip(&mut h_bar).zip(&pair.v) {
                *h_bar = *h - back * *h_bar;
                *y += step * *h_bar;
                *h = v - turn * *h;
            }
            if stop.is_some() {
                break stop;
            }
        };
        if let Some(stop) = pair.collect(run, &y, stop)? {
            return Ok(stop);
        }
    }
}

/// Golub and Kahan's bidiagonalisation of A·M: β·u ← A·M·v − α·u, α·v ← (A·M)ᴴ·u − β·v.
pub(super) struct Bidiagonal<T> {
    u: Vec<T>,
    pub(super) v: Vec<T>,
    /// The norms that made `v` and `u` unit vectors.
    pub(super) alpha: f64,
    pub(super) beta: f64,
    long: Vec<T>,
    wide: Vec<T>,
    space: Vec<T>,
    /// The measure of the normal equations when this start was made.
    normal: f64,
}

impl<T: Scalar> Bidiagonal<T> {
    pub(super) fn new(run: &Run<'_, T>) -> Self {
        let (long, wide) = (vec![T::zero(); run.b.len()], vec![T::zero(); run.x.len()]);
        Self {
            u: long.clone(),
            v: wide.clone(),
            alpha: 0.0,
            beta: 0.0,
            long,
            wide,
            space: Vec::new(),
            normal: 1.0,
        }
    }

    /// Starts from the residual of x, computed afresh; whether that ends the work.
    pub(super) fn start(&mut self, run: &mut Run<'_, T>) -> Result<Option<Stop>> {
        let relative = run.residual(&mut self.u)?;
        if let Some(stop) = run.settled() {
            return Ok(Some(stop));
        }
        self.beta = norm(&self.u);
        divide(&mut self.u, self.beta);
        self.adjoint(run)?;
        self.v.copy_from_slice(&self.wide);
        self.alpha = norm(&self.v);
        if !self.alpha.is_finite() {
            return Ok(Some(Stop::NotFinite));
        }
        run.operator_norm = run.operator_norm.max(self.alpha);
        if self.alpha <= 0.0 {
            return Ok(Some(Stop::LeastSquares));
        }
        // ‖Aᴴr‖/(‖A‖‖r‖), computed afresh like the residual.
        self.normal = self.alpha / run.operator_norm;
        if self.normal <= run.options.tolerance {
            return Ok(Some(Stop::LeastSquares));
        }
        divide(&mut self.v, self.alpha);
        Ok(run.progressed(relative * self.normal, 0.5, Stop::Stagnated))
    }

    /// The next pair of vectors.
    pub(super) fn step(&mut self, run: &mut Run<'_, T>) -> Result<()> {
        let v = run.precondition(&self.v, &mut self.space)?;
        run.apply(v, &mut self.long)?;
        let alpha = scalar::<T>(self.alpha);
        for (u, &av) in self.u.iter_mut().zip(&self.long) {
            *u = av - alpha * *u;
        }
        self.beta = norm(&self.u);
        run.operator_norm = run.operator_norm.max(self.alpha.hypot(self.beta));
        if self.beta <= 0.0 {
            self.alpha = 0.0;
            return Ok(());
        }
        divide(&mut self.u, self.beta);
        self.adjoint(run)?;
        let beta = scalar::<T>(self.beta);
        for (v, &au) in self.v.iter_mut().zip(&self.wide) {
            *v = au - beta * *v;
        }
        self.alpha = norm(&self.v);
        if self.alpha > 0.0 {
            divide(&mut self.v, self.alpha);
        }
        Ok(())
    }

    /// Counts an iteration; ‖r‖ and the relative ‖(A·M)ᴴr‖ are by the recurrences.
    pub(super) fn advance(&self, run: &mut Run<'_, T>, residual: f64, normal: f64) -> Option<Stop> {
        let relative = run.relative(residual);
        // A NaN from the operator shows in one of the norms first.
        if !(self.alpha + self.beta).is_finite() {
            return run.count(f64::NAN, f64::NAN);
        }
        let stop = run.count(relative, relative * normal);
        // An exhausted space, alpha or beta zero, has reached one end or the other.
        let end = normal <= run.options.tolerance || self.alpha <= 0.0;
        stop.or_else(|| end.then_some(Stop::LeastSquares))
    }

    /// x ← x + M·y. Claims are left for the next start to confirm.
    pub(super) fn collect(
        &mut self,
        run: &mut Run<'_, T>,
        y: &[T],
        stop: Option<Stop>,
    ) -> Result<Option<Stop>> {
        let correction = run.precondition(y, &mut self.space)?;
        if correction.iter().all(|x| x.is_finite()) {
            add(&mut run.x, T::one(), correction);
        }
        Ok(stop.filter(|stop| !matches!(stop, Stop::Converged | Stop::LeastSquares)))
    }

    /// wide ← (A·M)ᴴ·u.
    fn adjoint(&mut self, run: &mut Run<'_, T>) -> Result<()> {
        run.apply_adjoint(&self.u, &mut self.wide)?;
        if let Some(m) = run.options.preconditioner {
            self.space.resize(self.wide.len(), T::zero());
            m.apply_adjoint(&self.wide, &mut self.space)?;
            std::mem::swap(&mut self.wide, &mut self.space);
        }
        Ok(())
    }
}

/// c, s and r ≥ 0 with c·a + s·b = r and −s·a + c·b = 0.
fn rotation(a: f64, b: f64) -> (f64, f64, f64) {
    let r = a.hypot(b);
    if r == 0.0 { (1.0, 0.0, 0.0) } else { (a / r, b / r, r) }
}

/// The recurrence for ‖r‖, which LSMR does not have for free (Fong and Saunders, section 3.1).
struct ResidualNorm {
    beta_dd: f64,
    beta_d: f64,
    rho_d: f64,
    tau: f64,
    theta: f64,
    zeta: f64,
}

impl ResidualNorm {
    fn new(beta: f64) -> Self {
        Self { beta_dd: beta, beta_d: 0.0, rho_d: 1.0, tau: 0.0, theta: 0.0, zeta: 0.0 }
    }

    fn next(&mut self, c: f64, s: f64, theta_bar: f64, rho_bar: f64, zeta: f64) -> f64 {
        let beta_hat = c * self.beta_dd;
        self.beta_dd *= -s;
        let theta_old = self.theta;
        let (c_tilde, s_tilde, rho_tilde) = rotation(self.rho_d, theta_bar);
        self.theta = s_tilde * rho_bar;
        self.rho_d = c_tilde * rho_bar;
        self.beta_d = -s_tilde * self.beta_d + c_tilde * beta_hat;
        self.tau = (self.zeta - theta_old * self.tau) / rho_tilde;
        self.zeta = zeta;
        let tau_d = (zeta - self.theta * self.tau) / self.rho_d;
        (self.beta_d - tau_d).hypot(self.beta_dd)
    }
}
