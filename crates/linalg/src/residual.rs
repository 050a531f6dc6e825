//! Residual ratios in LAPACK's sense: how many units of rounding a result is off.
//!
//! A ratio is a residual over eps, over the norms of what went in, and over the size where
//! rounding grows with it; eps is the unit roundoff, 2⁻⁵³ or 2⁻²⁴. It is about 1 for a backward
//! stable algorithm, whatever the condition and the scale of the problem, and LAPACK's own tests
//! pass "if test ratio is less than 30.00": [`THRESHOLD`]. The formulas are those that its
//! programs TESTING/LIN and TESTING/EIG print before their results.
//!
//! LAPACK passes a ratio that is NaN, and calls a zero matrix special. Here a residual with a NaN
//! in it has the ratio ∞, an exact result has the ratio 0, zero matrices included, and otherwise
//! no norm counts as less than the smallest normal number.
//!
//! # Examples
//! ```
//! use linalg::{DMatrix, residual};
//! let a = DMatrix::from_row_slice(2, 2, &[4.0, 3.0, 6.0, 3.0]);
//! let b = DMatrix::from_row_slice(2, 1, &[7.0, 9.0]);
//! let exact = DMatrix::from_row_slice(2, 1, &[1.0, 1.0]);
//! assert_eq!(residual::solve(&a, &exact, &b)?, 0.0);
//! // Half the digits wrong is 2²⁶ eps wrong, and it shows.
//! let wrong = exact * (1.0 + f64::EPSILON.sqrt());
//! assert!(residual::solve(&a, &wrong, &b)? > 1e6 * residual::THRESHOLD);
//! # Ok::<(), linalg::Error>(())
//! ```

use crate::operator::check_shape;
use crate::{DMatrix, DVector, Error, Result, Scalar, adjoint, product};

/// A ratio below this passes LAPACK's tests.
pub const THRESHOLD: f64 = 30.0;

/// ‖A − P‖₁/(n·‖A‖₁·eps) for the product P of a factorisation's factors, n the larger side of A.
///
/// P is L·U (rows permuted back), Q·R, L·Lᴴ, U·Σ·Vᴴ or V·Λ·Vᴴ. In LAPACK's words (DGET01):
/// `norm( L * U - A ) / ( N * norm(A) * EPS )`.
///
/// # Errors
/// [`Error::Shape`] where `product` has not the shape of `a`.
pub fn factorization<T: Scalar>(a: &DMatrix<T>, product: &DMatrix<T>) -> Result<f64> {
    check_shape("product", a.shape(), product.shape())?;
    let unit = unit_of(a);
    let (a, product) = (divided(a, unit), divided(product, unit));
    let n = a.nrows().max(a.ncols()) as f64;
    Ok(ratio::<T>(norm_1(&(product - &a)), &[n, norm_1(&a)]))
}

/// ‖b − A·x‖₁/(‖A‖₁·‖x‖₁·eps), the largest over the columns x of X and b of B (DGET02):
/// `norm( B - A * X ) / ( norm(A) * norm(X) * EPS )`.
///
/// # Errors
/// [`Error::Shape`] where `x` has not as many rows as A has columns, or `b` not the rows of A and
/// the columns of `x`.
pub fn solve<T: Scalar>(a: &DMatrix<T>, x: &DMatrix<T>, b: &DMatrix<T>) -> Result<f64> {
    check_shape("x", (a.ncols(), x.ncols()), x.shape())?;
    check_shape("b", (a.nrows(), x.ncols()), b.shape())?;
    let unit = unit_of(a);
    let a = divided(a, unit);
    let a_norm = norm_1(&a);
    let mut worst = 0.0_f64;
    for j in 0..x.ncols() {
        let (x, b) = (x.columns(j, 1).into_owned(), b.columns(j, 1).into_owned());
        let x_unit = unit_of(&x);
        let (x, b) = (divided(&x, x_unit), divided(&divided(&b, x_unit), unit));
        let r = b - product(&a, &x)?;
        worst = worst.max(ratio::<T>(norm_1(&r), &[a_norm, norm_1(&x)]));
    }
    Ok(worst)
}

/// ‖I − A·B‖₁/(n·‖A‖₁·‖B‖₁·eps) for an inverse B of A (DGET03):
/// `norm( I - A*AINV ) / ( N * norm(A) * norm(AINV) * EPS )`.
///
/// # Errors
/// [`Error::NotSquare`], and [`Error::Shape`] where `inverse` has not the shape of `a`.
pub fn inverse<T: Scalar>(a: &DMatrix<T>, inverse: &DMatrix<T>) -> Result<f64> {
    check_square(a)?;
    check_shape("inverse", a.shape(), inverse.shape())?;
    let (unit, other) = (unit_of(a), unit_of(inverse));
    let (a, b) = (divided(a, unit), divided(inverse, other));
    let one = divided(&divided(&DMatrix::identity(a.nrows(), a.nrows()), unit), other);
    let r = one - product(&a, &b)?;
    Ok(ratio::<T>(norm_1(&r), &[a.nrows() as f64, norm_1(&a), norm_1(&b)]))
}

/// ‖I − Qᴴ·Q‖₁/(m·eps) for a Q with m rows and orthonormal columns (DORT01):
/// `norm( I - Q'*Q ) / ( M * EPS )`. For orthonormal rows give Qᴴ.
#[must_use]
pub fn orthogonality<T: Scalar>(q: &DMatrix<T>) -> f64 {
    // The one error of a product is shapes that do not fit, and these do.
    let Ok(gram) = product(adjoint(q), q) else { return f64::INFINITY };
    let r = DMatrix::identity(q.ncols(), q.ncols()) - gram;
    ratio::<T>(norm_1(&r), &[q.nrows() as f64])
}

/// ‖A·V − V·diag(λ)‖₁/(‖A‖₁·‖V‖₁·eps) for eigenvalues λ and eigenvectors V (DGET22):
/// `norm( A*E - E*W ) / ( norm(A) * norm(E) * ULP )`.
///
/// A real matrix with complex eigenvalues is given with complex entries.
///
/// # Errors
/// [`Error::NotSquare`], and [`Error::Shape`] where `values` has not one entry for each column of
/// `vectors`, or `vectors` not the rows of `a`.
pub fn eigen<T: Scalar>(a: &DMatrix<T>, values: &DVector<T>, vectors: &DMatrix<T>) -> Result<f64> {
    check_square(a)?;
    check_shape("vectors", (a.nrows(), vectors.ncols()), vectors.shape())?;
    check_shape("values", (vectors.ncols(), 1), values.shape())?;
    let unit = unit_of(a);
    let a = divided(a, unit);
    let mut r = product(&a, vectors)?;
    for (j, value) in values.iter().enumerate() {
        let value = value.unscale(nalgebra::convert(unit));
        for i in 0..r.nrows() {
            r[(i, j)] -= vectors[(i, j)] * value;
        }
    }
    Ok(ratio::<T>(norm_1(&r), &[norm_1(&a), norm_1(vectors)]))
}

/// ‖Aᴴ·R‖₁/(‖A‖₁·‖B‖₁·max(m, n, k)·eps) with R = B − A·X, for k least-squares solutions: how far
/// the residual is from orthogonal to the columns of A (DQRT17 with IRESID = 1).
///
/// # Errors
/// As [`solve`].
pub fn least_squares<T: Scalar>(a: &DMatrix<T>, x: &DMatrix<T>, b: &DMatrix<T>) -> Result<f64> {
    check_shape("x", (a.ncols(), x.ncols()), x.shape())?;
    check_shape("b", (a.nrows(), x.ncols()), b.shape())?;
    let (unit, b_unit) = (unit_of(a), unit_of(b));
    let (a, b) = (divided(a, unit), divided(b, b_unit));
    // A·X in units of B, whichever of its factors is the large one.
    let x = divided(x, b_unit / unit);
    let r = &b - product(&a, &x)?;
    let size = a.nrows().max(a.ncols()).max(b.ncols()) as f64;
    Ok(ratio::<T>(norm_1(&product(adjoint(&a), &r)?), &[norm_1(&a), norm_1(&b), size]))
}

/// The largest sum of |aᵢⱼ| over a column; a NaN shows.
fn norm_1<T: Scalar>(a: &DMatrix<T>) -> f64 {
    let sums =
        a.column_iter().map(|column| column.iter().map(|x| T::real_to_f64(x.modulus())).sum());
    sums.fold(
        0.0,
        |largest: f64, sum: f64| if sum > largest || sum.is_nan() { sum } else { largest },
    )
}

fn ratio<T: Scalar>(residual: f64, scales: &[f64]) -> f64 {
    if residual == 0.0 {
        return 0.0;
    }
    // One after the other: the product of the scales may overflow.
    let over = scales.iter().fold(residual, |ratio, &scale| ratio / scale.max(T::MIN_POSITIVE));
    let ratio = over / (T::EPSILON / 2.0);
    if ratio.is_nan() { f64::INFINITY } else { ratio }
}

/// A power of two about the largest entry, in whose units nothing overflows; 1 for a zero matrix.
fn unit_of<T: Scalar>(a: &DMatrix<T>) -> f64 {
    let largest = a.iter().fold(0.0_f64, |largest, x| {
        largest.max(T::real_to_f64(x.real()).abs()).max(T::real_to_f64(x.imaginary()).abs())
    });
    if largest == 0.0 || !largest.is_finite() {
        return 1.0;
    }
    // The exponent alone, not below that of the smallest normal number.
    f64::from_bits(largest.max(T::MIN_POSITIVE).to_bits() & (0x7ff << 52))
}

fn divided<T: Scalar>(a: &DMatrix<T>, unit: f64) -> DMatrix<T> {
    a.map(|x| x.unscale(nalgebra::convert(unit)))
}

fn check_square<T: Scalar>(a: &DMatrix<T>) -> Result<()> {
    if a.is_square() {
        return Ok(());
    }
    Err(Error::NotSquare { argument: "a", rows: a.nrows(), columns: a.ncols() })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact is compared exactly")]
mod tests {
    use super::*;
    use crate::operator::tests::{random, random_complex};
    use crate::{Complex, Lu, Real};

    /// A relative error of one unit roundoff everywhere.
    fn rounded(a: &DMatrix<f64>) -> DMatrix<f64> {
        a.map(|x| x * (1.0 + f64::EPSILON))
    }

    #[test]
    fn ratios_are_those_of_the_formulas() {
        let eps = f64::EPSILON / 2.0;
        let a = DMatrix::from_row_slice(2, 2, &[1.0, -2.0, 3.0, 4.0]); // ‖A‖₁ = 6
        let off = DMatrix::from_row_slice(2, 2, &[0.25, 0.0, 0.25, 0.125]); // ‖·‖₁ = 0.5
        let near = |found: f64, expected: f64| {
            let limit = 1e-12 * expected;
            assert!((found - expected).abs() <= limit, "{found:e}, expected {expected:e}");
        };
        near(factorization(&a, &(&a + &off)).unwrap(), 0.5 / (2.0 * 6.0 * eps));
        let (x, b) = (DMatrix::from_row_slice(2, 1, &[1.0, 2.0]), DMatrix::zeros(2, 1));
        near(solve(&a, &x, &b).unwrap(), (3.0 + 11.0) / (6.0 * 3.0 * eps));
        // I − A·B has the columns (1.25, −1.75) and (0.25, 0.5).
        near(inverse(&a, &off).unwrap(), 3.0 / (2.0 * 6.0 * 0.5 * eps));
        near(orthogonality(&off), 1.015625 / (2.0 * eps));
        let values = DVector::from_vec(vec![1.0, 1.0]);
        near(eigen(&a, &values, &DMatrix::identity(2, 2)).unwrap(), 5.0 / (6.0 * eps));
        // Aᵀ·(B − A·0) = (7, 2) for B = (1, 2).
        let (zero, b) = (DMatrix::zeros(2, 1), DMatrix::from_row_slice(2, 1, &[1.0, 2.0]));
        near(least_squares(&a, &zero, &b).unwrap(), (7.0 + 6.0) / (6.0 * 3.0 * 2.0 * eps));
    }

    #[test]
    fn stable_results_are_below_the_threshold_and_rounded_ones_about_one() {
        for n in [1, 2, 5, 30] {
            let (a, b) = (random(n, n, n as u64), random(n, 2, 99));
            let lu = Lu::new(a.clone()).unwrap();
            let x = lu.solve_many(&b).unwrap();
            assert!(solve(&a, &x, &b).unwrap() < THRESHOLD, "n = {n}");
            let inverted = lu.solve_many(&DMatrix::identity(n, n)).unwrap();
            assert!(inverse(&a, &inverted).unwrap() < THRESHOLD, "n = {n}");
            assert!(least_squares(&a, &x, &b).unwrap() < THRESHOLD, "n = {n}");
            let one = factorization(&a, &rounded(&a)).unwrap() * n as f64;
            assert!((1.0..=3.0).contains(&one), "n = {n}: {one}");
            let q = DMatrix::<f64>::identity(n + 1, n) * (1.0 + f64::EPSILON);
            let two = orthogonality(&q) * (n + 1) as f64;
            assert!((3.0..=5.0).contains(&two), "n = {n}: {two}");
        }
        let a = random_complex(6, 6, 1);
        let b = random_complex(6, 1, 2);
        let x = Lu::new(a.clone()).unwrap().solve_many(&b).unwrap();
        assert!(solve(&a, &x, &b).unwrap() < THRESHOLD, "complex");
        let (a, b) = (a.map(|z| f32::from_double(z.re)), b.map(|z| f32::from_double(z.re)));
        let x = Lu::new(a.clone()).unwrap().solve_many(&b).unwrap();
        let found = solve(&a, &x, &b).unwrap();
        assert!(found < THRESHOLD, "f32: {found}");
    }

    #[test]
    fn scale_does_not_matter() {
        let (a, x, b) = (random(4, 4, 1), random(4, 2, 2), random(4, 2, 3));
        let inverted = random(4, 4, 4);
        let values = x.column(0).into_owned();
        for (p, q) in [(1000, 0), (-1000, 0), (0, 1000), (0, -1000), (500, 500), (-500, -500)] {
            // 2 to this power, where the power alone would be out of range.
            let power = |exponent: i32| 2.0_f64.powi(exponent);
            let (s, t) = (power(p), power(q));
            let same = |found: f64, expected: f64| {
                let off = (found / expected - 1.0).abs();
                assert!(off < 1e-9, "2^{p}, 2^{q}: {found:e}, expected {expected:e}");
            };
            same(
                factorization(&(&a * s), &(&inverted * s)).unwrap(),
                factorization(&a, &inverted).unwrap(),
            );
            let (sa, tx, stb) = (&a * s, &x * t, &b * s * t);
            same(solve(&sa, &tx, &stb).unwrap(), solve(&a, &x, &b).unwrap());
            same(least_squares(&sa, &tx, &stb).unwrap(), least_squares(&a, &x, &b).unwrap());
            same(inverse(&sa, &(&inverted * (1.0 / s))).unwrap(), inverse(&a, &inverted).unwrap());
            same(
                eigen(&sa, &(&values * s), &inverted).unwrap(),
                eigen(&a, &values, &inverted).unwrap(),
            );
        }
    }

    #[test]
    fn zero_and_empty_matrices_have_ratios() {
        let (zero, one) = (DMatrix::<f64>::zeros(3, 3), DMatrix::from_element(3, 1, 1.0));
        assert_eq!(factorization(&zero, &zero).unwrap(), 0.0);
        assert!(factorization(&zero, &DMatrix::identity(3, 3)).unwrap() > 1e300, "not zero");
        assert_eq!(solve(&zero, &one, &(&one * 0.0)).unwrap(), 0.0);
        assert!(solve(&zero, &one, &one).unwrap() > 1e300, "not solved");
        assert_eq!(least_squares(&zero, &one, &one).unwrap(), 0.0);
        let none = DMatrix::<f64>::zeros(0, 0);
        assert_eq!(factorization(&none, &none).unwrap(), 0.0);
        assert_eq!(orthogonality(&DMatrix::<f64>::zeros(4, 0)), 0.0);
        assert_eq!(solve(&none, &DMatrix::zeros(0, 2), &DMatrix::zeros(0, 2)).unwrap(), 0.0);
    }

    #[test]
    fn a_nan_never_passes() {
        let mut a = random(3, 3, 1);
        let b = random(3, 2, 2);
        let mut x = b.clone();
        x[(1, 1)] = f64::NAN;
        assert_eq!(solve(&a, &x, &b).unwrap(), f64::INFINITY);
        a[(2, 1)] = f64::NAN;
        assert_eq!(factorization(&a, &a).unwrap(), f64::INFINITY);
        assert_eq!(orthogonality(&a), f64::INFINITY);
        assert_eq!(inverse(&a, &a).unwrap(), f64::INFINITY);
        assert_eq!(least_squares(&a, &b, &b).unwrap(), f64::INFINITY);
        let infinite = random(3, 3, 1) * f64::INFINITY;
        assert_eq!(factorization(&infinite, &infinite).unwrap(), f64::INFINITY);
        let complex = a.map(|x| Complex::new(0.0, x));
        assert_eq!(orthogonality(&complex), f64::INFINITY);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (a, wide) = (random(3, 3, 1), random(3, 2, 1));
        let text = |result: Result<f64>| result.unwrap_err().to_string();
        assert_eq!(text(factorization(&a, &wide)), "product is 3 x 2, expected 3 x 3");
        assert_eq!(text(solve(&a, &random(2, 1, 1), &wide)), "x is 2 x 1, expected 3 x 1");
        assert_eq!(text(solve(&a, &wide, &a)), "b is 3 x 3, expected 3 x 2");
        assert_eq!(text(least_squares(&a, &wide, &a)), "b is 3 x 3, expected 3 x 2");
        assert_eq!(text(inverse(&wide, &wide)), "a is 3 x 2, and must be square");
        let values = DVector::zeros(3);
        assert_eq!(text(eigen(&a, &values, &wide)), "values is 3 x 1, expected 2 x 1");
    }
}
