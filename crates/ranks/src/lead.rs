//! What rank 0 does in a turn: hands out ranges, gathers what they brought, and watches the others.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use linalg::team::{Failed, Join, Lost, Pieces, Problem, Work};

use crate::options::Options;
use crate::post::{Letter, Post, lock};
use crate::ranks::say;
use crate::report::Report;
use crate::wire::{Message, PIECE};

/// What rank 0 knows of the others from one turn to the next.
#[derive(Debug)]
pub(crate) struct Lead {
    pub(crate) turn: u64,
    /// When each last gave a sign of life.
    heard: Vec<Instant>,
    /// The turn that each has come to, with its pieces and their digest.
    ready: Vec<(u64, usize, u64)>,
    /// Who has come to the end.
    gone: Vec<bool>,
    pub(crate) report: Report,
}

/// The pieces of a turn.
struct Queue {
    next: usize,
    pieces: Pieces,
    done: BTreeMap<usize, Vec<u8>>,
    /// What each rank has been given, and when.
    out: Vec<Option<(Range<usize>, Instant)>>,
    lost: Option<Lost>,
}

impl Queue {
    /// The next range for this rank; after a failure none is begun.
    fn take(&mut self, rank: usize) -> Option<Range<usize>> {
        if self.lost.is_some() || self.next >= self.pieces.count {
            return None;
        }
        let end = self.next.saturating_add(self.pieces.at_a_time.max(1)).min(self.pieces.count);
        let range = self.next..end;
        self.next = end;
        self.out[rank] = Some((range.clone(), Instant::now()));
        Some(range)
    }

    /// Takes what a rank brought; for how long it had it.
    fn put(
        &mut self,
        rank: usize,
        range: &Range<usize>,
        result: Result<Vec<u8>, Failed>,
    ) -> Duration {
        let since = self.out[rank].take();
        match result {
            Ok(bytes) => drop(self.done.insert(range.start, bytes)),
            Err(Failed { piece, text }) => {
                let problem = Problem::Failed { text };
                self.fail(rank, piece..piece + 1, problem);
            }
        }
        since.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Of all that fails, what stands first in the batch is named.
    fn fail(&mut self, rank: usize, pieces: Range<usize>, problem: Problem) {
        if self.lost.as_ref().is_none_or(|first| pieces.start < first.pieces.start) {
            self.lost = Some(Lost { rank, name: self.pieces.name, pieces, problem });
        }
    }

    /// Whether nothing more is to be waited for: all is done, or what failed is known to be the first that does.
    fn is_over(&self) -> bool {
        let mut open = self.out.iter().flatten();
        match &self.lost {
            None => self.next >= self.pieces.count && open.next().is_none(),
            Some(Lost { pieces, problem: Problem::Failed { .. }, .. }) => {
                open.all(|(range, _)| range.start >= pieces.start)
            }
            // Who is gone or hangs may have had the first; the others' work is worth no more waiting.
            Some(_) => true,
        }
    }
}

impl Lead {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            turn: 0,
            heard: vec![Instant::now(); size],
            ready: vec![(0, 0, 0); size],
            gone: vec![false; size],
            report: Report::new(size),
        }
    }

    pub(crate) fn run(
        &mut self,
        post: Option<&Post>,
        options: &Options,
        pieces: Pieces,
        work: Work<'_>,
        join: Join<'_>,
    ) -> Result<Vec<u8>, Lost> {
        self.turn += 1;
        self.report.turns += 1;
        let size = self.heard.len();
        let queue = Mutex::new(Queue {
            next: 0,
            pieces,
            done: BTreeMap::new(),
            out: vec![None; size],
            lost: None,
        });
        let own = thread::scope(|scope| {
            // Rank 0 works where it was called, in that thread's pool, and hands out beside it.
            if let Some(post) = post {
                scope.spawn(|| self.serve(post, options, &queue));
            }
            let (mut count, mut busy) = (0, Duration::ZERO);
            loop {
                let Some(range) = lock(&queue).take(0) else { return (count, busy) };
                let result = work(range.clone());
                count += range.len();
                busy += lock(&queue).put(0, &range, result);
            }
        });
        self.report.add(0, own.0, own.1);
        let Queue { done, lost, .. } =
            queue.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(lost) = lost {
            return Err(lost);
        }
        let bytes = join(done.into_values().collect::<Vec<_>>().concat());
        if let Some(post) = post {
            hand_on(post, 0, size, self.turn, &bytes);
            self.report.sent += (bytes.len() * (size - 1)) as u64;
        }
        Ok(bytes)
    }

    /// Answers the others until all pieces are done, or one cannot be.
    fn serve(&mut self, post: &Post, options: &Options, queue: &Mutex<Queue>) {
        // Who may have come to this turn before rank 0 did.
        let mut waiting: Vec<usize> = (1..self.heard.len()).collect();
        let mut judged = Instant::now();
        loop {
            let looked = post.looked();
            let mut letter = post.receive(Duration::from_millis(1));
            while let Some(Letter { from, at, message }) = letter {
                self.heard[from] = self.heard[from].max(at);
                match message {
                    Message::Ready { turn, count, digest } => {
                        self.ready[from] = (turn, count, digest);
                        waiting.push(from);
                    }
                    Message::Done { turn, range, result } if turn == self.turn => {
                        self.report.received += result.as_ref().map_or(0, Vec::len) as u64;
                        let busy = lock(queue).put(from, &range, result);
                        self.report.add(from, range.len(), busy);
                        waiting.push(from);
                    }
                    Message::Bye => self.gone[from] = true,
                    _ => {}
                }
                letter = post.receive(Duration::ZERO);
            }
            let mut queue = lock(queue);
            for rank in waiting.drain(..) {
                let (turn, count, digest) = self.ready[rank];
                if turn != self.turn || queue.out[rank].is_some() {
                    continue;
                }
                if (count, digest) != (queue.pieces.count, queue.pieces.digest) {
                    queue.fail(rank, 0..0, Problem::Strayed);
                } else if let Some(range) = queue.take(rank) {
                    post.send(rank, &Message::Do { turn, range });
                }
            }
            // It asks every rank, and need not for every letter.
            if judged.elapsed() > options.silence / 50 {
                judged = Instant::now();
                self.judge(looked, options, &mut queue);
            }
            if queue.is_over() {
                break;
            }
        }
        let lost = lock(queue).lost.clone();
        if let Some(lost) = lost {
            self.stop(post, &lost);
            if lost.rank == 0 && matches!(lost.problem, Problem::Overdue { .. }) {
                end_oneself(post, options, queue, &lost);
            }
        }
    }

    /// Finds who is gone or hangs.
    fn judge(&self, looked: Instant, options: &Options, queue: &mut Queue) {
        let pieces_of = |queue: &Queue, rank: usize| {
            queue.out[rank].as_ref().map_or(0..0, |(range, _)| range.clone())
        };
        if let Some((rank, after)) = self.silent(looked, options) {
            let pieces = pieces_of(queue, rank);
            queue.fail(rank, pieces, Problem::Silent { after });
            return;
        }
        for rank in 0..self.heard.len() {
            let problem = match &queue.out[rank] {
                _ if rank > 0 && self.gone[rank] => Problem::Strayed,
                Some((_, since)) if since.elapsed() > options.patience => {
                    Problem::Overdue { after: since.elapsed() }
                }
                _ => continue,
            };
            let pieces = pieces_of(queue, rank);
            queue.fail(rank, pieces, problem);
        }
    }

    /// The rank that has been silent for too long, and for how long. Of several the longest: who waits in vain for one
    /// that is gone falls silent after it.
    fn silent(&self, looked: Instant, options: &Options) -> Option<(usize, Duration)> {
        (1..self.heard.len())
            .filter(|&rank| !self.gone[rank])
            .map(|rank| (rank, looked.saturating_duration_since(self.heard[rank])))
            .filter(|&(_, after)| after > options.silence)
            .max_by_key(|&(_, after)| after)
    }

    /// Tells everyone that it is over.
    fn stop(&self, post: &Post, lost: &Lost) {
        for rank in 1..self.heard.len() {
            post.send(rank, &Message::Stop(lost.clone()));
        }
    }

    /// Waits until all others have come to the end.
    pub(crate) fn part(&mut self, post: &Post, options: &Options) -> Result<(), Lost> {
        let others = 1..self.heard.len();
        while !others.clone().all(|rank| self.gone[rank]) {
            let looked = post.looked();
            if let Some(Letter { from, at, message }) = post.receive(Duration::from_millis(10)) {
                self.heard[from] = self.heard[from].max(at);
                self.gone[from] |= message == Message::Bye;
                continue;
            }
            if let Some((rank, after)) = self.silent(looked, options) {
                let problem = Problem::Silent { after };
                let lost = Lost { rank, name: PIECE, pieces: 0..0, problem };
                self.stop(post, &lost);
                return Err(lost);
            }
        }
        for rank in others {
            post.send(rank, &Message::Bye);
        }
        Ok(())
    }
}

/// Rank 0 hangs in its own work, so that nobody is left to return to: says so, and ends every rank.
fn end_oneself(post: &Post, options: &Options, queue: &Mutex<Queue>, lost: &Lost) {
    let end = Instant::now() + options.silence;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
        if lock(queue).out[0].is_none() {
            return;
        }
    }
    say(lost);
    post.abort();
    std::process::exit(1);
}

/// Sends the result of a turn on.
pub(crate) fn hand_on(post: &Post, rank: usize, size: usize, turn: u64, bytes: &[u8]) {
    for to in below(rank, size) {
        post.send(to, &Message::All { turn, bytes: bytes.to_vec() });
    }
}

/// Whom a rank hands results on to, along a binomial tree: r + 2^k for every 2^k > r.
fn below(rank: usize, size: usize) -> impl Iterator<Item = usize> {
    let steps = (0..usize::BITS).map(|k| 1usize << k).skip_while(move |&step| step <= rank);
    steps.map(move |step| rank.saturating_add(step)).take_while(move |&to| to < size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_what_was_listened_to_in_vain() {
        let options = Options::default().silence(Duration::from_secs(1)).unwrap();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut lead = Lead::new(3);
        let mut silent = |heard: [u64; 3], looked: u64| {
            lead.heard = heard.map(at).into();
            lead.silent(at(looked), &options).map(|(rank, after)| (rank, after.as_millis()))
        };
        assert_eq!(silent([0, 900, 800], 1800), None);
        // Of two, who fell silent first.
        assert_eq!(silent([0, 900, 800], 1950), Some((2, 1150)));
        // Heard after rank 0 looked last.
        assert_eq!(silent([0, 900, 800], 700), None);
    }

    #[test]
    fn a_result_comes_to_every_rank_once() {
        for size in [1, 2, 3, 8, 100, 1025] {
            let mut to: Vec<usize> = (0..size).flat_map(|rank| below(rank, size)).collect();
            to.sort_unstable();
            assert!(to.into_iter().eq(1..size), "{size}");
        }
        assert!(below(0, 1025).eq([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]));
    }
}
