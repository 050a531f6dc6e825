//! Gauss–Seidel sweeps over compressed rows, for several systems side by side and on several threads.
//!
//! A sweep is sequential: each row needs what the rows before it have become. But of a few thousand rows next
//! to each other few look at one another where entries are scattered. So rows are taken in phases of two
//! chunks that are swept at the same time, each with the x of the other from before the phase. That is the
//! same on one thread and on two, and so are the bits.
//!
//! x is in single precision, since a sweep waits for entries of x that lie anywhere: 0.4 MB of them for 100,000
//! units stay in a core's cache where 0.8 MB do not. A stays as it is and is rounded on the way.

use std::ops::Range;

use nalgebra::ComplexField;
use pulp::{Simd, WithSimd};

use super::compressed::{Aligned, Compressed};
use crate::gemm::arch;
use crate::parallel::{available_threads, join};
use crate::{Scalar, Threads};

/// Phases of a sweep: one in 32 entries sees a value that is a sweep old.
const PHASES: usize = 16;
/// Fewer rows are swept one after the other.
const FEW: usize = 1 << 14;

/// The systems that are swept: 1/aᵢᵢ, and b and x with the numbers of a row side by side.
pub(super) struct Systems<'a, S> {
    pub(super) inverse: &'a [S],
    pub(super) b: &'a [S],
}

/// Some rows to be swept one after the other, compiled for the machine's vectors.
struct Lines<'a, T: Scalar, const C: usize> {
    rows: &'a Compressed<T>,
    lines: Range<usize>,
    systems: &'a Systems<'a, T::Single>,
    x: &'a mut [T::Single],
}

impl<T: Scalar> Compressed<T> {
    /// One sweep of C systems: `x_line` ← `x_line` + `inverse_line`·r with r = `b_line` − Σ a·`x_position`;
    /// √(Σ |r|²) of each system, the residuals as they were met.
    pub(super) fn relax<const C: usize>(
        &self,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
        threads: Threads,
    ) -> [f64; C] {
        let lines = self.lines();
        let squares = if lines < FEW {
            self.relax_lines::<C>(0..lines, systems, x)
        } else if threads == Threads::Pool && available_threads() > 1 {
            self.relax_on_two_threads::<C>(systems, x)
        } else {
            self.relax_in_phases::<C>(systems, x)
        };
        squares.map(|square| T::Single::real_to_f64(square.real()).sqrt())
    }

    /// The two chunks of each phase.
    fn phases(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<T> {
        let lines = self.lines();
        let rows = lines.div_ceil(2 * PHASES);
        (0..lines).step_by(2 * rows).map(move |first| {
            let middle = lines.min(first + rows);
            (first..middle, middle..lines.min(middle + rows))
        })
    }

    fn relax_in_phases<const C: usize>(
        &self,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
    ) -> [T::Single; C] {
        let mut squares = [nalgebra::zero(); C];
        let mut kept = Vec::new();
        for (first, second) in self.phases() {
            let place = first.start * C..first.end * C;
            kept.clear();
            kept.extend_from_slice(&x[place.clone()]);
            add(&mut squares, self.relax_lines::<C>(first, systems, x));
            // The second chunk is not to see what became of the first.
            kept.swap_with_slice(&mut x[place.clone()]);
            add(&mut squares, self.relax_lines::<C>(second, systems, x));
            x[place].copy_from_slice(&kept);
        }
        squares
    }

    /// The same with an x for each thread, which hears of the other's chunk a phase later.
    fn relax_on_two_threads<const C: usize>(
        &self,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
    ) -> [T::Single; C] {
        let mut squares = [nalgebra::zero(); C];
        let mut other = Aligned::zeros(x.len());
        let other = other.as_mut_slice();
        other.copy_from_slice(x);
        // What each thread found in the last phase, and where.
        let (mut found, mut news) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        let mut places = (0..0, 0..0);
        for (first, second) in self.phases() {
            let next = (first.start * C..first.end * C, second.start * C..second.end * C);
            let work = |x: &mut [T::Single], chunk, place: &Range<usize>, found: &mut Vec<_>| {
                let sums = self.relax_lines::<C>(chunk, systems, x);
                found.clear();
                found.extend_from_slice(&x[place.clone()]);
                sums
            };
            let sums = join(
                || {
                    x[places.1.clone()].copy_from_slice(&news.1);
                    work(x, first, &next.0, &mut found.0)
                },
                || {
                    other[places.0.clone()].copy_from_slice(&news.0);
                    work(other, second, &next.1, &mut found.1)
                },
            );
            add(&mut squares, sums.0);
            add(&mut squares, sums.1);
            places = next;
            std::mem::swap(&mut found, &mut news);
        }
        x[places.1].copy_from_slice(&news.1);
        squares
    }

    /// The sweep of some rows, one after the other; Σ |r|² of each system.
    fn relax_lines<const C: usize>(
        &self,
        lines: Range<usize>,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
    ) -> [T::Single; C] {
        arch().dispatch(Lines::<T, C> { rows: self, lines, systems, x })
    }
}

impl<T: Scalar, const C: usize> WithSimd for Lines<'_, T, C> {
    type Output = [T::Single; C];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> [T::Single; C] {
        let Self { rows, lines, systems, x } = self;
        let mut start = rows.starts[lines.start];
        let mut squares = [nalgebra::zero(); C];
        let mut r = [nalgebra::zero(); C];
        for line in lines {
            let end = rows.starts[line + 1];
            r.copy_from_slice(&systems.b[line * C..(line + 1) * C]);
            let entries = rows.positions[start..end].iter().zip(&rows.values[start..end]);
            for (&position, value) in entries {
                let (value, x) = (value.single(), &x[position as usize * C..][..C]);
                for c in 0..C {
                    r[c] -= value * x[c];
                }
            }
            let x = &mut x[line * C..(line + 1) * C];
            for c in 0..C {
                squares[c] += r[c].conjugate() * r[c];
                x[c] += systems.inverse[line] * r[c];
            }
            start = end;
        }
        squares
    }
}

fn add<T: Scalar, const C: usize>(squares: &mut [T; C], sums: [T; C]) {
    for (square, sum) in squares.iter_mut().zip(sums) {
        *square += sum;
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "parallel")]
    use crate::Threads;
    use crate::operator::tests::random;
    use crate::sparse::csr::tests::shifted_random;
    use crate::{LinearOperator, Scalar};

    const N: usize = 20_000;

    #[test]
    fn each_chunk_of_a_phase_is_swept_without_the_other() {
        let a = shifted_random(N, 6, 1.0, 3);
        let inverse = a.diagonal().unwrap().map(|d| (1.0 / d).single());
        let single = |seed| random(N, 1, seed).map(|x| x.single());
        let (b, start) = (single(4), single(5));
        let mut x = start.clone();
        let met = a.relax(inverse.as_slice(), 1, b.as_slice(), x.as_mut_slice()).unwrap().unwrap();
        // By the definition: 32 chunks of 625 rows, of which an odd one does not see the one before it.
        let (rows, mut expected, mut square) = (N / 32, start.clone(), 0.0_f64);
        let mut entries = vec![Vec::new(); N];
        a.entries().for_each(|(i, j, value)| entries[i].push((j, value.single())));
        for chunk in 0..32 {
            let twin = (chunk ^ 1) * rows..((chunk ^ 1) + 1) * rows;
            for i in chunk * rows..(chunk + 1) * rows {
                let mut r = b[i];
                for &(j, value) in &entries[i] {
                    let old = twin.contains(&j) && chunk % 2 == 1;
                    r -= value * if old { start[j] } else { expected[j] };
                }
                square += f64::from(r * r);
                expected[i] += inverse[i] * r;
            }
        }
        assert_eq!(x, expected);
        // A sum of n squares in single precision.
        let limit = N as f64 * f64::from(f32::EPSILON) * met[0];
        assert!((met[0] - square.sqrt()).abs() <= limit, "{met:?} and {}", square.sqrt());
    }

    #[test]
    #[cfg(feature = "parallel")]
    fn a_sweep_has_the_same_bits_on_one_two_and_four_threads() {
        let a = shifted_random(N + 17, 6, 1.0, 3);
        let inverse = a.diagonal().unwrap().map(|d| (1.0 / d).single());
        let single = |seed| random(4, N + 17, seed).map(|x| x.single());
        let (b, start) = (single(4), single(5));
        let sweep = |threads: usize, side: Threads| {
            let a = a.clone().threads(side);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut x = start.clone();
            let met = pool.install(|| {
                a.relax(inverse.as_slice(), 4, b.as_slice(), x.as_mut_slice()).unwrap()
            });
            (x, met.unwrap())
        };
        let one = sweep(1, Threads::One);
        for threads in [1, 2, 4] {
            assert_eq!(one, sweep(threads, Threads::Pool), "{threads} threads");
        }
    }
}
