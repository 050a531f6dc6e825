//! BiCGSTAB.

use super::run::Run;
use super::vector::{
    add, divide, dot, dot_and_square, largest, modulus, real, subtract, subtract_and_dot,
};
use super::{Method, Options, Solution, Stop};
use crate::{LinearOperator, Result, Scalar};

/// Solves A·x = b for square A by stabilised bi-conjugate gradients: two products and five passes
/// over memory per iteration, nine vectors, no adjoint.
///
/// Fast where the eigenvalues lie on one side of zero. It never converges on a skew A, and
/// usually diverges where rows are permuted; both are reported, and [`solve`](super::solve) then
/// goes on with LSMR.
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
/// use linalg::Csr;
/// let a = Csr::from_triplets(2, 2, &[(0, 0, 4.0), (0, 1, 1.0), (1, 0, 2.0), (1, 1, 3.0)])?;
/// let solution = krylov::bicgstab(&a, &[6.0_f64, 8.0], Options::default())?;
/// assert_eq!(solution.stop, Stop::Converged);
/// assert!((solution.x[0] - 1.0).abs() < 1e-7 && (solution.x[1] - 2.0).abs() < 1e-7);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// H. A. van der Vorst, "Bi-CGSTAB: a fast and smoothly converging variant of Bi-CG for the
/// solution of nonsymmetric linear systems", SIAM J. Sci. Stat. Comput. 13 (1992), preconditioned
/// from the right.
pub fn bicgstab<T: Scalar>(
    a: &dyn LinearOperator<T>,
    b: &[T],
    options: Options<'_, T>,
) -> Result<Solution<T>> {
    let mut run = Run::new_square(Method::Bicgstab, a, b, options)?;
    let stop = iterate(&mut run)?;
    run.finish(stop)
}

pub(super) fn iterate<T: Scalar>(run: &mut Run<'_, T>) -> Result<Stop> {
    let zeros = || vec![T::zero(); run.x.len()];
    let (mut r, mut v, mut s, mut t) = (zeros(), zeros(), zeros(), zeros());
    let (mut p_space, mut s_space) = (Vec::new(), Vec::new());
    let mut reason = Stop::Stagnated;
    loop {
        let relative = run.residual(&mut r)?;
        if let Some(stop) = run.settled().or_else(|| run.progressed(relative, 0.5, reason)) {
            return Ok(stop);
        }
        let (shadow, mut p) = (r.clone(), r.clone());
        let (mut rho, mut r_square) = {
            let square = dot(&r, &r);
            (square, real(square))
        };
        let shadow_square = r_square;
        reason = loop {
            let p_hat = run.precondition(&p, &mut p_space)?;
            run.apply(p_hat, &mut v)?;
            let against = dot(&shadow, &v);
            if !against.is_finite() {
                run.advance(f64::NAN);
                return Ok(Stop::NotFinite);
            }
            let alpha = rho / against;
            let s_square = real(subtract(&mut s, &r, alpha, &v));
            // ⟨shadow, v⟩ is zero up to rounding: a step this long carries no digits.
            if against == T::zero() || s_square > r_square / T::EPSILON {
                break Stop::Breakdown;
            }
            if run.relative(s_square.sqrt()) <= run.options.tolerance {
                // The half step claims to do; the second product can be saved.
                run.advance(run.relative(s_square.sqrt()));
                let p_hat = if p_space.is_empty() { &p } else { &p_space };
                add(&mut run.x, alpha, p_hat);
                break Stop::Stagnated;
            }
            let s_hat = run.precondition(&s, &mut s_space)?;
            run.apply(s_hat, &mut t)?;
            let (omega, cosine) = projection(&t, &s, s_square);
            let (square, shadow_dot) = subtract_and_dot(&mut r, &s, omega, &t, &shadow);
            r_square = real(square);
            let stop = run.advance(run.relative(r_square.sqrt()));
            if stop == Some(Stop::NotFinite) {
                return Ok(Stop::NotFinite);
            }
            let beta = (shadow_dot / rho) * (alpha / omega);
            rho = shadow_dot;
            // x and p together: what they read is nearly the same.
            let (p_hat, s_hat) = (
                if p_space.is_empty() { None } else { Some(p_space.as_slice()) },
                if s_space.is_empty() { s.as_slice() } else { s_space.as_slice() },
            );
            step(&mut run.x, &mut p, p_hat, Combination { alpha, omega, beta }, s_hat, &r, &v);
            match stop {
                Some(Stop::Converged) => break Stop::Stagnated,
                Some(stop) => return Ok(stop),
                None => {}
            }
            let lost = modulus(rho) <= T::EPSILON * (shadow_square * r_square).sqrt();
            if lost || cosine <= T::EPSILON {
                break Stop::Breakdown;
            }
        };
    }
}

struct Combination<T> {
    alpha: T,
    omega: T,
    beta: T,
}

/// x ← x + α·p̂ + ω·ŝ and p ← r + β·(p − ω·v), in one pass.
fn step<T: Scalar>(
    x: &mut [T],
    p: &mut [T],
    p_hat: Option<&[T]>,
    Combination { alpha, omega, beta }: Combination<T>,
    s_hat: &[T],
    r: &[T],
    v: &[T],
) {
    let n = x.len();
    let (p, s_hat, r, v) = (&mut p[..n], &s_hat[..n], &r[..n], &v[..n]);
    match p_hat {
        None => {
            for i in 0..n {
                x[i] += alpha * p[i] + omega * s_hat[i];
                p[i] = r[i] + beta * (p[i] - omega * v[i]);
            }
        }
        Some(p_hat) => {
            let p_hat = &p_hat[..n];
            for i in 0..n {
                x[i] += alpha * p_hat[i] + omega * s_hat[i];
                p[i] = r[i] + beta * (p[i] - omega * v[i]);
            }
        }
    }
}

/// ω = ⟨t, s⟩/⟨t, t⟩, which minimises ‖s − ω·t‖, and the cosine between t and s.
fn projection<T: Scalar>(t: &[T], s: &[T], s_square: f64) -> (T, f64) {
    let (mut ts, mut tt) = dot_and_square(t, s);
    let safe = T::MIN_POSITIVE / T::EPSILON..0.1 / T::MIN_POSITIVE;
    let mut unit = 1.0;
    if !safe.contains(&real(tt)) {
        // Entries of A beyond the root of the range: measure t in units of its largest entry.
        let size = largest(t);
        if size == 0.0 || !size.is_finite() {
            return (if size == 0.0 { T::zero() } else { tt }, 1.0);
        }
        unit = size;
        let mut scaled = t.to_vec();
        divide(&mut scaled, size);
        (ts, tt) = dot_and_square(&scaled, s);
    }
    let cosine = modulus(ts) / (real(tt) * s_square).sqrt();
    ((ts / tt).unscale(nalgebra::convert(unit)), cosine)
}
