//! Cholesky and QR: LAPACK's residual ratios on its nasty matrices, the textbook's loops, known
//! small cases, refusals.

use crate::nasty::{Entry, KINDS, SIZES, THRESHOLD, departure, leveling, nasty, reflection, wide};
use linalg::{Cholesky, Complex, DMatrix, DVector, Error, Qr};
use proptest::prelude::*;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// A positive definite matrix with eigenvalues from 1 down to 1/condition, times `scale`.
fn definite<T: Entry>(
    n: usize,
    condition: f64,
    scale: f64,
    rng: &mut Xoshiro256PlusPlus,
) -> DMatrix<T> {
    let h = reflection(n, rng) * reflection(n, rng);
    let value = |i: usize| Complex::from(condition.powf(-(i as f64) / (n.max(2) - 1) as f64));
    let a = &h * DMatrix::from_fn(n, n, |i, j| if i == j { value(i) } else { 0.0.into() });
    let a = a * h.adjoint();
    DMatrix::from_fn(n, n, |i, j| {
        let entry = (a[(i, j)] + a[(j, i)].conj()) * 0.5 * scale;
        T::entry(entry.re, entry.im)
    })
}

fn cholesky_ratios<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let tiny = T::MIN_POSITIVE / T::EPSILON;
    let cases = [
        (1.0, 1.0),
        (100.0, 1.0),
        ((0.1 / T::EPSILON).sqrt(), 1.0),
        (0.1 / T::EPSILON, 1.0),
        (10.0, tiny),
        (10.0, 1.0 / (64.0 * tiny)),
    ];
    for (kind, (condition, scale)) in cases.into_iter().enumerate() {
        for n in SIZES.into_iter().chain([200]) {
            let a = definite::<T>(n, condition, scale, &mut rng);
            let exponent = leveling(&a);
            let a_wide = wide(&a, exponent);
            let norm = a_wide.norm();
            let allowed = THRESHOLD * n as f64 * T::EPSILON;
            let cholesky = match Cholesky::new(a.clone()) {
                Ok(cholesky) => cholesky,
                // At a condition of 0.1/eps rounding may cost the last pivots their sign.
                Err(Error::NotPositiveDefinite { value, .. }) if kind == 3 => {
                    assert!(value.abs() <= allowed * norm, "size {n}: pivot {value:e}");
                    continue;
                }
                Err(error) => panic!("kind {kind}, size {n}: {error}"),
            };
            let l = wide(cholesky.l(), exponent / 2 / 2 * 2);
            let rest = Complex::from(2.0_f64.powi(exponent - exponent / 2 / 2 * 4));
            let residual = (&a_wide - &l * l.adjoint() * rest).norm() / (allowed * norm);
            assert!(residual < 1.0, "kind {kind}, size {n}: {residual} of what is allowed");
            for (i, j) in (0..n).flat_map(|j| (0..j).map(move |i| (i, j))) {
                assert_eq!(cholesky.l()[(i, j)], T::zero(), "[{i}, {j}] is above the diagonal");
            }
            // A few right-hand sides go another way than many.
            for columns in [1, 3, 6] {
                let x = DMatrix::from_fn(n, columns, |_, _| {
                    T::entry(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
                });
                let b = &a * x;
                let x = wide(&cholesky.solve_many(&b).unwrap(), 0);
                let residual = (wide(&b, exponent) - &a_wide * &x).norm();
                let ratio = residual / (allowed * norm * x.norm());
                assert!(ratio < 1.0, "kind {kind}, size {n}, {columns} columns: {ratio}");
            }
        }
    }
}

#[test]
fn cholesky_of_nasty_matrices_passes_lapacks_threshold() {
    cholesky_ratios::<f32>(1);
    cholesky_ratios::<f64>(2);
    cholesky_ratios::<Complex<f32>>(3);
    cholesky_ratios::<Complex<f64>>(4);
}

fn qr_ratios<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let small = (0..KINDS).flat_map(|kind| SIZES.map(move |m| SIZES.map(|n| (kind, m, n))));
    let large = [(5, 200, 200), (6, 70, 200), (7, 200, 70), (8, 130, 130)];
    for (kind, m, n) in small.flatten().chain(large) {
        let a = nasty::<T>(kind, m, n, &mut rng);
        let exponent = leveling(&a);
        let qr = Qr::new(a.clone()).unwrap();
        let (q, r) = (qr.q(), qr.r());
        assert_eq!((q.shape(), r.shape()), ((m, m.min(n)), (m.min(n), n)));
        for (i, j) in (0..n).flat_map(|j| (0..m.min(n)).map(move |i| (i, j))) {
            assert!(i < j || r[(i, j)].wide().im == 0.0, "a diagonal that is not real");
            assert!(i <= j || r[(i, j)] == T::zero(), "[{i}, {j}] is below the diagonal");
        }
        let (q_wide, r_wide, a_wide) = (wide(&q, 0), wide(&r, exponent), wide(&a, exponent));
        let allowed = THRESHOLD * m.max(n) as f64 * T::EPSILON;
        let residual = (&a_wide - &q_wide * r_wide).norm();
        let ratio = residual / a_wide.norm().max(f64::MIN_POSITIVE) / allowed;
        assert!(ratio < 1.0, "kind {kind}, {m} x {n}: A − QR is {ratio} of what is allowed");
        let ratio = departure(&q_wide) / allowed;
        assert!(ratio < 1.0, "kind {kind}, {m} x {n}: QᴴQ − I is {ratio} of what is allowed");

        // The square Q, by columns one at a time and many together.
        let mut square = DMatrix::identity(m, m);
        qr.apply_q(&mut square).unwrap();
        assert!(departure(&wide(&square, 0)) < allowed, "kind {kind}, {m} x {n}: the square Q");
        let mut first = square.columns(0, 1).into_owned();
        qr.apply_q_adjoint(&mut first).unwrap();
        qr.apply_q_adjoint(&mut square).unwrap();
        let identity = DMatrix::identity(m, m);
        assert!((wide(&square, 0) - &identity).norm() < allowed, "kind {kind}, {m} x {n}: QᴴQ");
        let apart = (wide(&first, 0) - identity.columns(0, 1)).norm();
        assert!(apart < allowed, "kind {kind}, {m} x {n}: one column alone");
    }
}

#[test]
fn qr_of_nasty_matrices_passes_lapacks_threshold() {
    qr_ratios::<f32>(5);
    qr_ratios::<f64>(6);
    qr_ratios::<Complex<f32>>(7);
    qr_ratios::<Complex<f64>>(8);
}

fn least_squares_ratios<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for kind in 0..KINDS {
        for (m, n) in [(1, 1), (2, 1), (3, 3), (5, 2), (10, 5), (50, 10), (50, 50), (200, 70)] {
            let a = nasty::<T>(kind, m, n, &mut rng);
            let exponent = leveling(&a);
            let back = 2.0_f64.powi(-exponent / 2);
            // A right-hand side of the size of A.
            let b = DVector::from_fn(m, |_, _| {
                let mut number = || rng.random_range(-1.0..1.0) * back * back;
                T::entry(number(), number())
            });
            let fit = match Qr::new(a.clone()).unwrap().least_squares(&b) {
                Ok(fit) => fit,
                // Kind 3 may be: the condition of a random triangular matrix grows like 2ⁿ
                // (Viswanath and Trefethen, SIAM J. Matrix Anal. Appl. 19, 1998).
                Err(Error::Singular { rcond, .. }) if matches!(kind, 0 | 3 | 4 | 5 | 8) => {
                    assert!(rcond < m as f64 * T::EPSILON);
                    continue;
                }
                Err(error) => panic!("kind {kind}, {m} x {n}: {error}"),
            };
            assert!(!matches!(kind, 0 | 4 | 5), "kind {kind}, {m} x {n} has dependent columns");
            let a_wide = wide(&a, exponent);
            let b = wide(&DMatrix::from_column_slice(m, 1, b.as_slice()), exponent);
            let x = wide(&DMatrix::from_column_slice(n, 1, fit.x.as_slice()), 0);
            let residual = &b - &a_wide * &x;
            let norm = a_wide.norm();
            let size = norm * x.norm() + b.norm();
            let allowed = THRESHOLD * m.max(n) as f64 * T::EPSILON;
            let ratio = (a_wide.adjoint() * &residual).norm() / (allowed * norm * size);
            assert!(ratio < 1.0, "kind {kind}, {m} x {n}: Aᴴr is {ratio} of what is allowed");
            let apart = (fit.residual_norm / back / back - residual.norm()).abs();
            assert!(apart < allowed * size, "kind {kind}, {m} x {n}: ‖r‖ differs by {apart:e}");
        }
    }
}

#[test]
fn least_squares_residuals_are_orthogonal_to_the_columns() {
    least_squares_ratios::<f32>(9);
    least_squares_ratios::<f64>(10);
    least_squares_ratios::<Complex<f32>>(11);
    least_squares_ratios::<Complex<f64>>(12);
}

#[test]
fn columns_of_very_different_lengths_keep_their_digits() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(13);
    let (m, n) = (90, 70);
    let plain = nasty::<Complex<f64>>(6, m, n, &mut rng);
    let scales: Vec<f64> = (0..n).map(|j| 10.0_f64.powi([300, 0, -300][j % 3])).collect();
    let scaled = DMatrix::from_fn(m, n, |i, j| plain[(i, j)] * scales[j]);
    let (qr, expected) = (Qr::new(scaled).unwrap(), Qr::new(plain.clone()).unwrap());
    // Higham, theorem 19.4, compares column by column; the condition of A, below 100, carries the
    // difference over to R.
    let allowed = 100.0 * THRESHOLD * m as f64 * f64::EPSILON;
    let (r, expected_r) = (qr.r(), expected.r());
    for j in 0..n {
        let column = r.column(j).map(|x| x / scales[j]);
        let apart = (column - expected_r.column(j)).norm() / expected_r.column(j).norm();
        assert!(apart < allowed, "column {j} differs by {apart:e}");
    }
    let b = DVector::from_fn(m, |i, _| Complex::new(1.0 + i as f64, -1.0));
    let (fit, expected) = (qr.least_squares(&b).unwrap(), expected.least_squares(&b).unwrap());
    let x = DVector::from_fn(n, |j, _| fit.x[j] * scales[j]);
    assert!((&x - &expected.x).norm() < allowed * expected.x.norm());
    assert!((fit.residual_norm - expected.residual_norm).abs() < allowed * b.norm());
}

#[test]
fn dependent_columns_are_found_though_the_diagonal_of_r_does_not_show_them() {
    let ones =
        |n| DMatrix::from_fn(n, n, |i, j| if i < j { -1.0 } else { f64::from(u8::from(i == j)) });
    // The condition number is near n·2^(n−1): within reach at 20, beyond it at 60.
    let b = |n| DVector::from_element(n, 1.0);
    assert!(Qr::new(ones(20)).unwrap().least_squares(&b(20)).is_ok());
    let refusal = Qr::new(ones(60)).unwrap().least_squares(&b(60)).unwrap_err();
    assert!(matches!(refusal, Error::Singular { argument: "a", rcond, .. } if rcond < 1e-15));

    // Column 2 is the sum of the others.
    let a = DMatrix::from_row_slice(
        4,
        3,
        &[0.1, 0.7, 0.8, 0.2, 0.3, 0.5, 0.4, 0.1, 0.5, 0.9, 0.6, 1.5],
    );
    let refusal = Qr::new(a).unwrap().least_squares(&b(4)).unwrap_err();
    assert!(matches!(refusal, Error::Singular { pivot: 2, rcond, .. } if rcond < 1e-15));
}

#[test]
fn what_is_not_positive_definite_is_refused_with_its_pivot() {
    let refusal = Cholesky::new(DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 2.0, 1.0])).unwrap_err();
    assert_eq!(refusal.to_string(), "a is not positive definite: pivot 1 is -3e0");
    for index in [0, 15, 16, 77, 99] {
        let mut a = DMatrix::from_diagonal_element(100, 100, Complex::new(2.0_f32, 0.0));
        a[(index, index)] = Complex::new(0.0, 0.0);
        let expected = Error::NotPositiveDefinite { argument: "a", pivot: index, value: 0.0 };
        assert_eq!(Cholesky::new(a).unwrap_err(), expected);
    }
    // An entry whose square overflows is no better.
    let a = DMatrix::from_row_slice(2, 2, &[1e-300, 1e200, 1e200, 1e-300]);
    assert!(matches!(
        Cholesky::new(a).unwrap_err(),
        Error::NotPositiveDefinite { pivot: 1, value: f64::NEG_INFINITY, .. }
    ));
}

#[test]
fn bad_input_is_refused_by_name_and_index() {
    let empty = DMatrix::<f64>::zeros(0, 0);
    let expected = Error::Empty { argument: "a", rows: 0, columns: 0 };
    assert_eq!(Cholesky::new(empty.clone()).unwrap_err(), expected);
    assert_eq!(Qr::new(empty).unwrap_err(), expected);
    let flat = DMatrix::from_element(2, 3, 1.0);
    let expected = Error::NotSquare { argument: "a", rows: 2, columns: 3 };
    assert_eq!(Cholesky::new(flat.clone()).unwrap_err(), expected);
    let mut a = DMatrix::<f64>::identity(40, 40);
    a[(3, 1)] = 0.5;
    assert_eq!(
        Cholesky::new(a.clone()).unwrap_err().to_string(),
        "a is not Hermitian: entries [3, 1] and [1, 3] differ by 5e-1"
    );
    a[(37, 11)] = f64::NAN;
    let expected = "a[37, 11] is NaN, and every entry must be finite";
    assert_eq!(Cholesky::new(a.clone()).unwrap_err().to_string(), expected);
    assert_eq!(Qr::new(a).unwrap_err().to_string(), expected);

    let (cholesky, qr) = (Cholesky::new(DMatrix::identity(3, 3)).unwrap(), Qr::new(flat).unwrap());
    let short = DVector::from_element(2, 1.0);
    let expected = "b is 2 x 1, expected 3 x 1";
    assert_eq!(cholesky.solve(&short).unwrap_err().to_string(), expected);
    assert_eq!(
        qr.least_squares(&short).unwrap_err().to_string(),
        "a.nrows() is 2, expected at least a.ncols(); for fewer rows use PseudoInverse"
    );
    let mut c = DMatrix::from_element(3, 5, 1.0);
    let expected = "c is 3 x 5, expected 2 x 5";
    assert_eq!(qr.apply_q(&mut c).unwrap_err().to_string(), expected);
    assert_eq!(qr.apply_q_adjoint(&mut c).unwrap_err().to_string(), expected);
    let qr = Qr::new(DMatrix::from_element(3, 1, 1.0)).unwrap();
    let expected = "b is 2 x 1, expected 3 x 1";
    assert_eq!(qr.least_squares(&short).unwrap_err().to_string(), expected);
    let infinite = DVector::from_vec(vec![1.0, f64::INFINITY, 0.0]);
    let expected = "b[1, 0] is inf, and every entry must be finite";
    assert_eq!(qr.least_squares(&infinite).unwrap_err().to_string(), expected);
    assert_eq!(cholesky.solve(&infinite).unwrap_err().to_string(), expected);
}

#[test]
fn what_overflows_is_refused_and_not_infinite() {
    let refusal = Qr::new(DMatrix::from_element(4, 2, f64::MAX)).unwrap_err();
    let expected = "the longest column of a is inf, expected a length that does not overflow";
    assert_eq!(refusal.to_string(), expected);
    let tiny = Qr::new(DMatrix::<f64>::from_element(1, 1, 1e-300)).unwrap();
    let refusal = tiny.least_squares(&DVector::from_element(1, 1e300)).unwrap_err();
    assert!(matches!(refusal, Error::OutOfRange { argument: "b", value: 1e300, .. }));
    // Nothing overflows on the way to an answer that does not.
    let fit = tiny.least_squares(&DVector::from_element(1, 1e-300)).unwrap();
    assert!((fit.x[0] - 1.0).abs() <= f64::EPSILON);
    // The reciprocal of a subnormal length overflows; the reflector does not need it.
    let subnormal = Qr::new(DMatrix::<f64>::from_element(4, 1, 1e-310)).unwrap();
    assert!((subnormal.q().norm() - 1.0).abs() < 1e-15);
    let long = Qr::new(DMatrix::<f64>::from_element(4, 1, 1e300)).unwrap();
    assert!((long.r()[(0, 0)].abs() / 2e300 - 1.0).abs() < 1e-15);
}

#[test]
fn a_complex_matrix_factors_as_by_hand() {
    // [[2, 2i], [−2i, 3]] = L·Lᴴ with L = [[√2, 0], [−√2·i, 1]]; its determinant is 2.
    let c = Complex::new;
    let a = DMatrix::from_row_slice(2, 2, &[c(2.0, 0.0), c(0.0, 2.0), c(0.0, -2.0), c(3.0, 0.0)]);
    let cholesky = Cholesky::new(a).unwrap();
    assert!((cholesky.l()[(1, 0)] - c(0.0, -2.0_f64.sqrt())).norm() < 1e-15);
    assert!((cholesky.l()[(1, 1)] - c(1.0, 0.0)).norm() < 1e-14);
    assert!((cholesky.log_determinant() - 2.0_f64.ln()).abs() < 1e-14);
    let x = cholesky.solve(&DVector::from_vec(vec![c(0.0, 2.0), c(3.0, 0.0)])).unwrap();
    assert!((x - DVector::from_vec(vec![c(0.0, 0.0), c(1.0, 0.0)])).norm() < 1e-14);
    // The length of (3i, 4) is 5.
    let qr = Qr::new(DMatrix::from_row_slice(2, 1, &[c(0.0, 3.0), c(4.0, 0.0)])).unwrap();
    assert!((qr.r()[(0, 0)].norm() - 5.0).abs() < 1e-15);
}

proptest! {
    /// The textbook's loops: lⱼⱼ² = aⱼⱼ − Σ lⱼₖ², lᵢⱼ·lⱼⱼ = aᵢⱼ − Σ lᵢₖ·lⱼₖ.
    #[test]
    fn cholesky_is_the_textbooks(n in 1..40_usize, seed: u64) {
        let a = definite::<f64>(n, 10.0, 1.0, &mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let mut l = DMatrix::<f64>::zeros(n, n);
        for j in 0..n {
            for i in j..n {
                let rest = (0..j).fold(a[(i, j)], |rest, k| rest - l[(i, k)] * l[(j, k)]);
                l[(i, j)] = if i == j { rest.sqrt() } else { rest / l[(j, j)] };
            }
        }
        let apart = (Cholesky::new(a).unwrap().l() - &l).norm();
        // The condition number carries n·eps·‖L‖ over to L.
        prop_assert!(apart <= 10.0 * n as f64 * f64::EPSILON * l.norm(), "{apart:e}");
    }

    /// Gram and Schmidt's R, whose diagonal is positive, up to the signs of its rows.
    #[test]
    fn r_is_that_of_gram_and_schmidt(m in 1..90_usize, less in 0..20_usize, seed: u64) {
        let n = m.saturating_sub(less).max(1);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        // Near the identity: a condition number below 3.
        let a = DMatrix::from_fn(m, n, |i, j| {
            let noise: f64 = rng.random_range(-0.5..0.5) / m as f64;
            if i == j { 1.0 + noise } else { noise }
        });
        let (mut q, mut r) = (a.clone(), DMatrix::zeros(n, n));
        for j in 0..n {
            r[(j, j)] = q.column(j).norm();
            let unit = q.column(j) / r[(j, j)];
            for k in j + 1..n {
                r[(j, k)] = unit.dot(&q.column(k));
                q.column_mut(k).axpy(-r[(j, k)], &unit, 1.0);
            }
        }
        let mut found = Qr::new(a).unwrap().r();
        for mut row in found.row_iter_mut() {
            let sign = row.iter().find(|&&x| x != 0.0).map_or(1.0, |x| x.signum());
            row *= sign;
        }
        let apart = (found - &r).norm();
        prop_assert!(apart <= 10.0 * m as f64 * f64::EPSILON * r.norm(), "{apart:e}");
    }
}
