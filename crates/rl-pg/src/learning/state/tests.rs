//! Checkpoints: to the bit, and refused where they are not.

use super::*;
use crate::learning::learner::tests::{aim, go_on, learner};
use crate::{Actor, CartPole, Categorical, LearnOptions, Plan};
use nn_core::{Network, Tanh};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

fn balancer(seed: u64) -> Learner<f32, Categorical> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut network = |outputs| {
        Network::builder(4).dense(8).activation(Tanh).dense(outputs).build(&mut rng).unwrap()
    };
    let actor = Actor::new(network(2), Vec::new(), Categorical::from_parameters).unwrap();
    let options = LearnOptions::default();
    Learner::new(actor, options, seed).unwrap().with_value(network(1)).unwrap()
}

fn balance(learner: &mut Learner<f32, Categorical>, steps: u64) {
    try_to_balance(learner, steps).unwrap();
}

fn try_to_balance(learner: &mut Learner<f32, Categorical>, steps: u64) -> Result<()> {
    let mut carts = vec![CartPole::new(); 3];
    learner.train_environment(&mut carts, Plan::steps(steps), go_on).map(|_| ())
}

#[test]
fn a_resumed_learner_goes_on_to_the_same_bits() {
    let mut straight = balancer(7);
    balance(&mut straight, 1000);
    // Another learner, stopped halfway through an episode, and a third that takes over.
    let mut first = balancer(7);
    balance(&mut first, 500);
    assert!(first.ongoing.iter().any(Option::is_some), "an episode is interrupted");
    let bytes = first.state().to_bytes();
    let mut second = balancer(8);
    second.resume(&LearnerState::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(second.state(), first.state());
    balance(&mut second, 1000);
    assert_eq!(second.state().to_bytes(), straight.state().to_bytes());
    assert_eq!(second.recent, straight.recent);
}

#[test]
fn every_part_of_the_state_is_needed() {
    let mut straight = balancer(7);
    balance(&mut straight, 1000);
    let mut first = balancer(7);
    balance(&mut first, 500);
    let state = first.state();
    let same = |state: &LearnerState| {
        let mut second = balancer(7);
        second.resume(state).unwrap();
        // From another start the actions of the interrupted episode may not be possible.
        let done = try_to_balance(&mut second, 1000);
        done.is_ok() && second.actor.parameters() == straight.actor.parameters()
    };
    assert!(same(&state));
    for index in 0..state.counters.len() {
        let name = &state.counters[index].0;
        if ["seed", "updates"].contains(&name.as_str()) || name.ends_with("0 seed") {
            let mut other = state.clone();
            other.counters[index].1 += 1;
            assert!(!same(&other), "{name}");
        }
    }
    for name in ["actor mean", "actor square", "value", "value mean", "batch 0 rewards"] {
        let mut other = state.clone();
        let vector = other.vectors.iter_mut().find(|(known, _)| known == name).unwrap();
        vector.1.iter_mut().for_each(|entry| *entry = *entry * 0.5 + 1e-3);
        assert!(!same(&other), "{name}");
    }
}

#[test]
fn what_is_not_a_state_is_named_and_changes_nothing() {
    let mut trained = learner(LearnOptions::default().rollouts(4), 1);
    aim(&mut trained, 8);
    let state = trained.state();
    let bytes = state.to_bytes();
    let text = |bytes: &[u8]| LearnerState::from_bytes(bytes).unwrap_err().to_string();
    let length = bytes.len();
    assert_eq!(text(b"other"), "not a learner's state: another beginning at byte 0 of 5");
    assert_eq!(
        text(&bytes[..length - 9]),
        format!(
            "not a learner's state: a hash that does not fit at byte {} of {}",
            length - 17,
            length - 9
        )
    );
    let mut other = state.clone();
    other.vectors[0].1[1] = f64::NAN;
    assert_eq!(
        text(&other.to_bytes()),
        "entry 1 of \"actor\" of the state is NaN, expected a finite number"
    );
    let before = learner(LearnOptions::default(), 2);
    let mut target = learner(LearnOptions::default(), 2);
    let mut refused = |state: &LearnerState| {
        let text = target.resume(state).unwrap_err().to_string();
        assert_eq!(target.state(), before.state(), "{text}");
        text
    };
    let mut other = state.clone();
    other.vectors[0].1.pop();
    let entries = state.vectors[0].1.len();
    assert_eq!(
        refused(&other),
        format!("\"actor\" of the state has {} entries, expected {entries}", entries - 1)
    );
    assert_eq!(
        refused(&balancer(7).state()),
        format!("\"actor\" of the state has 58 entries, expected {entries}")
    );
    let mut other = state.clone();
    other.vectors.retain(|(name, _)| name != "value mean");
    assert_eq!(refused(&other), "the state has no \"value mean\"");
    let mut other = state.clone();
    let ends = other.vectors.iter_mut().find(|(name, _)| name == "batch 0 ends").unwrap();
    ends.1[1] = 0.5;
    assert_eq!(
        refused(&other),
        "entry 1 of \"batch 0 ends\" of the state is 0.5, expected a whole number not below the \
         one before"
    );
    assert_eq!(
        LearnerState::load("no/such.state").unwrap_err().to_string(),
        "cannot use the file no/such.state: entity not found"
    );
    assert_eq!(
        state.save("no/such.state").unwrap_err().to_string(),
        "cannot use the file no/such.state: entity not found"
    );
    assert_eq!(LearnerState::from_bytes(&bytes).unwrap(), state);
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_last_one() {
    let folder = std::env::temp_dir().join(format!("rl-pg-{}-checkpoint", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("state");
    let mut trained = learner(LearnOptions::default().rollouts(2), 1);
    let first = trained.state();
    first.save(&path).unwrap();
    assert!(std::fs::read_dir(&folder).unwrap().count() == 1);
    aim(&mut trained, 4);
    // As on a full disk: what is written beside it cannot be.
    std::fs::create_dir(folder.join("state.new")).unwrap();
    assert!(trained.state().save(&path).is_err());
    assert_eq!(LearnerState::load(&path).unwrap(), first);
    std::fs::remove_dir_all(folder).unwrap();
}

proptest! {
    #[test]
    fn no_bytes_panic(change in prop::collection::vec((any::<u16>(), any::<u8>()), 1..4), cut: u16) {
        let mut trained = learner(LearnOptions::default().rollouts(2), 1);
        aim(&mut trained, 4);
        let mut bytes = trained.state().to_bytes();
        let length = bytes.len();
        for (at, value) in change {
            bytes[usize::from(at) % length] = value;
        }
        bytes.truncate(length - usize::from(cut) % 64);
        // With a hash that fits, so that the rest is read.
        let content = bytes.len().saturating_sub(8);
        let right = hash(&bytes[..content]).to_le_bytes();
        bytes.truncate(content);
        bytes.extend(right);
        if let Ok(state) = LearnerState::from_bytes(&bytes) {
            let _ = trained.resume(&state);
        }
    }

    #[test]
    fn actions_are_read_back_to_the_bit(
        numbers in prop::collection::vec(-1e300..1e300f64, 0..5),
        index in 0usize..1_000_000,
        bits in prop::collection::vec(any::<bool>(), 0..5),
    ) {
        prop_assert_eq!(Vec::<f64>::from_numbers(&numbers.to_numbers()), Some(numbers));
        prop_assert_eq!(usize::from_numbers(&index.to_numbers()), Some(index));
        prop_assert_eq!(Vec::<bool>::from_numbers(&bits.to_numbers()), Some(bits));
    }
}

#[test]
fn numbers_that_are_no_action_are_refused() {
    assert_eq!(usize::from_numbers(&[0.5]), None);
    assert_eq!(usize::from_numbers(&[-1.0]), None);
    assert_eq!(usize::from_numbers(&[1.0, 2.0]), None);
    assert_eq!(Vec::<bool>::from_numbers(&[2.0]), None);
    assert_eq!(f64::from_numbers(&[]), None);
}
