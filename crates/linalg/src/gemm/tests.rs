//! Products against the definition, on every instruction set that this machine has.
#![expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "tests: single precision is made of double, and exact numbers are compared exactly"
)]

use super::*;
use crate::{
    DMatrix, DMatrixView, Operand, Scalar, Threads, adjoint, affine, gemm, product, transpose,
};
use nalgebra::{Const, Dyn};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// Calls `test` once for each instruction set.
pub(crate) fn on_each_arch(test: impl Fn(&str)) {
    let mut archs = vec![("scalar", Arch::Scalar)];
    #[cfg(target_arch = "x86_64")]
    archs.extend(pulp::x86::V3::try_new().map(|simd| ("v3", Arch::V3(simd))));
    archs.push(("best", Arch::new()));
    for (name, arch) in archs {
        FORCED.set(Some(arch));
        test(name);
        FORCED.set(None);
    }
}

/// Entries whose parts are uniform in [-1, 1).
fn random<T: Scalar + Number>(rows: usize, columns: usize, seed: u64) -> DMatrix<T> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    DMatrix::from_fn(rows, columns, |_, _| {
        T::number(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0))
    })
}

/// What the tests need of a scalar.
trait Number {
    fn number(re: f64, im: f64) -> Self;
    fn wide(self) -> Complex<f64>;
}
impl Number for f32 {
    fn number(re: f64, _: f64) -> Self {
        re as Self
    }
    fn wide(self) -> Complex<f64> {
        Complex::new(self.into(), 0.0)
    }
}
impl Number for f64 {
    fn number(re: Self, _: Self) -> Self {
        re
    }
    fn wide(self) -> Complex<Self> {
        Complex::new(self, 0.0)
    }
}
impl Number for Complex<f32> {
    fn number(re: f64, im: f64) -> Self {
        Self::new(re as f32, im as f32)
    }
    fn wide(self) -> Complex<f64> {
        Complex::new(self.re.into(), self.im.into())
    }
}
impl Number for Complex<f64> {
    fn number(re: f64, im: f64) -> Self {
        Self::new(re, im)
    }
    fn wide(self) -> Self {
        self
    }
}

/// The factor that `operand` stands for, entry by entry.
fn explicit<T: Scalar>(operand: &Operand<'_, T>) -> DMatrix<T> {
    let (rows, columns) = operand.shape();
    DMatrix::from_fn(rows, columns, |i, j| {
        let (i, j) = if operand.is_transposed() { (j, i) } else { (i, j) };
        let entry = operand.stored_column(j)[i];
        if operand.is_conjugated() { entry.conj() } else { entry }
    })
}

/// The largest |error| of c ← alpha·a·b + beta·c over the bound (k + 4)·eps·(|alpha| |a| |b| +
/// |beta| |c|) on it, entry by entry (Higham, Accuracy and Stability, 2nd ed., section 3.5; a
/// complex product counts as two).
fn worst_ratio<T: Scalar + Number>(
    alpha: T,
    a: &Operand<'_, T>,
    b: &Operand<'_, T>,
    beta: T,
    before: &DMatrix<T>,
    after: &DMatrix<T>,
) -> f64 {
    let (a, b) = (explicit(a).map(Number::wide), explicit(b).map(Number::wide));
    let (alpha, beta) = (alpha.wide(), beta.wide());
    let mut worst = 0.0_f64;
    for i in 0..after.nrows() {
        for j in 0..after.ncols() {
            let terms = (0..a.ncols()).map(|k| a[(i, k)] * b[(k, j)]);
            let sum: Complex<f64> = terms.clone().sum();
            let size: f64 = terms.map(Complex::norm).sum();
            let old = if beta == Complex::default() {
                Complex::default()
            } else {
                beta * before[(i, j)].wide()
            };
            let bound =
                2.0 * T::EPSILON * (a.ncols() as f64 + 4.0) * (alpha.norm() * size + old.norm());
            let error = (after[(i, j)].wide() - (alpha * sum + old)).norm();
            worst = worst.max(if error == 0.0 { 0.0 } else { error / bound });
        }
    }
    worst
}

/// Sizes on both sides of every border: tiles, panels, the thin paths.
const SIZES: [(usize, usize, usize); 22] = [
    (1, 1, 1),
    (1, 7, 9),
    (9, 7, 1),
    (3, 1, 5),
    (2, 3, 2),
    (5, 4, 4),
    (4, 0, 3),
    (17, 2, 40),
    (8, 16, 12),
    (24, 9, 8),
    (25, 13, 9),
    (49, 33, 17),
    (130, 5, 3),
    (3, 70, 65),
    (65, 530, 6),
    (5, 530, 130),
    (100, 40, 70),
    (260, 7, 1),
    (130, 7, 1),
    (100, 7, 1),
    (301, 1, 6),
    (112, 20, 13),
];

fn agrees_with_the_definition<T: Scalar + Number>(arch: &str) {
    for (case, (m, k, n)) in SIZES.into_iter().enumerate() {
        let seed = case as u64;
        let (a, at) = (random::<T>(m, k, seed), random::<T>(k, m, seed + 100));
        let (b, bt) = (random::<T>(k, n, seed + 200), random::<T>(n, k, seed + 300));
        let c = random::<T>(m, n, seed + 400);
        let scales = [(1.0, 0.0), (1.0, 1.0), (-1.5, 0.75)];
        for a in [Operand::from(&a), transpose(&at), adjoint(&at)] {
            for b in [Operand::from(&b), transpose(&bt), adjoint(&bt)] {
                for (alpha, beta) in scales {
                    let (alpha, beta) = (T::number(alpha, 0.5), T::number(beta, 0.0));
                    let mut result = c.clone();
                    gemm(alpha, a, b, beta, result.as_view_mut(), Threads::One)
                        .expect("the shapes fit");
                    let ratio = worst_ratio(alpha, &a, &b, beta, &c, &result);
                    assert!(ratio <= 1.0, "{arch} {m} x {k} x {n} {a:?} {b:?}: {ratio}");
                }
            }
        }
    }
}

#[test]
fn products_agree_with_the_definition() {
    on_each_arch(|arch| {
        agrees_with_the_definition::<f32>(arch);
        agrees_with_the_definition::<f64>(arch);
        agrees_with_the_definition::<Complex<f32>>(arch);
        agrees_with_the_definition::<Complex<f64>>(arch);
    });
}

/// Offset and function are met once by each entry, in products of every path, in views, and in the bits of the product
/// without them.
#[test]
fn an_affine_map_is_its_product_with_what_is_around_it() {
    // The last two are of several blocks of columns and rows, the last with A in parts.
    let sizes = SIZES.into_iter().chain([(70, 600, 500), (800, 700, 9)]);
    let negated = |c: &mut [f64]| c.iter_mut().for_each(|c| *c = -*c);
    on_each_arch(|arch| {
        for (m, k, n) in sizes.clone() {
            let (a, b) = (random::<f64>(m, k, 1), random::<f64>(k, n, 2));
            let offset: Vec<f64> = (0..m).map(|i| 1.0 + i as f64).collect();
            let mut expected = DMatrix::from_fn(m, n, |i, _| offset[i]);
            gemm(1.0, &a, &b, 1.0, expected.as_view_mut(), Threads::One).expect("the shapes fit");
            // Other threads take the best instruction set, whatever is forced on this one.
            let all = [Threads::One, Threads::Pool];
            for &threads in if arch == "best" { &all[..] } else { &all[..1] } {
                let mut whole = DMatrix::from_element(m + 2, n + 2, f64::NAN);
                affine(&a, &b, &offset, &negated, whole.view_mut((1, 1), (m, n)), threads)
                    .expect("the shapes fit");
                assert!(whole.view((1, 1), (m, n)) == -&expected, "{arch} {m} x {k} x {n}");
                let written = whole.iter().filter(|c| !c.is_nan()).count();
                assert_eq!(written, m * n, "{arch} {m} x {k} x {n}");
            }
        }
    });
    let one = DMatrix::from_element(2, 2, 1.0);
    let mut c = DMatrix::zeros(2, 2);
    let short = affine(&one, &one, &[1.0], &negated, c.as_view_mut(), Threads::One);
    assert_eq!(short.unwrap_err().to_string(), "offset is 1 x 1, expected 2 x 1");
    let flat =
        affine(&one, &one, &[1.0; 3], &negated, DMatrix::zeros(3, 2).as_view_mut(), Threads::One);
    assert_eq!(flat.unwrap_err().to_string(), "c is 3 x 2, expected 2 x 2");
}

/// Few columns of B serve an A in its place; its transpose is always copied.
#[test]
fn a_factor_read_in_its_place_gives_the_bits_of_its_copy() {
    fn check<T: Scalar + Number>() {
        on_each_arch(|arch| {
            for (m, k, n) in [(130, 70, 50), (128, 600, 7), (200, 9, 256), (70, 530, 24)] {
                let (a, b) = (random::<T>(m, k, 1), random::<T>(k, n, 2));
                let turned = a.transpose();
                let before = random::<T>(m, n, 3);
                let result = |a: Operand<'_, T>| {
                    let (mut c, minus) = (before.clone(), T::number(-1.0, 0.0));
                    gemm(minus, a, &b, minus, c.as_view_mut(), Threads::One)
                        .expect("the shapes fit");
                    c
                };
                assert!(
                    result((&a).into()) == result(transpose(&turned)),
                    "{arch} {m} x {k} x {n}"
                );
            }
        });
    }
    check::<f32>();
    check::<f64>();
    check::<Complex<f32>>();
}

#[test]
fn where_a_matrix_lies_in_memory_changes_no_bit() {
    fn check<T: Scalar + Number>() {
        on_each_arch(|arch| {
            for (m, k) in [(256, 30), (130, 9), (64, 20)] {
                let (numbers, b) = (random::<T>(m * k + 16, 1, 1), random::<T>(k, 1, 2));
                let same = DMatrix::from_column_slice(m, k, &numbers.as_slice()[16..]);
                let expected = product(&same, &b).expect("the shapes fit");
                for start in 0..16 {
                    let mut moved = numbers.clone();
                    moved.as_mut_slice()[start..][..m * k].copy_from_slice(same.as_slice());
                    let a = DMatrixView::from_slice(&moved.as_slice()[start..], m, k);
                    let result = product(a, &b).expect("the shapes fit");
                    assert!(result == expected, "{arch} {m} x {k} from {start}");
                }
            }
        });
    }
    check::<f32>();
    check::<f64>();
    check::<Complex<f32>>();
}

#[test]
fn zero_beta_overwrites_what_was_not_a_number() {
    on_each_arch(|arch| {
        for (m, k, n) in SIZES {
            let mut c = DMatrix::from_element(m, n, f64::NAN);
            let (a, b) = (random::<f64>(m, k, 1), random::<f64>(k, n, 2));
            gemm(1.0, &a, &b, 0.0, c.as_view_mut(), Threads::One).expect("the shapes fit");
            assert!(c.iter().all(|c| c.is_finite()), "{arch} {m} x {k} x {n}");
        }
    });
}

#[test]
fn an_infinity_reaches_only_its_own_row() {
    on_each_arch(|arch| {
        for (m, k, n) in [(5, 3, 1), (30, 6, 2), (30, 50, 20)] {
            let mut a = random::<f64>(m, k, 1);
            a[(2, k - 1)] = f64::INFINITY;
            let mut c = DMatrix::zeros(m, n);
            let b = DMatrix::from_element(k, n, 1.0);
            gemm(1.0, &a, &b, 0.0, c.as_view_mut(), Threads::One).expect("the shapes fit");
            for (index, &entry) in c.iter().enumerate() {
                assert_eq!(entry == f64::INFINITY, index % m == 2, "{arch} {m} x {k} x {n}");
            }
        }
    });
}

#[test]
fn views_are_read_and_written_in_their_place() {
    let (whole_a, whole_b) = (random::<f64>(50, 40, 1), random::<f64>(40, 60, 2));
    let before = random::<f64>(45, 45, 3);
    for (m, k, n) in [(20, 12, 15), (20, 12, 1), (1, 12, 20), (3, 2, 30)] {
        let a: DMatrixView<'_, f64> = whole_a.view((7, 5), (m, k));
        let b = whole_b.view((3, 11), (k, n));
        let mut whole_c = before.clone();
        gemm(2.0, a, b, -1.0, whole_c.view_mut((4, 6), (m, n)), Threads::One)
            .expect("the shapes fit");
        let old = before.view((4, 6), (m, n)).into_owned();
        let new = whole_c.view((4, 6), (m, n)).into_owned();
        assert!(worst_ratio(2.0, &a.into(), &b.into(), -1.0, &old, &new) <= 1.0);
        whole_c.view_mut((4, 6), (m, n)).copy_from(&old);
        assert_eq!(whole_c, before, "nothing outside the view is written");
    }
}

#[test]
fn overlapping_columns_are_a_convolution() {
    let samples: Vec<f64> = (0..200).map(|i| (f64::from(i) * 0.3).sin()).collect();
    let weights = random::<f64>(7, 9, 5);
    let windows = Operand::from_slice(&samples, 9, 60, 3).expect("the slice is long enough");
    let mut c = DMatrix::zeros(7, 60);
    gemm(1.0, &weights, windows, 0.0, c.as_view_mut(), Threads::One).expect("the shapes fit");
    let patches = DMatrix::from_fn(9, 60, |i, j| samples[3 * j + i]);
    let ratio = worst_ratio(1.0, &(&weights).into(), &(&patches).into(), 0.0, &c, &c);
    assert!(ratio <= 1.0, "{ratio}");
    let view =
        DMatrixView::from_slice_with_strides_generic(&samples, Dyn(9), Dyn(60), Const::<1>, Dyn(3));
    assert_eq!(explicit(&windows), explicit(&Operand::from(view)));
}

#[test]
fn only_the_lower_triangle_is_promised() {
    let a = random::<f64>(130, 20, 1);
    let before = random::<f64>(130, 130, 2);
    let mut c = before.clone();
    let job = Job {
        alpha: -1.0,
        a: (&a).into(),
        b: transpose(&a),
        beta: 1.0,
        lower: Some(0),
        around: None,
    };
    multiply(&job, c.as_view_mut(), Threads::Pool);
    let full = &before - &a * a.transpose();
    let far = (0, 129);
    assert_eq!(c[far], before[far], "a tile above the diagonal is left alone");
    for j in 0..130 {
        for i in j..130 {
            // Two orders of adding 20 products of numbers below 1.
            assert!((c[(i, j)] - full[(i, j)]).abs() <= 40.0 * f64::EPSILON * 20.0);
        }
    }
}

#[cfg(feature = "parallel")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    fn check<T: Scalar + Number>() {
        // Enough work for four pieces, along both sides of C, and a matrix times a vector.
        for (m, k, n) in [(301, 200, 203), (150, 260, 301), (3000, 3100, 1), (1, 3000, 3100)] {
            let (a, b) = (random::<T>(m, k, 1), random::<T>(k, n, 2));
            let result = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let mut c = random::<T>(m, n, 3);
                let (alpha, beta) = (T::number(1.5, 0.5), T::number(0.5, 0.0));
                pool.expect("a pool").install(|| {
                    gemm(alpha, &a, &b, beta, c.as_view_mut(), Threads::Pool)
                        .expect("the shapes fit");
                });
                c
            };
            let one = result(1);
            for threads in 2..=4 {
                assert!(result(threads) == one, "{m} x {k} x {n} on {threads} threads");
            }
        }
    }
    check::<f32>();
    check::<f64>();
    check::<Complex<f64>>();
}
