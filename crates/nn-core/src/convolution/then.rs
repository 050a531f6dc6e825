//! What follows a convolution, done on the vectors that the convolution leaves in registers: a ReLU,
//! the largest of 2 x 2 places, or both; and the way back.

use std::ops::Range;

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

use crate::Shape;

/// What follows the convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Then {
    /// max(z, 0).
    pub(super) relu: bool,
    /// The largest of each 2 x 2 places, side by side.
    pub(super) pool: bool,
}

/// The place of 2 x 2 to which a gradient goes back, in a record: none, where the ReLU let nothing
/// through.
const NONE: f64 = 4.0;

impl Then {
    /// Rows and columns of the convolution for each of the result.
    pub(super) fn stride(self) -> usize {
        if self.pool { 2 } else { 1 }
    }

    /// max(z, 0) where there is a ReLU; a NaN stays one.
    #[inline(always)]
    pub(super) fn value<T: Real, V: Vectors<T>>(self, v: V, z: V::Vector) -> V::Vector {
        let zero = v.splat(T::zero());
        if self.relu { v.where_greater([zero, z], zero, z) } else { z }
    }

    /// The largest of 2 x 2 places through the ReLU, where there is one. A NaN is larger than anything.
    #[inline(always)]
    pub(super) fn largest<T: Real, V: Vectors<T>>(
        self,
        v: V,
        [first, rest @ ..]: [V::Vector; 4],
    ) -> V::Vector {
        let largest = rest.into_iter().fold(first, |largest, z| {
            v.where_equal([z, z], v.where_greater([z, largest], z, largest), z)
        });
        self.value(v, largest)
    }

    /// The same, the first of several; and which of them it was, or 4.
    #[inline(always)]
    pub(super) fn largest_and_place<T: Real, V: Vectors<T>>(
        self,
        v: V,
        [first, rest @ ..]: [V::Vector; 4],
    ) -> (V::Vector, V::Vector) {
        let (mut largest, mut which) = (first, v.splat(T::zero()));
        for (tap, z) in [1.0, 2.0, 3.0].into_iter().zip(rest) {
            let tap = v.splat(T::from_double(tap));
            let larger = |x, y| v.where_equal([z, z], v.where_greater([z, largest], x, y), x);
            (largest, which) = (larger(z, largest), larger(tap, which));
        }
        if self.relu {
            let none = v.splat(T::from_double(NONE));
            which = v.where_greater([largest, v.splat(T::zero())], which, none);
        }
        (self.value(v, largest), which)
    }
}

/// dL/dy of an image and what it takes to make dL/dz of it, z the convolution's output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta<'a, T> {
    pub(super) then: Then,
    /// The shape of y.
    pub(super) output: Shape,
    pub(super) y: &'a [T],
    pub(super) dy: &'a [T],
    pub(super) record: &'a [T],
}

/// The first channel of each vector, and how many channels it has: all of its lanes where `FAST`.
#[inline(always)]
pub(super) fn vectors_of<const FAST: bool>(
    channels: usize,
    lanes: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let len = move |channel| if FAST { lanes } else { lanes.min(channels - channel) };
    (0..channels).step_by(lanes).map(move |channel| (channel, len(channel)))
}

/// The numbers of `x` as a vector, which they fill where `FAST`.
#[inline(always)]
pub(super) fn load<T: Real, V: Vectors<T>, const FAST: bool>(v: V, x: &[T]) -> V::Vector {
    if FAST { v.whole(x)[0] } else { v.load(x) }
}

/// The vector into `x`, which it fills where `FAST`.
#[inline(always)]
pub(super) fn store<T: Real, V: Vectors<T>, const FAST: bool>(
    v: V,
    x: &mut [T],
    vector: V::Vector,
) {
    if FAST {
        v.whole_mut(x)[0] = vector;
    } else {
        v.store(x, vector);
    }
}

impl<T: Real> Delta<'_, T> {
    /// dL/dz at one place from `at`, a stretch of its channels: of y's place without pooling.
    #[inline(always)]
    pub(super) fn single<V: Vectors<T>, const FAST: bool>(
        &self,
        v: V,
        at: Range<usize>,
    ) -> V::Vector {
        let dy = load::<T, V, FAST>(v, &self.dy[at.clone()]);
        if !self.then.relu {
            return dy;
        }
        let zero = v.splat(T::zero());
        v.where_greater([load::<T, V, FAST>(v, &self.y[at]), zero], dy, zero)
    }

    /// dL/dz at the 2 x 2 places that were pooled into y's at `at`; and their sum.
    #[inline(always)]
    pub(super) fn four<V: Vectors<T>, const FAST: bool>(
        &self,
        v: V,
        at: Range<usize>,
    ) -> ([V::Vector; 4], V::Vector) {
        let dy = load::<T, V, FAST>(v, &self.dy[at.clone()]);
        let which = load::<T, V, FAST>(v, &self.record[at]);
        let zero = v.splat(T::zero());
        let mut four = [zero; 4];
        for (tap, dz) in [0.0, 1.0, 2.0, 3.0].into_iter().zip(&mut four) {
            *dz = v.where_equal([which, v.splat(T::from_double(tap))], dy, zero);
        }
        (four, v.where_equal([which, v.splat(T::from_double(NONE))], zero, dy))
    }
}

/// What follows the rows `z` of a convolution into the rows of `y`, and of `record` unless that is empty.
pub(super) fn follow<T: Real>(then: Then, output: Shape, z: &[T], y: &mut [T], record: &mut [T]) {
    run(Follow { then, output, z, y, record });
}

struct Follow<'a, T> {
    then: Then,
    output: Shape,
    z: &'a [T],
    y: &'a mut [T],
    record: &'a mut [T],
}

impl<T: Real> Task<T> for Follow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        let fast = self.output.channels.is_multiple_of(v.lanes());
        match (fast, self.record.is_empty()) {
            (true, true) => self.rows::<V, true, false>(v),
            (true, false) => self.rows::<V, true, true>(v),
            (false, true) => self.rows::<V, false, false>(v),
            (false, false) => self.rows::<V, false, true>(v),
        }
    }
}

impl<T: Real> Follow<'_, T> {
    #[inline(always)]
    fn rows<V: Vectors<T>, const FAST: bool, const KEPT: bool>(self, v: V) {
        let Shape { channels, width, .. } = self.output;
        let row = width * channels;
        let rows = self.z.chunks_exact(4 * row).zip(self.y.chunks_exact_mut(row));
        for (index, (z, y)) in rows.enumerate() {
            let record = if KEPT { &mut self.record[index * row..][..row] } else { &mut [][..] };
            let (upper, lower) = z.split_at(2 * row);
            for place in 0..width {
                for (channel, len) in vectors_of::<FAST>(channels, v.lanes()) {
                    let left = 2 * place * channels + channel;
                    let right = left + channels;
                    let four = [
                        load::<T, V, FAST>(v, &upper[left..left + len]),
                        load::<T, V, FAST>(v, &upper[right..right + len]),
                        load::<T, V, FAST>(v, &lower[left..left + len]),
                        load::<T, V, FAST>(v, &lower[right..right + len]),
                    ];
                    let to = place * channels + channel;
                    if KEPT {
                        let (largest, which) = self.then.largest_and_place(v, four);
                        store::<T, V, FAST>(v, &mut y[to..to + len], largest);
                        store::<T, V, FAST>(v, &mut record[to..to + len], which);
                    } else {
                        store::<T, V, FAST>(v, &mut y[to..to + len], self.then.largest(v, four));
                    }
                }
            }
        }
    }
}

/// y ← max(y, 0); a NaN stays one.
pub(super) struct Rectify<'a, T> {
    pub(super) y: &'a mut [T],
}

impl<T: Real> Task<T> for Rectify<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        for y in self.y {
            *y = if *y < T::zero() { T::zero() } else { *y };
        }
    }
}

/// The rows `rows` of y's gradient as rows of z's, and their sum over all places added to `sums`.
pub(super) struct PullBack<'a, T> {
    pub(super) delta: &'a Delta<'a, T>,
    pub(super) rows: Range<usize>,
    pub(super) dz: &'a mut [T],
    /// Empty where it is not wanted.
    pub(super) sums: &'a mut [T],
}

impl<T: Real> Task<T> for PullBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        if self.delta.output.channels.is_multiple_of(v.lanes()) {
            self.vectors::<V, true>(v);
        } else {
            self.vectors::<V, false>(v);
        }
    }
}

impl<T: Real> PullBack<'_, T> {
    #[inline(always)]
    fn vectors<V: Vectors<T>, const FAST: bool>(self, v: V) {
        let Self { delta, rows, dz, sums } = self;
        let Shape { channels, width, .. } = delta.output;
        let row = width * channels;
        // A row at a time, so that what is read and written is used while it is in the cache.
        for (index, from) in rows.enumerate() {
            for (channel, len) in vectors_of::<FAST>(channels, v.lanes()) {
                let mut sum = v.splat(T::zero());
                for place in 0..width {
                    let from = from * row + place * channels + channel;
                    if delta.then.pool {
                        let (four, all) = delta.four::<V, FAST>(v, from..from + len);
                        sum = v.plus(sum, all);
                        for k in 0..4 {
                            let to = (4 * index + k / 2 * 2) * row;
                            let to = to + (2 * place + k % 2) * channels + channel;
                            store::<T, V, FAST>(v, &mut dz[to..to + len], four[k]);
                        }
                    } else {
                        let to = index * row + place * channels + channel;
                        let all = delta.single::<V, FAST>(v, from..from + len);
                        sum = v.plus(sum, all);
                        store::<T, V, FAST>(v, &mut dz[to..to + len], all);
                    }
                }
                if let Some(sums) = sums.get_mut(channel..channel + len) {
                    let sum = v.plus(load::<T, V, FAST>(v, sums), sum);
                    store::<T, V, FAST>(v, sums, sum);
                }
            }
        }
    }
}

/// The sum of the columns of `dy`, added to `sums` unless that is empty: what [`PullBack`] does where
/// nothing follows the convolution, and dL/dz is dL/dy.
pub(super) struct Sum<'a, T> {
    pub(super) dy: &'a [T],
    pub(super) sums: &'a mut [T],
}

impl<T: Real> Task<T> for Sum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, v: V) {
        /// Columns whose sum is made in a register.
        const COLUMNS: usize = 32;
        let channels = self.sums.len();
        if channels == 0 {
            return;
        }
        for dy in self.dy.chunks(COLUMNS * channels) {
            for (channel, len) in vectors_of::<false>(channels, v.lanes()) {
                let mut sum = v.load(&self.sums[channel..channel + len]);
                for column in dy.chunks_exact(channels) {
                    sum = v.plus(sum, v.load(&column[channel..channel + len]));
                }
                v.store(&mut self.sums[channel..channel + len], sum);
            }
        }
    }
}
