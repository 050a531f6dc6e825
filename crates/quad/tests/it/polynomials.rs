//! Exact to the degree that a rule claims, and not beyond.

use std::f64::consts::PI;

use quad::{Direction, Flat, JacobianIncluded, SolidAngle, SphereRule};

use crate::vertex_grid;

/// ∫ xⁱ yʲ zᵏ dΩ = 4π (i−1)!! (j−1)!! (k−1)!! / (i+j+k+1)!! for even i, j, k, else 0.
fn monomial(i: usize, j: usize, k: usize) -> f64 {
    if [i, j, k].iter().any(|power| power % 2 == 1) {
        return 0.0;
    }
    // Odd factors from both sides in turn, so that nothing overflows.
    let mut below = (1..=(i + j + k + 1)).step_by(2).map(|n| n as f64);
    let above = [i, j, k].into_iter().flat_map(|power| (1..power).step_by(2)).map(|n| n as f64);
    let mut value = 4.0 * PI;
    for factor in above {
        value *= factor / below.next().unwrap_or(1.0);
    }
    below.fold(value, |value, factor| value / factor)
}

fn power(x: &Direction, i: usize, j: usize, k: usize) -> f64 {
    let power = |base: f64, exponent| std::iter::repeat_n(base, exponent).product::<f64>();
    power(x.x(), i) * power(x.y(), j) * power(x.z(), k)
}

#[test]
fn monomial_integrals_are_the_known_ones() {
    // The octant's symmetry gives 4π/3 for x², and 4π/15 for x² y² and 4π/5 for x⁴.
    for (powers, expected) in
        [((2, 0, 0), 4.0 * PI / 3.0), ((2, 2, 0), 4.0 * PI / 15.0), ((0, 0, 4), 4.0 * PI / 5.0)]
    {
        let (i, j, k) = powers;
        assert!((monomial(i, j, k) - expected).abs() < 1e-15, "{powers:?}");
    }
}

#[test]
fn every_monomial_to_the_degree_is_exact() {
    for degree in [0, 1, 2, 3, 4, 7, 12, 17] {
        let rules = [
            SphereRule::of_degree(SolidAngle, degree).unwrap(),
            vertex_grid(SolidAngle, degree.max(1) + 1, degree.max(2) + 2),
        ];
        for rule in rules {
            assert!(rule.degree() >= degree, "{} {degree}", rule.degree());
            let layout = rule.layout();
            let limit = 4.0 * PI * f64::EPSILON * (8 + layout.rings + layout.columns) as f64;
            for i in 0..=degree {
                for j in 0..=degree - i {
                    for k in 0..=degree - i - j {
                        let found = rule.integrate(|x| power(x, i, j, k)).unwrap().value;
                        let error = (found - monomial(i, j, k)).abs();
                        assert!(error <= limit, "x^{i} y^{j} z^{k}: {error:e}, {layout}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_degree_more_is_not_exact() {
    for degree in 0..24 {
        let rule = SphereRule::of_degree(SolidAngle, degree).unwrap();
        assert_eq!(rule.degree(), degree);
        // The columns miss Re (x + iy)^N with N = degree + 1 = their number: it looks constant.
        let n = degree + 1;
        let harmonic = |x: &Direction| x.sin_theta().powf(n as f64) * (n as f64 * x.phi()).cos();
        let found = rule.integrate(harmonic).unwrap().value;
        assert!(found > 0.5, "degree {n}: {found:e}");
        assert_eq!(rule.len(), (degree / 2 + 1) * (degree + 1));
    }
}

#[test]
fn the_other_measures_are_exact_to_their_degree_too() {
    for degree in [1, 2, 5, 8, 13] {
        let inside = SphereRule::of_degree(JacobianIncluded, degree).unwrap();
        let flat = SphereRule::of_degree(Flat, degree).unwrap();
        for k in 0..=degree {
            let found = inside.integrate(|x| power(x, 0, 0, k) * x.sin_theta()).unwrap().value;
            assert!((found - monomial(0, 0, k)).abs() < 1e-14, "z^{k}: {found}");
            // ∫ cosᵏ θ dθ dφ = 2π² (k−1)!!/k!! for even k.
            let expected = if k % 2 == 1 {
                0.0
            } else {
                2.0 * PI
                    * PI
                    * (1..=k / 2).map(|j| (2 * j - 1) as f64 / (2 * j) as f64).product::<f64>()
            };
            let found = flat.integrate(|x| power(x, 0, 0, k)).unwrap().value;
            assert!((found - expected).abs() < 4e-14, "flat z^{k}: {found}");
        }
    }
}
