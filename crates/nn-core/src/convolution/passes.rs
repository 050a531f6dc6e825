//! The passes of a convolution and of what is fused with it, by whichever algorithm.
//!
//! The output is computed in bands of rows, and what follows the convolution, a ReLU or the largest
//! of 2 x 2 places, is done while a band is in the cache. A batch of one or two images is divided
//! among threads, forward by rows and backward into the gradients of weights and input; a batch of
//! more is divided outside of the layers. No number depends on the division.

use std::ops::Range;

use linalg::lanes::{Task, Vectors, run};
use linalg::parallel::{available_threads, join};
use linalg::{Real, Result};

use super::{Convolution, Method, direct, product, winograd};
use crate::{Backward, Forward, Memory, Shape};

/// What follows the convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Then {
    /// max(z, 0).
    pub(super) relu: bool,
    /// The largest of each 2 x 2 places, side by side.
    pub(super) pool: bool,
}

/// A batch of no more images is divided among threads here.
const FEW: usize = 2;
/// Multiply-adds that are worth a thread.
const GRAIN: usize = 1 << 20;

/// A convolution and what follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) layer: &'a Convolution,
    pub(super) then: Then,
}

impl Steps<'_> {
    /// Rows and columns of the convolution for each of the result.
    fn stride(&self) -> usize {
        if self.then.pool { 2 } else { 1 }
    }

    /// The shape of the result.
    pub(super) fn output(&self) -> Shape {
        let Shape { channels, width, height } = self.layer.geometry.output;
        Shape { channels, width: width / self.stride(), height: height / self.stride() }
    }

    /// The part of the convolution's output that the result depends on.
    fn used(&self) -> Shape {
        let Shape { channels, width, height } = self.output();
        Shape { channels, width: width * self.stride(), height: height * self.stride() }
    }

    /// Rows of the convolution in a band.
    fn band<T: Real>(&self) -> usize {
        let used = self.used();
        match self.layer.method::<T>() {
            Method::Winograd => winograd::band(self.layer),
            Method::Direct if self.then != Then::default() => 2 * (64 / used.width.max(1)).max(1),
            _ => used.height,
        }
    }

    /// Numbers that a thread needs for a band.
    fn band_scratch<T: Real>(&self) -> usize {
        let used = self.used();
        let rows = if self.then.pool { self.band::<T>() * used.width * used.channels } else { 0 };
        rows + match self.layer.method::<T>() {
            Method::Direct => 0,
            Method::Winograd => winograd::scratch(self.layer),
            Method::Product => product::scratch(self.layer),
        }
    }

    /// Numbers for the backward pass: dz, for the weights and for the input.
    fn backward_scratch<T: Real>(&self) -> [usize; 3] {
        let dz = if self.then == Then::default() { 0 } else { self.used().len() };
        let product = product::scratch(self.layer);
        match self.layer.method::<T>() {
            Method::Direct => {
                let input = self.layer.adjoint.as_ref().map_or(product, direct::Direct::scratch);
                [dz, self.layer.direct.scratch(), input]
            }
            Method::Winograd => {
                let band = winograd::scratch(self.layer);
                [dz, band + winograd::gradient_scratch(self.layer), band]
            }
            Method::Product => [dz, product, product],
        }
    }

    pub(super) fn memory<T: Real>(&self, samples: usize) -> Memory {
        let pieces = if samples <= FEW { self.pieces() } else { 1 };
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
    fn pieces(&self) -> usize {
        let work = self.layer.depth() * self.layer.geometry.output.len();
        (work / GRAIN).clamp(1, available_threads())
    }

    pub(super) fn forward<T: Real>(&self, pass: Forward<'_, T>) -> Result<()> {
        let (weight, bias) = self.layer.split(pass.parameters);
        let [packed, ..] = self.layer.prepared::<T>();
        let (inputs, outputs) = (self.layer.geometry.input, self.output().len());
        let records = if self.then.pool { outputs } else { 0 };
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
                (true, 0) => self.pieces(),
                (true, band) => self.pieces().min(scratch.len() / band),
            };
            image.split(pieces, 0..self.output().height, y, own, scratch)?;
        }
        Ok(())
    }

    pub(super) fn backward<T: Real>(&self, pass: Backward<'_, T>) -> Result<()> {
        let layer = self.layer;
        let weight = layer.split(pass.parameters).0;
        let (inputs, outputs) = (layer.geometry.input.len(), self.output().len());
        let records = if self.then.pool { outputs } else { 0 };
        let [dz, for_weights, for_input] = self.backward_scratch::<T>();
        let (dz, rest) = pass.scratch.split_at_mut(dz);
        let (for_weights, rest) = rest.split_at_mut(for_weights);
        let for_input = &mut rest[..for_input];
        let both = join_pays(pass.samples, self.pieces());

        let mut gradient = pass.gradient.map(|gradient| gradient.split_at_mut(weight.len()));
        if let Some((gradient, bias)) = &mut gradient {
            gradient.fill(T::zero());
            bias.fill(T::zero());
            if layer.method::<T>() == Method::Winograd {
                for_weights[..winograd::gradient_scratch(layer)].fill(T::zero());
            }
        }
        let mut dx = pass.dx;
        for sample in 0..pass.samples {
            let x = &pass.x[sample * inputs..][..inputs];
            let own = sample * outputs..(sample + 1) * outputs;
            let dz: &[T] = if self.then == Then::default() {
                &pass.dy[own]
            } else {
                let record = &pass.record[sample * records..][..records];
                let (y, dy) = (&pass.y[own.clone()], &pass.dy[own]);
                run(PullBack { steps: self, y, dy, record, dz: &mut *dz });
                dz
            };
            let mut weights = || match &mut gradient {
                Some((gradient, bias)) => {
                    run(SumPlaces { dz, sums: bias });
                    self.weight_gradient(x, dz, gradient, for_weights)
                }
                None => Ok(()),
            };
            let mut input = || match &mut dx {
                Some(dx) => {
                    let dx = &mut dx[sample * inputs..][..inputs];
                    self.input_gradient(weight, pass.prepared, dz, dx, for_input)
                }
                None => Ok(()),
            };
            let (weights, input) = if both { join(weights, input) } else { (weights(), input()) };
            weights.and(input)?;
        }
        if let (Some((gradient, _)), Method::Winograd) = (gradient, layer.method::<T>()) {
            let du = &for_weights[..winograd::gradient_scratch(layer)];
            winograd::finish_weight_gradient(du, gradient);
        }
        Ok(())
    }

    /// dW (for Winograd dU, at the front of `scratch`) ← itself + the image's share.
    fn weight_gradient<T: Real>(
        &self,
        x: &[T],
        dz: &[T],
        gradient: &mut [T],
        scratch: &mut [T],
    ) -> Result<()> {
        let (layer, used) = (self.layer, self.used());
        match layer.method::<T>() {
            Method::Direct => {
                let x = layer.direct.bordered((x, layer.geometry.input), scratch);
                layer.direct.add_weight_gradient(x, (dz, used), gradient)
            }
            Method::Winograd => {
                let (du, scratch) = scratch.split_at_mut(winograd::gradient_scratch(layer));
                bands(0..used.height, winograd::band(layer)).try_for_each(|rows| {
                    winograd::add_weight_gradient(layer, x, (dz, used), rows, du, scratch)
                })
            }
            Method::Product => product::weight_gradient(layer, x, dz, gradient, scratch),
        }
    }

    fn input_gradient<T: Real>(
        &self,
        weight: &[T],
        prepared: &[T],
        dz: &[T],
        dx: &mut [T],
        scratch: &mut [T],
    ) -> Result<()> {
        let (layer, used) = (self.layer, self.used());
        let [forward, backward, _] = layer.prepared::<T>();
        let packed = || &prepared[forward..forward + backward];
        match (layer.method::<T>(), &layer.adjoint) {
            (Method::Direct, Some(adjoint)) => {
                let bordered = adjoint.bordered((dz, used), scratch);
                let Shape { width, height, .. } = layer.geometry.input;
                adjoint.rows(packed(), &[], bordered, (0..height, width), dx)
            }
            (Method::Winograd, _) => {
                dx.fill(T::zero());
                bands(0..used.height, winograd::band(layer)).try_for_each(|rows| {
                    winograd::add_input_gradient(layer, packed(), (dz, used), rows, dx, scratch)
                })
            }
            _ => product::input_gradient(layer, weight, dz, dx, scratch),
        }
    }
}

fn join_pays(samples: usize, pieces: usize) -> bool {
    samples <= FEW && pieces > 1
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
    /// The rows `rows` of the result, in `pieces` for as many threads.
    fn split(
        &self,
        pieces: usize,
        rows: Range<usize>,
        y: &mut [T],
        record: &mut [T],
        scratch: &mut [T],
    ) -> Result<()> {
        // A tile of Winograd's is not divided.
        let unit = winograd::TILE / self.steps.stride();
        let half = (rows.len() * (pieces / 2) / pieces.max(1)).next_multiple_of(unit);
        if pieces <= 1 || half >= rows.len() || self.method == Method::Product {
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
        let (stride, then) = (self.steps.stride(), self.steps.then);
        let (used, output) = (self.steps.used(), self.steps.output());
        let row = output.width * output.channels;
        for band in bands(rows, (self.steps.band::<T>() / stride).max(1)) {
            let (own, rest) = y.split_at_mut(band.len() * row);
            y = rest;
            let from = band.start * stride..band.end * stride;
            if then.pool {
                let (z, scratch) = scratch.split_at_mut(from.len() * used.width * used.channels);
                self.convolve(from, used.width, z, scratch)?;
                let (records, rest) = record.split_at_mut(own.len());
                record = rest;
                run(Pool { z, output, relu: then.relu, y: own, record: records });
            } else {
                self.convolve(from, used.width, own, scratch)?;
                if then.relu {
                    run(Relu { y: own });
                }
            }
        }
        Ok(())
    }

    /// The rows `rows` of the convolution.
    fn convolve(
        &self,
        rows: Range<usize>,
        width: usize,
        z: &mut [T],
        scratch: &mut [T],
    ) -> Result<()> {
        let Self { weight, bias, packed, x, .. } = *self;
        let layer = self.steps.layer;
        match self.method {
            Method::Direct => layer.direct.rows(packed, bias, x, (rows, width), z),
            Method::Winograd => winograd::rows(layer, packed, bias, x, (rows, width), z, scratch),
            Method::Product => product::forward(layer, weight, Some(bias), x, z, scratch),
        }
    }
}

/// y ← max(y, 0); a NaN stays one.
struct Relu<'a, T> {
    y: &'a mut [T],
}

impl<T: Real> Task<T> for Relu<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        for y in self.y {
            *y = if *y < T::zero() { T::zero() } else { *y };
        }
    }
}

/// The largest of each 2 x 2 places, and which of them it was, row by row.
struct Pool<'a, T> {
    z: &'a [T],
    output: Shape,
    relu: bool,
    y: &'a mut [T],
    record: &'a mut [T],
}

impl<T: Real> Task<T> for Pool<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let Shape { channels, width, .. } = self.output;
        let row = width * channels;
        let results = self.y.chunks_exact_mut(row).zip(self.record.chunks_exact_mut(row));
        for (z, (y, record)) in self.z.chunks_exact(4 * row).zip(results) {
            let (upper, lower) = z.split_at(2 * row);
            for place in 0..width {
                let from = 2 * place * channels;
                let (a, b) = upper[from..][..2 * channels].split_at(channels);
                let (c, d) = lower[from..][..2 * channels].split_at(channels);
                let y = &mut y[place * channels..][..channels];
                let record = &mut record[place * channels..][..channels];
                for l in 0..channels {
                    let (mut largest, mut which) = (a[l], T::zero());
                    let mut tap = T::zero();
                    for z in [b[l], c[l], d[l]] {
                        tap += T::one();
                        // A NaN is not equal to itself; nothing is larger than it.
                        #[expect(clippy::eq_op, reason = "the test for a NaN that vectorizes")]
                        let wins = z > largest || z != z;
                        largest = if wins { z } else { largest };
                        which = if wins { tap } else { which };
                    }
                    let blocked = self.relu && largest < T::zero();
                    y[l] = if blocked { T::zero() } else { largest };
                    record[l] = which;
                }
            }
        }
    }
}

/// dz from dy: to the largest of each 2 x 2 places, and where the ReLU let it through.
struct PullBack<'a, T> {
    steps: &'a Steps<'a>,
    y: &'a [T],
    dy: &'a [T],
    record: &'a [T],
    dz: &'a mut [T],
}

impl<T: Real> Task<T> for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let Self { steps, y, dy, record, dz } = self;
        if !steps.then.pool {
            for ((dz, &dy), &y) in dz.iter_mut().zip(dy).zip(y) {
                *dz = if y > T::zero() { dy } else { T::zero() };
            }
            return;
        }
        let Shape { channels, width, .. } = steps.output();
        let row = width * channels;
        let lines = dz.chunks_exact_mut(4 * row).zip(y.chunks_exact(row));
        for ((dz, y), (dy, record)) in lines.zip(dy.chunks_exact(row).zip(record.chunks_exact(row)))
        {
            let (upper, lower) = dz.split_at_mut(2 * row);
            for place in 0..width {
                let from = place * channels..(place + 1) * channels;
                let (y, dy, record) = (&y[from.clone()], &dy[from.clone()], &record[from]);
                let to = 2 * place * channels..2 * (place + 1) * channels;
                let (a, b) = upper[to.clone()].split_at_mut(channels);
                let (c, d) = lower[to].split_at_mut(channels);
                let (b, c, d) = (&mut b[..channels], &mut c[..channels], &mut d[..channels]);
                let a = &mut a[..channels];
                let (y, dy, record) = (&y[..channels], &dy[..channels], &record[..channels]);
                for l in 0..channels {
                    let open = !steps.then.relu || y[l] > T::zero();
                    let dy = if open { dy[l] } else { T::zero() };
                    let which = record[l];
                    let two = T::one() + T::one();
                    a[l] = if which == T::zero() { dy } else { T::zero() };
                    b[l] = if which == T::one() { dy } else { T::zero() };
                    c[l] = if which == two { dy } else { T::zero() };
                    d[l] = if which == two + T::one() { dy } else { T::zero() };
                }
            }
        }
    }
}

/// The gradient of the bias: the sum over all places.
struct SumPlaces<'a, T> {
    dz: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> Task<T> for SumPlaces<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        for place in self.dz.chunks_exact(self.sums.len()) {
            for (sum, &dz) in self.sums.iter_mut().zip(place) {
                *sum += dz;
            }
        }
    }
}
