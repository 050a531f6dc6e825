//! Spherical designs: points of one weight, in orbits of the icosahedron's rotations.
//!
//! `data/designs.txt` has, a line per design, its degree, its special orbits (v, the 12 vertices; f, the
//! 20 centers of faces), and two angles for each orbit of 60 points; `data/designs.py` found them.

use crate::rotation::Rotation;
use crate::{Direction, Result};

const TABLE: &str = include_str!("../data/designs.txt");

/// Degree and number of points of each design, smallest first.
pub(crate) const SIZES: [(usize, usize); 18] = [
    (5, 12),
    (11, 72),
    (15, 132),
    (19, 212),
    (21, 252),
    (23, 312),
    (29, 432),
    (31, 540),
    (33, 600),
    (35, 660),
    (38, 780),
    (41, 900),
    (45, 1080),
    (49, 1260),
    (51, 1380),
    (55, 1620),
    (59, 1860),
    (65, 2220),
];

/// The points of the design of this degree; none where there is no such design.
pub(crate) fn points(degree: usize) -> Result<Vec<Direction>> {
    let line = TABLE
        .lines()
        .find(|line| line.split(' ').next().and_then(|field| field.parse().ok()) == Some(degree));
    let mut fields = line.unwrap_or_default().split(' ').skip(1);
    let special = fields.next().unwrap_or_default();
    let golden = f64::midpoint(1.0, 5f64.sqrt());
    let vertex = Direction::from_vector([0.0, 1.0, golden])?;
    let turns = (0..5)
        .map(|fifth| Rotation::about(&vertex, 0.4 * std::f64::consts::PI * f64::from(fifth)))
        .collect::<Result<Vec<Rotation>>>()?;

    let mut points: Vec<Direction> = Vec::new();
    for letter in special.chars() {
        let first = match letter {
            'v' => [0.0, 1.0, golden],
            'f' => [1.0; 3],
            _ => continue,
        };
        // Each of these is met several times.
        let start = points.len();
        for point in orbit(first, &turns)? {
            if points[start..].iter().all(|other| other.dot(&point) < 0.999) {
                points.push(point);
            }
        }
    }
    let angles: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    for pair in angles.chunks_exact(2) {
        let first = Direction::from_angles(pair[0], pair[1])?;
        points.extend(orbit(first.vector(), &turns)?);
    }
    Ok(points)
}

/// The images of a point under the 12 rotations of the tetrahedron (even changes of sign, and the
/// coordinates in turn) and then the five about a vertex of the icosahedron: all 60 of its rotations.
fn orbit([x, y, z]: [f64; 3], turns: &[Rotation]) -> Result<Vec<Direction>> {
    let mut orbit = Vec::with_capacity(60);
    for turn in turns {
        for [a, b, c] in [[x, y, z], [y, z, x], [z, x, y]] {
            for point in [[a, b, c], [a, -b, -c], [-a, b, -c], [-a, -b, c]] {
                orbit.push(turn.apply(&Direction::from_vector(point)?));
            }
        }
    }
    Ok(orbit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rings::real;

    #[test]
    fn every_design_averages_every_degree_to_its_own_and_not_the_next() {
        // A degree up to 65 has at most four functions that the rotations leave unchanged, so five
        // axes in no special place see any that does not average to nothing.
        let axes: Vec<Direction> = (0..5)
            .map(|i| Direction::from_angles(0.3 + 0.47 * f64::from(i), 1.9 * f64::from(i)).unwrap())
            .collect();
        for (degree, count) in SIZES {
            let points = points(degree).unwrap();
            assert_eq!(points.len(), count, "degree {degree}");
            let mut next = 0.0f64;
            for axis in &axes {
                let t: Vec<f64> = points.iter().map(|x| axis.dot(x)).collect();
                let (mut before, mut here) = (vec![1.0; count], t.clone());
                for l in 1..=degree + 1 {
                    let mean = here.iter().sum::<f64>() / real(count);
                    if l <= degree {
                        // Points to a rounding or two, whose slope is at most l: of random sign.
                        let limit = 8.0 * f64::EPSILON * real(l) / real(count).sqrt();
                        assert!(
                            mean.abs() <= limit + 4.0 * f64::EPSILON,
                            "{degree}, {l}: {mean:e}"
                        );
                    } else {
                        next = next.max(mean.abs());
                    }
                    for ((t, before), here) in t.iter().zip(&mut before).zip(&mut here) {
                        let (l, value) = (real(l), *here);
                        (*before, *here) =
                            (value, ((2.0 * l + 1.0) * t * value - l * *before) / (l + 1.0));
                    }
                }
            }
            assert!(next > 1e-6, "degree {}: {next:e}", degree + 1);
        }
    }

    #[test]
    fn no_two_points_are_one() {
        for (degree, count) in SIZES {
            let points = points(degree).unwrap();
            let nearest = (0..count)
                .flat_map(|i| (0..i).map(move |j| (i, j)))
                .map(|(i, j)| points[i].dot(&points[j]))
                .fold(-1.0, f64::max);
            assert!(nearest < 1.0 - 1e-6, "degree {degree}: {nearest}");
        }
    }

    #[test]
    fn a_degree_without_a_design_has_no_points() {
        assert!(points(12).unwrap().is_empty());
    }
}
