//! Pooling: windows of an image taken together, each channel for itself.

use linalg::operator::FnOperator;
use linalg::{Real, Scalar};

use crate::window::{Geometry, Window};
use crate::{
    Backward, BackwardTangent, Error, Extent, Forward, Layer, Linear, Memory, Result, Shape,
    Tangent, View,
};

/// The windows of a pooling. One number means square windows that do not overlap.
///
/// # Examples
/// ```
/// use nn_core::Pool;
/// assert_eq!(Pool::from(2), Pool::new(2).stride(2));
/// let overlapping = Pool::new(3).stride(2).padding(1);
/// let of_a_sequence = Pool::new((4, 1));
/// # let _ = (overlapping, of_a_sequence);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pool {
    /// Places in a window.
    pub kernel: Extent,
    /// Places from one window to the next; the kernel's.
    pub stride: Extent,
    /// Places added on each side of the input; 0.
    pub padding: Extent,
}

impl Pool {
    /// Windows of `kernel` places, side by side.
    #[must_use]
    pub fn new(kernel: impl Into<Extent>) -> Self {
        let kernel = kernel.into();
        Self { kernel, stride: kernel, padding: 0.into() }
    }

    /// Places from one window to the next.
    #[must_use]
    pub fn stride(self, stride: impl Into<Extent>) -> Self {
        Self { stride: stride.into(), ..self }
    }

    /// Places added on each side of the input, at most half the kernel.
    #[must_use]
    pub fn padding(self, padding: impl Into<Extent>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    fn geometry(self, input: Shape) -> Result<Geometry> {
        let Self { kernel, stride, padding } = self;
        let most = padding.width.max(padding.height);
        if padding.width > kernel.width / 2 || padding.height > kernel.height / 2 {
            return Err(Error::OutOfRange {
                argument: "padding",
                value: most as f64,
                expected: "at most half the kernel",
            });
        }
        let window = Window { stride, padding, ..Window::new(kernel) };
        Geometry::new(input, window, input.channels)
    }
}

impl From<usize> for Pool {
    fn from(side: usize) -> Self {
        Self::new(side)
    }
}

impl From<(usize, usize)> for Pool {
    fn from(extent: (usize, usize)) -> Self {
        Self::new(extent)
    }
}

/// The largest value in each window, each channel for itself.
///
/// The gradient goes to the first largest value, row by row, as in PyTorch. Padding never wins. A
/// NaN in a window is its largest value, so that training notices it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxPool {
    geometry: Geometry,
}

impl MaxPool {
    /// The largest values of an `input` in the windows that `pool` describes.
    ///
    /// # Errors
    /// [`Error::Window`] where the kernel is larger than the padded input, [`Error::OutOfRange`]
    /// where kernel or stride is 0 or the padding more than half the kernel.
    ///
    /// # Examples
    /// ```
    /// use nn_core::{MaxPool, Pool, Shape};
    /// let error = MaxPool::new(Shape::image(1, 4, 4), Pool::new(2).padding(2)).unwrap_err();
    /// assert_eq!(error.to_string(), "padding is 2, expected at most half the kernel");
    /// ```
    pub fn new(input: Shape, pool: impl Into<Pool>) -> Result<Self> {
        let geometry = pool.into().geometry(input)?;
        Ok(Self { geometry })
    }

    /// Whether its windows are 2 x 2 places side by side.
    pub(crate) fn halves(&self) -> bool {
        let Window { kernel, stride, padding, .. } = self.geometry.window;
        kernel == Extent::from(2) && stride == kernel && padding == Extent::from(0)
    }

    /// Writes to `dx` each entry of `dy` where its maximum was.
    fn route<T: Real>(&self, record: &[T], dy: &[T], dx: &mut [T]) {
        let Geometry { input, output, .. } = self.geometry;
        let channels = input.channels;
        dx.fill(T::zero());
        let results = dy.chunks_exact(output.len()).zip(record.chunks_exact(output.len()));
        for (dx, (dy, record)) in dx.chunks_exact_mut(input.len()).zip(results) {
            let places = dy.chunks_exact(channels).zip(record.chunks_exact(channels));
            for (at, (dy, record)) in places.enumerate() {
                for (tap, place) in self.geometry.taps(at) {
                    let tap = T::from_double(tap as f64);
                    let dx = &mut dx[place * channels..][..channels];
                    for ((dx, &dy), &record) in dx.iter_mut().zip(dy).zip(record) {
                        *dx += if record == tap { dy } else { T::zero() };
                    }
                }
            }
        }
    }
}

impl<T: Real> Layer<T> for MaxPool {
    fn describe(&self) -> String {
        describe("max pooling", &self.geometry)
    }

    fn input(&self) -> Shape {
        self.geometry.input
    }

    fn output(&self) -> Shape {
        self.geometry.output
    }

    fn memory(&self, samples: usize) -> Memory {
        Memory { record: samples * self.geometry.output.len(), ..Memory::default() }
    }

    fn multiply_adds(&self) -> usize {
        work(&self.geometry)
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let Geometry { input, output, .. } = self.geometry;
        let channels = input.channels;
        let images = pass.x.chunks_exact(input.len());
        let results =
            pass.y.chunks_exact_mut(output.len()).zip(pass.record.chunks_exact_mut(output.len()));
        for (x, (y, record)) in images.zip(results) {
            let places = y.chunks_exact_mut(channels).zip(record.chunks_exact_mut(channels));
            for (at, (y, record)) in places.enumerate() {
                y.fill(-T::one() / T::zero());
                // In case every value is −∞: the first place that is not padding.
                let first = self.geometry.taps(at).next().map_or(0, |(tap, _)| tap);
                record.fill(T::from_double(first as f64));
                for (tap, place) in self.geometry.taps(at) {
                    let tap = T::from_double(tap as f64);
                    let x = &x[place * channels..][..channels];
                    for ((y, record), &x) in y.iter_mut().zip(record.iter_mut()).zip(x) {
                        // A NaN is not equal to itself; nothing is larger than it.
                        #[expect(clippy::eq_op, reason = "the test for a NaN that vectorizes")]
                        let wins = x > *y || x != x;
                        *y = if wins { x } else { *y };
                        *record = if wins { tap } else { *record };
                    }
                }
            }
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx {
            self.route(pass.record, pass.dy, dx);
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        let Geometry { input, output, .. } = self.geometry;
        let channels = input.channels;
        let images = pass.x_tangent.chunks_exact(input.len());
        let records = pass.at.record.chunks_exact(output.len());
        let results = pass.y_tangent.chunks_exact_mut(output.len()).zip(records);
        for (x, (y, record)) in images.zip(results) {
            let places = y.chunks_exact_mut(channels).zip(record.chunks_exact(channels));
            for (at, (y, record)) in places.enumerate() {
                for (tap, place) in self.geometry.taps(at) {
                    let tap = T::from_double(tap as f64);
                    let x = &x[place * channels..][..channels];
                    for ((y, &x), &record) in y.iter_mut().zip(x).zip(record) {
                        *y = if record == tap { x } else { *y };
                    }
                }
            }
        }
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        if let Some(dx) = pass.dx_tangent {
            self.route(pass.at.record, pass.dy_tangent, dx);
        }
        Ok(())
    }
}

/// The mean of each window, each channel for itself; padding counts as values of 0, as it does in
/// PyTorch until told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AveragePool {
    geometry: Geometry,
}

impl AveragePool {
    /// The means of an `input` in the windows that `pool` describes.
    ///
    /// # Errors
    /// As [`MaxPool::new`].
    pub fn new(input: Shape, pool: impl Into<Pool>) -> Result<Self> {
        let geometry = pool.into().geometry(input)?;
        Ok(Self { geometry })
    }

    /// y ← A·x, for one image.
    fn gather<T: Scalar>(geometry: &Geometry, x: &[T], y: &mut [T]) {
        let channels = geometry.input.channels;
        let count = count::<T>(geometry);
        y.fill(T::zero());
        for (at, y) in y.chunks_exact_mut(channels).enumerate() {
            for (_, place) in geometry.taps(at) {
                for (y, &x) in y.iter_mut().zip(&x[place * channels..]) {
                    *y += x;
                }
            }
            for y in y {
                *y /= count;
            }
        }
    }

    /// x ← Aᵀ·y, for one image.
    fn scatter<T: Scalar>(geometry: &Geometry, y: &[T], x: &mut [T]) {
        let channels = geometry.input.channels;
        let count = count::<T>(geometry);
        x.fill(T::zero());
        for (at, y) in y.chunks_exact(channels).enumerate() {
            for (_, place) in geometry.taps(at) {
                for (x, &y) in x[place * channels..].iter_mut().zip(y) {
                    *x += y / count;
                }
            }
        }
    }
}

impl<T: Real> Layer<T> for AveragePool {
    fn describe(&self) -> String {
        describe("average pooling", &self.geometry)
    }

    fn input(&self) -> Shape {
        self.geometry.input
    }

    fn output(&self) -> Shape {
        self.geometry.output
    }

    fn multiply_adds(&self) -> usize {
        work(&self.geometry)
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let Geometry { input, output, .. } = self.geometry;
        let images = pass.x.chunks_exact(input.len()).zip(pass.y.chunks_exact_mut(output.len()));
        for (x, y) in images {
            Self::gather(&self.geometry, x, y);
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let Some(dx) = pass.dx else { return Ok(()) };
        let Geometry { input, output, .. } = self.geometry;
        for (dx, dy) in dx.chunks_exact_mut(input.len()).zip(pass.dy.chunks_exact(output.len())) {
            Self::scatter(&self.geometry, dy, dx);
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        let Geometry { input, output, .. } = self.geometry;
        let results = pass.y_tangent.chunks_exact_mut(output.len());
        for (x, y) in pass.x_tangent.chunks_exact(input.len()).zip(results) {
            Self::gather(&self.geometry, x, y);
        }
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        let Some(dx) = pass.dx_tangent else { return Ok(()) };
        let Geometry { input, output, .. } = self.geometry;
        let results = pass.dy_tangent.chunks_exact(output.len());
        for (dx, dy) in dx.chunks_exact_mut(input.len()).zip(results) {
            Self::scatter(&self.geometry, dy, dx);
        }
        Ok(())
    }

    fn view<'a>(&'a self, _parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        let geometry = &self.geometry;
        let operator = FnOperator::new(
            geometry.output.len(),
            geometry.input.len(),
            |x: &[T], y: &mut [T]| Self::gather(geometry, x, y),
            |y: &[T], x: &mut [T]| Self::scatter(geometry, y, x),
        );
        let bias = vec![T::zero(); geometry.output.len()].into();
        View::Affine { linear: Linear::Operator(Box::new(operator)), bias }
    }
}

fn count<T: Scalar>(geometry: &Geometry) -> T {
    (0..geometry.window.kernel.places()).fold(T::zero(), |sum, _| sum + T::one())
}

fn work(geometry: &Geometry) -> usize {
    geometry.output.len() * geometry.window.kernel.places()
}

fn describe(name: &str, Geometry { input, output, window }: &Geometry) -> String {
    format!("{name} {input} -> {output} by {}", window.kernel)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that are copied, and means that are exact")]
mod tests {
    use linalg::{DMatrix, LinearOperator};
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::{Gradients, Network, NetworkBuilder, Trace};

    fn run(
        shape: Shape,
        pool: impl Fn(NetworkBuilder<f64>) -> NetworkBuilder<f64>,
        x: &[f64],
        dy: impl Fn(usize) -> f64,
    ) -> (Vec<f64>, Vec<f64>) {
        let network = pool(Network::builder(shape)).build_given().unwrap();
        let x = DMatrix::from_column_slice(shape.len(), x.len() / shape.len(), x);
        let mut trace = Trace::new();
        network.forward(&x, &mut trace).unwrap();
        let y: Vec<f64> = trace.output().iter().copied().collect();
        let dy = DMatrix::from_fn(network.outputs(), x.ncols(), |row, _| dy(row));
        network.backward(&dy, Gradients::Input, &mut trace).unwrap();
        (y, trace.input_gradient().unwrap().iter().copied().collect())
    }

    #[test]
    fn the_first_of_equal_values_takes_the_gradient() {
        // PyTorch 2.15: max_pool2d of [[1, 1], [1, 1]] has the gradient [[1, 0], [0, 0]].
        let (y, dx) = run(Shape::image(1, 2, 2), |b| b.max_pool(2), &[1.0; 4], |_| 1.0);
        assert_eq!((y, dx), (vec![1.0], vec![1.0, 0.0, 0.0, 0.0]));
        let low = [f64::MIN; 4];
        let (y, dx) = run(Shape::image(1, 2, 2), |b| b.max_pool(2), &low, |_| 1.0);
        assert_eq!((y, dx), (vec![f64::MIN], vec![1.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn overlapping_windows_add_up_and_padding_never_wins() {
        // By hand, as PyTorch 2.15 has it: the windows of 3 about 0, 2 and 4.
        let x = [-5.0, -4.0, -1.0, -3.0, -2.0];
        let pool = Pool::new((3, 1)).stride((2, 1)).padding((1, 0));
        let (y, dx) = run(Shape::sequence(1, 5), |b| b.max_pool(pool), &x, |at| (at + 1) as f64);
        assert_eq!(y, [-4.0, -1.0, -2.0]);
        assert_eq!(dx, [0.0, 1.0, 2.0, 0.0, 3.0]);
        let (y, dx) = run(Shape::sequence(1, 5), |b| b.average_pool(pool), &x, |_| 3.0);
        assert_eq!(y, [-3.0, -8.0 / 3.0, -5.0 / 3.0]);
        assert_eq!(dx, [1.0, 2.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn a_nan_is_the_largest_value() {
        let layer = MaxPool::new(Shape::image(1, 2, 2), 2).unwrap();
        for at in 0..4 {
            let mut x = [1.0, 2.0, 3.0, 4.0];
            x[at] = f64::NAN;
            let (mut y, mut record) = ([0.0], [0.0]);
            layer
                .forward(Forward {
                    parameters: &[],
                    state: &[],
                    prepared: &[],
                    samples: 1,
                    x: &x,
                    y: &mut y,
                    record: &mut record,
                    passes: crate::Passes::Both,
                    scratch: &mut [],
                    mode: crate::Mode::Inference,
                    first_sample: 0,
                    threads: linalg::Threads::One,
                })
                .unwrap();
            assert!(y[0].is_nan() && record[0] == at as f64, "{at}");
        }
    }

    #[test]
    fn global_pooling_leaves_one_place() {
        let x: Vec<f64> = (0..24).map(f64::from).collect();
        let shape = Shape::image(2, 3, 2);
        let (y, _) = run(shape, |b| b.global_max_pool(), &x, |_| 1.0);
        assert_eq!(y, [10.0, 11.0, 22.0, 23.0]);
        let (y, dx) = run(shape, |b| b.global_average_pool(), &x, |row| 6.0 * row as f64);
        assert_eq!(y, [5.0, 6.0, 17.0, 18.0]);
        assert_eq!(dx, [0.0, 1.0].repeat(12));
    }

    proptest! {
        #[test]
        fn pooling_is_what_it_says(
            (channels, width, height) in (1_usize..4, 1_usize..9, 1_usize..9),
            (kernel, stride) in ((1_usize..4, 1_usize..4), (1_usize..4, 1_usize..4)),
            seed in 0_u64..1000,
        ) {
            prop_assume!(kernel.0 <= width && kernel.1 <= height);
            let shape = Shape::image(channels, width, height);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let x: Vec<f64> = (0..2 * shape.len()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let pool = Pool::new(kernel).stride(stride);
            let (largest, _) = run(shape, |b| b.max_pool(pool), &x, |_| 1.0);
            let (mean, _) = run(shape, |b| b.average_pool(pool), &x, |_| 1.0);
            let columns = (width - kernel.0) / stride.0 + 1;
            let rows = (height - kernel.1) / stride.1 + 1;
            prop_assert_eq!(largest.len(), 2 * rows * columns * channels);
            for (at, (largest, mean)) in largest.iter().zip(&mean).enumerate() {
                let (c, place) = (at % channels, at / channels);
                let (column, row) = (place % columns, place / columns % rows);
                let image = place / (columns * rows);
                let window: Vec<f64> = (0..kernel.0 * kernel.1)
                    .map(|tap| {
                        let i = column * stride.0 + tap % kernel.0;
                        let j = row * stride.1 + tap / kernel.0;
                        x[image * shape.len() + (j * width + i) * channels + c]
                    })
                    .collect();
                prop_assert_eq!(*largest, window.iter().copied().fold(f64::MIN, f64::max));
                let expected = window.iter().sum::<f64>() / window.len() as f64;
                // At most 9 terms of size 1.
                prop_assert!((mean - expected).abs() <= 10.0 * f64::EPSILON);
            }
        }

        #[test]
        fn the_view_of_average_pooling_is_the_layer_and_its_adjoint(
            (width, height) in (2_usize..7, 2_usize..7), padding in 0_usize..2, seed in 0_u64..100,
        ) {
            let shape = Shape::image(2, width, height);
            let layer = AveragePool::new(shape, Pool::new(2).stride(1).padding(padding)).unwrap();
            let View::Affine { linear: Linear::Operator(a), bias } = layer.view(&[], &[]) else {
                return Err(TestCaseError::fail("a mean is affine"));
            };
            prop_assert!(bias.iter().all(|&b: &f64| b == 0.0) && bias.len() == a.nrows());
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let x: Vec<f64> = (0..a.ncols()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let u: Vec<f64> = (0..a.nrows()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let (mut ax, mut au) = (u.clone(), x.clone());
            a.apply(&x, &mut ax).unwrap();
            a.apply_adjoint(&u, &mut au).unwrap();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            // A hundred or so terms of size 1.
            prop_assert!((dot(&ax, &u) - dot(&x, &au)).abs() <= 1e-13);
        }
    }
}
