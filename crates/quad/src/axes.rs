//! The two axes of a grid of samples, and what kind of grid they make.

use std::f64::consts::{PI, TAU};

use crate::equispaced::Equispaced;
use crate::rings::real;
use crate::{Error, GaussLegendre, Result};

/// How the rings of a grid lie between the poles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingKind {
    /// θ = iπ/n, i = 0..=n: equal steps from pole to pole, as `linspace(0, pi, n + 1)` makes them.
    /// Both end rows are a single point repeated. The nodes of Clenshaw and Curtis.
    Vertices,
    /// θ = (i + ½)π/n, i = 0..n: the centers of n equal cells; no ring at a pole. The nodes of
    /// Fejér's first rule.
    Cells,
    /// θ = iπ/n, i = 1..n: equal steps without the poles. The nodes of Fejér's second rule.
    Interior,
    /// θ = iπ/n, i = 0..n: equal steps from the north pole, without the south pole. The grid of
    /// Driscoll and Healy.
    NorthPole,
    /// cos θ are the Gauss-Legendre nodes.
    Gauss,
    /// Anything else that leaves no wide gap.
    Free,
}

impl RingKind {
    /// The kind in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Vertices => "equal steps from pole to pole",
            Self::Cells => "centers of equal cells",
            Self::Interior => "equal steps without the poles",
            Self::NorthPole => "equal steps from the north pole, without the south pole",
            Self::Gauss => "Gauss-Legendre rings",
            Self::Free => "unequal steps",
        }
    }
}

/// From which pole the rings are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingOrder {
    /// Colatitude increases with the index.
    NorthFirst,
    /// Latitude increases with the index.
    SouthFirst,
}

/// Where the columns of a grid end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// The last column is one step before the first: φ = 0, 2π/n, .., 2π − 2π/n.
    Open,
    /// The last column is the first again, 2π later, as `linspace(0, 2*pi, n)` makes it.
    Repeated,
}

/// How the columns of a grid lie around the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Equal steps around one full turn.
    Equal,
    /// Anything else that leaves no wide gap.
    Free,
}

/// An angle may be off by this part of a step: enough for axes kept in `f32` or printed with six
/// decimals, too little to matter beside what such samples are worth.
const SLACK: f64 = 1e-4;

/// A gap of more mean steps than this is a part of the sphere without samples.
const WIDEST: f64 = 4.0;

/// The colatitudes of a grid's rings, and the kind of axis that they are.
///
/// θ = 0 is the north pole, θ = π the south pole. A latitude is 90° − θ and has constructors of its
/// own, so the two cannot be taken for each other, and a name says degrees or radians.
///
/// # Examples
/// ```
/// use quad::{Colatitudes, RingKind, RingOrder};
/// let theta: Vec<f64> = (0..181).map(f64::from).collect();
/// let rings = Colatitudes::from_degrees(&theta)?;
/// assert_eq!(rings.kind(), RingKind::Vertices);
/// // Degrees passed for radians are not taken for an odd grid:
/// let error = Colatitudes::from_radians(&theta).unwrap_err();
/// assert_eq!(error.to_string(), "colatitude[4] is 4, expected 0 to 3.141592653589793 radians");
/// // Latitudes at the centers of half-degree cells, from the south:
/// let latitude: Vec<f64> = (0..360).map(|i| -89.75 + 0.5 * f64::from(i)).collect();
/// let rings = Colatitudes::from_latitudes_degrees(&latitude)?;
/// assert_eq!((rings.kind(), rings.order()), (RingKind::Cells, RingOrder::SouthFirst));
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Colatitudes {
    kind: RingKind,
    order: RingOrder,
    count: usize,
    /// In radians from the north; empty unless `kind` is `Free`.
    angles: Vec<f64>,
}

impl Colatitudes {
    /// From colatitudes in radians, increasing from north to south.
    ///
    /// # Errors
    /// [`Error::Count`] below two rings; [`Error::AngleNotFinite`], [`Error::NotIncreasing`],
    /// [`Error::AngleOutOfRange`] outside [0, π], each with its index; [`Error::Gap`] where a part
    /// of the sphere has no rings.
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

    /// From latitudes in radians, from π/2 at the north pole to −π/2 or the other way.
    ///
    /// Samples lie in the order of the axis: from the south where latitude increases.
    ///
    /// # Errors
    /// As [`Self::from_radians`], with −π/2 to π/2 in place of 0 to π.
    pub fn from_latitudes_radians(latitude: &[f64]) -> Result<Self> {
        Self::from_latitudes(latitude, Unit::RADIANS)
    }

    /// From latitudes in degrees, from 90 at the north pole to −90 or the other way.
    ///
    /// # Errors
    /// As [`Self::from_radians`], with −90 to 90 in place of 0 to π.
    pub fn from_latitudes_degrees(latitude: &[f64]) -> Result<Self> {
        Self::from_latitudes(latitude, Unit::DEGREES)
    }

    fn from_latitudes(latitude: &[f64], unit: Unit) -> Result<Self> {
        const AXIS: &str = "latitude";
        let quarter = 0.5 * unit.half_turn;
        let south_first = latitude.first() < latitude.last();
        if south_first {
            check(AXIS, latitude, 2, Direction::Up)?;
        } else {
            check(AXIS, latitude, 2, Direction::Down)?;
        }
        let slack = SLACK * unit.half_turn / real(latitude.len());
        check_range(AXIS, latitude, (-quarter, quarter), slack, unit)?;
        let mut theta: Vec<f64> = latitude.iter().map(|latitude| quarter - latitude).collect();
        if south_first {
            theta.reverse();
        }
        let rings = Self::new(&theta, unit)?;
        let order = if south_first { RingOrder::SouthFirst } else { RingOrder::NorthFirst };
        // Counted from the other pole, a grid with one pole is of no known kind.
        if south_first && rings.kind == RingKind::NorthPole {
            let angles = theta.iter().map(|theta| theta * (PI / unit.half_turn)).collect();
            return Ok(Self { kind: RingKind::Free, order, count: rings.count, angles });
        }
        Ok(Self { order, ..rings })
    }

    fn new(theta: &[f64], unit: Unit) -> Result<Self> {
        const AXIS: &str = "colatitude";
        check(AXIS, theta, 2, Direction::Up)?;
        let n = theta.len();
        let slack = SLACK * unit.half_turn / real(n);
        check_range(AXIS, theta, (0.0, unit.half_turn), slack, unit)?;
        let order = RingOrder::NorthFirst;
        for kind in [RingKind::Vertices, RingKind::Cells, RingKind::Interior, RingKind::NorthPole] {
            let expected = Equispaced::of(kind, n).map(Equispaced::rings).unwrap_or_default();
            let off = farthest(theta, expected.iter().map(|ring| ring.theta), unit);
            if off <= slack {
                return Ok(Self { kind, order, count: n, angles: Vec::new() });
            }
        }
        if farthest(theta, GaussLegendre::new(n)?.colatitudes().iter().copied(), unit) <= slack {
            return Ok(Self { kind: RingKind::Gauss, order, count: n, angles: Vec::new() });
        }
        let mean = unit.half_turn / real(n);
        let from = |i: usize| if i == 0 { 0.0 } else { theta[i - 1] };
        let to = |i: usize| theta.get(i).copied().unwrap_or(unit.half_turn);
        if let Some(i) = (0..=n).find(|&i| to(i) - from(i) > WIDEST * mean) {
            return Err(Error::Gap {
                axis: AXIS,
                from: from(i),
                to: to(i),
                widest: WIDEST * mean,
                unit: unit.name,
            });
        }
        let angles =
            theta.iter().map(|theta| (theta * (PI / unit.half_turn)).clamp(0.0, PI)).collect();
        Ok(Self { kind: RingKind::Free, order, count: n, angles })
    }

    /// The axis of a rule of this kind.
    pub(crate) fn of_kind(kind: RingKind, count: usize) -> Self {
        Self { kind, order: RingOrder::NorthFirst, count, angles: Vec::new() }
    }

    /// How the rings lie.
    #[must_use]
    pub fn kind(&self) -> RingKind {
        self.kind
    }

    /// From which pole they are counted.
    #[must_use]
    pub fn order(&self) -> RingOrder {
        self.order
    }

    /// The number of rings.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an axis has at least two rings")]
    pub fn len(&self) -> usize {
        self.count
    }

    /// In radians from the north; empty unless they are of no known kind.
    pub(crate) fn free_angles(&self) -> &[f64] {
        &self.angles
    }
}

/// The azimuths of a grid's columns: around one full turn, from wherever they start.
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
    kind: ColumnKind,
    first: f64,
    count: usize,
    seam: Seam,
    /// In radians; empty unless `kind` is `Free`.
    angles: Vec<f64>,
}

impl Azimuths {
    /// From azimuths in radians, increasing.
    ///
    /// # Errors
    /// [`Error::Count`] below three columns; [`Error::AngleNotFinite`], [`Error::NotIncreasing`],
    /// [`Error::AngleOutOfRange`] beyond a full turn from the first, each with its index;
    /// [`Error::Gap`] where a part of the turn has no columns.
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
        check(AXIS, phi, 3, Direction::Up)?;
        let (n, first, turn) = (phi.len(), phi[0], 2.0 * unit.half_turn);
        let slack = SLACK * turn / real(n);
        check_range(AXIS, phi, (first, first + turn), slack, unit)?;
        // The last column decides between the two: it is nearer to one full turn or to one step
        // less; unequal columns have to hit the turn.
        let missing = (phi[n - 1] - first - turn).abs();
        let open_end = first + turn * real(n - 1) / real(n);
        for seam in [Seam::Open, Seam::Repeated] {
            let nearer = missing < (phi[n - 1] - open_end).abs();
            let steps = real(seam.distinct(n));
            let off = phi
                .iter()
                .enumerate()
                .map(|(j, phi)| (phi - first - turn * real(j) / steps).abs())
                .fold(0.0, f64::max);
            if nearer == (seam == Seam::Repeated) && off <= slack {
                let first = first * (PI / unit.half_turn);
                return Ok(Self {
                    kind: ColumnKind::Equal,
                    first,
                    count: n,
                    seam,
                    angles: Vec::new(),
                });
            }
        }
        let seam = if missing <= slack { Seam::Repeated } else { Seam::Open };
        let distinct = seam.distinct(n);
        let mean = turn / real(distinct);
        let to = |j: usize| if j + 1 == distinct { first + turn } else { phi[j + 1] };
        if let Some(j) = (0..distinct).find(|&j| to(j) - phi[j] > WIDEST * mean) {
            return Err(Error::Gap {
                axis: AXIS,
                from: phi[j],
                to: to(j),
                widest: WIDEST * mean,
                unit: unit.name,
            });
        }
        let angles: Vec<f64> = phi.iter().map(|phi| phi * (PI / unit.half_turn)).collect();
        Ok(Self { kind: ColumnKind::Free, first: angles[0], count: n, seam, angles })
    }

    /// `count` equal columns from φ = 0.
    pub(crate) fn open(count: usize) -> Self {
        Self { kind: ColumnKind::Equal, first: 0.0, count, seam: Seam::Open, angles: Vec::new() }
    }

    /// How the columns lie.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        self.kind
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
    pub(crate) fn radians(&self) -> Vec<f64> {
        if self.kind == ColumnKind::Free {
            return self.angles.clone();
        }
        let steps = real(self.seam.distinct(self.count));
        (0..self.count).map(|j| self.first + TAU * real(j) / steps).collect()
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

fn check(axis: &'static str, angles: &[f64], lowest: usize, direction: Direction) -> Result<()> {
    if angles.len() < lowest {
        let (value, highest) = (angles.len(), GaussLegendre::MAX_NODES);
        return Err(Error::Count { argument: axis, value, lowest, highest });
    }
    if let Some(index) = angles.iter().position(|angle| !angle.is_finite()) {
        return Err(Error::AngleNotFinite { axis, index, value: angles[index] });
    }
    let wrong = |pair: (f64, f64)| match direction {
        Direction::Up => pair.1 <= pair.0,
        Direction::Down => pair.1 >= pair.0,
    };
    if let Some(index) = (1..angles.len()).find(|&i| wrong((angles[i - 1], angles[i]))) {
        let (value, previous) = (angles[index], angles[index - 1]);
        return Err(match direction {
            Direction::Up => Error::NotIncreasing { axis, index, value, previous },
            Direction::Down => Error::NotDecreasing { axis, index, value, previous },
        });
    }
    Ok(())
}

fn check_range(
    axis: &'static str,
    angles: &[f64],
    (lowest, highest): (f64, f64),
    slack: f64,
    unit: Unit,
) -> Result<()> {
    let outside = |&angle: &f64| angle < lowest - slack || angle > highest + slack;
    match angles.iter().position(outside) {
        None => Ok(()),
        Some(index) => Err(Error::AngleOutOfRange {
            axis,
            index,
            value: angles[index],
            lowest,
            highest,
            unit: unit.name,
        }),
    }
}

/// The largest difference, in the unit; `expected` is in radians.
fn farthest(found: &[f64], expected: impl Iterator<Item = f64>, unit: Unit) -> f64 {
    let scale = unit.half_turn / PI;
    found.iter().zip(expected).map(|(a, b)| (a - b * scale).abs()).fold(0.0, f64::max)
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
    fn latitudes_are_taken_from_either_pole() {
        let north = Colatitudes::from_latitudes_degrees(&linspace(90.0, -90.0, 37)).unwrap();
        let south = Colatitudes::from_latitudes_degrees(&linspace(-90.0, 90.0, 37)).unwrap();
        assert_eq!((north.kind(), north.order()), (RingKind::Vertices, RingOrder::NorthFirst));
        assert_eq!((south.kind(), south.order()), (RingKind::Vertices, RingOrder::SouthFirst));
        let one_pole = linspace(-90.0, 85.0, 36);
        let one_pole = Colatitudes::from_latitudes_degrees(&one_pole).unwrap();
        assert_eq!(one_pole.kind(), RingKind::Free);
        assert_eq!(
            Colatitudes::from_latitudes_radians(&[0.5, 1.5, 2.5]).unwrap_err().to_string(),
            "latitude[2] is 2.5, expected -1.5707963267948966 to 1.5707963267948966 radians"
        );
    }

    #[test]
    fn a_turn_may_start_anywhere() {
        for first in [-180.0, 0.0, 90.0] {
            let phi = linspace(first, first + 360.0, 37);
            assert_eq!(Azimuths::from_degrees(&phi).unwrap().seam(), Seam::Repeated);
            let open = Azimuths::from_degrees(&phi[..36]).unwrap();
            assert_eq!(open.seam(), Seam::Open);
            let start = open.radians()[0];
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
        let sparse = [0.0, 10.0, 20.0, 30.0, 130.0, 140.0, 150.0, 160.0, 170.0, 180.0];
        assert_eq!(
            message(Colatitudes::from_degrees(&sparse)),
            "nothing on the colatitude axis between 30 and 130 degrees: four mean steps, 72, are \
             the most for an integral over the whole sphere"
        );
        assert_eq!(
            message(Colatitudes::from_latitudes_degrees(&[90.0, 30.0, 40.0, -90.0])),
            "latitude[2] is 40 after 30, and this axis began by decreasing"
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
        assert_eq!(
            message(Azimuths::from_degrees(&linspace(0.0, 180.0, 19))),
            "nothing on the azimuth axis between 180 and 360 degrees: four mean steps, \
             75.78947368421052, are the most for an integral over the whole sphere"
        );
    }
}
