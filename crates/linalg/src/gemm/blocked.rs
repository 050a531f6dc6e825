//! A product in blocks that fit the caches.

use super::kernel::{Right, Scale};
use super::lanes::Lanes;
use super::pack::{self, Panels};
use super::part::Buffer;
use super::{Entry, Job};
use crate::DMatrixViewMut;
use pulp::Simd;
use std::ops::Range;
use std::slice::Chunks;

/// Columns of A and rows of B in one block: a panel of B stays in the first-level cache.
const DEPTH: usize = 512;
/// Bytes in a block of A, for the second-level cache.
const A_BYTES: usize = 786_432;
/// Bytes of an A that is packed as a whole, with all of its columns.
const WHOLE_BYTES: usize = 917_504;
/// Columns of B in one block, for the third-level cache.
const WIDTH: usize = 2048;
/// Bytes in a block of B where one block of A has all rows: B's then need not outlast it, and both have
/// room in the second-level cache.
const B_BYTES: usize = 262_144;
/// With more rows than this, B is copied into panels even where it could be read in its place.
const STORED_ROWS: usize = 2000;

/// The whole product on one thread, in tiles of V vectors by N columns.
#[inline(always)]
pub(super) fn blocked<S: Simd, T: Entry, const V: usize, const N: usize>(
    simd: S,
    job: &Job<'_, T>,
    c: &mut DMatrixViewMut<'_, T>,
) {
    let (m, n) = c.shape();
    let k = job.a.columns();
    let lanes = T::Part::lanes::<S>();
    let a_panels = Panels { width: V * lanes, unit: lanes };
    let b_panels = Panels { width: N, unit: N };
    let depth = even_block(k, DEPTH, 1);
    let whole = a_panels.total(m) * k * size_of::<T>() <= WHOLE_BYTES;
    let limit = if whole { m } else { A_BYTES / (DEPTH * size_of::<T>()) };
    let height = even_block(m, limit, a_panels.width);
    let all_rows = height >= m;
    let width = if all_rows { B_BYTES / (depth * size_of::<T>()) } else { WIDTH };
    let width = even_block(n, width.max(N), N);
    let a_length = height * if whole { k } else { depth } * T::PARTS;
    let b_length = width * depth * T::PARTS;
    let across = job.b.flipped();
    // B's columns are read in their place where they serve few rows.
    let stored = m <= STORED_ROWS && !job.b.is_transposed() && !job.b.is_conjugated();
    let mut buffer = Buffer::<T::Part>::take();
    let (a_block, b_block) = buffer.numbers(a_length + b_length).split_at_mut(a_length);
    let (depths, widths) = (k.div_ceil(depth), n.div_ceil(width));
    for step in 0..depths * widths {
        // Columns of C are done with at once where all of A is at hand, and come back for each block of it
        // where it is not.
        let (inner, column) =
            if whole { (step % depths, step / depths) } else { (step / widths, step % widths) };
        let inners = inner * depth..k.min((inner + 1) * depth);
        let columns = column * width..n.min((column + 1) * width);
        let parts = inners.len() * T::PARTS;
        let mut scale = job.scale();
        if inner == 0 {
            job.begin(c, columns.clone());
        } else {
            scale.beta = T::ONE;
        }
        let packed_from = if stored { columns.end - columns.len() % N } else { columns.start };
        let b = &mut b_block[..b_panels.total(columns.end - packed_from) * parts];
        pack::pack(&across, packed_from..columns.end, inners.clone(), b_panels, b);
        for row in (0..m).step_by(height) {
            let rows = row..m.min(row + height);
            if is_above(job.lower, &rows, &columns) {
                continue;
            }
            let start = if whole { a_panels.total(m) * inners.start * T::PARTS } else { 0 };
            let a = &mut a_block[start..][..a_panels.total(rows.len()) * parts];
            if column == 0 || !all_rows {
                pack::pack(&job.a, rows.clone(), inners.clone(), a_panels, a);
            }
            for first in columns.clone().step_by(N) {
                let right = if first < packed_from {
                    Right::Stored(std::array::from_fn(|j| {
                        &job.b.stored_column(first + j)[inners.clone()]
                    }))
                } else {
                    Right::Packed(&b[(first - packed_from) * parts..][..N * parts])
                };
                let columns = first..columns.end.min(first + N);
                let a = a.chunks(a_panels.width * parts);
                strip::<S, T, V, N>(simd, scale, job.lower, a, right, (&rows, columns), c);
            }
        }
        if inner + 1 == depths {
            job.finish(c, columns);
        }
    }
}

/// All tiles of one block of A with N columns of B.
#[inline(always)]
fn strip<S: Simd, T: Entry, const V: usize, const N: usize>(
    simd: S,
    scale: Scale<T>,
    lower: Option<isize>,
    a: Chunks<'_, T::Part>,
    b: Right<'_, T, N>,
    (rows, columns): (&Range<usize>, Range<usize>),
    c: &mut DMatrixViewMut<'_, T>,
) {
    let lanes = T::Part::lanes::<S>();
    let mut block = c.view_mut((rows.start, columns.start), (rows.len(), columns.len()));
    let mut slices = block.column_iter_mut();
    let mut slices: [&mut [T]; N] = std::array::from_fn(|_| {
        slices.next().map_or_else(Default::default, |column| column.data.into_slice_mut())
    });
    let slices = &mut slices[..columns.len()];
    for (a, row) in a.zip((0..rows.len()).step_by(V * lanes)) {
        let height = (V * lanes).min(rows.len() - row);
        let tile = rows.start + row..rows.start + row + height;
        if is_above(lower, &tile, &columns) {
            continue;
        }
        match height.div_ceil(lanes) {
            1 => T::tile::<S, 1, N>(simd, scale, a, b, slices, row),
            2 => T::tile::<S, 2, N>(simd, scale, a, b, slices, row),
            3 if V > 3 => T::tile::<S, 3, N>(simd, scale, a, b, slices, row),
            _ => T::tile::<S, V, N>(simd, scale, a, b, slices, row),
        }
    }
}

/// Whether a block lies wholly above the triangle that is wanted.
fn is_above(lower: Option<isize>, rows: &Range<usize>, columns: &Range<usize>) -> bool {
    lower.is_some_and(|offset| rows.end.saturating_add_signed(offset) <= columns.start)
}

/// The size of `total / pieces`, rounded up to a multiple of `unit`, where as few pieces as
/// possible are at most `limit` long.
fn even_block(total: usize, limit: usize, unit: usize) -> usize {
    let pieces = total.div_ceil(limit).max(1);
    total.div_ceil(pieces).next_multiple_of(unit).max(unit)
}
