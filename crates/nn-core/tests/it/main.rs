//! What a user of the crate sees, against oracles that do not share its code.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod build;
mod fused;
mod gradients;
mod training;
