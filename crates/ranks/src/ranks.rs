//! The ranks as a team, and the frame around a program that has them.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use linalg::team::{Join, Lost, Pieces, Team, Work};

use crate::follow::Follow;
use crate::lead::Lead;
use crate::post::{Line, Post, lock};
use crate::{Options, Report, Result};

/// The ranks of this run, as a [`Team`]: those that mpirun started, or this process alone.
///
/// A clone is the same ranks again, for whatever wants a team of its own to keep.
#[derive(Debug, Clone)]
pub struct Ranks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rank: usize,
    size: usize,
    options: Options,
    /// None for one rank, which has nobody to write to.
    post: Option<Post>,
    place: Mutex<Place>,
}

#[derive(Debug)]
enum Place {
    Lead(Lead),
    Follow(Follow),
}

/// Runs `main` on every rank, and ends them all together: the whole of a program's own `main`.
///
/// An error is written to standard error by the rank that has it, and ends every rank: one that is gone cannot take
/// part in an orderly end, and one that hangs would keep mpirun for ever. The exit code is then 1. Everything else
/// is left to `main`, which is told its rank.
///
/// # Examples
/// ```
/// use linalg::team::{Pieces, Team};
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     ranks::launch(ranks::Options::default(), |ranks| {
///         let squares = ranks.run(
///             Pieces::new("square", 100).at_a_time(10),
///             &mut |range| Ok(range.map(|i| (i * i % 256) as u8).collect()),
///             &mut |all| all,
///         )?;
///         assert_eq!((squares[15], squares[16]), (225, 0));
///         Ok::<(), ranks::Error>(())
///     })
/// }
/// ```
pub fn launch<E: Display>(
    options: Options,
    main: impl FnOnce(&Ranks) -> Result<(), E>,
) -> ExitCode {
    match Ranks::open(options) {
        Ok(ranks) => {
            let result = main(&ranks);
            ranks.finish(result)
        }
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}

impl Ranks {
    #[cfg(feature = "mpi")]
    fn open(options: Options) -> Result<Self> {
        Self::over(crate::mpi::World::open, options)
    }

    #[cfg(not(feature = "mpi"))]
    fn open(options: Options) -> Result<Self> {
        Self::over(|| Ok(crate::post::Single), options)
    }

    /// The ranks on a line.
    pub(crate) fn over<L: Line>(
        open: impl FnOnce() -> Result<L> + Send + 'static,
        options: Options,
    ) -> Result<Self> {
        let (post, rank, size) = Post::open(open, options.silence)?;
        let place = match rank {
            0 => Place::Lead(Lead::new(size)),
            _ => Place::Follow(Follow::new(rank, size)),
        };
        // One rank has nobody to write to.
        let post = if size > 1 || !post.close(options.silence) { Some(post) } else { None };
        Ok(Self(Arc::new(Inner { rank, size, options, post, place: Mutex::new(place) })))
    }

    /// Whether this is rank 0, which draws, logs and writes files for all.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.0.rank == 0
    }

    /// What the ranks did so far.
    pub fn report(&self) -> Report {
        match &*lock(&self.0.place) {
            Place::Lead(lead) => lead.report.clone(),
            Place::Follow(follow) => Report::new(follow.size),
        }
    }

    /// Gives every rank the bytes that rank 0 has; those of the others do not matter. For a checkpoint, say, that
    /// only the machine of rank 0 can read.
    ///
    /// # Errors
    /// [`Error::Lost`](crate::Error::Lost) where a rank is gone.
    pub fn share(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        let nothing = Pieces::new("piece", 0);
        let mut bytes = Some(bytes);
        Ok(self.run(nothing, &mut |_| Ok(Vec::new()), &mut |_| bytes.take().unwrap_or_default())?)
    }

    /// Leaves together with all others, or ends them.
    pub(crate) fn finish<E: Display>(&self, result: Result<(), E>) -> ExitCode {
        let Inner { options, post, place, .. } = &*self.0;
        let Err(error) = &result else {
            let Some(post) = post else { return ExitCode::SUCCESS };
            let parted = match &mut *lock(place) {
                Place::Lead(lead) => lead.part(post, options),
                Place::Follow(follow) => follow.part(post, options),
            };
            return match parted {
                Ok(()) if post.close(options.silence) => ExitCode::SUCCESS,
                Ok(()) => {
                    say(&crate::Error::NotEnded { after: options.silence });
                    ExitCode::FAILURE
                }
                Err(lost) => self.finish(Err(lost)),
            };
        };
        let mut stopped = false;
        if let Place::Follow(follow) = &*lock(place) {
            stopped = follow.stopped;
            if !stopped {
                say(&format!("rank {}: {error}", follow.rank));
            }
            follow.linger(options);
        } else {
            say(error);
        }
        if let Some(post) = post
            && !stopped
        {
            post.abort();
        }
        ExitCode::FAILURE
    }
}

impl Team for Ranks {
    fn members(&self) -> usize {
        self.0.size
    }

    fn rank(&self) -> usize {
        self.0.rank
    }

    fn run(&self, pieces: Pieces, work: Work<'_>, join: Join<'_>) -> Result<Vec<u8>, Lost> {
        let Inner { options, post, place, .. } = &*self.0;
        match (&mut *lock(place), post.as_ref()) {
            (Place::Follow(follow), Some(post)) => follow.run(post, options, pieces, work),
            (Place::Lead(lead), post) => lead.run(post, options, pieces, work, join),
            // A rank other than 0 has been given a post.
            (Place::Follow(_), None) => linalg::team::Alone.run(pieces, work, join),
        }
    }
}

/// Writes a line to standard error in one piece, since other ranks write there too.
pub(crate) fn say(what: &impl Display) {
    // With standard error gone there is nobody left to tell.
    let _ = std::io::stderr().write_all(format!("{what}\n").as_bytes());
}

#[cfg(test)]
mod tests;
