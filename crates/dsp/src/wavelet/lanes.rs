//! The two loops that take the time, compiled for the widest lanes that the machine has.

use linalg::lanes::{Task, Vectors, run};

/// Outputs that are computed side by side.
const WIDTH: usize = 16;

/// Two filters over the even and the odd samples of a signal at once:
///
/// ```text
/// out[q][i] = Σ_m taps[q][m][0]·inputs[0][i + m] + taps[q][m][1]·inputs[1][i + m]
/// ```
///
/// The analysis takes the even and odd samples in and puts low and high pass out; the synthesis
/// the other way round.
pub(super) struct Filters<'a> {
    /// For each output, for each m, the taps of either input.
    pub(super) taps: [&'a [[f64; 2]]; 2],
    /// As long as the outputs and the taps together, less one.
    pub(super) inputs: [&'a [f64]; 2],
    pub(super) outputs: [&'a mut [f64]; 2],
}

impl Filters<'_> {
    pub(super) fn run(self) {
        run(self);
    }

    #[inline(always)]
    fn filter(self, fused: Fused) {
        let Self { taps: [first, second], inputs: [a, b], outputs: [low, high] } = self;
        let taps = first.len();
        let whole = low.len() - low.len() % WIDTH;
        let blocks = low.chunks_exact_mut(WIDTH).zip(high.chunks_exact_mut(WIDTH));
        for (block, (low, high)) in blocks.enumerate() {
            let place = block * WIDTH;
            let (a, b) = (&a[place..place + taps + WIDTH - 1], &b[place..place + taps + WIDTH - 1]);
            let (mut p, mut q) = ([0.0; WIDTH], [0.0; WIDTH]);
            let rows = a.windows(WIDTH).zip(b.windows(WIDTH));
            for ((first, second), (a, b)) in first.iter().zip(second).zip(rows) {
                for k in 0..WIDTH {
                    p[k] = fused.add(first[1], b[k], fused.add(first[0], a[k], p[k]));
                    q[k] = fused.add(second[1], b[k], fused.add(second[0], a[k], q[k]));
                }
            }
            low.copy_from_slice(&p);
            high.copy_from_slice(&q);
        }
        for i in whole..low.len() {
            let sum = |taps: &[[f64; 2]]| {
                taps.iter().zip(a[i..].iter().zip(&b[i..])).fold(0.0, |sum, (tap, (&a, &b))| {
                    fused.add(tap[1], b, fused.add(tap[0], a, sum))
                })
            };
            (low[i], high[i]) = (sum(first), sum(second));
        }
    }
}

/// Whether the machine multiplies and adds in one instruction; where it does not, asking for one
/// rounding costs a hundred.
#[derive(Clone, Copy)]
struct Fused(bool);

impl Fused {
    #[inline(always)]
    fn add(self, a: f64, b: f64, sum: f64) -> f64 {
        if self.0 { a.mul_add(b, sum) } else { a * b + sum }
    }
}

impl Task<f64> for Filters<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) {
        self.filter(Fused(vectors.lanes() > 1));
    }
}
