//! The eigendecomposition of a real symmetric or complex Hermitian matrix.

use nalgebra::{DMatrix, DVector};

use crate::door::{Scale, finite, largest, representable, square};
use crate::kernels::{HermitianParts, Kernels, Vectors};
use crate::orthonormal::{axpy, dot, reflector};
use crate::reflectors::{Side, apply_one_by_one};
use crate::tridiagonal::{implicit_ql, sorted};
use crate::{Error, Result, Scalar, door, evidence, jacobi};

/// The decomposition A = V·diag(λ)·Vᴴ of a Hermitian n × n matrix.
///
/// The matrix must equal its adjoint up to rounding: a pair of entries that differs by more than
/// √eps of the largest entry is refused, since then it is not the matrix its maker meant. Sums and
/// products that should be Hermitian are so to n·eps, far below; of those only the lower triangle
/// is read, as LAPACK does.
///
/// Every result was checked before it was returned: Σλ = tr A, Σλ² = ‖A‖_F², and A·V·z = V·Λ·z with
/// V orthonormal in a fixed pseudo-random direction z, each to 30·n·eps (LAPACK's threshold). A
/// matrix on which the fast algorithm fails goes to a slower one, in the end to Jacobi's.
///
/// Single precision is computed in double; V is rounded at the end, λ stays in double.
///
/// # Examples
/// ```
/// use linalg::{Complex, DMatrix, HermitianEigen};
/// // [[2, i], [−i, 2]] has the eigenvalues 1 and 3.
/// let i = Complex::new(0.0, 1.0);
/// let two = Complex::new(2.0, 0.0);
/// let eigen = HermitianEigen::new(&DMatrix::from_row_slice(2, 2, &[two, i, -i, two]))?;
/// assert!((eigen.values[0] - 1.0).abs() < 1e-15);
/// assert!((eigen.values[1] - 3.0).abs() < 1e-15);
/// # Ok::<(), linalg::Error>(())
/// ```
///
/// # References
/// Golub and Van Loan, "Matrix Computations", 4th edition, section 8.3; Gu and Eisenstat, "A
/// divide-and-conquer algorithm for the symmetric tridiagonal eigenproblem", SIAM J. Matrix Anal.
/// Appl. 16, 1995 (by way of faer).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HermitianEigen<T: Scalar> {
    /// λ: n real values, ascending.
    pub values: DVector<f64>,
    /// V: n × n, column j is the unit eigenvector of `values[j]`.
    pub vectors: DMatrix<T>,
}

impl<T: Scalar> HermitianEigen<T> {
    /// Decomposes `a`, which is only read. O(n³).
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotSquare`], [`Error::NotFinite`] with the entry's index,
    /// [`Error::NotHermitian`] with the worst pair; [`Error::OutOfRange`] where an eigenvalue
    /// overflows though the entries do not.
    pub fn new(a: &DMatrix<T>) -> Result<Self> {
        acceptable(a)?;
        let HermitianParts { values, vectors } = T::Double::hermitian(&T::widen(a), Vectors::Yes)?;
        representable(a, values.as_slice())?;
        Ok(Self { values, vectors: T::narrow(vectors) })
    }
}

/// The eigenvalues of the Hermitian matrix `a`, ascending, without vectors.
///
/// # Errors
/// As [`HermitianEigen::new`].
///
/// # Examples
/// ```
/// use linalg::{DMatrix, hermitian_eigenvalues};
/// let values = hermitian_eigenvalues(&DMatrix::from_row_slice(2, 2, &[0.0, 5.0, 5.0, 0.0]))?;
/// assert!((values[0] + 5.0).abs() < 1e-14 && (values[1] - 5.0).abs() < 1e-14);
/// # Ok::<(), linalg::Error>(())
/// ```
pub fn hermitian_eigenvalues<T: Scalar>(a: &DMatrix<T>) -> Result<DVector<f64>> {
    acceptable(a)?;
    let values = T::Double::hermitian(&T::widen(a), Vectors::No)?.values;
    representable(a, values.as_slice())?;
    Ok(values)
}

/// Square, finite and Hermitian.
fn acceptable<T: Scalar>(a: &DMatrix<T>) -> Result<()> {
    finite("a", a)?;
    square("a", a)?;
    door::hermitian("a", a)
}

/// Up to which size the QL iteration, without vectors, is faster than faer, measured.
const QL_FOR_VALUES_UP_TO: usize = 128;

/// Scale; QL first for small sizes, faer first for others, then the other one, then Jacobi.
pub(crate) fn ladder<D: Kernels>(a: &DMatrix<D>, vectors: Vectors) -> Result<HermitianParts<D>> {
    type Rung<D> = fn(&DMatrix<D>, Vectors) -> Option<HermitianParts<D>>;
    let n = a.nrows();
    let scale = Scale::new(largest(a));
    let scaled = scale.matrix(a);
    let a = scaled.as_ref();
    let mut rungs: [Rung<D>; 3] = [D::faer_hermitian, tridiagonal_ql, jacobi::hermitian];
    let ql_up_to = if vectors == Vectors::Yes { D::QL_UP_TO } else { QL_FOR_VALUES_UP_TO };
    if n <= ql_up_to {
        rungs.swap(0, 1);
    }
    for rung in rungs {
        if let Some(mut parts) = rung(a, vectors)
            && evidence::hermitian(a, &parts)
        {
            parts.values.apply(|value| *value = scale.undo(*value));
            return Ok(parts);
        }
    }
    Err(Error::NoConvergence { algorithm: "Hermitian eigendecomposition", rows: n, columns: n })
}

/// Householder's reduction to a real tridiagonal matrix, then the implicit QL iteration.
fn tridiagonal_ql<D: Kernels>(a: &DMatrix<D>, vectors: Vectors) -> Option<HermitianParts<D>> {
    let n = a.nrows();
    let mut packed = a.clone();
    let mut taus = Vec::with_capacity(n);
    let mut diagonal = vec![0.0; n];
    let mut beside = vec![0.0; n];
    let mut w = vec![D::zero(); n];
    for i in 0..n - 1 {
        let (head, tail) = packed.as_mut_slice().split_at_mut((i + 1) * n);
        diagonal[i] = head[i * n + i].real();
        let v = &mut head[i * n + i + 1..];
        let (tau, beta) = reflector(v);
        beside[i] = beta;
        taus.push(tau);
        if tau != D::zero() {
            rotate_from_both_sides(tau, v, &mut tail[i + 1..], n, &mut w);
        }
    }
    diagonal[n - 1] = packed[(n - 1, n - 1)].real();
    if vectors == Vectors::No {
        implicit_ql(&mut diagonal, &mut beside, &mut [], 0)?;
        diagonal.sort_by(f64::total_cmp);
        return Some(HermitianParts { values: diagonal.into(), vectors: DMatrix::zeros(0, 0) });
    }
    let mut rotations = DMatrix::identity(n, n);
    implicit_ql(&mut diagonal, &mut beside, rotations.as_mut_slice(), n)?;
    let mut vectors = rotations.map(D::from_real);
    apply_one_by_one(Side::Forward, packed.as_view(), 1, &taus, vectors.as_view_mut());
    Some(sorted(&diagonal, &vectors))
}

/// A ← Hᴴ·A·H for the reflector H = I − tau·v·vᴴ, as a rank-2 update of A's lower triangle:
/// `entries` starts at A's first entry, its columns are `stride` apart, and A is as large as `v`.
fn rotate_from_both_sides<D: Kernels>(
    tau: D,
    v: &[D],
    entries: &mut [D],
    stride: usize,
    w: &mut [D],
) {
    let size = v.len();
    let w = &mut w[..size];
    // w = tau·A·v − ½·tau·((tau·A·v)ᴴ·v)·v
    lower_times(entries, stride, v, w);
    w.iter_mut().for_each(|w| *w *= tau);
    let correction = (tau * dot(w, v)).scale(-0.5);
    axpy(correction, v, w);
    for j in 0..size {
        let column = &mut entries[j * stride + j..j * stride + size];
        let (v_j, w_j) = (-w[j].conjugate(), -v[j].conjugate());
        for ((entry, &v), &w) in column.iter_mut().zip(&v[j..]).zip(&w[j..]) {
            *entry += v * v_j + w * w_j;
        }
    }
}

/// product ← A·y for the Hermitian matrix in the lower triangle that starts at `entries[0]`.
pub(crate) fn lower_times<D: Kernels>(entries: &[D], stride: usize, y: &[D], product: &mut [D]) {
    let size = y.len();
    product.fill(D::zero());
    for j in 0..size {
        let column = &entries[j * stride + j..j * stride + size];
        product[j] += y[j].scale(column[0].real()) + dot(&column[1..], &y[j + 1..]);
        axpy(y[j], &column[1..], &mut product[j + 1..]);
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Complex;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// A Hermitian matrix of small integers with an ill-tempered upper triangle, which no rung reads.
    fn integers(index: u64) -> DMatrix<Complex<f64>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(index);
        let n = rng.random_range(1..=12);
        let reach = rng.random_range(1..=2);
        DMatrix::from_fn(n, n, |i, j| {
            let mut part = || f64::from(rng.random_range(-reach..=reach));
            match i.cmp(&j) {
                std::cmp::Ordering::Less => Complex::new(f64::NAN, 1e300),
                std::cmp::Ordering::Equal => Complex::new(part(), 0.0),
                std::cmp::Ordering::Greater => Complex::new(part(), part()),
            }
        })
    }

    fn examine<D: Kernels>(a: &DMatrix<D>) {
        let n = a.nrows();
        let whole =
            DMatrix::from_fn(n, n, |i, j| if i < j { a[(j, i)].conjugate() } else { a[(i, j)] });
        for (name, rung) in [
            ("QL", tridiagonal_ql as fn(&DMatrix<D>, Vectors) -> Option<HermitianParts<D>>),
            ("Jacobi", jacobi::hermitian),
        ] {
            let parts = rung(a, Vectors::Yes).unwrap_or_else(|| panic!("{name} gave up on {a}"));
            assert!(evidence::hermitian(a, &parts), "{name} fails its check on {a}");
            let HermitianParts { values, vectors } = parts;
            let lambda = DMatrix::from_diagonal(&values.map(D::from_real));
            let residual = (&whole * &vectors - &vectors * lambda).norm();
            let departure = (vectors.ad_mul(&vectors) - DMatrix::identity(n, n)).norm();
            let ratio =
                (residual / whole.norm().max(1e-300)).max(departure) / (n as f64 * f64::EPSILON);
            assert!(ratio < 30.0, "{name}: {ratio} on {a}");
            let alone = rung(a, Vectors::No).unwrap();
            assert!(evidence::hermitian(a, &alone), "{name}, values alone, on {a}");
        }
    }

    #[test]
    fn each_rung_of_the_ladder_is_right_on_its_own() {
        for index in 0..1500 {
            let a = integers(index);
            examine(&a.map(|z| z.re));
            examine(&a);
        }
    }

    #[test]
    fn the_check_refuses_wrong_pairs() {
        let a = integers(5);
        let right = tridiagonal_ql(&a, Vectors::Yes).unwrap();
        assert!(evidence::hermitian(&a, &right));
        let mutants: [fn(&mut HermitianParts<Complex<f64>>); 6] = [
            |p| p.values[0] *= 1.0 + 1e-10,
            // The sum stays, the squares do not.
            |p| {
                p.values[0] -= 0.01;
                p.values[1] += 0.01;
            },
            |p| p.values[0] = f64::NAN,
            |p| p.vectors.swap_columns(0, 1),
            |p| p.vectors.column_mut(0).scale_mut(1.0 + 1e-11),
            |p| p.values.swap_rows(0, 1),
        ];
        for (index, mutate) in mutants.iter().enumerate() {
            let mut wrong = right.clone();
            mutate(&mut wrong);
            assert!(!evidence::hermitian(&a, &wrong), "mutant {index}");
        }
        // Without vectors the sums are all there is: one value off, and a pair off by opposites.
        let alone = tridiagonal_ql(&a, Vectors::No).unwrap();
        assert!(evidence::hermitian(&a, &alone));
        for mutate in &mutants[..3] {
            let mut wrong = alone.clone();
            mutate(&mut wrong);
            assert!(!evidence::hermitian(&a, &wrong));
        }
        // The spectrum of −A has the same squares.
        let mut mirrored = alone.values.as_slice().iter().map(|value| -value).collect::<Vec<_>>();
        mirrored.reverse();
        let mirrored = HermitianParts { values: mirrored.into(), ..alone };
        assert!(!evidence::hermitian(&a, &mirrored));
    }

    #[test]
    fn adjacency_matrices_of_33_vertices_are_decomposed() {
        // faer 0.24.4 has refused about one of these in 15,000, which ones depending on the
        // vector instructions at hand.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(33);
        for _ in 0..300 {
            let mut a = DMatrix::zeros(33, 33);
            for i in 0..33 {
                for j in 0..=i {
                    let edge = f64::from(u8::from(rng.random_bool(0.5)));
                    a[(i, j)] = edge;
                    a[(j, i)] = edge;
                }
            }
            assert!(HermitianEigen::new(&a).is_ok());
        }
    }
}
