//! Tests through the public interface alone.
#![expect(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests: a panic is a failure, and exact numbers are compared exactly"
)]

mod battery;
mod factorisations;
mod lu;
mod nasty;
mod spectra;
