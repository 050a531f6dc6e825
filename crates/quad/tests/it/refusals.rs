//! Bad input, and what is said of it. Axes and directions have theirs beside the code.

use linalg::DMatrix;
use quad::{Error, SolidAngle, SphereRule};

fn rule() -> SphereRule<SolidAngle> {
    SphereRule::of_degree(SolidAngle, 3).unwrap()
}

#[test]
fn samples_that_do_not_fill_the_grid() {
    let text = "expected 2 x 4 = 8 samples (rings x columns), got 7";
    assert_eq!(rule().integrate_samples(&[1.0; 7]).unwrap_err().to_string(), text);
    let snapshots = DMatrix::zeros(7, 2);
    assert_eq!(rule().integrate_snapshots(&snapshots).unwrap_err().to_string(), text);
}

#[test]
fn a_sample_that_is_not_finite() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut snapshots = DMatrix::from_element(8, 3, 1.0);
        snapshots[(5, 1)] = value;
        assert_eq!(
            rule().integrate_snapshots(&snapshots).unwrap_err().to_string(),
            format!(
                "sample 5 (ring 1, column 2) of snapshot 1 is {value}, and every sample must be \
                 finite"
            )
        );
    }
}

#[test]
fn an_integrand_that_is_not_finite() {
    let mut calls = 0;
    let error = rule()
        .integrate(|x| {
            calls += 1;
            if x.z() < 0.0 { f64::NAN } else { 1.0 }
        })
        .unwrap_err();
    assert_eq!(calls, 2);
    let Error::IntegrandNotFinite { theta, phi, .. } = error else { panic!("{error}") };
    // The southern of two Gauss-Legendre nodes, ±1/√3.
    assert!((theta.cos() + 1.0 / 3f64.sqrt()).abs() < 1e-15 && phi.abs() < 1e-15);
    assert_eq!(
        error.to_string(),
        format!(
            "the integrand is NaN at colatitude {theta}, azimuth 0 (radians), and must be finite \
             at every node"
        )
    );
}

#[test]
fn a_sum_that_overflows() {
    assert_eq!(
        rule().integrate_samples(&[1e308; 8]).unwrap_err().to_string(),
        "the weighted sum of snapshot 0 overflows; scale the samples down"
    );
}

#[test]
fn a_degree_beyond_use() {
    assert_eq!(
        SphereRule::of_degree(SolidAngle, 20_001).unwrap_err().to_string(),
        "degree is 20001, expected 0 to 20000"
    );
}

#[test]
fn a_kind_without_places_and_counts_without_rings() {
    use quad::{RingKind, ring_weights};
    let text = "unequal rings are given by an axis: use SphereRule::on_grid with Colatitudes";
    let free = SphereRule::product(SolidAngle, RingKind::Free, 9, 9);
    assert_eq!(free.unwrap_err().to_string(), text);
    assert_eq!(ring_weights(SolidAngle, RingKind::Free, 9).unwrap_err().to_string(), text);
    assert_eq!(
        ring_weights(SolidAngle, RingKind::Vertices, 1).unwrap_err().to_string(),
        "rings is 1, expected 2 to 100000000"
    );
    assert_eq!(
        SphereRule::product(SolidAngle, RingKind::Cells, 0, 9).unwrap_err().to_string(),
        "rings is 0, expected 1 to 20002"
    );
}
