//! What a core can do at most, which a product is held against.

use linalg::Real;
use linalg::lanes::{Task, Vectors};

/// Multiply-adds as fast as one core makes them: twelve chains in registers, which no memory slows down.
#[derive(Debug)]
pub struct MultiplyAdds {
    /// Steps of the twelve chains.
    pub steps: usize,
}

impl MultiplyAdds {
    /// Floating-point operations a step and lane.
    pub const OPERATIONS: usize = 2 * 12;
}

impl<T: Real> Task<T> for MultiplyAdds {
    /// Lanes of a register, and a number that needs all of the work.
    type Output = (usize, T);

    #[inline(always)]
    fn run<V: Vectors<T>>(self, vectors: V) -> (usize, T) {
        let half = T::from_double(0.5);
        let (one, mut chains) = (vectors.splat(T::one()), [vectors.splat(T::zero()); 12]);
        for _ in 0..self.steps {
            // Towards 2, which no number of steps lets overflow or vanish.
            for chain in &mut chains {
                *chain = vectors.mul_add(*chain, half, one);
            }
        }
        let sum = chains.into_iter().fold(vectors.splat(T::zero()), |a, b| vectors.plus(a, b));
        let mut lane = [T::zero()];
        vectors.store(&mut lane, sum);
        (vectors.lanes(), lane[0])
    }
}
