//! On Unix a child's input and output are ends of sockets: those know time-outs, which pipes do not, so that
//! nobody but the two processes has to be woken for an answer.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Heard;

/// While there is more to write than there is room for, how long to listen before there may be room.
const NAP: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(in crate::process) struct Sockets {
    to: UnixStream,
    from: UnixStream,
    /// What there was no room for.
    unsent: Vec<u8>,
    room: Box<[u8]>,
    /// How long to look for bytes again and again before sleeping until they come.
    watch: Duration,
}

impl Sockets {
    /// Runs the command; its standard error is left as the command says.
    pub(in crate::process) fn spawn(
        command: &mut Command,
        watch: Duration,
    ) -> io::Result<(Child, Self)> {
        let (to, stdin) = UnixStream::pair()?;
        let (from, stdout) = UnixStream::pair()?;
        to.set_nonblocking(true)?;
        command.stdin(OwnedFd::from(stdin)).stdout(OwnedFd::from(stdout));
        let child = command.spawn();
        // The command would keep the child's ends open, and then nobody would see the child close them.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let room = vec![0; 1 << 16].into_boxed_slice();
        Ok((child?, Self { to, from, unsent: Vec::new(), room, watch }))
    }

    pub(in crate::process) fn say(&mut self, bytes: Vec<u8>) {
        match self.unsent.is_empty() {
            true => self.unsent = bytes,
            false => self.unsent.extend(bytes),
        }
        self.send();
    }

    /// Waits for bytes, which are put behind those in `to`.
    pub(in crate::process) fn hear(&mut self, deadline: Instant, to: &mut Vec<u8>) -> Heard {
        if !self.watch.is_zero()
            && let Some(heard) = self.look(deadline, to)
        {
            return heard;
        }
        loop {
            self.send();
            let left = deadline.saturating_duration_since(Instant::now());
            let nap = if self.unsent.is_empty() { left } else { left.min(NAP) };
            // Sockets take no time of zero, and a microsecond is theirs.
            let limited = self.from.set_read_timeout(Some(nap.max(Duration::from_micros(1))));
            if limited.is_err() {
                return Heard::End;
            }
            match self.read(to) {
                Some(heard) => return heard,
                None if left.is_zero() => return Heard::Nothing,
                None => {}
            }
        }
    }

    /// Looks for bytes for a while, without sleeping; `None` where none came.
    fn look(&mut self, deadline: Instant, to: &mut Vec<u8>) -> Option<Heard> {
        let end = Instant::now().checked_add(self.watch).map_or(deadline, |end| end.min(deadline));
        if self.from.set_nonblocking(true).is_err() {
            return Some(Heard::End);
        }
        let heard = loop {
            self.send();
            match self.read(to) {
                None if Instant::now() < end => std::hint::spin_loop(),
                heard => break heard,
            }
        };
        match self.from.set_nonblocking(false) {
            Ok(()) => heard,
            Err(_) => Some(Heard::End),
        }
    }

    /// What there is to be read; `None` for nothing yet.
    fn read(&mut self, to: &mut Vec<u8>) -> Option<Heard> {
        match self.from.read(&mut self.room) {
            Ok(count @ 1..) => {
                to.extend_from_slice(&self.room[..count]);
                Some(Heard::Bytes)
            }
            Err(error) if is_early(&error) => None,
            Ok(_) | Err(_) => Some(Heard::End),
        }
    }

    /// Says that nothing more comes.
    pub(in crate::process) fn close(&mut self) {
        // It fails only where the child is gone.
        let _ = self.to.shutdown(std::net::Shutdown::Write);
    }

    /// Writes as much as there is room for.
    fn send(&mut self) {
        while !self.unsent.is_empty() {
            match self.to.write(&self.unsent) {
                Ok(count @ 1..) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Nobody reads any more, which shows when one listens.
                Ok(_) | Err(_) => self.unsent.clear(),
            }
        }
    }
}

/// Whether there is nothing to read yet.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
