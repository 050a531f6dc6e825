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
pub trait Scalar: sealed::Sealed + Precision + ComplexField + Copy + Default {
    /// The distance from 1 to the next larger number of this precision, 2⁻²³ or 2⁻⁵².
    const EPSILON: f64;
    /// The smallest positive normal number of this precision.
    const MIN_POSITIVE: f64;

    /// A real number of this precision in double precision; exact.
    fn real_to_f64(x: Self::RealField) -> f64;
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

    fn real_to_f64(x: Self) -> f64 {
        f64::from(x)
    }
}

impl Scalar for f64 {
    const EPSILON: Self = Self::EPSILON;
    const MIN_POSITIVE: Self = Self::MIN_POSITIVE;

    fn real_to_f64(x: Self) -> f64 {
        x
    }
}

impl Scalar for Complex<f32> {
    const EPSILON: f64 = f32::EPSILON as f64;
    const MIN_POSITIVE: f64 = f32::MIN_POSITIVE as f64;

    fn real_to_f64(x: f32) -> f64 {
        f64::from(x)
    }
}

impl Scalar for Complex<f64> {
    const EPSILON: f64 = f64::EPSILON;
    const MIN_POSITIVE: f64 = f64::MIN_POSITIVE;

    fn real_to_f64(x: f64) -> f64 {
        x
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
