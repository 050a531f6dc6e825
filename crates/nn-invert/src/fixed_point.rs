//! x = g(x) by iteration, with the test that a fixed number of iterations lacks.

use linalg::{DVector, LinearOperator, Real};

use crate::{Error, Result};

/// A fixed point, and how it was reached.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct FixedPoint<T: Real> {
    /// x.
    pub value: DVector<T>,
    /// Evaluations of g.
    pub iterations: usize,
    /// ‖x − g(x)‖₂ of the last x but one, whose g(x) is `value`.
    pub change: f64,
    /// The largest ratio of a change to the one before it: what the contraction was measured to be.
    /// 0 where there were no two changes.
    pub rate: f64,
    /// A bound on the distance of `value` from the fixed point, but for rounding: L/(1 − L) times the
    /// last change. Infinite where L ≥ 1 proves nothing.
    pub error_bound: f64,
}

/// Changes within which one must have fallen, where no bound says that it will.
const PATIENCE: usize = 50;
/// Iterations at which hope ends.
const MOST: usize = 100_000;

/// Iterates x ← g(x) from `start` until a change is at most `tolerance` times the first, g being a
/// contraction by at most `lipschitz`, or hoped to be one where that is not below 1.
///
/// A contraction by L < 1 brings the distance ‖x₀ − x*‖ ≤ ‖x₁ − x₀‖/(1 − L) down to `tolerance` times
/// that bound in at most ⌈ln tolerance/ln L⌉ iterations (Banach). Changes of a few eps of x are all
/// that rounding allows, and end it too.
pub(crate) fn iterate<T: Real>(
    start: &DVector<T>,
    lipschitz: f64,
    tolerance: f64,
    mut g: impl FnMut(&DVector<T>) -> Result<DVector<T>>,
) -> Result<FixedPoint<T>> {
    let mut x = start.clone();
    let (mut first, mut last, mut rate) = (0.0, 0.0_f64, 0.0_f64);
    let (mut least, mut since) = (f64::INFINITY, 0);
    let mut iterations = 0;
    loop {
        let next = g(&x)?;
        iterations += 1;
        let change = (&next - &x).norm().to_double();
        let rounding = 4.0 * T::EPSILON * next.norm().to_double();
        if iterations == 1 {
            first = change;
        } else if last > rounding {
            rate = rate.max(change / last);
        }
        x = next;
        since = if change < least { 0 } else { since + 1 };
        least = least.min(change);
        if change * lipschitz.min(1.0) <= tolerance * first || change <= rounding {
            let bound = lipschitz / (1.0 - lipschitz) * change;
            let error_bound = if lipschitz < 1.0 { bound } else { f64::INFINITY };
            return Ok(FixedPoint { value: x, iterations, change, rate, error_bound });
        }
        if !change.is_finite() || since >= PATIENCE || iterations >= MOST {
            return Err(Error::NotContracting { lipschitz, rate, iterations });
        }
        last = change;
    }
}

/// ‖A‖₂ by power iteration on `AᵀA`, from below: after k products the estimate falls short by ln n/k or
/// so in the mean (Kuczyński & Woźniakowski, SIAM J. Matrix Anal. Appl. 13, 1992), and at the end by
/// no more than what the last products still changed.
pub(crate) fn spectral_norm<T: Real>(a: &dyn LinearOperator<T>) -> Result<f64> {
    const PRODUCTS: usize = 1000;
    let mut v: Vec<T> =
        (0..a.ncols()).map(|i| T::from_double(1.0 + 0.5 * ((i + 1) as f64).sin())).collect();
    let mut u = vec![T::zero(); a.nrows()];
    let norm = |x: &[T]| x.iter().map(|x| x.to_double().powi(2)).sum::<f64>().sqrt();
    let mut estimate = 0.0_f64;
    let mut still = 0;
    for _ in 0..PRODUCTS {
        let size = norm(&v);
        if !(size > 0.0) {
            return Ok(estimate);
        }
        let inverse = T::from_double(1.0 / size);
        v.iter_mut().for_each(|v| *v *= inverse);
        a.apply(&v, &mut u)?;
        let next = norm(&u);
        a.apply_adjoint(&u, &mut v)?;
        still = if next <= estimate * (1.0 + 1e-9) { still + 1 } else { 0 };
        estimate = estimate.max(next);
        if still == 10 {
            break;
        }
    }
    Ok(estimate)
}

#[cfg(test)]
mod tests {
    use linalg::DMatrix;

    use super::*;

    #[test]
    fn a_contraction_takes_no_more_iterations_than_banach_allows() {
        // x ← L·x + 1 contracts by exactly L, to 1/(1 − L).
        for lipschitz in [0.1, 0.5, 0.9, 0.99] {
            for tolerance in [3e-3, 3e-6, 3e-9_f64] {
                let start = DVector::from_element(1, 0.0);
                let found =
                    iterate(&start, lipschitz, tolerance, |x| Ok(x.map(|x| lipschitz * x + 1.0)))
                        .unwrap();
                let most = (tolerance.ln() / lipschitz.ln()).ceil();
                assert!(found.iterations as f64 <= most, "{lipschitz}, {tolerance}: {found:?}");
                assert!(
                    found.iterations as f64 >= most - 2.0,
                    "{lipschitz}, {tolerance}: {found:?}"
                );
                let error = (found.value[0] - 1.0 / (1.0 - lipschitz)).abs();
                // Each iteration rounds by an eps of x, and the fixed point adds that up to 1/(1 − L).
                let rounding = 4.0 * f64::EPSILON / (1.0 - lipschitz).powi(2);
                assert!(error <= found.error_bound + rounding, "{error:e} {found:?}");
                assert!((found.rate / lipschitz - 1.0).abs() < 1e-4, "{found:?}");
            }
        }
    }

    #[test]
    fn what_does_not_contract_is_an_error_that_says_so() {
        let start = DVector::from_element(1, 0.5);
        let error = iterate(&start, 3.0, 1e-9, |x| Ok(x.map(|x| 1.0 - 3.0 * x))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the iteration does not contract: its bound is 3.00, changes grew by up to 3.00, and after 51 iterations there is no end"
        );
    }

    #[test]
    fn the_power_iteration_finds_the_largest_singular_value() {
        let a = DMatrix::from_fn(7, 5, |i, j| ((i * 5 + j) as f64).cos());
        let exact = linalg::singular_values(&a).unwrap()[0];
        let estimate = spectral_norm(&a).unwrap();
        assert!((estimate / exact - 1.0).abs() < 1e-6, "{estimate} {exact}");
        assert!(spectral_norm(&DMatrix::<f64>::zeros(3, 2)).unwrap().abs() < f64::MIN_POSITIVE);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "powers of two are exact")]
    fn rounding_ends_it_where_the_tolerance_does_not_and_every_figure_is_exact() {
        // x ← x/2 + c from 0: changes c, c/2, …, to 2c. Change k is c/2^(k−1), and at most 4·eps of a little
        // less than 2c from k = 51 on: 2^(1−k) < 2^(−52+2+1).
        for c in [1.0, 1024.0_f64.powi(3), 1024.0_f64.powi(-3)] {
            let start = DVector::from_element(1, 0.0);
            let found = iterate(&start, 0.5, 1e-300, |x| Ok(x.map(|x| 0.5 * x + c))).unwrap();
            assert_eq!(found.iterations, 51);
            let change = c * 0.5_f64.powi(50);
            assert_eq!((found.change, found.rate, found.error_bound), (change, 0.5, change));
            assert_eq!(found.value[0], 2.0 * c - change);
            // A tolerance of 2^−20 asks for change k with L·change ≤ c·2^−20: k = 20. With a bound that
            // proves nothing, for 21, and nothing is said of the error.
            let tolerance = 0.5_f64.powi(20);
            let found = iterate(&start, 0.5, tolerance, |x| Ok(x.map(|x| 0.5 * x + c))).unwrap();
            assert_eq!((found.iterations, found.change), (20, c * 0.5_f64.powi(19)));
            let found = iterate(&start, 0.75, tolerance, |x| Ok(x.map(|x| 0.5 * x + c))).unwrap();
            assert_eq!((found.iterations, found.error_bound), (21, 3.0 * c * tolerance));
            let found = iterate(&start, 1.0, tolerance, |x| Ok(x.map(|x| 0.5 * x + c))).unwrap();
            assert_eq!((found.iterations, found.error_bound), (21, f64::INFINITY));
        }
        // At rest from the start: one look.
        let found = iterate(&DVector::from_element(2, 1.0), 0.5, 0.1, |x| Ok(x.clone())).unwrap();
        assert_eq!((found.iterations, found.change, found.rate), (1, 0.0, 0.0));
    }

    #[test]
    fn changes_may_grow_for_a_while_but_not_for_long() {
        // Turned by a quarter and sheared, from where the first change is (0, 1): the next is (30, 0), then
        // (0, −½), and so on with halves.
        let shear = 30.0;
        let start = DVector::from_vec(vec![-20.0, -2.0 / 3.0]);
        let turn =
            |x: &DVector<f64>| Ok(DVector::from_vec(vec![shear * x[1], -0.5 / shear * x[0]]));
        let found = iterate(&start, 2.0, 1e-9, turn).unwrap();
        assert!((found.rate - shear).abs() < 1e-6 && found.value.norm() < 1e-6, "{found:?}");
        // A change that is no number, at once.
        let error = iterate(&start, 2.0, 1e-9, |x| Ok(x.map(|_| f64::NAN))).unwrap_err();
        assert!(matches!(error, Error::NotContracting { iterations: 1, .. }), "{error}");
        // Changes that stay as they are: one that is least, and 50 that are not less.
        let error = iterate(&start, 2.0, 1e-9, |x| Ok(x.map(|x| x + 1.0))).unwrap_err();
        assert!(matches!(error, Error::NotContracting { iterations: 51, .. }), "{error}");
    }
}
