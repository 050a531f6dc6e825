//! Simulators to try methods on, and trajectories of few weights.

mod arm_hit;
mod bandit;
mod cart_pole;
mod movement_primitive;
mod radial_bases;
mod sin_cos;
mod two_states;

pub use arm_hit::{ArmHit, Contact};
pub use bandit::Bandit;
pub use cart_pole::CartPole;
pub use movement_primitive::MovementPrimitive;
pub use radial_bases::RadialBases;
pub use two_states::TwoStates;
