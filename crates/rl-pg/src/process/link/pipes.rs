//! On Unix a child's input and output are pipes that are read and written without waiting, and waited for together with
//! a time limit, so that nobody but the two processes has to be woken for an answer.

use std::io::{self, ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;

use super::Heard;

#[derive(Debug)]
pub(in crate::process) struct Pipes {
    /// `None` once it is closed.
    to: Option<ChildStdin>,
    from: ChildStdout,
    /// What there was no room for.
    unsent: Vec<u8>,
    room: Box<[u8]>,
    /// How long to look for bytes again and again before sleeping until they come.
    watch: Duration,
}

impl Pipes {
    /// Runs the command; its standard error is left as the command says.
    pub(in crate::process) fn spawn(
        command: &mut Command,
        watch: Duration,
    ) -> io::Result<(Child, Self)> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        // Of our ends alone: the child reads and writes as it likes.
        ioctl_fionbio(&to, true)?;
        ioctl_fionbio(&from, true)?;
        let room = vec![0; 1 << 16].into_boxed_slice();
        Ok((child, Self { to: Some(to), from, unsent: Vec::new(), room, watch }))
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
        let watched = Instant::now().checked_add(self.watch).unwrap_or(deadline);
        loop {
            self.send();
            match self.from.read(&mut self.room) {
                Ok(count @ 1..) => {
                    to.extend_from_slice(&self.room[..count]);
                    return Heard::Bytes;
                }
                Err(error) if is_early(&error) => {}
                Ok(_) | Err(_) => return Heard::End,
            }
            let now = Instant::now();
            if now >= deadline {
                return Heard::Nothing;
            } else if now < watched {
                std::hint::spin_loop();
            } else if self.sleep(deadline - now).is_err() {
                return Heard::End;
            }
        }
    }

    /// Sleeps until there is something to read, or room for what is unsent, at most for so long.
    fn sleep(&self, most: Duration) -> io::Result<()> {
        let mut ends = vec![PollFd::new(&self.from, PollFlags::IN)];
        if let Some(to) = self.to.as_ref().filter(|_| !self.unsent.is_empty()) {
            ends.push(PollFd::new(to, PollFlags::OUT));
        }
        let most = Timespec::try_from(most).ok();
        match poll(&mut ends, most.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Says that nothing more comes.
    pub(in crate::process) fn close(&mut self) {
        self.to = None;
    }

    /// Writes as much as there is room for.
    fn send(&mut self) {
        let Some(to) = &mut self.to else { return self.unsent.clear() };
        while !self.unsent.is_empty() {
            match to.write(&self.unsent) {
                Ok(count @ 1..) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_early(&error) => return,
                // Nobody reads any more, which shows when one listens.
                Ok(_) | Err(_) => self.unsent.clear(),
            }
        }
    }
}

/// Whether there is nothing to read, or no room, yet.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
