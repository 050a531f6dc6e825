//! The parts of a quasi-Newton descent: what the last steps tell of the curvature, and a line search.
//!
//! `nn-core` trains with them and `nn-invert` searches with them, each in a loop of its own.

mod line_search;

use std::collections::VecDeque;

pub use line_search::{Point, strong_wolfe};

use crate::{DVector, Real};

/// What the last few steps s and the changes y of the gradient over them tell of the inverse Hessian
/// H: the memory of L-BFGS.
///
/// # Examples
/// On f = ½·(x² + 100·y²) the pair of one step along each axis is all of H = diag(1, 1/100):
/// ```
/// use linalg::{DVector, descent::CurvatureMemory};
/// let mut memory = CurvatureMemory::new(2);
/// memory.push(DVector::from_vec(vec![1.0, 0.0]), DVector::from_vec(vec![1.0, 0.0]));
/// memory.push(DVector::from_vec(vec![0.0, 1.0]), DVector::from_vec(vec![0.0, 100.0]));
/// let direction = memory.direction(&DVector::from_vec(vec![3.0, 100.0]));
/// assert!((direction - DVector::from_vec(vec![-3.0, -1.0])).norm() < 1e-14);
/// ```
///
/// # References
/// Nocedal & Wright, "Numerical Optimization", 2nd edition, 2006: algorithm 7.4.
#[derive(Debug, Clone)]
pub struct CurvatureMemory<T: Real> {
    /// s, y and 1/(s·y), the oldest first.
    pairs: VecDeque<(DVector<T>, DVector<T>, f64)>,
    most: usize,
}

impl<T: Real> CurvatureMemory<T> {
    /// An empty memory for `most` pairs.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { pairs: VecDeque::with_capacity(most.min(1 << 10)), most }
    }

    /// Whether it knows nothing, so that [`CurvatureMemory::direction`] is the steepest descent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Takes up the pair s, y where s·y > 10⁻¹⁰·‖y‖², so that H stays positive definite; the oldest is
    /// forgotten where there are too many. A pair of two lengths is not taken up.
    pub fn push(&mut self, s: DVector<T>, y: DVector<T>) {
        let curvature = dot(&s, &y);
        if self.most == 0 || s.len() != y.len() || !(curvature > 1e-10 * dot(&y, &y)) {
            return;
        }
        if self.pairs.len() == self.most {
            self.pairs.pop_front();
        }
        self.pairs.push_back((s, y, 1.0 / curvature));
    }

    /// −H·g by the two-loop recursion, H₀ = (s·y/y·y)·I of the last pair, from the pairs that are as long as g.
    #[must_use]
    pub fn direction(&self, gradient: &DVector<T>) -> DVector<T> {
        let mut q = -gradient;
        let mut alphas = Vec::with_capacity(self.pairs.len());
        let pairs = || self.pairs.iter().filter(|(s, ..)| s.len() == gradient.len());
        for (s, y, rho) in pairs().rev() {
            let alpha = rho * dot(s, &q);
            q.axpy(T::from_double(-alpha), y, T::one());
            alphas.push(alpha);
        }
        if let Some((_, y, rho)) = pairs().next_back() {
            q *= T::from_double(1.0 / (rho * dot(y, y)));
        }
        for ((s, y, rho), alpha) in pairs().zip(alphas.iter().rev()) {
            let beta = rho * dot(y, &q);
            q.axpy(T::from_double(alpha - beta), s, T::one());
        }
        q
    }
}

/// The inner product, added up in double precision.
///
/// # Examples
/// ```
/// use linalg::DVector;
/// let (a, b) = (DVector::from_vec(vec![1e8_f32, 1.0, -1e8]), DVector::from_element(3, 1.0));
/// assert_eq!(linalg::descent::dot(&a, &b), 1.0); // 0 if added up in `f32`
/// ```
pub fn dot<T: Real>(a: &DVector<T>, b: &DVector<T>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_double() * b.to_double()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_without_positive_curvature_are_not_taken_up_and_the_oldest_is_forgotten() {
        let e = |x: f64, y: f64| DVector::from_vec(vec![x, y]);
        let mut memory = CurvatureMemory::new(1);
        memory.push(e(1.0, 0.0), e(-1.0, 0.0));
        memory.push(e(1.0, 0.0), e(0.0, 1.0));
        assert!(memory.is_empty());
        memory.push(e(1.0, 0.0), e(4.0, 0.0));
        memory.push(e(0.0, 1.0), e(0.0, 2.0));
        // H₀ = I/2 of the last pair; the first, which said 1/4 along x, is gone.
        assert_eq!(memory.direction(&e(8.0, 8.0)), e(-4.0, -4.0));
        memory.clear();
        assert_eq!(memory.direction(&e(8.0, 8.0)), e(-8.0, -8.0));
        let mut none = CurvatureMemory::new(0);
        none.push(e(1.0, 0.0), e(1.0, 0.0));
        assert!(none.is_empty());
    }
}
