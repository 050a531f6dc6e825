//! The result for machines.

use serde_json::{Value, json};

use crate::verify::outcome::{Outcome, Verdict};

/// The document, ending in a newline. Everything but `seconds` depends on the seed alone.
///
/// `failed` counts every check that did not pass, errors included. Numbers that JSON lacks are the
/// strings `"NaN"`, `"inf"` and `"-inf"`.
#[must_use]
pub fn document(outcomes: &[Outcome], seed: u64) -> String {
    let passed = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    let document = json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "seed": seed,
        "passed": passed,
        "failed": outcomes.len() - passed,
        "checks": outcomes.iter().map(check).collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn check(outcome: &Outcome) -> Value {
    let check = &outcome.check;
    let evidence = outcome.evidence.as_ref();
    json!({
        "id": check.id,
        "question": check.question,
        "claim": check.claim,
        "status": outcome.verdict.word(),
        "problem": outcome.verdict.problem(),
        "measured": evidence.map(|evidence| number(evidence.measured)),
        "limit": evidence.map(|evidence| number(evidence.limit)),
        "ratio": evidence.map(|evidence| number(evidence.ratio())),
        "reason": evidence.map(|evidence| evidence.reason),
        "control": evidence.map(|evidence| json!({
            "what": evidence.control.what,
            "measured": number(evidence.control.measured),
            "failed": evidence.control_failed(),
        })),
        "seconds": outcome.seconds,
        "notes": evidence.map_or(&[][..], |evidence| &evidence.notes),
    })
}

fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}
