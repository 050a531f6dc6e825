//! Many searches, and which of their answers are different.

use std::ops::ControlFlow;

use linalg::parallel::{available_threads, join};
use linalg::{DVector, Real};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::arguments::{positive, within};
use crate::{Error, Map, Result, Search, SearchOptions, SearchStop, search};

/// Searches from many starts around a seed.
///
/// Start 0 is the seed itself. Start k is random, from a generator made of `seed` and k alone, so
/// that the same starts are tried for any number of threads, and more of them are the same and
/// further ones: between the bounds where an input has both, else normal around the seed with
/// standard deviation `spread`. Fixed inputs keep the seed's values.
///
/// # Examples
/// sin x = ½ has a solution 30° from each multiple of 180°; starts around 0 find some of them.
/// ```
/// use std::ops::ControlFlow;
///
/// use linalg::{DMatrix, DVector};
/// use nn_invert::{Linearization, Map, MultiStart, Result, SearchOptions};
///
/// struct Sine;
///
/// impl Map<f64> for Sine {
///     fn inputs(&self) -> usize {
///         1
///     }
///     fn outputs(&self) -> usize {
///         1
///     }
///     fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
///         Ok(x.map(f64::sin))
///     }
///     fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<Linearization<'a, f64>> {
///         let jacobian = DMatrix::from_element(1, 1, x[0].cos());
///         Ok(Linearization { value: self.value(x)?, jacobian: Box::new(jacobian) })
///     }
/// }
///
/// let (target, seed) = (DVector::from_element(1, 0.5), DVector::zeros(1));
/// let found = MultiStart::new(20, 1).spread(5.0).all().search(
///     &Sine,
///     &target,
///     &seed,
///     &SearchOptions::default(),
///     |_| ControlFlow::Continue(()),
/// )?;
/// assert!(found.solutions.len() >= 3);
/// for solution in &found.solutions {
///     assert!((solution.search.input[0].sin() - 0.5).abs() < 1e-9);
/// }
/// # Ok::<(), nn_invert::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct MultiStart {
    /// Most starts.
    pub starts: usize,
    /// What the random starts are made of.
    pub seed: u64,
    /// Standard deviation of a start around the seed, by default 1.
    pub spread: f64,
    /// Distinct solutions after which it ends, by default 1.
    pub wanted: usize,
    /// Two solutions are one where ‖x − x′‖₂ ≤ `apart`·(1 + ‖x‖₂), by default 1e-6.
    pub apart: f64,
}

/// What many searches found.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Solutions<T: Real> {
    /// The distinct solutions, in the order of their starts. Where inputs outnumber outputs there is
    /// a continuum of them, and every start finds another.
    pub solutions: Vec<Solution<T>>,
    /// The search of least residual, for where none converged.
    pub best: Search<T>,
    /// Starts tried.
    pub starts: usize,
    /// How many of them converged.
    pub converged: usize,
}

/// A solution, and how it was found.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Solution<T: Real> {
    /// The first search that found it.
    pub search: Search<T>,
    /// The start of that search.
    pub start: usize,
    /// How many searches found it.
    pub hits: usize,
}

impl MultiStart {
    /// At most so many `starts`, made of `seed`, until one converges.
    #[must_use]
    pub fn new(starts: usize, seed: u64) -> Self {
        Self { starts, seed, spread: 1.0, wanted: 1, apart: 1e-6 }
    }

    /// Sets [`MultiStart::spread`].
    #[must_use]
    pub fn spread(self, spread: f64) -> Self {
        Self { spread, ..self }
    }

    /// Sets [`MultiStart::wanted`].
    #[must_use]
    pub fn wanted(self, solutions: usize) -> Self {
        Self { wanted: solutions, ..self }
    }

    /// Tries all starts, however many solutions they find.
    #[must_use]
    pub fn all(self) -> Self {
        self.wanted(usize::MAX)
    }

    /// Sets [`MultiStart::apart`].
    #[must_use]
    pub fn apart(self, apart: f64) -> Self {
        Self { apart, ..self }
    }

    /// Searches from one start after the other, on as many threads as there are; the observer is
    /// told of each search that ended, in the order of the starts, and may end the work.
    ///
    /// # Errors
    /// As [`search`], and [`Error::Argument`] for no starts, none wanted, or a `spread` or `apart` that
    /// is not a finite number greater than 0.
    pub fn search<T: Real>(
        &self,
        map: &(dyn Map<T> + Sync),
        target: &DVector<T>,
        seed: &DVector<T>,
        options: &SearchOptions<T>,
        mut observer: impl FnMut(&Search<T>) -> ControlFlow<()>,
    ) -> Result<Solutions<T>> {
        self.check()?;
        let one = |start| {
            let from = self.start(start, seed, options);
            search(map, target, &from, options, |_| ControlFlow::Continue(()))
        };
        // The seed first and alone: whatever is wrong with the request shows there.
        let mut pending = vec![one(0)?].into_iter();
        let (mut next, mut taken) = (1, 0);
        let mut solutions: Vec<Solution<T>> = Vec::new();
        let (mut best, mut converged) = (None::<Search<T>>, 0);
        loop {
            let Some(mut done) = pending.next() else {
                let end = self.starts.min(next + available_threads());
                if next >= end {
                    break;
                }
                pending = side_by_side(next..end, &one)?.into_iter();
                next = end;
                continue;
            };
            done.seed_distance = (&done.input - seed).norm().to_double();
            let stopped = observer(&done).is_break();
            if best.as_ref().is_none_or(|best| done.relative_residual < best.relative_residual) {
                best = Some(done.clone());
            }
            if done.stop == SearchStop::Converged {
                converged += 1;
                match solutions.iter_mut().find(|known| self.same(&known.search, &done)) {
                    Some(known) => known.hits += 1,
                    None => solutions.push(Solution { search: done, start: taken, hits: 1 }),
                }
            }
            taken += 1;
            if stopped || solutions.len() >= self.wanted {
                break;
            }
        }
        let best =
            best.ok_or(Error::Argument { argument: "starts", value: 0.0, expected: "at least 1" })?;
        Ok(Solutions { solutions, best, starts: taken, converged })
    }

    fn same<T: Real>(&self, a: &Search<T>, b: &Search<T>) -> bool {
        let distance = (&a.input - &b.input).norm().to_double();
        distance <= self.apart * (1.0 + a.input.norm().to_double())
    }

    fn check(&self) -> Result<()> {
        for (argument, count) in [("starts", self.starts), ("wanted", self.wanted)] {
            within(argument, 0.0, count > 0, "at least 1")?;
        }
        for (argument, value) in [("spread", self.spread), ("apart", self.apart)] {
            positive(argument, value)?;
        }
        Ok(())
    }

    /// Where search `start` begins.
    fn start<T: Real>(
        &self,
        start: usize,
        seed: &DVector<T>,
        options: &SearchOptions<T>,
    ) -> DVector<T> {
        if start == 0 {
            return seed.clone();
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(
            self.seed ^ (start as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let mut from = seed.map(|center| {
            let normal: f64 = rng.sample(StandardNormal);
            center + T::from_double(self.spread * normal)
        });
        // As many random numbers, whatever the bounds.
        let uniform: Vec<f64> = seed.iter().map(|_| rng.random_range(0.0..1.0)).collect();
        if let Some((lower, upper)) = &options.bounds
            && lower.len() == seed.len()
            && upper.len() == seed.len()
        {
            for (i, &u) in uniform.iter().enumerate() {
                let (low, high) = (lower[i], upper[i]);
                if low.is_finite() && high.is_finite() {
                    from[i] = low + (high - low) * T::from_double(u);
                }
                from[i] = if from[i] < low { low } else { from[i] };
                from[i] = if from[i] > high { high } else { from[i] };
            }
        }
        for &index in options.fixed.iter().filter(|&&index| index < seed.len()) {
            from[index] = seed[index];
        }
        from
    }
}

/// `one` of each index of the range, in order, on the threads of the current pool.
fn side_by_side<A: Send>(
    range: std::ops::Range<usize>,
    one: &(impl Fn(usize) -> Result<A> + Sync),
) -> Result<Vec<A>> {
    if range.len() <= 1 {
        return range.map(one).collect();
    }
    let middle = range.start + range.len() / 2;
    let (left, right) =
        join(|| side_by_side(range.start..middle, one), || side_by_side(middle..range.end, one));
    let mut all = left?;
    all.extend(right?);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tanhs, normal, seeded, vector};

    fn go_on<T: Real>(_: &Search<T>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn problem(seed: u64) -> (Tanhs, DVector<f64>) {
        let mut rng = seeded(seed);
        let map = Tanhs::random(&[10, 20, 20, 10], 1.5, &mut rng);
        let y = map.value(&normal(10, 1, &mut rng).column(0).into_owned()).unwrap();
        (map, y)
    }

    #[test]
    fn starts_give_the_same_bits_on_one_two_and_four_threads() {
        let (map, y) = problem(1);
        let options = SearchOptions::default().iterations(60);
        let of = |threads: usize, starts: MultiStart| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| starts.search(&map, &y, &DVector::zeros(10), &options, go_on).unwrap())
        };
        for starts in
            [MultiStart::new(9, 3).all(), MultiStart::new(9, 3), MultiStart::new(9, 3).wanted(2)]
        {
            let one = of(1, starts);
            assert_eq!(one, of(2, starts));
            assert_eq!(one, of(4, starts));
        }
    }

    #[test]
    fn further_starts_continue_the_same_list() {
        let (map, y) = problem(2);
        let options = SearchOptions::default().iterations(40);
        let inputs = |count| {
            let mut inputs = Vec::new();
            let starts = MultiStart::new(count, 5).all();
            let _ = starts
                .search(&map, &y, &DVector::zeros(10), &options, |found| {
                    inputs.push(found.input.clone());
                    ControlFlow::Continue(())
                })
                .unwrap();
            inputs
        };
        let (few, many) = (inputs(3), inputs(6));
        assert_eq!(few, many[..3]);
        assert!(many[3..].iter().all(|x| !few.contains(x)));
    }

    #[test]
    fn distinct_solutions_are_told_apart_and_hits_counted() {
        // (x² − 1, y² − 1) = 0: four corners.
        struct Corners;
        impl Map<f64> for Corners {
            fn inputs(&self) -> usize {
                2
            }
            fn outputs(&self) -> usize {
                2
            }
            fn value(&self, x: &DVector<f64>) -> Result<DVector<f64>> {
                Ok(x.map(|x| x * x - 1.0))
            }
            fn linearize<'a>(&'a self, x: &DVector<f64>) -> Result<crate::Linearization<'a, f64>> {
                let jacobian = Box::new(linalg::DMatrix::from_diagonal(&(x * 2.0)));
                Ok(crate::Linearization { value: self.value(x)?, jacobian })
            }
        }
        let seed = vector(&[0.5, 0.5]);
        let options = SearchOptions::default();
        let target = vector(&[0.0, 0.0]);
        let found =
            MultiStart::new(40, 1).all().search(&Corners, &target, &seed, &options, go_on).unwrap();
        assert_eq!((found.solutions.len(), found.starts), (4, 40));
        assert_eq!(found.solutions.iter().map(|s| s.hits).sum::<usize>(), found.converged);
        assert_eq!(found.solutions[0].start, 0);
        for Solution { search, .. } in &found.solutions {
            assert!((search.seed_distance - (&search.input - &seed).norm()).abs() <= f64::EPSILON);
        }
        // Between bounds there are two of them, and with x₀ fixed at 0.5 none.
        let half = options.clone().bounds(vector(&[0.0, -2.0]), vector(&[2.0, 2.0]));
        let found =
            MultiStart::new(20, 1).all().search(&Corners, &target, &seed, &half, go_on).unwrap();
        assert_eq!(found.solutions.len(), 2);
        let found = MultiStart::new(5, 1)
            .search(&Corners, &target, &seed, &options.fixed([0]), go_on)
            .unwrap();
        assert!(found.solutions.is_empty() && found.starts == 5);
        assert!((found.best.residual - 0.75).abs() < 1e-8, "{:?}", found.best);
        assert_eq!(found.best.input[0].to_bits(), 0.5_f64.to_bits());
    }

    #[test]
    fn the_observer_ends_it_and_bad_numbers_are_refused() {
        let (map, y) = problem(3);
        let options = SearchOptions::default().iterations(5);
        let seed = DVector::zeros(10);
        let found = MultiStart::new(9, 3)
            .all()
            .search(&map, &y, &seed, &options, |_| ControlFlow::Break(()))
            .unwrap();
        assert_eq!(found.starts, 1);
        let text = |starts: MultiStart| {
            starts.search(&map, &y, &seed, &options, go_on).unwrap_err().to_string()
        };
        assert_eq!(text(MultiStart::new(0, 1)), "starts is 0, expected at least 1");
        assert_eq!(text(MultiStart::new(1, 1).wanted(0)), "wanted is 0, expected at least 1");
        let positive = "expected a finite number greater than 0";
        assert_eq!(
            text(MultiStart::new(1, 1).spread(f64::NAN)),
            format!("spread is NaN, {positive}")
        );
        assert_eq!(text(MultiStart::new(1, 1).apart(0.0)), format!("apart is 0, {positive}"));
    }

    #[test]
    fn what_counts_as_the_same_solution_goes_by_its_size_and_starts_fill_the_box() {
        let map = Tanhs::linear(linalg::DMatrix::identity(2, 2));
        let at = |x: [f64; 2]| {
            let x = vector(&x);
            search(&map, &x, &x, &SearchOptions::default(), |_| ControlFlow::Continue(())).unwrap()
        };
        let starts = MultiStart::new(2, 1).apart(1e-3);
        // apart·(1 + ‖a‖): 0.101 at 100, 0.001 at 0.
        assert!(starts.same(&at([60.0, 80.0]), &at([60.1, 80.0])));
        assert!(!starts.same(&at([60.0, 80.0]), &at([60.102, 80.0])));
        assert!(starts.same(&at([0.0, 0.0]), &at([0.0, 0.99e-3])));
        assert!(!starts.same(&at([0.0, 0.0]), &at([0.0, 1.01e-3])));

        // Uniform between two bounds, normal about the seed elsewhere, cut off at the one bound.
        let infinite = f64::INFINITY;
        let seed = vector(&[1.0, 1.0, 1.0, 1.0]);
        let (lower, upper) =
            (vector(&[-3.0, -infinite, 0.5, -3.0]), vector(&[5.0, infinite, infinite, 5.0]));
        let options = SearchOptions::default().bounds(lower, upper).fixed([3]);
        let starts = MultiStart::new(2, 1).spread(2.0);
        let count = 4000;
        let from: Vec<DVector<f64>> =
            (1..=count).map(|k| starts.start(k, &seed, &options)).collect();
        let mean =
            |f: &dyn Fn(&DVector<f64>) -> f64| from.iter().map(f).sum::<f64>() / f64::from(4000);
        // Means of 4000 draws: within five standard deviations of 1/√4000 each.
        let five = 5.0 / f64::from(4000).sqrt();
        let uniform = 8.0 / 12.0_f64.sqrt();
        assert!((mean(&|x| x[0]) - 1.0).abs() <= five * uniform);
        assert!((mean(&|x| (x[0] - 1.0).powi(2)) / uniform.powi(2) - 1.0).abs() <= five * 0.9);
        assert!(from.iter().all(|x| (-3.0..=5.0).contains(&x[0]) && x[2] >= 0.5));
        assert!((mean(&|x| x[1]) - 1.0).abs() <= five * 2.0);
        assert!((mean(&|x| (x[1] - 1.0).powi(2)) / 4.0 - 1.0).abs() <= five * 2.0_f64.sqrt());
        // Below −½/2 = −¼ of the standard deviation: 0.4013 of all are put to the bound.
        let cut = mean(&|x| f64::from(u8::from(x[2] <= 0.5)));
        assert!((cut - 0.4013).abs() <= five * 0.5, "{cut}");
        assert!(from.iter().all(|x| x[3].to_bits() == 1.0_f64.to_bits()));
        assert_eq!(starts.start(0, &seed, &options), seed);
    }
}
