//! Lebedev's rules: points in orbits of the octahedral group, with one weight per orbit.
//!
//! V. I. Lebedev and D. N. Laikov, "A quadrature formula for the sphere of the 131st algebraic order
//! of accuracy", Doklady Mathematics 59 (1999) 477-481, and the papers cited there. `data/lebedev.txt`
//! has a weight and at most two angles for each of the 1287 orbits of the 32 published rules; the
//! tests below find every one of them again by Newton's method in twofold precision.

use std::f64::consts::FRAC_1_SQRT_2;

/// A line per orbit: the rule's degree, the orbit's kind, its weight (a share of 1), its angles.
const TABLE: &str = include_str!("../data/lebedev.txt");

/// The degrees for which there is a rule, and its number of points.
pub(crate) const SIZES: [(usize, usize); 32] = [
    (3, 6),
    (5, 14),
    (7, 26),
    (9, 38),
    (11, 50),
    (13, 74),
    (15, 86),
    (17, 110),
    (19, 146),
    (21, 170),
    (23, 194),
    (25, 230),
    (27, 266),
    (29, 302),
    (31, 350),
    (35, 434),
    (41, 590),
    (47, 770),
    (53, 974),
    (59, 1202),
    (65, 1454),
    (71, 1730),
    (77, 2030),
    (83, 2354),
    (89, 2702),
    (95, 3074),
    (101, 3470),
    (107, 3890),
    (113, 4334),
    (119, 4802),
    (125, 5294),
    (131, 5810),
];

/// The degrees whose rules have negative weights.
pub(crate) const NEGATIVE: [usize; 3] = [13, 25, 27];

/// An orbit of the octahedral group, and its share of the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Orbit {
    kind: Kind,
    share: f64,
}

/// What the points of an orbit look like, up to signs and order of their coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// (0, 0, 1): 6 points.
    Vertex,
    /// (0, 1, 1)/√2: 12 points.
    Edge,
    /// (1, 1, 1)/√3: 8 points.
    Face,
    /// (l, l, cos θ) with l = sin θ/√2: 24 points.
    Diagonal(f64),
    /// (0, sin θ, cos θ): 24 points.
    Side(f64),
    /// (sin θ sin φ, sin θ cos φ, cos θ): 48 points.
    General(f64, f64),
}

impl Kind {
    /// One of its points.
    fn point(self) -> [f64; 3] {
        match self {
            Self::Vertex => [0.0, 0.0, 1.0],
            Self::Edge => [0.0, FRAC_1_SQRT_2, FRAC_1_SQRT_2],
            Self::Face => [1.0 / 3f64.sqrt(); 3],
            Self::Diagonal(theta) => {
                let (sine, cosine) = theta.sin_cos();
                [sine * FRAC_1_SQRT_2, sine * FRAC_1_SQRT_2, cosine]
            }
            Self::Side(theta) => {
                let (sine, cosine) = theta.sin_cos();
                [0.0, sine, cosine]
            }
            Self::General(theta, phi) => {
                let (sine, cosine) = theta.sin_cos();
                [sine * phi.sin(), sine * phi.cos(), cosine]
            }
        }
    }

    /// All of its points: signs of the coordinates that are not zero, and the distinct orders.
    fn points(self) -> Vec<[f64; 3]> {
        let [a, b, c] = self.point();
        let orders: &[[f64; 3]] = match self {
            Self::Vertex => &[[a, b, c], [a, c, b], [c, a, b]],
            Self::Edge => &[[a, b, c], [b, a, c], [b, c, a]],
            Self::Face => &[[a, b, c]],
            Self::Diagonal(_) => &[[a, b, c], [a, c, b], [c, a, b]],
            Self::Side(_) | Self::General(..) => {
                &[[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
            }
        };
        let mut points = Vec::with_capacity(48);
        for point in orders {
            for signs in 0..8usize {
                let negative = |axis: usize| signs >> axis & 1 == 1;
                // A zero has one sign only.
                if (0..3).all(|axis| !negative(axis) || point[axis] > 0.0) {
                    points.push(std::array::from_fn(|axis| {
                        if negative(axis) { -point[axis] } else { point[axis] }
                    }));
                }
            }
        }
        points
    }
}

/// The points and weights (which sum to 1) of the rule of this degree; empty where there is none.
pub(crate) fn rule(degree: usize) -> (Vec<[f64; 3]>, Vec<f64>) {
    let (mut points, mut shares) = (Vec::new(), Vec::new());
    for Orbit { kind, share } in orbits(degree) {
        let orbit = kind.points();
        shares.resize(shares.len() + orbit.len(), share);
        points.extend(orbit);
    }
    (points, shares)
}

fn orbits(degree: usize) -> impl Iterator<Item = Orbit> {
    TABLE.lines().filter_map(move |line| {
        let mut fields = line.split(' ');
        if fields.next()?.parse() != Ok(degree) {
            return None;
        }
        let name = fields.next()?;
        let mut number = || fields.next()?.parse::<f64>().ok();
        let share = number()?;
        let kind = match name {
            "vertex" => Kind::Vertex,
            "edge" => Kind::Edge,
            "face" => Kind::Face,
            "diagonal" => Kind::Diagonal(number()?),
            "side" => Kind::Side(number()?),
            "general" => Kind::General(number()?, number()?),
            _ => return None,
        };
        Some(Orbit { kind, share })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twofold::Twofold;
    use linalg::{DMatrix, Qr};

    fn exact(x: f64) -> Twofold {
        Twofold { high: x, low: 0.0 }
    }

    fn divide(a: Twofold, b: Twofold) -> Twofold {
        let first = a.high / b.high;
        let rest = a - b * first;
        exact(first) + exact(rest.high / b.high)
    }

    fn root(a: Twofold) -> Twofold {
        let first = a.high.sqrt();
        let rest = a - Twofold::product(first, first);
        exact(first) + exact(0.5 * rest.high / first)
    }

    type Point = [Twofold; 3];

    /// An orbit whose numbers are refined.
    struct Refined {
        kind: Kind,
        share: Twofold,
        point: Point,
    }

    fn normalized(point: Point) -> Point {
        let length = root(point[0] * point[0] + point[1] * point[1] + point[2] * point[2]);
        point.map(|x| divide(x, length))
    }

    /// The directions in which the orbit's point may move and keep its kind.
    fn tangents(kind: Kind, point: Point) -> Vec<[f64; 3]> {
        let [x, y, z] = point.map(|x| x.high);
        let unit = |[a, b, c]: [f64; 3]| {
            let length = a.hypot(b).hypot(c);
            [a / length, b / length, c / length]
        };
        let southward = unit([x * z, y * z, -(x * x + y * y)]);
        match kind {
            Kind::Vertex | Kind::Edge | Kind::Face => vec![],
            Kind::Diagonal(_) | Kind::Side(_) => vec![southward],
            Kind::General(..) => vec![southward, unit([-y, x, 0.0])],
        }
    }

    /// The mean over the orbit of `Y_l^m` for even l and m = 0, 4, 8, ..., times a constant of order
    /// one: all that a function with the group's symmetry can contain, and more.
    ///
    /// The mean over signs and the exchange of the first two coordinates leaves `P̄_l^m(z) cos mφ`;
    /// what remains are the three choices of the coordinate that comes last.
    struct Harmonics {
        degree: usize,
        /// `coefficients[m/4][l - m]`: (a, b) of `P̄_l = a (z P̄_{l−1} − b P̄_{l−2})`.
        coefficients: Vec<Vec<(Twofold, Twofold)>>,
        /// `P̄_m^m` over `sin^m θ`.
        seeds: Vec<Twofold>,
    }

    impl Harmonics {
        fn new(degree: usize) -> Self {
            let real = |n: usize| exact(crate::rings::real(n));
            let ratio = |l: usize, m: usize| {
                let (l2, m2) = (4 * l * l - 1, l * l - m * m);
                root(divide(real(l2), real(m2)))
            };
            let mut seeds = Vec::new();
            let mut coefficients = Vec::new();
            let mut seed = exact(1.0);
            for m in (0..=degree).step_by(4) {
                seeds.push(seed);
                coefficients.push(
                    (m..=degree)
                        .map(|l| {
                            if l == m {
                                (Twofold::ZERO, Twofold::ZERO)
                            } else if l == m + 1 {
                                (ratio(l, m), Twofold::ZERO)
                            } else {
                                (ratio(l, m), divide(Twofold::ONE, ratio(l - 1, m)))
                            }
                        })
                        .collect(),
                );
                for k in m + 1..=m + 4 {
                    seed = seed * root(divide(real(2 * k + 1), real(2 * k)));
                }
            }
            Self { degree, coefficients, seeds }
        }

        fn len(&self) -> usize {
            (0..=self.degree).step_by(4).map(|m| (self.degree - m) / 2 + 1).sum()
        }

        fn of(&self, point: Point) -> Vec<Twofold> {
            let third = divide(Twofold::ONE, exact(3.0));
            let mut values = vec![Twofold::ZERO; self.len()];
            for last in 0..3 {
                let (x, y, z) = (point[(last + 1) % 3], point[(last + 2) % 3], point[last]);
                // (x + iy)⁴, whose powers are sin^m θ (cos mφ + i sin mφ).
                let (re2, im2) = (x * x - y * y, x * y * 2.0);
                let (re4, im4) = (re2 * re2 - im2 * im2, re2 * im2 * 2.0);
                let (mut re, mut im) = (Twofold::ONE, Twofold::ZERO);
                let mut index = 0;
                for (seed, coefficients) in self.seeds.iter().zip(&self.coefficients) {
                    let mut before = Twofold::ZERO;
                    let mut here = *seed * re * third;
                    for (step, (a, b)) in coefficients.iter().enumerate() {
                        if step > 0 {
                            (before, here) = (here, *a * (z * here - *b * before));
                        }
                        if step % 2 == 0 {
                            values[index] = values[index] + here;
                            index += 1;
                        }
                    }
                    (re, im) = (re * re4 - im * im4, re * im4 + im * re4);
                }
            }
            values
        }
    }

    fn size(kind: Kind) -> f64 {
        crate::rings::real(kind.points().len())
    }

    fn refined(degree: usize) -> Vec<Refined> {
        orbits(degree)
            .map(|Orbit { kind, share }| {
                let point = match kind {
                    Kind::Edge => normalized([exact(0.0), exact(1.0), exact(1.0)]),
                    Kind::Face => normalized([exact(1.0); 3]),
                    Kind::Diagonal(_) => {
                        let [x, _, z] = kind.point();
                        normalized([exact(x), exact(x), exact(z)])
                    }
                    _ => normalized(kind.point().map(exact)),
                };
                Refined { kind, share: exact(share), point }
            })
            .collect()
    }

    /// One step of Newton's method: the largest change of a coordinate, and of a weight times the
    /// number of points.
    fn step(harmonics: &Harmonics, orbits: &mut [Refined]) -> (f64, f64) {
        let rows = harmonics.len();
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut residual = vec![Twofold::ZERO; rows];
        residual[0] = exact(-1.0);
        for orbit in orbits.iter() {
            let total = orbit.share * size(orbit.kind);
            let values = harmonics.of(orbit.point);
            for (sum, value) in residual.iter_mut().zip(&values) {
                *sum = *sum + *value * total;
            }
            // Unknown: the share of the whole orbit, and how far its point moves.
            columns.push(values.iter().map(|value| value.high).collect());
            for tangent in tangents(orbit.kind, orbit.point) {
                let h = 1e-9;
                let moved = |h: f64| {
                    let shift =
                        |axis: usize| orbit.point[axis] + Twofold::product(h, tangent[axis]);
                    harmonics.of(normalized([shift(0), shift(1), shift(2)]))
                };
                let (ahead, behind) = (moved(h), moved(-h));
                let slope = |(a, b): (&Twofold, &Twofold)| (*a - *b).high / (2.0 * h) * total.high;
                columns.push(ahead.iter().zip(&behind).map(slope).collect());
            }
        }
        // Columns of one length, or weights and positions make it look singular.
        let lengths: Vec<f64> =
            columns.iter().map(|column| column.iter().map(|x| x * x).sum::<f64>().sqrt()).collect();
        let jacobian = DMatrix::from_fn(rows, columns.len(), |i, j| columns[j][i] / lengths[j]);
        // By hand: from degree 113 on its condition is 10¹⁴, which `least_squares` rightly refuses,
        // and which still gains two digits a step against residuals of twice the precision.
        let mut right = DMatrix::from_fn(rows, 1, |i, _| -residual[i].high);
        let qr = Qr::new(jacobian).unwrap();
        qr.apply_q_adjoint(&mut right).unwrap();
        let r = qr.r();
        let mut solution = vec![0.0; lengths.len()];
        for i in (0..solution.len()).rev() {
            let known: f64 = (i + 1..solution.len()).map(|j| r[(i, j)] * solution[j]).sum();
            solution[i] = (right[i] - known) / r[(i, i)];
        }
        let (mut moved, mut weighed) = (0.0f64, 0.0f64);
        let mut next = solution.iter().zip(&lengths).map(|(x, length)| x / length);
        for orbit in orbits {
            let change = next.next().unwrap();
            weighed = weighed.max(change.abs());
            orbit.share = orbit.share + exact(change / size(orbit.kind));
            let mut point = orbit.point;
            for tangent in tangents(orbit.kind, orbit.point) {
                let change = next.next().unwrap();
                moved = moved.max(change.abs());
                for axis in 0..3 {
                    point[axis] = point[axis] + Twofold::product(change, tangent[axis]);
                }
            }
            orbit.point = normalized(point);
        }
        (moved, weighed)
    }

    #[test]
    fn newtons_method_in_twofold_precision_finds_every_number_of_the_table_again() {
        for (degree, points) in SIZES {
            let harmonics = Harmonics::new(degree);
            let mut orbits = refined(degree);
            let total: f64 = orbits.iter().map(|orbit| size(orbit.kind)).sum();
            assert!((total - crate::rings::real(points)).abs() < 0.5, "{degree}");
            // The table is rounded to doubles: angles up to 1 to 2⁻⁵³, then sine and cosine.
            let (moved, weighed) = step(&harmonics, &mut orbits);
            assert!(moved <= 2.0 * f64::EPSILON, "{degree}: {moved:e}");
            assert!(weighed <= 2.0 * f64::EPSILON, "{degree}: {weighed:e}");
            // From there on each step gains digits beyond a double's, down to 10⁻²⁵ where the
            // equations are well conditioned.
            step(&harmonics, &mut orbits);
            let (moved, weighed) = step(&harmonics, &mut orbits);
            let limit = if degree <= 77 { 1e-24 } else { 0.1 * f64::EPSILON };
            assert!(moved <= limit && weighed <= limit, "{degree}: {moved:e} {weighed:e}");
        }
    }
}
