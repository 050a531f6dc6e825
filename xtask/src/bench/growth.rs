//! Time and memory over three decades of size, and the exponents with which they grow.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::kept::{Kept, id};
use super::program::{build, say};
use super::{Extent, Place, Request};
use crate::verify::check::BoxError;
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};
use crate::verify::report::figure::figure;
use crate::verify::report::page::escape;

const WORKER: &str = "growth-worker";

/// Measures what is asked for and not yet kept, one thread; the ids of all that was asked for.
pub(super) fn run(
    request: &Request,
    place: &Place<'_>,
    kept: &mut Kept,
    err: &mut dyn Write,
) -> Result<Vec<String>, BoxError> {
    build(place, err)?;
    let program = place
        .workers
        .map_or_else(|| super::target().join("release"), Path::to_path_buf)
        .join(WORKER);
    let listed = Command::new(&program).arg("--list").output();
    let listed = listed.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8(listed.stdout)?;
    let operations: Vec<Value> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let all: Vec<&str> = operations.iter().map(id).collect();
    let chosen: Vec<String> = request.select(&all).into_iter().map(str::to_owned).collect();
    kept.forget(&chosen.iter().map(String::as_str).collect::<Vec<_>>(), request)?;
    for mut operation in operations {
        let name = id(&operation).to_owned();
        let done = kept.has(&name, 1, request.extent);
        if !chosen.contains(&name) || done || place.time_is_up() {
            continue;
        }
        let mut sizes: Vec<u64> =
            operation["sizes"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        if request.extent == Extent::Quick {
            // Two decades.
            let last = sizes.last().copied().unwrap_or(0);
            sizes.retain(|&size| 3 * size < last);
            operation["extent"] = json!("quick");
        }
        match measure(&program, &name, &sizes) {
            Ok(points) => operation["points"] = points,
            Err(error) => operation["error"] = error.to_string().into(),
        }
        operation["threads"] = json!(1);
        say(err, &summary(&operation));
        kept.add(operation)?;
    }
    Ok(chosen)
}

fn measure(program: &Path, name: &str, sizes: &[u64]) -> Result<Value, BoxError> {
    let mut worker = Command::new(program)
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut questions = worker.stdin.take().ok_or("it was asked for")?;
    let mut answers = BufReader::new(worker.stdout.take().ok_or("it was asked for")?).lines();
    let mut points = Vec::new();
    for size in sizes {
        writeln!(questions, "{name} {size}")?;
        let answer = answers.next().ok_or_else(|| format!("the worker ended at size {size}"))??;
        let numbers: Vec<f64> = answer.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [seconds, bytes] = numbers[..] else { return Err(answer.into()) };
        points.push(json!({"size": size, "seconds": seconds, "bytes": bytes}));
    }
    drop(questions);
    worker.wait()?;
    Ok(points.into())
}

fn summary(operation: &Value) -> String {
    let exponent = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.2}"));
    match (operation["error"].as_str(), Fit::of(operation)) {
        (Some(error), _) => format!("{} error: {error}", id(operation)),
        (None, None) => format!("{} has no points", id(operation)),
        (None, Some(fit)) => format!(
            "{}: time grows with n^{} (theory {:.2}), memory with n^{} (theory {:.2})",
            fit.id,
            exponent(fit.time),
            fit.time_theory,
            exponent(fit.memory),
            fit.memory_theory
        ),
    }
}

/// How an operation's cost grows.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The operation.
    pub id: String,
    /// The smallest size.
    pub first: u64,
    /// The largest size.
    pub last: u64,
    /// Seconds at the largest size.
    pub seconds: f64,
    /// Bytes at the largest size.
    pub bytes: f64,
    /// The exponent of time over the last decade of sizes.
    pub time: Option<f64>,
    /// That of theory over the same sizes.
    pub time_theory: f64,
    /// The exponent of memory; none where none is allocated.
    pub memory: Option<f64>,
    /// That of theory.
    pub memory_theory: f64,
}

impl Fit {
    /// Of a kept line that has points.
    #[must_use]
    pub fn of(line: &Value) -> Option<Self> {
        let points: Vec<[f64; 3]> = line["points"]
            .as_array()?
            .iter()
            .filter_map(|point| {
                Some([
                    point["size"].as_f64()?,
                    point["seconds"].as_f64()?,
                    point["bytes"].as_f64()?,
                ])
            })
            .collect();
        let (first, last) = (points.first()?, points.last()?);
        // Sizes are rounded, so that a decade is not exactly ten.
        let decade: Vec<_> = points.iter().filter(|point| point[0] * 10.5 >= last[0]).collect();
        let fit = |column: usize| slope(decade.iter().map(|point| (point[0], point[column])));
        let theory = |order: &Value| {
            let (power, log) = (order[0].as_f64().unwrap_or(0.0), order[1].as_f64().unwrap_or(0.0));
            slope(
                decade
                    .iter()
                    .map(|point| (point[0], point[0].powf(power) * point[0].ln().powf(log))),
            )
        };
        let whole = |size: f64| format!("{size:.0}").parse().unwrap_or(0);
        Some(Self {
            id: id(line).to_owned(),
            first: whole(first[0]),
            last: whole(last[0]),
            seconds: last[1],
            bytes: last[2],
            time: fit(1),
            time_theory: theory(&line["time"]).unwrap_or(0.0),
            memory: fit(2),
            memory_theory: theory(&line["memory"]).unwrap_or(0.0),
        })
    }
}

/// Least squares of log y on log x; none with fewer than two points, or where some y is not positive.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points.map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let (x0, y0) =
        logs.iter().fold((0.0, 0.0), |(x0, y0), (x, y)| (x0 + x / count, y0 + y / count));
    let (above, below) = logs.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - x0) * (y - y0), below + (x - x0) * (x - x0))
    });
    let slope = above / below;
    slope.is_finite().then_some(slope)
}

/// All that is kept, with the exponents.
#[must_use]
pub fn document(kept: &Kept) -> String {
    let operations: Vec<Value> = kept
        .lines()
        .into_iter()
        .filter_map(|line| {
            let fit = Fit::of(line)?;
            Some(json!({
                "id": fit.id, "points": line["points"],
                "time_exponent": fit.time, "time_theory": fit.time_theory,
                "memory_exponent": fit.memory, "memory_theory": fit.memory_theory,
            }))
        })
        .collect();
    format!("{:#}\n", json!(operations))
}

/// Plots of time and of memory, one pair for each crate: dots for what was measured, dashes for theory through the last.
#[must_use]
pub fn page(kept: &Kept) -> String {
    let lines: Vec<&Value> =
        kept.lines().into_iter().filter(|line| Fit::of(line).is_some()).collect();
    let mut crates: Vec<&str> = lines.iter().map(|line| crate_of(line)).collect();
    crates.dedup();
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>Plumbline: growth</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n<header>\n\
         <h1>How time and memory grow with size</h1>\n<p class=\"faint\">One thread. Dots are measured; dashes are theory, \
         through the largest size.</p>\n</header>\n",
        include_str!("../verify/report/style.css"),
    );
    for name in crates {
        let mine: Vec<&Value> =
            lines.iter().copied().filter(|line| crate_of(line) == name).collect();
        html.push_str(&format!("<section>\n<h2>{}</h2>\n<div class=\"plots\">\n", escape(name)));
        for (title, key, order, label) in [
            ("time", "seconds", "time", "seconds"),
            ("memory, beyond the input", "bytes", "memory", "bytes"),
        ] {
            html.push_str(&figure(&plot(&mine, title, key, order, label)));
        }
        html.push_str("</div>\n</section>\n");
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn crate_of(line: &Value) -> &str {
    let name = id(line).trim_start_matches("growth/");
    name.split('/').next().unwrap_or_default()
}

fn plot(
    lines: &[&Value],
    title: &'static str,
    key: &str,
    order: &str,
    label: &'static str,
) -> Plot {
    let mut series = Vec::new();
    for line in lines {
        let points: Vec<(f64, f64)> = line["points"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|point| Some((point["size"].as_f64()?, point[key].as_f64()?)))
            .collect();
        let Some(&(last, at)) = points.last() else { continue };
        let (power, log) =
            (line[order][0].as_f64().unwrap_or(0.0), line[order][1].as_f64().unwrap_or(0.0));
        let theory = |n: f64| n.powf(power) * n.ln().powf(log);
        let dashed = points.iter().map(|&(n, _)| (n, at * theory(n) / theory(last))).collect();
        let name = id(line).rsplit('/').next().unwrap_or_default();
        series.push(Series { label: name.to_owned(), mark: Mark::Dots, points });
        series.push(Series { label: String::new(), mark: Mark::Dashed, points: dashed });
    }
    let axis = |label| Axis { label, scale: Scale::Log };
    Plot { title, x: axis("size"), y: axis(label), series }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sizes: &[f64], seconds: impl Fn(f64) -> f64, bytes: f64) -> Value {
        let point = |&n: &f64| json!({"size": n, "seconds": seconds(n), "bytes": bytes});
        let points: Vec<Value> = sizes.iter().map(point).collect();
        json!({"id": "growth/linalg/lu", "time": [3, 0], "memory": [0, 0], "points": points})
    }

    #[test]
    fn the_exponent_is_that_of_the_last_decade() {
        // A constant cost hides the growth of the small sizes, and of them alone.
        let found = Fit::of(&line(&[1.0, 10.0, 100.0, 1000.0], |n| 1.0 + n.powi(3), 8.0));
        let fit = found.expect("it has points");
        assert!((fit.time.expect("two sizes") - 3.0).abs() < 1e-6, "{fit:?}");
        assert!((fit.time_theory - 3.0).abs() < 1e-12 && fit.memory == Some(0.0), "{fit:?}");
        assert_eq!((fit.first, fit.last), (1, 1000));
    }

    #[test]
    fn theory_with_a_logarithm_has_the_slope_of_its_own_curve() {
        let mut line = line(&[1e3, 1e4], |n| n * n.ln(), 8.0);
        line["time"] = json!([1, 1]);
        let fit = Fit::of(&line).expect("it has points");
        // log10(10 · ln 10⁴ / ln 10³) = 1 + log10(4/3).
        assert!((fit.time_theory - 1.124_938_736_608_3).abs() < 1e-12, "{fit:?}");
        assert!((fit.time.expect("two sizes") - fit.time_theory).abs() < 1e-12);
    }

    #[test]
    fn what_allocates_nothing_has_no_exponent() {
        let fit = Fit::of(&line(&[10.0, 100.0], |n| n, 0.0)).expect("it has points");
        assert_eq!(fit.memory, None);
        assert_eq!(Fit::of(&json!({"id": "a", "rows": []})), None);
    }
}
