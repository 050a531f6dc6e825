//! Where there are no sockets for this, pipes, which know no time-outs: a thread reads, another writes, and whoever
//! waits does so at a channel. Neither is joined: a grandchild that inherited a pipe may hold it open for longer
//! than anyone should wait, and each ends with its pipe.

use std::io::{self, ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::Heard;

/// Pieces that may lie unheard before the reader, and so the child, has to wait.
const UNHEARD: usize = 64;

#[derive(Debug)]
pub(in crate::process) struct Threads {
    /// `None` once it is closed.
    to: Option<Sender<Vec<u8>>>,
    from: Receiver<Vec<u8>>,
}

impl Threads {
    /// Runs the command; its standard error is left as the command says. Nobody watches here: the thread that reads
    /// sleeps anyway.
    pub(in crate::process) fn spawn(
        command: &mut Command,
        _watch: Duration,
    ) -> io::Result<(Child, Self)> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        let (to, requests) = channel::<Vec<u8>>();
        let (answers, from) = sync_channel(UNHEARD);
        thread::Builder::new().name("to the worker".into()).spawn(move || {
            // Nobody reads any more when this fails, which shows when one listens.
            requests.iter().all(|bytes| stdin.write_all(&bytes).is_ok())
        })?;
        thread::Builder::new().name("from the worker".into()).spawn(move || {
            let mut room = vec![0; 1 << 16];
            while let Ok(count @ 1..) = stdout.read(&mut room)
                && answers.send(room[..count].to_vec()).is_ok()
            {}
        })?;
        Ok((child, Self { to: Some(to), from }))
    }

    pub(in crate::process) fn say(&mut self, bytes: Vec<u8>) {
        if let Some(to) = &self.to {
            let _ = to.send(bytes);
        }
    }

    /// Waits for bytes, which are put behind those in `to`.
    pub(in crate::process) fn hear(&mut self, deadline: Instant, to: &mut Vec<u8>) -> Heard {
        match self.from.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) => {
                to.extend(bytes);
                Heard::Bytes
            }
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }

    /// Says that nothing more comes.
    pub(in crate::process) fn close(&mut self) {
        self.to = None;
    }
}
