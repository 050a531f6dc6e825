//! The invertible 1 x 1 convolution.

use linalg::{DMatrix, DMatrixView, Real, transpose};
use nn_core::{Backward, Block, Forward, Layer, Memory, Shape};
use rand::{Rng, RngExt};

use super::{LayerInversion, fitting};
use crate::arguments::{finite, size};
use crate::fixed_point::spectral_norm;
use crate::perceptron::{Fill, multiply};
use crate::{Error, Result};

/// An invertible 1 x 1 convolution: the channels of every place are mixed by one square matrix, which
/// is kept as its factors,
///
/// ```text
/// y = P·L·U·x at every place        log|det| = places·∑ log|uᵢᵢ|
/// ```
///
/// P a permutation that stays as it was drawn, L lower triangular with ones on its diagonal, U upper
/// triangular. Training moves L and U, so that the inverse is two triangular solves and log|det| a sum,
/// at any time; no pivot is ever looked for. Parameters: `lower` and `upper`, the entries off the
/// diagonals column by column, and `diagonal`, that of U.
///
/// # References
/// Kingma & Dhariwal, "Glow: generative flow with invertible 1×1 convolutions", NeurIPS 2018,
/// section 3.2.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixing {
    shape: Shape,
    /// Channel i of the output is entry `order[i]` of L·U·x.
    order: Vec<usize>,
}

impl Mixing {
    /// Mixes the channels of `shape`, with a permutation drawn from `rng`.
    pub fn new(shape: impl Into<Shape>, rng: &mut impl Rng) -> Self {
        let shape = shape.into();
        let mut order: Vec<usize> = (0..shape.channels).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        Self { shape, order }
    }

    /// The input whose output is `y`, inputs x samples, given the layer's parameters.
    ///
    /// # Errors
    /// [`Error::Singular`] where an entry of U's diagonal is 0, [`Error::Network`] where `y` does not
    /// fit or is not finite.
    pub fn undo<T: Real>(&self, parameters: &[T], y: &DMatrix<T>) -> Result<LayerInversion<T>> {
        fitting(self, parameters)?;
        size("y", "rows", y.nrows(), self.shape.len())?;
        finite("y", y.as_slice(), y.nrows())?;
        let (lower, upper) = self.factors(parameters);
        let pivots = upper.diagonal();
        if let Some(pivot) = pivots.iter().position(|&pivot| !(pivot.abs() > T::zero())) {
            let name = Layer::<T>::describe(self);
            return Err(Error::Singular { layer: 0, name, pivot, rcond: 0.0 });
        }
        let undo = |y: &DMatrix<T>| {
            let mut v = y.clone();
            for (mut v, y) in v.column_iter_mut().zip(y.column_iter()) {
                for (&to, &y) in self.order.iter().zip(y.iter()) {
                    v[to] = y;
                }
            }
            lower.solve_lower_triangular_unchecked_mut(&mut v);
            upper.solve_upper_triangular_unchecked_mut(&mut v);
            v
        };
        let channels = self.order.len();
        let places = self.shape.places();
        let columns = DMatrix::from_column_slice(channels, places * y.ncols(), y.as_slice());
        let x = DMatrix::from_column_slice(y.nrows(), y.ncols(), undo(&columns).as_slice());
        let amplification = spectral_norm(&undo(&DMatrix::identity(channels, channels)))?;
        let logarithm = pivots.iter().map(|pivot| pivot.to_double().abs().ln()).sum::<f64>();
        let log_determinants = vec![places as f64 * logarithm; y.ncols()];
        Ok(LayerInversion { x, log_determinants, amplification, iterations: 1 })
    }

    fn off_diagonal(&self) -> usize {
        self.order.len() * (self.order.len() - 1) / 2
    }

    /// L and U.
    fn factors<T: Real>(&self, parameters: &[T]) -> (DMatrix<T>, DMatrix<T>) {
        let n = self.order.len();
        let (below, rest) = parameters.split_at(self.off_diagonal());
        let (above, diagonal) = rest.split_at(self.off_diagonal());
        let (mut below, mut above) = (below.iter(), above.iter());
        let (mut lower, mut upper) = (DMatrix::identity(n, n), DMatrix::zeros(n, n));
        for column in 0..n {
            for (row, entry) in (column + 1..n).zip(&mut below) {
                lower[(row, column)] = *entry;
            }
            for (row, entry) in (0..column).zip(&mut above) {
                upper[(row, column)] = *entry;
            }
            upper[(column, column)] = diagonal[column];
        }
        (lower, upper)
    }
}

impl<T: Real> Layer<T> for Mixing {
    fn describe(&self) -> String {
        format!("mixing of channels {}", self.shape)
    }

    fn input(&self) -> Shape {
        self.shape
    }

    fn output(&self) -> Shape {
        self.shape
    }

    fn blocks(&self) -> Vec<Block> {
        let off = self.off_diagonal();
        vec![
            Block { name: "lower", rows: off, columns: 1 },
            Block { name: "upper", rows: off, columns: 1 },
            Block { name: "diagonal", rows: self.order.len(), columns: 1 },
        ]
    }

    /// Entries uniform on ±1/√channels, ones on the diagonal: far from singular.
    fn initialize(&self, parameters: &mut [T], rng: &mut dyn Rng) {
        let reach = 1.0 / (self.order.len() as f64).sqrt();
        let (off, diagonal) = parameters.split_at_mut(2 * self.off_diagonal());
        off.fill_with(|| T::from_double(rng.random_range(-reach..reach)));
        diagonal.fill(T::one());
    }

    fn memory(&self, samples: usize) -> Memory {
        let values = self.shape.len() * samples;
        Memory { record: values, scratch: 2 * values, ..Memory::default() }
    }

    fn multiply_adds(&self) -> usize {
        self.order.len() * self.shape.len()
    }

    fn forward(&self, pass: Forward<'_, T>) -> nn_core::Result<()> {
        let n = self.order.len();
        let (lower, upper) = self.factors(pass.parameters);
        let x = DMatrixView::from_slice(pass.x, n, pass.x.len() / n);
        multiply(&upper, x, Fill::Zero, pass.record)?;
        let u = DMatrixView::from_slice(pass.record, n, pass.x.len() / n);
        let v = &mut pass.scratch[..pass.x.len()];
        multiply(&lower, u, Fill::Zero, v)?;
        for (y, v) in pass.y.chunks_exact_mut(n).zip(v.chunks_exact(n)) {
            for (y, &from) in y.iter_mut().zip(&self.order) {
                *y = v[from];
            }
        }
        Ok(())
    }

    fn backward(&self, pass: Backward<'_, T>) -> nn_core::Result<()> {
        let n = self.order.len();
        let columns = pass.x.len() / n;
        let (lower, upper) = self.factors(pass.parameters);
        let (dv, du) = pass.scratch.split_at_mut(pass.x.len());
        for (dv, dy) in dv.chunks_exact_mut(n).zip(pass.dy.chunks_exact(n)) {
            for (&dy, &from) in dy.iter().zip(&self.order) {
                dv[from] = dy;
            }
        }
        let dv = DMatrixView::from_slice(dv, n, columns);
        let du = &mut du[..pass.x.len()];
        multiply(transpose(&lower), dv, Fill::Zero, du)?;
        let du = DMatrixView::from_slice(du, n, columns);
        if let Some(gradient) = pass.gradient {
            let u = DMatrixView::from_slice(pass.record, n, columns);
            let x = DMatrixView::from_slice(pass.x, n, columns);
            let by_lower = linalg::product(dv, transpose(u))?;
            let by_upper = linalg::product(du, transpose(x))?;
            let (below, rest) = gradient.split_at_mut(self.off_diagonal());
            let (above, diagonal) = rest.split_at_mut(self.off_diagonal());
            let off = |of: &DMatrix<T>, inside: fn(usize, usize) -> bool, target: &mut [T]| {
                let places = (0..n * n).map(|at| (at % n, at / n));
                let inside = places.filter(|&(row, column)| inside(row, column));
                for (target, place) in target.iter_mut().zip(inside) {
                    *target = of[place];
                }
            };
            off(&by_lower, |row, column| row > column, below);
            off(&by_upper, |row, column| row < column, above);
            diagonal.copy_from_slice(by_upper.diagonal().as_slice());
        }
        match pass.dx {
            Some(dx) => Ok(multiply(transpose(&upper), du, Fill::Zero, dx)?),
            None => Ok(()),
        }
    }
}
