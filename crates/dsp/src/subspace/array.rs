//! Arrays of any geometry: the null spectrum along given directions.

use std::f64::consts::TAU;

use linalg::{Complex, DMatrix, adjoint, product};

use super::{Method, Subspace, finite_matrix};
use crate::{Error, Result};

/// Sensors at any positions.
///
/// # Examples
/// A square of four sensors tells a wave from the x axis and one from the y axis apart:
/// ```
/// use dsp::subspace::{Array, Covariance, Method, Smoothing, Subspace};
/// use linalg::{Complex, DMatrix};
/// let array = Array::new(&[[0.0, 0.0, 0.0], [0.4, 0.0, 0.0], [0.0, 0.4, 0.0], [0.4, 0.4, 0.0]])?;
/// let (x, y) = (array.steering([1.0, 0.0, 0.0])?, array.steering([0.0, 1.0, 0.0])?);
/// // Two instants: the second source changes its sign.
/// let sign = |instant| if instant == 0 { 1.0 } else { -1.0 };
/// let snapshots = DMatrix::from_fn(4, 2, |m, instant| x[m] + y[m] * sign(instant));
/// let subspace = Subspace::new(&Covariance::new(&snapshots, Smoothing::None)?)?;
/// let diagonal = array.steering([0.6, 0.8, 0.0])?;
/// let d = array.null_spectrum(&subspace, 2, Method::Music, &[x, y, diagonal])?;
/// assert!(d[0] < 1e-12 && d[1] < 1e-12 && d[2] > 0.01);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    positions: Vec<[f64; 3]>,
}

impl Array {
    /// Sensors at `positions`, in wavelengths.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for fewer than two, [`Error::NotFinite`] with the sensor's index.
    pub fn new(positions: &[[f64; 3]]) -> Result<Self> {
        if positions.len() < 2 {
            let (argument, value) = ("positions.len()", positions.len() as f64);
            return Err(Error::OutOfRange { argument, value, expected: "at least 2 sensors" });
        }
        let bad = positions.iter().enumerate().find_map(|(index, position)| {
            position.iter().find(|x| !x.is_finite()).map(|&value| (index, value))
        });
        match bad {
            Some((index, value)) => Err(Error::NotFinite { argument: "positions", index, value }),
            None => Ok(Self { positions: positions.to_vec() }),
        }
    }

    /// The steering vector e^(j2π·rₘ·u) of a wave from the direction u, a unit vector towards the
    /// source.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] where `direction` has another length than 1, to 1e-6.
    pub fn steering(&self, direction: [f64; 3]) -> Result<Vec<Complex<f64>>> {
        let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        if !((length - 1.0).abs() <= 1e-6) {
            let expected = "a vector of length 1";
            return Err(Error::OutOfRange { argument: "|direction|", value: length, expected });
        }
        let along = |r: &[f64; 3]| r.iter().zip(direction).map(|(r, u)| r * u).sum::<f64>();
        Ok(self.positions.iter().map(|r| Complex::from_polar(1.0, TAU * along(r))).collect())
    }

    /// D = eᴴ·G·e for each of the steering vectors, as [`NullSpectrum`](super::NullSpectrum) has it
    /// for a uniform line. O(M·K) for each.
    ///
    /// # Errors
    /// [`Error::Sources`]; [`Error::Length`] where the subspace or a vector has not as many entries as
    /// the array has sensors; [`Error::NotFinite`] with the place of a NaN or an infinity in them.
    pub fn null_spectrum(
        &self,
        subspace: &Subspace,
        sources: usize,
        method: Method,
        steering: &[Vec<Complex<f64>>],
    ) -> Result<Vec<f64>> {
        subspace.covariance.check_sources(sources)?;
        let m = self.positions.len();
        let length = |argument, found| {
            if found == m { Ok(()) } else { Err(Error::Length { argument, found, expected: m }) }
        };
        length("subspace", subspace.values.len())?;
        for vector in steering {
            length("steering", vector.len())?;
        }
        let e = DMatrix::from_fn(m, steering.len(), |i, j| steering[j][i]);
        finite_matrix("steering", &e)?;
        // |vᵢᴴ·e|² for every eigenvector and direction.
        let along = product(adjoint(&subspace.vectors), &e)?;
        let weights = method.weights(subspace, sources);
        let spectrum = |column: usize| match method {
            Method::MinimumNorm => {
                let first: f64 = (sources..m).map(|i| subspace.vectors[(0, i)].norm_sqr()).sum();
                let d: Complex<f64> =
                    (sources..m).map(|i| subspace.vectors[(0, i)] * along[(i, column)]).sum();
                d.norm_sqr() / (first * first).max(f64::MIN_POSITIVE)
            }
            _ => {
                let offset = if method == Method::MatchedFilter {
                    subspace.values.iter().sum::<f64>() * m as f64
                } else {
                    0.0
                };
                let terms = weights.iter().enumerate();
                offset + terms.map(|(i, w)| w * along[(i, column)].norm_sqr()).sum::<f64>()
            }
        };
        Ok((0..steering.len()).map(spectrum).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Covariance, NullSpectrum, Smoothing};
    use super::*;

    #[test]
    fn a_line_of_sensors_has_the_spectrum_of_the_uniform_model() {
        let positions: Vec<_> = (0..6).map(|m| [0.4 * f64::from(m), 0.0, 0.0]).collect();
        let array = Array::new(&positions).unwrap();
        let wave = |m: usize, angle: f64, s: usize| {
            Complex::from_polar(1.0 + 0.3 * s as f64, angle * m as f64 + (s * s) as f64)
        };
        let x = DMatrix::from_fn(6, 5, |m, s| {
            wave(m, 0.5, s) + wave(m, -1.1, 7 * s) + Complex::new(0.01 * ((m * s) % 3) as f64, 0.0)
        });
        let subspace = Subspace::new(&Covariance::new(&x, Smoothing::None).unwrap()).unwrap();
        let methods = [
            Method::Music,
            Method::Eigenvector,
            Method::MinimumNorm,
            Method::Capon,
            Method::MatchedFilter,
        ];
        for method in methods {
            let uniform = NullSpectrum::new(&subspace, 2, method).unwrap();
            for degrees in [-70.0_f64, -10.0, 0.0, 33.0] {
                let sine = degrees.to_radians().sin();
                let e = array.steering([sine, (1.0 - sine * sine).sqrt(), 0.0]).unwrap();
                let d = array.null_spectrum(&subspace, 2, method, &[e]).unwrap()[0];
                let expected = uniform.at(TAU * 0.4 * sine);
                // 36 products, of size up to the largest weight.
                let scale =
                    method.weights(&subspace, 2).iter().fold(1.0, |a: f64, b| a.max(b.abs()));
                let error = (d - expected).abs();
                assert!(error < 36.0 * 36.0 * f64::EPSILON * scale, "{method:?}: {d} {expected}");
            }
        }
    }

    #[test]
    fn bad_arrays_are_refused() {
        let text = |result: Result<Array>| result.unwrap_err().to_string();
        assert_eq!(
            text(Array::new(&[[0.0; 3]])),
            "positions.len() is 1, expected at least 2 sensors"
        );
        assert_eq!(
            text(Array::new(&[[0.0; 3], [0.0, f64::NAN, 0.0]])),
            "positions[1] is NaN, and every sample must be finite"
        );
        let array = Array::new(&[[0.0; 3], [0.5, 0.0, 0.0]]).unwrap();
        assert_eq!(
            array.steering([1.0, 1.0, 0.0]).unwrap_err().to_string(),
            "|direction| is 1.4142135623730951, expected a vector of length 1"
        );
    }
}
