//! Convolution summed from the input as it lies in memory: a column of the product is gathered
//! while it is multiplied.

use std::ops::Range;

use linalg::gathered::{Gather, add_outer_products, pack, packed_len, product};
use linalg::{Real, Result};

use super::Convolution;
use crate::window::Geometry;
use crate::{Extent, Passes, Shape};

/// Where the windows of an image with a border of zeros lie in memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Direct {
    /// Zeros on each side.
    border: Extent,
    /// The image with its border.
    bordered: Shape,
    segments: Vec<usize>,
    length: usize,
    step: usize,
    down: usize,
}

impl Direct {
    /// The windows on the input.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let window = geometry.window;
        Self::windows(geometry.input, window.padding, window.kernel, window.stride, window.dilation)
    }

    /// The windows on the output whose product with the flipped kernel is the input's gradient;
    /// `None` where the input's gradient is not such a product.
    pub(super) fn adjoint(geometry: &Geometry) -> Option<Self> {
        let (window, one) = (geometry.window, Extent::from(1));
        if window.stride != one || window.dilation != one {
            return None;
        }
        let border = Extent {
            width: (window.kernel.width - 1).checked_sub(window.padding.width)?,
            height: (window.kernel.height - 1).checked_sub(window.padding.height)?,
        };
        Some(Self::windows(geometry.output, border, window.kernel, one, one))
    }

    fn windows(
        image: Shape,
        border: Extent,
        kernel: Extent,
        stride: Extent,
        dilation: Extent,
    ) -> Self {
        let channels = image.channels;
        let bordered = Shape {
            channels,
            width: image.width + 2 * border.width,
            height: image.height + 2 * border.height,
        };
        let row = bordered.width * channels;
        let rows = (0..kernel.height).map(|j| j * dilation.height * row);
        // The taps of a row are one segment where they lie side by side.
        let (segments, length) = if dilation.width == 1 {
            (rows.collect(), kernel.width * channels)
        } else {
            let taps = |row| (0..kernel.width).map(move |i| row + i * dilation.width * channels);
            (rows.flat_map(taps).collect(), channels)
        };
        let (step, down) = (stride.width * channels, stride.height * row);
        Self { border, bordered, segments, length, step, down }
    }

    /// The windows where `across` of them lie in a row.
    fn gather(&self, across: usize) -> Gather<'_> {
        let Self { segments, length, step, down, .. } = self;
        Gather { segments, length: *length, across, step: *step, down: *down }
    }

    /// Numbers for the image with its border.
    pub(super) fn scratch(&self) -> usize {
        if self.border == Extent::from(0) { 0 } else { self.bordered.len() }
    }

    /// The image with its border of zeros, in `scratch` where there is one. Where the image is
    /// smaller than the windows' it is 0 beyond.
    pub(super) fn bordered<'a, T: Real>(
        &self,
        (image, shape): (&'a [T], Shape),
        scratch: &'a mut [T],
    ) -> &'a [T] {
        if self.scratch() == 0 {
            return image;
        }
        let Shape { channels, width, .. } = self.bordered;
        let bordered = &mut scratch[..self.bordered.len()];
        let left = self.border.width * channels;
        let filled = left..left + shape.width * channels;
        for (row, to) in bordered.chunks_exact_mut(width * channels).enumerate() {
            let from = row.wrapping_sub(self.border.height);
            if from < shape.height {
                to[..filled.start].fill(T::zero());
                to[filled.clone()].copy_from_slice(&image[from * filled.len()..][..filled.len()]);
                to[filled.end..].fill(T::zero());
            } else {
                to.fill(T::zero());
            }
        }
        bordered
    }

    /// The rows `rows` of the product of `packed` with the windows, `width` of them in each row,
    /// plus `offset`.
    pub(super) fn rows<T: Real>(
        &self,
        packed: &[T],
        offset: &[T],
        bordered: &[T],
        (rows, width): (Range<usize>, usize),
        y: &mut [T],
    ) -> Result<()> {
        let columns = rows.start * width..rows.end * width;
        product(packed, &self.gather(width), bordered, columns, offset, y)
    }

    /// dW ← dW + the sum over the places of the rows `rows`, `width` of them in each, of dy times
    /// the window.
    pub(super) fn add_weight_gradient<T: Real>(
        &self,
        bordered: &[T],
        dy: &[T],
        (rows, width): (Range<usize>, usize),
        gradient: &mut [T],
    ) -> Result<()> {
        let columns = rows.start * width..rows.end * width;
        add_outer_products(dy, &self.gather(width), bordered, columns, gradient)
    }
}

/// Numbers that [`prepare`] writes for the forward pass and for the input's gradient, and those
/// that it needs on the way.
pub(super) fn prepared<T: Real>(layer: &Convolution) -> [usize; 3] {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let taps = layer.geometry.window.kernel.places();
    [
        packed_len::<T>(filters, taps * channels),
        packed_len::<T>(channels, taps * filters),
        filters * channels * taps,
    ]
}

/// The weights as they are for the forward pass; flipped in x and y, and with channels and filters
/// exchanged, for the input's gradient.
pub(super) fn prepare<T: Real>(
    layer: &Convolution,
    weight: &[T],
    passes: Passes,
    prepared: &mut [T],
) -> Result<()> {
    let (filters, channels) = (layer.filters(), layer.geometry.input.channels);
    let [forward, backward, _] = self::prepared::<T>(layer);
    let (forward, rest) = prepared.split_at_mut(forward);
    let (backward, flipped) = rest.split_at_mut(backward);
    pack(filters, weight, forward)?;
    if passes == Passes::Forward {
        return Ok(());
    }
    transpose_taps(weight, (filters, channels), flipped);
    let tap = filters * channels;
    let taps = weight.len() / tap;
    for at in 0..taps / 2 {
        let (left, right) = flipped.split_at_mut((taps - 1 - at) * tap);
        left[at * tap..][..tap].swap_with_slice(&mut right[..tap]);
    }
    pack(channels, flipped, backward)
}

/// The weights of each tap, filters x channels, as channels x filters.
pub(super) fn transpose_taps<T: Real>(
    weight: &[T],
    (filters, channels): (usize, usize),
    transposed: &mut [T],
) {
    let tap = filters * channels;
    for (to, from) in transposed.chunks_exact_mut(tap).zip(weight.chunks_exact(tap)) {
        for (filter, to) in to.chunks_exact_mut(channels).enumerate() {
            for (to, from) in to.iter_mut().zip(from[filter..].iter().step_by(filters)) {
                *to = *from;
            }
        }
    }
}
