//! Triangular systems with many right-hand sides, by halves: all but the last few rows are matrix
//! products.

use crate::columns::{add, add_combination, dispatch, dot, scale};
use crate::gemm::{self, Job, Lanes, multiply};
use crate::parallel::over_columns;
use crate::precision::{quotient, re};
use crate::product::{Operand, adjoint};
use crate::{DMatrixView, DMatrixViewMut, Scalar, Threads};
use pulp::{Arch, Simd, WithSimd};

/// Systems up to this size are solved without products.
const SMALL: usize = 16;
/// Up to this many times SMALL the products are done in registers, where packing would take the most of the time.
const BLOCKS: usize = 4;
/// So are those with fewer right-hand sides, where a product would spend its time on packing.
const FEW: usize = 4;
/// Right-hand sides that are solved abreast.
const ABREAST: usize = 8;
/// Right-hand sides that are worth a thread.
const WIDE: usize = 32;
/// Rows that are divided at a time, so that the columns of a small divisor stay in the cache.
const STRIP: usize = 256;

/// A triangular matrix: which triangle of the stored one, whether its diagonal counts as ones, and
/// whether its adjoint is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Triangle {
    /// L.
    Lower,
    /// Lᴴ, from L.
    LowerAdjoint,
    /// L with ones on its diagonal, whatever is stored there.
    UnitLower,
    /// Its adjoint.
    UnitLowerAdjoint,
    /// R.
    Upper,
    /// Rᴴ, from R.
    UpperAdjoint,
}

impl Triangle {
    /// Whether the stored triangle is the lower one.
    fn below(self) -> bool {
        !matches!(self, Self::Upper | Self::UpperAdjoint)
    }

    /// Whether its adjoint is meant.
    fn adjoint(self) -> bool {
        matches!(self, Self::LowerAdjoint | Self::UnitLowerAdjoint | Self::UpperAdjoint)
    }

    /// Whether the diagonal counts as ones.
    fn unit(self) -> bool {
        matches!(self, Self::UnitLower | Self::UnitLowerAdjoint)
    }

    /// Whether the first unknown is found first.
    fn forward(self) -> bool {
        self.below() != self.adjoint()
    }
}

/// c ← c − a·b.
pub(crate) fn subtract_product<'a, T: Scalar>(
    a: impl Into<Operand<'a, T>>,
    b: impl Into<Operand<'a, T>>,
    c: DMatrixViewMut<'_, T>,
    threads: Threads,
) {
    if !c.is_empty() {
        let (a, b) = (a.into(), b.into());
        multiply(
            &Job { alpha: -T::one(), a, b, beta: T::one(), lower: None, around: None },
            c,
            threads,
        );
    }
}

/// b ← t⁻¹·b, where t is the `triangle` of the square matrix `t`, whose diagonal has no zeros.
///
/// The solution of a small system has the same bits alone as among others.
pub(crate) fn solve<T: Scalar>(
    triangle: Triangle,
    t: DMatrixView<'_, T>,
    b: DMatrixViewMut<'_, T>,
    threads: Threads,
) {
    let n = t.nrows();
    if n <= SMALL {
        dispatch(n, OneByOne { triangle, t, b });
    } else {
        solve_many(triangle, t, b, threads);
    }
}

/// [`solve`] for many right-hand sides, fast for small systems too.
pub(crate) fn solve_many<T: Scalar>(
    triangle: Triangle,
    t: DMatrixView<'_, T>,
    b: DMatrixViewMut<'_, T>,
    threads: Threads,
) {
    let (n, columns) = b.shape();
    // So wide a piece has products of the same kind as the whole, and so the same bits.
    let pieces = gemm::pieces((n * n / 2).saturating_mul(columns), threads).min(columns / WIDE);
    if pieces > 1 {
        over_columns(b, pieces, &|b| by_halves(triangle, t, b, Threads::One));
    } else {
        by_halves(triangle, t, b, threads);
    }
}

/// [`solve`], the triangle divided.
fn by_halves<T: Scalar>(
    triangle: Triangle,
    t: DMatrixView<'_, T>,
    mut b: DMatrixViewMut<'_, T>,
    threads: Threads,
) {
    let n = t.nrows();
    if b.ncols() < FEW {
        return dispatch(n, OneByOne { triangle, t, b });
    }
    if n <= BLOCKS * SMALL {
        return Arch::new().dispatch(SideBySide { triangle, t, b });
    }
    let half = (n / 2).next_multiple_of(SMALL);
    let (first, second) = (..half, half..);
    let (mut b1, mut b2) = b.rows_range_pair_mut(first, second.clone());
    let t1 = t.view_range(first, first);
    let t2 = t.view_range(second.clone(), second.clone());
    let beside =
        if triangle.below() { t.view_range(second, first) } else { t.view_range(first, second) };
    let beside = if triangle.adjoint() { adjoint(beside) } else { beside.into() };
    if triangle.forward() {
        by_halves(triangle, t1, b1.as_view_mut(), threads);
        subtract_product(beside, b1.as_view(), b2.as_view_mut(), threads);
        by_halves(triangle, t2, b2, threads);
    } else {
        by_halves(triangle, t2, b2.as_view_mut(), threads);
        subtract_product(beside, b2.as_view(), b1.as_view_mut(), threads);
        by_halves(triangle, t1, b1, threads);
    }
}

/// [`solve`] for at most BLOCKS·SMALL unknowns: columns of b side by side, so that none waits for another.
struct SideBySide<'a, 'b, T: Scalar> {
    triangle: Triangle,
    t: DMatrixView<'a, T>,
    b: DMatrixViewMut<'b, T>,
}

/// Columns in cache lines of their own.
#[derive(Clone)]
#[repr(align(64))]
struct Columns<T, const N: usize>([[T; SMALL]; N]);

impl<T: Scalar> WithSimd for SideBySide<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { triangle, t, mut b } = self;
        let n = t.nrows();
        let blocks = n.div_ceil(SMALL);
        // The triangle without its diagonal in squares, zeros around it, and the reciprocals of its diagonal.
        let mut squares = vec![Columns([[T::zero(); SMALL]; SMALL]); blocks * blocks];
        let mut reciprocals = [T::one(); BLOCKS * SMALL];
        let entry = |i, k| if triangle.adjoint() { t[(k, i)].conjugate() } else { t[(i, k)] };
        for k in 0..n {
            let rows = if triangle.forward() { k + 1..n } else { 0..k };
            for i in rows {
                let square = i / SMALL * blocks + k / SMALL;
                squares[square].0[k % SMALL][i % SMALL] = entry(i, k);
            }
            if !triangle.unit() {
                reciprocals[k] = quotient(T::one(), entry(k, k));
            }
        }
        // The smallest numbers have no reciprocals.
        let exact = reciprocals.iter().any(|reciprocal| !reciprocal.is_finite());
        let mut side = Columns([[T::zero(); SMALL]; ABREAST]);
        // −x, the unknowns of a column one after the other.
        let mut minus = [[[T::zero(); SMALL]; ABREAST]; BLOCKS];
        for start in (0..b.ncols()).step_by(ABREAST) {
            let mut strip = b.columns_mut(start, ABREAST.min(b.ncols() - start));
            for step in 0..blocks {
                let block = if triangle.forward() { step } else { blocks - 1 - step };
                let first = block * SMALL;
                let rows = first..n.min(first + SMALL);
                for (side, column) in side.0.iter_mut().zip(strip.column_iter_mut()) {
                    side[..rows.len()].copy_from_slice(&column.data.into_slice_mut()[rows.clone()]);
                }
                let known = if triangle.forward() { 0..block } else { block + 1..blocks };
                for other in known {
                    let square = &squares[block * blocks + other];
                    add_product(simd, &square.0, &minus[other], &mut side.0);
                }
                let square = &squares[block * blocks + block];
                for step in 0..rows.len() {
                    let k = if triangle.forward() { step } else { rows.len() - 1 - step };
                    for (side, minus) in side.0.iter_mut().zip(&mut minus[block]) {
                        let x = if exact && !triangle.unit() {
                            quotient(side[k], entry(first + k, first + k))
                        } else {
                            side[k] * reciprocals[first + k]
                        };
                        // Not into `side`: the next load of a whole vector would wait for it.
                        minus[k] = -x;
                        add(simd, -x, &square.0[k], side);
                    }
                }
                for (minus, column) in minus[block].iter().zip(strip.column_iter_mut()) {
                    let column = &mut column.data.into_slice_mut()[rows.clone()];
                    column.iter_mut().zip(minus).for_each(|(x, &minus)| *x = -minus);
                }
            }
        }
    }
}

/// c ← c + a·b for columns of SMALL numbers; the sums stay in registers.
#[inline(always)]
fn add_product<S: Simd, T: Lanes>(
    simd: S,
    a: &[[T; SMALL]; SMALL],
    b: &[[T; SMALL]; ABREAST],
    c: &mut [[T; SMALL]; ABREAST],
) {
    let parts = a.each_ref().map(|column| T::split::<S>(column).0);
    for part in 0..SMALL / T::lanes::<S>() {
        let mut sums = c.each_ref().map(|column| T::split::<S>(column).0[part]);
        for k in 0..SMALL {
            let a = parts[k][part];
            for j in 0..ABREAST {
                sums[j] = T::mul_add(simd, a, T::splat(simd, b[j][k]), sums[j]);
            }
        }
        for (column, sum) in c.iter_mut().zip(sums) {
            T::split_mut::<S>(column).0[part] = sum;
        }
    }
}

/// [`solve`], one right-hand side after the other, along the columns of t.
struct OneByOne<'a, 'b, T: Scalar> {
    triangle: Triangle,
    t: DMatrixView<'a, T>,
    b: DMatrixViewMut<'b, T>,
}

impl<T: Scalar> WithSimd for OneByOne<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { triangle, t, mut b } = self;
        let n = t.nrows();
        let (below, adjoint, unit) = (triangle.below(), triangle.adjoint(), triangle.unit());
        for column in b.column_iter_mut() {
            let x = column.data.into_slice_mut();
            for step in 0..n {
                let j = if triangle.forward() { step } else { n - 1 - step };
                let entries = t.column(j).data.into_slice();
                let (head, rest) = x.split_at_mut(j);
                let Some((unknown, tail)) = rest.split_first_mut() else { continue };
                let (entries, others) =
                    if below { (&entries[j + 1..], tail) } else { (&entries[..j], head) };
                if adjoint {
                    *unknown -= dot(simd, entries, others);
                }
                if !unit {
                    let diagonal = t[(j, j)];
                    *unknown =
                        quotient(*unknown, if adjoint { diagonal.conjugate() } else { diagonal });
                }
                if !adjoint {
                    add(simd, -*unknown, entries, others);
                }
            }
        }
    }
}

/// b ← b·l⁻ᴴ for a lower triangular l with a real positive diagonal.
pub(crate) fn divide_by_adjoint<T: Scalar>(
    b: &mut DMatrixViewMut<'_, T>,
    l: DMatrixView<'_, T>,
    threads: Threads,
) {
    let n = l.nrows();
    if n <= SMALL {
        return dispatch(b.nrows(), SmallDivision { b, l });
    }
    let half = (n / 2).next_multiple_of(SMALL);
    let (first, second) = (..half, half..);
    let (mut b1, mut b2) = b.columns_range_pair_mut(first, second.clone());
    divide_by_adjoint(&mut b1, l.view_range(first, first), threads);
    let beside = adjoint(l.view_range(second.clone(), first));
    subtract_product(b1.as_view(), beside, b2.as_view_mut(), threads);
    divide_by_adjoint(&mut b2, l.view_range(second.clone(), second), threads);
}

/// [`divide_by_adjoint`], one column of b after the other.
struct SmallDivision<'a, 'b, 'c, T: Scalar> {
    b: &'b mut DMatrixViewMut<'c, T>,
    l: DMatrixView<'a, T>,
}

impl<T: Scalar> WithSimd for SmallDivision<'_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { b, l } = self;
        let (rows, n) = b.shape();
        for start in (0..rows).step_by(STRIP) {
            let height = STRIP.min(rows - start);
            let mut strip = b.rows_mut(start, height);
            let mut columns: [&mut [T]; SMALL] = take_columns(&mut strip);
            for j in 0..n {
                let (known, rest) = columns.split_at_mut(j);
                eliminate(simd, known, |k| -l[(j, k)].conjugate(), &mut *rest[0]);
                scale(simd, nalgebra::convert(re(l[(j, j)]).recip()), &mut *rest[0]);
            }
        }
    }
}

/// The columns of a view as slices; empty ones where it has fewer.
#[inline(always)]
pub(crate) fn take_columns<'a, T: Scalar, const N: usize>(
    view: &'a mut DMatrixViewMut<'_, T>,
) -> [&'a mut [T]; N] {
    let mut columns = view.column_iter_mut();
    std::array::from_fn(|_| {
        columns.next().map_or_else(Default::default, |column| column.data.into_slice_mut())
    })
}

/// y ← y + Σₖ factor(k)·xₖ over the given columns, four at a time.
#[inline(always)]
pub(crate) fn eliminate<S: Simd, T: Scalar>(
    simd: S,
    columns: &[&mut [T]],
    factor: impl Fn(usize) -> T,
    y: &mut [T],
) {
    let length = y.len();
    let from = |column: &&mut [T]| column.len() - length;
    let (fours, rest) = columns.as_chunks::<4>();
    for (group, four) in fours.iter().enumerate() {
        let factors = std::array::from_fn(|k| factor(4 * group + k));
        let four = four.each_ref().map(|column| &column[from(column)..]);
        add_combination(simd, factors, four, y);
    }
    for (k, column) in rest.iter().enumerate() {
        add(simd, factor(4 * fours.len() + k), &column[from(column)..], y);
    }
}
