//! What can be wrong with a request.

use linalg::shown;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a request, naming the argument, what it was and what was expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A count outside what a rule can have.
    #[error("{argument} is {value}, expected {lowest} to {highest}")]
    Count {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: usize,
        /// The smallest value allowed.
        lowest: usize,
        /// The largest value allowed.
        highest: usize,
    },
    /// A vector without a direction.
    #[error("[{x}, {y}, {z}] has no direction: expected finite components, not all zero")]
    NoDirection {
        /// First component.
        x: f64,
        /// Second component.
        y: f64,
        /// Third component.
        z: f64,
    },
    /// A NaN or an infinity on an axis.
    #[error("{axis}[{index}] is {value}, and every angle must be finite")]
    AngleNotFinite {
        /// `colatitude` or `azimuth`.
        axis: &'static str,
        /// Where on the axis.
        index: usize,
        /// The angle.
        value: f64,
    },
    /// An angle that cannot be one of this axis.
    #[error(
        "{axis}[{index}] is {value}, expected {lowest} to {highest} {unit}",
        value = shown(.value)
    )]
    AngleOutOfRange {
        /// `colatitude` or `azimuth`.
        axis: &'static str,
        /// Where on the axis.
        index: usize,
        /// The angle, in the unit in which it was given.
        value: f64,
        /// The smallest angle allowed, in that unit.
        lowest: f64,
        /// The largest angle allowed, in that unit.
        highest: f64,
        /// `radians` or `degrees`.
        unit: &'static str,
    },
    /// An axis that does not go up.
    #[error(
        "{axis}[{index}] is {value} after {previous}, and an axis must increase",
        value = shown(.value), previous = shown(.previous)
    )]
    NotIncreasing {
        /// `colatitude` or `azimuth`.
        axis: &'static str,
        /// Where on the axis.
        index: usize,
        /// The angle, in the unit in which it was given.
        value: f64,
        /// The angle before it.
        previous: f64,
    },
    /// A latitude axis that turns round.
    #[error(
        "{axis}[{index}] is {value} after {previous}, and this axis began by decreasing",
        value = shown(.value), previous = shown(.previous)
    )]
    NotDecreasing {
        /// `latitude`.
        axis: &'static str,
        /// Where on the axis.
        index: usize,
        /// The angle, in the unit in which it was given.
        value: f64,
        /// The angle before it.
        previous: f64,
    },
    /// A part of the sphere without samples.
    #[error(
        "nothing on the {axis} axis between {from} and {to} {unit}: four mean steps, {widest}, are \
         the most for an integral over the whole sphere"
    )]
    Gap {
        /// `colatitude` or `azimuth`.
        axis: &'static str,
        /// Where the gap begins.
        from: f64,
        /// Where it ends.
        to: f64,
        /// The widest gap allowed.
        widest: f64,
        /// `radians` or `degrees`.
        unit: &'static str,
    },
    /// A rule asked for on rings of no known kind.
    #[error("unequal rings are given by an axis: use SphereRule::on_grid with Colatitudes")]
    FreeKind,
    /// Harmonics of a higher degree than the nodes can tell apart.
    #[error(
        "harmonics to degree {degree} need a rule that is exact to {}, and this one is to {exact}",
        2 * degree
    )]
    RuleTooCoarse {
        /// The degree asked for.
        degree: usize,
        /// The degree to which the rule is exact.
        exact: usize,
    },
    /// A grid on which harmonics have no fast transform.
    #[error("harmonics need rings that lie alike north and south, and equal columns")]
    UnequalGrid,
    /// A coefficient that is not there.
    #[error("there is no harmonic l = {l}, m = {m} in coefficients to degree {degree}")]
    NoSuchHarmonic {
        /// The degree of the harmonic.
        l: usize,
        /// Its order.
        m: usize,
        /// The highest degree that the coefficients have.
        degree: usize,
    },
    /// Points that do not surround the center.
    #[error(
        "all points are in one half of the sphere or on one circle, and an integral over the whole of \
         it needs points on all sides"
    )]
    OneSided,
    /// A point given twice.
    #[error("points {first} and {second} are the same point of the sphere")]
    SamePoint {
        /// The index of the one.
        first: usize,
        /// The index of the other.
        second: usize,
    },
    /// As many samples as points are needed.
    #[error("expected {expected} samples, one per point, got {got}")]
    PointCount {
        /// Points of the rule.
        expected: usize,
        /// Samples given.
        got: usize,
    },
    /// A NaN or an infinity among scattered samples.
    #[error("sample {index} is {value}, and every sample must be finite")]
    PointNotFinite {
        /// Index of the first such sample.
        index: usize,
        /// The sample.
        value: f64,
    },
    /// A ring on which nothing is known.
    #[error(
        "ring {ring} has {present} samples, and at least {needed} are needed to fill its holes"
    )]
    RingEmpty {
        /// The ring, in the order of the axis.
        ring: usize,
        /// Samples that are not missing.
        present: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A factorization or a product that failed.
    #[error(transparent)]
    LinearAlgebra(#[from] linalg::Error),
    /// Samples that do not fill the rule's nodes.
    #[error("expected {rings} x {columns} = {expected} samples (rings x columns), got {got}")]
    SampleCount {
        /// Colatitudes of the rule.
        rings: usize,
        /// Azimuths of the rule.
        columns: usize,
        /// Their product.
        expected: usize,
        /// Samples given.
        got: usize,
    },
    /// A NaN or an infinity among the samples of a snapshot.
    #[error(
        "sample {index} (ring {ring}, column {column}) of snapshot {snapshot} is {value}, and \
         every sample must be finite"
    )]
    SampleNotFinite {
        /// The snapshot, 0 where there is only one.
        snapshot: usize,
        /// Index of the first such sample.
        index: usize,
        /// Its ring, counted from the north pole.
        ring: usize,
        /// Its column.
        column: usize,
        /// The sample.
        value: f64,
    },
    /// An integrand that returned NaN or an infinity.
    #[error(
        "the integrand is {value} at colatitude {theta}, azimuth {phi} (radians), and must be \
         finite at every node"
    )]
    IntegrandNotFinite {
        /// Colatitude of the node in radians.
        theta: f64,
        /// Azimuth of the node in radians.
        phi: f64,
        /// What the integrand returned.
        value: f64,
    },
    /// Finite samples whose weighted sum is not.
    #[error("the weighted sum of snapshot {snapshot} overflows; scale the samples down")]
    Overflow {
        /// The snapshot, 0 where there is only one.
        snapshot: usize,
    },
    /// An integrand that returned NaN or an infinity after something had been reached.
    #[error(
        "the integrand is {value} at colatitude {theta}, azimuth {phi} (radians); after \
         {evaluations} evaluations before it the integral was {reached:?} to {error_estimate:e}"
    )]
    Interrupted {
        /// Colatitude of the node in radians.
        theta: f64,
        /// Azimuth of the node in radians.
        phi: f64,
        /// What the integrand returned, as a modulus.
        value: f64,
        /// Evaluations in `reached`.
        evaluations: usize,
        /// The best integral before, component by component.
        reached: Vec<f64>,
        /// Its error estimate.
        error_estimate: f64,
    },
    /// A tolerance that is no tolerance.
    #[error(
        "{argument} is {value}, expected a finite number that is not negative",
        value = shown(.value)
    )]
    Tolerance {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: f64,
    },
    /// A level set that is NaN or infinite somewhere.
    #[error(
        "the level set is {value} at colatitude {theta}, azimuth {phi} (radians), and must be \
         finite everywhere"
    )]
    LevelSetNotFinite {
        /// Colatitude in radians.
        theta: f64,
        /// Azimuth in radians.
        phi: f64,
        /// What the level set returned.
        value: f64,
    },
    /// A rule that does not have the symmetry asked of it.
    #[error(
        "the nodes do not map to themselves under {element}: colatitude {theta}, azimuth {phi} goes \
         to {image_theta}, {image_phi} (radians), where there is no node of its weight"
    )]
    NotInvariant {
        /// The rotation or reflection.
        element: &'static str,
        /// Colatitude of the node.
        theta: f64,
        /// Its azimuth.
        phi: f64,
        /// Colatitude of its image.
        image_theta: f64,
        /// Azimuth of its image.
        image_phi: f64,
    },
    /// Corners that are not those of a polygon.
    #[error(
        "{corners} corners make no polygon at corner {corner}: expected at least three, within 80° \
         of their mean, with sides that do not cross"
    )]
    Polygon {
        /// How many corners there are.
        corners: usize,
        /// The corner at which it fails.
        corner: usize,
    },
    /// A radius on the sphere that is none.
    #[error(
        "{argument} is {value}, expected more than 0 and at most π radians",
        value = shown(.value)
    )]
    Radius {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: f64,
    },
    /// A rule that does not exist.
    #[error("there is no {family} rule of {points} points; the nearest has {nearest}")]
    NoSuchRule {
        /// The family of rules.
        family: &'static str,
        /// The number of points asked for.
        points: usize,
        /// The number of points of the nearest rule.
        nearest: usize,
    },
    /// Samples that are not as many as the rule's nodes.
    #[error("expected {expected} samples, one per node, got {got}")]
    Samples {
        /// Nodes of the rule.
        expected: usize,
        /// Samples given.
        got: usize,
    },
    /// A weight that cannot be one of positive measure.
    #[error("weight {index} is {value}, expected a positive, finite number", value = shown(.value))]
    Weight {
        /// Its index.
        index: usize,
        /// The weight.
        value: f64,
    },
    /// Snapshots of nothing.
    #[error("every sample of every snapshot is zero, and no rule follows from nothing")]
    NoField,
    /// An integration that did not reach its tolerance, where one was asked to.
    #[error(
        "not converged after {evaluations} evaluations: the error estimate is {error_estimate:e}"
    )]
    NotConverged {
        /// How far the value may be off.
        error_estimate: f64,
        /// Evaluations of the integrand.
        evaluations: usize,
    },
}
