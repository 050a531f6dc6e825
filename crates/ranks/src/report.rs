//! What the ranks did.

use std::time::Duration;

/// What the ranks did, as rank 0 saw it; on other ranks it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Report {
    /// Calls of `run`.
    pub turns: u64,
    /// Pieces that each rank did.
    pub pieces: Vec<u64>,
    /// How long each rank had pieces, the way there and back included.
    pub busy: Vec<Duration>,
    /// Bytes of results that came to rank 0.
    pub received: u64,
    /// Bytes of results that went to the other ranks, all of them together.
    pub sent: u64,
}

impl Report {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            turns: 0,
            pieces: vec![0; size],
            busy: vec![Duration::ZERO; size],
            received: 0,
            sent: 0,
        }
    }

    pub(crate) fn add(&mut self, rank: usize, pieces: usize, busy: Duration) {
        self.pieces[rank] += pieces as u64;
        self.busy[rank] += busy;
    }
}
