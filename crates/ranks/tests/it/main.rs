//! The examples over the ranks of a real MPI. Everything else of the crate is tested beside its code, where ranks are
//! threads.

#[cfg(feature = "mpi")]
mod mpirun;
#[cfg(feature = "mpi")]
mod ranks;
