//! Episodes of many steps, played by a policy on many threads.

use std::ops::Range;

use linalg::{DMatrix, DVector};
use rand::rngs::Xoshiro256PlusPlus;

use crate::check;
use crate::rollouts::in_parallel;
use crate::{End, Environment, Error, Result, Streams};

/// One episode: what was seen, done and had.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Episode<A> {
    /// What was seen before each step, a column each.
    pub observations: DMatrix<f64>,
    /// What was done then.
    pub actions: Vec<A>,
    /// What each step brought.
    pub rewards: Vec<f64>,
    /// How it ended.
    pub end: End,
    /// What was seen after the last step: the true last observation, of which a learner estimates what
    /// would still have come if the episode was truncated.
    pub last: DVector<f64>,
}

/// Plays an episode for each seed, of at most `most_steps` steps, on as many threads as there are
/// environments and the pool has.
///
/// An episode that is cut after `most_steps` counts as truncated. Each has its own random stream, made
/// from its seed, from which the environment starts and the policy draws, so that episodes have the same
/// bits for any number of environments and of threads. Take the seeds from
/// [`Streams::key`].
///
/// # Errors
/// Of all episodes that fail the one with the lowest index is named, in [`Error::Rollout`] with its cause:
/// an error of the environment or the policy, an observation with an entry that is no number, or
/// [`Error::RewardNotFinite`], whose sample is the step. [`Error::Empty`] without environments,
/// [`Error::OutOfRange`] for no steps.
///
/// # Examples
/// ```
/// use rand::RngExt;
/// use rl_pg::{CartPole, End, Streams, episodes};
/// let mut carts = vec![CartPole::new(); 4];
/// let streams = Streams::new(7);
/// let seeds: Vec<u64> = (0..1000).map(|i| streams.key(0, i, 0)).collect();
/// let played = episodes(&mut carts, &|_, rng| Ok(rng.random_range(0..2)), &seeds, 500)?;
/// let steps: usize = played.iter().map(|episode| episode.actions.len()).sum();
/// assert!((steps as f64 / 1000.0 - 22.2).abs() < 2.5); // what tossing a coin gets on CartPole
/// assert!(played.iter().all(|episode| episode.end == End::Terminated));
/// # Ok::<(), rl_pg::Error>(())
/// ```
pub fn episodes<E: Environment<Action: Send>>(
    environments: &mut [E],
    policy: &(impl Fn(&[f64], &mut Xoshiro256PlusPlus) -> Result<E::Action> + Sync),
    seeds: &[u64],
    most_steps: usize,
) -> Result<Vec<Episode<E::Action>>> {
    if environments.is_empty() {
        return Err(Error::Empty { argument: "environments" });
    }
    if most_steps == 0 {
        let (argument, expected) = ("most_steps", "at least 1");
        return Err(Error::OutOfRange { argument, value: 0.0, expected });
    }
    in_parallel(environments, seeds.len(), 1, &|environment, range: Range<usize>| {
        let mut room = Room { observations: Vec::new(), actions: Vec::new(), rewards: Vec::new() };
        range
            .map(|index| {
                play(environment, policy, (seeds[index], most_steps), &mut room)
                    .map_err(|source| Error::Rollout { index, source: Box::new(source) })
            })
            .collect()
    })
}

/// Purposes of [`Streams`].
const START: u64 = 0;
const CHOICES: u64 = 1;

/// What an episode grows in, again and again: what is kept of it then takes no more memory than it needs.
struct Room<A> {
    observations: Vec<f64>,
    actions: Vec<A>,
    rewards: Vec<f64>,
}

fn play<E: Environment>(
    environment: &mut E,
    policy: &impl Fn(&[f64], &mut Xoshiro256PlusPlus) -> Result<E::Action>,
    (seed, most_steps): (u64, usize),
    room: &mut Room<E::Action>,
) -> Result<Episode<E::Action>> {
    let Room { observations, actions, rewards } = room;
    observations.clear();
    actions.clear();
    rewards.clear();
    let streams = Streams::new(seed);
    let mut rng = streams.rng(0, 0, CHOICES);
    let rows = environment.observation_length();
    let mut seen = vec![0.0; rows];
    environment.reset(streams.key(0, 0, START), &mut seen)?;
    check::numbers("observation", &seen, rows)?;
    loop {
        let action = policy(&seen, &mut rng)?;
        observations.extend_from_slice(&seen);
        let step = environment.step(&action, &mut seen)?;
        check::reward(actions.len(), &action, step.reward)?;
        check::numbers("observation", &seen, rows)?;
        actions.push(action);
        rewards.push(step.reward);
        let cut = (actions.len() == most_steps).then_some(End::Truncated);
        if let Some(end) = step.end.or(cut) {
            let mut done = Vec::with_capacity(actions.len());
            done.append(actions);
            return Ok(Episode {
                observations: DMatrix::from_column_slice(rows, done.len(), observations),
                actions: done,
                rewards: rewards.clone(),
                end,
                last: DVector::from_vec(seen),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CartPole, Step};
    use rand::RngExt;

    fn coin(_: &[f64], rng: &mut Xoshiro256PlusPlus) -> Result<usize> {
        Ok(rng.random_range(0..2))
    }

    fn seeds(count: u64) -> Vec<u64> {
        (0..count).map(|i| Streams::new(3).key(0, i, 0)).collect()
    }

    #[test]
    fn episodes_have_the_same_bits_for_any_number_of_threads() {
        let seeds = seeds(50);
        let expected = episodes(&mut [CartPole::new()], &coin, &seeds, 500).unwrap();
        assert_eq!(expected.len(), 50);
        for threads in [2, 3, 4, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut carts = vec![CartPole::new(); threads];
            let found = pool.install(|| episodes(&mut carts, &coin, &seeds, 500).unwrap());
            assert!(found == expected, "{threads}");
        }
    }

    #[test]
    fn an_episode_can_be_played_again_from_what_it_kept() {
        let seeds = seeds(5);
        let played = episodes(&mut [CartPole::new()], &coin, &seeds, 500).unwrap();
        for (episode, seed) in played.iter().zip(seeds) {
            let mut cart = CartPole::new();
            let mut seen = [0.0; 4];
            cart.reset(Streams::new(seed).key(0, 0, START), &mut seen).unwrap();
            let mut end = None;
            for (column, action) in episode.observations.column_iter().zip(&episode.actions) {
                assert_eq!(column.as_slice(), seen);
                end = cart.step(action, &mut seen).unwrap().end;
            }
            assert_eq!((end, episode.last.as_slice()), (Some(episode.end), seen.as_slice()));
            assert_eq!(episode.end, End::Terminated);
            assert!(seen[0].abs() > 2.4 || seen[2].abs() > 12f64.to_radians());
            assert_eq!(episode.rewards, vec![1.0; episode.actions.len()]);
        }
    }

    #[test]
    fn an_episode_that_is_cut_is_truncated() {
        for (limit, most) in [(3, 500), (500, 3)] {
            let mut cart = [CartPole::new().with_step_limit(limit)];
            let episode = &episodes(&mut cart, &coin, &[1], most).unwrap()[0];
            assert_eq!((episode.end, episode.actions.len()), (End::Truncated, 3));
            assert_ne!(episode.observations.column(2), episode.last.column(0));
        }
    }

    /// Pays and shows what it is told to.
    struct Parrot;

    impl Environment for Parrot {
        type Action = [f64; 2];

        fn observation_length(&self) -> usize {
            1
        }

        fn reset(&mut self, _: u64, observation: &mut [f64]) -> Result<()> {
            observation[0] = 0.0;
            Ok(())
        }

        fn step(&mut self, action: &[f64; 2], observation: &mut [f64]) -> Result<Step> {
            observation[0] = action[1];
            Ok(Step { reward: action[0], end: (action[0] > 4.0).then_some(End::Terminated) })
        }
    }

    #[test]
    fn the_first_failure_is_named() {
        let run = |action: [f64; 2]| {
            let policy = |seen: &[f64], _: &mut Xoshiro256PlusPlus| {
                Ok(if seen[0] < 2.0 { [1.0, seen[0] + 1.0] } else { action })
            };
            episodes(&mut [Parrot, Parrot], &policy, &[0; 40], 50).unwrap_err().to_string()
        };
        assert_eq!(
            run([f64::NAN, 0.5]),
            "rollout 0: the reward of sample 2 is NaN for the action [NaN, 0.5]"
        );
        assert_eq!(
            run([0.0, f64::INFINITY]),
            "rollout 0: observation[0] is inf, and every entry must be finite"
        );
        let refuses = |_: &[f64], _: &mut Xoshiro256PlusPlus| {
            Err::<[f64; 2], _>(Error::Empty { argument: "policy" })
        };
        assert_eq!(
            episodes(&mut [Parrot], &refuses, &[0], 50).unwrap_err().to_string(),
            "rollout 0: policy is empty, and at least one entry is needed"
        );
        assert_eq!(
            episodes(&mut [CartPole::new()], &coin, &[0], 0).unwrap_err().to_string(),
            "most_steps is 0, and must be at least 1"
        );
        assert_eq!(
            episodes::<CartPole>(&mut [], &coin, &[0], 5).unwrap_err().to_string(),
            "environments is empty, and at least one entry is needed"
        );
    }
}
