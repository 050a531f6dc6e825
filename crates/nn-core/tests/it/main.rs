//! What a user of the crate sees, against oracles that do not share its code.

mod build;
mod gradients;
mod training;
