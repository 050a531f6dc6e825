//! The checks, a file per crate.

mod cross;
mod cross_networks;
mod cross_numbers;
mod dsp;
mod dsp_peaks;
mod dsp_spectra;
mod dsp_subspace;
mod linalg;
mod linalg_krylov;
mod nn_conv;
mod nn_core;
mod nn_filters;
mod nn_invert;
mod nn_invert_images;
mod nn_invert_layers;
mod nn_invert_learned;
mod nn_invert_preimages;
mod nn_invert_search;
mod nn_layers;
mod nn_train;
mod quad;
mod quad_caps;
mod quad_estimate;
mod quad_free;
mod quad_grid;
mod ranks;
mod rl_pg;
mod rl_pg_chain;
mod rl_pg_estimators;
mod rl_pg_policies;
mod rl_pg_process;
mod rl_pg_sim;
mod rl_pg_training;

pub use ranks::PROGRAMS;
pub use rl_pg_process::{WORKER, worker};

use super::check::Check;

/// The checks that need an MPI library and programs built with it: [`PROGRAMS`] is set before they run.
#[must_use]
pub fn over_mpi() -> Vec<Check> {
    ranks::CHECKS.to_vec()
}

/// Every check that needs nothing but this program, lowest layer first.
#[must_use]
pub fn all() -> Vec<Check> {
    [
        linalg::CHECKS,
        linalg_krylov::CHECKS,
        nn_core::CHECKS,
        nn_layers::CHECKS,
        nn_train::CHECKS,
        nn_conv::CHECKS,
        nn_filters::CHECKS,
        nn_invert::CHECKS,
        nn_invert_layers::CHECKS,
        nn_invert_search::CHECKS,
        nn_invert_preimages::CHECKS,
        nn_invert_images::CHECKS,
        nn_invert_learned::CHECKS,
        rl_pg::CHECKS,
        rl_pg_policies::CHECKS,
        rl_pg_estimators::CHECKS,
        rl_pg_chain::CHECKS,
        rl_pg_sim::CHECKS,
        rl_pg_process::CHECKS,
        rl_pg_training::CHECKS,
        dsp::CHECKS,
        dsp_subspace::CHECKS,
        dsp_peaks::CHECKS,
        dsp_spectra::CHECKS,
        quad::CHECKS,
        quad_estimate::CHECKS,
        quad_grid::CHECKS,
        quad_free::CHECKS,
        quad_caps::CHECKS,
        cross::CHECKS,
        cross_numbers::CHECKS,
        cross_networks::CHECKS,
    ]
    .concat()
}
