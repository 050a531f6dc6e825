//! Spectra that are known from outside: closed forms, printed tables, 50-digit arithmetic.

use std::f64::consts::TAU;

use linalg::{
    Complex, DMatrix, DVector, Error, HermitianEigen, PseudoInverse, Svd, eigenvalues,
    hermitian_eigenvalues, roots, tridiagonal_eigen, tridiagonal_spectrum,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

const EPS: f64 = f64::EPSILON;

#[test]
fn ones_have_one_singular_value_to_four_eps() {
    for rows in 1..=30 {
        for columns in 1..=30 {
            let svd = Svd::new(&DMatrix::from_element(rows, columns, 1.0)).unwrap();
            let exact = ((rows * columns) as f64).sqrt();
            let error = (svd.singular_values[0] - exact).abs() / exact;
            assert!(error <= 4.0 * EPS, "{rows} x {columns}: {}", error / EPS);
            let rest = svd.singular_values.iter().skip(1).fold(0.0, |rest: f64, s| rest.max(*s));
            assert!(rest <= 4.0 * EPS * exact, "{rows} x {columns}: {rest:e}");
        }
    }
}

#[test]
fn hilberts_matrix_has_its_known_rank_and_smallest_kept_singular_value() {
    let hilbert = DMatrix::from_fn(12, 12, |i, j| 1.0 / (i + j + 1) as f64);
    let inverse = PseudoInverse::new(&hilbert).unwrap();
    // mpmath, 50 digits: 1.795372059561997, …, 2.64902149344488672e-14, 1.04794639796222669e-16;
    // the cut-off is 12·eps·1.795 = 4.8e-15.
    assert_eq!(inverse.rank(), 11);
    let error = (inverse.singular_values()[10] - 2.64902149344488672e-14).abs();
    assert!(error <= 12.0 * EPS * 1.8, "{error:e}");
    assert!((inverse.cutoff() / (12.0 * EPS * 1.795372059561997) - 1.0).abs() < 1e-14);
    // Not a gap to build on, and the report says so.
    assert!(inverse.gap() < 1e4, "{}", inverse.gap());
    assert!((inverse.condition_number() / (1.795372059561997 / 2.649e-14) - 1.0).abs() < 0.05);
}

#[test]
fn a_cutoff_above_the_noise_finds_the_rank_before_it() {
    // Rank 3, measured to nine digits.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let left = DMatrix::from_fn(20, 3, |_, _| normal());
    let right = DMatrix::from_fn(3, 8, |_, _| normal());
    let noise = DMatrix::from_fn(20, 8, |_, _| 1e-9 * normal());
    let a = left * right + noise;
    assert_eq!(PseudoInverse::new(&a).unwrap().rank(), 8);
    let inverse = PseudoInverse::with_cutoff(&a, 1e-6).unwrap();
    assert_eq!(inverse.rank(), 3);
    assert!(inverse.gap() > 1e6, "{:e}", inverse.gap());
    assert_eq!(inverse.range_basis().shape(), (20, 3));
    for relative in [f64::NAN, -0.1, 1.0] {
        let refusal = PseudoInverse::with_cutoff(&a, relative).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!(
                "relative is {relative}, expected a fraction of the largest singular value in [0, 1)"
            )
        );
    }
}

#[test]
fn the_solution_is_least_squares_and_of_minimum_norm() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for (m, n, rank) in [(9, 4, 4), (4, 9, 4), (12, 10, 3), (10, 12, 3)] {
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let left = DMatrix::from_fn(m, rank, |_, _| normal());
        let right = DMatrix::from_fn(rank, n, |_, _| normal());
        let a = left * right;
        let b = DMatrix::from_fn(m, 5, |_, _| normal());
        let inverse = PseudoInverse::new(&a).unwrap();
        let x = inverse.solve_many(&b).unwrap();
        let allowed = 30.0 * 12.0 * EPS * a.norm() * b.norm() * inverse.condition_number();
        // The residual is orthogonal to the range, the solution to the null space.
        assert!((a.tr_mul(&(&a * &x - &b))).norm() <= allowed);
        let null = inverse.null_space();
        assert_eq!(null.shape(), (n, n - rank));
        assert!((null.tr_mul(&x)).norm() <= allowed);
        assert!((&a * &null).norm() <= 10.0 * 12.0 * EPS * a.norm());
        let identity = DMatrix::identity(n - rank, n - rank);
        assert!((null.tr_mul(&null) - identity).norm() <= 30.0 * 12.0 * EPS);
        let range = inverse.range_basis();
        assert!((&range * range.tr_mul(&a) - &a).norm() <= 30.0 * 12.0 * EPS * a.norm());
        // One right-hand side at a time is the same, and so is the matrix.
        let first = inverse.solve(&b.column(0).into_owned()).unwrap();
        assert!((first - x.column(0)).norm() <= allowed);
        assert!((inverse.matrix() * &b - &x).norm() <= allowed);
    }
    let inverse = PseudoInverse::new(&DMatrix::from_element(3, 2, 1.0)).unwrap();
    let refusal = inverse.solve(&DVector::from_element(2, 1.0)).unwrap_err();
    assert_eq!(refusal.to_string(), "b is 2 x 1, expected 3 x 1");
    let refusal = inverse.solve(&DVector::from_column_slice(&[1.0, f64::NAN, 1.0])).unwrap_err();
    assert_eq!(refusal.to_string(), "b[1, 0] is NaN, and every entry must be finite");
}

#[test]
fn the_adjoint_of_the_pseudo_inverse_is_that_of_its_matrix() {
    for (rows, columns, rank, seed) in [(7, 4, 4, 1), (4, 7, 4, 2), (6, 5, 2, 3)] {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = |rows, columns| -> DMatrix<f64> {
            DMatrix::from_fn(rows, columns, |_, _| rng.sample(StandardNormal))
        };
        let a = normal(rows, rank) * normal(rank, columns);
        let inverse = PseudoInverse::new(&a).unwrap();
        let c = normal(columns, 1).column(0).into_owned();
        let y = inverse.solve_adjoint(&c).unwrap();
        let limit = 64.0 * EPS * inverse.condition_number() * y.norm();
        assert!((inverse.matrix().tr_mul(&c) - y).norm() <= limit, "{rows} x {columns}");
    }
    let inverse = PseudoInverse::new(&DMatrix::from_element(3, 2, 1.0)).unwrap();
    let refusal = inverse.solve_adjoint(&DVector::from_element(3, 1.0)).unwrap_err();
    assert_eq!(refusal.to_string(), "c is 3 x 1, expected 2 x 1");
}

#[test]
fn a_matrix_of_zeros_has_rank_zero_and_everything_as_null_space() {
    let inverse = PseudoInverse::new(&DMatrix::<f64>::zeros(3, 4)).unwrap();
    assert_eq!((inverse.rank(), inverse.gap()), (0, f64::INFINITY));
    assert_eq!(inverse.condition_number(), 1.0);
    assert_eq!(inverse.matrix(), DMatrix::zeros(4, 3));
    assert_eq!(inverse.null_space().shape(), (4, 4));
    assert_eq!(inverse.range_basis().shape(), (3, 0));
    assert_eq!(inverse.solve(&DVector::from_element(3, 1.0)).unwrap(), DVector::zeros(4));
    let svd = Svd::new(&DMatrix::<f64>::zeros(3, 4)).unwrap();
    assert_eq!(svd.condition_number(), f64::INFINITY);
}

#[test]
fn gauss_nodes_and_weights_come_out_of_the_jacobi_matrix() {
    let beside = |n: usize| -> Vec<f64> {
        (1..n).map(|k| k as f64 / (4.0 * (k * k) as f64 - 1.0).sqrt()).collect()
    };
    // Abramowitz and Stegun, table 25.4, n = 10, printed to half a unit of the 15th digit.
    let allowed = 0.5e-15 + 10.0 * EPS;
    let nodes = [
        0.148874338981631,
        0.433395394129247,
        0.679409568299024,
        0.865063366688985,
        0.973906528517172,
    ];
    let weights = [
        0.295524224714753,
        0.269266719309996,
        0.219086362515982,
        0.149451349150581,
        0.066671344308688,
    ];
    let spectrum = tridiagonal_spectrum(&[0.0; 10], &beside(10)).unwrap();
    for (k, (node, weight)) in nodes.iter().zip(weights).enumerate() {
        assert!((spectrum.values[5 + k] - node).abs() <= allowed);
        assert!((spectrum.values[4 - k] + node).abs() <= allowed);
        assert!((2.0 * spectrum.first_components[5 + k].powi(2) - weight).abs() <= allowed);
    }
    // The same from the full decomposition, at a size where faer's divide and conquer runs.
    let n = 200;
    let spectrum = tridiagonal_spectrum(&vec![0.0; n], &beside(n)).unwrap();
    let eigen = tridiagonal_eigen(&vec![0.0; n], &beside(n)).unwrap();
    assert!((&spectrum.values - &eigen.values).amax() <= 4.0 * n as f64 * EPS);
    for j in 0..n {
        let apart = (spectrum.first_components[j] - eigen.vectors[(0, j)].abs()).abs();
        assert!(apart <= 30.0 * n as f64 * EPS, "{apart:e}");
    }
    // ∫ x² over [−1, 1] by the rule.
    let pairs = spectrum.values.iter().zip(spectrum.first_components.iter());
    let integral: f64 = pairs.map(|(x, first)| 2.0 * first * first * x * x).sum();
    assert!((integral - 2.0 / 3.0).abs() <= n as f64 * EPS);
}

#[test]
fn tridiagonal_matrices_scale_split_and_are_refused_by_name() {
    // The second difference has the eigenvalues 2 − 2·cos(π·k/(n + 1)), at any scale.
    for scale in [1.0, 1e300, 1e-300] {
        let n = 50;
        let spectrum = tridiagonal_spectrum(&vec![2.0 * scale; n], &vec![-scale; n - 1]).unwrap();
        for k in 0..n {
            let exact = 2.0 - 2.0 * (TAU / 2.0 * (k + 1) as f64 / (n + 1) as f64).cos();
            let error = (spectrum.values[k] / scale - exact).abs();
            assert!(error <= 4.0 * n as f64 * EPS, "{scale:e}, {k}: {error:e}");
        }
    }
    // Zeros beside the diagonal split it; entries 1e160 apart do not disturb.
    let spectrum = tridiagonal_spectrum(&[3.0, 1.0, 2.0, 0.0], &[0.0, 1e-160, 0.0]).unwrap();
    assert_eq!(spectrum.values.as_slice(), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(spectrum.first_components.as_slice(), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(tridiagonal_spectrum(&[-7.0], &[]).unwrap().values[0], -7.0);

    let texts = [
        (
            tridiagonal_spectrum(&[], &[]),
            "diagonal is empty (0 x 1); at least one row and one column are needed",
        ),
        (tridiagonal_spectrum(&[1.0, 2.0], &[]), "off_diagonal is 0 x 1, expected 1 x 1"),
        (
            tridiagonal_spectrum(&[1.0, 2.0, 3.0], &[0.0, f64::NAN]),
            "off_diagonal[1, 0] is NaN, and every entry must be finite",
        ),
        (
            tridiagonal_spectrum(&[1.0, f64::INFINITY], &[0.0]),
            "diagonal[1, 0] is inf, and every entry must be finite",
        ),
    ];
    for (result, text) in texts {
        assert_eq!(result.unwrap_err().to_string(), text);
    }
}

#[test]
fn wilkinsons_clusters_are_resolved_to_working_precision() {
    // W21+: |10 − i| on the diagonal, ones beside it. mpmath, 50 digits.
    let diagonal: Vec<f64> = (0..21).map(|i| f64::from((10_i32 - i).abs())).collect();
    let dense = DMatrix::from_fn(21, 21, |i: usize, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => 1.0,
        _ => 0.0,
    });
    let known = [
        (0, -1.1254415221199842223),
        (1, 0.25380581709667816771),
        (17, 9.210678647304918593955327),
        (18, 9.210678647361332107917645),
        (19, 10.74619418290332183228991),
        (20, 10.74619418290339343185746),
    ];
    let eigen = HermitianEigen::new(&dense).unwrap();
    let lists = [
        tridiagonal_spectrum(&diagonal, &[1.0; 20]).unwrap().values,
        eigen.values.clone(),
        hermitian_eigenvalues(&dense).unwrap(),
    ];
    for values in lists {
        for (index, exact) in known {
            let error = (values[index] - exact).abs();
            assert!(error <= 8.0 * EPS * 11.0, "{index}: {error:e}");
        }
    }
    // Vectors of a pair 7e-14 apart are orthogonal all the same.
    let (last, before) = (eigen.vectors.column(20), eigen.vectors.column(19));
    assert!(last.dot(&before).abs() <= 21.0 * EPS);
}

#[test]
fn cyclic_matrices_have_the_roots_of_unity() {
    for n in [2, 3, 5, 6, 7, 16, 33, 64, 100, 160] {
        let mut a = DMatrix::zeros(n, n);
        for i in 0..n {
            a[((i + 1) % n, i)] = 1.0;
        }
        let complex = a.map(|x: f64| Complex::new(0.0, x));
        for (values, turn) in [(eigenvalues(&a), 1.0), (eigenvalues(&complex), 4.0)] {
            let values = values.unwrap();
            // Multiplied by i, a fourth root of 1, the n-th roots become 4n-th ones at most.
            let order = n as f64 * turn;
            for z in values.iter() {
                let k = (z.arg() / TAU * order).round();
                let error = (z - Complex::from_polar(1.0, TAU * k / order)).norm();
                assert!(error <= 10.0 * n as f64 * EPS, "n = {n}: {z} is off by {error:e}");
            }
            assert!(values.sum().norm() <= 30.0 * n as f64 * EPS);
        }
    }
}

#[test]
fn frank_s_ill_conditioned_eigenvalues_are_as_good_as_their_condition_allows() {
    // Frank's matrix of order 12: mpmath, 50 digits. The small ones have a condition near 1e7.
    let frank = DMatrix::from_fn(
        12,
        12,
        |i: usize, j: usize| {
            if j + 1 >= i { (12 - i.max(j)) as f64 } else { 0.0 }
        },
    );
    let exact = [
        0.0310280606440100151,
        0.0495074291852783034,
        0.0812276592404050401,
        0.143646519769220472,
        0.284749720558478201,
        0.643505319004855465,
        1.5539887091321069,
        3.51185594858075719,
        6.96153308556712211,
        12.3110774008685261,
        20.1989886458770794,
        32.2288915015721607,
    ];
    let mut values: Vec<f64> = eigenvalues(&frank).unwrap().iter().map(|z| z.re).collect();
    values.sort_by(f64::total_cmp);
    for (index, (value, exact)) in values.iter().zip(exact).enumerate() {
        let allowed = if index < 6 { 1e-6 } else { 1e-12 };
        assert!((value - exact).abs() <= allowed, "{index}: {value} for {exact}");
    }
}

#[test]
fn eigenvalues_of_a_real_matrix_are_exactly_conjugate_neighbors() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    for n in [2, 5, 9, 40, 150] {
        let a = DMatrix::from_fn(n, n, |_, _| rng.sample::<f64, _>(StandardNormal));
        let values = eigenvalues(&a).unwrap();
        let mut index = 0;
        while index < n {
            if values[index].im == 0.0 {
                index += 1;
                continue;
            }
            assert!(values[index].im > 0.0);
            assert_eq!(values[index].conj(), values[index + 1]);
            index += 2;
        }
    }
}

/// exp(2πi·k/n) to an eps: the quarter turns are exact, and no angle exceeds π/4.
fn unity(k: usize, n: usize) -> Complex<f64> {
    // 4k/n = quarter + rest/n, the nearest quarter.
    let quarter = (8 * k + n) / (2 * n);
    let angle = TAU * ((4 * k) as f64 - (quarter * n) as f64) / (4 * n) as f64;
    let z = Complex::from_polar(1.0, angle);
    match quarter % 4 {
        0 => z,
        1 => Complex::new(-z.im, z.re),
        2 => -z,
        _ => Complex::new(z.im, -z.re),
    }
}

/// The largest distance of a root from the nearest n-th root of 1, and whether all are met.
fn distance_from_unity(values: &[Complex<f64>]) -> f64 {
    let n = values.len();
    let mut met = vec![false; n];
    let mut worst = 0.0_f64;
    for z in values {
        let k = (z.arg() / TAU * n as f64).round().rem_euclid(n as f64) as usize;
        met[k] = true;
        worst = worst.max((z - unity(k, n)).norm());
    }
    if met.iter().all(|&met| met) { worst } else { f64::INFINITY }
}

#[test]
fn roots_of_unity_are_found_within_twenty_sweeps() {
    for n in 1..=256 {
        let mut coefficients = vec![0.0; n + 1];
        coefficients[0] = -1.0;
        coefficients[n] = 1.0;
        let found = roots(&coefficients).unwrap();
        assert!(found.sweeps <= 20, "n = {n}: {} sweeps", found.sweeps);
        let worst = distance_from_unity(&found.values);
        // |p′| = n there: stopping at √n·eps·(|c₀| + |cₙ|) leaves 2·eps/√n, the rounding of n
        // complex products, √5/2·eps each, 1.2·eps; and half an eps each for z and its reference.
        assert!(worst <= 4.0 * EPS, "n = {n}: {}", worst / EPS);
    }
}

#[test]
fn wilkinsons_polynomial_has_a_small_backward_error_and_says_how_far_off_the_roots_are() {
    // ∏ (z − k), k = 1…20: the coefficients, up to 1.4e19, are rounded from exact integers.
    let mut exact = vec![1_i128];
    for k in 1..=20_i128 {
        let mut next = vec![0; exact.len() + 1];
        for (power, c) in exact.iter().enumerate() {
            next[power] -= k * c;
            next[power + 1] += c;
        }
        exact = next;
    }
    let coefficients: Vec<f64> = exact.iter().map(|&c| c as f64).collect();
    let found = roots(&coefficients).unwrap();
    assert!(found.backward_errors.iter().all(|&error| error <= 20.0 * EPS));
    let mut worst = 0.0_f64;
    for (z, condition) in found.values.iter().zip(&found.conditions) {
        let k = z.re.round();
        let error = (z - k).norm() / k;
        worst = worst.max(error);
        // First order: the coefficients' own rounding and the backward error, √20 + ½ eps.
        assert!(error <= 10.0 * EPS * condition, "{z}: {error:e}, condition {condition:e}");
    }
    // Not a defect: half of the digits of these roots are not in the coefficients.
    assert!(worst > 1e-6);
}

#[test]
fn random_polynomials_have_backward_errors_below_degree_eps() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    for case in 0..2000 {
        let degree = rng.random_range(1..=40);
        // Independent, graded up or down, or from clustered roots.
        let grade = rng.random_range(-3.0..3.0);
        let mut coefficients: Vec<Complex<f64>> = (0..=degree)
            .map(|k| {
                let size = 10.0_f64.powf(grade * f64::from(k));
                let mut part = || rng.sample::<f64, _>(StandardNormal) * size;
                Complex::new(part(), if case % 2 == 0 { 0.0 } else { part() })
            })
            .collect();
        if case % 5 == 0 {
            coefficients = vec![Complex::new(1.0, 0.0)];
            for _ in 0..degree {
                let root = Complex::new(rng.random_range(1..=3).into(), 0.0);
                let mut next = vec![Complex::ZERO; coefficients.len() + 1];
                for (power, c) in coefficients.iter().enumerate() {
                    next[power] -= root * c;
                    next[power + 1] += c;
                }
                coefficients = next;
            }
        }
        let found = roots(&coefficients).unwrap();
        let worst = found.backward_errors.iter().fold(0.0_f64, |w, &e| w.max(e));
        assert!(worst <= f64::from(degree.max(2)) * EPS, "case {case}: {} eps", worst / EPS);
        assert_eq!(found.values.len(), coefficients.len() - 1);
    }
}

#[test]
fn roots_far_apart_zero_and_at_the_ends_of_the_range_are_found() {
    // (z − 1e-8)(z − 1)(z − 1e8)
    let found = roots(&[-1.0, 1e8 + 1.0 + 1e-8, -(1e8 + 1.0 + 1e-8), 1.0]).unwrap();
    let mut moduli: Vec<f64> = found.values.iter().map(|z| z.norm()).collect();
    moduli.sort_by(f64::total_cmp);
    for (modulus, exact) in moduli.iter().zip([1e-8, 1.0, 1e8]) {
        assert!((modulus / exact - 1.0).abs() <= 16.0 * EPS);
    }
    // z³·(z² + 1e-300·z⁰) and a trailing zero coefficient.
    let found = roots(&[0.0, 0.0, 0.0, 1e-300, 0.0, 1.0, 0.0]).unwrap();
    assert_eq!(found.values.iter().filter(|z| **z == Complex::ZERO).count(), 3);
    let others: Vec<_> = found.values.iter().filter(|z| **z != Complex::ZERO).collect();
    assert_eq!(others.len(), 2);
    for z in others {
        assert!((z.im.abs() / 1e-150 - 1.0).abs() <= 4.0 * EPS && z.re.abs() <= 1e-165);
    }
    // Huge and tiny coefficients; the scale of all of them does not matter.
    let found = roots(&[3e307, -4e307, 1e307]).unwrap();
    let sum: Complex<f64> = found.values.iter().sum();
    assert!((sum - 4.0).norm() <= 8.0 * EPS);
    let found = roots(&[3e-307, -4e-307, 1e-307]).unwrap();
    let product: Complex<f64> = found.values.iter().product();
    assert!((product - 3.0).norm() <= 16.0 * EPS);
    // Single precision and complex coefficients: z² = i.
    let i = Complex::new(0.0_f32, 1.0);
    let found = roots(&[-i, Complex::ZERO, Complex::ONE]).unwrap();
    assert!(found.values.iter().all(|z| (z * z - Complex::new(0.0, 1.0)).norm() <= 4.0 * EPS));
}

#[test]
fn degenerate_polynomials_are_answered_or_refused_by_name() {
    assert!(roots(&[5.0]).unwrap().values.is_empty());
    assert!(roots(&[5.0, 0.0, 0.0]).unwrap().values.is_empty());
    let found = roots(&[0.0, 2.0]).unwrap();
    assert_eq!((found.values[0], found.backward_errors[0]), (Complex::ZERO, 0.0));
    let found = roots(&[-6.0, 2.0]).unwrap();
    assert!((found.values[0] - 3.0).norm() <= 2.0 * EPS);

    let texts = [
        (
            roots::<f64>(&[]),
            "coefficients is empty (0 x 1); at least one row and one column are needed",
        ),
        (roots(&[0.0, 0.0]), "coefficients is 0, expected a coefficient other than zero"),
        (roots(&[1.0, f64::NAN]), "coefficients[1, 0] is NaN, and every entry must be finite"),
        (roots(&[1e300, 1e-300]), "coefficients is"),
    ];
    for (result, text) in texts {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(text), "{message}");
    }
    let gave_up = Error::NoConvergence { algorithm: "polynomial roots", rows: 7, columns: 1 };
    assert_eq!(gave_up.to_string(), "polynomial roots did not converge on a 7 x 1 matrix");
}
