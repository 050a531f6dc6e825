//! Width: how far apart the two sides of a peak are at a level below its top.

use super::{Prominence, WidthReference};
use crate::{Error, Result};

/// Where the two sides of a peak cross the level at which its width is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Width {
    /// The level, in the unit of the signal.
    pub level: f64,
    /// Where the left side crosses it, between samples; in samples, or in the unit of the
    /// positions.
    pub left: f64,
    /// Where the right side does.
    pub right: f64,
}

impl Width {
    /// right − left.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.right - self.left
    }
}

/// The widths of the samples of `x` at `indices`, whose prominences are known, at the level
/// x\[p\] − `relative_height`·prominence.
///
/// From p one walks to either side while the samples are above the level, at most to the base,
/// and places the crossing on the straight line between the last two samples. A walk costs O(n)
/// where every peak is as high as the next; this one steps over whole blocks that are above the
/// level, so it costs O(log n), whatever the signal.
///
/// # Errors
/// [`Error::Length`] unless there are as many prominences as indices; [`Error::Index`] for an index
/// or a base at or beyond the end, or on the wrong side of its peak; [`Error::OutOfRange`] for a
/// relative height that is not a number from 0 up.
///
/// # Examples
/// Half way down a peak of prominence 100 − 0, which stops at the end on its right:
/// ```
/// use dsp::peaks::{prominences, widths};
/// let x = [0.0, 100.0, 50.0];
/// let widths = widths(&x, &[1], &prominences(&x, &[1], None)?, 0.5)?;
/// assert_eq!((widths[0].level, widths[0].left, widths[0].right), (75.0, 0.75, 1.5));
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// SciPy's `scipy.signal.peak_widths`, to the bit.
pub fn widths(
    x: &[f64],
    indices: &[usize],
    prominences: &[Prominence],
    relative_height: f64,
) -> Result<Vec<Width>> {
    if prominences.len() != indices.len() {
        let (argument, found) = ("prominences", prominences.len());
        return Err(Error::Length { argument, found, expected: indices.len() });
    }
    if let Some(index) = prominences.iter().position(|prominence| !prominence.value.is_finite()) {
        let (argument, value) = ("prominences", prominences[index].value);
        return Err(Error::NotFinite { argument, index, value });
    }
    for (&index, prominence) in indices.iter().zip(prominences) {
        let within = |argument, index, length| {
            if index < length { Ok(()) } else { Err(Error::Index { argument, index, length }) }
        };
        within("indices", index, x.len())?;
        within("left_base", prominence.left_base, index + 1)?;
        within("right_base", prominence.right_base, x.len())?;
        within("indices", index, prominence.right_base + 1)?;
    }
    if !(relative_height >= 0.0 && relative_height.is_finite()) {
        let (argument, expected) = ("relative_height", "a number from 0 up");
        return Err(Error::OutOfRange { argument, value: relative_height, expected });
    }
    let crossings = Crossings::new(x, None);
    Ok(indices
        .iter()
        .zip(prominences)
        .map(|(&p, prominence)| {
            crossings.width(p, prominence, relative_height, WidthReference::Prominence)
        })
        .collect())
}

/// The signal with the least sample of each 16, of each 16 of those, and so on.
pub(super) struct Crossings<'a> {
    x: &'a [f64],
    positions: Option<&'a [f64]>,
    minima: Vec<Vec<f64>>,
}

const FAN: usize = 16;

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl<'a> Crossings<'a> {
    pub(super) fn new(x: &'a [f64], positions: Option<&'a [f64]>) -> Self {
        let mut minima: Vec<Vec<f64>> = Vec::new();
        loop {
            let row = minima.last().map_or(x, Vec::as_slice);
            if row.len() <= FAN {
                return Self { x, positions, minima };
            }
            // A NaN is passed over; no base lies beyond one.
            let least = |block: &[f64]| block.iter().copied().fold(f64::INFINITY, f64::min);
            minima.push(row.chunks(FAN).map(least).collect());
        }
    }

    pub(super) fn width(
        &self,
        p: usize,
        prominence: &Prominence,
        relative_height: f64,
        reference: WidthReference,
    ) -> Width {
        let x = self.x;
        let whole = match reference {
            WidthReference::Prominence => prominence.value,
            WidthReference::Height => x[p],
        };
        let level = x[p] - whole * relative_height;
        let left = self.first_not_above(p, Side::Left, level);
        let left = left.map_or(prominence.left_base, |i| i.max(prominence.left_base));
        let right = self.first_not_above(p, Side::Right, level);
        let right = right.map_or(prominence.right_base, |i| i.min(prominence.right_base));
        let below = |i: usize, inner: usize| (level - x[i]) / (x[inner] - x[i]);
        Width {
            level,
            left: if x[left] < level {
                self.position(left, left + 1, below(left, left + 1))
            } else {
                self.position(left, left, 0.0)
            },
            right: if x[right] < level {
                self.position(right, right - 1, below(right, right - 1))
            } else {
                self.position(right, right, 0.0)
            },
        }
    }

    /// The place at `part` of the way from sample `i` to its neighbor `inner`.
    fn position(&self, i: usize, inner: usize, part: f64) -> f64 {
        match self.positions {
            Some(positions) => positions[i] + part * (positions[inner] - positions[i]),
            None if inner < i => i as f64 - part,
            None => i as f64 + part,
        }
    }

    fn row(&self, depth: usize) -> Option<&[f64]> {
        if depth == 0 { Some(self.x) } else { self.minima.get(depth - 1).map(Vec::as_slice) }
    }

    /// The nearest sample to p on that side, p included, that is not above the level.
    fn first_not_above(&self, p: usize, side: Side, level: f64) -> Option<usize> {
        let first = |row: &[f64], from: usize, to: usize| {
            let not_above = |&i: &usize| !(level < row[i]);
            match side {
                Side::Left => (from..to).rev().find(not_above),
                Side::Right => (from..to).find(not_above),
            }
        };
        // Up, as long as the rest of a block is above the level; then down into the block found.
        let (mut depth, mut i) = (0, p);
        loop {
            let row = self.row(depth)?;
            let block = i / FAN;
            let (from, to) = match side {
                Side::Left => (block * FAN, row.len().min(i + 1)),
                Side::Right => (i, row.len().min((block + 1) * FAN)),
            };
            if let Some(found) = first(row, from, to) {
                i = found;
                break;
            }
            i = match side {
                Side::Left => block.checked_sub(1)?,
                Side::Right => block + 1,
            };
            depth += 1;
        }
        while depth > 0 {
            depth -= 1;
            let row = self.row(depth)?;
            i = first(row, i * FAN, row.len().min((i + 1) * FAN))?;
        }
        Some(i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peaks::{local_maxima, prominences};
    use proptest::prelude::*;

    /// `TestPeakWidths` of `scipy/signal/tests/test_peak_finding.py`.
    #[test]
    fn the_cases_of_scipys_own_suite_come_out_the_same() {
        let hill = [1.0, 0.0, 1.0, 2.0, 1.0, 0.0, -1.0];
        let expected = [
            (0.0, 0.0, 3.0, 3.0),
            (0.25, 1.0, 2.5, 3.5),
            (0.5, 2.0, 2.0, 4.0),
            (0.75, 3.0, 1.5, 4.5),
            (1.0, 4.0, 1.0, 5.0),
            (2.0, 5.0, 1.0, 6.0),
            (3.0, 5.0, 1.0, 6.0),
        ];
        let at = |x: &[f64], p: usize, relative_height: f64| {
            widths(x, &[p], &prominences(x, &[p], None).unwrap(), relative_height).unwrap()[0]
        };
        for (relative_height, value, left, right) in expected {
            let width = at(&hill, 3, relative_height);
            assert_eq!((width.value(), width.left, width.right), (value, left, right));
        }
        let twins = [0.0, 1.0, 2.0, 1.0, 3.0, 3.0, 3.0, 1.0, 2.0, 1.0, 0.0];
        let width = at(&twins, 5, 0.0);
        assert_eq!((width.value(), width.level, width.left, width.right), (0.0, 3.0, 5.0, 5.0));
        let width = at(&twins, 5, 2.0 / 3.0);
        assert_eq!((width.value(), width.level, width.left, width.right), (4.0, 1.0, 3.0, 7.0));
    }

    /// The walk as SciPy writes it down.
    fn walked(x: &[f64], p: usize, prominence: &Prominence, relative_height: f64) -> Width {
        let level = x[p] - prominence.value * relative_height;
        let mut i = p;
        while prominence.left_base < i && level < x[i] {
            i -= 1;
        }
        let mut left = i as f64;
        if x[i] < level {
            left += (level - x[i]) / (x[i + 1] - x[i]);
        }
        i = p;
        while i < prominence.right_base && level < x[i] {
            i += 1;
        }
        let mut right = i as f64;
        if x[i] < level {
            right -= (level - x[i]) / (x[i - 1] - x[i]);
        }
        Width { level, left, right }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Long enough for three rows of blocks; few steps, so that equal samples are common.
        #[test]
        fn stepping_over_blocks_finds_what_the_walk_finds(
            steps in prop::collection::vec(-3i8..4, 3..800),
            relative_height in prop::sample::select(vec![0.0, 0.25, 0.5, 1.0, 2.0]),
            walks in prop::bool::ANY,
        ) {
            let mut x: Vec<f64> = steps.iter().map(|&step| f64::from(step)).collect();
            if walks {
                for i in 1..x.len() {
                    x[i] += x[i - 1];
                }
            }
            let tops: Vec<usize> = local_maxima(&x).iter().map(|top| top.index).collect();
            let prominences = prominences(&x, &tops, None).unwrap();
            let found = widths(&x, &tops, &prominences, relative_height).unwrap();
            for ((&p, prominence), found) in tops.iter().zip(&prominences).zip(&found) {
                let expected = walked(&x, p, prominence, relative_height);
                prop_assert_eq!(found, &expected, "x = {:?}, p = {}", x, p);
            }
        }
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let x = [0.0, 1.0, 0.0];
        let text = |at: &[usize], left_base, right_base, relative_height| {
            let prominence = Prominence { value: 1.0, left_base, right_base };
            widths(&x, at, &[prominence], relative_height).unwrap_err().to_string()
        };
        assert_eq!(text(&[], 0, 2, 0.5), "prominences has 1 samples, expected 0");
        assert_eq!(text(&[3], 0, 2, 0.5), "indices is 3, and there are 3");
        assert_eq!(text(&[1], 2, 2, 0.5), "left_base is 2, and there are 2");
        assert_eq!(text(&[1], 0, 3, 0.5), "right_base is 3, and there are 3");
        assert_eq!(text(&[1], 0, 0, 0.5), "indices is 1, and there are 1");
        assert_eq!(
            text(&[1], 0, 2, f64::NAN),
            "relative_height is NaN, expected a number from 0 up"
        );
    }
}
