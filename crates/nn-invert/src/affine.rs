//! One affine layer, made ready to be undone for many targets.

use std::borrow::Cow;
use std::mem::size_of;

use linalg::krylov::{self, Options, Stop};
use linalg::operator::Inverse;
use linalg::{DMatrix, DMatrixView, DVector, Lu, PseudoInverse, Real, Threads, gemm};

use crate::bound::Bound;
use crate::chain::Weight;
use crate::options::{Evidence, Factors, LayerwiseOptions, Singular};
use crate::{Error, Result};

/// z = W·h + b and what solves it for h.
pub(crate) struct AffineInverse<'a, T: Real> {
    pub(crate) weight: Weight<'a, T>,
    pub(crate) bias: Cow<'a, [T]>,
    solver: Solver<T>,
    bound: Option<Bound<T>>,
    condition: f64,
}

enum Solver<T: Real> {
    Lu(Lu<T>),
    Single(Single),
    PseudoInverse(PseudoInverse<T>),
    /// The operator's own inverse.
    Structure(Inverse<T>),
    Iteration,
}

/// LU factors in single precision of W over `unit`.
struct Single {
    lu: Lu<f32>,
    unit: f64,
}

/// How an affine layer is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undone {
    /// By LU factors of the matrix.
    Lu,
    /// By LU factors in single precision, refined with residuals in the network's own.
    SingleLu,
    /// By the pseudo-inverse: the shortest h among those that come nearest.
    PseudoInverse,
    /// By the inverse that the operator's structure gives it.
    Structure,
    /// By iteration: Gauss–Seidel sweeps while they gain, then BiCGSTAB, then LSMR.
    Iteration,
    /// By iteration with the preconditioner that the chain was given.
    PreconditionedIteration,
}

/// What an iteration came to for one target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Iterated {
    pub(crate) iterations: usize,
    pub(crate) stop: Stop,
    pub(crate) relative_residual: f64,
}

impl<'a, T: Real> AffineInverse<'a, T> {
    /// Factors what can be factored.
    pub(crate) fn new(
        (layer, name): (usize, &str),
        weight: Weight<'a, T>,
        bias: Cow<'a, [T]>,
        options: &LayerwiseOptions,
    ) -> Result<Self> {
        let singular = |error: linalg::Error| match error {
            linalg::Error::Singular { pivot, rcond, .. } => {
                Error::Singular { layer, name: name.into(), pivot, rcond }
            }
            error => error.into(),
        };
        let (solver, bound, condition) = match &weight {
            Weight::Operator { operator, .. } => {
                let inverse = if operator.nrows() == operator.ncols() {
                    operator.inverse().map_err(singular)?
                } else {
                    None
                };
                (inverse.map_or(Solver::Iteration, Solver::Structure), None, f64::NAN)
            }
            Weight::Dense(matrix) if matrix.nrows() != matrix.ncols() => {
                let inverse = PseudoInverse::new(&matrix.into_owned())?;
                let condition = inverse.condition_number();
                (Solver::PseudoInverse(inverse), None, condition)
            }
            Weight::Dense(matrix) => match Self::square(*matrix, options) {
                Ok(made) => made,
                Err(Error::Linalg(linalg::Error::Singular { .. }))
                    if options.singular == Singular::PseudoInverse =>
                {
                    let inverse = PseudoInverse::new(&matrix.into_owned())?;
                    let condition = inverse.condition_number();
                    (Solver::PseudoInverse(inverse), None, condition)
                }
                Err(Error::Linalg(error)) => return Err(singular(error)),
                Err(error) => return Err(error),
            },
        };
        Ok(Self { weight, bias, solver, bound, condition })
    }

    /// LU, in single precision where that is asked for and enough.
    fn square(
        matrix: DMatrixView<'_, T>,
        options: &LayerwiseOptions,
    ) -> Result<(Solver<T>, Option<Bound<T>>, f64)> {
        if options.factors == Factors::Single
            && let Some(single) = Single::new(matrix, options.threads)
        {
            let condition = 1.0 / single.lu.rcond();
            return Ok((Solver::Single(single), None, condition));
        }
        let lu = Lu::with_threads(matrix.into_owned(), options.threads)?;
        let bound = match options.evidence {
            Evidence::Bound => Some(Bound::new(matrix, &lu, options.threads)?),
            Evidence::Estimate | Evidence::Residual => None,
        };
        let condition = bound.as_ref().map_or_else(|| 1.0 / lu.rcond(), Bound::condition);
        Ok((Solver::Lu(lu), bound, condition))
    }

    /// What the factors of a dense layer take, in bytes: for good, and besides while they are made.
    pub(crate) fn bytes(rows: usize, columns: usize, options: &LayerwiseOptions) -> (f64, f64) {
        let entries = rows as f64 * columns as f64;
        let own = size_of::<T>() as f64;
        if rows != columns {
            // U, σ and V in double precision, and the decomposition's copies.
            let thin = rows.min(columns) as f64 * (rows + columns) as f64;
            return (8.0 * thin, 16.0 * entries);
        }
        match (options.factors, options.evidence) {
            (Factors::Single, _) => (4.0 * entries, 0.0),
            (Factors::Full, Evidence::Bound) => (2.0 * own * entries, 2.0 * own * entries),
            (Factors::Full, _) => (own * entries, 0.0),
        }
    }

    pub(crate) fn undone(&self) -> Undone {
        match (&self.solver, &self.weight) {
            (Solver::Lu(_), _) => Undone::Lu,
            (Solver::Single(_), _) => Undone::SingleLu,
            (Solver::PseudoInverse(_), _) => Undone::PseudoInverse,
            (Solver::Structure(_), _) => Undone::Structure,
            (Solver::Iteration, Weight::Operator { preconditioner: Some(_), .. }) => {
                Undone::PreconditionedIteration
            }
            (Solver::Iteration, _) => Undone::Iteration,
        }
    }

    /// Of the matrix, estimated or exact; NaN where only products are known.
    pub(crate) fn condition(&self) -> f64 {
        self.condition
    }

    /// The rank and how clear it is, where singular values are known.
    pub(crate) fn rank(&self) -> Option<(usize, f64)> {
        match &self.solver {
            Solver::PseudoInverse(inverse) => Some((inverse.rank(), inverse.gap())),
            _ => None,
        }
    }

    /// Whether more than one h has the same image.
    pub(crate) fn leaves_choice(&self) -> bool {
        let columns = self.weight.ncols();
        self.rank().map_or(columns > self.weight.nrows(), |(rank, _)| rank < columns)
    }

    /// Whether not every z has an h.
    pub(crate) fn may_miss(&self) -> bool {
        let rows = self.weight.nrows();
        self.rank().map_or(rows > self.weight.ncols(), |(rank, _)| rank < rows)
    }

    /// z − b, column by column, in place.
    pub(crate) fn shift(&self, z: &mut DMatrix<T>) {
        for mut column in z.column_iter_mut() {
            for (entry, &b) in column.iter_mut().zip(self.bias.iter()) {
                *entry -= b;
            }
        }
    }

    /// h with W·h = r for every column of `r`, as well as it can be had; and what iterations came to.
    pub(crate) fn solve(
        &self,
        r: DMatrix<T>,
        tolerance: f64,
        options: &LayerwiseOptions,
    ) -> Result<(DMatrix<T>, Vec<Iterated>)> {
        let h = match (&self.solver, &self.weight) {
            (Solver::Lu(lu), _) => {
                let mut h = r;
                lu.solve_in_place(&mut h)?;
                h
            }
            (Solver::Single(single), Weight::Dense(weight)) => {
                single.solve(*weight, r, options.threads)?
            }
            (Solver::PseudoInverse(inverse), _) => inverse.solve_many(&r)?,
            (Solver::Structure(inverse), _) => {
                let mut h = DMatrix::zeros(self.weight.ncols(), r.ncols());
                inverse.apply_block(r.as_view(), h.as_view_mut())?;
                h
            }
            _ => return self.iterate(&r, tolerance, options),
        };
        Ok((h, Vec::new()))
    }

    fn iterate(
        &self,
        r: &DMatrix<T>,
        tolerance: f64,
        options: &LayerwiseOptions,
    ) -> Result<(DMatrix<T>, Vec<Iterated>)> {
        let Weight::Operator { operator, preconditioner } = &self.weight else {
            return Ok((r.clone(), Vec::new()));
        };
        let mut asked = Options::default().tolerance(tolerance).iterations(options.iterations);
        if let Some(preconditioner) = preconditioner {
            asked = asked.preconditioner(preconditioner.as_ref());
        }
        let mut h = DMatrix::zeros(operator.ncols(), r.ncols());
        let mut iterated = Vec::with_capacity(r.ncols());
        for (column, found) in krylov::solve_many(operator.as_ref(), r, &asked)?.iter().enumerate()
        {
            h.set_column(column, &found.x);
            iterated.push(Iterated {
                iterations: found.iterations,
                stop: found.stop,
                relative_residual: found.relative_residual,
            });
        }
        Ok((h, iterated))
    }

    /// r − W·h.
    pub(crate) fn residual(&self, h: &DMatrix<T>, r: &DMatrix<T>) -> Result<DMatrix<T>> {
        let mut image = DMatrix::zeros(r.nrows(), r.ncols());
        self.weight.apply_to(h.as_view(), &mut image, Threads::One)?;
        image.zip_apply(r, |image, r| *image = r - *image);
        Ok(image)
    }

    /// A bound on the error of `h`, see [`Bound::carry`]; infinite where there is none.
    pub(crate) fn carry(
        &self,
        r: &DMatrix<T>,
        h: &DMatrix<T>,
        error: &DMatrix<T>,
    ) -> Result<DMatrix<T>> {
        match (&self.bound, &self.weight) {
            (Some(bound), Weight::Dense(weight)) => bound.carry((*weight, &self.bias), r, h, error),
            _ => Ok(DMatrix::from_element(h.nrows(), h.ncols(), T::from_double(f64::INFINITY))),
        }
    }

    /// W in double precision, where it is in memory.
    pub(crate) fn dense(&self) -> Option<DMatrix<f64>> {
        match &self.weight {
            Weight::Dense(weight) => Some(weight.map(Real::to_double)),
            Weight::Operator { .. } => None,
        }
    }
}

impl Single {
    /// `None` where single precision is not enough to converge.
    fn new<T: Real>(matrix: DMatrixView<'_, T>, threads: Threads) -> Option<Self> {
        let unit = matrix.amax().to_double();
        let scaled = matrix.map(|w| f32::from_double(w.to_double() / unit));
        let lu = Lu::with_threads(scaled, threads).ok()?;
        // Each step of refinement leaves about κ·eps of the error.
        let contraction = <f32 as linalg::Scalar>::EPSILON / lu.rcond();
        (contraction < 0.03).then_some(Self { lu, unit })
    }

    /// x ← x + W₃₂⁻¹·(r − W·x), until that gains nothing more.
    fn solve<T: Real>(
        &self,
        weight: DMatrixView<'_, T>,
        r: DMatrix<T>,
        threads: Threads,
    ) -> Result<DMatrix<T>> {
        let mut x = DMatrix::zeros(weight.ncols(), r.ncols());
        let mut off = r.clone();
        let mut size = f64::INFINITY;
        loop {
            let unit = off.amax().to_double();
            if unit == 0.0 {
                return Ok(x);
            }
            let mut step = off.map(|v| f32::from_double(v.to_double() / unit));
            self.lu.solve_in_place(&mut step)?;
            let back = unit / self.unit;
            let next = x.zip_map(&step, |x, s| x + T::from_double(f64::from(s) * back));
            let mut left = r.clone();
            gemm(-T::one(), weight, &next, T::one(), left.as_view_mut(), threads)?;
            let found = left.norm().to_double();
            if !(found < size) {
                return Ok(x);
            }
            let settled = found > 0.25 * size;
            (x, off, size) = (next, left, found);
            if settled {
                return Ok(x);
            }
        }
    }
}

impl<T: Real> std::fmt::Debug for AffineInverse<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AffineInverse")
            .field("weight", &self.weight)
            .field("undone", &self.undone())
            .finish_non_exhaustive()
    }
}

/// One column in double precision.
pub(crate) fn column<T: Real>(matrix: &DMatrix<T>, column: usize) -> DVector<f64> {
    DVector::from_iterator(matrix.nrows(), matrix.column(column).iter().map(|x| x.to_double()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_factors_are_those_of_what_is_kept_and_what_is_made() {
        let of = |rows, columns, evidence, factors| {
            let options = LayerwiseOptions::default().evidence(evidence).factors(factors);
            AffineInverse::<f64>::bytes(rows, columns, &options)
        };
        // U and V of a 30 x 20 matrix are 30·20 + 20·20 numbers, the copies 2·600.
        assert_eq!(of(30, 20, Evidence::Bound, Factors::Full), (8.0 * 1000.0, 16.0 * 600.0));
        assert_eq!(of(20, 30, Evidence::Residual, Factors::Single), (8000.0, 9600.0));
        // LU; with |W⁻¹| beside it, and while it is made the inverse and its residual.
        assert_eq!(of(50, 50, Evidence::Estimate, Factors::Full), (8.0 * 2500.0, 0.0));
        assert_eq!(of(50, 50, Evidence::Bound, Factors::Full), (16.0 * 2500.0, 16.0 * 2500.0));
        assert_eq!(of(50, 50, Evidence::Bound, Factors::Single), (4.0 * 2500.0, 0.0));
        let options = LayerwiseOptions::default();
        assert_eq!(AffineInverse::<f32>::bytes(50, 50, &options), (8.0 * 2500.0, 8.0 * 2500.0));
    }

    #[test]
    fn single_precision_is_used_up_to_its_condition_and_refined_to_double() {
        // diag(1, d): κ = 1/d, and eps₃₂·κ < 0.03 up to κ = 2.5e5.
        for (d, used) in [(1.0, true), (8e-6, true), (2e-6, false)] {
            let matrix = DMatrix::from_diagonal(&DVector::from_vec(vec![1e30, 1e30 * d]));
            let single = Single::new(matrix.as_view(), Threads::One);
            assert_eq!(single.is_some(), used, "{d:e}");
            let Some(single) = single else { continue };
            // Numbers beyond the range of f32 on both sides.
            for size in [1.0, 1e60, 1e-60] {
                let x = DMatrix::from_column_slice(2, 1, &[0.1 * size, 0.7 * size]);
                let r = &matrix * &x;
                let found = single.solve(matrix.as_view(), r, Threads::One).unwrap();
                let off = (found - &x).norm() / x.norm();
                assert!(off <= 4.0 * f64::EPSILON / d, "{d:e}: {off:e}");
            }
            let zero = single.solve(matrix.as_view(), DMatrix::zeros(2, 1), Threads::One).unwrap();
            assert!(zero.norm() < f64::MIN_POSITIVE);
        }
    }
}
