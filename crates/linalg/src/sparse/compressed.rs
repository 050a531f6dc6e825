//! Compressed lines: what rows in CSR and columns in CSC have in common.
//!
//! The position of an entry within its line is a `u32`: a product reads 12 bytes for each `f64`
//! entry instead of 16. On rows of 11 random entries, N = 100 000, that is 1.0 to 1.2 times faster
//! than `usize`, and the entries take three quarters of the memory.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::gemm::arch;
use crate::{DMatrixView, DMatrixViewMut, Error, Result, Scalar, Threads};

/// The entries of a matrix, line by line, each line in ascending order of position.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Compressed<T> {
    /// Length of each line.
    pub(super) width: usize,
    /// Where in `positions` and `values` each line starts, and where the last one ends.
    pub(super) starts: Vec<usize>,
    pub(super) positions: Vec<u32>,
    pub(super) values: Vec<T>,
}

impl<T: Scalar> Compressed<T> {
    /// `lines` lines of `width` from entries (line, position, value) in any order. Entries at the
    /// same place are added in the order in which they come. `positions` is what an error calls
    /// the positions: rows or columns.
    pub(super) fn from_entries(
        positions: &'static str,
        lines: usize,
        width: usize,
        entries: impl Iterator<Item = (usize, usize, T)> + Clone,
    ) -> Result<Self> {
        check_width(positions, width)?;
        // Count, then place: the order within a line stays that of the entries.
        let mut starts = vec![0; lines + 1];
        for (line, _, _) in entries.clone() {
            starts[line + 1] += 1;
        }
        for line in 0..lines {
            starts[line + 1] += starts[line];
        }
        let mut next = starts.clone();
        let mut placed = vec![(0_u32, T::zero()); starts[lines]];
        for (line, position, value) in entries {
            #[expect(clippy::cast_possible_truncation, reason = "position < width, checked above")]
            let position = position as u32;
            placed[next[line]] = (position, value);
            next[line] += 1;
        }
        let mut made = Self {
            width,
            starts: Vec::with_capacity(lines + 1),
            positions: Vec::with_capacity(placed.len()),
            values: Vec::with_capacity(placed.len()),
        };
        made.starts.push(0);
        for line in 0..lines {
            let line = &mut placed[starts[line]..starts[line + 1]];
            line.sort_by_key(|&(position, _)| position);
            let first = made.positions.len();
            for &(position, value) in line.iter() {
                if made.positions.len() > first && made.positions.last() == Some(&position) {
                    let last = made.values.len() - 1;
                    made.values[last] += value;
                } else {
                    made.positions.push(position);
                    made.values.push(value);
                }
            }
            made.starts.push(made.positions.len());
        }
        Ok(made)
    }

    pub(super) fn lines(&self) -> usize {
        self.starts.len() - 1
    }

    /// The entries of one line as (position, value), in ascending order of position.
    pub(super) fn line(&self, line: usize) -> impl Iterator<Item = (usize, T)> + Clone {
        let range = self.starts[line]..self.starts[line + 1];
        let positions = &self.positions[range.clone()];
        positions
            .iter()
            .zip(&self.values[range])
            .map(|(&position, &value)| (position as usize, value))
    }

    /// All entries as (line, position, value), line by line.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, usize, T)> + Clone {
        (0..self.lines())
            .flat_map(|line| self.line(line).map(move |(position, value)| (line, position, value)))
    }

    /// The entry at a place, zero where none is stored.
    pub(super) fn get(&self, line: usize, position: usize) -> T {
        let range = self.starts[line]..self.starts[line + 1];
        let found = self.positions[range.clone()].binary_search_by_key(&position, |&p| p as usize);
        found.map_or(T::zero(), |offset| self.values[range.start + offset])
    }

    /// The same matrix with lines and positions exchanged; an error calls the new positions
    /// `positions`.
    pub(super) fn transposed(&self, positions: &'static str) -> Result<Self> {
        check_width(positions, self.lines())?;
        let mut starts = vec![0; self.width + 1];
        for &position in &self.positions {
            starts[position as usize + 1] += 1;
        }
        for line in 0..self.width {
            starts[line + 1] += starts[line];
        }
        let mut next = starts.clone();
        let mut positions = vec![0; self.positions.len()];
        let mut values = vec![T::zero(); self.values.len()];
        for (line, position, value) in self.entries() {
            #[expect(clippy::cast_possible_truncation, reason = "line < lines, checked above")]
            let line = line as u32;
            positions[next[position]] = line;
            values[next[position]] = value;
            next[position] += 1;
        }
        Ok(Self { width: self.lines(), starts, positions, values })
    }

    /// `y_line` ← Σ `form(a)`·`x_position`: each line is one sum, in ascending order of position,
    /// whatever the number of threads.
    pub(super) fn gather(
        &self,
        form: impl Fn(T) -> T + Copy + Sync,
        x: &[T],
        y: &mut [T],
        threads: Threads,
    ) {
        #[cfg(feature = "parallel")]
        if threads == Threads::Pool {
            use rayon::prelude::*;
            const LINES: usize = 2048;
            y.par_chunks_mut(LINES).enumerate().for_each(|(chunk, y)| {
                self.gather_lines(form, chunk * LINES, x, y);
            });
            return;
        }
        let _ = threads;
        self.gather_lines(form, 0, x, y);
    }

    fn gather_lines(&self, form: impl Fn(T) -> T, first: usize, x: &[T], y: &mut [T]) {
        let starts = &self.starts[first..=first + y.len()];
        let mut start = starts[0];
        for (&end, y) in starts[1..].iter().zip(y) {
            let mut sum = T::zero();
            let line = self.positions[start..end].iter().zip(&self.values[start..end]);
            for (&position, &value) in line {
                sum += form(value) * x[position as usize];
            }
            *y = sum;
            start = end;
        }
    }

    /// [`Self::gather`] for several columns, up to eight at a time and side by side, so that an entry
    /// and a line of the cache serve all of them. The same bits as one at a time.
    pub(super) fn gather_block(&self, x: &DMatrixView<'_, T>, y: &mut DMatrixViewMut<'_, T>) {
        let columns = x.ncols();
        let mut first = 0;
        while first < columns {
            first += match columns - first {
                1 => self.gather_side_by_side::<1>(first, x, y),
                2..=3 => self.gather_side_by_side::<2>(first, x, y),
                4..=7 => self.gather_side_by_side::<4>(first, x, y),
                _ => self.gather_side_by_side::<8>(first, x, y),
            };
        }
    }

    fn gather_side_by_side<const C: usize>(
        &self,
        first: usize,
        x: &DMatrixView<'_, T>,
        y: &mut DMatrixViewMut<'_, T>,
    ) -> usize {
        let mut rows = Aligned::zeros(C * x.nrows());
        for (i, row) in rows.as_mut_slice().chunks_exact_mut(C).enumerate() {
            for c in 0..C {
                row[c] = x[(i, first + c)];
            }
        }
        let rows = rows.as_slice();
        arch().dispatch(SideBySide::<T, C> { lines: self, rows, first, y: y.as_view_mut() });
        C
    }

    /// `y_position` ← Σ `form(a)`·`x_line`, on the calling thread: threads would have to share `y`.
    pub(super) fn scatter(&self, form: impl Fn(T) -> T, x: &[T], y: &mut [T]) {
        y.fill(T::zero());
        for (line, &x) in x.iter().enumerate() {
            let range = self.starts[line]..self.starts[line + 1];
            for (&position, &value) in self.positions[range.clone()].iter().zip(&self.values[range])
            {
                y[position as usize] += form(value) * x;
            }
        }
    }
}

/// The sums of all lines with C columns side by side, compiled for the machine's vectors.
struct SideBySide<'a, T: Scalar, const C: usize> {
    lines: &'a Compressed<T>,
    rows: &'a [T],
    first: usize,
    y: DMatrixViewMut<'a, T>,
}

impl<T: Scalar, const C: usize> WithSimd for SideBySide<'_, T, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _simd: S) {
        let Compressed { starts, positions, values, .. } = self.lines;
        for line in 0..self.lines.lines() {
            let range = starts[line]..starts[line + 1];
            let mut sums = [T::zero(); C];
            for (&position, &value) in positions[range.clone()].iter().zip(&values[range]) {
                let x = &self.rows[position as usize * C..][..C];
                for c in 0..C {
                    sums[c] += value * x[c];
                }
            }
            for c in 0..C {
                self.y[(line, self.first + c)] = sums[c];
            }
        }
    }
}

/// Numbers from the start of a line of the cache on, so that eight side by side do not lie in more lines than they
/// must.
pub(crate) struct Aligned<T> {
    space: Vec<T>,
    place: Range<usize>,
}

impl<T: Scalar> Aligned<T> {
    pub(crate) fn zeros(length: usize) -> Self {
        const LINE: usize = 64;
        let room = LINE / size_of::<T>();
        let space = vec![T::zero(); length + room];
        let start = space.as_ptr().align_offset(LINE).min(room);
        Self { space, place: start..start + length }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.space[self.place.clone()]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.space[self.place.clone()]
    }
}

/// Refuses lines that are too long for positions of 32 bits.
fn check_width(positions: &'static str, width: usize) -> Result<()> {
    if u32::try_from(width).is_ok() {
        return Ok(());
    }
    Err(Error::OutOfRange {
        argument: positions,
        value: width as f64,
        expected: "at most 4294967295, since positions are 32 bits wide",
    })
}

/// An entry as it stands.
pub(super) fn plain<T>(value: T) -> T {
    value
}

/// An entry's complex conjugate.
pub(super) fn conjugate<T: Scalar>(value: T) -> T {
    value.conjugate()
}

/// Refuses sizes beyond 32 bits, a triplet outside the matrix, or one whose value is not finite, by its index.
pub(super) fn check_triplets<T: Scalar>(
    nrows: usize,
    ncols: usize,
    triplets: &[(usize, usize, T)],
) -> Result<()> {
    check_width("nrows", nrows)?;
    check_width("ncols", ncols)?;
    for (index, &(row, column, value)) in triplets.iter().enumerate() {
        if row >= nrows || column >= ncols {
            return Err(Error::TripletOutside { index, row, column, nrows, ncols });
        }
        let (re, im) = (T::real_to_f64(value.real()), T::real_to_f64(value.imaginary()));
        let part = if re.is_finite() { im } else { re };
        if !part.is_finite() {
            return Err(Error::TripletNotFinite { index, row, column, value: part });
        }
    }
    Ok(())
}
