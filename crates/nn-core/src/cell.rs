//! One step of a recurrent layer for one sample: gates, new state, and how gradients pass.
//!
//! A step takes two pre-activations, a from the input and u from the state before, and keeps what the backward pass needs. Per unit:
//!
//! ```text
//! a = W_ih·x + b_ih, u = W_hh·h₋ + b_hh
//!
//! Elman   h = tanh(a + u)                                                  keeps h
//! GRU     r = σ(a₀ + u₀), z = σ(a₁ + u₁), n = tanh(a₂ + r·u₂)
//!         h = (1 − z)·n + z·h₋                                             keeps r, z, n, u₂
//! LSTM    i = σ(a₀ + u₀), f = σ(a₁ + u₁), g = tanh(a₂ + u₂), o = σ(a₃ + u₃)
//!         c = f·c₋ + i·g, h = o·tanh c                                     keeps i, f, g, o, c, tanh c
//! ```
//! in PyTorch's order of gates, with PyTorch's second bias inside r·(…) of the GRU.

use linalg::{Real, elementary};

use crate::dual::{Dual, Number};

/// The kinds of recurrence; [`Recurrent`](crate::Recurrent) has their equations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// One tanh of input and state.
    Elman,
    /// Gated recurrent units.
    Gru,
    /// Long short-term memory.
    Lstm,
}

/// The most values that a cell keeps per unit, and the most gates it has.
const MOST_KEPT: usize = 6;
const MOST_GATES: usize = 4;

/// What a unit was given and what it keeps, at one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<N> {
    /// As listed above; the rest repeats the last one.
    pub(crate) kept: [N; MOST_KEPT],
    /// h of the step before.
    pub(crate) before: N,
    /// c of the step before, for an LSTM.
    pub(crate) carry_before: N,
}

/// The gradients of one unit at one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulled<N> {
    /// By a's gates.
    pub(crate) input: [N; MOST_GATES],
    /// By u's last gate, where that differs from a's.
    pub(crate) inner: N,
    /// By the state before, not through u.
    pub(crate) before: N,
    /// By c of the step before.
    pub(crate) carry: N,
}

impl Cell {
    /// Rows of a and u per unit.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Elman => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Values kept per unit.
    pub(crate) fn kept(self) -> usize {
        match self {
            Self::Elman => 1,
            Self::Gru => 4,
            Self::Lstm => 6,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Elman => "Elman",
            Self::Gru => "GRU",
            Self::Lstm => "LSTM",
        }
    }

    /// One step of one sample. `a` is used up, `carry` is the LSTM's c before (none at the first
    /// step), `h` holds the state before and then the new one.
    pub(crate) fn step<T: Real>(
        self,
        a: &mut [T],
        u: &[T],
        carry: Option<&[T]>,
        kept: &mut [T],
        h: &mut [T],
    ) {
        let units = h.len();
        let add = |a: &mut [T], u: &[T]| {
            for (a, &u) in a.iter_mut().zip(u) {
                *a += u;
            }
        };
        match self {
            Self::Elman => {
                add(a, u);
                elementary::tanh(a, kept);
                h.copy_from_slice(kept);
            }
            Self::Gru => {
                add(&mut a[..2 * units], u);
                let (gates, rest) = kept.split_at_mut(2 * units);
                elementary::sigmoid(&a[..2 * units], gates);
                let (new, inner) = rest.split_at_mut(units);
                inner.copy_from_slice(&u[2 * units..]);
                for k in 0..units {
                    a[2 * units + k] += gates[k] * inner[k];
                }
                elementary::tanh(&a[2 * units..], new);
                for k in 0..units {
                    h[k] = new[k] + gates[units + k] * (h[k] - new[k]);
                }
            }
            Self::Lstm => {
                add(a, u);
                let (gates, rest) = kept.split_at_mut(4 * units);
                elementary::sigmoid(&a[..2 * units], &mut gates[..2 * units]);
                elementary::tanh(&a[2 * units..3 * units], &mut gates[2 * units..3 * units]);
                elementary::sigmoid(&a[3 * units..], &mut gates[3 * units..]);
                let (c, squashed) = rest.split_at_mut(units);
                for k in 0..units {
                    let old = carry.map_or(T::zero(), |carry| carry[k]);
                    c[k] = gates[units + k] * old + gates[k] * gates[2 * units + k];
                }
                elementary::tanh(c, squashed);
                for k in 0..units {
                    h[k] = gates[3 * units + k] * squashed[k];
                }
            }
        }
    }

    /// How the kept values and h of one unit move, where a and u move; `at` has what is kept, with no
    /// velocity, and the moving state before. The last is h.
    pub(crate) fn moving<T: Real>(
        self,
        at: &Unit<Dual<T>>,
        a: [T; MOST_GATES],
        u: [T; MOST_GATES],
    ) -> ([T; MOST_KEPT], T) {
        let values = at.kept.map(|kept| kept.value);
        let sigmoid = |s: T, v: T| Dual::new(s, s * (T::one() - s) * v);
        let tanh = |t: T, v: T| Dual::new(t, (T::one() - t) * (T::one() + t) * v);
        let mut slopes = [T::zero(); MOST_KEPT];
        match self {
            Self::Elman => {
                slopes[0] = tanh(values[0], a[0] + u[0]).slope;
                (slopes, slopes[0])
            }
            Self::Gru => {
                let r = sigmoid(values[0], a[0] + u[0]);
                let z = sigmoid(values[1], a[1] + u[1]);
                let inner = Dual::new(values[3], u[2]);
                let n = tanh(values[2], a[2] + (r * inner).slope);
                slopes[..4].copy_from_slice(&[r.slope, z.slope, n.slope, inner.slope]);
                (slopes, (n + z * (at.before - n)).slope)
            }
            Self::Lstm => {
                let i = sigmoid(values[0], a[0] + u[0]);
                let f = sigmoid(values[1], a[1] + u[1]);
                let g = tanh(values[2], a[2] + u[2]);
                let o = sigmoid(values[3], a[3] + u[3]);
                let c = f * at.carry_before + i * g;
                let squashed = tanh(values[5], c.slope);
                slopes = [i, f, g, o, c, squashed].map(|kept| kept.slope);
                (slopes, (o * squashed).slope)
            }
        }
    }

    /// The gradients of one unit at one step, given dL/dh and what later steps say of dL/dc.
    #[inline(always)]
    pub(crate) fn pull_back<N: Number>(self, at: &Unit<N>, dh: N, dc: N) -> Pulled<N> {
        let zero = N::default();
        match self {
            Self::Elman => {
                let [h, ..] = at.kept;
                let d = dh - dh * h * h;
                Pulled { input: [d, zero, zero, zero], inner: d, before: zero, carry: zero }
            }
            Self::Gru => {
                let [r, z, n, inner, ..] = at.kept;
                let before = dh * z;
                let dn = dh - before;
                let d_new = dn - dn * n * n;
                let dz = dh * (at.before - n) * (z - z * z);
                let dr = d_new * inner * (r - r * r);
                Pulled { input: [dr, dz, d_new, zero], inner: d_new * r, before, carry: zero }
            }
            Self::Lstm => {
                let [i, f, g, o, _, squashed] = at.kept;
                let through = dh * o;
                let dc = dc + through - through * squashed * squashed;
                let di = dc * g * (i - i * i);
                let df = dc * at.carry_before * (f - f * f);
                let dg_outer = dc * i;
                let dg = dg_outer - dg_outer * g * g;
                let d_o = dh * squashed * (o - o * o);
                Pulled { input: [di, df, dg, d_o], inner: d_o, before: zero, carry: dc * f }
            }
        }
    }
}

/// Unit `k` of `units` as the slices of one sample and step hold it.
#[inline(always)]
pub(crate) fn unit<N: Number>(
    cell: Cell,
    kept: &[N],
    before: &[N],
    carry_before: Option<&[N]>,
    k: usize,
) -> Unit<N> {
    let (units, last) = (before.len(), cell.kept() - 1);
    Unit {
        kept: std::array::from_fn(|which| kept[which.min(last) * units + k]),
        before: before[k],
        carry_before: carry_before.map_or(N::default(), |carry| carry[k]),
    }
}
