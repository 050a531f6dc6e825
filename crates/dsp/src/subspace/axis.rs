//! What the angle of a steering vector means.

use std::f64::consts::TAU;

use super::positive;
use crate::{Error, Result};

/// The physical quantity behind the angle ω of a uniform model xₖ = ∑ᵢ aᵢ·e^(jkωᵢ).
///
/// One code path serves tones, echoes and directions: they differ in this alone.
///
/// | axis | the samples | ω | unambiguous |
/// |---|---|---|---|
/// | [`Axis::frequency`] | of a signal in time | 2πf/fₛ | −fₛ/2 ≤ f < fₛ/2 |
/// | [`Axis::delay`] | of a transfer function over frequency | −2πΔf·τ | 0 ≤ τ < 1/Δf |
/// | [`Axis::direction`] | of a line of sensors | 2π·(d/λ)·sin θ | −90° ≤ θ ≤ 90° for d ≤ λ/2 |
///
/// That is why MUSIC on the samples of a trace gives frequencies, and MUSIC on its transform gives
/// delays: an echo that comes τ later turns the phase of the transform by −2πfτ, linearly over f,
/// just as a tone turns the phase of the signal linearly over time.
///
/// # Examples
/// ```
/// use dsp::subspace::Axis;
/// let axis = Axis::delay(50e6)?; // a sample of the transform every 50 MHz
/// let period = 1.0 / 50e6; // 20 ns
/// assert!((axis.value(axis.angle(6e-9)) - 6e-9).abs() < 1e-22);
/// assert!((axis.value(axis.angle(26e-9)) - 6e-9).abs() < 1e-22, "one period later is the same");
/// assert!((axis.extent() - period).abs() < 1e-22);
/// # Ok::<(), dsp::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis(Kind);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Frequency { sample_rate_hz: f64 },
    Delay { step_hz: f64 },
    Direction { spacing_wavelengths: f64 },
}

impl Axis {
    /// Frequency in hertz, of a signal sampled at `sample_rate_hz`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless it is finite and greater than 0.
    pub fn frequency(sample_rate_hz: f64) -> Result<Self> {
        positive("sample_rate_hz", sample_rate_hz)?;
        Ok(Self(Kind::Frequency { sample_rate_hz }))
    }

    /// Delay in seconds, from samples of a transfer function every `step_hz`.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless it is finite and greater than 0, and so is its reciprocal.
    pub fn delay(step_hz: f64) -> Result<Self> {
        positive("step_hz", step_hz)?;
        if !(1.0 / step_hz).is_finite() {
            let expected = "a number whose reciprocal is finite";
            return Err(Error::OutOfRange { argument: "step_hz", value: step_hz, expected });
        }
        Ok(Self(Kind::Delay { step_hz }))
    }

    /// Direction of arrival in radians from broadside, positive towards the last sensor, at a line of
    /// sensors `spacing_wavelengths` apart; the wave e^(jωt) reaches the sensors with growing phase.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless it is finite, greater than 0 and at most ½: farther apart, two
    /// directions look the same.
    pub fn direction(spacing_wavelengths: f64) -> Result<Self> {
        positive("spacing_wavelengths", spacing_wavelengths)?;
        if spacing_wavelengths > 0.5 {
            let expected = "at most 0.5, or two directions look the same";
            let (argument, value) = ("spacing_wavelengths", spacing_wavelengths);
            return Err(Error::OutOfRange { argument, value, expected });
        }
        Ok(Self(Kind::Direction { spacing_wavelengths }))
    }

    /// ω of a frequency in hertz, a delay in seconds, a direction in radians.
    #[must_use]
    pub fn angle(&self, value: f64) -> f64 {
        match self.0 {
            Kind::Frequency { sample_rate_hz } => TAU * value / sample_rate_hz,
            Kind::Delay { step_hz } => -TAU * step_hz * value,
            Kind::Direction { spacing_wavelengths } => TAU * spacing_wavelengths * value.sin(),
        }
    }

    /// The frequency, delay or direction of ω, within the unambiguous interval. Angles that no
    /// direction has give NaN.
    #[must_use]
    pub fn value(&self, angle: f64) -> f64 {
        let turns = (angle / TAU).rem_euclid(1.0);
        let centered = if turns >= 0.5 { turns - 1.0 } else { turns };
        match self.0 {
            Kind::Frequency { sample_rate_hz } => centered * sample_rate_hz,
            Kind::Delay { step_hz } => (-turns).rem_euclid(1.0) / step_hz,
            Kind::Direction { spacing_wavelengths } => (centered / spacing_wavelengths).asin(),
        }
    }

    /// |d value/dω|, which turns an error of ω into one of the value.
    #[must_use]
    pub fn slope(&self, angle: f64) -> f64 {
        match self.0 {
            Kind::Frequency { sample_rate_hz } => sample_rate_hz / TAU,
            Kind::Delay { step_hz } => 1.0 / (TAU * step_hz),
            Kind::Direction { spacing_wavelengths } => {
                1.0 / (TAU * spacing_wavelengths * self.value(angle).cos())
            }
        }
    }

    /// The length of the unambiguous interval: fₛ, 1/Δf, π.
    #[must_use]
    pub fn extent(&self) -> f64 {
        match self.0 {
            Kind::Frequency { sample_rate_hz } => sample_rate_hz,
            Kind::Delay { step_hz } => 1.0 / step_hz,
            Kind::Direction { .. } => std::f64::consts::PI,
        }
    }

    /// Whether ω stands for a value at all.
    pub(super) fn has(&self, angle: f64) -> bool {
        self.value(angle).is_finite()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_comes_back_from_its_angle(part in -0.499_f64..0.499, turns in -3_i32..4) {
            let shift = f64::from(turns) * TAU;
            let frequency = Axis::frequency(48_000.0).unwrap();
            let f = part * 48_000.0;
            prop_assert!((frequency.value(frequency.angle(f) + shift) - f).abs() < 1e-9);
            let delay = Axis::delay(1e6).unwrap();
            let tau = (part + 0.5) * 1e-6;
            prop_assert!((delay.value(delay.angle(tau) + shift) - tau).abs() < 1e-20);
            let direction = Axis::direction(0.5).unwrap();
            let theta = part * 3.0;
            prop_assert!((direction.value(direction.angle(theta) + shift) - theta).abs() < 1e-9);
        }

        #[test]
        fn the_slope_is_the_derivative(part in 0.05_f64..0.45) {
            for axis in [Axis::frequency(8.0), Axis::delay(0.125), Axis::direction(0.4)] {
                let axis = axis.unwrap();
                let at = axis.angle(part * axis.extent() * 0.9);
                let step = 1e-6;
                let quotient = (axis.value(at + step) - axis.value(at - step)) / (2.0 * step);
                // The third derivative of asin within these bounds is below 100.
                let bound = 1e-10 * axis.slope(at).max(1.0) + 1e-9;
                prop_assert!((quotient.abs() - axis.slope(at)).abs() < 100.0 * bound);
            }
        }
    }

    #[test]
    fn what_has_no_unambiguous_axis_is_refused() {
        let text = |axis: Result<Axis>| axis.unwrap_err().to_string();
        assert_eq!(
            text(Axis::frequency(-1.0)),
            "sample_rate_hz is -1, expected a finite number greater than 0"
        );
        assert_eq!(
            text(Axis::delay(f64::NAN)),
            "step_hz is NaN, expected a finite number greater than 0"
        );
        assert!(
            text(Axis::delay(1e-310)).ends_with(", expected a number whose reciprocal is finite")
        );
        assert_eq!(
            text(Axis::direction(0.6)),
            "spacing_wavelengths is 0.6, expected at most 0.5, or two directions look the same"
        );
        assert!(Axis::direction(0.25).unwrap().value(3.0).is_nan(), "beyond endfire");
    }
}
