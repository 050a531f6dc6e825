//! Single bins of a transform: of one frame ([`goertzel`]), and of a window that slides over a stream
//! ([`SlidingDft`]).

use linalg::Complex;

use crate::fft::check_len;
use crate::spectrum::check_finite;
use crate::{Error, Result};

/// One value of a transform, at any frequency, without the others.
///
/// ```text
/// X = Σ_n x_n e^{−iωn},    ω = 2π f/f_s,    cycles = f/f_s
/// ```
///
/// Three operations a sample, a tenth of a transform's time for one bin; from about log₂ N bins on a
/// transform is faster. Goertzel's recurrence is used in the form of Reinsch, whose error does not grow at
/// low frequencies.
///
/// # Errors
/// [`Error::NotFinite`] for a NaN or an infinity in `x`, [`Error::OutOfRange`] for one in `cycles`.
///
/// # Examples
/// Bin 2 of 8 of a cosine there: half its length.
/// ```
/// use dsp::sliding::goertzel;
/// let z = goertzel(&[1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0], 2.0 / 8.0)?;
/// assert!((z.re - 4.0).abs() < 1e-14 && z.im.abs() < 1e-14);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// G. Goertzel, Amer. Math. Monthly 65(1):34-35, 1958. J. Stoer and R. Bulirsch, Introduction to
/// Numerical Analysis, section 2.3.4 (Reinsch's form).
pub fn goertzel(x: &[f64], cycles: f64) -> Result<Complex<f64>> {
    check_finite("x", x)?;
    if !cycles.is_finite() {
        let expected = "a finite share of the sample rate";
        return Err(Error::OutOfRange { argument: "cycles", value: cycles, expected });
    }
    let omega = std::f64::consts::TAU * (cycles - cycles.round());
    // s_n = x_n + 2 cos ω s_{n+1} − s_{n+2} from the end, so that Σ x_n e^{iωn} needs s_0 and s_1 alone;
    // written with its first differences, the sum with the small factor 2 cos ω ∓ 2.
    let sign = if omega.cos() > 0.0 { 1.0 } else { -1.0 };
    let factor = if sign > 0.0 {
        -4.0 * (0.5 * omega).sin().powi(2)
    } else {
        4.0 * (0.5 * omega).cos().powi(2)
    };
    let (mut sum, mut step) = (0.0, 0.0);
    for &x in x.iter().skip(1).rev() {
        step = x + factor * sum + sign * step;
        sum = step + sign * sum;
    }
    let first = x.first().copied().unwrap_or(0.0);
    // Σ_{n ≥ 1} x_n cos ωn = x-part; sum is s_1, and s_2 = sign·(s_1 − step).
    let second = sign * (sum - step);
    Ok(Complex::new(first + sum * omega.cos() - second, -sum * omega.sin()))
}

/// Chosen bins of the transform of the last N samples of a stream, brought up to date with each sample.
///
/// ```text
/// X_k = Σ_{n=0}^{N−1} x_{t−N+1+n} e^{−2πi kn/N}
/// ```
///
/// Each bin costs a few additions a sample, whatever N is: with all bins this is slower than a transform
/// every eighth sample or so, with a few it is far faster.
///
/// Adding what comes and taking off what goes leaves the rounding of each step in the sum for ever. So a second
/// sum is made beside the first, of new samples only; after N samples it is the sum over the window, and the
/// first is replaced by it. No rounding is older than 2N samples, however long the stream.
///
/// # Examples
/// ```
/// use dsp::sliding::SlidingDft;
/// let mut sliding = SlidingDft::new(8, &[2])?;
/// for n in 0..100 {
///     sliding.push((std::f64::consts::TAU * n as f64 / 4.0).cos())?;
/// }
/// // Bin 2 of 8 is a quarter of the sample rate.
/// assert!((sliding.bins()[0].norm() - 4.0).abs() < 1e-13);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// E. Jacobsen and R. Lyons, "The sliding DFT", IEEE Signal Processing Magazine 20(2):74-80, 2003, in
/// the modulated form of K. Duda, "Accurate, guaranteed stable, sliding discrete Fourier transform",
/// 27(6):124-127, 2010.
#[derive(Debug, Clone)]
pub struct SlidingDft {
    /// e^{−2πi n/N}.
    roots: Vec<Complex<f64>>,
    numbers: Vec<usize>,
    /// The last N samples; the oldest is at `at`, where the next one goes.
    samples: Vec<f64>,
    at: usize,
    /// Σ x e^{−2πi k·place/N} over the window, and over the samples since place 0.
    window: Vec<Complex<f64>>,
    fresh: Vec<Complex<f64>>,
}

impl SlidingDft {
    /// Slides over `len` samples, zeros to begin with, and keeps the bins of these numbers, below `len`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a length of 0 or above 2³², [`Error::Index`] for a bin at or beyond `len`.
    pub fn new(len: usize, bins: &[usize]) -> Result<Self> {
        check_len(len)?;
        if let Some(&index) = bins.iter().find(|&&k| k >= len) {
            return Err(Error::Index { argument: "bin", index, length: len });
        }
        let root =
            |n: usize| Complex::from_polar(1.0, -std::f64::consts::TAU * n as f64 / len as f64);
        let zero = vec![Complex::new(0.0, 0.0); bins.len()];
        Ok(Self {
            roots: (0..len).map(root).collect(),
            numbers: bins.to_vec(),
            samples: vec![0.0; len],
            at: 0,
            window: zero.clone(),
            fresh: zero,
        })
    }

    /// Takes the next sample.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for a NaN or an infinity, which would stay for N samples; it is not taken.
    pub fn push(&mut self, x: f64) -> Result<()> {
        check_finite("x", &[x])?;
        let (len, at) = (self.samples.len(), self.at);
        // The sample that goes stood at the same place, and so had the same factor.
        let change = x - std::mem::replace(&mut self.samples[at], x);
        for ((&k, window), fresh) in self.numbers.iter().zip(&mut self.window).zip(&mut self.fresh)
        {
            let root = self.roots[(k * at) % len];
            *window += root.scale(change);
            *fresh += root.scale(x);
        }
        self.at += 1;
        if self.at == len {
            self.at = 0;
            self.window.copy_from_slice(&self.fresh);
            self.fresh.fill(Complex::new(0.0, 0.0));
        }
        Ok(())
    }

    /// Takes samples one after the other.
    ///
    /// # Errors
    /// As [`Self::push`], with the index of the first bad sample, before any is taken.
    pub fn extend(&mut self, x: &[f64]) -> Result<()> {
        check_finite("x", x)?;
        x.iter().try_for_each(|&x| self.push(x))
    }

    /// The bins, in the order in which they were asked for, their phases counted from the oldest sample.
    #[must_use]
    pub fn bins(&self) -> Vec<Complex<f64>> {
        let len = self.samples.len();
        let turned = |(&k, z): (&usize, &Complex<f64>)| z * self.roots[(k * self.at) % len].conj();
        self.numbers.iter().zip(&self.window).map(turned).collect()
    }

    /// The bins from the samples themselves, N operations each: what [`Self::bins`] is to be held against.
    #[must_use]
    pub fn recomputed(&self) -> Vec<Complex<f64>> {
        let len = self.samples.len();
        let of = |&k: &usize| {
            let term =
                |n: usize| self.roots[(k * n) % len].scale(self.samples[(self.at + n) % len]);
            (0..len).map(term).sum()
        };
        self.numbers.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fft::RealFft;
    use proptest::prelude::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    proptest! {
        #[test]
        fn one_bin_is_that_of_the_transform(
            x in prop::collection::vec(-1.0..1.0, 1..200),
            k in any::<prop::sample::Index>(),
        ) {
            let spectrum = RealFft::<f64>::new(x.len()).unwrap().forward(&x).unwrap();
            let k = k.index(spectrum.len());
            let z = goertzel(&x, k as f64 / x.len() as f64).unwrap();
            // The recurrence's bound is n² eps in the worst case, Reinsch's form near n.
            let tolerance = 8.0 * x.len() as f64 * f64::EPSILON;
            prop_assert!((z - spectrum[k]).norm() <= tolerance * 4.0, "{} {}", z, spectrum[k]);
        }
    }

    #[test]
    fn low_frequencies_cost_no_digits() {
        // Σ cos(ωn) e^{−iωn} over a million samples of half a turn in all: n/2 and a little.
        let n = 1_000_000;
        let omega = std::f64::consts::PI / f64::from(n);
        let x: Vec<f64> = (0..n).map(|i| (omega * f64::from(i)).cos()).collect();
        let z = goertzel(&x, 0.5 / f64::from(n)).unwrap();
        // Closed form: n/2 + (1 + e^{…})/2 …: real part (n + 1)/2 + … by summing cos².
        let expected: f64 = x.iter().map(|c| c * c).sum();
        assert!((z.re / expected - 1.0).abs() < 1e-10, "{z} {expected}");
    }

    #[test]
    fn sliding_bins_are_those_of_the_last_samples() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        for len in [1, 2, 7, 64] {
            let numbers: Vec<usize> = (0..len / 2 + 1).collect();
            let mut sliding = SlidingDft::new(len, &numbers).unwrap();
            let fft = RealFft::new(len).unwrap();
            let mut stream = vec![0.0; len];
            for step in 0..300 {
                let x = rng.random_range(-1.0..1.0);
                stream.push(x);
                sliding.push(x).unwrap();
                let expected = fft.forward(&stream[stream.len() - len..]).unwrap();
                for (a, b) in sliding.bins().iter().zip(&expected) {
                    assert!((a - b).norm() < 1e-13, "{len}, {step}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn rounding_does_not_pile_up() {
        // A million samples of size 1e3 among which 1e-3 is looked for. Kept sums would be off by
        // √(1e6)·1e3·eps = 2e-10 by now; with anchors it is √(2·64) of it, not of 1e6.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut sliding = SlidingDft::new(64, &[3]).unwrap();
        let mut worst = 0.0_f64;
        for step in 0..1_000_000 {
            sliding.push(1e3 * rng.random_range(-1.0..1.0)).unwrap();
            if step % 997 == 0 {
                worst = worst.max((sliding.bins()[0] - sliding.recomputed()[0]).norm());
            }
        }
        // Sums of size 1e4, eps/2 each, 128 steps in a random walk, and five of its deviations.
        assert!(worst < 5.0 * 1e4 * f64::EPSILON * 128_f64.sqrt(), "{worst}");
    }

    #[test]
    #[ignore = "a hundred million updates; `cargo test --release -p dsp -- --ignored`"]
    fn after_a_hundred_million_updates_the_bins_are_right_to_1e_12() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
        let mut sliding = SlidingDft::new(1024, &[3, 200]).unwrap();
        // Half way between two anchors.
        for _ in 0..100_000_512 {
            sliding.push(rng.random_range(-1.0..1.0)).unwrap();
        }
        for (a, b) in sliding.bins().iter().zip(sliding.recomputed()) {
            println!("off by {:e} of {:e}", (a - b).norm(), b.norm());
            assert!((a - b).norm() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn bad_streams_are_named() {
        let text = |error: Error| error.to_string();
        assert_eq!(
            text(SlidingDft::new(0, &[]).unwrap_err()),
            "len is 0, expected at least 1 sample, and at most 2^32"
        );
        assert_eq!(text(SlidingDft::new(4, &[4]).unwrap_err()), "bin is 4, and there are 4");
        let mut sliding = SlidingDft::new(4, &[1]).unwrap();
        sliding.push(1.0).unwrap();
        let before = sliding.bins();
        assert_eq!(
            text(sliding.extend(&[0.0, f64::NAN]).unwrap_err()),
            "x[1] is NaN, and every sample must be finite"
        );
        assert_eq!(sliding.bins(), before);
        assert_eq!(
            text(goertzel(&[1.0], f64::NAN).unwrap_err()),
            "cycles is NaN, expected a finite share of the sample rate"
        );
        assert_eq!(goertzel(&[], 0.1).unwrap(), Complex::new(0.0, 0.0));
    }
}
