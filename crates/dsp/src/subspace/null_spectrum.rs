//! D(ω), which is small where there is a source: MUSIC, eigenvector method, minimum norm, Capon.

use std::f64::consts::TAU;

use linalg::{Complex, roots};

use super::Subspace;
use crate::fft::{RealFft, Workspace};
use crate::{Error, Result};

/// What the null spectrum D(ω) = e(ω)ᴴ·G·e(ω) measures of the steering vector e.
///
/// With eigenvalues λᵢ and eigenvectors vᵢ of the covariance R, of which the first K belong to
/// signals:
///
/// | method | G | source |
/// |---|---|---|
/// | [`Music`](Method::Music) | ∑ vᵢ·vᵢᴴ, i > K | Schmidt 1986 |
/// | [`Eigenvector`](Method::Eigenvector) | ∑ vᵢ·vᵢᴴ/λᵢ, i > K | Johnson and DeGraaf 1982 |
/// | [`MinimumNorm`](Method::MinimumNorm) | d·dᴴ, d the shortest vector of the noise subspace with first entry 1 | Kumaresan and Tufts 1983 |
/// | [`Capon`](Method::Capon) | R⁻¹ | Capon 1969 |
/// | [`MatchedFilter`](Method::MatchedFilter) | trace(R)·I − R, whose minima are the maxima of eᴴ·R·e | for comparison |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Orthogonality to the whole noise subspace.
    #[default]
    Music,
    /// The same, directions of little noise weighted up.
    Eigenvector,
    /// Orthogonality to one vector of it.
    MinimumNorm,
    /// The least power that passes e unchanged; needs no number of sources.
    Capon,
    /// The power received from e; resolves no better than a Fourier transform.
    MatchedFilter,
}

impl Method {
    /// The weight of each eigenvector in G; the minimum norm has no such form.
    pub(super) fn weights(self, subspace: &Subspace, sources: usize) -> Vec<f64> {
        let values = &subspace.values;
        // Below rounding an eigenvalue is unknown.
        let floor = values[0] * f64::EPSILON * values.len() as f64;
        let weight = |(i, value): (usize, &f64)| {
            let noise = i >= sources;
            match self {
                Self::Music if noise => 1.0,
                Self::Eigenvector if noise => 1.0 / value.max(floor),
                Self::Capon => 1.0 / value.max(floor),
                Self::MatchedFilter => -value,
                Self::Music | Self::Eigenvector | Self::MinimumNorm => 0.0,
            }
        };
        values.iter().enumerate().map(weight).collect()
    }
}

/// A null spectrum over all angles ω, as a trigonometric polynomial.
///
/// ```text
/// D(ω) = e(ω)ᴴ·G·e(ω) = g₀ + 2·Re ∑ₖ gₖ·e^(−jkω),   gₖ the sum of G's k-th subdiagonal
/// ```
///
/// so that a grid of any size costs one Fourier transform instead of a product of matrices, and its
/// roots are those of a polynomial. For [`Method::Music`] D lies in 0..=M; the pseudospectrum that
/// people plot is 1/D, whose scale means nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct NullSpectrum {
    /// g₀ (real) to g_(M−1).
    diagonals: Vec<Complex<f64>>,
    sources: usize,
}

/// The angles 0, 2π/n, 4π/n, … and the transform that evaluates a [`NullSpectrum`] there.
#[derive(Debug, Clone)]
pub struct Grid {
    transform: RealFft<f64>,
}

impl Grid {
    /// A grid of `points` angles; numbers with small prime factors are fast.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no points.
    pub fn new(points: usize) -> Result<Self> {
        if points == 0 {
            let expected = "at least 1";
            return Err(Error::OutOfRange { argument: "points", value: 0.0, expected });
        }
        Ok(Self { transform: RealFft::new(points)? })
    }

    /// How many angles there are.
    #[must_use]
    pub fn points(&self) -> usize {
        self.transform.len()
    }

    /// Angle `index`, 2π·index/points.
    #[must_use]
    pub fn angle(&self, index: usize) -> f64 {
        TAU * index as f64 / self.points() as f64
    }
}

impl NullSpectrum {
    /// The null spectrum of `subspace` for so many sources.
    ///
    /// # Errors
    /// [`Error::Sources`] for none, or more than the covariance can tell apart; Capon and the matched
    /// filter use the number only to say how many minima to look for.
    pub fn new(subspace: &Subspace, sources: usize, method: Method) -> Result<Self> {
        subspace.covariance.check_sources(sources)?;
        let m = subspace.values.len();
        let mut diagonals = vec![Complex::default(); m];
        match method {
            // I − ∑ over the signals costs less than the sum over the noise.
            Method::Music if sources <= m - sources => {
                diagonals[0] = Complex::from(m as f64);
                for i in 0..sources {
                    add_diagonals(&mut diagonals, column(subspace, i), -1.0);
                }
            }
            Method::MinimumNorm => {
                // The projection of (1, 0, …) onto the noise subspace, scaled to first entry 1.
                let mut d = vec![Complex::default(); m];
                let mut first = 0.0;
                for i in sources..m {
                    let v = column(subspace, i);
                    first += v[0].norm_sqr();
                    for (d, v_m) in d.iter_mut().zip(v) {
                        *d += v[0].conj() * v_m;
                    }
                }
                let scale = 1.0 / (first * first).max(f64::MIN_POSITIVE);
                add_diagonals(&mut diagonals, &d, scale);
            }
            _ => {
                if method == Method::MatchedFilter {
                    diagonals[0] = Complex::from(subspace.values.iter().sum::<f64>() * m as f64);
                }
                for (i, weight) in method.weights(subspace, sources).into_iter().enumerate() {
                    if weight != 0.0 {
                        add_diagonals(&mut diagonals, column(subspace, i), weight);
                    }
                }
            }
        }
        diagonals[0].im = 0.0;
        Ok(Self { diagonals, sources })
    }

    /// D(ω), D′(ω) and D″(ω). O(M).
    fn with_slopes(&self, angle: f64) -> (f64, f64, f64) {
        let turn = Complex::from_polar(1.0, -angle);
        let (mut power, mut d, mut slope, mut bend) = (turn, self.diagonals[0].re, 0.0, 0.0);
        for (k, g) in self.diagonals.iter().enumerate().skip(1) {
            let term = g * power;
            let k = k as f64;
            d += 2.0 * term.re;
            slope += 2.0 * k * term.im;
            bend -= 2.0 * k * k * term.re;
            power *= turn;
        }
        (d, slope, bend)
    }

    /// D(ω). O(M).
    #[must_use]
    pub fn at(&self, angle: f64) -> f64 {
        self.with_slopes(angle).0
    }

    /// D at every angle of `grid`. O(n log n); points fewer than M fold what they cannot tell apart.
    #[must_use]
    pub fn on(&self, grid: &Grid) -> Vec<f64> {
        // D is real: what its diagonals are the transform of, by the inverse transform to real numbers.
        let n = grid.points();
        let mut spectrum = vec![Complex::default(); grid.transform.bins()];
        let mut add = |k: usize, g: Complex<f64>| {
            if let Some(value) = spectrum.get_mut(k % n) {
                *value += g * n as f64;
            }
        };
        add(0, self.diagonals[0]);
        for (k, g) in self.diagonals.iter().enumerate().skip(1) {
            add(k, g.conj());
            add(n - k % n, *g);
        }
        let mut values = vec![0.0; n];
        grid.transform.inverse_planned(&spectrum, &mut values, &mut Workspace::default());
        values
    }

    /// The angles of the deepest minima, one per source at most, deepest first: found on `grid`,
    /// then polished by Newton's method on D′(ω) = 0 within the cell.
    ///
    /// Two sources closer than the method resolves leave one minimum: then there are fewer.
    #[must_use]
    pub fn minima(&self, grid: &Grid) -> Vec<f64> {
        let values = self.on(grid);
        let n = values.len();
        // Of equal neighbors the first counts. The ends are each other's neighbors.
        let lowest = |before: f64, own: f64, after: f64| own < before && own <= after;
        let inner =
            values.windows(3).zip(1..).filter(|(three, _)| lowest(three[0], three[1], three[2]));
        let ends = [0, n - 1].into_iter().filter(|&index| {
            lowest(values[(index + n - 1) % n], values[index], values[(index + 1) % n])
        });
        let mut candidates: Vec<usize> = inner.map(|(_, index)| index).chain(ends).collect();
        candidates.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        // Within a step of where D is v, no minimum is below v − max |D″|·step²/2: most need no polish.
        let step = TAU / n as f64;
        let depth = step * step * self.most_bend() / 2.0;
        let mut minima: Vec<(f64, f64)> = Vec::new();
        for index in candidates {
            if let Some(&(last, _)) = minima.get(self.sources - 1)
                && values[index] - depth > last
            {
                break;
            }
            let angle = self.polish(grid.angle(index), step);
            let found = (self.at(angle), angle);
            let place = minima.partition_point(|other| other.0 <= found.0);
            minima.insert(place, found);
            minima.truncate(self.sources);
        }
        minima.into_iter().map(|(_, angle)| angle).collect()
    }

    /// What |D″| is nowhere above.
    fn most_bend(&self) -> f64 {
        self.diagonals.iter().zip(0_u32..).map(|(g, k)| 2.0 * f64::from(k * k) * g.norm()).sum()
    }

    /// The minimum between `start` − `step` and `start` + `step`.
    fn polish(&self, start: f64, step: f64) -> f64 {
        let (mut low, mut high, mut at) = (start - step, start + step, start);
        for _ in 0..60 {
            let (_, slope, bend) = self.with_slopes(at);
            if slope > 0.0 {
                high = at;
            } else {
                low = at;
            }
            let newton = at - slope / bend;
            // A step out of the bracket, or into a maximum, is a bisection instead.
            let next = if bend > 0.0 && newton > low && newton < high {
                newton
            } else {
                f64::midpoint(low, high)
            };
            if (next - at).abs() <= 4.0 * f64::EPSILON * step.max(at.abs()) {
                return next;
            }
            at = next;
        }
        at
    }

    /// The angles of the roots of D nearest to the unit circle, one per source: root-MUSIC.
    ///
    /// `z^(M−1)·D` has its 2(M − 1) roots in pairs z and 1/z̄, on both sides of the circle. A source
    /// that two minima would merge still has its own root.
    ///
    /// # Errors
    /// As [`linalg::roots`].
    ///
    /// # References
    /// A. Barabell, "Improving the resolution performance of eigenstructure-based direction-finding
    /// algorithms", ICASSP 1983.
    pub fn root_angles(&self) -> Result<Vec<f64>> {
        let mut left = self.roots()?;
        let distance = |z: &Complex<f64>| z.norm().ln().abs();
        let mut angles = Vec::with_capacity(self.sources);
        while angles.len() < self.sources && !left.is_empty() {
            let nearest = position_of_least(&left, distance);
            let z = left.swap_remove(nearest);
            angles.push(z.arg());
            // Its mate is the same source.
            if !left.is_empty() {
                let mate = 1.0 / z.conj();
                let partner = position_of_least(&left, |other| (other - mate).norm());
                left.swap_remove(partner);
            }
        }
        Ok(angles)
    }

    /// All roots of `z^(M−1)·D`(ω), z = e^(jω).
    ///
    /// # Errors
    /// As [`linalg::roots`].
    pub fn roots(&self) -> Result<Vec<Complex<f64>>> {
        let positive = self.diagonals.iter().skip(1);
        let coefficients: Vec<Complex<f64>> = positive
            .clone()
            .rev()
            .copied()
            .chain([self.diagonals[0]])
            .chain(positive.map(|g| g.conj()))
            .collect();
        Ok(roots(&coefficients)?.values)
    }
}

fn position_of_least<T>(values: &[T], key: impl Fn(&T) -> f64) -> usize {
    (0..values.len())
        .min_by(|&a, &b| key(&values[a]).total_cmp(&key(&values[b])))
        .unwrap_or_default()
}

fn column(subspace: &Subspace, index: usize) -> &[Complex<f64>] {
    let m = subspace.values.len();
    &subspace.vectors.as_slice()[index * m..(index + 1) * m]
}

/// Adds `weight` times the sums of the subdiagonals of v·vᴴ.
fn add_diagonals(diagonals: &mut [Complex<f64>], v: &[Complex<f64>], weight: f64) {
    for (k, g) in diagonals.iter_mut().enumerate() {
        let (mut re, mut im) = (0.0, 0.0);
        for (a, b) in v[k..].iter().zip(v) {
            re += a.re * b.re + a.im * b.im;
            im += a.im * b.re - a.re * b.im;
        }
        *g += Complex::new(re, im) * weight;
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::super::{Covariance, Smoothing};
    use super::*;
    use linalg::DMatrix;

    const ANGLES: [f64; 3] = [-2.0, 0.35, 0.9];

    fn subspace(noise: f64) -> Subspace {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut part = || rng.random::<f64>() - 0.5;
        let x = DMatrix::from_fn(48, 1, |k, _| {
            let tones = ANGLES.iter().map(|angle| Complex::from_polar(1.0, angle * k as f64));
            tones.sum::<Complex<f64>>() + Complex::new(part(), part()) * noise
        });
        let smoothing = Smoothing::ForwardBackward { length: 24 };
        Subspace::new(&Covariance::new(&x, smoothing).unwrap()).unwrap()
    }

    fn steering(m: usize, angle: f64) -> DMatrix<Complex<f64>> {
        DMatrix::from_fn(m, 1, |k, _| Complex::from_polar(1.0, angle * k as f64))
    }

    #[test]
    fn the_polynomial_is_the_product_of_matrices() {
        let subspace = subspace(0.3);
        let m = subspace.values.len();
        let v = &subspace.vectors;
        let grid = Grid::new(1000).unwrap();
        let music = NullSpectrum::new(&subspace, 3, Method::Music).unwrap();
        let capon = NullSpectrum::new(&subspace, 3, Method::Capon).unwrap();
        let (music_on, capon_on) = (music.on(&grid), capon.on(&grid));
        let inverse = linalg::Lu::new(subspace.covariance.matrix.clone())
            .unwrap()
            .solve_many(&DMatrix::identity(m, m))
            .unwrap();
        let noise = v.columns(3, m - 3);
        for index in (0..1000).step_by(37) {
            let e = steering(m, grid.angle(index));
            let expected = (noise.adjoint() * &e).norm_squared();
            // M products of M terms each, of entries up to 1.
            let bound = (m * m) as f64 * 8.0 * f64::EPSILON;
            assert!((music_on[index] - expected).abs() < bound, "{} {expected}", music_on[index]);
            assert!((music.at(grid.angle(index)) - expected).abs() < bound);
            let expected = (e.adjoint() * &inverse * &e)[(0, 0)].re;
            let spread = subspace.values[0] / subspace.values[m - 1];
            assert!(
                (capon_on[index] - expected).abs() < bound * spread * expected,
                "{} {expected}",
                capon_on[index]
            );
        }
    }

    #[test]
    fn every_method_finds_clean_tones() {
        let subspace = subspace(0.0);
        let grid = Grid::new(4096).unwrap();
        let sorted = |mut angles: Vec<f64>| {
            for angle in &mut angles {
                *angle = (*angle + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0;
            }
            angles.sort_by(f64::total_cmp);
            angles
        };
        let check = |angles: Vec<f64>, tolerance: f64, what: &str| {
            let angles = sorted(angles);
            assert_eq!(angles.len(), 3, "{what}: {angles:?}");
            for (found, angle) in angles.iter().zip(ANGLES) {
                assert!((found - angle).abs() < tolerance, "{what}: {found} for {angle}");
            }
        };
        for method in [Method::Music, Method::MinimumNorm] {
            let spectrum = NullSpectrum::new(&subspace, 3, method).unwrap();
            // The zeros are double: an error e of D moves a minimum or a root by √e.
            check(spectrum.minima(&grid), 1e-6, "minima");
            check(spectrum.root_angles().unwrap(), 1e-6, "roots");
        }
        // The others see the lobes of a transform of 24 samples.
        let spectrum = NullSpectrum::new(&subspace, 3, Method::MatchedFilter).unwrap();
        check(spectrum.minima(&grid), 0.1, "matched filter");
    }

    #[test]
    fn the_number_of_sources_is_checked() {
        let subspace = subspace(0.1);
        for sources in [0, 24] {
            let error = NullSpectrum::new(&subspace, sources, Method::Music).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{sources} sources cannot be told apart"))
            );
        }
        let text = Grid::new(0).unwrap_err().to_string();
        assert_eq!(text, "points is 0, expected at least 1");
    }
}
