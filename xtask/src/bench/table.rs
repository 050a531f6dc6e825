//! What is kept, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::growth;
use super::kept::{Kept, id, rows};

/// A row per pair: seconds of both sides, their ratio with its smallest and largest, the goal and whether it is met.
#[must_use]
pub fn peers(kept: &Kept, ids: &[&str]) -> String {
    let lines: Vec<&Value> = kept
        .lines()
        .into_iter()
        .filter(|line| ids.contains(&id(line)) && line.get("points").is_none())
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let width = lines.iter().map(|line| id(line).len()).max().unwrap_or(0);
    let peer_width =
        lines.iter().flat_map(|line| rows(line)).map(|row| text(row, "peer").chars().count()).max();
    let peer_width = peer_width.unwrap_or(0);
    let mut table = format!(
        "\n{:width$}  {:peer_width$} {:>7} {:>10} {:>10} {:>8} {:>15}  goal\n",
        "line", "peer", "threads", "ours", "peer", "ratio", "least to most"
    );
    let (mut met, mut missed) = (0, 0);
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines {
        let mut name = id(line);
        if let Some(error) = line["error"].as_str() {
            let _ = writeln!(table, "{name:width$}  ERROR {error}");
        }
        for row in rows(line) {
            let peer = text(row, "peer");
            let threads = row["threads"].as_u64().unwrap_or(0);
            let _ = write!(table, "{name:width$}  {peer:peer_width$} {threads:>7} ");
            name = "";
            let goal = row["goal"].as_f64();
            if let Some(what) = row["missing"].as_str() {
                let _ = writeln!(table, "missing: {what}");
                *missing.entry(what.to_owned()).or_default() += 1;
                continue;
            }
            let Some(ratio) = row["ratio"].as_f64() else {
                let _ = writeln!(table, "OTHER ANSWER {}", text(row, "differ"));
                continue;
            };
            let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
            let range = format!("{} to {}", three(number("ratio_min")), three(number("ratio_max")));
            let measure = match row["unit"].as_str() {
                Some("B") => bytes,
                Some("evaluations") => |count: f64| format!("{count}"),
                _ => seconds,
            };
            let (ours, theirs) = (measure(number("ours_s")), measure(number("peer_s")));
            let _ = write!(table, "{ours:>10} {theirs:>10} {:>8} {range:>15}", three(ratio));
            if let Some(goal) = goal {
                let word = if ratio <= goal { "met" } else { "MISSED" };
                *(if ratio <= goal { &mut met } else { &mut missed }) += 1;
                let _ = write!(table, "  {} {word}", three(goal));
            }
            let quick = if line["extent"] == "quick" { "  quick" } else { "" };
            table.push_str(quick);
            table.push('\n');
        }
    }
    let _ = writeln!(
        table,
        "\ngoals: {met} met, {missed} missed; a ratio is ours / theirs, median of the pairs"
    );
    for (what, rows) in missing {
        let _ = writeln!(table, "missing in {rows} rows: {what}");
    }
    table
}

/// A row per operation: the exponents of time and memory, beside those of theory over the same sizes.
#[must_use]
pub fn growth(kept: &Kept, ids: &[&str]) -> String {
    let fits: Vec<growth::Fit> = kept
        .lines()
        .into_iter()
        .filter(|line| ids.contains(&id(line)))
        .filter_map(growth::Fit::of)
        .collect();
    if fits.is_empty() {
        return String::new();
    }
    let width = fits.iter().map(|fit| fit.id.len()).max().unwrap_or(0);
    let mut table = format!(
        "\n{:width$}  {:>19} {:>10} {:>15} {:>8} {:>10} {:>15} {:>8}\n",
        "operation",
        "sizes",
        "time",
        "grows with n^",
        "theory",
        "memory",
        "grows with n^",
        "theory"
    );
    for fit in fits {
        let sizes = format!("{} to {}", fit.first, fit.last);
        let memory = if fit.bytes > 0.0 { bytes(fit.bytes) } else { "none".to_owned() };
        let measured =
            |exponent: Option<f64>| exponent.map_or("-".to_owned(), |x| format!("{x:.2}"));
        let _ = writeln!(
            table,
            "{:width$}  {sizes:>19} {:>10} {:>15} {:>8.2} {memory:>10} {:>15} {:>8.2}",
            fit.id,
            seconds(fit.seconds),
            measured(fit.time),
            fit.time_theory,
            measured(fit.memory),
            fit.memory_theory,
        );
    }
    table.push_str(
        "time and memory are those of the largest size; the exponents are slopes over the last decade of sizes, those of\n\
         theory of n^a (log n)^b over the same sizes; memory is what is allocated at most at a time, the input not counted\n",
    );
    table
}

/// All rows against peers, as DESIGN names their fields.
#[must_use]
pub fn ratios(kept: &Kept) -> String {
    let all: Vec<Value> = kept.lines().into_iter().flat_map(rows).cloned().collect();
    format!("{:#}\n", json!(all))
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

/// Three digits, however small.
fn three(x: f64) -> String {
    match x.abs() {
        100.0.. => format!("{x:.0}"),
        10.0..100.0 => format!("{x:.1}"),
        1.0..10.0 => format!("{x:.2}"),
        0.01..1.0 => format!("{x:.3}"),
        _ => format!("{x:.5}"),
    }
}

fn seconds(s: f64) -> String {
    match s {
        1.0.. => format!("{} s", three(s)),
        1e-3..1.0 => format!("{} ms", three(1e3 * s)),
        1e-6..1e-3 => format!("{} us", three(1e6 * s)),
        _ => format!("{} ns", three(1e9 * s)),
    }
}

fn bytes(b: f64) -> String {
    match b {
        1e9.. => format!("{} GB", three(b / 1e9)),
        1e6..1e9 => format!("{} MB", three(b / 1e6)),
        1e3..1e6 => format!("{} kB", three(b / 1e3)),
        _ => format!("{b} B"),
    }
}
