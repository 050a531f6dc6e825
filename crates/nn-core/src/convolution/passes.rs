//! The passes of a convolution and of what is fused with it, by whichever algorithm.
//!
//! The output is computed in bands of rows, and what follows the convolution, a ReLU or the largest
//! of 2 x 2 places, is done while a band is in registers or in the cache; the way back likewise. A
//! batch of one or two images is divided among threads where a pass may use them, forward by rows and
//! backward into the gradients of weights and input; a batch of more is divided outside of the layers.
//! No number depends on the division.

use std::ops::Range;

use linalg::lanes::run;
use linalg::parallel::{available_threads, join};
use linalg::{Real, Result, Threads};

use super::direct::{self, Direct};
use super::then::{Delta, PullBack, Rectify, Sum, Then, follow};
use super::{Convolution, Method, depthwise, product, winograd};
use crate::{Backward, Forward, Memory, Passes, Shape};

/// A batch of no more images is divided among threads here.
const FEW: usize = 2;
/// Multiply-adds that are worth a thread.
const GRAIN: usize = 1 << 20;
/// Places of the direct form that are computed at a time, so that they stay in the first-level
/// cache.
const PLACES: usize = 128;

/// A convolution and what follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) layer: &'a Convolution,
    pub(super) then: Then,
}

impl Steps<'_> {
    /// The shape of the result.
    pub(super) fn output(&self) -> Shape {
        let Shape { channels, width, height } = self.layer.geometry.output;
        let stride = self.then.stride();
        Shape { channels, width: width / stride, height: height / stride }
    }

    /// The part of the convolution's output that the result depends on.
    fn used(&self) -> Shape {
        let Shape { channels, width, height } = self.output();
        let stride = self.then.stride();
        Shape { channels, width: width * stride, height: height * stride }
    }

    /// Rows of the convolution in a band, a multiple of those for a row of the result.
    fn band<T: Real>(&self) -> usize {
        let used = self.used();
        let few = (PLACES / used.width.max(1)).next_multiple_of(self.then.stride());
        match self.layer.method::<T>() {
            Method::Winograd => winograd::band(self.layer),
            Method::Direct => few.clamp(self.then.stride(), used.height.max(self.then.stride())),
            Method::Depthwise | Method::Product => used.height,
        }
    }

    /// Numbers that a thread needs for a band of the forward pass.
    fn band_scratch<T: Real>(&self) -> usize {
        let used = self.used();
        match self.layer.method::<T>() {
            Method::Direct if self.then.pool => self.band::<T>() * used.width * used.channels,
            Method::Direct | Method::Depthwise => 0,
            Method::Winograd => winograd::forward_scratch(self.layer),
            Method::Product => product::scratch(self.layer),
        }
    }

    /// Numbers for the backward pass: dz, for the weights and for the input.
    fn backward_scratch<T: Real>(&self) -> [usize; 3] {
        let layer = self.layer;
        let dz = if self.then == Then::default() { 0 } else { self.used().len() };
        let product = product::scratch(layer);
        match layer.method::<T>() {
            Method::Direct => {
                let input = layer.adjoint.as_ref().map_or(product, Direct::scratch);
                [dz, layer.direct.scratch() + direct::gradient_scratch(layer), input]
            }
            Method::Winograd => {
                let [dm, v, dv] = winograd::backward_scratch(layer);
                [dm, v + winograd::gradient_scratch(layer), dv]
            }
            Method::Depthwise => [dz, 0, 0],
            Method::Product => [dz, product, product],
        }
    }

    pub(super) fn memory<T: Real>(&self, samples: usize) -> Memory {
        let pieces = if samples <= FEW { self.pieces(Threads::Pool) } else { 1 };
        let border = match self.layer.method::<T>() {
            Method::Direct => self.layer.direct.scratch(),
            _ => 0,
        };
        let forward = border + pieces * self.band_scratch::<T>();
        Memory {
            record: if self.then.pool { samples * self.output().len() } else { 0 },
            scratch: forward.max(self.backward_scratch::<T>().iter().sum()),
            prepared: self.layer.prepared::<T>().iter().sum(),
        }
    }

    /// Pieces of an image that are worth a thread each, as far as there are threads.
    fn pieces(&self, threads: Threads) -> usize {
        let work = self.layer.depth() * self.layer.geometry.output.len();
        match threads {
            Threads::One => 1,
            Threads::Pool => (work / GRAIN).clamp(1, available_threads()),
        }
    }

    pub(super) fn forward<T: Real>(&self, pass: Forward<'_, T>) -> Result<()> {
        let (weight, bias) = self.layer.split(pass.parameters);
        let [packed, ..] = self.layer.prepared::<T>();
        let (inputs, outputs) = (self.layer.geometry.input, self.output().len());
        let kept = self.then.pool && pass.passes == Passes::Both;
        let records = if kept { outputs } else { 0 };
        let mut record = pass.record;
        let images = pass.x.chunks_exact(inputs.len()).zip(pass.y.chunks_exact_mut(outputs));
        for (x, y) in images {
            let (own, rest) = record.split_at_mut(records);
            record = rest;
            let method = self.layer.method::<T>();
            let border = if method == Method::Direct { self.layer.direct.scratch() } else { 0 };
            let (border, scratch) = pass.scratch.split_at_mut(border);
            let x = match method {
                Method::Direct => self.layer.direct.bordered((x, inputs), border),
                _ => x,
            };
            let image =
                Image { steps: self, method, weight, bias, packed: &pass.prepared[..packed], x };
            let pieces = match (pass.samples <= FEW, self.band_scratch::<T>()) {
                (false, _) => 1,
                (true, 0) => self.pieces(pass.threads),
                (true, band) => self.pieces(pass.threads).min(scratch.len() / band),
            };
            image.split(pieces, 0..self.output().height, y, own, scratch)?;
        }
        Ok(())
    }

    pub(super) fn backward<T: Real>(&self, pass: Backward<'_, T>) -> Result<()> {
        let layer = self.layer;
        let weight = layer.split(pass.parameters).0;
        let [forward, backward, _] = layer.prepared::<T>();
        let packed = pass.prepared.get(forward..forward + backward).unwrap_or_default();
        let (inputs, outputs) = (layer.geometry.input.len(), self.output().len());
        let records = if self.then.pool { outputs } else { 0 };
        let [dz, for_weights, for_input] = self.backward_scratch::<T>();
        let (dz, rest) = pass.scratch.split_at_mut(dz);
        let (for_weights, rest) = rest.split_at_mut(for_weights);
        let for_input = &mut rest[..for_input];

        let mut gradient = pass.gradient.map(|gradient| gradient.split_at_mut(weight.len()));
        let method = layer.method::<T>();
        // Where the sums have another form than the gradient: Winograd's, or bundles of groups.
        let sums = match method {
            Method::Winograd => winograd::gradient_scratch(layer),
            Method::Direct => direct::gradient_scratch(layer),
            Method::Depthwise | Method::Product => 0,
        };
        let (sums, for_weights) = for_weights.split_at_mut(sums);
        if let Some((gradient, bias)) = &mut gradient {
            bias.fill(T::zero());
            if sums.is_empty() { gradient } else { &mut *sums }.fill(T::zero());
        }
        let mut dx = pass.dx;
        for sample in 0..pass.samples {
            let own = sample * outputs..(sample + 1) * outputs;
            let delta = Delta {
                then: self.then,
                output: self.output(),
                y: &pass.y[own.clone()],
                dy: &pass.dy[own],
                record: &pass.record[sample * records..][..records],
            };
            let dx = dx.as_deref_mut().map(|dx| &mut dx[sample * inputs..][..inputs]);
            let mut image = ImageBack {
                steps: self,
                weight,
                packed,
                delta,
                x: &pass.x[sample * inputs..][..inputs],
                together: pass.samples <= FEW && self.pieces(pass.threads) > 1,
                dz,
                for_weights,
                for_input,
            };
            let gradient = gradient.as_mut().map(|(gradient, bias)| {
                let sums = if sums.is_empty() { &mut **gradient } else { &mut *sums };
                (sums, &mut **bias)
            });
            if method == Method::Winograd {
                image.by_winograd(gradient, dx)?;
            } else {
                image.by_sums(gradient, dx)?;
            }
        }
        match gradient {
            Some((gradient, _)) if method == Method::Winograd => {
                winograd::finish_weight_gradient(sums, gradient);
            }
            Some((gradient, _)) if !sums.is_empty() => {
                direct::finish_weight_gradient(layer, sums, gradient);
            }
            _ => {}
        }
        Ok(())
    }
}

/// `rows` in stretches of at most `band`.
fn bands(rows: Range<usize>, band: usize) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(band).map(move |start| start..end.min(start + band))
}

/// The forward pass of one image.
struct Image<'a, T> {
    steps: &'a Steps<'a>,
    method: Method,
    weight: &'a [T],
    bias: &'a [T],
    packed: &'a [T],
    /// The input, with its border in the direct form.
    x: &'a [T],
}

impl<T: Real> Image<'_, T> {
    /// The rows `rows` of the result, in `pieces` for as many threads; and the record of them, unless that is empty.
    fn split(
        &self,
        pieces: usize,
        rows: Range<usize>,
        y: &mut [T],
        record: &mut [T],
        scratch: &mut [T],
    ) -> Result<()> {
        // A tile of Winograd's is not divided.
        let unit = winograd::TILE / self.steps.then.stride();
        let half = (rows.len() * (pieces / 2) / pieces.max(1)).next_multiple_of(unit);
        let whole = matches!(self.method, Method::Depthwise | Method::Product);
        if pieces <= 1 || half >= rows.len() || whole {
            return self.rows(rows, y, record, scratch);
        }
        let at = half * y.len() / rows.len();
        let (top, bottom) = y.split_at_mut(at);
        let (records, more) = record.split_at_mut(at.min(record.len()));
        let (own, rest) = scratch.split_at_mut(scratch.len() / pieces * (pieces / 2));
        let middle = rows.start + half;
        let (top, bottom) = join(
            || self.split(pieces / 2, rows.start..middle, top, records, own),
            || self.split(pieces - pieces / 2, middle..rows.end, bottom, more, rest),
        );
        top.and(bottom)
    }

    /// The rows `rows` of the result, a band at a time.
    fn rows(
        &self,
        rows: Range<usize>,
        mut y: &mut [T],
        mut record: &mut [T],
        scratch: &mut [T],
    ) -> Result<()> {
        let Self { weight, bias, packed, x, .. } = *self;
        let Steps { layer, then } = *self.steps;
        let stride = then.stride();
        let (used, output) = (self.steps.used(), self.steps.output());
        let row = output.width * output.channels;
        for band in bands(rows, (self.steps.band::<T>() / stride).max(1)) {
            let (y_band, rest) = y.split_at_mut(band.len() * row);
            y = rest;
            let (records, rest) = record.split_at_mut(y_band.len().min(record.len()));
            record = rest;
            let from = (band.start * stride..band.end * stride, used.width);
            match self.method {
                Method::Winograd => {
                    let results = (y_band, records);
                    winograd::rows((layer, then), (packed, bias), x, from, results, scratch)?;
                    continue;
                }
                Method::Direct if then.pool => {
                    let z = &mut scratch[..4 * band.len() * row];
                    layer.direct.rows(packed, bias, x, from, z)?;
                    follow(then, output, z, y_band, records);
                    continue;
                }
                Method::Direct => layer.direct.rows(packed, bias, x, from, y_band)?,
                Method::Depthwise => {
                    depthwise::forward(&layer.geometry, weight, bias, x, y_band);
                }
                Method::Product => {
                    product::forward(layer, weight, Some(bias), x, y_band, scratch)?;
                }
            }
            if then.relu {
                run(Rectify { y: y_band });
            }
        }
        Ok(())
    }
}

/// The backward pass of one image.
struct ImageBack<'a, T> {
    steps: &'a Steps<'a>,
    weight: &'a [T],
    /// What is prepared for the input's gradient.
    packed: &'a [T],
    delta: Delta<'a, T>,
    x: &'a [T],
    /// Whether both gradients are computed at the same time.
    together: bool,
    dz: &'a mut [T],
    for_weights: &'a mut [T],
    for_input: &'a mut [T],
}

/// Runs both, at the same time where that is asked for.
fn both(
    together: bool,
    weights: impl FnOnce() -> Result<()> + Send,
    input: impl FnOnce() -> Result<()> + Send,
) -> Result<()> {
    let (weights, input) = if together { join(weights, input) } else { (weights(), input()) };
    weights.and(input)
}

impl<T: Real> ImageBack<'_, T> {
    /// Adds the image's share to dU and to the bias's gradient, and writes dx.
    fn by_winograd(
        &mut self,
        mut gradient: Option<(&mut [T], &mut [T])>,
        mut dx: Option<&mut [T]>,
    ) -> Result<()> {
        let layer = self.steps.layer;
        if let Some(dx) = &mut dx {
            dx.fill(T::zero());
        }
        for rows in bands(0..self.steps.used().height, winograd::band(layer)) {
            let sums = gradient.as_mut().map_or(&mut [][..], |(_, bias)| &mut **bias);
            let band = winograd::Gradients::new(layer, &self.delta, rows, self.dz, sums);
            let (x, packed) = (self.x, self.packed);
            let (for_weights, for_input) = (&mut *self.for_weights, &mut *self.for_input);
            both(
                self.together,
                || match &mut gradient {
                    Some((du, _)) => band.add_to_weights(x, du, for_weights),
                    None => Ok(()),
                },
                || match &mut dx {
                    Some(dx) => band.add_to_input(packed, dx, for_input),
                    None => Ok(()),
                },
            )?;
        }
        Ok(())
    }

    /// Adds the image's share to the gradients of weights and bias, and writes dx, by the direct form
    /// or as products.
    fn by_sums(
        &mut self,
        mut gradient: Option<(&mut [T], &mut [T])>,
        mut dx: Option<&mut [T]>,
    ) -> Result<()> {
        let Steps { layer, then } = *self.steps;
        let (used, height) = (self.steps.used(), self.delta.output.height);
        let row = used.width * used.channels;
        let band = (self.steps.band::<T>() / then.stride()).max(1);
        let method = layer.method::<T>();
        let direct = method == Method::Direct;
        // The input's gradient needs all of dz, the weights' a band at a time.
        let step = if direct && dx.is_none() { band } else { height.max(1) };
        for rows in bands(0..height, step) {
            let sums = gradient.as_mut().map_or(&mut [][..], |(_, bias)| &mut **bias);
            let z_rows = rows.start * then.stride()..rows.end * then.stride();
            let dz = if then == Then::default() {
                let dy = &self.delta.dy[z_rows.start * row..z_rows.end * row];
                run(Sum { dy, sums });
                dy
            } else {
                let dz = &mut self.dz[..z_rows.len() * row];
                run(PullBack { delta: &self.delta, rows, dz: &mut *dz, sums });
                &*dz
            };
            let (x, weight, packed) = (self.x, self.weight, self.packed);
            let (for_weights, for_input) = (&mut *self.for_weights, &mut *self.for_input);
            both(
                self.together,
                || match &mut gradient {
                    Some((gradient, _)) if direct => {
                        let x = layer.direct.bordered((x, layer.geometry.input), for_weights);
                        let first = z_rows.start;
                        bands(z_rows.clone(), band * then.stride()).try_for_each(|rows| {
                            let dz = &dz[(rows.start - first) * row..(rows.end - first) * row];
                            layer.direct.add_weight_gradient(x, dz, (rows, used.width), gradient)
                        })
                    }
                    Some((gradient, _)) if method == Method::Depthwise => {
                        depthwise::add_weight_gradient(&layer.geometry, x, dz, gradient);
                        Ok(())
                    }
                    Some((gradient, _)) => {
                        product::weight_gradient(layer, x, dz, gradient, for_weights)
                    }
                    None => Ok(()),
                },
                || match (&mut dx, &layer.adjoint) {
                    (Some(dx), Some(adjoint)) if direct => {
                        let bordered = adjoint.bordered((dz, used), for_input);
                        let Shape { width, height, .. } = layer.geometry.input;
                        adjoint.rows(packed, &[], bordered, (0..height, width), dx)
                    }
                    (Some(dx), _) if method == Method::Depthwise => {
                        depthwise::input_gradient(&layer.geometry, weight, dz, dx);
                        Ok(())
                    }
                    (Some(dx), _) => product::input_gradient(layer, weight, dz, dx, for_input),
                    (None, _) => Ok(()),
                },
            )?;
        }
        Ok(())
    }
}
