//! What a search is asked for.

use linalg::{DVector, Real};
use nn_core::Shape;

/// How to search, and what else is known of x. The setters carry the fields' names.
///
/// # Examples
/// ```
/// use linalg::DVector;
/// use nn_invert::SearchOptions;
/// let options = SearchOptions::<f64>::default()
///     .bounds(DVector::from_element(3, 0.0), DVector::from_element(3, 1.0))
///     .fixed([2]);
/// assert_eq!(options.fixed, [2]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SearchOptions<T: Real> {
    /// How to descend, by default [`SearchMethod::LevenbergMarquardt`].
    pub method: SearchMethod,
    /// Converged when ‖f(x) − y‖₂ ≤ `tolerance`·‖y‖₂ (‖f(x)‖₂ ≤ `tolerance` for y = 0), weighted where
    /// there are weights; by default 1e-10. In `f32` set 1e-5 or so.
    pub tolerance: f64,
    /// Stationary when the cosine ‖Jᵀr‖₂/(‖J‖·‖r‖₂) is at most this, by default 1e-8.
    pub stationarity: f64,
    /// Most steps tried, by default 200.
    pub iterations: usize,
    /// lower ≤ x ≤ upper, an entry for each input, infinite for no bound. By default no bounds.
    pub bounds: Option<(DVector<T>, DVector<T>)>,
    /// Inputs that are known: they keep the seed's values. By default none.
    pub fixed: Vec<usize>,
    /// A weight w ≥ 0 for each output, by default 1: the search makes ‖w∘(f(x) − y)‖ small. With 0
    /// that coordinate of the target is not known, and what stands there is not looked at.
    pub weights: Option<DVector<T>>,
    /// λ of the prior λ·‖x − seed‖², by default 0.
    pub stay_near: f64,
    /// μ of the prior μ·∑(xᵢ − xⱼ)² over neighbors i, j in an image of that shape, by default none.
    pub smooth: Option<(Shape, f64)>,
}

/// A way to descend.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SearchMethod {
    /// Gauss-Newton steps kept short where they do not hold: quadratic near a solution. The Jacobian
    /// is made where it has at most [`DENSE`] rows or columns, otherwise only multiplied with, LSMR
    /// inside.
    LevenbergMarquardt,
    /// Quasi-Newton steps from gradients alone, remembering the last ten: for maps whose Jacobian is
    /// too large, at many more steps.
    Lbfgs,
    /// Adam at this rate, falling to zero along half a cosine over all iterations: for kinks and
    /// plateaus where the others stop, at thousands of steps.
    Adam {
        /// The first step's length in each coordinate.
        rate: f64,
    },
}

/// Rows or columns of a Jacobian up to which it is made entry by entry.
pub const DENSE: usize = 512;

impl<T: Real> Default for SearchOptions<T> {
    fn default() -> Self {
        Self {
            method: SearchMethod::LevenbergMarquardt,
            tolerance: 1e-10,
            stationarity: 1e-8,
            iterations: 200,
            bounds: None,
            fixed: Vec::new(),
            weights: None,
            stay_near: 0.0,
            smooth: None,
        }
    }
}

impl<T: Real> SearchOptions<T> {
    /// Sets [`SearchOptions::method`].
    #[must_use]
    pub fn method(self, method: SearchMethod) -> Self {
        Self { method, ..self }
    }

    /// Sets [`SearchOptions::tolerance`].
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets [`SearchOptions::stationarity`].
    #[must_use]
    pub fn stationarity(self, stationarity: f64) -> Self {
        Self { stationarity, ..self }
    }

    /// Sets [`SearchOptions::iterations`].
    #[must_use]
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// Sets [`SearchOptions::bounds`].
    #[must_use]
    pub fn bounds(self, lower: DVector<T>, upper: DVector<T>) -> Self {
        Self { bounds: Some((lower, upper)), ..self }
    }

    /// Sets [`SearchOptions::fixed`].
    #[must_use]
    pub fn fixed(self, inputs: impl IntoIterator<Item = usize>) -> Self {
        Self { fixed: inputs.into_iter().collect(), ..self }
    }

    /// Sets [`SearchOptions::weights`].
    #[must_use]
    pub fn weights(self, weights: DVector<T>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// Sets [`SearchOptions::stay_near`].
    #[must_use]
    pub fn stay_near(self, weight: f64) -> Self {
        Self { stay_near: weight, ..self }
    }

    /// Sets [`SearchOptions::smooth`].
    #[must_use]
    pub fn smooth(self, shape: Shape, weight: f64) -> Self {
        Self { smooth: Some((shape, weight)), ..self }
    }
}
