//! Runs checks side by side: the outcomes come back in the order of the checks, whatever the number
//! of threads.
//!
//! Each check has a plain thread, not a place in rayon's pool: a pool thread that waits for a check's
//! own parallel work would meanwhile steal the next check and time it as part of the first.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::check::{Check, Context, Evidence};
use super::outcome::{Outcome, Verdict};

/// How a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The seed of every check.
    pub seed: u64,
    /// Checks at a time, at least one.
    pub jobs: usize,
    /// How long a check may run before [`Event::StillRunning`] says that it still does.
    pub patience: Duration,
}

/// What happens during a run.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A check came to an end.
    Finished(&'a Outcome),
    /// A check has been running for this long; told again each time that long has passed.
    StillRunning(&'a Check, Duration),
}

/// Runs the checks and tells `observe` of each as it ends.
///
/// A check that panics, or whose id another check has too, is an error of its own; the rest go on.
#[must_use]
pub fn run(checks: &[Check], plan: &Plan, mut observe: impl FnMut(Event<'_>)) -> Vec<Outcome> {
    quiet_panics();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..plan.jobs.clamp(1, checks.len().max(1)) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(checks, plan.seed, next, &sender));
        }
        drop(sender);
        collect(checks, plan.patience, &receiver, &mut observe)
    })
}

/// What a worker tells: the index of a check it takes on, or has done.
enum Message {
    Started(usize),
    Finished(usize, Outcome),
}

/// Takes checks until none is left.
fn work(checks: &[Check], seed: u64, next: &AtomicUsize, sender: &Sender<Message>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(check) = checks.get(index) else { return };
        if sender.send(Message::Started(index)).is_err() {
            return;
        }
        let start = Instant::now();
        let twins = checks.iter().filter(|other| other.id == check.id).count();
        let result = match twins {
            1 => measure(check, seed),
            _ => Err(format!("{twins} checks have this id")),
        };
        let seconds = start.elapsed().as_secs_f64();
        let verdict = match &result {
            Ok(evidence) => evidence.judge(),
            Err(problem) => Verdict::Error(problem.clone()),
        };
        let outcome = Outcome { check: *check, verdict, evidence: result.ok(), seconds };
        if sender.send(Message::Finished(index, outcome)).is_err() {
            return;
        }
    }
}

/// Gathers the outcomes by index, and speaks up for checks that take long.
fn collect(
    checks: &[Check],
    patience: Duration,
    receiver: &Receiver<Message>,
    observe: &mut impl FnMut(Event<'_>),
) -> Vec<Outcome> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; checks.len()];
    // By index: when it started, and when it is next spoken of.
    let mut running: BTreeMap<usize, (Instant, Instant)> = BTreeMap::new();
    loop {
        let message = match running.values().map(|&(_, notice)| notice).min() {
            Some(notice) => receiver.recv_timeout(notice.saturating_duration_since(Instant::now())),
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(Message::Started(index)) => {
                let now = Instant::now();
                running.insert(index, (now, now + patience));
            }
            Ok(Message::Finished(index, outcome)) => {
                running.remove(&index);
                observe(Event::Finished(&outcome));
                outcomes[index] = Some(outcome);
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                for (&index, (start, notice)) in &mut running {
                    if *notice <= now {
                        observe(Event::StillRunning(&checks[index], now - *start));
                        *notice = now + patience;
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    outcomes.into_iter().flatten().collect()
}

/// Runs one check; a panic becomes its error.
fn measure(check: &Check, seed: u64) -> Result<Evidence, String> {
    let context = Context { seed, id: check.id };
    IN_CHECK.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| (check.run)(&context)));
    IN_CHECK.set(false);
    match result {
        Ok(Ok(evidence)) => Ok(evidence),
        Ok(Err(error)) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            Err(text)
        }
        Err(payload) => {
            let place = PANICKED_AT.take().map_or_else(String::new, |place| format!(" at {place}"));
            Err(format!("panicked{place}: {}", message(payload.as_ref())))
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}

thread_local! {
    static IN_CHECK: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the panics of checks off the terminal: they are caught, and reported with their check.
///
/// A check's own thread and rayon's threads, which work for checks, fall silent; every other thread
/// panics as loudly as before.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_CHECK.get() || rayon::current_thread_index().is_some() {
                PANICKED_AT.set(info.location().map(ToString::to_string));
            } else {
                loud(info);
            }
        }));
    });
}
