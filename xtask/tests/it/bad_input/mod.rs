//! A table of bad input. A row calls public functions with arguments that it draws from an [`Input`], which spoils one
//! of them at a time: empty, of one element, long, zero, negative, NaN, infinite, subnormal, near overflow.
//!
//! Whatever comes in, nothing panics and nothing hangs, and what is not refused with an error has a finite answer.
//! A row says so where infinity is the right answer to finite numbers (`infinite`) or where NaN in is NaN out by
//! contract (`passes`). `cargo xtask tidy` finds the functions that have no row.

mod draw;
mod dsp;
mod linalg;
mod nn_core;
mod nn_invert;
mod quad;
mod rl_pg;

use std::error::Error;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use self::draw::Input;

/// What a call gives back: its answer as text, or why it was refused.
type Outcome = Result<String, Box<dyn Error>>;

/// A call of some public functions.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    call: fn(&Input) -> Outcome,
    may: May,
}

/// What an answer may hold that is no number.
#[derive(Clone, Copy, PartialEq)]
enum May {
    Nothing,
    /// Infinity, out of numbers that are all finite too.
    Infinity,
    /// Infinity and NaN, out of numbers near the largest.
    Overflow,
    /// Whatever came in.
    Pass,
}

fn row(name: &'static str, call: fn(&Input) -> Outcome) -> Row {
    Row { name, call, may: May::Nothing }
}

impl Row {
    /// Infinity is a right answer, for the reason given.
    fn infinite(self, _why: &str) -> Self {
        Self { may: May::Infinity, ..self }
    }

    /// Numbers near the largest have an answer beyond it, for the reason given.
    fn overflows(self, _why: &str) -> Self {
        Self { may: May::Overflow, ..self }
    }

    /// NaN and infinity in are NaN or infinity out, for the reason given.
    fn passes(self, _why: &str) -> Self {
        Self { may: May::Pass, ..self }
    }
}

/// The answer of a call, all of it.
#[expect(clippy::unnecessary_wraps, reason = "the end of a row, whose other calls fail")]
fn shown(answer: impl Debug) -> Outcome {
    Ok(format!("{answer:?}"))
}

/// How long a call may take. The slowest takes a second on an idle machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Calls every row with everything, and fails with a line for each wrong outcome.
fn holds(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().flat_map(|row| problems(*row)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// What is wrong with a row's outcomes, a line for each.
fn problems(row: Row) -> Vec<String> {
    let (sender, verdicts) = mpsc::channel();
    // What is drawn, for the case that the call does not return.
    let note = Arc::new(Mutex::new(String::new()));
    let worker_note = Arc::clone(&note);
    // Not joined: it may hang.
    thread::spawn(move || {
        every_call(row, &worker_note, |verdict| drop(sender.send(verdict)));
    });
    let mut problems = Vec::new();
    loop {
        match verdicts.recv_timeout(LIMIT) {
            Ok(verdict) => problems.extend(verdict),
            Err(RecvTimeoutError::Disconnected) => return problems,
            Err(RecvTimeoutError::Timeout) => {
                let drawn = note.lock().map(|note| note.clone()).unwrap_or_default();
                problems.push(format!("{}: no answer within {LIMIT:?} to {drawn}", row.name));
                return problems;
            }
        }
    }
}

/// Calls a row with good input, and then with each argument spoilt in each way.
fn every_call(row: Row, note: &Arc<Mutex<String>>, mut say: impl FnMut(Option<String>)) {
    let good = Input::good();
    say(match called(row, &good) {
        Ok(Ok(text)) if is_finite(&text) || row.may == May::Pass => None,
        Ok(Ok(text)) => Some(format!("{}: good input gives {}", row.name, clipped(&text))),
        Ok(Err(error)) => Some(format!("{}: good input is refused: {error}", row.name)),
        Err(panic) => Some(format!("{}: good input: panic: {panic}", row.name)),
    });
    if good.drawn() == 0 {
        say(Some(format!("{}: draws nothing", row.name)));
    }
    for turn in 0..good.drawn() {
        for fault in 0.. {
            let input = Input::bad(turn, fault, Arc::clone(note));
            let outcome = called(row, &input);
            if input.is_spent() {
                break;
            }
            let drawn = input.spoilt();
            say(match outcome {
                Ok(Err(_)) => None,
                Ok(Ok(text)) => {
                    let allowed = match row.may {
                        May::Nothing => false,
                        May::Infinity => !text.contains("NaN") || !is_finite(&drawn),
                        May::Overflow => is_finite(&drawn) && is_near_the_largest(&drawn),
                        May::Pass => true,
                    };
                    (!is_finite(&text) && !allowed).then(|| {
                        let text = clipped(&text);
                        format!("{}: argument {turn}: {} gives {text}", row.name, clipped(&drawn))
                    })
                }
                Err(panic) => Some(format!(
                    "{}: argument {turn}: {}: panic: {panic}",
                    row.name,
                    clipped(&drawn)
                )),
            });
        }
    }
}

fn called(row: Row, input: &Input) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| (row.call)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

/// Whether no number in the text is NaN or infinite.
fn is_finite(text: &str) -> bool {
    !text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "NaN" || word == "inf")
}

/// Whether a number in the text is so large that its square is infinite.
fn is_near_the_largest(text: &str) -> bool {
    let numbers = text.split(|c: char| !(c.is_alphanumeric() || "+-.".contains(c)));
    numbers.filter_map(|word| word.parse::<f64>().ok()).any(|x| x.abs() > 1e154)
}

fn clipped(text: &str) -> String {
    let at = ["NaN", "inf"].iter().filter_map(|word| text.find(word)).min().unwrap_or(0);
    let text: String = text.chars().skip(at.saturating_sub(60)).take(120).collect();
    format!(".. {text} ..")
}

#[test]
fn what_a_row_must_not_do_is_seen() {
    let wrong = |row| problems(row).len();
    assert_eq!(wrong(row("finite", |x| shown(x.number(1.0).is_nan()))), 0);
    assert!(wrong(row("quotient", |x| shown(1.0 / x.number(1.0)))) > 1);
    assert!(wrong(row("index", |x| shown(x.slice(&[1.0, 2.0])[0]))) > 0);
    assert!(wrong(row("nothing", |_| shown(1.0))) == 1);
    assert!(wrong(row("refused", |_| Err("always".into()))) == 2);
}
