//! Between samples on a grid and coefficients.

use std::f64::consts::TAU;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use linalg::Complex;
use rustfft::{Fft, FftPlanner};

use super::legendre::{Analysis, Block, Field, Order, RINGS, ROOM, Synthesis};
use super::{ComplexHarmonics, Harmonics};
use crate::rings::{Ring, real};
use crate::{ColumnKind, Error, Layout, Result, RingKind, Seam, SolidAngle, SphereRule};

/// The transforms between samples at the nodes of a rule and harmonic coefficients to a degree L,
/// planned once and used many times. [`Harmonics`] has the convention.
///
/// Along each ring a fast Fourier transform, across the rings sums over Legendre functions, north
/// and south at once. O(L³), on one thread: 10 ms or so at L = 511.
///
/// # Examples
/// ```
/// use quad::{HarmonicTransform, SolidAngle, SphereRule};
/// // Coefficients to L need a rule that is exact to 2L.
/// let rule = SphereRule::of_degree(SolidAngle, 40)?;
/// let transform = HarmonicTransform::new(&rule, 20)?;
/// let samples: Vec<f64> = rule.directions().map(|x| x.x() * x.y() + 2.0).collect();
/// let found = transform.analyze(&samples)?;
/// // x y = √(8π/15) Im Y₂₂, and 2 = 2 √(4π) Y₀₀.
/// assert!((found.get(2, 2).im + (2.0 * std::f64::consts::PI / 15.0).sqrt()).abs() < 1e-15);
/// assert!((found.get(0, 0).re - 2.0 * (4.0 * std::f64::consts::PI).sqrt()).abs() < 1e-14);
/// let back = transform.synthesize(&found)?;
/// assert!(samples.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-14));
/// # Ok::<(), quad::Error>(())
/// ```
///
/// # References
/// The organization is that of M. Reinecke, D. S. Seljebotn, "Libsharp: spherical harmonic
/// transforms revisited", Astron. Astrophys. 554 (2013).
#[derive(Clone)]
pub struct HarmonicTransform {
    degree: usize,
    layout: Layout,
    /// Distinct columns.
    columns: usize,
    first_phi: f64,
    /// cos θ of the northern half and the equator.
    cosines: Vec<f64>,
    /// The same rings, from the pole.
    blocks: Vec<Block>,
    orders: Vec<Order>,
    /// Ring weights, of all rings.
    weights: Vec<f64>,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl fmt::Debug for HarmonicTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HarmonicTransform")
            .field("degree", &self.degree)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl HarmonicTransform {
    /// The largest degree: beyond, functions that matter start below the smallest double.
    pub const MAX_DEGREE: usize = 1023;

    /// Transforms to `degree` on the nodes of `rule`.
    ///
    /// # Errors
    /// [`Error::Count`] above [`Self::MAX_DEGREE`]; [`Error::RuleTooCoarse`] where the rule is not
    /// exact to twice the degree; [`Error::UnequalGrid`] on unequal rings or columns.
    pub fn new(rule: &SphereRule<SolidAngle>, degree: usize) -> Result<Self> {
        if degree > Self::MAX_DEGREE {
            let (argument, highest) = ("degree", Self::MAX_DEGREE);
            return Err(Error::Count { argument, value: degree, lowest: 0, highest });
        }
        let layout = rule.layout();
        if layout.kind == RingKind::Free
            || layout.kind == RingKind::NorthPole
            || layout.column_kind == ColumnKind::Free
        {
            return Err(Error::UnequalGrid);
        }
        if rule.degree() < 2 * degree {
            return Err(Error::RuleTooCoarse { degree, exact: rule.degree() });
        }
        let (rings, weights, first_phi) = rule.grid();
        let columns = layout.seam.distinct(layout.columns);
        let orders: Vec<Order> = (0..=degree).map(|m| Order::new(m, degree)).collect();
        let northern = &rings[..rings.len().div_ceil(2)];
        let block = |rings: &[Ring]| {
            let padded = |part: fn(&Ring) -> f64| {
                std::array::from_fn(|ring| rings.get(ring).map_or(0.0, part))
            };
            Block::new(padded(|ring| ring.cosine), padded(|ring| ring.sine), &orders)
        };
        let blocks: Vec<Block> = northern.chunks(RINGS).map(block).collect();
        let mut planner = FftPlanner::new();
        Ok(Self {
            degree,
            layout,
            columns,
            first_phi,
            cosines: northern.iter().map(|ring| ring.cosine).collect(),
            blocks,
            orders,
            weights: weights.to_vec(),
            forward: planner.plan_fft_forward(columns),
            inverse: planner.plan_fft_inverse(columns),
        })
    }

    /// The highest degree, L.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// cₗₘ = ∫ f conj(Yₗₘ) dΩ for a real field, sample i + `rings` · j from ring i, column j.
    ///
    /// Exact to rounding where f has no harmonics above L; what it has there is in part taken for
    /// lower ones.
    ///
    /// # Errors
    /// [`Error::SampleCount`]; [`Error::SampleNotFinite`] with the first index.
    pub fn analyze(&self, samples: &[f64]) -> Result<Harmonics> {
        self.check(samples)?;
        let field = self.gather(samples);
        let mut found = Harmonics::zeros(self.degree);
        let mut room = vec![0.0; ROOM * self.orders[0].pairs()];
        let mut sums = vec![[0.0; 4]; self.orders[0].pairs()];
        for (m, order) in self.orders.iter().enumerate() {
            let blocks = self.blocks.iter().zip(&field);
            let blocks: Vec<_> = blocks
                .filter_map(|(block, field)| Some((block, block.starts.get(m)?, field.get(m)?)))
                .collect();
            let sums = &mut sums[..order.pairs()];
            Analysis { order, blocks: &blocks, room: &mut room, sums }.run();
            let values = found.order_mut(m);
            order.unfold(sums, |index, re, im| {
                if let Some(value) = values.get_mut(index) {
                    *value = Complex::new(re, im);
                }
            });
        }
        Ok(found)
    }

    /// f = Σ cₗₘ Yₗₘ at the nodes.
    ///
    /// # Errors
    /// [`Error::RuleTooCoarse`] where the coefficients go beyond L.
    pub fn synthesize(&self, harmonics: &Harmonics) -> Result<Vec<f64>> {
        if harmonics.degree() > self.degree {
            let exact = 2 * self.degree;
            return Err(Error::RuleTooCoarse { degree: harmonics.degree(), exact });
        }
        let mut field: Vec<Vec<Field>> =
            self.blocks.iter().map(|block| vec![[[0.0; RINGS]; 4]; block.starts.len()]).collect();
        let mut coefficients = Vec::new();
        for (m, order) in self.orders.iter().enumerate().take(harmonics.degree() + 1) {
            let values = harmonics.order(m);
            let value = |index: usize| values.get(index).map_or((0.0, 0.0), |c| (c.re, c.im));
            order.fold(value, &mut coefficients);
            for (block, field) in self.blocks.iter().zip(&mut field) {
                if let (Some(start), Some(field)) = (block.starts.get(m), field.get_mut(m)) {
                    Synthesis { order, block, start, coefficients: &coefficients, field }.run();
                }
            }
        }
        let mut samples = vec![0.0; self.layout.rings * self.layout.columns];
        self.scatter(&field, &mut samples);
        Ok(samples)
    }

    /// The coefficients of a complex field.
    ///
    /// # Errors
    /// As [`Self::analyze`].
    ///
    /// # Examples
    /// sin θ·e^(iφ) is Y₁¹ alone, and ∫ sin²θ dΩ = 8π/3:
    /// ```
    /// use linalg::Complex;
    /// use quad::{ComplexHarmonics, HarmonicTransform, SolidAngle, SphereRule};
    /// let rule = SphereRule::of_degree(SolidAngle, 8)?;
    /// let field: Vec<_> = rule.directions().map(|u| Complex::new(u.x(), u.y())).collect();
    /// let transform = HarmonicTransform::new(&rule, 4)?;
    /// let found: ComplexHarmonics = transform.analyze_complex(&field)?;
    /// let power = 8.0 * std::f64::consts::PI / 3.0;
    /// assert!((found.get(1, 1).norm_sqr() - power).abs() < 1e-13);
    /// assert!(found.get(1, -1).norm() < 1e-14);
    /// assert!((found.power_spectrum()[1] - power).abs() < 1e-13);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn analyze_complex(&self, samples: &[Complex<f64>]) -> Result<ComplexHarmonics> {
        let part =
            |part: fn(&Complex<f64>) -> f64| -> Vec<f64> { samples.iter().map(part).collect() };
        let real = self.analyze(&part(|sample| sample.re))?;
        let imaginary = self.analyze(&part(|sample| sample.im))?;
        Ok(ComplexHarmonics { real, imaginary })
    }

    /// A complex field at the nodes.
    ///
    /// # Errors
    /// As [`Self::synthesize`].
    pub fn synthesize_complex(&self, harmonics: &ComplexHarmonics) -> Result<Vec<Complex<f64>>> {
        let real = self.synthesize(&harmonics.real)?;
        let imaginary = self.synthesize(&harmonics.imaginary)?;
        Ok(real.into_iter().zip(imaginary).map(|(re, im)| Complex::new(re, im)).collect())
    }

    fn check(&self, samples: &[f64]) -> Result<()> {
        let Layout { rings, columns, .. } = self.layout;
        if samples.len() != rings * columns {
            let (expected, got) = (rings * columns, samples.len());
            return Err(Error::SampleCount { rings, columns, expected, got });
        }
        match samples.iter().position(|sample| !sample.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Error::SampleNotFinite {
                snapshot: 0,
                index,
                ring: index % rings,
                column: index / rings,
                value: samples[index],
            }),
        }
    }

    /// Fourier transforms of the rings of each block, for the orders that matter there: of
    /// north + south and of x times north − south, weighted for the integral over the sphere.
    fn gather(&self, samples: &[f64]) -> Vec<Vec<Field>> {
        let Layout { rings, .. } = self.layout;
        let n = self.columns;
        let scale = TAU / real(n) / TAU.sqrt();
        let turns = self.turns(-1.0);
        let mut circles = self.circles();
        let mut scratch = vec![Complex::new(0.0, 0.0); self.forward.get_inplace_scratch_len()];
        let blocks = self.blocks.iter().enumerate().map(|(index, block)| {
            let north = RINGS * index..rings.div_ceil(2).min(RINGS * (index + 1));
            let south = rings - north.end..rings - north.start;
            for (j, column) in samples.chunks_exact(rings).enumerate() {
                let ends = self.layout.seam == Seam::Repeated && (j == 0 || j == n);
                // A repeated column and the first are half a column each.
                let share = if ends { 0.5 * scale } else { scale };
                let weighted = |range: &Range<usize>| {
                    let pairs = column[range.clone()].iter().zip(&self.weights[range.clone()]);
                    pairs.map(move |(sample, weight)| share * weight * sample)
                };
                let both = weighted(&north).zip(weighted(&south).rev());
                for (circle, (north, south)) in circles.iter_mut().zip(both) {
                    if j < n {
                        circle[j] = Complex::new(north, south);
                    } else {
                        circle[0] += Complex::new(north, south);
                    }
                }
            }
            // The equator is its own south.
            if south.start < north.end {
                circles[north.len() - 1][..n].iter_mut().for_each(|value| value.im = 0.0);
            }
            for circle in &mut circles[..north.len()] {
                self.forward.process_with_scratch(&mut circle[..n], &mut scratch);
            }
            let cosines = &self.cosines[north.clone()];
            let field = turns.iter().take(block.starts.len()).enumerate().map(|(m, turn)| {
                let mut field = [[0.0; RINGS]; 4];
                let mirror = if m == 0 { 0 } else { n - m };
                for (i, (circle, x)) in circles.iter().zip(cosines).enumerate() {
                    // Z = N + iS with real rings N and S.
                    let (here, there) = (circle[m] * turn, circle[mirror].conj() * turn);
                    let north = (here + there) * 0.5;
                    let south = Complex::new(0.0, -0.5) * (here - there);
                    let (sum, difference) = (north + south, (north - south) * *x);
                    field[0][i] = sum.re;
                    field[1][i] = sum.im;
                    field[2][i] = difference.re;
                    field[3][i] = difference.im;
                }
                field
            });
            field.collect()
        });
        blocks.collect()
    }

    /// The way back, without weights, from sums and from differences over x.
    fn scatter(&self, field: &[Vec<Field>], samples: &mut [f64]) {
        let Layout { rings, .. } = self.layout;
        let n = self.columns;
        let scale = 1.0 / TAU.sqrt();
        let turns = self.turns(1.0);
        let mut circles = self.circles();
        let mut scratch = vec![Complex::new(0.0, 0.0); self.inverse.get_inplace_scratch_len()];
        let times_i = Complex::new(0.0, 1.0);
        for (index, field) in field.iter().enumerate() {
            let north = RINGS * index..rings.div_ceil(2).min(RINGS * (index + 1));
            let cosines = &self.cosines[north.clone()];
            for circle in &mut circles[..north.len()] {
                circle.fill(Complex::new(0.0, 0.0));
            }
            for (m, (field, turn)) in field.iter().zip(&turns).enumerate() {
                for (i, (circle, x)) in circles.iter_mut().zip(cosines).enumerate() {
                    let turn = turn * scale;
                    let even = Complex::new(field[0][i], field[1][i]) * turn;
                    let odd = Complex::new(field[2][i], field[3][i]) * turn * *x;
                    let (north, south) = (even + odd, even - odd);
                    circle[m] += north + times_i * south;
                    if m > 0 {
                        circle[n - m] += north.conj() + times_i * south.conj();
                    }
                }
            }
            for circle in &mut circles[..north.len()] {
                self.inverse.process_with_scratch(&mut circle[..n], &mut scratch);
            }
            for (j, column) in samples.chunks_exact_mut(rings).enumerate() {
                let turn = if j == n { 0 } else { j };
                for (i, circle) in north.clone().zip(&circles) {
                    column[rings - 1 - i] = circle[turn].im;
                    column[i] = circle[turn].re;
                }
            }
        }
    }

    /// A circle for each ring of a block, longer than it need be: at distances of a power of two all
    /// of them would compete for the same lines of the cache.
    fn circles(&self) -> Vec<Vec<Complex<f64>>> {
        vec![vec![Complex::new(0.0, 0.0); self.columns + 4]; RINGS]
    }

    /// (−1)ᵐ e^{± i m φ₀}: the phase of the convention, and the azimuth of the first column.
    fn turns(&self, direction: f64) -> Vec<Complex<f64>> {
        (0..=self.degree)
            .map(|m| {
                let (sine, cosine) = (real(m) * self.first_phi).sin_cos();
                let sign = if m.is_multiple_of(2) { 1.0 } else { -1.0 };
                Complex::new(sign * cosine, sign * direction * sine)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Azimuths, Colatitudes, Direction};
    use std::f64::consts::PI;

    /// Yₗₘ from a table (A. R. Edmonds, Angular Momentum in Quantum Mechanics, table 1).
    fn table(l: usize, m: usize, x: &Direction) -> Complex<f64> {
        let (sine, cosine) = (x.sin_theta(), x.z());
        let (factor, value) = match (l, m) {
            (0, 0) => (1.0 / (4.0 * PI), 1.0),
            (1, 0) => (3.0 / (4.0 * PI), cosine),
            (1, 1) => (3.0 / (8.0 * PI), -sine),
            (2, 0) => (5.0 / (16.0 * PI), 3.0 * cosine * cosine - 1.0),
            (2, 1) => (15.0 / (8.0 * PI), -sine * cosine),
            (2, 2) => (15.0 / (32.0 * PI), sine * sine),
            (3, 1) => (21.0 / (64.0 * PI), -sine * (5.0 * cosine * cosine - 1.0)),
            _ => (35.0 / (64.0 * PI), -sine.powi(3)),
        };
        Complex::from_polar(1.0, m as f64 * x.phi()) * (f64::sqrt(factor) * value)
    }

    #[test]
    fn low_harmonics_are_those_of_the_tables() {
        let rule = SphereRule::of_degree(SolidAngle, 12).unwrap();
        let transform = HarmonicTransform::new(&rule, 6).unwrap();
        for (l, m) in [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 1), (3, 3)] {
            let field: Vec<Complex<f64>> = rule.directions().map(|x| table(l, m, &x)).collect();
            let found = transform.analyze_complex(&field).unwrap();
            for degree in 0..=6usize {
                for order in -(degree as isize)..=degree as isize {
                    let one = (degree, order) == (l, m as isize);
                    let expected = Complex::new(if one { 1.0 } else { 0.0 }, 0.0);
                    let error = (found.get(degree, order) - expected).norm();
                    assert!(error < 2e-15, "Y {l} {m}: c {degree} {order} off by {error:e}");
                }
            }
            let back = transform.synthesize_complex(&found).unwrap();
            assert!(field.iter().zip(&back).all(|(a, b)| (a - b).norm() < 2e-15), "{l} {m}");
        }
    }

    /// Coefficients without a pattern, of size one.
    fn noise(degree: usize) -> Harmonics {
        let mut noise = Harmonics::zeros(degree);
        for m in 0..=degree {
            for l in m..=degree {
                let t = real(l * l + 7 * m);
                noise.set(l, m, Complex::new((t * 0.7).sin(), (t * 1.3).cos())).unwrap();
            }
        }
        noise
    }

    #[test]
    fn synthesis_and_analysis_are_inverses_on_every_grid() {
        let linspace = |end: f64, n: usize| -> Vec<f64> {
            (0..n).map(|i| end * real(i) / real(n - 1)).collect()
        };
        let question = SphereRule::on_grid(
            SolidAngle,
            &Colatitudes::from_radians(&linspace(PI, 131)).unwrap(),
            &Azimuths::from_degrees(
                &linspace(360.0, 140).iter().map(|phi| phi - 170.0).collect::<Vec<_>>(),
            )
            .unwrap(),
        )
        .unwrap();
        let latitudes: Vec<f64> =
            (0..130).map(|i| -90.0 + 180.0 * (real(i) + 0.5) / 130.0).collect();
        let cells = SphereRule::on_grid(
            SolidAngle,
            &Colatitudes::from_latitudes_degrees(&latitudes).unwrap(),
            &Azimuths::from_degrees(&linspace(357.0, 120)).unwrap(),
        )
        .unwrap();
        let gauss = SphereRule::of_degree(SolidAngle, 129).unwrap();
        let interior = SphereRule::product(SolidAngle, RingKind::Interior, 131, 131).unwrap();
        for (rule, degree) in [(question, 64), (cells, 59), (gauss, 64), (interior, 65)] {
            let transform = HarmonicTransform::new(&rule, degree).unwrap();
            let expected = noise(degree);
            let field = transform.synthesize(&expected).unwrap();
            let found = transform.analyze(&field).unwrap();
            for m in 0..=degree {
                for (a, b) in found.order(m).iter().zip(expected.order(m)) {
                    // Sums over the rings of functions that carry l eps.
                    let limit = 40.0 * real(degree) * f64::EPSILON;
                    assert!((a - b).norm() < limit, "{} {m}: {:e}", rule.layout(), (a - b).norm());
                }
            }
            let power: f64 = found.power_spectrum().iter().sum();
            let squares: Vec<f64> = field.iter().map(|value| value * value).collect();
            let norm: f64 = rule.weights().zip(&squares).map(|(w, square)| w * square).sum();
            assert!((power / norm - 1.0).abs() < 1e-12, "Parseval");
        }
    }

    #[test]
    fn a_lobe_has_the_coefficients_of_funk_and_hecke() {
        // exp(κ u·x) has cₗₘ = 4π iₗ(κ) conj Yₗₘ(u), with the modified spherical Bessel function,
        // so Σₘ |cₗₘ|² = 4π (2l + 1) iₗ(κ)², far from the pole and at a high degree too.
        let rule = SphereRule::of_degree(SolidAngle, 400).unwrap();
        let transform = HarmonicTransform::new(&rule, 200).unwrap();
        let u = Direction::from_vector([0.2, -0.9, 0.4]).unwrap();
        let kappa = 30.0;
        let field: Vec<f64> =
            rule.directions().map(|x| (kappa * (u.dot(&x) - 1.0)).exp()).collect();
        let power = transform.analyze(&field).unwrap().power_spectrum();
        // i₀ = sinh κ/κ, i₁ = (κ cosh κ − sinh κ)/κ², i_{l+1} = i_{l−1} − (2l + 1)/κ i_l, times e^−κ.
        let (plus, minus) = (0.5, 0.5 * (-2.0 * kappa).exp());
        let mut before = (plus - minus) / kappa;
        let mut here = (kappa * (plus + minus) - (plus - minus)) / (kappa * kappa);
        for (l, power) in power.iter().enumerate().take(20) {
            let expected = 4.0 * PI * real(2 * l + 1) * before * before;
            assert!((power / expected - 1.0).abs() < 1e-9, "{l}: {power:e} {expected:e}");
            (before, here) = (here, before - real(2 * l + 3) / kappa * here);
        }
        // Rounding of a field of at most 1.
        assert!(power[150..].iter().all(|power| power.sqrt() < 4.0 * f64::EPSILON));
    }

    #[test]
    fn no_ring_that_matters_is_left_out() {
        // At the highest degree all functions of high order are near the equator; a sectoral one
        // next to the margin keeps its norm.
        let rule = SphereRule::of_degree(SolidAngle, 1022).unwrap();
        let transform = HarmonicTransform::new(&rule, 511).unwrap();
        for (l, m) in [(511, 511), (511, 300), (511, 120), (511, 60), (400, 3), (511, 0)] {
            let mut one = Harmonics::zeros(511);
            one.set(l, m, Complex::new(1.0, 0.0)).unwrap();
            let field = transform.synthesize(&one).unwrap();
            let found = transform.analyze(&field).unwrap();
            assert!(
                (found.get(l, m as isize).re - 1.0).abs() < 511.0 * 4.0 * f64::EPSILON,
                "{l} {m}"
            );
            let rest: f64 = found.power_spectrum().iter().sum();
            assert!((rest / if m == 0 { 1.0 } else { 2.0 } - 1.0).abs() < 1e-11, "{l} {m}: {rest}");
        }
    }

    #[test]
    fn what_a_grid_cannot_tell_apart_is_refused() {
        let rule = SphereRule::of_degree(SolidAngle, 20).unwrap();
        assert_eq!(
            HarmonicTransform::new(&rule, 11).unwrap_err().to_string(),
            "harmonics to degree 11 need a rule that is exact to 22, and this one is to 20"
        );
        assert_eq!(
            HarmonicTransform::new(&rule, 1024).unwrap_err().to_string(),
            "degree is 1024, expected 0 to 1023"
        );
        let north = SphereRule::product(SolidAngle, RingKind::NorthPole, 40, 40).unwrap();
        assert_eq!(
            HarmonicTransform::new(&north, 5).unwrap_err().to_string(),
            "harmonics need rings that lie alike north and south, and equal columns"
        );
        assert_eq!(
            Harmonics::zeros(3).set(2, 3, Complex::new(1.0, 0.0)).unwrap_err().to_string(),
            "there is no harmonic l = 2, m = 3 in coefficients to degree 3"
        );
    }
}
