//! Products with a matrix whose columns lie scattered, and overlapping, in a slice.
//!
//! The windows of an image are such a matrix: each column is a few segments of the image's rows.
//! A convolution multiplies it by the weights without ever copying it. [`pack`] arranges the other
//! factor for the kernel once; [`product`] and [`add_outer_products`] are forward and backward.

mod kernels;

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::gemm::{Part, arch};
use crate::{Error, Real, Result};
use kernels::{OuterProducts, Product};

/// Where the columns of a gathered matrix P lie in a slice x.
///
/// Column j is, one after the other for each s of `segments`,
/// `x[(j / across)·down + (j % across)·step + s ..][.. length]`.
///
/// # Examples
/// The windows of 2 x 2 places on an image of 3 x 3 places, row by row:
/// ```
/// use linalg::gathered::Gather;
/// let windows = Gather { segments: &[0, 3], length: 2, across: 2, step: 1, down: 3 };
/// assert_eq!(windows.depth(), 4);
/// assert_eq!(windows.end(4), 9);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Gather<'a> {
    /// Where the segments begin, counted from the column's start.
    pub segments: &'a [usize],
    /// Numbers in each segment.
    pub length: usize,
    /// Columns in a row of columns.
    pub across: usize,
    /// From the start of a column to that of the next one in its row.
    pub step: usize,
    /// From the first column of a row to that of the next row.
    pub down: usize,
}

impl Gather<'_> {
    /// Numbers in a column.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.segments.len().saturating_mul(self.length)
    }

    /// The columns `columns` of these on x.
    #[must_use]
    pub fn on<'a, T>(&'a self, x: &'a [T], columns: Range<usize>) -> Gathered<'a, T> {
        Gathered { gather: self, x, columns }
    }

    /// The length of the shortest x that holds the first `columns` columns.
    #[must_use]
    pub fn end(&self, columns: usize) -> usize {
        let Some(last) = columns.checked_sub(1) else { return 0 };
        let Some(&segment) = self.segments.iter().max() else { return 0 };
        let across = self.across.max(1);
        let row = if last >= across { across - 1 } else { last };
        let start = |column: usize| {
            let row = (column / across).saturating_mul(self.down);
            row.saturating_add((column % across).saturating_mul(self.step))
        };
        // The last column of a full row may reach further than the last of all.
        let before = last.saturating_sub(last % across + 1);
        let start = start(last).max(start(before)).max(start(row));
        start.saturating_add(segment).saturating_add(self.length)
    }
}

/// A gathered matrix P: some columns of a [`Gather`] on a slice.
#[derive(Debug, Clone)]
pub struct Gathered<'a, T> {
    gather: &'a Gather<'a>,
    x: &'a [T],
    columns: Range<usize>,
}

/// Numbers in a vector of this machine, and the most vectors in a panel of rows.
fn widths<T: Part>() -> (usize, usize) {
    struct Ask<T>(std::marker::PhantomData<T>);
    impl<T: Part> WithSimd for Ask<T> {
        type Output = (usize, usize);
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> (usize, usize) {
            (T::lanes::<S>(), most_vectors::<S>())
        }
    }
    arch().dispatch(Ask(std::marker::PhantomData::<T>))
}

/// The most vectors in a panel of rows: wide panels need fewer columns at a time to fill the
/// registers with sums, and so fewer pointers.
#[inline(always)]
fn most_vectors<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}

/// The rows of each panel: of `most` vectors, at the end of two or one where that is enough.
fn panels(rows: usize, lanes: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let vectors = match rows.saturating_sub(start).div_ceil(lanes) {
            0 => return None,
            1 => 1,
            left if left >= most => most,
            _ => 2,
        };
        let panel = start..start + vectors * lanes;
        start = panel.end;
        Some(panel)
    })
}

/// Numbers that [`pack`] writes for a matrix of `rows` x `depth`.
#[must_use]
pub fn packed_len<T: Real>(rows: usize, depth: usize) -> usize {
    // Panels have whole vectors, and no more of them than the rows need.
    let (lanes, _) = widths::<T>();
    rows.div_ceil(lanes).saturating_mul(lanes).saturating_mul(depth)
}

/// Where [`pack`] puts the entry (row, column) of a matrix of `rows` x `depth`.
///
/// The entries of a column from a multiple of the vector's lanes lie side by side, as many as a
/// vector has, zeros below the last row included; whoever computes A can write it where it belongs.
///
/// # Examples
/// ```
/// use linalg::gathered::{pack, packed_len, packed_place};
/// let mut packed = vec![0.0; packed_len::<f64>(3, 2)];
/// pack(3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut packed)?;
/// assert_eq!(packed[packed_place::<f64>((3, 2), (2, 1))], 6.0);
/// # Ok::<(), linalg::Error>(())
/// ```
#[must_use]
pub fn packed_place<T: Real>(
    (rows, depth): (usize, usize),
    (row, column): (usize, usize),
) -> usize {
    let (lanes, most) = widths::<T>();
    let mut panels = panels(rows, lanes, most);
    let panel = panels.find(|panel| panel.contains(&row)).unwrap_or(row..row.saturating_add(1));
    let before = panel.start.saturating_mul(depth);
    before.saturating_add(column.saturating_mul(panel.len())).saturating_add(row - panel.start)
}

/// Writes the matrix A of `rows` rows, whose entries `a` holds column after column, to `packed`, in
/// the order in which [`product`] reads it.
///
/// # Errors
/// [`Error::Shape`] where `packed` has not [`packed_len`] entries for `a`.
pub fn pack<T: Real>(rows: usize, a: &[T], packed: &mut [T]) -> Result<()> {
    let depth = a.len().checked_div(rows).unwrap_or(0);
    check("a", a.len(), rows * depth)?;
    check("packed", packed.len(), packed_len::<T>(rows, depth))?;
    let mut rest = packed;
    let (lanes, most) = widths::<T>();
    for panel in panels(rows, lanes, most) {
        let (own, left) = rest.split_at_mut(panel.len() * depth);
        // Lengths that the compiler knows are those of panels of f32 on AVX-512.
        match panel.len() {
            32 if panel.end <= rows => copy_panel::<T, 32>(&a[panel.start..], rows, own),
            64 if panel.end <= rows => copy_panel::<T, 64>(&a[panel.start..], rows, own),
            _ => {
                let whole = panel.start..panel.end.min(rows);
                for (to, from) in own.chunks_exact_mut(panel.len()).zip(a.chunks_exact(rows)) {
                    let (to, padding) = to.split_at_mut(whole.len());
                    to.copy_from_slice(&from[whole.clone()]);
                    padding.fill(T::zero());
                }
            }
        }
        rest = left;
    }
    Ok(())
}

/// The first N numbers of every `rows` of `a`.
fn copy_panel<T: Real, const N: usize>(a: &[T], rows: usize, panel: &mut [T]) {
    for (to, from) in panel.as_chunks_mut::<N>().0.iter_mut().zip(a.chunks(rows)) {
        to.copy_from_slice(&from[..N]);
    }
}

/// The rows `rows` of Y ← A·P + b, with A packed, which has as many rows; b is added to every column,
/// and is 0 where it is empty. `y` holds the columns of Y, one after the other; its other rows stay as they
/// are.
///
/// Every entry is summed in the order of P's rows, whatever the columns asked for.
///
/// # Errors
/// [`Error::Shape`] where `packed`, `offset` or `y` has the wrong length, [`Error::OutOfRange`] where
/// `y` has fewer rows, or the slice of `p` does not reach as far as its columns do.
///
/// # Examples
/// The sums of 2 x 2 windows:
/// ```
/// use linalg::gathered::{Gather, pack, packed_len, product};
/// let image = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
/// let windows = Gather { segments: &[0, 3], length: 2, across: 2, step: 1, down: 3 };
/// let mut ones = vec![0.0; packed_len::<f64>(1, 4)];
/// pack(1, &[1.0; 4], &mut ones)?;
/// let mut y = [0.0; 4];
/// product(&ones, &windows.on(&image, 0..4), &[], 0..1, &mut y)?;
/// assert_eq!(y, [8.0, 12.0, 20.0, 24.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn product<T: Real>(
    packed: &[T],
    p: &Gathered<'_, T>,
    offset: &[T],
    rows: Range<usize>,
    y: &mut [T],
) -> Result<()> {
    if p.columns.is_empty() || rows.is_empty() {
        return Ok(());
    }
    let stride = y.len() / p.columns.len();
    check("y", y.len(), stride * p.columns.len())?;
    check_rows(&rows, stride)?;
    check("packed", packed.len(), packed_len::<T>(rows.len(), p.gather.depth()))?;
    if !offset.is_empty() {
        check("offset", offset.len(), rows.len())?;
    }
    reaches(p)?;
    let y = &mut y[rows.start..];
    arch().dispatch(Product { packed, p, offset, y, rows: rows.len(), stride });
    Ok(())
}

/// C ← C + B·Pᵀ: the sum of the outer products of the columns of B with those of P. `b` holds the columns
/// of a matrix whose rows `rows` are B's; `c` holds the entries of C, which has B's rows, column after column.
///
/// # Errors
/// [`Error::Shape`] where `b` and `c` do not fit, [`Error::OutOfRange`] where `b` has fewer rows, or the slice
/// of `p` does not reach as far as its columns do.
///
/// # Examples
/// ```
/// use linalg::gathered::{Gather, add_outer_products};
/// let squares = [0.0, 1.0, 4.0, 9.0];
/// let pairs = Gather { segments: &[0], length: 2, across: 3, step: 1, down: 0 };
/// let mut c = [100.0, 0.0];
/// add_outer_products(&[1.0, 1.0, 10.0], 0..1, &pairs.on(&squares, 0..3), &mut c)?;
/// assert_eq!(c, [141.0, 95.0]);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn add_outer_products<T: Real>(
    b: &[T],
    rows: Range<usize>,
    p: &Gathered<'_, T>,
    c: &mut [T],
) -> Result<()> {
    if p.columns.is_empty() || rows.is_empty() || p.gather.depth() == 0 {
        return Ok(());
    }
    let stride = b.len() / p.columns.len();
    check("b", b.len(), stride * p.columns.len())?;
    check_rows(&rows, stride)?;
    check("c", c.len(), rows.len() * p.gather.depth())?;
    reaches(p)?;
    arch().dispatch(OuterProducts { b: &b[rows.start..], stride, p, c, rows: rows.len() });
    Ok(())
}

fn check(argument: &'static str, found: usize, expected: usize) -> Result<()> {
    crate::operator::check_length(argument, expected, found)
}

fn check_rows(rows: &Range<usize>, found: usize) -> Result<()> {
    if rows.end <= found {
        return Ok(());
    }
    Err(Error::OutOfRange {
        argument: "rows.end",
        value: rows.end as f64,
        expected: "at most the rows of the matrix",
    })
}

fn reaches<T>(p: &Gathered<'_, T>) -> Result<()> {
    if p.gather.across > 0 && p.gather.end(p.columns.end) <= p.x.len() {
        return Ok(());
    }
    Err(Error::OutOfRange {
        argument: "x.len()",
        value: p.x.len() as f64,
        expected: "at least gather.end(columns), and across at least 1",
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::gemm::tests::on_each_arch;

    fn random<T: Real>(len: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<T> {
        (0..len).map(|_| T::from_double(rng.random_range(-1.0..1.0))).collect()
    }

    /// The largest errors of both functions over n·eps·(sum of the terms' sizes), n terms: at most
    /// 1 for sums in any order, and one more for the addition to what was there. The rows are those from
    /// `above` of a matrix that has `below` more than them.
    fn ratios<T: Real>(
        gather: &Gather<'_>,
        (above, rows, below): (usize, usize, usize),
        columns: Range<usize>,
    ) -> (f64, f64) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let depth = gather.depth();
        let x: Vec<T> = random(gather.end(columns.end), &mut rng);
        let a: Vec<T> = random(rows * depth, &mut rng);
        let offset: Vec<T> = random(rows, &mut rng);
        let stride = above + rows + below;
        let b: Vec<T> = random(stride * columns.len(), &mut rng);
        let before: Vec<T> = random(rows * depth, &mut rng);
        let p = |k: usize, j: usize| {
            let start = j / gather.across * gather.down + j % gather.across * gather.step;
            x[start + gather.segments[k / gather.length] + k % gather.length].to_double()
        };
        let ratio = |found: T, terms: &[f64]| {
            let (sum, size) = terms.iter().fold((0.0, 0.0), |(s, m), t| (s + t, m + t.abs()));
            (found.to_double() - sum).abs() / (T::EPSILON * (terms.len() + 1) as f64 * size)
        };
        let mut packed = vec![T::from_double(f64::NAN); packed_len::<T>(rows, depth)];
        pack(rows, &a, &mut packed).unwrap();
        for (at, &a) in a.iter().enumerate() {
            let place = packed_place::<T>((rows, depth), (at % rows, at / rows));
            assert!(packed[place] == a, "({}, {}) is not at {place}", at % rows, at / rows);
        }
        let mut y = vec![T::from_double(f64::NAN); stride * columns.len()];
        let (gathered, own) = (gather.on(&x, columns.clone()), above..above + rows);
        product(&packed, &gathered, &offset, own.clone(), &mut y).unwrap();
        for (at, y) in y.iter().enumerate() {
            let other = !own.contains(&(at % stride));
            assert!(y.to_double().is_nan() == other, "row {} of {stride}", at % stride);
        }
        let mut c = before.clone();
        add_outer_products(&b, own, &gathered, &mut c).unwrap();
        let (mut forward, mut backward) = (0.0_f64, 0.0_f64);
        for row in 0..rows {
            for j in columns.clone() {
                let mut terms: Vec<f64> =
                    (0..depth).map(|k| a[k * rows + row].to_double() * p(k, j)).collect();
                terms.push(offset[row].to_double());
                forward = forward.max(ratio(y[(j - columns.start) * stride + above + row], &terms));
            }
            for k in 0..depth {
                let b = |j: usize| b[(j - columns.start) * stride + above + row].to_double();
                let mut terms: Vec<f64> = columns.clone().map(|j| b(j) * p(k, j)).collect();
                terms.push(before[k * rows + row].to_double());
                backward = backward.max(ratio(c[k * rows + row], &terms));
            }
        }
        (forward, backward)
    }

    proptest! {
        #[test]
        fn both_products_are_the_sums_that_they_stand_for(
            rows in 1_usize..150, length in 1_usize..30, across in 1_usize..9,
            (step, down) in (0_usize..5, 0_usize..40), count in 1_usize..30, first in 0_usize..5,
            (above, below) in prop_oneof![Just((0, 0)), (0_usize..20, 0_usize..20)],
        ) {
            let gather = Gather { segments: &[3, 0, 17], length, across, step, down };
            let (columns, rows) = (first..first + count, (above, rows, below));
            on_each_arch(|name| {
                let (forward, backward) = ratios::<f32>(&gather, rows, columns.clone());
                assert!(forward <= 1.0 && backward <= 1.0, "{name}: {forward}, {backward}");
                let (forward, backward) = ratios::<f64>(&gather, rows, columns.clone());
                assert!(forward <= 1.0 && backward <= 1.0, "{name}: {forward}, {backward}");
            });
        }
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        let gather = Gather { segments: &[0], length: 2, across: 3, step: 1, down: 0 };
        let (packed, x) = (vec![0.0; packed_len::<f64>(1, 2)], [0.0; 4]);
        let p = gather.on(&x, 0..3);
        let (mut y, one) = ([0.0; 3], 0..1);
        let error = product(&packed, &gather.on(&x[1..], 0..3), &[], one.clone(), &mut y);
        let short = "x.len() is 3, expected at least gather.end(columns), and across at least 1";
        assert_eq!(error.unwrap_err().to_string(), short);
        let error = product(&packed, &p, &[0.0; 2], one.clone(), &mut y).unwrap_err();
        assert_eq!(error.to_string(), "offset is 2 x 1, expected 1 x 1");
        let error = product(&packed, &p, &[], one.clone(), &mut [0.0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "y is 4 x 1, expected 3 x 1");
        let error = product(&packed[1..], &p, &[], one.clone(), &mut y).unwrap_err();
        assert!(error.to_string().starts_with("packed is "), "{error}");
        let error = product(&packed, &p, &[], 1..2, &mut y).unwrap_err();
        assert_eq!(error.to_string(), "rows.end is 2, expected at most the rows of the matrix");
        let none = Gather { across: 0, ..gather };
        assert!(product(&packed, &none.on(&x, 0..3), &[], one.clone(), &mut y).is_err());
        let error = add_outer_products(&y, one, &p, &mut [0.0; 3]).unwrap_err();
        assert_eq!(error.to_string(), "c is 3 x 1, expected 2 x 1");
        let error = add_outer_products(&y, 0..2, &p, &mut [0.0; 2]).unwrap_err();
        assert_eq!(error.to_string(), "rows.end is 2, expected at most the rows of the matrix");
        let error = pack(1, &[0.0; 2], &mut [0.0; 1]).unwrap_err();
        assert!(error.to_string().starts_with("packed is 1 x 1"), "{error}");
    }
}
