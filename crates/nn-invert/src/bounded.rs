//! The point of a box that solves A·x = b, or comes nearest to it.

use linalg::{Cholesky, DMatrix, DVector, PseudoInverse, Threads, adjoint, gemm, product};

use crate::Result;

/// Proximal steps before giving up: each takes a few Newton steps.
const STEPS: usize = 100;
/// Newton steps within one of these.
const NEWTON: usize = 100;

/// What [`nearest_in_box`] found.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Boxed {
    /// x.
    pub x: DVector<f64>,
    /// b − A·x, computed from x. Where it is not zero, no x of the box makes it shorter, and it is the
    /// witness of that: see [`Boxed::excludes`].
    pub residual: DVector<f64>,
    /// ‖x − P(x + Aᵀ·r)‖₂ with r the residual over its length and P the projection onto the box: 0 at
    /// a least-squares point. 0 where the residual is.
    pub stationarity: f64,
    /// Newton steps in all, each with a Cholesky factorisation of the size of b.
    pub iterations: usize,
}

impl Boxed {
    /// How far b lies beyond every A·x of the box, seen along w = r/‖r‖, r the residual:
    ///
    /// ```text
    /// wᵀ·b − max { (Aᵀ·w)ᵀ·x : lower ≤ x ≤ upper }
    /// ```
    ///
    /// A positive number is a proof that A·x = b has no solution in the box, whatever the method that
    /// found w. Of a side without bound, −∞ unless Aᵀ·w leaves it alone.
    ///
    /// # Errors
    /// [`Error::Linalg`](crate::Error::Linalg) for arguments of other shapes than those that made it.
    pub fn excludes(
        &self,
        a: &DMatrix<f64>,
        b: &DVector<f64>,
        lower: &DVector<f64>,
        upper: &DVector<f64>,
    ) -> Result<f64> {
        let norm = self.residual.norm();
        if norm == 0.0 {
            return Ok(0.0);
        }
        let w = &self.residual / norm;
        let pull = product(adjoint(a), &DMatrix::from_column_slice(w.len(), 1, w.as_slice()))?;
        let reach = pull
            .iter()
            .zip(lower.iter().zip(upper.iter()))
            .map(|(&g, (&low, &high))| if g == 0.0 { 0.0 } else { (g * low).max(g * high) });
        Ok(w.dot(b) - reach.sum::<f64>())
    }
}

/// The x nearest to `center` among those in the box `lower` ≤ x ≤ `upper` that make ‖A·x − b‖₂ least:
/// in the best case A·x = b.
///
/// With `lower` = 0 and no `upper` this is nonnegative least squares, with finite bounds the choice of
/// hidden values that a tanh can give. A bound may be infinite.
///
/// Method: proximal steps on b, each the minimum of a convex, once differentiable, piecewise quadratic
/// function of as many variables as b has, by Newton's method with a line search.
///
/// # Errors
/// [`Error::Linalg`](crate::Error::Linalg) where the shapes do not fit.
///
/// # Examples
/// x₁ + x₂ = 3 with x₁ ≤ 1: (1, 2), where the shortest solution is (1.5, 1.5). With both at most 1
/// there is none, the nearest is (1, 1), and the certificate says by how much it falls short: 3 − 2.
/// ```
/// use linalg::{DMatrix, DVector};
/// use nn_invert::nearest_in_box;
///
/// let a = DMatrix::from_element(1, 2, 1.0);
/// let (b, center) = (DVector::from_element(1, 3.0), DVector::zeros(2));
/// let lower = DVector::from_element(2, f64::NEG_INFINITY);
/// let upper = DVector::from_vec(vec![1.0, f64::INFINITY]);
/// let found = nearest_in_box(&a, &b, &lower, &upper, &center)?;
/// assert!((found.x - DVector::from_vec(vec![1.0, 2.0])).norm() < 1e-12);
///
/// let (lower, upper) = (DVector::from_element(2, -1.0), DVector::from_element(2, 1.0));
/// let found = nearest_in_box(&a, &b, &lower, &upper, &center)?;
/// assert!((&found.x - DVector::from_element(2, 1.0)).norm() < 1e-9);
/// assert!((found.excludes(&a, &b, &lower, &upper)? - 1.0).abs() < 1e-12);
/// # Ok::<(), nn_invert::Error>(())
/// ```
///
/// # References
/// Li, Sun & Toh, "A highly efficient semismooth Newton augmented Lagrangian method for solving Lasso
/// problems", SIAM J. Optimization 28(1), 2018, whose two loops these are.
pub fn nearest_in_box(
    a: &DMatrix<f64>,
    b: &DVector<f64>,
    lower: &DVector<f64>,
    upper: &DVector<f64>,
    center: &DVector<f64>,
) -> Result<Boxed> {
    let (m, n) = a.shape();
    for (argument, found, expected) in [
        ("b", b.len(), m),
        ("lower", lower.len(), n),
        ("upper", upper.len(), n),
        ("center", center.len(), n),
    ] {
        if found != expected {
            return Err(linalg::Error::Shape {
                argument,
                found_rows: found,
                found_columns: 1,
                expected_rows: expected,
                expected_columns: 1,
            }
            .into());
        }
    }
    let problem = Problem { a, b, lower, upper, center };
    let size = a.norm().max(f64::MIN_POSITIVE);
    // Rounding of A·x and of b.
    let noise = |x: &DVector<f64>| 4.0 * f64::EPSILON * (size * x.norm() + b.norm());

    let mut lambda = DVector::zeros(m);
    let (mut mu, mut iterations) = (1e-3 * size * size / n.max(m) as f64, 0);
    let least = 1e-12 * size * size;
    let mut best: Option<(f64, DVector<f64>, DVector<f64>)> = None;
    let mut before = f64::INFINITY;
    for _ in 0..STEPS {
        let anchor = lambda.clone();
        iterations += problem.minimize(mu, &anchor, &mut lambda)?;
        let x = problem.point(&lambda)?;
        let residual = b - times(a, &x)?;
        let norm = residual.norm();
        let done = norm <= noise(&x);
        let stuck = norm >= before * (1.0 - 1e-9);
        before = before.min(norm);
        if best.as_ref().is_none_or(|(least, ..)| norm <= *least) {
            best = Some((norm, x, residual));
        }
        if done || (stuck && mu <= least) {
            break;
        }
        mu = (mu * 0.1).max(least);
    }
    let (mut norm, mut x, mut residual) = best.unwrap_or((0.0, center.clone(), b.clone()));
    if norm > noise(&x) {
        // The proximal steps are slow along small singular values; the coordinates that no bound holds
        // are known by now, and are solved for.
        let corrected = problem.correct(&x, &residual)?;
        let left = b - times(a, &corrected)?;
        if left.norm() < norm {
            (norm, x, residual) = (left.norm(), corrected, left);
        }
    }
    let stationarity = if norm <= noise(&x) {
        0.0
    } else {
        let moved = problem.clip(&x + times_adjoint(a, &(&residual / norm))?);
        (&x - moved).norm()
    };
    Ok(Boxed { x, residual, stationarity, iterations })
}

struct Problem<'a> {
    a: &'a DMatrix<f64>,
    b: &'a DVector<f64>,
    lower: &'a DVector<f64>,
    upper: &'a DVector<f64>,
    center: &'a DVector<f64>,
}

impl Problem<'_> {
    fn clip(&self, mut x: DVector<f64>) -> DVector<f64> {
        for (x, (&low, &high)) in x.iter_mut().zip(self.lower.iter().zip(self.upper.iter())) {
            *x = x.max(low).min(high);
        }
        x
    }

    /// x(λ) = P(c + Aᵀ·λ).
    fn point(&self, lambda: &DVector<f64>) -> Result<DVector<f64>> {
        Ok(self.clip(self.center + times_adjoint(self.a, lambda)?))
    }

    /// x with the shortest change of the coordinates that no bound holds that takes the residual away, as
    /// far as the bounds allow.
    fn correct(&self, x: &DVector<f64>, residual: &DVector<f64>) -> Result<DVector<f64>> {
        let inside = |&i: &usize| x[i] > self.lower[i] && x[i] < self.upper[i];
        let free: Vec<usize> = (0..x.len()).filter(inside).collect();
        let mut corrected = x.clone();
        if !free.is_empty() {
            let change = PseudoInverse::new(&self.a.select_columns(&free))?.solve(residual)?;
            for (&i, change) in free.iter().zip(&change) {
                corrected[i] += change;
            }
        }
        Ok(self.clip(corrected))
    }

    /// The gradient A·P(u) + μ·(λ − anchor) − b at u = c + Aᵀ·λ of the convex function
    ///
    /// ```text
    /// φ(λ) = ½‖u‖² − ½‖u − P(u)‖² + (μ/2)·‖λ − anchor‖² − bᵀλ
    /// ```
    ///
    /// and the coordinates in which P moves with u.
    fn gradient(
        &self,
        mu: f64,
        anchor: &DVector<f64>,
        lambda: &DVector<f64>,
    ) -> Result<(DVector<f64>, Vec<bool>)> {
        let u = self.center + times_adjoint(self.a, lambda)?;
        let free = (0..u.len()).map(|i| u[i] > self.lower[i] && u[i] < self.upper[i]).collect();
        let x = self.clip(u);
        Ok((times(self.a, &x)? + (lambda - anchor) * mu - self.b, free))
    }

    /// λ ← argmin φ; the number of Newton steps.
    #[expect(clippy::float_cmp, reason = "1 and a step that changes nothing are exact")]
    fn minimize(&self, mu: f64, anchor: &DVector<f64>, lambda: &mut DVector<f64>) -> Result<usize> {
        let (m, n) = self.a.shape();
        let (mut gradient, mut free) = self.gradient(mu, anchor, lambda)?;
        let goal = 1e-15 * (self.b.norm() + self.a.norm());
        for step in 0..NEWTON {
            if gradient.norm() <= goal {
                return Ok(step);
            }
            // φ″ = A·D·Aᵀ + μ·I, D the coordinates that are free.
            let mut active = self.a.clone();
            for (j, _) in (0..n).zip(&free).filter(|(_, free)| !**free) {
                active.column_mut(j).fill(0.0);
            }
            let mut hessian = DMatrix::from_diagonal_element(m, m, mu);
            let view = hessian.as_view_mut();
            gemm(1.0, &active, adjoint(&active), 1.0, view, Threads::One)?;
            let Ok(factor) = Cholesky::new(hessian) else { return Ok(step) };
            let direction = -factor.solve(&gradient)?;
            let descent = gradient.dot(&direction);
            // φ is convex: it falls up to where its slope along the way is zero, which is where the
            // bisection goes. Values of φ would cancel.
            let (mut low, mut high, mut length) = (0.0, 1.0, 1.0);
            let mut next = None;
            for _ in 0..60 {
                let trial = &*lambda + &direction * length;
                let found = self.gradient(mu, anchor, &trial)?;
                let slope = found.0.dot(&direction);
                if slope <= -1e-9 * descent && (length == 1.0 || slope >= 0.5 * descent) {
                    next = Some((trial, found));
                    break;
                }
                if slope > 0.0 {
                    high = length;
                } else {
                    low = length;
                }
                length = (low + high) / 2.0;
            }
            let Some((trial, found)) = next else { return Ok(step) };
            if trial == *lambda {
                return Ok(step);
            }
            *lambda = trial;
            (gradient, free) = found;
        }
        Ok(NEWTON)
    }
}

fn times(a: &DMatrix<f64>, x: &DVector<f64>) -> Result<DVector<f64>> {
    let x = DMatrix::from_column_slice(x.len(), 1, x.as_slice());
    Ok(DVector::from_column_slice(product(a, &x)?.as_slice()))
}

fn times_adjoint(a: &DMatrix<f64>, x: &DVector<f64>) -> Result<DVector<f64>> {
    let x = DMatrix::from_column_slice(x.len(), 1, x.as_slice());
    Ok(DVector::from_column_slice(product(adjoint(a), &x)?.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal, seeded, vector};
    use linalg::bounded_least_squares;
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    fn random(m: usize, n: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
        DMatrix::from_fn(m, n, |_, _| rng.random_range(-1.0..1.0))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// The conditions of Karush, Kuhn and Tucker, which no other point has: the solution is
        /// unique.
        #[test]
        fn a_point_that_is_reached_is_the_nearest_to_the_center(
            m in 1_usize..8, wider in 0_usize..12, seed in 0_u64..1_000_000,
        ) {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let n = m + wider;
            let a = random(m, n, &mut rng);
            let inside = random(n, 1, &mut rng).column(0).into_owned();
            let b = times(&a, &inside).unwrap();
            let (lower, upper) = (DVector::from_element(n, -1.0), DVector::from_element(n, 1.0));
            let center = random(n, 1, &mut rng).column(0) * 2.0;
            let found = nearest_in_box(&a, &b, &lower, &upper, &center).unwrap();
            prop_assert!(found.residual.norm() <= 1e-12, "{:e}", found.residual.norm());
            prop_assert!(found.x.iter().all(|x| x.abs() <= 1.0));
            // No step within the null space of A and the box leads nearer: such steps to other
            // points of the set are all of these.
            for _ in 0..20 {
                let other = random(n, 1, &mut rng).column(0).into_owned();
                let other = nearest_in_box(&a, &b, &lower, &upper, &other).unwrap();
                let uphill = (&found.x - &center).dot(&(&other.x - &found.x));
                prop_assert!(uphill >= -1e-9, "{uphill:e}");
            }
        }

        #[test]
        fn nonnegative_least_squares_is_stationary(
            m in 1_usize..10, n in 1_usize..8, seed in 0_u64..1_000_000,
        ) {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let (a, b) = (random(m, n, &mut rng), random(m, 1, &mut rng).column(0).into_owned());
            let (lower, upper) = (DVector::zeros(n), DVector::from_element(n, f64::INFINITY));
            let found = nearest_in_box(&a, &b, &lower, &upper, &lower).unwrap();
            prop_assert!(found.x.iter().all(|&x| x >= 0.0));
            // h ≥ 0, Aᵀr ≤ 0, h·Aᵀr = 0: to 1e-7, the proximal loop's own limit.
            let pull = times_adjoint(&a, &found.residual).unwrap();
            prop_assert!(pull.iter().all(|&g| g <= 1e-7), "{pull}");
            prop_assert!(found.x.dot(&pull).abs() <= 1e-7, "{:e}", found.x.dot(&pull));
        }
    }

    #[test]
    fn what_cannot_be_reached_is_excluded_by_the_residual() {
        // W square with |h| > 1 in one place: no point of the box gives it.
        for seed in 0..40 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let n = 6;
            let a = random(n, n, &mut rng);
            let mut h = random(n, 1, &mut rng).column(0) * 0.9;
            h[(seed % 6) as usize] = 1.3;
            let b = times(&a, &h).unwrap();
            let (lower, upper) = (DVector::from_element(n, -1.0), DVector::from_element(n, 1.0));
            let found = nearest_in_box(&a, &b, &lower, &upper, &DVector::zeros(n)).unwrap();
            let by = found.excludes(&a, &b, &lower, &upper).unwrap();
            assert!(by > 0.0, "seed {seed}: {by:e}, residual {:e}", found.residual.norm());
            assert!((by / found.residual.norm() - 1.0).abs() < 1e-3, "seed {seed}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (a, b) = (DMatrix::zeros(2, 3), DVector::zeros(2));
        let three = DVector::zeros(3);
        let error = nearest_in_box(&a, &b, &three, &b, &three).unwrap_err();
        assert_eq!(error.to_string(), "upper is 2 x 1, expected 3 x 1");
    }

    fn column(n: usize, rng: &mut Xoshiro256PlusPlus) -> DVector<f64> {
        normal(n, 1, rng).column(0).into_owned()
    }

    #[test]
    fn the_gradient_is_that_of_the_function_and_newton_finds_its_zero() {
        for seed in 0..40 {
            let mut rng = seeded(seed);
            let (m, n) = (3, 6);
            let a = normal(m, n, &mut rng);
            let (b, center) = (column(m, &mut rng), column(n, &mut rng));
            let (lower, upper) = (DVector::from_element(n, -0.5), DVector::from_element(n, 0.7));
            let problem = Problem { a: &a, b: &b, lower: &lower, upper: &upper, center: &center };
            let (mu, anchor, mut lambda) = (0.3, column(m, &mut rng), column(m, &mut rng));
            let phi = |lambda: &DVector<f64>| {
                let u = &center + a.tr_mul(lambda);
                let off = u.map(|u| u - u.clamp(-0.5, 0.7));
                0.5 * u.norm_squared() - 0.5 * off.norm_squared()
                    + 0.5 * mu * (lambda - &anchor).norm_squared()
                    - b.dot(lambda)
            };
            let (gradient, free) = problem.gradient(mu, &anchor, &lambda).unwrap();
            let u = &center + a.tr_mul(&lambda);
            for i in 0..n {
                assert_eq!(free[i], u[i] > -0.5 && u[i] < 0.7);
            }
            // Central differences of a function that is quadratic but for jumps of its curvature: exact to
            // the rounding of φ over the step, and to the step times the jump, ‖a‖².
            let step = 1e-6;
            for i in 0..m {
                let mut ahead = lambda.clone();
                ahead[i] += step;
                let mut behind = lambda.clone();
                behind[i] -= step;
                let slope = (phi(&ahead) - phi(&behind)) / (2.0 * step);
                let limit = 16.0 * f64::EPSILON * phi(&lambda).abs().max(1.0) / step
                    + step * a.norm_squared();
                assert!(
                    (slope - gradient[i]).abs() <= limit,
                    "seed {seed}: {slope} {}",
                    gradient[i]
                );
            }
            // φ is strictly convex: one zero of the gradient, where φ is least.
            let steps = problem.minimize(mu, &anchor, &mut lambda).unwrap();
            let left = problem.gradient(mu, &anchor, &lambda).unwrap().0.norm();
            let size =
                a.norm() * (0.7 * (n as f64).sqrt()) + mu * (&lambda - &anchor).norm() + b.norm();
            assert!(left <= 16.0 * f64::EPSILON * size, "seed {seed}: {left:e} after {steps}");
            // Each piece is quadratic, and there are 13 of it on a line at most.
            assert!((1..=13).contains(&steps), "seed {seed}: {steps}");
        }
    }

    #[test]
    fn the_correction_moves_what_no_bound_holds() {
        let a = DMatrix::from_element(1, 3, 1.0);
        let (lower, upper) = (DVector::zeros(3), DVector::from_element(3, 1.0));
        let (b, center) = (vector(&[0.0]), DVector::zeros(3));
        let problem = Problem { a: &a, b: &b, lower: &lower, upper: &upper, center: &center };
        let corrected = |x: [f64; 3], by: f64| {
            problem.correct(&vector(&x), &vector(&[by])).unwrap().as_slice().to_vec()
        };
        let near = |found: Vec<f64>, expected: [f64; 3]| {
            let off = found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(off <= 4.0 * f64::EPSILON, "{found:?}");
        };
        near(corrected([1.0, 0.5, 0.0], 0.25), [1.0, 0.75, 0.0]);
        near(corrected([0.25, 0.5, 0.0], 0.25), [0.375, 0.625, 0.0]);
        // No farther than the bounds.
        near(corrected([1.0, 0.5, 0.0], 2.0), [1.0, 1.0, 0.0]);
        near(corrected([1.0, 0.0, 0.0], 0.25), [1.0, 0.0, 0.0]);
    }

    #[test]
    fn what_comes_nearest_is_what_an_active_set_finds_and_its_figures_hold() {
        let mut away = 0;
        for seed in 0..60 {
            let mut rng = seeded(seed);
            let (m, n) = (if seed % 2 == 0 { 3 } else { 8 }, 5);
            let a = normal(m, n, &mut rng);
            let (b, center) = (column(m, &mut rng) * 2.0, column(n, &mut rng));
            let lower = DVector::from_fn(n, |i, _| if i == 0 { f64::NEG_INFINITY } else { -0.4 });
            let upper = DVector::from_fn(n, |i, _| if i == 1 { f64::INFINITY } else { 0.3 });
            let found = nearest_in_box(&a, &b, &lower, &upper, &center).unwrap();
            let expected = bounded_least_squares(&a, &b, &lower, &upper).unwrap();
            let residual = &b - &a * &found.x;
            assert!((&residual - &found.residual).norm() <= 32.0 * f64::EPSILON * b.norm());
            // Both are least: the residual, unlike x, is the only one. Its square is flat there, so that the
            // proximal loop's 1e-9 of it is 1e-4 of the residual at worst; Newton's last steps do better.
            let off = (&residual - &expected.residual).norm();
            assert!(off <= 1e-7 * b.norm(), "seed {seed}: {off:e}");
            let reached = residual.norm() <= 1e-12 * b.norm();
            if reached {
                assert!(found.stationarity.abs() < f64::MIN_POSITIVE);
                continue;
            }
            away += 1;
            let pulled = &found.x + a.tr_mul(&residual) / residual.norm();
            let moved =
                DVector::from_fn(n, |i, _| pulled[i].max(lower[i]).min(upper[i]) - found.x[i]);
            assert!((moved.norm() - found.stationarity).abs() <= 1e-12, "seed {seed}: {found:?}");
            assert!(found.stationarity <= 1e-7, "seed {seed}: {:e}", found.stationarity);
            // By hand what the residual's direction asks for, and the most that the box gives along it.
            let w = &residual / residual.norm();
            let most: f64 = a
                .tr_mul(&w)
                .iter()
                .enumerate()
                .map(|(i, &g)| if g > 0.0 { g * upper[i] } else { g * lower[i] })
                .sum();
            let by = found.excludes(&a, &b, &lower, &upper).unwrap();
            if most.is_finite() {
                assert!((by - (w.dot(&b) - most)).abs() <= 1e-12 * b.norm(), "seed {seed}: {by}");
            } else {
                assert!(by < 0.0 && by.is_infinite(), "seed {seed}: {by}");
            }
            assert!(found.iterations >= 1);
        }
        assert!(away >= 20, "{away} targets lie beyond the box");
        // A residual of 0 excludes nothing.
        let (a, b) = (DMatrix::identity(2, 2), vector(&[0.25, 0.5]));
        let (lower, upper) = (DVector::zeros(2), DVector::from_element(2, 1.0));
        let found = nearest_in_box(&a, &b, &lower, &upper, &b).unwrap();
        assert!(
            found.residual.norm() + found.excludes(&a, &b, &lower, &upper).unwrap().abs() < 1e-300
        );
    }

    #[test]
    fn units_do_not_matter() {
        // A and b in other units, by a power of two: the same x to the bit, in as many steps.
        for seed in 0..40 {
            let mut rng = seeded(seed);
            let (m, n) = (if seed % 2 == 0 { 3 } else { 7 }, 5);
            let (a, b, center) = (normal(m, n, &mut rng), column(m, &mut rng), column(n, &mut rng));
            let (lower, upper) = (DVector::from_element(n, -0.3), DVector::from_element(n, 0.4));
            let plain = nearest_in_box(&a, &b, &lower, &upper, &center).unwrap();
            for unit in [2.0_f64.powi(20), 2.0_f64.powi(-20)] {
                let (a, b) = (&a * unit, &b * unit);
                let found = nearest_in_box(&a, &b, &lower, &upper, &center).unwrap();
                assert_eq!((&found.x, found.iterations), (&plain.x, plain.iterations), "{seed}");
                assert_eq!(found.residual, &plain.residual * unit);
            }
        }
    }
}
