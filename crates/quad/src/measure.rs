//! What an integral over the sphere integrates against, as a type.

use std::fmt::Debug;

mod sealed {
    /// The measure as data.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[expect(unnameable_types, reason = "that is what seals `Measure`")]
    pub enum Kind {
        Flat,
        SolidAngle,
        JacobianIncluded,
    }

    #[expect(unnameable_types, reason = "that is what seals `Measure`")]
    pub trait Sealed {
        const KIND: Kind;
    }
}

pub(crate) use sealed::Kind;

/// What is integrated: [`SolidAngle`], [`JacobianIncluded`] or [`Flat`], always named, never
/// assumed.
///
/// "Integrate p(θ, φ) over the sphere" is one of three integrals, and samples do not tell which.
/// Every rule is made for one of them, and rule and result carry it in their type, so an integral
/// over dθ dφ cannot be passed on where one over dΩ is meant:
///
/// ```compile_fail
/// use quad::{Flat, Integral, SolidAngle, SphereRule};
/// fn directivity(peak: f64, total: &Integral<SolidAngle>) -> f64 {
///     4.0 * std::f64::consts::PI * peak / total.value
/// }
/// let flat = SphereRule::of_degree(Flat, 8)?;
/// let total = flat.integrate(|direction| 1.0 + direction.z())?;
/// directivity(2.0, &total); // expected `&Integral<SolidAngle>`, found `&Integral<Flat>`
/// # Ok::<(), quad::Error>(())
/// ```
///
/// Nor can integrals over different measures be compared or collected,
///
/// ```compile_fail
/// use quad::{JacobianIncluded, SolidAngle, SphereRule};
/// let plain = SphereRule::of_degree(SolidAngle, 8)?.integrate(|x| x.z().exp())?;
/// let inside = SphereRule::of_degree(JacobianIncluded, 8)?.integrate(|x| x.z().exp())?;
/// assert!(plain == inside); // expected `Integral<SolidAngle>`, found `Integral<JacobianIncluded>`
/// # Ok::<(), quad::Error>(())
/// ```
///
/// a rule made without one,
///
/// ```compile_fail
/// use quad::SphereRule;
/// let rule = SphereRule::of_degree(8)?; // this function takes 2 arguments
/// # Ok::<(), quad::Error>(())
/// ```
///
/// harmonics made of a rule that lacks the sin θ of their definition,
///
/// ```compile_fail
/// use quad::{Flat, HarmonicTransform, SphereRule};
/// let rule = SphereRule::of_degree(Flat, 16)?;
/// HarmonicTransform::new(&rule, 8)?; // expected `&SphereRule<SolidAngle>`
/// # Ok::<(), quad::Error>(())
/// ```
///
/// or bare angles passed for an axis, whose unit and pole nothing says:
///
/// ```compile_fail
/// use quad::{Azimuths, SolidAngle, SphereRule};
/// let theta = vec![0.0, 90.0, 180.0];
/// let phi = Azimuths::from_degrees(&[0.0, 90.0, 180.0, 270.0])?;
/// SphereRule::on_grid(SolidAngle, &theta, &phi)?; // expected `&Colatitudes`
/// # Ok::<(), quad::Error>(())
/// ```
///
/// The trait is sealed: there are these three.
pub trait Measure: sealed::Sealed + Copy + Debug + Default + PartialEq + Send + Sync {}

/// ∫∫ p(θ, φ) sin θ dθ dφ: p is a density per solid angle, a field or a pattern on the sphere.
///
/// The samples are p itself; the weights bring the sin θ. The integral of 1 is 4π.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SolidAngle;

/// ∫∫ q(θ, φ) dθ dφ where the samples q = p sin θ already contain the Jacobian.
///
/// It is the same quantity as [`SolidAngle`] gives for p. Applying sin θ a second time is the usual
/// slip: for p = 1 it gives π² instead of 4π, 21 % too little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JacobianIncluded;

/// ∫∫ p(θ, φ) dθ dφ over the rectangle [0, π] × [0, 2π], without a Jacobian.
///
/// It weighs the poles as much as the equator and depends on where the axis points; few physical
/// totals are this integral. The integral of 1 is 2π².
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flat;

impl sealed::Sealed for SolidAngle {
    const KIND: Kind = Kind::SolidAngle;
}

impl sealed::Sealed for JacobianIncluded {
    const KIND: Kind = Kind::JacobianIncluded;
}

impl sealed::Sealed for Flat {
    const KIND: Kind = Kind::Flat;
}

impl Measure for SolidAngle {}
impl Measure for JacobianIncluded {}
impl Measure for Flat {}
