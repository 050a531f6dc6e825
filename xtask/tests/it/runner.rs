use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use xtask::verify::check::Check;
use xtask::verify::outcome::Verdict;
use xtask::verify::report::json;
use xtask::verify::runner::{self, Event, Plan};

use crate::samples::{self, EVERY_KIND, check, evidence, run_all};

#[test]
fn every_kind_of_check_gets_its_verdict() {
    let outcomes = run_all(&EVERY_KIND, 1, 3);
    let words: Vec<_> =
        outcomes.iter().map(|outcome| (outcome.check.id, outcome.verdict.word())).collect();
    assert_eq!(
        words,
        [
            ("rl-pg/slow", "pass"),
            ("quad/pass", "pass"),
            ("quad/fail", "fail"),
            ("quad/control-holds", "fail"),
            ("quad/nan", "fail"),
            ("quad/control-nan", "error"),
            ("quad/control-infinite", "pass"),
            ("dsp/error", "error"),
            ("dsp/panic", "error"),
            ("dsp/panic-elsewhere", "error"),
            ("rl-pg/random", "pass"),
        ]
    );
}

#[test]
fn a_panic_is_reported_with_its_place_and_message() {
    let outcomes = run_all(&[samples::PANIC, samples::PASS], 1, 1);
    let problem = outcomes[0].verdict.problem().unwrap();
    let place = problem.strip_prefix("panicked at ").unwrap();
    assert!(place.contains("samples.rs:"), "{problem}");
    assert!(place.ends_with(": sample 3 is odd"), "{problem}");
    assert_eq!(outcomes[1].verdict, Verdict::Pass);

    let outcomes = run_all(&[samples::PANIC_ELSEWHERE], 1, 1);
    let problem = outcomes[0].verdict.problem().unwrap();
    assert!(problem.ends_with("on a thread of the pool"), "{problem}");
}

#[test]
#[ignore = "run by the next test, in a process of its own"]
fn checks_that_panic() {
    assert_eq!(run_all(&[samples::PANIC, samples::PANIC_ELSEWHERE], 1, 1).len(), 2);
}

#[test]
fn a_panic_in_a_check_keeps_off_the_terminal() {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--exact", "runner::checks_that_panic", "--nocapture"];
    let output = Command::new(this).args(arguments).output().unwrap();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(said(&output.stdout).contains("1 passed"), "{output:?}");
    assert!(!said(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn an_error_is_reported_with_its_cause() {
    let outcomes = run_all(
        &[
            samples::ERROR,
            check("dsp/caused", |_| Err(Box::new(Outer("no header".parse::<u8>().unwrap_err())))),
        ],
        1,
        1,
    );
    assert_eq!(outcomes[0].verdict, Verdict::Error("no-such-file cannot be read".to_owned()));
    assert_eq!(
        outcomes[1].verdict,
        Verdict::Error("the header is wrong: invalid digit found in string".to_owned())
    );
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the header is wrong")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn checks_that_share_an_id_are_errors_and_do_not_run() {
    let twin = check("quad/pass", |_| unreachable!("a twin must not run"));
    let outcomes = run_all(&[samples::PASS, samples::RANDOM, twin], 1, 2);
    let twice = Verdict::Error("2 checks have this id".to_owned());
    assert_eq!(outcomes[0].verdict, twice);
    assert_eq!(outcomes[1].verdict, Verdict::Pass);
    assert_eq!(outcomes[2].verdict, twice);
}

#[test]
fn no_checks_are_no_outcomes() {
    assert!(run_all(&[], 1, 4).is_empty());
}

#[test]
fn the_json_does_not_depend_on_the_number_of_threads() {
    let document = |seed, jobs| {
        let text = json::document(&run_all(&EVERY_KIND, seed, jobs), seed);
        let mut value: Value = serde_json::from_str(&text).unwrap();
        for check in value["checks"].as_array_mut().unwrap() {
            assert!(check["seconds"].take().as_f64().unwrap() >= 0.0);
        }
        // The place of a panic on another thread is known only when that thread was the check's own.
        value["checks"][9]["problem"].take();
        value["checks"].to_string()
    };
    let one = document(7, 1);
    for jobs in [2, 3, 8, 64] {
        assert_eq!(document(7, jobs), one, "{jobs} threads");
    }
    assert_ne!(document(8, 1), one, "the seed must reach the checks");
}

#[test]
fn the_json_has_what_was_measured() {
    let checks = [samples::PASS, samples::NAN, samples::CONTROL_INFINITE, samples::ERROR];
    let text = json::document(&run_all(&checks, 7, 1), 7);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["seed"], 7);
    assert_eq!((&value["passed"], &value["failed"]), (&2.into(), &2.into()));
    let mut pass = value["checks"][0].clone();
    pass["seconds"].take();
    assert_eq!(
        pass,
        serde_json::json!({
            "id": "quad/pass",
            "question": 8,
            "claim": "Two <unequal> numbers are & stay apart.",
            "status": "pass",
            "problem": null,
            "measured": 1e-16,
            "limit": 1e-13,
            "ratio": 1e-16 / 1e-13,
            "reason": "n·eps, where n < 500",
            "control": {"what": "the <trapezoid> rule", "measured": 0.5, "failed": true},
            "seconds": null,
            "notes": ["Noted \"here\"."],
        })
    );
    assert_eq!(value["checks"][1]["measured"], "NaN");
    assert_eq!(value["checks"][1]["ratio"], "NaN");
    assert_eq!(value["checks"][1]["status"], "fail");
    assert_eq!(value["checks"][2]["control"]["measured"], "inf");
    let error = &value["checks"][3];
    assert_eq!(error["problem"], "no-such-file cannot be read");
    for absent in ["measured", "limit", "ratio", "reason", "control"] {
        assert!(error[absent].is_null(), "{absent}");
    }
    assert_eq!(error["notes"], serde_json::json!([]));
}

#[test]
fn a_check_that_takes_long_is_named_while_it_runs() {
    let plan = Plan { seed: 1, jobs: 2, patience: Duration::from_millis(50) };
    let mut events = Vec::new();
    let checks: [Check; 2] = [samples::SLOW, check("quad/quick", |_| Ok(evidence(0.0, 0.0, 1.0)))];
    let outcomes = runner::run(&checks, &plan, |event| {
        events.push(match event {
            Event::Finished(outcome) => format!("finished {}", outcome.check.id),
            Event::StillRunning(check, elapsed) => {
                assert!(elapsed >= plan.patience);
                format!("running {}", check.id)
            }
        });
    });
    assert_eq!(outcomes.len(), 2);
    let running = events.iter().position(|event| event == "running rl-pg/slow").unwrap();
    let finished = events.iter().position(|event| event == "finished rl-pg/slow").unwrap();
    assert!(running < finished, "{events:?}");
}
