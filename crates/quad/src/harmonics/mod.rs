//! Spherical harmonics: coefficients of a field, the field from them, and its power by degree.

mod legendre;
mod transform;

pub use transform::HarmonicTransform;

use linalg::Complex;

use crate::{Error, Result};

/// The coefficients of a real field f(θ, φ) = Σ cₗₘ Yₗₘ(θ, φ), 0 ≤ l ≤ L, −l ≤ m ≤ l.
///
/// The convention is that of physics, and of SciPy's `sph_harm_y`: ∫ |Yₗₘ|² dΩ = 1, and the
/// Condon-Shortley phase (−1)ᵐ is in Yₗₘ,
///
/// Yₗₘ = (−1)ᵐ √((2l + 1)/(4π) (l − m)!/(l + m)!) Pₗᵐ(cos θ) e^{imφ}, m ≥ 0,
///
/// with Pₗᵐ(x) = (1 − x²)^{m/2} dᵐPₗ/dxᵐ and `Y_{l,−m} = (−1)ᵐ conj Yₗₘ`. θ is the colatitude, φ the
/// azimuth. The field being real, `c_{l,−m} = (−1)ᵐ conj cₗₘ`, and those with m ≥ 0 say everything.
/// ∫ f dΩ = √(4π) c₀₀.
///
/// Other conventions from these: real harmonics with ∫ = 1 and √2 cos mφ, √2 sin mφ (geodesy
/// without the 4π, no phase) have coefficients (−1)ᵐ √2 Re cₗₘ and −(−1)ᵐ √2 Im cₗₘ, and cₗ₀;
/// 4π-normalized ones are these over √(4π).
#[derive(Debug, Clone, PartialEq)]
pub struct Harmonics {
    degree: usize,
    /// m = 0: l = 0..=L; m = 1: l = 1..=L; ...
    values: Vec<Complex<f64>>,
}

impl Harmonics {
    /// All coefficients zero.
    #[must_use]
    pub fn zeros(degree: usize) -> Self {
        let count = (degree + 1) * (degree + 2) / 2;
        Self { degree, values: vec![Complex::new(0.0, 0.0); count] }
    }

    /// The highest degree, L.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// cₗₘ for −l ≤ m ≤ l ≤ L; zero beyond.
    #[must_use]
    pub fn get(&self, l: usize, m: isize) -> Complex<f64> {
        let order = m.unsigned_abs();
        if order > l || l > self.degree {
            return Complex::new(0.0, 0.0);
        }
        let value = self.values[self.index(l, order)];
        match (m < 0, order.is_multiple_of(2)) {
            (false, _) => value,
            (true, true) => value.conj(),
            (true, false) => -value.conj(),
        }
    }

    /// Sets cₗₘ, m ≥ 0, and with it `c_{l,−m}`; of m = 0 only the real part counts.
    ///
    /// # Errors
    /// [`Error::NoSuchHarmonic`] where m > l or l > L.
    pub fn set(&mut self, l: usize, m: usize, value: Complex<f64>) -> Result<()> {
        if m > l || l > self.degree {
            return Err(Error::NoSuchHarmonic { l, m, degree: self.degree });
        }
        let index = self.index(l, m);
        self.values[index] = if m == 0 { Complex::new(value.re, 0.0) } else { value };
        Ok(())
    }

    /// Σₘ |cₗₘ|² for l = 0..=L; their sum is ∫ f² dΩ (Parseval).
    #[must_use]
    pub fn power_spectrum(&self) -> Vec<f64> {
        let mut power = vec![0.0; self.degree + 1];
        for m in 0..=self.degree {
            let twice = if m == 0 { 1.0 } else { 2.0 };
            for (power, value) in power[m..].iter_mut().zip(self.order(m)) {
                *power += twice * value.norm_sqr();
            }
        }
        power
    }

    fn index(&self, l: usize, m: usize) -> usize {
        // Before order m: Σ (L + 1 − k), k < m.
        m * (2 * self.degree + 3 - m) / 2 + l - m
    }

    /// cₗₘ for l = m..=L.
    fn order(&self, m: usize) -> &[Complex<f64>] {
        let first = self.index(m, m);
        &self.values[first..=first + self.degree - m]
    }

    fn order_mut(&mut self, m: usize) -> &mut [Complex<f64>] {
        let first = self.index(m, m);
        &mut self.values[first..=first + self.degree - m]
    }
}

/// The coefficients of a complex field f = a + ib: those of a, plus i times those of b.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplexHarmonics {
    /// Of the real part.
    pub real: Harmonics,
    /// Of the imaginary part.
    pub imaginary: Harmonics,
}

impl ComplexHarmonics {
    /// cₗₘ for −l ≤ m ≤ l ≤ L; zero beyond.
    #[must_use]
    pub fn get(&self, l: usize, m: isize) -> Complex<f64> {
        self.real.get(l, m) + self.imaginary.get(l, m) * Complex::new(0.0, 1.0)
    }

    /// Σₘ |cₗₘ|² for l = 0..=L; their sum is ∫ |f|² dΩ.
    #[must_use]
    pub fn power_spectrum(&self) -> Vec<f64> {
        // Σ over ±m makes the mixed terms cancel.
        let parts = self.real.power_spectrum().into_iter().zip(self.imaginary.power_spectrum());
        parts.map(|(a, b)| a + b).collect()
    }
}
