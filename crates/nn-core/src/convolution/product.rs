//! Convolution as a product of the weights with the windows, copied into a matrix a tile at a time.
//! It does every convolution, and is what the other forms are held against.

use linalg::{DMatrixView, DMatrixViewMut, Real, Result, Threads, gemm, transpose};

use super::Convolution;

/// Windows in a tile, so that the copies stay in the second-level cache.
const TILE: usize = 256;

/// Numbers that the passes need.
pub(super) fn scratch(layer: &Convolution) -> usize {
    layer.depth() * TILE.min(layer.geometry.output.places())
}

/// The tiles of an image's places.
fn tiles(places: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..places).step_by(TILE).map(move |start| start..places.min(start + TILE))
}

/// y ← A·x (+ b, where a bias is given), for one image.
pub(super) fn forward<T: Real>(
    layer: &Convolution,
    weight: &[T],
    bias: Option<&[T]>,
    x: &[T],
    y: &mut [T],
    scratch: &mut [T],
) -> Result<()> {
    let (filters, depth) = (layer.filters(), layer.depth());
    for column in y.chunks_exact_mut(filters) {
        match bias {
            Some(bias) => column.copy_from_slice(bias),
            None => column.fill(T::zero()),
        }
    }
    let weight = DMatrixView::from_slice(weight, filters, depth);
    for places in tiles(layer.geometry.output.places()) {
        let y = &mut y[places.start * filters..places.end * filters];
        let mut y = DMatrixViewMut::from_slice(y, filters, places.len());
        for group in 0..layer.groups {
            let (own, channels) = layer.group(group);
            let patches = &mut scratch[..depth * places.len()];
            layer.geometry.gather(x, channels, places.clone(), patches);
            let patches = DMatrixView::from_slice(patches, depth, places.len());
            let (a, c) = (weight.rows_range(own.clone()), y.rows_range_mut(own));
            gemm(T::one(), a, patches, T::one(), c, Threads::One)?;
        }
    }
    Ok(())
}

/// dW ← dW + the sum over the places of dy times the window, for one image.
pub(super) fn weight_gradient<T: Real>(
    layer: &Convolution,
    x: &[T],
    dy: &[T],
    gradient: &mut [T],
    scratch: &mut [T],
) -> Result<()> {
    let (filters, depth) = (layer.filters(), layer.depth());
    let mut gradient = DMatrixViewMut::from_slice(gradient, filters, depth);
    for places in tiles(layer.geometry.output.places()) {
        let dy = &dy[places.start * filters..places.end * filters];
        let dy = DMatrixView::from_slice(dy, filters, places.len());
        for group in 0..layer.groups {
            let (own, channels) = layer.group(group);
            let patches = &mut scratch[..depth * places.len()];
            layer.geometry.gather(x, channels, places.clone(), patches);
            let patches = DMatrixView::from_slice(patches, depth, places.len());
            let (a, c) = (dy.rows_range(own.clone()), gradient.rows_range_mut(own));
            gemm(T::one(), a, transpose(patches), T::one(), c, Threads::One)?;
        }
    }
    Ok(())
}

/// dx ← Aᵀ·dy, for one image.
pub(super) fn input_gradient<T: Real>(
    layer: &Convolution,
    weight: &[T],
    dy: &[T],
    dx: &mut [T],
    scratch: &mut [T],
) -> Result<()> {
    let (filters, depth) = (layer.filters(), layer.depth());
    dx.fill(T::zero());
    let weight = DMatrixView::from_slice(weight, filters, depth);
    for places in tiles(layer.geometry.output.places()) {
        let dy = &dy[places.start * filters..places.end * filters];
        let dy = DMatrixView::from_slice(dy, filters, places.len());
        for group in 0..layer.groups {
            let (own, channels) = layer.group(group);
            let patches = &mut scratch[..depth * places.len()];
            let c = DMatrixViewMut::from_slice(patches, depth, places.len());
            let a = transpose(weight.rows_range(own.clone()));
            gemm(T::one(), a, dy.rows_range(own), T::zero(), c, Threads::One)?;
            layer.geometry.scatter(patches, channels, places.clone(), dx);
        }
    }
    Ok(())
}
