//! The checks' ids: unique, and naming a crate that exists.

use std::collections::BTreeSet;

use super::Problem;
use crate::verify::check::Check;
use crate::verify::report::questions::Question;

/// The rows of the table of questions.
const ROWS: std::ops::RangeInclusive<u8> = 1..=12;

/// An id is `crate/claim` or `cross/claim` in small letters, digits and hyphens, and used once; a
/// question is a row of the table, and a claim says something.
#[must_use]
pub fn ids(checks: &[Check], crates: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for check in checks {
        let id = check.id;
        let mut wrong = |advice: String| {
            problems.push(Problem::new(place(id, crates), format!("{id}: {advice}")));
        };
        if !seen.insert(id) {
            wrong("two checks have this id; rename one".to_owned());
        }
        match id.split_once('/') {
            Some((name, claim)) if is_name(claim) => {
                if name != "cross" && !crates.contains(&name) {
                    wrong(format!(
                        "there is no crate {name}; an id is `crate/claim` or `cross/claim`"
                    ));
                }
            }
            _ => wrong("an id is `crate/claim`, in small letters, digits and hyphens".to_owned()),
        }
        if check.question.is_some_and(|question| !ROWS.contains(&question)) {
            wrong("the question is no row of the table; they are 1 to 12".to_owned());
        }
        if check.claim.trim().is_empty() {
            wrong("there is no claim; say it in one sentence".to_owned());
        }
    }
    problems
}

/// The report's questions are the rows of the table in their order, each held by a check that answers it.
#[must_use]
pub fn questions(questions: &[Question], checks: &[Check]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |advice: String| {
        problems.push(Problem::new("xtask/src/verify/report/questions.rs", advice));
    };
    if !questions.iter().map(|question| question.number).eq(ROWS) {
        wrong("the questions are not 1 to 12 in order".to_owned());
    }
    for Question { number, check, .. } in questions {
        match checks.iter().find(|other| other.id == *check) {
            Some(Check { question: Some(answered), .. }) if answered == number => {}
            Some(_) => wrong(format!("{check} does not answer question {number}")),
            None => wrong(format!("question {number}: there is no check {check}")),
        }
    }
    problems
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed)
}

/// The file in which a check with this id should stand.
fn place(id: &str, crates: &[&str]) -> String {
    let name = id.split('/').next().unwrap_or_default();
    let file = if name == "cross" || crates.contains(&name) { name } else { "mod" };
    format!("xtask/src/verify/checks/{}.rs", file.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &'static str) -> Check {
        Check { id, question: None, claim: "It holds.", run: |_| Err("never run".into()) }
    }

    #[test]
    fn an_id_names_a_crate_and_a_claim() {
        let crates = ["quad", "nn-core"];
        let good = ["quad/exact", "nn-core/batch-gradient", "cross/nodes-2d"].map(check);
        assert_eq!(ids(&good, &crates), []);
        for bad in [
            "quad",
            "quad/",
            "/exact",
            "quad/Exact",
            "quad/two words",
            "quad/a/b",
            "dsp/peaks",
            "",
            "quad/-a",
        ] {
            assert_eq!(ids(&[check(bad)], &crates).len(), 1, "{bad}");
        }
        assert_eq!(
            ids(&[check("nn-core/Exact")], &crates)[0].to_string(),
            "xtask/src/verify/checks/nn_core.rs: nn-core/Exact: an id is `crate/claim`, in small \
             letters, digits and hyphens"
        );
    }

    #[test]
    fn an_id_is_used_once() {
        let problems = ids(&[check("quad/a"), check("quad/b"), check("quad/a")], &["quad"]);
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["xtask/src/verify/checks/quad.rs: quad/a: two checks have this id; rename one"]
        );
    }

    #[test]
    fn a_question_has_a_check_that_answers_it() {
        use crate::verify::report::questions::QUESTIONS;
        let answers = |question: &Question| Check {
            question: Some(question.number),
            ..check(question.check)
        };
        let mut all: Vec<Check> = QUESTIONS.iter().map(answers).collect();
        assert_eq!(questions(&QUESTIONS, &all), []);
        assert_eq!(questions(&QUESTIONS[1..], &all).len(), 1);
        all[2].question = Some(4);
        let check = all.remove(5);
        assert_eq!(
            questions(&QUESTIONS, &all).iter().map(|p| p.advice.clone()).collect::<Vec<_>>(),
            [
                format!("{} does not answer question 3", QUESTIONS[2].check),
                format!("question 6: there is no check {}", check.id),
            ]
        );
    }

    #[test]
    fn a_question_is_a_row_and_a_claim_is_a_sentence() {
        for (question, problems) in [(Some(0), 1), (Some(1), 0), (Some(12), 0), (Some(13), 1)] {
            let check = Check { question, ..check("quad/a") };
            assert_eq!(ids(&[check], &["quad"]).len(), problems, "{question:?}");
        }
        assert_eq!(ids(&[Check { claim: " ", ..check("quad/a") }], &["quad"]).len(), 1);
    }
}
