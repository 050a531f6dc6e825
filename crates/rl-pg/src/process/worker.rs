//! One child process: asked over its standard input, heard over its standard output, and given up on
//! when its time is out.
//!
//! Pipes know no time-outs, so a thread each reads, writes and drains standard error, and whoever
//! waits does so at a channel. No thread is joined: a grandchild that inherited a pipe may hold it
//! open for longer than anyone should wait, and each thread ends with its pipe.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::hello::Hello;
use super::wire::{self, Answer, Message};
use crate::{Error, Failure};

/// How long a worker may take to end by itself once its input is closed.
const GRACE: Duration = Duration::from_millis(200);

/// Messages that may lie unheard before the reader, and so the worker, has to wait.
const UNHEARD: usize = 64;

/// Bytes of standard error that are kept.
const LAST_WORDS: usize = 2048;

/// A child that said hello.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) hello: Hello,
    /// `None` when it is to end.
    requests: Option<Sender<Vec<u8>>>,
    heard: Receiver<Message>,
    words: Arc<Mutex<VecDeque<u8>>>,
    standard_error: JoinHandle<()>,
    // Last, so that the channels are closed when it is killed.
    child: Owned,
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
        timeout: Duration,
        strays: &mut u64,
    ) -> Result<Self, NotStarted> {
        let not_run = |error: &io::Error| NotStarted::Failed {
            failure: Failure::NotRun { kind: error.kind() },
            last_words: String::new(),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Owned(command.spawn().map_err(|error| not_run(&error))?);
        let pipes = (child.0.stdin.take(), child.0.stdout.take(), child.0.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(not_run(&io::ErrorKind::BrokenPipe.into()));
        };
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let (requests, to_write) = channel();
        let (to_hear, heard) = sync_channel(UNHEARD);
        let kept = Arc::clone(&words);
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.into()).spawn(run).map_err(|error| not_run(&error))
        };
        let standard_error = spawn("worker's errors", Box::new(move || keep(stderr, &kept)))?;
        spawn("to the worker", Box::new(move || write(stdin, &to_write)))?;
        spawn("from the worker", Box::new(move || read(stdout, &to_hear)))?;

        let hello = match next(&heard, timeout, &words, strays) {
            Ok(Message::Hello(hello)) => hello.map_err(NotStarted::Refused)?,
            other => {
                let failure = match other {
                    Err(RecvTimeoutError::Timeout) => Failure::TimedOut { after: timeout },
                    _ => child.ended(),
                };
                let last_words = last_words(&words, &standard_error, &failure);
                return Err(NotStarted::Failed { failure, last_words });
            }
        };
        Ok(Self { hello, requests: Some(requests), heard, words, standard_error, child })
    }

    /// Gives bytes to the thread that writes. A worker that is gone shows when it is listened to.
    pub(super) fn say(&self, bytes: Vec<u8>) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(bytes);
        }
    }

    /// Waits for answers.
    pub(super) fn hear(
        &mut self,
        timeout: Duration,
        strays: &mut u64,
    ) -> Result<Vec<Answer>, Failure> {
        match next(&self.heard, timeout, &self.words, strays) {
            Ok(Message::Answers(answers)) => Ok(answers),
            Ok(Message::Garbage(line) | Message::Stray(line)) => Err(Failure::Garbage { line }),
            Err(RecvTimeoutError::Timeout) => Err(Failure::TimedOut { after: timeout }),
            Ok(Message::Hello(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.child.ended()),
        }
    }

    /// The end of what it wrote to standard error, and of its stray lines.
    pub(super) fn last_words(&self, failure: &Failure) -> String {
        last_words(&self.words, &self.standard_error, failure)
    }

    /// Ends it at once.
    pub(super) fn kill(mut self) {
        self.child.kill();
    }
}

impl Drop for Worker {
    /// Closes its input, which asks it to end, and kills it if it does not.
    fn drop(&mut self) {
        self.requests = None;
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

/// The next message that is no stray line. Those are counted and kept, and do not stop the clock: a
/// worker may print for ever.
fn next(
    heard: &Receiver<Message>,
    timeout: Duration,
    words: &Mutex<VecDeque<u8>>,
    strays: &mut u64,
) -> Result<Message, RecvTimeoutError> {
    // Longer than clocks count is as good as a year.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
    let deadline = Instant::now() + timeout.min(LONGEST);
    let mut left = timeout.min(LONGEST);
    while !left.is_zero() {
        match heard.recv_timeout(left)? {
            Message::Stray(line) => {
                *strays += 1;
                remember(words, format!("{line}\n").as_bytes());
            }
            message => return Ok(message),
        }
        left = deadline.saturating_duration_since(Instant::now());
    }
    Err(RecvTimeoutError::Timeout)
}

fn write(mut stdin: ChildStdin, requests: &Receiver<Vec<u8>>) {
    for bytes in requests {
        if stdin.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn read(stdout: ChildStdout, heard: &SyncSender<Message>) {
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    let mut encoding = None;
    while let Ok(Some(message)) = wire::read(&mut stdout, encoding) {
        if let Message::Hello(Ok(hello)) = &message {
            encoding = Some(hello.encoding);
        }
        if heard.send(message).is_err() {
            return;
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

fn last_words(words: &Mutex<VecDeque<u8>>, reader: &JoinHandle<()>, failure: &Failure) -> String {
    if matches!(failure, Failure::Ended { .. }) {
        // What it wrote before it ended may still be in the pipe.
        let deadline = Instant::now() + GRACE;
        while !reader.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let words = words.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes: Vec<u8> = words.iter().copied().collect();
    let text = String::from_utf8_lossy(&bytes);
    // A first line that is cut off tells little.
    match text.split_once('\n') {
        Some((_, whole)) if words.len() == LAST_WORDS => whole.trim().to_owned(),
        _ => text.trim().to_owned(),
    }
}
