//! Movements that end at their goal whatever the weights: dynamic movement primitives.

use linalg::{DMatrix, DVector};

use crate::check;
use crate::{Error, Result};

/// Stiffness of the pull to the goal, per duration; with a quarter of it as damping ratio the pull is
/// critically damped.
const ALPHA: f64 = 25.0;
/// Decay of the phase, per duration.
const PHASE_DECAY: f64 = ALPHA / 3.0;

/// A discrete dynamic movement primitive of one joint: a critically damped pull from a start at rest to a
/// goal, bent on the way by weights.
///
/// ```text
/// τ ẏ = z,   τ ż = α (α/4 (g − y) − z) + f(x),   τ ẋ = −α/3 x,   x(0) = 1,   α = 25,
/// f(x) = x (g − y₀) Σₖ ψₖ(x) wₖ / Σₘ ψₘ(x),   ψₖ = exp(−((x − cₖ)/σₖ)²/2).
/// ```
///
/// The centers cₖ = exp(−α/3 · k/(K − 1)) are met at equal intervals of the duration τ, and σₖ is the
/// distance to the next. The phase x takes the forcing away as time goes by, so that the movement ends
/// at g: at τ it has (1 + α/2) e^(−α/2) = 5e-5 of its way to go without weights. Where start and goal are
/// the same the weights do nothing, as in the original.
///
/// The equation is linear, so y is linear in the weights, as a trajectory by
/// [`RadialBases`](crate::RadialBases) is. The response to each of them is integrated once, when the
/// primitive is made: exactly in the pull, by Gauss's rule of five points per interval in the forcing.
///
/// # Examples
/// ```
/// use rl_pg::MovementPrimitive;
/// let primitive = MovementPrimitive::new(0.8, 5, 400)?;
/// assert_eq!(primitive.duration(), 0.8);
/// let straight = primitive.positions(0.0, 1.0, &[0.0; 5])?;
/// // Critically damped: 1 − (1 + 12.5/2) e^(−12.5/2) after half the duration.
/// assert!((straight[200] - (1.0 - 7.25 * (-6.25f64).exp())).abs() < 1e-15);
/// // Weights send it past the goal and back.
/// let bent = primitive.positions(0.0, 1.0, &[300.0, 600.0, 0.0, 0.0, 0.0])?;
/// assert!(bent[100] > 1.5 && (bent[400] - 1.0).abs() < 5e-3);
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// A. J. Ijspeert, J. Nakanishi, H. Hoffmann, P. Pastor and S. Schaal, "Dynamical movement primitives:
/// learning attractor models for motor behaviors", Neural Computation 25, 2013, equations 2.1 to 2.3.
#[derive(Debug, Clone, PartialEq)]
pub struct MovementPrimitive {
    duration: f64,
    /// Times × weights: position and velocity for a unit weight and a way of 1.
    positions: DMatrix<f64>,
    velocities: DMatrix<f64>,
}

impl MovementPrimitive {
    /// A primitive of `bases` weights and of `duration` seconds, known at the times i·duration/`steps`, i = 0
    /// … `steps`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a duration that is not positive and finite, for fewer than two bases or
    /// no step.
    pub fn new(duration: f64, bases: usize, steps: usize) -> Result<Self> {
        let number = |argument, value: usize, expected| Error::OutOfRange {
            argument,
            value: value as f64,
            expected,
        };
        if !(duration > 0.0 && duration.is_finite()) {
            let (argument, expected) = ("duration", "positive and finite");
            return Err(Error::OutOfRange { argument, value: duration, expected });
        }
        if bases < 2 {
            return Err(number("bases", bases, "at least 2"));
        }
        if steps < 1 {
            return Err(number("steps", steps, "at least 1"));
        }
        let (positions, velocities) = responses(duration, bases, steps);
        Ok(Self { duration, positions, velocities })
    }

    /// The duration τ in seconds.
    #[must_use]
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// y at each of the times.
    ///
    /// # Errors
    /// [`Error::Length`] for weights that do not match the bases, [`Error::NotFinite`] for one, or for a
    /// start or goal.
    pub fn positions(&self, start: f64, goal: f64, weights: &[f64]) -> Result<DVector<f64>> {
        let forced = self.forced(&self.positions, start, goal, weights)?;
        let pull = ALPHA / 2.0;
        Ok(self.with_pull(forced, |z| goal + (start - goal) * (1.0 + pull * z) * (-pull * z).exp()))
    }

    /// ẏ at each of the times.
    ///
    /// # Errors
    /// As [`Self::positions`].
    pub fn velocities(&self, start: f64, goal: f64, weights: &[f64]) -> Result<DVector<f64>> {
        let forced = self.forced(&self.velocities, start, goal, weights)?;
        let pull = ALPHA / 2.0;
        let rate = (goal - start) * pull * pull / self.duration;
        Ok(self.with_pull(forced, |z| rate * z * (-pull * z).exp()))
    }

    /// ∂y/∂w over (g − y₀), whatever the weights: times × weights.
    #[must_use]
    pub fn position_slopes(&self) -> &DMatrix<f64> {
        &self.positions
    }

    /// ∂ẏ/∂w over (g − y₀), whatever the weights: times × weights.
    #[must_use]
    pub fn velocity_slopes(&self) -> &DMatrix<f64> {
        &self.velocities
    }

    fn forced(
        &self,
        responses: &DMatrix<f64>,
        start: f64,
        goal: f64,
        weights: &[f64],
    ) -> Result<DVector<f64>> {
        check::numbers("start", &[start], 1)?;
        check::numbers("goal", &[goal], 1)?;
        check::numbers("weights", weights, responses.ncols())?;
        Ok(responses * DVector::from_column_slice(weights) * (goal - start))
    }

    /// Adds what the pull alone does, at z = t/τ.
    fn with_pull(&self, mut forced: DVector<f64>, pull: impl Fn(f64) -> f64) -> DVector<f64> {
        let steps = (forced.len() - 1) as f64;
        for (i, entry) in forced.iter_mut().enumerate() {
            *entry += pull(i as f64 / steps);
        }
        forced
    }
}

/// u and u̇ at each time for each unit weight, where τ² ü + α τ u̇ + α²/4 u = f: with λ = α/(2τ) and
/// p = u̇ + λ u it is ṗ = −λ p + f/τ², which has its exponential for a solution.
fn responses(duration: f64, bases: usize, steps: usize) -> (DMatrix<f64>, DMatrix<f64>) {
    let mut positions = DMatrix::zeros(steps + 1, bases);
    let mut velocities = DMatrix::zeros(steps + 1, bases);
    let pull = ALPHA / 2.0;
    // In units of the duration.
    let h = 1.0 / steps as f64;
    let decay = (-pull * h).exp();
    let mut state = vec![[0.0; 2]; bases];
    let mut forcing = vec![0.0; bases];
    for step in 0..steps {
        for [u, p] in &mut state {
            (*u, *p) = (decay * (*u + h * *p), decay * *p);
        }
        for (node, weight) in GAUSS {
            let left = h * (1.0 - node) / 2.0;
            write_forcing((step + 1) as f64 * h - left, &mut forcing);
            let kernel = h * weight / 2.0 * (-pull * left).exp();
            for ([u, p], f) in state.iter_mut().zip(&forcing) {
                *u += kernel * left * f;
                *p += kernel * f;
            }
        }
        for (k, [u, p]) in state.iter().enumerate() {
            positions[(step + 1, k)] = *u;
            velocities[(step + 1, k)] = (p - pull * u) / duration;
        }
    }
    (positions, velocities)
}

/// x ψₖ/Σψ at the time z of the duration.
fn write_forcing(z: f64, forcing: &mut [f64]) {
    let last = (forcing.len() - 1) as f64;
    let phase = |z: f64| (-PHASE_DECAY * z).exp();
    let x = phase(z);
    for (k, entry) in forcing.iter_mut().enumerate() {
        let center = phase(k as f64 / last);
        // The last has no next; the ratio of distances goes on.
        let width = center - phase((k as f64 + 1.0) / last);
        *entry = -((x - center) / width).powi(2) / 2.0;
    }
    let largest = forcing.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for entry in forcing.iter_mut() {
        *entry = (*entry - largest).exp();
        sum += *entry;
    }
    for entry in forcing {
        *entry *= x / sum;
    }
}

/// Nodes and weights of Gauss's rule of five points on [−1, 1].
const GAUSS: [(f64, f64); 5] = [
    (-0.906179845938663992797626878299, 0.236926885056189087514264040720),
    (-0.538469310105683091036314420700, 0.478628670499366468041291514836),
    (0.0, 0.568888888888888888888888888889),
    (0.538469310105683091036314420700, 0.478628670499366468041291514836),
    (0.906179845938663992797626878299, 0.236926885056189087514264040720),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// y and ẏ at a time by 20,000 steps of the classical Runge-Kutta method on the equations as printed.
    fn runge_kutta(start: f64, goal: f64, weights: &[f64], duration: f64, time: f64) -> [f64; 2] {
        let slope = |[y, z, x]: [f64; 3]| {
            let last = (weights.len() - 1) as f64;
            let (mut top, mut bottom) = (0.0, 0.0);
            for (k, w) in weights.iter().enumerate() {
                let center = (-25.0 / 3.0 * k as f64 / last).exp();
                let next = (-25.0 / 3.0 * (k as f64 + 1.0) / last).exp();
                let psi = (-0.5 * ((x - center) / (center - next)).powi(2)).exp();
                top += psi * w;
                bottom += psi;
            }
            let f = top / bottom * x * (goal - start);
            [z, 25.0 * (25.0 / 4.0 * (goal - y) - z) + f, -25.0 / 3.0 * x].map(|s| s / duration)
        };
        let h = time / 20_000.0;
        let mut state = [start, 0.0, 1.0];
        let moved = |state: [f64; 3], slope: [f64; 3], h: f64| -> [f64; 3] {
            std::array::from_fn(|i| state[i] + h * slope[i])
        };
        for _ in 0..20_000 {
            let a = slope(state);
            let b = slope(moved(state, a, h / 2.0));
            let c = slope(moved(state, b, h / 2.0));
            let d = slope(moved(state, c, h));
            let mean = std::array::from_fn(|i| (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]) / 6.0);
            state = moved(state, mean, h);
        }
        [state[0], state[1] / duration]
    }

    #[test]
    fn it_solves_the_equations_as_printed() {
        let (start, goal, weights) = (0.3, -0.5, [120.0, -80.0, 60.0, 200.0, -150.0]);
        let primitive = MovementPrimitive::new(0.8, 5, 400).unwrap();
        let positions = primitive.positions(start, goal, &weights).unwrap();
        let velocities = primitive.velocities(start, goal, &weights).unwrap();
        assert!((positions[0] - start).abs() < 1e-15 && velocities[0].abs() < 1e-15);
        for at in [1, 100, 250, 400] {
            let [y, v] = runge_kutta(start, goal, &weights, 0.8, 0.002 * at as f64);
            // Of order 4 with 20,000 steps: rounding of as many additions is what is left.
            assert!((positions[at] - y).abs() < 1e-11, "{at}: {} {y}", positions[at]);
            assert!((velocities[at] - v).abs() < 1e-10, "{at}: {} {v}", velocities[at]);
        }
    }

    #[test]
    fn the_steps_change_nothing() {
        let weights = [50.0, -20.0, 30.0];
        let end = |steps| {
            let primitive = MovementPrimitive::new(2.0, 3, steps).unwrap();
            primitive.positions(0.0, 1.0, &weights).unwrap()[steps]
        };
        // A rule of degree 9 on intervals of 1/25 of the duration.
        assert!((end(25) - end(1000)).abs() < 1e-10, "{:e}", end(25) - end(1000));
    }

    #[test]
    fn the_slopes_are_those_of_the_weights() {
        let primitive = MovementPrimitive::new(1.5, 4, 30).unwrap();
        let (start, goal) = (1.0, 3.0);
        let at = |weights: &[f64]| primitive.positions(start, goal, weights).unwrap();
        let rest = at(&[0.0; 4]);
        for k in 0..4 {
            let mut weights = [0.0; 4];
            weights[k] = 7.0;
            let slope = (at(&weights) - &rest) / 7.0 / (goal - start);
            assert!((slope - primitive.position_slopes().column(k)).amax() < 1e-15);
        }
        assert_eq!(primitive.velocity_slopes().shape(), (31, 4));
    }

    #[test]
    fn bad_input_is_named() {
        let primitive = MovementPrimitive::new(1.5, 4, 30).unwrap();
        for (error, text) in [
            (
                MovementPrimitive::new(-1.0, 4, 30).unwrap_err(),
                "duration is -1, and must be positive and finite",
            ),
            (MovementPrimitive::new(1.0, 1, 30).unwrap_err(), "bases is 1, and must be at least 2"),
            (MovementPrimitive::new(1.0, 4, 0).unwrap_err(), "steps is 0, and must be at least 1"),
            (
                primitive.positions(f64::NAN, 1.0, &[0.0; 4]).unwrap_err(),
                "start[0] is NaN, and every entry must be finite",
            ),
            (
                primitive.velocities(0.0, 1.0, &[0.0; 3]).unwrap_err(),
                "weights has 3 entries, expected 4",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
