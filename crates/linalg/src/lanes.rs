//! Loops compiled for the vector instructions of the machine they run on.
//!
//! A program built for every x86-64 machine uses vectors of 128 bits. What [`run`] is given is
//! compiled for AVX2 and AVX-512 as well, and the best that the machine has is chosen at run time.

use pulp::{Simd, WithSimd};

use crate::Real;
use crate::gemm::{Lanes, arch};

/// Work over slices of numbers.
///
/// `run` and every function it calls should be `#[inline(always)]`: what is not inlined is compiled
/// for the oldest machine. A closure cannot be marked so, which is why this is a trait.
pub trait Task<T: Real> {
    /// What it gives.
    type Output;

    /// Does the work, in plain loops that the compiler turns into vectors, or with `vectors` where
    /// it does not.
    fn run<V: Vectors<T>>(self, vectors: V) -> Self::Output;
}

/// The vector registers of the machine, several numbers in each.
pub trait Vectors<T: Real>: Copy {
    /// As many numbers as a register holds.
    type Vector: Copy;

    /// Numbers in a vector.
    fn lanes(self) -> usize;
    /// The whole vectors of a slice, and the numbers left over.
    fn split(self, x: &[T]) -> (&[Self::Vector], &[T]);
    /// The whole vectors of a slice to be written, and the numbers left over.
    fn split_mut(self, x: &mut [T]) -> (&mut [Self::Vector], &mut [T]);
    /// The same number in every lane.
    fn splat(self, x: T) -> Self::Vector;
    /// The first numbers of `x`; where it has fewer than a vector, the rest is 0.
    fn load(self, x: &[T]) -> Self::Vector;
    /// The first numbers of `vector` into `x`, as many as there is room for.
    fn store(self, x: &mut [T], vector: Self::Vector);
    /// The vectors that fit into `x` whole: where they are known to, that is cheaper to ask for than
    /// [`Vectors::load`].
    fn whole(self, x: &[T]) -> &[Self::Vector];
    /// The vectors that fit into `x` whole, to be written.
    fn whole_mut(self, x: &mut [T]) -> &mut [Self::Vector];
    /// a + b.
    fn plus(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a − b.
    fn minus(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// a·x.
    fn times(self, a: Self::Vector, x: T) -> Self::Vector;
    /// a·x + b, in one rounding where the processor has that.
    fn mul_add(self, a: Self::Vector, x: T, b: Self::Vector) -> Self::Vector;
    /// a·b + c lane by lane, in one rounding where the processor has that.
    fn product_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The sum over the lanes.
    fn sum(self, a: Self::Vector) -> T;
    /// `x` in the lanes where a > b, `y` in the others, those with a NaN too.
    fn where_greater(
        self,
        compared: [Self::Vector; 2],
        x: Self::Vector,
        y: Self::Vector,
    ) -> Self::Vector;
    /// `x` in the lanes where a = b, `y` in the others, those with a NaN too.
    fn where_equal(
        self,
        compared: [Self::Vector; 2],
        x: Self::Vector,
        y: Self::Vector,
    ) -> Self::Vector;
}

/// Runs `task`, compiled for this machine's instructions.
///
/// # Examples
/// ```
/// use linalg::lanes::{Task, Vectors, run};
/// struct Double<'a>(&'a mut [f32]);
/// impl Task<f32> for Double<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn run<V: Vectors<f32>>(self, _vectors: V) {
///         for x in self.0 {
///             *x += *x;
///         }
///     }
/// }
/// let mut x = [1.0, 2.0, 3.0];
/// run(Double(&mut x));
/// assert_eq!(x, [2.0, 4.0, 6.0]);
/// ```
pub fn run<T: Real, K: Task<T>>(task: K) -> K::Output {
    struct Run<K, T>(K, std::marker::PhantomData<T>);
    impl<T: Real, K: Task<T>> WithSimd for Run<K, T> {
        type Output = K::Output;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> K::Output {
            self.0.run(Registers(simd))
        }
    }
    arch().dispatch(Run(task, std::marker::PhantomData))
}

/// The registers of one instruction set.
#[derive(Clone, Copy)]
struct Registers<S>(S);

impl<S: Simd, T: Real> Vectors<T> for Registers<S> {
    type Vector = T::Vector<S>;

    #[inline(always)]
    fn lanes(self) -> usize {
        T::lanes::<S>()
    }

    #[inline(always)]
    fn split(self, x: &[T]) -> (&[T::Vector<S>], &[T]) {
        T::split::<S>(x)
    }

    #[inline(always)]
    fn split_mut(self, x: &mut [T]) -> (&mut [T::Vector<S>], &mut [T]) {
        T::split_mut::<S>(x)
    }

    #[inline(always)]
    fn splat(self, x: T) -> T::Vector<S> {
        <T as Lanes>::splat(self.0, x)
    }

    #[inline(always)]
    fn load(self, x: &[T]) -> T::Vector<S> {
        match T::split::<S>(x).0.first() {
            Some(vector) => *vector,
            None => T::load_part(self.0, x),
        }
    }

    #[inline(always)]
    fn store(self, x: &mut [T], vector: T::Vector<S>) {
        if x.len() < T::lanes::<S>() {
            T::store_part(self.0, x, vector);
        } else if let Some(x) = T::split_mut::<S>(x).0.first_mut() {
            *x = vector;
        }
    }

    #[inline(always)]
    fn whole(self, x: &[T]) -> &[T::Vector<S>] {
        T::split::<S>(x).0
    }

    #[inline(always)]
    fn whole_mut(self, x: &mut [T]) -> &mut [T::Vector<S>] {
        T::split_mut::<S>(x).0
    }

    #[inline(always)]
    fn plus(self, a: T::Vector<S>, b: T::Vector<S>) -> T::Vector<S> {
        T::plus(self.0, a, b)
    }

    #[inline(always)]
    fn minus(self, a: T::Vector<S>, b: T::Vector<S>) -> T::Vector<S> {
        T::mul_sub(self.0, b, <T as Lanes>::splat(self.0, T::one()), a)
    }

    #[inline(always)]
    fn times(self, a: T::Vector<S>, x: T) -> T::Vector<S> {
        <T as Lanes>::times(self.0, a, <T as Lanes>::splat(self.0, x))
    }

    #[inline(always)]
    fn mul_add(self, a: T::Vector<S>, x: T, b: T::Vector<S>) -> T::Vector<S> {
        <T as Lanes>::mul_add(self.0, a, <T as Lanes>::splat(self.0, x), b)
    }

    #[inline(always)]
    fn product_add(self, a: T::Vector<S>, b: T::Vector<S>, c: T::Vector<S>) -> T::Vector<S> {
        <T as Lanes>::mul_add(self.0, a, b, c)
    }

    #[inline(always)]
    fn sum(self, a: T::Vector<S>) -> T {
        <T as Lanes>::sum(self.0, a)
    }

    #[inline(always)]
    fn where_greater(
        self,
        compared: [T::Vector<S>; 2],
        x: T::Vector<S>,
        y: T::Vector<S>,
    ) -> T::Vector<S> {
        T::where_greater(self.0, compared, x, y)
    }

    #[inline(always)]
    fn where_equal(
        self,
        compared: [T::Vector<S>; 2],
        x: T::Vector<S>,
        y: T::Vector<S>,
    ) -> T::Vector<S> {
        T::where_equal(self.0, compared, x, y)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers, of which every operation is exact")]
mod tests {
    use super::*;
    use crate::gemm::tests::on_each_arch;

    struct All<'a>(&'a [f64], &'a mut [f64]);

    impl Task<f64> for All<'_> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vectors<f64>>(self, vectors: V) {
            let step = vectors.lanes();
            assert_eq!(vectors.whole(self.0).len(), self.0.len() / step);
            assert_eq!(vectors.whole_mut(self.1).len(), self.1.len() / step);
            for (x, y) in self.0.chunks(step).zip(self.1.chunks_mut(step)) {
                let x = vectors.load(x);
                let three = vectors.mul_add(x, 2.0, x);
                let one = vectors.minus(three, vectors.times(x, 2.0));
                let ones = vectors.splat(1.0);
                let ten = vectors.product_add(vectors.splat(5.0), vectors.splat(2.0), ones);
                vectors.store(y, vectors.plus(one, vectors.minus(ten, ones)));
                let lanes = [1.0; 8];
                assert_eq!(vectors.sum(vectors.load(&lanes[..step])), step as f64);
            }
        }
    }

    /// Σ (x² + 1) over whole vectors, and what is left of x.
    struct Squares<'a>(&'a mut [f64]);

    impl Task<f64> for Squares<'_> {
        type Output = (f64, usize);

        #[inline(always)]
        fn run<V: Vectors<f64>>(self, vectors: V) -> (f64, usize) {
            let (whole, rest) = vectors.split_mut(self.0);
            let left = rest.len();
            let mut sum = 0.0;
            for x in whole.iter_mut() {
                *x = vectors.product_add(*x, *x, vectors.splat(1.0));
                sum += vectors.sum(*x);
            }
            assert_eq!(vectors.split(self.0).1.len(), left);
            (sum, left)
        }
    }

    /// The larger of each pair, and 1 where they are equal.
    struct Largest<'a>(&'a [f32], &'a [f32], [&'a mut [f32]; 2]);

    impl Task<f32> for Largest<'_> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vectors<f32>>(self, v: V) {
            let Self(a, b, [largest, equal]) = self;
            let step = v.lanes();
            for start in (0..a.len()).step_by(step) {
                let end = a.len().min(start + step);
                let (a, b) = (v.load(&a[start..end]), v.load(&b[start..end]));
                v.store(&mut largest[start..end], v.where_greater([a, b], a, b));
                let (one, zero) = (v.splat(1.0), v.splat(0.0));
                v.store(&mut equal[start..end], v.where_equal([a, b], one, zero));
            }
        }
    }

    #[test]
    fn lanes_are_multiplied_and_summed() {
        on_each_arch(|name| {
            for n in 0..40_u32 {
                let mut x: Vec<f64> = (0..n).map(f64::from).collect();
                let (sum, left) = run(Squares(&mut x));
                let whole = x.len() - left;
                assert_eq!(sum, x[..whole].iter().sum::<f64>(), "{name}, {n}");
                let expected = (0..n).map(f64::from).map(|x| x * x + 1.0);
                assert!(x[..whole].iter().zip(expected).all(|(x, y)| *x == y), "{name}, {n}");
            }
        });
    }

    #[test]
    fn lanes_are_chosen_one_by_one() {
        let nan = f32::NAN;
        let a: Vec<f32> = [1.0, 2.0, nan, 4.0, -0.0, nan, f32::INFINITY].repeat(5);
        let b: Vec<f32> = [2.0, 1.0, 3.0, nan, 0.0, nan, 0.0].repeat(5);
        on_each_arch(|name| {
            let (mut largest, mut equal) = (vec![7.0; a.len()], vec![7.0; a.len()]);
            run(Largest(&a, &b, [&mut largest, &mut equal]));
            for i in 0..a.len() {
                let expected = if a[i] > b[i] { a[i] } else { b[i] };
                assert_eq!(largest[i].to_bits(), expected.to_bits(), "{name}, {i}");
                assert_eq!(equal[i], f32::from(u8::from(a[i] == b[i])), "{name}, {i}");
            }
        });
    }

    #[test]
    fn every_operation_works_on_whole_and_part_vectors() {
        on_each_arch(|name| {
            for n in 0..40_u32 {
                let x: Vec<f64> = (0..n).map(f64::from).collect();
                let mut y = vec![0.0; x.len()];
                run(All(&x, &mut y));
                assert!(y.iter().zip(&x).all(|(y, x)| *y == x + 10.0), "{name}, {n}");
            }
        });
    }
}
