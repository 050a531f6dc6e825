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

use std::ops::{Add, Mul, Range, Sub};

use linalg::gathered::{Gather, add_outer_products, pack, packed_len, product};
use linalg::lanes::{Task, run};
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

/// Numbers of neighbouring channels, which take the same way through every transform.
#[derive(Clone, Copy)]
struct Lane<T>([T; LANES]);
const LANES: usize = 16;

impl<T: Real> Lane<T> {
    #[inline(always)]
    fn zero() -> Self {
        Self([T::zero(); LANES])
    }

    /// The first numbers of `x`, or as many as there are.
    #[inline(always)]
    fn load(x: &[T]) -> Self {
        match x.first_chunk() {
            Some(x) => Self(*x),
            None => {
                let mut lane = Self::zero();
                lane.0[..x.len()].copy_from_slice(x);
                lane
            }
        }
    }

    #[inline(always)]
    fn store(self, x: &mut [T]) {
        match x.first_chunk_mut() {
            Some(x) => *x = self.0,
            None => x.copy_from_slice(&self.0[..x.len()]),
        }
    }
}

impl<T: Real> Add for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for l in 0..LANES {
            self.0[l] += other.0[l];
        }
        self
    }
}

impl<T: Real> Sub for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for l in 0..LANES {
            self.0[l] -= other.0[l];
        }
        self
    }
}

impl<T: Real> Mul<f64> for Lane<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(mut self, factor: f64) -> Self {
        let factor = T::from_double(factor);
        for l in 0..LANES {
            self.0[l] *= factor;
        }
        self
    }
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

/// Bᵀ·d.
#[inline(always)]
fn input<T: Real>(d: [Lane<T>; 6]) -> [Lane<T>; 6] {
    let (near, far) = (d[4] - d[2] * FAR2, d[4] - d[2] * NEAR2);
    let (near_odd, far_odd) = ((d[3] - d[1] * FAR2) * NEAR, (d[3] - d[1] * NEAR2) * FAR);
    [
        d[0] * BOTH2 - d[2] * (NEAR2 + FAR2) + d[4],
        near + near_odd,
        near - near_odd,
        far + far_odd,
        far - far_odd,
        d[1] * BOTH2 - d[3] * (NEAR2 + FAR2) + d[5],
    ]
}

/// B·v, the adjoint of [`input`].
#[inline(always)]
fn input_adjoint<T: Real>(v: [Lane<T>; 6]) -> [Lane<T>; 6] {
    let (near, far) = (v[1] + v[2], v[3] + v[4]);
    let (near_odd, far_odd) = ((v[1] - v[2]) * NEAR, (v[3] - v[4]) * FAR);
    [
        v[0] * BOTH2,
        v[5] * BOTH2 - near_odd * FAR2 - far_odd * NEAR2,
        Lane::zero() - v[0] * (NEAR2 + FAR2) - near * FAR2 - far * NEAR2,
        near_odd + far_odd - v[5] * (NEAR2 + FAR2),
        v[0] + near + far,
        v[5],
    ]
}

/// Aᵀ·m.
#[inline(always)]
fn output<T: Real>(m: [Lane<T>; 6]) -> [Lane<T>; 4] {
    let (near, far) = (m[1] + m[2], m[3] + m[4]);
    let (near_odd, far_odd) = ((m[1] - m[2]) * NEAR, (m[3] - m[4]) * FAR);
    [
        m[0] + near + far,
        near_odd + far_odd,
        near * NEAR2 + far * FAR2,
        near_odd * NEAR2 + far_odd * FAR2 + m[5],
    ]
}

/// A·y, the adjoint of [`output`].
#[inline(always)]
fn output_adjoint<T: Real>(y: [Lane<T>; 4]) -> [Lane<T>; 6] {
    let (near, far) = (y[0] + y[2] * NEAR2, y[0] + y[2] * FAR2);
    let (near_odd, far_odd) = ((y[1] + y[3] * NEAR2) * NEAR, (y[1] + y[3] * FAR2) * FAR);
    [y[0], near + near_odd, near - near_odd, far + far_odd, far - far_odd, y[3]]
}

/// G·w.
#[inline(always)]
fn weight<T: Real>(w: [Lane<T>; 3]) -> [Lane<T>; 6] {
    let near = (w[0] + w[2] * NEAR2) * NEAR_SHARE;
    let far = (w[0] + w[2] * FAR2) * FAR_SHARE;
    let (near_odd, far_odd) = (w[1] * (NEAR * NEAR_SHARE), w[1] * (FAR * FAR_SHARE));
    [w[0] * (1.0 / BOTH2), near + near_odd, near - near_odd, far + far_odd, far - far_odd, w[2]]
}

/// Gᵀ·u, the adjoint of [`weight`].
#[inline(always)]
fn weight_adjoint<T: Real>(u: [Lane<T>; 6]) -> [Lane<T>; 3] {
    let (near, far) = ((u[1] + u[2]) * NEAR_SHARE, (u[3] + u[4]) * FAR_SHARE);
    let near_odd = (u[1] - u[2]) * (NEAR * NEAR_SHARE);
    let far_odd = (u[3] - u[4]) * (FAR * FAR_SHARE);
    [u[0] * (1.0 / BOTH2) + near + far, near_odd + far_odd, near * NEAR2 + far * FAR2 + u[5]]
}

/// `f` along the columns of a tile and then along its rows.
#[inline(always)]
fn both<T: Real, const M: usize, const N: usize>(
    tile: [[Lane<T>; M]; M],
    f: impl Fn([Lane<T>; M]) -> [Lane<T>; N],
) -> [[Lane<T>; N]; N] {
    let mut half = [[Lane::zero(); M]; N];
    for j in 0..M {
        let mut column = [Lane::zero(); M];
        for i in 0..M {
            column[i] = tile[i][j];
        }
        let column = f(column);
        for i in 0..N {
            half[i][j] = column[i];
        }
    }
    let mut whole = [[Lane::zero(); N]; N];
    for i in 0..N {
        whole[i] = f(half[i]);
    }
    whole
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

impl<T: Real> Task for Inputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let channels = self.layer.geometry.input.channels;
        let plane = self.band.tiles() * channels;
        let mut to = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                for channel in (0..channels).step_by(LANES) {
                    let mut d = [[Lane::zero(); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            if let Some(at) = places.at(i, j, channel) {
                                d[i][j] = Lane::load(&self.x[at]);
                            }
                        }
                    }
                    let v = both(d, input);
                    let end = to + channels - channel;
                    let end = end.min(to + LANES);
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            v[i][j].store(&mut self.v[plane + to..plane + end]);
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

impl<T: Real> Task for Outputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let filters = self.shape.channels;
        let plane = self.band.tiles() * filters;
        let mut from = 0;
        for row in 0..self.band.rows.len() {
            for column in 0..self.band.across {
                let first = (row * TILE, column * TILE);
                let places = Places { shape: self.shape, first, padding: (0, 0) };
                for filter in (0..filters).step_by(LANES) {
                    let end = (from + filters - filter).min(from + LANES);
                    let mut m = [[Lane::zero(); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            m[i][j] = Lane::load(&self.m[plane + from..plane + end]);
                        }
                    }
                    let bias = Lane::load(&self.bias[filter..filters.min(filter + LANES)]);
                    let y = both(m, output);
                    for i in 0..TILE {
                        for j in 0..TILE {
                            if let Some(at) = places.at(i, j, filter) {
                                let at = at.start..at.end.min(at.start + LANES);
                                (y[i][j] + bias).store(&mut self.y[at]);
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

impl<T: Real> Task for OutputGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let filters = self.output.channels;
        let plane = self.band.tiles() * filters;
        let mut to = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let first = (row * TILE, column * TILE);
                let places = Places { shape: self.output, first, padding: (0, 0) };
                for filter in (0..filters).step_by(LANES) {
                    let mut dy = [[Lane::zero(); TILE]; TILE];
                    for i in 0..TILE {
                        for j in 0..TILE {
                            if let Some(at) = places.at(i, j, filter) {
                                dy[i][j] = Lane::load(&self.dy[at]);
                            }
                        }
                    }
                    let dm = both(dy, output_adjoint);
                    let end = (to + filters - filter).min(to + LANES);
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            dm[i][j].store(&mut self.dm[plane + to..plane + end]);
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

impl<T: Real> Task for InputGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let channels = self.layer.geometry.input.channels;
        let plane = self.band.tiles() * channels;
        let mut from = 0;
        for row in self.band.rows.clone() {
            for column in 0..self.band.across {
                let places = input_places(self.layer, row, column);
                for channel in (0..channels).step_by(LANES) {
                    let end = (from + channels - channel).min(from + LANES);
                    let mut dv = [[Lane::zero(); REACH]; REACH];
                    for i in 0..REACH {
                        for j in 0..REACH {
                            let plane = (i * REACH + j) * plane;
                            dv[i][j] = Lane::load(&self.dv[plane + from..plane + end]);
                        }
                    }
                    let d = both(dv, input_adjoint);
                    for i in 0..REACH {
                        for j in 0..REACH {
                            if let Some(at) = places.at(i, j, channel) {
                                let dx = &mut self.dx[at.start..at.end.min(at.start + LANES)];
                                (Lane::load(dx) + d[i][j]).store(dx);
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

impl<T: Real> Task for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let pairs = self.weight.len() / 9;
        for start in (0..pairs).step_by(LANES) {
            let end = pairs.min(start + LANES);
            let mut w = [[Lane::zero(); 3]; 3];
            for i in 0..3 {
                for j in 0..3 {
                    let plane = (i * 3 + j) * pairs;
                    w[i][j] = Lane::load(&self.weight[plane + start..plane + end]);
                }
            }
            let u = both(w, weight);
            for i in 0..REACH {
                for j in 0..REACH {
                    let plane = (i * REACH + j) * pairs;
                    u[i][j].store(&mut self.u[plane + start..plane + end]);
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

impl<T: Real> Task for WeightGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let pairs = self.du.len() / TAPS;
        for start in (0..pairs).step_by(LANES) {
            let end = pairs.min(start + LANES);
            let mut du = [[Lane::zero(); REACH]; REACH];
            for i in 0..REACH {
                for j in 0..REACH {
                    let plane = (i * REACH + j) * pairs;
                    du[i][j] = Lane::load(&self.du[plane + start..plane + end]);
                }
            }
            let dw = both(du, weight_adjoint);
            for i in 0..3 {
                for j in 0..3 {
                    let plane = (i * 3 + j) * pairs;
                    dw[i][j].store(&mut self.gradient[plane + start..plane + end]);
                }
            }
        }
    }
}
