//! Rotations of the sphere.

use crate::{Direction, Error, Result};

/// A rotation: a proper orthogonal 3 × 3 matrix.
///
/// # Examples
/// ```
/// use quad::{Direction, Rotation};
/// let north = Direction::from_angles(0.0, 0.0)?;
/// let target = Direction::from_angles(1.0, 2.0)?;
/// let moved = Rotation::between(&north, &target).apply(&north);
/// assert!((moved.dot(&target) - 1.0).abs() < 1e-15);
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation {
    rows: [[f64; 3]; 3],
}

impl Rotation {
    /// The rotation by `angle` radians about `axis`, counterclockwise as seen from its tip
    /// (Rodrigues' formula).
    ///
    /// # Errors
    /// [`Error::AngleNotFinite`].
    pub fn about(axis: &Direction, angle: f64) -> Result<Self> {
        if !angle.is_finite() {
            return Err(Error::AngleNotFinite { axis: "rotation", index: 0, value: angle });
        }
        let (sine, cosine) = angle.sin_cos();
        // 1 − cos, without cancellation.
        let versed = 2.0 * (0.5 * angle).sin().powi(2);
        Ok(Self::rodrigues(axis.vector(), sine, cosine, versed))
    }

    /// The shortest rotation that takes `from` to `to`; about any axis where they are opposite.
    #[must_use]
    pub fn between(from: &Direction, to: &Direction) -> Self {
        let (a, b) = (from.vector(), to.vector());
        let cosine = from.dot(to);
        if cosine < -0.5 {
            // Half a turn first: near the opposite direction the axis below would lose its digits.
            let half = Self::rodrigues(across(a), 0.0, -1.0, 2.0);
            return Self::between(&Direction::from_nonzero(a.map(|x| -x)), to).after(&half);
        }
        let [x, y, z] = cross(a, b);
        // Rodrigues' formula with the axis times its sine; 1/(1 + cos) is (1 − cos)/sin².
        let factor = 1.0 / (1.0 + cosine);
        Self {
            rows: [
                [cosine + x * x * factor, x * y * factor - z, x * z * factor + y],
                [y * x * factor + z, cosine + y * y * factor, y * z * factor - x],
                [z * x * factor - y, z * y * factor + x, cosine + z * z * factor],
            ],
        }
    }

    /// A fixed rotation that maps no symmetry axis of a regular body near another one: number
    /// `index` of a sequence.
    pub(crate) fn generic(index: usize) -> Self {
        // Two turns by angles without small rational relation to π.
        let turn = 0.7 + 1.3 * crate::rings::real(index);
        let (s, c) = turn.sin_cos();
        let first = Self::rodrigues([0.0, 0.0, 1.0], s, c, 1.0 - c);
        let (s, c) = (0.4 + 0.9 * turn).sin_cos();
        let second = Self::rodrigues([0.36, 0.48, 0.8], s, c, 1.0 - c);
        second.after(&first)
    }

    fn rodrigues([x, y, z]: [f64; 3], sine: f64, cosine: f64, versed: f64) -> Self {
        let entry = |a: f64, b: f64| a * b * versed;
        Self {
            rows: [
                [cosine + entry(x, x), entry(x, y) - z * sine, entry(x, z) + y * sine],
                [entry(y, x) + z * sine, cosine + entry(y, y), entry(y, z) - x * sine],
                [entry(z, x) - y * sine, entry(z, y) + x * sine, cosine + entry(z, z)],
            ],
        }
    }

    /// This rotation after `first`.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        let column = |j: usize| self.turn([first.rows[0][j], first.rows[1][j], first.rows[2][j]]);
        let [a, b, c] = [column(0), column(1), column(2)];
        Self { rows: [[a[0], b[0], c[0]], [a[1], b[1], c[1]], [a[2], b[2], c[2]]] }
    }

    /// The rotation back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let column = |j: usize| [self.rows[0][j], self.rows[1][j], self.rows[2][j]];
        Self { rows: [column(0), column(1), column(2)] }
    }

    /// The rotated direction.
    #[must_use]
    pub fn apply(&self, direction: &Direction) -> Direction {
        Direction::from_nonzero(self.turn(direction.vector()))
    }

    pub(crate) fn turn(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        self.rows.map(|[a, b, c]| a * x + b * y + c * z)
    }
}

/// a × b.
pub(crate) fn cross([a, b, c]: [f64; 3], [x, y, z]: [f64; 3]) -> [f64; 3] {
    [b * z - c * y, c * x - a * z, a * y - b * x]
}

/// A unit vector at right angles to `a`.
pub(crate) fn across(a: [f64; 3]) -> [f64; 3] {
    let [x, y, z] = a.map(f64::abs);
    let other = if x <= y && x <= z {
        [1.0, 0.0, 0.0]
    } else if y <= z {
        [0.0, 1.0, 0.0]
    } else {
        [0.0, 0.0, 1.0]
    };
    let [x, y, z] = cross(a, other);
    let length = x.hypot(y).hypot(z);
    [x / length, y / length, z / length]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rotation_keeps_angles_and_its_inverse_undoes_it(
            angles in proptest::array::uniform6(-3.0..3.0f64),
            turn in -10.0..10.0f64,
        ) {
            let [a, b, c, d, e, f] = angles;
            let [axis, p, q] =
                [(a, b), (c, d), (e, f)].map(|(s, t)| Direction::from_angles(s.abs(), t).unwrap());
            let rotation = Rotation::about(&axis, turn).unwrap();
            let (rp, rq) = (rotation.apply(&p), rotation.apply(&q));
            prop_assert!((rp.dot(&rq) - p.dot(&q)).abs() < 2e-15);
            prop_assert!((rotation.apply(&axis).dot(&axis) - 1.0).abs() < 1e-15);
            prop_assert!((rotation.inverse().apply(&rp).dot(&p) - 1.0).abs() < 2e-15);
            let moved = Rotation::between(&p, &q).apply(&p);
            for (i, j) in moved.vector().into_iter().zip(q.vector()) {
                prop_assert!((i - j).abs() < 4e-15, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_quarter_turn_about_the_pole_is_counterclockwise() {
        let north = Direction::from_vector([0.0, 0.0, 1.0]).unwrap();
        let x = Direction::from_vector([1.0, 0.0, 0.0]).unwrap();
        let turned = Rotation::about(&north, std::f64::consts::FRAC_PI_2).unwrap().apply(&x);
        assert!((turned.y() - 1.0).abs() < 1e-15, "{turned:?}");
    }

    #[test]
    fn opposite_and_nearly_equal_directions_have_a_rotation_between() {
        let p = Direction::from_vector([0.3, -0.5, 0.8]).unwrap();
        let back = Direction::from_vector(p.vector().map(|c| -c)).unwrap();
        assert!((Rotation::between(&p, &back).apply(&p).dot(&back) - 1.0).abs() < 1e-15);
        let near = Direction::from_vector([0.3, -0.5 + 1e-10, 0.8]).unwrap();
        let moved = Rotation::between(&p, &near).apply(&p);
        for (i, j) in moved.vector().into_iter().zip(near.vector()) {
            assert!((i - j).abs() < 1e-15, "{i} {j}");
        }
        assert!((Rotation::between(&p, &p).apply(&p).dot(&p) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn an_infinite_angle_is_refused() {
        let north = Direction::from_vector([0.0, 0.0, 1.0]).unwrap();
        assert_eq!(
            Rotation::about(&north, f64::INFINITY).unwrap_err().to_string(),
            "rotation[0] is inf, and every angle must be finite"
        );
    }
}
