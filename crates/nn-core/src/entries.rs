//! Functions of every entry of some lists, in loops compiled for the machine's vectors.

use linalg::Real;
use linalg::lanes::{Task, Vectors, run};

/// `to[k]` ← f of the k-th entries of `from`, up to the end of the shortest list.
pub(crate) fn apply<T: Real, const N: usize>(
    from: [&[T]; N],
    to: &mut [T],
    f: impl Fn([T; N]) -> T,
) {
    run(Apply { from, to, f });
}

struct Apply<'a, T, F, const N: usize> {
    from: [&'a [T]; N],
    to: &'a mut [T],
    f: F,
}

impl<T: Real, F: Fn([T; N]) -> T, const N: usize> Task<T> for Apply<'_, T, F, N> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vectors<T>>(self, _vectors: V) {
        let len = self.from.iter().fold(self.to.len(), |len, from| len.min(from.len()));
        let mut from = self.from;
        for list in &mut from {
            *list = &list[..len];
        }
        for (k, to) in self.to[..len].iter_mut().enumerate() {
            *to = (self.f)(std::array::from_fn(|list| from[list][k]));
        }
    }
}

/// The first of samples that follow one another; `None` where they do not.
pub(crate) fn first_in_a_row(samples: &[usize]) -> Option<usize> {
    struct InARow<'a>(&'a [usize], usize);
    impl Task<f64> for InARow<'_> {
        type Output = bool;
        #[inline(always)]
        fn run<V: Vectors<f64>>(self, _vectors: V) -> bool {
            /// So many are looked at before the first that is not in order stops the search.
            const PIECE: usize = 64;
            let Self(samples, first) = self;
            samples.chunks(PIECE).enumerate().all(|(piece, samples)| {
                let start = first.wrapping_add(piece * PIECE);
                let places = samples.iter().enumerate();
                places.fold(true, |so_far, (at, &x)| so_far & (x == start.wrapping_add(at)))
            })
        }
    }
    let first = *samples.first()?;
    first.checked_add(samples.len())?;
    run(InARow(samples, first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_list_decides() {
        let mut to = [0.0; 4];
        apply([&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0]], &mut to, |[a, b]| a + b);
        assert_eq!(to.map(f64::to_bits), [11.0, 22.0, 33.0, 0.0].map(f64::to_bits));
    }

    #[test]
    fn one_sample_out_of_order_is_seen_wherever_it_is() {
        assert_eq!(first_in_a_row(&[]), None);
        let samples: Vec<usize> = (7..207).collect();
        assert_eq!(first_in_a_row(&samples), Some(7));
        for at in 1..200 {
            let mut samples = samples.clone();
            samples[at] = 5;
            assert_eq!(first_in_a_row(&samples), None, "{at}");
        }
        assert_eq!(first_in_a_row(&[usize::MAX, 0]), None);
    }
}
