//! A network as a map: any layer will do that nn-core can run forward and backward.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use linalg::{DMatrix, DVector, LinearOperator, Real};
use nn_core::{Direction, Gradients, Network, Trace};

use crate::arguments::batch;
use crate::{Chain, Linearization, Map, Result};

impl<T: Real> Map<T> for Network<T> {
    fn inputs(&self) -> usize {
        self.inputs()
    }

    fn outputs(&self) -> usize {
        self.outputs()
    }

    fn value(&self, x: &DVector<T>) -> Result<DVector<T>> {
        let x = column(x.as_slice());
        batch("x", &x, self.inputs())?;
        Ok(self.predict(&x)?.column(0).into_owned())
    }

    fn linearize<'a>(&'a self, x: &DVector<T>) -> Result<Linearization<'a, T>> {
        let x = column(x.as_slice());
        batch("x", &x, self.inputs())?;
        let mut trace = Trace::new();
        self.forward(&x, &mut trace)?;
        let value = trace.output().column(0).into_owned();
        let jacobian = Box::new(Jacobian { network: self, trace: Mutex::new(trace) });
        Ok(Linearization { value, jacobian })
    }

    fn chain(&self) -> Option<Chain<'_, T>> {
        Chain::of(self).ok()
    }
}

/// J·v by the network's forward mode, Jᵀ·u by its backward pass, at the pass that the trace holds.
struct Jacobian<'a, T: Real> {
    network: &'a Network<T>,
    /// Both passes work in it.
    trace: Mutex<Trace<T>>,
}

impl<T: Real> LinearOperator<T> for Jacobian<'_, T> {
    fn nrows(&self) -> usize {
        self.network.outputs()
    }

    fn ncols(&self) -> usize {
        self.network.inputs()
    }

    fn apply(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        length("y", y.len(), self.nrows())?;
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        let direction = column(x);
        let rates = self.network.jvp(Direction::Input(&direction), &mut trace).map_err(lower)?;
        y.copy_from_slice(rates.as_slice());
        Ok(())
    }

    fn apply_adjoint(&self, x: &[T], y: &mut [T]) -> linalg::Result<()> {
        length("y", y.len(), self.ncols())?;
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        self.network.backward(&column(x), Gradients::Input, &mut trace).map_err(lower)?;
        if let Some(gradient) = trace.input_gradient() {
            y.copy_from_slice(gradient.column(0).as_slice());
        }
        Ok(())
    }
}

impl<T: Real> fmt::Debug for Jacobian<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jacobian").field("network", self.network).finish_non_exhaustive()
    }
}

fn column<T: Real>(x: &[T]) -> DMatrix<T> {
    DMatrix::from_column_slice(x.len(), 1, x)
}

/// What the network's passes can refuse of a vector, in the words of `linalg`.
fn lower(error: nn_core::Error) -> linalg::Error {
    match error {
        nn_core::Error::Linalg(error) => error,
        nn_core::Error::NotFinite { row, column, value, .. } => {
            linalg::Error::NotFinite { argument: "x", row, column, value }
        }
        nn_core::Error::Size { found, expected, .. } => linalg::Error::Shape {
            argument: "x",
            found_rows: found,
            found_columns: 1,
            expected_rows: expected,
            expected_columns: 1,
        },
        // A caller's own layer that refuses to be run backward.
        _ => linalg::Error::NoAdjoint,
    }
}

fn length(argument: &'static str, found: usize, expected: usize) -> linalg::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(linalg::Error::Shape {
        argument,
        found_rows: found,
        found_columns: 1,
        expected_rows: expected,
        expected_columns: 1,
    })
}
