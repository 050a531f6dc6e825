//! The result for a terminal: a line per check as it ends, then a table, the failures, a summary.

use std::fmt::Write;
use std::time::Duration;

use super::{number, rerun};
use crate::verify::check::{Check, Evidence};
use crate::verify::outcome::{Outcome, Verdict};
use crate::verify::runner::Plan;

/// Whether verdicts are colored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// For a terminal.
    Always,
    /// For anything else.
    Never,
}

/// What is about to run.
#[must_use]
pub fn opening(checks: usize, plan: &Plan) -> String {
    let Plan { seed, jobs, .. } = plan;
    format!("{}, seed {seed}, {}\n", count(checks, "check"), count(*jobs, "thread"))
}

/// A check that has just ended; `width` is that of the longest id.
#[must_use]
pub fn live(outcome: &Outcome, width: usize, color: Color) -> String {
    let word = paint(outcome, color);
    let found = match &outcome.evidence {
        Some(evidence) => format!(
            "measured {} | control {}",
            comparison(evidence),
            number(evidence.control.measured)
        ),
        None => first_line(outcome).to_owned(),
    };
    format!("{word} [{:6.2}s] {:width$}  {found}\n", outcome.seconds, outcome.check.id)
}

/// A check that takes long.
#[must_use]
pub fn still_running(check: &Check, elapsed: Duration) -> String {
    format!("      [{:6.2}s] {} is still running\n", elapsed.as_secs_f64(), check.id)
}

/// Every check in order, without its time: the same text for the same seed.
#[must_use]
pub fn table(outcomes: &[Outcome], width: usize, color: Color) -> String {
    let mut text = format!(
        "\n      {:width$}  {:>8}     {:7} {:>8} {:>8}\n",
        "check", "measured", "limit", "ratio", "control"
    );
    for outcome in outcomes {
        let word = paint(outcome, color);
        let line = match &outcome.evidence {
            Some(evidence) => format!(
                "{word} {:width$}  {:>8} {:3} {:7} {:>8} {:>8}",
                outcome.check.id,
                number(evidence.measured),
                sign(evidence),
                number(evidence.limit),
                number(evidence.ratio()),
                number(evidence.control.measured),
            ),
            None => format!("{word} {:width$}  {}", outcome.check.id, first_line(outcome)),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text.push('\n');
    text
}

/// What is wrong with each check that did not pass, and how to run it alone.
#[must_use]
pub fn failures(outcomes: &[Outcome], seed: u64, color: Color) -> String {
    outcomes
        .iter()
        .filter(|outcome| outcome.verdict != Verdict::Pass)
        .map(|outcome| failure(outcome, seed, color))
        .collect()
}

fn failure(outcome: &Outcome, seed: u64, color: Color) -> String {
    let check = &outcome.check;
    let mut rows = vec![
        ("problem", outcome.verdict.problem().unwrap_or_default().to_owned()),
        ("claim", check.claim.to_owned()),
    ];
    if let Some(evidence) = &outcome.evidence {
        rows.push(("measured", comparison(evidence)));
        rows.push(("reason", evidence.reason.to_owned()));
        let control = &evidence.control;
        rows.push(("control", format!("{}: {}", control.what, number(control.measured))));
        rows.extend(evidence.notes.iter().map(|note| ("note", note.clone())));
    }
    rows.push(("rerun", rerun(check.id, seed)));
    let mut text = format!("{} {}\n", paint(outcome, color), check.id);
    for (name, value) in rows {
        // A message of several lines, as of a failed assertion, keeps to its column.
        let value = value.replace('\n', "\n            ");
        let _ = writeln!(text, "  {name:8}  {value}");
    }
    text.push('\n');
    text
}

/// The last line: how many passed, how many did not.
#[must_use]
pub fn summary(outcomes: &[Outcome], seed: u64, color: Color) -> String {
    let of = |word| outcomes.iter().filter(|outcome| outcome.verdict.word() == word).count();
    let (passed, failed, errors) = (of("pass"), of("fail"), of("error"));
    let mut text = format!("{}: {passed} passed", count(outcomes.len(), "check"));
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    if errors > 0 {
        let _ = write!(text, ", {}", count(errors, "error"));
    }
    let code = if passed == outcomes.len() { "32" } else { "31" };
    format!("{}; seed {seed}\n", colored(&text, code, color))
}

/// Ids, the questions they answer, and claims.
#[must_use]
pub fn list(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    checks.iter().fold(String::new(), |mut text, check| {
        let question = check.question.map_or_else(String::new, |row| format!("Q{row}"));
        let _ = writeln!(text, "{:width$}  {question:3}  {}", check.id, check.claim);
        text
    })
}

fn paint(outcome: &Outcome, color: Color) -> String {
    let word = outcome.verdict.word().to_uppercase();
    let code = if outcome.verdict == Verdict::Pass { "32" } else { "31" };
    colored(&format!("{word:5}"), code, color)
}

fn colored(text: &str, code: &str, color: Color) -> String {
    match color {
        Color::Always => format!("\x1b[{code}m{text}\x1b[0m"),
        Color::Never => text.to_owned(),
    }
}

fn comparison(evidence: &Evidence) -> String {
    format!("{} {} {}", number(evidence.measured), sign(evidence), number(evidence.limit))
}

fn sign(evidence: &Evidence) -> &'static str {
    if evidence.holds() {
        "<="
    } else if evidence.measured.is_nan() {
        "!<="
    } else {
        ">"
    }
}

fn first_line(outcome: &Outcome) -> &str {
    outcome.verdict.problem().and_then(|problem| problem.lines().next()).unwrap_or_default()
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
