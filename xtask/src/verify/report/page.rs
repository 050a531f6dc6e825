//! The result for a browser: one page that needs no script and nothing from elsewhere.

use std::fmt::Write;

use super::figure::figure;
use super::gauge::gauge;
use super::overview;
use super::questions::{QUESTIONS, Question};
use super::{number, rerun};
use crate::verify::outcome::{Outcome, Verdict};

/// The whole page: the questions whose checks ran, in their order, then every check.
#[must_use]
pub fn page(outcomes: &[Outcome], seed: u64) -> String {
    let passed = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    let heading = format!("{passed} of {} checks passed", outcomes.len());
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>Plumbline: {heading}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{heading}</h1>\n<p class=\"faint\">Plumbline {}, seed {seed}, {} on {}. A \
         check passes when what it measured is within its limit and its control, the usual wrong \
         method measured in the same way, is not.</p>\n</header>\n",
        include_str!("style.css"),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    );
    let asked = asked(outcomes);
    if !asked.is_empty() {
        contents(&mut html, &asked);
        html.push_str(&overview::figure(&asked));
        for (question, outcome) in asked {
            article(&mut html, question, outcome, outcomes);
        }
        html.push_str("<h2 class=\"chapter\" id=\"checks\">All checks</h2>\n");
    }
    table(&mut html, outcomes);
    for outcome in outcomes {
        section(&mut html, outcome, seed);
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// The questions whose checks are among the outcomes.
#[must_use]
pub fn asked(outcomes: &[Outcome]) -> Vec<(&'static Question, &Outcome)> {
    let outcome = |question: &'static Question| {
        let found = outcomes.iter().find(|outcome| outcome.check.id == question.check);
        found.map(|outcome| (question, outcome))
    };
    QUESTIONS.iter().filter_map(outcome).collect()
}

fn contents(html: &mut String, asked: &[(&Question, &Outcome)]) {
    html.push_str("<nav>\n<ol>\n");
    for (Question { number, words, .. }, _) in asked {
        let words = escape(words);
        let _ = writeln!(
            html,
            "<li value=\"{number}\"><a href=\"#question-{number}\">{words}</a></li>"
        );
    }
    html.push_str("</ol>\n<p><a href=\"#checks\">All checks</a></p>\n</nav>\n");
}

/// A question with its answer, its picture and numbers, and what to write.
fn article(html: &mut String, question: &Question, outcome: &Outcome, outcomes: &[Outcome]) {
    let Question { number: row_number, words, answer, library, measure, code, .. } = question;
    let _ = writeln!(
        html,
        "<article id=\"question-{row_number}\">\n<h2><span class=\"row\">{row_number}</span>{}</h2>\n\
         <p class=\"answer\">{}</p>",
        escape(words),
        escape(answer)
    );
    if let Some(evidence) = &outcome.evidence {
        html.push_str("<div class=\"figures\">\n");
        html.push_str(&evidence.plots.first().map(figure).unwrap_or_default());
        let _ = writeln!(
            html,
            "<div class=\"numbers\">\n<p class=\"measure\">{}</p>\n{}<dl>",
            escape(measure),
            gauge(evidence).unwrap_or_default()
        );
        row(html, "here", &number(evidence.measured));
        let control = &evidence.control;
        row(html, "wrong way", &format!("{}, by {}", number(control.measured), control.what));
        html.push_str("</dl>\n</div>\n</div>\n");
    }
    if let Some(problem) = outcome.verdict.problem() {
        let _ = writeln!(html, "<p class=\"problem\">{}</p>", escape(problem));
    }
    let _ = writeln!(html, "<p class=\"faint\">With <code>{library}</code>:</p>");
    let _ = writeln!(html, "<pre><code>{}</code></pre>", escape(&code.join("\n")));
    let links: Vec<String> = outcomes
        .iter()
        .filter(|other| {
            other.check.question == Some(*row_number) || other.check.id == outcome.check.id
        })
        .map(|other| {
            let (id, word) = (escape(other.check.id), other.verdict.word());
            format!("<a class=\"id {word}\" href=\"#{id}\">{id}</a>")
        })
        .collect();
    let _ = writeln!(html, "<p class=\"held-by\">Held by {}.</p>\n</article>", links.join(", "));
}

fn table(html: &mut String, outcomes: &[Outcome]) {
    html.push_str(
        "<table>\n<thead><tr><th></th><th>check</th><th>measured</th><th>limit</th><th>ratio</th>\
         <th>control</th></tr></thead>\n<tbody>\n",
    );
    for outcome in outcomes {
        let id = escape(outcome.check.id);
        let _ = write!(
            html,
            "<tr><td>{}</td><td><a class=\"id\" href=\"#{id}\">{id}</a></td>",
            badge(outcome)
        );
        let numbers = outcome.evidence.as_ref().map(|evidence| {
            [
                ("measured", number(evidence.measured)),
                ("limit", number(evidence.limit)),
                ("ratio", number(evidence.ratio())),
                ("control", number(evidence.control.measured)),
            ]
        });
        match numbers {
            Some(numbers) => {
                for (name, value) in numbers {
                    let _ = write!(html, "<td data-name=\"{name}\">{value}</td>");
                }
            }
            None => {
                let problem = escape(outcome.verdict.problem().unwrap_or_default());
                let _ = write!(html, "<td colspan=\"4\">{problem}</td>");
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
}

fn section(html: &mut String, outcome: &Outcome, seed: u64) {
    let check = &outcome.check;
    let id = escape(check.id);
    let _ = writeln!(
        html,
        "<section id=\"{id}\">\n<h3>{}<span class=\"id\">{id}</span></h3>\n\
         <p class=\"claim\">{}</p>",
        badge(outcome),
        escape(check.claim)
    );
    if let Some(question) = check.question {
        let _ = writeln!(html, "<p class=\"faint\">Answers question {question}.</p>");
    }
    if let Some(problem) = outcome.verdict.problem() {
        let _ = writeln!(html, "<p class=\"problem\">{}</p>", escape(problem));
    }
    html.push_str("<dl>\n");
    if let Some(evidence) = &outcome.evidence {
        let sign = if evidence.holds() { '≤' } else { '≰' };
        let (measured, limit) = (number(evidence.measured), number(evidence.limit));
        let exceeds = if evidence.control_failed() { "above" } else { "not above" };
        row(html, "measured", &format!("{measured} {sign} {limit}"));
        row(html, "ratio", &format!("{} of the limit", number(evidence.ratio())));
        row(html, "limit from", evidence.reason);
        let control = &evidence.control;
        let found = number(control.measured);
        row(html, "control", &format!("{}: {found}, {exceeds} the limit", control.what));
        for note in &evidence.notes {
            row(html, "note", note);
        }
    }
    row(html, "time", &format!("{:.2} s", outcome.seconds));
    let _ = writeln!(
        html,
        "<dt>run again</dt><dd><code>{}</code></dd>\n</dl>",
        escape(&rerun(check.id, seed))
    );
    let plots = outcome.evidence.as_ref().map_or(&[][..], |evidence| &evidence.plots);
    if !plots.is_empty() {
        let figures: String = plots.iter().map(figure).collect();
        let _ = writeln!(html, "<div class=\"figures\">\n{figures}</div>");
    }
    html.push_str("</section>\n");
}

fn row(html: &mut String, name: &str, text: &str) {
    let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(text));
}

fn badge(outcome: &Outcome) -> String {
    let word = outcome.verdict.word();
    format!("<span class=\"verdict {word}\">{word}</span>")
}

/// Text as it may stand in HTML, between tags or in quotes; control characters become �.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
