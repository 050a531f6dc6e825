//! The line that MPI is: the only file that names it.

use std::collections::VecDeque;

use bumpalo::Bump;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, Source};
use mpi::request::{LocalScope, Request};
use mpi::topology::{Communicator, SimpleCommunicator};
use mpi::traits::Equivalence;
use mpi::{Rank, Threading};

use crate::post::{Line, Port};
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

    fn session(&mut self, serve: &mut dyn FnMut(&mut dyn Port)) {
        let memory = Bump::new();
        mpi::request::scope(|scope| {
            serve(&mut Open {
                world: &self.world,
                memory: &memory,
                scope,
                outgoing: Vec::new(),
                incoming: VecDeque::new(),
            });
        });
    }

    fn close(self) {
        drop(self.universe);
    }
}

type Transfer<'a, 's> = Request<'a, [u8], &'s LocalScope<'a>>;

/// What is under way, with the memory that MPI reads and writes meanwhile.
struct Open<'a, 's> {
    world: &'a SimpleCommunicator,
    memory: &'a Bump,
    scope: &'s LocalScope<'a>,
    outgoing: Vec<Transfer<'a, 's>>,
    /// And from whom.
    incoming: VecDeque<(Rank, Transfer<'a, 's>)>,
}

impl Port for Open<'_, '_> {
    fn send(&mut self, to: usize, bytes: &[u8]) {
        if let Ok(to) = Rank::try_from(to) {
            let bytes = self.memory.alloc_slice_copy(bytes);
            self.outgoing.push(self.world.process_at_rank(to).immediate_send(self.scope, bytes));
        }
    }

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        while let Some((message, status)) = self.world.any_process().immediate_matched_probe() {
            let count = usize::try_from(status.count(u8::equivalent_datatype())).unwrap_or(0);
            let bytes = self.memory.alloc_slice_fill_copy(count, 0);
            let transfer = message.immediate_matched_receive_into(self.scope, bytes);
            self.incoming.push_back((status.source_rank(), transfer));
        }
        // In the order in which each rank sent.
        let mut waiting = Vec::new();
        let mut next = None;
        for (from, transfer) in std::mem::take(&mut self.incoming) {
            if next.is_some() || waiting.contains(&from) {
                self.incoming.push_back((from, transfer));
                continue;
            }
            match transfer.test_with_data() {
                Ok((_, bytes)) => next = Some((from, bytes.to_vec())),
                Err(transfer) => {
                    waiting.push(from);
                    self.incoming.push_back((from, transfer));
                }
            }
        }
        let (from, bytes) = next?;
        Some((usize::try_from(from).ok()?, bytes))
    }

    fn is_idle(&mut self) -> bool {
        let outgoing = std::mem::take(&mut self.outgoing);
        self.outgoing = outgoing.into_iter().filter_map(|transfer| transfer.test().err()).collect();
        self.outgoing.is_empty() && self.incoming.is_empty()
    }

    fn abort(&mut self) {
        self.world.abort(1);
    }
}
