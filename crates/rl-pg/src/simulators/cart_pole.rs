//! A pole to be balanced on a cart.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::check;
use crate::simulators::sin_cos::sin_cos_near_zero;
use crate::{End, Environment, Error, Result, Step};

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.1;
/// Of the pole.
const HALF_LENGTH: f64 = 0.5;
const FORCE: f64 = 10.0;
/// Seconds of a step.
const STEP: f64 = 0.02;
/// Beyond these the episode is over: 2.4 m and 12°.
const FARTHEST: f64 = 2.4;
const STEEPEST: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;

/// CartPole-v1 with Gymnasium's dynamics: push a cart left or right so that its pole stays up.
///
/// The observation is (x, ẋ, θ, θ̇) in meters, radians and seconds, θ from the upright. Action 0 pushes
/// with −10 N, action 1 with 10 N. With masses m = 0.1 of the pole and M = 1.1 of both, half the pole's
/// length l = 0.5 and g = 9.8,
///
/// ```text
/// a = (F + m l θ̇² sin θ)/M,
/// θ̈ = (g sin θ − a cos θ)/(l (4/3 − m cos² θ/M)),   ẍ = a − m l θ̈ cos θ/M,
/// ```
///
/// and a step of 0.02 s adds the rates to the state as they were at its beginning (explicit Euler). The
/// reward is 1 for every step. The episode is *terminated* when |x| > 2.4 or |θ| > 12°, and else
/// *truncated* after 500 steps: there the pole still stands, and more reward would have come.
///
/// An episode starts with all four numbers uniform on ±0.05. They follow from the seed, but are not
/// those that Gymnasium draws from the same one; and observations are not rounded to single precision.
///
/// # Examples
/// ```
/// use rl_pg::{CartPole, End, Environment};
/// let mut cart = CartPole::new();
/// let mut observation = [0.0; 4];
/// cart.reset(7, &mut observation)?;
/// // Push to where the pole leans.
/// let mut steps = 0;
/// let end = loop {
///     let step = cart.step(&usize::from(observation[2] > 0.0), &mut observation)?;
///     steps += 1;
///     if let Some(end) = step.end {
///         break end;
///     }
/// };
/// assert!(end == End::Terminated && steps < 100);
/// assert!(observation[2].abs() > 12f64.to_radians()); // the true last one
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// A. G. Barto, R. S. Sutton and C. W. Anderson, "Neuronlike adaptive elements that can solve difficult
/// learning control problems", IEEE Transactions on Systems, Man, and Cybernetics 13, 1983, with the
/// equations corrected by R. V. Florian, "Correct equations for the dynamics of the cart-pole system",
/// 2007; `gymnasium/envs/classic_control/cartpole.py` of Gymnasium 1.
// Environments lie side by side in a slice and are stepped by threads of their own: two that share a stretch of
// memory which caches pass as one would wait for each other at every step.
#[repr(align(128))]
#[derive(Debug, Clone)]
pub struct CartPole {
    state: [f64; 4],
    steps: usize,
    limit: usize,
    running: bool,
}

impl CartPole {
    /// CartPole-v1, of at most 500 steps. The first thing to do is to reset it.
    #[must_use]
    pub fn new() -> Self {
        Self { state: [0.0; 4], steps: 0, limit: 500, running: false }
    }

    /// The same, truncated after so many steps; 200 makes CartPole-v0.
    #[must_use]
    pub fn with_step_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

impl Default for CartPole {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment for CartPole {
    type Action = usize;

    fn observation_length(&self) -> usize {
        4
    }

    fn reset(&mut self, seed: u64, observation: &mut [f64]) -> Result<()> {
        check::length("observation", observation.len(), 4)?;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        self.state = std::array::from_fn(|_| rng.random_range(-0.05..0.05));
        self.steps = 0;
        self.running = true;
        observation.copy_from_slice(&self.state);
        Ok(())
    }

    fn step(&mut self, &action: &usize, observation: &mut [f64]) -> Result<Step> {
        check::length("observation", observation.len(), 4)?;
        if action > 1 {
            return Err(Error::NoSuchAction { action, last: 1 });
        }
        if !self.running {
            return Err(Error::EpisodeOver);
        }
        self.state = next(self.state, if action == 1 { FORCE } else { -FORCE });
        self.steps += 1;
        let [x, _, theta, _] = self.state;
        let end = if x.abs() > FARTHEST || theta.abs() > STEEPEST {
            Some(End::Terminated)
        } else if self.steps >= self.limit {
            Some(End::Truncated)
        } else {
            None
        };
        self.running = end.is_none();
        observation.copy_from_slice(&self.state);
        Ok(Step { reward: 1.0, end })
    }
}

/// The state after a step. An episode goes on within 12° only, where sine and cosine need no reduction.
#[inline]
fn next([x, velocity, theta, rate]: [f64; 4], force: f64) -> [f64; 4] {
    let (sine, cosine) = sin_cos_near_zero::<false>(theta);
    let moment = POLE_MASS * HALF_LENGTH;
    let push = (force + moment * rate * rate * sine) / TOTAL_MASS;
    let turning = (GRAVITY * sine - cosine * push)
        / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cosine * cosine / TOTAL_MASS));
    let acceleration = push - moment * turning * cosine / TOTAL_MASS;
    [
        x + STEP * velocity,
        velocity + STEP * acceleration,
        theta + STEP * rate,
        rate + STEP * turning,
    ]
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is computed by the same operations")]
mod tests {
    use super::*;

    fn at(state: [f64; 4]) -> CartPole {
        CartPole { state, running: true, ..CartPole::new() }
    }

    #[test]
    fn a_game_has_the_digits_of_gymnasium() {
        // Gymnasium 1.4.0, by tests/data/cart_pole.py: the states after 1, 8 and 16 steps.
        let actions = [1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1];
        let printed = [
            (1, [0.009600000000000001, 0.17467919574755525, 0.0292, -0.3230687179600081]),
            (
                8,
                [
                    0.03786727928565591,
                    0.36933800174425324,
                    -0.019878933971788568,
                    -0.6054256839719747,
                ],
            ),
            (
                16,
                [
                    0.16757198249268485,
                    1.5471073635821324,
                    -0.23143695760155436,
                    -2.5715487207932988,
                ],
            ),
        ];
        let mut cart = at([0.01, -0.02, 0.03, -0.04]);
        let mut seen = [0.0; 4];
        for (count, action) in (1..).zip(actions) {
            let step = cart.step(&action, &mut seen).unwrap();
            assert_eq!(step.end, (count == 16).then_some(End::Terminated));
            for (_, expected) in printed.iter().filter(|(at, _)| *at == count) {
                for (found, expected) in seen.iter().zip(expected) {
                    // Each step rounds a few times and multiplies what came before by at most 1.1.
                    let allowed = 16.0 * 1.1f64.powi(16) * 4.0 * f64::EPSILON;
                    assert!((found - expected).abs() < allowed, "{count}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_accelerations_solve_the_equations_of_motion() {
        // Newton's law for cart and pole and the pole's moment about its center of mass, with no force
        // eliminated: (M) ẍ + m l (θ̈ cos θ − θ̇² sin θ) = F and (4/3) l θ̈ + ẍ cos θ = g sin θ.
        for (state, force) in [
            ([0.3, -1.0, 0.2, 2.0], 10.0),
            ([-1.0, 2.0, -0.15, -3.0], -10.0),
            ([0.0, 0.0, 0.01, 0.0], 10.0),
        ] {
            let [_, velocity, theta, rate] = state;
            let after = next(state, force);
            let (linear, angular) = ((after[1] - velocity) / 0.02, (after[3] - rate) / 0.02);
            let (sine, cosine) = theta.sin_cos();
            let off = 1.1 * linear + 0.05 * (angular * cosine - rate * rate * sine) - force;
            // Differences of states up to 3 over the step.
            let rounding = 4.0 * 3.0 * f64::EPSILON / 0.02;
            assert!(off.abs() < 2.0 * rounding, "{off:e}");
            let off = 4.0 / 3.0 * 0.5 * angular + linear * cosine - 9.8 * sine;
            assert!(off.abs() < 2.0 * rounding, "{off:e}");
            assert_eq!((after[0], after[2]), (state[0] + 0.02 * velocity, theta + 0.02 * rate));
        }
    }

    #[test]
    fn a_fall_terminates_and_the_clock_truncates() {
        let mut seen = [0.0; 4];
        let mut cart = at([0.0, 0.0, 0.2090, 0.01]);
        assert_eq!(cart.step(&0, &mut seen).unwrap().end, None); // 0.2092 is short of 12°
        assert_eq!(cart.step(&0, &mut seen).unwrap().end, Some(End::Terminated));
        assert!(seen[2] > 12f64.to_radians());
        let mut cart = at([2.399, 1.0, 0.0, 0.0]);
        assert_eq!(cart.step(&1, &mut seen), Ok(Step { reward: 1.0, end: Some(End::Terminated) }));
        assert_eq!(seen[0], 2.419);
        let mut cart = CartPole::new().with_step_limit(3);
        cart.reset(1, &mut seen).unwrap();
        let ends = [0, 1, 0].map(|action| cart.step(&action, &mut seen).unwrap().end);
        assert_eq!(ends, [None, None, Some(End::Truncated)]);
        // A fall with the last step is a fall.
        let mut cart = CartPole { limit: 1, ..at([0.0, 0.0, 0.2094, 1.0]) };
        assert_eq!(cart.step(&1, &mut seen).unwrap().end, Some(End::Terminated));
    }

    #[test]
    fn starts_follow_from_the_seed_within_their_range() {
        let mut cart = CartPole::new();
        let mut start = |seed| {
            let mut observation = [0.0; 4];
            cart.reset(seed, &mut observation).unwrap();
            observation
        };
        assert_eq!(start(5), start(5));
        let starts: Vec<[f64; 4]> = (0..1000).map(&mut start).collect();
        for k in 0..4 {
            let values = || starts.iter().map(|start| start[k]);
            assert!(values().all(|value| (-0.05..0.05).contains(&value)));
            let spread = values().fold(0.0, f64::max) - values().fold(0.0, f64::min);
            assert!(spread > 0.099, "{spread}"); // a thousandth of the range at either end
            let mean = values().sum::<f64>() / 1000.0;
            assert!(mean.abs() < 5.0 * 0.1 / 12f64.sqrt() / 1000f64.sqrt(), "{mean}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        let mut cart = CartPole::new();
        let mut seen = [0.0; 4];
        let over = "the episode is over, or none was begun; reset comes before the next step";
        assert_eq!(cart.step(&0, &mut seen).unwrap_err().to_string(), over);
        cart.reset(1, &mut seen).unwrap();
        for (error, text) in [
            (
                cart.step(&2, &mut seen).unwrap_err(),
                "the action is 2, and the policy has actions 0 to 1",
            ),
            (cart.step(&1, &mut seen[..3]).unwrap_err(), "observation has 3 entries, expected 4"),
            (cart.reset(1, &mut []).unwrap_err(), "observation has 0 entries, expected 4"),
        ] {
            assert_eq!(error.to_string(), text);
        }
        let mut cart = at([2.5, 0.0, 0.0, 0.0]);
        assert_eq!(cart.step(&1, &mut seen).unwrap().end, Some(End::Terminated));
        assert_eq!(cart.step(&1, &mut seen), Err(Error::EpisodeOver));
    }
}
