//! What filters a network has learned, and how they compare with those of another run.

mod assignment;
mod importance;

use linalg::{DMatrix, Real};

use crate::check::{all_finite, size};
use crate::{Error, Network, Result};
use assignment::assign;
pub use importance::{Importance, filter_importance};

impl<T: Real> Network<T> {
    /// The weights of layer `layer`, a column for each of its filters (of a convolution) or units
    /// (of a dense layer): for a convolution the channel runs fastest down the column, then x, then
    /// y.
    ///
    /// # Errors
    /// [`Error::NoFilters`] where the network has no such layer, or it has no weights.
    ///
    /// # Examples
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::Network;
    /// let weight = DMatrix::from_row_slice(2, 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// let network = Network::builder(3).dense_from(weight, vec![0.0; 2]).build_given()?;
    /// assert_eq!(network.filters(0)?.column(1).as_slice(), [4.0, 5.0, 6.0]);
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn filters(&self, layer: usize) -> Result<DMatrix<T>> {
        let start = self.parameter_ranges().get(layer).map(|range| range.start);
        let block = self.layers().nth(layer).and_then(|layer| layer.blocks().into_iter().next());
        let (Some(start), Some(block)) = (start, block.filter(|block| block.name == "weight"))
        else {
            return Err(Error::NoFilters { layer });
        };
        let weights = &self.parameters().as_slice()[start..start + block.len()];
        Ok(DMatrix::from_column_slice(block.rows, block.columns, weights).transpose())
    }
}

/// How alike two filters are said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// The cosine of the angle between them, from −1 to 1: what to ask of weights.
    Cosine,
    /// Its absolute value: a filter and its negative count as one.
    CosineUpToSign,
    /// The correlation, the cosine after the mean of each is taken away: what to ask of responses to
    /// the same images.
    Correlation,
}

/// The filters of two runs in pairs.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Matching {
    /// For each filter of the first run, its partner in the second.
    pub partner: Vec<usize>,
    /// How alike the two are.
    pub similarity: Vec<f64>,
}

impl Matching {
    /// The mean similarity of the pairs.
    ///
    /// It is large even for filters that have nothing to do with each other, because the best of
    /// many partners is chosen: for two draws of ten random 3x3 filters it is 0.43. Compare with that
    /// null, not with 0.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.similarity.iter().sum::<f64>() / self.similarity.len() as f64
    }
}

/// Pairs the columns of `first` with those of `second` so that the pairs are as alike as can be in
/// the mean.
///
/// Which filter comes first is an accident: any order of the filters is the same network. Columns
/// are therefore assigned to each other (Li, Yosinski, Clune, Lipson and Hopcroft, "Convergent
/// learning", ICLR 2016). Give weights, from [`Network::filters`], or responses to the same images,
/// a filter in each column. O(n³) for n filters.
///
/// # Errors
/// [`Error::Size`] unless both have as many rows and columns, [`Error::Empty`],
/// [`Error::NotFinite`].
///
/// # Examples
/// The same filters in another order, one of them turned around:
/// ```
/// use linalg::DMatrix;
/// use nn_core::{Similarity, match_filters};
/// let first = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]);
/// let second = DMatrix::from_row_slice(2, 2, &[0.0, -3.0, 2.0, 0.0]);
/// let matching = match_filters(&first, &second, Similarity::CosineUpToSign)?;
/// assert_eq!(matching.partner, [1, 0]);
/// assert_eq!(matching.mean(), 1.0);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn match_filters<T: Real>(
    first: &DMatrix<T>,
    second: &DMatrix<T>,
    similarity: Similarity,
) -> Result<Matching> {
    if first.is_empty() {
        return Err(Error::Empty { what: "the matrix of filters" });
    }
    size("second", "rows", second.nrows(), first.nrows())?;
    size("second", "columns", second.ncols(), first.ncols())?;
    all_finite("first", first)?;
    all_finite("second", second)?;
    let (first, second) = (directions(first, similarity), directions(second, similarity));
    let cosines = first.tr_mul(&second);
    let value = match similarity {
        Similarity::CosineUpToSign => cosines.abs(),
        Similarity::Cosine | Similarity::Correlation => cosines,
    };
    let partner = assign(&value);
    let similarity = partner.iter().enumerate().map(|(i, &j)| value[(i, j)]).collect();
    Ok(Matching { partner, similarity })
}

/// The columns with length 1; a column of zeros stays one and is like nothing.
fn directions<T: Real>(filters: &DMatrix<T>, similarity: Similarity) -> DMatrix<f64> {
    let mut filters = filters.map(|entry| entry.to_double());
    for mut column in filters.column_iter_mut() {
        if similarity == Similarity::Correlation {
            let mean = column.mean();
            column.add_scalar_mut(-mean);
        }
        // Scaled first, so that no square leaves the range of numbers.
        let largest = column.amax();
        if largest > 0.0 {
            column /= largest;
            let norm = column.norm();
            column /= norm;
        }
    }
    filters
}

/// How much of a 3x3 filter is an edge, from 0 to 1: the share of its energy in the subspace of
/// Frei and Chen's four edge filters.
///
/// ```text
/// ∑ₖ₌₁⁴ (f·wₖ)² / (f·f)
/// ```
///
/// The w are the two gradients with √2 in the middle and the two ripples; the other five directions
/// are lines (4) and the mean (1). A filter of independent normal entries has 4/9 in the mean, and
/// 42 of 100 draws of ten have one above 0.8: an edge filter found among ten proves nothing yet.
///
/// # Errors
/// [`Error::Size`] unless `filter` has 9 entries, a row after the other; [`Error::NotFinite`];
/// [`Error::OutOfRange`] for a filter of zeros.
///
/// # References
/// W. Frei and C.-C. Chen, "Fast boundary detection: a generalization and a new algorithm", IEEE
/// Transactions on Computers 26(10), 1977.
///
/// # Examples
/// ```
/// use nn_core::edge_energy;
/// let edge = edge_energy(&[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0])?;
/// assert!((edge - 1.0).abs() < 1e-15);
/// let line = edge_energy(&[-1.0, 2.0, -1.0, -1.0, 2.0, -1.0, -1.0, 2.0, -1.0])?;
/// assert!(line < 1e-30);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn edge_energy<T: Real>(filter: &[T]) -> Result<f64> {
    let r = std::f64::consts::SQRT_2;
    // Each of length √8.
    let edges: [[f64; 9]; 4] = [
        [1.0, r, 1.0, 0.0, 0.0, 0.0, -1.0, -r, -1.0],
        [1.0, 0.0, -1.0, r, 0.0, -r, 1.0, 0.0, -1.0],
        [0.0, -1.0, r, 1.0, 0.0, -1.0, -r, 1.0, 0.0],
        [r, -1.0, 0.0, -1.0, 0.0, 1.0, 0.0, 1.0, -r],
    ];
    size("filter", "entries", filter.len(), 9)?;
    let column = DMatrix::from_column_slice(9, 1, filter);
    all_finite("filter", &column)?;
    let filter = directions(&column, Similarity::Cosine);
    if filter.amax() == 0.0 {
        let expected = "a filter with an entry other than 0";
        return Err(Error::OutOfRange { argument: "filter", value: 0.0, expected });
    }
    let share = |edge: &[f64; 9]| {
        let along: f64 = edge.iter().zip(filter.iter()).map(|(w, f)| w * f).sum();
        along * along / 8.0
    };
    Ok(edges.iter().map(share).sum())
}

/// What a filter is tuned to, from its power spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Tuning {
    /// The direction of the preferred waves, their normal, in radians from the x axis towards the y
    /// axis, from 0 to π. An edge that runs along y has 0.
    pub orientation: f64,
    /// How strongly it prefers that direction, from 0 (none) to 1 (answers to no other): one minus
    /// the circular variance of the power over the directions.
    pub orientation_selectivity: f64,
    /// The mean spatial frequency, in cycles per pixel, from 0 to √½.
    pub frequency: f64,
}

/// The direction and the frequency that a `width` x `height` filter prefers.
///
/// With the power P(u, v) = |∑ f(x, y)·e^(−2πi(ux + vy))|² on a grid of frequencies,
///
/// ```text
/// S = ∑ P·e^(2iθ) / ∑ P,   θ the direction of (u, v)      orientation = arg S / 2, selectivity = |S|
/// frequency = ∑ P·√(u² + v²) / ∑ P
/// ```
///
/// over the frequencies of at most ½ cycle per pixel in any direction, the disk, so that no
/// direction is favored. O(1) per entry and frequency, 16 x 16 of them.
///
/// # Errors
/// [`Error::Size`] unless `filter` has `width`·`height` entries, a row after the other;
/// [`Error::NotFinite`]; [`Error::OutOfRange`] for a filter of zeros.
///
/// # References
/// R. Ringach, M. Shapley, M. Hawken, "Orientation selectivity in macaque V1", Journal of
/// Neuroscience 22(13), 2002: selectivity as one minus the circular variance.
///
/// # Examples
/// ```
/// use nn_core::tuning;
/// let edge_along_x = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0];
/// let tuned = tuning(&edge_along_x, 3, 3)?;
/// assert!((tuned.orientation - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
/// assert!((tuned.orientation_selectivity - 0.6128).abs() < 1e-4);
/// # Ok::<(), nn_core::Error>(())
/// ```
pub fn tuning<T: Real>(filter: &[T], width: usize, height: usize) -> Result<Tuning> {
    /// Frequencies along each axis, for one half of the plane: the other mirrors it.
    const GRID: usize = 16;
    size("filter", "entries", filter.len(), width.saturating_mul(height))?;
    let column = DMatrix::from_column_slice(filter.len(), 1, filter);
    all_finite("filter", &column)?;
    let filter = directions(&column, Similarity::Cosine);
    if filter.is_empty() || filter.amax() == 0.0 {
        let expected = "a filter with an entry other than 0";
        return Err(Error::OutOfRange { argument: "filter", value: 0.0, expected });
    }
    let (mut total, mut frequency, mut cosine, mut sine) = (0.0, 0.0, 0.0, 0.0);
    let steps = |from: isize, to: isize| (from..=to).map(|k| (k as f64 + 0.5) / (2 * GRID) as f64);
    let half = GRID.cast_signed();
    for v in steps(-half, half - 1) {
        for u in steps(-half, half - 1) {
            let radius = u.hypot(v);
            if radius > 0.5 {
                continue;
            }
            let (mut re, mut im) = (0.0, 0.0);
            for (at, f) in filter.iter().enumerate() {
                let phase =
                    std::f64::consts::TAU * (u * (at % width) as f64 + v * (at / width) as f64);
                re += f * phase.cos();
                im -= f * phase.sin();
            }
            let power = re * re + im * im;
            let angle = 2.0 * v.atan2(u);
            total += power;
            frequency += power * radius;
            cosine += power * angle.cos();
            sine += power * angle.sin();
        }
    }
    Ok(Tuning {
        orientation: (sine.atan2(cosine) / 2.0).rem_euclid(std::f64::consts::PI),
        orientation_selectivity: cosine.hypot(sine) / total,
        frequency: frequency / total,
    })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use rand::rngs::Xoshiro256PlusPlus;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};
    use rand_distr::StandardNormal;

    use super::*;

    fn random(rows: usize, columns: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<f64> {
        DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
    }

    #[test]
    fn a_permutation_and_signs_are_found_again() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        for filters in [1, 2, 10, 64] {
            let first = random(27, filters, &mut rng);
            let mut order: Vec<usize> = (0..filters).collect();
            order.shuffle(&mut rng);
            let signs: Vec<f64> =
                (0..filters).map(|_| if rng.random() { 5.0 } else { -0.1 }).collect();
            let mut second = DMatrix::zeros(27, filters);
            for (from, &to) in order.iter().enumerate() {
                second.set_column(to, &(first.column(from) * signs[from]));
            }
            let matching = match_filters(&first, &second, Similarity::CosineUpToSign).unwrap();
            assert_eq!(matching.partner, order);
            // Two roundings of each of 27 products, and of the two norms.
            assert!((matching.mean() - 1.0).abs() < 60.0 * f64::EPSILON, "{}", matching.mean());
        }
    }

    #[test]
    fn filters_that_have_nothing_in_common_match_at_the_null_and_not_at_zero() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        let mut mean = 0.0;
        for _ in 0..200 {
            let (first, second) = (random(9, 10, &mut rng), random(9, 10, &mut rng));
            mean += match_filters(&first, &second, Similarity::Cosine).unwrap().mean() / 200.0;
        }
        // 0.427 was measured elsewhere on 30 seeds; one mean of ten scatters by about 0.05.
        assert!((mean - 0.43).abs() < 4.0 * 0.05 / 200_f64.sqrt() + 0.005, "{mean}");
    }

    #[test]
    fn a_correlation_ignores_an_offset_and_a_cosine_does_not() {
        let first = DMatrix::from_column_slice(3, 1, &[1.0, 2.0, 3.0]);
        let second = DMatrix::from_column_slice(3, 1, &[-9.0, -8.0, -7.0]);
        let similarity = |kind| match_filters(&first, &second, kind).unwrap().mean();
        assert!((similarity(Similarity::Correlation) - 1.0).abs() < 1e-15);
        assert!(similarity(Similarity::Cosine) < -0.85);
    }

    #[test]
    fn random_filters_hold_four_ninths_of_their_energy_in_edges() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let draws = 20_000;
        let mut sum = 0.0;
        for _ in 0..draws {
            sum += edge_energy(random(9, 1, &mut rng).as_slice()).unwrap();
        }
        // A share of 4 of 9 squared normals is Beta(2, 5/2): variance 4/9·5/9/(11/2).
        let deviation = (20.0 / 81.0 / 5.5 / f64::from(draws)).sqrt();
        let mean = sum / f64::from(draws);
        assert!((mean - 4.0 / 9.0).abs() < 5.0 * deviation, "{mean}");
    }

    #[test]
    fn a_wave_is_tuned_to_its_own_direction_and_frequency() {
        let (width, height) = (15, 15);
        for (angle, frequency) in [(0.0, 0.25), (0.7, 0.2), (2.0, 0.3), (PI / 2.0, 0.15)] {
            let wave: Vec<f64> = (0..width * height)
                .map(|at| {
                    let (x, y) = ((at % width) as f64 - 7.0, (at / width) as f64 - 7.0);
                    let along = x * f64::cos(angle) + y * f64::sin(angle);
                    (2.0 * PI * frequency * along).cos() * (-(x * x + y * y) / 18.0).exp()
                })
                .collect();
            let tuned = tuning(&wave, width, height).unwrap();
            let off = (tuned.orientation - angle + PI / 2.0).rem_euclid(PI) - PI / 2.0;
            // A Gaussian envelope of 3 pixels blurs the frequency by 1/(2π·3) = 0.053.
            assert!(off.abs() < 0.03, "{angle}: {tuned:?}");
            assert!((tuned.frequency - frequency).abs() < 0.03, "{frequency}: {tuned:?}");
            assert!(tuned.orientation_selectivity > 0.7, "{tuned:?}");
        }
        let dot = tuning(&[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 3, 3).unwrap();
        assert!(dot.orientation_selectivity < 1e-12, "{dot:?}");
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let (two, three) = (DMatrix::<f64>::zeros(2, 2), DMatrix::<f64>::zeros(3, 2));
        let text = |result: Result<Matching>| result.unwrap_err().to_string();
        assert_eq!(
            text(match_filters(&two, &three, Similarity::Cosine)),
            "second has 3 rows, expected 2"
        );
        let nan = DMatrix::from_element(2, 2, f64::NAN);
        assert_eq!(
            text(match_filters(&two, &nan, Similarity::Cosine)),
            "second[0, 0] is NaN, and every entry must be finite"
        );
        let none = DMatrix::<f64>::zeros(2, 0);
        assert_eq!(
            text(match_filters(&none, &none, Similarity::Cosine)),
            "the matrix of filters is empty; at least one is needed"
        );
        assert_eq!(
            edge_energy(&[0.0; 9]).unwrap_err().to_string(),
            "filter is 0, expected a filter with an entry other than 0"
        );
        assert_eq!(
            tuning(&[1.0; 8], 3, 3).unwrap_err().to_string(),
            "filter has 8 entries, expected 9"
        );
        let network = Network::<f64>::builder(1).activation(crate::Tanh).build_given().unwrap();
        for layer in [0, 1] {
            assert_eq!(
                network.filters(layer).unwrap_err().to_string(),
                format!(
                    "layer {layer} has no filters: the network has no such layer, or it has no weights"
                )
            );
        }
    }
}
