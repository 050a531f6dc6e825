//! The arm, the ball and what their meeting makes of the ball's flight.

use std::f64::consts::{FRAC_PI_3, FRAC_PI_6};

use crate::RadialBases;

pub(super) const JOINTS: usize = 3;
/// Radial bases, and weights, of a joint.
pub(super) const BASES: usize = 5;
pub(super) const WEIGHTS: usize = JOINTS * BASES;
/// Seconds of a swing.
pub(super) const DURATION: f64 = 0.8;
/// Posture at rest: the blade stands upright at (0.779, 0.10).
pub(super) const HOME: [f64; JOINTS] = [-FRAC_PI_6, FRAC_PI_3, FRAC_PI_3];
pub(super) const LINKS: [f64; JOINTS] = [0.5, 0.4, 0.15];
pub(super) const HALF_BLADE: f64 = 0.12;
/// Height of the floor, the arm's base being at 0.
pub(super) const FLOOR: f64 = -1.0;
pub(super) const GRAVITY: f64 = 9.81;

/// A point or a vector of the plane: away from the arm, and up.
pub(super) type Point = [f64; 2];

pub(super) fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// a + scale·b.
fn add(a: Point, scale: f64, b: Point) -> Point {
    [a[0] + scale * b[0], a[1] + scale * b[1]]
}

/// A quarter of a turn to the left.
fn turned(a: Point) -> Point {
    [-a[1], a[0]]
}

/// Where a ball starts, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ball {
    pub(super) start: Point,
    pub(super) velocity: Point,
}

impl Ball {
    pub(super) fn height(&self, t: f64) -> f64 {
        self.start[1] + self.velocity[1] * t - GRAVITY / 2.0 * t * t
    }
}

/// A swing at a ball.
#[derive(Debug, Clone, Copy)]
pub(super) struct Swing<'a> {
    pub(super) bases: &'a RadialBases,
    pub(super) weights: [f64; WEIGHTS],
    pub(super) ball: Ball,
    pub(super) restitution: f64,
}

/// Arm and ball at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: f64,
    /// φ and its derivatives.
    pub(super) jets: [[f64; 3]; BASES],
    /// Of the links: directions, rates and accelerations of turning.
    links: [Point; JOINTS],
    rates: [f64; JOINTS],
    accelerations: [f64; JOINTS],
    /// The ball's place and velocity.
    pub(super) ball: Point,
    velocity: Point,
    /// From the blade's center to the ball: across the blade and along it.
    pub(super) across: f64,
    pub(super) along: f64,
    /// The time derivative of `across`.
    pub(super) closing: f64,
    /// The ball's velocity less that of the blade's center.
    relative: Point,
}

/// A small change of a moment, or its rate under some parameter.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    angles: [f64; JOINTS],
    rates: [f64; JOINTS],
    ball: Point,
    velocity: Point,
}

/// The ball's flight from the blade to the floor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    velocity: Point,
    /// Seconds to the floor.
    duration: f64,
    /// The speed of falling there.
    impact: f64,
    /// Where it lands.
    pub(super) landing: f64,
}

impl Swing<'_> {
    pub(super) fn at(&self, time: f64) -> Moment {
        let mut jets = [[0.0; 3]; BASES];
        self.bases.write_jets(time, &mut jets);
        // Angles of the links are sums of the joints', and so are their derivatives.
        let mut sums = [0.0; 3];
        let (mut links, mut rates, mut accelerations) = ([[0.0; 2]; JOINTS], [0.0; 3], [0.0; 3]);
        let (mut center, mut center_velocity) = ([0.0; 2], [0.0; 2]);
        for joint in 0..JOINTS {
            sums[0] += HOME[joint];
            for (jet, weight) in jets.iter().zip(&self.weights[BASES * joint..]) {
                for (sum, value) in sums.iter_mut().zip(jet) {
                    *sum += value * weight;
                }
            }
            let (sine, cosine) = sums[0].sin_cos();
            links[joint] = [cosine, sine];
            [rates[joint], accelerations[joint]] = [sums[1], sums[2]];
            center = add(center, LINKS[joint], links[joint]);
            center_velocity = add(center_velocity, LINKS[joint] * sums[1], turned(links[joint]));
        }
        let Ball { start, velocity } = self.ball;
        let ball = [start[0] + velocity[0] * time, self.ball.height(time)];
        let velocity = [velocity[0], velocity[1] - GRAVITY * time];
        let arm = add(ball, -1.0, center);
        let relative = add(velocity, -1.0, center_velocity);
        let (blade, normal) = (links[JOINTS - 1], turned(links[JOINTS - 1]));
        let (across, along) = (dot(normal, arm), dot(blade, arm));
        let closing = dot(normal, relative) - rates[JOINTS - 1] * along;
        Moment {
            time,
            jets,
            links,
            rates,
            accelerations,
            ball,
            velocity,
            across,
            along,
            closing,
            relative,
        }
    }

    /// The flight after a contact at this moment, without friction: v⁺ = v − (1 + e) D n, with D the
    /// rate of closing.
    pub(super) fn flight(&self, moment: &Moment) -> Flight {
        let normal = turned(moment.links[JOINTS - 1]);
        let velocity = add(moment.velocity, -(1.0 + self.restitution) * moment.closing, normal);
        let fall = moment.ball[1] - FLOOR;
        let impact = (velocity[1] * velocity[1] + 2.0 * GRAVITY * fall).sqrt();
        let duration = (velocity[1] + impact) / GRAVITY;
        Flight { velocity, duration, impact, landing: moment.ball[0] + velocity[0] * duration }
    }

    /// ∂landing/∂weights for a contact at this moment: through posture and rates at a fixed time, and
    /// through the time of contact, whose derivative is −(∂across/∂w)/closing.
    pub(super) fn landing_gradient(&self, moment: &Moment, flight: &Flight) -> [f64; WEIGHTS] {
        let by_time = self.landing_change(
            moment,
            flight,
            &Change {
                angles: moment.rates,
                rates: moment.accelerations,
                ball: moment.velocity,
                velocity: [0.0, -GRAVITY],
            },
        );
        let mut gradient = [0.0; WEIGHTS];
        for joint in 0..JOINTS {
            // Turning a joint turns its link and all behind it.
            let turning: [f64; JOINTS] =
                std::array::from_fn(|link| if link >= joint { 1.0 } else { 0.0 });
            let by_angle = Change { angles: turning, ..Change::default() };
            let by_rate = Change { rates: turning, ..Change::default() };
            let (across, _) = moment.blade_change(&by_angle);
            let by_angle =
                self.landing_change(moment, flight, &by_angle) - by_time * across / moment.closing;
            let by_rate = self.landing_change(moment, flight, &by_rate);
            for (entry, jet) in gradient[BASES * joint..].iter_mut().zip(&moment.jets) {
                *entry = by_angle * jet[0] + by_rate * jet[1];
            }
        }
        gradient
    }

    /// How the place of landing changes with a contact's moment.
    fn landing_change(&self, moment: &Moment, flight: &Flight, change: &Change) -> f64 {
        let last = JOINTS - 1;
        let normal = turned(moment.links[last]);
        let normal_change = add([0.0; 2], -change.angles[last], moment.links[last]);
        let mut relative_change = change.velocity;
        for link in 0..JOINTS {
            let outward = moment.links[link];
            let scale = -LINKS[link] * change.rates[link];
            relative_change = add(relative_change, scale, turned(outward));
            let scale = LINKS[link] * moment.rates[link] * change.angles[link];
            relative_change = add(relative_change, scale, outward);
        }
        let (_, along_change) = moment.blade_change(change);
        let closing_change = dot(normal_change, moment.relative) + dot(normal, relative_change)
            - change.rates[last] * moment.along
            - moment.rates[last] * along_change;
        let bounce = 1.0 + self.restitution;
        let velocity_change = add(change.velocity, -bounce * closing_change, normal);
        let velocity_change = add(velocity_change, -bounce * moment.closing, normal_change);
        let duration_change =
            (flight.duration * velocity_change[1] + change.ball[1]) / flight.impact;
        change.ball[0] + flight.duration * velocity_change[0] + flight.velocity[0] * duration_change
    }

    /// ∂/∂weights of `across` and `along` at a fixed time, weighted.
    pub(super) fn blade_gradient(
        &self,
        moment: &Moment,
        across: f64,
        along: f64,
    ) -> [f64; WEIGHTS] {
        let mut gradient = [0.0; WEIGHTS];
        for joint in 0..JOINTS {
            let angles = std::array::from_fn(|link| if link >= joint { 1.0 } else { 0.0 });
            let change = moment.blade_change(&Change { angles, ..Change::default() });
            let slope = across * change.0 + along * change.1;
            for (entry, jet) in gradient[BASES * joint..].iter_mut().zip(&moment.jets) {
                *entry = slope * jet[0];
            }
        }
        gradient
    }
}

impl Moment {
    /// By how much the ball is past an end of the blade, along it.
    pub(super) fn excess(&self) -> f64 {
        (self.along.abs() - HALF_BLADE).max(0.0)
    }

    /// The distance from the ball to the blade.
    pub(super) fn distance(&self) -> f64 {
        self.across.hypot(self.excess())
    }

    /// How `across` and `along` change.
    fn blade_change(&self, change: &Change) -> (f64, f64) {
        let mut arm = change.ball;
        for link in 0..JOINTS {
            let scale = -LINKS[link] * change.angles[link];
            arm = add(arm, scale, turned(self.links[link]));
        }
        let blade = self.links[JOINTS - 1];
        let turn = change.angles[JOINTS - 1];
        (dot(turned(blade), arm) - turn * self.along, dot(blade, arm) + turn * self.across)
    }
}
