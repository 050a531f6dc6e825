//! What every method of this crate needs of a network: its value, and its Jacobian by products.

use std::fmt::{self, Debug};

use linalg::{DVector, LinearOperator, Real};

use crate::{Chain, Result};

/// A differentiable map y = f(x), with the Jacobian J = ∂y/∂x known by its products.
///
/// A network is one, and so is a chain of operators and activations. Methods that descend, polish or
/// certify need nothing more.
pub trait Map<T: Real> {
    /// The length of x.
    fn inputs(&self) -> usize;

    /// The length of y.
    fn outputs(&self) -> usize;

    /// f(x).
    ///
    /// # Errors
    /// For an x of the wrong length, or one with a NaN or an infinity.
    fn value(&self, x: &DVector<T>) -> Result<DVector<T>>;

    /// f(x), and J at x.
    ///
    /// # Errors
    /// As [`Self::value`].
    fn linearize<'a>(&'a self, x: &DVector<T>) -> Result<Linearization<'a, T>>;

    /// The same map link by link, where it has a view as a chain: what shows the kinks of a ReLU, on which
    /// [`Preimages::nearest`](crate::Preimages::nearest) depends. `None` by default.
    fn chain(&self) -> Option<Chain<'_, T>> {
        None
    }
}

/// A map at a point, see [`Map::linearize`].
#[must_use]
pub struct Linearization<'a, T: Real> {
    /// f(x).
    pub value: DVector<T>,
    /// J at x, outputs x inputs.
    pub jacobian: Box<dyn LinearOperator<T> + Send + Sync + 'a>,
}

impl<T: Real> Debug for Linearization<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = (self.jacobian.nrows(), self.jacobian.ncols());
        f.debug_struct("Linearization")
            .field("value", &self.value)
            .field("jacobian", &shape)
            .finish()
    }
}
