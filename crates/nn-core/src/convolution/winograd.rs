//! Winograd's F(4 x 4, 3 x 3): 16 outputs of a 3 x 3 kernel by 36 multiplications.
//!
//! ```text
//! y = Aᵀ·(U ∘ V)·A,   U = G·w·Gᵀ,   V = Bᵀ·d·B
//! ```
//! for a tile d of 6 x 6 inputs, summed over the channels between U ∘ V and Aᵀ: 36 products of small
//! matrices. Every step is linear, so that the backward pass is the exact adjoint of each:
//! dM = A·dy·Aᵀ, dU = ∑ dM·Vᵀ, dV = Uᵀ·dM, dx = B·dV·Bᵀ, dw = Gᵀ·dU·G.
//!
//! Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, sections 4.1 and
//! 4.3, with other points of interpolation.

use std::ops::Range;

use linalg::gathered::{Gather, add_outer_products, pack, packed_len, product};
use linalg::lanes::{Task, Vectors, run};
use linalg::{Real, Result};

use super::Convolution;
use super::direct::transpose_taps;
use crate::Shape;

/// Entries of a transformed tile.
const TAPS: usize = 36;
/// Outputs of a tile along x and y.
pub(super) const TILE: usize = 4;
/// Inputs of a tile along x and y.
const REACH: usize = 6;
/// Tiles that are transformed at a time, so that they stay in the second-level cache.
const TILES: usize = 32;

/// Tiles across `width` outputs.
fn across(width: usize) -> usize {
    width.div_ceil(TILE)
}

/// Rows of outputs that are computed at a time, a multiple of the tile's.
pub(super) fn band(layer: &Convolution) -> usize {
    (TILES / across(layer.geometry.output.width)).max(1) * TILE
}

/// Numbers that the passes over a band need.
pub(super) fn scratch(layer: &Convolution) -> usize {
    let tiles = across(layer.geometry.output.width) * band(layer) / TILE;
    TAPS * tiles * (layer.geometry.input.channels + layer.filters())
}

/// Numbers in the transformed weights' gradient.
pub(super) fn gradient_scratch(layer: &Convolution) -> usize {
    TAPS * layer.filters() * layer.geometry.input.channels
}

/// Numbers that [`prepare`] writes for the forward pass and for the input's gradient, 36 matrices
/// each, and those that it needs on the way.
pub(super) fn prepared<T: Real>(layer: &Convolution) -> [usize; 3] {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    [
        TAPS * packed_len::<T>(filters, channels),
        TAPS * packed_len::<T>(channels, filters),
        (TAPS + 9) * filters * channels,
    ]
}

/// U for each pair of filter and channel, packed for the products of both passes.
pub(super) fn prepare<T: Real>(
    layer: &Convolution,
    weight: &[T],
    prepared: &mut [T],
) -> Result<()> {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let [forward, backward, _] = self::prepared::<T>(layer);
    let (forward, rest) = prepared.split_at_mut(forward);
    let (backward, rest) = rest.split_at_mut(backward);
    let (exchanged, u) = rest.split_at_mut(weight.len());
    transpose_taps(weight, (filters, channels), exchanged);
    for (weight, rows, packed) in [(weight, filters, forward), (exchanged, channels, backward)] {
        run(Weights { weight, u });
        let packed = packed.chunks_exact_mut(packed_len::<T>(rows, weight.len() / 9 / rows));
        for (u, packed) in u.chunks_exact(filters * channels).zip(packed) {
            pack(rows, u, packed)?;
        }
    }
    Ok(())
}

/// One row of tiles after the other.
struct Band {
    /// Tiles along x.
    across: usize,
    /// Rows of tiles, counted from the image's first.
    rows: Range<usize>,
}

impl Band {
    /// The tiles of the output's rows `rows`, of which the first is a multiple of 4.
    fn new(width: usize, rows: Range<usize>) -> Self {
        Self { across: across(width), rows: rows.start / TILE..rows.end.div_ceil(TILE) }
    }

    fn tiles(&self) -> usize {
        self.across * self.rows.len()
    }
}

/// The rows `rows` of the output, of which the first is a multiple of 4, and the first `width`
/// places of each.
pub(super) fn rows<T: Real>(
    layer: &Convolution,
    packed: &[T],
    bias: &[T],
    x: &[T],
    (rows, width): (Range<usize>, usize),
    y: &mut [T],
    scratch: &mut [T],
) -> Result<()> {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let band = Band::new(width, rows.clone());
    let (v, scratch) = scratch.split_at_mut(TAPS * band.tiles() * channels);
    let m = &mut scratch[..TAPS * band.tiles() * filters];
    run(Inputs { layer, band: &band, x, v });
    multiply(packed, channels, v, filters, m, band.tiles())?;
    let shape = Shape { channels: filters, width, height: rows.len() };
    run(Outputs { band: &band, shape, m, bias, y });
    Ok(())
}

/// dU ← dU + the band's share, for the rows `rows` of dy, which has the shape `output`: the
/// layer's, or less where the rest of dy is 0.
pub(super) fn add_weight_gradient<T: Real>(
    layer: &Convolution,
    x: &[T],
    (dy, output): (&[T], Shape),
    rows: Range<usize>,
    du: &mut [T],
    scratch: &mut [T],
) -> Result<()> {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let band = Band::new(output.width, rows);
    let tiles = band.tiles();
    let (v, scratch) = scratch.split_at_mut(TAPS * tiles * channels);
    let dm = &mut scratch[..TAPS * tiles * filters];
    run(Inputs { layer, band: &band, x, v });
    run(OutputGradients { band: &band, output, dy, dm });
    let columns = tile_columns(channels, tiles);
    for ((du, dm), v) in du
        .chunks_exact_mut(filters * channels)
        .zip(dm.chunks_exact(tiles * filters))
        .zip(v.chunks_exact(tiles * channels))
    {
        add_outer_products(dm, &columns, v, 0..tiles, du)?;
    }
    Ok(())
}

/// dW = Gᵀ·dU·G.
pub(super) fn finish_weight_gradient<T: Real>(du: &[T], gradient: &mut [T]) {
    run(WeightGradients { du, gradient });
}

/// dx ← dx + the band's share, for the rows `rows` of dy, which has the shape `output`.
pub(super) fn add_input_gradient<T: Real>(
    layer: &Convolution,
    packed: &[T],
    (dy, output): (&[T], Shape),
    rows: Range<usize>,
    dx: &mut [T],
    scratch: &mut [T],
) -> Result<()> {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let band = Band::new(output.width, rows);
    let tiles = band.tiles();
    let (dv, scratch) = scratch.split_at_mut(TAPS * tiles * channels);
    let dm = &mut scratch[..TAPS * tiles * filters];
    run(OutputGradients { band: &band, output, dy, dm });
    multiply(packed, filters, dm, channels, dv, tiles)?;
    run(InputGradients { layer, band: &band, dv, dx });
    Ok(())
}

/// The tiles of one tap as columns.
fn tile_columns(channels: usize, tiles: usize) -> Gather<'static> {
    Gather { segments: &[0], length: channels, across: tiles, step: channels, down: 0 }
}

/// The 36 products: for each tap, `to` = U·`from`, tile by tile.
fn multiply<T: Real>(
    packed: &[T],
    depth: usize,
    from: &[T],
    rows: usize,
    to: &mut [T],
    tiles: usize,
) -> Result<()> {
    let columns = tile_columns(depth, tiles);
    let packed = packed.chunks_exact(packed_len::<T>(rows, depth));
    let pairs = from.chunks_exact(tiles * depth).zip(to.chunks_exact_mut(tiles * rows));
    for (packed, (from, to)) in packed.zip(pairs) {
        product(packed, &columns, from, 0..tiles, &[], to)?;
    }
    Ok(())
}

// The matrices interpolate at 0, ±3/4, ±3/2 and infinity. The points 0, ±1, ±2 of the paper lose
// three times as much to rounding.
const NEAR: f64 = 0.75;
const FAR: f64 = 1.5;
const NEAR2: f64 = NEAR * NEAR;
const FAR2: f64 = FAR * FAR;
const BOTH2: f64 = NEAR2 * FAR2;
/// 1/∏(p − q) over the other finite points q, for p = ±3/4 and p = ±3/2.
const NEAR_SHARE: f64 = 1.0 / (2.0 * NEAR2 * (NEAR2 - FAR2));
const FAR_SHARE: f64 = 1.0 / (2.0 * FAR2 * (FAR2 - NEAR2));

/// a·x + b·y, for constants x and y.
#[inline(always)]
fn sum<T: Real, V: Vectors<T>>(
    v: V,
    (a, x): (V::Vector, f64),
    (b, y): (V::Vector, f64),
) -> V::Vector {
    v.mul_add(a, T::from_double(x), v.times(b, T::from_double(y)))
}

/// a + b·y, for a constant y.
#[inline(always)]
fn add<T: Real, V: Vectors<T>>(v: V, a: V::Vector, (b, y): (V::Vector, f64)) -> V::Vector {
    v.mul_add(b, T::from_double(y), a)
}

#[inline(always)]
fn times<T: Real, V: Vectors<T>>(v: V, a: V::Vector, x: f64) -> V::Vector {
    v.times(a, T::from_double(x))
}

/// One of the linear maps, on vectors of neighbouring channels.
trait Transform<T: Real, const M: usize, const N: usize> {
    fn apply<V: Vectors<T>>(v: V, x: [V::Vector; M]) -> [V::Vector; N];

    /// The map along the columns of a tile and then along its rows.
    #[inline(always)]
    fn both<V: Vectors<T>>(v: V, tile: [[V::Vector; M]; M]) -> [[V::Vector; N]; N] {
        let zero = v.splat(T::zero());
        let mut half = [[zero; M]; N];
        for j in 0..M {
            let mut column = [zero; M];
            for i in 0..M {
                column[i] = tile[i][j];
            }
            let column = Self::apply(v, column);
            for i in 0..N {
                half[i][j] = column[i];
            }
        }
        let mut whole = [[zero; N]; N];
        for i in 0..N {
            whole[i] = Self::apply(v, half[i]);
        }
        whole
    }
}

/// Bᵀ·d.
struct Input;

impl<T: Real> Transform<T, 6, 6> for Input {
    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, d: [V::Vector; 6]) -> [V::Vector; 6] {
        let near = add(v, d[4], (d[2], -FAR2));
        let far = add(v, d[4], (d[2], -NEAR2));
        let near_odd = sum(v, (d[3], NEAR), (d[1], -NEAR * FAR2));
        let far_odd = sum(v, (d[3], FAR), (d[1], -FAR * NEAR2));
        [
            add(v, add(v, d[4], (d[2], -NEAR2 - FAR2)), (d[0], BOTH2)),
            v.plus(near, near_odd),
            v.minus(near, near_odd),
            v.plus(far, far_odd),
            v.minus(far, far_odd),
            add(v, add(v, d[5], (d[3], -NEAR2 - FAR2)), (d[1], BOTH2)),
        ]
    }
}

/// B·v, the adjoint of [`Input`].
struct InputAdjoint;

impl<T: Real> Transform<T, 6, 6> for InputAdjoint {
    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, d: [V::Vector; 6]) -> [V::Vector; 6] {
        let (near, far) = (v.plus(d[1], d[2]), v.plus(d[3], d[4]));
        let near_odd = times(v, v.minus(d[1], d[2]), NEAR);
        let far_odd = times(v, v.minus(d[3], d[4]), FAR);
        let even = sum(v, (near, -FAR2), (far, -NEAR2));
        let odd = sum(v, (near_odd, -FAR2), (far_odd, -NEAR2));
        [
            times(v, d[0], BOTH2),
            add(v, odd, (d[5], BOTH2)),
            add(v, even, (d[0], -NEAR2 - FAR2)),
            add(v, v.plus(near_odd, far_odd), (d[5], -NEAR2 - FAR2)),
            v.plus(d[0], v.plus(near, far)),
            d[5],
        ]
    }
}

/// Aᵀ·m.
struct Output;

impl<T: Real> Transform<T, 6, 4> for Output {
    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, m: [V::Vector; 6]) -> [V::Vector; 4] {
        let (near, far) = (v.plus(m[1], m[2]), v.plus(m[3], m[4]));
        let near_odd = times(v, v.minus(m[1], m[2]), NEAR);
        let far_odd = times(v, v.minus(m[3], m[4]), FAR);
        [
            v.plus(m[0], v.plus(near, far)),
            v.plus(near_odd, far_odd),
            sum(v, (near, NEAR2), (far, FAR2)),
            v.plus(m[5], sum(v, (near_odd, NEAR2), (far_odd, FAR2))),
        ]
    }
}

/// A·y, the adjoint of [`Output`].
struct OutputAdjoint;

impl<T: Real> Transform<T, 4, 6> for OutputAdjoint {
    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, y: [V::Vector; 4]) -> [V::Vector; 6] {
        let (near, far) = (add(v, y[0], (y[2], NEAR2)), add(v, y[0], (y[2], FAR2)));
        let near_odd = sum(v, (y[1], NEAR), (y[3], NEAR * NEAR2));
        let far_odd = sum(v, (y[1], FAR), (y[3], FAR * FAR2));
        [
            y[0],
            v.plus(near, near_odd),
            v.minus(near, near_odd),
            v.plus(far, far_odd),
            v.minus(far, far_odd),
            y[3],
        ]
    }
}

/// G·w.
struct Weight;

impl<T: Real> Transform<T, 3, 6> for Weight {
    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, w: [V::Vector; 3]) -> [V::Vector; 6] {
        let near = times(v, add(v, w[0], (w[2], NEAR2)), NEAR_SHARE);
        let far = times(v, add(v, w[0], (w[2], FAR2)), FAR_SHARE);
        let near_odd = times(v, w[1], NEAR * NEAR_SHARE);
        let far_odd = times(v, w[1], FAR * FAR_SHARE);
        [
            times(v, w[0], 1.0 / BOTH2),
            v.plus(near, near_odd),
            v.minus(near, near_odd),
            v.plus(far, far_odd),
            v.minus(far, far_odd),
            w[2],
        ]
    }
}

/// Gᵀ·u, the adjoint of [`Weight`].
struct WeightAdjoint;

impl<T: Real> Transform<T, 6, 3> for WeightAdjoint {
    #[inline(always)]
    fn apply<V: Vectors<T>>(v: V, u: [V::Vector; 6]) -> [V::Vector; 3] {
        let near = times(v, v.plus(u[1], u[2]), NEAR_SHARE);
        let far = times(v, v.plus(u[3], u[4]), FAR_SHARE);
        let (near_odd, far_odd) = (v.minus(u[1], u[2]), v.minus(u[3], u[4]));
        [
            add(v, v.plus(near, far), (u[0], 1.0 / BOTH2)),
            sum(v, (near_odd, NEAR * NEAR_SHARE), (far_odd, FAR * FAR_SHARE)),
            v.plus(u[5], sum(v, (near, NEAR2), (far, FAR2))),
        ]
    }
}

/// The entries of a square tile whose places may lie outside of an image.
#[derive(Clone, Copy)]
struct Places {
    shape: Shape,
    /// The tile's first row and column, where the image's border is at `padding`.
    first: (usize, usize),
    padding: (usize, usize),
}

impl Places {
    /// Where the channel `channel` of entry (i, j) lies.
    #[inline(always)]
    fn at(&self, i: usize, j: usize, channel: usize) -> Option<Range<usize>> {
        let Shape { channels, width, height } = self.shape;
        let row = (self.first.0 + i).wrapping_sub(self.padding.0);
        let column = (self.first.1 + j).wrapping_sub(self.padding.1);
        let start = (row.wrapping_mul(width).wrapping_add(column)).wrapping_mul(channels);
        (row < height && column < width).then(|| start + channel..start + channels)
    }
}

/// V = Bᵀ·d·B for every tile of a band.
struct Inputs<'a, T> {
    layer: &'a Convolution,
    band: &'a Band,
    x: &'a [T],
    v: &'a mut [T],
}

/// Where a band's tiles lie on the layer's input.
#[inline(always)]
fn input_places(layer: &Convolution, row: usize, column: usize) -> Places {
    let padding = layer.geometry.window.padding;
    Places {
        shape: layer.geometry.input,
        first: (row * TILE, column * TILE),
        padding: (padding.height, padding.width),
    }
}

impl<T: Real> Task<T> for Inputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let channels = self.layer.geometry.input.channels;
        let plane = self.band.tiles() * channels;
        let mut to = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                for channel in (0..channels).step_by(lanes) {
                    let mut d = [[v.splat(T::zero()); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            if let Some(at) = places.at(i, j, channel) {
                                d[i][j] = v.load(&self.x[at]);
                            }
                        }
                    }
                    let image = Input::both(v, d);
                    let end = to + channels - channel;
                    let end = end.min(to + lanes);
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            v.store(&mut self.v[plane + to..plane + end], image[i][j]);
                        }
                    }
                    to = end;
                }
            }
        }
    }
}

/// y = Aᵀ·m·A + b for every tile of a band.
struct Outputs<'a, T> {
    band: &'a Band,
    /// What of the output is wanted.
    shape: Shape,
    m: &'a [T],
    bias: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Outputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let filters = self.shape.channels;
        let plane = self.band.tiles() * filters;
        let mut from = 0;
        for row in 0..self.band.rows.len() {
            for column in 0..self.band.across {
                let first = (row * TILE, column * TILE);
                let places = Places { shape: self.shape, first, padding: (0, 0) };
                for filter in (0..filters).step_by(lanes) {
                    let end = (from + filters - filter).min(from + lanes);
                    let mut m = [[v.splat(T::zero()); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            m[i][j] = v.load(&self.m[plane + from..plane + end]);
                        }
                    }
                    let bias = v.load(&self.bias[filter..filters.min(filter + lanes)]);
                    let y = Output::both(v, m);
                    for i in 0..TILE {
                        for j in 0..TILE {
                            if let Some(at) = places.at(i, j, filter) {
                                let at = at.start..at.end.min(at.start + lanes);
                                v.store(&mut self.y[at], v.plus(y[i][j], bias));
                            }
                        }
                    }
                    from = end;
                }
            }
        }
    }
}

/// dM = A·dy·Aᵀ for every tile of a band.
struct OutputGradients<'a, T> {
    band: &'a Band,
    output: Shape,
    dy: &'a [T],
    dm: &'a mut [T],
}

impl<T: Real> Task<T> for OutputGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let filters = self.output.channels;
        let plane = self.band.tiles() * filters;
        let mut to = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let first = (row * TILE, column * TILE);
                let places = Places { shape: self.output, first, padding: (0, 0) };
                for filter in (0..filters).step_by(lanes) {
                    let mut dy = [[v.splat(T::zero()); TILE]; TILE];
                    for i in 0..TILE {
                        for j in 0..TILE {
                            if let Some(at) = places.at(i, j, filter) {
                                dy[i][j] = v.load(&self.dy[at]);
                            }
                        }
                    }
                    let dm = OutputAdjoint::both(v, dy);
                    let end = (to + filters - filter).min(to + lanes);
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            v.store(&mut self.dm[plane + to..plane + end], dm[i][j]);
                        }
                    }
                    to = end;
                }
            }
        }
    }
}

/// dx ← dx + B·dV·Bᵀ for every tile of a band.
struct InputGradients<'a, T> {
    layer: &'a Convolution,
    band: &'a Band,
    dv: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> Task<T> for InputGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let channels = self.layer.geometry.input.channels;
        let plane = self.band.tiles() * channels;
        let mut from = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                for channel in (0..channels).step_by(lanes) {
                    let end = (from + channels - channel).min(from + lanes);
                    let mut dv = [[v.splat(T::zero()); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            dv[i][j] = v.load(&self.dv[plane + from..plane + end]);
                        }
                    }
                    let d = InputAdjoint::both(v, dv);
                    for i in 0..REACH {
                        for j in 0..REACH {
                            if let Some(at) = places.at(i, j, channel) {
                                let dx = &mut self.dx[at.start..at.end.min(at.start + lanes)];
                                v.store(dx, v.plus(v.load(dx), d[i][j]));
                            }
                        }
                    }
                    from = end;
                }
            }
        }
    }
}

/// U = G·w·Gᵀ for every pair of filter and channel.
struct Weights<'a, T> {
    weight: &'a [T],
    u: &'a mut [T],
}

impl<T: Real> Task<T> for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let pairs = self.weight.len() / 9;
        for start in (0..pairs).step_by(lanes) {
            let end = pairs.min(start + lanes);
            let mut w = [[v.splat(T::zero()); 3]; 3];
            for i in 0..3 {
                for j in 0..3 {
                    let plane = (i * 3 + j) * pairs;
                    w[i][j] = v.load(&self.weight[plane + start..plane + end]);
                }
            }
            let u = Weight::both(v, w);
            for i in 0..REACH {
                for j in 0..REACH {
                    let plane = (i * REACH + j) * pairs;
                    v.store(&mut self.u[plane + start..plane + end], u[i][j]);
                }
            }
        }
    }
}

/// dw = Gᵀ·dU·G for every pair of filter and channel.
struct WeightGradients<'a, T> {
    du: &'a [T],
    gradient: &'a mut [T],
}

impl<T: Real> Task<T> for WeightGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let lanes = v.lanes();
        let pairs = self.du.len() / TAPS;
        for start in (0..pairs).step_by(lanes) {
            let end = pairs.min(start + lanes);
            let mut du = [[v.splat(T::zero()); REACH]; REACH];
            for i in 0..REACH {
                for j in 0..REACH {
                    let plane = (i * REACH + j) * pairs;
                    du[i][j] = v.load(&self.du[plane + start..plane + end]);
                }
            }
            let dw = WeightAdjoint::both(v, du);
            for i in 0..3 {
                for j in 0..3 {
                    let plane = (i * 3 + j) * pairs;
                    v.store(&mut self.gradient[plane + start..plane + end], dw[i][j]);
                }
            }
        }
    }
}
