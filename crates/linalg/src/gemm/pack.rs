//! Blocks of a factor, copied in the order in which the kernel reads them.
//!
//! A panel holds a fixed number of rows; for each column k in turn its real parts lie side by side,
//! then, for complex numbers, its imaginary parts. The last panel may be narrower, and is filled up
//! with zeros.

use super::Entry;
use super::part::Part;
use crate::product::Operand;
use std::ops::Range;

/// Rows and columns that are copied together where the factor's columns do not lie along the panel:
/// a cache line or half of one.
const STRIP: usize = 8;

/// The rows of a factor's panels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    /// Rows of all panels but the last.
    pub(super) width: usize,
    /// The last panel has as few multiples of this as hold its rows.
    pub(super) unit: usize,
}

impl Panels {
    /// Rows of the last panel where `rows` are left for it.
    pub(super) fn last_width(self, rows: usize) -> usize {
        rows.min(self.width).next_multiple_of(self.unit)
    }

    /// Rows of all panels together.
    pub(super) fn total(self, rows: usize) -> usize {
        let last = rows % self.width;
        rows - last + self.last_width(last)
    }
}

/// Copies rows `rows` and columns `columns` of `source` into panels, which fill `target` exactly.
#[inline(always)]
pub(super) fn pack<T: Entry>(
    source: &Operand<'_, T>,
    rows: Range<usize>,
    columns: Range<usize>,
    panels: Panels,
    target: &mut [T::Part],
) {
    let sign = if source.is_conjugated() { T::Part::ZERO - T::Part::ONE } else { T::Part::ONE };
    let step = panels.width * T::PARTS;
    let last = rows.len() % panels.width;
    let last_start = rows.end - last;
    let last_width = panels.last_width(last);
    let (target, last_target) = target.split_at_mut((rows.len() - last) * columns.len() * T::PARTS);
    if source.is_transposed() {
        let starts = (rows.start..last_start).step_by(panels.width);
        for (start, panel) in starts.zip(target.chunks_exact_mut(step * columns.len())) {
            let rows = start..start + panels.width;
            turn(source, rows, &columns, panels.width, sign, panel);
        }
        if last > 0 {
            turn(source, last_start..rows.end, &columns, last_width, sign, last_target);
        }
    } else {
        // A few columns at a time: they are read as they lie, and every panel is written in a row.
        for first in (0..columns.len()).step_by(STRIP) {
            let some = first..columns.len().min(first + STRIP);
            let starts = (rows.start..last_start).step_by(panels.width);
            for (start, panel) in starts.zip(target.chunks_exact_mut(step * columns.len())) {
                let panel = panel[step * some.start..step * some.end].chunks_exact_mut(step);
                for (column, target) in some.clone().zip(panel) {
                    let column = source.stored_column(columns.start + column);
                    T::unpack_all(&column[start..start + panels.width], sign, target);
                }
            }
        }
        if last > 0 {
            let targets = last_target.chunks_exact_mut(last_width * T::PARTS);
            for (column, target) in columns.zip(targets) {
                let entries = &source.stored_column(column)[last_start..rows.end];
                if last == last_width {
                    T::unpack_all(entries, sign, target);
                    continue;
                }
                for (position, &entry) in entries.iter().enumerate() {
                    entry.unpack(sign, target, position, last_width);
                }
                for part in target.chunks_exact_mut(last_width) {
                    part[last..].fill(T::Part::ZERO);
                }
            }
        }
    }
}

/// Fills one panel from a matrix in which the panel's rows lie contiguous.
#[inline(always)]
fn turn<T: Entry>(
    source: &Operand<'_, T>,
    rows: Range<usize>,
    columns: &Range<usize>,
    width: usize,
    sign: T::Part,
    panel: &mut [T::Part],
) {
    let mut offset = 0;
    while offset + STRIP <= rows.len() {
        turn_strip::<T, STRIP>(source, rows.start, offset, columns, width, sign, panel);
        offset += STRIP;
    }
    while offset < rows.len() {
        turn_strip::<T, 1>(source, rows.start, offset, columns, width, sign, panel);
        offset += 1;
    }
    if rows.len() < width {
        for part in panel.chunks_exact_mut(width) {
            part[rows.len()..].fill(T::Part::ZERO);
        }
    }
}

/// Copies N rows to places `offset..offset + N` of a panel.
#[inline(always)]
fn turn_strip<T: Entry, const N: usize>(
    source: &Operand<'_, T>,
    first: usize,
    offset: usize,
    columns: &Range<usize>,
    width: usize,
    sign: T::Part,
    panel: &mut [T::Part],
) {
    // Loops, not closures over arrays: those may become calls, without the processor's vectors. And lines by reference:
    // of a square copied first, the compiler keeps 64 numbers in memory, one by one.
    let mut lines: [&[T]; N] = [&[]; N];
    for (row, line) in lines.iter_mut().enumerate() {
        *line = &source.stored_column(first + offset + row)[columns.start..][..columns.len()];
    }
    let step = width * T::PARTS;
    let count = columns.len() / STRIP;
    let blank = [T::default(); STRIP];
    let mut squares: [&[[T; STRIP]]; N] = [&[]; N];
    for (squares, line) in squares.iter_mut().zip(lines) {
        *squares = &line.as_chunks().0[..count];
    }
    let (target, rest) = panel.split_at_mut(step * count * STRIP);
    for (at, target) in target.chunks_exact_mut(STRIP * step).enumerate() {
        let mut square: [&[T; STRIP]; N] = [&blank; N];
        for row in 0..N {
            square[row] = &squares[row][at];
        }
        for k in 0..STRIP {
            let target = &mut target[k * step..][..step];
            if T::PARTS == 1 {
                let mut turned = [T::default(); N];
                for row in 0..N {
                    turned[row] = square[row][k];
                }
                T::unpack_all(&turned, sign, &mut target[offset..offset + N]);
                continue;
            }
            for row in 0..N {
                square[row][k].unpack(sign, target, offset + row, width);
            }
        }
    }
    for (k, target) in (count * STRIP..columns.len()).zip(rest.chunks_exact_mut(step)) {
        for row in 0..N {
            lines[row][k].unpack(sign, target, offset + row, width);
        }
    }
}
