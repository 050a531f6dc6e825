//! The length of a step along a direction of descent.

/// A point on the line φ(t) = f(x + t·d).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// t.
    pub step: f64,
    /// φ(t).
    pub value: f64,
    /// φ′(t).
    pub slope: f64,
}

/// Sufficient decrease: φ(t) ≤ φ(0) + c₁·t·φ′(0).
const DECREASE: f64 = 1e-4;
/// Curvature: |φ′(t)| ≤ c₂·|φ′(0)|.
const CURVATURE: f64 = 0.9;
/// Evaluations after which the lowest point found is taken.
const MOST: usize = 25;

/// A step that satisfies the strong Wolfe conditions (Nocedal & Wright, "Numerical Optimization",
/// 2nd edition, algorithms 3.5 and 3.6, with cubic interpolation), or the lowest found; `None` where
/// no point was lower. The point returned was the last one evaluated.
///
/// `start` is φ at 0, with a slope below 0; `first` the step to try first. `evaluate` gives φ and φ′ at
/// a step; a value that is not finite counts as too long a step.
///
/// # Errors
/// Those of `evaluate`.
///
/// # Examples
/// φ(t) = (t − 3)²: any step may be taken that leaves at most 0.9 of the slope.
/// ```
/// use linalg::descent::{Point, strong_wolfe};
/// let point = |step: f64| Point { step, value: (step - 3.0).powi(2), slope: 2.0 * (step - 3.0) };
/// let found = strong_wolfe(point(0.0), 0.01, |step| Ok::<_, ()>(point(step)))?;
/// assert!(found.is_some_and(|found| found.slope.abs() <= 0.9 * 6.0));
/// # Ok::<(), ()>(())
/// ```
pub fn strong_wolfe<E>(
    start: Point,
    first: f64,
    mut evaluate: impl FnMut(f64) -> Result<Point, E>,
) -> Result<Option<Point>, E> {
    let enough = |p: &Point| p.value <= start.value + DECREASE * p.step * start.slope;
    let flat = |p: &Point| p.slope.abs() <= -CURVATURE * start.slope;
    let is_finite = |p: &Point| p.value.is_finite() && p.slope.is_finite();
    let mut left = MOST;
    let mut evaluate = |step: f64| {
        left = left.saturating_sub(1);
        evaluate(step).map(|point| (point, left > 0))
    };

    // Lengthen the step until a minimum lies between two points.
    let (mut low, mut high);
    let (mut before, mut step) = (start, first);
    loop {
        let (point, more) = evaluate(step)?;
        if is_finite(&point) && enough(&point) && flat(&point) {
            return Ok(Some(point));
        }
        let beyond = !is_finite(&point)
            || !enough(&point)
            || (before.step > 0.0 && point.value >= before.value);
        if beyond {
            (low, high) = (before, point);
            break;
        }
        if point.slope >= 0.0 {
            (low, high) = (point, before);
            break;
        }
        if !more {
            return Ok(Some(point));
        }
        (before, step) = (point, 4.0 * step);
    }

    // Shorten the interval around it. `low` is the lowest point that decreases enough.
    loop {
        let step = between(low, high);
        let width = (high.step - low.step).abs();
        let (point, more) = evaluate(step)?;
        let good = is_finite(&point) && enough(&point) && point.value < low.value;
        if good && flat(&point) {
            return Ok(Some(point));
        }
        if good {
            if point.slope * (high.step - low.step) >= 0.0 {
                high = low;
            }
            low = point;
        } else {
            high = point;
        }
        // No more to be gained from numbers this close.
        let settled = width <= 1e-9 * step;
        if !more || settled {
            if low.step == 0.0 {
                return Ok(None);
            }
            return if good { Ok(Some(point)) } else { evaluate(low.step).map(|(p, _)| Some(p)) };
        }
    }
}

/// The minimum of the cubic through two points and their slopes, kept off their ends.
fn between(low: Point, high: Point) -> f64 {
    let width = high.step - low.step;
    let middle = low.step + 0.5 * width;
    if !(high.value.is_finite() && high.slope.is_finite()) {
        return low.step + 0.1 * width;
    }
    let d1 = low.slope + high.slope - 3.0 * (low.value - high.value) / (low.step - high.step);
    let d2 = (d1 * d1 - low.slope * high.slope).sqrt() * width.signum();
    let cubic = high.step - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2);
    let fraction = (cubic - low.step) / width;
    if fraction.is_finite() { low.step + width * fraction.clamp(0.1, 0.9) } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step found on φ from 0, and evaluations.
    fn search(
        value: impl Fn(f64) -> f64,
        slope: impl Fn(f64) -> f64,
        first: f64,
    ) -> (Option<Point>, usize) {
        let point = |step| Point { step, value: value(step), slope: slope(step) };
        let mut count = 0;
        let mut last = 0.0;
        let found = strong_wolfe(point(0.0), first, |step| {
            count += 1;
            last = step;
            Ok::<_, ()>(point(step))
        })
        .unwrap();
        if let Some(found) = found {
            assert!(found.step.to_bits() == last.to_bits(), "the last evaluated");
        }
        (found, count)
    }

    #[test]
    fn the_conditions_hold_on_functions_of_all_kinds() {
        // Moré & Thuente, ACM TOMS 20(3), 1994, functions 1 and 2 (β = 2, 0.004), and others.
        type F = fn(f64) -> f64;
        let functions: [(F, F); 5] = [
            (|t| -t / (t * t + 2.0), |t| (t * t - 2.0) / (t * t + 2.0).powi(2)),
            (
                |t| (t + 0.004).powi(5) - 2.0 * (t + 0.004).powi(4),
                |t| 5.0 * (t + 0.004).powi(4) - 8.0 * (t + 0.004).powi(3),
            ),
            (|t| (t - 3.0).powi(2), |t| 2.0 * (t - 3.0)),
            (|t| (t - 1.0).exp() - 2.0 * t, |t| (t - 1.0).exp() - 2.0),
            (|t| (3.0 * t).cos() - t, |t| -3.0 * (3.0 * t).sin() - 1.0),
        ];
        for (value, slope) in functions {
            for first in [1e-3, 0.1, 1.0, 10.0, 1e3] {
                let (found, count) = search(value, slope, first);
                let found = found.unwrap();
                assert!(found.value <= value(0.0) + DECREASE * found.step * slope(0.0));
                assert!(found.slope.abs() <= CURVATURE * slope(0.0).abs(), "{found:?} {first}");
                assert!(count <= 15, "{count} evaluations from {first}");
            }
        }
    }

    #[test]
    fn an_infinite_value_shortens_the_step() {
        let value = |t: f64| if t < 1e-3 { (t - 5e-4).powi(2) } else { f64::INFINITY };
        let (found, count) = search(value, |t| 2.0 * (t - 5e-4), 1.0);
        assert!(found.unwrap().value < value(0.0) && count < 10);
    }

    #[test]
    fn where_nothing_is_lower_nothing_is_found() {
        // A slope that promises what the values do not keep, as rounding makes it near a minimum.
        assert_eq!(search(|t| t, |_| -1.0, 1.0).0, None);
    }
}
