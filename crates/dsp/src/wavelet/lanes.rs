//! One level there and one back: the loops that take the time, compiled for the widest lanes that
//! the machine has.

use linalg::lanes::{Task, Vectors};

use super::Mode;
use super::shrink::Shrinkage;
use crate::fused::Fused;

/// Outputs of either kind that are computed in one go, so that all they need fits the first cache,
/// and the pairs of taps that the longest filter (db38) has.
pub(super) const TILE: usize = 128;
pub(super) const MOST_PAIRS: usize = 38;

/// The taps of two outputs: for each output, for each m, those that meet either input.
pub(super) type Taps = [Vec<[f64; 2]>; 2];

/// Low pass and high pass: two filters over the even and the odd samples of a signal, at every second place.
///
/// ```text
/// out[q][i] = Σ_m taps[q][m][0]·x[start + 2(i + m)] + taps[q][m][1]·x[start + 2(i + m) + 1]
/// ```
pub(super) struct Analysis<'a> {
    pub(super) x: &'a [f64],
    pub(super) mode: Mode,
    pub(super) taps: Taps,
    /// The first sample that the first output needs; before the signal where negative.
    pub(super) start: isize,
    /// Outputs of either kind.
    pub(super) count: usize,
}

impl Analysis<'_> {
    /// The samples from `from` on, even and odd places apart.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "lengths are below 2⁶³, and what is cast back was clamped to 0 and more"
    )]
    fn gather(&self, from: isize, [even, odd]: [&mut [f64]; 2]) {
        let (n, pairs) = (self.x.len() as isize, even.len() as isize);
        let lead = ((1 - from) / 2).clamp(0, pairs);
        let until = ((n - from) / 2).clamp(lead, pairs);
        let inside = if lead < until { (from + 2 * lead) as usize } else { 0 };
        let (lead, until) = (lead as usize, until as usize);
        let (both, _) = self.x[inside..inside + 2 * (until - lead)].as_chunks::<2>();
        for ((even, odd), pair) in even[lead..until].iter_mut().zip(&mut odd[lead..until]).zip(both)
        {
            (*even, *odd) = (pair[0], pair[1]);
        }
        for u in (0..lead).chain(until..even.len()) {
            let i = from + 2 * u as isize;
            (even[u], odd[u]) = (self.mode.sample(self.x, i), self.mode.sample(self.x, i + 1));
        }
    }
}

impl Task<f64> for Analysis<'_> {
    type Output = [Vec<f64>; 2];

    #[inline(always)]
    #[expect(clippy::cast_possible_wrap, reason = "lengths are below 2⁶³")]
    fn run<V: Vectors<f64>>(self, vectors: V) -> [Vec<f64>; 2] {
        let mut found = [Vec::with_capacity(self.count), Vec::with_capacity(self.count)];
        let (mut even, mut odd) = ([0.0; TILE + MOST_PAIRS], [0.0; TILE + MOST_PAIRS]);
        let (mut low, mut high) = ([0.0; TILE], [0.0; TILE]);
        for first in (0..self.count).step_by(TILE) {
            let outputs = TILE.min(self.count - first);
            let pairs = outputs + self.taps[0].len() - 1;
            let from = self.start + 2 * first as isize;
            self.gather(from, [&mut even[..pairs], &mut odd[..pairs]]);
            let inputs = [&even[..pairs], &odd[..pairs]];
            filter(vectors, &self.taps, inputs, [&mut low[..outputs], &mut high[..outputs]]);
            found[0].extend_from_slice(&low[..outputs]);
            found[1].extend_from_slice(&high[..outputs]);
        }
        found
    }
}

/// The inverse: two inputs, and the outputs in turn, twice `count` samples.
///
/// ```text
/// x[2i + q] = Σ_m taps[q][m][0]·low[i + m − turn] + taps[q][m][1]·high[i + m − turn]
/// ```
pub(super) struct Synthesis<'a> {
    pub(super) low: &'a [f64],
    pub(super) high: &'a [f64],
    pub(super) taps: Taps,
    /// How far the first output lies before the inputs, which then are periods; `None` where there
    /// are as many as are needed.
    pub(super) turn: Option<usize>,
    /// Pairs of outputs.
    pub(super) count: usize,
}

impl Task<f64> for Synthesis<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) -> Vec<f64> {
        let mut x = Vec::with_capacity(2 * self.count);
        let mut around = [[0.0; TILE + MOST_PAIRS]; 2];
        let mut both = [[0.0; 2]; TILE];
        for first in (0..self.count).step_by(TILE) {
            let outputs = TILE.min(self.count - first);
            let needed = outputs + self.taps[0].len() - 1;
            let [low, high] = around.each_mut().map(|around| &mut around[..needed]);
            let inputs = if let Some(turn) = self.turn {
                let period = self.low.len();
                let start = (first + period - turn % period) % period;
                wrapped(self.low, start, low);
                wrapped(self.high, start, high);
                [&*low, high]
            } else {
                [&self.low[first..first + needed], &self.high[first..first + needed]]
            };
            filter(vectors, &self.taps, inputs, &mut both[..outputs]);
            x.extend_from_slice(both[..outputs].as_flattened());
        }
        x
    }
}

/// What becomes of the details of a level.
#[derive(Clone, Copy)]
pub(super) struct Shrinking {
    pub(super) how: Shrinkage,
    pub(super) threshold: f64,
}

impl Shrinking {
    #[inline(always)]
    pub(super) fn apply(self, details: &mut [f64]) {
        let Self { how, threshold } = self;
        // Chosen outside, so that the loop over the details is one without branches on it.
        match how {
            Shrinkage::Soft => {
                details.iter_mut().for_each(|d| *d = Shrinkage::Soft.shrink(*d, threshold));
            }
            Shrinkage::Hard => {
                details.iter_mut().for_each(|d| *d = Shrinkage::Hard.shrink(*d, threshold));
            }
            other => details.iter_mut().for_each(|d| *d = other.shrink(*d, threshold)),
        }
    }
}

/// The periodic continuation of `whole` from `start` on.
fn wrapped(whole: &[f64], start: usize, out: &mut [f64]) {
    let (mut from, mut rest) = (start, out);
    while !rest.is_empty() {
        let count = rest.len().min(whole.len() - from);
        let (now, after) = rest.split_at_mut(count);
        now.copy_from_slice(&whole[from..from + count]);
        (from, rest) = (0, after);
    }
}

/// Where the outputs of two filters go.
pub(super) trait Outputs {
    /// How many there are of each.
    fn count(&self) -> usize;
    /// Outputs from `place` on, of either filter.
    fn put<const N: usize>(&mut self, place: usize, first: [f64; N], second: [f64; N]);
}

/// Those of each filter for themselves.
impl Outputs for [&mut [f64]; 2] {
    #[inline(always)]
    fn count(&self) -> usize {
        self[0].len()
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, place: usize, first: [f64; N], second: [f64; N]) {
        self[0][place..place + N].copy_from_slice(&first);
        self[1][place..place + N].copy_from_slice(&second);
    }
}

/// Those of both in turn.
impl Outputs for &mut [[f64; 2]] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, place: usize, first: [f64; N], second: [f64; N]) {
        let pairs = &mut self[place..place + N];
        for k in 0..N {
            pairs[k] = [first[k], second[k]];
        }
    }
}

/// Two filters over two inputs at once: `out[q][i] = Σ_m taps[q][m][0]·a[i + m] + taps[q][m][1]·b[i + m]`.
#[inline(always)]
pub(super) fn filter<V: Vectors<f64>>(
    vectors: V,
    taps: &Taps,
    inputs: [&[f64]; 2],
    outputs: impl Outputs,
) {
    let fused = Fused::of(vectors);
    // Four registers for each output: enough sums side by side to keep the processor busy.
    if vectors.lanes() > 4 {
        blocks::<32>(fused, taps, inputs, outputs);
    } else {
        blocks::<16>(fused, taps, inputs, outputs);
    }
}

#[inline(always)]
fn blocks<const WIDTH: usize>(
    fused: Fused,
    [first, second]: &Taps,
    [a, b]: [&[f64]; 2],
    mut outputs: impl Outputs,
) {
    let taps = first.len();
    let count = outputs.count();
    for place in (0..count - count % WIDTH).step_by(WIDTH) {
        let (a, b) = (&a[place..place + taps + WIDTH - 1], &b[place..place + taps + WIDTH - 1]);
        let (mut low, mut high) = ([0.0; WIDTH], [0.0; WIDTH]);
        let rows = a.windows(WIDTH).zip(b.windows(WIDTH));
        for ((first, second), (a, b)) in first.iter().zip(second).zip(rows) {
            for k in 0..WIDTH {
                low[k] = fused.add(first[1], b[k], fused.add(first[0], a[k], low[k]));
                high[k] = fused.add(second[1], b[k], fused.add(second[0], a[k], high[k]));
            }
        }
        outputs.put(place, low, high);
    }
    for i in count - count % WIDTH..count {
        let sum = |taps: &[[f64; 2]]| {
            taps.iter()
                .zip(a[i..].iter().zip(&b[i..]))
                .fold(0.0, |sum, (tap, (&a, &b))| fused.add(tap[1], b, fused.add(tap[0], a, sum)))
        };
        outputs.put(i, [sum(first)], [sum(second)]);
    }
}
