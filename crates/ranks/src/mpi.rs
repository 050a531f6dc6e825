//! The line that MPI is: the only file that names it.

use mpi::environment::Universe;
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::{Rank, Threading};

use crate::post::Line;
use crate::{Error, Result};

/// Every rank that mpirun started.
pub(crate) struct World {
    world: SimpleCommunicator,
    rank: usize,
    size: usize,
    /// Dropped last: that is MPI's end.
    universe: Universe,
}

impl World {
    pub(crate) fn open() -> Result<Self> {
        let (universe, threading) =
            mpi::initialize_with_threading(Threading::Funneled).ok_or(Error::Started)?;
        if threading < Threading::Funneled {
            return Err(Error::Threads);
        }
        let world = universe.world();
        let count = |number: Rank| usize::try_from(number).unwrap_or(0);
        let (rank, size) = (count(world.rank()), count(world.size()));
        Ok(Self { world, rank, size, universe })
    }
}

impl Line for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn send(&mut self, to: usize, bytes: &[u8]) {
        if let Ok(to) = Rank::try_from(to) {
            self.world.process_at_rank(to).send(bytes);
        }
    }

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        let (bytes, status) =
            self.world.any_process().immediate_matched_probe()?.matched_receive_vec::<u8>();
        Some((usize::try_from(status.source_rank()).ok()?, bytes))
    }

    fn close(self) {
        drop(self.universe);
    }

    fn abort(self) {
        self.world.abort(1);
    }
}
