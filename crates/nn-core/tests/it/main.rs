//! What a user of the crate sees, against oracles that do not share its code.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod build;
mod derivatives;
mod fused;
mod gradients;
mod layers;
mod pytorch;
mod threads;
mod training;
