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
use super::interpolation::{
    Input, InputAdjoint, Output, OutputAdjoint, Transform, Weight, WeightAdjoint,
};
use crate::Shape;

/// Entries of a transformed tile.
const TAPS: usize = 36;
/// Outputs of a tile along x and y.
pub(super) const TILE: usize = 4;
/// Inputs of a tile along x and y.
const REACH: usize = 6;
/// Tiles that are transformed at a time, so that they stay in the second-level cache.
const TILES: usize = 32;

/// From one of 36 planes of numbers to the next: by a cache line more than it holds, or all 36
/// would lie in one set of the first-level cache where sizes are powers of two.
const fn plane(numbers: usize) -> usize {
    numbers + 16
}

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
    TAPS * (plane(tiles * layer.geometry.input.channels) + plane(tiles * layer.filters()))
}

/// Numbers in the transformed weights' gradient.
pub(super) fn gradient_scratch(layer: &Convolution) -> usize {
    TAPS * plane(layer.filters() * layer.geometry.input.channels)
}

/// Numbers that [`prepare`] writes for the forward pass and for the input's gradient, 36 matrices
/// each, and those that it needs on the way.
pub(super) fn prepared<T: Real>(layer: &Convolution) -> [usize; 3] {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    [
        TAPS * packed_len::<T>(filters, channels),
        TAPS * packed_len::<T>(channels, filters),
        TAPS * plane(filters * channels) + 9 * filters * channels,
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
        for (u, packed) in u.chunks_exact(plane(weight.len() / 9)).zip(packed) {
            pack(rows, &u[..weight.len() / 9], packed)?;
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
    let (v, scratch) = scratch.split_at_mut(TAPS * plane(band.tiles() * channels));
    let m = &mut scratch[..TAPS * plane(band.tiles() * filters)];
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
    let (v, scratch) = scratch.split_at_mut(TAPS * plane(tiles * channels));
    let dm = &mut scratch[..TAPS * plane(tiles * filters)];
    run(Inputs { layer, band: &band, x, v });
    run(OutputGradients { band: &band, output, dy, dm });
    let columns = tile_columns(channels, tiles);
    let pairs =
        dm.chunks_exact(plane(tiles * filters)).zip(v.chunks_exact(plane(tiles * channels)));
    for (du, (dm, v)) in du.chunks_exact_mut(plane(filters * channels)).zip(pairs) {
        let du = &mut du[..filters * channels];
        add_outer_products(&dm[..tiles * filters], &columns, v, 0..tiles, du)?;
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
    let (dv, scratch) = scratch.split_at_mut(TAPS * plane(tiles * channels));
    let dm = &mut scratch[..TAPS * plane(tiles * filters)];
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
    let pairs =
        from.chunks_exact(plane(tiles * depth)).zip(to.chunks_exact_mut(plane(tiles * rows)));
    for (packed, (from, to)) in packed.zip(pairs) {
        product(packed, &columns, from, 0..tiles, &[], &mut to[..tiles * rows])?;
    }
    Ok(())
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
        let step = plane(self.band.tiles() * channels);
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
                            let plane = (i * REACH + j) * step;
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
        let step = plane(self.band.tiles() * filters);
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
                            let plane = (i * REACH + j) * step;
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
        let step = plane(self.band.tiles() * filters);
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
                            let plane = (i * REACH + j) * step;
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
        let step = plane(self.band.tiles() * channels);
        let mut from = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                for channel in (0..channels).step_by(lanes) {
                    let end = (from + channels - channel).min(from + lanes);
                    let mut dv = [[v.splat(T::zero()); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * step;
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
                    let plane = (i * REACH + j) * plane(pairs);
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
        let pairs = self.gradient.len() / 9;
        for start in (0..pairs).step_by(lanes) {
            let end = pairs.min(start + lanes);
            let mut du = [[v.splat(T::zero()); REACH]; REACH];
            for i in 0..REACH {
                for j in 0..REACH {
                    let plane = (i * REACH + j) * plane(pairs);
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
