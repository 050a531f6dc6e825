//! One child process: asked over its standard input, heard over its standard output, and given up on
//! when its time is out.
//!
//! A thread drains standard error. It is not joined: a grandchild that inherited the pipe may hold it open for longer
//! than anyone should wait, and it ends with its pipe.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::hello::Hello;
use super::link::{Heard, Link};
use super::rules::Options;
use super::wire::{Answer, Inbox, Message};
use crate::{Error, Failure};

/// How long a worker may take to end by itself once its input is closed.
const GRACE: Duration = Duration::from_millis(200);

/// Bytes of standard error that are kept.
const LAST_WORDS: usize = 2048;

/// A child that said hello.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) hello: Hello,
    line: Line,
    standard_error: JoinHandle<()>,
    child: Owned,
}

/// What is said and heard.
#[derive(Debug)]
struct Line {
    link: Link,
    inbox: Inbox,
    /// The end of what was written to standard error, and of stray lines.
    words: Arc<Mutex<VecDeque<u8>>>,
}

/// Why there is no message.
enum Silence {
    TooLong,
    ForEver,
}

/// Why there is no worker.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// It did not come to a hello, and may the next time.
    Failed { failure: Failure, last_words: String },
    /// It said what it is, and is not what is needed.
    Refused(Error),
}

impl Worker {
    /// Runs the command and waits for its hello. `strays` counts the lines before it.
    pub(super) fn start(
        command: &mut Command,
        options: &Options,
        strays: &mut u64,
    ) -> Result<Self, NotStarted> {
        let timeout = options.start_timeout;
        let not_run = |error: &io::Error| NotStarted::Failed {
            failure: Failure::NotRun { kind: error.kind() },
            last_words: String::new(),
        };
        let started = Link::spawn(command.stderr(Stdio::piped()), options.watch);
        let (child, link) = started.map_err(|error| not_run(&error))?;
        let mut child = Owned(child);
        let Some(stderr) = child.0.stderr.take() else {
            return Err(not_run(&io::ErrorKind::BrokenPipe.into()));
        };
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&words);
        let reader = thread::Builder::new().name("worker's errors".into());
        let standard_error =
            reader.spawn(move || keep(stderr, &kept)).map_err(|error| not_run(&error))?;
        let mut line = Line { link, inbox: Inbox::default(), words };
        let hello = match line.next(timeout, strays) {
            Ok(Message::Hello(hello)) => hello.map_err(NotStarted::Refused)?,
            other => {
                let failure = match other {
                    Err(Silence::TooLong) => Failure::TimedOut { after: timeout },
                    _ => child.ended(),
                };
                let last_words = line.last_words(&standard_error, &failure);
                return Err(NotStarted::Failed { failure, last_words });
            }
        };
        Ok(Self { hello, line, standard_error, child })
    }

    /// Gives it bytes. A worker that is gone shows when it is listened to.
    pub(super) fn say(&mut self, bytes: Vec<u8>) {
        self.line.link.say(bytes);
    }

    /// Waits for answers.
    pub(super) fn hear(
        &mut self,
        timeout: Duration,
        strays: &mut u64,
    ) -> Result<Vec<Answer>, Failure> {
        match self.line.next(timeout, strays) {
            Ok(Message::Answers(answers)) => Ok(answers),
            Ok(Message::Garbage(line) | Message::Stray(line)) => Err(Failure::Garbage { line }),
            Err(Silence::TooLong) => Err(Failure::TimedOut { after: timeout }),
            Ok(Message::Hello(_)) | Err(Silence::ForEver) => Err(self.child.ended()),
        }
    }

    /// The end of what it wrote to standard error, and of its stray lines.
    pub(super) fn last_words(&self, failure: &Failure) -> String {
        self.line.last_words(&self.standard_error, failure)
    }

    /// Ends it at once.
    pub(super) fn kill(mut self) {
        self.child.kill();
    }
}

impl Drop for Worker {
    /// Closes its input, which asks it to end, and kills it if it does not.
    fn drop(&mut self) {
        self.line.link.close();
        self.child.wait(GRACE);
    }
}

/// A child that is killed and waited for when it is dropped; the standard library does neither.
#[derive(Debug)]
struct Owned(Child);

impl Owned {
    /// Its exit status, if it ends within this time.
    fn wait(&mut self, grace: Duration) -> Option<std::process::ExitStatus> {
        let deadline = Instant::now() + grace;
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                _ => return None,
            }
        }
    }

    /// How it ended, after its standard output did.
    fn ended(&mut self) -> Failure {
        Failure::Ended { status: self.wait(GRACE) }
    }

    fn kill(&mut self) {
        // Both fail only for a child that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Line {
    /// The next message that is no stray line. Those are counted and kept, and do not stop the clock: a
    /// worker may print for ever.
    fn next(&mut self, timeout: Duration, strays: &mut u64) -> Result<Message, Silence> {
        // Longer than clocks count is as good as a year.
        const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
        let deadline = Instant::now() + timeout.min(LONGEST);
        let mut heard = Heard::Bytes;
        loop {
            match self.inbox.next() {
                Some(Message::Stray(line)) => {
                    *strays += 1;
                    remember(&self.words, format!("{line}\n").as_bytes());
                    if Instant::now() >= deadline {
                        return Err(Silence::TooLong);
                    }
                }
                Some(message) => return Ok(message),
                None if heard == Heard::End => return Err(Silence::ForEver),
                None => {
                    heard = self.link.hear(deadline, self.inbox.room());
                    match heard {
                        Heard::Bytes => {}
                        Heard::Nothing => return Err(Silence::TooLong),
                        Heard::End => self.inbox.end(),
                    }
                }
            }
        }
    }

    fn last_words(&self, reader: &JoinHandle<()>, failure: &Failure) -> String {
        if matches!(failure, Failure::Ended { .. }) {
            // What it wrote before it ended may still be in the pipe.
            let deadline = Instant::now() + GRACE;
            while !reader.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = words.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        // A first line that is cut off tells little.
        match text.split_once('\n') {
            Some((_, whole)) if words.len() == LAST_WORDS => whole.trim().to_owned(),
            _ => text.trim().to_owned(),
        }
    }
}

/// Reads standard error to its end, or the pipe fills and the worker stops; keeps the last of it.
fn keep(mut stderr: ChildStderr, words: &Mutex<VecDeque<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut bytes) {
        remember(words, &bytes[..count]);
    }
}

fn remember(words: &Mutex<VecDeque<u8>>, bytes: &[u8]) {
    let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
    words.extend(bytes);
    let surplus = words.len().saturating_sub(LAST_WORDS);
    words.drain(..surplus);
}
