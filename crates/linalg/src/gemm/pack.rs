//! Blocks of a factor, copied in the order in which the kernel reads them.
//!
//! A panel holds `width` rows; for each column k in turn its `width` real parts lie side by side,
//! then, for complex numbers, the `width` imaginary parts. The last panel is filled up with zeros.

use super::Entry;
use super::kernel::Part;
use crate::product::Operand;

/// Rows that are copied together where the factor's columns do not lie along the panel.
const STRIP: usize = 8;

/// Copies rows `rows` and columns `columns` of `source` into panels of `width` rows.
#[inline(always)]
pub(super) fn pack<T: Entry>(
    source: &Operand<'_, T>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    width: usize,
    target: &mut [T::Part],
) {
    let step = width * T::PARTS;
    let panel = step * columns.len();
    let sign = if source.is_conjugated() { T::Part::ZERO - T::Part::ONE } else { T::Part::ONE };
    if source.is_transposed() {
        // A row of the factor lies contiguous: a strip of rows at a time, so that whole cache
        // lines are written.
        let panels = target.chunks_exact_mut(panel.max(1));
        for (first, panel) in (rows.start..rows.end).step_by(width).zip(panels) {
            let filled = width.min(rows.end - first);
            for offset in (0..width).step_by(STRIP) {
                let strip = STRIP.min(width - offset);
                let held = filled.saturating_sub(offset).min(strip);
                if held == STRIP {
                    let lines: [&[T]; STRIP] = std::array::from_fn(|row| {
                        &source.stored_column(first + offset + row)[columns.clone()]
                    });
                    for (k, target) in panel.chunks_exact_mut(step).enumerate() {
                        for row in 0..STRIP {
                            lines[row][k].unpack(sign, target, offset + row, width);
                        }
                    }
                } else {
                    for row in 0..strip {
                        let line = (row < held)
                            .then(|| &source.stored_column(first + offset + row)[columns.clone()]);
                        for (k, target) in panel.chunks_exact_mut(step).enumerate() {
                            let entry = line.map_or_else(T::default, |line| line[k]);
                            entry.unpack(sign, target, offset + row, width);
                        }
                    }
                }
            }
        }
    } else {
        for (k, column) in columns.enumerate() {
            let entries = &source.stored_column(column)[rows.clone()];
            let targets = target.chunks_exact_mut(panel);
            for (entries, target) in entries.chunks(width).zip(targets) {
                T::unpack_all(entries, sign, &mut target[k * step..(k + 1) * step], width);
            }
        }
    }
}
