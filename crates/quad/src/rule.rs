//! Rules over the sphere: rings times columns.

use std::f64::consts::{PI, TAU};

use linalg::DMatrix;

use crate::rings::{Ring, RingRule, real};
use crate::{
    Azimuths, Colatitudes, Direction, Error, Integral, Layout, Measure, Result, RingKind, measure,
};

/// Weights for integrals over the sphere, computed once and applied to as many functions, sample
/// grids or time steps as there are.
///
/// The nodes are rings of constant colatitude times columns of constant azimuth. Along a ring the
/// weights are equal (the trapezoidal rule on a circle, exact for all harmonics below the number of
/// columns); across the rings they follow from the measure. Sample k = i + `rings` · j belongs to
/// ring i (from the north) and column j, which is how a `DMatrix` with a row per colatitude and a
/// column per azimuth lies in memory.
///
/// # Examples
/// The grid one already has: `linspace` axes with both poles and φ = 2π repeated.
/// ```
/// use std::f64::consts::PI;
/// use quad::{Azimuths, Colatitudes, RingKind, Seam, SolidAngle, SphereRule};
///
/// let theta: Vec<f64> = (0..200).map(|i| PI * f64::from(i) / 199.0).collect();
/// let phi: Vec<f64> = (0..400).map(|j| 2.0 * PI * f64::from(j) / 399.0).collect();
/// let (rings, columns) = (Colatitudes::from_radians(&theta)?, Azimuths::from_radians(&phi)?);
/// let rule = SphereRule::on_grid(SolidAngle, &rings, &columns)?;
/// assert_eq!((rule.layout().kind, rule.layout().seam), (RingKind::Vertices, Seam::Repeated));
///
/// let mut samples = Vec::new();
/// for &phi in &phi {
///     for &theta in &theta {
///         samples.push((10.0 * theta.sin() * phi.cos()).exp());
///     }
/// }
/// let integral = rule.integrate_samples(&samples)?;
/// // 4π sinh(10)/10 = 13839.63659657671...
/// assert!((integral.value / 13839.63659657671218848 - 1.0).abs() < 1e-14);
/// assert!(integral.error_estimate < 1e-12 * integral.value);
/// # Ok::<(), quad::Error>(())
/// ```
/// Free choice of samples: 512 instead of 80,000.
/// ```
/// use quad::{SolidAngle, SphereRule};
/// let rule = SphereRule::of_degree(SolidAngle, 31)?;
/// let integral = rule.integrate(|direction| (10.0 * direction.z()).exp())?;
/// assert_eq!(integral.samples, 16 * 32);
/// assert!((integral.value / 13839.63659657671218848 - 1.0).abs() < 1e-14);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SphereRule<M: Measure> {
    ring_rule: RingRule,
    columns: Vec<Column>,
    layout: Layout,
    degree: usize,
    measure: M,
}

/// A column of nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Column {
    phi: f64,
    weight: f64,
}

impl<M: Measure> SphereRule<M> {
    /// The largest degree that [`Self::of_degree`] makes rules for.
    pub const MAX_DEGREE: usize = 20_000;

    /// The product rule with the fewest samples that is exact for spherical polynomials (all
    /// products of x, y, z) of degree at most `degree`.
    ///
    /// It has ⌊degree/2⌋ + 1 rings and degree + 1 columns. The rings are Gauss-Legendre's for
    /// [`SolidAngle`](crate::SolidAngle) and [`JacobianIncluded`](crate::JacobianIncluded) (where
    /// the integrand is p sin θ with p a polynomial), and the Gauss-Chebyshev rings, which are the
    /// centers of equal cells, for [`Flat`](crate::Flat). A lobe of the form exp(κ u·x) needs
    /// degree 5.3 √κ for six digits and 6.8 √κ for ten.
    ///
    /// # Errors
    /// [`Error::Count`] for a degree above [`Self::MAX_DEGREE`].
    pub fn of_degree(measure: M, degree: usize) -> Result<Self> {
        if degree > Self::MAX_DEGREE {
            return Err(Error::Count {
                argument: "degree",
                value: degree,
                lowest: 0,
                highest: Self::MAX_DEGREE,
            });
        }
        let kind = match M::KIND {
            measure::Kind::Flat => RingKind::Cells,
            measure::Kind::SolidAngle | measure::Kind::JacobianIncluded => RingKind::Gauss,
        };
        Self::new(measure, kind, degree / 2 + 1, &Azimuths::open(degree + 1))
    }

    /// The rule for samples on a grid that is already there, whose kind the axes told.
    ///
    /// Equispaced rings get the weights that integrate the trigonometric interpolant in θ:
    /// Clenshaw-Curtis (with poles) or Fejér (cell centers) for [`SolidAngle`](crate::SolidAngle),
    /// Fejér's over sin θ for [`JacobianIncluded`](crate::JacobianIncluded), and plain equal
    /// weights for [`Flat`](crate::Flat), which are already exact to rounding there. A repeated
    /// column shares its weight with the first. On a p that is smooth on the sphere and resolved by
    /// the grid, all of them are exact to rounding; on kinks and jumps no weights are better than
    /// the trapezoid's.
    ///
    /// # Errors
    /// [`Error::Count`] for more rings than a Gauss-Legendre rule can have.
    pub fn on_grid(measure: M, rings: &Colatitudes, columns: &Azimuths) -> Result<Self> {
        Self::new(measure, rings.kind(), rings.len(), columns)
    }

    fn new(measure: M, kind: RingKind, rings: usize, columns: &Azimuths) -> Result<Self> {
        let seam = columns.seam();
        let layout = Layout { rings, columns: columns.len(), kind, seam };
        let ring_rule = RingRule::new(kind, rings, M::KIND)?;
        let distinct = seam.distinct(columns.len());
        let equal = TAU / real(distinct);
        let ends = [0, distinct];
        let columns = columns
            .radians()
            .enumerate()
            .map(|(j, phi)| {
                let shared = seam == crate::Seam::Repeated && ends.contains(&j);
                Column { phi, weight: if shared { 0.5 * equal } else { equal } }
            })
            .collect();
        let degree = ring_rule.degree.min(distinct - 1);
        Ok(Self { ring_rule, columns, layout, degree, measure })
    }

    /// The number of samples, rings times columns.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.layout.rings * self.layout.columns
    }

    /// The degree to which the rule is exact: every spherical polynomial of at most this degree,
    /// times sin θ where the measure is [`JacobianIncluded`](crate::JacobianIncluded).
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// Rings, columns, poles and seam.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The nodes, in the order of the samples.
    pub fn directions(&self) -> impl Iterator<Item = Direction> + '_ {
        self.columns.iter().flat_map(|column| {
            self.ring_rule.rings.iter().map(|&Ring { theta, sine, cosine }| {
                Direction::from_parts(theta, sine, cosine, column.phi)
            })
        })
    }

    /// The weights, in the order of the samples. The measure's Jacobian is inside them.
    pub fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        self.columns
            .iter()
            .flat_map(|column| self.ring_rule.weights.iter().map(|weight| weight * column.weight))
    }

    /// The integral of `f`, called once at every node in the order of the samples.
    ///
    /// Under [`JacobianIncluded`](crate::JacobianIncluded) `f` is p sin θ, with
    /// [`Direction::sin_theta`] to multiply by.
    ///
    /// # Errors
    /// [`Error::IntegrandNotFinite`] at the first node where `f` is NaN or infinite;
    /// [`Error::Overflow`].
    ///
    /// # Examples
    /// ```
    /// use quad::{Direction, SolidAngle, SphereRule};
    /// // Funk-Hecke: the integral of g(u·x) is 2π ∫ g over [-1, 1], whatever the direction u.
    /// let u = Direction::from_vector([1.0, -2.0, 0.5])?;
    /// let rule = SphereRule::of_degree(SolidAngle, 20)?;
    /// let integral = rule.integrate(|x| u.dot(x).powi(20))?;
    /// assert!((integral.value - 4.0 * std::f64::consts::PI / 21.0).abs() < 1e-14);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn integrate(&self, mut f: impl FnMut(&Direction) -> f64) -> Result<Integral<M>> {
        let samples = self
            .directions()
            .map(|direction| {
                let value = f(&direction);
                if value.is_finite() {
                    return Ok(value);
                }
                let (theta, phi) = (direction.theta(), direction.phi());
                Err(Error::IntegrandNotFinite { theta, phi, value })
            })
            .collect::<Result<Vec<f64>>>()?;
        self.sum(&samples, 0)
    }

    /// The integral from samples at the rule's nodes, sample i + `rings` · j from ring i, column j.
    ///
    /// # Errors
    /// [`Error::SampleCount`]; [`Error::SampleNotFinite`] with the index of the first NaN or
    /// infinity; [`Error::Overflow`].
    pub fn integrate_samples(&self, samples: &[f64]) -> Result<Integral<M>> {
        self.check_count(samples.len())?;
        self.sum(samples, 0)
    }

    /// The integrals of many snapshots on the same nodes: a column of `snapshots` is one of them, a
    /// time step say, with its samples in the order of [`Self::integrate_samples`].
    ///
    /// # Errors
    /// As [`Self::integrate_samples`], with the index of the snapshot.
    pub fn integrate_snapshots(&self, snapshots: &DMatrix<f64>) -> Result<Vec<Integral<M>>> {
        self.check_count(snapshots.nrows())?;
        let columns = snapshots.as_slice().chunks_exact(self.len());
        columns.enumerate().map(|(index, samples)| self.sum(samples, index)).collect()
    }

    fn check_count(&self, got: usize) -> Result<()> {
        if got == self.len() {
            return Ok(());
        }
        let Layout { rings, columns, .. } = self.layout;
        Err(Error::SampleCount { rings, columns, expected: self.len(), got })
    }

    /// One pass over the samples: the integral, ∫|p|, and the two marginals that show the tails.
    fn sum(&self, samples: &[f64], snapshot: usize) -> Result<Integral<M>> {
        let rings = self.layout.rings;
        let mut over_phi = vec![0.0; rings];
        let mut over_theta = Vec::with_capacity(self.columns.len());
        let mut magnitude = 0.0;
        for (column, samples) in self.columns.iter().zip(samples.chunks_exact(rings)) {
            let (mut total, mut absolute) = (0.0, 0.0);
            for ((sample, weight), mean) in
                samples.iter().zip(&self.ring_rule.weights).zip(&mut over_phi)
            {
                let share = weight * sample;
                total += share;
                absolute += share.abs();
                *mean += column.weight * sample;
            }
            over_theta.push(column.weight * total);
            magnitude += column.weight * absolute;
        }
        let value: f64 = over_theta.iter().sum();
        if !(value.is_finite() && magnitude.is_finite()) {
            return Err(not_finite(samples, rings, snapshot));
        }
        // The bound on rounding in sums of so many terms, of weights that are good to 2 eps.
        let rounding = f64::EPSILON * real(rings + self.columns.len()) * magnitude;
        let error_estimate =
            self.ring_tail(&over_phi) + self.column_tail(&over_theta, magnitude) + rounding;
        let samples = samples.len();
        Ok(Integral { value, error_estimate, samples, layout: self.layout, measure: self.measure })
    }

    /// What half as many rings would have got wrong.
    fn ring_tail(&self, over_phi: &[f64]) -> f64 {
        let functionals = self.ring_rule.tail.as_slice().chunks_exact(self.layout.rings);
        functionals
            .map(|functional| {
                functional.iter().zip(over_phi).map(|(a, b)| a * b).sum::<f64>().abs()
            })
            .sum()
    }

    /// What half as many columns would have got wrong: the largest of the four finest harmonics
    /// that the columns can tell apart, or `magnitude`, everything, where there are none.
    fn column_tail(&self, over_theta: &[f64], magnitude: f64) -> f64 {
        let distinct = self.layout.seam.distinct(self.columns.len());
        let finest = distinct / 2;
        (finest.saturating_sub(3).max(1)..=finest)
            .map(|m| {
                let (mut real_part, mut imaginary_part) = (0.0, 0.0);
                for (j, column) in over_theta.iter().enumerate() {
                    // Exact multiples of the step, so that large m lose no digits.
                    let angle = 2.0 * PI * real(m * j % distinct) / real(distinct);
                    let (sine, cosine) = angle.sin_cos();
                    real_part += column * cosine;
                    imaginary_part += column * sine;
                }
                2.0 * f64::hypot(real_part, imaginary_part)
            })
            .reduce(f64::max)
            .unwrap_or(magnitude)
    }
}

/// Why a sum is not finite.
fn not_finite(samples: &[f64], rings: usize, snapshot: usize) -> Error {
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(index) => Error::SampleNotFinite {
            snapshot,
            index,
            ring: index % rings,
            column: index / rings,
            value: samples[index],
        },
        None => Error::Overflow { snapshot },
    }
}
