//! A window that slides over an image: the geometry that convolution and pooling share.

use std::fmt;
use std::ops::Range;

use crate::{Error, Result, Shape};

/// A size in x and in y. One number means a square.
///
/// # Examples
/// ```
/// use nn_core::Extent;
/// assert_eq!(Extent::from(3), Extent { width: 3, height: 3 });
/// assert_eq!(Extent::from((5, 1)), Extent { width: 5, height: 1 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// From left to right, or in time.
    pub width: usize,
    /// From top to bottom.
    pub height: usize,
}

impl From<usize> for Extent {
    fn from(side: usize) -> Self {
        Self { width: side, height: side }
    }
}

impl From<(usize, usize)> for Extent {
    fn from((width, height): (usize, usize)) -> Self {
        Self { width, height }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

impl Extent {
    pub(crate) const fn places(self) -> usize {
        self.width * self.height
    }
}

/// How a window is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: Extent,
    pub(crate) stride: Extent,
    /// Places of value 0 added on each of the four sides.
    pub(crate) padding: Extent,
    /// Steps between the window's taps.
    pub(crate) dilation: Extent,
}

impl Window {
    /// The window that is moved by one place at a time, without padding.
    pub(crate) const fn new(kernel: Extent) -> Self {
        let one = Extent { width: 1, height: 1 };
        Self { kernel, stride: one, padding: Extent { width: 0, height: 0 }, dilation: one }
    }

    /// The positions that the window takes on `input`, in x and in y.
    pub(crate) fn positions(&self, input: Shape) -> Result<Extent> {
        let one_at_least = |argument, extent: Extent| {
            if extent.width == 0 || extent.height == 0 {
                return Err(Error::OutOfRange { argument, value: 0.0, expected: "at least 1" });
            }
            Ok(())
        };
        one_at_least("kernel", self.kernel)?;
        one_at_least("stride", self.stride)?;
        one_at_least("dilation", self.dilation)?;
        let reach = |kernel: usize, dilation: usize| {
            (kernel - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1))
        };
        let padded = |size: usize, padding: usize| {
            padding.checked_mul(2).and_then(|padding| padding.checked_add(size))
        };
        let covered = Extent {
            width: reach(self.kernel.width, self.dilation.width).unwrap_or(usize::MAX),
            height: reach(self.kernel.height, self.dilation.height).unwrap_or(usize::MAX),
        };
        let available = Extent {
            width: padded(input.width, self.padding.width).unwrap_or(0),
            height: padded(input.height, self.padding.height).unwrap_or(0),
        };
        if covered.width > available.width || covered.height > available.height {
            return Err(Error::Window { covered, available });
        }
        Ok(Extent {
            width: (available.width - covered.width) / self.stride.width + 1,
            height: (available.height - covered.height) / self.stride.height + 1,
        })
    }

    /// Where tap `tap` of the window at position `at` lies on an axis, unless it lies in the
    /// padding.
    fn place(at: usize, tap: usize, size: usize, axis: Axis) -> Option<usize> {
        let place = (at * axis.stride + tap * axis.dilation).checked_sub(axis.padding)?;
        (place < size).then_some(place)
    }

    fn x(&self) -> Axis {
        Axis {
            stride: self.stride.width,
            padding: self.padding.width,
            dilation: self.dilation.width,
        }
    }

    fn y(&self) -> Axis {
        Axis {
            stride: self.stride.height,
            padding: self.padding.height,
            dilation: self.dilation.height,
        }
    }
}

#[derive(Clone, Copy)]
struct Axis {
    stride: usize,
    padding: usize,
    dilation: usize,
}

/// A window on an input: all that a layer of windows knows of its sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    pub(crate) window: Window,
}

impl Geometry {
    /// The window over `input`, with `channels` values at each of its positions.
    pub(crate) fn new(input: Shape, window: Window, channels: usize) -> Result<Self> {
        let positions = window.positions(input)?;
        let output = Shape::image(channels, positions.width, positions.height);
        Ok(Self { input, output, window })
    }

    /// The taps of the window at the output's place `at`, counted along the rows, that lie within
    /// the input, as (number of the tap, place of the input).
    pub(crate) fn taps(&self, at: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (x, y) = (at % self.output.width, at / self.output.width);
        let (kernel, input) = (self.window.kernel, self.input);
        (0..kernel.height)
            .filter_map(move |tap| {
                let row = Window::place(y, tap, input.height, self.window.y())?;
                Some((tap * kernel.width, row * input.width))
            })
            .flat_map(move |(tap, row)| {
                self.columns(x).map(move |(kx, column)| (tap + kx, row + column))
            })
    }

    /// The taps of a window's row at position `x` that lie within the input, with their places.
    fn columns(&self, x: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.window.kernel.width).filter_map(move |tap| {
            Some((tap, Window::place(x, tap, self.input.width, self.window.x())?))
        })
    }

    /// Copies the channels `channels` under the windows at the places `places` into `patches`: a
    /// column for each window, in it the channels fastest, then the taps; 0 in the padding.
    pub(crate) fn gather<T: Copy + Default>(
        &self,
        image: &[T],
        channels: Range<usize>,
        places: Range<usize>,
        patches: &mut [T],
    ) {
        let width = channels.len();
        let rows = self.window.kernel.places() * width;
        for (patch, at) in patches.chunks_exact_mut(rows).zip(places) {
            if self.window.padding != Extent::from(0) {
                patch.fill(T::default());
            }
            for (tap, place) in self.taps(at) {
                let from = &image[place * self.input.channels + channels.start..][..width];
                patch[tap * width..][..width].copy_from_slice(from);
            }
        }
    }

    /// The adjoint of [`Geometry::gather`]: adds every entry of `patches` to where it came from.
    pub(crate) fn scatter<T: Copy + std::ops::AddAssign>(
        &self,
        patches: &[T],
        channels: Range<usize>,
        places: Range<usize>,
        image: &mut [T],
    ) {
        let width = channels.len();
        let rows = self.window.kernel.places() * width;
        for (patch, at) in patches.chunks_exact(rows).zip(places) {
            for (tap, place) in self.taps(at) {
                let to = &mut image[place * self.input.channels + channels.start..][..width];
                for (to, &from) in to.iter_mut().zip(&patch[tap * width..]) {
                    *to += from;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_formula() {
        // ⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1, the formula in PyTorch's documentation of Conv2d.
        let mut cases = 0;
        for n in 1..9_usize {
            for k in 1..5 {
                for (stride, padding, dilation) in
                    (0..27).map(|i| (1 + i % 3, i / 3 % 3, 1 + i / 9))
                {
                    let window = Window {
                        kernel: (k, 1).into(),
                        stride: (stride, 1).into(),
                        padding: (padding, 0).into(),
                        dilation: (dilation, 1).into(),
                    };
                    let found = window.positions(Shape::sequence(2, n));
                    match (n + 2 * padding).checked_sub(dilation * (k - 1) + 1) {
                        Some(free) => {
                            assert_eq!(found.unwrap(), (free / stride + 1, 1).into());
                            cases += 1;
                        }
                        None => assert!(matches!(found, Err(Error::Window { .. }))),
                    }
                }
            }
        }
        assert!(cases > 500);
    }

    #[test]
    fn a_window_that_fits_nowhere_is_refused() {
        let text =
            |window: Window| window.positions(Shape::image(1, 4, 6)).unwrap_err().to_string();
        assert_eq!(
            text(Window { padding: (0, 1).into(), ..Window::new(5.into()) }),
            "the kernel covers 5 x 5 places, but the padded input has 4 x 8"
        );
        assert_eq!(
            text(Window { dilation: 3.into(), ..Window::new((1, 3).into()) }),
            "the kernel covers 1 x 7 places, but the padded input has 4 x 6"
        );
        assert_eq!(text(Window::new((0, 1).into())), "kernel is 0, expected at least 1");
        let one = Window::new(1.into());
        assert_eq!(text(Window { stride: 0.into(), ..one }), "stride is 0, expected at least 1");
        assert_eq!(
            text(Window { dilation: 0.into(), ..one }),
            "dilation is 0, expected at least 1"
        );
        assert!(
            Window { dilation: usize::MAX.into(), ..Window::new(9.into()) }
                .positions(Shape::image(1, 4, 6))
                .is_err(),
            "a product beyond usize"
        );
    }
}
