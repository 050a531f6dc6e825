//! Sums over associated Legendre functions of one order, on the widest lanes that the processor has.

use pulp::{Arch, Simd, WithSimd};

use crate::rings::real;

/// Rings are padded to a multiple of this, the widest block.
pub(super) const PADDING: usize = 32;
/// Vectors in a block of rings.
const VECTORS: usize = 4;
/// Numbers in the widest vector.
const LANES: usize = 8;

/// P̄ₗᵐ for l = m..=L by a recurrence of two operations: with P̄ₗᵐ = scaleₗ qₗ,
/// `q_{l+1} = factorₗ x qₗ + q_{l−1}`, the first being P̄ₘᵐ.
///
/// P̄ is normalized to ∫ P̄² dx = 1. The scales take the coefficient of `q_{l−1}`, and a sign that
/// turns by half every second degree takes its minus.
#[derive(Debug, Clone)]
pub(super) struct Recurrence {
    pub(super) factors: Vec<f64>,
    pub(super) scales: Vec<f64>,
}

impl Recurrence {
    pub(super) fn new(m: usize, degree: usize) -> Self {
        let count = degree + 1 - m;
        let mut found =
            Self { factors: Vec::with_capacity(count), scales: Vec::with_capacity(count) };
        // (P̄_{l+1} = aₗ x P̄ₗ − (aₗ/a_{l−1}) P̄_{l−1})
        let grow = |l: usize| {
            let (l, m) = (real(l), real(m));
            ((2.0 * l + 1.0) * (2.0 * l + 3.0) / ((l + 1.0 - m) * (l + 1.0 + m))).sqrt()
        };
        let (mut scale, mut next_scale) = (1.0, grow(m));
        let mut here = next_scale;
        for l in m..=degree {
            let index = l - m;
            let sign = if index % 4 < 2 { 1.0 } else { -1.0 };
            let turn = if index.is_multiple_of(2) { 1.0 } else { -1.0 };
            found.scales.push(sign * scale);
            found.factors.push(turn * here * scale / next_scale);
            let after = grow(l + 1);
            (scale, next_scale) = (next_scale, after / here * scale);
            here = after;
        }
        found
    }
}

/// What the rings of one order have: x = cos θ, P̄ₘᵐ, and four parts of a field, the real and
/// imaginary ones of the sums and of the differences of north and south.
#[derive(Debug)]
pub(super) struct Rings<'a> {
    pub(super) x: &'a [f64],
    pub(super) start: &'a [f64],
    pub(super) factors: &'a [f64],
}

/// sums[i] ← Σ over rings of qₗ times the field's part of the parity of l − m = i.
pub(super) struct Analysis<'a> {
    pub(super) rings: Rings<'a>,
    pub(super) field: [&'a [f64]; 4],
    /// Room for two vectors a degree.
    pub(super) room: &'a mut [f64],
    pub(super) sums: &'a mut Vec<(f64, f64)>,
}

pub(super) fn room(degree: usize) -> usize {
    2 * LANES * (degree + 2)
}

impl Analysis<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Analysis<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rings: Rings { x, start, factors }, field, room, sums } = self;
        let zero = simd.splat_f64s(0.0);
        let degrees = factors.len();
        let (room, _) = S::as_mut_simd_f64s(room);
        let room = &mut room[..2 * degrees.next_multiple_of(2)];
        room.fill(zero);
        let blocks = |numbers| S::as_simd_f64s(numbers).0.as_chunks::<VECTORS>().0;
        let (x, start) = (blocks(x), blocks(start));
        let field = field.map(blocks);
        let (pairs, _) = room.as_chunks_mut::<4>();
        for block in 0..x.len() {
            let x = x[block];
            let mut before = [zero; VECTORS];
            let mut here = start[block];
            let [even_re, even_im, odd_re, odd_im] = field.map(|part| part[block]);
            for (pair, factors) in pairs.iter_mut().zip(factors.chunks(2)) {
                let [mut a, mut b, mut c, mut d] = *pair;
                let factor = simd.splat_f64s(factors[0]);
                for v in 0..VECTORS {
                    a = simd.mul_add_e_f64s(here[v], even_re[v], a);
                    b = simd.mul_add_e_f64s(here[v], even_im[v], b);
                    let slope = simd.mul_f64s(factor, x[v]);
                    before[v] = simd.mul_add_e_f64s(slope, here[v], before[v]);
                }
                // A last even degree leaves its odd neighbor in the room, where nobody looks.
                let factor = simd.splat_f64s(factors.get(1).copied().unwrap_or(0.0));
                for v in 0..VECTORS {
                    c = simd.mul_add_e_f64s(before[v], odd_re[v], c);
                    d = simd.mul_add_e_f64s(before[v], odd_im[v], d);
                    let slope = simd.mul_f64s(factor, x[v]);
                    here[v] = simd.mul_add_e_f64s(slope, before[v], here[v]);
                }
                *pair = [a, b, c, d];
            }
        }
        sums.clear();
        sums.extend(
            room.as_chunks::<2>().0[..degrees]
                .iter()
                .map(|[re, im]| (simd.reduce_sum_f64s(*re), simd.reduce_sum_f64s(*im))),
        );
    }
}

/// field ← Σₗ of qₗ times coefficient l, apart for even and odd l − m.
pub(super) struct Synthesis<'a> {
    pub(super) rings: Rings<'a>,
    /// Of l = m..=L, the real and the imaginary part, over the scales.
    pub(super) coefficients: &'a [(f64, f64)],
    pub(super) field: [&'a mut [f64]; 4],
}

impl Synthesis<'_> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Synthesis<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Eight sums a vector of rings: two vectors fill the registers.
        const WIDE: usize = 2;
        let Self { rings: Rings { x, start, factors }, coefficients, field } = self;
        let zero = simd.splat_f64s(0.0);
        let blocks = |numbers| S::as_simd_f64s(numbers).0.as_chunks::<WIDE>().0;
        let (x, start) = (blocks(x), blocks(start));
        let field = field.map(|part| S::as_mut_simd_f64s(part).0.as_chunks_mut::<WIDE>().0);
        let [even_re, even_im, odd_re, odd_im] = field;
        for block in 0..x.len() {
            let x = x[block];
            let mut before = [zero; WIDE];
            let mut here = start[block];
            let mut sums = [[zero; WIDE]; 4];
            for (pair, factors) in coefficients.chunks(2).zip(factors.chunks(2)) {
                let (re, im) = (simd.splat_f64s(pair[0].0), simd.splat_f64s(pair[0].1));
                let factor = simd.splat_f64s(factors[0]);
                for v in 0..WIDE {
                    sums[0][v] = simd.mul_add_e_f64s(here[v], re, sums[0][v]);
                    sums[1][v] = simd.mul_add_e_f64s(here[v], im, sums[1][v]);
                    let slope = simd.mul_f64s(factor, x[v]);
                    before[v] = simd.mul_add_e_f64s(slope, here[v], before[v]);
                }
                let (re, im) = pair.get(1).copied().unwrap_or_default();
                let (re, im) = (simd.splat_f64s(re), simd.splat_f64s(im));
                let factor = simd.splat_f64s(factors.get(1).copied().unwrap_or(0.0));
                for v in 0..WIDE {
                    sums[2][v] = simd.mul_add_e_f64s(before[v], re, sums[2][v]);
                    sums[3][v] = simd.mul_add_e_f64s(before[v], im, sums[3][v]);
                    let slope = simd.mul_f64s(factor, x[v]);
                    here[v] = simd.mul_add_e_f64s(slope, before[v], here[v]);
                }
            }
            (even_re[block], even_im[block]) = (sums[0], sums[1]);
            (odd_re[block], odd_im[block]) = (sums[2], sums[3]);
        }
    }
}
