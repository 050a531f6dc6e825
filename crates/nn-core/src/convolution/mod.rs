//! The convolution layer.

mod depthwise;
mod direct;
mod fused;
mod interpolation;
mod operator;
mod options;
mod passes;
mod product;
mod tangent;
#[cfg(test)]
mod tests;
mod then;
mod tiles;
mod winograd;

use std::ops::Range;
use std::sync::Arc;

use linalg::Real;
use rand::Rng;

pub use options::{Conv1d, Conv2d, ConvAlgorithm};

use crate::window::{Geometry, Window};
use crate::{
    Backward, BackwardTangent, Block, Error, Extent, Forward, Initializer, Layer, Linear, Memory,
    Passes, Result, Shape, Tangent, Tensor, TensorOf, View,
};
use direct::Direct;
use fused::FusedConvolution;
use passes::Steps;
use then::Then;

/// Filters that slide over an image or a sequence, the same weights everywhere.
///
/// With w the weights of filter f, s the stride, d the dilation and p the padding,
///
/// ```text
/// y(f, x, y) = b(f) + ∑ w(f, c, i, j)·x(c, s·x + d·i − p, s·y + d·j − p)
/// ```
/// summed over the channels c of the filter's group and the taps (i, j); the input is 0 outside.
/// (This is a correlation, which networks call convolution: the kernel is not flipped.)
///
/// Parameters: `weight`, filters x (channels·taps), in whose columns the channel runs fastest, then
/// i, then j; and `bias`, filters x 1. PyTorch's `weight[f, c, j, i]` is entry
/// `((j·width + i)·channels + c)·filters + f`, with the channels of a group.
///
/// # Examples
/// ```
/// use nn_core::{Conv2d, Convolution, Layer, Shape};
/// let layer = Convolution::new(Shape::image(3, 64, 64), Conv2d::new(32, 3))?;
/// let layer: &dyn Layer<f32> = &layer;
/// assert_eq!(layer.output(), Shape::image(32, 62, 62));
/// assert_eq!(layer.describe(), "convolution 3 x 64 x 64 -> 32 x 62 x 62 by 3 x 3");
/// // 32 filters of 3 x 3 x 3 weights, and 32 biases
/// assert_eq!(layer.blocks().iter().map(|block| block.len()).sum::<usize>(), 896);
/// # Ok::<(), nn_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    geometry: Geometry,
    groups: usize,
    algorithm: ConvAlgorithm,
    initializer: Initializer,
    /// The windows on the input.
    direct: Direct,
    /// The windows on the output whose product is the input's gradient, where it is one.
    adjoint: Option<Direct>,
}

/// The algorithm that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Direct,
    Winograd,
    Depthwise,
    Product,
}

impl Convolution {
    /// The convolution of an `input` that `options` describe.
    ///
    /// # Errors
    /// [`Error::Empty`] without filters, [`Error::OutOfRange`] where a kernel, stride or dilation is
    /// 0, [`Error::Window`] where the kernel is larger than the padded input, [`Error::Groups`]
    /// where the groups cannot be of one size.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Conv2d, Convolution, Shape};
    /// let refused = |options| Convolution::new(Shape::image(4, 4, 4), options).unwrap_err();
    /// assert_eq!(
    ///     refused(Conv2d::new(8, 5)).to_string(),
    ///     "the kernel covers 5 x 5 places, but the padded input has 4 x 4"
    /// );
    /// assert_eq!(
    ///     refused(Conv2d::new(8, 3).groups(3)).to_string(),
    ///     "3 groups must divide the 4 input channels and the 8 filters"
    /// );
    /// ```
    pub fn new(input: Shape, options: impl Into<Conv2d>) -> Result<Self> {
        let options: Conv2d = options.into();
        let Conv2d { filters, kernel, stride, padding, dilation, groups, algorithm } = options;
        if filters == 0 {
            return Err(Error::Empty { what: "the list of filters" });
        }
        if groups == 0 || !input.channels.is_multiple_of(groups) || !filters.is_multiple_of(groups)
        {
            return Err(Error::Groups { groups, channels: input.channels, filters });
        }
        let window = Window { kernel, stride, padding, dilation };
        let geometry = Geometry::new(input, window, filters)?;
        let initializer = Initializer::default();
        let direct = Direct::new(&geometry, groups);
        let adjoint = Direct::adjoint(&geometry, groups);
        Ok(Self { geometry, groups, algorithm, initializer, direct, adjoint })
    }

    /// The same with weights that start from `initializer`; [`Initializer::GlorotUniform`]
    /// otherwise. The biases start at 0.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{Conv2d, Convolution, Initializer, Layer, Shape};
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    /// let layer = Convolution::new(Shape::image(1, 4, 4), Conv2d::new(2, 3))?
    ///     .initializer(Initializer::Constant(0.5));
    /// let mut parameters = [9.0; 20]; // 2 x 9 weights, 2 biases
    /// Layer::<f64>::initialize(&layer, &mut parameters, &mut Xoshiro256PlusPlus::seed_from_u64(1));
    /// assert_eq!((parameters[17], parameters[18]), (0.5, 0.0));
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    #[must_use]
    pub fn initializer(self, initializer: Initializer) -> Self {
        Self { initializer, ..self }
    }

    fn filters(&self) -> usize {
        self.geometry.output.channels
    }

    /// Weights of a filter.
    fn depth(&self) -> usize {
        self.geometry.window.kernel.places() * (self.geometry.input.channels / self.groups)
    }

    /// The filters and the channels of a group.
    fn group(&self, group: usize) -> (Range<usize>, Range<usize>) {
        let of = |total: usize| {
            let size = total / self.groups;
            group * size..(group + 1) * size
        };
        (of(self.filters()), of(self.geometry.input.channels))
    }

    /// How it is computed for numbers of this type.
    fn method<T: Real>(&self) -> Method {
        /// With fewer channels or filters Winograd's transforms cost more than they save.
        const MANY: usize = 16;
        let window = self.geometry.window;
        let single = T::EPSILON > f64::EPSILON;
        let plain = window.stride == Extent::from(1) && window.dilation == Extent::from(1);
        let fits = single && plain && window.kernel == Extent::from(3) && self.groups == 1;
        let depthwise = self.groups == self.filters() && self.depth() == window.kernel.places();
        let many = self.geometry.input.channels.min(self.filters()) >= MANY;
        match self.algorithm {
            ConvAlgorithm::Winograd if fits => Method::Winograd,
            ConvAlgorithm::Automatic if fits && many => Method::Winograd,
            ConvAlgorithm::Product => Method::Product,
            _ if depthwise && self.groups > 1 => Method::Depthwise,
            _ => Method::Direct,
        }
    }

    /// Prepared numbers, for the forward pass, for the input's gradient and for making these.
    fn prepared<T: Real>(&self) -> [usize; 3] {
        match self.method::<T>() {
            Method::Direct => direct::prepared::<T>(self),
            Method::Winograd => winograd::prepared::<T>(self),
            Method::Depthwise | Method::Product => [0; 3],
        }
    }

    fn steps(&self) -> Steps<'_> {
        Steps { layer: self, then: Then::default() }
    }

    /// The weight and the bias within the layer's parameters.
    fn split<'a, T>(&self, parameters: &'a [T]) -> (&'a [T], &'a [T]) {
        parameters.split_at(self.filters() * self.depth())
    }
}

impl<T: Real> Layer<T> for Convolution {
    fn describe(&self) -> String {
        let Geometry { input, output, window } = &self.geometry;
        format!("convolution {input} -> {output} by {}", window.kernel)
    }

    fn input(&self) -> Shape {
        self.geometry.input
    }

    fn output(&self) -> Shape {
        self.geometry.output
    }

    fn blocks(&self) -> Vec<Block> {
        vec![
            Block { name: "weight", rows: self.filters(), columns: self.depth() },
            Block { name: "bias", rows: self.filters(), columns: 1 },
        ]
    }

    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        let (weight, bias) = parameters.split_at_mut(self.filters() * self.depth());
        let fan_out = self.geometry.window.kernel.places() * (self.filters() / self.groups);
        self.initializer.fill(weight, self.depth(), fan_out, rng);
        self.initializer.fill_bias(bias, self.depth(), rng);
    }

    fn memory(&self, samples: usize) -> Memory {
        self.steps().memory::<T>(samples)
    }

    fn prepare(&self, parameters: &[T], passes: Passes, prepared: &mut [T]) {
        let weight = self.split(parameters).0;
        match self.method::<T>() {
            Method::Direct => {
                let done = direct::prepare(self, weight, passes, prepared);
                debug_assert!(done.is_ok(), "packed matrices are as long as they say");
            }
            Method::Winograd => winograd::prepare(self, weight, passes, prepared),
            Method::Depthwise | Method::Product => {}
        }
    }

    fn multiply_adds(&self) -> usize {
        self.geometry.output.len() * self.depth()
    }

    fn fuse(&self, next: &dyn Layer<T>) -> Option<Arc<dyn Layer<T>>> {
        FusedConvolution::fuse::<T>(self, Then::default(), next)
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        Ok(self.steps().forward(pass)?)
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        Ok(self.steps().backward(pass)?)
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        tangent::tangent(self, pass)
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        tangent::backward_tangent(self, pass)
    }

    /// PyTorch's order is filter, channel, y, x; here the channel runs fastest within a filter, and
    /// the filters lie beside each other.
    fn tensors(&self) -> Vec<Tensor> {
        let of = TensorOf::Parameters;
        let (filters, depth) = (self.filters(), self.depth());
        let channels = self.geometry.input.channels / self.groups;
        let Extent { width, height } = self.geometry.window.kernel;
        let walk = vec![
            (filters, 1),
            (channels, filters),
            (height, filters * channels * width),
            (width, filters * channels),
        ];
        // A sequence is an image of height 1, and its file has no such dimension.
        let shape = match self.geometry.input.height {
            1 if height == 1 => vec![filters, channels, width],
            _ => vec![filters, channels, height, width],
        };
        let bias = vec![(filters, 1)];
        vec![
            Tensor { name: "weight", of, shape, start: 0, walk },
            Tensor { name: "bias", of, shape: vec![filters], start: filters * depth, walk: bias },
        ]
    }

    fn view<'a>(&'a self, parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        let (weight, bias) = self.split(parameters);
        let linear = Linear::Operator(Box::new(operator::Operator { layer: self, weight }));
        View::Affine { linear, bias: bias.repeat(self.geometry.output.places()).into() }
    }
}
