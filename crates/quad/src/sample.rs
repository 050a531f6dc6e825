//! What an integrand may return: a real or complex number, or an array of them.

use std::fmt::Debug;

use linalg::Complex;

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals `Sample`")]
    pub trait Sealed: Copy {
        const ZERO: Self;

        /// `self` plus `weight` times `other`.
        fn plus(self, weight: f64, other: Self) -> Self;

        /// The largest modulus among the components; NaN where one is.
        fn norm(self) -> f64;

        /// Appends the components, real and imaginary parts in turn.
        fn append(self, components: &mut Vec<f64>);
    }
}

/// The value of an integrand: `f64`, [`Complex<f64>`](Complex), or an array `[_; N]` of either.
///
/// An array is integrated as one function, with one set of nodes and one error, which is that of
/// the worst component relative to the largest; scale the components so that their errors matter
/// alike. The trait is sealed.
pub trait Sample: sealed::Sealed + Copy + Debug + PartialEq + Send + Sync {}

impl sealed::Sealed for f64 {
    const ZERO: Self = 0.0;

    fn plus(self, weight: f64, other: Self) -> Self {
        self + weight * other
    }

    fn norm(self) -> f64 {
        self.abs()
    }

    fn append(self, components: &mut Vec<f64>) {
        components.push(self);
    }
}

impl sealed::Sealed for Complex<f64> {
    const ZERO: Self = Self { re: 0.0, im: 0.0 };

    fn plus(self, weight: f64, other: Self) -> Self {
        Self { re: self.re + weight * other.re, im: self.im + weight * other.im }
    }

    fn norm(self) -> f64 {
        // hypot(∞, NaN) is ∞, which is refused as well.
        self.re.hypot(self.im)
    }

    fn append(self, components: &mut Vec<f64>) {
        components.extend([self.re, self.im]);
    }
}

impl<T: sealed::Sealed, const N: usize> sealed::Sealed for [T; N] {
    const ZERO: Self = [T::ZERO; N];

    fn plus(mut self, weight: f64, other: Self) -> Self {
        for (entry, term) in self.iter_mut().zip(other) {
            *entry = entry.plus(weight, term);
        }
        self
    }

    fn norm(self) -> f64 {
        self.into_iter().map(T::norm).fold(0.0, |largest, norm| {
            // `f64::max` would drop a NaN.
            if norm.is_nan() || norm > largest { norm } else { largest }
        })
    }

    fn append(self, components: &mut Vec<f64>) {
        for entry in self {
            entry.append(components);
        }
    }
}

impl Sample for f64 {}
impl Sample for Complex<f64> {}
impl<T: Sample, const N: usize> Sample for [T; N] {}

/// Σ weights · samples, summed in pairs of pairs: the rounding of log₂ n additions, not of n.
pub(crate) fn weighted_sum<T: Sample>(weights: &[f64], samples: &[T]) -> T {
    let count = weights.len().min(samples.len());
    if count <= 16 {
        let terms = weights.iter().zip(samples);
        return terms.fold(T::ZERO, |sum, (&weight, &sample)| sum.plus(weight, sample));
    }
    let (first, last) = weights.split_at(count / 2);
    let (early, late) = samples.split_at(count / 2);
    weighted_sum(first, early).plus(1.0, weighted_sum(last, late))
}

/// The norm of a − b.
pub(crate) fn distance<T: Sample>(a: T, b: T) -> f64 {
    a.plus(-1.0, b).norm()
}

#[cfg(test)]
mod tests {
    use super::sealed::Sealed;
    use super::*;

    #[test]
    fn a_norm_is_the_largest_modulus_and_keeps_a_nan() {
        let c = |re, im| Complex { re, im };
        assert_eq!([c(3.0, 4.0), c(0.0, 1.0)].norm().to_bits(), 5.0f64.to_bits());
        assert!([1.0, f64::NAN, 2.0].norm().is_nan());
        assert!([f64::NAN, 7.0].norm().is_nan());
    }

    #[test]
    fn sums_are_weighted_componentwise() {
        let sum = weighted_sum(&[2.0, -1.0], &[[1.0, 10.0], [3.0, 4.0]]);
        assert!(distance(sum, [-1.0, 16.0]) < 1e-15, "{sum:?}");
        assert!((distance(sum, [-1.0, 12.0]) - 4.0).abs() < 1e-15);
    }
}
