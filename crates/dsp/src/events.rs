//! Events: where each curve leaves the noise, where it is highest, and where it comes back.
//!
//! An event is a run of samples above a low level that holds one above a high level, both in
//! multiples of the noise: two levels, because one alone breaks an event into pieces wherever noise
//! crosses it. [`find_events`] and [`EventStream`] are one algorithm with a constant state, so
//! they agree for every way of cutting the signal.

use crate::noise::NoiseFloor;
use crate::{Error, Result};

/// A run of samples that stands out of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its first sample, as [`EventOptions::edges`] has it.
    pub onset: usize,
    /// Its highest sample, the first of them where there are several.
    pub apex: usize,
    /// Its last sample.
    pub offset: usize,
    /// x\[apex\].
    pub height: f64,
    /// How far the apex lies above the center of the noise there; below it for dips.
    pub excess: f64,
    /// excess/σ, always positive.
    pub snr: f64,
    /// Whether it may have started before the signal or gone on after it.
    pub cut: Cut,
}

/// Where an event touches an end of the signal, so that its scope is a lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere: onset and offset were seen.
    Nowhere,
    /// At the first sample.
    Start,
    /// At the last sample.
    End,
    /// At both.
    Both,
}

/// What an event is.
///
/// # Examples
/// ```
/// use dsp::events::EventOptions;
/// let options = EventOptions::default().enter(6.0).leave(3.0);
/// // Six σ and a run that ends below three: one false event in 1.0e9 samples of normal noise.
/// assert!((options.false_alarms_per_sample() * 1.0137e9 - 1.0).abs() < 1e-3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EventOptions {
    /// An event has a sample more than this many σ above the center. Default: 5.
    pub enter: f64,
    /// It goes on while samples are more than this many σ above the center, at most `enter`.
    /// Default: 2.
    pub leave: f64,
    /// Where it starts and stops. Default: at the level of `leave`.
    pub edges: Edges,
    /// Fewest samples from onset to offset. Default: 1.
    pub min_scope: usize,
    /// Least excess over the center of the noise, in the unit of the signal. Default: 0.
    pub min_excess: f64,
    /// Bumps or dips. Default: bumps.
    pub direction: Direction,
}

/// Where an event starts and stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edges {
    /// At its first and last sample above `leave`·σ.
    Level,
    /// From there on outwards while the signal falls, to the nearest local minimum. Two events may
    /// share the minimum between them.
    Minimum,
    /// From there on outwards while the first difference is above its own noise, each step falling
    /// by more than this many √2·σ, which is the scatter of the differences of white noise.
    Slope(f64),
}

/// Bumps or dips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Events lie above the noise.
    Up,
    /// Events lie below it.
    Down,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            enter: 5.0,
            leave: 2.0,
            edges: Edges::Level,
            min_scope: 1,
            min_excess: 0.0,
            direction: Direction::Up,
        }
    }
}

impl EventOptions {
    /// Sets the level that an event has to reach, in σ.
    #[must_use]
    pub fn enter(self, enter: f64) -> Self {
        Self { enter, ..self }
    }

    /// Sets the level that it stays above, in σ.
    #[must_use]
    pub fn leave(self, leave: f64) -> Self {
        Self { leave, ..self }
    }

    /// Sets where events start and stop.
    #[must_use]
    pub fn edges(self, edges: Edges) -> Self {
        Self { edges, ..self }
    }

    /// Sets the fewest samples of an event.
    #[must_use]
    pub fn min_scope(self, min_scope: usize) -> Self {
        Self { min_scope, ..self }
    }

    /// Sets the least excess of an event.
    #[must_use]
    pub fn min_excess(self, min_excess: f64) -> Self {
        Self { min_excess, ..self }
    }

    /// Sets bumps or dips.
    #[must_use]
    pub fn direction(self, direction: Direction) -> Self {
        Self { direction, ..self }
    }

    /// Sets `enter` so that white normal noise makes `rate` false events per sample, with the
    /// `leave` and `min_scope` that are set already.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a rate that is not positive, or higher than that of `enter` =
    /// `leave`, the most that there can be.
    pub fn for_false_alarms(self, rate: f64) -> Result<Self> {
        let at = |enter| Self { enter, ..self }.false_alarms_per_sample();
        if !(rate > 0.0 && rate <= at(self.leave)) {
            let expected = "a positive rate, at most that of samples above `leave`";
            return Err(Error::OutOfRange { argument: "rate", value: rate, expected });
        }
        // Bisection down to neighboring numbers; the rate falls as the level rises.
        let (mut low, mut high) = (self.leave, self.leave.max(0.0) + 40.0);
        for _ in 0..80 {
            let middle = f64::midpoint(low, high);
            *(if at(middle) > rate { &mut low } else { &mut high }) = middle;
        }
        Ok(Self { enter: high, ..self })
    }

    /// Events per sample in white normal noise, exactly, for [`Edges::Level`] and no least excess.
    ///
    /// With p and q the chances of a sample above `leave` and above `enter`, s = 1 − p and m the
    /// least scope, runs of m and more start with chance s·pᵐ, and a run has reached `enter` by
    /// its end unless none of its samples did:
    ///
    /// ```text
    /// rate = s·pᵐ·(1 − s·(1 − q/p)ᵐ/(s + q))
    /// ```
    #[must_use]
    pub fn false_alarms_per_sample(&self) -> f64 {
        let (p, q) = (normal_tail(self.leave), normal_tail(self.enter));
        let (s, scope) = (normal_tail(-self.leave), self.min_scope.max(1) as f64);
        // 1 − s·(1 − q/p)ᵐ/(s + q), without the cancellation where q is small.
        let none = (scope * (-q / p).ln_1p()).exp_m1();
        s * p.powf(scope) * (q - s * none) / (s + q)
    }

    fn check(&self) -> Result<()> {
        let out_of_range =
            |argument, value, expected| Err(Error::OutOfRange { argument, value, expected });
        if !self.enter.is_finite() {
            return out_of_range("enter", self.enter, "a finite number of sigmas");
        }
        if !(self.leave <= self.enter) || self.leave.is_infinite() {
            return out_of_range("leave", self.leave, "a finite number of sigmas, at most enter");
        }
        if !(self.min_excess >= 0.0 && self.min_excess.is_finite()) {
            return out_of_range("min_excess", self.min_excess, "a number from 0 up");
        }
        match self.edges {
            Edges::Slope(sigmas) if !(sigmas >= 0.0 && sigmas.is_finite()) => {
                out_of_range("Edges::Slope", sigmas, "a number of sigmas from 0 up")
            }
            _ => Ok(()),
        }
    }
}

/// The events of `x` above a noise floor that is the same everywhere, or given for each sample.
///
/// # Errors
/// [`Error::NotFinite`] with the index of the first NaN or infinity; [`Error::OutOfRange`] for an
/// option outside its range, or a floor whose σ is not positive: more than half of the samples
/// were equal, and [`crate::noise::noise_floor`] takes the converter's step for that;
/// [`Error::Length`] for floors that are not there for each sample.
///
/// # Examples
/// ```
/// use dsp::events::{EventOptions, find_events};
/// use dsp::noise::noise_floor;
/// let x = [0.0, 1.0, -1.0, 0.5, 3.0, 40.0, 20.0, 4.0, -0.5, 1.0, -1.0, 0.0, 0.2, -0.2];
/// let floor = noise_floor(&x, 0.0)?;
/// let events = find_events(&x, &[floor], &EventOptions::default())?;
/// assert_eq!(events.len(), 1);
/// assert_eq!((events[0].onset, events[0].apex, events[0].offset), (4, 5, 7));
/// # Ok::<(), dsp::Error>(())
/// ```
pub fn find_events(x: &[f64], floor: &[NoiseFloor], options: &EventOptions) -> Result<Vec<Event>> {
    if floor.len() != 1 && floor.len() != x.len() {
        let (argument, found) = ("floor", floor.len());
        return Err(Error::Length { argument, found, expected: x.len() });
    }
    let mut stream = EventStream::new(*options)?;
    let mut events = Vec::new();
    for (i, &value) in x.iter().enumerate() {
        events.extend(stream.push(value, floor[i.min(floor.len() - 1)])?);
    }
    events.extend(stream.finish());
    Ok(events)
}

/// The events of a signal that comes sample by sample: those of [`find_events`], one by one.
///
/// Its state is a few numbers. An event is reported with the first sample after its offset, and
/// with the edges other than [`Edges::Level`] with the first sample after the fall has ended.
///
/// # Examples
/// ```
/// use dsp::events::{EventOptions, EventStream};
/// use dsp::noise::NoiseFloor;
/// let floor = NoiseFloor { center: 0.0, sigma: 1.0 };
/// let mut stream = EventStream::new(EventOptions::default())?;
/// let mut found = Vec::new();
/// for sample in [0.0, 9.0, 3.0, 0.0, 0.0, 7.0] {
///     found.extend(stream.push(sample, floor)?);
/// }
/// assert_eq!((found.len(), found[0].offset), (1, 2));
/// assert_eq!(stream.finish().map(|last| last.apex), Some(5));
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EventStream {
    options: EventOptions,
    /// Samples so far.
    seen: usize,
    previous: f64,
    /// Where the rise that the last sample belongs to started.
    rise: usize,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    /// Above the lower level; whether the upper one was reached.
    Inside {
        event: Event,
        entered: bool,
    },
    /// Below the lower level and still falling.
    Falling(Event),
}

impl EventStream {
    /// Before the first sample.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an option outside its range.
    pub fn new(options: EventOptions) -> Result<Self> {
        options.check()?;
        Ok(Self { options, seen: 0, previous: f64::NAN, rise: 0, state: State::Idle })
    }

    /// Takes the next sample and the noise floor there, and returns the event that it ends.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for a sample, [`Error::OutOfRange`] for a floor whose σ is not
    /// positive. The sample is then not taken.
    pub fn push(&mut self, sample: f64, floor: NoiseFloor) -> Result<Option<Event>> {
        let i = self.seen;
        if !sample.is_finite() {
            return Err(Error::NotFinite { argument: "x", index: i, value: sample });
        }
        let NoiseFloor { center, sigma } = floor;
        if !(sigma > 0.0 && sigma.is_finite() && center.is_finite()) {
            let expected = "a floor with a finite center and a positive sigma";
            return Err(Error::OutOfRange { argument: "floor.sigma", value: sigma, expected });
        }
        let sign = if self.options.direction == Direction::Down { -1.0 } else { 1.0 };
        let step = sign * (sample - self.previous);
        let steep = match self.options.edges {
            Edges::Level => f64::INFINITY,
            Edges::Minimum => 0.0,
            Edges::Slope(sigmas) => sigmas * std::f64::consts::SQRT_2 * sigma,
        };
        if !(step > steep) {
            self.rise = i;
        }
        let excess = sign * (sample - center);
        let enters = excess > self.options.enter * sigma && excess >= self.options.min_excess;
        let mut ended = None;
        if excess > self.options.leave * sigma {
            let (mut event, entered) = match self.state {
                State::Inside { event, entered } => (event, entered),
                before => {
                    if let State::Falling(event) = before {
                        ended = self.report(event);
                    }
                    let cut = if self.rise == 0 { Cut::Start } else { Cut::Nowhere };
                    let none = f64::NEG_INFINITY;
                    let (onset, apex, offset, height) = (self.rise, i, i, sample);
                    (Event { onset, apex, offset, height, excess: 0.0, snr: none, cut }, false)
                }
            };
            event.offset = i;
            if event.snr == f64::NEG_INFINITY || sign * sample > sign * event.height {
                event.apex = i;
                event.height = sample;
                event.excess = sample - center;
                event.snr = excess / sigma;
            }
            self.state = State::Inside { event, entered: entered || enters };
        } else {
            let falling = match self.state {
                State::Idle | State::Inside { entered: false, .. } => None,
                State::Inside { event, entered: true } | State::Falling(event) => Some(event),
            };
            self.state = match falling {
                None => State::Idle,
                Some(event) if -step > steep => State::Falling(Event { offset: i, ..event }),
                Some(event) => {
                    ended = self.report(event);
                    State::Idle
                }
            };
        }
        self.previous = sample;
        self.seen += 1;
        Ok(ended)
    }

    /// The event that the end of the signal cuts, if any.
    #[must_use]
    pub fn finish(self) -> Option<Event> {
        let (State::Inside { event, entered: true } | State::Falling(event)) = self.state else {
            return None;
        };
        let cut = if event.cut == Cut::Start { Cut::Both } else { Cut::End };
        self.report(Event { cut, ..event })
    }

    fn report(&self, event: Event) -> Option<Event> {
        (event.offset - event.onset + 1 >= self.options.min_scope).then_some(event)
    }
}

/// The chance that a standard normal number is above `x`, to 1e-11 of itself.
fn normal_tail(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x < 0.0 {
        return 1.0 - normal_tail(-x);
    }
    let z = x / std::f64::consts::SQRT_2;
    if z >= 3.0 {
        // The continued fraction of erfc (Abramowitz & Stegun 7.1.14); 60 terms reach 1e-15 at 3.
        let fraction = (1..=60).rev().fold(z, |below, k| z + f64::from(k) / 2.0 / below);
        return 0.5 * (-z * z).exp() / (PI.sqrt() * fraction);
    }
    // The series of erf without cancellation (7.1.6).
    let (mut term, mut sum, mut n) = (z, z, 0.0);
    while term > f64::EPSILON / 8.0 * sum {
        n += 1.0;
        term *= 2.0 * z * z / (2.0 * n + 1.0);
        sum += term;
    }
    0.5 - (-z * z).exp() / PI.sqrt() * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::noise_floor;
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    const UNIT: NoiseFloor = NoiseFloor { center: 0.0, sigma: 1.0 };

    fn normal(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut next = || 1.0 - rng.random::<f64>();
        (0..n)
            .map(|_| (-2.0 * next().ln()).sqrt() * (std::f64::consts::TAU * next()).cos())
            .collect()
    }

    /// The definition: maximal runs above `leave` with a sample above `enter`, as (onset, apex,
    /// offset), widened while the signal falls outwards by more than `steep`.
    fn defined(x: &[f64], options: &EventOptions, steep: f64) -> Vec<(usize, usize, usize)> {
        let mut events = Vec::new();
        let mut i = 0;
        while i < x.len() {
            let run = x[i..].iter().take_while(|&&v| v > options.leave).count();
            let samples = &x[i..i + run];
            if samples.iter().any(|&v| v > options.enter) {
                let top = samples.iter().copied().fold(f64::MIN, f64::max);
                let apex = i + samples.iter().position(|&v| v >= top).unwrap();
                let (mut onset, mut offset) = (i, i + run - 1);
                while onset > 0 && x[onset] - x[onset - 1] > steep {
                    onset -= 1;
                }
                while offset + 1 < x.len() && x[offset] - x[offset + 1] > steep {
                    offset += 1;
                }
                if offset - onset + 1 >= options.min_scope {
                    events.push((onset, apex, offset));
                }
            }
            i += run.max(1);
        }
        events
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn the_stream_finds_what_the_definition_says(
            levels in prop::collection::vec(-2i8..8, 0..60),
            leave in 0u8..4,
            more in 0u8..3,
            min_scope in 0usize..4,
            kind in 0usize..3,
        ) {
            let x: Vec<f64> = levels.iter().map(|&level| f64::from(level)).collect();
            let (edges, steep) = [
                (Edges::Level, f64::INFINITY),
                (Edges::Minimum, 0.0),
                (Edges::Slope(1.0), std::f64::consts::SQRT_2),
            ][kind];
            let leave = f64::from(leave);
            let options = EventOptions::default()
                .leave(leave)
                .enter(leave + f64::from(more))
                .edges(edges)
                .min_scope(min_scope);
            let found: Vec<_> = find_events(&x, &[UNIT], &options)
                .unwrap()
                .iter()
                .map(|event| (event.onset, event.apex, event.offset))
                .collect();
            prop_assert_eq!(found, defined(&x, &options, steep), "x = {:?}", x);

            let dips: Vec<f64> = x.iter().map(|value| -value).collect();
            let down = find_events(&dips, &[UNIT], &options.direction(Direction::Down)).unwrap();
            prop_assert_eq!(down.len(), find_events(&x, &[UNIT], &options).unwrap().len());
        }
    }

    #[test]
    fn bursts_at_twenty_decibels_have_their_apex_and_edges() {
        // Bursts of 10 σ with one sample of 20 σ, in noise of σ = 1 about a level of 7.
        let mut x: Vec<f64> = normal(200_000, 3).iter().map(|v| v + 7.0).collect();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        let mut bursts = Vec::new();
        for start in (500..199_000).step_by(500) {
            let (onset, length) = (start + rng.random_range(0..200), rng.random_range(3..60));
            let apex = onset + rng.random_range(0..length);
            x[onset..onset + length].iter_mut().for_each(|v| *v += 10.0);
            x[apex] += 10.0;
            bursts.push((onset, apex, onset + length - 1));
        }
        let floor = noise_floor(&x, 0.0).unwrap();
        let options = EventOptions::default().enter(6.0).leave(4.0);
        let events = find_events(&x, &[floor], &options).unwrap();
        assert_eq!(events.len(), bursts.len());
        for (event, &(onset, apex, offset)) in events.iter().zip(&bursts) {
            assert_eq!(event.apex, apex, "{event:?}");
            assert!(event.onset.abs_diff(onset) <= 1, "{event:?} starts at {onset}");
            assert!(event.offset.abs_diff(offset) <= 1, "{event:?} ends at {offset}");
            assert!((event.snr - 20.0).abs() < 6.0, "{event:?}");
        }
    }

    #[test]
    fn noise_alone_makes_as_many_events_as_stated() {
        let x = normal(1_000_000, 5);
        let floor = noise_floor(&x, 0.0).unwrap();
        for (rate, leave, scope) in [(1e-3, 1.0, 1), (2e-3, 0.0, 3), (3e-3, 1.5, 2)] {
            let options = EventOptions::default().leave(leave).min_scope(scope);
            let options = options.for_false_alarms(rate).unwrap();
            let count = find_events(&x, &[floor], &options).unwrap().len() as f64;
            // Five standard deviations of a Poisson count, and 2 % for the estimate of σ, whose
            // standard error of 0.12 % moves a level of 3 σ by 0.004 and the rate by e^(3·0.004).
            let expected = rate * 1e6;
            let limit = 5.0 * expected.sqrt() + 0.02 * expected;
            assert!((count - expected).abs() <= limit, "{count} events, {expected} stated");
            assert!((count / expected - 1.0).abs() <= 0.2, "{count} events, {expected} stated");
        }
    }

    #[test]
    fn the_normal_tail_has_its_printed_digits() {
        // scipy.stats.norm.sf of 0, 1, 3, 4.2, 4.3, 6, 10, -1.
        let printed = [
            (0.0, 0.5),
            (1.0, 0.15865525393145707),
            (3.0, 0.0013498980316300933),
            (4.2, 1.3345749015906309e-05),
            (4.3, 8.5399054709917942e-06),
            (6.0, 9.8658764503769458e-10),
            (10.0, 7.6198530241605945e-24),
            (-1.0, 0.84134474606854293),
        ];
        for (x, expected) in printed {
            let tail = normal_tail(x);
            assert!((tail / expected - 1.0).abs() < 1e-11, "{x}: {tail:e}, {expected:e}");
        }
    }

    #[test]
    fn events_at_the_ends_say_so() {
        let cut = |x: &[f64]| {
            let events = find_events(x, &[UNIT], &EventOptions::default()).unwrap();
            events.iter().map(|event| event.cut).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[9.0, 0.0, 9.0, 0.0, 9.0]), [Cut::Start, Cut::Nowhere, Cut::End]);
        assert_eq!(cut(&[9.0, 8.0]), [Cut::Both]);
        assert!(cut(&[]).is_empty(), "nothing in nothing");
    }

    #[test]
    fn bad_input_is_named() {
        let text = |x: &[f64], floor: &[NoiseFloor], options: EventOptions| {
            find_events(x, floor, &options).unwrap_err().to_string()
        };
        let plain = EventOptions::default();
        let flat = NoiseFloor { center: 0.0, sigma: 0.0 };
        assert_eq!(
            text(&[1.0, f64::NAN], &[UNIT], plain),
            "x[1] is NaN, and every sample must be finite"
        );
        assert_eq!(
            text(&[1.0], &[flat], plain),
            "floor.sigma is 0, expected a floor with a finite center and a positive sigma"
        );
        assert_eq!(text(&[1.0; 3], &[UNIT; 2], plain), "floor has 2 samples, expected 3");
        assert_eq!(
            text(&[1.0], &[UNIT], plain.leave(6.0)),
            "leave is 6, expected a finite number of sigmas, at most enter"
        );
        assert_eq!(
            text(&[1.0], &[UNIT], plain.enter(f64::NAN)),
            "enter is NaN, expected a finite number of sigmas"
        );
        assert_eq!(
            text(&[1.0], &[UNIT], plain.min_excess(-1.0)),
            "min_excess is -1, expected a number from 0 up"
        );
        assert_eq!(
            text(&[1.0], &[UNIT], plain.edges(Edges::Slope(f64::NAN))),
            "Edges::Slope is NaN, expected a number of sigmas from 0 up"
        );
        assert_eq!(
            plain.for_false_alarms(0.5).unwrap_err().to_string(),
            "rate is 0.5, expected a positive rate, at most that of samples above `leave`"
        );
    }

    #[test]
    fn the_state_is_small() {
        assert!(size_of::<EventStream>() <= 256, "{} bytes", size_of::<EventStream>());
    }
}
