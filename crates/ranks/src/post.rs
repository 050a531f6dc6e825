//! The thread that carries messages, which alone speaks to MPI: nobody else waits for a rank that is gone.

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

    /// Returns when `bytes` may be forgotten here. That a rank is gone need not show.
    fn send(&mut self, to: usize, bytes: &[u8]);

    /// What has come, and from whom.
    fn receive(&mut self) -> Option<(usize, Vec<u8>)>;

    /// Leaves when all have come here.
    fn close(self);

    /// Ends every rank at once, this one too.
    fn abort(self);
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

    fn send(&mut self, _: usize, _: &[u8]) {}

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        None
    }

    fn close(self) {}

    fn abort(self) {}
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
    sending: Sending,
}

/// To whom something is being sent, and since when.
type Sending = Arc<Mutex<Option<(usize, Instant)>>>;

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
        let sending = Sending::default();
        let (opened, place) = mpsc::channel();
        let watched = Arc::clone(&sending);
        thread::spawn(move || match open() {
            Ok(line) => {
                if opened.send(Ok((line.rank(), line.size()))).is_ok() {
                    serve(line, &to_do, &to_read, &watched, silence / 10);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        });
        // Many processes on one node take their time to start.
        let after = 6 * silence;
        let (rank, size) = place.recv_timeout(after).map_err(|_| Error::NotStarted { after })??;
        Ok((Self { orders, letters: Mutex::new(letters), sending }, rank, size))
    }

    pub(crate) fn send(&self, to: usize, message: &Message) {
        // A thread that is gone sends nothing: the others will miss its signs of life.
        let _ = self.orders.send(Order::Send(to, message.to_bytes()));
    }

    /// The next message, if one comes soon enough.
    pub(crate) fn receive(&self, within: Duration) -> Option<Letter> {
        lock(&self.letters).recv_timeout(within).ok()
    }

    /// The rank that does not take what is sent to it, and since when.
    pub(crate) fn stuck(&self) -> Option<(usize, Instant)> {
        *lock(&self.sending)
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

    /// Ends every rank at once, this one too.
    pub(crate) fn abort(&self, within: Duration) {
        let _ = self.orders.send(Order::Abort);
        thread::sleep(within);
    }
}

/// A lock whose holder may have panicked: what it guards is whole at any time.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve<L: Line>(
    mut line: L,
    orders: &Receiver<Order>,
    letters: &Sender<Letter>,
    sending: &Sending,
    beat: Duration,
) {
    let beats = match line.rank() {
        0 => 1..line.size(),
        _ => 0..1,
    };
    let (mut last_beat, mut last_move) = (Instant::now(), Instant::now());
    loop {
        // Wakes at once for what is to be sent. For what comes it looks again after a fiftieth of the time that nothing
        // came, so that waiting costs 2 % of itself in time and a rank that idles almost none of its core.
        let nap =
            (last_move.elapsed() / 50).clamp(Duration::from_micros(10), Duration::from_millis(1));
        let send = |to, bytes: &[u8], line: &mut L| {
            *lock(sending) = Some((to, Instant::now()));
            line.send(to, bytes);
            *lock(sending) = None;
        };
        match orders.recv_timeout(nap) {
            Ok(Order::Send(to, bytes)) => {
                send(to, &bytes, &mut line);
                last_move = Instant::now();
            }
            Ok(Order::Close) => return line.close(),
            Ok(Order::Abort) => return line.abort(),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        while let Some((from, bytes)) = line.receive() {
            last_move = Instant::now();
            if let Some(message) = Message::from_bytes(&bytes) {
                // Nobody reads any more when the end is near.
                let _ = letters.send(Letter { from, at: last_move, message });
            }
        }
        if last_beat.elapsed() >= beat {
            last_beat = Instant::now();
            for to in beats.clone() {
                send(to, &Message::Beat.to_bytes(), &mut line);
            }
        }
    }
}
