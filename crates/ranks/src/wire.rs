//! What ranks write to each other, as bytes.

use std::ops::Range;
use std::time::Duration;

use linalg::team::{Failed, Lost, Problem};

/// A message between rank 0 and another rank. A turn is a call of `run`, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// To rank 0: I have come to this turn with so many pieces and this digest of their input.
    Ready { turn: u64, count: usize, digest: u64 },
    /// From rank 0: do these pieces.
    Do { turn: u64, range: Range<usize> },
    /// To rank 0: what these pieces brought.
    Done { turn: u64, range: Range<usize>, result: Result<Vec<u8>, Failed> },
    /// From rank 0, handed on from rank to rank: what was made of all pieces.
    All { turn: u64, bytes: Vec<u8> },
    /// From rank 0: it is over, and why. What a piece is every rank knows.
    Stop(Lost),
    /// I live.
    Beat,
    /// I have come to the end of the program.
    Bye,
}

/// What a piece is before a rank has put its own word for it.
pub(crate) const PIECE: &str = "piece";

impl Message {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut to = Vec::new();
        match self {
            Self::Ready { turn, count, digest } => {
                to.push(0);
                put(&mut to, &[*turn, *count as u64, *digest]);
            }
            Self::Do { turn, range } => {
                to.push(1);
                put(&mut to, &[*turn, range.start as u64, range.end as u64]);
            }
            Self::Done { turn, range, result } => {
                to.push(2);
                put(&mut to, &[*turn, range.start as u64, range.end as u64]);
                match result {
                    Ok(bytes) => {
                        put(&mut to, &[u64::MAX]);
                        to.extend_from_slice(bytes);
                    }
                    Err(Failed { piece, text }) => {
                        put(&mut to, &[*piece as u64]);
                        to.extend_from_slice(text.as_bytes());
                    }
                }
            }
            Self::All { turn, bytes } => {
                to.push(3);
                put(&mut to, &[*turn]);
                to.extend_from_slice(bytes);
            }
            Self::Stop(Lost { rank, pieces, problem, .. }) => {
                to.push(4);
                let nanoseconds =
                    |after: &Duration| u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
                let (kind, after, text) = match problem {
                    Problem::Failed { text } => (0, 0, text.as_str()),
                    Problem::Silent { after } => (1, nanoseconds(after), ""),
                    Problem::Overdue { after } => (2, nanoseconds(after), ""),
                    // Of another release, whose text is all that is known of it here.
                    _ => (3, 0, ""),
                };
                put(&mut to, &[*rank as u64, pieces.start as u64, pieces.end as u64, kind, after]);
                to.extend_from_slice(text.as_bytes());
            }
            Self::Beat => to.push(5),
            Self::Bye => to.push(6),
        }
        to
    }

    /// `None` for bytes that no rank of this release writes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&kind, mut rest) = bytes.split_first()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match kind {
            0 => {
                let [turn, count, digest] = take(&mut rest)?;
                Self::Ready { turn, count: size(count)?, digest }
            }
            1 => {
                let [turn, start, end] = take(&mut rest)?;
                Self::Do { turn, range: size(start)?..size(end)? }
            }
            2 => {
                let [turn, start, end, piece] = take(&mut rest)?;
                let result = match piece {
                    u64::MAX => Ok(rest.to_vec()),
                    piece => Err(Failed { piece: size(piece)?, text: text(rest) }),
                };
                Self::Done { turn, range: size(start)?..size(end)?, result }
            }
            3 => {
                let [turn] = take(&mut rest)?;
                Self::All { turn, bytes: rest.to_vec() }
            }
            4 => {
                let [rank, start, end, kind, after] = take(&mut rest)?;
                let after = Duration::from_nanos(after);
                let problem = match kind {
                    0 => Problem::Failed { text: text(rest) },
                    1 => Problem::Silent { after },
                    2 => Problem::Overdue { after },
                    _ => Problem::Strayed,
                };
                let (rank, pieces) = (size(rank)?, size(start)?..size(end)?);
                Self::Stop(Lost { rank, name: PIECE, pieces, problem })
            }
            5 => Self::Beat,
            6 => Self::Bye,
            _ => return None,
        })
    }
}

fn put(to: &mut Vec<u8>, words: &[u64]) {
    to.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u64; N]> {
    let mut words = [0; N];
    for word in &mut words {
        let (first, rest) = from.split_first_chunk::<8>()?;
        (*word, *from) = (u64::from_le_bytes(*first), rest);
    }
    Some(words)
}

fn size(word: u64) -> Option<usize> {
    usize::try_from(word).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_was() {
        let after = Duration::from_millis(1250);
        let lost = |problem| Message::Stop(Lost { rank: 3, name: PIECE, pieces: 5..9, problem });
        for message in [
            Message::Ready { turn: 7, count: 64, digest: u64::MAX },
            Message::Do { turn: 7, range: 8..12 },
            Message::Done { turn: 7, range: 8..12, result: Ok(vec![0, 255, 3]) },
            Message::Done { turn: 7, range: 8..9, result: Ok(Vec::new()) },
            Message::Done {
                turn: 7,
                range: 8..12,
                result: Err(Failed { piece: 9, text: "grün".into() }),
            },
            Message::All { turn: 7, bytes: vec![1; 100] },
            lost(Problem::Failed { text: "the arm came off".into() }),
            lost(Problem::Silent { after }),
            lost(Problem::Overdue { after }),
            lost(Problem::Strayed),
            Message::Beat,
            Message::Bye,
        ] {
            let bytes = message.to_bytes();
            assert_eq!(Message::from_bytes(&bytes), Some(message.clone()));
            // Cut anywhere within its numbers it is nothing, and never a panic.
            for length in 0..bytes.len() {
                let _ = Message::from_bytes(&bytes[..length]);
            }
        }
        assert_eq!(Message::from_bytes(&[1, 0, 0]), None);
        assert_eq!(Message::from_bytes(&[77]), None);
        assert_eq!(Message::from_bytes(&[]), None);
    }
}
