//! Circular convolutions, undone by the Fourier transform.

use std::fmt;
use std::sync::Arc;

use linalg::operator::Inverse;
use linalg::{Complex, DMatrixView, DMatrixViewMut, LinearOperator, Real};
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::Result;
use crate::arguments::{finite, some};

/// The circulant matrix of a first column c, which convolves around the circle:
///
/// ```text
/// (C·x)ᵢ = ∑ⱼ cᵢ₋ⱼ·xⱼ, indices modulo n        F(C·x) = F(c)∘F(x)
/// ```
///
/// A product is two real Fourier transforms in double precision, and so is one with C⁻¹, whose spectrum is
/// 1/F(c): 100,000 units take a few milliseconds.
///
/// **The wrong turn** is to undo a blur so: the spectrum of a Gaussian of width 4 falls to 10⁻¹⁰ of its
/// largest value and beyond, and the inverse magnifies what noise there is by as much. It is refused
/// where no digit would be left, as for any matrix; the residual does not show the digits lost before.
///
/// # Examples
/// ```
/// use linalg::{DMatrix, LinearOperator};
/// use nn_invert::Circulant;
/// // Each value and half of the one before it.
/// let c = Circulant::new(&[1.0, 0.5, 0.0, 0.0])?;
/// let mut y = [0.0_f64; 4];
/// c.apply(&[1.0, 2.0, 3.0, 4.0], &mut y)?;
/// for (y, expected) in y.iter().zip([3.0, 2.5, 4.0, 5.5]) {
///     assert!((y - expected).abs() < 1e-14_f64);
/// }
/// let inverse = LinearOperator::<f64>::inverse(&c)?.ok_or("a circulant has an inverse")?;
/// let mut x = [0.0_f64; 4];
/// inverse.apply(&y, &mut x)?;
/// assert!((x[2] - 3.0).abs() < 1e-14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Circulant {
    /// F(c)/n up to the middle, beyond which it is the conjugate.
    spectrum: Arc<[Complex<f64>]>,
    forward: Arc<dyn RealToComplex<f64>>,
    backward: Arc<dyn ComplexToReal<f64>>,
}

impl Circulant {
    /// The matrix with this first column.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) for no entries, [`Error::NotFinite`](crate::Error::NotFinite)
    /// with the index of the first that is not finite.
    pub fn new(column: &[f64]) -> Result<Self> {
        some("the first column", column.len())?;
        finite("column", column, column.len())?;
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(column.len());
        let backward = planner.plan_fft_inverse(column.len());
        let share = 1.0 / column.len() as f64;
        let mut scaled: Vec<f64> = column.iter().map(|&c| c * share).collect();
        let mut spectrum = forward.make_output_vec();
        let done = forward.process(&mut scaled, &mut spectrum);
        debug_assert!(done.is_ok(), "buffers of their own sizes");
        Ok(Self { spectrum: spectrum.into(), forward, backward })
    }

    fn size(&self) -> usize {
        self.forward.len()
    }

    /// Y ← C·X, or Cᵀ·X where the spectrum is turned into its conjugate.
    fn convolve<T: Real>(
        &self,
        turn: fn(Complex<f64>) -> Complex<f64>,
        x: DMatrixView<'_, T>,
        mut y: DMatrixViewMut<'_, T>,
    ) -> linalg::Result<()> {
        let expected = (self.size(), x.ncols());
        for (argument, found) in [("x", x.shape()), ("y", y.shape())] {
            if found != expected {
                return Err(linalg::Error::Shape {
                    argument,
                    found_rows: found.0,
                    found_columns: found.1,
                    expected_rows: expected.0,
                    expected_columns: expected.1,
                });
            }
        }
        let (mut values, mut spectrum) =
            (self.forward.make_input_vec(), self.forward.make_output_vec());
        let (mut there, mut back) =
            (self.forward.make_scratch_vec(), self.backward.make_scratch_vec());
        for (x, mut y) in x.column_iter().zip(y.column_iter_mut()) {
            for (value, x) in values.iter_mut().zip(x.iter()) {
                *value = x.to_double();
            }
            let done = self.forward.process_with_scratch(&mut values, &mut spectrum, &mut there);
            debug_assert!(done.is_ok(), "buffers of their own sizes");
            for (f, &s) in spectrum.iter_mut().zip(self.spectrum.iter()) {
                *f *= turn(s);
            }
            // Zero, of real numbers; where a product overflowed it is NaN, which the transform refuses.
            spectrum[0].im = 0.0;
            if self.size().is_multiple_of(2) {
                spectrum[self.size() / 2].im = 0.0;
            }
            let done = self.backward.process_with_scratch(&mut spectrum, &mut values, &mut back);
            debug_assert!(done.is_ok(), "buffers of their own sizes");
            for (y, &value) in y.iter_mut().zip(&values) {
                *y = T::from_double(value);
            }
        }
        Ok(())
    }
}

impl<T: Real> LinearOperator<T> for Circulant {
    fn nrows(&self) -> usize {
        self.size()
    }

    fn ncols(&self) -> usize {
        self.size()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        let (x, rows) = (DMatrixView::from_slice(x, x.len(), 1), y.len());
        self.convolve(|s| s, x, DMatrixViewMut::from_slice(y, rows, 1))
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        let (x, rows) = (DMatrixView::from_slice(x, x.len(), 1), y.len());
        self.convolve(|s| s.conj(), x, DMatrixViewMut::from_slice(y, rows, 1))
    }

    fn apply_block(&self, x: DMatrixView<'_, T>, y: DMatrixViewMut<'_, T>) -> linalg::Result<()> {
        self.convolve(|s| s, x, y)
    }

    fn inverse(&self) -> linalg::Result<Option<Inverse<T>>> {
        let n = self.size() as f64;
        let sizes = || self.spectrum.iter().map(|s| s.norm()).enumerate();
        let largest = sizes().fold(0.0, |largest, (_, size)| f64::max(largest, size));
        let (pivot, least) = sizes()
            .fold((0, f64::INFINITY), |least, next| if next.1 < least.1 { next } else { least });
        let rcond = if largest > 0.0 { least / largest } else { 0.0 };
        if !(rcond > T::EPSILON) {
            return Err(linalg::Error::Singular { argument: "self", pivot, rcond });
        }
        // 1/s without the square of |s|, which may underflow.
        let inverse = |s: &Complex<f64>| (s.conj() / s.norm() / s.norm()) / n / n;
        let spectrum: Arc<[Complex<f64>]> = self.spectrum.iter().map(inverse).collect();
        if let Some(pivot) = spectrum.iter().position(|s| !(s.re + s.im).is_finite()) {
            return Err(linalg::Error::Singular { argument: "self", pivot, rcond });
        }
        Ok(Some(Box::new(Self { spectrum, ..self.clone() })))
    }
}

impl fmt::Debug for Circulant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circulant").field("n", &self.size()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{normal, seeded};
    use linalg::{DMatrix, DVector};

    fn dense(column: &[f64]) -> DMatrix<f64> {
        let n = column.len();
        DMatrix::from_fn(n, n, |i, j| column[(i + n - j) % n])
    }

    #[test]
    fn numbers_beyond_the_largest_show_and_the_smallest_are_undone() {
        let huge = Circulant::new(&[1e308, 1e308, 1e308]).unwrap();
        let mut y = [0.0_f64; 3];
        huge.apply(&[1.0, 2.0, 3.0], &mut y).unwrap();
        assert!(y.iter().any(|y| !y.is_finite()), "{y:?}");
        let tiny = Circulant::new(&[4e-300, 1e-300]).unwrap();
        let inverse = LinearOperator::<f64>::inverse(&tiny).unwrap().unwrap();
        let (mut y, mut x) = ([0.0_f64; 2], [0.0_f64; 2]);
        tiny.apply(&[1.0, 2.0], &mut y).unwrap();
        inverse.apply(&y, &mut x).unwrap();
        assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14, "{x:?}");
        let subnormal = Circulant::new(&[4e-310, 1e-310]).unwrap();
        assert!(LinearOperator::<f64>::inverse(&subnormal).is_err());
    }

    #[test]
    fn it_is_the_matrix_of_its_column_and_undoes_it() {
        for n in [1, 2, 3, 8, 15, 31] {
            let mut rng = seeded(n as u64);
            let mut column = normal(n, 1, &mut rng) * (0.5 / n as f64);
            column[0] += 2.0;
            let c = Circulant::new(column.as_slice()).unwrap();
            let matrix = dense(column.as_slice());
            let x = normal(n, 5, &mut rng);
            let (mut y, mut back) = (DMatrix::zeros(n, 5), DMatrix::zeros(n, 5));
            c.apply_block(x.as_view(), y.as_view_mut()).unwrap();
            // A transform rounds to log₂ n times eps of the norm.
            let limit = 32.0 * f64::EPSILON * x.norm();
            assert!((&y - &matrix * &x).norm() <= limit, "n = {n}");
            let inverse = LinearOperator::<f64>::inverse(&c).unwrap().unwrap();
            inverse.apply_block(y.as_view(), back.as_view_mut()).unwrap();
            assert!((back - &x).norm() <= limit, "n = {n}");
            let mut turned = vec![0.0; n];
            c.apply_adjoint(x.column(1).as_slice(), &mut turned).unwrap();
            let expected = matrix.tr_mul(&x.column(1));
            assert!((expected - DVector::from_vec(turned)).norm() <= limit, "n = {n}");
        }
    }

    #[test]
    fn what_has_no_inverse_is_refused() {
        // The mean of two neighbors does not see signs that alternate.
        let mean = Circulant::new(&[0.5, 0.5, 0.0, 0.0]).unwrap();
        let refused = LinearOperator::<f64>::inverse(&mean).err().unwrap();
        assert!(matches!(refused, linalg::Error::Singular { pivot: 2, .. }), "{refused}");
        assert!(LinearOperator::<f64>::inverse(&Circulant::new(&[0.0; 3]).unwrap()).is_err());
        assert_eq!(
            Circulant::new(&[]).unwrap_err().to_string(),
            "the first column is empty; at least one is needed"
        );
        assert_eq!(
            Circulant::new(&[1.0, f64::NAN]).unwrap_err().to_string(),
            "column[1, 0] is NaN, and every entry must be finite"
        );
        let error = mean.apply(&[1.0; 3], &mut [0.0; 4]).unwrap_err();
        assert_eq!(error.to_string(), "x is 3 x 1, expected 4 x 1");
    }
}
