//! The grid of the question, re-weighted: the rows of two tables of integrands, by measure.

use std::f64::consts::PI;

use quad::{Direction, Flat, JacobianIncluded, Measure, RingWeights, SolidAngle, SphereRule};

use crate::{ZONAL, Zonal, axes, vertex_grid};

/// J₁ by its integral, (1/π) ∫ cos(t − x sin t) dt: the trapezoid is exact to rounding here.
fn bessel_j1(x: f64) -> f64 {
    let steps = 40.0 + x.ceil();
    let (mut sum, mut k) = (0.0, 0.0);
    while k <= steps {
        let t = PI * k / steps;
        let end = if k == 0.0 || (k - steps).abs() < 0.5 { 0.5 } else { 1.0 };
        sum += end * (t - x * t.sin()).cos();
        k += 1.0;
    }
    sum / steps
}

/// The pattern of a circular piston, |2 J₁(ka s)/(ka s)|² with s the sine of the angle to its axis,
/// and its integral over both half-spaces.
fn piston(axis: Direction, ka: f64) -> (impl Fn(&Direction) -> f64, f64) {
    let pattern = move |x: &Direction| {
        // |u × x|: √(1 − (u·x)²) would lose digits next to the axis.
        let ([a, b, c], [x, y, z]) = (axis.vector(), x.vector());
        let sine = (b * z - c * y).hypot(c * x - a * z).hypot(a * y - b * x);
        let x = ka * sine;
        if x < 1e-6 { 1.0 } else { (2.0 * bessel_j1(x) / x).powi(2) }
    };
    (pattern, 8.0 * PI * (1.0 - bessel_j1(2.0 * ka) / ka) / (ka * ka))
}

fn error<M: Measure>(rule: &SphereRule<M>, p: impl Fn(&Direction) -> f64, exact: f64) -> f64 {
    let found = rule.integrate(|x| p(x)).unwrap();
    (found.value / exact - 1.0).abs()
}

/// Four lobes exp(κ(u·x − 1)), mirrored in θ → π − θ and φ → 2π − φ.
fn lobes(kappa: f64) -> impl Fn(&Direction) -> f64 {
    let [a, b, c] = Direction::from_vector([0.6, 0.5, 0.62]).unwrap().vector();
    move |x| {
        let [x, y, z] = x.vector();
        let lobe = |y: f64, z: f64| (kappa * (a * x + b * y + c * z - 1.0)).exp();
        lobe(y, z) + lobe(-y, z) + lobe(y, -z) + lobe(-y, -z)
    }
}

#[test]
fn generic_integrands_reach_the_best_of_the_known_weights() {
    // Twice the best column of the table, and 1e-14.
    let rule = vertex_grid(SolidAngle, 200, 400);
    let rows = [
        ("1", 0.0),
        ("t^20", 2.0e-15),
        ("exp 10t", 9e-16),
        ("exp 100(t-1)", 1.1e-14),
        ("1/(1.01-t)", 1.9e-15),
        ("cos 50t", 1.8e-14),
        ("tanh", 6.7e-16),
    ];
    for (name, best) in rows {
        let zonal = ZONAL.iter().find(|zonal| zonal.name == name).unwrap();
        let Zonal { g, integral, .. } = zonal;
        for u in axes() {
            let found = error(&rule, |x| g(u.dot(x)), *integral);
            // cos 50t nearly cancels: its condition number is 120.
            let limit = 2.0 * best + 1e-14;
            assert!(found <= limit, "{name}: {found:e}");
        }
    }
    for u in axes() {
        let found = error(&rule, |x| (1000.0 * (u.dot(x) - 1.0)).exp(), 2.0 * PI / 1000.0);
        assert!(found <= 2.1e-13, "lobe of 1000: {found:e}");
        let (pattern, total) = piston(u, 20.0);
        let found = error(&rule, pattern, total);
        assert!(found <= 5.2e-14, "piston: {found:e}");
        // Henyey and Greenstein's phase function, g = 0.9.
        let phase = |t: f64| 0.19 / (4.0 * PI) / (1.81 - 1.8 * t).powf(1.5);
        let found = error(&rule, |x| phase(u.dot(x)), 1.0);
        assert!(found <= 3.4e-14, "Henyey-Greenstein: {found:e}");
    }
}

#[test]
fn symmetric_patterns_reach_the_best_of_the_known_weights_in_either_measure() {
    let solid = vertex_grid(SolidAngle, 200, 400);
    let flat = vertex_grid(Flat, 200, 400);
    for (kappa, best) in [(20.0, 2e-16), (200.0, 1e-16), (2000.0, 4e-14)] {
        let exact = 4.0 * 2.0 * PI / kappa * -(-2.0 * kappa).exp_m1();
        let found = error(&solid, lobes(kappa), exact);
        // Rounding of u, by half an eps of its length, is in the lobes κ times.
        assert!(
            found <= 2.0 * best + 1e-14 + 0.5 * kappa * f64::EPSILON,
            "lobes of {kappa}: {found:e}"
        );
    }
    for (ka, best) in [(30.0, 7e-16), (100.0, 6e-11)] {
        let (pattern, total) = piston(Direction::from_vector([1.0, 0.0, 0.0]).unwrap(), ka);
        let found = error(&solid, &pattern, total);
        assert!(found <= 2.0 * best + 1e-14, "piston of {ka}: {found:e}");
        // Its integral without a Jacobian, from four times as many samples.
        let fine = vertex_grid(Flat, 399, 799).integrate(&pattern).unwrap().value;
        let found = error(&flat, &pattern, fine);
        assert!(found <= 1.6e-14, "flat piston of {ka}: {found:e}");
    }
    // exp(sin θ) is smooth on the rectangle, with a cusp at each pole of the sphere.
    // π (I0(1) + L0(1)) and ∫ exp(sin θ) sin θ dθ by mpmath 1.4.
    let cusp = |x: &Direction| x.sin_theta().exp() * (1.0 + 0.3 * (2.0 * x.phi()).cos());
    let found = error(&flat, cusp, 2.0 * PI * 6.2087580357111101964);
    assert!(found <= 2.4e-14, "flat cusp: {found:e}");
    let found = error(&solid, cusp, 2.0 * PI * 4.4879010028329458420);
    assert!(found <= 1.4e-14, "cusp: {found:e}");
}

#[test]
fn the_samples_decide_between_the_weights() {
    let cusp = |x: &Direction| x.sin_theta().exp();
    let smooth = |x: &Direction| (3.0 * x.x() + x.z()).exp();
    let on = |p: &dyn Fn(&Direction) -> f64| {
        let solid = vertex_grid(SolidAngle, 200, 400).integrate(p).unwrap().weights;
        let flat = vertex_grid(Flat, 200, 400).integrate(p).unwrap().weights;
        let inside = vertex_grid(JacobianIncluded, 200, 400).integrate(|x| p(x) * x.sin_theta());
        [solid, flat, inside.unwrap().weights]
    };
    use RingWeights::{CorrectedEnds, CosineSeries, SineSeries};
    assert_eq!(on(&smooth), [CosineSeries, CosineSeries, SineSeries]);
    assert_eq!(on(&cusp), [CorrectedEnds; 3]);
    // Samples that have a Jacobian in them, without the caller's knowing.
    let q = vertex_grid(Flat, 200, 400).integrate(|x| smooth(x) * x.sin_theta()).unwrap();
    assert_eq!(q.weights, SineSeries);
    let exact = 4.0 * PI * 10f64.sqrt().sinh() / 10f64.sqrt();
    assert!((q.value / exact - 1.0).abs() < 1e-13);
    assert_eq!(
        q.weights.to_string(),
        "sine series in θ, because the samples times their Jacobian are odd about the poles"
    );
}
