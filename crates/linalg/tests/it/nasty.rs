//! LAPACK's catalogue of nasty matrices (`TESTING/LIN/dlatb4.f`) in all four precisions: residual
//! ratios below its threshold of 30.

use linalg::{
    Complex, DMatrix, DVector, Error, HermitianEigen, PseudoInverse, Scalar, Svd, condition_number,
    eigenvalues, hermitian_eigenvalues, singular_values,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

pub(super) const THRESHOLD: f64 = 30.0;
pub(super) const SIZES: [usize; 6] = [1, 2, 3, 5, 10, 50];
pub(super) const KINDS: usize = 11;

/// A scalar that tests can make of two numbers and read back exactly.
pub(super) trait Entry: Scalar {
    fn entry(re: f64, im: f64) -> Self;
    fn wide(self) -> Complex<f64>;
}

macro_rules! entry {
    ($type:ty, $re:ident, $im:ident, $make:expr, $self:ident, $wide:expr) => {
        impl Entry for $type {
            fn entry($re: f64, $im: f64) -> Self {
                $make
            }
            fn wide($self) -> Complex<f64> {
                $wide
            }
        }
    };
}

entry!(f32, re, _im, re as f32, self, Complex::new(self.into(), 0.0));
entry!(f64, re, _im, re, self, Complex::new(self, 0.0));
entry!(
    Complex<f32>,
    re,
    im,
    Complex::new(re as f32, im as f32),
    self,
    Complex::new(self.re.into(), self.im.into())
);
entry!(Complex<f64>, re, im, Complex::new(re, im), self, self);

/// Kind `kind` of size m × n: zero, identity, diagonal, triangular, a zero column, half of them
/// zero, random, two ill-conditioned ones, and two whose squares leave the range.
pub(super) fn nasty<T: Entry>(
    kind: usize,
    m: usize,
    n: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> DMatrix<T> {
    let k = m.min(n);
    let mut random = DMatrix::from_fn(m, n, |_, _| {
        Complex::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
    });
    let conditioned = |rng: &mut Xoshiro256PlusPlus, condition: f64| {
        // Singular values from 1 down to 1/condition, geometrically, between reflections.
        let value = |i: usize| condition.powf(-(i as f64) / (k.max(2) - 1) as f64);
        let sigma =
            DMatrix::from_fn(m, n, |i, j| Complex::from(if i == j { value(i) } else { 0.0 }));
        reflection(m, rng) * sigma * reflection(n, rng)
    };
    let tiny = T::MIN_POSITIVE / T::EPSILON;
    let keep = |random: &DMatrix<Complex<f64>>, kept: fn(usize, usize) -> bool| {
        DMatrix::from_fn(m, n, |i, j| if kept(i, j) { random[(i, j)] } else { Complex::ZERO })
    };
    match kind {
        0 => random.fill(Complex::ZERO),
        1 => random = DMatrix::identity(m, n),
        2 => random = keep(&random, |i, j| i == j),
        3 => random = keep(&random, |i, j| i <= j),
        4 => random.column_mut(0).fill(Complex::ZERO),
        5 => random.columns_mut(n / 2, n - n / 2).fill(Complex::ZERO),
        6 => {}
        7 => random = conditioned(rng, (0.1 / T::EPSILON).sqrt()),
        8 => random = conditioned(rng, 0.1 / T::EPSILON),
        9 => random *= Complex::from(tiny),
        _ => random *= Complex::from(1.0 / (8.0 * n as f64 * tiny)),
    }
    random.map(|z| T::entry(z.re, z.im))
}

/// I − 2·v·vᴴ/‖v‖².
pub(super) fn reflection(n: usize, rng: &mut Xoshiro256PlusPlus) -> DMatrix<Complex<f64>> {
    let v = DVector::from_fn(n, |_, _| {
        Complex::new(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
    });
    let scale = Complex::from(2.0 / v.norm_squared());
    DMatrix::identity(n, n) - &v * v.adjoint() * scale
}

/// The matrix in double precision times 2^`exponent`, so that norms neither over- nor underflow.
pub(super) fn wide<T: Entry>(a: &DMatrix<T>, exponent: i32) -> DMatrix<Complex<f64>> {
    let half = Complex::from(2.0_f64.powi(exponent / 2));
    a.map(|entry| entry.wide() * half * half)
}

/// An even exponent that brings the largest entry near 1.
pub(super) fn leveling<T: Entry>(a: &DMatrix<T>) -> i32 {
    let largest = a.iter().fold(0.0_f64, |l, x| l.max(x.wide().re.abs()).max(x.wide().im.abs()));
    if largest == 0.0 { 0 } else { -(largest.log2() / 2.0).floor() as i32 * 2 }
}

pub(super) fn departure(q: &DMatrix<Complex<f64>>) -> f64 {
    (q.adjoint() * q - DMatrix::identity(q.ncols(), q.ncols())).norm()
}

fn svd_ratios<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for kind in 0..KINDS {
        for m in SIZES {
            for n in SIZES {
                let a = nasty::<T>(kind, m, n, &mut rng);
                let exponent = leveling(&a);
                let level = 2.0_f64.powi(exponent / 2);
                let svd = Svd::new(&a).unwrap();
                let sigma = svd.singular_values.map(|value| Complex::from(value * level * level));
                let (u, v, a_wide) = (wide(&svd.u, 0), wide(&svd.v, 0), wide(&a, exponent));
                let residual = (&a_wide - &u * DMatrix::from_diagonal(&sigma) * v.adjoint()).norm();
                let scale = m.max(n) as f64 * T::EPSILON;
                let relative = residual / a_wide.norm().max(f64::MIN_POSITIVE);
                let ratio = relative.max(departure(&u)).max(departure(&v)) / scale;
                assert!(ratio < THRESHOLD, "kind {kind}, {m} x {n}: ratio {ratio}");
                let alone = singular_values(&a).unwrap();
                let apart = (alone - &svd.singular_values).amax();
                let allowed = THRESHOLD * m.max(n) as f64 * f64::EPSILON * svd.singular_values[0];
                assert!(
                    apart <= allowed,
                    "kind {kind}, {m} x {n}: values alone differ by {apart:e}"
                );
            }
        }
    }
}

#[test]
fn singular_values_of_nasty_matrices_pass_lapacks_threshold() {
    svd_ratios::<f32>(1);
    svd_ratios::<f64>(2);
    svd_ratios::<Complex<f32>>(3);
    svd_ratios::<Complex<f64>>(4);
}

fn hermitian_ratios<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for kind in 0..KINDS {
        for n in SIZES {
            let square = nasty::<T>(kind, n, n, &mut rng);
            // The sum of a matrix and its adjoint is Hermitian to the last bit.
            let a = DMatrix::from_fn(n, n, |i, j| {
                let (x, y) = (square[(i, j)].wide(), square[(j, i)].wide().conj());
                T::entry(0.5 * x.re + 0.5 * y.re, 0.5 * x.im + 0.5 * y.im)
            });
            let exponent = leveling(&a);
            let level = 2.0_f64.powi(exponent / 2);
            let eigen = HermitianEigen::new(&a).unwrap();
            let lambda = eigen.values.map(|value| Complex::from(value * level * level));
            let (v, a_wide) = (wide(&eigen.vectors, 0), wide(&a, exponent));
            let residual = (&a_wide * &v - &v * DMatrix::from_diagonal(&lambda)).norm();
            let relative = residual / a_wide.norm().max(f64::MIN_POSITIVE);
            let ratio = relative.max(departure(&v)) / (n as f64 * T::EPSILON);
            assert!(ratio < THRESHOLD, "kind {kind}, size {n}: ratio {ratio}");
            let alone = hermitian_eigenvalues(&a).unwrap();
            let apart = (alone - &eigen.values).amax();
            let allowed = THRESHOLD * n as f64 * f64::EPSILON * eigen.values.amax();
            assert!(apart <= allowed, "kind {kind}, size {n}: values alone differ by {apart:e}");
        }
    }
}

#[test]
fn hermitian_eigenvalues_of_nasty_matrices_pass_lapacks_threshold() {
    hermitian_ratios::<f32>(5);
    hermitian_ratios::<f64>(6);
    hermitian_ratios::<Complex<f32>>(7);
    hermitian_ratios::<Complex<f64>>(8);
}

/// The smallest singular value of A − λI is the backward error of λ, for each of them.
fn eigenvalue_ratios<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for kind in 0..KINDS {
        for n in SIZES {
            let a = nasty::<T>(kind, n, n, &mut rng);
            let exponent = leveling(&a);
            let level = 2.0_f64.powi(exponent / 2);
            let a_wide = wide(&a, exponent);
            let norm = a_wide.norm().max(f64::MIN_POSITIVE);
            for value in eigenvalues(&a).unwrap().iter() {
                let mut shifted = a_wide.clone();
                for i in 0..n {
                    shifted[(i, i)] -= value * level * level;
                }
                let smallest = singular_values(&shifted).unwrap()[n - 1];
                let ratio = smallest / (norm * n as f64 * f64::EPSILON);
                assert!(ratio < THRESHOLD, "kind {kind}, size {n}: ratio {ratio}");
            }
        }
    }
}

#[test]
fn eigenvalues_of_nasty_matrices_pass_lapacks_threshold() {
    eigenvalue_ratios::<f32>(9);
    eigenvalue_ratios::<f64>(10);
    eigenvalue_ratios::<Complex<f32>>(11);
    eigenvalue_ratios::<Complex<f64>>(12);
}

/// Penrose's conditions for X = A⁺, relative to what rounding A⁺ costs: each is multiplied through
/// by A once or twice, which amplifies eps·‖A⁺‖ by ‖A‖, that is by the condition number.
fn penrose<T: Entry>(a: &DMatrix<T>) -> f64 {
    let inverse = PseudoInverse::new(a).unwrap();
    let exponent = leveling(a);
    let (x, a) = (wide(&inverse.matrix(), -exponent), wide(a, exponent));
    let (ax, xa) = (&a * &x, &x * &a);
    let errors = [
        (&ax * &a - &a).norm() / a.norm(),
        (&xa * &x - &x).norm() / x.norm(),
        (ax.adjoint() - &ax).norm(),
        (xa.adjoint() - &xa).norm(),
    ];
    let size = a.nrows().max(a.ncols()) as f64;
    let scale = size * T::EPSILON * inverse.condition_number();
    errors.iter().fold(0.0_f64, |worst, error| worst.max(error / scale))
}

fn penrose_at_all_ranks<T: Entry>(seed: u64) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    for (m, n) in [(1, 1), (5, 5), (8, 3), (3, 8), (40, 12), (12, 40)] {
        for rank in 1..=m.min(n) {
            for exponent in [0, if T::EPSILON < 1e-10 { 300 } else { 30 }] {
                let mut entry = || rng.random_range(-1.0..1.0);
                let left = DMatrix::from_fn(m, rank, |_, _| Complex::new(entry(), entry()));
                let right = DMatrix::from_fn(rank, n, |_, _| Complex::new(entry(), entry()));
                let product = if T::entry(0.0, 1.0).wide().im == 0.0 {
                    left.map(|z| Complex::from(z.re)) * right.map(|z| Complex::from(z.re))
                } else {
                    left * right
                };
                for scale in [2.0_f64.powi(exponent), 2.0_f64.powi(-exponent)] {
                    let a = product.map(|z| T::entry(z.re * scale, z.im * scale));
                    let inverse = PseudoInverse::new(&a).unwrap();
                    assert_eq!(inverse.rank(), rank, "{m} x {n}, {:?}", inverse.singular_values());
                    let ratio = penrose(&a);
                    assert!(ratio < THRESHOLD, "{m} x {n} of rank {rank}: ratio {ratio}");
                }
            }
        }
    }
}

#[test]
fn penroses_conditions_hold_at_all_ranks() {
    penrose_at_all_ranks::<f32>(13);
    penrose_at_all_ranks::<f64>(14);
    penrose_at_all_ranks::<Complex<f32>>(15);
    penrose_at_all_ranks::<Complex<f64>>(16);
}

#[test]
fn empty_rectangular_and_infinite_matrices_are_refused_by_name_and_index() {
    let empty = DMatrix::<f64>::zeros(0, 3);
    let expected = Error::Empty { argument: "a", rows: 0, columns: 3 };
    assert_eq!(Svd::new(&empty).unwrap_err(), expected);
    assert_eq!(condition_number(&empty).unwrap_err(), expected);
    assert_eq!(PseudoInverse::new(&empty).unwrap_err(), expected);
    assert_eq!(HermitianEigen::new(&empty).unwrap_err(), expected);
    assert_eq!(eigenvalues(&empty).unwrap_err(), expected);
    assert_eq!(
        expected.to_string(),
        "a is empty (0 x 3); at least one row and one column are needed"
    );

    let flat = DMatrix::from_element(2, 3, 1.0);
    let expected = Error::NotSquare { argument: "a", rows: 2, columns: 3 };
    assert_eq!(HermitianEigen::new(&flat).unwrap_err(), expected);
    assert_eq!(eigenvalues(&flat).unwrap_err(), expected);
    assert_eq!(expected.to_string(), "a is 2 x 3, and must be square");

    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut a = DMatrix::from_element(40, 40, 1.0);
        a[(7, 11)] = bad;
        let complex = a.map(|x| Complex::new(1.0, x));
        let refusals = [
            Svd::new(&a).unwrap_err(),
            singular_values(&a.map(|x| x as f32)).unwrap_err(),
            PseudoInverse::new(&a).unwrap_err(),
            HermitianEigen::new(&a).unwrap_err(),
            hermitian_eigenvalues(&complex).unwrap_err(),
            eigenvalues(&a).unwrap_err(),
            eigenvalues(&complex).unwrap_err(),
        ];
        for refusal in refusals {
            let expected = format!("a[7, 11] is {bad}, and every entry must be finite");
            assert_eq!(refusal.to_string(), expected);
        }
    }
}

#[test]
fn a_matrix_that_is_not_hermitian_is_refused_with_its_worst_pair() {
    let mut a = DMatrix::from_fn(5, 5, |i, j| (i + j) as f64);
    a[(3, 1)] = 4.5;
    let refusal = HermitianEigen::new(&a).unwrap_err();
    assert_eq!(refusal.to_string(), "a is not Hermitian: entries [3, 1] and [1, 3] differ by 5e-1");
    // An imaginary diagonal is as far from Hermitian.
    let mut a = DMatrix::from_diagonal_element(2, 2, Complex::new(1.0, 0.0));
    a[(1, 1)].im = 0.25;
    assert!(matches!(
        hermitian_eigenvalues(&a).unwrap_err(),
        Error::NotHermitian { row: 1, column: 1, difference: 0.5, .. }
    ));
    // Rounding is no reason to refuse.
    let mut a = DMatrix::from_fn(5, 5, |i, j| (i + j) as f64);
    a[(3, 1)] += 1e-12;
    assert!(HermitianEigen::new(&a).is_ok());
}

#[test]
fn a_norm_beyond_the_range_is_refused_and_not_infinite() {
    // σ₁ = n·x exceeds the largest number, x does not.
    let a = DMatrix::from_element(4, 4, f64::MAX / 2.0);
    let expected = Error::OutOfRange {
        argument: "a",
        value: f64::MAX / 2.0,
        expected: "entries whose norm does not overflow",
    };
    assert_eq!(Svd::new(&a).unwrap_err(), expected);
    assert_eq!(HermitianEigen::new(&a).unwrap_err(), expected);
    assert_eq!(eigenvalues(&a).unwrap_err(), expected);
    assert!(expected.to_string().ends_with("expected entries whose norm does not overflow"));
    // In single precision the values stay in double, where they fit.
    let a = DMatrix::from_element(4, 4, f32::MAX / 2.0);
    assert_eq!(Svd::new(&a).unwrap().singular_values[0], 2.0 * f64::from(f32::MAX));
}
