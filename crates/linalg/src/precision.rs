//! Single precision runs in double; factors are rounded at the end, values stay in double.
//!
//! The decompositions are compiled once, for `f64` and `Complex<f64>`. A single-precision matrix is
//! widened (exact), decomposed and rounded: the factors are right to the last digit of their own
//! type, where a decomposition in single precision loses n·2⁻²³. It costs the time of the
//! double-precision call.

use std::borrow::Cow;

use nalgebra::{Complex, ComplexField, DMatrix};

use crate::Scalar;
use crate::kernels::Kernels;

/// The way from a precision to double and back. Public in name only: it completes a sealed trait.
#[expect(unnameable_types, reason = "a supertrait of the sealed `Scalar`, of no use outside")]
pub trait Precision: ComplexField {
    /// `f64` for the real types, `Complex<f64>` for the complex ones.
    type Double: Kernels;

    /// The matrix in double precision: itself where it is already.
    fn widen(matrix: &DMatrix<Self>) -> Cow<'_, DMatrix<Self::Double>>;
    /// The entry in double precision.
    fn widen_entry(entry: Self) -> Self::Double;
    /// The matrix rounded to this precision.
    fn narrow(matrix: DMatrix<Self::Double>) -> DMatrix<Self>;
}

/// Identity for the double types, element-wise conversion for the single ones.
macro_rules! precision {
    (double $type:ty) => {
        impl Precision for $type {
            type Double = Self;

            fn widen(matrix: &DMatrix<Self>) -> Cow<'_, DMatrix<Self>> {
                Cow::Borrowed(matrix)
            }
            fn widen_entry(entry: Self) -> Self {
                entry
            }
            fn narrow(matrix: DMatrix<Self>) -> DMatrix<Self> {
                matrix
            }
        }
    };
    (single $type:ty, $double:ty, $widen:expr, $narrow:expr) => {
        impl Precision for $type {
            type Double = $double;

            fn widen(matrix: &DMatrix<Self>) -> Cow<'_, DMatrix<$double>> {
                Cow::Owned(matrix.map($widen))
            }
            fn widen_entry(entry: Self) -> $double {
                $widen(entry)
            }
            fn narrow(matrix: DMatrix<$double>) -> DMatrix<Self> {
                matrix.map($narrow)
            }
        }
    };
}

precision!(double f64);
precision!(double Complex<f64>);
precision!(single f32, f64, f64::from, round);
precision!(single Complex<f32>, Complex<f64>, widen_complex, round_complex);

#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
fn round(x: f64) -> f32 {
    x as f32
}

fn round_complex(z: Complex<f64>) -> Complex<f32> {
    Complex::new(round(z.re), round(z.im))
}

fn widen_complex(z: Complex<f32>) -> Complex<f64> {
    Complex::new(z.re.into(), z.im.into())
}

/// The real part in double precision.
pub(crate) fn re<T: Scalar>(entry: T) -> f64 {
    T::real_to_f64(entry.real())
}

/// The imaginary part in double precision.
pub(crate) fn im<T: Scalar>(entry: T) -> f64 {
    T::real_to_f64(entry.imaginary())
}

/// The larger of |Re| and |Im|: a size without a square, which cannot overflow.
pub(crate) fn size<T: Scalar>(entry: T) -> f64 {
    re(entry).abs().max(im(entry).abs())
}

/// a/b, where |b|² may leave the range though b does not.
pub(crate) fn quotient<T: Scalar>(a: T, b: T) -> T {
    if T::PARTS == 1 {
        return a / b;
    }
    let unit = || nalgebra::convert(size(b));
    a.unscale(unit()) / b.unscale(unit())
}
