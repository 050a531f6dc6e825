//! LU: residual ratios on LAPACK's catalogue, what is refused, and the estimate of the condition.

use linalg::{Complex, DMatrix, DVector, Error, Lu, Scalar, Threads, product, residual};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::nasty::{Entry, nasty};

const SIZES: [usize; 9] = [1, 2, 3, 5, 10, 17, 50, 67, 200];

fn random<T: Entry>(m: usize, n: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<T> {
    DMatrix::from_fn(m, n, |_, _| {
        T::entry(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
    })
}

/// P⁻¹·L·U.
fn assembled<T: Scalar>(lu: &Lu<T>) -> DMatrix<T> {
    let ordered = product(&lu.l(), &lu.u()).unwrap();
    let mut a = ordered.clone();
    for (i, &row) in lu.row_order().iter().enumerate() {
        a.set_row(row, &ordered.row(i));
    }
    a
}

fn catalogue<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for n in SIZES {
        // The kinds with full rank: identity, diagonal, triangular, random, two ill-conditioned
        // ones, near underflow, near overflow.
        for kind in [1, 2, 3, 6, 7, 8, 9, 10] {
            let a = nasty::<T>(kind, n, n, &mut rng);
            let lu = match Lu::new(a.clone()) {
                // A random triangular matrix of this size is singular to working precision, and
                // where κ₂ is 0.1/eps the condition in the maximum norm may exceed 1/eps.
                Err(Error::Singular { rcond, .. }) if matches!(kind, 3 | 8) && n >= 17 => {
                    assert!(rcond < T::EPSILON, "kind {kind}, n = {n}: refused at {rcond}");
                    continue;
                }
                other => other.unwrap(),
            };
            let factors = residual::factorization(&a, &assembled(&lu)).unwrap();
            assert!(factors < residual::THRESHOLD, "kind {kind}, n = {n}: factors {factors}");
            for columns in [1, 3, 40] {
                let b = product(&a, &random::<T>(n, columns, &mut rng)).unwrap();
                let x = lu.solve_many(&b).unwrap();
                let ratio = residual::solve(&a, &x, &b).unwrap();
                assert!(ratio < residual::THRESHOLD, "kind {kind}, n = {n}: solution {ratio}");
                let x = lu.solve_adjoint(&b.column(0).into_owned()).unwrap();
                let (x, b) = (x.as_slice(), b.columns(0, 1).into_owned());
                let x = DMatrix::from_column_slice(n, 1, x);
                let ratio = residual::solve(&a.adjoint(), &x, &b).unwrap();
                assert!(ratio < residual::THRESHOLD, "kind {kind}, n = {n}: adjoint {ratio}");
            }
        }
        // Zero, a zero first column, the last half of the columns zero: an exact zero pivot.
        for (kind, at) in [(0, 0), (4, 0), (5, n / 2)] {
            let error = Lu::new(nasty::<T>(kind, n, n, &mut rng)).unwrap_err();
            let expected = Error::Singular { argument: "a", pivot: at, rcond: 0.0 };
            assert_eq!(error, expected, "kind {kind}, n = {n}");
        }
    }
}

#[test]
fn residuals_on_the_catalogue_are_below_lapacks_threshold() {
    catalogue::<f64>(1);
    catalogue::<f32>(2);
    catalogue::<Complex<f64>>(3);
    catalogue::<Complex<f32>>(4);
}

#[test]
fn a_small_system_by_hand() {
    let a = DMatrix::from_row_slice(3, 3, &[0.0, 2.0, 1.0, 1.0, 1.0, 0.0, 4.0, 0.0, 2.0]);
    let lu = Lu::new(a).unwrap();
    // Pivots: 4 (row 2), 2 (row 0), then 0 − 2/4 − 1/2 = −1.
    assert_eq!(lu.row_order(), [2, 0, 1]);
    assert_eq!(lu.u().diagonal().as_slice(), [4.0, 2.0, -1.0]);
    let (sign, logarithm) = lu.log_determinant();
    assert_eq!(sign, -1.0);
    assert!((logarithm - 8.0_f64.ln()).abs() < 1e-15);
    let x = lu.solve(&DVector::from_vec(vec![7.0, 3.0, 10.0])).unwrap();
    assert_eq!(x.as_slice(), [1.0, 2.0, 3.0]);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    // Large enough that products, triangular solves and row exchanges are all divided.
    let a = random::<f64>(600, 600, &mut rng);
    let b = random::<f64>(600, 100, &mut rng);
    let one = Lu::new(a.clone()).unwrap().solve_many(&b).unwrap();
    for threads in 1..=4 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let x = pool.install(|| {
            Lu::with_threads(a.clone(), Threads::Pool).unwrap().solve_many(&b).unwrap()
        });
        assert_eq!(x, one, "{threads} threads");
    }
}

#[test]
fn what_is_singular_to_working_precision_is_refused_whatever_the_size_of_its_rows() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
    for n in [3, 10, 60] {
        // The last row is a combination of the others.
        let mut a = random::<f64>(n, n, &mut rng);
        let weights = random::<f64>(1, n - 1, &mut rng);
        let combination = &weights * a.rows(0, n - 1);
        a.set_row(n - 1, &combination.row(0));
        let scales: Vec<f64> = (0..n).map(|i| 10.0_f64.powi(i as i32 % 7 * 5 - 15)).collect();
        for (i, &scale) in scales.iter().enumerate() {
            a.row_mut(i).scale_mut(scale);
        }
        let refused = Lu::new(a).unwrap_err();
        assert!(
            matches!(refused, Error::Singular { rcond, .. } if rcond < f64::EPSILON),
            "n = {n}"
        );
        // Rows of such sizes are no reason to refuse.
        let mut b = random::<f64>(n, n, &mut rng);
        for (i, &scale) in scales.iter().enumerate() {
            b.row_mut(i).scale_mut(scale);
        }
        let lu = Lu::new(b.clone()).unwrap();
        let x = random::<f64>(n, 1, &mut rng);
        let solved = lu.solve_many(&product(&b, &x).unwrap()).unwrap();
        assert!((solved - &x).norm() / x.norm() < 1e-9, "n = {n}");
    }
    let lu = Lu::new(DMatrix::from_diagonal(&DVector::from_vec(vec![1.0, 1e-20]))).unwrap();
    let x = lu.solve(&DVector::from_vec(vec![2.0, 3e-20])).unwrap();
    assert!((x - DVector::from_vec(vec![2.0, 3.0])).norm() < 1e-15);
    assert!((lu.rcond() / 1e-20 - 1.0).abs() < 1e-15);
}

#[test]
fn elimination_does_not_overflow_where_the_solution_does_not() {
    // L is that of Wilkinson's example: it doubles a right-hand side at every step.
    let n = 24;
    let a = DMatrix::from_fn(n, n, |i, j| match i.cmp(&j) {
        _ if j == n - 1 => 1e307_f64,
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => 1e307,
        std::cmp::Ordering::Greater => -1e307,
    });
    let x = DVector::from_element(n, 0.5);
    let lu = Lu::new(a.clone()).unwrap();
    let solved = lu.solve(&(&a * &x)).unwrap();
    assert!((solved - &x).norm() < 1e-8 * x.norm());
    let solved = lu.solve_adjoint(&(a.transpose() * &x)).unwrap();
    assert!((solved - &x).norm() < 1e-8 * x.norm());
}

#[test]
fn the_condition_estimate_is_within_a_factor_of_three() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let norm_1 =
        |a: &DMatrix<f64>| a.column_iter().map(|column| column.lp_norm(1)).fold(0.0_f64, f64::max);
    for n in [1, 2, 5, 20, 80] {
        for kind in [2, 6, 7, 10, 11] {
            let a = match kind {
                // Near overflow, where the norm of the inverse would be subnormal.
                10 => random::<f64>(n, n, &mut rng) * 1e300,
                11 => random::<f64>(n, n, &mut rng) * 1e-300,
                _ => nasty::<f64>(kind, n, n, &mut rng),
            };
            let lu = Lu::new(a.clone()).unwrap();
            let unit = a.amax();
            let inverse = Lu::new(&a / unit).unwrap().solve_many(&DMatrix::identity(n, n)).unwrap();
            let exact = 1.0 / (norm_1(&(a / unit)) * norm_1(&inverse));
            let ratio = lu.rcond() / exact;
            assert!((0.999..3.0).contains(&ratio), "kind {kind}, n = {n}: {ratio}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let text = |error: Error| error.to_string();
    let mut a = DMatrix::<f64>::identity(20, 20);
    a[(17, 3)] = f64::NAN;
    assert_eq!(
        text(Lu::new(a.clone()).unwrap_err()),
        "a[17, 3] is NaN, and every entry must be finite"
    );
    a[(17, 3)] = f64::NEG_INFINITY;
    assert_eq!(text(Lu::new(a).unwrap_err()), "a[17, 3] is -inf, and every entry must be finite");
    assert_eq!(
        text(Lu::new(DMatrix::<f64>::zeros(2, 3)).unwrap_err()),
        "a is 2 x 3, and must be square"
    );
    assert!(matches!(
        Lu::new(DMatrix::<f32>::zeros(0, 0)),
        Err(Error::Empty { argument: "a", .. })
    ));
    assert!(text(Lu::new(DMatrix::<f64>::zeros(2, 2)).unwrap_err()).starts_with(
        "a is singular to working precision: elimination stops at pivot 0 with reciprocal condition"
    ));
    let lu = Lu::new(DMatrix::<f64>::identity(2, 2)).unwrap();
    assert_eq!(text(lu.solve(&DVector::zeros(3)).unwrap_err()), "b is 3 x 1, expected 2 x 1");
    assert!(matches!(
        lu.solve(&DVector::from_vec(vec![1.0, f64::INFINITY])),
        Err(Error::NotFinite { argument: "b", row: 1, .. })
    ));
    let tiny = Lu::new(DMatrix::from_diagonal_element(2, 2, 1e-200)).unwrap();
    assert!(matches!(
        tiny.solve(&DVector::from_element(2, 1e200)),
        Err(Error::OutOfRange { argument: "an entry of the solution", .. })
    ));
}
