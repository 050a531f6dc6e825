//! The numbers that matrices are made of.

use nalgebra::{Complex, ComplexField, RealField};

use crate::precision::Precision;

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the traits below")]
    pub trait Sealed: crate::gemm::Entry {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for nalgebra::Complex<f32> {}
    impl Sealed for nalgebra::Complex<f64> {}
}

/// An entry of a matrix: `f32`, `f64`, `Complex<f32>` or `Complex<f64>`.
///
/// Sealed: the kernels are compiled for these four and for no other type.
///
/// # Examples
/// Sweeps for a correction work in single precision, with half of the memory:
/// ```
/// use linalg::Scalar;
/// let rounded = f64::of_single(0.1_f64.single());
/// assert_eq!(rounded, f64::from(0.1_f32));
/// assert!((rounded - 0.1).abs() <= 0.1 * f64::from(f32::EPSILON) / 2.0);
/// ```
pub trait Scalar: sealed::Sealed + Precision + ComplexField + Copy + Default {
    /// The distance from 1 to the next larger number of this precision, 2⁻²³ or 2⁻⁵².
    const EPSILON: f64;
    /// The smallest positive normal number of this precision.
    const MIN_POSITIVE: f64;

    /// The same kind of number in single precision: `f32` or `Complex<f32>`.
    type Single: Scalar;

    /// A real number of this precision in double precision; exact.
    fn real_to_f64(x: Self::RealField) -> f64;

    /// The number rounded to single precision; infinite where it is too large for that.
    fn single(self) -> Self::Single;

    /// A number of single precision in this one; exact.
    fn of_single(x: Self::Single) -> Self;
}

/// A real number: `f32` or `f64`.
pub trait Real: Scalar + RealField + crate::elementary::Elementary + crate::gemm::Part {
    /// The number nearest to `x`.
    fn from_double(x: f64) -> Self;

    /// The same number in double precision; exact.
    fn to_double(self) -> f64 {
        Self::real_to_f64(self)
    }
}

impl Scalar for f32 {
    const EPSILON: f64 = Self::EPSILON as f64;
    const MIN_POSITIVE: f64 = Self::MIN_POSITIVE as f64;

    type Single = Self;

    fn real_to_f64(x: Self) -> f64 {
        f64::from(x)
    }

    fn single(self) -> Self {
        self
    }

    fn of_single(x: Self) -> Self {
        x
    }
}

impl Scalar for f64 {
    const EPSILON: Self = Self::EPSILON;
    const MIN_POSITIVE: Self = Self::MIN_POSITIVE;

    type Single = f32;

    fn real_to_f64(x: Self) -> f64 {
        x
    }

    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
    fn single(self) -> f32 {
        self as f32
    }

    fn of_single(x: f32) -> Self {
        x.into()
    }
}

impl Scalar for Complex<f32> {
    const EPSILON: f64 = f32::EPSILON as f64;
    const MIN_POSITIVE: f64 = f32::MIN_POSITIVE as f64;

    type Single = Self;

    fn real_to_f64(x: f32) -> f64 {
        f64::from(x)
    }

    fn single(self) -> Self {
        self
    }

    fn of_single(x: Self) -> Self {
        x
    }
}

impl Scalar for Complex<f64> {
    const EPSILON: f64 = f64::EPSILON;
    const MIN_POSITIVE: f64 = f64::MIN_POSITIVE;

    type Single = Complex<f32>;

    fn real_to_f64(x: f64) -> f64 {
        x
    }

    fn single(self) -> Complex<f32> {
        Complex::new(self.re.single(), self.im.single())
    }

    fn of_single(x: Complex<f32>) -> Self {
        Self::new(x.re.into(), x.im.into())
    }
}

impl Real for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is asked for")]
    fn from_double(x: f64) -> Self {
        x as Self
    }
}

impl Real for f64 {
    fn from_double(x: f64) -> Self {
        x
    }
}
