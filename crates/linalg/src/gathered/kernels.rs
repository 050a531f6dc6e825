//! The loops of both products: one tile of sums at a time, held in registers.

use std::ops::Range;

use pulp::{NullaryFnOnce, Simd, WithSimd};

use super::{Gather, Gathered, most_vectors, panels};
use crate::gemm::Part;

/// Y ← A·P + b.
pub(super) struct Product<'a, 'b, T> {
    pub(super) packed: &'a [T],
    pub(super) p: &'a Gathered<'a, T>,
    pub(super) offset: &'a [T],
    /// From the first of the rows that A has.
    pub(super) y: &'b mut [T],
    pub(super) rows: usize,
    /// From a column of Y to the next.
    pub(super) stride: usize,
}

impl<T: Part> WithSimd for Product<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = T::lanes::<S>();
        let depth = self.p.gather.depth();
        let mut packed = self.packed;
        for panel in panels(self.rows, lanes, most_vectors::<S>()) {
            let (own, rest) = packed.split_at(panel.len() * depth);
            packed = rest;
            // As many sums as the registers hold beside a column of the panel.
            match (panel.len() / lanes, S::REGISTER_COUNT >= 32) {
                (4, _) => self.panel::<S, 4, 6>(simd, own, panel.start),
                (2, true) => self.panel::<S, 2, 12>(simd, own, panel.start),
                (2, false) => self.panel::<S, 2, 6>(simd, own, panel.start),
                _ => self.panel::<S, 1, 12>(simd, own, panel.start),
            }
        }
    }
}

impl<T: Part> Product<'_, '_, T> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize, const N: usize>(&mut self, simd: S, a: &[T], first: usize) {
        let lanes = T::lanes::<S>();
        let mut offset = [T::splat(simd, T::ZERO); V];
        for (i, offset) in offset.iter_mut().enumerate() {
            let from = (first + i * lanes).min(self.offset.len());
            let part = &self.offset[from..];
            *offset = T::load_part(simd, &part[..part.len().min(lanes)]);
        }
        let Gathered { gather, x, columns } = self.p;
        let mut starts = Starts::new(gather, columns.start);
        let a = T::split::<S>(a).0.as_chunks::<V>().0;
        let (rows, stride) = (first..self.rows, self.stride);
        let mut y = &mut self.y[..];
        let mut left = columns.len();
        while left > 0 {
            let count = left.min(N);
            let (own, rest) = y.split_at_mut(y.len().min(count * stride));
            let tile = Panel { simd, a, x, gather, offset, rows: rows.clone(), stride };
            match count {
                // Few columns do not pay for a whole tile.
                ..=4 => tile.columns::<4>(&mut starts, own, count),
                ..=8 if N > 8 => tile.columns::<8>(&mut starts, own, count),
                _ => tile.columns::<N>(&mut starts, own, count),
            }
            y = rest;
            left -= count;
        }
    }
}

/// V vectors of rows.
struct Panel<'a, S: Simd, T: Part, const V: usize> {
    simd: S,
    a: &'a [[T::Vector<S>; V]],
    x: &'a [T],
    gather: &'a Gather<'a>,
    offset: [T::Vector<S>; V],
    /// From the panel's first row to A's last.
    rows: Range<usize>,
    stride: usize,
}

impl<S: Simd, T: Part, const V: usize> Panel<'_, S, T, V> {
    /// The next `count` columns of Y, at most N.
    #[inline(always)]
    fn columns<const N: usize>(self, starts: &mut Starts, y: &mut [T], count: usize) {
        let mut tile = [0; N];
        for j in 0..N {
            tile[j] = if j < count { starts.next() } else { tile[0] };
        }
        let Self { simd, a, x, gather, offset, rows, stride } = self;
        let Gather { segments, length, .. } = *gather;
        let starts = tile;
        simd.vectorize(Tile {
            simd,
            a,
            x,
            starts,
            segments,
            length,
            offset,
            y,
            count,
            rows,
            stride,
        });
    }
}

/// V vectors of rows by N columns of Y.
struct Tile<'a, S: Simd, T: Part, const V: usize, const N: usize> {
    simd: S,
    a: &'a [[T::Vector<S>; V]],
    x: &'a [T],
    starts: [usize; N],
    segments: &'a [usize],
    length: usize,
    offset: [T::Vector<S>; V],
    /// The columns that are wanted, at most N.
    y: &'a mut [T],
    count: usize,
    rows: Range<usize>,
    stride: usize,
}

impl<S: Simd, T: Part, const V: usize, const N: usize> NullaryFnOnce for Tile<'_, S, T, V, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (simd, offset) = (self.simd, self.offset);
        let lanes = T::lanes::<S>();
        let mut sums = [[T::splat(simd, T::ZERO); V]; N];
        let mut a = self.a;
        // Opaque, or the compiler derives the length from the slices anew for every k.
        let length = std::hint::black_box(self.length);
        for &segment in self.segments {
            let (own, rest) = a.split_at(length);
            a = rest;
            let mut b = [&self.x[..0]; N];
            for j in 0..N {
                b[j] = &self.x[self.starts[j] + segment..][..length];
            }
            for k in 0..length {
                let a = own[k];
                for j in 0..N {
                    let b = T::splat(simd, b[j][k]);
                    for i in 0..V {
                        sums[j][i] = T::mul_add(simd, a[i], b, sums[j][i]);
                    }
                }
            }
        }
        let Range { start, end } = self.rows;
        if end - start >= V * lanes {
            // All columns first, then nothing but stores: each sum stays in its register to the end.
            let mut columns = self.y.chunks_mut(self.stride);
            let mut to: [Option<&mut [T::Vector<S>; V]>; N] =
                std::array::from_fn(|_| vectors_mut::<S, T, V>(columns.next()?, start));
            for j in 0..N {
                if let Some(to) = &mut to[j] {
                    for i in 0..V {
                        to[i] = T::plus(simd, offset[i], sums[j][i]);
                    }
                }
            }
            return;
        }
        let sums = copied(&sums);
        for (y, sums) in self.y.chunks_mut(self.stride).zip(&sums).take(self.count) {
            for i in 0..V {
                if let Some(y) = y[..end].get_mut(start + i * lanes..) {
                    let len = y.len().min(lanes);
                    T::store_part(simd, &mut y[..len], T::plus(simd, offset[i], sums[i]));
                }
            }
        }
    }
}

/// The V vectors of a column from `start`.
#[inline(always)]
fn vectors_mut<S: Simd, T: Part, const V: usize>(
    column: &mut [T],
    start: usize,
) -> Option<&mut [T::Vector<S>; V]> {
    T::split_mut::<S>(column.get_mut(start..)?).0.first_chunk_mut()
}

/// A copy in memory, for what is reached by an index that the compiler does not know: were it the sums
/// themselves, they would lie there all through the loop that makes them.
#[inline(always)]
fn copied<X: Copy, const V: usize, const N: usize>(sums: &[[X; V]; N]) -> [[X; V]; N] {
    let mut copy = [[sums[0][0]; V]; N];
    for j in 0..N {
        for i in 0..V {
            copy[j][i] = sums[j][i];
        }
    }
    copy
}

/// C ← C + B·Pᵀ.
pub(super) struct OuterProducts<'a, 'b, T> {
    /// From the first of the rows that C has.
    pub(super) b: &'a [T],
    /// From a column of B to the next.
    pub(super) stride: usize,
    pub(super) p: &'a Gathered<'a, T>,
    pub(super) c: &'b mut [T],
    pub(super) rows: usize,
}

impl<T: Part> WithSimd for OuterProducts<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let lanes = T::lanes::<S>();
        for panel in panels(self.rows, lanes, 2) {
            let whole = panel.end <= self.rows;
            match (panel.len() == lanes, whole) {
                (false, true) => self.panel::<S, 2, false>(simd, panel.start),
                (false, false) => self.panel::<S, 2, true>(simd, panel.start),
                (true, true) => self.panel::<S, 1, false>(simd, panel.start),
                (true, false) => self.panel::<S, 1, true>(simd, panel.start),
            }
        }
    }
}

impl<T: Part> OuterProducts<'_, '_, T> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize, const PART: bool>(&mut self, simd: S, first: usize) {
        let Gather { segments, length, .. } = *self.p.gather;
        for (index, &segment) in segments.iter().enumerate() {
            let mut k = 0;
            while k < length {
                let left = length - k;
                let at = (index * length + k, segment + k);
                k += match left {
                    12.. if S::REGISTER_COUNT >= 32 => self.tile::<S, V, 12, PART>(simd, first, at),
                    9.. if S::REGISTER_COUNT >= 32 => self.tile::<S, V, 9, PART>(simd, first, at),
                    8.. if S::REGISTER_COUNT >= 32 => self.tile::<S, V, 8, PART>(simd, first, at),
                    6.. => self.tile::<S, V, 6, PART>(simd, first, at),
                    3.. => self.tile::<S, V, 3, PART>(simd, first, at),
                    _ => self.tile::<S, V, 1, PART>(simd, first, at),
                };
            }
        }
    }

    /// Adds to V vectors of rows from `first` and N columns of C, of which the first is `column`
    /// and lies `place` behind the start of each column of P. Returns N.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const N: usize, const PART: bool>(
        &mut self,
        simd: S,
        first: usize,
        (column, place): (usize, usize),
    ) -> usize {
        simd.vectorize(OuterTile::<S, T, V, N, PART> {
            simd,
            b: self.b,
            stride: self.stride,
            p: self.p,
            c: &mut self.c[column * self.rows..(column + N) * self.rows],
            rows: self.rows,
            first,
            place,
        });
        N
    }
}

struct OuterTile<'a, S, T, const V: usize, const N: usize, const PART: bool> {
    simd: S,
    b: &'a [T],
    stride: usize,
    p: &'a Gathered<'a, T>,
    c: &'a mut [T],
    rows: usize,
    first: usize,
    place: usize,
}

impl<S: Simd, T: Part, const V: usize, const N: usize, const PART: bool> NullaryFnOnce
    for OuterTile<'_, S, T, V, N, PART>
{
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let simd = self.simd;
        let lanes = T::lanes::<S>();
        let mut sums = [[T::splat(simd, T::ZERO); V]; N];
        let Gathered { gather, x, columns } = self.p;
        let Gather { across, step, down, .. } = **gather;
        let (Range { start, end }, stride) = (columns.clone(), self.stride);
        let mut column = start;
        while column < end {
            // The columns of P in one row.
            let run = (across - column % across).min(end - column);
            let from = column / across * down + column % across * step + self.place;
            let b = &self.b[(column - start) * stride + self.first..];
            // Whole vectors may reach beyond the panel's rows, into sums that are not stored, but
            // not beyond the last column.
            let reach = b.len().checked_sub(V * lanes).map_or(0, |spare| spare / stride + 1);
            let whole = if PART { run.min(reach) } else { run };
            for j in 0..whole {
                let mut vectors = [T::splat(simd, T::ZERO); V];
                vectors.copy_from_slice(T::split::<S>(&b[j * stride..][..V * lanes]).0);
                let x = &x[from + j * step..][..N];
                for k in 0..N {
                    let x = T::splat(simd, x[k]);
                    for i in 0..V {
                        sums[k][i] = T::mul_add(simd, vectors[i], x, sums[k][i]);
                    }
                }
            }
            for j in whole..run {
                let b = &b[j * stride..];
                let x = &x[from + j * step..][..N];
                for i in 0..V {
                    let from = (i * lanes).min(b.len());
                    let vector = T::load_part(simd, &b[from..b.len().min(from + lanes)]);
                    for k in 0..N {
                        let x = T::splat(simd, x[k]);
                        sums[k][i] = T::mul_add(simd, vector, x, sums[k][i]);
                    }
                }
            }
            column += run;
        }
        if !PART {
            let mut columns = self.c.chunks_exact_mut(self.rows);
            let mut to: [Option<&mut [T::Vector<S>; V]>; N] =
                std::array::from_fn(|_| vectors_mut::<S, T, V>(columns.next()?, self.first));
            for k in 0..N {
                if let Some(to) = &mut to[k] {
                    for i in 0..V {
                        to[i] = T::plus(simd, to[i], sums[k][i]);
                    }
                }
            }
            return;
        }
        let sums = copied(&sums);
        if self.first == 0 {
            // The columns of C have no others between them: whole vectors are written to a copy of
            // them, each over the excess of the one before.
            let mut copy = [T::ZERO; MOST];
            for k in 0..N {
                let to = &mut copy[k * self.rows..][..V * lanes];
                T::split_mut::<S>(to).0.copy_from_slice(&sums[k]);
            }
            for (c, sum) in self.c.iter_mut().zip(&copy[..N * self.rows]) {
                *c = *c + *sum;
            }
            return;
        }
        for k in 0..N {
            let c = &mut self.c[k * self.rows + self.first..(k + 1) * self.rows];
            for i in 0..V {
                if let Some(c) = c.get_mut(i * lanes..) {
                    let c = c.split_at_mut(c.len().min(lanes)).0;
                    let old = T::load_part(simd, c);
                    T::store_part(simd, c, T::plus(simd, old, sums[k][i]));
                }
            }
        }
    }
}

/// Numbers in the largest tile of C, 12 columns of two vectors, and a column more.
const MOST: usize = 13 * 32;

/// The starts of consecutive columns.
struct Starts {
    across: usize,
    step: usize,
    down: usize,
    column: usize,
    row: usize,
}

impl Starts {
    #[inline(always)]
    fn new(gather: &Gather<'_>, first: usize) -> Self {
        let Gather { across, step, down, .. } = *gather;
        Self { across, step, down, column: first % across, row: first / across * down }
    }

    #[inline(always)]
    fn next(&mut self) -> usize {
        let start = self.row + self.column * self.step;
        self.column += 1;
        if self.column == self.across {
            self.column = 0;
            self.row += self.down;
        }
        start
    }
}
