//! Rollouts over the ranks of a cluster.

use std::ops::Range;
use std::sync::Arc;

use linalg::DMatrix;
use linalg::team::{Failed, Pieces, Team, digest};

use crate::rollouts::shifted;
use crate::{Error, Outcome, Result, Simulator, check, rollouts};

/// A [`Simulator`] whose batches are run by every member of a [`Team`]: what goes out is which rollouts, what comes
/// back are their outcomes, and no gradient is sent.
///
/// Every member makes its own simulators, one for each of its threads, and goes through the same program. Each then
/// has every outcome, at the index of its rollout, and does the same update with the same bits: weights depend
/// neither on the number of members nor on who ran what. A simulator in another process
/// ([`process`](crate::process)) is started, and started again, by the member that has it.
///
/// What a rollout sends is its outcome, 16 bytes and 8 more for each metric, to rank 0 and from there to all.
///
/// # Examples
/// With [`Alone`](linalg::team::Alone) it is plain [`rollouts`]; with the team of the crate `ranks` the same lines
/// run on a cluster.
/// ```
/// use linalg::{DMatrix, team::Alone};
/// use rl_pg::{ArmHit, Farm, Simulator};
/// let mut farm = Farm::new(Alone, vec![ArmHit::new(); 4])?;
/// let contexts = ArmHit::halton_contexts(2000);
/// let outcomes = farm.rollouts(&contexts, &DMatrix::zeros(15, 2000), &[0; 2000])?;
/// let hits: f64 = outcomes.iter().map(|outcome| outcome.metrics[0]).sum();
/// assert_eq!(hits, 686.0);
/// assert_eq!(farm.simulators().len(), 4);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug)]
pub struct Farm<S> {
    team: Arc<dyn Team>,
    simulators: Vec<S>,
}

impl<S: Simulator> Farm<S> {
    /// The simulators of this member of the team.
    ///
    /// # Errors
    /// [`Error::Empty`] without simulators.
    pub fn new(team: impl Team + 'static, simulators: Vec<S>) -> Result<Self> {
        if simulators.is_empty() {
            return Err(Error::Empty { argument: "simulators" });
        }
        Ok(Self { team: Arc::new(team), simulators })
    }

    /// The simulators of this member, for what they report.
    #[must_use]
    pub fn simulators(&self) -> &[S] {
        &self.simulators
    }
}

impl<S: Simulator> Simulator for Farm<S> {
    fn context_length(&self) -> usize {
        self.simulators[0].context_length()
    }

    fn action_length(&self) -> usize {
        self.simulators[0].action_length()
    }

    fn metrics(&self) -> Vec<&str> {
        self.simulators[0].metrics()
    }

    fn observation_length(&self) -> usize {
        self.simulators[0].observation_length()
    }

    fn observe(&self, context: &[f64], seed: u64, observation: &mut [f64]) -> Result<()> {
        self.simulators[0].observe(context, seed, observation)
    }

    /// One rollout, run by whichever member is free.
    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        let column = |entries: &[f64]| DMatrix::from_column_slice(entries.len(), 1, entries);
        let outcomes = self.rollouts(&column(context), &column(action), &[seed])?;
        outcomes.into_iter().next().ok_or(Error::Empty { argument: "outcomes" })
    }

    fn rollouts(
        &mut self,
        contexts: &DMatrix<f64>,
        actions: &DMatrix<f64>,
        seeds: &[u64],
    ) -> Result<Vec<Outcome>> {
        let Self { team, simulators } = self;
        let count = contexts.ncols();
        check::length("the batch of actions", actions.ncols(), count)?;
        check::length("the batch of seeds", seeds.len(), count)?;
        // Enough for every thread of a member, and a sixteenth of its share, so that the last keeps nobody long.
        let at_a_time = (count / (16 * team.members())).max(simulators.len());
        let numbers = contexts.iter().chain(actions).map(|entry| entry.to_bits());
        let input = digest(numbers.chain(seeds.iter().copied()));
        let pieces = Pieces::new("rollout", count).at_a_time(at_a_time).digest(input);
        let mut work = |range: Range<usize>| {
            let part =
                |matrix: &DMatrix<f64>| matrix.columns(range.start, range.len()).into_owned();
            let outcomes =
                rollouts(simulators, &part(contexts), &part(actions), &seeds[range.clone()]);
            match outcomes {
                Ok(outcomes) => Ok(outcomes.iter().flat_map(to_bytes).collect()),
                Err(error) => Err(failed(shifted(error, range.start), range.start)),
            }
        };
        let bytes = team.run(pieces, &mut work, &mut |all| all)?;
        let mut rest = bytes.as_slice();
        let outcomes = std::iter::from_fn(|| from_bytes(&mut rest)).collect::<Vec<_>>();
        check::length("outcomes", outcomes.len(), count)?;
        Ok(outcomes)
    }
}

/// The rollout that an error is about, or the first of its range.
fn failed(error: Error, first: usize) -> Failed {
    match error {
        Error::Rollout { index, source } => Failed { piece: index, text: source.to_string() },
        Error::RewardNotFinite { sample, .. } => Failed { piece: sample, text: error.to_string() },
        error => Failed { piece: first, text: error.to_string() },
    }
}

fn to_bytes(Outcome { reward, metrics }: &Outcome) -> Vec<u8> {
    let numbers = std::iter::once(reward).chain(metrics).flat_map(|number| number.to_le_bytes());
    (metrics.len() as u64).to_le_bytes().into_iter().chain(numbers).collect()
}

/// The first outcome of `rest`, which is then behind it.
fn from_bytes(rest: &mut &[u8]) -> Option<Outcome> {
    let mut word = || {
        let (first, after) = rest.split_first_chunk::<8>()?;
        *rest = after;
        Some(*first)
    };
    let metrics = u64::from_le_bytes(word()?);
    let reward = f64::from_le_bytes(word()?);
    let metrics = (0..metrics).map(|_| word().map(f64::from_le_bytes)).collect::<Option<_>>()?;
    Some(Outcome { reward, metrics })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArmHit;
    use crate::rollouts::tests::Fragile;
    use linalg::team::Alone;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn a_farm_gives_the_bits_of_its_simulators() {
        let n = 100;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let contexts = ArmHit::halton_contexts(n);
        let actions = DMatrix::from_fn(15, n, |_, _| rng.random_range(-0.3..0.3));
        let seeds: Vec<u64> = (0..n as u64).collect();
        let expected = ArmHit::noisy().rollouts(&contexts, &actions, &seeds).unwrap();
        for threads in [1, 3] {
            let mut farm = Farm::new(Alone, vec![ArmHit::noisy(); threads]).unwrap();
            let found = farm.rollouts(&contexts, &actions, &seeds).unwrap();
            assert_eq!(bits(&found), bits(&expected));
            let (context, action) = (contexts.column(7), actions.column(7));
            let one = farm.rollout(context.as_slice(), action.as_slice(), 7).unwrap();
            assert_eq!(bits(&[one]), bits(&expected[7..8]));
        }
    }

    /// A metric without a value is NaN, which equals nothing.
    fn bits(outcomes: &[Outcome]) -> Vec<u64> {
        let numbers = outcomes.iter().flat_map(|o| o.metrics.iter().chain([&o.reward]));
        numbers.map(|number| number.to_bits()).collect()
    }

    #[test]
    fn outcomes_keep_every_bit() {
        let outcomes = [
            Outcome { reward: -0.0, metrics: vec![f64::NAN, f64::MIN_POSITIVE / 3.0] },
            Outcome { reward: 0.1 + 0.2, metrics: Vec::new() },
        ];
        let bytes: Vec<u8> = outcomes.iter().flat_map(to_bytes).collect();
        let mut rest = bytes.as_slice();
        for outcome in &outcomes {
            let back = from_bytes(&mut rest).unwrap();
            assert_eq!(bits(&[back]), bits(std::slice::from_ref(outcome)));
        }
        assert_eq!((rest.len(), from_bytes(&mut rest)), (0, None));
    }

    #[test]
    fn what_fails_is_named_with_rank_and_rollout() {
        let mut actions = DMatrix::from_element(1, 100, 0.5);
        (actions[33], actions[90]) = (1.5, -1.0);
        let run = |actions: &DMatrix<f64>| {
            let mut farm = Farm::new(Alone, vec![Fragile, Fragile]).unwrap();
            let found = farm.rollouts(&DMatrix::zeros(0, 100), actions, &[0; 100]);
            found.unwrap_err().to_string()
        };
        assert_eq!(
            run(&actions),
            "rank 0 with rollout 33: the reward of sample 33 is NaN for the action [1.5]"
        );
        actions[33] = 0.0;
        assert_eq!(run(&actions), "rank 0 with rollout 90: the simulator failed: the arm came off");
        let none = Farm::<Fragile>::new(Alone, Vec::new()).unwrap_err();
        assert_eq!(none.to_string(), "simulators is empty, and at least one entry is needed");
    }
}
