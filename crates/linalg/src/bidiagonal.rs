//! The SVD by Householder bidiagonalization and the implicit QR iteration: faster than faer for
//! small matrices, and what runs without it.

use nalgebra::{DMatrix, DVector};

use crate::kernels::{Kernels, SingularParts, Vectors};
use crate::orthonormal::{axpy, reflect, reflector, two_columns};
use crate::reflectors::{Side, apply_one_by_one};

/// QR steps for one singular value before giving up; two or three are usual.
const STEPS: usize = 60;

/// Entries below this are taken for zero. The largest entry is near 1, so it costs nothing, and the
/// products of what remains do not underflow.
const NEGLIGIBLE_ENTRY: f64 = 1e-140;

/// The thin SVD of a matrix whose entries are near 1 in size.
pub(crate) fn svd<D: Kernels>(a: &DMatrix<D>, vectors: Vectors) -> Option<SingularParts<D>> {
    if a.nrows() < a.ncols() {
        let SingularParts { u, values, v } = svd(&a.adjoint(), vectors)?;
        return Some(SingularParts { u: v, values, v: u });
    }
    let (m, n) = a.shape();
    let mut reduced = Bidiagonal::new(a);
    let rows = if vectors == Vectors::Yes { n } else { 0 };
    let mut u = DMatrix::identity(rows, rows);
    let mut v = DMatrix::identity(rows, rows);
    let Bidiagonal { diagonal, beside, .. } = &mut reduced;
    diagonalize(diagonal, beside, u.as_mut_slice(), v.as_mut_slice(), rows)?;

    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
    let values = DVector::from_iterator(n, order.iter().map(|&j| diagonal[j]));
    if vectors == Vectors::No {
        let none = DMatrix::zeros(0, 0);
        return Some(SingularParts { u: none.clone(), values, v: none });
    }
    let mut full_u = DMatrix::zeros(m, n);
    let mut full_v = DMatrix::zeros(n, n);
    for (target, &j) in order.iter().enumerate() {
        for i in 0..n {
            full_u[(i, target)] = D::from_real(u[(i, j)]);
            full_v[(i, target)] = D::from_real(v[(i, j)]);
        }
    }
    let Bidiagonal { left, left_taus, right, right_taus, .. } = &reduced;
    apply_one_by_one(Side::Forward, left.as_view(), 0, left_taus, full_u.as_view_mut());
    apply_one_by_one(Side::Forward, right.as_view(), 1, right_taus, full_v.as_view_mut());
    Some(SingularParts { u: full_u, values, v: full_v })
}

/// A = Q·B·Pᴴ with B real and upper bidiagonal, Q and P products of reflectors; rows ≥ columns.
struct Bidiagonal<D> {
    /// The tails of Q's reflectors below the diagonal.
    left: DMatrix<D>,
    left_taus: Vec<D>,
    /// The tails of P's reflectors below the first subdiagonal.
    right: DMatrix<D>,
    right_taus: Vec<D>,
    diagonal: Vec<f64>,
    /// Beside the diagonal, padded with a zero to the same length.
    beside: Vec<f64>,
}

impl<D: Kernels> Bidiagonal<D> {
    fn new(a: &DMatrix<D>) -> Self {
        let (m, n) = a.shape();
        let mut left = a.clone();
        let mut right = DMatrix::zeros(n, n);
        let (mut left_taus, mut right_taus) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
        let mut w = vec![D::zero(); m];
        for j in 0..n {
            let (head, tail) = left.as_mut_slice().split_at_mut((j + 1) * m);
            let x = &mut head[j * m + j..];
            let (tau, beta) = reflector(x);
            diagonal[j] = beta;
            left_taus.push(tau);
            for column in tail.chunks_exact_mut(m) {
                reflect(tau.conjugate(), x, &mut column[j..]);
            }
            if j + 1 == n {
                break;
            }
            // The rest of row j, conjugated, becomes the reflector from the right.
            let y = &mut right.as_mut_slice()[j * n + j + 1..(j + 1) * n];
            for (y, column) in y.iter_mut().zip(tail.chunks_exact(m)) {
                *y = column[j].conjugate();
            }
            let (tau, beta) = reflector(y);
            beside[j] = beta;
            right_taus.push(tau);
            let w = &mut w[j + 1..];
            w.fill(D::zero());
            for (&y, column) in y.iter().zip(tail.chunks_exact(m)) {
                axpy(y, &column[j + 1..], w);
            }
            for (y, column) in y.iter().zip(tail.chunks_exact_mut(m)) {
                axpy(-tau * y.conjugate(), w, &mut column[j + 1..]);
            }
        }
        Self { left, left_taus, right, right_taus, diagonal, beside }
    }
}

/// Diagonalizes the upper bidiagonal matrix with diagonal `s` and `e` beside it (and one unused
/// entry): the singular values, unsorted, stand in `s` at the end. The rotations are applied from
/// the right to the columns, `rows` entries each, of `u` and `v`.
///
/// The iteration of Golub and Reinsch (Numer. Math. 14, 1970) with the case distinction of
/// LINPACK's `dsvdc`: a negligible s at the end or inside is rotated away before it can stall.
fn diagonalize(
    s: &mut [f64],
    e: &mut [f64],
    u: &mut [f64],
    v: &mut [f64],
    rows: usize,
) -> Option<()> {
    let negligible = |x: f64, scale: f64| x.abs() <= NEGLIGIBLE_ENTRY + f64::EPSILON * scale;
    let mut end = s.len();
    let mut step = 0;
    while end > 0 {
        let last = end - 1;
        // The block start..=last has no negligible e.
        let start = (1..=last)
            .rev()
            .find(|&k| negligible(e[k - 1], s[k - 1].abs() + s[k].abs()))
            .unwrap_or(0);
        if start > 0 {
            e[start - 1] = 0.0;
        }
        if start == last {
            if s[last] < 0.0 {
                s[last] = -s[last];
                v[last * rows..(last + 1) * rows].iter_mut().for_each(|x| *x = -*x);
            }
            end -= 1;
            step = 0;
            continue;
        }
        let around = |k: usize| {
            let above = if k > start { e[k - 1].abs() } else { 0.0 };
            above + if k < last { e[k].abs() } else { 0.0 }
        };
        match (start..=last).rev().find(|&k| negligible(s[k], around(k))) {
            Some(k) if k == last => {
                // Column `last` of B is e alone: rotate it into the columns before.
                let mut f = std::mem::take(&mut e[last - 1]);
                s[last] = 0.0;
                for j in (start..last).rev() {
                    let (c, sine, r) = givens(s[j], f);
                    s[j] = r;
                    if j > start {
                        f = -sine * e[j - 1];
                        e[j - 1] *= c;
                    }
                    rotate(v, rows, j, last, c, sine);
                }
            }
            Some(k) => {
                // Row k of B is e alone: rotate it into the rows below.
                let mut f = std::mem::take(&mut e[k]);
                s[k] = 0.0;
                for j in k + 1..=last {
                    let (c, sine, r) = givens(s[j], f);
                    s[j] = r;
                    if j < last {
                        f = -sine * e[j];
                        e[j] *= c;
                    }
                    // (j, k) stands for (k, j) with the rotation the other way round.
                    rotate(u, rows, k, j, c, -sine);
                }
            }
            None => {
                step += 1;
                if step > STEPS {
                    return None;
                }
                qr_step(s, e, start, last, |first, c, sine, is_left| {
                    rotate(
                        if is_left { &mut *u } else { &mut *v },
                        rows,
                        first,
                        first + 1,
                        c,
                        sine,
                    );
                });
            }
        }
    }
    Some(())
}

/// One QR step with Wilkinson's shift on the block `start..=last`; `apply` gets the rotations of
/// columns j and j + 1, of V and of U (`is_left`) in turn.
fn qr_step(
    s: &mut [f64],
    e: &mut [f64],
    start: usize,
    last: usize,
    mut apply: impl FnMut(usize, f64, f64, bool),
) {
    let scale = [s[last], s[last - 1], e[last - 1], s[start], e[start]]
        .iter()
        .fold(0.0, |scale: f64, x| scale.max(x.abs()));
    let [end, before, beside] = [s[last] / scale, s[last - 1] / scale, e[last - 1] / scale];
    let (first, second) = (s[start] / scale, e[start] / scale);
    let b = ((before + end) * (before - end) + beside * beside) / 2.0;
    let c = (end * beside) * (end * beside);
    let shift = if b == 0.0 && c == 0.0 { 0.0 } else { c / (b + (b * b + c).sqrt().copysign(b)) };
    let mut f = (first + end) * (first - end) + shift;
    let mut g = first * second;
    for j in start..last {
        let (c, sine, r) = givens(f, g);
        if j > start {
            e[j - 1] = r;
        }
        f = c * s[j] + sine * e[j];
        e[j] = c * e[j] - sine * s[j];
        g = sine * s[j + 1];
        s[j + 1] *= c;
        apply(j, c, sine, false);
        let (c, sine, r) = givens(f, g);
        s[j] = r;
        f = c * e[j] + sine * s[j + 1];
        s[j + 1] = c * s[j + 1] - sine * e[j];
        if j + 1 < last {
            g = sine * e[j + 1];
            e[j + 1] *= c;
        }
        apply(j, c, sine, true);
    }
    e[last - 1] = f;
}

/// (c, s, r) with c·f + s·g = r, c·g − s·f = 0 and c² + s² = 1.
fn givens(f: f64, g: f64) -> (f64, f64, f64) {
    let squared = f * f + g * g;
    // The square root is exact to rounding unless the squares are subnormal.
    let r = if squared > 1e-280 { squared.sqrt() } else { f.hypot(g) };
    if r == 0.0 { (1.0, 0.0, 0.0) } else { (f / r, g / r, r) }
}

/// Columns (x, y) ← (c·x + s·y, c·y − s·x), `first` < `second`.
fn rotate(columns: &mut [f64], rows: usize, first: usize, second: usize, c: f64, s: f64) {
    let (x, y) = two_columns(columns, rows, first, second);
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
    }
}
