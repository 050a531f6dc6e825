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

    /// Y ← M·X for the matrix M whose spectrum over n is what `spectrum` makes of this one's.
    fn convolve<T: Real>(
        &self,
        spectrum: impl Fn(Complex<f64>) -> Complex<f64>,
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
        let (mut values, mut product) =
            (self.forward.make_input_vec(), self.forward.make_output_vec());
        let lengths = [self.forward.get_scratch_len(), self.backward.get_scratch_len()];
        let mut scratch = vec![Complex::default(); lengths[0].max(lengths[1])];
        for (x, mut y) in x.column_iter().zip(y.column_iter_mut()) {
            for (value, x) in values.iter_mut().zip(x.iter()) {
                *value = x.to_double();
            }
            let done = self.forward.process_with_scratch(&mut values, &mut product, &mut scratch);
            debug_assert!(done.is_ok(), "buffers of their own sizes");
            for (f, &s) in product.iter_mut().zip(self.spectrum.iter()) {
                *f *= spectrum(s);
            }
            // Zero, of real numbers; where a product overflowed it is NaN, which the transform refuses.
            product[0].im = 0.0;
            if self.size().is_multiple_of(2) {
                product[self.size() / 2].im = 0.0;
            }
            let done = self.backward.process_with_scratch(&mut product, &mut values, &mut scratch);
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
        self.convolve(|s| s, column(x), column_mut(y))
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        self.convolve(|s| s.conj(), column(x), column_mut(y))
    }

    fn apply_block(&self, x: DMatrixView<'_, T>, y: DMatrixViewMut<'_, T>) -> linalg::Result<()> {
        self.convolve(|s| s, x, y)
    }

    fn inverse(&self) -> linalg::Result<Option<Inverse<T>>> {
        let part = |s: &Complex<f64>| s.re.abs().max(s.im.abs());
        let unit = (1.0 / self.spectrum.iter().map(part).fold(0.0, f64::max)).min(f64::MAX);
        let (mut largest, mut least, mut pivot) = (0.0_f64, f64::INFINITY, 0);
        for (place, s) in self.spectrum.iter().enumerate() {
            let square = (s * unit).norm_sqr();
            largest = largest.max(square);
            if square < least {
                (least, pivot) = (square, place);
            }
        }
        let rcond = if largest > 0.0 { (least / largest).sqrt() } else { 0.0 };
        let n = self.size() as f64;
        let inverse = Deconvolution { matrix: self.clone(), unit, share: unit / n / n };
        if rcond > T::EPSILON && inverse.spectrum(self.spectrum[pivot]).norm().is_finite() {
            Ok(Some(Box::new(inverse)))
        } else {
            Err(linalg::Error::Singular { argument: "self", pivot, rcond })
        }
    }
}

/// C⁻¹. Its spectrum is not kept, since it is sooner made than fetched.
struct Deconvolution {
    matrix: Circulant,
    /// Brings the spectrum to a size whose squares neither overflow nor underflow.
    unit: f64,
    /// `unit`/n².
    share: f64,
}

impl Deconvolution {
    /// 1/(s·n²).
    fn spectrum(&self, s: Complex<f64>) -> Complex<f64> {
        let s = s * self.unit;
        s.conj() / s.norm_sqr() * self.share
    }
}

impl<T: Real> LinearOperator<T> for Deconvolution {
    fn nrows(&self) -> usize {
        self.matrix.size()
    }

    fn ncols(&self) -> usize {
        self.matrix.size()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        LinearOperator::<T>::apply_block(self, column(x), column_mut(y))
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        self.matrix.convolve(|s| self.spectrum(s).conj(), column(x), column_mut(y))
    }

    fn apply_block(&self, x: DMatrixView<'_, T>, y: DMatrixViewMut<'_, T>) -> linalg::Result<()> {
        self.matrix.convolve(|s| self.spectrum(s), x, y)
    }
}

fn column<T: Real>(x: &[T]) -> DMatrixView<'_, T> {
    DMatrixView::from_slice(x, x.len(), 1)
}

fn column_mut<T: Real>(y: &mut [T]) -> DMatrixViewMut<'_, T> {
    let rows = y.len();
    DMatrixViewMut::from_slice(y, rows, 1)
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
        // Well conditioned, (4 - 1)/(4 + 1), but with an inverse beyond the largest number.
        match LinearOperator::<f64>::inverse(&subnormal).err() {
            Some(linalg::Error::Singular { pivot: 1, rcond, .. }) => {
                // Subnormal numbers of this size have 46 bits, and halving takes one.
                assert!((rcond - 0.6).abs() <= 2.0_f64.powi(-43), "{rcond}");
            }
            other => panic!("{other:?}"),
        }
        // 1/s is a number, although the square of the condition times the unit is none. The
        // limit is 4 eps over rcond, 1e-8.
        let steep = Circulant::new(&[1e-300 + 1e-308, 1e-300 - 1e-308]).unwrap();
        let inverse = LinearOperator::<f64>::inverse(&steep).unwrap().unwrap();
        inverse.apply(&[2e-300, 2e-300], &mut x).unwrap();
        assert!((x[0] - 1.0).abs() < 1e-7 && (x[1] - 1.0).abs() < 1e-7, "{x:?}");
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
