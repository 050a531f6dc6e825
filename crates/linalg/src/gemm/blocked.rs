//! A product in blocks that fit the caches.

use super::kernel::{Left, Right, Scale};
use super::lanes::Lanes;
use super::pack::{self, Panels};
use super::part::Buffer;
use super::{Entry, Job};
use crate::DMatrixViewMut;
use crate::product::Operand;
use pulp::Simd;
use std::ops::Range;

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
/// With more columns than this, A is copied into panels even where it could be read in its place.
const STORED_COLUMNS: usize = 256;
/// The last strip of B, where its columns are fewer than a tile's, has as few multiples of this as hold them.
const LAST_COLUMNS: usize = 2;

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
    let b_panels = Panels { width: N, unit: LAST_COLUMNS };
    let depth = even_block(k, DEPTH, 1);
    let whole = a_panels.total(m) * k * size_of::<T>() <= WHOLE_BYTES;
    let limit = if whole { m } else { A_BYTES / (DEPTH * size_of::<T>()) };
    let height = even_block(m, limit, a_panels.width);
    let all_rows = height >= m;
    let width = if all_rows { B_BYTES / (depth * size_of::<T>()) } else { WIDTH };
    let width = even_block(n, width.max(N), N);
    let a_length = height * if whole { k } else { depth } * T::PARTS;
    let b_length = width * depth * T::PARTS;
    // A's rows, as far as they fill whole tiles, are read in their place where they serve few columns and stay in the
    // second-level cache between them.
    let lies = T::PARTS == 1 && !job.a.is_transposed() && !job.a.is_conjugated();
    let lies = lies && whole && n <= STORED_COLUMNS && job.a.span() * size_of::<T>() <= WHOLE_BYTES;
    let lying = if lies { m - m % a_panels.width } else { 0 };
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
            let copied = rows.start.max(lying)..rows.end;
            let start = if whole { a_panels.total(m - lying) * inners.start * T::PARTS } else { 0 };
            let a = &mut a_block[start..][..a_panels.total(copied.len()) * parts];
            if column == 0 || !all_rows {
                pack::pack(&job.a, copied.clone(), inners.clone(), a_panels, a);
            }
            let a = Block {
                matrix: job.a.columns_range(inners.clone()),
                lying,
                panels: a_panels,
                copy: a,
            };
            for first in columns.clone().step_by(N) {
                let columns = first..columns.end.min(first + N);
                let place = (&rows, columns.clone());
                if first < packed_from {
                    let b = Right::Stored(std::array::from_fn(|j| {
                        &job.b.stored_column(first + j)[inners.clone()]
                    }));
                    strip::<S, T, V, N>(simd, scale, job.lower, &a, b, place, c);
                    continue;
                }
                let width = b_panels.last_width(columns.len());
                let b = &b[(first - packed_from) * parts..][..width * parts];
                // The last columns in a tile of their own number, or nearly: what a tile of N computed besides was a
                // tenth of a product with 32 columns.
                match width {
                    2 => {
                        strip::<S, T, V, 2>(simd, scale, job.lower, &a, Right::Packed(b), place, c);
                    }
                    4 => {
                        strip::<S, T, V, 4>(simd, scale, job.lower, &a, Right::Packed(b), place, c);
                    }
                    _ => {
                        strip::<S, T, V, N>(simd, scale, job.lower, &a, Right::Packed(b), place, c);
                    }
                }
            }
        }
        if inner + 1 == depths {
            job.finish(c, columns);
        }
    }
}

/// Some columns of a block of A: rows up to `lying` in the matrix, the others in panels.
struct Block<'a, T: Entry> {
    matrix: Operand<'a, T>,
    lying: usize,
    panels: Panels,
    copy: &'a [T::Part],
}

/// All tiles of one block of A with N columns of B.
#[inline(always)]
fn strip<S: Simd, T: Entry, const V: usize, const N: usize>(
    simd: S,
    scale: Scale<T>,
    lower: Option<isize>,
    a: &Block<'_, T>,
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
    let lying = rows.start.max(a.lying) - rows.start;
    // Two loops: in one, the compiler joins the ends of both kinds of tiles, and their sums pass through memory.
    for row in (0..lying).step_by(V * lanes) {
        let tile = rows.start + row..rows.start + row + V * lanes;
        if !is_above(lower, &tile, &columns) {
            T::tile::<S, V, N>(simd, scale, Left::Stored(a.matrix, tile.start), b, slices, row);
        }
    }
    let panels = a.copy.chunks(a.panels.width * a.matrix.columns() * T::PARTS);
    for (a, row) in panels.zip((lying..rows.len()).step_by(V * lanes)) {
        let height = (V * lanes).min(rows.len() - row);
        let tile = rows.start + row..rows.start + row + height;
        if is_above(lower, &tile, &columns) {
            continue;
        }
        let a = Left::Packed(a);
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
