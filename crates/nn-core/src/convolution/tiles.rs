//! The transforms of Winograd's tiles, a vector of neighbouring channels at a time.

use std::ops::Range;

use linalg::Real;
use linalg::gathered::{packed_len, packed_place};
use linalg::lanes::{Task, Vectors};

use super::Convolution;
use super::interpolation::{
    Input, InputAdjoint, Output, OutputAdjoint, Source, Target, Transform, Weight, WeightAdjoint,
};
use super::then::{Delta, Then, load, store, vectors_of};
use super::winograd::{REACH, TILE};
use crate::Shape;

/// From one of 36 planes of numbers to the next: by a cache line more than it holds, or all 36
/// would lie in one set of the first-level cache where sizes are powers of two.
pub(super) const fn plane(numbers: usize) -> usize {
    numbers + 16
}

/// One row of tiles after the other.
pub(super) struct Band {
    /// Tiles along x.
    across: usize,
    /// Rows of tiles, counted from the image's first.
    rows: Range<usize>,
}

impl Band {
    /// The tiles of the output's rows `rows`, of which the first is a multiple of 4, `width` places
    /// in each.
    pub(super) fn new(width: usize, rows: Range<usize>) -> Self {
        Self { across: width.div_ceil(TILE), rows: rows.start / TILE..rows.end.div_ceil(TILE) }
    }

    pub(super) fn tiles(&self) -> usize {
        self.across * self.rows.len()
    }
}

/// Where the entries of a square of places lie in an image.
#[derive(Clone, Copy)]
struct Places {
    shape: Shape,
    /// The square's first row and column, where the image's border is at `padding`.
    first: (usize, usize),
    padding: (usize, usize),
}

impl Places {
    /// Whether a square of so many places a side lies wholly in the image, in whole vectors.
    fn is_fast(&self, side: usize, lanes: usize) -> bool {
        let fits = |first: usize, padding: usize, size: usize| {
            first >= padding && first - padding + side <= size
        };
        fits(self.first.0, self.padding.0, self.shape.height)
            && fits(self.first.1, self.padding.1, self.shape.width)
            && self.shape.channels.is_multiple_of(lanes)
    }

    /// Where `len` channels from `channel` of entry (i, j) lie; `FAST` where it is known that they do.
    #[inline(always)]
    fn at<const FAST: bool>(
        &self,
        (i, j): (usize, usize),
        (channel, len): (usize, usize),
    ) -> Option<Range<usize>> {
        let Shape { channels, width, height } = self.shape;
        let row = (self.first.0 + i).wrapping_sub(self.padding.0);
        let column = (self.first.1 + j).wrapping_sub(self.padding.1);
        let start = row.wrapping_mul(width).wrapping_add(column).wrapping_mul(channels);
        let start = start.wrapping_add(channel);
        (FAST || (row < height && column < width)).then(|| start..start.wrapping_add(len))
    }
}

/// Where a band's tiles lie on the layer's input.
fn input_places(layer: &Convolution, row: usize, column: usize) -> Places {
    let padding = layer.geometry.window.padding;
    Places {
        shape: layer.geometry.input,
        first: (row * TILE, column * TILE),
        padding: (padding.height, padding.width),
    }
}

/// A square of places in an image, and its channels from `channel`; 0 where it lies outside.
struct Image<'a, T, V, const FAST: bool> {
    v: V,
    x: &'a [T],
    places: Places,
    channels: (usize, usize),
}

impl<T: Real, V: Vectors<T>, const FAST: bool> Source<T, V> for Image<'_, T, V, FAST> {
    #[inline(always)]
    fn get(&self, i: usize, j: usize) -> V::Vector {
        match self.places.at::<FAST>((i, j), self.channels) {
            Some(at) => load::<T, V, FAST>(self.v, &self.x[at]),
            None => self.v.splat(T::zero()),
        }
    }
}

/// The same to be added to.
struct Sums<'a, T, V, const FAST: bool> {
    v: V,
    x: &'a mut [T],
    places: Places,
    channels: (usize, usize),
}

impl<T: Real, V: Vectors<T>, const FAST: bool> Target<T, V> for Sums<'_, T, V, FAST> {
    #[inline(always)]
    fn put(&mut self, i: usize, j: usize, entry: V::Vector) {
        if let Some(at) = self.places.at::<FAST>((i, j), self.channels) {
            let x = &mut self.x[at];
            let sum = self.v.plus(load::<T, V, FAST>(self.v, x), entry);
            store::<T, V, FAST>(self.v, x, sum);
        }
    }
}

/// A square's entries in planes, `side` by `side` of them, each `step` behind the one before: the
/// numbers `at` of each.
struct Planes<X, V, const FAST: bool> {
    v: V,
    numbers: X,
    side: usize,
    step: usize,
    at: (usize, usize),
}

impl<T: Real, V: Vectors<T>, const FAST: bool> Source<T, V> for Planes<&[T], V, FAST> {
    #[inline(always)]
    fn get(&self, i: usize, j: usize) -> V::Vector {
        let from = (i * self.side + j) * self.step + self.at.0;
        load::<T, V, FAST>(self.v, &self.numbers[from..from + self.at.1])
    }
}

impl<T: Real, V: Vectors<T>, const FAST: bool> Target<T, V> for Planes<&mut [T], V, FAST> {
    #[inline(always)]
    fn put(&mut self, i: usize, j: usize, entry: V::Vector) {
        let to = (i * self.side + j) * self.step + self.at.0;
        store::<T, V, FAST>(self.v, &mut self.numbers[to..to + self.at.1], entry);
    }
}

/// A square held in registers.
struct Held<X, const N: usize>([[X; N]; N]);

impl<T: Real, V: Vectors<T>, const N: usize> Source<T, V> for Held<V::Vector, N> {
    #[inline(always)]
    fn get(&self, i: usize, j: usize) -> V::Vector {
        self.0[i][j]
    }
}

impl<T: Real, V: Vectors<T>, const N: usize> Target<T, V> for Held<V::Vector, N> {
    #[inline(always)]
    fn put(&mut self, i: usize, j: usize, entry: V::Vector) {
        self.0[i][j] = entry;
    }
}

/// V = Bᵀ·d·B for every tile of a band.
pub(super) struct Inputs<'a, T> {
    pub(super) layer: &'a Convolution,
    pub(super) band: &'a Band,
    pub(super) x: &'a [T],
    pub(super) v: &'a mut [T],
}

impl<T: Real> Inputs<'_, T> {
    #[inline(always)]
    fn tile<V: Vectors<T>, const FAST: bool>(&mut self, v: V, places: Places, tile: usize) {
        let all = places.shape.channels;
        let step = plane(self.band.tiles() * all);
        for (channel, len) in vectors_of::<FAST>(all, v.lanes()) {
            let d = Image::<T, V, FAST> { v, x: self.x, places, channels: (channel, len) };
            let at = (tile * all + channel, len);
            let mut to = Planes::<_, V, FAST> { v, numbers: &mut *self.v, side: REACH, step, at };
            Input::both(v, &d, &mut to);
        }
    }
}

impl<T: Real> Task<T> for Inputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, v: V) {
        let mut tile = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                if places.is_fast(REACH, v.lanes()) {
                    self.tile::<V, true>(v, places, tile);
                } else {
                    self.tile::<V, false>(v, places, tile);
                }
                tile += 1;
            }
        }
    }
}

/// Aᵀ·m·A + b for every tile of a band, and what follows.
pub(super) struct Outputs<'a, T> {
    pub(super) band: &'a Band,
    pub(super) then: Then,
    /// The shape of the band's result.
    pub(super) output: Shape,
    pub(super) m: &'a [T],
    pub(super) bias: &'a [T],
    pub(super) y: &'a mut [T],
    pub(super) record: &'a mut [T],
}

impl<T: Real> Outputs<'_, T> {
    #[inline(always)]
    fn tile<V: Vectors<T>, const FAST: bool>(&mut self, v: V, places: Places, tile: usize) {
        let all = places.shape.channels;
        let step = plane(self.band.tiles() * all);
        for (filter, len) in vectors_of::<FAST>(all, v.lanes()) {
            let at = (tile * all + filter, len);
            let m = Planes::<_, V, FAST> { v, numbers: self.m, side: REACH, step, at };
            let bias = load::<T, V, FAST>(v, &self.bias[filter..filter + len]);
            let mut z = Held([[bias; TILE]; TILE]);
            Output::both(v, &m, &mut z);
            let Held(mut z) = z;
            for z in z.as_flattened_mut() {
                *z = v.plus(*z, bias);
            }
            if self.then.pool {
                self.put_largest::<V, FAST>(v, z, places, (filter, len));
            } else {
                self.put::<V, FAST>(v, z, places, (filter, len));
            }
        }
    }

    #[inline(always)]
    fn put<V: Vectors<T>, const FAST: bool>(
        &mut self,
        v: V,
        z: [[V::Vector; TILE]; TILE],
        places: Places,
        filters: (usize, usize),
    ) {
        for i in 0..TILE {
            for j in 0..TILE {
                if let Some(at) = places.at::<FAST>((i, j), filters) {
                    let value = self.then.value(v, z[i][j]);
                    store::<T, V, FAST>(v, &mut self.y[at], value);
                }
            }
        }
    }

    #[inline(always)]
    fn put_largest<V: Vectors<T>, const FAST: bool>(
        &mut self,
        v: V,
        z: [[V::Vector; TILE]; TILE],
        places: Places,
        filters: (usize, usize),
    ) {
        for i in 0..TILE / 2 {
            for j in 0..TILE / 2 {
                if let Some(at) = places.at::<FAST>((i, j), filters) {
                    let (k, l) = (2 * i, 2 * j);
                    let four = [z[k][l], z[k][l + 1], z[k + 1][l], z[k + 1][l + 1]];
                    if self.record.is_empty() {
                        store::<T, V, FAST>(v, &mut self.y[at], self.then.largest(v, four));
                        continue;
                    }
                    let (largest, which) = self.then.largest_and_place(v, four);
                    store::<T, V, FAST>(v, &mut self.y[at.clone()], largest);
                    store::<T, V, FAST>(v, &mut self.record[at], which);
                }
            }
        }
    }
}

impl<T: Real> Task<T> for Outputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, v: V) {
        let side = TILE / self.then.stride();
        for tile in 0..self.band.tiles() {
            let first = (tile / self.band.across * side, tile % self.band.across * side);
            let places = Places { shape: self.output, first, padding: (0, 0) };
            if places.is_fast(side, v.lanes()) {
                self.tile::<V, true>(v, places, tile);
            } else {
                self.tile::<V, false>(v, places, tile);
            }
        }
    }
}

/// dM = A·dz·Aᵀ for every tile of a band, and the sum of dz over all places added to `sums`.
pub(super) struct OutputGradients<'a, T> {
    pub(super) band: &'a Band,
    pub(super) delta: &'a Delta<'a, T>,
    pub(super) dm: &'a mut [T],
    /// Empty where it is not wanted.
    pub(super) sums: &'a mut [T],
}

impl<T: Real> OutputGradients<'_, T> {
    #[inline(always)]
    fn tile<V: Vectors<T>, const FAST: bool>(&mut self, v: V, places: Places, tile: usize) {
        let all = places.shape.channels;
        let step = plane(self.band.tiles() * all);
        for (filter, len) in vectors_of::<FAST>(all, v.lanes()) {
            let (dz, sum) = if self.delta.then.pool {
                self.take_largest::<V, FAST>(v, places, (filter, len))
            } else {
                self.take::<V, FAST>(v, places, (filter, len))
            };
            if let Some(sums) = self.sums.get_mut(filter..filter + len) {
                let sum = v.plus(load::<T, V, FAST>(v, sums), sum);
                store::<T, V, FAST>(v, sums, sum);
            }
            let at = (tile * all + filter, len);
            let mut dm = Planes::<_, V, FAST> { v, numbers: &mut *self.dm, side: REACH, step, at };
            OutputAdjoint::both(v, &Held(dz), &mut dm);
        }
    }

    /// dz of a tile, and the sum of its entries.
    #[inline(always)]
    fn take<V: Vectors<T>, const FAST: bool>(
        &self,
        v: V,
        places: Places,
        filters: (usize, usize),
    ) -> ([[V::Vector; TILE]; TILE], V::Vector) {
        let mut sum = v.splat(T::zero());
        let mut dz = [[sum; TILE]; TILE];
        for i in 0..TILE {
            for j in 0..TILE {
                if let Some(at) = places.at::<FAST>((i, j), filters) {
                    dz[i][j] = self.delta.single::<V, FAST>(v, at);
                    sum = v.plus(sum, dz[i][j]);
                }
            }
        }
        (dz, sum)
    }

    /// The same where each 2 x 2 places were pooled.
    #[inline(always)]
    fn take_largest<V: Vectors<T>, const FAST: bool>(
        &self,
        v: V,
        places: Places,
        filters: (usize, usize),
    ) -> ([[V::Vector; TILE]; TILE], V::Vector) {
        let mut sum = v.splat(T::zero());
        let mut dz = [[sum; TILE]; TILE];
        for i in 0..TILE / 2 {
            for j in 0..TILE / 2 {
                if let Some(at) = places.at::<FAST>((i, j), filters) {
                    let (four, all) = self.delta.four::<V, FAST>(v, at);
                    sum = v.plus(sum, all);
                    for k in 0..4 {
                        dz[2 * i + k / 2][2 * j + k % 2] = four[k];
                    }
                }
            }
        }
        (dz, sum)
    }
}

impl<T: Real> Task<T> for OutputGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, v: V) {
        let side = TILE / self.delta.then.stride();
        let mut tile = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let first = (row * side, column * side);
                let places = Places { shape: self.delta.output, first, padding: (0, 0) };
                if places.is_fast(side, v.lanes()) {
                    self.tile::<V, true>(v, places, tile);
                } else {
                    self.tile::<V, false>(v, places, tile);
                }
                tile += 1;
            }
        }
    }
}

/// dx ← dx + B·dV·Bᵀ for every tile of a band.
pub(super) struct InputGradients<'a, T> {
    pub(super) layer: &'a Convolution,
    pub(super) band: &'a Band,
    pub(super) dv: &'a [T],
    pub(super) dx: &'a mut [T],
}

impl<T: Real> InputGradients<'_, T> {
    #[inline(always)]
    fn tile<V: Vectors<T>, const FAST: bool>(&mut self, v: V, places: Places, tile: usize) {
        let all = places.shape.channels;
        let step = plane(self.band.tiles() * all);
        for (channel, len) in vectors_of::<FAST>(all, v.lanes()) {
            let at = (tile * all + channel, len);
            let dv = Planes::<_, V, FAST> { v, numbers: self.dv, side: REACH, step, at };
            let x = &mut *self.dx;
            let mut dx = Sums::<T, V, FAST> { v, x, places, channels: (channel, len) };
            InputAdjoint::both(v, &dv, &mut dx);
        }
    }
}

impl<T: Real> Task<T> for InputGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(mut self, v: V) {
        let mut tile = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                if places.is_fast(REACH, v.lanes()) {
                    self.tile::<V, true>(v, places, tile);
                } else {
                    self.tile::<V, false>(v, places, tile);
                }
                tile += 1;
            }
        }
    }
}

/// U = G·w·Gᵀ for every pair of a row and a column of the weights of each tap, packed.
pub(super) struct Weights<'a, T> {
    /// For each tap a matrix of `rows` rows.
    pub(super) weight: &'a [T],
    pub(super) rows: usize,
    pub(super) packed: &'a mut [T],
}

impl<T: Real> Task<T> for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let Self { weight, rows, packed } = self;
        let (lanes, pairs) = (v.lanes(), weight.len() / 9);
        let columns = pairs / rows;
        let step = packed_len::<T>(rows, columns);
        for row in (0..rows).step_by(lanes) {
            let len = lanes.min(rows - row);
            let first = packed_place::<T>((rows, columns), (row, 0));
            let across = packed_place::<T>((rows, columns), (row, 1)) - first;
            for column in 0..columns {
                let at = (column * rows + row, len);
                let w = Planes::<_, V, false> { v, numbers: weight, side: 3, step: pairs, at };
                let at = (first + column * across, lanes);
                let mut u =
                    Planes::<_, V, true> { v, numbers: &mut *packed, side: REACH, step, at };
                Weight::both(v, &w, &mut u);
            }
        }
    }
}

/// dw = Gᵀ·dU·G for every pair of filter and channel.
pub(super) struct WeightGradients<'a, T> {
    pub(super) du: &'a [T],
    pub(super) gradient: &'a mut [T],
}

impl<T: Real> Task<T> for WeightGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let pairs = self.gradient.len() / 9;
        for start in (0..pairs).step_by(lanes) {
            let end = pairs.min(start + lanes);
            let at = (start, end - start);
            let du =
                Planes::<_, V, false> { v, numbers: self.du, side: REACH, step: plane(pairs), at };
            let numbers = &mut *self.gradient;
            let mut dw = Planes::<_, V, false> { v, numbers, side: 3, step: pairs, at };
            WeightAdjoint::both(v, &du, &mut dw);
        }
    }
}
