//! Products in which one matrix is large and used a few times only: matrix times vector, updates of
//! low rank. Nothing is packed; the large matrix passes by once, at the speed of memory.

use super::part::Buffer;
use super::{Entry, Job};
use crate::DMatrixViewMut;
use crate::product::Operand;
use pulp::Simd;

/// Rows at a time, so that their part of C stays in the first-level cache.
const CHUNK: usize = 1024;
/// Columns of the stored factor at a time.
const GROUP: usize = 4;

/// The product where the columns of A lie contiguous: C's columns are sums of them.
#[inline(always)]
pub(super) fn sum_columns<S: Simd, T: Entry>(
    simd: S,
    job: &Job<'_, T>,
    c: &mut DMatrixViewMut<'_, T>,
) {
    let (m, n) = c.shape();
    let k = job.a.columns();
    let mut buffer = Buffer::<T>::take();
    let factors = buffer.numbers(k * n);
    gather(&job.b, factors);
    for factor in factors.iter_mut() {
        *factor = job.alpha * *factor;
    }
    for start in (0..m).step_by(CHUNK) {
        let rows = start..m.min(start + CHUNK);
        if k == 1 && !job.a.is_conjugated() && job.beta == T::ONE {
            // The update of rank one: nothing but this pass over C.
            let line = [&job.a.stored_column(0)[rows.clone()]];
            for (j, factor) in factors.chunks_exact(1).enumerate() {
                let mut column = c.column_mut(j);
                let target = &mut column.as_mut_slice()[rows.clone()];
                add_columns::<S, T, 1, false>(simd, line, factor, target);
            }
            continue;
        }
        for j in 0..n {
            let mut column = c.column_mut(j);
            scale(job.beta, &mut column.as_mut_slice()[rows.clone()]);
        }
        let mut rows = rows;
        if n == 1 && !job.a.is_conjugated() {
            let target = &mut c.column_mut(0);
            let target = &mut target.as_mut_slice()[rows.clone()];
            let done = match S::REGISTER_COUNT {
                32.. => sum_tall::<S, T, 16, 15>(simd, job, rows.start, factors, target),
                _ => sum_tall::<S, T, 8, 7>(simd, job, rows.start, factors, target),
            };
            rows.start += done;
        }
        let mut first = if rows.is_empty() { k } else { 0 };
        while first < k {
            let group = if first + GROUP <= k { GROUP } else { 1 };
            for j in 0..n {
                let factors = &factors[j * k + first..][..group];
                let mut column = c.column_mut(j);
                let target = &mut column.as_mut_slice()[rows.clone()];
                let column = |l: usize| &job.a.stored_column(first + l)[rows.clone()];
                match (group == 1, job.a.is_conjugated()) {
                    (false, false) => add_columns::<S, T, GROUP, false>(
                        simd,
                        std::array::from_fn(column),
                        factors,
                        target,
                    ),
                    (false, true) => add_columns::<S, T, GROUP, true>(
                        simd,
                        std::array::from_fn(column),
                        factors,
                        target,
                    ),
                    (true, false) => {
                        add_columns::<S, T, 1, false>(simd, [column(0)], factors, target);
                    }
                    (true, true) => {
                        add_columns::<S, T, 1, true>(simd, [column(0)], factors, target);
                    }
                }
            }
            first += group;
        }
    }
}

/// The first rows of target ← target + Σ `factors[l]`·(column l of A, from row `first`): as many times V vectors as there
/// are, of which each stays in its register for all columns. Returns how many rows that is: none where that would read
/// an A of long columns in short pieces.
#[inline(always)]
fn sum_tall<S: Simd, T: Entry, const V: usize, const M: usize>(
    simd: S,
    job: &Job<'_, T>,
    first: usize,
    factors: &[T],
    target: &mut [T],
) -> usize {
    let (lanes, height) = (T::lanes::<S>(), V * T::lanes::<S>());
    let mut done = 0;
    if job.a.shape().0 > 2 * height {
        return done;
    }
    for target in target.chunks_exact_mut(height) {
        let rows = first + done..first + done + height;
        let head = head::<S, T>(&job.a.stored_column(0)[rows.clone()]);
        if head > 0 {
            // The vectors at both ends overlap with those between them: what both hold is the same sum.
            let ends = [0, height - lanes];
            let mut outer = ends.map(|end| T::load_part(simd, &target[end..end + lanes]));
            let Some(&(mut inner)) = T::split::<S>(&target[head..]).0.first_chunk::<M>() else {
                continue;
            };
            for (l, &factor) in factors.iter().enumerate() {
                let factor = T::splat(simd, factor);
                let column = &job.a.stored_column(l)[rows.clone()];
                for (sum, end) in outer.iter_mut().zip(ends) {
                    if let Some(&x) = T::split::<S>(&column[end..]).0.first() {
                        *sum = T::mul_add(simd, x, factor, *sum);
                    }
                }
                if let Some(column) = T::split::<S>(&column[head..]).0.first_chunk::<M>() {
                    for i in 0..M {
                        inner[i] = T::mul_add(simd, column[i], factor, inner[i]);
                    }
                }
            }
            if let Some(target) = T::split_mut::<S>(&mut target[head..]).0.first_chunk_mut() {
                *target = inner;
            }
            for (sum, end) in outer.into_iter().zip(ends) {
                if let Some(target) = T::split_mut::<S>(&mut target[end..]).0.first_mut() {
                    *target = sum;
                }
            }
            done += height;
            continue;
        }
        let Some(target) = T::split_mut::<S>(target).0.first_chunk_mut::<V>() else { continue };
        let mut sums = *target;
        for (l, &factor) in factors.iter().enumerate() {
            let factor = T::splat(simd, factor);
            let column = T::split::<S>(&job.a.stored_column(l)[rows.clone()]).0;
            if let Some(column) = column.first_chunk::<V>() {
                for i in 0..V {
                    sums[i] = T::mul_add(simd, column[i], factor, sums[i]);
                }
            }
        }
        *target = sums;
        done += height;
    }
    done
}

/// How many numbers come before the first vector that begins where the memory's vectors do; none where that is not to be
/// had. A longest vector that begins elsewhere lies in two cache lines, and costs two accesses.
#[inline(always)]
fn head<S: Simd, T: Entry>(numbers: &[T]) -> usize {
    let head = numbers.as_ptr().align_offset(size_of::<T::Vector<S>>());
    if head < T::lanes::<S>() { head } else { 0 }
}

/// target ← target + Σ `factors[l]`·`columns[l]`.
#[inline(always)]
fn add_columns<S: Simd, T: Entry, const G: usize, const CONJUGATED: bool>(
    simd: S,
    columns: [&[T]; G],
    factors: &[T],
    target: &mut [T],
) {
    let mut splats = [T::splat(simd, T::default()); G];
    for (splat, &factor) in splats.iter_mut().zip(factors) {
        *splat = T::splat(simd, factor);
    }
    let (target, target_rest) = T::split_mut::<S>(target);
    let parts = columns.map(|column| T::split::<S>(column));
    let whole = parts.map(|(whole, _)| &whole[..target.len()]);
    for (i, target) in target.iter_mut().enumerate() {
        let mut sum = *target;
        for l in 0..G {
            sum = mul_add::<S, T, CONJUGATED>(simd, whole[l][i], splats[l], sum);
        }
        *target = sum;
    }
    if !target_rest.is_empty() {
        let mut sum = T::load_part(simd, target_rest);
        for l in 0..G {
            let rest = T::load_part(simd, parts[l].1);
            sum = mul_add::<S, T, CONJUGATED>(simd, rest, splats[l], sum);
        }
        T::store_part(simd, target_rest, sum);
    }
}

/// a·b + c, or conj(a)·b + c.
#[inline(always)]
fn mul_add<S: Simd, T: Entry, const CONJUGATED: bool>(
    simd: S,
    a: T::Vector<S>,
    b: T::Vector<S>,
    c: T::Vector<S>,
) -> T::Vector<S> {
    if CONJUGATED { T::conj_mul_add(simd, a, b, c) } else { T::mul_add(simd, a, b, c) }
}

/// The product where the rows of A lie contiguous: C's entries are inner products with them.
#[inline(always)]
pub(super) fn inner_products<S: Simd, T: Entry>(
    simd: S,
    job: &Job<'_, T>,
    c: &mut DMatrixViewMut<'_, T>,
) {
    let (m, n) = c.shape();
    let k = job.a.columns();
    let mut buffer = Buffer::<T>::take();
    let vectors = buffer.numbers(k * n);
    gather(&job.b, vectors);
    let mut row = 0;
    while row < m {
        let group = if row + GROUP <= m { GROUP } else { 1 };
        for j in 0..n {
            let vector = &vectors[j * k..][..k];
            let line = |i: usize| job.a.stored_column(row + i);
            let mut products = [T::default(); GROUP];
            match (group == 1, job.a.is_conjugated()) {
                (false, false) => {
                    products = dots::<S, T, GROUP, false>(simd, std::array::from_fn(line), vector);
                }
                (false, true) => {
                    products = dots::<S, T, GROUP, true>(simd, std::array::from_fn(line), vector);
                }
                (true, false) => [products[0]] = dots::<S, T, 1, false>(simd, [line(0)], vector),
                (true, true) => [products[0]] = dots::<S, T, 1, true>(simd, [line(0)], vector),
            }
            let mut column = c.column_mut(j);
            for (c, product) in column.as_mut_slice()[row..row + group].iter_mut().zip(products) {
                scale(job.beta, std::slice::from_mut(c));
                *c = *c + job.alpha * product;
            }
        }
        row += group;
    }
}

/// The inner products of `vector` with some lines. A line's product does not depend on the others.
#[inline(always)]
fn dots<S: Simd, T: Entry, const G: usize, const CONJUGATED: bool>(
    simd: S,
    lines: [&[T]; G],
    vector: &[T],
) -> [T; G] {
    /// Sums at a time for one line, so that additions need not wait for each other.
    const WAYS: usize = 2;
    let (vector, vector_rest) = T::split::<S>(vector);
    let (pairs, odd) = vector.as_chunks::<WAYS>();
    let parts = lines.map(|line| T::split::<S>(line));
    let line_pairs = parts.map(|(whole, _)| &whole.as_chunks::<WAYS>().0[..pairs.len()]);
    let mut sums = [[T::splat(simd, T::default()); WAYS]; G];
    for i in 0..pairs.len() {
        for l in 0..G {
            for way in 0..WAYS {
                let (line, x) = (line_pairs[l][i][way], pairs[i][way]);
                sums[l][way] = mul_add::<S, T, CONJUGATED>(simd, line, x, sums[l][way]);
            }
        }
    }
    let vector_rest = T::load_part(simd, vector_rest);
    let mut products = [T::default(); G];
    for l in 0..G {
        let [mut sum, second] = sums[l];
        if let ([x], [line]) = (odd, parts[l].0.as_chunks::<WAYS>().1) {
            sum = mul_add::<S, T, CONJUGATED>(simd, *line, *x, sum);
        }
        let rest = T::load_part(simd, parts[l].1);
        sum = mul_add::<S, T, CONJUGATED>(simd, rest, vector_rest, sum);
        products[l] = T::sum(simd, T::plus(simd, sum, second));
    }
    products
}

/// Copies a factor's columns one after the other.
fn gather<T: Entry>(factor: &Operand<'_, T>, target: &mut [T]) {
    let (rows, columns) = factor.shape();
    if rows == 0 {
        return;
    }
    if factor.is_transposed() && rows == 1 {
        target.copy_from_slice(factor.stored_column(0));
    } else if factor.is_transposed() {
        for k in 0..rows {
            let line = factor.stored_column(k);
            for (target, &entry) in target[k..].iter_mut().step_by(rows).zip(line) {
                *target = entry;
            }
        }
    } else {
        for (j, target) in (0..columns).zip(target.chunks_exact_mut(rows)) {
            target.copy_from_slice(factor.stored_column(j));
        }
    }
    if factor.is_conjugated() {
        for entry in target {
            *entry = entry.conj();
        }
    }
}

/// target ← beta·target, where nothing is read if beta is zero.
#[inline(always)]
fn scale<T: Entry>(beta: T, target: &mut [T]) {
    if beta == T::default() {
        target.fill(T::default());
    } else if beta != T::ONE {
        for c in target {
            *c = beta * *c;
        }
    }
}
