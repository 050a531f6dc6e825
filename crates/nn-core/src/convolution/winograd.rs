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

use linalg::gathered::{Gather, add_outer_products, packed_len, product};
use linalg::lanes::run;
use linalg::{Real, Result};

use super::Convolution;
use super::direct::transpose_taps;
use super::then::{Delta, Then};
use super::tiles::{
    Band, InputGradients, Inputs, OutputGradients, Outputs, WeightGradients, Weights, plane,
};
use crate::{Passes, Shape};

/// Entries of a transformed tile.
const TAPS: usize = 36;
/// Outputs of a tile along x and y.
pub(super) const TILE: usize = 4;
/// Inputs of a tile along x and y.
pub(super) const REACH: usize = 6;
/// Tiles that are transformed at a time, so that they stay in the second-level cache.
const TILES: usize = 32;

/// Rows of outputs that are computed at a time, a multiple of the tile's.
pub(super) fn band(layer: &Convolution) -> usize {
    (TILES / layer.geometry.output.width.div_ceil(TILE)).max(1) * TILE
}

/// Numbers in the transformed tiles of a band, with `channels` channels each.
fn planes(layer: &Convolution, channels: usize) -> usize {
    let tiles = layer.geometry.output.width.div_ceil(TILE) * band(layer) / TILE;
    TAPS * plane(tiles * channels)
}

/// Numbers that the forward pass over a band needs.
pub(super) fn forward_scratch(layer: &Convolution) -> usize {
    planes(layer, layer.geometry.input.channels) + planes(layer, layer.filters())
}

/// Numbers in the transformed weights' gradient.
pub(super) fn gradient_scratch(layer: &Convolution) -> usize {
    TAPS * plane(layer.filters() * layer.geometry.input.channels)
}

/// Numbers that the backward pass needs: dM; V; dV.
pub(super) fn backward_scratch(layer: &Convolution) -> [usize; 3] {
    let v = planes(layer, layer.geometry.input.channels);
    [planes(layer, layer.filters()), v, v]
}

/// Numbers that [`prepare`] writes for the forward pass and for the input's gradient, 36 matrices
/// each, and those that it needs on the way.
pub(super) fn prepared<T: Real>(layer: &Convolution) -> [usize; 3] {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    [
        TAPS * packed_len::<T>(filters, channels),
        TAPS * packed_len::<T>(channels, filters),
        9 * filters * channels,
    ]
}

/// U for each pair of filter and channel, packed for the products of the passes.
pub(super) fn prepare<T: Real>(
    layer: &Convolution,
    weight: &[T],
    passes: Passes,
    prepared: &mut [T],
) {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let [forward, backward, _] = self::prepared::<T>(layer);
    let (forward, rest) = prepared.split_at_mut(forward);
    run(Weights { weight, rows: filters, packed: forward });
    if passes == Passes::Both {
        let (backward, exchanged) = rest.split_at_mut(backward);
        transpose_taps(weight, (filters, channels), exchanged);
        run(Weights { weight: exchanged, rows: channels, packed: backward });
    }
}

/// The rows `rows` of the output, of which the first is a multiple of 4 and the first `width`
/// places of each are wanted, and what follows them, into `y`, and into `record` unless that is empty.
pub(super) fn rows<T: Real>(
    (layer, then): (&Convolution, Then),
    (packed, bias): (&[T], &[T]),
    x: &[T],
    (rows, width): (Range<usize>, usize),
    (y, record): (&mut [T], &mut [T]),
    scratch: &mut [T],
) -> Result<()> {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let band = Band::new(width, rows.clone());
    let (v, scratch) = scratch.split_at_mut(TAPS * plane(band.tiles() * channels));
    let m = &mut scratch[..TAPS * plane(band.tiles() * filters)];
    run(Inputs { layer, band: &band, x, v });
    multiply(packed, channels, v, filters, m, band.tiles())?;
    let stride = then.stride();
    let output = Shape { channels: filters, width: width / stride, height: rows.len() / stride };
    run(Outputs { band: &band, then, output, m, bias, y, record });
    Ok(())
}

/// The tiles of a band, and dM of each.
pub(super) struct Gradients<'a, T> {
    layer: &'a Convolution,
    band: Band,
    dm: &'a [T],
}

impl<'a, T: Real> Gradients<'a, T> {
    /// dM = A·dz·Aᵀ for the rows `rows` of z, of which the first is a multiple of 4, in `scratch`;
    /// the sum of their dz is added to `sums` unless that is empty.
    pub(super) fn new(
        layer: &'a Convolution,
        delta: &Delta<'_, T>,
        rows: Range<usize>,
        scratch: &'a mut [T],
        sums: &mut [T],
    ) -> Self {
        let band = Band::new(delta.output.width * delta.then.stride(), rows);
        let dm = &mut scratch[..TAPS * plane(band.tiles() * layer.filters())];
        run(OutputGradients { band: &band, delta, dm, sums });
        Self { layer, band, dm }
    }

    /// dU ← dU + the band's share.
    pub(super) fn add_to_weights(&self, x: &[T], du: &mut [T], scratch: &mut [T]) -> Result<()> {
        let Self { layer, band, dm } = self;
        let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
        let tiles = band.tiles();
        let v = &mut scratch[..TAPS * plane(tiles * channels)];
        run(Inputs { layer, band, x, v });
        let columns = tile_columns(channels, tiles);
        let pairs =
            dm.chunks_exact(plane(tiles * filters)).zip(v.chunks_exact(plane(tiles * channels)));
        for (du, (dm, v)) in du.chunks_exact_mut(plane(filters * channels)).zip(pairs) {
            let du = &mut du[..filters * channels];
            add_outer_products(&dm[..tiles * filters], 0..filters, &columns.on(v, 0..tiles), du)?;
        }
        Ok(())
    }

    /// dx ← dx + the band's share, with U packed for it.
    pub(super) fn add_to_input(&self, packed: &[T], dx: &mut [T], scratch: &mut [T]) -> Result<()> {
        let Self { layer, band, dm } = self;
        let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
        let dv = &mut scratch[..TAPS * plane(band.tiles() * channels)];
        multiply(packed, filters, dm, channels, dv, band.tiles())?;
        run(InputGradients { layer, band, dv, dx });
        Ok(())
    }
}

/// dW = Gᵀ·dU·G.
pub(super) fn finish_weight_gradient<T: Real>(du: &[T], gradient: &mut [T]) {
    run(WeightGradients { du, gradient });
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
        product(packed, &columns.on(from, 0..tiles), &[], 0..rows, &mut to[..tiles * rows])?;
    }
    Ok(())
}
