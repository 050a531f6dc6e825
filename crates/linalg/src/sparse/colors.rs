//! Two colors of rows, for faster sweeps over grids.
//!
//! The points of a grid, colored like a chessboard, look at points of the other color alone. Swept one color
//! after the other, no row waits for one of its own color. Where A is symmetric with a dominant diagonal besides, each
//! step may go farther than to its own equation, x ← x + ω·r/a with
//!
//! ```text
//! ω = 2/(1 + √(1 − μ²)),   μ = maxᵢ Σⱼ≠ᵢ |aᵢⱼ|/aᵢᵢ < 1
//! ```
//!
//! A sweep then leaves ω − 1 of the error in the end, since μ is at least the spectral radius of D⁻¹·(D − A), where
//! with ω = 1 it leaves up to μ²: 0.15 instead of 0.44 at μ = 2/3.
//!
//! D. M. Young, "Iterative methods for solving partial difference equations of elliptic type", Trans. Amer. Math.
//! Soc. 76 (1954), 92–111.

use nalgebra::ComplexField;
use pulp::{Simd, WithSimd};

use super::compressed::Compressed;
use super::sweep::Systems;
use crate::gemm::arch;
use crate::parallel::{available_threads, join};
use crate::{Scalar, Threads};

/// Fewer rows of a color are not worth a second thread.
const FEW: usize = 1 << 13;

/// The rows of a symmetric matrix with a dominant diagonal in two colors, and how far a sweep may step.
#[derive(Debug, Clone)]
pub(super) struct Colors {
    rows: [Vec<u32>; 2],
    /// ω, from 1 to 2.
    step: f64,
}

impl<T: Scalar> Compressed<T> {
    /// The colors, each row taking the one that the rows before leave it; `None` where two rows of one color look at
    /// one another, and where A is not symmetric (Hermitian) with a dominant, positive diagonal. Most matrices without
    /// colors are known by their first rows.
    pub(super) fn colors(&self) -> Option<Colors> {
        let lines = self.lines();
        // Of each line, the first entry that no later line has mirrored.
        let mut open = Vec::with_capacity(lines);
        let mut second: Vec<bool> = Vec::with_capacity(lines);
        let mut coupling = 0.0_f64;
        for line in 0..lines {
            let (mut color, mut diagonal, mut others) = (None, 0.0, 0.0);
            let range = self.starts[line]..self.starts[line + 1];
            let mut next = range.start;
            for (position, value) in self.line(line) {
                if position > line {
                    others += T::real_to_f64(value.modulus());
                    continue;
                }
                next += 1;
                if position == line {
                    if value != value.conjugate() {
                        return None;
                    }
                    diagonal = T::real_to_f64(value.real());
                    continue;
                }
                let mirror: &mut usize = &mut open[position];
                let mirrored = *mirror < self.starts[position + 1]
                    && self.positions[*mirror] as usize == line
                    && self.values[*mirror] == value.conjugate();
                if !mirrored || second[position] == *color.get_or_insert(!second[position]) {
                    return None;
                }
                *mirror += 1;
                others += T::real_to_f64(value.modulus());
            }
            if !(others < diagonal) {
                return None;
            }
            coupling = coupling.max(others / diagonal);
            second.push(color.unwrap_or(false));
            open.push(next);
        }
        let mirrored = open.iter().zip(&self.starts[1..]).all(|(open, end)| open == end);
        let step = 2.0 / (1.0 + (1.0 - coupling * coupling).sqrt());
        let mut rows = [Vec::new(), Vec::new()];
        for (line, &second) in (0..).zip(&second) {
            rows[usize::from(second)].push(line);
        }
        mirrored.then_some(Colors { rows, step })
    }

    /// One sweep of C systems, one color after the other, each in two halves for two threads; √(Σ |r|²) of each
    /// system, the residuals as they were met.
    pub(super) fn relax_colors<const C: usize>(
        &self,
        colors: &Colors,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
        threads: Threads,
    ) -> [f64; C] {
        let step = nalgebra::convert(colors.step);
        let mut squares = [nalgebra::zero(); C];
        let most = colors.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut found = vec![nalgebra::zero(); most * C];
        for lines in &colors.rows {
            let half = lines.len() / 2;
            let found = &mut found[..lines.len() * C];
            let (first, second) = found.split_at_mut(half * C);
            let (rows, before) = (self, &*x);
            let [first, second] =
                [(&lines[..half], first), (&lines[half..], second)].map(|(lines, found)| Half::<
                    T,
                    C,
                > {
                    rows,
                    lines,
                    step,
                    systems,
                    x: before,
                    found,
                });
            let sums = if threads == Threads::Pool && available_threads() > 1 && half >= FEW {
                join(|| arch().dispatch(first), || arch().dispatch(second))
            } else {
                (arch().dispatch(first), arch().dispatch(second))
            };
            for (c, square) in squares.iter_mut().enumerate() {
                *square += sums.0[c] + sums.1[c];
            }
            let x = x.as_chunks_mut::<C>().0;
            for (&line, found) in lines.iter().zip(found.as_chunks::<C>().0) {
                x[line as usize] = *found;
            }
        }
        squares.map(|square: T::Single| T::Single::real_to_f64(square.real()).sqrt())
    }
}

/// Half of the rows of a color, compiled for the machine's vectors.
struct Half<'a, T: Scalar, const C: usize> {
    rows: &'a Compressed<T>,
    lines: &'a [u32],
    step: T::Single,
    systems: &'a Systems<'a, T::Single>,
    x: &'a [T::Single],
    /// What the x of the rows become.
    found: &'a mut [T::Single],
}

impl<T: Scalar, const C: usize> WithSimd for Half<'_, T, C> {
    type Output = [T::Single; C];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> [T::Single; C] {
        let Self { rows, lines, step, systems, x, found } = self;
        let (x, b) = (x.as_chunks::<C>().0, systems.b.as_chunks::<C>().0);
        let mut squares = [nalgebra::zero(); C];
        for (&line, found) in lines.iter().zip(found.as_chunks_mut::<C>().0) {
            let line = line as usize;
            let r = rows.met(line, &b[line], x);
            let inverse = step * systems.inverse[line];
            for c in 0..C {
                squares[c] += r[c].conjugate() * r[c];
                found[c] = x[line][c] + inverse * r[c];
            }
        }
        squares
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::krylov::{Method, Options, Stop, solve, solve_many};
    use crate::operator::tests::random;
    use crate::{Complex, Csr, LinearOperator, Scalar};

    /// The four neighbors of a point on a grid with −½ each, and `center` for the point itself.
    pub(crate) fn grid(rows: usize, columns: usize, center: f64) -> Csr<f64> {
        let mut triplets = Vec::new();
        for i in 0..rows * columns {
            triplets.push((i, i, center));
            if i % columns > 0 {
                triplets.extend([(i, i - 1, -0.5), (i - 1, i, -0.5)]);
            }
            if i >= columns {
                triplets.extend([(i, i - columns, -0.5), (i - columns, i, -0.5)]);
            }
        }
        Csr::from_triplets(rows * columns, rows * columns, &triplets).unwrap()
    }

    fn single(rows: usize, columns: usize, seed: u64) -> Vec<f32> {
        random(rows, columns, seed).iter().map(|x| x.single()).collect()
    }

    #[test]
    fn a_grid_is_swept_like_a_chessboard_with_youngs_steps() {
        let (rows, columns) = (7, 6);
        let a = grid(rows, columns, 3.0);
        let (b, start) = (single(42, 1, 1), single(42, 1, 2));
        let mut x = start.clone();
        let met = a.relax(&[1.0 / 3.0; 42], 1, &b, &mut x).unwrap().unwrap();
        let mu = 4.0 * 0.5 / 3.0_f64;
        let step = (2.0 / (1.0 + (1.0 - mu * mu).sqrt())).single() * (1.0 / 3.0);
        let (mut expected, mut square) = (start, 0.0_f64);
        for color in [0, 1] {
            for i in (0..42).filter(|i| (i / columns + i % columns) % 2 == color) {
                let row = a.entries().filter(|&(row, _, _)| row == i);
                let r = row.fold(b[i], |r, (_, j, value)| r - value.single() * expected[j]);
                square += f64::from(r * r);
                expected[i] += step * r;
            }
        }
        assert_eq!(x, expected);
        assert!((met[0] - square.sqrt()).abs() <= 42.0 * f64::from(f32::EPSILON) * met[0]);
    }

    #[test]
    fn what_a_sweep_leaves_is_what_young_says() {
        for center in [2.2, 2.5, 3.0, 4.0] {
            let (a, b) = (grid(60, 50, center), random(3000, 1, 1));
            let found = solve(&a, b.as_slice(), Options::default().tolerance(1e-9)).unwrap();
            assert_eq!((found.stop, found.method), (Stop::Converged, Method::GaussSeidel));
            let mu = 2.0 / center;
            let left = 2.0 / (1.0 + (1.0 - mu * mu).sqrt()) - 1.0;
            // Two sweeps to begin with, and one more for the second round.
            let sweeps = 1e-9_f64.ln() / left.ln() + 3.0;
            assert!(found.iterations as f64 <= sweeps, "{center}: {} sweeps", found.iterations);
            // With one entry changed it is no grid any more, and takes the sweeps of the order of rows.
            let mut triplets: Vec<_> = a.entries().collect();
            triplets[1].2 = -0.499;
            let other = Csr::from_triplets(3000, 3000, &triplets).unwrap();
            let plain = solve(&other, b.as_slice(), Options::default().tolerance(1e-9)).unwrap();
            assert!(
                plain.method != Method::GaussSeidel || plain.iterations > found.iterations * 3 / 2,
                "{center}: {} and {} sweeps",
                plain.iterations,
                found.iterations
            );
        }
    }

    #[test]
    fn only_symmetric_matrices_with_a_dominant_diagonal_have_colors() {
        let has = |triplets: &[(usize, usize, f64)], n| {
            Csr::from_triplets(n, n, triplets).unwrap().rows.colors().is_some()
        };
        let path = [
            (0, 0, 3.0),
            (0, 1, -1.0),
            (1, 0, -1.0),
            (1, 1, 3.0),
            (1, 2, 1.0),
            (2, 1, 1.0),
            (2, 2, 3.0),
        ];
        assert!(has(&path, 3));
        // A cycle of three, an entry that nothing mirrors on either side, another value there, no
        // dominance, a negative diagonal, none.
        assert!(!has(&[&path[..], &[(0, 2, 0.1), (2, 0, 0.1)]].concat(), 3));
        assert!(!has(&[(0, 0, 3.0), (0, 1, -1.0), (1, 1, 3.0)], 2));
        assert!(!has(&[(0, 0, 3.0), (1, 0, -1.0), (1, 1, 3.0)], 2));
        assert!(!has(&[(0, 0, 3.0), (0, 1, -1.0), (1, 0, 1.0), (1, 1, 3.0)], 2));
        assert!(!has(&[(0, 0, 3.0), (0, 1, -1.0), (1, 0, -1.0), (1, 1, 1.0)], 2));
        assert!(!has(&[(0, 0, -3.0), (0, 1, -1.0), (1, 0, -1.0), (1, 1, -3.0)], 2));
        assert!(!has(&[(0, 1, -1.0), (1, 0, -1.0)], 2));
        assert!(Csr::<f64>::from_triplets(1, 2, &[]).unwrap().rows.colors().is_none());
        let hermitian = |corner, diagonal| {
            let (i, two) = (Complex::new(0.0, 1.0), Complex::from(2.0));
            let triplets = [(0, 0, diagonal), (0, 1, i), (1, 0, corner), (1, 1, two)];
            Csr::from_triplets(2, 2, &triplets).unwrap().rows.colors().is_some()
        };
        assert!(hermitian(Complex::new(0.0, -1.0), Complex::from(2.0)));
        assert!(!hermitian(Complex::new(0.0, 1.0), Complex::from(2.0)));
        assert!(!hermitian(Complex::new(0.0, -1.0), Complex::new(2.0, 0.1)));
    }

    #[test]
    fn several_systems_and_threads_have_the_bits_of_one() {
        let a = grid(200, 190, 3.0);
        let n = a.nrows();
        let inverse = vec![1.0 / 3.0; n];
        for columns in [2, 4, 8] {
            let (b, start) = (single(columns, n, 4), single(columns, n, 5));
            let mut x = start.clone();
            let met = a.relax(&inverse, columns, &b, &mut x).unwrap().unwrap();
            for c in 0..columns {
                let of =
                    |all: &[f32]| all.iter().copied().skip(c).step_by(columns).collect::<Vec<_>>();
                let mut alone = of(&start);
                let norm = a.relax(&inverse, 1, &of(&b), &mut alone).unwrap();
                assert_eq!((alone, norm), (of(&x), Some(vec![met[c]])));
            }
        }
        let b = random(n, 3, 6);
        let one = solve_many(&a, &b, &Options::default()).unwrap();
        #[cfg(feature = "parallel")]
        for threads in [1, 2, 4] {
            let a = a.clone().threads(crate::Threads::Pool);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let many = pool.install(|| solve_many(&a, &b, &Options::default()).unwrap());
            assert_eq!(one, many, "{threads} threads");
        }
        assert!(one.iter().all(|solution| solution.stop == Stop::Converged));
    }
}
