//! The checks, a file per crate.

mod cross;
mod dsp;
mod linalg;
mod linalg_krylov;
mod nn_core;
mod nn_invert;
mod quad;
mod quad_free;
mod rl_pg;

use super::check::Check;

/// Every check, lowest layer first.
#[must_use]
pub fn all() -> Vec<Check> {
    [
        linalg::CHECKS,
        linalg_krylov::CHECKS,
        nn_core::CHECKS,
        nn_invert::CHECKS,
        rl_pg::CHECKS,
        dsp::CHECKS,
        quad::CHECKS,
        quad_free::CHECKS,
        cross::CHECKS,
    ]
    .concat()
}
