//! Plumbline's own tasks: `verify` holds every claim of the crates against a number, `tidy` holds
//! the workspace to its own rules.

pub mod verify;
