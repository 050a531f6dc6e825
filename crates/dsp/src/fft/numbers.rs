//! Roots of unity to the last bit, factors, primitive roots, and lengths that transform fast.

use std::f64::consts::FRAC_PI_2;

use linalg::{Complex, Real};

/// e^{−2πi k/n}. Quarter turns are taken off in integers, so that the angle that is left is below an
/// eighth of a turn and exact but for one rounding; `2π k/n` as it stands errs by several.
pub(super) fn root_of_unity<T: Real>(k: usize, n: usize) -> Complex<T> {
    let k = k % n;
    let quarters = (8 * k + n) / (2 * n);
    let (sin, cos) = (FRAC_PI_2 * ((4 * k) as f64 - (quarters * n) as f64) / n as f64).sin_cos();
    let (re, im) = match quarters {
        1 => (-sin, -cos),
        2 => (-cos, sin),
        3 => (sin, cos),
        _ => (cos, -sin),
    };
    Complex::new(T::from_double(re), T::from_double(im))
}

/// The prime factors of n > 0, smallest first.
pub(super) fn factors(mut n: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut p = 2;
    while p * p <= n {
        while n.is_multiple_of(p) {
            found.push(p);
            n /= p;
        }
        p += 1;
    }
    if n > 1 {
        found.push(n);
    }
    found
}

/// The smallest g whose powers are all of 1 … p − 1, for an odd prime p.
pub(super) fn primitive_root(p: usize) -> usize {
    let mut primes = factors(p - 1);
    primes.dedup();
    let generates = |&g: &usize| primes.iter().all(|q| power(g, (p - 1) / q, p) != 1);
    (2..p).find(generates).unwrap_or(1)
}

/// `base^exponent` modulo `modulus`, whose square has to fit into 128 bits.
fn power(base: usize, exponent: usize, modulus: usize) -> usize {
    let product = |a: usize, b: usize| (a as u128 * b as u128 % modulus as u128) as usize;
    let (mut base, mut exponent, mut result) = (base, exponent, 1);
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = product(result, base);
        }
        base = product(base, base);
        exponent /= 2;
    }
    result
}

/// The smallest multiple of 4 with no other factors than 2, up to five 3s and up to two 5s that is
/// not below `least`: within a few percent of it. Or the power of two, whose transform is faster and
/// more exact, where that is at most a sixteenth larger.
pub(super) fn smooth(least: usize) -> usize {
    let odd = [1, 5, 25].into_iter().flat_map(|five| (0..6).map(move |i| five * 3_usize.pow(i)));
    let even = odd.map(|odd| odd * least.div_ceil(4 * odd).next_power_of_two() * 4);
    even.min_by_key(|&n| if n.is_power_of_two() { 16 * n } else { 17 * n }).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_on_the_axes_and_diagonals_are_exact() {
        let root = |k, n| root_of_unity::<f64>(k, n);
        let diagonal = std::f64::consts::FRAC_1_SQRT_2;
        for (k, (re, im)) in
            [(1.0, 0.0), (diagonal, -diagonal), (0.0, -1.0), (-diagonal, -diagonal), (-1.0, 0.0)]
                .into_iter()
                .enumerate()
        {
            // Half an ulp of the sine and cosine, and half of the angle's.
            assert!((root(k, 8) - Complex::new(re, im)).norm() < 2e-16, "{k}/8");
            assert!((root(8 - k, 8) - Complex::new(re, -im)).norm() < 2e-16, "{k}/8");
        }
        assert_eq!(
            (root(250, 1000).re.to_bits() << 1, root(250, 1000).im.to_bits()),
            (0, (-1.0_f64).to_bits())
        );
        // A cube root: −1/2 − i√3/2.
        assert!((root(1, 3) - Complex::new(-0.5, -0.75_f64.sqrt())).norm() < 2e-16);
    }

    #[test]
    fn numbers_are_taken_apart() {
        assert_eq!(factors(1), []);
        assert_eq!(factors(360), [2, 2, 2, 3, 3, 5]);
        assert_eq!(factors(10_403), [101, 103]);
        // Smallest primitive roots, OEIS A001918: 3, 5, 7, 11, 23, 41, 191.
        for (p, g) in [(3, 2), (5, 2), (7, 3), (11, 2), (23, 5), (41, 6), (191, 19)] {
            assert_eq!(primitive_root(p), g, "{p}");
        }
        for least in [1, 4, 5, 100, 1025, 20_013, 2_000_003] {
            let found = smooth(least);
            assert!(found >= least && found.is_multiple_of(4), "{least}: {found}");
            assert!(factors(found).iter().all(|&p| p <= 5), "{least}: {found}");
            assert!(found <= 2 * least.max(4), "{least}: {found}");
        }
    }
}
