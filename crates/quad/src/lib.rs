//! Integrals over the sphere: spectral weights for the grid one already has, rules with few samples
//! where one may choose, and with every integral what was integrated and how far it can be trusted.
//!
//! ```
//! use quad::{Azimuths, Colatitudes, SolidAngle, SphereRule};
//! use std::f64::consts::PI;
//!
//! // linspace(0, pi, 200) and linspace(0, 2*pi, 400), as they come from MATLAB or NumPy
//! let theta: Vec<f64> = (0..200).map(|i| PI * f64::from(i) / 199.0).collect();
//! let phi: Vec<f64> = (0..400).map(|j| 2.0 * PI * f64::from(j) / 399.0).collect();
//! let (rings, columns) = (Colatitudes::from_radians(&theta)?, Azimuths::from_radians(&phi)?);
//! let rule = SphereRule::on_grid(SolidAngle, &rings, &columns)?;
//!
//! // Rayleigh's phase function p = 3/(16π) (1 + cos²θ): its total is 1.
//! let p: Vec<f64> = rule.directions().map(|x| 3.0 / (16.0 * PI) * (1.0 + x.z().powi(2))).collect();
//! let total = rule.integrate_samples(&p)?;
//! assert!((total.value - 1.0).abs() <= total.error_estimate);
//! assert!(total.error_estimate < 1e-12);
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! # First decide: which integral, and whose samples?
//!
//! | | samples that you have | samples that you may choose |
//! |---|---|---|
//! | ∫ p dΩ: [`SolidAngle`] | [`SphereRule::on_grid`], [`ScatteredRule`] | [`SphereRule::of_degree`], [`PointRule`], [`Automatic`] |
//! | ∫∫ p dθ dφ: [`Flat`] | [`SphereRule::on_grid`] | [`SphereRule::product`] |
//! | p sin θ is what was sampled: [`JacobianIncluded`] | [`SphereRule::on_grid`] | |
//!
//! θ is the colatitude (0 at the north pole, π at the south pole), φ the azimuth, both in radians
//! unless a name says degrees. Everything is `f64`.
//!
//! # "I have p(θ, φ) on a grid, each sample is expensive, p changes every time step. How do I integrate it?"
//!
//! *Say which integral it is.* ∫∫ p sin θ dθ dφ ([`SolidAngle`]), ∫∫ p dθ dφ ([`Flat`]), and the
//! first one with sin θ already multiplied into the samples ([`JacobianIncluded`]) are three
//! numbers, and the grid does not tell which is meant. Every rule is made for one of them and
//! carries it in its type.
//!
//! *Make the weights once.* A rule is fixed by its axes and its measure, so an integral is one pass
//! over the samples, and [`SphereRule::integrate_snapshots`] does a matrix of time steps. No
//! interpolation and no adaptive integrator is needed in between: the integral of an interpolant is
//! a weighted sum of the samples.
//!
//! *Use weights that fit the function.* On equispaced rings three rules are right, each for samples
//! of one kind, and the parity of p at the poles decides between them. A wrong one betrays itself
//! by a spectrum that falls slowly, so [`SphereRule::on_grid`] looks at the samples, takes the one
//! that fits, and says which and why ([`Integral::weights`]):
//!
//! | measure | samples | weights | what the others lose at 200 rings |
//! |---|---|---|---|
//! | [`SolidAngle`] | p smooth on the sphere | cosine series: Clenshaw-Curtis, Fejér | trapezoid 2e-5, spline 1e-10 to 4e-5 |
//! | [`Flat`] | p smooth on the sphere | equal ones: the trapezoid | spline up to 1e-2, sine series 4e-3 |
//! | [`Flat`], [`JacobianIncluded`] | p sin θ | sine series: Fejér's over sin θ | trapezoid 2e-5; sin θ twice, 21 % |
//! | any | smooth in θ and φ, not on the sphere | equal ones with corrected ends | Clenshaw-Curtis 2e-8, trapezoid 1e-5 |
//!
//! On a 200 x 400 `linspace` grid, the worst of smooth integrands in general orientation:
//!
//! | weights, on the same 80,000 samples | relative error |
//! |---|---|
//! | trapezoid with sin θ | 2e-5, for p = 1 already |
//! | cubic spline, then an adaptive integrator | 1e-10 to 4e-5, for 8,000 times the work |
//! | these | 1e-14 |
//!
//! *Take fewer samples if you may.* [`SphereRule::of_degree`] needs (L + 1)(L/2 + 1) of them for
//! degree L: 512 for exp(10 u·x) to rounding, where the grid spends 80,000.
//!
//! *Look at the evidence.* [`Integral::error_estimate`] comes from the spectrum of the same samples,
//! and [`Integral::resolution`] says whether the grid shows all of it: where it does not, no weights
//! will help, and the degree to sample to is there. Neither sees the error of p itself: if p comes
//! from a discretization of its own, refine that with the rule held fixed, and compare.
//!
//! ## Wrong turns
//!
//! - *Forgetting sin θ, or applying it twice.* For p = 1 the one gives 2π² and the other π², where
//!   4π is right.
//! - *A mean over all 400 columns.* `linspace(0, 2*pi, 400)` ends where it began; counting that
//!   column twice costs 2.5e-3, a hundred times the trapezoid's error. [`Azimuths`] sees it and
//!   halves both.
//! - *A spline because it must be better than the trapezoid.* Without a Jacobian ([`Flat`]) and for
//!   p smooth on the sphere the trapezoid is exact to rounding already, and a spline that is not
//!   periodic in φ loses up to 1e-2 to a lobe on the seam. Where a spline does beat it, that is a
//!   sign that the samples contain sin θ.
//! - *Testing with an odd function.* Every rule that is symmetric about the center is exact on it.
//! - *Gauss-Legendre weights from an eigenvalue solver.* At n = 1000 the small ones are wrong by
//!   10⁷ eps; [`GaussLegendre`] has them to 2.5 eps at any n, with θ and sin θ.
//!
//! # What do you have?
//!
//! *Samples on a grid*, with poles or cell-centered, equispaced, Gauss-Legendre or unequal, from
//! either pole, in degrees or radians: [`SphereRule::on_grid`], as above.
//!
//! *A grid of latitudes with unequal steps.* Areas, changed by as little as makes them exact:
//! ```
//! use quad::{Azimuths, Colatitudes, RingKind, SolidAngle, SphereRule};
//! let latitude = [-84.0, -66.0, -45.5, -30.0, -14.0, 0.5, 16.0, 33.0, 51.0, 68.0, 82.0];
//! let longitude: Vec<f64> = (0..24).map(|j| 15.0 * f64::from(j) - 180.0).collect();
//! let rings = Colatitudes::from_latitudes_degrees(&latitude)?;
//! let rule = SphereRule::on_grid(SolidAngle, &rings, &Azimuths::from_degrees(&longitude)?)?;
//! assert_eq!(rule.layout().kind, RingKind::Free);
//! assert!(rule.weights().all(|weight| weight > 0.0));
//! let total = rule.integrate(|x| x.z().powi(2) + x.x().powi(2))?;
//! assert!((total.value / (8.0 * std::f64::consts::PI / 3.0) - 1.0).abs() < 1e-13);
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! *A kink, a jump, or too coarse a grid.* The result says so:
//! ```
//! use quad::{Resolution, RingKind, SolidAngle, SphereRule};
//! let rule = SphereRule::product(SolidAngle, RingKind::Cells, 90, 180)?;
//! let kink = rule.integrate(|x| (0.6 * x.x() + 0.8 * x.z()).abs())?;
//! assert!(matches!(kink.resolution, Resolution::UnderResolved { .. }));
//! let smooth = rule.integrate(|x| (0.6 * x.x() + 0.8 * x.z()).exp())?;
//! assert!(matches!(smooth.resolution, Resolution::Resolved { degree } if degree < 12));
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! *Missing samples*, as NaN where you say so: [`SphereRule::integrate_with_missing`].
//! *Points that lie anyhow*: [`ScatteredRule`]. *Many time steps on one grid*:
//! [`SphereRule::integrate_snapshots`], or [`SphereRule::totals`] for the values alone by one matrix
//! product. *Harmonic coefficients or a power spectrum*: [`HarmonicTransform`].
//!
//! *A free choice of samples*, and a smooth p:
//!
//! | rule | samples for degree L |
//! |---|---|
//! | [`SphereRule::of_degree`], Gauss-Legendre rings | (L + 1)²/2, with an error estimate |
//! | [`ThinnedRule`], fewer columns towards the poles | 0.77 of that at L = 255 |
//! | [`SphereRule::product`]: Clenshaw-Curtis, Fejér, Driscoll-Healy | (L + 1)² |
//! | [`GaussLegendre`] | one dimension |
//!
//! | you have | use |
//! |---|---|
//! | a free choice of samples, degree up to 131 | [`PointRule::lebedev`]: (L + 1)²/3 samples |
//! | an integrand of unknown smoothness, and a tolerance | [`Automatic::integrate`] |
//! | a kink or a jump on a known curve | [`Automatic::integrate_cut`] |
//! | a narrow lobe that moves from step to step | [`Automatic::integrate_from`] with a [`Mesh`] |
//! | many more steps like the first few, each sample dear | [`SnapshotRule`], which says when it no longer holds |
//! | points of equal weight | [`PointRule::design`]: (L + 1)²/2 samples |
//! | a symmetry | [`PointRule::reduced`], [`SphereRule::reduced`]: one sample per orbit |
//! | a part of the sphere | [`Region`]: cap, box, triangle, polygon |
//!
//! *Fewest samples for a known degree.* Lebedev's rule for degree 31 has 350 points, the product
//! rule 512; with the octahedron's symmetry 13 of them are enough.
//! ```
//! use quad::{PointRule, SolidAngle, Symmetry};
//! let rule = PointRule::lebedev(SolidAngle, 31)?;
//! let total = rule.integrate(|x| (10.0 * x.z()).exp())?;
//! assert!((total.value / 13839.63659657671218848 - 1.0).abs() < 1e-13);
//! let reduced = rule.reduced(&Symmetry::octahedral())?;
//! assert_eq!((rule.len(), reduced.len()), (350, 13));
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! *To a tolerance.* [`Automatic`] climbs Lebedev's rules while the integrand's harmonics fall off,
//! and goes over to cells of the cubed sphere where it is a narrow lobe or has kinks. On 16 smooth
//! integrands it took 2.8 times the evaluations of the best Gauss-Legendre rule chosen with the
//! answer known, at 1e-6; doubling Clenshaw-Curtis takes 9 times, adaptive cubature over (θ, φ) 19
//! times, and loses a lobe on the seam of φ.
//! ```
//! use quad::{Automatic, Direction, SolidAngle, Stop, pointwise};
//! let u = Direction::from_vector([1.0, 0.2, -0.5])?;
//! let lobe = pointwise(|x: &Direction| (1000.0 * (u.dot(x) - 1.0)).exp()); // 1.8° wide
//! let total = Automatic::default().max_evaluations(9_000).integrate(SolidAngle, &lobe)?;
//! assert_eq!(total.stop, Stop::Converged);
//! assert!((total.value / 6.2831853071795864769e-3 - 1.0).abs() < 1e-6);
//! # Ok::<(), quad::Error>(())
//! ```
//! *A kink or a jump on a known curve* costs nothing where the curve is given, as a level set:
//! ```
//! use quad::{Automatic, Direction, SolidAngle, pointwise};
//! let horizon = Direction::from_vector([1.0, -2.0, 0.5])?;
//! let kink = pointwise(|x: &Direction| horizon.dot(x).abs());
//! let automatic = Automatic::default().relative_tolerance(1e-10);
//! let total = automatic.integrate_cut(SolidAngle, |x| horizon.dot(x), &kink)?;
//! assert!((total.value / std::f64::consts::TAU - 1.0).abs() < 1e-10);
//! assert!(total.evaluations < 5_000);
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! *A narrow lobe that moves* is followed by the cells of the step before, from where it is to begin:
//! ```
//! use quad::{Automatic, Direction, Mesh, SolidAngle, pointwise};
//! let at = |step: u8| Direction::from_angles(1.0, 0.005 * f64::from(step));
//! let mut mesh = Mesh::default().refined_near(&at(0)?, 0.05)?;
//! for step in 0..3 {
//!     let u = at(step)?; // 0.4° wide
//!     let lobe = pointwise(move |x: &Direction| (20_000.0 * (u.dot(x) - 1.0)).exp());
//!     let total = Automatic::default().integrate_from(SolidAngle, &mut mesh, &lobe)?;
//!     assert!((total.value / (std::f64::consts::TAU / 20_000.0) - 1.0).abs() < 1e-6);
//! }
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! *Expensive, and changing in time.* From full samples of the first steps follows a rule of a few dozen
//! nodes for the further ones, which says when they are no longer alike:
//! ```
//! use linalg::DMatrix;
//! use quad::{Direction, Drift, PointRule, SnapshotRule, SolidAngle};
//! let p = |way: f64, x: &Direction| (20.0 * (way.cos() * x.x() + way.sin() * x.y() - 1.0)).exp();
//! let full = PointRule::lebedev(SolidAngle, 53)?;
//! let nodes = full.directions();
//! let first = DMatrix::from_fn(full.len(), 30, |i, step| p(step as f64 / 30.0, &nodes[i]));
//! let rule = SnapshotRule::new(nodes, full.weights(), &first, 1e-6)?;
//! assert!(full.len() == 974 && rule.len() < 45);
//! let at = |way: f64| -> Vec<f64> { rule.directions().iter().map(|x| p(way, x)).collect() };
//! let total = rule.integrate_samples(&at(0.617))?;
//! assert_eq!(total.drift, Drift::Within);
//! assert!((total.value / (std::f64::consts::TAU / 20.0) - 1.0).abs() < 1e-6);
//! assert_eq!(rule.integrate_samples(&at(1.6))?.drift, Drift::Left);
//! # Ok::<(), quad::Error>(())
//! ```
//!
//! The wrong turn here is to believe two rules that agree: on a lobe that both miss they agree on
//! zero. No rule sees what lies between its samples; where a lobe is narrower than 2° say where it
//! is ([`Mesh::refined_near`]).

mod automatic;
mod axes;
mod cells;
mod columns;
mod decay;
mod design;
mod direction;
mod ends;
mod equispaced;
mod error;
mod estimate;
mod fitted;
mod gauss_legendre;
mod harmonics;
mod holes;
mod integral;
mod judgement;
mod lebedev;
mod level_set;
mod measure;
mod mesh;
mod parallel;
mod patterson;
mod point_rule;
mod region;
mod rings;
mod rotation;
mod rule;
mod scattered;
mod snapshot;
mod thinned;
mod unseen;
mod voronoi;

mod sample;
mod spectrum;
mod symmetry;
#[cfg(test)]
mod twofold;

pub use automatic::{Automatic, Strategy, pointwise};
pub use axes::{Azimuths, Colatitudes, ColumnKind, RingKind, RingOrder, Seam};
pub use direction::Direction;
pub use error::{Error, Result};
pub use estimate::{Estimate, Method, Stop};
pub use gauss_legendre::GaussLegendre;
pub use harmonics::{ComplexHarmonics, HarmonicTransform, Harmonics};
pub use holes::Missing;
pub use integral::{Integral, Layout, Resolution, RingWeights};
pub use measure::{Flat, JacobianIncluded, Measure, SolidAngle};
pub use mesh::Mesh;
pub use point_rule::PointRule;
pub use region::{Region, RegionRule};
pub use rings::ring_weights;
pub use rotation::Rotation;
pub use rule::SphereRule;
pub use sample::Sample;
pub use scattered::{ScatteredIntegral, ScatteredRule};
pub use snapshot::{Drift, SnapshotIntegral, SnapshotRule};
pub use symmetry::{ReducedRule, Symmetry};
pub use thinned::ThinnedRule;
