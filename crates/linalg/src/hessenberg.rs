//! Eigenvalues of a general matrix without faer: Householder's reduction to Hessenberg form and
//! the QR algorithm, with the exceptional shifts that end it on cyclic matrices.

use nalgebra::{Complex, ComplexField, DMatrix, DVector};

use crate::kernels::Kernels;
use crate::orthonormal::{axpy, reflect, reflector};

/// QR steps for one eigenvalue before giving up; two or three are usual.
const STEPS: usize = 90;

/// Every tenth step for one eigenvalue takes an arbitrary shift: the usual ones map a cyclic
/// permutation onto itself for ever.
const EXCEPTIONAL: usize = 10;

/// The eigenvalues of `a`, whose entries are near 1 in size.
pub(crate) fn eigenvalues<D: Kernels>(a: &DMatrix<D>) -> Option<DVector<Complex<f64>>> {
    D::hessenberg_eigenvalues(reduce(a.clone()))
}

/// A similar matrix that is zero below the first subdiagonal.
fn reduce<D: Kernels>(mut a: DMatrix<D>) -> DMatrix<D> {
    let n = a.nrows();
    let mut w = vec![D::zero(); n];
    for k in 0..n.saturating_sub(2) {
        let (head, tail) = a.as_mut_slice().split_at_mut((k + 1) * n);
        let v = &mut head[k * n + k + 1..];
        let (tau, beta) = reflector(v);
        for column in tail.chunks_exact_mut(n) {
            reflect(tau.conjugate(), v, &mut column[k + 1..]);
        }
        w.fill(D::zero());
        for (column, &v) in tail.chunks_exact(n).zip(v.iter()) {
            axpy(v, column, &mut w);
        }
        for (column, v) in tail.chunks_exact_mut(n).zip(v.iter()) {
            axpy(-tau * v.conjugate(), &w, column);
        }
        v.fill(D::zero());
        v[0] = D::from_real(beta);
    }
    a
}

/// Eigenvalues of a real Hessenberg matrix by Francis's implicit double shift, conjugate pairs
/// exactly conjugate, the positive imaginary part first.
///
/// A transcription of EISPACK's `hqr` (Martin, Peters and Wilkinson, Numer. Math. 14, 1970).
pub(crate) fn real(mut h: DMatrix<f64>) -> Option<DVector<Complex<f64>>> {
    let n = h.nrows();
    let norm = h.lp_norm(1);
    let mut values = DVector::zeros(n);
    // What exceptional shifts have taken from the diagonal.
    let mut taken = 0.0;
    let mut end = n;
    while end > 0 {
        let last = end - 1;
        for step in 0.. {
            let start = block_start(&h, last, norm);
            let mut x = h[(last, last)];
            if start == last {
                values[last] = Complex::new(x + taken, 0.0);
                end -= 1;
                break;
            }
            let mut y = h[(last - 1, last - 1)];
            let mut w = h[(last, last - 1)] * h[(last - 1, last)];
            if start + 1 == last {
                let (first, second) = pair(x, y, w);
                values[last - 1] = first + taken;
                values[last] = second + taken;
                end -= 2;
                break;
            }
            if step == STEPS {
                return None;
            }
            if step % EXCEPTIONAL == EXCEPTIONAL - 1 {
                taken += x;
                for i in 0..=last {
                    h[(i, i)] -= x;
                }
                let s = h[(last, last - 1)].abs() + h[(last - 1, last - 2)].abs();
                (x, y, w) = (0.75 * s, 0.75 * s, -0.4375 * s * s);
            }
            double_shift(&mut h, start, last, [x, y, w]);
        }
    }
    Some(values)
}

/// The first row of the trailing block, above which a subdiagonal entry is negligible.
fn block_start<D: Kernels>(h: &DMatrix<D>, last: usize, norm: f64) -> usize {
    (1..=last)
        .rev()
        .find(|&l| {
            let around = h[(l - 1, l - 1)].norm1() + h[(l, l)].norm1();
            let scale = if around == 0.0 { norm } else { around };
            h[(l, l - 1)].norm1() <= f64::EPSILON * scale
        })
        .unwrap_or(0)
}

/// The eigenvalues of [[y, b], [c, x]] with b·c = w.
fn pair(x: f64, y: f64, w: f64) -> (Complex<f64>, Complex<f64>) {
    let p = 0.5 * (y - x);
    let q = p * p + w;
    let root = q.abs().sqrt();
    if q < 0.0 {
        return (Complex::new(x + p, root), Complex::new(x + p, -root));
    }
    let z = p + root.copysign(p);
    let second = if z == 0.0 { x } else { x - w / z };
    (Complex::new(x + z, 0.0), Complex::new(second, 0.0))
}

/// One QR step with both eigenvalues of a 2 × 2 matrix as shifts, on rows `start..=last`; the
/// matrix has the diagonal y, x and the product w of its other entries.
fn double_shift(h: &mut DMatrix<f64>, start: usize, last: usize, [x, y, w]: [f64; 3]) {
    // Start lower down where two consecutive subdiagonal entries are small.
    let mut m = last - 2;
    let (mut p, mut q, mut r);
    loop {
        let z = h[(m, m)];
        let (from_x, from_y) = (x - z, y - z);
        p = (from_x * from_y - w) / h[(m + 1, m)] + h[(m, m + 1)];
        q = h[(m + 1, m + 1)] - z - from_x - from_y;
        r = h[(m + 2, m + 1)];
        let sum = p.abs() + q.abs() + r.abs();
        (p, q, r) = (p / sum, q / sum, r / sum);
        if m == start {
            break;
        }
        let u = h[(m, m - 1)].abs() * (q.abs() + r.abs());
        let v = p.abs() * (h[(m - 1, m - 1)].abs() + z.abs() + h[(m + 1, m + 1)].abs());
        if u <= f64::EPSILON * v {
            break;
        }
        m -= 1;
    }
    for i in m + 2..=last {
        h[(i, i - 2)] = 0.0;
        if i != m + 2 {
            h[(i, i - 3)] = 0.0;
        }
    }
    for k in m..last {
        let three = k + 1 != last;
        let mut scale = 1.0;
        if k != m {
            p = h[(k, k - 1)];
            q = h[(k + 1, k - 1)];
            r = if three { h[(k + 2, k - 1)] } else { 0.0 };
            scale = p.abs() + q.abs() + r.abs();
            if scale == 0.0 {
                continue;
            }
            (p, q, r) = (p / scale, q / scale, r / scale);
        }
        let s = (p * p + q * q + r * r).sqrt().copysign(p);
        if k != m {
            h[(k, k - 1)] = -s * scale;
        } else if start != m {
            h[(k, k - 1)] = -h[(k, k - 1)];
        }
        p += s;
        let (x, y, z) = (p / s, q / s, r / s);
        (q, r) = (q / p, r / p);
        for j in k..=last {
            let mut sum = h[(k, j)] + q * h[(k + 1, j)];
            if three {
                sum += r * h[(k + 2, j)];
                h[(k + 2, j)] -= sum * z;
            }
            h[(k, j)] -= sum * x;
            h[(k + 1, j)] -= sum * y;
        }
        for i in start..=last.min(k + 3) {
            let mut sum = x * h[(i, k)] + y * h[(i, k + 1)];
            if three {
                sum += z * h[(i, k + 2)];
                h[(i, k + 2)] -= sum * r;
            }
            h[(i, k)] -= sum;
            h[(i, k + 1)] -= sum * q;
        }
    }
}

/// Eigenvalues of a complex Hessenberg matrix by the implicit single shift of Wilkinson.
pub(crate) fn complex(mut h: DMatrix<Complex<f64>>) -> Option<DVector<Complex<f64>>> {
    let n = h.nrows();
    let norm = h.iter().map(|entry| entry.norm1()).sum();
    let mut values = DVector::zeros(n);
    for last in (0..n).rev() {
        for step in 0.. {
            let start = block_start(&h, last, norm);
            if start == last {
                values[last] = h[(last, last)];
                break;
            }
            if step == STEPS {
                return None;
            }
            let shift = if step % EXCEPTIONAL == EXCEPTIONAL - 1 {
                h[(last, last)] + 0.75 * h[(last, last - 1)].norm()
            } else {
                wilkinson(&h, last)
            };
            single_shift(&mut h, start, last, shift);
        }
    }
    Some(values)
}

/// The eigenvalue of the trailing 2 × 2 block that is nearer to its last entry.
fn wilkinson(h: &DMatrix<Complex<f64>>, last: usize) -> Complex<f64> {
    let (x, y) = (h[(last, last)], h[(last - 1, last - 1)]);
    let w = h[(last, last - 1)] * h[(last - 1, last)];
    let half = (y - x) * 0.5;
    let mut root = (half * half + w).sqrt();
    // Of half ± root, the one far from cancelling divides w to give the other.
    if (half.conj() * root).re < 0.0 {
        root = -root;
    }
    let far = half + root;
    if far.norm1() == 0.0 { x } else { x - w / far }
}

/// One QR step with one shift on rows `start..=last`.
fn single_shift(h: &mut DMatrix<Complex<f64>>, start: usize, last: usize, shift: Complex<f64>) {
    let mut x = h[(start, start)] - shift;
    let mut y = h[(start + 1, start)];
    for k in start..last {
        let length = x.norm_sqr() + y.norm_sqr();
        if length > 0.0 {
            // [c̄, s̄; −s, c] with c = x/r, s = y/r maps (x, y) onto (r, 0).
            let (c, s) = (x / length.sqrt(), y / length.sqrt());
            for j in k.saturating_sub(1).max(start)..=last {
                let (upper, lower) = (h[(k, j)], h[(k + 1, j)]);
                h[(k, j)] = c.conj() * upper + s.conj() * lower;
                h[(k + 1, j)] = c * lower - s * upper;
            }
            for i in start..=last.min(k + 2) {
                let (left, right) = (h[(i, k)], h[(i, k + 1)]);
                h[(i, k)] = left * c + right * s;
                h[(i, k + 1)] = right * c.conj() - left * s.conj();
            }
        }
        if k + 1 < last {
            x = h[(k + 1, k)];
            y = h[(k + 2, k)];
        }
    }
}
