//! Keeps a worker alive: starts it again when it failed, but not without end.

use std::collections::VecDeque;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::hello::Hello;
use super::rules::{Options, Report};
use super::wire::Answer;
use super::worker::{NotStarted, Worker};
use crate::{Error, Failure, Result, check};

/// Restarts are counted within so many rollouts.
const WINDOW: u64 = 1000;

/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Replies whose waits are remembered, and how many must be before their median says anything.
const REMEMBERED: usize = 101;
const ENOUGH: usize = 10;

/// What no time-out by the median is shorter than.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Keeper {
    command: Command,
    options: Options,
    hello: Hello,
    worker: Option<Worker>,
    pub(super) report: Report,
    /// Why there is no worker, unless it was dismissed.
    failed: Option<(Failure, String)>,
    /// After how many rollouts the latest restarts were.
    restarts: VecDeque<u64>,
    /// Failures since the last answer.
    in_a_row: u32,
    /// How long the last replies were waited for.
    waits: VecDeque<Duration>,
}

impl Keeper {
    /// Starts the first worker. A command that is wrong is better told at once than tried again.
    pub(super) fn start(mut command: Command, options: Options) -> Result<Self> {
        if let Some(medians) = options.median_timeout {
            check::positive("median_timeout", medians)?;
        }
        let mut report = Report { starts: 1, ..Report::default() };
        let worker = Worker::start(&mut command, &options, &mut report.strays);
        let worker = worker.map_err(|reason| match reason {
            NotStarted::Refused(error) => error,
            NotStarted::Failed { failure, last_words } => {
                Error::WorkerNotStarted { command: format!("{command:?}"), failure, last_words }
            }
        })?;
        Ok(Self {
            command,
            options,
            hello: worker.hello.clone(),
            worker: Some(worker),
            report,
            failed: None,
            restarts: VecDeque::new(),
            in_a_row: 0,
            waits: VecDeque::new(),
        })
    }

    pub(super) fn hello(&self) -> &Hello {
        &self.hello
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Gives the worker bytes; starts one if there is none.
    pub(super) fn say(&mut self, bytes: Vec<u8>) -> Result<()> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.start_again()?,
        };
        self.worker.insert(worker).say(bytes);
        Ok(())
    }

    /// Waits for answers. After a failure there is no worker, until something is said to the next.
    pub(super) fn hear(&mut self) -> Result<Vec<Answer>, Failure> {
        let Some(mut worker) = self.worker.take() else {
            return Err(Failure::Ended { status: None });
        };
        let (timeout, asked) = (self.patience(), Instant::now());
        match worker.hear(timeout, &mut self.report.strays) {
            Ok(answers) => {
                if self.waits.len() == REMEMBERED {
                    self.waits.pop_front();
                }
                self.waits.push_back(asked.elapsed());
                self.in_a_row = 0;
                self.worker = Some(worker);
                Ok(answers)
            }
            Err(failure) => {
                self.failed = Some((failure.clone(), worker.last_words(&failure)));
                worker.kill();
                self.count(&failure);
                Err(failure)
            }
        }
    }

    /// How long to wait for the next reply.
    fn patience(&self) -> Duration {
        let most = self.options.reply_timeout;
        match self.options.median_timeout {
            Some(medians) if self.waits.len() >= ENOUGH => {
                let mut waits: Vec<Duration> = self.waits.iter().copied().collect();
                waits.sort_unstable();
                let long = waits[waits.len() / 2].as_secs_f64() * medians;
                Duration::try_from_secs_f64(long).map_or(most, |long| long.max(SHORTEST).min(most))
            }
            _ => most,
        }
    }

    /// The end of what the worker wrote to standard error, before this failure.
    pub(super) fn last_words(&self, failure: &Failure) -> String {
        match (&self.worker, &self.failed) {
            (Some(worker), _) => worker.last_words(failure),
            (None, Some((_, words))) => words.clone(),
            (None, None) => String::new(),
        }
    }

    /// Ends the worker, which may still be at something that nobody waits for.
    pub(super) fn dismiss(&mut self) {
        self.worker = None;
    }

    fn count(&mut self, failure: &Failure) {
        self.in_a_row += 1;
        match failure {
            Failure::TimedOut { .. } => self.report.timeouts += 1,
            Failure::Garbage { .. } => self.report.garbage += 1,
            _ => self.report.ends += 1,
        }
    }

    fn start_again(&mut self) -> Result<Worker> {
        loop {
            if let Some((failure, last_words)) = &self.failed {
                let recent = |&after: &u64| after + WINDOW > self.report.rollouts;
                while self.restarts.front().is_some_and(|after| !recent(after)) {
                    self.restarts.pop_front();
                }
                if self.restarts.len() >= self.options.restarts {
                    return Err(Error::TooManyRestarts {
                        restarts: self.restarts.len(),
                        failure: failure.clone(),
                        last_words: last_words.clone(),
                    });
                }
                self.restarts.push_back(self.report.rollouts);
                self.report.restarts += 1;
                thread::sleep(pause(self.options.back_off, self.in_a_row));
            }
            self.report.starts += 1;
            match Worker::start(&mut self.command, &self.options, &mut self.report.strays) {
                Ok(worker) => {
                    worker.hello.same_as(&self.hello)?;
                    self.failed = None;
                    return Ok(worker);
                }
                Err(NotStarted::Refused(error)) => return Err(error),
                Err(NotStarted::Failed { failure, last_words }) => {
                    self.count(&failure);
                    self.failed = Some((failure, last_words));
                }
            }
        }
    }
}

/// No pause before the first restart, then `back_off` and its doubles.
fn pause(back_off: Duration, in_a_row: u32) -> Duration {
    match in_a_row.checked_sub(2) {
        None => Duration::ZERO,
        Some(doublings) => {
            back_off.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST_PAUSE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_from_the_second_restart_in_a_row() {
        let pause = |in_a_row| pause(Duration::from_millis(100), in_a_row).as_millis();
        assert_eq!(
            [0, 1, 2, 3, 4, 10, 11, 1000].map(pause),
            [0, 0, 100, 200, 400, 25_600, 30_000, 30_000]
        );
    }
}
