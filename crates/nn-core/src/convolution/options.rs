//! What a convolution is to be: the caller's side.

use crate::Extent;
use crate::window::Window;

/// A convolution of images, for [`NetworkBuilder::conv2d`](crate::NetworkBuilder::conv2d).
///
/// # Examples
/// ```
/// use nn_core::Conv2d;
/// let halving = Conv2d::new(64, 3).stride(2).padding(1); // 64 filters of 3 x 3
/// let line = Conv2d::new(8, (5, 1)).dilation((2, 1)); // 5 wide, 1 high, every other place
/// # let _ = (halving, line);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Conv2d {
    /// Filters, and so channels of the output.
    pub filters: usize,
    /// Places under a filter.
    pub kernel: Extent,
    /// Places from one position of a filter to the next; 1.
    pub stride: Extent,
    /// Places of value 0 on each side of the input; 0.
    pub padding: Extent,
    /// Places from one tap of a filter to the next; 1.
    pub dilation: Extent,
    /// Groups of channels that do not mix; 1.
    pub groups: usize,
    /// How it is computed; [`ConvAlgorithm::Automatic`].
    pub algorithm: ConvAlgorithm,
}

impl Conv2d {
    /// `filters` filters of `kernel` places.
    #[must_use]
    pub fn new(filters: usize, kernel: impl Into<Extent>) -> Self {
        let Window { kernel, stride, padding, dilation } = Window::new(kernel.into());
        Self {
            filters,
            kernel,
            stride,
            padding,
            dilation,
            groups: 1,
            algorithm: ConvAlgorithm::Automatic,
        }
    }

    /// Places from one position of a filter to the next.
    #[must_use]
    pub fn stride(self, stride: impl Into<Extent>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// Places of value 0 added on each side of the input.
    #[must_use]
    pub fn padding(self, padding: impl Into<Extent>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Places from one tap of a filter to the next.
    #[must_use]
    pub fn dilation(self, dilation: impl Into<Extent>) -> Self {
        Self { dilation: dilation.into(), ..self }
    }

    /// Divides the input's channels, and the filters, into `groups` parts: a filter sees the
    /// channels of its own part. As many groups as channels make a depthwise convolution.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// How it is computed.
    #[must_use]
    pub fn algorithm(self, algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, ..self }
    }
}

/// A convolution of sequences, for [`NetworkBuilder::conv1d`](crate::NetworkBuilder::conv1d).
///
/// A sequence is an image of height 1, so that this is a [`Conv2d`] whose kernel is 1 high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conv1d(Conv2d);

impl Conv1d {
    /// `filters` filters of `kernel` steps.
    #[must_use]
    pub fn new(filters: usize, kernel: usize) -> Self {
        Self(Conv2d::new(filters, (kernel, 1)))
    }

    /// Steps from one position of a filter to the next; 1 until said otherwise.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self(self.0.stride((stride, 1)))
    }

    /// Steps of value 0 before and after the sequence; 0 until said otherwise.
    #[must_use]
    pub fn padding(self, padding: usize) -> Self {
        Self(self.0.padding((padding, 0)))
    }

    /// Steps from one tap of a filter to the next; 1 until said otherwise.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self(self.0.dilation((dilation, 1)))
    }

    /// As [`Conv2d::groups`].
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self(self.0.groups(groups))
    }

    /// How it is computed.
    #[must_use]
    pub fn algorithm(self, algorithm: ConvAlgorithm) -> Self {
        Self(self.0.algorithm(algorithm))
    }
}

impl From<Conv1d> for Conv2d {
    fn from(line: Conv1d) -> Self {
        line.0
    }
}

/// How a convolution is computed. All give the same sums up to rounding; what an algorithm cannot
/// do (see each) is done by [`ConvAlgorithm::Product`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConvAlgorithm {
    /// The fastest for the shape, from measurements. In `f64` never Winograd's.
    #[default]
    Automatic,
    /// Each output is summed from the input as it lies in memory: no more multiplications than the
    /// definition has (groups of less than 8 channels also multiply zeros), and the most accurate. For
    /// every convolution.
    Direct,
    /// Winograd's F(4 x 4, 3 x 3): 36 multiplications for 16 outputs in place of 144, and about one
    /// digit less (an error of up to 1e-5 of the outputs' root mean square, where `Direct` has
    /// 2e-6). For `f32`, kernels of 3 x 3, stride and dilation 1 and one group.
    Winograd,
    /// The windows copied into a matrix, a few hundred at a time, and that multiplied by the
    /// weights. For every convolution.
    Product,
}
