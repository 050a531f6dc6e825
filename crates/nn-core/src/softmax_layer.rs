//! Softmax as a layer.

use linalg::{Real, elementary};

use crate::dual::{Dual, Number};
use crate::{Backward, BackwardTangent, Forward, Layer, Result, Shape, Tangent, View};

/// pᵢ = exp(xᵢ)/∑ⱼ exp(xⱼ) over the channels of each place: positive numbers that add up to 1.
///
/// Not pointwise: its derivative is the matrix J = diag p − ppᵀ, symmetric, of rank K − 1, of which
/// only products are formed: Jᵀ·u = p∘(u − ⟨p, u⟩), and J·v is the same.
///
/// **The wrong turn**: this layer before [`SoftmaxCrossEntropy`](crate::SoftmaxCrossEntropy), which
/// has a softmax of its own. The layer is for networks that end in probabilities, or need them inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Softmax {
    shape: Shape,
}

impl Softmax {
    /// A softmax over the channels of values in the given `shape`.
    #[must_use]
    pub fn new(shape: impl Into<Shape>) -> Self {
        Self { shape: shape.into() }
    }
}

/// p∘(u − ⟨p, u⟩).
fn product<N: Number>(p: &[N], u: &[N], mut each: impl FnMut(usize, N)) {
    let mean = p.iter().zip(u).fold(N::default(), |sum, (&p, &u)| sum + p * u);
    for (k, (&p, &u)) in p.iter().zip(u).enumerate() {
        each(k, p * (u - mean));
    }
}

impl<T: Real> Layer<T> for Softmax {
    fn describe(&self) -> String {
        format!("softmax {}", self.shape)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn multiply_adds(&self) -> usize {
        2 * self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        for (x, p) in pass.x.chunks_exact(channels).zip(pass.y.chunks_exact_mut(channels)) {
            let largest = x.iter().copied().fold(x[0], |m, x| if x > m { x } else { m });
            let mut sum = T::zero();
            let mut stretch = [T::zero(); 64];
            for (x, p) in x.chunks(64).zip(p.chunks_mut(64)) {
                for (difference, &x) in stretch.iter_mut().zip(x) {
                    *difference = x - largest;
                }
                elementary::exp(&stretch[..x.len()], p);
                sum = p.iter().fold(sum, |sum, &p| sum + p);
            }
            for p in p {
                *p /= sum;
            }
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let Some(dx) = pass.dx else { return Ok(()) };
        let columns = pass.y.chunks_exact(channels).zip(pass.dy.chunks_exact(channels));
        for ((p, dp), dx) in columns.zip(dx.chunks_exact_mut(channels)) {
            product(p, dp, |k, value| dx[k] = value);
        }
        Ok(())
    }

    fn tangent(&self, pass: Tangent<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let columns = pass.at.y.chunks_exact(channels).zip(pass.x_tangent.chunks_exact(channels));
        for ((p, v), out) in columns.zip(pass.y_tangent.chunks_exact_mut(channels)) {
            product(p, v, |k, value| out[k] = value);
        }
        Ok(())
    }

    fn backward_tangent(&self, pass: BackwardTangent<'_, T>) -> Result<()> {
        let channels = self.shape.channels;
        let Some(dx) = pass.dx_tangent else { return Ok(()) };
        let p = crate::dual::duals(pass.at.y, pass.y_tangent);
        let dp = crate::dual::duals(pass.dy, pass.dy_tangent);
        let columns = p.chunks_exact(channels).zip(dp.chunks_exact(channels));
        for ((p, dp), dx) in columns.zip(dx.chunks_exact_mut(channels)) {
            product(p, dp, |k, value: Dual<T>| dx[k] = value.slope);
        }
        Ok(())
    }

    fn view<'a>(&'a self, _parameters: &'a [T], _state: &'a [T]) -> View<'a, T> {
        View::Softmax { channels: self.shape.channels }
    }
}
