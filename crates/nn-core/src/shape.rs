//! How the values of a column are arranged.

use std::fmt;

/// The arrangement of the values in one column of a batch: an image, a sequence, or just a list.
///
/// The channel runs fastest, then x, then y, so that the value of channel c at (x, y) is entry
/// `(y·width + x)·channels + c`. A sequence is an image of height 1 whose width is time and whose
/// channels are the features of a step; a list of n values has n channels and one place.
///
/// # Examples
/// ```
/// use nn_core::Shape;
/// let image = Shape::image(3, 64, 48);
/// assert_eq!(image.len(), 3 * 64 * 48);
/// assert_eq!(image.to_string(), "3 x 64 x 48");
/// assert_eq!(Shape::from(10), Shape { channels: 10, width: 1, height: 1 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Values at each place.
    pub channels: usize,
    /// Places from left to right, or steps in time.
    pub width: usize,
    /// Places from top to bottom.
    pub height: usize,
}

impl Shape {
    /// `width` x `height` places with `channels` values each.
    #[must_use]
    pub const fn image(channels: usize, width: usize, height: usize) -> Self {
        Self { channels, width, height }
    }

    /// `steps` steps in time with `features` values each.
    #[must_use]
    pub const fn sequence(features: usize, steps: usize) -> Self {
        Self { channels: features, width: steps, height: 1 }
    }

    /// Values in all.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.channels * self.width * self.height
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Places.
    #[must_use]
    pub const fn places(&self) -> usize {
        self.width * self.height
    }
}

impl From<usize> for Shape {
    fn from(values: usize) -> Self {
        Self { channels: values, width: 1, height: 1 }
    }
}

impl fmt::Display for Shape {
    /// `10`, `8 x 100` for a sequence of 100 steps, `3 x 64 x 48` for an image.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.channels)?;
        match (self.width, self.height) {
            (1, 1) => Ok(()),
            (width, 1) => write!(f, " x {width}"),
            (width, height) => write!(f, " x {width} x {height}"),
        }
    }
}
