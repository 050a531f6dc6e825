//! Areas of the Voronoi cells of points on the sphere.

use crate::{Direction, Error, Result};

type Vector = [f64; 3];

/// A triangle of the convex hull, counterclockwise from outside, and the triangles across its edges;
/// edge k is opposite to corner k.
#[derive(Debug, Clone, Copy)]
struct Triangle {
    corners: [usize; 3],
    across: [usize; 3],
    alive: bool,
}

/// The area of each point's cell, the part of the sphere nearer to it than to the others; in all
/// 4π.
///
/// The cells' corners are the centers of the empty caps through three points, which are the
/// triangles of the points' convex hull. The hull grows point by point, each found by walking
/// towards it: O(n^1.5).
///
/// # Errors
/// [`Error::Count`] below four points; [`Error::SamePoint`]; [`Error::OneSided`] where all points
/// are in one half of the sphere or on one circle.
pub(crate) fn areas(points: &[Direction]) -> Result<Vec<f64>> {
    let vectors: Vec<Vector> = points.iter().map(Direction::vector).collect();
    let triangles = hull(&vectors)?;
    let mut areas = vec![0.0; points.len()];
    for triangle in triangles.iter().filter(|triangle| triangle.alive) {
        let [a, b, c] = triangle.corners.map(|corner| vectors[corner]);
        let normal = cross(minus(b, a), minus(c, a));
        let length = dot(normal, normal).sqrt();
        if dot(normal, a) <= 0.0 || length == 0.0 {
            return Err(Error::OneSided);
        }
        let center = normal.map(|x| x / length);
        for k in 0..3 {
            let (from, to) = (triangle.corners[k], triangle.corners[(k + 1) % 3]);
            let (a, b) = (vectors[from], vectors[to]);
            let middle = unit([a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
            // Signed: outside of an obtuse triangle its center takes area from the neighbor.
            areas[from] += excess(a, middle, center);
            areas[to] += excess(middle, b, center);
        }
    }
    Ok(areas)
}

fn hull(points: &[Vector]) -> Result<Vec<Triangle>> {
    let n = points.len();
    if n < 4 {
        let highest = crate::GaussLegendre::MAX_NODES;
        return Err(Error::Count { argument: "points", value: n, lowest: 4, highest });
    }
    let seed = tetrahedron(points)?;
    let mut triangles: Vec<Triangle> = [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]]
        .into_iter()
        .map(|corners| Triangle {
            corners: corners.map(|corner| seed[corner]),
            across: corners,
            alive: true,
        })
        .collect();
    let mut last = 0;
    // In an order without a pattern, so that no row of points makes slivers; by a stride that is
    // prime to n.
    let stride = (n * 618 / 1000..).find(|&stride| gcd(stride.max(1), n) == 1).unwrap_or(1).max(1);
    for step in 0..n {
        let point = step * stride % n;
        if !seed.contains(&point) {
            last = insert(points, &mut triangles, point, last)?;
        }
    }
    Ok(triangles)
}

/// Adds a point to the hull; returns one of the new triangles.
fn insert(
    points: &[Vector],
    triangles: &mut Vec<Triangle>,
    point: usize,
    start: usize,
) -> Result<usize> {
    let p = points[point];
    // How far p is above a triangle, less what rounding makes of points on one circle.
    let height = |triangle: &Triangle| {
        let [a, b, c] = triangle.corners.map(|corner| points[corner]);
        let normal = cross(minus(b, a), minus(c, a));
        dot(normal, minus(p, a)) - 1e-15 * dot(normal, normal).sqrt()
    };
    // A walk over the edges that p is beyond of, seen from the center; and where rounding leads it
    // round, every triangle.
    let mut here = start;
    let mut found = None;
    for _ in 0..triangles.len() {
        let triangle = triangles[here];
        let corners = triangle.corners.map(|corner| points[corner]);
        let beyond =
            (0..3).find(|&k| dot(cross(corners[(k + 1) % 3], corners[(k + 2) % 3]), p) < 0.0);
        match beyond {
            Some(edge) => here = triangle.across[edge],
            None => {
                found = Some(here);
                break;
            }
        }
    }
    let same = triangles[here].corners.into_iter().find(|&other| {
        let d = minus(points[other], p);
        dot(d, d) < 1e-28
    });
    if let Some(other) = same {
        return Err(Error::SamePoint { first: other.min(point), second: other.max(point) });
    }
    let visible = |&at: &usize| triangles[at].alive && height(&triangles[at]) > 0.0;
    let first = found.filter(visible).or_else(|| (0..triangles.len()).find(visible));
    let Some(first) = first else { return Err(Error::OneSided) };
    // All triangles that p sees are connected, and their outline is the base of the new cone.
    let mut visible = vec![first];
    triangles[first].alive = false;
    let mut outline = Vec::new();
    let mut next = 0;
    while let Some(&at) = visible.get(next) {
        next += 1;
        let triangle = triangles[at];
        for k in 0..3 {
            let other = triangle.across[k];
            if !triangles[other].alive {
                continue;
            }
            if height(&triangles[other]) > 0.0 {
                triangles[other].alive = false;
                visible.push(other);
            } else {
                outline.push((
                    triangle.corners[(k + 1) % 3],
                    triangle.corners[(k + 2) % 3],
                    other,
                    at,
                ));
            }
        }
    }
    let base = triangles.len();
    for (index, &(from, to, outside, inside)) in outline.iter().enumerate() {
        let after = outline.iter().position(|edge| edge.0 == to);
        let before = outline.iter().position(|edge| edge.1 == from);
        let (Some(after), Some(before)) = (after, before) else { return Err(Error::OneSided) };
        triangles.push(Triangle {
            corners: [point, from, to],
            across: [outside, base + after, base + before],
            alive: true,
        });
        for across in &mut triangles[outside].across {
            if *across == inside {
                *across = base + index;
            }
        }
    }
    Ok(base)
}

/// Four points that are not in one plane, outside up.
fn tetrahedron(points: &[Vector]) -> Result<[usize; 4]> {
    let farthest = |measure: &dyn Fn(Vector) -> f64| {
        (0..points.len()).max_by(|&i, &j| measure(points[i]).total_cmp(&measure(points[j])))
    };
    let a = 0;
    let Some(b) = farthest(&|p| dot(minus(p, points[a]), minus(p, points[a]))) else {
        return Err(Error::OneSided);
    };
    let edge = minus(points[b], points[a]);
    let Some(c) = farthest(&|p| {
        let normal = cross(edge, minus(p, points[a]));
        dot(normal, normal)
    }) else {
        return Err(Error::OneSided);
    };
    let Some(d) = farthest(&|p| volume(points[a], points[b], points[c], p).abs()) else {
        return Err(Error::OneSided);
    };
    let height = volume(points[a], points[b], points[c], points[d]);
    if height.abs() < 1e-12 {
        return Err(Error::OneSided);
    }
    // Triangle 1, 2, 3 has to be counterclockwise from outside, away from point 0.
    Ok(if height > 0.0 { [a, b, c, d] } else { [a, c, b, d] })
}

/// The area of a spherical triangle, negative where it is clockwise from outside.
///
/// tan(E/2) = a·(b × c) / (1 + a·b + b·c + c·a) (A. van Oosterom, J. Strackee, 1983).
fn excess(a: Vector, b: Vector, c: Vector) -> f64 {
    2.0 * dot(a, cross(b, c)).atan2(1.0 + dot(a, b) + dot(b, c) + dot(c, a))
}

/// Six times the volume of a tetrahedron; positive where p is outside of a counterclockwise triangle.
fn volume(a: Vector, b: Vector, c: Vector, p: Vector) -> f64 {
    dot(cross(minus(b, a), minus(c, a)), minus(p, a))
}

fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: Vector) -> Vector {
    let length = dot(a, a).sqrt();
    a.map(|x| x / length)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn direction(x: f64, y: f64, z: f64) -> Direction {
        Direction::from_vector([x, y, z]).unwrap()
    }

    #[test]
    fn regular_solids_have_equal_cells() {
        let octahedron: Vec<Direction> = [1.0, -1.0]
            .into_iter()
            .flat_map(|s| [direction(s, 0.0, 0.0), direction(0.0, s, 0.0), direction(0.0, 0.0, s)])
            .collect();
        let cube: Vec<Direction> = (0..8)
            .map(|i| {
                let sign = |bit: i32| if i >> bit & 1 == 0 { 1.0 } else { -1.0 };
                direction(sign(0), sign(1), sign(2))
            })
            .collect();
        for points in [octahedron, cube] {
            for area in areas(&points).unwrap() {
                assert!((area / (4.0 * PI / points.len() as f64) - 1.0).abs() < 1e-14, "{area}");
            }
        }
    }

    #[test]
    fn a_pole_cap_has_the_area_that_is_nearer_to_it() {
        // North, three points on the equator and south: the north cell is bounded by three great
        // circles half way; by symmetry 2 (north) + 3 (equator) cells fill the sphere.
        let mut points = vec![direction(0.0, 0.0, 1.0), direction(0.0, 0.0, -1.0)];
        for k in 0..3 {
            let angle = 2.0 * PI * f64::from(k) / 3.0;
            points.push(direction(angle.cos(), angle.sin(), 0.0));
        }
        let found = areas(&points).unwrap();
        assert!((found.iter().sum::<f64>() - 4.0 * PI).abs() < 1e-13);
        assert!((found[0] - found[1]).abs() < 1e-14 && (found[2] - found[4]).abs() < 1e-14);
        // The cell of a naive count: of 200,000 points of a spiral, those nearest to the north.
        let golden = PI * (3.0 - 5f64.sqrt());
        let count = (0..200_000)
            .filter(|&i| {
                let z = 1.0 - (2.0 * f64::from(i) + 1.0) / 200_000.0;
                let (s, angle) = ((1.0 - z * z).sqrt(), golden * f64::from(i));
                let x = direction(s * angle.cos(), s * angle.sin(), z);
                points[1..].iter().all(|other| other.dot(&x) < points[0].dot(&x))
            })
            .count();
        assert!((found[0] - 4.0 * PI * count as f64 / 200_000.0).abs() < 2e-3, "{}", found[0]);
    }

    #[test]
    fn points_without_cells_are_refused() {
        let ring: Vec<Direction> =
            (0..8).map(|k| direction((f64::from(k)).cos(), (f64::from(k)).sin(), 0.0)).collect();
        assert_eq!(
            areas(&ring).unwrap_err().to_string(),
            "all points are in one half of the sphere or on one circle, and an integral over the \
             whole of it needs points on all sides"
        );
        let cap: Vec<Direction> = (0..20)
            .map(|k| direction(f64::from(k % 5) - 2.0, f64::from(k / 5) - 1.5, 4.0))
            .collect();
        assert!(areas(&cap).is_err());
        let mut twice: Vec<Direction> = (0..12)
            .map(|k| {
                direction(
                    (1.7 * f64::from(k)).sin(),
                    (2.9 * f64::from(k)).cos(),
                    0.2 * f64::from(k) - 1.1,
                )
            })
            .collect();
        twice.push(twice[3]);
        assert_eq!(
            areas(&twice).unwrap_err().to_string(),
            "points 3 and 12 are the same point of the sphere"
        );
    }
}
