//! Rules over the sphere: rings times columns.

use linalg::DMatrix;

use crate::axes::Colatitudes as Axis;
use crate::columns::ColumnRule;
use crate::decay::Spectrum;
use crate::rings::{Ring, RingRule, real};
use crate::{
    Azimuths, Colatitudes, Direction, Error, Integral, Layout, Measure, Resolution, Result,
    RingKind, RingOrder, measure,
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
    column_rule: ColumnRule,
    layout: Layout,
    measure: M,
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
        Self::product(measure, kind, degree / 2 + 1, degree + 1)
    }

    /// The rule on `rings` rings of a kind and `columns` equal columns from φ = 0: Clenshaw-Curtis
    /// ([`RingKind::Vertices`]), Fejér's first and second ([`RingKind::Cells`],
    /// [`RingKind::Interior`]), Driscoll and Healy's ([`RingKind::NorthPole`]) or Gauss-Legendre.
    ///
    /// [`Self::degree`] says how far it is exact: to about the number of rings on equispaced ones,
    /// to twice that on Gauss-Legendre's.
    ///
    /// # Errors
    /// [`Error::Count`] below two rings or one column, and above [`Self::MAX_DEGREE`] + 2 of either;
    /// [`Error::FreeKind`] for [`RingKind::Free`], which says not where the rings are.
    ///
    /// # Examples
    /// ```
    /// use quad::{RingKind, SolidAngle, SphereRule};
    /// // Driscoll and Healy need 2(L + 1) rings to analyze degree L, so degree 2L + 1 is exact.
    /// let rule = SphereRule::product(SolidAngle, RingKind::NorthPole, 64, 64)?;
    /// assert_eq!(rule.degree(), 63);
    /// let total = rule.integrate(|_| 1.0)?.value;
    /// assert!((total - 4.0 * std::f64::consts::PI).abs() < 1e-13);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn product(measure: M, kind: RingKind, rings: usize, columns: usize) -> Result<Self> {
        if kind == RingKind::Free {
            return Err(Error::FreeKind);
        }
        let lowest_rings = if kind == RingKind::Vertices { 2 } else { 1 };
        for (argument, value, lowest) in [("rings", rings, lowest_rings), ("columns", columns, 1)] {
            let highest = Self::MAX_DEGREE + 2;
            if !(lowest..=highest).contains(&value) {
                return Err(Error::Count { argument, value, lowest, highest });
            }
        }
        Self::new(measure, &Axis::of_kind(kind, rings), &Azimuths::open(columns))
    }

    /// The rule for samples on a grid that is already there, whose kind the axes told.
    ///
    /// Equispaced rings have up to three sets of weights, and the samples decide between them
    /// ([`RingWeights`](crate::RingWeights)); Gauss-Legendre rings have one; unequal rings and
    /// columns get the areas around them, changed by as little as makes them exact to the highest
    /// degree that leaves all of them positive. A repeated column shares its weight with the first.
    /// On a p that is smooth on the sphere and resolved by the grid, all of them are exact to
    /// rounding; on kinks and jumps no weights are better than the trapezoid's.
    ///
    /// # Errors
    /// [`Error::Count`] for more rings than a Gauss-Legendre rule can have.
    pub fn on_grid(measure: M, rings: &Colatitudes, columns: &Azimuths) -> Result<Self> {
        Self::new(measure, rings, columns)
    }

    fn new(measure: M, rings: &Colatitudes, columns: &Azimuths) -> Result<Self> {
        let mut ring_rule = match rings.kind() {
            RingKind::Free => RingRule::free(rings.free_angles(), M::KIND)?,
            kind => RingRule::new(kind, rings.len(), M::KIND)?,
        };
        if rings.order() == RingOrder::SouthFirst {
            ring_rule = ring_rule.reversed();
        }
        let poles = ring_rule.rings.iter().filter(|ring| ring.sine < 1e-12).count();
        let layout = Layout {
            rings: rings.len(),
            columns: columns.len(),
            kind: rings.kind(),
            order: rings.order(),
            column_kind: columns.kind(),
            seam: columns.seam(),
            poles,
        };
        Ok(Self { ring_rule, column_rule: ColumnRule::new(columns)?, layout, measure })
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
        self.ring_rule.degree.min(self.column_rule.degree)
    }

    /// Rings, columns, poles and seam.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The nodes, in the order of the samples.
    pub fn directions(&self) -> impl Iterator<Item = Direction> + '_ {
        self.column_rule.columns.iter().flat_map(|column| {
            self.ring_rule.rings.iter().map(|&Ring { theta, sine, cosine }| {
                Direction::from_parts(theta, sine, cosine, column.phi)
            })
        })
    }

    /// The weights for p smooth on the sphere, in the order of the samples. The measure's Jacobian
    /// is inside them.
    pub fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        self.column_rule.columns.iter().flat_map(|column| {
            self.ring_rule.choices[0].weights.iter().map(|weight| weight * column.weight)
        })
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

    /// The values alone of many snapshots, a column each, by one matrix product with
    /// [`Self::weights`]: the fastest, without a choice of weights and without an error.
    ///
    /// Judge the first snapshot by [`Self::integrate_samples`], and others now and then.
    ///
    /// # Errors
    /// [`Error::SampleCount`]; [`Error::SampleNotFinite`], [`Error::Overflow`].
    ///
    /// # Examples
    /// ```
    /// use linalg::DMatrix;
    /// use quad::{SolidAngle, SphereRule};
    /// let rule = SphereRule::of_degree(SolidAngle, 8)?;
    /// let x: Vec<_> = rule.directions().collect();
    /// let steps = DMatrix::from_fn(rule.len(), 3, |i, t| 1.0 + t as f64 * x[i].z().powi(2));
    /// let totals = rule.totals(&steps)?;
    /// // 4π (1 + t/3)
    /// assert!((totals[2] / (4.0 * std::f64::consts::PI) - 5.0 / 3.0).abs() < 1e-14);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn totals(&self, snapshots: &DMatrix<f64>) -> Result<Vec<f64>> {
        self.check_count(snapshots.nrows())?;
        let weights = DMatrix::from_iterator(self.len(), 1, self.weights());
        let totals = linalg::product(linalg::transpose(snapshots), &weights)?;
        match totals.iter().position(|total| !total.is_finite()) {
            None => Ok(totals.as_slice().to_vec()),
            Some(bad) => {
                let samples = snapshots.as_slice().chunks_exact(self.len()).nth(bad);
                Err(not_finite(samples.unwrap_or_default(), self.layout.rings, bad))
            }
        }
    }

    /// Rings, their weights, and the azimuth of the first column.
    pub(crate) fn grid(&self) -> (&[Ring], &[f64], f64) {
        let weights = &self.ring_rule.choices[0].weights;
        (&self.ring_rule.rings, weights, self.column_rule.columns[0].phi)
    }

    pub(crate) fn column_angles(&self) -> Vec<f64> {
        self.column_rule.columns.iter().map(|column| column.phi).collect()
    }

    pub(crate) fn check_count(&self, got: usize) -> Result<()> {
        if got == self.len() {
            return Ok(());
        }
        let Layout { rings, columns, .. } = self.layout;
        Err(Error::SampleCount { rings, columns, expected: self.len(), got })
    }

    /// One pass over the samples: the integral, ∫|p|, and the marginals that show the tails.
    fn sum(&self, samples: &[f64], snapshot: usize) -> Result<Integral<M>> {
        let rings = self.layout.rings;
        let columns = &self.column_rule.columns;
        let first = &self.ring_rule.choices[0];
        let (mut over_phi, mut absolute) = (vec![0.0; rings], vec![0.0; rings]);
        let mut over_theta = Vec::with_capacity(columns.len());
        let orders = WAVES.into_iter().filter(|&m| 2 * m < columns.len());
        let mut waves = vec![vec![0.0; rings]; 2 * orders.clone().count()];
        for (column, samples) in columns.iter().zip(samples.chunks_exact(rings)) {
            for (wave, m) in waves.chunks_exact_mut(2).zip(orders.clone()) {
                let (sine, cosine) = (real(m) * column.phi).sin_cos();
                for (wave, factor) in wave.iter_mut().zip([cosine, sine]) {
                    let factor = column.weight * factor;
                    wave.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += factor * sample);
                }
            }
            for ((sample, mean), absolute) in samples.iter().zip(&mut over_phi).zip(&mut absolute) {
                *mean += column.weight * sample;
                *absolute += column.weight * sample.abs();
            }
            over_theta.push(column.weight * dot(samples, &first.weights));
        }
        let magnitude: f64 = absolute.iter().zip(&first.weights).map(|(a, w)| a * w.abs()).sum();
        if !magnitude.is_finite() {
            return Err(not_finite(samples, rings, snapshot));
        }
        let across = self.ring_rule.judge(&over_phi, &waves, magnitude);
        let around = self.column_rule.judge(&over_theta, magnitude);
        let chosen = &self.ring_rule.choices[across.choice];
        let value = chosen.sum(&over_phi);
        // The bound on rounding in sums of so many terms, of weights that are good to 2 eps.
        let rounding = f64::EPSILON * real(rings + columns.len()) * magnitude;
        let last = across.last + around.last;
        let mut error_estimate = (across.error + around.error).min(3.0 * last);
        // Nothing falls yet, and extrapolation means nothing.
        let unresolved = last > UNRESOLVED * magnitude;
        if unresolved {
            error_estimate = error_estimate.max(magnitude);
        }
        Ok(Integral {
            value,
            error_estimate: error_estimate + rounding,
            weights: chosen.how,
            resolution: if unresolved {
                Resolution::Unresolved
            } else {
                resolution([across.spectrum, around.spectrum])
            },
            samples: samples.len(),
            layout: self.layout,
            measure: self.measure,
        })
    }
}

/// Orders m of the integrals against cos mφ and sin mφ whose spectra over θ are judged beside the mean's.
/// For even m they are even about the poles where the mean is.
const WAVES: [usize; 6] = [2, 4, 6, 8, 10, 12];

/// Part of ∫|p| above which the last terms show that nothing is resolved.
const UNRESOLVED: f64 = 0.5;

/// What the spectra over θ and over φ need, in degrees.
fn resolution(spectra: [Option<Spectrum>; 2]) -> Resolution {
    let spectra: Vec<Spectrum> = spectra.into_iter().flatten().collect();
    if spectra.is_empty() {
        return Resolution::Unknown;
    }
    let highest = |degree: fn(&Spectrum) -> Option<usize>| -> Option<usize> {
        let degrees: Option<Vec<usize>> = spectra.iter().map(degree).collect();
        degrees?.into_iter().max()
    };
    match highest(Spectrum::shown) {
        Some(degree) => Resolution::Resolved { degree },
        None => Resolution::UnderResolved { degree: highest(Spectrum::needed) },
    }
}

/// Σ aᵢbᵢ in eight partial sums, which a compiler can keep in lanes.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
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
