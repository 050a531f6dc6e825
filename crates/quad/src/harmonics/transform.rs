//! Between samples on a grid and coefficients.

use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use linalg::Complex;
use rustfft::{Fft, FftPlanner};

use super::legendre::{Analysis, PADDING, Recurrence, Rings, Synthesis, room};
use super::{ComplexHarmonics, Harmonics};
use crate::rings::real;
use crate::{ColumnKind, Error, Layout, Result, RingKind, Seam, SolidAngle, SphereRule};

/// The transforms between samples at the nodes of a rule and harmonic coefficients to a degree L,
/// planned once and used many times. [`Harmonics`] has the convention.
///
/// Along each ring a fast Fourier transform, across the rings sums over Legendre functions, north
/// and south at once. O(L³), on one thread: 20 ms or so at L = 511.
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
    /// Of the northern half and the equator, padded with zeros.
    cosines: Vec<f64>,
    sines: Vec<f64>,
    /// Of every order.
    recurrences: Vec<Recurrence>,
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

/// Rings that are transformed together, so that what follows reads whole cache lines.
const TOGETHER: usize = 8;

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
        let half = rings.len().div_ceil(2);
        let padded = |part: fn(&crate::rings::Ring) -> f64| {
            let mut numbers = vec![0.0; half.next_multiple_of(PADDING)];
            for (number, ring) in numbers.iter_mut().zip(&rings[..half]) {
                *number = part(ring);
            }
            numbers
        };
        let mut planner = FftPlanner::new();
        Ok(Self {
            degree,
            layout,
            columns,
            first_phi,
            cosines: padded(|ring| ring.cosine),
            sines: padded(|ring| ring.sine),
            recurrences: (0..=degree).map(|m| Recurrence::new(m, degree)).collect(),
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
        let padded = self.cosines.len();
        let mut field = vec![0.0; 4 * padded * (self.degree + 1)];
        self.gather(samples, &mut field);
        let mut found = Harmonics::zeros(self.degree);
        let mut space = vec![0.0; room(self.degree)];
        let mut sums = Vec::new();
        self.each_order(|m, from, start, recurrence| {
            let parts = &field[4 * padded * m..4 * padded * (m + 1)];
            Analysis {
                rings: Rings {
                    x: &self.cosines[from..],
                    start: &start[from..],
                    factors: &recurrence.factors,
                },
                field: std::array::from_fn(|part| {
                    &parts[part * padded + from..(part + 1) * padded]
                }),
                room: &mut space,
                sums: &mut sums,
            }
            .run();
            for ((value, (re, im)), scale) in
                found.order_mut(m).iter_mut().zip(&sums).zip(&recurrence.scales)
            {
                *value = Complex::new(scale * re, scale * im);
            }
        });
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
        let padded = self.cosines.len();
        let mut field = vec![0.0; 4 * padded * (self.degree + 1)];
        let mut scaled = Vec::new();
        self.each_order(|m, from, start, recurrence| {
            scaled.clear();
            if m <= harmonics.degree() {
                let values = harmonics.order(m).iter().zip(&recurrence.scales);
                scaled.extend(values.map(|(value, scale)| (scale * value.re, scale * value.im)));
            }
            let parts = &mut field[4 * padded * m..4 * padded * (m + 1)];
            let mut parts = parts.chunks_exact_mut(padded).map(|part| &mut part[from..]);
            Synthesis {
                rings: Rings {
                    x: &self.cosines[from..],
                    start: &start[from..],
                    factors: &recurrence.factors,
                },
                coefficients: &scaled,
                field: std::array::from_fn(|_| parts.next().unwrap_or_default()),
            }
            .run();
        });
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

    /// Calls `each` for m = 0..=L with the first ring that matters, P̄ₘᵐ on all rings and the
    /// recurrence.
    fn each_order(&self, mut each: impl FnMut(usize, usize, &[f64], &Recurrence)) {
        // P̄₀⁰ = √½, where there is a ring.
        let mut start: Vec<f64> =
            self.sines.iter().map(|&sine| if sine > 0.0 { 0.5f64.sqrt() } else { 0.0 }).collect();
        for (start, cosine) in start.iter_mut().zip(&self.cosines) {
            // A pole has no sine, but counts at m = 0.
            if *cosine != 0.0 {
                *start = 0.5f64.sqrt();
            }
        }
        // Functions are below 1e-17 where m exceeds L sin θ by this; see the test.
        let margin = 25.0 + 8.0 * real(self.degree).cbrt();
        let mut from = 0;
        for m in 0..=self.degree {
            if m > 0 {
                let grow = ((2.0 * real(m) + 1.0) / (2.0 * real(m))).sqrt();
                for (start, sine) in start.iter_mut().zip(&self.sines) {
                    *start *= grow * sine;
                    // On rings that do not matter anymore; denormal numbers are slow.
                    if *start < 1e-290 {
                        *start = 0.0;
                    }
                }
            }
            let matters = |ring: usize| real(m) <= real(self.degree) * self.sines[ring] + margin;
            while from + PADDING < self.sines.len() && !matters(from + PADDING - 1) {
                from += PADDING;
            }
            each(m, from, &start, &self.recurrences[m]);
        }
    }

    /// Fourier transforms of all rings: for each m the real and the imaginary part of north + south,
    /// and of north − south, each weighted for the integral over the sphere.
    fn gather(&self, samples: &[f64], field: &mut [f64]) {
        let Layout { rings, .. } = self.layout;
        let (n, half, padded) = (self.columns, rings.div_ceil(2), self.cosines.len());
        let scale = TAU / real(n) / TAU.sqrt();
        let turns = self.turns(-1.0);
        let mut circles = vec![Complex::new(0.0, 0.0); TOGETHER * n];
        let mut scratch = vec![Complex::new(0.0, 0.0); self.forward.get_inplace_scratch_len()];
        for first in (0..half).step_by(TOGETHER) {
            let count = TOGETHER.min(half - first);
            for (j, column) in samples.chunks_exact(rings).enumerate() {
                let ends = self.layout.seam == Seam::Repeated && (j == 0 || j == n);
                // A repeated column and the first are half a column each.
                let share = if ends { 0.5 * scale } else { scale };
                for i in 0..count {
                    let (north, south) = (first + i, rings - 1 - first - i);
                    let below =
                        if north == south { 0.0 } else { self.weights[south] * column[south] };
                    let value = Complex::new(self.weights[north] * column[north], below) * share;
                    if j < n {
                        circles[i * n + j] = value;
                    } else {
                        circles[i * n] += value;
                    }
                }
            }
            self.forward.process_with_scratch(&mut circles[..count * n], &mut scratch);
            for m in 0..=self.degree {
                let target = &mut field[4 * padded * m..4 * padded * (m + 1)];
                for i in 0..count {
                    let circle = &circles[i * n..(i + 1) * n];
                    // Z = N + iS with real rings N and S.
                    let mirror = if m == 0 { 0 } else { n - m };
                    let (here, there) = (circle[m], circle[mirror].conj());
                    let north = (here + there) * 0.5;
                    let south = Complex::new(0.0, -0.5) * (here - there);
                    let sum = (north + south) * turns[m];
                    let difference = (north - south) * turns[m];
                    let at = first + i;
                    target[at] = sum.re;
                    target[padded + at] = sum.im;
                    target[2 * padded + at] = difference.re;
                    target[3 * padded + at] = difference.im;
                }
            }
        }
    }

    /// The way back, without weights.
    fn scatter(&self, field: &[f64], samples: &mut [f64]) {
        let Layout { rings, .. } = self.layout;
        let (n, half, padded) = (self.columns, rings.div_ceil(2), self.cosines.len());
        let scale = 1.0 / TAU.sqrt();
        let turns = self.turns(1.0);
        let mut circles = vec![Complex::new(0.0, 0.0); TOGETHER * n];
        let mut scratch = vec![Complex::new(0.0, 0.0); self.inverse.get_inplace_scratch_len()];
        let times_i = Complex::new(0.0, 1.0);
        for first in (0..half).step_by(TOGETHER) {
            let count = TOGETHER.min(half - first);
            circles.fill(Complex::new(0.0, 0.0));
            for m in 0..=self.degree {
                let source = &field[4 * padded * m..4 * padded * (m + 1)];
                for i in 0..count {
                    let at = first + i;
                    let turn = turns[m] * scale;
                    let even = Complex::new(source[at], source[padded + at]) * turn;
                    let odd = Complex::new(source[2 * padded + at], source[3 * padded + at]) * turn;
                    let (north, south) = (even + odd, even - odd);
                    let circle = &mut circles[i * n..(i + 1) * n];
                    circle[m] += north + times_i * south;
                    if m > 0 {
                        circle[n - m] += north.conj() + times_i * south.conj();
                    }
                }
            }
            self.inverse.process_with_scratch(&mut circles[..count * n], &mut scratch);
            for (j, column) in samples.chunks_exact_mut(rings).enumerate() {
                let turn = if j == n { 0 } else { j };
                for i in 0..count {
                    let value = circles[i * n + turn];
                    let (north, south) = (first + i, rings - 1 - first - i);
                    column[south] = value.im;
                    column[north] = value.re;
                }
            }
        }
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
