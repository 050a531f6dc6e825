//! A network that learns from rollouts and episodes.

mod actor;
mod advantage;
mod data;
mod experience;
mod learner;
mod natural;
mod options;
mod pass;
mod state;
mod training;

pub use actor::Actor;
pub use advantage::{Discounting, generalized_advantages, rewards_to_go};
pub use experience::Experience;
pub use learner::{Learner, Update};
pub use natural::NaturalDirection;
pub use options::{Ascent, Collect, LearnOptions, Standardize, Surrogate};
pub use state::{LearnerState, StoredAction};
pub use training::{History, Plan, Point, Progress, TrainingStop};
