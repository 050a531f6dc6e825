//! The two axes of a grid of samples, and what kind of grid they make.

use std::f64::consts::{PI, TAU};

use crate::rings;
use crate::{Error, Result};

/// How the rings of a grid lie between the poles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingKind {
    /// θ = iπ/n, i = 0..=n: equal steps from pole to pole, as `linspace(0, pi, n + 1)` makes them.
    /// Both end rows are a single point repeated.
    Vertices,
    /// θ = (i + ½)π/n, i = 0..n: the centers of n equal cells; no ring at a pole.
    Cells,
    /// cos θ are the Gauss-Legendre nodes.
    Gauss,
}

/// Where the columns of a grid end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// The last column is one step before the first: φ = 0, 2π/n, .., 2π − 2π/n.
    Open,
    /// The last column is the first again, 2π later, as `linspace(0, 2*pi, n)` makes it.
    Repeated,
}

/// An angle may be off by this part of a step: enough for axes kept in `f32` or printed with six
/// decimals, too little to matter beside what such samples are worth.
const SLACK: f64 = 1e-4;

/// The colatitudes of a grid's rings, and the kind of axis that they are.
///
/// θ = 0 is the north pole, θ = π the south pole. Latitudes are 90° minus these.
///
/// # Examples
/// ```
/// use quad::{Colatitudes, RingKind};
/// let theta: Vec<f64> = (0..181).map(f64::from).collect();
/// let rings = Colatitudes::from_degrees(&theta)?;
/// assert_eq!(rings.kind(), RingKind::Vertices);
/// // Degrees passed for radians are not taken for an odd grid:
/// let error = Colatitudes::from_radians(&theta).unwrap_err();
/// assert_eq!(error.to_string(), "colatitude[4] is 4, expected 0 to 3.141592653589793 radians");
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colatitudes {
    kind: RingKind,
    count: usize,
}

impl Colatitudes {
    /// From colatitudes in radians, increasing from north to south.
    ///
    /// # Errors
    /// [`Error::Count`] below two rings; [`Error::AngleNotFinite`], [`Error::NotIncreasing`],
    /// [`Error::AngleOutOfRange`] outside [0, π], each with its index; [`Error::UnknownAxis`] for
    /// rings of no known [`RingKind`], naming the ring that is farthest off.
    pub fn from_radians(theta: &[f64]) -> Result<Self> {
        Self::new(theta, Unit::RADIANS)
    }

    /// From colatitudes in degrees, increasing from north to south.
    ///
    /// # Errors
    /// As [`Self::from_radians`], with 180 in place of π.
    pub fn from_degrees(theta: &[f64]) -> Result<Self> {
        Self::new(theta, Unit::DEGREES)
    }

    fn new(theta: &[f64], unit: Unit) -> Result<Self> {
        const AXIS: &str = "colatitude";
        check_increasing(AXIS, theta, 2)?;
        let n = theta.len();
        let slack = SLACK * unit.half_turn / rings::real(n);
        if let Some(index) =
            position(theta, |value| value < -slack || value > unit.half_turn + slack)
        {
            return Err(Error::AngleOutOfRange {
                axis: AXIS,
                index,
                value: theta[index],
                lowest: 0.0,
                highest: unit.half_turn,
                unit: unit.name,
            });
        }
        let mut nearest = (f64::INFINITY, RingKind::Vertices, 0, 0.0);
        for kind in [RingKind::Vertices, RingKind::Cells, RingKind::Gauss] {
            let expected: Vec<f64> = rings::positions(kind, n)?
                .iter()
                .map(|ring| ring.theta * (unit.half_turn / PI))
                .collect();
            let (index, off) = farthest(theta, &expected);
            if off < nearest.0 {
                nearest = (off, kind, index, expected[index]);
            }
        }
        let (off, kind, index, expected) = nearest;
        if off <= slack {
            return Ok(Self { kind, count: n });
        }
        let kind = match kind {
            RingKind::Vertices => "equal steps from pole to pole",
            RingKind::Cells => "centers of equal cells",
            RingKind::Gauss => "Gauss-Legendre rings",
        };
        Err(Error::UnknownAxis { axis: AXIS, index, value: theta[index], expected, kind })
    }

    /// How the rings lie.
    #[must_use]
    pub fn kind(&self) -> RingKind {
        self.kind
    }

    /// The number of rings.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an axis has at least two rings")]
    pub fn len(&self) -> usize {
        self.count
    }
}

/// The azimuths of a grid's columns: equal steps around one full turn, from wherever they start.
///
/// # Examples
/// ```
/// use quad::{Azimuths, Seam};
/// let phi: Vec<f64> = (0..400).map(|j| 360.0 * f64::from(j) / 399.0).collect();
/// assert_eq!(Azimuths::from_degrees(&phi)?.seam(), Seam::Repeated);
/// assert_eq!(Azimuths::from_degrees(&phi[..399])?.seam(), Seam::Open);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Azimuths {
    first: f64,
    count: usize,
    seam: Seam,
}

impl Azimuths {
    /// From azimuths in radians, increasing.
    ///
    /// # Errors
    /// [`Error::Count`] below three columns; [`Error::AngleNotFinite`], [`Error::NotIncreasing`],
    /// [`Error::AngleOutOfRange`] beyond a full turn from the first, each with its index;
    /// [`Error::UnknownAxis`] where the columns are not equally spaced around a full turn.
    pub fn from_radians(phi: &[f64]) -> Result<Self> {
        Self::new(phi, Unit::RADIANS)
    }

    /// From azimuths in degrees, increasing.
    ///
    /// # Errors
    /// As [`Self::from_radians`].
    pub fn from_degrees(phi: &[f64]) -> Result<Self> {
        Self::new(phi, Unit::DEGREES)
    }

    fn new(phi: &[f64], unit: Unit) -> Result<Self> {
        const AXIS: &str = "azimuth";
        check_increasing(AXIS, phi, 3)?;
        let (n, first, turn) = (phi.len(), phi[0], 2.0 * unit.half_turn);
        let slack = SLACK * turn / rings::real(n);
        if let Some(index) = position(phi, |value| value > first + turn + slack) {
            return Err(Error::AngleOutOfRange {
                axis: AXIS,
                index,
                value: phi[index],
                lowest: first,
                highest: first + turn,
                unit: unit.name,
            });
        }
        // The last column decides between the two: it is nearer to one full turn or to one step
        // less.
        let open_end = first + turn * rings::real(n - 1) / rings::real(n);
        let repeated = (phi[n - 1] - first - turn).abs() < (phi[n - 1] - open_end).abs();
        let seam = if repeated { Seam::Repeated } else { Seam::Open };
        let steps = rings::real(seam.distinct(n));
        let expected: Vec<f64> = (0..n).map(|j| first + turn * rings::real(j) / steps).collect();
        let (index, off) = farthest(phi, &expected);
        if off <= slack {
            return Ok(Self { first: first * (PI / unit.half_turn), count: n, seam });
        }
        Err(Error::UnknownAxis {
            axis: AXIS,
            index,
            value: phi[index],
            expected: expected[index],
            kind: match seam {
                Seam::Open => "equal steps around a full turn",
                Seam::Repeated => "equal steps around a full turn with the first column repeated",
            },
        })
    }

    /// `count` columns from φ = 0, none repeated.
    pub(crate) fn open(count: usize) -> Self {
        Self { first: 0.0, count, seam: Seam::Open }
    }

    /// Where the columns end.
    #[must_use]
    pub fn seam(&self) -> Seam {
        self.seam
    }

    /// The number of columns, a repeated one included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an axis has at least one column")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// The columns' azimuths in radians.
    pub(crate) fn radians(&self) -> impl Iterator<Item = f64> + '_ {
        let steps = rings::real(self.seam.distinct(self.count));
        (0..self.count).map(move |j| self.first + TAU * rings::real(j) / steps)
    }
}

impl Seam {
    /// How many of `columns` are different.
    pub(crate) fn distinct(self, columns: usize) -> usize {
        match self {
            Self::Open => columns,
            Self::Repeated => columns - 1,
        }
    }
}

/// The unit in which an axis was given.
#[derive(Debug, Clone, Copy)]
struct Unit {
    name: &'static str,
    half_turn: f64,
}

impl Unit {
    const RADIANS: Self = Self { name: "radians", half_turn: PI };
    const DEGREES: Self = Self { name: "degrees", half_turn: 180.0 };
}

fn check_increasing(axis: &'static str, angles: &[f64], lowest: usize) -> Result<()> {
    if angles.len() < lowest {
        return Err(Error::Count {
            argument: axis,
            value: angles.len(),
            lowest,
            highest: crate::GaussLegendre::MAX_NODES,
        });
    }
    if let Some(index) = position(angles, |value| !value.is_finite()) {
        return Err(Error::AngleNotFinite { axis, index, value: angles[index] });
    }
    if let Some(index) = (1..angles.len()).find(|&index| angles[index] <= angles[index - 1]) {
        let (value, previous) = (angles[index], angles[index - 1]);
        return Err(Error::NotIncreasing { axis, index, value, previous });
    }
    Ok(())
}

fn position(angles: &[f64], test: impl Fn(f64) -> bool) -> Option<usize> {
    angles.iter().position(|&value| test(value))
}

/// Index and size of the largest difference.
fn farthest(found: &[f64], expected: &[f64]) -> (usize, f64) {
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .enumerate()
        .fold((0, 0.0), |worst, (index, off)| if off > worst.1 { (index, off) } else { worst })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GaussLegendre;

    fn linspace(first: f64, last: f64, n: usize) -> Vec<f64> {
        (0..n).map(|i| first + (last - first) * i as f64 / (n - 1) as f64).collect()
    }

    #[test]
    fn the_kind_of_rings_is_seen() {
        for n in [2, 3, 64, 199, 200] {
            let step = PI / n as f64;
            let cells = linspace(0.5 * step, PI - 0.5 * step, n);
            let gauss = GaussLegendre::new(n).unwrap();
            for (theta, kind) in [
                (&linspace(0.0, PI, n)[..], RingKind::Vertices),
                (&cells, RingKind::Cells),
                (gauss.colatitudes(), RingKind::Gauss),
            ] {
                let rings = Colatitudes::from_radians(theta).unwrap();
                assert_eq!((rings.kind(), rings.len()), (kind, n));
            }
        }
    }

    #[test]
    fn axes_of_few_digits_are_known_all_the_same() {
        let theta: Vec<f64> =
            linspace(0.0, PI, 200).iter().map(|x| (x * 1e6).round() / 1e6).collect();
        assert_eq!(Colatitudes::from_radians(&theta).unwrap().kind(), RingKind::Vertices);
        // 24 bits, as an axis that went through `f32` has.
        let single: Vec<f64> = linspace(-PI, PI, 400)
            .iter()
            .map(|x| (x * 2f64.powi(22)).round() / 2f64.powi(22))
            .collect();
        assert_eq!(Azimuths::from_radians(&single).unwrap().seam(), Seam::Repeated);
    }

    #[test]
    fn a_turn_may_start_anywhere() {
        for first in [-180.0, 0.0, 90.0] {
            let phi = linspace(first, first + 360.0, 37);
            assert_eq!(Azimuths::from_degrees(&phi).unwrap().seam(), Seam::Repeated);
            let open = Azimuths::from_degrees(&phi[..36]).unwrap();
            assert_eq!(open.seam(), Seam::Open);
            let start = open.radians().next().unwrap();
            assert!((start - first.to_radians()).abs() < 1e-15);
        }
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn bad_axes_are_refused_by_index() {
        let mut theta = linspace(0.0, 180.0, 19);
        theta[7] = theta[6];
        assert_eq!(
            message(Colatitudes::from_degrees(&theta)),
            "colatitude[7] is 60 after 60, and an axis must increase"
        );
        theta[7] = f64::NAN;
        assert_eq!(
            message(Colatitudes::from_degrees(&theta)),
            "colatitude[7] is NaN, and every angle must be finite"
        );
        theta[7] = 70.5;
        assert_eq!(
            message(Colatitudes::from_degrees(&theta)),
            "colatitude[7] is 70.5, expected 70 for equal steps from pole to pole, the nearest \
             kind of axis that is known"
        );
        assert_eq!(
            message(Colatitudes::from_degrees(&linspace(-90.0, 90.0, 19))),
            "colatitude[0] is -90, expected 0 to 180 degrees"
        );
        assert_eq!(
            message(Colatitudes::from_degrees(&[90.0])),
            "colatitude is 1, expected 2 to 100000000"
        );
        assert_eq!(
            message(Azimuths::from_radians(&linspace(0.0, 360.0, 37))),
            "azimuth[1] is 10, expected 0 to 6.283185307179586 radians"
        );
        let message = message(Azimuths::from_degrees(&linspace(0.0, 180.0, 19)));
        assert!(message.starts_with("azimuth[18] is 180, expected 341.05263"), "{message}");
    }
}
