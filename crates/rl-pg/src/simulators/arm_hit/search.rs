//! When does the ball meet the blade? Sign changes on a grid of times, then the root between two.

use linalg::lanes::{self, Task, Vectors};

use super::Contact;
use super::arm::{
    BASES, Ball, DURATION, FLOOR, GRAVITY, HALF_BLADE, HOME, JOINTS, LINKS, Moment, Swing, WEIGHTS,
};
use crate::RadialBases;
use crate::simulators::sin_cos::{LARGEST, mul_add, sin_cos};

/// The grid's last time is number 400.
const LAST: usize = 400;
/// Times handled together, as vectors: four of the longest, and few enough to stop soon after a hit.
const TOGETHER: usize = 32;

/// The bases at the times of the grid, which are the same in every rollout.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    chunks: Vec<Chunk>,
}

#[derive(Debug, Clone)]
struct Chunk {
    times: [f64; TOGETHER],
    bases: [[f64; TOGETHER]; BASES],
}

/// How a swing ends.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "there is one, on the stack")]
pub(super) enum End {
    /// The ball meets the blade.
    Hit(Moment),
    /// It passes, at its nearest at this time of the grid; `None` where it never was above the floor.
    Miss(Option<f64>),
}

impl Grid {
    pub(super) fn new(bases: &RadialBases) -> Self {
        let mut chunks = Vec::with_capacity(LAST / TOGETHER + 1);
        for first in (0..=LAST).step_by(TOGETHER) {
            let mut chunk =
                Chunk { times: [f64::INFINITY; TOGETHER], bases: [[0.0; TOGETHER]; BASES] };
            for number in first..=LAST.min(first + TOGETHER - 1) {
                let time = number as f64 * DURATION / LAST as f64;
                let mut jets = [[0.0; 3]; BASES];
                bases.write_jets(time, &mut jets);
                chunk.times[number - first] = time;
                for (basis, jet) in chunk.bases.iter_mut().zip(&jets) {
                    basis[number - first] = jet[0];
                }
            }
            chunks.push(chunk);
        }
        Self { chunks }
    }

    /// The first contact, or the time at which the ball was nearest.
    pub(super) fn search(&self, swing: &Swing<'_>, contact: Contact) -> End {
        let mut sweep = Sweep {
            across: [0.0; TOGETHER],
            nearest: [f64::INFINITY; TOGETHER],
            nearest_times: [f64::INFINITY; TOGETHER],
        };
        // A first point has no left neighbor, and 0 is what no crossing starts from.
        let mut left = (0.0, 0.0);
        for chunk in &self.chunks {
            // Since x is linear in time this is so at the beginning or at the end, never between.
            if chunk.out_of_reach(&swing.ball).is_some() {
                continue;
            }
            sweep.fill(chunk, swing);
            for (&time, &across) in chunk.times.iter().zip(&sweep.across) {
                let crossed = left.1 != 0.0 && left.1 * across <= 0.0;
                if crossed && time.is_finite() {
                    let moment = match contact {
                        Contact::Refined => root(swing, left, (time, across)),
                        Contact::OnGrid => swing.at(time),
                    };
                    if moment.along.abs() <= HALF_BLADE && moment.ball[1] >= FLOOR {
                        return End::Hit(moment);
                    }
                }
                left = (time, across);
            }
            // A ball that has fallen through the floor does not come back.
            let time = chunk.times[TOGETHER - 1];
            let falling = swing.ball.velocity[1] - GRAVITY * time < 0.0;
            if falling && swing.ball.height(time) < FLOOR {
                break;
            }
        }
        // Out of reach the ball may still have been nearer than ever after.
        for chunk in &self.chunks {
            let distance = chunk.out_of_reach(&swing.ball);
            if distance.is_some_and(|distance| distance * distance < sweep.nearest().0) {
                sweep.fill(chunk, swing);
            }
        }
        let (square, time) = sweep.nearest();
        End::Miss(square.is_finite().then_some(time))
    }
}

impl Chunk {
    /// Where the ball is out of reach from the time before the chunk to the time after it, a lower bound
    /// of its distance from the blade.
    fn out_of_reach(&self, ball: &Ball) -> Option<f64> {
        /// From the arm's base to the far end of the blade when all is stretched.
        const REACH: f64 = LINKS[0] + LINKS[1] + LINKS[2] + HALF_BLADE;
        const STEP: f64 = DURATION / LAST as f64;
        let ends = [self.times[0] - STEP, self.times[0] + TOGETHER as f64 * STEP];
        let distance = |time: f64| ball.start[0] + ball.velocity[0] * time - REACH;
        let distance = distance(ends[0]).min(distance(ends[1]));
        (distance > 0.0).then_some(distance)
    }
}

/// The root of `across` between two points of the grid with its values there, to 1e-13 s: Newton's
/// method, by halves where it would leave the interval.
fn root(swing: &Swing<'_>, low: (f64, f64), high: (f64, f64)) -> Moment {
    const TOLERANCE: f64 = 1e-13;
    let (mut from, mut to) = (low.0, high.0);
    let mut moment = swing.at(from + (to - from) * low.1 / (low.1 - high.1));
    // Halving alone would take 35.
    for _ in 0..100 {
        if (moment.across > 0.0) == (low.1 > 0.0) {
            from = moment.time;
        } else {
            to = moment.time;
        }
        let newton = moment.time - moment.across / moment.closing;
        let inside = newton >= from && newton <= to;
        let next = if inside { newton } else { from + (to - from) / 2.0 };
        if (next - moment.time).abs() <= TOLERANCE {
            break;
        }
        moment = swing.at(next);
    }
    moment
}

/// What is known of a chunk of the grid, and of all before it.
struct Sweep {
    /// From the blade's center to the ball, across the blade.
    across: [f64; TOGETHER],
    /// The least squared distance between ball and blade so far, lane by lane, and its time.
    nearest: [f64; TOGETHER],
    nearest_times: [f64; TOGETHER],
}

struct Fill<'a> {
    sweep: &'a mut Sweep,
    chunk: &'a Chunk,
    weights: &'a [f64; WEIGHTS],
    ball: &'a Ball,
}

impl Task<f64> for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) {
        let Self { sweep, chunk, weights, ball } = self;
        // Processors with vectors of 32 bytes and more also multiply and add in one.
        if vectors.lanes() >= 4 || cfg!(target_arch = "aarch64") {
            sweep.fill_with(chunk, (weights, ball), sin_cos::<true>, mul_add::<true>);
        } else {
            sweep.fill_with(chunk, (weights, ball), sin_cos::<false>, mul_add::<false>);
        }
    }
}

impl Sweep {
    /// The least squared distance, and its time.
    fn nearest(&self) -> (f64, f64) {
        let lanes = self.nearest.iter().copied().zip(self.nearest_times);
        lanes.fold((f64::INFINITY, f64::INFINITY), |a, b| if b.0 < a.0 { b } else { a })
    }

    fn fill(&mut self, chunk: &Chunk, swing: &Swing<'_>) {
        let (weights, ball) = (&swing.weights, &swing.ball);
        // Beyond this the reduction of angles loses digits; nobody swings so, but an answer is owed.
        if weights.iter().map(|weight| weight.abs()).sum::<f64>() < LARGEST / 2.0 {
            lanes::run(Fill { sweep: self, chunk, weights, ball });
        } else {
            self.fill_with(chunk, (weights, ball), f64::sin_cos, mul_add::<false>);
        }
    }

    /// The formulas of [`Swing::at`] for all times of a chunk.
    #[inline(always)]
    fn fill_with(
        &mut self,
        chunk: &Chunk,
        (weights, ball): (&[f64; WEIGHTS], &Ball),
        sin_cos: impl Fn(f64) -> (f64, f64),
        mul_add: impl Fn(f64, f64, f64) -> f64,
    ) {
        for at in 0..TOGETHER {
            let time = chunk.times[at];
            let mut angle = 0.0;
            let height =
                mul_add(mul_add(-GRAVITY / 2.0, time, ball.velocity[1]), time, ball.start[1]);
            let mut arm = [mul_add(ball.velocity[0], time, ball.start[0]), height];
            let mut blade = [0.0, 0.0];
            for joint in 0..JOINTS {
                angle += HOME[joint];
                for basis in 0..BASES {
                    angle = mul_add(chunk.bases[basis][at], weights[BASES * joint + basis], angle);
                }
                let (sine, cosine) = sin_cos(angle);
                blade = [cosine, sine];
                arm[0] = mul_add(-LINKS[joint], cosine, arm[0]);
                arm[1] = mul_add(-LINKS[joint], sine, arm[1]);
            }
            let across = mul_add(blade[0], arm[1], -(blade[1] * arm[0]));
            let along = mul_add(blade[0], arm[0], blade[1] * arm[1]);
            let excess = along.abs() - HALF_BLADE;
            let excess = if excess > 0.0 { excess } else { 0.0 };
            let square = mul_add(across, across, excess * excess);
            self.across[at] = across;
            // After the grid's last time nothing is a number, and no comparison holds.
            let nearer = (height >= FLOOR) & (square < self.nearest[at]);
            self.nearest[at] = if nearer { square } else { self.nearest[at] };
            self.nearest_times[at] = if nearer { time } else { self.nearest_times[at] };
        }
    }
}
