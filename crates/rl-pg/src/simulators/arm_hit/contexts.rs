//! Balls to be hit: drawn, or the fixed ones of a test.

use linalg::DMatrix;
use rand::{Rng, RngExt};

use super::ArmHit;
use super::arm::GRAVITY;

/// x, y, ẋ, ẏ.
pub(super) const LENGTH: usize = 4;
/// Mean and standard deviation of drawn contexts, rounded, by which observations are scaled.
pub(super) const MEAN: [f64; LENGTH] = [2.58, 0.05, -3.75, 2.41];
pub(super) const DEVIATION: [f64; LENGTH] = [0.32, 0.28, 0.43, 0.64];
/// Standard deviation of the noise on what is seen.
pub(super) const BLUR: [f64; LENGTH] = [0.01, 0.01, 0.05, 0.05];

impl ArmHit {
    /// A ball at random: where and when it can be struck, x on [0.55, 0.85), y on [−0.3, 0.4) and t on
    /// [0.4, 0.6), and its velocity there, on [−4.5, −3) and [−3, −2), all uniform.
    pub fn random_context(rng: &mut (impl Rng + ?Sized)) -> [f64; 4] {
        context(std::array::from_fn(|_| rng.random()))
    }

    /// The first `count` contexts of a fixed sequence that is spread as evenly as can be, a column each:
    /// the same in any language. 2,000 of them are the test set by which success is reported.
    ///
    /// The five uniform numbers of context i = 1, 2, … are the radical inverses of i in the bases 2, 3, 5,
    /// 7 and 11, for x, y, t and the two velocities of [`Self::random_context`].
    ///
    /// # Examples
    /// ```
    /// let contexts = rl_pg::ArmHit::halton_contexts(2000);
    /// assert_eq!(contexts.shape(), (4, 2000));
    /// assert!((contexts[(3, 0)] - 1.407309090909092).abs() < 1e-15);
    /// ```
    ///
    /// # References
    /// J. H. Halton, "On the efficiency of certain quasi-random sequences of points", Numerische
    /// Mathematik 2, 1960.
    #[must_use]
    pub fn halton_contexts(count: usize) -> DMatrix<f64> {
        let mut contexts = DMatrix::zeros(LENGTH, count);
        for (i, mut column) in contexts.column_iter_mut().enumerate() {
            let uniform = [2, 3, 5, 7, 11].map(|base| radical_inverse(i + 1, base));
            column.copy_from_slice(&context(uniform));
        }
        contexts
    }
}

/// The ball's start from five numbers on [0, 1).
fn context(uniform: [f64; 5]) -> [f64; 4] {
    let [x, y, t, vx, vy] = uniform;
    let (x, y, t) = (0.55 + 0.3 * x, -0.3 + 0.7 * y, 0.4 + 0.2 * t);
    let (vx, vy) = (-4.5 + 1.5 * vx, -3.0 + vy);
    let upward = vy + GRAVITY * t;
    [x - vx * t, y - upward * t + GRAVITY * t * t / 2.0, vx, upward]
}

/// The digits of `i` mirrored at the point.
fn radical_inverse(mut i: usize, base: usize) -> f64 {
    let (mut inverse, mut place) = (0.0, 1.0);
    while i > 0 {
        place /= base as f64;
        inverse += (i % base) as f64 * place;
        i /= base;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn radical_inverses_are_the_textbook_ones() {
        let thirds: Vec<f64> = (1..=4).map(|i| radical_inverse(i, 3)).collect();
        for (found, expected) in thirds.iter().zip([1.0 / 3.0, 2.0 / 3.0, 1.0 / 9.0, 4.0 / 9.0]) {
            assert!((found - expected).abs() < 1e-16);
        }
        assert!((radical_inverse(6, 2) - 0.375).abs() < 1e-16); // 110 becomes 0.011
    }

    #[test]
    fn the_first_halton_context_is_the_published_one() {
        let contexts = ArmHit::halton_contexts(1);
        let published =
            [2.585714285714286, 0.263725333333333, -4.285714285714286, 1.407309090909092];
        for (found, expected) in contexts.iter().zip(published) {
            // A few roundings of numbers up to 5, and the last printed digit.
            assert!((found - expected).abs() < 2e-15, "{found} {expected}");
        }
    }

    #[test]
    fn scaled_contexts_have_mean_0_and_deviation_1() {
        let n = 20_000;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let contexts: Vec<_> = (0..n).map(|_| ArmHit::random_context(&mut rng)).collect();
        for k in 0..LENGTH {
            let scaled = contexts.iter().map(|context| (context[k] - MEAN[k]) / DEVIATION[k]);
            let (sum, square) =
                scaled.fold((0.0, 0.0), |(sum, square), z| (sum + z, square + z * z));
            let mean = sum / f64::from(n);
            let deviation = (square / f64::from(n) - mean * mean).sqrt();
            // The constants have two or three digits.
            assert!(mean.abs() < 0.05 && (deviation - 1.0).abs() < 0.05, "{k}: {mean} {deviation}");
        }
    }
}
