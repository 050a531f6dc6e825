//! A convolution along a direction: linear in x and in its parameters, its tangents are itself.

use linalg::Real;

use super::{Convolution, product};
use crate::trace::zeros;
use crate::{BackwardTangent, Result, Tangent};

/// ẏ = A(Ẇ)·x + ḃ + A(W)·ẋ.
pub(super) fn tangent<T: Real>(layer: &Convolution, pass: Tangent<'_, T>) -> Result<()> {
    let (inputs, outputs) = (layer.geometry.input.len(), layer.geometry.output.len());
    let weight = layer.split(pass.at.parameters).0;
    let (weight_tangent, bias_tangent) = layer.split(pass.parameters_tangent);
    let (mut scratch, mut by_input) = (zeros(product::scratch(layer)), zeros(outputs));
    let images = pass.at.x.chunks_exact(inputs).zip(pass.x_tangent.chunks_exact(inputs));
    for ((x, x_tangent), y) in images.zip(pass.y_tangent.chunks_exact_mut(outputs)) {
        product::forward(layer, weight_tangent, Some(bias_tangent), x, y, &mut scratch)?;
        product::forward(layer, weight, None, x_tangent, &mut by_input, &mut scratch)?;
        for (y, &by_input) in y.iter_mut().zip(&by_input) {
            *y += by_input;
        }
    }
    Ok(())
}

/// The product rule on dW = dy ⋆ x and dx = A(W)ᵀ·dy.
pub(super) fn backward_tangent<T: Real>(
    layer: &Convolution,
    pass: BackwardTangent<'_, T>,
) -> Result<()> {
    let (inputs, outputs) = (layer.geometry.input.len(), layer.geometry.output.len());
    let filters = layer.filters();
    let (gradient, bias) = pass.gradient_tangent.split_at_mut(filters * layer.depth());
    gradient.fill(T::zero());
    bias.fill(T::zero());
    let mut scratch = zeros(product::scratch(layer));
    let images = pass.at.x.chunks_exact(inputs).zip(pass.x_tangent.chunks_exact(inputs));
    let results = pass.dy.chunks_exact(outputs).zip(pass.dy_tangent.chunks_exact(outputs));
    for ((x, x_tangent), (dy, dy_tangent)) in images.zip(results) {
        product::weight_gradient(layer, x, dy_tangent, gradient, &mut scratch)?;
        product::weight_gradient(layer, x_tangent, dy, gradient, &mut scratch)?;
        for place in dy_tangent.chunks_exact(filters) {
            for (sum, &dy) in bias.iter_mut().zip(place) {
                *sum += dy;
            }
        }
    }
    let Some(dx_tangent) = pass.dx_tangent else { return Ok(()) };
    let weight = layer.split(pass.at.parameters).0;
    let weight_tangent = layer.split(pass.parameters_tangent).0;
    let mut by_weight = zeros(inputs);
    let results = pass.dy.chunks_exact(outputs).zip(pass.dy_tangent.chunks_exact(outputs));
    for ((dy, dy_tangent), dx) in results.zip(dx_tangent.chunks_exact_mut(inputs)) {
        product::input_gradient(layer, weight, dy_tangent, dx, &mut scratch)?;
        product::input_gradient(layer, weight_tangent, dy, &mut by_weight, &mut scratch)?;
        for (dx, &by_weight) in dx.iter_mut().zip(&by_weight) {
            *dx += by_weight;
        }
    }
    Ok(())
}
