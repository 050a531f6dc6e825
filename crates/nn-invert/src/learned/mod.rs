//! Inverses that are learned: networks that guess an input, machines that reconstruct one.

mod belief;
mod boltzmann;
mod divergence;
mod guess;
mod tied;

pub use belief::BeliefNetwork;
pub use boltzmann::{RestrictedBoltzmann, Statistics};
pub use divergence::{Chains, Divergence, Epoch};
pub use guess::{LearnedInverse, Lesson};
pub use tied::TiedAutoencoder;
