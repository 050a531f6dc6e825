//! What can be wrong with a request.

use crate::shown;

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a request, naming the argument, what it was and what was expected.
///
/// An iteration that did not converge is not an error but a result that says so, except where
/// nothing useful was computed ([`Error::NoConvergence`]).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A matrix or vector without entries where one is needed.
    #[error("{argument} is empty ({rows} x {columns}); at least one row and one column are needed")]
    Empty {
        /// The argument's name.
        argument: &'static str,
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// Two shapes that do not fit each other.
    #[error(
        "{argument} is {found_rows} x {found_columns}, expected {expected_rows} x {expected_columns}"
    )]
    Shape {
        /// The argument's name.
        argument: &'static str,
        /// Its rows.
        found_rows: usize,
        /// Its columns.
        found_columns: usize,
        /// The rows it should have.
        expected_rows: usize,
        /// The columns it should have.
        expected_columns: usize,
    },
    /// A rectangular matrix where a square one is needed.
    #[error("{argument} is {rows} x {columns}, and must be square")]
    NotSquare {
        /// The argument's name.
        argument: &'static str,
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
    /// A NaN or an infinity among the entries.
    #[error("{argument}[{row}, {column}] is {value}, and every entry must be finite")]
    NotFinite {
        /// The argument's name.
        argument: &'static str,
        /// Row of the first such entry, in column order.
        row: usize,
        /// Its column.
        column: usize,
        /// The entry (for a complex one, the part that is not finite).
        value: f64,
    },
    /// A parameter outside its range.
    #[error("{argument} is {value}, expected {expected}", value = shown(.value))]
    OutOfRange {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        value: f64,
        /// What it should be, in words.
        expected: &'static str,
    },
    /// A matrix that cannot be inverted: no digit of a solution would be right.
    #[error(
        "{argument} is singular to working precision: elimination stops at pivot {pivot} with \
         reciprocal condition {rcond:.1e}; use a pseudo-inverse or least squares"
    )]
    Singular {
        /// The argument's name.
        argument: &'static str,
        /// Index of the smallest pivot.
        pivot: usize,
        /// Estimate of 1/(‖A‖₁ ‖A⁻¹‖₁), 0 for an exactly singular matrix.
        rcond: f64,
    },
    /// A Cholesky factorisation that met a pivot that is not positive.
    #[error("{argument} is not positive definite: pivot {pivot} is {value:e}")]
    NotPositiveDefinite {
        /// The argument's name.
        argument: &'static str,
        /// Index of the pivot.
        pivot: usize,
        /// The pivot.
        value: f64,
    },
    /// A matrix that should equal its adjoint and does not.
    #[error(
        "{argument} is not Hermitian: entries [{row}, {column}] and [{column}, {row}] differ by \
         {difference:e}"
    )]
    NotHermitian {
        /// The argument's name.
        argument: &'static str,
        /// Row of the worst pair.
        row: usize,
        /// Its column.
        column: usize,
        /// |`a_ij` − `conj(a_ji)`|.
        difference: f64,
    },
    /// An entry of a sparse matrix that lies outside of it.
    #[error("triplet {index} is at [{row}, {column}], outside of a {nrows} x {ncols} matrix")]
    TripletOutside {
        /// Index of the first such triplet.
        index: usize,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// Rows of the matrix.
        nrows: usize,
        /// Columns of the matrix.
        ncols: usize,
    },
    /// An entry of a sparse matrix that is NaN or infinite.
    #[error("triplet {index} at [{row}, {column}] is {value}, and every entry must be finite")]
    TripletNotFinite {
        /// Index of the first such triplet.
        index: usize,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The value (for a complex one, the part that is not finite).
        value: f64,
    },
    /// An operator that was made without its adjoint, asked for it.
    #[error("the operator has no adjoint product, which LSQR and LSMR need; use GMRES or BiCGSTAB")]
    NoAdjoint,
    /// An operator that cannot tell its diagonal, asked for it.
    #[error("the operator cannot tell its diagonal, which the Jacobi preconditioner inverts")]
    NoDiagonal,
    /// A zero on the diagonal, or none stored there, where the algorithm divides by it.
    #[error("{argument}[{index}, {index}] is zero or not stored, and {algorithm} divides by it")]
    ZeroDiagonal {
        /// The argument's name.
        argument: &'static str,
        /// Row and column of the first such entry.
        index: usize,
        /// What divides by it.
        algorithm: &'static str,
    },
    /// A function that returned NaN or infinity next to the point where it is differentiated.
    #[error("f is {value} where x[{coordinate}] changes by {step:e}, and must be finite there")]
    FunctionNotFinite {
        /// Which entry of x was changed.
        coordinate: usize,
        /// By how much.
        step: f64,
        /// What the function returned.
        value: f64,
    },
    /// Every algorithm that was tried gave up, or failed its own check.
    #[error("{algorithm} did not converge on a {rows} x {columns} matrix")]
    NoConvergence {
        /// What was computed.
        algorithm: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Its columns.
        columns: usize,
    },
}
