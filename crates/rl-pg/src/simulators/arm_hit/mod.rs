//! A robot arm that is to hit a ball back onto a spot of the floor.

mod arm;
mod contexts;
mod search;

use rand::RngExt;
use rand_distr::StandardNormal;

use self::arm::{BASES, Ball, DURATION, Swing, WEIGHTS};
use self::search::{End, Grid};
use crate::check;
use crate::{Differentiable, Outcome, RadialBases, Result, Simulator, Streams};

/// Where the ball should land, in meters from the arm's base, and how near to it is a success.
const TARGET: f64 = 2.5;
const CLOSE: f64 = 0.2;
/// Distance at which the reward falls to half.
const SPREAD: f64 = 0.5;
/// Price of a squared weight.
const PRICE: f64 = 0.01;
/// A miss by more costs no more.
const FAR: f64 = 2.0;
const RESTITUTION: f64 = 0.8;

/// ArmHit-v0: an arm of three joints swings a racket at a thrown ball.
///
/// One episode is one action. The context is the ball's start and velocity, (x, y, ẋ, ẏ) in meters and
/// meters per second; the action has 15 weights w in radians, five per joint, of the trajectory that
/// [`RadialBases`] makes of them in 0.8 s. Everything happens in a vertical plane, x away from the arm's
/// base and y up, with gravity 9.81 m/s² and a floor one meter below the base. Links of 0.5, 0.4 and
/// 0.15 m start from −30°, 60° and 60°; the racket is a blade of 0.24 m about the end of the last link
/// and along it.
///
/// Contact is at the first time `t_c` at which the ball's distance d across the blade is 0, within the
/// blade's length and above the floor. There the ball's velocity v turns, without friction, into
/// v − (1 + e) ḋ n, with n the blade's normal and e = 0.8; it flies on and lands at x. The reward is
///
/// ```text
/// contact:     1 + 2/(1 + ((x − 2.5)/0.5)²) − 0.01 |w|²
/// no contact:  −min(D, 2) − 0.01 |w|²,   D: the least distance of ball and blade above the floor
/// ```
///
/// and a success is a landing within 0.2 m of 2.5 m. Rewards lie between −2 and 3, less the cost of the
/// weights; about 2.98 is the best that can be had. With w = 0 the arm stands still, is hit by a third of
/// the balls and never succeeds.
///
/// # The edge
/// The reward jumps by 1 and more where a swing just misses. No derivative shows a jump: [`ArmHit`] has
/// the exact one ([`Differentiable`]), and averaged over policies that hit often it points the *wrong way*.
/// Estimates over finite distances see the jump.
///
/// # Time
/// `t_c` is the root of d(t) to 1e-13 s between two points of a grid of 2 ms. A contact that is moved to
/// the grid instead changes the reward by less than a hundredth and its derivative by a fifth, however
/// small the step of a finite difference ([`Contact::OnGrid`]). D is the least over the grid.
///
/// # Noise
/// [`ArmHit::noisy`] is ArmHit-v0n: 0.02 rad of normal noise on every weight before the swing, a
/// restitution from N(0.8, 0.03²), and an observation blurred by (0.01, 0.01, 0.05, 0.05). All of it
/// follows from the seed of the rollout, so that two actions can be compared under the same noise.
/// The cost is that of the noisy weights.
///
/// # Examples
/// ```
/// use rl_pg::{ArmHit, Simulator};
/// let mut arm = ArmHit::new();
/// let action: Vec<f64> = (1..=15).map(|i| 0.3 * f64::from(i).sin()).collect();
/// let outcome = arm.rollout(&[2.5, 0.0, -3.75, 2.5], &action, 0)?;
/// assert!((outcome.reward - 2.740977515052).abs() < 1e-11);
/// assert_eq!(arm.metrics()[2], "landing");
/// assert!((outcome.metrics[2] - 2.310180923278).abs() < 1e-11); // 0.19 m short: a success
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ArmHit {
    bases: RadialBases,
    grid: Grid,
    noise: Noise,
    contact: Contact,
}

/// Where in time a contact is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contact {
    /// At the root itself.
    #[default]
    Refined,
    /// At the end of the grid's interval that holds the root, as a simulation in steps of 2 ms would
    /// have it. It is here to show what that does to derivatives.
    OnGrid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noise {
    None,
    Seeded,
}

/// Purposes of [`Streams`].
const MOTION: u64 = 0;
const SIGHT: u64 = 1;

impl ArmHit {
    /// ArmHit-v0. Seeds change nothing.
    #[must_use]
    pub fn new() -> Self {
        let bases = RadialBases::unchecked(DURATION, BASES, 0.15, 0.3);
        let grid = Grid::new(&bases);
        Self { bases, grid, noise: Noise::None, contact: Contact::Refined }
    }

    /// ArmHit-v0n, with noise from each rollout's seed. About 90 % success is the most.
    #[must_use]
    pub fn noisy() -> Self {
        Self { noise: Noise::Seeded, ..Self::new() }
    }

    /// The same with contacts put elsewhere in time.
    #[must_use]
    pub fn with_contact(self, contact: Contact) -> Self {
        Self { contact, ..self }
    }

    fn swing(&self, context: &[f64], action: &[f64], seed: u64) -> Result<Swing<'_>> {
        check::numbers("context", context, contexts::LENGTH)?;
        check::numbers("action", action, WEIGHTS)?;
        let mut weights = [0.0; WEIGHTS];
        weights.copy_from_slice(action);
        let mut restitution = RESTITUTION;
        if self.noise == Noise::Seeded {
            let mut rng = Streams::new(seed).rng(0, 0, MOTION);
            for weight in &mut weights {
                *weight += 0.02 * rng.sample::<f64, _>(StandardNormal);
            }
            restitution += 0.03 * rng.sample::<f64, _>(StandardNormal);
        }
        let ball = Ball { start: [context[0], context[1]], velocity: [context[2], context[3]] };
        Ok(Swing { bases: &self.bases, weights, ball, restitution })
    }
}

impl Default for ArmHit {
    fn default() -> Self {
        Self::new()
    }
}

impl Simulator for ArmHit {
    fn context_length(&self) -> usize {
        contexts::LENGTH
    }

    fn action_length(&self) -> usize {
        WEIGHTS
    }

    /// Contact and success are 0 or 1, the place of landing is in meters and the time of contact in
    /// seconds, both NaN after a miss; the miss is the distance D, 0 at a contact.
    fn metrics(&self) -> Vec<&str> {
        vec!["contact", "success", "landing", "contact_time", "miss"]
    }

    /// Writes the context, blurred if there is noise, less its mean over contexts and over its standard
    /// deviation.
    fn observe(&self, context: &[f64], seed: u64, observation: &mut [f64]) -> Result<()> {
        check::numbers("context", context, contexts::LENGTH)?;
        check::length("observation", observation.len(), contexts::LENGTH)?;
        let mut rng = Streams::new(seed).rng(0, 0, SIGHT);
        for (k, (entry, value)) in observation.iter_mut().zip(context).enumerate() {
            let blur = match self.noise {
                Noise::None => 0.0,
                Noise::Seeded => contexts::BLUR[k] * rng.sample::<f64, _>(StandardNormal),
            };
            *entry = (value + blur - contexts::MEAN[k]) / contexts::DEVIATION[k];
        }
        Ok(())
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        let swing = self.swing(context, action, seed)?;
        Ok(outcome(&swing, &self.grid.search(&swing, self.contact)))
    }
}

impl Differentiable for ArmHit {
    /// At a contact, through its time too: `∂t_c/∂w` = −(∂d/∂w)/ḋ. After a miss, that of D at its time.
    /// The jump between the two is in neither.
    fn rollout_with_gradient(
        &mut self,
        context: &[f64],
        action: &[f64],
        seed: u64,
        gradient: &mut [f64],
    ) -> Result<Outcome> {
        let swing = self.swing(context, action, seed)?;
        check::length("gradient", gradient.len(), WEIGHTS)?;
        let end = self.grid.search(&swing, self.contact);
        let slope = match &end {
            End::Hit(moment) => {
                let flight = swing.flight(moment);
                let off = (flight.landing - TARGET) / SPREAD;
                let by_landing = -4.0 * off / (SPREAD * (1.0 + off * off).powi(2));
                swing.landing_gradient(moment, &flight).map(|entry| by_landing * entry)
            }
            End::Miss(Some(time)) => {
                let moment = swing.at(*time);
                let (distance, excess) = (moment.distance(), moment.excess());
                if distance < FAR {
                    let across = -moment.across / distance;
                    let along = -excess * moment.along.signum() / distance;
                    swing.blade_gradient(&moment, across, along)
                } else {
                    [0.0; WEIGHTS]
                }
            }
            End::Miss(None) => [0.0; WEIGHTS],
        };
        for ((entry, slope), weight) in gradient.iter_mut().zip(slope).zip(swing.weights) {
            *entry = slope - 2.0 * PRICE * weight;
        }
        Ok(outcome(&swing, &end))
    }
}

fn outcome(swing: &Swing<'_>, end: &End) -> Outcome {
    let cost = PRICE * swing.weights.iter().map(|w| w * w).sum::<f64>();
    match end {
        End::Hit(moment) => {
            let landing = swing.flight(moment).landing;
            let off = landing - TARGET;
            let reward = 1.0 + 2.0 / (1.0 + (off / SPREAD).powi(2)) - cost;
            let success = if off.abs() <= CLOSE { 1.0 } else { 0.0 };
            Outcome { reward, metrics: vec![1.0, success, landing, moment.time, 0.0] }
        }
        End::Miss(time) => {
            let distance = time.map_or(f64::INFINITY, |time| swing.at(time).distance());
            let metrics = vec![0.0, 0.0, f64::NAN, f64::NAN, distance];
            Outcome { reward: -distance.min(FAR) - cost, metrics }
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "flags of 0 and 1, and what has to have the same bits")]
mod tests;
