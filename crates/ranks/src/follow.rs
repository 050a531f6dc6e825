//! What every rank but 0 does in a turn: comes with its pieces, does what it is given, and waits for the result.

use std::ops::Range;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linalg::team::{Lost, Pieces, Problem, Work};

use crate::lead::hand_on;
use crate::options::Options;
use crate::post::{Letter, Post};
use crate::wire::{Message, PIECE};

/// What another rank knows from one turn to the next.
#[derive(Debug)]
pub(crate) struct Follow {
    pub(crate) rank: usize,
    pub(crate) size: usize,
    pub(crate) turn: u64,
    /// What a piece of this turn is.
    name: &'static str,
    /// When rank 0 last gave a sign of life.
    heard: Instant,
    /// Whether rank 0 has said that it is over.
    pub(crate) stopped: bool,
}

impl Follow {
    pub(crate) fn new(rank: usize, size: usize) -> Self {
        Self { rank, size, turn: 0, name: PIECE, heard: Instant::now(), stopped: false }
    }

    pub(crate) fn run(
        &mut self,
        post: &Post,
        options: &Options,
        pieces: Pieces,
        work: Work<'_>,
    ) -> Result<Vec<u8>, Lost> {
        self.turn += 1;
        let turn = self.turn;
        let Pieces { name, count, digest, .. } = pieces;
        self.name = name;
        post.send(0, &Message::Ready { turn, count, digest });
        let (hand, given) = mpsc::channel::<Range<usize>>();
        thread::scope(|scope| {
            // The channel closes when there is a result, which ends the work.
            let listening = scope.spawn(move || self.listen(post, options, &hand));
            for range in given {
                let result = work(range.clone());
                post.send(0, &Message::Done { turn, range, result });
            }
            listening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Hands to work what rank 0 gives, until there is a result.
    fn listen(
        &mut self,
        post: &Post,
        options: &Options,
        hand: &mpsc::Sender<Range<usize>>,
    ) -> Result<Vec<u8>, Lost> {
        loop {
            match self.next(post, options)? {
                Message::Do { turn, range } if turn == self.turn => drop(hand.send(range)),
                Message::All { turn, bytes } if turn == self.turn => {
                    hand_on(post, self.rank, self.size, turn, &bytes);
                    return Ok(bytes);
                }
                _ => {}
            }
        }
    }

    /// The next message, unless rank 0 has stopped everything or is gone itself.
    fn next(&mut self, post: &Post, options: &Options) -> Result<Message, Lost> {
        loop {
            let silence = post.looked().saturating_duration_since(self.heard);
            if let Some(Letter { from, at, message }) = post.receive(options.silence / 20) {
                if from == 0 {
                    self.heard = self.heard.max(at);
                }
                match message {
                    Message::Beat => {}
                    Message::Stop(lost) => {
                        self.stopped = true;
                        return Err(Lost { name: self.name, ..lost });
                    }
                    message => return Ok(message),
                }
            } else if silence > options.silence {
                let problem = Problem::Silent { after: silence };
                return Err(Lost { rank: 0, name: self.name, pieces: 0..0, problem });
            }
        }
    }

    /// Waits until rank 0 has seen everyone come to the end.
    pub(crate) fn part(&mut self, post: &Post, options: &Options) -> Result<(), Lost> {
        post.send(0, &Message::Bye);
        while self.next(post, options)? != Message::Bye {}
        Ok(())
    }

    /// Gives rank 0 the time to say what is wrong and to end everyone.
    pub(crate) fn linger(&self, options: &Options) {
        thread::sleep(options.silence + Duration::from_secs(1));
    }
}
