//! Trajectories as weighted sums of normalized Gaussian bases.

use crate::check;
use crate::{Error, Result};

/// Normalized radial bases under an envelope that lets a movement start at rest.
///
/// A joint's trajectory of duration T is linear in its weights w:
///
/// ```text
/// q(t) = q₀ + Σₖ φₖ(t) wₖ,   φₖ = s(z) gₖ(z) / Σₘ gₘ(z),   z = t/T,
/// gₖ(z) = exp(−((z − k/(K − 1))/width)²/2),   k = 0 … K − 1,
/// s(z) = x³ (10 − 15 x + 6 x²),   x = min(z/rise, 1).
/// ```
///
/// So ∂q(t)/∂wₖ is φₖ(t), and ∂q̇(t)/∂wₖ its time derivative, whatever the weights. The envelope s
/// and its first two derivatives vanish at 0: the movement leaves q₀ without a jerk of the velocity or
/// the acceleration. The φₖ sum to s, so that equal weights are a move by that much.
///
/// # Examples
/// ```
/// use rl_pg::RadialBases;
/// let bases = RadialBases::new(0.8, 5, 0.15, 0.3)?;
/// assert_eq!(bases.duration(), 0.8);
/// let mut jets = [[0.0; 3]; 5];
/// bases.jets(0.2, &mut jets)?; // value, velocity and acceleration of each
/// assert!((jets[1][0] - 0.6419025828577154).abs() < 1e-15);
/// // From the third part on the envelope is 1, and equal weights are a constant.
/// bases.jets(0.5, &mut jets)?;
/// let sum = |order: usize| jets.iter().map(|jet| jet[order]).sum::<f64>();
/// assert!((sum(0) - 1.0).abs() < 1e-15 && sum(1).abs() < 1e-14);
/// # Ok::<(), rl_pg::Error>(())
/// ```
///
/// # References
/// A. Paraschos, C. Daniel, J. Peters and G. Neumann, "Probabilistic movement primitives", NIPS 2013,
/// equation 4 (the bases); T. Flash and N. Hogan, "The coordination of arm movements", Journal of
/// Neuroscience 5, 1985 (the envelope: of least jerk between two points at rest).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RadialBases {
    duration: f64,
    count: usize,
    width: f64,
    rise: f64,
}

impl RadialBases {
    /// `count` bases over `duration` seconds; their `width` and the envelope's `rise` are parts of the
    /// duration. A width of 0.6/(`count` − 1) lets neighbors overlap well.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a duration or a width that is not positive and finite, a rise outside
    /// (0, 1], or fewer than two bases.
    pub fn new(duration: f64, count: usize, width: f64, rise: f64) -> Result<Self> {
        for (argument, value) in [("duration", duration), ("width", width)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::OutOfRange { argument, value, expected: "positive and finite" });
            }
        }
        if !(rise > 0.0 && rise <= 1.0) {
            let expected = "above 0 and at most 1";
            return Err(Error::OutOfRange { argument: "rise", value: rise, expected });
        }
        if count < 2 {
            let (value, expected) = (count as f64, "at least 2");
            return Err(Error::OutOfRange { argument: "count", value, expected });
        }
        Ok(Self::unchecked(duration, count, width, rise))
    }

    /// As [`Self::new`], of numbers known to be right.
    pub(crate) const fn unchecked(duration: f64, count: usize, width: f64, rise: f64) -> Self {
        Self { duration, count, width, rise }
    }

    /// The number of bases, which is that of a joint's weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The duration T in seconds.
    #[must_use]
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// Writes [φₖ, φ̇ₖ, φ̈ₖ] at the time `t`, for every k.
    ///
    /// # Errors
    /// [`Error::Length`] unless `jets` has an entry for each basis; [`Error::OutOfRange`] for a time
    /// before 0 or after the end.
    pub fn jets(&self, t: f64, jets: &mut [[f64; 3]]) -> Result<()> {
        if jets.len() != self.count {
            let (got, expected) = (jets.len(), self.count);
            return Err(Error::Length { argument: "jets", got, expected });
        }
        if !(t >= 0.0 && t <= self.duration) {
            let expected = "from 0 to the duration";
            return Err(Error::OutOfRange { argument: "t", value: t, expected });
        }
        self.write_jets(t, jets);
        Ok(())
    }

    /// [q, q̇, q̈] at the time `t` of a joint that starts at q₀ = `start`.
    ///
    /// # Errors
    /// As [`Self::jets`], with [`Error::Length`] unless there is a weight for each basis, and
    /// [`Error::NotFinite`] for a weight or a start that is no number.
    ///
    /// # Examples
    /// ```
    /// let bases = rl_pg::RadialBases::new(0.8, 5, 0.15, 0.3)?;
    /// let [angle, rate, _] = bases.motion(-0.5, &[1.0; 5], 0.8)?;
    /// assert!((angle - 0.5).abs() < 1e-15 && rate.abs() < 1e-14);
    /// # Ok::<(), rl_pg::Error>(())
    /// ```
    pub fn motion(&self, start: f64, weights: &[f64], t: f64) -> Result<[f64; 3]> {
        check::numbers("start", &[start], 1)?;
        check::numbers("weights", weights, self.count)?;
        let mut jets = vec![[0.0; 3]; self.count];
        self.jets(t, &mut jets)?;
        let mut motion = [start, 0.0, 0.0];
        for (jet, weight) in jets.iter().zip(weights) {
            for (sum, entry) in motion.iter_mut().zip(jet) {
                *sum += entry * weight;
            }
        }
        Ok(motion)
    }

    /// As [`Self::jets`], unchecked.
    pub(crate) fn write_jets(&self, t: f64, jets: &mut [[f64; 3]]) {
        let z = t / self.duration;
        let spacing = 1.0 / (self.count - 1) as f64;
        // gₖ, and gₖ′/gₖ. The nearest center's exponent is taken from all, so that not every g
        // underflows where the bases are narrow.
        let nearest = (z / spacing).round().min((self.count - 1) as f64);
        let exponent = |k: f64| ((z - k * spacing) / self.width).powi(2) / 2.0;
        let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
        for (k, jet) in jets.iter_mut().enumerate() {
            let g = (exponent(nearest) - exponent(k as f64)).exp();
            let slope = -(z - k as f64 * spacing) / (self.width * self.width);
            *jet = [g, slope, 0.0];
            sum += g;
            mean += g * slope;
            square += g * slope * slope;
        }
        mean /= sum;
        let variance = square / sum - mean * mean;
        let x = (z / self.rise).min(1.0);
        let y = 1.0 - x;
        let s = [
            x * x * x * (10.0 - 15.0 * x + 6.0 * x * x),
            30.0 * x * x * y * y / self.rise,
            60.0 * x * y * (y - x) / (self.rise * self.rise),
        ];
        let rate = 1.0 / self.duration;
        for jet in jets {
            let (psi, slope) = (jet[0] / sum, jet[1] - mean);
            let [psi, psi1, psi2] = [psi, psi * slope, psi * (slope * slope - variance)];
            *jet = [
                s[0] * psi,
                (s[1] * psi + s[0] * psi1) * rate,
                (s[2] * psi + 2.0 * s[1] * psi1 + s[0] * psi2) * rate * rate,
            ];
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "0 and 1, which are exact at rest and far from a neighbor")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jets(bases: &RadialBases, t: f64) -> Vec<[f64; 3]> {
        let mut jets = vec![[0.0; 3]; bases.count()];
        bases.jets(t, &mut jets).unwrap();
        jets
    }

    #[test]
    fn the_values_are_those_of_the_definition() {
        // By NumPy from the formulas of `RadialBases`: T = 0.8, five bases, t = 0.2.
        let printed = [
            0.1600598268554227,
            0.6419025828577154,
            0.1600598268554227,
            2.481544122649e-3,
            2.392148296572e-6,
        ];
        let found = jets(&RadialBases::new(0.8, 5, 0.15, 0.3).unwrap(), 0.2);
        for (jet, expected) in found.iter().zip(printed) {
            assert!((jet[0] - expected).abs() < 1e-15, "{} {expected}", jet[0]);
        }
    }

    proptest! {
        #[test]
        fn velocity_and_acceleration_are_the_derivatives(
            count in 2usize..8,
            width in 0.05..0.5f64,
            rise in 0.1..1.0f64,
            z in 0.001..0.999f64,
        ) {
            let bases = RadialBases::new(0.8, count, width, rise).unwrap();
            // The envelope's third derivative jumps where it reaches 1.
            prop_assume!((z - rise).abs() > 1e-4);
            let (t, h) = (0.8 * z, 1e-6);
            let (below, here, above) = (jets(&bases, t - h), jets(&bases, t), jets(&bases, t + h));
            // Scales of the derivatives: a basis or the envelope changes by 1 over its width.
            let scale = 1.0 / (0.8 * width.min(rise));
            for k in 0..count {
                for order in 0..2 {
                    let slope = (above[k][order] - below[k][order]) / (2.0 * h);
                    let off = (slope - here[k][order + 1]).abs();
                    // h² f‴/6, with f‴ up to a few hundred scale³, and rounding of eps f/h.
                    let scale = scale.powi(i32::try_from(order).unwrap());
                    let allowed = scale * (100.0 * (h / (0.8 * width.min(rise))).powi(2) / h + 1e-8);
                    prop_assert!(off <= allowed, "{k} {order}: {off:e} {allowed:e}");
                }
            }
        }
    }

    #[test]
    fn a_movement_starts_at_rest() {
        for jet in jets(&RadialBases::new(2.0, 4, 0.2, 0.5).unwrap(), 0.0) {
            assert_eq!(jet, [0.0; 3]);
        }
    }

    #[test]
    fn narrow_bases_do_not_underflow_together() {
        // Between centers 500 widths apart the nearer one takes all.
        let bases = RadialBases::new(1.0, 2, 0.002, 0.1).unwrap();
        assert_eq!(jets(&bases, 0.4)[0][0], 1.0);
        assert_eq!(jets(&bases, 0.6)[1], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn bad_input_is_named() {
        let bases = RadialBases::new(0.8, 5, 0.15, 0.3).unwrap();
        let mut five = [[0.0; 3]; 5];
        for (error, text) in [
            (
                RadialBases::new(0.0, 5, 0.15, 0.3).unwrap_err(),
                "duration is 0, and must be positive and finite",
            ),
            (
                RadialBases::new(0.8, 5, f64::NAN, 0.3).unwrap_err(),
                "width is NaN, and must be positive and finite",
            ),
            (
                RadialBases::new(0.8, 5, 0.15, 1.5).unwrap_err(),
                "rise is 1.5, and must be above 0 and at most 1",
            ),
            (
                RadialBases::new(0.8, 1, 0.15, 0.3).unwrap_err(),
                "count is 1, and must be at least 2",
            ),
            (
                bases.jets(0.9, &mut five).unwrap_err(),
                "t is 0.9, and must be from 0 to the duration",
            ),
            (bases.jets(0.1, &mut five[..4]).unwrap_err(), "jets has 4 entries, expected 5"),
            (bases.motion(0.0, &[0.0; 4], 0.1).unwrap_err(), "weights has 4 entries, expected 5"),
            (
                bases.motion(f64::NAN, &[0.0; 5], 0.1).unwrap_err(),
                "start[0] is NaN, and every entry must be finite",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
