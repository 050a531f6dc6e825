//! Where a refinement starts: the angles of a grid that explain the most of the data together.

use linalg::{Cholesky, Complex, DMatrix};

use super::fit::{Amplitudes, Model};

/// Pairs from which the refinement starts.
const PAIRS: usize = 4;
/// Angles that leave less of each other's power coincide.
const SAME: f64 = 1e-9;

impl Model<'_> {
    /// Sets of starting angles by exhaustive search of `grid`: pairs together, the few that explain more
    /// than their neighbors and the most of those; further angles one at a time, then each again with
    /// the others held, until none moves.
    ///
    /// The best pair alone is not enough: with an echo 0.45 of the resolution 1/B behind another, at 15 dB,
    /// the fit from there ends in a lesser optimum once in 500 traces.
    pub(super) fn search(&self, sources: usize, grid: &[f64]) -> Vec<Vec<f64>> {
        let search = Search::new(self, grid);
        let sets = match sources {
            0 => vec![Vec::new()],
            1 => vec![vec![search.best_alone()]],
            _ => search.best_pairs(),
        };
        let mut starts: Vec<Vec<usize>> = Vec::with_capacity(sets.len());
        for mut chosen in sets {
            while chosen.len() < sources {
                chosen.push(search.held(&chosen).map_or(0, |held| search.best_beside(&held, None)));
            }
            if sources > 2 {
                search.settle(&mut chosen);
            }
            chosen.sort_unstable();
            if !starts.contains(&chosen) {
                starts.push(chosen);
            }
        }
        let angles = |chosen: Vec<usize>| chosen.into_iter().map(|index| grid[index]).collect();
        starts.into_iter().map(angles).collect()
    }
}

/// The power that sets of grid angles explain, from inner products computed once.
struct Search {
    /// ⟨hᵍ, y⟩ for each angle and snapshot: real, or complex.
    along: Vec<Vec<Complex<f64>>>,
    /// ⟨h₀, hᵈ⟩ for a difference of d places.
    overlap: Vec<Complex<f64>>,
    /// ⟨h, h⟩.
    power: f64,
    /// ⟨y, y⟩.
    whole: f64,
}

impl Search {
    fn new(model: &Model<'_>, grid: &[f64]) -> Self {
        let real = model.amplitudes == Amplitudes::Real;
        let keep = |z: Complex<f64>| if real { z.re.into() } else { z };
        let samples = model.data.nrows();
        let along = grid
            .iter()
            .map(|&angle| {
                let h: Vec<_> = (0..samples).map(|k| model.response(k, angle).conj()).collect();
                let column = |y: &[Complex<f64>]| keep(h.iter().zip(y).map(|(h, y)| h * y).sum());
                model.data.as_slice().chunks_exact(samples).map(column).collect()
            })
            .collect();
        let weights: Vec<f64> = (0..samples).map(|k| model.response(k, 0.0).norm_sqr()).collect();
        let overlap = grid
            .iter()
            .map(|&angle| {
                let turn = angle - grid[0];
                let terms = weights.iter().enumerate();
                keep(
                    terms
                        .map(|(k, w)| Complex::from_polar(*w, (model.first + k) as f64 * turn))
                        .sum(),
                )
            })
            .collect();
        Self { along, overlap, power: weights.iter().sum(), whole: model.data.norm_squared() }
    }

    /// ⟨hᵢ, hⱼ⟩.
    fn between(&self, i: usize, j: usize) -> Complex<f64> {
        if j >= i { self.overlap[j - i] } else { self.overlap[i - j].conj() }
    }

    /// ∑ bᴴ·C⁻¹·b over the snapshots, for two angles in closed form; angles that coincide explain
    /// what one of them does.
    fn pair(&self, i: usize, j: usize) -> f64 {
        let c = self.between(i, j);
        let determinant = self.power * self.power - c.norm_sqr();
        if determinant <= SAME * self.power * self.power {
            return 0.0;
        }
        let snapshots = self.along[i].iter().zip(&self.along[j]);
        let sum: f64 = snapshots
            .map(|(a, b)| self.power * (a.norm_sqr() + b.norm_sqr()) - 2.0 * (a.conj() * c * b).re)
            .sum();
        sum / determinant
    }

    /// The pairs that explain more than those next to them, the best first, [`PAIRS`] at most.
    fn best_pairs(&self) -> Vec<Vec<usize>> {
        let n = self.along.len();
        if n < 2 {
            return vec![vec![0, 0]];
        }
        let row = |i: usize| -> Vec<f64> {
            (0..n).map(|j| if j > i { self.pair(i, j) } else { f64::NEG_INFINITY }).collect()
        };
        let nothing = vec![f64::NEG_INFINITY; n];
        let (mut before, mut here) = (nothing.clone(), row(0));
        let mut best: Vec<(f64, Vec<usize>)> = Vec::new();
        for i in 0..n - 1 {
            let after = if i + 2 < n { row(i + 1) } else { nothing.clone() };
            for j in i + 1..n {
                if best.len() == PAIRS && best.last().is_some_and(|last| here[j] <= last.0) {
                    continue;
                }
                let near = j - 1..(j + 2).min(n);
                let around =
                    [&before, &here, &after].into_iter().flat_map(|row| &row[near.clone()]);
                if here[j] >= around.copied().fold(f64::NEG_INFINITY, f64::max) {
                    let place = best.partition_point(|other| other.0 >= here[j]);
                    best.insert(place, (here[j], vec![i, j]));
                    best.truncate(PAIRS);
                }
            }
            (before, here) = (here, after);
        }
        // Who leaves much more of the data than the best would have to gain by refinement what the grid
        // does not cost.
        let rest = |explained: f64| (self.whole - explained).max(0.0);
        let enough = best.first().map_or(0.0, |first| 1.15 * rest(first.0));
        best.retain(|pair| rest(pair.0) <= enough);
        best.into_iter().map(|(_, pair)| pair).collect()
    }

    /// The angle that explains the most by itself.
    fn best_alone(&self) -> usize {
        self.best(|index| self.along[index].iter().map(Complex::norm_sqr).sum())
    }

    /// Where `score` is largest.
    fn best(&self, score: impl Fn(usize) -> f64) -> usize {
        let scores = (0..self.along.len()).map(|index| (index, score(index)));
        scores.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
    }

    /// Moves each angle to where it explains the most beside the others, until none moves.
    fn settle(&self, chosen: &mut [usize]) {
        let Some(mut held) = self.held(chosen) else { return };
        for _ in 0..10 {
            let mut moved = false;
            for place in 0..chosen.len() {
                let best = self.best_beside(&held, Some(place));
                if best != chosen[place] {
                    moved = true;
                    chosen[place] = best;
                    let Some(next) = self.held(chosen) else { return };
                    held = next;
                }
            }
            if !moved {
                break;
            }
        }
    }

    /// What angles leave for one more; `None` where they cannot be told apart.
    fn held(&self, chosen: &[usize]) -> Option<Held> {
        let n = chosen.len();
        let gram = DMatrix::from_fn(n, n, |i, j| self.between(chosen[i], chosen[j]));
        let of = |columns: usize, entry: &dyn Fn(usize, usize) -> Complex<f64>| {
            DMatrix::from_fn(n, columns, |i, j| entry(chosen[i], j))
        };
        let explained = of(self.along[0].len(), &|i, snapshot| self.along[i][snapshot]);
        let overlap = of(self.along.len(), &|i, g| self.between(i, g));
        let gram = Cholesky::new(gram).ok()?;
        let solve = |b: &DMatrix<Complex<f64>>| gram.solve_many(b).ok();
        let weights = solve(&overlap)?;
        let left = weights.column_iter().zip(&self.along).map(|(w, along)| {
            let known = explained.column_iter().map(|b| w.dotc(&b));
            along.iter().zip(known).map(|(b, known)| b - known).collect()
        });
        let power = weights.column_iter().zip(overlap.column_iter());
        Some(Held {
            inverse: solve(&DMatrix::identity(n, n))?,
            amplitudes: solve(&explained)?,
            left: left.collect(),
            power: power.map(|(w, c)| self.power - w.dotc(&c).re).collect(),
            weights,
        })
    }

    /// The angle that explains the most beside those held, but for the one at `without`.
    fn best_beside(&self, held: &Held, without: Option<usize>) -> usize {
        // Without it, the block inverse says, each angle finds back what that one took of it.
        let back = without.map(|place| (place, held.inverse[(place, place)].re));
        self.best(|index| {
            let (mut power, mut explained) = (held.power[index], 0.0);
            let weight = back.map(|(place, own)| (place, own, held.weights[(place, index)]));
            if let Some((_, own, weight)) = weight {
                power += weight.norm_sqr() / own;
            }
            for (snapshot, &left) in held.left[index].iter().enumerate() {
                let found = weight.map_or(Complex::default(), |(place, own, weight)| {
                    weight.conj() * held.amplitudes[(place, snapshot)] / own
                });
                explained += (left + found).norm_sqr();
            }
            // Of an angle that is held already nothing but rounding is left.
            if power <= SAME * self.power { 0.0 } else { explained / power }
        })
    }
}

/// What angles leave of the data and of every other angle: with C their inner products among themselves, cᵍ those
/// with an angle of the grid, and b those with the data,
///
/// ```text
/// ‖what g explains beside them‖² = |bᵍ − cᵍᴴ·C⁻¹·b|²/(⟨h, h⟩ − cᵍᴴ·C⁻¹·cᵍ)
/// ```
///
/// so that one factorization serves the whole grid.
struct Held {
    /// C⁻¹.
    inverse: DMatrix<Complex<f64>>,
    /// C⁻¹·b, a column per snapshot.
    amplitudes: DMatrix<Complex<f64>>,
    /// C⁻¹·cᵍ, a column for each g.
    weights: DMatrix<Complex<f64>>,
    /// bᵍ − cᵍᴴ·C⁻¹·b for each g and snapshot.
    left: Vec<Vec<Complex<f64>>>,
    /// ⟨h, h⟩ − cᵍᴴ·C⁻¹·cᵍ for each g.
    power: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use linalg::{DVector, Qr};
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    /// ‖what `angles` explain of the data‖², by least squares on the vectors themselves.
    fn explained(model: &Model<'_>, angles: &[f64]) -> f64 {
        let samples = model.data.nrows();
        let parts = if model.amplitudes == Amplitudes::Real { 1 } else { 2 };
        // Real over imaginary parts; an imaginary amplitude turns h by a quarter.
        let a = DMatrix::from_fn(2 * samples, parts * angles.len(), |row, column| {
            let h = model.response(row % samples, angles[column / parts]);
            let turned = if column % parts == 1 { h * Complex::i() } else { h };
            if row < samples { turned.re } else { turned.im }
        });
        let qr = Qr::new(a).unwrap();
        let of = |y: &[Complex<f64>]| {
            let y = DVector::from_fn(2 * samples, |row, _| {
                if row < samples { y[row].re } else { y[row - samples].im }
            });
            y.norm_squared() - qr.least_squares(&y).unwrap().residual_norm.powi(2)
        };
        model.data.column_iter().map(|y| of(y.as_slice())).sum()
    }

    #[test]
    fn one_more_beside_others_explains_the_most_of_all() {
        for seed in 0..20 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut number = || Complex::new(rng.random::<f64>() - 0.5, rng.random::<f64>() - 0.5);
            let real = seed % 2 == 0;
            let (samples, snapshots) = (24, if real { 1 } else { 3 });
            let data = DMatrix::from_fn(samples, snapshots, |_, _| number());
            let pulse: Vec<_> = (0..samples).map(|_| number()).collect();
            let amplitudes = if real { Amplitudes::Real } else { Amplitudes::Complex };
            let pulse = if real { &pulse[..] } else { &[] };
            let model = Model { data: &data, pulse, first: 3, amplitudes };
            let grid: Vec<f64> = (0..40).map(|index| 0.07 * f64::from(index) - 1.4).collect();
            let search = Search::new(&model, &grid);
            let angles = |chosen: &[usize]| chosen.iter().map(|&i| grid[i]).collect::<Vec<_>>();
            let beside = |chosen: &[usize], index| {
                let mut all = angles(chosen);
                if !chosen.contains(&index) {
                    all.push(grid[index]);
                }
                explained(&model, &all)
            };
            let most = |chosen: &[usize]| {
                (0..grid.len()).map(|index| beside(chosen, index)).fold(0.0, f64::max)
            };
            // An angle 0.07 from others keeps more than 1e-3 of its power over 24 samples, by which the
            // rounding of sums over those is divided.
            let chosen = [2, 9, 18, 30];
            let limit = 1e4 * f64::EPSILON * data.norm_squared();
            let held = search.held(&chosen).unwrap();
            let found = search.best_beside(&held, None);
            assert!(beside(&chosen, found) >= most(&chosen) - limit, "seed {seed}");
            for place in 0..chosen.len() {
                let mut others = chosen.to_vec();
                others.remove(place);
                let found = search.best_beside(&held, Some(place));
                assert!(beside(&others, found) >= most(&others) - limit, "seed {seed}: {place}");
            }
            // Where none moves, none alone can gain.
            let mut settled = chosen;
            search.settle(&mut settled);
            let gained = explained(&model, &angles(&settled)) - explained(&model, &angles(&chosen));
            assert!(gained >= -limit, "seed {seed}: {gained}");
        }
        let alone = Model {
            data: &DMatrix::from_element(2, 1, Complex::new(1.0, 0.0)),
            pulse: &[],
            first: 0,
            amplitudes: Amplitudes::Complex,
        };
        assert_eq!(alone.search(1, &[-0.5, 0.1, 1.0]), [[0.1]]);
        // A grid of one angle has nothing to choose.
        assert_eq!(alone.search(3, &[0.25]), [[0.25; 3]]);
    }
}
