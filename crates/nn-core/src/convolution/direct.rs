//! Convolution summed from the input as it lies in memory: a column of the product is gathered
//! while it is multiplied.
//!
//! Groups of few channels are computed in bundles, each as one group whose weights between different groups are
//! 0: there a vector has room for several.

use std::ops::Range;

use linalg::gathered::{Gather, add_outer_products, pack, packed_len, product};
use linalg::{Real, Result};

use super::Convolution;
use crate::window::{Geometry, Window};
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
    /// Bundles of groups, each with windows of its own channels.
    bundles: usize,
}

/// Bundles of so many groups.
fn bundles(geometry: &Geometry, groups: usize) -> usize {
    /// Channels or filters in a bundle of several groups: as many as all machines have lanes for.
    const MOST: usize = 8;
    let size = geometry.input.channels.max(geometry.output.channels) / groups;
    let fits = |&count: &usize| groups.is_multiple_of(count) && count * size <= MOST;
    groups / (1..=groups.min(MOST)).rev().find(fits).unwrap_or(1)
}

impl Direct {
    /// The windows on the input.
    pub(super) fn new(geometry: &Geometry, groups: usize) -> Self {
        Self::windows(geometry.input, geometry.window, bundles(geometry, groups))
    }

    /// The windows on the output whose product with the flipped kernel is the input's gradient;
    /// `None` where the input's gradient is not such a product.
    pub(super) fn adjoint(geometry: &Geometry, groups: usize) -> Option<Self> {
        let (window, one) = (geometry.window, Extent::from(1));
        if window.stride != one || window.dilation != one {
            return None;
        }
        let border = Extent {
            width: (window.kernel.width - 1).checked_sub(window.padding.width)?,
            height: (window.kernel.height - 1).checked_sub(window.padding.height)?,
        };
        let window = Window { padding: border, ..window };
        Some(Self::windows(geometry.output, window, bundles(geometry, groups)))
    }

    fn windows(image: Shape, window: Window, bundles: usize) -> Self {
        let Window { kernel, stride, padding: border, dilation } = window;
        let channels = image.channels;
        let bordered = Shape {
            channels,
            width: image.width + 2 * border.width,
            height: image.height + 2 * border.height,
        };
        let row = bordered.width * channels;
        let rows = (0..kernel.height).map(|j| j * dilation.height * row);
        // The taps of a row are one segment where they lie side by side.
        let (segments, length) = if dilation.width == 1 && bundles == 1 {
            (rows.collect(), kernel.width * channels)
        } else {
            let taps = |row| (0..kernel.width).map(move |i| row + i * dilation.width * channels);
            (rows.flat_map(taps).collect(), channels / bundles)
        };
        let (step, down) = (stride.width * channels, stride.height * row);
        Self { border, bordered, segments, length, step, down, bundles }
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
        let (columns, gather) = (rows.start * width..rows.end * width, self.gather(width));
        let outputs = y.len() / columns.len().max(1);
        for bundle in 0..self.bundles {
            let x = &bordered[share(self.bordered.channels, bundle, self.bundles).start..];
            let packed = &packed[share(packed.len(), bundle, self.bundles)];
            let offset = &offset[share(offset.len(), bundle, self.bundles)];
            let own = share(outputs, bundle, self.bundles);
            product(packed, &gather.on(x, columns.clone()), offset, own, y)?;
        }
        Ok(())
    }

    /// dW ← dW + the sum over the places of the rows `rows`, `width` of them in each, of dy times
    /// the window, dW bundle by bundle.
    pub(super) fn add_weight_gradient<T: Real>(
        &self,
        bordered: &[T],
        dy: &[T],
        (rows, width): (Range<usize>, usize),
        gradient: &mut [T],
    ) -> Result<()> {
        let (columns, gather) = (rows.start * width..rows.end * width, self.gather(width));
        let outputs = dy.len() / columns.len().max(1);
        for bundle in 0..self.bundles {
            let x = &bordered[share(self.bordered.channels, bundle, self.bundles).start..];
            let own = share(outputs, bundle, self.bundles);
            let sums = share(gradient.len(), bundle, self.bundles);
            let p = gather.on(x, columns.clone());
            add_outer_products(dy, own, &p, &mut gradient[sums])?;
        }
        Ok(())
    }
}

/// Part `index` of `len` things in `parts` equal parts.
fn share(len: usize, index: usize, parts: usize) -> Range<usize> {
    let own = len / parts;
    index * own..(index + 1) * own
}

/// Numbers that [`prepare`] writes for the forward pass and for the input's gradient, and those
/// that it needs on the way.
pub(super) fn prepared<T: Real>(layer: &Convolution) -> [usize; 3] {
    let bundles = layer.direct.bundles;
    let filters = layer.filters() / bundles;
    let channels = layer.geometry.input.channels / bundles;
    let taps = layer.geometry.window.kernel.places();
    [
        bundles * packed_len::<T>(filters, taps * channels),
        bundles * packed_len::<T>(channels, taps * filters),
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
    let (backward, room) = rest.split_at_mut(backward);
    if layer.groups > 1 {
        return prepare_bundles(layer, weight, passes, [forward, backward, room]);
    }
    pack(filters, weight, forward)?;
    if passes == Passes::Forward {
        return Ok(());
    }
    transpose_taps(weight, (filters, channels), room);
    let tap = filters * channels;
    let taps = weight.len() / tap;
    for at in 0..taps / 2 {
        let (left, right) = room.split_at_mut((taps - 1 - at) * tap);
        left[at * tap..][..tap].swap_with_slice(&mut right[..tap]);
    }
    pack(channels, room, backward)
}

/// As [`prepare`], bundle by bundle.
fn prepare_bundles<T: Real>(
    layer: &Convolution,
    weight: &[T],
    passes: Passes,
    [forward, backward, matrix]: [&mut [T]; 3],
) -> Result<()> {
    let bundles = layer.direct.bundles;
    let rows = [layer.filters() / bundles, layer.geometry.input.channels / bundles];
    for bundle in 0..bundles {
        matrix.fill(T::zero());
        for_each_weight(layer, bundle, |from, to, _| matrix[to] = weight[from]);
        let own = share(forward.len(), bundle, bundles);
        pack(rows[0], matrix, &mut forward[own])?;
        if passes == Passes::Forward {
            continue;
        }
        matrix.fill(T::zero());
        for_each_weight(layer, bundle, |from, _, to| matrix[to] = weight[from]);
        let own = share(backward.len(), bundle, bundles);
        pack(rows[1], matrix, &mut backward[own])?;
    }
    Ok(())
}

/// Calls `visit` with the places of each weight of a bundle: among all weights, in the bundle's matrix, and in
/// that of its input's gradient.
fn for_each_weight(layer: &Convolution, bundle: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let groups = layer.groups / layer.direct.bundles;
    let filters = layer.filters() / layer.groups;
    let channels = layer.geometry.input.channels / layer.groups;
    let taps = layer.geometry.window.kernel.places();
    for tap in 0..taps {
        for group in 0..groups {
            for channel in 0..channels {
                for filter in 0..filters {
                    let (row, column) = (group * filters + filter, group * channels + channel);
                    let all = bundle * groups * filters + row;
                    let depth = tap * channels + channel;
                    let flipped = (taps - 1 - tap) * groups * filters + row;
                    visit(
                        depth * layer.filters() + all,
                        (tap * groups * channels + column) * groups * filters + row,
                        flipped * groups * channels + column,
                    );
                }
            }
        }
    }
}

/// Numbers in the gradient of several groups, with what lies between those of a bundle.
pub(super) fn gradient_scratch(layer: &Convolution) -> usize {
    let together = layer.groups / layer.direct.bundles;
    if layer.groups == 1 { 0 } else { layer.filters() * layer.depth() * together }
}

/// dW out of the gradient of several groups.
pub(super) fn finish_weight_gradient<T: Real>(
    layer: &Convolution,
    bundled: &[T],
    gradient: &mut [T],
) {
    let bundles = layer.direct.bundles;
    for bundle in 0..bundles {
        let own = &bundled[share(bundled.len(), bundle, bundles)];
        for_each_weight(layer, bundle, |to, from, _| gradient[to] = own[from]);
    }
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
