//! The checks, a file per crate.

mod cross;
mod dsp;
mod dsp_spectra;
mod linalg;
mod linalg_krylov;
mod nn_core;
mod nn_invert;
mod quad;
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
        dsp_spectra::CHECKS,
        quad::CHECKS,
        cross::CHECKS,
    ]
    .concat()
}
