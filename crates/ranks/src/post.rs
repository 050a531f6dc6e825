//! The thread that carries messages, which alone speaks to MPI: nobody else waits for a rank that is gone.

use std::ops::Range;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::Message;
use crate::{Error, Result};

/// What carries bytes between ranks.
pub(crate) trait Line {
    fn rank(&self) -> usize;

    fn size(&self) -> usize;

    /// Lets `serve` send and receive. It returns with nothing under way; until then what it sent is kept.
    fn session(&mut self, serve: &mut dyn FnMut(&mut dyn Port));

    /// Leaves when all have come here.
    fn close(self);
}

/// A line that is open. None of this waits for another rank, which may be gone.
pub(crate) trait Port {
    /// Begins to send.
    fn send(&mut self, to: usize, bytes: &[u8]);

    /// What has come whole, and from whom.
    fn receive(&mut self) -> Option<(usize, Vec<u8>)>;

    /// Whether all has been taken that was sent, or that began to come.
    fn is_idle(&mut self) -> bool;

    /// Ends every rank at once, this one too.
    fn abort(&mut self);
}

/// The line of one rank, where there is no MPI.
#[cfg(not(feature = "mpi"))]
pub(crate) struct Single;

#[cfg(not(feature = "mpi"))]
impl Line for Single {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn session(&mut self, serve: &mut dyn FnMut(&mut dyn Port)) {
        serve(self);
    }

    fn close(self) {}
}

#[cfg(not(feature = "mpi"))]
impl Port for Single {
    fn send(&mut self, _: usize, _: &[u8]) {}

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        None
    }

    fn is_idle(&mut self) -> bool {
        true
    }

    fn abort(&mut self) {}
}

/// A message that came.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) from: usize,
    pub(crate) at: Instant,
    pub(crate) message: Message,
}

/// The other end of the thread.
#[derive(Debug)]
pub(crate) struct Post {
    orders: Sender<Order>,
    letters: Mutex<Receiver<Letter>>,
    looked: Arc<Mutex<Instant>>,
}

/// Messages of a kilobyte after which a session ends as soon as it can, and forgets what it sent.
const SESSION: usize = 1000;

#[derive(Debug)]
enum Order {
    Send(usize, Vec<u8>),
    Close,
    Abort,
}

impl Post {
    /// Opens a line on a thread of its own and serves it there, with ten signs of life within `silence` from rank 0
    /// to all and from all to rank 0. With it come rank and size.
    pub(crate) fn open<L: Line>(
        open: impl FnOnce() -> Result<L> + Send + 'static,
        silence: Duration,
    ) -> Result<(Self, usize, usize)> {
        let (orders, to_do) = mpsc::channel();
        let (to_read, letters) = mpsc::channel();
        let looked = Arc::new(Mutex::new(Instant::now()));
        let (opened, place) = mpsc::channel();
        let looks = Arc::clone(&looked);
        thread::spawn(move || match open() {
            Ok(line) => {
                if opened.send(Ok((line.rank(), line.size()))).is_ok() {
                    let carrier = Carrier {
                        orders: &to_do,
                        letters: &to_read,
                        looked: &looks,
                        beats: if line.rank() == 0 { 1..line.size() } else { 0..1 },
                        beat: silence / 10,
                        last_beat: Instant::now(),
                        last_move: Instant::now(),
                        leaves: false,
                    };
                    serve(line, carrier);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        });
        // Many processes on one node take their time to start.
        let after = 6 * silence;
        let (rank, size) = place.recv_timeout(after).map_err(|_| Error::NotStarted { after })??;
        Ok((Self { orders, letters: Mutex::new(letters), looked }, rank, size))
    }

    pub(crate) fn send(&self, to: usize, message: &Message) {
        // A thread that is gone sends nothing: the others will miss its signs of life.
        let _ = self.orders.send(Order::Send(to, message.to_bytes()));
    }

    /// The next message, if one comes soon enough.
    pub(crate) fn receive(&self, within: Duration) -> Option<Letter> {
        lock(&self.letters).recv_timeout(within).ok()
    }

    /// When the thread last found that nothing more had come. Silence is measured up to here: what came later, while
    /// the thread waited for a processor, need not be known yet. Ask before receiving: what had come is then received.
    pub(crate) fn looked(&self) -> Instant {
        *lock(&self.looked)
    }

    /// Leaves with all others, and waits for that; false if it takes longer than this.
    pub(crate) fn close(&self, within: Duration) -> bool {
        let _ = self.orders.send(Order::Close);
        let end = Instant::now() + within;
        loop {
            match lock(&self.letters).recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                // The thread has ended, and its end of the channel with it.
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Ends every rank at once, this one too; returns only where that fails.
    pub(crate) fn abort(&self) {
        let _ = self.orders.send(Order::Abort);
        thread::sleep(Duration::from_secs(10));
    }
}

/// A lock whose holder may have panicked: what it guards is whole at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve<L: Line>(mut line: L, mut carrier: Carrier<'_>) {
    while !carrier.leaves {
        line.session(&mut |port| carrier.serve(port));
    }
    line.close();
}

/// Between a port and the other threads of this rank.
struct Carrier<'a> {
    orders: &'a Receiver<Order>,
    letters: &'a Sender<Letter>,
    looked: &'a Mutex<Instant>,
    /// Who gets signs of life, how often, and when they last got one.
    beats: Range<usize>,
    beat: Duration,
    last_beat: Instant,
    /// When something was last sent or came.
    last_move: Instant,
    leaves: bool,
}

impl Carrier<'_> {
    /// A session, which ends when nothing is under way.
    fn serve(&mut self, port: &mut dyn Port) {
        let mut weight = 0;
        while !(port.is_idle() && (self.leaves || weight > SESSION)) {
            // Wakes at once for what is to be sent. For what comes it looks again after a fiftieth of the time that nothing
            // came, so that waiting costs 2 % of itself in time and a rank that idles almost none of its core.
            let nap = (self.last_move.elapsed() / 50)
                .clamp(Duration::from_micros(10), Duration::from_millis(1));
            match self.orders.recv_timeout(nap) {
                Ok(Order::Send(to, bytes)) => {
                    port.send(to, &bytes);
                    self.last_move = Instant::now();
                    weight += 1 + bytes.len() / 1024;
                }
                Ok(Order::Abort) => {
                    self.leaves = true;
                    return port.abort();
                }
                Ok(Order::Close) | Err(RecvTimeoutError::Disconnected) => self.leaves = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            *lock(self.looked) = loop {
                let looks = Instant::now();
                let Some((from, bytes)) = port.receive() else { break looks };
                self.last_move = Instant::now();
                weight += 1 + bytes.len() / 1024;
                if let Some(message) = Message::from_bytes(&bytes) {
                    // Nobody reads any more when the end is near.
                    let _ = self.letters.send(Letter { from, at: self.last_move, message });
                }
            };
            if self.last_beat.elapsed() >= self.beat {
                self.last_beat = Instant::now();
                for to in self.beats.clone() {
                    port.send(to, &Message::Beat.to_bytes());
                    weight += 1;
                }
            }
        }
    }
}
