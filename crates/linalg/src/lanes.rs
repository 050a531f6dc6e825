//! Loops compiled for the vector instructions of the machine they run on.
//!
//! A program built for every x86-64 machine uses vectors of 128 bits. What [`run`] is given is
//! compiled for AVX2 and AVX-512 as well, and the best that the machine has is chosen at run time.

use pulp::{Simd, WithSimd};

use crate::gemm::arch;

/// Work made of plain loops over slices.
///
/// `run` and every function it calls should be `#[inline(always)]`: what is not inlined is compiled
/// for the oldest machine. A closure cannot be marked so, which is why this is a trait.
pub trait Task {
    /// What it gives.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs `task`, compiled for this machine's instructions.
///
/// # Examples
/// ```
/// use linalg::lanes::{Task, run};
/// struct Double<'a>(&'a mut [f32]);
/// impl Task for Double<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn run(self) {
///         for x in self.0 {
///             *x += *x;
///         }
///     }
/// }
/// let mut x = [1.0, 2.0, 3.0];
/// run(Double(&mut x));
/// assert_eq!(x, [2.0, 4.0, 6.0]);
/// ```
pub fn run<K: Task>(task: K) -> K::Output {
    struct Run<K>(K);
    impl<K: Task> WithSimd for Run<K> {
        type Output = K::Output;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> K::Output {
            self.0.run()
        }
    }
    arch().dispatch(Run(task))
}
