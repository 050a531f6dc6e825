//! Discrete wavelet transforms: decimated and stationary, with shrinkage of their coefficients.
//!
//! Names, filters, boundary modes and lengths are those of PyWavelets, with two differences. A
//! [`Decomposition`] remembers how long the signal was and gives back exactly that many samples,
//! where PyWavelets may append one. And every filter tap is the double nearest to its exact value,
//! where PyWavelets' symlets are good to 1e-11 only.
//!
//! [`denoise`] transforms, shrinks and transforms back; [`denoised_extrema`] goes on to the peaks.

use crate::{Error, Result};

mod in_place;
mod lanes;
mod shrink;
mod stationary;
mod stretches;
mod tables;
mod transform;

pub use shrink::{
    DenoiseOptions, Denoised, DenoisedExtrema, NoiseLevel, Shrinkage, Threshold, denoise,
    denoised_extrema,
};
pub use stationary::Stationary;
pub use transform::{Decomposition, Mode};

/// A pair of filters to take a signal apart, and a pair to put it together.
///
/// # Examples
/// ```
/// use dsp::wavelet::Wavelet;
/// let wavelet = Wavelet::new("db2")?;
/// let exact = (1.0 + 3f64.sqrt()) / (4.0 * 2f64.sqrt());
/// assert!((wavelet.rec_lo()[0] - exact).abs() < 1e-16);
/// assert_eq!(wavelet.rec_hi()[1], -wavelet.dec_lo()[1]);
/// # Ok::<(), dsp::Error>(())
/// ```
///
/// # References
/// Daubechies, *Ten Lectures on Wavelets* (1992), chapters 6 and 8.
#[derive(Debug, Clone, PartialEq)]
pub struct Wavelet {
    name: String,
    dec_lo: Vec<f64>,
    dec_hi: Vec<f64>,
    rec_lo: Vec<f64>,
    rec_hi: Vec<f64>,
}

impl Wavelet {
    /// The wavelet of that name: `haar`, `db1` to `db38`, `sym2` to `sym20`, `coif1` to `coif5`,
    /// `bior1.1`, 1.3, 1.5, 2.2, 2.4, 2.6, 2.8, 3.1, 3.3, 3.5, 3.7, 3.9, 4.4, 5.5 and 6.8, and `rbio`
    /// with the same numbers.
    ///
    /// # Errors
    /// [`Error::UnknownWavelet`] for another name.
    pub fn new(name: &str) -> Result<Self> {
        let unknown = || Error::UnknownWavelet { name: name.to_owned() };
        let split = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
        let (family, number) = name.split_at(split);
        let member = |table: &[&'static [f64]], first: usize| {
            let place = number.parse::<usize>().ok()?.checked_sub(first)?;
            Some(Self::orthogonal(name, table.get(place)?))
        };
        let pair = || tables::BIORTHOGONAL.iter().find(|(zeros, _, _)| *zeros == number);
        let reversed = |filter: &[f64]| filter.iter().rev().copied().collect::<Vec<_>>();
        match family {
            "haar" if number.is_empty() => Some(Self::orthogonal(name, tables::DAUBECHIES[0])),
            "db" => member(&tables::DAUBECHIES, 1),
            "sym" => member(&tables::SYMLETS, 2),
            "coif" => member(&tables::COIFLETS, 1),
            "bior" => pair().map(|(_, dec, rec)| Self::from_low(name, dec.to_vec(), rec.to_vec())),
            "rbio" => {
                pair().map(|(_, dec, rec)| Self::from_low(name, reversed(rec), reversed(dec)))
            }
            _ => None,
        }
        .ok_or_else(unknown)
    }

    /// What [`DenoiseOptions`] start with.
    fn symlet_8() -> Self {
        Self::orthogonal("sym8", tables::SYMLETS[6])
    }

    fn orthogonal(name: &str, rec_lo: &[f64]) -> Self {
        Self::from_low(name, rec_lo.iter().rev().copied().collect(), rec_lo.to_vec())
    }

    /// The high-pass filters follow from the low-pass ones of the other side.
    fn from_low(name: &str, dec_lo: Vec<f64>, rec_lo: Vec<f64>) -> Self {
        let alternating = |filter: &[f64], first: f64| {
            let signed =
                |(k, tap): (usize, &f64)| if k % 2 == 0 { first * tap } else { -first * tap };
            filter.iter().enumerate().map(signed).collect()
        };
        let (dec_hi, rec_hi) = (alternating(&rec_lo, -1.0), alternating(&dec_lo, 1.0));
        Self { name: name.to_owned(), dec_lo, dec_hi, rec_lo, rec_hi }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The low-pass filter of the analysis.
    #[must_use]
    pub fn dec_lo(&self) -> &[f64] {
        &self.dec_lo
    }

    /// The high-pass filter of the analysis, `dec_hi[k] = (−1)ᵏ⁺¹·rec_lo[k]`.
    #[must_use]
    pub fn dec_hi(&self) -> &[f64] {
        &self.dec_hi
    }

    /// The low-pass filter of the synthesis.
    #[must_use]
    pub fn rec_lo(&self) -> &[f64] {
        &self.rec_lo
    }

    /// The high-pass filter of the synthesis, `rec_hi[k] = (−1)ᵏ·dec_lo[k]`.
    #[must_use]
    pub fn rec_hi(&self) -> &[f64] {
        &self.rec_hi
    }

    /// The deepest level at which a coefficient still is of `len` samples and not of their
    /// extension alone: ⌊log₂(len/(taps − 1))⌋.
    #[must_use]
    pub fn max_level(&self, len: usize) -> usize {
        (len / (self.dec_lo.len() - 1)).checked_ilog2().map_or(0, |level| level as usize)
    }
}

/// Refuses what no wavelet takes.
fn check(samples: usize, levels: usize) -> Result<()> {
    if samples == 0 {
        return Err(Error::Empty { argument: "x" });
    }
    if !(1..=30).contains(&levels) {
        let expected = "from 1 to 30";
        return Err(Error::OutOfRange { argument: "levels", value: levels as f64, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Wavelet> {
        let mut names: Vec<String> = (1..=38).map(|n| format!("db{n}")).collect();
        names.extend((2..=20).map(|n| format!("sym{n}")));
        names.extend((1..=5).map(|n| format!("coif{n}")));
        for family in ["bior", "rbio"] {
            names.extend(
                tables::BIORTHOGONAL.iter().map(|(zeros, _, _)| format!("{family}{zeros}")),
            );
        }
        names.iter().map(|name| Wavelet::new(name).unwrap()).collect()
    }

    /// a·b in two doubles, by Dekker's product.
    fn exact_product(a: f64, b: f64) -> (f64, f64) {
        (a * b, a.mul_add(b, -(a * b)))
    }

    /// Σ a\[k\]·b\[k\] with an error of one rounding and n·eps².
    fn dot(a: &[f64], b: &[f64]) -> f64 {
        let (mut sum, mut rest) = (0.0, 0.0);
        for (&a, &b) in a.iter().zip(b) {
            let (product, error) = exact_product(a, b);
            let next: f64 = sum + product;
            let part = next - sum;
            rest += (sum - (next - part)) + (product - part) + error;
            sum = next;
        }
        sum + rest
    }

    #[test]
    fn every_wavelet_is_biorthogonal_to_the_rounding_of_its_taps() {
        for wavelet in all() {
            let (dec, rec) = (wavelet.dec_lo(), wavelet.rec_lo());
            let mirrored: Vec<f64> = dec.iter().rev().copied().collect();
            let norm = |filter: &[f64]| filter.iter().map(|tap| tap.abs()).sum::<f64>();
            // Each tap is off by eps/2 of itself at most, so each product by eps of itself.
            let largest = rec.iter().fold(0.0_f64, |largest, tap| largest.max(tap.abs()));
            let limit = f64::EPSILON * (norm(dec) * largest).max(1.0);
            for shift in (0..rec.len()).step_by(2) {
                let expected = if shift == 0 { 1.0 } else { 0.0 };
                for sum in [
                    dot(&rec[shift..], &mirrored[..rec.len() - shift]),
                    dot(&mirrored[shift..], &rec[..rec.len() - shift]),
                ] {
                    let error = (sum - expected).abs();
                    assert!(error <= limit, "{} shift {shift}: {error:e}", wavelet.name());
                }
            }
            for low in [dec, rec] {
                let sum = dot(low, &vec![1.0; low.len()]);
                let error = (sum - 2f64.sqrt()).abs();
                assert!(error <= f64::EPSILON * norm(low), "{}: {error:e}", wavelet.name());
            }
        }
    }

    #[test]
    fn orthogonal_filters_are_orthonormal_to_4e_16() {
        for wavelet in all().iter().filter(|w| !w.name().contains("bio")) {
            let h = wavelet.rec_lo();
            for shift in (0..h.len()).step_by(2) {
                let expected = if shift == 0 { 1.0 } else { 0.0 };
                let error = (dot(&h[shift..], &h[..h.len() - shift]) - expected).abs();
                assert!(error <= 4e-16, "{} shift {shift}: {error:e}", wavelet.name());
            }
        }
    }

    #[test]
    fn symlets_two_and_three_are_daubechies_filters() {
        for n in [2, 3] {
            let names =
                [format!("sym{n}"), format!("db{n}")].map(|name| Wavelet::new(&name).unwrap());
            assert_eq!(names[0].rec_lo(), names[1].rec_lo());
        }
        assert_eq!(Wavelet::new("haar").unwrap().rec_lo(), Wavelet::new("db1").unwrap().rec_lo());
    }

    #[test]
    fn db2_has_its_closed_form_and_its_signs() {
        let wavelet = Wavelet::new("db2").unwrap();
        let closed = [1.0 + 3f64.sqrt(), 3.0 + 3f64.sqrt(), 3.0 - 3f64.sqrt(), 1.0 - 3f64.sqrt()];
        for (tap, closed) in wavelet.rec_lo().iter().zip(closed) {
            let closed = closed / (4.0 * 2f64.sqrt());
            assert!((tap - closed).abs() <= 4.0 * f64::EPSILON, "{tap}, {closed}");
        }
        // pywt.Wavelet("db2").dec_hi
        let printed =
            [-0.482962913144534, 0.836516303737808, -0.224143868042013, -0.129409522551260];
        for (tap, printed) in wavelet.dec_hi().iter().zip(printed) {
            assert!((tap - printed).abs() < 1e-15, "{tap}, {printed}");
        }
    }

    #[test]
    fn an_unknown_name_is_named() {
        for name in ["db0", "db39", "sym1", "coif6", "bior1.2", "haar1", "", "2", "morl"] {
            let text = Wavelet::new(name).unwrap_err().to_string();
            assert_eq!(
                text,
                format!("no wavelet is called {name:?}; db4, sym8, coif3 and bior4.4 are")
            );
        }
    }

    #[test]
    fn the_deepest_level_is_pywavelets() {
        // pywt.dwt_max_level(1000, w.dec_len) of db1, db2, sym8, db20; of 5 samples, db4.
        let level = |name, len| Wavelet::new(name).unwrap().max_level(len);
        assert_eq!(["db1", "db2", "sym8", "db20"].map(|name| level(name, 1000)), [9, 8, 6, 4]);
        assert_eq!(level("db4", 5), 0);
    }
}
