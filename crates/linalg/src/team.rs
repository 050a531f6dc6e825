//! Independent pieces of work for one process, or for the ranks of a cluster.
//!
//! Threads share memory, and [`parallel`](crate::parallel) is enough for them. Processes on many machines do not: a
//! [`Team`] hands them ranges of pieces and brings what they made of them, as bytes and in order, to every one.
//! [`Alone`] is the team of one; the crate `ranks` has the one of many.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Those who do independent pieces of work together, one of whom, rank 0, leads.
///
/// Every member runs the same program on the same input and comes to the same calls of [`Team::run`] in the same
/// order. Results stand at the index of their piece, so that the number of members changes no bit of them.
///
/// # Examples
/// ```
/// use linalg::team::{Alone, Pieces, Team};
/// let square = |range: std::ops::Range<usize>| Ok(range.flat_map(|i| (i * i).to_string().into_bytes()).collect());
/// let squares = Alone.run(Pieces::new("square", 5), &mut { square }, &mut |all| all)?;
/// assert_eq!(squares, b"014916");
/// # Ok::<(), linalg::team::Lost>(())
/// ```
pub trait Team: fmt::Debug + Send + Sync {
    /// How many there are.
    fn members(&self) -> usize;

    /// Which one this is, from 0.
    fn rank(&self) -> usize;

    /// Has `work` done for 0 … `count` − 1 in ranges, by whichever member is free. `join` is given all that it
    /// returned, in order, on rank 0 alone, and what `join` makes of that is the result of every member.
    ///
    /// # Errors
    /// The first piece that failed, or a member that ended, hangs or has other pieces: every member is told.
    fn run(&self, pieces: Pieces, work: Work<'_>, join: Join<'_>) -> Result<Vec<u8>, Lost>;
}

/// Does a range of pieces; what they brought, one after another.
pub type Work<'a> = &'a mut (dyn FnMut(Range<usize>) -> Result<Vec<u8>, Failed> + Send);

/// Makes the result of what all pieces brought.
pub type Join<'a> = &'a mut (dyn FnMut(Vec<u8>) -> Vec<u8> + Send);

/// What a team is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pieces {
    /// What a piece is, in one word, for errors.
    pub name: &'static str,
    /// How many pieces there are.
    pub count: usize,
    /// How many a member is given at a time, at least one. Results must not depend on it.
    pub at_a_time: usize,
    /// A [`digest`] of the input, which must be the same for every member.
    pub digest: u64,
}

impl Pieces {
    /// So many pieces, one at a time.
    #[must_use]
    pub fn new(name: &'static str, count: usize) -> Self {
        Self { name, count, at_a_time: 1, digest: 0 }
    }

    /// Sets [`Pieces::at_a_time`].
    #[must_use]
    pub fn at_a_time(mut self, pieces: usize) -> Self {
        self.at_a_time = pieces.max(1);
        self
    }

    /// Sets [`Pieces::digest`].
    #[must_use]
    pub fn digest(mut self, digest: u64) -> Self {
        self.digest = digest;
        self
    }
}

/// A piece whose work failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its index.
    pub piece: usize,
    /// What its error says.
    pub text: String,
}

/// A member of a team whose pieces were not done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The member.
    pub rank: usize,
    /// What a piece is.
    pub name: &'static str,
    /// What it had been given and not done; empty if nothing.
    pub pieces: Range<usize>,
    /// What went wrong.
    pub problem: Problem,
}

/// Why a member's pieces were not done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The work itself failed, on the first of the pieces.
    Failed {
        /// What its error says.
        text: String,
    },
    /// The member gave no sign of life: it ended, or its machine cannot be reached.
    Silent {
        /// For how long.
        after: Duration,
    },
    /// The member lives, and its pieces are not done.
    Overdue {
        /// For how long it has had them.
        after: Duration,
    },
    /// The member came with other input than rank 0: it runs another program, or computes other bits.
    Strayed,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, name, pieces, problem } = self;
        write!(f, "rank {rank} with ")?;
        match pieces.len() {
            0 => write!(f, "no {name}: "),
            1 => write!(f, "{name} {}: ", pieces.start),
            _ => write!(f, "{name}s {} to {}: ", pieces.start, pieces.end - 1),
        }?;
        let seconds = Duration::as_secs_f64;
        match problem {
            Problem::Failed { text } => f.write_str(text),
            Problem::Silent { after } => write!(f, "no sign of life for {:.1} s", seconds(after)),
            Problem::Overdue { after } => write!(f, "not done after {:.1} s", seconds(after)),
            Problem::Strayed => f.write_str("its input is not that of rank 0"),
        }
    }
}

impl std::error::Error for Lost {}

/// The team of one, which does every piece itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alone;

impl Team for Alone {
    fn members(&self) -> usize {
        1
    }

    fn rank(&self) -> usize {
        0
    }

    fn run(&self, pieces: Pieces, work: Work<'_>, join: Join<'_>) -> Result<Vec<u8>, Lost> {
        let mut all = Vec::new();
        let mut start = 0;
        while start < pieces.count {
            let end = pieces.count.min(start.saturating_add(pieces.at_a_time.max(1)));
            let done = work(start..end).map_err(|Failed { piece, text }| Lost {
                rank: 0,
                name: pieces.name,
                pieces: piece..piece + 1,
                problem: Problem::Failed { text },
            })?;
            all.extend(done);
            start = end;
        }
        Ok(join(all))
    }
}

/// A number that differs where any of the words does, all but surely: FNV-1a, a word at a time.
#[must_use]
pub fn digest(words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        // The multiplication carries upward only; the rotation brings the high bits back down.
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_does_every_piece_in_order_and_names_the_first_that_fails() {
        let mut ranges = Vec::new();
        let pieces = Pieces::new("swing", 7).at_a_time(3);
        let mut work = |range: Range<usize>| {
            ranges.push(range.clone());
            Ok(range.map(|piece| u8::try_from(piece).unwrap()).collect())
        };
        let found = Alone.run(pieces, &mut work, &mut |mut all| {
            all.push(99);
            all
        });
        assert_eq!(found.unwrap(), [0, 1, 2, 3, 4, 5, 6, 99]);
        assert_eq!(ranges, [0..3, 3..6, 6..7]);
        let mut work = |range: Range<usize>| match range.contains(&4) {
            true => Err(Failed { piece: 4, text: "the arm came off".into() }),
            false => Ok(Vec::new()),
        };
        let lost = Alone.run(pieces, &mut work, &mut |all| all).unwrap_err();
        assert_eq!(lost.to_string(), "rank 0 with swing 4: the arm came off");
    }

    #[test]
    fn who_is_lost_is_said_with_its_pieces() {
        let after = Duration::from_millis(2500);
        for (pieces, problem, text) in [
            (0..0, Problem::Silent { after }, "rank 3 with no rollout: no sign of life for 2.5 s"),
            (5..6, Problem::Overdue { after }, "rank 3 with rollout 5: not done after 2.5 s"),
            (
                5..8,
                Problem::Strayed,
                "rank 3 with rollouts 5 to 7: its input is not that of rank 0",
            ),
        ] {
            let lost = Lost { rank: 3, name: "rollout", pieces, problem };
            assert_eq!(lost.to_string(), text);
        }
    }

    #[test]
    fn a_digest_sees_every_bit_and_the_order() {
        let words = [1.0f64.to_bits(), 2.0f64.to_bits(), 0];
        let whole = digest(words);
        for word in 0..3 {
            for bit in 0..64 {
                let mut other = words;
                other[word] ^= 1 << bit;
                assert_ne!(digest(other), whole, "word {word}, bit {bit}");
            }
        }
        assert_ne!(digest([words[1], words[0], words[2]]), whole);
        assert_ne!(digest([words[0], words[1]]), whole);
    }
}
