//! Derivatives by finite differences, with the right step and an error estimate.
//!
//! "Take h as small as possible" is the wrong turn: the function's own rounding, divided by h,
//! grows as h falls. A central difference is off by h²·|f‴|/6 from the formula and by eps·|f|/h
//! from rounding, which balance at h = (3·eps)^(1/3), 8.7e-6, and leave about 1e-10 relative; a
//! forward difference with h = 1e-10 leaves 1e-6 at best.
//!
//! Every derivative here is taken with the step h = (3·eps)^(1/3)·max(1, |x|), rounded so that
//! x + h and x − h are what the function really sees, and again with 2·h. The two differ by three
//! times the error of the first, as long as f is smooth on the scale of h and right to its last
//! digits; a kink or noise shows as a large error estimate.

use crate::{DMatrix, Error, Result};

/// A derivative and its estimated error, entry by entry.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Derivative<V> {
    /// The central difference.
    pub value: V,
    /// |D(2h) − D(h)|/3 + eps·(|f(x+h)| + |f(x−h)|)/(2h): truncation plus rounding, for an f that
    /// is right to its last digit. An estimate, not a bound.
    pub error: V,
    /// Calls of the function.
    pub evaluations: usize,
}

/// ∂f/∂xᵢ for every i, by four calls of `f` each.
///
/// # Errors
/// [`Error::NotFinite`] for an entry of `x`; [`Error::FunctionNotFinite`] with the coordinate and
/// the step where `f` returns NaN or infinity.
///
/// # Examples
/// The slope of x·y² at (3, 2) is (4, 12):
/// ```
/// let slope = linalg::differences::gradient(|x| x[0] * x[1] * x[1], &[3.0, 2.0])?;
/// for (found, expected) in slope.value.iter().zip([4.0, 12.0]) {
///     assert!((found - expected).abs() < 1e-9);
/// }
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// W. H. Press et al., "Numerical Recipes", 3rd ed., section 5.7, for the step and for rounding
/// it; L. F. Richardson, Phil. Trans. A 210 (1911), for the error from two steps.
pub fn gradient(f: impl Fn(&[f64]) -> f64, x: &[f64]) -> Result<Derivative<Vec<f64>>> {
    let jacobian = jacobian(|x, y| y[0] = f(x), x, 1)?;
    Ok(Derivative {
        value: jacobian.value.as_slice().to_vec(),
        error: jacobian.error.as_slice().to_vec(),
        evaluations: jacobian.evaluations,
    })
}

/// ∂fᵢ/∂xⱼ, `outputs` x `x.len()`, of the function that writes its values into its second
/// argument, by four calls for each entry of `x`.
///
/// # Errors
/// As [`gradient`].
///
/// # Examples
/// Polar coordinates at radius 2 and angle 0:
/// ```
/// let polar = |p: &[f64], y: &mut [f64]| {
///     y[0] = p[0] * p[1].cos();
///     y[1] = p[0] * p[1].sin();
/// };
/// let jacobian = linalg::differences::jacobian(polar, &[2.0, 0.0], 2)?;
/// let expected = linalg::DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 2.0]);
/// assert!((jacobian.value - expected).amax() < 1e-9);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn jacobian(
    f: impl Fn(&[f64], &mut [f64]),
    x: &[f64],
    outputs: usize,
) -> Result<Derivative<DMatrix<f64>>> {
    check_finite("x", x)?;
    let mut value = DMatrix::zeros(outputs, x.len());
    let mut error = value.clone();
    let mut at = x.to_vec();
    for j in 0..x.len() {
        let step = step_at(x[j]);
        let samples = [step, -step, 2.0 * step, -2.0 * step].map(|h| {
            let mut y = vec![f64::NAN; outputs];
            at[j] = x[j] + h;
            f(&at, &mut y);
            y
        });
        at[j] = x[j];
        for i in 0..outputs {
            let values = [0, 1, 2, 3].map(|k: usize| samples[k][i]);
            if let Some(k) = values.iter().position(|value| !value.is_finite()) {
                let step = [step, -step, 2.0 * step, -2.0 * step][k];
                return Err(Error::FunctionNotFinite { coordinate: j, step, value: values[k] });
            }
            (value[(i, j)], error[(i, j)]) = central(values, step);
        }
    }
    Ok(Derivative { value, error, evaluations: 4 * x.len() })
}

/// d/dt f(x + t·d) at t = 0, the slope along `direction`, by four calls of `f`.
///
/// For a function of many variables this is how a gradient is checked: it must equal ⟨∇f, d⟩.
///
/// # Errors
/// [`Error::NotFinite`] for an entry of `x` or `direction`; [`Error::Shape`] where the two differ
/// in length; [`Error::OutOfRange`] for a direction of zero, or where `f` returns NaN or infinity.
///
/// # Examples
/// ```
/// let f = |x: &[f64]| x[0] * x[1];
/// let slope = linalg::differences::directional(f, &[3.0, 2.0], &[1.0, -1.0])?;
/// assert!((slope.value - (2.0 - 3.0)).abs() < 1e-9);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn directional(
    f: impl Fn(&[f64]) -> f64,
    x: &[f64],
    direction: &[f64],
) -> Result<Derivative<f64>> {
    check_finite("x", x)?;
    check_finite("direction", direction)?;
    crate::operator::check_length("direction", x.len(), direction.len())?;
    // In steps of unit length where x is of unit size: t·‖d‖∞ = h.
    let length = direction.iter().fold(0.0_f64, |length, d| length.max(d.abs()));
    if length == 0.0 {
        let expected = "an entry that is not zero";
        return Err(Error::OutOfRange { argument: "direction", value: 0.0, expected });
    }
    let largest = x.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let step = step_at(largest);
    let mut at = x.to_vec();
    let mut values = [0.0; 4];
    for (value, factor) in values.iter_mut().zip([1.0, -1.0, 2.0, -2.0]) {
        for ((at, &x), &d) in at.iter_mut().zip(x).zip(direction) {
            *at = x + factor * step * (d / length);
        }
        *value = f(&at);
        if !value.is_finite() {
            let (argument, expected) = ("f(x + t·direction)", "a finite value");
            return Err(Error::OutOfRange { argument, value: *value, expected });
        }
    }
    let (value, error) = central(values, step);
    Ok(Derivative { value: value * length, error: error * length, evaluations: 4 })
}

/// The central difference of f(x + h), f(x − h), f(x + 2h), f(x − 2h), and its estimated error.
fn central([right, left, far_right, far_left]: [f64; 4], step: f64) -> (f64, f64) {
    let value = (right - left) / (2.0 * step);
    let coarse = (far_right - far_left) / (4.0 * step);
    let rounding = f64::EPSILON * (right.abs() + left.abs()) / (2.0 * step);
    (value, (coarse - value).abs() / 3.0 + rounding)
}

/// (3·eps)^(1/3)·max(1, |x|), changed in its last digits so that x ± h and x ± 2h are numbers.
fn step_at(x: f64) -> f64 {
    let step = (3.0 * f64::EPSILON).cbrt() * x.abs().max(1.0);
    // A multiple of the spacing at the largest of them.
    let far = x.abs() + 2.0 * step;
    let half = ((far + step) - far).abs();
    if half > 0.0 && half.is_finite() { half } else { step }
}

fn check_finite(argument: &'static str, x: &[f64]) -> Result<()> {
    match x.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(row) => Err(Error::NotFinite { argument, row, column: 0, value: x[row] }),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact is compared exactly")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_numbers_that_the_function_really_sees() {
        for x in [0.0, 1.0, -1.0, 0.1, 3.0, 1e-20, 12345.678, -1e10, 1e300, 7.0_f64.sqrt()] {
            let h = step_at(x);
            let ideal = (3.0 * f64::EPSILON).cbrt() * x.abs().max(1.0);
            assert!((h / ideal - 1.0).abs() < 1e-9, "x = {x}: {h:e}, ideal {ideal:e}");
            // From 1 on in size x is a multiple of the spacing that h has.
            if x == 0.0 || x.abs() >= 1.0 {
                for k in [1.0, -1.0, 2.0, -2.0] {
                    assert_eq!((x + k * h) - x, k * h, "x = {x}: {k} steps are not exact");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_error_estimate_covers_the_error(
            a in -3.0_f64..3.0, b in -3.0_f64..3.0, w in 0.1_f64..5.0,
        ) {
            let f = |x: &[f64]| (w * x[0]).sin() * x[1].exp() + x[0] * x[1] * x[1];
            let expected = [
                w * (w * a).cos() * b.exp() + b * b,
                (w * a).sin() * b.exp() + 2.0 * a * b,
            ];
            let found = gradient(f, &[a, b]).unwrap();
            prop_assert_eq!(found.evaluations, 8);
            // The true truncation and rounding, with |f‴| ≤ w³eᵇ or eᵇ, and sin and exp within an
            // ulp or two: the estimate is of this size too.
            let scale = 1.0 + b.exp() * w.powi(3) + (a * b * b).abs();
            for i in 0..2 {
                let off = (found.value[i] - expected[i]).abs();
                prop_assert!(off <= 1e-9 * scale, "off by {:e}", off);
                prop_assert!(off <= 10.0 * found.error[i] + 1e-11, "{:e}, estimated {:e}", off, found.error[i]);
                prop_assert!(found.error[i] <= 1e-8 * scale, "estimated {:e}", found.error[i]);
            }
            let d = [0.6, -2.0];
            let slope = directional(f, &[a, b], &d).unwrap();
            let off = (slope.value - (expected[0] * d[0] + expected[1] * d[1])).abs();
            prop_assert!(off <= 1e-8 * scale, "directional off by {:e}", off);
        }
    }

    #[test]
    fn a_quadratic_has_no_truncation_error() {
        let found = gradient(|x| 3.0 * x[0] * x[0] - 5.0 * x[0], &[2.0]).unwrap();
        // eps·|f|/h with |f| about 2 remains.
        assert!((found.value[0] - 7.0).abs() <= 1e-10, "{:?}", found.value);
        assert!(found.error[0] <= 3e-10, "{:?}", found.error);
    }

    #[test]
    fn a_kink_shows_in_the_error() {
        // To the right of the kink by less than two steps.
        let found = gradient(|x| x[0].abs(), &[1e-5]).unwrap();
        assert!(found.error[0] > 0.01, "the kink went unseen: {:?}", found);
    }

    #[test]
    fn a_value_that_is_not_finite_is_named_by_its_coordinate() {
        // Defined up to 1 alone.
        let f = |x: &[f64]| (1.0 - x[1]).sqrt() + x[0];
        let error = gradient(f, &[0.0, 1.0]).unwrap_err();
        let Error::FunctionNotFinite { coordinate, step, value } = error else {
            panic!("{error}");
        };
        assert!(coordinate == 1 && step > 8e-6 && step < 9e-6 && value.is_nan(), "{error}");
        let text = Error::FunctionNotFinite { coordinate: 1, step: 0.5, value: f64::NAN };
        assert_eq!(
            text.to_string(),
            "f is NaN where x[1] changes by 5e-1, and must be finite there"
        );
        let error = directional(f, &[0.0, 1.0], &[0.0, 1.0]).unwrap_err();
        assert_eq!(error.to_string(), "f(x + t·direction) is NaN, expected a finite value");
        // A function that forgets an output leaves NaN there.
        let error = jacobian(|_, y| y[0] = 1.0, &[0.0], 2).unwrap_err();
        assert!(matches!(error, Error::FunctionNotFinite { coordinate: 0, .. }));
    }

    #[test]
    fn bad_points_and_directions_are_refused() {
        let text = |result: Result<Derivative<f64>>| result.unwrap_err().to_string();
        let f = |x: &[f64]| x[0];
        assert_eq!(
            gradient(f, &[0.0, f64::NAN]).unwrap_err().to_string(),
            "x[1, 0] is NaN, and every entry must be finite"
        );
        assert_eq!(
            text(directional(f, &[0.0], &[f64::INFINITY])),
            "direction[0, 0] is inf, and every entry must be finite"
        );
        assert_eq!(text(directional(f, &[0.0], &[1.0, 2.0])), "direction is 2 x 1, expected 1 x 1");
        assert_eq!(
            text(directional(f, &[0.0], &[0.0])),
            "direction is 0, expected an entry that is not zero"
        );
        assert_eq!(gradient(|_| 1.0, &[]).unwrap().value, Vec::<f64>::new());
    }
}
