//! An estimate of the 1-norm of an inverse, from a few solutions of systems with the matrix.

use crate::{DMatrix, Scalar};

/// Solutions that are tried: two or three are usual.
const MOST: usize = 5;

/// A lower bound of ‖A⁻¹‖₁ for an n × n matrix, seldom less than a third of it; infinite where a
/// solution overflows.
///
/// `solve` and `solve_adjoint` overwrite an n × 1 matrix b with A⁻¹·b and A⁻ᴴ·b.
///
/// Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, algorithm 15.1; with
/// x/|x| for the sign of a complex x (Higham and Tisseur, SIAM J. Matrix Anal. Appl. 21, 2000).
pub(crate) fn inverse_norm<T: Scalar>(
    n: usize,
    solve: impl Fn(&mut DMatrix<T>),
    solve_adjoint: impl Fn(&mut DMatrix<T>),
) -> f64 {
    let solution = |mut b: DMatrix<T>| {
        solve(&mut b);
        let norm: f64 = b.iter().map(|&entry| modulus(entry)).sum();
        (b, if norm.is_nan() { f64::INFINITY } else { norm })
    };
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
    let size = n as f64;
    let (mut x, mut best) = solution(DMatrix::from_element(n, 1, nalgebra::convert(1.0 / size)));
    let mut last = n;
    for _ in 1..MOST {
        if !best.is_finite() {
            return best;
        }
        x.apply(|entry| *entry = sign(*entry));
        solve_adjoint(&mut x);
        let sizes = x.iter().map(|&entry| modulus(entry)).enumerate();
        let (steepest, _) =
            sizes.fold((0, -1.0), |best, next| if next.1 > best.1 { next } else { best });
        if steepest == last {
            break;
        }
        last = steepest;
        let unit = DMatrix::from_fn(n, 1, |i, _| if i == steepest { T::one() } else { T::zero() });
        let (next, norm) = solution(unit);
        if norm <= best {
            break;
        }
        (x, best) = (next, norm);
    }
    // A vector of growing, alternating entries guards against cancellation in all of the above.
    let entry = |i: usize| {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
        let value = 1.0 + i as f64 / (size - 1.0).max(1.0);
        nalgebra::convert(if i.is_multiple_of(2) { value } else { -value })
    };
    let (_, norm) = solution(DMatrix::from_fn(n, 1, |i, _| entry(i)));
    best.max(2.0 * norm / (3.0 * size))
}

fn modulus<T: Scalar>(x: T) -> f64 {
    T::real_to_f64(x.modulus())
}

/// x/|x|, and 1 for 0.
fn sign<T: Scalar>(x: T) -> T {
    if modulus(x) > 0.0 { x.unscale(x.modulus()) } else { T::one() }
}
