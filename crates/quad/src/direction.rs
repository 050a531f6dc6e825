//! A point of the unit sphere.

use crate::{Error, Result};

/// A unit vector, with its colatitude θ and azimuth φ.
///
/// θ is measured from the north pole (the z axis), φ from the x axis towards the y axis, both in
/// radians: x = sin θ cos φ, y = sin θ sin φ, z = cos θ.
///
/// # Examples
/// ```
/// use quad::Direction;
/// let east = Direction::from_angles(std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2)?;
/// assert!((east.y() - 1.0).abs() < 1e-15);
/// let same = Direction::from_vector([0.0, 3.0, 0.0])?;
/// assert!((east.dot(&same) - 1.0).abs() < 1e-15);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction {
    vector: [f64; 3],
    theta: f64,
    phi: f64,
    sine: f64,
}

impl Direction {
    /// The direction with colatitude `theta` in [0, π] and azimuth `phi`, both in radians.
    ///
    /// # Errors
    /// [`Error::AngleNotFinite`], or [`Error::AngleOutOfRange`] for a colatitude outside [0, π].
    pub fn from_angles(theta: f64, phi: f64) -> Result<Self> {
        for (axis, value) in [("colatitude", theta), ("azimuth", phi)] {
            if !value.is_finite() {
                return Err(Error::AngleNotFinite { axis, index: 0, value });
            }
        }
        if !(0.0..=std::f64::consts::PI).contains(&theta) {
            return Err(Error::AngleOutOfRange {
                axis: "colatitude",
                index: 0,
                value: theta,
                lowest: 0.0,
                highest: std::f64::consts::PI,
                unit: "radians",
            });
        }
        let (sine, cosine) = theta.sin_cos();
        Ok(Self::from_parts(theta, sine, cosine, phi))
    }

    /// The direction of `vector`, of whatever length.
    ///
    /// # Errors
    /// [`Error::NoDirection`] where a component is not finite or all are zero.
    pub fn from_vector(vector: [f64; 3]) -> Result<Self> {
        let [x, y, z] = vector;
        // Scaled first, so that squares neither overflow nor vanish.
        let scale = x.abs().max(y.abs()).max(z.abs());
        if !(scale > 0.0 && vector.iter().all(|component| component.is_finite())) {
            return Err(Error::NoDirection { x, y, z });
        }
        Ok(Self::from_nonzero(vector.map(|component| component / scale)))
    }

    /// Of a vector whose length is known to be neither huge nor tiny.
    pub(crate) fn from_nonzero([x, y, z]: [f64; 3]) -> Self {
        let across = x.hypot(y);
        let length = across.hypot(z);
        Self {
            vector: [x / length, y / length, z / length],
            theta: across.atan2(z),
            phi: y.atan2(x),
            sine: across / length,
        }
    }

    /// From a colatitude whose sine and cosine are known better than its rounded value says.
    pub(crate) fn from_parts(theta: f64, sine: f64, cosine: f64, phi: f64) -> Self {
        let (phi_sine, phi_cosine) = phi.sin_cos();
        Self { vector: [sine * phi_cosine, sine * phi_sine, cosine], theta, phi, sine }
    }

    /// The unit vector [x, y, z].
    #[must_use]
    pub fn vector(&self) -> [f64; 3] {
        self.vector
    }

    /// sin θ cos φ.
    #[must_use]
    pub fn x(&self) -> f64 {
        self.vector[0]
    }

    /// sin θ sin φ.
    #[must_use]
    pub fn y(&self) -> f64 {
        self.vector[1]
    }

    /// cos θ.
    #[must_use]
    pub fn z(&self) -> f64 {
        self.vector[2]
    }

    /// Colatitude θ in radians.
    #[must_use]
    pub fn theta(&self) -> f64 {
        self.theta
    }

    /// sin θ, to full relative precision next to the poles too.
    #[must_use]
    pub fn sin_theta(&self) -> f64 {
        self.sine
    }

    /// Azimuth φ in radians, as it was given (or in (−π, π] from a vector).
    #[must_use]
    pub fn phi(&self) -> f64 {
        self.phi
    }

    /// The cosine of the angle between two directions.
    #[must_use]
    pub fn dot(&self, other: &Self) -> f64 {
        let ([a, b, c], [x, y, z]) = (self.vector, other.vector);
        a * x + b * y + c * z
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn angles_and_vector_tell_the_same(
            theta in 0.0..std::f64::consts::PI,
            phi in -3.0..3.0f64,
            length in 1e-300..1e300f64,
        ) {
            let direction = Direction::from_angles(theta, phi).unwrap();
            let scaled = direction.vector().map(|component| component * length);
            let back = Direction::from_vector(scaled).unwrap();
            prop_assert!((back.theta() - theta).abs() <= 4.0 * f64::EPSILON);
            prop_assert!((back.dot(&direction) - 1.0).abs() <= 4.0 * f64::EPSILON);
            prop_assert!((back.sin_theta() - theta.sin()).abs() <= 2.0 * f64::EPSILON);
        }
    }

    #[test]
    fn sin_theta_keeps_its_digits_next_to_the_pole() {
        let direction = Direction::from_vector([3e-9, 4e-9, 1.0]).unwrap();
        assert!((direction.sin_theta() / 5e-9 - 1.0).abs() < 1e-15);
        assert!((direction.theta() / 5e-9 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn what_has_no_direction_is_refused() {
        for (vector, text) in [
            ([0.0; 3], "[0, 0, 0] has no direction: expected finite components, not all zero"),
            (
                [0.0, f64::NAN, 1.0],
                "[0, NaN, 1] has no direction: expected finite components, not all zero",
            ),
        ] {
            assert_eq!(Direction::from_vector(vector).unwrap_err().to_string(), text);
        }
        assert!(Direction::from_vector([0.0, f64::INFINITY, 1.0]).is_err());
    }

    #[test]
    fn angles_off_the_sphere_are_refused() {
        assert_eq!(
            Direction::from_angles(90.0, 0.0).unwrap_err().to_string(),
            "colatitude[0] is 90, expected 0 to 3.141592653589793 radians"
        );
        assert_eq!(
            Direction::from_angles(1.0, f64::NAN).unwrap_err().to_string(),
            "azimuth[0] is NaN, and every angle must be finite"
        );
    }
}
