//! A cell of the cubed sphere and what its samples say.
//!
//! The sphere is seen from its center through the faces of a cube, in the angles ξ and η across a
//! face ("equiangular" coordinates), so that there are neither poles nor a seam:
//! dΩ = (1 + X²)(1 + Y²)/(1 + X² + Y²)^{3/2} dξ dη with X = tan ξ, Y = tan η.
//! C. Ronchi, R. Iacono and P. S. Paolucci, "The cubed sphere", Journal of Computational Physics 124
//! (1996).

use std::f64::consts::{FRAC_PI_4, PI};

use crate::patterson::{FIFTEEN, NODES, ONE, SEVEN, THREE};
use crate::rings::real;
use crate::sample::distance;
use crate::{Direction, Rotation, Sample};

/// The faces of the cube, a quarter each.
pub(crate) const ROOTS: u8 = 24;

/// Halvings of a cell; beyond, its nodes are hardly different directions.
pub(crate) const DEEPEST: u8 = 56;

/// A rectangle in ξ and η: a quarter of a face, halved again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    root: u8,
    /// The halves chosen so far, the first in the highest bit: the order of cells over the sphere.
    halves: u64,
    /// The axes halved so far, likewise: 0 for ξ, 1 for η.
    axes: u64,
    pub(crate) depth: u8,
}

/// ξ or η.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Xi,
    Eta,
}

/// Whether a cell is near a point, and if it is too wide there, which way to halve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Near {
    No,
    Yes,
    TooWide(Axis),
}

impl Cell {
    pub(crate) fn root(root: u8) -> Self {
        Self { root, halves: 0, axes: 0, depth: 0 }
    }

    pub(crate) fn halved(self, axis: Axis) -> [Self; 2] {
        let bit = 1u64 << (63 - self.depth);
        let axes = if axis == Axis::Eta { self.axes | bit } else { self.axes };
        let first = Self { axes, depth: self.depth + 1, ..self };
        [first, Self { halves: first.halves | bit, ..first }]
    }

    /// The axis along which the cell's ancestor of this depth was halved.
    pub(crate) fn axis_at(self, depth: u8) -> Axis {
        if self.axes & 1u64 << (63 - depth) == 0 { Axis::Xi } else { Axis::Eta }
    }

    /// Whether it is `ancestor` or a part of it.
    pub(crate) fn is_within(self, ancestor: Self) -> bool {
        let below = u64::MAX.checked_shr(u32::from(ancestor.depth)).unwrap_or(0);
        self.root == ancestor.root
            && self.depth >= ancestor.depth
            && (self.halves ^ ancestor.halves) & !below == 0
    }

    /// Whether its lower side along an axis is below a position.
    pub(crate) fn begins_before(self, axis: Axis, position: [f64; 2]) -> bool {
        let along = usize::from(axis == Axis::Eta);
        let (center, half) = self.extent()[along];
        position[along] >= center - half
    }

    /// The cell that these two are the halves of, if they are.
    pub(crate) fn parent(first: Self, second: Self) -> Option<Self> {
        let depth = first.depth.checked_sub(1)?;
        let bit = 1u64 << (63 - depth);
        let whole = Self { halves: first.halves & !bit, axes: first.axes & !bit, depth, ..first };
        let axis = if first.axes & bit == 0 { Axis::Xi } else { Axis::Eta };
        (whole.halved(axis) == [first, second]).then_some(whole)
    }

    /// Center and half width along ξ and η.
    fn extent(self) -> [(f64, f64); 2] {
        let quarter = self.root % 4;
        let start =
            |upper: bool| (if upper { 0.5 * FRAC_PI_4 } else { -0.5 * FRAC_PI_4 }, 0.5 * FRAC_PI_4);
        let mut extent = [start(quarter & 1 == 1), start(quarter & 2 == 2)];
        for depth in 0..self.depth {
            let bit = 1u64 << (63 - depth);
            let (center, half) = &mut extent[usize::from(self.axes & bit != 0)];
            *half *= 0.5;
            *center += if self.halves & bit == 0 { -*half } else { *half };
        }
        extent
    }

    /// The quarter of a face that holds a vector, before the frame's rotation, and its (ξ, η).
    pub(crate) fn root_at([a, b, c]: [f64; 3]) -> (Self, [f64; 2]) {
        let [over_a, over_b, over_c] = [a, b, c].map(f64::abs);
        let (face, x, y) = if over_a >= over_b && over_a >= over_c {
            (u8::from(a < 0.0), b / a, c / over_a)
        } else if over_b >= over_c {
            (2 + u8::from(b < 0.0), -a / b, c / over_b)
        } else {
            (4 + u8::from(c < 0.0), b / over_c, -a / c)
        };
        let (xi, eta) = (x.atan(), y.atan());
        let quarter = u8::from(xi >= 0.0) + 2 * u8::from(eta >= 0.0);
        (Self::root(4 * face + quarter), [xi, eta])
    }

    /// The direction at (ξ, η), before the frame's rotation, and dΩ/dξdη there.
    fn point(self, xi: f64, eta: f64) -> ([f64; 3], f64) {
        let (x, y) = (xi.tan(), eta.tan());
        let square = 1.0 + x * x + y * y;
        let jacobian = (1.0 + x * x) * (1.0 + y * y) / (square * square.sqrt());
        let point = match self.root / 4 {
            0 => [1.0, x, y],
            1 => [-1.0, -x, y],
            2 => [-x, 1.0, y],
            3 => [x, -1.0, y],
            4 => [-y, x, 1.0],
            _ => [y, x, -1.0],
        };
        (point, jacobian)
    }

    /// The nodes that an order adds to those of the orders below, as indices into all 15 × 15.
    fn indices(order: Order) -> impl Iterator<Item = (usize, usize)> {
        let of = |i: usize| match i % 4 {
            3 => Order::Three,
            1 => Order::Seven,
            _ => Order::Fifteen,
        };
        let all = (0..15).flat_map(|i| (0..15).map(move |j| (i, j)));
        all.filter(move |&(i, j)| of(i).max(of(j)) == order)
    }

    /// Its center, and its larger width in ξ or η.
    pub(crate) fn center_and_width(self, frame: &Rotation) -> (Direction, f64) {
        let [(xi, across), (eta, along)] = self.extent();
        let (center, _) = self.point(xi, eta);
        (Direction::from_nonzero(frame.turn(center)), 2.0 * across.max(along))
    }

    /// Whether the cell comes within `radius` (radians) of `point`, and is wider than `width`.
    pub(crate) fn near(self, point: &Direction, radius: f64, width: f64, frame: &Rotation) -> Near {
        let [(xi, across), (eta, along)] = self.extent();
        let (center, _) = self.point(xi, eta);
        let center = Direction::from_nonzero(frame.turn(center));
        // A step in ξ or η is at most that far on the sphere.
        if center.dot(point) < (radius + across.hypot(along)).min(PI).cos() {
            Near::No
        } else if 2.0 * across.max(along) <= width || self.depth >= DEEPEST {
            Near::Yes
        } else {
            Near::TooWide(if across >= along { Axis::Xi } else { Axis::Eta })
        }
    }

    /// Appends the directions of the samples of all orders up to this one.
    pub(crate) fn all_nodes(self, order: Order, frame: &Rotation, nodes: &mut Vec<Direction>) {
        for added in Order::ALL.into_iter().filter(|&added| added <= order) {
            self.nodes(added, frame, nodes);
        }
    }

    /// Appends the directions of the samples that this order adds.
    pub(crate) fn nodes(self, order: Order, frame: &Rotation, nodes: &mut Vec<Direction>) {
        let [(xi, across), (eta, along)] = self.extent();
        nodes.extend(Self::indices(order).map(|(i, j)| {
            let (point, _) = self.point(xi + across * NODES[i], eta + along * NODES[j]);
            Direction::from_nonzero(frame.turn(point))
        }));
    }
}

/// The samples of a cell: 3 × 3, 7 × 7 or 15 × 15, each with those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Three,
    Seven,
    Fifteen,
}

impl Order {
    pub(crate) const ALL: [Self; 3] = [Self::Three, Self::Seven, Self::Fifteen];

    /// Samples in all.
    pub(crate) fn samples(self) -> usize {
        match self {
            Self::Three => 9,
            Self::Seven => 49,
            Self::Fifteen => 225,
        }
    }

    /// The next order, and the samples that it adds.
    pub(crate) fn next(self) -> Option<(Self, usize)> {
        match self {
            Self::Three => Some((Self::Seven, 49 - 9)),
            Self::Seven => Some((Self::Fifteen, 225 - 49)),
            Self::Fifteen => None,
        }
    }
}

/// A cell with its samples and what follows from them.
#[derive(Debug, Clone)]
pub(crate) struct Leaf<T: Sample> {
    pub(crate) cell: Cell,
    pub(crate) order: Order,
    samples: Vec<T>,
    pub(crate) value: T,
    pub(crate) magnitude: f64,
    pub(crate) area: f64,
    pub(crate) error: f64,
    /// Which way to halve it.
    pub(crate) axis: Axis,
    /// Whether more nodes in it would help less than halving.
    pub(crate) rough: bool,
    /// |7 × 7 − 3 × 3|, however fine the samples.
    first_change: f64,
    /// The error estimate that 7 × 7 samples gave.
    seven_error: f64,
}

impl<T: Sample> Leaf<T> {
    /// From the samples of all orders up to this one; a rough cell has a rough parent.
    pub(crate) fn new(cell: Cell, order: Order, samples: &[T], parent_rough: bool) -> Self {
        let mut leaf = Self {
            cell,
            order,
            samples: vec![T::ZERO; 225],
            value: T::ZERO,
            magnitude: 0.0,
            area: 0.0,
            error: 0.0,
            axis: Axis::Xi,
            rough: parent_rough,
            first_change: 0.0,
            seven_error: 0.0,
        };
        let mut rest = samples;
        for added in Order::ALL.into_iter().filter(|&added| added <= order) {
            let count = Cell::indices(added).count().min(rest.len());
            let (own, others) = rest.split_at(count);
            leaf.extend(added, own);
            rest = others;
        }
        leaf
    }

    /// With the samples that make it of this order.
    pub(crate) fn extend(&mut self, order: Order, samples: &[T]) {
        for ((i, j), &sample) in Cell::indices(order).zip(samples) {
            self.samples[15 * i + j] = sample;
        }
        self.order = order;
        self.judge();
    }

    fn judge(&mut self) {
        let (fine, coarse) = match self.order {
            Order::Three => (&THREE, &ONE),
            Order::Seven => (&SEVEN, &THREE),
            Order::Fifteen => (&FIFTEEN, &SEVEN),
        };
        let [(xi, across), (eta, along)] = self.cell.extent();
        let (mut both, mut coarse_xi, mut coarse_eta, mut neither) =
            (T::ZERO, T::ZERO, T::ZERO, T::ZERO);
        let (mut area, mut magnitude) = (0.0, 0.0);
        let mut jacobians = [0.0; 225];
        // The cell integrated along η for each ξ, and along ξ for each η.
        let (mut over_eta, mut over_xi) = ([T::ZERO; 15], [T::ZERO; 15]);
        for i in 0..15 {
            for j in 0..15 {
                if fine[i] * fine[j] > 0.0 {
                    let (_, jacobian) =
                        self.cell.point(xi + across * NODES[i], eta + along * NODES[j]);
                    let jacobian = jacobian * across * along;
                    jacobians[15 * i + j] = jacobian;
                    let sample = self.samples[15 * i + j];
                    let weight = jacobian * fine[i] * fine[j];
                    both = both.plus(weight, sample);
                    over_eta[i] = over_eta[i].plus(jacobian * fine[j], sample);
                    over_xi[j] = over_xi[j].plus(jacobian * fine[i], sample);
                    area += weight;
                    magnitude += weight * sample.norm();
                    coarse_xi = coarse_xi.plus(jacobian * coarse[i] * fine[j], sample);
                    coarse_eta = coarse_eta.plus(jacobian * fine[i] * coarse[j], sample);
                    neither = neither.plus(jacobian * coarse[i] * coarse[j], sample);
                }
            }
        }
        // ∫ |f − its mean|: what there is to get wrong.
        let mean = T::ZERO.plus(1.0 / area, both);
        let mut variation = 0.0;
        for i in 0..15 {
            for j in 0..15 {
                let weight = jacobians[15 * i + j] * fine[i] * fine[j];
                if weight > 0.0 {
                    variation += weight * distance(self.samples[15 * i + j], mean);
                }
            }
        }
        let (change_xi, change_eta) = (distance(both, coarse_xi), distance(both, coarse_eta));
        // The largest of three, so that none hides the others by a chance of sign.
        let change = change_xi.max(change_eta).max(distance(both, neither));
        let wide = across / along;
        self.axis = match (wide >= 4.0, wide <= 0.25) {
            (true, _) => Axis::Xi,
            (_, true) => Axis::Eta,
            _ if (change_xi - change_eta).abs() <= 0.5 * (change_xi + change_eta) => {
                if wide >= 1.0 { Axis::Xi } else { Axis::Eta }
            }
            _ => {
                if change_xi > change_eta {
                    Axis::Xi
                } else {
                    Axis::Eta
                }
            }
        };
        self.error = match self.order {
            Order::Three => change,
            Order::Seven => {
                self.first_change = change;
                // Doubling the degree squares the error of an analytic integrand; of that the
                // estimate takes the exponent 3/2 of QUADPACK, with its factor of 200.
                change * (200f64.powf(1.5) * (change / variation).sqrt()).min(1.0)
            }
            Order::Fifteen => {
                // Now there are two steps, and the slower of the two laws that they obey counts.
                let ratio = (change / self.first_change).powi(2).max(change / variation);
                let by_law = change * (10.0 * ratio).min(1.0);
                // Half a lobe may happen to be right with 7 x 7 nodes, and then `change` promises too much;
                // its series does not.
                by_law.max(change.min(beyond(&over_eta).max(beyond(&over_xi))))
            }
        };
        if !(self.error.is_finite() && variation > 0.0) {
            self.error = change;
        }
        if self.order == Order::Seven {
            self.seven_error = self.error;
        }
        self.rough = match self.order {
            Order::Three => self.rough,
            Order::Seven => self.rough || change > 0.2 * variation,
            Order::Fifteen => change > 0.1 * self.first_change,
        };
        self.value = both;
        self.magnitude = magnitude;
        self.area = area;
    }

    /// About ∫|f − its mean| over the halves along an axis.
    pub(crate) fn halves(&self, axis: Axis) -> [f64; 2] {
        let fine = match self.order {
            Order::Three => &THREE,
            Order::Seven => &SEVEN,
            Order::Fifteen => &FIFTEEN,
        };
        [0..8, 7..15].map(|half| {
            let nodes = half.flat_map(|along| (0..15).map(move |across| (along, across)));
            let part = |(along, across): (usize, usize)| {
                let k = if axis == Axis::Xi { 15 * along + across } else { 15 * across + along };
                (fine[along] * fine[across], self.samples[k])
            };
            let sum = |of: &dyn Fn(T) -> f64| -> f64 {
                nodes.clone().map(part).map(|(weight, sample)| weight * of(sample)).sum()
            };
            let weights = sum(&|_| 1.0);
            let mut mean = T::ZERO;
            for (weight, sample) in nodes.clone().map(part) {
                mean = mean.plus(weight / weights, sample);
            }
            0.5 * self.area / weights * sum(&|sample| distance(sample, mean))
        })
    }

    /// How far a value is from all samples, or 0 where it is no further from one than the samples are from
    /// the one in the middle.
    pub(crate) fn surprise(&self, value: T) -> f64 {
        let middle = self.samples[7 * 15 + 7];
        let (mut spread, mut nearest) = (0.0, f64::INFINITY);
        for node in
            Order::ALL.into_iter().filter(|&order| order <= self.order).flat_map(Cell::indices)
        {
            let sample = self.samples[15 * node.0 + node.1];
            spread = f64::max(spread, distance(sample, middle));
            nearest = f64::min(nearest, distance(sample, value));
        }
        if nearest > spread { nearest } else { 0.0 }
    }

    /// The samples along the sides, each with the direction as far beyond its side.
    pub(crate) fn outermost(&self, frame: &Rotation) -> Vec<(Direction, T)> {
        let (first, step) = match self.order {
            Order::Three => (3, 4),
            Order::Seven => (1, 2),
            Order::Fifteen => (0, 1),
        };
        let [(xi, across), (eta, along)] = self.cell.extent();
        let mut found = Vec::with_capacity(60);
        for (end, beyond) in [(first, -2.0 - NODES[first]), (14 - first, 2.0 + NODES[first])] {
            for j in (first..15).step_by(step) {
                for ((x, y), k) in
                    [((beyond, NODES[j]), 15 * end + j), ((NODES[j], beyond), 15 * j + end)]
                {
                    let (point, _) = self.cell.point(xi + across * x, eta + along * y);
                    found.push((Direction::from_nonzero(frame.turn(point)), self.samples[k]));
                }
            }
        }
        found
    }

    /// The order with which the next step should start here, for errors of `enough` a cell.
    pub(crate) fn next_order(&self, enough: f64) -> Order {
        match self.order {
            Order::Fifteen if self.seven_error > enough => Order::Fifteen,
            _ if self.magnitude > 0.1 * enough => Order::Seven,
            _ => Order::Three,
        }
    }

    /// An error estimate for the cell of which this leaf is a half, with as many samples as this
    /// one, or 15 × 15.
    pub(crate) fn error_if_joined(&self, order: Order) -> f64 {
        // Degree 11 on twice the width: 2¹³ times the error. Degree 23 would be 2²⁵, but the
        // estimates are so careful that 2¹⁸ is enough; a join too many is undone by the next step.
        let guess = match (self.order, order) {
            (Order::Three, _) => self.magnitude,
            (_, Order::Fifteen) => {
                f64::from(1 << if self.order == Order::Fifteen { 18 } else { 13 }) * self.error
            }
            _ => f64::from(1 << 13) * self.first_change,
        };
        guess.min(self.magnitude)
    }
}

/// What 15 nodes make wrong of a function with these values there: the terms of its Legendre series from
/// degree 24 on, if they go on as they fall from degrees 5 to 7 to degrees 12 to 14.
fn beyond<T: Sample>(values: &[T; 15]) -> f64 {
    let mut coefficients = [T::ZERO; 15];
    for ((&x, &weight), &value) in NODES.iter().zip(&FIFTEEN).zip(values) {
        let (mut before, mut here) = (0.0, 1.0);
        for (d, coefficient) in coefficients.iter_mut().enumerate() {
            let d = real(d);
            *coefficient = coefficient.plus((d + 0.5) * weight * here, value);
            (before, here) = (here, ((2.0 * d + 1.0) * x * here - d * before) / (d + 1.0));
        }
    }
    let largest = |degrees: std::ops::Range<usize>| {
        coefficients[degrees].iter().map(|&c| c.norm()).fold(0.0, f64::max)
    };
    let (middle, top) = (largest(5..8), largest(12..15));
    if !(top < middle) {
        return top;
    }
    // Seven degrees make this ratio, eleven more are to come.
    top * (top / middle).powf(11.0 / 7.0)
}

/// The error of a sum of cells: of many independent errors two standard deviations, but no more
/// than all of them together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TotalError {
    pub(crate) sum: f64,
    squares: f64,
}

impl TotalError {
    pub(crate) fn of(errors: impl Iterator<Item = f64>) -> Self {
        errors.fold(Self { sum: 0.0, squares: 0.0 }, |Self { sum, squares }, error| Self {
            sum: sum + error,
            squares: squares + error * error,
        })
    }

    pub(crate) fn value(&self) -> f64 {
        f64::min(self.sum, 2.0 * self.squares.max(0.0).sqrt())
    }

    /// With one of the errors halved.
    pub(crate) fn halve(&mut self, error: f64) {
        self.sum -= 0.5 * error;
        self.squares -= 0.75 * error * error;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(order: Order, f: impl Fn(&Direction) -> f64) -> Vec<Leaf<f64>> {
        let frame = Rotation::generic(0);
        (0..ROOTS)
            .map(|root| {
                let cell = Cell::root(root);
                let mut nodes = Vec::new();
                cell.all_nodes(order, &frame, &mut nodes);
                let samples: Vec<f64> = nodes.iter().map(&f).collect();
                Leaf::new(cell, order, &samples, false)
            })
            .collect()
    }

    #[test]
    fn the_cells_cover_the_sphere_once() {
        // Degree 2 in every direction, so that no face can be missed or turned.
        let u = Direction::from_angles(1.0, 2.0).unwrap();
        for (f, expected) in [(0, 3.0), (1, 0.0), (2, 1.0)] {
            let leaves = leaves(Order::Fifteen, |x| u.dot(x).powi(f));
            let sum: f64 = leaves.iter().map(|leaf| leaf.value).sum();
            let expected = 4.0 * PI / 3.0 * expected;
            assert!((sum - expected).abs() < 1e-12, "power {f}: {sum} {expected}");
        }
    }

    #[test]
    fn halves_know_their_parent_and_keep_its_area() {
        let cell = Cell::root(17).halved(Axis::Xi)[1].halved(Axis::Eta)[0];
        let [first, second] = cell.halved(Axis::Xi);
        assert_eq!(Cell::parent(first, second), Some(cell));
        assert_eq!(Cell::parent(second, first), None);
        assert_eq!(Cell::parent(cell, first), None);
        assert!(first < second);
        let [(_, a), (_, b)] = cell.extent();
        let [(_, c), (_, d)] = first.extent();
        assert!((a * b - 2.0 * c * d).abs() < 1e-16);
    }

    #[test]
    fn errors_scale_with_the_samples_and_the_side_to_halve_does_not_depend_on_the_scale() {
        let u = Direction::from_angles(1.0, 2.0).unwrap();
        let f = |x: &Direction| (20.0 * u.dot(x)).exp();
        // To the bit: a power of two rounds nothing.
        for order in [Order::Three, Order::Seven, Order::Fifteen] {
            for scale in [0.5f64.powi(60), 2f64.powi(60)] {
                for (one, scaled) in leaves(order, f).iter().zip(leaves(order, |x| scale * f(x))) {
                    assert_eq!((scale * one.error).to_bits(), scaled.error.to_bits());
                    assert_eq!(one.axis, scaled.axis);
                }
            }
        }
    }

    #[test]
    fn many_errors_add_like_independent_ones_and_few_like_a_sum() {
        assert!((TotalError::of([1.0, 1.0].into_iter()).value() - 2.0).abs() < 1e-15);
        let mut many = TotalError::of(std::iter::repeat_n(3.0, 900));
        assert!((many.value() - 180.0).abs() < 1e-12);
        (0..900).for_each(|_| many.halve(3.0));
        assert!((many.value() - 90.0).abs() < 1e-12);
    }
}
