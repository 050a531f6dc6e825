//! `cargo xtask verify`: every claim against a number, next to the usual wrong method.

pub mod check;
pub mod checks;
pub mod plot;
