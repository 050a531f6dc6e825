//! Past one machine: rollouts and batches over the ranks of a cluster, with the weights that one process would have
//! had, to the bit.
//!
//! ```
//! use rl_pg::{ArmHit, Farm, Simulator};
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     ranks::launch(ranks::Options::default(), |ranks| {
//!         let mut arms = Farm::new(ranks.clone(), vec![ArmHit::new(); 4])?; // four threads on every rank
//!         let contexts = ArmHit::halton_contexts(2000);
//!         let actions = linalg::DMatrix::zeros(15, 2000);
//!         let outcomes = arms.rollouts(&contexts, &actions, &[0; 2000])?; // the same on every rank
//!         let hits: f64 = outcomes.iter().map(|outcome| outcome.metrics[0]).sum();
//!         assert_eq!(hits, 686.0);
//!         Ok::<(), rl_pg::Error>(())
//!     })
//! }
//! ```
//!
//! Run as it is, that is one rank and plain threads. Built with the feature `mpi` and started by `mpirun -n 100`, it is
//! a hundred ranks, and nothing else changes.
//!
//! # "My simulator takes seconds a rollout, and I have a cluster"
//!
//! Every rank runs the same program. Where it comes to work that can be divided, rank 0 hands out ranges of it to
//! whoever is free, itself too, and puts what comes back at its index; then every rank has the whole and goes on with
//! the same numbers. What travels is which rollouts, and their rewards: 24 bytes a rollout and not a gradient of
//! thousands of numbers. `rl_pg::Farm` makes a simulator of all ranks' simulators, for `Learner::train` as for anything
//! else; `nn_core::Trainer::team` divides a training step's batch in its shards. Anything else of independent pieces is
//! [`Team::run`](linalg::team::Team::run).
//!
//! The examples `arm_hit_ranks` and `images` are whole programs, with a checkpoint and progress that rank 0 alone writes
//! ([`Ranks::leads`]), and a checkpoint that the others cannot read ([`Ranks::share`]). A simulator in another process
//! (`rl_pg::process`) is started by each rank for itself and started again there when it fails, as `external` shows.
//!
//! ## "Will I get the same result on another number of ranks?"
//!
//! Yes, to the bit, and of threads, and of any mix: each piece depends on its index alone, and sums are made by rank 0
//! in the order of the index. That holds as long as all machines have the same vector instructions; where one computes
//! other bits than rank 0, the next turn names it, because it comes with other input ([`Problem::Strayed`]).
//!
//! ## Launch
//!
//! Packages: `libopenmpi-dev openmpi-bin libclang-dev` on Debian and Ubuntu (Open MPI 4.1, 400 MB with all they need), a
//! module `openmpi` on most clusters; the program is built where they are.
//!
//! ```text
//! cargo build --release --features mpi
//! mpirun -n 4 --bind-to core target/release/program                one machine, a core for each rank
//! mpirun -n 128 --hostfile hosts --map-by slot:PE=4 program        four cores, so four threads, for each rank
//! ```
//!
//! A job for Slurm:
//!
//! ```text
//! #!/bin/sh
//! #SBATCH --ntasks=128 --cpus-per-task=4 --time=8:00:00
//! mpirun --map-by slot:PE=4 --mca orte_enable_recovery 1 ./program --checkpoint state
//! ```
//!
//! *Bind the ranks* (`--bind-to core`, `--map-by slot:PE=4`): rayon makes a thread for each core that a rank may use, and
//! ranks that are not bound each make one for every core of the machine. *More ranks than cores* need
//! `--oversubscribe`. *As root* mpirun asks for `OMPI_ALLOW_RUN_AS_ROOT=1` and `OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1`. *Nodes
//! that others use too*: nothing to set. A rank that waits looks for messages ever more rarely, down to once a
//! millisecond, so that Open MPI never spins; `mpi_yield_when_idle` changes nothing but its start and its end.
//!
//! What to expect: [`Turn`] is the formula, with a table, and the example `latency` measures what it asks for. An
//! update of the robot with 48 rollouts of 10 ms takes 0.58 s on one rank and a quarter of it on four.
//!
//! ## When a rank dies, hangs, or returns NaN
//!
//! ```text
//! rank 3 with rollout 19: no sign of life for 10.0 s
//! rank 3 with rollout 19: not done after 600.0 s
//! rank 3 with rollout 19: the reward of sample 19 is NaN for the action [..]
//! ```
//!
//! Every rank gives ten signs of life within [`Options::silence`], however long a rollout is, and one that lives has
//! [`Options::patience`] for what it was given. Rank 0 names who failed and with what, and ends the run; the same
//! program, started again on any number of ranks, goes on from its checkpoint, and ends with the weights of a run that
//! nothing disturbed. Rollouts of a lost rank are not quietly given to another: a machine that fails is to be known.
//!
//! - *mpirun ends everything first.* By default Open MPI 4.1 kills all ranks when one dies, within two seconds, and
//!   names the rank, but not the rollout. With `--mca orte_enable_recovery 1` it leaves that to rank 0. Its exit code
//!   is then 0 whatever happened, so a script should ask for what the program leaves at its end.
//! - *Before MPI has started* nobody knows who is missing. The ranks end after six times the silence, and say that it did
//!   not start; mpirun 4.1.4 itself may then wait for ever, if it was to recover: give it or the job a time limit.
//! - *Rank 0 itself.* The others see it silent and say so; if it hangs in a rollout of its own, it says so and ends all.
//!
//! ## Wrong turns
//!
//! - *An all-reduce of gradients.* Its order follows the number of ranks, and so do the last bits of the weights; a
//!   hundred updates later they are other weights.
//! - *A generator for each rank, seeded by its rank.* Another number of ranks is then another run. Here a rollout's
//!   noise comes from its place (`rl_pg::Streams`).
//! - *As many rollouts in a turn as ranks.* One slow rollout holds up all; ten for each rank even it out.
//! - *`if rank == 0` around a training step.* Every rank has to come to every turn. Put it around writing and drawing.
//!
//! ## What it does not do
//!
//! Inputs are on every rank: a batch's activations are divided, the batch itself is not. A training step has at most 16
//! shards, so more than 16 ranks do not speed one up. Each result is below 2 GiB, which is MPI's own limit.

mod error;
mod follow;
mod lead;
#[cfg(feature = "mpi")]
mod mpi;
mod options;
mod post;
mod ranks;
mod report;
mod turn;
mod wire;

pub use error::{Error, Result};
pub use linalg::team::{Lost, Problem};
pub use options::Options;
pub use ranks::{Ranks, launch};
pub use report::Report;
pub use turn::Turn;
