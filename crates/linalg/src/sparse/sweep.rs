//! Gauss–Seidel sweeps over compressed rows, for several systems side by side and on two threads.
//!
//! A sweep is sequential: each row needs what the rows before it have become. But the order of the rows is free,
//! and rows that lie far apart seldom look at one another. So half of the rows are for each of two threads, which go on
//! in phases, each with the x of the other from before the phase. That is the same on one thread and on two, and so
//! are the bits.
//!
//! x is in single precision, since a sweep waits for entries of x that lie anywhere: 0.4 MB of them for 100,000
//! units stay in a core's cache where 0.8 MB do not. A stays as it is and is rounded on the way: it is read once,
//! in order.

use std::ops::Range;

use nalgebra::ComplexField;
use pulp::{Simd, WithSimd};

use super::compressed::{Aligned, Compressed};
use crate::gemm::arch;
use crate::parallel::{available_threads, inside, join};
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

/// Rows to be swept, one after the other, compiled for the machine's vectors.
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
            inside(|| self.relax_on_two_threads::<C>(systems, x))
        } else {
            self.relax_in_phases::<C>(systems, x)
        };
        squares.map(|square| T::Single::real_to_f64(square.real()).sqrt())
    }

    /// What each of the two threads sweeps in each phase.
    fn phases(&self) -> impl Iterator<Item = [Range<usize>; 2]> + use<T> {
        let lines = self.lines();
        let half = lines.div_ceil(2);
        let rows = half.div_ceil(PHASES);
        (0..half).step_by(rows).map(move |first| {
            [0, half].map(|start| {
                let end = lines.min(start + half.min(first + rows));
                end.min(start + first)..end
            })
        })
    }

    fn relax_in_phases<const C: usize>(
        &self,
        systems: &Systems<'_, T::Single>,
        x: &mut [T::Single],
    ) -> [T::Single; C] {
        let mut squares = [nalgebra::zero(); C];
        let mut kept = Vec::new();
        for [first, second] in self.phases() {
            pick::<_, C>(x, &first, &mut kept);
            add(&mut squares, self.relax_lines(first.clone(), systems, x));
            // The second thread's are not to see what became of the first one's.
            exchange::<_, C>(x, &first, &mut kept);
            add(&mut squares, self.relax_lines(second, systems, x));
            exchange::<_, C>(x, &first, &mut kept);
        }
        squares
    }

    /// The same with an x for each thread, which hears of what the other did a phase later.
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
        let mut places = [0..0, 0..0];
        for phase in self.phases() {
            let work = |x: &mut [T::Single], lines: &Range<usize>, found: &mut Vec<_>| {
                let sums = self.relax_lines(lines.clone(), systems, x);
                pick::<_, C>(x, lines, found);
                sums
            };
            let sums = join(
                || {
                    exchange::<_, C>(x, &places[1], &mut news.1);
                    work(x, &phase[0], &mut found.0)
                },
                || {
                    exchange::<_, C>(other, &places[0], &mut news.0);
                    work(other, &phase[1], &mut found.1)
                },
            );
            add(&mut squares, sums.0);
            add(&mut squares, sums.1);
            places = phase;
            std::mem::swap(&mut found, &mut news);
        }
        exchange::<_, C>(x, &places[1], &mut news.1);
        squares
    }

    /// The sweep of some rows; Σ |r|² of each system.
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
        // With a length that is known, an entry is looked up by one comparison.
        let (x, b) = (x.as_chunks_mut::<C>().0, systems.b.as_chunks::<C>().0);
        let mut squares = [nalgebra::zero(); C];
        for line in lines {
            let r = rows.met(line, &b[line], x);
            let (x, inverse) = (&mut x[line], systems.inverse[line]);
            for c in 0..C {
                squares[c] += r[c].conjugate() * r[c];
                x[c] += inverse * r[c];
            }
        }
        squares
    }
}

impl<T: Scalar> Compressed<T> {
    /// r = b − Σ a·`x_position` of a line.
    #[inline(always)]
    pub(super) fn met<const C: usize>(
        &self,
        line: usize,
        b: &[T::Single; C],
        x: &[[T::Single; C]],
    ) -> [T::Single; C] {
        let range = self.starts[line]..self.starts[line + 1];
        let mut r = *b;
        for (&position, value) in self.positions[range.clone()].iter().zip(&self.values[range]) {
            let (value, x) = (value.single(), &x[position as usize]);
            for c in 0..C {
                r[c] -= value * x[c];
            }
        }
        r
    }
}

/// Copies the numbers of some rows, C to a row.
fn pick<T: Copy, const C: usize>(x: &[T], lines: &Range<usize>, into: &mut Vec<T>) {
    into.clear();
    into.extend_from_slice(&x[lines.start * C..lines.end * C]);
}

/// Exchanges the numbers of some rows, C to a row.
fn exchange<T, const C: usize>(x: &mut [T], lines: &Range<usize>, with: &mut [T]) {
    x[lines.start * C..lines.end * C].swap_with_slice(with);
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
    fn each_thread_sweeps_its_half_without_the_other_one_of_the_phase() {
        let a = shifted_random(N, 6, 1.0, 3);
        let inverse = a.diagonal().unwrap().map(|d| (1.0 / d).single());
        let single = |seed| random(N, 1, seed).map(|x| x.single());
        let (b, start) = (single(4), single(5));
        let mut x = start.clone();
        let met = a.relax(inverse.as_slice(), 1, b.as_slice(), x.as_mut_slice()).unwrap().unwrap();
        // By the definition: two halves of 10,000 rows, in phases of 625.
        let (half, rows) = (N / 2, N / 32);
        let (mut expected, mut square) = (start, 0.0_f64);
        let mut entries = vec![Vec::new(); N];
        a.entries().for_each(|(i, j, value)| entries[i].push((j, value.single())));
        for phase in 0..16 {
            let before = expected.clone();
            for side in 0..2 {
                for i in (phase * rows..(phase + 1) * rows).map(|row| side * half + row) {
                    let mut r = b[i];
                    for &(j, value) in &entries[i] {
                        let hidden = side == 1 && j / rows == phase;
                        r -= value * if hidden { before[j] } else { expected[j] };
                    }
                    square += f64::from(r * r);
                    expected[i] += inverse[i] * r;
                }
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
