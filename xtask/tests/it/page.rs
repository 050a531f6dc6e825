use xtask::verify::check::Check;
use xtask::verify::report::figure::figure;
use xtask::verify::report::questions::{QUESTIONS, Question};
use xtask::verify::report::{overview, page};

use crate::samples::{self, EVERY_KIND, run_all};

/// Walks the tags: every one opened is closed in order, and text holds no bare `<` or `&`.
fn tags(html: &str) -> Result<Vec<String>, String> {
    let html = html.strip_prefix("<!doctype html>\n").unwrap_or(html);
    let mut open: Vec<&str> = Vec::new();
    let mut seen = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text(&rest[..start])?;
        let (tag, after) = rest[start + 1..].split_once('>').ok_or("a tag does not end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes {open:?}"));
            }
            continue;
        }
        if tag.matches('"').count() % 2 != 0 {
            return Err(format!("<{tag}> has an odd number of quotes"));
        }
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        if !name.chars().all(|c| c.is_ascii_alphanumeric()) || name.is_empty() {
            return Err(format!("<{tag}> is no tag"));
        }
        seen.push(tag.to_owned());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    text(rest)?;
    if open.is_empty() { Ok(seen) } else { Err(format!("{open:?} never end")) }
}

fn text(text: &str) -> Result<(), String> {
    for entity in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        if !known.iter().any(|name| entity.starts_with(name)) {
            return Err(format!("a bare & before {entity:.20}"));
        }
    }
    Ok(())
}

#[test]
fn the_walk_finds_what_is_not_well_formed() {
    assert!(tags("<p>a &amp; b<br/></p>").is_ok());
    for wrong in ["<p>", "</p>", "<p><b></p></b>", "<p>a & b</p>", "<p>1 < 2</p>", "<p a=\"></p>"] {
        assert!(tags(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_page_is_well_formed_and_stands_alone() {
    let html = page::page(&run_all(&EVERY_KIND, 1, 4), 1);
    let tags = tags(&html).unwrap();
    let count = |start: &str| tags.iter().filter(|tag| tag.starts_with(start)).count();
    assert_eq!(count("section "), EVERY_KIND.len());
    assert_eq!(count("figure"), 8 * samples::pictures().len());
    assert_eq!((count("script"), count("link"), count("img")), (0, 0, 0));
    assert!(!html.contains("http"), "nothing from elsewhere");
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("@media print"));
}

#[test]
fn the_page_shows_all_of_a_check() {
    let html = page::page(&run_all(&[samples::FAIL, samples::PANIC], 5, 1), 5);
    for part in [
        "0 of 2 checks passed",
        "seed 5",
        "Answers question 8.",
        "Two &lt;unequal&gt; numbers are &amp; stay apart.",
        "measured 2e-13, above the limit 1e-13",
        "2.0e-13 ≰ 1.0e-13",
        "n·eps, where n &lt; 500",
        "the &lt;trapezoid&gt; rule: 0.500, above the limit",
        "Noted &quot;here&quot;.",
        "cargo xtask verify quad/fail --seed 5",
        "sample 3 is odd",
        "error &lt;against&gt; n",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn a_question_stands_first_with_its_answer_numbers_and_code() {
    let asked = |question: &Question| Check {
        question: Some(question.number),
        ..samples::check(question.check, |_| Ok(samples::evidence(1e-16, 1e-13, 0.5)))
    };
    let checks: Vec<Check> = QUESTIONS.iter().map(asked).chain([samples::PASS]).collect();
    let outcomes = run_all(&checks, 1, 4);
    let html = page::page(&outcomes, 1);
    let tags = tags(&html).unwrap();
    assert_eq!(tags.iter().filter(|tag| tag.starts_with("article ")).count(), QUESTIONS.len());
    assert_eq!(tags.iter().filter(|tag| tag.contains("\"gauge\"")).count(), QUESTIONS.len());
    let places: Vec<_> = QUESTIONS
        .iter()
        .map(|question| html.find(&format!("id=\"question-{}\"", question.number)))
        .chain([html.find("id=\"checks\""), html.find("<table>")])
        .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    for part in ["wrong way 0.500", "let inverse = LayerwiseInverse::new(&amp;network)?;"] {
        assert!(html.contains(part), "{part}");
    }
    let picture = overview::picture(&page::asked(&outcomes));
    assert!(self::tags(&picture).is_ok() && picture.starts_with("<svg xmlns="));
    assert_eq!(picture.matches("class=\"wrong\"").count(), QUESTIONS.len());
}

#[test]
fn no_data_breaks_a_picture() {
    for plot in samples::pictures() {
        let html = figure(&plot);
        assert!(tags(&html).is_ok(), "{}: {:?}", plot.title, tags(&html));
        assert!(!html.contains("NaN") && !html.contains("inf"), "{}: {html}", plot.title);
        let drawn = html.contains("no point to show");
        assert_eq!(
            drawn,
            ["nothing", "nothing finite", "no series"].contains(&plot.title),
            "{html}"
        );
    }
}

#[test]
fn thousands_of_points_make_a_small_picture_with_its_gap() {
    let plot = &samples::pictures()[0];
    assert_eq!(plot.series[0].points.len(), 5000);
    let html = figure(plot);
    assert!(html.len() < 30_000, "{} bytes", html.len());
    let line = html.lines().find(|line| line.starts_with("<path class=\"line s0\"")).unwrap();
    assert_eq!(line.matches('M').count(), 2, "one gap: {line:.80}");
}

#[test]
fn limits_are_dashed_and_dots_are_dots() {
    let html = figure(&samples::pictures()[1]);
    for part in [
        "class=\"dots s0\"",
        "class=\"line s1\"",
        "class=\"dashed s2\"",
        ">10⁻¹²<",
        "</svg> limit</li>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
}
