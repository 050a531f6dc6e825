//! The vector work of the solvers: sums over eight lanes, so that they vectorise and their order
//! is fixed; updates that pass over memory once for what belongs together.

use crate::Scalar;

const LANES: usize = 8;

/// Σ conj(aᵢ)·bᵢ.
pub(super) fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [T::zero(); LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane].conjugate() * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(T::zero(), |sum, (&a, &b)| sum + a.conjugate() * b);
    total(sums) + rest
}

/// (Σ conj(aᵢ)·bᵢ, Σ |aᵢ|²) in one pass.
pub(super) fn dot_and_square<T: Scalar>(a: &[T], b: &[T]) -> (T, T) {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let (mut dots, mut squares) = ([T::zero(); LANES], [T::zero(); LANES]);
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let conjugate = a[lane].conjugate();
            dots[lane] += conjugate * b[lane];
            squares[lane] += conjugate * a[lane];
        }
    }
    let (mut dot, mut square) = (total(dots), total(squares));
    for (&a, &b) in a_rest.iter().zip(b_rest) {
        dot += a.conjugate() * b;
        square += a.conjugate() * a;
    }
    (dot, square)
}

/// out ← a − c·b, and Σ |outᵢ|².
pub(super) fn subtract<T: Scalar>(out: &mut [T], a: &[T], c: T, b: &[T]) -> T {
    let (out, out_rest) = out.as_chunks_mut::<LANES>();
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut squares = [T::zero(); LANES];
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        for lane in 0..LANES {
            out[lane] = a[lane] - c * b[lane];
            squares[lane] += out[lane].conjugate() * out[lane];
        }
    }
    let mut square = total(squares);
    for ((out, &a), &b) in out_rest.iter_mut().zip(a_rest).zip(b_rest) {
        *out = a - c * b;
        square += out.conjugate() * *out;
    }
    square
}

/// out ← a − c·b, with Σ |outᵢ|² and Σ conj(shadowᵢ)·outᵢ.
pub(super) fn subtract_and_dot<T: Scalar>(
    out: &mut [T],
    a: &[T],
    c: T,
    b: &[T],
    shadow: &[T],
) -> (T, T) {
    let (out, out_rest) = out.as_chunks_mut::<LANES>();
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let (shadow, shadow_rest) = shadow.as_chunks::<LANES>();
    let (mut squares, mut dots) = ([T::zero(); LANES], [T::zero(); LANES]);
    for (((out, a), b), shadow) in out.iter_mut().zip(a).zip(b).zip(shadow) {
        for lane in 0..LANES {
            out[lane] = a[lane] - c * b[lane];
            squares[lane] += out[lane].conjugate() * out[lane];
            dots[lane] += shadow[lane].conjugate() * out[lane];
        }
    }
    let (mut square, mut dot) = (total(squares), total(dots));
    for (((out, &a), &b), &shadow) in out_rest.iter_mut().zip(a_rest).zip(b_rest).zip(shadow_rest) {
        *out = a - c * b;
        square += out.conjugate() * *out;
        dot += shadow.conjugate() * *out;
    }
    (square, dot)
}

/// y ← y + c·x.
pub(super) fn add<T: Scalar>(y: &mut [T], c: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += c * x;
    }
}

/// y ← x + c·y.
pub(super) fn scale_and_add<T: Scalar>(y: &mut [T], c: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = x + c * *y;
    }
}

/// x ← x/c.
pub(super) fn divide<T: Scalar>(x: &mut [T], c: f64) {
    // As a real number: a complex quotient squares its divisor.
    x.iter_mut().for_each(|x| *x = x.unscale(nalgebra::convert(c)));
}

/// ‖x‖₂ in double precision, without overflow or harmful underflow.
pub(crate) fn norm<T: Scalar>(x: &[T]) -> f64 {
    let square = |x: T, scale: f64| {
        let (re, im) = (T::real_to_f64(x.real()) / scale, T::real_to_f64(x.imaginary()) / scale);
        re * re + im * im
    };
    let squares = |scale: f64| {
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in chunks {
            for lane in 0..LANES {
                sums[lane] += square(chunk[lane], scale);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|&x| square(x, scale)).sum::<f64>()
    };
    let sum = squares(1.0);
    // Sums below 1e-280 may have lost squares to underflow; a NaN stays one.
    if sum.is_nan() || (1e-280..f64::INFINITY).contains(&sum) {
        return sum.sqrt();
    }
    let scale = largest(x);
    if scale == 0.0 || scale.is_infinite() { scale } else { scale * squares(scale).sqrt() }
}

/// max |Re xᵢ|, |Im xᵢ|; a NaN is passed over.
pub(super) fn largest<T: Scalar>(x: &[T]) -> f64 {
    x.iter().fold(0.0_f64, |largest, x| {
        let (re, im) = (T::real_to_f64(x.real()), T::real_to_f64(x.imaginary()));
        largest.max(re.abs()).max(im.abs())
    })
}

/// A real number as a `T`, rounded to its precision.
pub(super) fn scalar<T: Scalar>(x: f64) -> T {
    nalgebra::convert(x)
}

/// |x| in double precision.
pub(super) fn modulus<T: Scalar>(x: T) -> f64 {
    T::real_to_f64(x.modulus())
}

/// The real part in double precision.
pub(super) fn real<T: Scalar>(x: T) -> f64 {
    T::real_to_f64(x.real())
}

fn total<T: Scalar>(sums: [T; LANES]) -> T {
    sums.into_iter().fold(T::zero(), |total, sum| total + sum)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact is compared exactly")]
mod tests {
    use super::*;
    use crate::Complex;

    #[test]
    fn sums_over_lanes_equal_sums_in_order() {
        for n in [0, 1, 7, 8, 9, 31] {
            let number =
                |i: usize, k: f64| Complex::new((i as f64 * k).sin(), (i as f64 + k).cos());
            let (a, b): (Vec<_>, Vec<_>) = (0..n).map(|i| (number(i, 1.3), number(i, 0.7))).unzip();
            let c = Complex::new(0.3, -0.9);
            let near = |x: Complex<f64>, y: Complex<f64>| {
                let limit = f64::EPSILON * n.max(1) as f64 * 8.0;
                assert!((x - y).norm() <= limit, "n = {n}: {x} and {y} differ, limit {limit:e}");
            };
            let sum = |f: &dyn Fn(usize) -> Complex<f64>| (0..n).map(f).sum::<Complex<f64>>();
            let (ab, aa) = dot_and_square(&a, &b);
            near(ab, sum(&|i| a[i].conj() * b[i]));
            near(aa, sum(&|i| a[i].conj() * a[i]));
            near(dot(&a, &b), ab);
            let (mut out, mut again) = (vec![Complex::default(); n], vec![Complex::default(); n]);
            let square = subtract(&mut out, &a, c, &b);
            near(square, sum(&|i| (a[i] - c * b[i]).norm_sqr().into()));
            let (same, with_shadow) = subtract_and_dot(&mut again, &a, c, &b, &b);
            assert_eq!(out, again);
            near(same, square);
            near(with_shadow, sum(&|i| b[i].conj() * (a[i] - c * b[i])));
            near(norm(&out).powi(2).into(), square);
        }
    }

    #[test]
    fn norms_neither_overflow_nor_underflow() {
        for scale in [1e-320, 1e-200, 1e-140, 1.0, 1e160, 1e300] {
            let ratio = norm(&[3.0 * scale, -4.0 * scale]) / (5.0 * scale);
            // The smallest numbers have only a few digits of their own.
            let limit = if scale < 1e-300 { 1e-3 } else { 4.0 * f64::EPSILON };
            assert!((ratio - 1.0).abs() <= limit, "scale {scale:e}: {ratio}");
        }
        assert_eq!(norm(&[1e30_f32, 0.0]), f64::from(1e30_f32));
        assert_eq!(norm::<f64>(&[]), 0.0);
        assert_eq!(norm(&[0.0, 0.0]), 0.0);
        assert!(norm(&[1.0, f64::NAN]).is_nan(), "a NaN must show");
        assert_eq!(norm(&[1.0, f64::NEG_INFINITY]), f64::INFINITY);
    }
}
