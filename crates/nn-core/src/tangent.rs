//! Derivatives of a layer's passes along a direction.

use linalg::{Real, Threads};

use crate::trace::zeros;
use crate::{Backward, Forward, Layer, Mode, Passes, Result};

/// Where a layer was evaluated: what its forward pass read and wrote.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Point<'a, T: Real> {
    /// The layer's parameters θ.
    pub parameters: &'a [T],
    /// What [`Layer::update_state`] has learned.
    pub state: &'a [T],
    /// What [`Layer::prepare`] has written.
    pub prepared: &'a [T],
    /// Columns of x and y.
    pub samples: usize,
    /// The input, inputs x samples.
    pub x: &'a [T],
    /// The output, outputs x samples.
    pub y: &'a [T],
    /// What the forward pass has written for the backward pass.
    pub record: &'a [T],
    /// What the forward pass was for.
    pub mode: Mode,
    /// The place of the first column in the batch, of which this may be a part.
    pub first_sample: usize,
}

/// What a layer is given to compute ẏ = dy/dt, where θ moves with velocity θ̇ and x with ẋ.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tangent<'a, T: Real> {
    /// Where.
    pub at: Point<'a, T>,
    /// θ̇, zeros where the parameters stand still.
    pub parameters_tangent: &'a [T],
    /// ẋ, inputs x samples.
    pub x_tangent: &'a [T],
    /// ẏ, outputs x samples: to be overwritten.
    pub y_tangent: &'a mut [T],
    /// The derivative of the record, for [`Layer::backward_tangent`].
    pub record_tangent: &'a mut [T],
}

/// What a layer is given to compute how its backward pass changes, where θ moves with θ̇, x with ẋ,
/// and dL/dy with its own velocity.
#[derive(Debug)]
#[non_exhaustive]
pub struct BackwardTangent<'a, T: Real> {
    /// Where.
    pub at: Point<'a, T>,
    /// dL/dy, outputs x samples.
    pub dy: &'a [T],
    /// θ̇, zeros where the parameters stand still.
    pub parameters_tangent: &'a [T],
    /// ẋ, inputs x samples.
    pub x_tangent: &'a [T],
    /// ẏ, outputs x samples.
    pub y_tangent: &'a [T],
    /// d/dt dL/dy, outputs x samples.
    pub dy_tangent: &'a [T],
    /// What [`Layer::tangent`] has written.
    pub record_tangent: &'a [T],
    /// d/dt dL/dθ: to be overwritten.
    pub gradient_tangent: &'a mut [T],
    /// d/dt dL/dx, inputs x samples: to be overwritten where asked for.
    pub dx_tangent: Option<&'a mut [T]>,
}

/// ẏ by central differences of the forward pass.
pub(crate) fn tangent_by_differences<T: Real, L: Layer<T> + ?Sized>(
    layer: &L,
    pass: Tangent<'_, T>,
) -> Result<()> {
    let Tangent { at, parameters_tangent, x_tangent, y_tangent, record_tangent } = pass;
    let step = step(&[at.parameters, at.x], &[parameters_tangent, x_tangent]);
    let moved = |step: T| -> Result<Moved<T>> {
        Moved::new(
            layer,
            at,
            shifted(at.parameters, parameters_tangent, step),
            shifted(at.x, x_tangent, step),
        )
    };
    let (above, below) = (moved(step)?, moved(-step)?);
    quotient(&above.y, &below.y, step, y_tangent);
    quotient(&above.record, &below.record, step, record_tangent);
    Ok(())
}

/// How the backward pass changes, by central differences of it.
pub(crate) fn backward_tangent_by_differences<T: Real, L: Layer<T> + ?Sized>(
    layer: &L,
    pass: BackwardTangent<'_, T>,
) -> Result<()> {
    let at = pass.at;
    let step = step(
        &[at.parameters, at.x, pass.dy],
        &[pass.parameters_tangent, pass.x_tangent, pass.dy_tangent],
    );
    let moved = |step: T| -> Result<(Vec<T>, Vec<T>)> {
        let mut moved = Moved::new(
            layer,
            at,
            shifted(at.parameters, pass.parameters_tangent, step),
            shifted(at.x, pass.x_tangent, step),
        )?;
        let (mut gradient, mut dx) = (zeros(at.parameters.len()), zeros(at.x.len()));
        layer.backward(Backward {
            parameters: &moved.parameters,
            state: at.state,
            prepared: &moved.prepared,
            samples: at.samples,
            x: &moved.x,
            y: &moved.y,
            dy: &shifted(pass.dy, pass.dy_tangent, step),
            gradient: Some(&mut gradient),
            dx: pass.dx_tangent.is_some().then_some(&mut dx),
            record: &moved.record,
            scratch: &mut moved.scratch,
            mode: at.mode,
            first_sample: at.first_sample,
            threads: Threads::One,
        })?;
        Ok((gradient, dx))
    };
    let (above, below) = (moved(step)?, moved(-step)?);
    quotient(&above.0, &below.0, step, pass.gradient_tangent);
    if let Some(dx) = pass.dx_tangent {
        quotient(&above.1, &below.1, step, dx);
    }
    Ok(())
}

/// A forward pass at a point beside another.
struct Moved<T> {
    parameters: Vec<T>,
    prepared: Vec<T>,
    x: Vec<T>,
    y: Vec<T>,
    record: Vec<T>,
    scratch: Vec<T>,
}

impl<T: Real> Moved<T> {
    fn new<L: Layer<T> + ?Sized>(
        layer: &L,
        at: Point<'_, T>,
        parameters: Vec<T>,
        x: Vec<T>,
    ) -> Result<Self> {
        let memory = layer.memory(at.samples);
        let mut moved = Self {
            parameters,
            prepared: zeros(memory.prepared),
            x,
            y: zeros(at.y.len()),
            record: zeros(at.record.len()),
            scratch: zeros(memory.scratch),
        };
        layer.prepare(&moved.parameters, Passes::Both, &mut moved.prepared);
        layer.forward(Forward {
            parameters: &moved.parameters,
            state: at.state,
            prepared: &moved.prepared,
            samples: at.samples,
            x: &moved.x,
            y: &mut moved.y,
            record: &mut moved.record,
            passes: Passes::Both,
            scratch: &mut moved.scratch,
            mode: at.mode,
            first_sample: at.first_sample,
            threads: Threads::One,
        })?;
        Ok(moved)
    }
}

/// A step that moves no entry by more than ∛eps times the largest, or times 1.
pub(crate) fn step<T: Real>(points: &[&[T]], directions: &[&[T]]) -> T {
    let largest = |slices: &[&[T]]| {
        slices.iter().flat_map(|s| s.iter()).fold(0.0, |m: f64, v| m.max(v.to_double().abs()))
    };
    let speed = largest(directions);
    let reach = T::EPSILON.cbrt() * largest(points).max(1.0);
    T::from_double(if speed > 0.0 { reach / speed } else { reach })
}

/// point + step·direction.
pub(crate) fn shifted<T: Real>(point: &[T], direction: &[T], step: T) -> Vec<T> {
    point.iter().zip(direction).map(|(&p, &d)| p + step * d).collect()
}

fn quotient<T: Real>(above: &[T], below: &[T], step: T, out: &mut [T]) {
    for ((out, &above), &below) in out.iter_mut().zip(above).zip(below) {
        *out = (above - below) / (step + step);
    }
}
