//! The grid one already has.

use std::f64::consts::PI;

use linalg::DMatrix;
use proptest::prelude::*;
use quad::{
    Azimuths, Colatitudes, Direction, Flat, JacobianIncluded, Measure, RingKind, Seam, SolidAngle,
    SphereRule,
};

use crate::{ZONAL, Zonal, axes, linspace, vertex_grid};

/// The trapezoidal rule on the same samples, with sin θ put in by hand.
fn trapezoid(g: fn(f64) -> f64, u: &Direction, rings: usize, columns: usize) -> f64 {
    let rule = vertex_grid(Flat, rings, columns);
    rule.directions().zip(rule.weights()).map(|(x, w)| w * g(u.dot(&x)) * x.theta().sin()).sum()
}

#[test]
fn the_question_grid_is_seen_for_what_it_is() {
    let layout = vertex_grid(SolidAngle, 200, 400).layout();
    assert_eq!((layout.rings, layout.columns), (200, 400));
    assert_eq!((layout.kind, layout.seam), (RingKind::Vertices, Seam::Repeated));
    assert_eq!(
        layout.to_string(),
        "200 rings (equal steps from pole to pole) x 400 columns (last column repeats the first), \
         79004 distinct points"
    );
}

#[test]
fn resolved_functions_are_exact_to_rounding_in_any_orientation() {
    let rule = vertex_grid(SolidAngle, 200, 400);
    for Zonal { name, g, integral, magnitude, .. } in ZONAL.iter().filter(|zonal| zonal.resolved) {
        for u in axes() {
            let found = rule.integrate(|x| g(u.dot(x))).unwrap();
            let error = (found.value - integral).abs() / magnitude;
            // Recursive summation of 200 and of 400 terms.
            assert!(error <= 600.0 * f64::EPSILON, "{name}: {error:e}");
            assert!(found.error_estimate >= (found.value - integral).abs(), "{name}");
            assert!(found.error_estimate <= 1e-8 * magnitude, "{name}: {}", found.error_estimate);
        }
    }
}

#[test]
fn the_trapezoid_loses_ten_digits_on_the_same_samples() {
    // Its relative error on a constant is (h/2) cot(h/2) − 1, h = π/199, whatever the columns are.
    let north = Direction::from_vector([0.0, 0.0, 1.0]).unwrap();
    let half_step = PI / 398.0;
    let found = trapezoid(|_| 1.0, &north, 200, 400) / (4.0 * PI) - 1.0;
    assert!((found - (half_step / half_step.tan() - 1.0)).abs() < 1e-13, "{found:e}");
    // In general it misses (h²/12) 2π times p at the poles, and terms in h⁴.
    for name in ["exp t", "exp 10t", "1/(1.1-t)", "t^20"] {
        let Zonal { g, integral, .. } = ZONAL.iter().find(|zonal| zonal.name == name).unwrap();
        for u in axes() {
            let missed = (2.0 * half_step).powi(2) / 12.0 * 2.0 * PI * (g(u.z()) + g(-u.z()));
            let found = integral - trapezoid(*g, &u, 200, 400);
            assert!((found - missed).abs() < 0.05 * missed + 1e-8 * integral, "{name}: {found:e}");
        }
    }
}

#[test]
fn a_jump_and_a_kink_stay_hard_and_the_estimate_says_so() {
    let rule = vertex_grid(SolidAngle, 200, 400);
    for (name, least, most) in [("|t|", 1e-7, 1e-4), ("cap of 0.7", 1e-5, 1e-2)] {
        let zonal = ZONAL.iter().find(|zonal| zonal.name == name).unwrap();
        for u in axes() {
            let found = rule.integrate(|x| (zonal.g)(u.dot(x))).unwrap();
            let error = (found.value - zonal.integral).abs();
            assert!(error < most * zonal.integral, "{name}: {error:e}");
            assert!(found.error_estimate > error, "{name}: {error:e} {}", found.error_estimate);
            assert!(found.error_estimate > least * zonal.integral, "{name}");
        }
    }
}

#[test]
fn the_estimate_is_seldom_low() {
    // Every function, orientation, size and kind of rings with an error above rounding.
    let (mut cases, mut low, mut ten_times_low) = (0, 0, 0);
    for Zonal { g, integral, magnitude, .. } in &ZONAL {
        for n in [16, 23, 32, 45, 64, 91, 128] {
            let columns = Azimuths::from_radians(&linspace(0.0, 2.0 * PI, 2 * n)).unwrap();
            let half = 0.5 * PI / n as f64;
            for theta in [linspace(0.0, PI, n), linspace(half, PI - half, n)] {
                let rings = Colatitudes::from_radians(&theta).unwrap();
                let rule = SphereRule::on_grid(SolidAngle, &rings, &columns).unwrap();
                for u in axes() {
                    let found = rule.integrate(|x| g(u.dot(x))).unwrap();
                    let error = (found.value - integral).abs();
                    if error > 1e-13 * magnitude {
                        cases += 1;
                        low += usize::from(error > found.error_estimate);
                        ten_times_low += usize::from(error > 10.0 * found.error_estimate);
                    }
                }
            }
        }
    }
    assert!(cases > 200, "{cases}");
    assert!(low * 33 <= cases, "{low} of {cases} estimates are low");
    assert_eq!(ten_times_low, 0, "of {cases}");
}

#[test]
fn value_and_estimate_scale_with_the_samples() {
    // A power of two rounds nothing in a sum; an estimate takes logarithms, up to 100 with a few roundings of them,
    // ten times as far as they were fitted.
    fn hold<M: Measure>(rule: &SphereRule<M>, g: fn(f64) -> f64, u: &Direction, name: &str) {
        let scale = 0.5f64.powi(40);
        let one = rule.integrate(|x| g(u.dot(x))).unwrap();
        let scaled = rule.integrate(|x| scale * g(u.dot(x))).unwrap();
        assert_eq!((scale * one.value).to_bits(), scaled.value.to_bits(), "{name}");
        let expected = scale * one.error_estimate;
        let change = (scaled.error_estimate - expected).abs();
        assert!(change <= 4000.0 * f64::EPSILON * expected, "{name}: {:e}", change / expected);
    }
    for Zonal { name, g, .. } in &ZONAL {
        for kind in [RingKind::Vertices, RingKind::Cells, RingKind::Gauss] {
            for n in [16, 45] {
                let solid = SphereRule::product(SolidAngle, kind, n, 2 * n).unwrap();
                let flat = SphereRule::product(Flat, kind, n, 2 * n).unwrap();
                for u in axes() {
                    hold(&solid, *g, &u, name);
                    hold(&flat, *g, &u, name);
                }
            }
        }
    }
}

#[test]
fn what_is_zero_at_every_sample_is_in_no_estimate() {
    // sin³²θ (1 − cos 32φ) is a polynomial, up to 2, and zero on 32 columns: whatever is made of the samples
    // is the same for 1 with it and without. ∫ sin³²θ dΩ = 4π 32!!/33!!.
    let rule = SphereRule::product(SolidAngle, RingKind::Cells, 40, 32).unwrap();
    let hidden = |x: &Direction| x.sin_theta().powi(32) * (1.0 - (32.0 * x.phi()).cos());
    let found = rule.integrate(|x| 1.0 + hidden(x)).unwrap();
    let missed = (1..=16).map(|k| f64::from(2 * k) / f64::from(2 * k + 1)).product::<f64>();
    assert!((found.value / (4.0 * PI) - 1.0).abs() < 72.0 * f64::EPSILON);
    assert!(missed > 0.2 && found.error_estimate < 1e-12, "{}", found.error_estimate);
    // Four columns more see it.
    let rule = SphereRule::product(SolidAngle, RingKind::Cells, 40, 36).unwrap();
    let found = rule.integrate(|x| 1.0 + hidden(x)).unwrap();
    assert!((found.value / (4.0 * PI) - 1.0 - missed).abs() < 1e-12, "{}", found.value);
}

#[test]
fn a_repeated_column_counts_once() {
    let p = |x: &Direction| (2.0 * x.x() + x.y() * x.z()).exp();
    let repeated = vertex_grid(SolidAngle, 50, 101).integrate(p).unwrap();
    let rings = Colatitudes::from_radians(&linspace(0.0, PI, 50)).unwrap();
    let columns = Azimuths::from_radians(&linspace(0.0, 2.0 * PI, 101)[..100]).unwrap();
    let open = SphereRule::on_grid(SolidAngle, &rings, &columns).unwrap().integrate(p).unwrap();
    assert!((repeated.value / open.value - 1.0).abs() < 1e-14);
    assert_eq!(repeated.samples, open.samples + 50);
    assert_eq!(repeated.layout.distinct(), open.layout.distinct());
}

#[test]
fn a_jacobian_inside_the_samples_gives_the_same_total() {
    let p = |x: &Direction| (2.0 * x.x() + x.y() * x.z()).exp();
    for rings in [50, 51] {
        let plain = vertex_grid(SolidAngle, rings, 101).integrate(p).unwrap();
        let inside =
            vertex_grid(JacobianIncluded, rings, 101).integrate(|x| p(x) * x.sin_theta()).unwrap();
        assert!((inside.value / plain.value - 1.0).abs() < 1e-14, "{rings}");
        let free = SphereRule::of_degree(JacobianIncluded, 49).unwrap();
        let free = free.integrate(|x| p(x) * x.sin_theta()).unwrap();
        assert!((free.value / plain.value - 1.0).abs() < 1e-14, "{rings}");
    }
}

#[test]
fn without_a_jacobian_equal_weights_are_exact_where_p_is_smooth_on_the_sphere() {
    // ∫∫ exp(10 (cos θ − 1)) dθ dφ = 2π² e⁻¹⁰ I0(10); digits from mpmath 1.4.
    let grid = vertex_grid(Flat, 200, 400);
    let found = grid.integrate(|x| (10.0 * (x.z() - 1.0)).exp()).unwrap();
    assert!((found.value / 2.5233289341482296991 - 1.0).abs() < 600.0 * f64::EPSILON);
    let free = SphereRule::of_degree(Flat, 40).unwrap();
    let found = free.integrate(|x| (10.0 * (x.z() - 1.0)).exp()).unwrap();
    assert_eq!(found.samples, 21 * 41);
    assert!((found.value / 2.5233289341482296991 - 1.0).abs() < 1e-14);
    // exp(sin θ) has a cusp at each pole, and the estimate says so.
    // π (I0(1) + L0(1)) by mpmath 1.4; the trapezoid's first correction is (h²/12) (g'(π) − g'(0)).
    let exact = 2.0 * PI * 6.2087580357111101964;
    let p = |x: &Direction| x.sin_theta().exp() * (1.0 + 0.3 * (2.0 * x.phi()).cos());
    let trapezoid: f64 = grid.directions().zip(grid.weights()).map(|(x, w)| w * p(&x)).sum();
    let relative = trapezoid / exact - 1.0;
    let first_correction = (PI / 199.0).powi(2) / 12.0 * -2.0 * 2.0 * PI / exact;
    assert!((relative / first_correction - 1.0).abs() < 1e-3, "{relative:e}");
    let found = grid.integrate(p).unwrap();
    assert!((found.value / exact - 1.0).abs() < 600.0 * f64::EPSILON);
    assert!(found.error_estimate > (found.value - exact).abs());
}

#[test]
fn snapshots_are_integrated_one_by_one() {
    let rule = vertex_grid(SolidAngle, 20, 41);
    let directions: Vec<Direction> = rule.directions().collect();
    let snapshots =
        DMatrix::from_fn(rule.len(), 3, |i, t| (1.0 + t as f64 * directions[i].z()).powi(2));
    let integrals = rule.integrate_snapshots(&snapshots).unwrap();
    // ∫ (1 + t z)² dΩ = 4π (1 + t²/3).
    for (t, integral) in integrals.iter().enumerate() {
        let exact = 4.0 * PI * (1.0 + (t * t) as f64 / 3.0);
        assert!((integral.value / exact - 1.0).abs() < 1e-14, "{t}");
        let column: Vec<f64> = snapshots.column(t).iter().copied().collect();
        assert_eq!(*integral, rule.integrate_samples(&column).unwrap());
    }
    let total: f64 = rule.weights().sum();
    assert!((total - 4.0 * PI).abs() < 1e-13);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_integral_does_not_depend_on_where_the_poles_are(
        theta in 0.0..PI,
        phi in -PI..PI,
        first in -PI..PI,
    ) {
        let u = Direction::from_angles(theta, phi).unwrap();
        let rings = Colatitudes::from_radians(&linspace(0.0, PI, 45)).unwrap();
        let columns = Azimuths::from_radians(&linspace(first, first + 2.0 * PI, 90)).unwrap();
        let rule = SphereRule::on_grid(SolidAngle, &rings, &columns).unwrap();
        let found = rule.integrate(|x| (5.0 * u.dot(x)).exp()).unwrap();
        let exact = 4.0 * PI * 5f64.sinh() / 5.0;
        prop_assert!((found.value / exact - 1.0).abs() < 135.0 * f64::EPSILON);
    }
}
