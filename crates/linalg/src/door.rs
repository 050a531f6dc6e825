//! What every decomposition asks of its input, before anything iterates: an algorithm that meets
//! a NaN may never return, and squares of 1e160 overflow.

use std::borrow::Cow;

use nalgebra::DMatrix;

use crate::kernels::Kernels;
use crate::precision::{im, re, size};
use crate::{Error, Result, Scalar};

/// Refuses an empty matrix and one with a NaN or an infinity.
pub(crate) fn finite<T: Scalar>(argument: &'static str, a: &DMatrix<T>) -> Result<()> {
    let (rows, columns) = a.shape();
    if rows == 0 || columns == 0 {
        return Err(Error::Empty { argument, rows, columns });
    }
    for (column, entries) in a.column_iter().enumerate() {
        // 0·x is NaN exactly where x is not finite, so that one sum asks for the whole column.
        let mut probes = [0.0; 8];
        for entries in entries.as_slice().chunks(8) {
            for (probe, &entry) in probes.iter_mut().zip(entries) {
                *probe += 0.0 * re(entry) + 0.0 * im(entry);
            }
        }
        if probes.iter().sum::<f64>().is_nan()
            && let Some(row) = entries.iter().position(|entry| !entry.is_finite())
        {
            let value =
                if re(entries[row]).is_finite() { im(entries[row]) } else { re(entries[row]) };
            return Err(Error::NotFinite { argument, row, column, value });
        }
    }
    Ok(())
}

/// Refuses a rectangular matrix.
pub(crate) fn square<T: Scalar>(argument: &'static str, a: &DMatrix<T>) -> Result<()> {
    let (rows, columns) = a.shape();
    if rows == columns { Ok(()) } else { Err(Error::NotSquare { argument, rows, columns }) }
}

/// Refuses a matrix that differs from its adjoint by more than rounding: √eps of the largest entry.
pub(crate) fn hermitian<T: Scalar>(argument: &'static str, a: &DMatrix<T>) -> Result<()> {
    let n = a.nrows();
    let mut worst = 0.0;
    let mut place = (0, 0);
    // Tile by tile, since one of the two triangles is read across its columns.
    for column in (0..n).step_by(TILE) {
        for row in (column..n).step_by(TILE) {
            let difference = tile_difference(a, row, column);
            if difference > worst {
                worst = difference;
                place = (row, column);
            }
        }
    }
    let limit = T::EPSILON.sqrt();
    let diagonal = (0..n).fold(0.0, |largest: f64, j| largest.max(size(a[(j, j)])));
    if worst <= limit * diagonal || worst <= limit * largest(a) {
        return Ok(());
    }
    for column in place.1..n.min(place.1 + TILE) {
        for row in place.0..n.min(place.0 + TILE) {
            let difference = size(a[(row, column)] - a[(column, row)].conjugate());
            if difference >= worst {
                return Err(Error::NotHermitian { argument, row, column, difference });
            }
        }
    }
    Ok(())
}

/// Rows and columns of a tile, which stays in the first-level cache.
const TILE: usize = 32;

/// The largest |Re| or |Im| of A − Aᴴ in the tile that starts at `row` and `column`.
fn tile_difference<T: Scalar>(a: &DMatrix<T>, row: usize, column: usize) -> f64 {
    let n = a.nrows();
    let entries = a.as_slice();
    let (height, width) = (TILE.min(n - row), TILE.min(n - column));
    // Turned around in the cache, so that the comparison runs along columns on both sides.
    let mut mirror = [[T::zero(); TILE]; TILE];
    for i in 0..height {
        let across = &entries[(row + i) * n + column..][..width];
        for (line, &entry) in mirror.iter_mut().zip(across) {
            line[i] = entry.conjugate();
        }
    }
    let mut worst = [0.0_f64; TILE];
    for (j, line) in mirror[..width].iter().enumerate() {
        let below = &entries[(column + j) * n + row..][..height];
        for ((worst, &x), &y) in worst.iter_mut().zip(below).zip(line) {
            let difference = size(x - y);
            *worst = if difference > *worst { difference } else { *worst };
        }
    }
    worst.into_iter().fold(0.0, f64::max)
}

/// A power of two that brings entries near 1, so that their squares neither over- nor underflow.
/// Multiplying by it is exact, but for entries 2^900 times smaller than the largest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    exponent: i32,
}

/// Entries within 2^±100 of 1 are near enough; a matrix of them is used as it is.
const NEAR: i32 = 100;

impl Scale {
    /// The scale for entries of which the largest has the finite size `largest`.
    pub(crate) fn new(largest: f64) -> Self {
        let exponent = exponent_of(largest);
        let far = largest > 0.0 && exponent.abs() > NEAR;
        Self { exponent: if far { exponent } else { 0 } }
    }

    /// The matrix itself, or scaled to have its largest entry in [1, 2).
    pub(crate) fn matrix<'a, D: Kernels>(self, a: &'a DMatrix<D>) -> Cow<'a, DMatrix<D>> {
        if self.exponent == 0 {
            return Cow::Borrowed(a);
        }
        let (first, second) = power_of_two(-self.exponent);
        Cow::Owned(a.map(|entry| entry.scale(first).scale(second)))
    }

    /// A number of the original as one of the scaled problem.
    pub(crate) fn apply(self, value: f64) -> f64 {
        let (first, second) = power_of_two(-self.exponent);
        value * first * second
    }

    /// A number of the scaled problem as one of the original.
    pub(crate) fn undo(self, value: f64) -> f64 {
        let (first, second) = power_of_two(self.exponent);
        value * first * second
    }
}

/// The largest |Re| or |Im| among the entries.
pub(crate) fn largest<T: Scalar>(a: &DMatrix<T>) -> f64 {
    a.iter().fold(0.0, |largest: f64, &entry| largest.max(size(entry)))
}

/// Refuses a solution that overflowed.
pub(crate) fn solution<T: Scalar>(x: &DMatrix<T>) -> Result<()> {
    match finite("x", x) {
        Err(Error::NotFinite { value, .. }) => Err(Error::OutOfRange {
            argument: "an entry of the solution",
            value,
            expected: "a number that does not overflow",
        }),
        other => other,
    }
}

/// Refuses values that overflow: a norm may exceed the largest number though no entry does.
pub(crate) fn representable<T: Scalar>(a: &DMatrix<T>, values: &[f64]) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    let value = largest(a);
    Err(Error::OutOfRange {
        argument: "a",
        value,
        expected: "entries whose norm does not overflow",
    })
}

/// The e of 2^e ≤ x < 2^(e+1), for finite x > 0.
fn exponent_of(x: f64) -> i32 {
    let biased = |x: f64| i32::try_from((x.to_bits() >> 52) & 0x7ff).unwrap_or(0);
    // Subnormal numbers have no exponent of their own until they are scaled up.
    if biased(x) == 0 { biased(x * 2.0_f64.powi(64)) - 1023 - 64 } else { biased(x) - 1023 }
}

/// The power of two p with p ≤ x < 2p, for finite x > 0, as a product of two factors of which
/// neither they nor their reciprocals leave the range of the precision that x has; 1 for x = 0.
pub(crate) fn power_of_two_near(x: f64) -> (f64, f64) {
    if x > 0.0 { power_of_two(exponent_of(x)) } else { (1.0, 1.0) }
}

/// 2^`exponent` as a product of two factors that are each in range, |`exponent`| ≤ 1100.
fn power_of_two(exponent: i32) -> (f64, f64) {
    let half = exponent / 2;
    (2.0_f64.powi(half), 2.0_f64.powi(exponent - half))
}
