//! Sine and cosine together, without branches, so that loops over them become loops over vectors.

use std::f64::consts::FRAC_2_PI;

/// [`sin_cos`] takes arguments up to this.
pub(crate) const LARGEST: f64 = 1e6;

/// 1.5·2⁵²: added and taken away again, it rounds to a whole number, whose last bits it shows.
const MAGIC: f64 = 6755399441055744.0;

/// π/2 in three parts. The first two have 33 bits, so that their multiples up to 2²⁰ are exact (W. J.
/// Cody and W. Waite, "Software Manual for the Elementary Functions", 1980; the digits are fdlibm's).
const HALF_PI: [f64; 3] =
    [1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21];

/// −1/3!, 1/5!, …: the rest is below 5e-17 at π/4.
const SINE: [f64; 7] = series(3, -1.0);
/// 1/4!, −1/6!, …: the rest is below 2e-18 at π/4.
const COSINE: [f64; 7] = series(4, 1.0);

/// (sin x, cos x) for |x| ≤ [`LARGEST`], each within 2⁻⁵² of the true value.
///
/// `FUSED` is for processors that multiply and add in one instruction; on others that is a call into
/// a library.
#[inline(always)]
pub(crate) fn sin_cos<const FUSED: bool>(x: f64) -> (f64, f64) {
    let shifted = mul_add::<FUSED>(x, FRAC_2_PI, MAGIC);
    let quarters = shifted - MAGIC;
    let mut rest = x;
    for part in HALF_PI {
        rest = mul_add::<FUSED>(quarters, -part, rest);
    }
    let (sine, cosine) = sin_cos_near_zero::<FUSED>(rest);
    let bits = shifted.to_bits();
    let (sine, cosine) = if bits & 1 == 0 { (sine, cosine) } else { (cosine, sine) };
    let negated =
        |value: f64, quarters: u64| f64::from_bits(value.to_bits() ^ ((quarters & 2) << 62));
    (negated(sine, bits), negated(cosine, bits.wrapping_add(1)))
}

/// (sin x, cos x) for |x| ≤ π/4.
#[inline(always)]
pub(crate) fn sin_cos_near_zero<const FUSED: bool>(x: f64) -> (f64, f64) {
    let square = x * x;
    let sine = mul_add::<FUSED>(x * square, polynomial::<FUSED>(&SINE, square), x);
    let tail = square * square * polynomial::<FUSED>(&COSINE, square);
    (sine, mul_add::<FUSED>(-0.5, square, 1.0) + tail)
}

/// a·b + c.
#[inline(always)]
pub(crate) fn mul_add<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// c₀ + c₁·x + c₂·x² + …
#[inline(always)]
fn polynomial<const FUSED: bool>(coefficients: &[f64; 7], x: f64) -> f64 {
    let [c0, c1, c2, c3, c4, c5, c6] = *coefficients;
    // In pairs: half as many operations wait for each other.
    let square = x * x;
    let low = mul_add::<FUSED>(mul_add::<FUSED>(c3, x, c2), square, mul_add::<FUSED>(c1, x, c0));
    let high = mul_add::<FUSED>(c6, square, mul_add::<FUSED>(c5, x, c4));
    mul_add::<FUSED>(high, square * square, low)
}

/// sign/first!, −sign/(first + 2)!, …
const fn series(first: u32, sign: f64) -> [f64; 7] {
    let mut terms = [0.0; 7];
    let (mut term, mut factor) = (sign, 1);
    while factor <= first {
        term /= factor as f64;
        factor += 1;
    }
    let mut k = 0;
    while k < terms.len() {
        terms[k] = term;
        term /= -((factor * (factor + 1)) as f64);
        factor += 2;
        k += 1;
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(x: f64) -> Result<(), TestCaseError> {
        let (sine, cosine) = x.sin_cos();
        let bound = f64::EPSILON;
        for found in [sin_cos::<true>(x), sin_cos::<false>(x)] {
            prop_assert!((found.0 - sine).abs() <= bound, "sin {x}: {} {sine}", found.0);
            prop_assert!((found.1 - cosine).abs() <= bound, "cos {x}: {} {cosine}", found.1);
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn they_are_those_of_the_standard_library(x in prop_oneof![-4.0..4.0, -LARGEST..LARGEST]) {
            check(x)?;
        }
    }

    #[test]
    fn quarters_of_a_turn_keep_their_digits() {
        for n in -1000..=1000 {
            check(f64::from(n) * std::f64::consts::FRAC_PI_4).unwrap();
        }
        // The double nearest to π/2 is short of it by 6.123233995736766e-17.
        let (_, cosine) = sin_cos::<false>(std::f64::consts::FRAC_PI_2);
        assert!((cosine / 6.123233995736766e-17 - 1.0).abs() < 1e-15, "{cosine:e}");
    }
}
