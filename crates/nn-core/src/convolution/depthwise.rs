//! A filter for each channel: the sums run over the taps alone, and neighbouring channels are the
//! lanes of a vector.

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

use crate::window::Geometry;

/// y ← A·x + b for one image; the weights of a tap lie side by side.
pub(super) fn forward<T: Real>(
    geometry: &Geometry,
    weight: &[T],
    bias: &[T],
    x: &[T],
    y: &mut [T],
) {
    run(Forward { geometry, weight, bias, x, y });
}

/// dW ← dW + the sum over the places of dy times the window.
pub(super) fn add_weight_gradient<T: Real>(
    geometry: &Geometry,
    x: &[T],
    dy: &[T],
    gradient: &mut [T],
) {
    run(WeightGradient { geometry, x, dy, gradient });
}

/// dx ← Aᵀ·dy.
pub(super) fn input_gradient<T: Real>(geometry: &Geometry, weight: &[T], dy: &[T], dx: &mut [T]) {
    run(InputGradient { geometry, weight, dy, dx });
}

/// sums ← sums + a∘b.
#[inline(always)]
fn add_products<T: Real>(sums: &mut [T], a: &[T], b: &[T]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
        *sum += a * b;
    }
}

struct Forward<'a, T> {
    geometry: &'a Geometry,
    weight: &'a [T],
    bias: &'a [T],
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let channels = self.bias.len();
        for (at, y) in self.y.chunks_exact_mut(channels).enumerate() {
            y.copy_from_slice(self.bias);
            for (tap, place) in self.geometry.taps(at) {
                let weight = &self.weight[tap * channels..][..channels];
                add_products(y, weight, &self.x[place * channels..][..channels]);
            }
        }
    }
}

struct WeightGradient<'a, T> {
    geometry: &'a Geometry,
    x: &'a [T],
    dy: &'a [T],
    gradient: &'a mut [T],
}

impl<T: Real> Task<T> for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let channels = self.geometry.output.channels;
        for (at, dy) in self.dy.chunks_exact(channels).enumerate() {
            for (tap, place) in self.geometry.taps(at) {
                let gradient = &mut self.gradient[tap * channels..][..channels];
                add_products(gradient, dy, &self.x[place * channels..][..channels]);
            }
        }
    }
}

struct InputGradient<'a, T> {
    geometry: &'a Geometry,
    weight: &'a [T],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> Task<T> for InputGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let channels = self.geometry.output.channels;
        self.dx.fill(T::zero());
        for (at, dy) in self.dy.chunks_exact(channels).enumerate() {
            for (tap, place) in self.geometry.taps(at) {
                let dx = &mut self.dx[place * channels..][..channels];
                add_products(dx, dy, &self.weight[tap * channels..][..channels]);
            }
        }
    }
}
