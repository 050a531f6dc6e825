//! Slices of numbers as vectors of the widest lanes that the processor has.

use nalgebra::Complex;
use pulp::Simd;

/// A number that fits into vector lanes; `S` stands for the instruction set found at run time.
pub trait Lanes: Copy + Default + Send + Sync + 'static {
    /// As many numbers as one register holds.
    type Vector<S: Simd>: Copy;

    /// Numbers in a vector.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }

    /// The whole vectors of a slice, and the numbers left over.
    fn split<S: Simd>(x: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// The whole vectors of a slice to be written, and the numbers left over.
    fn split_mut<S: Simd>(x: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
    /// A vector from fewer numbers than it holds; the rest is zero.
    fn load_part<S: Simd>(simd: S, x: &[Self]) -> Self::Vector<S>;
    /// The first numbers of a vector into a shorter slice.
    fn store_part<S: Simd>(simd: S, x: &mut [Self], value: Self::Vector<S>);
    /// The same number in every lane.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// a·b.
    fn times<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a + b.
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a·b + c, in one rounding where the processor has that.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// conj(a)·b + c.
    fn conj_mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// The sum over the lanes.
    fn sum<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
}

macro_rules! lanes {
    ($number:ty, $vector:ident, $split:ident, $split_mut:ident, $load:ident, $store:ident,
     $splat:ident, $mul:ident, $add:ident, $mul_add:ident, $conj_mul_add:ident, $sum:ident) => {
        impl Lanes for $number {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn split<S: Simd>(x: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$split(x)
            }
            #[inline(always)]
            fn split_mut<S: Simd>(x: &mut [Self]) -> (&mut [S::$vector], &mut [Self]) {
                S::$split_mut(x)
            }
            #[inline(always)]
            fn load_part<S: Simd>(simd: S, x: &[Self]) -> S::$vector {
                simd.$load(x)
            }
            #[inline(always)]
            fn store_part<S: Simd>(simd: S, x: &mut [Self], value: S::$vector) {
                simd.$store(x, value);
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn times<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn conj_mul_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$conj_mul_add(a, b, c)
            }
            #[inline(always)]
            fn sum<S: Simd>(simd: S, a: S::$vector) -> Self {
                simd.$sum(a)
            }
        }
    };
}

lanes!(
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s,
    splat_f32s,
    mul_f32s,
    add_f32s,
    mul_add_e_f32s,
    mul_add_e_f32s,
    reduce_sum_f32s
);
lanes!(
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s,
    splat_f64s,
    mul_f64s,
    add_f64s,
    mul_add_e_f64s,
    mul_add_e_f64s,
    reduce_sum_f64s
);
lanes!(
    Complex<f32>,
    c32s,
    as_simd_c32s,
    as_mut_simd_c32s,
    partial_load_c32s,
    partial_store_c32s,
    splat_c32s,
    mul_e_c32s,
    add_c32s,
    mul_add_e_c32s,
    conj_mul_add_e_c32s,
    reduce_sum_c32s
);
lanes!(
    Complex<f64>,
    c64s,
    as_simd_c64s,
    as_mut_simd_c64s,
    partial_load_c64s,
    partial_store_c64s,
    splat_c64s,
    mul_e_c64s,
    add_c64s,
    mul_add_e_c64s,
    conj_mul_add_e_c64s,
    reduce_sum_c64s
);
