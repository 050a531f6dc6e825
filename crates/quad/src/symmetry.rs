//! Integrands with a symmetry: one evaluation for each orbit of nodes.

use std::collections::HashMap;

use crate::rotation::across;
use crate::{Direction, Error, Estimate, PointRule, Result, Sample, SolidAngle, SphereRule};

/// A group of rotations and reflections, by what generates it.
///
/// # Examples
/// ```
/// use quad::{PointRule, SolidAngle, Symmetry};
/// let rule = PointRule::lebedev(SolidAngle, 131)?;
/// assert_eq!(rule.len(), 5810);
/// assert_eq!(rule.reduced(&Symmetry::octahedral())?.len(), 144);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Symmetry {
    generators: Vec<Element>,
}

/// An orthogonal 3 × 3 matrix with a name.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Element {
    name: &'static str,
    rows: [[f64; 3]; 3],
}

impl Element {
    fn apply(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        self.rows.map(|[a, b, c]| a * x + b * y + c * z)
    }

    /// The reflection in the plane at right angles to `normal`.
    fn mirror(name: &'static str, normal: [f64; 3]) -> Self {
        let rows = std::array::from_fn(|i| {
            std::array::from_fn(|j| f64::from(u8::from(i == j)) - 2.0 * normal[i] * normal[j])
        });
        Self { name, rows }
    }
}

const X: [f64; 3] = [1.0, 0.0, 0.0];
const Y: [f64; 3] = [0.0, 1.0, 0.0];
const Z: [f64; 3] = [0.0, 0.0, 1.0];

impl Symmetry {
    /// f(x) = f(mirror image of x in the plane at right angles to `normal`): 2 elements.
    #[must_use]
    pub fn mirror(normal: &Direction) -> Self {
        Self { generators: vec![Element::mirror("the mirror", normal.vector())] }
    }

    /// Mirrors θ → π − θ and φ → −φ, those of the planes z = 0 and y = 0: 4 elements.
    #[must_use]
    pub fn two_mirrors() -> Self {
        let mirrors = [("the mirror θ → π − θ", Z), ("the mirror φ → −φ", Y)];
        Self { generators: mirrors.map(|(name, normal)| Element::mirror(name, normal)).to_vec() }
    }

    /// The three coordinate planes as mirrors (D2h), φ → π − φ the third: 8 elements.
    #[must_use]
    pub fn three_mirrors() -> Self {
        let mut group = Self::two_mirrors();
        group.generators.push(Element::mirror("the mirror φ → π − φ", X));
        group
    }

    /// The full octahedral group, with axes along x, y and z: 48 elements.
    #[must_use]
    pub fn octahedral() -> Self {
        let mut group = Self::three_mirrors();
        let half = std::f64::consts::FRAC_1_SQRT_2;
        group.generators.push(Element::mirror("the mirror x ↔ y", [half, -half, 0.0]));
        group.generators.push(Element::mirror("the mirror y ↔ z", [0.0, half, -half]));
        group
    }

    /// The full icosahedral group, with twofold axes along x, y and z and a fivefold axis along
    /// (0, 1, (1 + √5)/2): 120 elements.
    #[must_use]
    pub fn icosahedral() -> Self {
        let mut group = Self::three_mirrors();
        let golden = f64::midpoint(1.0, 5f64.sqrt());
        // Across a twofold axis; with the coordinate mirrors it makes them all.
        let normal = [0.5 * golden, 0.5, 0.5 / golden];
        group.generators.push(Element::mirror("an icosahedral mirror", normal));
        group
    }
}

/// A rule with one node per orbit, for integrands with that symmetry.
///
/// The full rule stands behind it: samples are copied over their orbits, so value and error
/// estimate are the full rule's. Nothing checks that the integrand has the symmetry.
#[derive(Debug, Clone, PartialEq)]
pub struct ReducedRule {
    full: PointRule,
    representatives: Vec<usize>,
    orbit_of: Vec<usize>,
}

impl PointRule {
    /// One node of each orbit under `symmetry`, with which integrands that share it are integrated
    /// as by the full rule.
    ///
    /// # Errors
    /// [`Error::NotInvariant`] with a node whose image is no node, or has another weight.
    pub fn reduced(&self, symmetry: &Symmetry) -> Result<ReducedRule> {
        let places = Places::of(self.directions());
        let mut orbit_of: Vec<usize> = (0..self.len()).collect();
        for element in &symmetry.generators {
            for (index, x) in self.directions().iter().enumerate() {
                let image = element.apply(x.vector());
                let found = places.find(self.directions(), image).filter(|&other| {
                    let (a, b) = (self.weights()[index], self.weights()[other]);
                    (a - b).abs() <= 1e-9 * a.abs()
                });
                let Some(other) = found else {
                    let image = Direction::from_nonzero(image);
                    return Err(Error::NotInvariant {
                        element: element.name,
                        theta: x.theta(),
                        phi: x.phi(),
                        image_theta: image.theta(),
                        image_phi: image.phi(),
                    });
                };
                join(&mut orbit_of, index, other);
            }
        }
        let mut representatives = Vec::new();
        let mut number = HashMap::new();
        let orbit_of = (0..self.len())
            .map(|index| {
                let first = root(&mut orbit_of, index);
                *number.entry(first).or_insert_with(|| {
                    representatives.push(index);
                    representatives.len() - 1
                })
            })
            .collect();
        Ok(ReducedRule { full: self.clone(), representatives, orbit_of })
    }
}

impl SphereRule<SolidAngle> {
    /// One sample of each orbit of the grid under `symmetry`.
    ///
    /// Samples at one point, those of a pole and of a repeated column, count as one.
    ///
    /// # Errors
    /// [`Error::NotInvariant`]: with 400 columns of `linspace(0, 2*pi, 400)`, 399 of them distinct,
    /// φ → −φ maps columns to columns, but φ → π − φ does not, for π is no column.
    ///
    /// # Examples
    /// ```
    /// use quad::{SolidAngle, SphereRule, Symmetry};
    /// let rule = SphereRule::of_degree(SolidAngle, 31)?; // 16 rings, 32 columns
    /// assert_eq!(rule.reduced(&Symmetry::two_mirrors())?.len(), 8 * 17);
    /// let odd = SphereRule::of_degree(SolidAngle, 32)?; // 33 columns: φ → π − φ has no chance
    /// assert!(odd.reduced(&Symmetry::two_mirrors()).is_ok());
    /// assert!(odd.reduced(&Symmetry::three_mirrors()).is_err());
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn reduced(&self, symmetry: &Symmetry) -> Result<ReducedRule> {
        let mut distinct: Vec<Direction> = Vec::new();
        let mut weights: Vec<f64> = Vec::new();
        let mut places = Places::default();
        for (x, weight) in self.directions().zip(self.weights()) {
            if let Some(index) = places.find(&distinct, x.vector()) {
                weights[index] += weight;
            } else {
                places.add(&x, distinct.len());
                distinct.push(x);
                weights.push(weight);
            }
        }
        PointRule::from_parts(distinct, weights, self.degree()).reduced(symmetry)
    }
}

impl ReducedRule {
    /// The number of orbits.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a rule has at least one node")]
    pub fn len(&self) -> usize {
        self.representatives.len()
    }

    /// A node of each orbit, in the order of the samples.
    pub fn directions(&self) -> impl Iterator<Item = Direction> + '_ {
        self.representatives.iter().map(|&index| self.full.directions()[index])
    }

    /// The integral of `f`, called once for each orbit.
    ///
    /// # Errors
    /// As [`PointRule::integrate`].
    pub fn integrate<T: Sample>(&self, f: impl FnMut(&Direction) -> T) -> Result<Estimate<T>> {
        let nodes: Vec<Direction> = self.directions().collect();
        let samples: Vec<T> = nodes.iter().map(f).collect();
        self.integrate_samples(&samples)
    }

    /// The integral from a sample at each of [`Self::directions`].
    ///
    /// # Errors
    /// As [`PointRule::integrate_samples`].
    ///
    /// # Examples
    /// ```
    /// use quad::{PointRule, SolidAngle, Symmetry};
    /// let rule = PointRule::lebedev(SolidAngle, 11)?.reduced(&Symmetry::octahedral())?;
    /// assert!(rule.len() < 6);
    /// let samples: Vec<f64> =
    ///     rule.directions().map(|u| u.vector().map(|x| x.powi(4)).iter().sum()).collect();
    /// let total = rule.integrate_samples(&samples)?;
    /// assert!((total.value - 12.0 * std::f64::consts::PI / 5.0).abs() < 1e-13);
    /// # Ok::<(), quad::Error>(())
    /// ```
    pub fn integrate_samples<T: Sample>(&self, samples: &[T]) -> Result<Estimate<T>> {
        if samples.len() != self.len() {
            return Err(Error::Samples { expected: self.len(), got: samples.len() });
        }
        let all: Vec<T> = self.orbit_of.iter().map(|&orbit| samples[orbit]).collect();
        let estimate = self.full.integrate_samples(&all)?;
        Ok(Estimate { evaluations: self.len(), ..estimate })
    }
}

impl PointRule {
    /// The rule for integrands that depend on the angle to `axis` alone, exact to `degree`:
    /// ⌊degree/2⌋ + 1 nodes on one meridian.
    ///
    /// # Errors
    /// [`Error::Count`] for a degree above [`SphereRule::MAX_DEGREE`](crate::SphereRule::MAX_DEGREE).
    pub fn axisymmetric(measure: SolidAngle, axis: &Direction, degree: usize) -> Result<Self> {
        let rings = SphereRule::of_degree(measure, degree)?;
        let count = rings.layout().rings;
        let (pole, side) = (axis.vector(), across(axis.vector()));
        let place = |x: Direction| {
            Direction::from_nonzero(std::array::from_fn(|i| {
                x.z() * pole[i] + x.sin_theta() * side[i]
            }))
        };
        let directions = rings.directions().take(count).map(place).collect();
        let columns = crate::rings::real(rings.layout().columns);
        let weights = rings.weights().take(count).map(|weight| weight * columns).collect();
        Ok(Self::from_parts(directions, weights, rings.degree()))
    }
}

/// Nodes by their place, to find images among them.
#[derive(Debug, Default)]
struct Places {
    cells: HashMap<[i64; 3], Vec<usize>>,
}

/// Two nodes nearer than this are one.
const NEAR: f64 = 1e-8;

impl Places {
    fn of(nodes: &[Direction]) -> Self {
        let mut places = Self::default();
        for (index, x) in nodes.iter().enumerate() {
            places.add(x, index);
        }
        places
    }

    #[expect(clippy::cast_possible_truncation, reason = "coordinates are at most 1/NEAR")]
    fn cell(x: [f64; 3]) -> [i64; 3] {
        x.map(|coordinate| (coordinate / NEAR).floor() as i64)
    }

    fn add(&mut self, x: &Direction, index: usize) {
        self.cells.entry(Self::cell(x.vector())).or_default().push(index);
    }

    fn find(&self, nodes: &[Direction], x: [f64; 3]) -> Option<usize> {
        let [i, j, k] = Self::cell(x);
        for neighbor in 0..27 {
            let cell = [i + neighbor % 3 - 1, j + neighbor / 3 % 3 - 1, k + neighbor / 9 - 1];
            for &index in self.cells.get(&cell).into_iter().flatten() {
                let [a, b, c] = nodes[index].vector();
                if (a - x[0]).abs().max((b - x[1]).abs()).max((c - x[2]).abs()) <= NEAR {
                    return Some(index);
                }
            }
        }
        None
    }
}

/// The first of the nodes that are joined with this one.
fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

fn join(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b)] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_are_the_number_of_orbits() {
        // The counts for degree 131 that the orbit types give: 5810 nodes in 144 orbits of O_h.
        let rule = PointRule::lebedev(SolidAngle, 131).unwrap();
        for (symmetry, orbits) in [
            (Symmetry::two_mirrors(), 1497),
            (Symmetry::three_mirrors(), 760),
            (Symmetry::octahedral(), 144),
        ] {
            assert_eq!(rule.reduced(&symmetry).unwrap().len(), orbits);
        }
    }

    #[test]
    fn a_reduced_rule_gives_what_the_full_one_gives() {
        let rule = PointRule::lebedev(SolidAngle, 41).unwrap();
        let f = |x: &Direction| (x.x().powi(4) + x.y().powi(4) + x.z().powi(4)).exp();
        let full = rule.integrate(f).unwrap();
        for symmetry in [Symmetry::two_mirrors(), Symmetry::octahedral()] {
            let reduced = rule.reduced(&symmetry).unwrap().integrate(f).unwrap();
            assert!((reduced.value - full.value).abs() < 1e-13, "{reduced:?}");
            assert!(reduced.evaluations * 3 < full.evaluations);
        }
    }

    #[test]
    fn the_icosahedral_mirrors_make_120_elements() {
        // The orbit of a generic point, by brute force.
        let mut orbit = vec![[0.36, 0.48, 0.8]];
        let mut next = 0;
        while next < orbit.len() {
            for element in &Symmetry::icosahedral().generators {
                let image = element.apply(orbit[next]);
                let known = |x: &[f64; 3]| (0..3).all(|i| (x[i] - image[i]).abs() < 1e-9);
                if !orbit.iter().any(known) {
                    orbit.push(image);
                }
            }
            next += 1;
            assert!(orbit.len() <= 120);
        }
        assert_eq!(orbit.len(), 120);
    }

    #[test]
    fn a_rule_that_is_not_invariant_is_refused_with_the_node() {
        let rule = PointRule::lebedev(SolidAngle, 5).unwrap();
        let tilted = Direction::from_vector([1.0, 2.0, 3.0]).unwrap();
        let error = rule.reduced(&Symmetry::mirror(&tilted)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("the nodes do not map to themselves under the mirror"), "{text}");
    }

    #[test]
    fn an_axisymmetric_integrand_needs_one_meridian() {
        let axis = Direction::from_angles(1.0, 2.0).unwrap();
        let rule = PointRule::axisymmetric(SolidAngle, &axis, 31).unwrap();
        assert_eq!(rule.len(), 16);
        let sum: f64 = rule
            .directions()
            .iter()
            .zip(rule.weights())
            .map(|(x, weight)| weight * (10.0 * axis.dot(x)).exp())
            .sum();
        assert!((sum / 13839.63659657671218848 - 1.0).abs() < 1e-14);
    }
}
