//! Parts of the sphere: cap, latitude-longitude box, spherical triangle and polygon.

use std::f64::consts::{PI, TAU};

use crate::point_rule::{check_finite, magnitude};
use crate::rings::real;
use crate::rotation::cross;
use crate::sample::{distance, weighted_sum};
use crate::{
    Direction, Error, Estimate, GaussLegendre, Method, Result, Rotation, Sample, SolidAngle, Stop,
};

/// A part of the sphere, with its exact area and rules of its own.
///
/// A rule for the whole sphere applied to a function that is zero outside a region sees a jump, and
/// has three digits at best.
///
/// # Examples
/// ```
/// use quad::{Direction, Region, SolidAngle};
/// use std::f64::consts::PI;
/// let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// let corner = |v| Direction::from_vector(v);
/// let octant = Region::triangle(&corner(x)?, &corner(y)?, &corner(z)?)?;
/// assert!((octant.area() - PI / 2.0).abs() < 1e-15);
/// let moment = octant.integrate(SolidAngle, 10, |x| x.x())?;
/// assert!((moment.value - PI / 4.0).abs() < 1e-14);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Cap {
        center: Direction,
        radius: f64,
    },
    Box {
        theta: [f64; 2],
        phi: [f64; 2],
    },
    /// Triangles that do not overlap.
    Triangles(Vec<[[f64; 3]; 3]>),
}

/// Nodes and weights over a region.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionRule {
    /// The nodes.
    pub directions: Vec<Direction>,
    /// The weights; they sum to the region's area, to rounding for a cap, and as the rule's degree
    /// allows for the others.
    pub weights: Vec<f64>,
}

impl Region {
    /// All directions within `radius` radians of `center`.
    ///
    /// # Errors
    /// [`Error::Radius`] unless 0 < `radius` ≤ π.
    pub fn cap(center: &Direction, radius: f64) -> Result<Self> {
        if !(radius > 0.0 && radius <= PI) {
            return Err(Error::Radius { argument: "radius", value: radius });
        }
        Ok(Self { shape: Shape::Cap { center: *center, radius } })
    }

    /// Colatitudes `theta[0]` to `theta[1]`, azimuths `phi[0]` to `phi[1]`, in radians.
    ///
    /// # Errors
    /// [`Error::AngleNotFinite`]; [`Error::AngleOutOfRange`] for colatitudes outside [0, π] or more
    /// than one turn of azimuths; [`Error::NotIncreasing`].
    pub fn latitude_longitude_box(theta: [f64; 2], phi: [f64; 2]) -> Result<Self> {
        for (axis, ends, lowest, highest) in
            [("colatitude", theta, 0.0, PI), ("azimuth", phi, phi[0], phi[0] + TAU)]
        {
            for (index, &value) in ends.iter().enumerate() {
                if !value.is_finite() {
                    return Err(Error::AngleNotFinite { axis, index, value });
                }
                if !(lowest..=highest).contains(&value) && ends[0] < ends[1] {
                    let unit = "radians";
                    return Err(Error::AngleOutOfRange {
                        axis,
                        index,
                        value,
                        lowest,
                        highest,
                        unit,
                    });
                }
            }
            if !(ends[0] < ends[1]) {
                let [previous, value] = ends;
                return Err(Error::NotIncreasing { axis, index: 1, value, previous });
            }
        }
        Ok(Self { shape: Shape::Box { theta, phi } })
    }

    /// The triangle with these corners and great circles for sides, each shorter than half a circle.
    ///
    /// # Errors
    /// [`Error::Polygon`] where two corners are one or opposite, or the three on one great circle.
    pub fn triangle(a: &Direction, b: &Direction, c: &Direction) -> Result<Self> {
        Self::polygon(&[*a, *b, *c])
    }

    /// The polygon with these corners, in either sense of rotation, and great circles for sides. It
    /// may be concave, but must lie within 80° of the mean of its corners.
    ///
    /// # Errors
    /// [`Error::Polygon`] for fewer than three corners, one that is too far from the others or
    /// repeated, sides that cross, and no area.
    pub fn polygon(corners: &[Direction]) -> Result<Self> {
        let refused = |corner| Error::Polygon { corners: corners.len(), corner };
        if corners.len() < 3 {
            return Err(refused(0));
        }
        let mut mean = [0.0; 3];
        for corner in corners {
            for (sum, coordinate) in mean.iter_mut().zip(corner.vector()) {
                *sum += coordinate;
            }
        }
        let [x, y, z] = mean;
        if !(x.hypot(y).hypot(z) > 1e-6) {
            return Err(refused(0));
        }
        let center = Direction::from_nonzero(mean);
        let north = Direction::from_nonzero([0.0, 0.0, 1.0]);
        let down = Rotation::between(&center, &north);
        // Seen from the center of the sphere great circles are straight lines.
        let mut flat = Vec::with_capacity(corners.len());
        for (index, corner) in corners.iter().enumerate() {
            let seen = down.apply(corner);
            if !(seen.z() > 80f64.to_radians().cos()) {
                return Err(refused(index));
            }
            flat.push([seen.x() / seen.z(), seen.y() / seen.z()]);
        }
        let triangles = cut_ears(&flat).map_err(refused)?;
        let vector = |index: usize| corners[index].vector();
        let triangles = triangles.into_iter().map(|triangle| triangle.map(vector)).collect();
        Ok(Self { shape: Shape::Triangles(triangles) })
    }

    /// The area in steradians, in closed form: 2π(1 − cos a), Δφ (cos θ₁ − cos θ₂), or spherical
    /// excesses.
    #[must_use]
    pub fn area(&self) -> f64 {
        match &self.shape {
            Shape::Cap { radius, .. } => 4.0 * PI * (0.5 * radius).sin().powi(2),
            Shape::Box { theta: [first, last], phi: [west, east] } => {
                let sines = (0.5 * (first + last)).sin() * (0.5 * (last - first)).sin();
                2.0 * sines * (east - west)
            }
            Shape::Triangles(triangles) => triangles.iter().map(excess).sum(),
        }
    }

    /// A rule for spherical polynomials of at most `degree`: exact on a cap, and to rounding on the
    /// others.
    ///
    /// # Errors
    /// [`Error::Count`] for a degree above 2,000.
    pub fn rule(&self, _measure: SolidAngle, degree: usize) -> Result<RegionRule> {
        if degree > 2_000 {
            return Err(Error::Count {
                argument: "degree",
                value: degree,
                lowest: 0,
                highest: 2_000,
            });
        }
        let mut rule = RegionRule { directions: Vec::new(), weights: Vec::new() };
        match &self.shape {
            Shape::Cap { center, radius } => rule.fill_cap(center, *radius, degree)?,
            Shape::Box { theta, phi } => rule.fill_box(*theta, *phi, degree)?,
            Shape::Triangles(triangles) => {
                for triangle in triangles {
                    rule.fill_triangle(triangle, degree)?;
                }
            }
        }
        Ok(rule)
    }

    /// The integral of `f` over the region by the rule for `degree`, and an error estimate from a
    /// second rule of two thirds of the degree.
    ///
    /// # Errors
    /// As [`Self::rule`]; [`Error::IntegrandNotFinite`]; [`Error::Overflow`].
    pub fn integrate<T: Sample>(
        &self,
        measure: SolidAngle,
        degree: usize,
        mut f: impl FnMut(&Direction) -> T,
    ) -> Result<Estimate<T>> {
        let mut evaluations = 0;
        let mut values = [T::ZERO; 2];
        let mut size = 0.0;
        for (value, degree) in values.iter_mut().zip([2 * degree / 3, degree]) {
            let RegionRule { directions, weights } = self.rule(measure, degree)?;
            let samples: Vec<T> = directions.iter().map(&mut f).collect();
            check_finite(&directions, &samples)?;
            evaluations += samples.len();
            *value = weighted_sum(&weights, &samples);
            size = magnitude(&weights, &samples);
        }
        let [coarse, value] = values;
        if !(value.norm().is_finite() && size.is_finite()) {
            return Err(Error::Overflow { snapshot: 0 });
        }
        Ok(Estimate {
            value,
            error_estimate: distance(value, coarse) + 8.0 * f64::EPSILON * size,
            magnitude: size,
            evaluations,
            stop: Stop::Fixed,
            method: Method::Region,
            measure,
        })
    }
}

impl RegionRule {
    fn fill_cap(&mut self, center: &Direction, radius: f64, degree: usize) -> Result<()> {
        // Over a circle of latitude a polynomial leaves a polynomial in z.
        let gauss = GaussLegendre::new(degree / 2 + 1)?;
        let frame = Rotation::between(&Direction::from_nonzero([0.0, 0.0, 1.0]), center);
        // 1 − z runs to 2 sin²(a/2), which small caps keep to all digits.
        let height = 2.0 * (0.5 * radius).sin().powi(2);
        for (x, weight) in gauss.nodes().iter().zip(gauss.weights()) {
            let depth = 0.5 * height * (1.0 - x);
            let (cosine, sine) = (1.0 - depth, (depth * (2.0 - depth)).sqrt());
            for column in 0..=degree {
                let phi = TAU * real(column) / real(degree + 1);
                let node = Direction::from_parts(sine.atan2(cosine), sine, cosine, phi);
                self.directions.push(frame.apply(&node));
                self.weights.push(0.5 * height * weight * TAU / real(degree + 1));
            }
        }
        Ok(())
    }

    fn fill_box(&mut self, theta: [f64; 2], phi: [f64; 2], degree: usize) -> Result<()> {
        let axis = |[start, end]: [f64; 2]| -> Result<Vec<(f64, f64)>> {
            let gauss = GaussLegendre::new(nodes_for(degree + 1, end - start))?;
            let (center, half) = (0.5 * (start + end), 0.5 * (end - start));
            let nodes = gauss.nodes().iter().zip(gauss.weights());
            Ok(nodes.map(|(x, weight)| (center + half * x, half * weight)).collect())
        };
        let columns = axis(phi)?;
        for (theta, ring_weight) in axis(theta)? {
            let (sine, cosine) = theta.sin_cos();
            for &(phi, weight) in &columns {
                self.directions.push(Direction::from_parts(theta, sine, cosine, phi));
                self.weights.push(ring_weight * weight * sine);
            }
        }
        Ok(())
    }

    /// Seen from the center of the sphere the triangle is flat: x = a + u(b − a) + uv(c − b), with
    /// dΩ = det(a, b, c) u du dv / |x|³.
    fn fill_triangle(&mut self, triangle: &[[f64; 3]; 3], degree: usize) -> Result<()> {
        let [a, b, c] = *triangle;
        let sides = [(b, c, a), (c, a, b), (a, b, c)];
        let side = |p: [f64; 3], q: [f64; 3]| angle(p, q);
        let (longest, (p, q, r)) = sides
            .map(|(p, q, r)| (side(p, q), (p, q, r)))
            .into_iter()
            .fold((0.0, sides[0]), |best, next| if next.0 > best.0 { next } else { best });
        if longest > 0.6 {
            // Flatness strains large triangles.
            let middle = Direction::from_nonzero([p[0] + q[0], p[1] + q[1], p[2] + q[2]]).vector();
            self.fill_triangle(&[p, middle, r], degree)?;
            return self.fill_triangle(&[middle, q, r], degree);
        }
        let gauss = GaussLegendre::new(nodes_for(degree, longest))?;
        let nodes: Vec<(f64, f64)> = gauss
            .nodes()
            .iter()
            .zip(gauss.weights())
            .map(|(x, weight)| (0.5 * (1.0 + x), 0.5 * weight))
            .collect();
        let volume = determinant(a, b, c).abs();
        for &(u, u_weight) in &nodes {
            for &(v, v_weight) in &nodes {
                let x: [f64; 3] =
                    std::array::from_fn(|i| a[i] + u * (b[i] - a[i] + v * (c[i] - b[i])));
                let length = x[0].hypot(x[1]).hypot(x[2]);
                self.directions.push(Direction::from_nonzero(x));
                self.weights.push(volume * u * u_weight * v_weight / length.powi(3));
            }
        }
        Ok(())
    }
}

/// Gauss nodes with which exp(i·degree·t) over an interval of this width is right to rounding: half
/// its phase, and a dozen for the sine and the Jacobian.
fn nodes_for(degree: usize, width: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2001 times a turn"
    )]
    let phase = (0.3 * real(degree) * width).ceil() as usize;
    12 + phase
}

fn dot([a, b, c]: [f64; 3], [x, y, z]: [f64; 3]) -> f64 {
    a * x + b * y + c * z
}

fn determinant(a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> f64 {
    dot(a, cross(b, c))
}

fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    let [x, y, z] = cross(a, b);
    x.hypot(y).hypot(z).atan2(dot(a, b))
}

/// The area of a spherical triangle: tan(E/2) = |det(a, b, c)|/(1 + a·b + b·c + c·a).
///
/// A. van Oosterom and J. Strackee, "The solid angle of a plane triangle", IEEE Transactions on
/// Biomedical Engineering 30 (1983), equation 8.
fn excess(triangle: &[[f64; 3]; 3]) -> f64 {
    let [a, b, c] = *triangle;
    2.0 * determinant(a, b, c).abs().atan2(1.0 + dot(a, b) + dot(b, c) + dot(c, a))
}

/// Twice the signed area of a flat triangle.
fn turn(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// A flat polygon as triangles of its corners, or the corner at which that fails.
fn cut_ears(corners: &[[f64; 2]]) -> std::result::Result<Vec<[usize; 3]>, usize> {
    let count = corners.len();
    let at = |index: usize| corners[index % count];
    let doubled: f64 = (0..count).map(|i| turn([0.0, 0.0], at(i), at(i + 1))).sum();
    let scale: f64 = corners.iter().map(|[x, y]| x * x + y * y).fold(0.0, f64::max);
    if !(doubled.abs() > 1e-14 * scale) {
        return Err(0);
    }
    for i in 0..count {
        for j in i + 1..count {
            let adjacent = j == i + 1 || (i == 0 && j == count - 1);
            let (a, b, c, d) = (at(i), at(i + 1), at(j), at(j + 1));
            let apart = |p, q, r, s| turn(p, q, r) * turn(p, q, s) > 0.0;
            if !adjacent && !apart(a, b, c, d) && !apart(c, d, a, b) {
                return Err(j);
            }
        }
    }
    let mut left: Vec<usize> = (0..count).collect();
    if doubled < 0.0 {
        left.reverse();
    }
    let mut triangles = Vec::with_capacity(count - 2);
    while left.len() > 3 {
        let n = left.len();
        let ear = (0..n).find(|&k| {
            let [i, j, l] = [left[(k + n - 1) % n], left[k], left[(k + 1) % n]];
            let (a, b, c) = (at(i), at(j), at(l));
            turn(a, b, c) > 0.0
                && left.iter().filter(|&&m| m != i && m != j && m != l).all(|&m| {
                    let p = at(m);
                    turn(a, b, p) < 0.0 || turn(b, c, p) < 0.0 || turn(c, a, p) < 0.0
                })
        });
        let Some(k) = ear else { return Err(left[0]) };
        triangles.push([left[(k + n - 1) % n], left[k], left[(k + 1) % n]]);
        left.remove(k);
    }
    triangles.push([left[0], left[1], left[2]]);
    Ok(triangles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(theta: f64, phi: f64) -> Direction {
        Direction::from_angles(theta, phi).unwrap()
    }

    #[test]
    fn a_cap_has_its_area_and_its_first_moment_at_any_size() {
        let center = direction(2.0, 1.0);
        for radius in [1e-6, 0.01, 0.7, 2.0, PI] {
            let cap = Region::cap(&center, radius).unwrap();
            let rule = cap.rule(SolidAngle, 7).unwrap();
            let sum: f64 = rule.weights.iter().sum();
            assert!((sum / cap.area() - 1.0).abs() < 1e-14, "{radius}");
            let moment = cap.integrate(SolidAngle, 7, |x| center.dot(x)).unwrap().value;
            let expected = PI * radius.sin().powi(2);
            assert!((moment - expected).abs() < 1e-14 * cap.area(), "{radius}: {moment}");
        }
    }

    #[test]
    fn a_box_has_its_area_and_the_moment_of_z() {
        for (theta, phi) in [([0.3, 1.1], [-0.5, 2.0]), ([0.0, PI], [0.0, TAU])] {
            let region = Region::latitude_longitude_box(theta, phi).unwrap();
            let width = phi[1] - phi[0];
            let area = width * (theta[0].cos() - theta[1].cos());
            assert!((region.area() - area).abs() < 1e-14);
            let ones = region.integrate(SolidAngle, 8, |_| 1.0).unwrap().value;
            assert!((ones - area).abs() < 1e-13, "{ones} {area}");
            // ∫ z² = Δφ (cos³θ₁ − cos³θ₂)/3.
            let cubes = width * (theta[0].cos().powi(3) - theta[1].cos().powi(3)) / 3.0;
            let found = region.integrate(SolidAngle, 8, |x| x.z().powi(2)).unwrap().value;
            assert!((found - cubes).abs() < 1e-13, "{found} {cubes}");
        }
    }

    #[test]
    fn triangles_of_a_sphere_add_up_to_it() {
        // The icosahedron's faces, each 4π/20, and a polynomial of degree 12 over all of them is
        // 4π/13.
        let golden = f64::midpoint(1.0, 5f64.sqrt());
        let mut corners = Vec::new();
        for (a, b) in [(1.0, golden), (-1.0, golden), (1.0, -golden), (-1.0, -golden)] {
            corners.extend([[0.0, a, b], [a, b, 0.0], [b, 0.0, a]]);
        }
        let corners: Vec<Direction> = corners.into_iter().map(Direction::from_nonzero).collect();
        let u = direction(1.0, 2.0);
        let (mut faces, mut sum) = (0, 0.0);
        for i in 0..12 {
            for j in i + 1..12 {
                for k in j + 1..12 {
                    let [a, b, c] = [corners[i], corners[j], corners[k]];
                    if a.dot(&b).min(b.dot(&c)).min(c.dot(&a)) > 0.4 {
                        let face = Region::triangle(&a, &b, &c).unwrap();
                        assert!((face.area() - PI / 5.0).abs() < 1e-14);
                        sum += face.integrate(SolidAngle, 12, |x| u.dot(x).powi(12)).unwrap().value;
                        faces += 1;
                    }
                }
            }
        }
        assert_eq!(faces, 20);
        assert!((sum - 4.0 * PI / 13.0).abs() < 1e-13, "{sum}");
    }

    #[test]
    fn a_concave_polygon_is_the_difference_of_two_triangles() {
        // A dart: the triangle 0-1-2 without the triangle 0-1-3, whose corner 3 lies inside.
        let corners =
            [(0.5, 0.0), (0.5, 2.1), (0.5, 4.2), (0.05, 0.9)].map(|(t, p)| direction(t, p));
        let [a, b, c, d] = corners;
        let dart = Region::polygon(&[a, d, b, c]).unwrap();
        let (whole, notch) =
            (Region::triangle(&a, &b, &c).unwrap(), Region::triangle(&a, &b, &d).unwrap());
        assert!((dart.area() - (whole.area() - notch.area())).abs() < 1e-14);
        let f = |x: &Direction| (3.0 * x.x() + x.z()).exp();
        let [found, large, small] = [&dart, &whole, &notch]
            .map(|region| region.integrate(SolidAngle, 20, f).unwrap().value);
        assert!((found - (large - small)).abs() < 1e-12, "{found}");
        let reversed = Region::polygon(&[c, b, d, a]).unwrap();
        assert!((reversed.area() - dart.area()).abs() < 1e-14);
    }

    #[test]
    fn what_is_no_region_is_refused() {
        let [a, b, c, d] = [0.0, 1.5, 3.0, 4.5].map(|phi| direction(0.5, phi));
        let crossed = Region::polygon(&[a, c, b, d]).unwrap_err();
        assert_eq!(
            crossed.to_string(),
            "4 corners make no polygon at corner 2: expected at least three, within 80° of their \
             mean, with sides that do not cross"
        );
        assert!(Region::polygon(&[a, b]).is_err());
        assert!(Region::triangle(&a, &a, &b).is_err());
        assert!(Region::cap(&a, 4.0).is_err());
        assert_eq!(
            Region::latitude_longitude_box([1.0, 0.5], [0.0, 1.0]).unwrap_err().to_string(),
            "colatitude[1] is 0.5 after 1, and an axis must increase"
        );
        assert!(Region::latitude_longitude_box([0.0, 4.0], [0.0, 1.0]).is_err());
        assert!(Region::latitude_longitude_box([0.0, 1.0], [0.0, 7.0]).is_err());
        assert!(Region::cap(&a, 1.0).unwrap().rule(SolidAngle, 3000).is_err());
    }
}
