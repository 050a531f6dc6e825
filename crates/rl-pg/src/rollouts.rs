//! Many rollouts on many threads, with one result.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use linalg::DMatrix;
use linalg::parallel::join;

use crate::check;
use crate::{Error, Outcome, Result, Simulator};

/// Runs an episode for each column of `contexts` and of `actions`, with its seed, on as many threads as
/// there are simulators and the pool has.
///
/// Which simulator runs which episode depends on chance; an outcome depends on context, action and seed
/// alone, and stands at the index of its column. So the outcomes have the same bits for any number of
/// simulators and of threads, as long as a simulator keeps nothing from one episode to the next. Take
/// the seeds from [`Streams::key`](crate::Streams::key).
///
/// # Errors
/// Of all rollouts that fail, the one with the lowest index is named, whoever ran it:
/// [`Error::RewardNotFinite`] with the action for a reward of NaN or infinity, else [`Error::Rollout`]
/// with the simulator's own error. [`Error::Length`] for matrices or seeds of the wrong size,
/// [`Error::NotFinite`] with the entry's place in the matrix, counted down its columns, and
/// [`Error::Empty`] without simulators.
///
/// # Examples
/// ```
/// use linalg::DMatrix;
/// use rl_pg::{ArmHit, rollouts};
/// let mut arms = vec![ArmHit::new(); 4];
/// let contexts = ArmHit::halton_contexts(2000);
/// let outcomes = rollouts(&mut arms, &contexts, &DMatrix::zeros(15, 2000), &[0; 2000])?;
/// let hits: f64 = outcomes.iter().map(|outcome| outcome.metrics[0]).sum();
/// assert_eq!(hits, 686.0); // an arm that stands still is hit by a third of the balls
/// # Ok::<(), rl_pg::Error>(())
/// ```
pub fn rollouts<S: Simulator>(
    simulators: &mut [S],
    contexts: &DMatrix<f64>,
    actions: &DMatrix<f64>,
    seeds: &[u64],
) -> Result<Vec<Outcome>> {
    each_outcome(simulators, contexts, actions, seeds, |outcome| outcome)
}

/// [`rollouts`], of which only that is kept which `keep` makes of each outcome, on the thread that has it.
pub(crate) fn each_outcome<S: Simulator, R: Send>(
    simulators: &mut [S],
    contexts: &DMatrix<f64>,
    actions: &DMatrix<f64>,
    seeds: &[u64],
    keep: impl Fn(Outcome) -> R + Sync,
) -> Result<Vec<R>> {
    let Some(first) = simulators.first() else {
        return Err(Error::Empty { argument: "simulators" });
    };
    let count = contexts.ncols();
    check::length("a column of contexts", contexts.nrows(), first.context_length())?;
    check::length("a column of actions", actions.nrows(), first.action_length())?;
    check::length("the batch of actions", actions.ncols(), count)?;
    check::length("the batch of seeds", seeds.len(), count)?;
    check::numbers("contexts", contexts.as_slice(), contexts.len())?;
    check::numbers("actions", actions.as_slice(), actions.len())?;
    let list = first.list_length();
    in_parallel(simulators, count, list, &|simulator, range: Range<usize>| {
        let columns = |matrix: &DMatrix<f64>| matrix.columns(range.start, range.len()).into_owned();
        let (contexts, actions) = (columns(contexts), columns(actions));
        let outcomes = simulator
            .rollouts(&contexts, &actions, &seeds[range.clone()])
            .map_err(|error| shifted(error, range.start))?;
        check::length("outcomes", outcomes.len(), range.len())?;
        for (index, (outcome, action)) in outcomes.iter().zip(actions.column_iter()).enumerate() {
            check::reward(range.start + index, &action.as_slice(), outcome.reward)?;
        }
        Ok(outcomes.into_iter().map(&keep).collect())
    })
}

/// The error of a part of a batch that begins at `start`, told of the whole.
pub(crate) fn shifted(error: Error, start: usize) -> Error {
    match error {
        Error::Rollout { index, source } => Error::Rollout { index: start + index, source },
        Error::RewardNotFinite { sample, action, value } => {
            Error::RewardNotFinite { sample: start + sample, action, value }
        }
        other => other,
    }
}

/// Has `work` done for 0 … `count` − 1 in ranges, by whichever of the `workers` is free; what it returns
/// in order, or the error of the first range that failed. The ranges have `least` entries where that
/// leaves one for every worker.
pub(crate) fn in_parallel<W: Send, R: Send>(
    workers: &mut [W],
    count: usize,
    least: usize,
    work: &(impl Fn(&mut W, Range<usize>) -> Result<Vec<R>> + Sync),
) -> Result<Vec<R>> {
    // Nothing that lasts is shared.
    let size = range_length(count, workers.len(), least);
    let queue = Queue { next: AtomicUsize::new(0), failed: AtomicBool::new(false), count, size };
    let mut parts = queue.serve(workers, work);
    parts.sort_unstable_by_key(|part| part.start);
    let mut all = Vec::with_capacity(count);
    for part in parts {
        all.extend(part.result?);
    }
    Ok(all)
}

/// Entries in a range of `count` for so many workers: few, so that the last to finish keeps nobody waiting long, and all
/// of them for one worker alone, who keeps nobody waiting.
fn range_length(count: usize, workers: usize, least: usize) -> usize {
    if workers < 2 {
        return count.max(1);
    }
    let fair = count.div_ceil(workers);
    fair.div_ceil(8).clamp(1, 64).max(least.min(fair))
}

/// Ranges of a batch that are still to be done.
struct Queue {
    next: AtomicUsize,
    failed: AtomicBool,
    count: usize,
    size: usize,
}

/// What became of the range that begins at `start`.
struct Part<R> {
    start: usize,
    result: Result<Vec<R>>,
}

impl Queue {
    fn serve<W: Send, R: Send>(
        &self,
        workers: &mut [W],
        work: &(impl Fn(&mut W, Range<usize>) -> Result<Vec<R>> + Sync),
    ) -> Vec<Part<R>> {
        let (left, right) = match workers {
            [] => return Vec::new(),
            [worker] => return std::iter::from_fn(|| self.take(worker, work)).collect(),
            more => more.split_at_mut(more.len() / 2),
        };
        let (mut left, right) = join(|| self.serve(left, work), || self.serve(right, work));
        left.extend(right);
        left
    }

    /// Does the next range. After a failure none is begun; those before it were, and are finished, so
    /// that the first failure is found whoever is faster.
    fn take<W, R>(
        &self,
        worker: &mut W,
        work: &impl Fn(&mut W, Range<usize>) -> Result<Vec<R>>,
    ) -> Option<Part<R>> {
        if self.failed.load(Ordering::Relaxed) {
            return None;
        }
        let start = self.next.fetch_add(self.size, Ordering::Relaxed);
        if start >= self.count {
            return None;
        }
        let result = work(worker, start..self.count.min(start + self.size));
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        Some(Part { start, result })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{ArmHit, Streams};
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    #[test]
    fn outcomes_have_the_same_bits_for_any_number_of_threads() {
        let n = 300;
        let contexts = ArmHit::halton_contexts(n);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let actions = DMatrix::from_fn(15, n, |_, _| rng.random_range(-0.3..0.3));
        let streams = Streams::new(7);
        let seeds: Vec<u64> = (0..n as u64).map(|i| streams.key(0, i, 0)).collect();
        let mut alone = ArmHit::noisy();
        let bits = |outcomes: &[Outcome]| -> Vec<u64> {
            outcomes
                .iter()
                .flat_map(|outcome| outcome.metrics.iter().chain([&outcome.reward]))
                .map(|value| value.to_bits())
                .collect()
        };
        let expected = bits(&alone.rollouts(&contexts, &actions, &seeds).unwrap());
        for threads in [1, 2, 3, 4, 8] {
            let mut arms = vec![ArmHit::noisy(); threads];
            let found =
                on_threads(threads, || rollouts(&mut arms, &contexts, &actions, &seeds).unwrap());
            assert!(bits(&found) == expected, "{threads} threads");
        }
    }

    #[test]
    #[cfg(feature = "parallel")]
    fn results_stand_in_order_when_workers_take_turns() {
        // Either waits for the other at each item, so that both do every second one.
        let turn = std::sync::Barrier::new(2);
        let work = |_: &mut (), range: Range<usize>| {
            assert_eq!(range.len(), 1);
            turn.wait();
            Ok(vec![range.start])
        };
        let found = on_threads(2, || in_parallel(&mut [(), ()], 16, 1, &work).unwrap());
        assert!(found.into_iter().eq(0..16));
    }

    #[test]
    fn ranges_are_short_unless_long_lists_are_wanted() {
        let length = |least| [1, 48, 2000, 100_000].map(|count| range_length(count, 4, least));
        assert_eq!(length(1), [1, 2, 63, 64]);
        assert_eq!(length(128), [1, 12, 128, 128]);
        assert_eq!(
            [range_length(0, 4, 128), range_length(0, 1, 1), range_length(2000, 1, 1)],
            [1, 1, 2000]
        );
    }

    /// Fails where the action says so: with an error below 0, with a reward that is no number above 1.
    #[derive(Debug, Clone)]
    pub(crate) struct Fragile;

    impl Simulator for Fragile {
        fn context_length(&self) -> usize {
            0
        }

        fn action_length(&self) -> usize {
            1
        }

        fn rollout(&mut self, _: &[f64], action: &[f64], _: u64) -> Result<Outcome> {
            if action[0] < 0.0 {
                return Err(Error::SimulatorFailed { reason: "the arm came off".into() });
            }
            let reward = if action[0] > 1.0 { f64::NAN } else { action[0] };
            Ok(Outcome { reward, metrics: Vec::new() })
        }
    }

    #[test]
    fn the_first_failure_is_named_whoever_ran_it() {
        let mut actions = DMatrix::from_element(1, 100, 0.5);
        (actions[33], actions[34], actions[99]) = (1.0 + 1.0 / 3.0, -1.0, -2.0);
        let contexts = DMatrix::zeros(0, 100);
        for workers in [1, 2, 3, 8] {
            let run = |actions: &DMatrix<f64>| {
                let mut all = vec![Fragile; workers];
                on_threads(workers, || rollouts(&mut all, &contexts, actions, &[0; 100]))
                    .unwrap_err()
                    .to_string()
            };
            assert_eq!(
                run(&actions),
                "the reward of sample 33 is NaN for the action [1.3333333333333333]"
            );
            let mut second = actions.clone();
            second[33] = 0.0;
            assert_eq!(run(&second), "rollout 34: the simulator failed: the arm came off");
        }
    }

    #[test]
    fn an_empty_batch_brings_nothing() {
        let found = rollouts(&mut [Fragile], &DMatrix::zeros(0, 0), &DMatrix::zeros(1, 0), &[]);
        assert_eq!(found, Ok(Vec::new()));
    }

    #[test]
    fn bad_input_is_named() {
        let contexts = ArmHit::halton_contexts(2);
        let actions = DMatrix::zeros(15, 2);
        let mut arm = [ArmHit::new()];
        let mut wrong = actions.clone();
        wrong[17] = f64::INFINITY;
        for (found, text) in [
            (
                rollouts::<ArmHit>(&mut [], &contexts, &actions, &[0, 0]),
                "simulators is empty, and at least one entry is needed",
            ),
            (
                rollouts(&mut arm, &contexts, &DMatrix::zeros(14, 2), &[0, 0]),
                "a column of actions has 14 entries, expected 15",
            ),
            (
                rollouts(&mut arm, &contexts, &DMatrix::zeros(15, 3), &[0, 0]),
                "the batch of actions has 3 entries, expected 2",
            ),
            (
                rollouts(&mut arm, &contexts, &actions, &[0]),
                "the batch of seeds has 1 entries, expected 2",
            ),
            (
                rollouts(&mut arm, &contexts, &wrong, &[0, 0]),
                "actions[17] is inf, and every entry must be finite",
            ),
        ] {
            assert_eq!(found.unwrap_err().to_string(), text);
        }
    }
}
