//! Sums over associated Legendre functions of one order, on the widest lanes that the processor has.
//!
//! P̄ is normalized to ∫ P̄² dx = 1, so x P̄ₗ = ε_{l+1} P̄_{l+1} + εₗ P̄_{l−1} with
//! εₗ² = (l² − m²)/(4l² − 1). Applied twice that connects every second degree, Eⱼ = P̄ of degree
//! m + 2j, by a step of two operations; and x Eⱼ is made of the two odd neighbors of Eⱼ, so that
//! sums over x Eⱼ do for the odd degrees.
//! K. Ishioka, "A new recurrence formula for efficient computation of spherical harmonic transform",
//! Journal of the Meteorological Society of Japan 96 (2018).

use linalg::lanes::{self, Task, Vectors};

use crate::rings::real;

/// Rings in a block.
pub(super) const RINGS: usize = 16;

/// What one order has of a field on the rings of a block: the real and the imaginary part of north
/// and south together, and of x times their difference.
pub(super) type Field = [[f64; RINGS]; 4];

/// The degrees l = m..=L of one order.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// (a, b) of `q_{j+1} = (a x² + b) qⱼ + q_{j−1}`, where Eⱼ = scaleⱼ qⱼ and q₀ = P̄ₘᵐ.
    factors: Vec<[f64; 2]>,
    /// A sign that turns by half every second j takes the minus of q_{j−1}.
    scales: Vec<f64>,
    /// εₗ for l = m..=L + 1.
    epsilons: Vec<f64>,
}

impl Order {
    pub(super) fn new(m: usize, degree: usize) -> Self {
        let epsilon = |l: usize| (real(l * l - m * m) / real(4 * l * l - 1)).sqrt();
        let epsilons: Vec<f64> =
            (m..=degree + 4).map(|l| if l == m { 0.0 } else { epsilon(l) }).collect();
        let pairs = (degree - m) / 2 + 1;
        let (mut factors, mut scales) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
        let (mut scale, mut next, mut step_before) = (1.0, 1.0, 0.0);
        for j in 0..pairs {
            let [before, here, after] = [2 * j, 2 * j + 1, 2 * j + 2].map(|i| epsilons[i]);
            let step = here * after;
            if j > 0 {
                (scale, next) = (next, -step_before / step * scale);
            }
            let a = scale / (next * step);
            factors.push([a, -a * (before * before + here * here)]);
            scales.push(scale);
            step_before = step;
        }
        Self { factors, scales, epsilons }
    }

    /// Pairs of an even and an odd degree.
    pub(super) fn pairs(&self) -> usize {
        self.factors.len()
    }

    /// The coefficients of degrees m..=L from the sums over qⱼ and x qⱼ.
    pub(super) fn unfold(&self, sums: &[[f64; 4]], mut each: impl FnMut(usize, f64, f64)) {
        let (mut odd_re, mut odd_im) = (0.0, 0.0);
        for (j, (&[re, im, x_re, x_im], scale)) in sums.iter().zip(&self.scales).enumerate() {
            each(2 * j, scale * re, scale * im);
            let [before, after] = [self.epsilons[2 * j], self.epsilons[2 * j + 1]];
            odd_re = (scale * x_re - before * odd_re) / after;
            odd_im = (scale * x_im - before * odd_im) / after;
            each(2 * j + 1, odd_re, odd_im);
        }
    }

    /// What to multiply qⱼ and x qⱼ with for a sum over degrees m..=L with these coefficients.
    pub(super) fn fold(&self, coefficient: impl Fn(usize) -> (f64, f64), sums: &mut Vec<[f64; 4]>) {
        sums.clear();
        sums.resize(self.pairs(), [0.0; 4]);
        let (mut odd_re, mut odd_im) = (0.0, 0.0);
        for (j, (sums, scale)) in sums.iter_mut().zip(&self.scales).enumerate().rev() {
            let (re, im) = coefficient(2 * j);
            let (next_re, next_im) = coefficient(2 * j + 1);
            let [here, after] = [self.epsilons[2 * j + 1], self.epsilons[2 * j + 2]];
            odd_re = (next_re - after * odd_re) / here;
            odd_im = (next_im - after * odd_im) / here;
            *sums = [re, im, odd_re, odd_im].map(|number| scale * number);
        }
    }
}

/// Rings that are worked on together, and where the functions of each order begin to matter there.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// x² of the rings.
    squares: [f64; RINGS],
    /// For every order that matters.
    pub(super) starts: Vec<Start>,
}

/// The first pair of degrees whose functions matter on some ring, with q there and one before.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pair: usize,
    here: [f64; RINGS],
    before: [f64; RINGS],
}

/// Functions that matter are above this; the largest ones are about 1 and more.
const MATTERS: f64 = 1.0 / (1u64 << 60) as f64;

impl Block {
    /// From cos θ and sin θ of the rings; where there are fewer than a block has, zeros.
    pub(super) fn new(cosines: [f64; RINGS], sines: [f64; RINGS], orders: &[Order]) -> Self {
        let squares = cosines.map(|x| x * x);
        let mut sectoral: [f64; RINGS] = std::array::from_fn(|ring| {
            // A pole has no sine, but counts at m = 0.
            if cosines[ring] != 0.0 || sines[ring] > 0.0 { 0.5f64.sqrt() } else { 0.0 }
        });
        let mut starts = Vec::new();
        for (m, order) in orders.iter().enumerate() {
            if m > 0 {
                let grow = ((2.0 * real(m) + 1.0) / (2.0 * real(m))).sqrt();
                for (value, sine) in sectoral.iter_mut().zip(&sines) {
                    *value *= grow * sine;
                    // Such rings do not matter anymore, and denormal numbers are slow.
                    if *value < 1e-290 {
                        *value = 0.0;
                    }
                }
            }
            match order.start(sectoral, &squares) {
                Some(start) => starts.push(start),
                None => break,
            }
        }
        Self { squares, starts }
    }
}

impl Order {
    fn start(&self, sectoral: [f64; RINGS], squares: &[f64; RINGS]) -> Option<Start> {
        let (mut here, mut before) = (sectoral, [0.0; RINGS]);
        for (pair, (&[a, b], scale)) in self.factors.iter().zip(&self.scales).enumerate() {
            if here.iter().any(|q| (q * scale).abs() > MATTERS) {
                return Some(Start { pair, here, before });
            }
            for ((here, before), x) in here.iter_mut().zip(&mut before).zip(squares) {
                (*here, *before) = ((a * x + b) * *here + *before, *here);
            }
        }
        None
    }
}

/// sums[j] ← Σ over rings of qⱼ times each part of the field.
pub(super) struct Analysis<'a> {
    pub(super) order: &'a Order,
    /// Each with the place where its functions start, and its part of the field.
    pub(super) blocks: &'a [(&'a Block, &'a Start, &'a Field)],
    /// Room for [`ROOM`] numbers a pair.
    pub(super) room: &'a mut [f64],
    pub(super) sums: &'a mut [[f64; 4]],
}

/// Four of the widest vectors.
pub(super) const ROOM: usize = 4 * 8;

impl Analysis<'_> {
    pub(super) fn run(self) {
        lanes::run(self);
    }

    /// With `WIDE` vectors at a time: as many as hide the time that a step of the recurrence takes.
    #[inline(always)]
    fn of_width<V: Vectors<f64>, const WIDE: usize>(self, vectors: V) {
        let Self { order, blocks, room, sums } = self;
        let pairs = order.pairs();
        let (room, _) = vectors.split_mut(room);
        let room = &mut room.as_chunks_mut::<4>().0[..pairs];
        room.fill([vectors.splat(0.0); 4]);
        for &(block, start, field) in blocks {
            let (factors, room) = (&order.factors[start.pair..], &mut room[start.pair..]);
            for part in 0..RINGS / (WIDE * vectors.lanes()) {
                let x = group::<V, WIDE>(vectors, &block.squares, part);
                let mut here = group::<V, WIDE>(vectors, &start.here, part);
                let mut before = group::<V, WIDE>(vectors, &start.before, part);
                let [a, b, c, d] = field;
                let even_re = group::<V, WIDE>(vectors, a, part);
                let even_im = group::<V, WIDE>(vectors, b, part);
                let odd_re = group::<V, WIDE>(vectors, c, part);
                let odd_im = group::<V, WIDE>(vectors, d, part);
                for (sums, &[a, b]) in room.iter_mut().zip(factors) {
                    let (a, b) = (vectors.splat(a), vectors.splat(b));
                    let mut own = *sums;
                    for v in 0..WIDE {
                        own[0] = vectors.product_add(here[v], even_re[v], own[0]);
                        own[1] = vectors.product_add(here[v], even_im[v], own[1]);
                        own[2] = vectors.product_add(here[v], odd_re[v], own[2]);
                        own[3] = vectors.product_add(here[v], odd_im[v], own[3]);
                        let slope = vectors.product_add(a, x[v], b);
                        let next = vectors.product_add(slope, here[v], before[v]);
                        (here[v], before[v]) = (next, here[v]);
                    }
                    *sums = own;
                }
            }
        }
        for (sums, own) in sums.iter_mut().zip(room.iter()) {
            for part in 0..4 {
                sums[part] = vectors.sum(own[part]);
            }
        }
    }
}

impl Task<f64> for Analysis<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) {
        if vectors.lanes() == 8 {
            self.of_width::<V, 2>(vectors);
        } else {
            self.of_width::<V, 4>(vectors);
        }
    }
}

/// Group `part` of `WIDE` vectors.
#[inline(always)]
fn group<V: Vectors<f64>, const WIDE: usize>(
    vectors: V,
    numbers: &[f64; RINGS],
    part: usize,
) -> [V::Vector; WIDE] {
    vectors.split(numbers).0.as_chunks::<WIDE>().0[part]
}

/// field ← Σⱼ of qⱼ times coefficient j, each part apart.
pub(super) struct Synthesis<'a> {
    pub(super) order: &'a Order,
    pub(super) block: &'a Block,
    pub(super) start: &'a Start,
    pub(super) coefficients: &'a [[f64; 4]],
    pub(super) field: &'a mut Field,
}

impl Synthesis<'_> {
    pub(super) fn run(self) {
        lanes::run(self);
    }
}

impl Task<f64> for Synthesis<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<f64>>(self, vectors: V) {
        // Four sums a vector: two vectors leave room in the registers.
        const WIDE: usize = 2;
        let Self { order, block, start, coefficients, field } = self;
        let (factors, coefficients) = (&order.factors[start.pair..], &coefficients[start.pair..]);
        for part in 0..RINGS / (WIDE * vectors.lanes()) {
            let x = group::<V, WIDE>(vectors, &block.squares, part);
            let mut here = group::<V, WIDE>(vectors, &start.here, part);
            let mut before = group::<V, WIDE>(vectors, &start.before, part);
            let mut sums = [[vectors.splat(0.0); WIDE]; 4];
            for (own, &[a, b]) in coefficients.iter().zip(factors) {
                let (a, b) = (vectors.splat(a), vectors.splat(b));
                for part in 0..4 {
                    let factor = vectors.splat(own[part]);
                    for v in 0..WIDE {
                        sums[part][v] = vectors.product_add(here[v], factor, sums[part][v]);
                    }
                }
                for v in 0..WIDE {
                    let slope = vectors.product_add(a, x[v], b);
                    let next = vectors.product_add(slope, here[v], before[v]);
                    (here[v], before[v]) = (next, here[v]);
                }
            }
            for (field, sums) in field.iter_mut().zip(sums) {
                let (field, _) = vectors.split_mut(field);
                field[WIDE * part..WIDE * (part + 1)].copy_from_slice(&sums);
            }
        }
    }
}
