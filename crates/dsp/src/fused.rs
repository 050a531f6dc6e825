//! Products and sums in one rounding, where the machine has that.

use linalg::Real;
use linalg::lanes::Vectors;

/// Whether the machine multiplies and adds in one instruction; where it does not, asking for one
/// rounding costs a hundred.
#[derive(Clone, Copy)]
pub(crate) struct Fused(bool);

impl Fused {
    /// For the instructions that `vectors` are of.
    #[inline(always)]
    pub(crate) fn of<T: Real, V: Vectors<T>>(vectors: V) -> Self {
        Self(vectors.lanes() > 1)
    }

    /// a·b + sum.
    #[inline(always)]
    pub(crate) fn add<T: Real>(self, a: T, b: T, sum: T) -> T {
        if self.0 { a.mul_add(b, sum) } else { a * b + sum }
    }
}
